//! The state of an API server's configuration: whether its AuthenticationConfiguration file is in force, and its issuers are found.
//!
//! The main type is [`Look`], which [`look`] returns; [`configuration`] decides, without input or output.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde_json::json;

use super::issuers::{self, Issuer};
use super::{Finding, PATIENCE, waiting};
use crate::cluster::ApiServer;
use crate::credential::Credential;
use crate::event::ReasonSource;
use crate::probe::{Endpoint, Metrics, Question, Reload, ask, hash, last_reload, latest_log};
use crate::secret::Secret;

/// The observed state of an API server.
#[derive(Clone, Debug, Serialize)]
pub struct Look {
    /// The server's address.
    pub server: String,
    /// The name of its setting.
    pub name: String,
    /// The flags that it runs with; `None` if they cannot be seen.
    pub flags: Option<Vec<String>>,
    /// The issuers of its configuration, with the state of each.
    pub issuers: Vec<Found>,
    /// The findings, the most important first.
    pub findings: Vec<Finding>,
}

/// An issuer, and its state at an API server.
#[derive(Clone, Debug, Serialize)]
pub struct Found {
    /// The issuer's URL.
    pub url: String,
    /// The state of the issuer at the server.
    pub state: State,
}

/// The state of an issuer at an API server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// The server verifies the issuer's tokens.
    Ready,
    /// The server has not found the issuer yet.
    Waiting,
    /// The server does not know the issuer: the configuration that it was given is not in force.
    Unknown,
    /// The server's log, which would say so, is not available.
    Unseen,
}

impl State {
    /// Derives the state from the reason for refusing an unsigned token of the issuer.
    fn of(reason: Option<&str>, source: ReasonSource) -> Self {
        match reason {
            Some(reason) if reason.contains(waiting::NOT_READY) => Self::Waiting,
            Some(reason) if reason.contains(VERIFIED) => Self::Ready,
            Some(_) if source == ReasonSource::Log => Self::Unknown,
            _ => Self::Unseen,
        }
    }

    /// Returns the name for output.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Waiting => "not found yet",
            Self::Unknown => "unknown to the API server",
            Self::Unseen => "not observable from this machine",
        }
    }
}

/// The prefix of the reason for which a server refuses a token of an issuer that it knows and has found
/// (kubernetes/apiserver `plugin/pkg/authenticator/token/oidc/oidc.go`).
const VERIFIED: &str = "oidc: verify token: ";

/// Inspects `server`, which runs with `flags` and is configured with `issuers`: `administrator` reads its metrics, and an unsigned token
/// of each issuer shows the issuer's state.
pub async fn look(server: &ApiServer, flags: Option<Vec<String>>, issuers: &[Issuer], administrator: &Credential) -> Look {
    let endpoint = Endpoint::of(server);
    let mut findings: Vec<Finding> = of_configuration(server, administrator).await.into_iter().collect();
    let mut found = Vec::new();
    let mut waiting = Vec::new();
    for issuer in issuers {
        let answer = ask(
            &endpoint,
            "you",
            &Credential::Token(whose_state(&issuer.url)),
            &Question::who_am_i(),
        )
        .await;
        let state = State::of(answer.record.reason.as_deref(), answer.record.source);
        if state == State::Waiting {
            waiting.push((issuer, issuers::fetch(issuer, PATIENCE).await));
        }
        found.push(Found {
            url: issuer.url.clone(),
            state,
        });
    }
    let log = latest_log(server);
    for (issuer, here) in &waiting {
        let attempt = waiting::attempt(&log, issuer, issuers.len() == 1);
        let here = here.as_ref().map(|_| ()).map_err(String::as_str);
        findings.push(waiting::finding(issuer, attempt.as_ref(), here));
    }
    findings.sort_by_key(Finding::rank);
    Look {
        server: server.url.clone(),
        name: server.name.clone(),
        flags,
        issuers: found,
        findings,
    }
}

/// Returns the finding on whether the configuration file of `server` is in force, from its metrics, read as `administrator`, and its log;
/// `None` if `server` has no such file, or it cannot be read.
pub async fn of_configuration(server: &ApiServer, administrator: &Credential) -> Option<Finding> {
    let file = server.authentication.as_ref()?;
    let content = std::fs::read_to_string(file).ok()?;
    let metrics = Metrics::of(&Endpoint::of(server), administrator).await.ok();
    let report = ConfigurationReport {
        in_force: metrics.and_then(|metrics| metrics.configuration_in_force().map(str::to_owned)),
        last: last_reload(&latest_log(server)),
    };
    Some(configuration(&file.display().to_string(), &hash(&content), &report))
}

/// An API server's report about its AuthenticationConfiguration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConfigurationReport {
    /// The hash of the configuration in force, if the metrics have it.
    pub in_force: Option<String>,
    /// The log's last message about a new configuration: its time, by the log's clock, and the outcome.
    pub last: Option<(String, Reload)>,
}

/// Returns the finding on whether the configuration with the hash `lies_there` is the one in force.
#[must_use]
pub fn configuration(file: &str, lies_there: &str, report: &ConfigurationReport) -> Finding {
    let refusal = match &report.last {
        Some((at, Reload::Refused { reason, .. })) => Some((at, reason)),
        _ => None,
    };
    let change = "correct the file: the API server reads it again when it changes, and every minute";
    match (&report.in_force, refusal) {
        (Some(hash), _) if hash == lies_there => Finding::note("G27", format!("the configuration in {file} is in force ({hash})")),
        (Some(hash), Some((at, reason))) => Finding::proved(
            "G28",
            format!(
                "the configuration in {file} ({lies_there}) is not in force: the API server still uses the previous one ({hash}), and \
                its log says at {at}: {reason}"
            ),
            change,
        ),
        (Some(hash), None) => Finding::cause(
            "G28",
            format!(
                "the configuration in {file} ({lies_there}) is not in force: the API server still uses the previous one ({hash}), and its \
                log does not say why"
            ),
            "wait a minute, until it has read the file; an issuer that cannot be found takes it another minute",
        ),
        // Older versions report no hash, so their log is the only source.
        (None, Some((at, reason))) => Finding::cause(
            "G28",
            format!("the last configuration that the API server read is not in force: its log says at {at}: {reason}"),
            change,
        ),
        (None, None) => Finding::note(
            "G27",
            format!("the API server's log has no error about the configuration in {file}; this version does not report its hash"),
        ),
    }
}

/// Returns an unsigned token of `issuer`: the server's reason for refusing it shows whether it has found the issuer, and nothing else.
#[must_use]
pub fn whose_state(issuer: &str) -> Secret {
    let part = |value: &serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let (header, claims) = (json!({ "alg": "RS256" }), json!({ "iss": issuer, "sub": "nobody" }));
    Secret::new(format!(
        "{}.{}.{}",
        part(&header),
        part(&claims),
        URL_SAFE_NO_PAD.encode("nobody signed this")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explain::{Basis, Effect};
    use crate::probe::Stage;

    fn refused() -> Option<(String, Reload)> {
        let reason = "jwt[0].issuer.url: Invalid value".to_owned();
        Some((
            "07:00:01".to_owned(),
            Reload::Refused {
                stage: Stage::Validated,
                reason,
            },
        ))
    }

    #[test]
    fn the_hash_decides_and_the_log_says_why() {
        let said = |hash: Option<&str>, last| {
            let report = ConfigurationReport {
                in_force: hash.map(str::to_owned),
                last,
            };
            let found = configuration("authentication.json", "sha256:new", &report);
            (found.behaviour.unwrap_or_default(), found.rank(), found.seen)
        };
        let (behaviour, rank, _) = said(Some("sha256:new"), refused());
        // An earlier refusal is no longer relevant.
        assert_eq!((behaviour, rank.0), ("G27", Effect::Note));
        let (behaviour, rank, seen) = said(Some("sha256:old"), refused());
        assert_eq!((behaviour, rank), ("G28", (Effect::Cause, Basis::Proved)));
        assert!(
            seen.contains("previous one (sha256:old)") && seen.ends_with("at 07:00:01: jwt[0].issuer.url: Invalid value"),
            "{seen}"
        );
        let (behaviour, rank, seen) = said(Some("sha256:old"), None);
        assert_eq!((behaviour, rank), ("G28", (Effect::Cause, Basis::Compared)));
        assert!(seen.ends_with("does not say why"), "{seen}");
    }

    #[test]
    fn without_a_hash_the_log_is_all_there_is() {
        let report = ConfigurationReport {
            in_force: None,
            last: refused(),
        };
        assert_eq!(configuration("a", "sha256:new", &report).behaviour, Some("G28"));
        let report = ConfigurationReport {
            last: Some(("07:00:01".to_owned(), Reload::InForce)),
            ..ConfigurationReport::default()
        };
        assert_eq!(configuration("a", "sha256:new", &report).effect, Effect::Note);
    }

    #[test]
    fn an_issuer_is_ready_only_where_the_server_says_so() {
        let of = |reason| State::of(Some(reason), ReasonSource::Log);
        assert_eq!(of("[invalid bearer token, oidc: authenticator not initialized]"), State::Waiting);
        assert_eq!(
            of("[invalid bearer token, oidc: verify token: oidc: expected audience]"),
            State::Ready
        );
        assert_eq!(of("invalid bearer token"), State::Unknown);
        assert_eq!(State::of(Some("Unauthorized"), ReasonSource::Body), State::Unseen);
    }

    #[test]
    fn a_token_that_asks_for_a_state_names_its_issuer() {
        assert_eq!(
            super::super::token::issuer(whose_state("https://a.test").expose()).as_deref(),
            Some("https://a.test")
        );
    }
}
