//! `authlab token`: an exec credential plugin, run by kubectl and every other client, or by hand.
//!
//! The main type is [`TokenArguments`]. The client that runs a plugin mixes the plugin's standard error with its own lines: an error
//! is one line there, and standard output has nothing but the credential.

mod allow;
mod oidc;
mod person;

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use base64::Engine as _;
use clap::{Args, Subcommand};
use jiff::Timestamp;

use super::error::{CommandError, use_error};
use super::exit::Exit;
use super::options::NamedLab;
use super::{Session, reader};
use crate::credential::Credential;
use crate::credential::exec::{EXEC_INFO, ExecCluster, ExecInfo};
use crate::lab::{Lab, cast};
use crate::printable::printable;

pub use oidc::OidcArguments;

/// Arguments of `authlab token`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
This is an exec credential plugin (client.authentication.k8s.io/v1, or v1beta1 if the client asks for that): it prints the
credential on standard output, and an error as one line on standard error. `authlab kubeconfig PERSON --as exec` prints a
kubeconfig that runs it.

Exit codes:
  0  a credential was printed
  1  no credential could be obtained
  2  wrong usage
  5  interrupted, or the reader of standard output is gone")]
pub struct TokenArguments {
    #[command(subcommand)]
    command: TokenCommand,
}

/// The commands.
#[derive(Subcommand, Clone, Debug)]
enum TokenCommand {
    #[command(flatten)]
    Credential(CredentialCommand),
    /// Let another API server use the logins at an issuer
    Allow(allow::AllowArguments),
}

/// The commands that print a credential.
#[derive(Subcommand, Clone, Debug)]
enum CredentialCommand {
    /// Log in at an OpenID Connect issuer, or use and refresh an earlier login
    Oidc(Box<OidcArguments>),
    /// Print a token of a service account in a lab that is up
    ServiceAccount(OfLab<AccountName>),
    /// Print a new client certificate for a person of the cast
    ///
    /// It is signed by a lab that is up.
    Certificate(OfLab<PersonName>),
}

/// A credential from a lab that is up.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
With provideClusterInfo, the credential is only printed for API servers and auth proxies of that lab.

Exit codes:
  0  a credential was printed
  1  no credential could be obtained: the error is one line
  2  wrong usage
  5  interrupted, or the reader of standard output is gone")]
struct OfLab<N: Args> {
    #[command(flatten)]
    name: N,
    /// Lifetime of the credential, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 3600, value_parser = clap::value_parser!(u64).range(600..=86400))]
    lifetime: u64,
    /// The lab.
    #[command(flatten)]
    lab: NamedLab,
}

/// A service account.
#[derive(Args, Clone, Debug)]
struct AccountName {
    /// Service account in the namespace `authlab`; created if missing
    #[arg(value_name = "NAME")]
    name: String,
}

/// A person.
#[derive(Args, Clone, Debug)]
struct PersonName {
    /// Person of the cast
    #[arg(value_name = "PERSON")]
    name: String,
}

/// The reason for a missing credential: an exit code and one line.
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

/// Prints a credential for the client that runs this command.
///
/// # Errors
/// Standard output or standard error cannot be written.
pub async fn run(arguments: TokenArguments, session: &Session, out: &mut dyn Write) -> Result<Exit, CommandError> {
    let command = match arguments.command {
        TokenCommand::Credential(command) => command,
        TokenCommand::Allow(arguments) => return allow::run(arguments, session, out).await,
    };
    let interrupted = |line: &str| Refusal {
        exit: Exit::Interrupted,
        line: line.to_owned(),
    };
    // Work that is interrupted is dropped, which releases its lock, its port and the terminal.
    let answered = tokio::select! {
        biased;
        () = session.interrupt.requested() => Err(interrupted("interrupted")),
        answered = answer(command) => answered,
        () = reader::is_gone() => Err(interrupted("the reader of standard output is gone")),
    };
    match answered {
        Ok(answer) => {
            writeln!(out, "{answer}")?;
            Ok(Exit::Success)
        }
        Err(Refusal { exit, line }) => {
            let line: Vec<&str> = line.lines().map(str::trim).collect();
            tell(&format!("authlab token: {}", line.join(" ")));
            Ok(exit)
        }
    }
}

async fn answer(command: CredentialCommand) -> Result<serde_json::Value, Refusal> {
    let info = match std::env::var(EXEC_INFO) {
        Ok(text) => ExecInfo::read(&text).map_err(|error| Refusal::usage(error.to_string()))?,
        Err(_) => ExecInfo::by_hand(io::stdin().is_terminal()),
    };
    let (credential, expires) = match command {
        CredentialCommand::Oidc(arguments) => oidc::credential(*arguments, &info).await?,
        CredentialCommand::ServiceAccount(OfLab { name, lifetime, lab }) => {
            let lab = lab_for(&lab, info.spec.cluster.as_ref()).await?;
            let lifetime = Duration::from_secs(lifetime);
            let token = lab.service_account_token(&name.name, lifetime).await.map_err(use_error)?;
            (Credential::Token(token), Timestamp::now() + lifetime)
        }
        CredentialCommand::Certificate(OfLab { name, lifetime, lab }) => {
            cast::check(&name.name).map_err(|error| Refusal::usage(error.to_string()))?;
            let lab = lab_for(&lab, info.spec.cluster.as_ref()).await?;
            let lifetime = Duration::from_secs(lifetime);
            let leaf = lab.certificate_for(&name.name, lifetime).map_err(super::error::cast_error)?;
            (Credential::Certificate(leaf), Timestamp::now() + lifetime)
        }
    };
    // In whole seconds, and slightly earlier: the client should ask again before the server refuses the credential as expired.
    let expires = Timestamp::from_second(expires.as_second().saturating_sub(1)).ok();
    info.answer(&credential, expires).map_err(|error| Refusal::usage(error.to_string()))
}

/// Returns the lab, if the client's cluster is one of its servers: other clusters must not get credentials of the lab.
async fn lab_for(named: &NamedLab, cluster: Option<&ExecCluster>) -> Result<Lab, Refusal> {
    let lab = Lab::existing(&named.lab).await.map_err(use_error)?;
    let Some(cluster) = cluster else { return Ok(lab) };
    let description = lab.description();
    let servers = description.api_servers.values();
    let mut endpoints: Vec<(String, String)> = servers
        .map(|server| (server.url.clone(), server.serving_authority.clone()))
        .collect();
    let proxies = description.auth_proxies.keys().filter_map(|name| lab.auth_proxy(name).ok());
    endpoints.extend(proxies.map(|proxy| (proxy.url, proxy.authority)));
    let refused = |why: &str| Refusal {
        exit: Exit::Failed,
        line: format!(
            "the cluster {} {why} '{}', so it gets no credential of it",
            cluster.server, named.lab
        ),
    };
    let same = |(url, _): &&(String, String)| url.trim_end_matches('/') == cluster.server.trim_end_matches('/');
    let (_, authority) = endpoints.iter().find(same).ok_or_else(|| refused("does not belong to the lab"))?;
    if !is_verified_by(cluster, authority) {
        return Err(refused("is not verified by the authority of the lab"));
    }
    Ok(lab)
}

/// Returns whether the client verifies that `cluster` has a certificate of `authority`: an attacker who chooses both address and
/// authority can put a proxy in between.
fn is_verified_by(cluster: &ExecCluster, authority: &str) -> bool {
    if cluster.unverified {
        return false;
    }
    let Some(given) = &cluster.authority else {
        // The system's authorities certify no address of this machine, but they may certify a name.
        return cluster.server_name.is_none();
    };
    let given = base64::engine::general_purpose::STANDARD.decode(given).ok();
    let given = given.and_then(|given| String::from_utf8(given).ok());
    let given = given.and_then(|given| crate::tls::certificates(&given).ok());
    let ours = crate::tls::certificates(authority).unwrap_or_default();
    given.is_some_and(|given| given.iter().all(|certificate| ours.contains(certificate)))
}

/// Prints a line on standard error, and ignores an error: if standard error is closed, there is nowhere to report to.
fn tell(line: &str) {
    let _ = writeln!(anstream::stderr().lock(), "{}", printable(line));
}
