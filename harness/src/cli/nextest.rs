//! cargo-nextest, which runs each test in a process of its own: one lab for all of them. The main type is [`SetupScript`].
//!
//! Sources: <https://nexte.st/docs/configuration/env-vars/> and <https://nexte.st/docs/configuration/setup-scripts/>.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::PathBuf;

use super::error::CommandError;
use super::exit::Exit;

/// Returns whether this process runs one test of many that cargo-nextest runs side by side.
pub(super) fn is_one_test_of_many() -> bool {
    std::env::var_os("NEXTEST_EXECUTION_MODE").is_some_and(|mode| mode == "process-per-test")
}

/// This process as the setup script of a run of cargo-nextest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SetupScript {
    /// The file that sets variables of the tests.
    variables: PathBuf,
    /// The process of cargo-nextest.
    pub(super) run: u32,
}

impl SetupScript {
    /// Returns this process as a setup script.
    ///
    /// # Errors
    /// cargo-nextest did not start this process as one.
    pub(super) fn here() -> Result<Self, CommandError> {
        let variables = std::env::var_os("NEXTEST_ENV").filter(|path| !path.is_empty());
        // A process whose parent is gone, or is outside of its PID namespace, has none.
        let parent = rustix::process::getppid();
        match (variables, parent) {
            (Some(variables), Some(parent)) => Ok(Self {
                variables: variables.into(),
                run: parent.as_raw_nonzero().get().cast_unsigned(),
            }),
            _ => Err(CommandError::new(
                Exit::Usage,
                "--nextest is for a setup script of cargo-nextest, which did not start this process",
            )
            .hint("`authlab up` starts a lab that stays up, and `authlab up --until-exit PID` one that ends with a process")),
        }
    }

    /// Returns the name of the run's lab, which no other run has.
    pub(super) fn lab(&self) -> String {
        format!("nextest-{}", self.run)
    }

    /// Sets the variable by which each test finds the lab `name`.
    ///
    /// # Errors
    /// The file of variables cannot be written.
    pub(super) fn tell_tests(&self, name: &str) -> std::io::Result<()> {
        let mut file = OpenOptions::new().append(true).create(true).open(&self.variables)?;
        writeln!(file, "AUTHLAB_LAB={name}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tests_are_told_the_lab_after_what_other_scripts_said() {
        let place = tempfile::tempdir().expect("a directory");
        let script = SetupScript {
            variables: place.path().join("variables"),
            run: 4711,
        };
        std::fs::write(&script.variables, "OTHER=1\n").expect("a file");
        script.tell_tests(&script.lab()).expect("it is written");
        let said = std::fs::read_to_string(&script.variables).expect("it is there");
        assert_eq!(said, "OTHER=1\nAUTHLAB_LAB=nextest-4711\n");
    }
}
