//! A learner's work: the goals of lessons check the learner's own files.

use std::path::Path;

use anyhow::Context;
use cucumber::given;

use super::{Person, Step};
use crate::auth_proxy::AuthProxy;
use crate::credential::Credential;
use crate::kubeconfig::{self, plugin};
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
    ensure!(file.is_file(), "there is no {name}");
    let read = match kubeconfig::read(&[file.to_owned()], None) {
        Ok(read) => read,
        Err(troubles) => bail!(
            "{name}: {}",
            troubles.first().map(|trouble| trouble.seen.as_str()).unwrap_or_default()
        ),
    };
    let main = world.main();
    let server = read.cluster.server.trim_end_matches('/');
    ensure!(server == main.url, "{name} is for {server}, and the API server is {}", main.url);
    let mut credentials = read.credentials();
    if let Some(exec) = read.user.plugin() {
        let mut show = |_: &str| {};
        let answer = plugin::run(exec, &read.cluster, plugin::Surroundings::new(&mut show)).await;
        credentials.extend(answer.with_context(|| name.to_string())?.credentials);
    }
    Ok(Credential::of(credentials, read.user.impersonate.headers()))
}
