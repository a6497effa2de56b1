//! A kubeconfig for one credential: the fields that kubectl needs, and nothing of the user's.

use serde_json::{Value, json};

use super::Credential;

/// A kubeconfig cannot carry the credential.
#[derive(Debug, thiserror::Error)]
#[error("a kubeconfig cannot carry {0}")]
pub struct NotInKubeconfig(String);

/// Returns a kubeconfig (`v1 Config`) with one cluster, one user and one context, the current one, all named
/// `name`. JSON, which is YAML too; [`yaml`] is for people.
///
/// # Errors
/// The credential has a form that kubectl cannot present.
pub fn json(name: &str, url: &str, authority: &str, credential: &Credential) -> Result<Value, NotInKubeconfig> {
    use base64::Engine;
    let encode = |text: &str| base64::engine::general_purpose::STANDARD.encode(text);
    let mut user = serde_json::Map::new();
    let mut pending = vec![credential];
    while let Some(credential) = pending.pop() {
        match credential {
            Credential::Nothing => {}
            Credential::Certificate(leaf) => {
                user.insert("client-certificate-data".to_owned(), encode(&leaf.full_chain()).into());
                user.insert("client-key-data".to_owned(), encode(leaf.key.expose()).into());
            }
            Credential::Token(token) => _ = user.insert("token".to_owned(), token.expose().into()),
            Credential::Together(all) => pending.extend(all),
            Credential::Impersonation { own, headers } => {
                pending.push(own);
                let all = |wanted: &str| -> Vec<&str> {
                    headers
                        .iter()
                        .filter(|(name, _)| name.eq_ignore_ascii_case(wanted))
                        .map(|(_, value)| value.as_str())
                        .collect()
                };
                if let Some(name) = all("Impersonate-User").first() {
                    user.insert("as".to_owned(), (*name).into());
                }
                if let Some(uid) = all("Impersonate-Uid").first() {
                    user.insert("as-uid".to_owned(), (*uid).into());
                }
                let groups = all("Impersonate-Group");
                if !groups.is_empty() {
                    user.insert("as-groups".to_owned(), groups.into());
                }
            }
            other @ (Credential::Authorization(_) | Credential::SubProtocols(_) | Credential::ProxyHeaders { .. }) => {
                return Err(NotInKubeconfig(other.to_string()));
            }
        }
    }
    Ok(json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{ "name": name, "cluster": { "server": url, "certificate-authority-data": encode(authority) } }],
        "users": [{ "name": name, "user": user }],
        "contexts": [{ "name": name, "context": { "cluster": name, "user": name } }],
        "current-context": name,
    }))
}

/// Returns the same as YAML.
///
/// # Errors
/// The credential has a form that kubectl cannot present.
pub fn yaml(name: &str, url: &str, authority: &str, credential: &Credential) -> Result<String, NotInKubeconfig> {
    let value = json(name, url, authority, credential)?;
    Ok(serde_saphyr::to_string(&value).unwrap_or_else(|_| value.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    #[test]
    fn a_token_becomes_the_user_of_the_current_context() {
        let text = yaml("alice", "https://127.0.0.1:1", "PEM", &Credential::Token(Secret::new("t"))).expect("kubectl can");
        let read: Value = serde_saphyr::from_str(&text).expect("it is YAML");
        assert_eq!(read["current-context"], "alice");
        assert_eq!(read["users"][0]["user"]["token"], "t");
        assert_eq!(read["clusters"][0]["cluster"]["server"], "https://127.0.0.1:1");
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
