//! Logins of devices without a browser (RFC 8628). The main type is [`Device`].

use std::time::Instant;

use hyper::{Method, StatusCode};
use rand::Rng as _;
use serde_json::json;

use super::authorize::LIFETIME;
use super::endpoint::Endpoint;
use super::error::Refused;
use super::grant::{Grant, uncached};
use super::http::Reply;
use super::mint::TokenRequest;
use super::page;
use super::parameters::Parameters;
use super::recent::unguessable;
use super::state::State;

/// The letters of user codes (RFC 8628 §6.1).
const LETTERS: &[u8] = b"BCDFGHJKLMNPQRSTVWXZ";

/// A device that waits for its user.
#[derive(Debug)]
pub(super) struct Device {
    pub(super) grant: Grant,
    user_code: String,
    pub(super) state: DeviceState,
    /// The time at which its codes end.
    pub(super) ends: Instant,
}

/// The decision of the user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DeviceState {
    Waiting,
    Allowed,
    Denied,
}

impl State {
    /// Answers with the codes of a device (RFC 8628 §3.2). Without a login page, the user has agreed already.
    pub(super) fn device_authorization(&self, name: &str, parameters: &Parameters) -> Result<Reply, Refused> {
        let client = parameters.needed("client_id")?;
        let letter = |_| char::from(LETTERS[rand::thread_rng().gen_range(0..LETTERS.len())]);
        let half = || (0..4).map(letter).collect::<String>();
        let user_code = format!("{}-{}", half(), half());
        let code = unguessable();
        let device = Device {
            grant: Grant {
                issuer: name.to_owned(),
                client: Some(client),
                scope: parameters.text("scope")?,
                user: Some(self.user(parameters)?),
                nonce: None,
                wanted: TokenRequest::read(parameters)?,
            },
            user_code: user_code.clone(),
            state: match self.settings.login_page {
                true => DeviceState::Waiting,
                false => DeviceState::Allowed,
            },
            ends: Instant::now() + LIFETIME,
        };
        self.locked().devices.add(code.clone(), device);
        let page = self.endpoint_url(name, Endpoint::Device);
        Ok(uncached(&json!({
            "device_code": code,
            "verification_uri_complete": format!("{page}?user_code={user_code}"),
            "user_code": user_code,
            "verification_uri": page,
            "expires_in": LIFETIME.as_secs(),
            "interval": 1,
        })))
    }

    /// Answers with the page on which a code is entered, or carries its decision out.
    pub(super) fn device(&self, name: &str, method: &Method, parameters: &Parameters) -> Result<Reply, Refused> {
        let entered = parameters.text("user_code")?;
        let user = parameters.text("username")?;
        if method == Method::GET {
            return Ok(page::device(&self.people(), entered.as_deref()));
        }
        let entered = entered.unwrap_or_default().trim().to_uppercase();
        let denied = parameters.text("decision")?.as_deref() == Some("deny");
        let claims = parameters.object("claims")?;
        let mut locked = self.locked();
        let found = locked
            .devices
            .find_by(|device| device.user_code == entered && device.grant.issuer == name && Instant::now() < device.ends);
        let Some(device) = found else {
            let why = "It is not one of this issuer, has been used, or has expired.";
            return Ok(page::message(StatusCode::NOT_FOUND, "The code is unknown", why));
        };
        device.state = if denied { DeviceState::Denied } else { DeviceState::Allowed };
        if let Some(user) = user {
            device.grant.user = Some(user);
        }
        device.grant.wanted.claims.extend(claims);
        let title = if denied {
            "The device is refused"
        } else {
            "The device is logged in"
        };
        Ok(page::message(StatusCode::OK, title, "You can close this window."))
    }
}
