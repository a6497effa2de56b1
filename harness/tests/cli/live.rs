//! Commands on a running lab: all of these tests share one.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use authlab::process::wait::Condition;

use crate::stage::{self, Said, Stage, shared};

/// The timeout for everything that these tests wait for.
const LIMIT: Duration = Duration::from_secs(120);

/// Runs a command line in the shared lab.
fn authlab(arguments: &[&str]) -> Said {
    shared().stage.authlab(arguments)
}

/// Returns the entry of the shared lab in `status --json`; other labs may be running beside it.
fn status() -> serde_json::Value {
    let labs = authlab(&["status", "--json"]).json();
    labs.as_array()
        .unwrap()
        .iter()
        .find(|lab| lab["name"] == "default")
        .unwrap()
        .clone()
}

#[test]
fn up_says_what_to_do_next_and_a_second_one_is_refused() {
    let up = &shared().up;
    assert!(up.starts_with("The lab 'default' is up: Kubernetes 1."), "{up}");
    for command in ["  authlab shell alice ", "  authlab status ", "  authlab down "] {
        assert!(up.contains(command), "{up}");
    }
    let refusal = authlab(&["up"]).refusal(4);
    assert!(
        refusal.starts_with("error: a lab named 'default' is already up or starting; process "),
        "{refusal}"
    );
    assert!(
        refusal.contains("hint: use it as it is (`authlab status`), or end it with `authlab down`"),
        "{refusal}"
    );
}

#[test]
fn status_shows_what_runs_and_where_and_no_secret() {
    let text = authlab(&["status"]).success();
    for shown in [
        "default: Kubernetes 1.",
        "API server main ",
        "Keycloak ",
        "auth proxy request-headers ",
        "etcd ",
        " runs",
    ] {
        assert!(text.contains(shown), "{text}");
    }
    let lab = status();
    assert_eq!((&lab["state"], &lab["stays_up"]), (&"up".into(), &true.into()));
    assert!(lab["keycloak"].as_str().unwrap().starts_with("https://127.0.0.1:"), "{lab}");
    let servers = lab["servers"].as_array().unwrap();
    for name in ["authlab", "etcd", "kube-apiserver", "kube-controller-manager", "keycloak"] {
        let server = servers.iter().find(|server| server["name"] == name).unwrap();
        assert_eq!(server["alive"], true, "{server}");
        #[cfg(target_os = "linux")]
        assert!(server["memory"].as_u64().unwrap() > 1024 * 1024, "{server}");
    }
    let description = std::fs::read_to_string(shared().stage.lab("default").join("lab.json")).unwrap();
    let description: serde_json::Value = serde_json::from_str(&description).unwrap();
    let word = description["control"]["word"].as_str().unwrap();
    assert!(!lab.to_string().contains(word));
    for password in description["keycloak"]["passwords"].as_object().unwrap().values() {
        assert!(!lab.to_string().contains(password.as_str().unwrap()));
    }
}

#[test]
fn alice_gets_a_row_and_bob_is_refused() {
    let row = authlab(&["shell", "alice", "--", "kubectl", "get", "nodes"]).success();
    assert!(row.contains("lab-node"), "{row}");
    let refusal = authlab(&["shell", "bob", "--", "kubectl", "get", "nodes"]).refusal(1);
    assert!(refusal.contains(r#"nodes is forbidden: User "bob" cannot list"#), "{refusal}");
}

#[test]
fn everybody_is_who_they_are_however_they_authenticate() {
    for (person, user, group) in [
        ("administrator", "authlab-administrator", "system:masters"),
        ("user1", "user1", "group1"),
        ("user2", "user2", "group2"),
        (
            "deployer",
            "system:serviceaccount:authlab:deployer",
            "system:serviceaccounts:authlab",
        ),
        ("da-admin", "keycloak:da-admin", "keycloak:da-admins"),
    ] {
        let said = authlab(&["shell", person, "--", "kubectl", "auth", "whoami", "-o", "json"]).json();
        let info = &said["status"]["userInfo"];
        assert_eq!(info["username"], user);
        assert!(info["groups"].as_array().unwrap().contains(&group.into()), "{info}");
    }
}

#[test]
fn a_shell_has_its_own_kubeconfig_and_kubectl_and_passes_the_exit_code_on() {
    let script = r#"printf '%s\n' "$KUBECONFIG" "$(command -v kubectl)" "$AUTHLAB_LAB" "$AUTHLAB_PERSON"; exit 7"#;
    let said = authlab(&["shell", "alice", "--", "sh", "-c", script]);
    assert_eq!(said.code, 7, "{said:?}");
    let lines: Vec<&str> = said.out.lines().collect();
    let place = shared().stage.lab("default").join("workplace");
    let kubeconfig = place.join("alice.kubeconfig");
    assert_eq!(
        lines,
        [
            kubeconfig.to_str().unwrap(),
            place.join("bin/kubectl").to_str().unwrap(),
            "default",
            "alice"
        ]
    );
    assert_eq!(std::fs::metadata(&kubeconfig).unwrap().permissions().mode() & 0o777, 0o600);
    // Without a command, it starts the user's own shell, which here gets no input.
    for shell in ["bash", "sh"] {
        let said = crate::stage::said(shared().stage.command(&["shell"]).env("SHELL", shell));
        assert_eq!((said.code, said.out.as_str()), (0, ""), "{said:?}");
    }
    let refusal = authlab(&["shell", "--", "no-such-program"]).refusal(1);
    assert!(
        refusal.starts_with("error: cannot run no-such-program\n  caused by: No such file"),
        "{refusal}"
    );
}

#[test]
fn a_kubeconfig_is_printed_or_written_for_its_owner_alone() {
    let printed = authlab(&["kubeconfig"]).success();
    assert!(printed.contains("current-context: administrator@default"), "{printed}");
    let json = authlab(&["kubeconfig", "bob", "--json"]).json();
    assert_eq!(json["contexts"][0]["name"], "bob@default");

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("alice.kubeconfig");
    // The file exists already, and is readable by everybody.
    std::fs::write(&file, "x".repeat(100_000)).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(authlab(&["kubeconfig", "alice", "--output", file.to_str().unwrap()]).success(), "");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let nodes = authlab(&["shell", "--", "kubectl", "--kubeconfig", file.to_str().unwrap(), "get", "nodes"]).success();
    assert!(nodes.contains("lab-node"), "{nodes}");

    let refusal = authlab(&["kubeconfig", "--output", "/dev/null/file"]).refusal(1);
    assert!(
        refusal.starts_with("error: cannot write /dev/null/file\n  caused by: Not a directory"),
        "{refusal}"
    );
}

#[test]
fn run_uses_the_lab_that_is_up_and_refuses_one_that_is_another() {
    for arguments in [&["run", "--tags", "@X1"][..], &["run", "--tags", "@X1", "--lab", "default"]] {
        let said = authlab(arguments);
        assert_eq!(said.code, 0, "{said:?}");
        assert!(said.err.contains("using the lab 'default' that is up (Kubernetes 1."), "{said:?}");
        assert!(!said.err.contains("control plane:"), "{said:?}");
    }
    let refusal = authlab(&["run", "--tags", "@X1", "--lab", "default", "--kubernetes", "1.30"]).refusal(4);
    assert!(
        refusal.contains("error: the lab 'default' that is up does not match the options: it runs Kubernetes 1.37"),
        "{refusal}"
    );
    let refusal = authlab(&["run", "--tags", "@X1", "--lab", "nowhere"]).refusal(4);
    assert!(
        refusal.contains("error: no lab named 'nowhere' is running (running: ") && refusal.contains("default"),
        "{refusal}"
    );
}

/// Uses its own lab: in a shared one, the order of requests is random, and other tests create objects at the same time.
#[test]
#[ignore = "slow: it has a lab of its own"]
fn runs_in_a_lab_share_further_api_servers_and_leave_nothing_behind() {
    let stage = Stage::new();
    stage.authlab(&["up"]).success();
    let feature = stage.state().join("endpoints.feature");
    let text = "@requires:further_api_servers @requires:cluster_signing_key\nFeature: Endpoints\n  Scenario: A further API server\n    Given an API server with the AlwaysAllow authorizer\n    \
        And Alice holds a client certificate\n    When she asks the API server who she is\n    Then she is accepted as \"alice\"\n";
    std::fs::write(&feature, text).unwrap();
    let feature = feature.to_str().unwrap();
    let first = stage.authlab(&["run", feature]);
    assert_eq!(first.code, 0, "{first:?}");
    assert!(first.err.contains("API server always_allow: "), "{first:?}");
    let address = || {
        stage.authlab(&["status", "--json"]).json()[0]["api_servers"]["always_allow"]
            .as_str()
            .map(str::to_owned)
    };
    let there = address();
    assert!(there.is_some());
    let second = stage.authlab(&["run", feature]);
    assert_eq!(second.code, 0, "{second:?}");
    assert!(!second.err.contains("API server always_allow: "), "{second:?}");
    assert_eq!(address(), there);
    // The server allows everything, so it must not receive a credential of the lab, not even the administrator's.
    let server = format!("--server={}", there.unwrap());
    let token = stage
        .authlab(&["shell", "--", "kubectl", "create", "token", "default", "-n", "default"])
        .success();
    let token = format!("--token={}", token.trim());
    for credential in [&[][..], &["--kubeconfig=/dev/null", "--insecure-skip-tls-verify", &token]] {
        let said = stage.authlab(&[&["shell", "--", "kubectl", &server, "get", "secrets", "-A"], credential].concat());
        assert!(
            said.code == 1 && said.err.contains("You must be logged in to the server"),
            "{said:?}"
        );
    }

    // Objects of every kind that scenarios create, including one with a finalizer, and users of Keycloak.
    let kinds = "namespaces,nodes,secrets,clusterroles,clusterrolebindings,certificatesigningrequests";
    let objects = || {
        let listed = stage.authlab(&["shell", "--", "kubectl", "get", kinds, "--all-namespaces", "--output=name"]);
        let mut names: Vec<String> = listed.success().lines().map(str::to_owned).collect();
        names.sort();
        names
    };
    let before = objects();
    let made = [
        "bootstrap_tokens/validity::The robot",
        "service_accounts/",
        "signing_requests/",
        "impersonation/permission::",
        "oidc/sessions::",
    ];
    let run = stage.authlab(&["run", "--name", &format!("^({})", made.join("|"))]);
    assert_eq!(run.code, 0, "{run:?}");
    assert_eq!(objects(), before);
    stage.authlab(&["down"]).success();
}

/// Uses its own lab, whose idle API servers end soon.
#[test]
#[ignore = "slow: it has a lab of its own"]
fn a_run_that_is_killed_leaves_nothing_and_api_servers_end_that_nobody_needs() {
    let stage = Stage::new();
    stage.authlab(&["up", "--idle", "1"]).success();
    let further = || {
        let status = stage.authlab(&["status", "--json"]).json();
        let servers = status[0]["servers"].as_array().unwrap().iter();
        let running = servers
            .filter(|server| server["name"].as_str().unwrap().starts_with("kube-apiserver "))
            .count();
        let written = status[0]["api_servers"].as_object().unwrap().len() - 1;
        // A server that is starting or ending may appear in only one of the two lists.
        running.max(written)
    };
    let made = || {
        let kinds = "namespaces,clusterroles,clusterrolebindings,certificatesigningrequests";
        let arguments = ["shell", "--", "kubectl", "get", kinds, "--selector=authlab/run", "--output=name"];
        stage.authlab(&arguments).success().lines().count()
    };
    let mut run = stage.start(&["run", "service_accounts", "impersonation", "anonymous", "signing_requests"]);
    stage::wait("what the run makes", LIMIT, || match (further(), made()) {
        (1.., 1..) => Condition::Met(()),
        seen => Condition::NotYet(format!("{seen:?}")),
    });
    run.kill().unwrap();
    run.wait().unwrap();
    stage::wait("the end of what the run made", LIMIT, || match (further(), made()) {
        (0, 0) => Condition::Met(()),
        seen => Condition::NotYet(format!("{seen:?}")),
    });
    // A later run that needs the API server starts it again.
    let run = stage.authlab(&["run", "anonymous/limited"]);
    assert_eq!(run.code, 0, "{run:?}");
    stage.authlab(&["down"]).success();
    stage.expect_nothing_runs("after the lab's end");
}
