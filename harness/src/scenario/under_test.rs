//! The API server that own features are about: one with somebody's own configuration, or that of a cluster that exists. The main type is
//! [`UnderTest`].

use std::collections::{BTreeMap, HashMap};

use super::{OwnPeople, ScenarioContext};
use crate::cluster::{Capabilities, Driver, Minor, Observed};
use crate::credential::Credential;
use crate::event::Skip;
use crate::lab::Lab;
use crate::trial::existing::ExistingCluster;
use crate::trial::{self, Action, Presented, Trial, TrialError};

/// The capability of a lab whose API server own features are about.
pub const PROJECT: &str = "project";

/// The capability of a lab that signs tokens in place of the issuers that its API server trusts.
pub const STAND_INS: &str = "issuer_stand_ins";

/// The capability of a lab in which people present contexts of a kubeconfig.
pub const CONTEXTS: &str = "kubeconfig_contexts";

type Reasons = &'static [(&'static str, &'static str)];

/// The capabilities that a lab with an own configuration does not have, although its driver could, with the reason.
const LACKS: Reasons = &[
    ("aggregated_apis", "nothing is started beside the API server"),
    (
        "anonymous_requests",
        "the configuration decides about requests without a credential",
    ),
    ("auth_proxy", "nothing is started beside the API server"),
    ("certificate_signer", "no controllers are started beside the API server"),
    ("cast_accounts", "stand-ins sign the tokens of the configuration's issuers"),
    ("external_signer", "nothing is started beside the API server"),
    ("further_api_servers", "the scenarios are about one API server"),
    ("identity_provider", "stand-ins sign the tokens of the configuration's issuers"),
    ("issuer", "the API server trusts the issuers of the configuration"),
    (CONTEXTS, "a context leads to a cluster that exists (--cluster existing)"),
    ("realm_administration", "stand-ins sign the tokens of the configuration's issuers"),
    ("several_audiences", "stand-ins sign the tokens of the configuration's issuers"),
    ("token_webhook", "the configuration decides who reviews tokens"),
];

/// The capabilities that a cluster does not have while people ask it with their own credentials, with the reason.
const LACKS_FOR_VISITORS: Reasons = &[
    (
        "administrator",
        "nothing is created in it, and no rights are used but those of its people",
    ),
    ("anonymous_requests", "it is asked by people with a credential of their own"),
    ("certificate_signer", "no certificate is requested from it"),
    ("client_certificates", "no certificate is requested from it"),
    ("cluster_signing_key", "it accepts no certificate that authlab signs"),
    ("identity_provider", "nobody is logged in for a run"),
    (STAND_INS, "only the issuers that it trusts sign tokens that it accepts"),
];

/// The API server that own features are about, and the people who ask it.
#[derive(Clone, Debug)]
pub struct UnderTest {
    /// The API server.
    pub subject: Subject,
    /// The people whom steps name without saying what they present.
    pub people: OwnPeople,
    /// The scenarios that must not be carried out there, by their identity.
    pub kept_out: HashMap<String, Skip>,
}

/// An API server that own features are about.
#[derive(Clone, Debug)]
pub enum Subject {
    /// One that was started with somebody's own configuration.
    Trial(Box<Trial>),
    /// That of a cluster that exists, which gets nothing but reviews.
    Cluster(ExistingCluster),
}

impl UnderTest {
    /// Returns the lab.
    pub fn lab(&self) -> &Lab {
        match &self.subject {
            Subject::Trial(trial) => trial.lab(),
            Subject::Cluster(visited) => visited.lab(),
        }
    }

    /// Returns `true` if it is a cluster that exists.
    pub fn is_visited(&self) -> bool {
        matches!(self.subject, Subject::Cluster(_))
    }

    /// Returns the capabilities that scenarios can rely on.
    pub fn capabilities(&self) -> Capabilities {
        match &self.subject {
            Subject::Trial(trial) => {
                let stand_ins = (STAND_INS, "stand-ins sign the tokens of the configuration's issuers");
                let project = (PROJECT, "its API server has a configuration of its own");
                trial.lab().capabilities().observed(observed(LACKS, &[stand_ins, project]))
            }
            Subject::Cluster(visited) => Self::of_visited(visited.lab().version()),
        }
    }

    /// Returns the capabilities of a cluster of `version` that exists, which people ask with their own credentials.
    pub fn of_visited(version: Minor) -> Capabilities {
        let has = [
            (PROJECT, "its people ask it"),
            (CONTEXTS, "its people are contexts of a kubeconfig"),
        ];
        Capabilities::of(Driver::Existing, version).observed(observed(LACKS_FOR_VISITORS, &has))
    }

    /// Returns the reason why `scenario` must not be carried out, if there is one beside its requirements.
    pub fn keeps_out(&self, scenario: &ScenarioContext) -> Option<Skip> {
        self.kept_out.get(&scenario.id).cloned()
    }

    /// Returns the credential of `person`, made for the API server.
    ///
    /// # Errors
    /// It cannot be made.
    pub async fn credential(&self, person: &trial::Person) -> Result<Credential, TrialError> {
        match (&self.subject, &person.presents) {
            (Subject::Trial(trial), _) => trial.credential(person).await,
            (Subject::Cluster(_), Presented::Own(credential)) => Ok(credential.clone()),
            (Subject::Cluster(_), _) => Err(TrialError::NotMade {
                person: person.name.clone(),
            }),
        }
    }

    /// Returns `action` with the API group that has its resource; at a cluster that exists, `who` asks for that with `credential`.
    ///
    /// # Errors
    /// No API group has it, or several.
    pub async fn complete(&self, who: &str, credential: &Credential, action: &Action) -> Result<Action, TrialError> {
        match &self.subject {
            Subject::Trial(trial) => trial.complete(action).await,
            Subject::Cluster(visited) => visited.complete(who, credential, action).await,
        }
    }
}

fn observed(lacks: Reasons, has: &[(&str, &str)]) -> BTreeMap<String, Observed> {
    let told = |able, (name, why): &(&str, &str)| {
        let why = (*why).to_owned();
        ((*name).to_owned(), Observed { able, why })
    };
    let lacks = lacks.iter().map(|pair| told(false, pair));
    lacks.chain(has.iter().map(|pair| told(true, pair))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_lab_lacks_or_has_is_described() {
        let known = Capabilities::described();
        let lacks = LACKS.iter().chain(LACKS_FOR_VISITORS).map(|(name, _)| *name);
        for name in lacks.chain([PROJECT, STAND_INS, CONTEXTS]) {
            assert!(known.iter().any(|described| described == name), "{name}");
        }
    }

    #[test]
    fn a_cluster_that_exists_has_nothing_but_its_people_for_visitors() {
        let capabilities = UnderTest::of_visited(Minor(37));
        let has = |name: &str| capabilities.check(name).is_ok_and(|checked| checked.is_ok());
        let able: Vec<&String> = capabilities.table().keys().filter(|name| has(name)).collect();
        assert_eq!(able, [CONTEXTS, PROJECT]);
    }
}
