//! `authlab completion`: completions for a shell, and man pages.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::{Args, CommandFactory, Subcommand};
use clap_complete::Shell;

use super::error::CommandError;
use super::exit::Exit;

/// Arguments of `authlab completion`.
#[derive(Args, Debug)]
#[command(
    args_conflicts_with_subcommands = true,
    disable_help_subcommand = true,
    subcommand_negates_reqs = true
)]
pub struct CompletionArguments {
    /// Shell to generate completions for
    #[arg(value_enum, required = true)]
    shell: Option<Shell>,
    #[command(subcommand)]
    other: Option<Other>,
}

/// Files that are generated like completions.
#[derive(Debug, Subcommand)]
enum Other {
    /// Write a man page for each command
    // Hidden: packages use it, and most people get the pages from one.
    #[command(hide = true)]
    Man {
        /// Directory for the pages, such as ~/.local/share/man/man1
        #[arg(long, value_name = "DIR")]
        dir: PathBuf,
    },
}

/// Writes the completions to `out`, or the man pages into their directory.
///
/// # Errors
/// They cannot be written.
pub fn run(arguments: &CompletionArguments, out: &mut dyn Write) -> Result<(), CommandError> {
    if let Some(Other::Man { dir }) = &arguments.other {
        return man_pages(dir)
            .map_err(|error| CommandError::new(Exit::Failed, format!("cannot write man pages to {}: {error}", dir.display())));
    }
    if let Some(shell) = arguments.shell {
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut super::Authlab::command(), "authlab", &mut script);
        out.write_all(&script)?;
    }
    Ok(())
}

/// Writes `authlab.1`, `authlab-run.1` and so on, as many as there are commands that `--help` shows.
fn man_pages(dir: &Path) -> std::io::Result<()> {
    fs_err::create_dir_all(dir)?;
    // Not built before: that would add a page for each `help`.
    clap_mangen::generate_to(super::Authlab::command(), dir)
}
