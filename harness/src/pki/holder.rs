//! The user and the groups in a certificate's subject, as API servers read them.
//!
//! The main type is [`Holder`]. All code that turns a subject into a user name uses it: if two readers differed, one user could pass for
//! another.

use x509_parser::asn1_rs::{Any, Tag};
use x509_parser::x509::X509Name;

use super::request::{COMMON_NAME, ORGANIZATION, UID};

/// The holder of a certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Holder {
    /// The last common name: Kubernetes' user. Empty when there is none.
    pub user: String,
    /// The organizations, in order: Kubernetes' groups.
    pub groups: Vec<String>,
    /// The UIDs, in order. An API server takes one at most.
    pub uids: Vec<String>,
}

/// An attribute of a subject that API servers read is not text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("its {attribute} is not text")]
pub struct NotText {
    attribute: &'static str,
}

impl Holder {
    /// Reads `subject` as Go does (`crypto/x509/pkix`, `Name.FillFromRDNSequence`): parts with several attributes are flattened, the last
    /// common name counts, and every organization does.
    ///
    /// # Errors
    /// A common name, an organization or a UID is not text: Go does not read such a certificate at all.
    pub fn read(subject: &X509Name<'_>) -> Result<Self, NotText> {
        let mut holder = Self::default();
        for attribute in subject.iter_attributes() {
            let kind = attribute.attr_type().to_id_string();
            let read = |attribute_name| text(attribute.attr_value()).ok_or(NotText { attribute: attribute_name });
            if kind == COMMON_NAME.to_string() {
                holder.user = read("common name")?;
            } else if kind == ORGANIZATION.to_string() {
                holder.groups.push(read("organization")?);
            } else if kind == UID.to_string() {
                holder.uids.push(read("UID")?);
            }
        }
        Ok(holder)
    }
}

/// Returns the text of an attribute (`crypto/x509`, `parseASN1String`).
fn text(value: &Any<'_>) -> Option<String> {
    let utf8 = || String::from_utf8(value.data.to_vec()).ok();
    match value.tag() {
        Tag::Utf8String => utf8(),
        Tag::PrintableString | Tag::Ia5String | Tag::NumericString => utf8().filter(|text| text.is_ascii()),
        Tag::TeletexString => Some(value.data.iter().copied().map(char::from).collect()),
        Tag::BmpString => {
            let (pairs, rest) = value.data.as_chunks::<2>();
            let mut units: Vec<u16> = pairs.iter().map(|pair| u16::from_be_bytes(*pair)).collect();
            units.pop_if(|last| *last == 0);
            String::from_utf16(&units).ok().filter(|_| rest.is_empty())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use x509_cert::der::Encode as _;
    use x509_cert::der::asn1::ObjectIdentifier;
    use x509_parser::prelude::FromDer as _;

    use super::super::tests::{SubjectAttribute, UTF8, subject};
    use super::*;

    fn read(parts: &[&[SubjectAttribute<'_>]]) -> Result<Holder, NotText> {
        let der = subject(parts).to_der().expect("it encodes");
        let (_, name) = X509Name::from_der(&der).expect("a name");
        Holder::read(&name)
    }

    #[test]
    fn the_last_common_name_is_the_user_and_parts_are_flattened() {
        let holder = read(&[
            &[(ORGANIZATION, UTF8, b"a"), (ORGANIZATION, UTF8, b"b")],
            &[(COMMON_NAME, UTF8, b"first")],
            &[(ORGANIZATION, UTF8, b"c"), (COMMON_NAME, UTF8, b"last")],
            &[(UID, UTF8, b"7")],
        ]);
        assert_eq!(
            holder,
            Ok(Holder {
                user: "last".to_owned(),
                groups: ["a", "b", "c"].map(str::to_owned).into(),
                uids: vec!["7".to_owned()],
            })
        );
    }

    #[test]
    fn every_kind_of_string_that_go_reads_is_read() {
        // PrintableString, TeletexString, IA5String and BMPString (X.680 §8.4), the last with its terminator.
        for (kind, bytes) in [(19, &b"bob"[..]), (20, b"bob"), (22, b"bob"), (30, b"\0b\0o\0b\0\0")] {
            let holder = read(&[&[(COMMON_NAME, kind, bytes)]]).expect("text");
            assert_eq!(holder.user, "bob", "tag {kind}");
        }
        assert_eq!(read(&[&[(COMMON_NAME, 20, b"\xe9")]]).expect("text").user, "é");
        // VisibleString and INTEGER, and invalid UTF-8 and UTF-16.
        for (kind, bytes) in [(26, &b"bob"[..]), (2, b"\x07"), (UTF8, b"\xff"), (30, b"b")] {
            let error = read(&[&[(COMMON_NAME, UTF8, b"bob")], &[(COMMON_NAME, kind, bytes)]]).expect_err("no text");
            assert_eq!(error.to_string(), "its common name is not text", "tag {kind}");
        }
    }

    #[test]
    fn a_subject_without_names_has_an_empty_user() {
        assert_eq!(read(&[]), Ok(Holder::default()));
        let unit = ObjectIdentifier::new_unwrap("2.5.4.11");
        assert_eq!(read(&[&[(unit, UTF8, b"unit")]]), Ok(Holder::default()));
    }
}
