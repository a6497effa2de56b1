//! A run of a walk-through, step by step; it can be left and resumed while the lab is up.
//!
//! The main type is [`Session`]. Each step is a shell of its own that has what the steps before it left: files in a directory
//! below the lab's, and variables (`scripts/step.sh`). Several users can run walk-throughs in one lab, even the same one:
//! each session has its own directory, which is locked while the session is open, and its own names in the cluster.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::seen::{self, Exchange, Party};
use super::{SCRIPTS, Step, WalkThrough, is_housekeeping};
use crate::hint::Hint;
use crate::lab::cast::{ADMINISTRATOR, CastError};
use crate::lab::{Lab, LabError};
use crate::probe::End;
use crate::process::{ProcessError, Program};
use crate::secret::redact;

/// The file that stores the progress of a session.
const PROGRESS: &str = "progress.json";

/// The file that is locked while a session is open.
const LOCK: &str = "lock";

/// The file for curl's response headers, which show that a server responded.
const HEADERS: &str = "headers";

/// A run of a walk-through.
#[derive(Debug)]
pub struct Session {
    walk_through: &'static WalkThrough,
    place: Place,
    environment: Vec<(String, OsString)>,
    audit_log: Option<PathBuf>,
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
        for private in [place.work(), place.scripts()] {
            fs_err::create_dir(private)?;
        }
        Ok(place)
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
    fn id(&self) -> OsString {
        self.path.file_name().unwrap_or_default().to_owned()
    }

    /// The working directory of the commands.
    fn work(&self) -> PathBuf {
        self.path.join("work")
    }

    fn scripts(&self) -> PathBuf {
        self.path.join("scripts")
    }

    /// Returns the environment variables of the scripts.
    fn environment(&self) -> [(String, OsString); 3] {
        [
            ("WALK_ID".to_owned(), self.id()),
            ("WALK_DIRECTORY".to_owned(), self.work().into()),
            ("CURL_HOME".to_owned(), self.scripts().into()),
        ]
    }

    fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }
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
        let mut environment: Vec<(String, OsString)> = vec![
            ("KUBECONFIG".to_owned(), workplace.kubeconfig.clone().into()),
            ("KUBECACHEDIR".to_owned(), workplace.cache.clone().into()),
            ("PATH".to_owned(), workplace.path()),
            ("AUTHLAB_PERSON".to_owned(), ADMINISTRATOR.into()),
        ];
        let variables = lab.variables(&workplace).await?;
        environment.extend(variables.into_iter().map(|(name, value)| (name.to_owned(), value)));
        let session = |place: Place, progress: Progress| Self {
            walk_through,
            environment: environment.iter().cloned().chain(place.environment()).collect(),
            place,
            audit_log: lab.main().logs.as_ref().map(|logs| logs.audit_log.clone()),
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
        for script in SCRIPTS.files() {
            if let (Some(name), Some(text)) = (script.path().file_name(), script.contents_utf8()) {
                crate::pki::write_private(&place.scripts().join(name), text)?;
            }
        }
        let curl = format!("dump-header = \"{}\"\n", place.file(HEADERS).display());
        crate::pki::write_private(&place.scripts().join(".curlrc"), &curl)?;
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
        let audited_before = self.audit_log.as_deref().map(End::of);
        let headers = self.place.file(HEADERS);
        let _ = std::fs::remove_file(&headers);
        let (output, code) = self.shell(command).await?;
        if is_housekeeping(command) {
            return Ok(Taken {
                output,
                code,
                exchanges: Vec::new(),
            });
        }
        let mut exchanges = self.asked_with_curl(command, &headers);
        if let (Some(log), Some(start)) = (&self.audit_log, audited_before) {
            let through_proxy = exchanges.iter().any(|one| one.to == Party::AuthProxy) || self.kubectl_asks_proxy(command);
            if through_proxy && exchanges.is_empty() {
                exchanges.push(Exchange {
                    from: Party::You,
                    to: Party::AuthProxy,
                    asked: "kubectl's request".to_owned(),
                    answered: "its answer, passed on".to_owned(),
                });
            }
            exchanges.extend(seen::audited(log, start, through_proxy));
        }
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

    /// Returns curl's requests to Keycloak or an auth proxy: the response headers show that there was one, the command names the server.
    fn asked_with_curl(&self, command: &str, headers: &std::path::Path) -> Vec<Exchange> {
        let to = if ["LAB_AUTH_PROXY}", "LAB_AUTH_PROXY/", "LAB_IMPERSONATING_PROXY"]
            .iter()
            .any(|word| command.contains(word))
        {
            (Party::AuthProxy, "request")
        } else if ["TOKEN_ENDPOINT}/introspect"].iter().any(|word| command.contains(word)) {
            (Party::Keycloak, "POST introspect")
        } else if ["TOKEN_ENDPOINT", "LAB_ISSUER", "da-admin-exec"]
            .iter()
            .any(|word| command.contains(word))
        {
            (Party::Keycloak, "POST token")
        } else {
            return Vec::new();
        };
        let exchange = |status: String| Exchange {
            from: Party::You,
            to: to.0,
            asked: to.1.to_owned(),
            answered: status,
        };
        seen::statuses(headers).into_iter().map(exchange).collect()
    }

    fn kubectl_asks_proxy(&self, command: &str) -> bool {
        let kubeconfig = self.place.work().join("config.yaml");
        let proxies = self.environment.iter().filter(|(name, _)| name.ends_with("_PROXY"));
        let kubectl = command.starts_with("kubectl") && !command.starts_with("kubectl config");
        kubectl
            && proxies
                .filter_map(|(_, url)| url.to_str())
                .any(|url| seen::goes_to(command, &kubeconfig, url))
    }

    fn save(&self) -> Result<(), SessionError> {
        let text = serde_json::to_string(&self.progress).map_err(io::Error::other)?;
        Ok(crate::pki::write_private(&self.place.file(PROGRESS), &text)?)
    }
}
