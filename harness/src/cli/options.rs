//! Options that several commands share: how to talk ([`Voice`]) and which lab ([`LabOptions`]).

use std::path::PathBuf;

use clap::builder::FalseyValueParser;
use clap::{Args, ValueEnum};

use super::error::CommandError;
use super::exit::Exit;
use super::server_binaries::SourceOptions;
use crate::{cluster, identity_provider};

/// How the command talks.
#[derive(Args, Clone, Debug, Default)]
pub struct Voice {
    /// Print the record (the content of `run.json`, or the command's own) on standard output, nothing else
    #[arg(long, global = true, env = "AUTHLAB_JSON", value_parser = FalseyValueParser::new(), help_heading = "Output")]
    pub json: bool,
    /// Print failures and totals only
    #[arg(long, short, global = true, env = "AUTHLAB_QUIET", value_parser = FalseyValueParser::new(), help_heading = "Output")]
    pub quiet: bool,
    /// Colour the output; `auto` obeys NO_COLOR and CLICOLOR
    #[arg(
        long,
        global = true,
        env = "AUTHLAB_COLOR",
        value_enum,
        default_value_t,
        value_name = "WHEN",
        help_heading = "Output"
    )]
    pub color: Color,
}

/// When output is coloured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless the environment says otherwise.
    #[default]
    Auto,
    /// Even into a file.
    Always,
    /// Not at all.
    Never,
}

impl From<Color> for anstream::ColorChoice {
    fn from(color: Color) -> Self {
        match color {
            Color::Auto => Self::Auto,
            Color::Always => Self::Always,
            Color::Never => Self::Never,
        }
    }
}

/// Which lab, and what is in it.
#[derive(Args, Clone, Debug)]
pub struct LabOptions {
    /// How the API server runs
    #[arg(
        long,
        env = "AUTHLAB_CLUSTER",
        value_enum,
        default_value_t,
        value_name = "DRIVER",
        help_heading = "Lab"
    )]
    pub cluster: ClusterDriver,
    /// How Keycloak runs
    #[arg(
        long,
        env = "AUTHLAB_IDENTITY_PROVIDER",
        value_enum,
        default_value_t,
        value_name = "DRIVER",
        help_heading = "Lab"
    )]
    pub identity_provider: IdentityProviderDriver,
    /// Kubernetes version, `1.37` or `1.37.2`; the newest that is pinned when not given
    #[arg(long, env = "AUTHLAB_KUBERNETES", value_name = "VERSION", help_heading = "Lab")]
    pub kubernetes: Option<String>,
    /// Kubeconfig of the cluster to use with `--cluster existing`
    #[arg(long, env = "AUTHLAB_KUBECONFIG", value_name = "FILE", help_heading = "Lab")]
    pub kubeconfig: Option<PathBuf>,
    /// The lab's name: one that is up is used, if it matches
    #[arg(long, env = "AUTHLAB_LAB", value_name = "NAME", help_heading = "Lab")]
    pub lab: Option<String>,
    /// Keep the lab's directory, with logs and evidence, also after success
    #[arg(long, env = "AUTHLAB_KEEP", value_parser = FalseyValueParser::new(), help_heading = "Lab")]
    pub keep: bool,
    /// Where server binaries may come from.
    #[command(flatten)]
    pub sources: SourceOptions,
}

impl LabOptions {
    /// What the library is asked for.
    ///
    /// # Errors
    /// A driver that this build does not have.
    pub fn lab(&self) -> Result<crate::lab::LabOptions, CommandError> {
        let cluster = self.cluster.driver();
        let identity_provider = self.identity_provider.driver();
        if matches!(cluster, Some(cluster::Driver::Existing)) != self.kubeconfig.is_some() {
            let error = CommandError::new(Exit::Usage, "--cluster existing and --kubeconfig FILE belong together");
            return Err(error.hint("the current kubeconfig is never taken by itself: name the file of the cluster you mean"));
        }
        let absent = |option: &str, value: &str| {
            CommandError::new(Exit::LabNotStarted, format!("this build cannot start a lab with {option} {value}"))
                .hint("`process` needs nothing but this machine")
        };
        if let Some(driver @ cluster::Driver::Existing) = cluster {
            return Err(absent("--cluster", driver.name()));
        }
        if let Some(driver @ identity_provider::Driver::Existing) = identity_provider {
            return Err(absent("--identity-provider", driver.name()));
        }
        Ok(crate::lab::LabOptions {
            name: self.lab.clone(),
            cluster,
            identity_provider,
            kubeconfig: self.kubeconfig.clone(),
            kubernetes: self.kubernetes.clone(),
            server_binaries: self.sources.clone().into(),
            keep: self.keep,
        })
    }
}

/// One of the labs that are there.
#[derive(Args, Clone, Debug)]
pub struct NamedLab {
    /// The lab's name
    #[arg(long, env = "AUTHLAB_LAB", value_name = "NAME", default_value = crate::lab::DEFAULT_NAME, help_heading = "Lab")]
    pub lab: String,
}

/// How a cluster runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ClusterDriver {
    /// Containers when a Docker engine answers and can have the images, otherwise processes.
    #[default]
    Auto,
    /// etcd, kube-apiserver and kube-controller-manager as ordinary processes.
    Process,
    /// The servers in containers.
    Container,
    /// k3s in a container.
    K3s,
    /// A kind cluster.
    Kind,
    /// The cluster that a kubeconfig names.
    Existing,
}

impl ClusterDriver {
    /// The driver meant; none when that is left to authlab.
    fn driver(self) -> Option<cluster::Driver> {
        match self {
            Self::Auto => None,
            Self::Process => Some(cluster::Driver::Process),
            Self::Container => Some(cluster::Driver::Container),
            Self::K3s => Some(cluster::Driver::K3s),
            Self::Kind => Some(cluster::Driver::Kind),
            Self::Existing => Some(cluster::Driver::Existing),
        }
    }
}

/// How an identity provider runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum IdentityProviderDriver {
    /// A container when a Docker engine answers and can have the image, otherwise a process.
    #[default]
    Auto,
    /// Keycloak as an ordinary process.
    Process,
    /// Keycloak in a container.
    Container,
    /// A Keycloak that is there already.
    Existing,
}

impl IdentityProviderDriver {
    /// The driver meant; none when that is left to authlab.
    fn driver(self) -> Option<identity_provider::Driver> {
        match self {
            Self::Auto => None,
            Self::Process => Some(identity_provider::Driver::Process),
            Self::Container => Some(identity_provider::Driver::Container),
            Self::Existing => Some(identity_provider::Driver::Existing),
        }
    }
}
