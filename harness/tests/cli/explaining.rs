//! `authlab explain` on a running lab: common mistakes, each made for real, and each the first of the findings.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use authlab::cluster::Authorities;
use authlab::identity_provider::issuer::Signer;
use authlab::identity_provider::keycloak::{KeycloakClient, KeycloakDescription};
use authlab::pki::{Authority, Flaw, Leaf, Request};
use authlab::process::wait::Condition;
use authlab::secret::Secret;
use serde_json::{Value, json};

use crate::stage::{Said, shared, wait};

/// The lab's secrets, to create credentials with, and a directory for the credentials.
pub struct Bench {
    pub home: tempfile::TempDir,
    pub lab: Value,
    pub signer: Signer,
    pub authorities: Authorities,
}

impl Bench {
    pub fn new() -> Self {
        crate::robot::choose_provider();
        let directory = shared().stage.lab("default");
        let text = std::fs::read_to_string(directory.join("lab.json")).unwrap();
        Self {
            home: tempfile::tempdir().unwrap(),
            lab: serde_json::from_str(&text).unwrap(),
            signer: Signer::load(&directory.join("issuer")).unwrap(),
            authorities: Authorities::load(&directory.join("pki")).unwrap(),
        }
    }

    pub fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.home.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    pub fn token(&self, token: &Secret) -> Said {
        self.token_at(token, &[])
    }

    /// Explains a token at the server that `options` name.
    pub fn token_at(&self, token: &Secret, options: &[&str]) -> Said {
        let file = self.file("token", token.expose());
        let presented = ["explain", "--json", "--token-file", file.to_str().unwrap()];
        let said = shared().stage.authlab(&[&presented[..], options].concat());
        let signature = token.expose().rsplit('.').next().unwrap();
        assert!(signature.len() < 8 || !said.out.contains(signature), "{said:?}");
        said
    }

    pub fn certificate(&self, leaf: &Leaf) -> Said {
        let (certificate, key) = (self.file("crt", &leaf.full_chain()), self.file("key", leaf.key.expose()));
        let options = ["--certificate", certificate.to_str().unwrap(), "--key", key.to_str().unwrap()];
        shared().stage.authlab(&[&["explain", "--json"], &options[..]].concat())
    }

    /// Explains a kubeconfig for the lab's main API server, with changes to its cluster and the user given.
    pub fn kubeconfig(&self, cluster: Value, user: Value) -> Said {
        let main = &self.lab["api_servers"]["main"];
        let authority = self.file("serving.pem", main["serving_authority"].as_str().unwrap());
        let mut all = json!({ "server": main["url"], "certificate-authority": authority });
        all.as_object_mut().unwrap().extend(cluster.as_object().unwrap().clone());
        let config = json!({ "apiVersion": "v1", "kind": "Config", "current-context": "c",
            "contexts": [{ "name": "c", "context": { "cluster": "k", "user": "u" } }],
            "clusters": [{ "name": "k", "cluster": all }], "users": [{ "name": "u", "user": user }] });
        let file = self.file("kubeconfig", &config.to_string());
        shared()
            .stage
            .authlab(&["explain", "--json", "--kubeconfig", file.to_str().unwrap()])
    }

    /// Returns the options for the lab's main API server under another name, by which `explain` does not know it as the lab's.
    pub fn outside(&self) -> Vec<String> {
        let main = &self.lab["api_servers"]["main"];
        let authority = self.file("outside.pem", main["serving_authority"].as_str().unwrap());
        let url = main["url"].as_str().unwrap().replace("127.0.0.1", "localhost");
        let options = ["--server", &url, "--certificate-authority", authority.to_str().unwrap()];
        options.map(str::to_owned).to_vec()
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
fn a_token_for_somebody_else_is_explained_by_its_audience() {
    let bench = Bench::new();
    let said = bench.token(&bench.keycloak("audience-elsewhere"));
    assert!(said.out.contains("oidc: expected audience"), "{said:?}");
    expect(
        said,
        "O5",
        &["\"another-cluster\"]", "[\"kubernetes\"]", "a mapper of the type Audience"],
    );
}

#[test]
fn an_issuer_that_is_nearly_right_is_explained_by_the_difference() {
    let bench = Bench::new();
    let keycloak = bench.lab["keycloak_issuer"].as_str().unwrap().to_owned();
    let said = |issuer: &str| {
        let token = bench.signer.token("rs256").unwrap().subject("alice").issuer(issuer);
        bench.token(&token.sign().unwrap())
    };
    expect(
        said(&format!("{keycloak}/")),
        "O28",
        &["the token's ends with a slash, and the configured one does not"],
    );
    expect(
        said(&keycloak.replace("realms/kubernetes", "realms/Kubernetes")),
        "O28",
        &["upper and lower case differ"],
    );
    expect(
        said(&keycloak.replace("realms/kubernetes", "realms/other")),
        "O28",
        &["another realm"],
    );
    expect(said(&keycloak.replace("127.0.0.1", "localhost")), "O28", &["the host differs"]);
    expect(
        said(&keycloak.replace("https:", "http:")),
        "O28",
        &["one is http, and the other is https"],
    );
    expect(said("https://issuer.test"), "O2", &["\"https://issuer.test\""]);
}

#[test]
fn times_are_explained_by_the_servers_clock() {
    let bench = Bench::new();
    let token = || bench.signer.token("rs256").unwrap().subject("alice");
    expect(
        bench.token(&token().expired(Duration::from_secs(11)).sign().unwrap()),
        "O3",
        &["expired 1", "no leeway"],
    );
    let early = token().not_before(SystemTime::now() + Duration::from_secs(97));
    expect(bench.token(&early.sign().unwrap()), "O4", &["whose leeway is 60 s"]);
}

#[test]
fn keys_and_claims_are_explained() {
    use authlab::identity_provider::issuer::Forgery;
    let bench = Bench::new();
    let token = || bench.signer.token("rs256").unwrap().subject("alice");
    expect(
        bench.token(&token().kid("gone").sign().unwrap()),
        "O8",
        &["\"gone\"", "the issuer publishes"],
    );
    expect(
        bench.token(&token().forged(Forgery::UnknownKey).sign().unwrap()),
        "O8",
        &["the issuer publishes"],
    );
    expect(
        bench.token(&bench.keycloak("without-username")),
        "O12",
        &["preferred_username", "is missing"],
    );
    expect(bench.token(&Secret::new("not.a.token")), "B6", &["not a JWT"]);
}

#[test]
fn who_is_accepted_is_told_who_they_are_and_how_to_bind_it() {
    let bench = Bench::new();
    let told = bench.token(&bench.keycloak("without-groups")).json();
    assert_eq!((&told["outcome"], &told["user"]), (&"accepted".into(), &"keycloak:alice".into()));
    assert_eq!(told["binding"]["subjects"][0]["name"], "keycloak:alice");
    let notes: Vec<&str> = told["findings"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|one| one["behaviour"].as_str())
        .collect();
    assert!(notes.contains(&"O18") && notes.contains(&"O19"), "{told}");
    let file = bench.file("token", bench.keycloak("kubernetes").expose());
    let text = shared()
        .stage
        .authlab(&["explain", "--verbose", "--token-file", file.to_str().unwrap()])
        .success();
    for part in [
        "authenticates a bearer token as \"keycloak:alice\"",
        "keycloak:platform-team",
        "kind: RoleBinding",
        "[O19]",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn certificates_are_explained() {
    let bench = Bench::new();
    let clients = &bench.authorities.clients;
    let of = |request: &Request| clients.issue(request).unwrap();
    expect(
        bench.certificate(&of(&Request::flawed("alice", &[], Flaw::Expired))),
        "X4",
        &["by the server's clock"],
    );
    expect(
        bench.certificate(&of(&Request::flawed("alice", &[], Flaw::NotYetValid))),
        "X5",
        &["is not valid before"],
    );
    expect(
        bench.certificate(&of(&Request::flawed("alice", &[], Flaw::ServerOnly))),
        "X6",
        &["clientAuth"],
    );
    let stranger = Authority::root("stranger").unwrap().issue(&Request::client("alice", &[])).unwrap();
    expect(
        bench.certificate(&stranger),
        "X3",
        &["CN=stranger", "neither in the file nor in --client-ca-file"],
    );
    let proxy = bench.authorities.request_headers.issue(&Request::client("nginx", &[])).unwrap();
    expect(
        bench.certificate(&proxy),
        "P6",
        &["\"nginx\" is not among [\"front-proxy-client\"]"],
    );
    let told = bench.certificate(&of(&Request::client("alice", &["dev"]))).json();
    assert_eq!(told["user"], "alice");
}

#[test]
fn a_kubeconfig_with_several_problems_is_told_all_of_them() {
    let bench = Bench::new();
    let said = bench.kubeconfig(
        json!({ "server": "http://127.0.0.1:1" }),
        json!({ "client-certificate-data": "???", "as-groups": ["dev"] }),
    );
    let told: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(told["outcome"], "not_sent");
    assert!(told["findings"].as_array().unwrap().len() >= 3, "{told}");
    assert!(
        said.out
            .contains("server is \\\"http://127.0.0.1:1\\\": credentials are only sent over TLS"),
        "{said:?}"
    );
    expect(said, "", &["illegal base64 data at input byte 0 (client-certificate-data)"]);
    let stranger = bench.file("stranger.pem", Authority::root("stranger").unwrap().certificate());
    let said = bench.kubeconfig(json!({ "certificate-authority": stranger }), json!({ "token": "x" }));
    let told: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(told["outcome"], "no_answer", "{told}");
    assert!(said.out.contains("and the kubeconfig's certificate-authority is"), "{said:?}");
    let said = bench.kubeconfig(json!({ "server": "https://127.0.0.1:1" }), json!({ "token": "x" }));
    assert!(said.out.contains("nothing listens at 127.0.0.1:1"), "{said:?}");
}

#[test]
fn a_plugin_that_fails_is_heard() {
    let bench = Bench::new();
    let exec = |script: &str| {
        json!({ "exec": { "apiVersion": "client.authentication.k8s.io/v1", "command": "sh",
        "args": ["-c", script], "interactiveMode": "Never" } })
    };
    let said = bench.kubeconfig(json!({}), exec("echo the network is away >&2; exit 3"));
    expect(said, "E3", &["exit status: 3", "the network is away"]);
    expect(bench.kubeconfig(json!({}), exec("echo '{}'")), "E4", &[]);
    expect(
        bench.kubeconfig(json!({}), exec("echo hello")),
        "E5",
        &["did not print an ExecCredential"],
    );
    let mut missing = exec("");
    missing["exec"]["command"] = "no-such-plugin".into();
    expect(
        bench.kubeconfig(json!({}), missing),
        "E2",
        &["cannot run the plugin \"no-such-plugin\""],
    );
}

#[test]
fn a_missing_right_to_impersonate_is_a_rule_to_grant() {
    let bench = Bench::new();
    let leaf = bench
        .authorities
        .clients
        .issue(&Request::client("alice", &["platform-team"]))
        .unwrap();
    let (certificate, key) = (bench.file("crt", &leaf.full_chain()), bench.file("key", leaf.key.expose()));
    let said = bench.kubeconfig(
        json!({}),
        json!({ "client-certificate": certificate, "client-key": key, "as": "bob" }),
    );
    // Older versions know one verb, newer ones check two others first (KEP-5284).
    let (behaviour, text) = first(said);
    assert!(["I2", "K2"].contains(&behaviour.as_str()), "{behaviour}: {text}");
    assert!(
        text.contains("grant this rule to the caller: ") && text.contains("resources: [\"users\"], verbs: [\"impersonate"),
        "{text}"
    );
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
    assert_eq!(bench.token(&before).json()["user"], "system:serviceaccount:authlab:explained");
    kubectl(&["delete", "pod", "explained", "--force", "--grace-period=0"]);
    kubectl(&["run", "explained", "--image=none", overrides]);
    until_refused(&bench, &probe);
    expect(bench.token(&after), "S13", &["the pod was recreated"]);
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
    let said = shared()
        .stage
        .authlab(&["explain", "--json", "--certificate", &file("v1.crt"), "--key", &file("v1.key")]);
    assert_eq!(said.json()["user"], "henry");
}
