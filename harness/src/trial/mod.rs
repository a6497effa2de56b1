//! Somebody's own configuration under test: who a credential is to an API server that is started with it, and what that user may do.
//!
//! The main type is [`Trial`]: an API server of one version with one configuration, in a bare lab, whose issuers are replaced by stand-ins
//! ([`redirect`]). It identifies any [`Person`], and reviews an [`Action`]; [`check`] asks all that a reviewer would.

mod action;
mod aggregation;
mod api_server;
pub mod check;
mod configured;
mod edit;
pub mod existing;
mod layer;
mod login;
pub mod manifest;
mod mapped;
mod outcome;
pub mod people;
mod person;
mod ready;
mod realm;
pub(crate) mod redirect;
mod result;
mod served;
mod settled;
mod setup;
#[cfg(test)]
mod tests;

pub use action::{Action, NotAnAction};
pub use api_server::{Trial, TrialError};
pub use configured::Configured;
pub use layer::Layer;
pub use outcome::{Decision, Identified, Outcome, Refused};
pub use person::{Claims, Person, Presented};
pub use realm::{OwnRealm, RealmError, RealmSource, WantedLogin};
pub use redirect::{Redirected, Trusted};
pub use result::{Result, Tried, TriedPerson, Versions};
pub use setup::{NoEgress, Setup, Source, UnknownIssuer, WayToIssuers};
