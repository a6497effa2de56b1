//! The bindings that name the holder of a certificate: removing them locks the holder out, since a certificate cannot be revoked.
//!
//! The main functions are [`naming`] and [`finding`]: no input, no output.

use jiff::Timestamp;
use serde_json::Value;

use super::Finding;

/// The lists of bindings (rbac.authorization.k8s.io/v1), as paths of an API server.
pub(super) const LISTS: [&str; 2] = [
    "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
    "/apis/rbac.authorization.k8s.io/v1/rolebindings",
];

/// The group whose members may do everything, whatever bindings say (kubernetes/apiserver `pkg/authentication/user`).
const MASTERS: &str = "system:masters";

/// Groups that everybody is in.
const OF_ALL: [&str; 2] = ["system:authenticated", "system:unauthenticated"];

/// Describes the bindings in `lists` that name `user` or one of `groups`, except for groups that everybody is in.
#[must_use]
pub fn naming(lists: &[Value], user: &str, groups: &[String]) -> Vec<String> {
    let items = lists.iter().filter_map(|list| list.get("items")?.as_array()).flatten();
    items.filter_map(|binding| described(binding, user, groups)).collect()
}

fn described(binding: &Value, user: &str, groups: &[String]) -> Option<String> {
    let text = |path: &str| binding.pointer(path).and_then(Value::as_str).unwrap_or_default();
    let subjects = binding.get("subjects")?.as_array()?;
    let by: Vec<String> = subjects
        .iter()
        .filter_map(|subject| {
            let name = subject.get("name")?.as_str()?;
            match subject.get("kind")?.as_str()? {
                "User" if name == user => Some(format!("the user {name:?}")),
                "Group" if groups.iter().any(|group| group == name) && !OF_ALL.contains(&name) => Some(format!("the group {name:?}")),
                _ => None,
            }
        })
        .collect();
    if by.is_empty() {
        return None;
    }
    // Items of a list have no kind; only RoleBindings have a namespace.
    let place = match text("/metadata/namespace") {
        "" => format!("ClusterRoleBinding {}", text("/metadata/name")),
        namespace => format!("RoleBinding {namespace}/{}", text("/metadata/name")),
    };
    Some(format!(
        "{place} ({} {}), by {}",
        text("/roleRef/kind"),
        text("/roleRef/name"),
        by.join(" and ")
    ))
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
            Ok(bindings) if bindings.is_empty() => {
                "no binding names the user or one of the groups, so there is nothing to remove".to_owned()
            }
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
