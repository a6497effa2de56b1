//! JSON Web Tokens in compact form (RFC 7515 §3.1), decoded and not verified. The main type is [`Jwt`]; [`seconds`] reads a time in one.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde_json::{Map, Number, Value};

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

/// The first time that is told apart from earlier ones, in seconds since 1970: [`Timestamp::MIN`].
pub const FIRST: i64 = -377_705_023_201;

/// The seconds from the year 1, in which Go counts, to 1970.
const BEFORE_1970: i64 = 62_135_596_800;

/// Returns the time of a claim as Go reads it, in seconds since 1970 (coreos/go-oidc and client-go, `jsonTime`): a number, or a number as
/// text, without its fraction. Times that [`Timestamp`] does not have become the nearest that it has.
#[must_use]
pub fn seconds(value: &Value) -> Option<i64> {
    let number: Number = match value {
        Value::Number(number) => number.clone(),
        Value::String(text) if text.trim() == text => text.parse().ok()?,
        _ => return None,
    };
    #[expect(clippy::cast_possible_truncation, reason = "seconds since 1970, cut as Go cuts them")]
    let seconds = number.as_i64().or_else(|| Some(number.as_f64()? as i64))?;
    // Go's sum wraps around: such a time is long past.
    let seconds = if seconds.checked_add(BEFORE_1970).is_some() {
        seconds
    } else {
        FIRST
    };
    Some(seconds.clamp(FIRST, Timestamp::MAX.as_second()))
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
    fn every_time_has_its_place_among_those_of_the_calendar() {
        let last = Timestamp::MAX.as_second();
        assert_eq!(FIRST, Timestamp::MIN.as_second());
        for (text, expected) in [
            ("1001", Some(1001)),
            ("1001.9", Some(1001)),
            ("-1.5", Some(-1)),
            ("\"1001\"", Some(1001)),
            ("\"1e3\"", Some(1000)),
            ("1e15", Some(last)),
            ("-1e300", Some(FIRST)),
            ("1e300", Some(FIRST)),
            ("9223372036854775807", Some(FIRST)),
            ("18446744073709551615", Some(FIRST)),
            ("-9223372036854775808", Some(FIRST)),
            ("null", None),
            ("true", None),
            ("\"\"", None),
            ("\"inf\"", None),
            ("\" 1\"", None),
            ("\"tomorrow\"", None),
        ] {
            let value = serde_json::from_str(text).expect("JSON");
            assert_eq!(seconds(&value), expected, "{text}");
            assert!(expected.is_none_or(|second| Timestamp::from_second(second).is_ok()), "{text}");
        }
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
