//! The shared parts of the container tests: an engine, an image built here, names and labels. The main type is [`Stage`].

use std::io::{Cursor, Read};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use authlab::engine::{ContainerSpec, Engine, Filter, Image, Labels, found};
use sha2::{Digest, Sha256};

/// The image that the tests start; loaded once for all tests.
pub const IMAGE: &str = "localhost/authlab/talker:test";

/// The same image, labelled for another architecture.
pub const FOREIGN: &str = "localhost/authlab/talker:foreign";

/// The engine and the labels of one test.
pub struct Stage {
    pub engine: Engine,
    pub labels: Labels,
    pub directory: tempfile::TempDir,
}

impl Stage {
    /// Connects to the engine that `DOCKER_HOST` names, or that is at a usual place.
    pub async fn new() -> Self {
        Self::on(Engine::find(None).await.unwrap())
    }

    pub fn on(engine: Engine) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let directory = tempfile::tempdir().unwrap();
        let lab = format!("test-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        Self {
            engine,
            labels: Labels::new(lab, directory.path()),
            directory,
        }
    }

    /// Returns a unique name.
    pub fn name(&self, part: &str) -> String {
        format!("authlab-{}-{part}", self.labels.lab)
    }

    /// Describes a container of the talker with `arguments`.
    pub fn talker(&self, part: &str, arguments: &[&str]) -> ContainerSpec {
        ContainerSpec::new(self.name(part), IMAGE, &self.labels)
            .program("talker")
            .arguments(arguments.iter().copied())
            .user(self.engine.own_user())
    }

    /// Returns the names of the objects that this test has on the engine.
    pub async fn left(&self) -> Vec<String> {
        let things = found(&self.engine, &Filter::owned(&self.labels)).await.unwrap();
        things.into_iter().map(|thing| thing.name).collect()
    }
}

/// Returns everything that the listener on `port` sends.
pub fn said_on(port: u16) -> String {
    let mut said = String::new();
    TcpStream::connect(("127.0.0.1", port)).unwrap().read_to_string(&mut said).unwrap();
    said
}

/// Builds the talker for Linux on `architecture`, and loads it as two images.
pub async fn load_images(engine: &Engine) -> Result<(), String> {
    let directory = tempfile::tempdir().map_err(|error| error.to_string())?;
    let program = directory.path().join("talker");
    let built = Command::new("go")
        .args(["build", "-trimpath", "-ldflags=-s -w", "-o"])
        .arg(&program)
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/containers/talker.go"))
        .env("CGO_ENABLED", "0")
        .env("GOOS", "linux")
        .env("GOARCH", engine.architecture())
        .output()
        .map_err(|error| format!("go cannot be started: {error}"))?;
    if !built.status.success() {
        return Err(String::from_utf8_lossy(&built.stderr).into_owned());
    }
    let other = if engine.architecture() == "arm64" { "amd64" } else { "arm64" };
    for (reference, architecture) in [(IMAGE, engine.architecture()), (FOREIGN, other)] {
        let archive = directory.path().join("image.tar");
        std::fs::write(&archive, image(&program, reference, architecture)).map_err(|error| error.to_string())?;
        let loaded = Image::load(engine, &archive)
            .await
            .map_err(|error| format!("{error}: {:?}", std::error::Error::source(&error)))?;
        if !loaded.iter().any(|loaded| loaded.ends_with(reference)) {
            return Err(format!("loaded {loaded:?} in place of {reference}"));
        }
    }
    Ok(())
}

/// Returns an archive in the format of `docker save`: one image of one layer that contains only `program`.
fn image(program: &Path, reference: &str, architecture: &str) -> Vec<u8> {
    let digest = |bytes: &[u8]| hex::encode(Sha256::digest(bytes));
    let mut layer = tar::Builder::new(Vec::new());
    for directory in ["usr/", "usr/bin/", "data/"] {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Directory);
        header.set_mode(if directory == "data/" { 0o1777 } else { 0o755 });
        header.set_size(0);
        layer.append_data(&mut header, directory, Cursor::new([])).unwrap();
    }
    append(&mut layer, "usr/bin/talker", &std::fs::read(program).unwrap(), 0o755);
    let layer = layer.into_inner().unwrap();
    let config = serde_json::json!({
        "architecture": architecture,
        "os": "linux",
        "config": {"Env": ["PATH=/usr/bin"]},
        "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{}", digest(&layer))]},
    })
    .to_string();
    let (config_name, layer_name) = (
        format!("{}.json", digest(config.as_bytes())),
        format!("{}/layer.tar", digest(&layer)),
    );
    let manifest = serde_json::json!([{"Config": config_name, "RepoTags": [reference], "Layers": [layer_name]}]).to_string();
    let mut archive = tar::Builder::new(Vec::new());
    append(&mut archive, &config_name, config.as_bytes(), 0o644);
    append(&mut archive, &layer_name, &layer, 0o644);
    append(&mut archive, "manifest.json", manifest.as_bytes(), 0o644);
    archive.into_inner().unwrap()
}

fn append(archive: &mut tar::Builder<Vec<u8>>, name: &str, content: &[u8], mode: u32) {
    let mut header = tar::Header::new_gnu();
    header.set_size(content.len() as u64);
    header.set_mode(mode);
    archive.append_data(&mut header, name, content).unwrap();
}
