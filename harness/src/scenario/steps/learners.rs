//! A learner's work: the goals of lessons check the learner's own files.

use std::path::Path;

use anyhow::Context;
use cucumber::{given, then};

use super::{Person, Step};
use crate::auth_proxy::AuthProxy;
use crate::credential::Credential;
use crate::event::Verdict;
use crate::kubeconfig::{self, plugin};
use crate::probe::Question;
use crate::scenario::world::World;

/// The auth proxy in front of the API server while the scenario lasts.
#[derive(Default)]
struct Standing(Option<AuthProxy>);

#[given(expr = "{person} uses the kubeconfig at hand")]
async fn uses_kubeconfig(world: &mut World, person: Person) -> Step {
    let place = world.learners_place()?;
    let file = place.directory.join(format!("{}.kubeconfig", person.user()));
    let credential = credential(world, &file).await?;
    Ok(world.hold(&person, credential, None)?)
}

requires!(auth_proxy, front_proxy);
#[given(expr = "everybody goes through the auth proxy")]
async fn through_proxy(world: &mut World) -> Step {
    let place = world.learners_place()?;
    let (proxy, endpoint) = world.learners_proxy(&place.directory).await?;
    world.go_to(endpoint).await?;
    world.notes::<Standing>().0 = Some(proxy);
    Ok(())
}

#[then(expr = "{person} may not act as {string}")]
async fn may_not_act_as(world: &mut World, person: Person, other: String) -> Step {
    let other = world.filled(&other)?;
    let own = match &world.holding(&person)?.credential {
        Credential::Impersonation { own, .. } => own.as_ref().clone(),
        credential => credential.clone(),
    };
    let credential = Credential::Impersonation {
        own: Box::new(own),
        headers: vec![("Impersonate-User".to_owned(), other.clone())],
    };
    let who = world.person(&person)?;
    let answer = world.ask_with(&who, &credential, &Question::who_am_i()).await;
    expect!(answer.verdict == Verdict::Forbidden, "forbidden to act as \"{other}\"", "{answer}");
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
