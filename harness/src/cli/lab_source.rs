//! Where `run` and `cargo test` get their lab from, what it is able to do, and what becomes of it.

use std::time::Duration;

use super::error::{CommandError, lab_error};
use super::exit::Exit;
use super::options::LabArguments;
use crate::behaviour::Catalogue;
use crate::cluster::Driver;
use crate::event::{Event, Events, LabReport, Skip};
use crate::identity_provider;
use crate::lab::{LabError, LabStatus, attach_or_start};
use crate::process::wait::{Condition, until_gently};
use crate::scenario::world::{Mode, Site, run_id};
use crate::scenario::{Cleanup, SharedScenario, Vocabulary, parser};

pub use crate::scenario::world::World;

/// The lab that scenarios are carried out in.
pub type Lab = Site;

/// The words that tags may be.
#[must_use]
pub fn vocabulary() -> Vocabulary {
    Vocabulary {
        tags: Vocabulary::tags_in_table(parser::readme()),
        behaviours: Catalogue::known().ids().map(str::to_owned).collect(),
        capabilities: crate::cluster::Capabilities::described(),
    }
}

/// A lab that is up and matches `options`, else a new one that this process owns; `inverted`, sound twins are presented in it.
/// Given up (dropped) when the person interrupts.
///
/// # Errors
/// The lab could not be started.
pub async fn lab_for_run(options: &LabArguments, inverted: bool, events: &Events) -> Result<Lab, CommandError> {
    let lab = attach_or_start(&options.lab()?, events).await.map_err(lab_error)?;
    let description = lab.description();
    events.emit(Event::LabReady {
        lab: LabReport {
            cluster: description.cluster.name().to_owned(),
            kubernetes: description.kubernetes.clone(),
            identity_provider: description
                .identity_provider
                .map_or("none", identity_provider::Driver::name)
                .to_owned(),
        },
    });
    let run = run_id();
    let under_way = lab.begin_run(run).await.map_err(lab_error)?;
    Ok(Site {
        cleanup: under_way.map(|under_way| Cleanup::begin(lab.clone(), run.to_owned(), under_way)),
        lab,
        events: events.clone(),
        exchanges: true,
        mode: if inverted { Mode::Inverted } else { Mode::AsWritten },
        learner: None,
    })
}

/// The capabilities that a lab has last: Keycloak takes longest, and a further API server is started when it is first asked for.
pub const LAST: &[&str] = &["identity_provider", "realm_administration", "further_api_servers"];

/// The reason for which `lab` cannot carry `scenario` out; none when it can.
///
/// # Errors
/// The scenario asks for something that nobody described.
pub fn fit(lab: &Lab, scenario: &SharedScenario) -> Result<Option<Skip>, CommandError> {
    fit_for(&lab.lab.capabilities(), scenario)
}

/// The same, where only the capabilities are known.
pub(crate) fn fit_for(capabilities: &crate::cluster::Capabilities, scenario: &SharedScenario) -> Result<Option<Skip>, CommandError> {
    let checked = capabilities.check_all(scenario.requires());
    let checked = checked.map_err(|unknown| CommandError::new(Exit::Usage, unknown))?;
    Ok(checked.err())
}

/// Waits until a server of `lab` that runs as a process has ended by itself: its name. For ever, as long as none does.
pub async fn a_server_ends(lab: &Lab) -> String {
    let name = &lab.lab.description().name;
    let ended = until_gently("the end of a server", LONGEST_RUN, || async {
        let status = LabStatus::of(name).await?;
        let written = status
            .servers
            .into_iter()
            .find(|server| !server.alive && server.container.is_none());
        Ok::<_, LabError>(match written {
            Some(server) => Condition::Met(server.name),
            None => Condition::NotYet("all of them run".to_owned()),
        })
    });
    match ended.await {
        Ok(server) => server,
        // Nobody can tell; the scenarios will.
        Err(_) => std::future::pending().await,
    }
}

/// No run takes longer.
const LONGEST_RUN: Duration = Duration::from_secs(24 * 60 * 60);

/// Stops a lab that this process owns; one that was up before stays up. A lab in which something went wrong keeps its
/// directory, and with it the servers' logs.
///
/// # Errors
/// Something could not be stopped.
pub async fn release(lab: Lab, options: &LabArguments, went_wrong: bool, events: &Events) -> Result<(), CommandError> {
    let keep = options.keep || went_wrong;
    if went_wrong && lab.lab.description().cluster != Driver::Existing {
        // What scenarios make of it is that nobody answers.
        let servers = LabStatus::of(&lab.lab.description().name).await.map(|status| status.servers);
        for server in servers.unwrap_or_default().iter().filter(|server| !server.alive) {
            events.note(format!("{} ended by itself before the run was over", server.name));
        }
    }
    if keep && lab.lab.is_owned() && lab.lab.description().cluster != Driver::Existing {
        events.note(format!("the servers' logs are kept in {}", lab.lab.directory().display()));
    }
    let phase = (lab.lab.description().cluster == Driver::Existing).then(|| events.phase("deleting what was created in the cluster"));
    let cleaned = match &lab.cleanup {
        Some(cleanup) => cleanup.end().await,
        None => Ok(()),
    };
    let ended = lab.lab.end(keep).await.and(cleaned);
    match (phase, &ended) {
        (Some(phase), Ok(())) => phase.succeeded(),
        (Some(phase), Err(error)) => phase.failed(error),
        (None, _) => {}
    }
    ended.map_err(lab_error)
}
