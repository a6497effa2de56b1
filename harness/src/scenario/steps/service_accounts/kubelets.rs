//! A stand-in for the kubelet of the deployer's node: a server with a certificate, which an API server asks for the log of a pod.
//!
//! The main type is [`Kubelet`], which runs as long as its scenario.

use std::convert::Infallible;
use std::net::IpAddr;

use anyhow::Context;
use cucumber::{given, then, when};
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::{Response, StatusCode};
use k8s_openapi::api::core::v1::Node;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::json;

use super::super::{Person, Step};
use super::OnNode;
use super::nodes::on_node;
use crate::event::Verdict;
use crate::listener::{Listener, Listening, answer};
use crate::pki::{Authority, Leaf, Request};
use crate::probe::Question;
use crate::scenario::world::World;

/// The log of every container, by the stand-in.
const LOG: &str = "the log of a container that does not run";

/// The running stand-in.
#[derive(Default)]
struct Kubelet(Option<Listening>);

phrases! {
    /// The serving certificate of a kubelet.
    enum KubeletCertificate as "kubelet_certificate" {
        SameNode = "a certificate in the node's name",
        OtherNode = "a certificate in another node's name",
        UnknownAuthority = "a certificate of an unknown CA",
    }
}

requires!(administrator, issuer, nodes, further_api_servers);
#[given(expr = "the kubelet of the deployer's node serves with {kubelet_certificate}")]
async fn serves(world: &mut World, certificate: KubeletCertificate) -> Step {
    let made = on_node(world).await?;
    let address = address(world)?;
    let leaf = leaf(world, &made, certificate, address)?;
    let listener = Listener::bind(address).await?;
    let port = listener.address().port();
    let tls = crate::tls::server(&leaf)?;
    let listening = listener.serve(Some(tls), |_, _| async {
        Ok::<Response<Full<Bytes>>, Infallible>(answer::text(StatusCode::OK, LOG))
    });
    world.notes::<Kubelet>().0 = Some(listening);
    let status = json!({ "status": {
        "addresses": [{ "type": "InternalIP", "address": address.to_string() }],
        "daemonEndpoints": { "kubeletEndpoint": { "Port": port } },
    } });
    let nodes: Api<Node> = Api::all(world.administrator()?);
    nodes
        .patch_status(&made.node, &PatchParams::default(), &Patch::Merge(status))
        .await?;
    Ok(())
}

/// Returns the address at which API servers reach the harness' own servers.
fn address(world: &World) -> Step<IpAddr> {
    let issuer: reqwest::Url = world.placeholders()?.issuer.parse()?;
    let host = issuer.host_str().context("the issuer has a host")?;
    Ok(host.parse().with_context(|| format!("{host} is no IP address"))?)
}

fn leaf(world: &World, made: &OnNode, certificate: KubeletCertificate, address: IpAddr) -> Step<Leaf> {
    Ok(match certificate {
        KubeletCertificate::SameNode => world.serving_certificate(&made.user())?.0,
        KubeletCertificate::OtherNode => world.serving_certificate("system:node:another-node")?.0,
        KubeletCertificate::UnknownAuthority => {
            Authority::root("stranger")?.issue(&Request::server(&made.user(), &[]).addresses([address]))?
        }
    })
}

#[when(expr = "{person} asks for the log of the deployer's pod")]
async fn asks_for_log(world: &mut World, person: Person) -> Step {
    let made = on_node(world).await?;
    let path = format!("/api/v1/namespaces/{}/pods/{}/log", made.account.namespace, made.pod);
    Ok(world.ask(&person, &Question::get(path)).await.map(drop)?)
}

#[then(expr = "{person} is given the log by the kubelet")]
fn is_given_log(world: &mut World, person: Person) -> Step {
    let answer = world.answer_to(&person)?;
    expect!(
        answer.verdict == Verdict::Accepted && answer.text == LOG,
        "the kubelet's answer \"{LOG}\"",
        "{answer}: {}",
        answer.text
    );
    Ok(())
}

#[then(expr = "{person} is given the log once the kubelet serves with {kubelet_certificate}")]
async fn is_given_log_then(world: &mut World, person: Person, certificate: KubeletCertificate) -> Step {
    serves(world, certificate).await?;
    asks_for_log(world, person.clone()).await?;
    is_given_log(world, person)
}
