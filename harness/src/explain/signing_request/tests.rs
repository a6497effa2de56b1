//! Tests of signing requests, with the answers of real API servers.

use serde_json::json;

use super::*;
use crate::explain::Basis;
use crate::explain::answer::tests::{answer, endpoint};
use crate::pki::{Authority, Flaw, Request};

fn request(signer: &str, status: Value) -> Value {
    json!({ "metadata": { "name": "mine" }, "status": status,
        "spec": { "signerName": signer, "usages": ["server auth"], "username": "bob" } })
}

fn at() -> Timestamp {
    "2026-11-27T07:00:10Z".parse().expect("a time")
}

fn condition(kind: &str, reason: &str, message: &str) -> Value {
    json!({ "type": kind, "status": "True", "reason": reason, "message": message, "lastUpdateTime": "2026-11-27T07:00:00Z" })
}

fn first(signer: &str, conditions: &[Value]) -> (State, Finding) {
    let (state, findings) = check(&request(signer, json!({ "conditions": conditions })), at());
    assert!(findings.iter().any(|finding| finding.behaviour == Some("C2")), "{findings:?}");
    (state, findings[0].clone())
}

#[test]
fn what_nobody_decided_says_who_decides() {
    let (state, found) = first("example.com/mine", &[]);
    assert_eq!((state, found.behaviour), (State::Pending, Some("C16")));
    assert!(
        found
            .change
            .is_some_and(|change| change.contains("kubectl certificate approve mine"))
    );
    assert_eq!(first("kubernetes.io/kube-apiserver-client-kubelet", &[]).1.behaviour, Some("C15"));
}

#[test]
fn a_name_from_the_server_is_quoted_in_the_command_to_paste() {
    let mut asked = request("example.com/mine", json!({}));
    asked["metadata"]["name"] = "a;id".into();
    let (_, found) = super::check(&asked, at());
    let change = found[0].change.as_ref().expect("a change");
    assert!(change.starts_with("`kubectl certificate approve 'a;id'`"), "{change}");
}

#[test]
fn what_nobody_signs_says_whose_signer_it_is() {
    let approved = condition("Approved", "KubectlApprove", "");
    let (state, found) = first("example.com/mine", std::slice::from_ref(&approved));
    assert_eq!((state, found.behaviour), (State::Approved, Some("C13")));
    assert!(
        found.seen.contains("approved 10 s ago (KubectlApprove)") && found.seen.contains("is installed in the cluster"),
        "{found:?}"
    );
    let (_, found) = first("kubernetes.io/kube-apiserver-client", &[approved]);
    assert!(found.seen.contains("--cluster-signing-cert-file"), "{found:?}");
}

#[test]
fn denied_and_failed_say_what_the_condition_says() {
    let approved = || condition("Approved", "", "");
    let (state, found) = first("example.com/mine", &[condition("Denied", "NoWay", "not you")]);
    assert_eq!((state, found.behaviour, found.basis), (State::Denied, Some("C14"), Basis::Proved));
    assert!(found.seen.contains("NoWay, \"not you\""), "{found:?}");
    let failed = condition("Failed", "SignerValidationFailure", "invalid usage");
    let (state, found) = first("kubernetes.io/kube-apiserver-client", &[approved(), failed]);
    assert_eq!((state, found.behaviour), (State::Failed, Some("C12")));
    assert!(
        found
            .seen
            .contains("SignerValidationFailure, \"invalid usage\"; its usages are [\"server auth\"]"),
        "{found:?}"
    );
}

#[test]
fn what_was_issued_says_who_its_holder_is_or_that_it_is_over() {
    let authority = Authority::root("clients").expect("an authority");
    let check = |asked: &Request| {
        let leaf = authority.issue(asked).expect("a certificate");
        let encoded = base64::engine::general_purpose::STANDARD.encode(&leaf.certificate);
        super::check(&request("example.com/mine", json!({ "certificate": encoded })), Timestamp::now())
    };
    let (state, found) = check(&Request::client("alice", &["dev"]));
    assert_eq!(state, State::Issued);
    assert!(
        found[0].seen.starts_with("the user is \"alice\"") && found[1].behaviour == Some("C10"),
        "{found:?}"
    );
    let (state, found) = check(&Request::flawed("alice", &[], Flaw::Expired));
    assert_eq!((state, found[0].behaviour), (State::Flawed, Some("X4")));
}

#[test]
fn what_is_gone_says_when_requests_go() {
    assert!(gone("mine").seen.contains("no signing request named \"mine\""));
}

/// The requests that a real server (1.37.2) answered, by name (fixtures/explain/README.md).
fn real(name: &str) -> Value {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/explain/signing_requests.json");
    let all: Vec<Value> = serde_json::from_str(&std::fs::read_to_string(file).expect("a fixture")).expect("JSON");
    let found = all.into_iter().find(|one| one["metadata"]["name"] == name);
    found.unwrap_or_else(|| panic!("no request {name}"))
}

#[test]
fn a_healthy_serving_certificate_is_issued_with_its_names_and_its_end() {
    let (state, found) = super::check(&real("expired"), "2026-11-29T12:00:00Z".parse().expect("a time"));
    assert_eq!(state, State::Issued);
    assert!(found.iter().all(|finding| finding.effect > Effect::Unjudged), "{found:?}");
    let text: Vec<&str> = found.iter().map(|finding| finding.seen.as_str()).collect();
    assert!(
        text.contains(&"it is for a server with the names node-a, 10.0.0.4")
            && text.iter().any(|seen| seen.starts_with("the certificate is valid until 20")),
        "{text:?}"
    );
    let (state, _) = super::check(&real("expired"), "2100-01-01T00:00:00Z".parse().expect("a time"));
    assert_eq!(state, State::Flawed);
}

#[test]
fn each_signer_is_quoted_with_what_the_request_has() {
    for (name, has, change) in [
        ("no-o", "its organizations are []", "/O=system:nodes/CN=system:node:NAME"),
        (
            "two-o",
            "its organizations are [\"system:nodes\", \"x\"]",
            "exactly the organization",
        ),
        ("hook", "its common name is \"hook.ns.svc\"", "cert-manager or a signer of your own"),
        ("no-san", "it has none", "subjectAltName=DNS:NAME"),
        (
            "client-auth",
            "\"client auth\"]",
            "exactly the usages [\"digital signature\", \"key encipherment\", \"server auth\"]",
        ),
        ("uri", "it has [\"spiffe://a/b\"]", "without them"),
        ("kclient", "it has [\"node-a\"]", "without alternative names"),
        (
            "aclient",
            "its usages are [\"digital signature\", \"key encipherment\"]",
            "`client auth`",
        ),
    ] {
        let asked = real(name);
        let (state, found) = super::check(&asked, at());
        assert_eq!(
            (state, found[0].behaviour, found[0].basis),
            (State::Failed, Some("C12"), Basis::Proved),
            "{name}"
        );
        assert!(found[0].seen.contains(has), "{name}: {found:?}");
        assert!(
            found[0].change.as_ref().is_some_and(|text| text.contains(change)),
            "{name}: {found:?}"
        );
        let serving = asked["spec"]["signerName"] == "kubernetes.io/kubelet-serving";
        let advice = found[0].change.as_ref().is_some_and(|text| text.contains("cert-manager"));
        assert_eq!(serving, advice, "{name}");
        // The words that are expected are those that the signer really said.
        let requested = requested(&asked).expect("it is sound");
        let signer = asked["spec"]["signerName"].as_str().expect("a signer");
        let broken = Signer::of(signer).broken(&requested, &usages(&asked)).expect("a broken rule");
        let conditions = asked["status"]["conditions"].as_array().expect("conditions");
        assert!(
            conditions.iter().any(|one| one["message"] == broken.words.as_str()),
            "{name}: {}",
            broken.words
        );
    }
}

#[test]
fn a_pending_request_names_its_approvers_and_what_the_signer_would_refuse() {
    let pending = |name: &str| {
        let mut asked = real(name);
        asked["status"] = json!({});
        let (state, found) = super::check(&asked, at());
        assert_eq!(state, State::Pending);
        found
    };
    let found = pending("good");
    assert!(
        found[0].change.as_ref().is_some_and(|text| text.contains("kubelet-csr-approver")),
        "{found:?}"
    );
    assert_eq!(
        found.iter().filter(|finding| finding.effect == Effect::Cause).count(),
        1,
        "{found:?}"
    );
    let found = pending("hook");
    assert!(
        found[1].seen.contains("\"subject common name does not begin with system:node:\""),
        "{found:?}"
    );
    let found = pending("custom");
    assert!(found[0].seen.contains("its own controller does"), "{found:?}");
    assert_eq!(
        found.iter().filter(|finding| finding.effect == Effect::Cause).count(),
        1,
        "a custom signer has no known rules"
    );
    assert!(pending("unknownk8s")[0].seen.contains("Kubernetes has no such signer"));
}

#[test]
fn a_custom_signers_certificate_is_not_judged_as_a_clients() {
    let authority = Authority::root("hooks").expect("an authority");
    let leaf = authority.issue(&Request::server("hook", &["hook.ns.svc"])).expect("a certificate");
    let encoded = base64::engine::general_purpose::STANDARD.encode(&leaf.certificate);
    let (state, found) = super::check(&request("example.com/mine", json!({ "certificate": encoded })), Timestamp::now());
    assert_eq!(state, State::Issued);
    assert!(found.iter().any(|finding| finding.seen.contains("hook.ns.svc")), "{found:?}");
}

#[test]
fn only_a_request_is_taken_for_one() {
    let of = |status: u16, audit_id: Option<&str>, text: &str| {
        let headers: Vec<_> = audit_id.map(|id| ("audit-id", id)).into_iter().collect();
        let (state, found) = of_answer(&endpoint(), "mine", &answer(status, &headers, text), at());
        (state, found[0].seen.clone())
    };
    let mut sound = request("example.com/mine", json!({}));
    sound["kind"] = "CertificateSigningRequest".into();
    assert_eq!(of(200, Some("1"), &sound.to_string()).0, State::Pending);
    let (state, seen) = of(200, None, "<!doctype html><title>Log in</title>");
    assert!(state == State::Unread && seen.contains("a page titled \"Log in\" (200)"), "{seen}");
    for other in ["{}", "{\"kind\":\"CertificateSigningRequest\"}", "ok", "", "[]"] {
        let (state, seen) = of(200, None, other);
        assert!(state == State::Unread && seen.contains("is not an API server"), "{other}: {seen}");
    }
    let status = |code: u16, details: Value| {
        json!({ "apiVersion": "v1", "kind": "Status", "status": "Failure", "code": code, "message": "no", "details": details }).to_string()
    };
    let named = json!({ "name": "mine", "group": "certificates.k8s.io", "kind": "certificatesigningrequests" });
    assert_eq!(of(404, Some("1"), &status(404, named.clone())).0, State::Gone);
    let (state, seen) = of(404, Some("1"), &status(404, json!({})));
    assert!(state == State::Unread && seen.contains("cannot be read"), "{seen}");
    let (state, seen) = of(404, None, &status(404, named));
    assert!(state == State::Unread && seen.contains("without an audit id"), "{seen}");
    assert_eq!(of(404, None, "404 page not found").0, State::Unread);
    let (state, seen) = of(403, Some("1"), &status(403, json!({})));
    assert!(state == State::Unread && seen.contains("cannot be read"), "{seen}");
}
