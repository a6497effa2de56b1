//! An API server's words about a configuration, and the change that helps: `fixtures/configuration_advice.toml`.
//!
//! The main function is [`advice`].

use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex::{Captures, Regex};
use serde::Deserialize;

use super::words::plain;

/// The meaning of an API server's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Advice {
    /// The mistake in plain English.
    pub(crate) explanation: String,
    /// The change to make, as one imperative sentence.
    pub(crate) change: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    advice: Vec<Row>,
    /// The fields of each mapping, by its path without indexes; the root has the empty path.
    fields: BTreeMap<String, Vec<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    #[serde(deserialize_with = "as_text::deserialize")]
    words: Regex,
    /// Matches of `words` that are not meant.
    #[serde(default)]
    except: Vec<String>,
    explanation: String,
    change: String,
}

mod as_text {
    use regex::Regex;
    use serde::{Deserialize as _, Deserializer, de::Error as _};

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Regex, D::Error> {
        Regex::new(&String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

static TABLE: LazyLock<Table> =
    LazyLock::new(|| toml::from_str(include_str!("../../fixtures/configuration_advice.toml")).expect("covered by a test"));

/// Returns what an API server's words mean, in the order of the table; nothing for words that explain themselves.
pub(crate) fn advice(words: &str) -> Vec<Advice> {
    let words = plain(words);
    let mut all = Vec::new();
    for row in &TABLE.advice {
        let is_meant = |found: &Captures<'_>| !row.except.iter().any(|other| found[0].contains(other));
        for found in row.words.captures_iter(&words).filter(is_meant) {
            let advice = Advice {
                explanation: filled(&row.explanation, &found),
                change: filled(&row.change, &found),
            };
            if !all.contains(&advice) {
                all.push(advice);
            }
        }
    }
    all
}

/// Replaces `{1}` by the first group of the words, and `{resembling}` by advice about the field that it names.
fn filled(text: &str, found: &Captures<'_>) -> String {
    let group = |number: usize| found.get(number).map_or("", |group| group.as_str());
    let mut text = text.replace("{1}", group(1)).replace("{2}", group(2));
    if text.contains("{resembling}") {
        text = text.replace("{resembling}", &resembling(group(1)));
    }
    text
}

/// Returns a change for an unknown field: the field that it resembles, or the place where it belongs.
pub(crate) fn resembling(field: &str) -> String {
    let (above, name) = above_and_name(field);
    let known = TABLE.fields.get(&above).map(Vec::as_slice).unwrap_or_default();
    let alike = |other: &&String| {
        let (name, other) = (name.to_lowercase(), other.to_lowercase());
        name == other
            || strsim::damerau_levenshtein(&name, &other) <= 2
            || strsim::jaro_winkler(&name, &other) > 0.9
            || (name.len() > 2 && other.starts_with(&name))
    };
    let nearest = known
        .iter()
        .filter(alike)
        .min_by_key(|other| strsim::damerau_levenshtein(&name.to_lowercase(), &other.to_lowercase()));
    if let Some(nearest) = nearest {
        return format!("write `{nearest}` for `{name}`");
    }
    // The same name elsewhere: an indentation that is wrong.
    if let Some(place) = TABLE
        .fields
        .iter()
        .find(|(_, fields)| fields.contains(&name))
        .map(|(place, _)| place)
    {
        return match place.as_str() {
            "" => format!("put `{name}` at the top of the file, without indentation"),
            place => format!("put `{name}` below `{place}`"),
        };
    }
    match known {
        [] => format!("remove `{name}`"),
        known => format!("write one of {}, or remove `{name}`", known.join(", ")),
    }
}

/// Splits a path with indexes into the path above, without indexes, and the name.
fn above_and_name(field: &str) -> (String, String) {
    let plain: Vec<&str> = field.split('.').map(|part| part.split('[').next().unwrap_or(part)).collect();
    match plain.split_last() {
        Some((name, above)) => (above.join("."), (*name).to_owned()),
        None => (String::new(), String::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_each_mistake_have_advice() {
        for (words, expected) in [
            (
                r#"no kind "AuthenticationConfiguration" is registered for version "apiserver.config.k8s.io/v1" in scheme"#,
                "write apiserver.config.k8s.io/v1beta1",
            ),
            (
                r#"no kind "AuthenticationConfig" is registered for version "apiserver.config.k8s.io/v1beta1""#,
                "kind: AuthenticationConfiguration",
            ),
            (
                r#"strict decoding error: unknown field "jwt[0].issuer.audience""#,
                "write `audiences` for `audience`",
            ),
            (
                r#"strict decoding error: unknown field "jwt[0].issuer.claimMappings""#,
                "put `claimMappings` below `jwt`",
            ),
            (
                "json: cannot unmarshal bool into Go struct field ClaimValidationRule.jwt.claimValidationRules.requiredValue of type string",
                "claims.email_verified == true",
            ),
            (
                "json: cannot unmarshal bool into Go struct field UserValidationRule.jwt.userValidationRules.message of type string",
                "write quotes",
            ),
            (
                "prefix is required when claim is set. It can be set to an empty string to disable prefixing",
                "prefix: \"\"",
            ),
            (
                "claims.email_verified must be used in claimMappings.username.expression or claimMappings.extra[*].valueExpression",
                "claims.email_verified",
            ),
            (
                "jwt[0].claimMappings.username.prefix: Invalid value: \"x\": prefix can't be set when expression is set",
                "into the expression",
            ),
            (
                "jwt[0].claimMappings.username: Invalid value: \"x\": may not be specified when expression is set",
                "into the expression",
            ),
            (
                "compilation failed: ERROR: <input>:1:13: Syntax error: mismatched input '<EOF>'",
                "complete the expression",
            ),
            ("ERROR: <input>:1:1: undeclared reference to 'claim' (in container '')", "`claims`"),
            ("URL scheme must be https", "https"),
            ("at least one jwt[0].issuer.audiences is required", "audience"),
            (
                "audienceMatchPolicy must be MatchAny for multiple audiences",
                "audienceMatchPolicy: MatchAny",
            ),
            (
                "jwt[1].issuer.url: Duplicate value: \"https://login.example.com\"",
                "both audiences",
            ),
            ("discoveryURL must be different from URL", "leave"),
            ("data does not contain any valid RSA or ECDSA certificates", "BEGIN CERTIFICATE"),
            ("key must be lowercase", "small letters"),
            (
                "jwt[0].claimMappings.extra[0].key: Invalid value: \"A.b/c\": must be lowercase",
                "small letters",
            ),
            (
                "k8s.io, kubernetes.io and their subdomains are reserved for Kubernetes use",
                "a domain of your own",
            ),
            (r#"strict decoding error: unknown field "anonymous""#, "1.32"),
            (
                "anonymous: Forbidden: --anonymous-auth flag cannot be set when anonymous field is configured",
                "remove the flag",
            ),
            (r#"strict decoding error: unknown field "jwt""#, "kind: AuthenticationConfiguration"),
            ("yaml: line 5: found character that cannot start any token", "blanks"),
            ("authentication-config file and oidc-* flags are mutually exclusive", "move"),
        ] {
            let all = advice(words);
            let told: Vec<String> = all
                .iter()
                .map(|advice| format!("{}: {}", advice.explanation, advice.change))
                .collect();
            assert!(told.iter().any(|told| told.contains(expected)), "{words}\n{told:#?}");
        }
        assert_eq!(advice("cannot start: exit status 1"), []);
    }

    #[test]
    fn no_advice_has_a_placeholder_left_or_a_full_stop() {
        for row in &TABLE.advice {
            for text in [&row.explanation, &row.change] {
                assert!(!text.ends_with('.') && !text.is_empty(), "{text}");
                let filled = text.replace("{1}", "").replace("{2}", "").replace("{resembling}", "");
                assert!(
                    !filled.contains("{}") && row.words.captures_len() > usize::from(text.contains("{1}")),
                    "{text}"
                );
            }
        }
    }

    #[test]
    fn an_unknown_field_has_a_change() {
        for (field, expected) in [
            ("jwt[0].issuer.audience", "write `audiences` for `audience`"),
            ("jwt[1].issuer.URL", "write `url` for `URL`"),
            ("jwt[0].claimMapping", "write `claimMappings` for `claimMapping`"),
            ("jwt[0].claimMappings.user", "write `username` for `user`"),
            ("claimMappings", "put `claimMappings` below `jwt`"),
            ("jwt[0].anonymous", "put `anonymous` at the top of the file, without indentation"),
            (
                "jwt[0].claimMappings.groups.separator",
                "write one of claim, prefix, expression, or remove `separator`",
            ),
            ("x.y", "remove `y`"),
        ] {
            assert_eq!(resembling(field), expected, "{field}");
        }
    }
}
