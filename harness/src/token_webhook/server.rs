//! The server: reviews over HTTPS, for callers that present a certificate of the client authority.
//!
//! The main type is [`TokenWebhook`]. It serves until it is dropped.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::{Method, Request, Response, StatusCode};
use serde_json::{Value, json};

use super::script::{Reply, Script, Voucher};
use super::told;
use crate::event::{Verdict, milliseconds};
use crate::identity_provider::Address;
use crate::listener::{Account, Call, Connection, Limits, Listener, Listening, Subject, answer, read_body};
use crate::pki::{Leaf, Seed};
use crate::secret::digest;
use crate::tls::TlsError;

/// The only path that is served.
const PATH: &str = "/review";

/// The webhook's name in the record of a scenario.
const CALLED: &str = "token webhook";

/// An error of starting the webhook.
#[derive(Debug, thiserror::Error)]
pub enum TokenWebhookError {
    /// The webhook cannot listen.
    #[error("the token webhook cannot listen")]
    Listen(#[source] std::io::Error),
    /// Its certificate, or the authority of its callers, cannot be used.
    #[error("the token webhook cannot use TLS")]
    Tls(#[from] TlsError),
}

/// A running webhook. Dropping it ends it and frees its port.
#[derive(Debug)]
pub struct TokenWebhook {
    url: String,
    _listening: Listening,
}

impl TokenWebhook {
    /// Listens on a free port of `address` with the certificate `leaf`, which must be valid for that address. It serves callers that
    /// present a certificate of the authority `callers` (PEM), believes scripts that `seed` has signed, and keeps `account` of its reviews.
    ///
    /// # Errors
    /// The webhook cannot listen, or a certificate cannot be used.
    pub async fn start_at(address: &Address, leaf: &Leaf, callers: &str, seed: Seed, account: Account) -> Result<Self, TokenWebhookError> {
        let tls = crate::tls::server_for(leaf, callers)?;
        let listener = Listener::bind(address.listen).await.map_err(TokenWebhookError::Listen)?;
        let port = listener.address().port();
        let asked = Arc::new(Reviews {
            seed,
            account,
            times: Mutex::default(),
        });
        Ok(Self {
            url: format!("https://{}:{port}{PATH}", address.host),
            _listening: listener.serve(Some(tls), move |request, connection| accounted(request, connection, asked.clone())),
        })
    }

    /// Returns the URL for API servers.
    pub fn url(&self) -> &str {
        &self.url
    }
}

/// The state that reviews share.
#[derive(Debug)]
struct Reviews {
    /// The seed that scripts are signed with.
    seed: Seed,
    account: Account,
    /// The number of requests about each token whose script is signed.
    times: Mutex<HashMap<String, usize>>,
}

/// The error on which hyper closes the connection without a response.
#[derive(Debug, thiserror::Error)]
#[error("the token webhook hangs up")]
struct HungUp;

/// Answers a request, and keeps account of it if it is a review.
async fn accounted(request: Request<Incoming>, connection: Arc<Connection>, asked: Arc<Reviews>) -> Result<Response<Full<Bytes>>, HungUp> {
    let began = SystemTime::now();
    if request.method() != Method::POST || request.uri().path() != PATH {
        return Ok(status(StatusCode::NOT_FOUND, "only reviews are served"));
    }
    let body = read_body(request.into_body(), Limits::default()).await.map_err(|_| HungUp)?;
    let Ok(review) = serde_json::from_slice::<Value>(&body) else {
        return Ok(status(StatusCode::BAD_REQUEST, "invalid review (expected JSON)"));
    };
    let from = asked.account.caller(connection.peer(), connection.local()).await;
    let outcome = outcome(&review, &asked);
    let (status, verdict, words) = match &outcome {
        Ok(Outcome::Reviewed(document)) if document["status"]["authenticated"] == true => {
            (Some(200), Verdict::Accepted, Some("authenticated"))
        }
        Ok(Outcome::Reviewed(_)) => (Some(200), Verdict::Unauthenticated, Some("not authenticated")),
        Ok(Outcome::Failed(answer)) => (Some(answer.status().as_u16()), Verdict::Unreachable, Some("no review")),
        Err(HungUp) => (None, Verdict::Unreachable, None),
    };
    let call = Call {
        at: began,
        ms: milliseconds(began.elapsed().unwrap_or_default()),
        from,
        to: CALLED.to_owned(),
        request: format!("POST {PATH} TokenReview"),
        status,
        verdict,
        answer: words.map(str::to_owned),
        subject: Subject::Token(digest(token_of(&review))),
    };
    if Script::is_of_one_scenario(token_of(&review)) {
        asked.account.add(call);
    }
    outcome.map(|outcome| match outcome {
        Outcome::Reviewed(document) => answer::json(StatusCode::OK, &document),
        Outcome::Failed(answer) => answer,
    })
}

/// The answer to a review.
enum Outcome {
    /// The review with its status.
    Reviewed(Value),
    /// Another response, without a review.
    Failed(Response<Full<Bytes>>),
}

fn token_of(review: &Value) -> &str {
    review.pointer("/spec/token").and_then(Value::as_str).unwrap_or_default()
}

fn outcome(review: &Value, asked: &Reviews) -> Result<Outcome, HungUp> {
    let token = token_of(review);
    let script = match Script::of(token, &asked.seed) {
        Ok(Some(script)) => script,
        Ok(None) => return Ok(reviewed(review, &json!({ "authenticated": false }))),
        Err(unsigned) => {
            return Ok(reviewed(review, &json!({ "authenticated": false, "error": unsigned.to_string() })));
        }
    };
    let times = {
        let mut asked = asked.times.lock().unwrap_or_else(PoisonError::into_inner);
        let times = asked.entry(token.to_owned()).or_default();
        *times += 1;
        *times
    };
    Ok(match script.reply(times) {
        Some(Reply::Accept(voucher)) => {
            let status = accepted(voucher, review, times);
            match &voucher.api_version {
                Some(other) => reviewed(&json!({ "apiVersion": other }), &status),
                None => reviewed(review, &status),
            }
        }
        Some(Reply::Refuse(Some(error))) => reviewed(
            review,
            &json!({ "authenticated": false, "error": format!("{error} (asked: {times})") }),
        ),
        Some(Reply::Refuse(None)) | None => reviewed(review, &json!({ "authenticated": false })),
        Some(Reply::Status(code)) => {
            let message = format!("the token webhook is out of order (asked: {times})");
            Outcome::Failed(status(known(*code), &message))
        }
        Some(Reply::BareStatus(code)) => Outcome::Failed(answer::text(known(*code), "")),
        Some(Reply::HangUp) => return Err(HungUp),
    })
}

fn known(code: u16) -> StatusCode {
    StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// Returns the status of a review of an accepted token, with the webhook's report on itself.
fn accepted(voucher: &Voucher, review: &Value, times: usize) -> Value {
    let mut extra: HashMap<String, Value> = voucher.extra.iter().map(|(key, values)| (key.clone(), json!(values))).collect();
    let audiences = review.pointer("/spec/audiences").cloned().unwrap_or_else(|| json!([]));
    extra.insert(told::ASKED.to_owned(), json!([times.to_string()]));
    extra.insert(told::AUDIENCES.to_owned(), audiences);
    extra.insert(
        told::API_VERSION.to_owned(),
        json!([review["apiVersion"].as_str().unwrap_or_default()]),
    );
    let mut status = json!({
        "authenticated": true,
        "user": { "username": voucher.user, "uid": voucher.uid, "groups": voucher.groups, "extra": extra },
    });
    if !voucher.audiences.is_empty() {
        status["audiences"] = json!(voucher.audiences);
    }
    status
}

/// Returns the review with `status`, in the version of `review`.
fn reviewed(review: &Value, status: &Value) -> Outcome {
    Outcome::Reviewed(json!({ "apiVersion": review["apiVersion"], "kind": "TokenReview", "status": status }))
}

/// Returns a Kubernetes `Status` (meta/v1), so that API servers repeat its message.
fn status(code: StatusCode, message: &str) -> Response<Full<Bytes>> {
    let reason = match code {
        StatusCode::NOT_FOUND => "NotFound",
        StatusCode::TOO_MANY_REQUESTS => "TooManyRequests",
        StatusCode::INTERNAL_SERVER_ERROR => "InternalError",
        _ => "",
    };
    answer::status(code, reason, message)
}
