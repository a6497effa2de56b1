//! Options for the sources of servers. The main type is [`SourceOptions`].

use std::path::PathBuf;

use clap::Args;
use clap::builder::FalseyValueParser;

use crate::server_binaries::{ETCD_RELEASES, KEYCLOAK_RELEASES, KUBERNETES_RELEASES, Options};

/// The possible sources of server binaries.
#[derive(Args, Clone, Debug)]
pub struct SourceOptions {
    /// Directory with the servers of Kubernetes
    ///
    /// It must have etcd, kube-apiserver, kube-controller-manager and kubectl. KUBEBUILDER_ASSETS is used too, if it has all four.
    #[arg(long, env = "AUTHLAB_SERVER_BINARIES", value_name = "DIR", help_heading = "Server binaries")]
    pub server_binaries: Option<PathBuf>,
    /// Directory with an unpacked Keycloak
    #[arg(long, env = "AUTHLAB_KEYCLOAK_HOME", value_name = "DIR", help_heading = "Server binaries")]
    pub keycloak_home: Option<PathBuf>,
    /// Base address of Kubernetes' release files
    #[arg(long, env = "AUTHLAB_RELEASE_MIRROR", hide_env_values = true, value_name = "URL", default_value = KUBERNETES_RELEASES, help_heading = "Server binaries")]
    pub release_mirror: String,
    /// Base address of etcd's release files
    #[arg(long, env = "AUTHLAB_ETCD_MIRROR", hide_env_values = true, value_name = "URL", default_value = ETCD_RELEASES, help_heading = "Server binaries")]
    pub etcd_mirror: String,
    /// Base address of Keycloak's release files
    #[arg(long, env = "AUTHLAB_KEYCLOAK_MIRROR", hide_env_values = true, value_name = "URL", default_value = KEYCLOAK_RELEASES, help_heading = "Server binaries")]
    pub keycloak_mirror: String,
    /// Use no network: all files must be on this machine already
    #[arg(long, env = "AUTHLAB_OFFLINE", value_parser = FalseyValueParser::new(), help_heading = "Server binaries")]
    pub offline: bool,
    /// The `kind` command [default: the first in PATH]
    #[arg(long, env = "AUTHLAB_KIND", value_name = "FILE", help_heading = "Server binaries")]
    pub kind: Option<PathBuf>,
    /// The source of images.
    #[command(flatten)]
    pub registry: RegistryOption,
}

impl From<SourceOptions> for Options {
    fn from(options: SourceOptions) -> Self {
        Self {
            directory: options.server_binaries,
            keycloak_home: options.keycloak_home,
            release_mirror: options.release_mirror,
            etcd_mirror: options.etcd_mirror,
            keycloak_mirror: options.keycloak_mirror,
            offline: options.offline,
            kind: options.kind,
            image_prefix: options.registry.image_prefix,
            ..Self::from_environment()
        }
    }
}

/// The source of images.
#[derive(Args, Clone, Debug)]
pub struct RegistryOption {
    /// Registry and path to use instead of the public registries
    ///
    /// It takes the place of registry.k8s.io, docker.io and quay.io in the names of images.
    #[arg(
        long,
        env = "AUTHLAB_IMAGE_PREFIX",
        hide_env_values = true,
        value_name = "PREFIX",
        help_heading = "Images"
    )]
    pub image_prefix: Option<String>,
}
