//! JSON Web Tokens in compact form (RFC 7515 §3.1), decoded and not verified. The main type is [`Jwt`].

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

/// The decoded parts of a token.
#[derive(Clone, PartialEq, Eq)]
pub struct Jwt {
    /// The header.
    pub header: Map<String, Value>,
    /// The claims.
    pub claims: Map<String, Value>,
    /// The signature; empty in an unsigned token.
    pub signature: Vec<u8>,
}

/// The text is not a token in compact form, or its header or claims are not JSON objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a JWT (expected three base64url parts separated by dots)")]
pub struct NotAJwt;

impl Jwt {
    /// Decodes `text`; the signature is not verified.
    ///
    /// # Errors
    /// The text is not a JWT.
    pub fn parse(text: &str) -> Result<Self, NotAJwt> {
        let mut parts = text.split('.').map(|part| URL_SAFE_NO_PAD.decode(part).map_err(|_| NotAJwt));
        let mut next = || parts.next().ok_or(NotAJwt)?;
        let object = |bytes: Vec<u8>| serde_json::from_slice(&bytes).map_err(|_| NotAJwt);
        let jwt = Self {
            header: object(next()?)?,
            claims: object(next()?)?,
            signature: next()?,
        };
        if parts.next().is_none() { Ok(jwt) } else { Err(NotAJwt) }
    }
}

/// Leaves the signature out: with it, the token could be presented.
impl fmt::Debug for Jwt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Jwt");
        shown
            .field("header", &self.header)
            .field("claims", &self.claims)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_taken_apart() {
        let jwt = Jwt::parse("eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.c2ln").expect("a token");
        assert_eq!((&jwt.header["alg"], &jwt.claims["sub"]), (&"RS256".into(), &"alice".into()));
        assert_eq!(jwt.signature, b"sig");
        assert!(Jwt::parse("e30.e30.").expect("an unsigned token").signature.is_empty());
    }

    #[test]
    fn other_text_is_refused() {
        for text in [
            "",
            "abc",
            "e30.e30",
            "e30.e30.c2ln.c2ln",
            "e30.W10.c2ln",
            "e30=.e30.c2ln",
            "a.e30.c2ln",
            " e30.e30.c2ln",
        ] {
            assert_eq!(Jwt::parse(text), Err(NotAJwt), "{text}");
        }
        assert_eq!(NotAJwt.to_string(), "not a JWT (expected three base64url parts separated by dots)");
    }
}
