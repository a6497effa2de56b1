//! The issuer checked by a third party: the `openidconnect` crate discovers it and verifies its tokens.

use openidconnect::core::{CoreIdToken, CoreIdTokenVerifier, CoreJsonWebKeySet, CoreJwsSigningAlgorithm, CoreProviderMetadata};
use openidconnect::{ClientId, HttpRequest, HttpResponse, IssuerUrl, JsonWebKeySetUrl, Nonce};

use super::*;
use crate::jwt::Jwt;
use crate::pem;
use crate::pki::{Authority, Request};
use crate::secret::Secret;

struct Judge {
    metadata: CoreProviderMetadata,
    keys: CoreJsonWebKeySet,
}

impl Judge {
    async fn of(issuer: &Issuer, http: &reqwest::Client, path: &str) -> Self {
        let call = |request: HttpRequest| {
            let http = http.clone();
            async move {
                let response = http.execute(request.try_into()?).await?;
                let mut answer = HttpResponse::new(Vec::new());
                *answer.status_mut() = response.status();
                *answer.headers_mut() = response.headers().clone();
                *answer.body_mut() = response.bytes().await?.to_vec();
                Ok::<_, reqwest::Error>(answer)
            }
        };
        let url = IssuerUrl::new(issuer.signer().url(path).unwrap()).unwrap();
        let metadata = CoreProviderMetadata::discover_async(url, &call).await.unwrap();
        // Discovery fetches the keys along with the document.
        let keys = metadata.jwks().clone();
        Self { metadata, keys }
    }

    /// Returns the subject of a token that it accepts, or the reason for refusing it.
    fn judge(&self, token: &Secret) -> Result<String, String> {
        let any = [
            CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256,
            CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha384,
            CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha512,
            CoreJwsSigningAlgorithm::RsaSsaPssSha256,
            CoreJwsSigningAlgorithm::EcdsaP256Sha256,
            CoreJwsSigningAlgorithm::EcdsaP384Sha384,
        ];
        let client = ClientId::new("kubernetes".to_owned());
        let verifier =
            CoreIdTokenVerifier::new_public_client(client, self.metadata.issuer().clone(), self.keys.clone()).set_allowed_algs(any);
        let token: CoreIdToken = token.expose().parse().map_err(|error: serde_json::Error| error.to_string())?;
        let claims = token
            .claims(&verifier, |_: Option<&Nonce>| Ok(()))
            .map_err(|error| match std::error::Error::source(&error) {
                Some(source) => format!("{error}: {source}"),
                None => error.to_string(),
            })?;
        Ok(claims.subject().to_string())
    }
}

async fn started(paths: Vec<IssuerPath>) -> (Issuer, reqwest::Client) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let authority = Authority::root("issuer authority").unwrap();
    let issuer = Issuer::start(&authority.issue(&Request::server("issuer", &[])).unwrap(), paths)
        .await
        .unwrap();
    let root = reqwest::Certificate::from_pem(authority.certificate().as_bytes()).unwrap();
    let http = reqwest::Client::builder().tls_certs_only([root]).no_proxy().build().unwrap();
    (issuer, http)
}

/// Returns how often a forged token's `jku` or `x5u` was followed.
async fn strangers_asked(issuer: &Issuer, http: &reqwest::Client) -> u64 {
    let answer = http.get(issuer.signer().strangers_asked_url()).send().await.unwrap();
    answer.json().await.unwrap()
}

fn elliptic() -> Vec<IssuerPath> {
    vec![
        IssuerPath::new("es256", &[Algorithm::Es256]),
        IssuerPath::new("team/es384", &[Algorithm::Es384]),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn every_algorithm_is_verified_by_a_relying_party() {
    let algorithms = [
        Algorithm::Rs256,
        Algorithm::Rs384,
        Algorithm::Rs512,
        Algorithm::Ps256,
        Algorithm::Es256,
        Algorithm::Es384,
    ];
    let (issuer, http) = started(vec![IssuerPath::new("all", &algorithms)]).await;
    let judge = Judge::of(&issuer, &http, "all").await;
    for algorithm in algorithms {
        let token = issuer.signer().token("all").unwrap().algorithm(algorithm).sign().unwrap();
        assert_eq!(judge.judge(&token), Ok("alice".to_owned()), "{algorithm}");
    }
    assert_eq!(issuer.asked("all"), RequestCounts { discovery: 1, keys: 1 });
}

#[tokio::test(flavor = "multi_thread")]
async fn issuers_on_one_listener_do_not_vouch_for_each_other() {
    let (issuer, http) = started(elliptic()).await;
    let judge = Judge::of(&issuer, &http, "es256").await;
    let signer = issuer.signer();
    let others = signer.token("team/es384").unwrap();
    assert!(judge.judge(&others.sign().unwrap()).unwrap_err().starts_with("Invalid issuer"));
    // Naming this issuer does not help: the key is another.
    let disguised = others.issuer(&signer.url("es256").unwrap()).sign().unwrap();
    assert_eq!(
        judge.judge(&disguised).unwrap_err(),
        "Signature verification failed: No matching key found"
    );
    assert_eq!((issuer.asked("es256").discovery, issuer.asked("team/es384").discovery), (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_forgery_is_refused_and_its_sound_twin_is_not() {
    let (issuer, http) = started(vec![IssuerPath::new("a", &[Algorithm::Rs256, Algorithm::Es256])]).await;
    let judge = Judge::of(&issuer, &http, "a").await;
    let signer = issuer.signer();
    let forgeries = [
        (Forgery::StrangersKey, "Signature verification failed: Crypto error"),
        (Forgery::UnknownKey, "Signature verification failed: No matching key found"),
        (Forgery::Unsigned, "Signature verification failed: No signature found"),
        (
            Forgery::PublicKeyAsSecret,
            "Signature verification failed: Disallowed signature algorithm",
        ),
        (
            Forgery::Altered {
                claim: "sub".to_owned(),
                value: "root".into(),
            },
            "Signature verification failed: Crypto error",
        ),
        (Forgery::BrokenSignature, "Signature verification failed: Crypto error"),
        (Forgery::KeyUrl, "Signature verification failed: No matching key found"),
        (Forgery::EmbeddedKey, "Signature verification failed: No matching key found"),
        (Forgery::CertificateUrl, "Signature verification failed: "),
        (Forgery::EmbeddedCertificate, "Signature verification failed: "),
        (Forgery::TwoSignatures, "Invalid JSON web token"),
    ];
    for algorithm in [Algorithm::Rs256, Algorithm::Es256] {
        let sound = signer.token("a").unwrap().algorithm(algorithm);
        assert_eq!(judge.judge(&sound.sign().unwrap()), Ok("alice".to_owned()));
        for (forgery, why) in &forgeries {
            let refused = judge.judge(&sound.clone().forged(forgery.clone()).sign().unwrap()).unwrap_err();
            assert!(refused.starts_with(why), "{algorithm} {forgery:?}: {refused}");
        }
    }
    assert_eq!(strangers_asked(&issuer, &http).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_forger_points_at_is_really_there() {
    let (issuer, http) = started(elliptic()).await;
    let token = issuer.signer().token("es256").unwrap().forged(Forgery::KeyUrl).sign().unwrap();
    let said = Jwt::parse(token.expose()).unwrap();
    let url = JsonWebKeySetUrl::new(said.header["jku"].as_str().unwrap().to_owned()).unwrap();
    let keys: serde_json::Value = http.get(url.as_str()).send().await.unwrap().json().await.unwrap();
    let kids: Vec<_> = keys["keys"].as_array().unwrap().iter().map(|key| &key["kid"]).collect();
    assert!(kids.contains(&&said.header["kid"]), "{kids:?}");

    let token = issuer
        .signer()
        .token("es256")
        .unwrap()
        .forged(Forgery::CertificateUrl)
        .sign()
        .unwrap();
    let url = Jwt::parse(token.expose()).unwrap().header["x5u"].as_str().unwrap().to_owned();
    let pem = http.get(url).send().await.unwrap().text().await.unwrap();
    let pem = pem::first(&pem).unwrap();
    assert_eq!(pem.parse_x509().unwrap().subject().to_string(), "CN=a stranger");
    assert_eq!(strangers_asked(&issuer, &http).await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn claims_times_and_headers_are_as_asked() {
    let (issuer, http) = started(elliptic()).await;
    let judge = Judge::of(&issuer, &http, "es256").await;
    let token = || issuer.signer().token("es256").unwrap();
    let said = |token: Token| Jwt::parse(token.sign().unwrap().expose()).unwrap();

    let custom = said(
        token()
            .claim("groups", vec!["a", "b"])
            .without("aud")
            .kid("mine")
            .header("typ", "at+jwt"),
    );
    assert_eq!(custom.claims["groups"], serde_json::json!(["a", "b"]));
    assert!(!custom.claims.contains_key("aud"));
    assert_eq!((&custom.header["kid"], &custom.header["typ"]), (&"mine".into(), &"at+jwt".into()));
    assert!(!said(token().without_kid()).header.contains_key("kid"));
    assert_ne!(said(token()).claims["jti"], said(token()).claims["jti"]);

    let expired = token().expired(std::time::Duration::from_secs(60)).sign().unwrap();
    assert!(judge.judge(&expired).unwrap_err().starts_with("Expired"));
    let foreign = token().audience("someone-else").sign().unwrap();
    assert!(judge.judge(&foreign).unwrap_err().starts_with("Invalid audiences"));
}

#[tokio::test(flavor = "multi_thread")]
async fn another_process_signs_with_the_kept_keys() {
    use std::os::unix::fs::PermissionsExt;
    let (issuer, http) = started(elliptic()).await;
    let directory = tempfile::tempdir().unwrap();
    issuer.signer().save(directory.path()).unwrap();
    let file = std::fs::read_dir(directory.path()).unwrap().next().unwrap().unwrap();
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);

    let elsewhere = Signer::load(directory.path()).unwrap();
    let judge = Judge::of(&issuer, &http, "team/es384").await;
    let token = elsewhere.token("team/es384").unwrap().subject("bob").sign().unwrap();
    assert_eq!(judge.judge(&token), Ok("bob".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_further_key_is_published_when_the_issuer_itself_asks_for_it() {
    let kept = IssuerPath::new("kept", &[Algorithm::Es256]).letting_keys_be_kept();
    let (issuer, http) = started([elliptic(), vec![kept]].concat()).await;
    let signer = issuer.signer();
    let key = signer.further_key("kept").await.unwrap();
    let token = signer.token("kept").unwrap().key(&key).sign().unwrap();
    let publish = async |url: &str, token: &str| http.post(url).bearer_auth(token).send().await.unwrap().status();
    let url = signer.keys_url("kept").unwrap();

    // A token for API servers, and requests that others signed.
    let with_key = signer.token("kept").unwrap().claim("jwk", serde_json::json!({ "kty": "EC" }));
    let publication = signer.publication(&key).unwrap();
    for refused in ["", token.expose(), with_key.sign().unwrap().expose(), &publication.expose()[1..]] {
        assert_eq!(publish(&url, refused).await, 403);
    }
    let others = signer.keys_url("es256").unwrap();
    assert_eq!(publish(&others, publication.expose()).await, 403);
    let judge = Judge::of(&issuer, &http, "kept").await;
    assert!(judge.judge(&token).unwrap_err().ends_with("No matching key found"));

    assert_eq!(publish(&url, publication.expose()).await, 200);
    let judge = Judge::of(&issuer, &http, "kept").await;
    assert_eq!(judge.judge(&token), Ok("alice".to_owned()));
    assert_eq!(judge.judge(&signer.token("kept").unwrap().sign().unwrap()), Ok("alice".to_owned()));

    let kept = async |url: &str| http.get(url).send().await.unwrap().headers().get("cache-control").cloned();
    assert_eq!(kept(&url).await.unwrap(), "public, max-age=86400");
    assert_eq!(kept(&others).await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_named_with_what_is() {
    let (issuer, _) = started(elliptic()).await;
    let unknown = issuer.signer().token("rs256").unwrap_err().to_string();
    assert_eq!(unknown, r#"no issuer at "rs256" (known: es256, team/es384)"#);
    let unable = issuer
        .signer()
        .token("es256")
        .unwrap()
        .algorithm(Algorithm::Rs256)
        .sign()
        .unwrap_err()
        .to_string();
    assert_eq!(unable, r#"the issuer "es256" does not sign with RS256 (known: ES256)"#);
    for path in ["", "/a", "a/", "a//b", ".stranger", "a b"] {
        let refused = Signer::generate("https://127.0.0.1:1".to_owned(), vec![IssuerPath::new(path, &[Algorithm::Es256])]).await;
        assert!(matches!(refused, Err(IssuerError::Path { .. })), "{path:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn its_port_is_free_when_it_has_stopped() {
    let (issuer, http) = started(elliptic()).await;
    let address = issuer.address();
    let url = format!("{}/keys", issuer.signer().url("es256").unwrap());
    assert_eq!(http.get(&url).send().await.unwrap().status(), 200);
    issuer.stop().await;
    std::net::TcpListener::bind(address).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_before_the_keys_are_made_waits_for_them() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let authority = Authority::root("issuer authority").unwrap();
    let leaf = authority.issue(&Request::server("issuer", &[])).unwrap();
    let listening = Issuer::listen(&leaf, elliptic()).await.unwrap();
    assert_eq!(
        listening.url("rs256").unwrap_err().to_string(),
        r#"no issuer at "rs256" (known: es256, team/es384)"#
    );
    let url = listening.url("es256").unwrap();
    let root = reqwest::Certificate::from_pem(authority.certificate().as_bytes()).unwrap();
    let http = reqwest::Client::builder().tls_certs_only([root]).no_proxy().build().unwrap();
    let asking = tokio::spawn(http.get(format!("{url}/keys")).send());
    let issuer = listening.serve().await.unwrap();
    assert_eq!(asking.await.unwrap().unwrap().status(), 200);
    assert_eq!(issuer.signer().url("es256").unwrap(), url);
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_that_say_nothing_keep_nobody_from_the_issuer() {
    let (issuer, http) = started(elliptic()).await;
    let _strangers = crate::listener::strangers::crowd(issuer.address()).await;
    let url = format!("{}/keys", issuer.signer().url("es256").unwrap());
    assert_eq!(http.get(&url).send().await.unwrap().status(), 200);
}
