//! The people of a project, as they are tried. The main functions are [`person`] and [`everybody`].

use serde_json::Value;

use super::person::{Claims, Person, Presented};
use super::realm::{RealmError, WantedLogin};
use super::setup::Setup;
use crate::configuration::document::load;
use crate::credential::Credential;
use crate::diagnostic::{Diagnostic, Diagnostics, Placed};
use crate::hint::Hint as _;
use crate::identity_provider::keycloak::export::Login;
use crate::jwt::Jwt;
use crate::project::{self, Project};
use crate::secret::Secret;
use crate::token_shape::TokenShape;

/// Returns everybody in `project` as they are tried on API servers with `setup`, without those who are only known to a cluster that exists,
/// and without those whose token is in a file that is not there yet.
///
/// # Errors
/// The mistakes about all of them.
pub fn everybody(project: &Project, setup: &Setup) -> Result<Vec<Person>, Diagnostics> {
    let (mut people, mut mistakes) = (Vec::new(), Vec::new());
    let is_there = |one: &&project::Person| match &one.credential {
        project::Credential::TokenFile(file) => file.value.resolved.exists(),
        _ => true,
    };
    for one in project.people.values().filter(is_there) {
        match person(project, one, setup) {
            Ok(found) => people.extend(found),
            Err(mistake) => mistakes.push(mistake),
        }
    }
    Diagnostics::none_of(mistakes)?;
    Ok(people)
}

/// Returns the person of `project` as they are tried on API servers with `setup`; `None` for somebody who is only known to a cluster that
/// exists.
///
/// # Errors
/// The shape or the issuer of a token is unknown, or a token file cannot be read.
pub fn person(project: &Project, person: &project::Person, setup: &Setup) -> Result<Option<Person>, Diagnostic> {
    if setup.asks_real_issuers && needs_an_issuer(person) {
        return Err(project
            .mistake(&person.name.place, "only the real issuer can sign this person's tokens")
            .hint("give them `token-file`, a file with a token that it signed; or leave out --real-issuers"));
    }
    let presents = match &person.credential {
        project::Credential::Token(token) => Presented::Token(claims(project, person, token, setup)?),
        project::Credential::Certificate {
            common_name,
            organizations,
        } => Presented::Certificate {
            common_name: common_name.value.clone(),
            organizations: organizations.iter().map(|organization| organization.value.clone()).collect(),
        },
        project::Credential::ServiceAccount { namespace, name, .. } => Presented::ServiceAccount {
            namespace: namespace.clone(),
            name: name.clone(),
        },
        project::Credential::Keycloak(_) => Presented::Login(at_realm(project, person, setup)?),
        project::Credential::TokenFile(file) => {
            let text = load(&file.value.resolved).map_err(|unread| {
                let told = format!("cannot read the token of {}: {}", person.name.value, unread.message);
                project.mistake(&file.place, told)
            })?;
            let token = Jwt::parse(text.trim()).map_err(|error| project.mistake(&file.place, format!("this is no token: {error}")))?;
            if setup.asks_real_issuers {
                return Ok(Some(Person {
                    name: person.name.value.clone(),
                    presents: Presented::Own(Credential::Token(Secret::new(text.trim()))),
                }));
            }
            let typ = token.header.get("typ").and_then(Value::as_str).map(str::to_owned);
            Presented::Token(Claims {
                claims: token.claims,
                typ,
                ..Claims::default()
            })
        }
        project::Credential::Context(_) => return Ok(None),
    };
    Ok(Some(Person {
        name: person.name.value.clone(),
        presents,
    }))
}

/// Returns `true` for somebody whose token an issuer has yet to sign: a stand-in, or a Keycloak with the project's realm.
#[must_use]
pub fn needs_an_issuer(person: &project::Person) -> bool {
    matches!(person.credential, project::Credential::Token(_) | project::Credential::Keycloak(_))
}

/// Returns the login of a person who logs in at the project's realm.
pub(super) fn login(person: &project::Person) -> Option<WantedLogin> {
    let project::Credential::Keycloak(login) = &person.credential else {
        return None;
    };
    let text = |placed: &Placed<String>| placed.value.clone();
    Some(WantedLogin {
        user: login.user.as_ref().map_or_else(|| person.name.value.clone(), text),
        client: login.client.as_ref().map(text),
        scopes: login.scopes.iter().map(text).collect(),
    })
}

/// Returns the login of `person` with its client.
fn at_realm(project: &Project, person: &project::Person, setup: &Setup) -> Result<Login, Diagnostic> {
    let project::Credential::Keycloak(said) = &person.credential else {
        return Err(project.mistake(&person.name.place, "does not log in at Keycloak"));
    };
    let login = login(person).zip(setup.realm.as_ref());
    let Some((login, realm)) = login else {
        return Err(project.mistake(&said.place, "the project has no realm"));
    };
    let found = realm.as_ref().map_err(Clone::clone).and_then(|realm| realm.login(&login));
    found.map_err(|error| {
        let keycloak = project.keycloak.as_ref();
        let place = match &error {
            RealmError::NoUser { .. } => said.user.as_ref().map(|user| &user.place),
            RealmError::NoClient { .. } => said.client.as_ref().map(|client| &client.place),
            RealmError::WhichClient { .. } => None,
            RealmError::OtherIssuer { .. } => keycloak.and_then(|keycloak| keycloak.issuer.as_ref()).map(|issuer| &issuer.place),
            _ => keycloak.map(|keycloak| &keycloak.realm.place),
        };
        project
            .mistake(place.unwrap_or(&said.place), error.to_string())
            .hinted(error.hint())
    })
}

fn claims(project: &Project, person: &project::Person, token: &project::Token, setup: &Setup) -> Result<Claims, Diagnostic> {
    let shape = match &token.like {
        Some(like) => {
            Some(TokenShape::named(&like.value).map_err(|error| project.mistake(&like.place, error.to_string()).hinted(error.hint()))?)
        }
        None => None,
    };
    let named = token.issuer.as_ref().map(|issuer| issuer.value.as_str());
    let named = token.claims.get("iss").and_then(Value::as_str).or(named);
    let issuer = setup.issuer(named).map_err(|error| {
        let place = token.issuer.as_ref().map_or(&person.name.place, |issuer| &issuer.place);
        project.mistake(place, error.to_string()).hinted(error.hint())
    })?;
    let mut claims = match shape {
        Some(shape) => {
            let mut claims = shape.claims(Some(&issuer.url), &token.claims);
            // The audience of the example is nobody's; a sound one is added.
            if !token.claims.contains_key("aud") {
                claims.remove("aud");
            }
            claims
        }
        None => token.claims.clone(),
    };
    claims.entry("iss").or_insert_with(|| issuer.url.clone().into());
    let without: Vec<String> = token.without.iter().map(|name| name.value.clone()).collect();
    claims.retain(|name, _| !without.contains(name));
    Ok(Claims {
        claims,
        issuer: Some(issuer.url.clone()),
        without,
        typ: shape
            .and_then(|shape| shape.header.get("typ"))
            .and_then(Value::as_str)
            .map(str::to_owned),
        ..Claims::default()
    })
}
