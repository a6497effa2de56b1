//! The identity that an API server makes of a token's claims, and the claims that it demands.
//!
//! The main function is [`check`], which follows kubernetes/apiserver `plugin/pkg/authenticator/token/oidc/oidc.go`, `getUsername`,
//! `getGroups` and `getUID`.

use serde_json::Value;

use super::expression::{Unclear, evaluate};
use super::groups::groups;
use super::{Claims, about};
use crate::explain::Finding;
use crate::explain::issuers::{Issuer, Mapping, Source};

/// Returns the findings about the user, the groups, and the demanded claims.
pub(super) fn check(claims: &Claims<'_>, issuer: &Issuer) -> Vec<Finding> {
    let mut findings = user(claims, issuer);
    findings.extend(groups(claims, issuer));
    if let Mapping::Claim { claim, .. } = &issuer.uid
        && !claims.get(claim).is_some_and(|value| value.is_string() || value.is_null())
    {
        findings.push(Finding::cause(
            "G20",
            format!(
                "the claim for the UID, {claim:?}, {}; the token has {:?}",
                absent(claims.get(claim)),
                claims.names()
            ),
            format!("make the issuer send {claim:?} as a string, or map another claim"),
        ));
    }
    findings.extend(issuer.required.iter().filter_map(|(claim, value)| required(claims, claim, value)));
    findings.extend(issuer.rules.iter().filter_map(|(rule, message)| self::rule(claims, rule, message)));
    findings.extend(issuer.further.iter().map(|(place, expression)| unclear(place, expression)));
    findings
}

/// Describes a claim that is not the expected string.
fn absent(found: Option<&Value>) -> String {
    found.map_or_else(|| "is missing".to_owned(), |value| format!("is {}, not a string", kind(value)))
}

/// Returns the JSON type of a claim, with its article: its value may be a secret where another type is expected.
pub(super) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Array(all) if all.iter().all(Value::is_string) => "a list",
        Value::Array(_) => "a list with items that are not strings",
        Value::Object(_) => "an object",
        Value::Number(_) => "a number",
        Value::Bool(_) => "a boolean",
        Value::String(_) => "a string",
        Value::Null => "null",
    }
}

/// Returns where a claim with dots in its mapped name really is, if the token has it nested: names are taken to the letter.
pub(super) fn nested(claims: &Claims<'_>, claim: &str, source: Source) -> Option<(String, String)> {
    let mut value = Value::Object(claims.jwt.claims.clone());
    let mut parts = claim.split('.');
    let first = parts.next().filter(|first| *first != claim)?;
    value = value.get(first)?.clone();
    for part in parts {
        value = value.get(part)?.clone();
    }
    let seen = format!("; the token has it nested (claims.{claim}), and a claim's name is taken to the letter, dots included");
    let change = match source {
        Source::Flags => format!("move from the --oidc-… flags to an AuthenticationConfiguration, with `expression: claims.{claim}`"),
        Source::File => format!("replace `claim: {claim}` (and its prefix) by `expression: claims.{claim}`"),
    };
    Some((seen, change))
}

fn user(claims: &Claims<'_>, issuer: &Issuer) -> Vec<Finding> {
    match &issuer.username {
        Mapping::Unset => Vec::new(),
        Mapping::Claim { claim, prefix } => of_claim(claims, issuer, claim, prefix),
        Mapping::Expression(expression) => vec![match evaluate(expression, &claims.jwt.claims) {
            Ok(Value::String(user)) if user.is_empty() => Finding::cause(
                "O21",
                format!("the expression for the user, `{expression}`, is empty for this token, which the API server refuses"),
                "make the issuer send the claim, or use another one",
            ),
            Ok(Value::String(user)) => Finding::note(
                "O19",
                format!("the user is {user:?}, which bindings must name: the value of `{expression}`"),
            ),
            Ok(other) => Finding::cause(
                "G20",
                format!(
                    "the expression for the user, `{expression}`, is {} for this token, not a string",
                    kind(&other)
                ),
                "use a claim that is a string",
            ),
            Err(Unclear::Missing(path)) => missing("user", expression, &path, claims),
            Err(Unclear::Unknown) => unclear("claimMappings.username", expression),
        }],
    }
}

/// Returns the finding about an expression that reads a missing claim: the API server refuses the token.
pub(super) fn missing(whose: &str, expression: &str, path: &str, claims: &Claims<'_>) -> Finding {
    Finding::cause(
        "G23",
        format!(
            "the expression for the {whose}, `{expression}`, reads {path}, which the token does not have; it has {:?}",
            claims.names()
        ),
        format!(
            "make the issuer send it, or allow for its absence: `{}.orValue(…)`",
            path.replacen('.', ".?", 1)
        ),
    )
}

/// Returns the finding about an expression that is not evaluated here.
pub(super) fn unclear(place: &str, expression: &str) -> Finding {
    Finding::unjudged(
        format!("the expression of {place} is not evaluated here: `{expression}`"),
        "the API server's log says whether it refused (error evaluating …)",
    )
}

fn of_claim(claims: &Claims<'_>, issuer: &Issuer, claim: &str, prefix: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    match claims.get(claim) {
        Some(Value::String(user)) if !user.is_empty() => {
            findings.push(Finding::note(
                "O19",
                format!(
                    "the user is {:?}, which bindings must name: the claim {claim} after the prefix {prefix:?}",
                    format!("{prefix}{user}")
                ),
            ));
            findings.extend(literal_dash("username", prefix, issuer.source));
        }
        // JSON's null is read as an empty string.
        Some(Value::String(_) | Value::Null) => findings.push(Finding {
            change: Some(format!("make the issuer send {claim:?}, or map another claim")),
            ..Finding::note(
                "O21",
                format!("the claim for the user, {claim:?}, is empty: the user's name is {prefix:?}"),
            )
        }),
        found => {
            let (nested, change) = match (found, nested(claims, claim, issuer.source)) {
                (None, Some(nested)) => nested,
                _ => (
                    String::new(),
                    format!("make the issuer send {claim:?} (in Keycloak: a client scope with it), or map another claim"),
                ),
            };
            findings.push(Finding::cause(
                "O12",
                format!(
                    "the claim for the user, {claim:?}, {}; the token has {:?}{nested}",
                    absent(found),
                    claims.names()
                ),
                change,
            ));
        }
    }
    if claim == "email"
        && let Some(verified) = claims.get("email_verified").filter(|verified| **verified != Value::Bool(true))
    {
        findings.push(Finding::cause(
            if verified.is_boolean() || verified.is_null() {
                "O13"
            } else {
                "O15"
            },
            match verified {
                Value::Bool(_) | Value::Null => format!("the user is the claim email, and email_verified is {verified}"),
                other => format!("the user is the claim email, and email_verified is {}, not a boolean", kind(other)),
            },
            "make the issuer verify the address, or use another claim such as sub",
        ));
    }
    findings
}

/// Returns the finding about a dash as the prefix in a file: only the flag takes it for no prefix (kubernetes
/// `pkg/kubeapiserver/options/authentication.go`).
pub(super) fn literal_dash(what: &str, prefix: &str, source: Source) -> Option<Finding> {
    (prefix == "-" && source == Source::File).then(|| Finding {
        change: Some(format!("write `prefix: \"\"` for no prefix (claimMappings.{what})")),
        ..Finding::note(
            "O19",
            format!("the prefix of claimMappings.{what} is \"-\", which is a dash in a file: only the flag --oidc-username-prefix takes it for none"),
        )
    })
}

fn required(claims: &Claims<'_>, claim: &str, value: &str) -> Option<Finding> {
    let seen = match claims.get(claim) {
        Some(Value::String(found)) if found == value => return None,
        Some(Value::String(found)) => {
            format!("the API server demands the claim {claim:?} with the value {value:?}, and the token's is {found:?}")
        }
        Some(other) => format!(
            "the API server demands the claim {claim:?} with the value {value:?}, and the token's is {}, not a string",
            kind(other)
        ),
        None => format!("the API server demands the claim {claim:?} with the value {value:?}, and the token does not have it"),
    };
    Some(Finding::cause(
        "O20",
        seen,
        "log in as somebody for whom the issuer sends that value, or change the demand (--oidc-required-claim, claimValidationRules); \
        only strings are compared",
    ))
}

fn rule(claims: &Claims<'_>, rule: &str, message: &str) -> Option<Finding> {
    let says = if message.is_empty() {
        String::new()
    } else {
        format!(" ({message})")
    };
    match evaluate(rule, &claims.jwt.claims) {
        Ok(Value::Bool(true)) => None,
        Ok(Value::Bool(false)) => Some(Finding::cause(
            "G21",
            format!("the rule `{rule}`{says} of claimValidationRules is false for this token"),
            "log in as somebody for whom it is true, or change the rule",
        )),
        Err(Unclear::Missing(path)) => Some(missing("rule", rule, &path, claims)),
        _ => Some(about("G21", unclear("claimValidationRules", rule))),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::explain::{Basis, Effect};
    use crate::jwt::Jwt;

    fn found(claims: &Value, issuer: &Issuer) -> Vec<Finding> {
        let jwt = Jwt {
            header: serde_json::Map::new(),
            claims: claims.as_object().expect("an object").clone(),
            signature: Vec::new(),
        };
        check(&Claims::of(&jwt), issuer)
    }

    fn issuer(username: Mapping) -> Issuer {
        Issuer {
            username,
            source: Source::File,
            ..Issuer::by_flags("https://a.test", "kubernetes")
        }
    }

    fn causes(claims: &Value, issuer: &Issuer) -> Vec<&'static str> {
        let found = found(claims, issuer).into_iter();
        found
            .filter(|one| (one.effect, one.basis) == (Effect::Cause, Basis::Compared))
            .filter_map(|one| one.behaviour)
            .collect()
    }

    #[test]
    fn a_dash_in_a_file_is_a_dash() {
        let said = |source| {
            let issuer = Issuer {
                source,
                ..issuer(Mapping::claim("sub", "-"))
            };
            found(&json!({ "sub": "alice" }), &issuer)
        };
        let found = said(Source::File);
        assert!(found[0].seen.starts_with("the user is \"-alice\""), "{found:?}");
        assert!(found[1].seen.contains("is a dash in a file"), "{found:?}");
        assert_eq!(said(Source::Flags).len(), 1);
    }

    #[test]
    fn types_are_judged_as_go_judges_them() {
        let email = issuer(Mapping::claim("email", ""));
        for (claims, expected) in [
            (json!({ "email": "a@b" }), &[][..]),
            (json!({ "email": null }), &[]),
            (json!({ "email": "" }), &[]),
            (json!({}), &["O12"]),
            (json!({ "email": 7 }), &["O12"]),
            (json!({ "email": "a@b", "email_verified": true }), &[]),
            (json!({ "email": "a@b", "email_verified": false }), &["O13"]),
            (json!({ "email": "a@b", "email_verified": null }), &["O13"]),
            (json!({ "email": "a@b", "email_verified": "true" }), &["O15"]),
        ] {
            assert_eq!(causes(&claims, &email), expected, "{claims}");
        }
        let uid = Issuer {
            uid: Mapping::claim("oid", ""),
            ..issuer(Mapping::Unset)
        };
        assert_eq!(causes(&json!({ "oid": 7 }), &uid), ["G20"]);
        assert!(causes(&json!({ "oid": "7" }), &uid).is_empty());
    }

    #[test]
    fn a_nested_claim_needs_an_expression() {
        let found = found(&json!({ "user": { "name": "alice" } }), &issuer(Mapping::claim("user.name", "")));
        assert!(found[0].seen.contains("has it nested (claims.user.name)"), "{found:?}");
        assert!(
            found[0]
                .change
                .as_deref()
                .is_some_and(|change| change.contains("`expression: claims.user.name`")),
            "{found:?}"
        );
    }

    #[test]
    fn expressions_and_demands_are_evaluated_where_that_is_sure() {
        let of = |expression: &str| issuer(Mapping::Expression(expression.to_owned()));
        let alice = json!({ "sub": "alice", "hd": "a.test", "empty": "" });
        assert!(found(&alice, &of("'a:' + claims.sub"))[0].seen.contains("\"a:alice\""));
        assert_eq!(causes(&alice, &of("claims.email")), ["G23"]);
        assert_eq!(causes(&alice, &of("claims.empty")), ["O21"]);
        assert_eq!(found(&alice, &of("claims.sub.split('@')[0]"))[0].effect, Effect::Unjudged);
        let demanding = |required: &[(&str, &str)], rules: &[&str]| Issuer {
            required: required
                .iter()
                .map(|(claim, value)| ((*claim).to_owned(), (*value).to_owned()))
                .collect(),
            rules: rules.iter().map(|rule| ((*rule).to_owned(), "no".to_owned())).collect(),
            ..issuer(Mapping::claim("sub", ""))
        };
        assert!(causes(&alice, &demanding(&[("hd", "a.test")], &["claims.hd == 'a.test'"])).is_empty());
        assert_eq!(causes(&alice, &demanding(&[("hd", "b.test"), ("x", "y")], &[])), ["O20", "O20"]);
        assert_eq!(
            causes(&alice, &demanding(&[], &["claims.hd == 'b.test'", "claims.x == 'y'"])),
            ["G21", "G23"]
        );
    }
}
