//! The right that a forbidden request lacks: the API server's sentence, read back into the RBAC rule that grants it.
//!
//! The main type is [`Denied`]; [`forbidden`] makes a finding of it. The sentence is that of kubernetes/apiserver
//! `pkg/endpoints/handlers/responsewriters/errors.go` (`forbiddenMessage`); rules match as in kubernetes
//! `pkg/apis/rbac/v1/evaluation_helpers.go`, where `userextras` does not match `userextras/KEY`.

use std::sync::LazyLock;

use regex::Regex;

use super::Finding;

/// The API group of the resources for impersonation that the core group lacks.
pub(super) const AUTHENTICATION: &str = "authentication.k8s.io";

/// The prefix of the extras that API servers add by themselves (kubernetes/apiserver `pkg/authentication/user`, `serviceaccount`).
const ADDED_BY_SERVERS: &str = "authentication.kubernetes.io/";

/// A right: what a rule grants.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Right {
    /// The API group.
    pub group: String,
    /// The resource, with its subresource after a slash.
    pub resource: String,
    /// The verb.
    pub verb: String,
    /// The name of the object; empty for all.
    pub name: String,
    /// The namespace; empty for the whole cluster.
    pub namespace: String,
}

impl Right {
    /// Returns the rule of a Role or ClusterRole, in YAML on one line.
    #[must_use]
    pub fn rule(&self) -> String {
        let names = if self.name.is_empty() {
            String::new()
        } else {
            format!(", resourceNames: [{:?}]", self.name)
        };
        format!(
            "{{apiGroups: [{:?}], resources: [{:?}], verbs: [{:?}]{names}}}",
            self.group, self.resource, self.verb
        )
    }

    /// Returns the key if this is about an extra.
    fn extra(&self) -> Option<&str> {
        self.resource.strip_prefix("userextras/").filter(|_| self.group == AUTHENTICATION)
    }
}

/// A request that was forbidden.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Denied {
    /// A right is missing.
    Right {
        /// The user who lacks it, as the server prints it.
        user: String,
        /// The right.
        right: Right,
        /// The words after the sentence; empty if there are none, as with RBAC.
        why: String,
    },
    /// The right to a path that is no resource is missing.
    Path {
        /// The user who lacks it, as the server prints it.
        user: String,
        /// The verb.
        verb: String,
        /// The path.
        path: String,
    },
}

impl Denied {
    /// Reads the server's sentence; `None` if it is another one, such as that of an admission plugin.
    #[must_use]
    pub fn read(reason: &str) -> Option<Self> {
        const QUOTED: &str = r#""((?:[^"\\]|\\.)*)""#;
        static RESOURCE: LazyLock<Regex> = LazyLock::new(|| {
            Regex::new(&format!(
                r#"(?s)^\S+ (?:{QUOTED} )?is forbidden: User {QUOTED} cannot (\S+) resource "([^"]+)" in API group "([^"]*)" (?:at the cluster scope|in the namespace "([^"]*)")(?:: (.*))?$"#
            ))
            .expect("a constant pattern, used by a test")
        });
        static PATH: LazyLock<Regex> = LazyLock::new(|| {
            Regex::new(&format!(r#"(?s)^forbidden: User {QUOTED} cannot (\S+) path "([^"]*)""#))
                .expect("a constant pattern, used by a test")
        });
        if let Some(found) = PATH.captures(reason) {
            let [user, verb, path] = [1, 2, 3].map(|index| found.get(index).map_or_else(String::new, |part| part.as_str().to_owned()));
            return Some(Self::Path { user, verb, path });
        }
        let found = RESOURCE.captures(reason)?;
        let part = |index: usize| found.get(index).map_or_else(String::new, |part| part.as_str().to_owned());
        Some(Self::Right {
            user: part(2),
            right: Right {
                name: part(1),
                verb: part(3),
                resource: part(4),
                group: part(5),
                namespace: part(6),
            },
            why: part(7),
        })
    }

    fn user(&self) -> &str {
        match self {
            Self::Right { user, .. } | Self::Path { user, .. } => user,
        }
    }
}

/// Returns the finding for a forbidden request: the user is authenticated and lacks a right.
pub(super) fn forbidden(reason: &str) -> Finding {
    let proved = |behaviour, change: String| Finding::proved(behaviour, format!("the API server says: {reason}"), change);
    let Some(denied) = Denied::read(reason) else {
        return proved("I2", "grant the missing right".to_owned());
    };
    if denied.user() == "system:anonymous" {
        return proved(
            "A1",
            "no credential reached the server: present a token or a client certificate".to_owned(),
        );
    }
    match denied {
        Denied::Path { verb, path, .. } => proved(
            "R4",
            format!("grant this rule to the caller, in a ClusterRole: {{nonResourceURLs: [{path:?}], verbs: [{verb:?}]}}"),
        ),
        Denied::Right { right, why, .. } => {
            let (behaviour, change) = missing(&right, &why);
            proved(behaviour, change)
        }
    }
}

/// Returns the behaviour and the change for a missing right.
fn missing(right: &Right, why: &str) -> (&'static str, String) {
    // Some identities are refused whatever RBAC says (kubernetes/apiserver `pkg/endpoints/filters/impersonation/mode.go`).
    if why.contains("impersonating the system:masters group is not allowed") {
        return (
            "K7",
            "leave system:masters out of the impersonated groups: no rule allows it. The older right allows it, and everything else: \
            {apiGroups: [\"\"], resources: [\"groups\"], verbs: [\"impersonate\"], resourceNames: [\"system:masters\"]}"
                .to_owned(),
        );
    }
    if why.contains("impersonating the empty string group is not allowed") {
        return ("K8", "leave the empty group out of the impersonated groups".to_owned());
    }
    if right.verb != "impersonate" && !right.verb.starts_with("impersonate:") && !right.verb.starts_with("impersonate-on:") {
        return ("R4", format!("grant this rule to the caller{}: {}", role(right), right.rule()));
    }
    let old = right.verb == "impersonate";
    if let Some(key) = right.extra() {
        let behaviour = if old { "I2" } else { "K3" };
        return (behaviour, extra(key, right));
    }
    let rule = format!("grant this rule to the caller{}: {}", role(right), right.rule());
    if let Some(mode) = right.verb.strip_prefix("impersonate-on:") {
        // Constrained impersonation (KEP-5284) is checked before the older right, and only its first refusal is reported.
        let mode = mode.split(':').next().unwrap_or_default();
        let resource = match mode {
            "serviceaccount" => "serviceaccounts",
            "arbitrary-node" | "associated-node" => "nodes",
            _ => "users",
        };
        let identity = Right {
            group: AUTHENTICATION.to_owned(),
            resource: resource.to_owned(),
            verb: format!("impersonate:{mode}"),
            ..Right::default()
        };
        let older = if resource == "serviceaccounts" { resource } else { "users" };
        return (
            "K2",
            format!(
                "{rule}; and one for each part of the identity (users, groups, uids, userextras/KEY), such as {}; \
                or the older one for each part, which allows everything: {{apiGroups: [\"\"], resources: [{older:?}], verbs: [\"impersonate\"]}} \
                (uids and userextras/KEY: apiGroups [{AUTHENTICATION:?}]). The server does not say which part lacks the older one",
                identity.rule()
            ),
        );
    }
    (if old { "I2" } else { "K3" }, rule)
}

/// Returns the place of a rule if it does not have to be in a ClusterRole.
fn role(right: &Right) -> String {
    match right.namespace.as_str() {
        "" => String::new(),
        namespace => format!(", in the namespace {namespace:?}"),
    }
}

/// Returns the change for a missing right to an extra. Its value is different for each request, so no rule should name it.
pub(super) fn extra(key: &str, right: &Right) -> String {
    let rule = Right {
        name: String::new(),
        ..right.clone()
    };
    let rule = rule.rule();
    if key.starts_with(ADDED_BY_SERVERS) {
        return format!(
            "leave {key:?} out of the extras that are passed on: API servers add `{ADDED_BY_SERVERS}…` to what they authenticate, and it is \
            about the credential of another request. To pass it on nevertheless, grant this rule to the caller: {rule}"
        );
    }
    format!(
        "grant this rule to the caller: {rule}; each key of an extra is a resource of its own, in this API group (`userextras` alone, or in \
        the group \"\", does not grant it). Or leave the extra {key:?} out"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(reason: &str) -> (Option<&'static str>, String) {
        let found = forbidden(reason);
        assert!(found.seen.ends_with(reason), "{found:?}");
        (found.behaviour, found.change.expect("a change"))
    }

    #[test]
    fn a_missing_right_is_said_as_a_rule() {
        let (behaviour, change) =
            of(r#"users "bob" is forbidden: User "alice" cannot impersonate resource "users" in API group "" at the cluster scope"#);
        assert_eq!(behaviour, Some("I2"));
        assert!(
            change.ends_with(r#"{apiGroups: [""], resources: ["users"], verbs: ["impersonate"], resourceNames: ["bob"]}"#),
            "{change}"
        );
        let (behaviour, change) = of(
            r#"deployments.apps is forbidden: User "a \"cannot\" b" cannot list resource "deployments" in API group "apps" in the namespace "shop""#,
        );
        assert_eq!(
            (behaviour, change.as_str()),
            (
                Some("R4"),
                r#"grant this rule to the caller, in the namespace "shop": {apiGroups: ["apps"], resources: ["deployments"], verbs: ["list"]}"#
            )
        );
        let (_, change) = of(r#"forbidden: User "alice" cannot get path "/metrics""#);
        assert!(change.ends_with(r#"{nonResourceURLs: ["/metrics"], verbs: ["get"]}"#), "{change}");
        let (_, change) = of(
            r#"serviceaccounts "x" is forbidden: User "proxy" cannot impersonate resource "serviceaccounts" in API group "" in the namespace "default""#,
        );
        assert!(
            change.contains(r#"in the namespace "default": {apiGroups: [""], resources: ["serviceaccounts"]"#),
            "{change}"
        );
    }

    // As 1.30.14, 1.34.4 and (for a user who has impersonated before) 1.37.2 say it.
    #[test]
    fn an_extra_that_servers_add_is_left_out_and_no_rule_is_good_for_one_token_only() {
        let (behaviour, change) = of(concat!(
            r#"userextras.authentication.k8s.io "JTI=0c1d" is forbidden: User "proxy" cannot impersonate resource "#,
            r#""userextras/authentication.kubernetes.io/credential-id" in API group "authentication.k8s.io" at the cluster scope"#
        ));
        assert_eq!(behaviour, Some("I2"));
        assert!(
            change.starts_with(r#"leave "authentication.kubernetes.io/credential-id" out"#),
            "{change}"
        );
        assert!(
            !change.contains("JTI")
                && change.ends_with(
                    r#"{apiGroups: ["authentication.k8s.io"], resources: ["userextras/authentication.kubernetes.io/credential-id"], verbs: ["impersonate"]}"#
                ),
            "{change}"
        );
        let (_, change) = of(concat!(
            r#"userextras.authentication.k8s.io "local://user-1" is forbidden: User "proxy" cannot impersonate resource "#,
            r#""userextras/principalid" in API group "authentication.k8s.io" at the cluster scope"#
        ));
        assert!(
            change.starts_with(
                r#"grant this rule to the caller: {apiGroups: ["authentication.k8s.io"], resources: ["userextras/principalid"], verbs: ["impersonate"]};"#
            ) && !change.contains("local://"),
            "{change}"
        );
    }

    #[test]
    fn constrained_impersonation_says_that_the_parts_are_not_known() {
        let (behaviour, change) = of(concat!(
            r#"selfsubjectreviews.authentication.k8s.io is forbidden: User "proxy" cannot impersonate-on:user-info:create resource "#,
            r#""selfsubjectreviews" in API group "authentication.k8s.io" at the cluster scope"#
        ));
        assert_eq!(behaviour, Some("K2"));
        for part in [
            r#"verbs: ["impersonate-on:user-info:create"]"#,
            r#"resources: ["users"], verbs: ["impersonate:user-info"]"#,
            r#"apiGroups: [""], resources: ["users"], verbs: ["impersonate"]"#,
            "does not say which part",
        ] {
            assert!(change.contains(part), "{part}: {change}");
        }
        let (_, change) = of(
            r#"pods is forbidden: User "p" cannot impersonate-on:serviceaccount:list resource "pods" in API group "" in the namespace "a""#,
        );
        assert!(
            change.contains(r#"resources: ["serviceaccounts"], verbs: ["impersonate:serviceaccount"]"#),
            "{change}"
        );
        let (behaviour, _) = of(concat!(
            r#"users.authentication.k8s.io "carol" is forbidden: User "p" cannot impersonate:user-info resource "users" in API group "#,
            r#""authentication.k8s.io" at the cluster scope"#
        ));
        assert_eq!(behaviour, Some("K3"));
        let (behaviour, change) = of(concat!(
            r#"groups.authentication.k8s.io "system:masters" is forbidden: User "p" cannot impersonate:user-info resource "groups" in API "#,
            r#"group "authentication.k8s.io" at the cluster scope: impersonating the system:masters group is not allowed"#
        ));
        assert_eq!(behaviour, Some("K7"));
        assert!(change.starts_with("leave system:masters out"), "{change}");
    }

    #[test]
    fn the_anonymous_user_has_presented_nothing_and_an_impersonated_one_has() {
        let (behaviour, _) = of(r#"forbidden: User "system:anonymous" cannot get path "/""#);
        assert_eq!(behaviour, Some("A1"));
        let (behaviour, _) = of(
            r#"users "system:anonymous" is forbidden: User "alice" cannot impersonate resource "users" in API group "" at the cluster scope"#,
        );
        assert_eq!(behaviour, Some("I2"));
        // An admission plugin's sentence.
        assert_eq!(of(r#"pods "a" is forbidden: violates PodSecurity"#).0, Some("I2"));
    }
}
