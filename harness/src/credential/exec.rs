//! The input of an exec credential plugin from its caller, and its output (k8s.io/client-go `pkg/apis/clientauthentication`).
//!
//! The main type is [`ExecInfo`]: kubectl and every other client put it into the environment of the plugin.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Credential, Presentation};

/// The variable with the client's input (KEP-541).
pub const EXEC_INFO: &str = "KUBERNETES_EXEC_INFO";

/// The supported versions of `client.authentication.k8s.io`, the usual one first.
pub const VERSIONS: &[&str] = &["client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1"];

/// The client's input.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct ExecInfo {
    /// The version in which the client expects the output.
    #[serde(rename = "apiVersion")]
    pub version: String,
    /// The other fields.
    #[serde(default)]
    pub spec: ExecSpec,
}

/// The client's input beside its version.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct ExecSpec {
    /// `true` if a user is there who can be asked (`interactiveMode` of the kubeconfig, and a terminal).
    #[serde(default)]
    pub interactive: bool,
    /// The cluster that the credential is for, if the kubeconfig has `provideClusterInfo`.
    pub cluster: Option<ExecCluster>,
}

/// The cluster that a credential is for.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct ExecCluster {
    /// Its address.
    pub server: String,
    /// The CA of its certificate, PEM in base64; `None` for one of the system's.
    #[serde(rename = "certificate-authority-data")]
    pub authority: Option<String>,
    /// The name that its certificate must have, if that is not the one in the address.
    #[serde(rename = "tls-server-name")]
    pub server_name: Option<String>,
    /// `true` if its certificate is not verified.
    #[serde(rename = "insecure-skip-tls-verify", default)]
    pub unverified: bool,
    /// The kubeconfig's extension `client.authentication.k8s.io/exec` of that cluster.
    pub config: Option<Value>,
}

/// The client's input cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum NoExecInfo {
    /// It is not an ExecCredential.
    #[error("{EXEC_INFO} is not an ExecCredential")]
    Malformed(#[from] serde_json::Error),
    /// It has an unsupported version.
    #[error("{EXEC_INFO} has the version \"{version}\" (supported: {})", VERSIONS.join(" and "))]
    Version {
        /// The version.
        version: String,
    },
}

/// A credential that an exec plugin cannot answer with.
#[derive(Debug, thiserror::Error)]
#[error("an exec plugin cannot return {0}")]
pub struct NotByExec(String);

impl ExecInfo {
    /// Reads what the variable has.
    ///
    /// # Errors
    /// It is not an ExecCredential, or has an unsupported version.
    pub fn read(text: &str) -> Result<Self, NoExecInfo> {
        let info: Self = serde_json::from_str(text)?;
        if VERSIONS.contains(&info.version.as_str()) {
            Ok(info)
        } else {
            Err(NoExecInfo::Version { version: info.version })
        }
    }

    /// Returns the input for a call by a user instead of a client: the usual version, and `interactive` as given.
    #[must_use]
    pub fn by_hand(interactive: bool) -> Self {
        Self {
            version: VERSIONS[0].to_owned(),
            spec: ExecSpec {
                interactive,
                cluster: None,
            },
        }
    }

    /// Returns the output: `credential`, which the client may use until `expires`.
    ///
    /// # Errors
    /// The credential is neither a token nor a certificate.
    pub fn answer(&self, credential: &Credential, expires: Option<Timestamp>) -> Result<Value, NotByExec> {
        let mut status = match credential {
            Credential::Token(token) => json!({ "token": token.expose() }),
            Credential::Certificate(_) => {
                let Presentation { certificate, .. } = credential.presentation();
                let leaf = certificate.ok_or_else(|| NotByExec(credential.to_string()))?;
                json!({ "clientCertificateData": leaf.full_chain(), "clientKeyData": leaf.key.expose() })
            }
            other => return Err(NotByExec(other.to_string())),
        };
        if let Some(expires) = expires {
            status["expirationTimestamp"] = expires.to_string().into();
        }
        Ok(json!({ "apiVersion": self.version, "kind": "ExecCredential", "status": status }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    #[test]
    fn it_is_answered_in_the_version_that_was_asked_for() {
        for version in VERSIONS {
            let text = json!({ "apiVersion": version, "kind": "ExecCredential", "spec": { "interactive": true } }).to_string();
            let info = ExecInfo::read(&text).expect("it is spoken");
            assert!(info.spec.interactive && info.spec.cluster.is_none());
            let expires = Timestamp::from_second(1_700_000_000).expect("a time");
            let answer = info.answer(&Credential::Token(Secret::new("t")), Some(expires)).expect("a token");
            let expected = json!({ "apiVersion": version, "kind": "ExecCredential",
                "status": { "token": "t", "expirationTimestamp": "2023-11-14T22:13:20Z" } });
            assert_eq!(answer, expected);
        }
    }

    #[test]
    fn another_version_and_what_is_none_are_refused() {
        let error = ExecInfo::read(r#"{"apiVersion":"client.authentication.k8s.io/v1alpha1"}"#).expect_err("not spoken");
        assert!(
            error
                .to_string()
                .contains("v1alpha1\" (supported: client.authentication.k8s.io/v1 and"),
            "{error}"
        );
        assert!(ExecInfo::read("interactive").is_err());
    }

    #[test]
    fn the_cluster_is_read_with_what_its_extension_says() {
        let text = r#"{"apiVersion":"client.authentication.k8s.io/v1","spec":{"interactive":false,"cluster":
            {"server":"https://127.0.0.1:1","certificate-authority-data":"eA==","config":{"issuer":"https://issuer.test"}}}}"#;
        let cluster = ExecInfo::read(text).expect("it is sound").spec.cluster.expect("it is told");
        assert_eq!(cluster.server, "https://127.0.0.1:1");
        assert_eq!(cluster.authority.as_deref(), Some("eA=="));
        assert_eq!((cluster.server_name, cluster.unverified), (None, false));
        assert_eq!(cluster.config.expect("it is told")["issuer"], "https://issuer.test");
    }

    #[test]
    fn what_no_client_takes_is_refused() {
        assert!(ExecInfo::by_hand(true).answer(&Credential::Nothing, None).is_err());
    }
}
