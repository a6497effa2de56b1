//! The servers that people use: API servers with their settings, auth proxies. The modules are about an API server's configuration,
//! log and metrics.

mod configurations;
mod load_balancer;
mod logs;
pub(super) mod metrics;

use cucumber::{given, then};

use super::{Person, Step, answers};
use crate::probe::{Endpoint, Question};
use crate::scenario::world::World;

/// An API server as the features call it, and the setting it is started with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Configured(pub(super) &'static str);

phrases! {
    Configured as "configured" {
        "the OIDC flags" => Self("oidc_flags"),
        "anonymous requests switched off" => Self("oidc_flags"),
        "the configuration file" => Self("main"),
        "many differently configured issuers" => Self("structured"),
        "the issuers of known providers" => Self("token_shapes"),
        "anonymous requests for its liveness check only" => Self("structured"),
        "the AlwaysAllow authorizer" => Self("always_allow"),
        "issuers that can be replaced" => Self("always_allow"),
        // Most settings lack the flag for these headers; this one documents that.
        "no UIDs from the front proxy" => Self("always_allow"),
        "a token file, bootstrap tokens, a token webhook and an issuer" => Self("tokens"),
        "a webhook that it trusts" => Self("tokens"),
        "a webhook that it asks in v1" => Self("tokens"),
        "a webhook that it asks in v1beta1" => Self("webhook_without_version"),
        "front proxies of any name" => Self("variant"),
        "a webhook that it does not trust" => Self("variant"),
        "tokens for admission webhooks" => Self("variant"),
        "the Node authorizer" => Self("variant"),
        "UIDs of certificates switched off" => Self("variant"),
        "constrained impersonation switched off" => Self("variant"),
        "UIDs of token requests switched off" => Self("variant"),
        "a store of its own" => Self("own_store"),
        "self-reviews in older versions alone" => Self("own_store"),
        "several authorizers" => Self("authorizers"),
        "an audit policy for each group" => Self("authorizers"),
        "kubelets whose certificates it checks" => Self("authorizers"),
        "an external signer of service account tokens" => Self("external_signer"),
        // No API server starts with these.
        "OIDC flags beside a configuration file" => Self("oidc_flags_and_file"),
        "an OIDC issuer and no client" => Self("issuer_without_client"),
        "a symmetric algorithm" => Self("symmetric_algorithm"),
        "anonymous requests in a flag and in the file" => Self("anonymous_twice"),
        "a token file whose row has no UID" => Self("token_rows_too_short"),
        "a file of passwords" => Self("basic_auth"),
        "UIDs of the front proxy under another name alone" => Self("uid_header_of_its_own"),
        "a blank for the front proxy's name" => Self("blank_proxy_name"),
        "one CA for clients and for front proxies of any name" => Self("shared_authority"),
    }
}

requires!(further_api_servers, external_signer if "an external signer", external_token_signer if "an external signer");
#[given(expr = "an API server with {configured}")]
async fn an_api_server(world: &mut World, configured: Configured) -> Step {
    let server = world.api_server(configured.0).await?;
    Ok(world.go_to(Endpoint::of(&server)).await?)
}

requires!(further_api_servers);
#[then(expr = "{person} is accepted as {string} by an API server with {configured}")]
async fn accepted_elsewhere(world: &mut World, person: Person, user: String, configured: Configured) -> Step {
    an_api_server(world, configured).await?;
    let answer = world.ask(&person, &Question::who_am_i()).await?;
    answers::accepted(&answer, &user)
}

/// An auth proxy as the features call it, and its name in the lab.
struct AuthProxy(&'static str);

phrases! {
    AuthProxy as "auth_proxy" {
        "the auth proxy" => Self("request-headers"),
        "the impersonating auth proxy" => Self("impersonation"),
    }
}

requires!(auth_proxy);
#[given(expr = "all requests go through {auth_proxy}")]
async fn through_a_proxy(world: &mut World, proxy: AuthProxy) -> Step {
    let endpoint = world.auth_proxy(proxy.0)?;
    Ok(world.go_to(endpoint).await?)
}
