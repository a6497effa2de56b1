//! Explains why a credential is accepted or refused, and what to change.
//!
//! The main type is [`Explanation`]: the server's verdict, and [`Finding`]s as data, each with its behaviour in the catalogue, the
//! comparison that led to it, and the change that helps. Checks without the server are functions without input or output
//! ([`token`], [`certificate`], [`kubeconfig`]); the server's own reason, if its log can be read, comes first. A credential is sent only
//! to the server that was named; issuers are asked only for public documents.

pub mod api_server;
pub mod bindings;
pub mod certificate;
mod finding;
pub mod flags;
pub mod issuers;
pub mod kubeconfig;
mod plugin;
mod reasons;
pub mod signing_request;
pub mod token;
pub mod waiting;

use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

use crate::credential::Credential;
use crate::event::{ReasonSource, Verdict};
use crate::probe::{Answer, Endpoint, Identity, Question, acceptable_authorities, ask, latest_log};
use crate::secret::redact;
pub use finding::{Basis, Effect, Finding};
use issuers::Issuer;
pub use plugin::run as run_plugin;

/// The timeout for an issuer's public documents.
const PATIENCE: Duration = Duration::from_secs(10);

/// The known facts about a server, before any request.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// The issuers of its configuration.
    pub issuers: Vec<Issuer>,
    /// `true` if `issuers` is complete: the server does not know any other issuer.
    pub all: bool,
    /// The issuers of its service-account tokens (`--service-account-issuer`); empty if unknown.
    pub service_account_issuers: Vec<String>,
    /// Its audiences (`--api-audiences`); empty if they are not set, or unknown.
    pub api_audiences: Vec<String>,
    /// Its other authenticators of tokens; `None` if unknown.
    pub others: Option<OtherAuthenticators>,
    /// The allowed common names of front proxies; `None` if unknown.
    pub proxy_names: Option<Vec<String>>,
    /// The CAs of front proxies, PEM; `None` if unknown.
    pub proxy_authorities: Option<String>,
    /// The credential that lists the server's bindings; `None`: the explained credential does so itself.
    pub administrator: Option<Credential>,
}

impl Known {
    /// Returns the server's audiences, which are its service account issuers if they are not set; empty if unknown (kubernetes
    /// `pkg/kubeapiserver/options/authentication.go`).
    #[must_use]
    pub fn api_audiences(&self) -> Vec<String> {
        if self.api_audiences.is_empty() {
            self.service_account_issuers.clone()
        } else {
            self.api_audiences.clone()
        }
    }
}

/// The authenticators of a server that know tokens of any form.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OtherAuthenticators {
    /// A file of tokens (`--token-auth-file`).
    pub file: bool,
    /// Bootstrap tokens (`--enable-bootstrap-token-auth`).
    pub bootstrap: bool,
    /// A webhook (`--authentication-token-webhook-config-file`).
    pub webhook: bool,
}

/// The identity of a credential, or why it has none.
#[derive(Clone, Debug, Serialize)]
pub struct Explanation {
    /// The address of the server.
    pub server: String,
    /// A description of the credential.
    pub presented: String,
    /// The verdict of the response.
    pub verdict: Verdict,
    /// The status of the response.
    pub status: Option<u16>,
    /// The server's own reason, redacted.
    pub reason: Option<String>,
    /// The place where the reason was read.
    pub reason_source: ReasonSource,
    /// The user name that the server assigned.
    pub user: Option<String>,
    /// The user's groups.
    pub groups: Vec<String>,
    /// The findings, the most important first.
    pub findings: Vec<Finding>,
    /// A binding for the identity, ready to be applied.
    pub binding: Option<Value>,
}

/// Asks the server for the identity of `credential`, and checks everything that can be checked without the server.
pub async fn explain(endpoint: &Endpoint, credential: &Credential, known: &Known) -> Explanation {
    let answer = ask(endpoint, "you", credential, &Question::who_am_i()).await;
    let now = server_time(&answer);
    let mut findings = Vec::new();
    findings.extend(clock(&answer, now));
    let parts = credential.presentation();
    if let Some(leaf) = &parts.certificate {
        // This connection presents no credential.
        let advertised = acceptable_authorities(endpoint).await.unwrap_or_default();
        findings.extend(certificate::check(&leaf.full_chain(), &advertised, known, now));
    }
    let bearer = parts.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("authorization"));
    for (_, value) in bearer {
        if let Some(token) = value.expose().strip_prefix("Bearer ") {
            let evidence = token::gather(token, known, endpoint, credential, &answer, PATIENCE).await;
            findings.extend(waited_for(token, known, &evidence, endpoint));
            findings.extend(token::check(token, known, &evidence, now));
        }
    }
    if parts.certificate.is_none() && parts.headers.is_empty() {
        findings.push(Finding::cause(
            "A1",
            "no credential is presented: the request is system:anonymous, or refused where anonymous requests are disabled",
            "present a token or a client certificate",
        ));
    }
    if let Some(finding) = revocation(endpoint, credential, &answer, known, now).await {
        findings.insert(0, finding);
    }
    told(endpoint, credential, &answer, findings)
}

/// Returns the finding on how to lock out the holder of an accepted certificate.
async fn revocation(endpoint: &Endpoint, credential: &Credential, answer: &Answer, known: &Known, now: Timestamp) -> Option<Finding> {
    let identity = answer.identity.as_ref().filter(|_| answer.verdict == Verdict::Accepted)?;
    let (end, name) = certificate::end(&credential.presentation().certificate?.certificate)?;
    // The identity may come from elsewhere: from impersonation headers, or from a token that takes precedence.
    if identity.user != name {
        return None;
    }
    let groups: Vec<String> = identity.groups.iter().cloned().collect();
    let (endpoint, reader) = match &known.administrator {
        Some(administrator) => (Endpoint::of(&endpoint.server), administrator),
        None => (endpoint.clone(), credential),
    };
    let mut lists = Vec::new();
    for path in bindings::LISTS {
        let answer = ask(&endpoint, "you", reader, &Question::get(path)).await;
        lists.push(match answer.verdict {
            Verdict::Accepted => Ok(answer.body),
            _ => Err(
                "this credential may not list them: with one that may, `kubectl get clusterrolebindings,rolebindings -A -o wide` shows them".to_owned(),
            ),
        });
    }
    let named = lists
        .into_iter()
        .collect::<Result<Vec<_>, _>>()
        .map(|lists| bindings::naming(&lists, &identity.user, &groups));
    Some(bindings::finding(&identity.user, &groups, end, now, &named))
}

/// Combines the server's own reason with the findings.
fn told(endpoint: &Endpoint, credential: &Credential, answer: &Answer, mut findings: Vec<Finding>) -> Explanation {
    let reason = answer.record.reason.clone().or_else(|| answer.message().map(str::to_owned));
    let reason = reason.map(|reason| redact(&reason).into_owned());
    if answer.verdict == Verdict::Accepted {
        // The server accepted the credential: what seems wrong with it here is not.
        findings.retain(|finding| finding.effect != Effect::Cause);
    } else if let Some(proved) = reason.as_deref().and_then(|reason| reasons::read(reason, answer.verdict)) {
        // To the server's log, an untrusted front proxy is a certificate signed by an unknown authority.
        let same = |finding: &Finding| {
            finding.effect == Effect::Cause
                && (finding.behaviour == proved.behaviour || (finding.behaviour == Some("P6") && proved.behaviour == Some("X3")))
        };
        // A finding from a comparison says more than the server's reason.
        let mut seen = findings.iter_mut().filter(|finding| same(finding)).collect::<Vec<_>>();
        if seen.is_empty() {
            findings.push(proved);
        } else {
            for finding in &mut seen {
                (finding.basis, finding.settle) = (Basis::Proved, None);
            }
        }
    }
    findings.sort_by_key(Finding::rank);
    let identity = answer.identity.as_ref().filter(|_| answer.verdict == Verdict::Accepted);
    Explanation {
        server: endpoint.url.clone(),
        presented: credential.to_string(),
        verdict: answer.verdict,
        status: answer.status,
        reason,
        reason_source: answer.record.source,
        user: identity.map(|identity| identity.user.clone()),
        groups: identity
            .map(|identity| identity.groups.iter().cloned().collect())
            .unwrap_or_default(),
        findings,
        binding: identity.map(binding),
    }
}

/// Returns a RoleBinding for the identity: the user, and each group that does not contain everybody.
fn binding(identity: &Identity) -> Value {
    let group = "rbac.authorization.k8s.io";
    let account = identity
        .user
        .strip_prefix("system:serviceaccount:")
        .and_then(|rest| rest.split_once(':'));
    let mut subjects = vec![match account {
        Some((namespace, name)) => json!({ "kind": "ServiceAccount", "namespace": namespace, "name": name }),
        None => json!({ "kind": "User", "apiGroup": group, "name": identity.user }),
    }];
    let own = identity.groups.iter().filter(|name| !name.starts_with("system:"));
    subjects.extend(own.map(|name| json!({ "kind": "Group", "apiGroup": group, "name": name })));
    json!({
        "apiVersion": format!("{group}/v1"), "kind": "RoleBinding",
        "metadata": { "name": "view", "namespace": "default" },
        "roleRef": { "apiGroup": group, "kind": "ClusterRole", "name": "view" },
        "subjects": subjects,
    })
}

/// Returns the server's time, from the `Date` of its response (RFC 9110 §6.6.1), else this machine's.
fn server_time(answer: &Answer) -> Timestamp {
    let date = answer.header("date").and_then(|date| jiff::fmt::rfc2822::parse(date).ok());
    date.map_or_else(Timestamp::now, |date| date.timestamp())
}

/// Returns a finding if the two clocks differ by more than the time of a response.
fn clock(answer: &Answer, server: Timestamp) -> Option<Finding> {
    answer.header("date")?;
    let ahead = server.as_second() - Timestamp::now().as_second();
    (ahead.abs() > 30).then(|| {
        let behind = if ahead > 0 { "ahead of" } else { "behind" };
        Finding::note("O4", format!("the server's clock is {} s {behind} this machine's", ahead.abs()))
    })
}

/// Returns the finding on an issuer that the server knows and has not found yet.
fn waited_for(token: &str, known: &Known, evidence: &token::Evidence, endpoint: &Endpoint) -> Option<Finding> {
    let issuer = token::configured(known, &token::issuer(token)?)?;
    let fetched = evidence.issuer.as_ref().filter(|_| evidence.is_waited_for())?;
    let attempt = waiting::attempt(&latest_log(&endpoint.server), issuer);
    let here = fetched.as_ref().map(|_| ()).map_err(String::as_str);
    Some(waiting::finding(issuer, attempt.as_ref(), here))
}
