//! Authorities that the API server starts to trust while it runs, of clients and of front proxies.

use std::path::PathBuf;

use anyhow::Context;
use cucumber::{given, then, when};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;

use super::answers::TRUSTED;
use super::{Person, Step, answers, front_proxy};
use crate::cluster::{FRONT_PROXY, TrustedAuthority};
use crate::credential::Credential;
use crate::event::Verdict;
use crate::pki::{Authority, Leaf, Request};
use crate::probe::Question;
use crate::process::wait::{Condition, until};
use crate::scenario::world::World;

/// The new authority: first created, then trusted until the scenario ends.
#[derive(Default)]
struct New {
    authority: Option<Authority>,
    leaf: Option<Leaf>,
    trusted: Option<TrustedAuthority>,
}

#[given(expr = "{person} holds a client certificate of a new authority, and is refused with it")]
async fn holds_certificate_of_new_authority(world: &mut World, person: Person) -> Step {
    let authority = Authority::root(&world.unique("new authority"))?;
    let leaf = authority.issue(&Request::client(&person.user(), &[]))?;
    world.hold(&person, Credential::Certificate(leaf), None)?;
    world.notes::<New>().authority = Some(authority);
    is_refused(world, &person).await
}

requires!(front_proxy);
#[given(expr = "{person} holds a certificate of the front proxy's authority, and is refused with it")]
async fn holds_certificate_of_proxies_authority(world: &mut World, person: Person) -> Step {
    let leaf = world.request_header_authority()?.issue(&Request::client(&person.user(), &[]))?;
    world.hold(&person, Credential::Certificate(leaf.clone()), None)?;
    world.notes::<New>().leaf = Some(leaf);
    is_refused(world, &person).await
}

requires!(front_proxy);
#[given(expr = "a front proxy of a new authority announces {person}, and is refused")]
async fn new_front_proxy_announces(world: &mut World, person: Person) -> Step {
    let authority = Authority::root(&world.unique("new front proxies"))?;
    let leaf = authority.issue(&Request::client(FRONT_PROXY, &[]))?;
    world.hold(&person, front_proxy::announced(leaf, front_proxy::user(&person)), None)?;
    world.notes::<New>().authority = Some(authority);
    is_refused(world, &person).await
}

requires!(authority_files);
#[when(expr = "the new authority is added to those that the API server trusts")]
fn new_authority_is_added(world: &mut World) -> Step {
    let file = world.endpoint().server.client_authorities;
    let certificate = new_authority(world)?;
    trust(world, file, &certificate)
}

requires!(authority_files);
#[when(expr = "the new authority is added to those of front proxies")]
fn new_authority_of_front_proxies_is_added(world: &mut World) -> Step {
    let file = world.endpoint().server.request_header_authorities;
    let certificate = new_authority(world)?;
    trust(world, file, &certificate)
}

requires!(authority_files, front_proxy);
#[when(expr = "the front proxy's authority is added to those of clients")]
fn authority_of_front_proxies_is_added(world: &mut World) -> Step {
    let file = world.endpoint().server.client_authorities;
    let certificate = world.request_header_authority()?.certificate().to_owned();
    trust(world, file, &certificate)
}

#[then(expr = "announcing {person} with the same certificate, {person} is accepted as {string}")]
async fn announces_with_same(world: &mut World, announced: Person, person: Person, user: String) -> Step {
    let leaf = world
        .notes::<New>()
        .leaf
        .clone()
        .context("nobody holds a certificate of the front proxy's authority")?;
    let credential = front_proxy::announced(leaf, front_proxy::user(&announced));
    let who = world.person(&person)?;
    let answer = world.ask_with(&who, &credential, &Question::who_am_i()).await;
    answers::accepted(&answer, &user)
}

requires!(administrator);
#[then(expr = "aggregated APIs are told of the new authority, and of the front proxy's name and headers")]
async fn aggregated_apis_are_told(world: &mut World) -> Step {
    let certificate = new_authority(world)?;
    let told: Api<ConfigMap> = Api::namespaced(world.administrator()?, "kube-system");
    let (told, certificate) = (&told, certificate.trim());
    let known = until("what aggregated APIs are told", TRUSTED, || async move {
        let data = told.get("extension-apiserver-authentication").await?.data.unwrap_or_default();
        let says = |key: &str, text: &str| data.get(key).is_some_and(|value| value.contains(text));
        let missing: Vec<&str> = [
            ("requestheader-client-ca-file", certificate),
            ("requestheader-allowed-names", FRONT_PROXY),
            ("requestheader-username-headers", "X-Remote-User"),
            ("requestheader-group-headers", "X-Remote-Group"),
            ("requestheader-extra-headers-prefix", "X-Remote-Extra-"),
            ("client-ca-file", "BEGIN CERTIFICATE"),
        ]
        .into_iter()
        .filter(|(key, text)| !says(key, text))
        .map(|(key, _)| key)
        .collect();
        Ok::<_, kube::Error>(if missing.is_empty() {
            Condition::Met(())
        } else {
            Condition::NotYet(format!("they are not told: {missing:?}"))
        })
    });
    Ok(known.await?)
}

async fn is_refused(world: &mut World, person: &Person) -> Step {
    let answer = world.ask(&person, &Question::who_am_i()).await?;
    answers::refused(
        world.version(),
        &answer,
        Verdict::Unauthenticated,
        "failed: x509: certificate signed by unknown authority",
    )
}

fn new_authority(world: &mut World) -> Step<String> {
    let authority = world.notes::<New>().authority.as_ref().context("there is no new authority")?;
    Ok(authority.certificate().to_owned())
}

/// Adds `certificate` to the authorities in `file` until the scenario ends.
fn trust(world: &mut World, file: Option<PathBuf>, certificate: &str) -> Step {
    let file = file.context("the API server's file of authorities is not ours to rewrite")?;
    let trusted = TrustedAuthority::add(&file, certificate)?;
    world.notes::<New>().trusted = Some(trusted);
    Ok(())
}
