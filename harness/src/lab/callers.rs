//! The API servers that call the lab's own servers: the process that has the other end of a connection.
//!
//! The main function is [`api_server`].

#[cfg(target_os = "linux")]
use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::Path;
#[cfg(target_os = "linux")]
use std::path::PathBuf;
#[cfg(target_os = "linux")]
use std::sync::{Mutex, PoisonError};

#[cfg(target_os = "linux")]
use super::processes;

/// The sockets whose owners are remembered.
#[cfg(target_os = "linux")]
const REMEMBERED: usize = 1024;

/// Returns a function that finds the API server of the lab in `directory` that has the other end of a connection, of its address and of ours.
/// It knows those that run as processes of this machine.
#[cfg(target_os = "linux")]
pub(super) fn api_servers(directory: &Path) -> impl Fn(SocketAddr, SocketAddr) -> Option<String> + Send + Sync + 'static {
    let directory: PathBuf = directory.to_owned();
    // The kernel gives the number of a socket to no other as long as that is open; they are used again after four billion.
    let known: Mutex<HashMap<u64, Option<String>>> = Mutex::default();
    move |peer, ours| {
        let inode = inode(&std::fs::read_to_string("/proc/net/tcp").ok()?, peer, ours)?;
        if let Some(name) = known.lock().unwrap_or_else(PoisonError::into_inner).get(&inode) {
            return name.clone();
        }
        let owner = processes::servers(&directory)
            .into_iter()
            .find(|server| has_socket(server.pid, inode));
        let name = owner.and_then(|owner| owner.api_server(&directory));
        let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() == REMEMBERED {
            known.clear();
        }
        known.insert(inode, name.clone());
        name
    }
}

/// Returns a function that knows no API server: this system does not tell whose a connection is.
#[cfg(not(target_os = "linux"))]
pub(super) fn api_servers(_: &Path) -> impl Fn(SocketAddr, SocketAddr) -> Option<String> + Send + Sync + 'static {
    |_, _| None
}

/// Returns whether a process of this user has the socket `inode` open.
#[cfg(target_os = "linux")]
fn has_socket(pid: u32, inode: u64) -> bool {
    let wanted = format!("socket:[{inode}]");
    let open = std::fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    open.filter_map(|entry| std::fs::read_link(entry.path()).ok())
        .any(|link| link.as_os_str() == wanted.as_str())
}

/// Returns the number of the socket whose end `peer` is connected to `ours`, from the `table` of connections (proc_pid_net(5)).
#[cfg(target_os = "linux")]
fn inode(table: &str, peer: SocketAddr, ours: SocketAddr) -> Option<u64> {
    let (peer, ours) = (in_table(peer)?, in_table(ours)?);
    table.lines().skip(1).find_map(|line| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let [_, local, remote, _, _, _, _, _, _, inode, ..] = fields[..] else {
            return None;
        };
        let number = inode.parse().ok().filter(|inode| *inode != 0);
        number.filter(|_| local == peer && remote == ours)
    })
}

/// Returns an address as the table has it: the bytes of the machine's order, hexadecimal.
#[cfg(target_os = "linux")]
fn in_table(address: SocketAddr) -> Option<String> {
    match address {
        SocketAddr::V4(address) => Some(format!("{:08X}:{:04X}", u32::from_ne_bytes(address.ip().octets()), address.port())),
        SocketAddr::V6(_) => None,
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn a_connection_belongs_to_the_process_that_has_its_end() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        // The kernel connects both, before anybody accepts.
        let caller = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (peer, ours) = (caller.local_addr().unwrap(), caller.peer_addr().unwrap());
        let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
        let inode = inode(&table, peer, ours).expect("the connection is in the table");
        assert!(has_socket(std::process::id(), inode));
        assert!(!has_socket(1, inode) && !has_socket(std::process::id(), u64::MAX));
        // Neither end alone names a connection.
        for (peer, ours) in [(peer, peer), (ours, ours)] {
            assert_eq!(super::inode(&table, peer, ours), None);
        }
    }

    #[test]
    fn a_process_that_is_no_api_server_of_the_lab_is_not_named() {
        let directory = tempfile::tempdir().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let caller = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let found = api_servers(directory.path())(caller.local_addr().unwrap(), caller.peer_addr().unwrap());
        assert_eq!(found, None);
    }
}
