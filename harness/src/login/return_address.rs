//! The redirect URI of a login in the browser, as the client is registered with it. The main type is [`ReturnAddress`].

use std::str::FromStr;

/// The hosts that mean this machine to a browser, whatever a name server says.
const HOSTS: [&str; 2] = ["127.0.0.1", "localhost"];

/// The address that a login page returns to: on this machine, without TLS (RFC 8252 §7.3).
///
/// Many issuers take any port for `127.0.0.1`, as that section asks; others compare the whole address to the letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReturnAddress {
    host: String,
    port: Option<u16>,
    path: String,
}

impl Default for ReturnAddress {
    /// Returns a path on a free port. Not `localhost`, which may be another machine's (RFC 8252 §8.3).
    fn default() -> Self {
        Self {
            host: HOSTS[0].to_owned(),
            port: None,
            path: "/callback".to_owned(),
        }
    }
}

impl ReturnAddress {
    /// Returns the port to listen on; 0 for a free one.
    pub(super) fn port(&self) -> u16 {
        self.port.unwrap_or_default()
    }

    /// Returns `true` for the path of a request at this address.
    pub(super) fn is_path(&self, path: &str) -> bool {
        path == if self.path.is_empty() { "/" } else { &self.path }
    }

    /// Returns the whole address, which listens on `port`: to the letter as it was given, unless it leaves the port open.
    pub(super) fn url(&self, port: u16) -> String {
        format!("http://{}:{port}{}", self.host, self.path)
    }
}

/// A text that is not the address of a page on this machine.
#[derive(Debug, thiserror::Error)]
#[error("not an address on this machine (expected http://127.0.0.1 or http://localhost, then :PORT and /PATH if they are fixed)")]
pub struct NotHere;

impl FromStr for ReturnAddress {
    type Err = NotHere;

    fn from_str(text: &str) -> Result<Self, NotHere> {
        let rest = text.strip_prefix("http://").ok_or(NotHere)?;
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let (host, port) = match authority.split_once(':') {
            Some((host, port)) => (host, Some(port.parse().ok().filter(|port| *port != 0).ok_or(NotHere)?)),
            None => (authority, None),
        };
        let is_path = path.chars().all(|c| c.is_ascii_alphanumeric() || "/-._~%".contains(c));
        if !HOSTS.contains(&host) || !is_path {
            return Err(NotHere);
        }
        Ok(Self {
            host: host.to_owned(),
            port,
            path: path.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_registered_is_kept_to_the_letter() {
        for (text, port, url, path) in [
            ("http://localhost:8000", 8000, "http://localhost:8000", "/"),
            ("http://localhost:8000/", 8000, "http://localhost:8000/", "/"),
            (
                "http://127.0.0.1:18000/oauth2/callback",
                18000,
                "http://127.0.0.1:18000/oauth2/callback",
                "/oauth2/callback",
            ),
            ("http://localhost", 0, "http://localhost:4711", "/"),
            ("http://127.0.0.1/callback", 0, "http://127.0.0.1:4711/callback", "/callback"),
        ] {
            let address: ReturnAddress = text.parse().expect(text);
            let listens = if port == 0 { 4711 } else { port };
            assert_eq!((address.port(), address.url(listens)), (port, url.to_owned()), "{text}");
            assert!(address.is_path(path) && !address.is_path("/elsewhere"), "{text}");
        }
        assert_eq!(
            "http://127.0.0.1/callback".parse::<ReturnAddress>().ok(),
            Some(ReturnAddress::default())
        );
    }

    #[test]
    fn an_address_elsewhere_is_refused() {
        for text in [
            "",
            "localhost:8000",
            "https://localhost:8000",
            "http://example.test:8000",
            "http://localhost.example.test",
            "http://me@localhost:8000",
            "http://localhost:0",
            "http://localhost:99999",
            "http://localhost:",
            "http://[::1]:8000",
            "http://192.0.2.1:8000",
            "http://localhost:8000/a?b=c",
            "http://localhost:8000/#a",
            "http://localhost:8000/a b",
        ] {
            assert!(text.parse::<ReturnAddress>().is_err(), "{text}");
        }
    }
}
