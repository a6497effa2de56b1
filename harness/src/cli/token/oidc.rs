//! `authlab token oidc`: the issuer, the client and the login flow, from options and from the client's exec information.
//!
//! The main type is [`OidcArguments`].

use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine as _;
use clap::{Args, ValueEnum};
use jiff::Timestamp;
use serde::Deserialize;

use super::super::blocking;
use super::super::exit::Exit;
use super::Refusal;
use super::person::Sitting;
use crate::cli::options::LoginFlow;
use crate::credential::Credential;
use crate::credential::exec::ExecInfo;
use crate::dirs::NoDirectory;
use crate::hint::Hint as _;
use crate::login::{self, ApiServer, Cache, Flow, ReturnAddress, Settings};
use crate::secret::Secret;

/// The rule for asking the user.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Interactive {
    /// If the client allows it; when run by hand, if there is a terminal
    #[default]
    Auto,
    /// Always, also without a terminal, for programs with a window
    Always,
    /// Never: only an earlier login is used and refreshed
    Never,
}

/// The issuer, and the way to log in there.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
A login is kept in the cache directory, readable only by you, and refreshed before it expires. If many clients ask at once,
one of them logs in, and the others get its result. With provideClusterInfo, the cluster's extension
client.authentication.k8s.io/exec may set `issuer`, `clientId`, `scopes` and `certificateAuthorityData` instead of the
options; a password or a client secret is not sent to an issuer that the extension named. The login is given to the API server
that it was made for; another server must be allowed, at the terminal or with `authlab token allow`.

Exit codes:
  0  a token was printed
  1  no token could be obtained: the error is one line
  2  wrong usage
  5  interrupted, or the reader of standard output is gone")]
pub struct OidcArguments {
    /// URL of the issuer, exactly as in its tokens
    #[arg(long, env = "AUTHLAB_ISSUER", hide_env_values = true, value_name = "URL")]
    issuer: Option<String>,
    /// Client that logs users in
    #[arg(long, env = "AUTHLAB_CLIENT_ID", value_name = "ID")]
    client_id: Option<String>,
    /// Secret of the client; prefer --client-secret-file
    ///
    /// Other users can see it in the list of processes.
    #[arg(
        long,
        env = "AUTHLAB_CLIENT_SECRET",
        hide_env_values = true,
        value_name = "SECRET",
        conflicts_with = "client_secret_file"
    )]
    client_secret: Option<String>,
    /// File with the client's secret; a public client has none
    #[arg(long, env = "AUTHLAB_CLIENT_SECRET_FILE", value_name = "FILE")]
    client_secret_file: Option<PathBuf>,
    /// PEM file with the issuer's authority [default: those of the system]
    ///
    /// It verifies the certificate of the issuer.
    #[arg(long, env = "AUTHLAB_ISSUER_AUTHORITY", value_name = "FILE")]
    certificate_authority: Option<PathBuf>,
    /// Scope to request in addition to `openid`; can be given several times
    #[arg(long, value_name = "SCOPE")]
    scope: Vec<String>,
    /// Login flow
    #[arg(long, env = "AUTHLAB_FLOW", value_enum, default_value_t)]
    flow: LoginFlow,
    /// User who logs in with a password
    #[arg(long, env = "AUTHLAB_USER", value_name = "NAME")]
    username: Option<String>,
    /// Password of the user; prefer --password-file
    ///
    /// Other users can see it in the list of processes.
    #[arg(
        long,
        env = "AUTHLAB_PASSWORD",
        hide_env_values = true,
        value_name = "PASSWORD",
        conflicts_with = "password_file"
    )]
    password: Option<String>,
    /// File with the user's password [default: ask in the terminal]
    #[arg(long, env = "AUTHLAB_PASSWORD_FILE", value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// Program that opens the login page, or `none`
    ///
    /// It gets the address as its argument. The default is the system's browser.
    #[arg(long, env = "AUTHLAB_BROWSER", value_name = "PROGRAM")]
    browser: Option<PathBuf>,
    /// Address that the login page returns to [default: a free one]
    ///
    /// `http://127.0.0.1/callback`, with a free port, unless the client is registered with another address of this machine, which issuers
    /// such as Okta and Google compare to the letter: `http://localhost:8000/`. Without a port, a free one is taken.
    #[arg(long, env = "AUTHLAB_REDIRECT_URI", value_name = "URI")]
    redirect_uri: Option<ReturnAddress>,
    /// Directory with the logins [default: `logins` in the cache]
    ///
    /// Only you may have access to it.
    #[arg(long, env = "AUTHLAB_LOGIN_DIR", value_name = "DIR")]
    login_dir: Option<PathBuf>,
    /// Condition for asking the user for a new login
    #[arg(long, value_enum, default_value_t)]
    interactive: Interactive,
    /// Time limit for a new login, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 180, value_parser = clap::value_parser!(u64).range(1..=3600))]
    timeout: u64,
}

/// The login settings in the kubeconfig's cluster.
#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct ClusterLogin {
    issuer: Option<String>,
    client_id: Option<String>,
    scopes: Vec<String>,
    certificate_authority_data: Option<String>,
}

/// Returns a token of the issuer, and the time until which it can be used.
pub(super) async fn credential(arguments: OidcArguments, info: &ExecInfo) -> Result<(Credential, Timestamp), Refusal> {
    let server = info.spec.cluster.as_ref().map(|cluster| {
        let (authority, name) = (cluster.authority.as_deref(), cluster.server_name.as_deref());
        ApiServer::new(&cluster.server, authority, name, cluster.unverified)
    });
    let cluster = info.spec.cluster.as_ref().and_then(|cluster| cluster.config.clone());
    let cluster: ClusterLogin = cluster
        .filter(|config| !config.is_null())
        .map_or_else(|| Ok(ClusterLogin::default()), serde_json::from_value)
        .map_err(|error| Refusal::usage(format!("cannot read the cluster's extension: {error}")))?;
    let sitting = Sitting {
        interactive: match arguments.interactive {
            Interactive::Auto => info.spec.interactive,
            Interactive::Always => true,
            Interactive::Never => false,
        },
        browser: arguments.browser.clone(),
    };
    let cache = logins(arguments.login_dir.clone()).map_err(|error| Refusal::usage(error.to_string()))?;
    let settings = blocking(move || settings(arguments, cluster, server)).await?;
    let ticket = login::log_in(&settings, &cache, &sitting).await.map_err(|error| Refusal {
        exit: Exit::Failed,
        line: match error.hint() {
            Some(hint) => format!("{}; {hint}", error.told()),
            None => error.told(),
        },
    })?;
    Ok((Credential::Token(ticket.id), ticket.usable_until))
}

/// Returns the cache of logins.
pub(super) fn logins(directory: Option<PathBuf>) -> Result<Cache, NoDirectory> {
    Ok(Cache::new(match directory {
        Some(directory) => directory,
        None => crate::dirs::cache()?.join("logins"),
    }))
}

fn settings(arguments: OidcArguments, cluster: ClusterLogin, server: Option<ApiServer>) -> Result<Settings, Refusal> {
    let named_by_cluster = arguments.issuer.is_none() && cluster.issuer.is_some()
        || arguments.client_id.is_none() && cluster.client_id.is_some()
        || arguments.certificate_authority.is_none() && cluster.certificate_authority_data.is_some();
    let missing = |option: &str| Refusal::usage(format!("{option} is missing, and the client does not give it either"));
    let authority = match (&arguments.certificate_authority, cluster.certificate_authority_data) {
        (Some(path), _) => Some(read("--certificate-authority", path)?),
        (None, Some(data)) => {
            let bytes = base64::engine::general_purpose::STANDARD.decode(data).ok();
            let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
            Some(text.ok_or_else(|| {
                Refusal::usage("certificateAuthorityData of the cluster's extension is invalid (expected PEM text in base64)")
            })?)
        }
        (None, None) => None,
    };
    let secret = |given: Option<String>, option, file: Option<PathBuf>| match (given, file) {
        (Some(given), _) => Ok(Some(Secret::new(given))),
        (None, Some(path)) => read(option, &path).map(|text| Some(Secret::new(text.trim_end_matches(['\r', '\n'])))),
        (None, None) => Ok(None),
    };
    let flow = match arguments.flow {
        LoginFlow::Browser => Flow::Browser,
        LoginFlow::Device => Flow::Device,
        LoginFlow::Password => Flow::Password {
            user: arguments
                .username
                .ok_or_else(|| Refusal::usage("--flow password needs --username NAME"))?,
            password: secret(arguments.password, "--password-file", arguments.password_file)?,
        },
    };
    Ok(Settings {
        issuer: arguments.issuer.or(cluster.issuer).ok_or_else(|| missing("--issuer URL"))?,
        client_id: arguments.client_id.or(cluster.client_id).ok_or_else(|| missing("--client-id ID"))?,
        client_secret: secret(arguments.client_secret, "--client-secret-file", arguments.client_secret_file)?,
        authority,
        scopes: if arguments.scope.is_empty() {
            cluster.scopes
        } else {
            arguments.scope
        },
        flow,
        returns_to: arguments.redirect_uri.unwrap_or_default(),
        limit: Duration::from_secs(arguments.timeout),
        server,
        named_by_cluster,
    })
}

fn read(option: &str, path: &Path) -> Result<String, Refusal> {
    std::fs::read_to_string(path).map_err(|error| Refusal::usage(format!("cannot read the file {} of {option}: {error}", path.display())))
}
