//! The configuration that is tried, from options and from the project. The main type is [`ConfigurationOptions`].

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use clap::Args;

use crate::cli::error::CommandError;
use crate::cli::exit::Exit;
use crate::cli::options::ProjectOption;
use crate::configuration::document::{LARGEST, load};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::project::Project;
use crate::trial::{Configured, Layer};

/// Options for the configuration of API servers.
#[derive(Args, Clone, Debug)]
pub(in crate::cli) struct ConfigurationOptions {
    /// AuthenticationConfiguration of the API servers
    #[arg(long, value_name = "FILE", help_heading = "Configuration")]
    pub(super) authentication_configuration: Option<PathBuf>,
    /// AuthorizationConfiguration of the API servers
    #[arg(long, value_name = "FILE", help_heading = "Configuration")]
    pub(super) authorization_configuration: Option<PathBuf>,
    /// Flag of the API servers, such as `oidc-client-id=kubernetes`
    #[arg(long, value_name = "NAME=VALUE", value_parser = flag, help_heading = "Configuration")]
    pub(in crate::cli) flag: Vec<(String, String)>,
    /// File with objects to create first, such as roles and bindings
    #[arg(long, value_name = "FILE", help_heading = "Configuration")]
    pub(in crate::cli) manifests: Vec<PathBuf>,
    /// The project.
    #[command(flatten)]
    pub(in crate::cli) project: ProjectOption,
}

/// Reads a flag: `NAME=VALUE`, with or without dashes.
pub(super) fn flag(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE")?;
    let name = name.trim_start_matches('-');
    if name.is_empty() {
        return Err("expected NAME=VALUE".to_owned());
    }
    Ok((name.to_owned(), value.to_owned()))
}

impl ConfigurationOptions {
    /// Returns the options as a user would type them.
    pub(in crate::cli) fn words(&self) -> Vec<String> {
        let files = [
            ("--project", self.project.project.as_slice()),
            ("--authentication-configuration", self.authentication_configuration.as_slice()),
            ("--authorization-configuration", self.authorization_configuration.as_slice()),
            ("--manifests", &self.manifests),
        ];
        let files = files.into_iter().flat_map(|(option, files)| {
            files
                .iter()
                .map(move |file| [option.to_owned(), file.to_string_lossy().into_owned()])
        });
        let flags = self
            .flag
            .iter()
            .map(|(name, value)| ["--flag".to_owned(), format!("{name}={value}")]);
        files.chain(flags).flatten().collect()
    }

    /// Returns the first option that names a part of a configuration, if there is one.
    pub(in crate::cli) fn given(&self) -> Option<&'static str> {
        let given = [
            ("--authentication-configuration", self.authentication_configuration.is_some()),
            ("--authorization-configuration", self.authorization_configuration.is_some()),
            ("--flag", !self.flag.is_empty()),
            ("--manifests", !self.manifests.is_empty()),
        ];
        given.into_iter().find_map(|(option, is_given)| is_given.then_some(option))
    }

    /// Returns the project, if there is one.
    pub(in crate::cli) fn project(&self) -> Result<Option<Project>, CommandError> {
        self.project.read()
    }

    /// Reads the files that the options name, and what they leave open from `project`: there must be something to try.
    ///
    /// # Errors
    /// A file cannot be read, or there is nothing to try.
    pub(in crate::cli) fn read(&self, project: Option<&Project>) -> Result<Configured, CommandError> {
        something(self.read_any(project)?)
    }

    /// Reads the same, if there is anything.
    ///
    /// # Errors
    /// A file cannot be read.
    pub(in crate::cli) fn read_any(&self, project: Option<&Project>) -> Result<Configured, CommandError> {
        self.configured(project)
            .map_err(|mistakes| CommandError::hinted(Exit::Usage, mistakes))
    }

    /// Reads the same, and returns all mistakes.
    ///
    /// # Errors
    /// The mistakes of all files: those that cannot be read, and those whose content cannot be used.
    pub(in crate::cli) fn configured(&self, project: Option<&Project>) -> Result<Configured, Diagnostics> {
        let mut configured = match project {
            Some(project) => Configured::of_project(project)?,
            None => Configured::default(),
        };
        let (mut layer, mut mistakes) = (Layer::default(), Vec::new());
        if let Some(file) = &self.authentication_configuration {
            let set = match file == Path::new("-") {
                true => read_text(file)
                    .map_err(|mistake| vec![mistake])
                    .and_then(|text| layer.authentication_text(Path::new(STANDARD_INPUT), text)),
                false => layer.authentication(file),
            };
            mistakes.extend(set.err().into_iter().flatten());
        }
        if let Some(file) = &self.authorization_configuration {
            mistakes.extend(layer.authorization(file).err().into_iter().flatten());
        }
        for (name, value) in &self.flag {
            mistakes.extend(layer.flag(name, value, None, Path::new("")).err().into_iter().flatten());
        }
        configured.lay(layer);
        for file in &self.manifests {
            mistakes.extend(configured.add_manifests(file).err());
        }
        Diagnostics::none_of(mistakes)?;
        Ok(configured)
    }
}

/// Returns `configured`, unless it says nothing about API servers.
///
/// # Errors
/// There is nothing to try.
pub(in crate::cli) fn something(configured: Configured) -> Result<Configured, CommandError> {
    if configured.is_empty() {
        return Err(CommandError::new(Exit::Usage, "there is no configuration to try").hint(
            "name one with --authentication-configuration FILE or --flag NAME=VALUE, or write a project to begin with: authlab init",
        ));
    }
    Ok(configured)
}

/// The name under which standard input is shown.
const STANDARD_INPUT: &str = "standard input";

/// Reads `file`, or standard input for `-`.
pub(in crate::cli) fn text(file: &Path) -> Result<String, CommandError> {
    read_text(file).map_err(|mistake| CommandError::hinted(Exit::Usage, Diagnostics::from(mistake)))
}

fn read_text(file: &Path) -> Result<String, Diagnostic> {
    if file != Path::new("-") {
        return load(file);
    }
    let mut text = String::new();
    let read = io::stdin().take(LARGEST + 1).read_to_string(&mut text);
    match read {
        Ok(_) if text.len() as u64 <= LARGEST => Ok(text),
        Ok(_) => Err(Diagnostic::of_file(
            STANDARD_INPUT,
            "is longer than 1 MiB, which no configuration is",
        )),
        Err(error) => Err(Diagnostic::of_file(STANDARD_INPUT, format!("cannot be read: {error}")).unread()),
    }
}
