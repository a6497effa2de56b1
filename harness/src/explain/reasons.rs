//! The mapping of the server's own reasons to behaviours: data. The main function is [`read`].

use std::sync::LazyLock;

use serde::Deserialize;

use super::{Finding, rights};
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
        LazyLock::new(|| toml::from_str(include_str!("../../fixtures/reasons.toml")).expect("fixtures/reasons.toml is read by a test"));
    &TABLE.reason
}

/// Returns the finding for a reason of the server, or `None` if the reason is not conclusive by itself.
pub(super) fn read(reason: &str, verdict: Verdict) -> Option<Finding> {
    if verdict == Verdict::Forbidden {
        return Some(rights::forbidden(reason));
    }
    if let Some(finding) = nameless(reason) {
        return Some(finding);
    }
    // An error about a server that the API server asks, such as a webhook, is not about the client's certificate.
    let elsewhere = reason.contains("tls: failed to verify certificate: ") && !reason.contains(VERIFYING);
    let says = |row: &&Row| row.parts.iter().all(|part| reason.contains(part)) && !(elsewhere && row.behaviour.starts_with('X'));
    let row = table().iter().filter(says).max_by_key(|row| row.weight())?;
    let seen = format!("{} (the API server says: {reason})", row.seen);
    Some(Finding::proved(&row.behaviour, seen, &row.change))
}

/// The words before the error about a client's certificate.
const VERIFYING: &str = "verifying certificate SN=";

/// Returns the finding for a certificate that only the front proxies' authority refuses: that of clients has verified it, and found nobody in
/// it, or there is none (kubernetes/apiserver `pkg/authentication/request/x509/x509.go`, `CommonNameUserConversion`).
fn nameless(reason: &str) -> Option<Finding> {
    let first = reason.trim_start_matches('[');
    let alone = first.starts_with("x509: certificate signed by unknown authority") && reason.matches("x509: ").count() == 1;
    alone.then(|| Finding {
        behaviour: Some("X9"),
        ..Finding::likely(
            format!(
                "the API server says: {reason}; that is about front proxies alone: as a client's certificate it was not refused, and names no user"
            ),
            "have it signed with a common name, which is the user",
            "`openssl x509 -noout -subject -in FILE` shows the common name; without --client-ca-file, the API server takes no client's certificate",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

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
            let known = include_str!("../../fixtures/behaviours.toml");
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
                "W10",
            ),
            (
                "[invalid bearer token, the server has asked for the client to provide credentials]",
                "W10",
            ),
            (
                r#"[invalid bearer token, oidc: verify token: oidc: id token signed with unsupported algorithm, expected ["RS256"] got "ES384"]"#,
                "O9",
            ),
            (
                r#"[invalid bearer token, oidc: verify token: oidc: id token signed with unsupported algorithm, expected ["RS256"] got "none"]"#,
                "O25",
            ),
            // Kubernetes 1.38.
            (
                r#"[invalid bearer token, oidc: verify token: oidc: malformed jwt: unexpected signature algorithm "PS256"; expected ["RS256"]]"#,
                "O9",
            ),
            (
                r#"[invalid bearer token, oidc: verify token: oidc: malformed jwt: unexpected signature algorithm "none"; expected ["RS256"]]"#,
                "O25",
            ),
            (
                "[invalid bearer token, converting (v1.TokenReview) to (v1beta1.TokenReview): unknown conversion]",
                "W9",
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

    // From the logs of 1.30.14 and 1.37.2; the first half of each is about the front proxies' authority.
    #[test]
    fn certificates_are_understood() {
        const VERIFYING: &str = "verifying certificate SN=17, SKID=E1:58, AKID=7D:AC failed: x509: ";
        let unknown = "x509: certificate signed by unknown authority";
        let because = |why: &str| {
            format!(
                "certificate signed by unknown authority (possibly because of {why:?} while trying to verify candidate authority certificate \"authlab clients\")"
            )
        };
        for (reason, behaviour, part) in [
            (
                because("x509: cannot verify signature: insecure algorithm ECDSA-SHA1"),
                "X21",
                "SHA-256",
            ),
            (
                because("x509: cannot verify signature: insecure algorithm SHA1-RSA"),
                "X21",
                "SHA-256",
            ),
            (
                because("x509: ECDSA verification failure"),
                "X3",
                "another authority of the same name",
            ),
            (
                because("crypto/rsa: verification error"),
                "X3",
                "another authority of the same name",
            ),
            (
                because("x509: invalid signature: parent certificate cannot sign this kind of certificate"),
                "X3",
                "CA:TRUE",
            ),
            ("certificate signed by unknown authority".to_owned(), "X3", "--client-ca-file"),
            ("certificate specifies an incompatible key usage".to_owned(), "X6", "clientAuth"),
            ("too many intermediates for path length constraint".to_owned(), "X3", "pathlen"),
        ] {
            let reason = format!("[{unknown}, {VERIFYING}{reason}]");
            let found = read(&reason, Verdict::Unauthenticated).expect("it is known");
            assert_eq!(found.behaviour, Some(behaviour), "{reason}");
            assert!(found.change.as_ref().is_some_and(|change| change.contains(part)), "{found:?}");
        }
        let webhook = "[invalid bearer token, Post \"https://127.0.0.1:1/\": tls: failed to verify certificate: x509: certificate signed by unknown authority]";
        assert_eq!(read(webhook, Verdict::Unauthenticated), None, "the webhook's certificate");
        let found = read(unknown, Verdict::Unauthenticated).expect("a guess");
        assert_eq!((found.behaviour, found.basis), (Some("X9"), crate::explain::Basis::Likely));
    }
}
