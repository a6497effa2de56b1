//! Where server binaries come from, against a release server on the loopback interface.
//!
//! The main type is [`ReleaseServer`]: it publishes releases whose programs are
//! scripts that say a version, and errs as a test wants it to.
#![cfg(target_os = "linux")]

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use authlab::event::{Event, Events};
use authlab::hint::Hint;
use authlab::process::Program;
use authlab::server_binaries::{
    CacheError, Keycloak, Kubernetes, Options, ServerBinariesError, Source, State, Unwanted, Versions, list, obtain, obtain_keycloak,
    prune, verify,
};
use sha2::Digest;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};

/// What the server answers to a path.
#[derive(Clone, Debug)]
enum Answer {
    Body(Vec<u8>),
    /// A body that ends too early.
    Truncated(Vec<u8>),
    Redirect(String),
    Status(u16),
    /// The connection stays open, and nothing is said.
    Silence,
}

struct ReleaseServer {
    base: String,
    answers: Arc<Mutex<BTreeMap<String, Answer>>>,
    asked: Arc<Mutex<Vec<String>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for ReleaseServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl ReleaseServer {
    async fn start() -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let base = format!("http://{}", listener.local_addr().expect("an address"));
        let answers: Arc<Mutex<BTreeMap<String, Answer>>> = Arc::default();
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let (known, log) = (answers.clone(), asked.clone());
        let task = tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                let (known, log) = (known.clone(), log.clone());
                tokio::spawn(async move {
                    // A client that goes away is its own affair.
                    let _ = serve(connection, &known, &log).await;
                });
            }
        });
        Self {
            base,
            answers,
            asked,
            task,
        }
    }

    /// One that publishes `kubernetes` and the etcd that belongs to it.
    async fn of(kubernetes: &Kubernetes) -> Self {
        let server = Self::start().await;
        let version = kubernetes.version;
        for program in ["kube-apiserver", "kube-controller-manager", "kubectl"] {
            let path = format!("/release/v{version}/bin/linux/{}/{program}", architecture());
            let script = says(&format!("Kubernetes v{version}"));
            server.answer(&format!("{path}.sha256"), Answer::Body(sha256(&script).into_bytes()));
            server.answer(&path, Answer::Body(script));
        }
        let name = format!("etcd-v{}-linux-{}", kubernetes.etcd, architecture());
        let archive = tar_gz(&[
            (&format!("{name}/README.md"), b"etcd"),
            (&format!("{name}/etcd"), &says(&format!("etcd Version: {}", kubernetes.etcd))),
        ]);
        let sums = format!("{}  other.tar.gz\n{}  {name}.tar.gz\n", "0".repeat(64), sha256(&archive));
        server.answer(&format!("/etcd/v{}/SHA256SUMS", kubernetes.etcd), Answer::Body(sums.into_bytes()));
        server.answer(&format!("/etcd/v{}/{name}.tar.gz", kubernetes.etcd), Answer::Body(archive));
        server
    }

    fn answer(&self, path: &str, answer: Answer) {
        self.answers.lock().expect("no panic").insert(path.to_owned(), answer);
    }

    fn answered(&self, path: &str) -> Answer {
        self.answers.lock().expect("no panic")[path].clone()
    }

    fn asked_for(&self, part: &str) -> usize {
        self.asked
            .lock()
            .expect("no panic")
            .iter()
            .filter(|path| path.contains(part))
            .count()
    }

    fn options(&self, cache: &Path) -> Options {
        Options {
            release_mirror: format!("{}/release", self.base),
            // A slash at the end does not matter.
            etcd_mirror: format!("{}/etcd/", self.base),
            keycloak_mirror: format!("{}/keycloak", self.base),
            sources: vec![Source::Release],
            cache: Some(cache.to_owned()),
            ..Options::default()
        }
    }
}

async fn serve(
    mut connection: tokio::net::TcpStream,
    known: &Mutex<BTreeMap<String, Answer>>,
    log: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    let (read, mut write) = connection.split();
    let mut lines = BufReader::new(read).lines();
    let mut path = None;
    while let Some(line) = lines.next_line().await? {
        if line.is_empty() {
            break;
        }
        path = path.or_else(|| line.split(' ').nth(1).map(str::to_owned));
    }
    let path = path.unwrap_or_default();
    log.lock().expect("no panic").push(path.clone());
    let answer = known.lock().expect("no panic").get(&path).cloned().unwrap_or(Answer::Status(404));
    let (head, body) = match answer {
        Answer::Body(body) => (format!("200 OK\r\nContent-Length: {}", body.len()), body),
        Answer::Truncated(body) => (format!("200 OK\r\nContent-Length: {}", body.len() + 100), body),
        Answer::Redirect(to) => (format!("302 Found\r\nLocation: {to}\r\nContent-Length: 0"), Vec::new()),
        Answer::Status(status) => (format!("{status} No\r\nContent-Length: 0"), Vec::new()),
        Answer::Silence => return std::future::pending().await,
    };
    write
        .write_all(format!("HTTP/1.1 {head}\r\nConnection: close\r\n\r\n").as_bytes())
        .await?;
    write.write_all(&body).await?;
    write.shutdown().await
}

fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

/// A program that says `line`, whatever it is asked.
fn says(line: &str) -> Vec<u8> {
    format!("#!/bin/sh\necho '{line}'\n").into_bytes()
}

fn sha256(bytes: &[u8]) -> String {
    hex::encode(sha2::Sha256::digest(bytes))
}

fn tar_gz(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut tar = tar::Builder::new(flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast()));
    for (path, contents) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(contents.len() as u64);
        header.set_mode(0o755);
        tar.append_data(&mut header, path, *contents).expect("in memory");
    }
    tar.into_inner().expect("in memory").finish().expect("in memory")
}

/// What happened, for people.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<Event>>>);

impl Told {
    fn events(&self) -> Events {
        let told = self.0.clone();
        Events::new(move |event| told.lock().expect("no panic").push(event))
    }

    fn notes(&self) -> Vec<String> {
        let told = self.0.lock().expect("no panic");
        told.iter()
            .filter_map(|event| {
                if let Event::Note { text } = event {
                    Some(text.clone())
                } else {
                    None
                }
            })
            .collect()
    }

    fn details(&self) -> Vec<String> {
        let told = self.0.lock().expect("no panic");
        told.iter()
            .filter_map(|event| {
                if let Event::PhaseProgress { detail, .. } = event {
                    Some(detail.clone())
                } else {
                    None
                }
            })
            .collect()
    }
}

fn newest() -> Kubernetes {
    // Pins would decide instead of what the server publishes.
    Kubernetes {
        sha256: BTreeMap::new(),
        ..Versions::pinned().newest().clone()
    }
}

fn cache() -> tempfile::TempDir {
    tempfile::tempdir().expect("a directory")
}

fn api_server(kubernetes: &Kubernetes) -> String {
    format!("/release/v{}/bin/linux/{}/kube-apiserver", kubernetes.version, architecture())
}

/// Everything in the cache's folder for `product` but logs and lock files.
fn left_in(cache: &Path, product: &str) -> Vec<String> {
    let names = std::fs::read_dir(cache.join(product))
        .into_iter()
        .flatten()
        .flatten()
        .map(|file| file.file_name().to_string_lossy().into_owned());
    names.filter(|name| !name.ends_with(".lock") && !name.ends_with(".log")).collect()
}

/// Asks a release server that errs, and returns why it does not serve.
async fn refused(server: &ReleaseServer, kubernetes: &Kubernetes) -> String {
    let (cache, told) = (cache(), Told::default());
    let error = obtain(kubernetes, &server.options(cache.path()), &told.events())
        .await
        .expect_err("the server errs");
    assert!(matches!(error, ServerBinariesError::NoSource { .. }), "{error:?}");
    assert_eq!(
        left_in(cache.path(), "kubernetes"),
        Vec::<String>::new(),
        "nothing that looks finished is left"
    );
    assert_eq!(told.notes().len(), 1, "people are told once: {:?}", told.notes());
    assert!(told.notes()[0].starts_with("release files are not used: "), "{:?}", told.notes());
    error.to_string()
}

#[tokio::test]
async fn a_release_is_downloaded_verified_and_found_in_the_cache_from_then_on() {
    let (kubernetes, cache, told) = (newest(), cache(), Told::default());
    let server = ReleaseServer::of(&kubernetes).await;
    let options = server.options(cache.path());
    let binaries = obtain(&kubernetes, &options, &told.events()).await.expect("a sound release");
    assert_eq!((binaries.version, binaries.source), (kubernetes.version, Source::Release));
    assert_eq!(
        binaries.directory,
        cache.path().join("kubernetes").join(kubernetes.version.to_string())
    );
    for program in [
        &binaries.etcd,
        &binaries.kube_apiserver,
        &binaries.kube_controller_manager,
        &binaries.kubectl,
    ] {
        assert!(
            std::os::unix::fs::PermissionsExt::mode(&program.metadata().expect("there").permissions()) & 0o111 != 0,
            "{}",
            program.display()
        );
    }
    assert!(
        told.details().iter().any(|detail| detail == "kube-apiserver"),
        "{:?}",
        told.details()
    );
    assert_eq!(told.notes(), Vec::<String>::new());

    let asked = server.asked_for("");
    assert_eq!(
        obtain(&kubernetes, &options, &Events::silent()).await.expect("cached").source,
        Source::Release
    );
    assert_eq!(server.asked_for(""), asked, "the cache serves");
    let sound = verify(&options, &Events::silent()).await.expect("readable");
    assert!(sound.len() == 1 && sound[0].damage.is_empty(), "{sound:?}");

    std::fs::write(&binaries.kubectl, says("Kubernetes v6.66.6")).expect("ours");
    let damaged = verify(&options, &Events::silent()).await.expect("readable");
    assert!(damaged[0].damage[0].starts_with("kubectl"), "{damaged:?}");
}

#[tokio::test]
async fn redirects_are_followed_to_another_server() {
    let (kubernetes, cache) = (newest(), cache());
    let (server, other) = (ReleaseServer::of(&kubernetes).await, ReleaseServer::start().await);
    let path = api_server(&kubernetes);
    other.answer("/elsewhere", server.answered(&path));
    server.answer(&path, Answer::Redirect(format!("{}/elsewhere", other.base)));
    obtain(&kubernetes, &server.options(cache.path()), &Events::silent())
        .await
        .expect("a sound release");
    assert_eq!(other.asked_for("/elsewhere"), 1);
}

#[tokio::test]
async fn redirects_without_end_are_refused() {
    let kubernetes = newest();
    let server = ReleaseServer::of(&kubernetes).await;
    let path = api_server(&kubernetes);
    server.answer(&path, Answer::Redirect(path.clone()));
    assert!(refused(&server, &kubernetes).await.contains("too many redirects"));
}

#[tokio::test]
async fn another_checksum_is_refused() {
    let kubernetes = newest();
    let server = ReleaseServer::of(&kubernetes).await;
    server.answer(&api_server(&kubernetes), Answer::Body(says("evil")));
    let error = refused(&server, &kubernetes).await;
    assert!(
        error.contains(&format!("has the SHA-256 {}, expected ", sha256(&says("evil")))),
        "{error}"
    );
    assert!(error.contains("(published beside it)"), "{error}");
}

#[tokio::test]
async fn another_checksum_of_the_archive_of_etcd_is_refused() {
    let kubernetes = newest();
    let server = ReleaseServer::of(&kubernetes).await;
    let name = format!("etcd-v{}-linux-{}.tar.gz", kubernetes.etcd, architecture());
    server.answer(
        &format!("/etcd/v{}/{name}", kubernetes.etcd),
        Answer::Body(tar_gz(&[("etcd", b"evil")])),
    );
    assert!(refused(&server, &kubernetes).await.contains(&format!("{name} has the SHA-256")));
}

#[tokio::test]
async fn a_truncated_body_is_refused() {
    let kubernetes = newest();
    let server = ReleaseServer::of(&kubernetes).await;
    server.answer(&api_server(&kubernetes), Answer::Truncated(b"12345".to_vec()));
    let error = refused(&server, &kubernetes).await;
    assert!(error.contains("broke off after 5 bytes of 105"), "{error}");
}

#[tokio::test]
async fn a_file_without_a_checksum_is_refused_before_anything_large_is_fetched() {
    let kubernetes = newest();
    for answer in [
        Answer::Status(404),
        Answer::Status(500),
        Answer::Body(b"<html>sign in</html>".to_vec()),
        Answer::Body(Vec::new()),
    ] {
        let server = ReleaseServer::of(&kubernetes).await;
        let path = format!("{}.sha256", api_server(&kubernetes));
        server.answer(&path, answer.clone());
        let error = refused(&server, &kubernetes).await;
        let expected = match answer {
            Answer::Status(status) => format!("{path} answered {status}"),
            _ => format!("{path} holds no checksum of kube-apiserver"),
        };
        assert!(error.contains(&expected), "{error}");
        assert_eq!(server.asked_for(""), 1, "only the checksum was asked for");
    }
}

#[tokio::test]
async fn a_pinned_checksum_counts_for_more_than_a_published_one() {
    let (mut kubernetes, cache) = (newest(), cache());
    let server = ReleaseServer::of(&kubernetes).await;
    let script = says(&format!("Kubernetes v{}", kubernetes.version));
    let key = format!("linux/{}/kube-apiserver", architecture());
    kubernetes.sha256.insert(key.clone(), sha256(b"the true one"));
    let error = refused(&server, &kubernetes).await;
    assert!(error.contains(&format!("expected {} (pinned)", sha256(b"the true one"))), "{error}");

    kubernetes.sha256.insert(key, sha256(&script).to_ascii_uppercase());
    obtain(&kubernetes, &server.options(cache.path()), &Events::silent())
        .await
        .expect("it is as pinned");
    assert_eq!(server.asked_for("kube-apiserver.sha256"), 0);
}

#[tokio::test]
async fn a_release_that_is_of_another_version_is_refused() {
    let kubernetes = newest();
    let server = ReleaseServer::of(&kubernetes).await;
    let (path, script) = (api_server(&kubernetes), says("Kubernetes v1.2.3"));
    server.answer(&format!("{path}.sha256"), Answer::Body(sha256(&script).into_bytes()));
    server.answer(&path, Answer::Body(script));
    let error = refused(&server, &kubernetes).await;
    assert!(
        error.contains(&format!("kube-apiserver is 1.2.3, expected {}", kubernetes.version)),
        "{error}"
    );
}

#[tokio::test]
async fn a_mirror_that_does_not_answer_is_waited_for_and_told_about_once() {
    let (kubernetes, older, cache, told) = (newest(), Versions::pinned().kubernetes[0].clone(), cache(), Told::default());
    let server = ReleaseServer::of(&kubernetes).await;
    server.answer(&format!("{}.sha256", api_server(&kubernetes)), Answer::Silence);
    let options = server.options(cache.path());
    let error = obtain(&kubernetes, &options, &told.events())
        .await
        .expect_err("nobody answers")
        .to_string();
    assert!(error.contains("did not answer within 2s"), "{error}");
    let error = obtain(&older, &options.clone(), &told.events())
        .await
        .expect_err("nobody answers")
        .to_string();
    assert!(error.contains("/release did not answer before"), "{error}");
    assert_eq!(told.notes().len(), 1, "{:?}", told.notes());
    assert_eq!(server.asked_for(""), 1);
}

#[tokio::test]
async fn an_address_that_is_none_is_an_error() {
    let (kubernetes, cache) = (newest(), cache());
    let server = ReleaseServer::of(&kubernetes).await;
    let options = Options {
        release_mirror: "no address".to_owned(),
        ..server.options(cache.path())
    };
    let error = obtain(&kubernetes, &options, &Events::silent())
        .await
        .expect_err("no address")
        .to_string();
    assert!(error.contains("cannot be asked from here"), "{error}");
}

#[tokio::test]
async fn offline_asks_nobody_and_says_what_to_do() {
    let (kubernetes, cache) = (newest(), cache());
    let server = ReleaseServer::of(&kubernetes).await;
    let options = Options {
        offline: true,
        ..server.options(cache.path())
    };
    let error = obtain(&kubernetes, &options, &Events::silent()).await.expect_err("offline");
    assert!(error.hint().is_some_and(|hint| hint.contains("network")), "{error:?}");
    assert_eq!(server.asked_for(""), 0);
}

#[tokio::test]
async fn of_two_at_once_the_second_uses_what_the_first_made() {
    let (kubernetes, cache, told) = (newest(), cache(), Told::default());
    let server = ReleaseServer::of(&kubernetes).await;
    let options = server.options(cache.path());
    let events = told.events();
    let (one, other) = tokio::join!(obtain(&kubernetes, &options, &events), obtain(&kubernetes, &options, &events));
    assert_eq!(one.expect("a sound release").directory, other.expect("a sound release").directory);
    assert_eq!(server.asked_for("kube-apiserver.sha256"), 1);
    assert!(
        told.details().iter().any(|detail| detail == "another authlab is building it"),
        "{:?}",
        told.details()
    );
}

#[tokio::test]
async fn what_an_interrupted_authlab_left_is_cleared_and_never_taken_for_finished() {
    let (kubernetes, cache, told) = (newest(), cache(), Told::default());
    let server = ReleaseServer::of(&kubernetes).await;
    let version = kubernetes.version.to_string();
    let parent = cache.path().join("kubernetes");
    for directory in [format!(".{version}.partial-abc/files"), version.clone()] {
        std::fs::create_dir_all(parent.join(&directory)).expect("ours");
        std::fs::write(parent.join(directory).join("etcd"), "half of it").expect("ours");
    }
    let options = server.options(cache.path());
    let states: Vec<State> = list(&options)
        .expect("readable")
        .into_iter()
        .filter(|listed| listed.version == version)
        .map(|listed| listed.state)
        .collect();
    assert_eq!(states, [State::Damaged]);
    let binaries = obtain(&kubernetes, &options, &told.events()).await.expect("a sound release");
    assert_eq!(left_in(cache.path(), "kubernetes"), [version]);
    assert_eq!(
        std::fs::read(binaries.etcd).expect("there"),
        says(&format!("etcd Version: {}", kubernetes.etcd))
    );
    assert!(
        told.notes()[0].contains("damaged and will be replaced: it has no manifest"),
        "{:?}",
        told.notes()
    );
}

#[tokio::test]
async fn pruning_keeps_what_is_in_use_and_what_is_not_ours() {
    let (mut kubernetes, cache) = (newest(), cache());
    // A version that nobody pins.
    kubernetes.version.patch = 99;
    let server = ReleaseServer::of(&kubernetes).await;
    let options = server.options(cache.path());
    let binaries = obtain(&kubernetes, &options, &Events::silent()).await.expect("a sound release");
    let foreign = cache.path().join("kubernetes/notes.txt");
    std::fs::write(&foreign, "mine").expect("ours");

    let hold = binaries.hold();
    let directory = binaries.directory.clone();
    drop(binaries);
    let pruned = prune(&options, &Unwanted::Everything).await.expect("writable");
    assert!(pruned.len() == 1 && pruned[0].in_use && directory.exists(), "{pruned:?}");
    drop(hold);
    let bytes = list(&options)
        .expect("readable")
        .into_iter()
        .find_map(|listed| if listed.pinned { None } else { listed.bytes });
    let pruned = prune(&options, &Unwanted::Unneeded).await.expect("writable");
    assert!(
        !pruned[0].in_use && Some(pruned[0].bytes) >= bytes && !directory.exists(),
        "{pruned:?}"
    );
    assert!(foreign.exists());
    assert!(prune(&options, &Unwanted::Unneeded).await.expect("writable").is_empty());
}

#[tokio::test]
async fn pruning_keeps_pinned_versions_unless_all_go() {
    let (kubernetes, cache) = (newest(), cache());
    let server = ReleaseServer::of(&kubernetes).await;
    let options = server.options(cache.path());
    let directory = obtain(&kubernetes, &options, &Events::silent())
        .await
        .expect("a sound release")
        .directory;
    assert!(prune(&options, &Unwanted::Unneeded).await.expect("writable").is_empty() && directory.exists());
    let other = Unwanted::Versions(vec!["1.30.14".to_owned()]);
    assert!(prune(&options, &other).await.expect("writable").is_empty() && directory.exists());
    std::fs::write(directory.join("kubectl"), "").expect("ours");
    let pruned = prune(&options, &Unwanted::Unneeded).await.expect("writable");
    assert!(
        pruned.len() == 1 && !directory.exists(),
        "what is visibly damaged is of no use: {pruned:?}"
    );
    obtain(&kubernetes, &options, &Events::silent()).await.expect("a sound release");
    assert!(prune(&options, &Unwanted::Everything).await.expect("writable")[0].bytes > 0 && !directory.exists());
}

#[tokio::test]
async fn a_cache_that_cannot_be_written_is_an_error_and_no_source_is_asked() {
    let (kubernetes, cache) = (newest(), cache());
    let server = ReleaseServer::of(&kubernetes).await;
    let file = cache.path().join("file");
    std::fs::write(&file, "").expect("ours");
    let error = obtain(&kubernetes, &server.options(&file), &Events::silent())
        .await
        .expect_err("not a directory");
    assert!(matches!(error, ServerBinariesError::Cache(CacheError::Storage { .. })), "{error:?}");
    assert!(error.hint().is_some_and(|hint| hint.contains("AUTHLAB_CACHE_DIR")));
    assert_eq!(server.asked_for(""), 0);
}

#[tokio::test]
async fn a_named_directory_serves_or_is_an_error_and_one_for_other_programs_is_passed_over() {
    let (kubernetes, cache, told) = (newest(), cache(), Told::default());
    let server = ReleaseServer::of(&kubernetes).await;
    let named = path_with("etcd", "");
    for program in ["kube-apiserver", "kubectl"] {
        std::fs::copy(named.path().join("etcd"), named.path().join(program)).expect("ours");
    }
    let options = Options {
        directory: Some(named.path().to_owned()),
        ..server.options(cache.path())
    };
    let error = obtain(&kubernetes, &options, &told.events()).await.expect_err("incomplete");
    assert!(
        std::error::Error::source(&error).is_some_and(|cause| cause.to_string().ends_with("has no kube-controller-manager")),
        "{error:?}"
    );
    assert!(error.hint().is_some_and(|hint| hint.contains("envtest")), "{error:?}");
    assert_eq!(server.asked_for(""), 0, "what was named is not replaced by something else");

    let options = Options {
        directory: None,
        assets: Some(named.path().to_owned()),
        ..options
    };
    let binaries = obtain(&kubernetes, &options, &told.events()).await.expect("a sound release");
    assert_eq!(binaries.source, Source::Release);
    assert!(
        told.notes()[0].starts_with("KUBEBUILDER_ASSETS is not used: ") && told.notes().len() == 1,
        "{:?}",
        told.notes()
    );

    let complete = Options {
        directory: Some(binaries.directory.clone()),
        ..options
    };
    let named = obtain(&kubernetes, &complete, &told.events()).await.expect("complete");
    assert_eq!((named.source, named.directory), (Source::Named, binaries.directory));
}

#[tokio::test]
async fn keycloak_is_unpacked_from_its_release_archive() {
    let (keycloak, cache) = (
        Keycloak {
            version: "26.7.4".to_owned(),
            sha256: BTreeMap::new(),
        },
        cache(),
    );
    let server = ReleaseServer::start().await;
    let archive = tar_gz(&[
        ("keycloak-26.7.4/bin/kc.sh", b"#!/bin/sh\n"),
        ("keycloak-26.7.4/version.txt", b"Keycloak - Version 26.7.4"),
    ]);
    server.answer(
        "/keycloak/26.7.4/keycloak-26.7.4.tar.gz.sha1",
        Answer::Body(hex::encode(sha1::Sha1::digest(&archive)).into_bytes()),
    );
    server.answer("/keycloak/26.7.4/keycloak-26.7.4.tar.gz", Answer::Body(archive));
    let options = server.options(cache.path());
    let home = obtain_keycloak(&keycloak, &options, &Events::silent())
        .await
        .expect("a sound release");
    assert_eq!((home.version.as_str(), home.source), ("26.7.4", Source::Release));
    let kc = home.directory.join("bin/kc.sh").metadata().expect("there");
    assert!(std::os::unix::fs::PermissionsExt::mode(&kc.permissions()) & 0o111 != 0);
    assert_eq!(left_in(cache.path(), "keycloak"), ["26.7.4"]);

    server.answer(
        "/keycloak/26.7.4/keycloak-26.7.4.tar.gz",
        Answer::Body(tar_gz(&[("keycloak-26.7.4/bin/kc.sh", b"evil")])),
    );
    drop(home);
    prune(&options, &Unwanted::Everything).await.expect("writable");
    let error = obtain_keycloak(&keycloak, &options, &Events::silent())
        .await
        .expect_err("another checksum")
        .to_string();
    assert!(error.contains("has the SHA-1 "), "{error}");
}

/// A directory with one program, `name`, that runs `script` in a shell.
fn path_with(name: &str, script: &str) -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    let mut file = std::os::unix::fs::OpenOptionsExt::mode(std::fs::File::options().write(true).create(true), 0o755)
        .open(directory.path().join(name))
        .expect("ours");
    write!(file, "#!/bin/sh\n{script}").expect("ours");
    directory
}

/// What `authlab server-binaries` with `arguments` prints, and its exit code, where no
/// release server answers and only what is in `path` can be run.
async fn authlab(path: &Path, cache: &Path, arguments: &[&str]) -> (String, Option<i32>) {
    let log = cache.join("output");
    let nobody = format!("http://127.0.0.1:{}", authlab::process::port::free().expect("a port"));
    let program = Program::new("authlab", env!("CARGO_BIN_EXE_authlab"), &log)
        .argument("server-binaries")
        .arguments(arguments.iter().copied())
        .environment("PATH", format!("{}:/usr/bin:/bin", path.display()))
        .environment("HOME", cache)
        .environment("AUTHLAB_CACHE_DIR", cache)
        .environment("AUTHLAB_RELEASE_MIRROR", &nobody)
        .environment("AUTHLAB_KEYCLOAK_MIRROR", &nobody);
    let mut child = program.start().await.expect("it starts");
    let status = tokio::time::timeout(Duration::from_secs(60), child.ended())
        .await
        .expect("it ends")
        .expect("it can be waited for");
    (std::fs::read_to_string(log).expect("there"), status.code())
}

/// A `go` that is asked everything in the order in which a build asks, and builds a script.
fn stand_in_for_go(version: &str, build: &str) -> tempfile::TempDir {
    let newest = newest();
    let directory = path_with(
        "go",
        &format!(
            r#"case "$1" in
env) echo '{{"GOVERSION": "{version}", "GOTOOLCHAIN": "local"}}' ;;
list) echo "$(dirname "$0")/upstream.mod" ;;
build) touch go.sum
  test "$GOFLAGS" = -mod=mod || exit 9
  while test "$1" != -o; do shift; done
  {build} ;;
esac
"#
        ),
    );
    let module = format!(
        "module k8s.io/kubernetes\ngo 1.26.0\nrequire k8s.io/api v0.0.0\nrequire go.etcd.io/etcd/server/v3 v{}\n",
        newest.etcd
    );
    std::fs::write(directory.path().join("upstream.mod"), module).expect("ours");
    directory
}

#[tokio::test]
async fn without_a_release_server_the_go_toolchain_has_its_turn() {
    let (newest, cache) = (newest(), cache());
    let built = format!(
        r#"printf '#!/bin/sh\ncase $0 in *etcd) echo etcd Version: {};; *) echo Kubernetes v{};; esac\n' > "$2"; chmod +x "$2""#,
        newest.etcd, newest.version
    );
    let go = stand_in_for_go("go1.26.8", &built);
    let (output, code) = authlab(go.path(), cache.path(), &["fetch", "1.37"]).await;
    assert_eq!(code, Some(0), "{output}");
    assert!(output.contains(&format!("Kubernetes {} (Go build): ", newest.version)), "{output}");
    let made = cache.path().join("kubernetes").join(newest.version.to_string());
    let module = std::fs::read_to_string(made.join("go.mod")).expect("kept");
    assert!(module.contains("replace k8s.io/api => k8s.io/api v0.37."), "{module}");
    let target: PathBuf = std::fs::read_link(made.join("kubectl")).expect("a link");
    assert_eq!(target, Path::new("control-plane"));
}

#[tokio::test]
async fn a_build_of_another_version_does_not_count() {
    let cache = cache();
    let go = stand_in_for_go(
        "go1.26.8",
        r#"printf '#!/bin/sh\necho Kubernetes v0.0.0-master\n' > "$2"; chmod +x "$2""#,
    );
    let (output, code) = authlab(go.path(), cache.path(), &["build", "1.37"]).await;
    assert_eq!(code, Some(4), "{output}");
    assert!(
        output.contains("what was built is kube-apiserver 0.0.0-master, expected 1.37."),
        "{output}"
    );
    assert_eq!(left_in(cache.path(), "kubernetes"), Vec::<String>::new());
}

#[tokio::test]
async fn failures_of_the_go_toolchain_are_told_with_what_to_do() {
    let cases = [
        ("go1.25.1", "", "Go 1.25.1 is too old", "install Go 1.26.0 or newer"),
        ("go1.26.8", "echo 'main.go:1: undefined: x'; exit 1", "main.go:1: undefined: x", ""),
        (
            "go1.26.8",
            "echo 'dial tcp: lookup proxy.golang.org: no such host'; exit 1",
            "the modules could not be fetched",
            "GOPROXY",
        ),
        (
            "go1.26.8",
            "echo 'write /x: no space left on device'; exit 1",
            "no space left on device",
            "free some space",
        ),
    ];
    for (version, build, expected, hint) in cases {
        let cache = cache();
        let go = stand_in_for_go(version, build);
        let (output, code) = authlab(go.path(), cache.path(), &["fetch", "1.37"]).await;
        assert_eq!(code, Some(4), "{output}");
        assert!(
            output.contains("release files: ") && output.contains("cannot be reached"),
            "every source is told of: {output}"
        );
        assert!(output.contains(expected) && output.contains(hint), "{output}");
        assert_eq!(left_in(cache.path(), "kubernetes"), Vec::<String>::new());
    }
}

#[tokio::test]
async fn without_any_tool_the_error_says_what_to_install() {
    let (cache, nothing) = (cache(), tempfile::tempdir().expect("a directory"));
    let log = cache.path().join("output");
    for (arguments, expected) in [
        (["fetch", "1.37"], "no `go` on PATH"),
        (["fetch", "--keycloak"], "no `mvn` on PATH"),
    ] {
        let program = Program::new("authlab", env!("CARGO_BIN_EXE_authlab"), &log)
            .argument("server-binaries")
            .arguments(arguments)
            .argument("--offline")
            .environment("PATH", nothing.path())
            .environment("AUTHLAB_CACHE_DIR", cache.path());
        let status = program
            .start()
            .await
            .expect("it starts")
            .ended()
            .await
            .expect("it can be waited for");
        let output = std::fs::read_to_string(&log).expect("there");
        assert_eq!(status.code(), Some(4), "{output}");
        assert!(output.contains(expected) && output.contains("hint: install "), "{output}");
    }
}

#[tokio::test]
async fn an_unknown_version_is_wrong_usage_and_the_known_ones_are_listed() {
    let (cache, nothing) = (cache(), tempfile::tempdir().expect("a directory"));
    let (output, code) = authlab(nothing.path(), cache.path(), &["fetch", "1.99"]).await;
    assert_eq!(code, Some(2), "{output}");
    assert!(
        output.contains("unknown Kubernetes version `1.99`, expected one of 1.30.14, "),
        "{output}"
    );
}

#[tokio::test]
async fn keycloak_comes_through_maven_and_maven_leaves_nothing() {
    let cache = cache();
    let maven = path_with(
        "mvn",
        r#"mkdir -p '${project.basedir}/target'
for argument; do case "$argument" in -DoutputDirectory=*) to="${argument#-DoutputDirectory=}" ;; esac; done
mkdir -p "$to/keycloak-26.7.4/bin"
echo kc > "$to/keycloak-26.7.4/bin/kc.sh"
"#,
    );
    let (output, code) = authlab(maven.path(), cache.path(), &["fetch", "--keycloak"]).await;
    assert_eq!(code, Some(0), "{output}");
    assert!(output.contains("Keycloak 26.7.4 (Maven artifact): "), "{output}");
    assert_eq!(left_in(cache.path(), "keycloak"), ["26.7.4"]);
    assert_eq!(
        std::fs::read_to_string(cache.path().join("keycloak/26.7.4/bin/kc.sh")).expect("there"),
        "kc\n"
    );
}

#[tokio::test]
async fn a_verified_cache_that_is_damaged_ends_with_exit_code_1() {
    let (newest, cache, nothing) = (newest(), cache(), tempfile::tempdir().expect("a directory"));
    let (output, code) = authlab(nothing.path(), cache.path(), &["verify"]).await;
    assert!(code == Some(0) && output.contains("the cache is empty"), "{output}");
    let server = ReleaseServer::of(&newest).await;
    let binaries = obtain(&newest, &server.options(cache.path()), &Events::silent())
        .await
        .expect("a sound release");
    let (output, code) = authlab(nothing.path(), cache.path(), &["verify"]).await;
    assert!(code == Some(0) && output.contains("sound"), "{output}");
    std::fs::write(binaries.etcd, "evil").expect("ours");
    let (output, code) = authlab(nothing.path(), cache.path(), &["verify"]).await;
    assert!(
        code == Some(1) && output.contains("etcd is missing or has another size"),
        "{output}"
    );
}
