//! `authlab token allow`: gives an API server access to logins of other servers, for use without a terminal to ask at.
//!
//! The main type is [`AllowArguments`].

use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::super::Session;
use super::super::blocking;
use super::super::error::CommandError;
use super::super::exit::Exit;
use super::oidc::logins;
use crate::cli::output::write_json;
use crate::login::{ApiServer, Audience, SYSTEM};

/// The logins at an issuer, and the API server that may use them.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
A login is given to the API server that it was made for. Other servers must be allowed, at the terminal or with this command,
because any server that receives a token can use it. The error that asks for this has the whole command.

Exit codes:
  0  logins may be given to the server
  1  the permission cannot be stored
  2  wrong usage")]
pub struct AllowArguments {
    /// URL of the issuer, exactly as in its tokens
    #[arg(long, env = "AUTHLAB_ISSUER", hide_env_values = true, value_name = "URL")]
    issuer: String,
    /// Client that logs users in
    #[arg(long, env = "AUTHLAB_CLIENT_ID", value_name = "ID")]
    client_id: String,
    /// API server, as the kubeconfig names it
    #[arg(long, value_name = "URL")]
    server: String,
    /// Authority of its certificate: `system`, or a fingerprint
    ///
    /// The fingerprint is in the error that asks for this command.
    #[arg(long, value_name = "FINGERPRINT", default_value = SYSTEM)]
    verified_by: String,
    /// Directory with the logins [default: `logins` in the cache]
    #[arg(long, env = "AUTHLAB_LOGIN_DIR", value_name = "DIR")]
    login_dir: Option<PathBuf>,
}

/// Stores the permission, and reports that.
///
/// # Errors
/// The permission cannot be stored.
pub(super) async fn run(arguments: AllowArguments, session: &Session, out: &mut dyn Write) -> Result<Exit, CommandError> {
    let cache = logins(arguments.login_dir).map_err(|error| CommandError::new(Exit::Usage, error))?;
    let audience = Audience {
        issuer: arguments.issuer,
        client_id: arguments.client_id,
    };
    let server = ApiServer::known(&arguments.server, arguments.verified_by);
    let said = json!({ "issuer": audience.issuer, "client_id": audience.client_id, "server": server });
    let line = format!(
        "logins at {} as the client {} may be given to the API server {}",
        audience.issuer, audience.client_id, server.url
    );
    let kept = blocking(move || cache.allow(&audience, &server));
    session
        .unless_interrupted(async { kept.await.map_err(|error| CommandError::new(Exit::Failed, error)) })
        .await?;
    if session.output.json {
        return write_json(&said, out);
    }
    if !session.output.quiet {
        writeln!(out, "{line}")?;
    }
    Ok(Exit::Success)
}
