//! The state of a CertificateSigningRequest (certificates.k8s.io/v1), and the reason why it waits.
//!
//! The main function is [`check`]: no input, no output.

use base64::Engine as _;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use super::{Effect, Finding, Known, certificate};
use crate::secret::redact;
use crate::shell_word::quoted;

/// The state of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// The request is neither approved nor denied.
    Pending,
    /// The request is approved, but not signed.
    Approved,
    /// The request is denied.
    Denied,
    /// The signer failed or refused to sign.
    Failed,
    /// The certificate is issued and valid now.
    Issued,
    /// The certificate is issued, but expired or not yet valid.
    Flawed,
    /// The request does not exist.
    Gone,
    /// The request cannot be read.
    Unread,
}

impl State {
    /// Returns the name for output.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Approved => "approved, not yet signed",
            Self::Denied => "denied",
            Self::Failed => "approved, but signing failed",
            Self::Issued => "issued",
            Self::Flawed => "issued, but not usable now",
            Self::Gone => "gone",
            Self::Unread => "not read",
        }
    }
}

/// The one signer whose requests Kubernetes approves automatically (kubernetes `pkg/controller/certificates/approver`).
const APPROVED_BY_ITSELF: &str = "kubernetes.io/kube-apiserver-client-kubelet";

/// The signers in kube-controller-manager (kubernetes `pkg/controller/certificates/signer`).
const OWN_SIGNERS: [&str; 4] = [
    "kubernetes.io/kube-apiserver-client",
    APPROVED_BY_ITSELF,
    "kubernetes.io/kubelet-serving",
    "kubernetes.io/legacy-unknown",
];

/// Returns the finding for a missing request (kubernetes `pkg/controller/certificates/cleaner/cleaner.go`).
#[must_use]
pub fn gone(name: &str) -> Finding {
    Finding::of_file(
        format!(
            "no signing request named {name:?}: it was never made in this cluster, or kube-controller-manager has removed it. That happens a \
            day after it was made without a decision, an hour after it was denied or signed, and when its certificate has expired"
        ),
        "check that this is the right cluster, and make the request again; the issued certificate is only kept in the request",
    )
}

/// Returns the state of `request` at `now`, and the findings, the most important first.
#[must_use]
pub fn check(request: &Value, now: Timestamp) -> (State, Vec<Finding>) {
    let text = |path: &str| request.pointer(path).and_then(Value::as_str).unwrap_or_default();
    let (name, signer) = (text("/metadata/name"), text("/spec/signerName"));
    let condition = |kind: &str| {
        let all = request.pointer("/status/conditions").and_then(Value::as_array);
        all.into_iter()
            .flatten()
            .find(|one| one.get("type").and_then(Value::as_str) == Some(kind))
    };
    let (state, mut findings) = if let Some(certificate) = issued(request) {
        of_certificate(&certificate, now)
    } else if let Some(failed) = condition("Failed") {
        let usages = request.pointer("/spec/usages").cloned().unwrap_or_default();
        let finding = Finding::proved(
            "C12",
            format!("the signer {signer} could not sign: {}; its usages are {usages}", said(failed)),
            "make the request again with usages that its signer allows: for client certificates `client auth`, `digital signature` \
                and `key encipherment`, no others",
        );
        (State::Failed, vec![finding])
    } else if let Some(denied) = condition("Denied") {
        let finding = Finding::proved(
            "C14",
            format!("it was denied: {}; it is never signed", said(denied)),
            "ask the person who denied it (their name is in the audit log), and make a new one",
        );
        (State::Denied, vec![finding])
    } else if let Some(approved) = condition("Approved") {
        (State::Approved, vec![unsigned(signer, approved, now)])
    } else {
        (State::Pending, vec![undecided(name, signer)])
    };
    let asked = text("/spec/username");
    if !asked.is_empty() {
        findings.push(Finding::note(
            "C2",
            format!("it was made by {asked:?}, which may differ from the user of its certificate"),
        ));
    }
    (state, findings)
}

/// Returns the reason and the message of a condition, redacted.
fn said(condition: &Value) -> String {
    let text = |name: &str| condition.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let said = match (text("reason"), text("message")) {
        (Some(reason), Some(message)) => format!("{reason}, {message:?}"),
        (Some(one), None) | (None, Some(one)) => one.to_owned(),
        (None, None) => "no reason given".to_owned(),
    };
    redact(&said).into_owned()
}

fn issued(request: &Value) -> Option<String> {
    let encoded = request.pointer("/status/certificate")?.as_str().filter(|text| !text.is_empty())?;
    let bytes = base64::engine::general_purpose::STANDARD.decode(encoded).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// Checks an issued certificate: the user that it names, and its validity.
fn of_certificate(certificate: &str, now: Timestamp) -> (State, Vec<Finding>) {
    let mut findings = certificate::check(certificate, &[], &Known::default(), now);
    let flawed = findings.iter().any(|finding| finding.effect == Effect::Cause);
    if let Some((end, _)) = certificate::end(certificate) {
        findings.push(Finding::note("C10", format!("the certificate is valid until {end}")));
    }
    findings.sort_by_key(Finding::rank);
    (if flawed { State::Flawed } else { State::Issued }, findings)
}

fn undecided(name: &str, signer: &str) -> Finding {
    let (behaviour, alone) = if signer == APPROVED_BY_ITSELF {
        (
            "C15",
            "Kubernetes approves requests for this signer automatically only from users who may create selfnodeclient or nodeclient of \
            certificatesigningrequests, with a node's subject and usages",
        )
    } else {
        ("C16", "Kubernetes does not approve requests for this signer automatically")
    };
    Finding::cause(
        behaviour,
        format!("it was neither approved nor denied: {alone}"),
        format!(
            "`kubectl certificate approve {}`, as a user who may `update` certificatesigningrequests/approval and `approve` the signer {signer:?}",
            quoted(name)
        ),
    )
}

fn unsigned(signer: &str, approved: &Value, now: Timestamp) -> Finding {
    let when = approved.get("lastUpdateTime").and_then(Value::as_str);
    let since = when.and_then(|when| when.parse::<Timestamp>().ok());
    let since = since.map_or_else(String::new, |at| format!(" {} s ago", (now.as_second() - at.as_second()).max(0)));
    let (whose, change) = if OWN_SIGNERS.contains(&signer) {
        (
            "kube-controller-manager signs for it, if it runs with --cluster-signing-cert-file and --cluster-signing-key-file; some \
            distributions have no such signer",
            "check that kube-controller-manager runs with both, and read its log; if the distribution has no such signer, use its own \
            way to a client certificate or a token",
        )
    } else {
        (
            "it is not one of Kubernetes' own, so it needs a controller that is installed in the cluster",
            "install a controller for this signer, or make the request again for kubernetes.io/kube-apiserver-client",
        )
    };
    Finding::cause(
        "C13",
        format!(
            "it was approved{since} ({}), and not yet signed for the signer {signer:?}: {whose}",
            said(approved)
        ),
        change,
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::explain::Basis;
    use crate::pki::{Authority, Flaw, Request};

    fn request(signer: &str, status: Value) -> Value {
        json!({ "metadata": { "name": "mine" }, "status": status,
            "spec": { "signerName": signer, "usages": ["server auth"], "username": "bob" } })
    }

    fn at() -> Timestamp {
        "2026-11-27T07:00:10Z".parse().expect("a time")
    }

    fn condition(kind: &str, reason: &str, message: &str) -> Value {
        json!({ "type": kind, "status": "True", "reason": reason, "message": message, "lastUpdateTime": "2026-11-27T07:00:00Z" })
    }

    fn first(signer: &str, conditions: &[Value]) -> (State, Finding) {
        let (state, findings) = check(&request(signer, json!({ "conditions": conditions })), at());
        assert!(findings.iter().any(|finding| finding.behaviour == Some("C2")), "{findings:?}");
        (state, findings[0].clone())
    }

    #[test]
    fn what_nobody_decided_says_who_decides() {
        let (state, found) = first("example.com/mine", &[]);
        assert_eq!((state, found.behaviour), (State::Pending, Some("C16")));
        assert!(
            found
                .change
                .is_some_and(|change| change.contains("kubectl certificate approve mine"))
        );
        assert_eq!(first(APPROVED_BY_ITSELF, &[]).1.behaviour, Some("C15"));
    }

    #[test]
    fn a_name_from_the_server_is_quoted_in_the_command_to_paste() {
        let change = undecided("a;id", "example.com/mine").change;
        assert!(
            change
                .as_ref()
                .is_some_and(|change| change.starts_with("`kubectl certificate approve 'a;id'`")),
            "{change:?}"
        );
    }

    #[test]
    fn what_nobody_signs_says_whose_signer_it_is() {
        let approved = condition("Approved", "KubectlApprove", "");
        let (state, found) = first("example.com/mine", std::slice::from_ref(&approved));
        assert_eq!((state, found.behaviour), (State::Approved, Some("C13")));
        assert!(
            found.seen.contains("approved 10 s ago (KubectlApprove)") && found.seen.contains("is installed in the cluster"),
            "{found:?}"
        );
        let (_, found) = first("kubernetes.io/kube-apiserver-client", &[approved]);
        assert!(found.seen.contains("--cluster-signing-cert-file"), "{found:?}");
    }

    #[test]
    fn denied_and_failed_say_what_the_condition_says() {
        let approved = || condition("Approved", "", "");
        let (state, found) = first("example.com/mine", &[condition("Denied", "NoWay", "not you")]);
        assert_eq!((state, found.behaviour, found.basis), (State::Denied, Some("C14"), Basis::Proved));
        assert!(found.seen.contains("NoWay, \"not you\""), "{found:?}");
        let failed = condition("Failed", "SignerValidationFailure", "invalid usage");
        let (state, found) = first("kubernetes.io/kube-apiserver-client", &[approved(), failed]);
        assert_eq!((state, found.behaviour), (State::Failed, Some("C12")));
        assert!(
            found
                .seen
                .contains("SignerValidationFailure, \"invalid usage\"; its usages are [\"server auth\"]"),
            "{found:?}"
        );
    }

    #[test]
    fn what_was_issued_says_who_its_holder_is_or_that_it_is_over() {
        let authority = Authority::root("clients").expect("an authority");
        let check = |asked: &Request| {
            let leaf = authority.issue(asked).expect("a certificate");
            let encoded = base64::engine::general_purpose::STANDARD.encode(&leaf.certificate);
            super::check(&request("example.com/mine", json!({ "certificate": encoded })), Timestamp::now())
        };
        let (state, found) = check(&Request::client("alice", &["dev"]));
        assert_eq!(state, State::Issued);
        assert!(
            found[0].seen.starts_with("the user is \"alice\"") && found[1].behaviour == Some("C10"),
            "{found:?}"
        );
        let (state, found) = check(&Request::flawed("alice", &[], Flaw::Expired));
        assert_eq!((state, found[0].behaviour), (State::Flawed, Some("X4")));
    }

    #[test]
    fn what_is_gone_says_when_requests_go() {
        assert!(gone("mine").seen.contains("no signing request named \"mine\""));
    }
}
