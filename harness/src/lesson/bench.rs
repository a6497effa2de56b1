//! Where a learner works on a lesson: the state it starts with, what is asked of it, and the way back.
//!
//! The main type is [`Bench`].

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

/// A learner's directory for one lesson, in a lab.
#[derive(Debug)]
pub struct Bench<'a> {
    /// The lab.
    pub lab: &'a Lab,
    /// Whose it is.
    pub learner: &'a Learner,
    /// What is learnt.
    pub lesson: &'static Lesson,
    /// Where the files are.
    pub directory: PathBuf,
    /// The program that the files name.
    pub program: PathBuf,
}

/// Whether a lesson was begun by [`Bench::start`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Started {
    /// From its beginning. The one that was under way before, if there was one, lost its objects.
    Anew(Option<String>),
    /// It was under way: nothing was touched.
    Before,
}

impl<'a> Bench<'a> {
    /// The place of `learner` for `lesson`; `program` is what the lesson's files call to be given a token.
    pub fn new(lab: &'a Lab, learner: &'a Learner, lesson: &'static Lesson, program: &Path) -> Self {
        Self {
            directory: learner.home(lab).join(&lesson.name),
            lab,
            learner,
            lesson,
            program: program.to_owned(),
        }
    }

    /// Begins the lesson, unless it is under way. Another that was under way loses its objects, and keeps its files.
    ///
    /// # Errors
    /// The lab cannot have it, or the cluster does not take the objects.
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

    /// Brings the beginning back: files and objects are what they were then, and nothing else is there.
    ///
    /// # Errors
    /// The cluster does not take the objects, or a file cannot be written.
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

    /// What the learner reads.
    #[must_use]
    pub fn text(&self) -> String {
        self.fill(self.lesson.text)
    }

    /// What the learner types, as a script for bash.
    #[must_use]
    pub fn solution(&self) -> String {
        self.fill(self.lesson.solution)
    }

    /// Who works for the learner does so, a line each for what they did; then the goals are looked at.
    ///
    /// # Errors
    /// It was not started, or the lab lacks what the goal needs.
    pub async fn check(&self, vocabulary: &Vocabulary) -> Result<(Vec<String>, Vec<Goal>), LessonError> {
        self.expect_started()?;
        let done = match self.lesson.desk {
            Some(desk) => desk.serve(self).await?,
            None => Vec::new(),
        };
        // What was made a moment ago counts.
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

    /// The hint that fits what is there; nothing when everything looked at is as it should be.
    ///
    /// # Errors
    /// It was not started, or the cluster cannot be asked.
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
        Ok(says.get(level).map(|says| self.fill(says)))
    }

    fn note(&self, change: impl FnOnce(&mut Reached)) -> Result<(), LessonError> {
        let mut progress = Progress::of(self.learner, self.lab)?;
        change(progress.lessons.entry(self.lesson.name.clone()).or_insert_with(Reached::begun));
        progress.save(self.learner, self.lab)
    }

    /// An error unless it is the lesson that is under way: another's objects are not its own.
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

    /// The files that the lesson begins with.
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
            put(&self.directory.join(name), &self.fill(text))?;
        }
        let authorities = self.lab.authorities()?;
        for wanted in &self.lesson.certificate {
            let groups: Vec<String> = wanted.groups.iter().map(|group| self.fill(group)).collect();
            let groups: Vec<&str> = groups.iter().map(String::as_str).collect();
            let request = Request::client(&self.fill(&wanted.user), &groups);
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

    /// Where the keys are that the learner is not given.
    fn kept(&self) -> PathBuf {
        crate::lab::kept_of(&self.directory)
    }

    /// The text with the learner's own names in it.
    pub(super) fn fill(&self, text: &str) -> String {
        let mut text = text.to_owned();
        let home = self.learner.home(self.lab);
        let state = crate::dirs::state().unwrap_or_default();
        let description = self.lab.description();
        for (place, value) in [
            ("{learner}", self.learner.name()),
            ("{lab}", &description.name),
            ("{lab-option}", &crate::lab::lab_option(&description.name)),
            ("{directory}", &self.directory.display().to_string()),
            ("{home}", &home.display().to_string()),
            ("{state}", &state.display().to_string()),
            ("{kubeconfig}", &self.learner.kubeconfig(self.lab).display().to_string()),
            ("{api-server}", &self.lab.main().url),
            ("{issuer}", &description.issuer),
            ("{authlab}", &self.program.display().to_string()),
        ] {
            text = text.replace(place, value);
        }
        text
    }

    pub(super) fn fill_value(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => self.fill(text).into(),
            other => other.clone(),
        }
    }

    /// A file of the learner's.
    pub(super) fn read(&self, path: &Path) -> Result<String, LessonError> {
        std::fs::read_to_string(path).map_err(|source| LessonError::File {
            path: path.to_owned(),
            source,
        })
    }

    /// The names, without their ending, of the files in the directory that end so, in alphabetical order.
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
