//! The lab of `run` and `cargo test`: how it is found or started, its capabilities, and its end.

use std::sync::Arc;

use super::error::{CommandError, lab_error};
use super::exit::Exit;
use super::options::LabArguments;
use crate::behaviour::Catalogue;
use crate::cluster::Driver;
use crate::event::{Event, Events, LabReport, Skip};
use crate::lab::{LabStatus, attach_or_start};
use crate::scenario::step_definition::step_definitions;
use crate::scenario::world::{Mode, Site, run_id};
use crate::scenario::{Cleanup, OwnPeople, SharedScenario, UnderTest, Vocabulary, parser};

pub use crate::scenario::world::World;

/// The lab in which scenarios are carried out.
pub type Lab = Site;

/// Returns the tags, behaviours, capabilities and steps that feature files may use.
#[must_use]
pub fn vocabulary() -> Vocabulary {
    Vocabulary {
        tags: Vocabulary::tags_in_table(parser::readme()),
        behaviours: Catalogue::known().ids().map(str::to_owned).collect(),
        capabilities: crate::cluster::Capabilities::described(),
        steps: step_definitions::<World>(),
        people: OwnPeople::default(),
        is_own: false,
    }
}

/// Returns a lab that is up and matches `options`, or starts one that this process owns; if `inverted`, it presents sound twins.
/// An interrupt drops this future.
///
/// # Errors
/// The lab could not be started.
pub async fn lab_for_run(options: &LabArguments, inverted: bool, events: &Events) -> Result<Lab, CommandError> {
    let lab = attach_or_start(&options.lab()?, events).await.map_err(lab_error)?;
    tell_ready(&lab, events);
    site(lab, None, inverted, events).await
}

/// Returns the place of a run in `lab`, whose owner is told of the run if the lab continues.
pub(super) async fn site(
    lab: crate::lab::Lab,
    under_test: Option<UnderTest>,
    inverted: bool,
    events: &Events,
) -> Result<Lab, CommandError> {
    let run = run_id();
    let under_way = lab.begin_run(run).await.map_err(lab_error)?;
    Ok(Site {
        under_test: under_test.map(Arc::new),
        cleanup: under_way.map(|under_way| Cleanup::begin(lab.clone(), run.to_owned(), under_way)),
        lab,
        events: events.clone(),
        exchanges: true,
        is_alone: false,
        mode: if inverted { Mode::Inverted } else { Mode::AsWritten },
        learner: None,
    })
}

/// Tells that `lab` is ready.
pub(super) fn tell_ready(lab: &crate::lab::Lab, events: &Events) {
    let description = lab.description();
    events.emit(Event::LabReady {
        lab: LabReport {
            cluster: description.cluster.name().to_owned(),
            kubernetes: description.kubernetes.clone(),
            identity_provider: description.provider_in_words(),
        },
    });
}

/// The capabilities that become available last: Keycloak takes longest, and a further API server is started by its first request.
pub const LAST: &[&str] = &[
    "identity_provider",
    "cast_accounts",
    "several_audiences",
    "realm_administration",
    "further_api_servers",
    "aggregated_apis",
    "external_signer",
];

/// Returns the reason why `lab` cannot carry `scenario` out; `None` if it can.
///
/// # Errors
/// The scenario requires an unknown capability.
pub fn fit(lab: &Lab, scenario: &SharedScenario) -> Result<Option<Skip>, CommandError> {
    if let Some(skip) = lab.under_test.as_ref().and_then(|under_test| under_test.keeps_out(scenario)) {
        return Ok(Some(skip));
    }
    fit_for(&lab.capabilities(), scenario)
}

/// Like [`fit`], when only the capabilities are known.
pub(crate) fn fit_for(capabilities: &crate::cluster::Capabilities, scenario: &SharedScenario) -> Result<Option<Skip>, CommandError> {
    let checked = capabilities.check_all(scenario.requires());
    let checked = checked.map_err(|unknown| CommandError::new(Exit::Usage, unknown))?;
    Ok(checked.err())
}

/// Stops a lab that this process owns; a lab that was up before stays up. A lab in which something failed keeps its
/// directory, and with it the servers' logs.
///
/// # Errors
/// Something could not be stopped.
pub async fn release(lab: Lab, options: &LabArguments, went_wrong: bool, events: &Events) -> Result<(), CommandError> {
    let keep = options.keep || went_wrong;
    if went_wrong && lab.lab.description().cluster != Driver::Existing {
        // The scenarios only report that the server does not respond.
        let servers = LabStatus::of(&lab.lab.description().name).await.map(|status| status.servers);
        for server in servers.unwrap_or_default() {
            match (server.alive, server.stopped) {
                (false, _) => events.note(format!("{} exited before the run was over", server.name)),
                (true, true) => events.note(format!("{} was stopped by a signal before the run was over", server.name)),
                (true, false) => {}
            }
        }
    }
    if keep && lab.lab.is_owned() && lab.lab.description().cluster != Driver::Existing {
        events.note(format!("the servers' logs are kept in {}", lab.lab.directory().display()));
    }
    let is_visited = lab.under_test.as_ref().is_some_and(|under_test| under_test.is_visited());
    let existing = lab.lab.description().cluster == Driver::Existing && !is_visited;
    let end = async {
        let cleaned = match &lab.cleanup {
            Some(cleanup) => cleanup.end().await,
            None => Ok(()),
        };
        lab.lab.end(keep).await.and(cleaned)
    };
    let ended = match existing {
        true => {
            events
                .in_phase("deleting what was created in the cluster", async |_| end.await)
                .await
        }
        false => end.await,
    };
    ended.map_err(lab_error)
}
