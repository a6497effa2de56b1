//! `authlab serve`: a page on this machine on which a user tries configurations, manifests and claims.
//!
//! The main type is [`ServeArguments`].

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::Session;
use super::error::{CommandError, lab_error};
use super::exit::Exit;
use super::options::{ProjectOption, SourceOptions};
use super::output::write_json;
use super::report::open::has_screen;
use super::trial::configuration::text;
use super::trial::versions;
use crate::diagnostic::Diagnostics;
use crate::event::Events;
use crate::lab::LabOptions;
use crate::lesson::MOST;
use crate::playground::{Draft, DraftCredential, DraftPerson, PageAddress, Playground, PlaygroundOptions};
use crate::project::{Credential, Project};
use crate::trial::{self, Configured, Setup};

/// Arguments of `authlab serve`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
The page is at an address of this machine that has a random word in it; nothing of it leaves the machine. It has the configuration and
manifests, people with the claims of their tokens, certificates or service accounts, and what a real API server of each version says of
them, with the requests that were sent.

With --learners, each learner of a class has such a page, and sees nothing of the others. A learner's page is for you, and for the user of
the machine who opens it first.

Examples:
  authlab serve --open
  authlab serve --authentication-configuration authn.yaml --manifests rbac.yaml --kubernetes 1.34..1.37
  authlab serve --save my-project
  authlab serve --learners 20

Exit codes:
  0  ended by Ctrl-C (and everything was stopped)
  1  the port is taken, or something could not be removed
  2  wrong usage, such as a file that cannot be read")]
pub struct ServeArguments {
    /// Port of the page on loopback [default: a free one]
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    port: Option<u16>,
    /// Kubernetes versions to begin with: `1.30..1.37` [default: the newest]
    #[arg(long, env = "AUTHLAB_KUBERNETES", value_name = "VERSIONS")]
    kubernetes: Option<String>,
    /// AuthenticationConfiguration to begin with
    #[arg(long, value_name = "FILE")]
    authentication_configuration: Option<PathBuf>,
    /// File with objects to begin with, such as roles and bindings
    #[arg(long, value_name = "FILE")]
    manifests: Vec<PathBuf>,
    /// Directory that the page may save a project into
    ///
    /// Nothing else is written. Files that exist are replaced only after the page asked. With --learners, each has a folder in it.
    #[arg(long, value_name = "DIR")]
    save: Option<PathBuf>,
    /// The project to begin with.
    #[command(flatten)]
    project: ProjectOption,
    /// Serve a page of their own to each of N learners
    ///
    /// API servers are shared where configurations are equal. Some at a time are kept, and the one used least recently ends first.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=i64::from(MOST)), conflicts_with = "open")]
    learners: Option<u32>,
    /// Open the page in the browser
    #[arg(long)]
    open: bool,
    /// The possible sources of server binaries.
    #[command(flatten)]
    sources: SourceOptions,
}

/// Serves the page until the user interrupts.
///
/// # Errors
/// A file cannot be read, the port is taken, or a lab's directory cannot be removed.
pub async fn run(arguments: ServeArguments, session: &Session, out: &mut dyn Write) -> Result<Exit, CommandError> {
    let options = PlaygroundOptions {
        port: arguments.port,
        draft: draft(&arguments, &session.events)?,
        save: arguments.save,
        learners: arguments.learners,
        labs: LabOptions {
            server_binaries: arguments.sources.into(),
            ..LabOptions::default()
        },
    };
    let playground = Playground::listen(options, &session.events)
        .await
        .map_err(|error| match arguments.port {
            Some(port) => CommandError::new(Exit::Failed, format!("cannot listen on port {port}: {error}"))
                .hint("without --port, a free one is taken"),
            None => error.into(),
        })?;
    let addresses = playground.addresses();
    if session.output.json {
        write_json(&document(addresses), out)?;
    } else {
        write_addresses(addresses, out)?;
    }
    out.flush()?;
    if let [PageAddress { url, .. }] = addresses
        && arguments.open
        && has_screen()
        && let Err(error) = open::that_detached(url)
    {
        tell(&error)?;
    }
    playground.run(session.interrupt.requested()).await.map_err(lab_error)?;
    Ok(Exit::Success)
}

/// Returns the addresses as `--json` prints them.
fn document(addresses: &[PageAddress]) -> serde_json::Value {
    match addresses {
        [PageAddress { learner: None, url }] => json!({ "schema": 1, "url": url }),
        class => {
            let learner = |page: &PageAddress| json!({ "learner": page.learner, "url": page.url });
            json!({ "schema": 1, "learners": class.iter().map(learner).collect::<Vec<_>>() })
        }
    }
}

fn write_addresses(addresses: &[PageAddress], out: &mut dyn Write) -> io::Result<()> {
    if let [PageAddress { learner: None, url }] = addresses {
        return writeln!(out, "The playground is at {url} until Ctrl-C.");
    }
    writeln!(out, "Each learner has a playground until Ctrl-C:")?;
    let width = addresses.iter().filter_map(|page| page.learner.as_deref()).map(str::len).max();
    for PageAddress { learner, url } in addresses {
        let (learner, width) = (learner.as_deref().unwrap_or_default(), width.unwrap_or_default());
        writeln!(out, "  {learner:width$}  {url}")?;
    }
    Ok(())
}

fn tell(error: &io::Error) -> io::Result<()> {
    writeln!(
        anstream::stderr(),
        "cannot open a browser ({error}); the page is at the address above"
    )
}

/// Returns the content that the page begins with, and tells `events` what the page lacks of the project.
fn draft(arguments: &ServeArguments, events: &Events) -> Result<Draft, CommandError> {
    let is_bare = arguments.authentication_configuration.is_none() && arguments.manifests.is_empty();
    let project = if is_bare { arguments.project.read()? } else { None };
    let mut draft = match &project {
        Some(project) => of_project(project, events)?,
        None if is_bare => Draft::example(),
        None => Draft::default(),
    };
    if let Some(file) = &arguments.authentication_configuration {
        draft.configuration = text(file)?;
    }
    let manifests: Vec<String> = arguments.manifests.iter().map(|file| text(file)).collect::<Result<_, _>>()?;
    draft.manifests.push_str(&manifests.join("\n---\n"));
    let chosen = versions(arguments.kubernetes.as_deref(), project.as_ref())?;
    if let Some(chosen) = chosen.iter().find(|chosen| chosen.version.is_pre_release()) {
        let error = format!("the playground has no pre-releases of Kubernetes, such as {}", chosen.version);
        return Err(CommandError::new(Exit::Usage, error).hint("`authlab try --kubernetes VERSION` tries a configuration on one"));
    }
    draft.versions = chosen.iter().map(|kubernetes| kubernetes.version.request()).collect();
    if draft.people.is_empty() {
        draft.people.push(DraftPerson {
            name: "alice".to_owned(),
            presents: DraftCredential::Claims("{\n  \"sub\": \"alice\"\n}".to_owned()),
        });
    }
    Ok(draft)
}

/// Tells whether a credential is of one kind.
type IsOfKind = fn(&Credential) -> bool;

/// The credentials of a project's people who are not on the page, with the reason.
const MISSING: [(IsOfKind, &str); 2] = [
    (
        |credential| matches!(credential, Credential::Keycloak(_)),
        "the playground starts no Keycloak, so nobody logs in at the realm of [keycloak]; `authlab try` does it, and on the page claims like \
         those of the realm's tokens can be tried",
    ),
    (
        |credential| matches!(credential, Credential::Context(_)),
        "a context of a kubeconfig is only known to its cluster; see `authlab try --cluster existing`",
    ),
];

/// Returns the content of a page that begins with `project`, without the people who log in at its realm and those who are only known to a
/// cluster that exists. `events` are told who is missing.
fn of_project(project: &Project, events: &Events) -> Result<Draft, CommandError> {
    let refused = |mistakes: Diagnostics| CommandError::hinted(Exit::Usage, mistakes);
    let configured = Configured::of_project(project).map_err(refused)?;
    let setup = Setup::of(&configured.source);
    let people = trial::people::everybody(project, &setup).map_err(refused)?;
    missing(project).for_each(|told| events.note(told));
    let files = project.manifests.iter().flat_map(|entry| &entry.value.files);
    let manifests: Vec<String> = files.map(|file| text(file)).collect::<Result<_, _>>()?;
    let flags = configured.source.flags.iter().map(|(name, value)| format!("{name}={value}\n"));
    Ok(Draft {
        flags: flags.collect(),
        configuration: configured.source.authentication.unwrap_or_default(),
        manifests: manifests.join("\n---\n"),
        people: people.into_iter().filter_map(DraftPerson::of).collect(),
        ..Draft::default()
    })
}

/// Returns what the page lacks of `project`, in words.
fn missing(project: &Project) -> impl Iterator<Item = String> {
    MISSING.iter().filter_map(|(is_missing, why)| {
        let people = project.people.values().filter(|person| is_missing(&person.credential));
        let names: Vec<&str> = people.map(|person| person.name.value.as_str()).collect();
        (!names.is_empty()).then(|| format!("not on the page: {}: {why}", names.join(", ")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_who_are_not_on_the_page_are_named_with_the_reason() {
        let folder = tempfile::tempdir().expect("a directory");
        std::fs::write(folder.path().join("realm.json"), r#"{ "realm": "prod" }"#).expect("it can be written");
        let text = "[keycloak]\nrealm = \"realm.json\"\n[people.alice]\nclaims = { sub = \"a\" }\n\
                    [people.erin]\nkeycloak = {}\n[people.max]\nkeycloak = {}\n[people.dana]\ncontext = \"dana@prod\"\n";
        let project = Project::of_text(text, "authlab.toml".to_owned(), folder.path().to_owned());
        let project = project.unwrap_or_else(|mistakes| panic!("{mistakes}"));
        let told: Vec<String> = missing(&project).collect();
        assert!(
            told.len() == 2
                && told[0].starts_with("not on the page: erin, max: the playground starts no Keycloak")
                && told[1].starts_with("not on the page: dana: a context"),
            "{told:?}"
        );
    }
}
