//! The start of a lab, as a list. The main function is [`start`].

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::{Arc, Mutex};

use super::description::{LabDescription, fingerprint};
use super::listeners::Listeners;
use super::owned::Owned;
use super::plan::Plan;
use super::sabotaged::in_hands;
use super::watched_scope::ScopeOnDemand;
use super::{
    Administrator, Directory, Inner, Lab, LabError, LabOptions, Owner, auth_proxies, kubectl, own_servers, passing_name, provider,
    seed_objects,
};
use crate::cluster::{Authorities, Driver, Inputs, MAIN, Minor};
use crate::event::Events;
use crate::identity_provider::Address;
use crate::identity_provider::issuer::HIDDEN;

/// The directory below a lab's with what API servers beside those of the fixtures are started with.
pub(super) const GIVEN: &str = "given";

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
    if options.bare
        && let Err(error) = &started
        && error.is_server_exit()
        && let Some(said) = last_words(directory.path(), MAIN).await
    {
        // A server's words about its configuration are an answer, and need no evidence.
        return Err(LabError::NotAccepted { said });
    }
    if started.is_err() && has_logs(directory.path()) {
        directory.keep();
    }
    started
}

/// Starts everything that a lab needs, in order.
async fn start_servers(directory: &Arc<Directory>, name: &str, options: &LabOptions, events: &Events) -> Result<Lab, LabError> {
    let plan = Plan::make(options, directory, events).await?;
    let driver = plan.cluster.driver();
    let identity_provider = plan.provider.as_ref().map(super::plan::ProviderPlan::driver);
    let provider_version = plan.provider.as_ref().map(|provider| provider.version(options)).transpose()?;
    let kind = plan.provider.as_ref().map(super::plan::ProviderPlan::kind).unwrap_or_default();

    // The start of a bare lab is part of an answer that is awaited anyway: only fetching its servers is worth a word.
    let silent = Events::silent();
    let events = if options.bare { &silent } else { events };
    // Servers need each other's addresses, certificates and ports.
    let scope = ScopeOnDemand::new(name, directory, events);
    let address = plan.cluster.address(&scope).await?;
    let ours = authorities(directory, &address).await?;
    let stranger = options.sabotage.as_ref().map(|_| ours.add_stranger()).transpose()?;
    let Listeners {
        issuer,
        front,
        token_webhook,
        access_webhook,
        egress,
        detour,
        account,
        places,
    } = Listeners::open(&address, directory.path(), &ours, kind).await?;

    // The servers, all at once. Keycloak takes longest, and nothing waits for it.
    let (provider, readiness) = match plan.provider {
        Some(plan) => {
            let real_keys = issuer.real_keys();
            // In containers, and on other systems than Linux, nothing says which API server calls.
            let account = (driver == Driver::Process && cfg!(target_os = "linux")).then(|| account.clone());
            let published = provider::Published { front, real_keys, account };
            let started = provider::start(plan, &scope, published, directory, &ours, options, events).await?;
            (Some(started.0), started.1)
        }
        None => (None, provider::none()),
    };
    let inputs = Inputs {
        directory: directory.path(),
        authorities: &ours,
        version: Minor(plan.version.version.minor.into()),
        places: &places,
        main: options.main.as_deref(),
    };
    let (started, issuer) = futures::try_join!(
        plan.cluster.start(&scope, inputs, options, events),
        // Its RSA key is generated while the servers start; until then requests wait.
        async { Ok(issuer.serve().await?) },
    )?;
    issuer.signer().save(&directory.below("issuer")?)?;
    let (main, authorities) = (started.main, started.authorities);

    // The objects inside the cluster, and the proxies in front of it.
    let administrator = Administrator::new(&main, authorities.administrator()?)?;
    let (kubernetes, minor) = administrator.kubernetes().await?;
    let objects = events.in_phase("objects of the lab", async |_| {
        if options.bare {
            return Ok(BTreeMap::new());
        }
        let client = administrator.client();
        seed_objects::prepare(&client, &format!("v{}", plan.version.version), kind).await?;
        if let Some(sabotage) = &options.sabotage {
            seed_objects::add(&client, &sabotage.objects).await?;
        }
        auth_proxies::start(&main, &authorities, &administrator, &places, &directory.below("auth-proxies")?).await
    });
    let proxies = objects.await?;

    // The lab, for this process and for others.
    let signer = issuer.signer().clone();
    let own_servers = own_servers::observed(driver, plan.programs.as_ref());
    let (programs, kubectl) = kubectl::find(plan.programs.as_ref(), minor, directory.path()).await;
    let auth_proxies = auth_proxies::described(&proxies);
    let owned = Owned {
        cluster: tokio::sync::Mutex::new(Some(started.cluster)),
        provider,
        given: directory.below(GIVEN)?,
        issuer: Mutex::new(Some((issuer, egress, detour))),
        token_webhook: Mutex::new(Some(token_webhook)),
        access_webhook: Mutex::new(Some(access_webhook)),
        account,
        proxies: Mutex::new(proxies.into_values().collect()),
        scope: tokio::sync::Mutex::new(scope.into_made()),
        _programs: plan.programs,
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
        cluster: driver,
        identity_provider,
        provider: identity_provider.map(|_| kind),
        provider_version,
        given: options.main.as_ref().map(|given| given.name()),
        project: options.project.clone(),
        observed: std::iter::once(("kubectl".to_owned(), kubectl)).chain(own_servers).collect(),
        learners: options.learners,
        api_servers: BTreeMap::from([(MAIN.to_owned(), main.clone())]),
        issuer: places.issuer,
        keycloak_issuer: places.keycloak,
        keycloak: None,
        oidc_provider: None,
        realm: options.realm.as_ref().map(|realm| realm.fingerprint.clone()),
        auth_proxies,
        programs,
        processes: owned.processes().await,
        containers: owned.containers().await,
        engine: owned.engine().await,
        control: None,
    };
    description.save(directory.path())?;
    Ok(Lab(Arc::new(Inner {
        description,
        signer: Some(signer),
        authorities: Some(in_hands(authorities, options.sabotage.as_deref(), stranger)),
        main,
        administrator,
        further: Mutex::new(HashMap::new()),
        provider: readiness,
        owner: Owner::Us(Box::new(owned)),
        directory: Arc::clone(directory),
    })))
}

/// Makes the lab's authorities, whose certificates serve at `address`.
async fn authorities(directory: &Directory, address: &Address) -> Result<Authorities, LabError> {
    let (pki, hosts) = (directory.below("pki")?, vec![address.host.clone(), HIDDEN.to_owned()]);
    let created = tokio::task::spawn_blocking(move || Authorities::create(&pki, &hosts)).await;
    Ok(created.map_err(|_| LabError::Ended)??)
}

/// Returns the reason for which the API server `name` of the lab in `directory` ended, redacted.
pub(super) async fn last_words(directory: &Path, name: &str) -> Option<String> {
    let log_of = directory.join("api-servers").join(name).join("kube-apiserver.log");
    let log = tokio::fs::read_to_string(&log_of).await.ok()?;
    let said = crate::probe::failure(&log)?;
    // The user knows what was given, and not where it was put.
    let place = format!("{}/", log_of.parent().unwrap_or(directory).display());
    Some(crate::secret::redact(&said.replace(&place, "")).into_owned())
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
