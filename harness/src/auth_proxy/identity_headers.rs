//! Headers that carry identity: all incoming ones are dropped, and the proxy sets its own.
//!
//! The main type is [`PassOn`]. The rules are those of the request-header authenticator
//! (kubernetes/apiserver `pkg/authentication/request/headerrequest/requestheader.go`) and of impersonation
//! (`pkg/endpoints/filters/impersonation`).

use std::fmt::Write;

use hyper::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};

use super::connection_headers::{listed, remove, strip_hop_by_hop};
use super::{AuthProxyError, Caller};
use crate::pki::Leaf;
use crate::secret::{Secret, TOKEN_PROTOCOL};

/// The way in which the proxy passes identity on.
#[derive(Clone, Debug)]
pub enum PassOn {
    /// In `X-Remote-*` headers, which the API server trusts because of the proxy's front-proxy certificate.
    Headers {
        /// The front-proxy certificate.
        certificate: Leaf,
        /// The names of the headers.
        names: HeaderNames,
    },
    /// In `Impersonate-*` headers, which the API server accepts as far as the proxy may impersonate.
    Impersonation {
        /// The proxy's own credential.
        credential: ProxyCredential,
    },
}

/// The credential of a proxy that impersonates.
#[derive(Clone, Debug)]
pub enum ProxyCredential {
    /// A bearer token, such as its service account's.
    Token(Secret),
    /// A client certificate.
    Certificate(Leaf),
}

/// The names of the headers that carry identity, as in the API server's `--requestheader-*` flags.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderNames {
    /// The header of the user's name.
    pub user: String,
    /// The header of each group.
    pub group: String,
    /// The prefix of extra headers.
    pub extra_prefix: String,
    /// The header of the user's UID (`--requestheader-uid-headers`, from Kubernetes 1.32).
    pub uid: String,
}

impl Default for HeaderNames {
    fn default() -> Self {
        Self {
            user: "X-Remote-User".to_owned(),
            group: "X-Remote-Group".to_owned(),
            extra_prefix: "X-Remote-Extra-".to_owned(),
            uid: "X-Remote-Uid".to_owned(),
        }
    }
}

/// A [`PassOn`] whose header names are checked.
#[derive(Debug)]
pub(super) struct IdentityHeaders {
    user: HeaderName,
    group: HeaderName,
    uid: HeaderName,
    extra_prefix: String,
    authorization: Option<HeaderValue>,
}

impl IdentityHeaders {
    pub(super) fn new(pass_on: &PassOn) -> Result<Self, AuthProxyError> {
        let (names, token) = match pass_on {
            PassOn::Headers { names, .. } => (names.clone(), None),
            PassOn::Impersonation { credential } => {
                let names = HeaderNames {
                    user: "Impersonate-User".to_owned(),
                    group: "Impersonate-Group".to_owned(),
                    extra_prefix: "Impersonate-Extra-".to_owned(),
                    uid: "Impersonate-Uid".to_owned(),
                };
                match credential {
                    ProxyCredential::Token(token) => (names, Some(token)),
                    ProxyCredential::Certificate(_) => (names, None),
                }
            }
        };
        let name = |name: &str| {
            HeaderName::try_from(name).map_err(|_| AuthProxyError::Header {
                what: format!("the header name {name:?}"),
            })
        };
        name(&names.extra_prefix)?;
        let authorization = token.map(|token| {
            let mut value = HeaderValue::try_from(format!("Bearer {}", token.expose())).map_err(|_| AuthProxyError::Header {
                what: "the proxy's own token".to_owned(),
            })?;
            value.set_sensitive(true);
            Ok::<_, AuthProxyError>(value)
        });
        Ok(Self {
            user: name(&names.user)?,
            group: name(&names.group)?,
            uid: name(&names.uid)?,
            extra_prefix: names.extra_prefix.to_ascii_lowercase(),
            authorization: authorization.transpose()?,
        })
    }

    /// Drops every identity header that the caller sent, under any name that any API server may
    /// read, and every header that concerns the caller's connection only.
    pub(super) fn strip(&self, headers: &mut HeaderMap) {
        strip_hop_by_hop(headers);
        // The proxy alone states a caller's address, too: the audit log trusts these headers.
        const FOREIGN: [&str; 4] = ["authorization", "x-real-ip", "x-forwarded-for", "forwarded"];
        const PREFIXES: [&str; 2] = ["x-remote-", "impersonate-"];
        remove(headers, |name| {
            FOREIGN.contains(&name)
                || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
                || name.starts_with(&self.extra_prefix)
                || [&self.user, &self.group, &self.uid].iter().any(|own| own.as_str() == name)
        });
        strip_token_protocol(headers);
    }

    /// Sets the headers that identify `caller`.
    ///
    /// # Errors
    /// A part of the identity would not arrive unchanged, and so could be taken for another user.
    pub(super) fn set(&self, headers: &mut HeaderMap, caller: &Caller) -> Result<(), String> {
        headers.append(&self.user, value("name", &caller.user)?);
        for group in &caller.groups {
            headers.append(&self.group, value("group", group)?);
        }
        if let Some(uid) = &caller.uid {
            headers.append(&self.uid, value("UID", uid)?);
        }
        for (key, values) in &caller.extra {
            let name = HeaderName::try_from(format!("{}{}", self.extra_prefix, escaped(key)))
                .map_err(|_| format!("its extra key {key:?} cannot be sent in a header"))?;
            for extra in values {
                headers.append(&name, value("extra value", extra)?);
            }
        }
        if let Some(authorization) = &self.authorization {
            headers.insert(AUTHORIZATION, authorization.clone());
        }
        Ok(())
    }
}

/// Removes a caller's token from a WebSocket's list of protocols (kubernetes/apiserver
/// `pkg/authentication/request/websocket`): it is for the proxy alone.
fn strip_token_protocol(headers: &mut HeaderMap) {
    const PROTOCOL: &str = "sec-websocket-protocol";
    let all: Vec<&str> = listed(headers, PROTOCOL).collect();
    if !all.iter().any(|protocol| protocol.starts_with(TOKEN_PROTOCOL)) {
        return;
    }
    let others: Vec<&str> = all.into_iter().filter(|protocol| !protocol.starts_with(TOKEN_PROTOCOL)).collect();
    let others = HeaderValue::try_from(others.join(", "));
    headers.remove(PROTOCOL);
    if let Ok(others) = others
        && !others.is_empty()
    {
        headers.insert(PROTOCOL, others);
    }
}

/// Returns `text` as a header value, unless a header would change it. Spaces at the ends are lost (RFC 9110 §5.5):
/// ` system:masters` would arrive as `system:masters`.
fn value(what: &str, text: &str) -> Result<HeaderValue, String> {
    let arrives = !text.is_empty() && text.trim() == text;
    let value = HeaderValue::from_bytes(text.as_bytes()).ok().filter(|_| arrives);
    value.ok_or_else(|| format!("its {what} {text:?} would be changed in a header"))
}

/// Returns `key` as a part of a header's name: characters not allowed there (RFC 9110 §5.6.2) and `%` are percent-escaped.
fn escaped(key: &str) -> String {
    let mut escaped = String::new();
    for byte in key.bytes() {
        if byte.is_ascii_alphanumeric() || b"!#$&'*+-.^_`|~".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _written = write!(escaped, "%{byte:02X}");
        }
    }
    escaped
}
