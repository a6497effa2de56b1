//! PEM (RFC 7468): DER in base64 between two lines with a label. The main functions are [`encode`] and [`blocks`].

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{GeneralPurpose, GeneralPurposeConfig};
use x509_cert::der;
use x509_cert::der::pem::{LineEnding, encode_string};
pub use x509_parser::error::PEMError;
pub use x509_parser::pem::Pem;

/// The label of a certificate.
pub const CERTIFICATE: &str = "CERTIFICATE";

/// Returns a block with the label `label` that holds `der`.
///
/// # Errors
/// The label is not one.
pub fn encode(label: &str, der: &[u8]) -> Result<String, der::Error> {
    Ok(encode_string(label, LineEnding::LF, der)?)
}

/// Returns the blocks of `text` with their labels, in order. Damaged blocks, and the text around blocks, are left out.
pub fn blocks(text: &str) -> Vec<Pem> {
    Pem::iter_from_buffer(text.as_bytes()).filter_map(Result::ok).collect()
}

/// Returns the first block of `text`.
///
/// # Errors
/// There is no block, or the first one is damaged.
pub fn first(text: &str) -> Result<Pem, PEMError> {
    Pem::iter_from_buffer(text.as_bytes())
        .next()
        .unwrap_or(Err(PEMError::MissingHeader))
}

/// A block as Go reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// The number of its first line, from 1.
    pub line: usize,
    /// The label.
    pub label: String,
    /// The header lines before the base64 text (RFC 1421 §4.6), as in encrypted keys of older programs.
    pub headers: Vec<String>,
    /// The DER.
    pub contents: Vec<u8>,
}

/// Returns the blocks of `text` that Go's `encoding/pem` `Decode` finds, in order: it allows headers, skips damaged blocks, and requires the
/// same label in both lines.
pub fn blocks_of_go(text: &str) -> Vec<Block> {
    const BASE64: GeneralPurpose = GeneralPurpose::new(&STANDARD, GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true));
    read(text, |body| BASE64.decode(body.concat().replace([' ', '\t'], "")).ok())
}

/// Reads the blocks of `text`; `decode` gets the lines of a body, each at most once.
fn read(text: &str, mut decode: impl FnMut(&[&str]) -> Option<Vec<u8>>) -> Vec<Block> {
    let lines: Vec<&str> = text.split('\n').map(|line| line.trim_end_matches([' ', '\t', '\r'])).collect();
    // Found once for all lines: a file may have a BEGIN line in each.
    let behind_headers = next(&lines, |line| !line.contains(':'));
    let ends = next(&lines, |line| line.starts_with("-----END "));
    let others = next(&lines, |line| {
        line.contains(|c: char| !c.is_ascii_alphanumeric() && !"+/= \t".contains(c))
    });
    let (mut blocks, mut damaged, mut at) = (Vec::new(), None, 0);
    while at < lines.len() {
        let label = lines[at].strip_prefix("-----BEGIN ").and_then(|rest| rest.strip_suffix("-----"));
        at += 1;
        let Some(label) = label else { continue };
        let begin = behind_headers[at];
        let end = ends[begin];
        if end == lines.len() || lines[end] != format!("-----END {label}-----") || others[begin] < end || damaged == Some(begin) {
            continue;
        }
        match decode(&lines[begin..end]) {
            Some(contents) => {
                blocks.push(Block {
                    line: at,
                    label: label.to_owned(),
                    headers: lines[at..begin].iter().map(|line| (*line).to_owned()).collect(),
                    contents,
                });
                at = end + 1;
            }
            None => damaged = Some(begin),
        }
    }
    blocks
}

/// Returns for each line, and for the end, the number of the next line that `is` true for, itself included; the number of lines if none is.
fn next(lines: &[&str], is: impl Fn(&str) -> bool) -> Vec<usize> {
    let mut next = vec![lines.len(); lines.len() + 1];
    for at in (0..lines.len()).rev() {
        next[at] = if is(lines[at]) { at } else { next[at + 1] };
    }
    next
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_of_go_may_have_headers_and_need_the_same_label_twice() {
        let text = "-----BEGIN A-----\r\nProc-Type: 4,ENCRYPTED\r\nDEK-Info: AES-128-CBC,00\r\n\r\nAQID\r\n-----END A-----\r\n\
            -----BEGIN B-----\nAQID\n-----END C-----\n  -----BEGIN D-----\nAQID\n-----END D-----\n\
            -----BEGIN E-----\nA Q\nID\n-----END E-----\n-----BEGIN F-----\n???\n-----END F-----\n-----BEGIN G-----\nAQID";
        let seen: Vec<_> = blocks_of_go(text)
            .into_iter()
            .map(|block| (block.line, block.label, block.headers.len(), block.contents))
            .collect();
        assert_eq!(
            seen,
            [(1, "A".to_owned(), 2, vec![1, 2, 3]), (13, "E".to_owned(), 0, vec![1, 2, 3])]
        );
    }

    #[test]
    fn no_line_is_decoded_twice_however_many_begin_lines_there_are() {
        let many = |line: &str| line.repeat(60_000);
        let (begin, with_colon, body) = (many("-----BEGIN A-----\n"), many("-----BEGIN A:B-----\n"), many("AQIDB\n"));
        for (text, found, lines) in [
            (begin.clone(), 0, 0),
            (format!("{begin}AQID\n-----END A-----"), 1, 1),
            // A header has a colon, so all of these are headers of one body, which is damaged.
            (format!("{with_colon}{body}A\n-----END A:B-----"), 0, 60_001),
        ] {
            let mut decoded = 0;
            let blocks = read(&text, |body| {
                decoded += body.len();
                (body == ["AQID"]).then(|| vec![1, 2, 3])
            });
            assert_eq!((blocks.len(), decoded), (found, lines));
            assert_eq!(blocks_of_go(&text).len(), found);
        }
    }

    #[test]
    fn blocks_are_read_with_their_labels_as_they_were_written() {
        let der = [7; 100];
        let (certificate, request) = (
            encode(CERTIFICATE, &der).expect("a block"),
            encode("EC PRIVATE KEY", b"x").expect("a block"),
        );
        assert!(certificate.starts_with("-----BEGIN CERTIFICATE-----\n") && certificate.ends_with("-----END CERTIFICATE-----\n"));
        assert!(certificate.lines().all(|line| line.len() <= 64), "{certificate}");
        let damaged = "-----BEGIN CERTIFICATE-----\n???\n-----END CERTIFICATE-----\n";
        let text = format!("before\n{certificate}between\n{damaged}{request}after\n");
        let seen: Vec<_> = blocks(&text).into_iter().map(|block| (block.label, block.contents)).collect();
        assert_eq!(
            seen,
            [(CERTIFICATE.to_owned(), der.to_vec()), ("EC PRIVATE KEY".to_owned(), b"x".to_vec())]
        );
        assert_eq!(first(&text).expect("a block").contents, der);
        assert!(first(damaged).is_err() && first("no block").is_err());
    }
}
