//! What a lab will ask of Keycloak, asked once while its class archive is being written.
//!
//! [`practise`] is the whole of it: classes that are used now are in the archive, and need not be read, checked
//! and linked at each later start.

use super::realm::new_secret;
use super::{CLIENT, KeycloakClient, KeycloakDescription, KeycloakError};

/// Uses every way in once, and checks nothing: what does not work here, scenarios find.
pub(super) async fn practise(realm: &KeycloakDescription) -> Result<(), KeycloakError> {
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
        // Refused, as it should be: a refusal has classes of its own.
        let _refused = client.refresh(refresh).await;
    }
    let _refused = client.password_grant(&user.name, &new_secret()).await;
    admin.set_enabled(&user.name, false).await?;
    admin.logout_user(&user.name).await?;
    admin.delete_user(&user.name).await
}
