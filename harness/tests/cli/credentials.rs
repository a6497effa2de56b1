//! Credentials of a running lab: from the exec plugin, and in every form of a kubeconfig.

use base64::Engine as _;
use serde_json::json;

use crate::logins::{description, line};
use crate::stage::{said, shared};

#[test]
#[ignore = "slow: it has a lab of its own"]
fn a_cluster_of_another_lab_gets_no_credential_of_this_one() {
    let info = |cluster: serde_json::Value| {
        json!({ "apiVersion": "client.authentication.k8s.io/v1beta1", "kind": "ExecCredential",
            "spec": { "interactive": false, "cluster": cluster } })
        .to_string()
    };
    let encoded = |text: &str| base64::engine::general_purpose::STANDARD.encode(text);
    let stranger = authlab::pki::Authority::root("stranger").unwrap();
    let lab = description();
    let main = &lab["api_servers"]["main"];
    let (ours, authority) = (main["url"].as_str().unwrap(), main["serving_authority"].as_str().unwrap());
    for command in [["token", "certificate", "alice"], ["token", "service-account", "deployer"]] {
        let with = |cluster| said(shared().stage.command(&command).env("KUBERNETES_EXEC_INFO", info(cluster)));
        for sound in [
            json!({ "server": ours }),
            json!({ "server": ours, "certificate-authority-data": encoded(authority) }),
        ] {
            let answer = with(sound).json();
            assert_eq!(answer["apiVersion"], "client.authentication.k8s.io/v1beta1");
            assert!(answer["status"]["expirationTimestamp"].is_string(), "{answer}");
        }
        let told = line(with(json!({ "server": "https://elsewhere.test" })), 1);
        assert!(
            told.contains("the cluster https://elsewhere.test does not belong to the lab 'default'"),
            "{told}"
        );
        // The lab's address, with a proxy in between.
        for between in [
            json!({ "server": ours, "certificate-authority-data": encoded(stranger.certificate()), "proxy-url": "http://evil.test" }),
            json!({ "server": ours, "certificate-authority-data": encoded(&format!("{authority}{}", stranger.certificate())) }),
            json!({ "server": ours, "insecure-skip-tls-verify": true }),
            json!({ "server": ours, "tls-server-name": "evil.test" }),
        ] {
            let told = line(with(between.clone()), 1);
            assert!(
                told.contains("is not verified by the authority of the lab 'default'"),
                "{between}: {told}"
            );
        }
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
        refusal.contains("user1 has no kubeconfig with a token, which needs authentication by keycloak"),
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
    assert!(told.contains("nobody in the cast is named 'nobody' (known: "), "{told}");
    let told = line(stage.authlab(&["token", "certificate", "alice", "--lab", "nowhere"]), 1);
    assert!(told.contains("no lab named 'nowhere' is running"), "{told}");
    let mut command = stage.command(&["token", "certificate", "alice"]);
    let told = line(said(command.env("KUBERNETES_EXEC_INFO", "{}")), 2);
    assert!(told.contains("KUBERNETES_EXEC_INFO is not an ExecCredential"), "{told}");
}
