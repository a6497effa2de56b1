//! An API server's own metrics, as its endpoint returns them.
//!
//! The main type is [`Metrics`]: the text of one response (Prometheus' text format 0.0.4), from which series are read.

use sha2::Digest;

use super::{Answer, Endpoint, Question, ask};
use crate::credential::Credential;
use crate::event::Verdict;

/// All metrics of a server at one moment.
#[derive(Clone, Debug)]
pub struct Metrics(String);

/// A server does not return its metrics.
#[derive(Debug, thiserror::Error)]
#[error("cannot read the API server's metrics: {0}")]
pub struct NoMetrics(String);

impl Metrics {
    /// Requests the metrics, presenting `credential`, whose holder must be allowed to read them.
    ///
    /// # Errors
    /// The server does not return them.
    pub async fn of(endpoint: &Endpoint, credential: &Credential) -> Result<Self, NoMetrics> {
        let question = Question::get("/metrics").header("Accept", "text/plain");
        let answer: Answer = ask(endpoint, "the administrator", credential, &question).await;
        match answer.verdict {
            Verdict::Accepted => Ok(Self(answer.text)),
            _ => Err(NoMetrics(answer.to_string())),
        }
    }

    /// Returns the sum over the series named `name` that have all of `labels`; `None` when there are none.
    pub fn value(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let values = self.0.lines().filter_map(|line| {
            let rest = line.strip_prefix(name)?;
            let (written, value) = match rest.strip_prefix('{') {
                Some(rest) => rest.rsplit_once("} ")?,
                None => ("", rest.strip_prefix(' ')?),
            };
            let has = |(label, value): &(&str, &str)| {
                let wanted = format!("{label}=\"{value}\"");
                // No requested value has a comma or a quotation mark in it.
                written.split(',').any(|label| label == wanted)
            };
            labels.iter().all(has).then(|| value.trim().parse::<f64>().ok())?
        });
        values.reduce(|sum, value| sum + value)
    }

    /// Returns the value of `label` in the first series named `name` that is not zero.
    pub fn label(&self, name: &str, label: &str) -> Option<&str> {
        self.0.lines().find_map(|line| {
            let (written, value) = line.strip_prefix(name)?.strip_prefix('{')?.rsplit_once("} ")?;
            let counts = value.trim().parse::<f64>().is_ok_and(|value| value != 0.0);
            let mut said = written
                .split(',')
                .filter_map(|one| one.strip_prefix(label)?.strip_prefix("=\"")?.strip_suffix('"'));
            said.next().filter(|_| counts)
        })
    }

    /// Returns the value of `label` in the first series named `name` that has all of `labels`.
    pub fn label_among(&self, name: &str, label: &str, labels: &[(&str, &str)]) -> Option<&str> {
        self.0.lines().find_map(|line| {
            let (written, _) = line.strip_prefix(name)?.strip_prefix('{')?.rsplit_once("} ")?;
            let pairs = written.split(',').filter_map(|pair| {
                let (label, value) = pair.split_once('=')?;
                Some((label, value.strip_prefix('"')?.strip_suffix('"')?))
            });
            let all: Vec<(&str, &str)> = pairs.collect();
            let has = labels.iter().all(|wanted| all.contains(wanted));
            all.iter().find(|(name, _)| has && *name == label).map(|(_, value)| *value)
        })
    }

    /// Returns the hash of the AuthenticationConfiguration in force, if the server exposes it
    /// (kubernetes/apiserver `pkg/server/options/authenticationconfig/metrics`).
    pub fn configuration_in_force(&self) -> Option<&str> {
        self.label(LAST_CONFIGURATION, "hash")
    }
}

/// The series with the hash of the AuthenticationConfiguration in force.
pub const LAST_CONFIGURATION: &str = "apiserver_authentication_config_controller_last_config_info";

/// Returns the hash in the form that kube-apiserver uses in metrics.
#[must_use]
pub fn hash(text: &str) -> String {
    format!("sha256:{}", hex::encode(sha2::Sha256::digest(text.as_bytes())))
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

    #[test]
    fn a_label_is_read_of_the_series_with_others() {
        let metrics = Metrics("keys{issuer=\"a\",hash=\"1\"} 1\nkeys{issuer=\"b\",hash=\"2\"} 1\n".to_owned());
        assert_eq!(metrics.label_among("keys", "hash", &[("issuer", "b")]), Some("2"));
        assert_eq!(metrics.label_among("keys", "hash", &[("issuer", "c")]), None);
    }

    #[test]
    fn the_configuration_in_force_is_the_one_that_counts() {
        let text = format!(
            "{LAST_CONFIGURATION}{{apiserver_id_hash=\"sha256:a\",hash=\"sha256:b\"}} 0\n\
                            {LAST_CONFIGURATION}{{apiserver_id_hash=\"sha256:a\",hash=\"sha256:c\"}} 1\n"
        );
        assert_eq!(Metrics(text).configuration_in_force(), Some("sha256:c"));
        assert_eq!(Metrics(String::new()).configuration_in_force(), None);
    }
}
