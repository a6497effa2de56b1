//! Claims that an entry should accept. The main function is [`candidates`].

use serde_json::{Map, Value, json};

use super::entry::{Entry, Part, Use};
use super::expression::Suits;
use crate::trial::Source;

/// The claims that a token gets by itself, whose values nobody chooses here.
const OWN: [&str; 6] = ["iss", "exp", "iat", "nbf", "jti", "aud"];

/// A tenant or an object, as Entra ID names it.
const GUID: &str = "3f0c1d9e-7c1b-4b52-9a53-0c8a7f6f2b11";

/// The person to whom claims that are made up belong.
const ALICE: &str = "alice";

/// Returns claims that `entry` should accept, the most plausible first: an API server says which of them it accepts.
pub(super) fn candidates(entry: &Entry) -> Vec<Map<String, Value>> {
    let all = |choose: &dyn Fn(&Use) -> Value| {
        let mut claims = Map::new();
        for used in entry.uses.iter().filter(|used| !OWN.contains(&used.read.path[0].as_str())) {
            let members = member(&used.read.suits).filter(|_| value_at(&claims, &used.read.path).is_some_and(Value::is_array));
            match members {
                Some(text) => add_member(&mut claims, &used.read.path, text),
                // The demand of a rule takes precedence over a merely plausible value.
                None if matches!(used.read.suits, Suits::Value(_) | Suits::Member(_)) && choose(used) == suiting(used) => {
                    set(&mut claims, &used.read.path, choose(used));
                }
                None if value_at(&claims, &used.read.path).is_none() => set(&mut claims, &used.read.path, choose(used)),
                None => {}
            }
        }
        if value_at(&claims, &["email".to_owned()]).is_some() {
            claims.entry("email_verified").or_insert(json!(true));
        }
        claims
    };
    let flipped = |used: &Use| match suiting(used) {
        Value::Bool(value) => json!(!value),
        other => other,
    };
    let as_list = |used: &Use| match suiting(used) {
        Value::String(text) if used.part != Part::UserName => json!([text]),
        other => other,
    };
    let as_text = |used: &Use| match suiting(used) {
        Value::Array(items) => items.first().cloned().unwrap_or_else(|| json!("team-a")),
        other => other,
    };
    let mut found: Vec<Map<String, Value>> = Vec::new();
    let choices: [&dyn Fn(&Use) -> Value; 6] = [&suiting, &plausible, &flipped, &as_list, &as_text, &|_| json!(true)];
    for choose in choices {
        let claims = all(choose);
        if !found.contains(&claims) {
            found.push(claims);
        }
    }
    found
}

/// Returns the URL of each issuer of `source`, with claims of two people that it should accept: of alice, and of bob, who is in no group.
#[must_use]
pub fn people(source: &Source) -> Vec<(String, [Map<String, Value>; 2])> {
    let mut people: Vec<(String, [Map<String, Value>; 2])> = Vec::new();
    for entry in Entry::all(source) {
        if !people.iter().any(|(url, _)| *url == entry.issuer.url) {
            let two = two_of(&entry);
            people.push((entry.issuer.url, two));
        }
    }
    people
}

/// Returns the claims of two people of `entry`.
fn two_of(entry: &Entry) -> [Map<String, Value>; 2] {
    let mut alice = candidates(entry).into_iter().next().unwrap_or_default();
    if alice.is_empty() {
        alice.insert("sub".to_owned(), json!("alice"));
    }
    let mut bob = renamed(&alice, ALICE, "bob");
    for path in entry.sources(Part::UserName) {
        if let Some(Value::String(text)) = value_at(&bob, path)
            && value_at(&alice, path) == value_at(&bob, path)
        {
            let another = another(text);
            set(&mut bob, path, json!(another));
        }
    }
    for path in entry.sources(Part::Groups) {
        if value_at(&bob, path).is_some_and(Value::is_array) {
            set(&mut bob, path, json!([]));
        }
    }
    [alice, bob]
}

/// Returns claims of the person `to` like `claims` of the person `from`.
#[must_use]
pub fn renamed(claims: &Map<String, Value>, from: &str, to: &str) -> Map<String, Value> {
    fn value(known: &Value, from: &str, to: &str) -> Value {
        match known {
            Value::String(text) => json!(text.replace(from, to)),
            Value::Array(items) => items.iter().map(|item| value(item, from, to)).collect(),
            Value::Object(fields) => Value::Object(renamed(fields, from, to)),
            other => other.clone(),
        }
    }
    claims
        .iter()
        .map(|(claim, known)| (claim.clone(), value(known, from, to)))
        .collect()
}

/// Returns a text like `text` that differs in its last character.
fn another(text: &str) -> String {
    let mut text = text.to_owned();
    let last = text.pop();
    text.push(if last == Some('b') { 'c' } else { 'b' });
    text
}

fn member(suits: &Suits) -> Option<&str> {
    match suits {
        Suits::Member(text) => Some(text),
        _ => None,
    }
}

/// Returns a value that suits the words of the expression, or else the name of the claim.
fn suiting(used: &Use) -> Value {
    match &used.read.suits {
        Suits::Value(value) => value.clone(),
        Suits::Member(text) => json!([text]),
        Suits::List => json!(["team-a"]),
        Suits::Boolean => json!(true),
        Suits::Text => match plausible(used) {
            text @ Value::String(_) => text,
            _ => json!("team-a"),
        },
        Suits::Anything => plausible(used),
    }
}

/// Returns a value that a claim of this name has.
fn plausible(used: &Use) -> Value {
    let name = used.read.path.last().map_or("", String::as_str);
    match (name, used.part) {
        ("email" | "upn" | "unique_name", _) => json!("alice@example.com"),
        ("email_verified" | "phone_number_verified", _) => json!(true),
        ("hd", _) => json!("example.com"),
        ("oid" | "tid" | "azp" | "sid", _) => json!(GUID),
        (_, Part::Groups) | ("groups" | "roles" | "cognito:groups", _) => json!(["team-a"]),
        _ => json!("alice"),
    }
}

/// Returns the value at `path`.
pub(super) fn value_at<'a>(claims: &'a Map<String, Value>, path: &[String]) -> Option<&'a Value> {
    let (first, rest) = path.split_first()?;
    rest.iter().try_fold(claims.get(first)?, |value, name| value.get(name))
}

/// Sets the value at `path`, within objects that are created.
pub(super) fn set(claims: &mut Map<String, Value>, path: &[String], value: Value) {
    match path {
        [] => {}
        [name] => _ = claims.insert(name.clone(), value),
        [name, rest @ ..] => {
            let within = claims.entry(name.clone()).or_insert_with(|| json!({}));
            if !within.is_object() {
                *within = json!({});
            }
            if let Value::Object(within) = within {
                set(within, rest, value);
            }
        }
    }
}

/// Removes the value at `path`.
pub(super) fn remove(claims: &mut Map<String, Value>, path: &[String]) {
    match path {
        [] => {}
        [name] => _ = claims.remove(name),
        [name, rest @ ..] => {
            if let Some(Value::Object(within)) = claims.get_mut(name) {
                remove(within, rest);
            }
        }
    }
}

fn add_member(claims: &mut Map<String, Value>, path: &[String], text: &str) {
    let Some(Value::Array(mut items)) = value_at(claims, path).cloned() else {
        return;
    };
    if !items.iter().any(|item| item == text) {
        items.push(json!(text));
    }
    set(claims, path, Value::Array(items));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(mappings: &str) -> Value {
        let text = format!("jwt:\n- issuer: {{url: https://a.example, audiences: [k]}}\n{mappings}");
        let source = Source {
            authentication: Some(text),
            ..Source::default()
        };
        let entry = Entry::all(&source).remove(0);
        Value::Object(candidates(&entry).remove(0))
    }

    #[test]
    fn the_claims_are_those_that_the_entry_uses_with_values_that_suit() {
        for (mappings, expected) in [
            (
                "  claimMappings: {username: {claim: email, prefix: ''}}",
                json!({ "email": "alice@example.com", "email_verified": true }),
            ),
            (
                "  claimMappings: {username: {claim: sub, prefix: 'a:'}, groups: {claim: roles, prefix: ''}}\n  \
                claimValidationRules: [{claim: hd, requiredValue: a.example}, {expression: 'claims.roles.exists(r, r == \"x\")'}]",
                json!({ "sub": "alice", "roles": ["team-a", "x"], "hd": "a.example" }),
            ),
            (
                "  claimMappings: {username: {expression: claims.sub}, groups: {expression: claims.realm_access.roles}}\n  \
                claimValidationRules: [{expression: claims.exp - claims.nbf <= 86400}, {expression: 'claims.sub.startsWith(\"repo:acme/\")'}]",
                json!({ "sub": "repo:acme/a", "realm_access": { "roles": ["team-a"] } }),
            ),
            (
                "  claimMappings: {username: {claim: email, prefix: ''}}\n  claimValidationRules: [{claim: email_verified, requiredValue: 'true'}]",
                json!({ "email": "alice@example.com", "email_verified": "true" }),
            ),
        ] {
            assert_eq!(first(mappings), expected, "{mappings}");
        }
    }

    #[test]
    fn two_people_have_the_claims_that_a_configuration_reads() {
        let of_file = |mappings: &str| Source {
            authentication: Some(format!("jwt:\n- issuer: {{url: https://a.example, audiences: [k]}}\n{mappings}")),
            ..Source::default()
        };
        let flag = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        let flags = |more: &[(&str, &str)]| Source {
            flags: [("oidc-issuer-url", "https://a.example"), ("oidc-client-id", "k")]
                .iter()
                .chain(more)
                .map(|pair| flag(*pair))
                .collect(),
            ..Source::default()
        };
        for (source, alice, bob) in [
            (
                flags(&[("oidc-username-claim", "upn"), ("oidc-groups-claim", "roles")]),
                json!({ "upn": "alice@example.com", "roles": ["team-a"] }),
                json!({ "upn": "bob@example.com", "roles": [] }),
            ),
            (flags(&[]), json!({ "sub": "alice" }), json!({ "sub": "bob" })),
            (
                of_file(
                    "  claimMappings: {username: {claim: oid, prefix: 'a:'}, groups: {expression: claims.realm_access.roles}}\n  \
                     claimValidationRules: [{expression: 'claims.hd == \"a.example\"'}]",
                ),
                json!({ "oid": GUID, "realm_access": { "roles": ["team-a"] }, "hd": "a.example" }),
                json!({ "oid": "3f0c1d9e-7c1b-4b52-9a53-0c8a7f6f2b1b", "realm_access": { "roles": [] }, "hd": "a.example" }),
            ),
        ] {
            let (url, people) = people(&source).pop().expect("an issuer");
            assert_eq!((url.as_str(), people.map(Value::Object)), ("https://a.example", [alice, bob]));
        }
        assert!(people(&Source::default()).is_empty());
    }

    #[test]
    fn values_within_objects_are_set_and_removed() {
        let path = |text: &str| text.split('.').map(str::to_owned).collect::<Vec<_>>();
        let mut claims = Map::new();
        set(&mut claims, &path("a"), json!(1));
        set(&mut claims, &path("a.b"), json!(2));
        set(&mut claims, &path("a.c"), json!(3));
        remove(&mut claims, &path("a.b"));
        remove(&mut claims, &path("x.y"));
        assert_eq!(Value::Object(claims.clone()), json!({ "a": { "c": 3 } }));
        assert_eq!(value_at(&claims, &path("a.c")), Some(&json!(3)));
    }
}
