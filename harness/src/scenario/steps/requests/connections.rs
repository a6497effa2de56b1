//! Connections: the API server's messages at their beginning, and their end.

use std::convert::Infallible;
use std::time::Duration;

use anyhow::{Context, anyhow};
use cucumber::{then, when};

use super::super::{Person, Step};
use crate::credential::Credential;
use crate::pem;
use crate::pki::Authority;
use crate::probe::{Http2, Question, acceptable_authorities};
use crate::process::wait::{Condition, until};
use crate::scenario::world::World;

/// Go's HTTP/2 server keeps a connection open for a second after it has announced its end.
const LIMIT: Duration = Duration::from_secs(10);

/// The observations about connections.
#[derive(Default)]
struct Seen {
    authorities: Vec<Vec<u8>>,
    http2: Option<(Http2, u16)>,
}

#[when(expr = "{person} starts a TLS handshake without a certificate")]
async fn starts_handshake(world: &mut World, person: Person) -> Step {
    world.person(&person)?;
    let authorities = acceptable_authorities(&world.endpoint()).await?;
    world.notes::<Seen>().authorities = authorities;
    Ok(())
}

requires!(cluster_signing_key, front_proxy, named_authorities);
#[then(expr = "the API server has named the authorities of client certificates and of front proxies")]
fn named_authorities(world: &mut World) -> Step {
    let (clients, proxies) = (subject(&world.client_authority()?)?, subject(world.request_header_authority()?)?);
    let seen = &world.notes::<Seen>().authorities;
    expect!(
        seen.contains(&clients) && seen.contains(&proxies),
        "both authorities",
        "the API server names {}",
        seen.len()
    );
    Ok(())
}

#[when(expr = "{person} asks the API server who {word} is, over an HTTP\\/2 connection")]
async fn asks_over_http2(world: &mut World, person: Person, _pronoun: String) -> Step {
    let credential = world.holding(&person)?.credential.clone();
    let asked = first(world, &credential).await?;
    world.notes::<Seen>().http2 = Some(asked);
    Ok(())
}

#[then(expr = "the response has the status {int}, and the API server closes the connection")]
async fn connection_ends(world: &mut World, status: u16) -> Step {
    let (connection, seen) = world.notes::<Seen>().http2.take().context("nobody asked over HTTP/2")?;
    expect!(seen == status, "the status {status}", "{seen}");
    let connection = &connection;
    let ended = until("the end of the connection", LIMIT, || async move {
        Ok::<_, Infallible>(if connection.has_ended() {
            Condition::Met(())
        } else {
            Condition::NotYet("it is still open".to_owned())
        })
    });
    Ok(ended.await?)
}

#[when(expr = "{person} asks the API server twice who {word} is, over one connection")]
async fn asks_twice(world: &mut World, person: Person, _pronoun: String) -> Step {
    let credential = world.holding(&person)?.credential.clone();
    accepted_twice(world, &credential).await.map(drop)
}

requires!(client_certificates);
#[then(expr = "{person}, with a client certificate, gets two responses over one connection")]
async fn answered_twice(world: &mut World, person: Person) -> Step {
    let leaf = world.client_certificate(&person.user(), &[]).await?;
    let connection = accepted_twice(world, &Credential::Certificate(leaf)).await?;
    expect!(!connection.has_ended(), "a connection that goes on", "it has ended");
    Ok(())
}

async fn accepted_twice(world: &World, credential: &Credential) -> Step<Http2> {
    let (mut connection, first) = first(world, credential).await?;
    let second = ask(&mut connection).await?;
    expect!((first, second) == (201, 201), "to be accepted twice", "{first} and {second}");
    Ok(connection)
}

async fn first(world: &World, credential: &Credential) -> Step<(Http2, u16)> {
    let connected = Http2::connect(&world.endpoint(), credential).await;
    let mut connection = connected.map_err(|error| anyhow!("no connection over HTTP/2: {error}"))?;
    let status = ask(&mut connection).await?;
    Ok((connection, status))
}

async fn ask(connection: &mut Http2) -> Step<u16> {
    let asked = connection.ask(&Question::who_am_i()).await;
    Ok(asked.map_err(|error| anyhow!("no answer over HTTP/2: {error}"))?)
}

/// Returns the name of an authority, DER.
fn subject(authority: &Authority) -> Step<Vec<u8>> {
    let pem = pem::first(authority.certificate())?;
    let certificate = pem.parse_x509()?;
    Ok(certificate.subject().as_raw().to_vec())
}
