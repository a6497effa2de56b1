//! The requests of the pages: their files, their contents, and what they ask for, each below its word. The main type is [`Site`].
//!
//! An answer is for a browser of this user, or of a learner, that was led here by the address: requests of other users, of other sites'
//! pages, by names that lead here, or without a word get none. A word leads to one page, and no request to another's.

use std::net::SocketAddr;

use futures::{StreamExt as _, stream};
use hyper::body::{Body, Bytes};
use hyper::header::CONTENT_TYPE;
use hyper::{Method, Request, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::draft::Draft;
use super::labs::{Job, Limits};
use super::marks::Mark;
use super::project::{self, NotSaved};
use super::reply::{self, Reply};
use super::visitor::OwnPage;
use super::{assets, shapes};
use crate::cause::with_causes;
use crate::hint::Hint as _;
use crate::listener::{self, read_body};
use crate::loopback::{Caller, caller, is_asked_directly};
use crate::server_binaries::Versions;

/// The pages and their server's state.
#[derive(Debug)]
pub(super) struct Site {
    here: SocketAddr,
    pages: Vec<OwnPage>,
    limits: Limits,
    jobs: mpsc::Sender<Job>,
}

/// The body of `POST try`.
#[derive(Deserialize)]
struct Try {
    /// The window, which has one request at a time; without it, a request ends no other.
    page: Option<String>,
    #[serde(flatten)]
    draft: Draft,
}

/// The body of `POST save`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Save {
    draft: Draft,
    /// `true` to replace files that exist.
    #[serde(default)]
    replace: bool,
}

impl Site {
    /// Returns the site at `here`, whose pages may have what `limits` says at a time.
    pub(super) fn new(here: SocketAddr, pages: Vec<OwnPage>, limits: Limits, jobs: mpsc::Sender<Job>) -> Self {
        Self { here, pages, limits, jobs }
    }

    /// Answers `request` of `peer`.
    pub(super) async fn respond<B>(&self, request: Request<B>, peer: SocketAddr) -> Reply
    where
        B: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>>,
    {
        let (path, caller) = (request.uri().path().to_owned(), caller(self.here, peer));
        let below = self.below(&path);
        let is_admitted = || match below {
            Some((page, _)) => page.admits(caller),
            None => caller == Caller::Us,
        };
        if !is_asked_directly(&request) || !is_admitted() {
            let why = "the playground is shown to the user who started it, at the address that the command printed";
            return reply::error(StatusCode::FORBIDDEN, why, None);
        }
        let Some((page, name)) = below else {
            return reply::error(
                StatusCode::NOT_FOUND,
                "there is nothing at this address",
                Some("open the address that the command printed"),
            );
        };
        match (name, request.method()) {
            ("try", &Method::POST) => match body::<Try, _>(request).await {
                Ok(asked) => self.carry_out(page, &asked).await,
                Err(refused) => refused,
            },
            ("project", &Method::POST) => match body::<Draft, _>(request).await {
                Ok(draft) => download(&draft),
                Err(refused) => refused,
            },
            ("save", &Method::POST) => match body::<Save, _>(request).await {
                Ok(wanted) => save(page, &wanted),
                Err(refused) => refused,
            },
            ("try" | "project" | "save", _) => reply::other_method("POST"),
            ("state", &Method::GET) => reply::document(StatusCode::OK, &self.state(page)),
            ("shapes", &Method::GET) => reply::document(StatusCode::OK, &shapes::all()),
            ("state" | "shapes", _) => reply::other_method("GET"),
            (name, method) => match assets::file(name) {
                Some((kind, text)) if method == Method::GET => reply::whole(StatusCode::OK, kind, text),
                Some(_) => reply::other_method("GET"),
                None => reply::error(StatusCode::NOT_FOUND, "the playground has no such path", None),
            },
        }
    }

    /// Returns the page whose word begins `path`, and the rest of the path; `None` if no page has the word.
    fn below<'a>(&self, path: &'a str) -> Option<(&OwnPage, &'a str)> {
        let (word, name) = path.strip_prefix('/')?.split_once('/')?;
        Some((self.pages.iter().find(|page| page.has_word(word))?, name))
    }

    fn state(&self, page: &OwnPage) -> Value {
        let known = Versions::pinned().kubernetes.iter().rev();
        json!({
            "draft": page.draft(),
            "beginning": page.beginning,
            "versions": known.map(|kubernetes| kubernetes.version.minor_version()).collect::<Vec<_>>(),
            "save": page.save.as_ref().map(|directory| directory.display().to_string()),
            "class": page.learner.as_ref().map(|learner| json!({
                "learner": learner,
                "learners": self.pages.len(),
                "api_servers": self.limits.api_servers(),
            })),
        })
    }

    /// Answers with a line for each version, as soon as it is known, and a last one.
    async fn carry_out(&self, page: &OwnPage, asked: &Try) -> Reply {
        let superseded = asked.page.as_deref().map(|window| page.windows.newer(window));
        page.keep(&asked.draft);
        let question = match asked.draft.read(page.learner.is_some()) {
            Ok(question) => question,
            Err(marks) => return mistakes(&marks),
        };
        let (answers, known) = mpsc::unbounded_channel();
        let job = Job {
            page: page.number,
            question,
            answers,
        };
        if self.jobs.send(job).await.is_err() {
            return reply::error(StatusCode::SERVICE_UNAVAILABLE, "the playground is ending", None);
        }
        let known = stream::unfold(
            known,
            |mut known| async move { known.recv().await.map(|answer| (json!(answer), known)) },
        );
        let known = known.chain(stream::iter([json!({ "done": true })]));
        match superseded {
            // Lines that were sent already stay; dropping the rest ends its work.
            Some(superseded) => reply::lines(known.take_until(superseded)),
            None => reply::lines(known),
        }
    }
}

/// Writes the project of `page` where the command said.
fn save(page: &OwnPage, save: &Save) -> Reply {
    let Some(directory) = &page.save else {
        let why = "no directory was named to save into";
        return reply::error(
            StatusCode::CONFLICT,
            why,
            Some("start the playground with --save DIR, or download the project"),
        );
    };
    // A learner's project is opened by the user who serves the class: no more may be in it than on the page.
    if let (Some(_), Err(marks)) = (&page.learner, save.draft.read(page.learner.is_some())) {
        return mistakes(&marks);
    }
    let files = match project::files(&save.draft) {
        Ok(files) => files,
        Err(marks) => return mistakes(&marks),
    };
    match project::write(directory, &files, save.replace) {
        Ok(()) => {
            let names: Vec<&str> = files.iter().map(|file| file.name).collect();
            reply::document(
                StatusCode::OK,
                &json!({ "directory": directory.display().to_string(), "files": names }),
            )
        }
        Err(error) => {
            let (status, exists) = match &error {
                NotSaved::Exists { names } => (StatusCode::CONFLICT, names.as_slice()),
                _ => (StatusCode::INTERNAL_SERVER_ERROR, &[][..]),
            };
            reply::document(
                status,
                &json!({ "message": with_causes(&error), "hint": error.hint(), "exists": exists }),
            )
        }
    }
}

/// Answers with the project as an archive.
fn download(draft: &Draft) -> Reply {
    match project::files(draft) {
        Ok(files) => match project::archive(&files) {
            Ok(archive) => reply::whole(StatusCode::OK, "application/x-tar", archive),
            Err(error) => reply::error(StatusCode::INTERNAL_SERVER_ERROR, error.to_string(), None),
        },
        Err(marks) => mistakes(&marks),
    }
}

/// Answers with mistakes in what the user wrote.
fn mistakes(marks: &[Mark]) -> Reply {
    let message = match marks {
        [only] => only.message.clone(),
        marks => format!("there are {} mistakes", marks.len()),
    };
    reply::document(StatusCode::UNPROCESSABLE_ENTITY, &json!({ "message": message, "marks": marks }))
}

/// Reads the JSON body of `request`; or else returns the refusal.
async fn body<T: DeserializeOwned, B>(request: Request<B>) -> Result<T, Reply>
where
    B: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>>,
{
    // A page of another site cannot send that without asking first (Fetch Standard, CORS-safelisted request headers).
    let kind = request
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok())
        .unwrap_or_default();
    if kind.split(';').next().unwrap_or_default().trim() != "application/json" {
        return Err(reply::error(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "expected a body of type application/json",
            None,
        ));
    }
    let limits = listener::Limits::default();
    let bytes = read_body(request.into_body(), limits).await.map_err(|error| {
        let told = format!("{} (at most {} bytes)", with_causes(&error), limits.body_size);
        reply::error(
            StatusCode::PAYLOAD_TOO_LARGE,
            told,
            Some("the playground takes 1 MiB of texts together"),
        )
    })?;
    serde_json::from_slice(&bytes).map_err(|error| reply::error(StatusCode::BAD_REQUEST, format!("cannot read the request: {error}"), None))
}
