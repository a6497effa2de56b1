//! A lab that stays up: its owner is a process of its own, detached from the terminal that asked for it.
//!
//! [`up`] starts that process and follows it until the lab is ready; [`supervise`] is what it does;
//! [`take_down`] asks it to end. They talk through two files in the lab's directory: the lines of what
//! happens, and `lab.json`.

use std::ffi::OsString;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Mutex;
use std::time::Duration;

use rustix::process::{Pid, Signal};
use serde::{Deserialize, Serialize};

use super::description::LabDescription;
use super::{Lab, LabError, LabOptions, Owner, control, directory};
use crate::event::{Event, Events};
use crate::hint::Hint;
use crate::interrupt::Interrupt;
use crate::process::wait::{Condition, until};

/// The hidden command that owns a lab.
pub const SUPERVISE: &str = "supervise";

/// Files of the supervisor, which outlive a failed start.
pub(super) const KEPT: &[&str] = &["happened.jsonl", "supervisor.log"];

/// Longer than any build of the servers takes.
const START_LIMIT: Duration = Duration::from_secs(3600);

/// How long a lab may take to end before it is killed.
const STOP_LIMIT: Duration = Duration::from_secs(20);

/// What the supervisor tells who waits for it, a line each.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Told {
    Happened(Event),
    Ready,
    Failed { why: String, hint: Option<String> },
}

/// How a lab ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// Its owner ended it.
    Ended,
    /// Its owner did not listen and was killed, with all it had started.
    Killed,
    /// It had crashed before; what it left was cleared.
    Cleared,
}

/// Starts `program arguments…` as the owner of the lab `name`, follows it, and returns once the lab is ready.
///
/// # Errors
/// A lab of that name is up, or it could not be started; nothing is left running then. An interrupt ends what
/// was started and returns [`LabError::Ended`].
pub async fn up(name: &str, program: &Path, arguments: &[OsString], events: &Events, interrupt: &Interrupt) -> Result<LabDescription, LabError> {
    let path = directory::place(name)?;
    let wrong = |source| LabError::Directory { path: path.clone(), source };
    if let Some(owner) = directory::owner(&path) {
        return Err(LabError::UpAlready { name: name.to_owned(), owner });
    }
    let mut builder = std::fs::DirBuilder::new();
    std::os::unix::fs::DirBuilderExt::mode(builder.recursive(true), 0o700).create(&path).map_err(wrong)?;
    let [happened, log] = [KEPT[0], KEPT[1]].map(|file| path.join(file));
    crate::pki::write_private(&happened, "")?;
    crate::pki::write_private(&log, "")?;
    let output = File::options().append(true).open(&log).and_then(|file| Ok((file.try_clone()?, file))).map_err(wrong)?;

    let mut command = std::process::Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(output.0).stderr(output.1).current_dir("/");
    // SAFETY: one async-signal-safe system call between fork and exec.
    unsafe {
        command.pre_exec(|| rustix::process::setsid().map(drop).map_err(Into::into));
    }
    let supervisor = command.spawn().map_err(wrong)?;
    let followed = tokio::select! {
        followed = follow(supervisor, &happened, &log, events) => followed,
        () = interrupt.requested() => Err(LabError::Ended),
    };
    match followed {
        Ok(()) => LabDescription::load(&path)?.ok_or(LabError::Ended),
        Err(error) => {
            if directory::owner(&path).is_some() {
                stop(&path).await?;
            }
            if matches!(error, LabError::Ended) {
                directory::remove(&path)?;
            }
            Err(error)
        }
    }
}

/// Passes on what the supervisor tells, until it is ready or gone.
async fn follow(supervisor: std::process::Child, happened: &Path, log: &Path, events: &Events) -> Result<(), LabError> {
    let lines = Mutex::new(Lines { path: happened.to_owned(), read: 0 });
    let supervisor = Mutex::new(supervisor);
    let followed = until("the lab", START_LIMIT, || async {
        // Asked first, so that what it told before its end is not missed.
        let gone = supervisor.lock().is_ok_and(|mut child| child.try_wait().is_ok_and(|status| status.is_some()));
        let told = lines.lock().map(|mut lines| lines.more()).unwrap_or_default();
        for told in told {
            match told {
                Told::Happened(event) => events.emit(event),
                Told::Ready => return Ok(Condition::Met(())),
                Told::Failed { why, hint } => return Err(LabError::Supervisor { why, hint, log: log.to_owned() }),
            }
        }
        if gone {
            let tail = crate::process::last_lines(log, 5).join("\n");
            return Err(LabError::Supervisor { why: format!("its owner ended without a word\n{tail}"), hint: None, log: log.to_owned() });
        }
        Ok(Condition::NotYet("it is still being started".to_owned()))
    });
    followed.await.map_err(|error| match error {
        crate::process::wait::WaitError::Failed(error) => error,
        error @ crate::process::wait::WaitError::TimedOut { .. } => {
            LabError::Supervisor { why: error.to_string(), hint: None, log: log.to_owned() }
        }
    })
}

/// The lines that were appended to a file since it was last asked.
struct Lines {
    path: PathBuf,
    read: u64,
}

impl Lines {
    fn more(&mut self) -> Vec<Told> {
        let read = || {
            let mut file = File::open(&self.path)?;
            file.seek(SeekFrom::Start(self.read))?;
            let mut text = String::new();
            file.read_to_string(&mut text)?;
            Ok::<_, std::io::Error>(text)
        };
        let text = read().unwrap_or_default();
        let whole = text.rfind('\n').map_or("", |end| &text[..=end]);
        self.read += whole.len() as u64;
        whole.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }
}

/// Owns the lab that `options` describe until `interrupt`: what the detached process does.
///
/// # Errors
/// The lab could not be started; who waits for it was told.
pub async fn supervise(options: &LabOptions, interrupt: &Interrupt) -> Result<(), LabError> {
    let name = options.name.as_deref().unwrap_or(super::DEFAULT_NAME);
    let path = directory::place(name)?.join(KEPT[0]);
    let file = File::options().create(true).append(true).open(&path).map_err(|source| LabError::Directory { path, source })?;
    let file = std::sync::Arc::new(Mutex::new(file));
    let tell = move |told: &Told| {
        if let Ok(mut file) = file.lock() {
            let line = format!("{}\n", serde_json::to_string(told).unwrap_or_default());
            // Who reads it may be gone; the lab is not less up for that.
            let _ = file.write_all(line.as_bytes());
        }
    };
    let events = Events::new({
        let tell = tell.clone();
        move |event| tell(&Told::Happened(event))
    });
    let started = tokio::select! {
        started = publish(options, &events) => started,
        () = interrupt.requested() => Err(LabError::Ended),
    };
    match started {
        Ok((lab, control)) => {
            tell(&Told::Ready);
            interrupt.requested().await;
            drop(control);
            lab.end(false).await
        }
        Err(error) => {
            tell(&Told::Failed { why: control::told(&error), hint: error.hint() });
            Err(error)
        }
    }
}

/// Starts the lab, all of it, and writes down how others can attach.
async fn publish(options: &LabOptions, events: &Events) -> Result<(Lab, control::Server), LabError> {
    let lab = Lab::start(options, events).await?;
    let keycloak = lab.keycloak().await?;
    let answering = lab.clone();
    let control = control::Server::start(move |name| {
        let lab = answering.clone();
        async move {
            let server = lab.api_server(&name, &Events::silent()).await?;
            let mut description = LabDescription::load(lab.directory())?.ok_or(LabError::Ended)?;
            description.api_servers.insert(name, server.clone());
            if let Owner::Us(owned) = &lab.0.owner {
                description.processes = owned.processes().await;
            }
            description.save(lab.directory())?;
            Ok(server)
        }
    })
    .await
    .map_err(LabError::Control)?;
    let mut description = lab.description().clone();
    description.keycloak = Some(keycloak.description().clone());
    description.control = Some(control.description().clone());
    if let Owner::Us(owned) = &lab.0.owner {
        description.processes = owned.processes().await;
    }
    description.save(lab.directory())?;
    Ok((lab, control))
}

/// Ends the lab called `name`, or clears what a crash left of it.
///
/// # Errors
/// There is no lab of that name, or its directory cannot be removed.
pub async fn take_down(name: &str) -> Result<Stopped, LabError> {
    let path = directory::place(name)?;
    if !path.exists() {
        return Err(LabError::NotUp { name: name.to_owned(), up: super::labs()?.into_iter().map(|lab| lab.name).collect() });
    }
    if directory::owner(&path).is_none() {
        super::leftovers::kill(&path);
        directory::remove(&path)?;
        return Ok(Stopped::Cleared);
    }
    stop(&path).await
}

/// Ends the owner of the lab in `path`, and removes what it may have left.
async fn stop(path: &Path) -> Result<Stopped, LabError> {
    signal(path, Signal::TERM);
    let mut stopped = Stopped::Ended;
    if !gone(path, STOP_LIMIT).await {
        stopped = Stopped::Killed;
        signal(path, Signal::KILL);
        gone(path, STOP_LIMIT).await;
    }
    super::leftovers::kill(path);
    directory::remove(path)?;
    Ok(stopped)
}

fn signal(path: &Path, signal: Signal) {
    if let Some(pid) = directory::owner(path).and_then(|pid| Pid::from_raw(pid.cast_signed())) {
        // It may end between the two lines; that is what is wanted.
        let _ = rustix::process::kill_process(pid, signal);
    }
}

async fn gone(path: &Path, limit: Duration) -> bool {
    let gone = until("the end of the lab", limit, || async {
        Ok::<_, std::io::Error>(match directory::owner(path) {
            None => Condition::Met(()),
            Some(pid) => Condition::NotYet(format!("process {pid} still owns it")),
        })
    });
    gone.await.is_ok()
}
