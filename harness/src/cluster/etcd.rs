//! etcd, the storage of a control plane's API servers. The main function is [`start`].

use std::path::Path;

use super::authorities::Authorities;
use super::error::ClusterError;
use super::runtime::{Role, Runtime, Server, Wanted};

/// The number of changes that etcd holds in memory before it writes a snapshot; its default of 10,000 exceeds a lab's whole content.
const CHANGES: usize = 1_000;

/// Starts etcd with its data below `directory`; also returns its URL for API servers. It may not be ready yet: they wait for it.
///
/// # Errors
/// It cannot be started.
pub(super) async fn start(runtime: &Runtime, directory: &Path, authorities: &Authorities) -> Result<(Server, String), ClusterError> {
    let file = |name: &str| authorities.file(name).display().to_string();
    let ports = [runtime.port(Role::Etcd)?, runtime.port(Role::Etcd)?];
    let [url, peer] = ports.map(|port| format!("https://127.0.0.1:{port}"));
    let mut arguments = vec![
        "--name=lab".to_owned(),
        format!("--data-dir={}", directory.join("etcd").display()),
        format!("--listen-client-urls={url}"),
        format!("--advertise-client-urls={url}"),
        format!("--listen-peer-urls={peer}"),
        format!("--initial-advertise-peer-urls={peer}"),
        format!("--initial-cluster=lab={peer}"),
        "--client-cert-auth".to_owned(),
        format!("--trusted-ca-file={}", file("etcd.crt")),
        format!("--cert-file={}", file("etcd-server.crt")),
        format!("--key-file={}", file("etcd-server.key")),
        "--peer-client-cert-auth".to_owned(),
        format!("--snapshot-count={CHANGES}"),
        format!("--peer-trusted-ca-file={}", file("etcd.crt")),
        format!("--peer-cert-file={}", file("etcd-server.crt")),
        format!("--peer-key-file={}", file("etcd-server.key")),
    ];
    // Nothing in a lab has to survive a power cut.
    arguments.extend(["--unsafe-no-fsync", "--log-level=warn"].map(str::to_owned));
    let etcd = runtime.start(Wanted {
        role: Role::Etcd,
        name: "etcd".to_owned(),
        arguments,
        ports: ports.to_vec(),
        environment: Vec::new(),
        log: directory.join("etcd.log"),
    });
    Ok((etcd.await?, url))
}
