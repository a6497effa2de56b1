//! Credentials of a lab that is up: as an exec plugin gives them, and in every form of a kubeconfig.

use serde_json::json;

use crate::logins::{description, line};
use crate::stage::{said, shared};

#[test]
fn a_cluster_of_another_lab_gets_no_credential_of_this_one() {
    let info = |server: &str| {
        json!({ "apiVersion": "client.authentication.k8s.io/v1beta1", "kind": "ExecCredential",
            "spec": { "interactive": false, "cluster": { "server": server } } })
        .to_string()
    };
    let lab = description();
    let ours = lab["api_servers"]["main"]["url"].as_str().unwrap();
    for command in [["token", "certificate", "alice"], ["token", "service-account", "deployer"]] {
        let mut there = shared().stage.command(&command);
        let answer = said(there.env("KUBERNETES_EXEC_INFO", info(ours))).json();
        assert_eq!(answer["apiVersion"], "client.authentication.k8s.io/v1beta1");
        assert!(answer["status"]["expirationTimestamp"].is_string(), "{answer}");
        let mut elsewhere = shared().stage.command(&command);
        let told = line(said(elsewhere.env("KUBERNETES_EXEC_INFO", info("https://elsewhere.test"))), 1);
        assert!(
            told.contains("the cluster https://elsewhere.test is not of the lab 'default'"),
            "{told}"
        );
    }
}

#[test]
fn a_kubeconfig_in_every_form_is_who_it_is_for() {
    let folder = tempfile::tempdir().unwrap();
    for (arguments, user) in [
        (&["alice", "--as", "exec"][..], "alice"),
        (&["deployer", "--as", "exec"], "system:serviceaccount:authlab:deployer"),
        (&["da-admin", "--as", "exec", "--flow", "password"], "keycloak:da-admin"),
        (&["alice", "--as", "auth-provider"], "keycloak:alice"),
        (&["alice", "--as", "token"], "keycloak:alice"),
        (&["alice", "--as", "embedded", "--by", "keycloak"], "keycloak:alice"),
    ] {
        let file = folder.path().join("kubeconfig");
        let all = [&["kubeconfig"], arguments, &["--output", file.to_str().unwrap()]].concat();
        shared().stage.authlab(&all).success();
        let who = [
            "shell",
            "--",
            "kubectl",
            "--kubeconfig",
            file.to_str().unwrap(),
            "auth",
            "whoami",
            "-o",
            "json",
        ];
        let said = shared().stage.authlab(&who).json();
        assert_eq!(said["status"]["userInfo"]["username"], user, "{arguments:?}");
    }
    let refusal = shared().stage.authlab(&["kubeconfig", "user1", "--as", "token"]).refusal(2);
    assert!(
        refusal.contains("user1 has no kubeconfig with a token: that is for who authenticates by keycloak"),
        "{refusal}"
    );
}

#[test]
fn what_is_missing_or_unknown_is_said_in_one_line() {
    let stage = &shared().stage;
    let told = line(stage.authlab(&["token", "oidc"]), 2);
    assert!(told.contains("--issuer URL is missing"), "{told}");
    let told = line(
        stage.authlab(&[
            "token",
            "oidc",
            "--issuer",
            "https://issuer.test",
            "--client-id",
            "x",
            "--flow",
            "password",
        ]),
        2,
    );
    assert!(told.contains("--flow password needs --username NAME"), "{told}");
    let told = line(stage.authlab(&["token", "certificate", "nobody"]), 2);
    assert!(told.contains("nobody in the cast is called 'nobody'; there are: "), "{told}");
    let told = line(stage.authlab(&["token", "certificate", "alice", "--lab", "nowhere"]), 1);
    assert!(told.contains("no lab called 'nowhere' is up"), "{told}");
    let mut command = stage.command(&["token", "certificate", "alice"]);
    let told = line(said(command.env("KUBERNETES_EXEC_INFO", "{}")), 2);
    assert!(told.contains("KUBERNETES_EXEC_INFO is not an ExecCredential"), "{told}");
}
