//! The driver of a lab for which none is named: the one that supports most of the scenarios on this machine.
//!
//! That is processes; on a system that Kubernetes is not released for, it is the first driver in containers whose images an engine has,
//! and a note says so.

use super::{LabError, Planner};
use crate::cluster::Driver;
use crate::engine::EngineError;
use crate::identity_provider;

/// `true` if Kubernetes' servers are released for this system, so that processes support the most scenarios.
const RELEASED: bool = cfg!(target_os = "linux");

impl Planner<'_> {
    /// Returns the cluster's driver: the one that was asked for, or the best.
    pub(super) async fn driver(&self) -> Result<Driver, LabError> {
        match self.options.cluster {
            Some(asked) => Ok(asked),
            None if RELEASED => Ok(Driver::Process),
            None => self.driver_without_release().await,
        }
    }

    async fn driver_without_release(&self) -> Result<Driver, LabError> {
        let engine = match self.engine().await {
            Ok(engine) => engine,
            Err(error) if self.options.provider_driver() == Some(identity_provider::Driver::Container) => return Err(error.into()),
            Err(error) => {
                self.events.note(format!("everything runs as processes: {}", in_short(&error)));
                return Ok(Driver::Process);
            }
        };
        let mut there = Vec::new();
        for driver in Driver::all().iter().filter(|driver| driver.note_when_chosen().is_some()) {
            if self.has_all(&driver.images(&self.images)).await? {
                there.push(*driver);
            }
        }
        let (driver, note) = first_of(&there);
        self.events.note(format!("{note}: {engine} answers"));
        Ok(driver)
    }
}

/// Returns the driver, and a note, for systems without released Kubernetes servers; `there` are the drivers with available images.
fn first_of(there: &[Driver]) -> (Driver, &'static str) {
    let first = there.iter().find_map(|driver| Some((*driver, driver.note_when_chosen()?)));
    first.unwrap_or((
        Driver::Process,
        "the cluster runs as processes that are built here: no images are there",
    ))
}

/// Returns an error as one line: unless containers were requested, their absence is only worth a remark.
fn in_short(error: &EngineError) -> String {
    match error {
        EngineError::NoEngine { .. } => "no container engine answers".to_owned(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_processes_are_built_first_images_that_are_there_come_before_them_and_most_of_all_the_most_able() {
        use Driver::{Container, K3s, Process};
        let candidates: Vec<Driver> = Driver::all()
            .iter()
            .copied()
            .filter(|driver| driver.note_when_chosen().is_some())
            .collect();
        assert_eq!(candidates, [Container, K3s]);
        assert_eq!(first_of(&candidates).0, Container);
        assert_eq!(first_of(&[K3s]).0, K3s);
        assert_eq!(first_of(&[]).0, Process);
    }
}
