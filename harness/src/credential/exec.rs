//! What an exec credential plugin is told by who runs it, and what it answers (k8s.io/client-go `pkg/apis/clientauthentication`).
//!
//! The main type is [`ExecInfo`]: kubectl and every other client put it into the environment of the plugin.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Credential, Presentation};

/// The variable that says what the client wants (KEP-541).
pub const EXEC_INFO: &str = "KUBERNETES_EXEC_INFO";

/// The versions of `client.authentication.k8s.io` that are spoken, the usual one first.
pub const VERSIONS: &[&str] = &["client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1"];

/// What the client says.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct ExecInfo {
    /// The version in which it wants to be answered.
    #[serde(rename = "apiVersion")]
    pub version: String,
    /// What it says beside that.
    #[serde(default)]
    pub spec: ExecSpec,
}

/// What the client says beside its version.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct ExecSpec {
    /// Whether somebody is there who can be asked (`interactiveMode` of the kubeconfig, and a terminal).
    #[serde(default)]
    pub interactive: bool,
    /// The cluster that the credential is for, where the kubeconfig has `provideClusterInfo`.
    pub cluster: Option<ExecCluster>,
}

/// The cluster that a credential is for.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct ExecCluster {
    /// Its address.
    pub server: String,
    /// The authority of its certificate, PEM in base64; one of the system's where none is given.
    #[serde(rename = "certificate-authority-data")]
    pub authority: Option<String>,
    /// The name that its certificate has to have, where that is not the one in the address.
    #[serde(rename = "tls-server-name")]
    pub server_name: Option<String>,
    /// Whether nobody looks at its certificate.
    #[serde(rename = "insecure-skip-tls-verify", default)]
    pub unverified: bool,
    /// The kubeconfig's extension `client.authentication.k8s.io/exec` of that cluster.
    pub config: Option<Value>,
}

/// What the client says cannot be understood.
#[derive(Debug, thiserror::Error)]
pub enum NoExecInfo {
    /// It is not what clients say.
    #[error("{EXEC_INFO} is not an ExecCredential")]
    Malformed(#[from] serde_json::Error),
    /// It is said in another version.
    #[error("{EXEC_INFO} has the version \"{version}\"; spoken are {}", VERSIONS.join(" and "))]
    Version {
        /// The version.
        version: String,
    },
}

/// A credential that an exec plugin cannot answer with.
#[derive(Debug, thiserror::Error)]
#[error("an exec plugin cannot answer with {0}")]
pub struct NotByExec(String);

impl ExecInfo {
    /// Reads what the variable has.
    ///
    /// # Errors
    /// It is no ExecCredential, or one of a version that is not spoken.
    pub fn read(text: &str) -> Result<Self, NoExecInfo> {
        let info: Self = serde_json::from_str(text)?;
        if VERSIONS.contains(&info.version.as_str()) {
            Ok(info)
        } else {
            Err(NoExecInfo::Version { version: info.version })
        }
    }

    /// Where no client asks but a person who typed the command: the usual version, and `interactive` as they are.
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

    /// The answer: `credential`, which the client may use until `expires`.
    ///
    /// # Errors
    /// It is neither a token nor a certificate.
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
                .contains("v1alpha1\"; spoken are client.authentication.k8s.io/v1 and"),
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
