//! The speed of a lab, as ratios of durations measured in one run: `cargo bench --bench lab`.
//!
//! Absolute times say more about the machine than about authlab; each line here compares with what
//! a user would do by hand on the same machine in the same minute. Binaries must be in the cache.
#![expect(clippy::print_stdout, reason = "this program is its output")]
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot go on stops")]

mod by_hand;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use authlab::cluster::container_group::ContainerGroup;
use authlab::cluster::control_plane::ControlPlane;
use authlab::cluster::process::Binaries;
use authlab::cluster::runtime::Runtime;
use authlab::cluster::{Authorities, Inputs, Minor, Placeholders};
use authlab::credential::Credential;
use authlab::engine::{Engine, Image, Labels, Presence, Scope};
use authlab::event::{Events, Verdict};
use authlab::identity_provider::Address;
use authlab::identity_provider::issuer::{Algorithm, Issuer, IssuerPath};
use authlab::identity_provider::keycloak::{self, Front, KeycloakImage, PreparedImage, Settings, java};
use authlab::lab::{Lab, LabOptions};
use authlab::probe::{Endpoint, Question, ask};
use authlab::process::wait::{Condition, until};
use authlab::process::{Program, port};
use authlab::server_binaries::images::{Images, OWN_PREFIX};
use authlab::server_binaries::{self, Kubernetes, ServerBinaries, Versions};

use by_hand::ApiServer;
use by_hand::measure::{answers, median, ratio};

/// The number of measurements; the median counts.
const ROUNDS: usize = 3;

fn main() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    // `cargo bench` and `cargo test --benches` pass options that have no meaning here.
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(measure());
}

async fn measure() {
    let events = Events::silent();
    let options = LabOptions::default();
    let pinned = Versions::pinned();
    let binaries = server_binaries::obtain(pinned.newest(), &options.server_binaries, &events)
        .await
        .unwrap();
    let home = server_binaries::obtain_keycloak(&pinned.keycloak, &options.server_binaries, &events)
        .await
        .unwrap();
    let java = java::find(
        std::env::var_os("AUTHLAB_JAVA").map(PathBuf::from).as_deref(),
        java::tested(&pinned.keycloak.version),
    )
    .await
    .unwrap();
    println!(
        "Kubernetes {}, Keycloak {}, Java {}; median of {ROUNDS} rounds, taken in turn\n",
        binaries.version, home.version, java.version
    );

    // The first start of a stock Keycloak builds it, so the second one counts.
    let scratch = tempfile::tempdir().unwrap();
    let stock = scratch.path().join("keycloak");
    copy(&home.directory, &stock);
    stock_keycloak(&stock, &java.home).await;

    let (mut alone, mut ready, mut by_hand, mut identity, mut start_dev, mut memory) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        by_hand.push(control_plane_by_hand(&binaries).await);
        alone.push(control_plane_alone(&binaries, None, &events).await);
        start_dev.push(stock_keycloak(&stock, &java.home).await);
        let begun = Instant::now();
        let lab = Lab::start(&options, &events).await.unwrap();
        ready.push(begun.elapsed());
        first_keycloak_identity(&lab).await;
        identity.push(begun.elapsed());
        lab.api_server("oidc_flags", &events).await.unwrap();
        lab.api_server("always_allow", &events).await.unwrap();
        memory.push(resident(lab.directory()) + resident_of(std::process::id()));
        lab.end(false).await.unwrap();
    }
    ratio("control plane ready / etcd, then kube-apiserver by hand", &mut alone, &mut by_hand);
    ratio(
        "the same while Keycloak starts beside it, with the lab's objects and proxies / by hand",
        &mut ready,
        &mut by_hand,
    );
    ratio(
        "nothing to first Keycloak identity / stock `kc.sh start-dev`, second start",
        &mut identity,
        &mut start_dev,
    );
    println!(
        "all servers and the harness, three API servers: {:.2} GiB resident",
        median(&mut memory) as f64 / f64::from(1 << 30)
    );
    match Containers::find(pinned.newest()).await {
        Some(containers) => containers.measure(&binaries, &home.directory, &events).await,
        None => println!("containers: not measured, no engine answers that has the images"),
    }
}

/// Waits until the API server accepts a user of Keycloak.
async fn first_keycloak_identity(lab: &Lab) {
    let keycloak = lab.keycloak().await.unwrap();
    let password = keycloak.description().passwords["alice"].clone();
    let login = keycloak.password_grant("alice", &password).await.unwrap();
    let endpoint = Endpoint::of(lab.main());
    until("the first identity", Duration::from_secs(60), || async {
        let answer = ask(&endpoint, "alice", &Credential::Token(login.id.clone()), &Question::who_am_i()).await;
        let accepted = answer.verdict == Verdict::Accepted;
        Ok::<_, std::io::Error>(if accepted {
            Condition::Met(())
        } else {
            Condition::NotYet(answer.to_string())
        })
    })
    .await
    .unwrap();
}

/// Starts a control plane like a lab's, with its own CAs and with issuers that respond later: as processes, or in containers.
async fn control_plane_alone(binaries: &ServerBinaries, containers: Option<&Containers>, events: &Events) -> Duration {
    let place = tempfile::tempdir().unwrap();
    let begun = Instant::now();
    let pki = place.path().join("pki");
    std::fs::create_dir(&pki).unwrap();
    let labels = Labels::new("benchmark", place.path());
    let scope = match containers {
        Some(containers) => {
            let created = Scope::create(containers.engine.clone(), "authlab-benchmark", labels.clone());
            Some((created.await.unwrap(), containers.images.clone()))
        }
        None => None,
    };
    let gateway = scope.as_ref().and_then(|(scope, _)| scope.network.gateway());
    let address = gateway.map_or_else(Address::loopback, Address::at);
    let authorities = Authorities::create(&pki, std::slice::from_ref(&address.host)).unwrap();
    let serving = authorities.serving_certificate("issuer").unwrap();
    let paths = vec![
        IssuerPath::new("rs256", &[Algorithm::Rs256]),
        IssuerPath::new("es256", &[Algorithm::Es256]),
    ];
    let issuer = Issuer::listen_at(&address, &serving, paths).await.unwrap();
    let front = Front::listen_at(&address).await.unwrap();
    let places = Placeholders {
        keycloak: front.issuer_url(),
        provider: "keycloak".to_owned(),
        issuer: issuer.base(),
        serving_authority: authorities.serving.certificate().to_owned(),
        serving_authority_file: authorities.file("serving.crt").display().to_string(),
        egress_file: String::new(),
        detour: String::new(),
        token_webhook: String::new(),
        access_webhook_file: String::new(),
        pki: pki.display().to_string(),
    };
    let runtime = match &scope {
        Some((scope, images)) => Runtime::Containers(Box::new(ContainerGroup::new(scope.clone(), images.clone()))),
        None => Runtime::Processes(Binaries::new(binaries, labels.id.clone())),
    };
    let inputs = Inputs {
        directory: place.path(),
        authorities: &authorities,
        version: Minor(binaries.version.minor.into()),
        places: &places,
        main: None,
    };
    let start = ControlPlane::start(runtime, inputs, None, events);
    let (started, _issuer) = futures::join!(start, issuer.serve());
    let took = begun.elapsed();
    started.unwrap().cluster.stop().await;
    if let Some((scope, _)) = scope {
        scope.sweep().await.unwrap();
    }
    took
}

/// An engine with the required images.
struct Containers {
    engine: Engine,
    images: Images,
    keycloak: Option<PreparedImage>,
}

impl Containers {
    /// Returns the reachable engine, if it has the images of `kubernetes` under the registry that `AUTHLAB_IMAGE_PREFIX` names.
    async fn find(kubernetes: &Kubernetes) -> Option<Self> {
        let prefix = std::env::var("AUTHLAB_IMAGE_PREFIX").ok();
        let engine = Engine::find(None).await.ok()?;
        let images = Images::of(kubernetes, prefix.as_deref()).unwrap();
        for image in [&images.etcd, &images.kube_apiserver, &images.kube_controller_manager] {
            let Presence::Present(_) = Image::presence(&engine, &image.to_string()).await.unwrap() else {
                return None;
            };
        }
        let version = &Versions::pinned().keycloak.version;
        let keycloak = PreparedImage::find(&engine, prefix.as_deref().unwrap_or(OWN_PREFIX), version)
            .await
            .unwrap();
        Some(Self { engine, images, keycloak })
    }

    /// Measures the control plane, and Keycloak if there is a prepared image, each in turn with the same as processes.
    async fn measure(&self, binaries: &ServerBinaries, home: &Path, events: &Events) {
        let (mut inside, mut outside) = (Vec::new(), Vec::new());
        let (mut keycloak_inside, mut keycloak_outside) = (Vec::new(), Vec::new());
        let prepared = keycloak::prepare(home, events).await.unwrap();
        for _ in 0..ROUNDS {
            outside.push(control_plane_alone(binaries, None, events).await);
            inside.push(control_plane_alone(binaries, Some(self), events).await);
            let Some(image) = &self.keycloak else { continue };
            keycloak_outside.push(keycloak_alone(&prepared, None, events).await);
            keycloak_inside.push(keycloak_alone(&prepared, Some((&self.engine, image)), events).await);
        }
        ratio("control plane ready in containers / as processes", &mut inside, &mut outside);
        if !keycloak_inside.is_empty() {
            ratio(
                "Keycloak's prepared image / prepared process",
                &mut keycloak_inside,
                &mut keycloak_outside,
            );
        }
    }
}

/// Starts Keycloak and waits until its realm responds.
async fn keycloak_alone(prepared: &keycloak::Prepared, inside: Option<(&Engine, &PreparedImage)>, events: &Events) -> Duration {
    let place = tempfile::tempdir().unwrap();
    let authority = authlab::pki::Authority::root("benchmark").unwrap();
    let serving = authority.issue(&authlab::pki::Request::server("keycloak", &["localhost"])).unwrap();
    let front = Front::listen().await.unwrap();
    let labels = Labels::new("benchmark", place.path());
    let begun = Instant::now();
    let settings = Settings {
        front,
        directory: place.path(),
        certificate: &serving,
        authority: authority.certificate(),
    };
    let (running, scope) = match inside {
        None => (keycloak::start(prepared, &labels.id, settings, events).await.unwrap(), None),
        Some((engine, image)) => {
            let scope = Scope::create(engine.clone(), "authlab-benchmark", labels).await.unwrap();
            let image = KeycloakImage::Prepared(image.clone());
            let started = keycloak::start_in_container(image, &scope, settings, events).await.unwrap();
            (started, Some(scope))
        }
    };
    let took = begun.elapsed();
    running.stop().await;
    if let Some(scope) = scope {
        scope.sweep().await.unwrap();
    }
    took
}

/// Starts etcd, then kube-apiserver, with the minimal options.
async fn control_plane_by_hand(binaries: &ServerBinaries) -> Duration {
    let begun = Instant::now();
    let (server, _url) = ApiServer::start(binaries, &["--authorization-mode=RBAC"]).await;
    let took = begun.elapsed();
    server.end().await;
    took
}

/// Starts Keycloak's own development mode, and waits until a realm responds.
async fn stock_keycloak(home: &Path, java: &Path) -> Duration {
    let port = port::free().unwrap();
    let begun = Instant::now();
    let mut child = Program::new("keycloak", home.join("bin/kc.sh"), home.join("start-dev.log"))
        .argument("start-dev")
        .argument(format!("--http-port={port}"))
        .argument("--http-host=127.0.0.1")
        .inherit(&["PATH", "HOME"])
        .environment("JAVA_HOME", java)
        .start()
        .await
        .unwrap();
    answers(&mut child, &format!("http://127.0.0.1:{port}/realms/master")).await;
    let took = begun.elapsed();
    child.stop(Duration::from_secs(30)).await.unwrap();
    took
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().flatten() {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target)
        } else {
            _ = std::fs::copy(entry.path(), target).unwrap()
        }
    }
}

/// Returns the resident memory of every process whose command line names `directory`, in bytes.
fn resident(directory: &Path) -> u64 {
    let wanted = format!("{}/", directory.display());
    let pids = std::fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let named = |pid: &u32| std::fs::read_to_string(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line.contains(&wanted));
    pids.filter(named).map(resident_of).sum()
}

fn resident_of(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap_or_default() * 1024
}
