//! Features of one's own: an API server with one's own configuration, carried out, refused before anything starts, and shown.

use std::path::PathBuf;

use serde_json::Value;

use crate::stage::{Said, Stage};

/// The project that docs/own-features.md shows.
const PROJECT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/project");

/// Runs `command` on `features` with the project's configuration.
fn run(stage: &Stage, command: &[&str], features: &str) -> Said {
    let (authn, rbac) = (format!("{PROJECT}/authn.yaml"), format!("{PROJECT}/rbac/team-a.yaml"));
    let configuration = ["--authentication-configuration", &authn, "--manifests", &rbac, features];
    stage.authlab(&[command, &configuration].concat())
}

/// Writes a feature with `steps` and returns its path.
fn feature(stage: &Stage, steps: &str) -> String {
    let path: PathBuf = stage.state().join("own.feature");
    std::fs::write(&path, format!("Feature: Own\n\n  Scenario: One\n{steps}")).unwrap();
    path.display().to_string()
}

#[test]
fn the_features_of_a_project_are_carried_out_and_each_can_turn_red() {
    let stage = Stage::new();
    let features = format!("{PROJECT}/features");
    let record = run(&stage, &["--json", "run"], &features).json();
    let scenarios = record["scenarios"].as_array().unwrap();
    let failures: Vec<&Value> = scenarios.iter().filter(|scenario| scenario["outcome"] != "passed").collect();
    assert!(failures.is_empty() && scenarios.len() == 10, "{failures:#?}");
    assert_eq!(record["lab"]["identity_provider"], "none");
    let refused = scenarios
        .iter()
        .find(|scenario| scenario["name"].as_str().unwrap().contains("another company"));
    let answer = &refused.unwrap()["answers"][0];
    assert_eq!(
        (&answer["verdict"], &answer["reason_source"]),
        (&"unauthenticated".into(), &"log".into()),
        "{answer}"
    );
    assert!(
        answer["reason"].as_str().unwrap().contains("only employees of example.com log in"),
        "{answer}"
    );

    let inverted = run(&stage, &["--json", "run", "--invert"], &features).json();
    assert_eq!(
        (&inverted["totals"]["passed"], &inverted["inverted"]),
        (&10.into(), &true.into()),
        "{:#}",
        inverted["scenarios"]
    );
    stage.expect_nothing_runs("after two runs");
    assert!(stage.labs().is_empty(), "{:?}", stage.labs());
}

#[test]
fn what_does_not_hold_fails_with_both_values() {
    let stage = Stage::new();
    let token = "    Given Erin has a token of \"https://ci.example.com\" with\n      | sub | erin |\n    When she asks the API server who she is\n";
    let features = feature(
        &stage,
        &format!(
            "{token}    Then she is accepted as \"erin\"\n\n  Scenario: Two\n{token}    Then she may \"create deployments.apps in team-a\"\n\n  \
             Scenario: Three\n{token}    Then she may not \"get deployment\"\n\n  \
             Scenario: Four\n    Given Max has a token of \"https://elsewhere.example.com\"\n    When he asks the API server who he is\n    Then he is accepted as \"max\"\n"
        ),
    );
    let said = run(&stage, &["--json", "run"], &features);
    assert_eq!(said.code, 1, "{said:?}");
    let record: Value = serde_json::from_str(&said.out).unwrap();
    let told = |name: &str| {
        let scenarios = record["scenarios"].as_array().unwrap();
        let scenario = scenarios.iter().find(|scenario| scenario["name"] == name).unwrap();
        scenario["failure"].to_string()
    };
    for (name, parts) in [
        ("One", ["accepted as", "ci:erin"]),
        ("Two", ["may create deployments.apps in team-a", "may not"]),
        ("Three", ["no resource 'deployment'", "deployments"]),
        (
            "Four",
            ["https://elsewhere.example.com", "https://login.example.com, https://ci.example.com"],
        ),
    ] {
        for part in parts {
            assert!(told(name).contains(part), "{name}: {part}: {}", told(name));
        }
    }
}

#[test]
fn a_mistake_in_a_feature_is_told_before_anything_starts() {
    let stage = Stage::new();
    let given = "    Given Erin has a token of \"https://login.example.com\"\n";
    let features = feature(
        &stage,
        &format!("{given}    When she asks the API servr who she is\n    Then Max is accepted as \"max\"\n"),
    );
    let refusal = run(&stage, &["run"], &features).refusal(2);
    for part in [
        "2 steps cannot be carried out",
        "own.feature:5: When she asks the API servr who she is",
        "When NAME asks the API server who WORD is/are",
        "own.feature:6: Then Max is accepted as \"max\"",
        "nobody is called Max (known: ",
        "Erin",
        "authlab steps",
    ] {
        assert!(refusal.contains(part), "{part}: {refusal}");
    }
    let features = feature(&stage, "    Then Erin is accepted as \"erin\"\n").replace("own.feature", "tagged.feature");
    std::fs::write(&features, format!("@smoke\nFeature: Own\n\n  Scenario: One\n{given}")).unwrap();
    let refusal = run(&stage, &["run", "--list"], &features).refusal(2);
    assert!(refusal.contains("unknown tag `@smoke`"), "{refusal}");
    let listed = run(
        &stage,
        &["run", "--list", "--own-tags", "smoke,nightly", "--tags", "@smoke"],
        &features,
    )
    .success();
    assert!(listed.ends_with("/tagged::One\n"), "{listed}");
    let refusal = run(&stage, &["run", "--own-tags", "smoke", "--cluster", "kind"], &features).refusal(2);
    assert!(
        refusal.contains("--cluster kind cannot be used") && refusal.contains("tagged.feature:4"),
        "{refusal}"
    );
    let authn = format!("{PROJECT}/authn.yaml");
    let refusal = stage
        .authlab(&["run", "--authentication-configuration", &authn, "--list"])
        .refusal(2);
    assert!(refusal.contains("name features of yours"), "{refusal}");
    assert!(stage.labs().is_empty());
}

#[test]
fn a_configuration_that_the_api_server_refuses_is_told_in_its_words() {
    let stage = Stage::new();
    let authn = stage.state().join("authn.yaml");
    std::fs::write(
        &authn,
        "apiVersion: apiserver.config.k8s.io/v1beta1\nkind: AuthenticationConfiguration\njwt:\n- issuer: {}\n",
    )
    .unwrap();
    let features = format!("{PROJECT}/features");
    let said = stage.authlab(&["run", "--authentication-configuration", authn.to_str().unwrap(), &features]);
    assert!(said.refusal(4).contains("jwt[0].issuer.url"));
}

#[test]
#[ignore = "slow: it has a lab of its own"]
fn a_matrix_carries_them_out_on_each_version() {
    let stage = Stage::new();
    let features = format!("{PROJECT}/features");
    let listed = run(&stage, &["matrix", "--list", "--kubernetes", "1.36..1.37"], &features).success();
    assert_eq!(listed.lines().filter(|line| line.ends_with("\t10")).count(), 2, "{listed}");
    let record = run(&stage, &["--json", "matrix", "--kubernetes", "1.37"], &features).json();
    assert_eq!(record["table"]["columns"][0]["totals"]["passed"], 10, "{record:#}");
    let told = run(&stage, &["matrix", "--kubernetes", "1.37"], &features).success();
    assert!(told.contains("10 passed, 0 failed") && !told.contains("behaviours"), "{told}");
    let refusal = run(&stage, &["matrix", "--cluster", "process", "--print", "kubernetes-job"], &features).refusal(2);
    assert!(refusal.contains("run `authlab matrix` where your files are"), "{refusal}");
}

#[test]
#[ignore = "slow: it has a lab of its own"]
fn a_matrix_that_proves_nothing_is_no_success() {
    let stage = Stage::new();
    let project = tempfile::tempdir().unwrap();
    let file = format!("[api-server]\nauthentication-configuration = \"{PROJECT}/authn.yaml\"\n[people.zoe]\ncontext = \"zoe@prod\"\n");
    std::fs::write(project.path().join("authlab.toml"), file).unwrap();
    let context = feature(&stage, "    Then Zoe may not \"list nodes\"\n");
    let at = project.path().to_str().unwrap();
    let refusal = stage
        .authlab(&["matrix", "--project", at, "--kubernetes", "1.37", &context])
        .refusal(3);
    assert!(
        refusal.contains("none of the selected scenarios can be carried out in any cell:")
            && refusal.contains("lacks 'kubeconfig_contexts'"),
        "{refusal}"
    );
}

#[test]
fn steps_are_shown_to_people_programs_and_editors() {
    let stage = Stage::new();
    let shown = stage.authlab(&["steps"]).success();
    assert!(shown.contains("Given NAME has a token of \"TEXT\"( with)(:)\n"), "{shown}");
    assert!(
        shown.contains("Then NAME <may|may not> \"TEXT\"\n") && !shown.contains("For authlab's labs"),
        "{shown}"
    );
    let found = stage.authlab(&["steps", "service", "account"]).success();
    let (own, other) = found.split_once("For authlab's labs:\n").unwrap();
    assert!(
        own.contains("NAME is the service account") && other.contains("service account"),
        "{found}"
    );
    let all = stage.authlab(&["--json", "steps", "--all"]).json();
    let all = all.as_array().unwrap();
    assert!(
        all.len() > 100 && all[0]["own"] == true && all[0]["requires"] == serde_json::json!(["project", "issuer_stand_ins"]),
        "{:#}",
        all[0]
    );
    let glue = stage.authlab(&["steps", "--format", "cucumber"]).success();
    assert!(glue.contains("defineParameterType({ name: 'person', regexp: /Alice|"), "{glue}");
    assert!(
        glue.contains("Given('{person} has a token of {string}( with)(:)', () => {})\n"),
        "{glue}"
    );
    assert!(
        stage
            .authlab(&["steps", "nonsense"])
            .refusal(3)
            .contains("no step has the words: nonsense")
    );
}

#[test]
#[ignore = "slow: it has a lab of its own"]
fn a_lab_that_is_up_for_the_project_is_used_where_it_is_named() {
    let stage = Stage::new();
    let project = tempfile::tempdir().unwrap();
    let file = format!(
        "manifests = [\"{PROJECT}/rbac/team-a.yaml\"]\n[api-server]\nauthentication-configuration = \"{PROJECT}/authn.yaml\"\n[features]\npaths = [\"{PROJECT}/features\"]\n\
         [people.zoe]\ncontext = \"zoe@prod\"\n"
    );
    let other = tempfile::tempdir().unwrap();
    for directory in [&project, &other] {
        std::fs::write(directory.path().join("authlab.toml"), &file).unwrap();
    }
    let at = project.path().to_str().unwrap();
    let run = |more: &[&str]| stage.authlab(&[&["run", "--project", at], more].concat());
    assert!(run(&["--lab", "default"]).refusal(4).contains("`authlab up` starts it"));
    stage.authlab(&["up", "--project", at]).success();
    for _ in 0..2 {
        let said = run(&["--lab", "default"]);
        assert_eq!(said.code, 0, "{said:?}");
        assert!(
            said.out.contains("10 passed, 0 failed") && said.err.contains("using the lab 'default' that is up"),
            "{said:?}"
        );
    }
    let own = run(&["--name", "another company"]);
    assert!(own.code == 0 && own.err.contains("--lab default uses it"), "{own:?}");
    let context = feature(&stage, "    Then Zoe may not \"list nodes\"\n");
    // A run that proves nothing is no success, as at a cluster that exists.
    let skipped = run(&["--lab", "default", &context]);
    let because = "lacks 'kubeconfig_contexts': a context leads to a cluster that exists (--cluster existing)";
    assert!(skipped.out.contains(because), "{skipped:?}");
    let refusal = skipped.refusal(3);
    assert!(
        refusal.contains("none of the selected scenarios can be carried out here:") && refusal.contains(because),
        "{refusal}"
    );
    let refusal = run(&["--lab", "default", "--kubernetes", "1.30"]).refusal(4);
    assert!(refusal.contains("it runs Kubernetes 1.37"), "{refusal}");
    let refusal = stage
        .authlab(&["run", "--project", other.path().to_str().unwrap(), "--lab", "default"])
        .refusal(4);
    assert!(refusal.contains("it is not for this project"), "{refusal}");
    stage.authlab(&["down"]).success();
    stage.expect_nothing_runs("after the lab's end");
}
