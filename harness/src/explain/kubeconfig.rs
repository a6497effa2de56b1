//! The parts of a kubeconfig: its server, its credentials, and everything that is wrong with it, not only the first error.
//!
//! The main type is [`Read`]. The files that a kubeconfig names are read through a function, so there is no input or output here.

use std::io;
use std::path::Path;

use base64::Engine as _;
use serde_json::{Value, json};

use super::Finding;
use crate::credential::Credential;
use crate::kubeconfig::text_of;
use crate::pki::Leaf;
use crate::secret::Secret;

/// The content of a kubeconfig, as far as it can be used.
#[derive(Debug, Default)]
pub struct Read {
    /// The server's address.
    pub server: Option<String>,
    /// The CA of its certificate, PEM.
    pub authority: Option<String>,
    /// The credentials for the server, except those of a plugin.
    pub credentials: Vec<Credential>,
    /// The configuration of an exec plugin.
    pub exec: Option<Value>,
    /// The cluster information for a plugin that asks for it (k8s.io/client-go `tools/auth/exec`).
    pub cluster: Value,
    /// The impersonation headers.
    pub impersonated: Vec<(String, String)>,
    /// The findings.
    pub findings: Vec<Finding>,
}

/// The extension of a cluster that is passed to plugins.
const EXEC_EXTENSION: &str = "client.authentication.k8s.io/exec";

/// A function that reads the files that a kubeconfig names.
pub type Reader<'a> = &'a dyn Fn(&Path) -> io::Result<String>;

/// Parses the kubeconfig `text`, with the context `wanted` or else the current one.
#[must_use]
pub fn read(text: &str, wanted: Option<&str>, file: Reader<'_>) -> Read {
    let mut read = Read::default();
    let parsed: Result<Value, _> = serde_saphyr::from_str(text);
    let Ok(config) = parsed.as_ref() else {
        read.wrong(
            "the kubeconfig is not YAML",
            "indent its lines with spaces, and check that it is complete",
        );
        return read;
    };
    let name = wanted
        .or_else(|| config.get("current-context").and_then(Value::as_str))
        .unwrap_or_default();
    let known = names(config, "contexts");
    if name.is_empty() {
        read.wrong(
            format!("the kubeconfig has no current context; its contexts are {known:?}"),
            "give --context NAME, or run `kubectl config use-context NAME`",
        );
        return read;
    }
    let Some(context) = named(config, "contexts", name).and_then(|entry| entry.get("context")) else {
        read.wrong(
            format!("the kubeconfig has no context {name:?}; its contexts are {known:?}"),
            "give the name of an existing context",
        );
        return read;
    };
    let part = |what: &str| context.get(what).and_then(Value::as_str).unwrap_or_default();
    match named(config, "clusters", part("cluster")).and_then(|entry| entry.get("cluster")) {
        Some(cluster) => read.cluster(cluster, file),
        None => read.wrong(
            format!(
                "the context {name:?} names the cluster {:?}, and the clusters are {:?}",
                part("cluster"),
                names(config, "clusters")
            ),
            "name an existing cluster",
        ),
    }
    match named(config, "users", part("user")) {
        // A user that is null or absent has no credential, as for clients.
        Some(entry) => read.user(entry.get("user").unwrap_or(&Value::Null), file),
        None => read.wrong(
            format!(
                "the context {name:?} names the user {:?}, and the users are {:?}",
                part("user"),
                names(config, "users")
            ),
            "name an existing user: without one, requests carry no credential",
        ),
    }
    read
}

fn named<'a>(config: &'a Value, list: &str, name: &str) -> Option<&'a Value> {
    let entries = config.get(list)?.as_array()?;
    entries.iter().find(|entry| entry.get("name").and_then(Value::as_str) == Some(name))
}

fn names<'a>(config: &'a Value, list: &str) -> Vec<&'a str> {
    let entries = config.get(list).and_then(Value::as_array).into_iter().flatten();
    entries.filter_map(|entry| entry.get("name")?.as_str()).collect()
}

impl Read {
    fn wrong(&mut self, seen: impl Into<String>, change: impl Into<String>) {
        self.findings.push(Finding::of_file(seen, change));
    }

    fn cluster(&mut self, cluster: &Value, file: Reader<'_>) {
        let server = cluster.get("server").and_then(Value::as_str).unwrap_or_default();
        if server.starts_with("https://") {
            self.server = Some(server.trim_end_matches('/').to_owned());
        } else {
            self.wrong(
                format!("the cluster's server is {server:?}"),
                "give an address that begins with https://: credentials are only sent over TLS",
            );
        }
        if cluster.get("insecure-skip-tls-verify") == Some(&Value::Bool(true)) {
            self.wrong(
                "the server's certificate is not verified (insecure-skip-tls-verify)",
                "give the cluster's certificate-authority instead: without it, anyone on the way can take the credential",
            );
        }
        self.authority = self.text(cluster, "certificate-authority", file);
        let mut told = json!({ "server": server });
        for name in ["tls-server-name", "insecure-skip-tls-verify", "proxy-url", "disable-compression"] {
            if let Some(value) = cluster.get(name) {
                told[name] = value.clone();
            }
        }
        if let Some(authority) = &self.authority {
            told["certificate-authority-data"] = base64::engine::general_purpose::STANDARD.encode(authority).into();
        }
        if let Some(config) = named(cluster, "extensions", EXEC_EXTENSION).and_then(|entry| entry.get("extension")) {
            told["config"] = config.clone();
        }
        self.cluster = told;
    }

    fn user(&mut self, user: &Value, file: Reader<'_>) {
        let certificate = self.text(user, "client-certificate", file);
        let key = self.text(user, "client-key", file);
        match (certificate, key) {
            (Some(certificate), Some(key)) => {
                let leaf = Leaf {
                    certificate,
                    chain: String::new(),
                    key: Secret::new(key),
                };
                match crate::tls::client_identity(&leaf.certificate, &leaf.key) {
                    Ok(_) => self.credentials.push(Credential::Certificate(leaf)),
                    Err(error) => self.findings.push(super::client_key::finding(&error)),
                }
            }
            (None, None) => {}
            (Some(_), None) => self.wrong("the user has a client certificate without its key", "give client-key, too"),
            (None, Some(_)) => self.wrong("the user has a client key without its certificate", "give client-certificate, too"),
        }
        let inline = user
            .get("token")
            .and_then(Value::as_str)
            .filter(|token| !token.is_empty())
            .map(str::to_owned);
        let named = user.get("tokenFile").and_then(Value::as_str).map(|path| file(Path::new(path)));
        let token = match named {
            // The file takes precedence, as in client-go.
            Some(Ok(text)) => Some(text.trim().to_owned()),
            Some(Err(error)) => {
                self.wrong(format!("cannot read the file of tokenFile: {error}"), "name an existing file");
                inline
            }
            None => inline,
        };
        if let Some(token) = token {
            if token.trim() != token || token.starts_with("Bearer ") {
                self.wrong(
                    "the token has spaces around it, or the word Bearer before it",
                    "give the token alone",
                );
            }
            self.credentials.push(Credential::Token(Secret::new(token.trim())));
        }
        let provider = user.get("auth-provider").and_then(|provider| provider.get("config"));
        if let Some(token) = provider.and_then(|config| config.get("id-token")).and_then(Value::as_str) {
            self.credentials.push(Credential::Token(Secret::new(token)));
        }
        if let Some(exec) = user.get("exec").filter(|exec| !exec.is_null()) {
            self.plugin(exec);
        }
        self.impersonate(user);
    }

    /// Reads the impersonated identity: `as` and the fields that go with it.
    fn impersonate(&mut self, user: &Value) {
        let text = |name: &str| user.get(name).and_then(Value::as_str).map(str::to_owned);
        let mut headers: Vec<(String, String)> = Vec::new();
        headers.extend(text("as").map(|name| ("Impersonate-User".to_owned(), name)));
        headers.extend(text("as-uid").map(|uid| ("Impersonate-Uid".to_owned(), uid)));
        let groups = user.get("as-groups").and_then(Value::as_array).into_iter().flatten();
        headers.extend(groups.filter_map(|group| Some(("Impersonate-Group".to_owned(), group.as_str()?.to_owned()))));
        self.impersonated = headers;
    }

    fn plugin(&mut self, exec: &Value) {
        let version = exec.get("apiVersion").and_then(Value::as_str).unwrap_or_default();
        let mode = exec.get("interactiveMode").and_then(Value::as_str);
        if !self.credentials.is_empty() {
            self.findings.push(Finding::note(
                "E12",
                "the user has a credential and a plugin: the plugin is not run",
            ));
        } else if mode.is_none() && version.ends_with("/v1") {
            self.findings.push(Finding::cause(
                "E7",
                "the plugin's interactiveMode is missing, which v1 requires",
                "set IfAvailable, Never or Always",
            ));
        } else {
            self.exec = Some(exec.clone());
        }
    }

    /// Returns the inline data if there is any, else the content of the file that it names.
    fn text(&mut self, from: &Value, name: &str, file: Reader<'_>) -> Option<String> {
        let said = |name: &str| from.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        if let Some(data) = said(&format!("{name}-data")) {
            let text = text_of(data).ok();
            if text.is_none() {
                self.wrong(
                    format!("{name}-data is not text in base64"),
                    "encode the PEM text in base64, on one line",
                );
            }
            return text;
        }
        match file(Path::new(said(name)?)) {
            Ok(text) => Some(text),
            Err(error) => {
                self.wrong(
                    format!("cannot read the file of {name}: {error}"),
                    "name an existing file; a path is relative to the kubeconfig",
                );
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nothing(_: &Path) -> io::Result<String> {
        Err(io::ErrorKind::NotFound.into())
    }

    #[test]
    fn everything_that_is_wrong_is_found() {
        let text = "current-context: c\ncontexts: [{name: c, context: {cluster: k, user: u}}]\n\
            clusters: [{name: k, cluster: {server: 'http://x', certificate-authority: ca.crt}}]\n\
            users: [{name: u, user: {client-certificate-data: '???', token: 'Bearer abc'}}]\n";
        let read = read(text, None, &nothing);
        let seen: Vec<&str> = read.findings.iter().map(|finding| finding.seen.as_str()).collect();
        for part in [
            "server is \"http://x\"",
            "file of certificate-authority",
            "client-certificate-data is not",
            "the word Bearer",
        ] {
            assert!(seen.iter().any(|seen| seen.contains(part)), "{part}: {seen:?}");
        }
        assert!(!format!("{read:?}").contains("abc"));
    }

    #[test]
    fn a_plugin_is_told_of_the_cluster_as_clients_tell_it() {
        let text = "current-context: c\ncontexts: [{name: c, context: {cluster: k, user: u}}]\n\
            clusters: [{name: k, cluster: {server: 'https://x/', certificate-authority: ca.crt, tls-server-name: y.test, extensions: [\
            {name: client.authentication.k8s.io/exec, extension: {issuer: 'https://issuer.test'}}]}}]\n\
            users: [{name: u, user: {token: abc}}]\n";
        let read = read(text, None, &|_| Ok("PEM".to_owned()));
        let expected = json!({ "server": "https://x/", "tls-server-name": "y.test", "certificate-authority-data": "UEVN",
            "config": { "issuer": "https://issuer.test" } });
        assert_eq!(read.cluster, expected);
    }

    #[test]
    fn a_user_that_is_null_or_absent_has_no_credential() {
        for user in ["{name: u, user: null}", "{name: u}", "{name: u, user: {}}"] {
            let text = format!(
                "current-context: c\ncontexts: [{{name: c, context: {{cluster: k, user: u}}}}]\n\
                 clusters: [{{name: k, cluster: {{server: 'https://x'}}}}]\nusers: [{user}]\n"
            );
            let read = read(&text, None, &nothing);
            assert!(read.credentials.is_empty() && read.findings.is_empty(), "{user}: {read:?}");
        }
    }

    #[test]
    fn a_context_that_is_not_there_is_told_with_those_that_are() {
        let text = "contexts: [{name: a, context: {}}]\n";
        assert!(
            read(text, Some("b"), &nothing).findings[0]
                .seen
                .contains("no context \"b\"; its contexts are [\"a\"]")
        );
        assert!(read(text, None, &nothing).findings[0].seen.contains("no current context"));
        assert!(read("\t- [", None, &nothing).findings[0].seen.contains("not YAML"));
    }
}
