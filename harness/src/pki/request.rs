//! The requested content of a certificate.

use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use x509_cert::attr::AttributeTypeAndValue;
use x509_cert::der::asn1::{Any, ObjectIdentifier, PrintableString, SetOfVec, Utf8StringRef};
use x509_cert::der::{EncodePem, Tag, pem::LineEnding};
use x509_cert::name::{Name, RdnSequence, RelativeDistinguishedName};
use x509_cert::spki::SubjectPublicKeyInfoOwned;

use super::PkiError;
use crate::secret::Secret;

/// commonName (RFC 5280 appendix A.1): Kubernetes' user.
pub(super) const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");
/// organizationName: one Kubernetes group each.
pub(super) const ORGANIZATION: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.10");
/// The attribute Kubernetes reads a user's UID from
/// (kubernetes/apiserver `pkg/authentication/request/x509/x509.go`).
pub(super) const UID: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.57683.2");

/// The purpose of a certificate: its extended key usages (RFC 5280 §4.2.1.12).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// `clientAuth`.
    Client,
    /// `serverAuth`.
    Server,
    /// `clientAuth` and `serverAuth`.
    Both,
    /// No such extension, as in the certificates of `openssl x509 -req`: any purpose.
    Unsaid,
}

/// A flaw of a client certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// It expired an hour ago.
    Expired,
    /// It becomes valid in an hour.
    NotYetValid,
    /// It is for servers only.
    ServerOnly,
    /// It has no common name.
    NoCommonName,
    /// Its UID attribute is empty.
    EmptyUid,
    /// Its UID attribute is not a string.
    NumericUid,
    /// It has two UID attributes.
    TwoUids,
    /// It is signed with SHA-1.
    Sha1,
}

/// The requested content of a certificate. Starts as a client certificate that is valid for a day.
#[derive(Clone, Debug)]
pub struct Request {
    pub(super) subject: Name,
    pub(super) purpose: Purpose,
    pub(super) names: Vec<String>,
    pub(super) addresses: Vec<IpAddr>,
    pub(super) not_before: SystemTime,
    pub(super) not_after: SystemTime,
    /// `true` if it is to be signed with SHA-1.
    pub(super) sha1: bool,
}

impl Request {
    /// Requests a certificate for `user` in `groups`.
    pub fn client(user: &str, groups: &[&str]) -> Self {
        let mut attributes = vec![string(COMMON_NAME, user)];
        attributes.extend(groups.iter().map(|group| string(ORGANIZATION, group)));
        Self::with(attributes, Purpose::Client)
    }

    /// Requests a certificate for a user with a UID (from Kubernetes 1.33).
    pub fn client_with_uid(user: &str, uid: &str, groups: &[&str]) -> Self {
        let mut request = Self::client(user, groups);
        request.subject = extended(&request.subject, [string(UID, uid)]);
        request
    }

    /// Requests a certificate with several common names, in order, as Active Directory makes them.
    pub fn client_with_common_names(names: &[&str]) -> Self {
        Self::with(names.iter().map(|name| string(COMMON_NAME, name)).collect(), Purpose::Client)
    }

    /// Requests a certificate for `user` in `groups`, with one flaw.
    pub fn flawed(user: &str, groups: &[&str], flaw: Flaw) -> Self {
        const HOUR: Duration = Duration::from_secs(3600);
        let mut request = Self::client(user, groups);
        match flaw {
            Flaw::Expired => request.not_after = SystemTime::now() - HOUR,
            Flaw::NotYetValid => request.not_before = SystemTime::now() + HOUR,
            Flaw::ServerOnly => request.purpose = Purpose::Server,
            Flaw::NoCommonName => {
                request.subject = name(groups.iter().map(|group| string(ORGANIZATION, group)));
            }
            Flaw::EmptyUid => request.subject = extended(&request.subject, [string(UID, "")]),
            Flaw::NumericUid => request.subject = extended(&request.subject, [number(UID, 7)]),
            Flaw::Sha1 => request.sha1 = true,
            Flaw::TwoUids => {
                request.subject = extended(&request.subject, [string(UID, "one"), string(UID, "two")]);
            }
        }
        request
    }

    /// Requests a certificate for a server that listens on loopback and on `names`.
    pub fn server(common_name: &str, names: &[&str]) -> Self {
        let mut request = Self::with(vec![string(COMMON_NAME, common_name)], Purpose::Server);
        request.names = names.iter().map(|name| (*name).to_owned()).collect();
        request.addresses = vec![IpAddr::from([127, 0, 0, 1])];
        request
    }

    /// Adds these addresses.
    #[must_use]
    pub fn addresses(mut self, addresses: impl IntoIterator<Item = IpAddr>) -> Self {
        self.addresses.extend(addresses);
        self
    }

    /// Sets another purpose.
    #[must_use]
    pub fn purpose(mut self, purpose: Purpose) -> Self {
        self.purpose = purpose;
        self
    }

    /// Sets the end of its validity to `lifetime` from now.
    #[must_use]
    pub fn lifetime(mut self, lifetime: Duration) -> Self {
        self.not_after = SystemTime::now() + lifetime;
        self
    }

    /// Sets the start of its validity to now, instead of some time ago.
    #[must_use]
    pub fn starting_now(mut self) -> Self {
        self.not_before = SystemTime::now();
        self
    }

    fn with(attributes: Vec<AttributeTypeAndValue>, purpose: Purpose) -> Self {
        let now = SystemTime::now();
        Self {
            subject: name(attributes),
            purpose,
            names: Vec::new(),
            addresses: Vec::new(),
            // Five minutes for clocks that differ, like Kubernetes' own signer; four hours so that a certificate that expired an
            // hour ago was valid before that.
            not_before: now - Duration::from_secs(300 + 4 * 3600),
            not_after: now + Duration::from_secs(24 * 3600),
            sha1: false,
        }
    }
}

/// Returns the subject of a user in groups.
pub fn subject(user: &str, groups: &[&str]) -> Name {
    Request::client(user, groups).subject
}

/// Returns a PKCS#10 request (RFC 2986) for `user` in `groups` with a new key, as PEM, and the key.
///
/// # Errors
/// The request cannot be encoded.
pub fn signing_request(user: &str, groups: &[&str]) -> Result<(String, Secret), PkiError> {
    let key = super::authority::key_pem(&super::authority::new_key())?;
    Ok((signing_request_for(user, groups, &key)?, key))
}

/// Returns a PKCS#10 request for an existing key.
///
/// # Errors
/// The key is not a usable P-256 key, or the request cannot be encoded.
pub fn signing_request_for(user: &str, groups: &[&str], key: &Secret) -> Result<String, PkiError> {
    use p256::ecdsa::{DerSignature, SigningKey};
    use x509_cert::builder::Builder;
    use x509_cert::request::RequestBuilder;

    let key = super::authority::private_key(key)?;
    let request = RequestBuilder::new(subject(user, groups))
        .and_then(|builder| builder.build::<_, DerSignature>(&SigningKey::from(&key)))
        .map_err(PkiError::Build)?;
    Ok(request.to_pem(LineEnding::LF)?)
}

fn string(oid: ObjectIdentifier, value: &str) -> AttributeTypeAndValue {
    // As openssl does: a PrintableString if the text allows it.
    let printable = PrintableString::new(value).ok().filter(|_| !value.is_empty());
    let value = match printable {
        Some(printable) => Any::encode_from(&printable),
        None => Utf8StringRef::new(value).and_then(|value| Any::encode_from(&value)),
    };
    AttributeTypeAndValue {
        oid,
        value: value.expect("a string encodes"),
    }
}

fn number(oid: ObjectIdentifier, value: u8) -> AttributeTypeAndValue {
    AttributeTypeAndValue {
        oid,
        value: Any::new(Tag::Integer, vec![value]).expect("a number encodes"),
    }
}

fn name(attributes: impl IntoIterator<Item = AttributeTypeAndValue>) -> Name {
    extended(&Name::default(), attributes)
}

/// Adds one relative distinguished name per attribute: the order and the number of equal
/// attributes stay.
fn extended(base: &Name, attributes: impl IntoIterator<Item = AttributeTypeAndValue>) -> Name {
    let mut sequence = RdnSequence::default();
    base.iter_rdn().for_each(|part| sequence.push(part.clone()));
    for attribute in attributes {
        let set = SetOfVec::try_from(vec![attribute]).expect("a set of one");
        sequence.push(RelativeDistinguishedName::from(set));
    }
    Name::hazmat_from_rdn_sequence(sequence)
}

/// Returns a subject key identifier: the usual hash would do, any unique value is allowed
/// (RFC 5280 §4.2.1.2).
pub(super) fn key_identifier(key: &SubjectPublicKeyInfoOwned) -> Vec<u8> {
    use sha2::Digest;
    sha2::Sha256::digest(key.subject_public_key.raw_bytes())[..20].to_vec()
}
