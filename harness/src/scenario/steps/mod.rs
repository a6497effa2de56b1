//! The step definitions of the features, filed by noun.
//!
//! Steps speak of people and rules; the requests to Kubernetes behind them are in here. A step that does not
//! hold returns an error that says what was expected and what was seen.

/// Fails the step with a message unless the condition holds.
macro_rules! ensure {
    ($condition:expr, $($message:tt)+) => {
        if !$condition {
            return Err(anyhow::anyhow!($($message)+).into());
        }
    };
}

/// Fails the step unless the condition holds, with both parts of the comparison: what is expected, then what was seen. Each
/// continues a sentence: "expected …", "seen …".
macro_rules! expect {
    ($condition:expr, $expected:literal, $seen:literal $(, $argument:expr)* $(,)?) => {
        if !$condition {
            differs!($expected, $seen $(, $argument)*);
        }
    };
}

/// Fails the step with both parts of a comparison, as [`expect`] does.
macro_rules! differs {
    ($expected:literal, $seen:literal $(, $argument:expr)* $(,)?) => {
        return Err($crate::scenario::Differs::new(format_args!($expected), format_args!($seen $(, $argument)*)).into())
    };
}

/// Fails the step with a message.
macro_rules! bail {
    ($($message:tt)+) => {
        return Err(anyhow::anyhow!($($message)+).into())
    };
}

#[macro_use]
mod parameters;

mod aggregated_apis;
mod answers;
mod audit;
mod bearer_tokens;
mod certificates;
mod clients;
mod exec_plugins;
mod front_proxy;
mod impersonation;
mod learners;
mod logins;
mod own;
mod requests;
mod reviews;
mod rights;
mod servers;
mod service_accounts;
mod signing_requests;
mod tokens;
mod watches;

pub(crate) use parameters::{Person, Texts};

/// The result of steps and of their helpers.
pub(crate) type Step<T = ()> = Result<T, Broken>;

/// An error of a step. Displays all its causes: the runner shows nothing else of it.
#[derive(Debug)]
pub(crate) struct Broken(anyhow::Error);

impl<E: Into<anyhow::Error>> From<E> for Broken {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:#}", self.0)
    }
}
