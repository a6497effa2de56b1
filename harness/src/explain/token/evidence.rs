//! Documents and metrics of a token's issuer and of the API server, read before the token is judged.
//!
//! The main type is [`Evidence`], which [`gather`] fills: the token's issuer is asked for its public documents if the API server is
//! configured with it, and the API server for its own.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use super::kind::Kind;
use super::service_account::{Account, DISCOVERY, KEYS, Published};
use super::{Claims, bootstrap, issuer};
use crate::credential::Credential;
use crate::event::{ReasonSource, Verdict};
use crate::explain::issuers::{self, Fetched, Issuer, KeySet};
use crate::explain::{Known, waiting};
use crate::probe::{Answer, Endpoint, Metrics, Question, ask, hash};
use crate::secret::redact;

/// The knowledge beside the token and the configuration.
#[derive(Clone, Debug, Default)]
pub struct Evidence {
    /// The documents of the token's issuer, or why they cannot be read; `None` if the API server does not know that issuer.
    pub issuer: Option<Result<Fetched, String>>,
    /// The API server's last request for the keys of that issuer, from its metrics.
    pub last_fetch: Option<LastFetch>,
    /// The API server's own documents about service accounts, or why they cannot be read; `None` if the token is no such token.
    pub accounts: Option<Result<Published, String>>,
    /// The Secret of a bootstrap token, null if there is none; `None` if it cannot be read.
    pub bootstrap: Option<Value>,
    /// The server's reason, from its own log.
    pub reason: Option<String>,
    /// `true` if the server does not know the caller.
    pub refused: bool,
}

/// The last successful request of an API server for an issuer's keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastFetch {
    /// Its time.
    pub at: Timestamp,
    /// The hash of the answer.
    pub hash: Option<String>,
}

/// The metrics about such requests (kubernetes/apiserver `plugin/pkg/authenticator/token/oidc/metrics.go`, from 1.35 on).
const LAST_TIME: &str = "apiserver_authentication_jwt_authenticator_jwks_fetch_last_timestamp_seconds";
const LAST_SET: &str = "apiserver_authentication_jwt_authenticator_jwks_fetch_last_key_set_info";

impl Evidence {
    /// Returns what the answer says: the reason counts only if it comes from the server's log.
    #[must_use]
    pub fn of(answer: &Answer) -> Self {
        let reason = answer.record.reason.as_ref().filter(|_| answer.record.source == ReasonSource::Log);
        Self {
            reason: reason.map(|reason| redact(reason).into_owned()),
            refused: answer.verdict == Verdict::Unauthenticated,
            ..Self::default()
        }
    }

    /// Returns `true` if the API server refuses the token because it has not found its issuer yet.
    #[must_use]
    pub fn is_waited_for(&self) -> bool {
        self.reason.as_deref().is_some_and(|reason| reason.contains(waiting::NOT_READY))
    }
}

/// Reads what is needed to judge `token`, which `credential` presents to `endpoint`, and which was answered by `answer`.
pub async fn gather(
    token: &str,
    known: &Known,
    endpoint: &Endpoint,
    credential: &Credential,
    answer: &Answer,
    patience: Duration,
) -> Evidence {
    let mut evidence = Evidence::of(answer);
    if answer.status.is_none() {
        return evidence;
    }
    let jwt = match Kind::of(token) {
        Kind::Jwt(jwt) => jwt,
        Kind::Bootstrap(id) => {
            evidence.bootstrap = secret(&id, known, endpoint).await;
            return evidence;
        }
        _ => return evidence,
    };
    let claims = Claims::of(&jwt);
    // No request goes to an issuer that only the token names.
    if let Some(issuer) = issuer::configured(known, claims.issuer()) {
        evidence.issuer = Some(issuers::fetch(issuer, patience).await);
        if let (Some(administrator), true) = (&known.administrator, evidence.refused) {
            evidence.last_fetch = last_fetch(issuer, &Endpoint::of(&endpoint.server), administrator).await;
        }
    } else if Account::of(&claims).is_some() {
        evidence.accounts = Some(accounts(known, endpoint, credential, evidence.refused).await);
    }
    evidence
}

/// Reads the Secret of a bootstrap token, as the administrator alone: nobody else is asked for Secrets.
async fn secret(id: &str, known: &Known, endpoint: &Endpoint) -> Option<Value> {
    let administrator = known.administrator.as_ref()?;
    let question = Question::get(bootstrap::path(id));
    let answer = ask(&Endpoint::of(&endpoint.server), "the administrator", administrator, &question).await;
    match (answer.verdict, answer.status) {
        (Verdict::Accepted, _) => Some(answer.body),
        (_, Some(404)) => Some(Value::Null),
        _ => None,
    }
}

async fn last_fetch(issuer: &Issuer, server: &Endpoint, administrator: &Credential) -> Option<LastFetch> {
    let metrics = Metrics::of(server, administrator).await.ok()?;
    let of_issuer = hash(&issuer.url);
    let labels = [("jwt_issuer_hash", of_issuer.as_str())];
    let at = metrics.value(LAST_TIME, &[labels[0], ("result", "success")])?;
    #[expect(clippy::cast_possible_truncation, reason = "seconds since 1970")]
    let at = Timestamp::from_second(at as i64).ok()?;
    Some(LastFetch {
        at,
        hash: metrics.label_among(LAST_SET, "hash", &labels).map(str::to_owned),
    })
}

/// Reads the API server's own documents, as the first who may: the administrator, the holder of an accepted credential, anybody.
async fn accounts(known: &Known, endpoint: &Endpoint, credential: &Credential, refused: bool) -> Result<Published, String> {
    let anybody = Credential::Nothing;
    let (endpoint, readers) = match &known.administrator {
        Some(administrator) => (Endpoint::of(&endpoint.server), vec![administrator]),
        None if refused => (endpoint.clone(), vec![&anybody]),
        None => (endpoint.clone(), vec![credential, &anybody]),
    };
    let mut why = String::new();
    for reader in readers {
        match published(&endpoint, reader).await {
            Ok(published) => return Ok(published),
            Err(error) => why = error,
        }
    }
    Err(why)
}

async fn published(endpoint: &Endpoint, reader: &Credential) -> Result<Published, String> {
    let read = async |path: &str, form: &str| {
        let answer = ask(endpoint, "you", reader, &Question::get(path).header("Accept", form)).await;
        match answer.verdict {
            Verdict::Accepted => Ok(answer.text),
            verdict => Err(format!("{path}: {}", verdict.words())),
        }
    };
    let document: Value =
        serde_json::from_str(&read(DISCOVERY, "application/json").await?).map_err(|_| format!("{DISCOVERY} is not JSON"))?;
    let issuer = document.get("issuer").and_then(Value::as_str);
    let keys = read(KEYS, "application/jwk-set+json").await?;
    Ok(Published {
        issuer: issuer.unwrap_or_default().to_owned(),
        keys: KeySet::parse(&keys).map_err(|why| format!("{KEYS}: {why}"))?,
    })
}
