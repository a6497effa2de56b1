//! Options that several commands share: how to talk ([`Voice`]) and which lab ([`LabOptions`]).

use clap::builder::FalseyValueParser;
use clap::{Args, ValueEnum};

use super::error::CommandError;
use super::existing::{ClusterFile, IssuerOptions};
use super::exit::Exit;
use super::server_binaries::SourceOptions;
use crate::server_binaries::{Keycloak, Kubernetes, UnknownKeycloak, UnknownVersion, Versions};
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
    /// Keycloak version, `26.7.4`, `26.7` or `26.x`; the default is that of `server-binaries list`
    #[arg(long, env = "AUTHLAB_KEYCLOAK", value_name = "VERSION", help_heading = "Lab")]
    pub keycloak: Option<String>,
    /// A cluster that is there already.
    #[command(flatten)]
    pub cluster_file: ClusterFile,
    /// An identity provider that is there already.
    #[command(flatten)]
    pub issuer: IssuerOptions,
    /// The lab's name: one that is up is used, if it matches
    #[arg(long, env = "AUTHLAB_LAB", value_name = "NAME", help_heading = "Lab")]
    pub lab: Option<String>,
    /// Keep the lab's directory, with logs and evidence, also after success
    #[arg(long, env = "AUTHLAB_KEEP", value_parser = FalseyValueParser::new(), help_heading = "Lab")]
    pub keep: bool,
    /// Where server binaries may come from.
    #[command(flatten)]
    pub sources: SourceOptions,
    /// Whether it must be a lab of this process, even if one that matches is up.
    #[arg(skip)]
    pub own: bool,
}

impl LabOptions {
    /// What the library is asked for.
    ///
    /// # Errors
    /// A driver that this build does not have.
    pub fn lab(&self) -> Result<crate::lab::LabOptions, CommandError> {
        let cluster = self.cluster.driver();
        let identity_provider = self.identity_provider.driver();
        let existing = cluster == Some(cluster::Driver::Existing);
        self.cluster_file.check(existing)?;
        let issuer = self
            .issuer
            .settings(identity_provider == Some(identity_provider::Driver::Existing))?;
        self.pinned_keycloak().map_err(|error| CommandError::new(Exit::Usage, error))?;
        if self.keycloak.is_some() && self.lab.is_some() {
            return Err(CommandError::new(Exit::Usage, "--keycloak does not go with --lab NAME")
                .hint("a lab that is up has the Keycloak that it was started with"));
        }
        if existing {
            self.check_existing(identity_provider)?;
        } else if issuer.is_some() {
            return Err(
                CommandError::new(Exit::Usage, "--identity-provider existing goes with --cluster existing")
                    .hint("a cluster that authlab starts trusts the Keycloak that it starts"),
            );
        }
        Ok(crate::lab::LabOptions {
            name: self.lab.clone(),
            cluster,
            identity_provider,
            kubeconfig: self.cluster_file.kubeconfig.clone(),
            context: self.cluster_file.context.clone(),
            issuer,
            kubernetes: self.kubernetes.clone(),
            keycloak: self.keycloak.clone(),
            server_binaries: self.sources.clone().into(),
            keep: self.keep,
            own: self.own,
            learners: 0,
            beside_learners: false,
            idle: None,
            sabotage: None,
        })
    }

    /// The version of Kubernetes that is meant.
    ///
    /// # Errors
    /// It is not one of those pinned.
    pub(super) fn pinned(&self) -> Result<&'static Kubernetes, UnknownVersion> {
        let pinned = Versions::pinned();
        self.kubernetes
            .as_deref()
            .map_or_else(|| Ok(pinned.newest()), |asked| pinned.kubernetes(asked))
    }

    /// The version of Keycloak that is meant.
    ///
    /// # Errors
    /// It is not one of those pinned.
    pub(super) fn pinned_keycloak(&self) -> Result<&'static Keycloak, UnknownKeycloak> {
        let pinned = Versions::pinned();
        self.keycloak
            .as_deref()
            .map_or_else(|| Ok(&pinned.keycloak), |asked| pinned.keycloak_of(asked))
    }

    /// What has no meaning with a cluster that is there already.
    fn check_existing(&self, identity_provider: Option<identity_provider::Driver>) -> Result<(), CommandError> {
        let refusal = |option: &str, hint: &str| {
            Err(CommandError::new(Exit::Usage, format!("{option} does not go with --cluster existing")).hint(hint))
        };
        if self.kubernetes.is_some() {
            return refusal("--kubernetes", "the version is what the cluster runs");
        }
        if self.keycloak.is_some() {
            return refusal("--keycloak", "the issuer is what the cluster trusts");
        }
        if self.lab.is_some() {
            return refusal("--lab", "the cluster is used as it is; there is no lab to name");
        }
        match identity_provider {
            None | Some(identity_provider::Driver::Existing) => Ok(()),
            Some(driver) => refusal(
                &format!("--identity-provider {}", driver.name()),
                "the cluster would not trust an issuer of ours; give one that it trusts with --identity-provider existing",
            ),
        }
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
    /// Processes on Linux; elsewhere containers whose images are there, otherwise processes that are built.
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
    /// As a person types it.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.driver().map_or("auto", cluster::Driver::name)
    }

    /// The driver meant; none when that is left to authlab.
    pub(super) fn driver(self) -> Option<cluster::Driver> {
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
    /// A container when the cluster is in containers and the image is there, otherwise a process.
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
