//! The signers of certificates.k8s.io, each with its own rules.
//!
//! The main type is [`Signer`]; [`Signer::broken`] compares a request with the rules of its signer, in the order in which the signer does
//! (kubernetes `pkg/controller/certificates/signer/signer.go`, `pkg/apis/certificates/helpers.go`).

use std::collections::BTreeSet;

use super::requested::Requested;

/// The signer of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signer<'a> {
    /// `kubernetes.io/kube-apiserver-client`: clients of the API server.
    Client,
    /// `kubernetes.io/kube-apiserver-client-kubelet`: nodes, as clients.
    NodeClient,
    /// `kubernetes.io/kubelet-serving`: nodes, as servers.
    NodeServing,
    /// `kubernetes.io/legacy-unknown`: refused since certificates.k8s.io/v1.
    Legacy,
    /// Another name of Kubernetes' own, which nothing in it signs for.
    Unknown(&'a str),
    /// A controller that is installed in the cluster.
    Custom(&'a str),
}

/// A rule that a request breaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// The signer's own words.
    pub words: String,
    /// The content of the request instead.
    pub has: String,
    /// The change that helps.
    pub change: String,
    /// `true` if it is about the usages.
    pub of_usages: bool,
}

/// The organization of nodes.
const NODES: &str = "system:nodes";

/// The beginning of a node's common name.
const NODE: &str = "system:node:";

impl<'a> Signer<'a> {
    /// Returns the signer of the name `name`.
    #[must_use]
    pub fn of(name: &'a str) -> Self {
        match name {
            "kubernetes.io/kube-apiserver-client" => Self::Client,
            "kubernetes.io/kube-apiserver-client-kubelet" => Self::NodeClient,
            "kubernetes.io/kubelet-serving" => Self::NodeServing,
            "kubernetes.io/legacy-unknown" => Self::Legacy,
            name if name.starts_with("kubernetes.io/") => Self::Unknown(name),
            name => Self::Custom(name),
        }
    }

    /// Returns what the signer signs, for output.
    #[must_use]
    pub fn wants(self) -> &'static str {
        match self {
            Self::Client => {
                "clients of the API server: the usage `client auth`, and of others only `digital signature` and `key encipherment`"
            }
            Self::NodeClient => {
                "nodes as clients: exactly the organization system:nodes, a common name system:node:NAME, no alternative names, and the usages \
                `digital signature` and `client auth` (with `key encipherment` or without)"
            }
            Self::NodeServing => {
                "the serving certificates of nodes: exactly the organization system:nodes, a common name system:node:NAME, DNS names or \
                addresses and no other alternative names, and the usages `digital signature` and `server auth` (with `key encipherment` or without)"
            }
            Self::Legacy => "nothing: the signer is gone since certificates.k8s.io/v1 (1.22)",
            Self::Unknown(_) => "nothing: Kubernetes has no such signer",
            Self::Custom(_) => "what its controller allows",
        }
    }

    /// Returns the first of the signer's rules that a request breaks; `None` if it keeps all, or the rules are a custom signer's.
    #[must_use]
    pub fn broken(self, requested: &Requested, usages: &[String]) -> Option<Broken> {
        match self {
            Self::Client => client_usages(usages),
            Self::NodeClient => organization(requested)
                .or_else(|| no_names(requested))
                .or_else(|| common_name(requested))
                .or_else(|| exactly(usages, ["client auth", "digital signature", "key encipherment"])),
            Self::NodeServing => {
                serving(organization(requested).or_else(|| names(requested)).or_else(|| {
                    exactly(usages, ["digital signature", "key encipherment", "server auth"]).or_else(|| common_name(requested))
                }))
            }
            Self::Legacy | Self::Unknown(_) | Self::Custom(_) => None,
        }
    }
}

/// Adds the way for servers that are no nodes, for which people take this signer most often.
fn serving(broken: Option<Broken>) -> Option<Broken> {
    let broken = broken?;
    Some(Broken {
        change: format!(
            "{}; for a webhook or another server, use cert-manager or a signer of your own: this one is for kubelets alone",
            broken.change
        ),
        ..broken
    })
}

/// Checks the usages (`validAPIServerClientUsages`).
fn client_usages(usages: &[String]) -> Option<Broken> {
    let change = "make the request again with the usage `client auth`, and of others only `digital signature` and `key encipherment`";
    let broken = |words: String| {
        Some(Broken {
            words,
            has: format!("its usages are {usages:?}"),
            change: change.to_owned(),
            of_usages: true,
        })
    };
    let allowed = ["digital signature", "key encipherment", "client auth"];
    if let Some(other) = usages.iter().find(|usage| !allowed.contains(&usage.as_str())) {
        return broken(format!("invalid usage for client certificate: {other}"));
    }
    if !usages.iter().any(|usage| usage == "client auth") {
        return broken("missing required usage for client certificate: client auth".to_owned());
    }
    None
}

/// Checks that the usages are these, or these without `key encipherment`, which only RSA keys need.
fn exactly(usages: &[String], wanted: [&str; 3]) -> Option<Broken> {
    let has: BTreeSet<&str> = usages.iter().map(String::as_str).collect();
    let all = BTreeSet::from(wanted);
    let few: BTreeSet<&str> = all.iter().copied().filter(|usage| *usage != "key encipherment").collect();
    (has != all && has != few).then(|| Broken {
        words: format!("usages did not match [{}]", wanted.join(" ")),
        has: format!("its usages are {usages:?}"),
        change: format!("make the request again with exactly the usages {wanted:?}"),
        of_usages: true,
    })
}

fn rule(words: &str, has: String, change: &str) -> Broken {
    Broken {
        words: words.to_owned(),
        has,
        change: format!("make the request again {change}"),
        of_usages: false,
    }
}

fn organization(requested: &Requested) -> Option<Broken> {
    (requested.organizations != [NODES]).then(|| {
        rule(
            "subject organization is not system:nodes",
            format!("its organizations are {:?}", requested.organizations),
            "with exactly the organization system:nodes (`-subj /O=system:nodes/CN=system:node:NAME`)",
        )
    })
}

fn common_name(requested: &Requested) -> Option<Broken> {
    (!requested.common_name.starts_with(NODE)).then(|| {
        rule(
            "subject common name does not begin with system:node:",
            format!("its common name is {:?}", requested.common_name),
            "with the common name system:node:NAME (`-subj /O=system:nodes/CN=system:node:NAME`)",
        )
    })
}

fn names(requested: &Requested) -> Option<Broken> {
    if requested.dns.is_empty() && requested.addresses.is_empty() {
        let change = "with the node's names and addresses (`-addext subjectAltName=DNS:NAME,IP:ADDRESS`)";
        return Some(rule("DNS or IP subjectAltName is required", "it has none".to_owned(), change));
    }
    other_names(requested)
}

/// Checks that there is neither an e-mail address nor a URI.
fn other_names(requested: &Requested) -> Option<Broken> {
    for (kind, found) in [("Email", &requested.emails), ("URI", &requested.uris)] {
        if !found.is_empty() {
            let words = format!("{kind} subjectAltNames are not allowed");
            return Some(rule(&words, format!("it has {found:?}"), "without them"));
        }
    }
    None
}

fn no_names(requested: &Requested) -> Option<Broken> {
    for (kind, found) in [
        ("DNS", &requested.dns),
        ("Email", &requested.emails),
        ("IP", &requested.addresses),
        ("URI", &requested.uris),
    ] {
        if !found.is_empty() {
            let words = format!("{kind} subjectAltNames are not allowed");
            return Some(rule(&words, format!("it has {found:?}"), "without alternative names"));
        }
    }
    None
}
