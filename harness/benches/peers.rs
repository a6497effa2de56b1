//! The speed of authlab beside tools that do part of its work, as ratios in one run: `cargo bench --bench peers`.
//!
//! - envtest (Go, `sigs.k8s.io/controller-runtime`), with the same programs of Kubernetes: `authlab try` has a verdict / envtest is ready.
//! - mock-oauth2-server (Java), as `authlab issuer`: from the command to the first discovery document.
//! - Kubernetes' own integration tests of OpenID Connect, a case of which starts an API server: only with `-- --upstream`, since they are compiled
//!   for ten minutes and run for six.
//!
//! Each peer is built or fetched by its own ecosystem's client; one that cannot be had is named. Kubernetes must be in the cache.
#![expect(clippy::print_stdout, reason = "this program is its output")]
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot go on stops")]

#[path = "by_hand/measure.rs"]
mod measure;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use authlab::event::Events;
use authlab::identity_provider::keycloak::java;
use authlab::lab::LabOptions;
use authlab::process::{Program, port};
use authlab::server_binaries::{self, ServerBinaries, Versions};

use measure::{answers, ratio};

/// The number of measurements; the median counts.
const ROUNDS: usize = 3;

const PEERS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/peers");

fn main() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let options = LabOptions::default().server_binaries;
        let newest = Versions::pinned().newest();
        let binaries = server_binaries::obtain(newest, &options, &Events::silent()).await.unwrap();
        println!("Kubernetes {}; medians of {ROUNDS} rounds, taken in turn\n", binaries.version);
        let place = tempfile::tempdir().unwrap();
        envtest(&binaries, place.path());
        mock_oauth2_server(place.path()).await;
        if std::env::args().any(|argument| argument == "--upstream") {
            upstream(&binaries, place.path());
        }
    });
}

/// Runs `command` and returns what it printed; `None`, with the reason on the screen, if it fails.
fn printed(command: &mut Command) -> Option<String> {
    match command.stdin(Stdio::null()).output() {
        Ok(output) if output.status.success() => Some(String::from_utf8_lossy(&output.stdout).into_owned()),
        Ok(output) => {
            println!("not measured: {command:?}: {}", String::from_utf8_lossy(&output.stderr));
            None
        }
        Err(error) => {
            println!("not measured: {command:?}: {error}");
            None
        }
    }
}

/// Compares a verdict of `authlab try`, with all that is started for it, with a control plane of envtest that is ready for the first request.
fn envtest(binaries: &ServerBinaries, place: &Path) {
    let program = place.join("envtest");
    let mut build = Command::new("go");
    build
        .current_dir(format!("{PEERS}/envtest"))
        .args(["build", "-o"])
        .arg(&program)
        .arg(".");
    if printed(&mut build).is_none() {
        return;
    }
    let claims = place.join("claims.json");
    std::fs::write(&claims, r#"{"sub": "alice"}"#).unwrap();
    let configuration = place.join("authn.yaml");
    let text = "apiVersion: apiserver.config.k8s.io/v1\nkind: AuthenticationConfiguration\njwt:\n- issuer:\n    url: https://login.example.com\n    audiences: [kubernetes]\n  claimMappings:\n    username: {claim: sub, prefix: ''}\n";
    std::fs::write(&configuration, text).unwrap();
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let said = printed(Command::new(&program).arg(binaries.kube_apiserver.parent().unwrap()));
        let Some(milliseconds) = said.and_then(|said| said.trim().parse().ok()) else {
            return;
        };
        theirs.push(Duration::from_millis(milliseconds));
        let begun = Instant::now();
        let mut tried = authlab(place);
        tried
            .arg("try")
            .arg("--authentication-configuration")
            .arg(&configuration)
            .arg("--claims")
            .arg(&claims);
        if printed(&mut tried).is_none() {
            return;
        }
        ours.push(begun.elapsed());
    }
    ratio(
        "`authlab try` from nothing, with its verdict and its end / envtest until it is ready",
        &mut ours,
        &mut theirs,
    );
}

/// Returns the command, with a state directory of its own and no project.
fn authlab(place: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_authlab"));
    command.env("AUTHLAB_STATE_DIR", place.join("state")).current_dir(place);
    command
}

/// Compares `authlab issuer` with mock-oauth2-server: from the start until the discovery document.
async fn mock_oauth2_server(place: &Path) {
    let path = place.join("class-path");
    let mut fetched = Command::new("mvn");
    fetched.args(["-q", "-B", "-f"]).arg(format!("{PEERS}/mock-oauth2-server/pom.xml"));
    fetched
        .arg("dependency:build-classpath")
        .arg(format!("-Dmdep.outputFile={}", path.display()));
    if printed(&mut fetched).is_none() {
        return;
    }
    let given = std::env::var_os("AUTHLAB_JAVA").map(PathBuf::from);
    let java = java::find(given.as_deref(), java::tested(&Versions::pinned().keycloak.version))
        .await
        .unwrap();
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let free = port::free().unwrap();
        let peer = Program::new(
            "mock-oauth2-server",
            java.home.join("bin/java"),
            place.join("mock-oauth2-server.log"),
        )
        .argument("-cp")
        .argument(std::fs::read_to_string(&path).unwrap())
        .argument("no.nav.security.mock.oauth2.StandaloneMockOAuth2ServerKt")
        .environment("SERVER_PORT", free.to_string());
        theirs.push(until_discovery(peer, &format!("http://127.0.0.1:{free}/default")).await);

        let free = port::free().unwrap();
        let issuer = Program::new("issuer", env!("CARGO_BIN_EXE_authlab"), place.join("issuer.log"))
            .arguments(["issuer", "--http", "--port"])
            .argument(free.to_string())
            .environment("AUTHLAB_STATE_DIR", place.join("state"))
            .inherit(&["HOME"]);
        ours.push(until_discovery(issuer, &format!("http://127.0.0.1:{free}/default")).await);
    }
    ratio(
        "`authlab issuer` until its discovery document / mock-oauth2-server",
        &mut ours,
        &mut theirs,
    );
}

async fn until_discovery(program: Program, issuer: &str) -> Duration {
    let begun = Instant::now();
    let mut child = program.start().await.unwrap();
    answers(&mut child, &format!("{issuer}/.well-known/openid-configuration")).await;
    let took = begun.elapsed();
    child.kill().await.unwrap();
    took
}

/// Upstream's package of integration tests, in the module that the servers were built of.
const UPSTREAM: &str = "k8s.io/kubernetes/test/integration/apiserver/oidc";

/// Compares a scenario about OpenID Connect with a case of upstream's integration tests, in a lab that is up and without compiling.
fn upstream(binaries: &ServerBinaries, place: &Path) {
    let module = place.join("upstream");
    std::fs::create_dir(&module).unwrap();
    let cached = binaries.kube_apiserver.parent().unwrap();
    for file in ["go.mod", "go.sum"] {
        std::fs::copy(cached.join(file), module.join(file)).unwrap();
    }
    let go = |arguments: &[&str]| printed(Command::new("go").current_dir(&module).args(arguments)).is_some();
    // The module needs a package of its own to depend on the tests.
    std::fs::write(module.join("none.go"), format!("package none\n\nimport _ \"{UPSTREAM}\"\n")).unwrap();
    if !go(&["get", "-t", UPSTREAM]) || !go(&["test", "-mod=mod", "-c", "-o", "oidc.test", UPSTREAM]) {
        return;
    }
    let path = format!("{}:{}", cached.display(), std::env::var("PATH").unwrap_or_default());
    let begun = Instant::now();
    let said = printed(
        Command::new(module.join("oidc.test"))
            .arg("-test.v")
            .current_dir(&module)
            .env("PATH", path),
    );
    let took = begun.elapsed();
    let Some(said) = said else { return };
    let cases = said.lines().filter(|line| line.trim_start().starts_with("--- PASS")).count();

    let ran = |words: &[&str]| printed(authlab(place).args(words)).is_some();
    // The first run starts the further API servers.
    let run = ["run", "structured_configuration", "oidc", "--report", "report"];
    let warmed = ran(&["up"]) && ran(&run);
    let begun = Instant::now();
    let passed = warmed && ran(&run);
    let ours = begun.elapsed();
    ran(&["down"]);
    if !passed {
        return;
    }
    let record = std::fs::read_to_string(place.join("report/run.json")).unwrap();
    let record: serde_json::Value = serde_json::from_str(&record).unwrap();
    let scenarios = record["scenarios"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|one| one["outcome"] == "passed")
        .count();
    assert!(scenarios > 0 && cases > 0, "{scenarios} scenarios, {cases} cases");
    println!(
        "upstream: {cases} cases in {:.0} s; ours: {scenarios} scenarios in {:.1} s",
        took.as_secs_f64(),
        ours.as_secs_f64()
    );
    let each = |all: Duration, count: usize| all.div_f64(count as f64);
    ratio(
        "a scenario / a case of upstream's OIDC tests",
        &mut [each(ours, scenarios)],
        &mut [each(took, cases)],
    );
}
