//! `authlab token oidc` with the test's own issuer, which is not always trustworthy: where secrets are sent, which cluster gets a login,
//! and that the command ends when it is interrupted.

mod interrupted;
mod issuer;
mod returning;
mod sharing;
mod strangers;
mod terminal;
mod together;

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use issuer::TestIssuer;

/// The directory in which a user's logins are stored.
struct Home(tempfile::TempDir);

impl Home {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Returns the command, with logins in this directory, without `AUTHLAB_…` variables of the environment and without input.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_authlab"));
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("AUTHLAB_")) {
            command.env_remove(name);
        }
        command
            .env_remove("KUBERNETES_EXEC_INFO")
            .env("AUTHLAB_LOGIN_DIR", self.path("logins"))
            .env("AUTHLAB_STATE_DIR", self.path("state"))
            .args(arguments)
            .stdin(Stdio::null());
        command
    }

    /// Returns the command for a login at `issuer`.
    fn login(&self, issuer: &TestIssuer, more: &[&str]) -> Command {
        let authority = issuer.authority_file();
        let mut all = vec!["token", "oidc", "--issuer", &issuer.url, "--client-id", "kubernetes"];
        all.extend(["--certificate-authority", authority.to_str().unwrap()]);
        all.extend(more);
        self.command(&all)
    }

    /// Writes a program that records the address it should open, and opens nothing.
    fn browser(&self) -> PathBuf {
        let program = self.path("browser");
        let script = format!("#!/bin/sh\nprintf '%s\\n' \"$*\" >> '{}'\n", self.path("opened").display());
        std::fs::write(&program, script).unwrap();
        std::fs::set_permissions(&program, Permissions::from_mode(0o700)).unwrap();
        program
    }

    /// Returns the addresses that the program was given.
    fn opened(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.path("opened")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }
}

/// Writes a file with a password.
fn password_file(home: &Home) -> PathBuf {
    let file = home.path("password");
    std::fs::write(&file, "hunter22\n").unwrap();
    file
}

/// Returns a client's information about the cluster that a credential is for.
fn info(cluster: &Value) -> String {
    json!({ "apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential",
        "spec": { "interactive": false, "cluster": cluster } })
    .to_string()
}

/// Returns exit code, standard output and standard error.
fn said(command: &mut Command) -> (i32, String, String) {
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap_or(-1), text(output.stdout), text(output.stderr))
}

/// Returns the printed token.
fn token((code, out, err): (i32, String, String)) -> String {
    assert_eq!(code, 0, "{err}");
    let answer: Value = serde_json::from_str(&out).unwrap();
    answer["status"]["token"].as_str().unwrap().to_owned()
}

/// Returns the one-line message of a refusal.
fn refusal((code, out, err): (i32, String, String)) -> String {
    assert_eq!((code, out.as_str(), err.lines().count()), (1, "", 1), "{err}");
    err
}

/// Opens `address` as a browser does, following redirects, with trust in the issuer.
fn browse(issuer: &TestIssuer, address: &str) -> (u16, String) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let authority = reqwest::Certificate::from_pem(issuer.authority.as_bytes()).unwrap();
        let client = reqwest::Client::builder().tls_certs_only([authority]).no_proxy().build().unwrap();
        let answer = client.get(address).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    })
}

fn display(path: &Path) -> &str {
    path.to_str().unwrap()
}
