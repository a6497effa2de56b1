//! The file as a whole, table by table. The main function is [`project`].

use std::collections::BTreeMap;
use std::path::PathBuf;

use toml::de::{DeTable, DeValue};

use super::paths::{Expected, manifests, path};
use super::people::{Credential, Person, people};
use super::reader::{Key, Reader, Value, type_of};
use super::{ApiServer, Check, Features, Keycloak, KubernetesVersions, Project, keys};
use crate::diagnostic::{Diagnostics, Placed};
use crate::server_binaries::Versions;

/// Flags that have a key of their own, and that key.
const KEYS_OF_FLAGS: [(&str, &str); 2] = [
    ("authentication-config", "authentication-configuration"),
    ("authorization-config", "authorization-configuration"),
];

/// Reads the text of a project.
pub(super) fn project(text: &str, shown: String, directory: PathBuf) -> Result<Project, Diagnostics> {
    let (table, errors) = DeTable::parse_recoverable(text);
    let mut reader = Reader::new(&shown, text, &directory);
    // A broken line leads to further mistakes that nobody made; a key given twice breaks nothing.
    let is_broken = errors.iter().any(|error| !error.message().contains("duplicate key"));
    for error in errors {
        let span = error.span().unwrap_or(text.len()..text.len());
        reader.tell(span, format!("not TOML: {}", error.message()));
    }
    if is_broken {
        return Err(no_project(reader));
    }
    let table = table.get_ref();
    reader.check_keys(table, &keys::TOP);
    let kubernetes = table.get("kubernetes").and_then(|value| kubernetes(&mut reader, value));
    let api_server = table.get("api-server");
    let api_server = api_server.map_or_else(ApiServer::default, |value| api_server_of(&mut reader, value));
    let list = table.get("manifests").map(|value| reader.list("manifests", value));
    let manifests = list
        .into_iter()
        .flatten()
        .filter_map(|value| manifests(&mut reader, value))
        .collect();
    let keycloak = table.get("keycloak").and_then(|value| keycloak(&mut reader, value));
    let features = table
        .get("features")
        .map_or_else(Features::default, |value| features(&mut reader, value));
    let people = table.get("people").map_or_else(BTreeMap::new, |value| people(&mut reader, value));
    if !table.contains_key("keycloak") {
        tell_logins_without_realm(&mut reader, &people);
    }
    let check = table.get("check").map_or_else(Check::default, |value| check(&mut reader, value));
    Diagnostics::none_of(reader.mistakes)?;
    Ok(Project {
        shown,
        directory,
        kubernetes,
        api_server,
        manifests,
        keycloak,
        features,
        people,
        check,
    })
}

fn no_project(reader: Reader<'_>) -> Diagnostics {
    Diagnostics::none_of(reader.mistakes).expect_err("a mistake was told")
}

fn kubernetes(reader: &mut Reader<'_>, value: &Value<'_>) -> Option<Placed<KubernetesVersions>> {
    if let DeValue::Array(_) = value.get_ref() {
        reader.wrong_type(
            "kubernetes",
            value,
            "a string",
            "versions in one string, such as \"1.34,1.36\" or \"1.34..1.37\"",
        );
        return None;
    }
    let written = reader.text("kubernetes", value)?;
    match Versions::pinned().kubernetes_in(&written.value) {
        Ok(versions) => Some(written.map(|written| KubernetesVersions { written, versions })),
        Err(error) => {
            reader.tell_with(
                value.span(),
                error.to_string(),
                "write a version, a list or a range: \"1.34\", \"1.34,1.36\", \"1.34..1.37\"",
            );
            None
        }
    }
}

fn api_server_of<'a>(reader: &mut Reader<'a>, value: &Value<'a>) -> ApiServer {
    let Some(table) = reader.table("api-server", value, &keys::API_SERVER) else {
        return ApiServer::default();
    };
    let mut file = |name: &str| table.get(name).and_then(|value| path(reader, name, value, Expected::File));
    let authentication_configuration = file("authentication-configuration");
    let authorization_configuration = file("authorization-configuration");
    let from = file("from");
    let flags = table.get("flags").map_or_else(Vec::new, |value| flags(reader, value, table));
    ApiServer {
        authentication_configuration,
        authorization_configuration,
        flags,
        from,
    }
}

fn flags<'a>(reader: &mut Reader<'a>, value: &Value<'a>, api_server: &DeTable<'a>) -> Vec<(Placed<String>, String)> {
    let DeValue::Table(table) = value.get_ref() else {
        reader.wrong_type("flags", value, "a table", "{ \"oidc-issuer-url\" = \"https://…\" }");
        return Vec::new();
    };
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    let mut flags = Vec::new();
    for (key, value) in entries {
        let name = key.get_ref().as_ref();
        check_flag(reader, key, api_server);
        let place = reader.place(key.span());
        for text in flag_values(reader, name, value) {
            let name = Placed {
                value: name.to_owned(),
                place: place.clone(),
            };
            flags.push((name, text));
        }
    }
    flags
}

/// Tells a flag that an API server does not take in this form, or not beside the project's other keys.
fn check_flag(reader: &mut Reader<'_>, key: &Key<'_>, api_server: &DeTable<'_>) {
    let (name, span) = (key.get_ref().as_ref(), key.span());
    let corrected = name.trim_start_matches('-').replace('_', "-");
    if let Some((plain, value)) = corrected.split_once('=') {
        return reader.tell_with(
            span,
            format!("the name of the flag `{name}` has a value in it"),
            format!("write \"{plain}\" = \"{value}\""),
        );
    }
    if corrected != name {
        let message = format!("`{name}` is not the name of a flag (expected it without dashes in front, words joined by `-`)");
        return reader.tell_with(span, message, format!("write \"{corrected}\""));
    }
    if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') {
        return reader.tell(span, format!("{name:?} is not the name of a flag"));
    }
    if let Some((_, instead)) = KEYS_OF_FLAGS.iter().find(|(flag, _)| *flag == name) {
        return reader.tell_with(
            span,
            format!("the file of --{name} has a key of its own"),
            format!("write {instead} = \"…\" in [api-server]"),
        );
    }
    // kube-apiserver's pkg/kubeapiserver/options, authentication.go and authorization.go.
    let both = |reader: &mut Reader<'_>, other: &str, hint: &str| {
        let message = format!("an API server refuses --{name} together with `{other}`");
        reader.tell_with(span.clone(), message, hint);
    };
    if name.starts_with("oidc-") && api_server.contains_key("authentication-configuration") {
        both(
            reader,
            "authentication-configuration",
            "move the flag into the file, or remove the file",
        );
    }
    let is_authorization = name == "authorization-mode" || name.starts_with("authorization-webhook-");
    if is_authorization && api_server.contains_key("authorization-configuration") {
        both(
            reader,
            "authorization-configuration",
            "move the flag into the file, or remove the file",
        );
    }
}

/// Returns the values of a flag: a list means that the flag is given several times.
fn flag_values<'a>(reader: &mut Reader<'a>, name: &str, value: &Value<'a>) -> Vec<String> {
    match value.get_ref() {
        // An empty value is one: `--oidc-groups-prefix=`.
        DeValue::String(text) => vec![text.clone().into_owned()],
        DeValue::Boolean(value) => vec![value.to_string()],
        DeValue::Integer(integer) if integer.radix() == 10 => vec![integer.as_str().to_owned()],
        DeValue::Array(list) if list.iter().all(|value| value.get_ref().is_str()) => list
            .iter()
            .filter_map(|value| value.get_ref().as_str().map(str::to_owned))
            .collect(),
        other => {
            let message = format!(
                "`{name}` is {}, expected a string, a list of strings, an integer or a boolean",
                type_of(other)
            );
            reader.tell(value.span(), message);
            Vec::new()
        }
    }
}

fn keycloak<'a>(reader: &mut Reader<'a>, value: &Value<'a>) -> Option<Keycloak> {
    let table = reader.table("keycloak", value, &keys::KEYCLOAK)?;
    let issuer = table.get("issuer").and_then(|value| reader.text("issuer", value));
    match table.get("realm") {
        Some(realm) => path(reader, "realm", realm, Expected::FileOrFolder).map(|realm| Keycloak { realm, issuer }),
        None => {
            // An unknown key may have been meant, and was told.
            if table.keys().all(|key| key.get_ref() == "issuer") {
                reader.tell_with(
                    value.span(),
                    "[keycloak] has no realm",
                    "add realm = \"FILE\", an export of the realm",
                );
            }
            None
        }
    }
}

/// Tells everybody who logs in at a Keycloak that the project does not have.
fn tell_logins_without_realm(reader: &mut Reader<'_>, people: &BTreeMap<String, Person>) {
    for person in people.values() {
        if let Credential::Keycloak(login) = &person.credential {
            let message = format!("`{}` logs in at Keycloak, and the project has no realm", person.name.value);
            reader.tell_at(
                &login.place,
                message,
                "add [keycloak] with realm = \"FILE\", an export of the realm",
            );
        }
    }
}

fn features<'a>(reader: &mut Reader<'a>, value: &Value<'a>) -> Features {
    let Some(table) = reader.table("features", value, &keys::FEATURES) else {
        return Features::default();
    };
    let paths = table.get("paths").map(|value| reader.list("paths", value));
    let paths = paths.into_iter().flatten();
    let paths = paths
        .filter_map(|value| path(reader, "paths", value, Expected::FileOrFolder))
        .collect();
    let tags = table.get("tags").map_or_else(BTreeMap::new, |value| tags(reader, value));
    Features { paths, tags }
}

fn tags<'a>(reader: &mut Reader<'a>, value: &Value<'a>) -> BTreeMap<String, Placed<String>> {
    let DeValue::Table(table) = value.get_ref() else {
        reader.wrong_type("tags", value, "a table", "{ smoke = \"before every merge\" }");
        return BTreeMap::new();
    };
    let mut tags = BTreeMap::new();
    for (key, value) in table {
        let name = key.get_ref().as_ref();
        let plain = name.trim_start_matches('@');
        let is_word = !plain.is_empty() && plain.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | '.'));
        if !is_word {
            reader.tell(
                key.span(),
                format!("{name:?} is not the name of a tag (expected letters, digits, `-`, `_` and `.`)"),
            );
        } else if plain != name {
            reader.tell_with(
                key.span(),
                format!("the tag `{name}` is written with its `@`"),
                format!("write {plain}: only features have the `@`"),
            );
        }
        if let Some(meaning) = reader.text(name, value) {
            tags.insert(plain.to_owned(), meaning);
        }
    }
    tags
}

fn check<'a>(reader: &mut Reader<'a>, value: &Value<'a>) -> Check {
    let table = reader.table("check", value, &keys::CHECK);
    let off = table.and_then(|table| table.get("off"));
    Check {
        off: off.map_or_else(Vec::new, |value| reader.texts("off", value)),
    }
}
