//! A lab that stays up: its owner is a separate process, detached from the terminal that started it.
//!
//! [`up`] starts that process and follows it until the lab is ready; [`supervise`] is its main function. Until the lab is ready, a pipe
//! each way connects the two: the owner reports events, one line of JSON each, and gives up as soon as the other end is closed.

use std::ffi::OsString;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::Notify;

use super::description::LabDescription;
use super::directory::{self, Claim, Ownership};
use super::ending::STOP_LIMIT;
use super::further::{Further, IDLE};
use super::leftovers::{self, Counts};
use super::{Directory, Lab, LabError, LabOptions, Owner, control, start};
use crate::cause::with_causes;
use crate::event::{Event, Events};
use crate::hint::Hint;
use crate::identity_provider::Provider;
use crate::interrupt::Interrupt;

/// The file for the owner's own output, in the lab's directory.
pub(super) const LOG: &str = "supervisor.log";

/// A message of the owner to the process that waits for it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Told {
    Happened(Event),
    Ready,
    Failed { why: String, hint: Option<String> },
}

/// Starts `program arguments…` as the owner of the lab `name`, follows it, and returns once the lab is ready.
///
/// # Errors
/// A lab of that name is up, or it could not be started; nothing is left running then. An interrupt ends every
/// process that was started, leaves nothing, and returns [`LabError::Interrupted`].
pub async fn up(
    name: &str,
    program: &Path,
    arguments: &[OsString],
    events: &Events,
    interrupt: &Interrupt,
) -> Result<LabDescription, LabError> {
    let path = directory::place(name)?;
    directory::expect_trusted()?;
    if directory::ownership(&path) == Ownership::Owned {
        return Err(LabError::UpAlready {
            name: name.to_owned(),
            owner: directory::owner(&path),
        });
    }
    // Not a `process::Program`: those die with their parent, and this one must outlive us.
    let mut command = Command::new(program);
    command
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    // SAFETY: one async-signal-safe system call between fork and exec.
    unsafe {
        command.pre_exec(|| rustix::process::setsid().map(drop).map_err(Into::into));
    }
    let mut supervisor = command.spawn().map_err(LabError::NoSupervisor)?;
    let mut told = supervisor.stdout.take().map(BufReader::new);
    let followed = tokio::select! {
        followed = follow(&mut told, events) => followed,
        () = interrupt.requested() => Followed::Interrupted,
    };
    if let Followed::Ready = followed {
        return LabDescription::load(&path)?.ok_or(LabError::Ended);
    }
    // Closing the pipe ends the owner, at whatever stage.
    drop(supervisor.stdin.take());
    let ended = end(&mut supervisor).await;
    match followed {
        Followed::Failed { why, hint } => Err(LabError::Supervisor { why, hint }),
        Followed::Interrupted => {
            leftovers::clear_one(&path, Claim::Proved, &mut Counts::default()).await?;
            Err(LabError::Interrupted)
        }
        Followed::Ready | Followed::Silent => {
            // Only the owner's servers: the lab may have another owner by now.
            leftovers::end_servers(&path).await?;
            Err(LabError::Supervisor {
                why: last_words(&mut supervisor, &path.join(LOG), &ended).await,
                hint: None,
            })
        }
    }
}

/// The outcome of following the owner.
enum Followed {
    Ready,
    Failed {
        why: String,
        hint: Option<String>,
    },
    /// It ended without a message.
    Silent,
    Interrupted,
}

/// Passes on the owner's events, until it reports how the start ended.
async fn follow(told: &mut Option<impl AsyncBufReadExt + Unpin>, events: &Events) -> Followed {
    let Some(told) = told else { return Followed::Silent };
    let mut line = String::new();
    while let Ok(1..) = told.read_line(&mut line).await {
        match serde_json::from_str(&line) {
            Ok(Told::Happened(event)) => events.emit(event),
            Ok(Told::Ready) => return Followed::Ready,
            Ok(Told::Failed { why, hint }) => return Followed::Failed { why, hint },
            // An event of another build: the start does not depend on it.
            Err(_) => {}
        }
        line.clear();
    }
    Followed::Silent
}

/// Waits until the owner is gone, which should be soon; returns how it ended.
async fn end(supervisor: &mut Child) -> String {
    let status = match tokio::time::timeout(STOP_LIMIT, supervisor.wait()).await {
        Ok(status) => status,
        Err(_) => supervisor.kill().await.and(supervisor.wait().await),
    };
    status.map_or_else(|error| error.to_string(), |status| status.to_string())
}

/// Returns the output of an owner that reported nothing: from its log, or, if it did not get that far, from its standard error.
async fn last_words(supervisor: &mut Child, log: &Path, ended: &str) -> String {
    let mut early = String::new();
    if let Some(mut stderr) = supervisor.stderr.take() {
        // Shows as much of it as can be read.
        let _ = tokio::time::timeout(Duration::from_secs(1), stderr.read_to_string(&mut early)).await;
    }
    let mut why = format!("its owner exited without an error message ({ended})");
    if log.exists() {
        why = format!("{why}; its log is {}", log.display());
    }
    let early = crate::secret::redact(&early);
    for line in crate::process::last_lines(log, 5).iter().map(String::as_str).chain(early.lines()) {
        why = format!("{why}\n{line}");
    }
    why
}

/// Owns the lab that `options` describe until `interrupt`, in the detached process. It reports events to `to` until the
/// lab is ready, and gives the lab up if `from` ends before that.
///
/// # Errors
/// The lab could not be started or ended; the process that waits for it was informed.
pub async fn supervise(
    options: &LabOptions,
    interrupt: &Interrupt,
    mut from: impl AsyncRead + Unpin,
    to: impl Write + Send + 'static,
) -> Result<(), LabError> {
    let to = Arc::new(Mutex::new(to));
    let tell = move |told: &Told| {
        if let Ok(mut to) = to.lock() {
            let line = format!("{}\n", serde_json::to_string(told).unwrap_or_default());
            // The reader may be gone: this is noticed at the other pipe.
            let _ = to.write_all(line.as_bytes()).and_then(|()| to.flush());
        }
    };
    let events = Events::new({
        let tell = tell.clone();
        move |event| tell(&Told::Happened(event))
    });
    let end = Arc::new(Notify::new());
    let started = tokio::select! {
        started = publish(options, &events, Arc::clone(&end)) => started,
        () = interrupt.requested() => Err(LabError::Ended),
        // Nothing is ever written to it.
        _ = from.read_u8() => Err(LabError::Interrupted),
    };
    match started {
        Ok(Published { lab, control, further }) => {
            tell(&Told::Ready);
            tokio::select! {
                () = interrupt.requested() => {}
                () = end.notified() => {}
                _ = further.end_unused() => {}
            }
            drop((control, further));
            lab.end(false).await
        }
        Err(error) => {
            tell(&Told::Failed {
                why: with_causes(&error),
                hint: error.hint(),
            });
            Err(error)
        }
    }
}

/// A lab that other processes can attach to.
struct Published {
    lab: Lab,
    control: control::Server,
    further: Further,
}

/// Starts all of the lab, and writes its description so that others can attach.
async fn publish(options: &LabOptions, events: &Events, end: Arc<Notify>) -> Result<Published, LabError> {
    let name = options.name.as_deref().unwrap_or(super::DEFAULT_NAME);
    let directory = Directory::create(name).await?;
    let path = directory.path().join(LOG);
    crate::pki::write_private(&path, "")?;
    let log = File::options()
        .append(true)
        .open(&path)
        .and_then(|log| Ok(rustix::stdio::dup2_stderr(log)?));
    log.map_err(|source| LabError::Directory { path, source })?;

    let lab = start::start_in(directory, name, options, events).await?;
    let provider = match lab.provider().await {
        Ok(provider) => Some(provider),
        Err(_) if options.bare && options.realm.is_none() => None,
        Err(error) => {
            // The logs say more than the error.
            lab.end(true).await?;
            return Err(error);
        }
    };
    let further = Further::of(lab.clone(), options.idle.unwrap_or(IDLE));
    let control = control::Server::start(further.clone(), end).await.map_err(LabError::Control)?;
    let mut description = lab.description().clone();
    match provider {
        Some(Provider::Keycloak(keycloak)) => description.keycloak = Some(keycloak.description().clone()),
        Some(Provider::OidcProvider(provider)) => description.oidc_provider = Some(provider.description().clone()),
        None => {}
    }
    description.control = Some(control.description().clone());
    save(&lab, description).await?;
    Ok(Published { lab, control, further })
}

/// Writes `description`, with the servers that run now.
pub(super) async fn save(lab: &Lab, mut description: LabDescription) -> Result<(), LabError> {
    if let Owner::Us(owned) = &lab.0.owner {
        description.processes = owned.processes().await;
        description.containers = owned.containers().await;
    }
    description.save(lab.directory())
}
