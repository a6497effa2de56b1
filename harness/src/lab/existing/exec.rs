//! Exec plugins of kubeconfigs (kubernetes/client-go `pkg/apis/clientauthentication`): a program that prints a credential.
//!
//! The main function is [`credential`]. kube would run the plugin for each part of a client, so it is run here, once.

use std::process::Stdio;
use std::time::Duration;

use kube::config::{ExecConfig, ExecInteractiveMode};
use serde::Deserialize;
use serde_json::json;
use tokio::process::Command;

use super::error::ExistingError;
use crate::credential::Credential;
use crate::pki::Leaf;
use crate::secret::{Secret, redact};

/// The time that a plugin may take: some contact a remote server.
const LIMIT: Duration = Duration::from_secs(60);

/// The number of lines of its standard error that are shown.
const LINES: usize = 12;

#[derive(Deserialize)]
struct ExecCredential {
    status: Option<Status>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    token: Option<Secret>,
    client_certificate_data: Option<String>,
    client_key_data: Option<Secret>,
}

/// Runs the plugin and reads its output. It may not prompt the user.
pub(super) async fn credential(context: &str, exec: &ExecConfig) -> Result<Credential, ExistingError> {
    let command = exec.command.clone().ok_or_else(|| ExistingError::Incomplete {
        context: context.to_owned(),
        what: "an exec plugin without a command",
    })?;
    if exec.interactive_mode == Some(ExecInteractiveMode::Always) {
        return Err(ExistingError::Unsupported {
            context: context.to_owned(),
            what: format!("the exec plugin `{command}` that needs a terminal"),
            instead: "use a kubeconfig with a credential in it",
        });
    }
    let mut spec = json!({ "interactive": false });
    if let Some(cluster) = exec.cluster.as_ref().filter(|_| exec.provide_cluster_info) {
        spec["cluster"] = serde_json::to_value(cluster).unwrap_or_default();
    }
    let asked = json!({ "apiVersion": exec.api_version, "kind": "ExecCredential", "spec": spec });
    let variables = exec.env.iter().flatten();
    let variables = variables.filter_map(|variable| Some((variable.get("name")?, variable.get("value")?)));
    // Not a `process::Program`: its output is a secret that must not be in a file, and it needs the user's environment.
    let mut program = Command::new(&command);
    program
        .args(exec.args.iter().flatten())
        .envs(variables)
        .env("KUBERNETES_EXEC_INFO", asked.to_string())
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let output = match tokio::time::timeout(LIMIT, program.output()).await {
        Ok(Ok(output)) => output,
        Ok(Err(source)) => {
            return Err(ExistingError::PluginNotStarted {
                command,
                install: exec.install_hint.clone(),
                source,
            });
        }
        Err(_) => {
            return Err(ExistingError::PluginHangs {
                command,
                seconds: LIMIT.as_secs(),
            });
        }
    };
    if output.status.success() {
        return read(&output.stdout).map_err(|why| ExistingError::PluginAnswer { command, why });
    }
    Err(ExistingError::PluginFailed {
        command,
        status: output.status,
        said: last_lines(&String::from_utf8_lossy(&output.stderr)),
    })
}

/// Parses a plugin's output, JSON or YAML, as a credential; or returns the fault in it.
fn read(printed: &[u8]) -> Result<Credential, String> {
    let printed: ExecCredential = serde_saphyr::from_slice(printed).map_err(|_| "it did not print an ExecCredential".to_owned())?;
    let status = printed.status.ok_or("its ExecCredential has no status")?;
    let certificate = match (status.client_certificate_data, status.client_key_data) {
        (Some(certificate), Some(key)) => Some(Leaf {
            certificate,
            chain: String::new(),
            key,
        }),
        (None, None) => None,
        _ => return Err("its ExecCredential has a certificate without a key, or a key without a certificate".to_owned()),
    };
    match (certificate.map(Credential::Certificate), status.token.map(Credential::Token)) {
        (Some(certificate), Some(token)) => Ok(Credential::Together(vec![certificate, token])),
        (Some(one), None) | (None, Some(one)) => Ok(one),
        (None, None) => Err("its ExecCredential has neither a token nor a certificate".to_owned()),
    }
}

fn last_lines(said: &str) -> String {
    let said = redact(said);
    let lines: Vec<&str> = said.lines().filter(|line| !line.trim().is_empty()).collect();
    if lines.is_empty() {
        return "(nothing)".to_owned();
    }
    lines[lines.len().saturating_sub(LINES)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plugin(script: &str) -> ExecConfig {
        ExecConfig {
            command: Some("sh".to_owned()),
            args: Some(vec!["-c".to_owned(), script.to_owned()]),
            api_version: Some("client.authentication.k8s.io/v1".to_owned()),
            ..ExecConfig::default()
        }
    }

    #[tokio::test]
    async fn a_plugin_is_run_once_and_told_what_it_is_asked_for() {
        let place = tempfile::tempdir().expect("a directory");
        let count = place.path().join("count").display().to_string();
        let script = format!(
            r#"echo x >> '{count}'
               case "$KUBERNETES_EXEC_INFO" in *'"interactive":false'*) ;; *) exit 1;; esac
               echo '{{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{{"token":"t0ken"}}}}'"#
        );
        let given = credential("theirs", &plugin(&script)).await.expect("a credential");
        assert!(matches!(given, Credential::Token(token) if token.expose() == "t0ken"));
        assert_eq!(std::fs::read_to_string(count).expect("it ran"), "x\n");
    }

    #[tokio::test]
    async fn a_plugin_that_fails_is_shown_with_what_it_said() {
        let error = credential("theirs", &plugin("echo please log in first >&2; exit 3"))
            .await
            .expect_err("it fails");
        let text = error.to_string();
        assert!(text.contains("exit status: 3") && text.contains("please log in first"), "{text}");
    }

    #[tokio::test]
    async fn a_plugin_that_is_not_there_says_how_to_get_it() {
        use crate::hint::Hint;
        let exec = ExecConfig {
            command: Some("no-such-plugin".to_owned()),
            install_hint: Some("get it at the front desk".to_owned()),
            ..ExecConfig::default()
        };
        let error = credential("theirs", &exec).await.expect_err("it is not there");
        assert!(error.to_string().contains("`no-such-plugin`"), "{error}");
        assert_eq!(error.hint().as_deref(), Some("get it at the front desk"));
    }

    #[test]
    fn what_is_no_credential_is_refused() {
        for (printed, why) in [
            ("hello", "did not print"),
            ("{}", "no status"),
            (r#"{"status":{}}"#, "neither"),
            (r#"{"status":{"clientCertificateData":"x"}}"#, "without a key"),
        ] {
            let refused = read(printed.as_bytes()).expect_err(printed);
            assert!(refused.contains(why), "{printed}: {refused}");
        }
        let yaml = b"kind: ExecCredential\nstatus:\n  token: abc\n";
        assert!(matches!(read(yaml), Ok(Credential::Token(_))));
    }
}
