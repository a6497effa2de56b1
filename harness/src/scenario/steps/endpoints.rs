//! The endpoints that people use: the API servers with their settings, the auth proxies.

use anyhow::Result;
use cucumber::given;

use super::Step;
use crate::probe::Endpoint;
use crate::scenario::world::World;

/// An API server as the features call it, and the setting it is started with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, cucumber::Parameter)]
#[param(
    name = "configured",
    regex = "the OIDC flags|the configuration file|issuers of every kind|issuers that change|anonymous people for its health alone|everything allowed to everybody|anonymous requests switched off|no UIDs from the front proxy|tokens of every kind|a front proxy of any name|a webhook that it does not trust|nodes|UIDs of certificates switched off|constrained impersonation switched off|UIDs of token requests switched off|OIDC flags beside a configuration file|an OIDC issuer and no client|a symmetric algorithm|anonymous requests in a flag and in the file|a token file whose row has no UID|a file of passwords|UIDs of the front proxy under another name alone|a blank for the front proxy's name"
)]
pub(super) struct Configured(pub(super) &'static str);

impl std::str::FromStr for Configured {
    type Err = anyhow::Error;

    fn from_str(said: &str) -> Result<Self> {
        Ok(Self(match said {
            "the OIDC flags" | "anonymous requests switched off" => "oidc_flags",
            "the configuration file" => "main",
            "issuers of every kind" | "anonymous people for its health alone" => "structured",
            "everything allowed to everybody" | "issuers that change" => "always_allow",
            // Most settings lack the flag for these headers; this one documents that.
            "no UIDs from the front proxy" => "always_allow",
            "tokens of every kind" => "tokens",
            "a front proxy of any name"
            | "a webhook that it does not trust"
            | "nodes"
            | "UIDs of certificates switched off"
            | "constrained impersonation switched off"
            | "UIDs of token requests switched off" => "variant",
            // No API server starts with these.
            "OIDC flags beside a configuration file" => "oidc_flags_and_file",
            "an OIDC issuer and no client" => "issuer_without_client",
            "a symmetric algorithm" => "symmetric_algorithm",
            "anonymous requests in a flag and in the file" => "anonymous_twice",
            "a token file whose row has no UID" => "token_rows_too_short",
            "a file of passwords" => "basic_auth",
            "UIDs of the front proxy under another name alone" => "uid_header_of_its_own",
            "a blank for the front proxy's name" => "blank_proxy_name",
            other => anyhow::bail!("no API server is configured by {other}"),
        }))
    }
}

requires!(further_api_servers);
#[given(expr = "an API server with {configured}")]
async fn an_api_server(world: &mut World, configured: Configured) -> Step {
    let server = world.api_server(configured.0).await?;
    Ok(world.go_to(Endpoint::of(&server)).await?)
}

requires!(auth_proxy);
#[given(expr = "everyone comes through the auth proxy")]
async fn through_the_proxy(world: &mut World) -> Step {
    let endpoint = world.auth_proxy("request-headers")?;
    Ok(world.go_to(endpoint).await?)
}

requires!(auth_proxy);
#[given(expr = "everyone comes through the impersonating auth proxy")]
async fn through_the_impersonating_proxy(world: &mut World) -> Step {
    let endpoint = world.auth_proxy("impersonation")?;
    Ok(world.go_to(endpoint).await?)
}
