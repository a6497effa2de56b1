//! Untrusted text, made safe for a terminal: an issuer's description of an error or a user's name could move the
//! cursor, set the window's title, or reverse the reading direction.
//!
//! The main items are [`printable`], and [`Printable`], a writer that makes all its output printable.

use std::borrow::Cow;
use std::io::{self, Write};

use serde_json::Value;

/// The replacement for each character that is not printed.
const SIGN: &str = "\u{fffd}";

/// Replaces each control character (C0, DEL, C1) in `text`, and each character that overrides the reading direction. Line feeds and
/// tabs stay.
#[must_use]
pub fn printable(text: &str) -> Cow<'_, str> {
    if !text.contains(acts) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.replace("\r\n", "\n").replace(acts, SIGN))
}

/// Returns whether a terminal acts on `c` instead of showing it.
fn acts(c: char) -> bool {
    let turns_direction = matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    turns_direction || c.is_control() && !matches!(c, '\n' | '\t')
}

/// Makes every string in `value` printable.
pub fn make_texts_printable(value: &mut Value) {
    match value {
        Value::String(text) => {
            if let Cow::Owned(printable) = printable(text) {
                *text = printable;
            }
        }
        Value::Array(values) => values.iter_mut().for_each(make_texts_printable),
        Value::Object(fields) => fields.values_mut().for_each(make_texts_printable),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Escapes each character of `json` that is not printed, so that its strings stay the same: JSON itself requires this only below U+0020.
#[must_use]
pub fn printable_json(json: &str) -> Cow<'_, str> {
    if !json.contains(acts) {
        return Cow::Borrowed(json);
    }
    let escaped = json.chars().fold(String::with_capacity(json.len()), |mut escaped, c| {
        if acts(c) {
            // All of these characters are below U+10000.
            escaped.push_str(&format!("\\u{:04x}", u32::from(c)));
        } else {
            escaped.push(c);
        }
        escaped
    });
    Cow::Owned(escaped)
}

/// A writer that makes all its output printable, whatever its origin.
#[derive(Debug)]
pub struct Printable<W: Write> {
    to: W,
    /// The incomplete end of the input: a part of a character or of a line end.
    begun: Vec<u8>,
}

impl<W: Write> Printable<W> {
    /// Returns a writer to `to`.
    pub fn new(to: W) -> Self {
        Self { to, begun: Vec::new() }
    }
}

impl<W: Write> Write for Printable<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.begun.extend_from_slice(bytes);
        let whole = whole(&self.begun);
        let text = String::from_utf8_lossy(&self.begun[..whole]).into_owned();
        self.begun.drain(..whole);
        self.to.write_all(printable(&text).as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let begun = std::mem::take(&mut self.begun);
        self.to.write_all(printable(&String::from_utf8_lossy(&begun)).as_bytes())?;
        self.to.flush()
    }
}

impl<W: Write> Drop for Printable<W> {
    fn drop(&mut self) {
        let _ = self.flush();
    }
}

/// Returns the length of `bytes` without an incomplete character at the end, or a carriage return that a line feed may follow.
fn whole(bytes: &[u8]) -> usize {
    let mut last = bytes.utf8_chunks().last().map_or(&[][..], |chunk| chunk.invalid());
    if last.is_empty() && bytes.ends_with(b"\r") {
        last = b"\r";
    }
    // An invalid end may be the beginning of a character; if it is not, the bytes are complete.
    let may_go_on = last == b"\r" || std::str::from_utf8(last).is_err_and(|error| error.error_len().is_none());
    bytes.len() - if may_go_on { last.len() } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sets a window's title, clears the screen, as C0 and as C1; deletes; reverses the direction; returns to the line's beginning.
    const ATTACKS: &str = "a\u{1b}]0;title\u{7}b\u{9b}2Jc\u{7f}d\u{202e}e\u{2066}f\rg\u{8}h";
    const HARMLESS: &str = "a\u{fffd}]0;title\u{fffd}b\u{fffd}2Jc\u{fffd}d\u{fffd}e\u{fffd}f\u{fffd}g\u{fffd}h";

    #[test]
    fn nothing_of_it_moves_a_terminal() {
        assert_eq!(printable(ATTACKS), HARMLESS);
        let sound = "Zoë\tсказала\n‏שלום‎ 👩‍👧";
        assert!(matches!(printable(sound), Cow::Borrowed(same) if same == sound));
        assert_eq!(printable("a\r\nb\u{7}"), "a\nb\u{fffd}");
    }

    #[test]
    fn what_is_written_in_pieces_is_read_as_a_whole() {
        let text = format!("{ATTACKS}\r\nZoë");
        for size in 1..6 {
            let mut written = Vec::new();
            let mut to = Printable::new(&mut written);
            for piece in text.as_bytes().chunks(size) {
                to.write_all(piece).expect("it is memory");
            }
            drop(to);
            assert_eq!(String::from_utf8_lossy(&written), format!("{HARMLESS}\nZoë"), "{size}");
        }
        let mut written = Vec::new();
        // Not UTF-8: the control sequence introducer of eight bits, and a character's first bytes without the last.
        Printable::new(&mut written).write_all(b"a\x9b2Jb\xe2\x80").expect("it is memory");
        assert_eq!(String::from_utf8_lossy(&written), "a\u{fffd}2Jb\u{fffd}");
    }

    #[test]
    fn json_keeps_its_texts() {
        let value = serde_json::json!({ "said": ATTACKS });
        let json = serde_json::to_string_pretty(&value).expect("a value is JSON");
        let printed = printable_json(&json);
        assert!(!printed.contains(acts), "{printed}");
        assert_eq!(serde_json::from_str::<Value>(&printed).expect("it is JSON"), value);
    }

    #[test]
    fn every_text_of_a_value_is_reached() {
        let mut value = serde_json::json!({ "a": [{ "b": "\u{1b}[2J" }], "c": 1 });
        make_texts_printable(&mut value);
        assert_eq!(value, serde_json::json!({ "a": [{ "b": "\u{fffd}[2J" }], "c": 1 }));
    }
}
