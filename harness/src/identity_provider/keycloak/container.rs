//! Keycloak in a container: the official image as it is, or one prepared from it.
//!
//! The main types are [`KeycloakContainerSpec`], which says what to start, and [`KeycloakContainer`], which serves HTTPS on a
//! port of the loopback interface. Realms, their clients and users are imported as Keycloak's own documents.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use authlab_testcontainers::description::keycloak::{
    HOME, HTTPS_PORT, IMPORT, LIMIT, Listen, Server, Tls, import_directory, import_file, listens, ready_path,
};
use serde_json::Value;

use super::image::PreparedImage;
use super::java::Java;
use super::launch::{self, ArchiveUse, Launch};
use super::line::Line;
use super::realm::{RealmSecrets, Secrets};
use super::{KeycloakAdmin, KeycloakClient, KeycloakDescription, KeycloakError, client, prepare, server};
use crate::engine::{Container, ContainerSpec, Engine, Labels, Network};
use crate::pki::{self, Leaf};
use crate::process::wait;
use crate::secret::Secret;

/// The image that runs.
#[derive(Clone, Debug)]
pub enum KeycloakImage {
    /// The reference of the official image, or of one that is made like it. It builds itself and imports its realms at each start.
    Official(String),
    /// A prepared image.
    Prepared(PreparedImage),
}

/// An image in which Keycloak is built, and the way in which Java runs it there.
#[derive(Clone, Debug)]
pub(super) struct Built {
    pub reference: String,
    pub java: Java,
    pub line: Line,
    pub class_path: String,
    /// The home that [`launch::lay_out`] made, as the container sees it.
    pub place: PathBuf,
    /// `true` if the home is a directory of this machine.
    pub shared: bool,
    pub archive: Option<PathBuf>,
    /// `true` if the archive is written, `false` if it is read.
    pub training: bool,
}

impl Built {
    fn serve_arguments(&self, listen: &Listen<'_>) -> Vec<OsString> {
        let archive = match &self.archive {
            Some(path) if self.training => self.java.archive.writing(path),
            Some(path) => self.java.archive.reading(path),
            None => ArchiveUse::None,
        };
        let launch = Launch {
            java: &self.java,
            line: self.line,
            home: Path::new(HOME),
            limit: LIMIT,
            lab: None,
        };
        launch.serve_arguments(self.class_path.as_ref(), &self.place, listen, archive)
    }
}

/// The program that the container runs.
#[derive(Clone, Debug)]
enum Run {
    /// The image's own script.
    Script(String),
    /// Java itself.
    Java(Box<Built>),
}

/// A Keycloak container to be started.
#[derive(Clone, Debug)]
pub struct KeycloakContainerSpec {
    name: String,
    run: Run,
    realms: BTreeMap<String, Secret>,
    secrets: Secrets,
    certificate: Leaf,
    authority: String,
    public_url: Option<String>,
    limit: Duration,
}

/// A Keycloak container that answers. Like any container it belongs to the engine: dropping this removes nothing.
#[derive(Debug)]
pub struct KeycloakContainer {
    container: Container,
    port: u16,
    url: String,
    authority: String,
    secrets: Secrets,
    log: PathBuf,
}

impl KeycloakContainerSpec {
    /// Creates a container named `name` that serves with `certificate`, which the authority `authority` (PEM) signed for 127.0.0.1
    /// and for the host of the public URL.
    pub fn new(name: impl Into<String>, image: KeycloakImage, certificate: &Leaf, authority: &str) -> Self {
        let (run, secrets) = match image {
            KeycloakImage::Official(reference) => (Run::Script(reference), Secrets::default()),
            KeycloakImage::Prepared(image) => (Run::Java(Box::new(image.built())), image.secrets),
        };
        Self::running(name.into(), run, secrets, certificate, authority)
    }

    /// Creates a container whose image is still being made.
    pub(super) fn unfinished(name: String, built: Built, secrets: &Secrets, certificate: &Leaf, authority: &str) -> Self {
        Self::running(name, Run::Java(Box::new(built)), secrets.clone(), certificate, authority)
    }

    fn running(name: String, run: Run, secrets: Secrets, certificate: &Leaf, authority: &str) -> Self {
        Self {
            name,
            run,
            realms: BTreeMap::new(),
            secrets,
            certificate: certificate.clone(),
            authority: authority.to_owned(),
            public_url: None,
            limit: LIMIT,
        }
    }

    /// Imports a realm, in Keycloak's own format (`RealmRepresentation`), unless it exists. Its client secrets and users' passwords
    /// are known to the clients that the container returns.
    ///
    /// # Errors
    /// The document is not JSON, or not a realm.
    pub fn realm(mut self, document: Secret) -> Result<Self, KeycloakError> {
        let realm: Value = serde_json::from_str(document.expose()).map_err(KeycloakError::Import)?;
        let name = realm["realm"].as_str().ok_or(KeycloakError::NoRealm)?.to_owned();
        self.secrets.0.insert(name.clone(), secrets(&realm));
        self.realms.insert(name, document);
        Ok(self)
    }

    /// Sets the public address, with which the issuer in its tokens begins. Without it, that is the address
    /// of each request.
    #[must_use]
    pub fn public_url(mut self, url: impl Into<String>) -> Self {
        self.public_url = Some(url.into().trim_end_matches('/').to_owned());
        self
    }

    /// Starts the container on `network`, and waits until it answers. Its inputs and its log are in `place`, an existing directory
    /// that the engine can mount.
    ///
    /// # Errors
    /// The image is missing, the engine refuses, or Keycloak exits or does not answer in time; the container is
    /// removed then.
    pub async fn start(
        &self,
        engine: &Engine,
        labels: &Labels,
        network: &Network,
        place: &Path,
    ) -> Result<KeycloakContainer, KeycloakError> {
        let container = self.spec(engine, labels, network, place)?.start(engine).await?;
        match self.answering(&container, place).await {
            Ok(keycloak) => Ok(keycloak),
            Err(error) => {
                // The first error is the one to report.
                let _ = container.remove().await;
                Err(error)
            }
        }
    }

    /// Writes the container's inputs into `place`, and returns its spec.
    fn spec(&self, engine: &Engine, labels: &Labels, network: &Network, place: &Path) -> Result<ContainerSpec, KeycloakError> {
        let tls = place.join("tls");
        prepare::private_directory(&tls)?;
        let (certificate, key) = self.certificate.save(&tls, "serving")?;
        let serving = Tls {
            certificate: &certificate,
            key: &key,
        };
        let listen = Listen::in_container(self.public_url.as_deref(), Some(serving));
        let spec = |reference: &str| {
            ContainerSpec::new(&self.name, reference, labels)
                .user(Some(user(engine)))
                .network(network, &["keycloak"])
                .shown(&tls, tls.to_string_lossy())
                .publish(HTTPS_PORT)
        };
        let (mut spec, data) = match &self.run {
            Run::Script(reference) => {
                let line = Line::of_image(reference);
                let off = line.features_off();
                let server = Server {
                    listen,
                    features_disabled: Some(&off),
                    imports: false,
                };
                (spec(reference).arguments(words(line.named(server.arguments()))), Path::new(HOME))
            }
            Run::Java(built) => {
                let spec = spec(&built.reference)
                    .program(built.java.program.to_string_lossy())
                    .arguments(words(built.serve_arguments(&listen)));
                let spec = if built.shared { spec.shared(&built.place) } else { spec };
                (spec, built.place.as_path())
            }
        };
        if !self.realms.is_empty() {
            let imports = place.join("import");
            prepare::private_directory(&imports)?;
            for (name, document) in &self.realms {
                pki::write_private(&imports.join(import_file(name)), document.expose())?;
            }
            spec = spec.shown(&imports, import_directory(data).to_string_lossy());
        }
        // Realms that are already in the directory, if it is on this machine, are imported too.
        let found = matches!(&self.run, Run::Java(built) if built.shared && import_directory(&built.place).exists());
        if found || !self.realms.is_empty() {
            spec = spec.arguments([IMPORT]);
        }
        Ok(spec)
    }

    async fn answering(&self, container: &Container, place: &Path) -> Result<KeycloakContainer, KeycloakError> {
        let log = launch::log(place);
        let port = container
            .published(HTTPS_PORT)
            .ok_or(KeycloakError::NotPublished { port: HTTPS_PORT })?;
        let following = container.follow(&log)?;
        let http = client::https(&self.authority)?;
        let realm = self.secrets.0.keys().next().map_or("master", String::as_str);
        let url = format!("https://127.0.0.1:{port}{}", ready_path(realm));
        let ready = wait::until("an answer of Keycloak's realm", self.limit, || async {
            let text = fs_err::read(&log).unwrap_or_default();
            // Before that, the engine's forwarder accepts a connection and closes it.
            if !listens(&String::from_utf8_lossy(&text)) {
                return Ok(wait::Condition::NotYet("it has not logged yet that it listens".to_owned()));
            }
            server::answers(&http, &url, ()).await
        });
        tokio::select! {
            ready = ready => ready.map_err(|error| KeycloakError::not_ready(error, &log))?,
            followed = following.ended() => {
                followed?;
                container.expect_running().await?;
                // The log ended but the container runs: the engine's end of the log is gone.
                return Err(KeycloakError::NotReady {
                    why: "Keycloak's log ended before it responded".to_owned(),
                    tail: crate::process::last_lines(&log, 12),
                    log,
                });
            }
        }
        Ok(KeycloakContainer {
            container: container.clone(),
            port,
            url: self.public_url.clone().unwrap_or_else(|| format!("https://127.0.0.1:{port}")),
            authority: self.authority.clone(),
            secrets: self.secrets.clone(),
            log,
        })
    }
}

impl KeycloakContainer {
    /// Returns the port of 127.0.0.1 that leads to Keycloak.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns the public address.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Returns the issuer of a realm.
    pub fn issuer_url(&self, realm: &str) -> String {
        format!("{}/realms/{realm}", self.url)
    }

    /// Returns the description of a realm, with everything that was imported into it, for another process.
    ///
    /// # Errors
    /// No such realm was imported.
    pub fn realm(&self, realm: &str) -> Result<KeycloakDescription, KeycloakError> {
        let secrets = self
            .secrets
            .0
            .get(realm)
            .ok_or_else(|| KeycloakError::NoSuchRealm { realm: realm.to_owned() })?;
        Ok(KeycloakDescription::new(&self.url, realm, &self.authority, secrets))
    }

    /// Returns the client `client` of a realm, for grants, introspection, userinfo and logout.
    ///
    /// # Errors
    /// No such realm was imported, or it has no such client.
    pub fn client(&self, realm: &str, client: &str) -> Result<KeycloakClient, KeycloakError> {
        KeycloakClient::new(&self.realm(realm)?)?.as_client(client)
    }

    /// Returns the admin API of a realm, with the service account of its client `client`, which needs the roles for it.
    ///
    /// # Errors
    /// Those of [`Self::client`].
    pub fn admin(&self, realm: &str, client: &str) -> Result<KeycloakAdmin, KeycloakError> {
        KeycloakClient::new(&self.realm(realm)?)?.admin_as(client)
    }

    /// Returns the version of Keycloak that the distribution in the image states.
    ///
    /// # Errors
    /// The image does not state its version.
    pub async fn version(&self) -> Result<String, KeycloakError> {
        let path = format!("{HOME}/version.txt");
        let text = self.container.read(&path).await?;
        let text = String::from_utf8_lossy(&text).into_owned();
        text.split_whitespace().last().map(str::to_owned).ok_or(KeycloakError::Home {
            home: HOME.into(),
            missing: "version.txt",
        })
    }

    /// Returns the container.
    pub fn container(&self) -> &Container {
        &self.container
    }

    /// Returns the path of the log.
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// Fails, with the last lines of the log, if the container no longer runs.
    ///
    /// # Errors
    /// The container has exited, or the engine cannot tell.
    pub async fn expect_running(&self) -> Result<(), KeycloakError> {
        Ok(self.container.expect_running().await?)
    }

    /// Stops the container at once and removes it with its data.
    ///
    /// # Errors
    /// The engine refuses, or is gone.
    pub async fn stop(self) -> Result<(), KeycloakError> {
        Ok(self.container.remove().await?)
    }

    /// Asks Keycloak to exit, waits, and removes the container.
    pub(super) async fn finish(self, grace: Duration) -> Result<(), KeycloakError> {
        Ok(self.container.stop(grace).await?)
    }
}

/// Returns this user, in the group of the image's files, so that both the keys outside and Keycloak's own files can be used.
pub(super) fn user(engine: &Engine) -> String {
    let own = engine.own_user();
    // Root in a rootless engine's container is this user, with every right it needs.
    let user = own.as_deref().and_then(|own| own.split(':').next()).unwrap_or("0");
    format!("{user}:0")
}

/// Returns arguments in the engine's form.
pub(super) fn words(arguments: Vec<OsString>) -> impl Iterator<Item = String> {
    arguments.into_iter().map(|word| word.to_string_lossy().into_owned())
}

/// Returns the client secrets and users' passwords in a realm's document. A client without a secret counts as a public one.
fn secrets(realm: &Value) -> RealmSecrets {
    let list = |name: &str| realm[name].as_array().into_iter().flatten();
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let clients = list("clients").filter_map(|client| Some((text(&client["clientId"])?, text(&client["secret"]).map(Secret::new))));
    let passwords = list("users").filter_map(|user| {
        let credentials = user["credentials"].as_array()?;
        let password = credentials.iter().find(|credential| credential["type"] == "password")?;
        Some((text(&user["username"])?, Secret::new(text(&password["value"])?)))
    });
    RealmSecrets {
        clients: clients.collect(),
        passwords: passwords.collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_document_tells_is_known_to_its_clients() {
        let (imports, made) = super::super::realm::realms().expect("the fixtures are sound");
        for import in imports {
            let realm: Value = serde_json::from_str(import.document.expose()).expect("an import is JSON");
            let (read, made) = (secrets(&realm), &made.0[&import.name]);
            assert_eq!(read.clients.keys().collect::<Vec<_>>(), made.clients.keys().collect::<Vec<_>>());
            assert_eq!(read.passwords.keys().collect::<Vec<_>>(), made.passwords.keys().collect::<Vec<_>>());
            for (client, secret) in &read.clients {
                let made = made.clients[client].as_ref().map(Secret::expose);
                assert_eq!(secret.as_ref().map(Secret::expose), made, "{client}");
            }
        }
    }

    #[test]
    fn what_is_no_realm_is_refused() {
        let authority = pki::Authority::root("test").expect("an authority");
        let leaf = authority.issue(&pki::Request::server("keycloak", &[])).expect("a certificate");
        let spec = || KeycloakContainerSpec::new("x1", KeycloakImage::Official("x".into()), &leaf, authority.certificate());
        assert!(matches!(spec().realm(Secret::new("[")), Err(KeycloakError::Import(_))));
        assert!(matches!(spec().realm(Secret::new("{}")), Err(KeycloakError::NoRealm)));
        let spec = spec().realm(Secret::new(r#"{"realm": "people"}"#)).expect("a realm");
        assert!(spec.secrets.0.contains_key("people"));
    }
}
