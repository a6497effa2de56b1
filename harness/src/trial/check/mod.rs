//! The questions of a reviewer about a configuration: real requests, each with a token that is sound but for one thing.
//!
//! The main type is [`Subject`]: [`Subject::check`] asks an API server that was started with it, [`Subject::read`] (the file by itself, and
//! the certificates of authorities) and [`Subject::does_not_start`] need no server that runs. Everything that can be found is one of [`RULES`].

mod answer;
mod authorities;
mod becoming;
mod entry;
mod expression;
mod finding;
mod judgement;
mod opinion;
mod place;
mod probe;
mod reading;
mod rules;
mod sound;
mod start;
mod tokens;
mod unaccepted;

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use futures::StreamExt;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};

use super::{Claims, Outcome, Source, Trial, TrialError};
use crate::configuration::document::Document;
use crate::credential::Credential;
use crate::diagnostic::Diagnostic;
use crate::event::Verdict;
use crate::identity_provider::issuer::Forgery;
use crate::yaml;
pub use authorities::{Bundle, Lines};
use entry::Entry;
pub use finding::{Finding, Proof, Wording};
use judgement::{Asked, Sound};
use probe::{Aim, Change, Probe, probes};
pub use rules::{RULES, Rule, Severity, rule};
pub use sound::{people, renamed};

/// The number of requests that are under way at a time, for each issuer.
const AT_ONCE: usize = 24;

/// The person who presents the tokens.
const PERSON: &str = "alice";

/// A configuration that is checked.
#[derive(Clone, Debug)]
pub struct Subject {
    /// The AuthenticationConfiguration; `None` if there is none, or if it is not one.
    document: Option<Document>,
    entries: Vec<Entry>,
    /// The authorities that the configuration and its flags name.
    bundles: Vec<Bundle>,
    /// `true` if only front proxies with certain names may be.
    has_proxy_names: bool,
    /// The field that lets everybody in without a credential, with its line.
    anonymous: Option<(String, Option<usize>)>,
    /// Claims that an entry should accept, of any issuer.
    claims: Vec<Map<String, Value>>,
    /// Claims of people, who may be meant to be refused.
    people: Vec<Map<String, Value>>,
}

/// The result on an API server of one version.
#[derive(Clone, Debug, Default)]
pub struct Checked {
    /// The findings.
    pub findings: Vec<Finding>,
    /// Each request with its answer.
    pub requests: Vec<Request>,
    /// The URLs of the issuers for which nothing is judged, since every token that was tried is refused.
    pub unjudged: Vec<String>,
}

/// Claims that an entry may accept.
#[derive(Clone, Debug, PartialEq)]
struct Candidate {
    claims: Map<String, Value>,
    /// `true` if the user says that they should be accepted.
    is_named: bool,
}

/// A request with its answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Request {
    /// The issuer that it is about.
    pub issuer: String,
    /// The credential and the answer.
    #[serde(flatten)]
    pub proof: Proof,
}

/// Returns the claims that `source` uses of the tokens of the issuer `url`, each once.
pub(super) fn claims_used(source: &Source, url: &str) -> Vec<String> {
    let mut claims: Vec<String> = Vec::new();
    for entry in Entry::all(source).iter().filter(|entry| entry.issuer.url == url) {
        let names = entry.uses.iter().filter_map(|used| used.read.path.first());
        claims.extend(names.cloned());
    }
    claims.sort();
    claims.dedup();
    claims
}

impl Subject {
    /// Returns the subject of `source`. `claims` are those of tokens that should be accepted, if they cannot be guessed.
    #[must_use]
    pub fn new(source: &Source, claims: Vec<Map<String, Value>>) -> Self {
        let read = |text: &String| Document::of_text(Path::new(""), text.clone(), &["AuthenticationConfiguration"]).ok();
        let document = source.authentication.as_ref().and_then(read);
        Self {
            entries: Entry::all(source),
            bundles: document.as_ref().map(entry::bundles).unwrap_or_default(),
            has_proxy_names: false,
            anonymous: anonymous(source),
            document,
            claims,
            people: Vec::new(),
        }
    }

    /// Adds the claims of people, which are tried where no made-up claims are accepted.
    #[must_use]
    pub fn with_people(self, people: Vec<Map<String, Value>>) -> Self {
        Self { people, ..self }
    }

    /// Adds the files of authorities that flags name. `has_proxy_names` says that `--requestheader-allowed-names` has any.
    #[must_use]
    pub fn with_authorities(mut self, bundles: &[Bundle], has_proxy_names: bool) -> Self {
        self.bundles.extend_from_slice(bundles);
        self.has_proxy_names = has_proxy_names;
        self
    }

    /// Returns the number of issuers.
    #[must_use]
    pub fn issuers(&self) -> usize {
        self.entries.len()
    }

    /// Returns the findings about the user's files that need no server.
    #[must_use]
    pub fn read(&self) -> Vec<Finding> {
        let now = Timestamp::now();
        let mut findings = self.document.as_ref().map(reading::without_server).unwrap_or_default();
        findings.extend(self.bundles.iter().flat_map(|bundle| authorities::judge(bundle, now)));
        findings.extend(authorities::shared(&self.bundles, self.has_proxy_names));
        findings
    }

    /// Returns the findings about an API server of the version `kubernetes` that said `words` in place of starting.
    #[must_use]
    pub fn does_not_start(&self, kubernetes: &str, words: &str) -> Vec<Finding> {
        on(kubernetes, start::explain_start(self.document.as_ref(), words))
    }

    /// Asks the API server of `trial`, which was started with this configuration, about each entry, side by side.
    ///
    /// # Errors
    /// A token cannot be signed.
    pub async fn check(&self, trial: &Trial) -> Result<Checked, TrialError> {
        let each = self.entries.iter().map(|entry| self.check_entry(trial, entry));
        let (each, anonymous) = tokio::join!(futures::future::join_all(each), self.check_anonymous(trial));
        let mut checked = anonymous;
        let mut accepted = Vec::new();
        for (entry, (found, sound)) in self.entries.iter().zip(each.into_iter().collect::<Result<Vec<_>, _>>()?) {
            checked.findings.extend(found.findings);
            checked.requests.extend(found.requests);
            checked.unjudged.extend(found.unjudged);
            accepted.extend(sound.map(|sound| (entry, sound)));
        }
        let accepted: Vec<(&Entry, &Sound)> = accepted.iter().map(|(entry, sound)| (*entry, sound)).collect();
        checked.findings.extend(judgement::same_names(&accepted));
        checked.findings = on(trial.kubernetes(), checked.findings);
        Ok(checked)
    }

    /// Finds a token that `entry` accepts, and asks about all others.
    async fn check_entry(&self, trial: &Trial, entry: &Entry) -> Result<(Checked, Option<Sound>), TrialError> {
        let url = entry.issuer.url.as_str();
        let mut checked = Checked::default();
        let (mut sound, mut tried) = (None, Vec::new());
        for Candidate { claims, is_named } in self.candidates(entry) {
            // Each of those that should be accepted is tried.
            if sound.is_some() && !is_named {
                break;
            }
            let outcome = present(trial, entry, &claims, &[], None).await?;
            checked.record(url, &format!("a token with {}", Value::Object(claims.clone())), &outcome);
            match outcome.identified() {
                Some(user) if sound.is_none() => {
                    let (claims, user) = (claims.clone(), user.clone());
                    sound = Some(Sound { claims, user });
                }
                None if is_named => checked.findings.push(unaccepted::named_refused(entry, &claims, &outcome)),
                _ => {}
            }
            tried.push((claims, outcome));
        }
        let Some(sound) = sound else {
            checked.unjudged.push(url.to_owned());
            checked.findings.push(unaccepted::not_accepted(entry, &tried));
            checked.findings.extend(opinion::opinions(entry, None));
            return Ok((checked, None));
        };
        let others: Vec<&str> = self
            .entries
            .iter()
            .map(|entry| entry.issuer.url.as_str())
            .filter(|other| *other != url)
            .collect();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let asked = probes(entry, &sound, &others, now).into_iter().map(async |probe: Probe| {
            let outcome = present(trial, entry, &sound.claims, &probe.changes, probe.forgery.clone()).await?;
            Ok::<_, TrialError>(Asked { probe, outcome })
        });
        let asked: Vec<Result<Asked, TrialError>> = futures::stream::iter(asked).buffered(AT_ONCE).collect().await;
        let asked = asked.into_iter().collect::<Result<Vec<_>, _>>()?;
        for Asked { probe, outcome } in &asked {
            checked.record(url, &probe.what, outcome);
        }
        let slash = asked.iter().find(|asked| asked.probe.aim == Aim::Never(&rules::OTHER_SLASH));
        let slash = slash.map(|asked| (asked.probe.what.as_str(), answer::answered(&asked.outcome)));
        checked.findings.extend(judgement::judge(entry, &sound, &asked));
        checked.findings.extend(opinion::opinions(entry, slash));
        Ok((checked, Some(sound)))
    }

    /// Returns the claims that `entry` may accept, in the order of trying: those that the user names, made-up ones, and those of people.
    ///
    /// People come last: what is found about a configuration does not depend on them, unless no other token is accepted.
    fn candidates(&self, entry: &Entry) -> Vec<Candidate> {
        let of_issuer = |claims: &Map<String, Value>| self.is_of(claims, &entry.issuer.url);
        let named = self.claims.iter().filter(|claims| of_issuer(claims)).cloned();
        let people = self.people.iter().filter(|claims| of_issuer(claims)).cloned();
        let candidate = |is_named: bool| move |claims| Candidate { claims, is_named };
        let mut candidates: Vec<Candidate> = named.map(candidate(true)).collect();
        candidates.extend(sound::candidates(entry).into_iter().chain(people).map(candidate(false)));
        candidates
    }

    /// Returns `true` if a token with `claims` is one of the issuer `url`: it says so, or there is only this issuer.
    fn is_of(&self, claims: &Map<String, Value>, url: &str) -> bool {
        match claims.get("iss").and_then(Value::as_str) {
            Some(issuer) => issuer == url,
            None => self.entries.len() == 1,
        }
    }

    /// Asks without a credential, if the configuration lets everybody in.
    async fn check_anonymous(&self, trial: &Trial) -> Checked {
        let mut checked = Checked::default();
        let Some(place) = &self.anonymous else { return checked };
        let answer = trial.answer("nobody", &Credential::Nothing).await;
        let answered = match answer.verdict {
            Verdict::Accepted | Verdict::Forbidden => "let in as \"system:anonymous\"".to_owned(),
            other => other.name().to_owned(),
        };
        let proof = Proof {
            asked: "no credential".to_owned(),
            answered,
        };
        if matches!(answer.verdict, Verdict::Accepted | Verdict::Forbidden) {
            let found = Finding::new(
                &rules::ANONYMOUS,
                "requests without a credential are let in for every path, and RBAC alone refuses them",
            );
            checked.findings.push(
                found
                    .at(place.clone())
                    .proved(&proof.asked, &proof.answered)
                    .change("name the paths that need it, such as /livez and /readyz, in `anonymous.conditions` (since Kubernetes 1.32)"),
            );
        }
        checked.requests.push(Request {
            issuer: String::new(),
            proof,
        });
        checked
    }
}

impl Checked {
    fn record(&mut self, issuer: &str, asked: &str, outcome: &Outcome) {
        self.requests.push(Request {
            issuer: issuer.to_owned(),
            proof: Proof {
                asked: asked.to_owned(),
                answered: answer::answered(outcome),
            },
        });
    }
}

impl From<&Diagnostic> for Finding {
    /// Returns the finding about a file whose content cannot be used.
    fn from(mistake: &Diagnostic) -> Self {
        let found = Self::new(&rules::NOT_A_CONFIGURATION, mistake.message.as_str());
        let line = mistake.place.as_ref().map(|place| place.line);
        Self {
            file: Some(mistake.file.clone()),
            change: mistake.hint.clone(),
            ..found.at((String::new(), line))
        }
    }
}

/// Presents a token with `claims` after `changes`, signed by the issuer of `entry` or forged.
async fn present(
    trial: &Trial,
    entry: &Entry,
    claims: &Map<String, Value>,
    changes: &[Change],
    forgery: Option<Forgery>,
) -> Result<Outcome, TrialError> {
    let issuer = &entry.issuer;
    let claims = Claims {
        claims: claims.clone(),
        ..Claims::default()
    };
    let mut complete = claims.complete(PERSON, &issuer.url, issuer.audiences.first().map(String::as_str));
    changes.iter().for_each(|change| change.apply(&mut complete));
    let token = trial.signed(&issuer.url, complete, forgery)?;
    Ok(trial.who(PERSON, &Credential::Token(token)).await)
}

fn on(kubernetes: &str, findings: Vec<Finding>) -> Vec<Finding> {
    let versions = vec![kubernetes.to_owned()];
    let on = |finding: Finding| Finding {
        versions: versions.clone(),
        ..finding
    };
    findings.into_iter().map(on).collect()
}

/// Returns the field of `source` that lets everybody in without a credential, for all paths.
fn anonymous(source: &Source) -> Option<(String, Option<usize>)> {
    let flag = source.flags.iter().rev().find(|(name, _)| name == "anonymous-auth");
    if flag.is_some_and(|(_, value)| value == "true") {
        return Some(("--anonymous-auth".to_owned(), None));
    }
    let root = yaml::parse(source.authentication.as_deref()?).ok()?;
    let anonymous = root.entry("anonymous")?;
    let is_enabled = anonymous
        .entry("enabled")
        .is_some_and(|enabled| enabled.json() == Value::Bool(true));
    let is_limited = anonymous
        .entry("conditions")
        .is_some_and(|conditions| !conditions.items().is_empty());
    (is_enabled && !is_limited).then(|| ("anonymous".to_owned(), Some(anonymous.line)))
}

#[cfg(test)]
mod tests;
