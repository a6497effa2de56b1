//! Your own features and steps, as a test binary: `cargo run --example own_features`. In another crate it is a
//! `[[test]]` with `harness = false`. The entry point is [`main_with`](authlab::cli::features::main_with).

use std::process::ExitCode;

use anyhow::{Context as _, Result};
use authlab::cli::features::{OwnFeatures, main_with};
use authlab::credential::Credential;
use authlab::pki::Request;
use authlab::probe::Question;
use authlab::scenario::world::World;
use authlab::scenario::{Differs, Person};
use cucumber::{given, then, when};

fn main() -> ExitCode {
    main_with(OwnFeatures {
        files: &[concat!(env!("CARGO_MANIFEST_DIR"), "/examples/features/badges.feature")],
        tags: &["badge"],
    })
}

// Steps of this crate can be combined with those of authlab, which know its effect on the world. A step declares above
// itself what it requires of the cluster: a lab without that skips the scenario, with the reason.
authlab::requires!(cluster_signing_key);
#[given(regex = r"^(\w+) wears the badge of the (.+)$")]
fn wears_a_badge(world: &mut World, person: Person, team: String) -> Result<()> {
    let group = team.replace(' ', "-");
    let badge = Request::client(&world.user(&person)?, &[&group]);
    let certificate = world.client_authority()?.issue(&badge)?;
    world.hold(&person, Credential::Certificate(certificate), None)
}

#[when(regex = r"^(\w+) looks at the machines$")]
async fn looks_at_the_machines(world: &mut World, person: Person) -> Result<()> {
    world.ask(&person, &Question::get("/api/v1/nodes")).await.map(drop)
}

authlab::requires!(audit_log);
#[then(regex = r#"^the visitors' book has "(\w+)" of the (.+)$"#)]
fn visitors_book(world: &mut World, user: String, team: String) -> Result<()> {
    let event = world.answer()?.record.event.as_ref().context("nothing was written down")?;
    let visitor = event.identity().context("nobody's name was written down")?;
    if visitor.user == user && visitor.groups.contains(&team.replace(' ', "-")) {
        return Ok(());
    }
    // The report shows both values when the step fails.
    Err(Differs::new(format_args!("{user} of the {team}"), format_args!("{visitor:?}")).into())
}
