//! Credentials that are presented to an API server.
//!
//! The main type is [`Credential`], a closed set. Secrets in it hide themselves.

use std::fmt;

use crate::pki::Leaf;
use crate::secret::Secret;

pub mod exec;

/// A credential that is presented to an API server.
#[derive(Clone, Debug)]
pub enum Credential {
    /// Nothing at all.
    Nothing,
    /// A client certificate, in the TLS handshake (RFC 8446 §4.4.2).
    Certificate(Leaf),
    /// A bearer token (RFC 6750 §2.1).
    Token(Secret),
    /// An `Authorization` header, verbatim.
    Authorization(Secret),
    /// Sub-protocols of a WebSocket, in order; one of them can carry a token (kubernetes/apiserver
    /// `pkg/authentication/request/websocket/protocol.go`).
    SubProtocols(Vec<Secret>),
    /// Headers that assert the identity of a user, with or without the front proxy's certificate.
    ProxyHeaders {
        /// The certificate of the party that asserts it.
        certificate: Option<Leaf>,
        /// The headers, in order.
        headers: Vec<(String, String)>,
    },
    /// The caller's own credential, and headers that ask to act as another user (`Impersonate-…`).
    Impersonation {
        /// The credential of the caller.
        own: Box<Self>,
        /// The headers, in order.
        headers: Vec<(String, String)>,
    },
    /// Several at once.
    Together(Vec<Self>),
}

impl From<Leaf> for Credential {
    fn from(leaf: Leaf) -> Self {
        Self::Certificate(leaf)
    }
}

/// The form of a credential on the wire.
#[derive(Clone, Debug, Default)]
pub struct Presentation {
    /// The client certificate of the TLS handshake.
    pub certificate: Option<Leaf>,
    /// Request headers, in order.
    pub headers: Vec<(String, Secret)>,
}

impl Credential {
    /// Combines all of them, with the headers for impersonation, if any.
    #[must_use]
    pub fn of(mut all: Vec<Self>, impersonated: Vec<(String, String)>) -> Self {
        let own = match all.len() {
            0 => Self::Nothing,
            1 => all.remove(0),
            _ => Self::Together(all),
        };
        if impersonated.is_empty() {
            return own;
        }
        Self::Impersonation {
            own: Box::new(own),
            headers: impersonated,
        }
    }

    /// Returns the form on the wire. Of several certificates only the first one counts: TLS has room for one.
    pub fn presentation(&self) -> Presentation {
        let mut presentation = Presentation::default();
        self.present(&mut presentation);
        presentation
    }

    fn present(&self, to: &mut Presentation) {
        let bare = |(name, value): &(String, String)| (name.clone(), Secret::public(value.as_str()));
        match self {
            Self::Nothing => {}
            Self::Certificate(leaf) => _ = to.certificate.get_or_insert_with(|| leaf.clone()),
            Self::Token(token) => to
                .headers
                .push(("Authorization".to_owned(), Secret::new(format!("Bearer {}", token.expose())))),
            Self::Authorization(value) => to.headers.push(("Authorization".to_owned(), value.clone())),
            Self::SubProtocols(protocols) => {
                let all: Vec<&str> = protocols.iter().map(Secret::expose).collect();
                to.headers.push(("Sec-WebSocket-Protocol".to_owned(), Secret::new(all.join(", "))));
            }
            Self::ProxyHeaders { certificate, headers } => {
                if let Some(leaf) = certificate {
                    to.certificate.get_or_insert_with(|| leaf.clone());
                }
                to.headers.extend(headers.iter().map(bare));
            }
            Self::Impersonation { own, headers } => {
                own.present(to);
                to.headers.extend(headers.iter().map(bare));
            }
            Self::Together(all) => all.iter().for_each(|one| one.present(to)),
        }
    }
}

/// Prints the kind of the credential, never its content.
impl fmt::Display for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("no credential"),
            Self::Certificate(_) => f.write_str("a client certificate"),
            Self::Token(_) => f.write_str("a bearer token"),
            Self::Authorization(_) => f.write_str("an Authorization header"),
            Self::SubProtocols(_) => f.write_str("a WebSocket's sub-protocols"),
            Self::ProxyHeaders { certificate: Some(_), .. } => f.write_str("identity headers with a certificate"),
            Self::ProxyHeaders { certificate: None, .. } => f.write_str("identity headers"),
            Self::Impersonation { own, .. } => write!(f, "{own} with impersonation"),
            Self::Together(all) => {
                for (index, one) in all.iter().enumerate() {
                    write!(f, "{}{one}", if index == 0 { "" } else { " and " })?;
                }
                Ok(())
            }
        }
    }
}
