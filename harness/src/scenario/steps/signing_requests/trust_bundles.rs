//! Trust bundles (KEP-3257, certificates.k8s.io `ClusterTrustBundle`): the CAs that a signer attests, for everybody to read.

use std::convert::Infallible;
use std::time::Duration;

use anyhow::Context;
use cucumber::{given, then, when};
use serde_json::{Value, json};

use super::deciding::PermittedSigner;
use super::{CERTIFICATES, team};
use crate::event::Verdict;
use crate::pki::{Authority, Request};
use crate::probe::{Answer, Question, ask};
use crate::process::wait::{Condition, until};
use crate::scenario::steps::rights::{Right, grant_everywhere};
use crate::scenario::steps::{Person, Step, service_accounts};
use crate::scenario::world::World;

const PATH: &str = "/apis/certificates.k8s.io/v1/clustertrustbundles";

/// The signer of the bundles, and another.
const SIGNER: &str = "example.com/internal";
const OTHER_SIGNER: &str = "example.com/external";

phrases! {
    /// A trust bundle as it is published, sound or with a flaw.
    enum Bundle as "trust_bundle" {
        Sound = "a trust bundle",
        OtherName = "a trust bundle under the name of another signer",
        PrivateKey = "a trust bundle with a private key",
        NoAuthority = "a trust bundle with a certificate of no CA",
    }
}

phrases! {
    /// A field of a published bundle.
    enum BundleField as "bundle_field" {
        Signer = "the signer",
        Certificates = "the certificates",
    }
}

/// The bundle that was published last, and as the API server has it.
#[derive(Default)]
struct Published {
    name: Option<String>,
    content: String,
    object: Value,
}

requires!(administrator, client_certificates, trust_bundles);
#[given(expr = "{person} may publish trust bundles of {permitted_signer}")]
async fn may_publish(world: &mut World, person: Person, signer: PermittedSigner) -> Step {
    let team = team(world, &person).await?;
    let mut rights = vec![
        Right::new("create", CERTIFICATES, "clustertrustbundles"),
        Right::new("update", CERTIFICATES, "clustertrustbundles"),
    ];
    rights.extend(signer.0.map(attesting));
    grant_everywhere(world, "Group", &team, &rights).await
}

#[given(expr = "{person} has published {trust_bundle}")]
#[when(expr = "{person} publishes {trust_bundle}")]
async fn publishes(world: &mut World, person: Person, bundle: Bundle) -> Step {
    publish(world, &person, bundle).await.map(drop)
}

#[then(expr = "{person} can publish it once permitted for the signer {string}")]
async fn can_once_permitted(world: &mut World, person: Person, signer: String) -> Step {
    let team = team(world, &person).await?;
    grant_everywhere(world, "Group", &team, &[attesting(signer)]).await?;
    may_still(world, person).await
}

#[then(expr = "{person} may still publish a trust bundle")]
async fn may_still(world: &mut World, person: Person) -> Step {
    let answer = publish(world, &person, Bundle::Sound).await?;
    expect!(answer.verdict == Verdict::Accepted, "the trust bundle is published", "{answer}");
    Ok(())
}

#[then(expr = "the trust bundle is published, and {person} reads it with a service account token")]
async fn is_published(world: &mut World, person: Person) -> Step {
    let answer = world.answer()?;
    expect!(answer.verdict == Verdict::Accepted, "the trust bundle is published", "{answer}");
    let published = world.notes::<Published>();
    let (name, content) = (
        published.name.clone().context("nothing was published yet")?,
        published.content.clone(),
    );
    let reader = service_accounts::fresh(world).await?.credential;
    let answer = world.ask_with(&person, &reader, &Question::get(format!("{PATH}/{name}"))).await;
    expect!(
        answer.verdict == Verdict::Accepted && answer.body["spec"]["trustBundle"] == content.as_str(),
        "the certificates of the bundle",
        "{answer}"
    );
    Ok(())
}

#[when(expr = "{person} changes {bundle_field} of the trust bundle")]
async fn changes(world: &mut World, person: Person, field: BundleField) -> Step {
    change(world, &person, field).await.map(drop)
}

#[then(expr = "{person} may still change its certificates")]
async fn may_still_change(world: &mut World, person: Person) -> Step {
    let answer = change(world, &person, BundleField::Certificates).await?;
    expect!(answer.verdict == Verdict::Accepted, "the change is accepted", "{answer}");
    Ok(())
}

#[then(expr = "{person} finds the trust bundle among those of the signer, and of no other")]
async fn is_found(world: &mut World, person: Person) -> Step {
    let name = world.notes::<Published>().name.clone().context("nothing was published yet")?;
    let reader = service_accounts::fresh(world).await?.credential;
    for (signer, expected) in [(SIGNER, true), (OTHER_SIGNER, false)] {
        let answer = world.ask_with(&person, &reader, &of_signer(signer)).await;
        expect!(answer.verdict == Verdict::Accepted, "a list of the signer's bundles", "{answer}");
        let bundles = answer.body["items"].as_array().cloned().unwrap_or_default();
        let seen = bundles.iter().any(|bundle| bundle["metadata"]["name"] == name.as_str());
        let foreign = bundles.iter().find(|bundle| bundle["spec"]["signerName"] != signer);
        expect!(
            seen == expected && foreign.is_none(),
            "bundles of {signer} alone, with {name}: {expected}",
            "{bundles:?}"
        );
    }
    Ok(())
}

/// The cluster's own signer: its bundle has the CA of the API servers (KEP-3257).
const OF_API_SERVERS: &str = "kubernetes.io/kube-apiserver-serving";

/// The time until the cluster has published it, at most: kube-controller-manager starts beside the scenarios, and nothing waits for it.
const PUBLISHED: Duration = Duration::from_secs(60);

requires!(administrator, trust_bundles);
#[then(expr = "{person} finds the CA of the API server in a trust bundle of the cluster")]
async fn finds_authority(world: &mut World, person: Person) -> Step {
    let reader = service_accounts::fresh(world).await?.credential;
    let question = of_signer(OF_API_SERVERS);
    let authority = world.main().serving_authority.trim().to_owned();
    let (endpoint, who) = (world.endpoint(), world.person(&person)?);
    let found = until("the trust bundle of the cluster", PUBLISHED, || async {
        let answer = ask(&endpoint, who.name(), &reader, &question).await;
        let bundles = answer.body["items"].as_array().cloned().unwrap_or_default();
        let has = |bundle: &Value| bundle["spec"]["trustBundle"].as_str().is_some_and(|text| text.trim() == authority);
        Ok::<_, Infallible>(match bundles.iter().any(has) {
            true => Condition::Met(()),
            false => Condition::NotYet(format!("{answer}: {bundles:?}")),
        })
    });
    Ok(found.await?)
}

fn of_signer(signer: &str) -> Question {
    Question::get(format!("{PATH}?fieldSelector=spec.signerName%3D{}", signer.replace('/', "%2F")))
}

/// Changes a field of the bundle that was published last.
async fn change(world: &mut World, person: &Person, field: BundleField) -> Step<Answer> {
    let published = world.notes::<Published>();
    let (mut object, name) = (
        published.object.clone(),
        published.name.clone().context("nothing was published yet")?,
    );
    match field {
        BundleField::Signer => object["spec"]["signerName"] = OTHER_SIGNER.into(),
        BundleField::Certificates => object["spec"]["trustBundle"] = Authority::root("the signer's next")?.certificate().into(),
    }
    Ok(world.ask(person, &Question::put(format!("{PATH}/{name}"), object)).await?)
}

/// Returns the right to publish bundles of `signer` (kubernetes `plugin/pkg/admission/certificates/ctbattest`).
fn attesting(signer: String) -> Right {
    Right::new("attest", CERTIFICATES, "signers").named([signer])
}

async fn publish(world: &mut World, person: &Person, bundle: Bundle) -> Step<Answer> {
    let authority = Authority::root("the signer")?;
    let content = match bundle {
        Bundle::Sound | Bundle::OtherName => authority.certificate().to_owned(),
        // Only its label says that it is a key.
        Bundle::PrivateKey => authority.certificate().replace("CERTIFICATE", "PRIVATE KEY"),
        Bundle::NoAuthority => authority.issue(&Request::client("nobody", &[]))?.certificate,
    };
    let signer = match bundle {
        Bundle::OtherName => OTHER_SIGNER,
        _ => SIGNER,
    };
    let name = format!("{}:{}", signer.replace('/', ":"), world.unique("bundle"));
    let object = json!({
        "apiVersion": format!("{CERTIFICATES}/v1"),
        "kind": "ClusterTrustBundle",
        "metadata": world.metadata(&name),
        "spec": { "signerName": SIGNER, "trustBundle": content },
    });
    let answer = world.ask(person, &Question::post(PATH, object)).await?;
    *world.notes::<Published>() = Published {
        name: Some(name),
        content,
        object: answer.body.clone(),
    };
    Ok(answer)
}
