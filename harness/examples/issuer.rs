//! An issuer for tests: starts one, gets a token with claims, and sees its keys change. Run it with `cargo run --example issuer`.
//! The server is [`Server`](authlab::issuer::Server).
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use anyhow::{Result, ensure};
use authlab::issuer::{Endpoint, Fault, Server, ServerOptions, TokenRequest};
use serde_json::{Map, json};

#[tokio::main]
async fn main() -> Result<()> {
    let server = Server::start(ServerOptions::default()).await?;
    println!("{} is up", server.url("default")?);

    // The program under test finds the issuer by its URL and trusts this authority.
    let authority = server.authority().unwrap_or_default();
    ensure!(authority.starts_with("-----BEGIN CERTIFICATE-----"), "expected PEM");

    let wanted = TokenRequest {
        claims: Map::from_iter([("groups".to_owned(), json!(["team-a"]))]),
        lifetime: Some(60),
        ..TokenRequest::default()
    };
    let token = server.token("default", &wanted)?;
    println!("a token of {} characters", token.expose().len());

    // Tokens that are out there are not accepted any more, once their keys are gone.
    server.rotate("default", false).await?;
    // The next request for keys fails, and the one after it is answered.
    let unavailable = Fault {
        status: Some(503),
        times: Some(1),
        ..Fault::default()
    };
    server.set_fault("default", Endpoint::Keys, unavailable).await?;

    for request in server.requests() {
        println!("{request}");
    }
    server.stop().await;
    Ok(())
}
