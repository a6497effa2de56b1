//! What is different in a lab in which something is wrong on purpose, beside its servers' own flags and files.

use super::Keycloak;
use crate::cluster::Authorities;
use crate::identity_provider::keycloak::KeycloakError;
use crate::pki::Authority;
use crate::sabotage::Sabotage;

/// The authorities that people's credentials come from: those that the servers trust, unless it is wrong on purpose.
pub(super) fn in_hands(mut authorities: Authorities, sabotage: Option<&Sabotage>, stranger: Option<Authority>) -> Authorities {
    if let (Some(stranger), Some(sabotage)) = (stranger, sabotage)
        && sabotage.strangers_certificates
    {
        authorities.clients = stranger;
    }
    authorities
}

/// The realm as it is when it lacks what is taken from it on purpose.
pub(super) async fn without_mappers(client: Keycloak, sabotage: &Sabotage) -> Result<Keycloak, KeycloakError> {
    for missing in &sabotage.keycloak {
        client.admin()?.delete_mapper(&missing.client, &missing.mapper).await?;
    }
    Ok(client)
}
