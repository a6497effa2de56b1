//! A running Keycloak.
//!
//! The main type is [`Keycloak`]; [`start`] returns it once its realm answers over HTTPS.

use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

use authlab_testcontainers::description::keycloak::{IMPORT, Listen, Tls, import_directory, import_file};

use super::error::file;
use super::export::RealmImport;
use super::launch::{self, ArchiveUse, Launch};
use super::realm::{self, Secrets};
use super::{
    Front, KeycloakContainer, KeycloakContainerSpec, KeycloakDescription, KeycloakError, KeycloakImage, OTHER_REALM, Prepared, REALM,
    client,
};
use crate::cause::with_causes;
use crate::engine::Scope;
use crate::event::Events;
use crate::owner::LabId;
use crate::pki::Leaf;
use crate::process::wait::{self, Condition};
use crate::process::{Child, ProcessError};

/// The limit of a start: a machine that does much else at the same time needs a multiple of the usual time.
const LIMIT: Duration = Duration::from_secs(180);
/// The limit of a start that creates tables, or imports somebody's realm with its users.
const LIMIT_WITH_REALM: Duration = Duration::from_secs(600);

/// A Keycloak that answers. Dropping it closes its public address and kills its process; a container belongs to its engine, and
/// is left to the next sweep.
#[derive(Debug)]
pub struct Keycloak {
    server: Server,
    front: Front,
    description: KeycloakDescription,
}

/// The server behind the public address.
#[derive(Debug)]
enum Server {
    Process(Child),
    Container(KeycloakContainer),
}

/// The inputs of a start of Keycloak, however it runs.
#[derive(Debug)]
pub struct Settings<'a> {
    /// The public address, which opens once the realm answers.
    pub front: Front,
    /// The directory of the server's own files and log: it exists, and is empty.
    pub directory: &'a Path,
    /// The serving certificate, for 127.0.0.1 and for the host of `front`.
    pub certificate: &'a Leaf,
    /// The authority that signed it, PEM.
    pub authority: &'a str,
}

/// Starts a prepared Keycloak as a process of `lab`, on data of its own.
///
/// # Errors
/// Keycloak cannot be started, exits, or does not answer in time; its public address is closed then.
pub async fn start(prepared: &Prepared, lab: &LabId, settings: Settings<'_>, events: &Events) -> Result<Keycloak, KeycloakError> {
    let started = events.in_phase("keycloak", async |_| {
        let (home, database, target) = (prepared.home(), prepared.database(), settings.directory.to_owned());
        let laid_out = tokio::task::spawn_blocking(move || launch::lay_out(&home, Some(&database), &target)).await;
        laid_out
            .map_err(std::io::Error::other)
            .map_err(file("fill", settings.directory))??;
        let launch = Launch {
            java: &prepared.java,
            line: prepared.line(),
            home: &prepared.home(),
            limit: LIMIT,
            lab: Some(lab),
        };
        let archive = prepared.archive_path();
        serve(&launch, settings, &prepared.secrets, prepared.use_archive(&archive)).await
    });
    started.await
}

/// Starts a prepared Keycloak as a process of `lab`, whose description is that of somebody's realm, imported at its start.
///
/// # Errors
/// [`KeycloakError::RealmRefused`] if Keycloak does not import the realm; otherwise those of [`start`].
pub async fn start_with_realm(
    prepared: &Prepared,
    lab: &LabId,
    settings: Settings<'_>,
    realm: &RealmImport,
    events: &Events,
) -> Result<Keycloak, KeycloakError> {
    let started = events.in_phase("keycloak", async |_| {
        // Keycloak leaves a realm alone that it has.
        let is_taken = [REALM, OTHER_REALM].contains(&realm.realm.as_str());
        let database = (!is_taken).then(|| prepared.database());
        let (home, target) = (prepared.home(), settings.directory.to_owned());
        let laid_out = tokio::task::spawn_blocking(move || launch::lay_out(&home, database.as_deref(), &target)).await;
        laid_out
            .map_err(std::io::Error::other)
            .map_err(file("fill", settings.directory))??;
        let import = import_directory(settings.directory);
        super::prepare::private_directory(&import)?;
        let document = import.join(import_file(&realm.realm));
        crate::pki::write_private(&document, realm.document.expose())?;
        let launch = Launch {
            java: &prepared.java,
            line: prepared.line(),
            home: &prepared.home(),
            limit: LIMIT_WITH_REALM,
            lab: Some(lab),
        };
        let archive = prepared.archive_path();
        let served = serve_realm(&launch, settings, Some(realm), &prepared.secrets, prepared.use_archive(&archive)).await;
        // It has all secrets of the realm, and is read once.
        fs_err::remove_file(&document).map_err(file("remove", &document))?;
        served.map_err(|error| error.about_import(realm))
    });
    started.await
}

/// Starts Keycloak from `image` in a container in `scope`.
///
/// # Errors
/// The image is missing, the engine refuses, or Keycloak exits or does not answer in time; its public address is closed then and the
/// container removed.
pub async fn start_in_container(
    image: KeycloakImage,
    scope: &Scope,
    settings: Settings<'_>,
    events: &Events,
) -> Result<Keycloak, KeycloakError> {
    let started = events.in_phase("keycloak", async |_| {
        let Settings {
            front,
            directory,
            certificate,
            authority,
        } = settings;
        let Scope { engine, network, labels } = scope;
        let imports = matches!(image, KeycloakImage::Official(_));
        let name = format!("authlab-{}-keycloak", labels.lab);
        let mut spec = KeycloakContainerSpec::new(name, image, certificate, authority).public_url(front.url());
        if imports {
            // Passwords and secrets are generated here: the image contains none of them.
            for realm in realm::realms()?.0 {
                spec = spec.realm(realm.document)?;
            }
        }
        let container = spec.start(engine, labels, network, directory).await?;
        front.open(container.port());
        let description = KeycloakDescription {
            elsewhere: Some(Box::new(container.realm(OTHER_REALM)?)),
            ..container.realm(REALM)?
        };
        Ok(Keycloak {
            server: Server::Container(container),
            front,
            description,
        })
    });
    started.await
}

/// Starts a server in a prepared home. The realms in its `data/import` are imported, unless they exist.
pub(super) async fn serve(
    launch: &Launch<'_>,
    settings: Settings<'_>,
    secrets: &Secrets,
    archive: ArchiveUse<'_>,
) -> Result<Keycloak, KeycloakError> {
    serve_realm(launch, settings, None, secrets, archive).await
}

/// Starts a server whose description is that of `own`, if there is such a realm.
async fn serve_realm(
    launch: &Launch<'_>,
    settings: Settings<'_>,
    own: Option<&RealmImport>,
    secrets: &Secrets,
    archive: ArchiveUse<'_>,
) -> Result<Keycloak, KeycloakError> {
    let Settings {
        front,
        directory,
        certificate,
        authority,
    } = settings;
    let (certificate, key) = certificate.save(directory, "serving")?;
    let url = front.url();
    let mut program = launch.serve(
        directory,
        &Listen {
            url: Some(&url),
            host: Ipv4Addr::LOCALHOST,
            port: 0,
            tls: Some(Tls {
                certificate: &certificate,
                key: &key,
            }),
        },
        archive,
    )?;
    if import_directory(directory).exists() {
        program = program.argument(IMPORT);
    }
    let mut child = program.start().await?;
    let port = ready(&mut child, authority, own.map_or(REALM, |own| own.realm.as_str()), launch.limit).await?;
    front.open(port);
    let realm = |name: &str| {
        KeycloakDescription::new(
            &url,
            name,
            authority,
            secrets.0.get(name).unwrap_or(&super::realm::RealmSecrets::default()),
        )
    };
    let description = match own {
        Some(own) => KeycloakDescription::new(&url, &own.realm, authority, &own.secrets),
        None => KeycloakDescription {
            elsewhere: Some(Box::new(realm(OTHER_REALM))),
            ..realm(REALM)
        },
    };
    Ok(Keycloak {
        server: Server::Process(child),
        front,
        description,
    })
}

/// Waits until `realm` answers, and returns the port.
async fn ready(child: &mut Child, authority: &str, realm: &str, limit: Duration) -> Result<u16, KeycloakError> {
    let http = client::https(authority)?;
    let log = child.log().to_owned();
    let mut running = || child.expect_running();
    let waited = wait::until("an answer of Keycloak's realm", limit, || {
        // The call is not inside the future, which cannot borrow what the next one needs too.
        let running: Result<(), ProcessError> = running();
        let (http, log) = (http.clone(), log.clone());
        async move {
            running?;
            let text = fs_err::read(&log).unwrap_or_default();
            let Some(port) = port(&String::from_utf8_lossy(&text)) else {
                return Ok(Condition::NotYet("it has not logged yet where it listens".to_owned()));
            };
            answers(&http, &format!("https://127.0.0.1:{port}/realms/{realm}"), port).await
        }
    })
    .await;
    waited.map_err(|error| KeycloakError::not_ready(error, &log))
}

/// Checks that the realm at `url` answers; the condition is met with `value`.
pub(super) async fn answers<T>(http: &reqwest::Client, url: &str, value: T) -> Result<Condition<T>, KeycloakError> {
    Ok(match http.get(url).send().await {
        Ok(answer) if answer.status().is_success() => Condition::Met(value),
        Ok(answer) => Condition::NotYet(format!("it answered {}", answer.status())),
        Err(error) => Condition::NotYet(with_causes(&error)),
    })
}

/// Returns the port in the log's line "… Listening on: https://127.0.0.1:43129. …".
fn port(log: &str) -> Option<u16> {
    let (_, rest) = log.split_once("Listening on: https://")?;
    let (_, rest) = rest.split_once(':')?;
    // The last digit may not be written yet.
    let end = rest.find(|c: char| !c.is_ascii_digit())?;
    rest[..end].parse().ok()
}

impl Keycloak {
    /// Returns the description that another process needs to use it.
    pub fn description(&self) -> KeycloakDescription {
        self.description.clone()
    }

    /// Returns its process, if Keycloak is a child of this one.
    pub fn child(&self) -> Option<&Child> {
        match &self.server {
            Server::Process(child) => Some(child),
            Server::Container(_) => None,
        }
    }

    /// Returns the container that it runs in, if any.
    pub fn container(&self) -> Option<&KeycloakContainer> {
        match &self.server {
            Server::Process(_) => None,
            Server::Container(container) => Some(container),
        }
    }

    /// Returns the path of the log.
    pub fn log(&self) -> &Path {
        match &self.server {
            Server::Process(child) => child.log(),
            Server::Container(container) => container.log(),
        }
    }

    /// Fails, with the last lines of the log, if Keycloak no longer runs.
    ///
    /// # Errors
    /// Keycloak has exited, or the operating system or the engine cannot tell.
    pub async fn expect_running(&mut self) -> Result<(), KeycloakError> {
        match &mut self.server {
            Server::Process(child) => Ok(child.expect_running()?),
            Server::Container(container) => container.expect_running().await,
        }
    }

    /// Stops Keycloak at once: its data is deleted with the lab.
    pub async fn stop(self) {
        drop(self.front);
        // It is gone, however it ended; a container whose engine is unreachable is left to the next sweep.
        match self.server {
            Server::Process(child) => drop(child.kill().await),
            Server::Container(container) => drop(container.stop().await),
        }
    }

    /// Asks Keycloak to exit and waits, since the files that it writes at its end are needed.
    pub(super) async fn finish(self, grace: Duration) -> Result<std::process::ExitStatus, KeycloakError> {
        drop(self.front);
        match self.server {
            Server::Process(child) => Ok(child.stop(grace).await?),
            Server::Container(container) => container.finish(grace).await.map(|()| std::process::ExitStatus::default()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::Program;

    #[test]
    fn the_port_is_read_from_the_log_once_it_is_written_whole() {
        assert_eq!(
            port("started in 2.4s. Listening on: https://127.0.0.1:45471. Management off."),
            Some(45471)
        );
        assert_eq!(port("started in 2.4s. Listening on: https://127.0.0.1:43129\n"), Some(43129));
        assert_eq!(port("started in 2.4s. Listening on: https://127.0.0.1:454"), None);
        assert_eq!(port("nothing yet"), None);
    }

    #[tokio::test]
    async fn a_server_that_ends_early_shows_its_last_words() {
        let _installed = rustls::crypto::ring::default_provider().install_default();
        let place = tempfile::tempdir().expect("a directory");
        let log = launch::log(place.path());
        let program = Program::new("keycloak", "/bin/sh", &log).arguments(["-c", "echo the database is locked; exit 3"]);
        let mut child = program.start().await.expect("a shell starts");
        let authority = crate::pki::Authority::root("test").expect("an authority");
        let error = ready(&mut child, authority.certificate(), REALM, LIMIT)
            .await
            .expect_err("it ended")
            .to_string();
        assert!(error.contains("the database is locked"), "{error}");
        assert!(error.contains("exit status: 3"), "{error}");
    }
}
