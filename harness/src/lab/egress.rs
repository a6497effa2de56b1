//! The egress proxy that API servers use for issuers that cannot be reached otherwise.
//!
//! The main function is [`start`].

use std::path::{Path, PathBuf};

use serde_json::json;

use super::LabError;
use crate::cluster::Authorities;
use crate::identity_provider::Address;
use crate::identity_provider::issuer::Egress;
use crate::pki::{Leaf, write_private};

/// The file below the lab's directory that API servers read (`--egress-selector-config-file`).
const FILE: &str = "egress.json";

/// Starts the egress proxy to `issuer` at `address`, and writes its configuration for API servers below `directory`.
///
/// # Errors
/// It cannot listen, or the file cannot be written.
pub(super) async fn start(
    address: &Address,
    serving: &Leaf,
    issuer: &str,
    (directory, authorities): (&Path, &Authorities),
) -> Result<(Egress, PathBuf), LabError> {
    let issuer = issuer.trim_start_matches("https://");
    let egress = Egress::listen_at(address, serving, issuer).await?;
    let file = |name: &str| authorities.file(name).display().to_string();
    // The API server requires a client certificate here; the proxy does not check it.
    let tls = json!({
        "caBundle": file("serving.crt"), "clientCert": file("front-proxy.crt"), "clientKey": file("front-proxy.key"),
    });
    let connection = json!({ "proxyProtocol": "HTTPConnect", "transport": { "tcp": { "url": egress.url(), "tlsConfig": tls } } });
    let configuration = json!({
        "apiVersion": "apiserver.k8s.io/v1beta1", "kind": "EgressSelectorConfiguration",
        "egressSelections": [{ "name": "controlplane", "connection": connection }],
    });
    let path = directory.join(FILE);
    write_private(&path, &configuration.to_string())?;
    Ok((egress, path))
}
