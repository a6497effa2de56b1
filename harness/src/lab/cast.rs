//! The cast of a lab, and the credentials that each member presents: `fixtures/cast.toml`, and the administrator.
//!
//! The main type is [`Member`]; [`Lab::credential_of`] issues a new credential in the way in which a member usually
//! authenticates.

use std::sync::LazyLock;
use std::time::Duration;

use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::Api;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Lab, LabError, seed_objects, service_account};
use crate::credential::Credential;
use crate::identity_provider::Provider;
use crate::identity_provider::keycloak::TokenSet;
use crate::kubeconfig::{self, NotInKubeconfig};
use crate::pki::{Leaf, Request};
use crate::secret::Secret;

/// The user that may do everything: not in the fixture, since every lab has one.
pub const ADMINISTRATOR: &str = "administrator";

/// The lifetime of a person's credential: a day's training.
const LIFETIME: Duration = Duration::from_secs(24 * 3600);

/// A member of the cast.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Member {
    /// The name of the user or service account.
    pub name: String,
    /// The name by which features call them.
    #[serde(default, skip_serializing)]
    pub called: Option<String>,
    /// The member's description, in words.
    pub described_as: String,
    /// The kind of member: a person or a service account.
    pub kind: Kind,
    /// The groups that an API server should see.
    pub groups: Vec<String>,
    /// The ways in which the member authenticates; the first one is used in a kubeconfig.
    pub authenticates_by: Vec<Way>,
}

/// The kind of a member of the cast.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A person.
    Person,
    /// A service account.
    ServiceAccount,
}

/// A way in which a member of the cast authenticates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Way {
    /// With a certificate signed by the client CA.
    Certificate,
    /// With a certificate requested from the cluster: the same CA signs it.
    SigningRequest,
    /// With an ID token of the identity provider.
    Keycloak,
    /// With a token of the member's service account.
    ServiceAccount,
}

impl Way {
    /// Returns its name, as the cast's file spells it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Certificate => "certificate",
            Self::SigningRequest => "signing-request",
            Self::Keycloak => "keycloak",
            Self::ServiceAccount => "service-account",
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Cast {
    person: Vec<Member>,
    /// Those who act in features only: a lab has no credential for them.
    extra: Vec<Extra>,
}

/// A person or machine that acts in features only.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Extra {
    name: String,
    called: String,
    #[expect(dead_code, reason = "for the readers of the file, and for the table in the features' README")]
    described_as: String,
}

fn cast() -> &'static Cast {
    static CAST: LazyLock<Cast> =
        LazyLock::new(|| toml::from_str(include_str!("../../fixtures/cast.toml")).expect("fixtures/cast.toml is read by a test"));
    &CAST
}

/// Returns all members in `fixtures/cast.toml`.
#[must_use]
pub fn members() -> &'static [Member] {
    &cast().person
}

/// Returns the people who have an account at the identity provider, each with their groups.
pub(super) fn at_the_provider() -> impl Iterator<Item = (&'static str, &'static [String])> {
    let theirs = members().iter().filter(|member| member.authenticates_by.contains(&Way::Keycloak));
    theirs.map(|member| (member.name.as_str(), member.groups.as_slice()))
}

/// Returns the names by which features call people, each with the user name, in alphabetical order.
pub fn called() -> impl Iterator<Item = (&'static str, &'static str)> {
    let members = cast()
        .person
        .iter()
        .filter_map(|member| Some((member.called.as_deref()?, member.name.as_str())));
    let extras = cast().extra.iter().map(|extra| (extra.called.as_str(), extra.name.as_str()));
    let mut all: Vec<_> = members.chain(extras).collect();
    all.sort_unstable();
    all.into_iter()
}

/// Returns the user name of the person that features call `name`.
#[must_use]
pub fn user_called(name: &str) -> Option<&'static str> {
    called().find(|(called, _)| *called == name).map(|(_, user)| user)
}

/// Returns the names of all users for whom credentials exist.
#[must_use]
pub fn names() -> Vec<&'static str> {
    std::iter::once(ADMINISTRATOR)
        .chain(members().iter().map(|member| member.name.as_str()))
        .collect()
}

/// An error: the cast has no member of that name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("nobody in the cast is named '{name}' (known: {})", names().join(", "))]
pub struct UnknownPerson {
    name: String,
}

/// The reason why a user cannot have a credential.
#[derive(Debug, thiserror::Error)]
pub enum CastError {
    /// The name is unknown.
    #[error(transparent)]
    Unknown(#[from] UnknownPerson),
    /// The identity provider, the authorities or the API server do not issue the credential.
    #[error("cannot get a credential of the lab for {name}")]
    Refused {
        /// The user.
        name: String,
        /// The cause.
        #[source]
        source: Box<LabError>,
    },
    /// The fixture does not say how the member authenticates.
    #[error("the cast does not say how {name} authenticates")]
    NoWay {
        /// The member.
        name: String,
    },
    /// The member has no kubeconfig of that form.
    #[error("{name} has no kubeconfig {form}, which needs authentication by {}", ways.join(" or "))]
    NotSo {
        /// The member.
        name: String,
        /// The form.
        form: &'static str,
        /// The ways of authenticating that have that form.
        ways: Vec<&'static str>,
    },
    /// A kubeconfig cannot carry the credential.
    #[error(transparent)]
    NotInKubeconfig(#[from] NotInKubeconfig),
}

/// Checks that `name` is a member of the cast or the administrator.
///
/// # Errors
/// The name is unknown; the error lists the known names.
pub fn check(name: &str) -> Result<(), UnknownPerson> {
    if names().contains(&name) {
        Ok(())
    } else {
        Err(UnknownPerson { name: name.to_owned() })
    }
}

impl Lab {
    /// Issues a new credential for `name`, in the way in which this user usually authenticates.
    ///
    /// # Errors
    /// The name is unknown, or the credential is not issued.
    pub async fn credential_of(&self, name: &str) -> Result<Credential, CastError> {
        check(name)?;
        let refused = |source| CastError::Refused {
            name: name.to_owned(),
            source: Box::new(source),
        };
        let Some(member) = members().iter().find(|member| member.name == name) else {
            return Ok(self.administrator().credential().clone());
        };
        match member.authenticates_by.first() {
            None => Err(CastError::NoWay { name: name.to_owned() }),
            Some(way) => self.credential_by(member, *way).await.map_err(refused),
        }
    }

    /// Issues a new credential for `member`, who authenticates by `way`.
    pub(super) async fn credential_by(&self, member: &Member, way: Way) -> Result<Credential, LabError> {
        match way {
            Way::Certificate | Way::SigningRequest => self.certificate_of(member, LIFETIME).map(Credential::Certificate),
            Way::ServiceAccount => self.service_account_token(&member.name, LIFETIME).await.map(Credential::Token),
            Way::Keycloak => Ok(Credential::Token(log_in(&self.provider().await?, &member.name).await?.id)),
        }
    }

    /// Issues a new certificate for `name`, valid for `lifetime`.
    ///
    /// # Errors
    /// The name is unknown, or the lab has no authority of its own.
    pub fn certificate_for(&self, name: &str, lifetime: Duration) -> Result<Leaf, CastError> {
        let member = members().iter().find(|member| member.name == name);
        let member = member.ok_or_else(|| UnknownPerson { name: name.to_owned() })?;
        self.certificate_of(member, lifetime).map_err(|source| CastError::Refused {
            name: name.to_owned(),
            source: Box::new(source),
        })
    }

    /// Returns a kubeconfig for `name`, as JSON, which is YAML too.
    ///
    /// # Errors
    /// As [`Lab::credential_of`].
    pub async fn kubeconfig_of(&self, name: &str) -> Result<Value, CastError> {
        let credential = self.credential_of(name).await?;
        let main = self.main();
        let context = format!("{name}@{}", self.description().name);
        Ok(kubeconfig::json(&context, &main.url, &main.serving_authority, &credential)?)
    }

    fn certificate_of(&self, member: &Member, lifetime: Duration) -> Result<Leaf, LabError> {
        let groups: Vec<&str> = member.groups.iter().map(String::as_str).collect();
        Ok(self
            .authorities()?
            .clients
            .issue(&Request::client(&member.name, &groups).lifetime(lifetime))?)
    }

    /// Issues a token of the service account `name` in the lab's own namespace, valid for `lifetime`. A missing account is created.
    ///
    /// # Errors
    /// The API server does not issue it.
    pub async fn service_account_token(&self, name: &str, lifetime: Duration) -> Result<Secret, LabError> {
        let wrong = |source| LabError::Objects {
            what: format!("a token of the service account {name}"),
            source: Box::new(source),
        };
        let accounts: Api<ServiceAccount> = Api::namespaced(self.administrator().client(), seed_objects::NAMESPACE);
        service_account::token(&accounts, name, lifetime).await.map_err(wrong)
    }
}

/// Logs `name` in at the identity provider, with their password.
pub(super) async fn log_in(provider: &Provider, name: &str) -> Result<TokenSet, LabError> {
    let password = provider.passwords().get(name);
    let password = password.ok_or_else(|| LabError::NoPassword { name: name.to_owned() })?;
    provider.log_in(name, password, "valid").await.map_err(|source| LabError::Login {
        name: name.to_owned(),
        source: Box::new(source),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_has_a_name_of_their_own_and_a_way_to_authenticate() {
        let mut all = names();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), members().len() + 1);
        for member in members() {
            assert!(!member.authenticates_by.is_empty(), "{}", member.name);
            let accounts = member.authenticates_by.contains(&Way::ServiceAccount);
            assert_eq!(accounts, member.kind == Kind::ServiceAccount, "{}", member.name);
        }
    }

    #[test]
    fn an_unknown_person_is_told_who_is_there() {
        assert_eq!(check("alice"), Ok(()));
        assert_eq!(check(ADMINISTRATOR), Ok(()));
        let error = check("alcie").expect_err("nobody").to_string();
        assert!(
            error.starts_with("nobody in the cast is named 'alcie' (known: administrator, alice, bob"),
            "{error}"
        );
    }
}
