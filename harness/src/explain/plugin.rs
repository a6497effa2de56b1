//! Runs an exec plugin as a client does, and reports its error output, which clients do not show.
//!
//! The main function is [`run`].

use std::process::Stdio;

use serde_json::{Value, json};

use super::Finding;
use crate::credential::Credential;
use crate::credential::exec::EXEC_INFO;
use crate::pki::Leaf;
use crate::secret::{Secret, redact};

/// The reason why a plugin returns no credential: the behaviour, and the observation.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{seen}")]
pub struct PluginError {
    behaviour: &'static str,
    seen: String,
    change: &'static str,
}

impl From<PluginError> for Finding {
    fn from(error: PluginError) -> Self {
        Self::cause(error.behaviour, error.seen, error.change)
    }
}

/// Runs the plugin of a kubeconfig's user, with information about `cluster` if the plugin asks for it. It runs non-interactively.
///
/// # Errors
/// The plugin does not exist, fails, or returns something other than a credential.
pub async fn run(exec: &Value, cluster: &Value) -> Result<Credential, PluginError> {
    let text = |name: &str| exec.get(name).and_then(Value::as_str).unwrap_or_default();
    let (program, version) = (text("command"), text("apiVersion"));
    let wrong = |behaviour, seen: String, change| PluginError { behaviour, seen, change };
    let mut info = json!({ "apiVersion": version, "kind": "ExecCredential", "spec": { "interactive": false } });
    if exec.get("provideClusterInfo") == Some(&Value::Bool(true)) {
        info["spec"]["cluster"] = cluster.clone();
    }
    let list = |name: &str| exec.get(name).and_then(Value::as_array).into_iter().flatten();
    let mut command = tokio::process::Command::new(program);
    command
        .args(list("args").filter_map(Value::as_str))
        .env(EXEC_INFO, info.to_string())
        .stdin(Stdio::null())
        .kill_on_drop(true);
    for entry in list("env") {
        let part = |name: &str| entry.get(name).and_then(Value::as_str).unwrap_or_default();
        command.env(part("name"), part("value"));
    }
    let ended = command.output().await.map_err(|error| {
        wrong(
            "E2",
            format!("cannot run the plugin {program:?}: {error}"),
            "install it, or give its full path in the kubeconfig",
        )
    })?;
    if !ended.status.success() {
        let said = String::from_utf8_lossy(&ended.stderr);
        let seen = format!(
            "the plugin {program:?} failed with {}; its output is: {}",
            ended.status,
            redact(said.trim())
        );
        return Err(wrong("E3", seen, "follow its output; clients only show its exit code"));
    }
    let answer: Value = serde_json::from_slice(&ended.stdout).map_err(|_| {
        wrong(
            "E5",
            format!("the plugin {program:?} did not print an ExecCredential"),
            "make it print nothing else on its standard output",
        )
    })?;
    let answered = answer.get("apiVersion").and_then(Value::as_str).unwrap_or_default();
    if answered != version {
        let seen = format!("the kubeconfig asks the plugin for {version:?}, and it answers in {answered:?}");
        return Err(wrong(
            "E4",
            seen,
            "set the version in the kubeconfig to one that the plugin supports",
        ));
    }
    let field = |name: &str| {
        let value = answer.pointer(&format!("/status/{name}")).and_then(Value::as_str);
        value.filter(|value| !value.is_empty()).map(str::to_owned)
    };
    match (field("token"), field("clientCertificateData"), field("clientKeyData")) {
        (Some(token), ..) => Ok(Credential::Token(Secret::new(token))),
        (None, Some(certificate), Some(key)) => Ok(Credential::Certificate(Leaf {
            certificate,
            chain: String::new(),
            key: Secret::new(key),
        })),
        _ => Err(wrong(
            "E5",
            format!("the plugin {program:?} gives neither a token nor a certificate with its key"),
            "run it by hand, and check its output",
        )),
    }
}
