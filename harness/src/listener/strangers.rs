//! Callers that connect and say nothing, for the tests of every listener.
//!
//! The main function is [`crowd`].

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::sync::{Mutex, MutexGuard};

/// More than a listener has room for.
const MANY: usize = 200;

/// One crowd at a time: a process may have too few files for several.
static ALONE: Mutex<()> = Mutex::const_new(());

/// Connections that are held open and say nothing.
pub(crate) struct Strangers {
    _connections: Vec<TcpStream>,
    _alone: MutexGuard<'static, ()>,
}

/// Opens 200 connections to `address` that say nothing, and waits until the first of them has been closed.
pub(crate) async fn crowd(address: SocketAddr) -> Strangers {
    let alone = ALONE.lock().await;
    let mut connections = Vec::new();
    for _ in 0..MANY {
        connections.push(TcpStream::connect(address).await.unwrap());
    }
    assert_eq!(closed(&mut connections[0]).await, Vec::<u8>::new());
    Strangers {
        _connections: connections,
        _alone: alone,
    }
}

/// Waits until the other end closes `stream`, and returns what it said before.
pub(crate) async fn closed(stream: &mut TcpStream) -> Vec<u8> {
    let mut said = Vec::new();
    let reading = tokio::time::timeout(Duration::from_secs(60), stream.read_to_end(&mut said));
    // Closed while something was unread looks like a fault here.
    let _closed_either_way = reading.await.expect("the connection is closed");
    said
}
