//! `authlab kubeconfig`: a kubeconfig for someone of the cast.
//!
//! The main type is [`KubeconfigArguments`].

use std::fs::{File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use clap::Args;

use super::Session;
use super::error::CommandError;
use super::exit::Exit;
use super::lab_source::{lab_error, use_error};
use super::options::NamedLab;
use crate::lab::Lab;
use crate::lab::cast::{self, CastError};

/// Whose, and where it goes.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
It holds a new credential, good for a day at most: keep it to yourself.

Exit codes:
  0  it was written
  1  there is no such lab, or no credential is issued
  2  wrong usage, such as a person who is not in the cast")]
pub struct KubeconfigArguments {
    /// Someone of the cast, however they authenticate
    #[arg(value_name = "PERSON", default_value = cast::ADMINISTRATOR)]
    person: String,
    /// Write it into a file that only you can read, in place of standard output
    #[arg(long, short, value_name = "FILE", help_heading = "Output")]
    output: Option<PathBuf>,
    /// The lab.
    #[command(flatten)]
    lab: NamedLab,
}

/// The file cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("could not write {}", file.display())]
struct NotWritten {
    file: PathBuf,
    source: io::Error,
}

/// Writes the kubeconfig.
///
/// # Errors
/// Nobody is called so, no such lab is up, or no credential is issued.
pub async fn run(arguments: KubeconfigArguments, session: &Session, out: &mut dyn Write) -> Result<Exit, CommandError> {
    cast::check(&arguments.person).map_err(|error| CommandError::new(Exit::Usage, error))?;
    let lab = Lab::existing(&arguments.lab.lab).await.map_err(use_error)?;
    let kubeconfig = lab.kubeconfig_of(&arguments.person).await.map_err(cast_error)?;
    let text = if session.voice.json {
        format!("{kubeconfig:#}\n")
    } else {
        serde_saphyr::to_string(&kubeconfig).map_err(io::Error::other)?
    };
    match &arguments.output {
        Some(file) => write_private(file, &text).map_err(|source| {
            CommandError::new(
                Exit::Failed,
                NotWritten {
                    file: file.clone(),
                    source,
                },
            )
        })?,
        None => out.write_all(text.as_bytes())?,
    }
    Ok(Exit::Success)
}

/// Writes a file that only its owner can read, also when it is there already and others can.
fn write_private(file: &Path, text: &str) -> io::Result<()> {
    let mut file = File::options().create(true).truncate(false).write(true).mode(0o600).open(file)?;
    if file.metadata()?.is_file() {
        file.set_permissions(Permissions::from_mode(0o600))?;
        file.set_len(0)?;
    }
    file.write_all(text.as_bytes())
}

/// The exit code and the hint of a credential that somebody cannot have.
pub(super) fn cast_error(error: CastError) -> CommandError {
    match error {
        error @ CastError::Unknown(_) => CommandError::new(Exit::Usage, error),
        error @ (CastError::NoWay { .. } | CastError::NotInKubeconfig(_)) => CommandError::new(Exit::Failed, error),
        CastError::Refused { source, .. } if matches!(source, crate::lab::LabError::Ended) => lab_error(source),
        error @ CastError::Refused { .. } => CommandError::new(Exit::Failed, error),
    }
}
