//! Answers of API servers and of others, impersonation, bindings, and signing requests.

use std::sync::Arc;

use authlab::pki::{Request, signing_request};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::Case;
use super::api_server::{Answer, REVIEWS, refusing};
use super::workplace::Workplace;

pub const CASES: &[Case] = &[
    ("U9", signing_requests),
    ("U20", forbidden_impersonation),
    ("S6", requests_in_files),
    ("S9", bindings_with_nearly_the_name),
    ("other-servers", other_servers),
];

/// The requests that a real server (1.37.2) answered (fixtures/explain/README.md).
fn signing_requests(work: &mut Workplace) {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/explain/signing_requests.json");
    let all: Vec<Value> = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    let mut named: Vec<Value> = Vec::new();
    let undecided = ["good", "hook", "custom", "unknownk8s"];
    for mut one in all {
        one["apiVersion"] = "certificates.k8s.io/v1".into();
        one["kind"] = "CertificateSigningRequest".into();
        named.push(one.clone());
        let name = one["metadata"]["name"].as_str().unwrap().to_owned();
        if undecided.contains(&name.as_str()) {
            one["metadata"]["name"] = format!("{name}-pending").into();
            one["status"] = json!({});
            named.push(one);
        }
    }
    // The certificate of a custom signer, for a server.
    let leaf = work.authority.issue(&Request::server("hook", &["hook.ns.svc"])).unwrap();
    let mut signed = named.iter().find(|one| one["metadata"]["name"] == "custom").unwrap().clone();
    signed["metadata"]["name"] = "custom-signed".into();
    signed["status"]["certificate"] = STANDARD.encode(leaf.certificate).into();
    named.push(signed);
    let served = named.clone();
    let url = work.server(Arc::new(move |path, _| {
        let name = path.rsplit('/').next().unwrap();
        match served.iter().find(|one| one["metadata"]["name"] == name) {
            Some(one) => Answer::json(200, one),
            None => {
                let details = json!({ "name": name, "group": "certificates.k8s.io", "kind": "certificatesigningrequests" });
                Answer::json(
                    404,
                    &json!({ "kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404,
                        "message": format!("certificatesigningrequests.certificates.k8s.io \"{name}\" not found"), "details": details }),
                )
            }
        }
    }));
    work.user(&url, &json!({ "token": "a-token" }));
    for one in &named {
        let name = one["metadata"]["name"].as_str().unwrap();
        work.run(name, &["--signing-request", name, "--kubeconfig", "config"]);
    }
    work.run("one that is gone", &["--signing-request", "gone", "--kubeconfig", "config"]);
    work.run("for machines", &["--signing-request", "hook", "--kubeconfig", "config", "--json"]);
}

fn requests_in_files(work: &mut Workplace) {
    let (pem, _) = signing_request("alice", &["dev"]).unwrap();
    let manifest = |request: &str| {
        format!(
            "apiVersion: certificates.k8s.io/v1\nkind: CertificateSigningRequest\nmetadata:\n  name: mine\nspec:\n  \
            signerName: kubernetes.io/kube-apiserver-client\n  usages: [client auth]\n  request: {request}\n"
        )
    };
    let new = pem.replace("CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST");
    for (title, text) in [
        ("sound", manifest(&STANDARD.encode(&pem))),
        ("as keytool and certreq call it", manifest(&STANDARD.encode(new))),
        ("a command that no shell replaced", manifest("$(cat x.csr | base64)")),
        (
            "the request itself, without base64",
            manifest(&format!("|\n    {}", pem.trim_end().replace('\n', "\n    "))),
        ),
        ("base64 of base64", manifest(&STANDARD.encode(STANDARD.encode(&pem)))),
        (
            "no usages, and a signer that is no longer there",
            manifest(&STANDARD.encode(&pem))
                .replace("  usages: [client auth]\n", "")
                .replace("kube-apiserver-client", "legacy-unknown"),
        ),
    ] {
        work.file("request.yaml", text);
        work.run(title, &["--signing-request", "request.yaml"]);
    }
}

/// An API server that forbids with `message`, and allows the rights to `allowed` resources.
fn forbidding(message: &'static str, allowed: &'static [&'static str]) -> super::api_server::Answers {
    Arc::new(move |path, body| match path {
        "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews" => {
            let asked = &body["spec"]["resourceAttributes"];
            let is_older = asked["verb"] == "impersonate";
            let is_allowed = is_older && allowed.contains(&asked["resource"].as_str().unwrap_or_default());
            Answer::json(
                201,
                &json!({ "kind": "SelfSubjectAccessReview", "apiVersion": "authorization.k8s.io/v1", "spec": body["spec"],
                    "status": { "allowed": is_allowed } }),
            )
        }
        _ => Answer::status(403, "Forbidden", message),
    })
}

fn forbidden_impersonation(work: &mut Workplace) {
    let (older, newer) = (
        "userextras.authentication.k8s.io \"JTI=0c1d\" is forbidden: User \"proxy\" cannot impersonate resource \
        \"userextras/authentication.kubernetes.io/credential-id\" in API group \"authentication.k8s.io\" at the cluster scope",
        "users.authentication.k8s.io \"alice\" is forbidden: User \"proxy\" cannot impersonate:user-info resource \"users\" in API group \
        \"authentication.k8s.io\" at the cluster scope",
    );
    let extra = json!({ "token": "a-token", "as": "alice", "as-groups": ["dev"],
        "as-user-extra": { "authentication.kubernetes.io/credential-id": ["JTI=0c1d"] } });
    let rancher = json!({ "token": "a-token", "as": "alice", "as-user-extra": { "Principalid": ["local://user-1"] } });
    for (title, message, user) in [
        ("an extra that the API server adds by itself", older, &extra),
        ("the same, from 1.36", newer, &extra),
        ("an extra of Rancher's", older, &rancher),
    ] {
        let url = work.server(forbidding(message, &["users", "groups"]));
        work.explain_user(title, &url, user);
    }
    let url = work.server(forbidding(newer, &[]));
    work.explain_user("no right at all", &url, &json!({ "token": "a-token", "as": "alice" }));
}

fn bindings_with_nearly_the_name(work: &mut Workplace) {
    let binding = |name: &str, kind: &str, subject: &str| {
        json!({ "metadata": { "name": name }, "roleRef": { "kind": "ClusterRole", "name": "edit" },
            "subjects": [{ "kind": kind, "name": subject, "apiGroup": "rbac.authorization.k8s.io" }] })
    };
    let bindings = json!({ "kind": "List", "items": [
        binding("without-prefix", "User", "alice"),
        binding("upper-case", "Group", "oidc:Dev"),
        binding("full-path", "Group", "oidc:/dev"),
        binding("exact", "Group", "oidc:ops"),
        binding("of-somebody-else", "User", "bob"),
    ] });
    let url = work.server(Arc::new(move |path, _| match path {
        REVIEWS => Answer::user("oidc:alice", &["oidc:dev", "oidc:ops", "system:authenticated"]),
        path if path.ends_with("/clusterrolebindings") => Answer::json(200, &bindings),
        path if path.ends_with("/rolebindings") => Answer::json(200, &json!({ "kind": "List", "items": [] })),
        _ => Answer::not_found(),
    }));
    work.explain_user("near misses", &url, &json!({ "token": "a-token" }));
    work.run("everything", &["--kubeconfig", "config", "--verbose"]);
    work.run("for machines", &["--kubeconfig", "config", "--json"]);
}

fn other_servers(work: &mut Workplace) {
    let user = json!({ "token": "a-token" });
    let page = "<!doctype html><title>Log in</title>";
    type Made = fn(&str) -> Answer;
    let answers: [(&str, Made); 9] = [
        ("a login page", |page| Answer::html(200, &[], page)),
        ("a redirect to a login page", |_| {
            Answer::html(302, &[("location", "https://login.test/start")], "")
        }),
        ("a proxy that reaches nothing", |_| {
            Answer::html(502, &[("server", "nginx")], "<title>502 Bad Gateway</title>")
        }),
        ("a proxy's own refusal", |_| {
            Answer::html(
                401,
                &[("www-authenticate", "Basic realm=\"staff\"")],
                "<title>401 Authorization Required</title>",
            )
        }),
        ("an empty object", |_| Answer(200, Vec::new(), "{}".to_owned())),
        ("an empty answer", |_| Answer(200, Vec::new(), String::new())),
        ("a user without a name", |_| Answer::user("", &[])),
        ("a refusal without an audit id", |_| {
            Answer(401, Vec::new(), Answer::unauthorized().2)
        }),
        ("an API server before the review of oneself", |_| Answer::not_found()),
    ];
    for (title, answer) in answers {
        let url = work.server(Arc::new(move |_, _| answer(page)));
        work.explain_user(title, &url, &user);
    }
    let url = work.server(Arc::new(|_, _| Answer::user("system:anonymous", &["system:unauthenticated"])));
    work.explain_user("a token for which one is anonymous", &url, &user);
    work.explain_user("no credential", &url, &json!({}));
    work.explain_user("nobody listens", "https://127.0.0.1:1", &user);
    work.explain_user("a name that nobody has", "https://api.invalid:6443", &user);
    work.explain_user("no TLS", "http://127.0.0.1:1", &user);
    let url = work.server(refusing());
    work.explain_user("a refusal, for which there is no comparison", &url, &user);
}
