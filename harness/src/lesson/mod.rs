//! Lessons: something that does not work yet, for somebody who makes it work with the tools that they have at work.
//!
//! The main type is [`Lesson`], a folder of `fixtures/lessons/`: its text, the state that it starts with, the goal as scenarios,
//! hints that look at what is there, and a solution. A [`Learner`] works on it in a namespace and a directory of their own
//! ([`Bench`]); many do so in one lab, and none of them reaches another's.

mod bench;
mod desk;
mod error;
mod goal;
mod hints;
mod identity_provider;
mod learner;
mod objects;
mod progress;

use std::sync::LazyLock;

use include_dir::{Dir, include_dir};
use serde::Deserialize;
use serde_json::Value;

pub use bench::{Bench, Started};
pub use error::LessonError;
pub use goal::Goal;
pub use identity_provider::token;
pub use learner::{Learner, MOST, admit_class};
pub use progress::{Progress, Reached, Row, board};

static LESSONS: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../fixtures/lessons");

/// A lesson, as its folder describes it. Texts have `{learner}` and the like where a learner's own names come in ([`Bench`]).
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lesson {
    /// The name of its folder.
    #[serde(skip)]
    pub name: String,
    /// Its place among the lessons.
    pub number: u32,
    /// One line for a person.
    pub title: String,
    /// Whether something has to be made, or mended.
    pub kind: Kind,
    /// How long it takes somebody who does it for the first time.
    pub minutes: u32,
    /// Certificates that are there from the beginning.
    #[serde(default)]
    certificate: Vec<WantedCertificate>,
    /// Who does what learners may not do themselves, while a lesson is checked.
    desk: Option<desk::Desk>,
    /// What to look at, first things first.
    hint: Vec<hints::Hint>,
    /// What the learner reads.
    #[serde(skip)]
    text: &'static str,
    /// What has to hold in the end, as a feature.
    #[serde(skip)]
    goal: &'static str,
    /// What a learner types, as a script.
    #[serde(skip)]
    solution: &'static str,
    /// Files in the learner's directory, by name.
    #[serde(skip)]
    files: Vec<(&'static str, &'static str)>,
    /// Objects in the cluster, as a list in JSON.
    #[serde(skip)]
    objects: Option<&'static str>,
}

/// What a learner does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Make a way of authenticating work.
    Make,
    /// Mend what is broken.
    Mend,
}

impl Kind {
    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Make => "make",
            Self::Mend => "mend",
        }
    }
}

/// A certificate that is there from the beginning.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WantedCertificate {
    /// The name of its files: `NAME.crt` and `NAME.key`.
    name: String,
    /// The user.
    user: String,
    #[serde(default)]
    groups: Vec<String>,
    signed_by: Signer,
    /// Whether the learner has its key; of one that anybody could be anybody with, the harness keeps it.
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

/// All lessons, in order.
///
/// # Panics
/// A lesson's folder is damaged: it is compiled in, and a test reads all.
#[must_use]
pub fn all() -> &'static [Lesson] {
    static ALL: LazyLock<Vec<Lesson>> = LazyLock::new(|| {
        let mut all: Vec<Lesson> = LESSONS.dirs().map(Lesson::of).collect();
        all.sort_by_key(|lesson| lesson.number);
        all
    });
    &ALL
}

/// The lesson called `name`.
///
/// # Errors
/// There is none.
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

    /// Its goal, as a feature file. Which one it is, `{learner}` in it says only in a lab.
    #[must_use]
    pub fn goal(&self) -> crate::scenario::FeatureFile {
        crate::scenario::FeatureFile {
            stem: format!("lessons/{}", self.name),
            shown: format!("fixtures/lessons/{}/goal.feature", self.name).into(),
            text: self.goal.to_owned(),
        }
    }

    /// Its objects, once their names are filled in by `fill`.
    fn objects(&self, fill: impl Fn(&str) -> String) -> Result<Vec<Value>, LessonError> {
        self.objects.map_or_else(|| Ok(Vec::new()), |text| objects::read(&fill(text)))
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
                .objects(str::to_owned)
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
