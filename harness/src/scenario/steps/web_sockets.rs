//! Tokens in a sub-protocol of a WebSocket (kubernetes/apiserver `pkg/authentication/request/websocket/protocol.go`).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cucumber::{given, then, when};

use super::watches::Opened;
use super::{Person, Step, service_accounts};
use crate::credential::Credential;
use crate::event::Verdict;
use crate::probe::{Question, watch};
use crate::scenario::world::{Twin, World};
use crate::secret::{Secret, TOKEN_PROTOCOL};

/// The protocol to negotiate: any name will do for a watch.
const SPOKEN: &str = "authlab.watch";

phrases! {
    /// The form of a token in sub-protocols, in words.
    enum Carried as "as_sub_protocol" {
        Sound = "as a sub-protocol",
        Twice = "as two sub-protocols",
        Alone = "as a sub-protocol alone",
        CutShort = "as a sub-protocol that is cut short",
        NoText = "as a sub-protocol that is no text",
    }
}

impl Carried {
    fn protocols(self, token: &Secret) -> Vec<Secret> {
        let encoded = URL_SAFE_NO_PAD.encode(token.expose());
        let carrying = |encoded: &str| Secret::new(format!("{TOKEN_PROTOCOL}{encoded}"));
        let (sound, spoken) = (carrying(&encoded), Secret::public(SPOKEN));
        match self {
            Self::Sound => vec![sound, spoken],
            Self::Twice => vec![sound.clone(), sound, spoken],
            Self::Alone => vec![sound],
            // Four characters encode three bytes; a single character encodes nothing.
            Self::CutShort => vec![carrying(&encoded[..5]), spoken],
            Self::NoText => vec![carrying(&URL_SAFE_NO_PAD.encode([0xff, 0xfe])), spoken],
        }
    }
}

requires!(administrator);
#[given(expr = "{person} carries a service account token {as_sub_protocol}")]
async fn carries(world: &mut World, person: Person, carried: Carried) -> Step {
    let token = service_accounts::fresh_token(world).await?;
    let sound = service_accounts::fresh_token(world).await?;
    let twin = Twin {
        credential: Credential::SubProtocols(Carried::Sound.protocols(&sound)),
        user: service_accounts::account(world).await?.user(),
    };
    let credential = Credential::SubProtocols(carried.protocols(&token));
    let is_sound = matches!(carried, Carried::Sound);
    Ok(world.hold(&person, credential, (!is_sound).then_some(twin))?)
}

requires!(administrator);
#[when(expr = "{person} watches {word} over a WebSocket")]
async fn watches(world: &mut World, person: Person, resource: String) -> Step {
    let credential = world.holding(&person)?.credential.clone();
    open(world, &person, &credential, &resource).await
}

#[then(expr = "the WebSocket's protocol is the one that carries no token")]
fn protocol_without_token(world: &mut World) -> Step {
    let answer = world.answer()?;
    let seen = (answer.status, answer.header("sec-websocket-protocol"));
    expect!(seen == (Some(101), Some(SPOKEN)), "the protocol is changed to {SPOKEN}", "{seen:?}");
    Ok(())
}

#[then(expr = "{person}, whose sub-protocols are sound, may watch {word} over a WebSocket")]
async fn twin_watches(world: &mut World, person: Person, resource: String) -> Step {
    let twin = world.twin()?;
    open(world, &person, &twin.credential, &resource).await?;
    let answer = world.answer()?;
    expect!(
        answer.verdict == Verdict::Accepted && answer.status == Some(101),
        "a WebSocket",
        "{answer}"
    );
    Ok(())
}

async fn open(world: &mut World, person: &Person, credential: &Credential, resource: &str) -> Step {
    let namespace = world.namespace().await?;
    let question = Question::web_socket(format!("/api/v1/namespaces/{namespace}/{resource}?watch=true"));
    let who = world.person(person)?;
    let (answer, opened) = watch(&world.endpoint(), who.name(), credential, &question).await;
    world.answered(answer);
    world.notes::<Opened>().0 = opened;
    Ok(())
}
