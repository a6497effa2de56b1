//! Projects, sound and with mistakes. The table of mistakes has the exact messages.

use std::path::Path;

use serde_json::json;

use super::*;

mod mistakes;

/// The files of a project's folder.
const FILES: &[&str] = &[
    "cluster/authn.yaml",
    "cluster/authz.yaml",
    "cluster/kubeadm.yaml",
    "rbac/b.yaml",
    "rbac/deep/a.json",
    "rbac/readme.md",
    "rbac/.hidden.yaml",
    "rbac/kustomization.yaml",
    "policies/Kustomization.yaml",
    "policies/one.yaml",
    "policies/two.yml",
    "keycloak/realm.json",
    "features/access.feature",
];

/// The whole format.
const EXAMPLE: &str = r#"kubernetes = "1.34..1.37"

[api-server]
authentication-configuration = "cluster/authn.yaml"
authorization-configuration = "cluster/authz.yaml"
flags = { "oidc-issuer-url" = "https://login.example.com", "oidc-client-id" = "kubernetes" }
from = "cluster/kubeadm.yaml"

[keycloak]
realm = "keycloak/realm.json"

[features]
paths = ["features/"]
tags = { smoke = "before every merge" }

[people.alice]
issuer = "https://login.example.com"
like = "entra-v2"
claims = { preferred_username = "alice@example.com", groups = ["team-a"] }
[people.bob]
certificate = { common-name = "bob", organizations = ["ops"] }
[people.deployer]
service-account = "ci/deployer"
[people.dana]
context = "dana@prod"
[people.erin]
keycloak = { user = "erin.m", client = "kubernetes", scopes = ["groups"] }
"#;

const MANIFESTS: &str = "manifests = [\"rbac/\", \"policies/*.yaml\"]\n";

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a directory");
    for file in FILES {
        let path = folder.path().join(file);
        fs::create_dir_all(path.parent().expect("a folder")).expect("it can be made");
        fs::write(path, "{}").expect("it can be written");
    }
    folder
}

fn read_in(folder: &Path, text: &str) -> Result<Project, String> {
    fs::write(folder.join(FILE_NAME), text).expect("it can be written");
    let project = Project::find(folder).map_err(|mistakes| mistakes.to_string().replace(folder.to_str().expect("UTF-8"), "DIR"));
    project.map(|project| project.expect("it was written"))
}

#[test]
fn every_key_is_read() {
    let folder = folder();
    let sound = format!("{MANIFESTS}{EXAMPLE}").replace(
        "flags = { \"oidc-issuer-url\" = \"https://login.example.com\", ",
        "flags = { \"v\" = 4, ",
    );
    let sound = sound.replace(
        "\"oidc-client-id\" = \"kubernetes\"",
        "anonymous-auth = false, tls-cipher-suites = [\"A\", \"B\"]",
    );
    let with_beta = sound.replacen("\"1.34..1.37\"", "\"1.34..1.37,1.38.0-beta.0\"", 1);
    let project = read_in(folder.path(), &with_beta).unwrap_or_else(|told| panic!("{told}"));
    assert_eq!((project.versions().len(), project.newest().version.minor), (5, 37));
    let only_beta = sound.replacen("\"1.34..1.37\"", "\"1.38.0-beta.0\"", 1);
    let project = read_in(folder.path(), &only_beta).unwrap_or_else(|told| panic!("{told}"));
    assert_eq!(project.newest().version.to_string(), "1.38.0-beta.0");
    // A byte order mark and the line ends of Windows change nothing.
    for text in [sound.clone(), format!("\u{feff}{}", sound.replace('\n', "\r\n"))] {
        let project = read_in(folder.path(), &text).unwrap_or_else(|told| panic!("{told}"));
        let minors: Vec<u16> = project.versions().iter().map(|kubernetes| kubernetes.version.minor).collect();
        assert_eq!((minors, project.newest().version.minor), (vec![34, 35, 36, 37], 37));
        let server = &project.api_server;
        let authentication = server.authentication_configuration.as_ref().expect("given");
        assert_eq!(authentication.value.resolved, folder.path().join("cluster/authn.yaml"));
        assert_eq!((authentication.place.line, authentication.place.column), (5, 32));
        assert!(server.authorization_configuration.is_some() && server.from.is_some());
        let flags: Vec<(&str, &str)> = server.flags.iter().map(|(name, value)| (&*name.value, &**value)).collect();
        assert_eq!(
            flags,
            [
                ("v", "4"),
                ("anonymous-auth", "false"),
                ("tls-cipher-suites", "A"),
                ("tls-cipher-suites", "B")
            ]
        );
        let manifests = project.manifests.iter().flat_map(|manifests| &manifests.value.files);
        let manifests: Vec<&Path> = manifests.map(|file| file.strip_prefix(folder.path()).expect("below")).collect();
        assert_eq!(manifests, ["rbac/b.yaml", "rbac/deep/a.json", "policies/one.yaml"].map(Path::new));
        assert_eq!(
            project.keycloak.as_ref().map(|keycloak| &*keycloak.realm.value.written),
            Some("keycloak/realm.json")
        );
        assert_eq!(project.feature_paths(), [folder.path().join("features/")]);
        assert_eq!(project.features.tags["smoke"].value, "before every merge");
        let Credential::Token(token) = &project.person("alice").expect("known").credential else {
            panic!("a token")
        };
        assert_eq!(
            token.issuer.as_ref().map(|issuer| (&*issuer.value, issuer.place.line)),
            Some(("https://login.example.com", 18))
        );
        assert_eq!(token.like.as_ref().map(|like| &*like.value), Some("entra-v2"));
        assert_eq!(
            json!(token.claims),
            json!({ "preferred_username": "alice@example.com", "groups": ["team-a"] })
        );
        assert_eq!((token.places["groups"].line, token.places["groups"].column), (20, 54));
        let Credential::Certificate {
            common_name,
            organizations,
        } = &project.people["bob"].credential
        else {
            panic!("a certificate")
        };
        assert_eq!((&*common_name.value, &*organizations[0].value), ("bob", "ops"));
        let Credential::ServiceAccount { namespace, name, .. } = &project.people["deployer"].credential else {
            panic!("an account")
        };
        assert_eq!((&**namespace, &**name), ("ci", "deployer"));
        assert!(matches!(&project.people["dana"].credential, Credential::Context(context) if context.value == "dana@prod"));
        let Credential::Keycloak(login) = &project.people["erin"].credential else {
            panic!("a login")
        };
        assert_eq!(login.user.as_ref().map(|user| &*user.value), Some("erin.m"));
        assert_eq!(
            login.client.as_ref().map(|client| (&*client.value, client.place.line)),
            Some(("kubernetes", 28))
        );
        assert_eq!(login.scopes.iter().map(|scope| &*scope.value).collect::<Vec<_>>(), ["groups"]);
        let place = &project.people["dana"].name.place;
        assert!(
            project
                .mistake(place, "gone")
                .to_string()
                .starts_with("authlab.toml:25:9: gone\n  25 | [people.dana]\n")
        );
    }
}

#[test]
fn flags_and_a_configuration_exclude_each_other() {
    let folder = folder();
    let told = read_in(folder.path(), EXAMPLE).expect_err("an API server refuses both");
    let line = EXAMPLE.lines().nth(5).expect("six lines");
    assert_eq!(
        told,
        format!(
            "authlab.toml:6:11: an API server refuses --oidc-issuer-url together with `authentication-configuration`\n  6 | {line}\n    |           {} \
             move the flag into the file, or remove the file\n\
             authlab.toml:6:60: an API server refuses --oidc-client-id together with `authentication-configuration`\n  6 | {line}\n    | {}{} \
             move the flag into the file, or remove the file",
            "^".repeat(17),
            " ".repeat(59),
            "^".repeat(16)
        )
    );
}

#[test]
fn an_empty_project_has_the_defaults() {
    let folder = folder();
    let project = read_in(folder.path(), "").expect("sound");
    assert_eq!(project.versions().len(), Versions::pinned().kubernetes.len());
    assert_eq!(project.feature_paths(), [folder.path().join("features")]);
    assert!(project.people.is_empty() && project.manifests.is_empty() && project.keycloak.is_none());
}

#[test]
fn claims_are_json() {
    let folder = folder();
    let text = "[people.alice.claims]\nok = true\nlevel = 0x1f\nratio = 0.5\nlast = 9007199254740992\nmixed = [1, \"a\", { b = [] }]\na.b = \"c\"\n";
    let project = read_in(folder.path(), text).expect("sound");
    let Credential::Token(token) = &project.people["alice"].credential else {
        panic!("a token")
    };
    let expected = json!({ "ok": true, "level": 31, "ratio": 0.5, "last": 9_007_199_254_740_992_u64, "mixed": [1, "a", { "b": [] }], "a": { "b": "c" } });
    assert_eq!(json!(token.claims), expected);
}

#[test]
fn a_file_that_cannot_be_read_is_told() {
    let folder = folder();
    let file = folder.path().join(FILE_NAME);
    let told = || {
        let told = Project::read(folder.path()).expect_err("it cannot be read").to_string();
        told.replace(folder.path().to_str().expect("UTF-8"), "DIR")
    };
    assert_eq!(
        told(),
        "DIR/authlab.toml: no such file\n  = write a project to begin with: authlab init"
    );
    fs::create_dir(&file).expect("it can be made");
    assert_eq!(told(), "DIR/authlab.toml: is a directory, expected a file");
    assert!(Project::find(folder.path()).is_err(), "a folder is not skipped");
    fs::remove_dir(&file).expect("it can be removed");
    fs::write(&file, vec![b'#'; 5 * 1024 * 1024]).expect("it can be written");
    assert_eq!(told(), "DIR/authlab.toml: is larger than 1 MiB");
    fs::write(&file, b"a = \"\xff\"").expect("it can be written");
    assert!(told().starts_with("DIR/authlab.toml:1:6: is not UTF-8 (byte 0xff)\n"), "{}", told());
    fs::write(&file, "[people.a]\ncontext = \"\\u001b]0;t\u{1b}[2J\"\n\u{1b} = 1").expect("it can be written");
    assert!(!told().contains('\u{1b}'), "{:?}", told());
    fs::write(&file, "[".repeat(500_000)).expect("it can be written");
    assert!(told().starts_with("DIR/authlab.toml:1:"), "{}", told());
}

#[test]
fn the_nearest_project_above_is_found() {
    let folder = folder();
    fs::write(folder.path().join(FILE_NAME), "[people.alice]\ncontext = \"a\"").expect("it can be written");
    let deep = folder.path().join("rbac/deep");
    let found = Project::find(&deep).expect("sound").expect("it is above");
    assert_eq!((found.directory.as_path(), found.people.len()), (folder.path(), 1));
    fs::write(deep.join(FILE_NAME), "").expect("it can be written");
    let found = Project::find(&deep).expect("sound").expect("it is here");
    assert_eq!((found.shown.as_str(), found.people.len()), (FILE_NAME, 0));
    let named = Project::read(&folder.path().join(FILE_NAME)).expect("sound");
    let unknown = named.person("alcie").expect_err("nobody");
    assert!(unknown.to_string().ends_with("is named `alcie` (known: alice)"), "{unknown}");
    assert_eq!(crate::hint::Hint::hint(&unknown).as_deref(), Some("did you mean `alice`?"));
}
