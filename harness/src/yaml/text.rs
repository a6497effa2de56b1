//! Bytes of a file as text, and base64 as Go decodes it.
//!
//! The main functions are [`decoded`] (go-yaml `readerc.go`) and [`base64`] (Go `encoding/base64`).

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// Go's `StdEncoding`: padding is required, and the bits that no byte needs may be anything.
const GO: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::RequireCanonical),
);

/// Bytes that are no text for YAML.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NotText {
    /// kubectl's words.
    pub(crate) why: &'static str,
    /// The line, from 1.
    pub(crate) line: usize,
    /// `true` for UTF-16 without a byte order mark.
    pub(crate) is_utf16: bool,
}

/// Returns the text of `bytes`: UTF-16 with a byte order mark, or UTF-8 with or without one.
pub(crate) fn decoded(bytes: &[u8]) -> Result<String, NotText> {
    let refused = |why, before: &[u8]| NotText {
        why,
        line: 1 + before.iter().filter(|byte| **byte == b'\n').count(),
        is_utf16: bytes.iter().take(200).filter(|byte| **byte == 0).count() > bytes.len().min(200) / 4,
    };
    let text = match bytes {
        [0xFF, 0xFE, rest @ ..] => utf16(rest, u16::from_le_bytes).ok_or_else(|| refused("incomplete UTF-16 character", &[]))?,
        [0xFE, 0xFF, rest @ ..] => utf16(rest, u16::from_be_bytes).ok_or_else(|| refused("incomplete UTF-16 character", &[]))?,
        [0xEF, 0xBB, 0xBF, rest @ ..] | rest => std::str::from_utf8(rest)
            .map_err(|error| refused("invalid leading UTF-8 octet", &rest[..error.valid_up_to()]))?
            .to_owned(),
    };
    match text.char_indices().find(|(_, c)| !is_allowed(*c)) {
        Some((at, _)) => Err(refused("control characters are not allowed", &text.as_bytes()[..at])),
        // The line breaks of YAML 1.1, which those of 1.2 are fewer than.
        None if text.contains(['\u{85}', '\u{2028}', '\u{2029}']) => Ok(text.replace(['\u{85}', '\u{2028}', '\u{2029}'], "\n")),
        None => Ok(text),
    }
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Option<String> {
    let (pairs, rest) = bytes.as_chunks::<2>();
    let units = pairs.iter().map(|pair| unit(*pair));
    char::decode_utf16(units)
        .collect::<Result<String, _>>()
        .ok()
        .filter(|_| rest.is_empty())
}

fn is_allowed(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='~' | '\u{85}' | '\u{A0}'..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..)
}

/// Decodes base64 as Go does: CR and LF may be anywhere, and nothing else.
///
/// # Errors
/// kubectl's words.
pub(crate) fn base64(data: &str) -> Result<Vec<u8>, String> {
    let compact: String = data.chars().filter(|c| !matches!(c, '\r' | '\n')).collect();
    GO.decode(&compact).map_err(|error| match error {
        base64::DecodeError::InvalidByte(at, byte) if byte != b'=' => {
            let place = data.bytes().enumerate().filter(|(_, byte)| !matches!(byte, b'\r' | b'\n')).nth(at);
            format!("illegal base64 data at input byte {}", place.map_or(at, |(place, _)| place))
        }
        _ => "illegal base64 data".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_read_in_the_encodings_that_go_yaml_knows() {
        let utf16: Vec<u8> = "\u{FEFF}a: ü\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(decoded(&utf16).unwrap(), "a: ü\n");
        assert_eq!(decoded("\u{FEFF}a: ü\n".as_bytes()).unwrap(), "a: ü\n");
        assert_eq!(decoded(&utf16[..utf16.len() - 1]).unwrap_err().why, "incomplete UTF-16 character");
        let without = decoded(&utf16[2..]).unwrap_err();
        assert_eq!((without.why, without.is_utf16), ("invalid leading UTF-8 octet", true));
        let nul = decoded(b"a: b\nc: \0d\n").unwrap_err();
        assert_eq!((nul.why, nul.line, nul.is_utf16), ("control characters are not allowed", 2, false));
        assert!(decoded(b"a: \x7f").is_err() && decoded(b"a: \xff").is_err());
    }

    #[test]
    fn base64_has_line_ends_anywhere_and_no_blanks() {
        for text in ["QUJD", "QU\nJD", "QUJD\r\n", "\nQ\nU\nJ\nD", "QUI=", "QUJ=", ""] {
            assert!(base64(text).is_ok(), "{text:?}");
        }
        assert_eq!(base64("QUJD QUJD").unwrap_err(), "illegal base64 data at input byte 4");
        assert_eq!(base64("QU\nJD QUJD").unwrap_err(), "illegal base64 data at input byte 5");
        for text in ["QUI", "QU-_", "???", "QUI=QUI=", "QUJD  "] {
            assert!(base64(text).unwrap_err().starts_with("illegal base64 data"), "{text:?}");
        }
    }
}
