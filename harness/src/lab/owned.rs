//! Starting a lab, as one list, and ending it.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinHandle};

use super::description::{AuthProxyDescription, LabDescription, ProcessDescription, fingerprint};
use super::{Administrator, Directory, Inner, Keycloak, Lab, LabError, LabOptions, Owner, grounds};
use crate::auth_proxy::{self, AuthProxy, Backend, PassOn, ProxyCredential, TokenIssuer};
use crate::cluster::process::{Binaries, ControlPlane};
use crate::cluster::{ApiServer, Authorities, Driver, MAIN, Minor, Places, Setting};
use crate::event::Events;
use crate::identity_provider;
use crate::identity_provider::issuer::{Algorithm, Issuer, IssuerPath};
use crate::identity_provider::keycloak::{self, Front};
use crate::server_binaries::{self, ServerBinaries, Versions};

/// What this process runs of a lab.
#[derive(Debug)]
pub(super) struct Owned {
    plane: tokio::sync::Mutex<Option<ControlPlane>>,
    keycloak: StartedKeycloak,
    issuer: Mutex<Option<Issuer>>,
    proxies: Mutex<Vec<AuthProxy>>,
    _binaries: ServerBinaries,
}

type Readiness = watch::Receiver<Option<Result<Keycloak, Arc<LabError>>>>;

/// Keycloak on its way, or running.
#[derive(Debug)]
struct StartedKeycloak {
    /// Taken by who ends it.
    starting: tokio::sync::Mutex<Option<JoinHandle<()>>>,
    /// For who gives it up without waiting.
    giving_up: AbortHandle,
    running: Arc<tokio::sync::Mutex<Option<keycloak::Keycloak>>>,
}

impl Drop for StartedKeycloak {
    fn drop(&mut self) {
        self.giving_up.abort();
    }
}

impl Owned {
    /// Starts the API server with the setting `name`.
    pub(super) async fn further(&self, name: &str, events: &Events) -> Result<ApiServer, LabError> {
        let setting = Setting::named(name)?;
        let mut plane = self.plane.lock().await;
        Ok(plane.as_mut().ok_or(LabError::Ended)?.further(&setting, events).await?)
    }

    /// Ends every server and waits until they are gone.
    pub(super) async fn stop(&self) {
        self.keycloak.giving_up.abort();
        self.proxies.lock().unwrap_or_else(PoisonError::into_inner).clear();
        let plane = async {
            if let Some(plane) = self.plane.lock().await.take() {
                plane.stop().await;
            }
        };
        let keycloak = async {
            // One that was still being started is killed as its task ends.
            if let Some(starting) = self.keycloak.starting.lock().await.take() {
                let _given_up = starting.await;
            }
            if let Some(keycloak) = self.keycloak.running.lock().await.take() {
                keycloak.stop().await;
            }
        };
        futures::join!(plane, keycloak);
        self.issuer.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// Name and process id of every server.
    pub(super) async fn processes(&self) -> Vec<ProcessDescription> {
        let plane = self.plane.lock().await.as_ref().map(ControlPlane::processes).unwrap_or_default();
        let keycloak = self
            .keycloak
            .running
            .lock()
            .await
            .as_ref()
            .and_then(keycloak::Keycloak::pid)
            .map(|pid| ("keycloak".to_owned(), pid));
        plane
            .into_iter()
            .chain(keycloak)
            .map(|(name, pid)| ProcessDescription { name, pid })
            .collect()
    }
}

/// Starts a lab that lives as long as this process.
pub(super) async fn start(options: &LabOptions, events: &Events) -> Result<Lab, LabError> {
    if options.cluster == Some(Driver::Existing) {
        return super::existing::start(options, events).await;
    }
    options.pinned()?;
    let name = options.name.clone().unwrap_or_else(passing_name);
    let directory = Directory::create(&name).await?;
    start_in(directory, &name, options, events).await
}

/// Starts the lab `name` in `directory`, which is kept if that fails after a server has begun to write its log.
pub(super) async fn start_in(directory: Directory, name: &str, options: &LabOptions, events: &Events) -> Result<Lab, LabError> {
    // Given up (dropped) on the way, the servers are killed first and the directory is removed after that.
    let directory = Arc::new(directory);
    directory.expect_space()?;
    let started = start_servers(&directory, name, options, events).await;
    if started.is_err() && has_logs(directory.path()) {
        directory.keep();
    }
    started
}

/// Everything a lab needs, in the order in which it is started.
async fn start_servers(directory: &Arc<Directory>, name: &str, options: &LabOptions, events: &Events) -> Result<Lab, LabError> {
    let version = options.pinned()?;
    let minor = Minor(version.version.minor.into());
    let (binaries, prepared) = futures::try_join!(
        async { Ok(server_binaries::obtain(version, &options.server_binaries, events).await?) },
        prepared_keycloak(options, events),
    )?;

    let pki = directory.below("pki")?;
    let authorities = tokio::task::spawn_blocking(move || Authorities::create(&pki))
        .await
        .map_err(|_| LabError::Ended)??;
    let serving = authorities.serving_certificate("authlab")?;
    let (listening, front) = futures::try_join!(
        async { Ok::<_, LabError>(Issuer::listen(&serving, issuer_paths()).await?) },
        async { Ok(Front::listen().await?) }
    )?;
    let places = Places {
        keycloak: front.issuer_url(),
        issuer: listening.base(),
        serving_authority: authorities.serving.certificate().to_owned(),
        serving_authority_file: authorities.file("serving.crt").display().to_string(),
    };

    let (keycloak, readiness) = start_keycloak(prepared, front, directory, &authorities, events)?;
    let programs = Binaries {
        etcd: binaries.etcd.clone(),
        kube_apiserver: binaries.kube_apiserver.clone(),
        kube_controller_manager: binaries.kube_controller_manager.clone(),
        version: minor,
    };
    let ((mut plane, main), issuer) = futures::try_join!(
        async { Ok::<_, LabError>(ControlPlane::start(programs, directory.path(), authorities.clone(), places.clone(), events).await?) },
        // Its RSA key is made while the servers start; until then it lets who asks wait.
        async { Ok(listening.serve().await?) },
    )?;
    issuer.signer().save(&directory.below("issuer")?)?;
    plane.start_controllers(&main).await?;
    let administrator = Administrator::new(&main, authorities.administrator()?)?;
    let phase = events.phase("objects of the lab");
    grounds::prepare(&administrator.client(), &format!("v{}", version.version)).await?;
    let proxies = start_proxies(&main, &authorities, &administrator, &places).await?;
    phase.succeeded();

    let (signer, programs) = (issuer.signer().clone(), binaries.directory.clone());
    let auth_proxies = proxies.iter().map(|(name, proxy)| {
        (
            name.clone(),
            AuthProxyDescription {
                url: format!("https://{}", proxy.address()),
            },
        )
    });
    let auth_proxies = auth_proxies.collect();
    let owned = Owned {
        plane: tokio::sync::Mutex::new(Some(plane)),
        keycloak,
        issuer: Mutex::new(Some(issuer)),
        proxies: Mutex::new(proxies.into_values().collect()),
        _binaries: binaries,
    };
    let description = LabDescription {
        schema: 1,
        name: name.to_owned(),
        authlab: env!("CARGO_PKG_VERSION").to_owned(),
        fingerprint: fingerprint(),
        owner: std::process::id(),
        started: jiff::Timestamp::now(),
        kubernetes: version.version.to_string(),
        minor,
        cluster: Driver::Process,
        identity_provider: Some(identity_provider::Driver::Process),
        observed: BTreeMap::new(),
        api_servers: BTreeMap::from([(MAIN.to_owned(), main.clone())]),
        issuer: places.issuer,
        keycloak_issuer: places.keycloak,
        keycloak: None,
        auth_proxies,
        programs,
        processes: owned.processes().await,
        control: None,
    };
    description.save(directory.path())?;
    Ok(Lab(Arc::new(Inner {
        description,
        signer: Some(signer),
        authorities: Some(authorities),
        main,
        administrator,
        further: Mutex::new(HashMap::new()),
        keycloak: readiness,
        owner: Owner::Us(Box::new(owned)),
        directory: Arc::clone(directory),
    })))
}

/// The issuers that `fixtures/authentication/` trusts.
fn issuer_paths() -> Vec<IssuerPath> {
    vec![
        IssuerPath::new("rs256", &[Algorithm::Rs256]),
        IssuerPath::new("es256", &[Algorithm::Es256]),
    ]
}

async fn prepared_keycloak(options: &LabOptions, events: &Events) -> Result<keycloak::Prepared, LabError> {
    let home = server_binaries::obtain_keycloak(&Versions::pinned().keycloak, &options.server_binaries, events).await?;
    Ok(keycloak::prepare(&home.directory, events).await?)
}

/// Keycloak starts beside everything else; `Front` holds who asks early.
fn start_keycloak(
    prepared: keycloak::Prepared,
    front: Front,
    directory: &Directory,
    authorities: &Authorities,
    events: &Events,
) -> Result<(StartedKeycloak, Readiness), LabError> {
    let place = directory.below("keycloak")?;
    let serving = authorities.serving_certificate("keycloak")?;
    let authority = authorities.serving.certificate().to_owned();
    let running = Arc::new(tokio::sync::Mutex::new(None));
    let (tell, readiness) = watch::channel(None);
    let (kept, events) = (Arc::clone(&running), events.clone());
    let starting = tokio::spawn(async move {
        let started = keycloak::start(&prepared, front, &place, &serving, &authority, &events).await;
        let told = match started {
            Ok(keycloak) => {
                let client = Keycloak::new(&keycloak.description());
                *kept.lock().await = Some(keycloak);
                client.map_err(|error| Arc::new(error.into()))
            }
            Err(error) => Err(Arc::new(error.into())),
        };
        tell.send_replace(Some(told));
        // Until the lab ends, somebody may still ask.
        tell.closed().await;
    });
    Ok((
        StartedKeycloak {
            giving_up: starting.abort_handle(),
            starting: tokio::sync::Mutex::new(Some(starting)),
            running,
        },
        readiness,
    ))
}

/// The auth proxies: one that passes identity on as headers with its own certificate, one that impersonates.
async fn start_proxies(
    main: &ApiServer,
    authorities: &Authorities,
    administrator: &Administrator,
    places: &Places,
) -> Result<BTreeMap<String, AuthProxy>, LabError> {
    // As in `fixtures/authentication/keycloak.toml`: who comes through a proxy is the same person as at the API server's own door.
    let prefix = || "keycloak:".to_owned();
    let issuer = TokenIssuer {
        username_prefix: prefix(),
        groups_claim: Some("user_groups".to_owned()),
        groups_prefix: prefix(),
        ..TokenIssuer::new(&places.keycloak, &places.serving_authority, "kubernetes")
    };
    let settings = |pass_on| {
        Ok::<_, LabError>(auth_proxy::Settings {
            certificate: authorities.serving_certificate("auth proxy")?,
            caller_authority: Some(authorities.clients.certificate().to_owned()),
            token_issuer: Some(issuer.clone()),
            backend: Backend {
                url: main.url.clone(),
                authority: main.serving_authority.clone(),
            },
            pass_on,
            extra: BTreeMap::new(),
            patience: auth_proxy::Patience::default(),
        })
    };
    let names = auth_proxy::HeaderNames::default();
    let headers = PassOn::Headers {
        certificate: authorities.front_proxy()?,
        names,
    };
    let token = grounds::impersonator_token(&administrator.client()).await?;
    let impersonation = PassOn::Impersonation {
        credential: ProxyCredential::Token(token),
    };
    let headers = AuthProxy::start(settings(headers)?).await?;
    let impersonation = AuthProxy::start(settings(impersonation)?).await?;
    Ok(BTreeMap::from([
        ("request-headers".to_owned(), headers),
        ("impersonation".to_owned(), impersonation),
    ]))
}

/// A name for a lab that only lives as long as this process.
pub(super) fn passing_name() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("run-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

/// Whether a server, or the owner, has written to its log.
fn has_logs(directory: &Path) -> bool {
    std::fs::read_dir(directory).into_iter().flatten().flatten().any(|entry| {
        let path = entry.path();
        if path.is_dir() {
            // etcd's data can be large, and holds no log for people.
            entry.file_name() != "etcd" && has_logs(&path)
        } else {
            path.extension().is_some_and(|kind| kind == "log") && entry.metadata().is_ok_and(|file| file.len() > 0)
        }
    })
}
