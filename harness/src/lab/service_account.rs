//! Tokens of service accounts. The main function is [`token`].

use std::time::Duration;

use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::Api;
use kube::api::PostParams;
use serde_json::json;

use crate::secret::Secret;

/// Returns a token of the service account `name` of `accounts`, valid for `life`. A missing account is created.
///
/// # Errors
/// The API server does not create the account, or does not issue the token.
pub(crate) async fn token(accounts: &Api<ServiceAccount>, name: &str, life: Duration) -> kube::Result<Secret> {
    let account = serde_json::from_value(json!({ "metadata": { "name": name } })).unwrap_or_default();
    unless_it_exists(accounts.create(&PostParams::default(), &account).await)?;
    let request = TokenRequest {
        spec: TokenRequestSpec {
            expiration_seconds: Some(life.as_secs().cast_signed()),
            ..TokenRequestSpec::default()
        },
        ..TokenRequest::default()
    };
    let made = accounts.create_token_request(name, &PostParams::default(), &request).await?;
    Ok(Secret::new(made.status.map(|status| status.token).unwrap_or_default()))
}

/// Returns the result of creating an object, where one that exists is as good.
pub(crate) fn unless_it_exists<T>(created: kube::Result<T>) -> kube::Result<()> {
    match created {
        Err(kube::Error::Api(status)) if status.code == 409 => Ok(()),
        created => created.map(drop),
    }
}
