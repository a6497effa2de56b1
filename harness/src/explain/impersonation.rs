//! The parts of an impersonated identity, and which of them the caller may not ask for.
//!
//! The main function is [`findings`]: it asks the server, as the caller, for each right (SelfSubjectAccessReview, authorization.k8s.io/v1),
//! since a server reports only the first one that is missing. [`judged`] decides, without input or output. Each part needs a right of its
//! own, in one of two kinds (kubernetes/apiserver `pkg/endpoints/filters/impersonation/mode.go`; the older kind alone before 1.36,
//! `pkg/endpoints/filters/impersonation.go`).

use serde_json::{Value, json};

use super::Finding;
use super::rights::{AUTHENTICATION, Denied, Right, extra};
use crate::credential::Credential;
use crate::kubeconfig::Impersonate;
use crate::probe::{Endpoint, Question, ask};

/// A part of an impersonated identity, with the rights of which the caller needs one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Its name for output.
    pub name: String,
    /// The older right (`impersonate`).
    pub older: Right,
    /// The right of constrained impersonation (KEP-5284); `None` if no mode has this identity.
    pub constrained: Option<Right>,
}

/// The rights to a part that the caller has; `None` if that is unknown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// The older right.
    pub older: Option<bool>,
    /// The right of constrained impersonation.
    pub constrained: Option<bool>,
}

/// Returns the identity that `headers` ask for (`processImpersonationHeaders`).
#[must_use]
pub fn of_headers(headers: &[(String, String)]) -> Impersonate {
    let mut wanted = Impersonate::default();
    for (name, value) in headers {
        let name = name.to_ascii_lowercase();
        match name.as_str() {
            "impersonate-user" => _ = wanted.user.get_or_insert_with(|| value.clone()),
            "impersonate-uid" => _ = wanted.uid.get_or_insert_with(|| value.clone()),
            "impersonate-group" => wanted.groups.push(value.clone()),
            _ => {
                if let Some(key) = name.strip_prefix("impersonate-extra-") {
                    wanted.extra.entry(unescaped(key)).or_default().push(value.clone());
                }
            }
        }
    }
    wanted
}

/// Undoes percent-encoding; a key that is encoded wrongly is kept (`unescapeExtraKey`).
fn unescaped(key: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = key.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digits: Vec<u8> = rest.by_ref().take(2).collect();
        let code = std::str::from_utf8(&digits).ok().filter(|digits| digits.len() == 2);
        match code.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(code) => bytes.push(code),
            None => return key.to_owned(),
        }
    }
    String::from_utf8(bytes).unwrap_or_else(|_| key.to_owned())
}

/// Returns the parts of `wanted`, in the order in which a server checks them.
#[must_use]
pub fn parts(wanted: &Impersonate) -> Vec<Part> {
    let user = wanted.user.clone().unwrap_or_default();
    let account = user.strip_prefix("system:serviceaccount:").and_then(|rest| rest.split_once(':'));
    let node = user.strip_prefix("system:node:");
    let alone = wanted.uid.is_none() && wanted.groups.is_empty() && wanted.extra.is_empty();
    let mode = match (account, node) {
        (Some(_), _) => alone.then_some("serviceaccount"),
        (_, Some(_)) => alone.then_some("arbitrary-node"),
        _ => Some("user-info"),
    };
    let part = |name: String, group: &str, resource: &str, value: &str| Part {
        name,
        older: right(group, resource, "impersonate", value),
        constrained: mode.map(|mode| right(AUTHENTICATION, resource, &format!("impersonate:{mode}"), value)),
    };
    let mut parts = vec![match account {
        Some((namespace, name)) => {
            let mut part = part(format!("the service account {namespace}/{name}"), "", "serviceaccounts", name);
            for right in std::iter::once(&mut part.older).chain(&mut part.constrained) {
                namespace.clone_into(&mut right.namespace);
            }
            part
        }
        None => part(format!("the user {user:?}"), "", "users", &user),
    }];
    if let (Some(node), Some(first)) = (node, parts.first_mut()) {
        first.constrained = mode.map(|mode| right(AUTHENTICATION, "nodes", &format!("impersonate:{mode}"), node));
    }
    parts.extend(
        wanted
            .uid
            .iter()
            .map(|uid| part(format!("the UID {uid:?}"), AUTHENTICATION, "uids", uid)),
    );
    parts.extend(
        wanted
            .groups
            .iter()
            .map(|group| part(format!("the group {group:?}"), "", "groups", group)),
    );
    for (key, values) in &wanted.extra {
        let resource = format!("userextras/{key}");
        parts.extend(
            values
                .iter()
                .map(|value| part(format!("the extra {key:?}"), AUTHENTICATION, &resource, value)),
        );
    }
    parts
}

fn right(group: &str, resource: &str, verb: &str, name: &str) -> Right {
    Right {
        group: group.to_owned(),
        resource: resource.to_owned(),
        verb: verb.to_owned(),
        name: name.to_owned(),
        namespace: String::new(),
    }
}

/// Returns a SelfSubjectAccessReview that asks whether the caller has `right`.
#[must_use]
pub fn review(right: &Right) -> Question {
    let (resource, subresource) = right.resource.split_once('/').unwrap_or((&right.resource, ""));
    let attributes = json!({ "group": right.group, "resource": resource, "subresource": subresource, "verb": right.verb,
        "name": right.name, "namespace": right.namespace });
    Question::post(
        "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
        json!({ "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", "spec": { "resourceAttributes": attributes } }),
    )
}

/// Asks `endpoint`, as the caller who presents `own`, for the rights to impersonate what `headers` ask for; `reason` is the server's
/// sentence about the forbidden request.
pub async fn findings(endpoint: &Endpoint, own: &Credential, headers: &[(String, String)], reason: &str) -> Vec<Finding> {
    let Some(Denied::Right { right, .. }) = Denied::read(reason).filter(about_impersonation) else {
        return Vec::new();
    };
    let has = async |right: &Right| {
        let answer = ask(endpoint, "you", own, &review(right)).await;
        answer.body.pointer("/status/allowed").and_then(Value::as_bool)
    };
    let mut known = Vec::new();
    for part in parts(&of_headers(headers)) {
        let held = Held {
            older: has(&part.older).await,
            constrained: match &part.constrained {
                Some(right) => has(right).await,
                None => Some(false),
            },
        };
        known.push((part, held));
    }
    vec![judged(&right, &known)]
}

fn about_impersonation(denied: &Denied) -> bool {
    matches!(denied, Denied::Right { right, .. } if right.verb.starts_with("impersonate"))
}

/// Returns the finding about the parts that the caller may not ask for; `reported` is the right that the server found missing first.
#[must_use]
pub fn judged(reported: &Right, parts: &[(Part, Held)]) -> Finding {
    let behaviour = match reported.verb.as_str() {
        "impersonate" => "I2",
        verb if verb.starts_with("impersonate-on:") => "K2",
        _ => "K3",
    };
    let names = |parts: &[&Part]| parts.iter().map(|part| part.name.as_str()).collect::<Vec<_>>().join(", ");
    let all: Vec<&Part> = parts.iter().map(|(part, _)| part).collect();
    let asked = format!("the request asks for {}", names(&all));
    if parts.iter().any(|(_, held)| held.older.is_none()) {
        return Finding::unjudged(
            format!(
                "{asked}; cannot judge which of these the caller may not ask for: the server does not answer a SelfSubjectAccessReview"
            ),
            "ask `kubectl auth can-i --list` as the caller",
        );
    }
    let lacks = |of: fn(&Held) -> bool| parts.iter().filter(|(_, held)| of(held)).map(|(part, _)| part).collect::<Vec<_>>();
    let older = lacks(|held| held.older != Some(true));
    let both = lacks(|held| held.older != Some(true) && held.constrained != Some(true));
    let constrained = lacks(|held| held.constrained != Some(true));
    if older.is_empty() {
        return Finding::unjudged(
            format!("{asked}; the caller has the right to each of them now"),
            "try again: rights change within seconds, and a webhook may decide differently for each request",
        );
    }
    let on = reported.verb.starts_with("impersonate-on:");
    // With all identity rights of constrained impersonation, only the one to do this as somebody else is missing.
    if constrained.is_empty() && on {
        return Finding::cause(
            behaviour,
            format!(
                "{asked}; the caller has impersonate:… for each of them, and lacks {:?} for {}",
                reported.verb, reported.resource
            ),
            format!("grant this rule to the caller: {}", reported.rule()),
        );
    }
    let lacking = if both.is_empty() { &older } else { &both };
    let kinds = if both.is_empty() {
        "the right `impersonate`"
    } else if on || behaviour == "K3" {
        "the right `impersonate` and that of constrained impersonation"
    } else {
        "the right `impersonate`"
    };
    let has = parts
        .iter()
        .filter(|(part, _)| !lacking.contains(&part))
        .map(|(part, _)| part)
        .collect::<Vec<_>>();
    let rest = if has.is_empty() {
        String::new()
    } else {
        format!("; it may ask for {}", names(&has))
    };
    let mut changes: Vec<String> = older.iter().map(|part| rule(part)).collect();
    changes.dedup();
    Finding::cause(
        behaviour,
        format!("{asked}; the caller lacks {kinds} for {}{rest}", names(lacking)),
        changes.join("; "),
    )
}

/// Returns the change that gives the older right to a part, which does on every version.
fn rule(part: &Part) -> String {
    match part.older.resource.strip_prefix("userextras/") {
        Some(key) => extra(key, &part.older),
        None => format!("grant this rule to the caller: {}", part.older.rule()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explain::{Basis, Effect};

    fn headers() -> Vec<(String, String)> {
        [
            ("Impersonate-User", "alice"),
            ("Impersonate-Group", "dev"),
            ("Impersonate-Extra-authentication.kubernetes.io%2Fcredential-id", "JTI=0c1d"),
            ("Impersonate-Extra-Principalid", "local://user-1"),
            ("Impersonate-Extra-almost%zz", "kept"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
    }

    fn on() -> Right {
        right(AUTHENTICATION, "selfsubjectreviews", "impersonate-on:user-info:create", "")
    }

    fn held(older: bool, constrained: bool) -> Held {
        Held {
            older: Some(older),
            constrained: Some(constrained),
        }
    }

    #[test]
    fn each_part_has_a_right_of_its_own_in_its_own_api_group() {
        let wanted = of_headers(&headers());
        assert_eq!(
            (wanted.user.as_deref(), &wanted.groups[..]),
            (Some("alice"), &["dev".to_owned()][..])
        );
        let parts = parts(&wanted);
        let older: Vec<_> = parts
            .iter()
            .map(|part| (part.older.group.as_str(), part.older.resource.as_str()))
            .collect();
        assert_eq!(
            older,
            [
                ("", "users"),
                ("", "groups"),
                (AUTHENTICATION, "userextras/almost%zz"),
                (AUTHENTICATION, "userextras/authentication.kubernetes.io/credential-id"),
                (AUTHENTICATION, "userextras/principalid"),
            ]
        );
        let constrained = parts[1].constrained.as_ref().expect("a mode");
        assert_eq!(
            (constrained.group.as_str(), constrained.verb.as_str()),
            (AUTHENTICATION, "impersonate:user-info")
        );
        let body = review(&parts[3].older).body.expect("a body");
        let attributes = &body["spec"]["resourceAttributes"];
        assert_eq!(
            (&attributes["resource"], &attributes["subresource"]),
            (&json!("userextras"), &json!("authentication.kubernetes.io/credential-id"))
        );
    }

    #[test]
    fn accounts_and_nodes_have_modes_of_their_own_only_without_other_parts() {
        let of = |user: &str, groups: &[&str]| {
            parts(&Impersonate {
                user: Some(user.to_owned()),
                groups: groups.iter().map(|group| (*group).to_owned()).collect(),
                ..Impersonate::default()
            })
        };
        let account = of("system:serviceaccount:shop:cart", &[]);
        let constrained = account[0].constrained.as_ref().expect("a mode");
        assert_eq!(
            (constrained.verb.as_str(), constrained.namespace.as_str(), constrained.name.as_str()),
            ("impersonate:serviceaccount", "shop", "cart")
        );
        assert_eq!(
            (account[0].older.resource.as_str(), account[0].older.namespace.as_str()),
            ("serviceaccounts", "shop")
        );
        let node = of("system:node:a", &[]);
        let constrained = node[0].constrained.as_ref().expect("a mode");
        assert_eq!((constrained.resource.as_str(), constrained.name.as_str()), ("nodes", "a"));
        assert_eq!(
            (node[0].older.resource.as_str(), node[0].older.name.as_str()),
            ("users", "system:node:a")
        );
        assert_eq!(of("system:node:a", &["dev"])[0].constrained, None);
    }

    // 1.37.2 names "impersonate-on:user-info:create" for it, though the older right to the extra is what is missing.
    #[test]
    fn the_part_that_lacks_both_kinds_of_right_is_named() {
        let parts = parts(&of_headers(&headers()[..3]));
        let known: Vec<_> = parts
            .into_iter()
            .zip([held(true, false), held(true, false), held(false, false)])
            .collect();
        let found = judged(&on(), &known);
        assert_eq!((found.behaviour, found.rank()), (Some("K2"), (Effect::Cause, Basis::Compared)));
        assert!(
            found.seen.ends_with(
                "the caller lacks the right `impersonate` and that of constrained impersonation for the extra \
                \"authentication.kubernetes.io/credential-id\"; it may ask for the user \"alice\", the group \"dev\""
            ),
            "{found:?}"
        );
        let change = found.change.expect("a change");
        assert!(
            change.starts_with("leave \"authentication.kubernetes.io/credential-id\" out") && !change.contains("JTI"),
            "{change}"
        );
    }

    #[test]
    fn a_caller_with_all_but_the_right_to_do_it_is_told_that_one() {
        let parts = parts(&of_headers(&headers()[..2]));
        let known: Vec<_> = parts.into_iter().map(|part| (part, held(false, true))).collect();
        let found = judged(&on(), &known);
        assert!(found.seen.contains("lacks \"impersonate-on:user-info:create\""), "{found:?}");
        assert!(
            found
                .change
                .is_some_and(|change| change.contains(r#"resources: ["selfsubjectreviews"]"#))
        );
    }

    #[test]
    fn what_the_server_does_not_tell_is_not_judged() {
        let parts = parts(&of_headers(&headers()));
        let unknown: Vec<_> = parts.iter().cloned().map(|part| (part, Held::default())).collect();
        assert_eq!(judged(&on(), &unknown).effect, Effect::Unjudged);
        let all: Vec<_> = parts.into_iter().map(|part| (part, held(true, false))).collect();
        assert_eq!(judged(&on(), &all).effect, Effect::Unjudged);
    }
}
