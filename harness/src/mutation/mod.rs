//! Random changes of a lab's settings, one at a time, to find what no scenario notices: mutation testing, of which the settings are the program.
//!
//! The main type is [`Mutation`]. Each is a [`Sabotage`] that nobody wrote: the values in `fixtures/api_servers/` and
//! `fixtures/authentication/`, with one of them inverted, shortened, dropped or replaced, or one binding more in the cluster. A sabotage says who
//! has to notice; here, any scenario will do. [`Reasons`] are the lines of the fixtures that say why nobody can.

mod issuers;
mod reasons;
mod servers;

pub use reasons::Reasons;

use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use std::collections::BTreeMap;
use toml::Table;

use crate::cluster::{self, Setting};
use crate::sabotage::{Sabotage, SabotageError};

/// One change of one setting.
#[derive(Clone, Debug)]
pub struct Mutation {
    /// The setting as `fixtures/sabotaged_settings.toml` names it, with its part: `flags.oidc-client-id`, `issuers.claimMappings.uid.expression`.
    pub setting: String,
    /// The change, whose name says what is changed, and where.
    pub sabotage: Sabotage,
}

/// A change before it is a sabotage: the setting, where it is, what is done to it, and the change in the form of `fixtures/sabotage/`.
struct Change {
    setting: String,
    place: String,
    what: String,
    table: Table,
}

impl TryFrom<Change> for Mutation {
    type Error = SabotageError;

    fn try_from(change: Change) -> Result<Self, SabotageError> {
        let name = format!("{} of {}: {}", change.setting, change.place, change.what);
        let sabotage = Sabotage::unforeseen(&name, change.table)?;
        Ok(Self {
            setting: change.setting,
            sabotage,
        })
    }
}

impl Mutation {
    /// Returns every change that the fixtures describe, in order.
    ///
    /// # Errors
    /// A fixture is damaged.
    pub fn all() -> Result<Vec<Self>, SabotageError> {
        let mut changes = Vec::new();
        for (name, setting) in Setting::fixtures() {
            servers::changes(name, &setting, &mut changes);
        }
        for (name, piece) in cluster::pieces() {
            issuers::changes(name, &piece, &mut changes);
        }
        servers::controllers(&mut changes);
        servers::bindings(&mut changes);
        changes.into_iter().map(Self::try_from).collect()
    }

    /// Returns `count` of them at random, without those of settings that have no bearing on who somebody is or what they may do.
    ///
    /// First the setting is drawn, and then the change: a file of thirty lines counts no more than a flag. No change is drawn twice.
    ///
    /// # Errors
    /// As [`Mutation::all`].
    pub fn some(count: usize, seed: u64, reasons: &Reasons) -> Result<Vec<Self>, SabotageError> {
        let mut by_setting: BTreeMap<String, Vec<Self>> = BTreeMap::new();
        for mutation in Self::all()? {
            if !reasons.has_no_bearing(&mutation.setting) {
                by_setting.entry(mutation.setting.clone()).or_default().push(mutation);
            }
        }
        let mut random = rand::rngs::StdRng::seed_from_u64(seed);
        let mut settings: Vec<Vec<Self>> = by_setting.into_values().collect();
        settings.shuffle(&mut random);
        let mut drawn = Vec::new();
        while drawn.len() < count && !settings.is_empty() {
            settings.retain(|left| !left.is_empty());
            for left in settings.iter_mut().take(count - drawn.len()) {
                drawn.push(left.swap_remove(random.gen_range(0..left.len())));
            }
        }
        Ok(drawn)
    }
}

/// Returns whether API servers with this setting run: some settings show how a start is refused.
fn runs(setting: &Table) -> bool {
    let says = |name: &str| setting.get(name).and_then(toml::Value::as_str).unwrap_or_default();
    !says("described_as").contains("does not start")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_fixture_is_changed_in_many_ways_and_each_change_has_a_name_of_its_own() {
        let all = Mutation::all().expect("they are sound");
        let names: BTreeSet<&str> = all.iter().map(|mutation| mutation.sabotage.name.as_str()).collect();
        assert_eq!(names.len(), all.len());
        for wanted in [
            "flags.anonymous-auth of main: false",
            "flags.requestheader-group-headers of aggregator: without X-Team",
            "flags.token-auth-file of tokens: without {secret:bob},bob,static-bob",
            "flags.feature-gates of variant: ConstrainedImpersonation=true",
            "flags.authorization-config of authorizers: failurePolicy: Deny instead of NoOpinion",
            "issuers.claimMappings.username.claim of rs256: email",
            "issuers.claimValidationRules of expressions: inverted 0",
            "issuers.issuer.audiences of keycloak: one more",
            "controllers.controllers of kube-controller-manager: without namespace-controller",
            "objects of the cluster: view for system:authenticated",
        ] {
            assert!(
                names.contains(wanted),
                "{wanted} is not among\n{}",
                names.iter().copied().collect::<Vec<_>>().join("\n")
            );
        }
        let known = Reasons::read().expect("they are sound");
        for name in known.names() {
            let place = name.strip_prefix("* of ").map(|place| format!(" of {place}: "));
            let is_one = names
                .iter()
                .any(|change| *change == name || place.as_ref().is_some_and(|place| change.contains(place)));
            assert!(is_one, "fixtures/surviving_mutations.toml: there is no change {name}");
        }
        assert!(known.of("issuers.issuer.audiences of misspelt: one more").is_some());
        assert!(known.of("issuers.issuer.audiences of rs256: one more").is_none());
        let without: Vec<&str> = all
            .iter()
            .map(|mutation| mutation.setting.as_str())
            .filter(|setting| !known.knows(setting))
            .collect();
        assert_eq!(
            without,
            Vec::<&str>::new(),
            "settings that fixtures/sabotaged_settings.toml does not have"
        );
    }

    #[test]
    fn a_seed_is_drawn_again_and_settings_take_turns() {
        let reasons = Reasons::read().expect("they are sound");
        let drawn = |count, seed| {
            let drawn = Mutation::some(count, seed, &reasons).expect("they are sound");
            drawn
                .into_iter()
                .map(|mutation| (mutation.setting, mutation.sabotage.name))
                .collect::<Vec<_>>()
        };
        assert_eq!(drawn(9, 4), drawn(9, 4));
        assert_ne!(drawn(9, 4), drawn(9, 5));
        let settings: BTreeSet<String> = drawn(9, 4).into_iter().map(|(setting, _)| setting).collect();
        assert_eq!(settings.len(), 9);
        let all = drawn(10_000, 1);
        let names: BTreeSet<&String> = all.iter().map(|(_, name)| name).collect();
        assert_eq!(names.len(), all.len(), "no change is drawn twice");
        assert!(
            all.iter().all(|(setting, _)| setting != "flags.v"),
            "what has no bearing is not drawn"
        );
    }
}
