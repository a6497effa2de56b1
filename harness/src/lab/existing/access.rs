//! The API server of a user's kubeconfig, and the credential for it.
//!
//! The main type is [`Access`]. Every credential is read once, at the beginning; the file is not changed.

use std::path::Path;

use kube::config::{AuthInfo, Cluster, KubeConfigOptions, Kubeconfig, KubeconfigError};
use secrecy::ExposeSecret;

use super::error::ExistingError;
use super::exec;
use crate::cluster::{ApiServer, MAIN};
use crate::credential::Credential;
use crate::kubeconfig::text_of;
use crate::pem;
use crate::pki::Leaf;
use crate::secret::Secret;

/// An API server, and the credential that is presented to it.
#[derive(Clone, Debug)]
pub(super) struct Access {
    /// The context of the kubeconfig.
    pub(super) context: String,
    /// The API server's address.
    pub(super) url: String,
    /// The CA of its serving certificate, PEM.
    pub(super) authority: String,
    /// The credential of the kubeconfig's user.
    pub(super) credential: Credential,
}

impl Access {
    /// Reads the context `context`, or the current one, of the kubeconfig `path`.
    pub(super) async fn read(path: &Path, context: Option<&str>) -> Result<Self, ExistingError> {
        let file = file(path)?;
        let known: Vec<String> = file.contexts.iter().map(|context| context.name.clone()).collect();
        let context = match context.or(file.current_context.as_deref().filter(|name| !name.is_empty())) {
            Some(name) if known.iter().any(|context| context == name) => name.to_owned(),
            Some(name) => {
                return Err(ExistingError::NoSuchContext {
                    path: path.to_owned(),
                    name: name.to_owned(),
                    known,
                });
            }
            None => {
                return Err(ExistingError::NoCurrentContext {
                    path: path.to_owned(),
                    known,
                });
            }
        };
        let incomplete = |what| ExistingError::Incomplete {
            context: context.clone(),
            what,
        };
        let named = file.contexts.iter().find(|named| named.name == context);
        let meant = named
            .and_then(|named| named.context.clone())
            .ok_or_else(|| incomplete("no cluster"))?;
        let cluster = file.clusters.iter().find(|named| named.name == meant.cluster);
        let cluster = cluster
            .and_then(|named| named.cluster.clone())
            .ok_or_else(|| incomplete("a cluster that the file does not describe"))?;
        let known_user = file.auth_infos.iter().any(|named| Some(&named.name) == meant.user.as_ref());
        if !known_user {
            return Err(incomplete("a user that the file does not describe"));
        }
        let url = address(&context, &cluster)?;
        // kube reads the rest as kubectl does: files beside the kubeconfig, inline data, the cluster information for a plugin.
        let options = KubeConfigOptions {
            context: Some(context.clone()),
            ..KubeConfigOptions::default()
        };
        let config = kube::Config::from_custom_kubeconfig(file, &options)
            .await
            .map_err(|source| unreadable(&context, "cluster", source))?;
        let authority = config
            .root_cert
            .filter(|certificates| !certificates.is_empty())
            .ok_or_else(|| incomplete("a cluster without a certificate authority"))?;
        let authority: Result<String, _> = authority.iter().map(|der| pem::encode(pem::CERTIFICATE, der)).collect();
        let authority = authority.map_err(|source| unreadable(&context, "certificate authority", source))?;
        crate::tls::roots(&authority).map_err(|source| unreadable(&context, "certificate authority", source))?;
        let credential = credential(&context, &config.auth_info).await?;
        Ok(Self {
            context,
            url,
            authority,
            credential,
        })
    }

    /// Returns the API server for scenarios. Its log is not readable, and no request waits for another.
    pub(super) fn server(&self, directory: &Path) -> ApiServer {
        ApiServer {
            name: MAIN.to_owned(),
            url: self.url.clone(),
            serving_authority: self.authority.clone(),
            logs: None,
            gate: directory.join("gate"),
            client_authorities: None,
            authentication: None,
            request_header_authorities: None,
            own_authorities: None,
        }
    }
}

fn file(path: &Path) -> Result<Kubeconfig, ExistingError> {
    let not_one = |source: Box<dyn std::error::Error + Send + Sync>| ExistingError::NotAKubeconfig {
        path: path.to_owned(),
        source,
    };
    let file = Kubeconfig::read_from(path).map_err(|error| match error {
        KubeconfigError::ReadConfig(source, path) if source.kind() != std::io::ErrorKind::InvalidData => {
            ExistingError::File { path, source }
        }
        // The whole error would quote the file, secrets included.
        KubeconfigError::Parse(_) => not_one("it is not YAML of that form".into()),
        other => not_one(other.into()),
    })?;
    if file.contexts.is_empty() {
        return Err(not_one("it has no context".into()));
    }
    Ok(file)
}

fn unreadable(context: &str, what: &'static str, source: impl std::error::Error + Send + Sync + 'static) -> ExistingError {
    ExistingError::Unreadable {
        context: context.to_owned(),
        what,
        source: source.into(),
    }
}

/// Returns the address, if scenarios can use it.
fn address(context: &str, cluster: &Cluster) -> Result<String, ExistingError> {
    let unsupported = |what: String, instead| ExistingError::Unsupported {
        context: context.to_owned(),
        what,
        instead,
    };
    if cluster.insecure_skip_tls_verify == Some(true) {
        return Err(unsupported(
            "insecure-skip-tls-verify".to_owned(),
            "give the cluster's certificate-authority instead: without it, a refusal in TLS would prove nothing",
        ));
    }
    if let Some(name) = cluster.tls_server_name.as_ref().filter(|name| !name.is_empty()) {
        return Err(unsupported(
            format!("the tls-server-name '{name}'"),
            "give an address that is in the API server's certificate",
        ));
    }
    if cluster.proxy_url.as_ref().is_some_and(|proxy| !proxy.is_empty()) {
        return Err(unsupported(
            "a proxy-url".to_owned(),
            "run authlab where the API server can be reached directly",
        ));
    }
    let url = cluster.server.clone().filter(|url| !url.is_empty());
    let url = url.ok_or_else(|| ExistingError::Incomplete {
        context: context.to_owned(),
        what: "a cluster without a server",
    })?;
    let uri: hyper::Uri = url.parse().map_err(|source| unreadable(context, "server's address", source))?;
    if uri.scheme_str() != Some("https") || !uri.path().trim_end_matches('/').is_empty() {
        return Err(unsupported(
            format!("the server {url}"),
            "give an address of the form https://HOST:PORT, of the API server itself",
        ));
    }
    Ok(url.trim_end_matches('/').to_owned())
}

async fn credential(context: &str, user: &AuthInfo) -> Result<Credential, ExistingError> {
    if let Some(provider) = &user.auth_provider {
        return Err(ExistingError::Unsupported {
            context: context.to_owned(),
            what: format!("the auth provider '{}'", provider.name),
            instead: "use an exec plugin or a kubeconfig with a credential in it: kubectl has no auth providers any more, either",
        });
    }
    let mut presented = Vec::new();
    if let Some(leaf) = certificate(context, user)? {
        presented.push(Credential::Certificate(leaf));
    }
    if let Some(token) = token(context, user)? {
        presented.push(Credential::Token(token));
    } else if let (Some(name), Some(password)) = (&user.username, &user.password) {
        use base64::Engine;
        let pair = base64::engine::general_purpose::STANDARD.encode(format!("{name}:{}", password.expose_secret()));
        presented.push(Credential::Authorization(Secret::new(format!("Basic {pair}"))));
    }
    if let Some(plugin) = &user.exec {
        presented.push(exec::credential(context, plugin).await?);
    }
    let own = match presented.len() {
        0 => {
            return Err(ExistingError::Incomplete {
                context: context.to_owned(),
                what: "a user without a credential",
            });
        }
        1 => presented.remove(0),
        _ => Credential::Together(presented),
    };
    if let Some(since) = own.presentation().certificate.as_ref().and_then(expired) {
        return Err(ExistingError::Expired {
            context: context.to_owned(),
            since,
        });
    }
    for (_, value) in own.presentation().headers {
        hyper::header::HeaderValue::try_from(value.expose()).map_err(|source| unreadable(context, "token", source))?;
    }
    let headers = impersonation(user);
    Ok(if headers.is_empty() {
        own
    } else {
        Credential::Impersonation {
            own: Box::new(own),
            headers,
        }
    })
}

fn certificate(context: &str, user: &AuthInfo) -> Result<Option<Leaf>, ExistingError> {
    let key = user.client_key_data.as_ref().map(|data| data.expose_secret().to_owned());
    let certificate = text(
        context,
        "client certificate",
        user.client_certificate_data.as_deref(),
        &user.client_certificate,
    )?;
    let key = text(context, "client key", key.as_deref(), &user.client_key)?;
    match (certificate, key) {
        (None, None) => Ok(None),
        (Some(certificate), Some(key)) => {
            let leaf = Leaf {
                certificate,
                chain: String::new(),
                key: Secret::new(key),
            };
            crate::tls::identity(&leaf).map_err(|source| unreadable(context, "client certificate", source))?;
            Ok(Some(leaf))
        }
        _ => Err(ExistingError::Incomplete {
            context: context.to_owned(),
            what: "a user with a client certificate or a key, but not both",
        }),
    }
}

/// Returns the data in the file if there is any, or the content of the file that it names.
fn text(context: &str, what: &'static str, data: Option<&str>, path: &Option<String>) -> Result<Option<String>, ExistingError> {
    if let Some(data) = data.filter(|data| !data.is_empty()) {
        return text_of(data).map(Some).map_err(|source| unreadable(context, what, source));
    }
    let Some(path) = path.as_ref().filter(|path| !path.is_empty()) else {
        return Ok(None);
    };
    std::fs::read_to_string(path).map(Some).map_err(|source| {
        let path = Path::new(path).display();
        unreadable(context, what, std::io::Error::new(source.kind(), format!("{path}: {source}")))
    })
}

fn token(context: &str, user: &AuthInfo) -> Result<Option<Secret>, ExistingError> {
    if let Some(token) = &user.token {
        return Ok(Some(Secret::new(token.expose_secret())));
    }
    Ok(text(context, "token", None, &user.token_file)?.map(|token| Secret::new(token.trim())))
}

/// Returns the impersonation headers, if the kubeconfig asks for them (`as`, `as-groups`, `as-uid`).
fn impersonation(user: &AuthInfo) -> Vec<(String, String)> {
    let header = |name: &str, value: &String| (format!("Impersonate-{name}"), value.clone());
    let name = user.impersonate.iter().map(|name| header("User", name));
    let uid = user.impersonate_uid.iter().map(|uid| header("Uid", uid));
    let groups = user.impersonate_groups.iter().flatten().map(|group| header("Group", group));
    name.chain(uid).chain(groups).collect()
}

/// Returns the time at which the certificate expired, if it has.
fn expired(leaf: &Leaf) -> Option<String> {
    let end = pem::first(&leaf.certificate)
        .ok()?
        .parse_x509()
        .ok()?
        .validity()
        .not_after
        .timestamp();
    (end < jiff::Timestamp::now().as_second())
        .then(|| jiff::Timestamp::from_second(end).map_or_else(|_| end.to_string(), |end| end.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hint::Hint;
    use crate::kubeconfig;
    use crate::pki::{Authority, Flaw, Request};
    use serde_json::{Value, json};

    fn sound() -> Value {
        let authority = Authority::root("theirs").expect("an authority");
        let token = Credential::Token(Secret::new("t0ken"));
        kubeconfig::json("theirs", "https://cluster.example:6443", authority.certificate(), &token).expect("a kubeconfig")
    }

    async fn read(text: &str, context: Option<&str>) -> Result<Access, ExistingError> {
        let place = tempfile::tempdir().expect("a directory");
        let path = place.path().join("kubeconfig");
        std::fs::write(&path, text).expect("a file");
        Access::read(&path, context).await
    }

    async fn refusal(change: impl FnOnce(&mut Value)) -> String {
        let mut file = sound();
        change(&mut file);
        let error = read(&file.to_string(), None).await.expect_err("it is refused");
        assert!(error.hint().is_some(), "{error}");
        error.to_string()
    }

    #[tokio::test]
    async fn a_context_names_where_and_with_what() {
        let access = read(&sound().to_string(), None).await.expect("it is sound");
        assert_eq!(
            (access.context.as_str(), access.url.as_str()),
            ("theirs", "https://cluster.example:6443")
        );
        assert!(matches!(access.credential, Credential::Token(token) if token.expose() == "t0ken"));
        assert!(access.authority.starts_with("-----BEGIN CERTIFICATE-----"));
    }

    #[tokio::test]
    async fn whoever_is_impersonated_is_kept() {
        let mut file = sound();
        file["users"][0]["user"]["as"] = json!("dana");
        file["users"][0]["user"]["as-groups"] = json!(["admins"]);
        let access = read(&file.to_string(), None).await.expect("it is sound");
        let headers = access.credential.presentation().headers;
        assert!(
            headers
                .iter()
                .any(|(name, value)| name == "Impersonate-User" && value.expose() == "dana")
        );
        assert!(
            headers
                .iter()
                .any(|(name, value)| name == "Impersonate-Group" && value.expose() == "admins")
        );
    }

    #[tokio::test]
    async fn what_is_no_kubeconfig_is_said_without_quoting_it() {
        for text in ["", "{}", "s3cret: [", "just a text with s3cret"] {
            let error = read(text, None).await.expect_err(text);
            assert!(error.to_string().ends_with("is not a kubeconfig"), "{error}");
            let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
            assert!(!cause.contains("s3cret"), "{cause}");
        }
        let missing = Access::read(Path::new("nowhere/kubeconfig"), None)
            .await
            .expect_err("it is not there");
        assert_eq!(missing.to_string(), "cannot read the kubeconfig nowhere/kubeconfig");
    }

    #[tokio::test]
    async fn the_context_meant_is_never_guessed() {
        let none = refusal(|file| _ = file.as_object_mut().map(|file| file.remove("current-context"))).await;
        assert!(none.contains("has no current context (known: theirs)"), "{none}");
        let other = read(&sound().to_string(), Some("ours"))
            .await
            .expect_err("there is none")
            .to_string();
        assert!(other.contains("no context named 'ours' (known: theirs)"), "{other}");
    }

    #[tokio::test]
    async fn what_is_not_supported_is_refused_by_name() {
        for (part, field, value, says) in [
            ("clusters", "insecure-skip-tls-verify", json!(true), "insecure-skip-tls-verify"),
            ("clusters", "tls-server-name", json!("x"), "tls-server-name 'x'"),
            ("clusters", "proxy-url", json!("http://p"), "proxy-url"),
            ("clusters", "server", json!("http://plain"), "http://plain"),
            ("clusters", "server", json!("https://h/path"), "https://h/path"),
            (
                "clusters",
                "certificate-authority-data",
                json!(""),
                "a cluster without a certificate authority",
            ),
            ("users", "auth-provider", json!({ "name": "gcp" }), "auth provider 'gcp'"),
            ("users", "client-key-data", json!("eA=="), "but not both"),
        ] {
            let inner = part.trim_end_matches('s');
            let text = refusal(|file| file[part][0][inner][field] = value.clone()).await;
            assert!(text.contains(says), "{field}: {text}");
        }
        for user in [json!({}), Value::Null] {
            let text = refusal(|file| file["users"][0]["user"] = user).await;
            assert!(text.contains("a user without a credential"), "{text}");
        }
        let absent = |file: &mut Value| _ = file["users"][0].as_object_mut().and_then(|user| user.remove("user"));
        let text = refusal(absent).await;
        assert!(text.contains("a user without a credential"), "{text}");
    }

    #[tokio::test]
    async fn an_expired_certificate_is_seen_before_anything_is_asked() {
        let authority = Authority::root("theirs").expect("an authority");
        let leaf = authority
            .issue(&Request::flawed("dana", &[], Flaw::Expired))
            .expect("a certificate");
        let file = kubeconfig::json("theirs", "https://h:1", authority.certificate(), &leaf.into()).expect("a kubeconfig");
        let error = read(&file.to_string(), None).await.expect_err("it has expired").to_string();
        assert!(
            error.starts_with("the client certificate of the context 'theirs' expired at 20"),
            "{error}"
        );
    }
}
