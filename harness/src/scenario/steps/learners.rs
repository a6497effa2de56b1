//! A learner's work: the goals of lessons check the learner's own files.

use std::path::{Path, PathBuf};

use anyhow::Context;
use cucumber::given;

use super::{Person, Step};
use crate::auth_proxy::AuthProxy;
use crate::credential::Credential;
use crate::explain::{kubeconfig, run_plugin};
use crate::scenario::world::World;

/// The auth proxy in front of the API server while the scenario lasts.
#[derive(Default)]
struct Standing(Option<AuthProxy>);

#[given(expr = "{person} uses the kubeconfig in the workspace")]
async fn uses_kubeconfig(world: &mut World, person: Person) -> Step {
    let place = world.learners_place()?;
    let file = place.directory.join(format!("{}.kubeconfig", person.user()));
    let credential = credential(world, &file).await?;
    Ok(world.hold(&person, credential, None)?)
}

requires!(auth_proxy, front_proxy);
#[given(expr = "all requests go through the auth proxy in the workspace")]
async fn through_proxy(world: &mut World) -> Step {
    let place = world.learners_place()?;
    let (proxy, endpoint) = world.learners_proxy(&place.directory).await?;
    world.go_to(endpoint).await?;
    world.notes::<Standing>().0 = Some(proxy);
    Ok(())
}

/// Returns the credential in the kubeconfig `file`, which must be for the lab's API server.
async fn credential(world: &World, file: &Path) -> Step<Credential> {
    let name = file.file_name().unwrap_or_default().display();
    let text = std::fs::read_to_string(file).with_context(|| format!("there is no {name}"))?;
    let directory = file.parent().map(PathBuf::from).unwrap_or_default();
    let beside = |named: &Path| std::fs::read_to_string(directory.join(named));
    let read = kubeconfig::read(&text, None, &beside);
    if let Some(finding) = read.findings.first() {
        bail!("{name}: {}", finding.seen);
    }
    let main = world.main();
    let server = read.server.unwrap_or_default();
    ensure!(server == main.url, "{name} is for {server}, and the API server is {}", main.url);
    let mut credentials = read.credentials;
    if let Some(plugin) = &read.exec {
        credentials.push(run_plugin(plugin, &read.cluster).await.with_context(|| name.to_string())?);
    }
    Ok(Credential::of(credentials, read.impersonated))
}
