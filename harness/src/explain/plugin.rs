//! Findings about exec plugins: why one gives no credential, and what is worth knowing about its answer.

use jiff::Timestamp;

use super::Finding;
use crate::hint::Hint as _;
use crate::kubeconfig::ExecConfig;
use crate::kubeconfig::plugin::{PluginAnswer, PluginError, command_line};

impl From<PluginError> for Finding {
    fn from(error: PluginError) -> Self {
        Self::cause(error.behaviour(), error.to_string(), error.hint().unwrap_or_default())
    }
}

/// Returns a finding about an answer that says of itself that it is of the past (client-go uses it once, and runs the plugin again for the
/// next request).
pub(super) fn expired(answer: &PluginAnswer, now: Timestamp) -> Option<Finding> {
    let end = answer.expires.filter(|end| *end <= now)?;
    Some(Finding::note(
        "E1",
        format!(
            "the plugin's expirationTimestamp is {end}, which is past: kubectl uses the credential once, and runs the plugin for each request"
        ),
    ))
}

/// Returns the finding for a plugin that was not run.
#[must_use]
pub fn not_run(exec: &ExecConfig) -> Finding {
    Finding::unjudged(
        "the credential comes from the exec plugin, which was not run (--no-plugin)",
        format!(
            "run it by hand, and look at what it prints: `{}`; `authlab explain --token-file FILE --server URL` judges its token",
            command_line(exec)
        ),
    )
}

/// Returns what is worth knowing about a plugin's answer.
#[must_use]
pub fn about_answer(answer: &PluginAnswer) -> Option<Finding> {
    expired(answer, Timestamp::now())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expired_answer_is_told() {
        let now: Timestamp = "2026-01-01T00:00:00Z".parse().expect("a time");
        let answer = |expires: Option<&str>| PluginAnswer {
            credentials: Vec::new(),
            expires: expires.map(|text| text.parse().expect("a time")),
        };
        let told = expired(&answer(Some("2025-12-31T23:00:00Z")), now).expect("it is told");
        assert!(told.seen.contains("2025-12-31T23:00:00Z, which is past"), "{}", told.seen);
        assert!(expired(&answer(Some("2026-01-01T01:00:00Z")), now).is_none() && expired(&answer(None), now).is_none());
    }
}
