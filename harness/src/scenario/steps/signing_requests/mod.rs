//! Certificates that the cluster signs: requested, approved or denied, signed.
//!
//! A [`RequestedCertificate`] says what a person requests; the steps are about the request that was made last.

mod deciding;
mod listing;
mod pod_certificates;
mod requested_certificate;
mod status;
mod trust_bundles;

use std::time::Duration;

use anyhow::Context;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cucumber::{given, then, when};
use k8s_openapi::api::certificates::v1::CertificateSigningRequest;
use kube::Api;
use kube::api::PostParams;
use serde_json::{Value, json};

use self::deciding::approve_as_administrator;
use self::requested_certificate::{Lifetime, RequestFlaw, RequestedCertificate};
use self::status::{RequestState, Status};
use super::rights::{Right, grant_everywhere};
use super::servers::metrics::Counts;
use super::{Person, Step, answers};
use crate::credential::Credential;
use crate::event::Verdict;
use crate::pem;
use crate::pki::{Leaf, signing_request};
use crate::probe::{Answer, Identity, Question, ask};
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
/// The API group and the resource of requests.
const CERTIFICATES: &str = "certificates.k8s.io";
const REQUESTS: &str = "certificatesigningrequests";
/// The time for approving and signing, at most: ten times what a slow machine needs.
const LIMIT: Duration = Duration::from_secs(20);

/// The request that was made last, and the number of requests.
#[derive(Clone, Default)]
struct Requested {
    name: String,
    key: Option<Secret>,
    count: usize,
}

phrases! {
    /// The certificates that somebody may request.
    enum Requestable as "requestable" {
        /// Certificates that somebody must approve.
        Any = "certificates",
        /// Certificates that a controller approves, for any kubelet.
        OfKubelets = "certificates for kubelets",
        /// Certificates that a controller approves, for the kubelet that the person is.
        OfOwnNode = "certificates for its own node",
    }
}

requires!(administrator, client_certificates);
#[given(expr = "{person} may request {requestable}")]
async fn may_request(world: &mut World, person: Person, what: Requestable) -> Step {
    let team = team(world, &person).await?;
    if what == Requestable::OfOwnNode {
        let leaf = world.client_certificate(&node(world), &[&team]).await?;
        world.hold(&person, Credential::Certificate(leaf), None)?;
    }
    let automatic = match what {
        Requestable::Any => None,
        Requestable::OfKubelets => Some("/nodeclient"),
        Requestable::OfOwnNode => Some("/selfnodeclient"),
    };
    let kinds = std::iter::once("").chain(automatic);
    let rights: Vec<Right> = kinds
        .map(|kind| Right::new("create", CERTIFICATES, format!("{REQUESTS}{kind}")))
        .collect();
    grant_everywhere(world, "Group", &team, &rights).await
}

requires!(administrator);
#[when(expr = "{person} requests a {requested_certificate}")]
async fn requests(world: &mut World, person: Person, requested: RequestedCertificate) -> Step {
    request(world, &person, &requested, None).await.map(drop)
}

requires!(administrator);
#[when(expr = "{person} requests a certificate in a request that {request_flaw}")]
async fn requests_in_flawed(world: &mut World, person: Person, flaw: RequestFlaw) -> Step {
    request(world, &person, &RequestedCertificate::default(), Some(flaw))
        .await
        .map(drop)
}

requires!(administrator);
#[given(expr = "{person} has requested a {requested_certificate}")]
async fn has_requested(world: &mut World, person: Person, requested: RequestedCertificate) -> Step {
    may_still_request(world, person, requested).await
}

#[then(expr = "{person} may still request a {requested_certificate}")]
async fn may_still_request(world: &mut World, person: Person, requested: RequestedCertificate) -> Step {
    let answer = request(world, &person, &requested, None).await?;
    expect!(answer.verdict == Verdict::Accepted, "the request is accepted", "{answer}");
    Ok(())
}

requires!(administrator, certificate_signer, client_certificates);
/// Requested by the person, approved by the administrator, signed by the cluster.
#[given(expr = "{person} holds a cluster-signed {requested_certificate}")]
async fn holds_signed(world: &mut World, person: Person, requested: RequestedCertificate) -> Step {
    may_request(world, person.clone(), Requestable::Any).await?;
    has_requested(world, person.clone(), requested).await?;
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

#[then(expr = "the request is accepted, and recorded as made by {string}")]
async fn recorded(world: &mut World, user: String) -> Step {
    let answer = world.answer()?.clone();
    // Without an audit log, the requester is asked who they are.
    let asked = if world.has("audit_log") {
        answers::identity(&answer)?.clone()
    } else {
        let who = world.person(&Person::called("they"))?;
        let credential = world.holding(&who)?.credential.clone();
        let who_are_they = ask(&world.endpoint(), who.name(), &credential, &Question::who_am_i()).await;
        answers::identity(&who_are_they)?.clone()
    };
    expect!(
        answer.verdict == Verdict::Accepted && asked.user == user,
        "accepted as \"{user}\"",
        "{answer}, of {asked:?}"
    );
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

phrases! {
    /// A stage of a request.
    enum Stage as "request_stage" {
        Approved = "approved",
        Signed = "signed",
    }
}

requires!(certificate_signer if "the request is signed");
#[then(expr = "the request is {request_stage}")]
async fn is_at_stage(world: &mut World, stage: Stage) -> Step {
    if stage == Stage::Signed {
        let name = world.notes::<Requested>().name.clone();
        return certificate(world, &name).await.map(drop);
    }
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

phrases! {
    /// A condition that a controller sets.
    enum Conclusion as "request_conclusion" {
        Approved = "is approved",
        Failed = "fails",
    }
}

requires!(certificate_signer);
#[then(expr = "the request {request_conclusion} with {string}, because {string}")]
async fn is_concluded(world: &mut World, conclusion: Conclusion, reason: String, message: String) -> Step {
    let kind = match conclusion {
        Conclusion::Approved => "Approved",
        Conclusion::Failed => "Failed",
    };
    let request = until_condition(world, kind).await?;
    let condition = request.condition(kind).context("it has just been seen")?;
    expect!(
        condition.reason.as_ref() == Some(&reason) && condition.message.as_deref().unwrap_or_default().contains(&message),
        "the condition {kind} with {reason}, because: {message}",
        "the request says {condition:?}"
    );
    expect!(
        conclusion == Conclusion::Approved || request.certificate().is_none(),
        "no certificate",
        "the request has one"
    );
    Ok(())
}

phrases! {
    /// The outcome of a later request.
    enum Later as "later_request" {
        Signed = "is signed",
        KubeletApproved = "for a kubelet is approved",
    }
}

requires!(certificate_signer);
/// An event that never happens cannot be seen; that a later request has been processed can.
#[then(expr = "the request stays {request_state} without a certificate, while a later one of {person} {later_request}")]
async fn stays(world: &mut World, state: RequestState, person: Person, later: Later) -> Step {
    let ours = world.notes::<Requested>().clone();
    let requested = RequestedCertificate {
        kubelet: later == Later::KubeletApproved,
        ..RequestedCertificate::default()
    };
    has_requested(world, person, requested).await?;
    match later {
        Later::Signed => {
            approve_as_administrator(world).await?;
            is_at_stage(world, Stage::Signed).await?;
        }
        Later::KubeletApproved => until_condition(world, "Approved").await.map(drop)?,
    }
    expect_state(world, ours, state).await
}

requires!(certificate_signer, signing_duration if "valid for 24 hours");
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

/// kubernetes `pkg/registry/certificates/certificates/storage/metrics.go`.
#[then(expr = "at least one more request for a lifetime is counted, and as one that was honoured")]
async fn lifetime_is_counted(world: &mut World) -> Step {
    let signer = [("signerName", CLIENTS)];
    for series in ["requested", "honored"] {
        let series = format!("apiserver_certificates_registry_csr_{series}_duration_total");
        Counts::at_least_one_more(world, &series, &signer).await?;
    }
    Ok(())
}

fn requests_api(world: &World) -> Step<Api<CertificateSigningRequest>> {
    Ok(Api::all(world.administrator()?))
}

/// Returns the scenario's own group that the person is in, by a certificate of theirs.
async fn team(world: &mut World, person: &Person) -> Step<String> {
    let person = world.person(person)?;
    let team = world.unique(&format!("{}-team", person.user()));
    if world.holding(&person).is_err() {
        let leaf = world.client_certificate(&person.user(), &[&team]).await?;
        world.hold(&person, Credential::Certificate(leaf), None)?;
    }
    Ok(team)
}

/// Returns the user name of the scenario's node.
fn node(world: &World) -> String {
    format!("system:node:{}", world.unique("node"))
}

/// Sends the request, with a flaw or none.
async fn request(world: &mut World, person: &Person, requested: &RequestedCertificate, flaw: Option<RequestFlaw>) -> Step<Answer> {
    let name = world.person(person)?;
    let mut organizations = requested.organizations.clone();
    if requested.of_team {
        organizations.push(team(world, person).await?);
    }
    let organizations: Vec<&str> = organizations.iter().map(String::as_str).collect();
    let (pem, key) = if requested.kubelet {
        let own = node(world);
        signing_request(requested.in_name_of.as_ref().unwrap_or(&own), &["system:nodes"])?
    } else {
        signing_request(&name.user(), &organizations)?
    };
    let pem = flaw.map_or_else(|| Ok(pem.clone()), |flaw| flaw.done_to(&pem))?;
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
            "request": STANDARD.encode(pem),
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
    if let Some(field) = flaw.and_then(RequestFlaw::missing_field) {
        body["spec"].as_object_mut().context("a request has a spec")?.remove(field);
    }
    Ok(world.ask(&name, &Question::post(PATH, body)).await?)
}

/// Returns the current state of the request.
async fn current(world: &mut World) -> Step<CertificateSigningRequest> {
    let name = world.notes::<Requested>().name.clone();
    Ok(requests_api(world)?.get(&name).await?)
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
