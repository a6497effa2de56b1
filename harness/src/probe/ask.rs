//! One request to an API server: a connection of its own, the credential as it is, the answer with its record.

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures::FutureExt as _;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::watch::Connection;
use super::{Answer, Gate, Identity, Mark, Question, ReasonSource, Record, Verdict, Watch, seen};
use crate::cluster::{ApiServer, Pace};
use crate::credential::{Credential, Presentation};
use crate::event::{Exchanges, NOT_OBSERVABLE};
use crate::pki::{Authority, Request};
use crate::process::wait::{Condition, until};
use crate::secret::redact;

/// No request of a scenario takes this long unless something hangs.
const LIMIT: Duration = Duration::from_secs(30);

/// How long the engine may take to pass a line of the log on.
const MARK_LIMIT: Duration = Duration::from_secs(5);

/// How many lines of the log a refusal is shown with.
const LINES: usize = 12;

/// Where to ask: an API server itself, or something in front of it.
#[derive(Clone, Debug)]
pub struct Door {
    /// What it is called in reports.
    pub name: String,
    /// Its address.
    pub url: String,
    /// The authority of its serving certificate, PEM.
    pub authority: String,
    /// The API server behind it, whose record proves the answer.
    pub server: ApiServer,
    /// Where it is told what was asked here.
    pub exchanges: Exchanges,
}

impl Door {
    /// The API server's own door.
    pub fn of(server: &ApiServer) -> Self {
        Self {
            name: server.name.clone(),
            url: server.url.clone(),
            authority: server.serving_authority.clone(),
            server: server.clone(),
            exchanges: Exchanges::default(),
        }
    }
}

/// Asks `question` at `door` as `who`, presenting `credential`.
///
/// Never fails: not being answered is an answer, too ([`Verdict::Unreachable`]).
pub async fn ask(door: &Door, who: &str, credential: &Credential, question: &Question) -> Answer {
    carry(door, who, credential, question, Reading::Whole).await.0
}

/// Asks `question`, whose answer goes on and on, and returns as soon as it begins. There is something to watch
/// if it was accepted; every refusal is read to its end as [`ask`] does.
pub async fn watch(door: &Door, who: &str, credential: &Credential, question: &Question) -> (Answer, Option<Watch>) {
    carry(door, who, credential, question, Reading::AsItComes).await
}

/// How the answer's body is read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reading {
    /// At once, to its end.
    Whole,
    /// By who asked, bit by bit, unless it is a refusal.
    AsItComes,
}

async fn carry(door: &Door, who: &str, credential: &Credential, question: &Question, reading: Reading) -> (Answer, Option<Watch>) {
    let request = format!("{who} → {}: {question}", door.name);
    let presentation = credential.presentation();
    let gate = Gate::enter(&door.server.gate).await;
    let mark = Mark::now(&door.server);
    let began = SystemTime::now();
    let sent = tokio::time::timeout(LIMIT, exchange(door, &presentation, question, reading)).await;
    let lasted = began.elapsed().unwrap_or_default();
    let unauthenticated = matches!(&sent, Ok(Ok((exchanged, _))) if exchanged.status == 401);
    let refusals = match door.server.logs.as_ref().map(|logs| logs.pace) {
        Some(Pace::PassedOn) if unauthenticated => until_marked(&door.server, mark).await,
        _ => mark
            .refusals(&door.server)
            .map_err(|error| format!("the API server's log cannot be read: {error}")),
    };
    drop(gate);

    let (answer, watch) = match sent {
        Ok(Ok((mut exchanged, watch))) => {
            // Who changes the protocol does not repeat how the request is called.
            if exchanged.status == 101 {
                exchanged
                    .headers
                    .extend(question.audit_id().map(|id| ("audit-id".to_owned(), id.to_owned())));
            }
            (answer(door, request, exchanged, mark, refusals).await, watch)
        }
        Ok(Err(error)) => {
            let reason = cause(&*error);
            let verdict = if is_tls(&*error) {
                Verdict::TlsRefused
            } else {
                Verdict::Unreachable
            };
            (unanswered(request, verdict, reason), None)
        }
        Err(_) => (
            unanswered(request, Verdict::Unreachable, format!("no answer within {LIMIT:?}")),
            None,
        ),
    };
    if door.exchanges.are_heard() {
        for told in seen::exchanges(door, who, &presentation, question, &answer) {
            door.exchanges.tell(began, lasted, told);
        }
    }
    (answer, watch)
}

/// The refusals logged since `mark`, where lines come a moment after the answer: a refusal of our own making, whose line
/// is known by its certificate's serial number, is logged behind all that came before it.
///
/// # Errors
/// Why it is not known what was logged: that is not the same as nothing.
async fn until_marked(server: &ApiServer, mark: Mark) -> Result<Vec<String>, String> {
    let stranger = Authority::self_signed(&Request::client("authlab-mark", &[])).map_err(|error| error.to_string())?;
    let serial = stranger.serial_number().map_err(|error| error.to_string())?;
    let word = format!("SN={serial},");
    let presentation = Credential::Certificate(stranger).presentation();
    // Whatever comes of it: without its line there is no reason either.
    let _answered = exchange(&Door::of(server), &presentation, &Question::who_am_i(), Reading::Whole).await;
    let seen = until("the mark in the API server's log", MARK_LIMIT, || async {
        let refusals = mark.refusals(server)?;
        let end = refusals.iter().position(|reason| reason.contains(&word));
        Ok::<_, std::io::Error>(match end {
            Some(end) => Condition::Met(refusals[..end].to_vec()),
            None => Condition::NotYet(format!("no line with {word}")),
        })
    });
    seen.await.map_err(|error| error.to_string())
}

/// Finds the record of what was exchanged.
async fn answer(door: &Door, request: String, exchanged: Exchanged, mark: Mark, refusals: Result<Vec<String>, String>) -> Answer {
    let Exchanged { status, headers, text } = through_stand_in(door, exchanged, &refusals);
    let body: Value = serde_json::from_str(&text).unwrap_or_else(|_| if text.is_empty() { Value::Null } else { text.clone().into() });
    let audit_id = headers.iter().find(|(name, _)| name == "audit-id").map(|(_, value)| value.clone());
    let event = match &audit_id {
        Some(id) => mark.event(&door.server, id).await,
        None => None,
    };
    let verdict = Verdict::of_status(status);
    let log = if verdict == Verdict::Accepted {
        Vec::new()
    } else {
        mark.log_lines(&door.server, LINES)
    };
    // Errors that the server did not expect come as plain text, not as a `Status`.
    let message = || {
        body.get("message")
            .unwrap_or(&body)
            .as_str()
            .map(|message| redact(message).into_owned())
    };
    // The auth proxy's own refusals have a body that says why; no audit id, since the API server never saw them.
    let answered_by_server = audit_id.is_some();
    let (reason, source) = match verdict {
        Verdict::Accepted => (None, ReasonSource::None),
        Verdict::Unauthenticated if door.server.logs.is_none() && answered_by_server => {
            (Some(NOT_OBSERVABLE.to_owned()), ReasonSource::NotObservable)
        }
        // The one refusal in the log while the gate was ours is this request's.
        Verdict::Unauthenticated => match refusals.as_deref() {
            Err(why) => (Some(why.clone()), ReasonSource::None),
            Ok([first, more @ ..]) if more.iter().all(|reason| reason == first) => (Some(first.clone()), ReasonSource::Log),
            // The log is silent where no credential was presented at all; the audit event is not.
            Ok([]) => match event.as_ref().and_then(|event| event.message()) {
                Some(message) => (Some(message.to_owned()), ReasonSource::Audit),
                None => (message(), ReasonSource::Body),
            },
            Ok(several) => (
                Some(format!("not told apart from others' refusals at the same time: {several:?}")),
                ReasonSource::None,
            ),
        },
        Verdict::Forbidden | Verdict::BadRequest | Verdict::Unreachable | Verdict::TlsRefused => (message(), ReasonSource::Body),
    };
    let told = body
        .pointer("/status/userInfo")
        .and_then(|told| serde_json::from_value::<Identity>(told.clone()).ok());
    let identity = told.or_else(|| {
        event
            .as_ref()
            .filter(|_| verdict != Verdict::Unauthenticated)
            .and_then(|event| event.identity())
    });
    Answer {
        request,
        verdict,
        status: Some(status),
        headers,
        body,
        text,
        identity,
        record: Record {
            reason,
            source,
            audit_id,
            event,
            log,
        },
    }
}

/// What is left of an answer where a lab has something in front of its API server that answers in its place.
fn through_stand_in(door: &Door, exchanged: Exchanged, refusals: &Result<Vec<String>, String>) -> Exchanged {
    let Some(logs) = &door.server.logs else { return exchanged };
    let reasons = refusals.as_deref().unwrap_or_default();
    match logs.distortion.stand_in(exchanged.status, reasons) {
        Some(stand_in) => Exchanged {
            status: stand_in.becomes,
            text: stand_in.body.clone().unwrap_or(exchanged.text),
            ..exchanged
        },
        None => exchanged,
    }
}

struct Exchanged {
    status: u16,
    headers: Vec<(String, String)>,
    text: String,
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

async fn exchange(
    door: &Door,
    presentation: &Presentation,
    question: &Question,
    reading: Reading,
) -> Result<(Exchanged, Option<Watch>), Failure> {
    let uri: hyper::Uri = door.url.parse()?;
    let authority = uri.authority().ok_or("the address has no host")?.clone();
    let socket = TcpStream::connect((authority.host(), authority.port_u16().unwrap_or(443))).await?;
    socket.set_nodelay(true)?;
    let name = ServerName::try_from(authority.host().to_owned())?;
    let mut tls = crate::tls::client(&door.authority, presentation.certificate.as_ref())?;
    // A session that was resumed would carry the identity of an earlier certificate.
    tls.resumption = rustls::client::Resumption::disabled();
    let connector = TlsConnector::from(Arc::new(tls));
    let stream = connector.connect(name, socket).await?;

    let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let mut connection = Connection(tokio::spawn(connection.with_upgrades()));
    let mut request = hyper::Request::builder()
        .method(question.method.clone())
        .uri(&question.path)
        .header("Host", authority.as_str())
        .header("User-Agent", "authlab");
    if !question.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("Accept")) {
        request = request.header("Accept", "application/json");
    }
    for (name, value) in &presentation.headers {
        request = request.header(name, value.expose());
    }
    for (name, value) in &question.headers {
        request = request.header(name, value);
    }
    let body = match &question.body {
        Some(body) => {
            request = request.header("Content-Type", "application/json");
            Full::new(Bytes::from(body.to_string()))
        }
        None => Full::default(),
    };
    let answer = send(sender, &mut connection, request.body(body)?).await?;
    let status = answer.status().as_u16();
    let headers = answer
        .headers()
        .iter()
        .map(|(name, value)| (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
        .collect();
    if reading == Reading::AsItComes && Verdict::of_status(status) == Verdict::Accepted {
        let watch = if status == 101 {
            Watch::over_web_socket(hyper::upgrade::on(answer).await?, connection).await
        } else {
            Watch::new(answer.into_body(), connection)
        };
        return Ok((
            Exchanged {
                status,
                headers,
                text: String::new(),
            },
            Some(watch),
        ));
    }
    let bytes = answer.into_body().collect().await?.to_bytes();
    Ok((
        Exchanged {
            status,
            headers,
            text: String::from_utf8_lossy(&bytes).into_owned(),
        },
        None,
    ))
}

/// Sends `request` and waits for the answer, or for the connection's end.
async fn send(
    mut sender: SendRequest<Full<Bytes>>,
    connection: &mut Connection,
    request: hyper::Request<Full<Bytes>>,
) -> Result<hyper::Response<Incoming>, Failure> {
    let (answer, ended) = {
        let mut sent = pin!(sender.send_request(request));
        tokio::select! {
            biased;
            answer = &mut sent => (Some(answer), None),
            // A request that is handed over while the connection ends is lost, and nobody tells who waits for its answer.
            why = connection.failure() => (sent.now_or_never(), Some(why)),
        }
    };
    match (answer, ended) {
        (Some(Ok(answer)), _) => Ok(answer),
        // The connection knows better why it ended: a TLS alert, for one (RFC 8446 §4.4.2 lets it come this late).
        (Some(Err(error)), None) => {
            drop(sender);
            Err(connection.failure().await.unwrap_or(error).into())
        }
        (answer, ended) => match ended.flatten().or(answer.and_then(Result::err)) {
            Some(error) => Err(error.into()),
            None => Err("the connection ended without an answer".into()),
        },
    }
}

fn unanswered(request: String, verdict: Verdict, reason: String) -> Answer {
    Answer {
        request,
        verdict,
        status: None,
        headers: Vec::new(),
        body: Value::Null,
        text: String::new(),
        identity: None,
        record: Record {
            reason: Some(reason),
            source: ReasonSource::None,
            audit_id: None,
            event: None,
            log: Vec::new(),
        },
    }
}

/// Whether TLS is what failed: rustls' error, however deep it is wrapped.
fn is_tls(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        let wrapped = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        if error.is::<rustls::Error>() || wrapped.is_some_and(|inner| inner.is::<rustls::Error>()) {
            return true;
        }
        cause = error.source();
    }
    false
}

fn cause(error: &(dyn std::error::Error + 'static)) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    redact(&cause.to_string()).into_owned()
}
