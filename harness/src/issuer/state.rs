//! The state of a server: keys, people, faults, and everything that was handed out. The type is [`State`].

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::authorize::Code;
use super::device::Device;
use super::endpoint::Endpoint;
use super::error::Refused;
use super::fault::Fault;
use super::grant::Grant;
use super::recent::{Recent, unguessable};
use super::record::RequestRecord;
use super::tokens::Issued;
use super::{Callers, Person};
use crate::identity_provider::issuer::{Algorithm, FurtherKey, IssuerError, Signer};
use crate::secret::Secret;
use crate::token_shape::TokenShape;

/// The number of requests that are kept.
const REQUESTS: usize = 1000;
/// The number of earlier keys that stay published.
const KEYS: usize = 8;

/// The options that do not change.
#[derive(Debug)]
pub(super) struct Settings {
    /// The address that the server listens on.
    pub(super) here: SocketAddr,
    pub(super) names: Vec<String>,
    pub(super) callers: Callers,
    pub(super) plain: bool,
    pub(super) algorithm: Algorithm,
    pub(super) audience: String,
    pub(super) lifetime: Duration,
    pub(super) like: Option<&'static TokenShape>,
    pub(super) login_page: bool,
}

/// The state of a server.
#[derive(Debug)]
pub(super) struct State {
    pub(super) signer: Signer,
    pub(super) settings: Settings,
    pub(super) control_secret: Secret,
    changing: Mutex<Changing>,
}

/// The part of the state that changes.
#[derive(Debug, Default)]
pub(super) struct Changing {
    pub(super) issuers: BTreeMap<String, IssuerState>,
    pub(super) people: BTreeMap<String, Person>,
    pub(super) codes: Recent<Code>,
    pub(super) refresh_tokens: Recent<Grant>,
    pub(super) devices: Recent<Device>,
    pub(super) issued: Recent<Issued>,
    pub(super) requests: VecDeque<RequestRecord>,
    pub(super) watcher: Option<mpsc::UnboundedSender<RequestRecord>>,
}

/// The keys and the faults of an issuer.
#[derive(Debug)]
pub(super) struct IssuerState {
    /// The key that signs.
    key: FurtherKey,
    /// The keys before it that are still published, the latest first.
    earlier: Vec<FurtherKey>,
    faults: BTreeMap<Endpoint, Fault>,
    /// The key that is published in place of each of its own.
    strangers_key: Option<Value>,
}

impl IssuerState {
    /// Returns the key that signs.
    pub(super) fn signing_key(&self) -> &FurtherKey {
        &self.key
    }

    fn own_keys(&self) -> Result<Vec<Value>, IssuerError> {
        std::iter::once(&self.key).chain(&self.earlier).map(FurtherKey::public).collect()
    }

    /// Returns the key set (RFC 7517 §5); with `wrong`, that of the fault.
    pub(super) fn key_set(&self, wrong: bool) -> Result<Value, IssuerError> {
        let mut keys = self.own_keys()?;
        if let Some(stranger) = self.strangers_key.as_ref().filter(|_| wrong) {
            for key in &mut keys {
                let id = key["kid"].take();
                *key = stranger.clone();
                key["kid"] = id;
            }
        }
        Ok(json!({ "keys": keys }))
    }
}

impl State {
    /// Generates a key for each issuer of `signer`.
    pub(super) async fn new(signer: Signer, settings: Settings, people: Vec<Person>) -> Result<Self, IssuerError> {
        let keys = settings.names.iter().map(|name| signer.further_key(name));
        let keys = futures::future::try_join_all(keys).await?;
        let issuers = settings.names.iter().cloned().zip(keys.into_iter().map(|key| IssuerState {
            key,
            earlier: Vec::new(),
            faults: BTreeMap::new(),
            strangers_key: None,
        }));
        let changing = Changing {
            issuers: issuers.collect(),
            people: people.into_iter().map(|person| (person.name.clone(), person)).collect(),
            ..Changing::default()
        };
        Ok(Self {
            signer,
            settings,
            control_secret: Secret::new(unguessable()),
            changing: Mutex::new(changing),
        })
    }

    /// Returns the part that changes.
    pub(super) fn locked(&self) -> MutexGuard<'_, Changing> {
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the URL of `endpoint` of the issuer `name`.
    pub(super) fn endpoint_url(&self, name: &str, endpoint: Endpoint) -> String {
        format!("{}/{name}/{}", self.signer.base(), endpoint.path())
    }

    /// Changes the issuer `name`.
    pub(super) fn change<T>(&self, name: &str, change: impl FnOnce(&mut IssuerState) -> T) -> Result<T, Refused> {
        let mut locked = self.locked();
        let known = self.settings.names.join(", ");
        let unknown = || Refused::new("not_found", format!("unknown issuer {name:?} (known: {known})")).with_status(404);
        locked.issuers.get_mut(name).map(change).ok_or_else(unknown)
    }

    /// Makes the issuer `name` sign with a new key.
    pub(super) async fn rotate(&self, name: &str, overlap: bool) -> Result<(), Refused> {
        self.change(name, |_| ())?;
        let new = self.signer.further_key(name).await?;
        self.change(name, |issuer| {
            let old = std::mem::replace(&mut issuer.key, new);
            if overlap {
                issuer.earlier.insert(0, old);
                issuer.earlier.truncate(KEYS);
            } else {
                issuer.earlier.clear();
            }
        })
    }

    /// Gives `endpoint` of the issuer `name` a fault.
    pub(super) async fn set_fault(&self, name: &str, endpoint: Endpoint, fault: Fault) -> Result<(), Refused> {
        fault.check(endpoint)?;
        self.change(name, |_| ())?;
        let stranger = match fault.wrong_keys {
            false => None,
            true => Some(self.signer.further_key(name).await?.public()?),
        };
        self.change(name, |issuer| {
            if endpoint == Endpoint::Keys {
                issuer.strangers_key = stranger;
            }
            issuer.faults.insert(endpoint, fault);
        })
    }

    /// Ends the fault of `endpoint` of the issuer `name`, or all of them.
    pub(super) fn clear_faults(&self, name: &str, endpoint: Option<Endpoint>) -> Result<(), Refused> {
        self.change(name, |issuer| match endpoint {
            Some(endpoint) => _ = issuer.faults.remove(&endpoint),
            None => issuer.faults.clear(),
        })
    }

    /// Returns the fault of `endpoint` for one request, which counts.
    pub(super) fn fault(&self, name: &str, endpoint: Endpoint) -> Fault {
        let taken = self.change(name, |issuer| {
            let fault = issuer.faults.get_mut(&endpoint)?;
            let now = fault.clone();
            if let Some(times) = &mut fault.times {
                *times = times.saturating_sub(1);
                if *times == 0 {
                    issuer.faults.remove(&endpoint);
                }
            }
            Some(now)
        });
        taken.ok().flatten().unwrap_or_default()
    }

    /// Keeps the record of a request, and passes it on.
    pub(super) fn keep(&self, record: RequestRecord) {
        let mut locked = self.locked();
        if locked.requests.len() == REQUESTS {
            locked.requests.pop_front();
        }
        if let Some(watcher) = &locked.watcher {
            // Nobody watches any more.
            let _gone = watcher.send(record.clone());
        }
        locked.requests.push_back(record);
    }

    /// Returns the state for the control API.
    pub(super) fn shown(&self) -> Result<Value, Refused> {
        let locked = self.locked();
        let mut issuers = serde_json::Map::new();
        for (name, issuer) in &locked.issuers {
            let ids: Vec<Value> = issuer.own_keys()?.into_iter().map(|key| key["kid"].clone()).collect();
            let shown = json!({
                "url": self.signer.url(name)?,
                "keys": ids,
                "faults": issuer.faults,
            });
            issuers.insert(name.clone(), shown);
        }
        let people: Vec<&String> = locked.people.keys().collect();
        Ok(json!({ "issuers": issuers, "people": people, "now": Timestamp::now() }))
    }
}
