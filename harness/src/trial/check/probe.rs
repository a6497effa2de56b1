//! The tokens that an entry is asked about: the sound one, changed in one way each. The main function is [`probes`].

use serde_json::{Map, Value, json};

use super::becoming::{NameClaims, groups_that_become, is_list, names_that_become};
use super::entry::{Entry, Part, written};
use super::judgement::Sound;
use super::rules::{self, Rule};
use super::sound::{remove, set, value_at};
use crate::identity_provider::issuer::Forgery;

/// Users of Kubernetes' own: the administrators' usual name, a service account, a component, and a node
/// (kubernetes `plugin/pkg/auth/authorizer/rbac/bootstrappolicy/policy.go`, `plugin/pkg/auth/authorizer/node`).
pub(super) const NAMES: [&str; 4] = [
    "system:admin",
    "system:serviceaccount:kube-system:default",
    "system:kube-controller-manager",
    "system:node:node-1",
];

/// Groups of Kubernetes' own (kubernetes/apiserver `pkg/authentication/user/user.go`).
pub(super) const GROUPS: [&str; 2] = ["system:masters", "system:nodes"];

/// The number of groups of somebody who is in very many.
const MANY: usize = 1000;

/// A token that an API server is asked about.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Probe {
    /// The token in words: `an expired token`.
    pub(super) what: String,
    /// The purpose of asking.
    pub(super) aim: Aim,
    /// The changes of the sound token's claims.
    pub(super) changes: Vec<Change>,
    /// The change of its signature.
    pub(super) forgery: Option<Forgery>,
}

/// The purpose of a question.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Aim {
    /// A mistake of the API server, if the token is accepted.
    Never(&'static Rule),
    /// Whether a name of Kubernetes' own can be had.
    SystemName,
    /// Whether a group of Kubernetes' own can be had.
    SystemGroup,
    /// Whether an email address counts that is not verified; `None` if the token does not say so.
    Email(Option<bool>),
    /// Whether a token is accepted whose claim is unusual in this way.
    Claim(Vec<String>, Unusual),
    /// Whether the rule accepts a value that is not empty.
    AnyValue(Part, String),
    /// Whether the rule accepts a boolean in place of the text.
    Boolean(Part, String),
    /// Whether the rule accepts a list in place of the text.
    List(Part, String),
    /// Whether very many groups are too many.
    ManyGroups,
}

/// A way in which a claim is unusual.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unusual {
    /// The token lacks it.
    Missing,
    /// It is the empty text.
    Empty,
    /// It is `null`.
    Null,
    /// It has another type.
    Type(&'static str),
    /// Its name is written in another case.
    Case,
}

/// A change of claims.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Change {
    /// Sets the value at a path.
    Set(Vec<String>, Value),
    /// Removes the value at a path.
    Remove(Vec<String>),
}

impl Change {
    fn claim(name: &str, value: impl Into<Value>) -> Self {
        Self::Set(vec![name.to_owned()], value.into())
    }

    /// Changes `claims`.
    pub(super) fn apply(&self, claims: &mut Map<String, Value>) {
        match self {
            Self::Set(path, value) => set(claims, path, value.clone()),
            Self::Remove(path) => remove(claims, path),
        }
    }
}

/// Returns the tokens that `entry` is asked about at `now`, in seconds since 1970. `sound` is one that it accepts; `others` are the URLs of
/// other entries.
pub(super) fn probes(entry: &Entry, sound: &Sound, others: &[&str], now: u64) -> Vec<Probe> {
    let mut probes = forged(entry, others, now);
    let Sound { claims: sound, user } = sound;
    let names = NameClaims::of(entry, sound);
    for path in &names.texts {
        let own = value_at(sound, path).and_then(Value::as_str);
        let values = |name: &str| names_that_become(name, &entry.issuer.username, (path.as_slice(), own), &user.user);
        for value in NAMES.iter().flat_map(|name| values(name)) {
            probes.push(probe(
                format!("a token whose {} is {value:?}", written(path)),
                Aim::SystemName,
                vec![Change::Set(path.clone(), json!(value))],
            ));
        }
        let Some(first) = values(NAMES[0]).into_iter().next() else {
            continue;
        };
        if !names.booleans.is_empty() {
            let flipped = names.booleans.iter().map(|(path, value)| Change::Set(path.clone(), json!(!value)));
            let told: Vec<String> = names
                .booleans
                .iter()
                .map(|(path, value)| format!("{} is {}", written(path), !value))
                .collect();
            probes.push(probe(
                format!("a token whose {} is {first:?} and whose {}", written(path), told.join(" and ")),
                Aim::SystemName,
                flipped.chain([Change::Set(path.clone(), json!(first))]).collect(),
            ));
        }
    }
    for path in entry.sources(Part::Groups) {
        let like = |groups: Value| match (value_at(sound, path), groups.as_array()) {
            // A text that the expression splits.
            (Some(Value::String(_)), Some(groups)) => {
                let texts: Vec<&str> = groups.iter().filter_map(Value::as_str).collect();
                json!(texts.join(","))
            }
            _ => groups,
        };
        let own: Vec<&str> = match value_at(sound, path) {
            Some(Value::Array(items)) => items.iter().filter_map(Value::as_str).collect(),
            Some(Value::String(text)) => vec![text],
            _ => Vec::new(),
        };
        let values = |group: &&str| groups_that_become(group, &entry.issuer.groups, &own, &user.groups);
        for value in GROUPS.iter().flat_map(values) {
            probes.push(probe(
                format!("a token whose {} have {value:?}", written(path)),
                Aim::SystemGroup,
                vec![Change::Set(path.to_vec(), like(json!([value])))],
            ));
        }
        let many: Vec<String> = (0..MANY).map(|number| format!("team-{number}")).collect();
        let mut many = many;
        // The groups that a rule demands stay.
        many.extend(
            value_at(sound, path)
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .map(str::to_owned),
        );
        probes.push(probe(
            format!("a token with {MANY} groups"),
            Aim::ManyGroups,
            vec![Change::Set(path.to_vec(), like(json!(many)))],
        ));
    }
    if entry.of_part(Part::UserName).any(|used| used.read.path == ["email"]) {
        let verified = vec!["email_verified".to_owned()];
        probes.push(probe(
            "a token whose email_verified is false".to_owned(),
            Aim::Email(Some(false)),
            vec![Change::Set(verified.clone(), json!(false))],
        ));
        probes.push(probe(
            "a token without email_verified".to_owned(),
            Aim::Email(None),
            vec![Change::Remove(verified)],
        ));
    }
    for (claim, value) in &entry.issuer.required {
        let part = entry.rule("claim", claim);
        let change = |value: Value| vec![Change::claim(claim, value)];
        match value.as_str() {
            "" => probes.push(probe(
                format!("a token whose {claim} is \"example.com\""),
                Aim::AnyValue(part, claim.clone()),
                change(json!("example.com")),
            )),
            "true" | "false" => probes.push(probe(
                format!("a token whose {claim} is the boolean {value}"),
                Aim::Boolean(part, claim.clone()),
                change(json!(value == "true")),
            )),
            text if is_list(claim) => probes.push(probe(
                format!("a token whose {claim} is the list [{text:?}]"),
                Aim::List(part, claim.clone()),
                change(json!([text])),
            )),
            _ => {}
        }
    }
    for path in entry.paths() {
        probes.extend(unusual(path, sound));
    }
    probes
}

fn probe(what: String, aim: Aim, changes: Vec<Change>) -> Probe {
    Probe {
        what,
        aim,
        changes,
        forgery: None,
    }
}

/// Returns the tokens that no API server may accept.
fn forged(entry: &Entry, others: &[&str], now: u64) -> Vec<Probe> {
    const HOUR: u64 = 3600;
    let url = entry.issuer.url.as_str();
    let slash = match url.strip_suffix('/') {
        Some(without) => without.to_owned(),
        None => format!("{url}/"),
    };
    let other = others.first().copied().unwrap_or("https://other-issuer.example");
    let claims = |what: &str, rule: &'static Rule, changes: Vec<Change>| probe(what.to_owned(), Aim::Never(rule), changes);
    let signature = |what: &str, rule: &'static Rule, forgery: Forgery| Probe {
        forgery: Some(forgery),
        ..probe(what.to_owned(), Aim::Never(rule), Vec::new())
    };
    vec![
        claims(
            "a token that expired an hour ago",
            &rules::EXPIRED,
            vec![
                Change::claim("iat", now - 2 * HOUR),
                Change::claim("nbf", now - 2 * HOUR),
                Change::claim("exp", now - HOUR),
            ],
        ),
        claims(
            "a token that is valid in an hour",
            &rules::EARLY,
            vec![Change::claim("nbf", now + HOUR), Change::claim("exp", now + 2 * HOUR)],
        ),
        claims(
            "a token for another audience",
            &rules::OTHER_AUDIENCE,
            vec![Change::claim("aud", "another-application")],
        ),
        claims(
            "a token that names another issuer",
            &rules::OTHER_ISSUER,
            vec![Change::claim("iss", other)],
        ),
        claims(
            "a token whose issuer differs by the slash at its end",
            &rules::OTHER_SLASH,
            vec![Change::claim("iss", slash)],
        ),
        signature("a token that a stranger's key signed", &rules::OTHER_KEY, Forgery::StrangersKey),
        signature("a token without a signature (alg: none)", &rules::UNSIGNED, Forgery::Unsigned),
        signature(
            "a token whose HS256 secret is the issuer's public key",
            &rules::PUBLIC_KEY_AS_SECRET,
            Forgery::PublicKeyAsSecret,
        ),
    ]
}

/// Returns the tokens whose claim at `path` is unusual.
fn unusual(path: &[String], sound: &Map<String, Value>) -> Vec<Probe> {
    let name = written(path);
    let aim = |unusual: Unusual| Aim::Claim(path.to_vec(), unusual);
    let set = |value: Value| vec![Change::Set(path.to_vec(), value)];
    let mut probes = vec![
        probe(
            format!("a token without {name}"),
            aim(Unusual::Missing),
            vec![Change::Remove(path.to_vec())],
        ),
        probe(
            format!("a token whose {name} is the empty text"),
            aim(Unusual::Empty),
            set(json!("")),
        ),
        probe(format!("a token whose {name} is null"), aim(Unusual::Null), set(Value::Null)),
    ];
    let types = [
        ("a text", json!("team-a")),
        ("a list", json!(["team-a"])),
        ("a number", json!(7)),
        ("a boolean", json!(true)),
        ("the text \"true\"", json!("true")),
        ("an object", json!({ "team-a": {} })),
    ];
    let is_like = |value: &Value| value_at(sound, path).is_some_and(|own| std::mem::discriminant(own) == std::mem::discriminant(value));
    for (type_, value) in types.into_iter().filter(|(_, value)| !is_like(value)) {
        probes.push(probe(
            format!("a token whose {name} is {type_}"),
            aim(Unusual::Type(type_)),
            set(value),
        ));
    }
    if let Some((last, value)) = path.last().zip(value_at(sound, path)) {
        let mut other = path.to_vec();
        if let Some(name) = other.last_mut() {
            *name = match last.to_uppercase() {
                upper if upper != *last => upper,
                _ => last.to_lowercase(),
            };
        }
        if other != path {
            probes.push(probe(
                format!("a token with {} in place of {name}", written(&other)),
                aim(Unusual::Case),
                vec![Change::Remove(path.to_vec()), Change::Set(other, value.clone())],
            ));
        }
    }
    probes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial::{Identified, Source};

    #[test]
    fn each_claim_is_asked_about_in_every_unusual_way() {
        let text = "jwt:\n- issuer: {url: https://a.example, audiences: [k]}\n  claimMappings:\n    \
            username: {expression: 'claims.ok ? claims.sub : claims.email'}\n    groups: {claim: groups, prefix: ''}\n";
        let source = Source {
            authentication: Some(text.to_owned()),
            ..Source::default()
        };
        let entry = Entry::all(&source).remove(0);
        let sound = Sound {
            claims: super::super::sound::candidates(&entry).remove(0),
            user: Identified {
                user: "alice".to_owned(),
                ..Identified::default()
            },
        };
        let all = probes(&entry, &sound, &["https://b.example"], 1_700_000_000);
        let told: Vec<&str> = all.iter().map(|probe| probe.what.as_str()).collect();
        for expected in [
            "a token that expired an hour ago",
            "a token whose sub is \"system:admin\"",
            "a token whose sub is \"system:admin\" and whose ok is false",
            "a token whose groups have \"system:masters\"",
            "a token with 1000 groups",
            "a token whose email_verified is false",
            "a token without groups",
            "a token whose groups is the text \"true\"",
            "a token with GROUPS in place of groups",
            "a token whose sub is a number",
        ] {
            assert!(told.contains(&expected), "{expected}: {told:#?}");
        }
        // An email address is no name of Kubernetes' own, and a type that the claim has is not unusual.
        for unexpected in ["a token whose email is \"system:admin\"", "a token whose groups is a list"] {
            assert!(!told.contains(&unexpected), "{unexpected}");
        }
        // The expression may cut the domain off.
        assert!(told.contains(&"a token whose email is \"system:admin@example.com\""), "{told:#?}");
        let slash = all.iter().find(|probe| probe.aim == Aim::Never(&rules::OTHER_SLASH)).unwrap();
        assert_eq!(slash.changes, [Change::claim("iss", "https://a.example/")]);
    }
}
