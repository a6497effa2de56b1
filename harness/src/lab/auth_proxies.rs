//! The auth proxies of a lab, in front of its main API server. The main function is [`start`].

use std::collections::BTreeMap;
use std::path::Path;

use super::description::AuthProxyDescription;
use super::{Administrator, LabError, seed_objects};
use crate::auth_proxy::{self, AuthProxy, Backend, PassOn, ProxyCredential, TokenIssuer};
use crate::cluster::{ApiServer, Authorities, Placeholders};

/// Starts the auth proxies: one passes identity on as headers with its own certificate, one impersonates.
pub(super) async fn start(
    main: &ApiServer,
    authorities: &Authorities,
    administrator: &Administrator,
    places: &Placeholders,
    records: &Path,
) -> Result<BTreeMap<String, AuthProxy>, LabError> {
    // As in `fixtures/authentication/keycloak.toml`: a user of a proxy has the same name as at the API server's own endpoint.
    let prefix = || format!("{}:", places.provider);
    let issuer = TokenIssuer {
        username_prefix: prefix(),
        groups_claim: Some("user_groups".to_owned()),
        groups_prefix: prefix(),
        ..TokenIssuer::new(&places.keycloak, &places.serving_authority, "kubernetes")
    };
    let settings = |name: &str, pass_on| {
        Ok::<_, LabError>(auth_proxy::Settings {
            certificate: authorities.serving_certificate("auth proxy")?,
            caller_authority: Some(authorities.clients.certificate().to_owned()),
            token_issuer: Some(issuer.clone()),
            backend: Backend {
                url: main.url.clone(),
                authority: main.serving_authority.clone(),
            },
            pass_on,
            extra: BTreeMap::new(),
            patience: auth_proxy::Patience::default(),
            record: Some(records.join(format!("{name}.jsonl"))),
        })
    };
    let names = auth_proxy::HeaderNames::default();
    let headers = PassOn::Headers {
        certificate: authorities.front_proxy()?,
        names,
    };
    let token = seed_objects::impersonator_token(&administrator.client()).await?;
    let impersonation = PassOn::Impersonation {
        credential: ProxyCredential::Token(token),
    };
    let mut proxies = BTreeMap::new();
    for (name, pass_on) in [("request-headers", headers), ("impersonation", impersonation)] {
        proxies.insert(name.to_owned(), AuthProxy::start(settings(name, pass_on)?).await?);
    }
    Ok(proxies)
}

/// Returns where each of `proxies` is asked.
pub(super) fn described(proxies: &BTreeMap<String, AuthProxy>) -> BTreeMap<String, AuthProxyDescription> {
    let described = proxies.iter().map(|(name, proxy)| {
        let description = AuthProxyDescription {
            url: format!("https://{}", proxy.address()),
            record: proxy.record().map(Path::to_owned),
        };
        (name.clone(), description)
    });
    described.collect()
}
