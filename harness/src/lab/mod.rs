//! A lab: all servers started together, with one directory, one owner and one end.
//!
//! The main type is [`Lab`]: a cluster with its authorities, the issuer, Keycloak and the auth proxies,
//! whether this process owns them or has attached to a running lab. [`with_lab`] is
//! the one scope: it ends everything that it starts.

mod access_review;
mod administrator;
mod attach;
mod auth_proxies;
mod callers;
pub mod cast;
mod cluster;
mod control;
mod description;
mod directory;
mod ending;
mod error;
pub(crate) mod existing;
mod further;
mod issuers;
mod kubeconfigs;
mod kubectl;
mod learners_proxy;
mod leftovers;
mod listeners;
mod names;
mod options;
mod own_servers;
mod owned;
mod plan;
mod processes;
mod provider;
mod running;
mod sabotaged;
mod scenario_objects;
mod seed_objects;
pub(crate) mod service_account;
mod start;
mod status;
mod supervisor;
mod variables;
mod watched_scope;
mod workplace;

pub use crate::identity_provider::keycloak::KeycloakClient as Keycloak;
pub use crate::listener::{Call, Subject, WantedCalls};
pub use access_review::AccessReview;
pub use administrator::Administrator;
pub use attach::{attach_or_start, with_lab};
pub use control::UnderWay;
pub use description::{AuthProxyDescription, LabDescription, ProcessDescription};
pub use directory::{Directory, Found, InvalidName, NotALab, Ownership, labs};
pub use ending::{Stopped, TakenDown, take_down};
pub use error::LabError;
pub use existing::{Deleted, ExistingError, InCluster, Login, Survey, Whose, clear as clear_existing, survey};
pub use kubeconfigs::{Form, Plugin};
pub use learners_proxy::LearnersProxyError;
pub(crate) use learners_proxy::kept_of;
pub use leftovers::{Cleared, Clearing, LabElsewhere, OfOthers, Unreached, clear};
pub use names::DEFAULT_NAME;
pub(crate) use names::lab_option;
pub use options::LabOptions;
pub use own_servers::ApiUsers;
pub use plan::{Choice, choose};
pub use running::Lab;
pub use scenario_objects::{RUN, SCENARIO, ScenarioObjects};
pub use status::{LabState, LabStatus, ProviderStatus, ServerStatus, status};
pub use supervisor::{supervise, up};
pub use variables::{VARIABLES, Variable};
pub use workplace::Workplace;
pub(crate) use workplace::put;

use names::passing_name;
use running::{Inner, Owner};
