//! Checks of a token: what kind it is, and every claim that an API server checks, compared with the server's configuration.
//!
//! The main function is [`check`]: no input, no output. [`gather`] reads beforehand what can be read. Each file is one comparison, and
//! names the source of Kubernetes that it follows.

mod audience;
mod bootstrap;
mod distributed;
mod eks;
mod entra;
mod evidence;
mod expression;
mod groups;
mod identity;
mod issuer;
mod kind;
mod opaque;
mod service_account;
mod signature;
#[cfg(test)]
mod tests;
mod times;

use jiff::Timestamp;
use serde_json::Value;

pub use evidence::{Evidence, gather};
pub use issuer::configured;
pub use kind::Kind;

use super::{Basis, Effect, Finding, Known, reasons};
use crate::credential::Credential;
use crate::event::Verdict;
use crate::jwt::Jwt;

/// Returns the issuer that a token names.
#[must_use]
pub fn issuer(token: &str) -> Option<String> {
    let jwt = Jwt::parse(token.trim()).ok()?;
    jwt.claims.get("iss")?.as_str().map(str::to_owned)
}

/// Returns `true` if `credential` presents a token that the configured issuers decide about: a JWT, and none of a service account.
#[must_use]
pub fn is_of_issuer(credential: &Credential) -> bool {
    credential.presentation().headers.iter().any(|(_, value)| {
        let token = value.expose().strip_prefix("Bearer ");
        match token.map(|token| Kind::of(token.trim())) {
            Some(Kind::Jwt(jwt)) => service_account::Account::of(&Claims::of(&jwt)).is_none(),
            _ => false,
        }
    })
}

/// Checks everything that an API server checks, in its order: the decisive comes first.
#[must_use]
pub fn check(token: &str, known: &Known, evidence: &Evidence, now: Timestamp) -> Vec<Finding> {
    let token = token.trim();
    let mut findings = match Kind::of(token) {
        Kind::Jwt(jwt) => of_jwt(token, &Claims::of(&jwt), known, evidence, now),
        kind => opaque::findings(token, &kind, known, evidence, now),
    };
    let reason = evidence.reason.as_deref();
    let proved = reason.and_then(|reason| reasons::read(reason, Verdict::Unauthenticated));
    // The server judged it: nothing is open, and no other guess is needed.
    findings.retain(|finding| match (finding.effect, finding.basis) {
        (Effect::Unjudged, _) => evidence.refused && proved.is_none(),
        (Effect::Cause, Basis::Likely) => proved.as_ref().is_none_or(|proved| proved.behaviour == finding.behaviour),
        _ => true,
    });
    findings
}

fn of_jwt(token: &str, claims: &Claims<'_>, known: &Known, evidence: &Evidence, now: Timestamp) -> Vec<Finding> {
    let Some(issuer) = configured(known, claims.issuer()) else {
        if let Some(account) = service_account::Account::of(claims) {
            return service_account::check(token, claims, &account, known, evidence, now);
        }
        return unknown_issuer(claims, known, now);
    };
    let signature::Checked { mut findings, guess } = signature::check(token, claims, issuer, evidence);
    findings.extend(audience::check(claims, issuer));
    findings.extend(times::of_issuer(&claims.jwt.claims, now));
    findings.extend(distributed::check(claims, issuer));
    findings.extend(identity::check(claims, issuer));
    if !findings.iter().any(|finding| finding.effect == Effect::Cause) {
        findings.extend(guess);
    }
    findings
}

/// A token of an unknown issuer is not looked at any further; its times are told all the same, since they hold everywhere.
fn unknown_issuer(claims: &Claims<'_>, known: &Known, now: Timestamp) -> Vec<Finding> {
    let mut findings: Vec<Finding> = issuer::unknown(claims, known).into_iter().collect();
    if findings.is_empty() {
        findings.push(Finding::unjudged(
            format!(
                "the token's issuer is {:?}, and the API server's issuers are not known here",
                claims.issuer()
            ),
            "give --authentication-config FILE, or --issuer and --audience, as the API server is configured",
        ));
        findings.extend(signature::of_no_issuer(claims));
        findings.extend(distributed::of_no_issuer(claims));
    }
    let times = times::of_issuer(&claims.jwt.claims, now).into_iter();
    // Another reader of the token (a webhook) may not demand an expiry.
    let is_sure = findings.iter().any(|finding| finding.rank() == (Effect::Cause, Basis::Compared));
    findings.extend(times.filter(|_| is_sure || claims.get("exp").is_some()));
    findings
}

/// Returns `finding` with its behaviour in the catalogue.
fn about(behaviour: &'static str, finding: Finding) -> Finding {
    Finding {
        behaviour: Some(behaviour),
        ..finding
    }
}

/// The claims of a token, as an API server reads them.
#[derive(Clone, Copy, Debug)]
struct Claims<'a> {
    jwt: &'a Jwt,
}

impl<'a> Claims<'a> {
    fn of(jwt: &'a Jwt) -> Self {
        Self { jwt }
    }

    fn get(&self, name: &str) -> Option<&'a Value> {
        self.jwt.claims.get(name)
    }

    fn text(&self, name: &str) -> Option<&'a str> {
        self.get(name)?.as_str()
    }

    /// Returns the names of all claims.
    fn names(&self) -> Vec<&'a str> {
        self.jwt.claims.keys().map(String::as_str).collect()
    }

    /// Returns the issuer; empty if there is none.
    fn issuer(&self) -> &'a str {
        self.text("iss").unwrap_or_default()
    }

    /// Returns the audiences: a string, or a list of strings.
    fn audiences(&self) -> Vec<String> {
        match self.get("aud") {
            Some(Value::String(one)) => vec![one.clone()],
            Some(Value::Array(all)) => all.iter().filter_map(|one| one.as_str().map(str::to_owned)).collect(),
            _ => Vec::new(),
        }
    }

    /// Returns the algorithm in the header.
    fn algorithm(&self) -> &'a str {
        self.jwt.header.get("alg").and_then(Value::as_str).unwrap_or("none")
    }

    /// Returns the id of the key in the header.
    fn key(&self) -> Option<&'a str> {
        let id = self.jwt.header.get("kid").and_then(Value::as_str);
        id.filter(|id| !id.is_empty())
    }
}
