//! Tokens that people hold: sound ones, and ones with a flaw ([`TokenFlaw`]).

use std::convert::Infallible;
use std::str::FromStr;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context;
use cucumber::{given, then};
use k8s_openapi::api::authentication::v1::TokenRequestSpec;
use serde_json::{Map, Value};

use super::super::{Person, Step, answers};
use super::bound_objects::Binding;
use super::{Deployer, account, claims, create_account, fresh, fresh_token, has_extra, hold, request, request_for};
use crate::credential::Credential;
use crate::jwt::Jwt;
use crate::pki::key_pair;
use crate::probe::Question;
use crate::scenario::world::{Twin, World};
use crate::secret::Secret;

phrases! {
    /// The flaw of a service account token.
    enum TokenFlaw as "service_account_token_flaw" {
        Stale = "should have been renewed an hour ago",
        Expired = "expired an hour ago",
        NotYetValid = "is not valid before an hour from now",
        Stranger = "was signed with a stranger's key",
        ClientAuthority = "was signed with the key of the client CA",
        IssuerWithSlash = "names its issuer with a slash at the end",
        IssuerInCapitals = "names its issuer in capitals",
        LongerIssuer = "names an issuer that begins as its own",
    }
}

phrases! {
    /// The service account that a token is of.
    enum Owner as "token_owner" {
        Own = "its service account",
        Other = "another service account",
    }
}

/// The audiences of a token, where they are not the API server's: ` for the audience "vault"`, ` for the audiences "vault" and "bank"`, or
/// nothing.
#[derive(Clone, Debug, cucumber::Parameter)]
#[param(
    name = "audience",
    regex = r#"(?: for the audience "[^"]*"| for the audiences "[^"]*" and "[^"]*")?"#
)]
pub(super) struct Audience(pub(super) Vec<String>);

impl FromStr for Audience {
    type Err = Infallible;

    fn from_str(said: &str) -> Result<Self, Infallible> {
        Ok(Self(said.split('"').skip(1).step_by(2).map(str::to_owned).collect()))
    }
}

requires!(administrator, nodes if "a node", node_binding if "bound to a node");
#[given(expr = "{person} holds a service account token{binding}{audience}")]
async fn holds_token(world: &mut World, person: Person, binding: Binding, audience: Audience) -> Step {
    // A token for another audience is refused, and its twin is one for the API server.
    let twin = match audience.0.is_empty() {
        false => Some(fresh(world).await?),
        true => None,
    };
    let spec = TokenRequestSpec {
        audiences: audience.0,
        bound_object_ref: binding.reference(world).await?,
        ..TokenRequestSpec::default()
    };
    hold(world, &person, spec, twin).await
}

requires!(administrator, service_account_key, cluster_signing_key if "the client CA");
#[given(expr = "{person} holds a service account token that {service_account_token_flaw}")]
async fn holds_flawed_token(world: &mut World, person: Person, flaw: TokenFlaw) -> Step {
    let account = account(world).await?;
    let genuine = Jwt::parse(fresh_token(world).await?.expose())?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let timed = |issued: u64, expires: u64| {
        let mut claims = genuine.claims.clone();
        claims.extend([("iat", issued), ("nbf", issued), ("exp", expires)].map(|(claim, time)| (claim.to_owned(), time.into())));
        claims
    };
    const HOUR: u64 = 3600;
    let key = world.service_account_key()?;
    let sound = timed(now, now + HOUR);
    let token = match flaw {
        TokenFlaw::Stale => {
            let mut claims = timed(now - 2 * HOUR, now + HOUR);
            claims["kubernetes.io"]["warnafter"] = (now - HOUR).into();
            sign(&genuine.header, &claims, &key)?
        }
        TokenFlaw::Expired => sign(&genuine.header, &timed(now - 2 * HOUR, now - HOUR), &key)?,
        TokenFlaw::NotYetValid => sign(&genuine.header, &timed(now + HOUR, now + 2 * HOUR), &key)?,
        TokenFlaw::Stranger => sign(&genuine.header, &sound, &key_pair()?.0)?,
        // Without a key id, an API server tries all keys that it has (kubernetes `pkg/serviceaccount/jwt.go`).
        TokenFlaw::ClientAuthority => sign(&Map::new(), &sound, &world.client_authority_key()?)?,
        TokenFlaw::IssuerWithSlash => sign(&genuine.header, &issued_by(&sound, |issuer| format!("{issuer}/"))?, &key)?,
        TokenFlaw::IssuerInCapitals => sign(&genuine.header, &issued_by(&sound, |issuer| issuer.to_uppercase())?, &key)?,
        TokenFlaw::LongerIssuer => sign(
            &genuine.header,
            &issued_by(&sound, |issuer| format!("{issuer}.cluster.local"))?,
            &key,
        )?,
    };
    let twin = Twin {
        credential: Credential::Token(sign(&genuine.header, &sound, &key)?),
        user: account.user(),
    };
    Ok(world.hold(&person, Credential::Token(token), Some(twin))?)
}

#[given(expr = "one like it is accepted")]
async fn one_like_it_is_accepted(world: &mut World) -> Step {
    let user = account(world).await?.user();
    let spec = world.notes::<Deployer>().asked.clone().context("the token was not asked for")?;
    let credential = Credential::Token(request(world, &spec).await?);
    let answer = world
        .ask_with(&Person::called("the deployer"), &credential, &Question::who_am_i())
        .await;
    answers::accepted(&answer, &user)
}

#[then(expr = "with a new token of {token_owner}, {person} is accepted")]
async fn accepted_with_new_token(world: &mut World, owner: Owner, person: Person) -> Step {
    let account = match owner {
        Owner::Own => account(world).await?,
        Owner::Other => create_account(world, "other").await?,
    };
    let credential = Credential::Token(request_for(world, &account, &TokenRequestSpec::default()).await?);
    let who = world.person(&person)?;
    let answer = world.ask_with(&who, &credential, &Question::who_am_i()).await;
    answers::accepted(&answer, &account.user())
}

#[then(expr = "the credential's id is the token's")]
fn credential_id(world: &mut World) -> Step {
    let id = claims(world)?
        .get("jti")
        .and_then(Value::as_str)
        .context("the token has no id")?
        .to_owned();
    has_extra(world, "authentication.kubernetes.io/credential-id", Some(format!("JTI={id}")))
}

#[then(expr = "the token never expires")]
fn token_never_expires(world: &mut World) -> Step {
    let claims = claims(world)?;
    expect!(!claims.contains_key("exp"), "a token without expiry", "its claims are {claims:?}");
    Ok(())
}

/// Returns `claims` with an issuer that resembles their own.
fn issued_by(claims: &Map<String, Value>, similar: impl Fn(&str) -> String) -> Step<Map<String, Value>> {
    let issuer = claims.get("iss").and_then(Value::as_str).context("the token names no issuer")?;
    let mut claims = claims.clone();
    claims.insert("iss".to_owned(), similar(issuer).into());
    Ok(claims)
}

/// Signs as kube-apiserver does: ES256, with the header of one of its own tokens.
fn sign(header: &Map<String, Value>, claims: &Map<String, Value>, key: &Secret) -> Step<Secret> {
    let kid = header.get("kid").and_then(Value::as_str).map(str::to_owned);
    let header = jsonwebtoken::Header {
        kid,
        typ: None,
        ..jsonwebtoken::Header::new(jsonwebtoken::Algorithm::ES256)
    };
    let key = jsonwebtoken::EncodingKey::from_ec_pem(key.expose().as_bytes())?;
    Ok(Secret::new(jsonwebtoken::encode(&header, claims, &key)?))
}
