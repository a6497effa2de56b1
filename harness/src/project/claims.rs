//! Claims: a table of TOML, turned into JSON. The main function is [`claims`].

use jiff::Timestamp;
use serde_json::{Map, Number, Value as Json};
use toml::de::{DeInteger, DeTable, DeValue};

use super::reader::{Reader, Value};

/// The largest number that every reader of JSON takes for the same one (RFC 8259, section 6).
pub const LARGEST: i64 = 1 << 53;

/// Returns the claims of `table`, which the user sees as `name`; those that JSON does not have are told.
pub(super) fn claims(reader: &mut Reader<'_>, name: &str, table: &DeTable<'_>) -> Map<String, Json> {
    let mut map = Map::new();
    for (key, value) in table {
        let key = key.get_ref().as_ref();
        if let Some(value) = json(reader, &format!("{name}.{key}"), value) {
            map.insert(key.to_owned(), value);
        }
    }
    map
}

fn json(reader: &mut Reader<'_>, name: &str, value: &Value<'_>) -> Option<Json> {
    let span = value.span();
    match value.get_ref() {
        DeValue::String(text) => Some(Json::String(text.clone().into_owned())),
        DeValue::Boolean(value) => Some(Json::Bool(*value)),
        DeValue::Integer(integer) => {
            let value = integer_of(integer).filter(|value| (-LARGEST..=LARGEST).contains(value));
            if value.is_none() {
                let written = reader.written(span.clone()).to_owned();
                let message = format!("`{name}` is beyond 2^53, where readers of JSON lose digits");
                reader.tell_with(span, message, format!("write it in quotes: \"{written}\""));
            }
            value.map(Json::from)
        }
        DeValue::Float(float) => {
            let number = float.as_str().parse().ok().and_then(Number::from_f64);
            if number.is_none() {
                reader.tell(span, format!("`{name}` is {}, which JSON does not have", float.as_str()));
            }
            number.map(Json::Number)
        }
        DeValue::Array(list) => Some(Json::Array(list.iter().filter_map(|value| json(reader, name, value)).collect())),
        DeValue::Table(table) => Some(Json::Object(claims(reader, name, table))),
        DeValue::Datetime(date) => {
            let text = date.to_string();
            let seconds = text
                .parse::<Timestamp>()
                .map_or_else(|_| String::new(), |time| format!("seconds since 1970, {}, or ", time.as_second()));
            let message = format!("`{name}` is a date, which JSON does not have");
            reader.tell_with(span, message, format!("write {seconds}a string, \"{text}\""));
            None
        }
    }
}

fn integer_of(integer: &DeInteger<'_>) -> Option<i64> {
    i64::from_str_radix(integer.as_str(), integer.radix()).ok()
}
