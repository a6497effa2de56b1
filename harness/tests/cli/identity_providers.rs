//! A lab with node-oidc-provider, from its start to its end; on a machine without Node.js, the refusal to start it.

use authlab::identity_provider::oidc_provider::node;

use crate::stage::{Stage, said};

/// Returns `true` if this machine has a Node.js that is new enough, with npm.
fn is_node_there() -> bool {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(node::find()).is_ok() && node::npm().is_ok()
}

/// Asks for pages for which node-oidc-provider has defaults of its own, which it notes down once each.
fn pages_with_defaults_are_answered(stage: &Stage) {
    let lab = std::fs::read_to_string(stage.lab("default").join("lab.json")).unwrap();
    let lab: serde_json::Value = serde_json::from_str(&lab).unwrap();
    let provider = &lab["oidc_provider"];
    let authority = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&authority, provider["authority"].as_str().unwrap()).unwrap();
    let issuer = provider["issuer"].as_str().unwrap();
    for (path, status) in [
        ("/auth?client_id=nobodys", "400"),
        ("/device", "200"),
        ("/session/end", "200"),
        ("/.well-known/openid-configuration", "200"),
    ] {
        let mut curl = std::process::Command::new("curl");
        curl.args([
            "--silent",
            "--output",
            "/dev/null",
            "--write-out",
            "%{http_code}",
            "--noproxy",
            "*",
            "--cacert",
        ]);
        let asked = said(curl.arg(authority.path()).arg(format!("{issuer}{path}")));
        assert_eq!(asked.out, status, "{path}: {}", asked.err);
    }
}

#[test]
fn a_lab_with_another_provider_than_keycloak_runs_what_holds_for_any() {
    let stage = Stage::new();
    let provider = ["--identity-provider", "oidc-provider"];
    if !is_node_there() {
        let refused = stage.authlab(&[&["up"][..], &provider].concat()).refusal(4);
        assert!(refused.contains("cannot run node-oidc-provider"), "{refused}");
        return;
    }
    stage.authlab(&[&["up"][..], &provider].concat()).success();

    let status = stage.authlab(&["status", "--json"]).json();
    let about = &status[0]["identity_provider"];
    assert_eq!(about["name"], "node-oidc-provider", "{status}");
    assert!(
        about["version"].as_str().is_some_and(|version| version.starts_with("9.")),
        "{status}"
    );
    let status = stage.authlab(&["status"]).success();
    assert!(status.contains("node-oidc-provider 9.") && !status.contains("Keycloak"), "{status}");

    // A run that names no provider uses the lab that is up; a lab with Keycloak is another one.
    let report = tempfile::tempdir().unwrap();
    let place = report.path().join("report").display().to_string();
    stage
        .authlab(&["run", "oidc/identity", "oidc/sessions", "--lab", "default", "--report", &place])
        .success();
    let record = std::fs::read_to_string(report.path().join("report/run.json")).unwrap();
    let record: serde_json::Value = serde_json::from_str(&record).unwrap();
    let lab = record["lab"]["identity_provider"].as_str().unwrap();
    assert!(lab.starts_with("node-oidc-provider 9.") && lab.ends_with(" (process)"), "{lab}");
    let scenarios = record["scenarios"].as_array().unwrap();
    for scenario in scenarios.iter().filter(|scenario| scenario["outcome"] == "skipped") {
        let why = scenario["skipped_because"].as_str().unwrap_or_default();
        assert!(
            why.contains("lacks 'several_audiences': node-oidc-provider: the audience"),
            "{scenario}"
        );
    }
    let passed = scenarios.iter().filter(|scenario| scenario["outcome"] == "passed").count();
    assert!(passed > 15, "only {passed} passed");

    let refused = stage
        .authlab(&["run", "oidc/any_issuer", "--lab", "default", "--identity-provider", "keycloak"])
        .refusal(4);
    assert!(
        refused.contains("its identity provider is oidc-provider, not keycloak"),
        "{refused}"
    );

    pages_with_defaults_are_answered(&stage);

    // A flow that this provider does not offer is refused before anything is written or typed.
    let refused = stage.authlab(&["walk", "oidc", "--lab", "default", "--yes"]).refusal(2);
    assert!(
        refused.contains("needs Keycloak") && refused.contains("node-oidc-provider 9."),
        "{refused}"
    );
    let refused = stage.authlab(&["kubeconfig", "alice", "--as", "exec", "--by", "keycloak", "--flow", "password"]);
    assert!(
        refused.code != 0 && refused.err.contains("node-oidc-provider has no password grant"),
        "{refused:?}"
    );

    // A kubeconfig with a token of it is one for the API server.
    let token = stage.authlab(&["kubeconfig", "alice", "--as", "token"]).success();
    assert!(token.contains("eyJ"), "there is no token");

    stage.authlab(&["down"]).success();
    assert_eq!(stage.labs(), Vec::<String>::new());
    #[cfg(target_os = "linux")]
    stage.expect_nothing_runs("after the lab ended");
}
