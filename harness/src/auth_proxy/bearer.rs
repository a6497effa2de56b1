//! Verifies tokens with the keys of their issuer.
//!
//! The main types are [`TokenIssuer`] (the accepted issuer and the claims that identify a caller) and [`Bearer`]. The
//! issuer is discovered when the first token arrives, and again after a failed attempt; its keys are fetched
//! again once when a token names an unknown key.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use openidconnect::core::{CoreIdToken, CoreIdTokenVerifier, CoreJsonWebKeySet, CoreProviderMetadata};
use openidconnect::{
    ClaimsVerificationError, ClientId, HttpRequest, HttpResponse, IssuerUrl, JwsSigningAlgorithm, Nonce, SignatureVerificationError,
};
use serde_json::{Map, Value};
use tokio::sync::Mutex;

use super::AuthProxyError;
use super::caller::{By, Caller};
use super::status::Refusal;
use crate::cause::with_causes;
use crate::jwt::Jwt;
use crate::secret::Secret;

/// The timeout of one request to the issuer.
const PATIENCE: Duration = Duration::from_secs(10);

/// The issuer whose tokens are accepted, and the claims that identify the user.
#[derive(Clone, Debug)]
pub struct TokenIssuer {
    /// The issuer's URL, exactly as in its tokens.
    pub url: String,
    /// The authorities of the issuer's own certificate, PEM.
    pub authority: String,
    /// The audience that tokens must have.
    pub audience: String,
    /// The claim that holds the user's name.
    pub username_claim: String,
    /// The prefix of the user's name.
    pub username_prefix: String,
    /// The claim that lists the groups; a single string counts as a list of one.
    pub groups_claim: Option<String>,
    /// The prefix of each group.
    pub groups_prefix: String,
}

impl TokenIssuer {
    /// Accepts tokens of `url` for `audience`; the user is `preferred_username`, the groups are `groups`, both without
    /// a prefix.
    pub fn new(url: impl Into<String>, authority: impl Into<String>, audience: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            authority: authority.into(),
            audience: audience.into(),
            username_claim: "preferred_username".to_owned(),
            username_prefix: String::new(),
            groups_claim: Some("groups".to_owned()),
            groups_prefix: String::new(),
        }
    }
}

/// The issuer's discovery document and keys.
#[derive(Debug)]
struct Provider {
    metadata: CoreProviderMetadata,
    keys: CoreJsonWebKeySet,
}

#[derive(Debug)]
pub(super) struct Bearer {
    issuer: TokenIssuer,
    url: IssuerUrl,
    http: reqwest::Client,
    provider: Mutex<Option<Arc<Provider>>>,
}

impl Bearer {
    pub(super) fn new(issuer: TokenIssuer) -> Result<Self, AuthProxyError> {
        let url = IssuerUrl::new(issuer.url.clone()).map_err(|_| AuthProxyError::Issuer { url: issuer.url.clone() })?;
        let certificates = crate::tls::certificates(&issuer.authority).map_err(|source| AuthProxyError::Certificate {
            what: "authority of the token issuer",
            source,
        })?;
        let roots = certificates.iter().map(|certificate| reqwest::Certificate::from_der(certificate));
        let roots = roots.collect::<Result<Vec<_>, _>>().map_err(AuthProxyError::IssuerClient)?;
        let http = reqwest::Client::builder()
            .tls_certs_only(roots)
            .no_proxy()
            // The keys must come from the issuer itself, not from a server that it redirects to.
            .redirect(reqwest::redirect::Policy::none())
            .timeout(PATIENCE)
            .build()
            .map_err(AuthProxyError::IssuerClient)?;
        Ok(Self {
            issuer,
            url,
            http,
            provider: Mutex::new(None),
        })
    }

    /// Verifies `token` and returns its bearer.
    pub(super) async fn verify(&self, token: &Secret) -> Result<Caller, Refusal> {
        let refused = |why: String| Refusal::Unauthenticated(why);
        let parsed: CoreIdToken = token.expose().parse().map_err(|error| refused(with_causes(&error)))?;
        let provider = self.provider(None).await?;
        match self.judge(&parsed, &provider) {
            Err(ClaimsVerificationError::SignatureVerification(SignatureVerificationError::NoMatchingKey)) => {
                // The key may be newer than the known ones.
                let provider = self.provider(Some(&provider)).await?;
                self.judge(&parsed, &provider).map_err(|error| refused(with_causes(&error)))?;
            }
            judged => judged.map_err(|error| refused(with_causes(&error)))?,
        }
        // The token is verified above; its claims are read as plain JSON, since any claim may identify the user.
        let claims = Jwt::parse(token.expose()).map_err(|error| refused(error.to_string()))?.claims;
        self.not_too_early(&claims).and_then(|()| self.caller(&claims)).map_err(refused)
    }

    fn judge(&self, token: &CoreIdToken, provider: &Provider) -> Result<(), ClaimsVerificationError> {
        // The proxy has no shared secret, even if the issuer lists algorithms that use one.
        let algorithms = provider.metadata.id_token_signing_alg_values_supported();
        let algorithms = algorithms.iter().filter(|algorithm| !algorithm.uses_shared_secret()).cloned();
        let audience = ClientId::new(self.issuer.audience.clone());
        let verifier = CoreIdTokenVerifier::new_public_client(audience, self.url.clone(), provider.keys.clone())
            .set_allowed_algs(algorithms)
            // Tokens may have other audiences too, as in the API server.
            .set_other_audience_verifier_fn(|_| true);
        token.claims(&verifier, |_: Option<&Nonce>| Ok(())).map(|_| ())
    }

    /// Checks the claim `nbf` (RFC 7519 §4.1.5), which the library does not check.
    fn not_too_early(&self, claims: &Map<String, Value>) -> Result<(), String> {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        match claims.get("nbf") {
            None => Ok(()),
            Some(begin) => match begin.as_f64() {
                Some(begin) if begin <= now.as_secs_f64() => Ok(()),
                Some(_) => Err("it is not valid yet".to_owned()),
                None => Err("its claim nbf is not a time".to_owned()),
            },
        }
    }

    fn caller(&self, claims: &Map<String, Value>) -> Result<Caller, String> {
        let TokenIssuer {
            username_claim,
            username_prefix,
            groups_claim,
            groups_prefix,
            ..
        } = &self.issuer;
        let user = match claims.get(username_claim) {
            Some(Value::String(user)) if !user.is_empty() => format!("{username_prefix}{user}"),
            Some(_) => {
                return Err(format!(
                    "its claim {username_claim}, which is the user, is not a string, or is empty"
                ));
            }
            None => return Err(format!("it has no claim {username_claim}, which is the user")),
        };
        // An unverified email address identifies nobody, as in the API server (kubernetes/apiserver
        // `plugin/pkg/authenticator/token/oidc/oidc.go`).
        if username_claim == "email" && claims.get("email_verified").is_some_and(|verified| verified != &Value::Bool(true)) {
            return Err("its claim email is not verified".to_owned());
        }
        let groups = match groups_claim.as_ref().and_then(|claim| claims.get(claim)) {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::String(group)) => vec![format!("{groups_prefix}{group}")],
            Some(Value::Array(groups)) => {
                let groups = groups
                    .iter()
                    .map(|group| group.as_str().map(|group| format!("{groups_prefix}{group}")));
                groups.collect::<Option<_>>().ok_or("its groups are not all strings")?
            }
            Some(_) => return Err("its groups are not a list of strings".to_owned()),
        };
        Ok(Caller {
            user,
            groups,
            uid: None,
            extra: BTreeMap::new(),
            by: By::Token,
        })
    }

    /// Returns the known issuer; discovers it if it is unknown or still the one in `stale`. One
    /// caller sends the requests, the others wait for the result.
    async fn provider(&self, stale: Option<&Arc<Provider>>) -> Result<Arc<Provider>, Refusal> {
        let mut known = self.provider.lock().await;
        if let Some(provider) = &*known
            && !stale.is_some_and(|stale| Arc::ptr_eq(stale, provider))
        {
            return Ok(provider.clone());
        }
        let http = self.http.clone();
        let call = move |request: HttpRequest| ask(http.clone(), request);
        let asked = CoreProviderMetadata::discover_async(self.url.clone(), &call).await;
        let metadata = asked.map_err(|error| Refusal::Unverifiable(format!("issuer {}: {}", self.issuer.url, with_causes(&error))))?;
        // Discovery fetches the keys along with the document.
        let keys = metadata.jwks().clone();
        Ok(known.insert(Arc::new(Provider { metadata, keys })).clone())
    }
}

async fn ask(http: reqwest::Client, request: HttpRequest) -> Result<HttpResponse, reqwest::Error> {
    let response = http.execute(request.try_into()?).await?;
    let (status, headers) = (response.status(), response.headers().clone());
    let mut answer = HttpResponse::new(response.bytes().await?.to_vec());
    *answer.status_mut() = status;
    *answer.headers_mut() = headers;
    Ok(answer)
}
