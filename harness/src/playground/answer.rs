//! The answers to a trial, as the page reads them. The main type is [`OnVersion`].

use serde::Serialize;

use super::marks::Mark;
use crate::trial::{Decision, Identified, Outcome, Refused};

/// The answer of one version of Kubernetes.
#[derive(Clone, Debug, Serialize)]
pub(super) struct OnVersion {
    /// The minor version.
    pub(super) version: String,
    #[serde(flatten)]
    pub(super) said: Said,
}

/// The words of an API server: about people, or about its configuration.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Said {
    /// It started, and said who people are.
    People(Vec<Tried>),
    /// It does not start with the configuration.
    DoesNotStart {
        /// Its words.
        said: String,
        /// The lines that they are about.
        marks: Vec<Mark>,
    },
    /// It could not be asked.
    Error(Mark),
}

/// Somebody who was tried.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Tried {
    pub(super) person: String,
    #[serde(flatten)]
    pub(super) is: Is,
    pub(super) may: Vec<Right>,
    /// The diagram of the requests about them, an SVG element; `None` if none was sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) requests: Option<String>,
}

/// The identity of somebody to an API server, or the reason why there is none.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Is {
    Accepted(Identified),
    Refused(Refused),
    /// The token could not be signed.
    Error(Mark),
}

/// Whether somebody may do something.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Right {
    Decided(Decision),
    NotReviewed { action: String, error: Mark },
}

impl From<Outcome> for Is {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Accepted(identified) => Self::Accepted(identified),
            Outcome::Refused(refused) => Self::Refused(refused),
        }
    }
}
