//! The requests of a step, read from records of what was really sent.
//!
//! The main type is [`Records`]. The API server's audit log and the auth proxies' own records have each request to them; which of them
//! are this walk-through's is known by a mark in kubectl's URLs (`scripts/walk/kubectl`) and by the `Audit-Id`s that curl received
//! (`scripts/walk/curl`). A request to Keycloak is known if curl sent it. A request without such a record is left out.

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;

use jiff::Timestamp;
use reqwest::Url;
use serde_json::Value;

use super::calls::Call;
use crate::auth_proxy::Handled;
use crate::event::{Exchange, Verdict};
use crate::lab::Lab;
use crate::probe::End;

/// The names of the parties in a drawing.
const YOU: &str = "you";
const KEYCLOAK: &str = "Keycloak";
const API_SERVER: &str = "API server";

/// The names of the auth proxies: in the lab, and in a drawing.
const PROXIES: [(&str, &str); 2] = [("request-headers", "auth proxy"), ("impersonation", "impersonating proxy")];

/// The records of a session's requests.
#[derive(Debug)]
pub(super) struct Records {
    mark: String,
    audit_log: Option<PathBuf>,
    proxies: Vec<Proxy>,
    /// Keycloak's issuer URL.
    issuer: String,
    /// The directory in which curl keeps its calls.
    calls: PathBuf,
}

#[derive(Debug)]
struct Proxy {
    name: &'static str,
    url: String,
    record: PathBuf,
}

/// The ends of the records before a step.
#[derive(Debug)]
pub(super) struct Before {
    at: Timestamp,
    audit_log: End,
    proxies: Vec<End>,
}

/// Returns the request timeout that kubectl sends for the session `id`, as Go prints it: of more than a day, and its own for each session.
pub(super) fn mark(id: &str) -> String {
    let id = u32::from_str_radix(id, 16).unwrap_or_default();
    // The last digit is not 0, because Go would leave that out.
    format!("24h0m{}.{:08}1s", id / 100_000_000, id % 100_000_000)
}

impl Records {
    /// Returns the records in `lab` of the session `id`, whose curl keeps its calls in `calls`.
    pub(super) fn of(lab: &Lab, id: &str, calls: PathBuf) -> Self {
        let description = lab.description();
        let audit_log = lab.main().logs.as_ref().map(|logs| logs.audit_log.clone());
        let proxies = PROXIES
            .iter()
            .filter_map(|(name, drawn)| Some((*drawn, description.auth_proxies.get(*name)?)));
        let kept = proxies.clone().all(|(_, proxy)| proxy.record.is_some());
        Self {
            mark: mark(id),
            // Without a proxy's record, it is not known which requests at the API server came through it.
            audit_log: audit_log.filter(|_| kept),
            proxies: proxies
                .filter_map(|(name, proxy)| {
                    Some(Proxy {
                        name,
                        url: proxy.url.clone(),
                        record: proxy.record.clone()?,
                    })
                })
                .collect(),
            issuer: description.keycloak_issuer.clone(),
            calls,
        }
    }

    /// Returns the present ends of the records, and removes the calls of curl so far.
    ///
    /// # Errors
    /// The directory of calls cannot be emptied.
    pub(super) fn before_step(&self) -> io::Result<Before> {
        if self.calls.exists() {
            fs_err::remove_dir_all(&self.calls)?;
        }
        fs_err::create_dir(&self.calls)?;
        Ok(Before {
            at: Timestamp::now(),
            audit_log: self.audit_log.as_deref().map(End::of).unwrap_or_default(),
            proxies: self.proxies.iter().map(|proxy| End::of(&proxy.record)).collect(),
        })
    }

    /// Returns the requests since `before`, in the order in which they were sent.
    pub(super) fn since(&self, before: &Before) -> Vec<Exchange> {
        let calls = Call::all(&self.calls);
        let mut found: Vec<(Timestamp, Exchange)> = calls.iter().filter_map(|call| self.sent_by_curl(call)).collect();
        if let Some((log, handled)) = self.audit_log.as_deref().zip(self.handled(before)) {
            let log = before.audit_log.since(log).unwrap_or_default();
            let ids = calls.iter().flat_map(Call::audit_ids).collect();
            found.extend(self.audited(&log, &handled, &ids));
            let refused = handled
                .iter()
                .filter(|(_, one)| one.audit_id.is_none() && self.is_marked(&one.target));
            found.extend(refused.map(|(proxy, one)| (one.at, sent_to_proxy(proxy, one))));
        }
        // Both requests of one that came through a proxy begin at the same time, and stay in their order.
        found.sort_by_key(|(at, _)| *at);
        let since = |at: Timestamp| milliseconds(before.at, at);
        found
            .into_iter()
            .map(|(at, exchange)| Exchange {
                at_ms: since(at),
                ..exchange
            })
            .collect()
    }

    /// Returns what the proxies handled since `before`; `None` if a record cannot be read.
    fn handled(&self, before: &Before) -> Option<Vec<(&Proxy, Handled)>> {
        let mut handled = Vec::new();
        for (proxy, end) in self.proxies.iter().zip(&before.proxies) {
            let record = end.since(&proxy.record).ok()?;
            handled.extend(Handled::all(&record).into_iter().map(|one| (proxy, one)));
        }
        Some(handled)
    }

    fn is_marked(&self, url: &str) -> bool {
        url.contains(&format!("timeout={}", self.mark))
    }

    /// Returns this session's requests in an audit log, each after the one to the proxy through which it came.
    fn audited(&self, log: &str, handled: &[(&Proxy, Handled)], ids: &BTreeSet<&str>) -> Vec<(Timestamp, Exchange)> {
        let (mut found, mut known) = (Vec::new(), BTreeSet::new());
        for event in log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let id = text(&event["auditID"]);
            let is_ours = ids.contains(id.as_str()) || self.is_marked(&text(&event["requestURI"]));
            // Without an object it is API discovery, which kubectl does first. A watch has an event for its start and one for its end.
            if !is_ours || event["objectRef"].is_null() || !known.insert(id.clone()) {
                continue;
            }
            let (Some(status), Some(at)) = (status(&event), time(&event["requestReceivedTimestamp"])) else {
                continue;
            };
            let exchange = Exchange {
                ms: time(&event["stageTimestamp"]).map_or(0, |ended| milliseconds(at, ended)),
                to: API_SERVER.to_owned(),
                request: request(&event),
                answer: taken_for(&event),
                ..answered(status)
            };
            match handled.iter().find(|(_, one)| one.audit_id.as_deref() == Some(&id)) {
                Some((proxy, one)) => {
                    let from = proxy.name.to_owned();
                    found.extend([(one.at, sent_to_proxy(proxy, one)), (one.at, Exchange { from, ..exchange })]);
                }
                None => found.push((at, exchange)),
            }
        }
        found
    }

    /// Returns the request of `call`, if it was to Keycloak, or to a proxy that refused it. Others have an `Audit-Id`.
    fn sent_by_curl(&self, call: &Call) -> Option<(Timestamp, Exchange)> {
        let ([url], [response, ..]) = (call.urls.as_slice(), call.responses.as_slice()) else {
            return None;
        };
        if response.audit_id.is_some() || url.contains(['{', '[']) {
            return None;
        }
        let url = Url::parse(url).ok()?;
        let is_at = |server: &str| Url::parse(server).is_ok_and(|server| server.origin() == url.origin());
        let (to, request) = if is_at(&self.issuer) {
            (KEYCLOAK, request_to_keycloak(url.path(), response.status))
        } else {
            (self.proxies.iter().find(|proxy| is_at(&proxy.url))?.name, url.path().to_owned())
        };
        let exchange = Exchange {
            ms: milliseconds(call.at, call.ended),
            to: to.to_owned(),
            request,
            ..answered(response.status)
        };
        Some((call.at, exchange))
    }
}

/// Returns an exchange of yours whose response has `status`.
fn answered(status: u16) -> Exchange {
    Exchange {
        from: YOU.to_owned(),
        status: Some(status),
        verdict: Verdict::of_status(status),
        ..Exchange::default()
    }
}

fn sent_to_proxy(proxy: &Proxy, handled: &Handled) -> Exchange {
    let path = handled.target.split('?').next().unwrap_or_default();
    Exchange {
        ms: handled.ms,
        to: proxy.name.to_owned(),
        request: format!("{} {path}", handled.method),
        ..answered(handled.status())
    }
}

/// Returns a request to Keycloak in a word or two. Its endpoints for tokens and for their introspection know no other method than POST
/// (RFC 6749 §3.2, RFC 7662 §2.1).
fn request_to_keycloak(path: &str, status: u16) -> String {
    match path.split_once("/protocol/openid-connect/") {
        Some((_, "token")) if status != 405 => "POST token".to_owned(),
        Some((_, "token/introspect")) if status != 405 => "POST introspect".to_owned(),
        _ => path.to_owned(),
    }
}

fn milliseconds(from: Timestamp, to: Timestamp) -> u64 {
    u64::try_from(to.as_millisecond() - from.as_millisecond()).unwrap_or_default()
}

fn time(value: &Value) -> Option<Timestamp> {
    value.as_str()?.parse().ok()
}

fn status(event: &Value) -> Option<u16> {
    u16::try_from(event["responseStatus"]["code"].as_u64()?).ok()
}

/// Returns the request of an audit event, in kubectl's words.
fn request(event: &Value) -> String {
    let object = &event["objectRef"];
    let parts = [&object["resource"], &object["name"], &object["subresource"]].map(Value::as_str);
    let object: Vec<&str> = parts.into_iter().flatten().collect();
    format!("{} {}", event["verb"].as_str().unwrap_or_default(), object.join("/"))
}

/// Returns the user that the API server took the caller for, according to an audit event.
fn taken_for(event: &Value) -> Option<String> {
    let user = event["user"]["username"].as_str()?;
    Some(match event["impersonatedUser"]["username"].as_str() {
        Some(other) => format!("as {other}, by {user}"),
        None => format!("as {user}"),
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde_json::json;

    use super::*;
    use crate::auth_proxy;

    const ID: &str = "ab12cd34";

    fn records(directory: &Path) -> Records {
        Records {
            mark: mark(ID),
            audit_log: Some(directory.join("audit.jsonl")),
            proxies: vec![Proxy {
                name: "auth proxy",
                url: "https://127.0.0.1:3".to_owned(),
                record: directory.join("proxy.jsonl"),
            }],
            issuer: "https://127.0.0.1:2/realms/kubernetes".to_owned(),
            calls: directory.join("calls"),
        }
    }

    fn event(id: &str, uri: &str, user: &str, code: u64) -> Value {
        json!({ "auditID": id, "verb": "list", "requestURI": uri, "user": { "username": user }, "objectRef": { "resource": "nodes" },
            "responseStatus": { "code": code }, "requestReceivedTimestamp": "2026-11-24T12:00:00.500000Z",
            "stageTimestamp": "2026-11-24T12:00:00.507000Z" })
    }

    fn handled(target: &str, status: u16, id: Option<&str>) -> Handled {
        Handled {
            at: "2026-11-24T12:00:00.4Z".parse().unwrap(),
            ms: 9,
            method: "GET".to_owned(),
            target: target.to_owned(),
            caller: None,
            verdict: match id {
                Some(_) => auth_proxy::Verdict::PassedOn { status },
                None => auth_proxy::Verdict::Refused {
                    status,
                    why: "unknown".to_owned(),
                },
            },
            audit_id: id.map(str::to_owned),
        }
    }

    fn append(path: &Path, lines: &[String]) {
        use std::io::Write;
        let mut file = std::fs::File::options().create(true).append(true).open(path).unwrap();
        for line in lines {
            writeln!(file, "{line}").unwrap();
        }
    }

    /// Writes a call of curl as `scripts/walk/curl` does.
    fn call(records: &Records, name: &str, urls: &str, headers: &str) {
        std::fs::write(records.calls.join(name), urls).unwrap();
        std::fs::write(records.calls.join(name).with_extension("headers"), headers).unwrap();
    }

    /// Returns sender, receiver, request and response of each exchange.
    fn told(exchanges: &[Exchange]) -> Vec<[String; 4]> {
        let told = exchanges.iter().map(|one| {
            let answer = one.answer.clone().unwrap_or_default();
            let answer = format!("{} {answer}", one.status.unwrap());
            [&one.from, &one.to, &one.request, &answer].map(|text| text.trim().to_owned())
        });
        told.collect()
    }

    #[test]
    fn of_the_audit_log_only_this_sessions_requests_count() {
        let directory = tempfile::tempdir().unwrap();
        let records = records(directory.path());
        let (log, proxy) = (directory.path().join("audit.jsonl"), directory.path().join("proxy.jsonl"));
        let ours = format!("/api/v1/nodes?limit=500&timeout={}", mark(ID));
        append(&log, &[event("0", &ours, "before", 200).to_string()]);
        append(&proxy, &[]);
        let before = records.before_step().unwrap();
        let mut impersonated = event("1", &ours, "helpdesk", 200);
        impersonated["impersonatedUser"] = json!({ "username": "user1" });
        let mut discovery = event("2", &ours, "user1", 200);
        discovery["objectRef"] = Value::Null;
        let theirs = format!("/api/v1/nodes?limit=500&timeout={}", mark("ab12cd35"));
        let lines = [
            impersonated,
            discovery,
            event("3", &theirs, "user1", 200),
            event("4", "/api/v1/nodes", "user1", 200),
            event("5", "/api/v1/nodes", "system:anonymous", 403),
            event("6", &ours, "user1", 200),
        ];
        append(&log, &lines.map(|line| line.to_string()));
        append(&proxy, &[serde_json::to_string(&handled(&ours, 200, Some("6"))).unwrap()]);
        append(&proxy, &[serde_json::to_string(&handled(&ours, 401, None)).unwrap()]);
        append(&proxy, &[serde_json::to_string(&handled(&theirs, 401, None)).unwrap()]);
        call(
            &records,
            "a",
            "https://127.0.0.1:1/api/v1/nodes\n",
            "HTTP/2 403 \r\nAudit-Id: 5\r\n\r\n",
        );
        let seen = records.since(&before);
        let expected = [
            ["you", "auth proxy", "GET /api/v1/nodes", "200"],
            ["auth proxy", "API server", "list nodes", "200 as user1"],
            ["you", "auth proxy", "GET /api/v1/nodes", "401"],
            ["you", "API server", "list nodes", "200 as user1, by helpdesk"],
            ["you", "API server", "list nodes", "403 as system:anonymous"],
        ];
        assert_eq!(told(&seen), expected.map(|one| one.map(str::to_owned)));
        assert_eq!((seen[1].ms, seen[3].ms), (7, 7));
    }

    #[test]
    fn curls_request_to_keycloak_is_known_by_its_only_url_and_its_response() {
        let directory = tempfile::tempdir().unwrap();
        let records = records(directory.path());
        let before = records.before_step().unwrap();
        let token = "https://127.0.0.1:2/realms/kubernetes/protocol/openid-connect/token";
        for (name, urls, headers) in [
            (
                "a",
                token.to_owned(),
                "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 401 Unauthorized\r\nX: y\r\n\r\n",
            ),
            // No response, an unknown server, an option's value, two URLs.
            ("b", token.to_owned(), ""),
            ("c", "https://127.0.0.1:20/".to_owned(), "HTTP/2 200\r\n\r\n"),
            ("d", format!("--referer {token}"), "HTTP/2 200\r\n\r\n"),
            ("e", format!("{token}\nhttps://127.0.0.1:3/"), "HTTP/2 200\r\n\r\n"),
        ] {
            call(&records, name, &format!("{urls}\n"), headers);
        }
        let expected = ["you", "Keycloak", "POST token", "401"].map(str::to_owned);
        assert_eq!(told(&records.since(&before)), [expected]);
        let again = records.before_step().unwrap();
        call(
            &records,
            "f",
            "https://127.0.0.1:3/api/v1/nodes\n",
            "HTTP/1.1 401 Unauthorized\r\n\r\n",
        );
        let expected = ["you", "auth proxy", "/api/v1/nodes", "401"].map(str::to_owned);
        assert_eq!(told(&records.since(&again)), [expected]);
    }

    #[test]
    fn a_mark_is_a_duration_as_go_prints_it() {
        assert_eq!(mark("ab12cd34"), "24h0m28.701361161s");
        assert_eq!(mark("00000000"), "24h0m0.000000001s");
        assert_eq!(mark("ffffffff"), "24h0m42.949672951s");
    }
}
