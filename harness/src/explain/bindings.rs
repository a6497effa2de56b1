//! The bindings that name a user: those to remove, since a certificate cannot be revoked, and one that grants a right.
//!
//! The main functions are [`naming`], [`finding`] and [`granting`]: no input, no output. Subjects are compared as in kubernetes
//! `pkg/registry/rbac/validation/rule.go` (`appliesToUser`): to the letter.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::Finding;

/// The lists of bindings (rbac.authorization.k8s.io/v1), as paths of an API server.
pub(super) const LISTS: [&str; 2] = [
    "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
    "/apis/rbac.authorization.k8s.io/v1/rolebindings",
];

/// The group whose members may do everything, whatever bindings say (kubernetes/apiserver `pkg/authentication/user`).
const MASTERS: &str = "system:masters";

/// Groups that everybody is in.
pub(super) const OF_ALL: [&str; 2] = ["system:authenticated", "system:unauthenticated"];

/// Describes the bindings in `lists` that name `user` or one of `groups`, except for groups that everybody is in.
#[must_use]
pub fn naming(lists: &[Value], user: &str, groups: &[String]) -> Vec<String> {
    let items = lists.iter().filter_map(|list| list.get("items")?.as_array()).flatten();
    items.filter_map(|binding| described(binding, user, groups)).collect()
}

fn described(binding: &Value, user: &str, groups: &[String]) -> Option<String> {
    let text = |path: &str| binding.pointer(path).and_then(Value::as_str).unwrap_or_default();
    let by: Vec<String> = subjects(binding)
        .filter_map(|subject| match subject.kind {
            "User" if subject.name == user => Some(format!("the user {user:?}")),
            "ServiceAccount" if subject.account().as_deref() == Some(user) => Some(format!("the service account {user:?}")),
            "Group" if groups.iter().any(|group| group == subject.name) && !OF_ALL.contains(&subject.name) => {
                Some(format!("the group {:?}", subject.name))
            }
            _ => None,
        })
        .collect();
    (!by.is_empty()).then(|| {
        let (kind, name) = (text("/roleRef/kind"), text("/roleRef/name"));
        format!("{} ({kind} {name}), by {}", place(binding), by.join(" and "))
    })
}

/// A subject of a binding.
#[derive(Clone, Copy, Debug)]
pub(super) struct Subject<'a> {
    /// `User`, `Group` or `ServiceAccount`.
    pub(super) kind: &'a str,
    /// The name.
    pub(super) name: &'a str,
    /// The namespace, for a service account: its own, or that of the binding. Empty if there is none.
    pub(super) namespace: &'a str,
}

impl Subject<'_> {
    /// Returns the user name of a service account.
    pub(super) fn account(&self) -> Option<String> {
        let named = self.kind == "ServiceAccount" && !self.namespace.is_empty();
        named.then(|| format!("system:serviceaccount:{}:{}", self.namespace, self.name))
    }
}

/// Returns the subjects of a binding.
pub(super) fn subjects(binding: &Value) -> impl Iterator<Item = Subject<'_>> {
    let subjects = binding.get("subjects").and_then(Value::as_array);
    subjects.into_iter().flatten().map(|subject| {
        let read = |path: &str| subject.pointer(path).and_then(Value::as_str).unwrap_or_default();
        let namespace = match read("/namespace") {
            "" => binding.pointer("/metadata/namespace").and_then(Value::as_str).unwrap_or_default(),
            own => own,
        };
        Subject {
            kind: read("/kind"),
            name: read("/name"),
            namespace,
        }
    })
}

/// Returns the kind and the name of a binding. Items of a list have no kind; only RoleBindings have a namespace.
pub(super) fn place(binding: &Value) -> String {
    let text = |path: &str| binding.pointer(path).and_then(Value::as_str).unwrap_or_default();
    match text("/metadata/namespace") {
        "" => format!("ClusterRoleBinding {}", text("/metadata/name")),
        namespace => format!("RoleBinding {namespace}/{}", text("/metadata/name")),
    }
}

/// Returns a RoleBinding for `user` and each of `groups` that does not contain everybody; `None` if there is nobody to name: a subject needs
/// a name (kubernetes `pkg/apis/rbac/validation`).
#[must_use]
pub fn granting(user: &str, groups: &BTreeSet<String>) -> Option<Value> {
    let group = "rbac.authorization.k8s.io";
    let account = user.strip_prefix("system:serviceaccount:").and_then(|rest| rest.split_once(':'));
    let mut subjects = Vec::new();
    match account {
        Some((namespace, name)) => subjects.push(json!({ "kind": "ServiceAccount", "namespace": namespace, "name": name })),
        None if user.is_empty() => {}
        None => subjects.push(json!({ "kind": "User", "apiGroup": group, "name": user })),
    }
    let own = groups.iter().filter(|name| !name.is_empty() && !name.starts_with("system:"));
    subjects.extend(own.map(|name| json!({ "kind": "Group", "apiGroup": group, "name": name })));
    (!subjects.is_empty()).then(|| {
        json!({
            "apiVersion": format!("{group}/v1"), "kind": "RoleBinding",
            "metadata": { "name": "view", "namespace": "default" },
            "roleRef": { "apiGroup": group, "kind": "ClusterRole", "name": "view" },
            "subjects": subjects,
        })
    })
}

/// Returns the finding about an accepted user whose name is empty, as a webhook may send it.
#[must_use]
pub fn unnamed(user: &str) -> Option<Finding> {
    user.is_empty().then(|| Finding {
        change: Some("have the token webhook or the proxy send a user name".to_owned()),
        ..Finding::remark("the user name is empty: no RoleBinding can name this user, only one of its groups")
    })
}

/// Returns the finding that a certificate valid until `end` cannot be revoked, and how to lock its holder out: `bindings` name the holder,
/// or are the reason why they cannot be listed.
#[must_use]
pub fn finding(user: &str, groups: &[String], end: Timestamp, now: Timestamp, bindings: &Result<Vec<String>, String>) -> Finding {
    let left = end.as_second() - now.as_second();
    let left = match (left / 86400, left / 3600) {
        (0, 0) => format!("{} min", left / 60),
        (0, hours) => format!("{hours} h"),
        (days, _) => format!("{days} d"),
    };
    let authority = "replace the authority that signed it (--client-ca-file), which invalidates all of its certificates";
    let change = if groups.iter().any(|group| group == MASTERS) {
        format!("no change of a binding can limit {MASTERS}: {authority}")
    } else {
        let bound = match bindings {
            Ok(bindings) if bindings.is_empty() => "the user and its groups have no binding, so there is nothing to remove".to_owned(),
            Ok(bindings) => format!(
                "remove the user and the groups from the bindings that name them: {}",
                bindings.join("; ")
            ),
            Err(why) => {
                let groups: Vec<&String> = groups.iter().filter(|group| !OF_ALL.contains(&group.as_str())).collect();
                format!("remove the user {user:?} and the groups {groups:?} from all bindings ({why})")
            }
        };
        format!(
            "to lock its holder out now, {bound}. To do so permanently, {authority}. Have the next one signed for hours only (expirationSeconds)"
        )
    };
    let seen =
        format!("the certificate is valid until {end} ({left}), and cannot be revoked before: Kubernetes does not check revocation lists");
    Finding {
        change: Some(change),
        ..Finding::note("X20", seen)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn lists() -> [Value; 2] {
        let of = |kind: &str, name: &str| json!({ "kind": kind, "name": name });
        let role = json!({ "kind": "ClusterRole", "name": "view" });
        [
            json!({ "items": [
                { "metadata": { "name": "all" }, "roleRef": role, "subjects": [of("Group", "system:authenticated")] },
                { "metadata": { "name": "nobody" }, "roleRef": role },
                { "metadata": { "name": "accounts" }, "roleRef": role, "subjects": [of("ServiceAccount", "alice")] },
                { "metadata": { "name": "devs" }, "roleRef": role, "subjects": [of("Group", "dev"), of("User", "bob")] },
            ] }),
            json!({ "items": [
                { "metadata": { "name": "mine", "namespace": "shop" }, "roleRef": role, "subjects": [of("User", "alice"), of("Group", "dev")] },
            ] }),
        ]
    }

    fn groups(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn bindings_are_found_by_user_and_group_but_not_by_what_is_everybodys() {
        let found = naming(&lists(), "alice", &groups(&["dev", "system:authenticated"]));
        assert_eq!(
            found,
            [
                "ClusterRoleBinding devs (ClusterRole view), by the group \"dev\"",
                "RoleBinding shop/mine (ClusterRole view), by the user \"alice\" and the group \"dev\"",
            ]
        );
        assert!(naming(&lists(), "carol", &[]).is_empty());
    }

    #[test]
    fn a_service_account_is_found_by_its_namespace_and_name() {
        let role = json!({ "kind": "ClusterRole", "name": "view" });
        let of = |namespace: Value, kind: &str, name: &str| {
            json!({ "items": [{ "metadata": { "name": "b", "namespace": "shop" }, "roleRef": role,
                "subjects": [{ "kind": kind, "name": name, "namespace": namespace }] }] })
        };
        let user = "system:serviceaccount:shop:cart";
        let found = naming(&[of(Value::Null, "ServiceAccount", "cart")], user, &[]);
        assert_eq!(
            found,
            ["RoleBinding shop/b (ClusterRole view), by the service account \"system:serviceaccount:shop:cart\""]
        );
        assert_eq!(naming(&[of("shop".into(), "ServiceAccount", "cart")], user, &[]).len(), 1);
        assert!(naming(&[of("else".into(), "ServiceAccount", "cart")], user, &[]).is_empty());
        assert!(naming(&[of(Value::Null, "ServiceAccount", user)], user, &[]).is_empty());
        assert_eq!(naming(&[of(Value::Null, "User", user)], user, &[]).len(), 1);
    }

    #[test]
    fn nobody_without_a_name_is_bound() {
        let groups = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
        let everybody = groups(&["system:authenticated"]);
        assert_eq!(granting("", &everybody), None);
        let binding = granting("", &groups(&["dev", "system:authenticated", ""])).expect("a binding");
        assert_eq!(
            binding["subjects"],
            json!([{ "kind": "Group", "apiGroup": "rbac.authorization.k8s.io", "name": "dev" }])
        );
        let binding = granting("system:serviceaccount:shop:cart", &everybody).expect("a binding");
        assert_eq!(
            binding["subjects"],
            json!([{ "kind": "ServiceAccount", "namespace": "shop", "name": "cart" }])
        );
        assert!(unnamed("").is_some() && unnamed("alice").is_none());
    }

    #[test]
    fn what_to_take_away_is_said_or_why_it_is_not_known() {
        let (now, end) = (Timestamp::UNIX_EPOCH, Timestamp::from_second(86400 * 3).expect("a time"));
        let said = |names: &[&str], bindings: Result<Vec<String>, String>| {
            let found = finding("alice", &groups(names), end, now, &bindings);
            assert!(found.seen.contains("1970-01-04T00:00:00Z (3 d)"), "{found:?}");
            found.change.expect("something to change")
        };
        assert!(said(&["dev"], Ok(vec!["RoleBinding a/b".to_owned()])).contains("that name them: RoleBinding a/b. To do so permanently"));
        assert!(said(&["dev"], Ok(Vec::new())).contains("nothing to remove"));
        let unknown = said(&["dev", "system:authenticated"], Err("they cannot be listed".to_owned()));
        assert!(
            unknown.contains("\"alice\" and the groups [\"dev\"] from all bindings (they cannot be listed)"),
            "{unknown}"
        );
        assert!(said(&[MASTERS], Ok(Vec::new())).starts_with("no change of a binding can limit system:masters"));
    }
}
