//! Starting a lab, as one sequence, and ending it.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinHandle};

use super::choice::Choice;
use super::cluster::Cluster;
use super::containment::Containment;
use super::description::{AuthProxyDescription, ContainerDescription, LabDescription, ProcessDescription, fingerprint};
use super::sabotaged::{in_hands, without_mappers};
use super::{Administrator, Directory, Inner, Keycloak, Lab, LabError, LabOptions, Owner, issuers, kubectl, seed_objects};
use crate::auth_proxy::{self, AuthProxy, Backend, PassOn, ProxyCredential, TokenIssuer};
use crate::cluster::control_plane::ControlPlane;
use crate::cluster::k3s::K3s;
use crate::cluster::kind::{Kind, KindCommand};
use crate::cluster::pod::Pod;
use crate::cluster::process::Binaries;
use crate::cluster::runtime::Runtime;
use crate::cluster::{ApiServer, Authorities, Driver, MAIN, Minor, Placeholders, Setting, Surroundings};
use crate::event::Events;
use crate::identity_provider::Address;
use crate::identity_provider::issuer::{Egress, HIDDEN, Issuer};
use crate::identity_provider::keycloak::{self, Front, KeycloakImage};
use crate::sabotage::Sabotage;
use crate::server_binaries::{self, Kubernetes, ServerBinaries};
use crate::token_webhook::TokenWebhook;

/// The servers of a lab that this process runs.
#[derive(Debug)]
pub(super) struct Owned {
    cluster: tokio::sync::Mutex<Option<Cluster>>,
    keycloak: StartedKeycloak,
    issuer: Mutex<Option<(Issuer, Egress)>>,
    token_webhook: Mutex<Option<TokenWebhook>>,
    proxies: Mutex<Vec<AuthProxy>>,
    containment: tokio::sync::Mutex<Option<Containment>>,
    _binaries: Option<ServerBinaries>,
}

type Readiness = watch::Receiver<Option<Result<Keycloak, Arc<LabError>>>>;

/// Keycloak, starting or running.
#[derive(Debug)]
struct StartedKeycloak {
    /// Taken by the caller that ends it.
    starting: tokio::sync::Mutex<Option<JoinHandle<()>>>,
    /// Aborts the start without waiting.
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
        let mut cluster = self.cluster.lock().await;
        cluster.as_mut().ok_or(LabError::Ended)?.further(&setting, events).await
    }

    /// Ends the API server with the setting `name`.
    pub(super) async fn end_further(&self, name: &str) -> Result<(), LabError> {
        match self.cluster.lock().await.as_mut() {
            Some(cluster) => cluster.end_further(name).await,
            None => Ok(()),
        }
    }

    /// Ends every server and waits until they are gone.
    ///
    /// # Errors
    /// A container could not be removed.
    pub(super) async fn stop(&self) -> Result<(), LabError> {
        self.keycloak.giving_up.abort();
        self.proxies.lock().unwrap_or_else(PoisonError::into_inner).clear();
        let cluster = async {
            match self.cluster.lock().await.take() {
                Some(cluster) => cluster.stop().await,
                None => Ok(()),
            }
        };
        let keycloak = async {
            // A Keycloak that is still being started is killed as its task ends.
            if let Some(starting) = self.keycloak.starting.lock().await.take() {
                let _given_up = starting.await;
            }
            if let Some(keycloak) = self.keycloak.running.lock().await.take() {
                keycloak.stop().await;
            }
        };
        let (stopped, ()) = futures::join!(cluster, keycloak);
        self.issuer.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.token_webhook.lock().unwrap_or_else(PoisonError::into_inner).take();
        match self.containment.lock().await.take() {
            // Servers that could not be stopped individually are removed here, or reported.
            Some(containment) => containment.end().await,
            None => stopped,
        }
    }

    /// Returns the name and id of every container.
    pub(super) async fn containers(&self) -> Vec<ContainerDescription> {
        let cluster = self.cluster.lock().await.as_ref().map(Cluster::containers).unwrap_or_default();
        let keycloak = self.keycloak.running.lock().await;
        let keycloak = keycloak
            .as_ref()
            .and_then(keycloak::Keycloak::container)
            .map(|container| ContainerDescription {
                name: "keycloak".to_owned(),
                id: container.container().id().to_owned(),
            });
        cluster.into_iter().chain(keycloak).collect()
    }

    /// Returns the name and process id of every server.
    pub(super) async fn processes(&self) -> Vec<ProcessDescription> {
        let cluster = self.cluster.lock().await.as_ref().map(Cluster::processes).unwrap_or_default();
        let keycloak = self.keycloak.running.lock().await;
        let keycloak = keycloak.as_ref().and_then(keycloak::Keycloak::pid).map(|pid| ProcessDescription {
            name: "keycloak".to_owned(),
            pid,
        });
        cluster.into_iter().chain(keycloak).collect()
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
    // If the future is dropped on the way, the servers are killed first and the directory is removed after that.
    let directory = Arc::new(directory);
    directory.expect_space()?;
    let started = start_servers(&directory, name, options, events).await;
    if started.is_err() && has_logs(directory.path()) {
        directory.keep();
    }
    started
}

/// Starts everything that a lab needs, in order.
async fn start_servers(directory: &Arc<Directory>, name: &str, options: &LabOptions, events: &Events) -> Result<Lab, LabError> {
    let version = options.pinned()?;
    let minor = Minor(version.version.minor.into());
    let choice = Choice::of(options, version, events).await?;
    let (binaries, prepared) = futures::try_join!(
        programs(&choice, options, version, events),
        prepared_keycloak(&choice, options, events)
    )?;
    let containment = match &choice.engine {
        Some(engine) => Some(Containment::start(engine.clone(), name, directory, events).await?),
        None => None,
    };
    // If API servers are processes, every client can use loopback.
    let in_containers = containment.as_ref().filter(|_| choice.has_cluster_in_containers());
    let address = in_containers.map_or_else(Address::loopback, Containment::address);
    let (pki, hosts) = (directory.below("pki")?, vec![address.host.clone(), HIDDEN.to_owned()]);
    let authorities = tokio::task::spawn_blocking(move || Authorities::create(&pki, &hosts))
        .await
        .map_err(|_| LabError::Ended)??;
    let stranger = options.sabotage.as_ref().map(|_| authorities.add_stranger()).transpose()?;
    let serving = authorities.serving_certificate("authlab")?;
    let (listening, front, token_webhook) = futures::try_join!(
        async { Ok::<_, LabError>(Issuer::listen_at(&address, &serving, issuers::paths()).await?) },
        async { Ok(Front::listen_at(&address).await?) },
        async { Ok(TokenWebhook::start_at(&address, &serving, authorities.clients.certificate(), authorities.seed()?).await?) }
    )?;
    let (egress, egress_file) = super::egress::start(&address, &serving, &listening.base(), (directory.path(), &authorities)).await?;
    let places = Placeholders {
        keycloak: front.issuer_url(),
        issuer: listening.base(),
        serving_authority: authorities.serving.certificate().to_owned(),
        serving_authority_file: authorities.file("serving.crt").display().to_string(),
        egress_file: egress_file.display().to_string(),
        token_webhook: token_webhook.url().to_owned(),
        pki: directory.path().join("pki").display().to_string(),
    };

    let sabotage = options.sabotage.clone();
    let (keycloak, readiness) = start_keycloak(prepared, containment.as_ref(), front, directory, &authorities, sabotage, events)?;
    let around = containment.as_ref().map(|containment| Surroundings {
        engine: &containment.engine,
        network: &containment.network,
        labels: &containment.labels,
        images: &choice.images,
        directory: directory.path(),
        authorities: &authorities,
        version: minor,
        places: &places,
    });
    let ((cluster, main, authorities), issuer) = futures::try_join!(
        start_cluster(
            &choice,
            around,
            binaries.as_ref(),
            (directory, &authorities, &places),
            options,
            version,
            events
        ),
        // Its RSA key is generated while the servers start; until then requests wait.
        async { Ok(listening.serve().await?) },
    )?;
    issuer.signer().save(&directory.below("issuer")?)?;
    let administrator = Administrator::new(&main, authorities.administrator()?)?;
    let (kubernetes, minor) = administrator.kubernetes().await?;
    let phase = events.phase("objects of the lab");
    seed_objects::prepare(&administrator.client(), &format!("v{}", version.version)).await?;
    if let Some(sabotage) = &options.sabotage {
        seed_objects::add(&administrator.client(), &sabotage.objects).await?;
    }
    let proxies = start_proxies(&main, &authorities, &administrator, &places).await?;
    phase.succeeded();

    let signer = issuer.signer().clone();
    let (programs, kubectl) = kubectl::find(binaries.as_ref(), minor, directory.path()).await;
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
        cluster: tokio::sync::Mutex::new(Some(cluster)),
        keycloak,
        issuer: Mutex::new(Some((issuer, egress))),
        token_webhook: Mutex::new(Some(token_webhook)),
        proxies: Mutex::new(proxies.into_values().collect()),
        containment: tokio::sync::Mutex::new(containment),
        _binaries: binaries,
    };
    let description = LabDescription {
        schema: 1,
        name: name.to_owned(),
        authlab: env!("CARGO_PKG_VERSION").to_owned(),
        fingerprint: fingerprint(),
        owner: std::process::id(),
        started: jiff::Timestamp::now(),
        kubernetes,
        minor,
        cluster: choice.cluster,
        identity_provider: Some(choice.identity_provider()),
        observed: BTreeMap::from([("kubectl".to_owned(), kubectl)]),
        learners: options.learners,
        api_servers: BTreeMap::from([(MAIN.to_owned(), main.clone())]),
        issuer: places.issuer,
        keycloak_issuer: places.keycloak,
        keycloak: None,
        auth_proxies,
        programs,
        processes: owned.processes().await,
        containers: owned.containers().await,
        engine: owned
            .containment
            .lock()
            .await
            .as_ref()
            .map(|containment| containment.engine.address().to_owned()),
        control: None,
    };
    description.save(directory.path())?;
    let authorities = in_hands(authorities, options.sabotage.as_deref(), stranger);
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

/// Returns the programs of the cluster. If it runs in containers, only kubectl is needed, and only available programs are used.
async fn programs(
    choice: &Choice,
    options: &LabOptions,
    version: &Kubernetes,
    events: &Events,
) -> Result<Option<ServerBinaries>, LabError> {
    let sources = &options.server_binaries;
    if !choice.has_cluster_in_containers() {
        return Ok(Some(server_binaries::obtain(version, sources, events).await?));
    }
    let only_there = server_binaries::Options {
        sources: Vec::new(),
        ..sources.clone()
    };
    Ok(server_binaries::obtain(version, &only_there, events).await.ok())
}

/// Starts the cluster and waits until its main API server is ready. The authorities are `ours`, or the cluster's own instead.
async fn start_cluster(
    choice: &Choice,
    around: Option<Surroundings<'_>>,
    binaries: Option<&ServerBinaries>,
    (directory, ours, places): (&Directory, &Authorities, &Placeholders),
    options: &LabOptions,
    version: &Kubernetes,
    events: &Events,
) -> Result<(Cluster, ApiServer, Authorities), LabError> {
    let setting = Setting::named(MAIN)?;
    let failed = LabError::of_cluster(choice.cluster);
    let runtime = match (choice.cluster, around, binaries) {
        (Driver::K3s, Some(around), _) => {
            let (k3s, main, authorities) = K3s::start(around, &setting, events).await.map_err(failed)?;
            return Ok((Cluster::K3s(k3s), main, authorities));
        }
        (Driver::Kind, Some(around), _) => {
            let logs = directory.below("kind")?;
            let command = KindCommand::find(options.server_binaries.kind.as_deref(), &version.kind, &logs).await;
            let command = command.map_err(|error| failed(error.into()))?;
            let (kind, main, authorities) = Kind::start(&command, around, &setting, events).await.map_err(failed)?;
            return Ok((Cluster::Kind(kind), main, authorities));
        }
        (Driver::Container, Some(around), _) => Runtime::Pod(Box::new(Pod::new(
            around.engine.clone(),
            choice.images.clone(),
            around.labels.clone(),
            around.network.clone(),
        ))),
        (_, _, Some(binaries)) => Runtime::Machine(Binaries {
            etcd: binaries.etcd.clone(),
            kube_apiserver: binaries.kube_apiserver.clone(),
            kube_controller_manager: binaries.kube_controller_manager.clone(),
            lab: directory.id().clone(),
        }),
        (_, _, None) => unreachable!("a cluster that is not in containers has its programs"),
    };
    let minor = Minor(version.version.minor.into());
    let sabotage = options.sabotage.clone();
    let started = ControlPlane::start(runtime, minor, directory.path(), ours.clone(), places.clone(), sabotage, events);
    let (mut plane, main) = started.await.map_err(&failed)?;
    plane.start_controllers(options.learners > 0).await.map_err(failed)?;
    Ok((Cluster::Plane(Box::new(plane)), main, ours.clone()))
}

/// The installation or image that Keycloak is started from.
enum KeycloakSource {
    Process(keycloak::Prepared),
    Container(KeycloakImage),
}

async fn prepared_keycloak(choice: &Choice, options: &LabOptions, events: &Events) -> Result<KeycloakSource, LabError> {
    if let Some(image) = &choice.keycloak {
        return Ok(KeycloakSource::Container(image.clone()));
    }
    let home = server_binaries::obtain_keycloak(options.pinned_keycloak()?, &options.server_binaries, events).await?;
    Ok(KeycloakSource::Process(keycloak::prepare(&home.directory, events).await?))
}

/// Starts Keycloak beside everything else; `Front` holds early requests.
fn start_keycloak(
    source: KeycloakSource,
    containment: Option<&Containment>,
    front: Front,
    directory: &Directory,
    authorities: &Authorities,
    sabotage: Option<Arc<Sabotage>>,
    events: &Events,
) -> Result<(StartedKeycloak, Readiness), LabError> {
    let (place, id) = (directory.below("keycloak")?, directory.id().clone());
    let serving = authorities.serving_certificate("keycloak")?;
    let authority = authorities.serving.certificate().to_owned();
    let running = Arc::new(tokio::sync::Mutex::new(None));
    let (tell, readiness) = watch::channel(None);
    let (kept, events) = (Arc::clone(&running), events.clone());
    let inside = containment.map(|inside| (inside.engine.clone(), inside.labels.clone(), inside.network.clone()));
    let starting = tokio::spawn(async move {
        let started = match (source, inside) {
            (KeycloakSource::Process(prepared), _) => keycloak::start(&prepared, front, (&place, &id), &serving, &authority, &events).await,
            (KeycloakSource::Container(image), Some((engine, labels, network))) => {
                keycloak::start_in_container(&engine, &labels, &network, image, front, &place, &serving, &authority, &events).await
            }
            (KeycloakSource::Container(_), None) => unreachable!("an image is only chosen with an engine"),
        };
        let told = match started {
            Ok(keycloak) => {
                let client = Keycloak::new(&keycloak.description());
                *kept.lock().await = Some(keycloak);
                match (client, sabotage) {
                    (Ok(client), Some(sabotage)) => without_mappers(client, &sabotage).await,
                    (client, _) => client,
                }
                .map_err(|error| Arc::new(error.into()))
            }
            Err(error) => Err(Arc::new(error.into())),
        };
        tell.send_replace(Some(told));
        // Callers may ask until the lab ends.
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

/// Starts the auth proxies: one passes identity on as headers with its own certificate, one impersonates.
async fn start_proxies(
    main: &ApiServer,
    authorities: &Authorities,
    administrator: &Administrator,
    places: &Placeholders,
) -> Result<BTreeMap<String, AuthProxy>, LabError> {
    // As in `fixtures/authentication/keycloak.toml`: a user of a proxy has the same name as at the API server's own endpoint.
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
    let token = seed_objects::impersonator_token(&administrator.client()).await?;
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

/// Returns a name that cannot be guessed, for a lab that only lives as long as this process.
pub(super) fn passing_name() -> String {
    format!("run-{}", &crate::owner::random()[..16])
}

/// Returns `true` if a server, or the owner, has written to its log.
fn has_logs(directory: &Path) -> bool {
    std::fs::read_dir(directory).into_iter().flatten().flatten().any(|entry| {
        let path = entry.path();
        if path.is_dir() {
            // etcd's data can be large, and contains no readable log.
            entry.file_name() != "etcd" && has_logs(&path)
        } else {
            path.extension().is_some_and(|kind| kind == "log") && entry.metadata().is_ok_and(|file| file.len() > 0)
        }
    })
}
