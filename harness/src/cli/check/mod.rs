//! `authlab check`: a review of an AuthenticationConfiguration or `--oidc-…` flags, by real requests.
//!
//! The main type is [`CheckArguments`].

mod annotations;
mod places;
mod record;
mod sarif;
mod show;

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anstream::AutoStream;
use clap::{Args, ValueEnum};
use futures::{StreamExt, TryStreamExt};
use serde_json::{Map, Value};

use super::Session;
use super::error::{CommandError, lab_error};
use super::exit::Exit;
use super::options::SourceOptions;
use super::output::write_json;
use super::trial::configuration::{self, ConfigurationOptions};
use super::trial::{AT_ONCE, people, trial_error, versions};
use crate::diagnostic::Diagnostics;
use crate::lab::{LabError, LabOptions};
use crate::project::Project;
use crate::server_binaries::Kubernetes;
use crate::trial::check::{Finding, RULES, Request, Severity, Subject, rule};
use crate::trial::{self, Configured, Presented, Setup, Trial, TrialError};
use places::Places;

/// Arguments of `authlab check`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
A real API server is started with the configuration, of every version that is asked for, and gets tokens of each issuer: a sound one, and
ones that differ from it in one way. Nothing is asked of the real issuers: stand-ins sign the tokens.

Examples:
  authlab check --authentication-configuration authn.yaml
  authlab check --authentication-configuration authn.yaml --kubernetes 1.30..1.37 --strict
  authlab check --flag oidc-issuer-url=https://login.example.com --flag oidc-client-id=kubernetes
  authlab check --authentication-configuration authn.yaml --format sarif >authlab.sarif

Exit codes:
  0  no error was found, with --strict also no warning
  1  an error was found, also in a file whose content cannot be used
  2  wrong usage, or a file that cannot be read
  4  an API server could not be started, for another reason than its configuration
  5  interrupted (and everything was stopped)")]
pub struct CheckArguments {
    /// The configuration that is checked.
    #[command(flatten)]
    configuration: ConfigurationOptions,
    /// File with the claims of a token that should be accepted; repeatable
    ///
    /// A JSON object, which names its issuer (`iss`) if the configuration has several. It is an error if such a token is refused. Without
    /// one, authlab chooses claims itself.
    #[arg(long, value_name = "FILE")]
    claims: Vec<PathBuf>,
    /// Kubernetes versions: `1.34`, `1.30..1.37`, `all` [default: the newest]
    ///
    /// A pre-release is named in full: `1.37,1.38.0-beta.0`.
    #[arg(long, env = "AUTHLAB_KUBERNETES", value_name = "VERSIONS")]
    kubernetes: Option<String>,
    /// Name of a finding to leave out, such as `no-prefix`; repeatable
    #[arg(long, value_name = "NAME", value_parser = known_rule)]
    off: Vec<String>,
    /// End with exit code 1 if there are warnings, too
    #[arg(long)]
    strict: bool,
    /// Also print notes, and each request with its answer
    #[arg(long, help_heading = "Output")]
    verbose: bool,
    /// Form of the output
    #[arg(long, value_enum, default_value_t, help_heading = "Output")]
    format: Format,
    /// The possible sources of server binaries.
    #[command(flatten)]
    sources: SourceOptions,
}

/// The form of the output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    #[default]
    Text,
    /// For code scanning: SARIF 2.1.0
    Sarif,
    /// For GitHub Actions: annotations on the lines of the file
    Github,
}

fn known_rule(name: &str) -> Result<String, String> {
    match rule(name) {
        Some(rule) => Ok(rule.name.to_owned()),
        None => {
            let names: Vec<&str> = RULES.iter().map(|rule| rule.name).collect();
            Err(format!("expected one of: {}", names.join(", ")))
        }
    }
}

/// Everything that was checked and found.
#[derive(Default)]
struct Report {
    /// The name of the user's file.
    file: Option<String>,
    /// The findings that are not switched off.
    findings: Vec<Finding>,
    /// The number of findings that are switched off.
    off: usize,
    /// The number of issuers.
    issuers: usize,
    /// The URLs of the issuers for which nothing is judged on some version, since every token that was tried is refused.
    unjudged: BTreeSet<String>,
    /// The full versions of Kubernetes.
    versions: Vec<String>,
    /// The requests on each version on which an API server started.
    requests: Vec<(String, Vec<Request>)>,
    took: Duration,
}

impl Report {
    /// Returns the number of findings of this weight.
    fn count(&self, severity: Severity) -> usize {
        self.findings.iter().filter(|finding| finding.severity() == severity).count()
    }

    /// Returns the file that `finding` is in; `None` for a flag that no file has.
    fn file_of<'a>(&'a self, finding: &'a Finding) -> Option<&'a str> {
        let checked = self.file.as_deref().filter(|_| !finding.field.starts_with("--"));
        finding.file.as_deref().or(checked)
    }

    /// Returns the versions that have `finding`, if others have not.
    fn only_on(&self, finding: &Finding) -> Option<String> {
        let is_some = !finding.versions.is_empty() && finding.versions.len() < self.versions.len();
        is_some.then(|| finding.versions.join(", "))
    }

    /// Returns the number of requests.
    fn asked(&self) -> usize {
        self.requests.iter().map(|(_, requests)| requests.len()).sum()
    }
}

/// Checks a configuration.
///
/// # Errors
/// The configuration cannot be read, or no lab can be started.
pub async fn run(arguments: CheckArguments, session: &Session) -> Result<Exit, CommandError> {
    let began = Instant::now();
    let project = arguments.configuration.project()?;
    let off = off(&arguments, project.as_ref())?;
    let configuration = match arguments.configuration.configured(project.as_ref()) {
        // A file that can be read and not be used is a finding, in whichever form they are wanted.
        Err(mistakes) if mistakes.list().iter().all(|mistake| !mistake.is_unread) => {
            let report = Report {
                findings: mistakes.list().iter().map(Finding::from).collect(),
                took: began.elapsed(),
                ..Report::default()
            };
            return finish(report, &off, &arguments, session);
        }
        Err(mistakes) => return Err(CommandError::hinted(Exit::Usage, mistakes)),
        Ok(configured) => configuration::something(configured)?,
    };
    configuration.tell(&session.events);
    let setup = Setup::of(&configuration.source);
    let people = match &project {
        Some(project) => of_people(project, &setup)?,
        None => Vec::new(),
    };
    let mut claims = Vec::new();
    for file in &arguments.claims {
        claims.push(people::claims(file, &configuration::text(file)?)?);
    }
    let subject = Subject::new(&configuration.source, claims)
        .with_people(people)
        .with_authorities(&configuration.authorities, configuration.has_proxy_names);
    let versions = versions(arguments.kubernetes.as_deref(), project.as_ref())?;
    let each = versions
        .iter()
        .map(|version| on(version, &arguments, &configuration, &setup, &subject, session));
    // Dropping the future ends the labs.
    let each: Vec<OnVersion> = session
        .unless_interrupted(futures::stream::iter(each).buffered(AT_ONCE).try_collect())
        .await?;
    let mut report = Report {
        file: configuration.file.as_ref().map(|file| match file.to_str() {
            Some("-") => "standard input".to_owned(),
            _ => file.display().to_string(),
        }),
        findings: subject.read(),
        off: 0,
        issuers: subject.issuers(),
        unjudged: BTreeSet::new(),
        versions: versions.iter().map(|version| version.version.to_string()).collect(),
        requests: Vec::new(),
        took: began.elapsed(),
    };
    for one in each {
        report.findings.extend(one.findings);
        report.unjudged.extend(one.unjudged);
        report.requests.extend(one.requests.map(|requests| (one.kubernetes, requests)));
    }
    for finding in report.findings.iter_mut().filter(|finding| finding.file.is_none()) {
        finding.line = finding.line.map(|line| configuration.line_in_file(line));
    }
    let places = Places::new(project.as_ref(), &arguments.configuration.flag);
    report.findings.iter_mut().for_each(|finding| places.add_to(finding));
    finish(report, &off, &arguments, session)
}

/// Writes `report` without the findings that are switched `off`, and returns what they mean.
fn finish(mut report: Report, off: &[&str], arguments: &CheckArguments, session: &Session) -> Result<Exit, CommandError> {
    let (off, findings): (Vec<_>, Vec<_>) = Finding::merged(report.findings)
        .into_iter()
        .partition(|finding| off.contains(&finding.rule.name));
    (report.off, report.findings) = (off.len(), findings);
    write(&report, arguments, session)?;
    let is_refused = report.count(Severity::Error) > 0 || (arguments.strict && report.count(Severity::Warning) > 0);
    Ok(if is_refused { Exit::Failed } else { Exit::Success })
}

/// Returns the claims of those people of `project` who have tokens.
fn of_people(project: &Project, setup: &Setup) -> Result<Vec<Map<String, Value>>, CommandError> {
    let people = trial::people::everybody(project, setup).map_err(|mistakes| CommandError::hinted(Exit::Usage, mistakes))?;
    let claims = people.into_iter().filter_map(|person| match person.presents {
        // One that lacks a claim on purpose may be meant to be refused.
        Presented::Token(claims) if claims.without.is_empty() => Some(claims.claims),
        _ => None,
    });
    Ok(claims.collect())
}

/// Returns the names of the findings that the user has switched off.
fn off<'a>(arguments: &'a CheckArguments, project: Option<&'a Project>) -> Result<Vec<&'a str>, CommandError> {
    let mut off: Vec<&str> = arguments.off.iter().map(String::as_str).collect();
    let mut mistakes = Vec::new();
    if let Some(project) = project {
        for name in &project.check.off {
            match known_rule(&name.value) {
                Ok(_) => off.push(&name.value),
                Err(why) => mistakes.push(
                    project
                        .mistake(&name.place, format!("no finding is named `{}`", name.value))
                        .hint(why),
                ),
            }
        }
    }
    Diagnostics::none_of(mistakes).map_err(|mistakes| CommandError::hinted(Exit::Usage, mistakes))?;
    Ok(off)
}

fn write(report: &Report, arguments: &CheckArguments, session: &Session) -> Result<(), CommandError> {
    let mut out = AutoStream::auto(io::stdout());
    match arguments.format {
        _ if session.output.json => _ = write_json(&record::Record::new(report), &mut out)?,
        Format::Text => show::text(report, arguments.verbose, &mut out)?,
        Format::Sarif => _ = write_json(&sarif::log(report), &mut out)?,
        Format::Github => out.write_all(annotations::of(report).as_bytes())?,
    }
    Ok(())
}

/// The result on one version.
struct OnVersion {
    kubernetes: String,
    findings: Vec<Finding>,
    unjudged: Vec<String>,
    /// The requests; `None` if the API server did not start.
    requests: Option<Vec<Request>>,
}

/// Checks `subject` on `version`.
async fn on(
    version: &Kubernetes,
    arguments: &CheckArguments,
    configuration: &Configured,
    setup: &Setup,
    subject: &Subject,
    session: &Session,
) -> Result<OnVersion, CommandError> {
    let options = LabOptions {
        kubernetes: Some(version.version.request()),
        server_binaries: arguments.sources.clone().into(),
        ..LabOptions::default()
    };
    let kubernetes = version.version.to_string();
    let trial = match Trial::start(setup.clone(), &options, &session.events).await {
        Ok(trial) => trial,
        Err(TrialError::Lab(LabError::NotAccepted { said })) => {
            return Ok(OnVersion {
                findings: subject.does_not_start(
                    &kubernetes,
                    &configuration.in_users_words(&said, setup.given.authentication.as_deref()),
                ),
                kubernetes,
                unjudged: Vec::new(),
                requests: None,
            });
        }
        Err(error) => return Err(trial_error(error)),
    };
    let checked = async {
        trial.apply(&configuration.manifests).await.map_err(trial_error)?;
        subject.check(&trial).await.map_err(trial_error)
    };
    let checked = checked.await;
    trial.end().await.map_err(lab_error)?;
    checked.map(|checked| OnVersion {
        kubernetes,
        findings: checked.findings,
        unjudged: checked.unjudged,
        requests: Some(checked.requests),
    })
}
