//! `authlab lesson board`: the progress of all learners, in the terminal or as a page.
//!
//! The main type is [`BoardArguments`].

use std::convert::Infallible;
use std::io::Write;
use std::net::Ipv4Addr;

use clap::Args;
use comfy_table::presets::UTF8_HORIZONTAL_ONLY;
use comfy_table::{ContentArrangement, Table};
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::{Request, Response, StatusCode};
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::super::Session;
use super::super::error::{CommandError, lesson_error};
use super::super::exit::Exit;
use crate::cause::with_causes;
use crate::cli::output::write_json;
use crate::lab::Lab;
use crate::lesson::{self, Lesson, LessonError, Reached, Row};
use crate::listener::{Listener, answer};
use crate::loopback::is_asked_directly;

/// Arguments of `authlab lesson board`.
#[derive(Args, Clone, Debug)]
pub struct BoardArguments {
    /// Serve the board as a page on this machine until Ctrl-C
    ///
    /// The page is kept up to date.
    #[arg(long)]
    serve: bool,
}

/// The interval at which the page reloads, in seconds.
const AGAIN: u32 = 5;

/// Shows the board.
///
/// # Errors
/// A learner's file cannot be read, or no port can be opened.
pub(super) async fn show(arguments: &BoardArguments, lab: &Lab, session: &Session, out: &mut dyn Write) -> Result<Exit, CommandError> {
    if arguments.serve {
        return serve(lab, session, out).await;
    }
    let rows = lesson::board(lab).map_err(lesson_error)?;
    if session.output.json {
        return write_json(&rows, out);
    }
    if rows.is_empty() {
        writeln!(out, "No lesson was started in this lab yet.")?;
        return Ok(Exit::Success);
    }
    let mut table = Table::new();
    table
        .load_style(UTF8_HORIZONTAL_ONLY)
        .set_content_arrangement(ContentArrangement::Disabled);
    let columns = columns(&rows);
    table.set_header(std::iter::once("learner".to_owned()).chain(columns.iter().map(|lesson| lesson.number.to_string())));
    for row in &rows {
        let cells = columns
            .iter()
            .map(|lesson| row.progress.lessons.get(&lesson.name).map(cell).unwrap_or_default());
        table.add_row(std::iter::once(row.learner.clone()).chain(cells));
    }
    writeln!(out, "{table}")?;
    for lesson in columns {
        writeln!(out, "{:>3}  {}", lesson.number, lesson.name)?;
    }
    Ok(Exit::Success)
}

/// Returns the lessons that at least one learner has started, in order.
fn columns(rows: &[Row]) -> Vec<&'static Lesson> {
    let is_started = |lesson: &&Lesson| rows.iter().any(|row| row.progress.lessons.contains_key(&lesson.name));
    lesson::all().iter().filter(is_started).collect()
}

/// Returns a learner's progress in a few characters: `✓ 12 min`, `1/2`, `…`.
fn cell(reached: &Reached) -> String {
    match reached.done {
        Some(done) => {
            let minutes = (done.as_second() - reached.started.as_second()) / 60;
            format!("✓ {minutes} min")
        }
        None if reached.checks == 0 => "…".to_owned(),
        None => format!("{}/{}", reached.held, reached.goals),
    }
}

async fn serve(lab: &Lab, session: &Session, out: &mut dyn Write) -> Result<Exit, CommandError> {
    let listener = Listener::bind(Ipv4Addr::LOCALHOST).await?;
    writeln!(out, "The board is at http://{} until Ctrl-C.", listener.address())?;
    out.flush()?;
    let lab = lab.clone();
    let _listening = listener.serve(None, move |request, _| {
        std::future::ready(Ok::<_, Infallible>(respond(&request, || lesson::board(&lab))))
    });
    session.interrupt.requested().await;
    Ok(Exit::Success)
}

fn respond<B>(request: &Request<B>, rows: impl FnOnce() -> Result<Vec<Row>, LessonError>) -> Response<Full<Bytes>> {
    let (status, text) = if !is_asked_directly(request) {
        // Names and progress are for users of this machine, not for the page of another site.
        let why = "The board is shown at the address that the command printed, and nowhere else.";
        (StatusCode::FORBIDDEN, page_of_error(why).into_string())
    } else if request.uri().path() == "/" {
        match rows() {
            Ok(rows) => (StatusCode::OK, page_of(&rows).into_string()),
            Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, page_of_error(&with_causes(&error)).into_string()),
        }
    } else {
        (StatusCode::NOT_FOUND, String::new())
    };
    answer::html(status, text)
}

fn page_of_error(why: &str) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head { meta charset="utf-8"; meta http-equiv="refresh" content=(AGAIN); title { "Lessons" } }
            body { h1 { "Lessons" } p { (why) } }
        }
    }
}

const STYLE: &str = "\
:root{color-scheme:light dark}body{font:16px/1.5 system-ui,sans-serif;margin:2rem}\
table{border-collapse:collapse}th,td{padding:.35rem .8rem;border-bottom:1px solid #8888;text-align:left}\
.done{color:#0a7d33;font-weight:600}@media(prefers-color-scheme:dark){.done{color:#5fd38a}}";

fn page_of(rows: &[Row]) -> Markup {
    let columns = columns(rows);
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta http-equiv="refresh" content=(AGAIN);
                title { "Lessons" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                h1 { "Lessons" }
                table {
                    thead { tr { th scope="col" { "Learner" } @for lesson in &columns { th scope="col" { (lesson.name) } } } }
                    tbody {
                        @for row in rows {
                            tr {
                                th scope="row" { (row.learner) }
                                @for lesson in &columns {
                                    @let reached = row.progress.lessons.get(&lesson.name);
                                    td class=[reached.filter(|reached| reached.done.is_some()).map(|_| "done")] {
                                        (reached.map(cell).unwrap_or_default())
                                    }
                                }
                            }
                        }
                    }
                }
                @if rows.is_empty() { p { "No lesson was started in this lab yet." } }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lesson::Progress;

    #[test]
    fn nothing_is_told_to_a_page_of_another_site() {
        let status = |headers: &[(&str, &str)]| {
            let mut request = Request::get("/");
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            let mut looked = false;
            let response = respond(&request.body(()).expect("a request"), || {
                looked = true;
                Ok(Vec::new())
            });
            (response.status().as_u16(), looked)
        };
        assert_eq!(status(&[("host", "127.0.0.1:4711")]), (200, true));
        assert_eq!(status(&[("host", "board.evil.test:4711")]), (403, false));
        assert_eq!(status(&[("host", "127.0.0.1:4711"), ("origin", "http://evil.test")]), (403, false));
    }

    #[test]
    fn the_page_shows_who_is_done() {
        let mut progress = Progress::default();
        let started: jiff::Timestamp = "2026-01-01T10:00:00Z".parse().expect("a time");
        let reached = Reached {
            started,
            checks: 2,
            hints: 0,
            held: 2,
            goals: 2,
            done: Some("2026-01-01T10:12:30Z".parse().expect("a time")),
            last_hint: None,
        };
        progress.lessons.insert("oidc".to_owned(), reached);
        let page = page_of(&[Row {
            learner: "learner-1".to_owned(),
            progress,
        }])
        .into_string();
        assert!(page.contains(r#"<td class="done">✓ 12 min</td>"#), "{page}");
        assert!(page.contains(r#"<th scope="col">oidc</th>"#), "{page}");
    }
}
