//! `authlab try` in a project, from its first command to its last.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use authlab::process::wait::Condition;

use crate::stage::{Said, Stage, wait};

#[test]
fn a_project_works_from_its_first_command_to_its_last() {
    let (stage, place) = (Stage::new(), tempfile::tempdir().unwrap());
    let typed = |arguments: &[&str]| crate::stage::said(stage.command(arguments).current_dir(place.path()));
    let written = typed(&["init"]).success();
    assert!(written.contains("wrote       authlab.toml"), "{written}");
    let may = ["--may", "create deployments.apps in team-a", "--may", "list pods in team-a"];
    let expected = [
        &[
            "try",
            "--all",
            "--expect",
            "alice:user=oidc:alice@example.com",
            "--expect",
            "bob:denied",
        ],
        &may[..],
    ]
    .concat();
    typed(&expected).success();
    let checked = typed(&["check"]).success();
    assert!(checked.contains("checked 1 issuer with"), "{checked}");
    let run = typed(&["run"]).success();
    assert!(run.contains("2 passed, 0 failed, 0 skipped"), "{run}");
    // In a project that is up, a changed file counts at once.
    let up = typed(&["up"]).success();
    assert!(up.contains("authlab try --all"), "{up}");
    typed(&expected).success();
    let file = place.path().join("cluster/authn.yaml");
    let before = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, before.replace("\"oidc:\"", "\"new:\"")).unwrap();
    let changed = typed(&["try", "alice"]).success();
    assert!(changed.contains("accepted as \"new:alice@example.com\""), "{changed}");
    std::fs::write(&file, &before).unwrap();
    several_at_once(&typed, place.path());
    waiting_is_told(&stage, place.path());
    people_have_kubeconfigs(&typed, place.path());
    // An object that is gone from the project gives no rights any more.
    let rights = place.path().join("rbac/team.yaml");
    std::fs::write(&rights, "apiVersion: v1\nkind: Namespace\nmetadata: {name: team-a}\n").unwrap();
    let gone = typed(&["try", "alice", "--may", "create deployments.apps in team-a", "--expect", "denied"]);
    assert_eq!(gone.code, 0, "{gone:?}");
    std::fs::write(&file, before.replace("audiences:", "audience:")).unwrap();
    let refused = typed(&["try", "alice"]);
    assert_eq!(refused.code, 1, "{refused:?}");
    assert!(
        refused.out.contains("cluster/authn.yaml:") && refused.out.contains("write `audiences` for `audience`"),
        "{refused:?}"
    );
    typed(&["down"]).success();
    stage.expect_nothing_runs("the end of the lab");
}

#[test]
fn a_project_with_mistakes_is_told_all_of_them_and_nobody_is_tried() {
    let (stage, place) = (Stage::new(), tempfile::tempdir().unwrap());
    let typed = |arguments: &[&str]| crate::stage::said(stage.command(arguments).current_dir(place.path()));
    typed(&["init"]).success();
    let file = place.path().join("authlab.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(
        &file,
        text.replace(
            "[people.bob]",
            "[people.bob]\nlike = \"entra\"\nissuer = \"https://nobody.example\"",
        ),
    )
    .unwrap();
    let told = typed(&["try", "--all"]).refusal(2);
    assert!(told.contains("authlab.toml:") && told.contains("entra"), "{told}");
    std::fs::write(
        &file,
        text.replace("[people.bob]", "[people.bob]\nissuer = \"https://nobody.example\""),
    )
    .unwrap();
    let told = typed(&["try", "--all"]).refusal(2);
    assert!(
        told.contains("no entry of the configuration names the issuer https://nobody.example"),
        "{told}"
    );
    // A part that authlab does not use is told, not passed over.
    std::fs::write(place.path().join("realm.json"), r#"{ "realm": "prod" }"#).unwrap();
    std::fs::write(
        &file,
        text.replace("[people.bob]", "[keycloak]\nrealm = \"realm.json\"\n\n[people.bob]"),
    )
    .unwrap();
    let told = typed(&["try", "bob"]);
    assert!(
        told.code == 0 && told.err.contains("nobody in the project logs in at the realm"),
        "{told:?}"
    );
    std::fs::write(&file, &text).unwrap();
    let told = typed(&["try", "carol"]).refusal(2);
    assert!(told.contains("carol"), "{told}");
    // People who are contexts are known to their own cluster alone.
    let dana = "[api-server]\nauthentication-configuration = \"cluster/authn.yaml\"\n[people.dana]\ncontext = \"dana@prod\"\n";
    std::fs::write(&file, dana).unwrap();
    let told = typed(&["try", "--all"]).refusal(2);
    assert!(told.contains("authlab try --all --cluster existing --kubeconfig FILE"), "{told}");
    assert_eq!(stage.labs(), [] as [String; 0]);
}

/// Tries Alice several times at once in a lab that is up, with an object that gives her a right and without it: each gets its own answer.
fn several_at_once(typed: &(dyn Fn(&[&str]) -> Said + Sync), project: &Path) {
    let rights = "\
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: reads-secrets}
rules: [{apiGroups: [''], resources: [secrets], verbs: [list]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: reads-secrets}
subjects: [{kind: User, apiGroup: rbac.authorization.k8s.io, name: 'oidc:alice@example.com'}]
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: reads-secrets}
";
    std::fs::write(project.join("more.yaml"), rights).unwrap();
    let asked = ["try", "alice", "--may", "list secrets in team-a", "--expect"];
    let with = [&asked[..], &["allowed", "--manifests", "more.yaml"]].concat();
    let without = [&asked[..], &["denied"]].concat();
    std::thread::scope(|scope| {
        for arguments in [&with, &without, &with, &without, &with, &without] {
            scope.spawn(move || typed(arguments).success());
        }
    });
}

/// Tries Alice while somebody else is at work in the lab that is up.
fn waiting_is_told(stage: &Stage, project: &Path) {
    let file = std::fs::File::options()
        .append(true)
        .create(true)
        .open(stage.lab("default").join("try.lock"))
        .unwrap();
    file.lock().unwrap();
    let said = project.join("said");
    let mut tried = stage.command(&["try", "alice"]);
    tried
        .current_dir(project)
        .stdout(Stdio::null())
        .stderr(std::fs::File::create(&said).unwrap());
    let mut tried = tried.spawn().unwrap();
    let told = "waiting for the lab 'default': another command tries people there";
    let read = || std::fs::read_to_string(&said).unwrap();
    wait("the remark", Duration::from_secs(60), || match read().contains(told) {
        true => Condition::Met(()),
        false => Condition::NotYet(read()),
    });
    drop(file);
    assert!(tried.wait().unwrap().success(), "{}", read());
    assert_eq!(read().matches(told).count(), 1, "{}", read());
}

/// Uses the kubeconfig of somebody of the project, and asks for those of others.
fn people_have_kubeconfigs(typed: &dyn Fn(&[&str]) -> Said, project: &Path) {
    typed(&["kubeconfig", "alice", "--output", "alice.kubeconfig"]).success();
    let kubeconfig = project.join("alice.kubeconfig");
    let kubectl = [
        "shell",
        "--",
        "kubectl",
        "--kubeconfig",
        kubeconfig.to_str().unwrap(),
        "auth",
        "whoami",
    ];
    let asked = typed(&kubectl).success();
    assert!(asked.contains("oidc:alice@example.com"), "{asked}");
    let as_her = typed(&[
        "shell",
        "alice",
        "--",
        "kubectl",
        "auth",
        "can-i",
        "create",
        "deployments",
        "--namespace",
        "team-a",
    ]);
    assert_eq!((as_her.code, as_her.out.trim()), (0, "yes"), "{as_her:?}");
    typed(&["kubeconfig"]).success();
    for (arguments, code, says) in [
        (vec!["kubeconfig", "carol"], 2, "is named `carol` (known: alice, bob)"),
        (vec!["kubeconfig", "alice", "--as", "exec"], 2, "the lab is for a project"),
    ] {
        let refusal = typed(&arguments).refusal(code);
        assert!(refusal.contains(says), "{arguments:?}: {refusal}");
    }
}
