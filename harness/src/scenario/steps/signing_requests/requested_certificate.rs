//! The certificates that people request in the features, and flaws of their requests.
//!
//! The main type is [`RequestedCertificate`]; [`Lifetime`] is how long one is valid.

use std::str::FromStr;
use std::sync::LazyLock;

use anyhow::{Context, Result};
use regex::Regex;

use crate::pem;
use crate::scenario::steps::Texts;

/// The certificate that a person requests: `certificate with the organization "platform-team" valid for 2 hours`.
#[derive(Clone, Debug, Default, PartialEq, Eq, cucumber::Parameter)]
#[param(
    name = "requested_certificate",
    regex = r#"(?:kubelet's )?certificate(?: of a team that may request certificates)?(?: with the organizations? "[^"]*"(?:(?:, | and )"[^"]*")*)?(?: for servers, too,?)?(?: valid for -?\d+ (?:seconds|minutes|hours))?(?: from the signer "[^"]*")?(?: in the name of "[^"]*")?"#
)]
pub(super) struct RequestedCertificate {
    pub(super) kubelet: bool,
    /// Whether it names the scenario's own group, whose permissions the holder then has.
    pub(super) of_team: bool,
    pub(super) organizations: Vec<String>,
    pub(super) servers: bool,
    pub(super) lifetime: Option<Lifetime>,
    pub(super) signer: Option<String>,
    pub(super) in_name_of: Option<String>,
}

/// A flaw of a request, in words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RequestFlaw {
    NoPem,
    CutShort,
    Changed,
    Missing(&'static str),
}

phrases! {
    RequestFlaw as "request_flaw" {
        "is no PEM block" => Self::NoPem,
        "was cut short" => Self::CutShort,
        "was changed after it was signed" => Self::Changed,
        "names no signer" => Self::Missing("signerName"),
        "names no usages" => Self::Missing("usages"),
    }
}

impl RequestFlaw {
    /// Returns the sound PKCS#10 request `pem` with this flaw.
    pub(super) fn done_to(self, pem: &str) -> Result<String> {
        match self {
            Self::NoPem => Ok("please".to_owned()),
            Self::CutShort => rewritten(pem, |der| der.truncate(der.len() / 2)),
            // The signature is over another common name than the one that the request then has: the name comes before
            // the key, and its letters are the first lower-case ones.
            Self::Changed => rewritten(pem, |der| {
                if let Some(letter) = der.iter_mut().find(|byte| byte.is_ascii_lowercase()) {
                    letter.make_ascii_uppercase();
                }
            }),
            Self::Missing(_) => Ok(pem.to_owned()),
        }
    }

    /// Returns the field that the request lacks.
    pub(super) fn missing_field(self) -> Option<&'static str> {
        match self {
            Self::Missing(field) => Some(field),
            _ => None,
        }
    }
}

/// Applies `change` to the DER inside of `pem`, and returns the result as PEM.
fn rewritten(pem: &str, change: impl FnOnce(&mut Vec<u8>)) -> Result<String> {
    let mut block = pem::first(pem)?;
    change(&mut block.contents);
    Ok(pem::encode(&block.label, &block.contents)?)
}

impl FromStr for RequestedCertificate {
    type Err = anyhow::Error;

    fn from_str(said: &str) -> Result<Self> {
        static PARTS: LazyLock<Result<Regex, regex::Error>> = LazyLock::new(|| {
            Regex::new(
                r#"^(?<kubelet>kubelet's )?certificate(?<team> of a team that may request certificates)?(?: with the organizations? (?<organizations>"[^"]*"(?:(?:, | and )"[^"]*")*))?(?<servers> for servers, too,?)?(?: valid for (?<lifetime>-?\d+ \w+))?(?: from the signer "(?<signer>[^"]*)")?(?: in the name of "(?<name>[^"]*)")?$"#,
            )
        });
        let parts = PARTS
            .as_ref()?
            .captures(said)
            .with_context(|| format!("nobody can request: {said}"))?;
        let text = |part: &str| parts.name(part).map(|found| found.as_str());
        let organizations = text("organizations").map(|all| all.parse::<Texts>().map_or_else(|never| match never {}, |all| all.0));
        Ok(Self {
            kubelet: text("kubelet").is_some(),
            of_team: text("team").is_some(),
            organizations: organizations.unwrap_or_default(),
            servers: text("servers").is_some(),
            lifetime: text("lifetime").map(str::parse).transpose()?,
            signer: text("signer").map(str::to_owned),
            in_name_of: text("name").map(str::to_owned),
        })
    }
}

/// The lifetime of a certificate: `2 hours`, `2 hours and 5 minutes`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, cucumber::Parameter)]
#[param(name = "lifetime", regex = r"-?\d+ (?:seconds|minutes|hours)(?: and \d+ (?:seconds|minutes))?")]
pub(super) struct Lifetime(pub(super) i64);

impl FromStr for Lifetime {
    type Err = anyhow::Error;

    fn from_str(said: &str) -> Result<Self> {
        let parts = said.split(" and ").map(|part| {
            let (number, unit) = part.split_once(' ').context("a lifetime is a number and a unit")?;
            let seconds = match unit {
                "seconds" => 1,
                "minutes" => 60,
                "hours" => 3600,
                other => anyhow::bail!("no lifetime is counted in {other}"),
            };
            Ok(number.parse::<i64>()? * seconds)
        });
        Ok(Self(parts.sum::<Result<i64>>()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_of_a_wish_is_read() {
        let said = r#"certificate with the organizations "a" and "b" for servers, too, valid for 20 hours from the signer "x/y" in the name of "z""#;
        let requested: RequestedCertificate = said.parse().expect("it is a request");
        let expected = RequestedCertificate {
            organizations: vec!["a".to_owned(), "b".to_owned()],
            servers: true,
            lifetime: Some(Lifetime(72000)),
            signer: Some("x/y".to_owned()),
            in_name_of: Some("z".to_owned()),
            ..RequestedCertificate::default()
        };
        assert_eq!(requested, expected);
        let requested: RequestedCertificate = "kubelet's certificate of a team that may request certificates"
            .parse()
            .expect("it is a request");
        assert!(requested.kubelet && requested.of_team, "{requested:?}");
        assert_eq!("2 hours and 5 minutes".parse::<Lifetime>().ok(), Some(Lifetime(7500)));
    }
}
