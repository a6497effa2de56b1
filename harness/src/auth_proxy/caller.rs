//! Identifies callers by a client certificate or a token.
//!
//! The main types are [`Caller`] and [`Callers`], which identifies one. The certificate is checked first,
//! and a credential that fails is passed over in favour of one that succeeds, as in the API server; the
//! refusal therefore names every credential that was presented.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hyper::header::{AUTHORIZATION, HeaderMap, UPGRADE};
use rustls::client::danger::HandshakeSignatureValid;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, SignatureScheme};
use serde::{Deserialize, Serialize};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::bearer::Bearer;
use super::connection_headers::listed;
use super::status::Refusal;
use super::{AuthProxyError, Settings};
use crate::pki::Holder;
use crate::secret::{Secret, TOKEN_PROTOCOL};

/// A caller that the proxy has identified.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Caller {
    /// The user.
    pub user: String,
    /// The user's groups.
    pub groups: Vec<String>,
    /// The user's UID, if the credential has one.
    pub uid: Option<String>,
    /// Extra attributes of the user.
    pub extra: BTreeMap<String, Vec<String>>,
    /// The kind of credential that identified the caller.
    pub by: By,
}

/// The kind of credential that identified a caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// A client certificate.
    Certificate,
    /// A bearer token.
    Token,
}

/// Identifies callers.
#[derive(Debug)]
pub(super) struct Callers {
    certificates: Option<Arc<dyn ClientCertVerifier>>,
    bearer: Option<Bearer>,
    extra: BTreeMap<String, Vec<String>>,
}

impl Callers {
    pub(super) fn new(settings: &Settings) -> Result<Self, AuthProxyError> {
        let certificates = settings.caller_authority.as_deref().map(|authority| {
            let roots = crate::tls::roots(authority).map_err(|source| AuthProxyError::Certificate {
                what: "authority of callers",
                source,
            })?;
            WebPkiClientVerifier::builder(Arc::new(roots))
                .build()
                .map_err(AuthProxyError::CallerAuthority)
        });
        let bearer = settings.token_issuer.clone().map(Bearer::new);
        Ok(Self {
            certificates: certificates.transpose()?,
            bearer: bearer.transpose()?,
            extra: settings.extra.clone(),
        })
    }

    /// Identifies the caller that presents `certificates` and `headers`.
    pub(super) async fn make_out(&self, certificates: &[CertificateDer<'_>], headers: &HeaderMap) -> Result<Caller, Refusal> {
        let mut why = Vec::new();
        if let [leaf, intermediates @ ..] = certificates {
            match self.by_certificate(leaf, intermediates) {
                Ok(caller) => return Ok(self.with_extra(caller)),
                Err(refused) => why.push(format!("client certificate: {refused}")),
            }
        }
        match bearer_token(headers) {
            Ok(None) => {}
            Ok(Some(token)) => match &self.bearer {
                None => why.push("bearer token: not accepted by this proxy".to_owned()),
                Some(bearer) => match bearer.verify(&token).await {
                    Ok(caller) => return Ok(self.with_extra(caller)),
                    Err(Refusal::Unauthenticated(refused)) => why.push(format!("bearer token: {refused}")),
                    Err(other) => return Err(other),
                },
            },
            Err(refused) => why.push(format!("bearer token: {refused}")),
        }
        if why.is_empty() {
            why.push("neither a client certificate nor a bearer token was presented".to_owned());
        }
        Err(Refusal::Unauthenticated(why.join("; ")))
    }

    fn by_certificate(&self, leaf: &CertificateDer<'_>, intermediates: &[CertificateDer<'_>]) -> Result<Caller, String> {
        let verifier = self.certificates.as_ref().ok_or("not accepted by this proxy")?;
        // Verified again for each request, since a connection may outlive the certificate.
        verifier
            .verify_client_cert(leaf, intermediates, UnixTime::now())
            .map_err(|error| error.to_string())?;
        let (_, certificate) = X509Certificate::from_der(leaf).map_err(|error| error.to_string())?;
        let Holder { user, groups, uids, .. } = Holder::read(certificate.subject()).map_err(|error| error.to_string())?;
        if user.is_empty() {
            return Err("it has no common name, which is the user".to_owned());
        }
        if uids.len() > 1 {
            return Err("it has several UIDs".to_owned());
        }
        let uid = uids.into_iter().next();
        Ok(Caller {
            user,
            groups,
            uid,
            extra: BTreeMap::new(),
            by: By::Certificate,
        })
    }

    fn with_extra(&self, mut caller: Caller) -> Caller {
        caller.extra.extend(self.extra.clone());
        caller
    }
}

/// Returns the token in `Authorization`, or else the one among a WebSocket's protocols, which is how browsers
/// send one. An empty token counts as none.
fn bearer_token(headers: &HeaderMap) -> Result<Option<Secret>, &'static str> {
    if let Some(value) = headers.get(AUTHORIZATION) {
        let value = value.to_str().map_err(|_| "it is not text")?;
        let mut words = value.trim().splitn(3, ' ');
        let scheme = words.next().unwrap_or_default();
        let token = words.next().unwrap_or_default();
        if scheme.eq_ignore_ascii_case("bearer") && !token.is_empty() {
            return Ok(Some(Secret::new(token)));
        }
    }
    if !headers
        .get(UPGRADE)
        .is_some_and(|protocol| protocol.as_bytes().eq_ignore_ascii_case(b"websocket"))
    {
        return Ok(None);
    }
    let mut tokens = listed(headers, "sec-websocket-protocol").filter_map(|protocol| protocol.strip_prefix(TOKEN_PROTOCOL));
    match (tokens.next(), tokens.next()) {
        (None, _) => Ok(None),
        (Some(_), Some(_)) => Err("the WebSocket's protocols have several"),
        (Some(encoded), None) => {
            let decoded = URL_SAFE_NO_PAD
                .decode(encoded)
                .map_err(|_| "the one in the WebSocket's protocols is not base64url")?;
            let token = String::from_utf8(decoded).map_err(|_| "the one in the WebSocket's protocols is not text")?;
            Ok(Some(Secret::new(token)))
        }
    }
}

/// A verifier that requests a client certificate and accepts everyone who has the key of the one they present:
/// the caller is identified later, so that a refusal can give its reason in a response. No
/// authorities are named, since clients would not present a certificate of another authority then.
#[derive(Debug)]
pub(super) struct AskForCertificate(pub(super) Arc<rustls::crypto::CryptoProvider>);

impl ClientCertVerifier for AskForCertificate {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
