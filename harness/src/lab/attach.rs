//! Attaching to a lab that another process owns, or starting one instead.
//!
//! The main functions are [`with_lab`] and [`attach_or_start`].

use std::sync::{Arc, Mutex};

use tokio::sync::watch;

use super::description::LabDescription;
use super::directory::{Ownership, There, labs};
use super::{Administrator, DEFAULT_NAME, Directory, Inner, Keycloak, Lab, LabError, LabOptions, Owner, control, directory};
use crate::cluster::{Authorities, Driver, MAIN};
use crate::event::Events;
use crate::identity_provider::Provider;
use crate::identity_provider::issuer::Signer;
use crate::identity_provider::oidc_provider::OidcProviderClient;

/// Runs `work` in a lab: a running one that matches `options`, or a new one that ends with `work`.
///
/// A lab whose `work` failed keeps its directory with the servers' logs, as evidence.
///
/// # Errors
/// The lab could not be started or ended, or `work`'s own error.
pub async fn with_lab<T, E, F>(options: &LabOptions, events: &Events, work: impl FnOnce(Lab) -> F) -> Result<T, E>
where
    E: From<LabError>,
    F: Future<Output = Result<T, E>>,
{
    let lab = attach_or_start(options, events).await?;
    // The run keeps other processes from ending the servers that it uses.
    let _under_way = lab.begin_run(&crate::owner::random()).await?;
    let done = work(lab.clone()).await;
    lab.end(options.keep || done.is_err()).await?;
    done
}

/// Returns a running lab that matches `options`, or a new one that this process owns.
///
/// # Errors
/// The running lab of the given name does not match or has learners, or no lab could be started.
pub async fn attach_or_start(options: &LabOptions, events: &Events) -> Result<Lab, LabError> {
    crate::tls::choose_provider();
    // An existing cluster has no lab to attach to: the cluster itself is what stays up. And no lab records its Keycloak version.
    if options.cluster == Some(Driver::Existing) || options.own || options.keycloak.is_some() {
        return start(options, events).await;
    }
    let name = options.name.as_deref().unwrap_or(DEFAULT_NAME);
    match (Lab::attach(name).await?, &options.name) {
        (Some(lab), Some(name)) if lab.is_kept_from(options) => return Err(LabError::HasLearners { name: name.clone() }),
        (Some(lab), None) if lab.is_kept_from(options) => events.note(format!(
            "not using the lab '{name}' that is up: it has learners, and scenarios give rights away; starting another for this run"
        )),
        (Some(lab), asked) => match (lab.description().mismatch(options)?, asked) {
            (None, _) => {
                events.note(format!(
                    "using the lab '{name}' that is up (Kubernetes {})",
                    lab.description().kubernetes
                ));
                return Ok(lab);
            }
            (Some(why), Some(_)) => {
                return Err(LabError::Mismatch {
                    name: name.to_owned(),
                    why,
                });
            }
            (Some(why), None) => events.note(format!(
                "not using the lab '{name}' that is up: {why}; starting another for this run"
            )),
        },
        (None, Some(name)) => return Err(not_up(name)?),
        (None, None) => {}
    }
    start(options, events).await
}

/// Starts a lab, unless only one that is up may be used. A cluster that exists needs no lab.
async fn start(options: &LabOptions, events: &Events) -> Result<Lab, LabError> {
    if options.attach_only && options.cluster != Some(Driver::Existing) {
        return Err(LabError::NotShared);
    }
    Lab::start(options, events).await
}

/// Returns the reason why the lab `name` cannot be attached to.
pub(super) fn not_up(name: &str) -> Result<LabError, LabError> {
    let labs = labs()?;
    if labs.iter().any(|lab| lab.name == name) {
        return Ok(LabError::NotReady { name: name.to_owned() });
    }
    Ok(LabError::NotUp {
        name: name.to_owned(),
        up: labs.into_iter().map(|lab| lab.name).collect(),
    })
}

/// Attaches to the lab `name`; `None` unless it is up and ready.
pub(super) async fn attach(name: &str) -> Result<Option<Lab>, LabError> {
    let path = directory::place(name)?;
    if !directory::expect_trusted()? {
        return Ok(None);
    }
    let id = match directory::look(&path) {
        There::Lab(Some(marker), Ownership::Owned) => marker.id,
        There::Nothing | There::Lab(..) => return Ok(None),
        There::Other(why) => return Err(LabError::NotALab { path, why }),
    };
    let Some(description) = LabDescription::load(&path)? else {
        return Ok(None);
    };
    let (Some(control), Some(main)) = (description.control.clone(), description.api_servers.get(MAIN).cloned()) else {
        return Ok(None);
    };
    let authorities = Authorities::load(&path.join("pki"))?;
    let signer = Signer::load(&path.join("issuer"))?;
    let administrator = Administrator::new(&main, authorities.administrator()?)?;
    let ready = |client| watch::channel(Some(Ok(client))).1;
    let provider = match (&description.keycloak, &description.oidc_provider) {
        (Some(keycloak), _) => ready(Provider::Keycloak(Keycloak::new(keycloak)?)),
        (None, Some(provider)) => ready(Provider::OidcProvider(OidcProviderClient::new(provider)?)),
        (None, None) if description.identity_provider.is_none() => super::provider::none(),
        (None, None) => return Ok(None),
    };
    Ok(Some(Lab(Arc::new(Inner {
        description,
        authorities: Some(authorities),
        signer: Some(signer),
        main,
        administrator,
        // The owner may end the servers that run now.
        further: Mutex::default(),
        provider,
        owner: Owner::Another(control::Client(control)),
        directory: Arc::new(Directory::of_another(path, id)),
    }))))
}
