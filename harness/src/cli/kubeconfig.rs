//! `authlab kubeconfig`: a kubeconfig for someone of the cast.
//!
//! The main type is [`KubeconfigArguments`].

use std::io::{self, Write};
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::Session;
use super::error::{CommandError, cast_error, use_error};
use super::exit::Exit;
use super::options::LoginFlow;
use super::options::NamedLab;
use crate::lab::cast::{self, Way};
use crate::lab::{Form, Lab, Plugin};

/// Arguments of `authlab kubeconfig`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
The kubeconfig holds a new credential that is valid for a day at most, or with `--as exec` the command that fetches one.
Keep it to yourself.

Exit codes:
  0  the kubeconfig was written
  1  there is no such lab, or no credential is issued
  2  wrong usage, such as a person who is not in the cast
  5  interrupted")]
pub struct KubeconfigArguments {
    /// Person of the cast
    #[arg(value_name = "PERSON", default_value = cast::ADMINISTRATOR)]
    person: String,
    /// Form of the credential
    #[arg(long = "as", value_enum, default_value_t)]
    form: FormName,
    /// Way of authenticating [default: the first that supports the form]
    #[arg(long, value_enum, value_name = "WAY")]
    by: Option<WayName>,
    /// Login flow of an exec plugin for Keycloak's users
    #[arg(long, value_enum, default_value_t)]
    flow: LoginFlow,
    /// Write to a file that only you can read, not to standard output
    #[arg(long, short, value_name = "FILE", help_heading = "Output")]
    output: Option<PathBuf>,
    /// The lab.
    #[command(flatten)]
    lab: NamedLab,
}

/// The form of a credential in a kubeconfig.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum FormName {
    /// The certificate or token itself
    #[default]
    Embedded,
    /// An exec plugin, `authlab token`, which fetches a credential if needed
    Exec,
    /// A login at Keycloak that kubectl refreshes itself (the older way)
    AuthProvider,
    /// A bare token
    Token,
}

/// A way of authenticating.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum WayName {
    /// A certificate of the authority for clients
    Certificate,
    /// A certificate that a CertificateSigningRequest asked for
    SigningRequest,
    /// An ID token of Keycloak
    Keycloak,
    /// A token of the person's service account
    ServiceAccount,
}

impl From<FormName> for Form {
    fn from(form: FormName) -> Self {
        match form {
            FormName::Embedded => Self::Embedded,
            FormName::Exec => Self::Exec,
            FormName::AuthProvider => Self::AuthProvider,
            FormName::Token => Self::Token,
        }
    }
}

impl From<WayName> for Way {
    fn from(way: WayName) -> Self {
        match way {
            WayName::Certificate => Self::Certificate,
            WayName::SigningRequest => Self::SigningRequest,
            WayName::Keycloak => Self::Keycloak,
            WayName::ServiceAccount => Self::ServiceAccount,
        }
    }
}

/// A file that cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {}", file.display())]
struct NotWritten {
    file: PathBuf,
    source: io::Error,
}

/// Writes the kubeconfig.
///
/// # Errors
/// The person is unknown, no such lab is up, or no credential is issued.
pub async fn run(arguments: KubeconfigArguments, session: &Session, out: &mut dyn Write) -> Result<Exit, CommandError> {
    cast::check(&arguments.person).map_err(|error| CommandError::new(Exit::Usage, error))?;
    let lab = Lab::existing(&arguments.lab.lab).await.map_err(use_error)?;
    let plugin = Plugin {
        program: std::env::current_exe()?,
        flow: arguments
            .flow
            .to_possible_value()
            .map(|value| value.get_name().to_owned())
            .unwrap_or_default(),
    };
    let (form, by) = (arguments.form.into(), arguments.by.map(Way::from));
    let kubeconfig = lab.kubeconfig_as(&arguments.person, form, by, &plugin);
    let kubeconfig = kubeconfig.await.map_err(cast_error)?;
    let text = if session.output.json {
        format!("{kubeconfig:#}\n")
    } else {
        serde_saphyr::to_string(&kubeconfig).map_err(io::Error::other)?
    };
    match &arguments.output {
        Some(file) => crate::private::write(file, &text).map_err(|source| {
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
