//! Things that somebody may do or not, as a person writes them: `create deployments.apps in team-a`.
//!
//! The main type is [`Action`].

use std::fmt;
use std::str::FromStr;

use serde_json::{Value, json};

use crate::probe::Question;
use crate::similar::similar;

/// A request that is reviewed and never carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// A verb on a resource.
    Resource {
        /// The verb: `get`, `create`, `impersonate`, `*`, …
        verb: String,
        /// The API group; `None` if it was not written, and the API server is asked which group has the resource.
        group: Option<String>,
        /// The resource, in the plural: `pods`.
        resource: String,
        /// The part of it, if any: `log`, `exec`, `status`.
        subresource: String,
        /// The name of the object; empty for all.
        name: String,
        /// The namespace; empty for the whole cluster.
        namespace: String,
        /// `true` if it is asked as it is written, though Kubernetes may have no such verb or resource.
        exact: bool,
    },
    /// A verb on a path that is no resource: `get /metrics`.
    Path {
        /// The verb, an HTTP method in lower case.
        verb: String,
        /// The path.
        path: String,
    },
}

/// A text that is no action.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{text}' is not an action: {why} (expected: VERB RESOURCE[.GROUP][/SUBRESOURCE] [named NAME] [in NAMESPACE], or VERB /PATH)")]
pub struct NotAnAction {
    text: String,
    why: String,
}

/// The verbs of requests for resources, and those that authorizers are asked about beside requests (kubectl `auth can-i` knows the same).
const RESOURCE_VERBS: [&str; 16] = [
    "get",
    "list",
    "watch",
    "create",
    "update",
    "patch",
    "delete",
    "deletecollection",
    "use",
    "bind",
    "escalate",
    "impersonate",
    "approve",
    "sign",
    "attest",
    "*",
];

/// The verbs of requests for paths: HTTP's methods in lower case (kubernetes/apiserver `pkg/endpoints/request/requestinfo.go`).
const PATH_VERBS: [&str; 8] = ["get", "put", "post", "head", "options", "delete", "patch", "*"];

/// The beginnings of the verbs of constrained impersonation (KEP-5284): `impersonate:user-info`, `impersonate-on:user-info:list`.
const IMPERSONATION: [&str; 2] = ["impersonate:", "impersonate-on:"];

/// The word before an action that is asked as it is written.
const EXACTLY: &str = "exactly";

/// Returns why `verb` is not one of `known`; `None` if it is.
fn unknown_verb(verb: &str, known: &[&str]) -> Option<String> {
    let lower = verb.to_lowercase();
    if known.contains(&verb) || IMPERSONATION.iter().any(|beginning| verb.starts_with(beginning)) {
        None
    } else if known.contains(&lower.as_str()) {
        Some(format!("verbs are in lower case, `{lower}`"))
    } else {
        let meant = similar(verb, known.iter().copied(), 1);
        let meant = meant.first().map_or_else(String::new, |meant| format!("; did you mean `{meant}`?"));
        Some(format!(
            "Kubernetes has no verb `{verb}`{meant} (for one of your own, begin with `{EXACTLY}`)"
        ))
    }
}

impl FromStr for Action {
    type Err = NotAnAction;

    fn from_str(text: &str) -> Result<Self, NotAnAction> {
        let refused = |why: &str| NotAnAction {
            text: text.to_owned(),
            why: why.to_owned(),
        };
        let mut words = text.split_whitespace().peekable();
        let exact = words.next_if_eq(&EXACTLY).is_some();
        let verb = words.next().ok_or_else(|| refused("it is empty"))?.to_owned();
        let what = words.next().ok_or_else(|| refused("the resource is missing"))?;
        let known = if what.starts_with('/') { &PATH_VERBS[..] } else { &RESOURCE_VERBS };
        if let Some(why) = unknown_verb(&verb, known).filter(|_| !exact) {
            return Err(refused(&why));
        }
        if what.starts_with('/') {
            return match words.next() {
                None => Ok(Self::Path {
                    verb,
                    path: what.to_owned(),
                }),
                Some(_) => Err(refused("a path has no namespace and no name")),
            };
        }
        let (mut name, mut namespace) = (String::new(), String::new());
        while let Some(word) = words.next() {
            let place = match word {
                "named" => &mut name,
                "in" => &mut namespace,
                _ => return Err(refused("after the resource, only `named NAME` and `in NAMESPACE` are understood")),
            };
            let value = words.next().ok_or_else(|| refused("a name is missing at its end"))?;
            if !place.is_empty() {
                return Err(refused("it names two of a kind"));
            }
            value.clone_into(place);
        }
        let (what, subresource) = what.split_once('/').unwrap_or((what, ""));
        let (resource, group) = match what.split_once('.') {
            Some((resource, group)) => (resource, Some(group.to_owned())),
            None => (what, None),
        };
        if resource.is_empty() || group.as_deref() == Some("") {
            return Err(refused("the resource is missing"));
        }
        Ok(Self::Resource {
            verb,
            group,
            resource: resource.to_owned(),
            subresource: subresource.to_owned(),
            name,
            namespace,
            exact,
        })
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path { verb, path } => write!(f, "{verb} {path}"),
            Self::Resource {
                verb,
                group,
                resource,
                subresource,
                name,
                namespace,
                exact,
            } => {
                if *exact {
                    write!(f, "{EXACTLY} ")?;
                }
                write!(f, "{verb} {resource}")?;
                if let Some(group) = group.as_deref().filter(|group| !group.is_empty()) {
                    write!(f, ".{group}")?;
                }
                for (before, text) in [("/", subresource), (" named ", name), (" in ", namespace)] {
                    if !text.is_empty() {
                        write!(f, "{before}{text}")?;
                    }
                }
                Ok(())
            }
        }
    }
}

impl Action {
    /// Returns whether it is asked as it is written.
    pub(super) fn is_exact(&self) -> bool {
        matches!(self, Self::Resource { exact: true, .. })
    }

    /// Returns whether its resource is looked up among those of the API server.
    pub(super) fn is_looked_up(&self) -> bool {
        matches!(self, Self::Resource { exact: false, .. })
    }

    /// Returns whether the API group of its resource has to be looked up.
    pub(super) fn lacks_group(&self) -> bool {
        matches!(self, Self::Resource { group: None, exact: false, resource, .. } if resource != "*")
    }

    /// Returns the same in the API group `group`.
    #[must_use]
    pub(super) fn in_group(self, of: &str) -> Self {
        match self {
            Self::Resource {
                verb,
                resource,
                subresource,
                name,
                namespace,
                exact,
                ..
            } => Self::Resource {
                group: Some(of.to_owned()),
                verb,
                resource,
                subresource,
                name,
                namespace,
                exact,
            },
            path @ Self::Path { .. } => path,
        }
    }

    /// Returns the request that asks whether the caller may do it; nothing is done.
    #[must_use]
    pub fn question(&self) -> Question {
        Question::post("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", self.review())
    }

    /// Returns the question whether the caller may do it (authorization.k8s.io/v1 `SelfSubjectAccessReview`).
    fn review(&self) -> Value {
        let spec = match self {
            Self::Path { verb, path } => json!({ "nonResourceAttributes": { "verb": verb, "path": path } }),
            Self::Resource {
                verb,
                group,
                resource,
                subresource,
                name,
                namespace,
                ..
            } => json!({ "resourceAttributes": {
                "verb": verb, "group": group.as_deref().unwrap_or_default(), "resource": resource, "subresource": subresource,
                "name": name, "namespace": namespace,
            } }),
        };
        json!({ "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", "spec": spec })
    }
}
