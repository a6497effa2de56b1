//! Options of the report. The main type is [`ReportOptions`].

use std::path::PathBuf;

use clap::Args;
use clap::builder::FalseyValueParser;

use crate::cli::error::CommandError;
use crate::cli::exit::Exit;
use crate::report::directory::{Others, ReportDirectory};

/// The report's directory.
#[derive(Args, Clone, Debug, Default)]
pub struct ReportOptions {
    /// Write a report into a directory that is new, empty or an earlier report: `index.html`, `run.json`, `junit.xml`, `cucumber.json`;
    /// of a matrix `matrix.json` and a report for each cell, of sabotages `sabotage.json`
    #[arg(long, env = "AUTHLAB_REPORT", value_name = "DIR", help_heading = "Output")]
    pub report: Option<PathBuf>,
    /// Write the report into DIR even if that holds something else, of which no file is touched
    #[arg(long, env = "AUTHLAB_FORCE", value_parser = FalseyValueParser::new(), help_heading = "Output")]
    pub force: bool,
}

impl ReportOptions {
    /// Creates the directory now: after the run it would be too late to refuse. Returns `None` if no report was requested.
    ///
    /// # Errors
    /// The directory holds something else, or cannot be created.
    pub(in crate::cli) fn directory(&self) -> Result<Option<ReportDirectory>, CommandError> {
        let others = if self.force { Others::LetBe } else { Others::Refuse };
        let directory = self.report.as_deref().map(|directory| ReportDirectory::open(directory, others));
        directory.transpose().map_err(|error| CommandError::hinted(Exit::Usage, error))
    }
}
