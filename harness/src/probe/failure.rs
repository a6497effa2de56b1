//! The reason for a missing response, by the types of the errors and never by their words. The main type is [`Failure`].

use std::error::Error;
use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rustls::AlertDescription;

use super::HeaderFault;
use super::route::LIMIT;
use crate::tls::{Flaw, IdentityError, ServerCertificate};

/// The reason for which a server was not asked, or did not answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The host has no address.
    #[error("no address is known for the host {host:?}")]
    Lookup {
        /// The host.
        host: String,
    },
    /// The name server did not answer, or with an error.
    #[error("the host {host:?} cannot be looked up: {why}")]
    Resolver {
        /// The host.
        host: String,
        /// The system's words.
        why: String,
    },
    /// Nobody listens.
    #[error("{address} refuses connections")]
    Refused {
        /// Host and port.
        address: String,
    },
    /// The network knows no way.
    #[error("there is no route to {address}")]
    NoRoute {
        /// Host and port.
        address: String,
    },
    /// Nothing came in time.
    #[error("no answer within {limit:?}")]
    TimedOut {
        /// The step that was not completed.
        stage: Stage,
        /// The time limit.
        limit: Duration,
    },
    /// The connection ended.
    #[error("the server closed the connection")]
    Closed {
        /// The step that was not completed.
        stage: Stage,
    },
    /// The proxy does not connect to the server.
    #[error("the proxy {proxy} does not connect: {failure}")]
    Proxy {
        /// The proxy, without its password.
        proxy: String,
        /// The reason.
        failure: ProxyFailure,
    },
    /// The server speaks HTTP without TLS.
    #[error("the server answers in plain HTTP, not TLS")]
    PlainHttp,
    /// The server speaks another protocol.
    #[error("the server does not speak TLS: its answer begins with {begins:?}")]
    NotTls {
        /// The first bytes, as text.
        begins: String,
    },
    /// The server's answer is longer than any that is read.
    #[error("the answer is larger than {} MiB", .limit >> 20)]
    TooLarge {
        /// The largest number of bytes that are read.
        limit: usize,
    },
    /// A header of the request cannot be sent.
    #[error("the request is not sent: its header {name:?} has {fault}")]
    Header {
        /// The name of the header.
        name: String,
        /// The reason.
        fault: HeaderFault,
    },
    /// The server's certificate is not taken.
    #[error("the server's certificate is refused")]
    Certificate(Box<Refusal>),
    /// The server refuses by a TLS alert.
    #[error("the server refuses TLS: {}", alert_name(*.0))]
    Alert(AlertDescription),
    /// The server and this program have no version or algorithm of TLS in common.
    #[error("no common version or algorithm of TLS: {0}")]
    Incompatible(String),
    /// The client's certificate and key cannot be used.
    #[error(transparent)]
    Identity(IdentityError),
    /// The server takes no signature of the client's key.
    #[error("the server takes no signature of a {kind}")]
    KeyDeclined {
        /// The kind of the key.
        kind: String,
    },
    /// The server speaks TLS, and not HTTP.
    #[error("the server's answer is not HTTP")]
    NotHttp,
    /// Another error.
    #[error("{0}")]
    Other(String),
}

/// The reason for which a server's certificate is not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The name that it has to have.
    pub expected: String,
    /// `true` if it is the proxy's own certificate.
    pub of_proxy: bool,
    /// The certificate; `None` if it cannot be read.
    pub certificate: Option<ServerCertificate>,
    /// Its flaws, in the order in which Go finds them; never empty.
    pub flaws: Vec<Flaw>,
}

/// The reason for which a proxy does not connect.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProxyFailure {
    /// The proxy itself cannot be reached.
    #[error("{0}")]
    Unreachable(Box<Failure>),
    /// It answers CONNECT with another status than 200.
    #[error("it answers {status} {reason}")]
    Status {
        /// The status.
        status: u16,
        /// The words behind the status.
        reason: String,
        /// Its `Server`, `Via` or `Proxy-Agent` header.
        server: Option<String>,
    },
    /// It wants other credentials.
    #[error("it does not take user name and password")]
    Credentials,
    /// It wants credentials, and there are none; or it takes none of the offered kinds.
    #[error("it takes no way of authenticating that is offered")]
    NoMethod,
    /// It refuses the target, by a code of SOCKS5 (RFC 1928 §6).
    #[error("it refuses: {}", socks_reply(*.0))]
    Reply(u8),
    /// It speaks another protocol.
    #[error("it does not speak the protocol of its address")]
    Protocol,
}

/// Steps of a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stage {
    /// The name is looked up.
    #[default]
    Lookup,
    /// The connection is made.
    Connecting,
    /// The proxy is asked to connect.
    Proxy,
    /// TLS is negotiated.
    Handshake,
    /// The request is sent, and its response is waited for.
    Request,
}

/// The current step of a request.
#[derive(Debug, Default)]
pub(super) struct Progress(Mutex<Stage>);

impl Progress {
    pub(super) fn at(&self, stage: Stage) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = stage;
    }

    pub(super) fn stage(&self) -> Stage {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Failure {
    /// Reads an error of a request at `stage`.
    pub(super) fn of(error: &(dyn Error + 'static), stage: Stage) -> Self {
        let mut cause = Some(error);
        let mut closed = false;
        while let Some(error) = cause {
            if let Some(failure) = error.downcast_ref::<Self>() {
                return failure.clone();
            }
            if let Some(identity) = error.downcast_ref::<IdentityError>() {
                return Self::Identity(identity.clone());
            }
            let io = error.downcast_ref::<io::Error>();
            let inner = io.and_then(io::Error::get_ref).and_then(|inner| inner.downcast_ref());
            if let Some(tls) = error.downcast_ref::<rustls::Error>().or(inner) {
                return Self::of_tls(tls);
            }
            if let Some(http) = error.downcast_ref::<hyper::Error>() {
                closed |= http.is_incomplete_message() || http.is_canceled() || http.is_closed();
                if http.is_parse() {
                    return Self::NotHttp;
                }
            }
            closed |= io.is_some_and(|error| {
                matches!(
                    error.kind(),
                    io::ErrorKind::UnexpectedEof
                        | io::ErrorKind::ConnectionReset
                        | io::ErrorKind::ConnectionAborted
                        | io::ErrorKind::BrokenPipe
                )
            });
            cause = error.source();
        }
        if closed {
            Self::Closed { stage }
        } else {
            Self::Other(error.to_string())
        }
    }

    fn of_tls(error: &rustls::Error) -> Self {
        match error {
            rustls::Error::AlertReceived(alert) => Self::Alert(*alert),
            rustls::Error::PeerIncompatible(why) => Self::Incompatible(format!("{why:?}")),
            error => Self::Other(error.to_string()),
        }
    }

    /// Reads the error of looking up `host`. The standard library keeps no code of it, only the words of the C library: those of glibc,
    /// musl and macOS for a name that does not exist are known, in the C locale, which a Rust program has.
    pub(super) fn of_lookup(error: &io::Error, host: &str) -> Self {
        const UNKNOWN: [&str; 5] = [
            "Name or service not known",
            "No address associated with hostname",
            "Name does not resolve",
            "Name has no usable address",
            "nodename nor servname provided, or not known",
        ];
        let (host, why) = (host.to_owned(), error.to_string());
        if UNKNOWN.iter().any(|words| why.ends_with(words)) {
            return Self::Lookup { host };
        }
        let why = why.rsplit_once(": ").map_or(why.as_str(), |(_, detail)| detail).to_owned();
        Self::Resolver { host, why }
    }

    /// Reads the error of connecting to `address`.
    pub(super) fn of_connecting(error: &io::Error, address: String) -> Self {
        match error.kind() {
            io::ErrorKind::ConnectionRefused => Self::Refused { address },
            io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable | io::ErrorKind::AddrNotAvailable => {
                Self::NoRoute { address }
            }
            io::ErrorKind::TimedOut => Self::TimedOut {
                stage: Stage::Connecting,
                limit: LIMIT,
            },
            _ => Self::Other(format!("cannot connect to {address}: {error}")),
        }
    }

    /// Returns whether TLS failed, and not the network.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        matches!(
            self,
            Self::PlainHttp
                | Self::NotTls { .. }
                | Self::Certificate(_)
                | Self::Alert(_)
                | Self::Incompatible(_)
                | Self::KeyDeclined { .. }
        )
    }
}

/// Returns Go's words for a TLS alert (`crypto/tls` `alertText`), for the usual ones.
#[must_use]
pub fn alert_name(alert: AlertDescription) -> String {
    match alert {
        AlertDescription::BadCertificate => "bad certificate",
        AlertDescription::UnknownCA => "unknown certificate authority",
        AlertDescription::CertificateRequired => "certificate required",
        AlertDescription::CertificateExpired => "expired certificate",
        AlertDescription::CertificateUnknown => "unknown certificate",
        AlertDescription::UnsupportedCertificate => "unsupported certificate",
        AlertDescription::HandshakeFailure => "handshake failure",
        AlertDescription::ProtocolVersion => "protocol version not supported",
        AlertDescription::UnrecognisedName => "unrecognized name",
        AlertDescription::NoApplicationProtocol => "no application protocol",
        AlertDescription::AccessDenied => "access denied",
        AlertDescription::InternalError => "internal error",
        AlertDescription::DecryptError => "error decrypting message",
        AlertDescription::IllegalParameter => "illegal parameter",
        other => return format!("{other:?}"),
    }
    .to_owned()
}

/// Returns Go's words for a code of SOCKS5 (`net/http` `socksReply`).
#[must_use]
pub fn socks_reply(code: u8) -> String {
    match code {
        1 => "general SOCKS server failure",
        2 => "connection not allowed by ruleset",
        3 => "network unreachable",
        4 => "host unreachable",
        5 => "connection refused",
        6 => "TTL expired",
        7 => "command not supported",
        8 => "address type not supported",
        other => return format!("unknown code: {other}"),
    }
    .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_does_not_exist_is_told_from_a_name_server_that_is_silent() {
        let of = |detail: &str| {
            let error = io::Error::other(format!("failed to lookup address information: {detail}"));
            Failure::of_lookup(&error, "api.test")
        };
        let host = "api.test".to_owned();
        for known in ["Name or service not known", "Name does not resolve"] {
            assert_eq!(of(known), Failure::Lookup { host: host.clone() });
        }
        let why = "Temporary failure in name resolution".to_owned();
        assert_eq!(of(&why), Failure::Resolver { host, why });
    }
}
