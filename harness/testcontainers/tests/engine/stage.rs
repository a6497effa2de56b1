//! The shared parts of these tests: the engine, the images, and the containers that were left.
//!
//! The main functions are [`load_k3s`] and [`left`].

use std::collections::HashMap;
use std::io::Cursor;
use std::process::Command;

use authlab_testcontainers::description::keycloak::TAG;
use authlab_testcontainers::testcontainers::bollard::query_parameters::{
    CreateImageOptionsBuilder, InspectContainerOptions, ListContainersOptionsBuilder,
};
use authlab_testcontainers::testcontainers::bollard::{Docker, body_full};
use authlab_testcontainers::testcontainers::core::client::docker_client_instance;
use authlab_testcontainers::testcontainers::{ContainerRequest, Image, ImageExt as _};
use futures::TryStreamExt as _;

/// The stand-in for k3s, and the same without its program.
pub const K3S: &str = "localhost/authlab/k3s-stand-in";
pub const TAGS: [&str; 2] = ["works", "nosuch"];

/// The label that each test gives its containers.
const TEST: &str = "org.authlab.test";

/// Returns the name of the image of Keycloak, without its tag.
pub fn keycloak() -> String {
    let prefix = std::env::var("AUTHLAB_IMAGE_PREFIX").unwrap_or_else(|_| "localhost/authlab".to_owned());
    format!("{prefix}/keycloak/keycloak")
}

/// Labels a request with the name of its test, and puts it into a network: some engines have none by default.
pub fn of<I: Image>(test: &'static str) -> impl FnOnce(ContainerRequest<I>) -> ContainerRequest<I> {
    // One network each: testcontainers may remove one by the same name while another test takes it for a foreign one.
    let network = format!("authlab-{}", test.replace(' ', "-"));
    move |request| request.with_label(TEST, test).with_network(network)
}

async fn engine() -> Docker {
    docker_client_instance().await.unwrap()
}

/// Returns the number of containers that there are of a test.
pub async fn left(test: &str) -> usize {
    let filters = HashMap::from([("label", vec![format!("{TEST}={test}")])]);
    let options = ListContainersOptionsBuilder::default().all(true).filters(&filters).build();
    engine().await.list_containers(Some(options)).await.unwrap().len()
}

/// Returns the addresses that the ports of a container are published on.
pub async fn published_on(id: &str) -> Vec<String> {
    let container = engine().await.inspect_container(id, None::<InspectContainerOptions>).await.unwrap();
    let ports = container.network_settings.unwrap().ports.unwrap();
    let bindings = ports.into_values().flatten().flatten();
    bindings.map(|binding| binding.host_ip.unwrap()).collect()
}

/// Returns the reason why there is no engine, if there is none.
pub async fn missing_engine() -> Option<String> {
    if !Command::new("go")
        .arg("version")
        .output()
        .is_ok_and(|output| output.status.success())
    {
        return Some("go, which builds the stand-in for k3s, is not installed".to_owned());
    }
    no_engine().await
}

async fn no_engine() -> Option<String> {
    match docker_client_instance().await {
        Ok(engine) => engine
            .ping()
            .await
            .err()
            .map(|error| format!("no container engine answers: {error}")),
        Err(error) => Some(format!("there is no container engine: {error}")),
    }
}

/// Returns the reason why Keycloak cannot be tested, if there is one.
pub async fn missing_keycloak() -> Option<String> {
    if let Some(why) = no_engine().await {
        return Some(why);
    }
    let image = format!("{}:{TAG}", keycloak());
    let there = engine().await.inspect_image(&image).await.is_ok();
    (!there).then(|| format!("the engine has no image {image}; .ci/keycloak-image makes one"))
}

/// Builds the stand-in for k3s, and imports it.
pub async fn load_k3s() -> Result<(), String> {
    let directory = tempfile::tempdir().unwrap();
    let program = directory.path().join("k3s");
    let built = Command::new("go")
        .args(["build", "-trimpath", "-ldflags=-s -w", "-o"])
        .arg(&program)
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/engine/k3s.go"))
        .envs([("CGO_ENABLED", "0"), ("GOOS", "linux")])
        .output()
        .map_err(|error| format!("go cannot be started: {error}"))?;
    if !built.status.success() {
        return Err(String::from_utf8_lossy(&built.stderr).into_owned());
    }
    let mut files = tar::Builder::new(Vec::new());
    for name in ["bin/", "etc/", "tmp/"] {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Directory);
        header.set_mode(0o755);
        header.set_size(0);
        files.append_data(&mut header, name, Cursor::new([])).unwrap();
    }
    files.append_path_with_name(&program, "bin/k3s").unwrap();
    let files = files.into_inner().unwrap();
    for (tag, program) in TAGS.into_iter().zip(["/bin/k3s", "/bin/nosuch"]) {
        let options = CreateImageOptionsBuilder::default()
            .from_src("-")
            .repo(K3S)
            .tag(tag)
            .changes(vec![format!("ENTRYPOINT [\"{program}\"]")])
            .build();
        let engine = engine().await;
        let import = engine.create_image(Some(options), Some(body_full(files.clone().into())), None);
        import.try_collect::<Vec<_>>().await.map_err(|error| error.to_string())?;
    }
    Ok(())
}
