//! Whether the scenarios noticed a fault. The main type is [`Judge`].

use crate::event::{Outcome, ScenarioReport};
use crate::mutation::Reasons;
use crate::report::sabotage::SabotageReport;
use crate::sabotage::{Sabotage, verdict};

/// The rule by which the scenarios are judged.
pub(super) enum Judge {
    /// The sabotage says which of them must notice.
    Foreseen,
    /// One of them must notice, whichever it is; the reasons are those of changes that nobody can notice.
    Anybody(Reasons),
}

impl Judge {
    /// Returns the number of failed scenarios after which all is known.
    pub(super) fn max_failures(&self) -> Option<usize> {
        match self {
            Self::Foreseen => None,
            Self::Anybody(_) => Some(1),
        }
    }

    /// Returns whether a lab that does not start will do: the servers refuse the change, or the harness does. No scenario has noticed it then.
    pub(super) fn takes_a_failed_start(&self) -> bool {
        matches!(self, Self::Anybody(_))
    }

    /// Writes into `report` what the scenarios in a lab with `sabotage` showed.
    pub(super) fn judge(&self, sabotage: &Sabotage, scenarios: &[ScenarioReport], report: &mut SabotageReport) {
        report.carried_out = scenarios.iter().filter(|scenario| scenario.outcome != Outcome::Skipped).count();
        match self {
            Self::Foreseen => {
                let seen = verdict(sabotage, scenarios);
                report.sound = seen.is_sound();
                report.red = seen.red();
                report.unexpected = seen.unexpected.iter().map(|id| (id.clone(), why(scenarios, id))).collect();
                (report.noticed, report.also, report.missing) = (seen.noticed, seen.also, seen.missing);
            }
            Self::Anybody(reasons) => {
                let failed = scenarios.iter().filter(|scenario| scenario.outcome == Outcome::Failed);
                report.also = failed.map(|scenario| scenario.id.clone()).collect();
                report.red = report.also.len();
                if report.red == 0 {
                    report.survives_because = reasons.of(&sabotage.name).map(str::to_owned);
                }
                report.sound = report.red > 0 || report.survives_because.is_some();
                report.survived = report.red == 0;
            }
        }
    }
}

/// Returns the step at which the scenario `id` failed, and its message.
fn why(scenarios: &[ScenarioReport], id: &str) -> String {
    let scenario = scenarios.iter().find(|scenario| scenario.id == id);
    let failure = scenario.and_then(|scenario| scenario.failure.as_ref());
    failure
        .map(|failure| format!("{}\n{}", failure.step, failure.cause))
        .unwrap_or_default()
}
