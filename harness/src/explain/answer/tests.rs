//! Responses of API servers, and of others.

use serde_json::json;

use super::*;
use crate::event::{ReasonSource, Verdict};
use crate::explain::{Basis, Effect};
use crate::kubeconfig::ClusterConfig;
use crate::probe::Record;
use crate::secret::Secret;

pub(in crate::explain) fn answer(status: u16, headers: &[(&str, &str)], text: &str) -> Answer {
    Answer {
        request: String::new(),
        verdict: Verdict::of_status(status),
        status: Some(status),
        headers: headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
        body: serde_json::from_str(text).unwrap_or_else(|_| text.into()),
        text: text.to_owned(),
        identity: None,
        record: Record {
            reason: None,
            source: ReasonSource::None,
            audit_id: None,
            event: None,
            log: Vec::new(),
        },
        failure: None,
        server_certificate: None,
    }
}

pub(in crate::explain) fn endpoint() -> Endpoint {
    Endpoint::kubectl(&ClusterConfig {
        server: "https://api.test:6443".to_owned(),
        insecure_skip_tls_verify: true,
        ..ClusterConfig::default()
    })
    .expect("an endpoint")
}

pub(in crate::explain) fn token() -> Credential {
    Credential::Token(Secret::new("token"))
}

fn only(answer: &Answer) -> Finding {
    let mut found = findings(&endpoint(), answer, &judge(answer));
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

#[test]
fn only_a_review_with_a_user_says_who_this_is() {
    let review = json!({
        "apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview",
        "status": { "userInfo": { "username": "alice", "groups": ["dev"] } },
    });
    let said = judge(&answer(201, &[("audit-id", "1")], &review.to_string()));
    assert_eq!(said.identity().map(|identity| identity.user.as_str()), Some("alice"));
    assert!(said.is_of_api_server());
    let older = review.to_string().replace("/v1\"", "/v1beta1\"");
    assert!(judge(&answer(201, &[], &older)).identity().is_some());
    // The request itself, repeated; an empty user; another status; another group.
    for (status, text) in [
        (
            200,
            json!({ "apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview" }).to_string(),
        ),
        (
            200,
            json!({ "apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview", "status": { "userInfo": {} } }).to_string(),
        ),
        (404, review.to_string()),
        (200, review.to_string().replace("authentication", "other")),
        (200, "{}".to_owned()),
        (200, "[]".to_owned()),
        (200, "ok".to_owned()),
    ] {
        let answer = answer(status, &[], &text);
        let said = judge(&answer);
        assert!(said.identity().is_none() && !said.is_of_api_server(), "{said:?}");
        let found = only(&answer);
        assert_eq!((found.effect, found.basis), (Effect::Cause, Basis::Compared), "{found:?}");
        assert!(found.seen.starts_with("https://api.test:6443 is not an API server"), "{found:?}");
    }
}

#[test]
fn a_status_is_the_api_servers_if_it_has_an_audit_id() {
    let status = |code: u16, message: &str| {
        json!({ "apiVersion": "v1", "kind": "Status", "status": "Failure", "message": message, "code": code }).to_string()
    };
    let refused = answer(401, &[("audit-id", "1")], &status(401, "Unauthorized"));
    assert!(judge(&refused).is_of_api_server() && findings(&endpoint(), &refused, &judge(&refused)).is_empty());
    let message = r#"selfsubjectreviews.authentication.k8s.io is forbidden: User "al\"ice" cannot create resource "selfsubjectreviews" in API group "authentication.k8s.io" at the cluster scope"#;
    let Answered::Status(forbidden) = judge(&answer(403, &[("audit-id", "1")], &status(403, message))) else {
        panic!("a Status")
    };
    assert_eq!(forbidden.user.as_deref(), Some("al\"ice"));
    assert!(forbidden.refuses_review() && !forbidden.refuses_path());
    let of = |headers: &[(&str, &str)], code: u16, message: &str| {
        let answer = answer(code, headers, &status(code, message));
        match judge(&answer) {
            Answered::Status(status) => (
                status.refuses_review(),
                status.refuses_path(),
                findings(&endpoint(), &answer, &judge(&answer)),
            ),
            other => panic!("{other:?}"),
        }
    };
    let audited = &[("audit-id", "1")];
    // The API server's own refusals, whose reasons are read elsewhere.
    let acting = r#"users "bob" is forbidden: User "alice" cannot impersonate resource "users" in API group "" at the cluster scope"#;
    assert_eq!(of(audited, 403, message), (true, false, Vec::new()));
    assert_eq!(of(audited, 403, acting), (false, false, Vec::new()));
    // A path that is not the API server's, refused or unknown, is the same mistake.
    let path = r#"forbidden: User "alice" cannot post path "/k8s/apis/authentication.k8s.io/v1/selfsubjectreviews""#;
    let (review, refused, found) = of(audited, 403, path);
    assert!((review, refused, found.len()) == (false, true, 1), "{found:?}");
    assert!(
        found[0].seen.contains("it refuses the path, not the credential") && found[0].basis == Basis::Likely,
        "{found:?}"
    );
    let below = Endpoint::kubectl(&ClusterConfig {
        server: "https://api.test:6443/k8s".to_owned(),
        ..ClusterConfig::default()
    })
    .expect("an endpoint");
    let unknown = answer(404, audited, &status(404, "the server could not find the requested resource"));
    let found = findings(&below, &unknown, &judge(&unknown));
    assert!(found[0].seen.starts_with("the address has the path \"/k8s\""), "{found:?}");
    assert_eq!(
        found[0].settle.as_deref(),
        Some("`curl -k https://api.test:6443/version` answers without the path")
    );
    // Somebody else's words, and another status.
    let (review, refused, _) = of(&[], 403, message);
    assert!(!review && !refused);
    assert!(!of(audited, 401, message).0);
    let found = only(&answer(401, &[("server", "nginx")], &status(401, "must authenticate")));
    assert_eq!(found.basis, Basis::Likely);
    assert!(found.seen.contains("without an audit id: probably nginx"), "{found:?}");
    let rancher = only(&answer(
        401,
        &[],
        r#"{"type":"error","status":"401","message":"must authenticate"}"#,
    ));
    assert!(
        rancher.basis == Basis::Likely && rancher.seen.contains("probably Rancher refused"),
        "{rancher:?}"
    );
    for (code, words) in [(404, "does not know SelfSubjectReview"), (503, "answers 503"), (429, "answers 429")] {
        let found = only(&answer(code, &[("audit-id", "1")], &status(code, "the server could not")));
        assert_eq!(found.effect, Effect::Unjudged);
        assert!(found.seen.contains(words), "{found:?}");
    }
}

#[test]
fn other_answers_are_called_what_they_are_with_their_probable_sender() {
    for (status, headers, text, words) in [
        (
            302,
            vec![("location", "https://team.cloudflareaccess.com/cdn-cgi/access/login")],
            "",
            "the redirect 302 to https://team.cloudflareaccess.com/cdn-cgi/access/login",
        ),
        (
            302,
            vec![("location", "https://team.cloudflareaccess.com/x")],
            "",
            "probably Cloudflare Access answers",
        ),
        (
            302,
            vec![("location", "/oauth2/start?rd=x"), ("server", "nginx")],
            "",
            "probably oauth2-proxy answers",
        ),
        (
            302,
            vec![("location", "https://login.microsoftonline.com/x")],
            "",
            "Microsoft's login page",
        ),
        (302, vec![("location", "/dashboard/auth/login")], "", "Rancher"),
        (
            301,
            vec![("location", "https://api.test/x"), ("server", "awselb/2.0")],
            "",
            "AWS's load balancer",
        ),
        (
            200,
            vec![("content-type", "text/html; charset=utf-8")],
            "<!DOCTYPE html><html><head><title>\n Sign in to Keycloak\n</title>",
            "a page titled \"Sign in to Keycloak\" (200)",
        ),
        (
            502,
            vec![("server", "nginx/1.25")],
            "<html>\r\n<head><title>502 Bad Gateway</title></head>",
            "answers 502: a proxy or a load balancer is there; probably nginx",
        ),
        (
            503,
            vec![("server", "envoy")],
            "no healthy upstream",
            "answers 503: a proxy or a load balancer is there; probably Envoy",
        ),
        (404, vec![], "default backend - 404", "an ingress controller without a rule"),
        (404, vec![], "404 page not found\n", "404 \"404 page not found\""),
        (
            404,
            vec![],
            r#"{"type":"error","status":"404","message":"not found"}"#,
            "probably Rancher",
        ),
        (200, vec![], "", "an empty body (200)"),
        (204, vec![], "", "an empty body (204)"),
        (
            403,
            vec![("server", "cloudflare")],
            "<!DOCTYPE html><title>Attention Required!</title>",
            "probably Cloudflare answers",
        ),
        (
            200,
            vec![],
            r#"{"apiVersion":"v1","kind":"NodeList"}"#,
            "kind \"NodeList\" of \"v1\"",
        ),
    ] {
        let found = only(&answer(status, &headers, text));
        assert!(found.seen.contains(words), "{words}: {found:?}");
        assert!(found.settle.is_some() && found.change.is_some(), "{found:?}");
    }
    let found = only(&answer(308, &[("location", "https://other.test:6443/apis/x")], ""));
    assert!(found.change.is_some_and(|change| change.ends_with("https://other.test:6443")));
    let found = only(&answer(400, &[], "Client sent an HTTP request to an HTTPS server.\n"));
    assert!(found.seen.contains("wants TLS"), "{found:?}");
}

#[test]
fn a_long_body_is_cut() {
    let Answered::Text { begins, .. } = judge(&answer(200, &[], &"x ".repeat(500))) else {
        panic!("a text")
    };
    assert_eq!(begins.chars().count(), SHOWN + 1);
}
