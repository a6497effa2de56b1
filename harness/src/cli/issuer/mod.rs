//! `authlab issuer`: an OpenID Connect issuer for people's own tests, and its parts: the server ([`serve`]) and a token of it ([`token`]).
//!
//! The main type is [`IssuerArguments`].

mod files;
mod serve;
mod token;

use std::io::Write;

use clap::{Args, Subcommand};

use super::Session;
use super::error::CommandError;
use super::exit::Exit;

/// Arguments of `authlab issuer`.
#[derive(Args, Clone, Debug)]
#[command(args_conflicts_with_subcommands = true, after_help = serve::AFTER_HELP)]
pub struct IssuerArguments {
    #[command(subcommand)]
    command: Option<IssuerCommand>,
    #[command(flatten)]
    serve: serve::ServeIssuer,
}

/// The commands.
#[derive(Subcommand, Clone, Debug)]
enum IssuerCommand {
    /// Print a token of an issuer that runs
    Token(Box<token::TokenOfIssuer>),
}

/// Serves an issuer, or prints a token of one.
///
/// # Errors
/// An option or a file is wrong, the port is taken, or the issuer gives no token.
pub async fn run(arguments: IssuerArguments, session: &Session, out: &mut dyn Write) -> Result<Exit, CommandError> {
    match arguments.command {
        Some(IssuerCommand::Token(arguments)) => session.unless_interrupted(token::run(*arguments, session, out)).await,
        None => serve::run(arguments.serve, session, out).await,
    }
}
