//! `authlab issuer token`: a token of an issuer that runs, with any claims. The main type is [`TokenOfIssuer`].

use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use reqwest::Url;
use serde_json::{Map, Value, json};

use crate::cause::with_causes;
use crate::cli::Session;
use crate::cli::error::CommandError;
use crate::cli::exit::Exit;
use crate::cli::output::write_json;
use crate::cli::trial::configuration::text;
use crate::cli::trial::people::claims;
use crate::issuer::FORGERIES;
use crate::loopback::is_address;
use crate::tls;

/// The time to wait for the issuer.
const PATIENCE: Duration = Duration::from_secs(30);

/// The issuer, and the contents of the token.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
The token is printed alone, or with --json the issuer's whole answer.

Examples:
  authlab issuer token --at https://127.0.0.1:8443/default --ca-file ca.pem --person alice
  authlab issuer token --at … --ca-file ca.pem --claim groups='[\"team-a\"]' --lifetime -60
  authlab issuer token --at … --ca-file ca.pem --forge unsigned

Exit codes:
  0  a token was printed
  1  the issuer gives no token
  2  wrong usage
  5  interrupted")]
pub(super) struct TokenOfIssuer {
    /// Address of the issuer, as `authlab issuer` prints it
    #[arg(long, value_name = "URL")]
    at: String,
    /// File with the authority of its certificate; none with http
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// Person whose claims it has
    #[arg(long, value_name = "NAME")]
    person: Option<String>,
    /// JSON file with claims, over those of the person
    #[arg(long, value_name = "FILE")]
    claims: Option<PathBuf>,
    /// Claim over all others: a text, or JSON such as `["team-a"]`
    #[arg(long, value_name = "NAME=VALUE", value_parser = claim)]
    claim: Vec<(String, Value)>,
    /// Claim that it does not have
    #[arg(long, value_name = "NAME")]
    without: Vec<String>,
    /// Audience; can be given several times
    #[arg(long, value_name = "AUDIENCE")]
    audience: Vec<String>,
    /// Lifetime; negative for a token that has expired
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true)]
    lifetime: Option<i64>,
    /// Shape of the token, such as `entra-v2`
    #[arg(long, value_name = "SHAPE")]
    like: Option<String>,
    /// Forgery, such as `unsigned` or `strangers-key`
    #[arg(long, value_name = "FORGERY", value_parser = FORGERIES.map(|(name, _)| name))]
    forge: Option<String>,
}

fn claim(text: &str) -> Result<(String, Value), String> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE")?;
    let value = serde_json::from_str(value).unwrap_or_else(|_| json!(value));
    Ok((name.to_owned(), value))
}

/// Requests the token, and prints it.
pub(super) async fn run(arguments: TokenOfIssuer, session: &Session, out: &mut dyn Write) -> Result<Exit, CommandError> {
    let failed = |why: String| CommandError::new(Exit::Failed, format!("cannot get a token at {}: {why}", arguments.at));
    let client = client(&arguments)?;
    let url = format!("{}/token", arguments.at.trim_end_matches('/'));
    let asked = client.post(url).json(&body(&arguments)?).send().await;
    let response = asked.map_err(|error| failed(with_causes(&error.without_url())))?;
    let status = response.status();
    let answer: Value = response.json().await.map_err(|error| failed(with_causes(&error.without_url())))?;
    let Some(token) = answer["access_token"].as_str() else {
        let said = answer["error_description"]
            .as_str()
            .map_or_else(|| status.to_string(), str::to_owned);
        return Err(failed(said));
    };
    if session.output.json {
        return write_json(&answer, out);
    }
    writeln!(out, "{token}")?;
    Ok(Exit::Success)
}

fn client(arguments: &TokenOfIssuer) -> Result<reqwest::Client, CommandError> {
    let wrong = |why: String| CommandError::new(Exit::Usage, why);
    let at = Url::parse(&arguments.at).map_err(|error| wrong(format!("{:?} is not the address of an issuer: {error}", arguments.at)))?;
    if at.scheme() == "http" {
        if !at.host_str().is_some_and(is_address) {
            return Err(wrong(format!("{} has no TLS (expected https, or loopback)", arguments.at)));
        }
        let client = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build();
        return client.map_err(|error| wrong(with_causes(&error)));
    }
    let authority = arguments.ca_file.as_deref().map(text).transpose()?;
    tls::https(authority.as_deref(), PATIENCE).map_err(|error| wrong(format!("cannot use the authority: {}", with_causes(&error))))
}

/// Returns the body of the request.
fn body(arguments: &TokenOfIssuer) -> Result<Value, CommandError> {
    let mut all = match &arguments.claims {
        Some(file) => claims(file, &text(file)?)?,
        None => Map::new(),
    };
    all.extend(arguments.claim.iter().cloned());
    let mut body = json!({ "grant_type": "client_credentials", "claims": all, "without": arguments.without });
    let named = [
        ("person", &arguments.person),
        ("like", &arguments.like),
        ("forge", &arguments.forge),
    ];
    for (name, value) in named {
        body[name] = json!(value);
    }
    body["lifetime"] = json!(arguments.lifetime);
    body["audience"] = match arguments.audience.as_slice() {
        [] => Value::Null,
        [only] => json!(only),
        several => json!(several),
    };
    Ok(body)
}
