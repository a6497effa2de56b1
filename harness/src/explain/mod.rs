//! Explains why a credential is accepted or refused, and what to change.
//!
//! The main type is [`Explanation`]: the server's verdict, and [`Finding`]s as data, each with its behaviour in the catalogue, the
//! comparison that led to it, and the change that helps. Checks without the server are functions without input or output
//! ([`token`], [`certificate`], [`kubeconfig`]); the server's own reason, if its log can be read, comes first. A credential is sent only
//! to the server that was named; issuers are asked only for public documents.

pub mod answer;
pub mod api_server;
pub mod bindings;
pub mod certificate;
pub mod client_key;
pub mod connection;
mod finding;
pub mod flags;
pub mod issuers;
pub mod kubeconfig;
mod plugin;
mod reasons;
pub mod signing_request;
pub mod token;
pub mod waiting;

use std::collections::BTreeMap;
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
pub use plugin::{PluginError, run as run_plugin};

/// The timeout for an issuer's public documents.
const PATIENCE: Duration = Duration::from_secs(10);

/// The known facts about a server, before any request.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// The issuers of its configuration.
    pub issuers: Vec<Issuer>,
    /// `true` if `issuers` is complete: the server does not know any other issuer.
    pub all: bool,
    /// The issuer of its service-account tokens.
    pub service_account_issuer: Option<String>,
    /// The allowed common names of front proxies; `None` if unknown.
    pub proxy_names: Option<Vec<String>>,
    /// The CAs of front proxies, PEM; `None` if unknown.
    pub proxy_authorities: Option<String>,
    /// The credential that lists the server's bindings; `None`: the explained credential does so itself.
    pub administrator: Option<Credential>,
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
    let (mut answer, answered) = answer::who_am_i(endpoint, credential).await;
    if answer.verdict == Verdict::Accepted && answered.identity().is_none() {
        // Only the API server itself accepts; what else answered did not reach it.
        answer.verdict = Verdict::Unreachable;
    }
    let now = server_time(&answer);
    let mut findings = answer::findings(endpoint, &answer, &answered);
    findings.extend(
        answer
            .failure
            .iter()
            .flat_map(|failure| connection::findings(endpoint, failure, now)),
    );
    findings.extend(clock(&answer, now));
    let parts = credential.presentation();
    if let Some(leaf) = &parts.certificate {
        // This connection presents no credential.
        let advertised = match answer.failure {
            None => acceptable_authorities(endpoint).await.unwrap_or_default(),
            Some(_) => Vec::new(),
        };
        findings.extend(certificate::check(&leaf.full_chain(), &advertised, known, now));
    }
    let bearer = parts.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("authorization"));
    for (_, value) in bearer {
        if let Some(token) = value.expose().strip_prefix("Bearer ") {
            let keys = public_keys(token, known, &answer, endpoint, &mut findings).await;
            findings.extend(token::check(token, known, &keys, now));
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
            finding.behaviour == proved.behaviour || (finding.behaviour == Some("P6") && proved.behaviour == Some("X3"))
        };
        // A finding from a comparison says more than the server's reason.
        let mut seen = findings.iter_mut().filter(|finding| same(finding)).collect::<Vec<_>>();
        if seen.is_empty() {
            findings.push(proved);
        } else {
            seen.iter_mut().for_each(|finding| finding.basis = Basis::Proved);
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

/// Returns the key ids of the token's issuer, if the server knows that issuer; also compares the issuer's discovery document, and checks
/// whether the server has found it.
async fn public_keys(
    token: &str,
    known: &Known,
    answer: &Answer,
    endpoint: &Endpoint,
    findings: &mut Vec<Finding>,
) -> BTreeMap<String, Vec<String>> {
    let mut keys = BTreeMap::new();
    let Some(url) = token::issuer(token) else { return keys };
    // No request goes to an issuer that only the token names.
    let Some(issuer) = known.issuers.iter().find(|issuer| issuer.url == url) else {
        return keys;
    };
    let fetched = issuers::fetch(issuer, PATIENCE).await;
    let is_waited_for = answer
        .record
        .reason
        .as_deref()
        .is_some_and(|reason| reason.contains(waiting::NOT_READY));
    if is_waited_for {
        let attempt = waiting::attempt(&latest_log(&endpoint.server), issuer);
        let here = fetched.as_ref().map(|_| ()).map_err(String::as_str);
        findings.push(waiting::finding(issuer, attempt.as_ref(), here));
    }
    match fetched {
        Ok(fetched) => {
            if fetched.issuer != issuer.url {
                findings.push(Finding::cause(
                    "O28",
                    format!(
                        "the issuer's discovery document says {}, and the API server is configured with {}",
                        fetched.issuer, issuer.url
                    ),
                    "configure the API server with the issuer's own URL",
                ));
            }
            keys.insert(url, fetched.keys);
        }
        Err(_) if is_waited_for => {}
        Err(why) => findings.push(Finding::note(
            "O26",
            format!("the issuer {url} cannot be read from this machine ({why}); the API server may still reach it"),
        )),
    }
    keys
}
