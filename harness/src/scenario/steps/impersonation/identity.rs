//! The identities that requests impersonate, and the permissions for them.
//!
//! The main type is [`ImpersonatedIdentity`]: the requested identity, as features say it.

use std::fmt::Write as _;
use std::str::FromStr;
use std::sync::LazyLock;

use anyhow::{Context, Result};
use regex::Regex;

use crate::scenario::steps::Texts;
use crate::scenario::steps::rights::Right;

const AUTHENTICATION: &str = "authentication.k8s.io";

/// The identity that a request impersonates: `the user "bob" in the group "on-call" with the UID "4711"`.
#[derive(Clone, Debug, Default, PartialEq, Eq, cucumber::Parameter)]
#[param(
    name = "impersonated",
    regex = r#"(?:nobody|(?:him|her|it)self|the node of its pod|another node|the (?:user|service account|node) "[^"]*")(?: in the groups? "[^"]*"(?:(?:, | and )"[^"]*")*)?(?: with the UID "[^"]*")?(?: with the (?:unescaped )?extra "[^"]*" of "[^"]*"(?:(?:, | and )"[^"]*")*)?"#
)]
pub(super) struct ImpersonatedIdentity {
    pub(super) whom: Whom,
    groups: Vec<String>,
    uid: Option<String>,
    extra: Option<Extra>,
}

/// The user in an impersonated identity.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Whom {
    /// A user that the request does not name, although it names groups, a UID or extra.
    #[default]
    Nobody,
    /// The caller: the request impersonates nobody at all.
    Oneself,
    User(String),
    ServiceAccount(String),
    Node(String),
    NodeOfItsPod,
    AnotherNode,
}

/// A key with its values, and the key's spelling in a header's name.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Extra {
    key: String,
    spelled: String,
    values: Vec<String>,
}

impl FromStr for ImpersonatedIdentity {
    type Err = anyhow::Error;

    fn from_str(said: &str) -> Result<Self> {
        static PARTS: LazyLock<Result<Regex, regex::Error>> = LazyLock::new(|| {
            Regex::new(
                r#"^(?<whom>nobody|(?:him|her|it)self|the node of its pod|another node|the (?<kind>user|service account|node) "(?<name>[^"]*)")(?: in the groups? (?<groups>"[^"]*"(?:(?:, | and )"[^"]*")*))?(?: with the UID "(?<uid>[^"]*)")?(?: with the (?<raw>unescaped )?extra "(?<key>[^"]*)" of (?<values>.*))?$"#,
            )
        });
        let parts = PARTS
            .as_ref()?
            .captures(said)
            .with_context(|| format!("nobody can be impersonated as: {said}"))?;
        let text = |part: &str| parts.name(part).map(|found| found.as_str().to_owned());
        let texts = |part: &str| text(part).map(|all| all.parse::<Texts>().map_or_else(|never| match never {}, |all| all.0));
        let extra = |key: String| Extra {
            spelled: if parts.name("raw").is_some() { key.clone() } else { escaped(&key) },
            key,
            values: texts("values").unwrap_or_default(),
        };
        let name = text("name").unwrap_or_default();
        let whom = match (text("kind").as_deref(), text("whom").as_deref()) {
            (Some("user"), _) => Whom::User(name),
            (Some("service account"), _) => Whom::ServiceAccount(name),
            (Some(_), _) => Whom::Node(name),
            (None, Some("nobody")) => Whom::Nobody,
            (None, Some("the node of its pod")) => Whom::NodeOfItsPod,
            (None, Some("another node")) => Whom::AnotherNode,
            (None, _) => Whom::Oneself,
        };
        Ok(Self {
            whom,
            groups: texts("groups").unwrap_or_default(),
            uid: text("uid"),
            extra: text("key").map(extra),
        })
    }
}

impl ImpersonatedIdentity {
    /// Returns the headers that request it for the user called `user` (kubernetes/api `authentication/v1/types.go`).
    pub(super) fn headers(&self, user: Option<String>) -> Vec<(String, String)> {
        let header = |name: &str, value: String| (format!("Impersonate-{name}"), value);
        let mut headers = Vec::new();
        headers.extend(user.map(|name| header("User", name)));
        headers.extend(self.groups.iter().map(|group| header("Group", group.clone())));
        headers.extend(self.uid.clone().map(|uid| header("Uid", uid)));
        if let Some(extra) = &self.extra {
            headers.extend(
                extra
                    .values
                    .iter()
                    .map(|value| header(&format!("Extra-{}", extra.spelled), value.clone())),
            );
        }
        headers
    }

    /// Returns the rights that allow it for every action: the verb `impersonate` on each part of it.
    pub(super) fn rights(&self) -> Vec<Right> {
        let right = |resource: &str, name: String| Right::new("impersonate", "", resource).named([name]);
        let user = match &self.whom {
            Whom::User(name) => Some(right("users", name.clone())),
            Whom::ServiceAccount(name) => Some(right("serviceaccounts", name.clone())),
            Whom::Node(name) => Some(right("users", node_user(name))),
            Whom::Nobody | Whom::Oneself | Whom::NodeOfItsPod | Whom::AnotherNode => None,
        };
        Vec::from_iter(user.into_iter().chain(self.rights_beside_user("impersonate", "")))
    }

    /// Returns the rights that allow it for permitted actions, and the mode that these actions are permitted in (KEP-5284).
    pub(super) fn constrained_rights(&self) -> Result<(Vec<Right>, &'static str)> {
        let (mode, resource, name) = match &self.whom {
            Whom::User(name) => ("user-info", "users", Some(name)),
            Whom::ServiceAccount(name) => ("serviceaccount", "serviceaccounts", Some(name)),
            Whom::Node(name) => ("arbitrary-node", "nodes", Some(name)),
            Whom::NodeOfItsPod => ("associated-node", "nodes", None),
            Whom::Nobody | Whom::Oneself | Whom::AnotherNode => anyhow::bail!("there is no permission to impersonate {:?}", self.whom),
        };
        let user = Right::new(format!("impersonate:{mode}"), AUTHENTICATION, resource).named(name);
        let others = self.rights_beside_user("impersonate:user-info", AUTHENTICATION);
        Ok((Vec::from_iter(std::iter::once(user).chain(others)), mode))
    }

    /// Returns the rights for groups, UID and extra.
    fn rights_beside_user(&self, verb: &str, api_group: &'static str) -> Vec<Right> {
        let mut rights = Vec::new();
        if !self.groups.is_empty() {
            rights.push(Right::new(verb, api_group, "groups").named(&self.groups));
        }
        rights.extend(self.uid.iter().map(|uid| Right::new(verb, AUTHENTICATION, "uids").named([uid])));
        let extra = self.extra.iter();
        rights.extend(extra.map(|extra| Right::new(verb, AUTHENTICATION, format!("userextras/{}", extra.key)).named(&extra.values)));
        rights
    }

    /// Returns whether permission for this identity includes permission for `other`.
    pub(super) fn covers(&self, other: &Self) -> bool {
        let extra = |identity: &Self| identity.extra.clone().map(|extra| (extra.key, extra.values));
        let extras = match (extra(self), extra(other)) {
            (_, None) => true,
            (None, Some(_)) => false,
            (Some((key, values)), Some((asked, wanted))) => key == asked && wanted.iter().all(|value| values.contains(value)),
        };
        self.whom == other.whom
            && other.groups.iter().all(|group| self.groups.contains(group))
            && (other.uid.is_none() || self.uid == other.uid)
            && extras
    }
}

/// Returns the user name of the node called `name`.
pub(super) fn node_user(name: &str) -> String {
    format!("system:node:{name}")
}

/// Escapes a key for the name of a header: every byte that may not be in there, percent-encoded (RFC 3986 §2.1).
fn escaped(key: &str) -> String {
    key.bytes().fold(String::new(), |mut escaped, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            _ = write!(escaped, "%{byte:02X}");
        }
        escaped
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(said: &str) -> ImpersonatedIdentity {
        said.parse().expect("it is an identity")
    }

    #[test]
    fn every_part_of_an_identity_becomes_a_header() {
        let said = r#"the user "bob" in the groups "a" and "b" with the UID "4711" with the extra "example.com/scopes" of "x" and "y""#;
        let identity = read(said);
        assert_eq!(identity.whom, Whom::User("bob".to_owned()));
        let headers: Vec<String> = identity
            .headers(Some("bob".to_owned()))
            .iter()
            .map(|(name, value)| format!("{name}: {value}"))
            .collect();
        let expected = [
            "Impersonate-User: bob",
            "Impersonate-Group: a",
            "Impersonate-Group: b",
            "Impersonate-Uid: 4711",
            "Impersonate-Extra-example.com%2Fscopes: x",
            "Impersonate-Extra-example.com%2Fscopes: y",
        ];
        assert_eq!(headers, expected);
        let identity = read(r#"nobody with the unescaped extra "almost%zz" of "x""#);
        assert_eq!(identity.whom, Whom::Nobody);
        assert_eq!(identity.headers(None), [("Impersonate-Extra-almost%zz".to_owned(), "x".to_owned())]);
    }

    #[test]
    fn the_user_of_an_identity_is_of_any_kind() {
        assert_eq!(
            read(r#"the service account "deployer""#).whom,
            Whom::ServiceAccount("deployer".to_owned())
        );
        assert_eq!(read(r#"the node "worker""#).whom, Whom::Node("worker".to_owned()));
        assert_eq!(read("the node of its pod").whom, Whom::NodeOfItsPod);
        assert_eq!(read("another node").whom, Whom::AnotherNode);
        assert_eq!(read("herself").whom, Whom::Oneself);
        assert!(read("herself").headers(None).is_empty());
    }
}
