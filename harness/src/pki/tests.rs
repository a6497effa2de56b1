//! Subjects of any kind, for tests.

use x509_cert::attr::AttributeTypeAndValue;
use x509_cert::der::Decode as _;
use x509_cert::der::asn1::{Any, ObjectIdentifier, SetOfVec};
use x509_cert::name::{Name, RdnSequence, RelativeDistinguishedName};

/// An attribute whose value is of any kind: the number of its tag (X.680 §8.4), and its bytes.
pub(super) type SubjectAttribute<'a> = (ObjectIdentifier, u8, &'a [u8]);

/// The tag of a UTF8String.
pub(super) const UTF8: u8 = 12;

/// Returns a subject of parts with any number of attributes.
pub(super) fn subject(parts: &[&[SubjectAttribute<'_>]]) -> Name {
    let mut sequence = RdnSequence::default();
    for part in parts {
        let attributes: Vec<_> = part.iter().map(attribute).collect();
        sequence.push(RelativeDistinguishedName::from(SetOfVec::try_from(attributes).expect("a set")));
    }
    Name::hazmat_from_rdn_sequence(sequence)
}

fn attribute((oid, tag, bytes): &SubjectAttribute<'_>) -> AttributeTypeAndValue {
    let mut der = vec![*tag, u8::try_from(bytes.len()).expect("it is short")];
    der.extend(*bytes);
    AttributeTypeAndValue {
        oid: *oid,
        value: Any::from_der(&der).expect("a value"),
    }
}

#[test]
fn a_revocation_list_names_the_certificate_that_is_revoked() {
    let authority = super::Authority::root("clients").unwrap();
    let leaf = authority.issue(&super::Request::client("alice", &[])).unwrap();
    let list = authority.revocation_list(&leaf).unwrap();
    let list = crate::pem::first(&list).unwrap();
    let (_, read) = x509_parser::parse_x509_crl(&list.contents).unwrap();
    let revoked: Vec<String> = read.iter_revoked_certificates().map(|one| one.serial().to_string()).collect();
    assert_eq!((list.label.as_str(), revoked), ("X509 CRL", vec![leaf.serial_number().unwrap()]));
}
