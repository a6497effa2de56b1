//! `authlab try`: people, on API servers that are started with somebody's own configuration.

use std::path::{Path, PathBuf};

use serde_json::json;

use crate::stage::{Said, Stage};

/// A folder with somebody's files.
struct Folder(tempfile::TempDir);

const CONFIGURATION: &str = "\
apiVersion: apiserver.config.k8s.io/v1beta1
kind: AuthenticationConfiguration
jwt:
- issuer:
    url: https://login.example.com
    audiences: [kubernetes, other]
    audienceMatchPolicy: MatchAny
  claimMappings:
    username: {claim: email, prefix: 'oidc:'}
    groups: {expression: 'claims.groups'}
- issuer:
    url: https://sts.example.com/T/
    audiences: [kubernetes]
  claimMappings:
    username: {claim: sub, prefix: 'sts:'}
";

const RIGHTS: &str = "\
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: deployer, namespace: team-a}
rules: [{apiGroups: [apps], resources: [deployments], verbs: [create]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: deployer, namespace: team-a}
subjects: [{kind: Group, apiGroup: rbac.authorization.k8s.io, name: team-a}]
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: deployer}
";

impl Folder {
    fn new() -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        folder.file("authn.yaml", CONFIGURATION);
        folder.file("rights.yaml", RIGHTS);
        let alice = json!({ "iss": "https://login.example.com", "email": "alice@example.com", "groups": ["team-a"] });
        folder.file("alice.json", &alice.to_string());
        folder.file("bob.json", r#"{ "iss": "https://login.example.com", "email": "bob@example.com" }"#);
        folder.file("carol.json", r#"{ "iss": "https://sts.example.com/T/", "sub": "carol" }"#);
        folder
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// Runs `authlab try` in the folder.
    fn tried(&self, stage: &Stage, arguments: &[&str]) -> Said {
        crate::stage::said(stage.command(&[&["try"], arguments].concat()).current_dir(self.path()))
    }
}

const CONFIGURED: [&str; 2] = ["--authentication-configuration", "authn.yaml"];

#[test]
fn people_are_who_the_configuration_says_and_may_what_bindings_say() {
    let (stage, folder) = (Stage::new(), Folder::new());
    let people = ["--claims", "alice.json", "--claims", "bob.json", "--claims", "carol.json"];
    let rights = [
        "--manifests",
        "rights.yaml",
        "--may",
        "create deployments in team-a",
        "--may",
        "get /metrics",
    ];
    let told = folder
        .tried(&stage, &[&CONFIGURED[..], &people, &rights, &["--json"]].concat())
        .json();
    let people = &told["versions"][0]["people"];
    assert_eq!(people[0]["accepted"]["user"], "oidc:alice@example.com");
    assert_eq!(people[0]["accepted"]["groups"], json!(["system:authenticated", "team-a"]));
    let may = &people[0]["may"][0];
    assert_eq!(
        (&may["action"], &may["allowed"]),
        (&json!("create deployments.apps in team-a"), &json!(true))
    );
    assert!(may["reason"].as_str().unwrap().contains("RoleBinding \"deployer/team-a\""), "{may}");
    assert_eq!(people[0]["may"][1]["allowed"], false);
    let reason = people[1]["refused"]["reason"].as_str().unwrap();
    assert!(reason.contains("no such key: groups"), "{reason}");
    assert_eq!(people[2]["accepted"]["user"], "sts:carol");
    stage.expect_nothing_runs("the end of the command");
    assert_eq!(stage.labs(), [] as [String; 0]);
}

#[test]
fn flags_lead_to_their_issuer_under_its_own_name() {
    let (stage, folder) = (Stage::new(), Folder::new());
    let flags = [
        "--flag",
        "oidc-issuer-url=https://sts.example.com/T/",
        "--flag=--oidc-client-id=kubernetes",
        "--flag",
        "oidc-groups-claim=groups",
    ];
    folder.file(
        "token.json",
        r#"{ "sub": "carol", "groups": ["a", "b"], "aud": ["kubernetes", "x"] }"#,
    );
    let expected = [
        "--claims",
        "token.json",
        "--expect",
        "user=https://sts.example.com/T/#carol",
        "--expect",
        "token:group=b",
    ];
    let told = folder
        .tried(&stage, &[&flags[..], &expected, &["--format", "markdown"]].concat())
        .success();
    let row = "| token | \"https://sts.example.com/T/#carol\"; groups: a, b, system:authenticated |";
    assert!(told.contains(row), "{told}");
}

#[test]
fn a_configuration_that_the_api_server_refuses_is_told_in_its_words() {
    let (stage, folder) = (Stage::new(), Folder::new());
    folder.file("authn.yaml", &CONFIGURATION.replace("    audienceMatchPolicy: MatchAny\n", ""));
    let told = folder.tried(&stage, &[&CONFIGURED[..], &["--claims", "alice.json"]].concat());
    assert_eq!(told.code, 1, "{told:?}");
    assert!(told.out.contains("does not start with authn.yaml"), "{told:?}");
    assert!(
        told.out.contains("audienceMatchPolicy must be MatchAny for multiple audiences"),
        "{told:?}"
    );
    // The place of the copy says nothing to the user.
    assert!(!told.out.contains(stage.state().to_str().unwrap()), "{told:?}");
    assert_eq!(stage.labs(), [] as [String; 0]);
}

/// The flags of production in a project: some that decide who somebody is, and some that are not for a lab.
const PRODUCTION: &str = "\
[api-server.flags]
oidc-issuer-url = \"https://login.example.com\"
oidc-client-id = \"kubernetes\"
oidc-required-claim = [\"hd=example.com\", \"team=x\"]
oidc-username-claim = \"email\"
bind-address = \"192.0.2.1\"
secure-port = 7443
etcd-servers = \"https://127.0.0.1:9\"
audit-log-path = \"audit.jsonl\"

[people.alice]
issuer = \"https://login.example.com\"
claims = { email = \"alice@example.com\", hd = \"example.com\", team = \"x\" }

[people.mallory]
claims = { email = \"mallory@example.com\", hd = \"evil\", team = \"x\" }
";

#[test]
#[ignore = "slow: it has a lab of its own"]
fn flags_of_production_decide_in_a_lab_and_touch_nothing_else() {
    let (stage, folder) = (Stage::new(), Folder::new());
    folder.file("authlab.toml", PRODUCTION);
    let expected = ["--all", "--expect", "alice:user=alice@example.com", "--expect", "mallory:refused"];
    let told = folder.tried(&stage, &expected);
    assert_eq!(told.code, 0, "{told:?}");
    for (line, flag) in [(6, "bind-address"), (7, "secure-port"), (8, "etcd-servers"), (9, "audit-log-path")] {
        let note = format!("authlab.toml:{line}:1: API servers are tried without --{flag}: ");
        assert!(told.err.contains(&note), "{told:?}");
    }
    assert!(!folder.path().join("audit.jsonl").exists());
    // From flags to a file, and back.
    let moved = folder.tried(
        &stage,
        &[
            "alice",
            "--authentication-configuration",
            "authn.yaml",
            "--expect",
            "refused",
            "--against",
            "authn.yaml",
        ],
    );
    assert_eq!(moved.code, 0, "{moved:?}");
    assert!(
        moved
            .err
            .contains("takes the place of --oidc-client-id, --oidc-issuer-url, --oidc-required-claim")
            && moved.out.contains("nothing changes for 1 of 1"),
        "{moved:?}"
    );
    folder.file("broken.yaml", &CONFIGURATION.replace("    audienceMatchPolicy: MatchAny\n", ""));
    let told = folder.tried(&stage, &["alice", "--against", "broken.yaml"]);
    assert_eq!(told.code, 1, "{told:?}");
    assert!(
        told.out.contains("did not start before") && !told.out.contains("mutually exclusive"),
        "{told:?}"
    );
}

#[test]
#[ignore = "needs the servers of the oldest version: cargo test --test cli -- --ignored"]
fn a_flag_that_one_version_does_not_have_is_told_for_that_version() {
    let (stage, folder) = (Stage::new(), Folder::new());
    let versions = [
        "--claims",
        "carol.json",
        "--kubernetes",
        "1.30,1.37",
        "--flag",
        "emulated-version=1.37",
    ];
    let told = folder.tried(&stage, &[&CONFIGURED[..], &versions].concat());
    assert_eq!(told.code, 1, "{told:?}");
    for expected in [
        "Kubernetes 1.30 does not start",
        "unknown flag: --emulated-version",
        "remove the flag for the versions that do not have it",
        "accepted as \"sts:carol\"",
    ] {
        assert!(told.out.contains(expected), "{expected}: {told:?}");
    }
    assert_eq!(stage.labs(), [] as [String; 0]);
}

#[test]
fn what_changes_between_two_configurations_is_told_for_each_person() {
    let (stage, folder) = (Stage::new(), Folder::new());
    folder.file("old.yaml", &CONFIGURATION.replace("claims.groups", "claims.?groups.orValue([])"));
    let people = ["--claims", "bob.json", "--claims", "carol.json", "--against", "old.yaml"];
    let told = folder.tried(&stage, &[&CONFIGURED[..], &people].concat()).success();
    assert!(
        told.contains("- \"oidc:bob@example.com\"") && told.contains("+ refused: "),
        "{told}"
    );
    assert!(
        told.starts_with("- before: old.yaml\n+ after: authn.yaml\n") && told.contains("nothing changes for 1 of 2"),
        "{told}"
    );
    // Before, the issuer of one person was another: a token of that issuer is refused there, for the reason that the server has.
    folder.file(
        "moved.yaml",
        &CONFIGURATION.replace("https://sts.example.com/T/", "https://sts.example.com/old"),
    );
    let people = ["--claims", "carol.json", "--against", "moved.yaml"];
    let told = folder.tried(&stage, &[&CONFIGURED[..], &people].concat()).success();
    assert!(told.contains("- refused: ") && told.contains("+ \"sts:carol\""), "{told}");
    folder.file("refused.yaml", &CONFIGURATION.replace("audienceMatchPolicy: MatchAny", ""));
    let people = ["--claims", "carol.json", "--against", "refused.yaml"];
    let told = folder.tried(&stage, &[&CONFIGURED[..], &people].concat());
    assert_eq!(told.code, 1, "{told:?}");
    assert!(told.out.contains("the API server did not start before: "), "{told:?}");
    assert_eq!(stage.labs(), [] as [String; 0]);
}

#[test]
fn flags_of_a_tools_file_are_compared_with_a_file() {
    let (stage, folder) = (Stage::new(), Folder::new());
    let flags = [
        "--oidc-issuer-url=https://login.example.com",
        "--oidc-client-id=kubernetes",
        "--oidc-username-claim=email",
    ];
    let command = [&["kube-apiserver"][..], &flags].concat();
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "kube-apiserver" },
        "spec": { "containers": [{ "name": "kube-apiserver", "command": command }] },
    });
    folder.file("kube-apiserver.yaml", &pod.to_string());
    let people = ["--claims", "alice.json", "--json"];
    let before = |more: &[&str]| {
        let told = folder.tried(&stage, &[&CONFIGURED[..], &people, more].concat()).json();
        let people = &told["against"][0]["people"];
        assert_eq!(
            told["versions"][0]["people"][0]["accepted"]["user"], "oidc:alice@example.com",
            "{told}"
        );
        (people[0]["accepted"]["user"].clone(), told["compared"]["before"].clone())
    };
    assert_eq!(
        before(&["--against", "kube-apiserver.yaml"]),
        (json!("alice@example.com"), json!("kube-apiserver.yaml"))
    );
    let flags = flags.map(|flag| format!("--against-flag={flag}"));
    let (user, name) = before(&flags.each_ref().map(String::as_str));
    assert_eq!(user, "alice@example.com");
    assert!(
        name.as_str()
            .unwrap()
            .starts_with("--oidc-issuer-url=https://login.example.com --oidc-client-id="),
        "{name}"
    );
    assert_eq!(stage.labs(), [] as [String; 0]);
}

#[test]
fn an_authorization_configuration_takes_the_place_of_the_labs_authorizers() {
    let (stage, folder) = (Stage::new(), Folder::new());
    let authorizers =
        "apiVersion: apiserver.config.k8s.io/v1beta1\nkind: AuthorizationConfiguration\nauthorizers:\n- {type: RBAC, name: rbac}\n";
    folder.file("authz.yaml", authorizers);
    let authorization = [
        "--authorization-configuration",
        "authz.yaml",
        "--claims",
        "carol.json",
        "--expect",
        "user=sts:carol",
    ];
    let told = folder.tried(
        &stage,
        &[&CONFIGURED[..], &authorization, &["--may", "list secrets in kube-system"]].concat(),
    );
    assert_eq!(told.code, 0, "{told:?}");
    assert!(told.out.contains("may not list secrets in kube-system"), "{told:?}");
    assert_eq!(stage.labs(), [] as [String; 0]);
}

#[test]
#[ignore = "slow: it has a lab of its own"]
fn rights_count_at_once_whatever_the_authorizers_are() {
    let (stage, folder) = (Stage::new(), Folder::new());
    // Many objects: the last ones come late.
    let rights: String = (0..60)
        .map(|number| format!("{}---\n", RIGHTS.replace("deployer", &format!("deployer-{number}"))))
        .collect();
    folder.file("rights.yaml", &rights);
    // A webhook that nobody answers, which refuses everybody but Alice.
    let kubeconfig = "apiVersion: v1\nkind: Config\nclusters: [{name: h, cluster: {server: 'https://127.0.0.1:9'}}]\n\
                      contexts: [{name: h, context: {cluster: h}}]\ncurrent-context: h\n";
    let authorizers = json!([
        { "type": "Webhook", "name": "nobody", "webhook": {
            "timeout": "1s", "authorizedTTL": "1s", "unauthorizedTTL": "1s", "failurePolicy": "Deny",
            "subjectAccessReviewVersion": "v1", "matchConditionSubjectAccessReviewVersion": "v1",
            "connectionInfo": { "type": "KubeConfigFile", "kubeConfigFile": folder.file("hook.kubeconfig", kubeconfig) },
            "matchConditions": [{ "expression": "request.user != 'oidc:alice@example.com'" }],
        } },
        { "type": "RBAC", "name": "rbac" },
    ]);
    let authorization = json!({
        "apiVersion": "apiserver.config.k8s.io/v1beta1", "kind": "AuthorizationConfiguration", "authorizers": authorizers,
    });
    folder.file("authz.yaml", &authorization.to_string());
    let asked = [
        "--manifests",
        "rights.yaml",
        "--claims",
        "alice.json",
        "--may",
        "create deployments.apps in team-a",
        "--expect",
        "allowed",
    ];
    for authorizers in [
        ["--authorization-configuration", "authz.yaml"],
        ["--flag", "authorization-mode=Node,RBAC"],
        // Nothing to wait for.
        ["--flag", "authorization-mode=AlwaysAllow"],
    ] {
        let told = folder.tried(&stage, &[&CONFIGURED[..], &authorizers, &asked].concat());
        assert_eq!(told.code, 0, "{authorizers:?}: {told:?}");
    }
    assert_eq!(stage.labs(), [] as [String; 0]);
}

#[test]
fn wrong_input_is_refused_before_anything_starts() {
    let (stage, folder) = (Stage::new(), Folder::new());
    folder.file("list.json", "[1]");
    folder.file("twice.json", "{");
    folder.file("double.json", "{\n\t\"sub\": \"a\",\n\t\"sub\": \"b\"\n}");
    folder.file("stranger.json", r#"{ "iss": "https://elsewhere.example" }"#);
    folder.file("nobody.json", "{}");
    folder.file("real.jwt", "eyJhbGciOiJub25lIn0.e30.x");
    folder.file("roles.yaml", "kind: Role\n");
    folder.file("values.yaml", "replicas: 1\n");
    let claims = |file: &'static str| [&CONFIGURED[..], &["--claims", file]].concat();
    let cases: &[(Vec<&str>, &str)] = &[
        (vec!["--claims", "alice.json"], "there is no configuration to try"),
        (
            [claims("alice.json"), vec!["--cluster", "k3s"]].concat(),
            "--cluster k3s cannot be used: API servers are tried as processes",
        ),
        (CONFIGURED.to_vec(), "there is nobody to try"),
        (
            claims("list.json"),
            "list.json: the claims of a token are a JSON object, and this is a list",
        ),
        (claims("twice.json"), "twice.json:1:1: EOF while parsing an object"),
        (claims("real.jwt"), "use --token-file"),
        (
            claims("stranger.json"),
            "no entry of the configuration names the issuer https://elsewhere.example",
        ),
        (claims("nobody.json"), "the claims name no issuer, and the configuration has 2"),
        (claims("nowhere.json"), "nowhere.json: no such file"),
        (claims("double.json"), "double.json:3:1: the claim `sub` stands twice"),
        (
            vec!["--authentication-configuration", "-", "--claims", "-"],
            "standard input can be read only once",
        ),
        (
            [claims("alice.json"), vec!["--against", "nowhere.yaml"]].concat(),
            "nowhere.yaml: no such file",
        ),
        (
            [claims("alice.json"), vec!["--flag", "anonymous-auht=false"]].concat(),
            "did you mean anonymous-auth?",
        ),
        ([claims("alice.json"), vec!["--may", "get"]].concat(), "the resource is missing"),
        (
            [claims("alice.json"), vec!["--expect", "bob:refused"]].concat(),
            "names bob, who is not tried",
        ),
        (
            [claims("alice.json"), vec!["--expect", "happy"]].concat(),
            "expected one of: accepted",
        ),
        (
            [claims("alice.json"), vec!["--manifests", "roles.yaml"]].concat(),
            "roles.yaml:1:1: this is no object of Kubernetes",
        ),
        (
            [claims("alice.json"), vec!["--manifests", "values.yaml"]].concat(),
            "seems to be values of a Helm chart",
        ),
        (
            [claims("alice.json"), vec!["--against-flag", "anonymous-auht=false"]].concat(),
            "did you mean anonymous-auth?",
        ),
        ([claims("alice.json"), vec!["--kubernetes", "1.12"]].concat(), "1.12"),
    ];
    for (arguments, expected) in cases {
        let said = folder.tried(&stage, arguments).refusal(2);
        assert!(said.contains(expected), "{arguments:?}: {said}");
    }
    assert!(!stage.state().join("labs").exists());
    for named in [CONFIGURED, ["--flag", "authentication-config=authn.yaml"]] {
        let shown = folder.tried(&stage, &[&named[..], &["--show-configuration"]].concat()).success();
        let changed: Vec<&str> = shown.lines().filter(|line| line.starts_with('+')).collect();
        assert_eq!(changed.len(), 4, "{shown}");
    }
}

#[test]
fn an_action_on_an_unknown_resource_names_similar_ones_and_leaves_nothing() {
    let (stage, folder) = (Stage::new(), Folder::new());
    let told = folder.tried(
        &stage,
        &[&CONFIGURED[..], &["--claims", "alice.json", "--may", "get pod in a"]].concat(),
    );
    let said = told.refusal(2);
    assert!(
        said.contains("the API server has no resource 'pod'") && said.contains("did you mean pods"),
        "{said}"
    );
    assert_eq!(stage.labs(), [] as [String; 0]);
}
