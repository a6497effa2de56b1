//! Whether an API server has what was given to it: the AuthenticationConfiguration that lies there, and the issuers that it looks for.
//!
//! The main type is [`Look`], and [`look`] takes one; [`configuration`] decides, without input or output.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde_json::json;

use super::issuers::{self, Issuer};
use super::{Finding, PATIENCE, Weight, waiting};
use crate::cluster::ApiServer;
use crate::credential::Credential;
use crate::event::ReasonSource;
use crate::probe::{Endpoint, Metrics, Question, Reload, ask, hash, last_reload, latest_log};
use crate::secret::Secret;

/// What was seen of an API server.
#[derive(Clone, Debug, Serialize)]
pub struct Look {
    /// Its address.
    pub server: String,
    /// The name of its setting.
    pub name: String,
    /// The flags that it really runs with; none where they cannot be seen.
    pub flags: Option<Vec<String>>,
    /// The issuers that it was given, and whether it has found each.
    pub issuers: Vec<Found>,
    /// What was found, what counts most first.
    pub findings: Vec<Finding>,
}

/// An issuer, and whether an API server has found it.
#[derive(Clone, Debug, Serialize)]
pub struct Found {
    /// Its URL.
    pub url: String,
    /// What the server makes of its tokens.
    pub state: State,
}

/// What an API server makes of the tokens of an issuer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It verifies them.
    Ready,
    /// It has not found the issuer yet.
    Waiting,
    /// It does not know the issuer: what it was given is not in force.
    Unknown,
    /// Its log, which would say so, does not tell.
    Unseen,
}

impl State {
    /// What the reason for which a token that nobody signed is refused says of its issuer.
    fn of(reason: Option<&str>, source: ReasonSource) -> Self {
        match reason {
            Some(reason) if reason.contains(waiting::NOT_READY) => Self::Waiting,
            Some(reason) if reason.contains(VERIFIED) => Self::Ready,
            Some(_) if source == ReasonSource::Log => Self::Unknown,
            _ => Self::Unseen,
        }
    }

    /// Its name, as it is printed.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Waiting => "not found yet",
            Self::Unknown => "not known to the API server",
            Self::Unseen => "not to be seen from here",
        }
    }
}

/// What a server says of a token of an issuer that it knows and has found
/// (kubernetes/apiserver `plugin/pkg/authenticator/token/oidc/oidc.go`).
const VERIFIED: &str = "oidc: verify token: ";

/// Looks at `server`, which runs with `flags` and was given `issuers`: `administrator` reads its metrics, and a token that nobody signed
/// asks for the state of each issuer.
pub async fn look(server: &ApiServer, flags: Option<Vec<String>>, issuers: &[Issuer], administrator: &Credential) -> Look {
    let endpoint = Endpoint::of(server);
    let mut findings: Vec<Finding> = of_configuration(server, administrator).await.into_iter().collect();
    let mut found = Vec::new();
    for issuer in issuers {
        let answer = ask(&endpoint, "you", &Credential::Token(whose_state(&issuer.url)), &Question::who_am_i()).await;
        let state = State::of(answer.record.reason.as_deref(), answer.record.source);
        if state == State::Waiting {
            let here = issuers::fetch(issuer, PATIENCE).await;
            let attempt = waiting::attempt(&latest_log(server), issuer);
            let here = here.as_ref().map(|_| ()).map_err(String::as_str);
            findings.push(waiting::finding(issuer, attempt.as_ref(), here));
        }
        found.push(Found {
            url: issuer.url.clone(),
            state,
        });
    }
    findings.sort_by_key(|finding| finding.weight);
    Look {
        server: server.url.clone(),
        name: server.name.clone(),
        flags,
        issuers: found,
        findings,
    }
}

/// Whether the configuration that lies there for `server` is in force, as its metrics tell `administrator`, and its log everybody; nothing
/// where none can be read.
pub async fn of_configuration(server: &ApiServer, administrator: &Credential) -> Option<Finding> {
    let file = server.authentication.as_ref()?;
    let content = std::fs::read_to_string(file).ok()?;
    let metrics = Metrics::of(&Endpoint::of(server), administrator).await.ok();
    let told = Told {
        in_force: metrics.and_then(|metrics| metrics.configuration_in_force().map(str::to_owned)),
        last: last_reload(&latest_log(server)),
    };
    Some(configuration(&file.display().to_string(), &hash(&content), &told))
}

/// What an API server says of its AuthenticationConfiguration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// The hash of the one that is in force, where its metrics have it.
    pub in_force: Option<String>,
    /// What its log said last of a new one: when, by the log's clock, and what.
    pub last: Option<(String, Reload)>,
}

/// Whether the configuration whose hash is `lies_there` is the one in force.
#[must_use]
pub fn configuration(file: &str, lies_there: &str, told: &Told) -> Finding {
    let refusal = match &told.last {
        Some((at, Reload::Refused { reason, .. })) => Some((at, reason)),
        _ => None,
    };
    let change = "correct the file: the API server looks at it again as soon as it changes, and at the latest after a minute";
    match (&told.in_force, refusal) {
        (Some(hash), _) if hash == lies_there => {
            Finding::note("G27", format!("the configuration that lies in {file} is in force ({hash})"))
        }
        (Some(hash), Some((at, reason))) => Finding {
            weight: Weight::Proved,
            ..Finding::cause(
                "G28",
                format!(
                    "the configuration that lies in {file} ({lies_there}) is not in force: the API server still has the former one ({hash}), and \
                    its log says at {at}: {reason}"
                ),
                change,
            )
        },
        (Some(hash), None) => Finding::cause(
            "G28",
            format!(
                "the configuration that lies in {file} ({lies_there}) is not in force: the API server still has the former one ({hash}), and its \
                log does not say why"
            ),
            "wait a minute, after which it has looked at the file; an issuer that cannot be found takes it another one",
        ),
        // Older versions tell no hash: their log is all there is.
        (None, Some((at, reason))) => Finding::cause(
            "G28",
            format!("the last configuration that the API server looked at is not in force: its log says at {at}: {reason}"),
            change,
        ),
        (None, None) => Finding::note(
            "G27",
            format!(
                "nothing in the API server's log speaks against the configuration that lies in {file}; this version tells no hash of it"
            ),
        ),
    }
}

/// A token that nobody signed, of `issuer`: what the server says of it is whether it has found the issuer, and nothing else.
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
            let told = Told {
                in_force: hash.map(str::to_owned),
                last,
            };
            let found = configuration("authentication.json", "sha256:new", &told);
            (found.behaviour.unwrap_or_default(), found.weight, found.seen)
        };
        let (behaviour, weight, _) = said(Some("sha256:new"), refused());
        // What was refused before does not matter any more.
        assert_eq!((behaviour, weight), ("G27", Weight::Note));
        let (behaviour, weight, seen) = said(Some("sha256:old"), refused());
        assert_eq!((behaviour, weight), ("G28", Weight::Proved));
        assert!(
            seen.contains("former one (sha256:old)") && seen.ends_with("at 07:00:01: jwt[0].issuer.url: Invalid value"),
            "{seen}"
        );
        let (behaviour, weight, seen) = said(Some("sha256:old"), None);
        assert_eq!((behaviour, weight), ("G28", Weight::Cause));
        assert!(seen.ends_with("does not say why"), "{seen}");
    }

    #[test]
    fn without_a_hash_the_log_is_all_there_is() {
        let told = Told {
            in_force: None,
            last: refused(),
        };
        assert_eq!(configuration("a", "sha256:new", &told).behaviour, Some("G28"));
        let told = Told {
            last: Some(("07:00:01".to_owned(), Reload::InForce)),
            ..Told::default()
        };
        assert_eq!(configuration("a", "sha256:new", &told).weight, Weight::Note);
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
