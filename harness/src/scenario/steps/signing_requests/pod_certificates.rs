//! Certificates for pods, requested by their nodes (KEP-4317, certificates.k8s.io `PodCertificateRequest`).
//!
//! The main type is [`Asked`]: a request as it is sent, with one flaw or none.

use std::time::Duration;

use anyhow::Context;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cucumber::{given, then, when};
use serde_json::{Value, json};

use super::requested_certificate::RequestFlaw;
use crate::event::Verdict;
use crate::pem;
use crate::pki::{Authority, Leaf, Request, signing_request_for};
use crate::probe::{Answer, Question};
use crate::scenario::steps::requests::{HEARD, until_accepted};
use crate::scenario::steps::service_accounts::{OnNode, SIGNER, SIGNER_OF_KUBERNETES, on_node};
use crate::scenario::steps::{Person, Step, answers};
use crate::scenario::world::World;

const HOUR: u64 = 3600;

/// A signer that no volume names.
const OTHER_SIGNER: &str = "authlab.example/others";

/// The requested certificate, in words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    Sound,
    Lasting(u64),
    OfKubernetes(u64),
    ShortKey,
    OthersKey,
    OtherNode,
    OtherSigner,
    NoPod,
}

phrases! {
    Asked as "pod_certificate" {
        "a pod certificate" => Self::Sound,
        "a pod certificate for an hour" => Self::Lasting(HOUR),
        "a pod certificate for less than an hour" => Self::Lasting(HOUR - 1),
        "a pod certificate for 92 days" => Self::Lasting(92 * 24 * HOUR),
        "a pod certificate for 25 hours from a kubernetes.io signer" => Self::OfKubernetes(25 * HOUR),
        "a pod certificate for a short RSA key" => Self::ShortKey,
        "a pod certificate for somebody else's key" => Self::OthersKey,
        "a pod certificate in another node's name" => Self::OtherNode,
        "a pod certificate of a signer that the pod does not name" => Self::OtherSigner,
        "a pod certificate for a pod that does not exist" => Self::NoPod,
    }
}

/// The certificate that a signer writes into a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Issued {
    Sound,
    TooLong,
    OtherKey,
    NoRefresh,
}

/// The way a signer deals with a request, in words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SignerAction {
    Issue(Issued),
    Mark(&'static str),
    ChangeLifetime,
}

phrases! {
    SignerAction as "signer_action" {
        "issues a certificate" => Self::Issue(Issued::Sound),
        "issues a certificate that lives longer than requested" => Self::Issue(Issued::TooLong),
        "issues a certificate for another key" => Self::Issue(Issued::OtherKey),
        "issues a certificate without a renewal time" => Self::Issue(Issued::NoRefresh),
        "denies the request" => Self::Mark("Denied"),
        "fails the request" => Self::Mark("Failed"),
        "changes the requested lifetime" => Self::ChangeLifetime,
    }
}

/// The state of a request in the last answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Accepted, for a lifetime in seconds.
    Accepted(u64),
    Issued,
    WithoutCertificate(&'static str),
}

phrases! {
    State as "pod_certificate_state" {
        "accepted for 24 hours" => Self::Accepted(24 * HOUR),
        "issued with the certificate" => Self::Issued,
        "denied without a certificate" => Self::WithoutCertificate("Denied"),
        "failed without a certificate" => Self::WithoutCertificate("Failed"),
    }
}

/// The certificate for the request's key, issued beforehand by the authority that the harness signs with; the request as
/// the API server has it; the number of requests made.
#[derive(Default)]
struct Requested {
    leaf: Option<Leaf>,
    authority: Option<Authority>,
    object: Value,
    count: usize,
}

requires!(administrator, nodes, pod_certificates);
#[given(expr = "{person} has requested {pod_certificate}")]
async fn has_requested(world: &mut World, person: Person, asked: Asked) -> Step {
    let made = on_node(world).await?;
    let credential = world.holding(&person)?.credential.clone();
    let (question, leaf, authority) = request(world, &made, asked)?;
    let answer = until_accepted(
        &world.endpoint(),
        "the pod certificate's request",
        "the kubelet",
        &credential,
        &question,
        HEARD,
    )
    .await?;
    let requested = world.notes::<Requested>();
    requested.object = answer.body;
    requested.leaf = Some(leaf);
    requested.authority = Some(authority);
    Ok(())
}

requires!(administrator, nodes, pod_certificates);
#[when(expr = "{person} requests {pod_certificate}")]
async fn requests(world: &mut World, person: Person, asked: Asked) -> Step {
    let made = on_node(world).await?;
    let (question, ..) = request(world, &made, asked)?;
    Ok(world.ask(&person, &question).await.map(drop)?)
}

#[when(expr = "the signer {signer_action}")]
async fn signer_acts(world: &mut World, action: SignerAction) -> Step {
    match action {
        SignerAction::Issue(issued) => issue(world, issued).await.map(drop),
        SignerAction::Mark(kind) => update(world, json!({ "conditions": [condition(kind)] })).await.map(drop),
        SignerAction::ChangeLifetime => {
            let mut object = world.notes::<Requested>().object.clone();
            object["spec"]["maxExpirationSeconds"] = json!(2 * HOUR);
            let question = Question::put(path(&object)?, object);
            let credential = world.administrator_credential()?;
            world.ask_with(&Person::called("the signer"), &credential, &question).await;
            Ok(())
        }
    }
}

#[then(expr = "the request is {pod_certificate_state}")]
fn is_in_state(world: &mut World, state: State) -> Step {
    match state {
        State::Accepted(lifetime) => is_accepted_for(world, lifetime),
        State::Issued => is_issued(world),
        State::WithoutCertificate(condition) => {
            let status = status(world, condition)?;
            expect!(status["certificateChain"].is_null(), "no certificate", "{status}");
            Ok(())
        }
    }
}

#[then("the signer can still issue a certificate")]
async fn can_still_issue(world: &mut World) -> Step {
    let answer = issue(world, Issued::Sound).await?;
    expect!(answer.verdict == Verdict::Accepted, "the certificate is accepted", "{answer}");
    Ok(())
}

#[then(expr = "the signer can change nothing any more, because {string}")]
async fn is_final(world: &mut World, reason: String) -> Step {
    world.notes::<Requested>().object = world.answer()?.body.clone();
    // A new time alone may be no change: it is in seconds.
    let mut changed = condition("Failed");
    changed["message"] = "another message".into();
    let answer = update(world, json!({ "conditions": [changed] })).await?;
    answers::refused(world.version(), &answer, Verdict::BadRequest, &reason)
}

#[then(expr = "{person} may still request {pod_certificate}")]
async fn may_still_request(world: &mut World, person: Person, asked: Asked) -> Step {
    requests(world, person, asked).await?;
    let answer = world.answer()?;
    expect!(answer.verdict == Verdict::Accepted, "the request is accepted", "{answer}");
    Ok(())
}

/// Fails unless the request is accepted for `expected` seconds.
fn is_accepted_for(world: &World, expected: u64) -> Step {
    let answer = world.answer()?;
    expect!(answer.verdict == Verdict::Accepted, "the request is accepted", "{answer}");
    let spec = &answer.body["spec"];
    expect!(
        spec["maxExpirationSeconds"] == json!(expected),
        "a request for {expected} s",
        "{spec}"
    );
    Ok(())
}

/// Fails unless the request has the certificate that the signer issued.
fn is_issued(world: &mut World) -> Step {
    let status = status(world, "Issued")?;
    let leaf = world.notes::<Requested>().leaf.as_ref().context("nothing was issued")?;
    let chain = status["certificateChain"].as_str().unwrap_or_default();
    expect!(
        chain.trim() == leaf.certificate.trim(),
        "the certificate that was issued",
        "{status}"
    );
    Ok(())
}

/// Returns the request, the certificate that would be issued for it, and its authority.
fn request(world: &mut World, made: &OnNode, asked: Asked) -> Step<(Question, Leaf, Authority)> {
    let authority = Authority::root("authlab pods")?;
    let leaf = authority.issue(&Request::client("pod", &[]).starting_now().lifetime(Duration::from_secs(HOUR)))?;
    let own = signing_request_for("pod", &[], &leaf.key)?;
    let pem = match asked {
        // Generated once, with a key that was thrown away.
        Asked::ShortKey => include_str!("../../../../fixtures/signing_requests/rsa_2048.csr").to_owned(),
        Asked::OthersKey => RequestFlaw::Changed.done_to(&own)?,
        _ => own,
    };
    let pem = pem::first(&pem)?;
    let requested = world.notes::<Requested>();
    requested.count += 1;
    let name = format!("pod-certificate-{}", requested.count);
    let mut spec = json!({
        "signerName": SIGNER,
        "podName": made.pod, "podUID": made.pod_uid,
        "serviceAccountName": made.account.name, "serviceAccountUID": made.account.uid,
        "nodeName": made.node, "nodeUID": made.node_uid,
        "stubPKCS10Request": STANDARD.encode(&pem.contents),
    });
    match asked {
        Asked::Sound | Asked::ShortKey | Asked::OthersKey => {}
        Asked::Lasting(seconds) => spec["maxExpirationSeconds"] = json!(seconds),
        Asked::OfKubernetes(seconds) => {
            spec["signerName"] = SIGNER_OF_KUBERNETES.into();
            spec["maxExpirationSeconds"] = json!(seconds);
        }
        Asked::OtherNode => spec["nodeName"] = "another-node".into(),
        Asked::OtherSigner => spec["signerName"] = OTHER_SIGNER.into(),
        Asked::NoPod => spec["podName"] = "nobody".into(),
    }
    let object = json!({
        "apiVersion": "certificates.k8s.io/v1", "kind": "PodCertificateRequest",
        "metadata": { "name": name, "namespace": made.account.namespace },
        "spec": spec,
    });
    let path = format!("{GROUP}/namespaces/{}/podcertificaterequests", made.account.namespace);
    Ok((Question::post(path, object), leaf, authority))
}

const GROUP: &str = "/apis/certificates.k8s.io/v1";

fn path(object: &Value) -> Step<String> {
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).context("nothing was requested");
    let (namespace, name) = (text("/metadata/namespace")?, text("/metadata/name")?);
    Ok(format!("{GROUP}/namespaces/{namespace}/podcertificaterequests/{name}"))
}

/// Returns the condition with which a signer completes a request.
fn condition(kind: &str) -> Value {
    json!({
        "type": kind, "status": "True", "reason": "Decided", "message": "by the signer of a scenario",
        "lastTransitionTime": time(jiff::Timestamp::now()),
    })
}

async fn issue(world: &mut World, issued: Issued) -> Step<Answer> {
    let requested = world.notes::<Requested>();
    let (leaf, authority) = (
        requested.leaf.clone().context("nothing was requested")?,
        requested.authority.clone().context("nothing was requested")?,
    );
    let leaf = match issued {
        Issued::Sound | Issued::NoRefresh => leaf,
        // Of the same key, since the API server checks the key first.
        Issued::TooLong => authority.renew(
            &leaf,
            &Request::client("pod", &[]).starting_now().lifetime(Duration::from_secs(25 * HOUR)),
        )?,
        Issued::OtherKey => authority.issue(&Request::client("pod", &[]).starting_now().lifetime(Duration::from_secs(HOUR)))?,
    };
    let (from, until) = validity(&leaf)?;
    let mut status = json!({
        "conditions": [condition("Issued")],
        "certificateChain": leaf.certificate,
        "notBefore": time(from), "notAfter": time(until),
        "beginRefreshAt": time(until - jiff::SignedDuration::from_mins(20)),
    });
    if issued == Issued::NoRefresh {
        status["beginRefreshAt"] = Value::Null;
    }
    update(world, status).await
}

/// Writes `status` into the request, as the administrator.
async fn update(world: &mut World, status: Value) -> Step<Answer> {
    let mut object = world.notes::<Requested>().object.clone();
    object["status"] = status;
    let question = Question::put(format!("{}/status", path(&object)?), object);
    let credential = world.administrator_credential()?;
    Ok(world.ask_with(&Person::called("the signer"), &credential, &question).await)
}

/// Returns the status in the last answer; fails unless it has `condition`.
fn status(world: &World, condition: &str) -> Step<Value> {
    let answer = world.answer()?;
    let status = &answer.body["status"];
    expect!(
        answer.verdict == Verdict::Accepted && status["conditions"][0]["type"] == condition,
        "{condition}",
        "{answer}: {status}"
    );
    Ok(status.clone())
}

/// Returns the beginning and the end of a certificate's validity.
fn validity(leaf: &Leaf) -> Step<(jiff::Timestamp, jiff::Timestamp)> {
    let pem = pem::first(&leaf.certificate)?;
    let certificate = pem.parse_x509()?;
    let validity = certificate.validity();
    let second = |time: x509_parser::time::ASN1Time| jiff::Timestamp::from_second(time.timestamp());
    Ok((second(validity.not_before)?, second(validity.not_after)?))
}

fn time(time: jiff::Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
