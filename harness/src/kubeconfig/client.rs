//! One context of the kubeconfigs that kubectl reads: which server it asks, and what it presents.
//!
//! The main type is [`ClientConfig`]. The fields are those of client-go (`tools/clientcmd/api/types.go`), with the content of the files
//! that they name.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use serde::Serialize;
use serde_json::Value;

use crate::secret::Secret;

/// A context, with its cluster and its user.
#[derive(Clone, Debug, Default)]
pub struct ClientConfig {
    /// The name of the context.
    pub context: String,
    /// Its namespace.
    pub namespace: Option<String>,
    /// Its cluster.
    pub cluster: ClusterConfig,
    /// Its user; without credentials if the context names none.
    pub user: UserConfig,
    /// The parts that kubectl reads without a word, and a person may not expect.
    pub remarks: Vec<Trouble>,
}

/// A cluster of a kubeconfig.
#[derive(Clone, Debug, Default)]
pub struct ClusterConfig {
    /// Its name in the kubeconfig.
    pub name: String,
    /// The address, verbatim.
    pub server: String,
    /// The name that is sent (SNI) and expected in the server's certificate, instead of the address's host.
    pub tls_server_name: Option<String>,
    /// The proxy, verbatim.
    pub proxy_url: Option<String>,
    /// `true` if the server's certificate is not verified.
    pub insecure_skip_tls_verify: bool,
    /// `true` if answers are asked for without compression.
    pub disable_compression: bool,
    /// The CA of the server's certificate, PEM; `None`: the system's.
    pub authority: Option<String>,
    /// The extension that is passed to plugins (`client.authentication.k8s.io/exec`).
    pub exec_extension: Option<Value>,
    /// The place of the entry.
    pub place: Option<Place>,
}

/// A user of a kubeconfig.
#[derive(Clone, Debug, Default)]
pub struct UserConfig {
    /// Its name in the kubeconfig.
    pub name: String,
    /// The client certificate, PEM.
    pub certificate: Option<String>,
    /// Its key, PEM.
    pub key: Option<Secret>,
    /// The token that counts: that of `tokenFile`, else `token`.
    pub token: Option<Secret>,
    /// User name and password.
    pub basic: Option<(String, Secret)>,
    /// The exec plugin.
    pub exec: Option<ExecConfig>,
    /// The built-in provider, with its configuration.
    pub auth_provider: Option<AuthProvider>,
    /// The impersonated identity.
    pub impersonate: Impersonate,
    /// The place of the entry.
    pub place: Option<Place>,
}

impl UserConfig {
    /// Returns the plugin if kubectl runs it: not beside a token, a password or a certificate (client-go `UpdateTransportConfig`).
    #[must_use]
    pub fn plugin(&self) -> Option<&ExecConfig> {
        let has_credential = self.token.is_some() || self.basic.is_some() || self.certificate.is_some();
        self.exec.as_ref().filter(|_| !has_credential)
    }

    /// Returns the provider's ID token if kubectl presents it: not beside a token or a password.
    #[must_use]
    pub fn id_token(&self) -> Option<&Secret> {
        let provider = self
            .auth_provider
            .as_ref()
            .filter(|_| self.token.is_none() && self.basic.is_none())?;
        provider.config.get("id-token").filter(|token| !token.expose().is_empty())
    }
}

/// A plugin that prints a credential (client.authentication.k8s.io).
#[derive(Clone, Debug, Default)]
pub struct ExecConfig {
    /// The version of the interface, verbatim.
    pub api_version: String,
    /// The program, verbatim.
    pub command: String,
    /// Its arguments.
    pub args: Vec<String>,
    /// Its additional environment.
    pub env: Vec<(String, String)>,
    /// Help for installing the program.
    pub install_hint: Option<String>,
    /// `true` if the plugin is told about the cluster.
    pub provide_cluster_info: bool,
    /// `Never`, `IfAvailable` or `Always`, verbatim.
    pub interactive_mode: Option<String>,
    /// The directory of the file with this user: a command with a slash is relative to it.
    pub directory: PathBuf,
}

/// A built-in provider of credentials.
#[derive(Clone, Debug, Default)]
pub struct AuthProvider {
    /// `oidc`; older clients knew more.
    pub name: String,
    /// Its configuration, which contains secrets.
    pub config: BTreeMap<String, Secret>,
}

/// The identity that the client asks to act as.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Impersonate {
    /// `as`.
    pub user: Option<String>,
    /// `as-uid`.
    pub uid: Option<String>,
    /// `as-groups`.
    pub groups: Vec<String>,
    /// `as-user-extra`.
    pub extra: BTreeMap<String, Vec<String>>,
}

/// A line of a user's file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Place {
    /// The file, as the user named it.
    pub file: PathBuf,
    /// The line, from 1; `None` for the whole file.
    pub line: Option<usize>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}", self.file.display()),
            None => write!(f, "{}", self.file.display()),
        }
    }
}

/// Something in a kubeconfig that keeps kubectl from using it, or that a person may not expect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// Its place.
    pub place: Option<Place>,
    /// The observation, in one sentence without a full stop; kubectl's own words where it has some.
    pub seen: String,
    /// The change that helps: an imperative, a command, or the corrected lines.
    pub change: String,
    /// `true` if kubectl refuses it, `false` if it is only worth knowing.
    pub is_refused: bool,
    /// The behaviour in the catalogue, if there is one.
    pub behaviour: Option<&'static str>,
}
