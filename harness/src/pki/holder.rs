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
    /// The common names before it, which do not count.
    pub earlier: Vec<String>,
    /// The organizations, in order: Kubernetes' groups.
    pub groups: Vec<String>,
    /// The UIDs, in order. An API server takes one at most.
    pub uids: Vec<String>,
}

/// An attribute of a subject is not text.
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
    /// A part of the subject is not text: Go does not read such a certificate at all.
    pub fn read(subject: &X509Name<'_>) -> Result<Self, NotText> {
        let mut holder = Self::default();
        for attribute in subject.iter_attributes() {
            let kind = attribute.attr_type().to_id_string();
            let read = |attribute_name| text(attribute.attr_value()).ok_or(NotText { attribute: attribute_name });
            if kind == COMMON_NAME.to_string() {
                let earlier = std::mem::replace(&mut holder.user, read("common name")?);
                holder.earlier.extend((!earlier.is_empty()).then_some(earlier));
            } else if kind == ORGANIZATION.to_string() {
                holder.groups.push(read("organization")?);
            } else if kind == UID.to_string() {
                holder.uids.push(read("UID")?);
            } else {
                read("subject")?;
            }
        }
        Ok(holder)
    }
}

/// Returns the text of an attribute (`crypto/x509`, `parseASN1String`).
fn text(value: &Any<'_>) -> Option<String> {
    let utf8 = || String::from_utf8(value.data.to_vec()).ok();
    let of = |letter: fn(char) -> bool| utf8().filter(|text| text.chars().all(letter));
    match value.tag() {
        Tag::Utf8String => utf8(),
        // Go takes the last two letters as well, which the standard does not have.
        Tag::PrintableString => of(|letter| letter.is_ascii_alphanumeric() || " '()+,-./:=?*&".contains(letter)),
        Tag::Ia5String => of(|letter| letter.is_ascii()),
        Tag::NumericString => of(|letter| letter.is_ascii_digit() || letter == ' '),
        Tag::TeletexString => Some(value.data.iter().copied().map(char::from).collect()),
        Tag::BmpString => {
            let (pairs, rest) = value.data.as_chunks::<2>();
            let mut units: Vec<u16> = pairs.iter().map(|pair| u16::from_be_bytes(*pair)).collect();
            units.pop_if(|last| *last == 0);
            let is_letter = |unit: &u16| !matches!(unit, 0xd800..=0xdfff | 0xfdd0..=0xfdef | 0xfffe | 0xffff);
            String::from_utf16(&units)
                .ok()
                .filter(|_| rest.is_empty() && units.iter().all(is_letter))
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
                earlier: vec!["first".to_owned()],
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
        // NumericString, and the letters that Go adds to PrintableString.
        for (kind, bytes) in [(18, &b"1 2"[..]), (19, b"a*&b")] {
            assert!(read(&[&[(COMMON_NAME, kind, bytes)]]).is_ok(), "tag {kind}");
        }
        // VisibleString and INTEGER, invalid UTF-8 and UTF-16, a surrogate, and letters that a kind does not have.
        for (kind, bytes) in [
            (26, &b"bob"[..]),
            (2, b"\x07"),
            (UTF8, b"\xff"),
            (30, b"b"),
            (30, b"\xd8\x3d\xde\0"),
            (18, b"bob"),
            (19, b"b_b"),
            (22, b"\xe9"),
        ] {
            let error = read(&[&[(COMMON_NAME, UTF8, b"bob")], &[(COMMON_NAME, kind, bytes)]]).expect_err("no text");
            assert_eq!(error.to_string(), "its common name is not text", "tag {kind}");
        }
    }

    #[test]
    fn another_part_that_is_not_text_spoils_the_subject() {
        let unit = ObjectIdentifier::new_unwrap("2.5.4.11");
        let error = read(&[&[(COMMON_NAME, UTF8, b"bob")], &[(unit, 26, b"unit")]]).expect_err("no text");
        assert_eq!(error.to_string(), "its subject is not text");
    }

    #[test]
    fn a_subject_without_names_has_an_empty_user() {
        assert_eq!(read(&[]), Ok(Holder::default()));
        let unit = ObjectIdentifier::new_unwrap("2.5.4.11");
        assert_eq!(read(&[&[(unit, UTF8, b"unit")]]), Ok(Holder::default()));
    }
}
