//! What authlab creates in a cluster, known by its labels, and how all of it goes again.
//!
//! The main type is [`Belongings`]: what one lab creates in a cluster that is not ours. Everything else that it creates is
//! inside of namespaces of its own and goes with them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::StreamExt;
use k8s_openapi::api::certificates::v1::CertificateSigningRequest;
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding};
use kube::api::{Api, DeleteParams, ListParams};
use kube::{Client, Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::Digest;

use super::error::ExistingError;
use crate::cluster::ApiServer;
use crate::credential::Credential;
use crate::lab::administrator::Administrator;
use crate::lab::directory::{self, Ownership};
use crate::process::wait::{Condition, WaitError, until_gently};

/// Who made an object (kubernetes.io `Recommended Labels`).
pub(crate) const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// The one value of that label which is ours.
pub(crate) const AUTHLAB: &str = "authlab";
/// The lab that made an object.
const LAB: &str = "authlab/lab";
/// The machine and the state directory that lab is in.
const HOME: &str = "authlab/home";

/// How long the cluster may take to delete namespaces with all that is in them.
const LIMIT: Duration = Duration::from_secs(90);

/// How many deletions at a time.
const AT_ONCE: usize = 16;

/// The labels of all that the lab `lab` creates.
pub(in crate::lab) fn labels(lab: &str) -> BTreeMap<String, String> {
    BTreeMap::from([
        (MANAGED_BY.to_owned(), AUTHLAB.to_owned()),
        (LAB.to_owned(), lab.to_owned()),
        (HOME.to_owned(), home()),
    ])
}

/// Tells the labs of this machine and state directory from all others: only of them it is known which still live.
fn home() -> String {
    let mut hash = sha2::Sha256::new();
    hash.update(rustix::system::uname().nodename().to_bytes());
    if let Ok(state) = crate::dirs::state() {
        hash.update(state.as_os_str().as_encoded_bytes());
    }
    hex::encode(&hash.finalize()[..5])
}

/// Whose objects are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose<'a> {
    /// Those of this lab.
    Lab(&'a str),
    /// Those of labs of this machine that are over, without having deleted them.
    Crashed,
    /// Those of everybody but labs of this machine that still live.
    Everybody,
}

/// An object that authlab created.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Found {
    kind: &'static str,
    name: String,
    lab: String,
    home: String,
    going: bool,
}

impl Whose<'_> {
    fn selector(self) -> String {
        let all = |more: String| format!("{MANAGED_BY}={AUTHLAB}{more}");
        match self {
            Self::Lab(lab) => all(format!(",{HOME}={},{LAB}={lab}", home())),
            Self::Crashed => all(format!(",{HOME}={}", home())),
            Self::Everybody => all(String::new()),
        }
    }

    /// `lives` says whether the lab of that name still lives here.
    fn means(self, found: &Found, home: &str, lives: impl Fn(&str) -> bool) -> bool {
        match self {
            Self::Lab(lab) => found.lab == lab,
            Self::Crashed | Self::Everybody => found.home != home || !lives(&found.lab),
        }
    }
}

fn lives(lab: &str) -> bool {
    directory::place(lab).is_ok_and(|path| directory::ownership(&path) == Ownership::Owned)
}

/// Deletes what is meant, waits until it is gone, and says how many objects there were.
pub(in crate::lab) async fn delete(client: &Client, whose: Whose<'_>) -> Result<usize, ExistingError> {
    let seen = std::sync::Mutex::new(BTreeSet::new());
    let gone = until_gently("the end of what authlab created", LIMIT, || async {
        let all = list(client, whose).await?;
        let left = all.iter().filter(|found| !found.going).cloned();
        let failed: Vec<String> = futures::stream::iter(left.map(|found| async move { delete_one(client, &found).await }))
            .buffer_unordered(AT_ONCE)
            .filter_map(std::future::ready)
            .collect()
            .await;
        if let Ok(mut seen) = seen.lock() {
            seen.extend(all.iter().map(|found| (found.kind, found.name.clone())));
        }
        Ok::<_, kube::Error>(match (all.first(), failed.first()) {
            (None, _) => Condition::Met(()),
            (Some(_), Some(why)) => Condition::NotYet(why.clone()),
            (Some(found), None) => Condition::NotYet(format!(
                "{} {} is still there, and {} others",
                found.kind,
                found.name,
                all.len() - 1
            )),
        })
    });
    match gone.await {
        Ok(()) => Ok(seen.lock().map_or(0, |seen| seen.len())),
        Err(WaitError::Failed(source)) => Err(ExistingError::NotListed(Box::new(source))),
        Err(late) => Err(ExistingError::Left { what: late.to_string() }),
    }
}

async fn list(client: &Client, whose: Whose<'_>) -> kube::Result<Vec<Found>> {
    let selector = whose.selector();
    let (namespaces, roles, bindings, requests) = futures::try_join!(
        of::<Namespace>(client, &selector, "namespace"),
        of::<ClusterRole>(client, &selector, "cluster role"),
        of::<ClusterRoleBinding>(client, &selector, "cluster role binding"),
        of::<CertificateSigningRequest>(client, &selector, "signing request"),
    )?;
    let home = home();
    let all = namespaces.into_iter().chain(bindings).chain(roles).chain(requests);
    Ok(all.filter(|found| whose.means(found, &home, lives)).collect())
}

async fn of<K>(client: &Client, selector: &str, kind: &'static str) -> kube::Result<Vec<Found>>
where
    K: Resource<DynamicType = ()> + Clone + std::fmt::Debug + DeserializeOwned + Serialize,
{
    let listed = Api::<K>::all(client.clone())
        .list_metadata(&ListParams::default().labels(selector))
        .await;
    let listed = match listed {
        Ok(listed) => listed,
        // Who may not even list them has created none.
        Err(kube::Error::Api(status)) if status.code == 403 => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    Ok(listed
        .items
        .into_iter()
        .map(|object| Found {
            kind,
            name: object.name_any(),
            lab: object.labels().get(LAB).cloned().unwrap_or_default(),
            home: object.labels().get(HOME).cloned().unwrap_or_default(),
            going: object.metadata.deletion_timestamp.is_some(),
        })
        .collect())
}

/// Deletes one; says why not. Gone already is as good.
async fn delete_one(client: &Client, found: &Found) -> Option<String> {
    let parameters = DeleteParams::default();
    let (client, name) = (client.clone(), found.name.as_str());
    let deleted = match found.kind {
        "namespace" => Api::<Namespace>::all(client).delete(name, &parameters).await.map(drop),
        "cluster role" => Api::<ClusterRole>::all(client).delete(name, &parameters).await.map(drop),
        "cluster role binding" => Api::<ClusterRoleBinding>::all(client).delete(name, &parameters).await.map(drop),
        _ => Api::<CertificateSigningRequest>::all(client)
            .delete(name, &parameters)
            .await
            .map(drop),
    };
    match deleted {
        Ok(()) => None,
        Err(kube::Error::Api(status)) if status.code == 404 => None,
        Err(error) => Some(format!("{} {name}: {error}", found.kind)),
    }
}

/// What a lab creates in a cluster that is not ours. Dropped before it was deleted, it is deleted then.
#[derive(Debug)]
pub(in crate::lab) struct Belongings {
    lab: String,
    server: ApiServer,
    credential: Credential,
    /// Whether there is nothing, or nothing any more.
    none: AtomicBool,
}

impl Belongings {
    /// Those of the lab `lab`, which has created nothing yet.
    pub(super) fn new(lab: &str, server: &ApiServer, credential: &Credential) -> Self {
        Self {
            lab: lab.to_owned(),
            server: server.clone(),
            credential: credential.clone(),
            none: AtomicBool::new(true),
        }
    }

    /// From here on there may be some.
    pub(super) fn begin(&self) {
        self.none.store(false, Ordering::Relaxed);
    }

    /// Deletes all of them.
    pub(in crate::lab) async fn delete(&self, client: &Client) -> Result<(), ExistingError> {
        if !self.none.load(Ordering::Relaxed) {
            delete(client, Whose::Lab(&self.lab)).await?;
            self.none.store(true, Ordering::Relaxed);
        }
        Ok(())
    }
}

impl Drop for Belongings {
    fn drop(&mut self) {
        if self.none.load(Ordering::Relaxed) {
            return;
        }
        // Given up on the way: whoever drops cannot wait for a future, a thread of its own can.
        std::thread::scope(|threads| {
            threads.spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                let (Ok(runtime), false) = (runtime, self.none.load(Ordering::Relaxed)) else {
                    return;
                };
                runtime.block_on(async {
                    if let Ok(administrator) = Administrator::new(&self.server, self.credential.clone()) {
                        // Nobody is left to tell; the next run, or `down`, tries again.
                        let _ = delete(&administrator.client(), Whose::Lab(&self.lab)).await;
                    }
                });
            });
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(lab: &str, home: &str) -> Found {
        Found {
            kind: "namespace",
            name: "authlab-x".to_owned(),
            lab: lab.to_owned(),
            home: home.to_owned(),
            going: false,
        }
    }

    #[test]
    fn what_still_lives_is_left_alone_and_so_is_what_others_made() {
        let lives = |lab: &str| lab == "run-1-0";
        let means = |whose: Whose<'_>, found: &Found| whose.means(found, "here", lives);
        assert!(means(Whose::Lab("run-2-0"), &found("run-2-0", "here")));
        assert!(!means(Whose::Lab("run-2-0"), &found("run-1-0", "here")));
        assert!(means(Whose::Crashed, &found("run-3-0", "here")));
        assert!(!means(Whose::Crashed, &found("run-1-0", "here")));
        assert!(means(Whose::Everybody, &found("run-1-0", "elsewhere")));
        assert!(!means(Whose::Everybody, &found("run-1-0", "here")));
    }

    #[test]
    fn a_selector_never_means_what_is_not_ours() {
        for whose in [Whose::Lab("x"), Whose::Crashed, Whose::Everybody] {
            assert!(whose.selector().starts_with("app.kubernetes.io/managed-by=authlab"), "{whose:?}");
        }
        assert!(Whose::Crashed.selector().contains(&format!("authlab/home={}", home())));
        let labels = labels("run-1-0");
        for (key, value) in &labels {
            assert!(Whose::Lab("run-1-0").selector().contains(&format!("{key}={value}")), "{key}");
        }
    }
}
