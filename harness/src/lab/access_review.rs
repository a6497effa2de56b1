//! An access review: checks a right that was granted, and waits until an API server knows it.
//!
//! The main type is [`AccessReview`]. API servers learn of objects by watching: a binding and its role reach each server at different
//! times, so a right may not hold yet at the server that receives a request, although another server has stored it.

use std::time::Duration;

use k8s_openapi::api::authorization::v1::{ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec};
use kube::Client;
use kube::api::{Api, PostParams};

use crate::process::wait::{Condition, WaitError, until};

/// The time an API server may take to learn of an object: watches deliver within milliseconds unless the machine is overloaded.
const LIMIT: Duration = Duration::from_secs(30);

/// A check of whether a subject may do something (authorization.k8s.io/v1 `SubjectAccessReview`).
#[derive(Clone, Debug)]
pub struct AccessReview(SubjectAccessReview);

impl AccessReview {
    /// Returns a review of whether the user `name` may do what `attributes` describe.
    pub fn user(name: &str, attributes: ResourceAttributes) -> Self {
        Self::new(SubjectAccessReviewSpec {
            user: Some(name.to_owned()),
            resource_attributes: Some(attributes),
            ..SubjectAccessReviewSpec::default()
        })
    }

    /// Returns a review of whether a member of the group `name` may do what `attributes` describe.
    pub fn group(name: &str, attributes: ResourceAttributes) -> Self {
        Self::new(SubjectAccessReviewSpec {
            groups: Some(vec![name.to_owned()]),
            resource_attributes: Some(attributes),
            ..SubjectAccessReviewSpec::default()
        })
    }

    fn new(spec: SubjectAccessReviewSpec) -> Self {
        Self(SubjectAccessReview {
            spec,
            ..SubjectAccessReview::default()
        })
    }

    /// Waits until the API server of `client` allows it.
    ///
    /// # Errors
    /// The API server does not respond, or does not allow it in time.
    pub async fn until_allowed(&self, client: &Client) -> Result<(), WaitError<kube::Error>> {
        let reviews: Api<SubjectAccessReview> = Api::all(client.clone());
        until("the API server to know a new right", LIMIT, || async {
            let status = reviews.create(&PostParams::default(), &self.0).await?.status.unwrap_or_default();
            Ok(if status.allowed {
                Condition::Met(())
            } else {
                Condition::NotYet(format!("{self}: {}", status.reason.as_deref().unwrap_or("no rule allows it")))
            })
        })
        .await
    }
}

impl std::fmt::Display for AccessReview {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let spec = &self.0.spec;
        let who = spec.user.clone().or_else(|| spec.groups.as_ref().map(|groups| groups.join(", ")));
        let what = spec.resource_attributes.clone().unwrap_or_default();
        write!(
            f,
            "may {} {} {}?",
            who.unwrap_or_default(),
            what.verb.unwrap_or_default(),
            what.resource.unwrap_or_default()
        )
    }
}
