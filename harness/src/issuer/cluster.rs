//! The configuration of an API server that accepts a server's tokens. The main function is [`authentication_configuration`].

use serde::Serialize;
use serde_json::{Value, json};

use super::endpoint::Endpoint;
use super::error::ServerError;
use super::state::State;

/// The prefix of user and group names.
const PREFIX: &str = "oidc:";

/// An AuthenticationConfiguration, in the version that every supported API server reads (KEP-3331).
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Configuration {
    api_version: &'static str,
    kind: &'static str,
    jwt: Vec<Entry>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    issuer: IssuerEntry,
    #[serde(flatten)]
    rest: serde_json::Map<String, Value>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct IssuerEntry {
    url: String,
    #[serde(rename = "discoveryURL", skip_serializing_if = "Option::is_none")]
    discovery_url: Option<String>,
    audiences: Vec<String>,
    certificate_authority: String,
}

/// Returns an AuthenticationConfiguration for all issuers of `state`, whose certificate is verified by `authority`.
pub(super) fn authentication_configuration(state: &State, authority: Option<&str>) -> Result<String, ServerError> {
    let authority = authority.ok_or(ServerError::Plain)?;
    let (audience, rest) = match state.settings.like {
        None => (state.settings.audience.clone(), mappings()),
        Some(shape) => {
            let missing = || ServerError::NoConfiguration(shape.name.clone());
            let entry = shape.configuration().ok_or_else(missing)?;
            let mut entry = entry.as_object().cloned().ok_or_else(missing)?;
            entry.remove("issuer");
            (shape.audience.clone().ok_or_else(missing)?, entry)
        }
    };
    let mut jwt = Vec::new();
    for name in &state.settings.names {
        let url = state.signer.url(name)?;
        let is_called = state.signer.issuer(name)?.called.is_some();
        jwt.push(Entry {
            issuer: IssuerEntry {
                url,
                // Without it, the API server looks for the document below the URL.
                discovery_url: is_called.then(|| state.endpoint_url(name, Endpoint::Discovery)),
                audiences: vec![audience.clone()],
                certificate_authority: authority.to_owned(),
            },
            rest: rest.clone(),
        });
    }
    let configuration = Configuration {
        api_version: "apiserver.config.k8s.io/v1beta1",
        kind: "AuthenticationConfiguration",
        jwt,
    };
    serde_saphyr::to_string(&configuration).map_err(|error| ServerError::Refused(super::Refused::server(error.to_string())))
}

/// Returns the flags for the first issuer of `state`.
pub(super) fn flags(state: &State, authority: Option<&str>, ca_file: &str) -> Result<Vec<String>, ServerError> {
    authority.ok_or(ServerError::Plain)?;
    let name = state.settings.names.first().ok_or(ServerError::NoIssuer)?;
    let url = state.signer.url(name)?;
    if state.signer.issuer(name)?.called.is_some() {
        return Err(ServerError::OnlyCalled(url));
    }
    if let Some(shape) = state.settings.like {
        return Err(ServerError::NoConfiguration(shape.name.clone()));
    }
    Ok(vec![
        format!("--oidc-issuer-url={url}"),
        format!("--oidc-client-id={}", state.settings.audience),
        format!("--oidc-ca-file={ca_file}"),
        "--oidc-username-claim=sub".to_owned(),
        format!("--oidc-username-prefix={PREFIX}"),
        "--oidc-groups-claim=groups".to_owned(),
        format!("--oidc-groups-prefix={PREFIX}"),
        format!("--oidc-signing-algs={}", state.settings.algorithm),
    ])
}

fn mappings() -> serde_json::Map<String, Value> {
    let mapped = |claim: &str| json!({ "claim": claim, "prefix": PREFIX });
    let mappings = json!({ "username": mapped("sub"), "groups": mapped("groups") });
    serde_json::Map::from_iter([("claimMappings".to_owned(), mappings)])
}
