//! A webhook that decides on requests for API servers (`AuthorizationConfiguration`, KEP-3221; authorization.k8s.io/v1
//! `SubjectAccessReview`).
//!
//! The main type is [`AccessWebhook`], the server. It decides by the caller's groups, as `fixtures/access_webhook.toml` says, and keeps
//! nothing but an account of its reviews.

use std::sync::{Arc, LazyLock};
use std::time::SystemTime;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::{Method, Request, Response, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::event::{Verdict, milliseconds};
use crate::identity_provider::Address;
use crate::listener::{Account, Call, Connection, Limits, Listener, Listening, Subject, answer, read_body};
use crate::pki::Leaf;
use crate::tls::TlsError;

/// The only path that is served.
const PATH: &str = "/access";

/// The names of a review that are kept at most.
const NAMES: usize = 64;

/// The webhook's name in the record of a scenario.
const CALLED: &str = "authorization webhook";

static RULES: LazyLock<Rules> =
    LazyLock::new(|| toml::from_str(include_str!("../../fixtures/access_webhook.toml")).expect("the fixture is sound"));

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rules {
    #[serde(rename = "rule")]
    rules: Vec<Rule>,
}

/// The decision about the members of a group.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    /// The beginning of the group's name.
    group: String,
    /// The only verb that the decision is about; any if it is missing.
    verb: Option<String>,
    decision: Decision,
    reason: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Decision {
    Allows,
    Denies,
    /// The next authorizer decides.
    Abstains,
    /// There is no review, only an error.
    Fails,
}

/// An error of starting the webhook.
#[derive(Debug, thiserror::Error)]
pub enum AccessWebhookError {
    /// The webhook cannot listen.
    #[error("the access webhook cannot listen")]
    Listen(#[source] std::io::Error),
    /// Its certificate, or the authority of its callers, cannot be used.
    #[error("the access webhook cannot use TLS")]
    Tls(#[from] TlsError),
}

/// A running webhook. Dropping it ends it and frees its port.
#[derive(Debug)]
pub struct AccessWebhook {
    url: String,
    _listening: Listening,
}

impl AccessWebhook {
    /// Listens on a free port of `address` with the certificate `leaf`, which must be valid for that address. It serves callers that
    /// present a certificate of the authority `callers` (PEM), and keeps `account` of its reviews.
    ///
    /// # Errors
    /// The webhook cannot listen, or a certificate cannot be used.
    pub async fn start_at(address: &Address, leaf: &Leaf, callers: &str, account: Account) -> Result<Self, AccessWebhookError> {
        let tls = crate::tls::server_for(leaf, callers)?;
        let listener = Listener::bind(address.listen).await.map_err(AccessWebhookError::Listen)?;
        let port = listener.address().port();
        Ok(Self {
            url: format!("https://{}:{port}{PATH}", address.host),
            _listening: listener.serve(Some(tls), move |request, connection| review(request, connection, account.clone())),
        })
    }

    /// Returns the URL for API servers.
    pub fn url(&self) -> &str {
        &self.url
    }
}

/// The error on which hyper closes the connection without a response.
#[derive(Debug, thiserror::Error)]
#[error("the request has no end")]
struct Endless;

async fn review(request: Request<Incoming>, connection: Arc<Connection>, account: Account) -> Result<Response<Full<Bytes>>, Endless> {
    let began = SystemTime::now();
    if request.method() != Method::POST || request.uri().path() != PATH {
        return Ok(answer::status(StatusCode::NOT_FOUND, "NotFound", "only reviews are served"));
    }
    let body = read_body(request.into_body(), Limits::default()).await.map_err(|_| Endless)?;
    let Ok(review) = serde_json::from_slice::<Value>(&body) else {
        return Ok(answer::status(
            StatusCode::BAD_REQUEST,
            "BadRequest",
            "invalid review (expected JSON)",
        ));
    };
    let from = account.caller(connection.peer(), connection.local()).await;
    let decided = decided(&review["spec"]);
    let (verdict, words) = match &decided {
        Ok(status) if status["allowed"] == true => (Verdict::Accepted, "allowed"),
        Ok(status) if status["denied"] == true => (Verdict::Forbidden, "denied"),
        Ok(_) => (Verdict::Accepted, "no opinion"),
        Err(_) => (Verdict::Unreachable, "no review"),
    };
    let answer = match &decided {
        Ok(status) => answer::json(
            StatusCode::OK,
            &json!({ "apiVersion": review["apiVersion"], "kind": "SubjectAccessReview", "status": status }),
        ),
        // API servers ask again after most other errors.
        Err(reason) => answer::status(StatusCode::NOT_FOUND, "NotFound", reason),
    };
    account.add(Call {
        at: began,
        ms: milliseconds(began.elapsed().unwrap_or_default()),
        from,
        to: CALLED.to_owned(),
        request: format!("POST {PATH} SubjectAccessReview"),
        status: Some(answer.status().as_u16()),
        verdict,
        answer: Some(words.to_owned()),
        subject: Subject::Access(names(&review["spec"])),
    });
    Ok(answer)
}

/// Returns the names in `spec`: of the user and their groups, of the namespace and the object.
fn names(spec: &Value) -> Vec<String> {
    let groups = spec["groups"].as_array().into_iter().flatten();
    let others = ["/user", "/resourceAttributes/namespace", "/resourceAttributes/name"];
    let others = others.iter().filter_map(|field| spec.pointer(field));
    let names = others.chain(groups).filter_map(Value::as_str);
    names.take(NAMES).map(str::to_owned).collect()
}

/// Returns the status of a review with `spec`, or the reason for which there is none.
fn decided(spec: &Value) -> Result<Value, &'static str> {
    let groups = spec["groups"].as_array().map(Vec::as_slice).unwrap_or_default();
    let is_member = |rule: &&Rule| {
        let mut names = groups.iter().filter_map(Value::as_str);
        names.any(|name| name.starts_with(&rule.group))
    };
    let verb = spec.pointer("/resourceAttributes/verb").and_then(Value::as_str);
    let rule = RULES
        .rules
        .iter()
        .find(is_member)
        .filter(|rule| rule.verb.is_none() || rule.verb.as_deref() == verb);
    let Some(rule) = rule else { return Ok(json!({ "allowed": false })) };
    let reason = rule.reason.as_str();
    Ok(match rule.decision {
        Decision::Allows => json!({ "allowed": true, "reason": reason }),
        Decision::Denies => json!({ "allowed": false, "denied": true, "reason": reason }),
        Decision::Abstains => json!({ "allowed": false, "reason": reason }),
        Decision::Fails => return Err(reason),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_review_names_its_user_and_its_object() {
        let attributes = json!({ "namespace": "authlab-0123456789", "verb": "list", "resource": "configmaps", "name": "a" });
        let spec = json!({ "user": "alice", "groups": ["on-call"], "resourceAttributes": attributes });
        assert_eq!(names(&spec), ["alice", "authlab-0123456789", "a", "on-call"]);
        assert!(names(&json!({})).is_empty());
    }

    #[test]
    fn the_first_rule_about_a_group_of_the_caller_decides() {
        let decided = |groups: &[&str], verb: &str| {
            let attributes = json!({ "verb": verb, "resource": "configmaps" });
            decided(&json!({ "user": "alice", "groups": groups, "resourceAttributes": attributes }))
        };
        let allowed = |groups: &[&str], verb: &str| decided(groups, verb).unwrap()["allowed"] == true;
        assert!(allowed(&["other", "webhook-allows"], "list"));
        assert!(!allowed(&["webhook-allows"], "delete"));
        assert!(!allowed(&["other"], "list") && !allowed(&[], "list"));
        assert_eq!(decided(&["newcomers-4711"], "list").unwrap()["denied"], true);
        assert!(decided(&["webhook-abstains"], "list").unwrap().get("denied").is_none());
        assert_eq!(decided(&["webhook-fails"], "list"), Err("the access webhook is out of order"));
    }
}
