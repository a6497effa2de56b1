//! Decodings of a text, searched like the text itself. The main function is [`search`].
//!
//! A text contains a secret as it is, or escaped (JSON, Go), or in percent-encoding, base64 or hexadecimal digits, or in several
//! of them, nested. Each is decoded and searched in the same way; a match is marked at its place in the original text.

use super::{Span, known, patterns};

/// The number of nested encodings that are decoded: a form in a JSON body that a log quotes has three.
const DEPTH: usize = 4;

/// The shortest runs of base64 and of hexadecimal digits that are decoded: shorter ones cannot contain a secret that is searched for.
const BASE64: usize = (4 * known::SHORTEST).div_ceil(3);
const HEX: usize = 2 * known::SHORTEST;

/// The shortest run among bytes that counts as text: `{"password":"x"}`.
const TEXT: usize = 16;

/// Finds the secrets in `text`, in any encoding.
pub(super) fn search(text: &str) -> Vec<Span> {
    within(text.as_bytes(), DEPTH)
}

fn within(bytes: &[u8], depth: usize) -> Vec<Span> {
    let mut spans = Vec::new();
    let (mut at, mut is_text) = (0, false);
    for chunk in bytes.utf8_chunks() {
        if chunk.valid().len() >= TEXT || depth == DEPTH {
            is_text = true;
            let first = spans.len();
            patterns::search(chunk.valid(), &mut spans);
            for span in &mut spans[first..] {
                span.start += at;
                span.end += at;
            }
        }
        at += chunk.valid().len() + chunk.invalid().len();
    }
    known::search(bytes, &mut spans);
    // Signatures and certificates decode to arbitrary bytes, which contain no further encoding.
    if depth == 0 || !is_text {
        return spans;
    }
    for view in [unescaped(bytes), unquoted(bytes, false), unquoted(bytes, true)]
        .into_iter()
        .flatten()
    {
        let found = within(&view.bytes, depth - 1).into_iter();
        spans.extend(found.map(|span| Span {
            start: view.at[span.start],
            end: view.at[span.end],
            label: span.label,
        }));
    }
    for (start, end) in runs(bytes) {
        if holds_secret(&bytes[start..end], depth - 1) {
            spans.push(Span::new(start, end));
        }
    }
    spans
}

/// A decoded text, and the place in the original where each of its bytes begins and the last one ends.
struct View {
    bytes: Vec<u8>,
    at: Vec<usize>,
}

impl View {
    /// Decodes `bytes` step by step: `next` takes the rest and returns the consumed length and the decoding. `None` if nothing differs.
    fn of(bytes: &[u8], next: impl Fn(&[u8]) -> Option<(usize, Decoded)>) -> Option<Self> {
        let mut view = Self {
            bytes: Vec::with_capacity(bytes.len()),
            at: Vec::with_capacity(bytes.len() + 1),
        };
        let (mut at, mut differs) = (0, false);
        while at < bytes.len() {
            let (taken, decoded) = match next(&bytes[at..]) {
                Some((taken, decoded)) => {
                    differs = true;
                    (taken, decoded)
                }
                None => (1, Decoded::Byte(bytes[at])),
            };
            let before = view.bytes.len();
            match decoded {
                Decoded::Byte(byte) => view.bytes.push(byte),
                Decoded::Char(character) => view.bytes.extend(character.encode_utf8(&mut [0; 4]).as_bytes()),
            }
            view.at.extend((before..view.bytes.len()).map(|_| at));
            at += taken;
        }
        view.at.push(at);
        differs.then_some(view)
    }
}

enum Decoded {
    Byte(u8),
    Char(char),
}

/// Decodes escapes as JSON (RFC 8259 §7) and Go's `strconv.Quote` write them.
fn unescaped(bytes: &[u8]) -> Option<View> {
    bytes.contains(&b'\\').then(|| {
        View::of(bytes, |rest| {
            let [b'\\', escaped, rest @ ..] = rest else { return None };
            let point = |digits: usize| {
                let digits = rest.get(..digits)?;
                u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
            };
            Some(match escaped {
                b'n' => (2, Decoded::Byte(b'\n')),
                b't' => (2, Decoded::Byte(b'\t')),
                b'r' => (2, Decoded::Byte(b'\r')),
                b'"' | b'\\' | b'/' | b'\'' => (2, Decoded::Byte(*escaped)),
                b'x' => (4, Decoded::Byte(u8::try_from(point(2)?).ok()?)),
                b'u' => (6, Decoded::Char(char::from_u32(point(4)?)?)),
                b'U' => (10, Decoded::Char(char::from_u32(point(8)?)?)),
                _ => return None,
            })
        })
    })?
}

/// Decodes percent-encoding (RFC 3986 §2.1); with `form`, a plus is a blank (WHATWG URL §5.1).
fn unquoted(bytes: &[u8], form: bool) -> Option<View> {
    let has = |byte| bytes.contains(&byte);
    let may = if form { has(b'+') && (has(b'=') || has(b'%')) } else { has(b'%') };
    may.then(|| {
        View::of(bytes, |rest| match rest {
            [b'%', digits @ ..] => Some((3, Decoded::Byte(hex_byte(digits)?))),
            [b'+', ..] if form => Some((1, Decoded::Byte(b' '))),
            _ => None,
        })
    })?
}

fn hex_byte(digits: &[u8]) -> Option<u8> {
    let digit = |at: usize| char::from(*digits.get(at)?).to_digit(16);
    u8::try_from(16 * digit(0)? + digit(1)?).ok()
}

fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"+/-_".contains(&byte)
}

/// Finds runs that may be base64 or hexadecimal digits, including those that are broken into several lines.
fn runs(bytes: &[u8]) -> Vec<(usize, usize)> {
    let mut runs = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let length = |from: usize| bytes[from..].iter().take_while(|byte| is_base64(**byte)).count();
        let first = length(at);
        let start = at;
        at += first;
        // Words and paths have neither capitals nor digits; of the shortest secret, one encoding in four thousand has neither.
        let is_words = || {
            bytes[start..at]
                .iter()
                .all(|byte| byte.is_ascii_lowercase() || b"/-_+".contains(byte))
        };
        if first >= BASE64 && !is_words() {
            // Tools that break lines do so at 64 or 76 characters, and the last line is no longer than the others.
            let is_line = first >= 60 && first.is_multiple_of(4);
            while let Some(gap) = line_break(&bytes[at..]).filter(|_| is_line) {
                let next = length(at + gap);
                if next == 0 || next > first {
                    break;
                }
                at += gap + next;
                if next < first {
                    break;
                }
            }
            at += bytes[at..].iter().take(2).take_while(|byte| **byte == b'=').count();
            runs.push((start, at));
        }
        at += usize::from(at == start);
    }
    runs
}

/// Returns the number of bytes of a line break with its indentation.
fn line_break(bytes: &[u8]) -> Option<usize> {
    let end = usize::from(bytes.first() == Some(&b'\r'));
    (bytes.get(end) == Some(&b'\n')).then(|| end + 1 + bytes[end + 1..].iter().take_while(|byte| **byte == b' ').count())
}

/// Returns whether a run decodes to a text with a secret in it. The encoded text may begin anywhere in the run: a path or a word may
/// directly precede it.
fn holds_secret(run: &[u8], depth: usize) -> bool {
    let digits: Vec<u8> = run.iter().copied().filter(|byte| is_base64(*byte)).collect();
    let hexadecimal = digits
        .split(|byte| !byte.is_ascii_hexdigit())
        .filter(|digits| digits.len() >= HEX)
        .flat_map(|digits| [digits, &digits[1..]]);
    let decoded = |digits: &[u8]| digits.chunks_exact(2).filter_map(hex_byte).collect::<Vec<u8>>();
    if hexadecimal.map(decoded).any(|decoded| !within(&decoded, depth).is_empty()) {
        return true;
    }
    (0..4).any(|offset| {
        let decoded = digits.get(offset..).map(decode).unwrap_or_default();
        !within(&decoded, depth).is_empty()
    })
}

/// Returns `text` decoded, if it is base64 in either alphabet, with or without padding.
pub(super) fn base64(text: &str) -> Option<Vec<u8>> {
    let digits = text.trim_end_matches('=').as_bytes();
    (digits.len() % 4 != 1 && digits.iter().all(|byte| is_base64(*byte))).then(|| decode(digits))
}

/// Decodes base64 digits of either alphabet (RFC 4648 §4 and §5); an incomplete rest is ignored.
fn decode(digits: &[u8]) -> Vec<u8> {
    let value = |digit: &u8| match digit {
        b'A'..=b'Z' => digit - b'A',
        b'a'..=b'z' => digit - b'a' + 26,
        b'0'..=b'9' => digit - b'0' + 52,
        b'+' | b'-' => 62,
        _ => 63,
    };
    let mut decoded = Vec::with_capacity(digits.len() / 4 * 3 + 2);
    for chunk in digits.chunks(4) {
        let bits = chunk.iter().fold(0_u32, |bits, digit| bits << 6 | u32::from(value(digit))) << (6 * (4 - chunk.len()));
        let [_, bytes @ ..] = bits.to_be_bytes();
        decoded.extend(&bytes[..chunk.len().saturating_sub(1)]);
    }
    decoded
}
