//! A [`Sequence`] as a picture: a lifeline per party, an arrow per request, a dashed arrow per response. The main items are [`draw`], for the page, [`embedded`], for another page, and [`alone`], a picture in a file of its own.
//!
//! Widths are estimated from the number of characters: labels use a monospaced font.

use maud::{Markup, PreEscaped, html};

use super::exchange::response;
use super::{counted, credential, shortened};
use crate::event::{Exchange, ScenarioReport, StepReport};
use crate::report::sequence::{Arrow, Row, Sequence, is_earlier, request, without_beginning};

/// The width of a character in a label, and in a party's name.
const LABEL: usize = 7;
const NAME: usize = 8;
/// The heights of the row of names, of a request, of a response, and of a step's line.
const HEAD: usize = 40;
const REQUEST: usize = 26;
const RESPONSE: usize = 28;
const BAND: usize = 26;
/// The longest label and name, in characters.
const LONGEST: usize = 46;
/// The longest label on another page, which has more room.
const LONGEST_WITHIN: usize = 52;
const LONGEST_NAME: usize = 26;

/// A party and its position.
struct Party<'a> {
    name: &'a str,
    x: usize,
}

struct Labels {
    request: String,
    answer: String,
    class: &'static str,
}

/// The text of the line above the requests that began before the scenario.
const EARLIER: &str = "Earlier, before this scenario";

/// The style sheet of a standalone picture, with a background of its own, so that it is readable on any page.
const ALONE: &str = concat!(
    include_str!("theme.css"),
    "text{font-family:ui-monospace,\"Cascadia Mono\",\"SF Mono\",Menlo,Consolas,\"DejaVu Sans Mono\",monospace}\n",
    ".q{color:var(--ink)}.ground{fill:var(--bg)}\n",
    include_str!("sequence.css")
);
/// The margin between the edge of that background and the diagram.
const MARGIN: usize = 12;

/// Draws the diagram of scenario `number`.
pub(super) fn draw(number: usize, exchanges: &[Exchange], steps: &[StepReport]) -> Markup {
    html! {
        div.q role="group" aria-label="Diagram" tabindex="0" { (svg(number, exchanges, steps, LONGEST)) }
    }
}

/// Draws the diagram as an SVG element for another page, which has the rules of `sequence.css`; `number` distinguishes it from others there.
#[must_use]
pub fn embedded(number: usize, exchanges: &[Exchange], steps: &[StepReport]) -> String {
    super::without_controls(svg(number, exchanges, steps, LONGEST_WITHIN).into_string())
}

fn svg(number: usize, exchanges: &[Exchange], steps: &[StepReport], longest: usize) -> Markup {
    let Drawing {
        names,
        width,
        height,
        parts,
    } = Drawing::of(exchanges, steps, longest);
    html! {
        svg role="img" aria-labelledby={ "q" (number) } aria-describedby={ "d" (number) } width=(width) height=(height) viewBox={ "0 0 " (width) " " (height) } {
            title id={ "q" (number) } { (title(&names, exchanges)) }
            desc id={ "d" (number) } { (description(exchanges)) }
            (parts)
        }
    }
}

/// Draws the diagram as a self-contained SVG file with the scenario's title, for light and dark mode.
#[must_use]
pub fn alone(scenario: &ScenarioReport) -> String {
    let exchanges = &scenario.exchanges;
    let Drawing {
        names,
        width,
        height,
        parts,
    } = Drawing::of(exchanges, &scenario.steps, LONGEST);
    let (wide, high) = (width + 2 * MARGIN, height + 2 * MARGIN);
    let markup = html! {
        svg xmlns="http://www.w3.org/2000/svg" role="img" aria-labelledby="title" aria-describedby="description" width=(wide) height=(high) viewBox={ "0 0 " (wide) " " (high) } {
            title #title { (scenario.name) ": " (title(&names, exchanges)) }
            desc #description { (description(exchanges)) }
            style { (PreEscaped(ALONE)) }
            rect.ground width=(wide) height=(high) rx="8" {}
            g.q transform={ "translate(" (MARGIN) " " (MARGIN) ")" } { (parts) }
        }
    };
    super::without_controls(markup.into_string()) + "\n"
}

/// A drawn diagram and its size.
struct Drawing<'a> {
    names: Vec<&'a str>,
    width: usize,
    height: usize,
    parts: Markup,
}

impl<'a> Drawing<'a> {
    /// Draws `exchanges` below the texts of their `steps`, with labels of at most `longest` characters.
    fn of(exchanges: &'a [Exchange], steps: &[StepReport], longest: usize) -> Self {
        let Sequence {
            parties: names,
            rows,
            arrows,
        } = Sequence::of(exchanges);
        let labels: Vec<Labels> = rows
            .iter()
            .enumerate()
            .map(|(index, row)| labels(index, row.exchange, longest))
            .collect();
        let (places, width) = places(&names, &rows, &labels);
        let mut y = HEAD;
        let mut heading = None;
        let mut drawn = Vec::new();
        for arrow in arrows {
            let (Arrow::Request(index) | Arrow::Response(index)) = arrow;
            let (Row { from, to, exchange }, labels) = (rows[index], &labels[index]);
            let (from, to) = (places[from].x, places[to].x);
            if matches!(arrow, Arrow::Response(_)) {
                if from != to {
                    drawn.push(response_arrow(y, from, to, labels, is_earlier(exchange)));
                }
                y += RESPONSE;
                continue;
            }
            let text = match exchange.step.and_then(|step| steps.get(step)) {
                _ if is_earlier(exchange) => Some(EARLIER),
                step => step.map(|step| step.text.as_str()),
            };
            let begun = (exchange.step, is_earlier(exchange));
            if let Some(text) = text.filter(|_| heading != Some(begun)) {
                drawn.push(band(y, width, text));
                y += BAND;
            }
            heading = Some(begun);
            drawn.push(match from == to {
                true => both(y, from, labels),
                false => request_arrow(y, from, to, labels, is_earlier(exchange)),
            });
            y += REQUEST;
        }
        let height = y + 12;
        let parts = html! {
            @for party in &places {
                @let half = (shortened(party.name, LONGEST_NAME).chars().count() * NAME) / 2 + 8;
                path.l d={ "M" (party.x) " 30V" (height - 4) } {}
                rect x=(party.x - half) y="4" width=(half * 2) height="26" rx="6" {}
                text.n x=(party.x) y="22" { (shortened(party.name, LONGEST_NAME)) }
            }
            @for part in &drawn { (part) }
        };
        Self {
            names,
            width,
            height,
            parts,
        }
    }
}

/// Returns the diagram's title in a few words.
fn title(names: &[&str], exchanges: &[Exchange]) -> String {
    format!("{} between {}", counted(exchanges.len(), "request"), names.join(", "))
}

/// Returns the text of all arrows, for screen readers.
fn description(exchanges: &[Exchange]) -> String {
    let told = exchanges.iter().enumerate().map(|(index, exchange)| {
        let answer = response(exchange).0;
        let earlier = if is_earlier(exchange) { "earlier, " } else { "" };
        format!("{} {earlier}{} to {}: {answer}. ", index + 1, exchange.from, exchange.to)
    });
    told.collect()
}

fn labels(index: usize, exchange: &Exchange, longest: usize) -> Labels {
    let after = |words: String| match words.is_empty() {
        true => words,
        false => format!(" · {words}"),
    };
    let with = after(credential::words(&exchange.presented));
    let with = shortened(&with, longest / 2);
    let room = longest.saturating_sub(with.chars().count() + 4);
    let label = format!("{} {}{with}", index + 1, without_beginning(request(exchange), room));
    let (mut answer, class) = response(exchange);
    answer.push_str(&after(credential::words(&exchange.issued)));
    Labels {
        request: shortened(&label, longest).into_owned(),
        answer: shortened(&answer, longest).into_owned(),
        class,
    }
}

/// Returns the position of each party, with room for every label, and the total width.
fn places<'a>(names: &[&'a str], rows: &[Row<'_>], labels: &[Labels]) -> (Vec<Party<'a>>, usize) {
    let half = |name: &str| shortened(name, LONGEST_NAME).chars().count() * NAME / 2 + 8;
    let mut gaps: Vec<usize> = names.windows(2).map(|pair| half(pair[0]) + half(pair[1]) + 16).collect();
    let mut right = names.last().map_or(0, |name| half(name)) + 8;
    for (Row { from, to, .. }, labels) in rows.iter().zip(labels) {
        let longest = labels.request.chars().count().max(labels.answer.chars().count() + 2);
        let needed = longest * LABEL + 28;
        let (first, last) = (*from.min(to), *from.max(to));
        if first == last {
            match gaps.get_mut(first) {
                Some(gap) => *gap = (*gap).max(needed + 20),
                None => right = right.max(needed + 20),
            }
            continue;
        }
        let missing = needed.saturating_sub(gaps[first..last].iter().sum());
        for gap in &mut gaps[first..last] {
            *gap += missing.div_ceil(last - first);
        }
    }
    let mut x = names.first().map_or(0, |name| half(name)) + 8;
    let mut places = Vec::new();
    for (index, name) in names.iter().enumerate() {
        places.push(Party { name, x });
        x += gaps.get(index).copied().unwrap_or(right);
    }
    (places, x)
}

fn band(y: usize, width: usize, text: &str) -> Markup {
    html! {
        path.k d={ "M0 " (y + 8) "H" (width) } {}
        text.k x="6" y=(y + 22) { (shortened(text, width / LABEL)) }
    }
}

/// Draws a request of a party to itself, with its response.
fn both(y: usize, at: usize, labels: &Labels) -> Markup {
    html! {
        g.(labels.class).me {
            text x=(at + 34) y=(y + 19) { (labels.request) }
            path d={ "M" (at) " " (y + 18) "h26v18h-26l8 -4v8l-8 -4" } {}
            text x=(at + 34) y=(y + 38) { (labels.answer) }
        }
    }
}

fn request_arrow(y: usize, from: usize, to: usize, labels: &Labels, is_earlier: bool) -> Markup {
    html! {
        g.r.e[is_earlier] {
            text x=(from.midpoint(to)) y=(y + 18) { (labels.request) }
            path d={ "M" (from) " " (y + 24) (head(from, to)) } {}
        }
    }
}

fn response_arrow(y: usize, from: usize, to: usize, labels: &Labels, is_earlier: bool) -> Markup {
    html! {
        g.(labels.class).a.e[is_earlier] {
            text x=(from.midpoint(to)) y=(y + 14) { (labels.answer) }
            path d={ "M" (to) " " (y + 20) (head(to, from)) } {}
        }
    }
}

/// Returns the line of an arrow to `to`, with its tip.
fn head(from: usize, to: usize) -> String {
    // The base of the tip is behind it, seen from the arrow's start.
    let (there, back) = if to > from { ("-8", "8") } else { ("8", "-8") };
    format!("H{to}l{there} -4v8l{back} -4")
}
