//! `authlab report open`: opens a report in the browser.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::Args;

use super::super::error::CommandError;
use super::super::exit::Exit;
use crate::report::directory::{Others, ReportDirectory};
use crate::report::saved;

/// Arguments of `authlab report open`.
#[derive(Args, Debug)]
pub struct OpenArguments {
    /// Directory of the report
    #[arg(value_name = "DIR", env = "AUTHLAB_REPORT")]
    report: PathBuf,
}

/// Opens the report.
///
/// # Errors
/// There is no report, or its page cannot be drawn.
pub fn run(arguments: &OpenArguments, out: &mut dyn Write) -> Result<Exit, CommandError> {
    let directory = if arguments.report.is_file() {
        arguments.report.parent().unwrap_or(Path::new("."))
    } else {
        &arguments.report
    };
    let page = directory.join("index.html");
    if !page.is_file() {
        // The record may be from a version that drew no page.
        let record = saved::read(directory).map_err(|error| CommandError::hinted(Exit::Usage, error))?;
        let report = ReportDirectory::open(directory, Others::Refuse).map_err(|error| CommandError::hinted(Exit::Usage, error))?;
        report.write(&record)?;
    }
    let page = page.canonicalize()?;
    writeln!(out, "{}", page.display())?;
    if has_screen()
        && let Err(error) = open::that(&page)
    {
        tell(&error)?;
    }
    Ok(Exit::Success)
}

/// Returns whether there is a screen: without one, a browser would be a textual one, or wait for a screen that never comes.
pub(in crate::cli) fn has_screen() -> bool {
    cfg!(target_os = "macos")
        || ["DISPLAY", "WAYLAND_DISPLAY", "BROWSER", "WSL_DISTRO_NAME"]
            .iter()
            .any(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()))
}

fn tell(error: &io::Error) -> io::Result<()> {
    writeln!(anstream::stderr(), "cannot open a browser ({error}); the page is at the path above")
}
