//! Logging in at somebody's realm, as the people of a project do. Each part belongs to [`Trial`] or to its result.

use super::api_server::{Trial, TrialError};
use super::result::TriedPerson;
use super::{Outcome, Person, Presented, Refused};
use crate::credential::Credential;
use crate::event::Verdict;
use crate::identity_provider::keycloak::KeycloakError;
use crate::identity_provider::keycloak::export::Login;
use crate::jwt::Jwt;
use crate::secret::Secret;

impl Trial {
    /// Returns the ID token that `person` gets from Keycloak.
    pub(super) async fn log_in(&self, person: &str, login: &Login) -> Result<Secret, TrialError> {
        let keycloak = self.lab().keycloak().await?;
        let password = keycloak.description().passwords.get(&login.user.to_lowercase()).cloned();
        let tokens = async {
            let _alone = self.logging_in.lock().await;
            let client = keycloak.as_client(&login.client)?;
            client
                .log_in(&login.user, &password.unwrap_or_else(|| Secret::new("")), &login.scopes)
                .await
        };
        let tokens = tokens.await.map_err(|source| TrialError::Login {
            person: person.to_owned(),
            login: Box::new(login.clone()),
            source: Box::new(source),
        })?;
        Ok(tokens.id)
    }

    /// Returns what the realm of `person`, who got `credential` there, has to do with the answer.
    pub(super) fn notes_on(&self, person: &Person, credential: &Credential) -> Vec<String> {
        match (&person.presents, credential, self.setup().started_realm()) {
            (Presented::Login(login), Credential::Token(token), Some(realm)) => match Jwt::parse(token.expose()) {
                Ok(token) => realm.notes_on(login, &token.claims),
                Err(_) => Vec::new(),
            },
            _ => Vec::new(),
        }
    }
}

impl TriedPerson {
    /// Returns the result of somebody whom Keycloak does not let in.
    pub(super) fn not_logged_in(person: &Person, login: &Login, refused: &KeycloakError) -> Self {
        Self {
            person: person.name.clone(),
            outcome: Outcome::Refused(Refused {
                kind: Verdict::Unauthenticated,
                reason: Some(refused.to_string()),
            }),
            may: Vec::new(),
            notes: refused_login(login, refused).into_iter().collect(),
        }
    }
}

/// Returns the change to make for a login that Keycloak refused (its `TokenEndpoint` and `ResourceOwnerPasswordCredentialsGrantType`).
pub(super) fn refused_login(login: &Login, refused: &KeycloakError) -> Option<String> {
    let KeycloakError::Refused { error, description, .. } = refused else {
        return None;
    };
    let Login { user, client, .. } = login;
    match (error.as_str(), description.as_deref().unwrap_or_default()) {
        (_, "Account is not fully set up") => Some(format!(
            "something stands before the login of {user}: fill in email, firstName and lastName, and empty requiredActions in the export"
        )),
        (_, "Account disabled") => Some(format!("the user {user} has enabled = false in the export")),
        ("invalid_scope", _) => Some(format!(
            "the client {client} has no such client scope: see `scopes` in authlab.toml"
        )),
        ("invalid_client" | "unauthorized_client", _) => Some(format!("see the client {client} in the export, or name another one")),
        _ => None,
    }
}
