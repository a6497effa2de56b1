//! Reading foreign signing requests (PKCS#10, RFC 2986), and comparing the issued certificates with them.
//!
//! The main type is [`Requested`]. A signer copies more of a request than its names, and may read those differently: a request is
//! therefore refused unless there is only one way to read it.

use x509_cert::attr::{Attribute, AttributeTypeAndValue};
use x509_cert::der::asn1::{Any, ObjectIdentifier, PrintableStringRef, Utf8StringRef};
use x509_cert::der::{DecodePem as _, Encode as _, EncodePem as _, pem::LineEnding};
use x509_cert::name::Name;
use x509_cert::request::CertReq;
use x509_cert::spki::SubjectPublicKeyInfoOwned;
use x509_parser::prelude::{FromDer as _, X509Certificate, X509CertificationRequest};

use super::request::{COMMON_NAME, ORGANIZATION};
use super::{Holder, PkiError};
use crate::pem;

/// A signing request for a client, which names one user and groups and nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requested {
    user: String,
    groups: Vec<String>,
    key: SubjectPublicKeyInfoOwned,
}

impl Requested {
    /// Reads the signing request `pem`.
    ///
    /// # Errors
    /// The text is not a signing request, or it is not signed with its own key, asks for more than one user and groups, or is ambiguous.
    pub fn read(pem: &str) -> Result<Self, PkiError> {
        let no = |why: &dyn std::fmt::Display| PkiError::NoRequest { why: why.to_string() };
        let request = CertReq::from_pem(pem).map_err(|error| no(&error))?;
        // Another parser could choose another block, or read the same bytes differently.
        if request.to_pem(LineEnding::LF)?.trim_end() != pem.replace("\r\n", "\n").trim() {
            return Err(no(&"expected exactly one PEM block with DER in it"));
        }
        let der = request.to_der()?;
        let (_, parsed) = X509CertificationRequest::from_der(&der).map_err(|error| no(&error))?;
        parsed.verify_signature().map_err(|error| no(&error))?;
        if !request.info.attributes.iter().all(says_nothing) {
            return Err(PkiError::MoreThanNames {
                why: "it has attributes in addition to its subject, such as alternative names or a challenge password".to_owned(),
            });
        }
        let (user, groups) = names(&request.info.subject).map_err(|why| PkiError::MoreThanNames { why })?;
        Ok(Self {
            user,
            groups,
            key: request.info.public_key,
        })
    }

    /// Returns the common name: Kubernetes' user.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// Returns the organizations, in order: Kubernetes' groups.
    pub fn groups(&self) -> &[String] {
        &self.groups
    }

    /// Returns the key that the request was signed with.
    pub(super) fn key(&self) -> &SubjectPublicKeyInfoOwned {
        &self.key
    }

    /// Returns the difference between `certificate`, PEM, and the request (its holder, its key, or its purposes), if any.
    pub fn difference(&self, certificate: &str) -> Option<String> {
        let Ok(block) = pem::first(certificate) else {
            return Some("it is not PEM text".to_owned());
        };
        let Ok(certificate) = block.parse_x509() else {
            return Some("it is not a certificate".to_owned());
        };
        let holder = match Holder::read(certificate.subject()) {
            Ok(holder) => holder,
            Err(error) => return Some(error.to_string()),
        };
        // Signers in Go put all organizations into one set, which has an order of its own.
        let sorted = |groups: &[String]| {
            let mut groups = groups.to_vec();
            groups.sort();
            groups
        };
        if holder.user != self.user {
            return Some(format!("its user is {:?} (requested: {:?})", holder.user, self.user));
        }
        if sorted(&holder.groups) != sorted(&self.groups) {
            return Some(format!("its groups are {:?} (requested: {:?})", holder.groups, self.groups));
        }
        if !holder.uids.is_empty() {
            return Some(format!("it has the UIDs {:?} (requested: none)", holder.uids));
        }
        if self.key.to_der().ok().as_deref() != Some(certificate.public_key().raw) {
            return Some("it is for another key".to_owned());
        }
        beyond_a_client(&certificate).map(str::to_owned)
    }
}

/// Returns whether an attribute asks for nothing: some programs send an empty list of extensions (RFC 2985 §5.4.2).
fn says_nothing(attribute: &Attribute) -> bool {
    const EXTENSION_REQUEST: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.14");
    attribute.oid == EXTENSION_REQUEST && attribute.values.iter().all(|value| value.value().is_empty())
}

/// Returns the first property of a certificate that a client's must not have, if any.
fn beyond_a_client(certificate: &X509Certificate<'_>) -> Option<&'static str> {
    if certificate.is_ca() {
        return Some("it is the certificate of an authority");
    }
    match certificate.key_usage() {
        Ok(Some(usage)) if usage.value.key_cert_sign() || usage.value.crl_sign() => return Some("its key may sign certificates"),
        Ok(_) => {}
        Err(_) => return Some("it has several key usages"),
    }
    match certificate.subject_alternative_name() {
        Ok(None) => {}
        _ => return Some("it has alternative names"),
    }
    let is_for_clients = match certificate.extended_key_usage() {
        Ok(Some(usage)) => {
            let usage = usage.value;
            let other = usage.any
                || usage.server_auth
                || usage.code_signing
                || usage.email_protection
                || usage.time_stamping
                || usage.ocsp_signing
                || !usage.other.is_empty();
            usage.client_auth && !other
        }
        _ => false,
    };
    (!is_for_clients).then_some("it is not for clients only")
}

/// Returns the user and the groups of a subject that has one common name, organizations and nothing else, one attribute in each part, all of
/// them spelled as usual.
fn names(subject: &Name) -> Result<(String, Vec<String>), String> {
    let (mut users, mut groups) = (Vec::new(), Vec::new());
    for part in subject.iter_rdn() {
        let mut attributes = part.iter();
        let (Some(attribute), None) = (attributes.next(), attributes.next()) else {
            return Err("a part of its subject has several attributes".to_owned());
        };
        let (kind, values) = match attribute.oid {
            COMMON_NAME => ("common name", &mut users),
            ORGANIZATION => ("organization", &mut groups),
            other => {
                return Err(format!(
                    "its subject has the attribute {other} (expected only a common name (CN) and organizations (O))"
                ));
            }
        };
        let text = std::str::from_utf8(attribute.value.value()).unwrap_or_default();
        if text.is_empty() || !spellings(attribute.oid, text).any(|spelling| spelling == *attribute) {
            return Err(format!("its {kind} is empty, or is neither a UTF8String nor a PrintableString"));
        }
        values.push(text.to_owned());
    }
    match <[String; 1]>::try_from(users) {
        Ok([user]) => Ok((user, groups)),
        Err(users) if users.is_empty() => Err("its subject has no common name".to_owned()),
        Err(users) => Err(format!("its subject has {} common names (expected one): {users:?}", users.len())),
    }
}

/// Returns the usual encodings of `text`: UTF8String, and PrintableString if the text allows it.
fn spellings(oid: ObjectIdentifier, text: &str) -> impl Iterator<Item = AttributeTypeAndValue> {
    let utf8 = Utf8StringRef::new(text).and_then(|text| Any::encode_from(&text));
    let printable = PrintableStringRef::new(text).and_then(|text| Any::encode_from(&text));
    [utf8, printable]
        .into_iter()
        .flatten()
        .map(move |value| AttributeTypeAndValue { oid, value })
}

#[cfg(test)]
mod tests {
    use p256::ecdsa::{DerSignature, SigningKey};
    use x509_cert::builder::Builder as _;
    use x509_cert::ext::pkix::SubjectAltName;
    use x509_cert::request::RequestBuilder;

    use super::super::tests::{SubjectAttribute, UTF8, subject};
    use super::super::{Authority, Flaw, Purpose, Request, signing_request, signing_request_for};
    use super::*;

    const PRINTABLE: u8 = 19;

    fn request_of(subject: Name) -> String {
        let key = SigningKey::from(&super::super::authority::new_key());
        let builder = RequestBuilder::new(subject).expect("a subject");
        let request = builder.build::<_, DerSignature>(&key).expect("a request");
        request.to_pem(LineEnding::LF).expect("it encodes")
    }

    fn refusal(parts: &[&[SubjectAttribute<'_>]]) -> String {
        Requested::read(&request_of(subject(parts))).expect_err("refused").to_string()
    }

    #[test]
    fn one_user_and_groups_are_read_in_any_order_and_in_both_usual_spellings() {
        let (pem, _) = signing_request("learner-1:bob", &["learner-1:operators", "learner-1:dévs"]).expect("a request");
        let asked = Requested::read(&pem).expect("it is sound");
        assert_eq!(asked.user(), "learner-1:bob");
        assert_eq!(asked.groups(), ["learner-1:operators", "learner-1:dévs"]);
        for spelling in [UTF8, PRINTABLE] {
            // As `openssl req -subj /O=…/CN=…` writes them.
            let pem = request_of(subject(&[
                &[(ORGANIZATION, spelling, b"operators")],
                &[(COMMON_NAME, spelling, b"bob")],
            ]));
            let asked = Requested::read(&pem.replace('\n', "\r\n")).expect("it is sound");
            assert_eq!((asked.user(), asked.groups()), ("bob", &["operators".to_owned()][..]));
        }
    }

    #[test]
    fn a_subject_with_several_common_names_is_refused_with_all_of_them() {
        let refused = refusal(&[
            &[(ORGANIZATION, UTF8, b"learner-1:operators")],
            &[(COMMON_NAME, UTF8, b"learner-1:bob")],
            &[(COMMON_NAME, UTF8, b"system:serviceaccount:authlab:auth-proxy")],
        ]);
        assert!(
            refused.ends_with(r#"2 common names (expected one): ["learner-1:bob", "system:serviceaccount:authlab:auth-proxy"]"#),
            "{refused}"
        );
    }

    #[test]
    fn whatever_can_be_read_in_another_way_is_refused() {
        let bob = (COMMON_NAME, UTF8, &b"bob"[..]);
        let unit = ObjectIdentifier::new_unwrap("2.5.4.11");
        let uid = super::super::request::UID;
        for (parts, why) in [
            (
                &[&[bob, (COMMON_NAME, UTF8, b"eve")][..]][..],
                "a part of its subject has several attributes",
            ),
            (
                &[&[bob, (ORGANIZATION, UTF8, b"x")]],
                "a part of its subject has several attributes",
            ),
            (&[&[bob], &[(unit, UTF8, b"x")]], "the attribute 2.5.4.11"),
            (&[&[bob], &[(uid, UTF8, b"7")]], "the attribute 1.3.6.1.4.1.57683.2"),
            (&[&[(COMMON_NAME, 30, b"\0b\0o\0b")]], "its common name is empty, or is neither"),
            (&[&[(COMMON_NAME, 20, b"bob")]], "its common name is empty, or is neither"),
            (&[&[(COMMON_NAME, 22, b"bob")]], "its common name is empty, or is neither"),
            (&[&[(COMMON_NAME, 26, b"bob")]], "its common name is empty, or is neither"),
            (&[&[(COMMON_NAME, UTF8, b"\xff")]], "its common name is empty, or is neither"),
            // Not a letter of PrintableString.
            (&[&[(COMMON_NAME, PRINTABLE, b"b_b")]], "its common name is empty, or is neither"),
            (&[&[(COMMON_NAME, UTF8, b"")]], "its common name is empty, or is neither"),
            (&[&[bob], &[(ORGANIZATION, UTF8, b"")]], "its organization is empty, or is neither"),
            (&[&[(ORGANIZATION, UTF8, b"x")]], "its subject has no common name"),
            (&[], "its subject has no common name"),
        ] {
            let refused = refusal(parts);
            assert!(refused.contains(why), "expected: {why}; seen: {refused}");
        }
    }

    #[test]
    fn extensions_are_refused() {
        let key = SigningKey::from(&super::super::authority::new_key());
        let mut builder = RequestBuilder::new(super::super::subject("bob", &[])).expect("a subject");
        let name = x509_cert::ext::pkix::name::GeneralName::from(std::net::IpAddr::from([127, 0, 0, 1]));
        builder.add_extension(&SubjectAltName(vec![name])).expect("an extension");
        let request = builder.build::<_, DerSignature>(&key).expect("a request");
        let refused = Requested::read(&request.to_pem(LineEnding::LF).expect("it encodes")).expect_err("refused");
        assert!(refused.to_string().contains("attributes in addition to its subject"), "{refused}");
    }

    #[test]
    fn a_second_block_text_around_it_and_a_strangers_signature_are_refused() {
        let (bob, key) = signing_request("bob", &[]).expect("a request");
        let (eve, _) = signing_request("eve", &[]).expect("a request");
        for text in [
            format!("{bob}{eve}"),
            format!("{eve}{bob}"),
            format!("Subject: CN=bob\n{bob}"),
            bob.replacen('\n', "\n\n", 2),
        ] {
            let refused = Requested::read(&text).expect_err("refused").to_string();
            assert!(refused.contains("not a signing request"), "{refused}");
        }
        // The subject of one under the signature of the other.
        let mine = CertReq::from_pem(&bob).expect("a request");
        let other = CertReq::from_pem(signing_request_for("eve", &[], &key).expect("a request")).expect("a request");
        let mixed = CertReq { info: other.info, ..mine };
        let refused = Requested::read(&mixed.to_pem(LineEnding::LF).expect("it encodes")).expect_err("refused");
        assert!(refused.to_string().contains("not a signing request"), "{refused}");
    }

    #[test]
    fn what_was_issued_is_what_was_asked_for_or_it_is_said_how_it_differs() {
        let authority = Authority::root("clients").expect("an authority");
        let (pem, key) = signing_request("bob", &["a", "b"]).expect("a request");
        let asked = Requested::read(&pem).expect("it is sound");
        assert_eq!(asked.difference(&authority.sign(&pem).expect("a certificate")), None);
        let leaf = authority.issue(&Request::client("bob", &[])).expect("a certificate");
        let holder = super::super::Leaf { key, ..leaf };
        let issued = |request: &Request| authority.renew(&holder, request).expect("a certificate").certificate;
        assert_eq!(
            asked.difference(&issued(&Request::client("bob", &["b", "a"]))),
            None,
            "sets have no order"
        );
        for (certificate, difference) in [
            (
                issued(&Request::client("eve", &["a", "b"])),
                "its user is \"eve\" (requested: \"bob\")",
            ),
            (
                issued(&Request::client("bob", &["a"])),
                "its groups are [\"a\"] (requested: [\"a\", \"b\"])",
            ),
            (issued(&Request::client("bob", &["a", "b", "c"])), "its groups are"),
            (
                issued(&Request::client_with_uid("bob", "7", &["a", "b"])),
                "it has the UIDs [\"7\"]",
            ),
            (
                issued(&Request::flawed("bob", &["a", "b"], Flaw::NumericUid)),
                "its UID is not text",
            ),
            (
                issued(&Request::client("bob", &["a", "b"]).purpose(Purpose::Both)),
                "it is not for clients only",
            ),
            (
                issued(&Request::client("bob", &["a", "b"]).purpose(Purpose::Unsaid)),
                "it is not for clients only",
            ),
            (
                issued(&Request::client("bob", &["a", "b"]).addresses([std::net::IpAddr::from([127, 0, 0, 1])])),
                "it has alternative names",
            ),
            (
                authority
                    .issue(&Request::client("bob", &["a", "b"]))
                    .expect("a certificate")
                    .certificate,
                "it is for another key",
            ),
            ("nothing".to_owned(), "it is not PEM text"),
            (pem.clone(), "it is not a certificate"),
        ] {
            let seen = asked.difference(&certificate).expect("a difference");
            assert!(seen.contains(difference), "expected: {difference}; seen: {seen}");
        }
        let intermediate = authority.intermediate("bob").expect("an authority");
        let certificate = pem::first(intermediate.certificate()).expect("PEM");
        assert_eq!(
            beyond_a_client(&certificate.parse_x509().expect("a certificate")),
            Some("it is the certificate of an authority")
        );
    }
}
