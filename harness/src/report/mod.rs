//! Reports of a run, for people and as files, drawn from events alone.
//!
//! Each kind of report is a [`Reporter`]; [`fan_out`] sends each event to
//! all of them. It is also the only place where texts of servers are
//! redacted and made printable: no reporter ever sees a secret, or a character that a terminal obeys.

use std::borrow::Cow;
use std::sync::{Arc, Mutex, PoisonError};

use crate::event::{Event, Events};
use crate::printable::make_texts_printable;
use crate::secret::redact_value;

pub mod cell;
pub mod cucumber;
pub mod directory;
mod earlier;
pub mod failure;
pub mod github;
pub mod html;
pub mod junit;
pub mod libtest;
pub mod matrix;
pub mod progress;
pub mod proved;
pub mod record;
pub mod sabotage;
pub mod saved;
pub mod sequence;
pub mod table;
pub mod teamcity;
pub mod terminal;

/// A consumer of events, which draws or records them.
pub trait Reporter: Send {
    /// Handles `event`.
    fn on(&mut self, event: &Event);
}

/// A shared reporter, which can be read later.
impl<R: Reporter> Reporter for Arc<Mutex<R>> {
    fn on(&mut self, event: &Event) {
        self.lock().unwrap_or_else(PoisonError::into_inner).on(event);
    }
}

/// Returns a sink that redacts each event and sends it to all `reporters` in order.
#[must_use]
pub fn fan_out(reporters: Vec<Box<dyn Reporter>>) -> Events {
    let reporters = Mutex::new(reporters);
    Events::new(move |event| {
        let event = redacted(event);
        for reporter in reporters.lock().unwrap_or_else(PoisonError::into_inner).iter_mut() {
            reporter.on(&event);
        }
    })
}

/// Redacts every text of `event`, in all fields that it has now or gets later.
fn redacted(event: Event) -> Event {
    let text = serde_json::to_value(&event).and_then(|mut value| {
        redact_value(&mut value);
        make_texts_printable(&mut value);
        serde_json::from_value(value)
    });
    // Losing an event is better than showing a secret.
    text.unwrap_or_else(|error| Event::Note {
        text: format!("cannot redact an event, which is not shown: {error}"),
    })
}

/// Returns `text` with at most `most` characters.
fn shortened(text: &str, most: usize) -> Cow<'_, str> {
    match text.char_indices().nth(most) {
        Some((at, _)) => Cow::Owned(format!("{}…", text[..at].trim_end())),
        None => Cow::Borrowed(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::AnswerReport;

    struct Last(Option<Event>);
    impl Reporter for Last {
        fn on(&mut self, event: &Event) {
            self.0 = Some(event.clone());
        }
    }

    #[test]
    fn what_servers_said_does_not_act_on_a_terminal() {
        let last = Arc::new(Mutex::new(Last(None)));
        let events = fan_out(vec![Box::new(Arc::clone(&last))]);
        events.note("a log says \u{1b}[2J");
        let seen = format!("{:?}", last.lock().unwrap_or_else(PoisonError::into_inner).0);
        assert!(seen.contains("a log says \u{fffd}[2J"), "{seen}");
    }

    #[test]
    fn what_servers_said_is_redacted_wherever_it_stands() {
        let token = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJlLXRoYXQtaXMtc2VjcmV0";
        let last = Arc::new(Mutex::new(Last(None)));
        let events = fan_out(vec![Box::new(Arc::clone(&last))]);
        let answer = AnswerReport {
            request: "mallory → main: GET /api".to_owned(),
            verdict: crate::event::Verdict::Unauthenticated,
            status: Some(401),
            reason: Some(format!("invalid bearer token [{token}]")),
            reason_source: crate::event::ReasonSource::Log,
            audit_id: None,
            user: None,
        };
        let report = crate::event::ScenarioReport {
            id: "oidc/login::it is refused".to_owned(),
            flow: "oidc".to_owned(),
            feature: "Login".to_owned(),
            rule: None,
            name: "it is refused".to_owned(),
            place: "features/oidc/login.feature:3".to_owned(),
            tags: Vec::new(),
            behaviours: Vec::new(),
            run_with: Vec::new(),
            outcome: crate::event::Outcome::Failed,
            skipped: None,
            failure: Some(crate::event::Failure {
                step: "Then it is refused".to_owned(),
                place: String::new(),
                definition: None,
                cause: crate::event::Cause::failed(format!("seen {token}")),
                log: vec![format!("err={token}")],
                evidence: None,
            }),
            ms: 1,
            inversion: None,
            answers: vec![answer],
            steps: Vec::new(),
            exchanges: vec![crate::event::Exchange {
                record: Some(crate::event::ServerRecord {
                    audit_event: Some(serde_json::json!({ "user": { "username": "alice" }, "clientSecret": "told-by-its-name" })),
                    ..crate::event::ServerRecord::default()
                }),
                ..crate::event::Exchange::default()
            }],
        };
        events.emit(Event::ScenarioFinished { report: Box::new(report) });
        let seen = format!("{:?}", last.lock().unwrap_or_else(PoisonError::into_inner).0);
        assert!(!seen.contains("c2lnbmF0dXJlLXRoYXQtaXMtc2VjcmV0"), "{seen}");
        assert_eq!(seen.matches("c2lnbm…").count(), 3, "{seen}");
        assert!(seen.contains("alice") && !seen.contains("told-by-its-name"), "{seen}");
    }
}
