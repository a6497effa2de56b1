//! An API server's metrics: the number of attempts and their results, and the use of its caches.
//!
//! Other clients send requests at the same time, so shared counts are compared with "at least"; those that nobody else touches, exactly.

use std::time::Duration;

use anyhow::Context;
use cucumber::{given, then};

use super::super::Step;
use crate::probe::{Metrics, NoMetrics, hash};
use crate::process::wait::{Condition, until_gently};
use crate::scenario::world::World;

/// The metrics as they were recorded before.
#[derive(Default)]
pub(crate) struct Counts {
    asked: bool,
    before: Option<Metrics>,
    /// The number of reads of the metrics since they were recorded: the administrator's own requests are counted, too, each as soon as it has
    /// been answered.
    readings: u32,
}

impl Counts {
    /// Reads the current metrics.
    pub(crate) async fn now(world: &mut World) -> Step<Metrics> {
        let now = Metrics::of(&world.endpoint(), &world.administrator_credential()?).await?;
        world.notes::<Self>().readings += 1;
        Ok(now)
    }

    /// Records the metrics if a step asked for that, in place of those recorded before.
    pub(crate) async fn record_if_asked(world: &mut World) -> Step {
        if world.notes::<Self>().asked {
            world.notes::<Self>().readings = 0;
            let now = Self::now(world).await?;
            world.notes::<Self>().before = Some(now);
        }
        Ok(())
    }

    /// Returns the growth of the series called `name` with `labels`.
    pub(crate) async fn growth(world: &mut World, name: &str, labels: &[(&str, &str)]) -> Step<f64> {
        let now = Self::now(world).await?.value(name, labels);
        let before = world
            .notes::<Self>()
            .before
            .as_ref()
            .context("no metric values were recorded before")?;
        let now = now.with_context(|| format!("there is no series {name} with {labels:?}"))?;
        let before = before.value(name, labels).unwrap_or_default();
        world.endpoint().exchanges.measured(&series(name, labels), before, now);
        Ok(now - before)
    }

    /// Fails unless the series has grown by one.
    pub(crate) async fn one_more(world: &mut World, name: &str, labels: &[(&str, &str)]) -> Step {
        let growth = Self::growth(world, name, labels).await?;
        #[expect(clippy::float_cmp, reason = "counts are whole numbers")]
        let one = growth == 1.0;
        expect!(one, "one more in {name} with {labels:?}", "{growth} more");
        Ok(())
    }

    pub(crate) async fn at_least_one_more(world: &mut World, name: &str, labels: &[(&str, &str)]) -> Step {
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
#[given("the current metric values are recorded")]
async fn recorded(world: &mut World) -> Step {
    world.notes::<Counts>().asked = true;
    Counts::record_if_asked(world).await
}

phrases! {
    /// The growth of a count since it was recorded.
    enum Growth as "growth" {
        AtLeastOne = "at least one more",
        /// There is no such count at all.
        None = "no",
    }
}

/// A count, by its series and their label. The first series is the count itself.
struct Counted {
    series: &'static [&'static str],
    label: &'static str,
}

phrases! {
    Counted as "counted" {
        // kubernetes/apiserver `pkg/endpoints/filters/metrics.go`
        "authentication attempt with the result" => Self {
            series: &["authentication_attempts", "authentication_duration_seconds_count"],
            label: "result",
        },
        "authenticated request with the username label" => Self {
            series: &["authenticated_user_requests"],
            label: "username",
        },
        // kubernetes/apiserver `pkg/authentication/token/cache/stats.go`
        "token cache lookup with the result" => Self {
            series: &[
                "authentication_token_cache_request_total",
                "authentication_token_cache_request_duration_seconds_count",
            ],
            label: "status",
        },
        "token verification with the result" => Self {
            series: &[VERIFICATIONS],
            label: "status",
        },
    }
}

requires!(administrator);
#[then(expr = "the metrics count {growth} {counted} {string}")]
async fn count(world: &mut World, growth: Growth, counted: Counted, value: String) -> Step {
    let labels = [(counted.label, value.as_str())];
    for series in counted.series {
        match growth {
            Growth::AtLeastOne => Counts::at_least_one_more(world, series, &labels).await?,
            Growth::None => {
                let seen = Counts::now(world).await?.value(series, &labels);
                expect!(seen.is_none(), "no count for \"{value}\"", "{seen:?}");
            }
        }
    }
    if counted.series == [VERIFICATIONS] {
        // No request need have waited for another's verification (`blocked`) so far.
        let active = Counts::now(world)
            .await?
            .value("authentication_token_cache_active_fetch_count", &[("status", "in_flight")]);
        expect!(active.is_some(), "a count of verifications that are in flight", "there is none");
    }
    Ok(())
}

/// kubernetes/apiserver `plugin/pkg/authenticator/token/oidc/metrics.go`.
#[then(expr = "the metrics time exactly one more token verification of the issuer {string}, with the result {string}")]
async fn time(world: &mut World, issuer: String, result: String) -> Step {
    let issuer = hash(&world.signer()?.url(&issuer)?);
    let labels = [("jwt_issuer_hash", issuer.as_str()), ("result", result.as_str())];
    Counts::one_more(world, "apiserver_authentication_jwt_authenticator_latency_seconds_count", &labels).await
}

phrases! {
    /// The state of the metrics about an issuer's keys.
    enum KeyMetrics as "key_metrics" {
        Fetched = "show a successful fetch, and the hash of its keys",
        NotFetched = "show a failed fetch, and no keys",
        Removed = "are soon removed",
    }
}

requires!(administrator, issuer, issuer_key_metrics);
#[then(expr = "the key metrics of the issuer {string} {key_metrics}")]
async fn key_metrics(world: &mut World, issuer: String, expected: KeyMetrics) -> Step {
    let url = hash(&world.signer()?.url(&issuer)?);
    let (result, labels) = match expected {
        KeyMetrics::Fetched => ("success", vec![("hash", hash(&world.signer()?.published(&issuer)?.to_string()))]),
        KeyMetrics::NotFetched => ("failure", Vec::new()),
        KeyMetrics::Removed => return key_metrics_are_removed(world, &url).await,
    };
    let now = Counts::now(world).await?;
    let at = now.value(KEYS_FETCHED, &[("jwt_issuer_hash", &url), ("result", result)]);
    expect!(at.is_some_and(|at| at > 0.0), "the time of the last {result}", "{at:?}");
    let keys = labels.iter().map(|(label, value)| (*label, value.as_str()));
    let labels: Vec<(&str, &str)> = std::iter::once(("jwt_issuer_hash", url.as_str())).chain(keys).collect();
    let (seen, expected) = (now.value(KEYS, &labels), (result == "success").then_some(1.0));
    expect!(seen == expected, "{expected:?} in {KEYS} with {labels:?}", "{seen:?}");
    Ok(())
}

async fn key_metrics_are_removed(world: &mut World, url: &str) -> Step {
    let (endpoint, administrator) = (world.endpoint(), world.administrator_credential()?);
    let removed = until_gently("the removal of the keys' metrics", REMOVAL, || async {
        let now = Metrics::of(&endpoint, &administrator).await?;
        let left = [KEYS, KEYS_FETCHED].map(|name| now.value(name, &[("jwt_issuer_hash", url)]));
        Ok::<_, NoMetrics>(match left {
            [None, None] => Condition::Met(()),
            left => Condition::NotYet(format!("still there: {left:?}")),
        })
    });
    Ok(removed.await?)
}

/// Longer than the minute and a half after which kube-apiserver removes them (kubernetes `pkg/kubeapiserver/authenticator/config.go`).
const REMOVAL: Duration = Duration::from_secs(150);
const VERIFICATIONS: &str = "authentication_token_cache_fetch_total";
const KEYS_FETCHED: &str = "apiserver_authentication_jwt_authenticator_jwks_fetch_last_timestamp_seconds";
const KEYS: &str = "apiserver_authentication_jwt_authenticator_jwks_fetch_last_key_set_info";
