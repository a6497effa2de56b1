//! A relying party of a lab's identity provider, whichever that is. The main type is [`Provider`].

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::keycloak::{Introspection, KeycloakClient, KeycloakError, TokenSet};
use super::oidc_provider::{OidcProviderClient, OidcProviderError};
use super::{Kind, LoginRequest};
use crate::event::Exchanges;
use crate::hint::Hint;
use crate::secret::Secret;

/// A client of a running identity provider. Cheap to clone.
#[derive(Clone, Debug)]
pub enum Provider {
    /// Keycloak.
    Keycloak(KeycloakClient),
    /// node-oidc-provider.
    OidcProvider(OidcProviderClient),
}

/// An error of using an identity provider.
#[derive(Debug, thiserror::Error)]
pub enum ProviderError {
    /// Keycloak's.
    #[error(transparent)]
    Keycloak(#[from] KeycloakError),
    /// node-oidc-provider's.
    #[error(transparent)]
    OidcProvider(#[from] OidcProviderError),
    /// It has no login whose token is like that.
    #[error("{provider} has no login of the kind '{login}'")]
    NoSuchLogin {
        /// The provider.
        provider: &'static str,
        /// The login.
        login: String,
    },
}

impl ProviderError {
    /// Returns OAuth's error code and its description, if the provider refused.
    pub fn refusal(&self) -> Option<(&str, &str)> {
        match self {
            Self::Keycloak(KeycloakError::Refused { error, description, .. })
            | Self::OidcProvider(OidcProviderError::Refused { error, description, .. }) => {
                Some((error, description.as_deref().unwrap_or_default()))
            }
            _ => None,
        }
    }
}

impl Hint for ProviderError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Keycloak(error) => error.hint(),
            Self::OidcProvider(error) => error.hint(),
            Self::NoSuchLogin { .. } => None,
        }
    }
}

/// A change of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccountChange {
    /// Its logins end.
    LoginsEnded,
    /// It is disabled.
    Disabled,
    /// It is granted a role.
    Granted(String),
    /// It loses the role, the only one that it has.
    Withdrawn(String),
}

impl Provider {
    /// Returns its kind.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Keycloak(_) => Kind::Keycloak,
            Self::OidcProvider(_) => Kind::OidcProvider,
        }
    }

    /// Returns the same client, which reports its requests to `exchanges`.
    #[must_use]
    pub fn telling(&self, exchanges: &Exchanges) -> Self {
        match self {
            Self::Keycloak(client) => Self::Keycloak(client.telling(exchanges)),
            Self::OidcProvider(client) => Self::OidcProvider(client.telling(exchanges)),
        }
    }

    /// Returns a client of the issuer that no API server trusts.
    ///
    /// # Errors
    /// There is none.
    pub fn elsewhere(&self) -> Result<Self, ProviderError> {
        Ok(match self {
            Self::Keycloak(client) => Self::Keycloak(client.elsewhere()?),
            Self::OidcProvider(client) => Self::OidcProvider(client.elsewhere()?),
        })
    }

    /// Returns the issuer in its tokens.
    pub fn issuer(&self) -> &str {
        match self {
            Self::Keycloak(client) => &client.description().issuer,
            Self::OidcProvider(client) => &client.description().issuer,
        }
    }

    /// Returns the certificate of the authority that signed its own, PEM.
    pub fn authority(&self) -> &str {
        match self {
            Self::Keycloak(client) => &client.description().authority,
            Self::OidcProvider(client) => &client.description().authority,
        }
    }

    /// Returns the client that API servers expect as the audience of tokens.
    pub fn client_id(&self) -> &str {
        match self {
            Self::Keycloak(client) => &client.description().client_id,
            Self::OidcProvider(_) => &self.kind().facts().logins["valid"].client,
        }
    }

    /// Returns the secret of `client`; `None` for a public one.
    pub fn secret_of(&self, client: &str) -> Option<&Secret> {
        match self {
            Self::Keycloak(keycloak) => match keycloak.description() {
                realm if realm.client_id == client => realm.client_secret.as_ref(),
                realm => realm.clients.get(client)?.as_ref(),
            },
            Self::OidcProvider(provider) => provider.description().clients.get(client),
        }
    }

    /// Returns the passwords of the cast.
    pub fn passwords(&self) -> &BTreeMap<String, Secret> {
        match self {
            Self::Keycloak(client) => &client.description().passwords,
            Self::OidcProvider(client) => &client.description().passwords,
        }
    }

    fn request(&self, login: &str) -> Result<&'static LoginRequest, ProviderError> {
        let facts = self.kind().facts();
        facts.logins.get(login).ok_or_else(|| ProviderError::NoSuchLogin {
            provider: &facts.called,
            login: login.to_owned(),
        })
    }

    /// Logs `user` in, so that the token is like that of `login` in `fixtures/identity_providers/`.
    ///
    /// # Errors
    /// The provider refuses, or has no such login.
    pub async fn log_in(&self, user: &str, password: &Secret, login: &str) -> Result<TokenSet, ProviderError> {
        let request = self.request(login)?;
        Ok(match self {
            Self::Keycloak(client) => client.as_client(&request.client)?.log_in(user, password, &request.scopes).await?,
            Self::OidcProvider(client) => client.log_in(user, password, request).await?,
        })
    }

    /// Logs `user` in without asking for an ID token, and returns the refresh token.
    ///
    /// # Errors
    /// The provider refuses.
    pub async fn log_in_without_id(&self, user: &str, password: &Secret) -> Result<Secret, ProviderError> {
        let request = self.request("valid")?;
        Ok(match self {
            Self::Keycloak(client) => client.password_grant_without_id(user, password).await?,
            Self::OidcProvider(client) => client.log_in_without_id(user, password, request).await?,
        })
    }

    /// Exchanges a refresh token for new tokens.
    ///
    /// # Errors
    /// The provider refuses: the login is over.
    pub async fn refresh(&self, refresh: &Secret) -> Result<TokenSet, ProviderError> {
        Ok(match self {
            Self::Keycloak(client) => client.refresh(refresh).await?,
            Self::OidcProvider(client) => client.refresh(self.client_id(), refresh).await?,
        })
    }

    /// Ends the login that a refresh token belongs to.
    ///
    /// # Errors
    /// The provider refuses.
    pub async fn log_out(&self, refresh: &Secret) -> Result<(), ProviderError> {
        match self {
            Self::Keycloak(client) => client.logout(refresh).await?,
            Self::OidcProvider(client) => client.revoke(self.client_id(), refresh).await?,
        }
        Ok(())
    }

    /// Introspects a token.
    ///
    /// # Errors
    /// The provider refuses.
    pub async fn introspect(&self, token: &Secret) -> Result<Introspection, ProviderError> {
        Ok(match self {
            Self::Keycloak(client) => client.introspect(token).await?,
            Self::OidcProvider(client) => client.introspect(self.client_id(), token).await?,
        })
    }

    /// Requests the claims about the user of an access token.
    ///
    /// # Errors
    /// The provider does not accept the token.
    pub async fn userinfo(&self, access: &Secret) -> Result<Value, ProviderError> {
        Ok(match self {
            Self::Keycloak(client) => client.userinfo(access).await?,
            Self::OidcProvider(client) => client.userinfo(access).await?,
        })
    }

    /// Makes an account with `roles`, which become the groups in its tokens.
    ///
    /// # Errors
    /// The provider refuses.
    pub async fn create_account(&self, name: &str, password: &Secret, roles: &[&str]) -> Result<(), ProviderError> {
        match self {
            Self::Keycloak(client) => drop(client.admin()?.create_user(name, password, roles).await?),
            Self::OidcProvider(client) => client.create_account(name, password, roles).await?,
        }
        Ok(())
    }

    /// Changes the account `name`.
    ///
    /// # Errors
    /// The provider refuses.
    pub async fn change_account(&self, name: &str, change: &AccountChange) -> Result<(), ProviderError> {
        match self {
            Self::Keycloak(client) => {
                let admin = client.admin()?;
                match change {
                    AccountChange::LoginsEnded => admin.logout_user(name).await?,
                    AccountChange::Disabled => admin.set_enabled(name, false).await?,
                    AccountChange::Granted(role) => {
                        admin.create_role(role).await?;
                        admin.grant_role(name, role).await?;
                    }
                    AccountChange::Withdrawn(role) => admin.withdraw_role(name, role).await?,
                }
            }
            Self::OidcProvider(client) => match change {
                AccountChange::LoginsEnded => client.end_logins(name).await?,
                AccountChange::Disabled => client.put_account(name, &json!({ "disabled": true })).await?,
                AccountChange::Granted(role) => client.put_account(name, &json!({ "grant": role })).await?,
                AccountChange::Withdrawn(role) => client.put_account(name, &json!({ "withdraw": role })).await?,
            },
        }
        Ok(())
    }

    /// Removes the account `name`.
    ///
    /// # Errors
    /// The provider refuses.
    pub async fn delete_account(&self, name: &str) -> Result<(), ProviderError> {
        match self {
            Self::Keycloak(client) => client.admin()?.delete_user(name).await?,
            Self::OidcProvider(client) => client.delete_account(name).await?,
        }
        Ok(())
    }
}
