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
    /// Write a report into a directory
    ///
    /// The directory must be new, empty or an earlier report. It gets `index.html`, `run.json`, `junit.xml` and `cucumber.json`; for a
    /// matrix `matrix.json` and a report for each cell, and for sabotages `sabotage.json`.
    #[arg(long, env = "AUTHLAB_REPORT", value_name = "DIR", help_heading = "Output")]
    pub report: Option<PathBuf>,
    /// Write the report into DIR even if it holds something else
    ///
    /// No other file in DIR is touched.
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
