//! An API server's metrics: the number of attempts and their results, and the use of its caches.
//!
//! Other clients send requests at the same time, so shared counts are compared with "at least"; those that nobody else touches, exactly.

use std::time::Duration;

use anyhow::Context;
use cucumber::{given, then};

use super::{Step, configurations};
use crate::probe::{Metrics, NoMetrics};
use crate::process::wait::{Condition, until_gently};
use crate::scenario::world::World;

/// The metrics that were noted before.
#[derive(Default)]
pub(super) struct Counts {
    asked: bool,
    before: Option<Metrics>,
    /// The number of reads of the metrics since they were noted: the administrator's own requests are counted, too, each as soon as it has
    /// been answered.
    readings: u32,
}

impl Counts {
    /// Reads the current metrics.
    pub(super) async fn now(world: &mut World) -> Step<Metrics> {
        let now = Metrics::of(&world.endpoint(), &world.administrator_credential()?).await?;
        world.notes::<Self>().readings += 1;
        Ok(now)
    }

    /// Notes the metrics if a step asked for that, in place of those noted before.
    pub(super) async fn note_if_asked(world: &mut World) -> Step {
        if world.notes::<Self>().asked {
            world.notes::<Self>().readings = 0;
            let now = Self::now(world).await?;
            world.notes::<Self>().before = Some(now);
        }
        Ok(())
    }

    /// Returns the growth of the series called `name` with `labels`.
    pub(super) async fn growth(world: &mut World, name: &str, labels: &[(&str, &str)]) -> Step<f64> {
        let now = Self::now(world).await?.value(name, labels);
        let before = world.notes::<Self>().before.as_ref().context("nothing was noted before")?;
        let now = now.with_context(|| format!("there is no series {name} with {labels:?}"))?;
        let before = before.value(name, labels).unwrap_or_default();
        world.endpoint().exchanges.measured(&series(name, labels), before, now);
        Ok(now - before)
    }

    /// Fails unless the series has grown by one.
    pub(super) async fn one_more(world: &mut World, name: &str, labels: &[(&str, &str)]) -> Step {
        let growth = Self::growth(world, name, labels).await?;
        #[expect(clippy::float_cmp, reason = "counts are whole numbers")]
        let one = growth == 1.0;
        expect!(one, "one more in {name} with {labels:?}", "{growth} more");
        Ok(())
    }

    pub(super) async fn at_least_one_more(world: &mut World, name: &str, labels: &[(&str, &str)]) -> Step {
        let is_ours = labels.iter().any(|label| AS_ADMINISTRATOR.contains(label));
        let ours = if is_ours { world.notes::<Self>().readings } else { 0 };
        let growth = Self::growth(world, name, labels).await? - f64::from(ours);
        let more = growth >= 1.0;
        expect!(
            more,
            "at least one more in {name} with {labels:?}, beside {ours} of the administrator",
            "{growth} more"
        );
        Ok(())
    }
}

/// Returns a series in its usual notation.
fn series(name: &str, labels: &[(&str, &str)]) -> String {
    let labels: Vec<String> = labels.iter().map(|(label, value)| format!("{label}=\"{value}\"")).collect();
    format!("{name}{{{}}}", labels.join(","))
}

/// The labels that count the administrator's own requests.
const AS_ADMINISTRATOR: [(&str, &str); 2] = [("result", "success"), ("username", "other")];

requires!(administrator);
#[given("it is noted what the API server has counted so far")]
async fn noted(world: &mut World) -> Step {
    world.notes::<Counts>().asked = true;
    Counts::note_if_asked(world).await
}

/// kubernetes/apiserver `pkg/endpoints/filters/metrics.go`.
#[then(expr = "at least one more attempt is counted as {string}")]
async fn attempt_counted(world: &mut World, result: String) -> Step {
    Counts::at_least_one_more(world, "authentication_attempts", &[("result", &result)]).await?;
    Counts::at_least_one_more(world, "authentication_duration_seconds_count", &[("result", &result)]).await
}

#[then(expr = "at least one more request is counted for {string}")]
async fn request_counted(world: &mut World, name: String) -> Step {
    Counts::at_least_one_more(world, "authenticated_user_requests", &[("username", &name)]).await
}

requires!(administrator);
#[then(expr = "no request is counted for {string}")]
async fn no_request_counted(world: &mut World, name: String) -> Step {
    let counted = Counts::now(world)
        .await?
        .value("authenticated_user_requests", &[("username", &name)]);
    expect!(counted.is_none(), "no count for \"{name}\"", "{counted:?}");
    Ok(())
}

/// kubernetes/apiserver `pkg/authentication/token/cache/stats.go`.
#[then(expr = "at least one more token is looked for in the cache as a {string}")]
async fn cache_asked(world: &mut World, status: String) -> Step {
    Counts::at_least_one_more(world, "authentication_token_cache_request_total", &[("status", &status)]).await?;
    let timed = "authentication_token_cache_request_duration_seconds_count";
    Counts::at_least_one_more(world, timed, &[("status", &status)]).await
}

#[then(expr = "at least one more token is looked at, with the result {string}")]
async fn fetched(world: &mut World, status: String) -> Step {
    Counts::at_least_one_more(world, "authentication_token_cache_fetch_total", &[("status", &status)]).await?;
    // No request need have waited for another's fetch (`blocked`) so far.
    let active = Counts::now(world)
        .await?
        .value("authentication_token_cache_active_fetch_count", &[("status", "in_flight")]);
    expect!(active.is_some(), "a count of looks that are in flight", "there is none");
    Ok(())
}

/// kubernetes/apiserver `plugin/pkg/authenticator/token/oidc/metrics.go`.
#[then(expr = "one more token of the issuer {string} is timed as a {word}, and one more only")]
async fn timed(world: &mut World, issuer: String, result: String) -> Step {
    let issuer = configurations::hash(&world.signer()?.url(&issuer)?);
    let labels = [("jwt_issuer_hash", issuer.as_str()), ("result", result.as_str())];
    Counts::one_more(world, "apiserver_authentication_jwt_authenticator_latency_seconds_count", &labels).await
}

requires!(administrator, issuer, issuer_key_metrics);
#[then(expr = "the API server tells when it got the keys of the issuer {string}, and which")]
async fn tells_keys(world: &mut World, issuer: String) -> Step {
    let url = configurations::hash(&world.signer()?.url(&issuer)?);
    let keys = configurations::hash(&world.signer()?.published(&issuer)?.to_string());
    let now = Counts::now(world).await?;
    let at = now.value(KEYS_FETCHED, &[("jwt_issuer_hash", &url), ("result", "success")]);
    expect!(at.is_some_and(|at| at > 0.0), "when the keys were got", "{at:?}");
    let told = now.value(KEYS, &[("jwt_issuer_hash", &url), ("hash", &keys)]);
    expect!(told == Some(1.0), "{KEYS} with {keys}", "{told:?}");
    Ok(())
}

requires!(administrator, issuer, issuer_key_metrics);
#[then(expr = "the API server tells when it did not get the keys of the issuer {string}")]
async fn tells_no_keys(world: &mut World, issuer: String) -> Step {
    let url = configurations::hash(&world.signer()?.url(&issuer)?);
    let now = Counts::now(world).await?;
    let at = now.value(KEYS_FETCHED, &[("jwt_issuer_hash", &url), ("result", "failure")]);
    expect!(at.is_some_and(|at| at > 0.0), "when the keys were not got", "{at:?}");
    let told = now.value(KEYS, &[("jwt_issuer_hash", &url)]);
    expect!(told.is_none(), "no keys", "{told:?}");
    Ok(())
}

requires!(administrator, issuer, issuer_key_metrics);
#[then(expr = "the API server soon tells nothing more of the keys of the issuer {string}")]
async fn forgets_keys(world: &mut World, issuer: String) -> Step {
    let url = configurations::hash(&world.signer()?.url(&issuer)?);
    let (endpoint, administrator) = (world.endpoint(), world.administrator_credential()?);
    let forgotten = until_gently("nothing told of the keys", FORGETTING, || async {
        let now = Metrics::of(&endpoint, &administrator).await?;
        let told = [KEYS, KEYS_FETCHED].map(|name| now.value(name, &[("jwt_issuer_hash", &url)]));
        Ok::<_, NoMetrics>(match told {
            [None, None] => Condition::Met(()),
            told => Condition::NotYet(format!("still told: {told:?}")),
        })
    });
    Ok(forgotten.await?)
}

/// Longer than the minute and a half after which kube-apiserver forgets (kubernetes `pkg/kubeapiserver/authenticator/config.go`).
const FORGETTING: Duration = Duration::from_secs(150);
const KEYS_FETCHED: &str = "apiserver_authentication_jwt_authenticator_jwks_fetch_last_timestamp_seconds";
const KEYS: &str = "apiserver_authentication_jwt_authenticator_jwks_fetch_last_key_set_info";
