//! `authlab explain` and kubectl agree on every kubeconfig: accepted or not, and as whom.
//!
//! The table has all pairs of clusters and users below. A pair on which the two differ on purpose is a line of [`DIFFERENT`], with the
//! reason.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use authlab::pki::{Authority, Flaw, Leaf, Request};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::explaining::Bench;
use crate::kubeconfigs::kubectls;
use crate::stage::{Stage, oldest, shared};

/// Pairs on which authlab and kubectl differ, by the names of the cluster and the user (`*` for all), with the reason.
const DIFFERENT: &[(&str, &str, &str)] = &[];

/// The number of commands that run at once.
const AT_ONCE: usize = 4;

/// The part of the table that every run compares.
const SAMPLE: usize = 9;

/// The user and the groups that a kubeconfig leads to, or `None`.
type Outcome = Option<(String, Vec<String>)>;

struct Case {
    cluster: &'static str,
    user: &'static str,
    file: PathBuf,
}

fn clusters(bench: &Bench) -> Vec<(&'static str, Value)> {
    let main = &bench.lab["api_servers"]["main"];
    let url = main["url"].as_str().unwrap();
    let authority = main["serving_authority"].as_str().unwrap();
    let data = STANDARD.encode(authority);
    let wrapped = data
        .as_bytes()
        .chunks(64)
        .map(|line| std::str::from_utf8(line).unwrap())
        .collect::<Vec<_>>();
    let with = |changes: Value| {
        let mut cluster = json!({ "server": url, "certificate-authority-data": data });
        cluster.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        cluster
    };
    let port = url.rsplit(':').next().unwrap();
    let stranger = STANDARD.encode(Authority::root("stranger").unwrap().certificate());
    vec![
        ("sound", with(json!({}))),
        ("slash", with(json!({ "server": format!("{url}/") }))),
        ("query", with(json!({ "server": format!("{url}?a=b") }))),
        ("path", with(json!({ "server": format!("{url}/k8s/clusters/c-1") }))),
        ("plain-http", with(json!({ "server": url.replace("https:", "http:") }))),
        ("no-scheme", with(json!({ "server": format!("127.0.0.1:{port}") }))),
        ("localhost", with(json!({ "server": format!("https://localhost:{port}") }))),
        ("ipv6", with(json!({ "server": format!("https://[::1]:{port}") }))),
        ("nobody-there", with(json!({ "server": "https://127.0.0.1:1" }))),
        ("no-server", with(json!({ "server": "" }))),
        ("wrapped", with(json!({ "certificate-authority-data": wrapped.join("\r\n") }))),
        ("folded", with(json!({ "certificate-authority-data": wrapped.join(" ") }))),
        ("other-authority", with(json!({ "certificate-authority-data": stranger }))),
        ("no-authority", json!({ "server": url })),
        ("unverified", json!({ "server": url, "insecure-skip-tls-verify": true })),
        ("unverified-and-authority", with(json!({ "insecure-skip-tls-verify": true }))),
        ("server-name", with(json!({ "tls-server-name": "kubernetes.default.svc" }))),
        ("other-server-name", with(json!({ "tls-server-name": "elsewhere.test" }))),
        ("proxy-without-scheme", with(json!({ "proxy-url": "127.0.0.1:1" }))),
        ("dead-proxy", with(json!({ "proxy-url": "http://127.0.0.1:1" }))),
        ("dead-socks", with(json!({ "proxy-url": "socks5://127.0.0.1:1" }))),
    ]
}

fn users(bench: &Bench) -> Vec<(&'static str, Value)> {
    let clients = &bench.authorities.clients;
    let of = |request: &Request| clients.issue(request).unwrap();
    let pair = |certificate: &Leaf, key: &Leaf| json!({ "client-certificate-data": STANDARD.encode(certificate.full_chain()), "client-key-data": STANDARD.encode(key.key.expose()) });
    let alice = of(&Request::client("alice", &["dev"]));
    let bob = of(&Request::client("bob", &[]));
    let plain = pair(&alice, &alice);
    let with = |base: &Value, changes: Value| {
        let mut user = base.clone();
        user.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        user
    };
    let flawed = |flaw: Flaw| {
        let leaf = of(&Request::flawed("alice", &[], flaw));
        pair(&leaf, &leaf)
    };
    let stranger = Authority::root("stranger").unwrap().issue(&Request::client("alice", &[])).unwrap();
    let administrator = bench.administrator();
    // Valid for an hour, which the whole table needs: Keycloak's would expire on the way.
    let token = bench
        .signer
        .token("rs256")
        .unwrap()
        .subject("alice")
        .claim("groups", json!(["dev"]));
    let token = token.sign().unwrap();
    let token = token.expose();
    let file = |name: &str, text: &str| bench.file(name, text).display().to_string();
    let exec = |version: &str, script: &str| {
        json!({ "exec": { "apiVersion": format!("client.authentication.k8s.io/{version}"), "command": "sh", "args": ["-c", script],
            "interactiveMode": "Never" } })
    };
    let printing = |version: &str, status: Value| {
        let credential =
            json!({ "apiVersion": format!("client.authentication.k8s.io/{version}"), "kind": "ExecCredential", "status": status });
        exec(version, &format!("cat <<'.'\n{credential}\n."))
    };
    let provider = |name: &str, config: Value| json!({ "auth-provider": { "name": name, "config": config } });
    vec![
        ("nobody", json!({})),
        ("null", Value::Null),
        ("certificate", plain.clone()),
        ("administrator", administrator.clone()),
        ("expired", flawed(Flaw::Expired)),
        ("not-yet-valid", flawed(Flaw::NotYetValid)),
        ("for-servers", flawed(Flaw::ServerOnly)),
        ("no-common-name", flawed(Flaw::NoCommonName)),
        ("stranger", pair(&stranger, &stranger)),
        ("another-key", pair(&alice, &bob)),
        ("no-key", json!({ "client-certificate-data": STANDARD.encode(alice.full_chain()) })),
        ("no-certificate", json!({ "client-key-data": STANDARD.encode(alice.key.expose()) })),
        ("no-base64", with(&plain, json!({ "client-key-data": "???" }))),
        (
            "files",
            json!({ "client-certificate": file("alice.crt", &alice.full_chain()), "client-key": file("alice.key", alice.key.expose()) }),
        ),
        ("no-file", json!({ "client-certificate": "gone.crt", "client-key": "gone.key" })),
        (
            "data-and-file",
            with(&plain, json!({ "client-certificate": "gone.crt", "client-key": "gone.key" })),
        ),
        ("token", json!({ "token": token })),
        ("token-in-spaces", json!({ "token": format!(" {token}") })),
        ("token-and-line-break", json!({ "token": format!("{token}\n") })),
        ("bearer-token", json!({ "token": format!("Bearer {token}") })),
        ("unknown-token", json!({ "token": "07401b.f395accd246ae52d" })),
        ("token-file", json!({ "tokenFile": file("token.txt", &format!("{token}\n")) })),
        ("empty-token-file", json!({ "tokenFile": file("empty.txt", "") })),
        ("no-token-file", json!({ "tokenFile": "gone.txt" })),
        (
            "token-file-and-token",
            json!({ "tokenFile": file("token.txt", token), "token": "x" }),
        ),
        ("certificate-and-token", with(&plain, json!({ "token": token }))),
        ("expired-and-token", with(&flawed(Flaw::Expired), json!({ "token": token }))),
        ("password", json!({ "username": "alice", "password": "secret" })),
        (
            "password-and-token",
            json!({ "username": "alice", "password": "secret", "token": token }),
        ),
        ("plugin", printing("v1", json!({ "token": token }))),
        ("beta-plugin", printing("v1beta1", json!({ "token": token }))),
        ("alpha-plugin", printing("v1alpha1", json!({ "token": token }))),
        ("unknown-version", printing("v1beta2", json!({ "token": token }))),
        (
            "no-mode",
            with(
                &json!({}),
                json!({ "exec": { "apiVersion": "client.authentication.k8s.io/v1", "command": "true" } }),
            ),
        ),
        (
            "no-command",
            json!({ "exec": { "apiVersion": "client.authentication.k8s.io/v1", "interactiveMode": "Never" } }),
        ),
        (
            "missing-plugin",
            json!({ "exec": { "apiVersion": "client.authentication.k8s.io/v1", "command": "no-such-plugin", "interactiveMode": "Never" } }),
        ),
        ("failing-plugin", exec("v1", "exit 3")),
        ("silent-plugin", exec("v1", "true")),
        (
            "plugin-with-certificate",
            printing(
                "v1",
                json!({ "clientCertificateData": alice.full_chain(), "clientKeyData": alice.key.expose() }),
            ),
        ),
        ("plugin-without-credential", printing("v1", json!({}))),
        (
            "plugin-and-token",
            with(&printing("v1", json!({ "token": "x" })), json!({ "token": token })),
        ),
        ("gcp", provider("gcp", json!({ "access-token": token }))),
        (
            "oidc",
            provider(
                "oidc",
                json!({ "idp-issuer-url": "https://issuer.test", "client-id": "kubernetes", "id-token": token }),
            ),
        ),
        ("as-bob", with(&administrator, json!({ "as": "bob" }))),
        (
            "as-bob-in-groups",
            with(&administrator, json!({ "as": "bob", "as-groups": ["dev"], "as-uid": "7" })),
        ),
        (
            "as-bob-with-extra",
            with(
                &administrator,
                json!({ "as": "bob", "as-user-extra": { "example.test/scope": ["view"] } }),
            ),
        ),
        ("as-groups-alone", with(&administrator, json!({ "as-groups": ["dev"] }))),
        ("as-bob-without-right", with(&plain, json!({ "as": "bob" }))),
        ("misspelt-as", with(&administrator, json!({ "act-as": "bob" }))),
        ("groups-as-text", with(&administrator, json!({ "as": "bob", "as-groups": "dev" }))),
        ("token-as-number", json!({ "token": 7 })),
    ]
}

/// Returns the table: every cluster with a few users, and every user with a few clusters.
fn table(bench: &Bench) -> Vec<Case> {
    const TELLING_CLUSTERS: &[&str] = &["sound", "unverified", "server-name", "path", "slash"];
    const TELLING_USERS: &[&str] = &["certificate", "administrator", "token", "nobody", "as-bob", "plugin"];
    let mut all = Vec::new();
    let users = users(bench);
    for (cluster_name, cluster) in clusters(bench) {
        for (user_name, user) in &users {
            if !TELLING_CLUSTERS.contains(&cluster_name) && !TELLING_USERS.contains(user_name) {
                continue;
            }
            let config = json!({ "apiVersion": "v1", "kind": "Config", "current-context": "c",
                "contexts": [{ "name": "c", "context": { "cluster": "k", "user": "u" } }],
                "clusters": [{ "name": "k", "cluster": cluster }], "users": [{ "name": "u", "user": user }] });
            all.push(Case {
                cluster: cluster_name,
                user: user_name,
                file: bench.file(&format!("{cluster_name}+{user_name}.json"), &config.to_string()),
            });
        }
    }
    all
}

fn asked_of_kubectl(kubectl: &Path, case: &Case) -> (Outcome, String) {
    let said = Command::new(kubectl)
        .args(["auth", "whoami", "--output=json", "--kubeconfig"])
        .arg(&case.file)
        .env("HOME", case.file.parent().unwrap())
        .env_remove("KUBECONFIG")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let user = said.status.success().then(|| {
        let review: Value = serde_json::from_slice(&said.stdout).unwrap();
        identity(&review["status"]["userInfo"]["username"], &review["status"]["userInfo"]["groups"])
    });
    (user, String::from_utf8_lossy(&said.stderr).trim().to_owned())
}

fn asked_of_authlab(stage: &Stage, case: &Case) -> (Outcome, String) {
    let said = stage.authlab(&["explain", "--json", "--kubeconfig", case.file.to_str().unwrap()]);
    let told: Value = serde_json::from_str(&said.out).unwrap_or_else(|_| panic!("{} and {}: {said:?}", case.cluster, case.user));
    assert_eq!(said.code == 0, told["outcome"] == "accepted", "{said:?}");
    let user = (said.code == 0).then(|| identity(&told["user"], &told["groups"]));
    let first = &told["findings"][0];
    (user, format!("{}: {}", told["outcome"], first["seen"]))
}

fn identity(user: &Value, groups: &Value) -> (String, Vec<String>) {
    let groups = groups.as_array().into_iter().flatten();
    let mut groups: Vec<String> = groups.map(|group| group.as_str().unwrap().to_owned()).collect();
    groups.sort();
    (user.as_str().unwrap().to_owned(), groups)
}

/// Compares every one of `cases` with each of `kubectls`, and returns how many were accepted by all.
fn compare(kubectls: &[PathBuf], stage: &Stage, cases: &[Case]) -> usize {
    let next = AtomicUsize::new(0);
    let differing = Mutex::new(BTreeMap::new());
    let accepted = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let (ours, told) = asked_of_authlab(stage, case);
                    let on_purpose = DIFFERENT
                        .iter()
                        .any(|(cluster, user, _)| (*cluster == "*" || *cluster == case.cluster) && (*user == "*" || *user == case.user));
                    for kubectl in kubectls {
                        let (theirs, said) = asked_of_kubectl(kubectl, case);
                        if (ours == theirs) == on_purpose {
                            let text = format!("{}: {theirs:?} ({said})\n    authlab: {ours:?} ({told})", kubectl.display());
                            differing.lock().unwrap().insert((case.cluster, case.user), text);
                        }
                    }
                    if ours.is_some() {
                        accepted.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    let differing = differing.into_inner().unwrap();
    let told: Vec<String> = differing
        .iter()
        .map(|((cluster, user), text)| format!("{cluster} and {user}:\n    {text}"))
        .collect();
    assert!(told.is_empty(), "{} of {} differ:\n{}", told.len(), cases.len(), told.join("\n"));
    accepted.into_inner()
}

/// Returns kubectl of the lab's version.
fn kubectl_of_the_lab() -> PathBuf {
    let found = shared().stage.authlab(&["shell", "--", "sh", "-c", "command -v kubectl"]).success();
    PathBuf::from(found.trim())
}

#[test]
fn kubectl_and_explain_agree_on_a_part_of_the_table() {
    let bench = Bench::new();
    let all = table(&bench);
    let part: Vec<Case> = all
        .into_iter()
        .enumerate()
        .filter(|(index, _)| index % SAMPLE == 0)
        .map(|(_, case)| case)
        .collect();
    assert!(compare(&[kubectl_of_the_lab()], bench.stage, &part) >= 5);
}

/// Compares the whole table at the API server of `stage`, with every kubectl in the cache.
fn compare_all(stage: &'static Stage) {
    let bench = Bench::at(stage);
    let all = table(&bench);
    assert!(all.len() >= 300, "{}", all.len());
    let accepted = compare(&kubectls(), stage, &all);
    assert!(accepted >= 50, "{accepted}");
}

#[test]
#[ignore = "takes minutes: several hundred kubeconfigs, with every kubectl in the cache"]
fn kubectl_and_explain_agree_on_the_whole_table() {
    compare_all(&shared().stage);
}

#[test]
#[ignore = "takes minutes, and needs the servers of the oldest version"]
fn kubectl_and_explain_agree_on_the_whole_table_at_the_oldest_version() {
    compare_all(&oldest().stage);
}
