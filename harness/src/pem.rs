//! PEM (RFC 7468): DER in base64 between two lines with a label. The main functions are [`encode`] and [`blocks`].

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

#[cfg(test)]
mod tests {
    use super::*;

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
