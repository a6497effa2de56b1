//! Explaining an entry that accepts no token. The main function is [`not_accepted`].

use serde_json::{Map, Value};

use super::answer::{answered, is_about_groups, reason};
use super::becoming::is_list;
use super::entry::{Entry, Part, written};
use super::expression;
use super::finding::Finding;
use super::judgement::{text_of_boolean, text_of_list};
use super::rules;
use crate::explain::issuers::Mapping;
use crate::trial::Outcome;

/// Returns the finding about `entry`, which accepted no token that was `tried`.
pub(super) fn not_accepted(entry: &Entry, tried: &[(Map<String, Value>, Outcome)]) -> Finding {
    let found = explained(entry, tried).unwrap_or_else(|| unexplained(entry, tried));
    found.of_issuer(&entry.issuer.url)
}

/// Returns the finding about claims that the user names as those of a token that should be accepted, and that is refused.
pub(super) fn named_refused(entry: &Entry, claims: &Map<String, Value>, outcome: &Outcome) -> Finding {
    let part = part_of(entry, reason(outcome)).unwrap_or(Part::Url);
    Finding::new(&rules::NAMED_REFUSED, "a token with the claims that should be accepted is refused")
        .at(entry.place(part))
        .of_issuer(&entry.issuer.url)
        .proved(with(claims), answered(outcome))
        .change("change this, or the claims in the file that --claims names")
}

/// Returns a token in words.
fn with(claims: &Map<String, Value>) -> String {
    format!("a token with {}", Value::Object(claims.clone()))
}

/// Returns the finding about an entry of which nothing says whether anybody can be accepted.
fn unexplained(entry: &Entry, tried: &[(Map<String, Value>, Outcome)]) -> Finding {
    let parts: Vec<Option<Part>> = tried.iter().map(|(_, outcome)| part_of(entry, reason(outcome))).collect();
    let first = parts.first().copied().flatten();
    let place = entry.place(first.unwrap_or(Part::Url));
    let tokens = match tried.len() {
        1 => "the token that was tried".to_owned(),
        count => format!("all {count} tokens that were tried"),
    };
    let message = match first {
        Some(_) if parts.iter().all(|part| *part == first) => format!("nothing is judged for this issuer: {} refuses {tokens}", place.0),
        Some(_) => format!("nothing is judged for this issuer: {tokens} are refused, the first by {}", place.0),
        None => format!("nothing is judged for this issuer: API servers refuse {tokens}"),
    };
    let claims: Vec<String> = entry.paths().into_iter().map(written).collect();
    let found = Finding::new(&rules::NO_ACCEPTED_TOKEN, message).at(place).change(format!(
        "give values that it should accept to the claims that it uses ({}): in a person of authlab.toml, or in a file, --claims FILE",
        claims.join(", ")
    ));
    match tried.first() {
        Some((claims, outcome)) => found.proved(with(claims), answered(outcome)),
        None => found,
    }
}

/// Returns the mistake because of which no token at all is accepted.
fn explained(entry: &Entry, tried: &[(Map<String, Value>, Outcome)]) -> Option<Finding> {
    let (_, first) = tried.first()?;
    let reasons: Vec<&str> = tried.iter().map(|(_, outcome)| reason(outcome)).collect();
    if reasons
        .iter()
        .all(|reason| reason.contains("username claim expression must return a string"))
    {
        return Some(
            Finding::new(
                &rules::NAME_IS_NO_TEXT,
                "the user name's expression does not give a text, so every token is refused",
            )
            .at(entry.place(Part::UserName))
            .proved("a sound token", answered(first))
            .change("write an expression that gives a text, such as `claims.sub`; a condition belongs into claimValidationRules"),
        );
    }
    for (claim, _) in entry
        .issuer
        .required
        .iter()
        .filter(|(_, value)| value == "true" || value == "false")
    {
        let words = format!("parse claim {claim}: json: cannot unmarshal bool");
        if let Some((_, outcome)) = tried.iter().find(|(_, outcome)| reason(outcome).contains(&words)) {
            let what = format!("a token whose {claim} is a boolean");
            // The mapping of an email address demands the boolean.
            let why = match first {
                Outcome::Refused(_) if reason(first).contains("'email_verified' claim") => {
                    "the user name's mapping refuses the text, the rule refuses the boolean, so every token is refused"
                }
                _ => "only the text can be accepted",
            };
            return Some(text_of_boolean(
                entry,
                entry.rule("claim", claim),
                claim,
                (what.as_str(), outcome),
                why,
            ));
        }
    }
    for (claim, _) in entry.issuer.required.iter().filter(|(claim, _)| is_list(claim)) {
        let words = format!("parse claim {claim}: json: cannot unmarshal array");
        if let Some((_, outcome)) = tried.iter().find(|(_, outcome)| reason(outcome).contains(&words)) {
            let what = format!("a token whose {claim} is a list");
            return Some(text_of_list(entry, entry.rule("claim", claim), claim, (what.as_str(), outcome)));
        }
    }
    let part = part_of(entry, reason(first))?;
    let expression = entry.expression(part)?;
    let refuses = |message: String, change: String| {
        Finding::new(&rules::REFUSES_EVERY_TOKEN, message)
            .at(entry.place(part))
            .proved("a sound token", answered(first))
            .change(change)
    };
    // Its Go value is a list of strings, which the API server's conversion does not know (`convertCELValueToStringList` in `oidc.go`).
    if part == Part::Groups && is_about_groups(reason(first)) && expression::ends_with_split(expression) {
        let message = "every token is refused: API servers do not understand the list that `split` gives";
        return Some(refuses(
            message.to_owned(),
            format!("make a list of it: `{}.map(g, g)`", expression.trim()),
        ));
    }
    if let Some((message, change)) = contradiction(entry, part, expression) {
        return Some(refuses(message, change));
    }
    // An expression that reads nothing of the token or of the user has the same value for all.
    let is_constant = expression::reads(expression).is_empty() && !expression.contains("user") && !expression.contains("claims");
    is_constant.then(|| {
        refuses(
            "every token is refused: the expression reads nothing of the token".to_owned(),
            "write an expression over `claims`".to_owned(),
        )
    })
}

/// Returns the message and the change for a rule about the user that no name or group after the mapping's prefix can pass.
fn contradiction(entry: &Entry, part: Part, expression: &str) -> Option<(String, String)> {
    let Part::UserRule(_) = part else { return None };
    [
        ("username", "user name", &entry.issuer.username),
        ("groups", "group", &entry.issuer.groups),
    ]
    .into_iter()
    .find_map(|(field, name, mapping)| {
        let Mapping::Claim { prefix, .. } = mapping else { return None };
        let texts = expression::demanded(expression, field)?;
        // A beginning can be shorter than the prefix.
        let can_be = |text: &String| text.starts_with(prefix.as_str()) || prefix.starts_with(text.as_str());
        let first = texts.first()?;
        (!prefix.is_empty() && !texts.iter().any(can_be)).then(|| {
            (
                format!("every token is refused: each {name} begins with {prefix:?}, and the rule demands {first:?}"),
                format!("write the prefix in the rule, too: `\"{prefix}{first}\"`"),
            )
        })
    })
}

/// Returns the part of `entry` that a refusal is about (kubernetes/apiserver `plugin/pkg/authenticator/token/oidc/oidc.go`).
fn part_of(entry: &Entry, reason: &str) -> Option<Part> {
    let quoted = |expression: &str| reason.contains(&format!("'{expression}'"));
    let rule = || {
        let rules = entry.issuer.rules.iter().find(|(expression, _)| quoted(expression));
        rules.map(|(expression, _)| entry.rule("expression", expression))
    };
    let further = || {
        let (field, _) = entry.issuer.further.iter().find(|(_, expression)| quoted(expression))?;
        let number = field.rsplit_once('[')?.1.trim_end_matches(']').parse().ok()?;
        Some(if field.contains("extra") {
            Part::Extra(number)
        } else {
            Part::UserRule(number)
        })
    };
    let required = || {
        let found =
            entry.issuer.required.iter().find(|(claim, _)| {
                reason.contains(&format!("required claim {claim} ")) || reason.contains(&format!("parse claim {claim}:"))
            });
        found.map(|(claim, _)| entry.rule("claim", claim))
    };
    match () {
        () if reason.contains("username") && !reason.contains("validation") => Some(Part::UserName),
        () if reason.contains("email") && !reason.contains("validation") && required().is_none() => Some(Part::UserName),
        () if reason.contains("group claim") || reason.contains("groups claim") => Some(Part::Groups),
        () if reason.contains("uid claim") => Some(Part::Uid),
        () => rule().or_else(further).or_else(required),
    }
}
