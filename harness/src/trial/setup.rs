//! Somebody's files and flags, led to stand-ins for their issuers. The main type is [`Setup`].

use super::person::Presented;
use super::realm::{OwnRealm, RealmError, RealmSource};
use super::redirect::{Trusted, redirect};
use crate::cluster::Given;
use crate::cluster::given::{DETOUR, EGRESS_FILE, ISSUER_AUTHORITY_FILE};
use crate::configuration::flags;
use crate::hint::Hint;
use crate::identity_provider::issuer::{Algorithm, Detour, StandIn};
use crate::secret::Secret;
use crate::yaml::NotYaml;

/// The configuration of an API server, as somebody has it.
#[derive(Clone, Debug, Default)]
pub struct Source {
    /// The AuthenticationConfiguration, to the letter.
    pub authentication: Option<String>,
    /// The flags, name without dashes and value, without those that name `files` or the AuthenticationConfiguration.
    pub flags: Vec<(String, String)>,
    /// The content of other files, by the flag that names them.
    pub files: Vec<(String, String)>,
    /// The realm that people log in at.
    pub realm: Option<RealmSource>,
}

/// The flags and files of an API server that is tried, and its issuers.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The flags and files.
    pub given: Given,
    /// The issuers that it trusts.
    pub issuers: Vec<Trusted>,
    /// The issuers of a configuration that this one is compared with: people have tokens of these, too, and this API server decides what
    /// becomes of them.
    compared: Vec<Trusted>,
    /// The algorithm that all of its issuers may sign with.
    pub algorithm: Algorithm,
    /// `true` if the AuthenticationConfiguration was written anew, as JSON.
    pub is_rewritten: bool,
    /// The realm that people log in at, or why nobody can; `None` without one.
    pub realm: Option<Result<OwnRealm, RealmError>>,
    /// `true` if somebody logs in at the realm: a Keycloak is started with it.
    pub uses_keycloak: bool,
    /// `true` if the issuers are the real ones, whose tokens nobody here can sign.
    pub asks_real_issuers: bool,
}

/// The way from an API server to real issuers.
#[derive(Clone, Debug, Default)]
pub struct WayToIssuers {
    /// The variables that name proxies and the machine's authorities.
    pub environment: Vec<(String, String)>,
    /// The authorities in the file of `--oidc-ca-file`, PEM, if the issuer is one of flags and has such a file.
    pub authority: Option<String>,
}

/// An issuer that is asked through the API server's egress: a lab's leads to stand-ins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the configuration has `egressSelectorType`, and a lab has no egress that leads to real issuers")]
pub struct NoEgress;

impl Hint for NoEgress {
    fn hint(&self) -> Option<String> {
        Some("take `egressSelectorType` out of a copy of the file: this machine then reaches the issuers directly".to_owned())
    }
}

/// A token of an issuer that the configuration does not name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", match named {
    Some(issuer) => format!("no entry of the configuration names the issuer {issuer}"),
    None => format!("the claims name no issuer, and the configuration has {}", known.len()),
})]
pub struct UnknownIssuer {
    /// The issuer, if the claims or the person name one.
    named: Option<String>,
    /// The issuers of the configuration.
    known: Vec<String>,
}

impl Hint for UnknownIssuer {
    fn hint(&self) -> Option<String> {
        Some(match &self.known[..] {
            [] => "add an issuer: an entry below `jwt`, or the flags oidc-issuer-url and oidc-client-id".to_owned(),
            known => format!("the configuration trusts {}", known.join(", ")),
        })
    }
}

/// The algorithm of stand-ins, unless flags allow others only: every AuthenticationConfiguration allows it.
const ALGORITHM: Algorithm = Algorithm::Es256;

impl Setup {
    /// Returns the setup of an API server as in `source`, whose issuers are replaced by stand-ins.
    ///
    /// A text that is not YAML is given to the API server as it is, since its own words about it are wanted.
    #[must_use]
    pub fn of(source: &Source) -> Self {
        Self::with(source, true).0
    }

    /// Returns the setup of an API server as in `source`, which asks its real issuers in the `way` that this machine does.
    ///
    /// # Errors
    /// An issuer is asked through the API server's egress.
    pub fn with_real_issuers(source: &Source, way: WayToIssuers) -> Result<Self, NoEgress> {
        let (mut setup, uses_egress) = Self::with(source, false);
        setup.given.environment.extend(way.environment);
        let authority = way.authority.map(|text| ("oidc-ca-file".to_owned(), Secret::new(text)));
        setup.given.files.extend(authority);
        setup.asks_real_issuers = true;
        if uses_egress { Err(NoEgress) } else { Ok(setup) }
    }

    /// Returns the setup, with `stand_ins` or without, and whether an issuer is asked through the API server's egress.
    fn with(source: &Source, stand_ins: bool) -> (Self, bool) {
        // By whatever way a flag came, it reaches an API server only if the table says so.
        let is_taken = |(name, _): &&(String, String)| flags::is_taken(name);
        let mut given = Given {
            flags: source.flags.iter().filter(is_taken).cloned().collect(),
            files: source
                .files
                .iter()
                .filter(is_taken)
                .map(|(flag, text)| (flag.clone(), Secret::new(text.as_str())))
                .collect(),
            ..Given::default()
        };
        let (mut issuers, mut is_rewritten, mut uses_egress, mut algorithm) = (Vec::new(), false, false, ALGORITHM);
        match source.authentication.as_deref().map(|text| (text, redirect(text))) {
            Some((text, Ok(redirected))) => {
                uses_egress = redirected.uses_egress;
                issuers = redirected.issuers;
                if stand_ins {
                    if uses_egress {
                        replace(&mut given, "egress-selector-config-file", EGRESS_FILE);
                    }
                    given.authentication = Some(redirected.text);
                    is_rewritten = redirected.is_rewritten;
                } else {
                    given.authentication = Some(text.to_owned());
                }
            }
            Some((text, Err(NotYaml { .. }))) => given.authentication = Some(text.to_owned()),
            None => {}
        }
        if let Some(url) = value(&source.flags, "oidc-issuer-url") {
            // Beside a file, the API server refuses the flags, whose issuer is often that of the file.
            if !issuers.iter().any(|known| known.url == url) {
                issuers.push(Trusted {
                    url: url.to_owned(),
                    audiences: value(&source.flags, "oidc-client-id").map(str::to_owned).into_iter().collect(),
                    line: None,
                });
            }
            if stand_ins {
                replace(&mut given, "oidc-ca-file", ISSUER_AUTHORITY_FILE);
                let proxy = Detour::url(DETOUR, &StandIn::new(url));
                given.environment.push(("HTTPS_PROXY".to_owned(), proxy));
            }
            algorithm = allowed(value(&source.flags, "oidc-signing-algs"));
        }
        let setup = Self {
            realm: source.realm.as_ref().map(|realm| realm.meant(source, &issuers)),
            given,
            issuers,
            compared: Vec::new(),
            algorithm,
            is_rewritten,
            uses_keycloak: false,
            asks_real_issuers: false,
        };
        (setup, uses_egress)
    }

    /// Returns the same for people who may have tokens of the issuers of `other`, which it is compared with.
    #[must_use]
    pub fn compared_with(self, other: &Self) -> Self {
        Self {
            compared: other.issuers.clone(),
            ..self
        }
    }

    /// Returns the same with a Keycloak, if somebody logs in there, of those who have `credentials`.
    #[must_use]
    pub fn for_people<'a>(self, credentials: impl IntoIterator<Item = &'a Presented>) -> Self {
        let mut credentials = credentials.into_iter();
        Self {
            uses_keycloak: credentials.any(|presented| matches!(presented, Presented::Login(_))),
            ..self
        }
    }

    /// Returns the realm that a Keycloak is started with.
    pub fn started_realm(&self) -> Option<&OwnRealm> {
        self.realm
            .as_ref()
            .and_then(|realm| realm.as_ref().ok())
            .filter(|_| self.uses_keycloak)
    }

    /// Returns the issuer `url`, of this configuration or the one that it is compared with; without one, the only issuer of this one.
    ///
    /// # Errors
    /// There is no such issuer, or no only one.
    pub fn issuer(&self, url: Option<&str>) -> Result<&Trusted, UnknownIssuer> {
        let found = match (url, &self.issuers[..]) {
            (Some(url), all) => all.iter().chain(&self.compared).find(|issuer| issuer.url == url),
            (None, [only]) => Some(only),
            (None, _) => None,
        };
        found.ok_or_else(|| UnknownIssuer {
            named: url.map(str::to_owned),
            known: self.issuers.iter().chain(&self.compared).map(|issuer| issuer.url.clone()).collect(),
        })
    }
}

/// Returns the value of the flag `name`: of several, the last counts.
fn value<'a>(flags: &'a [(String, String)], name: &str) -> Option<&'a str> {
    flags.iter().rev().find(|(flag, _)| flag == name).map(|(_, value)| value.as_str())
}

/// Sets the flag `flag` to `value` in place of what was given for it.
fn replace(given: &mut Given, flag: &str, value: &str) {
    given.flags.retain(|(name, _)| name != flag);
    given.files.retain(|(name, _)| name != flag);
    given.flags.push((flag.to_owned(), value.to_owned()));
}

/// Returns the first of `algorithms` that stand-ins sign with; RS256, the default of the flag, where there is none.
fn allowed(algorithms: Option<&str>) -> Algorithm {
    let elliptic = [Algorithm::Es384, Algorithm::Es512];
    let known = algorithms
        .unwrap_or_default()
        .split(',')
        .filter_map(|name| name.trim().parse().ok());
    known
        .into_iter()
        .find(|algorithm| !elliptic.contains(algorithm))
        .unwrap_or(Algorithm::Rs256)
}
