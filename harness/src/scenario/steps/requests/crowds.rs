//! Many people at once: the proof that reasons are bound to requests.

use std::time::Duration;

use cucumber::{given, then, when};

use super::super::{Step, answers};
use crate::credential::Credential;
use crate::event::{ReasonSource, Verdict};
use crate::pki::{Flaw, Request};
use crate::probe::{Answer, Question, ask};
use crate::scenario::world::World;

const MANY: usize = 50;

/// A person in the crowd.
struct Member {
    name: String,
    flawed: Credential,
    /// A text that only the reason for their refusal contains.
    mark: String,
    sound: Credential,
    user: String,
}

#[derive(Default)]
struct Crowd {
    members: Vec<Member>,
    answers: Vec<Answer>,
}

requires!(cluster_signing_key, issuer);
#[given("fifty people hold credentials, each with a flaw of its own")]
fn gathers(world: &mut World) -> Step {
    let members = (0..MANY).map(|number| member(world, number)).collect::<Result<Vec<_>, _>>()?;
    world.notes::<Crowd>().members = members;
    Ok(())
}

#[when("all of them ask the API server at the same time who they are")]
async fn all_ask(world: &mut World) -> Step {
    let endpoint = world.endpoint();
    let who_am_i = Question::who_am_i();
    let sound = world.presents_twin();
    let crowd = world.notes::<Crowd>();
    let asked = crowd.members.iter().map(|member| {
        let credential = if sound { &member.sound } else { &member.flawed };
        ask(&endpoint, &member.name, credential, &who_am_i)
    });
    crowd.answers = futures::future::join_all(asked).await;
    for answer in crowd.answers.clone() {
        world.answered(answer);
    }
    Ok(())
}

requires!(server_log);
#[then("each of them is refused as unauthenticated, and the log names the flaw of their own credential")]
fn each_for_their_own(world: &mut World) -> Step {
    let version = world.version();
    let Crowd { members, answers } = world.notes::<Crowd>();
    expect!(
        members.len() == MANY && answers.len() == MANY,
        "{MANY} answers",
        "there are {}",
        answers.len()
    );
    for (member, answer) in members.iter().zip(answers) {
        answers::refused(version, answer, Verdict::Unauthenticated, &member.mark)?;
        let (name, source) = (&member.name, answer.record.source);
        expect!(
            source == ReasonSource::Log,
            "the reason of {name} in the log",
            "it was found in: {}",
            source.name()
        );
    }
    Ok(())
}

#[then("with sound credentials, each of them is accepted under their own name")]
async fn sound_ones_accepted(world: &mut World) -> Step {
    let endpoint = world.endpoint();
    let who_am_i = Question::who_am_i();
    let members = &world.notes::<Crowd>().members;
    let asked = members.iter().map(|member| ask(&endpoint, &member.name, &member.sound, &who_am_i));
    for (member, answer) in members.iter().zip(futures::future::join_all(asked).await) {
        answers::accepted(&answer, &member.user)?;
    }
    Ok(())
}

/// Creates a member. Certificates differ by serial number, tokens by the audience they were meant for: the log repeats both.
fn member(world: &World, number: usize) -> Step<Member> {
    let name = format!("guest-{number}");
    if number.is_multiple_of(2) {
        let clients = world.client_authority()?;
        let flaw = if number.is_multiple_of(4) {
            Flaw::Expired
        } else {
            Flaw::ServerOnly
        };
        let flawed = clients.issue(&Request::flawed(&name, &[], flaw))?;
        let mark = format!("SN={},", flawed.serial_number()?);
        let sound = Credential::Certificate(clients.issue(&Request::client(&name, &[]).lifetime(Duration::from_secs(3600)))?);
        Ok(Member {
            flawed: Credential::Certificate(flawed),
            mark,
            sound,
            user: name.clone(),
            name,
        })
    } else {
        let signer = world.signer()?;
        let token = || signer.token("es256").map(|token| token.claim("username", name.as_str()));
        let audience = format!("cluster-of-{name}");
        let flawed = Credential::Token(token()?.audience(&audience).sign()?);
        let sound = Credential::Token(token()?.sign()?);
        Ok(Member {
            flawed,
            mark: format!("\"{audience}\""),
            sound,
            user: name.clone(),
            name,
        })
    }
}
