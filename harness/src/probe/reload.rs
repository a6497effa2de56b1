//! A new AuthenticationConfiguration for a running API server, and the result of its reload.
//!
//! The main type is [`Reload`]. kube-apiserver watches the file (kubernetes `pkg/kubeapiserver/options/authentication.go`) and logs the
//! result. To replace it, hold the gate of the file: the log then has no other line about a reload.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{Gate, Mark, klog};
use crate::cluster::ApiServer;
use crate::pki::{PkiError, write_private};
use crate::process::wait::{Condition, WaitError, until};
use crate::secret::redact;

/// The time limit for a server to react to a change. It retries an issuer after ten seconds, and only then finds that it is
/// reachable; a server that the kernel does not notify of changes polls its files once a minute (docs/design/authorities.md).
pub const TOLD: Duration = Duration::from_secs(100);

/// The time limit if an issuer is unreachable: the server tries for a minute (`UpdateAuthenticationConfigTimeout`).
pub const TRYING: Duration = Duration::from_secs(150);

/// A server's result for a new configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reload {
    /// The new configuration is in force.
    InForce,
    /// The old configuration stays in force.
    Refused {
        /// The stage that failed.
        stage: Stage,
        /// The reason, in the server's words, redacted.
        reason: String,
    },
}

/// The stages of loading a new configuration, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The configuration is decoded.
    Read,
    /// The rules of the configuration are checked.
    Validated,
    /// The authenticators are made, and their issuers are discovered.
    PutIntoForce,
}

impl Stage {
    /// Returns the words of kube-apiserver's log line about a failure of this stage.
    fn failure(self) -> &'static str {
        match self {
            Self::Read => "\"failed to load authentication config\" err=",
            Self::Validated => "\"failed to validate authentication config\" err=",
            Self::PutIntoForce => "\"failed to update authentication config\" err=",
        }
    }
}

/// The words of kube-apiserver's log line about success.
const SUCCESS: &str = "\"reloaded authentication config\"";

/// An error of replacing a configuration or of waiting for the result.
#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    /// The server has no replaceable configuration file, or its log is not available.
    #[error("the API server {0} has no replaceable configuration")]
    NotReplaceable(String),
    /// The file cannot be replaced.
    #[error("cannot replace the configuration")]
    File(#[from] PkiError),
    /// The gate, the file or the log cannot be used.
    #[error("cannot use {}", path.display())]
    Unusable {
        /// The path.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// The server logged no result.
    #[error("the API server does not report on its new configuration")]
    Silent(#[from] WaitError<std::io::Error>),
}

/// Returns the gate of the configuration of `server`; only its holder may replace the file.
///
/// # Errors
/// The configuration cannot be replaced, or the gate cannot be used.
pub async fn configuration_gate(server: &ApiServer) -> Result<Gate, ReloadError> {
    let gate = file(server)?.with_extension("gate");
    Gate::enter(&gate)
        .await
        .map_err(|source| ReloadError::Unusable { path: gate, source })
}

/// Replaces the configuration of `server` by `content`, which it has not read just before, and waits for the logged result
/// for `limit` at most. `gate` is the one of that configuration.
///
/// # Errors
/// The file cannot be replaced, or the server logs no result.
pub async fn replace_configuration(server: &ApiServer, _gate: &Gate, content: &str, limit: Duration) -> Result<Reload, ReloadError> {
    replaced(server, file(server)?, content, limit, said).await
}

/// Returns the gate of the AuthorizationConfiguration of `server`; only its holder may replace the file.
///
/// # Errors
/// The server has no such file, or the gate cannot be used.
pub async fn authorization_gate(server: &ApiServer) -> Result<Gate, ReloadError> {
    let gate = server.authorization().with_extension("gate");
    Gate::enter(&gate)
        .await
        .map_err(|source| ReloadError::Unusable { path: gate, source })
}

/// Replaces the AuthorizationConfiguration of `server` as [`replace_configuration`] does its AuthenticationConfiguration. Every failure is
/// one of [`Stage::Validated`]: the server has one line for all.
///
/// # Errors
/// The file cannot be replaced, or the server logs no result.
pub async fn replace_authorization(server: &ApiServer, _gate: &Gate, content: &str, limit: Duration) -> Result<Reload, ReloadError> {
    replaced(server, &server.authorization(), content, limit, said_of_authorization).await
}

async fn replaced(
    server: &ApiServer,
    path: &Path,
    content: &str,
    limit: Duration,
    said: impl Fn(&str) -> Option<Reload>,
) -> Result<Reload, ReloadError> {
    let mark = Mark::now(server);
    // Renamed into place, so that no reader sees half of it.
    let new = path.with_extension("new");
    write_private(&new, content)?;
    std::fs::rename(&new, path).map_err(|source| ReloadError::Unusable {
        path: path.to_owned(),
        source,
    })?;
    let said = until("the new configuration", limit, || async {
        let text = mark.log(server)?;
        Ok(said(&text).map_or_else(|| Condition::NotYet("no line about it in the log".to_owned()), Condition::Met))
    });
    Ok(said.await?)
}

fn file(server: &ApiServer) -> Result<&Path, ReloadError> {
    match (&server.authentication, &server.logs) {
        (Some(file), Some(_)) => Ok(file),
        _ => Err(ReloadError::NotReplaceable(server.name.clone())),
    }
}

/// Returns the last result of a reload in `log`, and its time by the server's clock.
#[must_use]
pub fn last_reload(log: &str) -> Option<(String, Reload)> {
    let words = [Stage::Read, Stage::Validated, Stage::PutIntoForce].map(Stage::failure);
    let last = words
        .into_iter()
        .chain([SUCCESS])
        .filter_map(|words| klog::after(log, words).last());
    let begin = last.map(|(begin, _)| begin).max()?;
    // The header of a klog line: severity and date, time, thread, place.
    let at = log[begin..].split_whitespace().nth(1)?.split('.').next()?;
    Some((at.to_owned(), said(&log[begin..])?))
}

/// Returns the first result of a reload of the authorizers in the lines of a log (kubernetes `pkg/kubeapiserver/authorizer/reload.go`).
fn said_of_authorization(text: &str) -> Option<Reload> {
    let failure = klog::after(text, "\"reloading authorization config\" err=")
        .next()
        .and_then(|(start, value)| {
            let reason = redact(&klog::value(value)?).into_owned();
            let stage = Stage::Validated;
            Some((start, Reload::Refused { stage, reason }))
        });
    let success = klog::after(text, "\"reloaded authz config\"").next();
    let success = success.map(|(start, _)| (start, Reload::InForce));
    failure
        .into_iter()
        .chain(success)
        .min_by_key(|(start, _)| *start)
        .map(|(_, said)| said)
}

/// Returns the first result of a reload in the lines of a log.
fn said(text: &str) -> Option<Reload> {
    let at = |words: &'static str| klog::after(text, words).next();
    let failures = [Stage::Read, Stage::Validated, Stage::PutIntoForce]
        .into_iter()
        .filter_map(|stage| {
            let (start, value) = at(stage.failure())?;
            let reason = redact(&klog::value(value)?).into_owned();
            Some((start, Reload::Refused { stage, reason }))
        });
    let success = at(SUCCESS).map(|(start, _)| (start, Reload::InForce));
    failures.chain(success).min_by_key(|(start, _)| *start).map(|(_, said)| said)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_server_says_is_read_with_its_reason() {
        let line = "E1126 21:00:00.1 1 authentication.go:75] \"failed to validate authentication config\" err=\"jwt[0].issuer.url: Duplicate value: \\\"https://a\\\"\"\n";
        let reason = "jwt[0].issuer.url: Duplicate value: \"https://a\"".to_owned();
        let stage = Stage::Validated;
        assert_eq!(said(line), Some(Reload::Refused { stage, reason }));
        assert_eq!(
            said("I1126 21:00:00.1 1 authentication.go:80] \"reloaded authentication config\"\n"),
            Some(Reload::InForce)
        );
        assert_eq!(said("I1126 21:00:00.1 1 authentication.go:80] \"something else\"\n"), None);
    }

    #[test]
    fn what_the_server_says_of_its_authorizers_is_read_with_its_reason() {
        let found = "I1126 21:00:00.1 1 reload.go:262] \"found new authorization config data\"\n";
        let refused = "E1126 21:00:00.1 1 reload.go:267] \"reloading authorization config\" err=\"missing required types: [RBAC]\"\n";
        let reloaded = "I1126 21:00:05.1 1 reload.go:290] \"reloaded authz config\"\n";
        let reason = "missing required types: [RBAC]".to_owned();
        let stage = Stage::Validated;
        assert_eq!(said_of_authorization(found), None);
        assert_eq!(
            said_of_authorization(&format!("{found}{refused}{reloaded}")),
            Some(Reload::Refused { stage, reason })
        );
        assert_eq!(said_of_authorization(&format!("{found}{reloaded}{refused}")), Some(Reload::InForce));
    }

    #[test]
    fn the_last_word_counts() {
        let refused = "E1126 21:00:00.1 1 authentication.go:75] \"failed to validate authentication config\" err=\"no\"\n";
        let reloaded = "I1126 21:00:05.1 1 authentication.go:80] \"reloaded authentication config\"\n";
        let (at, said) = last_reload(&format!("{reloaded}{refused}I1126 21:00:09.1 1 a.go:1] \"Else\"\n")).expect("it is there");
        assert!(at == "21:00:00" && matches!(said, Reload::Refused { .. }), "{at}: {said:?}");
        assert_eq!(
            last_reload(&format!("{refused}{reloaded}")),
            Some(("21:00:05".to_owned(), Reload::InForce))
        );
        assert_eq!(last_reload(""), None);
    }

    #[test]
    fn a_reason_of_several_lines_is_read_to_its_end() {
        let begun = "E1 1 a.go:1] \"failed to load authentication config\" err=<\n\tERROR: <input>:1:1: undeclared\n\t | foo\n";
        assert_eq!(said(begun), None);
        let reason = "ERROR: <input>:1:1: undeclared\n | foo".to_owned();
        let stage = Stage::Read;
        assert_eq!(said(&format!("{begun} >\n")), Some(Reload::Refused { stage, reason }));
    }
}
