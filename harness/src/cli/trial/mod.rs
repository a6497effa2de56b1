//! `authlab try`: who a credential becomes under somebody's own configuration, and what it may do.
//!
//! The main type is [`TryArguments`].

mod against;
pub(super) mod configuration;
mod expectation;
pub(super) mod people;
mod show;

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use futures::{StreamExt, TryStreamExt};

use super::Session;
use super::error::{CommandError, lab_error};
use super::exit::Exit;
use super::options::{AUTO, AUTO_CLUSTER, Choice, ClusterFile, SourceOptions, choice};
use super::output::write_json;
use crate::cluster::Driver;
use crate::event::Events;
use crate::lab::{DEFAULT_NAME, Lab, LabError, LabOptions};
use crate::project::Project;
use crate::server_binaries::{Kubernetes, Versions};
use crate::trial::existing::Visit;
use crate::trial::{Action, Configured, Person, Result as Said, Setup, Trial, TrialError, Tried, WayToIssuers};
use against::Compared;
use expectation::Expectation;

/// The number of versions that are tried at a time: two API servers start together nearly as fast as one.
pub(super) const AT_ONCE: usize = 2;

/// The variables by which Go's HTTP clients find proxies, for all but loopback (`net/http`, `ProxyFromEnvironment`), and the machine's
/// authorities (`crypto/x509`).
const WAY: [&str; 8] = [
    "HTTPS_PROXY",
    "https_proxy",
    "HTTP_PROXY",
    "http_proxy",
    "NO_PROXY",
    "no_proxy",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
];

/// The flag with the authorities of the issuer that flags name.
const ISSUERS_AUTHORITY: &str = "oidc-ca-file";

/// Arguments of `authlab try`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
A real API server is started with the configuration, of every version that is asked for. Its issuers are replaced by stand-ins
that sign the tokens: nothing is asked of the real issuers, and tokens keep their names. With --real-issuers, they are asked.

Examples:
  authlab try alice --may 'create deployments.apps in team-a'
  authlab try --all --kubernetes 1.30..1.37
  authlab try --authentication-configuration authn.yaml --claims token.json
  authlab try --authentication-configuration authn.yaml --claims - --may 'list secrets in kube-system' <token.json
  authlab try --token-file real.jwt --authentication-configuration authn.yaml --kubernetes 1.30..1.37
  authlab try --all --authentication-configuration authn.yaml --against kubeadm.yaml
  authlab try --real-issuers --token-file real.jwt --authentication-configuration authn.yaml

Exit codes:
  0  the API servers answered, as expected if --expect is given
  1  an expectation does not hold, or an API server does not start with the configuration
  2  wrong usage, such as claims that are no JSON object
  4  an API server could not be started, for another reason than its configuration
  5  interrupted (and everything was stopped)")]
pub struct TryArguments {
    /// The people who are tried.
    #[command(flatten)]
    people: people::PeopleOptions,
    /// The configuration that is tried.
    #[command(flatten)]
    configuration: configuration::ConfigurationOptions,
    /// Ask the real issuers, and present tokens as they are
    ///
    /// No issuer is replaced. Tokens are those of --token-file and of people with `token-file`. The API servers read the issuers' documents and keys.
    #[arg(long, conflicts_with_all = ["claims", "issuer", "keep_times"], help_heading = "People")]
    real_issuers: bool,
    /// Something that they may do or not: `create deployments.apps in team-a`
    ///
    /// VERB RESOURCE[.GROUP][/SUBRESOURCE] [named NAME] [in NAMESPACE], or VERB /PATH. It is reviewed, and never done.
    #[arg(long, value_name = "ACTION")]
    may: Vec<Action>,
    /// An expectation, which makes this a test
    ///
    /// One of: accepted, refused, user=NAME, group=NAME, uid=UID, reason=TEXT, allowed, denied; for one person only as PERSON:EXPECTATION.
    #[arg(long, value_name = "EXPECTATION")]
    expect: Vec<Expectation>,
    /// Kubernetes versions [default: the newest]
    ///
    /// Such as `1.34`, `1.30..1.37`, `..1.32,1.37`, or `all`. A pre-release is named in full: `1.37,1.38.0-beta.0`.
    #[arg(long, env = "AUTHLAB_KUBERNETES", value_name = "VERSIONS")]
    kubernetes: Option<String>,
    /// The configuration of before, to show what changes.
    #[command(flatten)]
    against: against::AgainstOptions,
    /// Print the configuration as API servers get it, and start nothing
    #[arg(long)]
    show_configuration: bool,
    /// A cluster that exists, in place of API servers of your configuration
    ///
    /// People are contexts of the kubeconfig, or have tokens in files. Only reviews are sent, as they themselves; nothing is created.
    #[arg(
        long,
        env = "AUTHLAB_CLUSTER",
        value_parser = choice::<Driver>(AUTO_CLUSTER),
        default_value = AUTO,
        value_name = "DRIVER",
        hide_possible_values = true,
        help_heading = "Existing cluster"
    )]
    cluster: Choice<Driver>,
    /// The kubeconfig of that cluster.
    #[command(flatten)]
    cluster_file: ClusterFile,
    /// Name of the lab that is up for the project
    #[arg(long, env = "AUTHLAB_LAB", value_name = "NAME")]
    lab: Option<String>,
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
    /// A table for a pull request
    Markdown,
}

/// Tries people.
///
/// # Errors
/// The configuration or somebody's credential cannot be read, or no lab can be started.
pub async fn run(arguments: TryArguments, session: &Session, out: &mut dyn Write) -> Result<Exit, CommandError> {
    let project = arguments.configuration.project()?;
    let is_existing = arguments.cluster.0 == Some(Driver::Existing);
    arguments.cluster_file.check(is_existing)?;
    if is_existing && arguments.real_issuers {
        let told = "--real-issuers cannot be used with --cluster existing: a cluster that exists asks its own issuers";
        return Err(CommandError::new(Exit::Usage, told));
    }
    if is_existing {
        return visit(&arguments, project.as_ref(), session, out).await;
    }
    if let Some(driver) = arguments.cluster.0.filter(|driver| *driver != Driver::Process) {
        let told = format!("--cluster {} cannot be used: API servers are tried as processes", driver.name());
        return Err(CommandError::new(Exit::Usage, told));
    }
    let standard_input = |file: &&PathBuf| *file == Path::new("-");
    let of_configuration = arguments
        .configuration
        .authentication_configuration
        .iter()
        .filter(standard_input)
        .count();
    if of_configuration + arguments.people.standard_inputs() > 1 {
        return Err(CommandError::new(Exit::Usage, "standard input can be read only once").hint("name a file for all but one `-`"));
    }
    let configuration = arguments.configuration.read(project.as_ref())?;
    let setup = arguments.setup(&configuration)?;
    if arguments.show_configuration {
        show::configuration(&configuration, &setup, out)?;
        return Ok(Exit::Success);
    }
    configuration.tell(&session.events);
    let before = arguments.against.read(&configuration, project.as_ref())?;
    if let Some((before, _)) = &before {
        before.tell(&session.events);
    }
    let setup_before = before
        .as_ref()
        .map(|(before, _)| arguments.setup(before))
        .transpose()?
        .map(|before| before.compared_with(&setup));
    let setup = match &setup_before {
        Some(before) => setup.compared_with(before),
        None => setup,
    };
    let people = arguments.people.read(project.as_ref(), &setup)?;
    if let Some(left_out) = arguments.people.left_out(project.as_ref(), &setup) {
        session.events.note(left_out);
    }
    let for_people = |setup: Setup| setup.for_people(people.iter().map(|person| &person.presents));
    let setup = for_people(setup);
    tell_realm(&setup, &session.events);
    expectation::check(&arguments.expect, people.iter().map(|person| person.name.as_str()), &arguments.may)?;
    let versions = versions(arguments.kubernetes.as_deref(), project.as_ref())?;
    let trials = Trials {
        project: project.as_ref(),
        people: &people,
        arguments: &arguments,
        session,
    };
    let (before, compared) = before.unzip();
    let mut configurations = vec![Tryable { configuration, setup }];
    let before = before.zip(setup_before).map(|(configuration, setup)| Tryable {
        configuration,
        setup: for_people(setup),
    });
    configurations.extend(before);
    let mut tried = trials.on_all(&versions, &configurations).await?.into_iter();
    let (tried, before) = (tried.next().unwrap_or_default(), tried.next());
    let configuration = &configurations[0].configuration;
    let before = before.as_deref().zip(compared.as_ref());
    report(&arguments, configuration, &tried, before, session, out)
}

impl TryArguments {
    /// Returns the setup of API servers with `configuration`.
    fn setup(&self, configuration: &Configured) -> Result<Setup, CommandError> {
        if !self.real_issuers {
            return Ok(Setup::of(&configuration.source));
        }
        let named = configuration.authorities.iter().find(|bundle| bundle.field == ISSUERS_AUTHORITY);
        if named.is_none() && configuration.left.iter().any(|(name, _)| name == ISSUERS_AUTHORITY) {
            let told = format!("the file of --{ISSUERS_AUTHORITY} is not there, and the real issuer's certificate is checked with it");
            return Err(
                CommandError::new(Exit::Usage, told).hint("fetch it from where the API server runs, and name it where it lies here")
            );
        }
        let environment = WAY
            .into_iter()
            .filter_map(|name| Some((name.to_owned(), std::env::var(name).ok()?)));
        let way = WayToIssuers {
            environment: environment.collect(),
            authority: named.map(|bundle| bundle.text.clone()),
        };
        Setup::with_real_issuers(&configuration.source, way).map_err(|error| CommandError::hinted(Exit::Usage, error))
    }
}

/// Tries people at a cluster that exists.
async fn visit(arguments: &TryArguments, project: Option<&Project>, session: &Session, out: &mut dyn Write) -> Result<Exit, CommandError> {
    let visitors = arguments.people.visitors(project)?;
    expectation::check(
        &arguments.expect,
        visitors.iter().map(|visitor| visitor.name.as_str()),
        &arguments.may,
    )?;
    let kubeconfig = arguments.cluster_file.kubeconfig.clone().unwrap_or_default();
    let visit = Visit::new(&kubeconfig, &session.events);
    let tried = session
        .unless_interrupted(async { visit.try_all(&visitors, &arguments.may).await.map_err(trial_error) })
        .await?;
    report(arguments, &Configured::default(), &[tried], None, session, out)
}

/// Writes the results, and compares them with what was expected.
fn report(
    arguments: &TryArguments,
    configuration: &Configured,
    tried: &[Tried],
    before: Option<(&[Tried], &Compared)>,
    session: &Session,
    out: &mut dyn Write,
) -> Result<Exit, CommandError> {
    let unmet = expectation::unmet(&arguments.expect, tried);
    if session.output.json {
        write_json(&show::Record::new(tried, before, &unmet), out)?;
    } else {
        match arguments.format {
            Format::Text => show::text(configuration, tried, before, out)?,
            Format::Markdown => show::markdown(tried, before, out)?,
        }
        show::unmet(&unmet, out)?;
    }
    let mut all = tried.iter().chain(before.into_iter().flat_map(|(before, _)| before));
    let all_start = all.all(|tried| matches!(tried.result, Said::People(_)));
    Ok(if unmet.is_empty() && all_start {
        Exit::Success
    } else {
        Exit::Failed
    })
}

/// Returns the versions that `asked` names; without it, the newest of `project`, or of all.
pub(super) fn versions(asked: Option<&str>, project: Option<&Project>) -> Result<Vec<&'static Kubernetes>, CommandError> {
    match (asked, project) {
        (Some(asked), _) => Versions::pinned()
            .kubernetes_in(asked)
            .map_err(|error| CommandError::new(Exit::Usage, error)),
        (None, Some(project)) => Ok(vec![project.newest()]),
        (None, None) => Ok(vec![Versions::pinned().newest()]),
    }
}

/// Returns `options` for a lab that stays up for `project`: its main API server is started as the project says.
///
/// # Errors
/// A file of the project has a mistake, or the project has no configuration.
pub(super) fn lab_options(project: &Project, options: LabOptions) -> Result<LabOptions, CommandError> {
    let configured = Configured::of_project(project).map_err(|mistakes| CommandError::hinted(Exit::Usage, mistakes))?;
    if configured.is_empty() {
        return Err(
            CommandError::new(Exit::Usage, format!("{} says nothing about API servers", project.shown))
                .hint("add [api-server], or start the built-in lab with --built-in"),
        );
    }
    if options.cluster.is_some_and(|driver| driver != Driver::Process) || options.learners > 0 {
        return Err(CommandError::new(
            Exit::Usage,
            "a lab for a project has API servers that are processes, and no learners",
        )
        .hint("start the built-in lab with --built-in"));
    }
    let setup = Setup::of(&configured.source);
    let people = crate::trial::people::everybody(project, &setup).map_err(|mistakes| CommandError::hinted(Exit::Usage, mistakes))?;
    let setup = setup.for_people(people.iter().map(|person| &person.presents));
    let kubernetes = options.kubernetes.clone().or_else(|| Some(project.newest().version.request()));
    Ok(LabOptions {
        kubernetes,
        project: Some(project.directory.clone()),
        ..Trial::options(&setup, &options)
    })
}

/// A configuration, and an API server's setup with it.
struct Tryable {
    configuration: Configured,
    setup: Setup,
}

/// Everything that is the same on every version.
struct Trials<'a> {
    project: Option<&'a Project>,
    people: &'a [Person],
    arguments: &'a TryArguments,
    session: &'a Session,
}

impl Trials<'_> {
    /// Tries everybody with each of `configurations`, and returns the results of each, version by version.
    async fn on_all(&self, versions: &[&'static Kubernetes], configurations: &[Tryable]) -> Result<Vec<Vec<Tried>>, CommandError> {
        let tried = versions.iter().map(|version| self.on(version, configurations));
        let all = futures::stream::iter(tried).buffered(AT_ONCE).try_collect();
        // Dropping the future ends the labs.
        let by_version: Vec<Vec<Tried>> = self.session.unless_interrupted(all).await?;
        let mut each: Vec<Vec<Tried>> = configurations.iter().map(|_| Vec::new()).collect();
        for tried in by_version {
            each.iter_mut().zip(tried).for_each(|(of_one, tried)| of_one.push(tried));
        }
        Ok(each)
    }

    /// Returns the lab that is up for the project, if it has `version`.
    async fn lab_that_is_up(&self, version: &Kubernetes, setup: &Setup) -> Result<Option<Lab>, CommandError> {
        let Some(project) = self.project else { return Ok(None) };
        let lab = Lab::attach(self.arguments.lab.as_deref().unwrap_or(DEFAULT_NAME))
            .await
            .map_err(lab_error)?;
        let is_meant = |lab: &Lab| {
            let description = lab.description();
            description.project.as_ref() == Some(&project.directory) && description.kubernetes == version.version.to_string()
        };
        let lab = lab.filter(is_meant);
        let realm = setup.started_realm().map(|realm| &realm.import.fingerprint);
        if let (Some(lab), Some(_)) = (&lab, realm)
            && lab.description().realm.as_ref() != realm
        {
            let told =
                "not using the lab that is up: the realm has changed since, or the people who log in at it; starting another for this";
            self.session.events.note(told);
            return Ok(None);
        }
        Ok(lab)
    }

    /// Tries everybody on `version` with each of `configurations`: with each further one at a further API server of the same lab.
    async fn on(&self, version: &Kubernetes, configurations: &[Tryable]) -> Result<Vec<Tried>, CommandError> {
        let mut up = match configurations {
            [first, ..] => self.lab_that_is_up(version, &first.setup).await?,
            [] => None,
        };
        let is_ours = up.is_none();
        let mut all = Vec::new();
        for tryable in configurations {
            let tried = self.at_one(version, tryable, &mut up).await;
            if tried.is_err() && is_ours {
                end(up.take()).await?;
            }
            all.push(tried?);
        }
        if is_ours {
            end(up).await?;
        }
        Ok(all)
    }

    /// Tries everybody with `tryable` in the lab that is `up`, or else in a new one, which is then up, unless its API server does not start.
    async fn at_one(&self, version: &Kubernetes, tryable: &Tryable, up: &mut Option<Lab>) -> Result<Tried, CommandError> {
        let Tryable { configuration, setup } = tryable;
        let started = match up {
            Some(lab) => Trial::within(lab.clone(), setup.clone()).await,
            None => {
                let options = LabOptions {
                    kubernetes: Some(version.version.request()),
                    server_binaries: self.arguments.sources.clone().into(),
                    ..LabOptions::default()
                };
                Trial::start(setup.clone(), &options, &self.session.events).await
            }
        };
        let trial = match started {
            Ok(trial) => trial.reporting(&self.session.events),
            Err(TrialError::Lab(LabError::NotAccepted { said })) => {
                let said = configuration.in_users_words(&said, setup.given.authentication.as_deref());
                return Ok(Tried {
                    kubernetes: version.version.to_string(),
                    issuers_not_found: Vec::new(),
                    result: Said::DoesNotStart(said),
                });
            }
            Err(error) => return Err(trial_error(error)),
        };
        *up = Some(trial.lab().clone());
        for why in trial.issuers_not_found() {
            self.session
                .events
                .note(format!("Kubernetes {}: {why}", version.version.minor_version()));
        }
        trial.apply(&configuration.manifests).await.map_err(trial_error)?;
        trial.try_all(self.people, &self.arguments.may).await.map_err(trial_error)
    }
}

/// Ends `lab`, if there is one.
async fn end(lab: Option<Lab>) -> Result<(), CommandError> {
    match lab {
        Some(lab) => lab.end(false).await.map_err(lab_error),
        None => Ok(()),
    }
}

/// Tells what cannot work of the realm that a Keycloak is started with.
pub(super) fn tell_realm(setup: &Setup, events: &Events) {
    if let Some(realm) = setup.started_realm() {
        let notes = realm.import.notes.iter().chain(&realm.notes);
        notes.for_each(|note| events.note(format!("{}: {note}", realm.import.file)));
    }
}

/// Returns the exit code and the hint for a person that cannot be tried.
pub(super) fn trial_error(error: TrialError) -> CommandError {
    match error {
        TrialError::Lab(error) => lab_error(error),
        error @ (TrialError::Manifest(_)
        | TrialError::Untrusted { .. }
        | TrialError::Login { .. }
        | TrialError::NoResource { .. }
        | TrialError::NoNamespace { .. }
        | TrialError::SeveralGroups { .. }) => CommandError::hinted(Exit::Usage, error),
        error => CommandError::hinted(Exit::Failed, error),
    }
}
