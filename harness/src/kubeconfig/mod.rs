//! Kubeconfigs, on kube's types: written for one credential with nothing of the user's, and read back.
//!
//! The main functions are [`single`] and [`json`], and [`read`], which reads a user's files as kubectl does; [`AdministratorKubeconfig`] is what a
//! distribution wrote. [`plugin`] runs exec plugins.

mod address;
mod administrator;
mod client;
mod limited;
pub mod plugin;
mod presented;
mod reading;

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
pub use kube::config::{AuthInfo, Cluster, Kubeconfig};
use kube::config::{Context, NamedAuthInfo, NamedCluster, NamedContext};
use serde_json::{Value, json};

pub use address::without_user;
pub use administrator::{AdministratorKubeconfig, UnreadableKubeconfig};
pub use client::{AuthProvider, ClientConfig, ClusterConfig, ExecConfig, Impersonate, Place, Trouble, UserConfig};
pub use limited::{LARGEST, read_limited};
pub use reading::{Reader, contexts, default_files, files_of, read, read_with};

use crate::credential::Credential;

/// A kubeconfig cannot carry the credential.
#[derive(Debug, thiserror::Error)]
#[error("a kubeconfig cannot carry {0}")]
pub struct NotInKubeconfig(String);

/// Returns a kubeconfig for `server` with one cluster, one user and one context, all named `name`. It names files: the server's authority,
/// and the client's certificate and key.
#[must_use]
pub fn of_files(name: &str, server: String, authority: &Path, certificate: &Path, key: &Path) -> Kubeconfig {
    let file = |path: &Path| Some(path.display().to_string());
    let cluster = Cluster {
        server: Some(server),
        certificate_authority: file(authority),
        ..Cluster::default()
    };
    let user = AuthInfo {
        client_certificate: file(certificate),
        client_key: file(key),
        ..AuthInfo::default()
    };
    single(name, cluster, user)
}

/// Returns a kubeconfig with one cluster, one user and one context, the current one, all named `name`.
#[must_use]
pub fn single(name: &str, cluster: Cluster, user: AuthInfo) -> Kubeconfig {
    let name = name.to_owned();
    let context = Context {
        cluster: name.clone(),
        user: Some(name.clone()),
        ..Context::default()
    };
    Kubeconfig {
        api_version: Some("v1".to_owned()),
        kind: Some("Config".to_owned()),
        clusters: vec![NamedCluster {
            name: name.clone(),
            cluster: Some(cluster),
            ..NamedCluster::default()
        }],
        auth_infos: vec![NamedAuthInfo {
            name: name.clone(),
            auth_info: Some(user),
            ..NamedAuthInfo::default()
        }],
        contexts: vec![NamedContext {
            name: name.clone(),
            context: Some(context),
            ..NamedContext::default()
        }],
        current_context: Some(name),
        ..Kubeconfig::default()
    }
}

/// Returns the [`single`] kubeconfig for `credential` at the server `url`, whose certificate `authority` (PEM) signed. JSON, which is
/// YAML too.
///
/// # Errors
/// The credential has a form that kubectl cannot present.
pub fn json(name: &str, url: &str, authority: &str, credential: &Credential) -> Result<Value, NotInKubeconfig> {
    let cluster = Cluster {
        server: Some(url.to_owned()),
        certificate_authority_data: Some(STANDARD.encode(authority)),
        ..Cluster::default()
    };
    Ok(json!(single(name, cluster, user(credential)?)))
}

fn user(credential: &Credential) -> Result<AuthInfo, NotInKubeconfig> {
    let mut user = AuthInfo::default();
    let mut pending = vec![credential];
    while let Some(credential) = pending.pop() {
        match credential {
            Credential::Nothing => {}
            Credential::Certificate(leaf) => {
                user.client_certificate_data = Some(STANDARD.encode(leaf.full_chain()));
                user.client_key_data = Some(STANDARD.encode(leaf.key.expose()).into());
            }
            Credential::Token(token) => user.token = Some(token.expose().into()),
            Credential::Together(all) => pending.extend(all),
            Credential::Impersonation { own, headers } => {
                pending.push(own);
                let all = |wanted: &str| -> Vec<String> {
                    let wanted = headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case(wanted));
                    wanted.map(|(_, value)| value.clone()).collect()
                };
                user.impersonate = all("Impersonate-User").into_iter().next();
                user.impersonate_uid = all("Impersonate-Uid").into_iter().next();
                user.impersonate_groups = Some(all("Impersonate-Group")).filter(|groups| !groups.is_empty());
            }
            other @ (Credential::Authorization(_) | Credential::SubProtocols(_) | Credential::ProxyHeaders { .. }) => {
                return Err(NotInKubeconfig(other.to_string()));
            }
        }
    }
    Ok(user)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    #[test]
    fn a_token_becomes_the_user_of_the_current_context() {
        let file = json("alice", "https://127.0.0.1:1", "PEM", &Credential::Token(Secret::new("t"))).expect("kubectl can");
        let read: Value = serde_saphyr::from_str(&file.to_string()).expect("it is YAML");
        assert_eq!(read["current-context"], "alice");
        assert_eq!(read["users"][0]["user"]["token"], "t");
        assert_eq!(read["clusters"][0]["cluster"]["server"], "https://127.0.0.1:1");
    }

    #[test]
    fn whoever_is_impersonated_is_named_beside_the_own_credential() {
        let headers = [("Impersonate-User", "dana"), ("impersonate-group", "a"), ("Impersonate-Group", "b")];
        let credential = Credential::Impersonation {
            own: Box::new(Credential::Token(Secret::new("t"))),
            headers: headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec(),
        };
        let file = json("x", "https://127.0.0.1:1", "PEM", &credential).expect("kubectl can");
        assert_eq!(
            file["users"][0]["user"],
            json!({ "token": "t", "as": "dana", "as-groups": ["a", "b"] })
        );
        assert_eq!(file["clusters"][0]["cluster"]["certificate-authority-data"], "UEVN");
        let nothing = json("x", "https://127.0.0.1:1", "PEM", &Credential::Nothing).expect("kubectl can");
        assert_eq!(nothing["users"][0]["user"], json!({}));
    }

    #[test]
    fn what_kubectl_cannot_present_is_refused() {
        let headers = Credential::ProxyHeaders {
            certificate: None,
            headers: Vec::new(),
        };
        assert!(json("x", "", "", &headers).is_err());
    }
}
