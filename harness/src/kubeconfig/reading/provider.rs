//! The built-in providers of credentials that kubectl still has (client-go `plugin/pkg/client/auth`), and what kubectl does before it has a
//! credential.
//!
//! The main functions are [`check`] and [`ClientConfig::beyond`].

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde_json::Value;

use super::file::{Entry, Provider, User};
use super::{Told, is_tls};
use crate::jwt;
use crate::kubeconfig::{AuthProvider, ClientConfig};
use crate::secret::Secret;
use crate::yaml::base64;

/// The seconds before its end at which kubectl takes an ID token for expired (`expiryDelta`).
const DELTA: i64 = 10;

/// The fields of a configuration that are public.
const PUBLIC: &[&str] = &[
    "idp-issuer-url",
    "client-id",
    "idp-certificate-authority",
    "idp-certificate-authority-data",
    "extra-scopes",
];

impl ClientConfig {
    /// Returns what kubectl would do at `now` before it asks the server, and authlab does not, in one sentence without a full stop; `None`
    /// if kubectl sends what it has. A plugin is not told: authlab runs it, too.
    #[must_use]
    pub fn beyond(&self, now: Timestamp) -> Option<String> {
        let user = &self.user;
        // kubectl presents no credential without TLS, and asks for none.
        if !is_tls(&self.cluster.server) || user.token.is_some() || user.basic.is_some() {
            return None;
        }
        if let Some(provider) = user.auth_provider.as_ref().filter(|provider| provider.name == "oidc") {
            return provider.refreshed(now);
        }
        // client-go `tools/clientcmd/client_config.go`, `canIdentifyUser`.
        let is_known = user.certificate.is_some() || user.exec.is_some() || user.auth_provider.is_some();
        (!is_known).then(|| "kubectl would ask for a user name and a password first; authlab does not".to_owned())
    }
}

impl AuthProvider {
    /// Returns what kubectl would do at `now` to have an ID token (client-go `plugin/pkg/client/auth/oidc/oidc.go`, `idToken`).
    fn refreshed(&self, now: Timestamp) -> Option<String> {
        let old = self.field("id-token");
        // kubectl refuses what it cannot read.
        if old.is_some_and(|token| end(token).map_or(true, |end| is_valid(end, now))) {
            return None;
        }
        self.field("refresh-token")?;
        let issuer = self.field("idp-issuer-url").unwrap_or_default();
        Some(match old {
            Some(_) => format!("kubectl would refresh the ID token at {issuer} first; authlab does not"),
            None => format!("kubectl would fetch an ID token at {issuer} first, with the refresh token; authlab does not"),
        })
    }

    /// Returns a part of the configuration that is not empty.
    fn field(&self, name: &str) -> Option<&str> {
        self.config.get(name).map(Secret::expose).filter(|value| !value.is_empty())
    }
}

/// Returns `true` if kubectl takes an ID token that expires at `end` for valid (`idTokenExpired`).
fn is_valid(end: i64, now: Timestamp) -> bool {
    end.saturating_sub(DELTA) > now.as_second()
}

/// Returns the provider with its configuration.
pub(super) fn configuration(provider: &Provider) -> AuthProvider {
    let hidden = |(name, value): (&String, &String)| {
        let value = if PUBLIC.contains(&name.as_str()) {
            Secret::public(value.as_str())
        } else {
            Secret::new(value.as_str())
        };
        (name.clone(), value)
    };
    AuthProvider {
        name: provider.name.clone(),
        config: provider.config.iter().map(hidden).collect(),
    }
}

/// Tells for what kubectl refuses the provider; beside another credential (`presents`), it is not asked.
pub(super) fn check(entry: &Entry<User>, provider: &AuthProvider, presents: bool, now: Timestamp, told: &mut Told) {
    let place = entry.place("auth-provider");
    match provider.name.as_str() {
        "oidc" => oidc(entry, provider, presents, now, told),
        "gcp" => told.refuse(
            place,
            "The gcp auth plugin has been removed. Please use the \"gke-gcloud-auth-plugin\" kubectl/client-go credential plugin instead",
            "install gke-gcloud-auth-plugin, and run `gcloud container clusters get-credentials CLUSTER`",
        ),
        "azure" => told.refuse(
            place,
            "The azure auth plugin has been removed. Please use the https://github.com/Azure/kubelogin kubectl/client-go credential plugin instead",
            "install kubelogin (of Azure), and run `kubelogin convert-kubeconfig`",
        ),
        other => told.refuse(
            place,
            format!("no Auth Provider found for name {other:?}"),
            "use an exec plugin, or a kubeconfig with a credential in it",
        ),
    }
}

fn oidc(entry: &Entry<User>, provider: &AuthProvider, presents: bool, now: Timestamp, told: &mut Told) {
    let field = |name: &str| provider.field(name);
    let place = entry.place("auth-provider");
    if let Some(missing) = ["idp-issuer-url", "client-id"].into_iter().find(|name| field(name).is_none()) {
        let seen = format!("Must provide {missing}");
        told.refuse(place.clone(), seen, format!("give {missing} in the provider's config"));
    }
    if let Some(Err(why)) = field("idp-certificate-authority-data").map(base64) {
        let seen = format!("{why} (idp-certificate-authority-data)");
        told.refuse(place.clone(), seen, "encode the PEM text again (`base64 -w0 FILE`)");
    }
    if presents {
        told.remark(
            place,
            "the user has another credential, too: kubectl does not ask the auth-provider",
            "remove auth-provider",
        );
        return;
    }
    let refresh = "authlab does not: run `kubectl get --raw /version` once, which stores the new token";
    let end = match field("id-token").map(end) {
        Some(Ok(end)) if is_valid(end, now) => return,
        Some(Ok(end)) => Some(end),
        Some(Err(why)) => return told.refuse(place, why, "log in again, and put the ID token itself into id-token"),
        None => None,
    };
    let when = |end| match Timestamp::from_second(end) {
        Ok(end) if end > Timestamp::MIN => format!("at {end}"),
        _ => "long ago".to_owned(),
    };
    match (end, field("refresh-token")) {
        (Some(end), Some(_)) => told.remark(
            place,
            format!(
                "the id-token expired {}: kubectl fetches another one with the refresh-token",
                when(end)
            ),
            refresh,
        ),
        (None, Some(_)) => told.remark(place, "there is no id-token: kubectl fetches one with the refresh-token", refresh),
        (Some(end), None) => told.refuse(
            place,
            format!(
                "No valid id-token, and cannot refresh without refresh-token: the id-token expired {}",
                when(end)
            ),
            "log in again",
        ),
        (None, None) => told.refuse(
            place,
            "No valid id-token, and cannot refresh without refresh-token: neither is in the config",
            "log in, and put id-token and refresh-token into the provider's config",
        ),
    }
}

/// Returns when the token expires, in seconds since 1970 (client-go `idTokenExpired`).
fn end(token: &str) -> Result<i64, String> {
    let parts: Vec<&str> = token.split('.').collect();
    let [_, payload, _] = parts.as_slice() else {
        return Err("ID Token is not a valid JWT (expected three parts separated by dots)".to_owned());
    };
    let payload = URL_SAFE_NO_PAD
        .decode(payload)
        .map_err(|_| "illegal base64 data (id-token)".to_owned())?;
    let claims: Value = serde_json::from_slice(&payload).map_err(|_| "parsing claims: the id-token has none".to_owned())?;
    match claims.get("exp") {
        // Go's zero time.
        None => Ok(jwt::FIRST),
        Some(end) => jwt::seconds(end).ok_or_else(|| "parsing claims: exp of the id-token is not a number".to_owned()),
    }
}
