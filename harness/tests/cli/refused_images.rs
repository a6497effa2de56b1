//! Missing images, and one for another architecture: labs that need them are refused before anything is started.

use std::fs::File;

use authlab::engine::{Engine, Image};
use sha2::{Digest, Sha256};

use crate::stage::Stage;
use crate::{FEATURE, Grounds, block_on, images};

pub fn images_have_to_be_there_and_to_fit(grounds: &Grounds) {
    let stage = Stage::new();
    let (nowhere, foreign) = ("localhost/nowhere", "localhost/foreign");
    let architecture = if grounds.engine.architecture() == "arm64" {
        "amd64"
    } else {
        "arm64"
    };
    load(&grounds.engine, &images(Some(foreign)).etcd.to_string(), architecture);
    let etcd = images(Some(nowhere)).etcd;
    let keycloak = images(Some(nowhere)).keycloak;
    let pull = format!("hint: fetch it with `docker pull {etcd}`, or load it");
    for (arguments, says, hint) in [
        (
            &["run", FEATURE, "--cluster", "container", "--image-prefix", nowhere, "--offline"][..],
            format!("error: image not found: {etcd}\n\n"),
            pull.clone(),
        ),
        (
            &["run", FEATURE, "--cluster", "container", "--image-prefix", nowhere],
            format!("error: image not found: {etcd}\n  caused by: "),
            pull.clone(),
        ),
        (
            &["up", "--cluster", "container", "--image-prefix", nowhere],
            format!("error: image not found: {etcd}: "),
            pull,
        ),
        (
            &[
                "run",
                FEATURE,
                "--cluster",
                "process",
                "--identity-provider",
                "container",
                "--image-prefix",
                nowhere,
                "--offline",
            ],
            format!("error: image not found: {keycloak}\n\n"),
            format!("hint: fetch it with `docker pull {keycloak}`"),
        ),
        (
            &["run", FEATURE, "--cluster", "container", "--image-prefix", foreign, "--offline"],
            format!(" is for {architecture} (expected {}", grounds.engine.architecture()),
            format!(
                "hint: fetch the right one with `docker pull --platform linux/{}",
                grounds.engine.architecture()
            ),
        ),
    ] {
        let refusal = stage.authlab(arguments).refusal(4);
        assert!(refusal.contains(&says), "{arguments:?}: {refusal}");
        assert!(refusal.contains(&hint), "{arguments:?}: {refusal}");
        assert_eq!(refusal.matches("error: ").count(), 1, "{refusal}");
        grounds.expect_nothing(&stage, &format!("{arguments:?}"));
    }
}

/// Loads an image without any file into the engine, labelled for `architecture`.
fn load(engine: &Engine, reference: &str, architecture: &str) {
    let layer = vec![0; 1024];
    let digest = |bytes: &[u8]| hex::encode(Sha256::digest(bytes));
    let config = serde_json::json!({
        "architecture": architecture,
        "os": "linux",
        "config": {},
        "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{}", digest(&layer))]},
    })
    .to_string();
    let name = format!("{}.json", digest(config.as_bytes()));
    let manifest = serde_json::json!([{"Config": name, "RepoTags": [reference], "Layers": ["layer.tar"]}]).to_string();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("image.tar");
    let mut archive = tar::Builder::new(File::create(&path).unwrap());
    for (name, content) in [
        (name.as_str(), config.as_bytes()),
        ("layer.tar", &layer),
        ("manifest.json", manifest.as_bytes()),
    ] {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        archive.append_data(&mut header, name, content).unwrap();
    }
    archive.finish().unwrap();
    block_on(Image::load(engine, &path)).unwrap();
}
