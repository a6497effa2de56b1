//! Listeners whose callers cannot exhaust this process: limits on the number of connections, on time and on size, in one accept loop.
//!
//! The main type is [`Listener`]: [`Listener::serve`] speaks HTTP, [`Listener::accept`] hands connections over as they are.
//! A failed accept is waited out, never spun on, and never ends a listener.

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

use activity::Crowd;
pub use activity::{Activity, Busy};
pub use http::{Answer, BodyError, Connection, Service, read_body};
pub use relay::relay;

/// The share of this process that callers may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at once. A further caller takes the place of the connection that has been idle for longest; where none is idle, it waits.
    pub connections: usize,
    /// Time for a TLS handshake, or for the first byte of a protocol in which the caller speaks first.
    pub handshake: Duration,
    /// Time for the head of a request, from the beginning of the connection or the end of the answer before: so it ends idle connections, too.
    /// Longer than the 90 seconds after which Go's clients close theirs, so that no request meets a connection that is being closed.
    pub head: Duration,
    /// Bytes of the head of a request.
    pub head_size: usize,
    /// Time for the body of a request, where it is read here.
    pub body: Duration,
    /// Bytes of the body of a request, where it is read here.
    pub body_size: usize,
    /// How long nothing may move on a connection whose bytes are passed on.
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

/// An address that is listened on. Connections are held by the kernel until they are served.
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
        let socket = TcpListener::bind((interface.into(), 0)).await?;
        Ok(Self {
            address: socket.local_addr()?,
            socket,
            limits: Limits::default(),
        })
    }

    /// Replaces the default limits.
    #[must_use]
    pub fn within(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// The address with its port.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Lets `serve` talk on each connection.
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

    /// Lets `service` answer the requests of HTTP/1.1, over TLS where `tls` is given. An error of the service hangs up on the caller.
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

/// A listener that serves. Dropped, it closes its port and all its connections.
#[derive(Debug)]
pub struct Listening {
    address: SocketAddr,
    accepting: JoinHandle<()>,
    end: watch::Sender<bool>,
}

impl Listening {
    /// The address with its port.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Closes its port and all its connections; the port is free when this returns.
    pub async fn stop(mut self) {
        self.accepting.abort();
        // Aborted is how it ends.
        let _aborted = (&mut self.accepting).await;
    }

    /// Closes its port and the connections on which no request is answered, and waits until the others are, for `limit` at most.
    pub async fn finish(mut self, limit: Duration) {
        self.end.send_replace(true);
        // The others are closed then.
        let _ended = tokio::time::timeout(limit, &mut self.accepting).await;
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// A connection that was accepted.
#[derive(Debug)]
pub struct Accepted {
    /// The connection.
    pub stream: TcpStream,
    /// The other end.
    pub peer: SocketAddr,
    /// Tells the listener whether the connection is of use.
    pub activity: Activity,
    ending: watch::Receiver<bool>,
}

/// The receiver of accept errors of all listeners: a process without a file to open is the usual reason, and no listener's own.
static FAULTS: OnceLock<Events> = OnceLock::new();

/// From now on `events` are told when a listener cannot accept connections. The first call of a process counts.
pub fn tell_faults_to(events: Events) {
    // Another may have been first.
    let _ = FAULTS.set(events);
}

fn tell(fault: &io::Error, address: SocketAddr) {
    if let Some(events) = FAULTS.get() {
        events.note(format!(
            "cannot accept connections at {address}: {fault}; trying again until it works"
        ));
    }
}

/// Accepts connections until `ending`, then waits for those that are left. `tell` is told the first fault.
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
                // A caller that is gone again is no fault.
                if !told && fault.kind() != io::ErrorKind::ConnectionAborted {
                    told = true;
                    tell(&fault);
                }
                tokio::select! {
                    () = back_off.pause() => {}
                    // That frees what may have been missing.
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
