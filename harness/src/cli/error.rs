//! The failure of a command, and how it is shown to the user.
//!
//! The main type is [`CommandError`]: an error of the library, the exit code
//! it means, and hints, which are rendered separately.

use std::error::Error;
use std::fmt::{self, Write as _};
use std::io;

use anstyle::{AnsiColor, Style};

use super::exit::Exit;
use crate::cause::with_causes;
use crate::hint::Hint;
use crate::lab::cast::CastError;
use crate::lab::{ExistingError, LabError};
use crate::lesson::LessonError;
use crate::printable::printable;
use crate::secret::redact;

/// A command's failure.
#[derive(Debug)]
pub struct CommandError {
    exit: Exit,
    error: Box<dyn Error + Send + Sync>,
    hints: Vec<String>,
}

impl CommandError {
    /// Creates a failure that ends the command with `exit`.
    pub fn new(exit: Exit, error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self {
            exit,
            error: error.into(),
            hints: Vec::new(),
        }
    }

    /// Creates a failure like [`CommandError::new`], with the error's own hint.
    pub fn hinted(exit: Exit, error: impl Hint + Send + Sync + 'static) -> Self {
        let hints = error.hint().into_iter().collect();
        Self {
            exit,
            error: Box::new(error),
            hints,
        }
    }

    /// Adds a hint: something that the user can do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Returns the code that the command ends with.
    #[must_use]
    pub fn exit(&self) -> Exit {
        self.exit
    }

    /// Returns whether the only error is that the reader of the output is gone (`authlab … | head`).
    #[must_use]
    pub fn is_broken_pipe(&self) -> bool {
        self.error
            .downcast_ref::<io::Error>()
            .is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
    }

    /// Returns the error and its causes without styles and hints, for a record.
    #[must_use]
    pub fn plain(&self) -> String {
        let text = with_causes(&*self.error);
        printable(&redact(&text)).into_owned()
    }

    /// Returns the error, its causes, and after a blank line the hints.
    #[must_use]
    pub fn render(&self) -> String {
        let label = |text: &str, style: Style| format!("{style}{text}{style:#}");
        let red = AnsiColor::Red.on_default().bold();
        let mut text = format!("{} {}\n", label("error:", red), indented(&self.error.to_string()));
        let mut told = self.error.to_string();
        let mut cause = self.error.source();
        while let Some(error) = cause {
            let words = error.to_string();
            // A transparent wrapper repeats the text of its cause.
            if words != told {
                let _ = writeln!(text, "  {} {}", label("caused by:", red), indented(&words));
            }
            told = words;
            cause = error.source();
        }
        for (index, hint) in self.hints.iter().enumerate() {
            if index == 0 {
                text.push('\n');
            }
            let _ = writeln!(text, "{} {}", label("hint:", AnsiColor::Cyan.on_default().bold()), indented(hint));
        }
        redact(&text).into_owned()
    }
}

/// The error alone, without its causes and hints.
impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.error, f)
    }
}

fn indented(text: &str) -> String {
    printable(text.trim_end()).replace('\n', "\n    ")
}

/// Output that cannot be written.
impl From<io::Error> for CommandError {
    fn from(error: io::Error) -> Self {
        Self::new(Exit::Failed, error)
    }
}

/// Returns the exit code and the hint for a lab's failure.
pub(super) fn lab_error(error: LabError) -> CommandError {
    let exit = match &error {
        LabError::Left(_) | LabError::Existing(ExistingError::Left { .. } | ExistingError::NotListed(_)) => Exit::Failed,
        LabError::Version(_)
        | LabError::KeycloakVersion(_)
        | LabError::NoImage { .. }
        | LabError::Name(_)
        | LabError::NoSuchProxy { .. } => Exit::Usage,
        LabError::Ended | LabError::Interrupted => Exit::Interrupted,
        refused if refused.is_refused_realm() => Exit::Usage,
        _ => Exit::LabNotStarted,
    };
    CommandError::hinted(exit, error)
}

/// Like [`lab_error`], but for a lab that is used or ended rather than started.
pub(super) fn use_error(error: LabError) -> CommandError {
    match error {
        error @ (LabError::NotUp { .. }
        | LabError::NotReady { .. }
        | LabError::Directory { .. }
        | LabError::Untrusted { .. }
        | LabError::NotALab { .. }
        | LabError::Elsewhere { .. }
        | LabError::NotReached { .. }
        | LabError::StrangeServers { .. }
        | LabError::ServersLeft { .. }
        | LabError::InCluster { .. }
        | LabError::Engine(_)) => CommandError::hinted(Exit::Failed, error),
        error => lab_error(error),
    }
}

/// Returns the exit code and the hint for a credential that cannot be issued.
pub(super) fn cast_error(error: CastError) -> CommandError {
    match error {
        error @ (CastError::Unknown(_) | CastError::NotSo { .. }) => CommandError::new(Exit::Usage, error),
        error @ (CastError::NoWay { .. } | CastError::NotInKubeconfig(_)) => CommandError::new(Exit::Failed, error),
        CastError::Refused { source, .. } if matches!(*source, LabError::Ended) => lab_error(*source),
        error @ CastError::Refused { .. } => CommandError::new(Exit::Failed, error),
    }
}

/// Returns the exit code and the hint for a lesson's failure.
pub(super) fn lesson_error(error: LessonError) -> CommandError {
    match error {
        LessonError::Lab(error) => lab_error(error),
        error @ (LessonError::Unknown { .. } | LessonError::NoLearner { .. }) => CommandError::new(Exit::Usage, error),
        error => match error.hint() {
            Some(hint) => CommandError::new(Exit::Failed, error).hint(hint),
            None => CommandError::new(Exit::Failed, error),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot start the lab `blue`")]
    struct Outer(#[source] Inner);

    #[derive(Debug, thiserror::Error)]
    #[error("port 6443 is taken")]
    struct Inner;

    impl Hint for Outer {
        fn hint(&self) -> Option<String> {
            Some("free the port".to_owned())
        }
    }

    #[test]
    fn an_error_shows_its_causes_and_then_its_hint() {
        let rendered = CommandError::hinted(Exit::LabNotStarted, Outer(Inner)).render();
        assert_eq!(
            anstream::adapter::strip_str(&rendered).to_string(),
            "error: cannot start the lab `blue`\n  caused by: port 6443 is taken\n\nhint: free the port\n"
        );
    }

    #[test]
    fn what_a_server_said_does_not_act_on_the_terminal() {
        let error = CommandError::new(Exit::Failed, "the server says \u{1b}]0;title\u{7}").hint("type \u{9b}2J");
        let rendered = error.render();
        assert!(rendered.contains("the server says \u{fffd}]0;title\u{fffd}"), "{rendered:?}");
        assert!(rendered.contains("type \u{fffd}2J"), "{rendered:?}");
        assert_eq!(error.plain(), "the server says \u{fffd}]0;title\u{fffd}");
    }

    #[test]
    fn only_a_broken_pipe_is_a_broken_pipe() {
        assert!(CommandError::from(io::Error::from(io::ErrorKind::BrokenPipe)).is_broken_pipe());
        assert!(!CommandError::from(io::Error::from(io::ErrorKind::StorageFull)).is_broken_pipe());
    }
}
