//! A webhook that reviews tokens for API servers (`--authentication-token-webhook-config-file`, authentication.k8s.io/v1 `TokenReview`).
//!
//! The main types are [`TokenWebhook`], the server, and [`Script`]: what it answers, one time after the other. Each of its tokens
//! carries its own script, so that whoever makes one decides, in whichever process, and nobody shares a state. Scripts are signed with the
//! lab's seed: what is not is refused.

mod script;
mod server;
#[cfg(test)]
mod tests;

pub use script::{CLAIM, Reply, Script, VOUCHED_FOR, VOUCHED_FOR_DIGITS, Voucher, vouched_for};
pub use server::{TokenWebhook, TokenWebhookError};

/// The keys under which the webhook tells of itself, in the extra of whom it vouches for.
pub mod told {
    /// How often it was asked about the token.
    pub const ASKED: &str = "webhook.authlab/asked";
    /// The audiences that it was asked for.
    pub const AUDIENCES: &str = "webhook.authlab/audiences";
    /// The API version it was asked in.
    pub const API_VERSION: &str = "webhook.authlab/api-version";
}
