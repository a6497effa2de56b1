//! The kubeconfig that a distribution writes for its administrator, read back.
//!
//! The main type is [`AdministratorKubeconfig`].

use std::path::{Path, PathBuf};

use secrecy::ExposeSecret;

use super::{Kubeconfig, text_of};
use crate::pki::Leaf;
use crate::secret::Secret;

/// The kubeconfig lacks a required field.
#[derive(Debug, thiserror::Error)]
#[error("{} has no {missing}, expected one from {from}", path.display())]
pub struct UnreadableKubeconfig {
    path: PathBuf,
    missing: String,
    from: &'static str,
}

/// The address of an API server, the CA of its serving certificate, and its administrator's certificate.
#[derive(Clone, Debug)]
pub struct AdministratorKubeconfig {
    /// The server's address.
    pub server: String,
    /// The CA of its serving certificate, PEM.
    pub serving_authority: String,
    /// The administrator's certificate.
    pub administrator: Leaf,
}

impl AdministratorKubeconfig {
    /// Reads the text of `path`, which `from` wrote.
    ///
    /// # Errors
    /// It is not a kubeconfig with a certificate in it.
    pub fn read(text: &str, path: &Path, from: &'static str) -> Result<Self, UnreadableKubeconfig> {
        let missing = |what: &str| UnreadableKubeconfig {
            path: path.to_owned(),
            missing: what.to_owned(),
            from,
        };
        let read = Kubeconfig::from_yaml(text).map_err(|_| missing("YAML"))?;
        // There is one of each, with any name.
        let cluster = read.clusters.first().and_then(|named| named.cluster.clone()).unwrap_or_default();
        let user = read
            .auth_infos
            .first()
            .and_then(|named| named.auth_info.clone())
            .unwrap_or_default();
        let field = |name: &str, value: Option<&str>| {
            let value = value.filter(|text| !text.is_empty());
            value.map(str::to_owned).ok_or_else(|| missing(name))
        };
        let data = |name: &str, value: Option<&str>| text_of(&field(name, value)?).map_err(|_| missing(&format!("readable {name}")));
        let certificate = user.client_certificate_data.as_deref();
        let key = user.client_key_data.as_ref().map(ExposeSecret::expose_secret);
        Ok(Self {
            server: field("clusters[0].cluster.server", cluster.server.as_deref())?,
            serving_authority: data(
                "clusters[0].cluster.certificate-authority-data",
                cluster.certificate_authority_data.as_deref(),
            )?,
            administrator: Leaf {
                certificate: data("users[0].user.client-certificate-data", certificate)?,
                chain: String::new(),
                key: Secret::new(data("users[0].user.client-key-data", key)?),
            },
        })
    }

    /// Returns the same with the address replaced by that of the port of this machine that leads to the server.
    #[must_use]
    pub fn published(mut self, port: u16) -> Self {
        self.server = format!("https://127.0.0.1:{port}");
        self
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;

    use super::*;

    #[test]
    fn what_a_distribution_wrote_is_read() {
        let encode = |text: &str| base64::engine::general_purpose::STANDARD.encode(text);
        // The form of k3s (pkg/util/kubeconfig) and of kind (pkg/cluster/internal/kubeconfig): YAML, one of each.
        let text = format!(
            "apiVersion: v1\nkind: Config\npreferences: {{}}\nclusters:\n- cluster:\n    certificate-authority-data: {}\n    server: https://127.0.0.1:6443\n  \
             name: default\ncontexts:\n- context:\n    cluster: default\n    user: default\n  name: default\ncurrent-context: default\nusers:\n- name: default\n  \
             user:\n    client-certificate-data: {}\n    client-key-data: {}\n",
            encode("AUTHORITY"),
            encode("CERTIFICATE"),
            encode("KEY")
        );
        let path = Path::new("k3s.yaml");
        let read = AdministratorKubeconfig::read(&text, path, "k3s").unwrap().published(40123);
        assert_eq!(read.server, "https://127.0.0.1:40123");
        assert_eq!(read.serving_authority, "AUTHORITY");
        assert_eq!(read.administrator.certificate, "CERTIFICATE");
        assert_eq!(read.administrator.key.expose(), "KEY");

        for (text, missing) in [
            (text.replace("client-key-data", "other"), "users[0].user.client-key-data"),
            (
                text.replace(&encode("AUTHORITY"), "no*base64"),
                "readable clusters[0].cluster.certificate-authority-data",
            ),
            ("{".to_owned(), "YAML"),
            ("{}".to_owned(), "clusters[0].cluster.server"),
            (String::new(), "clusters[0].cluster.server"),
        ] {
            let error = AdministratorKubeconfig::read(&text, path, "k3s").unwrap_err().to_string();
            assert!(error.contains(missing) && error.contains("k3s.yaml"), "{error}");
        }
    }
}
