//! A process that removes containers when their owner dies without having done so, by `SIGKILL` or a crash.
//!
//! The main types are [`Watcher`], the owner's end, and [`Watch`], the watching process's task. The watching process is this same program,
//! if it has declared that it can watch ([`this_program_watches`]), executed again in its own session, so that it does not die with the
//! terminal or the owner's process group. It reads from a pipe whose other end only the owner has: a byte means that all went well, the end
//! of the pipe without a byte means that the owner is gone. It needs neither an image nor a socket inside of a container, and works with
//! every engine.

use std::convert::Infallible;
use std::ffi::OsString;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::time::timeout;

use super::{Engine, EngineError, Filter, Labels, Swept, sweep};
use crate::owner::LabId;
use crate::process::wait::{Condition, until};

/// The word by which [`watch`] reports that it watches.
const READY: &str = "watching";

/// The time limit for that report.
const READY_LIMIT: Duration = Duration::from_secs(20);

/// The time limit for the watching process to exit after it was told that all went well.
const END_LIMIT: Duration = Duration::from_secs(10);

/// The time limit for an engine to come back after it went away together with the owner.
const ENGINE_LIMIT: Duration = Duration::from_secs(60);

/// The time without new things after which a sweep ends: the engine may carry out the owner's last request after the owner's death.
const QUIET: Duration = Duration::from_secs(2);

/// The arguments with which this program calls [`watch`], once it has declared them.
static WORDS: OnceLock<&'static [&'static str]> = OnceLock::new();

/// Declares that this program, executed again with `words`, calls [`watch`]; `main` does this before anything else.
pub fn this_program_watches(words: &'static [&'static str]) {
    // The first declaration counts.
    let _again = WORDS.set(words);
}

/// Returns the program that watches, with its arguments; `None` if this program has not declared that it does: executed again, it would
/// repeat its own work.
pub fn watching_program() -> Option<io::Result<(PathBuf, &'static [&'static str])>> {
    WORDS.get().map(|words| Ok((std::env::current_exe()?, *words)))
}

/// The task of a watching process: the engine's address, and the lab whose things are removed with their owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watch {
    /// The engine's address.
    pub engine: String,
    /// The lab's directory, shown in process listings.
    pub directory: PathBuf,
    /// The lab's id: everything labeled with it is removed.
    pub id: LabId,
}

impl Watch {
    /// Watches over everything on `engine` that has `labels`.
    #[must_use]
    pub fn over(engine: impl Into<String>, labels: &Labels) -> Self {
        Self {
            engine: engine.into(),
            directory: labels.directory.clone(),
            id: labels.id.clone(),
        }
    }

    /// Returns the task as command-line options, for [`Watcher::start`]; a process listing shows what the process is for.
    #[must_use]
    pub fn arguments(&self) -> Vec<OsString> {
        [
            ("--engine", OsString::from(&self.engine)),
            ("--directory", self.directory.clone().into_os_string()),
            ("--id", OsString::from(self.id.as_str())),
        ]
        .into_iter()
        .flat_map(|(option, value)| [OsString::from(option), value])
        .collect()
    }
}

/// The owner's end of a watching process. Dropping it without [`Watcher::dismiss`] has the effect of the owner's death: everything that
/// carries the labels is removed.
#[derive(Debug)]
pub struct Watcher {
    process: Child,
    pipe: Option<ChildStdin>,
}

impl Watcher {
    /// Executes `program words… --engine …`, which must call [`watch`], and returns once it watches. Call this before the first thing is
    /// made.
    ///
    /// # Errors
    /// The program cannot be started, or it does not report that it watches.
    pub async fn start(program: &Path, words: &[&str], engine: &Engine, labels: &Labels) -> Result<Self, EngineError> {
        let watch = Watch::over(engine.address(), labels);
        Self::execute(program, words, &watch).await.map_err(EngineError::Watcher)
    }

    async fn execute(program: &Path, words: &[&str], watch: &Watch) -> io::Result<Self> {
        // Not a `process::Program`: those die with their parent, and this process must outlive it.
        let mut command = Command::new(program);
        command
            .args(words)
            .args(watch.arguments())
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        // SAFETY: one async-signal-safe system call between fork and exec.
        unsafe {
            command.pre_exec(|| rustix::process::setsid().map(drop).map_err(Into::into));
        }
        let mut process = command.spawn()?;
        let mut line = String::new();
        if let Some(told) = process.stdout.take() {
            // The program may be the wrong one, and never report anything.
            let mut told = BufReader::new(told);
            let _late = timeout(READY_LIMIT, told.read_line(&mut line)).await;
        }
        if line.trim_end() != READY {
            let _gone = process.kill().await;
            return Err(io::Error::other(format!("{} does not report that it watches", program.display())));
        }
        let pipe = process.stdin.take();
        Ok(Self { process, pipe })
    }

    /// Returns the watching process's id.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.process.id()
    }

    /// Tells the process that its owner has removed everything, and waits for it to exit.
    ///
    /// # Errors
    /// The process ended before, or does not end.
    pub async fn dismiss(mut self) -> Result<(), EngineError> {
        let dismissed = async {
            if let Some(mut pipe) = self.pipe.take() {
                pipe.write_all(b".").await?;
            }
            timeout(END_LIMIT, self.process.wait()).await?.map(drop)
        };
        dismissed.await.map_err(EngineError::Watcher)
    }
}

/// The outcome of watching.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Watched {
    /// The owner reported that nothing is left to do.
    Dismissed,
    /// The owner is gone, and the things that it had made were removed.
    Swept(Swept),
}

/// Watches over an owner, as the watching process. `owner` is the pipe whose other end the owner has; writes one line to `to` as soon as it
/// reads from the pipe.
///
/// # Errors
/// The engine was away for too long, or something could not be removed.
pub async fn watch(watch: &Watch, mut owner: impl AsyncRead + Unpin, mut to: impl Write) -> Result<Watched, EngineError> {
    writeln!(to, "{READY}").and_then(|()| to.flush()).map_err(EngineError::Watcher)?;
    drop(to);
    if owner.read_u8().await.is_ok() {
        return Ok(Watched::Dismissed);
    }
    sweep_after(watch, ENGINE_LIMIT).await.map(Watched::Swept)
}

/// The state of a repeated sweep.
struct Progress {
    swept: Swept,
    /// The last time at which there was something to remove, or the engine was away.
    last: Instant,
    failed: Option<EngineError>,
}

/// Sweeps until nothing more appears; waits for an engine that is away.
async fn sweep_after(watch: &Watch, limit: Duration) -> Result<Swept, EngineError> {
    let filter = Filter::lab(&watch.id);
    let progress = tokio::sync::Mutex::new(Progress {
        swept: Swept::default(),
        last: Instant::now(),
        failed: None,
    });
    let done = until("the removal of a dead owner's leftovers", limit, || async {
        let round = async { sweep(&Engine::find(Some(&watch.engine)).await?, &filter).await }.await;
        let mut progress = progress.lock().await;
        let why = match round {
            Ok(gone) if gone.total() == 0 && progress.last.elapsed() >= QUIET => {
                progress.failed = None;
                return Ok::<_, Infallible>(Condition::Met(()));
            }
            Ok(gone) if gone.total() == 0 => "something may still appear".to_owned(),
            Ok(gone) => {
                progress.swept += gone;
                progress.last = Instant::now();
                "there was something to remove a moment ago".to_owned()
            }
            Err(error) => {
                let why = error.to_string();
                progress.last = Instant::now();
                progress.failed = Some(error);
                why
            }
        };
        Ok(Condition::NotYet(why))
    });
    let done = done.await;
    let Progress { swept, failed, .. } = progress.into_inner();
    match (done, failed) {
        (Err(_), Some(error)) => Err(error),
        _ => Ok(swept),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::super::fake::{Fake, answer, introduction};
    use super::*;

    /// Starts an engine that has one container, and counts the requests to remove it.
    fn inhabited(removals: Arc<AtomicUsize>) -> Fake {
        Fake::start(move |name, _| {
            if let Some(answer) = introduction(name, "1.41") {
                return answer;
            }
            match name.split('?').next().unwrap_or_default() {
                "GET /containers/json" if removals.load(Ordering::SeqCst) == 0 => answer(200, r#"[{"Id": "c1", "Names": ["/one"]}]"#),
                "GET /containers/json" | "GET /networks" => answer(200, "[]"),
                "GET /volumes" => answer(200, "{}"),
                "DELETE /containers/c1" => {
                    removals.fetch_add(1, Ordering::SeqCst);
                    answer(204, "")
                }
                _ => answer(500, r#"{"message": "not expected"}"#),
            }
        })
    }

    fn over(engine: &Fake) -> Watch {
        Watch::over(engine.address(), &Labels::new("blue", "state/blue"))
    }

    #[tokio::test]
    async fn an_owner_that_ends_well_is_not_swept() {
        let removals = Arc::new(AtomicUsize::new(0));
        let fake = inhabited(removals.clone());
        let mut told = Vec::new();
        let ended = watch(&over(&fake), &b"."[..], &mut told).await.unwrap();
        assert_eq!((ended, told.as_slice()), (Watched::Dismissed, &b"watching\n"[..]));
        assert_eq!(removals.load(Ordering::SeqCst), 0);
    }

    #[tokio::test]
    async fn an_owner_that_is_gone_is_swept() {
        let removals = Arc::new(AtomicUsize::new(0));
        let fake = inhabited(removals.clone());
        let ended = watch(&over(&fake), tokio::io::empty(), Vec::new()).await.unwrap();
        assert_eq!(removals.load(Ordering::SeqCst), 1);
        assert!(matches!(ended, Watched::Swept(Swept { containers: 1, .. })));
    }

    #[tokio::test]
    async fn an_engine_that_stays_away_is_an_error() {
        let fake = inhabited(Arc::default());
        let watched = over(&fake);
        drop(fake);
        let error = sweep_after(&watched, Duration::from_millis(100)).await.unwrap_err();
        assert!(matches!(error, EngineError::WrongHost { .. }), "{error:?}");
    }

    #[tokio::test]
    async fn a_program_that_does_not_watch_is_no_watcher() {
        let watched = Watch::over("unix:///x", &Labels::new("blue", "state/blue"));
        let program = which::which("true").unwrap();
        let error = Watcher::execute(&program, &[], &watched).await.unwrap_err();
        assert!(error.to_string().contains("does not report that it watches"), "{error}");
    }
}
