//! The authorities of a cluster, and the certificates that they issue to its servers.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use crate::pki::{Authority, Leaf, PkiError, Purpose, Request, Seed, key_pair, same_key, write_private};
use crate::secret::Secret;

/// One authority per purpose, so that a certificate for one purpose is not valid for another.
#[derive(Clone, Debug)]
pub struct Authorities {
    directory: PathBuf,
    /// The names and addresses of the lab's servers, in addition to loopback.
    hosts: Vec<String>,
    /// Signs client certificates: `--client-ca-file`, and the signer of signing requests.
    pub clients: Authority,
    /// Signs the front proxy's certificate: `--requestheader-client-ca-file`.
    pub request_headers: Authority,
    /// Signs both ends of etcd's connections.
    pub etcd: Authority,
    /// Signs the serving certificates of the lab's own API servers. Other API servers make their own.
    pub api_servers: Authority,
    /// Signs every other serving certificate of the lab.
    pub serving: Authority,
}

/// The authorities that a cluster made for itself: certificates (PEM) with their keys.
#[derive(Clone, Debug)]
pub struct ReadBack {
    /// Signs client certificates.
    pub clients: (String, Secret),
    /// Signs the front proxy's certificate.
    pub request_headers: (String, Secret),
    /// Signs service accounts' tokens; `None` if the cluster was given our key.
    pub service_accounts: Option<Secret>,
}

/// The common name that the front proxy's certificate must have (`--requestheader-allowed-names`).
pub const FRONT_PROXY: &str = "front-proxy-client";

/// The file name of the authority of clients.
const CLIENTS: &str = "clients";

/// The file with the seed of the lab's own secrets.
const SEED: &str = "secrets.seed";

impl Authorities {
    /// Creates new authorities and keeps them in `directory` with the files that the servers need. Serving certificates are valid for
    /// loopback and for `hosts`, names or addresses.
    ///
    /// # Errors
    /// A certificate cannot be made or a file cannot be written.
    pub fn create(directory: &Path, hosts: &[String]) -> Result<Self, PkiError> {
        let authorities = Self {
            directory: directory.to_owned(),
            hosts: hosts.to_owned(),
            clients: Authority::root("authlab clients")?,
            request_headers: Authority::root("authlab request headers")?,
            etcd: Authority::root("authlab etcd")?,
            api_servers: Authority::root("authlab API servers")?,
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
            .api_servers
            .issue(&authorities.serving_request("kube-apiserver"))?
            .save(directory, "kube-apiserver")?;
        authorities.administrator()?.save(directory, "administrator")?;
        let controllers = Request::client("system:kube-controller-manager", &[]);
        authorities
            .clients
            .issue(&controllers)?
            .save(directory, "kube-controller-manager")?;
        authorities.front_proxy()?.save(directory, "front-proxy")?;
        // API servers present it to the token webhook.
        authorities
            .clients
            .issue(&Request::client("kube-apiserver", &[]))?
            .save(directory, "webhook-client")?;
        Seed::random().save(&directory.join(SEED))?;
        create_service_accounts_key(directory)?;
        Ok(authorities)
    }

    /// Reads what [`Authorities::create`] wrote.
    ///
    /// # Errors
    /// A file is missing or damaged.
    pub fn load(directory: &Path) -> Result<Self, PkiError> {
        Ok(Self {
            directory: directory.to_owned(),
            hosts: Vec::new(),
            clients: Authority::load(directory, CLIENTS)?,
            request_headers: Authority::load(directory, "request-headers")?,
            etcd: Authority::load(directory, "etcd")?,
            api_servers: Authority::load(directory, "api-servers")?,
            serving: Authority::load(directory, "serving")?,
        })
    }

    /// Returns these authorities with those that a cluster made for itself and that were read back from it. They replace ours on disk;
    /// [`Authorities::load`] finds them. Certificates that ours signed for the servers of a control plane are no longer of use.
    /// The authorities of issuers, auth proxies and Keycloak (`serving`) and of etcd stay ours.
    ///
    /// # Errors
    /// A key is of another kind than ours or does not belong to its certificate, or a file cannot be written.
    pub fn read_back(&self, read: &ReadBack) -> Result<Self, PkiError> {
        let mut authorities = self.clone();
        authorities.clients = Authority::from_pem(&read.clients.0, &read.clients.1)?;
        authorities.request_headers = Authority::from_pem(&read.request_headers.0, &read.request_headers.1)?;
        for (authority, name) in authorities.named() {
            authority.save(&self.directory, name)?;
        }
        authorities.administrator()?.save(&self.directory, "administrator")?;
        authorities.front_proxy()?.save(&self.directory, "front-proxy")?;
        if let Some(key) = &read.service_accounts {
            let (private, public) = same_key(key)?;
            write_private(&self.file("service-accounts.key"), private.expose())?;
            write_private(&self.file("service-accounts.pub"), &public)?;
        }
        Ok(authorities)
    }

    /// Makes an authority of clients and a key of service accounts for an API server that accepts no credential of the lab, keeps both in
    /// `directory`, and returns them with the lab's other authorities.
    ///
    /// They cannot be made, or a file cannot be written.
    /// They cannot be made, or a file not written.
    pub fn create_apart(&self, directory: &Path) -> Result<Self, PkiError> {
        let clients = Authority::root("authlab clients apart")?;
        clients.save(directory, CLIENTS)?;
        create_service_accounts_key(directory)?;
        self.load_apart(directory)
    }

    /// Reads what [`Authorities::create_apart`] wrote.
    ///
    /// # Errors
    /// A file is missing or damaged.
    pub fn load_apart(&self, directory: &Path) -> Result<Self, PkiError> {
        Ok(Self {
            directory: directory.to_owned(),
            clients: Authority::load(directory, CLIENTS)?,
            ..self.clone()
        })
    }

    /// Adds an authority and a key that signed nothing in the lab (`stranger`), for labs in which something is wrong on purpose.
    ///
    /// # Errors
    /// They cannot be made, or a file cannot be written.
    pub fn add_stranger(&self) -> Result<Authority, PkiError> {
        let stranger = Authority::root("authlab stranger")?;
        stranger.save(&self.directory, "stranger")?;
        write_private(&self.file("stranger.pub"), &key_pair()?.1)?;
        Ok(stranger)
    }

    /// Returns the path of one of the files.
    pub fn file(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// Issues a certificate for a server of the lab that listens on loopback or on one of the lab's hosts.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn serving_certificate(&self, common_name: &str) -> Result<Leaf, PkiError> {
        self.serving.issue(&self.serving_request(common_name))
    }

    fn serving_request(&self, common_name: &str) -> Request {
        let mut names = vec!["localhost", "kubernetes", "kubernetes.default.svc"];
        let (addresses, further): (Vec<&String>, Vec<&String>) = self.hosts.iter().partition(|host| host.parse::<IpAddr>().is_ok());
        names.extend(further.into_iter().map(String::as_str));
        let request = Request::server(common_name, &names);
        request.addresses(addresses.into_iter().filter_map(|address| address.parse().ok()))
    }

    /// Issues a certificate without any restriction: group `system:masters`, which RBAC cannot restrict.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn administrator(&self) -> Result<Leaf, PkiError> {
        self.clients.issue(&Request::client("authlab-administrator", &["system:masters"]))
    }

    /// Issues the front proxy's certificate, which lets its holder assert the identity of another user.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn front_proxy(&self) -> Result<Leaf, PkiError> {
        self.request_headers.issue(&Request::client(FRONT_PROXY, &[]))
    }

    /// Returns the key that signs service accounts' tokens.
    ///
    /// # Errors
    /// Its file cannot be read.
    pub fn service_account_key(&self) -> Result<Secret, PkiError> {
        let path = self.file("service-accounts.key");
        let read = std::fs::read_to_string(&path);
        read.map(Secret::new).map_err(|source| PkiError::File { path, source })
    }

    /// Returns the seed of the lab's own secrets.
    ///
    /// # Errors
    /// Its file cannot be read.
    pub fn seed(&self) -> Result<Seed, PkiError> {
        Seed::load(&self.file(SEED))
    }

    /// Returns the lab's own secret named `name`, the same on every call: the value of `{secret:NAME}` in a file of
    /// `fixtures/api_servers/`.
    ///
    /// # Errors
    /// The seed cannot be read.
    pub fn secret(&self, name: &str) -> Result<Secret, PkiError> {
        Ok(self.seed()?.secret(name))
    }

    fn named(&self) -> [(&Authority, &'static str); 5] {
        [
            (&self.clients, CLIENTS),
            (&self.request_headers, "request-headers"),
            (&self.etcd, "etcd"),
            (&self.api_servers, "api-servers"),
            (&self.serving, "serving"),
        ]
    }
}

/// Creates the key that signs service accounts' tokens: P-256, so kube-apiserver signs with ES256.
fn create_service_accounts_key(directory: &Path) -> Result<(), PkiError> {
    let (private, public) = key_pair()?;
    write_private(&directory.join("service-accounts.key"), private.expose())?;
    write_private(&directory.join("service-accounts.pub"), &public)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_cluster_made_takes_the_place_of_ours_and_is_found_again() {
        let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (mine, other) = (
            Authorities::create(ours.path(), &[]).unwrap(),
            Authorities::create(theirs.path(), &[]).unwrap(),
        );
        let pair = |name: &str| {
            let read = |end: &str| std::fs::read_to_string(other.file(&format!("{name}.{end}"))).unwrap();
            (read("crt"), Secret::new(read("key")))
        };
        let read = ReadBack {
            clients: pair("clients"),
            request_headers: pair("request-headers"),
            service_accounts: Some(other.service_account_key().unwrap()),
        };
        mine.read_back(&read).unwrap();
        let found = Authorities::load(ours.path()).unwrap();
        assert_eq!(found.clients.certificate(), other.clients.certificate());
        assert_eq!(found.request_headers.certificate(), other.request_headers.certificate());
        assert_eq!(found.serving.certificate(), mine.serving.certificate(), "issuers answer with ours");
        assert_eq!(
            found.service_account_key().unwrap().expose(),
            other.service_account_key().unwrap().expose()
        );

        let mixed = ReadBack {
            clients: (pair("clients").0, pair("request-headers").1),
            ..read
        };
        let error = mine.read_back(&mixed).unwrap_err();
        assert!(error.to_string().contains("authlab clients"), "{error}");
    }

    #[test]
    fn a_server_apart_has_its_own_clients_and_service_accounts() {
        let (ours, apart) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let lab = Authorities::create(ours.path(), &[]).unwrap();
        let made = lab.create_apart(apart.path()).unwrap();
        let found = lab.load_apart(apart.path()).unwrap();
        assert_eq!(found.clients.certificate(), made.clients.certificate());
        assert_ne!(found.clients.certificate(), lab.clients.certificate());
        let key = |authorities: &Authorities| authorities.service_account_key().unwrap();
        assert_eq!(key(&found).expose(), key(&made).expose());
        assert_ne!(key(&found).expose(), key(&lab).expose());
        assert_eq!(
            found.serving.certificate(),
            lab.serving.certificate(),
            "it is served with the lab's"
        );
    }

    #[test]
    fn keys_are_read_as_go_writes_them() {
        // RFC 5915, with the parameters of the curve in front as openssl writes them: made for this test only.
        let directory = tempfile::tempdir().unwrap();
        let authorities = Authorities::create(directory.path(), &[]).unwrap();
        let key = authorities.service_account_key().unwrap();
        use p256::pkcs8::DecodePrivateKey as _;
        let sec1 = p256::SecretKey::from_pkcs8_pem(key.expose())
            .unwrap()
            .to_sec1_pem(p256::pkcs8::LineEnding::LF)
            .unwrap();
        let parameters = "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n";
        let (private, _) = same_key(&Secret::new(format!("{parameters}{}", sec1.as_str()))).unwrap();
        assert_eq!(private.expose(), key.expose());

        for (text, seen) in [
            (
                "-----BEGIN RSA PRIVATE KEY-----\nAA==\n-----END RSA PRIVATE KEY-----\n",
                "RSA PRIVATE KEY",
            ),
            ("", "no PEM"),
        ] {
            let error = same_key(&Secret::new(text)).unwrap_err();
            assert!(error.to_string().contains(seen), "{error}");
        }
    }
}
