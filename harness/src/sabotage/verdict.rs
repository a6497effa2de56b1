//! The verdict on a sabotage: noticed or not, and by the right scenarios only.
//!
//! The main type is [`Verdict`].

use std::collections::BTreeMap;

use super::Sabotage;
use crate::event::{Outcome, ScenarioReport};

/// The verdict of the scenarios on a sabotage.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// The scenarios that had to fail and did, by behaviour.
    pub noticed: BTreeMap<String, Vec<String>>,
    /// The behaviours that had to notice and did not.
    pub missing: Vec<String>,
    /// The scenarios that were allowed to fail and did.
    pub also: Vec<String>,
    /// The scenarios that failed for no known reason.
    pub unexpected: Vec<String>,
}

impl Verdict {
    /// Returns whether all behaviours that must notice did, and no unrelated scenario failed.
    pub fn is_sound(&self) -> bool {
        !self.noticed.is_empty() && self.missing.is_empty() && self.unexpected.is_empty()
    }

    /// Returns the number of scenarios that failed as expected.
    pub fn red(&self) -> usize {
        let mut ids: Vec<&String> = self.noticed.values().flatten().chain(&self.also).collect();
        ids.sort();
        ids.dedup();
        ids.len()
    }
}

/// Returns the verdict of `scenarios` on `sabotage`. Behaviours whose scenarios were all skipped in this version need not notice.
pub fn verdict(sabotage: &Sabotage, scenarios: &[ScenarioReport]) -> Verdict {
    let mut verdict = Verdict::default();
    for behaviour in &sabotage.notices {
        let of = |scenario: &&ScenarioReport| scenario.behaviours.contains(behaviour);
        let red: Vec<String> = scenarios
            .iter()
            .filter(of)
            .filter(|scenario| scenario.outcome == Outcome::Failed)
            .map(|scenario| scenario.id.clone())
            .collect();
        let skipped = |scenario: &ScenarioReport| scenario.outcome == Outcome::Skipped;
        let had_no_chance = scenarios.iter().any(|scenario| of(&scenario)) && scenarios.iter().filter(of).all(skipped);
        if !red.is_empty() {
            verdict.noticed.insert(behaviour.clone(), red);
        } else if !had_no_chance {
            verdict.missing.push(behaviour.clone());
        }
    }
    for scenario in scenarios.iter().filter(|scenario| scenario.outcome == Outcome::Failed) {
        let is_of = |words: &[String]| words.iter().any(|word| is_meant(word, scenario));
        if is_of(&sabotage.notices) {
            continue;
        }
        let quotes = scenario.steps.iter().any(|step| sabotage.distortion.is_quoted(&step.text));
        let ids = if quotes || is_of(&sabotage.may_notice) {
            &mut verdict.also
        } else {
            &mut verdict.unexpected
        };
        ids.push(scenario.id.clone());
    }
    verdict
}

/// Returns whether `word` selects `scenario`: by behaviour, tag, text of a step (`says refused`), or beginning of the identity.
fn is_meant(word: &str, scenario: &ScenarioReport) -> bool {
    if let Some(words) = word.strip_prefix("says ") {
        return scenario.steps.iter().any(|step| step.text.contains(words));
    }
    match word.strip_prefix('@') {
        Some(tag) => scenario.tags.iter().any(|known| known == tag),
        None if word.contains('/') || word.contains("::") => scenario.id.starts_with(word),
        None => scenario.behaviours.iter().any(|known| known == word),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scenario(id: &str, behaviours: &[&str], outcome: Outcome) -> ScenarioReport {
        let report = serde_json::json!({
            "id": id, "flow": "", "feature": "", "rule": null, "name": "", "place": "", "tags": ["toy"], "behaviours": behaviours,
            "outcome": outcome, "skipped_because": null, "failure": null, "ms": 0, "answers": [],
        });
        serde_json::from_value(report).expect("it is a report")
    }

    fn sabotage() -> Sabotage {
        let text = "described_as = 'x'\nnotices = ['X4', 'X5']\nmay_notice = ['P1', 'flow/feature']";
        Sabotage::read("toy", text).expect("it is sound")
    }

    #[test]
    fn it_is_noticed_when_a_scenario_of_each_behaviour_turned_red() {
        let red = [
            scenario("a::1", &["X4"], Outcome::Failed),
            scenario("a::2", &["X4"], Outcome::Passed),
            scenario("a::3", &["X5", "X9"], Outcome::Failed),
            scenario("b::4", &["P1"], Outcome::Failed),
            scenario("flow/feature::5", &[], Outcome::Failed),
        ];
        let seen = verdict(&sabotage(), &red);
        assert!(seen.is_sound(), "{seen:?}");
        assert_eq!(seen.noticed["X4"], ["a::1"]);
        assert_eq!(seen.also, ["b::4", "flow/feature::5"]);
        assert_eq!(seen.red(), 4);
        assert!(is_meant("@toy", &red[0]) && !is_meant("@other", &red[0]));
    }

    #[test]
    fn who_quotes_what_is_distorted_may_notice() {
        let text = "described_as = 'x'\nnotices = ['X4']\n[[distortion.answers]]\nstatus = 401\nbecause = 'has expired'\nbecomes = 201";
        let sabotage = Sabotage::read("toy", text).expect("it is sound");
        let mut red = [
            scenario("a::1", &["X4"], Outcome::Failed),
            scenario("b::2", &["P1"], Outcome::Failed),
        ];
        assert_eq!(verdict(&sabotage, &red).unexpected, ["b::2"]);
        let step = serde_json::json!({"text": "Then she is refused, because \"it has expired\"", "outcome": "failed", "ms": 1});
        red[1].steps = vec![serde_json::from_value(step).expect("it is a step")];
        assert_eq!(verdict(&sabotage, &red).also, ["b::2"]);
        assert!(is_meant("says refused", &red[1]) && !is_meant("says accepted", &red[1]));
    }

    #[test]
    fn what_nobody_noticed_and_what_nobody_expected_is_said() {
        let scenarios = [
            scenario("a::1", &["X4"], Outcome::Failed),
            scenario("a::2", &["X5"], Outcome::Passed),
            scenario("c::3", &["O1"], Outcome::Failed),
        ];
        let seen = verdict(&sabotage(), &scenarios);
        assert!(!seen.is_sound());
        assert_eq!((seen.missing, seen.unexpected), (vec!["X5".to_owned()], vec!["c::3".to_owned()]));
    }

    #[test]
    fn a_behaviour_that_this_version_does_not_have_is_not_missed_but_somebody_must_notice() {
        let mut scenarios = vec![
            scenario("a::1", &["X4"], Outcome::Failed),
            scenario("a::2", &["X5"], Outcome::Skipped),
        ];
        assert!(verdict(&sabotage(), &scenarios).is_sound());
        scenarios[0].outcome = Outcome::Skipped;
        assert!(!verdict(&sabotage(), &scenarios).is_sound());
        scenarios.remove(1);
        assert_eq!(verdict(&sabotage(), &scenarios).missing, ["X5"], "a behaviour without any scenario");
    }
}
