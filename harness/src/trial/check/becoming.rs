//! The claims that could become names of Kubernetes' own. The main functions are [`names_that_become`] and [`groups_that_become`].

use serde_json::{Map, Value};

use super::entry::{Entry, Part};
use super::expression;
use super::sound::value_at;
use crate::explain::issuers::Mapping;

/// The claims that a user name is made of.
pub(super) struct NameClaims {
    /// Those that are texts.
    pub(super) texts: Vec<Vec<String>>,
    /// Those that are booleans, with their value.
    pub(super) booleans: Vec<(Vec<String>, bool)>,
}

impl NameClaims {
    /// Returns those of `entry`, whose values are in `sound`.
    pub(super) fn of(entry: &Entry, sound: &Map<String, Value>) -> Self {
        let mut found = Self {
            texts: Vec::new(),
            booleans: Vec::new(),
        };
        let is_expression = matches!(entry.issuer.username, Mapping::Expression(_));
        for used in entry.of_part(Part::UserName) {
            let path = &used.read.path;
            match value_at(sound, path) {
                Some(Value::Bool(value)) if is_expression && !found.booleans.iter().any(|(known, _)| known == path) => {
                    found.booleans.push((path.clone(), *value));
                }
                Some(Value::Bool(_)) => {}
                _ if found.texts.contains(path) => {}
                _ => found.texts.push(path.clone()),
            }
        }
        found
    }
}

/// Returns `true` for the name of a claim that providers send as a list: `groups`, `cognito:groups`, `https://a.example/roles`.
pub(super) fn is_list(claim: &str) -> bool {
    let name = claim.to_lowercase();
    ["groups", "roles"].iter().any(|end| name.ends_with(end))
}

/// Returns the values of a claim that could become the user name `name`. `own` is the claim's path and value in a token of `user`.
pub(super) fn names_that_become(name: &str, mapping: &Mapping, (path, own): (&[String], Option<&str>), user: &str) -> Vec<String> {
    let is_email = path.last().is_some_and(|name| name == "email");
    let mut values = Vec::new();
    // An address has an `@`, as no name of Kubernetes' own has, unless an expression cuts it off.
    if !is_email {
        values.push(name.to_owned());
    }
    match mapping {
        Mapping::Claim { prefix, .. } if !is_email => values.extend(rest_after(prefix, name)),
        Mapping::Expression(text) => {
            values.extend(expression::texts(text).iter().filter_map(|added| rest_after(added, name)));
            let domain = own.and_then(|own| own.rfind('@').map(|at| &own[at..]));
            values.extend(domain.map(|domain| format!("{name}{domain}")));
            values.extend(own.and_then(|own| around(name, own, user)));
        }
        _ => {}
    }
    each_once(values)
}

/// Returns the values in a claim that could become the group `group`. `own` are those of a token whose holder is in `groups`.
pub(super) fn groups_that_become(group: &str, mapping: &Mapping, own: &[&str], groups: &[String]) -> Vec<String> {
    let mut values = vec![group.to_owned()];
    match mapping {
        Mapping::Claim { prefix, .. } => values.extend(rest_after(prefix, group)),
        Mapping::Expression(text) => {
            values.extend(expression::texts(text).iter().filter_map(|added| rest_after(added, group)));
            let pairs = own.iter().flat_map(|own| groups.iter().map(move |known| (own, known)));
            values.extend(pairs.filter_map(|(own, known)| around(group, own, known)));
        }
        Mapping::Unset => {}
    }
    each_once(values)
}

/// Returns the rest of `name`, to which the mapping adds `prefix`.
fn rest_after(prefix: &str, name: &str) -> Option<String> {
    let rest = name.strip_prefix(prefix).filter(|rest| !rest.is_empty() && !prefix.is_empty());
    rest.map(str::to_owned)
}

/// Returns the value like `own` of which an expression takes `name`, as it takes `part` of `own`.
fn around(name: &str, own: &str, part: &str) -> Option<String> {
    (!part.is_empty() && own != part && own.contains(part)).then(|| own.replacen(part, name, 1))
}

fn each_once(values: Vec<String>) -> Vec<String> {
    let mut once: Vec<String> = Vec::new();
    for value in values {
        if !once.contains(&value) {
            once.push(value);
        }
    }
    once
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_a_mapping_makes_a_name_of_kubernetes_own_are_found() {
        let path = |name: &str| vec![name.to_owned()];
        let names = |mapping: &Mapping, claim: &str, own: &str, user: &str| {
            names_that_become("system:admin", mapping, (path(claim).as_slice(), Some(own)), user).join(" ")
        };
        let expression = Mapping::Expression("x".to_owned());
        let adding = Mapping::Expression("'system:' + claims.sub".to_owned());
        for (mapping, claim, own, user, expected) in [
            (&Mapping::claim("sub", ""), "sub", "alice", "alice", "system:admin"),
            (
                &Mapping::claim("sub", "system:"),
                "sub",
                "alice",
                "system:alice",
                "system:admin admin",
            ),
            (&Mapping::claim("email", ""), "email", "a@b.example", "a@b.example", ""),
            (&expression, "email", "alice@b.example", "alice", "system:admin@b.example"),
            (
                &expression,
                "upn",
                "alice@b.example",
                "alice",
                "system:admin system:admin@b.example",
            ),
            (&expression, "sub", "corp|alice", "alice", "system:admin corp|system:admin"),
            (&expression, "sub", "alice", "oidc:alice", "system:admin"),
            (&adding, "sub", "alice", "system:alice", "system:admin admin"),
        ] {
            assert_eq!(names(mapping, claim, own, user), expected, "{mapping:?} {claim}");
        }
        let groups = |mapping: &Mapping, own: &str, group: &str| {
            groups_that_become("system:masters", mapping, &[own], &[group.to_owned()]).join(" ")
        };
        assert_eq!(
            groups(&Mapping::claim("groups", "system:"), "team-a", "system:team-a"),
            "system:masters masters"
        );
        assert_eq!(groups(&expression, "/team-a", "team-a"), "system:masters /system:masters");
        for (claim, expected) in [
            ("cognito:groups", true),
            ("https://a.example/Roles", true),
            ("role", false),
            ("hd", false),
        ] {
            assert_eq!(is_list(claim), expected, "{claim}");
        }
    }
}
