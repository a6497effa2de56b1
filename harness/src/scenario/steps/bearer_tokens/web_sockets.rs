//! Tokens in a sub-protocol of a WebSocket (kubernetes/apiserver `pkg/authentication/request/websocket/protocol.go`).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cucumber::then;

use crate::scenario::steps::Step;
use crate::scenario::world::World;
use crate::secret::{Secret, TOKEN_PROTOCOL};

/// The protocol to negotiate: any name will do for a watch.
const SPOKEN: &str = "authlab.watch";

/// The form of a token in sub-protocols.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// One sub-protocol with the token, and another one to speak.
    Valid,
    Twice,
    /// The token's sub-protocol without another one.
    Alone,
    CutShort,
    /// Bytes that are no text, in place of the token.
    NoText,
}

impl Form {
    /// Returns the sub-protocols that carry `token`.
    pub(super) fn protocols(self, token: &Secret) -> Vec<Secret> {
        let encoded = URL_SAFE_NO_PAD.encode(token.expose());
        let carrying = |encoded: &str| Secret::new(format!("{TOKEN_PROTOCOL}{encoded}"));
        let (valid, spoken) = (carrying(&encoded), Secret::public(SPOKEN));
        match self {
            Self::Valid => vec![valid, spoken],
            Self::Twice => vec![valid.clone(), valid, spoken],
            Self::Alone => vec![valid],
            // Four characters encode three bytes; a single character encodes nothing.
            Self::CutShort => vec![carrying(&encoded[..5]), spoken],
            Self::NoText => vec![carrying(&URL_SAFE_NO_PAD.encode([0xff, 0xfe])), spoken],
        }
    }
}

#[then(expr = "the WebSocket's protocol is the one that carries no token")]
fn protocol_without_token(world: &mut World) -> Step {
    let answer = world.answer()?;
    let seen = (answer.status, answer.header("sec-websocket-protocol"));
    expect!(seen == (Some(101), Some(SPOKEN)), "the protocol is changed to {SPOKEN}", "{seen:?}");
    Ok(())
}
