//! `authlab explain` on a running lab: kubeconfigs, certificates and servers from public reports, each as the person met it.

use authlab::pki::{Authority, Flaw, Leaf, Request};
use serde_json::{Value, json};

use crate::explaining::Bench;
use crate::stage::{Said, shared};

/// Checks the outcome and the first finding: its behaviour (empty for none), its basis or else its effect, and parts of its text.
pub fn expect(said: &Said, outcome: &str, first: (&str, &str), parts: &[&str]) {
    let told: Value = serde_json::from_str(&said.out).unwrap_or_else(|_| panic!("{said:?}"));
    let finding = &told["findings"][0];
    let text = |field: &str| finding[field].as_str().unwrap_or_default();
    let kind = if text("effect") == "cause" { text("basis") } else { text("effect") };
    assert_eq!(told["outcome"], outcome, "{told}");
    assert_eq!((text("behaviour"), kind), first, "{finding}");
    let all = format!("{} → {} → {}", text("seen"), text("change"), text("settle"));
    for part in parts {
        assert!(all.contains(part), "{part}: {all}");
    }
}

fn pair(bench: &Bench, name: &str, leaf: &Leaf) -> Value {
    let certificate = bench.file(&format!("{name}.crt"), &leaf.full_chain());
    json!({ "client-certificate": certificate, "client-key": bench.file(&format!("{name}.key"), leaf.key.expose()) })
}

#[test]
fn a_token_that_kubectl_would_refresh_first_is_not_sent() {
    let bench = Bench::new();
    let config = json!({ "idp-issuer-url": "https://issuer.test", "client-id": "k", "refresh-token": "r3fresh" });
    let said = bench.kubeconfig(json!({}), json!({ "auth-provider": { "name": "oidc", "config": config } }));
    assert!(!said.out.contains("r3fresh"), "{said:?}");
    expect(
        &said,
        "not_asked",
        ("", "unjudged"),
        &[
            "kubectl would fetch an ID token at https://issuer.test first",
            "`kubectl auth whoami`",
        ],
    );
}

#[test]
fn a_user_of_the_same_name_in_another_file_is_named() {
    let bench = Bench::new();
    let main = &bench.lab["api_servers"]["main"];
    let authority = bench.file("two.pem", main["serving_authority"].as_str().unwrap());
    let stranger = Authority::root("another cluster").unwrap();
    let own = bench.authorities.clients.issue(&Request::client("mine", &[])).unwrap();
    let other = stranger.issue(&Request::client("theirs", &["system:masters"])).unwrap();
    let file = |name: &str, server: &str, leaf: &Leaf| {
        let config = json!({ "apiVersion": "v1", "kind": "Config", "current-context": name,
            "contexts": [{ "name": name, "context": { "cluster": name, "user": "kubernetes-admin" } }],
            "clusters": [{ "name": name, "cluster": { "server": server, "certificate-authority": authority } }],
            "users": [{ "name": "kubernetes-admin", "user": pair(&bench, name, leaf) }] });
        bench.file(name, &config.to_string()).display().to_string()
    };
    let first = file("theirs", "https://127.0.0.1:1", &other);
    let second = file("ours", main["url"].as_str().unwrap(), &own);
    let both = format!("{first}:{second}");
    let explained = |more: &[&str]| {
        shared()
            .stage
            .authlab(&[&["explain", "--context", "ours", "--kubeconfig"], more].concat())
    };
    expect(
        &explained(&[&both, "--json"]),
        "refused",
        ("X3", "proved"),
        &["CN=theirs", "CN=another cluster"],
    );
    // The one thing to do is in the files, so it is shown without --verbose.
    let text = explained(&[&both]).out;
    let hidden = format!("the user \"kubernetes-admin\" is that of {first}; the one of {second} is not used");
    assert!(text.contains(&hidden) && text.contains("Do: rename one of the two"), "{text}");
    assert_eq!(explained(&[&second, "--json"]).json()["user"], "mine");
}

#[test]
fn a_plugin_that_is_not_executable_is_told_so() {
    let bench = Bench::new();
    bench.file("plain.sh", "#!/bin/sh\n");
    let exec = json!({ "apiVersion": "client.authentication.k8s.io/v1", "command": "./plain.sh", "interactiveMode": "Never",
        "installHint": "get it from the front desk" });
    let said = bench.kubeconfig(json!({}), json!({ "exec": exec }));
    expect(&said, "not_sent", ("E2", "compared"), &["permission denied", "chmod +x "]);
}

#[test]
fn a_credential_that_the_api_server_takes_for_none_is_named_before_the_anonymous_user() {
    let bench = Bench::new();
    let said = bench.kubeconfig(json!({}), json!({ "username": "alice", "password": "s3cret" }));
    assert!(!said.out.contains("s3cret"), "{said:?}");
    expect(
        &said,
        "refused",
        ("B6", "proved"),
        &["a user name and a password", "only bearer tokens"],
    );
    let empty = bench.file("empty", "\n");
    let said = shared()
        .stage
        .authlab(&["explain", "--json", "--token-file", empty.to_str().unwrap()]);
    expect(&said, "refused", ("B6", "proved"), &["the token is empty"]);
}

#[test]
fn an_extra_that_the_api_server_adds_by_itself_is_not_to_be_passed_on() {
    let bench = Bench::new();
    let proxy = bench.authorities.clients.issue(&Request::client("a-proxy", &[])).unwrap();
    let mut user = pair(&bench, "proxy", &proxy);
    user["as"] = "alice".into();
    user["as-user-extra"] = json!({ "authentication.kubernetes.io/credential-id": ["JTI=0c1d"] });
    let said = bench.kubeconfig(json!({}), user);
    let told: Value = serde_json::from_str(&said.out).unwrap();
    let first = told["findings"][0].to_string();
    assert_eq!(told["outcome"], "refused");
    for part in [
        "leave \\\"authentication.kubernetes.io/credential-id\\\" out",
        "userextras/authentication.kubernetes.io/credential-id",
    ] {
        assert!(first.contains(part), "{part}: {first}");
    }
    assert!(
        !first.contains("resourceNames: [\\\"JTI"),
        "a rule for one token helps nobody: {first}"
    );
}

#[test]
fn an_address_at_which_no_api_server_is_does_not_judge_the_credential() {
    let bench = Bench::new();
    let keycloak = &bench.lab["keycloak"];
    let authority = bench.file("keycloak.pem", keycloak["authority"].as_str().unwrap());
    let cluster = json!({ "server": keycloak["url"], "certificate-authority": authority });
    let said = bench.kubeconfig(cluster, json!({ "token": "x" }));
    expect(&said, "not_an_api_server", ("", "compared"), &["is not an API server"]);
    assert!(!said.out.contains("B6"), "nothing is said about the token: {said:?}");
}

#[test]
fn certificates_that_go_reads_otherwise_are_read_as_the_api_server_does() {
    let bench = Bench::new();
    let clients = &bench.authorities.clients;
    let of = |authority: &Authority, request: &Request| bench.certificate(&authority.issue(request).unwrap());
    let told = of(clients, &Request::client_with_common_names(&["Users", "carol"])).json();
    assert_eq!(told["user"], "carol");
    assert!(
        told.to_string().contains("the last common name; [\\\"Users\\\"] does not count"),
        "{told}"
    );
    expect(
        &of(clients, &Request::flawed("alice", &[], Flaw::Sha1)),
        "refused",
        ("X21", "proved"),
        &["SHA1", "with SHA-256"],
    );
    // An authority that was made anew has its old name.
    let again = Authority::root("authlab clients").unwrap();
    expect(
        &of(&again, &Request::client("alice", &[])),
        "refused",
        ("X3", "proved"),
        &["CN=authlab clients", "another"],
    );
}
