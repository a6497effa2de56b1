//! The public address of Keycloak, open before Keycloak runs.
//!
//! An API server that finds its issuer missing tries again only after ten seconds
//! (kubernetes/apiserver, `plugin/pkg/authenticator/token/oidc`). A [`Front`] listens from the beginning, holds
//! what comes in unanswered until Keycloak is ready, and then passes bytes on both ways. So the issuer's
//! URL is known, and stable, before Keycloak has a port.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use super::{KeycloakError, REALM};
use crate::identity_provider::Address;

/// A listener on the loopback interface, or on the gateway of a lab's own network. Dropped, it closes with all its connections: those
/// that were held see an end without an answer.
#[derive(Debug)]
pub struct Front {
    host: String,
    address: SocketAddr,
    backend: watch::Sender<Option<SocketAddr>>,
    listening: JoinHandle<()>,
}

impl Front {
    /// Listens on a port of the loopback interface that the operating system chooses.
    ///
    /// # Errors
    /// The loopback interface has no free port.
    pub async fn listen() -> Result<Self, KeycloakError> {
        Self::listen_on(Ipv4Addr::LOCALHOST.into()).await
    }

    /// Listens on a port of `interface`: the gateway of a network is reached from its containers and from this machine
    /// under the same address.
    ///
    /// # Errors
    /// This machine has no such address, or no free port.
    pub async fn listen_on(interface: IpAddr) -> Result<Self, KeycloakError> {
        let failed = |source| KeycloakError::Listen { interface, source };
        let listener = TcpListener::bind((interface, 0)).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let (backend, opened) = watch::channel(None);
        Ok(Self {
            host: match interface {
                IpAddr::V4(interface) => interface.to_string(),
                IpAddr::V6(interface) => format!("[{interface}]"),
            },
            address,
            backend,
            listening: tokio::spawn(accept(listener, opened)),
        })
    }

    /// Listens at `address`.
    ///
    /// # Errors
    /// This machine has no such address, or no free port.
    pub async fn listen_at(address: &Address) -> Result<Self, KeycloakError> {
        Ok(Self::listen_on(address.listen).await?.named(&address.host))
    }

    /// The same under the name `name`, which leads here from wherever it is asked.
    #[must_use]
    pub fn named(mut self, name: &str) -> Self {
        name.clone_into(&mut self.host);
        self
    }

    /// The public port.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// The public address: `https://HOST:PORT`.
    pub fn url(&self) -> String {
        format!("https://{}:{}", self.host, self.port())
    }

    /// The issuer of the realm that API servers trust.
    pub fn issuer_url(&self) -> String {
        format!("{}/realms/{REALM}", self.url())
    }

    /// From now on connections, held ones first, lead to `port`. A second call leads those that
    /// come later elsewhere.
    pub fn open(&self, port: u16) {
        self.backend.send_replace(Some((Ipv4Addr::LOCALHOST, port).into()));
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        // The connections belong to the task and end with it.
        self.listening.abort();
    }
}

async fn accept(listener: TcpListener, opened: watch::Receiver<Option<SocketAddr>>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((caller, _)) => {
                    connections.spawn(forward(caller, opened.clone()));
                }
                // The caller is gone already, or this process has no file left to open; the latter
                // passes only when a connection ends.
                Err(_) => {
                    let _ended = connections.join_next().await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn forward(mut caller: TcpStream, mut opened: watch::Receiver<Option<SocketAddr>>) -> io::Result<()> {
    let Some(address) = opened.wait_for(Option::is_some).await.ok().and_then(|address| *address) else {
        return Ok(());
    };
    let mut backend = TcpStream::connect(address).await?;
    caller.set_nodelay(true)?;
    backend.set_nodelay(true)?;
    tokio::io::copy_bidirectional(&mut caller, &mut backend).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    async fn echo() -> u16 {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let port = listener.local_addr().expect("it is bound").port();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let (mut read, mut write) = stream.split();
                    tokio::io::copy(&mut read, &mut write).await
                });
            }
        });
        port
    }

    #[tokio::test]
    async fn a_request_that_came_before_the_server_is_answered_once_it_is_there() {
        let front = Front::listen().await.expect("a free port");
        let mut early = TcpStream::connect((Ipv4Addr::LOCALHOST, front.port()))
            .await
            .expect("it accepts at once");
        early.write_all(b"early").await.expect("it takes what is sent");
        assert!(
            early
                .try_read(&mut [0; 1])
                .is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock),
            "nothing is answered yet"
        );
        front.open(echo().await);
        let mut answer = [0; 5];
        early.read_exact(&mut answer).await.expect("it is answered");
        assert_eq!(&answer, b"early");
    }

    #[tokio::test]
    async fn an_end_on_one_side_leaves_the_other_open() {
        let front = Front::listen().await.expect("a free port");
        front.open(echo().await);
        let mut caller = TcpStream::connect((Ipv4Addr::LOCALHOST, front.port())).await.expect("it accepts");
        caller.write_all(b"all of it").await.expect("it takes what is sent");
        caller.shutdown().await.expect("one side ends");
        let mut answer = String::new();
        caller.read_to_string(&mut answer).await.expect("the other goes on");
        assert_eq!(answer, "all of it");
    }

    #[tokio::test]
    async fn held_connections_end_when_there_will_be_no_server() {
        let front = Front::listen().await.expect("a free port");
        let mut held = TcpStream::connect((Ipv4Addr::LOCALHOST, front.port())).await.expect("it accepts");
        drop(front);
        let read = held.read(&mut [0; 1]).await;
        assert!(matches!(read, Ok(0)) || read.is_err(), "it ends without an answer: {read:?}");
    }
}
