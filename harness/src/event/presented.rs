//! Credentials in a form that may be shown: decoded, and without the parts that authenticate. The main type is [`Presented`].

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use x509_parser::extensions::ParsedExtension;

use crate::jwt::Jwt;
use crate::pem;

/// A credential in a form that may be shown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Presented {
    /// An X.509 certificate (RFC 5280 §4.1), without its key.
    Certificate {
        /// The subject, in the format of RFC 4514.
        subject: String,
        /// The issuer, in the same format.
        issuer: String,
        /// The serial number, decimal.
        serial: String,
        /// The beginning of its validity, RFC 3339.
        not_before: String,
        /// The end of its validity, RFC 3339.
        not_after: String,
        /// The extended key usages (`client_auth`, `server_auth`, …; else dotted); if empty, the certificate does not restrict them.
        extended_key_usages: Vec<String>,
    },
    /// A signed token in compact form (RFC 7515 §3.1).
    Token {
        /// The decoded header.
        header: Value,
        /// The decoded claims.
        claims: Value,
        /// The first characters of the signature.
        signature: String,
    },
    /// Another credential, of which only the kind may be shown.
    Opaque {
        /// The kind, in a word or two: `bearer token`, `basic`, …
        described_as: String,
    },
}

/// The length of the kept part of a signature: enough to tell two tokens apart, far too little to use one (as in `secret::redact`).
const SIGNATURE: usize = 6;

impl Presented {
    /// Decodes the first certificate of `pem`; `None` if there is none that can be read.
    #[must_use]
    pub fn certificate(pem: &str) -> Option<Self> {
        let block = pem::first(pem).ok()?;
        let certificate = block.parse_x509().ok()?;
        let date = |time: &x509_parser::time::ASN1Time| {
            jiff::Timestamp::from_second(time.timestamp()).map_or_else(|_| time.to_string(), |time| time.to_string())
        };
        let mut usages = Vec::new();
        for extension in certificate.extensions() {
            if let ParsedExtension::ExtendedKeyUsage(usage) = extension.parsed_extension() {
                let named = [
                    (usage.any, "any"),
                    (usage.client_auth, "client_auth"),
                    (usage.server_auth, "server_auth"),
                    (usage.code_signing, "code_signing"),
                    (usage.email_protection, "email_protection"),
                    (usage.time_stamping, "time_stamping"),
                    (usage.ocsp_signing, "ocsp_signing"),
                ];
                usages.extend(named.iter().filter(|(is, _)| *is).map(|(_, name)| (*name).to_owned()));
                usages.extend(usage.other.iter().map(ToString::to_string));
            }
        }
        Some(Self::Certificate {
            subject: certificate.subject().to_string(),
            issuer: certificate.issuer().to_string(),
            serial: certificate.serial.to_string(),
            not_before: date(&certificate.validity().not_before),
            not_after: date(&certificate.validity().not_after),
            extended_key_usages: usages,
        })
    }

    /// Decodes `text` if it is a signed token in compact form whose header and claims are JSON.
    #[must_use]
    pub fn token(text: &str) -> Option<Self> {
        let text = text.trim();
        // A forged token may have further signatures; the first one is shown.
        let end = text.match_indices('.').nth(2).map_or(text.len(), |(at, _)| at);
        let jwt = Jwt::parse(&text[..end]).ok()?;
        let signature = URL_SAFE_NO_PAD.encode(jwt.signature).chars().take(SIGNATURE).collect();
        Some(Self::Token {
            header: jwt.header.into(),
            claims: jwt.claims.into(),
            signature,
        })
    }

    /// Decodes the value of an `Authorization` header (RFC 9110 §11.6.2).
    #[must_use]
    pub fn authorization(value: &str) -> Self {
        let (scheme, rest) = value.trim().split_once(' ').unwrap_or((value.trim(), ""));
        Self::token(rest).unwrap_or_else(|| Self::Opaque {
            described_as: match scheme.to_ascii_lowercase().as_str() {
                "bearer" => "bearer token".to_owned(),
                "basic" => "basic".to_owned(),
                _ => "unknown scheme".to_owned(),
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_taken_apart_and_loses_its_signature() {
        let text = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJlLXRoYXQtaXMtc2VjcmV0";
        let Presented::Token { header, claims, signature } = Presented::authorization(&format!("Bearer {text}")) else {
            panic!("it is a token");
        };
        assert_eq!(
            (header["alg"].as_str(), claims["sub"].as_str(), signature.as_str()),
            (Some("RS256"), Some("alice"), "c2lnbm")
        );
    }

    #[test]
    fn of_what_cannot_be_taken_apart_only_the_kind_is_shown() {
        for (value, kind) in [
            ("Bearer abcdef.secret", "bearer token"),
            ("Basic YWxpY2U6c2VjcmV0", "basic"),
            ("secret", "unknown scheme"),
        ] {
            let shown = Presented::authorization(value);
            assert_eq!(
                shown,
                Presented::Opaque {
                    described_as: kind.to_owned()
                }
            );
        }
    }
}
