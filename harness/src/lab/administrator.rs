//! Who prepares what scenarios need: everything may be done in a lab's own cluster, and what the kubeconfig's user
//! may in somebody else's. The main type is [`Administrator`].

use hyper::header::{HeaderName, HeaderValue};
use kube::Client;
use kube::config::{AuthInfo, Config};
use secrecy::SecretString;

use super::LabError;
use crate::cluster::{ApiServer, Minor};
use crate::credential::Credential;

/// A member of `system:masters`, or whoever a kubeconfig names, with a client that is made once and shared.
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

    /// A client that may do everything.
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// The same administrator at another API server of the lab.
    ///
    /// # Errors
    /// No client can be made of the credential.
    pub fn at(&self, server: &ApiServer) -> Result<Self, LabError> {
        Self::new(server, self.credential.clone())
    }

    /// The version that the cluster runs, as its API server says it: an image may have another than the one that was asked for.
    ///
    /// # Errors
    /// The API server does not say it.
    pub(super) async fn kubernetes(&self) -> Result<(String, Minor), LabError> {
        let told = self.client.apiserver_version().await.map_err(|source| LabError::Objects {
            what: "the version of Kubernetes".to_owned(),
            source: Box::new(source),
        })?;
        // Some providers write "34+".
        let minor = told.minor.trim_end_matches('+').parse();
        let minor = minor.map_err(|_| LabError::StrangeVersion(format!("{}.{}", told.major, told.minor)))?;
        Ok((told.git_version.trim_start_matches('v').to_owned(), Minor(minor)))
    }

    /// What the administrator presents.
    pub fn credential(&self) -> &Credential {
        &self.credential
    }
}

/// A client of `server` that presents `credential`.
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
    // Whatever does not work the first time shall be seen.
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
        // What no header can carry was refused where it was read.
        if let (Ok(name), Ok(mut value)) = (HeaderName::try_from(name), HeaderValue::try_from(value.expose())) {
            value.set_sensitive(true);
            config.headers.push((name, value));
        }
    }
    Client::try_from(config)
}
