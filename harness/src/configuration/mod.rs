//! The configuration of somebody's API servers, as they have it: read and judged, never started, never printed.
//!
//! [`tool::read`] takes flags and files out of kubeadm's, kind's, Cluster API's, k3s', RKE2's, Talos' and kOps' own files;
//! [`document::Document`] is one file that an API server reads; [`place::places`] leads from the server's words to the user's line, and
//! [`advice::advice`] says what to change; [`refusal::mistakes`] is both for each mistake.

pub(crate) mod advice;
pub(crate) mod document;
mod documents;
pub(crate) mod files;
pub(crate) mod flags;
pub(crate) mod place;
pub(crate) mod refusal;
pub(crate) mod tool;
mod words;
