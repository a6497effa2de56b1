//! `authlab completion`: completions for a shell.

use std::io::Write;

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::error::CommandError;

/// Arguments of `authlab completion`.
#[derive(Args, Debug)]
pub struct CompletionArguments {
    /// Shell to generate completions for
    #[arg(value_enum)]
    shell: Shell,
}

/// Writes the completions to `out`.
///
/// # Errors
/// They cannot be written.
pub fn run(arguments: &CompletionArguments, out: &mut dyn Write) -> Result<(), CommandError> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut super::Authlab::command(), "authlab", &mut script);
    out.write_all(&script)?;
    Ok(())
}
