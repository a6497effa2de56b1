//! `authlab try` with somebody's own realm: its export is imported into a real Keycloak, and people log in there.

use serde_json::{Value, json};

use crate::stage::{Said, Stage};

/// An export of the admin console: secrets and keys are masked, and there is a user directory that no lab can reach.
const REALM: &str = include_str!("realms/prod-realm.json");

const CONFIGURATION: &str = "\
apiVersion: apiserver.config.k8s.io/v1beta1
kind: AuthenticationConfiguration
jwt:
- issuer:
    url: https://sso.example.com/auth/realms/prod
    audiences: [kubernetes]
  claimMappings:
    username: {claim: email, prefix: 'sso:'}
    groups: {claim: groups, prefix: ''}
";

const PROJECT: &str = "\
manifests = [\"rights.yaml\"]
[api-server]
authentication-configuration = \"authn.yaml\"
[keycloak]
realm = \"prod-realm.json\"
[people.erin]
keycloak = {}
[people.kubelogin]
keycloak = { user = \"erin\", client = \"kubelogin\" }
[people.frank]
keycloak = {}
[people.gina]
keycloak = {}
[people.henry]
keycloak = {}
[people.alice]
claims = { email = \"alice@example.com\", groups = [\"team-b\"] }
";

const RIGHTS: &str = "\
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: team-a}
subjects: [{kind: Group, apiGroup: rbac.authorization.k8s.io, name: team-a}]
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: view}
";

/// A folder with somebody's project.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        for (name, text) in [
            ("authlab.toml", PROJECT),
            ("authn.yaml", CONFIGURATION),
            ("rights.yaml", RIGHTS),
            ("prod-realm.json", REALM),
        ] {
            folder.file(name, text);
        }
        folder
    }

    fn file(&self, name: &str, text: &str) {
        let path = self.0.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// Runs a command in the folder.
    fn said(&self, stage: &Stage, arguments: &[&str]) -> Said {
        crate::stage::said(stage.command(arguments).current_dir(self.0.path()))
    }
}

fn person<'a>(tried: &'a Value, name: &str) -> &'a Value {
    let people = tried["versions"][0]["people"].as_array().unwrap();
    people.iter().find(|person| person["person"] == name).unwrap()
}

/// Returns the reason of a refusal, and the notes.
fn refused(tried: &Value, name: &str) -> (String, String) {
    let person = person(tried, name);
    let reason = person["refused"]["reason"].as_str().unwrap_or_else(|| panic!("{person}"));
    let notes = person["notes"].as_array().into_iter().flatten();
    (
        reason.to_owned(),
        notes.map(|note| note.as_str().unwrap()).collect::<Vec<_>>().join("\n"),
    )
}

#[test]
fn people_log_in_at_a_real_keycloak_with_the_realm_of_the_project() {
    let (stage, folder) = (Stage::new(), Folder::new());
    let told = folder.said(&stage, &["try", "--all", "--json", "--may", "list pods"]);
    let notes = told.err.clone();
    let tried = told.json();

    let erin = person(&tried, "erin");
    assert_eq!(erin["accepted"]["user"], "sso:erin@example.com", "{erin}");
    // The classic mistake: the groups' full path is not what the binding names.
    assert_eq!(erin["accepted"]["groups"], json!(["/team-a", "system:authenticated"]));
    assert_eq!(erin["may"][0]["allowed"], false);
    let note = erin["notes"][0].as_str().unwrap();
    assert!(note.contains("full path (`/team-a`)") && note.contains("mapper `groups`"), "{note}");

    let (reason, notes_on) = refused(&tried, "kubelogin");
    assert!(reason.contains("expected audience \"kubernetes\" got [\"kubelogin\"]"), "{reason}");
    for part in ["a mapper of the type Audience to the client `kubelogin`", "scopes = [\"groups\"]"] {
        assert!(notes_on.contains(part), "{notes_on}");
    }
    assert!(refused(&tried, "frank").0.contains("email not verified"), "{tried}");
    assert!(refused(&tried, "gina").0.contains("Account disabled"), "{tried}");
    let (reason, note) = refused(&tried, "henry");
    assert!(
        reason.contains("Account is not fully set up") && note.contains("firstName"),
        "{reason} {note}"
    );

    // The stand-in of the same issuer signs the tokens of people with claims.
    assert_eq!(person(&tried, "alice")["accepted"]["user"], "sso:alice@example.com");
    assert!(notes.contains("users of corporate-ldap are not there"), "{notes}");
    stage.expect_nothing_runs("the end of the command");
    assert_eq!(stage.labs(), [] as [String; 0]);
}

#[test]
#[ignore = "slow: it has a lab of its own"]
fn a_lab_that_is_up_has_the_realm_and_features_know_its_people() {
    let (stage, folder) = (Stage::new(), Folder::new());
    let feature = "Feature: Rights\n\n  Scenario: Groups have no path\n    When Erin asks the API server who she is\n    Then she is accepted as \"sso:erin@example.com\"\n    And she may \"list pods\"\n";
    folder.file("features/rights.feature", feature);
    folder.file(
        "prod-realm.json",
        &REALM.replace("\"full.path\": \"true\"", "\"full.path\": \"false\""),
    );
    folder.said(&stage, &["up"]).success();
    for _ in 0..2 {
        let said = folder.said(&stage, &["try", "erin", "--json", "--may", "list pods"]);
        assert!(!said.err.contains("not using the lab that is up"), "{said:?}");
        let tried = said.json();
        assert_eq!(person(&tried, "erin")["may"][0]["allowed"], true, "{tried}");
    }
    folder.said(&stage, &["down"]).success();
    folder.said(&stage, &["run"]).success();
    stage.expect_nothing_runs("the end of the commands");
}

#[test]
#[ignore = "slow: it has a lab of its own"]
fn a_realm_that_keycloak_refuses_is_told_in_its_words() {
    let (stage, folder) = (Stage::new(), Folder::new());
    let erin = json!({ "username": "erin", "email": "erin@example.com", "enabled": true, "groups": ["/nobody-has-this"] });
    let client = json!({ "clientId": "kubernetes" });
    let realm = json!({ "realm": "prod", "enabled": true, "users": [erin], "clients": [client] });
    folder.file("prod-realm.json", &realm.to_string());
    let told = folder.said(&stage, &["try", "erin"]).refusal(2);
    assert!(told.contains("prod-realm.json: Keycloak refuses the realm 'prod': "), "{told}");
    assert!(told.contains("nobody-has-this"), "{told}");
    // The place of the copy says nothing to the user.
    assert!(!told.contains(stage.state().to_str().unwrap()), "{told}");
    stage.expect_nothing_runs("the refusal");
    assert_eq!(stage.labs(), [] as [String; 0]);
}

#[test]
fn changes_of_the_realm_are_shown_and_nothing_is_started() {
    let (stage, folder) = (Stage::new(), Folder::new());
    let told = folder.said(&stage, &["try", "--show-configuration"]).success();
    for change in [
        "Keycloak imports the realm prod of prod-realm.json:",
        "~ attributes.frontendUrl is https://sso.example.com/auth",
        "~ its keys are generated anew",
        "~ without the user federation corporate-ldap",
        "~ the client kubernetes takes passwords: directAccessGrantsEnabled is true",
        "~ new secrets for the clients kubernetes",
        "~ new passwords for the users erin, frank, gina, henry",
    ] {
        assert!(told.contains(change), "{told}");
    }
    assert_eq!(stage.labs(), [] as [String; 0]);
}

/// A change of the project's files, and what is told before anything starts.
const MISTAKES: &[(&str, &str, &str, &str)] = &[
    (
        "authlab.toml",
        "[people.frank]\nkeycloak = {}",
        "[people.frank]\nkeycloak = { user = \"frnk\" }",
        "authlab.toml:11:21: the realm prod has no user `frnk`",
    ),
    (
        "authlab.toml",
        "[people.frank]\nkeycloak = {}",
        "[people.frank]\nkeycloak = { client = \"kubernetse\" }",
        "did you mean `kubernetes`?",
    ),
    (
        "authn.yaml",
        "[kubernetes]",
        "[k8s]",
        "no audience of the issuer (k8s) is a client of the realm prod",
    ),
    (
        "authn.yaml",
        "/realms/prod",
        "/realms/production",
        "no issuer of the configuration is the realm prod",
    ),
    (
        "prod-realm.json",
        "\"realm\": \"prod\"",
        "\"realm\": \"master\"",
        "every Keycloak has of its own",
    ),
    (
        "prod-realm.json",
        "\"realm\": \"prod\"",
        "\"name\": \"prod\"",
        "prod-realm.json: has no realm in it",
    ),
    (
        "authlab.toml",
        "[keycloak]\nrealm = \"prod-realm.json\"\n",
        "",
        "`erin` logs in at Keycloak, and the project has no realm",
    ),
];

#[test]
fn mistakes_about_the_realm_are_told_before_anything_starts() {
    let stage = Stage::new();
    for (file, before, after, expected) in MISTAKES {
        let folder = Folder::new();
        let text = std::fs::read_to_string(folder.0.path().join(file)).unwrap();
        assert!(text.contains(before), "{file}: {before}");
        folder.file(file, &text.replacen(before, after, 1));
        let told = folder.said(&stage, &["try", "--all"]).refusal(2);
        assert!(told.contains(expected), "{told}");
    }
    let folder = Folder::new();
    folder.file("authlab.toml", &PROJECT.replace("[people.gina]\nkeycloak = {}\n", ""));
    let unknown = folder.said(&stage, &["try", "gina"]).refusal(2);
    assert!(unknown.contains("add [people.gina] with keycloak = {}"), "{unknown}");
    assert_eq!(stage.labs(), [] as [String; 0]);
}
