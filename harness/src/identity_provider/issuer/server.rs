//! The server: discovery and keys of every issuer path, and a record of the requests.
//!
//! The main type is [`Issuer`]. It serves until it is dropped.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{AUTHORIZATION, CACHE_CONTROL, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use jsonwebtoken::jwk::Jwk;
use rustls::ServerConfig;
use serde_json::{Value, json};

use super::algorithm::Algorithm;
use super::issuer_path::IssuerPath;
use super::keys::Signer;
use super::requests::{StandInRequest, StandInRequests};
use super::{IssuerError, StandIn, token};
use crate::event::{Verdict, milliseconds};
use crate::identity_provider::Address;
use crate::listener::answer::{self, text};
use crate::listener::{Account, Call, Connection, Listener, Listening, Subject};
use crate::pem;
use crate::pki::{Leaf, PkiError};

/// The path that `jku` headers of forged tokens point at. No issuer path can be the same.
pub(super) const STRANGER_KEYS: &str = "/.stranger/keys";
/// The path that `x5u` headers of forged tokens point below.
pub(super) const STRANGER_CERTIFICATES: &str = "/.stranger/certificates";
/// The path that reports how often such a header was followed.
pub(super) const STRANGERS_ASKED: &str = "/.stranger/asked";
/// The path of distributed claims (OpenID Connect Core 1.0 §5.6.2); a token follows it, and is the response.
pub(super) const CLAIMS: &str = "/.claims/";
/// The path of a user directory that demands a login.
pub(super) const DIRECTORY: &str = "/.directory";
/// The path of discovery documents (OpenID Connect Discovery 1.0 §4).
pub(super) const DISCOVERY: &str = "/.well-known/openid-configuration";
/// The path of keys, below an issuer's.
pub(super) const KEYS: &str = "/keys";
/// The number of further keys that an issuer path publishes at most. API servers read a whole key set each time, and a lab may stay up for
/// months.
const FURTHER_KEYS: usize = 32;
/// The number of connections that are remembered at most.
const CALLERS: usize = 1024;
/// The header of keys that may be kept for a day (RFC 9111 §5.2.2.1).
const FOR_A_DAY: HeaderValue = HeaderValue::from_static("public, max-age=86400");

/// The issuer's name in the record of a scenario.
const CALLED: &str = "issuer";

/// The numbers of requests to an issuer path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RequestCounts {
    /// Requests for the discovery document.
    pub discovery: u64,
    /// Requests for the keys.
    pub keys: u64,
}

#[derive(Debug, Default)]
struct Record {
    paths: BTreeMap<String, RequestCounts>,
    strangers: u64,
    /// The keys that each issuer path publishes beside its first ones.
    further_keys: BTreeMap<String, VecDeque<Jwk>>,
    /// The other ends of connections on which a discovery document was asked for that is not there at first.
    callers: HashSet<SocketAddr>,
    /// The keys of real issuers, by their URL, which the stand-ins for them publish beside their own.
    real_keys: BTreeMap<String, Vec<Value>>,
}

/// A place for the keys of real issuers. Cheap to clone.
#[derive(Clone, Debug)]
pub struct RealKeys(Arc<Mutex<Record>>);

impl RealKeys {
    /// Lets the stand-in for the issuer `url` publish the public `keys` of that issuer beside its own (RFC 7517 §5), so that API servers accept
    /// the tokens of both.
    pub fn publish(&self, url: &str, keys: &Value) {
        let keys = keys.get("keys").and_then(Value::as_array).cloned().unwrap_or_default();
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .real_keys
            .insert(url.to_owned(), keys);
    }
}

impl Record {
    /// Returns whether `caller`, the other end of a connection, is not known yet, and remembers it.
    fn is_new(&mut self, caller: SocketAddr) -> bool {
        if self.callers.len() == CALLERS {
            self.callers.clear();
        }
        self.callers.insert(caller)
    }

    /// Adds a key that the issuer at `path` publishes. Beyond [`FURTHER_KEYS`] the oldest one goes, as with issuers that rotate their keys.
    fn publish(&mut self, path: &str, key: Jwk) {
        let keys = self.further_keys.entry(path.to_owned()).or_default();
        if keys.len() == FURTHER_KEYS {
            keys.pop_front();
        }
        keys.push_back(key);
    }
}

/// An issuer whose addresses are known and whose keys are not generated yet: requests wait until
/// it serves. API servers can thus be configured with it while RSA keys are being generated.
#[derive(Debug)]
pub struct ListeningIssuer {
    listener: Listener,
    base: String,
    tls: ServerConfig,
    paths: Vec<IssuerPath>,
    record: Arc<Mutex<Record>>,
    account: Account,
}

impl ListeningIssuer {
    /// Keeps `account` of the requests of API servers for discovery documents and keys.
    #[must_use]
    pub fn accounted(self, account: Account) -> Self {
        Self { account, ..self }
    }

    /// Returns the beginning of the URLs of all its issuer paths.
    pub fn base(&self) -> String {
        self.base.clone()
    }

    /// Returns the place for the keys of real issuers that it stands in for.
    pub fn real_keys(&self) -> RealKeys {
        RealKeys(Arc::clone(&self.record))
    }

    /// Returns the issuer URL of `path`, as [`Signer::url`] will return it.
    ///
    /// # Errors
    /// There is no such issuer path.
    pub fn url(&self, path: &str) -> Result<String, IssuerError> {
        if let Some(issuer) = self.paths.iter().find(|issuer| issuer.path == path) {
            return Ok(issuer.url(&self.base));
        }
        Err(IssuerError::UnknownPath {
            path: path.to_owned(),
            known: self.paths.iter().map(|issuer| issuer.path.clone()).collect(),
        })
    }

    /// Generates the keys and serves.
    ///
    /// # Errors
    /// A path is invalid, or a key cannot be generated.
    pub async fn serve(self) -> Result<Issuer, IssuerError> {
        let signer = Signer::generate(self.base, self.paths).await?;
        let record = self.record;
        let service = Service {
            signer: signer.clone(),
            record: record.clone(),
            stand_ins: StandInRequests::default(),
            account: self.account,
        };
        let stand_ins = service.stand_ins.clone();
        let listening = self.listener.serve(Some(self.tls), move |request, connection| {
            let service = service.clone();
            async move { Ok::<_, Infallible>(service.accounted(&request, &connection).await) }
        });
        Ok(Issuer {
            signer,
            record,
            stand_ins,
            listening,
        })
    }
}

/// A running issuer. Dropping it ends it and frees its port.
#[derive(Debug)]
pub struct Issuer {
    signer: Signer,
    record: Arc<Mutex<Record>>,
    stand_ins: StandInRequests,
    listening: Listening,
}

impl Issuer {
    /// Listens on a free loopback port for `paths`, with the certificate `leaf`.
    ///
    /// # Errors
    /// The issuer cannot listen, or the certificate cannot be used.
    pub async fn listen(leaf: &Leaf, paths: Vec<IssuerPath>) -> Result<ListeningIssuer, IssuerError> {
        Self::listen_at(&Address::loopback(), leaf, paths).await
    }

    /// Listens on a free port of `address` for `paths`, with the certificate `leaf`, which must be valid for that address.
    ///
    /// # Errors
    /// The issuer cannot listen, or the certificate cannot be used.
    pub async fn listen_at(address: &Address, leaf: &Leaf, paths: Vec<IssuerPath>) -> Result<ListeningIssuer, IssuerError> {
        let tls = crate::tls::server(leaf)?;
        let wrong = |source| IssuerError::Listen {
            address: address.listen,
            source,
        };
        let listener = Listener::bind(address.listen).await.map_err(wrong)?;
        Ok(ListeningIssuer {
            base: format!("https://{}:{}", address.host, listener.address().port()),
            listener,
            tls,
            paths,
            record: Arc::default(),
            account: Account::default(),
        })
    }

    /// Listens and serves with new keys.
    ///
    /// # Errors
    /// Those of [`Issuer::listen`] and of [`ListeningIssuer::serve`].
    pub async fn start(leaf: &Leaf, paths: Vec<IssuerPath>) -> Result<Self, IssuerError> {
        Self::listen(leaf, paths).await?.serve().await
    }

    /// Returns the address that the issuer listens on.
    pub fn address(&self) -> SocketAddr {
        self.listening.address()
    }

    /// Returns the signer of its tokens.
    pub fn signer(&self) -> &Signer {
        &self.signer
    }

    /// Returns the numbers of requests to the issuer at `path`.
    pub fn asked(&self, path: &str) -> RequestCounts {
        self.record
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .paths
            .get(path)
            .copied()
            .unwrap_or_default()
    }

    /// Returns the requests for documents of stand-ins since `begin`, of the latest ones.
    pub fn stand_in_requests(&self, begin: SystemTime) -> Vec<StandInRequest> {
        self.stand_ins.since(begin)
    }

    /// Stops the issuer; its port is free afterwards.
    pub async fn stop(self) {
        self.listening.stop().await;
    }
}

#[derive(Clone)]
struct Service {
    signer: Signer,
    record: Arc<Mutex<Record>>,
    stand_ins: StandInRequests,
    account: Account,
}

impl Service {
    /// Answers `request`, and keeps account of it if an API server asks for a document of an issuer path.
    async fn accounted(&self, request: &Request<Incoming>, connection: &Connection) -> Response<Full<Bytes>> {
        let at = SystemTime::now();
        let subject = self.subject(request);
        let from = match subject {
            Some(_) => self.account.caller(connection.peer(), connection.local()).await,
            None => None,
        };
        let answer = self.answer(request, connection.peer());
        if let Some(subject) = subject {
            let status = answer.status().as_u16();
            self.account.add(Call {
                at,
                ms: milliseconds(at.elapsed().unwrap_or_default()),
                from,
                to: CALLED.to_owned(),
                request: format!("GET {}", request.uri().path()),
                status: Some(status),
                verdict: Verdict::of_status(status),
                answer: None,
                subject,
            });
        }
        answer
    }

    /// Returns the document that `request` is for, if it is one of an issuer path.
    fn subject(&self, request: &Request<Incoming>) -> Option<Subject> {
        let path = request.uri().path().strip_prefix('/').filter(|_| request.method() == Method::GET)?;
        let url = |path: &str| Some(self.issuer(path)?.url(self.signer.base()));
        let discovery = path.strip_suffix(DISCOVERY).and_then(url).map(Subject::Discovery);
        discovery.or_else(|| path.strip_suffix(KEYS).and_then(url).map(Subject::Keys))
    }

    fn answer(&self, request: &Request<Incoming>, caller: SocketAddr) -> Response<Full<Bytes>> {
        if request.method() == Method::POST {
            return self.publish(request);
        }
        if request.method() != Method::GET {
            return text(StatusCode::METHOD_NOT_ALLOWED, "only GET and POST are served");
        }
        match self.found(request.uri().path(), caller) {
            Ok(Some(answer)) => answer,
            Ok(None) => text(StatusCode::NOT_FOUND, "no issuer has this address"),
            Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
        }
    }

    /// Publishes a further key, which the issuer itself has signed ([`Signer::publication`]), in place of the oldest one of [`FURTHER_KEYS`].
    fn publish(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        let path = request.uri().path().strip_prefix('/').and_then(|path| path.strip_suffix(KEYS));
        let Some(issuer) = path.and_then(|path| self.issuer(path)) else {
            return text(StatusCode::NOT_FOUND, "no issuer has this address");
        };
        let authorization = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let token = authorization.and_then(|value| value.strip_prefix("Bearer "));
        let Some(key) = token.and_then(|token| self.signer.to_publish(&issuer.path, token)) else {
            return text(StatusCode::FORBIDDEN, "the issuer publishes the keys that it has signed itself");
        };
        self.write(|record| record.publish(&issuer.path, key));
        text(StatusCode::OK, "published")
    }

    fn found(&self, path: &str, caller: SocketAddr) -> Result<Option<Response<Full<Bytes>>>, IssuerError> {
        if path == STRANGER_KEYS {
            self.write(|record| record.strangers += 1);
            return Ok(Some(document(&json!({"keys": self.signer.stranger_key_set()?}))));
        }
        if let Some(algorithm) = path.strip_prefix(STRANGER_CERTIFICATES).and_then(|rest| rest.strip_prefix('/')) {
            self.write(|record| record.strangers += 1);
            let Ok(algorithm) = algorithm.parse::<Algorithm>() else {
                return Ok(None);
            };
            let certificate = token::certificate(&self.signer.stranger(algorithm)?.public_pem()?)?;
            let certificate = pem::encode(pem::CERTIFICATE, &certificate).map_err(PkiError::from)?;
            return Ok(Some(text(StatusCode::OK, certificate)));
        }
        if path == STRANGERS_ASKED {
            let asked = self.record.lock().unwrap_or_else(PoisonError::into_inner).strangers;
            return Ok(Some(document(&json!(asked))));
        }
        if let Some(token) = path.strip_prefix(CLAIMS).filter(|token| !token.is_empty()) {
            return Ok(Some(text(StatusCode::OK, token.to_owned())));
        }
        if path == DIRECTORY {
            let error = json!({ "code": "InvalidAuthenticationToken", "message": "Access token is empty." });
            return Ok(Some(answer::json(StatusCode::UNAUTHORIZED, &json!({ "error": error }))));
        }
        if let Some(stand_in) = StandIn::at(path) {
            let (asked, found) = match path.ends_with(DISCOVERY) {
                true => (DISCOVERY, stand_in.discovery(self.signer.base())),
                false => (KEYS, self.stand_in_keys(&stand_in)?),
            };
            let answer = document(&found);
            self.stand_ins.add(stand_in.url(), asked, answer.status().as_u16());
            return Ok(Some(answer));
        }
        let Some(path) = path.strip_prefix('/') else { return Ok(None) };
        if let Some(issuer) = path.strip_suffix(DISCOVERY).and_then(|path| self.issuer(path)) {
            self.write(|record| record.paths.entry(issuer.path.clone()).or_default().discovery += 1);
            if issuer.fails_at_first && self.write(|record| record.is_new(caller)) {
                return Ok(Some(text(StatusCode::SERVICE_UNAVAILABLE, "the issuer is starting")));
            }
            return Ok(Some(document(&self.discovery(issuer)?)));
        }
        if let Some(issuer) = path.strip_suffix(KEYS).and_then(|path| self.issuer(path)) {
            self.write(|record| record.paths.entry(issuer.path.clone()).or_default().keys += 1);
            if issuer.withholds_keys {
                return Ok(Some(text(StatusCode::SERVICE_UNAVAILABLE, "the keys are unavailable")));
            }
            return Ok(Some(self.keys(issuer)?));
        }
        Ok(None)
    }

    /// Returns the keys that `stand_in` publishes by now.
    fn stand_in_keys(&self, stand_in: &StandIn) -> Result<Value, IssuerError> {
        let mut keys = json!({ "keys": self.signer.stand_in_keys(stand_in)? });
        let record = self.record.lock().unwrap_or_else(PoisonError::into_inner);
        if let (Some(keys), Some(real)) = (keys["keys"].as_array_mut(), record.real_keys.get(stand_in.url())) {
            keys.extend(real.iter().cloned());
        }
        Ok(keys)
    }

    /// Returns the keys that `issuer` publishes by now.
    fn keys(&self, issuer: &IssuerPath) -> Result<Response<Full<Bytes>>, IssuerError> {
        let mut keys = self.signer.key_set(&issuer.path)?;
        let record = self.record.lock().unwrap_or_else(PoisonError::into_inner);
        keys.extend(record.further_keys.get(&issuer.path).into_iter().flatten().cloned());
        let mut answer = document(&json!({ "keys": keys }));
        if issuer.lets_keys_be_kept {
            answer.headers_mut().insert(CACHE_CONTROL, FOR_A_DAY);
        }
        Ok(answer)
    }

    fn issuer(&self, path: &str) -> Option<&IssuerPath> {
        self.signer.paths().find(|issuer| issuer.path == path)
    }

    /// Returns the metadata that OpenID Connect Discovery 1.0 §3 requires. The authorization endpoint answers 404, as
    /// no user logs in here.
    fn discovery(&self, issuer: &IssuerPath) -> Result<Value, IssuerError> {
        let url = issuer.address(self.signer.base());
        Ok(json!({
            "issuer": issuer.url(self.signer.base()),
            "authorization_endpoint": format!("{url}/authorize"),
            "jwks_uri": issuer.keys_url(self.signer.base()),
            "response_types_supported": ["id_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": issuer.algorithms,
        }))
    }

    fn write<T>(&self, change: impl FnOnce(&mut Record) -> T) -> T {
        change(&mut self.record.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn document(value: &Value) -> Response<Full<Bytes>> {
    answer::json(StatusCode::OK, value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_of_too_many_further_keys_goes() {
        let key =
            |number: usize| serde_json::from_value::<Jwk>(json!({ "kty": "oct", "kid": number.to_string(), "k": "AQID" })).expect("a key");
        let mut record = Record::default();
        for number in 0..FURTHER_KEYS + 2 {
            record.publish("a", key(number));
        }
        record.publish("b", key(0));
        let ids = |path: &str| {
            record.further_keys[path]
                .iter()
                .filter_map(|key| key.common.key_id.clone())
                .collect::<Vec<_>>()
        };
        let expected: Vec<String> = (2..FURTHER_KEYS + 2).map(|number| number.to_string()).collect();
        assert_eq!((ids("a"), ids("b")), (expected, vec!["0".to_owned()]));
    }
}
