//! Attaching to a lab that another process owns.

use std::sync::{Arc, Mutex};

use tokio::sync::watch;

use super::description::LabDescription;
use super::directory::{Ownership, There};
use super::{Administrator, Directory, Inner, Keycloak, Lab, LabError, Owner, control, directory};
use crate::cluster::{Authorities, MAIN};
use crate::identity_provider::issuer::Signer;

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
    let keycloak = match &description.keycloak {
        Some(keycloak) => Keycloak::new(keycloak)?,
        None => return Ok(None),
    };
    let (_, keycloak) = watch::channel(Some(Ok(keycloak)));
    Ok(Some(Lab(Arc::new(Inner {
        description,
        authorities: Some(authorities),
        signer: Some(signer),
        main,
        administrator,
        // The owner may end the servers that run now.
        further: Mutex::default(),
        keycloak,
        owner: Owner::Another(control::Client(control)),
        directory: Arc::new(Directory::of_another(path, id)),
    }))))
}
