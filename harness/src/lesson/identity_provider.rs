//! The identity provider of a learner: a file holds the claims of its tokens, and the lab's issuer signs them.
//!
//! The main function is [`token`]. The file does not decide whose users they are: the claim `learner` does, and the API server
//! (`fixtures/authentication/learners.toml`) puts it before every name.

use std::path::Path;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{Learner, LessonError};
use crate::lab::Lab;
use crate::secret::Secret;

/// The issuer's path, as in `fixtures/authentication/learners.toml`.
const PATH: &str = "learners";

/// The claim that names the learner to whom the users belong.
const LEARNER: &str = "learner";

/// The claims that an identity provider puts into its tokens.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    issuer: String,
    audience: Value,
    claims: Map<String, Value>,
}

/// Signs a token as the file at `path` describes it.
///
/// # Errors
/// The file does not describe a token of this learner's identity provider, or the lab has no issuer.
pub fn token(lab: &Lab, learner: &Learner, path: &Path) -> Result<Secret, LessonError> {
    let text = std::fs::read_to_string(path).map_err(|source| LessonError::File {
        path: path.to_owned(),
        source,
    })?;
    let damaged = |why: String| LessonError::Damaged {
        path: path.to_owned(),
        why,
    };
    let file: File = serde_json::from_str(&text).map_err(|error| damaged(error.to_string()))?;
    let signer = lab.signer()?;
    let own = signer.url(PATH)?;
    // The key signs for no other issuer whose URL differs only in case or a final slash, so the comparison may ignore both.
    if !file.issuer.trim_end_matches('/').eq_ignore_ascii_case(&own) {
        return Err(damaged(format!("the issuer is {} (expected {own})", file.issuer)));
    }
    for claim in ["iss", "aud", LEARNER] {
        if file.claims.contains_key(claim) {
            return Err(damaged(format!("it may not set the claim \"{claim}\"")));
        }
    }
    let token = signer
        .token(PATH)?
        .claims(file.claims)
        .claim("iss", file.issuer)
        .claim("aud", file.audience)
        .claim(LEARNER, learner.name());
    Ok(token.sign()?)
}
