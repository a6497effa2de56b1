//! The errors of containers and of the requests to them.
//!
//! The main type is [`Error`].

use std::fmt;
use std::time::Duration;

use testcontainers::TestcontainersError;

/// An error with a container, or with a request to it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// testcontainers cannot start, ask or remove the container.
    #[error("cannot use the container of {image}")]
    Container {
        /// The image.
        image: String,
        /// The cause.
        #[source]
        source: TestcontainersError,
    },
    /// The program in the container ended before it could be used. The container is removed.
    #[error("{image} ended before it was ready{}; the last lines of its log:\n{log}", with_code(.code))]
    Ended {
        /// The image.
        image: String,
        /// The exit code, if the engine knows it.
        code: Option<i64>,
        /// The last lines of its log.
        log: LastLines,
    },
    /// The program in the container could not be used in time. The container is removed.
    #[error("{image} was not ready within {limit:?}: {why}; the last lines of its log:\n{log}")]
    NotReady {
        /// The image.
        image: String,
        /// The limit.
        limit: Duration,
        /// The condition that was not met.
        why: String,
        /// The last lines of its log.
        log: LastLines,
    },
    /// A realm's document is not one.
    #[error("cannot import a realm: {why} (expected a RealmRepresentation, JSON with the field \"realm\")")]
    Realm {
        /// The problem.
        why: String,
    },
    /// A certificate or a private key is not PEM, or does not fit.
    #[error("cannot use the {of}: {why}")]
    Tls {
        /// The certificate or key.
        of: &'static str,
        /// The problem.
        why: String,
    },
    /// A kubeconfig is not of the form that k3s writes.
    #[error("cannot read the kubeconfig of k3s: {why}")]
    Kubeconfig {
        /// The problem.
        why: String,
    },
    /// A request failed before there was an answer.
    #[error("cannot request {url}: {why}")]
    Request {
        /// The address.
        url: String,
        /// The cause.
        why: String,
    },
    /// The answer is a refusal, such as `invalid_grant` (RFC 6749 §5.2).
    #[error("{url} answered {status}: {body}")]
    Refused {
        /// The address.
        url: String,
        /// The status.
        status: u16,
        /// The answer.
        body: String,
    },
    /// The answer is not of the expected form.
    #[error("cannot read the answer of {url}")]
    Answer {
        /// The address.
        url: String,
        /// The cause.
        #[source]
        source: serde_json::Error,
    },
    /// A file, or the runtime of the blocking variant.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

fn with_code(code: &Option<i64>) -> String {
    code.map_or_else(String::new, |code| format!(" with exit code {code}"))
}

/// The last lines of a container's log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LastLines(pub Vec<String>);

/// The number of lines that an error shows.
const SHOWN: usize = 20;

impl LastLines {
    /// Returns the last lines of a log.
    pub(super) fn of(log: &str) -> Self {
        let lines: Vec<&str> = log.lines().filter(|line| !line.trim().is_empty()).collect();
        let first = lines.len().saturating_sub(SHOWN);
        // A server's log may hold anything; control characters do not reach the terminal.
        let printable = |line: &&str| line.chars().filter(|c| !c.is_control() || *c == '\t').collect();
        Self(lines[first..].iter().map(printable).collect())
    }
}

impl fmt::Display for LastLines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("(it logged nothing)");
        }
        f.write_str(&self.0.join("\n"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_shows_the_last_lines_without_control_characters() {
        let log: String = (0..30).map(|number| format!("line {number}\x1b\n\n")).collect();
        let last = LastLines::of(&log);
        assert_eq!(last.0.len(), SHOWN);
        assert_eq!(last.0[SHOWN - 1], "line 29");
        let error = Error::Ended {
            image: "k3s:v1".to_owned(),
            code: Some(3),
            log: LastLines::of("giving up"),
        };
        assert_eq!(
            error.to_string(),
            "k3s:v1 ended before it was ready with exit code 3; the last lines of its log:\ngiving up"
        );
        assert_eq!(LastLines::of("\n").to_string(), "(it logged nothing)");
    }
}
