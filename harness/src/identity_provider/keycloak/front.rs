//! The public address of Keycloak, open before Keycloak runs.
//!
//! An API server that finds its issuer missing retries only after ten seconds
//! (kubernetes/apiserver, `plugin/pkg/authenticator/token/oidc`). A [`Front`] listens from the beginning, holds
//! incoming connections until Keycloak is ready, and then relays bytes both ways. The issuer's
//! URL is therefore known, and stable, before Keycloak has a port. It can keep account of the requests of API servers
//! ([`Front::accounted`]).

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::timeout;

use super::overheard::Overhearing;
use super::{KeycloakError, REALM};
use crate::identity_provider::Address;
use crate::listener::{Accepted, Account, Limits, Listener, Listening, relay};
use crate::pki::Leaf;

/// A listener on the loopback interface, or on the gateway of a lab's own network. Dropping it closes all its connections; held ones
/// end without a response.
#[derive(Debug)]
pub struct Front {
    host: String,
    backend: watch::Sender<Option<Backend>>,
    overhearing: Option<Arc<Overhearing>>,
    listening: Listening,
}

/// The server behind a front.
#[derive(Clone, Debug)]
struct Backend {
    address: SocketAddr,
    overhearing: Option<Arc<Overhearing>>,
}

impl Front {
    /// Listens on a port of the loopback interface that the operating system chooses.
    ///
    /// # Errors
    /// The loopback interface has no free port.
    pub async fn listen() -> Result<Self, KeycloakError> {
        Self::listen_on(Ipv4Addr::LOCALHOST.into()).await
    }

    /// Listens on a port of `interface`; the gateway of a network is reached from its containers and from this machine
    /// under the same address.
    ///
    /// # Errors
    /// This machine has no such address, or no free port.
    pub async fn listen_on(interface: IpAddr) -> Result<Self, KeycloakError> {
        let listener = Listener::bind(interface).await;
        let listener = listener.map_err(|source| KeycloakError::Listen { interface, source })?;
        let (backend, opened) = watch::channel(None);
        Ok(Self {
            host: match interface {
                IpAddr::V4(interface) => interface.to_string(),
                IpAddr::V6(interface) => format!("[{interface}]"),
            },
            backend,
            overhearing: None,
            // Either end may fail at any time; the other notices.
            listening: listener.accept(move |accepted| {
                let opened = opened.clone();
                async move { drop(forward(accepted, opened, Limits::default()).await) }
            }),
        })
    }

    /// Listens at `address`.
    ///
    /// # Errors
    /// This machine has no such address, or no free port.
    pub async fn listen_at(address: &Address) -> Result<Self, KeycloakError> {
        Ok(Self::listen_on(address.listen).await?.named(&address.host))
    }

    /// Sets the host in the URL to `name`, which leads here from everywhere.
    #[must_use]
    pub fn named(mut self, name: &str) -> Self {
        name.clone_into(&mut self.host);
        self
    }

    /// Keeps `account` of the discovery and the key requests that API servers send to the identity provider `called`. TLS ends here then, with
    /// the server's own `certificate`, which `authority` (PEM) has signed, and begins anew behind; what is sent stays as it is.
    ///
    /// # Errors
    /// The certificate or the authority cannot be used.
    pub fn accounted(self, account: Account, called: &str, certificate: &Leaf, authority: &str) -> Result<Self, KeycloakError> {
        let overhearing = Overhearing::new(account, called, self.url(), certificate, authority)?;
        Ok(Self {
            overhearing: Some(Arc::new(overhearing)),
            ..self
        })
    }

    /// Returns the public port.
    pub fn port(&self) -> u16 {
        self.listening.address().port()
    }

    /// Returns the public address: `https://HOST:PORT`.
    pub fn url(&self) -> String {
        format!("https://{}:{}", self.host, self.port())
    }

    /// Returns the issuer of the realm that API servers trust.
    pub fn issuer_url(&self) -> String {
        format!("{}/realms/{REALM}", self.url())
    }

    /// Leads connections to `port` from now on, held ones first. A second call leads those that
    /// come later elsewhere.
    pub fn open(&self, port: u16) {
        self.backend.send_replace(Some(Backend {
            address: (Ipv4Addr::LOCALHOST, port).into(),
            overhearing: self.overhearing.clone(),
        }));
    }
}

async fn forward(accepted: Accepted, mut opened: watch::Receiver<Option<Backend>>, limits: Limits) -> io::Result<()> {
    let Accepted {
        stream: caller, activity, ..
    } = accepted;
    // TLS callers speak first: a silent one is not worth a connection to Keycloak.
    timeout(limits.handshake, caller.peek(&mut [0])).await??;
    let held = activity.busy();
    let Some(Backend { address, overhearing }) = opened.wait_for(Option::is_some).await.ok().and_then(|backend| backend.clone()) else {
        return Ok(());
    };
    drop(held);
    let backend = TcpStream::connect(address).await?;
    caller.set_nodelay(true)?;
    backend.set_nodelay(true)?;
    let from = match &overhearing {
        Some(overhearing) => overhearing.caller(caller.peer_addr()?, caller.local_addr()?).await,
        None => None,
    };
    match (overhearing, from) {
        (Some(overhearing), Some(from)) => {
            let (caller, backend) = overhearing.begin(caller, backend, from, limits).await?;
            relay(caller, backend, &activity, limits.silence).await
        }
        // People's logins pass as they are: their passwords and certificates are between them and the identity provider.
        _ => relay(caller, backend, &activity, limits.silence).await,
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    async fn echo() -> Listening {
        let listener = Listener::bind(Ipv4Addr::LOCALHOST).await.expect("a free port");
        listener.accept(|mut accepted| async move {
            let (mut read, mut write) = accepted.stream.split();
            drop(tokio::io::copy(&mut read, &mut write).await);
        })
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
        let server = echo().await;
        front.open(server.address().port());
        let mut answer = [0; 5];
        early.read_exact(&mut answer).await.expect("it is answered");
        assert_eq!(&answer, b"early");
    }

    #[tokio::test]
    async fn an_end_on_one_side_leaves_the_other_open() {
        let front = Front::listen().await.expect("a free port");
        let server = echo().await;
        front.open(server.address().port());
        let mut caller = TcpStream::connect((Ipv4Addr::LOCALHOST, front.port())).await.expect("it accepts");
        caller.write_all(b"all of it").await.expect("it takes what is sent");
        caller.shutdown().await.expect("one side ends");
        let mut answer = String::new();
        caller.read_to_string(&mut answer).await.expect("the other goes on");
        assert_eq!(answer, "all of it");
    }

    #[tokio::test]
    async fn callers_that_say_nothing_keep_nobody_from_keycloak() {
        let front = Front::listen().await.expect("a free port");
        let _strangers = crate::listener::strangers::crowd(front.listening.address()).await;
        let server = echo().await;
        front.open(server.address().port());
        let mut caller = TcpStream::connect((Ipv4Addr::LOCALHOST, front.port())).await.expect("it accepts");
        caller.write_all(b"sound").await.expect("it takes what is sent");
        let mut answer = [0; 5];
        caller.read_exact(&mut answer).await.expect("it is answered");
        assert_eq!(&answer, b"sound");
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
