//! A lab with node-oidc-provider, from its start to its end; on a machine without Node.js, the refusal to start it.

use crate::stage::Stage;

/// Returns `true` if this machine has Node.js and npm.
fn has_node() -> bool {
    ["node", "npm"].into_iter().all(|program| which::which(program).is_ok())
}

#[test]
fn a_lab_with_another_provider_than_keycloak_runs_what_holds_for_any() {
    let stage = Stage::new();
    let provider = ["--identity-provider", "oidc-provider"];
    if !has_node() {
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

    // A kubeconfig with a token of it is one for the API server.
    let token = stage.authlab(&["kubeconfig", "alice", "--as", "token"]).success();
    assert!(token.contains("eyJ"), "there is no token");

    stage.authlab(&["down"]).success();
    assert_eq!(stage.labs(), Vec::<String>::new());
    #[cfg(target_os = "linux")]
    stage.expect_nothing_runs("after the lab ended");
}
