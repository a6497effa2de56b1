//! Our issuer alone, as a server for tests in any language: discovery, keys, and tokens with any claims, by OAuth 2.0 and OpenID Connect.
//!
//! The main type is [`Server`], which `authlab issuer` runs. It rotates its keys, breaks and slows down when it is told to, by a method or
//! by its control API, which demands a secret. Any client, password and person is accepted: it is for tests, and for nothing else.
//!
//! A complete program, `cargo run --example issuer`:

#![doc = concat!("```rust,ignore\n", include_str!("../../examples/issuer.rs"), "```")]

mod authorize;
mod cluster;
mod control;
mod device;
mod endpoint;
mod error;
mod fault;
mod grant;
mod http;
mod mint;
mod page;
mod parameters;
mod recent;
mod record;
mod state;
mod tokens;

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use reqwest::Url;
use serde_json::{Map, Value};
use tokio::sync::mpsc;

use crate::identity_provider::issuer::{Algorithm, IssuerError, IssuerPath, Signer};
use crate::listener::{Listener, Listening};
use crate::loopback::is_address;
use crate::pki::{Authority, Request as CertificateRequest};
use crate::secret::Secret;
use crate::tls;
use crate::token_shape::TokenShape;
use state::{Settings, State};

pub use endpoint::{Endpoint, UnknownEndpoint};
pub use error::{Refused, ServerError};
pub use fault::Fault;
pub use mint::{FORGERIES, TokenRequest};
pub use record::RequestRecord;

/// The path below which the control API is. No issuer can have it.
const CONTROL: &str = "/.control";

/// The options of a server.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    /// The issuers; each has keys of its own.
    pub issuers: Vec<NamedIssuer>,
    /// The algorithm of all keys.
    pub algorithm: Algorithm,
    /// The address to listen on, which is the host in URLs, too.
    pub address: IpAddr,
    /// The port; a free one if 0.
    pub port: u16,
    /// The callers that get tokens.
    pub callers: Callers,
    /// `true` to serve without TLS, on loopback alone.
    pub plain: bool,
    /// The audience of access tokens that are requested without one.
    pub audience: String,
    /// The lifetime of tokens that are requested without one.
    pub lifetime: Duration,
    /// The shape of the tokens of everybody who has no other.
    pub like: Option<&'static TokenShape>,
    /// The people with claims of their own. Everybody else has a subject alone.
    pub people: Vec<Person>,
    /// `true` to ask for the user on a page; otherwise, a login takes place without a question.
    pub login_page: bool,
}

/// An issuer of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedIssuer {
    /// The name, which is its path.
    pub name: String,
    /// The issuer URL in its tokens and its discovery document, if it is not the issuer's address.
    pub url: Option<String>,
}

/// The callers that get tokens. Discovery and keys are for everybody.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Callers {
    /// Programs of this user and of the administrator, on this machine (told apart on Linux alone).
    #[default]
    ThisUser,
    /// Everybody who reaches the port.
    Anybody,
}

/// A person whose tokens have claims of their own.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Person {
    /// The name: the user of a login.
    pub name: String,
    /// The claims. Without `sub`, the name is the subject.
    pub claims: Map<String, Value>,
    /// The names of claims that the tokens do not have.
    pub without: Vec<String>,
    /// The name of the shape whose claims lie below.
    pub like: Option<String>,
}

impl Default for ServerOptions {
    fn default() -> Self {
        Self {
            issuers: vec![NamedIssuer::new("default")],
            algorithm: Algorithm::Rs256,
            address: Ipv4Addr::LOCALHOST.into(),
            port: 0,
            callers: Callers::ThisUser,
            plain: false,
            audience: "kubernetes".to_owned(),
            lifetime: Duration::from_secs(3600),
            like: None,
            people: Vec::new(),
            login_page: false,
        }
    }
}

impl NamedIssuer {
    /// Creates an issuer whose URL is its address.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            url: None,
        }
    }
}

/// A running server. Dropping it ends it and frees its port.
#[derive(Debug)]
pub struct Server {
    state: Arc<State>,
    listening: Listening,
    authority: Option<String>,
}

impl Server {
    /// Generates keys and serves.
    ///
    /// # Errors
    /// The options contradict each other, an issuer's name cannot be a path, the port is taken, or a key cannot be generated.
    pub async fn start(options: ServerOptions) -> Result<Self, ServerError> {
        check(&options)?;
        tls::choose_provider();
        let wrong = |source| ServerError::Listen {
            address: SocketAddr::new(options.address, options.port),
            source,
        };
        let listener = Listener::bind_to((options.address, options.port)).await.map_err(wrong)?;
        let here = listener.address();
        let (authority, tls) = match options.plain {
            true => (None, None),
            false => {
                let authority = Authority::root("authlab issuer")?;
                let hosts = options.issuers.iter().filter_map(|issuer| host(issuer.url.as_deref()?));
                let names: Vec<String> = std::iter::once("localhost".to_owned()).chain(hosts).collect();
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                let request = CertificateRequest::server("authlab issuer", &names).addresses([options.address]);
                (
                    Some(authority.certificate().to_owned()),
                    Some(tls::server(&authority.issue(&request)?)?),
                )
            }
        };
        let scheme = if options.plain { "http" } else { "https" };
        let base = format!("{scheme}://{here}");
        let paths = options.issuers.iter().map(|issuer| {
            let path = IssuerPath::new(&issuer.name, &[options.algorithm]);
            match &issuer.url {
                Some(url) => path.called(url),
                None => path,
            }
        });
        let signer = Signer::generate(base, paths.collect()).await?;
        let settings = Settings {
            here,
            names: options.issuers.iter().map(|issuer| issuer.name.clone()).collect(),
            callers: options.callers,
            plain: options.plain,
            algorithm: options.algorithm,
            audience: options.audience,
            lifetime: options.lifetime,
            like: options.like,
            login_page: options.login_page,
        };
        let state = Arc::new(State::new(signer, settings, options.people).await?);
        let serving = Arc::clone(&state);
        let listening = listener.serve(tls, move |request, connection| {
            let state = Arc::clone(&serving);
            async move { Ok::<_, Infallible>(state.respond(request, connection.peer()).await) }
        });
        Ok(Self {
            state,
            listening,
            authority,
        })
    }

    /// Returns the address with its port.
    pub fn address(&self) -> SocketAddr {
        self.listening.address()
    }

    /// Returns the beginning of all its URLs.
    pub fn base(&self) -> &str {
        self.state.signer.base()
    }

    /// Returns the names of its issuers, in the order of the options.
    pub fn names(&self) -> &[String] {
        &self.state.settings.names
    }

    /// Returns the authority of its certificate, PEM; `None` without TLS.
    pub fn authority(&self) -> Option<&str> {
        self.authority.as_deref()
    }

    /// Returns the issuer URL of `name`, as its tokens say it.
    ///
    /// # Errors
    /// There is no such issuer.
    pub fn url(&self, name: &str) -> Result<String, ServerError> {
        Ok(self.state.signer.url(name)?)
    }

    /// Returns the URL of `endpoint` of the issuer `name`.
    ///
    /// # Errors
    /// There is no such issuer.
    pub fn endpoint(&self, name: &str, endpoint: Endpoint) -> Result<String, ServerError> {
        self.state.signer.issuer(name)?;
        Ok(self.state.endpoint_url(name, endpoint))
    }

    /// Returns the URL of the control API.
    pub fn control_url(&self) -> String {
        format!("{}{CONTROL}", self.base())
    }

    /// Returns the bearer token that the control API demands.
    pub fn control_secret(&self) -> &Secret {
        &self.state.control_secret
    }

    /// Returns an access token of the issuer `name`.
    ///
    /// # Errors
    /// There is no such issuer, person, shape or forgery, or the token cannot be signed.
    pub fn token(&self, name: &str, wanted: &TokenRequest) -> Result<Secret, ServerError> {
        self.state.signer.issuer(name)?;
        Ok(self.state.mint(name, wanted, &mint::Use::default())?.token)
    }

    /// Adds a person, or replaces the one of the same name.
    pub fn add_person(&self, person: Person) {
        self.state.locked().people.insert(person.name.clone(), person);
    }

    /// Makes the issuer `name` sign with a new key from now on; the keys before it stay published with `overlap` alone.
    ///
    /// # Errors
    /// There is no such issuer, or the key cannot be generated.
    pub async fn rotate(&self, name: &str, overlap: bool) -> Result<(), ServerError> {
        Ok(self.state.rotate(name, overlap).await?)
    }

    /// Gives `endpoint` of the issuer `name` a fault, in place of an earlier one.
    ///
    /// # Errors
    /// There is no such issuer, or the fault is not for this endpoint.
    pub async fn set_fault(&self, name: &str, endpoint: Endpoint, fault: Fault) -> Result<(), ServerError> {
        Ok(self.state.set_fault(name, endpoint, fault).await?)
    }

    /// Ends all faults of the issuer `name`.
    ///
    /// # Errors
    /// There is no such issuer.
    pub fn clear_faults(&self, name: &str) -> Result<(), ServerError> {
        Ok(self.state.clear_faults(name, None)?)
    }

    /// Returns the latest requests, the oldest first.
    pub fn requests(&self) -> Vec<RequestRecord> {
        self.state.locked().requests.iter().cloned().collect()
    }

    /// Returns the requests from now on. Only the latest receiver gets them.
    pub fn watch(&self) -> mpsc::UnboundedReceiver<RequestRecord> {
        let (sender, receiver) = mpsc::unbounded_channel();
        self.state.locked().watcher = Some(sender);
        receiver
    }

    /// Returns an AuthenticationConfiguration (KEP-3331) that accepts the tokens of all its issuers.
    ///
    /// # Errors
    /// It serves without TLS, which API servers refuse, or no configuration accepts tokens of its shape.
    pub fn authentication_configuration(&self) -> Result<String, ServerError> {
        cluster::authentication_configuration(&self.state, self.authority())
    }

    /// Returns the `--oidc-…` flags of an API server that accepts the tokens of its first issuer; the authority is in the file `ca_file`.
    ///
    /// # Errors
    /// It serves without TLS, which API servers refuse, or its first issuer has another URL than its address.
    pub fn flags(&self, ca_file: &str) -> Result<Vec<String>, ServerError> {
        cluster::flags(&self.state, self.authority(), ca_file)
    }

    /// Stops the server; its port is free afterwards.
    pub async fn stop(self) {
        self.listening.stop().await;
    }
}

fn host(url: &str) -> Option<String> {
    let url = Url::parse(url).ok()?;
    url.domain().map(str::to_owned)
}

/// Checks the options that contradict each other.
fn check(options: &ServerOptions) -> Result<(), ServerError> {
    let is_local = is_address(&options.address.to_string());
    if options.address.is_unspecified() {
        return Err(ServerError::EveryAddress);
    }
    if !is_local && options.callers == Callers::ThisUser {
        return Err(ServerError::NotLoopback(options.address));
    }
    if !is_local && options.plain {
        return Err(ServerError::PlainElsewhere(options.address));
    }
    if options.issuers.is_empty() {
        return Err(ServerError::NoIssuer);
    }
    for issuer in &options.issuers {
        let Some(url) = &issuer.url else { continue };
        let parsed = Url::parse(url).ok();
        if !parsed.is_some_and(|url| ["http", "https"].contains(&url.scheme()) && url.query().is_none() && url.fragment().is_none()) {
            return Err(ServerError::Url(url.clone()));
        }
    }
    for like in options.people.iter().filter_map(|person| person.like.as_deref()) {
        TokenShape::named(like)?;
    }
    Ok(())
}

impl From<IssuerError> for Refused {
    fn from(error: IssuerError) -> Self {
        Self::server(error.to_string())
    }
}
