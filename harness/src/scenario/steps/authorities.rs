//! Authorities that the API server comes to trust while it runs.

use cucumber::{given, when};

use super::{Person, Step, answers};
use crate::cluster::TrustedAuthority;
use crate::credential::Credential;
use crate::pki::{Authority, Request};
use crate::probe::{Question, Verdict};
use crate::scenario::world::World;

/// The new authority: first made, then trusted until the scenario ends.
#[derive(Default)]
struct New {
    authority: Option<Authority>,
    trusted: Option<TrustedAuthority>,
}

#[given(expr = "{person} holds a client certificate of a new authority, and is refused with it")]
async fn holds_certificate_of_new_authority(world: &mut World, person: Person) -> Step {
    let authority = Authority::root(&world.unique("new authority"))?;
    let leaf = authority.issue(&Request::client(&person.user(), &[]))?;
    world.hold(&person.0, Credential::Certificate(leaf), None)?;
    world.notes::<New>().authority = Some(authority);
    let answer = world.ask(&person.0, &Question::who_am_i()).await?;
    answers::refused(
        &answer,
        Verdict::Unauthenticated,
        "failed: x509: certificate signed by unknown authority",
    )
}

#[when(expr = "the new authority is added to those that the API server trusts")]
fn new_authority_is_added(world: &mut World) -> Step {
    world.needs("authority_files")?;
    let Some(file) = world.door().server.client_authorities else {
        bail!("the API server's file of authorities is not ours to rewrite")
    };
    let Some(authority) = &world.notes::<New>().authority else {
        bail!("there is no new authority")
    };
    let trusted = TrustedAuthority::add(&file, authority.certificate())?;
    world.notes::<New>().trusted = Some(trusted);
    Ok(())
}
