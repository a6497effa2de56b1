//! Callers that connect and send nothing, for the tests of every listener.
//!
//! The main function is [`crowd`].

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::sync::{Mutex, MutexGuard};

/// The number of connections: more than a listener has room for.
const MANY: usize = 200;

/// Allows one crowd at a time: a process may have too few file descriptors for several.
static ALONE: Mutex<()> = Mutex::const_new(());

/// Open connections that send nothing.
pub(crate) struct Strangers {
    _connections: Vec<TcpStream>,
    _alone: MutexGuard<'static, ()>,
}

/// Opens 200 connections to `address` that send nothing, and waits until the first of them has been closed.
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

/// Waits until the other end closes `stream`, and returns the bytes received before.
pub(crate) async fn closed(stream: &mut TcpStream) -> Vec<u8> {
    let mut said = Vec::new();
    let reading = tokio::time::timeout(Duration::from_secs(60), stream.read_to_end(&mut said));
    // A close with unread data looks like an error here.
    let _closed_either_way = reading.await.expect("the connection is closed");
    said
}
