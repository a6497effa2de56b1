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
];

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
    let names: Vec<String> = DIAGRAMS.iter().map(|(_, id)| regex::escape(id)).collect();
    let names = format!("^({})$", names.join("|"));
    let arguments = ["run", "--lab", "default", "--name", &names, "--report", report.to_str().unwrap()];
    shared().stage.authlab(&arguments).success();
    let record: RunRecord = serde_json::from_str(&std::fs::read_to_string(report.join("run.json")).unwrap()).unwrap();
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
