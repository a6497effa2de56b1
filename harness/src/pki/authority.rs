//! Certificate authorities, which sign certificates.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use p256::SecretKey;
use p256::ecdsa::{DerSignature, SigningKey};
use p256::elliptic_curve::Generate;
use p256::pkcs8::{DecodePrivateKey, EncodePrivateKey, EncodePublicKey};
use serde::{Deserialize, Serialize};
use sha2::Digest;
use x509_cert::Certificate;
use x509_cert::builder::{Builder, CertificateBuilder, CrlBuilder, profile::BuilderProfile};
use x509_cert::certificate::TbsCertificate;
use x509_cert::crl::RevokedCert;
use x509_cert::der::asn1::{Ia5String, OctetString, Uint};
use x509_cert::der::{DecodePem, Encode, EncodePem, pem::LineEnding};
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{
    AuthorityKeyIdentifier, BasicConstraints, CrlNumber, ExtendedKeyUsage, KeyUsage, KeyUsages, SubjectAltName, SubjectKeyIdentifier,
};
use x509_cert::name::Name;
use x509_cert::serial_number::SerialNumber;
use x509_cert::spki::{ObjectIdentifier, SubjectPublicKeyInfo, SubjectPublicKeyInfoOwned, SubjectPublicKeyInfoRef};
use x509_cert::time::{Time, Validity};

use super::request::{Flaw, Purpose, Request, key_identifier};
use super::weak::Sha1Signer;
use crate::pem;
use crate::secret::Secret;

const SERVER_AUTH: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.1");
const CLIENT_AUTH: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.2");

/// An error with keys and certificates.
#[derive(Debug, thiserror::Error)]
pub enum PkiError {
    /// A certificate could not be built.
    #[error("cannot build a certificate")]
    Build(#[source] x509_cert::builder::Error),
    /// A certificate could not be encoded or decoded.
    #[error("cannot encode or decode a certificate")]
    Encoding(#[from] x509_cert::der::Error),
    /// A public key could not be encoded.
    #[error("cannot encode a public key")]
    PublicKey(#[from] x509_cert::spki::Error),
    /// A private key could not be encoded or decoded.
    #[error("cannot encode or decode a private key")]
    Key(#[from] p256::pkcs8::Error),
    /// A private key is of a kind that is not used here.
    #[error("a private key is {seen} (expected one on the curve P-256)")]
    KeyKind {
        /// The label of its PEM block.
        seen: String,
    },
    /// The text is not a signing request, or the request is signed with another key than its own.
    #[error("this is not a signing request (PKCS#10, PEM): {why}")]
    NoRequest {
        /// The problem.
        why: String,
    },
    /// A signing request asks for more than a user and groups, or is spelled unusually.
    #[error("a signing request may name one user and groups, and nothing else: {why}")]
    MoreThanNames {
        /// The unusual part.
        why: String,
    },
    /// A private key does not belong to its certificate.
    #[error("the private key does not match the certificate of '{subject}'")]
    ForeignKey {
        /// The subject of the certificate.
        subject: String,
    },
    /// A file could not be read or written.
    #[error("cannot write or read {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
}

/// A certificate with its private key, and the intermediates between it and its root.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Leaf {
    /// The certificate, PEM.
    pub certificate: String,
    /// Intermediates to send along, PEM, nearest first; may be empty.
    pub chain: String,
    /// The private key, PKCS#8 PEM.
    pub key: Secret,
}

impl Leaf {
    /// Returns the certificate and its intermediates, as servers and clients send them.
    pub fn full_chain(&self) -> String {
        format!("{}{}", self.certificate, self.chain)
    }

    /// Returns the SHA-256 hash of the certificate, hexadecimal: what Kubernetes calls the credential's id
    /// (`authentication.kubernetes.io/credential-id: X509SHA256=…`).
    ///
    /// # Errors
    /// The text is not a certificate.
    pub fn fingerprint(&self) -> Result<String, PkiError> {
        let certificate = Certificate::from_pem(&self.certificate)?;
        Ok(hex::encode(sha2::Sha256::digest(certificate.to_der()?)))
    }

    /// Returns the serial number, decimal, as Kubernetes' log prints it. Authorities give numbers of 16 bytes.
    ///
    /// # Errors
    /// The text is not a certificate.
    pub fn serial_number(&self) -> Result<String, PkiError> {
        let certificate = Certificate::from_pem(&self.certificate)?;
        let bytes = certificate.tbs_certificate().serial_number().as_bytes();
        Ok(bytes
            .iter()
            .fold(0_u128, |number, byte| number << 8 | u128::from(*byte))
            .to_string())
    }

    /// Writes `NAME.crt` (with its chain) and `NAME.key` into `directory`, both with mode 0600.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn save(&self, directory: &Path, name: &str) -> Result<(PathBuf, PathBuf), PkiError> {
        let certificate = directory.join(format!("{name}.crt"));
        let key = directory.join(format!("{name}.key"));
        write_private(&certificate, &self.full_chain())?;
        write_private(&key, self.key.expose())?;
        Ok((certificate, key))
    }
}

/// A certificate authority.
#[derive(Clone, Debug)]
pub struct Authority {
    name: Name,
    key: SecretKey,
    certificate: String,
    chain: String,
}

impl Authority {
    /// Creates a root.
    ///
    /// # Errors
    /// It cannot be encoded.
    pub fn root(common_name: &str) -> Result<Self, PkiError> {
        let key = new_key();
        let name = super::subject(common_name, &[]);
        let certificate = sign(&name, &key, &name, &public(&key)?, &authority_request(common_name), true)?;
        Ok(Self {
            name,
            key,
            certificate,
            chain: String::new(),
        })
    }

    /// Creates an intermediate below this authority. The certificates that it issues carry its own along.
    ///
    /// # Errors
    /// It cannot be encoded.
    pub fn intermediate(&self, common_name: &str) -> Result<Self, PkiError> {
        self.below(common_name, &authority_request(common_name))
    }

    /// Creates an intermediate that expired an hour ago.
    ///
    /// # Errors
    /// It cannot be encoded.
    pub fn expired_intermediate(&self, common_name: &str) -> Result<Self, PkiError> {
        let expired = Request::flawed(common_name, &[], Flaw::Expired).purpose(Purpose::Unsaid);
        self.below(common_name, &expired)
    }

    fn below(&self, common_name: &str, request: &Request) -> Result<Self, PkiError> {
        let key = new_key();
        let name = super::subject(common_name, &[]);
        let certificate = sign(&self.name, &self.key, &name, &public(&key)?, request, true)?;
        let chain = format!("{certificate}{}", self.chain);
        Ok(Self {
            name,
            key,
            certificate,
            chain,
        })
    }

    /// Creates another authority of the same name, as a forger would.
    ///
    /// # Errors
    /// It cannot be encoded.
    pub fn impostor(&self) -> Result<Self, PkiError> {
        let key = new_key();
        let certificate = sign(&self.name, &key, &self.name, &public(&key)?, &authority_request(""), true)?;
        Ok(Self {
            name: self.name.clone(),
            key,
            certificate,
            chain: String::new(),
        })
    }

    /// Creates a certificate as requested that its own key has signed: no authority vouches for it.
    ///
    /// # Errors
    /// It cannot be encoded.
    pub fn self_signed(request: &Request) -> Result<Leaf, PkiError> {
        let key = new_key();
        let certificate = sign(&request.subject, &key, &request.subject, &public(&key)?, request, false)?;
        Ok(Leaf {
            certificate,
            chain: String::new(),
            key: key_pem(&key)?,
        })
    }

    /// Returns its key, PEM.
    ///
    /// # Errors
    /// It cannot be encoded.
    pub fn key(&self) -> Result<Secret, PkiError> {
        key_pem(&self.key)
    }

    /// Returns its certificate, PEM.
    pub fn certificate(&self) -> &str {
        &self.certificate
    }

    /// Issues a certificate as requested, with a new key.
    ///
    /// # Errors
    /// It cannot be encoded.
    pub fn issue(&self, request: &Request) -> Result<Leaf, PkiError> {
        let key = new_key();
        let certificate = sign(&self.name, &self.key, &request.subject, &public(&key)?, request, false)?;
        Ok(Leaf {
            certificate,
            chain: self.chain.clone(),
            key: key_pem(&key)?,
        })
    }

    /// Issues a certificate as requested for a public key of any kind, SubjectPublicKeyInfo, DER.
    #[cfg(test)]
    pub(crate) fn issue_for(&self, public: &[u8], request: &Request) -> Result<String, PkiError> {
        use x509_cert::der::Decode as _;
        let public = SubjectPublicKeyInfoOwned::from_der(public)?;
        sign(&self.name, &self.key, &request.subject, &public, request, false)
    }

    /// Issues a certificate as requested for the key of `leaf`.
    ///
    /// # Errors
    /// The key is not a usable P-256 key, or the certificate cannot be encoded.
    pub fn renew(&self, leaf: &Leaf, request: &Request) -> Result<Leaf, PkiError> {
        let key = private_key(&leaf.key)?;
        Ok(Leaf {
            certificate: sign(&self.name, &self.key, &request.subject, &public(&key)?, request, false)?,
            chain: self.chain.clone(),
            key: leaf.key.clone(),
        })
    }

    /// Signs a client's certificate with the names and the key of the signing request `pem` (RFC 2986), valid for a day. The caller decides
    /// beforehand whether its sender may have those names: [`Requested`](super::Requested).
    ///
    /// # Errors
    /// The request cannot be read, or asks for more than names.
    pub fn sign(&self, pem: &str) -> Result<String, PkiError> {
        let asked = super::Requested::read(pem)?;
        let groups: Vec<&str> = asked.groups().iter().map(String::as_str).collect();
        let request = Request::client(asked.user(), &groups);
        sign(&self.name, &self.key, &request.subject, asked.key(), &request, false)
    }

    /// Returns a revocation list with the certificate of `leaf`, PEM (RFC 5280 §5).
    ///
    /// # Errors
    /// It cannot be encoded.
    pub fn revocation_list(&self, leaf: &Leaf) -> Result<String, PkiError> {
        let now = time(SystemTime::now())?;
        let revoked = RevokedCert {
            serial_number: Certificate::from_pem(&leaf.certificate)?.tbs_certificate().serial_number().clone(),
            revocation_date: now,
            crl_entry_extensions: None,
        };
        let authority = Certificate::from_pem(&self.certificate)?;
        let list =
            CrlBuilder::new_with_this_update(&authority, CrlNumber(Uint::new(&[1])?), now)?.with_certificates(std::iter::once(revoked));
        let list = list
            .build::<_, DerSignature>(&SigningKey::from(&self.key))
            .map_err(PkiError::Build)?;
        Ok(list.to_pem(LineEnding::LF)?)
    }

    /// Writes `NAME.crt` and `NAME.key`, the key with mode 0600.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn save(&self, directory: &Path, name: &str) -> Result<(), PkiError> {
        write_private(&directory.join(format!("{name}.crt")), &self.certificate)?;
        write_private(&directory.join(format!("{name}.key")), key_pem(&self.key)?.expose())
    }

    /// Reads what [`Authority::save`] wrote.
    ///
    /// # Errors
    /// A file cannot be read, or is not a certificate or a key.
    pub fn load(directory: &Path, name: &str) -> Result<Self, PkiError> {
        let read = |path: PathBuf| fs_err::read_to_string(&path).map_err(|source| PkiError::File { path, source });
        let certificate = read(directory.join(format!("{name}.crt")))?;
        let key = Secret::new(read(directory.join(format!("{name}.key")))?);
        Self::from_pem(&certificate, &key)
    }

    /// Returns an authority from the certificate and key of a foreign one. The key is PKCS#8 (RFC 5958) or in the form of Go's
    /// `x509.MarshalECPrivateKey` (SEC 1, RFC 5915); its curve is P-256, as with all of ours.
    ///
    /// # Errors
    /// One of them cannot be used, or they do not belong together.
    pub fn from_pem(certificate: &str, key: &Secret) -> Result<Self, PkiError> {
        let key = private_key(key)?;
        let parsed = Certificate::from_pem(certificate)?;
        let theirs = parsed.tbs_certificate().subject_public_key_info();
        if theirs.to_der()? != SubjectPublicKeyInfo::from_key(&key.public_key())?.to_der()? {
            return Err(PkiError::ForeignKey {
                subject: parsed.tbs_certificate().subject().to_string(),
            });
        }
        Ok(Self {
            name: parsed.tbs_certificate().subject().clone(),
            key,
            certificate: parsed.to_pem(LineEnding::LF)?,
            chain: String::new(),
        })
    }
}

fn authority_request(common_name: &str) -> Request {
    Request::client(common_name, &[])
        .purpose(Purpose::Unsaid)
        .lifetime(std::time::Duration::from_secs(365 * 24 * 3600))
}

pub(super) fn new_key() -> SecretKey {
    SecretKey::generate()
}

fn public(key: &SecretKey) -> Result<SubjectPublicKeyInfoOwned, PkiError> {
    Ok(SubjectPublicKeyInfo::from_key(&key.public_key())?)
}

pub(super) fn key_pem(key: &SecretKey) -> Result<Secret, PkiError> {
    Ok(Secret::new(key.to_pkcs8_pem(LineEnding::LF)?.as_str()))
}

/// Reads a private key as servers keep it: PKCS#8 or SEC 1.
pub(super) fn private_key(key: &Secret) -> Result<SecretKey, PkiError> {
    // Go sometimes writes a block with the curve's parameters before the key.
    let blocks = pem::blocks(key.expose());
    let labelled = |label: &str| blocks.iter().find(|block| block.label == label);
    let kind = || PkiError::KeyKind {
        seen: blocks
            .first()
            .map_or_else(|| "no PEM".to_owned(), |block| format!("\"{}\"", block.label)),
    };
    match (labelled("PRIVATE KEY"), labelled("EC PRIVATE KEY")) {
        (Some(key), _) => Ok(SecretKey::from_pkcs8_der(&key.contents)?),
        (None, Some(key)) => SecretKey::from_sec1_der(&key.contents).map_err(|_| kind()),
        (None, None) => Err(kind()),
    }
}

/// Returns the private key `key` in our own form (PKCS#8), and its public key, both PEM.
///
/// # Errors
/// It is not a key on the curve P-256.
pub(crate) fn same_key(key: &Secret) -> Result<(Secret, String), PkiError> {
    let key = private_key(key)?;
    Ok((key_pem(&key)?, key.public_key().to_public_key_pem(LineEnding::LF)?))
}

/// Creates a key pair without a certificate, as PEM: PKCS#8 and SubjectPublicKeyInfo.
///
/// # Errors
/// It cannot be encoded.
pub fn key_pair() -> Result<(Secret, String), PkiError> {
    let key = new_key();
    Ok((key_pem(&key)?, key.public_key().to_public_key_pem(LineEnding::LF)?))
}

/// Writes a file that only its owner can read.
pub(crate) fn write_private(path: &Path, text: &str) -> Result<(), PkiError> {
    crate::private::write(path, text).map_err(|source| PkiError::File {
        path: path.to_owned(),
        source,
    })
}

/// A profile that adds nothing of its own: the certificate has exactly the requested content.
struct AsRequested {
    issuer: Name,
    subject: Name,
}

impl BuilderProfile for AsRequested {
    fn get_issuer(&self, _: &Name) -> Name {
        self.issuer.clone()
    }
    fn get_subject(&self) -> Name {
        self.subject.clone()
    }
    fn build_extensions(
        &self,
        _: SubjectPublicKeyInfoRef<'_>,
        _: SubjectPublicKeyInfoRef<'_>,
        _: &TbsCertificate,
    ) -> x509_cert::builder::Result<Vec<Extension>> {
        Ok(Vec::new())
    }
}

fn sign(
    issuer: &Name,
    issuer_key: &SecretKey,
    subject: &Name,
    key: &SubjectPublicKeyInfoOwned,
    request: &Request,
    authority: bool,
) -> Result<String, PkiError> {
    let mut serial = [0_u8; 16];
    rand::RngCore::fill_bytes(&mut rand::thread_rng(), &mut serial);
    serial[0] &= 0x7f;
    let validity = Validity::new(time(request.not_before)?, time(request.not_after)?);
    let profile = AsRequested {
        issuer: issuer.clone(),
        subject: subject.clone(),
    };
    let mut builder = CertificateBuilder::new(profile, SerialNumber::new(&serial)?, validity, key.clone()).map_err(PkiError::Build)?;

    builder.add_extension(&BasicConstraints {
        ca: authority,
        path_len_constraint: None,
    })?;
    let usages = if authority {
        KeyUsages::KeyCertSign | KeyUsages::CRLSign | KeyUsages::DigitalSignature
    } else {
        KeyUsages::DigitalSignature | KeyUsages::KeyEncipherment
    };
    builder.add_extension(&KeyUsage(usages))?;
    let purposes = match request.purpose {
        Purpose::Client => vec![CLIENT_AUTH],
        Purpose::Server => vec![SERVER_AUTH],
        Purpose::Both => vec![CLIENT_AUTH, SERVER_AUTH],
        Purpose::Unsaid => Vec::new(),
    };
    if !purposes.is_empty() {
        builder.add_extension(&ExtendedKeyUsage(purposes))?;
    }
    builder.add_extension(&SubjectKeyIdentifier(OctetString::new(key_identifier(key))?))?;
    builder.add_extension(&AuthorityKeyIdentifier {
        key_identifier: Some(OctetString::new(key_identifier(&public(issuer_key)?))?),
        ..AuthorityKeyIdentifier::default()
    })?;
    let mut names = Vec::new();
    for name in &request.names {
        names.push(GeneralName::DnsName(Ia5String::new(name)?));
    }
    names.extend(request.addresses.iter().map(|address| GeneralName::from(*address)));
    if !names.is_empty() {
        builder.add_extension(&SubjectAltName(names))?;
    }
    let certificate = if request.sha1 {
        builder.build::<_, DerSignature>(&Sha1Signer::new(issuer_key))
    } else {
        builder.build::<_, DerSignature>(&SigningKey::from(issuer_key))
    };
    let certificate = certificate.map_err(PkiError::Build)?;
    Ok(certificate.to_pem(LineEnding::LF)?)
}

fn time(time: SystemTime) -> Result<Time, PkiError> {
    // Certificates have a resolution of whole seconds.
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Ok(Time::try_from(
        SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(since.as_secs()),
    )?)
}
