//! An API server's answers about somebody. The main types are [`Outcome`] and [`Decision`].

use serde::Serialize;

use crate::event::Verdict;
use crate::probe::{Answer, Identity};

/// The answer to the question who somebody is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The server said who it is.
    Accepted(Identified),
    /// The server refused the credential.
    Refused(Refused),
}

/// The identity that an API server gave somebody (authentication.k8s.io/v1 `UserInfo`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Identified {
    /// The user's name.
    pub user: String,
    /// The groups, sorted.
    pub groups: Vec<String>,
    /// The UID, if there is one that the credential says. The one of a service account is left out: it is its object's, another in each lab.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub uid: String,
    /// The extra fields, without those that the API server adds for itself to every credential (`authentication.kubernetes.io/…`).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub extra: Vec<(String, Vec<String>)>,
}

/// A refusal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Refused {
    /// The kind of refusal.
    pub kind: Verdict,
    /// The reason in the server's log, bound to this request; `None` if the log has none.
    pub reason: Option<String>,
}

/// Whether somebody may do something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Decision {
    /// The action, with its API group.
    pub action: String,
    /// `true` if it is allowed.
    pub allowed: bool,
    /// The authorizer's words, such as the binding and the role that allow it (kubernetes `plugin/pkg/auth/authorizer/rbac`).
    pub reason: String,
}

/// The prefix of extra fields that API servers add by themselves, such as the id of a credential, which differs between requests.
const OWN_EXTRA: &str = "authentication.kubernetes.io/";

/// The beginning of service accounts' names (kubernetes/apiserver `pkg/authentication/serviceaccount`).
const SERVICE_ACCOUNT: &str = "system:serviceaccount:";

impl From<&Identity> for Identified {
    fn from(identity: &Identity) -> Self {
        let extra = identity.extra.iter().filter(|(key, _)| !key.starts_with(OWN_EXTRA));
        Self {
            user: identity.user.clone(),
            groups: identity.groups.iter().cloned().collect(),
            uid: if identity.user.starts_with(SERVICE_ACCOUNT) {
                String::new()
            } else {
                identity.uid.clone()
            },
            extra: extra.map(|(key, values)| (key.clone(), values.clone())).collect(),
        }
    }
}

impl Outcome {
    /// Returns the outcome of asking "who am I".
    pub(super) fn of(answer: &Answer) -> Self {
        match (answer.verdict, &answer.identity) {
            (Verdict::Accepted, Some(identity)) => Self::Accepted(identity.into()),
            (kind, _) => Self::Refused(Refused {
                kind,
                reason: answer.record.reason.clone(),
            }),
        }
    }

    /// Returns the identity, if there is one.
    pub fn identified(&self) -> Option<&Identified> {
        match self {
            Self::Accepted(identified) => Some(identified),
            Self::Refused(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_between_labs_is_left_out() {
        let identity = |user: &str| Identity {
            user: user.to_owned(),
            uid: "7".to_owned(),
            extra: [
                ("authentication.kubernetes.io/credential-id".to_owned(), vec!["JTI=1".to_owned()]),
                ("team".to_owned(), vec!["a".to_owned()]),
            ]
            .into(),
            ..Identity::default()
        };
        let alice = Identified::from(&identity("alice"));
        assert_eq!((alice.uid.as_str(), alice.extra.len()), ("7", 1));
        assert_eq!(Identified::from(&identity("system:serviceaccount:ci:deployer")).uid, "");
    }
}
