//! Waiting until an API server that is tried has found its issuers. The function is [`Trial::ready`].

use std::time::{Duration, Instant};

use super::person::Claims;
use super::{Trial, TrialError};
use crate::credential::Credential;
use crate::event::Verdict;
use crate::explain::issuers::Issuer;
use crate::explain::waiting;
use crate::probe::{Question, ask, latest_log};
use crate::process::wait::{Condition, until};

/// The time in which an API server finds its issuers: it asks again every ten seconds (kubernetes/apiserver
/// `plugin/pkg/authenticator/token/oidc`).
const LIMIT: Duration = Duration::from_secs(45);

/// The time after which a real issuer that it asked in vain is given up: it has asked twice.
const TWICE: Duration = Duration::from_secs(15);

/// The API server's words as long as it has not found an issuer.
const NOT_READY: &str = "oidc: authenticator not initialized";

impl Trial {
    /// Waits until the API server has found each of its issuers: until then it refuses every token. Returns the real ones that it does not
    /// find: a token of another one can be tried all the same.
    pub(super) async fn ready(&self) -> Result<Vec<String>, TrialError> {
        let (is_real, began) = (self.setup.asks_real_issuers, Instant::now());
        let found = self.setup.issuers.iter().map(async |issuer| {
            let nobody = Claims {
                issuer: Some(issuer.url.clone()),
                ..Claims::default()
            };
            let what = format!("the API server to find the issuer {}", issuer.url);
            let token = self.token("nobody", &nobody)?;
            let found = until(&what, LIMIT, async || {
                let answer = ask(&self.endpoint(), "nobody", &Credential::Token(token.clone()), &Question::who_am_i()).await;
                let reason = answer.record.reason.unwrap_or_default();
                if answer.verdict != Verdict::Unauthenticated || !reason.contains(NOT_READY) {
                    return Ok(Condition::Met(None));
                }
                // On a busy machine, it may not have asked at all yet.
                let why = (is_real && began.elapsed() > TWICE)
                    .then(|| self.why_not_found(&issuer.url))
                    .flatten();
                Ok(why.map_or(Condition::NotYet(reason), |why| Condition::Met(Some(why))))
            });
            match found.await {
                Err(_) if is_real => Ok(Some(format!(
                    "the API server did not find the issuer {}, and its log does not say why",
                    issuer.url
                ))),
                found => Ok::<_, TrialError>(found?),
            }
        });
        Ok(futures::future::try_join_all(found).await?.into_iter().flatten().collect())
    }

    /// Returns why the API server does not find the issuer `url`, by its log; `None` if that does not speak of it.
    fn why_not_found(&self, url: &str) -> Option<String> {
        let attempt = waiting::attempt(&latest_log(&self.server), &Issuer::by_flags(url, ""), true)?;
        // A refused request is logged without its address.
        let whose = match attempt.named || self.setup.issuers.len() == 1 {
            true => "",
            false => ", by a line of its log that names no issuer",
        };
        Some(format!("the API server did not find the issuer {url}{whose}: {}", attempt.why))
    }
}
