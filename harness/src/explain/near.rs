//! Bindings that name a user or a group almost: RBAC compares names to the letter.
//!
//! The main function is [`near`]: no input, no output. It compares as `bindings` does, and looks for the differences that people meet.

use serde_json::Value;

use super::Finding;
use super::bindings::{OF_ALL, Subject, place, subjects};

/// The prefix of a service account's user name.
const ACCOUNT: &str = "system:serviceaccount:";

/// The difference of two names with two prefixes.
const PREFIXES: &str = "the prefixes differ";

/// A subject that does not apply, and nearly does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Near {
    /// The binding.
    pub binding: String,
    /// The subject's kind and name, as it stands there.
    pub subject: String,
    /// The user or group that it may have meant.
    pub meant: String,
    /// The difference.
    pub why: String,
    /// The subject to write instead, in YAML on one line.
    pub instead: String,
}

/// Returns the subjects in `lists` that almost name `user` or one of `groups`.
#[must_use]
pub fn near(lists: &[Value], user: &str, groups: &[String]) -> Vec<Near> {
    let bindings = lists.iter().filter_map(|list| list.get("items")?.as_array()).flatten();
    let mut found = Vec::new();
    for binding in bindings {
        for subject in subjects(binding) {
            if let Some((meant, why, instead)) = almost(subject, user, groups) {
                found.push(Near {
                    binding: place(binding),
                    subject: format!("{} {:?}", subject.kind, subject.name),
                    meant,
                    why,
                    instead,
                });
            }
        }
    }
    found
}

/// Returns the note about such subjects, if there are any. It is no cause: whether they were meant is not known.
#[must_use]
pub fn finding(found: &[Near]) -> Option<Finding> {
    const SHOWN: usize = 5;
    let seen: Vec<String> = found
        .iter()
        .take(SHOWN)
        .map(|near| format!("{} names {}, and this is {}: {}", near.binding, near.subject, near.meant, near.why))
        .collect();
    let first = found.first()?;
    let more = match found.len().saturating_sub(SHOWN) {
        0 => String::new(),
        more => format!("; and {more} more"),
    };
    Some(Finding {
        change: Some(format!("if it was meant, write in {}: {}", first.binding, first.instead)),
        ..Finding::remark(format!("{}{more}", seen.join("; ")))
    })
}

/// Returns what a subject may have meant, the difference, and the right subject.
fn almost(subject: Subject<'_>, user: &str, groups: &[String]) -> Option<(String, String, String)> {
    if subject.name.is_empty() {
        return None;
    }
    let account = user.strip_prefix(ACCOUNT).and_then(|rest| rest.split_once(':'));
    let user_meant = || format!("the user {user:?}");
    let user_instead = || match account {
        Some((namespace, name)) => format!("{{kind: ServiceAccount, namespace: {namespace}, name: {name}}}"),
        None => written("User", user),
    };
    let own = || groups.iter().filter(|group| !group.is_empty() && !OF_ALL.contains(&group.as_str()));
    match subject.kind {
        "ServiceAccount" => {
            let (namespace, name) = account?;
            let why = if subject.account().as_deref() == Some(user) {
                return None;
            } else if subject.name == user || subject.name == format!("{namespace}:{name}") || subject.name == format!("{namespace}/{name}")
            {
                "a ServiceAccount has its bare name there, and its namespace beside it".to_owned()
            } else if subject.name == name && subject.namespace.is_empty() {
                format!("a ClusterRoleBinding needs the namespace, {namespace:?}")
            } else {
                return None;
            };
            Some((user_meant(), why, user_instead()))
        }
        "User" => {
            if subject.name == user {
                return None;
            }
            if let Some((namespace, name)) = account {
                if subject.name == name {
                    let why = "a service account is no User of its bare name".to_owned();
                    return Some((user_meant(), why, user_instead()));
                }
                if misspelt(subject.name, namespace, name) {
                    return Some((user_meant(), format!("a service account's user name is {user:?}"), user_instead()));
                }
            }
            if let Some(why) = difference(subject.name, user) {
                return Some((user_meant(), why, user_instead()));
            }
            let group = own().find(|group| *group == subject.name)?;
            let why = "a group is not of the kind User".to_owned();
            Some((format!("in the group {group:?}"), why, written("Group", group)))
        }
        "Group" => {
            if groups.iter().any(|group| group == subject.name) {
                return None;
            }
            if !user.is_empty() && subject.name == user {
                return Some((user_meant(), "a user is not of the kind Group".to_owned(), user_instead()));
            }
            own().find_map(|group| {
                // Groups of the same name with two prefixes are two groups.
                let why = difference(subject.name, group).filter(|why| why != PREFIXES)?;
                Some((format!("in the group {group:?}"), why, written("Group", group)))
            })
        }
        _ => None,
    }
}

fn written(kind: &str, name: &str) -> String {
    format!("{{kind: {kind}, apiGroup: rbac.authorization.k8s.io, name: {name:?}}}")
}

/// Returns `true` if `there` is a service account's user name in another spelling.
fn misspelt(there: &str, namespace: &str, name: &str) -> bool {
    let plain: String = there
        .to_ascii_lowercase()
        .replace(['/', '.'], ":")
        .replace("serviceaccounts", "serviceaccount");
    let plain = plain.strip_prefix("system:").unwrap_or(&plain);
    let plain = plain.strip_prefix("serviceaccount:").unwrap_or(plain);
    plain == format!("{namespace}:{name}").to_ascii_lowercase()
}

/// Returns the difference of two names that are almost the same.
fn difference(there: &str, here: &str) -> Option<String> {
    if there == here || here.is_empty() {
        return None;
    }
    if there.trim() == here.trim() {
        return Some("one has a blank at its end".to_owned());
    }
    // Names within system: are Kubernetes' own, and many of them look alike.
    if there.starts_with("system:") != here.starts_with("system:") {
        return None;
    }
    if there.to_lowercase() == here.to_lowercase() {
        return Some("the case differs".to_owned());
    }
    if there.trim_matches('/') == here.trim_matches('/') {
        return Some(
            "the slash at its beginning or end differs (Keycloak sends the full path of a group: its mapper has a switch)".to_owned(),
        );
    }
    // A prefix that an API server adds ends in a sign (`oidc:`, `https://issuer#`), or the other way round.
    let prefix = |long: &str, short: &str| {
        let prefix = long.strip_suffix(short)?;
        (!short.is_empty() && prefix.ends_with([':', '#', '-', '/', '|'])).then(|| prefix.to_owned())
    };
    if let Some(prefix) = prefix(here, there) {
        return Some(format!("the prefix {prefix:?} is missing there"));
    }
    if let Some(prefix) = prefix(there, here) {
        return Some(format!("the prefix {prefix:?} is only there"));
    }
    let after = |name: &str| name.rsplit_once([':', '#']).map(|(_, rest)| rest.to_owned());
    match (after(there), after(here)) {
        (Some(one), Some(other)) if one == other && one.len() > 2 => Some(PREFIXES.to_owned()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn lists(kind: &str, name: &str, namespace: Option<&str>) -> [Value; 1] {
        [
            json!({ "items": [{ "metadata": { "name": "b" }, "roleRef": { "kind": "ClusterRole", "name": "view" },
            "subjects": [{ "kind": kind, "name": name, "namespace": namespace }] }] }),
        ]
    }

    fn why(kind: &str, name: &str, user: &str, groups: &[&str]) -> Option<(String, String)> {
        let groups: Vec<String> = groups.iter().map(|group| (*group).to_owned()).collect();
        let mut found = near(&lists(kind, name, None), user, &groups);
        assert!(found.len() < 2, "{found:?}");
        found.pop().map(|near| (near.why, near.instead))
    }

    #[test]
    fn names_that_differ_by_little_are_found() {
        for (kind, there, user, groups, part) in [
            ("User", "Kubernetes", "kubernetes", &[][..], "the case differs"),
            ("Group", "dev", "alice", &["/dev"], "slash"),
            ("Group", "/dev", "alice", &["dev"], "slash"),
            ("User", "alice", "oidc:alice", &[], "the prefix \"oidc:\" is missing there"),
            (
                "User",
                "https://issuer.test#alice",
                "alice",
                &[],
                "the prefix \"https://issuer.test#\" is only there",
            ),
            ("User", "keycloak:alice", "oidc:alice", &[], "the prefixes differ"),
            ("User", "alice ", "alice", &[], "a blank at its end"),
            ("User", "dev", "alice", &["dev"], "not of the kind User"),
            ("Group", "alice", "alice", &["dev"], "not of the kind Group"),
        ] {
            let (why, instead) = why(kind, there, user, groups).expect(there);
            assert!(why.contains(part), "{there}: {why}");
            assert!(instead.contains("rbac.authorization.k8s.io"), "{instead}");
        }
    }

    #[test]
    fn a_service_account_in_another_spelling_is_found() {
        let user = "system:serviceaccount:shop:cart";
        for there in [
            "cart",
            "shop:cart",
            "shop/cart",
            "system:serviceaccounts:shop:cart",
            "system:serviceaccount/shop/cart",
            "serviceaccount:shop:cart",
        ] {
            let (_, instead) = why("User", there, user, &[]).expect(there);
            assert_eq!(instead, "{kind: ServiceAccount, namespace: shop, name: cart}");
        }
        for there in [user, "shop:cart"] {
            let (why, _) = why("ServiceAccount", there, user, &[]).expect(there);
            assert!(why.contains("bare name"), "{why}");
        }
        let (why, _) = why("ServiceAccount", "cart", user, &[]).expect("no namespace");
        assert!(why.contains("needs the namespace, \"shop\""), "{why}");
        assert_eq!(near(&lists("ServiceAccount", "cart", Some("shop")), user, &[]), []);
        assert_eq!(
            near(&lists("ServiceAccount", "cart", Some("else")), user, &[]),
            [],
            "another account"
        );
    }

    #[test]
    fn names_that_apply_or_are_somebody_elses_are_not() {
        for (kind, there, user, groups) in [
            ("User", "alice", "alice", &[][..]),
            ("Group", "dev", "alice", &["dev"]),
            ("User", "malice", "alice", &[]),
            ("Group", "devops", "alice", &["dev"]),
            ("Group", "system:authenticated", "alice", &["system:authenticated"]),
            ("Group", "system:nodes", "alice", &["nodes"]),
            ("User", "system:kube-scheduler", "system:kube-controller-manager", &[]),
            ("User", "alice", "", &[]),
            ("Group", "team-a:dev", "alice", &["team-b:dev"]),
        ] {
            assert_eq!(why(kind, there, user, groups), None, "{there} {user}");
        }
    }

    #[test]
    fn the_finding_is_a_note_with_the_subject_to_write() {
        let found = near(&lists("Group", "dev", None), "alice", &["/dev".to_owned()]);
        let finding = finding(&found).expect("a note");
        assert!(
            finding
                .seen
                .starts_with("ClusterRoleBinding b names Group \"dev\", and this is in the group \"/dev\": the slash"),
            "{finding:?}"
        );
        assert!(finding.change.is_some_and(|change| change.ends_with("name: \"/dev\"}")));
        assert_eq!(super::finding(&[]), None);
    }
}
