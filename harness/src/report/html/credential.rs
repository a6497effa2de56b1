//! The decoded parts of presented and issued credentials: certificates and tokens. The main item is [`draw`].

use maud::{Markup, html};

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

/// Returns the kind of credential in a word.
pub(super) fn word(presented: &Presented) -> &str {
    match presented {
        Presented::Certificate { .. } => "certificate",
        Presented::Token { .. } => "token",
        Presented::Opaque { described_as } => described_as,
    }
}
