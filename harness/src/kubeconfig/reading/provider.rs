//! The built-in providers of credentials that kubectl still has (client-go `plugin/pkg/client/auth`).
//!
//! The main function is [`check`].

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde_json::Value;

use super::Told;
use super::file::{Entry, Provider, User};
use super::text::base64;
use crate::kubeconfig::AuthProvider;
use crate::secret::Secret;

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
    let field = |name: &str| provider.config.get(name).map(Secret::expose).filter(|value| !value.is_empty());
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
        Some(Ok(end)) if end - DELTA > now.as_second() => return,
        Some(Ok(end)) => Some(end),
        Some(Err(why)) => return told.refuse(place, why, "log in again, and put the ID token itself into id-token"),
        None => None,
    };
    let when = |end| Timestamp::from_second(end).map_or_else(|_| "long ago".to_owned(), |end| format!("at {end}"));
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
    Ok(claims.get("exp").and_then(Value::as_f64).map_or(0, |end| end as i64))
}
