//! Options for an existing cluster and an existing identity provider. The main types are [`ClusterFile`] and [`IssuerOptions`].

use std::path::{Path, PathBuf};

use clap::Args;

use crate::cli::error::CommandError;
use crate::cli::exit::Exit;
use crate::identity_provider::existing::Settings;
use crate::secret::Secret;

/// An existing cluster.
#[derive(Args, Clone, Debug, Default)]
pub struct ClusterFile {
    /// Kubeconfig of the cluster to use with `--cluster existing`
    ///
    /// There is no default; your current kubeconfig is never used.
    #[arg(long, env = "AUTHLAB_KUBECONFIG", value_name = "FILE", help_heading = "Existing cluster")]
    pub kubeconfig: Option<PathBuf>,
    /// Context of that kubeconfig [default: its current one]
    #[arg(long, env = "AUTHLAB_CONTEXT", value_name = "NAME", help_heading = "Existing cluster")]
    pub context: Option<String>,
}

impl ClusterFile {
    /// Fails unless a kubeconfig is given exactly when the driver is `existing`.
    pub(in crate::cli) fn check(&self, existing: bool) -> Result<(), CommandError> {
        if existing != self.kubeconfig.is_some() {
            let error = CommandError::new(Exit::Usage, "--cluster existing and --kubeconfig FILE must be used together");
            return Err(error.hint("your current kubeconfig is never used by default: name the kubeconfig of the cluster"));
        }
        if self.context.is_some() && !existing {
            return Err(CommandError::new(Exit::Usage, "--context NAME needs --cluster existing"));
        }
        Ok(())
    }
}

/// An existing identity provider, and a user who can log in there.
#[derive(Args, Clone, Debug, Default)]
pub struct IssuerOptions {
    /// URL of the issuer to use with `--identity-provider existing`
    ///
    /// It must be exactly as in the tokens.
    #[arg(
        long,
        env = "AUTHLAB_ISSUER",
        hide_env_values = true,
        value_name = "URL",
        help_heading = "Existing identity provider"
    )]
    pub issuer: Option<String>,
    /// Client that logs users in, with the password grant
    #[arg(long, env = "AUTHLAB_CLIENT_ID", value_name = "ID", help_heading = "Existing identity provider")]
    pub client_id: Option<String>,
    /// File with the client's secret; a public client has none
    #[arg(
        long,
        env = "AUTHLAB_CLIENT_SECRET_FILE",
        value_name = "FILE",
        help_heading = "Existing identity provider"
    )]
    pub client_secret_file: Option<PathBuf>,
    /// User who logs in
    #[arg(long, env = "AUTHLAB_USER", value_name = "NAME", help_heading = "Existing identity provider")]
    pub user: Option<String>,
    /// File with the user's password
    #[arg(
        long,
        env = "AUTHLAB_PASSWORD_FILE",
        value_name = "FILE",
        help_heading = "Existing identity provider"
    )]
    pub password_file: Option<PathBuf>,
    /// PEM file with the issuer's authority [default: those of the system]
    ///
    /// It verifies the certificate of the issuer.
    #[arg(
        long,
        env = "AUTHLAB_ISSUER_AUTHORITY",
        value_name = "FILE",
        help_heading = "Existing identity provider"
    )]
    pub issuer_authority: Option<PathBuf>,
}

/// A file that an option names cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read the file {} of {option}", path.display())]
struct NotRead {
    option: &'static str,
    path: PathBuf,
    source: std::io::Error,
}

impl IssuerOptions {
    /// Returns the settings for the library, if the driver is `existing`.
    pub(in crate::cli) fn settings(&self, existing: bool) -> Result<Option<Settings>, CommandError> {
        if !existing {
            if self.issuer.is_some() {
                return Err(CommandError::new(Exit::Usage, "--issuer URL needs --identity-provider existing"));
            }
            return Ok(None);
        }
        let missing = |option: &str| {
            CommandError::new(Exit::Usage, format!("--identity-provider existing needs {option}"))
                .hint("give --issuer URL --client-id ID [--client-secret-file FILE] --user NAME --password-file FILE")
        };
        let file = |option, path: &Option<PathBuf>| path.as_deref().map(|path| read(option, path)).transpose();
        Ok(Some(Settings {
            issuer: self.issuer.clone().ok_or_else(|| missing("--issuer URL"))?,
            client_id: self.client_id.clone().ok_or_else(|| missing("--client-id ID"))?,
            client_secret: file("--client-secret-file", &self.client_secret_file)?.map(|text| Secret::new(text.trim_end())),
            user: self.user.clone().ok_or_else(|| missing("--user NAME"))?,
            password: file("--password-file", &self.password_file)?
                .map(|text| Secret::new(text.trim_end_matches(['\r', '\n'])))
                .ok_or_else(|| missing("--password-file FILE"))?,
            authority: file("--issuer-authority", &self.issuer_authority)?,
        }))
    }
}

fn read(option: &'static str, path: &Path) -> Result<String, CommandError> {
    std::fs::read_to_string(path).map_err(|source| {
        CommandError::new(
            Exit::Usage,
            NotRead {
                option,
                path: path.to_owned(),
                source,
            },
        )
    })
}
