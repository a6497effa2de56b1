//! The ending of a scenario, in types that reports compare.

use serde::{Deserialize, Serialize};

/// The outcome of a scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Every step held.
    Passed,
    /// A step did not hold.
    Failed,
    /// The scenario was not run: [`Skip`] has the reason.
    Skipped,
}

/// The reason why a scenario was not run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skip {
    /// The kind of reason.
    #[serde(rename = "skip")]
    pub kind: SkipKind,
    /// The reason in one line, for people.
    #[serde(rename = "skipped_because")]
    pub because: String,
}

/// The kinds of reasons for which scenarios are not run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SkipKind {
    /// The cluster driver's clusters lack a capability.
    Capability,
    /// The version of Kubernetes lacks a feature (`fixtures/kubernetes.toml`).
    Version,
    /// The scenario is tagged `@ignore`.
    Ignored,
    /// The run stopped before it, after as many failures as were allowed.
    NotRun,
    /// An inverted run ran it as written: no credential that has a sound twin is refused in it.
    NotInverted,
}

impl Skip {
    /// Returns the reason of a scenario that is tagged `@ignore`.
    #[must_use]
    pub fn ignored() -> Self {
        Self {
            kind: SkipKind::Ignored,
            because: "tagged @ignore".to_owned(),
        }
    }

    /// Returns the reason of a scenario that did not begin, since the run stopped after `failures`.
    #[must_use]
    pub fn not_run(failures: usize) -> Self {
        let failures = if failures == 1 {
            "1 failure".to_owned()
        } else {
            format!("{failures} failures")
        };
        Self {
            kind: SkipKind::NotRun,
            because: format!("not run: the run stopped after {failures}"),
        }
    }

    /// Returns the reason of a scenario in which an inverted run had nothing to invert.
    #[must_use]
    pub fn not_inverted() -> Self {
        Self {
            kind: SkipKind::NotInverted,
            because: "not inverted: no refused credential has a sound twin".to_owned(),
        }
    }
}

/// The cause of a step's failure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Cause {
    /// The server, or another thing that the step looked at, differs from the expectation.
    Differs {
        /// The result that the step expects.
        expected: String,
        /// The result that was seen instead.
        seen: String,
    },
    /// The step could not be carried out.
    Failed {
        /// The reason, with all causes.
        message: String,
    },
}

impl Cause {
    /// Returns the cause of a step that could not be carried out, because of `message`.
    pub fn failed(message: impl Into<String>) -> Self {
        Self::Failed { message: message.into() }
    }

    /// Adds a line to the cause.
    #[must_use]
    pub fn and(mut self, line: &str) -> Self {
        let (Self::Differs { seen: text, .. } | Self::Failed { message: text }) = &mut self;
        text.push('\n');
        text.push_str(line);
        self
    }

    /// Returns the first line of the cause, for places with room for one line.
    #[must_use]
    pub fn in_a_line(&self) -> String {
        let first = |text: &str| text.lines().next().unwrap_or_default().to_owned();
        match self {
            Self::Differs { expected, seen } => format!("expected {}; seen {}", first(expected), first(seen)),
            Self::Failed { message } => first(message),
        }
    }
}

/// Writes the cause in words, over as many lines as it has.
impl std::fmt::Display for Cause {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Differs { expected, seen } => write!(f, "expected {expected}\nseen     {seen}"),
            Self::Failed { message } => f.write_str(message),
        }
    }
}

/// The failure of a scenario.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Failure {
    /// The step's text.
    pub step: String,
    /// File and line of the step.
    pub place: String,
    /// File and line of the function that carries the step out, if there is one.
    pub definition: Option<String>,
    /// The cause of the step's failure.
    #[serde(flatten)]
    pub cause: Cause,
    /// Lines of the server's log around the last request.
    pub log: Vec<String>,
    /// The directory of the evidence that was kept.
    pub evidence: Option<String>,
}

/// The assertion that failed, as it must, when the sound twin was presented in place of the flawed credential.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inversion {
    /// The step's text.
    pub step: String,
    /// The cause of the step's failure.
    #[serde(flatten)]
    pub cause: Cause,
}
