//! Certificates that the cluster signs: requested, approved or denied, signed.
//!
//! A [`RequestedCertificate`] says what a person requests; the steps are about the request that was made last.

use std::time::Duration;

use anyhow::Context;
use base64::Engine as _;
use cucumber::{given, then, when};
use k8s_openapi::api::certificates::v1::CertificateSigningRequest;
use kube::Api;
use kube::api::PostParams;
use serde_json::{Value, json};

use super::request_states::{Decision, RequestState, Status, with_decision};
use super::requested_certificates::{Lifetime, RequestedCertificate};
use super::rights::{Right, grant_everywhere};
use super::{Person, Step, answers};
use crate::credential::Credential;
use crate::event::Verdict;
use crate::pem;
use crate::pki::{Leaf, Request, signing_request};
use crate::probe::{Answer, Identity, Question};
use crate::process::wait::{Condition, until};
use crate::scenario::world::World;
use crate::secret::Secret;

/// The signer of client certificates that anybody may be approved for
/// (kubernetes/api `certificates/v1/types.go`, as the other names here).
const CLIENTS: &str = "kubernetes.io/kube-apiserver-client";
/// The signer of kubelets' client certificates, whose requests may be approved by a controller.
const KUBELETS: &str = "kubernetes.io/kube-apiserver-client-kubelet";
/// The API path of requests.
const PATH: &str = "/apis/certificates.k8s.io/v1/certificatesigningrequests";
/// The time for approving and signing, at most: ten times what a slow machine needs.
const LIMIT: Duration = Duration::from_secs(20);

/// The request that was made last, and the number of requests.
#[derive(Clone, Default)]
struct Requested {
    name: String,
    key: Option<Secret>,
    count: usize,
}

requires!(administrator, cluster_signing_key);
#[given(expr = "{person} may request certificates")]
async fn may_request(world: &mut World, person: Person) -> Step {
    allow(world, &person, &[Right::new("create", CERTIFICATES, REQUESTS)]).await
}

requires!(administrator, cluster_signing_key);
#[given(expr = "{person} may request certificates for kubelets")]
async fn may_request_for_kubelets(world: &mut World, person: Person) -> Step {
    let rights = ["", "/nodeclient"].map(|kind| Right::new("create", CERTIFICATES, format!("{REQUESTS}{kind}")));
    allow(world, &person, &rights).await
}

requires!(administrator, cluster_signing_key);
#[given(expr = "{person} is a node that may request its own certificate")]
async fn is_a_node(world: &mut World, person: Person) -> Step {
    let (node, team) = (node(world), team(world, &person)?);
    let leaf = world.client_authority()?.issue(&Request::client(&node, &[&team]))?;
    world.hold(&person, Credential::Certificate(leaf), None)?;
    let rights = ["", "/selfnodeclient"].map(|kind| Right::new("create", CERTIFICATES, format!("{REQUESTS}{kind}")));
    grant_everywhere(world, "Group", &team, &rights).await
}

requires!(administrator, cluster_signing_key);
#[given(expr = "{person} may decide about requests, but for no signer")]
async fn may_decide_for_none(world: &mut World, person: Person) -> Step {
    allow(
        world,
        &person,
        &[Right::new("update", CERTIFICATES, format!("{REQUESTS}/approval"))],
    )
    .await
}

requires!(administrator, cluster_signing_key);
#[given(expr = "{person} may decide about requests for the signer {string}")]
async fn may_decide(world: &mut World, person: Person, signer: String) -> Step {
    let decide = Right::new("update", CERTIFICATES, format!("{REQUESTS}/approval"));
    allow(
        world,
        &person,
        &[decide, Right::new("approve", CERTIFICATES, "signers").named([signer])],
    )
    .await
}

requires!(administrator, cluster_signing_key);
#[given(expr = "{person} may issue certificates, but for no signer")]
async fn may_issue_for_none(world: &mut World, person: Person) -> Step {
    allow(world, &person, &[Right::new("update", CERTIFICATES, format!("{REQUESTS}/status"))]).await
}

requires!(administrator);
#[when(expr = "{person} requests {requested_certificate}")]
async fn requests(world: &mut World, person: Person, requested: RequestedCertificate) -> Step {
    request(world, &person, &requested).await.map(drop)
}

requires!(administrator);
#[given(expr = "{person} has requested {requested_certificate}")]
async fn has_requested(world: &mut World, person: Person, requested: RequestedCertificate) -> Step {
    let answer = request(world, &person, &requested).await?;
    expect!(answer.verdict == Verdict::Accepted, "the request is accepted", "{answer}");
    Ok(())
}

#[when(expr = "{person} approves the request")]
async fn approves(world: &mut World, person: Person) -> Step {
    decide(world, &person, Decision::Approved).await.map(drop)
}

#[when(expr = "{person} denies the request")]
async fn denies(world: &mut World, person: Person) -> Step {
    decide(world, &person, Decision::Denied).await.map(drop)
}

#[when(expr = "{person} puts a certificate into the request")]
async fn issues(world: &mut World, person: Person) -> Step {
    issue(world, &person).await.map(drop)
}

requires!(administrator, certificate_signer, cluster_signing_key);
/// Requested by the person, approved by the administrator, signed by the cluster.
#[given(expr = "{person} holds {requested_certificate} that the cluster has signed")]
async fn holds_signed(world: &mut World, person: Person, requested: RequestedCertificate) -> Step {
    may_request(world, person.clone()).await?;
    hold_signed(world, &person, &requested).await
}

requires!(administrator, certificate_signer, cluster_signing_key);
/// The same, for a team whose members may request certificates.
#[given(expr = "{person} holds a certificate that the cluster has signed, and that is good for requesting others")]
async fn holds_signed_requester(world: &mut World, person: Person) -> Step {
    may_request(world, person.clone()).await?;
    let requested = RequestedCertificate {
        organizations: vec![team(world, &person)?],
        ..RequestedCertificate::default()
    };
    hold_signed(world, &person, &requested).await
}

#[then(expr = "the request is accepted, and recorded as made by {string}")]
async fn recorded(world: &mut World, user: String) -> Step {
    let answer = world.answer()?;
    answers::accepted(answer, &user)?;
    let asked = answers::identity(answer)?.clone();
    let recorded: Identity = serde_json::from_value(answer.body["spec"].clone())?;
    expect!(
        recorded == asked,
        "who asked is recorded: {asked:?}",
        "the request says {recorded:?}"
    );
    Ok(())
}

#[then(expr = "not even the administrator can change who is recorded")]
async fn record_stays(world: &mut World) -> Step {
    let before = current(world).await?;
    let mut changed = before.clone();
    changed.spec.username = Some("somebody-else".to_owned());
    changed.spec.uid = Some("0".to_owned());
    changed.spec.groups = Some(vec!["system:masters".to_owned()]);
    changed
        .metadata
        .labels
        .get_or_insert_default()
        .insert("changed".to_owned(), "yes".to_owned());
    let after = requests_api(world)?
        .replace(&before.name(), &PostParams::default(), &changed)
        .await?;
    let (expected, seen) = (&changed.metadata.labels, &after.metadata.labels);
    expect!(seen == expected, "the request with the labels {expected:?}", "{seen:?}");
    let (expected, seen) = (&before.spec, &after.spec);
    expect!(seen == expected, "a request that still says {expected:?}", "{seen:?}");
    Ok(())
}

#[then(expr = "{person} may still request {requested_certificate}")]
async fn may_still_request(world: &mut World, person: Person, requested: RequestedCertificate) -> Step {
    let answer = request(world, &person, &requested).await?;
    expect!(answer.verdict == Verdict::Accepted, "the request is accepted", "{answer}");
    Ok(())
}

#[then(expr = "once allowed to decide for the signer {string}, {person} can approve it")]
async fn can_approve_once_allowed(world: &mut World, signer: String, person: Person) -> Step {
    allow(world, &person, &[Right::new("approve", CERTIFICATES, "signers").named([signer])]).await?;
    let answer = decide(world, &person, Decision::Approved).await?;
    expect!(answer.verdict == Verdict::Accepted, "the approval is accepted", "{answer}");
    Ok(())
}

#[then(expr = "once allowed to sign for the signer {string}, {person} can do so")]
async fn can_issue_once_allowed(world: &mut World, signer: String, person: Person) -> Step {
    allow(world, &person, &[Right::new("sign", CERTIFICATES, "signers").named([signer])]).await?;
    let answer = issue(world, &person).await?;
    expect!(answer.verdict == Verdict::Accepted, "the certificate is accepted", "{answer}");
    Ok(())
}

#[then(expr = "the request is approved")]
fn approved(world: &mut World) -> Step {
    let answer = world.answer()?;
    expect!(answer.verdict == Verdict::Accepted, "the approval is accepted", "{answer}");
    let seen = answer.body.pointer("/status/conditions/0/type").and_then(Value::as_str);
    expect!(
        seen == Some("Approved"),
        "the condition Approved",
        "the request has {:?}",
        answer.body["status"]
    );
    Ok(())
}

requires!(certificate_signer);
#[then(expr = "the request is signed")]
async fn signed(world: &mut World) -> Step {
    let name = world.notes::<Requested>().name.clone();
    certificate(world, &name).await.map(drop)
}

requires!(certificate_signer);
#[then(expr = "the request fails with {string}, because {string}")]
async fn fails(world: &mut World, kind: String, reason: String) -> Step {
    let request = until_condition(world, "Failed").await?;
    let failed = request.condition("Failed").context("it has just been seen")?;
    expect!(
        failed.reason.as_ref() == Some(&kind) && failed.message.as_deref().unwrap_or_default().contains(&reason),
        "a failure with {kind}, because: {reason}",
        "the request says {failed:?}"
    );
    expect!(request.certificate().is_none(), "no certificate", "the request has one");
    Ok(())
}

requires!(certificate_signer);
#[then(expr = "the request is approved by itself, because {string}")]
async fn approved_by_itself(world: &mut World, reason: String) -> Step {
    let request = until_condition(world, "Approved").await?;
    let approved = request.condition("Approved").context("it has just been seen")?;
    expect!(
        approved.reason.as_deref() == Some("AutoApproved") && approved.message.as_deref().unwrap_or_default().contains(&reason),
        "an approval by itself, because: {reason}",
        "the request says {approved:?}"
    );
    Ok(())
}

requires!(certificate_signer);
/// An event that never happens cannot be seen; that a later request has been processed can.
#[then(expr = "the request stays {request_state} without a certificate, while a later one of {person} is signed")]
async fn stays_unsigned(world: &mut World, state: RequestState, person: Person) -> Step {
    let ours = world.notes::<Requested>().clone();
    has_requested(world, person, RequestedCertificate::default()).await?;
    approve_as_administrator(world).await?;
    signed(world).await?;
    expect_state(world, ours, state).await
}

requires!(certificate_signer);
#[then(expr = "the request stays {request_state}, while a later one of {person} for a kubelet is approved by itself")]
async fn stays_pending(world: &mut World, state: RequestState, person: Person) -> Step {
    let ours = world.notes::<Requested>().clone();
    has_requested(
        world,
        person,
        RequestedCertificate {
            kubelet: true,
            ..RequestedCertificate::default()
        },
    )
    .await?;
    until_condition(world, "Approved").await?;
    expect_state(world, ours, state).await
}

requires!(certificate_signer);
#[then(expr = "the certificate is valid for {lifetime}")]
async fn is_valid_for(world: &mut World, lifetime: Lifetime) -> Step {
    let name = world.notes::<Requested>().name.clone();
    let pem = certificate(world, &name).await?;
    let pem = pem::first(&pem)?;
    let validity = pem.parse_x509()?.validity().clone();
    let seen = validity.not_after.timestamp() - validity.not_before.timestamp();
    let expected = lifetime.0;
    expect!(
        seen == expected,
        "a certificate that is valid for {expected} s",
        "it is for {seen} s"
    );
    Ok(())
}

const CERTIFICATES: &str = "certificates.k8s.io";
const REQUESTS: &str = "certificatesigningrequests";

fn requests_api(world: &World) -> Step<Api<CertificateSigningRequest>> {
    Ok(Api::all(world.administrator()?))
}

/// Returns the scenario's own group that the person is in, by a certificate of theirs.
fn team(world: &mut World, person: &Person) -> Step<String> {
    let person = world.person(&person)?;
    let team = world.unique(&format!("{}-team", person.user()));
    if world.holding(&person).is_err() {
        let leaf = world.client_authority()?.issue(&Request::client(&person.user(), &[&team]))?;
        world.hold(&person, Credential::Certificate(leaf), None)?;
    }
    Ok(team)
}

/// Returns the user name of the scenario's node.
fn node(world: &World) -> String {
    format!("system:node:{}", world.unique("node"))
}

async fn allow(world: &mut World, person: &Person, rights: &[Right]) -> Step {
    let team = team(world, person)?;
    grant_everywhere(world, "Group", &team, rights).await
}

/// Sends the request.
async fn request(world: &mut World, person: &Person, requested: &RequestedCertificate) -> Step<Answer> {
    let name = world.person(&person)?;
    let organizations: Vec<&str> = requested.organizations.iter().map(String::as_str).collect();
    let (pem, key) = if requested.kubelet {
        signing_request(&node(world), &["system:nodes"])?
    } else {
        signing_request(&name.user(), &organizations)?
    };
    let pem = requested.damage.map_or_else(|| Ok(pem.clone()), |damage| damage.done_to(&pem))?;
    let notes = world.notes::<Requested>();
    notes.count += 1;
    notes.key = Some(key);
    let base = format!("request-{}", notes.count);
    let object = world.unique(&base);
    world.notes::<Requested>().name.clone_from(&object);

    let mut usages = vec!["digital signature", "client auth"];
    usages.extend(requested.servers.then_some("server auth"));
    let signer = requested
        .signer
        .as_deref()
        .unwrap_or(if requested.kubelet { KUBELETS } else { CLIENTS });
    let mut body = json!({
        "apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest",
        "metadata": world.metadata(&object),
        "spec": {
            "request": base64::engine::general_purpose::STANDARD.encode(pem),
            "signerName": signer,
            "usages": usages,
        },
    });
    if let Some(lifetime) = requested.lifetime {
        body["spec"]["expirationSeconds"] = json!(lifetime.0);
    }
    if let Some(user) = &requested.in_name_of {
        body["spec"]["username"] = json!(user);
    }
    Ok(world.ask(&name, &Question::post(PATH, body)).await?)
}

/// Returns the current state of the request.
async fn current(world: &mut World) -> Step<CertificateSigningRequest> {
    let name = world.notes::<Requested>().name.clone();
    Ok(requests_api(world)?.get(&name).await?)
}

/// Approves or denies the request that was made last, as the person.
async fn decide(world: &mut World, person: &Person, decision: Decision) -> Step<Answer> {
    let name = world.person(&person)?;
    let credential = world.holding(&name)?.credential.clone();
    decide_with(world, &name, &credential, decision).await
}

async fn decide_with(world: &mut World, who: &Person, credential: &Credential, decision: Decision) -> Step<Answer> {
    let request = with_decision(current(world).await?, decision);
    let question = Question::put(format!("{PATH}/{}/approval", request.name()), serde_json::to_value(&request)?);
    Ok(world.ask_with(who, credential, &question).await)
}

/// Writes a certificate into the request that was made last, as the person.
async fn issue(world: &mut World, person: &Person) -> Step<Answer> {
    let name = world.person(&person)?;
    let mut request = serde_json::to_value(current(world).await?)?;
    let certificate = world.client_authority()?.certificate().to_owned();
    request["status"]["certificate"] = json!(base64::engine::general_purpose::STANDARD.encode(certificate));
    let object = world.notes::<Requested>().name.clone();
    Ok(world.ask(&name, &Question::put(format!("{PATH}/{object}/status"), request)).await?)
}

async fn approve_as_administrator(world: &mut World) -> Step {
    let credential = world.administrator_credential()?;
    let answer = decide_with(world, &Person::called("the administrator"), &credential, Decision::Approved).await?;
    expect!(
        answer.verdict == Verdict::Accepted,
        "the administrator's approval is accepted",
        "{answer}"
    );
    Ok(())
}

/// Gives the person the certificate that the cluster signed for their request.
async fn hold_signed(world: &mut World, person: &Person, requested: &RequestedCertificate) -> Step {
    has_requested(world, person.clone(), requested.clone()).await?;
    approve_as_administrator(world).await?;
    let requested = world.notes::<Requested>().clone();
    let certificate = certificate(world, &requested.name).await?;
    let leaf = Leaf {
        certificate,
        chain: String::new(),
        key: requested.key.context("nothing was requested yet")?,
    };
    Ok(world.hold(&person, Credential::Certificate(leaf), None)?)
}

/// Returns the certificate of the request called `name`, once it is there.
async fn certificate(world: &World, name: &str) -> Step<String> {
    let api = requests_api(world)?;
    let found = until("the certificate", LIMIT, || async {
        let request = api.get(name).await?;
        Ok::<_, kube::Error>(match request.certificate() {
            Some(certificate) => Condition::Met(certificate),
            None => Condition::NotYet(request.state()),
        })
    });
    Ok(found.await?)
}

/// Returns the request that was made last, once it has the condition `kind`.
async fn until_condition(world: &mut World, kind: &str) -> Step<CertificateSigningRequest> {
    let name = world.notes::<Requested>().name.clone();
    let api = requests_api(world)?;
    let what = format!("the condition {kind}");
    let found = until(&what, LIMIT, || async {
        let request = api.get(&name).await?;
        Ok::<_, kube::Error>(match request.condition(kind) {
            Some(_) => Condition::Met(request),
            None => Condition::NotYet(request.state()),
        })
    });
    Ok(found.await?)
}

/// Fails unless the request `ours` has the conditions `state`, and no certificate. It becomes the last one again.
async fn expect_state(world: &mut World, ours: Requested, state: RequestState) -> Step {
    *world.notes::<Requested>() = ours;
    let request = current(world).await?;
    let expected = state.0;
    expect!(
        request.kinds() == expected && request.certificate().is_none(),
        "no certificate and the conditions {expected:?}",
        "{}",
        request.state()
    );
    Ok(())
}
