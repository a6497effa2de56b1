//! The judgement of an HTTP response: whether an API server said who this is, or something else answered.
//!
//! The main functions are [`who_am_i`], which asks as `kubectl auth whoami` does, [`judge`], and [`outcome()`], which says what an answer
//! means for the credential.

mod outcome;
mod senders;
#[cfg(test)]
pub(super) mod tests;

use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;

use super::Finding;
use crate::credential::Credential;
use crate::probe::{Answer, Endpoint, Identity, Question, ask};
use crate::secret::redact;
pub use outcome::{ANONYMOUS, Judgement, not_sent, outcome, withheld};
use senders::sender;

/// The versions of SelfSubjectReview, in the order in which kubectl asks (`pkg/cmd/auth/whoami.go`): v1 is there from Kubernetes 1.28, v1beta1
/// in 1.27, v1alpha1 in 1.26 where it is enabled.
const VERSIONS: [&str; 3] = ["v1", "v1beta1", "v1alpha1"];

/// The largest number of characters of a text that are shown.
const SHOWN: usize = 120;

/// A response, judged for what it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answered {
    /// An API server said who this is.
    Review(Identity),
    /// A Kubernetes `Status`.
    Status(Status),
    /// A redirect; client-go follows it.
    Redirect {
        /// The status.
        status: u16,
        /// The address.
        to: String,
    },
    /// A page for people.
    Html {
        /// The status.
        status: u16,
        /// Its title.
        title: Option<String>,
    },
    /// JSON of another kind.
    OtherJson {
        /// The status.
        status: u16,
        /// Its kind, or its beginning.
        what: String,
    },
    /// Another text.
    Text {
        /// The status.
        status: u16,
        /// Its beginning.
        begins: String,
    },
    /// No body.
    Empty {
        /// The status.
        status: u16,
    },
    /// No response: [`Answer::failure`] says why.
    Nothing,
}

/// A Kubernetes `Status` (meta/v1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// The HTTP status.
    pub code: u16,
    /// The message, redacted.
    pub message: String,
    /// The user in the message: `User "alice" cannot …`.
    pub user: Option<String>,
    /// `true` if it has an audit id, which API servers add to all their responses (kubernetes/apiserver `filters/with_auditinit.go`).
    pub of_api_server: bool,
}

impl Answered {
    /// Returns who this is, if the API server said so.
    #[must_use]
    pub fn identity(&self) -> Option<&Identity> {
        match self {
            Self::Review(identity) => Some(identity),
            _ => None,
        }
    }

    /// Returns `true` if the API server itself answered, with whatever result.
    #[must_use]
    pub fn is_of_api_server(&self) -> bool {
        matches!(self, Self::Review(_) | Self::Status(Status { of_api_server: true, .. }))
    }
}

impl Status {
    /// Returns `true` if the API server has taken the caller for [`Status::user`], and refuses only the review: authorization follows
    /// authentication and impersonation (kubernetes/apiserver `pkg/server/config.go`, `DefaultBuildHandlerChain`).
    #[must_use]
    pub fn refuses_review(&self) -> bool {
        self.is_forbidden(r#" cannot create resource "selfsubjectreviews""#)
    }

    /// Returns `true` if the API server does not know the path as one of a resource: the address has a path that is not the API server's.
    #[must_use]
    pub fn refuses_path(&self) -> bool {
        self.is_forbidden(r#" cannot post path ""#)
    }

    /// Returns `true` if authorization refuses `what` to a user (kubernetes/apiserver
    /// `pkg/endpoints/handlers/responsewriters/errors.go`, `forbiddenMessage`).
    fn is_forbidden(&self, what: &str) -> bool {
        self.of_api_server && self.code == 403 && self.user.is_some() && self.message.contains(what)
    }
}

/// Asks who the caller is, in older versions where a newer one is not found.
pub async fn who_am_i(endpoint: &Endpoint, credential: &Credential) -> (Answer, Answered) {
    let mut versions = VERSIONS.into_iter();
    loop {
        let question = versions.next().map_or_else(Question::who_am_i, Question::who_am_i_in);
        let answer = ask(endpoint, "you", credential, &question).await;
        let answered = judge(&answer);
        let not_found = matches!(&answered, Answered::Status(status) if status.code == 404);
        if !not_found || versions.len() == 0 {
            return (answer, answered);
        }
    }
}

/// Judges the response to a SelfSubjectReview.
#[must_use]
pub fn judge(answer: &Answer) -> Answered {
    let Some(status) = answer.status else { return Answered::Nothing };
    if let (300..=399, Some(to)) = (status, answer.header("location")) {
        return Answered::Redirect {
            status,
            to: redact(to).into_owned(),
        };
    }
    let text = answer.text.trim();
    if text.is_empty() {
        return Answered::Empty { status };
    }
    if answer.body.is_object() {
        return object(answer, status);
    }
    let is_html = answer.header("content-type").is_some_and(|kind| kind.starts_with("text/html"))
        || text.starts_with("<!")
        || text.starts_with("<html");
    if is_html {
        return Answered::Html {
            status,
            title: title(text),
        };
    }
    Answered::Text {
        status,
        begins: beginning(text),
    }
}

fn object(answer: &Answer, status: u16) -> Answered {
    let of = |name: &str| answer.body.get(name).and_then(Value::as_str).unwrap_or_default();
    match (of("apiVersion"), of("kind")) {
        // A server that only repeats the request has no user in it.
        (version, "SelfSubjectReview") if version.starts_with("authentication.k8s.io/") && matches!(status, 200 | 201) => {
            let said = answer
                .body
                .pointer("/status/userInfo")
                .filter(|said| said.as_object().is_some_and(|said| !said.is_empty()));
            match said.and_then(|said| serde_json::from_value(said.clone()).ok()) {
                Some(identity) => Answered::Review(identity),
                None => Answered::OtherJson {
                    status,
                    what: "a SelfSubjectReview without a user".to_owned(),
                },
            }
        }
        ("v1", "Status") => {
            let message = redact(of("message")).into_owned();
            Answered::Status(Status {
                code: status,
                user: user(&message),
                message,
                of_api_server: answer.header("audit-id").is_some(),
            })
        }
        ("", "") => Answered::OtherJson {
            status,
            what: beginning(&answer.text),
        },
        (version, kind) => Answered::OtherJson {
            status,
            what: format!("kind {kind:?} of {version:?}"),
        },
    }
}

/// Returns the user that RBAC names (kubernetes/apiserver `pkg/endpoints/handlers/responsewriters/errors.go` `forbiddenMessage`).
fn user(message: &str) -> Option<String> {
    static PATTERN: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r#"(?:^|: )User "((?:[^"\\]|\\.)*)" cannot "#).expect("a constant pattern, used by a test"));
    let quoted = PATTERN.captures(message)?.get(1)?.as_str();
    serde_json::from_str(&format!("\"{quoted}\"")).ok()
}

fn title(text: &str) -> Option<String> {
    static PATTERN: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"(?is)<title[^>]*>\s*(.*?)\s*</title>").expect("a constant pattern, used by a test"));
    PATTERN.captures(text).map(|found| beginning(&found[1]))
}

fn beginning(text: &str) -> String {
    // Redacted before it is cut, since a secret could be cut in two.
    let text = redact(text);
    let line: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

/// Returns the findings about a response that says nothing about the caller, or less than was asked: what it is, and who probably sent it.
/// There is none for the API server's own word, nor for its refusals, whose reasons are read elsewhere.
#[must_use]
pub fn findings(endpoint: &Endpoint, answer: &Answer, answered: &Answered) -> Vec<Finding> {
    let (url, by) = (&endpoint.url, sender(answer));
    let probably = by.map(|by| format!("; probably {by} answers")).unwrap_or_default();
    let place = endpoint.route.as_ref().and_then(|route| route.place.clone());
    let settle = "the log of what answers at this address, or the same request beside the API server";
    let other = |what: String| Finding {
        settle: Some(settle.to_owned()),
        ..Finding::of_file(
            format!("{url} is not an API server: it answers with {what}{probably}. Nothing is known about the credential"),
            "give the API server's own address (with its path, behind Rancher and the like) in `server:`",
        )
    };
    let finding = match answered {
        Answered::Review(_) | Answered::Nothing => return Vec::new(),
        Answered::Status(status) => match of_status(endpoint, status, by) {
            Some(finding) => finding,
            None => return Vec::new(),
        },
        Answered::Text {
            status: status @ 502..=504,
            ..
        }
        | Answered::OtherJson {
            status: status @ 502..=504,
            ..
        }
        | Answered::Html {
            status: status @ 502..=504,
            ..
        }
        | Answered::Empty {
            status: status @ 502..=504,
        } => Finding::likely(
            format!("{url} answers {status}: a proxy or a load balancer is there{probably}, and does not reach the API server behind it"),
            "ask again later, or ask the API server at its own address",
            "the log of that proxy; and whether the API server runs",
        ),
        Answered::Redirect { status, to } => Finding {
            change: Some(match status {
                307 | 308 => format!("give that address in `server:`, if it is the API server's: {}", server_of(to)),
                _ => "give the API server's own address, which asks nobody to log in at a page".to_owned(),
            }),
            ..other(format!(
                "the redirect {status} to {to}, which authlab does not follow (kubectl does, and sends the credential there, too{})",
                if matches!(status, 307 | 308) { "" } else { ", as a GET" }
            ))
        },
        Answered::Html { status, title } => {
            let titled = title.as_ref().map(|title| format!(" titled {title:?}")).unwrap_or_default();
            other(format!("a page{titled} ({status})"))
        }
        Answered::OtherJson {
            status: status @ (401 | 403),
            what,
        }
        | Answered::Text {
            status: status @ (401 | 403),
            begins: what,
        } => in_front(url, *status, what, by),
        Answered::OtherJson { status, what } => other(format!("other JSON ({status}): {what}")),
        Answered::Text { status, begins } if begins.contains("HTTP request to an HTTPS server") => Finding::of_file(
            format!("{url} wants TLS: it answers {status} {begins:?}"),
            "give the address with https:// in `server:`",
        ),
        Answered::Text { status, begins } => other(format!("{status} {begins:?}")),
        Answered::Empty { status } => other(format!("an empty body ({status})")),
    };
    vec![finding.at(place)]
}

fn of_status(endpoint: &Endpoint, status: &Status, by: Option<&str>) -> Option<Finding> {
    let Status { code, message, .. } = status;
    let url = &endpoint.url;
    match code {
        403 if status.refuses_path() => Some(nothing_below(endpoint, message)),
        404 if status.of_api_server && !path(endpoint).is_empty() => Some(nothing_below(endpoint, message)),
        404 if status.of_api_server => Some(Finding::unjudged(
            format!(
                "the API server does not know SelfSubjectReview (Kubernetes 1.28 and newer do), so it cannot say who this is; it did not refuse the credential \
                 (kubectl auth whoami says: the selfsubjectreviews API is not enabled in the cluster): {message}"
            ),
            "`kubectl auth can-i --list`, or a request that is forbidden: the refusal names the user",
        )),
        401 | 403 if status.of_api_server => None,
        429 | 500..=599 if status.of_api_server => Some(Finding::unjudged(
            format!("the API server answers {code}: {message}; nothing is known about the credential"),
            format!("again later; `{url}/readyz?verbose` says what the API server lacks"),
        )),
        _ if status.of_api_server => Some(Finding::unjudged(
            format!("the API server answers {code}: {message}"),
            "ask with `kubectl auth whoami -v=8`",
        )),
        _ => Some(in_front(url, *code, message, by)),
    }
}

/// Returns the path of the address.
fn path(endpoint: &Endpoint) -> &str {
    endpoint.route.as_ref().map_or("", |route| route.path.as_str())
}

/// Returns the finding for an address whose path the API server does not have: it answers 404, or 403 to a user who may not ask for unknown
/// paths.
fn nothing_below(endpoint: &Endpoint, message: &str) -> Finding {
    let (url, path) = (endpoint.url.trim_end_matches('/'), path(endpoint));
    Finding::likely(
        format!(
            "the address has the path {path:?}, and the API server that answers there has nothing below it: it refuses the path, not the \
             credential: {message}"
        ),
        "remove the path from `server:`, or give the address of the proxy that serves it (Rancher's, for instance)",
        format!(
            "`curl -k {}/version` answers without the path",
            url.strip_suffix(path).unwrap_or(url)
        ),
    )
}

/// Returns the finding for a refusal that is probably not the API server's.
fn in_front(url: &str, code: u16, said: &str, by: Option<&str>) -> Finding {
    let by = by.unwrap_or("a proxy in front of it");
    Finding::likely(
        format!("{url} answers {code} ({said:?}) without an audit id: probably {by} refused, and not the API server"),
        "present the credential that the proxy wants, or ask the API server itself",
        "the proxy's log; or the API server's audit log, which lacks the request",
    )
}

/// Returns scheme, host and port of an address.
fn server_of(url: &str) -> &str {
    let begin = url.find("://").map_or(0, |at| at + 3);
    url[begin..].find('/').map_or(url, |end| &url[..begin + end])
}
