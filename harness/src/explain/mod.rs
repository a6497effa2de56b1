//! Why a credential is accepted or refused, and what to change: the question that everybody asks.
//!
//! The main type is [`Explanation`]: the server's verdict, and [`Finding`]s as data, each with the behaviour of the catalogue that it is
//! about, what was compared, and what to change. What can be checked from outside is checked by functions without input or output
//! ([`token`], [`certificate`], [`kubeconfig`]); the server's own reason, where its log can be read, comes first. A credential is sent to
//! the server that was named, and to nobody else; issuers are asked for what is public.

pub mod api_server;
pub mod bindings;
pub mod certificate;
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
use issuers::Issuer;
pub use plugin::{PluginError, run as run_plugin};

/// How long an issuer may take to say what is public.
const PATIENCE: Duration = Duration::from_secs(10);

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The behaviour of the catalogue that it is about; none for what is wrong with a file alone.
    pub behaviour: Option<&'static str>,
    /// Whether it is why the credential is refused, as far as it can be told.
    pub weight: Weight,
    /// What was compared, and what was seen.
    pub seen: String,
    /// What to change.
    pub change: Option<String>,
}

/// How much a finding says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Weight {
    /// It is in the server's own record.
    Proved,
    /// A server refuses for it.
    Cause,
    /// It is good to know.
    Note,
}

impl Finding {
    /// A server refuses for it.
    pub fn cause(behaviour: &'static str, seen: impl Into<String>, change: impl Into<String>) -> Self {
        Self {
            behaviour: Some(behaviour),
            weight: Weight::Cause,
            seen: seen.into(),
            change: Some(change.into()),
        }
    }

    /// It is good to know.
    pub fn note(behaviour: &'static str, seen: impl Into<String>) -> Self {
        Self {
            behaviour: Some(behaviour),
            weight: Weight::Note,
            seen: seen.into(),
            change: None,
        }
    }

    /// Something is wrong with a file.
    pub fn of_file(seen: impl Into<String>, change: impl Into<String>) -> Self {
        Self {
            behaviour: None,
            weight: Weight::Cause,
            seen: seen.into(),
            change: Some(change.into()),
        }
    }
}

/// What is known about the server without asking it.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// The issuers that it is configured with.
    pub issuers: Vec<Issuer>,
    /// Whether these are all of them: what is not here is unknown to the server.
    pub all: bool,
    /// What it calls itself in service accounts' tokens.
    pub service_account_issuer: Option<String>,
    /// The common names that front proxies may have; none: not known.
    pub proxy_names: Option<Vec<String>>,
    /// The authorities of front proxies, PEM; none: not known.
    pub proxy_authorities: Option<String>,
    /// Who lists the server's bindings; none: who is asked about does it.
    pub administrator: Option<Credential>,
}

/// Who somebody is, or why they are nobody.
#[derive(Clone, Debug, Serialize)]
pub struct Explanation {
    /// The server that was asked.
    pub server: String,
    /// What was presented, in words.
    pub presented: String,
    /// The kind of its answer.
    pub verdict: Verdict,
    /// The answer's status.
    pub status: Option<u16>,
    /// The server's own reason, redacted, and where it was read.
    pub reason: Option<String>,
    /// Where that was read.
    pub reason_source: ReasonSource,
    /// Whom the server takes them for.
    pub user: Option<String>,
    /// Their groups.
    pub groups: Vec<String>,
    /// What was found, what counts most first.
    pub findings: Vec<Finding>,
    /// The identity, ready to be bound.
    pub binding: Option<Value>,
}

/// Asks the server who presents `credential`, and looks at what can be seen from outside.
pub async fn explain(endpoint: &Endpoint, credential: &Credential, known: &Known) -> Explanation {
    let answer = ask(endpoint, "you", credential, &Question::who_am_i()).await;
    let now = server_time(&answer);
    let mut findings = Vec::new();
    findings.extend(clock(&answer, now));
    let parts = credential.presentation();
    if let Some(leaf) = &parts.certificate {
        // Nothing is presented for that.
        let advertised = acceptable_authorities(endpoint).await.unwrap_or_default();
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
            "nothing is presented: without a credential everybody is system:anonymous, or nobody where that is off",
            "present a token or a client certificate",
        ));
    }
    if let Some(finding) = revocation(endpoint, credential, &answer, known, now).await {
        findings.insert(0, finding);
    }
    told(endpoint, credential, &answer, findings)
}

/// How the holder of a certificate that is accepted is locked out.
async fn revocation(endpoint: &Endpoint, credential: &Credential, answer: &Answer, known: &Known, now: Timestamp) -> Option<Finding> {
    let identity = answer.identity.as_ref().filter(|_| answer.verdict == Verdict::Accepted)?;
    let (end, name) = certificate::end(&credential.presentation().certificate?.certificate)?;
    // Somebody else may be meant: by headers, or by a token that counts.
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
                "you may not list them here: whoever may does it with `kubectl get clusterrolebindings,rolebindings -A -o wide`".to_owned(),
            ),
        });
    }
    let named = lists
        .into_iter()
        .collect::<Result<Vec<_>, _>>()
        .map(|lists| bindings::naming(&lists, &identity.user, &groups));
    Some(bindings::finding(&identity.user, &groups, end, now, &named))
}

/// Puts the server's own words and what was found together.
fn told(endpoint: &Endpoint, credential: &Credential, answer: &Answer, mut findings: Vec<Finding>) -> Explanation {
    let reason = answer.record.reason.clone().or_else(|| answer.message().map(str::to_owned));
    let reason = reason.map(|reason| redact(&reason).into_owned());
    if answer.verdict == Verdict::Accepted {
        // It was accepted: whatever looks wrong does not matter here.
        for finding in &mut findings {
            finding.weight = Weight::Note;
        }
    } else if let Some(proved) = reason.as_deref().and_then(|reason| reasons::read(reason, answer.verdict)) {
        // A front proxy that is not believed is a stranger's certificate to the server's log.
        let same = |finding: &Finding| {
            finding.behaviour == proved.behaviour || (finding.behaviour == Some("P6") && proved.behaviour == Some("X3"))
        };
        // What was compared says more than the server does.
        let mut seen = findings.iter_mut().filter(|finding| same(finding)).collect::<Vec<_>>();
        if seen.is_empty() {
            findings.push(proved);
        } else {
            seen.iter_mut().for_each(|finding| finding.weight = Weight::Proved);
        }
    }
    findings.sort_by_key(|finding| finding.weight);
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

/// A RoleBinding for who it is: the user, and each group that is not everybody's.
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

/// The server's clock, as its answer says it (RFC 9110 §6.6.1), else this machine's.
fn server_time(answer: &Answer) -> Timestamp {
    let date = answer.header("date").and_then(|date| jiff::fmt::rfc2822::parse(date).ok());
    date.map_or_else(Timestamp::now, |date| date.timestamp())
}

/// Whether the two clocks differ by more than answers take.
fn clock(answer: &Answer, server: Timestamp) -> Option<Finding> {
    answer.header("date")?;
    let ahead = server.as_second() - Timestamp::now().as_second();
    (ahead.abs() > 30).then(|| {
        let behind = if ahead > 0 { "ahead of" } else { "behind" };
        Finding::note("O4", format!("the server's clock is {} s {behind} this machine's", ahead.abs()))
    })
}

/// The ids of the keys of the token's issuer, where it is one that the server knows; what its configuration says is compared, and whether
/// the server has found it.
async fn public_keys(
    token: &str,
    known: &Known,
    answer: &Answer,
    endpoint: &Endpoint,
    findings: &mut Vec<Finding>,
) -> BTreeMap<String, Vec<String>> {
    let mut keys = BTreeMap::new();
    let Some(url) = token::issuer(token) else { return keys };
    // Nobody is asked whom a token names alone.
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
                        "the issuer's own configuration says {}, the API server is configured with {}",
                        fetched.issuer, issuer.url
                    ),
                    "configure the API server with the URL that the issuer says",
                ));
            }
            keys.insert(url, fetched.keys);
        }
        Err(_) if is_waited_for => {}
        Err(why) => findings.push(Finding::note(
            "O26",
            format!("the issuer {url} cannot be read from here ({why}); whether the API server can is another question"),
        )),
    }
    keys
}
