//! Who may do everything in the cluster: prepares what scenarios need.

use kube::Client;
use kube::config::{AuthInfo, Config};
use secrecy::SecretString;

use super::LabError;
use crate::cluster::ApiServer;
use crate::credential::Credential;
use crate::pki::Leaf;

/// A member of `system:masters`, with a client that is made once and shared.
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
    pub(super) fn new(server: &ApiServer, leaf: Leaf) -> Result<Self, LabError> {
        use base64::Engine;
        let encode = |text: &str| base64::engine::general_purpose::STANDARD.encode(text);
        let wrong = |source: kube::Error| LabError::Objects {
            what: "the administrator".to_owned(),
            source: Box::new(source),
        };
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
        config.auth_info = AuthInfo {
            client_certificate_data: Some(encode(&leaf.certificate)),
            client_key_data: Some(SecretString::from(encode(leaf.key.expose()))),
            ..AuthInfo::default()
        };
        let client = Client::try_from(config).map_err(wrong)?;
        Ok(Self {
            credential: Credential::Certificate(leaf),
            client,
        })
    }

    /// A client that may do everything.
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// What the administrator presents.
    pub fn credential(&self) -> &Credential {
        &self.credential
    }
}
