//! The decoded parts of presented and issued credentials: certificates and tokens. The main item is [`draw`].

use maud::{Markup, html};
use serde_json::{Map, Value};

use super::json;
use crate::event::Presented;

/// Draws the parts of `presented` that may be shown.
pub(super) fn draw(presented: &Presented) -> Markup {
    match presented {
        Presented::Certificate {
            subject,
            issuer,
            serial,
            not_before,
            not_after,
            extended_key_usages,
        } => html! {
            dl.c {
                dt { "Subject" } dd { (subject) }
                dt { "Issuer" } dd { (issuer) }
                dt { "Serial" } dd { (serial) }
                dt { "Valid" } dd { (not_before) " to " (not_after) }
                dt { "Usages" }
                dd { @if extended_key_usages.is_empty() { "not restricted" } @else { (extended_key_usages.join(", ")) } }
            }
        },
        Presented::Token { header, claims, signature } => html! {
            pre.j { b { "header" } "\n" (json::lines(header)) "\n" b { "claims" } "\n" (json::lines(claims)) "\n" b { "signature" } " " (signature) "…" }
        },
        Presented::Opaque { described_as } => html! { p { (described_as) } },
    }
}

/// Returns the kinds of the credentials in a few words, for a label: `certificate`, `access, refresh, ID token`.
pub(super) fn words(presented: &[Presented]) -> String {
    let mut words: Vec<String> = Vec::new();
    let mut tokens: Vec<&str> = Vec::new();
    for one in presented {
        match one {
            Presented::Certificate { .. } => words.push("certificate".to_owned()),
            Presented::Token { header, claims, .. } => tokens.push(use_of(header, claims)),
            Presented::Opaque { described_as } => words.push(described_as.clone()),
        }
    }
    if !tokens.is_empty() {
        let named: Vec<&str> = tokens.iter().copied().filter(|name| !name.is_empty()).collect();
        let unnamed = named.len() < tokens.len();
        words.push(match (named.is_empty(), unnamed) {
            (true, _) => "token".to_owned(),
            (false, false) => format!("{} token", named.join(", ")),
            (false, true) => format!("{}, other token", named.join(", ")),
        });
    }
    words.join(" · ")
}

/// Returns what a token is for, if it says so itself: Keycloak's claim `typ`, the header of an access token (RFC 9068 §2.1), or the claims
/// of Kubernetes' service accounts.
fn use_of(header: &Value, claims: &Value) -> &'static str {
    let is = |of: &Value, word: &str| of["typ"].as_str().is_some_and(|typ| typ.eq_ignore_ascii_case(word));
    let of_account = |claims: &Map<String, Value>| claims.keys().any(|claim| claim.starts_with("kubernetes.io"));
    if is(claims, "Bearer") || is(header, "at+jwt") || is(header, "application/at+jwt") {
        "access"
    } else if is(claims, "Refresh") || is(claims, "Offline") {
        "refresh"
    } else if is(claims, "ID") {
        "ID"
    } else if claims.as_object().is_some_and(of_account) {
        "service account"
    } else {
        ""
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn tokens_are_named_for_what_they_are() {
        let token = |header: Value, claims: Value| Presented::Token {
            header,
            claims,
            signature: String::new(),
        };
        let of = |typ: &str| token(json!({ "typ": "JWT" }), json!({ "typ": typ }));
        let account = token(json!({}), json!({ "kubernetes.io/serviceaccount/namespace": "a" }));
        let other = token(json!({ "typ": "JWT" }), json!({ "sub": "x" }));
        let basic = Presented::Opaque {
            described_as: "basic".to_owned(),
        };
        let cases = [
            (vec![of("Bearer"), of("Refresh"), of("ID")], "access, refresh, ID token"),
            (vec![of("Bearer"), of("Offline")], "access, refresh token"),
            (vec![token(json!({ "typ": "at+jwt" }), json!({}))], "access token"),
            (vec![account], "service account token"),
            (vec![other.clone()], "token"),
            (vec![other.clone(), other.clone()], "token"),
            (vec![of("ID"), other], "ID, other token"),
            (vec![basic, of("ID")], "basic · ID token"),
            (vec![], ""),
        ];
        for (presented, expected) in cases {
            assert_eq!(words(&presented), expected, "{presented:?}");
        }
    }
}
