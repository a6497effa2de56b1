//! The judgement of scenarios in a lab with a fault. The main type is [`Judge`].

use super::super::error::CommandError;
use super::super::exit::Exit;
use crate::event::{Outcome, ScenarioReport};
use crate::lab::LabError;
use crate::mutation::Reasons;
use crate::report::sabotage::SabotageReport;
use crate::sabotage::{Sabotage, verdict};

/// The name of the lab without any fault, in which no scenario may fail.
const UNCHANGED: &str = "nothing changed";

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

    /// Returns what is tried before all others, so that these prove something: if any scenario may notice, a lab without a fault.
    ///
    /// # Errors
    /// Never fails.
    pub(super) fn first(&self) -> Result<Option<Sabotage>, CommandError> {
        match self {
            Self::Foreseen => Ok(None),
            Self::Anybody(_) => {
                let unchanged = Sabotage::unforeseen(UNCHANGED, toml::Table::new());
                unchanged.map(Some).map_err(|error| CommandError::new(Exit::Usage, error))
            }
        }
    }

    /// Returns whether `error`, for which the lab with `sabotage` did not start, shows that the fault was noticed: by a server that exits because
    /// of its setting.
    pub(super) fn is_notice(&self, sabotage: &Sabotage, error: &LabError) -> bool {
        matches!(self, Self::Anybody(_)) && sabotage.name != UNCHANGED && error.is_server_exit()
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
            Self::Anybody(_) if sabotage.name == UNCHANGED => {
                let failed = scenarios.iter().filter(|scenario| scenario.outcome == Outcome::Failed);
                report.unexpected = failed.map(|scenario| (scenario.id.clone(), why(scenarios, &scenario.id))).collect();
                report.sound = report.unexpected.is_empty();
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
