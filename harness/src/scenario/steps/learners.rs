//! A learner's work: the goals of lessons check the learner's own files.

use std::path::{Path, PathBuf};

use anyhow::Context;
use cucumber::{given, then};

use super::{Person, Step};
use crate::auth_proxy::AuthProxy;
use crate::credential::Credential;
use crate::event::Verdict;
use crate::explain::{kubeconfig, run_plugin};
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
