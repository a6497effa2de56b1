//! Lessons in a lab for a class: each start state fails, its solution makes it pass, learners cannot reach each other, and
//! none of them can gain more rights than that.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use authlab::process::wait::Condition;
use base64::Engine as _;
use serde_json::Value;

use crate::stage::{Said, Stage, class, wait};

/// The policy's message about names.
const POLICY: &str = "what learners make outside of their namespace has one of these names";

/// The names of all lessons.
fn names(stage: &Stage) -> Vec<String> {
    let list = stage.authlab(&["lesson", "list", "--json"]).json();
    let names = list.as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap().to_owned());
    names.collect()
}

/// Runs `authlab lesson` as `learner`.
fn by(stage: &Stage, learner: &str, arguments: &[&str]) -> Said {
    stage.authlab(&[&["lesson"], arguments, &["--learner", learner]].concat())
}

/// Runs kubectl with the kubeconfig of `learner`.
fn kubectl(stage: &Stage, lab: &str, learner: &str, arguments: &[&str]) -> Said {
    let kubeconfig = stage.lab(lab).join("learners").join(learner).join("kubeconfig");
    let kubeconfig = format!("--kubeconfig={}", kubeconfig.display());
    stage.authlab(&[&["shell", "--lab", lab, "--", "kubectl", kubeconfig.as_str()], arguments].concat())
}

/// Goes from the start state, whose check fails, through the solution to a check that passes.
fn carry_out(stage: &Stage, lab: &str, learner: &str, lesson: &str) {
    let by = |arguments: &[&str]| by(stage, learner, &[arguments, &["--lab", lab]].concat());
    by(&["start", lesson]).success();
    let red = by(&["check", "--json"]);
    assert_eq!(red.code, 1, "the start of {lesson} is not a task: {red:?}");
    let told: Value = serde_json::from_str(&red.out).unwrap();
    let goals = told["goals"].as_array().unwrap().iter();
    let whys: Vec<&str> = goals.filter_map(|goal| goal["why"].as_str()).collect();
    assert!(whys.iter().any(|why| why.starts_with("expected ")), "{lesson}: {whys:?}");
    let hint = by(&["hint"]).success();
    assert!(!hint.contains("find nothing wrong"), "{lesson} has no hint at its start: {hint}");
    let solved = by(&["solution", "--run"]);
    assert_eq!(solved.code, 0, "{lesson}: {solved:?}");
    let green = by(&["check"]);
    assert_eq!(green.code, 0, "{lesson}: {green:?}");
    let hint = by(&["hint"]).success();
    assert!(hint.contains("find nothing wrong"), "{lesson} has a hint at its end: {hint}");
}

#[test]
#[ignore = "slow: it has a lab of its own"]
fn every_lesson_is_red_at_its_start_and_green_by_its_solution() {
    let stage = &class().stage;
    let names = names(stage);
    for lesson in &names {
        carry_out(stage, "default", "learner-2", lesson);
    }
    let board = stage.authlab(&["lesson", "board", "--json"]).json();
    let learner = board.as_array().unwrap().iter().find(|row| row["learner"] == "learner-2").unwrap();
    for lesson in &names {
        assert!(learner["lessons"][lesson]["done"].is_string(), "{lesson}: {learner}");
    }
    let shown = stage.authlab(&["lesson", "board"]).success();
    assert!(shown.contains("learner-2   ✓ "), "{shown}");
}

#[test]
fn a_lesson_that_is_under_way_is_kept_and_can_be_taken_back() {
    let stage = &class().stage;
    let by = |arguments: &[&str]| by(stage, "learner-3", arguments);
    let started = by(&["start", "oidc"]).success();
    assert!(started.contains("export KUBECONFIG="), "{started}");
    let file = stage.lab("default").join("learners/learner-3/oidc/identity-provider.json");
    let begun = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, begun.replace("\"alice\"", "\"alice\", \"groups\": [\"developers\"]")).unwrap();
    assert!(by(&["start", "oidc"]).success().contains("nothing was changed"));
    // The same hint says more when it is requested again.
    let (first, second) = (by(&["hint"]).success(), by(&["hint"]).success());
    assert!(first != second && first.contains("in the group now"), "{first}{second}");
    let told = by(&["check"]);
    assert_eq!(told.code, 1, "{told:?}");
    assert!(told.out.contains("1 of 2 goals hold"), "{told:?}");
    by(&["reset"]).success();
    assert_eq!(std::fs::read_to_string(&file).unwrap(), begun);
    // Objects are removed with the lesson in which they were created.
    kubectl(stage, "default", "learner-3", &["create", "serviceaccount", "left"]).success();
    let other = by(&["start", "service-account"]).success();
    assert!(other.contains("The lesson 'oidc' is closed"), "{other}");
    let refused = kubectl(stage, "default", "learner-3", &["get", "serviceaccount", "left"]).refusal(1);
    assert!(refused.contains("not found"), "{refused}");
    let refused = by(&["check", "oidc"]).refusal(1);
    assert!(refused.contains("`authlab lesson start oidc`"), "{refused}");
}

#[test]
fn a_learner_reaches_nobody_else() {
    let stage = &class().stage;
    for learner in ["learner-4", "learner-5"] {
        by(stage, learner, &["start", "external-certificate"]).success();
    }
    let kubectl = |arguments: &[&str]| kubectl(stage, "default", "learner-4", arguments);
    for arguments in [
        &["get", "secrets", "-n", "learner-5"][..],
        &[
            "create",
            "rolebinding",
            "x",
            "--role=learner",
            "--user=learner-4",
            "-n",
            "learner-5",
        ],
        &["get", "nodes"],
        &["get", "pods", "-n", "learner-5", "--as", "learner-5"],
        &["get", "pods", "-n", "learner-5", "--as", "learner-5:alice"],
        &["delete", "clusterrole", "learner-4"],
    ] {
        let refused = kubectl(arguments).refusal(1);
        assert!(refused.contains("orbidden"), "{arguments:?}: {refused}");
    }
    // A learner cannot grant rights that they do not have.
    let refused = kubectl(&[
        "create",
        "clusterrolebinding",
        "learner-4-x",
        "--clusterrole=cluster-admin",
        "--user=learner-4",
    ])
    .refusal(1);
    assert!(
        refused.contains("attempting to grant RBAC permissions not currently held"),
        "{refused}"
    );
    // Outside of their namespace, learners create only objects that a lesson needs, under their own name.
    for name in ["learner-5-support", "learner-4-other", "learner-4-alice"] {
        let refused = kubectl(&["create", "clusterrole", name, "--verb=create", "--resource=clusterroles"]).refusal(1);
        assert!(refused.contains(POLICY), "{name}: {refused}");
    }
    // A service account of theirs, to which they may grant all of their own rights, gets no further.
    kubectl(&["create", "serviceaccount", "helper"]).success();
    kubectl(&[
        "create",
        "clusterrole",
        "learner-4-support",
        "--verb=create",
        "--resource=clusterroles",
    ])
    .success();
    kubectl(&[
        "create",
        "clusterrolebinding",
        "learner-4-support",
        "--clusterrole=learner-4-support",
        "--serviceaccount=learner-4:helper",
    ])
    .success();
    let token = kubectl(&["create", "token", "helper"]).success();
    let server = {
        let text = std::fs::read_to_string(stage.lab("default").join("lab.json")).unwrap();
        let lab: Value = serde_json::from_str(&text).unwrap();
        lab["api_servers"]["main"]["url"].as_str().unwrap().to_owned()
    };
    let helper = |name: &str| {
        let authority = stage.lab("default").join("learners/learner-4/external-certificate/ca.crt");
        let options = [
            format!("--server={server}"),
            format!("--certificate-authority={}", authority.display()),
            format!("--token={}", token.trim()),
        ];
        let mut arguments = vec!["shell", "--", "kubectl", "--kubeconfig=/dev/null"];
        arguments.extend(options.iter().map(String::as_str));
        arguments.extend(["create", "clusterrole", name, "--verb=create", "--resource=clusterroles"]);
        stage.authlab(&arguments)
    };
    // The account has the right to create cluster roles, so only the policy refuses it.
    wait("the account's own right", Duration::from_secs(20), || {
        let refused = helper("learner-5-support").refusal(1);
        if refused.contains(POLICY) {
            Condition::Met(())
        } else {
            Condition::NotYet(refused)
        }
    });
    // The signer signs only for names of the learner's own users.
    let place = stage.lab("default").join("learners/learner-4/external-certificate");
    for subject in ["/CN=learner-5:alice", "/O=system:masters/CN=learner-4:alice"] {
        let key = std::process::Command::new("openssl")
            .args([
                "req", "-new", "-newkey", "rsa:2048", "-nodes", "-keyout", "x.key", "-out", "x.csr", "-subj", subject,
            ])
            .current_dir(&place)
            .output()
            .unwrap();
        assert!(key.status.success(), "{key:?}");
        let told = by(stage, "learner-4", &["check"]).out;
        assert!(told.contains("does not sign x.csr"), "{told}");
        assert!(!place.join("x.crt").exists());
    }
    // The identity provider issues tokens only for the learner's own users, too.
    by(stage, "learner-4", &["start", "oidc"]).success();
    let file = stage.lab("default").join("learners/learner-4/oidc/identity-provider.json");
    let sound = std::fs::read_to_string(&file).unwrap();
    for (from, to) in [("/learners", "/rs256"), ("\"sub\"", "\"learner\": \"learner-5\", \"sub\"")] {
        std::fs::write(&file, sound.replace(from, to)).unwrap();
        let refused = by(stage, "learner-4", &["token", file.to_str().unwrap()]);
        assert_eq!(refused.code, 1, "{refused:?}");
        assert!(
            refused.err.contains("identity-provider.json: ") && refused.err.contains("cannot use "),
            "{refused:?}"
        );
    }
}

#[test]
fn a_learner_who_asks_for_two_names_is_given_neither() {
    let stage = &class().stage;
    let learner = "learner-7";
    let kubectl = |arguments: &[&str]| kubectl(stage, "default", learner, arguments);
    by(stage, learner, &["start", "signing-request"]).success();
    let place = stage.lab("default").join("learners/learner-7/signing-request");
    let ask = |subject: &str| {
        let configuration = format!("[req]\ndistinguished_name=dn\nprompt=no\n[dn]\nO=learner-7:operators\n{subject}");
        std::fs::write(place.join("x.cnf"), configuration).unwrap();
        let made = std::process::Command::new("openssl")
            .args([
                "req", "-new", "-newkey", "rsa:2048", "-nodes", "-keyout", "bob.key", "-out", "bob.csr",
            ])
            .args(["-config", "x.cnf"])
            .current_dir(&place)
            .output()
            .unwrap();
        assert!(made.status.success(), "{made:?}");
        let request = base64::engine::general_purpose::STANDARD.encode(std::fs::read(place.join("bob.csr")).unwrap());
        let object = serde_json::json!({
            "apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest", "metadata": { "name": "learner-7-bob" },
            "spec": { "request": request, "signerName": "kubernetes.io/kube-apiserver-client", "usages": ["client auth"] },
        });
        let file = place.join("x.json");
        std::fs::write(&file, object.to_string()).unwrap();
        kubectl(&["create", "-f", file.to_str().unwrap()]).success();
        by(stage, learner, &["check"]).out
    };
    let issued = || kubectl(&["get", "csr", "learner-7-bob", "-o", "jsonpath={.status.certificate}"]).success();
    let told = ask("0.CN=learner-7:bob\n1.CN=system:serviceaccount:authlab:auth-proxy\n");
    assert!(told.contains("the administrator does not approve learner-7-bob: "), "{told}");
    assert!(told.contains("2 common names (expected one)"), "{told}");
    assert_eq!(issued(), "");
    kubectl(&["delete", "csr", "learner-7-bob"]).success();
    let told = ask("CN=learner-7:bob\n");
    assert!(
        told.contains("the administrator approved learner-7-bob, and it is signed"),
        "{told}"
    );
    assert_ne!(issued(), "");
}

#[test]
fn a_learner_lifts_no_limit_and_gives_nobody_what_they_do_not_have() {
    let stage = &class().stage;
    let kubectl = |arguments: &[&str]| kubectl(stage, "default", "learner-8", arguments);
    kubectl(&["get", "resourcequota", "learner"]).success();
    let forbidden = "is forbidden: User \"learner-8\" cannot";
    let labelled = "what has the label authlab/learner is not the learners'";
    let not_held = "attempting to grant RBAC permissions not currently held";
    for (arguments, why) in [
        (&["delete", "resourcequota", "learner"][..], forbidden),
        (&["annotate", "resourcequota", "learner", "a=b"], forbidden),
        (&["create", "quota", "another", "--hard=pods=100"], forbidden),
        (&["delete", "role", "learner"], labelled),
        (&["delete", "rolebinding", "learner"], labelled),
        (&["annotate", "role", "learner", "a=b"], labelled),
        (&["set", "subject", "rolebinding", "learner", "--user=learner-9"], labelled),
        (&["create", "role", "all", "--verb=*", "--resource=*"], not_held),
        (&["create", "role", "up", "--verb=escalate,bind", "--resource=roles"], not_held),
        (
            &["create", "role", "limits", "--verb=delete", "--resource=resourcequotas"],
            not_held,
        ),
        (
            &["create", "rolebinding", "all", "--clusterrole=cluster-admin", "--user=learner-8"],
            not_held,
        ),
    ] {
        let refused = kubectl(arguments).refusal(1);
        assert!(refused.contains(why), "{arguments:?}: {refused}");
    }
    // Objects that learners create are theirs, unless they claim to be the lab's.
    kubectl(&["create", "role", "own", "--verb=get,list", "--resource=pods"]).success();
    let refused = kubectl(&["label", "role", "own", "authlab/learner=learner-8"]).refusal(1);
    assert!(refused.contains(labelled), "{refused}");
    kubectl(&["delete", "role", "own"]).success();
}

#[test]
#[ignore = "slow: it has a lab of its own"]
fn features_are_not_carried_out_beside_learners() {
    let stage = &class().stage;
    let refused = stage.authlab(&["run", "--tags", "@X1", "--lab", "default"]).refusal(4);
    assert!(
        refused.contains("error: cannot use the lab 'default' for features: it has learners"),
        "{refused}"
    );
    assert!(refused.contains("hint: leave out --lab"), "{refused}");
    let said = stage.authlab(&["run", "--tags", "@X1 and not @requires:identity_provider"]);
    assert_eq!(said.code, 0, "{said:?}");
    assert!(
        said.err.contains("not using the lab 'default' that is up: it has learners") && said.err.contains("control plane:"),
        "{said:?}"
    );
    // A walk-through reveals no solution.
    let said = stage.authlab(&["walk", "impersonation", "--yes"]);
    assert_eq!(said.code, 0, "{said:?}");
    assert!(said.err.contains("using the lab 'default' that is up"), "{said:?}");
    // The lab's owner starts no further API server, whoever sends the request.
    let lab: Value = serde_json::from_str(&std::fs::read_to_string(stage.lab("default").join("lab.json")).unwrap()).unwrap();
    let port = lab["control"]["port"].as_u64().unwrap();
    let mut owner = TcpStream::connect(("127.0.0.1", u16::try_from(port).unwrap())).unwrap();
    let asked = serde_json::json!({ "word": lab["control"]["word"], "api_server": "always_allow" });
    writeln!(owner, "{asked}").unwrap();
    let mut answer = String::new();
    owner.read_to_string(&mut answer).unwrap();
    assert!(
        answer.contains("cannot start an API server with the setting 'always_allow': the lab has learners"),
        "{answer}"
    );
}

#[test]
fn what_is_typed_wrong_is_told() {
    let stage = &class().stage;
    let told = stage.authlab(&["lesson", "start", "oicd"]).refusal(2);
    assert!(told.contains("(known: external-certificate, signing-request"), "{told}");
    let told = stage.authlab(&["lesson", "check", "--learner", "alice"]).refusal(2);
    assert!(told.contains("'alice' is not a learner"), "{told}");
    let told = stage.authlab(&["lesson", "check", "--learner", "learner-60"]).refusal(1);
    assert!(told.contains("`authlab lesson start NAME` starts one"), "{told}");
    let told = stage.authlab(&["lesson", "start", "oidc", "--lab", "nowhere"]).refusal(1);
    assert!(told.contains("no lab named 'nowhere' is running"), "{told}");
    // An invalid file is the learner's to repair, and the error names it.
    by(stage, "learner-6", &["start", "auth-proxy"]).success();
    let file = stage.lab("default").join("learners/learner-6/auth-proxy/auth-proxy.json");
    std::fs::write(&file, "{").unwrap();
    let told = by(stage, "learner-6", &["check"]);
    assert_eq!(told.code, 1, "{told:?}");
    assert!(
        told.out.contains("auth-proxy.json does not describe an auth proxy: EOF"),
        "{told:?}"
    );
}

#[test]
#[ignore = "takes a lab of its own, and twenty people at work in it"]
fn twenty_learn_at_once() {
    const LEARNERS: usize = 20;
    let stage = Stage::new();
    stage
        .authlab(&["up", "--lab", "class", "--learners", &LEARNERS.to_string()])
        .success();
    let lessons = ["oidc", "service-account", "wrong-prefix", "external-certificate"];
    std::thread::scope(|scope| {
        for number in 1..=LEARNERS {
            let stage = &stage;
            scope.spawn(move || carry_out(stage, "class", &format!("learner-{number}"), lessons[number % lessons.len()]));
        }
    });
    let board = stage.authlab(&["lesson", "board", "--lab", "class", "--json"]).json();
    let rows = board.as_array().unwrap();
    assert_eq!(rows.len(), LEARNERS);
    for row in rows {
        let reached = row["lessons"].as_object().unwrap();
        assert!(reached.len() == 1 && reached.values().all(|one| one["done"].is_string()), "{row}");
    }
    // A quota limits the number of objects in a namespace.
    let some = (0..40).map(|number| format!("configmap/x{number}")).collect::<Vec<_>>();
    let refusals = some.iter().map(|name| {
        let name = name.trim_start_matches("configmap/");
        kubectl(&stage, "class", "learner-1", &["create", "configmap", name])
    });
    let refused = refusals.into_iter().find(|said| said.code != 0).unwrap();
    assert!(refused.err.contains("exceeded quota: learner"), "{refused:?}");
    stage.authlab(&["down", "--all"]).success();
}
