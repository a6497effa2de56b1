//! A TLS client that trusts what kubectl trusts, and tells what is wrong with a server's certificate as Go would.
//!
//! The main function is [`client`]. The checks are those of Go's `crypto/x509` `Certificate.Verify`, in its order: dates, names, chain,
//! usage. Chains and names are checked by rustls' own verifier.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use jiff::Timestamp;
use rustls::client::ResolvesClientCert;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{
    AlgorithmIdentifier, CertificateDer, InvalidSignature, ServerName, SignatureVerificationAlgorithm, UnixTime, alg_id,
};
use rustls::sign::CertifiedKey;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, SignatureScheme};

use super::{ClientIdentity, Roots, ServerCertificate, TlsError};

/// The parties whose word a client takes for a server's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trust {
    /// These CAs, PEM.
    Authorities(String),
    /// The system's CAs.
    System,
    /// The server itself: its certificate is not verified.
    Unverified,
}

/// A flaw of a server's certificate, for which kubectl does not connect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// It has expired.
    Expired,
    /// It is not valid yet.
    NotYetValid,
    /// It is for other names.
    OtherNames,
    /// No trusted CA signed it.
    UnknownIssuer {
        /// `true` if a trusted CA has the name of its issuer, and another key.
        same_name: bool,
    },
    /// The trusted CA that signed it is not valid now.
    AuthorityDates {
        /// The subject of the CA.
        authority: String,
        /// The beginning of its validity.
        not_before: Timestamp,
        /// The end of its validity.
        not_after: Timestamp,
    },
    /// The trusted certificate that signed it may not sign others.
    NoAuthority {
        /// The subject of the CA.
        authority: String,
    },
    /// An intermediate certificate is not valid now.
    IntermediateDates,
    /// It is not for servers.
    WrongUsage,
    /// It, or an intermediate one, is signed by an algorithm that Go refuses.
    WeakSignature {
        /// The algorithm, by Go's name.
        algorithm: String,
    },
    /// It cannot be judged here: Go may take it.
    Unjudged {
        /// The reason.
        why: String,
    },
}

/// The server's certificate with all its flaws, in the order in which Go finds them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    /// The certificate; `None` if it cannot be read.
    pub certificate: Option<ServerCertificate>,
    /// Its flaws.
    pub flaws: Vec<Flaw>,
}

/// A client, with what it has seen of the server.
pub(crate) struct Client {
    /// The configuration.
    pub(crate) config: ClientConfig,
    pub(super) judge: Arc<Judge>,
    presenting: Option<Arc<Presenting>>,
}

/// Returns a client that trusts `trust` and presents `identity`.
///
/// # Errors
/// rustls does not take the configuration.
pub(crate) fn client(trust: &Trust, identity: Option<&ClientIdentity>) -> Result<Client, TlsError> {
    let provider = Arc::new(CryptoProvider {
        signature_verification_algorithms: *VERIFYING,
        ..ring::default_provider()
    });
    let judge = Arc::new(Judge {
        roots: match trust {
            Trust::Authorities(pem) => Trusted::These(Roots::read(pem)),
            // Without a usable store of the system, nobody is trusted.
            Trust::System => Trusted::System(rustls_platform_verifier::Verifier::new(Arc::clone(&provider)).ok()),
            Trust::Unverified => Trusted::Anybody,
        },
        judged: Mutex::default(),
    });
    let trusting = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::clone(&judge) as Arc<dyn ServerCertVerifier>);
    let presenting = identity.map(|identity| {
        Arc::new(Presenting {
            certified: Arc::clone(&identity.certified),
            declined: AtomicBool::default(),
        })
    });
    let mut config = match &presenting {
        Some(presenting) => trusting.with_client_cert_resolver(Arc::clone(presenting) as Arc<dyn ResolvesClientCert>),
        None => trusting.with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config.resumption = rustls::client::Resumption::disabled();
    Ok(Client { config, judge, presenting })
}

/// The view that a connection has of the server.
#[derive(Clone)]
pub(crate) struct Seen {
    judge: Arc<Judge>,
    presenting: Option<Arc<Presenting>>,
}

impl Client {
    /// Returns the part that tells afterwards what was seen.
    pub(crate) fn seen(&self) -> Seen {
        Seen {
            judge: Arc::clone(&self.judge),
            presenting: self.presenting.clone(),
        }
    }
}

impl Seen {
    /// Returns the server's certificate with its flaws; `None` if it has presented none.
    pub(crate) fn judged(&self) -> Option<Judged> {
        self.judge.judged.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns `true` if the server asked for a client certificate, and takes no signature of the client's key.
    pub(crate) fn declined(&self) -> bool {
        self.presenting
            .as_ref()
            .is_some_and(|presenting| presenting.declined.load(Ordering::Relaxed))
    }
}

/// Presents one certificate whenever one is asked for, as client-go does (`transport.TLSConfigFor`).
#[derive(Debug)]
struct Presenting {
    certified: Arc<CertifiedKey>,
    declined: AtomicBool,
}

impl ResolvesClientCert for Presenting {
    fn resolve(&self, _: &[&[u8]], offered: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        if self.certified.key.choose_scheme(offered).is_none() {
            self.declined.store(true, Ordering::Relaxed);
        }
        Some(Arc::clone(&self.certified))
    }

    fn has_certs(&self) -> bool {
        true
    }
}

#[derive(Debug)]
enum Trusted {
    These(Roots),
    System(Option<rustls_platform_verifier::Verifier>),
    Anybody,
}

/// Verifies a server's certificate, and keeps it.
#[derive(Debug)]
pub(super) struct Judge {
    roots: Trusted,
    judged: Mutex<Option<Judged>>,
}

impl Judge {
    /// Returns what the chain lacks.
    fn chain(&self, leaf: &CertificateDer<'_>, others: &[CertificateDer<'_>], name: &ServerName<'_>, now: UnixTime) -> Option<Flaw> {
        match &self.roots {
            Trusted::Anybody => None,
            Trusted::These(roots) => roots.chain(leaf, others, now),
            Trusted::System(None) => Some(Flaw::UnknownIssuer { same_name: false }),
            // At `now` the certificate itself is valid, so a wrong date is another certificate's.
            Trusted::System(Some(verifier)) => {
                let error = verifier.verify_server_cert(leaf, others, name, &[], now).err()?;
                Some(super::roots::flaw(&error, leaf))
            }
        }
    }
}

impl ServerCertVerifier for Judge {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let certificate = ServerCertificate::read(leaf, others);
        let mut flaws = Vec::new();
        if !matches!(self.roots, Trusted::Anybody) {
            let at = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
            let mut within = now;
            match &certificate {
                Some(one) => {
                    // The chain is checked at a time at which the certificate itself is valid, so that every flaw is found.
                    let second = |time: i64| UnixTime::since_unix_epoch(std::time::Duration::from_secs(u64::try_from(time).unwrap_or(0)));
                    if at > one.not_after.as_second() {
                        flaws.push(Flaw::Expired);
                        within = second(one.not_after.as_second());
                    } else if at < one.not_before.as_second() {
                        flaws.push(Flaw::NotYetValid);
                        within = second(one.not_before.as_second());
                    }
                    if !super::roots::is_for(leaf, name) {
                        flaws.push(Flaw::OtherNames);
                    }
                }
                None => flaws.push(Flaw::Unjudged {
                    why: "it cannot be read".to_owned(),
                }),
            }
            // For known authorities, the chain itself tells which signatures count.
            let weak = matches!(self.roots, Trusted::System(_)).then(|| certificate.as_ref()?.weak_algorithm.clone());
            let weak = weak.flatten();
            let chain = self.chain(leaf, others, name, within);
            // The system's verifier tells names, too.
            let chain = chain.filter(|flaw| !flaws.contains(flaw));
            flaws.extend(chain.map(|flaw| {
                match (flaw, weak) {
                    (Flaw::Unjudged { .. }, Some(algorithm)) => Flaw::WeakSignature { algorithm },
                    // Go takes `any` for every usage, rustls does not, and has not looked further.
                    (Flaw::WrongUsage, _)
                        if certificate
                            .as_ref()
                            .is_some_and(|one| one.usages.iter().any(|usage| usage == "any")) =>
                    {
                        Flaw::Unjudged {
                            why: "its extended key usage is `any`".to_owned(),
                        }
                    }
                    (flaw, _) => flaw,
                }
            }));
        }
        let sound = flaws.is_empty();
        *self.judged.lock().unwrap_or_else(PoisonError::into_inner) = Some(Judged { certificate, flaws });
        if sound {
            return Ok(ServerCertVerified::assertion());
        }
        Err(CertificateError::ApplicationVerificationFailure.into())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &VERIFYING)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &VERIFYING)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        VERIFYING.supported_schemes()
    }
}

/// ring's signature algorithms, and P-521's, which Go knows.
pub(super) static VERIFYING: LazyLock<WebPkiSupportedAlgorithms> = LazyLock::new(|| {
    static P521_SHA512: [&dyn SignatureVerificationAlgorithm; 1] = [&P521];
    let ring = ring::default_provider().signature_verification_algorithms;
    let mut all = ring.all.to_vec();
    all.extend(P521_SHA512);
    let mut mapping = ring.mapping.to_vec();
    mapping.push((SignatureScheme::ECDSA_NISTP521_SHA512, &P521_SHA512));
    WebPkiSupportedAlgorithms {
        all: all.leak(),
        mapping: mapping.leak(),
    }
});

/// ECDSA with P-521 and SHA-512.
#[derive(Debug)]
struct P521;

impl SignatureVerificationAlgorithm for P521 {
    fn verify_signature(&self, key: &[u8], message: &[u8], signature: &[u8]) -> Result<(), InvalidSignature> {
        use p521::ecdsa::signature::Verifier as _;
        let key = p521::ecdsa::VerifyingKey::from_sec1_bytes(key).map_err(|_| InvalidSignature)?;
        let signature = p521::ecdsa::Signature::from_der(signature).map_err(|_| InvalidSignature)?;
        key.verify(message, &signature).map_err(|_| InvalidSignature)
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        alg_id::ECDSA_P521
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        alg_id::ECDSA_SHA512
    }
}
