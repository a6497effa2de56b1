//! The requests of a step and their senders, from the records of the servers and of curl.
//!
//! The main type is [`Exchange`]. The API server's audit log has every request to it and the user that it was taken for; requests to
//! Keycloak and to the auth proxies are known where curl kept the response headers.

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::probe::End;

/// A party of the exchanges, in the order in which they are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Party {
    /// The program that the user started.
    You,
    /// The identity provider.
    Keycloak,
    /// One of the two auth proxies.
    AuthProxy,
    /// The API server.
    ApiServer,
}

/// A request and its response.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exchange {
    /// The sender of the request.
    pub from: Party,
    /// The receiver of the request.
    pub to: Party,
    /// The request: method and path, or kubectl's verb.
    pub asked: String,
    /// The response: the status, and the user if the server recorded it.
    pub answered: String,
}

/// Returns the requests of curl and kubectl in an audit log from `start` on.
pub(super) fn audited(log: &Path, start: End, through_proxy: bool) -> Vec<Exchange> {
    let Ok(text) = start.since(log) else { return Vec::new() };
    let events = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let from = if through_proxy { Party::AuthProxy } else { Party::You };
    events
        .filter(|event| event["responseStatus"]["code"].is_u64())
        .filter(|event| {
            let agent = event["userAgent"].as_str().unwrap_or_default();
            ["kubectl/", "curl/"].iter().any(|ours| agent.starts_with(ours))
        })
        // Without an object reference it is API discovery, which kubectl does first.
        .filter(|event| !event["objectRef"].is_null())
        .map(|event| Exchange {
            from,
            to: Party::ApiServer,
            asked: asked(&event),
            answered: answered(&event),
        })
        .collect()
}

fn asked(event: &Value) -> String {
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let object = &event["objectRef"];
    let mut text = format!("{} {}", word(&event["verb"]), word(&object["resource"]));
    for (mark, part) in [("/", "name"), ("/", "subresource")] {
        if let Some(part) = object[part].as_str() {
            text.push_str(mark);
            text.push_str(part);
        }
    }
    text
}

fn answered(event: &Value) -> String {
    let code = event["responseStatus"]["code"].as_u64().unwrap_or_default();
    let user = event["user"]["username"].as_str();
    match (user, event["impersonatedUser"]["username"].as_str()) {
        (Some(user), Some(other)) => format!("{code} as {other}, by {user}"),
        (Some(user), None) => format!("{code} as {user}"),
        (None, _) => code.to_string(),
    }
}

/// Returns the statuses of the responses whose headers curl kept.
pub(super) fn statuses(headers: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(headers).unwrap_or_default();
    let statuses = text.lines().filter(|line| line.starts_with("HTTP/"));
    statuses
        .filter_map(|line| line.split_whitespace().nth(1))
        .map(str::to_owned)
        .collect()
}

/// Returns whether kubectl's `command` goes to `server`, according to the kubeconfig.
pub(super) fn goes_to(command: &str, kubeconfig: &Path, server: &str) -> bool {
    let Ok(text) = std::fs::read_to_string(kubeconfig) else {
        return false;
    };
    let Ok(config) = serde_saphyr::from_str::<Value>(&text) else {
        return false;
    };
    let context = command
        .split_whitespace()
        .find_map(|word| word.strip_prefix("--context="))
        .or_else(|| config["current-context"].as_str())
        .unwrap_or_default();
    let entry = |list: &str, name: &str| -> Option<Value> {
        let entries = config[list].as_array()?;
        entries.iter().find(|entry| entry["name"] == name).cloned()
    };
    entry("contexts", context)
        .and_then(|found| entry("clusters", found["context"]["cluster"].as_str()?))
        .is_some_and(|found| found["cluster"]["server"] == server)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_audit_log_says_who_asked_what_and_as_whom() {
        let event = |agent: &str, user: Value, code: u64| {
            serde_json::json!({ "verb": "list", "userAgent": agent, "user": user, "objectRef": { "resource": "nodes" },
                "responseStatus": { "code": code } })
        };
        let before = format!("{}\n", event("kubectl/v1.37", serde_json::json!({ "username": "before" }), 200));
        let mut impersonated = event("kubectl/v1.37", serde_json::json!({ "username": "helpdesk" }), 200);
        impersonated["impersonatedUser"] = serde_json::json!({ "username": "user1" });
        let lines = [
            event("curl/8", serde_json::json!({}), 401),
            event("kube-controller-manager/v1", serde_json::json!({ "username": "x" }), 200),
            impersonated,
        ];
        let file = tempfile::NamedTempFile::new().unwrap();
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        std::fs::write(file.path(), &before).unwrap();
        let start = End::of(file.path());
        std::fs::write(file.path(), format!("{before}{text}")).unwrap();
        let seen = audited(file.path(), start, false);
        let told: Vec<_> = seen
            .iter()
            .map(|one| (one.from, one.asked.as_str(), one.answered.as_str()))
            .collect();
        assert_eq!(
            told,
            [
                (Party::You, "list nodes", "401"),
                (Party::You, "list nodes", "200 as user1, by helpdesk")
            ]
        );
    }

    #[test]
    fn a_context_tells_whom_kubectl_asks() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let config = "current-context: direct\ncontexts:\n- name: direct\n  context: { cluster: lab }\n- name: user1\n  context: { cluster: proxy }\nclusters:\n- name: lab\n  cluster: { server: 'https://a' }\n- name: proxy\n  cluster: { server: 'https://b' }\n";
        std::fs::write(file.path(), config).unwrap();
        assert!(goes_to("kubectl --context=user1 get nodes", file.path(), "https://b"));
        assert!(!goes_to("kubectl get nodes", file.path(), "https://b"));
        assert!(!goes_to("kubectl --context=nobody get nodes", file.path(), "https://b"));
    }
}
