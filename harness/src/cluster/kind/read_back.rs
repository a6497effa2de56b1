//! The files that kubeadm wrote in the node, read back: the kubeconfig and the authorities.
//!
//! The main function is [`read_back`], from the files of `/etc/kubernetes/pki` (kubeadm, `cmd/kubeadm/app/constants`).

use std::path::Path;

use crate::cluster::error::{self, ClusterError};
use crate::cluster::{ReadBack, Written};
use crate::kubeconfig::AdministratorKubeconfig;
use crate::secret::Secret;

/// The directory of kubeadm's keys in the node.
pub const PKI: &str = "/etc/kubernetes/pki";

/// Reads the file `kubeconfig`, and `pki`, a copy of the node's directory.
///
/// # Errors
/// A file is missing or has unexpected content.
pub fn read_back(kubeconfig: &Path, pki: &Path) -> Result<Written, ClusterError> {
    let read = |path: &Path| error::read_back(path, "kubeadm");
    let key = |name: &str| Ok::<_, ClusterError>(Secret::new(read(&pki.join(name))?));
    Ok(Written {
        kubeconfig: AdministratorKubeconfig::read(&read(kubeconfig)?, kubeconfig, "kind")?,
        authorities: ReadBack {
            clients: (read(&pki.join("ca.crt"))?, key("ca.key")?),
            request_headers: (read(&pki.join("front-proxy-ca.crt"))?, key("front-proxy-ca.key")?),
            service_accounts: Some(key("sa.key")?),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::Authorities;
    use crate::pki::{Authority, Request, key_pair};

    #[test]
    fn the_authorities_of_kubeadm_take_the_place_of_ours() {
        let place = tempfile::tempdir().unwrap();
        let pki = place.path().join("pki");
        std::fs::create_dir(&pki).unwrap();
        let (cluster, front) = (Authority::root("kubernetes").unwrap(), Authority::root("front-proxy-ca").unwrap());
        cluster.save(&pki, "ca").unwrap();
        front.save(&pki, "front-proxy-ca").unwrap();
        let leaf = cluster
            .issue(&Request::client("kubernetes-admin", &["kubeadm:cluster-admins"]))
            .unwrap();
        let credential = crate::credential::Credential::Certificate(leaf);
        let text = crate::kubeconfig::json("kind-x", "https://127.0.0.1:40001", cluster.certificate(), &credential).unwrap();
        let kubeconfig = place.path().join("kubeconfig");
        std::fs::write(&kubeconfig, text.to_string()).unwrap();
        let error = read_back(&kubeconfig, &pki).unwrap_err().to_string();
        assert!(error.contains("sa.key"), "{error}");

        let (key, _) = key_pair().unwrap();
        std::fs::write(pki.join("sa.key"), key.expose()).unwrap();
        let files = read_back(&kubeconfig, &pki).unwrap();
        assert_eq!(files.kubeconfig.server, "https://127.0.0.1:40001");
        assert_eq!(files.kubeconfig.serving_authority, cluster.certificate());
        let ours = tempfile::tempdir().unwrap();
        let authorities = Authorities::create(ours.path(), &[])
            .unwrap()
            .read_back(&files.authorities)
            .unwrap();
        assert_eq!(authorities.request_headers.certificate(), front.certificate());
        assert_eq!(authorities.service_account_key().unwrap().expose(), key.expose());
    }
}
