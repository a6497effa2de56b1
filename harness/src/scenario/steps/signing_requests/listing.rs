//! Lists of requests, selected by a field. The main type is [`Made`].

use std::collections::BTreeSet;

use anyhow::Context;
use base64::Engine as _;
use cucumber::{given, then, when};
use serde_json::{Value, json};

use super::PATH;
use crate::event::Verdict;
use crate::pki::signing_request;
use crate::probe::Question;
use crate::scenario::steps::{Person, Step};
use crate::scenario::world::World;

/// The signers and the names of the scenario's requests.
#[derive(Clone, Default)]
struct Made {
    signer: String,
    names: BTreeSet<String>,
}

requires!(administrator);
#[given(expr = "three requests for one signer, and one for another")]
async fn four_requests(world: &mut World) -> Step {
    let signer = |name: &str| format!("authlab.example/{name}");
    let (one, other) = (signer(&world.unique("one")), signer(&world.unique("other")));
    let names = ["first", "second", "third"].map(|name| world.unique(name));
    let stranger = world.unique("stranger");
    let credential = world.administrator_credential()?;
    let all = names.iter().map(|name| (name, &one)).chain([(&stranger, &other)]);
    for (name, signer) in all {
        let question = Question::post(PATH, request(world, name, signer)?);
        let answer = world.ask_with(&Person::called("the administrator"), &credential, &question).await;
        expect!(answer.verdict == Verdict::Accepted, "requested", "{answer}");
    }
    *world.notes::<Made>() = Made {
        signer: one,
        names: names.into(),
    };
    Ok(())
}

#[when(expr = "{person} lists the requests for the one signer")]
async fn lists_by_signer(world: &mut World, person: Person) -> Step {
    let signer = world.notes::<Made>().signer.clone();
    let question = Question::get(format!("{PATH}?fieldSelector=spec.signerName%3D{}", signer.replace('/', "%2F")));
    Ok(world.ask(&person, &question).await.map(drop)?)
}

#[then(expr = "{person} is shown those three")]
fn shown_three(world: &mut World, person: Person) -> Step {
    world.person(&person)?;
    let (expected, seen) = (world.notes::<Made>().names.clone(), names(world)?);
    expect!(seen == expected, "exactly the requests {expected:?}", "{seen:?}");
    Ok(())
}

#[then(expr = "{person}, who lists them by name, is shown one")]
async fn shown_one(world: &mut World, person: Person) -> Step {
    let name = world.notes::<Made>().names.first().cloned().context("nothing was requested")?;
    let question = Question::get(format!("{PATH}?fieldSelector=metadata.name%3D{name}"));
    world.ask(&person, &question).await?;
    let seen = names(world)?;
    expect!(seen == BTreeSet::from([name.clone()]), "the request {name} alone", "{seen:?}");
    Ok(())
}

fn request(world: &World, name: &str, signer: &str) -> Step<Value> {
    let (pem, _) = signing_request("somebody", &[])?;
    Ok(json!({
        "apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest", "metadata": world.metadata(name),
        "spec": {
            "request": base64::engine::general_purpose::STANDARD.encode(pem),
            "signerName": signer,
            "usages": ["client auth"],
        },
    }))
}

/// Returns the names in the list of the last answer.
fn names(world: &World) -> Step<BTreeSet<String>> {
    let answer = world.answer()?;
    let items = answer.body["items"]
        .as_array()
        .with_context(|| format!("the answer is no list: {answer}"))?;
    let name = |item: &Value| item.pointer("/metadata/name").and_then(Value::as_str).map(str::to_owned);
    Ok(items.iter().filter_map(name).collect())
}
