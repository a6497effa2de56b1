//! Every behaviour of the catalogue, and its standing after the run. The main item is [`draw`];
//! the findings come from the page's table, as in every report.

use std::collections::{BTreeMap, BTreeSet};

use maud::{Markup, html};

use super::{Page, counted, shortened};
use crate::behaviour::{Catalogue, Kind};
use crate::report::table::{self, Finding, Row};

/// The standing of a behaviour after the run: the finding of the table that all reports share, in the catalogue's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// A scenario that proves it failed, or the server differs.
    Failed,
    /// Every scenario that ran passed.
    Proved,
    /// This version of Kubernetes does not have the behaviour.
    NotApplicable,
    /// Scenarios prove it, but none of them ran.
    NotRun,
    /// No scenario of the run proves it.
    NotCovered,
}

impl From<Finding> for Standing {
    fn from(finding: Finding) -> Self {
        match finding {
            Finding::Failed | Finding::Differs => Self::Failed,
            Finding::Proved | Finding::Refused => Self::Proved,
            Finding::Absent => Self::NotApplicable,
            Finding::NotRun => Self::NotRun,
        }
    }
}

impl Standing {
    /// Every standing, the worst first.
    const ALL: [Self; 5] = [Self::Failed, Self::Proved, Self::NotApplicable, Self::NotRun, Self::NotCovered];

    /// Returns the standing of `row`'s behaviour over all cells, and the reason if it was not proved.
    fn of(row: &Row) -> (Self, Option<&str>) {
        let standing = row
            .entries
            .iter()
            .map(|entry| entry.finding)
            .max()
            .map_or(Self::NotCovered, Self::from);
        let why = match standing {
            Self::NotApplicable | Self::NotRun => row
                .entries
                .iter()
                .flat_map(|entry| &entry.scenarios)
                .find_map(|seen| seen.why.as_deref()),
            _ => None,
        };
        (standing, why)
    }

    /// Returns the standing in words.
    fn words(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Proved => "proved",
            Self::NotApplicable => "not applicable",
            Self::NotRun => "not run",
            Self::NotCovered => "not covered",
        }
    }

    /// Returns the standing's CSS class.
    fn class(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Proved => "passed",
            Self::NotApplicable | Self::NotRun => "skipped",
            Self::NotCovered => "absent",
        }
    }
}

/// Returns a link to the row of `id`.
pub(super) fn link(id: &str) -> Markup {
    html! { a.b href={ "#b-" (id) } { (id) } }
}

/// A behaviour and its standing.
struct Behaviour<'a> {
    id: &'a str,
    standing: Standing,
    why: Option<&'a str>,
    /// The page's numbers of its scenarios.
    scenarios: Vec<usize>,
}

/// Draws the catalogue.
pub(super) fn draw(page: &Page<'_>) -> Markup {
    let found: BTreeMap<&str, &Row> = page.table.rows.iter().map(|row| (row.behaviour.as_str(), row)).collect();
    let ids: BTreeSet<&str> = Catalogue::known().ids().chain(found.keys().copied()).collect();
    let mut scenarios: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for entry in &page.entries {
        for id in &entry.scenario.behaviours {
            scenarios.entry(id).or_default().push(entry.number);
        }
    }
    let mut behaviours: Vec<Behaviour<'_>> = ids
        .into_iter()
        .map(|id| {
            let (standing, why) = found.get(id).map_or((Standing::NotCovered, None), |row| Standing::of(row));
            let scenarios = scenarios.remove(id).unwrap_or_default();
            Behaviour {
                id,
                standing,
                why,
                scenarios,
            }
        })
        .collect();
    behaviours.sort_by_cached_key(|behaviour| table::in_order(behaviour.id));
    let count = |standing: Standing| behaviours.iter().filter(|behaviour| behaviour.standing == standing).count();
    html! {
        section #catalogue aria-labelledby="catalogue-title" {
            h2 #catalogue-title { "Catalogue" }
            p.lead {
                "What Kubernetes promises about authentication: " (counted(behaviours.len(), "behaviour")) ", and how each stands after this run."
            }
            ul.chips {
                @for standing in Standing::ALL { li { span.o.(standing.class()) { (count(standing)) " " (standing.words()) } } }
            }
            details.more #behaviours {
                summary { "All behaviours" }
                search hidden {
                    label {
                        span { "Standing" }
                        select data-standing {
                            option value="" { "all" }
                            @for standing in Standing::ALL { option { (standing.words()) } }
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
                            @for behaviour in &behaviours { (row(page, behaviour)) }
                        }
                    }
                }
            }
        }
    }
}

/// The most scenarios that a row links to.
const LINKS: usize = 12;

fn row(page: &Page<'_>, of: &Behaviour<'_>) -> Markup {
    let Behaviour {
        id,
        standing,
        why,
        scenarios,
    } = of;
    let behaviour = Catalogue::known().behaviour(id);
    html! {
        tr id={ "b-" (id) } data-s=(standing.words()) {
            th scope="row" { (id) }
            td {
                span.o.(standing.class()) { (standing.words()) }
                @if let Some(why) = why { p.soft { (shortened(why, 160)) } }
                @if !scenarios.is_empty() {
                    p.links {
                        @for (index, &number) in scenarios.iter().take(LINKS).enumerate() {
                            a href={ "#s" (number) } aria-label={ "Scenario: " (shortened(&page.entries[number].scenario.name, 60)) } { (index + 1) }
                        }
                        @if scenarios.len() > LINKS { span.soft { "and " (scenarios.len() - LINKS) " more" } }
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
