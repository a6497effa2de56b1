//! The flaws of a token of the harness' own issuer, in words.
//!
//! The main type is [`TokenFlaw`].

use std::str::FromStr;
use std::time::{Duration, SystemTime};

use serde_json::json;

use crate::identity_provider::issuer::{Forgery, Token};

/// A flaw of a token that is otherwise sound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, cucumber::Parameter)]
#[param(
    name = "token_flaw",
    regex = "expired an hour ago|is not valid before an hour from now|was issued an hour from now|is for another cluster|was signed with a key that the issuer does not have|was signed under the name of one of its keys|was changed after it was signed|names no user|has a number for a group|has a slash at the end of its issuer|is not signed|was signed with the public key for a secret|points at a stranger's keys|brings a stranger's key along|points at a stranger's certificate|brings a stranger's certificate along|has a second signature behind the first|has a second signature beside the first|has one bit of its signature flipped|demands what nobody understands|names no key|names its key by (?:a path|an address|a query|nothing at all|a very long text)"
)]
pub(super) enum TokenFlaw {
    Expired,
    NotYetValid,
    IssuedLater,
    OtherAudience,
    UnknownKey,
    StrangersKey,
    Altered,
    NoUser,
    NumberForGroup,
    TrailingSlash,
    Unsigned,
    PublicKeyAsSecret,
    KeyUrl,
    EmbeddedKey,
    CertificateUrl,
    EmbeddedCertificate,
    SecondBehind,
    SecondBeside,
    BrokenSignature,
    Critical,
    NoKey,
    KeyNamed(&'static str),
    LongKeyName,
}

impl FromStr for TokenFlaw {
    type Err = anyhow::Error;

    fn from_str(said: &str) -> Result<Self, anyhow::Error> {
        Ok(match said {
            "expired an hour ago" => Self::Expired,
            "is not valid before an hour from now" => Self::NotYetValid,
            "was issued an hour from now" => Self::IssuedLater,
            "is for another cluster" => Self::OtherAudience,
            "was signed with a key that the issuer does not have" => Self::UnknownKey,
            "was signed under the name of one of its keys" => Self::StrangersKey,
            "was changed after it was signed" => Self::Altered,
            "names no user" => Self::NoUser,
            "has a number for a group" => Self::NumberForGroup,
            "has a slash at the end of its issuer" => Self::TrailingSlash,
            "is not signed" => Self::Unsigned,
            "was signed with the public key for a secret" => Self::PublicKeyAsSecret,
            "points at a stranger's keys" => Self::KeyUrl,
            "brings a stranger's key along" => Self::EmbeddedKey,
            "points at a stranger's certificate" => Self::CertificateUrl,
            "brings a stranger's certificate along" => Self::EmbeddedCertificate,
            "has a second signature behind the first" => Self::SecondBehind,
            "has a second signature beside the first" => Self::SecondBeside,
            "has one bit of its signature flipped" => Self::BrokenSignature,
            "demands what nobody understands" => Self::Critical,
            "names no key" => Self::NoKey,
            "names its key by a path" => Self::KeyNamed("../../../../../../dev/null"),
            "names its key by an address" => Self::KeyNamed("https://127.0.0.1/keys"),
            "names its key by a query" => Self::KeyNamed("' OR '1'='1' --"),
            "names its key by nothing at all" => Self::KeyNamed(""),
            "names its key by a very long text" => Self::LongKeyName,
            other => anyhow::bail!("no token has the flaw: {other}"),
        })
    }
}

impl TokenFlaw {
    /// Returns `token`, of the issuer whose URL is `issuer`, with the flaw.
    pub(super) fn applied(self, token: Token, issuer: &str) -> Token {
        const HOUR: Duration = Duration::from_secs(3600);
        let later = || SystemTime::now() + HOUR;
        match self {
            Self::Expired => token.expired(HOUR),
            Self::NotYetValid => token.not_before(later()).expires(later() + HOUR),
            Self::IssuedLater => token.issued(later()).expires(later() + HOUR),
            Self::OtherAudience => token.claim("aud", json!(["another-cluster"])),
            Self::UnknownKey => token.forged(Forgery::UnknownKey),
            Self::StrangersKey => token.forged(Forgery::StrangersKey),
            Self::Altered => token.forged(Forgery::Altered {
                claim: "groups".to_owned(),
                value: json!(["system:masters"]),
            }),
            Self::NoUser => token.without("username"),
            Self::NumberForGroup => token.claim("groups", json!([1])),
            Self::TrailingSlash => token.issuer(&format!("{issuer}/")),
            Self::Unsigned => token.forged(Forgery::Unsigned),
            Self::PublicKeyAsSecret => token.forged(Forgery::PublicKeyAsSecret),
            Self::KeyUrl => token.forged(Forgery::KeyUrl),
            Self::EmbeddedKey => token.forged(Forgery::EmbeddedKey),
            Self::CertificateUrl => token.forged(Forgery::CertificateUrl),
            Self::EmbeddedCertificate => token.forged(Forgery::EmbeddedCertificate),
            Self::SecondBehind => token.forged(Forgery::TwoSignatures),
            Self::SecondBeside => token.forged(Forgery::TwoSignaturesInJson),
            Self::BrokenSignature => token.forged(Forgery::BrokenSignature),
            // RFC 7515 §4.1.11: a recipient that does not understand all critical extensions must refuse.
            Self::Critical => token.header("crit", json!(["authlab"])).header("authlab", true),
            Self::NoKey => token.without_kid(),
            Self::LongKeyName => token.kid(&"key".repeat(4096)),
            Self::KeyNamed(kid) => token.kid(kid),
        }
    }
}
