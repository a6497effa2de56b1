//! What the webhook answers about a token, as the token itself says it.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::secret::Secret;

/// What every token of the webhook's begins with.
const PREFIX: &str = "authlab-webhook.";

/// The claim with the script in a token of somebody else's that the webhook vouches for, too.
pub const CLAIM: &str = "authlab-webhook";

/// What a token without a script begins with that the webhook vouches for: one that is in a file or a Secret as well.
pub const VOUCHED_FOR: &str = "b7";

/// What is answered, one time after the other; the last again and again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Script {
    /// Tells tokens with the same answers apart.
    nonce: String,
    answers: Vec<Reply>,
}

/// One answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// The token is somebody's.
    Accept(Voucher),
    /// The token is nobody's; an error says why, where there is one.
    Refuse(Option<String>),
    /// No review but another HTTP status.
    Status(u16),
    /// No answer: the connection is closed.
    HangUp,
}

/// Whom the webhook vouches for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Voucher {
    /// The user's name.
    pub user: String,
    /// The user's UID.
    pub uid: String,
    /// The groups.
    pub groups: Vec<String>,
    /// Everything else, by key.
    pub extra: BTreeMap<String, Vec<String>>,
    /// The audiences that the token is for; none: the webhook knows nothing of audiences.
    pub audiences: Vec<String>,
}

impl Script {
    /// These answers, in this order.
    pub fn new(answers: Vec<Reply>) -> Self {
        let mut nonce = [0_u8; 16];
        rand::RngCore::fill_bytes(&mut rand::thread_rng(), &mut nonce);
        Self {
            nonce: hex::encode(nonce),
            answers,
        }
    }

    /// The script as text, for [`CLAIM`].
    pub fn text(&self) -> String {
        URL_SAFE_NO_PAD.encode(serde_json::to_vec(self).unwrap_or_default())
    }

    /// A token that is answered so.
    pub fn token(&self) -> Secret {
        Secret::new(format!("{PREFIX}{}", self.text()))
    }

    /// The script of `token`; none where the webhook does not know the token.
    pub(super) fn of(token: &str) -> Option<Self> {
        if let Some(text) = token.strip_prefix(PREFIX) {
            return Self::read(text);
        }
        if token.starts_with(VOUCHED_FOR) {
            return Some(Self {
                nonce: String::new(),
                answers: vec![Reply::Accept(Voucher {
                    user: "vouched-for-by-the-webhook".to_owned(),
                    ..Voucher::default()
                })],
            });
        }
        // The claims of a token in compact form (RFC 7515 §3.1); the webhook believes them, whoever signed.
        let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
        let claims: Value = serde_json::from_slice(&claims).ok()?;
        Self::read(claims.get(CLAIM)?.as_str()?)
    }

    fn read(text: &str) -> Option<Self> {
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok()
    }

    /// What is answered the `time`th time, counted from 1.
    pub(super) fn reply(&self, time: usize) -> Option<&Reply> {
        self.answers.get(time.saturating_sub(1)).or(self.answers.last())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_carries_its_answers() {
        let script = Script::new(vec![Reply::Refuse(Some("not yet".to_owned())), Reply::Status(500)]);
        let read = Script::of(script.token().expose()).expect("it is one");
        assert_eq!(read, script);
        assert_eq!(read.reply(1), Some(&Reply::Refuse(Some("not yet".to_owned()))));
        assert_eq!(read.reply(2), Some(&Reply::Status(500)));
        assert_eq!(read.reply(9), Some(&Reply::Status(500)), "the last one goes on");
        assert_ne!(
            Script::new(Vec::new()).token().expose(),
            Script::new(Vec::new()).token().expose(),
            "each token is one of its own"
        );
    }

    #[test]
    fn others_tokens_are_unknown_unless_they_say_otherwise() {
        assert_eq!(Script::of("abcdef.0123456789abcdef"), None);
        assert_eq!(Script::of("a.e30.b"), None, "claims without the script");
        let script = Script::new(vec![Reply::HangUp]);
        let claims = URL_SAFE_NO_PAD.encode(serde_json::json!({ CLAIM: script.text() }).to_string());
        assert_eq!(Script::of(&format!("a.{claims}.b")), Some(script));
        assert!(Script::of("b7cdef.0123456789abcdef").is_some());
    }
}
