//! Logging in at an OpenID Connect issuer as people do: in a browser, with a code typed elsewhere, or with a password.
//!
//! The main function is [`log_in`]. It takes the result of an earlier login from the [`Cache`], refreshes it before it expires, and
//! only then begins a new login; of several concurrent callers, one logs in and the others wait for it, and end with its result.
//! A login is given to the API server that it was made for, and to others when the user allows it. The user at the screen is
//! a [`Person`]: the wording and form of messages is not the business of this module.

mod address;
mod cache;
mod error;
mod flows;
mod lock;
mod provider;
mod redirect;
mod return_address;
mod servers;

use std::io;
use std::time::Duration;

use futures::future::BoxFuture;
use jiff::Timestamp;

pub use address::BadAddress;
pub use cache::{Audience, Cache, CacheError, Untrusted};
pub use error::LoginError;
pub use return_address::ReturnAddress;
pub use servers::{ApiServer, SYSTEM};

use crate::secret::Secret;
use cache::Entry;
use lock::Lock;
use provider::Provider;

/// The time before its expiry from which a token is no longer used: it must still be valid when the last request arrives.
const MARGIN: i64 = 30;

/// The issuer of a login, and the way to log in.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The issuer's URL, exactly as in its tokens.
    pub issuer: String,
    /// The OAuth client.
    pub client_id: String,
    /// Its secret; `None` for a public client.
    pub client_secret: Option<Secret>,
    /// The CAs of the issuer's certificate, PEM; `None` for those of the system.
    pub authority: Option<String>,
    /// The scopes beside `openid`.
    pub scopes: Vec<String>,
    /// The flow.
    pub flow: Flow,
    /// The address that the login page returns to, if the flow is that of a browser.
    pub returns_to: ReturnAddress,
    /// The time limit for the user.
    pub limit: Duration,
    /// The API server that the token is for, if known.
    pub server: Option<ApiServer>,
    /// `true` if the issuer, the client or the CA was named by the cluster, which may be anyone's: no secret of the user is sent there.
    pub named_by_cluster: bool,
}

impl Settings {
    fn audience(&self) -> Audience {
        Audience {
            issuer: self.issuer.clone(),
            client_id: self.client_id.clone(),
        }
    }

    /// Fails if a secret would go to an issuer that the user did not name.
    fn check(&self) -> Result<(), LoginError> {
        let secret = match (&self.flow, &self.client_secret) {
            (Flow::Password { .. }, _) => "password",
            (_, Some(_)) => "client secret",
            _ => return Ok(()),
        };
        if !self.named_by_cluster {
            return Ok(());
        }
        Err(LoginError::SecretForAStranger {
            issuer: self.issuer.clone(),
            secret,
        })
    }
}

/// The way to log in.
#[derive(Clone, Debug)]
pub enum Flow {
    /// In a browser on this machine: authorization code with PKCE (RFC 6749 §4.1, RFC 7636), returned to a loopback address (RFC 8252 §7.3).
    Browser,
    /// With a code that is typed into a browser anywhere (RFC 8628).
    Device,
    /// With a password that is given to the client (RFC 6749 §4.3): for labs, and gone from OAuth 2.1.
    Password {
        /// The user name.
        user: String,
        /// The password; the user is asked if it is not given.
        password: Option<Secret>,
    },
}

impl Flow {
    /// Returns the user name, if it is known beforehand.
    fn user(&self) -> Option<&str> {
        match self {
            Self::Password { user, .. } => Some(user),
            Self::Browser | Self::Device => None,
        }
    }
}

/// The user at the screen.
pub trait Person: Send + Sync {
    /// Returns whether a user is there who can be asked.
    fn is_there(&self) -> bool;
    /// Opens the login page in a browser.
    ///
    /// # Errors
    /// There is no browser, or it does not start.
    fn open(&self, address: &str) -> io::Result<()>;
    /// Asks for the password.
    ///
    /// # Errors
    /// The password cannot be typed.
    fn password<'a>(&'a self, user: &'a str) -> BoxFuture<'a, io::Result<Secret>>;
    /// Asks whether logins may be given to a further API server.
    ///
    /// # Errors
    /// No user can answer.
    fn allows<'a>(&'a self, sharing: &'a Sharing) -> BoxFuture<'a, io::Result<bool>>;
    /// Shows a message.
    fn tell(&self, notice: &Notice<'_>);
}

/// A login, and an API server that has not received it yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sharing {
    /// The audience of the tokens.
    pub audience: Audience,
    /// The server.
    pub server: ApiServer,
    /// The servers that may receive them already.
    pub known: Vec<ApiServer>,
}

/// A message to the user.
#[derive(Clone, Copy, Debug)]
pub enum Notice<'a> {
    /// A new login begins, for this API server.
    LoggingInFor(&'a ApiServer),
    /// The login page was opened.
    Opened {
        /// Its address.
        address: &'a str,
    },
    /// The login page could not be opened: the user has to open it.
    Address {
        /// Its address.
        address: &'a str,
        /// The reason that it could not be opened.
        why: &'a io::Error,
    },
    /// A code has to be typed elsewhere.
    Code {
        /// The address to type it at.
        address: &'a str,
        /// The code.
        code: &'a str,
        /// The address with the code in it, if the issuer has one.
        complete: Option<&'a str>,
    },
    /// Another process logs in at the same issuer, and this one waits for it.
    Waiting,
    /// The file of an earlier login is not used.
    Untrusted(&'a Untrusted),
    /// The list of API servers that may receive logins is not used.
    UntrustedServers(&'a Untrusted),
    /// The earlier login cannot be refreshed, and a new one begins.
    Ended(&'a LoginError),
}

/// The result of a login.
#[derive(Clone, Debug)]
pub struct Ticket {
    /// The ID token, which API servers accept.
    pub id: Secret,
    /// The time until which a client may use it without asking again: somewhat earlier than it expires.
    pub usable_until: Timestamp,
}

impl From<&Entry> for Ticket {
    fn from(entry: &Entry) -> Self {
        Self {
            id: entry.id_token.clone(),
            usable_until: Timestamp::from_second(entry.usable_until()).unwrap_or(Timestamp::UNIX_EPOCH),
        }
    }
}

impl Entry {
    /// Returns the time until which it may be used. A token that lives for seconds has no half a minute to spare.
    fn usable_until(&self) -> i64 {
        let life = self.expires.saturating_sub(self.issued).max(0);
        self.expires.saturating_sub(MARGIN.min(life / 5))
    }
}

/// Returns a token of the issuer: that of an earlier login, refreshed if necessary, else that of a new login.
///
/// # Errors
/// The issuer is unreachable or refuses; a user is needed and is not there, does not return in time, or does not allow the API server
/// to receive it; a secret would go to an issuer that the user did not name.
pub async fn log_in(settings: &Settings, cache: &Cache, person: &dyn Person) -> Result<Ticket, LoginError> {
    settings.check()?;
    let key = cache::Key::of(settings);
    let earlier = cache.read(&key).inspect_err(|untrusted| person.tell(&Notice::Untrusted(untrusted)));
    let earlier = earlier.unwrap_or_default();
    admit(settings, cache, person, earlier.is_some()).await?;
    if let Some(entry) = earlier.filter(is_usable) {
        return Ok((&entry).into());
    }
    let lock = match cache.try_lock(&key)? {
        Some(lock) => lock,
        None => {
            person.tell(&Notice::Waiting);
            cache.lock(&key, settings.limit).await?
        }
    };
    // The previous holder of the lock may have left a usable login, made for another server.
    let earlier = cache.read(&key).unwrap_or_default();
    admit(settings, cache, person, earlier.is_some()).await?;
    if let Some(entry) = earlier.as_ref().filter(|entry| is_usable(entry)) {
        return Ok(entry.into());
    }
    if let Some(why) = lock.given_up() {
        return Err(LoginError::GivenUp { why: why.to_owned() });
    }
    attempt(settings, cache, &key, lock, earlier, person).await
}

/// Refreshes the earlier login or begins a new one, and stores it.
async fn attempt(
    settings: &Settings,
    cache: &Cache,
    key: &cache::Key,
    mut lock: Lock,
    earlier: Option<Entry>,
    person: &dyn Person,
) -> Result<Ticket, LoginError> {
    lock.begin().map_err(|source| CacheError::Write {
        path: cache.directory().to_owned(),
        source,
    })?;
    let done = async {
        let entry = fresh(settings, earlier, person).await?;
        cache.write(key, &entry)?;
        if let Some(server) = &settings.server {
            cache.allow(&settings.audience(), server)?;
        }
        Ok((&entry).into())
    };
    let done = done.await;
    match &done {
        Ok(_) => lock.succeed(),
        Err(error) => lock.fail(&LoginError::told(error)),
    }
    done
}

async fn fresh(settings: &Settings, earlier: Option<Entry>, person: &dyn Person) -> Result<Entry, LoginError> {
    let provider = Provider::discover(settings).await?;
    let Some(refresh) = earlier.and_then(|entry| entry.refresh_token) else {
        return provider.log_in(person).await;
    };
    match provider.refresh(&refresh).await {
        Err(error) if error.ends_the_login() => {
            if !provider.can_log_in(person) {
                return Err(LoginError::Over(Box::new(error)));
            }
            person.tell(&Notice::Ended(&error));
            provider.log_in(person).await
        }
        refreshed => refreshed,
    }
}

/// Checks that the API server may receive a token: the first one that a login is made for may, and others if the user allows it.
async fn admit(settings: &Settings, cache: &Cache, person: &dyn Person, has_earlier: bool) -> Result<(), LoginError> {
    let Some(server) = &settings.server else { return Ok(()) };
    let known = cache.servers(&settings.audience());
    let known = known.inspect_err(|untrusted| person.tell(&Notice::UntrustedServers(untrusted)));
    let known = known.unwrap_or_default();
    if known.contains(server) || known.is_empty() && !has_earlier {
        return Ok(());
    }
    let sharing = Sharing {
        audience: settings.audience(),
        server: server.clone(),
        known,
    };
    let refused = |source| LoginError::NotForServer {
        sharing: Box::new(sharing.clone()),
        directory: cache.directory().to_owned(),
        source,
    };
    if !person.is_there() {
        return Err(refused(None));
    }
    match person.allows(&sharing).await {
        Ok(true) => Ok(cache.allow(&sharing.audience, server)?),
        Ok(false) => Err(LoginError::NotAllowed {
            server: server.url.clone(),
        }),
        Err(error) => Err(refused(Some(error))),
    }
}

fn is_usable(entry: &Entry) -> bool {
    Timestamp::now().as_second() < entry.usable_until()
}

#[cfg(test)]
mod tests;
