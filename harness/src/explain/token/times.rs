//! The times of a token, compared as an API server compares them.
//!
//! The main functions are [`of_issuer`] and [`of_account`]: OpenID Connect issuers and service accounts have different leeways.

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::about;
use super::identity::kind;
use crate::explain::Finding;
use crate::jwt::seconds;

/// The leeway for an `nbf` ahead of the server's clock, in seconds (coreos/go-oidc `verify.go`); `exp` has no such leeway.
const LEEWAY: i64 = 60;

/// The leeway for each time of a service account's token, in seconds (go-jose `jwt/validation.go`, `DefaultLeeway`).
const ACCOUNTS_LEEWAY: i64 = 60;

/// Returns the findings about the times of a token of an OpenID Connect issuer (coreos/go-oidc `verify.go`).
pub(super) fn of_issuer(claims: &Map<String, Value>, now: Timestamp) -> Vec<Finding> {
    let now = now.as_second();
    let mut findings = Vec::new();
    for name in ["exp", "nbf", "iat"] {
        if let Some(value) = claims.get(name)
            && seconds(value).is_none()
            && !(name == "nbf" && value.is_null())
        {
            findings.push(Finding::cause(
                if name == "exp" { "O3" } else { "O4" },
                format!(
                    "the claim {name:?} is {}, and the API server reads seconds since 1970 there",
                    kind(value)
                ),
                format!("make the issuer send {name:?} as a number"),
            ));
        }
    }
    let second = |name: &str| claims.get(name).and_then(seconds);
    match second("exp") {
        Some(end) if end <= now => findings.push(Finding::cause(
            "O3",
            format!(
                "the token expired {} ago by the server's clock, at {}, and Kubernetes allows no leeway for that",
                lasted(now.saturating_sub(end)),
                time(end)
            ),
            match second("iat").filter(|begin| end.saturating_sub(*begin) <= 900) {
                Some(begin) => format!(
                    "get a new token right before it is used: this issuer's last {}",
                    lasted(end.saturating_sub(begin))
                ),
                None => "get a new token: log in again, or let a plugin refresh it (`authlab token oidc`)".to_owned(),
            },
        )),
        None if !claims.contains_key("exp") => findings.push(Finding::cause(
            "O3",
            "the token has no expiry (the claim `exp`), and the API server takes that for expired",
            "make its issuer send `exp`",
        )),
        _ => {}
    }
    if let Some(begin) = second("nbf").filter(|begin| *begin > now + LEEWAY) {
        findings.push(Finding::cause(
            "O4",
            format!(
                "the token is not valid before {} s from now by the server's clock, whose leeway is {LEEWAY} s",
                begin.saturating_sub(now)
            ),
            "correct the clocks of issuer and API server (NTP)",
        ));
    }
    if second("iat").is_some_and(|issued| issued > now + 5) {
        findings.push(Finding::note(
            "O4",
            "the token was issued in the future by the server's clock: the clocks differ",
        ));
    }
    findings
}

/// Returns the findings about the times of a service account's token (kubernetes `pkg/serviceaccount/claims.go`); tokens from Secrets have
/// none.
pub(super) fn of_account(claims: &Map<String, Value>, now: Timestamp) -> Vec<Finding> {
    let now = now.as_second();
    let second = |name: &str| claims.get(name).and_then(seconds);
    let mut findings = Vec::new();
    if let Some(end) = second("exp").filter(|end| *end < now - ACCOUNTS_LEEWAY) {
        findings.push(Finding::cause(
            "S14",
            format!(
                "the token expired {} ago by the server's clock, at {}, whose leeway is {ACCOUNTS_LEEWAY} s",
                lasted(now.saturating_sub(end)),
                time(end)
            ),
            "request a new token (`kubectl create token NAME`); in a pod, read the file again for each request, since the kubelet renews it",
        ));
    }
    for name in ["nbf", "iat"] {
        if let Some(begin) = second(name).filter(|begin| *begin > now + ACCOUNTS_LEEWAY) {
            findings.push(Finding::cause(
                "S15",
                format!(
                    "the token's {name} is {} s ahead of the server's clock, whose leeway is {ACCOUNTS_LEEWAY} s",
                    begin.saturating_sub(now)
                ),
                "correct the clocks of the API servers (NTP)",
            ));
            return findings;
        }
    }
    if let Some(warn) = claims
        .get("kubernetes.io")
        .and_then(|private| seconds(private.get("warnafter")?))
        .filter(|warn| *warn < now)
    {
        findings.push(about(
            "S22",
            Finding::remark(format!(
                "the pod should have renewed the token at {}: from `exp` on it is refused",
                time(warn)
            )),
        ));
    }
    findings
}

fn time(second: i64) -> String {
    Timestamp::from_second(second).map_or_else(|_| second.to_string(), |time| time.to_string())
}

/// Returns a time span, in the largest unit that is exact enough.
fn lasted(seconds: i64) -> String {
    match seconds {
        0..=599 => format!("{seconds} s"),
        600..=7199 => format!("{} min", seconds / 60),
        7200..=172_799 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86400),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::explain::Effect;

    fn causes(of: fn(&Map<String, Value>, Timestamp) -> Vec<Finding>, claims: &Value) -> Vec<&'static str> {
        let now = Timestamp::from_second(1000).expect("a time");
        let found = of(claims.as_object().expect("an object"), now).into_iter();
        found
            .filter(|finding| finding.effect == Effect::Cause)
            .filter_map(|finding| finding.behaviour)
            .collect()
    }

    #[test]
    fn an_issuers_times_are_compared_as_go_oidc_does() {
        for (claims, expected) in [
            (json!({ "exp": 1001 }), &[][..]),
            (json!({ "exp": "1001" }), &[]),
            (json!({ "exp": 1001.9, "nbf": 1060, "iat": 9999 }), &[]),
            (json!({ "exp": 1001, "nbf": null }), &[]),
            (json!({ "exp": 1000 }), &["O3"]),
            (json!({}), &["O3"]),
            (json!({ "exp": null }), &["O3"]),
            (json!({ "exp": "tomorrow" }), &["O3"]),
            (json!({ "exp": 1001, "nbf": 1061 }), &["O4"]),
            (json!({ "exp": 1001, "iat": null }), &["O4"]),
        ] {
            assert_eq!(causes(of_issuer, &claims), expected, "{claims}");
        }
    }

    #[test]
    fn a_service_accounts_times_have_a_minute_of_leeway() {
        for (claims, expected) in [
            (json!({}), &[][..]),
            (json!({ "exp": 940, "nbf": 1060, "iat": 1060 }), &[]),
            (json!({ "exp": 939 }), &["S14"]),
            (json!({ "exp": 2000, "nbf": 1061 }), &["S15"]),
            (json!({ "exp": 2000, "iat": 1061 }), &["S15"]),
        ] {
            assert_eq!(causes(of_account, &claims), expected, "{claims}");
        }
    }

    #[test]
    fn a_time_beyond_the_calendar_is_compared_too() {
        let now = Timestamp::from_second(2_000_000_000).expect("a time");
        for text in [
            "-1e300",
            "1e300",
            "1e15",
            "-9223372036854775808",
            "9223372036854775807",
            "0",
            "1e11",
        ] {
            let time: Value = serde_json::from_str(text).expect("a number");
            for other in [json!(0), json!(-1e300), json!(1e15), json!(i64::MAX)] {
                let claims = json!({ "exp": time, "nbf": other, "iat": other, "kubernetes.io": { "warnafter": time } });
                let claims = claims.as_object().expect("an object");
                let expired = of_issuer(claims, now).iter().any(|one| one.behaviour == Some("O3"));
                assert_eq!(expired, !["1e15", "1e11"].contains(&text), "{text}");
                of_account(claims, now);
            }
        }
        let claims = json!({ "exp": -1e300, "iat": 1e15 });
        let found = of_issuer(claims.as_object().expect("an object"), now);
        assert!(found[0].seen.contains("ago by the server's clock, at -009999"), "{found:?}");
    }

    #[test]
    fn a_token_for_minutes_is_renewed_right_before_its_use() {
        let now = Timestamp::from_second(1000).expect("a time");
        let claims = json!({ "iat": 600, "exp": 900 });
        let found = of_issuer(claims.as_object().expect("an object"), now);
        assert!(found[0].seen.contains("expired 100 s ago"), "{found:?}");
        assert_eq!(
            found[0].change.as_deref(),
            Some("get a new token right before it is used: this issuer's last 300 s")
        );
    }
}
