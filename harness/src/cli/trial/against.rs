//! The configuration that another one is compared with. The main types are [`AgainstOptions`] and [`Compared`].

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::configuration::flag;
use crate::cli::error::CommandError;
use crate::cli::exit::Exit;
use crate::project::Project;
use crate::trial::Configured;

/// Options for what was there before.
#[derive(Args, Clone, Debug)]
pub(super) struct AgainstOptions {
    /// File with the configuration of before, to show what changes
    ///
    /// An AuthenticationConfiguration, or a file that has the flags of API servers: kubeadm's, kind's, k3s', RKE2's, Talos' or kOps', a
    /// Cluster API object, or the manifest of a static Pod.
    #[arg(long, value_name = "FILE")]
    against: Option<PathBuf>,
    /// Flag of before, to show what changes; repeatable
    ///
    /// `oidc-issuer-url=…` takes the place of an AuthenticationConfiguration, as it does for `--flag`.
    #[arg(long, value_name = "NAME=VALUE", value_parser = flag)]
    against_flag: Vec<(String, String)>,
}

/// The names of two configurations that are compared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Compared {
    pub(super) before: String,
    pub(super) after: String,
}

impl AgainstOptions {
    /// Returns the configuration before `after` and the names of both; `None` if there is nothing to compare with.
    ///
    /// # Errors
    /// A file cannot be read or has no configuration, or a flag is one that no API server has.
    pub(super) fn read(&self, after: &Configured, project: Option<&Project>) -> Result<Option<(Configured, Compared)>, CommandError> {
        if self.against.is_none() && self.against_flag.is_empty() {
            return Ok(None);
        }
        let before = after
            .before(self.against.as_deref(), &self.against_flag)
            .map_err(|mistakes| CommandError::hinted(Exit::Usage, mistakes))?;
        let compared = self.compared(&named(after, project));
        Ok(Some((before, compared)))
    }

    /// Returns the names, of which that of the later configuration is known.
    fn compared(&self, after: &str) -> Compared {
        let flags: Vec<String> = self.against_flag.iter().map(|(name, value)| format!("--{name}={value}")).collect();
        let flags = flags.join(" ");
        let is_issuer = self
            .against_flag
            .iter()
            .any(|(name, _)| name.replace('_', "-") == "oidc-issuer-url");
        let before = match &self.against {
            Some(file) if flags.is_empty() => file.display().to_string(),
            Some(file) => format!("{} with {flags}", file.display()),
            None if is_issuer => flags,
            None => format!("{after} with {flags}"),
        };
        Compared {
            before,
            after: after.to_owned(),
        }
    }
}

/// Returns the name of `configuration`: its AuthenticationConfiguration, the project that has its flags, or the command line.
fn named(configuration: &Configured, project: Option<&Project>) -> String {
    match (&configuration.file, project) {
        (Some(file), _) => file.display().to_string(),
        (None, Some(project)) => project.shown.clone(),
        (None, None) => "the flags".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_have_names() {
        let issuer = ("oidc-issuer-url", "https://a.example");
        let claim = ("oidc-username-claim", "email");
        for (file, flags, before) in [
            (Some("old.yaml"), vec![], "old.yaml"),
            (Some("kubeadm.yaml"), vec![claim], "kubeadm.yaml with --oidc-username-claim=email"),
            (
                None,
                vec![issuer, claim],
                "--oidc-issuer-url=https://a.example --oidc-username-claim=email",
            ),
            (None, vec![claim], "authn.yaml with --oidc-username-claim=email"),
        ] {
            let options = AgainstOptions {
                against: file.map(PathBuf::from),
                against_flag: flags
                    .into_iter()
                    .map(|(name, value): (&str, &str)| (name.to_owned(), value.to_owned()))
                    .collect(),
            };
            let expected = Compared {
                before: before.to_owned(),
                after: "authn.yaml".to_owned(),
            };
            assert_eq!(options.compared("authn.yaml"), expected);
        }
    }
}
