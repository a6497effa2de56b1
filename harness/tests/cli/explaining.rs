//! `authlab explain` on a running lab: common mistakes, each made for real, with the server's own reason. Cases that need no API server are in
//! `tests/hermetic/explaining`.

use std::cell::RefCell;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use authlab::cluster::Authorities;
use authlab::identity_provider::issuer::{Forgery, Signer};
use authlab::identity_provider::keycloak::{KeycloakClient, KeycloakDescription};
use authlab::pki::{Authority, Flaw, Leaf, Request};
use authlab::process::wait::Condition;
use authlab::secret::Secret;
use serde_json::{Value, json};

use crate::stage::{Said, Stage, said, shared, wait};

/// The secrets of a lab, to create credentials with, a directory for the credentials, and what `explain` said of them.
pub struct Bench {
    pub home: tempfile::TempDir,
    pub stage: &'static Stage,
    pub lab: Value,
    pub signer: Signer,
    pub authorities: Authorities,
    shown: RefCell<String>,
}

impl Bench {
    pub fn new() -> Self {
        Self::at(&shared().stage)
    }

    /// Creates one for the lab of another stage.
    pub fn at(stage: &'static Stage) -> Self {
        crate::robot::choose_provider();
        let directory = stage.lab("default");
        let text = std::fs::read_to_string(directory.join("lab.json")).unwrap();
        Self {
            home: tempfile::tempdir().unwrap(),
            stage,
            lab: serde_json::from_str(&text).unwrap(),
            signer: Signer::load(&directory.join("issuer")).unwrap(),
            authorities: Authorities::load(&directory.join("pki")).unwrap(),
            shown: RefCell::default(),
        }
    }

    /// Runs `authlab explain`, and keeps what it says.
    pub fn show(&self, title: &str, options: &[&str]) {
        let mut command = self.stage.command(&[&["explain"], options].concat());
        let said = said(command.current_dir(self.home.path()));
        let command = ["authlab", "explain"].iter().chain(options).copied().collect::<Vec<_>>().join(" ");
        let mut shown = self.shown.borrow_mut();
        write!(
            shown,
            "# {title}\n$ {command}\n{}{}[exit code {}]\n\n",
            said.err, said.out, said.code
        )
        .unwrap();
    }

    /// Shows a token at the lab's main API server.
    pub fn show_token(&self, title: &str, token: &Secret) {
        self.file("token", token.expose());
        self.show(title, &["--token-file", "token"]);
        let signature = token.expose().rsplit('.').next().unwrap();
        assert!(
            signature.len() < 8 || !self.shown.borrow().contains(signature),
            "{title} shows a signature"
        );
    }

    pub fn show_certificate(&self, title: &str, leaf: &Leaf) {
        self.file("crt", &leaf.full_chain());
        self.file("key", leaf.key.expose());
        self.show(title, &["--certificate", "crt", "--key", "key"]);
    }

    /// Shows a kubeconfig for the lab's main API server, with changes to its cluster and the user given.
    pub fn show_kubeconfig(&self, title: &str, cluster: &Value, user: &Value) {
        self.write_kubeconfig(cluster, user);
        self.show(title, &["--kubeconfig", "kubeconfig"]);
    }

    /// Compares what was shown with the file `name`.
    pub fn assert_shown(&self, name: &str) {
        let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cli/snapshots");
        let text = self.shown.borrow().replace(self.stage.state().to_str().unwrap(), "STATE");
        crate::shown::assert_shown(name, text.trim_end(), self.home.path(), directory);
    }

    pub fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.home.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    /// Explains a token at the server that `options` name.
    pub fn token_at(&self, token: &Secret, options: &[&str]) -> Said {
        let file = self.file("token", token.expose());
        let presented = ["explain", "--json", "--token-file", file.to_str().unwrap()];
        let said = self.stage.authlab(&[&presented[..], options].concat());
        let signature = token.expose().rsplit('.').next().unwrap();
        assert!(signature.len() < 8 || !said.out.contains(signature), "{said:?}");
        said
    }

    pub fn certificate(&self, leaf: &Leaf) -> Said {
        let (certificate, key) = (self.file("crt", &leaf.full_chain()), self.file("key", leaf.key.expose()));
        let options = ["--certificate", certificate.to_str().unwrap(), "--key", key.to_str().unwrap()];
        self.stage.authlab(&[&["explain", "--json"], &options[..]].concat())
    }

    fn write_kubeconfig(&self, cluster: &Value, user: &Value) {
        let main = &self.lab["api_servers"]["main"];
        self.file("serving.pem", main["serving_authority"].as_str().unwrap());
        let mut all = json!({ "server": main["url"], "certificate-authority": "serving.pem" });
        all.as_object_mut().unwrap().extend(cluster.as_object().unwrap().clone());
        let config = json!({ "apiVersion": "v1", "kind": "Config", "current-context": "c",
            "contexts": [{ "name": "c", "context": { "cluster": "k", "user": "u" } }],
            "clusters": [{ "name": "k", "cluster": all }], "users": [{ "name": "u", "user": user }] });
        self.file("kubeconfig", &config.to_string());
    }

    /// Returns a kubeconfig's user with an administrator's certificate.
    pub fn administrator(&self) -> Value {
        let leaf = self
            .authorities
            .clients
            .issue(&Request::client("root", &["system:masters"]))
            .unwrap();
        json!({ "client-certificate": self.file("root.crt", &leaf.full_chain()), "client-key": self.file("root.key", leaf.key.expose()) })
    }

    pub fn keycloak(&self, client: &str) -> Secret {
        let realm: KeycloakDescription = serde_json::from_value(self.lab["keycloak"].clone()).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let client = KeycloakClient::new(&realm).unwrap().as_client(client).unwrap();
        runtime
            .block_on(client.password_grant("alice", &realm.passwords["alice"]))
            .unwrap()
            .id
    }
}

/// Returns the first finding on a refused credential.
pub fn first(said: Said) -> (String, String) {
    assert_eq!(said.code, 1, "{said:?}");
    let told: Value = serde_json::from_str(&said.out).unwrap();
    let first = &told["findings"][0];
    (
        first["behaviour"].as_str().unwrap_or_default().to_owned(),
        format!(
            "{} → {}",
            first["seen"].as_str().unwrap_or_default(),
            first["change"].as_str().unwrap_or_default()
        ),
    )
}

pub fn expect(said: Said, behaviour: &str, parts: &[&str]) {
    let (seen, text) = first(said);
    assert_eq!(seen, behaviour, "{text}");
    for part in parts {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn tokens_are_explained_by_the_servers_own_reason() {
    let bench = Bench::new();
    let keycloak = bench.lab["keycloak_issuer"].as_str().unwrap().to_owned();
    let token = || bench.signer.token("rs256").unwrap().subject("alice");
    let now = SystemTime::now();
    bench.show_token("another audience", &bench.keycloak("audience-elsewhere"));
    bench.show_token("no user name", &bench.keycloak("without-username"));
    bench.show_token("no token", &Secret::new("not.a.token"));
    let groups = token().claim("_claim_names", json!({ "groups": "src1" }));
    let sources = json!({ "src1": { "endpoint": "https://127.0.0.1:1/getMemberObjects" } });
    for (title, token) in [
        ("a slash at the end of the issuer", token().issuer(&format!("{keycloak}/"))),
        (
            "upper case",
            token().issuer(&keycloak.replace("realms/kubernetes", "realms/Kubernetes")),
        ),
        (
            "another realm",
            token().issuer(&keycloak.replace("realms/kubernetes", "realms/other")),
        ),
        ("another host", token().issuer(&keycloak.replace("127.0.0.1", "localhost"))),
        ("http", token().issuer(&keycloak.replace("https:", "http:"))),
        ("another issuer", token().issuer("https://issuer.test")),
        ("expired", token().expired(Duration::from_secs(11))),
        ("not valid yet", token().not_before(now + Duration::from_secs(97))),
        ("a key that the issuer does not publish", token().kid("gone")),
        ("signed by another", token().forged(Forgery::UnknownKey)),
        ("EdDSA", token().header("alg", "EdDSA")),
        ("groups that are elsewhere", groups.claim("_claim_sources", sources)),
    ] {
        bench.show_token(title, &token.sign().unwrap());
    }
    bench.assert_shown("tokens");
}

#[test]
fn an_accepted_user_is_told_who_they_are_and_how_to_bind_it() {
    let bench = Bench::new();
    bench.show_token("no groups", &bench.keycloak("without-groups"));
    bench.file("token", bench.keycloak("kubernetes").expose());
    bench.show("everything", &["--verbose", "--token-file", "token"]);
    bench.assert_shown("accepted");
}

#[test]
fn certificates_are_explained_by_the_servers_own_reason() {
    let bench = Bench::new();
    let (clients, stranger) = (&bench.authorities.clients, Authority::root("stranger").unwrap());
    // An authority that was made anew has its old name.
    let again = Authority::root("authlab clients").unwrap();
    for (title, authority, request) in [
        ("expired", clients, Request::flawed("alice", &[], Flaw::Expired)),
        ("not valid yet", clients, Request::flawed("alice", &[], Flaw::NotYetValid)),
        ("for servers only", clients, Request::flawed("alice", &[], Flaw::ServerOnly)),
        ("signed with SHA-1", clients, Request::flawed("alice", &[], Flaw::Sha1)),
        ("of another authority", &stranger, Request::client("alice", &[])),
        ("of an authority that was made anew", &again, Request::client("alice", &[])),
        (
            "of the front proxies' authority",
            &bench.authorities.request_headers,
            Request::client("nginx", &[]),
        ),
        ("two common names", clients, Request::client_with_common_names(&["Users", "carol"])),
        ("sound", clients, Request::client("erin", &["dev"])),
    ] {
        bench.show_certificate(title, &authority.issue(&request).unwrap());
    }
    bench.assert_shown("certificates");
}

#[test]
fn a_missing_right_to_impersonate_is_a_rule_to_grant() {
    let bench = Bench::new();
    let user = |name: &str, changes: Value| {
        let leaf = bench.authorities.clients.issue(&Request::client(name, &["dev"])).unwrap();
        let mut user =
            json!({ "client-certificate": bench.file("crt", &leaf.full_chain()), "client-key": bench.file("key", leaf.key.expose()) });
        user.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        user
    };
    bench.show_kubeconfig("a user", &json!({}), &user("frank", json!({ "as": "bob" })));
    let extra = json!({ "as": "alice", "as-user-extra": { "authentication.kubernetes.io/credential-id": ["JTI=0c1d"] } });
    bench.show_kubeconfig("an extra that the API server adds by itself", &json!({}), &user("a-proxy", extra));
    bench.assert_shown("impersonation");
}

#[test]
fn a_token_whose_pod_is_gone_is_explained() {
    let bench = Bench::new();
    let kubectl = |arguments: &[&str]| {
        shared()
            .stage
            .authlab(&[&["shell", "--", "kubectl", "--namespace", "authlab"], arguments].concat())
            .success()
    };
    kubectl(&["create", "serviceaccount", "explained"]);
    let overrides = r#"--overrides={"spec":{"serviceAccountName":"explained"}}"#;
    kubectl(&["run", "explained", "--image=none", overrides]);
    let token = || {
        let bound = [
            "create",
            "token",
            "explained",
            "--bound-object-kind=Pod",
            "--bound-object-name=explained",
        ];
        Secret::new(kubectl(&bound).trim())
    };
    // An accepted token is cached for some seconds: one token to be accepted, one to be refused, and one to wait with.
    let (before, after, probe) = (token(), token(), token());
    bench.show_token("accepted", &before);
    kubectl(&["delete", "pod", "explained", "--force", "--grace-period=0"]);
    kubectl(&["run", "explained", "--image=none", overrides]);
    until_refused(&bench, &probe);
    bench.show_token("its Pod is gone", &after);
    bench.assert_shown("pods");
}

/// Waits until the API server refuses `token`. It caches an accepted token together with the audiences of the review
/// (kubernetes/apiserver `pkg/authentication/token/cache`), so each review uses another audience.
fn until_refused(bench: &Bench, token: &Secret) {
    let mut asked = 0;
    wait("the refusal of the token", Duration::from_secs(30), || {
        asked += 1;
        let audiences = ["https://kubernetes.default.svc".to_owned(), format!("question-{asked}")];
        let review = json!({ "apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview",
            "spec": { "token": token.expose(), "audiences": audiences } });
        let file = bench.file("review.json", &review.to_string());
        let arguments = [
            "shell",
            "--",
            "kubectl",
            "create",
            "--output=json",
            "--filename",
            file.to_str().unwrap(),
        ];
        let status = shared().stage.authlab(&arguments).json()["status"].clone();
        if status["authenticated"] == true {
            Condition::NotYet("it is still accepted".to_owned())
        } else {
            Condition::Met(())
        }
    });
}

#[test]
fn a_certificate_of_version_1_as_openssl_makes_it_is_presented() {
    let bench = Bench::new();
    let pki = shared().stage.lab("default").join("pki");
    // `openssl x509 -req` adds no extension by itself, and a certificate without any is of version 1 (RFC 5280 §4.1.2.1).
    let script = r#"openssl req -new -newkey rsa:2048 -nodes -keyout v1.key -subj /CN=henry/O=one -out v1.csr &&
        openssl x509 -req -in v1.csr -CA "$1/clients.crt" -CAkey "$1/clients.key" -set_serial 7 -days 1 -out v1.crt"#;
    let made = std::process::Command::new("bash")
        .args(["-c", script, "bash", pki.to_str().unwrap()])
        .current_dir(bench.home.path())
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    let file = |name: &str| bench.home.path().join(name).display().to_string();
    let said = bench
        .stage
        .authlab(&["explain", "--json", "--certificate", &file("v1.crt"), "--key", &file("v1.key")]);
    assert_eq!(said.json()["user"], "henry");
}
