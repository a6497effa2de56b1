//! The lines below the page's title: the lab, the start and the duration. The main item is [`draw`].

use maud::{Markup, html};

use super::Page;
use crate::report::progress::seconds;

/// Draws the facts of one run, or the list of cells of several.
pub(super) fn draw(page: &Page<'_>) -> Markup {
    html! {
        @if page.records.iter().any(|record| record.inverted) {
            p.note { "Inverted: the sound twin was presented in place of each flawed credential, and a scenario passed if it noticed that." }
        }
        @if let [record] = page.records {
            dl.facts {
                @if let Some(lab) = &record.lab {
                    div { dt { "Kubernetes" } dd { (lab.kubernetes) } }
                    div { dt { "Cluster" } dd { (lab.cluster) } }
                    div { dt { "Identity provider" } dd { (lab.identity_provider) } }
                }
                div { dt { "Started" } dd { time datetime=(record.started) { (record.started.strftime("%-d %B %Y, %H:%M UTC")) } } }
                div { dt { "Took" } dd { (seconds(record.ms)) } }
                div { dt { "authlab" } dd { (record.authlab) } }
            }
        } @else {
            p.lead { (page.records.len()) " runs, side by side: " (page.cells.join(", ")) "." }
        }
    }
}
