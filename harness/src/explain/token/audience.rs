//! The audiences of a token of an issuer, compared with those of the API server.
//!
//! The main function is [`check`]: one of the audiences must be one of the configured ones, to the letter (kubernetes/apiserver
//! `plugin/pkg/authenticator/token/oidc/oidc.go`, `verifyAudience`).

use serde_json::Value;

use super::identity::kind;
use super::{Claims, entra};
use crate::explain::Finding;
use crate::explain::issuers::Issuer;

/// Returns the finding about a token that is for nobody whom the API server is.
pub(super) fn check(claims: &Claims<'_>, issuer: &Issuer) -> Option<Finding> {
    let audiences = claims.audiences();
    if audiences.iter().any(|audience| issuer.audiences.contains(audience)) {
        return None;
    }
    let behaviour = if issuer.audiences.len() > 1 { "O6" } else { "O5" };
    let wanted = issuer.audiences.first().map_or("", String::as_str);
    let seen = match claims.get("aud") {
        None => format!(
            "the token has no audience (the claim `aud`), and the API server's audiences are {:?}",
            issuer.audiences
        ),
        Some(Value::String(_) | Value::Array(_)) => {
            format!(
                "the token is for {audiences:?}, and the API server's audiences are {:?}",
                issuer.audiences
            )
        }
        Some(other) => format!(
            "the claim `aud` is {}, and the API server reads a string or a list of strings there",
            kind(other)
        ),
    };
    let (what, change) = hint(claims, &audiences, issuer, wanted);
    Some(Finding::cause(behaviour, format!("{seen}{what}"), change))
}

/// Returns what kind of token this seems to be, and the change that helps.
fn hint(claims: &Claims<'_>, audiences: &[String], issuer: &Issuer, wanted: &str) -> (String, String) {
    let id_token = "present the ID token (`id_token` in the issuer's answer)";
    if let Some(same) = audiences.iter().find(|audience| {
        issuer
            .audiences
            .iter()
            .any(|known| entra::application(known) == entra::application(audience))
    }) {
        return (
            ": they name the same application, and are compared to the letter".to_owned(),
            format!("configure the API server with the audience {same:?}"),
        );
    }
    if entra::is_for_graph(audiences) {
        return (
            ": it is a token for Microsoft Graph".to_owned(),
            format!(
                "ask for a token of your own application: its scope is api://{}/.default, or `openid` for an ID token",
                entra::application(wanted)
            ),
        );
    }
    match claims.text("token_use") {
        Some("access") => {
            return (
                ": it is an access token of Cognito, which names its client in `client_id` only".to_owned(),
                id_token.to_owned(),
            );
        }
        Some("id") => return (String::new(), format!("log in as the client {wanted:?} of the user pool")),
        _ => {}
    }
    match claims.text("typ") {
        Some(kind @ ("Refresh" | "Offline")) => {
            return (
                format!(": it is a refresh token of Keycloak (`typ` is {kind:?}), which is for Keycloak alone"),
                id_token.to_owned(),
            );
        }
        Some("Bearer") => {
            return (
                ": it is an access token of Keycloak (`typ` is \"Bearer\")".to_owned(),
                format!("{id_token}, or add a mapper of the type Audience with {wanted:?} to the client"),
            );
        }
        _ => {}
    }
    let what = match claims.jwt.header.get("typ").and_then(Value::as_str) {
        Some(kind) if kind.eq_ignore_ascii_case("at+jwt") || kind.eq_ignore_ascii_case("application/at+jwt") => {
            ": it is an access token (`typ` in its header is at+jwt, RFC 9068)".to_owned()
        }
        _ => claims
            .text("azp")
            .filter(|client| *client != wanted && !audiences.iter().any(|audience| audience == client))
            .map_or_else(String::new, |client| format!("; it was made for the client {client:?}")),
    };
    (
        what,
        format!(
            "make the issuer put {wanted:?} into `aud` (in Keycloak: a mapper of the type Audience, for ID tokens), or log in as that client"
        ),
    )
}
