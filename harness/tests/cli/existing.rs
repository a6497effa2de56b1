//! An existing cluster and identity provider: a lab, used as if it belonged to someone else. The guest has a state
//! directory of its own.

use std::path::{Path, PathBuf};
use std::time::Duration;

use authlab::process::wait::Condition;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::stage::{Said, Stage, by_hand, wait};

/// A user with a kubeconfig of the shared lab, and no other knowledge of it.
struct Guest {
    stage: Stage,
    files: tempfile::TempDir,
}

impl Guest {
    fn new() -> Self {
        Self {
            stage: Stage::new(),
            files: tempfile::tempdir().unwrap(),
        }
    }

    fn file(&self, name: &str, text: &str) -> String {
        let path = self.files.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    }

    /// Writes a changed kubeconfig of `person`.
    fn kubeconfig(&self, person: &str, change: impl FnOnce(&mut Value)) -> String {
        let mut file = by_hand().stage.authlab(&["kubeconfig", person, "--json"]).json();
        change(&mut file);
        self.file("kubeconfig", &file.to_string())
    }

    fn run(&self, kubeconfig: &str, more: &[&str]) -> Said {
        let mut arguments = vec!["run", "--cluster", "existing", "--kubeconfig", kubeconfig];
        arguments.extend(more);
        self.stage.authlab(&arguments)
    }
}

/// Returns the objects that guests have created in the shared lab; the label of runs that attach to it names the lab itself.
fn created() -> Vec<String> {
    let kinds = "namespaces,clusterroles,clusterrolebindings,certificatesigningrequests,serviceaccounts,secrets,pods,roles,rolebindings";
    let arguments = [
        "shell",
        "--",
        "kubectl",
        "get",
        kinds,
        "-A",
        "-o",
        "json",
        "-l",
        "app.kubernetes.io/managed-by=authlab,authlab/lab!=default",
    ];
    let listed = by_hand().stage.authlab(&arguments).json();
    let name = |object: &Value| format!("{} {}", object["kind"], object["metadata"]["name"]);
    listed["items"].as_array().unwrap().iter().map(name).collect()
}

/// Locks out the other tests that are guests of the same lab.
fn alone() -> std::sync::MutexGuard<'static, ()> {
    static ALONE: std::sync::Mutex<()> = std::sync::Mutex::new(());
    ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn report(directory: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(directory.join("run.json")).unwrap()).unwrap()
}

#[test]
fn an_administrators_kubeconfig_is_enough_and_nothing_is_left() {
    let (guest, _alone) = (Guest::new(), alone());
    let kubeconfig = guest.kubeconfig("administrator", |_| {});
    let directory: PathBuf = guest.files.path().join("report");
    let said = guest.run(&kubeconfig, &["--report", directory.to_str().unwrap()]);
    assert_eq!(said.code, 0, "{said:?}");
    assert_eq!(created(), Vec::<String>::new());
    assert_eq!(guest.stage.labs(), Vec::<String>::new());
    for told in [
        "as authlab-administrator",
        "app.kubernetes.io/managed-by=authlab",
        "certificate_signer: yes",
        "client_certificates: yes, the API server accepts one that kubernetes.io/kube-apiserver-client has signed",
    ] {
        assert!(said.err.contains(told), "{told}: {}", said.err);
    }
    assert!(said.out.contains("refusals' reasons are not observable here"), "{}", said.out);
    let report = report(&directory);
    // Most of them by client certificates of the cluster's own signer.
    let totals = &report["totals"];
    let all: u64 = ["passed", "failed", "skipped"]
        .iter()
        .map(|part| totals[part].as_u64().unwrap())
        .sum();
    let told = format!("{} of {all} scenarios", totals["passed"]);
    for (page, text) in [
        ("README.md", include_str!("../../../README.md")),
        (
            "docs/reference/existing-clusters.md",
            include_str!("../../../docs/reference/existing-clusters.md"),
        ),
    ] {
        assert!(text.contains(&told), "{page} does not say: {told}");
    }
    for scenario in report["scenarios"].as_array().unwrap() {
        if scenario["outcome"] == "skipped" {
            let part = match scenario["skip"].as_str() {
                Some("version") => "Kubernetes",
                _ => " lacks '",
            };
            assert!(scenario["skipped_because"].as_str().unwrap().contains(part), "{scenario}");
        }
        for answer in scenario["answers"].as_array().unwrap() {
            if answer["verdict"] == "unauthenticated" {
                assert_eq!(
                    (&answer["reason_source"], &answer["reason"]),
                    (&json!("not_observable"), &json!(null))
                );
            }
        }
    }
}

#[test]
fn who_may_do_almost_nothing_has_scenarios_skipped_by_name() {
    let guest = Guest::new();
    let kubeconfig = guest.kubeconfig("bob", |_| {});
    let said = guest.run(&kubeconfig, &["--tags", "@B7 or @anonymous"]);
    assert_eq!(said.code, 0, "{said:?}");
    assert!(
        said.out
            .contains("this cluster lacks 'administrator': the kubeconfig's user may not create namespaces"),
        "{}",
        said.out
    );
}

#[test]
fn a_dry_run_says_what_it_would_do_and_does_nothing() {
    let (guest, _alone) = (Guest::new(), alone());
    let kubeconfig = guest.kubeconfig("administrator", |_| {});
    let said = guest.run(&kubeconfig, &["--dry-run"]).success();
    for told in [
        "A run would create these objects, and delete them at its end",
        "scenarios would run",
        "lacks 'cluster_signing_key'",
        "Nothing was created.",
    ] {
        assert!(said.contains(told), "{told}: {said}");
    }
    let record = guest.run(&kubeconfig, &["--dry-run", "--json"]).json();
    assert!(record["would_run"].as_array().unwrap().len() > 60, "{record}");
    assert_eq!(created(), Vec::<String>::new());
    let refusal = guest.stage.authlab(&["run", "--dry-run"]).refusal(2);
    assert!(refusal.contains("--dry-run needs --cluster existing"), "{refusal}");
}

#[test]
fn an_issuer_that_is_there_is_used_and_not_changed() {
    let (guest, _alone) = (Guest::new(), alone());
    let kubeconfig = guest.kubeconfig("administrator", |_| {});
    let description = std::fs::read_to_string(by_hand().stage.lab("default").join("lab.json")).unwrap();
    let keycloak = serde_json::from_str::<Value>(&description).unwrap()["keycloak"].clone();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let (issuer, secret) = (
        text(&keycloak["issuer"]),
        guest.file("secret", &text(&keycloak["clients"]["kubernetes"])),
    );
    let authority = guest.file("authority.pem", &text(&keycloak["authority"]));
    let run = |password: &str| {
        let password = guest.file("password", password);
        let given = [
            "--identity-provider",
            "existing",
            "--issuer",
            &issuer,
            "--client-id",
            "kubernetes",
            "--client-secret-file",
            &secret,
        ];
        let person = [
            "--user",
            "alice",
            "--password-file",
            &password,
            "--issuer-authority",
            &authority,
            "oidc",
        ];
        guest.run(&kubeconfig, &[&given[..], &person[..]].concat())
    };
    let said = run(&format!("{}\n", text(&keycloak["passwords"]["alice"])));
    assert_eq!(said.code, 0, "{said:?}");
    assert!(
        said.err
            .contains(r#"alice is accepted as "keycloak:alice", by the claim preferred_username"#),
        "{}",
        said.err
    );
    assert!(
        said.out.contains("2 passed, 0 failed") && said.out.contains("lacks 'cast_accounts'"),
        "{}",
        said.out
    );
    let said = run("wrong");
    assert_eq!(said.code, 0, "{said:?}");
    assert!(
        said.err.contains("identity_provider: no, ") && said.err.contains("invalid_grant"),
        "{}",
        said.err
    );
    assert!(said.out.contains("0 passed, 0 failed"), "{}", said.out);
}

/// A feature that is still running when it is interrupted, even on a busy machine: one scenario after the other waits for a refusal
/// that never comes.
const WAITING: &str = "@requires:administrator
Feature: A run that takes its time
  Scenario Outline: A sound token of a service account
    Given the deployer holds a service account token
    Then it is soon refused as unauthenticated, because '<time>'

    Examples:
      | time   |
      | first  |
      | second |
      | third  |
";

#[test]
#[ignore = "slow: it has a lab of its own"]
fn what_is_interrupted_leaves_nothing_and_what_is_killed_is_found_by_its_label() {
    let (guest, _alone) = (Guest::new(), alone());
    let kubeconfig = guest.kubeconfig("administrator", |_| {});
    let feature = guest.file("waiting.feature", WAITING);
    let place = ["--cluster", "existing", "--kubeconfig", &kubeconfig];
    let arguments = [&["run", &feature, "--concurrency", "1"][..], &place].concat();
    // Both the kernel and the shell send SIGHUP when a terminal is closed: a repeated SIGHUP must not force an exit.
    for (signals, left) in [
        (&[Signal::INT][..], false),
        (&[Signal::HUP, Signal::HUP, Signal::HUP], false),
        (&[Signal::KILL], true),
    ] {
        let mut run = guest.stage.start(&arguments);
        // A namespace, and not the request by which a guest first finds out whether certificates are signed: that one is deleted at once.
        wait("the namespace of a guest's scenario", Duration::from_secs(30), || {
            match created().iter().any(|object| object.contains("Namespace")) {
                true => Condition::Met(()),
                false => Condition::NotYet("nothing yet".to_owned()),
            }
        });
        for signal in signals {
            kill_process(Pid::from_child(&run), *signal).unwrap();
        }
        let ended = run.wait().unwrap();
        assert_eq!(ended.code(), if left { None } else { Some(5) });
        assert_eq!(!created().is_empty(), left, "{signals:?}");
    }
    // Another state directory deletes nothing: from there, `down` cannot tell whose objects these are.
    let elsewhere = Guest::new();
    let down = ["down", "--cluster", "existing", "--kubeconfig", &kubeconfig];
    let said = elsewhere.stage.authlab(&down).success();
    assert!(
        said.starts_with("the cluster has no objects that authlab is known to have left from this machine\nleft alone: "),
        "{said}"
    );
    // An ordinary `down` keeps the record of a cluster that may still have objects.
    let said = guest.stage.authlab(&["down"]);
    assert!(said.out.contains(": was killed while it used the cluster https://"), "{said:?}");
    assert_eq!(guest.stage.labs().len(), 1);
    let said = guest.stage.authlab(&down).success();
    assert!(said.starts_with("deleted "), "{said}");
    assert_eq!(created(), Vec::<String>::new());
    assert_eq!(guest.stage.labs(), Vec::<String>::new());
}

#[test]
fn a_kubeconfig_that_cannot_be_used_is_one_clear_error() {
    let guest = Guest::new();
    type Change = fn(&mut Value);
    let cases: [(Change, &str, &str); 6] = [
        (
            |file| {
                file["users"][0]["user"] = json!({ "exec": { "apiVersion": "client.authentication.k8s.io/v1", "command": "sh",
                "args": ["-c", "echo log in first >&2; exit 1"], "interactiveMode": "Never" } })
            },
            "error: the exec plugin `sh` of the kubeconfig failed (exit status: 1); its output is:\n    log in first",
            "run the plugin by hand",
        ),
        (
            |file| {
                file["users"][0]["user"] = {
                    json!({ "exec": { "apiVersion": "client.authentication.k8s.io/v1beta1", "command": "no-such-plugin",
                "installHint": "ask the front desk" } })
                }
            },
            "error: cannot start the exec plugin `no-such-plugin` of the kubeconfig",
            "hint: ask the front desk",
        ),
        (
            |file| file["users"][0]["user"] = json!({ "token": "nobody-knows-it" }),
            "does not accept the credential of the context 'administrator@default' (a bearer token)",
            "log in again",
        ),
        (
            |file| file["clusters"][0]["cluster"]["server"] = json!("https://127.0.0.1:1"),
            "error: the API server https://127.0.0.1:1 does not respond: Connection refused",
            "check the address",
        ),
        (
            |file| _ = file.as_object_mut().unwrap().remove("current-context"),
            "has no current context (known: administrator@default",
            "--context NAME",
        ),
        (|file| *file = json!({ "a": "list" }), "is not a kubeconfig", "--kubeconfig FILE"),
    ];
    for (change, says, hint) in cases {
        let kubeconfig = guest.kubeconfig("administrator", change);
        let refusal = guest.run(&kubeconfig, &[]).refusal(4);
        assert!(refusal.contains(says) && refusal.contains(hint), "{says}: {refusal}");
        assert_eq!(guest.stage.labs(), Vec::<String>::new(), "{says}");
    }
    let refusal = guest.run("nowhere", &[]).refusal(4);
    assert!(refusal.starts_with("error: cannot read the kubeconfig nowhere"), "{refusal}");
}

#[test]
fn what_does_not_go_together_is_refused() {
    let stage = Stage::new();
    for (arguments, says) in [
        (
            &["run", "--cluster", "existing"][..],
            "--cluster existing and --kubeconfig FILE must be used together",
        ),
        (
            &["run", "--kubeconfig", "x"],
            "--cluster existing and --kubeconfig FILE must be used together",
        ),
        (&["run", "--context", "x"], "--context NAME needs --cluster existing"),
        (
            &["run", "--cluster", "existing", "--kubeconfig", "x", "--kubernetes", "1.37"],
            "--kubernetes cannot be used with",
        ),
        (
            &[
                "run",
                "--cluster",
                "existing",
                "--kubeconfig",
                "x",
                "--identity-provider",
                "process",
            ],
            "--identity-provider process cannot be used with",
        ),
        (
            &[
                "run",
                "--cluster",
                "existing",
                "--kubeconfig",
                "x",
                "--identity-provider",
                "existing",
            ],
            "--identity-provider existing needs --issuer URL",
        ),
        (&["up", "--cluster", "existing", "--kubeconfig", "x"], "does not need to be started"),
        (&["down", "--kubeconfig", "x"], "must be used together"),
    ] {
        let refusal = stage.authlab(arguments).refusal(2);
        assert!(refusal.contains(says), "{arguments:?}: {refusal}");
    }
}

#[test]
fn people_are_tried_by_their_own_contexts_and_nothing_is_created() {
    let (guest, _alone) = (Guest::new(), alone());
    let kubeconfig = guest.kubeconfig("alice", |_| {});
    let read: Value = serde_json::from_str(&std::fs::read_to_string(&kubeconfig).unwrap()).unwrap();
    let context = read["current-context"].as_str().unwrap();
    let token = guest.file("somebody", "not.a.token");
    let place = [
        "try",
        "--cluster",
        "existing",
        "--kubeconfig",
        &kubeconfig,
        context,
        "--token-file",
        &token,
    ];
    let may = ["--may", "list nodes", "--may", "create deployments in default", "--json"];
    let before = created();
    let told = guest.stage.authlab(&[&place[..], &may].concat()).json();
    let people = &told["versions"][0]["people"];
    assert_eq!(people[0]["accepted"]["user"], "alice", "{told}");
    assert_eq!(
        (&people[0]["may"][0]["allowed"], &people[0]["may"][1]["allowed"]),
        (&json!(true), &json!(false))
    );
    assert_eq!(people[0]["may"][1]["action"], "create deployments.apps in default");
    assert_eq!(people[1]["refused"]["kind"], "unauthenticated", "{told}");
    assert_eq!(created(), before);
    assert!(guest.stage.labs().is_empty());
    // A pipe can be read once, and there are several people.
    let piped = [
        "try",
        "--cluster",
        "existing",
        "--kubeconfig",
        "/dev/stdin",
        context,
        context,
        "--token-file",
        &token,
        "--json",
    ];
    let mut command = guest.stage.command(&piped);
    let mut cat = std::process::Command::new("cat")
        .arg(&kubeconfig)
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    command.stdin(cat.stdout.take().unwrap());
    let told = crate::stage::said(&mut command).json();
    cat.wait().unwrap();
    let people = &told["versions"][0]["people"];
    assert_eq!(
        (
            &people[0]["accepted"]["user"],
            &people[1]["accepted"]["user"],
            &people[2]["refused"]["kind"]
        ),
        (&json!("alice"), &json!("alice"), &json!("unauthenticated")),
        "{told}"
    );
    for (arguments, says) in [
        (vec!["try", "--cluster", "existing", "x"], "must be used together"),
        (
            vec!["try", "--cluster", "existing", "--kubeconfig", &kubeconfig],
            "there is nobody to try",
        ),
        (
            vec!["try", "--cluster", "existing", "--kubeconfig", &kubeconfig, "--claims", &token],
            "--claims cannot be used",
        ),
    ] {
        let refusal = guest.stage.authlab(&arguments).refusal(2);
        assert!(refusal.contains(says), "{arguments:?}: {refusal}");
    }
    let gone = guest
        .stage
        .authlab(&["try", "--cluster", "existing", "--kubeconfig", &kubeconfig, "nowhere"]);
    let refusal = gone.refusal(4);
    assert!(refusal.contains("nowhere") && refusal.contains(context), "{refusal}");
}
