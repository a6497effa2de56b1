//! The differences of a lab with deliberate faults, beside its servers' own flags and files.

use super::Keycloak;
use crate::cluster::Authorities;
use crate::identity_provider::keycloak::KeycloakError;
use crate::pki::Authority;
use crate::sabotage::Sabotage;

/// Returns the authorities that issue users' credentials: those that the servers trust, unless this is the deliberate fault.
pub(super) fn in_hands(mut authorities: Authorities, sabotage: Option<&Sabotage>, stranger: Option<Authority>) -> Authorities {
    if let (Some(stranger), Some(sabotage)) = (stranger, sabotage)
        && sabotage.strangers_certificates
    {
        authorities.clients = stranger;
    }
    authorities
}

/// Removes from the realm the mappers that the deliberate fault takes away, and returns its client.
pub(super) async fn without_mappers(client: Keycloak, sabotage: &Sabotage) -> Result<Keycloak, KeycloakError> {
    for missing in &sabotage.keycloak {
        client.admin()?.delete_mapper(&missing.client, &missing.mapper).await?;
    }
    Ok(client)
}
