//! A learner's workspace for one lesson: the state it starts with, the check of its goals, and the reset.
//!
//! The main type is [`Workspace`].

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::goal::{self, Goal};
use super::hints;
use super::objects::Cluster;
use super::progress::{Progress, Reached};
use super::{Learner, Lesson, LessonError, Signer};
use crate::lab::{Lab, put};
use crate::pki::Request;
use crate::scenario::Vocabulary;
use crate::template::{fill, fill_json};

/// A learner's directory for one lesson, in a lab.
#[derive(Debug)]
pub struct Workspace<'a> {
    /// The lab.
    pub lab: &'a Lab,
    /// The learner who owns it.
    pub learner: &'a Learner,
    /// The lesson that the learner works on.
    pub lesson: &'static Lesson,
    /// The directory that holds the files.
    pub directory: PathBuf,
    /// The program that the files call.
    pub program: PathBuf,
}

/// The outcome of [`Workspace::start`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Started {
    /// The lesson was started from its beginning. The lesson that was in progress before, if any, lost its objects.
    Anew(Option<String>),
    /// The lesson was already in progress: nothing was changed.
    Before,
}

impl<'a> Workspace<'a> {
    /// Creates the workspace of `learner` for `lesson`; `program` is the program that the lesson's files call to get a token.
    pub fn new(lab: &'a Lab, learner: &'a Learner, lesson: &'static Lesson, program: &Path) -> Self {
        Self {
            directory: learner.home(lab).join(&lesson.name),
            lab,
            learner,
            lesson,
            program: program.to_owned(),
        }
    }

    /// Starts the lesson, unless it is in progress. Another lesson that was in progress loses its objects, and keeps its files.
    ///
    /// # Errors
    /// The lab cannot run the lesson, or the cluster rejects the objects.
    pub async fn start(&self) -> Result<Started, LessonError> {
        self.learner.admit(self.lab).await?;
        let progress = Progress::of(self.learner, self.lab)?;
        if progress.current.as_deref() == Some(&self.lesson.name) && self.directory.exists() {
            return Ok(Started::Before);
        }
        let before = progress.current.filter(|before| *before != self.lesson.name);
        self.reset().await?;
        Ok(Started::Anew(before))
    }

    /// Resets the lesson: its files and objects are as they were at the start, and everything else is removed.
    ///
    /// # Errors
    /// The cluster rejects the objects, or a file cannot be written.
    pub async fn reset(&self) -> Result<(), LessonError> {
        let cluster = Cluster::of(self.lab);
        let objects = self.lesson.objects(|text| self.fill(text))?;
        cluster.clear(self.learner.name()).await?;
        cluster.apply(&objects).await?;
        self.lay_out()?;
        let mut progress = Progress::of(self.learner, self.lab)?;
        progress.current = Some(self.lesson.name.clone());
        progress.lessons.insert(self.lesson.name.clone(), Reached::begun());
        progress.save(self.learner, self.lab)
    }

    /// Returns the text that the learner reads.
    ///
    /// # Errors
    /// The text has an unknown placeholder.
    pub fn text(&self) -> Result<String, LessonError> {
        self.fill(self.lesson.text)
    }

    /// Returns the commands that the learner types, as a script for bash.
    ///
    /// # Errors
    /// The script has an unknown placeholder.
    pub fn solution(&self) -> Result<String, LessonError> {
        self.fill(self.lesson.solution)
    }

    /// Lets the lesson's signer do its work, with one line for each thing that it did; then checks the goals.
    ///
    /// # Errors
    /// The lesson was not started, or the lab lacks what the goal needs.
    pub async fn check(&self, vocabulary: &Vocabulary) -> Result<(Vec<String>, Vec<Goal>), LessonError> {
        self.expect_started()?;
        let done = match self.lesson.signer {
            Some(signer) => signer.serve(self).await?,
            None => Vec::new(),
        };
        // Wait until objects that were created a moment ago are in force.
        Cluster::of(self.lab).settle(self.learner.name()).await?;
        let goals = goal::look(self.lesson, self, vocabulary).await?;
        self.note(|reached| {
            reached.checks += 1;
            reached.goals = goals.len();
            reached.held = goals.iter().filter(|goal| goal.holds).count();
            if reached.held == reached.goals {
                reached.done.get_or_insert_with(jiff::Timestamp::now);
            }
        })?;
        Ok((done, goals))
    }

    /// Returns the hint that fits the current state, or `None` when every check of the hints passes.
    ///
    /// # Errors
    /// The lesson was not started, or a request to the cluster fails.
    pub async fn hint(&self) -> Result<Option<String>, LessonError> {
        self.expect_started()?;
        let Some(next) = hints::next(&self.lesson.hint, self).await? else {
            return Ok(None);
        };
        let says = &self.lesson.hint[next].says;
        let mut level = 0;
        self.note(|reached| {
            level = match reached.last_hint {
                Some((last, level)) if last == next => (level + 1).min(says.len().saturating_sub(1)),
                _ => 0,
            };
            reached.hints += 1;
            reached.last_hint = Some((next, level));
        })?;
        says.get(level).map(|says| self.fill(says)).transpose()
    }

    fn note(&self, change: impl FnOnce(&mut Reached)) -> Result<(), LessonError> {
        let mut progress = Progress::of(self.learner, self.lab)?;
        change(progress.lessons.entry(self.lesson.name.clone()).or_insert_with(Reached::begun));
        progress.save(self.learner, self.lab)
    }

    /// Fails unless this lesson is in progress: the objects of another lesson are not its own.
    fn expect_started(&self) -> Result<(), LessonError> {
        let progress = Progress::of(self.learner, self.lab)?;
        if progress.current.as_deref() == Some(&self.lesson.name) && self.directory.exists() {
            return Ok(());
        }
        Err(LessonError::NotStarted {
            learner: self.learner.name().to_owned(),
            lesson: self.lesson.name.clone(),
        })
    }

    /// Writes the files that the lesson starts with.
    fn lay_out(&self) -> Result<(), LessonError> {
        let wrong = |path: &Path, source| LessonError::File {
            path: path.to_owned(),
            source,
        };
        for directory in [self.directory.clone(), self.kept()] {
            match std::fs::remove_dir_all(&directory) {
                Err(source) if source.kind() != std::io::ErrorKind::NotFound => return Err(wrong(&directory, source)),
                _ => std::fs::create_dir_all(&directory).map_err(|source| wrong(&directory, source))?,
            }
        }
        put(&self.directory.join("ca.crt"), &self.lab.main().serving_authority)?;
        for (name, text) in &self.lesson.files {
            put(&self.directory.join(name), &self.fill(text)?)?;
        }
        let authorities = self.lab.authorities()?;
        for wanted in &self.lesson.certificate {
            let groups: Vec<String> = wanted.groups.iter().map(|group| self.fill(group)).collect::<Result<_, _>>()?;
            let groups: Vec<&str> = groups.iter().map(String::as_str).collect();
            let request = Request::client(&self.fill(&wanted.user)?, &groups);
            let authority = match wanted.signed_by {
                Signer::Clients => &authorities.clients,
                Signer::RequestHeaders => &authorities.request_headers,
            };
            let leaf = authority.issue(&request)?;
            if wanted.with_key {
                leaf.save(&self.directory, &wanted.name)?;
            } else {
                put(&self.directory.join(format!("{}.crt", wanted.name)), &leaf.certificate)?;
                leaf.save(&self.kept(), &wanted.name)?;
            }
        }
        Ok(())
    }

    /// The directory for keys that the learner is not given.
    fn kept(&self) -> PathBuf {
        crate::lab::kept_of(&self.directory)
    }

    /// Returns `text` with the learner's own names filled in.
    pub(super) fn fill(&self, text: &str) -> Result<String, LessonError> {
        Ok(fill(text, |name| self.value(name))?)
    }

    /// Returns `json` with the learner's own names filled in.
    pub(super) fn fill_json(&self, json: &Value) -> Result<Value, LessonError> {
        Ok(fill_json(json.clone(), &|name| self.value(name))?)
    }

    /// Returns the value of the placeholder `name`.
    fn value(&self, name: &str) -> Option<String> {
        let description = self.lab.description();
        Some(match name {
            "learner" => self.learner.name().to_owned(),
            "lab" => description.name.clone(),
            "lab-option" => crate::lab::lab_option(&description.name),
            "directory" => self.directory.display().to_string(),
            "home" => self.learner.home(self.lab).display().to_string(),
            "state" => crate::dirs::state().unwrap_or_default().display().to_string(),
            "kubeconfig" => self.learner.kubeconfig(self.lab).display().to_string(),
            "api-server" => self.lab.main().url.clone(),
            "issuer" => description.issuer.clone(),
            "authlab" => self.program.display().to_string(),
            _ => return None,
        })
    }

    /// Reads a file of the learner.
    pub(super) fn read(&self, path: &Path) -> Result<String, LessonError> {
        std::fs::read_to_string(path).map_err(|source| LessonError::File {
            path: path.to_owned(),
            source,
        })
    }

    /// Returns the names, without the ending, of the files in the directory that end in `ending`, in alphabetical order.
    pub(super) fn files_ending(&self, ending: &str) -> Result<Vec<String>, LessonError> {
        let entries = std::fs::read_dir(&self.directory).map_err(|source| LessonError::File {
            path: self.directory.clone(),
            source,
        })?;
        let paths = entries.flatten().map(|entry| entry.path());
        let wanted = paths.filter(|path| path.extension().is_some_and(|found| found == ending));
        let mut names: Vec<String> = wanted.filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned())).collect();
        names.sort();
        Ok(names)
    }
}
