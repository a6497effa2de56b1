//! `authlab explain` on a running lab: kubeconfigs of several files, credentials that API servers take for none, and another server.

use authlab::pki::{Authority, Request};
use serde_json::json;

use crate::explaining::Bench;

#[test]
fn a_user_of_the_same_name_in_another_file_is_named() {
    let bench = Bench::new();
    let main = &bench.lab["api_servers"]["main"];
    bench.file("ca.crt", main["serving_authority"].as_str().unwrap());
    let stranger = Authority::root("another cluster").unwrap();
    let own = bench.authorities.clients.issue(&Request::client("mine", &[])).unwrap();
    let other = stranger.issue(&Request::client("theirs", &["system:masters"])).unwrap();
    for (name, server, leaf) in [
        ("theirs", "https://127.0.0.1:1", &other),
        ("ours", main["url"].as_str().unwrap(), &own),
    ] {
        bench.file(&format!("{name}.crt"), &leaf.full_chain());
        bench.file(&format!("{name}.key"), leaf.key.expose());
        let config = json!({ "apiVersion": "v1", "kind": "Config", "current-context": name,
            "contexts": [{ "name": name, "context": { "cluster": name, "user": "kubernetes-admin" } }],
            "clusters": [{ "name": name, "cluster": { "server": server, "certificate-authority": "ca.crt" } }],
            "users": [{ "name": "kubernetes-admin",
                "user": { "client-certificate": format!("{name}.crt"), "client-key": format!("{name}.key") } }] });
        bench.file(name, &config.to_string());
    }
    bench.show("both", &["--context", "ours", "--kubeconfig", "theirs:ours"]);
    bench.show("ours alone", &["--kubeconfig", "ours"]);
    bench.assert_shown("several-files");
}

#[test]
fn a_credential_that_the_api_server_takes_for_none_is_named_before_the_anonymous_user() {
    let bench = Bench::new();
    let user = json!({ "username": "alice", "password": "s3cret" });
    bench.show_kubeconfig("a user name and a password", &json!({}), &user);
    bench.file("empty", "\n");
    bench.show("an empty token", &["--token-file", "empty"]);
    bench.assert_shown("taken-for-none");
}

#[test]
fn an_address_at_which_no_api_server_is_does_not_judge_the_credential() {
    let bench = Bench::new();
    let keycloak = &bench.lab["keycloak"];
    bench.file("keycloak.pem", keycloak["authority"].as_str().unwrap());
    let cluster = json!({ "server": keycloak["url"], "certificate-authority": "keycloak.pem" });
    bench.show_kubeconfig("Keycloak", &cluster, &json!({ "token": "x" }));
    bench.assert_shown("keycloak");
}
