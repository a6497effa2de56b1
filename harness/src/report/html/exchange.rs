//! The text of one request and its response, beside their arrows in the diagram: headers, credentials, and the server's
//! own record. The main item is [`draw`].

use maud::{Markup, html};

use super::scenario::Depth;
use super::{credential, json, shortened};
use crate::event::{Exchange, NOT_OBSERVABLE, Presented, ReasonSource, ServerRecord, Verdict};
use crate::report::progress::seconds;
use crate::report::sequence::{self, is_earlier, request};

/// The most characters shown of one text.
const TEXT: usize = 1500;
/// The most lines shown of a log.
const LINES: usize = 30;

/// Returns a verdict in words, and the CSS class of its mark.
pub(super) fn verdict(verdict: Verdict, status: Option<u16>) -> (String, &'static str) {
    let words = verdict.words();
    let words = match status {
        Some(status) => format!("{status} {words}"),
        None => words,
    };
    let class = match verdict {
        Verdict::Accepted => "ac",
        Verdict::Unreachable => "un",
        _ => "re",
    };
    (words, class)
}

/// Returns the response to `exchange` in words, and the CSS class of its mark.
pub(super) fn response(exchange: &Exchange) -> (String, &'static str) {
    let (_, class) = verdict(exchange.verdict, exchange.status);
    let words = sequence::response(exchange);
    let words = match exchange.status {
        Some(status) => format!("{status} {words}"),
        None => words,
    };
    (words, class)
}

/// Draws the requests of the scenario `number`.
pub(super) fn draw(number: usize, exchanges: &[Exchange], depth: Depth) -> Markup {
    // A credential is shown only once in a scenario.
    let mut shown: Vec<(usize, &Presented)> = Vec::new();
    html! {
        @for (index, exchange) in exchanges.iter().enumerate() {
            @let (words, class) = response(exchange);
            details.x id={ "s" (number) "r" (index + 1) } {
                summary {
                    b { (index + 1) }
                    span.p { (exchange.from) " → " (exchange.to) }
                    code { (shortened(request(exchange), 200)) }
                    span.v.(class) { (words) }
                    @if is_earlier(exchange) { span.ms { "earlier" } } @else { span.ms { (seconds(exchange.ms)) } }
                }
                div.in {
                    @if let Some(answer) = &exchange.answer { p { (shortened(answer, TEXT)) } }
                    @if depth == Depth::Whole {
                        (headers("Headers", &exchange.headers))
                        (credentials("Presented", index, number, &exchange.presented, &mut shown))
                        (headers("Answer’s headers", &exchange.answer_headers))
                        (credentials("Issued", index, number, &exchange.issued, &mut shown))
                    }
                    @if let Some(record) = &exchange.record { (server_record(record, depth)) }
                }
            }
        }
    }
}

fn headers(title: &str, headers: &[(String, String)]) -> Markup {
    html! {
        @if !headers.is_empty() {
            h6 { (title) }
            dl.c { @for (name, value) in headers { dt { (name) } dd { (shortened(value, TEXT)) } } }
        }
    }
}

fn credentials<'a>(
    title: &str,
    index: usize,
    number: usize,
    credentials: &'a [Presented],
    shown: &mut Vec<(usize, &'a Presented)>,
) -> Markup {
    html! {
        @for presented in credentials {
            @let earlier = shown.iter().find(|(_, other)| *other == presented).map(|(first, _)| *first);
            h6 { (title) ": " (credential::words(std::slice::from_ref(presented))) }
            @if let Some(first) = earlier {
                p { "the same as in " a href={ "#s" (number) "r" (first + 1) } { "request " (first + 1) } }
            } @else {
                (credential::draw(presented))
                @let () = shown.push((index, presented));
            }
        }
    }
}

fn server_record(record: &ServerRecord, depth: Depth) -> Markup {
    html! {
        @if let Some(reason) = &record.reason {
            h6 { "Reason (" (record.reason_source.name()) ")" }
            p.reason { (shortened(reason, TEXT)) }
        } @else if record.reason_source == ReasonSource::NotObservable {
            h6 { "Reason" }
            p.reason { (NOT_OBSERVABLE) }
        }
        @if depth == Depth::Whole {
            @if !record.log.is_empty() {
                h6 { "Log" }
                pre.j { (log(&record.log)) }
            }
            @if record.audit_event.is_some() || record.audit_id.is_some() {
                h6 { "Audit event" @if let Some(id) = &record.audit_id { " " code { (id) } } }
            }
            @if let Some(event) = &record.audit_event { pre.j { (shortened(&json::lines(event), TEXT * 2)) } }
            @if !record.metrics.is_empty() {
                h6 { "Metrics" }
                dl.c {
                    @for (name, (before, after)) in &record.metrics { dt { (name) } dd { (before) " → " (after) } }
                }
            }
        } @else if let Some(id) = &record.audit_id {
            p { "audit event " code { (id) } }
        }
    }
}

/// Joins the lines of a log; of a long log, only the last ones.
pub(super) fn log(lines: &[String]) -> String {
    let left_out = lines.len().saturating_sub(LINES);
    let mut text = String::new();
    if left_out > 0 {
        text.push_str(&format!("… {left_out} lines before\n"));
    }
    let shown: Vec<_> = lines[left_out..].iter().map(|line| shortened(line, TEXT)).collect();
    text + &shown.join("\n")
}
