//! Changes to a sound token of the harness' own issuer, in words; most of them make it unsound. The main type is [`TokenChange`].

use std::time::{Duration, SystemTime};

use serde_json::json;

use crate::identity_provider::issuer::{Algorithm, Forgery, Token};

/// A change to a token of the issuer with the given URL.
#[derive(Clone, Copy)]
pub(super) struct TokenChange(fn(Token, &str) -> Token);

impl TokenChange {
    /// Returns `token`, of the issuer whose URL is `issuer`, with the change.
    pub(super) fn applied(self, token: Token, issuer: &str) -> Token {
        self.0(token, issuer)
    }
}

const HOUR: Duration = Duration::from_secs(3600);

/// Returns the time in an hour.
fn later() -> SystemTime {
    SystemTime::now() + HOUR
}

phrases! {
    TokenChange as "token_change" {
        // Times and claims.
        "expired an hour ago" => Self(|token, _| token.expired(HOUR)),
        "is not valid before an hour from now" => Self(|token, _| token.not_before(later()).expires(later() + HOUR)),
        "was issued an hour from now" => Self(|token, _| token.issued(later()).expires(later() + HOUR)),
        "is for another cluster" => Self(|token, _| token.claim("aud", json!(["another-cluster"]))),
        "names no user" => Self(|token, _| token.without("username")),
        "has a number for a group" => Self(|token, _| token.claim("groups", json!([1]))),
        "has a slash at the end of its issuer" => Self(|token, issuer| token.issuer(&format!("{issuer}/"))),
        // fixtures/authentication/misspelt.toml
        "names an issuer that does not exist" => Self(|token, issuer| token.issuer(&issuer.replace("es256", "es265"))),
        // Keys and their ids.
        "was signed with a key that the issuer does not have" => Self(|token, _| token.forged(Forgery::UnknownKey)),
        "was signed under the name of one of its keys" => Self(|token, _| token.forged(Forgery::StrangersKey)),
        "points at a stranger's keys" => Self(|token, _| token.forged(Forgery::KeyUrl)),
        "contains a stranger's key" => Self(|token, _| token.forged(Forgery::EmbeddedKey)),
        "points at a stranger's certificate" => Self(|token, _| token.forged(Forgery::CertificateUrl)),
        "contains a stranger's certificate" => Self(|token, _| token.forged(Forgery::EmbeddedCertificate)),
        "has no key id" => Self(|token, _| token.without_kid()),
        "has an empty key id" => Self(|token, _| token.kid("")),
        "has a path for a key id" => Self(|token, _| token.kid("../../../../../../dev/null")),
        "has an address for a key id" => Self(|token, _| token.kid("https://127.0.0.1/keys")),
        "has a database query for a key id" => Self(|token, _| token.kid("' OR '1'='1' --")),
        "has a very long key id" => Self(|token, _| token.kid(&"key".repeat(4096))),
        // Signatures.
        "is not signed" => Self(|token, _| token.forged(Forgery::Unsigned)),
        "has the issuer's public key as an HMAC secret" => Self(|token, _| token.forged(Forgery::PublicKeyAsSecret)),
        "was changed after it was signed" => Self(|token, _| token.forged(Forgery::Altered {
            claim: "groups".to_owned(),
            value: json!(["system:masters"]),
        })),
        "has a flipped bit in its signature" => Self(|token, _| token.forged(Forgery::BrokenSignature)),
        // RFC 7515 §4.1.11: a recipient that does not understand all critical extensions must refuse.
        "has an unknown critical header" => Self(|token, _| token.header("crit", json!(["authlab"])).header("authlab", true)),
        "has a second signature appended" => Self(|token, _| token.forged(Forgery::TwoSignatures)),
        "has two signatures in JSON form" => Self(|token, _| token.forged(Forgery::TwoSignaturesInJson)),
        "is signed with RS256" => Self(|token, _| token.algorithm(Algorithm::Rs256)),
        "is signed with RS384" => Self(|token, _| token.algorithm(Algorithm::Rs384)),
        "is signed with RS512" => Self(|token, _| token.algorithm(Algorithm::Rs512)),
        "is signed with PS256" => Self(|token, _| token.algorithm(Algorithm::Ps256)),
        "is signed with PS384" => Self(|token, _| token.algorithm(Algorithm::Ps384)),
        "is signed with PS512" => Self(|token, _| token.algorithm(Algorithm::Ps512)),
        "is signed with ES256" => Self(|token, _| token.algorithm(Algorithm::Es256)),
        "is signed with ES384" => Self(|token, _| token.algorithm(Algorithm::Es384)),
        "is signed with ES512" => Self(|token, _| token.algorithm(Algorithm::Es512)),
    }
}
