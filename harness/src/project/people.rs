//! The people of a project and their credentials. The main types are [`Person`] and [`Credential`].

use std::collections::BTreeMap;
use std::ops::Range;

use serde_json::{Map, Value as Json};
use toml::de::{DeTable, DeValue};

use super::claims::claims;
use super::keys;
use super::paths::{Expected, ProjectPath, path};
use super::reader::{Key, Reader, Value};
use crate::diagnostic::{Place, Placed};

/// A person of a project.
#[derive(Clone, Debug, PartialEq)]
pub struct Person {
    /// The name, where the file says it.
    pub name: Placed<String>,
    /// The credential.
    pub credential: Credential,
}

/// The credential of a person: exactly one kind.
#[derive(Clone, Debug, PartialEq)]
pub enum Credential {
    /// A token of one of the issuers that the configuration names.
    Token(Token),
    /// A client certificate.
    Certificate {
        /// The common name: the user's name.
        common_name: Placed<String>,
        /// The organizations: the user's groups.
        organizations: Vec<Placed<String>>,
    },
    /// A token of a service account.
    ServiceAccount {
        /// The namespace.
        namespace: String,
        /// The name in the namespace.
        name: String,
        /// The place of both.
        place: Place,
    },
    /// A login at the project's realm.
    Keycloak(KeycloakLogin),
    /// A context of a kubeconfig, for clusters that exist.
    Context(Placed<String>),
    /// A token in a file, which need not exist yet.
    TokenFile(Placed<ProjectPath>),
}

/// A token of a person.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Token {
    /// The issuer; without one, the only issuer of the configuration is meant.
    pub issuer: Option<Placed<String>>,
    /// The shape of a provider's tokens, to which the claims are added.
    pub like: Option<Placed<String>>,
    /// The claims.
    pub claims: Map<String, Json>,
    /// The place of each claim.
    pub places: BTreeMap<String, Place>,
    /// The names of claims that it does not have, although its shape, or every token, has them.
    pub without: Vec<Placed<String>>,
}

/// A login of a person at the project's realm.
#[derive(Clone, Debug, PartialEq)]
pub struct KeycloakLogin {
    /// The user; without one, it is named like the person.
    pub user: Option<Placed<String>>,
    /// The client; without one, it is the client whose name is an audience of the configuration.
    pub client: Option<Placed<String>>,
    /// The scopes that are asked for beside `openid`.
    pub scopes: Vec<Placed<String>>,
    /// The place of all of them.
    pub place: Place,
}

/// The keys of each kind of credential, with the name of the kind.
const KINDS: [(&str, &[&str]); 6] = [
    ("a token", &["issuer", "claims", "like", "without"]),
    ("a certificate", &["certificate"]),
    ("a service account", &["service-account"]),
    ("a login at Keycloak", &["keycloak"]),
    ("a context", &["context"]),
    ("a token file", &["token-file"]),
];

/// Reads `[people]`.
pub(super) fn people<'a>(reader: &mut Reader<'a>, value: &Value<'a>) -> BTreeMap<String, Person> {
    let DeValue::Table(table) = value.get_ref() else {
        reader.wrong_type("people", value, "a table", "a table [people.NAME] for each person");
        return BTreeMap::new();
    };
    let (mut people, mut lower) = (BTreeMap::new(), BTreeMap::new());
    for (key, value) in table {
        let name = key.get_ref().as_ref();
        check_name(reader, key.span(), name);
        if let Some(other) = lower.insert(name.to_ascii_lowercase(), name) {
            reader.tell(
                key.span(),
                format!("`{name}` and `{other}` are the same name in features, where case does not count"),
            );
        }
        let Some(person) = reader.table(&format!("people.{name}"), value, &keys::PERSON) else {
            continue;
        };
        if let Some(credential) = credential(reader, name, key.span(), person) {
            let name = Placed {
                value: name.to_owned(),
                place: reader.place(key.span()),
            };
            people.insert(name.value.clone(), Person { name, credential });
        }
    }
    people
}

/// Words of steps that stand for somebody, or before a name.
const WORDS: [&str; 5] = ["he", "it", "she", "the", "they"];

/// Tells a name that a step cannot have: it is one word there, with or without a capital.
fn check_name(reader: &mut Reader<'_>, span: Range<usize>, name: &str) {
    let valid = valid_name(name);
    if valid != name || name.is_empty() {
        let message = format!("{name:?} is not a person's name (expected a letter, then letters, digits and `-`)");
        match valid.as_str() {
            "" => reader.tell(span, message),
            valid => reader.tell_with(span, message, format!("write `{valid}`")),
        }
    } else if is_a_steps_word(name) {
        reader.tell(span, format!("`{name}` is not a person's name: steps use the word for anybody"));
    }
}

/// Returns the name that a step can have and that resembles `name` most: itself, if it is one; blank if nothing of it can stay.
#[must_use]
pub fn valid_name(name: &str) -> String {
    let is_inside = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let valid: String = name.chars().map(|c| if is_inside(c) { c } else { '-' }).collect();
    valid.trim_start_matches(|c: char| !c.is_ascii_alphabetic()).to_owned()
}

/// Returns `true` if steps use the word `name` for anybody.
#[must_use]
pub fn is_a_steps_word(name: &str) -> bool {
    WORDS.contains(&name.to_ascii_lowercase().as_str())
}

fn credential<'a>(reader: &mut Reader<'a>, name: &str, span: Range<usize>, person: &DeTable<'a>) -> Option<Credential> {
    // The keys in the order of the file, each with its kind.
    let mut given: Vec<(Range<usize>, &str, &str)> = Vec::new();
    for (key, _) in person {
        let kind = KINDS.iter().find(|(_, keys)| keys.contains(&key.get_ref().as_ref()));
        given.extend(kind.map(|(kind, _)| (key.span(), key.get_ref().as_ref(), *kind)));
    }
    given.sort_by_key(|(span, ..)| span.start);
    let Some((_, first, kind)) = given.first().cloned() else {
        // An unknown key may have been meant as one, and was told.
        if person.is_empty() {
            let hint = "give one: claims, certificate, service-account, keycloak, context or token-file";
            reader.tell_with(span, format!("`{name}` has no credential"), hint);
        }
        return None;
    };
    let mut is_sound = true;
    for (span, key, other) in given.iter().filter(|(_, _, other)| *other != kind) {
        is_sound = false;
        let (message, hint) = if *key == "like" || first == "like" {
            let other = if *key == "like" { kind } else { other };
            let message = format!("`like` is the shape of a token, and `{name}` has {other}");
            (message, "remove `like`, or give claims".to_owned())
        } else {
            let message = format!("`{name}` has two kinds of credential: {kind} (`{first}`) and {other} (`{key}`)");
            (message, "remove one, or make them two people".to_owned())
        };
        reader.tell_with(span.clone(), message, hint);
    }
    let read = one_kind(reader, name, person, kind);
    read.filter(|_| is_sound)
}

fn one_kind<'a>(reader: &mut Reader<'a>, name: &str, person: &DeTable<'a>, kind: &str) -> Option<Credential> {
    // Other kinds are read, too: their mistakes belong to the file's.
    let token = token(reader, name, person);
    let certificate = person.get("certificate").and_then(|value| certificate(reader, name, value));
    let account = person.get("service-account").and_then(|value| service_account(reader, value));
    let login = person.get("keycloak").and_then(|value| login(reader, value));
    let context = person.get("context").and_then(|value| reader.text("context", value));
    let file = person.get("token-file");
    let file = file.and_then(|value| path(reader, "token-file", value, Expected::Later));
    match kind {
        "a token" => token.map(Credential::Token),
        "a certificate" => certificate,
        "a service account" => account,
        "a login at Keycloak" => login.map(Credential::Keycloak),
        "a context" => context.map(Credential::Context),
        _ => file.map(Credential::TokenFile),
    }
}

/// Reads a token; `None` if a part of it is wrong.
fn token<'a>(reader: &mut Reader<'a>, name: &str, person: &DeTable<'a>) -> Option<Token> {
    let before = reader.mistakes.len();
    let issuer = person.get("issuer").and_then(|value| reader.text("issuer", value));
    let like = person.get("like").and_then(|value| reader.text("like", value));
    let (mut map, mut places) = (Map::new(), BTreeMap::new());
    if let Some(value) = person.get("claims") {
        if let DeValue::Table(table) = value.get_ref() {
            map = claims(reader, "claims", table);
            let place = |(key, value): (&Key<'a>, &Value<'a>)| {
                let span = key.span().start..value.span().end;
                (key.get_ref().to_string(), reader.place(span))
            };
            places = table.iter().map(place).collect();
        } else {
            reader.wrong_type("claims", value, "a table", &format!("a table [people.{name}.claims]"));
        }
    }
    let missing = person.get("without").map_or_else(Vec::new, |value| reader.texts("without", value));
    if let (Some(value), Some(both)) = (person.get("without"), missing.iter().find(|name| map.contains_key(&name.value))) {
        let message = format!("`{}` is among the claims, and among those that are left out", both.value);
        reader.tell_with(value.span(), message, "remove one of them");
    }
    let token = Token {
        issuer,
        like,
        claims: map,
        places,
        without: missing,
    };
    (reader.mistakes.len() == before).then_some(token)
}

fn certificate<'a>(reader: &mut Reader<'a>, name: &str, value: &Value<'a>) -> Option<Credential> {
    let DeValue::Table(table) = value.get_ref() else {
        let example = format!("{{ common-name = \"{name}\", organizations = [\"…\"] }}");
        reader.wrong_type("certificate", value, "a table", &example);
        return None;
    };
    reader.check_keys(table, &keys::CERTIFICATE);
    let organizations = table.get("organizations");
    let organizations = organizations.map_or_else(Vec::new, |value| reader.texts("organizations", value));
    let Some(common_name) = table.get("common-name") else {
        let hint = format!("add common-name = \"{name}\": it is the user's name");
        reader.tell_with(value.span(), "the certificate has no common-name", hint);
        return None;
    };
    let common_name = reader.text("common-name", common_name)?;
    Some(Credential::Certificate {
        common_name,
        organizations,
    })
}

fn login<'a>(reader: &mut Reader<'a>, value: &Value<'a>) -> Option<KeycloakLogin> {
    let before = reader.mistakes.len();
    let DeValue::Table(table) = value.get_ref() else {
        let example = "{ user = \"…\", client = \"…\" }";
        reader.wrong_type("keycloak", value, "a table", example);
        return None;
    };
    reader.check_keys(table, &keys::LOGIN);
    let login = KeycloakLogin {
        user: table.get("user").and_then(|value| reader.text("user", value)),
        client: table.get("client").and_then(|value| reader.text("client", value)),
        scopes: table.get("scopes").map_or_else(Vec::new, |value| reader.texts("scopes", value)),
        place: reader.place(value.span()),
    };
    (reader.mistakes.len() == before).then_some(login)
}

fn service_account(reader: &mut Reader<'_>, value: &Value<'_>) -> Option<Credential> {
    let written = reader.text("service-account", value)?;
    match account(&written.value) {
        Ok((namespace, name)) => Some(Credential::ServiceAccount {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            place: written.place,
        }),
        Err(NotAnAccount { message, example }) => {
            reader.tell_with(value.span(), message, format!("write \"{example}\""));
            None
        }
    }
}

/// A text that names no service account.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct NotAnAccount {
    message: String,
    /// The account that may be meant, or any.
    pub example: String,
}

/// Returns the namespace and the name of the service account `written`, `NAMESPACE/NAME`.
///
/// # Errors
/// One of them is not the name of an object (RFC 1123); a service account's may have dots, a namespace's may not.
pub fn account(written: &str) -> Result<(&str, &str), NotAnAccount> {
    let is_label = |text: &str| {
        let inside = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let ends = |c: char| inside(c) && c != '-';
        (1..=63).contains(&text.len()) && text.chars().all(inside) && text.starts_with(ends) && text.ends_with(ends)
    };
    let is_name = |text: &str| text.len() <= 253 && text.split('.').all(is_label);
    if let Some((namespace, name)) = written.split_once('/')
        && is_label(namespace)
        && is_name(name)
    {
        return Ok((namespace, name));
    }
    let plain = written.strip_prefix("system:serviceaccount:").and_then(|rest| rest.split_once(':'));
    Err(NotAnAccount {
        message: format!("`{written}` is not a service account (expected NAMESPACE/NAME)"),
        example: match plain {
            Some((namespace, name)) => format!("{namespace}/{name}"),
            None if is_name(written) => format!("default/{written}"),
            None => "ci/deployer".to_owned(),
        },
    })
}
