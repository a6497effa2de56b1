//! What can go wrong with lessons.

use std::path::PathBuf;

use crate::hint::Hint;
use crate::lab::LabError;

/// Why a lesson cannot be started, looked at or taken back.
#[derive(Debug, thiserror::Error)]
pub enum LessonError {
    /// There is no such lesson.
    #[error("no lesson is called '{name}'; there are: {}", known.join(", "))]
    Unknown {
        /// The name given.
        name: String,
        /// Those there are.
        known: Vec<String>,
    },
    /// Nobody is called so.
    #[error(
        "'{name}' is no learner: they are called learner-1, learner-2 and so on to learner-{}",
        super::MOST
    )]
    NoLearner {
        /// The name given.
        name: String,
    },
    /// It was not started.
    #[error("{learner} has not started the lesson '{lesson}'")]
    NotStarted {
        /// Whose.
        learner: String,
        /// Which.
        lesson: String,
    },
    /// None was started.
    #[error("{learner} has not started any lesson")]
    NoneStarted {
        /// Whose.
        learner: String,
    },
    /// The lab cannot be used.
    #[error(transparent)]
    Lab(#[from] LabError),
    /// The lab's cluster lacks what the lesson needs.
    #[error("the lab cannot have this lesson: {why}")]
    Lacks {
        /// What it lacks.
        why: String,
    },
    /// The goal asks for what nobody described.
    #[error(transparent)]
    Capability(#[from] crate::cluster::UnknownCapability),
    /// An object of the lesson cannot be made or taken away.
    #[error("the cluster does not take {what}")]
    Objects {
        /// Which.
        what: String,
        /// Why.
        #[source]
        source: Box<kube::Error>,
    },
    /// An object of a fixture is none.
    #[error("a fixture contains an invalid object")]
    NoObject(#[from] serde_json::Error),
    /// What was made is not seen in time.
    #[error("the API server does not see what was made")]
    NotSeen(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A certificate cannot be made.
    #[error(transparent)]
    Pki(#[from] crate::pki::PkiError),
    /// A kubeconfig cannot carry a credential.
    #[error(transparent)]
    Kubeconfig(#[from] crate::credential::kubeconfig::NotInKubeconfig),
    /// A file cannot be read or written.
    #[error("could not read or write {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A file that the learner writes does not say what it should.
    #[error("{} cannot be used: {why}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// The token cannot be signed.
    #[error(transparent)]
    Issuer(#[from] crate::identity_provider::issuer::IssuerError),
    /// The goal is not fit to be carried out.
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
