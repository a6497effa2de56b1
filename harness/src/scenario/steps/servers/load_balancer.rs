//! A load balancer that ends TLS in front of the API server, and the API server itself behind it.

use cucumber::{given, then};

use super::super::{Person, Step, answers};
use crate::auth_proxy::{Backend, LoadBalancer};
use crate::pki::{Authority, Request};
use crate::probe::{Endpoint, Question};
use crate::scenario::world::World;

/// The load balancer of a scenario, which ends with it.
#[derive(Default)]
struct Running(Option<LoadBalancer>);

requires!(auth_proxy);
#[given(expr = "all requests go through a load balancer that ends TLS")]
async fn through_a_load_balancer(world: &mut World) -> Step {
    let behind = world.endpoint();
    let authority = Authority::root("load balancer")?;
    let leaf = authority.issue(&Request::server("load balancer", &[]))?;
    let backend = Backend {
        url: behind.url.clone(),
        authority: behind.authority.clone(),
    };
    let balancer = LoadBalancer::start(&leaf, &backend).await?;
    let endpoint = Endpoint {
        name: "load-balancer".to_owned(),
        url: balancer.url(),
        authority: authority.certificate().to_owned(),
        ..behind
    };
    world.notes::<Running>().0 = Some(balancer);
    Ok(world.go_to(endpoint).await?)
}

/// Shows that a credential is sound which something in front of the API server did not pass on.
#[then(expr = "{person} is accepted as {string} by the API server itself")]
async fn accepted_directly(world: &mut World, person: Person, user: String) -> Step {
    world.go_to(Endpoint::of(&world.endpoint().server)).await?;
    let answer = world.ask(&person, &Question::who_am_i()).await?;
    answers::accepted(&answer, &user)
}
