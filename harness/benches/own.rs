//! The speed of `authlab try` and `authlab check`, as ratios to the same work with kubectl: `cargo bench --bench own`.
//!
//! By hand, somebody has an issuer that signs tokens, starts etcd and kube-apiserver with the configuration, and asks with kubectl.
//! The issuer is not counted there. Of the versions of Kubernetes in the cache, the newest counts where one is enough, and at most three
//! where several are tried, so that it ends within three minutes.
#![expect(clippy::print_stdout, reason = "this program is its output")]
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot go on stops")]

mod by_hand;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use authlab::cluster::Authorities;
use authlab::event::Events;
use authlab::identity_provider::issuer::{Algorithm, Issuer, IssuerPath};
use authlab::lab::LabOptions;
use authlab::server_binaries::{self, ServerBinaries, State, Versions};

use by_hand::ApiServer;
use by_hand::measure::ratio;

/// The number of measurements; the median counts. Long work is measured once.
const ROUNDS: usize = 3;

/// The greatest number of versions that are tried together.
const VERSIONS: usize = 3;

/// The number of people of the project.
const PEOPLE: usize = 10;

/// The number of issuers of the project.
const ISSUERS: usize = 3;

const RIGHTS: &str = "\
apiVersion: v1
kind: Namespace
metadata: {name: team-a}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: deployer, namespace: team-a}
rules: [{apiGroups: [apps], resources: [deployments], verbs: [create]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: deployer, namespace: team-a}
subjects: [{kind: Group, apiGroup: rbac.authorization.k8s.io, name: 'oidc:team-a'}]
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: deployer}
";

fn main() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    // `cargo bench` and `cargo test --benches` pass options that have no meaning here.
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(measure());
}

async fn measure() {
    let cached = some(cached().await);
    let newest = cached.last().unwrap();
    let versions: Vec<_> = cached.iter().map(|binaries| binaries.version.to_string()).collect();
    println!(
        "Kubernetes {}; `try` is the median of {ROUNDS} rounds, taken in turn\n",
        versions.join(", ")
    );

    let place = tempfile::tempdir().unwrap();
    let project = Project::write(place.path().join("project"), place.path().join("state"));
    let by_hand = ByHand::set_up(&place.path().join("by-hand")).await;

    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        ours.push(project.authlab(&["try", "person-1", "--may", "create deployments.apps in team-a"]));
        theirs.push(by_hand.all_of_it(newest, 1).await);
    }
    ratio(
        "`try` from nothing / etcd, kube-apiserver and kubectl by hand",
        &mut ours,
        &mut theirs,
    );

    let (server, url) = by_hand.server(newest).await;
    by_hand.applies(&url, newest);
    project.authlab(&["up"]);
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        ours.push(project.authlab(&["try", "person-1", "--may", "create deployments.apps in team-a"]));
        theirs.push(by_hand.asks(&url, newest, 1));
    }
    ratio(
        "`try` in a project that is up / `kubectl auth whoami` and `can-i` at a server that runs",
        &mut ours,
        &mut theirs,
    );
    project.authlab(&["down"]);

    server.end().await;

    let begun = Instant::now();
    let requests = project.requests_of_check();
    let ours = begun.elapsed();
    let theirs = by_hand.all_of_it(newest, requests).await;
    ratio(
        &format!("`check` of {ISSUERS} issuers from nothing / {requests} tokens presented by kubectl, one after the other"),
        &mut [ours],
        &mut [theirs],
    );

    let ours = project.authlab(&["try", "--all", "--kubernetes", &versions.join(",")]);
    let begun = Instant::now();
    for binaries in &cached {
        by_hand.all_of_it(binaries, PEOPLE).await;
    }
    let theirs = begun.elapsed();
    ratio(
        &format!(
            "`try --all` of {PEOPLE} people on {} versions / by hand, version after version",
            cached.len()
        ),
        &mut [ours],
        &mut [theirs],
    );
}

/// Returns the oldest, the middle one and the newest of `cached`.
fn some(mut cached: Vec<ServerBinaries>) -> Vec<ServerBinaries> {
    while cached.len() > VERSIONS {
        cached.remove(if cached.len().is_multiple_of(2) { 1 } else { cached.len() - 2 });
    }
    cached
}

/// Returns the programs of each pinned version that is in the cache, the newest last.
async fn cached() -> Vec<ServerBinaries> {
    let options = LabOptions::default().server_binaries;
    let mut found = Vec::new();
    let listed = server_binaries::list(&options).unwrap();
    for kubernetes in &Versions::pinned().kubernetes {
        let version = kubernetes.version.to_string();
        if listed.iter().any(|one| one.version == version && one.state == State::Cached) {
            found.push(server_binaries::obtain(kubernetes, &options, &Events::silent()).await.unwrap());
        }
    }
    found
}

/// A project directory, with the state of its labs.
struct Project {
    directory: PathBuf,
    state: PathBuf,
}

impl Project {
    fn write(directory: PathBuf, state: PathBuf) -> Self {
        std::fs::create_dir(&directory).unwrap();
        let entries: String = (1..=ISSUERS)
            .map(|number| entry(&format!("https://login-{number}.example.com"), None))
            .collect();
        std::fs::write(directory.join("authn.yaml"), configuration(&entries)).unwrap();
        std::fs::write(directory.join("rights.yaml"), RIGHTS).unwrap();
        let people: String = (1..=PEOPLE)
            .map(|number| {
                format!(
                    "[people.person-{number}]\nissuer = \"https://login-1.example.com\"\nclaims = {{ sub = \"person-{number}\", groups = [\"team-a\"] }}\n"
                )
            })
            .collect();
        let project = format!("manifests = [\"rights.yaml\"]\n[api-server]\nauthentication-configuration = \"authn.yaml\"\n{people}");
        std::fs::write(directory.join("authlab.toml"), project).unwrap();
        Self { directory, state }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_authlab"));
        command
            .args(arguments)
            .current_dir(&self.directory)
            .env("AUTHLAB_STATE_DIR", &self.state)
            .stdin(Stdio::null())
            .stderr(Stdio::null());
        command
    }

    /// Runs the command, which must succeed, and returns the time that it took.
    fn authlab(&self, arguments: &[&str]) -> Duration {
        let begun = Instant::now();
        let status = self.command(arguments).stdout(Stdio::null()).status().unwrap();
        assert!(status.success(), "authlab {}: {status}", arguments.join(" "));
        begun.elapsed()
    }

    /// Runs `check`, and returns the number of its requests. Findings are no failure here.
    fn requests_of_check(&self) -> usize {
        let output = self.command(&["check", "--json"]).output().unwrap();
        let told: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        told["requests"][0]["requests"].as_array().unwrap().len()
    }
}

/// All that somebody has who does the same by hand.
struct ByHand {
    tokens: Vec<String>,
    rights: String,
    flags: [String; 3],
    home: String,
    _issuer: Issuer,
}

/// The token of the administrator, by `--token-auth-file`.
const ADMINISTRATOR: &str = "administrator-of-a-benchmark";

impl ByHand {
    async fn set_up(directory: &Path) -> Self {
        std::fs::create_dir(directory).unwrap();
        let pki = directory.join("pki");
        std::fs::create_dir(&pki).unwrap();
        let authorities = Authorities::create(&pki, &[]).unwrap();
        let serving = authorities.serving_certificate("issuer").unwrap();
        let issuer = Issuer::start(&serving, vec![IssuerPath::new("es256", &[Algorithm::Es256])])
            .await
            .unwrap();
        let url = issuer.signer().url("es256").unwrap();
        let token = |number: usize| {
            let token = issuer.signer().token("es256").unwrap().audience("kubernetes");
            token
                .subject(&format!("person-{number}"))
                .claim("groups", vec!["team-a"])
                .sign()
                .unwrap()
                .expose()
                .to_owned()
        };
        let file = |name: &str, text: &str| {
            let path = directory.join(name);
            std::fs::write(&path, text).unwrap();
            path.display().to_string()
        };
        let entry = entry(&url, Some(authorities.serving.certificate()));
        Self {
            tokens: (0..1000).map(token).collect(),
            rights: file("rights.yaml", RIGHTS),
            flags: [
                format!("--authentication-config={}", file("authn.yaml", &configuration(&entry))),
                format!(
                    "--token-auth-file={}",
                    file("tokens.csv", &format!("{ADMINISTRATOR},admin,1,system:masters\n"))
                ),
                "--authorization-mode=RBAC".to_owned(),
            ],
            home: directory.display().to_string(),
            _issuer: issuer,
        }
    }

    async fn server(&self, binaries: &ServerBinaries) -> (ApiServer, String) {
        ApiServer::start(binaries, &self.flags.each_ref().map(String::as_str)).await
    }

    /// Starts the servers, applies the rights and asks for `people`. Ending the servers is not counted.
    async fn all_of_it(&self, binaries: &ServerBinaries, people: usize) -> Duration {
        let begun = Instant::now();
        let (server, url) = self.server(binaries).await;
        self.applies(&url, binaries);
        self.asks(&url, binaries, people);
        let took = begun.elapsed();
        server.end().await;
        took
    }

    fn applies(&self, url: &str, binaries: &ServerBinaries) {
        self.kubectl(url, binaries, ADMINISTRATOR, &["apply", "--filename", &self.rights]);
    }

    /// Asks who each of `people` is, and what the first of them may do.
    fn asks(&self, url: &str, binaries: &ServerBinaries, people: usize) -> Duration {
        let begun = Instant::now();
        for token in &self.tokens[..people] {
            self.kubectl(url, binaries, token, &["auth", "whoami"]);
        }
        let may = ["auth", "can-i", "create", "deployments.apps", "--namespace=team-a"];
        self.kubectl(url, binaries, &self.tokens[0], &may);
        begun.elapsed()
    }

    /// Runs kubectl, which must succeed.
    fn kubectl(&self, url: &str, binaries: &ServerBinaries, token: &str, arguments: &[&str]) {
        let output = Command::new(&binaries.kubectl)
            .args([
                &format!("--server={url}"),
                "--insecure-skip-tls-verify",
                &format!("--token={token}"),
            ])
            .args(arguments)
            .env("HOME", &self.home)
            .env_remove("KUBECONFIG")
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

/// Returns an AuthenticationConfiguration with the entries, in a version that all API servers read.
fn configuration(entries: &str) -> String {
    format!("apiVersion: apiserver.config.k8s.io/v1beta1\nkind: AuthenticationConfiguration\njwt:\n{entries}")
}

/// Returns the entry of an issuer.
fn entry(url: &str, authority: Option<&str>) -> String {
    let authority = authority.map_or_else(String::new, |pem| {
        let lines: String = pem.lines().map(|line| format!("      {line}\n")).collect();
        format!("    certificateAuthority: |\n{lines}")
    });
    format!(
        "- issuer:\n    url: {url}\n    audiences: [kubernetes]\n{authority}  claimMappings:\n    username: {{claim: sub, prefix: 'oidc:'}}\n    groups: {{claim: groups, prefix: 'oidc:'}}\n"
    )
}
