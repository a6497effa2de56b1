//! Lessons: something that does not work yet, for a learner who makes it work with the tools that they use at work.
//!
//! The main type is [`Lesson`], a folder of `fixtures/lessons/`: its text, the state that it starts with, its goals as scenarios,
//! hints that check the current state, and a solution. A [`Learner`] works on it in a namespace and a directory of their own
//! ([`Workspace`]); many can do so in one lab, and none of them can reach another's work.

mod error;
mod goal;
mod hints;
mod identity_provider;
mod learner;
mod objects;
mod progress;
mod signer;
mod workspace;

use std::sync::LazyLock;

use include_dir::{Dir, include_dir};
use serde::Deserialize;
use serde_json::Value;

pub use error::LessonError;
pub use goal::Goal;
pub use identity_provider::token;
pub use learner::{Learner, MOST, admit_class};
pub use progress::{Progress, Reached, Row, board};
pub use workspace::{Started, Workspace};

static LESSONS: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/fixtures/lessons");

/// A lesson, as its folder describes it. Texts have `{learner}` and other placeholders for a learner's own names ([`Workspace`]).
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lesson {
    /// The name of its folder.
    #[serde(skip)]
    pub name: String,
    /// Its place among the lessons.
    pub number: u32,
    /// A title of one line.
    pub title: String,
    /// The kind of task: to make something work, or to repair it.
    pub kind: Kind,
    /// The minutes that it takes the first time.
    pub minutes: u32,
    /// The certificates that exist from the start.
    #[serde(default)]
    certificate: Vec<WantedCertificate>,
    /// The party that does what learners may not do themselves, while a lesson is checked.
    signer: Option<signer::RequestSigner>,
    /// The hints, the first thing to check first.
    hint: Vec<hints::Hint>,
    /// The text that the learner reads.
    #[serde(skip)]
    text: &'static str,
    /// The goals, as a feature.
    #[serde(skip)]
    goal: &'static str,
    /// The commands that solve it, as a script.
    #[serde(skip)]
    solution: &'static str,
    /// The files in the learner's directory, by name.
    #[serde(skip)]
    files: Vec<(&'static str, &'static str)>,
    /// The objects in the cluster, as a list in JSON.
    #[serde(skip)]
    objects: Option<&'static str>,
}

/// The kind of task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// The learner makes a way of authenticating work.
    Make,
    /// The learner repairs something broken.
    Mend,
}

impl Kind {
    /// Returns the name of the lesson.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Make => "make",
            Self::Mend => "mend",
        }
    }
}

/// A certificate that exists from the start.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WantedCertificate {
    /// The name of its files: `NAME.crt` and `NAME.key`.
    name: String,
    /// The user that it names.
    user: String,
    #[serde(default)]
    groups: Vec<String>,
    signed_by: Signer,
    /// `true` if the learner gets its key; the harness keeps a key whose holder could act as any user.
    #[serde(default)]
    with_key: bool,
}

/// One of the lab's authorities.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Signer {
    Clients,
    RequestHeaders,
}

/// Returns all lessons, in order.
///
/// # Panics
/// A lesson's folder is invalid: it is compiled in, and a test reads all of them.
#[must_use]
pub fn all() -> &'static [Lesson] {
    static ALL: LazyLock<Vec<Lesson>> = LazyLock::new(|| {
        let mut all: Vec<Lesson> = LESSONS.dirs().map(Lesson::of).collect();
        all.sort_by_key(|lesson| lesson.number);
        all
    });
    &ALL
}

/// Returns the lesson with this name.
///
/// # Errors
/// There is no such lesson.
pub fn named(name: &str) -> Result<&'static Lesson, LessonError> {
    all().iter().find(|lesson| lesson.name == name).ok_or_else(|| LessonError::Unknown {
        name: name.to_owned(),
        known: all().iter().map(|lesson| lesson.name.clone()).collect(),
    })
}

impl Lesson {
    fn of(folder: &'static Dir<'static>) -> Self {
        let text = |name: &str| folder.get_file(folder.path().join(name)).and_then(|file| file.contents_utf8());
        let name = folder.path().display().to_string();
        let whole = |file: &str| text(file).unwrap_or_else(|| panic!("the lesson {name} has no {file}"));
        let mut lesson: Self = toml::from_str(whole("lesson.toml")).unwrap_or_else(|error| panic!("the lesson {name}: {error}"));
        lesson.text = whole("lesson.md");
        lesson.goal = whole("goal.feature");
        lesson.solution = whole("solution.sh");
        lesson.objects = text("objects.json");
        let files = folder.get_dir(folder.path().join("files"));
        lesson.files = files
            .into_iter()
            .flat_map(Dir::files)
            .filter_map(|file| Some((file.path().file_name()?.to_str()?, file.contents_utf8()?)))
            .collect();
        lesson.name = name;
        lesson
    }

    /// Returns the goals as a feature file. Its `{learner}` is replaced only in a lab.
    #[must_use]
    pub fn goal(&self) -> crate::scenario::FeatureFile {
        crate::scenario::FeatureFile {
            stem: format!("lessons/{}", self.name),
            shown: format!("fixtures/lessons/{}/goal.feature", self.name).into(),
            text: self.goal.to_owned(),
        }
    }

    /// Returns the lesson's objects, with names filled in by `fill`.
    fn objects(&self, fill: impl Fn(&str) -> Result<String, LessonError>) -> Result<Vec<Value>, LessonError> {
        self.objects.map_or_else(|| Ok(Vec::new()), |text| objects::read(&fill(text)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_lesson_can_be_read() {
        let numbers: Vec<u32> = all().iter().map(|lesson| lesson.number).collect();
        let expected: Vec<u32> = (1..=u32::try_from(all().len()).expect("few")).collect();
        assert_eq!(numbers, expected, "each has a number of its own");
        assert!(all().len() >= 10);
        for lesson in all() {
            lesson
                .objects(|text| Ok(text.to_owned()))
                .unwrap_or_else(|error| panic!("{}: {error}", lesson.name));
            assert!(!lesson.hint.is_empty(), "{} has no hint", lesson.name);
            for hint in &lesson.hint {
                assert!(hint.look.looks_at_one_thing() && !hint.says.is_empty(), "{}: {hint:?}", lesson.name);
            }
        }
    }

    #[test]
    fn an_unknown_lesson_names_those_there_are() {
        let error = named("oidc2").expect_err("there is none").to_string();
        assert!(error.contains("oidc, "), "{error}");
    }
}
