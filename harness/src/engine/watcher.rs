//! What removes containers when their owner dies without having done so, by `SIGKILL` or a crash.
//!
//! The main types are [`Watcher`], the owner's end, and [`Watch`], what the watching process is told. It is this same program, if it has
//! said that it can be that ([`this_program_watches`]), executed again in a session of its own, so that neither the terminal nor the owner's group takes it along. It reads from a pipe
//! whose other end only the owner has: a word there means that all went well, an end without a word means that the owner is gone.
//! It needs no image and no socket inside of a container, and works with every engine.

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

/// The word by which [`watch`] says that it watches.
const READY: &str = "watching";

/// How long the program may take to say so.
const READY_LIMIT: Duration = Duration::from_secs(20);

/// How long the watching process may take to end after it was told that all went well.
const END_LIMIT: Duration = Duration::from_secs(10);

/// How long an engine may be away when the owner dies with it.
const ENGINE_LIMIT: Duration = Duration::from_secs(60);

/// How long nothing more may appear: a request that the owner sent with its last breath is carried out after its end.
const QUIET: Duration = Duration::from_secs(2);

/// The words with which this program calls [`watch`], once it has said so.
static WORDS: OnceLock<&'static [&'static str]> = OnceLock::new();

/// Says that this program, executed again with `words`, calls [`watch`]: what its `main` does before all else.
pub fn this_program_watches(words: &'static [&'static str]) {
    // The first who said so is right.
    let _again = WORDS.set(words);
}

/// Returns the program that watches, with its words; `None` where nobody has said that this one does: executed again, it would do its own
/// work once more.
pub fn watching_program() -> Option<io::Result<(PathBuf, &'static [&'static str])>> {
    WORDS.get().map(|words| Ok((std::env::current_exe()?, *words)))
}

/// What is watched over: the engine's address, and whose things go with their owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watch {
    /// The engine's address.
    pub engine: String,
    /// The lab's directory, for whoever lists processes.
    pub directory: PathBuf,
    /// The lab's id: all that carries it goes.
    pub id: LabId,
}

impl Watch {
    /// Watches over all that `engine` has with `labels`.
    #[must_use]
    pub fn over(engine: impl Into<String>, labels: &Labels) -> Self {
        Self {
            engine: engine.into(),
            directory: labels.directory.clone(),
            id: labels.id.clone(),
        }
    }

    /// As options of a command line, for [`Watcher::start`]; whoever lists processes sees what this one is for.
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

/// The owner's end of a watching process. Dropped without [`Watcher::dismiss`], it is as if the owner had died: what carries the
/// labels is removed.
#[derive(Debug)]
pub struct Watcher {
    process: Child,
    pipe: Option<ChildStdin>,
}

impl Watcher {
    /// Executes `program words… --engine …`, which has to call [`watch`], and returns once it watches. Call it before the first
    /// thing is made.
    ///
    /// # Errors
    /// The program cannot be started, or it does not say that it watches.
    pub async fn start(program: &Path, words: &[&str], engine: &Engine, labels: &Labels) -> Result<Self, EngineError> {
        let watch = Watch::over(engine.address(), labels);
        Self::execute(program, words, &watch).await.map_err(EngineError::Watcher)
    }

    async fn execute(program: &Path, words: &[&str], watch: &Watch) -> io::Result<Self> {
        // Not a `process::Program`: those die with who started them, and this one outlives it.
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
            // The program may be another one by mistake, and never say a word.
            let mut told = BufReader::new(told);
            let _late = timeout(READY_LIMIT, told.read_line(&mut line)).await;
        }
        if line.trim_end() != READY {
            let _gone = process.kill().await;
            return Err(io::Error::other(format!("{} does not say that it watches", program.display())));
        }
        let pipe = process.stdin.take();
        Ok(Self { process, pipe })
    }

    /// The process that watches.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.process.id()
    }

    /// Tells it that its owner has removed everything itself, and waits for its end.
    ///
    /// # Errors
    /// It ended before, or does not end.
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

/// How watching came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Watched {
    /// The owner said that there is nothing left to do.
    Dismissed,
    /// The owner is gone, and so is what it had made.
    Swept(Swept),
}

/// Watches over an owner: what the watching process does. `owner` is the pipe that the owner has the other end of; `to` is told
/// once that it is being read.
///
/// # Errors
/// The engine was away for too long, or what is to be removed cannot be.
pub async fn watch(watch: &Watch, mut owner: impl AsyncRead + Unpin, mut to: impl Write) -> Result<Watched, EngineError> {
    writeln!(to, "{READY}").and_then(|()| to.flush()).map_err(EngineError::Watcher)?;
    drop(to);
    if owner.read_u8().await.is_ok() {
        return Ok(Watched::Dismissed);
    }
    sweep_after(watch, ENGINE_LIMIT).await.map(Watched::Swept)
}

/// What a sweep that is repeated has come to.
struct Progress {
    swept: Swept,
    /// When there was something to remove last, or the engine was away.
    last: Instant,
    failed: Option<EngineError>,
}

/// Sweeps until nothing more appears; an engine that is away is waited for.
async fn sweep_after(watch: &Watch, limit: Duration) -> Result<Swept, EngineError> {
    let filter = Filter::lab(&watch.id);
    let progress = tokio::sync::Mutex::new(Progress {
        swept: Swept::default(),
        last: Instant::now(),
        failed: None,
    });
    let done = until("the removal of what a dead owner left", limit, || async {
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

    /// An engine that has one container, and counts how often it is asked to remove it.
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
        assert!(error.to_string().contains("does not say that it watches"), "{error}");
    }
}
