//! The three flows of a new login, each as its standard defines it: all of them are methods of [`Provider`].

use std::io;

use openidconnect::core::{CoreAuthenticationFlow, CoreDeviceAuthorizationResponse};
use openidconnect::{AuthorizationCode, CsrfToken, DeviceCodeErrorResponseType, Nonce, PkceCodeChallenge, RedirectUrl};
use openidconnect::{RequestTokenError, ResourceOwnerPassword, ResourceOwnerUsername};

use super::address::Use;
use super::cache::Entry;
use super::provider::{Provider, no_answer};
use super::redirect::{Came, Redirect};
use super::{LoginError, Notice, Person};
use crate::secret::Secret;

impl Provider<'_> {
    /// Logs in by authorization code with PKCE, returned to a loopback address (RFC 6749 §4.1, RFC 7636 §4, RFC 8252 §7.3).
    pub(super) async fn in_a_browser(&self, person: &dyn Person) -> Result<Entry, LoginError> {
        let state = CsrfToken::new_random();
        let start = CsrfToken::new_random();
        let returns_to = self.settings.returns_to.clone();
        let listening = Redirect::listen(returns_to, state.secret(), start.secret()).await;
        let mut redirect = listening.map_err(LoginError::Listen)?;
        let url = RedirectUrl::new(redirect.url()).map_err(|error| LoginError::Listen(io::Error::other(error)))?;
        let client = self.client.clone().set_redirect_uri(url);
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let (address, _, nonce) = client
            .authorize_url(CoreAuthenticationFlow::AuthorizationCode, move || state.clone(), Nonce::new_random)
            .add_scopes(self.scopes())
            .set_pkce_challenge(challenge)
            .url();
        // The opened address is visible in the list of processes: it says nothing about this login, and leads to it only once.
        match person.open(&redirect.lead_to(&address)) {
            Ok(()) => person.tell(&Notice::Opened { address: address.as_str() }),
            Err(why) => person.tell(&Notice::Address {
                address: address.as_str(),
                why: &why,
            }),
        }
        let limit = self.settings.limit;
        let returned = tokio::time::timeout(limit, redirect.returned()).await;
        let returned = returned.ok().flatten().ok_or(LoginError::NotReturned { limit })?;
        let outcome = match returned.came {
            Came::Refused { code, description } => Err(LoginError::Refused {
                what: "login",
                code,
                description,
            }),
            Came::Code(code) => {
                let request = client
                    .exchange_code(AuthorizationCode::new(code.expose().to_owned()))
                    .set_pkce_verifier(verifier);
                match request.request_async(&self.call()).await {
                    Ok(answer) => self.entry(&answer, Some(&nonce)),
                    Err(error) => Err(self.refused("code", error)),
                }
            }
        };
        // The page shows the result, and this process must not exit before the page has been read to its end.
        let _ = returned.page.send(outcome.as_ref().err().map(LoginError::told));
        redirect.finish().await;
        outcome
    }

    /// Logs in by a code that the user types into a browser on any machine (RFC 8628 §3).
    pub(super) async fn by_device(&self, person: &dyn Person) -> Result<Entry, LoginError> {
        let lacks = || LoginError::Lacks {
            issuer: self.settings.issuer.clone(),
            what: "device flow",
        };
        let client = self
            .client
            .clone()
            .set_device_authorization_url(self.device.clone().ok_or_else(lacks)?);
        // Some issuers require PKCE in this flow, too; it does no harm elsewhere.
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let request = client
            .exchange_device_code()
            .add_scopes(self.scopes())
            .add_extra_param("code_challenge", challenge.as_str().to_owned())
            .add_extra_param("code_challenge_method", challenge.method().as_str().to_owned());
        let asked = request.request_async(&self.call()).await;
        let codes: CoreDeviceAuthorizationResponse = asked.map_err(|error| self.refused("device code", error))?;
        let used = |name, address: &str| {
            let checked = Use::Opened.check(name, address);
            checked.map_err(|error| no_answer(self.settings, "a device code", error.into()))
        };
        let address = used("verification_uri", codes.verification_uri().as_str())?;
        let complete = codes.verification_uri_complete();
        let complete = complete.map(|uri| used("verification_uri_complete", uri.secret())).transpose()?;
        person.tell(&Notice::Code {
            address: address.as_str(),
            code: codes.user_code().secret(),
            complete: complete.as_ref().map(reqwest::Url::as_str),
        });
        let limit = self.settings.limit.min(codes.expires_in());
        #[expect(clippy::disallowed_methods, reason = "the issuer sets the polling interval (RFC 8628 §3.5)")]
        let pause = tokio::time::sleep;
        let given = client
            .exchange_device_access_token(&codes)
            .add_extra_param("code_verifier", verifier.secret().clone())
            .request_async(&self.call(), pause, Some(limit))
            .await;
        match given {
            Ok(answer) => self.entry(&answer, None),
            Err(RequestTokenError::ServerResponse(answer)) if *answer.error() == DeviceCodeErrorResponseType::ExpiredToken => {
                Err(LoginError::NotTyped { limit })
            }
            Err(error) => Err(self.refused("device code", error)),
        }
    }

    /// Logs in by a password that is given to the client (RFC 6749 §4.3).
    pub(super) async fn by_password(&self, person: &dyn Person, user: &str, password: Option<&Secret>) -> Result<Entry, LoginError> {
        let password = match password {
            Some(password) => password.clone(),
            None => person.password(user).await.map_err(|source| LoginError::Password {
                user: user.to_owned(),
                source,
            })?,
        };
        let name = ResourceOwnerUsername::new(user.to_owned());
        let password = ResourceOwnerPassword::new(password.expose().to_owned());
        let request = self.client.exchange_password(&name, &password).add_scopes(self.scopes());
        // Unlike the other flows, this one does not request an ID token on its own.
        let request = request.add_scope(openidconnect::Scope::new("openid".to_owned()));
        let answer = request.request_async(&self.call()).await;
        self.entry(&answer.map_err(|error| self.refused("password grant", error))?, None)
    }
}
