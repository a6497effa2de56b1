//! Addresses of this machine only, and the access to a page served there: by the browser of the same user, for pages of the same origin.
//!
//! The main functions are [`is_asked_directly`], against pages of other sites, and [`is_from_this_user`], against other users of the
//! machine; [`caller`] tells those apart.

use std::net::{IpAddr, SocketAddr};

use hyper::Request;
use hyper::header::{HOST, HeaderMap, HeaderName, ORIGIN};

/// Returns whether `host`, as in a URL, is an IP address of this machine only. A name is not: its resolver decides what it means.
#[must_use]
pub fn is_address(host: &str) -> bool {
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Returns whether a browser was told to ask this machine, and not another site by DNS rebinding, nor a page of another site.
/// The port is not compared: it differs if it was forwarded.
#[must_use]
pub fn is_asked_directly<B>(request: &Request<B>) -> bool {
    let only = |name: HeaderName| only(request.headers(), &name);
    let Ok(Some(host)) = only(HOST) else { return false };
    let named = request.uri().authority().map_or(host, |authority| authority.as_str());
    let same_origin = match only(ORIGIN) {
        Ok(None) => true,
        Ok(Some(origin)) => origin.strip_prefix("http://") == Some(host),
        Err(()) => false,
    };
    same_origin && [host, named].into_iter().all(is_here)
}

/// Returns the header's only value.
///
/// # Errors
/// The header occurs several times, or is not text.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, ()> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map(Some).map_err(|_| ()),
        (Some(_), Some(_)) => Err(()),
    }
}

/// Returns whether `HOST` or `HOST:PORT` means this machine. Browsers never look `localhost` up.
fn is_here(authority: &str) -> bool {
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.chars().all(|c| c.is_ascii_digit()) => host,
        _ => authority,
    };
    host.eq_ignore_ascii_case("localhost") || is_address(host)
}

/// The user at the other end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller {
    /// This user, or the administrator.
    Us,
    /// Another user of the machine, by id.
    Other(u32),
    /// Nobody who can be told: the connection is closed already.
    Unknown,
}

/// Returns the user at the other end of a connection, at `peer`. A connection from outside this kernel's network is ours: a permitted user
/// forwarded it. Only Linux can tell; elsewhere every caller counts as this user.
#[must_use]
pub fn caller(local: SocketAddr, peer: SocketAddr) -> Caller {
    let read = |table: &str| std::fs::read_to_string(format!("/proc/self/net/{table}")).ok();
    let Some(sockets) = read("tcp") else { return Caller::Us };
    // A client may use a socket of IPv6 for an address of IPv4.
    let sockets = sockets + &read("tcp6").unwrap_or_default();
    told(&sockets, local, peer, &users())
}

/// Returns whether the other end of a connection, at `peer`, belongs to this user or to the administrator, as [`caller`] tells.
#[must_use]
pub fn is_from_this_user(local: SocketAddr, peer: SocketAddr) -> bool {
    caller(local, peer) == Caller::Us
}

/// Returns the ids of this user, also of the one who called `sudo`, and of the administrator.
fn users() -> Vec<u32> {
    let me = rustix::process::geteuid().as_raw();
    let mut users = vec![me, 0];
    if me == 0 {
        users.extend(std::env::var("SUDO_UID").ok().and_then(|uid| uid.parse::<u32>().ok()));
    }
    users
}

/// The state of a connection of which neither end is closed (include/net/tcp_states.h).
const ESTABLISHED: &str = "01";

/// Returns the owner of the end at `peer`, according to the kernel's tables of sockets (proc_pid_net(5)); `users` are us.
fn told(sockets: &str, local: SocketAddr, peer: SocketAddr, users: &[u32]) -> Caller {
    let find = |from: SocketAddr, to: SocketAddr| {
        let (from, to) = (forms(from), forms(to));
        sockets.lines().find_map(|line| {
            let mut words = line.split_whitespace().skip(1);
            let (own, other, state) = (words.next()?, words.next()?, words.next()?);
            // Skipped: the queues, the timer, and the number of retransmissions.
            let uid = words.nth(3)?.parse::<u32>().ok()?;
            let is_it = from.iter().any(|form| form == own) && to.iter().any(|form| form == other);
            is_it.then_some((state == ESTABLISHED, uid))
        })
    };
    match find(peer, local) {
        // The kernel does not report the owner of an end that is already closed.
        Some((false, _)) => Caller::Unknown,
        Some((true, uid)) if users.contains(&uid) => Caller::Us,
        Some((true, uid)) => Caller::Other(uid),
        None if find(local, peer).is_some_and(|(established, _)| established) => Caller::Us,
        None => Caller::Unknown,
    }
}

/// Returns the forms of an address in the tables: each 32 bits of it in the processor's order, on its own and mapped into IPv6.
fn forms(address: SocketAddr) -> Vec<String> {
    let words = |bytes: &[u8]| -> String {
        let words = bytes
            .chunks_exact(4)
            .map(|word| word.try_into().map(u32::from_ne_bytes).unwrap_or_default());
        words.map(|word| format!("{word:08X}")).collect()
    };
    let port = address.port();
    match address.ip() {
        IpAddr::V4(ip) => vec![
            format!("{}:{port:04X}", words(&ip.octets())),
            format!("{}:{port:04X}", words(&ip.to_ipv6_mapped().octets())),
        ],
        IpAddr::V6(ip) => vec![format!("{}:{port:04X}", words(&ip.octets()))],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_numbers_are_addresses_of_this_machine() {
        for host in ["127.0.0.1", "127.1.2.3", "[::1]", "::1"] {
            assert!(is_address(host), "{host}");
        }
        for host in ["localhost", "127.0.0.1.example.com", "128.0.0.1", "0.0.0.0", "[::2]", ""] {
            assert!(!is_address(host), "{host}");
        }
    }

    #[test]
    fn a_page_of_another_site_or_a_name_that_leads_here_is_told_apart() {
        let asked = |uri: &str, headers: &[(&str, &str)]| {
            let mut request = Request::get(uri);
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            is_asked_directly(&request.body(()).expect("a request"))
        };
        for host in ["127.0.0.1:8080", "localhost:1", "LOCALHOST", "[::1]:80", "127.0.0.1"] {
            assert!(asked("/", &[("host", host)]), "{host}");
        }
        assert!(asked("/", &[("host", "localhost:1"), ("origin", "http://localhost:1")]));
        for host in [
            "evil.test",
            "evil.test:8080",
            "127.0.0.1.evil.test",
            "localhost.evil.test",
            "",
            "[::1].evil.test",
        ] {
            assert!(!asked("/", &[("host", host)]), "{host}");
        }
        assert!(!asked("/", &[]));
        assert!(!asked("/", &[("host", "localhost"), ("host", "evil.test")]));
        assert!(!asked("http://evil.test/", &[("host", "localhost")]));
        for origin in ["http://evil.test", "null", "https://localhost:1", "http://localhost:2"] {
            assert!(!asked("/", &[("host", "localhost:1"), ("origin", origin)]), "{origin}");
        }
    }

    /// Uses rows as the kernel of a processor that puts the lowest byte first writes them.
    #[cfg(target_endian = "little")]
    #[test]
    fn another_user_is_told_by_the_kernels_table() {
        let row = |own: &str, other: &str, state: &str, uid: u32| {
            format!("   0: {own} {other} {state} 00000000:00000000 00:00000000 00000000  {uid}        0 2112\n")
        };
        let (local, peer) = (
            "127.0.0.1:8080".parse().expect("an address"),
            "127.0.0.1:40000".parse().expect("an address"),
        );
        let (here, there) = ("0100007F:1F90", "0100007F:9C40");
        let mapped = "0000000000000000FFFF00000100007F:";
        let ours = row(here, there, "01", 1000);
        let with = |row: String| told(&(format!("  sl  local_address …\n{ours}") + &row), local, peer, &[1000, 0]);
        assert_eq!(with(row(there, here, "01", 1000)), Caller::Us);
        assert_eq!(with(row(there, here, "01", 0)), Caller::Us);
        assert_eq!(with(row(there, here, "01", 1001)), Caller::Other(1001));
        // The peer sent its request and closed, so that its owner is unknown.
        assert_eq!(with(row(there, here, "05", 0)), Caller::Unknown);
        let through_ipv6 = row(&format!("{mapped}9C40"), &format!("{mapped}1F90"), "01", 1001);
        assert_eq!(with(through_ipv6), Caller::Other(1001));
        // From another machine.
        assert_eq!(with(String::new()), Caller::Us);
        // The connection is gone.
        assert_eq!(told("", local, peer, &[1000, 0]), Caller::Unknown);
    }

    #[tokio::test]
    async fn this_very_process_is_this_user() {
        let listener = crate::listener::Listener::bind(std::net::Ipv4Addr::LOCALHOST)
            .await
            .expect("a port is free");
        let local = listener.address();
        let (tell, told) = tokio::sync::oneshot::channel();
        let tell = std::sync::Mutex::new(Some(tell));
        let _listening = listener.accept(move |accepted| {
            let tell = tell.lock().expect("nobody panicked").take();
            let is_ours = is_from_this_user(local, accepted.peer);
            async move {
                let _gone = tell.map(|tell| tell.send(is_ours));
            }
        });
        let client = tokio::net::TcpStream::connect(local).await.expect("it listens");
        assert!(told.await.expect("somebody came"));
        drop(client);
    }
}
