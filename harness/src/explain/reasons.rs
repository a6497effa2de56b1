//! The mapping of the server's own reasons to behaviours: data. The main function is [`read`].

use std::sync::LazyLock;

use regex::Regex;
use serde::Deserialize;

use super::Finding;
use crate::event::Verdict;

/// A row of `fixtures/reasons.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    /// The parts of the reason, all of which must be there.
    parts: Vec<String>,
    /// `true` if the server also says it beside the real reason.
    #[serde(default)]
    beside: bool,
    /// The behaviour.
    behaviour: String,
    /// The meaning.
    seen: String,
    /// The change that helps.
    change: String,
}

impl Row {
    /// Returns how closely the row matches: longer parts say more.
    fn weight(&self) -> (bool, usize) {
        (!self.beside, self.parts.iter().map(String::len).sum())
    }
}

/// Returns the rows of the table.
fn table() -> &'static [Row] {
    #[derive(Deserialize)]
    struct Table {
        reason: Vec<Row>,
    }
    static TABLE: LazyLock<Table> =
        LazyLock::new(|| toml::from_str(include_str!("../../../fixtures/reasons.toml")).expect("fixtures/reasons.toml is read by a test"));
    &TABLE.reason
}

/// Part of a connection error, its meaning, and the change that helps.
const CONNECTIONS: &[(&str, &str, &str)] = &[
    (
        "UnknownIssuer",
        "the server's certificate is not signed by the authority of the kubeconfig",
        "give the authority that signed it (certificate-authority, certificate-authority-data)",
    ),
    (
        "NotValidForName",
        "the server's certificate does not have the name in its address",
        "use an address that is among its names, or set tls-server-name",
    ),
    ("Expired", "the server's certificate has expired", "renew it"),
    (
        "onnection refused",
        "the server's address refuses connections",
        "check the address and port, and that the cluster is running",
    ),
];

/// Returns the finding for a reason of the server, or `None` if the reason is not conclusive by itself.
pub(super) fn read(reason: &str, verdict: Verdict) -> Option<Finding> {
    match verdict {
        Verdict::Forbidden => return Some(forbidden(reason)),
        Verdict::TlsRefused | Verdict::Unreachable => {
            let (_, seen, change) = CONNECTIONS.iter().find(|(part, ..)| reason.contains(part))?;
            return Some(Finding::of_file(format!("{seen} ({reason})"), *change));
        }
        _ => {}
    }
    let matching = table().iter().filter(|row| row.parts.iter().all(|part| reason.contains(part)));
    let row = matching.max_by_key(|row| row.weight())?;
    let seen = format!("{} (the API server says: {reason})", row.seen);
    Some(Finding::proved(&row.behaviour, seen, &row.change))
}

/// Returns the finding for a forbidden request: the user is authenticated and lacks an RBAC rule.
fn forbidden(reason: &str) -> Finding {
    let proved = |behaviour, change: String| Finding::proved(behaviour, format!("the API server says: {reason}"), change);
    if reason.contains("\"system:anonymous\"") {
        return proved(
            "A1",
            "no credential reached the server: present a token or a client certificate".to_owned(),
        );
    }
    static PATTERN: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r#"^(\S+?) (?:"([^"]*)" )?is forbidden: .* cannot (\S+) resource "([^"]+)" in API group "([^"]*)""#)
            .expect("a constant pattern, used by a test")
    });
    let Some(found) = PATTERN.captures(reason) else {
        return proved("I2", "grant the missing right".to_owned());
    };
    let part = |index: usize| found.get(index).map_or("", |part| part.as_str());
    let names = if part(2).is_empty() {
        String::new()
    } else {
        format!(", resourceNames: [{:?}]", part(2))
    };
    let rule = format!(
        "{{apiGroups: [{:?}], resources: [{:?}], verbs: [{:?}]{names}}}",
        part(5),
        part(4),
        part(3)
    );
    let behaviour = match part(3) {
        "impersonate" => "I2",
        verb if verb.starts_with("impersonate-on:") => "K2",
        verb if verb.starts_with("impersonate:") => "K3",
        _ => "R4",
    };
    // Constrained impersonation (KEP-5284) checks both rules before it checks the old verb.
    let beside = match behaviour {
        "K2" => {
            "; and one that names the identity: {apiGroups: [\"authentication.k8s.io\"], resources: [\"users\"], verbs: [\"impersonate:user-info\"]}; \
            or the older one, which allows everything: {apiGroups: [\"\"], resources: [\"users\"], verbs: [\"impersonate\"]}"
        }
        _ => "",
    };
    proved(behaviour, format!("grant this rule to the caller: {rule}{beside}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_right_is_said_as_a_rule() {
        let reason = r#"users "bob" is forbidden: User "alice" cannot impersonate resource "users" in API group "" at the cluster scope"#;
        let found = read(reason, Verdict::Forbidden).expect("it is known");
        assert_eq!(found.behaviour, Some("I2"));
        let change = found.change.expect("it is known");
        assert!(
            change.ends_with(r#"{apiGroups: [""], resources: ["users"], verbs: ["impersonate"], resourceNames: ["bob"]}"#),
            "{change}"
        );
    }

    #[test]
    fn the_log_is_understood() {
        let reason = r#"[invalid bearer token, oidc: verify token: oidc: expected audience "kubernetes" got ["account"]]"#;
        assert_eq!(read(reason, Verdict::Unauthenticated).and_then(|found| found.behaviour), Some("O5"));
        assert_eq!(read("invalid bearer token", Verdict::Unauthenticated), None);
    }

    #[test]
    fn every_row_is_found_by_its_own_words_and_names_a_behaviour() {
        for row in table() {
            let reason = row.parts.join(" … ");
            let found = read(&reason, Verdict::Unauthenticated).expect("the row itself");
            assert!(found.seen.starts_with(&row.seen), "{reason}: {found:?}");
            let known = include_str!("../../../fixtures/behaviours.toml");
            assert!(known.contains(&format!("\n[{}]\n", row.behaviour)), "{}", row.behaviour);
        }
    }

    #[test]
    fn reasons_of_tokens_are_understood() {
        for (reason, behaviour) in [
            (
                r#"[invalid bearer token, oidc: could not expand distributed claims: while getting distributed claim "groups": error while getting distributed claim JWT: 401 Unauthorized]"#,
                "O23",
            ),
            ("[invalid bearer token, go-jose/go-jose: error in cryptographic primitive]", "B6"),
            ("[invalid bearer token, square/go-jose: error in cryptographic primitive]", "B6"),
            ("[invalid bearer token, invalid signature, no keys found]", "B6"),
            ("[invalid bearer token, oidc: verify token: oidc: source does not exist]", "O23"),
            (
                "[invalid bearer token, oidc: verify token: oidc: malformed jwt: illegal base64 data at input byte 342]",
                "B6",
            ),
            (
                "[invalid bearer token, converting (v1.Status) to (v1beta1.TokenReview): unknown conversion]",
                "W8",
            ),
            (
                "[invalid bearer token, the server has asked for the client to provide credentials]",
                "W8",
            ),
            (
                r#"[invalid bearer token, oidc: verify token: oidc: id token signed with unsupported algorithm, expected ["RS256"] got "ES384"]"#,
                "O9",
            ),
            (
                r#"[invalid bearer token, oidc: verify token: oidc: id token signed with unsupported algorithm, expected ["RS256"] got "none"]"#,
                "O25",
            ),
            (
                "[invalid bearer token, converting (v1.TokenReview) to (v1beta1.TokenReview): unknown conversion]",
                "W8",
            ),
            (
                "[invalid bearer token, oidc: verify token: failed to verify signature: fetching keys oidc: get keys failed: 503]",
                "O26",
            ),
            (
                "[x509: certificate signed by unknown authority, x509: certificate has expired or is not yet valid: current time 2026-11-27T03:50:28Z is after 2026-11-27T03:50:27Z]",
                "X4",
            ),
        ] {
            let found = read(reason, Verdict::Unauthenticated).and_then(|found| found.behaviour);
            assert_eq!(found, Some(behaviour), "{reason}");
        }
    }

    #[test]
    fn what_is_not_valid_yet_has_not_expired() {
        let reason = "x509: certificate has expired or is not yet valid: current time 2026-11-27T03:50:28Z is before 2026-11-27T04:50:27Z";
        assert_eq!(read(reason, Verdict::Unauthenticated).and_then(|found| found.behaviour), Some("X5"));
        let reason = reason.replace("before", "after");
        assert_eq!(
            read(&reason, Verdict::Unauthenticated).and_then(|found| found.behaviour),
            Some("X4")
        );
    }
}
