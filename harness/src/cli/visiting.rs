//! Own features at a cluster that exists: whom a run asks, with what, and which scenarios it leaves out, all of it known before anything is
//! asked. The main type is [`VisitPlan`].

use std::collections::{BTreeMap, HashMap};
use std::io::Write;
use std::path::PathBuf;

use serde::Serialize;

use super::Session;
use super::error::CommandError;
use super::exit::Exit;
use super::lab_source::{self, Lab};
use super::options::LabArguments;
use super::output::write_json;
use super::own::Own;
use super::scenarios;
use super::trial::configuration::text;
use super::trial::trial_error;
use crate::cluster::Minor;
use crate::event::{Events, Skip, SkipKind};
use crate::project::{Credential, Person};
use crate::scenario::{OwnPerson, Selected, Subject, UnderTest, Visiting, Vocabulary};
use crate::secret::Secret;
use crate::server_binaries::Versions;
use crate::trial::Presented;
use crate::trial::existing::{Visit, Visitor, VisitorContexts};

/// A run of own features at a cluster that exists.
#[derive(Debug)]
pub(super) struct VisitPlan {
    kubeconfig: PathBuf,
    contexts: VisitorContexts,
    /// The identities of the scenarios that are carried out.
    would_run: Vec<String>,
    /// The others, with the reason.
    kept_out: BTreeMap<String, Skip>,
}

/// The requests of such a run, in words.
const ASKS: &str = "SelfSubjectReview and SelfSubjectAccessReview; /version and the lists of resources are read";

impl VisitPlan {
    /// Plans a run of `selected`, scenarios of `own`, at the cluster that `lab` names. Nothing is asked, and no exec plugin is run.
    ///
    /// # Errors
    /// Options that conflict, a context or a token file that cannot be read, or no scenario that can be carried out.
    pub(super) fn of(
        own: &Own,
        selected: &Selected<'_>,
        vocabulary: &Vocabulary,
        lab: &LabArguments,
        inverted: bool,
    ) -> Result<Self, CommandError> {
        let kubeconfig = lab.lab()?.kubeconfig.unwrap_or_default();
        if inverted {
            return Err(CommandError::new(
                Exit::Usage,
                "--invert cannot be used with --cluster existing and features of your own",
            )
            .hint("nobody there is known to be allowed everything: invert them in a lab, without --cluster existing"));
        }
        let newest = Minor(Versions::pinned().newest().version.minor.into());
        let capabilities = UnderTest::of_visited(newest);
        let (mut would_run, mut kept_out, mut named) = (Vec::new(), BTreeMap::new(), Vec::new());
        for Visiting { scenario, people, beyond } in selected.visiting(vocabulary) {
            let skip = match (beyond, lab_source::fit_for(&capabilities, &scenario)?) {
                (Some(step), _) => Some(Skip {
                    kind: SkipKind::Capability,
                    because: format!("a cluster that exists gets nothing but reviews, and this step is for authlab's labs: {step}"),
                }),
                (None, Some(skip)) => Some(skip),
                (None, None) if people.is_empty() => Some(Skip {
                    kind: SkipKind::Capability,
                    because: "it names nobody who has a context of the kubeconfig or a token in a file".to_owned(),
                }),
                (None, None) => None,
            };
            match skip {
                Some(skip) => _ = kept_out.insert(scenario.id.clone(), skip),
                None => {
                    would_run.push(scenario.id.clone());
                    named.extend(people);
                }
            }
        }
        if would_run.is_empty() {
            let reasons = kept_out.values().map(|skip| skip.because.as_str());
            return Err(scenarios::nothing_carried_out("at a cluster that exists", reasons)
                .hint("give the people of authlab.toml a `context` or a `token-file`"));
        }
        let people = own.project.iter().flat_map(|project| project.people.values());
        let people: Vec<&Person> = people.filter(|person| named.contains(&person.name.value)).collect();
        let visitors = visitors(&people, lab.cluster_file.context.as_ref())?;
        let contexts = Visit::new(&kubeconfig, &Events::silent())
            .contexts(&visitors)
            .map_err(trial_error)?;
        Ok(Self {
            kubeconfig,
            contexts,
            would_run,
            kept_out,
        })
    }

    /// Tells all of it to `events`.
    fn tell(&self, events: &Events) {
        let server = self.contexts.server().unwrap_or_default();
        events.note(format!("cluster: {server}; nothing is created or changed in it"));
        for (name, credential) in self.contexts.credentials() {
            events.note(format!("{name} presents {credential}"));
        }
        events.note(format!("requests: {ASKS}"));
        for (why, ids) in self.reasons() {
            events.note(format!("{} skipped: {why}", ids.len()));
        }
    }

    /// Returns the scenarios that are left out, by the reason.
    fn reasons(&self) -> BTreeMap<&str, Vec<&str>> {
        let mut reasons: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (id, skip) in &self.kept_out {
            reasons.entry(&skip.because).or_default().push(id);
        }
        reasons
    }

    /// Tells all of it, and then gets the credentials and asks for the version.
    ///
    /// # Errors
    /// A credential cannot be had, or the API server does not answer.
    pub(super) async fn open(&self, own: &Own, events: &Events) -> Result<Lab, CommandError> {
        self.tell(events);
        let visited = Visit::new(&self.kubeconfig, events)
            .open(&self.contexts)
            .await
            .map_err(trial_error)?;
        lab_source::tell_ready(visited.lab(), events);
        let presented: HashMap<&str, Presented> = visited
            .people()
            .iter()
            .map(|(name, credential)| (name.as_str(), Presented::Own(credential.clone())))
            .collect();
        let people = own.people.iter().map(|person| OwnPerson {
            presents: presented.get(person.name.as_str()).cloned(),
            ..person.clone()
        });
        let under_test = UnderTest {
            people: people.collect(),
            kept_out: self.kept_out.clone().into_iter().collect(),
            subject: Subject::Cluster(visited),
        };
        lab_source::site(under_test.lab().clone(), Some(under_test), false, events).await
    }

    /// Shows all of it, without asking anything.
    ///
    /// # Errors
    /// The output cannot be written.
    pub(super) fn show(&self, session: &Session, out: &mut dyn Write) -> Result<Exit, CommandError> {
        if session.output.json {
            return write_json(&Shown::of(self), out);
        }
        writeln!(out, "Cluster: {}", self.contexts.server().unwrap_or_default())?;
        writeln!(out, "\nPeople")?;
        for (name, credential) in self.contexts.credentials() {
            writeln!(out, "  {name}: {credential}")?;
        }
        writeln!(out, "\nRequests: {ASKS}.\nNothing would be created or changed.")?;
        writeln!(out, "\n{} scenarios would run", self.would_run.len())?;
        for id in &self.would_run {
            writeln!(out, "  {id}")?;
        }
        writeln!(out, "\n{} scenarios would be skipped", self.kept_out.len())?;
        for (why, ids) in self.reasons() {
            writeln!(out, "  {why}")?;
            for id in ids {
                writeln!(out, "    {id}")?;
            }
        }
        writeln!(out, "\nNothing was asked.")?;
        Ok(Exit::Success)
    }
}

/// The same as JSON.
#[derive(Serialize)]
struct Shown<'a> {
    server: Option<&'a str>,
    people: BTreeMap<&'a str, String>,
    would_run: &'a [String],
    would_skip: BTreeMap<&'a str, &'a str>,
}

impl<'a> Shown<'a> {
    fn of(plan: &'a VisitPlan) -> Self {
        let skips = plan.kept_out.iter();
        Self {
            server: plan.contexts.server(),
            people: plan.contexts.credentials().collect(),
            would_run: &plan.would_run,
            would_skip: skips.map(|(id, skip)| (id.as_str(), skip.because.as_str())).collect(),
        }
    }
}

/// Returns `people` as visitors. Tokens in files are for the cluster of `context`, or else for that of the other people.
fn visitors(people: &[&Person], context: Option<&String>) -> Result<Vec<Visitor>, CommandError> {
    let of_others = people.iter().find_map(|person| match &person.credential {
        Credential::Context(context) => Some(&context.value),
        _ => None,
    });
    let mut visitors = Vec::new();
    for person in people {
        let (context, token) = match &person.credential {
            Credential::Context(context) => (Some(&context.value), None),
            Credential::TokenFile(file) => {
                let token = Secret::new(text(&file.value.resolved)?.trim());
                (context.or(of_others), Some(token))
            }
            // Scenarios that name them are left out.
            _ => continue,
        };
        visitors.push(Visitor {
            name: person.name.value.clone(),
            context: context.cloned(),
            token,
        });
    }
    Ok(visitors)
}
