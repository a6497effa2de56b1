//! A person who is tried, and the credential that they present. The main type is [`Person`].

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value};

use crate::credential::Credential;
use crate::identity_provider::keycloak::export::Login;

/// A person, or a program, that presents a credential.
#[derive(Clone, Debug)]
pub struct Person {
    /// The name by which the user knows them.
    pub name: String,
    /// The credential.
    pub presents: Presented,
}

/// A credential, before it is made for a particular API server.
#[derive(Clone, Debug)]
pub enum Presented {
    /// A token of an issuer that the configuration trusts.
    Token(Claims),
    /// A client certificate (RFC 5280 §4.1.2.6).
    Certificate {
        /// The common name: the user.
        common_name: String,
        /// The organizations: the groups.
        organizations: Vec<String>,
    },
    /// A token that the API server issues for a service account.
    ServiceAccount {
        /// The namespace.
        namespace: String,
        /// The name.
        name: String,
    },
    /// A token that the person gets by logging in at the project's realm.
    Login(Login),
    /// A credential that exists already.
    Own(Credential),
}

/// The claims of a token to be signed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Claims {
    /// The issuer, if the claims do not name one; `None` for the only one that the configuration trusts.
    pub issuer: Option<String>,
    /// The claims. Where `aud` or a time is missing, a sound one is added.
    pub claims: Map<String, Value>,
    /// Claims that are left out, although they would be added.
    pub without: Vec<String>,
    /// The type in the token's header, if it is not `JWT`.
    pub typ: Option<String>,
    /// `true` to leave times as they are; otherwise they are moved so that the token was issued now.
    pub keep_times: bool,
}

/// The claims that are times (RFC 7519 §4.1.4 to §4.1.6; OpenID Connect Core 1.0 §2).
const TIMES: [&str; 4] = ["iat", "nbf", "exp", "auth_time"];

/// The life of a token whose claims do not say it, in seconds.
const LIFE: u64 = 3600;

impl Claims {
    /// Returns the issuer that the claims name, or else the one that was given.
    #[must_use]
    pub fn named_issuer(&self) -> Option<&str> {
        self.claims.get("iss").and_then(Value::as_str).or(self.issuer.as_deref())
    }

    /// Returns the claims of a token of `issuer` for `audience` that `person` presents now.
    pub(super) fn complete(&self, person: &str, issuer: &str, audience: Option<&str>) -> Map<String, Value> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let mut claims = self.claims.clone();
        if !self.keep_times {
            move_times(&mut claims, now);
        }
        let mut add = |name: &str, value: Value| {
            if !self.without.iter().any(|without| without == name) {
                claims.entry(name).or_insert(value);
            }
        };
        add("iss", issuer.into());
        if let Some(audience) = audience {
            add("aud", audience.into());
        }
        add("sub", person.into());
        add("iat", now.into());
        add("nbf", now.into());
        add("exp", (now + LIFE).into());
        // API servers keep the answer about a token for a moment: each is another one.
        add("jti", format!("{:032x}", rand::random::<u128>()).into());
        claims
    }
}

/// Moves the times in `claims` so that the token was issued at `now`, and lives as long as before.
fn move_times(claims: &mut Map<String, Value>, now: u64) {
    let time = |name: &str| claims.get(name).and_then(Value::as_f64);
    let (began, ended) = (time("iat").or_else(|| time("nbf")), time("exp"));
    let began = match (began, ended) {
        (Some(began), _) => began,
        (None, Some(ended)) => ended - LIFE as f64,
        (None, None) => return,
    };
    for name in TIMES {
        if let Some(at) = time_of(claims, name) {
            // Whole seconds: Go refuses times that are no numbers, and fractions say nothing here.
            let moved = (now as f64 + at - began).round();
            claims.insert(name.to_owned(), Value::from(moved as i64));
        }
    }
}

fn time_of(claims: &Map<String, Value>, name: &str) -> Option<f64> {
    claims.get(name).and_then(Value::as_f64)
}
