//! Options that several commands share: output ([`OutputOptions`]), the lab ([`LabArguments`]), its drivers ([`Choice`]) and versions
//! ([`VersionOptions`]), and the report ([`ReportOptions`]).

use clap::builder::FalseyValueParser;
use clap::{Args, ValueEnum};

mod choice;
mod existing;
mod lab;
mod project;
mod report;
mod sources;

pub use choice::Choice;
pub(super) use choice::{AUTO, AUTO_CLUSTER, AUTO_IDENTITY_PROVIDER, choice, provider_choice};
pub use existing::{ClusterFile, IssuerOptions};
pub use lab::{LabArguments, VersionOptions};
pub use project::ProjectOption;
pub use report::ReportOptions;
pub use sources::{RegistryOption, SourceOptions};

/// Output options.
#[derive(Args, Clone, Debug, Default)]
pub struct OutputOptions {
    /// Print only the record, as JSON on standard output
    ///
    /// It is the content of `run.json`, or the command's own record.
    #[arg(long, global = true, env = "AUTHLAB_JSON", value_parser = FalseyValueParser::new(), help_heading = "Output")]
    pub json: bool,
    /// Print failures and totals only
    #[arg(long, short, global = true, env = "AUTHLAB_QUIET", value_parser = FalseyValueParser::new(), help_heading = "Output")]
    pub quiet: bool,
    /// Colour the output; `auto` obeys NO_COLOR and CLICOLOR
    #[arg(
        long,
        global = true,
        env = "AUTHLAB_COLOR",
        value_enum,
        default_value_t,
        value_name = "WHEN",
        help_heading = "Output"
    )]
    pub color: Color,
}

/// The conditions under which output is coloured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless the environment says otherwise.
    #[default]
    Auto,
    /// Always, even into a file.
    Always,
    /// Never.
    Never,
}

impl From<Color> for anstream::ColorChoice {
    fn from(color: Color) -> Self {
        match color {
            Color::Auto => Self::Auto,
            Color::Always => Self::Always,
            Color::Never => Self::Never,
        }
    }
}

/// The name of a lab that is up.
#[derive(Args, Clone, Debug)]
pub struct NamedLab {
    /// The lab's name
    #[arg(long, env = "AUTHLAB_LAB", value_name = "NAME", default_value = crate::lab::DEFAULT_NAME, help_heading = "Lab")]
    pub lab: String,
}

/// A login flow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LoginFlow {
    /// In a browser on this machine (authorization code with PKCE)
    #[default]
    Browser,
    /// With a code that is typed into a browser anywhere
    Device,
    /// With a password, for labs
    Password,
}

/// Parses a number of things to do at a time.
pub(super) fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("expected at least 1".to_owned()),
        Ok(count) => Ok(count),
        Err(_) => Err("expected a whole number".to_owned()),
    }
}
