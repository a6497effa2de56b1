//! The steps that a scenario took, their times, and the requests during each. The main type is [`Steps`].

use std::time::SystemTime;

use cucumber::event::Step;

use crate::event::{Exchange, Outcome, StepReport, milliseconds};

/// The steps of a scenario so far.
#[derive(Debug, Default)]
pub(super) struct Steps {
    /// The steps, those of the background first.
    pub(super) told: Vec<StepReport>,
    /// The start of each; steps run one after the other, so each ends no later than the next one starts.
    began: Vec<SystemTime>,
    /// The end of the last one.
    ended: Option<SystemTime>,
}

impl Steps {
    /// Records the `event` of `step` at the time `at`.
    pub(super) fn on<W>(&mut self, at: SystemTime, step: &gherkin::Step, event: &Step<W>) {
        let outcome = match event {
            Step::Started => {
                self.told.push(StepReport {
                    text: text(step),
                    outcome: None,
                    ms: 0,
                });
                self.began.push(at);
                self.ended = None;
                return;
            }
            Step::Passed(..) => Outcome::Passed,
            Step::Skipped => Outcome::Skipped,
            Step::Failed(..) => Outcome::Failed,
        };
        if let (Some(told), Some(began)) = (self.told.last_mut(), self.began.last()) {
            told.outcome = Some(outcome);
            told.ms = between(*began, at);
            self.ended = Some(at);
        }
    }

    /// Completes the steps of a finished scenario with those of its `own` steps that did not start.
    pub(super) fn finished(&mut self, own: &[gherkin::Step]) {
        let texts: Vec<String> = own.iter().map(text).collect();
        // The steps of a background come first, so the steps taken end with the first of the scenario's own, or with none of them.
        let taken = (0..=texts.len().min(self.told.len()))
            .rev()
            .find(|count| {
                self.told[self.told.len() - count..]
                    .iter()
                    .map(|told| &told.text)
                    .eq(&texts[..*count])
            })
            .unwrap_or(0);
        self.told.extend(texts.into_iter().skip(taken).map(|text| StepReport {
            text,
            outcome: None,
            ms: 0,
        }));
    }

    /// Returns `exchanges`, each with its step and its time since the first step.
    pub(super) fn placed(&self, exchanges: Vec<(SystemTime, Exchange)>) -> Vec<Exchange> {
        let first = self.began.first().copied();
        let place = |(at, exchange): (SystemTime, Exchange)| {
            let over = self.ended.is_some_and(|ended| at > ended);
            let step = self.began.partition_point(|began| *began <= at).checked_sub(1).filter(|_| !over);
            Exchange {
                step,
                at_ms: first.map_or(0, |first| between(first, at)),
                ..exchange
            }
        };
        exchanges.into_iter().map(place).collect()
    }
}

fn text(step: &gherkin::Step) -> String {
    format!("{} {}", step.keyword.trim(), step.value)
}

fn between(from: SystemTime, to: SystemTime) -> u64 {
    milliseconds(to.duration_since(from).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn an_exchange_belongs_to_the_step_during_which_it_began() {
        let time = |ms| SystemTime::UNIX_EPOCH + Duration::from_millis(ms);
        let steps = Steps {
            told: Vec::new(),
            began: vec![time(10), time(20)],
            ended: Some(time(30)),
        };
        let told = [5, 10, 19, 20, 30, 31].map(|at| (time(at), Exchange::default()));
        let placed: Vec<_> = steps
            .placed(told.into())
            .iter()
            .map(|exchange| (exchange.step, exchange.at_ms))
            .collect();
        assert_eq!(
            placed,
            [(None, 0), (Some(0), 0), (Some(0), 9), (Some(1), 10), (Some(1), 20), (None, 21)]
        );
    }
}
