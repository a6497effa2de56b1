//! `authlab token`: an exec credential plugin, run by kubectl and every other client, or by hand.
//!
//! The main type is [`TokenArguments`]. Whoever runs a plugin passes its standard error on, between lines of their own: an error
//! is one line there, and nothing but the answer is on standard output.

use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use base64::Engine as _;
use clap::{Args, Subcommand, ValueEnum};
use jiff::Timestamp;
use serde::Deserialize;

use super::error::CommandError;
use super::exit::Exit;
use super::lab_source::use_error;
use super::options::NamedLab;
use super::report::open::has_screen;
use crate::credential::Credential;
use crate::credential::exec::{EXEC_INFO, ExecCluster, ExecInfo};
use crate::hint::Hint;
use crate::lab::{Lab, cast};
use crate::login::{self, Cache, Flow, Person, Settings, Told};
use crate::printable::printable;
use crate::secret::Secret;

/// Whose credential, and how it is had.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
It is an exec credential plugin (client.authentication.k8s.io/v1, or v1beta1 where the client asks for that): its answer
is on standard output, and an error is one line on standard error. `authlab kubeconfig PERSON --as exec` prints a
kubeconfig that runs it.

Exit codes:
  0  a credential was printed
  1  there is none
  2  wrong usage")]
pub struct TokenArguments {
    #[command(subcommand)]
    command: TokenCommand,
}

/// The ways to a credential.
#[derive(Subcommand, Clone, Debug)]
enum TokenCommand {
    /// Log in at an OpenID Connect issuer, or use and refresh an earlier login
    Oidc(Box<OidcArguments>),
    /// A token of a service account of a lab that is up
    ServiceAccount(OfLab<AccountName>),
    /// A new client certificate for someone of the cast of a lab that is up
    Certificate(OfLab<PersonName>),
}

/// How somebody logs in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum FlowName {
    /// In a browser on this machine (authorization code with PKCE)
    #[default]
    Browser,
    /// With a code that is typed into a browser anywhere
    Device,
    /// With a password, for labs
    Password,
}

/// Whether somebody can be asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Interactive {
    /// As the client says, and by hand, if there is a terminal
    #[default]
    Auto,
    /// Also without a terminal, for programs with a window
    Always,
    /// Never: only an earlier login is used and refreshed
    Never,
}

/// At whom somebody logs in, and how.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
A login is kept in the cache directory, for you alone, and refreshed before it expires; however many clients ask at once,
one of them logs in. With provideClusterInfo, the cluster's extension client.authentication.k8s.io/exec may say
`issuer`, `clientId`, `scopes` and `certificateAuthorityData` in place of the options.

Exit codes:
  0  a token was printed
  1  there is none: the error is one line
  2  wrong usage")]
pub struct OidcArguments {
    /// The issuer's URL, exactly as its tokens say it
    #[arg(long, env = "AUTHLAB_ISSUER", hide_env_values = true, value_name = "URL")]
    issuer: Option<String>,
    /// The client that logs people in
    #[arg(long, env = "AUTHLAB_CLIENT_ID", value_name = "ID")]
    client_id: Option<String>,
    /// The client's secret; others can see it in the list of processes, a file is better
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
    /// PEM file with the authority of the issuer's certificate; those of the system when not given
    #[arg(long, env = "AUTHLAB_ISSUER_AUTHORITY", value_name = "FILE")]
    certificate_authority: Option<PathBuf>,
    /// What is asked for beside `openid`; can be given several times
    #[arg(long, value_name = "SCOPE")]
    scope: Vec<String>,
    /// How somebody logs in
    #[arg(long, env = "AUTHLAB_FLOW", value_enum, default_value_t)]
    flow: FlowName,
    /// Who logs in with a password
    #[arg(long, env = "AUTHLAB_USER", value_name = "NAME")]
    username: Option<String>,
    /// Their password; others can see it in the list of processes, a file is better
    #[arg(
        long,
        env = "AUTHLAB_PASSWORD",
        hide_env_values = true,
        value_name = "PASSWORD",
        conflicts_with = "password_file"
    )]
    password: Option<String>,
    /// File with their password; asked for in the terminal when not given
    #[arg(long, env = "AUTHLAB_PASSWORD_FILE", value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// Program that opens the login page, with its address as argument, or `none`; the system's browser when not given
    #[arg(long, env = "AUTHLAB_BROWSER", value_name = "PROGRAM")]
    browser: Option<PathBuf>,
    /// Directory that logins are kept in, which must be yours alone; `logins` in the cache directory when not given
    #[arg(long, env = "AUTHLAB_LOGIN_DIR", value_name = "DIR")]
    login_dir: Option<PathBuf>,
    /// Whether somebody can be asked for a new login
    #[arg(long, value_enum, default_value_t)]
    interactive: Interactive,
    /// How long a new login may take, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 180, value_parser = clap::value_parser!(u64).range(1..=3600))]
    timeout: u64,
}

/// A credential that a lab which is up gives.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
With provideClusterInfo, it is only given for API servers and auth proxies of that lab.

Exit codes:
  0  a credential was printed
  1  there is none: the error is one line
  2  wrong usage")]
struct OfLab<N: Args> {
    #[command(flatten)]
    name: N,
    /// How long it is good for, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 3600, value_parser = clap::value_parser!(u64).range(600..=86400))]
    lifetime: u64,
    /// The lab.
    #[command(flatten)]
    lab: NamedLab,
}

/// A service account.
#[derive(Args, Clone, Debug)]
struct AccountName {
    /// The service account, in the lab's namespace `authlab`; made when it is not there
    #[arg(value_name = "NAME")]
    name: String,
}

/// A person.
#[derive(Args, Clone, Debug)]
struct PersonName {
    /// Someone of the cast
    #[arg(value_name = "PERSON")]
    name: String,
}

/// Why there is no credential: an exit code and one line.
struct Refusal {
    exit: Exit,
    line: String,
}

impl Refusal {
    fn usage(line: impl Into<String>) -> Self {
        Self {
            exit: Exit::Usage,
            line: line.into(),
        }
    }
}

impl From<CommandError> for Refusal {
    fn from(error: CommandError) -> Self {
        Self {
            exit: error.exit(),
            line: error.plain(),
        }
    }
}

/// Prints a credential for the client that runs this.
///
/// # Errors
/// Standard output or standard error cannot be written.
pub async fn run(arguments: TokenArguments, out: &mut dyn Write) -> Result<Exit, CommandError> {
    match answer(arguments.command).await {
        Ok(answer) => {
            writeln!(out, "{answer}")?;
            Ok(Exit::Success)
        }
        Err(Refusal { exit, line }) => {
            let line: Vec<&str> = line.split_whitespace().collect();
            tell(&format!("authlab token: {}", line.join(" ")));
            Ok(exit)
        }
    }
}

async fn answer(command: TokenCommand) -> Result<serde_json::Value, Refusal> {
    let info = match std::env::var(EXEC_INFO) {
        Ok(text) => ExecInfo::read(&text).map_err(|error| Refusal::usage(error.to_string()))?,
        Err(_) => ExecInfo::by_hand(io::stdin().is_terminal()),
    };
    let (credential, expires) = match command {
        TokenCommand::Oidc(arguments) => oidc(*arguments, &info).await?,
        TokenCommand::ServiceAccount(OfLab { name, lifetime, lab }) => {
            let lab = lab_for(&lab, info.spec.cluster.as_ref()).await?;
            let lifetime = Duration::from_secs(lifetime);
            let token = lab.service_account_token(&name.name, lifetime).await.map_err(use_error)?;
            (Credential::Token(token), Timestamp::now() + lifetime)
        }
        TokenCommand::Certificate(OfLab { name, lifetime, lab }) => {
            cast::check(&name.name).map_err(|error| Refusal::usage(error.to_string()))?;
            let lab = lab_for(&lab, info.spec.cluster.as_ref()).await?;
            let lifetime = Duration::from_secs(lifetime);
            let leaf = lab.certificate_for(&name.name, lifetime).map_err(super::kubeconfig::cast_error)?;
            (Credential::Certificate(leaf), Timestamp::now() + lifetime)
        }
    };
    // In whole seconds, and somewhat earlier: the client is to come back before the server says that it is over.
    let expires = Timestamp::from_second(expires.as_second().saturating_sub(1)).ok();
    info.answer(&credential, expires).map_err(|error| Refusal::usage(error.to_string()))
}

/// The lab, if the client's cluster is one of its servers: nobody else's is given what opens this one.
async fn lab_for(named: &NamedLab, cluster: Option<&ExecCluster>) -> Result<Lab, Refusal> {
    let lab = Lab::existing(&named.lab).await.map_err(use_error)?;
    if let Some(cluster) = cluster {
        let description = lab.description();
        let servers = description.api_servers.values().map(|server| server.url.as_str());
        let mut doors = servers.chain(description.auth_proxies.values().map(|proxy| proxy.url.as_str()));
        if !doors.any(|door| door.trim_end_matches('/') == cluster.server.trim_end_matches('/')) {
            return Err(Refusal {
                exit: Exit::Failed,
                line: format!(
                    "the cluster {} is not of the lab '{}', so it gets no credential of it",
                    cluster.server, named.lab
                ),
            });
        }
    }
    Ok(lab)
}

/// What the kubeconfig's cluster says about logins to it.
#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct ClusterLogin {
    issuer: Option<String>,
    client_id: Option<String>,
    scopes: Vec<String>,
    certificate_authority_data: Option<String>,
}

async fn oidc(arguments: OidcArguments, info: &ExecInfo) -> Result<(Credential, Timestamp), Refusal> {
    let cluster = info.spec.cluster.as_ref().and_then(|cluster| cluster.config.clone());
    let cluster: ClusterLogin = cluster
        .filter(|config| !config.is_null())
        .map_or_else(|| Ok(ClusterLogin::default()), serde_json::from_value)
        .map_err(|error| Refusal::usage(format!("the cluster's extension cannot be read: {error}")))?;
    let sitting = Sitting {
        interactive: match arguments.interactive {
            Interactive::Auto => info.spec.interactive,
            Interactive::Always => true,
            Interactive::Never => false,
        },
        browser: arguments.browser.clone(),
    };
    let cache = match &arguments.login_dir {
        Some(directory) => Cache::new(directory),
        None => {
            let directory = crate::dirs::cache().map_err(|error| Refusal::usage(error.to_string()))?;
            Cache::new(directory.join("logins"))
        }
    };
    let settings = settings(arguments, cluster)?;
    let ticket = login::log_in(&settings, &cache, &sitting).await.map_err(|error| Refusal {
        exit: Exit::Failed,
        line: match error.hint() {
            Some(hint) => format!("{}; {hint}", error.told()),
            None => error.told(),
        },
    })?;
    Ok((Credential::Token(ticket.id), ticket.usable_until))
}

fn settings(arguments: OidcArguments, cluster: ClusterLogin) -> Result<Settings, Refusal> {
    let missing = |option: &str| Refusal::usage(format!("{option} is missing, and the client does not say it either"));
    let authority = match (&arguments.certificate_authority, cluster.certificate_authority_data) {
        (Some(path), _) => Some(read("--certificate-authority", path)?),
        (None, Some(data)) => {
            let bytes = base64::engine::general_purpose::STANDARD.decode(data).ok();
            let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
            Some(text.ok_or_else(|| Refusal::usage("certificateAuthorityData of the cluster's extension is no PEM text in base64"))?)
        }
        (None, None) => None,
    };
    let secret = |given: Option<String>, option, file: Option<PathBuf>| match (given, file) {
        (Some(given), _) => Ok(Some(Secret::new(given))),
        (None, Some(path)) => read(option, &path).map(|text| Some(Secret::new(text.trim_end_matches(['\r', '\n'])))),
        (None, None) => Ok(None),
    };
    let flow = match arguments.flow {
        FlowName::Browser => Flow::Browser,
        FlowName::Device => Flow::Device,
        FlowName::Password => Flow::Password {
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
        limit: Duration::from_secs(arguments.timeout),
    })
}

fn read(option: &str, path: &Path) -> Result<String, Refusal> {
    std::fs::read_to_string(path)
        .map_err(|error| Refusal::usage(format!("the file {} of {option} cannot be read: {error}", path.display())))
}

/// Nobody is left to tell when standard error itself is closed.
fn tell(line: &str) {
    let _ = writeln!(anstream::stderr().lock(), "{}", printable(line));
}

/// Who sits at this machine.
struct Sitting {
    interactive: bool,
    browser: Option<PathBuf>,
}

impl Person for Sitting {
    fn is_there(&self) -> bool {
        self.interactive
    }

    fn open(&self, address: &str) -> io::Result<()> {
        match &self.browser {
            Some(none) if none == Path::new("none") => Err(io::Error::other("--browser none")),
            // Standard output is for the answer alone.
            Some(program) => Command::new(program)
                .arg(address)
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .map(drop),
            None if has_screen() => open::that_detached(address),
            None => Err(io::Error::other("this machine has no screen")),
        }
    }

    fn password(&self, user: &str) -> io::Result<Secret> {
        let stdin = io::stdin();
        if !stdin.is_terminal() {
            return Err(io::Error::other("standard input is no terminal"));
        }
        let before = rustix::termios::tcgetattr(&stdin)?;
        let mut silent = before.clone();
        silent.local_modes.remove(rustix::termios::LocalModes::ECHO);
        rustix::termios::tcsetattr(&stdin, rustix::termios::OptionalActions::Flush, &silent)?;
        let _ = write!(anstream::stderr().lock(), "Password of {user}: ");
        let mut line = String::new();
        let typed = stdin.read_line(&mut line);
        rustix::termios::tcsetattr(&stdin, rustix::termios::OptionalActions::Now, &before)?;
        tell("");
        match typed? {
            0 => Err(io::Error::other("nothing was typed")),
            _ => Ok(Secret::new(line.trim_end_matches(['\r', '\n']))),
        }
    }

    fn tell(&self, told: &Told<'_>) {
        tell(&match told {
            Told::Opened { address } => format!("Log in in the browser that was opened, or open this address in one: {address}"),
            Told::Address { address, why } => {
                format!("Open this address in a browser on this machine to log in: {address} (no browser was opened: {why})")
            }
            Told::Code {
                complete: Some(complete),
                code,
                ..
            } => format!("Open this address in a browser anywhere to log in, and see that its code is {code}: {complete}"),
            Told::Code { address, code, .. } => {
                format!("Open this address in a browser anywhere to log in, and type the code {code}: {address}")
            }
            Told::Waiting => "Another login at this issuer is under way; waiting for it".to_owned(),
            Told::Untrusted(untrusted) => format!("{untrusted}; logging in again"),
            Told::Ended(error) => format!("The earlier login is over ({}); logging in again", error.told()),
        });
    }
}
