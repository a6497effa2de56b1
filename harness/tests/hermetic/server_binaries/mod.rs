//! The sources of server binaries, tested with a release server on the loopback interface.
//!
//! The main type is [`ReleaseServer`]: it publishes releases whose programs are
//! scripts that print a version, and fails as a test requests.
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

mod cache;
mod downloads;
mod tools;

/// The server's response to a path.
#[derive(Clone, Debug)]
enum Answer {
    Body(Vec<u8>),
    /// A body that ends early.
    Truncated(Vec<u8>),
    Redirect(String),
    Status(u16),
    /// An open connection without a response.
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
                    // A client that disconnects is not an error of the server.
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

    /// Starts a server that publishes `kubernetes` and the etcd that belongs to it.
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
            // A trailing slash does not matter.
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

/// Returns a program that prints `line`, whatever its arguments.
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

/// The recorded events.
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

impl Told {
    fn phases(&self) -> Vec<String> {
        let told = self.0.lock().expect("no panic");
        let phases = told.iter().filter_map(|event| match event {
            Event::PhaseStarted { phase } => Some(phase.clone()),
            _ => None,
        });
        phases.collect()
    }
}

fn newest() -> Kubernetes {
    // With pins, they would decide instead of the server's checksums.
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

/// Returns everything in the cache's folder for `product` except logs and lock files.
fn left_in(cache: &Path, product: &str) -> Vec<String> {
    let names = std::fs::read_dir(cache.join(product))
        .into_iter()
        .flatten()
        .flatten()
        .map(|file| file.file_name().to_string_lossy().into_owned());
    names.filter(|name| !name.ends_with(".lock") && !name.ends_with(".log")).collect()
}

/// Requests a release from a failing server, and returns the error.
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
    assert!(told.notes()[0].starts_with("not using release files: "), "{:?}", told.notes());
    error.to_string()
}
