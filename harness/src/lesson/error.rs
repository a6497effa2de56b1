//! Errors of lessons.

use std::path::PathBuf;

use crate::hint::Hint;
use crate::lab::LabError;

/// An error of starting, checking or resetting a lesson.
#[derive(Debug, thiserror::Error)]
pub enum LessonError {
    /// There is no such lesson.
    #[error("no lesson is named '{name}' (known: {})", known.join(", "))]
    Unknown {
        /// The name that was given.
        name: String,
        /// The names of all lessons.
        known: Vec<String>,
    },
    /// There is no learner of that name.
    #[error("'{name}' is not a learner (expected learner-1 to learner-{})", super::MOST)]
    NoLearner {
        /// The name that was given.
        name: String,
    },
    /// The lesson was not started.
    #[error("{learner} has not started the lesson '{lesson}'")]
    NotStarted {
        /// The learner.
        learner: String,
        /// The lesson.
        lesson: String,
    },
    /// The learner has not started any lesson.
    #[error("{learner} has not started any lesson")]
    NoneStarted {
        /// The learner.
        learner: String,
    },
    /// The lab cannot be used.
    #[error(transparent)]
    Lab(#[from] LabError),
    /// The lab's cluster lacks something that the lesson needs.
    #[error("the lab does not support this lesson: {why}")]
    Lacks {
        /// The missing capability.
        why: String,
    },
    /// The goal requires an unknown capability.
    #[error(transparent)]
    Capability(#[from] crate::cluster::UnknownCapability),
    /// An object of the lesson cannot be created or deleted.
    #[error("the cluster refused {what}")]
    Objects {
        /// The object.
        what: String,
        /// The cause.
        #[source]
        source: Box<kube::Error>,
    },
    /// A fixture contains an invalid object.
    #[error("a fixture contains an invalid object")]
    NoObject(#[from] serde_json::Error),
    /// The API server did not see the created objects in time.
    #[error("the API server does not see the created objects")]
    NotSeen(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A certificate cannot be made.
    #[error(transparent)]
    Pki(#[from] crate::pki::PkiError),
    /// A kubeconfig cannot carry a credential.
    #[error(transparent)]
    Kubeconfig(#[from] crate::kubeconfig::NotInKubeconfig),
    /// A fixture has an unknown placeholder.
    #[error(transparent)]
    Placeholder(#[from] crate::template::UnknownPlaceholder),
    /// A file cannot be read or written.
    #[error("cannot read or write {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// A file that the learner writes is invalid.
    #[error("cannot use {}: {why}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The reason why it is invalid.
        why: String,
    },
    /// The token cannot be signed.
    #[error(transparent)]
    Issuer(#[from] crate::identity_provider::issuer::IssuerError),
    /// The goal cannot be run.
    #[error(transparent)]
    Goal(#[from] crate::scenario::suite::SuiteError),
}

impl Hint for LessonError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::NoneStarted { .. } => Some("`authlab lesson list` shows the lessons, `authlab lesson start NAME` starts one".to_owned()),
            Self::NotStarted { lesson, .. } => Some(format!("`authlab lesson start {lesson}` starts it")),
            Self::Lab(error) => error.hint(),
            Self::Goal(error) => error.hint(),
            Self::Lacks { .. } => Some("`authlab up --cluster process` starts a lab that has it".to_owned()),
            _ => None,
        }
    }
}
