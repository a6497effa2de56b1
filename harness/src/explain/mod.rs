//! Explains why a credential is accepted or refused, and what to change.
//!
//! The main function is [`explain`]: it asks once, as kubectl does, judges the answer for what it is, and checks everything that can be
//! checked without the server. Its result is an [`Explanation`] with [`Finding`]s as data: each says what it rests on, the behaviour in
//! the catalogue, and the change that helps. A credential is sent only to the server that was named; issuers are asked only for public
//! documents.

pub mod answer;
pub mod api_server;
pub mod bindings;
pub mod certificate;
pub mod client_key;
pub mod connection;
mod explanation;
mod finding;
pub mod flags;
pub mod impersonation;
pub mod issuers;
mod known;
pub mod near;
mod plugin;
mod reasons;
pub mod rights;
mod sent;
pub mod signing_request;
pub mod token;
pub mod waiting;

use std::time::Duration;

use jiff::Timestamp;

use crate::credential::Credential;
use crate::event::Verdict;
use crate::probe::{Answer, Endpoint, Question, acceptable_authorities, ask, latest_log};
use answer::ANONYMOUS;
pub use answer::{not_sent, withheld};
pub use explanation::{Explanation, Outcome};
pub use finding::{Basis, Effect, Finding};
pub use known::{Known, OtherAuthenticators};
pub use plugin::{about_answer, not_run};
pub use sent::Sent;

/// The timeout for an issuer's public documents.
const PATIENCE: Duration = Duration::from_secs(10);

/// Returns why `credential` cannot be presented at `endpoint` at all; `None` if it can be.
#[must_use]
pub fn unusable(endpoint: &Endpoint, credential: &Credential) -> Option<(Outcome, Finding)> {
    let presented = endpoint.presented(credential);
    if let Some(finding) = connection::unsendable(&presented) {
        return Some((Outcome::NotSent, finding));
    }
    let leaf = presented.certificate?;
    let error = crate::tls::client_identity(&leaf.full_chain(), &leaf.key).err()?;
    let outcome = match error.go_says() {
        Some(_) => Outcome::NotSent,
        None => Outcome::NotAsked,
    };
    Some((outcome, client_key::finding(&error)))
}

/// Asks the server for the identity of `credential`, and checks everything that can be checked without the server.
pub async fn explain(endpoint: &Endpoint, credential: &Credential, known: &Known) -> Explanation {
    let (answer, answered) = answer::who_am_i(endpoint, credential).await;
    let now = server_time(&answer);
    let judged = answer::outcome(endpoint, credential, &answered);
    let connection = match &answer.failure {
        Some(failure) => connection::findings(endpoint, failure, now),
        None => connection::checked(endpoint, &answer, now),
    };
    let explanation = Explanation::unanswered(judged.outcome, &endpoint.url, &credential.to_string(), Vec::new())
        .with(answer::findings(endpoint, &answer, &answered))
        .with(judged.finding)
        .with(connection);
    match judged.outcome {
        // A refusal of the review names the user, and nothing else.
        Outcome::Accepted if answered.identity().is_none() => Explanation {
            user: judged.user,
            ..explanation.answered(&answer)
        },
        Outcome::Accepted => {
            let mut checked = checked(endpoint, credential, &answer, known, now).await;
            // Nobody asked to be anonymous: the reason that the server takes the credential for none is worth knowing.
            let is_meant = matches!(credential, Credential::Nothing | Credential::Impersonation { .. });
            if judged.user.as_deref() == Some(ANONYMOUS) && !is_meant {
                let causes = checked.iter_mut().filter(|finding| finding.effect == Effect::Cause);
                causes.for_each(|finding| finding.effect = Effect::Note);
            }
            // The server accepted the credential: what seems wrong with it here is not, and nothing is left to be judged.
            let checked = checked.into_iter().filter(|finding| finding.effect > Effect::Unjudged);
            let identity = answer.identity.iter().flat_map(|identity| bindings::unnamed(&identity.user));
            let bindings = bound(endpoint, credential, &answer, known, now).await;
            explanation
                .with(bindings.into_iter().chain(identity).chain(checked))
                .answered(&answer)
        }
        Outcome::Refused => {
            let mut findings = checked(endpoint, credential, &answer, known, now).await;
            if let (Verdict::Forbidden, Credential::Impersonation { own, headers }) = (answer.verdict, credential) {
                let said = answer.message().unwrap_or_default();
                findings.extend(impersonation::findings(endpoint, own, headers, said).await);
            }
            prove(&mut findings, &answer);
            explanation.with(findings).answered(&answer)
        }
        // Without an API server's answer, nothing about the credential explains anything.
        _ => Explanation {
            status: answer.status,
            ..explanation
        },
    }
}

/// Checks the parts of `credential`.
async fn checked(endpoint: &Endpoint, credential: &Credential, answer: &Answer, known: &Known, now: Timestamp) -> Vec<Finding> {
    let mut findings = Vec::new();
    findings.extend(clock(answer, now));
    let parts = credential.presentation();
    if let Some(leaf) = &parts.certificate {
        // This connection presents no credential.
        let advertised = acceptable_authorities(endpoint).await.unwrap_or_default();
        let authorities = certificate::Authorities {
            advertised: &advertised,
            clients: known.client_authorities.as_deref(),
            serving: Some(&endpoint.authority),
        };
        findings.extend(certificate::check(&leaf.full_chain(), &authorities, known, now));
    }
    let bearer = parts.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("authorization"));
    for (_, value) in bearer {
        if let Some(token) = value.expose().strip_prefix("Bearer ") {
            let evidence = token::gather(token, known, endpoint, credential, answer, PATIENCE).await;
            findings.extend(waited_for(token, known, &evidence, endpoint));
            findings.extend(token::check(token, known, &evidence, now));
        } else if value.expose().starts_with("Basic ") {
            // Removed in 1.19 (kubernetes#89069).
            findings.push(Finding::cause(
                "B6",
                "the request carries a user name and a password (`Authorization: Basic`), and API servers since 1.19 read only bearer tokens there",
                "present a token or a client certificate",
            ));
        }
    }
    if parts.certificate.is_none() && parts.headers.is_empty() {
        findings.push(Finding::cause(
            "A1",
            "no credential is presented: the request is system:anonymous, or refused where anonymous requests are disabled",
            "present a token or a client certificate",
        ));
    }
    findings
}

/// Combines the server's own reason with the findings: it proves the finding that says the same, or is one itself.
fn prove(findings: &mut Vec<Finding>, answer: &Answer) {
    let reason = explanation::reason(answer);
    let Some(proved) = reason.as_deref().and_then(|reason| reasons::read(reason, answer.verdict)) else {
        return;
    };
    // To the server's log, an untrusted front proxy is a certificate signed by an unknown authority; and whoever presents something that is
    // no token for it is anonymous.
    let alike = [("P6", "X3"), ("B6", "A1")];
    let same = |finding: &Finding| {
        let says = finding.behaviour.zip(proved.behaviour);
        finding.effect == Effect::Cause && says.is_some_and(|says| says.0 == says.1 || alike.contains(&says))
    };
    // A finding from a comparison says more than the server's reason.
    let mut seen = findings.iter_mut().filter(|finding| same(finding)).collect::<Vec<_>>();
    if seen.is_empty() {
        findings.push(proved);
        return;
    }
    for finding in &mut seen {
        (finding.basis, finding.settle) = (Basis::Proved, None);
    }
}

/// Returns the findings on the bindings of an accepted user: those that almost name it, and how to lock out the holder of a certificate.
async fn bound(endpoint: &Endpoint, credential: &Credential, answer: &Answer, known: &Known, now: Timestamp) -> Vec<Finding> {
    let Some(identity) = &answer.identity else { return Vec::new() };
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
    let lists: Result<Vec<_>, _> = lists.into_iter().collect();
    let near = lists
        .as_ref()
        .ok()
        .and_then(|lists| near::finding(&near::near(lists, &identity.user, &groups)));
    let end = credential
        .presentation()
        .certificate
        .and_then(|leaf| certificate::end(&leaf.certificate));
    // The identity may come from elsewhere: from impersonation headers, or from a token that takes precedence.
    let revocation = end.filter(|(_, name)| identity.user == *name).map(|(end, _)| {
        let named = lists.map(|lists| bindings::naming(&lists, &identity.user, &groups));
        bindings::finding(&identity.user, &groups, end, now, &named)
    });
    near.into_iter().chain(revocation).collect()
}

/// Checks the authorities in `text` by which kubectl verifies the server's certificate.
#[must_use]
pub fn authorities(text: &str) -> Vec<Finding> {
    certificate::bundle::check(text, "the certificate authority", Timestamp::now())
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
    let attempt = waiting::attempt(&latest_log(&endpoint.server), issuer, known.issuers.len() == 1);
    let here = fetched.as_ref().map(|_| ()).map_err(String::as_str);
    Some(waiting::finding(issuer, attempt.as_ref(), here))
}
