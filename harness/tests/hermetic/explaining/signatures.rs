//! `explain` at a real issuer: its documents are fetched, and its tokens, sound and forged, are judged by its keys.

use std::time::Duration;

use authlab::explain::issuers::{self, Issuer as Configured, Mapping, Source};
use authlab::explain::token::{Evidence, check};
use authlab::explain::{Effect, Finding, Known};
use authlab::identity_provider::issuer::{Algorithm, Forgery, Issuer, IssuerPath, Token};
use authlab::pki::{Authority, Request};
use authlab::secret::Secret;
use jiff::Timestamp;

const ALGORITHMS: [Algorithm; 9] = Algorithm::ALL;

/// An issuer with every algorithm, and an API server that is configured with it.
struct Stage {
    issuer: Issuer,
    known: Known,
}

impl Stage {
    async fn new() -> Self {
        authlab::tls::choose_provider();
        let authority = Authority::root("an issuer's").unwrap();
        let leaf = authority.issue(&Request::server("issuer", &[])).unwrap();
        let issuer = Issuer::start(&leaf, vec![IssuerPath::new("all", &ALGORITHMS)]).await.unwrap();
        let configured = Configured {
            authority: Some(authority.certificate().to_owned()),
            algorithms: issuers::ALGORITHMS.iter().map(|name| (*name).to_owned()).collect(),
            username: Mapping::claim("sub", ""),
            source: Source::File,
            ..Configured::by_flags(&issuer.signer().url("all").unwrap(), "kubernetes")
        };
        let known = Known {
            issuers: vec![configured],
            all: true,
            ..Known::default()
        };
        Self { issuer, known }
    }

    fn token(&self) -> Token {
        self.issuer.signer().token("all").unwrap().subject("alice")
    }

    async fn judged(&self, token: &Secret) -> Vec<Finding> {
        let fetched = issuers::fetch(&self.known.issuers[0], Duration::from_secs(10)).await;
        assert_eq!(fetched.as_ref().map(|fetched| fetched.kept.seconds), Ok(0));
        let evidence = Evidence {
            issuer: Some(fetched),
            refused: true,
            ..Evidence::default()
        };
        check(token.expose(), &self.known, &evidence, Timestamp::now())
    }
}

fn causes(found: &[Finding]) -> Vec<&'static str> {
    let causes = found.iter().filter(|one| one.effect == Effect::Cause);
    causes.filter_map(|one| one.behaviour).collect()
}

#[tokio::test]
async fn a_signature_of_every_algorithm_is_verified() {
    let stage = Stage::new().await;
    for algorithm in ALGORITHMS {
        for token in [stage.token().algorithm(algorithm), stage.token().algorithm(algorithm).without_kid()] {
            let found = stage.judged(&token.sign().unwrap()).await;
            assert!(causes(&found).is_empty(), "{algorithm}: {found:?}");
            let verified = |one: &Finding| one.effect == Effect::Right && one.seen.starts_with("the signature is right");
            assert!(found.iter().any(verified), "{algorithm}: {found:?}");
        }
        let broken = stage.token().algorithm(algorithm).forged(Forgery::BrokenSignature).sign().unwrap();
        assert_eq!(causes(&stage.judged(&broken).await), ["O8"], "{algorithm}");
    }
}

#[tokio::test]
async fn a_forged_token_is_never_called_right() {
    let stage = Stage::new().await;
    let tampered = Forgery::Altered {
        claim: "sub".to_owned(),
        value: "mallory".into(),
    };
    for (forgery, cause) in [
        (Forgery::StrangersKey, "O8"),
        (Forgery::UnknownKey, "O8"),
        (Forgery::Unsigned, "O25"),
        (Forgery::PublicKeyAsSecret, "O25"),
        (tampered, "O8"),
        (Forgery::KeyUrl, "O8"),
        (Forgery::EmbeddedKey, "O8"),
        (Forgery::CertificateUrl, "O8"),
        (Forgery::EmbeddedCertificate, "O8"),
    ] {
        let found = stage.judged(&stage.token().forged(forgery.clone()).sign().unwrap()).await;
        assert_eq!(causes(&found), [cause], "{forgery:?}: {found:?}");
    }
}
