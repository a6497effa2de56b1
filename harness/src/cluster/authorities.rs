//! The authorities of a cluster, and what they issue to its servers.

use std::path::{Path, PathBuf};

use crate::pki::{Authority, Leaf, PkiError, Purpose, Request, key_pair, write_private};
use crate::secret::Secret;

/// One authority per purpose: a certificate that opens one door opens no other.
#[derive(Clone, Debug)]
pub struct Authorities {
    directory: PathBuf,
    /// Signs client certificates: `--client-ca-file`, and the signer of signing requests.
    pub clients: Authority,
    /// Signs the front proxy's certificate: `--requestheader-client-ca-file`.
    pub request_headers: Authority,
    /// Signs both ends of etcd's connections.
    pub etcd: Authority,
    /// Signs every serving certificate of the lab.
    pub serving: Authority,
}

/// The common name that the front proxy's certificate must have (`--requestheader-allowed-names`).
pub const FRONT_PROXY: &str = "front-proxy-client";

impl Authorities {
    /// New ones, kept in `directory` with what the servers need from them.
    ///
    /// # Errors
    /// A certificate cannot be made or a file not written.
    pub fn create(directory: &Path) -> Result<Self, PkiError> {
        let authorities = Self {
            directory: directory.to_owned(),
            clients: Authority::root("authlab clients")?,
            request_headers: Authority::root("authlab request headers")?,
            etcd: Authority::root("authlab etcd")?,
            serving: Authority::root("authlab serving")?,
        };
        for (authority, name) in authorities.named() {
            authority.save(directory, name)?;
        }
        authorities
            .etcd
            .issue(&Request::server("etcd", &["localhost"]).purpose(Purpose::Both))?
            .save(directory, "etcd-server")?;
        authorities
            .etcd
            .issue(&Request::client("kube-apiserver", &[]))?
            .save(directory, "etcd-client")?;
        authorities
            .serving_certificate("kube-apiserver")?
            .save(directory, "kube-apiserver")?;
        authorities.administrator()?.save(directory, "administrator")?;
        let controllers = Request::client("system:kube-controller-manager", &[]);
        authorities
            .clients
            .issue(&controllers)?
            .save(directory, "kube-controller-manager")?;
        authorities.front_proxy()?.save(directory, "front-proxy")?;
        // Signs service accounts' tokens: P-256, so kube-apiserver signs with ES256.
        let (private, public) = key_pair()?;
        write_private(&directory.join("service-accounts.key"), private.expose())?;
        write_private(&directory.join("service-accounts.pub"), &public)?;
        Ok(authorities)
    }

    /// Reads what [`Authorities::create`] wrote.
    ///
    /// # Errors
    /// A file is missing or damaged.
    pub fn load(directory: &Path) -> Result<Self, PkiError> {
        Ok(Self {
            directory: directory.to_owned(),
            clients: Authority::load(directory, "clients")?,
            request_headers: Authority::load(directory, "request-headers")?,
            etcd: Authority::load(directory, "etcd")?,
            serving: Authority::load(directory, "serving")?,
        })
    }

    /// The path of one of the files.
    pub fn file(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// A certificate for a server of the lab that answers on loopback.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn serving_certificate(&self, common_name: &str) -> Result<Leaf, PkiError> {
        self.serving.issue(&Request::server(
            common_name,
            &["localhost", "kubernetes", "kubernetes.default.svc"],
        ))
    }

    /// A certificate that may do everything: group `system:masters`, which RBAC cannot bind.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn administrator(&self) -> Result<Leaf, PkiError> {
        self.clients.issue(&Request::client("authlab-administrator", &["system:masters"]))
    }

    /// The certificate that lets its holder say who somebody else is.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn front_proxy(&self) -> Result<Leaf, PkiError> {
        self.request_headers.issue(&Request::client(FRONT_PROXY, &[]))
    }

    /// The key that signs service accounts' tokens.
    ///
    /// # Errors
    /// Its file cannot be read.
    pub fn service_account_key(&self) -> Result<Secret, PkiError> {
        let path = self.file("service-accounts.key");
        let read = std::fs::read_to_string(&path);
        read.map(Secret::new).map_err(|source| PkiError::File { path, source })
    }

    fn named(&self) -> [(&Authority, &'static str); 4] {
        [
            (&self.clients, "clients"),
            (&self.request_headers, "request-headers"),
            (&self.etcd, "etcd"),
            (&self.serving, "serving"),
        ]
    }
}
