//! The answer of a plugin (client-go `refreshCredsLocked`). The main type is [`PluginAnswer`].

use jiff::Timestamp;
use serde_json::Value;

use super::PluginError;
use crate::credential::Credential;
use crate::credential::exec::VERSIONS;
use crate::kubeconfig::ExecConfig;
use crate::kubeconfig::reading::{is_header, json_of};
use crate::pki::Leaf;
use crate::secret::Secret;

/// The credentials from a plugin: a token, a certificate, or both.
#[derive(Clone, Debug)]
pub struct PluginAnswer {
    /// The credentials.
    pub credentials: Vec<Credential>,
    /// Until when the client may use them; kubectl uses those of the past, too, and runs the plugin again for the next request.
    pub expires: Option<Timestamp>,
}

/// Reads what the plugin printed, JSON or YAML.
pub(crate) fn read(printed: &[u8], exec: &ExecConfig) -> Result<PluginAnswer, PluginError> {
    let wrong = |why: &str, help: &str| PluginError::Answer {
        program: exec.command.clone(),
        why: why.to_owned(),
        help: help.to_owned(),
    };
    let alone = "make it print nothing else on its standard output";
    let by_hand = "run it by hand, and check its output";
    if printed.trim_ascii().is_empty() {
        return Err(wrong(
            "printed nothing on its standard output",
            "let it print an ExecCredential there; run it by hand to see what it does",
        ));
    }
    let answer = json_of(printed)
        .filter(Value::is_object)
        .ok_or_else(|| wrong("did not print an ExecCredential", alone))?;
    let version = answer.get("apiVersion").and_then(Value::as_str).unwrap_or_default();
    if version != exec.api_version {
        return Err(PluginError::Version {
            asked: exec.api_version.clone(),
            answered: version.to_owned(),
        });
    }
    let kind = answer.get("kind").and_then(Value::as_str).unwrap_or_default();
    if kind != "ExecCredential" || !VERSIONS.contains(&version) {
        return Err(wrong(
            &format!("did not print an ExecCredential: no kind {kind:?} is registered for version {version:?}"),
            "let it print kind: ExecCredential",
        ));
    }
    let status = answer
        .get("status")
        .filter(|status| status.is_object())
        .ok_or_else(|| wrong("didn't return a status field", by_hand))?;
    let field = |name: &str| match status.get(name) {
        None | Some(Value::Null) => Ok(""),
        Some(Value::String(text)) => Ok(text.as_str()),
        Some(_) => Err(wrong(
            &format!("prints a {name} that is not a string"),
            "let it print the value in quotes",
        )),
    };
    let (token, certificate, key) = (field("token")?, field("clientCertificateData")?, field("clientKeyData")?);
    if !is_header(token) {
        let what = if token.ends_with(['\n', '\r']) {
            "gives a token that ends in a line break"
        } else {
            "gives a token with a line break or another control character in it"
        };
        return Err(wrong(
            &format!("{what}: kubectl stops with `net/http: invalid header field value for \"Authorization\"`"),
            "let it print the token without a line end (`printf %s`, `tr -d '\\n'`)",
        ));
    }
    let mut credentials = Vec::new();
    match (certificate, key) {
        ("", "") if token.is_empty() => return Err(wrong("gives neither a token nor a certificate with its key", by_hand)),
        ("", "") => {}
        ("", _) | (_, "") => return Err(wrong("returned only certificate or key, not both", by_hand)),
        (certificate, key) => credentials.push(Credential::Certificate(Leaf {
            certificate: certificate.to_owned(),
            chain: String::new(),
            key: Secret::new(key),
        })),
    }
    if !token.is_empty() {
        credentials.push(Credential::Token(Secret::new(token)));
    }
    let expires = match field("expirationTimestamp")? {
        "" => None,
        text => Some(text.parse().map_err(|_| {
            wrong(
                &format!("prints the expirationTimestamp {text:?}, which is not a time (RFC 3339)"),
                "let it print a time such as 2026-01-31T12:00:00Z",
            )
        })?),
    };
    Ok(PluginAnswer { credentials, expires })
}
