//! The flags of kube-apiserver, by their bearing on authentication and authorization: `fixtures/api_server_flags.toml`.
//!
//! The main function is [`known`]. A flag without a row reaches no API server of a lab.

use std::sync::LazyLock;

use serde::Deserialize;

use crate::similar::similar;

/// How a lab's API server treats a flag of somebody's API server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Class {
    /// The lab's API server gets it as it is.
    Taken,
    /// The lab's API server gets the path of what stands in for the user's own, where it is needed.
    Redirected,
    /// The lab has its own: certificates, etcd, ports, keys.
    Replaced,
    /// It is left out: it has no bearing on who somebody is and what they may do, or somebody outside would be asked.
    Left,
    /// No API server answers with it.
    Refused,
}

/// The content of a file that a flag names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Reads {
    AuthenticationConfiguration,
    AuthorizationConfiguration,
    EgressSelectorConfiguration,
    Certificates,
    Kubeconfig,
    /// Lines with token, user name, UID and groups.
    Tokens,
    Keys,
    /// Lines with rules of ABAC.
    Policies,
}

/// A flag of kube-apiserver.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Known {
    /// The name without dashes, or the beginning of several names and `*`.
    pub(crate) name: String,
    pub(crate) class: Class,
    /// The content of the file, if the value is the path of one.
    pub(crate) reads: Option<Reads>,
    /// The reason of the class, in a few words.
    pub(crate) why: String,
    /// `true` if there is a remark about a flag that is not taken also where a whole cluster's flags are read.
    #[serde(default)]
    pub(crate) is_told: bool,
    /// An item of a list that is left out, and what stands there if no other is left.
    pub(crate) without: Option<String>,
    pub(crate) instead: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    flag: Vec<Known>,
}

static TABLE: LazyLock<Table> =
    LazyLock::new(|| toml::from_str(include_str!("../../fixtures/api_server_flags.toml")).expect("covered by a test"));

/// Returns the row of a flag: the one with its name, or else the one with the longest beginning. A flag that no API server has, or whose
/// name cannot be one, has none.
pub(crate) fn known(name: &str) -> Option<&'static Known> {
    let rows = || TABLE.flag.iter();
    rows().find(|row| row.name == name).or_else(|| {
        // A name with more in it than a name, such as a value, is no flag: whatever it begins with.
        let is_name = name
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        let begins = |row: &&Known| row.name.strip_suffix('*').is_some_and(|beginning| name.starts_with(beginning));
        rows().filter(|_| is_name).filter(begins).max_by_key(|row| row.name.len())
    })
}

/// Returns `true` if a lab's API server gets the flag as it is.
pub(crate) fn is_taken(name: &str) -> bool {
    known(name).is_some_and(|row| row.class == Class::Taken)
}

/// Returns the flag that may have been meant by one that no API server has.
pub(crate) fn resembling(name: &str) -> Option<String> {
    let names = TABLE.flag.iter().map(|row| row.name.as_str()).filter(|name| !name.ends_with('*'));
    similar(name, names, 1).pop()
}

/// Returns all rows.
#[cfg(test)]
pub(crate) fn all() -> &'static [Known] {
    &TABLE.flag
}

/// Returns the name of a flag as kube-apiserver knows it: without dashes in front, and with dashes for underscores
/// (`k8s.io/component-base/cli/flag`, `WordSepNormalizeFunc`).
pub(crate) fn normalized(name: &str) -> String {
    name.trim().trim_start_matches('-').replace('_', "-")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_table_is_sound() {
        let mut names = BTreeSet::new();
        for row in &TABLE.flag {
            assert!(names.insert(&row.name), "{} stands twice", row.name);
            assert_eq!(row.name, normalized(&row.name));
            assert!(!row.why.is_empty() && !row.why.ends_with('.'), "{}: {:?}", row.name, row.why);
            let stem = row.name.trim_end_matches('*');
            assert!(!stem.contains('*') && (stem == row.name || stem.len() > 3), "{}", row.name);
            // A flag that a later version adds may do anything.
            assert!(row.class != Class::Taken || stem == row.name, "{}", row.name);
            assert!(!row.is_told || row.class != Class::Taken, "{}", row.name);
            assert_eq!(row.without.is_some(), row.instead.is_some(), "{}", row.name);
        }
    }

    #[test]
    fn a_flag_has_the_class_of_its_name_or_of_its_longest_beginning() {
        for (name, expected) in [
            (
                "authentication-config",
                Some((Class::Taken, Some(Reads::AuthenticationConfiguration))),
            ),
            ("oidc-ca-file", Some((Class::Redirected, Some(Reads::Certificates)))),
            ("oidc-username-claim", Some((Class::Taken, None))),
            ("oidc-usrname-claim", None),
            ("client-ca-file", Some((Class::Replaced, Some(Reads::Certificates)))),
            ("service-account-issuer", Some((Class::Taken, None))),
            ("service-account-signing-key-file", Some((Class::Replaced, None))),
            ("etcd-cafile", Some((Class::Replaced, None))),
            ("feature-gates", Some((Class::Taken, None))),
            ("authorization-webhook-config-file", Some((Class::Left, Some(Reads::Kubeconfig)))),
            ("authorization-webhook-version", Some((Class::Left, None))),
            ("enable-admission-plugins", Some((Class::Left, None))),
            ("audit-log-path", Some((Class::Replaced, None))),
            ("requestheader-client-ca-file", Some((Class::Replaced, Some(Reads::Certificates)))),
            ("requestheader-username-headers", Some((Class::Replaced, None))),
            ("never-heard-of", None),
            ("bind-address=192.0.2.1", None),
            ("etcd-servers=https://db", None),
            ("", None),
        ] {
            assert_eq!(known(name).map(|row| (row.class, row.reads)), expected, "{name}");
        }
        assert_eq!(normalized("--oidc_issuer-url"), "oidc-issuer-url");
        assert_eq!(resembling("anonymous-auht").as_deref(), Some("anonymous-auth"));
    }
}
