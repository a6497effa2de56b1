//! JSON for people: a line per field, and dates beside the numbers that are times. The main item is [`lines`].

use jiff::Timestamp;
use serde_json::Value;

/// The most bytes of a nested value that stays on its field's line.
const LINE: usize = 88;

/// Writes `value` line by line.
pub(super) fn lines(value: &Value) -> String {
    let mut text = String::new();
    write(&mut text, value, 0, true);
    text
}

fn write(text: &mut String, value: &Value, depth: usize, open: bool) {
    let compact = value.to_string();
    let is_small = !open && compact.len() <= LINE;
    match value {
        Value::Object(fields) if !fields.is_empty() && !is_small => {
            for (name, value) in fields {
                begin(text, depth);
                text.push_str(name);
                text.push_str(": ");
                write(text, value, depth + 1, false);
                if let Some(time) = time(name, value) {
                    text.push_str(&format!("  ({time})"));
                }
            }
        }
        Value::Array(values) if !values.is_empty() && !is_small => {
            for value in values {
                begin(text, depth);
                text.push_str("- ");
                write(text, value, depth + 1, false);
            }
        }
        _ => text.push_str(&compact),
    }
}

fn begin(text: &mut String, depth: usize) {
    if !text.is_empty() {
        text.push('\n');
    }
    text.push_str(&"  ".repeat(depth));
}

/// Returns the time in a claim that holds seconds since 1970 (RFC 7519 §2, `NumericDate`).
fn time(name: &str, value: &Value) -> Option<String> {
    let seconds = ["exp", "iat", "nbf", "auth_time", "warnafter"]
        .contains(&name)
        .then(|| value.as_f64())
        .flatten()?;
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a number that is out of range is not a time, and is not shown"
    )]
    let time = Timestamp::from_second(seconds as i64).ok()?;
    Some(time.strftime("%Y-%m-%d %H:%M:%S UTC").to_string())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_claim_set_is_a_line_per_claim_with_its_times() {
        let claims = json!({"sub": "alice", "groups": ["a", "b"], "exp": 1_764_193_600, "nested": {"x": "y".repeat(90)}});
        assert_eq!(
            lines(&claims),
            format!(
                "exp: 1764193600  (2025-11-26 21:46:40 UTC)\ngroups: [\"a\",\"b\"]\nnested: \n  x: \"{}\"\nsub: \"alice\"",
                "y".repeat(90)
            )
        );
        assert_eq!(lines(&json!("<b>")), "\"<b>\"");
        assert_eq!(lines(&json!({})), "{}");
        assert_eq!(lines(&json!({"exp": 1e300})), "exp: 1e+300");
    }
}
