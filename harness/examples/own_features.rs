//! Features of one's own, with steps of one's own, as a test binary: `cargo run --example own_features`. In another crate it is a
//! `[[test]]` with `harness = false`. The entry is [`main_with`](authlab::cli::features::main_with).

use std::process::ExitCode;

use anyhow::{Context as _, Result};
use authlab::cli::features::{OwnFeatures, main_with};
use authlab::credential::Credential;
use authlab::pki::Request;
use authlab::probe::Question;
use authlab::scenario::Differs;
use authlab::scenario::world::World;
use cucumber::{given, then, when};

fn main() -> ExitCode {
    main_with(OwnFeatures {
        files: &[concat!(env!("CARGO_MANIFEST_DIR"), "/examples/features/badges.feature")],
        tags: &["badge"],
    })
}

// A step of this crate may stand beside those of authlab, which know what it does to the world.
#[given(regex = r"^(\w+) wears the badge of the (.+)$")]
fn wears_a_badge(world: &mut World, person: String, team: String) -> Result<()> {
    let group = team.replace(' ', "-");
    let badge = Request::client(&person.to_lowercase(), &[&group]);
    // Only what the feature asks for by @requires: may be used; so it is skipped, with the reason, where that is lacking.
    let certificate = world.client_authority()?.issue(&badge)?;
    world.hold(&person, Credential::Certificate(certificate), None)
}

#[when(regex = r"^(\w+) looks at the machines$")]
async fn looks_at_the_machines(world: &mut World, person: String) -> Result<()> {
    world.ask(&person, &Question::get("/api/v1/nodes")).await.map(drop)
}

#[then(regex = r#"^the visitors' book has "(\w+)" of the (.+)$"#)]
fn visitors_book(world: &mut World, user: String, team: String) -> Result<()> {
    world.needs("audit_log")?;
    let event = world.answer()?.record.event.as_ref().context("nothing was written down")?;
    let visitor = event.identity().context("nobody's name was written down")?;
    if visitor.user == user && visitor.groups.contains(&team.replace(' ', "-")) {
        return Ok(());
    }
    // The report shows both parts when the step fails.
    Err(Differs::new(format_args!("{user} of the {team}"), format_args!("{visitor:?}")).into())
}
