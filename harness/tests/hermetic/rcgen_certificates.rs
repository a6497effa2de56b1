//! An independent judge of our X.509 code: rcgen makes keys, requests and certificates that we read and sign, and reads ours.

use authlab::pki::{Authority, Holder, Leaf, Requested};
use authlab::secret::Secret;
use authlab::tls;
use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, Issuer, KeyPair, SanType, SignatureAlgorithm};
use rustls::pki_types::UnixTime;
use rustls::server::WebPkiClientVerifier;

/// The kinds of keys that rcgen makes with ring, and that API servers take.
const KINDS: &[(&str, &SignatureAlgorithm)] = &[
    ("P-256", &rcgen::PKCS_ECDSA_P256_SHA256),
    ("P-384", &rcgen::PKCS_ECDSA_P384_SHA384),
    ("Ed25519", &rcgen::PKCS_ED25519),
];

/// Returns parameters for `user` in `group`; rcgen keeps one organization of a subject only.
fn parameters(user: &str, group: &str) -> CertificateParams {
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name.push(DnType::CommonName, user);
    parameters.distinguished_name.push(DnType::OrganizationName, group);
    parameters
}

/// Returns the user and groups of a certificate, as our reader sees them.
fn holder(certificate: &str) -> (String, Vec<String>) {
    let der = tls::certificates(certificate).unwrap().remove(0);
    let (_, certificate) = x509_parser::parse_x509_certificate(&der).unwrap();
    let holder = Holder::read(certificate.subject()).unwrap();
    (holder.user, holder.groups)
}

/// Fails unless a server that trusts `authority` accepts `certificate` of a client.
fn accepted(authority: &Authority, certificate: &str) {
    let roots = tls::roots(authority.certificate()).unwrap();
    let provider = rustls::crypto::ring::default_provider().into();
    let verifier = WebPkiClientVerifier::builder_with_provider(std::sync::Arc::new(roots), provider)
        .build()
        .unwrap();
    let chain = tls::certificates(certificate).unwrap();
    verifier.verify_client_cert(&chain[0], &[], UnixTime::now()).unwrap();
}

fn alice() -> (String, Vec<String>) {
    ("alice".to_owned(), vec!["platform-team".to_owned()])
}

#[test]
fn a_request_of_rcgen_is_read_and_signed_whatever_its_key() {
    let authority = Authority::root("clients").unwrap();
    for (kind, algorithm) in KINDS {
        let key = KeyPair::generate_for(algorithm).unwrap();
        let pem = parameters("alice", "platform-team").serialize_request(&key).unwrap().pem().unwrap();
        let requested = Requested::read(&pem).unwrap();
        assert_eq!((requested.user().to_owned(), requested.groups().to_vec()), alice(), "{kind}");
        let certificate = authority.sign(&pem).unwrap();
        assert_eq!(requested.difference(&certificate), None, "{kind}");
        assert_eq!(holder(&certificate), alice(), "{kind}");
        accepted(&authority, &certificate);
        // The key that rcgen wrote belongs to the certificate, and clients can use it.
        let leaf = Leaf {
            certificate,
            chain: String::new(),
            key: Secret::new(key.serialize_pem()),
        };
        tls::client(authority.certificate(), Some(&leaf)).unwrap();
    }
}

#[test]
fn a_request_of_rcgen_for_more_than_a_user_is_refused() {
    let key = KeyPair::generate().unwrap();
    let names = CertificateParams::new(["web.example.test".to_owned(), "www.example.test".to_owned()]).unwrap();
    let mut address = parameters("alice", "platform-team");
    address.subject_alt_names.push(SanType::IpAddress([127, 0, 0, 1].into()));
    let mut server = parameters("alice", "platform-team");
    server.extended_key_usages.push(ExtendedKeyUsagePurpose::ServerAuth);
    for parameters in [names, address, server] {
        let pem = parameters.serialize_request(&key).unwrap().pem().unwrap();
        let error = Requested::read(&pem).unwrap_err().to_string();
        assert!(error.contains("may name one user and groups, and nothing else"), "{error}");
        assert!(Authority::root("clients").unwrap().sign(&pem).is_err());
    }
}

#[test]
fn rcgen_signs_with_our_authority() {
    let authority = Authority::root("clients").unwrap();
    let place = tempfile::tempdir().unwrap();
    authority.save(place.path(), "clients").unwrap();
    let key = std::fs::read_to_string(place.path().join("clients.key")).unwrap();
    // rcgen reads our authority's name, key and identifier.
    let issuer = Issuer::from_ca_cert_pem(authority.certificate(), KeyPair::from_pem(&key).unwrap()).unwrap();
    let mut parameters = parameters("alice", "platform-team");
    parameters.extended_key_usages.push(ExtendedKeyUsagePurpose::ClientAuth);
    parameters.use_authority_key_identifier_extension = true;
    let certificate = parameters.signed_by(&KeyPair::generate().unwrap(), &issuer).unwrap().pem();
    assert_eq!(holder(&certificate), alice());
    accepted(&authority, &certificate);
}
