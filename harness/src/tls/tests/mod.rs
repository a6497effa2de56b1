//! Client keys and servers' certificates, as kubectl takes them.

mod keys;

use std::path::Path;

use rsa::sha2::{Digest as _, Sha256};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerifier as _};
use rustls::pki_types::{ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, Error, ServerConfig, SignatureScheme};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::{TlsAcceptor, TlsConnector};
use x509_parser::prelude::FromDer;

use super::*;
use crate::pem;
use crate::pki::{Authority, Request};
use crate::secret::Secret;

/// Returns a file of `fixtures/explain/server_certificates`, which `make.sh` beside it makes.
fn fixture(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fixtures/explain/server_certificates")
        .join(name);
    std::fs::read_to_string(path).unwrap()
}

fn read(certificate: &str, key: &str) -> Result<String, IdentityError> {
    client_identity(certificate, &Secret::new(key)).map(|identity| identity.kind().to_owned())
}

#[test]
fn every_key_that_go_takes_is_taken() {
    let authority = Authority::root("clients").unwrap();
    for key in keys::all(&authority) {
        // The label does not count.
        for (form, label) in key.forms.iter().flat_map(|form| LABELS.map(|label| (form, label))) {
            let pem = pem::encode(label, form).unwrap();
            assert_eq!(read(&key.certificate, &pem).as_deref(), Ok(key.kind), "{label}");
        }
        // Both may be in one file, in any order, for both.
        let (certificate, pem) = (&key.certificate, key.pem());
        for both in [
            format!("{certificate}{pem}"),
            format!("{pem}text\r\n{}", certificate.replace('\n', "\r\n")),
        ] {
            assert_eq!(read(&both, &both).as_deref(), Ok(key.kind));
        }
    }
    // Of several keys, the first counts; parameters of a curve before it are no key.
    let (one, other) = (keys::p521(&authority), keys::p256(&authority));
    let parameters = "-----BEGIN EC PARAMETERS-----\nBgUrgQQAIw==\n-----END EC PARAMETERS-----\n";
    let both = format!("{parameters}{}{}", one.pem(), other.pem());
    assert_eq!(read(&one.certificate, &both).as_deref(), Ok("P-521 key"));
}

/// Labels that files have for keys of whatever form.
const LABELS: [&str; 4] = ["PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY", "SOME PRIVATE KEY"];

#[test]
fn refused_pairs_have_the_words_of_go() {
    let authority = Authority::root("clients").unwrap();
    let (p521, rsa, p224) = (keys::p521(&authority), keys::rsa1024(&authority), keys::p224(&authority));
    let (certificate, key) = (p521.certificate.as_str(), p521.pem());
    let block = |label: &str| pem::encode(label, &[1, 2, 3]).unwrap();
    // As `openssl pkcs8 -topk8` and `openssl rsa -aes128 -traditional` write them.
    let encrypted = block("ENCRYPTED PRIVATE KEY");
    let legacy = block("RSA PRIVATE KEY").replacen("-----\n", "-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\n", 1);
    let unparsed = "tls: failed to parse private key";
    let says = |certificate: &str, key: &str| read(certificate, key).unwrap_err().go_says().unwrap();
    for (certificate, key, words) in [
        ("", key.as_str(), "tls: failed to find any PEM data in certificate input"),
        (
            &key,
            certificate,
            "tls: failed to find certificate PEM data in certificate input, but did find a private key; PEM inputs may have been switched",
        ),
        (certificate, "", "tls: failed to find any PEM data in key input"),
        (
            certificate,
            certificate,
            "tls: found a certificate rather than a key in the PEM for the private key",
        ),
        (certificate, &encrypted, unparsed),
        (&rsa.certificate, &legacy, unparsed),
        (certificate, &block("OPENSSH PRIVATE KEY"), unparsed),
        (
            certificate,
            &keys::x25519(),
            "tls: found unknown private key type in PKCS#8 wrapping",
        ),
        (certificate, &rsa.pem(), "tls: private key type does not match public key type"),
        (
            &keys::rsa1024(&authority).certificate,
            &rsa.pem(),
            "tls: private key does not match public key",
        ),
        (
            certificate,
            &keys::p521(&authority).pem(),
            "tls: private key does not match public key",
        ),
        (
            &block("X"),
            &key,
            "tls: failed to find \"CERTIFICATE\" PEM block in certificate input after skipping PEM blocks of the following types: [X]",
        ),
        (&block("CERTIFICATE"), &key, "x509: malformed certificate"),
        (&p224.certificate, &p224.pem(), "tls: unsupported certificate curve (P-224)"),
    ] {
        assert_eq!(says(certificate, key), words);
    }
    assert_eq!(read(certificate, &encrypted), Err(IdentityError::Encrypted));
    assert_eq!(read(&rsa.certificate, &legacy), Err(IdentityError::Encrypted));
    let wrong_order = format!("{}{certificate}", authority.certificate());
    assert_eq!(
        read(&wrong_order, &key),
        Err(IdentityError::Mismatch {
            first: "CN=clients".to_owned(),
            belongs_to: Some((2, "CN=alice, O=dev".to_owned())),
            same_kind: true,
        })
    );
}

/// Verifies the signatures of clients, also those of keys that ring does not know.
#[derive(Debug)]
struct AnyKey;

impl AnyKey {
    fn verify(message: &[u8], certificate: &CertificateDer<'_>, signed: &DigitallySignedStruct) -> Result<HandshakeSignatureValid, Error> {
        let (_, leaf) = x509_parser::certificate::X509Certificate::from_der(certificate).unwrap();
        if !leaf.public_key().algorithm.algorithm.to_id_string().starts_with("1.2.840.113549") {
            return rustls::crypto::verify_tls13_signature(message, certificate, signed, &kubectl::VERIFYING);
        }
        let key = rsa::pkcs1::RsaPublicKey::try_from(leaf.public_key().subject_public_key.data.as_ref()).unwrap();
        let number = |bytes: &[u8]| rsa::BigUint::from_bytes_be(bytes);
        let key =
            rsa::RsaPublicKey::new_with_max_size(number(key.modulus.as_bytes()), number(key.public_exponent.as_bytes()), 8192).unwrap();
        assert_eq!(signed.scheme, SignatureScheme::RSA_PSS_SHA256);
        key.verify(rsa::Pss::new::<Sha256>(), &Sha256::digest(message), signed.signature())
            .unwrap();
        Ok(HandshakeSignatureValid::assertion())
    }
}

impl ClientCertVerifier for AnyKey {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(&self, _: &CertificateDer<'_>, _: &[CertificateDer<'_>], _: UnixTime) -> Result<ClientCertVerified, Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        unreachable!("the client knows TLS 1.3")
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Self::verify(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![
            SignatureScheme::RSA_PSS_SHA256,
            SignatureScheme::ECDSA_NISTP256_SHA256,
            SignatureScheme::ECDSA_NISTP384_SHA384,
            SignatureScheme::ECDSA_NISTP521_SHA512,
            SignatureScheme::ED25519,
        ]
    }
}

/// Connects a client to a server, and has the server's "ok" read.
async fn shaken(server: ServerConfig, client: kubectl::Client) -> (std::io::Result<()>, kubectl::Seen) {
    let seen = client.seen();
    let (near, far) = tokio::io::duplex(1 << 16);
    let serving = tokio::spawn(async move {
        let mut stream = TlsAcceptor::from(Arc::new(server)).accept(far).await?;
        stream.write_all(b"ok").await?;
        stream.shutdown().await
    });
    let talked = async {
        let name = ServerName::try_from("127.0.0.1").unwrap();
        let mut stream = TlsConnector::from(Arc::new(client.config)).connect(name, near).await?;
        let mut said = [0; 2];
        stream.read_exact(&mut said).await.map(drop)
    }
    .await;
    serving.abort();
    (talked, seen)
}

fn demanding(leaf: &Leaf) -> ServerConfig {
    let (chain, key) = identity(leaf).unwrap();
    ServerConfig::builder()
        .with_client_cert_verifier(Arc::new(AnyKey))
        .with_single_cert(chain, key)
        .unwrap()
}

#[tokio::test]
async fn every_key_signs_for_a_server_that_demands_a_certificate() {
    choose_provider();
    let authority = Authority::root("servers").unwrap();
    let leaf = authority.issue(&Request::server("server", &[])).unwrap();
    for key in keys::all(&authority) {
        let (name, own) = (key.kind, client_identity(&key.certificate, &Secret::new(key.pem())).unwrap());
        let trust = Trust::Authorities(authority.certificate().to_owned());
        let (talked, seen) = shaken(demanding(&leaf), kubectl::client(&trust, Some(&own)).unwrap()).await;
        talked.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(!seen.declined() && seen.judged().unwrap().flaws.is_empty(), "{name}");
    }
}

#[tokio::test]
async fn a_server_that_takes_no_signature_of_the_key_is_noticed() {
    choose_provider();
    let authority = Authority::root("servers").unwrap();
    let leaf = authority.issue(&Request::server("server", &[])).unwrap();
    let key = keys::p521(&authority);
    let own = client_identity(&key.certificate, &Secret::new(key.pem())).unwrap();
    let client = kubectl::client(&Trust::Unverified, Some(&own)).unwrap();
    // ring knows no P-521.
    let (_, seen) = shaken(server_for(&leaf, authority.certificate()).unwrap(), client).await;
    assert!(seen.declined());
}

#[test]
fn a_servers_certificate_is_judged_as_go_judges_it() {
    choose_provider();
    for (name, authority, flaws) in [
        (
            "sha1-server",
            "ca",
            vec![Flaw::WeakSignature {
                algorithm: "ECDSA-SHA1".to_owned(),
            }],
        ),
        ("sha1-server", "p521-ca", vec![Flaw::UnknownIssuer { same_name: false }]),
        ("p521-server", "p521-ca", vec![]),
        ("p521-server", "ca", vec![Flaw::UnknownIssuer { same_name: false }]),
        (
            "any-usage-server",
            "ca",
            vec![Flaw::Unjudged {
                why: "its extended key usage is `any`".to_owned(),
            }],
        ),
        // Go takes both; the first one's signature is of a key that ring does not verify.
        (
            "small-ca-server",
            "small-ca",
            vec![Flaw::Unjudged {
                why: "authlab's TLS library cannot verify a signature in its chain".to_owned(),
            }],
        ),
        ("authority-server", "ca", vec![Flaw::UnknownIssuer { same_name: false }]),
        ("small-ca-server", "ca", vec![Flaw::UnknownIssuer { same_name: false }]),
        // Signed by itself, and trusted itself.
        ("authority-server", "authority-server", vec![]),
        ("p521-server", "p521-server", vec![]),
    ] {
        let trust = Trust::Authorities(fixture(&format!("{authority}.crt")));
        let client = kubectl::client(&trust, None).unwrap();
        let leaf = certificates(&fixture(&format!("{name}.crt"))).unwrap().remove(0);
        let server = ServerName::try_from("127.0.0.1").unwrap();
        let verified = client.judge.verify_server_cert(&leaf, &[], &server, &[], UnixTime::now());
        assert_eq!(client.seen().judged().unwrap().flaws, flaws, "{name} by {authority}");
        assert_eq!(verified.is_ok(), flaws.is_empty(), "{name}: {verified:?}");
    }
    // A certificate of version 1 without names: the chain cannot be judged, the names can.
    let certificate = certificates(&fixture("common-name-server.crt")).unwrap().remove(0);
    let read = ServerCertificate::read(&certificate, &[]).unwrap();
    assert!(!read.has_alternative_names && read.common_name.as_deref() == Some("127.0.0.1") && read.all_names().is_empty());
    assert!(!roots::is_for(&certificate, &ServerName::try_from("127.0.0.1").unwrap()));
}
