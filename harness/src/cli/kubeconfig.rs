//! `authlab kubeconfig`: a kubeconfig for someone of the cast.
//!
//! The main type is [`KubeconfigArguments`].

use std::io::{self, Write};
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde_json::Value;

use super::Session;
use super::error::{CommandError, cast_error, use_error};
use super::exit::Exit;
use super::options::LoginFlow;
use super::options::NamedLab;
use super::project_people;
use crate::lab::cast::{self, Way};
use crate::lab::{Form, Lab, Plugin};

/// Arguments of `authlab kubeconfig`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
The kubeconfig holds a new credential that is valid for a day at most, or with `--as exec` the command that fetches one.
Keep it to yourself. In a lab that is up for a project, PERSON is somebody in its authlab.toml.

Exit codes:
  0  the kubeconfig was written
  1  there is no such lab, or no credential is issued
  2  wrong usage, such as a person who is not in the cast
  5  interrupted")]
pub struct KubeconfigArguments {
    /// Person of the cast, or of the project that the lab is for
    #[arg(value_name = "PERSON", default_value = cast::ADMINISTRATOR)]
    person: String,
    /// Form of the credential
    #[arg(long = "as", value_enum, default_value_t)]
    form: FormName,
    /// Way of authenticating [default: the first that supports the form]
    #[arg(long, value_enum, value_name = "WAY")]
    by: Option<WayName>,
    /// Login flow of an exec plugin for users of the identity provider
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
    /// A login at the identity provider that kubectl refreshes itself (older)
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
    /// An ID token of the identity provider
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
    let kubeconfig = kubeconfig(&arguments, session).await?;
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

/// Returns the kubeconfig as JSON.
async fn kubeconfig(arguments: &KubeconfigArguments, session: &Session) -> Result<Value, CommandError> {
    let lab = lab_that_knows(&arguments.person, &arguments.lab.lab).await?;
    if lab.description().project.is_some() && (arguments.form != FormName::Embedded || arguments.by.is_some()) {
        return Err(
            CommandError::new(Exit::Usage, "--as and --by cannot be used: the lab is for a project").hint(
                "authlab.toml says how each of its people authenticates; without the two options, the credential is in the kubeconfig",
            ),
        );
    }
    if let Some(kubeconfig) = project_people::kubeconfig(&lab, &arguments.person, &session.events).await? {
        return Ok(kubeconfig);
    }
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
    kubeconfig.await.map_err(cast_error)
}

/// Returns the lab `name` that is up: one for a project has its people, any other one the cast.
pub(super) async fn lab_that_knows(person: &str, name: &str) -> Result<Lab, CommandError> {
    let in_cast = cast::check(person).map_err(|error| CommandError::new(Exit::Usage, error));
    match Lab::existing(name).await {
        Ok(lab) if lab.description().project.is_some() => Ok(lab),
        Ok(lab) => in_cast.map(|()| lab),
        // Without a lab, a name that is wrong is the greater mistake.
        Err(error) => Err(in_cast.err().unwrap_or_else(|| use_error(error))),
    }
}
