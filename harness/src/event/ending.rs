//! The ending of a scenario, in types that reports compare.

use serde::{Deserialize, Serialize};

/// How a scenario ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Every step held.
    Passed,
    /// A step did not hold.
    Failed,
    /// The scenario was not carried out: [`Skip`] says why.
    Skipped,
}

/// Why a scenario was not carried out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skip {
    /// The kind of reason.
    #[serde(rename = "skip")]
    pub kind: SkipKind,
    /// The reason in one line, for a person.
    #[serde(rename = "skipped_because")]
    pub because: String,
}

/// The kinds of reasons for which scenarios are not carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SkipKind {
    /// The cluster, as its driver makes it, lacks a capability.
    Capability,
    /// The version of Kubernetes lacks a feature (`fixtures/kubernetes.toml`).
    Version,
    /// The scenario is tagged `@ignore`.
    Ignored,
    /// An inverted run carried it out as written: nobody in it is refused for a credential that has a sound twin.
    NotInverted,
}

impl Skip {
    /// A scenario that is tagged `@ignore`.
    #[must_use]
    pub fn ignored() -> Self {
        Self {
            kind: SkipKind::Ignored,
            because: "tagged @ignore".to_owned(),
        }
    }

    /// A scenario in which an inverted run had nothing to invert.
    #[must_use]
    pub fn not_inverted() -> Self {
        Self {
            kind: SkipKind::NotInverted,
            because: "not inverted: nobody is refused for a credential that has a sound twin".to_owned(),
        }
    }
}

/// Why a step failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Cause {
    /// The server, or whatever was looked at, differs from what the step expects.
    Differs {
        /// What the step expects.
        expected: String,
        /// What was seen instead.
        seen: String,
    },
    /// The step could not be carried out.
    Failed {
        /// Why, with all causes.
        message: String,
    },
}

impl Cause {
    /// A step that could not be carried out, because of `message`.
    pub fn failed(message: impl Into<String>) -> Self {
        Self::Failed { message: message.into() }
    }

    /// The same cause with a line more.
    #[must_use]
    pub fn and(mut self, line: &str) -> Self {
        let (Self::Differs { seen: text, .. } | Self::Failed { message: text }) = &mut self;
        text.push('\n');
        text.push_str(line);
        self
    }

    /// The cause in its first line, for where there is room for one only.
    #[must_use]
    pub fn in_a_line(&self) -> String {
        let first = |text: &str| text.lines().next().unwrap_or_default().to_owned();
        match self {
            Self::Differs { expected, seen } => format!("expected {}; seen {}", first(expected), first(seen)),
            Self::Failed { message } => first(message),
        }
    }
}

/// In words, over as many lines as they have.
impl std::fmt::Display for Cause {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Differs { expected, seen } => write!(f, "expected {expected}\nseen     {seen}"),
            Self::Failed { message } => f.write_str(message),
        }
    }
}

/// Why a scenario failed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Failure {
    /// The step's text.
    pub step: String,
    /// File and line of the step.
    pub place: String,
    /// File and line of the function that carries the step out, where there is one.
    pub definition: Option<String>,
    /// Why the step failed.
    #[serde(flatten)]
    pub cause: Cause,
    /// Lines of the server's log around the last request.
    pub log: Vec<String>,
    /// The directory that holds what was kept.
    pub evidence: Option<String>,
}

/// The assertion that failed, as it has to, when the sound twin was presented in place of the flawed credential.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inversion {
    /// The step's text.
    pub step: String,
    /// Why the step failed.
    #[serde(flatten)]
    pub cause: Cause,
}
