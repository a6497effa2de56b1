//! Changes to users and roles while a lab runs.
//!
//! The main type is [`KeycloakAdmin`]: the admin API with the service account of a dedicated
//! client. Scenarios create their own users, so that they do not disturb each other.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use reqwest::{Method, RequestBuilder, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::{KeycloakClient, KeycloakError, realm};
use crate::secret::Secret;

/// A newly created user.
#[derive(Clone, Debug)]
pub struct NewUser {
    /// Keycloak's id: the `sub` in the user's tokens.
    pub id: String,
    /// The user's name.
    pub name: String,
    /// The user's password.
    pub password: Secret,
}

/// A user as the realm knows it.
#[derive(Clone, Debug, Deserialize)]
pub struct UserRecord {
    /// Keycloak's id: the `sub` in the user's tokens.
    pub id: String,
    /// The user's name.
    #[serde(rename = "username")]
    pub name: String,
    /// `true` if the user may log in.
    pub enabled: bool,
    /// The user's realm roles; filled in by [`KeycloakAdmin::user`].
    #[serde(default)]
    pub roles: BTreeSet<String>,
}

/// The state that the admin API keeps between requests.
#[derive(Debug, Default)]
pub(super) struct Session {
    /// The service account's token, and the time to request another.
    token: Option<(Secret, Instant)>,
    roles: BTreeSet<String>,
}

/// The admin API of one realm. Cheap to clone; clones share one token.
#[derive(Clone, Debug)]
pub struct KeycloakAdmin {
    client: KeycloakClient,
    session: Arc<Mutex<Session>>,
}

impl KeycloakAdmin {
    pub(super) fn new(client: KeycloakClient, session: Arc<Mutex<Session>>) -> Self {
        Self { client, session }
    }

    /// Creates a user that can log in at once, with exactly these realm roles; missing roles
    /// are created.
    ///
    /// # Errors
    /// A user of that name exists already, or Keycloak refuses.
    pub async fn create_user(&self, name: &str, password: &Secret, roles: &[&str]) -> Result<NewUser, KeycloakError> {
        #[derive(Deserialize)]
        struct Imported {
            results: Vec<Entry>,
        }
        #[derive(Deserialize)]
        struct Entry {
            id: String,
        }
        for role in roles {
            self.create_role(role).await?;
        }
        // An import takes user, password and roles in one request, and adds no default role, which
        // would turn up among the groups.
        let roles: Vec<String> = roles.iter().map(|role| (*role).to_owned()).collect();
        let mut user = realm::user(name, &roles);
        user["credentials"] = realm::password(password);
        let body = json!({"ifResourceExists": "FAIL", "users": [user]});
        let imported: Imported = self
            .client
            .ask("creation of a user", self.request(Method::POST, "partialImport").await?.json(&body))
            .await?;
        let id = imported.results.into_iter().next().map(|entry| entry.id).unwrap_or_default();
        Ok(NewUser {
            id,
            name: name.to_owned(),
            password: password.clone(),
        })
    }

    /// Removes a user.
    ///
    /// # Errors
    /// There is no such user, or Keycloak refuses.
    pub async fn delete_user(&self, name: &str) -> Result<(), KeycloakError> {
        let path = format!("users/{}", self.id(name).await?);
        self.client
            .send("removal of a user", self.request(Method::DELETE, &path).await?)
            .await
            .map(drop)
    }

    /// Enables or disables a user's login.
    ///
    /// # Errors
    /// There is no such user, or Keycloak refuses.
    pub async fn set_enabled(&self, name: &str, enabled: bool) -> Result<(), KeycloakError> {
        let path = format!("users/{}", self.id(name).await?);
        let request = self.request(Method::PUT, &path).await?.json(&json!({"enabled": enabled}));
        self.client.send("change of a user", request).await.map(drop)
    }

    /// Ends all sessions of a user.
    ///
    /// # Errors
    /// There is no such user, or Keycloak refuses.
    pub async fn logout_user(&self, name: &str) -> Result<(), KeycloakError> {
        let path = format!("users/{}/logout", self.id(name).await?);
        self.client
            .send("logout of a user", self.request(Method::POST, &path).await?)
            .await
            .map(drop)
    }

    /// Removes a protocol mapper of a client, whose tokens lack a claim from then on.
    ///
    /// # Errors
    /// There is no such client or mapper, or Keycloak refuses.
    pub async fn delete_mapper(&self, client: &str, mapper: &str) -> Result<(), KeycloakError> {
        #[derive(Deserialize)]
        struct Entry {
            id: String,
            #[serde(default)]
            name: String,
        }
        let path = format!("clients?clientId={}", segment(client));
        let clients: Vec<Entry> = self.client.ask("look at a client", self.request(Method::GET, &path).await?).await?;
        let id = clients.into_iter().next().map(|client| client.id).unwrap_or_default();
        let models = format!("clients/{id}/protocol-mappers/models");
        let mappers: Vec<Entry> = self
            .client
            .ask("look at the mappers of a client", self.request(Method::GET, &models).await?)
            .await?;
        // Without such a mapper the path has no id, and Keycloak refuses.
        let found = mappers
            .into_iter()
            .find(|known| known.name == mapper)
            .map(|known| known.id)
            .unwrap_or_default();
        let request = self.request(Method::DELETE, &format!("{models}/{found}")).await?;
        self.client.send("removal of a mapper", request).await.map(drop)
    }

    /// Creates a realm role, unless it exists.
    ///
    /// # Errors
    /// Keycloak refuses.
    pub async fn create_role(&self, role: &str) -> Result<(), KeycloakError> {
        if self.session.lock().await.roles.contains(role) {
            return Ok(());
        }
        let request = self.request(Method::POST, "roles").await?.json(&json!({"name": role}));
        match self.client.send("creation of a role", request).await {
            Err(error) if status(&error) != Some(StatusCode::CONFLICT) => return Err(error),
            _ => {}
        }
        self.session.lock().await.roles.insert(role.to_owned());
        Ok(())
    }

    /// Grants a realm role, which is created if it is missing.
    ///
    /// # Errors
    /// There is no such user, or Keycloak refuses.
    pub async fn grant_role(&self, user: &str, role: &str) -> Result<(), KeycloakError> {
        self.create_role(role).await?;
        self.change_role(Method::POST, user, role).await
    }

    /// Withdraws a realm role.
    ///
    /// # Errors
    /// There is no such user or role, or Keycloak refuses.
    pub async fn withdraw_role(&self, user: &str, role: &str) -> Result<(), KeycloakError> {
        self.change_role(Method::DELETE, user, role).await
    }

    /// Returns a user as the realm knows it.
    ///
    /// # Errors
    /// There is no such user, or Keycloak refuses.
    pub async fn user(&self, name: &str) -> Result<UserRecord, KeycloakError> {
        #[derive(Deserialize)]
        struct Role {
            name: String,
        }
        let mut record = self.record(name).await?;
        let path = format!("users/{}/role-mappings/realm", record.id);
        let roles: Vec<Role> = self.client.ask("roles of a user", self.request(Method::GET, &path).await?).await?;
        record.roles = roles.into_iter().map(|role| role.name).collect();
        Ok(record)
    }

    async fn change_role(&self, method: Method, user: &str, role: &str) -> Result<(), KeycloakError> {
        let id = self.id(user).await?;
        let path = format!("roles/{}", segment(role));
        let role: Value = self.client.ask("look at a role", self.request(Method::GET, &path).await?).await?;
        let path = format!("users/{id}/role-mappings/realm");
        self.client
            .send("change of a user's roles", self.request(method, &path).await?.json(&[role]))
            .await
            .map(drop)
    }

    async fn id(&self, name: &str) -> Result<String, KeycloakError> {
        Ok(self.record(name).await?.id)
    }

    async fn record(&self, name: &str) -> Result<UserRecord, KeycloakError> {
        let path = format!("users?exact=true&username={}", segment(name));
        let found: Vec<UserRecord> = self.client.ask("look at a user", self.request(Method::GET, &path).await?).await?;
        let realm = &self.client.description().realm;
        found.into_iter().next().ok_or_else(|| KeycloakError::NoSuchUser {
            realm: realm.clone(),
            user: name.to_owned(),
        })
    }

    async fn request(&self, method: Method, path: &str) -> Result<RequestBuilder, KeycloakError> {
        let realm = self.client.description();
        let url = format!("{}/admin/realms/{}/{path}", realm.url, realm.realm);
        Ok(self.client.http.request(method, url).bearer_auth(self.token().await?.expose()))
    }

    /// Returns the service account's token; a new one after four fifths of its lifetime.
    async fn token(&self) -> Result<Secret, KeycloakError> {
        let mut session = self.session.lock().await;
        if let Some((token, until)) = &session.token
            && Instant::now() < *until
        {
            return Ok(token.clone());
        }
        let asked = Instant::now();
        let tokens = self.client.client_credentials().await?;
        let life: Duration = tokens.expires_in * 4 / 5;
        session.token = Some((tokens.access.clone(), asked + life));
        Ok(tokens.access)
    }
}

fn status(error: &KeycloakError) -> Option<StatusCode> {
    match error {
        KeycloakError::Refused { status, .. } | KeycloakError::Unexpected { status, .. } => Some(*status),
        _ => None,
    }
}

/// Returns `name` as one segment of a path (RFC 3986 §3.3).
fn segment(name: &str) -> String {
    let mut segment = String::new();
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            segment.push(char::from(byte));
        } else {
            segment.push_str(&format!("%{byte:02X}"));
        }
    }
    segment
}

#[cfg(test)]
mod tests {
    use super::segment;

    #[test]
    fn a_role_may_have_any_name() {
        assert_eq!(segment("system:masters/ä b"), "system%3Amasters%2F%C3%A4%20b");
    }
}
