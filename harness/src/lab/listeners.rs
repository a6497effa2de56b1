//! The harness' own servers that API servers ask. The main type is [`Listeners`].

use std::path::{Path, PathBuf};

use serde_json::json;

use super::{LabError, callers, issuers};
use crate::access_webhook::AccessWebhook;
use crate::cluster::{Authorities, Placeholders};
use crate::identity_provider::issuer::{Detour, Egress, Issuer, ListeningIssuer};
use crate::identity_provider::keycloak::Front;
use crate::identity_provider::{Address, Kind};
use crate::kubeconfig::of_files;
use crate::listener::Account;
use crate::pki::write_private;
use crate::token_webhook::TokenWebhook;

/// The file below the lab's directory that API servers read (`--egress-selector-config-file`).
const EGRESS: &str = "egress.json";

/// The file below the lab's directory that an AuthorizationConfiguration names (`kubeConfigFile`).
const ACCESS_WEBHOOK: &str = "access-webhook.kubeconfig";

/// Servers with their ports, so that settings can name them; the issuer and the identity provider hold requests until they are ready.
pub(super) struct Listeners {
    pub(super) issuer: ListeningIssuer,
    /// The identity provider's public address.
    pub(super) front: Front,
    pub(super) token_webhook: TokenWebhook,
    pub(super) access_webhook: AccessWebhook,
    /// The proxy that API servers use for issuers that cannot be reached otherwise.
    pub(super) egress: Egress,
    /// The proxy that leads API servers to stand-ins for their issuers.
    pub(super) detour: Detour,
    /// Their account of the requests of API servers.
    pub(super) account: Account,
    /// Their addresses, as settings name them.
    pub(super) places: Placeholders,
}

impl Listeners {
    /// Opens all of them at `address`, for the lab in `directory` with an identity provider of the kind `provider`.
    pub(super) async fn open(address: &Address, directory: &Path, authorities: &Authorities, provider: Kind) -> Result<Self, LabError> {
        let serving = authorities.serving_certificate("authlab")?;
        let clients = authorities.clients.certificate();
        let account = Account::new(callers::api_servers(directory));
        let kept = || account.clone();
        let (issuer, front, token_webhook, access_webhook) = futures::try_join!(
            async { Ok::<_, LabError>(Issuer::listen_at(address, &serving, issuers::paths()).await?.accounted(kept())) },
            async { Ok(Front::listen_at(address).await?) },
            async { Ok(TokenWebhook::start_at(address, &serving, clients, authorities.seed()?, kept()).await?) },
            async { Ok(AccessWebhook::start_at(address, &serving, clients, kept()).await?) }
        )?;
        let egress = Egress::listen_at(address, &serving, issuer.base().trim_start_matches("https://")).await?;
        let detour = Detour::listen_at(address, &authorities.serving, &issuer.base()).await?;
        let egress_file = write_egress(&egress, directory, authorities)?;
        let access_webhook_file = write_access_webhook(&access_webhook, directory, authorities)?;
        let places = Placeholders {
            keycloak: format!("{}{}", front.url(), provider.facts().issuer_path),
            provider: provider.name().to_owned(),
            issuer: issuer.base(),
            serving_authority: authorities.serving.certificate().to_owned(),
            serving_authority_file: authorities.file("serving.crt").display().to_string(),
            egress_file: egress_file.display().to_string(),
            detour: detour.address().to_owned(),
            token_webhook: token_webhook.url().to_owned(),
            access_webhook_file: access_webhook_file.display().to_string(),
            pki: directory.join("pki").display().to_string(),
        };
        Ok(Self {
            issuer,
            front,
            token_webhook,
            access_webhook,
            egress,
            detour,
            account,
            places,
        })
    }
}

/// Tells API servers of `egress` in a file below `directory`, and returns its path.
fn write_egress(egress: &Egress, directory: &Path, authorities: &Authorities) -> Result<PathBuf, LabError> {
    let file = |name: &str| authorities.file(name).display().to_string();
    // The API server requires a client certificate here; the proxy does not check it.
    let tls = json!({
        "caBundle": file("serving.crt"), "clientCert": file("front-proxy.crt"), "clientKey": file("front-proxy.key"),
    });
    let connection = json!({ "proxyProtocol": "HTTPConnect", "transport": { "tcp": { "url": egress.url(), "tlsConfig": tls } } });
    let configuration = json!({
        "apiVersion": "apiserver.k8s.io/v1beta1", "kind": "EgressSelectorConfiguration",
        "egressSelections": [
            { "name": "controlplane", "connection": connection },
            { "name": "cluster", "connection": connection },
        ],
    });
    let path = directory.join(EGRESS);
    write_private(&path, &configuration.to_string())?;
    Ok(path)
}

/// Tells API servers of `webhook` in a file below `directory`, and returns its path.
fn write_access_webhook(webhook: &AccessWebhook, directory: &Path, authorities: &Authorities) -> Result<PathBuf, LabError> {
    let [authority, certificate, key] = ["serving.crt", "webhook-client.crt", "webhook-client.key"].map(|name| authorities.file(name));
    let kubeconfig = of_files("webhook", webhook.url().to_owned(), &authority, &certificate, &key);
    let path = directory.join(ACCESS_WEBHOOK);
    write_private(&path, &json!(kubeconfig).to_string())?;
    Ok(path)
}
