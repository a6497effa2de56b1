//! The exit codes, a stable interface for scripts. The main type is [`Exit`].

use std::process::ExitCode;

/// The result of a command, as scripts see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Success; for `run`, every selected scenario passed or was skipped with a reason. Of own features, at least one passed.
    Success = 0,
    /// A scenario failed; for other commands, the checked condition does not hold.
    Failed = 1,
    /// Wrong usage: an unknown option or value, a feature file that cannot be read.
    Usage = 2,
    /// No scenario was selected, or every one of own features was skipped.
    NothingSelected = 3,
    /// The lab could not be started.
    LabNotStarted = 4,
    /// Interrupted; everything that was started was stopped.
    Interrupted = 5,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// The codes as `--help` shows them.
pub const HELP: &str = "\
Exit codes:
  0  all passed
  1  a scenario failed, or a server exited; with --invert, a fault went unnoticed
  2  wrong usage
  3  nothing was selected, or all scenarios of your own features were skipped
  4  the lab could not be started
  5  interrupted (and everything was stopped)";
