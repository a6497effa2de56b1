//! An issuer that accepts every user, or does something that no issuer should. The main type is [`TestIssuer`].

use std::collections::HashMap;
use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use authlab::identity_provider::issuer::{Algorithm, Issuer, IssuerPath, Signer};
use authlab::pki::{Authority, Request as CertificateRequest};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// The behaviour of the issuer.
#[derive(Clone)]
pub struct Manners {
    /// The values that replace the usual ones in its discovery document.
    pub configuration: Value,
    /// The error of its token endpoint; tokens, if `None`.
    pub refusal: Option<Value>,
    /// The response of its device endpoint.
    pub device: Value,
}

impl Default for Manners {
    fn default() -> Self {
        Self {
            configuration: json!({}),
            refusal: None,
            device: json!({}),
        }
    }
}

/// An issuer with a realm that accepts every user.
pub struct TestIssuer {
    pub url: String,
    directory: tempfile::TempDir,
    /// The CA of its certificate, PEM.
    pub authority: String,
    service: Service,
    _runtime: tokio::runtime::Runtime,
}

#[derive(Clone)]
struct Service {
    url: String,
    signer: Signer,
    manners: Arc<Mutex<Manners>>,
    asked: Arc<Mutex<Vec<String>>>,
    /// The nonces, by the authorization code.
    nonces: Arc<Mutex<HashMap<String, String>>>,
}

impl TestIssuer {
    pub fn start(manners: Manners) -> Self {
        authlab::tls::choose_provider();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let authority = Authority::root("an issuer's").unwrap();
        let leaf = authority.issue(&CertificateRequest::server("issuer", &[])).unwrap();
        let (url, service) = runtime.block_on(async {
            let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
            let url = format!("https://{}", listener.local_addr().unwrap());
            let keys = vec![IssuerPath::new("own", &[Algorithm::Es256]).called(&url)];
            let signer = Issuer::start(&leaf, keys).await.unwrap().signer().clone();
            let service = Service {
                url: url.clone(),
                signer,
                manners: Arc::new(Mutex::new(manners)),
                asked: Arc::default(),
                nonces: Arc::default(),
            };
            let acceptor = TlsAcceptor::from(Arc::new(authlab::tls::server(&leaf).unwrap()));
            tokio::spawn(serve(listener, acceptor, service.clone()));
            (url, service)
        });
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("authority.pem"), authority.certificate()).unwrap();
        Self {
            url,
            directory,
            authority: authority.certificate().to_owned(),
            service,
            _runtime: runtime,
        }
    }

    /// Returns the path of the file with its CA.
    pub fn authority_file(&self) -> PathBuf {
        self.directory.path().join("authority.pem")
    }

    /// Returns the requests so far: method, path and body, and the value of the header Authorization.
    pub fn asked(&self) -> Vec<String> {
        self.service.asked.lock().unwrap().clone()
    }

    pub fn behaves(&self, manners: Manners) {
        *self.service.manners.lock().unwrap() = manners;
    }
}

async fn serve(listener: TcpListener, acceptor: TlsAcceptor, service: Service) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let (acceptor, service) = (acceptor.clone(), service.clone());
        tokio::spawn(async move {
            let Ok(stream) = acceptor.accept(stream).await else { return };
            let answer = service_fn(move |request| {
                let service = service.clone();
                async move { Ok::<_, Infallible>(service.answer(request).await) }
            });
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), answer)
                .await;
        });
    }
}

impl Service {
    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let (head, body) = request.into_parts();
        let body = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
        let authorization = head
            .headers
            .get("authorization")
            .map(|value| format!(" ({value:?})"))
            .unwrap_or_default();
        let path = head.uri.path();
        let line = format!("{} {path} {body}{authorization}", head.method);
        self.asked.lock().unwrap().push(line);
        let manners = self.manners.lock().unwrap().clone();
        let query = |text: &str| -> HashMap<String, String> { form_urlencoded::parse(text.as_bytes()).into_owned().collect() };
        match path {
            "/.well-known/openid-configuration" => {
                let mut configuration = json!({
                    "issuer": self.url, "jwks_uri": format!("{}/keys", self.url), "token_endpoint": format!("{}/token", self.url),
                    "authorization_endpoint": format!("{}/login", self.url),
                    "device_authorization_endpoint": format!("{}/device", self.url),
                    "response_types_supported": ["code"], "subject_types_supported": ["public"],
                    "id_token_signing_alg_values_supported": ["ES256"],
                });
                for (name, value) in manners.configuration.as_object().unwrap() {
                    configuration[name] = value.clone();
                }
                document(StatusCode::OK, &configuration)
            }
            "/keys" => document(StatusCode::OK, &self.signer.published("own").unwrap()),
            // Every user counts as logged in already.
            "/login" => {
                let asked = query(head.uri.query().unwrap());
                let code = format!("code-{}", self.nonces.lock().unwrap().len());
                self.nonces.lock().unwrap().insert(code.clone(), asked["nonce"].clone());
                let to = format!("{}?code={code}&state={}", asked["redirect_uri"], asked["state"]);
                let mut response = document(StatusCode::FOUND, &json!({}));
                response.headers_mut().insert("location", to.parse().unwrap());
                response
            }
            "/device" => document(StatusCode::OK, &manners.device),
            "/token" => match manners.refusal {
                Some(refusal) => document(StatusCode::BAD_REQUEST, &refusal),
                None => {
                    let nonce = query(&body).get("code").map(|code| self.nonces.lock().unwrap()[code].clone());
                    let mut token = self.signer.token("own").unwrap().subject("alice").audience("kubernetes");
                    if let Some(nonce) = nonce {
                        token = token.claim("nonce", nonce);
                    }
                    let token = token.sign().unwrap();
                    document(
                        StatusCode::OK,
                        &json!({ "access_token": "access", "token_type": "Bearer", "expires_in": 300, "id_token": token.expose() }),
                    )
                }
            },
            _ => document(StatusCode::NOT_FOUND, &json!({})),
        }
    }
}

fn document(status: StatusCode, value: &Value) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(value.to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert("content-type", "application/json".parse().unwrap());
    response
}
