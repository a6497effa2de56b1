//! Tokens, verified with the keys of their issuer.
//!
//! The main types are [`TokenIssuer`] (whose tokens, and which claims say who) and [`Bearer`]. The
//! issuer is discovered when the first token comes and asked again when that failed; its keys are fetched
//! anew once when a token names one that is not known.

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
use crate::identity_provider::issuer::unverified;
use crate::secret::Secret;

/// How long the issuer may take to answer one request.
const PATIENCE: Duration = Duration::from_secs(10);

/// Whose tokens are accepted, and which of their claims say who somebody is.
#[derive(Clone, Debug)]
pub struct TokenIssuer {
    /// The issuer's URL, exactly as tokens say it.
    pub url: String,
    /// The authorities of the issuer's own certificate, PEM.
    pub authority: String,
    /// The audience that tokens must be for.
    pub audience: String,
    /// The claim that is the user.
    pub username_claim: String,
    /// What goes before the user.
    pub username_prefix: String,
    /// The claim that lists the groups; a single text counts as a list of one.
    pub groups_claim: Option<String>,
    /// What goes before each group.
    pub groups_prefix: String,
}

impl TokenIssuer {
    /// Tokens of `url` for `audience`: the user is `preferred_username`, the groups are `groups`, nothing goes
    /// before them.
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

/// What the issuer said of itself.
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
            // Keys are the issuer's own, not those of whom it points at.
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

    /// Who the bearer of `token` is.
    pub(super) async fn verify(&self, token: &Secret) -> Result<Caller, Refusal> {
        let refused = |why: String| Refusal::Unauthenticated(why);
        let parsed: CoreIdToken = token.expose().parse().map_err(|error| refused(with_causes(&error)))?;
        let provider = self.provider(None).await?;
        match self.judge(&parsed, &provider) {
            Err(ClaimsVerificationError::SignatureVerification(SignatureVerificationError::NoMatchingKey)) => {
                // It may be newer than the keys that are known.
                let provider = self.provider(Some(&provider)).await?;
                self.judge(&parsed, &provider).map_err(|error| refused(with_causes(&error)))?;
            }
            judged => judged.map_err(|error| refused(with_causes(&error)))?,
        }
        // Verified above; read as plain JSON, as any claim may say who somebody is.
        let claims = unverified(token).map_err(|error| refused(error.to_string()))?.claims;
        self.not_too_early(&claims).and_then(|()| self.caller(&claims)).map_err(refused)
    }

    fn judge(&self, token: &CoreIdToken, provider: &Provider) -> Result<(), ClaimsVerificationError> {
        // With a shared secret the proxy has none; the issuer may list such algorithms all the same.
        let algorithms = provider.metadata.id_token_signing_alg_values_supported();
        let algorithms = algorithms.iter().filter(|algorithm| !algorithm.uses_shared_secret()).cloned();
        let audience = ClientId::new(self.issuer.audience.clone());
        let verifier = CoreIdTokenVerifier::new_public_client(audience, self.url.clone(), provider.keys.clone())
            .set_allowed_algs(algorithms)
            // Tokens may be for others too, as API servers see it.
            .set_other_audience_verifier_fn(|_| true);
        token.claims(&verifier, |_: Option<&Nonce>| Ok(())).map(|_| ())
    }

    /// RFC 7519 §4.1.5, which the library leaves out.
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
                    "its claim {username_claim}, which is the user, is not a text with something in it"
                ));
            }
            None => return Err(format!("it has no claim {username_claim}, which is the user")),
        };
        // An address that is not verified names nobody, as API servers see it (kubernetes/apiserver
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
                groups.collect::<Option<_>>().ok_or("its groups are not all text")?
            }
            Some(_) => return Err("its groups are not a list of text".to_owned()),
        };
        Ok(Caller {
            user,
            groups,
            uid: None,
            extra: BTreeMap::new(),
            by: By::Token,
        })
    }

    /// The issuer as it is known; asked when it is not known, or when it is no better known than `stale`. One
    /// caller asks, the others wait for the answer.
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
