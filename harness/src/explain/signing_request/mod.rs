//! The state of a CertificateSigningRequest (certificates.k8s.io/v1), and the reason why it waits.
//!
//! The main function is [`check`]: no input, no output. Each signer has rules of its own ([`Signer`]); a file that was not sent yet is
//! checked by [`manifest`].

mod manifest;
mod requested;
mod signer;

use base64::Engine as _;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use super::answer::{Answered, findings, judge};
use super::{Effect, Finding, certificate, connection};
use crate::probe::{Answer, Endpoint};
use crate::secret::redact;
use crate::shell_word::quoted;
pub use manifest::check as manifest;
pub use requested::Requested;
pub use signer::{Broken, Signer};

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

/// Returns the state of the request `name` according to the answer of `endpoint` for it, and the findings, the most important first.
#[must_use]
pub fn of_answer(endpoint: &Endpoint, name: &str, answer: &Answer, now: Timestamp) -> (State, Vec<Finding>) {
    let text = |path: &str| answer.body.pointer(path).and_then(Value::as_str).unwrap_or_default();
    let answered = judge(answer);
    let unread = || {
        Finding::of_file(
            format!("the signing request {name:?} cannot be read: {answer}"),
            "use a credential that may `get` certificatesigningrequests; without --signing-request, `authlab explain` says why it is refused",
        )
    };
    match &answered {
        // Anything else that answers 200 is no request that waits.
        Answered::OtherJson { status: 200, .. } if text("/kind") == "CertificateSigningRequest" && text("/metadata/name") == name => {
            check(&answer.body, now)
        }
        // Without the name, it is the path that the API server does not know.
        Answered::Status(status) if status.of_api_server && status.code == 404 && text("/details/name") == name => {
            (State::Gone, vec![gone(name)])
        }
        Answered::Status(status) if status.of_api_server => (State::Unread, vec![unread()]),
        _ => {
            let found = match &answer.failure {
                Some(failure) => connection::findings(endpoint, failure, now),
                None => findings(endpoint, answer, &answered),
            };
            (State::Unread, if found.is_empty() { vec![unread()] } else { found })
        }
    }
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
    let asked = Asked {
        name,
        signer: Signer::of(signer),
        signer_name: signer,
        username: text("/spec/username"),
        usages: usages(request),
        requested: requested(request),
    };
    let (state, mut findings) = if let Some(certificate) = issued(request) {
        of_certificate(&certificate, now)
    } else if let Some(failed) = condition("Failed") {
        (State::Failed, vec![asked.failed(failed)])
    } else if let Some(denied) = condition("Denied") {
        let finding = Finding::proved(
            "C14",
            format!("it was denied: {}; it is never signed", said(denied)),
            "ask the person who denied it (their name is in the audit log), and make a new one",
        );
        (State::Denied, vec![finding])
    } else if let Some(approved) = condition("Approved") {
        (State::Approved, vec![asked.unsigned(approved, now)])
    } else {
        (State::Pending, asked.undecided())
    };
    if !asked.username.is_empty() {
        findings.push(Finding::note(
            "C2",
            format!(
                "it was made by {:?}, which may differ from the user of its certificate",
                asked.username
            ),
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

/// Returns the usages that a request asks for.
fn usages(request: &Value) -> Vec<String> {
    let usages = request.pointer("/spec/usages").and_then(Value::as_array);
    usages.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// Returns what a request in the cluster asks for; `None` if it cannot be read.
fn requested(request: &Value) -> Option<Requested> {
    let encoded = request.pointer("/spec/request")?.as_str()?;
    let bytes = base64::engine::general_purpose::STANDARD.decode(encoded).ok()?;
    Requested::read(&String::from_utf8_lossy(&bytes)).ok()
}

/// Checks an issued certificate: the user or the server that it names, and its validity. Its purpose is its signer's business.
fn of_certificate(certificate: &str, now: Timestamp) -> (State, Vec<Finding>) {
    let mut findings = certificate::issued(certificate, now);
    let flawed = findings.iter().any(|finding| finding.effect == Effect::Cause);
    if !flawed && let Some((end, _)) = certificate::end(certificate) {
        findings.push(Finding::note("C10", format!("the certificate is valid until {end}")));
    }
    findings.sort_by_key(Finding::rank);
    (if flawed { State::Flawed } else { State::Issued }, findings)
}

/// A request without a certificate.
struct Asked<'a> {
    name: &'a str,
    signer: Signer<'a>,
    signer_name: &'a str,
    username: &'a str,
    usages: Vec<String>,
    /// `None` if it cannot be read.
    requested: Option<Requested>,
}

impl Asked<'_> {
    /// Returns the first rule of the signer that the request breaks.
    fn broken(&self) -> Option<Broken> {
        // The usages stand beside the request, and need not be read from it.
        let requested = self.requested.as_ref();
        match (requested, self.signer) {
            (None, Signer::Client) => self.signer.broken(&Requested::default(), &self.usages),
            (requested, signer) => signer.broken(requested?, &self.usages),
        }
    }

    fn failed(&self, failed: &Value) -> Finding {
        let broken = self.broken();
        let seen = match &broken {
            Some(broken) => broken.has.clone(),
            None => format!("its usages are {:?}", self.usages),
        };
        let change = match broken {
            Some(broken) => broken.change,
            None => format!(
                "ask the operator of the signer; {:?} signs {}",
                self.signer_name,
                self.signer.wants()
            ),
        };
        Finding::proved(
            "C12",
            format!("the signer {} could not sign: {}; {seen}", self.signer_name, said(failed)),
            change,
        )
    }

    fn undecided(&self) -> Vec<Finding> {
        let approve = format!(
            "`kubectl certificate approve {}`, as a user who may `update` certificatesigningrequests/approval and `approve` the signer {:?}",
            quoted(self.name),
            self.signer_name
        );
        let (behaviour, why, change) = match self.signer {
            Signer::NodeClient => (
                "C15",
                format!(
                    "Kubernetes approves requests for this signer automatically only from users who may create selfnodeclient (for their own \
                    name; this one is of {:?}) or nodeclient of certificatesigningrequests, with a node's subject and usages",
                    self.username
                ),
                approve,
            ),
            Signer::NodeServing => (
                "C16",
                "nothing in Kubernetes approves requests for this signer, since it cannot know a node's names".to_owned(),
                format!(
                    "install a controller that does so (many clouds and distributions have one; kubelet-csr-approver elsewhere), or compare the \
                    names with the node's and approve it by hand: {approve}"
                ),
            ),
            Signer::Client => (
                "C16",
                "Kubernetes does not approve requests for this signer automatically".to_owned(),
                approve,
            ),
            Signer::Custom(_) => (
                "C16",
                "Kubernetes does not approve requests for this signer automatically: its own controller does, or a person".to_owned(),
                approve,
            ),
            Signer::Legacy | Signer::Unknown(_) => (
                "C16",
                format!("nothing approves requests for this signer, and it signs {}", self.signer.wants()),
                "make the request again for kubernetes.io/kube-apiserver-client, or for a signer of your own".to_owned(),
            ),
        };
        let mut findings = vec![Finding::cause(
            behaviour,
            format!("it was neither approved nor denied: {why}"),
            change,
        )];
        findings.extend(self.broken().map(|broken| {
            Finding::cause(
                "C12",
                format!("once approved, the signer would refuse it ({:?}): {}", broken.words, broken.has),
                broken.change,
            )
        }));
        findings
    }

    fn unsigned(&self, approved: &Value, now: Timestamp) -> Finding {
        let when = approved.get("lastUpdateTime").and_then(Value::as_str);
        let since = when.and_then(|when| when.parse::<Timestamp>().ok());
        let since = since.map_or_else(String::new, |at| format!(" {} s ago", (now.as_second() - at.as_second()).max(0)));
        let (whose, change) = match self.signer {
            Signer::Client | Signer::NodeClient | Signer::NodeServing => (
                "kube-controller-manager signs for it, if it runs with --cluster-signing-cert-file and --cluster-signing-key-file; some \
                distributions have no such signer",
                "check that kube-controller-manager runs with both, and read its log; if the distribution has no such signer, use its own \
                way to a certificate or a token",
            ),
            Signer::Legacy | Signer::Unknown(_) => (
                "nothing in Kubernetes signs for this name, which is one of its own",
                "make the request again for kubernetes.io/kube-apiserver-client, kubernetes.io/kubelet-serving or a signer of your own",
            ),
            Signer::Custom(_) => (
                "it is not one of Kubernetes' own, so it needs a controller that is installed in the cluster",
                "install a controller for this signer, or read its log; for a client certificate, make the request again for \
                kubernetes.io/kube-apiserver-client",
            ),
        };
        Finding::cause(
            "C13",
            format!(
                "it was approved{since} ({}), and not yet signed for the signer {:?}: {whose}",
                said(approved),
                self.signer_name
            ),
            change,
        )
    }
}

#[cfg(test)]
mod tests;
