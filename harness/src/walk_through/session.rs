//! A run of a walk-through, step by step; it can be left and resumed while the lab is up.
//!
//! The main type is [`Session`]. Each step is a shell of its own that has what the steps before it left: files in a directory
//! below the lab's, and variables (`scripts/step.sh`). Several users can run walk-throughs in one lab, even the same one:
//! each session has its own directory, which is locked while the session is open, and its own names in the cluster.

use std::ffi::{OsStr, OsString};
use std::fs::{File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::requests::{Records, mark};
use super::{SCRIPTS, Step, WalkThrough, is_housekeeping};
use crate::event::Exchange;
use crate::hint::Hint;
use crate::lab::cast::{ADMINISTRATOR, CastError};
use crate::lab::{Lab, LabError};
use crate::process::{ProcessError, Program};
use crate::secret::redact;

/// The file that stores the progress of a session.
const PROGRESS: &str = "progress.json";

/// The file that is locked while a session is open.
const LOCK: &str = "lock";

/// The programs that leave records of their requests, and the variables with the real ones (`scripts/walk/`).
const PROGRAMS: [(&str, &str); 2] = [("kubectl", "WALK_KUBECTL"), ("curl", "WALK_CURL")];

/// A run of a walk-through.
#[derive(Debug)]
pub struct Session {
    walk_through: &'static WalkThrough,
    place: Place,
    environment: Vec<(String, OsString)>,
    records: Records,
    progress: Progress,
}

/// The directory of one session, locked until dropped.
#[derive(Debug)]
struct Place {
    path: PathBuf,
    _lock: File,
}

impl Place {
    /// Creates the directory of a new session of the walk-through `name` below `walks`. Its last part is the session's id.
    fn create(walks: &Path, name: &str) -> io::Result<Self> {
        let id = hex::encode(rand::random::<[u8; 4]>());
        let path = walks.join(name).join(id);
        fs_err::create_dir_all(walks.join(name))?;
        // Fails if the directory exists: the id would belong to another session.
        fs_err::create_dir(&path)?;
        let lock = File::create_new(path.join(LOCK))?;
        lock.lock()?;
        let place = Self { path, _lock: lock };
        for private in [place.work(), place.scripts(), place.programs()] {
            fs_err::create_dir(private)?;
        }
        Ok(place)
    }

    /// Writes the scripts, and the programs in front of those that are found in `path`.
    fn fill(&self, path: &OsStr) -> Result<(), SessionError> {
        for script in SCRIPTS.files() {
            if let (Some(name), Some(text)) = (script.path().file_name(), script.contents_utf8()) {
                crate::pki::write_private(&self.scripts().join(name), text)?;
            }
        }
        for (program, _) in PROGRAMS.iter().filter(|(program, _)| found(program, path).is_some()) {
            let text = SCRIPTS
                .get_file(format!("walk/{program}"))
                .and_then(include_dir::File::contents_utf8);
            let file = self.programs().join(program);
            crate::pki::write_private(&file, text.unwrap_or_default())?;
            fs_err::set_permissions(file, Permissions::from_mode(0o700))?;
        }
        Ok(())
    }

    /// Returns the sessions of `name` that were left before the end, the most recent first.
    fn left(walks: &Path, name: &str) -> Vec<Self> {
        let entries = std::fs::read_dir(walks.join(name)).into_iter().flatten().flatten();
        let mut left: Vec<(SystemTime, Self)> = entries
            .filter_map(|entry| {
                let path = entry.path();
                let lock = File::open(path.join(LOCK)).ok()?;
                // A locked session is still open.
                lock.try_lock().ok()?;
                // It may have been removed in between.
                let saved = path.join(PROGRESS).metadata().and_then(|file| file.modified()).ok()?;
                Some((saved, Self { path, _lock: lock }))
            })
            .collect();
        left.sort_by_key(|(saved, _)| std::cmp::Reverse(*saved));
        left.into_iter().map(|(_, place)| place).collect()
    }

    /// Returns the id that tells this session's names in the cluster from all others.
    fn id(&self) -> String {
        self.path.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// The working directory of the commands.
    fn work(&self) -> PathBuf {
        self.path.join("work")
    }

    fn scripts(&self) -> PathBuf {
        self.path.join("scripts")
    }

    /// The programs that come first in `PATH` while a step runs.
    fn programs(&self) -> PathBuf {
        self.path.join("programs")
    }

    /// The directory in which curl keeps its calls.
    fn calls(&self) -> PathBuf {
        self.path.join("calls")
    }

    /// Returns the environment variables of the scripts, which find other programs in `path`.
    fn environment(&self, path: &OsStr) -> Vec<(String, OsString)> {
        let mut environment: Vec<(String, OsString)> = vec![
            ("WALK_ID".to_owned(), self.id().into()),
            ("WALK_MARK".to_owned(), mark(&self.id()).into()),
            ("WALK_DIRECTORY".to_owned(), self.work().into()),
            ("WALK_PROGRAMS".to_owned(), self.programs().into()),
            ("WALK_CALLS".to_owned(), self.calls().into()),
        ];
        let programs = PROGRAMS
            .iter()
            .filter_map(|(program, variable)| Some((*variable, found(program, path)?)));
        environment.extend(programs.map(|(variable, program)| (variable.to_owned(), program.into())));
        environment
    }

    fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }
}

/// Returns the place of `program`, if it is in `path`.
fn found(program: &str, path: &OsStr) -> Option<PathBuf> {
    which::which_in_global(program, Some(path)).ok()?.next()
}

/// The progress of a session, and the exchanges so far.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Progress {
    next: usize,
    exchanges: Vec<Exchange>,
}

/// A step that was run.
#[derive(Clone, Debug, Serialize)]
pub struct Taken {
    /// The output of the command, with secrets redacted.
    pub output: String,
    /// The exit code; 0 means that the command ended as expected.
    pub code: i32,
    /// The requests and responses of the step.
    pub exchanges: Vec<Exchange>,
}

/// An error of a session.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// There is no session to resume.
    #[error("the walk-through '{name}' is not in progress in this lab")]
    NotBegun {
        /// The walk-through.
        name: String,
    },
    /// An operation of the lab fails.
    #[error(transparent)]
    Lab(#[from] LabError),
    /// The administrator has no credential.
    #[error(transparent)]
    Cast(#[from] CastError),
    /// A shell cannot be started.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// A file of the session cannot be read or written.
    #[error("cannot read or write the files of the walk-through")]
    Files(#[from] io::Error),
    /// A file of the session cannot be written.
    #[error(transparent)]
    Private(#[from] crate::pki::PkiError),
}

impl Hint for SessionError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::NotBegun { name } => Some(format!("`authlab walk {name}` starts it")),
            Self::Lab(error) => error.hint(),
            _ => None,
        }
    }
}

impl Session {
    /// Starts a session in `lab`, or resumes the one that was left.
    ///
    /// # Errors
    /// The lab is not ready, its files cannot be written, or there is no session to resume.
    pub async fn open(lab: &Lab, walk_through: &'static WalkThrough, resume: bool) -> Result<Self, SessionError> {
        let kubeconfig = lab.kubeconfig_of(ADMINISTRATOR).await?;
        let workplace = lab.workplace(ADMINISTRATOR, &kubeconfig)?;
        let path = workplace.path();
        let mut environment: Vec<(String, OsString)> = vec![
            ("KUBECONFIG".to_owned(), workplace.kubeconfig.clone().into()),
            ("KUBECACHEDIR".to_owned(), workplace.cache.clone().into()),
            ("PATH".to_owned(), path.clone()),
            ("AUTHLAB_PERSON".to_owned(), ADMINISTRATOR.into()),
        ];
        let variables = lab.variables(&workplace).await?;
        environment.extend(variables.into_iter().map(|(name, value)| (name.to_owned(), value)));
        let session = |place: Place, progress: Progress| Self {
            walk_through,
            environment: environment.iter().cloned().chain(place.environment(&path)).collect(),
            records: Records::of(lab, &place.id(), place.calls()),
            place,
            progress,
        };
        let walks = workplace.directory.join("walks");
        let mut left = Place::left(&walks, &walk_through.name).into_iter();
        if resume {
            let place = left.next().ok_or_else(|| SessionError::NotBegun {
                name: walk_through.name.clone(),
            })?;
            let progress = serde_json::from_slice(&fs_err::read(place.file(PROGRESS))?).map_err(io::Error::other)?;
            return Ok(session(place, progress));
        }
        // A new start discards the sessions that were left, with everything that they created in the cluster.
        for place in left {
            session(place, Progress::default()).finish().await?;
        }
        let place = Place::create(&walks, &walk_through.name)?;
        place.fill(&path)?;
        let session = session(place, Progress::default());
        session.save()?;
        Ok(session)
    }

    /// Returns the next step and its index from 0; `None` at the end.
    pub fn next(&self) -> Option<(usize, &'static Step)> {
        let at = self.progress.next;
        self.walk_through.steps.get(at).map(|step| (at, step))
    }

    /// Returns the requests and responses so far.
    pub fn exchanges(&self) -> &[Exchange] {
        &self.progress.exchanges
    }

    /// Runs `command` in place of the next step's own; the step stays the next one. Dropping the future kills the command.
    ///
    /// # Errors
    /// The shell cannot be started, or a file cannot be written.
    pub async fn take(&mut self, command: &str) -> Result<Taken, SessionError> {
        let before = self.records.before_step()?;
        let (output, code) = self.shell(command).await?;
        // A command about the walk-through itself is no part of the story.
        let exchanges = if is_housekeeping(command) {
            Vec::new()
        } else {
            self.records.since(&before)
        };
        self.progress.exchanges.extend(exchanges.iter().cloned());
        self.save()?;
        Ok(Taken { output, code, exchanges })
    }

    /// Advances to the step after the next one.
    ///
    /// # Errors
    /// The progress cannot be saved.
    pub fn advance(&mut self) -> Result<(), SessionError> {
        self.progress.next += 1;
        self.save()
    }

    /// Ends the session: deletes what it created in the cluster, and its files.
    ///
    /// # Errors
    /// The shell cannot be started.
    pub async fn finish(self) -> Result<(), SessionError> {
        self.shell("leave; exit 0").await?;
        Ok(fs_err::remove_dir_all(&self.place.path)?)
    }

    /// Runs a command in a shell like all others of this walk-through.
    async fn shell(&self, command: &str) -> Result<(String, i32), SessionError> {
        let log = self.place.file("output");
        crate::pki::write_private(&log, "")?;
        let mut program = Program::new(format!("a step of {}", self.walk_through.name), "bash", &log)
            .argument(self.place.scripts().join("step.sh"))
            .directory(self.place.work())
            .inherit_all()
            .environment("WALK_STEP", command);
        for (name, value) in &self.environment {
            program = program.environment(name, value);
        }
        let status = program.start().await?.ended().await?;
        let output = redact(&String::from_utf8_lossy(&fs_err::read(&log)?)).into_owned();
        fs_err::remove_file(&log)?;
        Ok((output, status.code().unwrap_or(-1)))
    }

    fn save(&self) -> Result<(), SessionError> {
        let text = serde_json::to_string(&self.progress).map_err(io::Error::other)?;
        Ok(crate::pki::write_private(&self.place.file(PROGRESS), &text)?)
    }
}
