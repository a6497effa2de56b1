//! The option that names the user's project. The main type is [`ProjectOption`].

use std::path::PathBuf;

use clap::Args;

use crate::cli::error::CommandError;
use crate::cli::exit::Exit;
use crate::project::Project;

/// The user's project.
#[derive(Args, Clone, Debug, Default)]
pub struct ProjectOption {
    /// Project to use: an authlab.toml, or a folder that has one
    ///
    /// Without it, authlab.toml is looked for in the working directory and above.
    #[arg(long, env = "AUTHLAB_PROJECT", value_name = "FILE", help_heading = "Project")]
    pub project: Option<PathBuf>,
}

impl ProjectOption {
    /// Reads the project that is named, or that of the working directory. Without one, the result is `None`.
    ///
    /// # Errors
    /// The named project does not exist, or the file has mistakes: all of them are told.
    pub fn read(&self) -> Result<Option<Project>, CommandError> {
        let found = match &self.project {
            Some(path) => Project::read(path).map(Some),
            None => Project::find(&std::env::current_dir()?),
        };
        found.map_err(|mistakes| CommandError::hinted(Exit::Usage, mistakes))
    }
}
