//! The claims of a token, as a table of a step has them. The main function is [`in_table`].

use std::time::{SystemTime, UNIX_EPOCH};

use gherkin::Table;
use serde_json::{Value, json};

use super::super::Step;
use crate::token_shape::TokenShape;
use crate::trial::Claims;

/// The claims that are times (RFC 7519 §4.1.4 to §4.1.6; OpenID Connect Core 1.0 §2), which may be said in words.
const TIMES: [&str; 4] = ["exp", "iat", "nbf", "auth_time"];

/// Returns the claims in `table` for a token of `issuer`: a value is JSON, or else the text itself; a claim without a value is missing. The
/// first row may name the columns.
pub(super) fn in_table(issuer: String, table: Option<&Table>) -> Step<Claims> {
    let mut claims = Claims {
        issuer: Some(issuer),
        keep_times: true,
        ..Claims::default()
    };
    for row in table.map(|table| table.rows.as_slice()).unwrap_or_default() {
        match row.as_slice() {
            [claim, value] if claim == "claim" && value == "value" => {}
            [claim, value] if value.is_empty() => claims.without.push(claim.clone()),
            [claim, value] => {
                let read = TIMES.contains(&claim.as_str()).then(|| time(value)).flatten();
                let read = read.or_else(|| serde_json::from_str(value).ok());
                claims.claims.insert(claim.clone(), read.unwrap_or_else(|| json!(value)));
            }
            other => bail!("expected rows of a claim and its value; seen: {other:?}"),
        }
    }
    Ok(claims)
}

/// Returns the claims of a token like `shape`, with those of `over` laid over them. The audience is the API server's, unless `over` has one.
pub(super) fn like(shape: &TokenShape, over: Claims) -> Claims {
    let mut claims = shape.claims(over.issuer.as_deref(), &over.claims);
    if !over.claims.contains_key("aud") {
        claims.remove("aud");
    }
    claims.retain(|name, _| !over.without.contains(name));
    let typ = shape.header.get("typ").and_then(Value::as_str).map(str::to_owned);
    Claims { claims, typ, ..over }
}

/// Returns the time that `words` say relative to now: `1 hour ago`, `in 5 minutes`.
fn time(words: &str) -> Option<Value> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_secs();
    let seconds = |count: &str, unit: &str| {
        let unit = match unit.trim_end_matches('s') {
            "second" => 1,
            "minute" => 60,
            "hour" => 3600,
            "day" => 86400,
            _ => return None,
        };
        count.parse::<u64>().ok()?.checked_mul(unit)
    };
    match words.split_whitespace().collect::<Vec<_>>()[..] {
        ["in", count, unit] => Some(json!(now.checked_add(seconds(count, unit)?)?)),
        [count, unit, "ago"] => Some(json!(now.checked_sub(seconds(count, unit)?)?)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_json_or_text_or_a_time_in_words() {
        let rows = [
            ["claim", "value"],
            ["sub", "4711"],
            ["email", "erin@example.com"],
            ["groups", r#"["a", "b"]"#],
            ["email_verified", r#""true""#],
            ["exp", "1 hour ago"],
            ["note", "1 hour ago"],
            ["aud", ""],
        ];
        let table = Table {
            rows: rows.iter().map(|row| row.iter().map(ToString::to_string).collect()).collect(),
            span: gherkin::Span { start: 0, end: 0 },
            position: gherkin::LineCol { line: 1, col: 1 },
        };
        let read = in_table("https://a.example".to_owned(), Some(&table)).unwrap_or_else(|error| panic!("{error}"));
        let claims = &read.claims;
        assert_eq!(claims["sub"], json!(4711));
        assert_eq!(claims["email"], json!("erin@example.com"));
        assert_eq!(claims["groups"], json!(["a", "b"]));
        assert_eq!(claims["email_verified"], json!("true"));
        assert_eq!(claims["note"], json!("1 hour ago"));
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let ago = now - claims["exp"].as_u64().unwrap_or_default();
        assert!((3600..3660).contains(&ago), "{ago}");
        assert_eq!(read.without, ["aud"]);
        assert!(!claims.contains_key("claim") && read.keep_times);
    }

    #[test]
    fn claims_are_laid_over_those_of_a_provider() {
        let google = TokenShape::named("google").unwrap_or_else(|error| panic!("{error}"));
        let over = Claims {
            issuer: Some("https://a.example".to_owned()),
            claims: serde_json::Map::from_iter([("hd".to_owned(), json!("a.example"))]),
            without: vec!["sub".to_owned()],
            ..Claims::default()
        };
        let claims = like(google, over).claims;
        assert_eq!((&claims["iss"], &claims["hd"]), (&json!("https://a.example"), &json!("a.example")));
        assert!(
            claims.contains_key("email") && !claims.contains_key("aud") && !claims.contains_key("sub"),
            "{claims:?}"
        );
    }

    #[test]
    fn other_words_are_no_time() {
        for words in ["soon", "in hour", "in 5 years", "-1 hours ago", "in 99999999999999999999 days", ""] {
            assert_eq!(time(words), None, "{words}");
        }
        assert!(time("in 2 days").is_some());
    }
}
