//! Claims that are elsewhere (OpenID Connect Core 1.0 §5.6.2): an issuer names an address in place of the groups, as Entra ID does for
//! users in more than 200 groups.
//!
//! The main function is [`check`], which follows coreos/go-oidc `verify.go` and kubernetes/apiserver
//! `plugin/pkg/authenticator/token/oidc/oidc.go`, `claimResolver`.

use serde_json::{Map, Value};

use super::identity::kind;
use super::{Claims, about};
use crate::explain::Finding;
use crate::explain::issuers::{Issuer, Mapping};

/// The hosts of Microsoft's directories, which answer with JSON and not with a token.
const MICROSOFT: [&str; 3] = ["graph.microsoft.com", "graph.windows.net", "graph.microsoft.us"];

/// The change that helps where an issuer leaves the groups out.
const FEWER: &str = "limit the groups in the token: in Entra ID, send only groups that are assigned to the application, or map `roles` in \
    place of `groups`";

/// Returns the finding about claims that are elsewhere; `None` if there are none, or none that matters.
pub(super) fn check(claims: &Claims<'_>, issuer: &Issuer) -> Option<Finding> {
    let names = claims.get("_claim_names").filter(|names| !names.is_null())?;
    let cause = |seen: String| Finding::cause("O23", seen, FEWER);
    let Some(names_of) = names.as_object().filter(|names| names.values().all(Value::is_string)) else {
        return Some(cause(format!(
            "the claim `_claim_names` is {}, and the API server reads an object of strings there",
            match names {
                Value::Object(_) => "an object with values that are not strings",
                other => kind(other),
            }
        )));
    };
    let none = Map::new();
    let sources = match claims.get("_claim_sources") {
        None | Some(Value::Null) => &none,
        Some(Value::Object(sources)) => sources,
        Some(other) => {
            return Some(cause(format!(
                "the claim `_claim_sources` is {}, and the API server reads an object there",
                kind(other)
            )));
        }
    };
    // go-oidc looks up the source of every name, whether it is used or not.
    for (name, source) in names_of {
        let source = source.as_str().unwrap_or_default();
        if !sources.contains_key(source) {
            return Some(cause(format!(
                "the token says that the claim {name:?} is at the source {source:?}, which it does not describe (`_claim_sources`)"
            )));
        }
    }
    let Mapping::Claim { claim, .. } = &issuer.groups else {
        return None;
    };
    if claims.get(claim).is_some() {
        return None;
    }
    let source = &sources[names_of.get(claim)?.as_str()?];
    let text = |field: &str| source.get(field).and_then(Value::as_str).filter(|text| !text.is_empty());
    // An aggregated claim (`JWT`) is not read.
    let endpoint = text("endpoint")?;
    Some(elsewhere(claim, endpoint, text("access_token").is_some()))
}

/// Returns the guess about a token whose issuer's settings are not known: most of them take the groups from the claim `groups`.
pub(super) fn of_no_issuer(claims: &Claims<'_>) -> Option<Finding> {
    let source = claims.get("_claim_names")?.get("groups")?.as_str()?;
    let source = claims.get("_claim_sources")?.get(source)?;
    let endpoint = source.get("endpoint")?.as_str().filter(|_| claims.get("groups").is_none())?;
    let guess = elsewhere("groups", endpoint, source.get("access_token").is_some());
    Some(Finding {
        seen: format!("if the API server takes the groups from the claim \"groups\": {}", guess.seen),
        ..guess
    })
}

fn elsewhere(claim: &str, endpoint: &str, has_token: bool) -> Finding {
    let with = if has_token { "with the token beside it" } else { "without a token" };
    let microsoft = reqwest::Url::parse(endpoint)
        .ok()
        .and_then(|url| url.host_str().map(|host| MICROSOFT.contains(&host)))
        .unwrap_or_default();
    let answers = if microsoft {
        "Microsoft answers 401 there, and never a token"
    } else {
        "it must answer with a signed token"
    };
    let seen = format!(
        "the issuer did not put the claim {claim:?} into the token, but an address (there are too many groups): the API server asks \
        {endpoint} {with}, and refuses if it gets no signed token; {answers}"
    );
    let curl = format!("`curl -i {endpoint}` shows the answer; the API server's log says: could not expand distributed claims");
    about("O23", Finding::likely(seen, FEWER, curl))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::explain::{Basis, Effect};
    use crate::jwt::Jwt;

    fn found(changes: &Value, groups: Mapping) -> Option<Finding> {
        let mut claims = json!({
            "iss": "https://issuer.test", "aud": "kubernetes", "sub": "alice", "exp": 4_102_444_800_i64,
            "_claim_names": { "groups": "src1" },
            "_claim_sources": { "src1": { "endpoint": "https://graph.example.test/v1.0/users/alice/getMemberObjects" } },
        });
        for (name, value) in changes.as_object().expect("an object") {
            if value.is_null() {
                claims.as_object_mut().expect("an object").remove(name);
            } else {
                claims[name] = value.clone();
            }
        }
        let jwt = Jwt {
            header: Map::new(),
            claims: claims.as_object().expect("an object").clone(),
            signature: Vec::new(),
        };
        let issuer = Issuer {
            groups,
            ..Issuer::by_flags("https://issuer.test", "kubernetes")
        };
        check(&Claims::of(&jwt), &issuer)
    }

    #[test]
    fn groups_that_are_elsewhere_are_said_to_be() {
        let one = found(&json!({}), Mapping::claim("groups", "")).expect("a finding");
        assert_eq!((one.behaviour, one.effect, one.basis), (Some("O23"), Effect::Cause, Basis::Likely));
        assert!(
            one.seen
                .contains("asks https://graph.example.test/v1.0/users/alice/getMemberObjects without a token"),
            "{one:?}"
        );
        assert!(one.change.as_deref().is_some_and(|change| change.contains("`roles`")), "{one:?}");
        let graph = json!({ "_claim_sources": { "src1": { "endpoint": "https://graph.windows.net/t/users/u/getMemberObjects" } } });
        assert!(
            found(&graph, Mapping::claim("groups", ""))
                .expect("a finding")
                .seen
                .contains("answers 401")
        );
        let token = json!({ "_claim_sources": { "src1": { "endpoint": "https://a.test", "access_token": "t0ken" } } });
        let one = found(&token, Mapping::claim("groups", "")).expect("a finding");
        assert!(
            one.seen.contains("with the token beside it") && !format!("{one:?}").contains("t0ken"),
            "{one:?}"
        );
    }

    #[test]
    fn what_the_api_server_does_not_ask_for_is_no_finding() {
        let groups = || Mapping::claim("groups", "");
        for (changes, groups) in [
            (json!({}), Mapping::Expression("claims.?groups.orValue([])".to_owned())),
            (json!({}), Mapping::Unset),
            (json!({}), Mapping::claim("roles", "")),
            (json!({ "groups": ["dev"] }), groups()),
            (json!({ "_claim_names": null, "hasgroups": true }), groups()),
            (json!({ "_claim_names": { "address": "src1" } }), groups()),
            (json!({ "_claim_sources": { "src1": { "JWT": "aggregated" } } }), groups()),
        ] {
            assert_eq!(found(&changes, groups), None, "{changes}");
        }
    }

    #[test]
    fn a_source_that_is_missing_is_the_cause_whatever_is_mapped() {
        for changes in [
            json!({ "_claim_sources": null }),
            json!({ "_claim_sources": {} }),
            json!({ "_claim_names": { "groups": "" } }),
            json!({ "_claim_names": { "address": "src2" } }),
            json!({ "_claim_names": ["groups"] }),
            json!({ "_claim_sources": [] }),
            json!({ "_claim_sources": [{ "access_token": "t0ken" }] }),
            json!({ "_claim_sources": "t0ken" }),
            json!({ "_claim_names": "t0ken" }),
            json!({ "_claim_names": { "groups": { "access_token": "t0ken" } } }),
        ] {
            let one = found(&changes, Mapping::Unset).expect("a finding");
            assert_eq!((one.effect, one.basis), (Effect::Cause, Basis::Compared), "{changes}");
            assert!(!format!("{one:?}").contains("t0ken"), "{one:?}");
        }
    }
}
