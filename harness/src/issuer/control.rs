//! The control API: keys, faults and people at run time, for callers with its secret.

use hyper::body::{Body, Bytes};
use hyper::{Method, Request, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use subtle::ConstantTimeEq as _;

use super::endpoint::Endpoint;
use super::error::Refused;
use super::fault::Fault;
use super::http::Reply;
use super::parameters::bearer;
use super::state::State;
use super::{CONTROL, Person};
use crate::cause::with_causes;
use crate::listener::{Limits, answer, read_body};
use crate::token_shape::TokenShape;

/// The body of a rotation.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Rotation {
    /// `true` to publish the keys before it, too.
    overlap: bool,
}

impl Default for Rotation {
    fn default() -> Self {
        Self { overlap: true }
    }
}

/// The body of a person.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct PersonBody {
    claims: Map<String, Value>,
    without: Vec<String>,
    like: Option<String>,
}

impl State {
    /// Answers a request to the control API.
    pub(super) async fn control<B>(&self, request: Request<B>) -> Result<Reply, Refused>
    where
        B: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>>,
    {
        let given = bearer(request.headers()).unwrap_or_default();
        if !bool::from(given.as_bytes().ct_eq(self.control_secret.expose().as_bytes())) {
            let why = "expected the control secret as the bearer token";
            return Err(Refused::new("invalid_token", why).with_status(401));
        }
        let (path, method) = (request.uri().path().to_owned(), request.method().clone());
        let words: Vec<&str> = path.strip_prefix(CONTROL).unwrap_or_default().split('/').skip(1).collect();
        // The name of an issuer may have slashes.
        let (words, last) = match words.as_slice() {
            ["issuers", name @ .., "rotate"] => (("rotate", name.join("/")), ""),
            ["issuers", name @ .., "faults", endpoint] => (("fault", name.join("/")), *endpoint),
            ["issuers", name @ .., "faults"] => (("faults", name.join("/")), ""),
            ["people", name] => (("person", decoded(name)?), ""),
            ["requests"] => (("requests", String::new()), ""),
            [] | [""] => (("state", String::new()), ""),
            _ => return Err(Refused::new("not_found", format!("the control API has no {path}")).with_status(404)),
        };
        let (what, name) = words;
        match (what, &method) {
            ("state", &Method::GET) => {}
            ("requests", &Method::GET) => {
                let requests: Vec<_> = self.locked().requests.iter().cloned().collect();
                return Ok(answer::json(StatusCode::OK, &json!({ "requests": requests })));
            }
            ("requests", &Method::DELETE) => self.locked().requests.clear(),
            ("rotate", &Method::POST) => {
                let rotation: Rotation = body(request).await?;
                self.rotate(&name, rotation.overlap).await?;
            }
            ("fault", &Method::PUT) => {
                let endpoint = endpoint(last)?;
                let fault: Fault = body(request).await?;
                self.set_fault(&name, endpoint, fault).await?;
            }
            ("fault", &Method::DELETE) => self.clear_faults(&name, Some(endpoint(last)?))?,
            ("faults", &Method::DELETE) => self.clear_faults(&name, None)?,
            ("person", &Method::PUT) => {
                let PersonBody { claims, without, like } = body(request).await?;
                if let Some(like) = &like {
                    TokenShape::named(like).map_err(|error| Refused::request(error.to_string()))?;
                }
                let person = Person {
                    name: name.clone(),
                    claims,
                    without,
                    like,
                };
                self.locked().people.insert(name, person);
            }
            ("person", &Method::DELETE) => {
                let unknown = || Refused::new("not_found", format!("unknown person {name:?}")).with_status(404);
                self.locked().people.remove(&name).ok_or_else(unknown)?;
            }
            _ => return Err(Refused::request(format!("{path} does not take {method}")).with_status(405)),
        }
        Ok(answer::json(StatusCode::OK, &self.shown()?))
    }
}

/// Returns a part of a path without its percent-encoding (RFC 3986 §2.1).
fn decoded(part: &str) -> Result<String, Refused> {
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part.as_bytes();
    while let Some((&first, more)) = rest.split_first() {
        let digits = (first == b'%').then(|| more.get(..2)).flatten();
        let byte = digits.and_then(|digits| hex::decode(digits).ok());
        bytes.push(byte.as_ref().map_or(first, |byte| byte[0]));
        rest = if byte.is_some() { &more[2..] } else { more };
    }
    String::from_utf8(bytes).map_err(|_| Refused::request(format!("{part} is not UTF-8")))
}

fn endpoint(name: &str) -> Result<Endpoint, Refused> {
    name.parse()
        .map_err(|error: super::UnknownEndpoint| Refused::request(error.to_string()).with_status(404))
}

/// Reads the JSON body of `request`; an empty one is the default.
async fn body<T: DeserializeOwned + Default, B>(request: Request<B>) -> Result<T, Refused>
where
    B: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>>,
{
    let read = read_body(request.into_body(), Limits::default()).await;
    let bytes = read.map_err(|error| Refused::request(with_causes(&error)).with_status(413))?;
    if bytes.is_empty() {
        return Ok(T::default());
    }
    serde_json::from_slice(&bytes).map_err(|error| Refused::request(format!("cannot read the body: {error}")))
}
