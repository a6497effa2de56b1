//! Own features: the API server that they are about, its people, and their tags. The main types are [`OwnOptions`], as the user
//! types them, and [`Own`].

use std::collections::HashMap;
use std::path::PathBuf;

use clap::Args;

use super::error::{CommandError, lab_error};
use super::exit::Exit;
use super::lab_source::{self, Lab};
use super::options::LabArguments;
use super::trial::configuration::ConfigurationOptions;
use super::trial::{tell_realm, trial_error};
use crate::cluster::Driver;
use crate::event::Events;
use crate::lab::{self, DEFAULT_NAME, LabError, LabOptions};
use crate::project::{self, Project};
use crate::scenario::{CONTEXTS, OwnPeople, OwnPerson, PROJECT, STAND_INS, Selected, Subject, UnderTest, Vocabulary};
use crate::trial::{self, Configured, Presented, Setup, Trial};

/// Options of own features.
#[derive(Args, Clone, Debug)]
pub struct OwnOptions {
    /// The configuration that the features are about.
    #[command(flatten)]
    pub(super) configuration: ConfigurationOptions,
    /// Tags of your own, which your features may have beside authlab's
    #[arg(long, value_name = "TAGS", value_delimiter = ',', help_heading = "Scenarios")]
    pub(super) own_tags: Vec<String>,
    /// Run the built-in features, even if you have some of your own
    #[arg(long, help_heading = "Scenarios")]
    pub(super) built_in: bool,
}

/// The own features of a run, and all that they are about.
#[derive(Clone, Debug, Default)]
pub(super) struct Own {
    /// The feature files and folders; empty for the built-in ones.
    pub(super) features: Vec<PathBuf>,
    /// The tags in addition to authlab's, without `@`.
    pub(super) tags: Vec<String>,
    /// The people whom steps may name without saying what they present.
    pub(super) people: OwnPeople,
    /// The configuration that the features are about; none at a cluster that exists.
    pub(super) configuration: Configured,
    /// The project.
    pub(super) project: Option<Project>,
    /// The versions of the project, in the form of `--kubernetes`, and the newest of them.
    pub(super) kubernetes: Option<(String, String)>,
}

impl Own {
    /// Reads what `options` name, for a run of `features` in a lab of `cluster`.
    ///
    /// # Errors
    /// A file cannot be read, or a configuration is given for the built-in features or for a cluster that exists.
    pub(super) fn read(options: &OwnOptions, features: &[PathBuf], cluster: Option<Driver>) -> Result<Self, CommandError> {
        let is_existing = cluster == Some(Driver::Existing);
        if let Some(option) = options.configuration.given().filter(|_| is_existing) {
            return Err(
                CommandError::new(Exit::Usage, format!("{option} cannot be used with --cluster existing"))
                    .hint("a cluster that exists has its own configuration and objects, and is used as it is"),
            );
        }
        let project = match options.built_in {
            true => None,
            false => options.configuration.project()?,
        };
        let features = match &project {
            _ if options.built_in => Vec::new(),
            Some(project) if features.is_empty() => of_project(project)?,
            _ => features.to_vec(),
        };
        let configuration = match is_existing {
            true => Configured::default(),
            false => options.configuration.read_any(project.as_ref())?,
        };
        if features.is_empty() && !configuration.is_empty() {
            return Err(CommandError::new(
                Exit::Usage,
                "a configuration is given, and the built-in features are about authlab's own",
            )
            .hint("name features of yours, or see `authlab try`"));
        }
        let tags = options.own_tags.iter().map(|tag| tag.trim_start_matches('@').to_owned());
        let own_tags = project.iter().flat_map(|project| project.features.tags.keys().cloned());
        let kubernetes = project.as_ref().and_then(|project| {
            let versions = project.kubernetes.as_ref()?.value.written.clone();
            Some((versions, project.newest().version.request()))
        });
        Ok(Self {
            features,
            tags: tags.chain(own_tags).collect(),
            people: match &project {
                Some(project) if is_existing => project.people.values().map(|person| known(person, None)).collect(),
                Some(project) => people(project, &Setup::of(&configuration.source))?,
                None => OwnPeople::default(),
            },
            configuration,
            project,
            kubernetes,
        })
    }

    /// Returns whether features on disk take part; a name without a file is one of the built-in features.
    pub(super) fn has_features_on_disk(&self) -> bool {
        self.features.iter().any(|path| path.exists())
    }

    /// Returns the words of the features.
    pub(super) fn vocabulary(&self) -> Vocabulary {
        let mut vocabulary = lab_source::vocabulary();
        vocabulary.tags.extend(self.tags.iter().cloned());
        vocabulary.people = self.people.clone();
        vocabulary.is_own = true;
        vocabulary
    }

    /// Checks the steps of `selected` before anything starts; those of the built-in features are checked by tests.
    ///
    /// # Errors
    /// A step is not defined, or names somebody whom nobody knows.
    pub(super) fn check(&self, selected: &Selected<'_>, vocabulary: &Vocabulary) -> Result<(), CommandError> {
        if self.features.is_empty() {
            return Ok(());
        }
        let checked = selected.check(vocabulary);
        checked.map_err(|unfit| CommandError::new(Exit::Usage, unfit).hint("`authlab steps [WORD]` shows the steps that there are"))
    }

    /// Returns whether `selected` needs an API server with an own configuration.
    ///
    /// # Errors
    /// It does, and `lab` describes another lab.
    pub(super) fn is_for(&self, selected: &Selected<'_>, lab: &LabArguments) -> Result<bool, CommandError> {
        let mut scenarios = selected.scenarios();
        let about = scenarios.find(|scenario| scenario.requires().any(|name| name == PROJECT));
        if lab.cluster.0 == Some(Driver::Existing) {
            // For every selection: no run of a project creates anything in a cluster that exists.
            return Ok(about.is_some() || self.project.is_some());
        }
        if about.is_none() && self.configuration.is_empty() {
            return Ok(false);
        }
        let refused = |option: &str| {
            let why = about.map_or_else(
                || "a configuration is given".to_owned(),
                |scenario| format!("{} is about an API server of your own", scenario.place()),
            );
            CommandError::new(Exit::Usage, format!("{option} cannot be used: {why}"))
                .hint("such an API server is started for the run, as a process")
        };
        match (lab.cluster.0, &lab.lab) {
            (Some(driver), _) if driver != Driver::Process => Err(refused(&format!("--cluster {}", driver.name()))),
            (_, Some(_)) if self.project.is_none() => Err(refused("--lab")),
            _ => Ok(true),
        }
    }

    /// Starts the API server, alone in its lab, and creates the manifests' objects. An interrupt drops this future.
    ///
    /// # Errors
    /// The API server does not start, or an object is refused.
    pub(super) async fn start(&self, lab: &LabArguments, inverted: bool, events: &Events) -> Result<Lab, CommandError> {
        self.configuration.tell(events);
        let options = LabOptions {
            kubernetes: lab
                .versions
                .kubernetes
                .clone()
                .or_else(|| self.kubernetes.as_ref().map(|(_, newest)| newest.clone())),
            server_binaries: lab.sources.clone().into(),
            keep: lab.keep,
            ..LabOptions::default()
        };
        let setup = Setup::of(&self.configuration.source).for_people(self.people.iter().filter_map(|person| person.presents.as_ref()));
        tell_realm(&setup, events);
        let trial = match &lab.lab {
            Some(name) => Trial::within(self.lab_that_is_up(name, lab, events).await?, setup).await,
            None => {
                self.tell_of_lab(events).await;
                Trial::start(setup, &options, events).await
            }
        };
        let trial = trial.map_err(trial_error)?.reporting(events);
        if let Err(refused) = trial.apply(&self.configuration.manifests).await {
            trial.end().await.map_err(lab_error)?;
            return Err(trial_error(refused));
        }
        lab_source::tell_ready(trial.lab(), events);
        let under_test = UnderTest {
            subject: Subject::Trial(Box::new(trial)),
            people: self.people.clone(),
            kept_out: HashMap::new(),
        };
        lab_source::site(under_test.lab().clone(), Some(under_test), inverted, events).await
    }

    /// Returns the lab `name` that is up for the project, with the version that `options` ask for.
    async fn lab_that_is_up(&self, name: &str, options: &LabArguments, events: &Events) -> Result<lab::Lab, CommandError> {
        let up = lab::Lab::existing(name).await.map_err(lab_error)?;
        let wrong = |why| {
            let name = name.to_owned();
            lab_error(LabError::Mismatch { name, why })
        };
        if !self.is_for_project(&up) {
            return Err(wrong("it is not for this project".to_owned()));
        }
        let version = &up.description().kubernetes;
        let asked = options
            .versions
            .kubernetes()
            .map_err(|error| CommandError::new(Exit::Usage, error))?;
        if options.versions.kubernetes.is_some() && asked.version.to_string() != *version {
            return Err(wrong(format!("it runs Kubernetes {version}")));
        }
        events.note(format!(
            "using the lab '{name}' that is up (Kubernetes {version}), with every object in it"
        ));
        Ok(up)
    }

    fn is_for_project(&self, lab: &lab::Lab) -> bool {
        let project = self.project.as_ref().map(|project| &project.directory);
        project.is_some() && lab.description().project.as_ref() == project
    }

    /// Tells of a lab that is up for the project, and is not used.
    async fn tell_of_lab(&self, events: &Events) {
        // One that cannot be read is of no use here.
        let up = lab::Lab::attach(DEFAULT_NAME).await.ok().flatten();
        if up.is_some_and(|lab| self.is_for_project(&lab)) {
            events.note(format!(
                "not using the lab '{DEFAULT_NAME}' that is up, which may have other objects; --lab {DEFAULT_NAME} uses it"
            ));
        }
    }

    /// Returns the arguments of `authlab run` that name the features and all that they are about; for the built-in features, only a cluster
    /// that exists.
    pub(super) fn run_with(&self, options: &OwnOptions, lab: &LabArguments) -> Vec<String> {
        let of_cluster = of_existing_cluster(lab);
        if self.features.is_empty() {
            return of_cluster;
        }
        let mut words = Self::words(options);
        words.extend(of_cluster);
        if let Some(name) = &lab.lab {
            words.extend(["--lab".to_owned(), name.clone()]);
        }
        words.extend(self.features.iter().map(|path| path.to_string_lossy().into_owned()));
        words
    }

    /// Returns the options that name all of this but the features, as a user would type them.
    pub(super) fn words(options: &OwnOptions) -> Vec<String> {
        let mut words = options.configuration.words();
        if !options.own_tags.is_empty() {
            words.extend(["--own-tags".to_owned(), options.own_tags.join(",")]);
        }
        if options.built_in {
            words.push("--built-in".to_owned());
        }
        words
    }
}

/// Returns the options that name the existing cluster of `lab`, if it is one.
fn of_existing_cluster(lab: &LabArguments) -> Vec<String> {
    if lab.cluster.0 != Some(Driver::Existing) {
        return Vec::new();
    }
    let file = &lab.cluster_file;
    let kubeconfig = file.kubeconfig.as_ref().map(|file| file.to_string_lossy().into_owned());
    let named = [
        ("--cluster", Some(Driver::Existing.name().to_owned())),
        ("--kubeconfig", kubeconfig),
        ("--context", file.context.clone()),
    ];
    let given = named.into_iter().filter_map(|(option, value)| Some([option.to_owned(), value?]));
    given.flatten().collect()
}

/// Returns the files and folders of the features of `project`.
fn of_project(project: &Project) -> Result<Vec<PathBuf>, CommandError> {
    let features = project.feature_paths();
    if features.is_empty() {
        return Err(
            CommandError::new(Exit::Usage, format!("the project {} has no features", project.shown))
                .hint("write some into `features/`, name others, or run the built-in ones with --built-in"),
        );
    }
    Ok(features)
}

/// Returns the people of `project`, as they are on API servers with `setup`.
fn people(project: &Project, setup: &Setup) -> Result<OwnPeople, CommandError> {
    let people = trial::people::everybody(project, setup).map_err(|mistakes| CommandError::hinted(Exit::Usage, mistakes))?;
    let mut presented: HashMap<String, Presented> = people.into_iter().map(|person| (person.name, person.presents)).collect();
    let all = project.people.values();
    Ok(all.map(|person| known(person, presented.remove(&person.name.value))).collect())
}

/// Returns `person` as steps name them, who presents `presents`.
fn known(person: &project::Person, presents: Option<Presented>) -> OwnPerson {
    let requires = match &person.credential {
        project::Credential::Token(_) | project::Credential::Keycloak(_) => Some(STAND_INS),
        project::Credential::Certificate { .. } => Some("cluster_signing_key"),
        project::Credential::ServiceAccount { .. } => Some("administrator"),
        project::Credential::Context(_) => Some(CONTEXTS),
        // Anywhere: a lab signs its claims anew.
        project::Credential::TokenFile(_) => None,
    };
    OwnPerson {
        name: person.name.value.clone(),
        requires,
        presents,
    }
}
