//! The files that k3s wrote, read back: its kubeconfig and its authorities.
//!
//! The main function is [`read_back`], from the data directory ([`Directory`]; `server/tls/` in it: k3s-io/k3s
//! `pkg/daemons/control/deps/deps.go`).

use std::path::{Path, PathBuf};

use crate::cluster::error::{self, ClusterError};
use crate::cluster::{ReadBack, Written};
use crate::kubeconfig::AdministratorKubeconfig;
use crate::secret::Secret;

/// The data directory of k3s.
#[derive(Clone, Debug)]
pub struct Directory(pub PathBuf);

impl Directory {
    fn tls(&self, name: &str) -> PathBuf {
        self.0.join("server").join("tls").join(name)
    }

    /// Returns the path of the administrator's kubeconfig, for `--write-kubeconfig`.
    pub fn kubeconfig(&self) -> PathBuf {
        self.0.join("k3s.yaml")
    }

    /// Returns the first required file that is missing or empty. k3s writes the kubeconfig last.
    pub fn missing(&self) -> Option<PathBuf> {
        let tls = ["client-ca.crt", "client-ca.key", "request-header-ca.crt", "request-header-ca.key"];
        tls.iter()
            .map(|name| self.tls(name))
            .chain([self.kubeconfig()])
            .find(|path| std::fs::metadata(path).map_or(true, |file| file.len() == 0))
    }
}

/// Reads the files that k3s wrote into `directory`. The server's address is valid only inside the container. The keys of service accounts
/// are ours: see [`super::arguments`].
///
/// # Errors
/// A file is missing or has unexpected content.
pub fn read_back(directory: &Directory) -> Result<Written, ClusterError> {
    let read = |path: &Path| error::read_back(path, "k3s");
    let pair = |name: &str| {
        let certificate = read(&directory.tls(&format!("{name}.crt")))?;
        Ok::<_, ClusterError>((certificate, Secret::new(read(&directory.tls(&format!("{name}.key")))?)))
    };
    let path = directory.kubeconfig();
    Ok(Written {
        kubeconfig: AdministratorKubeconfig::read(&read(&path)?, &path, "k3s")?,
        authorities: ReadBack {
            clients: pair("client-ca")?,
            request_headers: pair("request-header-ca")?,
            service_accounts: None,
        },
    })
}

#[cfg(test)]
mod tests {
    use p256::pkcs8::DecodePrivateKey as _;

    use super::*;
    use crate::cluster::Authorities;
    use crate::pki::{Authority, Request};

    /// Creates a data directory as k3s leaves it: EC keys in Go's form.
    fn k3s() -> (tempfile::TempDir, Directory, Authority) {
        let place = tempfile::tempdir().unwrap();
        let tls = place.path().join("server/tls");
        std::fs::create_dir_all(&tls).unwrap();
        let authority = Authority::root("k3s-client-ca@1732400000").unwrap();
        for name in ["client-ca", "request-header-ca"] {
            let made = if name == "client-ca" {
                authority.clone()
            } else {
                Authority::root("k3s-request-header-ca@1732400000").unwrap()
            };
            made.save(&tls, name).unwrap();
            let path = tls.join(format!("{name}.key"));
            let key = p256::SecretKey::from_pkcs8_pem(&std::fs::read_to_string(&path).unwrap()).unwrap();
            let sec1 = key.to_sec1_pem(p256::pkcs8::LineEnding::LF).unwrap();
            assert!(sec1.starts_with("-----BEGIN EC PRIVATE KEY-----"));
            std::fs::write(&path, sec1.as_str()).unwrap();
        }
        let directory = Directory(place.path().to_owned());
        (place, directory, authority)
    }

    fn kubeconfig(authority: &Authority) -> String {
        let leaf = authority.issue(&Request::client("system:admin", &["system:masters"])).unwrap();
        let credential = crate::credential::Credential::Certificate(leaf);
        crate::kubeconfig::json("default", "https://127.0.0.1:6443", authority.certificate(), &credential)
            .unwrap()
            .to_string()
    }

    #[test]
    fn the_authorities_of_k3s_take_the_place_of_ours() {
        let (_place, directory, authority) = k3s();
        assert_eq!(directory.missing(), Some(directory.kubeconfig()), "it is written last");
        std::fs::write(directory.kubeconfig(), kubeconfig(&authority)).unwrap();
        assert_eq!(directory.missing(), None);

        let files = read_back(&directory).unwrap();
        assert_eq!(files.kubeconfig.server, "https://127.0.0.1:6443");
        assert_eq!(files.kubeconfig.published(40000).server, "https://127.0.0.1:40000");
        let ours = tempfile::tempdir().unwrap();
        let own = Authorities::create(ours.path(), &[]).unwrap();
        let key = own.service_account_key().unwrap();
        let authorities = own.read_back(&files.authorities).unwrap();
        assert_eq!(authorities.clients.certificate(), authority.certificate());
        assert_eq!(
            authorities.service_account_key().unwrap().expose(),
            key.expose(),
            "k3s was given ours"
        );
    }

    #[test]
    fn what_is_missing_is_named() {
        let (_place, directory, _) = k3s();
        let error = read_back(&directory).unwrap_err().to_string();
        assert!(error.contains("k3s.yaml"), "{error}");
        std::fs::remove_file(directory.tls("client-ca.key")).unwrap();
        assert_eq!(directory.missing(), Some(directory.tls("client-ca.key")));
    }
}
