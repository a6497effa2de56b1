//! The mapping of the server's own reasons to behaviours: data. The main function is [`read`].

use std::sync::LazyLock;

use regex::Regex;

use super::Finding;
use crate::event::Verdict;

/// Part of a reason, the behaviour, and the change that helps. The first match counts, so more specific parts come first.
const REASONS: &[(&str, &str, &str)] = &[
    (
        "email not verified",
        "O13",
        "make the issuer verify the address, or use another claim such as sub",
    ),
    (
        "expected audience",
        "O5",
        "make the issuer put the API server's audience into `aud` (in Keycloak: a mapper of the type Audience), or log in as that client",
    ),
    (
        "is invalid for the target audiences",
        "S18",
        "request a token without an audience, or with that of the API server",
    ),
    ("service account token has expired", "S14", "request a new token"),
    ("service account token is not valid yet", "S15", "correct the clocks (NTP)"),
    (
        "does not match service account pod ref claim",
        "S13",
        "the pod was recreated: request a token that is bound to the new one",
    ),
    (
        "does not match service account secret ref claim",
        "S13",
        "the Secret was recreated: request a token that is bound to the new one",
    ),
    (
        "service account token has been invalidated",
        "S12",
        "the token's bound object (pod, Secret, node or account) is deleted: request a new token",
    ),
    (
        "token is expired",
        "O3",
        "get a new token: log in again, or let a plugin refresh it (`authlab token oidc`)",
    ),
    ("before the nbf", "O4", "correct the clocks of issuer and API server (NTP)"),
    (
        "failed to verify signature",
        "O8",
        "get a new token: the issuer has rotated the key out, or never had it",
    ),
    (
        "unexpected signature algorithm",
        "O9",
        "add the algorithm to --oidc-signing-algs, or make the issuer sign with RS256",
    ),
    (
        "authenticator not initialized",
        "O24",
        "wait: the API server has not read the issuer's configuration yet, or cannot (its log gives the reason every ten seconds)",
    ),
    ("parse username claims", "O12", "make the issuer send the claim, or map another one"),
    ("parse groups claim", "O17", "make the issuer send the claim as a list of strings"),
    (
        "Z is before ",
        "X5",
        "wait, or correct the clocks of the signer and of the API server (NTP)",
    ),
    (
        "certificate has expired or is not yet valid",
        "X4",
        "have a new certificate signed, or correct the clocks",
    ),
    (
        "incompatible key usage",
        "X6",
        "have it signed for clients (extendedKeyUsage=clientAuth)",
    ),
    (
        "subject with cn=",
        "P6",
        "give the proxy a certificate with an allowed name, or add its name to --requestheader-allowed-names",
    ),
    // The other authenticator reports this, too, beside the actual error of the certificate.
    (
        "signed by unknown authority",
        "X3",
        "have the certificate signed by an authority of --client-ca-file",
    ),
];

/// Returns the finding for a reason of the server, or `None` if the reason is not conclusive by itself.
pub(super) fn read(reason: &str, verdict: Verdict) -> Option<Finding> {
    match verdict {
        Verdict::Forbidden => return Some(forbidden(reason)),
        Verdict::TlsRefused | Verdict::Unreachable => return None,
        _ => {}
    }
    let (_, behaviour, change) = REASONS.iter().find(|(part, ..)| reason.contains(part))?;
    Some(Finding::proved(behaviour, format!("the API server says: {reason}"), *change))
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
