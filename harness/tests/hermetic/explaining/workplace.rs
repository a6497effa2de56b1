//! The directory of somebody who asks `authlab explain`: their files, the servers that they name, and what they were told. The main type is
//! [`Workplace`].

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use authlab::identity_provider::issuer::{Algorithm, Issuer, IssuerPath, Token};
use authlab::pki::{Authority, Leaf, Request};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

use super::api_server::{Answers, serve};
use crate::shown;

/// A directory, and what was asked in it so far.
pub struct Workplace {
    pub home: tempfile::TempDir,
    /// The authority of API servers' certificates, in `ca.crt`.
    pub authority: Authority,
    /// The authority of client certificates.
    pub clients: Authority,
    text: String,
    runtime: Runtime,
}

impl Workplace {
    pub fn new() -> Self {
        authlab::tls::choose_provider();
        let workplace = Self {
            home: tempfile::tempdir().unwrap(),
            authority: Authority::root("kubernetes").unwrap(),
            clients: Authority::root("clients").unwrap(),
            text: String::new(),
            runtime: tokio::runtime::Builder::new_multi_thread()
                .worker_threads(1)
                .enable_all()
                .build()
                .unwrap(),
        };
        workplace.file("ca.crt", workplace.authority.certificate());
        workplace
    }

    /// Writes a file, and returns its path.
    pub fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.home.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        path
    }

    /// Starts an API server with a sound certificate, and returns its address.
    pub fn server(&self, answers: Answers) -> String {
        let leaf = self
            .authority
            .issue(&Request::server("kube-apiserver", &["kubernetes.default.svc"]))
            .unwrap();
        self.server_with(&leaf, answers)
    }

    pub fn server_with(&self, leaf: &Leaf, answers: Answers) -> String {
        let listener = self.runtime.block_on(TcpListener::bind(("127.0.0.1", 0))).unwrap();
        let url = format!("https://{}", listener.local_addr().unwrap());
        let (leaf, clients) = (leaf.clone(), self.clients.clone());
        self.runtime.spawn(async move { serve(listener, &leaf, &clients, answers).await });
        url
    }

    /// Starts an issuer whose keys may be kept for a day if `kept`; its authority is in `issuer.crt`.
    pub fn issuer(&self, kept: bool) -> Issued {
        let authority = Authority::root("an issuer's").unwrap();
        self.file("issuer.crt", authority.certificate());
        let leaf = authority.issue(&Request::server("issuer", &[])).unwrap();
        // No RSA: such keys take seconds to make, and `signatures` has all algorithms.
        let path = IssuerPath::new("all", &[Algorithm::Es256, Algorithm::Es384, Algorithm::Es512]);
        let path = if kept { path.letting_keys_be_kept() } else { path };
        let issuer = self.runtime.block_on(Issuer::start(&leaf, vec![path])).unwrap();
        Issued(issuer)
    }

    /// Writes `config`, a kubeconfig with one cluster, one user and one context.
    pub fn kubeconfig(&self, cluster: &Value, user: &Value) {
        let config = json!({ "apiVersion": "v1", "kind": "Config", "current-context": "work",
            "contexts": [{ "name": "work", "context": { "cluster": "prod", "user": "me" } }],
            "clusters": [{ "name": "prod", "cluster": cluster }], "users": [{ "name": "me", "user": user }] });
        self.file("config", serde_saphyr::to_string(&config).unwrap());
    }

    /// Writes the kubeconfig of a sound cluster with `user`.
    pub fn user(&self, server: &str, user: &Value) {
        self.kubeconfig(&json!({ "server": server, "certificate-authority": "ca.crt" }), user);
    }

    /// Writes a certificate and its key, and returns a kubeconfig's user with them.
    pub fn pair(&self, leaf: &Leaf) -> Value {
        self.file("me.crt", leaf.full_chain());
        self.file("me.key", leaf.key.expose());
        json!({ "client-certificate": "me.crt", "client-key": "me.key" })
    }

    /// Explains `config`.
    pub fn explain(&mut self, title: &str) {
        self.run(title, &["--kubeconfig", "config"]);
    }

    /// Explains a kubeconfig's user at a sound cluster.
    pub fn explain_user(&mut self, title: &str, server: &str, user: &Value) {
        self.user(server, user);
        self.explain(title);
    }

    /// Explains `token` at `server`, with `more` options.
    pub fn explain_token(&mut self, title: &str, server: &str, token: &str, more: &[&str]) {
        self.file("token", token);
        let options = ["--token-file", "token", "--server", server, "--certificate-authority", "ca.crt"];
        self.run(title, &[&options[..], more].concat());
        let signature = token.rsplit('.').next().unwrap();
        assert!(signature.len() < 20 || !self.text.contains(signature), "{title} shows a signature");
    }

    /// Runs `authlab explain`, and keeps what it says.
    pub fn run(&mut self, title: &str, options: &[&str]) {
        let said = self.command(options).output().unwrap();
        let said_to = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let command = ["authlab", "explain"].iter().chain(options).copied().collect::<Vec<_>>().join(" ");
        let (out, err) = (said_to(&said.stdout), said_to(&said.stderr));
        write!(self.text, "# {title}\n$ {command}\n{err}{out}").unwrap();
        writeln!(self.text, "[exit code {}]\n", said.status.code().unwrap()).unwrap();
    }

    fn command(&self, options: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_authlab"));
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("AUTHLAB_")) {
            command.env_remove(name);
        }
        command
            .arg("explain")
            .args(options)
            .current_dir(self.home.path())
            .env("HOME", self.home.path())
            .env("AUTHLAB_STATE_DIR", self.home.path().join("state"))
            .env_remove("KUBECONFIG")
            .stdin(Stdio::null());
        command
    }

    pub fn assert_shown(&self, name: &str) {
        let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/hermetic/explaining/snapshots");
        shown::assert_shown(name, self.text.trim_end(), self.home.path(), directory);
    }

    /// Runs a script in the directory.
    pub fn bash(&self, script: &str) {
        let made = Command::new("bash")
            .args(["-ec", script])
            .current_dir(self.home.path())
            .output()
            .unwrap();
        assert!(made.status.success(), "{made:?}");
    }

    pub fn path(&self) -> &Path {
        self.home.path()
    }
}

/// A running issuer.
pub struct Issued(Issuer);

impl Issued {
    pub fn url(&self) -> String {
        self.0.signer().url("all").unwrap()
    }

    pub fn token(&self) -> Token {
        self.0.signer().token("all").unwrap().subject("alice")
    }

    /// Returns the key set that it publishes.
    pub fn keys(&self) -> Value {
        self.0.signer().published("all").unwrap()
    }

    /// Returns an AuthenticationConfiguration with the issuer and `mappings`.
    pub fn configuration(&self, workplace: &Workplace, mappings: &Value) -> String {
        let authority = std::fs::read_to_string(workplace.path().join("issuer.crt")).unwrap();
        let configuration = json!({ "apiVersion": "apiserver.config.k8s.io/v1", "kind": "AuthenticationConfiguration",
            "jwt": [{ "issuer": { "url": self.url(), "audiences": ["kubernetes"], "certificateAuthority": authority },
                "claimMappings": mappings }] });
        serde_saphyr::to_string(&configuration).unwrap()
    }
}
