//! Every behaviour of the catalogue, and how it stands after the run. The main types are [`Standing`] and the table
//! that [`draw`] makes.

use std::collections::{BTreeMap, BTreeSet};

use maud::{Markup, html};

use super::{Page, counted, shortened};
use crate::behaviour::{Catalogue, Kind};
use crate::event::{Outcome, ScenarioReport};

/// How a behaviour stands, from what its scenarios came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Standing<'a> {
    /// A scenario that proves it failed.
    Failed,
    /// Every scenario that was carried out held.
    Proved,
    /// All its scenarios were skipped: the first reason.
    NotApplicable(&'a str),
    /// No scenario of the run proves it.
    NotCovered,
}

impl<'a> Standing<'a> {
    /// How the behaviour `id` stands among `scenarios`.
    pub(super) fn of(id: &str, scenarios: impl Iterator<Item = &'a ScenarioReport>) -> Self {
        let mut standing = Self::NotCovered;
        for scenario in scenarios.filter(|scenario| scenario.behaviours.iter().any(|other| other == id)) {
            match scenario.outcome {
                Outcome::Failed => return Self::Failed,
                Outcome::Passed => standing = Self::Proved,
                Outcome::Skipped if standing == Self::NotCovered => {
                    standing = Self::NotApplicable(scenario.skipped_because.as_deref().unwrap_or_default());
                }
                Outcome::Skipped => {}
            }
        }
        standing
    }

    /// In words.
    pub(super) fn word(&self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Proved => "proved",
            Self::NotApplicable(_) => "not applicable",
            Self::NotCovered => "not covered",
        }
    }

    /// As the style sheet calls it.
    pub(super) fn class(&self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Proved => "passed",
            Self::NotApplicable(_) => "skipped",
            Self::NotCovered => "absent",
        }
    }
}

/// A link to the row of `id`.
pub(super) fn link(id: &str) -> Markup {
    html! { a.b href={ "#b-" (id) } { (id) } }
}

/// `X10` after `X9`.
fn order(id: &str) -> (String, u32, String) {
    let letters: String = id.chars().take_while(|c| !c.is_ascii_digit()).collect();
    let digits: String = id[letters.len()..].chars().take_while(char::is_ascii_digit).collect();
    let rest = id[letters.len() + digits.len()..].to_owned();
    (letters, digits.parse().unwrap_or_default(), rest)
}

/// The catalogue.
pub(super) fn draw(page: &Page<'_>) -> Markup {
    let mut scenarios: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for entry in &page.entries {
        for id in &entry.scenario.behaviours {
            scenarios.entry(id).or_default().push(entry.number);
        }
    }
    let ids: BTreeSet<&str> = Catalogue::known().ids().chain(scenarios.keys().copied()).collect();
    let mut rows: Vec<(&str, &[usize], Standing<'_>)> = ids
        .into_iter()
        .map(|id| {
            let numbers = scenarios.get(id).map_or(&[] as &[usize], Vec::as_slice);
            let standing = Standing::of(id, numbers.iter().map(|&number| page.entries[number].scenario));
            (id, numbers, standing)
        })
        .collect();
    rows.sort_by_key(|(id, _, _)| order(id));
    let count = |class: &str| rows.iter().filter(|(_, _, standing)| standing.class() == class).count();
    let kinds = [
        Standing::Failed,
        Standing::Proved,
        Standing::NotApplicable(""),
        Standing::NotCovered,
    ];
    html! {
        section #catalogue aria-labelledby="catalogue-title" {
            h2 #catalogue-title { "Catalogue" }
            p.lead {
                "What Kubernetes promises about authentication: " (counted(rows.len(), "behaviour")) ", and how each stands after this run."
            }
            ul.chips {
                @for kind in &kinds { li { span.o.(kind.class()) { (count(kind.class())) " " (kind.word()) } } }
            }
            details.more #behaviours {
                summary { "All behaviours" }
                search hidden {
                    label {
                        span { "Standing" }
                        select data-standing {
                            option value="" { "all" }
                            @for kind in &kinds { option value=(kind.class()) { (kind.word()) } }
                        }
                    }
                }
                div.scroll role="region" aria-label="Behaviours" tabindex="0" {
                    table.catalogue {
                        caption { "Behaviours, with where each was read and the scenarios that prove it" }
                        thead {
                            tr {
                                th scope="col" { "Id" } th scope="col" { "Standing" } th scope="col" { "Behaviour" }
                                th scope="col" { "Versions" } th scope="col" { "Source" }
                            }
                        }
                        tbody {
                            @for (id, numbers, standing) in &rows { (row(page, id, numbers, standing)) }
                        }
                    }
                }
            }
        }
    }
}

/// How many scenarios a row links to.
const LINKS: usize = 12;

fn row(page: &Page<'_>, id: &str, numbers: &[usize], standing: &Standing<'_>) -> Markup {
    let behaviour = Catalogue::known().behaviour(id);
    html! {
        tr id={ "b-" (id) } data-s=(standing.class()) {
            th scope="row" { (id) }
            td {
                span.o.(standing.class()) { (standing.word()) }
                @if let Standing::NotApplicable(why) = standing { p.soft { (shortened(why, 160)) } }
                @if !numbers.is_empty() {
                    p.links {
                        @for (index, &number) in numbers.iter().take(LINKS).enumerate() {
                            a href={ "#s" (number) } aria-label={ "Scenario: " (shortened(&page.entries[number].scenario.name, 60)) } { (index + 1) }
                        }
                        @if numbers.len() > LINKS { span.soft { "and " (numbers.len() - LINKS) " more" } }
                    }
                }
            }
            @if let Some(behaviour) = behaviour {
                td {
                    p { (behaviour.behaviour) " " span.soft { "(" (kind(behaviour.kind)) ")" } }
                    @if !behaviour.observable.is_empty() { p.soft { (behaviour.observable) } }
                    @if let Some(seen) = &behaviour.seen { p.soft { "Seen: " (seen) } }
                }
                td { (behaviour.versions) }
                td.soft { (behaviour.source) }
            } @else {
                td.soft colspan="3" { "not in the catalogue of authlab " (env!("CARGO_PKG_VERSION")) }
            }
        }
    }
}

fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Accepted => "accepted",
        Kind::Refused => "refused",
        Kind::State => "state",
    }
}
