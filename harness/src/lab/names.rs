//! The names of labs, and the option that gives one.

use crate::shell_word::quoted;

/// The name of the lab that `up` starts and `run` attaches to unless told otherwise.
pub const DEFAULT_NAME: &str = "default";

/// Returns a name that cannot be guessed, for a lab that only lives as long as this process.
pub(super) fn passing_name() -> String {
    format!("run-{}", &crate::owner::random()[..16])
}

/// Returns the option that names the lab in a command, with the space before it; the default lab needs none.
pub(crate) fn lab_option(name: &str) -> String {
    if name == DEFAULT_NAME {
        String::new()
    } else {
        format!(" --lab {}", quoted(name))
    }
}
