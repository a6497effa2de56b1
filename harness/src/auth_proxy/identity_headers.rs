//! Headers that say who somebody is: all that came in are dropped, the proxy's own are set.
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

/// How identity is passed on.
#[derive(Clone, Debug)]
pub enum PassOn {
    /// In `X-Remote-*` headers, which the API server believes for the sake of the proxy's front-proxy certificate.
    Headers {
        /// The front-proxy certificate.
        certificate: Leaf,
        /// The names of the headers.
        names: HeaderNames,
    },
    /// In `Impersonate-*` headers, which the API server believes as far as the proxy may impersonate.
    Impersonation {
        /// Who the proxy itself is.
        credential: ProxyCredential,
    },
}

/// Who a proxy that impersonates is itself.
#[derive(Clone, Debug)]
pub enum ProxyCredential {
    /// A bearer token, such as its service account's.
    Token(Secret),
    /// A client certificate.
    Certificate(Leaf),
}

/// The headers that carry identity, as the API server's `--requestheader-*` flags name them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderNames {
    /// The user.
    pub user: String,
    /// A group each.
    pub group: String,
    /// What names of extra headers begin with.
    pub extra_prefix: String,
    /// The user's UID (`--requestheader-uid-headers`, from Kubernetes 1.32).
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

/// [`PassOn`] with its names checked.
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

    /// Drops whatever the caller sent that says who somebody is, under any name that any API server may
    /// be listening to, and every header of the caller's connection alone.
    pub(super) fn strip(&self, headers: &mut HeaderMap) {
        strip_hop_by_hop(headers);
        // Where a caller comes from is the proxy's to say, too: the audit log believes these.
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

    /// Says who `caller` is.
    ///
    /// # Errors
    /// Something of it would not arrive as it is, and so could be taken for somebody else.
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

/// A caller's token in a WebSocket's list of protocols (kubernetes/apiserver `pkg/authentication/request/websocket`)
/// is for the proxy alone.
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

/// Spaces at the ends do not survive a header (RFC 9110 §5.5): ` system:masters` would arrive
/// as `system:masters`.
fn value(what: &str, text: &str) -> Result<HeaderValue, String> {
    let arrives = !text.is_empty() && text.trim() == text;
    let value = HeaderValue::from_bytes(text.as_bytes()).ok().filter(|_| arrives);
    value.ok_or_else(|| format!("its {what} {text:?} would not arrive as it is in a header"))
}

/// A key as a header's name: percent-escaped but for what may stand there (RFC 9110 §5.6.2), and `%` itself.
fn escaped(key: &str) -> String {
    let mut escaped = String::new();
    for byte in key.bytes() {
        if byte.is_ascii_alphanumeric() || b"!#$&'*+-.^_`|~".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            // Writing into a string cannot fail.
            let _written = write!(escaped, "%{byte:02X}");
        }
    }
    escaped
}
