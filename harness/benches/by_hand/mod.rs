//! The work of a user without authlab, for the benchmarks: an API server by hand.

#![expect(clippy::unwrap_used, reason = "a benchmark that cannot go on stops")]

use authlab::process::{Child, Program, port};
use authlab::server_binaries::ServerBinaries;

use measure::answers;

pub mod measure;

/// An API server with etcd, as somebody starts them by hand: one after the other, in plain HTTP where that is possible.
pub struct ApiServer {
    etcd: Child,
    server: Child,
    _place: tempfile::TempDir,
}

impl ApiServer {
    /// Starts etcd, then kube-apiserver with the minimal options and `further` ones, waits until it is ready, and returns it with its address.
    pub async fn start(binaries: &ServerBinaries, further: &[&str]) -> (Self, String) {
        let place = tempfile::tempdir().unwrap();
        let file = |name: &str| place.path().join(name);
        let (private, public) = authlab::pki::key_pair().unwrap();
        std::fs::write(file("key"), private.expose()).unwrap();
        std::fs::write(file("pub"), public).unwrap();
        let (client, peer) = (port::free().unwrap(), port::free().unwrap());
        let etcd_url = format!("http://127.0.0.1:{client}");
        let mut etcd = Program::new("etcd", &binaries.etcd, file("etcd.log"))
            .argument(format!("--data-dir={}", file("etcd").display()))
            .arguments([
                format!("--listen-client-urls={etcd_url}"),
                format!("--advertise-client-urls={etcd_url}"),
            ])
            .arguments([
                format!("--listen-peer-urls=http://127.0.0.1:{peer}"),
                "--unsafe-no-fsync".to_owned(),
            ])
            .start()
            .await
            .unwrap();
        answers(&mut etcd, &format!("{etcd_url}/health")).await;
        let secure = port::free().unwrap();
        let url = format!("https://127.0.0.1:{secure}");
        let mut server = Program::new("kube-apiserver", &binaries.kube_apiserver, file("kube-apiserver.log"))
            .argument(format!("--etcd-servers={etcd_url}"))
            .argument(format!("--secure-port={secure}"))
            .argument(format!("--cert-dir={}", place.path().display()))
            .argument(format!("--service-account-key-file={}", file("pub").display()))
            .argument(format!("--service-account-signing-key-file={}", file("key").display()))
            .arguments([
                "--service-account-issuer=https://kubernetes.default.svc",
                "--service-cluster-ip-range=10.0.0.0/24",
            ])
            .arguments(["--bind-address=127.0.0.1", "--endpoint-reconciler-type=none"])
            .arguments(further.iter().copied())
            .start()
            .await
            .unwrap();
        answers(&mut server, &format!("{url}/readyz")).await;
        let started = Self {
            etcd,
            server,
            _place: place,
        };
        (started, url)
    }

    /// Ends both servers, and deletes their files.
    pub async fn end(self) {
        self.server.kill().await.unwrap();
        self.etcd.kill().await.unwrap();
    }
}
