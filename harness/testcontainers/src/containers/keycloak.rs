//! Keycloak as a container of testcontainers.
//!
//! The main types are [`Keycloak`], which says what to start, and [`RunningKeycloak`], which gives tokens.

use std::fmt;
use std::ops::Deref;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use testcontainers::{ContainerAsync, ContainerRequest};

use super::error::Error;
use super::http::{Answer, Origin};
use super::image::DescribedImage;
use super::pinned;
use super::start::{self, Condition};
use super::token::{Client, Token};
use crate::description::keycloak::{
    ADMINISTRATOR, ADMINISTRATORS_PASSWORD, HOME, IMAGE, LIMIT, Listen, Server, TAG, Tls, import_directory, import_file, listens,
    ready_path,
};

/// The files of the certificate and its key in the container.
const CERTIFICATE: &str = "/opt/keycloak/authlab/serving.crt";
const KEY: &str = "/opt/keycloak/authlab/serving.key";

/// A Keycloak to be started, of version 26 or newer.
///
/// ```no_run
/// # async fn example(certificate: &str, key: &str) -> Result<(), authlab_testcontainers::Error> {
/// use authlab_testcontainers::Keycloak;
///
/// let realm = std::fs::read_to_string("people-realm.json")?;
/// let keycloak = Keycloak::default().with_realm(realm).with_tls(certificate, key).start().await?;
/// let token = keycloak.password_token("people", ("portal", "portal-secret"), "alice", "alices-password").await?;
/// println!("{} {:?}", keycloak.issuer_url("people"), token.id_token);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Keycloak {
    image: String,
    tag: String,
    realms: Vec<String>,
    tls: Option<(String, String)>,
    administrator: Option<(String, String)>,
    public_url: Option<String>,
    limit: Duration,
}

impl Default for Keycloak {
    /// Returns the official image of the pinned version, with HTTP and without realms of yours.
    fn default() -> Self {
        Self {
            image: IMAGE.to_owned(),
            tag: TAG.to_owned(),
            realms: Vec::new(),
            tls: None,
            administrator: None,
            public_url: None,
            limit: LIMIT,
        }
    }
}

impl Keycloak {
    /// Takes another image that is made like the official one.
    #[must_use]
    pub fn with_image(mut self, name: impl Into<String>, tag: impl Into<String>) -> Self {
        (self.image, self.tag) = (name.into(), tag.into());
        self
    }

    /// Imports a realm, in Keycloak's own format (`RealmRepresentation`, JSON). Call it again for further realms.
    #[must_use]
    pub fn with_realm(mut self, json: impl Into<String>) -> Self {
        self.realms.push(json.into());
        self
    }

    /// Serves HTTPS with `certificate` (PEM, with its intermediates) and `key` (PEM). It has to be valid for 127.0.0.1, for other clients;
    /// the requests of [`RunningKeycloak`] take exactly this certificate, whoever signed it.
    #[must_use]
    pub fn with_tls(mut self, certificate: impl Into<String>, key: impl Into<String>) -> Self {
        self.tls = Some((certificate.into(), key.into()));
        self
    }

    /// Sets the name and password of the first administrator. By default the name is `admin`, and the password a random one.
    #[must_use]
    pub fn with_administrator(mut self, name: impl Into<String>, password: impl Into<String>) -> Self {
        self.administrator = Some((name.into(), password.into()));
        self
    }

    /// Sets the public address, with which issuers begin: for servers in other containers, which reach Keycloak by the name of its
    /// container. Without it, an issuer begins with the address that a request was sent to.
    #[must_use]
    pub fn with_public_url(mut self, url: impl Into<String>) -> Self {
        self.public_url = Some(url.into().trim_end_matches('/').to_owned());
        self
    }

    /// Sets the limit for the time from the start of the container until Keycloak can be used, by default ten minutes.
    #[must_use]
    pub fn with_ready_timeout(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Starts it, and waits until its realms can be used.
    ///
    /// # Errors
    /// A realm or the certificate is not one, testcontainers cannot start the container, or Keycloak ends or is not ready in time.
    pub async fn start(self) -> Result<RunningKeycloak, Error> {
        self.start_with(|request| request).await
    }

    /// Starts it after `change` to testcontainers' own request: a network, a name, labels, a log consumer. Ports stay on 127.0.0.1 unless
    /// the change sets a modifier of the host's configuration.
    ///
    /// # Errors
    /// Those of [`Self::start`].
    pub async fn start_with(
        self,
        change: impl FnOnce(ContainerRequest<DescribedImage>) -> ContainerRequest<DescribedImage>,
    ) -> Result<RunningKeycloak, Error> {
        let administrator = match &self.administrator {
            Some(given) => given.clone(),
            None => ("admin".to_owned(), start::random()?),
        };
        let (image, realms) = self.described(&administrator)?;
        let tls = match &self.tls {
            Some((certificate, _)) => Some(Arc::new(pinned::expecting(certificate)?)),
            None => None,
        };
        let container = start::start("keycloak", image, change).await?;
        let waited = start::until(&container, self.limit, || async {
            let Ok(port) = start::published(&container).await else {
                return Ok(start::unpublished());
            };
            let origin = Origin { port, tls: tls.clone() };
            Ok(match ready(&container, &origin, &realms).await? {
                Condition::Met(()) => Condition::Met(origin),
                Condition::NotYet(why) => Condition::NotYet(why),
            })
        });
        let origin = match waited.await {
            Ok(origin) => origin,
            Err(error) => {
                // The first error is the one to report.
                let _ = container.rm().await;
                return Err(error);
            }
        };
        Ok(RunningKeycloak {
            url: self.public_url.unwrap_or_else(|| origin.url()),
            container,
            origin,
            administrator,
        })
    }

    /// Returns the image with its command line and files, and the names of the realms.
    fn described(&self, administrator: &(String, String)) -> Result<(DescribedImage, Vec<String>), Error> {
        let tls = self.tls.as_ref().map(|_| Tls {
            certificate: Path::new(CERTIFICATE),
            key: Path::new(KEY),
        });
        let server = Server {
            listen: Listen::in_container(self.public_url.as_deref(), tls),
            features_disabled: None,
            imports: !self.realms.is_empty(),
        };
        let mut image = DescribedImage::new(&self.image, &self.tag, server.listen.port);
        let arguments = server.arguments().into_iter();
        image.arguments = arguments.map(|argument| argument.to_string_lossy().into_owned()).collect();
        for (name, value) in [(ADMINISTRATOR, &administrator.0), (ADMINISTRATORS_PASSWORD, &administrator.1)] {
            image.environment.push((name.to_owned(), value.clone()));
        }
        if let Some((certificate, key)) = &self.tls {
            image.add_file(CERTIFICATE, certificate.as_str(), 0o644);
            // The image's user is in root's group, to which the file belongs.
            image.add_file(KEY, key.as_str(), 0o640);
        }
        let mut names = Vec::new();
        for realm in &self.realms {
            let name = name(realm)?;
            let path = import_directory(Path::new(HOME)).join(import_file(&name));
            image.add_file(path.to_string_lossy(), realm.as_str(), 0o640);
            names.push(name);
        }
        Ok((image, names))
    }
}

/// Returns the name of a realm's document, of which a file can be named.
fn name(realm: &str) -> Result<String, Error> {
    let wrong = |why: String| Error::Realm { why };
    let document: serde_json::Value = serde_json::from_str(realm).map_err(|error| wrong(error.to_string()))?;
    let name = document["realm"].as_str().ok_or_else(|| wrong("it has no name".to_owned()))?;
    if name.is_empty() || name.contains(['/', '\0']) {
        return Err(wrong(format!("its name is {name:?}")));
    }
    Ok(name.to_owned())
}

/// Checks that Keycloak listens, and that every realm answers.
async fn ready(container: &ContainerAsync<DescribedImage>, origin: &Origin, realms: &[String]) -> Result<Condition<()>, Error> {
    // Before that, the engine's forwarder accepts a connection and closes it.
    if !listens(&start::log(container).await?) {
        return Ok(Condition::NotYet("it has not logged yet that it listens".to_owned()));
    }
    for realm in realms.iter().map(String::as_str).chain(["master"]) {
        match origin.get(&ready_path(realm)).await {
            Ok(answer) if answer.status == 200 => {}
            Ok(answer) => return Ok(Condition::NotYet(format!("the realm {realm} answered {}", answer.status))),
            Err(error) => return Ok(Condition::NotYet(error.to_string())),
        }
    }
    Ok(Condition::Met(()))
}

/// A Keycloak that can be used. It ends when this is dropped, as containers of testcontainers do.
pub struct RunningKeycloak {
    container: ContainerAsync<DescribedImage>,
    origin: Origin,
    url: String,
    administrator: (String, String),
}

impl fmt::Debug for RunningKeycloak {
    /// Leaves out the administrator's password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunningKeycloak")
            .field("container", &self.container)
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

impl RunningKeycloak {
    /// Returns the public address, without a slash at its end: by default, that of the port of 127.0.0.1.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Returns the port of 127.0.0.1 that leads to Keycloak.
    pub fn port(&self) -> u16 {
        self.origin.port
    }

    /// Returns the issuer of a realm, as its tokens and its discovery document state it.
    pub fn issuer_url(&self, realm: &str) -> String {
        format!("{}/realms/{realm}", self.url)
    }

    /// Returns the name and password of the administrator.
    pub fn administrator(&self) -> (&str, &str) {
        (&self.administrator.0, &self.administrator.1)
    }

    /// Requests a token with a user's password (RFC 6749 §4.3), with the scope `openid`. The client needs `directAccessGrantsEnabled`.
    ///
    /// # Errors
    /// Keycloak refuses, with the answer (`invalid_grant`), or does not answer.
    pub async fn password_token(&self, realm: &str, client: impl Into<Client<'_>>, user: &str, password: &str) -> Result<Token, Error> {
        let grant = [
            ("grant_type", "password"),
            ("scope", "openid"),
            ("username", user),
            ("password", password),
        ];
        self.token(realm, client.into(), &grant).await
    }

    /// Requests a token for a client itself (RFC 6749 §4.4). The client needs `serviceAccountsEnabled`.
    ///
    /// # Errors
    /// Those of [`Self::password_token`].
    pub async fn client_credentials_token(&self, realm: &str, client: &str, secret: &str) -> Result<Token, Error> {
        self.token(realm, Client::from((client, secret)), &[("grant_type", "client_credentials")])
            .await
    }

    /// Requests a token for the admin API of all realms.
    ///
    /// # Errors
    /// Those of [`Self::password_token`]; a container that is used again may have another administrator.
    pub async fn admin_token(&self) -> Result<Token, Error> {
        let (name, password) = self.administrator();
        self.password_token("master", "admin-cli", name, password).await
    }

    async fn token(&self, realm: &str, client: Client<'_>, grant: &[(&str, &str)]) -> Result<Token, Error> {
        let path = format!("/realms/{realm}/protocol/openid-connect/token");
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("client_id", client.id).extend_pairs(grant);
        if let Some(secret) = client.secret {
            form.append_pair("client_secret", secret);
        }
        let Answer { status, body } = self.origin.post(&path, form.finish()).await?;
        let url = format!("{}{path}", self.origin.url());
        if status != 200 {
            let body = String::from_utf8_lossy(&body).into_owned();
            return Err(Error::Refused { url, status, body });
        }
        serde_json::from_slice(&body).map_err(|source| Error::Answer { url, source })
    }

    /// Returns the log up to now.
    ///
    /// # Errors
    /// The engine does not answer.
    pub async fn log(&self) -> Result<String, Error> {
        start::log(&self.container).await
    }

    /// Removes the container, and says whether that failed, which dropping cannot.
    ///
    /// # Errors
    /// The engine refuses, or does not answer.
    pub async fn stop(self) -> Result<(), Error> {
        start::stop(self.container).await
    }
}

impl Deref for RunningKeycloak {
    type Target = ContainerAsync<DescribedImage>;

    /// Returns the container: to execute commands in it, to read its files, or to pause it.
    fn deref(&self) -> &Self::Target {
        &self.container
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn described(keycloak: &Keycloak) -> DescribedImage {
        keycloak.described(&("admin".to_owned(), "hidden".to_owned())).unwrap().0
    }

    #[test]
    fn realms_and_keys_become_files_and_options() {
        let plain = described(&Keycloak::default());
        assert_eq!(plain.reference(), format!("{IMAGE}:{TAG}"));
        assert!(plain.files.is_empty() && plain.arguments.contains(&"--http-enabled=true".to_owned()));
        let keycloak = Keycloak::default()
            .with_image("localhost/keycloak", "1")
            .with_realm(r#"{"realm": "people"}"#)
            .with_realm(r#"{"realm": "machines"}"#)
            .with_tls("certificate", "key");
        let image = described(&keycloak);
        assert_eq!(image.reference(), "localhost/keycloak:1");
        assert_eq!(image.files.len(), 4);
        let files = format!("{:?}", image.files);
        for path in [
            "/opt/keycloak/data/import/people-realm.json",
            "/opt/keycloak/data/import/machines-realm.json",
            KEY,
        ] {
            assert!(files.contains(path), "{path} in {files}");
        }
        assert!(image.arguments.contains(&format!("--https-certificate-key-file={KEY}")));
        assert_eq!(image.arguments.last().unwrap(), "--import-realm");
    }

    #[test]
    fn a_document_that_is_not_a_realm_is_refused() {
        for document in ["[", "{}", r#"{"realm": 1}"#, r#"{"realm": "a/b"}"#, r#"{"realm": ""}"#] {
            assert!(matches!(name(document), Err(Error::Realm { .. })), "{document}");
        }
        assert_eq!(name(r#"{"realm": "people"}"#).unwrap(), "people");
    }
}
