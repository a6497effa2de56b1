//! A created container: starting, watching and removing it. The main type is [`Container`].

use std::collections::BTreeMap;
use std::time::Duration;

use bollard::container::LogOutput;
use bollard::errors::Error as Answered;
use bollard::exec::{CreateExecOptions, StartExecOptions, StartExecResults};
use bollard::models::{ContainerInspectResponse, PortMap};
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, InspectContainerOptions, LogsOptionsBuilder, RemoveContainerOptionsBuilder, StartContainerOptions,
    StatsOptionsBuilder, StopContainerOptionsBuilder,
};
use futures::TryStreamExt;

use super::error::{Doing, classify};
use super::log::{Following, follow};
use super::{ContainerSpec, Engine, EngineError, Image, Presence, Said};
use crate::process::wait::{Condition, WaitError, until};

/// The number of log lines in the error about a container's end.
const TAIL: usize = 12;

/// The time limit for the removal of a killed container.
const REMOVAL_LIMIT: Duration = Duration::from_secs(30);

/// A created container. Dropping it removes nothing: call [`Container::remove`], or sweep by its labels.
#[derive(Clone, Debug)]
pub struct Container {
    pub(super) engine: Engine,
    pub(super) id: String,
    name: String,
    image: String,
    wanted: Vec<u16>,
    published: BTreeMap<u16, u16>,
}

/// The output of a program in a container, and its exit code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// Its exit code.
    pub code: i64,
    /// The standard output.
    pub out: Vec<u8>,
    /// The standard error.
    pub err: Vec<u8>,
}

impl ContainerSpec {
    /// Creates the container without starting it: this work of the engine needs no certificates yet, and files can be copied in afterwards.
    ///
    /// # Errors
    /// The image is missing or for another architecture, the name is taken, or the engine refuses.
    pub async fn create(&self, engine: &Engine) -> Result<Container, EngineError> {
        match Image::presence(engine, &self.image).await? {
            Presence::Present(image) => image.expect_runnable(engine)?,
            Presence::Missing => {
                return Err(EngineError::ImageMissing {
                    image: self.image.clone(),
                    said: None,
                });
            }
        }
        let what = format!("the creation of the container {}", self.name);
        let doing = Doing {
            image: Some(&self.image),
            ..engine.doing(&what)
        };
        let options = CreateContainerOptionsBuilder::default().name(&self.name).build();
        let made = engine.docker().create_container(Some(options), self.body()).await;
        Ok(Container {
            id: made.map_err(|error| classify(doing, error))?.id,
            engine: engine.clone(),
            name: self.name.clone(),
            image: self.image.clone(),
            wanted: self.ports.clone(),
            published: BTreeMap::new(),
        })
    }

    /// Creates and starts the container. If it is given up halfway, a container may stay behind; its labels find it.
    ///
    /// # Errors
    /// As [`ContainerSpec::create`] and [`Container::start`]; nothing of the container is left then.
    pub async fn start(&self, engine: &Engine) -> Result<Container, EngineError> {
        self.create(engine).await?.start().await
    }
}

impl Container {
    /// Starts the container, and reads where its ports are published.
    ///
    /// # Errors
    /// A port is taken, the program is missing, or the engine refuses. The container is removed then.
    pub async fn start(mut self) -> Result<Self, EngineError> {
        match self.try_start().await {
            Ok(()) => Ok(self),
            Err(error) => {
                // The engine keeps a container that it could not start. Reports the first error.
                let _ = self.remove().await;
                Err(error)
            }
        }
    }

    async fn try_start(&mut self) -> Result<(), EngineError> {
        let doing = format!("the start of the container {}", self.name);
        let started = self.engine.docker().start_container(&self.id, None::<StartContainerOptions>).await;
        started.map_err(|error| self.failed(&doing, error))?;
        if self.wanted.is_empty() {
            return Ok(());
        }
        let found = self.inspect(&doing).await?;
        self.published = published(found.network_settings.and_then(|network| network.ports).unwrap_or_default());
        match self.wanted.iter().find(|port| !self.published.contains_key(port)) {
            None => Ok(()),
            Some(missing) => {
                // A container that ended at once has no ports any more; the error about its end says more.
                self.expect_running().await?;
                let said = Said::new(None, &format!("the port {missing} was not published"));
                Err(EngineError::Other { doing, said })
            }
        }
    }

    /// Finds the container `name`, which someone else created. Does not read its published ports.
    ///
    /// # Errors
    /// No such container exists, or the engine cannot tell.
    pub async fn named(engine: &Engine, name: &str) -> Result<Self, EngineError> {
        let mut named = Self {
            engine: engine.clone(),
            id: name.to_owned(),
            name: name.to_owned(),
            image: String::new(),
            wanted: Vec::new(),
            published: BTreeMap::new(),
        };
        let found = named.inspect(&format!("looking for the container {name}")).await?;
        named.id = found.id.unwrap_or_else(|| name.to_owned());
        named.image = found.config.and_then(|config| config.image).unwrap_or_default();
        Ok(named)
    }

    /// Returns the container's id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Returns the container's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the port of 127.0.0.1 that leads to the container's port `port`; `None` if that is not published.
    #[must_use]
    pub fn published(&self, port: u16) -> Option<u16> {
        self.published.get(&port).copied()
    }

    /// Returns the process id of the container's program on the engine's machine; `None` if it is not running.
    ///
    /// # Errors
    /// The container or the engine is gone.
    pub async fn pid(&self) -> Result<Option<u32>, EngineError> {
        let doing = format!("looking at the container {}", self.name);
        let state = self.inspect(&doing).await?.state.unwrap_or_default();
        let pid = state.pid.and_then(|pid| u32::try_from(pid).ok());
        Ok(pid.filter(|pid| *pid > 0 && state.running == Some(true)))
    }

    /// Returns the memory that all of the container's processes occupy, in bytes, without files that could be read again; `None` if the
    /// engine does not report it.
    ///
    /// # Errors
    /// The container or the engine is gone.
    pub async fn memory(&self) -> Result<Option<u64>, EngineError> {
        let doing = format!("looking at the container {}", self.name);
        let once = StatsOptionsBuilder::default().stream(false).one_shot(true).build();
        let mut told = self.engine.docker().stats(&self.id, Some(once));
        let told = told.try_next().await.map_err(|error| self.failed(&doing, error))?;
        Ok(told.and_then(|told| told.memory_stats).and_then(|memory| {
            let details = memory.stats.unwrap_or_default();
            // Same as `docker stats`: cgroup v1 has the first field, v2 the second.
            let files = details.get("total_inactive_file").or_else(|| details.get("inactive_file"));
            Some(memory.usage?.saturating_sub(files.copied().unwrap_or_default()))
        }))
    }

    /// Returns an error, with the last lines of the container's log, if its program is not running.
    ///
    /// # Errors
    /// [`EngineError::Ended`], or the engine cannot tell.
    pub async fn expect_running(&self) -> Result<(), EngineError> {
        let doing = format!("looking at the container {}", self.name);
        let state = self.inspect(&doing).await?.state.unwrap_or_default();
        if state.running == Some(true) {
            return Ok(());
        }
        Err(EngineError::Ended {
            name: self.name.clone(),
            code: state.exit_code.unwrap_or_default(),
            out_of_memory: state.oom_killed == Some(true),
            tail: self.last_lines(TAIL).await?,
        })
    }

    /// Returns the last `count` lines of the container's log, redacted.
    ///
    /// # Errors
    /// The container or the engine is gone.
    pub async fn last_lines(&self, count: usize) -> Result<Vec<String>, EngineError> {
        let doing = format!("reading the log of the container {}", self.name);
        let options = LogsOptionsBuilder::default().stdout(true).stderr(true).tail(&count.to_string());
        let logged: Vec<LogOutput> = self
            .engine
            .docker()
            .logs(&self.id, Some(options.build()))
            .try_collect()
            .await
            .map_err(|error| self.failed(&doing, error))?;
        let bytes: Vec<u8> = logged.into_iter().flat_map(LogOutput::into_bytes).collect();
        let text = String::from_utf8_lossy(&bytes);
        // Some engines count the streams separately, so there may be more lines than requested.
        Ok(crate::secret::last_lines_of(&text, count))
    }

    /// Appends the container's whole output, from its beginning to its end, to the file `log`, which only this user can read.
    ///
    /// # Errors
    /// The file cannot be opened.
    pub fn follow(&self, log: impl Into<std::path::PathBuf>) -> Result<Following, EngineError> {
        follow(self, log.into())
    }

    /// Runs a program beside the container's own, and waits for it to exit.
    ///
    /// # Errors
    /// The container is not running, or the engine refuses. A program that the image lacks is reported as an exit code (126 or 127).
    pub async fn execute(&self, command: &[&str]) -> Result<Output, EngineError> {
        let doing = format!("running {} in the container {}", command.first().unwrap_or(&"nothing"), self.name);
        let failed = |error| self.failed(&doing, error);
        let docker = self.engine.docker();
        let options = CreateExecOptions {
            cmd: Some(command.to_vec()),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            ..CreateExecOptions::default()
        };
        let id = docker.create_exec(&self.id, options).await.map_err(failed)?.id;
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let started = docker.start_exec(&id, None::<StartExecOptions>).await.map_err(failed)?;
        if let StartExecResults::Attached { mut output, .. } = started {
            while let Some(part) = output.try_next().await.map_err(failed)? {
                match part {
                    LogOutput::StdErr { message } => err.extend_from_slice(&message),
                    part => out.extend_from_slice(part.as_ref()),
                }
            }
        }
        let ended = docker.inspect_exec(&id).await.map_err(failed)?;
        Ok(Output {
            code: ended.exit_code.unwrap_or_default(),
            out,
            err,
        })
    }

    /// Asks the program to exit, kills it after `grace`, and removes the container.
    ///
    /// # Errors
    /// The engine refuses, or is gone.
    pub async fn stop(self, grace: Duration) -> Result<(), EngineError> {
        let doing = format!("stopping the container {}", self.name);
        let seconds = i32::try_from(grace.as_secs()).unwrap_or(i32::MAX);
        let options = StopContainerOptionsBuilder::default().t(seconds).build();
        match self.engine.patient(grace).stop_container(&self.id, Some(options)).await {
            Ok(())
            | Err(Answered::DockerResponseServerError {
                status_code: 304 | 404, ..
            }) => {}
            Err(error) => return Err(self.failed(&doing, error)),
        }
        self.remove().await
    }

    /// Kills the container and removes it with its volumes. It is not an error if the container is already gone.
    ///
    /// # Errors
    /// The engine refuses, or is gone.
    pub async fn remove(self) -> Result<(), EngineError> {
        remove(&self.engine, &self.id).await.map(drop)
    }

    async fn inspect(&self, doing: &str) -> Result<ContainerInspectResponse, EngineError> {
        let found = self
            .engine
            .docker()
            .inspect_container(&self.id, None::<InspectContainerOptions>)
            .await;
        found.map_err(|error| self.failed(doing, error))
    }

    /// Classifies an error about this container.
    pub(super) fn failed(&self, doing: &str, error: Answered) -> EngineError {
        let doing = Doing {
            image: Some(&self.image),
            ..self.engine.doing(doing)
        };
        classify(doing, error)
    }
}

/// Returns the host port for each published port of the container.
fn published(ports: PortMap) -> BTreeMap<u16, u16> {
    ports
        .into_iter()
        .filter_map(|(inside, bindings)| {
            let inside = inside.strip_suffix("/tcp")?.parse().ok()?;
            let outside = bindings?.into_iter().find_map(|binding| binding.host_port?.parse().ok())?;
            Some((inside, outside))
        })
        .collect()
}

/// Kills and removes the container `id` with its volumes, waits until it is gone, and returns whether it existed.
pub(super) async fn remove(engine: &Engine, id: &str) -> Result<bool, EngineError> {
    let doing = format!("the removal of the container {id}");
    let removed = until(&doing, REMOVAL_LIMIT, || async {
        let options = RemoveContainerOptionsBuilder::default().force(true).v(true).build();
        match engine.docker().remove_container(id, Some(options)).await {
            Ok(()) => Ok(Condition::Met(true)),
            Err(Answered::DockerResponseServerError { status_code: 404, .. }) => Ok(Condition::Met(false)),
            // Another client is removing the container right now.
            Err(Answered::DockerResponseServerError { status_code: 409, message }) => Ok(Condition::NotYet(message)),
            Err(error) => Err(classify(engine.doing(&doing), error)),
        }
    });
    removed.await.map_err(|error| match error {
        WaitError::Failed(error) => error,
        WaitError::TimedOut { why, .. } => EngineError::Other {
            said: Said::new(None, &why),
            doing: doing.clone(),
        },
    })
}
