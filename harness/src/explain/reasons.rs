//! The mapping of the server's own reasons to behaviours: data. The main function is [`read`].

use super::{Finding, rights};
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
    // Certificates: as 1.30.14 and 1.37.2 log them.
    (
        "subject with cn=",
        "P6",
        "give the proxy a certificate with an allowed name, or add its name to --requestheader-allowed-names",
    ),
    (
        "insecure algorithm",
        "X21",
        "have the certificate signed again with SHA-256 (`openssl x509 -req -sha256 …`)",
    ),
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
        "too many intermediates for path length constraint",
        "X3",
        "have it signed by an authority that is closer to the root, or create the root again without pathlen",
    ),
    (
        "parent certificate cannot sign this kind of certificate",
        "X3",
        "have it signed with the certificate of an authority (basicConstraints CA:TRUE, keyUsage keyCertSign)",
    ),
    (
        "verification failure\" while trying",
        "X3",
        "use the certificate that belongs to this cluster: another authority of the same name signed this one",
    ),
    (
        "verification error\" while trying",
        "X3",
        "use the certificate that belongs to this cluster: another authority of the same name signed this one",
    ),
    // The other authenticator reports this, too, beside the actual error of the certificate.
    (
        "signed by unknown authority",
        "X3",
        "have the certificate signed by an authority of --client-ca-file",
    ),
];

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
        Verdict::Forbidden => return Some(rights::forbidden(reason)),
        Verdict::TlsRefused | Verdict::Unreachable => {
            let (_, seen, change) = CONNECTIONS.iter().find(|(part, ..)| reason.contains(part))?;
            return Some(Finding::of_file(format!("{seen} ({reason})"), *change));
        }
        _ => {}
    }
    if let Some(finding) = nameless(reason) {
        return Some(finding);
    }
    // An error about a server that the API server asks, such as a webhook, is not about the client's certificate.
    let elsewhere = reason.contains("tls: failed to verify certificate: ") && !reason.contains(VERIFYING);
    let said = |(part, behaviour, _): &&(&str, &str, &str)| reason.contains(part) && !(elsewhere && behaviour.starts_with('X'));
    let (_, behaviour, change) = REASONS.iter().find(said)?;
    Some(Finding::proved(behaviour, format!("the API server says: {reason}"), *change))
}

/// The words before the error about a client's certificate.
const VERIFYING: &str = "verifying certificate SN=";

/// Returns the finding for a certificate that only the front proxies' authority refuses: that of clients has verified it, and found nobody in
/// it, or there is none (kubernetes/apiserver `pkg/authentication/request/x509/x509.go`, `CommonNameUserConversion`).
fn nameless(reason: &str) -> Option<Finding> {
    let first = reason.trim_start_matches('[');
    let alone = first.starts_with("x509: certificate signed by unknown authority") && !reason.contains(VERIFYING);
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
