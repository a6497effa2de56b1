//! A stand-in of an API server, or of another program at its address: any certificate, any answers. It asks for client certificates as an API
//! server does, and takes all of them: who is refused is up to the answers.

use std::convert::Infallible;
use std::sync::Arc;

use authlab::pki::{Authority, Leaf};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, SignatureScheme};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

pub const REVIEWS: &str = "/apis/authentication.k8s.io/v1/selfsubjectreviews";

/// An answer: its status, its headers and its body.
pub struct Answer(pub u16, pub Vec<(&'static str, String)>, pub String);

impl Answer {
    /// An answer of an API server.
    pub fn json(status: u16, body: &Value) -> Self {
        let headers = vec![("content-type", "application/json".to_owned()), ("audit-id", "a-1".to_owned())];
        Self(status, headers, body.to_string())
    }

    /// A failure of an API server.
    pub fn status(code: u16, reason: &str, message: &str) -> Self {
        Self::json(
            code,
            &json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message, "reason": reason, "code": code }),
        )
    }

    /// Says who this is.
    pub fn user(name: &str, groups: &[&str]) -> Self {
        Self::json(
            201,
            &json!({ "kind": "SelfSubjectReview", "apiVersion": "authentication.k8s.io/v1", "metadata": {},
                "status": { "userInfo": { "username": name, "groups": groups } } }),
        )
    }

    pub fn unauthorized() -> Self {
        Self::status(401, "Unauthorized", "Unauthorized")
    }

    pub fn not_found() -> Self {
        Self::status(404, "NotFound", "the server could not find the requested resource")
    }

    /// A page.
    pub fn html(status: u16, headers: &[(&'static str, &str)], body: &str) -> Self {
        let headers = headers.iter().map(|(name, value)| (*name, (*value).to_owned()));
        Self(
            status,
            [("content-type", "text/html".to_owned())].into_iter().chain(headers).collect(),
            body.to_owned(),
        )
    }
}

/// Answers a request for a path with a body, which is null without one.
pub type Answers = Arc<dyn Fn(&str, &Value) -> Answer + Send + Sync>;

/// An API server that takes everybody for `name`.
pub fn accepting(name: &'static str, groups: &'static [&'static str]) -> Answers {
    Arc::new(move |path, _| match path {
        REVIEWS => Answer::user(name, groups),
        path if path.starts_with("/apis/rbac") => Answer::json(200, &json!({ "kind": "List", "items": [] })),
        _ => Answer::not_found(),
    })
}

/// An API server that knows nobody.
pub fn refusing() -> Answers {
    Arc::new(|_, _| Answer::unauthorized())
}

/// Serves `answers` with the certificate `leaf`; `callers` are named as the authorities of client certificates.
pub async fn serve(listener: TcpListener, leaf: &Leaf, callers: &Authority, answers: Answers) {
    let (chain, key) = authlab::tls::identity(leaf).unwrap();
    let config = rustls::ServerConfig::builder()
        .with_client_cert_verifier(Arc::new(Anybody(names(callers))))
        .with_single_cert(chain, key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let (acceptor, answers) = (acceptor.clone(), Arc::clone(&answers));
        tokio::spawn(async move {
            let Ok(stream) = acceptor.accept(stream).await else { return };
            let service = service_fn(move |request| respond(request, Arc::clone(&answers)));
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

async fn respond(request: Request<Incoming>, answers: Answers) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let Answer(status, headers, text) = answers(head.uri.path(), &serde_json::from_slice(&body).unwrap_or_default());
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(name, value);
    }
    Ok(response.body(Full::from(text)).unwrap())
}

fn names(authority: &Authority) -> Vec<DistinguishedName> {
    let roots = authlab::tls::roots(authority.certificate()).unwrap();
    roots
        .roots
        .iter()
        .map(|root| DistinguishedName::in_sequence(&root.subject))
        .collect()
}

/// Takes every client certificate, and none.
#[derive(Debug)]
struct Anybody(Vec<DistinguishedName>);

impl ClientCertVerifier for Anybody {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &self.0
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
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        use SignatureScheme::{
            ECDSA_NISTP256_SHA256, ECDSA_NISTP384_SHA384, ECDSA_NISTP521_SHA512, ED25519, RSA_PKCS1_SHA256, RSA_PSS_SHA256, RSA_PSS_SHA512,
        };
        vec![
            ECDSA_NISTP256_SHA256,
            ECDSA_NISTP384_SHA384,
            ECDSA_NISTP521_SHA512,
            ED25519,
            RSA_PSS_SHA256,
            RSA_PSS_SHA512,
            RSA_PKCS1_SHA256,
        ]
    }
}
