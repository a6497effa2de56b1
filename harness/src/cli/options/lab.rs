//! Options of the lab. The main types are [`LabArguments`] and [`VersionOptions`].

use clap::Args;
use clap::builder::FalseyValueParser;

use super::{AUTO, AUTO_CLUSTER, AUTO_IDENTITY_PROVIDER, Choice, ClusterFile, IssuerOptions, SourceOptions, choice, provider_choice};
use crate::cli::error::CommandError;
use crate::cli::exit::Exit;
use crate::cluster;
use crate::identity_provider::{Asked, Driver, Kind};
use crate::lab::LabOptions;
use crate::server_binaries::{Keycloak, Kubernetes, UnknownKeycloak, UnknownVersion, Versions};

/// A lab, and its drivers and versions.
#[derive(Args, Clone, Debug)]
pub struct LabArguments {
    /// Driver that runs the API server
    #[arg(
        long,
        env = "AUTHLAB_CLUSTER",
        value_parser = choice::<cluster::Driver>(AUTO_CLUSTER),
        default_value = AUTO,
        value_name = "DRIVER",
        help_heading = "Lab"
    )]
    pub cluster: Choice<cluster::Driver>,
    /// Identity provider, and how it runs
    #[arg(
        long,
        env = "AUTHLAB_IDENTITY_PROVIDER",
        value_parser = provider_choice(AUTO_IDENTITY_PROVIDER),
        default_value = AUTO,
        value_name = "KIND[:DRIVER]",
        help_heading = "Lab"
    )]
    pub identity_provider: Choice<Asked>,
    /// The versions of Kubernetes and Keycloak.
    #[command(flatten)]
    pub versions: VersionOptions,
    /// The existing cluster, if one is used.
    #[command(flatten)]
    pub cluster_file: ClusterFile,
    /// The existing identity provider, if one is used.
    #[command(flatten)]
    pub issuer: IssuerOptions,
    /// Name of the lab; one that is up is used if it matches
    #[arg(long, env = "AUTHLAB_LAB", value_name = "NAME", help_heading = "Lab")]
    pub lab: Option<String>,
    /// Keep the lab's directory, with logs and evidence, also after success
    #[arg(long, env = "AUTHLAB_KEEP", value_parser = FalseyValueParser::new(), help_heading = "Lab")]
    pub keep: bool,
    /// The possible sources of server binaries.
    #[command(flatten)]
    pub sources: SourceOptions,
    /// `true` if this process must start its own lab, even if one that matches is up.
    #[arg(skip)]
    pub own: bool,
    /// `true` if this process must not start a lab, but use one that is up.
    #[arg(skip)]
    pub attach_only: bool,
}

/// The versions of Kubernetes and Keycloak in a lab.
#[derive(Args, Clone, Debug, Default)]
pub struct VersionOptions {
    /// Kubernetes version, `1.37` or `1.37.2` [default: the newest pinned]
    ///
    /// A pre-release is named in full: `1.38.0-beta.0`.
    #[arg(long, env = "AUTHLAB_KUBERNETES", value_name = "VERSION", help_heading = "Lab")]
    pub kubernetes: Option<String>,
    /// Keycloak version, `26.7.4`, `26.7` or `26.x`
    ///
    /// The default is the one that `authlab server-binaries list` shows as such.
    #[arg(long, env = "AUTHLAB_KEYCLOAK", value_name = "VERSION", help_heading = "Lab")]
    pub keycloak: Option<String>,
}

impl VersionOptions {
    /// Returns the version of Kubernetes that the option names.
    ///
    /// # Errors
    /// The version is not one of those pinned.
    pub(in crate::cli) fn kubernetes(&self) -> Result<&'static Kubernetes, UnknownVersion> {
        Versions::pinned().kubernetes_or_newest(self.kubernetes.as_deref())
    }

    /// Returns the version of Keycloak that the option names.
    ///
    /// # Errors
    /// The version is not one of those pinned.
    pub(in crate::cli) fn keycloak(&self) -> Result<&'static Keycloak, UnknownKeycloak> {
        Versions::pinned().keycloak_or_default(self.keycloak.as_deref())
    }
}

impl LabArguments {
    /// Returns the options for the library.
    ///
    /// # Errors
    /// Options that conflict, an unknown version of Keycloak, or a file that cannot be read.
    pub fn lab(&self) -> Result<LabOptions, CommandError> {
        let (Choice(cluster), Choice(identity_provider)) = (self.cluster, self.identity_provider);
        let existing = cluster == Some(cluster::Driver::Existing);
        self.cluster_file.check(existing)?;
        let issuer = self
            .issuer
            .settings(identity_provider.and_then(|asked| asked.driver) == Some(Driver::Existing))?;
        let VersionOptions { kubernetes, keycloak } = self.versions.clone();
        self.versions.keycloak().map_err(|error| CommandError::new(Exit::Usage, error))?;
        if keycloak.is_some() && self.lab.is_some() {
            return Err(CommandError::new(Exit::Usage, "--keycloak cannot be used with --lab NAME")
                .hint("a lab that is up has the Keycloak that it was started with"));
        }
        if keycloak.is_some() && identity_provider.and_then(|asked| asked.kind) == Some(Kind::OidcProvider) {
            return Err(
                CommandError::new(Exit::Usage, "--keycloak cannot be used with --identity-provider oidc-provider")
                    .hint("the version of node-oidc-provider is pinned"),
            );
        }
        if existing {
            self.check_existing(identity_provider)?;
        } else if issuer.is_some() {
            return Err(
                CommandError::new(Exit::Usage, "--identity-provider existing needs --cluster existing")
                    .hint("a cluster that authlab starts trusts the identity provider that it starts"),
            );
        }
        Ok(LabOptions {
            name: self.lab.clone(),
            cluster,
            identity_provider,
            kubeconfig: self.cluster_file.kubeconfig.clone(),
            context: self.cluster_file.context.clone(),
            issuer,
            kubernetes,
            keycloak,
            server_binaries: self.sources.clone().into(),
            keep: self.keep,
            own: self.own,
            attach_only: self.attach_only,
            ..LabOptions::default()
        })
    }

    /// Refuses options that have no meaning with an existing cluster.
    fn check_existing(&self, identity_provider: Option<Asked>) -> Result<(), CommandError> {
        let refusal = |option: &str, hint: &str| {
            Err(CommandError::new(Exit::Usage, format!("{option} cannot be used with --cluster existing")).hint(hint))
        };
        if self.versions.kubernetes.is_some() {
            return refusal("--kubernetes", "the version is what the cluster runs");
        }
        if self.versions.keycloak.is_some() {
            return refusal("--keycloak", "the issuer is what the cluster trusts");
        }
        if self.lab.is_some() {
            return refusal("--lab", "an existing cluster is used as it is, and has no lab name");
        }
        match identity_provider {
            None => Ok(()),
            Some(asked) if asked.driver == Some(Driver::Existing) => Ok(()),
            Some(asked) => refusal(
                &format!("--identity-provider {}", asked.name()),
                "the cluster does not trust an issuer that authlab starts; give one that it trusts with --identity-provider existing",
            ),
        }
    }
}
