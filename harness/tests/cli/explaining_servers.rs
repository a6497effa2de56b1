//! `authlab explain` when the cause is at the API server: issuers that it has not found, files and flags that are not in force.

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use authlab::cluster::ApiServer;
use authlab::probe::{Reload, TOLD, configuration_gate, replace_configuration};
use serde_json::Value;

use crate::explaining::{Bench, expect};
use crate::stage::{Said, shared};

/// A further API server of the shared lab, started by a feature that requires it.
struct Further {
    server: ApiServer,
    authority: PathBuf,
    /// One of these tests rewrites the file of `structured`, and the others read it.
    _alone: MutexGuard<'static, ()>,
}

impl Further {
    fn start(bench: &Bench, phrase: &str, name: &str) -> Self {
        static ALONE: Mutex<()> = Mutex::new(());
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let text = format!(
            "@requires:further_api_servers @requires:cluster_signing_key\nFeature: Endpoints\n  Scenario: A further API server\n    \
            Given an API server with {phrase}\n    And Alice holds a client certificate\n    \
            When she asks the API server who she is\n    Then she is accepted as \"alice\"\n"
        );
        let feature = bench.file("endpoints.feature", &text);
        let said = shared().stage.authlab(&["run", feature.to_str().unwrap()]);
        assert_eq!(said.code, 0, "{said:?}");
        let description = std::fs::read_to_string(shared().stage.lab("default").join("lab.json")).unwrap();
        let description: Value = serde_json::from_str(&description).unwrap();
        let server: ApiServer = serde_json::from_value(description["api_servers"][name].clone()).unwrap();
        Self {
            authority: bench.file("further.pem", &server.serving_authority),
            server,
            _alone: alone,
        }
    }

    fn structured(bench: &Bench) -> Self {
        Self::start(bench, "many differently configured issuers", "structured")
    }

    fn options(&self) -> [&str; 4] {
        let authority = self.authority.to_str().unwrap();
        ["--server", &self.server.url, "--certificate-authority", authority]
    }
}

fn look(name: &str) -> Said {
    shared().stage.authlab(&["explain", "--json", "--api-server", name])
}

/// Returns the state of the issuer whose address ends in `end`.
fn state_of(told: &Value, end: &str) -> String {
    let issuers = told["issuers"].as_array().unwrap();
    let issuer = issuers.iter().find(|one| one["url"].as_str().unwrap().ends_with(end)).unwrap();
    issuer["state"].as_str().unwrap().to_owned()
}

#[test]
fn an_address_that_nobody_verified_is_explained() {
    let bench = Bench::new();
    let further = Further::structured(&bench);
    let token = bench.signer.token("email").unwrap().claim("email", "alice@example.com");
    let said = bench.token_at(&token.claim("email_verified", false).sign().unwrap(), &further.options());
    assert!(said.out.contains("oidc: email not verified"), "{said:?}");
    expect(said, "O13", &["email_verified is false", "make the issuer verify the address"]);
}

#[test]
fn an_issuer_that_the_api_server_cannot_reach_is_told_from_one_that_is_not_there() {
    let bench = Bench::new();
    let further = Further::structured(&bench);
    // This machine can read the issuer: the token comes from it.
    let said = bench.token_at(&bench.keycloak("kubernetes"), &further.options());
    assert!(said.out.contains("oidc: authenticator not initialized"), "{said:?}");
    let keycloak = bench.lab["keycloak_issuer"].as_str().unwrap();
    expect(
        said,
        "O24",
        &[
            &format!("the API server itself cannot reach the issuer {keycloak}, which can be read from this machine"),
            "its log says at ",
            "403 Forbidden",
            "its egress proxy",
        ],
    );
    let nowhere = format!("{}/es265", bench.signer.base());
    let token = bench
        .signer
        .token("es256")
        .unwrap()
        .issuer(&nowhere)
        .subject("alice")
        .sign()
        .unwrap();
    expect(
        bench.token_at(&token, &further.options()),
        "O24",
        &[
            &format!("waits for the issuer {nowhere}, which cannot be read from this machine"),
            "404 Not Found",
            "every ten seconds",
        ],
    );
}

#[test]
fn an_api_server_says_which_issuers_it_has_found_and_what_it_runs_with() {
    let bench = Bench::new();
    let _further = Further::structured(&bench);
    let said = look("structured");
    assert_eq!(said.code, 1, "{said:?}");
    let told: Value = serde_json::from_str(&said.out).unwrap();
    let state = |end: &str| state_of(&told, end);
    assert_eq!(
        ["/es256", "/es265", "/realms/kubernetes"].map(state),
        ["ready", "waiting", "waiting"],
        "{told}"
    );
    // An issuer that is late is waited for, too.
    let waited = told["findings"].as_array().unwrap().iter().filter(|one| one["behaviour"] == "O24");
    let seen: Vec<&str> = waited.map(|one| one["seen"].as_str().unwrap()).collect();
    for end in ["/es265, which", "/realms/kubernetes, which"] {
        assert_eq!(seen.iter().filter(|seen| seen.contains(end)).count(), 1, "{end}: {told}");
    }
    let flags = told["flags"].as_array().unwrap();
    assert!(
        flags
            .iter()
            .any(|flag| flag.as_str().unwrap().starts_with("--authentication-config=")),
        "{told}"
    );
    // The main API server uses everything that it was given.
    let text = shared().stage.authlab(&["explain", "--api-server"]).success();
    for part in [
        "API server main at https://",
        "/rs256: ready",
        "\n    --authorization-mode=RBAC\n",
        "[G27]",
        "is in force (sha256:",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let refusal = look("no-such").refusal(2);
    // Other tests of this lab start further ones.
    let known = refusal.split_once("no API server named \"no-such\" runs in the lab (known: ");
    assert!(known.is_some_and(|(_, known)| known.contains("main")), "{refusal}");
}

#[test]
fn a_configuration_that_is_not_in_force_is_said_with_the_servers_reason() {
    let bench = Bench::new();
    let further = Further::structured(&bench);
    let path = further.server.authentication.clone().unwrap();
    let before = std::fs::read_to_string(&path).unwrap();
    let unsound = before.replacen("https://", "http://", 1);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let gate = runtime.block_on(configuration_gate(&further.server)).unwrap();
    let made = runtime
        .block_on(replace_configuration(&further.server, &gate, &unsound, TOLD))
        .unwrap();
    assert!(matches!(made, Reload::Refused { .. }), "{made:?}");
    let said = look("structured");
    let token = bench.signer.token("es256").unwrap().issuer("https://issuer.test").sign().unwrap();
    let refused = bench.token_at(&token, &further.options());
    std::fs::write(&path, &before).unwrap();
    let after = look("structured");
    // The server does not know the content of a file that it has not loaded.
    let told: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(state_of(&told, "/es256"), "unknown", "{told}");
    let parts = [
        "is not in force",
        "still uses the previous one (sha256:",
        "Invalid value: \"http://",
        "correct the file",
    ];
    expect(said, "G28", &parts);
    // The explanation of a token refused meanwhile says so, too.
    assert!(refused.out.contains("\"G28\""), "{refused:?}");
    assert!(after.out.contains("\"G27\"") && !after.out.contains("\"G28\""), "{after:?}");
}

#[test]
fn an_api_server_whose_issuer_is_in_its_flags_is_known_by_them() {
    let bench = Bench::new();
    let further = Further::start(&bench, "the OIDC flags", "oidc_flags");
    let keycloak = bench.lab["keycloak_issuer"].as_str().unwrap();
    let said = bench.token_at(&bench.keycloak("audience-elsewhere"), &further.options());
    expect(said, "O5", &["\"another-cluster\"", "[\"kubernetes\"]"]);
    let token = bench
        .signer
        .token("rs256")
        .unwrap()
        .subject("alice")
        .issuer(&format!("{keycloak}/"));
    let said = bench.token_at(&token.sign().unwrap(), &further.options());
    expect(said, "O28", &["the token's ends with a slash"]);
    // Without a configured prefix, the issuer is the prefix, and a binding has to include it.
    let told = bench.token_at(&bench.keycloak("kubernetes"), &further.options()).json();
    assert_eq!(told["user"], format!("{keycloak}#alice"));
    assert!(told.to_string().contains("after the prefix"), "{told}");
    assert!(look("oidc_flags").success().contains(&format!("--oidc-issuer-url={keycloak}")));
}

#[test]
fn a_certificate_that_cannot_be_taken_back_is_told_with_the_bindings_that_name_its_holder() {
    let bench = Bench::new();
    let kubectl = |arguments: &[&str]| shared().stage.authlab(&[&["shell", "--", "kubectl"], arguments].concat()).success();
    kubectl(&[
        "create",
        "clusterrolebinding",
        "leavers-view",
        "--clusterrole=view",
        "--group=leavers",
    ]);
    kubectl(&[
        "create",
        "rolebinding",
        "leaver-edits",
        "--clusterrole=edit",
        "--user=leaver",
        "--namespace=authlab",
    ]);
    let clients = &bench.authorities.clients;
    let leaf = clients.issue(&authlab::pki::Request::client("leaver", &["leavers"])).unwrap();
    let told = bench.certificate(&leaf).json();
    let first = &told["findings"][0];
    assert_eq!(first["behaviour"], "X20", "{told}");
    assert!(
        first["seen"]
            .as_str()
            .unwrap()
            .contains("Kubernetes does not check revocation lists"),
        "{told}"
    );
    for part in [
        "ClusterRoleBinding leavers-view (ClusterRole view), by the group \"leavers\"",
        "RoleBinding authlab/leaver-edits (ClusterRole edit), by the user \"leaver\"",
        "replace the authority that signed it",
    ] {
        assert!(first["change"].as_str().unwrap().contains(part), "{part}: {told}");
    }
}
