//! The auth proxy of a learner: a file in the learner's directory describes it, and the lesson or scenario that checks it starts it.
//!
//! The main function is [`Lab::learners_proxy`]. The keys of its certificates are beside that directory and not in it: with one
//! of them, anyone could impersonate anyone.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{Lab, LabError};
use crate::auth_proxy::{AuthProxy, AuthProxyError, Backend, HeaderNames, PassOn, Patience, Settings};
use crate::event::Exchanges;
use crate::pki::{Leaf, PkiError};
use crate::probe::Endpoint;
use crate::secret::Secret;

/// The name of the file.
const FILE: &str = "auth-proxy.json";

/// The content of the file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Described {
    /// The certificate that the proxy presents to the API server, as a file name.
    client_certificate: String,
    headers: DescribedHeaders,
}

/// The headers in which the proxy passes the identity on.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct DescribedHeaders {
    user: String,
    group: String,
}

/// The reason why a learner's auth proxy cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum LearnersProxyError {
    /// A file cannot be read.
    #[error("cannot read {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// The file does not describe an auth proxy.
    #[error("{} does not describe an auth proxy", path.display())]
    NotOne {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: serde_json::Error,
    },
    /// The proxy has no key for the certificate.
    #[error("the auth proxy has no key for the certificate in {named}; it has one for: {}", known.join(", "))]
    NoKey {
        /// The certificate that the file names.
        named: String,
        /// The certificates for which there are keys.
        known: Vec<String>,
    },
    /// The lab has no authorities of its own.
    #[error(transparent)]
    Lab(#[from] LabError),
    /// A certificate cannot be made.
    #[error(transparent)]
    Pki(#[from] PkiError),
    /// The proxy cannot be started.
    #[error(transparent)]
    Proxy(#[from] AuthProxyError),
}

/// Returns the directory with the keys for the certificates in `directory`, a learner's.
pub(crate) fn kept_of(directory: &Path) -> PathBuf {
    let name = directory.file_name().unwrap_or_default();
    directory.parent().unwrap_or(directory).join(".kept").join(name)
}

impl Lab {
    /// Starts the auth proxy that `auth-proxy.json` in `directory` describes, in front of the main API server: it authenticates callers by
    /// client certificate, and passes user and groups on in headers.
    ///
    /// # Errors
    /// The file does not describe an auth proxy, or there is no key for its certificate.
    pub async fn learners_proxy(&self, directory: &Path) -> Result<(AuthProxy, Endpoint), LearnersProxyError> {
        let path = directory.join(FILE);
        let text = read(&path)?;
        let described: Described = serde_json::from_str(&text).map_err(|source| LearnersProxyError::NotOne { path, source })?;
        let authorities = self.authorities()?;
        let main = self.main();
        let serving = authorities.serving.certificate().to_owned();
        let proxy = AuthProxy::start(Settings {
            certificate: authorities.serving_certificate("auth proxy")?,
            caller_authority: Some(authorities.clients.certificate().to_owned()),
            token_issuer: None,
            backend: Backend {
                url: main.url.clone(),
                authority: main.serving_authority.clone(),
            },
            pass_on: PassOn::Headers {
                certificate: leaf(directory, &described.client_certificate)?,
                names: HeaderNames {
                    user: described.headers.user,
                    group: described.headers.group,
                    ..HeaderNames::default()
                },
            },
            extra: BTreeMap::new(),
            patience: Patience::default(),
            record: None,
        })
        .await?;
        let endpoint = Endpoint {
            name: "your auth proxy".to_owned(),
            url: proxy.url(),
            authority: serving,
            route: None,
            server: main.clone(),
            exchanges: Exchanges::default(),
        };
        Ok((proxy, endpoint))
    }
}

/// Returns the certificate in the file `named`, with the key that is kept for it.
fn leaf(directory: &Path, named: &str) -> Result<Leaf, LearnersProxyError> {
    let certificate = read(&directory.join(named))?;
    let kept = kept_of(directory);
    let mut known = Vec::new();
    for entry in std::fs::read_dir(&kept).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.extension().is_none_or(|extension| extension != "crt") {
            continue;
        }
        if read(&path)?.trim() == certificate.trim() {
            return Ok(Leaf {
                certificate,
                chain: String::new(),
                key: Secret::new(read(&path.with_extension("key"))?),
            });
        }
        known.push(entry.file_name().to_string_lossy().into_owned());
    }
    known.sort();
    Err(LearnersProxyError::NoKey {
        named: named.to_owned(),
        known,
    })
}

fn read(path: &Path) -> Result<String, LearnersProxyError> {
    std::fs::read_to_string(path).map_err(|source| LearnersProxyError::File {
        path: path.to_owned(),
        source,
    })
}
