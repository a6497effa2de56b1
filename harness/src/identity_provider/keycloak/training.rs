//! The requests that a lab will send to Keycloak, sent once while its class archive is being written.
//!
//! [`warm_up`] sends them all: classes that are used now are in the archive, and need not be read, checked
//! and linked at each later start.

use super::realm::new_secret;
use super::{CLIENT, KeycloakClient, KeycloakDescription, KeycloakError};

/// Sends each kind of request once, and checks nothing: scenarios find the faults.
pub(super) async fn warm_up(realm: &KeycloakDescription) -> Result<(), KeycloakError> {
    let client = KeycloakClient::new(realm)?.as_client(CLIENT)?;
    client.discovery().await?;
    client.keys().await?;
    let admin = client.admin()?;
    let user = admin.create_user("trainee", &new_secret(), &["training"]).await?;
    admin.grant_role(&user.name, "more-training").await?;
    admin.withdraw_role(&user.name, "more-training").await?;
    admin.user(&user.name).await?;
    let tokens = client.password_grant(&user.name, &user.password).await?;
    client.userinfo(&tokens.access).await?;
    client.introspect(&tokens.access).await?;
    if let Some(refresh) = &tokens.refresh {
        let again = client.refresh(refresh).await?;
        client.revoke(&again.access).await?;
        client.logout(refresh).await?;
        // The refusal is expected: it has classes of its own.
        let _refused = client.refresh(refresh).await;
    }
    let _refused = client.password_grant(&user.name, &new_secret()).await;
    admin.set_enabled(&user.name, false).await?;
    admin.logout_user(&user.name).await?;
    admin.delete_user(&user.name).await
}
