//! Listeners whose callers cannot exhaust this process: limits on the number of connections, on time and on size, in one accept loop.
//!
//! The main type is [`Listener`]: [`Listener::serve`] speaks HTTP, [`Listener::accept`] hands over the raw connections.
//! After a failed accept, a listener pauses and goes on: it neither spins nor ends.

mod account;
mod activity;
pub mod answer;
mod http;
mod relay;
#[cfg(test)]
pub(crate) mod strangers;
#[cfg(test)]
mod tests;

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::OnceLock;
use std::time::Duration;

use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::event::Events;
use crate::process::wait::BackOff;

pub use account::{Account, Call, Subject, WantedCalls};
pub use activity::Activity;
use activity::Crowd;
pub use http::{Answer, Connection, Service, read_body};
pub use relay::relay;

/// The limits on the resources that callers may use.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Concurrent connections. A further caller replaces the connection that has been idle for longest; if none is idle, it waits.
    pub connections: usize,
    /// Time for a TLS handshake, or for the first byte of a protocol in which the caller speaks first.
    pub handshake: Duration,
    /// Time for the head of a request, from the beginning of the connection or the end of the previous response: it limits idle time, too.
    /// Longer than the 90 seconds after which Go's clients close theirs, so that no request meets a connection that is being closed.
    pub head: Duration,
    /// Bytes of the head of a request.
    pub head_size: usize,
    /// Time for the body of a request, if [`read_body`] reads it.
    pub body: Duration,
    /// Bytes of the body of a request, if [`read_body`] reads it.
    pub body_size: usize,
    /// The longest silence on a relayed connection.
    pub silence: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 128,
            handshake: Duration::from_secs(10),
            head: Duration::from_secs(100),
            head_size: 128 * 1024,
            body: Duration::from_secs(30),
            body_size: 1024 * 1024,
            silence: Duration::from_secs(300),
        }
    }
}

/// An address that is listened on. The kernel holds connections until they are served.
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    address: SocketAddr,
    limits: Limits,
}

impl Listener {
    /// Listens on a free port of `interface`.
    ///
    /// # Errors
    /// This machine has no such address, or no free port.
    pub async fn bind(interface: impl Into<IpAddr>) -> io::Result<Self> {
        Self::bind_to((interface.into(), 0)).await
    }

    /// Listens on `address`, whose port the user chose, or on a free one if that is 0.
    ///
    /// # Errors
    /// The port is taken, or this machine has no such address.
    pub async fn bind_to(address: impl Into<SocketAddr>) -> io::Result<Self> {
        let socket = TcpListener::bind(address.into()).await?;
        Ok(Self {
            address: socket.local_addr()?,
            socket,
            limits: Limits::default(),
        })
    }

    /// Replaces the default limits.
    #[cfg(test)]
    fn within(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Returns the address with its port.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Runs `serve` on each connection.
    pub fn accept<F>(self, serve: impl Fn(Accepted) -> F + Send + 'static) -> Listening
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let Self { socket, address, limits } = self;
        let (end, ending) = watch::channel(false);
        let accept = async move || socket.accept().await;
        let accepting = tokio::spawn(accept_from(accept, limits, ending, serve, move |fault| tell(fault, address)));
        Listening { address, accepting, end }
    }

    /// Answers HTTP/1.1 requests by `service`, over TLS if `tls` is given. An error of the service closes the connection.
    pub fn serve<S, F, B, E>(self, tls: Option<ServerConfig>, service: S) -> Listening
    where
        S: Service<F>,
        F: Future<Output = Result<hyper::Response<B>, E>> + Send + 'static,
        B: Answer,
        E: Into<Box<dyn std::error::Error + Send + Sync>> + 'static,
    {
        let limits = self.limits;
        self.accept(http::server(tls, limits, service))
    }
}

/// A running listener. Dropping it closes its port and all its connections.
#[derive(Debug)]
pub struct Listening {
    address: SocketAddr,
    accepting: JoinHandle<()>,
    end: watch::Sender<bool>,
}

impl Listening {
    /// Returns the address with its port.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Closes its port and all its connections; the port is free when this returns.
    pub async fn stop(mut self) {
        self.accepting.abort();
        // The task ends by being aborted.
        let _aborted = (&mut self.accepting).await;
    }

    /// Closes its port and the connections without a pending response, and waits until the others have ended, for `limit` at most.
    pub async fn finish(mut self, limit: Duration) {
        self.end.send_replace(true);
        // After the limit, the others are closed.
        let _ended = tokio::time::timeout(limit, &mut self.accepting).await;
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// An accepted connection.
#[derive(Debug)]
pub struct Accepted {
    /// The connection.
    pub stream: TcpStream,
    /// The other end.
    pub peer: SocketAddr,
    /// Tells the listener whether the connection is in use.
    pub activity: Activity,
    ending: watch::Receiver<bool>,
}

impl Accepted {
    /// Speaks HTTP on the connection until it ends, with `tls` or without, for a protocol that led there.
    pub async fn serve<S, F, B, E>(self, tls: Option<ServerConfig>, service: S)
    where
        S: Service<F>,
        F: Future<Output = Result<hyper::Response<B>, E>> + Send + 'static,
        B: Answer,
        E: Into<Box<dyn std::error::Error + Send + Sync>> + 'static,
    {
        http::server(tls, Limits::default(), service)(self).await;
    }
}

/// The receiver of accept errors of all listeners: the usual reason is a process without free file descriptors, not one listener.
static FAULTS: OnceLock<Events> = OnceLock::new();

/// Reports to `events` from now on when a listener cannot accept connections. Only the first call in a process counts.
pub fn tell_faults_to(events: Events) {
    // Another call may have been first.
    let _ = FAULTS.set(events);
}

fn tell(fault: &io::Error, address: SocketAddr) {
    if let Some(events) = FAULTS.get() {
        events.note(format!(
            "cannot accept connections at {address}: {fault}; trying again until it works"
        ));
    }
}

/// Accepts connections until `ending`, then waits for the remaining ones. `tell` receives the first fault.
async fn accept_from<F>(
    accept: impl AsyncFn() -> io::Result<(TcpStream, SocketAddr)>,
    limits: Limits,
    mut ending: watch::Receiver<bool>,
    serve: impl Fn(Accepted) -> F,
    tell: impl Fn(&io::Error),
) where
    F: Future<Output = ()> + Send + 'static,
{
    let mut crowd = Crowd::new(limits.connections);
    let mut back_off = BackOff::default();
    let mut told = false;
    loop {
        let accepted = tokio::select! {
            accepted = accept() => accepted,
            () = crowd.change() => continue,
            () = ended(&mut ending) => break,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(fault) => {
                // A caller that has disconnected is not a fault.
                if !told && fault.kind() != io::ErrorKind::ConnectionAborted {
                    told = true;
                    tell(&fault);
                }
                tokio::select! {
                    () = back_off.pause() => {}
                    // A closed connection frees the file descriptor that may have been missing.
                    () = crowd.change() => {}
                    () = ended(&mut ending) => break,
                }
                continue;
            }
        };
        back_off = BackOff::default();
        while !crowd.make_room() {
            tokio::select! {
                () = crowd.change() => {}
                () = ended(&mut ending) => break,
            }
        }
        let activity = crowd.activity();
        let accepted = Accepted {
            stream,
            peer,
            activity: activity.clone(),
            ending: ending.clone(),
        };
        crowd.admit(activity, serve(accepted));
    }
    // The port is free before the last connection has ended.
    drop(accept);
    crowd.disperse().await;
}

/// Waits for the end of the listener.
async fn ended(ending: &mut watch::Receiver<bool>) {
    if ending.wait_for(|ended| *ended).await.is_err() {
        // The listener is dropped: this task is aborted, too.
        std::future::pending::<()>().await;
    }
}
