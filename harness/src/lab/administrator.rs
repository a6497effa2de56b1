//! The user that prepares what scenarios need: in a lab's own cluster everything is allowed, in an existing cluster
//! what the kubeconfig's user may do. The main type is [`Administrator`].

use hyper::header::{HeaderName, HeaderValue};
use kube::Client;
use kube::config::{AuthInfo, Config};
use secrecy::SecretString;

use super::LabError;
use crate::cluster::{ApiServer, Minor};
use crate::credential::Credential;

/// A member of `system:masters`, or the user of a kubeconfig, with a client that is made once and shared.
#[derive(Clone)]
pub struct Administrator {
    credential: Credential,
    client: Client,
}

impl std::fmt::Debug for Administrator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Administrator")
    }
}

impl Administrator {
    pub(super) fn new(server: &ApiServer, credential: impl Into<Credential>) -> Result<Self, LabError> {
        let credential = credential.into();
        let client = client(server, &credential).map_err(|source| LabError::Objects {
            what: "the administrator".to_owned(),
            source: Box::new(source),
        })?;
        Ok(Self { credential, client })
    }

    /// Returns the administrator's client.
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// Returns the same administrator at another API server of the lab.
    ///
    /// # Errors
    /// No client can be made from the credential.
    pub fn at(&self, server: &ApiServer) -> Result<Self, LabError> {
        Self::new(server, self.credential.clone())
    }

    /// Returns the version that the cluster's API server reports: an image may contain another than the one requested.
    ///
    /// # Errors
    /// The API server does not report it.
    pub(super) async fn kubernetes(&self) -> Result<(String, Minor), LabError> {
        let told = self.client.apiserver_version().await.map_err(|source| LabError::Objects {
            what: "the version of Kubernetes".to_owned(),
            source: Box::new(source),
        })?;
        // Some providers return "34+".
        let minor = told.minor.trim_end_matches('+').parse();
        let minor = minor.map_err(|_| LabError::StrangeVersion(format!("{}.{}", told.major, told.minor)))?;
        Ok((told.git_version.trim_start_matches('v').to_owned(), Minor(minor)))
    }

    /// Returns the administrator's credential.
    pub fn credential(&self) -> &Credential {
        &self.credential
    }
}

/// Returns a client of `server` that presents `credential`.
fn client(server: &ApiServer, credential: &Credential) -> kube::Result<Client> {
    use base64::Engine;
    let encode = |text: &str| base64::engine::general_purpose::STANDARD.encode(text);
    let url = server.url.parse().expect("an API server's address is a URL");
    let mut config = Config::new(url);
    config.root_cert = Some(
        crate::tls::certificates(&server.serving_authority)
            .unwrap_or_default()
            .iter()
            .map(|der| der.to_vec())
            .collect(),
    );
    // A first failure must be visible, not hidden by a retry.
    config.default_retry = false;
    config.proxy_url = None;
    let presentation = credential.presentation();
    if let Some(leaf) = presentation.certificate {
        config.auth_info = AuthInfo {
            client_certificate_data: Some(encode(&leaf.full_chain())),
            client_key_data: Some(SecretString::from(encode(leaf.key.expose()))),
            ..AuthInfo::default()
        };
    }
    for (name, value) in presentation.headers {
        // Values that no header can carry were refused when they were read.
        if let (Ok(name), Ok(mut value)) = (HeaderName::try_from(name), HeaderValue::try_from(value.expose())) {
            value.set_sensitive(true);
            config.headers.push((name, value));
        }
    }
    Client::try_from(config)
}
