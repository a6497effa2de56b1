//! A lab that stays up: its owner is a process of its own, detached from the terminal that asked for it.
//!
//! [`up`] starts that process and follows it until the lab is ready; [`supervise`] is what it does. Until the lab is ready the two
//! hold a pipe each way: the owner tells what happens, a line of JSON each, and gives up as soon as nobody holds the other end any more.

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
use super::{Directory, Lab, LabError, LabOptions, Owner, control, owned};
use crate::cause::with_causes;
use crate::event::{Event, Events};
use crate::hint::Hint;
use crate::interrupt::Interrupt;

/// Where the owner's own output goes, in the lab's directory.
pub(super) const LOG: &str = "supervisor.log";

/// What the owner tells who waits for it.
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
/// A lab of that name is up, or it could not be started; nothing is left running then. An interrupt ends what
/// was started, leaves nothing, and returns [`LabError::Interrupted`].
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
    // Not a `process::Program`: those die with who started them, and this one shall outlive us.
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
    // Closes the pipe: that is what ends it, however far it is.
    drop(supervisor.stdin.take());
    let ended = end(&mut supervisor).await;
    match followed {
        Followed::Failed { why, hint } => Err(LabError::Supervisor { why, hint }),
        Followed::Interrupted => {
            leftovers::clear_one(&path, Claim::Proved, &mut Counts::default()).await?;
            Err(LabError::Interrupted)
        }
        Followed::Ready | Followed::Silent => {
            // Only its own: the lab may by now be another owner's.
            leftovers::end_servers(&path).await?;
            Err(LabError::Supervisor {
                why: last_words(&mut supervisor, &path.join(LOG), &ended).await,
                hint: None,
            })
        }
    }
}

/// How following the owner came to its end.
enum Followed {
    Ready,
    Failed {
        why: String,
        hint: Option<String>,
    },
    /// It ended without a word.
    Silent,
    Interrupted,
}

/// Passes on what the owner tells, until it says how the start ended.
async fn follow(told: &mut Option<impl AsyncBufReadExt + Unpin>, events: &Events) -> Followed {
    let Some(told) = told else { return Followed::Silent };
    let mut line = String::new();
    while let Ok(1..) = told.read_line(&mut line).await {
        match serde_json::from_str(&line) {
            Ok(Told::Happened(event)) => events.emit(event),
            Ok(Told::Ready) => return Followed::Ready,
            Ok(Told::Failed { why, hint }) => return Followed::Failed { why, hint },
            // An event of another build: nothing that the start depends on.
            Err(_) => {}
        }
        line.clear();
    }
    Followed::Silent
}

/// Waits until the owner is gone, which it should be soon; says how it ended.
async fn end(supervisor: &mut Child) -> String {
    let status = match tokio::time::timeout(STOP_LIMIT, supervisor.wait()).await {
        Ok(status) => status,
        Err(_) => supervisor.kill().await.and(supervisor.wait().await),
    };
    status.map_or_else(|error| error.to_string(), |status| status.to_string())
}

/// What an owner that told nothing left: in its log, or, when it did not come that far, on its standard error.
async fn last_words(supervisor: &mut Child, log: &Path, ended: &str) -> String {
    let mut early = String::new();
    if let Some(mut stderr) = supervisor.stderr.take() {
        // What can be read of it is shown.
        let _ = tokio::time::timeout(Duration::from_secs(1), stderr.read_to_string(&mut early)).await;
    }
    let mut why = format!("its owner ended without a word ({ended})");
    if log.exists() {
        why = format!("{why}; its log is {}", log.display());
    }
    let early = crate::secret::redact(&early);
    for line in crate::process::last_lines(log, 5).iter().map(String::as_str).chain(early.lines()) {
        why = format!("{why}\n{line}");
    }
    why
}

/// Owns the lab that `options` describe until `interrupt`: what the detached process does. It tells `to` what happens until the
/// lab is ready, and gives the lab up when `from` ends before that.
///
/// # Errors
/// The lab could not be started or ended; who waits for it was told.
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
            // Who reads it may be gone: that is noticed at the other pipe.
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
        // Nobody ever writes to it.
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

/// A lab that others can attach to.
struct Published {
    lab: Lab,
    control: control::Server,
    further: Further,
}

/// Starts the lab, all of it, and writes down how others can attach.
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

    let lab = owned::start_in(directory, name, options, events).await?;
    let keycloak = match lab.keycloak().await {
        Ok(keycloak) => keycloak,
        Err(error) => {
            // Its logs say more than the error.
            lab.end(true).await?;
            return Err(error);
        }
    };
    let further = Further::of(lab.clone(), options.idle.unwrap_or(IDLE));
    let control = control::Server::start(further.clone(), end).await.map_err(LabError::Control)?;
    let mut description = lab.description().clone();
    description.keycloak = Some(keycloak.description().clone());
    description.control = Some(control.description().clone());
    save(&lab, description).await?;
    Ok(Published { lab, control, further })
}

/// Writes `description` down, with what runs now.
pub(super) async fn save(lab: &Lab, mut description: LabDescription) -> Result<(), LabError> {
    if let Owner::Us(owned) = &lab.0.owner {
        description.processes = owned.processes().await;
        description.containers = owned.containers().await;
    }
    description.save(lab.directory())
}
