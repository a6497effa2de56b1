//! Headers that no client sends. The main function is [`unsendable`].

use hyper::header::{HeaderName, HeaderValue};

use super::failure::Failure;
use crate::credential::Presentation;

/// The reason for which a header is not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderFault {
    /// Its name has a character that no name of a header may have.
    #[error("a name that no header may have")]
    Name,
    /// Its value has more than one line.
    #[error("a line break in it")]
    LineBreak,
    /// Its value has another control character.
    #[error("a control character in it")]
    ControlCharacter,
}

/// Returns the failure for the first header that Go's `net/http` does not send (`Transport.roundTrip`, with `httpguts`'s
/// `ValidHeaderFieldName` and `ValidHeaderFieldValue`, whose rules are hyper's, too).
#[must_use]
pub fn unsendable(presentation: &Presentation) -> Option<Failure> {
    presentation.headers.iter().find_map(|(name, value)| {
        let value = value.expose();
        let fault = if HeaderName::from_bytes(name.as_bytes()).is_err() {
            HeaderFault::Name
        } else if HeaderValue::from_bytes(value.as_bytes()).is_ok() {
            return None;
        } else if value.contains(['\n', '\r']) {
            HeaderFault::LineBreak
        } else {
            HeaderFault::ControlCharacter
        };
        Some(Failure::Header { name: name.clone(), fault })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    #[test]
    fn what_go_does_not_send_is_found_with_its_name_alone() {
        let of = |name: &str, value: &str| {
            unsendable(&Presentation {
                certificate: None,
                headers: vec![
                    ("Impersonate-User".to_owned(), Secret::public("alice")),
                    (name.to_owned(), Secret::public(value)),
                ],
            })
        };
        for sent in ["Bearer token", "Bearer  t\tx ", "Bearer tök", ""] {
            assert_eq!(of("Authorization", sent), None, "{sent:?}");
        }
        for (name, value, fault) in [
            ("Authorization", "Bearer one\ntwo", HeaderFault::LineBreak),
            ("Authorization", "Bearer one\r\n", HeaderFault::LineBreak),
            ("Impersonate-Extra-reason", "a\nb", HeaderFault::LineBreak),
            ("Impersonate-Group", "a\0b", HeaderFault::ControlCharacter),
            ("Impersonate-Group", "a\u{7f}b", HeaderFault::ControlCharacter),
            ("Impersonate-Extra-a b", "x", HeaderFault::Name),
            ("", "x", HeaderFault::Name),
        ] {
            let name = name.to_owned();
            assert_eq!(of(&name, value), Some(Failure::Header { name: name.clone(), fault }), "{value:?}");
        }
    }
}
