//! The kubeconfig that a distribution writes for its administrator, read back.
//!
//! The main type is [`AdministratorKubeconfig`].

use std::path::{Path, PathBuf};

use super::Kubeconfig;
use crate::yaml::base64;

/// The kubeconfig lacks a required field.
#[derive(Debug, thiserror::Error)]
#[error("{} has no {missing} (expected one from {from})", path.display())]
pub struct UnreadableKubeconfig {
    path: PathBuf,
    missing: String,
    from: &'static str,
}

/// The address of an API server, and the CA of its serving certificate.
#[derive(Clone, Debug)]
pub struct AdministratorKubeconfig {
    /// The server's address.
    pub server: String,
    /// The CA of its serving certificate, PEM.
    pub serving_authority: String,
}

impl AdministratorKubeconfig {
    /// Reads the text of `path`, which `from` wrote.
    ///
    /// # Errors
    /// It is not a kubeconfig with a server and its CA.
    pub fn read(text: &str, path: &Path, from: &'static str) -> Result<Self, UnreadableKubeconfig> {
        let missing = |what: &str| UnreadableKubeconfig {
            path: path.to_owned(),
            missing: what.to_owned(),
            from,
        };
        let read = Kubeconfig::from_yaml(text).map_err(|_| missing("YAML"))?;
        // There is one cluster, with any name.
        let cluster = read.clusters.into_iter().next().and_then(|named| named.cluster).unwrap_or_default();
        let field = |name: &str, value: Option<String>| {
            let value = value.filter(|text| !text.is_empty());
            value.ok_or_else(|| missing(&format!("clusters[0].cluster.{name}")))
        };
        let server = field("server", cluster.server)?;
        let name = "certificate-authority-data";
        let data = field(name, cluster.certificate_authority_data)?;
        Ok(Self {
            server,
            serving_authority: base64(&data)
                .ok()
                .and_then(|bytes| String::from_utf8(bytes).ok())
                .ok_or_else(|| missing(&format!("readable clusters[0].cluster.{name}")))?,
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

        for (text, missing) in [
            (text.replace("server:", "other:"), "clusters[0].cluster.server"),
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
