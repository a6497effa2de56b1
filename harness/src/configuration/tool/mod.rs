//! Flags and files of API servers, out of the file that a tool keeps them in.
//!
//! The main function is [`read`].

mod cluster_api;
mod k3s;
mod kind;
mod kops;
mod kubeadm;
mod object;
mod reading;
mod recognized;
mod static_pod;
mod talos;
#[cfg(test)]
mod tests;

use std::fmt;
use std::path::{Path, PathBuf};

use super::document::{load, not_yaml};
use super::documents::{parsed, split};
use super::files::NamedFile;
use crate::diagnostic::{Diagnostic, Place};
use crate::yaml::Node;
use reading::Reading;
use recognized::{recognized, refusal};

/// A tool whose file is understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tool {
    /// `ClusterConfiguration`, v1beta3 and v1beta4.
    Kubeadm,
    /// `Cluster` of kind.
    Kind,
    /// `KubeadmControlPlane` and its like.
    ClusterApi,
    /// `config.yaml` of k3s and RKE2, with the files in `config.yaml.d`.
    K3s,
    /// A machine configuration, or a patch of one.
    Talos,
    /// `Cluster` of kOps.
    Kops,
    /// The manifest of a Pod that runs kube-apiserver.
    StaticPod,
    ConfigMap,
    Secret,
    /// The file that `--authentication-config` names.
    AuthenticationConfiguration,
    /// The file that `--authorization-config` names.
    AuthorizationConfiguration,
}

impl Tool {
    /// Returns `true` for a file with one part of a configuration, and `false` for one with all flags of API servers.
    pub(crate) fn is_one_part(self) -> bool {
        matches!(
            self,
            Self::AuthenticationConfiguration | Self::AuthorizationConfiguration | Self::ConfigMap | Self::Secret
        )
    }
}

impl fmt::Display for Tool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kubeadm => "kubeadm",
            Self::Kind => "kind",
            Self::ClusterApi => "Cluster API",
            Self::K3s => "k3s or RKE2",
            Self::Talos => "Talos",
            Self::Kops => "kOps",
            Self::StaticPod => "static Pod",
            Self::ConfigMap => "ConfigMap",
            Self::Secret => "Secret",
            Self::AuthenticationConfiguration => "AuthenticationConfiguration",
            Self::AuthorizationConfiguration => "AuthorizationConfiguration",
        })
    }
}

/// A flag of kube-apiserver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Flag {
    /// The name without dashes in front.
    pub(crate) name: String,
    pub(crate) value: String,
    /// The file that has it: for k3s, it may be another one than the one that was named.
    pub(crate) file: PathBuf,
    pub(crate) place: Place,
}

/// Flags and files of API servers.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) tool: Tool,
    /// In the order of the file. A name may occur more than once; the server decides what that means.
    pub(crate) flags: Vec<Flag>,
    /// The files that flags name.
    pub(crate) files: Vec<NamedFile>,
    /// Parts that cannot be judged, and mistakes that the tool itself would refuse.
    pub(crate) notes: Vec<Diagnostic>,
}

/// Recognizes a file of one of the tools.
///
/// # Errors
/// The file cannot be read, or belongs to no tool that is understood.
pub(crate) fn recognize(path: &Path) -> Result<Tool, Diagnostic> {
    let (text, roots) = parse(path)?;
    match meant(&roots) {
        Some((tool, _)) => Ok(tool),
        None => Err(refusal(path, &text, &roots)),
    }
}

/// Reads a file, and parses its documents.
fn parse(path: &Path) -> Result<(String, Vec<Node>), Diagnostic> {
    let text = load(path)?;
    let roots: Result<Vec<Node>, _> = split(&text).iter().map(parsed).collect();
    let roots = roots.map_err(|error| not_yaml(path, &text, &error))?;
    Ok((text, roots))
}

/// Returns the document that a file is about, with its tool.
fn meant(roots: &[Node]) -> Option<(Tool, &Node)> {
    let known: Vec<(Tool, &Node)> = roots.iter().filter_map(|root| Some((recognized(root)?, root))).collect();
    // An object that a tool's file brings along is not what the file is about.
    let is_object = |tool: Tool| matches!(tool, Tool::ConfigMap | Tool::Secret);
    known.iter().find(|(tool, _)| !is_object(*tool)).or(known.first()).copied()
}

/// Recognizes a file of one of the tools, and reads it.
///
/// # Errors
/// The file cannot be read, or belongs to no tool that is understood.
pub(crate) fn read(path: &Path) -> Result<Found, Vec<Diagnostic>> {
    let (text, roots) = parse(path).map_err(|mistake| vec![mistake])?;
    let Some((tool, root)) = meant(&roots) else {
        return Err(vec![refusal(path, &text, &roots)]);
    };
    let mut reading = Reading::new(path, &text, tool);
    let same: Vec<&Node> = roots.iter().filter(|root| recognized(root) == Some(tool)).collect();
    match tool {
        Tool::Kubeadm => kubeadm::read(&mut reading, root, &roots),
        Tool::Kind => kind::read(&mut reading, root),
        Tool::ClusterApi => cluster_api::read(&mut reading, root, &roots),
        Tool::K3s => k3s::read(&mut reading, root)?,
        Tool::Talos => same.iter().for_each(|root| talos::read(&mut reading, root)),
        Tool::Kops => kops::read(&mut reading, root),
        Tool::StaticPod => static_pod::read(&mut reading, root),
        Tool::ConfigMap | Tool::Secret => object::read(&mut reading, root),
        Tool::AuthenticationConfiguration => reading.itself("authentication-config", root),
        Tool::AuthorizationConfiguration => reading.itself("authorization-config", root),
    }
    if let Some(second) = same.get(1).filter(|_| tool != Tool::Talos) {
        reading.note(
            second,
            "a second one in the same file, which is not read",
            Some("put it into a file of its own"),
        );
    }
    Ok(reading.finish())
}
