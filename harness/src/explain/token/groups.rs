//! The groups that an API server makes of a token's claims (kubernetes/apiserver `plugin/pkg/authenticator/token/oidc/oidc.go`,
//! `getGroups`).
//!
//! The main function is [`groups`].

use serde_json::Value;

use super::expression::{Unclear, evaluate};
use super::identity::{kind, literal_dash, missing, nested, unclear};
use super::{Claims, entra, issuer};
use crate::explain::Finding;
use crate::explain::issuers::{Issuer, Mapping};

/// Returns the findings about the groups.
pub(super) fn groups(claims: &Claims<'_>, issuer: &Issuer) -> Vec<Finding> {
    match &issuer.groups {
        Mapping::Unset => Vec::new(),
        Mapping::Claim { claim, prefix } => of_claim(claims, issuer, claim, prefix),
        Mapping::Expression(expression) => match evaluate(expression, &claims.jwt.claims) {
            Ok(value) => match names(&value) {
                Some(names) => told(&names, "", &format!("the value of `{expression}`")),
                None => vec![Finding::cause(
                    "G20",
                    format!("the expression for the groups, `{expression}`, is {} for this token", kind(&value)),
                    "use a claim that is a list of strings",
                )],
            },
            Err(Unclear::Missing(path)) => vec![missing("groups", expression, &path, claims)],
            Err(Unclear::Unknown) => vec![unclear("claimMappings.groups", expression)],
        },
    }
}

/// Reads a list of strings, or one string; Go reads null as an empty string, and as an empty list.
fn names(value: &Value) -> Option<Vec<String>> {
    let text = |one: &Value| match one {
        Value::String(text) => Some(text.clone()),
        Value::Null => Some(String::new()),
        _ => None,
    };
    match value {
        Value::Null => Some(Vec::new()),
        Value::Array(all) => all.iter().map(text).collect(),
        one => text(one).map(|one| vec![one]),
    }
}

fn of_claim(claims: &Claims<'_>, issuer: &Issuer, claim: &str, prefix: &str) -> Vec<Finding> {
    let value = match claims.get(claim) {
        None | Some(Value::Null) => return vec![none(claims, issuer, claim)],
        Some(value) => value,
    };
    let Some(names) = names(value) else {
        return vec![Finding::cause(
            "O17",
            format!("the claim for the groups, {claim:?}, is {}", kind(value)),
            "make the issuer send the claim as a list of strings",
        )];
    };
    let mut findings = told(&names, prefix, &format!("each after the prefix {prefix:?}"));
    findings.extend(literal_dash("groups", prefix, issuer.source));
    findings
}

/// Returns the finding about a token without groups: it is accepted, and its user is in no group of the issuer.
fn none(claims: &Claims<'_>, issuer: &Issuer, claim: &str) -> Finding {
    let alike = || {
        let names = claims.jwt.claims.keys();
        let alike: Vec<&String> = names.filter(|name| name.contains("group") || name.contains("role")).collect();
        match alike.is_empty() {
            true => String::new(),
            false => format!("; it has {alike:?}"),
        }
    };
    let (why, change) = if let Some((seen, change)) = nested(claims, claim, issuer.source) {
        (seen, Some(change))
    } else if entra::has_too_many_groups(&claims.jwt.claims) {
        (
            "; `hasgroups` says that there were too many for the token".to_owned(),
            Some("in Entra ID, send only groups that are assigned to the application, or map `roles`".to_owned()),
        )
    } else if let Some(never) = issuer::sends_no_groups(issuer) {
        (
            never.to_owned(),
            Some("bind the users themselves, or put an issuer in between that knows their groups".to_owned()),
        )
    } else {
        (alike(), None)
    };
    Finding {
        change,
        ..Finding::note(
            "O18",
            format!("the token has no claim {claim:?}, so the user gets no groups from the issuer{why}"),
        )
    }
}

fn told(names: &[String], prefix: &str, how: &str) -> Vec<Finding> {
    let seen: Vec<String> = names.iter().map(|name| format!("{prefix}{name}")).collect();
    let mut findings = vec![Finding::note(
        "O19",
        format!("the groups are {seen:?}, which bindings must name: {how}"),
    )];
    if let Some(path) = names.iter().find(|name| name.starts_with('/')) {
        findings.push(Finding::note(
            "O19",
            format!("the group {path:?} is a full path: the slash is part of its name (in Keycloak: `Full group path` of the mapper)"),
        ));
    }
    findings
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::explain::issuers::Source;
    use crate::explain::{Basis, Effect};
    use crate::jwt::Jwt;

    fn found(claims: &Value, groups_mapping: Mapping, source: Source) -> Vec<Finding> {
        let jwt = Jwt {
            header: serde_json::Map::new(),
            claims: claims.as_object().expect("an object").clone(),
            signature: Vec::new(),
        };
        let issuer = Issuer {
            groups: groups_mapping,
            source,
            ..Issuer::by_flags("https://accounts.google.com", "kubernetes")
        };
        groups(&Claims::of(&jwt), &issuer)
    }

    #[test]
    fn a_nested_claim_is_told_where_it_is() {
        let token = json!({ "realm_access": { "roles": ["dev"] } });
        let mapping = || Mapping::claim("realm_access.roles", "");
        let one = &found(&token, mapping(), Source::Flags)[0];
        assert_eq!((one.behaviour, one.effect), (Some("O18"), Effect::Note));
        assert!(one.seen.contains("nested (claims.realm_access.roles)"), "{one:?}");
        assert!(
            one.change
                .as_deref()
                .is_some_and(|change| change.starts_with("move from the --oidc-… flags")),
            "{one:?}"
        );
        let one = &found(&token, Mapping::Expression("claims.realm_access.roles".to_owned()), Source::File)[0];
        assert!(one.seen.starts_with("the groups are [\"dev\"]"), "{one:?}");
    }

    #[test]
    fn a_token_without_groups_says_what_is_known_about_that() {
        let of = |token: Value| found(&token, Mapping::claim("groups", ""), Source::File)[0].seen.clone();
        assert!(of(json!({})).ends_with("Google's ID tokens never have groups"));
        assert!(of(json!({ "hasgroups": true })).contains("`hasgroups` says"));
        let missing = &found(&json!({}), Mapping::Expression("claims.groups".to_owned()), Source::File)[0];
        assert_eq!((missing.behaviour, missing.basis), (Some("G23"), Basis::Compared));
    }

    #[test]
    fn types_are_judged_as_go_judges_them() {
        for (value, expected) in [
            (json!("dev"), "the groups are [\"p:dev\"]"),
            (json!(["dev", null]), "the groups are [\"p:dev\", \"p:\"]"),
            (json!([1]), "is a list with items that are not strings"),
            (json!({ "dev": true }), "is an object"),
            (json!(["/dev"]), "the groups are [\"p:/dev\"]"),
        ] {
            let token = json!({ "groups": value });
            let found = found(&token, Mapping::claim("groups", "p:"), Source::Flags);
            assert!(found[0].seen.contains(expected), "{value}: {found:?}");
        }
    }
}
