//! The API server of a user's kubeconfig, and the credential for it.
//!
//! The main type is [`Access`]. Every credential is read once, at the beginning; the file is not changed.

use std::path::{Path, PathBuf};

use super::error::ExistingError;
use crate::cluster::{ApiServer, MAIN};
use crate::credential::Credential;
use crate::event::Events;
use crate::kubeconfig::plugin::{self, PluginError, Surroundings};
use crate::kubeconfig::{self, ClientConfig, ClusterConfig, LARGEST, Trouble, read_limited, without_user};
use crate::pem;
use crate::pki::Leaf;

/// An API server, and the credential that is presented to it.
#[derive(Clone, Debug)]
pub(crate) struct Access {
    /// The context of the kubeconfig.
    pub(crate) context: String,
    /// The API server's address.
    pub(crate) url: String,
    /// The CA of its serving certificate, PEM.
    pub(crate) authority: String,
    /// The credential of the kubeconfig's user.
    pub(crate) credential: Credential,
}

/// A context of a kubeconfig, as the file has it: nothing was run and nothing was asked.
#[derive(Clone, Debug)]
pub(crate) struct KubeContext {
    /// The name of the context.
    pub(crate) context: String,
    /// The API server's address.
    pub(crate) url: String,
    /// The CA of its serving certificate, PEM.
    authority: String,
    /// The contents of the context.
    config: ClientConfig,
}

impl KubeContext {
    /// Reads each of `contexts`, `None` being the current one, of the kubeconfig `path`, in this order. Their users may be missing.
    pub(crate) fn read<'a>(path: &Path, contexts: impl IntoIterator<Item = Option<&'a str>>) -> Result<Vec<Self>, ExistingError> {
        // The file may be a pipe, which can be read once.
        let bytes = read_limited(path, LARGEST).map_err(|source| ExistingError::File {
            path: path.to_owned(),
            source,
        })?;
        contexts.into_iter().map(|context| Self::of(path, &bytes, context)).collect()
    }

    /// Reads one of them; `bytes` are the content of the file.
    fn of(path: &Path, bytes: &[u8], context: Option<&str>) -> Result<Self, ExistingError> {
        let read = |file: &Path| {
            if file == path {
                Ok(bytes.to_vec())
            } else {
                read_limited(file, LARGEST)
            }
        };
        let context = chosen(path, context, &read)?;
        let config = kubeconfig::read_with(&[path.to_owned()], Some(&context), &read, jiff::Timestamp::now());
        let config = config.map_err(|troubles| ExistingError::Refused {
            context: context.clone(),
            why: told(troubles),
        })?;
        let url = address(&context, &config.cluster)?;
        let authority = config.cluster.authority.clone().ok_or_else(|| ExistingError::Incomplete {
            context: context.clone(),
            what: "a cluster without a certificate authority",
        })?;
        crate::tls::roots(&authority).map_err(|source| unreadable(&context, "certificate authority", source))?;
        Ok(Self {
            context,
            url,
            authority,
            config,
        })
    }

    /// Returns the command of the exec plugin that gives the context's credential, if one does.
    pub(crate) fn plugin(&self) -> Option<&str> {
        self.config.user.plugin().map(|exec| exec.command.as_str())
    }

    /// Returns the credential of the context's user. A plugin is run, and `events` say which one before.
    pub(crate) async fn credential(&self, events: &Events) -> Result<Credential, ExistingError> {
        if self.config.user.place.is_none() {
            return Err(ExistingError::Incomplete {
                context: self.context.clone(),
                what: "a user that the file does not describe",
            });
        }
        credential(&self.context, &self.config, events).await
    }

    /// Returns the API server with `credential` for it.
    pub(crate) fn with(&self, credential: Credential) -> Access {
        Access {
            context: self.context.clone(),
            url: self.url.clone(),
            authority: self.authority.clone(),
            credential,
        }
    }
}

impl Access {
    /// Reads the context `context`, or the current one, of the kubeconfig `path`.
    ///
    /// A plugin is run, and `events` say which one before.
    pub(crate) async fn read(path: &Path, context: Option<&str>, events: &Events) -> Result<Self, ExistingError> {
        let context = KubeContext::read(path, [context])?.swap_remove(0);
        let credential = context.credential(events).await?;
        Ok(context.with(credential))
    }

    /// Returns the API server for scenarios. Its log is not readable, and no request waits for another.
    pub(crate) fn server(&self, directory: &Path) -> ApiServer {
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

/// Returns the name of the context `wanted`, or of the current one.
fn chosen(path: &Path, wanted: Option<&str>, read: kubeconfig::Reader<'_>) -> Result<String, ExistingError> {
    let not_one = |why: String| ExistingError::NotAKubeconfig {
        path: path.to_owned(),
        source: why.into(),
    };
    let contexts = kubeconfig::contexts(&[path.to_owned()], read).map_err(|troubles| not_one(told(troubles)))?;
    let known = contexts.names;
    if known.is_empty() {
        return Err(not_one("it has no context".to_owned()));
    }
    let path = PathBuf::from(path);
    match wanted.map(str::to_owned).or(contexts.current) {
        Some(name) if known.contains(&name) => Ok(name),
        Some(name) => Err(ExistingError::NoSuchContext { path, name, known }),
        None => Err(ExistingError::NoCurrentContext { path, known }),
    }
}

/// Returns the faults of a kubeconfig in one line each.
fn told(troubles: Vec<Trouble>) -> String {
    let refused = troubles.into_iter().filter(|trouble| trouble.is_refused);
    let lines = refused.map(|Trouble { place, seen, change, .. }| {
        let place = place.map(|place| format!("{place}: ")).unwrap_or_default();
        format!("{place}{seen} ({change})")
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn unreadable(context: &str, what: &'static str, source: impl std::error::Error + Send + Sync + 'static) -> ExistingError {
    ExistingError::Unreadable {
        context: context.to_owned(),
        what,
        source: source.into(),
    }
}

/// Returns the address, if scenarios can use it.
fn address(context: &str, cluster: &ClusterConfig) -> Result<String, ExistingError> {
    let unsupported = |what: String, instead| ExistingError::Unsupported {
        context: context.to_owned(),
        what,
        instead,
    };
    if cluster.insecure_skip_tls_verify {
        return Err(unsupported(
            "insecure-skip-tls-verify".to_owned(),
            "give the cluster's certificate-authority instead: without it, a refusal in TLS would prove nothing",
        ));
    }
    if let Some(name) = &cluster.tls_server_name {
        return Err(unsupported(
            format!("the tls-server-name '{name}'"),
            "give an address that is in the API server's certificate",
        ));
    }
    if cluster.proxy_url.is_some() {
        return Err(unsupported(
            "a proxy-url".to_owned(),
            "run authlab where the API server can be reached directly",
        ));
    }
    let url = &cluster.server;
    let uri: hyper::Uri = url.parse().map_err(|source| unreadable(context, "server's address", source))?;
    let has_user = uri.authority().is_some_and(|authority| authority.as_str().contains('@'));
    if has_user || uri.scheme_str() != Some("https") || !uri.path().trim_end_matches('/').is_empty() {
        return Err(unsupported(
            format!("the server {}", without_user(url)),
            "give an address of the form https://HOST:PORT, of the API server itself",
        ));
    }
    Ok(url.trim_end_matches('/').to_owned())
}

async fn credential(context: &str, config: &ClientConfig, events: &Events) -> Result<Credential, ExistingError> {
    let user = &config.user;
    let mut presented = config.credentials();
    if let Some(provider) = user
        .auth_provider
        .as_ref()
        .filter(|_| presented.is_empty() || user.id_token().is_some())
    {
        return Err(ExistingError::Unsupported {
            context: context.to_owned(),
            what: format!("the auth provider '{}'", provider.name),
            instead: "use an exec plugin or a kubeconfig with a credential in it: kubectl's auth providers are deprecated",
        });
    }
    if let Some(exec) = user.plugin() {
        let mut show = |text: &str| {
            for line in text.lines().filter(|line| !line.trim().is_empty()) {
                events.note(line);
            }
        };
        let answer = plugin::announced_run(exec, &config.cluster, Surroundings::new(&mut show)).await;
        presented.extend(answer.map_err(|error| failed(context, &exec.command, error))?.credentials);
    }
    for leaf in presented.iter().filter_map(|credential| match credential {
        Credential::Certificate(leaf) => Some(leaf),
        _ => None,
    }) {
        crate::tls::identity(leaf).map_err(|source| unreadable(context, "client certificate", source))?;
    }
    if presented.is_empty() {
        return Err(ExistingError::Incomplete {
            context: context.to_owned(),
            what: "a user without a credential",
        });
    }
    let credential = Credential::of(presented, user.impersonate.headers());
    if let Some(since) = credential.presentation().certificate.as_ref().and_then(expired) {
        return Err(ExistingError::Expired {
            context: context.to_owned(),
            since,
        });
    }
    for (_, value) in credential.presentation().headers {
        hyper::header::HeaderValue::try_from(value.expose()).map_err(|source| unreadable(context, "token", source))?;
    }
    Ok(credential)
}

fn failed(context: &str, command: &str, error: PluginError) -> ExistingError {
    let command = command.to_owned();
    match error {
        PluginError::NotStarted {
            help,
            install_hint,
            source,
            ..
        } => ExistingError::PluginNotStarted {
            command,
            install: install_hint.or(Some(help)),
            source,
        },
        PluginError::NoTerminal { .. } => ExistingError::Unsupported {
            context: context.to_owned(),
            what: format!("the exec plugin `{command}` that needs a terminal"),
            instead: "use a kubeconfig with a credential in it",
        },
        PluginError::Failed { status, said, .. } => ExistingError::PluginFailed { command, status, said },
        PluginError::Hangs { seconds, .. } => ExistingError::PluginHangs { command, seconds },
        error @ (PluginError::Version { .. } | PluginError::Answer { .. }) => ExistingError::PluginAnswer {
            command,
            why: error.to_string(),
        },
    }
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
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::event::Event;
    use crate::hint::Hint;
    use crate::kubeconfig;
    use crate::pki::{Authority, Flaw, Request};
    use crate::secret::Secret;
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
        Access::read(&path, context, &Events::silent()).await
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
        let missing = Access::read(Path::new("nowhere/kubeconfig"), None, &Events::silent())
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
            ("clusters", "server", json!("https://u:s3cret@h"), "the server https://[redacted]@h"),
            ("clusters", "server", json!("http://u:s3cret@h"), "the server http://[redacted]@h"),
            (
                "clusters",
                "certificate-authority-data",
                json!(""),
                "a cluster without a certificate authority",
            ),
            (
                "users",
                "auth-provider",
                json!({ "name": "gcp" }),
                "The gcp auth plugin has been removed",
            ),
            (
                "users",
                "client-certificate-data",
                json!("eA=="),
                "client-key-data or client-key must be specified",
            ),
        ] {
            let inner = part.trim_end_matches('s');
            let text = refusal(|file| file[part][0][inner][field] = value.clone()).await;
            assert!(text.contains(says) && !text.contains("s3cret"), "{field}: {text}");
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
    async fn a_plugin_is_named_before_it_runs_and_heard() {
        let mut file = sound();
        let answer = json!({ "apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": { "token": "t" } });
        file["users"][0]["user"] = json!({ "exec": { "apiVersion": "client.authentication.k8s.io/v1", "interactiveMode": "Never",
            "command": "sh", "args": ["-c", format!("echo enter ABC >&2; echo '{answer}'"), "s3cret"] } });
        let place = tempfile::tempdir().expect("a directory");
        let path = place.path().join("kubeconfig");
        std::fs::write(&path, file.to_string()).expect("a file");
        let notes = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&notes);
        let events = Events::new(move |event| {
            if let Event::Note { text } = event {
                kept.lock().expect("no panic").push(text);
            }
        });
        Access::read(&path, None, &events).await.expect("it is sound");
        let notes = notes.lock().expect("no panic").clone();
        assert!(notes[0].starts_with("runs the kubeconfig's exec plugin `sh -c … …`"), "{notes:?}");
        assert_eq!(notes[1..], ["enter ABC"]);
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
