//! Making tokens: whose claims, which audience, for how long, and with which forgery. The main type is [`TokenRequest`].

use std::time::{Duration, SystemTime};

use serde_json::{Map, Value};

use super::error::Refused;
use super::parameters::Parameters;
use super::state::State;
use super::tokens::Issued;
use crate::identity_provider::issuer::Forgery;
use crate::jwt::{Jwt, seconds};
use crate::secret::Secret;
use crate::token_shape::TokenShape;

/// The forgeries that a request can name.
pub const FORGERIES: [(&str, Forgery); 9] = [
    ("strangers-key", Forgery::StrangersKey),
    ("unknown-key", Forgery::UnknownKey),
    ("unsigned", Forgery::Unsigned),
    ("public-key-as-secret", Forgery::PublicKeyAsSecret),
    ("broken-signature", Forgery::BrokenSignature),
    ("embedded-key", Forgery::EmbeddedKey),
    ("embedded-certificate", Forgery::EmbeddedCertificate),
    ("two-signatures", Forgery::TwoSignatures),
    ("two-signatures-in-json", Forgery::TwoSignaturesInJson),
];

/// The longest lifetime: a century, in seconds.
const LONGEST: i64 = 100 * 366 * 24 * 3600;

/// The contents of a requested token. By default, it is a sound one for the subject of the login.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TokenRequest {
    /// The person whose claims it has.
    pub person: Option<String>,
    /// The claims, over all others.
    pub claims: Map<String, Value>,
    /// The names of claims that it does not have.
    pub without: Vec<String>,
    /// The audience of an access token: one text, or a list.
    pub audience: Option<Value>,
    /// The lifetime in seconds. It is negative for a token that has expired.
    pub lifetime: Option<i64>,
    /// The name of the shape whose claims lie below.
    pub like: Option<String>,
    /// The name of one of [`FORGERIES`].
    pub forge: Option<String>,
}

/// The use of a token, which decides what a request leaves open.
#[derive(Clone, Debug, Default)]
pub(super) struct Use {
    /// The user of the login, or the client.
    pub(super) subject: Option<String>,
    /// The client, in an ID token: its audience (OpenID Connect Core 1.0 §2).
    pub(super) client_of_id_token: Option<String>,
    /// Further claims, below those of the request.
    pub(super) claims: Map<String, Value>,
}

/// A signed token.
pub(super) struct Minted {
    pub(super) token: Secret,
    /// The seconds until it expires.
    pub(super) expires_in: i64,
}

impl TokenRequest {
    /// Reads the parameters of a token request, beside those of OAuth.
    pub(super) fn read(parameters: &Parameters) -> Result<Self, Refused> {
        let audience = parameters.value("audience").or_else(|| parameters.value("resource"));
        Ok(Self {
            person: parameters.text("person")?,
            claims: parameters.object("claims")?,
            without: parameters.list("without")?,
            audience: audience.cloned(),
            lifetime: parameters.number("lifetime")?,
            like: parameters.text("like")?,
            forge: parameters.text("forge")?,
        })
    }

    /// Lays `over` over it.
    pub(super) fn with(mut self, over: Self) -> Self {
        self.claims.extend(over.claims);
        self.without.extend(over.without);
        Self {
            person: over.person.or(self.person),
            audience: over.audience.or(self.audience),
            lifetime: over.lifetime.or(self.lifetime),
            like: over.like.or(self.like),
            forge: over.forge.or(self.forge),
            ..self
        }
    }
}

impl State {
    /// Returns a token of the issuer `name`.
    pub(super) fn mint(&self, name: &str, wanted: &TokenRequest, used: &Use) -> Result<Minted, Refused> {
        let locked = self.locked();
        let person = match (&wanted.person, &used.subject) {
            (Some(person), _) => Some(locked.people.get(person).ok_or_else(|| {
                let known: Vec<&str> = locked.people.keys().map(String::as_str).collect();
                Refused::request(format!("unknown person {person:?} (known: {})", known.join(", ")))
            })?),
            (None, Some(user)) => locked.people.get(user),
            (None, None) => None,
        };
        let person = person.cloned().unwrap_or_default();
        let key = locked.issuers.get(name).map(|issuer| issuer.signing_key().clone());
        drop(locked);

        let shape = match wanted.like.as_ref().or(person.like.as_ref()) {
            Some(like) => Some(TokenShape::named(like).map_err(|error| Refused::request(error.to_string()))?),
            None => self.settings.like,
        };
        let mut token = self.signer.token(name)?;
        if let Some(key) = &key {
            token = token.key(key);
        }
        let default_lifetime = match shape {
            Some(shape) => {
                for claim in ["aud", "sub", "nbf", "jti"] {
                    token = token.without(claim);
                }
                token = token.claims(shape.claims(Some(&self.signer.url(name)?), &Map::new()));
                token = shape
                    .header
                    .iter()
                    .fold(token, |token, (field, value)| token.header(field, value.clone()));
                // The shape's own subject is an example; a person has another.
                if !person.name.is_empty() {
                    token = token.subject(&person.name);
                }
                shape.life()
            }
            None => {
                let named = Some(person.name.clone()).filter(|name| !name.is_empty());
                let subject = named.or_else(|| used.subject.clone());
                token = token
                    .subject(subject.as_deref().unwrap_or("alice"))
                    .audience(&self.settings.audience);
                self.settings.lifetime
            }
        };
        token = token.claims(used.claims.clone());
        match (&used.client_of_id_token, &wanted.audience) {
            (Some(client), _) => token = token.claim("aud", client.clone()),
            (None, Some(audience)) => token = token.claim("aud", audience.clone()),
            (None, None) => {}
        }
        let default_lifetime = i64::try_from(default_lifetime.as_secs()).unwrap_or(LONGEST);
        let lifetime = wanted.lifetime.unwrap_or(default_lifetime).clamp(-LONGEST, LONGEST);
        let duration = Duration::from_secs(lifetime.unsigned_abs());
        token = if lifetime < 0 {
            token.expired(duration)
        } else {
            token.expires(SystemTime::now() + duration)
        };
        token = token.claims(person.claims).claims(wanted.claims.clone());
        for claim in person.without.iter().chain(&wanted.without) {
            token = token.without(claim);
        }
        if let Some(forge) = &wanted.forge {
            let known = FORGERIES.map(|(name, _)| name).join(", ");
            let found = FORGERIES.into_iter().find(|(name, _)| name == forge);
            let unknown = || Refused::request(format!("unknown forgery {forge:?} (known: {known})"));
            token = token.forged(found.ok_or_else(unknown)?.1);
        }
        let token = token.sign()?;
        let claims = Jwt::parse(token.expose()).map(|jwt| jwt.claims).unwrap_or_default();
        let expires = claims.get("exp").and_then(seconds);
        let expires_in = expires.map_or(lifetime, |expires| expires.saturating_sub(now()));
        // A forged token is not this issuer's: introspection and userinfo do not know it.
        if wanted.forge.is_none() {
            self.locked().issued.add(
                token.expose().to_owned(),
                Issued {
                    issuer: name.to_owned(),
                    claims,
                },
            );
        }
        Ok(Minted {
            token,
            expires_in: expires_in.max(0),
        })
    }
}

/// Returns the seconds since 1970.
pub(super) fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}
