//! What an API server counts of itself, as it tells who asks for its metrics.
//!
//! The main type is [`Metrics`]: the text of one answer (Prometheus' text format 0.0.4), from which series are read.

use super::{Answer, Door, Question, Verdict, ask};
use crate::credential::Credential;

/// All that a server counted up to one moment.
#[derive(Clone, Debug)]
pub struct Metrics(String);

/// A server does not tell what it counts.
#[derive(Debug, thiserror::Error)]
#[error("the API server does not tell what it counts: {0}")]
pub struct NoMetrics(String);

impl Metrics {
    /// Asks for them, presenting `credential`, whose holder must be allowed to.
    ///
    /// # Errors
    /// They are not told.
    pub async fn of(door: &Door, credential: &Credential) -> Result<Self, NoMetrics> {
        let question = Question::get("/metrics").header("Accept", "text/plain");
        let answer: Answer = ask(door, "the administrator", credential, &question).await;
        match answer.verdict {
            Verdict::Accepted => Ok(Self(answer.text)),
            _ => Err(NoMetrics(answer.to_string())),
        }
    }

    /// The sum over the series called `name` that have all of `labels`; `None` when there are none.
    pub fn value(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let values = self.0.lines().filter_map(|line| {
            let rest = line.strip_prefix(name)?;
            let (written, value) = match rest.strip_prefix('{') {
                Some(rest) => rest.rsplit_once("} ")?,
                None => ("", rest.strip_prefix(' ')?),
            };
            let has = |(label, value): &(&str, &str)| {
                let wanted = format!("{label}=\"{value}\"");
                // No value that is asked for has a comma or a quotation mark in it.
                written.split(',').any(|label| label == wanted)
            };
            labels.iter().all(has).then(|| value.trim().parse::<f64>().ok())?
        });
        values.reduce(|sum, value| sum + value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_are_told_apart_by_name_and_labels() {
        let text = "# HELP attempts how many\nattempts{result=\"success\",x=\"1\"} 3\nattempts{result=\"success\",x=\"2\"} 4\n\
                    attempts{result=\"error\",x=\"1\"} 1.5e+01\nattempts_total 9\n";
        let metrics = Metrics(text.to_owned());
        assert_eq!(metrics.value("attempts", &[("result", "success")]), Some(7.0));
        assert_eq!(metrics.value("attempts", &[("result", "error"), ("x", "1")]), Some(15.0));
        assert_eq!(metrics.value("attempts_total", &[]), Some(9.0));
        assert_eq!(metrics.value("attempts", &[("result", "failure")]), None);
    }
}
