//! The webhook's responses to a token, which the token itself contains, signed with the lab's seed: nobody else can make one.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::jwt::Jwt;
use crate::pki::Seed;
use crate::secret::Secret;

/// The prefix of every token of the webhook.
const PREFIX: &str = "authlab-webhook.";

/// The claim that holds the script in another issuer's token that the webhook vouches for too.
pub const CLAIM: &str = "authlab-webhook";

/// The prefix of a token without a script that the webhook vouches for, since it is in a file or a Secret as well. It is followed by the
/// rest of its id, a dot, and the lab's secret named after the id, of which a bootstrap token has room for the beginning.
pub const VOUCHED_FOR: &str = "b7";

/// The length of a bootstrap token's secret (kubernetes `cluster-bootstrap/token/api/types.go`).
pub const VOUCHED_FOR_DIGITS: usize = 16;

/// The length of a script's signature.
const SIGNATURE_DIGITS: usize = 32;

/// The separator of a script and its signature. Not a dot: authenticators of JWTs look at every token of three parts.
const BEFORE_SIGNATURE: char = '~';

/// Returns the name of the lab's secret that is the signature of `script`.
fn signed_name(script: &str) -> String {
    format!("script of the token webhook {script}")
}

/// Returns a token that the webhook vouches for in a lab with `seed`; its id ends in `name`.
pub fn vouched_for(name: &str, seed: &Seed) -> Secret {
    let id = format!("{VOUCHED_FOR}{name}");
    let secret = seed.secret(&id);
    Secret::new(format!("{id}.{}", secret.expose()))
}

/// A token that determines the response to it without the lab's signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the token's script is not signed by the lab")]
pub(super) struct Unsigned;

/// The responses to a token, one for each request; the last one repeats.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Script {
    /// A random value that distinguishes tokens with the same responses.
    nonce: String,
    answers: Vec<Reply>,
}

/// One response.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// The token belongs to this user.
    Accept(Voucher),
    /// The token belongs to nobody; the error, if any, gives the reason.
    Refuse(Option<String>),
    /// An HTTP status instead of a review, with a `Status` that says so.
    Status(u16),
    /// An HTTP status instead of a review, without a body.
    BareStatus(u16),
    /// No response: the connection is closed.
    HangUp,
}

/// A user that the webhook vouches for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Voucher {
    /// The user's name.
    pub user: String,
    /// The user's UID.
    pub uid: String,
    /// The groups.
    pub groups: Vec<String>,
    /// Extra attributes, by key.
    pub extra: BTreeMap<String, Vec<String>>,
    /// The audiences that the token is for; empty for a webhook that does not know about audiences.
    pub audiences: Vec<String>,
    /// The API version of the review, if it is not that of the request.
    #[serde(default)]
    pub api_version: Option<String>,
}

impl Script {
    /// Creates a script of these responses, in this order.
    pub fn new(answers: Vec<Reply>) -> Self {
        let mut nonce = [0_u8; 16];
        rand::RngCore::fill_bytes(&mut rand::thread_rng(), &mut nonce);
        Self {
            nonce: hex::encode(nonce),
            answers,
        }
    }

    /// Returns the script as text that `seed` has signed, for [`CLAIM`].
    pub fn text(&self, seed: &Seed) -> String {
        let script = URL_SAFE_NO_PAD.encode(serde_json::to_vec(self).unwrap_or_default());
        let signature = seed.secret(&signed_name(&script));
        format!("{script}{BEFORE_SIGNATURE}{}", signature.expose())
    }

    /// Returns a token with this script, for a lab with `seed`.
    pub fn token(&self, seed: &Seed) -> Secret {
        Secret::new(format!("{PREFIX}{}", self.text(seed)))
    }

    /// Returns whether no two scenarios have `token`: not if it is in a file or a Secret.
    pub(super) fn is_of_one_scenario(token: &str) -> bool {
        token.starts_with(PREFIX) || Jwt::parse(token).is_ok()
    }

    /// Returns the script of `token`, or `None` if the webhook does not know the token.
    ///
    /// # Errors
    /// The token has a script or asks to be vouched for, and `seed` has not signed it.
    pub(super) fn of(token: &str, seed: &Seed) -> Result<Option<Self>, Unsigned> {
        if let Some(text) = token.strip_prefix(PREFIX) {
            return Self::read(text, seed).map(Some);
        }
        if let Some((id, signature)) = token.split_once('.').filter(|(id, _)| id.starts_with(VOUCHED_FOR)) {
            if !seed.has_signed(id, signature, VOUCHED_FOR_DIGITS) {
                return Err(Unsigned);
            }
            return Ok(Some(Self {
                nonce: String::new(),
                answers: vec![Reply::Accept(Voucher {
                    user: "vouched-for-by-the-webhook".to_owned(),
                    ..Voucher::default()
                })],
            }));
        }
        // The claims of a JWT count regardless of its signer.
        let Ok(jwt) = Jwt::parse(token) else { return Ok(None) };
        let claim = jwt.claims.get(CLAIM).and_then(Value::as_str);
        claim.map(|text| Self::read(text, seed)).transpose()
    }

    fn read(text: &str, seed: &Seed) -> Result<Self, Unsigned> {
        let (script, signature) = text.split_once(BEFORE_SIGNATURE).ok_or(Unsigned)?;
        if !seed.has_signed(&signed_name(script), signature, SIGNATURE_DIGITS) {
            return Err(Unsigned);
        }
        let script = URL_SAFE_NO_PAD.decode(script).map_err(|_| Unsigned)?;
        serde_json::from_slice(&script).map_err(|_| Unsigned)
    }

    /// Returns the response to the `time`th request, counted from 1.
    pub(super) fn reply(&self, time: usize) -> Option<&Reply> {
        self.answers.get(time.saturating_sub(1)).or(self.answers.last())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signed(token: &str, seed: &Seed) -> Option<Script> {
        Script::of(token, seed).expect("nothing in it is unsigned")
    }

    #[test]
    fn a_token_carries_its_answers() {
        let seed = Seed::random();
        let script = Script::new(vec![Reply::Refuse(Some("not yet".to_owned())), Reply::Status(500)]);
        let read = signed(script.token(&seed).expose(), &seed).expect("it is one");
        assert_eq!(read, script);
        assert!(Script::is_of_one_scenario(script.token(&seed).expose()) && Script::is_of_one_scenario("e30.e30.c2ln"));
        assert!(!Script::is_of_one_scenario(vouched_for("dana", &seed).expose()) && !Script::is_of_one_scenario("abcdef"));
        assert_eq!(read.reply(1), Some(&Reply::Refuse(Some("not yet".to_owned()))));
        assert_eq!(read.reply(2), Some(&Reply::Status(500)));
        assert_eq!(read.reply(9), Some(&Reply::Status(500)), "the last one goes on");
        assert_ne!(
            Script::new(Vec::new()).token(&seed).expose(),
            Script::new(Vec::new()).token(&seed).expose(),
            "each token is one of its own"
        );
    }

    #[test]
    fn others_tokens_are_unknown_unless_they_say_otherwise() {
        let seed = Seed::random();
        assert_eq!(signed("abcdef.0123456789abcdef", &seed), None);
        assert_eq!(signed("e30.e30.c2ln", &seed), None, "claims without the script");
        assert_eq!(signed("b7 without a dot", &seed), None);
        let script = Script::new(vec![Reply::HangUp]);
        let claims = URL_SAFE_NO_PAD.encode(serde_json::json!({ CLAIM: script.text(&seed) }).to_string());
        assert_eq!(signed(&format!("e30.{claims}.c2ln"), &seed), Some(script));
    }

    #[test]
    fn a_token_that_is_in_a_file_or_a_secret_is_vouched_for_by_its_own_secret() {
        let seed = Seed::random();
        let token = vouched_for("dana", &seed);
        assert!(signed(token.expose(), &seed).is_some());
        // A bootstrap token has room for the beginning of the secret.
        let token = vouched_for("cdef", &seed);
        let short = &token.expose()[..6 + 1 + VOUCHED_FOR_DIGITS];
        assert!(signed(short, &seed).is_some());
        for token in ["b7cdef.0123456789abcdef", "b7cdef.", &short[..short.len() - 2]] {
            assert_eq!(Script::of(token, &seed), Err(Unsigned), "{token}");
        }
    }

    #[test]
    fn a_script_that_the_lab_has_not_signed_is_refused() {
        let seed = Seed::random();
        let script = Script::new(vec![Reply::Accept(Voucher {
            user: "me".to_owned(),
            groups: vec!["system:masters".to_owned()],
            ..Voucher::default()
        })]);
        let bare = URL_SAFE_NO_PAD.encode(serde_json::to_vec(&script).expect("it is JSON"));
        let sound = Script::new(Vec::new()).text(&seed);
        let (_, signature) = sound.split_once(BEFORE_SIGNATURE).expect("it is signed");
        let forged = [
            bare.clone(),
            format!("{bare}~"),
            format!("{bare}~{}", "0".repeat(32)),
            // Another script's signature, a truncated one, another lab's, and the signature that vouches for a token.
            format!("{bare}~{signature}"),
            script.text(&seed)[..bare.len() + 17].to_owned(),
            script.text(&Seed::random()),
            format!("{bare}~{}", seed.secret(&bare).expose()),
        ];
        for text in forged {
            assert_eq!(Script::of(&format!("{PREFIX}{text}"), &seed), Err(Unsigned), "{text}");
            let claims = URL_SAFE_NO_PAD.encode(serde_json::json!({ CLAIM: text }).to_string());
            assert_eq!(Script::of(&format!("e30.{claims}.c2ln"), &seed), Err(Unsigned), "{text}");
        }
    }
}
