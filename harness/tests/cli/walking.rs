//! `authlab walk` as users type it: the list, a complete run, leaving and resuming, and errors.
//!
//! Answers go to its standard input ([`typed`]). Each test has a walk-through of its own: a new start discards every session of it
//! that was left.

use std::io::Write;
use std::process::Stdio;

use crate::stage::{Said, Stage, by_hand};

/// Runs the command with these lines as its whole input.
fn typed(arguments: &[&str], lines: &str) -> Said {
    let mut child = by_hand()
        .stage
        .command(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It may have ended before it read all lines.
    let _ = child.stdin.take().unwrap().write_all(lines.as_bytes());
    let output = child.wait_with_output().unwrap();
    Said {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

#[test]
fn without_a_flow_the_walk_throughs_are_listed_and_an_unknown_one_names_them() {
    let stage = Stage::new();
    let listed = stage.authlab(&["walk"]).success();
    for flow in [
        "external-certificate",
        "signing-request",
        "service-account",
        "oidc",
        "auth-proxy",
        "impersonation",
        "looking-closer",
    ] {
        assert!(listed.lines().any(|line| line.starts_with(&format!("{flow} "))), "{listed}");
    }
    let listed = stage.authlab(&["walk", "--json"]).json();
    assert_eq!(listed.as_array().unwrap().len(), 7);
    let refusal = stage.authlab(&["walk", "odic"]).refusal(2);
    assert!(
        refusal.contains("no walk-through is named 'odic' (known: auth-proxy, external-certificate, "),
        "{refusal}"
    );
}

#[test]
fn what_makes_no_sense_is_refused_before_anything_starts() {
    let stage = Stage::new();
    let refusal = stage.authlab(&["walk", "oidc", "--lab", "nowhere"]).refusal(4);
    assert!(refusal.contains("hint: `authlab up --lab nowhere` starts it"), "{refusal}");
    let refusal = stage.authlab(&["walk", "oidc", "--resume"]).refusal(1);
    assert!(refusal.contains("hint: `authlab up` starts it"), "{refusal}");
    let refusal = stage.authlab(&["walk", "oidc", "--json"]).refusal(2);
    assert!(refusal.contains("--json needs --yes"), "{refusal}");
    let refusal = stage.authlab(&["walk", "oidc", "--resume", "--yes"]).refusal(2);
    assert!(refusal.contains("cannot be used with"), "{refusal}");
    let existing = ["walk", "oidc", "--cluster", "existing", "--kubeconfig", "none"];
    let refusal = stage.authlab(&existing).refusal(2);
    assert!(refusal.contains("a walk-through needs the lab's signing keys"), "{refusal}");
    assert!(stage.labs().is_empty());
}

#[test]
fn a_whole_way_shows_prose_commands_output_and_who_asked_whom() {
    let said = by_hand().stage.authlab(&["walk", "oidc", "--yes", "--lab", "default"]).success();
    for shown in [
        "] OIDC tokens of an identity provider\n",
        "$ curl --cacert \"${LAB_ISSUER_AUTHORITY}\" \"${TOKEN_ENDPOINT}\" \\\n>   -d \"grant_type=password\" \\\n",
        "\"token_type\": \"Bearer\"",
        "(this is meant to be refused, with: certificate signed by unknown authority)",
        "│── POST token ",
        "│◀─ 200 as keycloak:da-admin ",
        "This walk-through is complete. The objects that it made in the cluster are deleted.",
    ] {
        assert!(said.contains(shown), "{shown}: {said}");
    }
    assert!(!said.contains("refused '"), "{said}");
    assert!(
        !said.contains("authlab-administrator"),
        "what is made ready is no part of the story: {said}"
    );
    let description = std::fs::read_to_string(by_hand().stage.lab("default").join("lab.json")).unwrap();
    let description: serde_json::Value = serde_json::from_str(&description).unwrap();
    let keycloak = &description["keycloak"];
    for secret in [&keycloak["client_secret"], &keycloak["passwords"]["da-admin"]] {
        assert!(!said.contains(secret.as_str().unwrap()), "{said}");
    }
    let signed = regex::Regex::new(r"eyJ[\w-]+\.[\w-]+\.[\w-]{20,}").unwrap();
    assert!(!signed.is_match(&said), "{said}");
    let walks = by_hand().stage.lab("default").join("workplace/walks/oidc");
    assert_eq!(std::fs::read_dir(walks).unwrap().count(), 0, "its files are gone");
}

#[test]
fn the_record_has_every_step_with_what_it_printed() {
    let arguments = ["walk", "auth-proxy", "--yes", "--json", "--lab", "default"];
    let record = by_hand().stage.authlab(&arguments).json();
    assert_eq!(record["name"], "auth-proxy");
    let steps = record["steps"].as_array().unwrap();
    let step = |command: &str| {
        steps
            .iter()
            .find(|step| step["command"].as_str().unwrap().starts_with(command))
            .unwrap()
    };
    assert_eq!(step("curl -sS --fail-with-body")["meant_to_be_refused"], true);
    let kubectl = step("kubectl --context=user1 get nodes");
    assert!(kubectl["output"].as_str().unwrap().contains("lab-node"), "{kubectl}");
    let exchanges = kubectl["exchanges"].as_array().unwrap();
    assert_eq!((&exchanges[0]["from"], &exchanges[0]["to"]), (&"you".into(), &"auth proxy".into()));
    assert_eq!(exchanges[0]["request"], "GET /api/v1/nodes");
    assert_eq!(
        (&exchanges[1]["from"], &exchanges[1]["to"]),
        (&"auth proxy".into(), &"API server".into())
    );
    assert_eq!(
        (&exchanges[1]["status"], &exchanges[1]["answer"]),
        (&200.into(), &"as user1".into())
    );
    assert_eq!(exchanges.len(), 2, "{kubectl}");
    // The proxy's refusal never came to the API server.
    let refused = step("curl -sS --fail-with-body")["exchanges"].as_array().unwrap();
    assert_eq!(
        (refused.len(), &refused[0]["to"], &refused[0]["status"]),
        (1, &"auth proxy".into(), &401.into())
    );
    let token = step("ID_TOKEN=")["exchanges"].as_array().unwrap();
    assert_eq!(
        (token.len(), &token[0]["to"], &token[0]["request"]),
        (1, &"Keycloak".into(), &"POST token".into())
    );
    let direct = step("curl -sS --fail-with-body --cacert \"$LAB_API_SERVER_AUTHORITY\" \\\n  --cert")["exchanges"]
        .as_array()
        .unwrap();
    assert_eq!(
        (direct.len(), &direct[0]["from"], &direct[0]["answer"]),
        (1, &"you".into(), &"as anybody".into())
    );
}

#[test]
fn somebody_edits_skips_draws_leaves_and_comes_back() {
    let flow = ["walk", "impersonation", "--lab", "default"];
    // Runs the first command, another one in place of the second, and leaves the third for later.
    let said = typed(&flow, "\ne\nkubectl --as=nobody get nodes\n\nd\nx\nq\n").success();
    for shown in [
        "$ kubectl auth whoami -o json --as=user1 --as-group=group1 --as-group=group2 | jq .status.userInfo\n",
        "\"username\": \"user1\"",
        "Write the command; an empty line ends it.",
        "User \"nobody\" cannot list resource \"nodes\"",
        "The exit code is 1.",
        "'x' is not one of these.",
        "403 as nobody, by syst",
        "`authlab walk impersonation --resume` goes on from here",
    ] {
        assert!(said.contains(shown), "{shown}: {said}");
    }
    let resumed = ["walk", "impersonation", "--lab", "default", "--resume"];
    // Resumes at the third command, which is meant to be refused. A variable that is set here is available later.
    let said = typed(&resumed, "e\nMINE=kept\n\ne\necho it was ${MINE}\n\n").success();
    assert!(!said.contains("kubectl auth whoami"), "{said}");
    assert!(said.contains("get secrets\n  (this is meant to be refused, with: "), "{said}");
    assert!(said.contains("it was kept\n"), "{said}");
    assert!(said.contains("--resume` goes on from here"), "the end of input leaves: {said}");
    let again = typed(&resumed, "e\necho it is ${MINE}\n\n").success();
    assert!(again.contains("it is kept\n"), "{again}");
    // A new start discards all of that; resuming fails when there is no session to resume.
    let anew = typed(&flow, "e\necho it is ${MINE-gone}\n\nq\n").success();
    assert!(anew.contains("it is gone\n"), "{anew}");
    let nobody = by_hand()
        .stage
        .authlab(&["walk", "looking-closer", "--lab", "default", "--resume"])
        .refusal(1);
    assert!(
        nobody.contains("the walk-through 'looking-closer' is not in progress in this lab")
            && nobody.contains("hint: `authlab walk looking-closer` starts it"),
        "{nobody}"
    );
}

#[test]
fn a_command_that_surprises_is_told_and_may_be_tried_again() {
    let flow = ["walk", "service-account", "--lab", "default"];
    // The step that creates the account is skipped, so the account does not exist.
    let said = typed(&flow, "s\n\nq\n").success();
    assert!(said.contains("serviceaccounts \"sa1\" not found"), "{said}");
    assert!(
        said.contains("This command had an unexpected result (exit code 1): `kubectl get -o yaml sa sa1`"),
        "{said}"
    );
    assert!(said.contains("--resume` goes on from here"), "{said}");
}
