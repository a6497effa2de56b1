//! The scalars of YAML 1.1 (go-yaml v2 `resolve.go`): `yes` is a truth value, and `017` is 15.
//!
//! The main function is [`scalar`].

use granit_parser::Tag;
use serde_json::Number;

use super::{Content, base64};

/// The namespace of `!!str` and its like.
pub(super) const NAMESPACE: &str = "tag:yaml.org,2002:";

/// Returns the value of a scalar.
///
/// # Errors
/// kubectl's words.
pub(super) fn scalar(text: &str, is_plain: bool, tag: Option<&Tag>, is_folded: bool) -> Result<Content, String> {
    let as_text = |text: String| Content::Text { text, is_folded };
    let Some(tag) = tag else {
        return if is_plain {
            resolved(text, is_folded)
        } else {
            Ok(as_text(text.to_owned()))
        };
    };
    match tag.suffix_in_namespace(NAMESPACE).as_deref() {
        Some("binary") => {
            let bytes = base64(text).map_err(|_| "!!binary value contains invalid base64 data".to_owned())?;
            Ok(as_text(String::from_utf8_lossy(&bytes).into_owned()))
        }
        Some(wanted @ ("bool" | "int" | "float" | "null")) => {
            let found = resolved(text, is_folded)?;
            let fits = match (&found, wanted) {
                (Content::Bool(_), "bool") | (Content::Null, "null") | (Content::Number(_), "float") => true,
                (Content::Number(number), "int") => !number.is_f64(),
                _ => false,
            };
            fits.then_some(found)
                .ok_or_else(|| format!("cannot decode a value as a !!{wanted}"))
        }
        _ => Ok(as_text(text.to_owned())),
    }
}

/// Returns the value of a plain scalar in YAML 1.1.
fn resolved(text: &str, is_folded: bool) -> Result<Content, String> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Ok(Content::Null),
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => return Ok(Content::Bool(true)),
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => return Ok(Content::Bool(false)),
        ".nan" | ".NaN" | ".NAN" => return Err("json: unsupported value: NaN".to_owned()),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => return Err("json: unsupported value: +Inf".to_owned()),
        "-.inf" | "-.Inf" | "-.INF" => return Err("json: unsupported value: -Inf".to_owned()),
        _ => {}
    }
    if text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.')) {
        let plain = if text.starts_with('.') {
            text.to_owned()
        } else {
            text.replace('_', "")
        };
        let number = integer(&plain).or_else(|| {
            let float = is_float(&plain).then(|| plain.parse::<f64>().ok()).flatten()?;
            Number::from_f64(float)
        });
        if let Some(number) = number {
            return Ok(Content::Number(number));
        }
    }
    Ok(Content::Text {
        text: text.to_owned(),
        is_folded,
    })
}

/// Returns whether go-yaml takes the text for a float: `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`.
fn is_float(text: &str) -> bool {
    let unsigned = |text: &str| text.strip_prefix(['-', '+']).unwrap_or(text).to_owned();
    let are_digits = |text: &str| text.chars().all(|c| c.is_ascii_digit());
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (mantissa, exponent) = (unsigned(mantissa), unsigned(exponent));
    let (whole, part) = mantissa.split_once('.').unwrap_or((mantissa.as_str(), ""));
    are_digits(whole) && are_digits(part) && !(whole.is_empty() && part.is_empty()) && are_digits(&exponent) && !exponent.is_empty()
}

/// Returns the integer that Go's `strconv.ParseInt` with base 0 reads.
fn integer(text: &str) -> Option<Number> {
    let (is_negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let prefixed = |lower: &str, upper: &str| digits.strip_prefix(lower).or_else(|| digits.strip_prefix(upper));
    let (base, digits) = if let Some(rest) = prefixed("0x", "0X") {
        (16, rest)
    } else if let Some(rest) = prefixed("0o", "0O") {
        (8, rest)
    } else if let Some(rest) = prefixed("0b", "0B") {
        (2, rest)
    } else if digits.len() > 1 && digits.starts_with('0') {
        (8, &digits[1..])
    } else {
        (10, digits)
    };
    if digits.starts_with(['+', '-']) {
        return None;
    }
    let value = u64::from_str_radix(digits, base).ok()?;
    if is_negative {
        i64::try_from(-i128::from(value)).ok().map(Number::from)
    } else {
        Some(Number::from(value))
    }
}
