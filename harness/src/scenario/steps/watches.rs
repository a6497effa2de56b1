//! Watches: responses that continue while things happen.

use std::time::Duration;

use anyhow::Context;
use cucumber::{then, when};
use futures::FutureExt;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::api::PostParams;
use serde_json::{Value, json};

use super::{Person, Step};
use crate::credential::Credential;
use crate::event::Verdict;
use crate::probe::{Question, Watch, watch};
use crate::scenario::world::World;

/// The time until an event arrives, at most, unless something holds it back.
const LIMIT: Duration = Duration::from_secs(10);

/// The watch that was opened last.
#[derive(Default)]
struct Opened(Option<Watch>);

phrases! {
    /// The protocol of a watch.
    enum Protocol as "watch_protocol" {
        Http = "over HTTP",
        WebSocket = "over a WebSocket",
    }
}

requires!(administrator);
#[when(expr = "{person} watches {word} {watch_protocol}")]
async fn watches(world: &mut World, person: Person, resource: String, protocol: Protocol) -> Step {
    let credential = world.holding(&person)?.credential.clone();
    open(world, &person, &credential, &resource, protocol).await
}

#[then(expr = "{person}, who presents valid sub-protocols, may watch {word}")]
async fn twin_watches(world: &mut World, person: Person, resource: String) -> Step {
    let twin = world.twin()?;
    open(world, &person, &twin.credential, &resource, Protocol::WebSocket).await?;
    let answer = world.answer()?;
    expect!(
        answer.verdict == Verdict::Accepted && answer.status == Some(101),
        "a WebSocket",
        "{answer}"
    );
    Ok(())
}

#[then(expr = "each of three new configmaps reaches {word} before the next is created")]
async fn each_arrives(world: &mut World, _pronoun: String) -> Step {
    let namespace = world.namespace().await?;
    let made: Api<ConfigMap> = Api::namespaced(world.administrator()?, &namespace);
    let configmaps = ["first", "second", "third"].map(|name| (name, world.metadata(name)));
    let watch = opened(world)?;
    for (name, metadata) in configmaps {
        made.create(&PostParams::default(), &serde_json::from_value(json!({ "metadata": metadata }))?)
            .await?;
        loop {
            let next = tokio::time::timeout(LIMIT, watch.next()).await;
            let next = next.with_context(|| format!("the {name} configmap did not arrive within {LIMIT:?}"))??;
            let event = next.with_context(|| format!("the watch ended before the {name} configmap arrived"))?;
            let said = |pointer: &str| event.pointer(pointer).and_then(Value::as_str);
            // The cluster creates this one in each namespace, at some time.
            if said("/object/metadata/name") == Some("kube-root-ca.crt") {
                continue;
            }
            let seen = (said("/type"), said("/object/kind"), said("/object/metadata/name"));
            expect!(
                seen == (Some("ADDED"), Some("ConfigMap"), Some(name)),
                "the {name} configmap was added",
                "{event}"
            );
            break;
        }
    }
    Ok(())
}

#[then("the watch is still open")]
fn goes_on(world: &mut World) -> Step {
    match opened(world)?.next().now_or_never() {
        None | Some(Ok(Some(_))) => Ok(()),
        Some(Ok(None)) => differs!("a watch that goes on", "it has ended"),
        Some(Err(error)) => Err(error.into()),
    }
}

/// Opens a watch of `resource` in the scenario's namespace.
async fn open(world: &mut World, person: &Person, credential: &Credential, resource: &str, protocol: Protocol) -> Step {
    let namespace = world.namespace().await?;
    let path = format!("/api/v1/namespaces/{namespace}/{resource}?watch=true");
    let question = match protocol {
        Protocol::Http => Question::get(path),
        Protocol::WebSocket => Question::web_socket(path),
    };
    let who = world.person(person)?;
    let (answer, opened) = watch(&world.endpoint(), who.name(), credential, &question).await;
    world.answered(answer);
    world.notes::<Opened>().0 = opened;
    Ok(())
}

fn opened(world: &mut World) -> Step<&mut Watch> {
    Ok(world
        .notes::<Opened>()
        .0
        .as_mut()
        .context("there is no watch: it was not opened, or refused")?)
}
