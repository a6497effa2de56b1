//! A webhook that reviews tokens for API servers (`--authentication-token-webhook-config-file`, authentication.k8s.io/v1 `TokenReview`).
//!
//! The main types are [`TokenWebhook`], the server, and [`Script`], the sequence of its responses. Each of its tokens
//! carries its own script, so that the process that makes a token decides, and no state is shared. Scripts are signed with the
//! lab's seed; unsigned ones are refused.

mod script;
mod server;
#[cfg(test)]
mod tests;

pub use script::{CLAIM, Reply, Script, VOUCHED_FOR, VOUCHED_FOR_DIGITS, Voucher, vouched_for};
pub use server::{TokenWebhook, TokenWebhookError};

/// The keys under which the webhook reports on itself, in the `extra` of a user that it vouches for.
pub mod told {
    /// The number of requests about the token so far.
    pub const ASKED: &str = "webhook.authlab/asked";
    /// The audiences in the request.
    pub const AUDIENCES: &str = "webhook.authlab/audiences";
    /// The API version of the request.
    pub const API_VERSION: &str = "webhook.authlab/api-version";
}
