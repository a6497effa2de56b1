//! The people of a project in the lab that is up for it: `authlab kubeconfig` and `authlab shell` know them by name. The main function is
//! [`kubeconfig`].

use serde_json::Value;

use super::error::{CommandError, cast_error};
use super::exit::Exit;
use super::trial::trial_error;
use crate::diagnostic::Diagnostics;
use crate::event::Events;
use crate::kubeconfig;
use crate::lab::Lab;
use crate::lab::cast::{ADMINISTRATOR, CastError};
use crate::project::Project;
use crate::trial::{self, Configured, Setup, Trial};

/// Returns a kubeconfig with a new credential for `name`, somebody in the project that `lab` is for, as JSON. `None` in a lab for the built-in
/// features, whose cast has other people, and for the administrator.
///
/// The project's objects are created first, so that its roles and bindings count. `events` are told what is missing.
///
/// # Errors
/// The project has mistakes, nobody there has this name, or the credential cannot be made.
pub(super) async fn kubeconfig(lab: &Lab, name: &str, events: &Events) -> Result<Option<Value>, CommandError> {
    let description = lab.description();
    let Some(directory) = description.project.as_ref().filter(|_| name != ADMINISTRATOR) else {
        return Ok(None);
    };
    let refused = |mistakes: Diagnostics| CommandError::hinted(Exit::Usage, mistakes);
    let project = Project::read(directory).map_err(refused)?;
    let meant = project.person(name).map_err(|error| CommandError::hinted(Exit::Usage, error))?;
    let configured = Configured::of_project(&project).map_err(refused)?;
    let setup = Setup::of(&configured.source);
    let person = trial::people::person(&project, meant, &setup).map_err(|mistake| refused(mistake.into()))?;
    let Some(person) = person else {
        let told = project
            .mistake(&meant.name.place, "a context is only known to a cluster that exists")
            .hint("use the kubeconfig that has the context");
        return Err(refused(told.into()));
    };
    let setup = setup.for_people([&person.presents]);
    let trial = Trial::within(lab.clone(), setup).await.map_err(trial_error)?.reporting(events);
    trial.apply(&configured.manifests).await.map_err(trial_error)?;
    let credential = trial.credential(&person).await.map_err(trial_error)?;
    let server = trial.server();
    if server.url != lab.main().url {
        events.note("the configuration has changed since `authlab up`: this API server ends when it gets no requests for a while");
    }
    let context = format!("{name}@{}", description.name);
    let written = kubeconfig::json(&context, &server.url, &server.serving_authority, &credential);
    written.map(Some).map_err(|error| cast_error(CastError::from(error)))
}
