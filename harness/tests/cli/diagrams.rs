//! The diagrams in `docs/diagrams/`: each is drawn from a run in this test, by the code that draws those of reports. Update them with
//! `UPDATE=1 cargo test --test cli diagrams`.

use std::path::Path;

use authlab::event::Exchange;
use authlab::report::html::diagram;
use authlab::report::record::RunRecord;
use regex::Regex;

use crate::stage::shared;

/// Each diagram, and its scenario.
const DIAGRAMS: &[(&str, &str)] = &[
    (
        "external-certificates",
        "external_certificates/trust::An expired client certificate is refused",
    ),
    (
        "signing-requests",
        "signing_requests/certificates::Alice is authenticated by her cluster-signed certificate",
    ),
    (
        "service-accounts",
        "service_accounts/validity::The API server refuses a token for another audience",
    ),
    ("oidc", "oidc/sessions::Alice refreshes her login"),
    (
        "auth-proxy",
        "auth_proxy/callers::Alice uses a token of the identity provider through the auth proxy [the auth proxy]",
    ),
    ("impersonation", "impersonation/identity::Alice impersonates Bob"),
    (
        "webhook-tokens",
        "webhook_tokens/reviews::The webhook refuses Mallory's token with a reason",
    ),
];

/// Further scenarios in which API servers ask others.
const FURTHER: &[&str] = &[
    "authorization/webhook::Alice may do what the webhook allows",
    "oidc/keys::A token that is signed with a new key is accepted at once if nothing lets the older keys be kept",
];

/// The requests of API servers in the scenario `id`: whether earlier than the scenario, sender, receiver, request, and answer.
fn calls(record: &RunRecord, id: &str) -> Vec<(bool, String)> {
    let scenario = record.scenarios.iter().find(|scenario| scenario.id == id).unwrap();
    let calls = scenario.exchanges.iter().filter(|exchange| exchange.from.contains("API server"));
    let told = calls.map(|call| {
        let answer = call.answer.clone().unwrap_or_else(|| call.verdict.words());
        let status = call.status.map_or_else(String::new, |status| status.to_string());
        let told = format!("{} → {}: {}: {status} {answer}", call.from, call.to, call.request);
        (call.earlier_ms.is_some(), told)
    });
    told.collect()
}

/// Checks the requests of API servers in `record`, of scenarios that ran beside others.
fn expect_calls(record: &RunRecord) {
    let id = |name: &str| DIAGRAMS.iter().find(|(known, _)| *known == name).unwrap().1;
    let now = |text: &str| (false, text.to_owned());
    let read = |path: &str| {
        (
            true,
            format!("API server main → Keycloak: GET /realms/kubernetes/{path}: 200 accepted"),
        )
    };
    assert_eq!(
        calls(record, id("oidc")),
        [read(".well-known/openid-configuration"), read("protocol/openid-connect/certs")]
    );
    let review = |answer: &str| {
        now(&format!(
            "API server tokens → token webhook: POST /review TokenReview: 200 {answer}"
        ))
    };
    assert_eq!(
        calls(record, id("webhook-tokens")),
        [review("not authenticated"), review("authenticated")]
    );
    assert_eq!(
        calls(record, FURTHER[0]),
        [now(
            "API server authorizers → authorization webhook: POST /access SubjectAccessReview: 200 allowed"
        )]
    );
    // Only this scenario uses the issuer: the new key is why the API server reads the keys again.
    let keys = now("API server structured → issuer: GET /keys-not-kept/keys: 200 accepted");
    assert_eq!(calls(record, FURTHER[1]).last(), Some(&keys));
    for other in [
        "external-certificates",
        "signing-requests",
        "service-accounts",
        "auth-proxy",
        "impersonation",
    ] {
        let calls = calls(record, id(other));
        assert!(
            calls.is_empty(),
            "{other}: no token of an issuer is presented to an API server: {calls:?}"
        );
    }
}

/// Replaces the parts of `text` that differ between runs.
fn same_each_time(text: &str) -> String {
    let volatile = [
        (r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "…"),
        // The unique part of a scenario's names.
        (r"-[0-9a-f]{10}\b", "-…"),
        (r"127\.0\.0\.1:\d+", "127.0.0.1:…"),
    ];
    let mut text = text.to_owned();
    for (pattern, name) in volatile {
        text = Regex::new(pattern).unwrap().replace_all(&text, name).into_owned();
    }
    text
}

/// Removes from the requests what differs between runs, including how often a client polled until an object existed, or
/// retried until a request was allowed.
fn comparable(exchanges: Vec<Exchange>) -> Vec<Exchange> {
    let mut told: Vec<Exchange> = Vec::new();
    for mut exchange in exchanges {
        exchange.request = same_each_time(&exchange.request);
        let again = told.last().is_some_and(|last| {
            (&last.from, &last.to, &last.request, &last.verdict, last.status)
                == (&exchange.from, &exchange.to, &exchange.request, &exchange.verdict, exchange.status)
                && (exchange.request.starts_with("GET ") || exchange.request.contains("accessreviews"))
        });
        if again {
            told.pop();
        }
        told.push(exchange);
    }
    told
}

/// Returns the texts of a picture, in order.
fn texts(picture: &str) -> Vec<&str> {
    let text = Regex::new("<(?:title|text)[^>]*>([^<]*)<").unwrap();
    text.captures_iter(picture).map(|found| found.get(1).unwrap().as_str()).collect()
}

/// Returns the lines that only one of two has, in the form of a patch.
fn difference(kept: &[&str], now: &[&str]) -> String {
    let only = |sign: char, these: &[&str], others: &[&str]| -> Vec<String> {
        let these = these.iter().filter(|line| !others.contains(line));
        these.map(|line| format!("{sign} {line}")).collect()
    };
    [only('-', kept, now), only('+', now, kept)].concat().join("\n")
}

#[test]
fn each_diagram_is_what_a_run_draws() {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/diagrams"));
    let directory = tempfile::tempdir().unwrap();
    let report = directory.path().join("report");
    let named = |ids: &[&str]| format!("^({})$", ids.iter().map(|id| regex::escape(id)).collect::<Vec<_>>().join("|"));
    let run = |names: &str| {
        let arguments = ["run", "--lab", "default", "--name", names, "--report", report.to_str().unwrap()];
        shared().stage.authlab(&arguments).success();
    };
    // An API server reads the keys of an issuer for the first token: from then on, it has read them earlier.
    run(&named(&["oidc/sessions::Alice refreshes her login"]));
    let ids: Vec<&str> = DIAGRAMS.iter().map(|(_, id)| *id).chain(FURTHER.iter().copied()).collect();
    run(&named(&ids));
    let record: RunRecord = serde_json::from_str(&std::fs::read_to_string(report.join("run.json")).unwrap()).unwrap();
    expect_calls(&record);
    let mut different = Vec::new();
    for (name, id) in DIAGRAMS {
        let mut scenario = record.scenarios.iter().find(|scenario| scenario.id == *id).unwrap().clone();
        scenario.exchanges = comparable(scenario.exchanges);
        assert!(!scenario.exchanges.is_empty(), "{id}: nothing was asked");
        let now = diagram(&scenario);
        // Credentials appear by name, never by content.
        for part in ["eyJ", "Bearer ", "PRIVATE KEY"] {
            assert!(!now.contains(part), "{name}: {part}");
        }
        let file = folder.join(format!("{name}.svg"));
        if std::env::var_os("UPDATE").is_some() {
            std::fs::create_dir_all(folder).unwrap();
            std::fs::write(&file, &now).unwrap();
        }
        let kept = std::fs::read_to_string(&file).unwrap_or_default();
        if kept != now {
            different.push(format!("docs/diagrams/{name}.svg:\n{}", difference(&texts(&kept), &texts(&now))));
        }
    }
    assert!(
        different.is_empty(),
        "not as they were drawn now; if that is meant: UPDATE=1 cargo test --test cli diagrams\n{}",
        different.join("\n")
    );
    let kept = std::fs::read_dir(folder).unwrap().count();
    assert_eq!(kept, DIAGRAMS.len(), "docs/diagrams/ has a file for each, and no other");
}
