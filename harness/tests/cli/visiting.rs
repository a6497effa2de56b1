//! Features of one's own at a cluster that exists: a lab, asked by people with no rights of their own and with nobody's else.

use std::path::Path;

use serde_json::{Value, json};

use crate::stage::{Said, Stage, by_hand};

const PEOPLE: &str = r#"
[api-server]
flags = { anonymous-auth = false }

[people.zoe]
context = "zoe@prod"
[people.otto]
context = "otto@prod"
[people.robot]
token-file = "robot.jwt"
[people.mallory]
token-file = "forged.jwt"
[people.erin]
issuer = "https://login.example.com"
[people.nina]
certificate = { common-name = "nina" }
[people.ci]
service-account = "ci/deployer"
[people.gone]
context = "gone@prod"
[people.elsewhere]
context = "elsewhere@other"
"#;

const FEATURE: &str = r#"Feature: Who may do what in production

  Scenario: Zoe has no rights
    When Zoe asks the API server who she is
    Then she is accepted as "system:serviceaccount:visiting:zoe"
    And she is in the groups "system:serviceaccounts" and "system:authenticated"
    And she may not
      | list secrets in kube-system |
      | create deployments in default |
      | create deployments.apps in default |
      | get pods/log in default |
    But she may "get /version"

  Scenario: Otto's credential is a plugin's
    When Otto asks the API server who he is
    Then he is accepted as "system:serviceaccount:visiting:otto"
    And he may "create selfsubjectaccessreviews.authorization.k8s.io", because "system:basic-user"

  Scenario: The robot's token is in a file
    Then the robot may not "list pods in kube-system"

  Scenario: Mallory's token is no token
    When Mallory asks the API server who she is
    Then she is refused as unauthenticated, because "invalid bearer token"

  Scenario: Erin's issuer signs no token for a test
    Then Erin may not "list nodes"

  Scenario: Max has a token of his own
    Given Max has a token of "https://login.example.com"
    Then Max may not "list nodes"

  Scenario: Nina's certificate is signed by nobody
    Then Nina may not "list nodes"

  Scenario: A service account is not created
    Given Bo is the service account "ci/bo"
    Then Bo may not "list nodes"

  Scenario: Ci is another service account
    Then Ci may not "list nodes"

  Scenario: Zoe asks for something else
    When Zoe asks whether the API server is alive
    Then she is accepted as "system:serviceaccount:visiting:zoe"
"#;

fn kubectl(arguments: &[&str]) -> Said {
    by_hand().stage.authlab(&[&["shell", "--", "kubectl"], arguments].concat())
}

/// A project with a kubeconfig of people who have no rights.
struct Production {
    stage: Stage,
    /// The namespace of their service accounts, which nobody else uses.
    namespace: &'static str,
    files: tempfile::TempDir,
}

impl Production {
    fn new(namespace: &'static str) -> Self {
        let production = Self {
            stage: Stage::new(),
            namespace,
            files: tempfile::tempdir().unwrap(),
        };
        kubectl(&["create", "namespace", namespace]).success();
        let tokens = ["zoe", "otto", "robot"].map(|name| {
            kubectl(&["create", "serviceaccount", name, "--namespace", namespace]).success();
            let token = kubectl(&["create", "token", name, "--namespace", namespace]).success();
            token.trim().to_owned()
        });
        let credential =
            json!({ "apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": { "token": tokens[1] } });
        let plugin = production.write("credential.json", &credential.to_string());
        let mut file = by_hand().stage.authlab(&["kubeconfig", "alice", "--json"]).json();
        let mut other = file["clusters"][0].clone();
        other["name"] = json!("other");
        other["cluster"]["server"] = json!("https://127.0.0.1:1");
        file["clusters"][0]["name"] = json!("prod");
        file["clusters"].as_array_mut().unwrap().push(other);
        file["users"] = json!([
            { "name": "zoe", "user": { "token": tokens[0] } },
            { "name": "otto", "user": { "exec": { "apiVersion": "client.authentication.k8s.io/v1", "command": "cat", "args": [plugin],
                "interactiveMode": "Never" } } },
        ]);
        let context =
            |user: &str, cluster: &str| json!({ "name": format!("{user}@{cluster}"), "context": { "user": user, "cluster": cluster } });
        let mut elsewhere = context("zoe", "other");
        elsewhere["name"] = json!("elsewhere@other");
        file["contexts"] = json!([context("zoe", "prod"), context("otto", "prod"), elsewhere]);
        file.as_object_mut().unwrap().remove("current-context");
        production.write("kubeconfig", &file.to_string());
        production.write("authlab.toml", PEOPLE);
        production.write("robot.jwt", &tokens[2]);
        production.write("forged.jwt", "eyJhbGciOiJub25lIn0.e30.x");
        std::fs::create_dir(production.files.path().join("features")).unwrap();
        production.write("features/access.feature", &FEATURE.replace("visiting", namespace));
        production
    }

    fn write(&self, name: &str, text: &str) -> String {
        let path = self.files.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    }

    fn run(&self, more: &[&str]) -> Said {
        let (project, kubeconfig) = (self.files.path(), self.files.path().join("kubeconfig"));
        let place = [
            "run",
            "--project",
            project.to_str().unwrap(),
            "--cluster",
            "existing",
            "--kubeconfig",
            kubeconfig.to_str().unwrap(),
        ];
        self.stage.authlab(&[&place[..], more].concat())
    }
}

/// Returns the requests in the lab's audit log of the service accounts in `namespace`, as `VERB URI`.
fn requests(namespace: &str) -> Vec<String> {
    let description = std::fs::read_to_string(by_hand().stage.lab("default").join("lab.json")).unwrap();
    let description: Value = serde_json::from_str(&description).unwrap();
    let log = description["api_servers"]["main"]["logs"]["audit_log"].as_str().unwrap().to_owned();
    let text = std::fs::read_to_string(Path::new(&log)).unwrap();
    let events = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let of_people = events.filter(|event| {
        let user = event["user"]["username"].as_str().unwrap_or_default();
        user.starts_with(&format!("system:serviceaccount:{namespace}:")) && event["stage"] == "ResponseComplete"
    });
    let told = of_people.map(|event| format!("{} {}", event["verb"].as_str().unwrap(), event["requestURI"].as_str().unwrap()));
    told.collect()
}

#[test]
fn a_cluster_gets_nothing_but_reviews_from_people_without_rights() {
    let production = Production::new("visiting");
    let before = kubectl(&["get", "all,roles,rolebindings,secrets", "-n", production.namespace, "-o", "name"]).success();
    let said = production.run(&["--json"]);
    assert_eq!(said.code, 0, "{said:?}");
    let record: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(
        record["totals"],
        json!({ "passed": 4, "failed": 0, "skipped": 6 }),
        "{:#}",
        record["scenarios"]
    );
    let reasons: Vec<String> = record["scenarios"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|scenario| scenario["outcome"] == "skipped")
        .map(|scenario| format!("{}: {}", scenario["name"], scenario["skipped_because"]))
        .collect();
    for (name, because) in [
        ("Erin's issuer", "lacks 'issuer_stand_ins': only the issuers that it trusts"),
        ("Max has a token", "lacks 'issuer_stand_ins'"),
        ("Nina's certificate", "lacks 'cluster_signing_key'"),
        ("A service account", "lacks 'administrator': nothing is created in it"),
        ("Ci is another", "lacks 'administrator'"),
        (
            "Zoe asks for something else",
            "this step is for authlab's labs: When Zoe asks whether",
        ),
    ] {
        assert!(
            reasons.iter().any(|reason| reason.contains(name) && reason.contains(because)),
            "{name}: {reasons:#?}"
        );
    }
    for told in [
        "nothing is created or changed in it",
        "zoe presents the context 'zoe@prod'",
        "otto presents the context 'otto@prod', whose exec plugin `cat` is run",
        "robot presents the token in their file",
        "2 skipped: this cluster lacks 'issuer_stand_ins'",
    ] {
        let at = said.err.find(told);
        assert!(at.is_some(), "{told}: {}", said.err);
    }
    let asked = requests(production.namespace);
    let is_harmless = |request: &&String| {
        let reads = ["get /version", "get /api/v1", "get /apis"];
        ["create /apis/authentication.k8s.io/v1/selfsubjectreviews", "create /apis/authorization.k8s.io/v1/selfsubjectaccessreviews"]
            .contains(&request.as_str())
            || reads.contains(&request.as_str())
            // The list of a group's resources, and no resource: /apis/GROUP/VERSION.
            || request.starts_with("get /apis/") && request.matches('/').count() == 3
    };
    let other: Vec<&String> = asked.iter().filter(|request| !is_harmless(request)).collect();
    assert!(other.is_empty(), "{other:?}");
    let count = |part: &str| asked.iter().filter(|request| request.contains(part)).count();
    assert!(
        count("selfsubjectreviews") >= 2 && count("selfsubjectaccessreviews") >= 6,
        "{asked:?}"
    );
    let after = kubectl(&["get", "all,roles,rolebindings,secrets", "-n", production.namespace, "-o", "name"]).success();
    assert_eq!(before, after);
    assert_eq!(production.stage.labs(), Vec::<String>::new());
}

#[test]
fn all_of_it_is_told_before_anything_is_asked() {
    let production = Production::new("visiting-later");
    let shown = production.run(&["--dry-run"]).success();
    for told in [
        "otto: the context 'otto@prod', whose exec plugin `cat` is run",
        "4 scenarios would run",
        "6 scenarios would be skipped",
        "Nothing was asked.",
    ] {
        assert!(shown.contains(told), "{told}: {shown}");
    }
    let record = production.run(&["--dry-run", "--json"]).json();
    assert_eq!(record["people"]["zoe"], "the context 'zoe@prod'", "{record}");
    let feature = |person: &str| {
        let name = format!("features/{person}.feature");
        let text = format!("Feature: One\n\n  Scenario: {person}\n    Then {person} may not \"list nodes\"\n");
        production.write(&name, &text)
    };
    let (gone, elsewhere, erin) = (feature("Gone"), feature("Elsewhere"), feature("Erin"));
    for (arguments, code, says) in [
        (
            vec![gone.as_str()],
            4,
            "has no context named 'gone@prod' (known: elsewhere@other, otto@prod, zoe@prod)",
        ),
        (
            vec!["--name", "Elsewhere|Zoe has"],
            4,
            "lead to several clusters: https://127.0.0.1:1 (elsewhere), https://127.0.0.1:",
        ),
        (vec![elsewhere.as_str()], 4, "the API server https://127.0.0.1:1 does not respond"),
        (vec![erin.as_str()], 3, "none of the selected scenarios can be carried out"),
        (vec!["--invert"], 2, "--invert cannot be used with --cluster existing"),
        (
            vec!["--flag", "anonymous-auth=false"],
            2,
            "--flag cannot be used with --cluster existing",
        ),
        (vec!["--kubernetes", "1.37"], 2, "--kubernetes cannot be used with"),
    ] {
        let refusal = production.run(&arguments).refusal(code);
        assert!(refusal.contains(says), "{arguments:?}: {refusal}");
    }
    // A person who is refused cannot read the lists of resources; others still can.
    let both = production.write(
        "features/both.feature",
        "Feature: Two\n\n  Scenario: Refused\n    Then Mallory may not \"list pods\"\n\n  Scenario: Known\n    Then Zoe may not \"list pods\"\n",
    );
    let said = production.run(&[&both, "--concurrency", "1", "--json"]);
    let record: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(record["totals"], json!({ "passed": 1, "failed": 1, "skipped": 0 }), "{record:#}");
    // The command that runs one of them alone.
    let alone = record["scenarios"][0]["run_with"].to_string();
    assert!(alone.contains(r#""--cluster","existing","--kubeconfig",""#), "{alone}");
    let refusal = production.stage.authlab(&[
        "run",
        "--project",
        production.files.path().to_str().unwrap(),
        "--cluster",
        "existing",
    ]);
    assert!(refusal.refusal(2).contains("must be used together"));
    assert_eq!(production.stage.labs(), Vec::<String>::new());
}
