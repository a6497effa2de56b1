//! Checks of a token without the server's help: every claim that an API server checks is compared with the server's configuration.
//!
//! The main function is [`check`]: no input, no output, and no signature is verified.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

use super::issuers::{Issuer, difference};
use super::{Finding, Known};
use crate::jwt::Jwt;

/// The leeway for an `nbf` ahead of the server's clock, in seconds (coreos/go-oidc `verify.go`); `exp` has no such leeway.
const LEEWAY: i64 = 60;

/// Returns the issuer that a token names.
#[must_use]
pub fn issuer(token: &str) -> Option<String> {
    let jwt = Jwt::parse(token.trim()).ok()?;
    jwt.claims.get("iss")?.as_str().map(str::to_owned)
}

/// Checks everything that an API server checks, the decisive first. `keys` has the key ids of the issuers that could be read.
#[must_use]
pub fn check(token: &str, known: &Known, keys: &BTreeMap<String, Vec<String>>, now: Timestamp) -> Vec<Finding> {
    let read = match Jwt::parse(token.trim()) {
        Ok(read) => read,
        Err(error) => {
            return vec![Finding::cause(
                "B6",
                format!("this is {error}"),
                "present the ID token itself: no quotes, no line break, nothing before it",
            )];
        }
    };
    let text = |name: &str| read.claims.get(name).and_then(Value::as_str);
    let mut findings = Vec::new();
    let said = text("iss").unwrap_or_default();
    let account = known.service_account_issuer.as_deref() == Some(said);
    let issuer = known.issuers.iter().find(|issuer| issuer.url == said);
    findings.extend(times(&read, now, account));
    if account {
        let audiences = audiences(&read);
        if !audiences.iter().any(|audience| audience == said) {
            findings.push(Finding::cause(
                "S18",
                format!("the token is for {audiences:?}, and the API server's audiences are [{said:?}]"),
                "request a token without an audience, or with that of the API server",
            ));
        }
    } else if let Some(issuer) = issuer {
        findings.extend(of_issuer(&read, issuer, keys.get(said)));
    } else if known.all || !known.issuers.is_empty() {
        findings.insert(0, unknown_issuer(said, known));
    }
    findings
}

fn unknown_issuer(said: &str, known: &Known) -> Finding {
    let alike = known
        .issuers
        .iter()
        .find_map(|issuer| Some((issuer, difference(said, &issuer.url)?)));
    match alike {
        Some((issuer, how)) => Finding::cause(
            "O28",
            format!("the token's issuer is {said:?}, and the API server's is {:?}: {how}", issuer.url),
            "make the two exactly the same: the API server gives no reason for a token of an unknown issuer",
        ),
        None => {
            let urls: Vec<&str> = known.issuers.iter().map(|issuer| issuer.url.as_str()).collect();
            Finding::cause(
                "O2",
                format!("the token's issuer is {said:?}, and the API server's issuers are {urls:?}"),
                "log in at an issuer that the API server knows, or configure it with this one",
            )
        }
    }
}

fn times(read: &Jwt, now: Timestamp, account: bool) -> Vec<Finding> {
    let second = |name: &str| read.claims.get(name).and_then(Value::as_f64);
    #[expect(clippy::cast_precision_loss, reason = "seconds since 1970")]
    let now = now.as_second() as f64;
    let mut findings = Vec::new();
    match second("exp") {
        Some(end) if end <= now => findings.push(Finding::cause(
            if account { "S14" } else { "O3" },
            format!(
                "the token expired {:.0} s ago by the server's clock, and Kubernetes allows no leeway for that",
                now - end
            ),
            "get a new token: log in again, or let a plugin refresh it (`authlab token oidc`)",
        )),
        Some(_) => {}
        None => findings.push(Finding::cause(
            "O3",
            "the token has no expiry (the claim `exp`)",
            "make its issuer send `exp`",
        )),
    }
    let leeway = if account { 0 } else { LEEWAY };
    #[expect(clippy::cast_precision_loss, reason = "a minute")]
    if let Some(begin) = second("nbf").filter(|begin| *begin > now + leeway as f64) {
        findings.push(Finding::cause(
            if account { "S15" } else { "O4" },
            format!(
                "the token is not valid before {:.0} s from now by the server's clock, whose leeway is {leeway} s",
                begin - now
            ),
            "correct the clocks of issuer and API server (NTP)",
        ));
    }
    if second("iat").is_some_and(|issued| issued > now + 5.0) {
        findings.push(Finding::note(
            "O4",
            "the token was issued in the future by the server's clock: the clocks differ",
        ));
    }
    findings
}

fn audiences(read: &Jwt) -> Vec<String> {
    match read.claims.get("aud") {
        Some(Value::String(one)) => vec![one.clone()],
        Some(Value::Array(all)) => all.iter().filter_map(|one| one.as_str().map(str::to_owned)).collect(),
        _ => Vec::new(),
    }
}

fn of_issuer(read: &Jwt, issuer: &Issuer, keys: Option<&Vec<String>>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let header = |name: &str| read.header.get(name).and_then(Value::as_str);
    let algorithm = header("alg").unwrap_or("none");
    if algorithm == "none" || algorithm.starts_with("HS") {
        findings.push(Finding::cause(
            "O25",
            format!("the token is signed with {algorithm}, which no API server accepts"),
            "make the issuer sign with RS256 or ES256",
        ));
    } else if let Some(allowed) = &issuer.algorithms
        && !allowed.iter().any(|allowed| allowed == algorithm)
    {
        findings.push(Finding::cause(
            "O9",
            format!(
                "the token is signed with {algorithm}, and --oidc-signing-algs only allows {}",
                allowed.join(", ")
            ),
            format!("add {algorithm} to --oidc-signing-algs"),
        ));
    }
    if let (Some(keys), Some(kid)) = (keys, header("kid"))
        && !keys.iter().any(|key| key == kid)
    {
        findings.push(Finding::cause(
            "O8",
            format!("the token is signed with the key {kid:?}, and the issuer publishes {keys:?}"),
            "get a new token: the issuer has rotated the key out, or never had it",
        ));
    }
    let audiences = audiences(read);
    if !audiences.iter().any(|audience| issuer.audiences.contains(audience)) {
        findings.push(Finding::cause(
            if issuer.audiences.len() > 1 { "O6" } else { "O5" },
            format!(
                "the token is for {audiences:?}, and the API server's audiences are {:?}",
                issuer.audiences
            ),
            format!(
                "make the issuer put {:?} into `aud` (in Keycloak: a mapper of the type Audience, for ID tokens), or log in as that client",
                issuer.audiences.first().map_or("", String::as_str)
            ),
        ));
    }
    if let Some((claim, prefix)) = &issuer.username {
        findings.extend(user(read, claim, prefix));
    }
    findings.extend(groups(read, issuer));
    findings
}

fn user(read: &Jwt, claim: &str, prefix: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    match read.claims.get(claim) {
        Some(Value::String(user)) if !user.is_empty() => {
            findings.push(Finding::note(
                "O19",
                format!(
                    "the user is {:?}, which bindings must name: the claim {claim} after the prefix {prefix:?}",
                    format!("{prefix}{user}")
                ),
            ));
        }
        found => {
            let there: Vec<&str> = read.claims.keys().map(String::as_str).collect();
            let seen = if found.is_some() {
                "is not a string, or is empty"
            } else {
                "is missing"
            };
            findings.push(Finding::cause(
                "O12",
                format!("the claim for the user, {claim:?}, {seen}; the token has {there:?}"),
                format!("make the issuer send {claim:?} (in Keycloak: a client scope with it), or map another claim"),
            ));
        }
    }
    if claim == "email"
        && read
            .claims
            .get("email_verified")
            .is_some_and(|verified| *verified != Value::Bool(true))
    {
        let seen = &read.claims["email_verified"];
        findings.push(Finding::cause(
            if seen.is_boolean() { "O13" } else { "O15" },
            format!("the user is the claim email, and email_verified is {seen}"),
            "make the issuer verify the address, or use another claim such as sub",
        ));
    }
    findings
}

fn groups(read: &Jwt, issuer: &Issuer) -> Vec<Finding> {
    let Some((claim, prefix)) = &issuer.groups else {
        return Vec::new();
    };
    let names: Vec<&str> = match read.claims.get(claim) {
        None | Some(Value::Null) => {
            let alike: Vec<&String> = read
                .claims
                .keys()
                .filter(|name| name.contains("group") || name.contains("role"))
                .collect();
            let alike = if alike.is_empty() {
                String::new()
            } else {
                format!("; it has {alike:?}")
            };
            return vec![Finding::note(
                "O18",
                format!("the token has no claim {claim:?}, so the user gets no groups from the issuer{alike}"),
            )];
        }
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(all)) if all.iter().all(Value::is_string) => all.iter().filter_map(Value::as_str).collect(),
        Some(other) => {
            return vec![Finding::cause(
                "O17",
                format!("the claim for the groups, {claim:?}, is {}", kind(other)),
                "make the issuer send the claim as a list of strings",
            )];
        }
    };
    let mut findings = Vec::new();
    let seen: Vec<String> = names.iter().map(|name| format!("{prefix}{name}")).collect();
    findings.push(Finding::note(
        "O19",
        format!("the groups are {seen:?}, which bindings must name: each after the prefix {prefix:?}"),
    ));
    if let Some(path) = names.iter().find(|name| name.starts_with('/')) {
        findings.push(Finding::note(
            "O19",
            format!("the group {path:?} is a full path: the slash is part of its name (in Keycloak: `Full group path` of the mapper)"),
        ));
    }
    findings
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Array(_) => "a list with items that are not strings",
        Value::Object(_) => "an object",
        Value::Number(_) => "a number",
        Value::Bool(_) => "a boolean",
        Value::String(_) | Value::Null => "a string",
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use serde_json::json;

    use super::*;
    use crate::explain::Effect;

    const URL: &str = "https://kc.test/realms/a";

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("a time")
    }

    fn token(changes: Value) -> String {
        let mut claims = json!({ "iss": URL, "aud": ["kubernetes"], "exp": 2000, "email": "a@b", "user_groups": ["dev"] });
        let mut header = json!({ "alg": "RS256", "kid": "k1" });
        for (name, value) in changes.as_object().expect("an object") {
            let to = if ["alg", "kid"].contains(&name.as_str()) {
                &mut header
            } else {
                &mut claims
            };
            to[name] = value.clone();
        }
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        format!("{}.{}.c2ln", part(&header), part(&claims))
    }

    fn known() -> Known {
        Known {
            issuers: vec![Issuer {
                username: Some(("email".to_owned(), "kc:".to_owned())),
                groups: Some(("user_groups".to_owned(), "kc:".to_owned())),
                algorithms: None,
                ..Issuer::by_flags(URL, "kubernetes")
            }],
            all: true,
            service_account_issuer: Some("https://kubernetes.default.svc".to_owned()),
            ..Known::default()
        }
    }

    fn causes(changes: Value) -> Vec<&'static str> {
        let keys = BTreeMap::from([(URL.to_owned(), vec!["k1".to_owned()])]);
        let found = check(&token(changes), &known(), &keys, at(1000));
        found
            .into_iter()
            .filter(|finding| finding.effect == Effect::Cause)
            .filter_map(|finding| finding.behaviour)
            .collect()
    }

    #[test]
    fn each_flaw_is_the_only_cause() {
        assert!(causes(json!({})).is_empty());
        for (changes, cause) in [
            (json!({ "iss": format!("{URL}/") }), "O28"),
            (json!({ "iss": "https://elsewhere.test" }), "O2"),
            (json!({ "exp": 1000 }), "O3"),
            (json!({ "nbf": 1061 }), "O4"),
            (json!({ "aud": "account" }), "O5"),
            (json!({ "kid": "gone" }), "O8"),
            (json!({ "alg": "none" }), "O25"),
            (json!({ "alg": "HS256" }), "O25"),
            (json!({ "email": null }), "O12"),
            (json!({ "email_verified": false }), "O13"),
            (json!({ "email_verified": "true" }), "O15"),
            (json!({ "user_groups": [1] }), "O17"),
            (json!({ "iss": "https://kubernetes.default.svc" }), "S18"),
        ] {
            assert_eq!(causes(changes.clone()), [cause], "{changes}");
        }
        assert!(causes(json!({ "nbf": 1060, "email_verified": true })).is_empty());
    }

    #[test]
    fn what_is_no_token_is_said_to_be_none() {
        for text in ["", "abc", "a.b.c", "\"eyJ\""] {
            let found = check(text, &known(), &BTreeMap::new(), at(1000));
            assert_eq!(found[0].behaviour, Some("B6"), "{text}");
        }
    }

    #[test]
    fn who_it_would_be_is_told_with_prefixes() {
        let found = check(&token(json!({ "user_groups": ["/dev"] })), &known(), &BTreeMap::new(), at(1000));
        let told: Vec<&str> = found.iter().map(|finding| finding.seen.as_str()).collect();
        assert!(told[0].starts_with("the user is \"kc:a@b\""), "{told:?}");
        assert!(told[1].starts_with("the groups are [\"kc:/dev\"]"), "{told:?}");
        assert!(told[2].contains("is a full path"), "{told:?}");
        let found = check(
            &token(json!({ "user_groups": null, "roles": [] })),
            &known(),
            &BTreeMap::new(),
            at(1000),
        );
        assert!(
            found
                .iter()
                .any(|finding| finding.behaviour == Some("O18") && finding.seen.contains("it has [\"roles\""))
        );
    }
}
