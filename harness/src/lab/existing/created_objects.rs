//! The objects that authlab creates in a cluster, identified by their labels, and their deletion.
//!
//! The main type is [`CreatedObjects`]: the objects that one lab creates in an existing cluster. Everything else that it creates is
//! inside its own namespaces and is deleted with them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
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

use super::error::ExistingError;
use super::home::Home;
use super::in_cluster::InCluster;
use crate::cluster::ApiServer;
use crate::credential::Credential;
use crate::lab::LabError;
use crate::lab::administrator::Administrator;
use crate::lab::directory::{self, Ownership, There};
use crate::owner::Owner;
use crate::process::wait::{Condition, WaitError, until_gently};

/// The label for the program that created an object (kubernetes.io `Recommended Labels`).
pub(crate) const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// The value of that label for authlab.
pub(crate) const AUTHLAB: &str = "authlab";
/// The label for the lab that created an object.
const LAB: &str = "authlab/lab";
/// The label for that lab's state directory, on its machine ([`Home`]).
const HOME: &str = "authlab/home";

const NAMESPACES: &str = "namespace";
const ROLES: &str = "cluster role";
const BINDINGS: &str = "cluster role binding";
const REQUESTS: &str = "signing request";

/// The time that the cluster may take to delete namespaces and their contents.
const LIMIT: Duration = Duration::from_secs(90);

/// The number of concurrent deletions.
const AT_ONCE: usize = 16;

/// Returns the labels of all objects that the lab `lab` of `home` creates.
fn labels(lab: &str, home: &Home) -> BTreeMap<String, String> {
    BTreeMap::from([
        (MANAGED_BY.to_owned(), AUTHLAB.to_owned()),
        (LAB.to_owned(), lab.to_owned()),
        (HOME.to_owned(), home.as_str().to_owned()),
    ])
}

/// Returns the labels of all objects that are created for the lab `lab` in its own cluster, which is removed with its contents.
pub(in crate::lab) fn labels_at_home(lab: &str) -> BTreeMap<String, String> {
    BTreeMap::from([(MANAGED_BY.to_owned(), AUTHLAB.to_owned()), (LAB.to_owned(), lab.to_owned())])
}

/// The owners whose objects are selected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose<'a> {
    /// The objects of this lab.
    Lab(&'a str),
    /// The objects of labs of this state directory whose owner is certainly gone.
    Crashed,
    /// All objects except those of labs of this state directory that may still live.
    Everybody,
}

/// An object that authlab created.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct CreatedObject {
    kind: &'static str,
    name: String,
    lab: String,
    home: String,
    going: bool,
}

/// The state of a lab's owner, as far as this machine knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Known {
    /// It may live.
    Lives,
    /// It is gone, as its directory shows.
    Gone,
    /// Nothing is known.
    Nothing,
}

impl Whose<'_> {
    /// Returns the selector. All three labels are required: other programs set the first one, too.
    fn selector(self, home: &Home) -> String {
        let home = home.as_str();
        match self {
            Self::Lab(lab) => format!("{MANAGED_BY}={AUTHLAB},{HOME}={home},{LAB}={lab}"),
            Self::Crashed => format!("{MANAGED_BY}={AUTHLAB},{HOME}={home},{LAB}"),
            Self::Everybody => format!("{MANAGED_BY}={AUTHLAB},{HOME},{LAB}"),
        }
    }

    /// Returns `true` if `found` is selected; `known` returns the state of the owner of the lab with the given name.
    fn means(self, found: &CreatedObject, home: &Home, known: impl Fn(&str) -> Known) -> bool {
        let here = found.home == home.as_str();
        is_named_by_us(found)
            && match self {
                Self::Lab(lab) => here && found.lab == lab,
                Self::Crashed => here && known(&found.lab) == Known::Gone,
                Self::Everybody => !(found.home.is_empty() || here && known(&found.lab) == Known::Lives),
            }
    }
}

/// Returns `true` for a name of the form that authlab generates, with a random suffix ([`CREATES`](super::CREATES)).
fn is_named_by_us(found: &CreatedObject) -> bool {
    let Some((base, end)) = found.name.rsplit_once('-') else {
        return false;
    };
    let random = end.len() >= 10 && end.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f'));
    let number = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_digit());
    random
        && match found.kind {
            NAMESPACES => base == AUTHLAB,
            ROLES | BINDINGS => base.strip_prefix("authlab-").is_some_and(number),
            _ => !base.is_empty(),
        }
}

/// Looks at the directory of the lab `lab`, if there is one. A name alone proves nothing.
fn known(lab: &str) -> Known {
    let Ok(path) = directory::place(lab) else { return Known::Nothing };
    match directory::look(&path) {
        There::Nothing => Known::Nothing,
        There::Lab(Some(marker), Ownership::Crashed) if marker.owner.expect_ended_with_its_lock(&Owner::here()).is_ok() => Known::Gone,
        There::Lab(Some(_), Ownership::Kept) => Known::Gone,
        There::Lab(..) | There::Other(_) => Known::Lives,
    }
}

/// Deletes the selected objects, waits until they are gone, and returns how many there were.
pub(super) async fn delete(client: &Client, home: &Home, whose: Whose<'_>) -> Result<usize, ExistingError> {
    let seen = std::sync::Mutex::new(BTreeSet::new());
    let gone = until_gently("the end of what authlab created", LIMIT, || async {
        let all = list(client, home, whose).await?;
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

/// Returns the number of objects of labs that are not known to be over.
pub(super) async fn count_others(client: &Client, home: &Home) -> Result<usize, ExistingError> {
    let all = list(client, home, Whose::Everybody).await;
    let all = all.map_err(|source| ExistingError::NotListed(Box::new(source)))?;
    Ok(all.iter().filter(|found| !found.going).count())
}

async fn list(client: &Client, home: &Home, whose: Whose<'_>) -> kube::Result<Vec<CreatedObject>> {
    let selector = whose.selector(home);
    let (namespaces, roles, bindings, requests) = futures::try_join!(
        of::<Namespace>(client, &selector, NAMESPACES),
        of::<ClusterRole>(client, &selector, ROLES),
        of::<ClusterRoleBinding>(client, &selector, BINDINGS),
        of::<CertificateSigningRequest>(client, &selector, REQUESTS),
    )?;
    let all = namespaces.into_iter().chain(bindings).chain(roles).chain(requests);
    Ok(all.filter(|found| whose.means(found, home, known)).collect())
}

async fn of<K>(client: &Client, selector: &str, kind: &'static str) -> kube::Result<Vec<CreatedObject>>
where
    K: Resource<DynamicType = ()> + Clone + std::fmt::Debug + DeserializeOwned + Serialize,
{
    let listed = Api::<K>::all(client.clone())
        .list_metadata(&ListParams::default().labels(selector))
        .await;
    let listed = match listed {
        Ok(listed) => listed,
        // A user that may not even list them has created none.
        Err(kube::Error::Api(status)) if status.code == 403 => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    Ok(listed
        .items
        .into_iter()
        .map(|object| CreatedObject {
            kind,
            name: object.name_any(),
            lab: object.labels().get(LAB).cloned().unwrap_or_default(),
            home: object.labels().get(HOME).cloned().unwrap_or_default(),
            going: object.metadata.deletion_timestamp.is_some(),
        })
        .collect())
}

/// Deletes an object; returns the error, if any. An object that is already gone is not an error.
async fn delete_one(client: &Client, found: &CreatedObject) -> Option<String> {
    let parameters = DeleteParams::default();
    let (client, name) = (client.clone(), found.name.as_str());
    let deleted = match found.kind {
        NAMESPACES => Api::<Namespace>::all(client).delete(name, &parameters).await.map(drop),
        ROLES => Api::<ClusterRole>::all(client).delete(name, &parameters).await.map(drop),
        BINDINGS => Api::<ClusterRoleBinding>::all(client).delete(name, &parameters).await.map(drop),
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

/// The objects that a lab creates in an existing cluster. If dropped before they were deleted, they are deleted then.
#[derive(Debug)]
pub(in crate::lab) struct CreatedObjects {
    lab: String,
    home: Home,
    server: ApiServer,
    credential: Credential,
    /// The lab's directory, which records that there may be objects.
    directory: PathBuf,
    /// `true` if there are no objects, or none any more.
    none: AtomicBool,
}

impl CreatedObjects {
    /// Returns the objects of the lab `lab` in `directory`, which has created none yet.
    pub(super) fn new((lab, directory): (&str, &Path), home: &Home, server: &ApiServer, credential: &Credential) -> Self {
        Self {
            lab: lab.to_owned(),
            home: home.clone(),
            server: server.clone(),
            credential: credential.clone(),
            directory: directory.to_owned(),
            none: AtomicBool::new(true),
        }
    }

    /// Returns the labels of each object.
    pub(super) fn labels(&self) -> BTreeMap<String, String> {
        labels(&self.lab, &self.home)
    }

    /// Records in the lab's directory that there may be objects from now on.
    pub(super) fn begin(&self) -> Result<(), LabError> {
        InCluster::note(&self.lab, &self.server.url, &self.directory)?;
        self.none.store(false, Ordering::Relaxed);
        Ok(())
    }

    /// Deletes all objects.
    pub(in crate::lab) async fn delete(&self, client: &Client) -> Result<(), ExistingError> {
        if !self.none.load(Ordering::Relaxed) {
            delete(client, &self.home, Whose::Lab(&self.lab)).await?;
            InCluster::strike(&self.directory);
            self.none.store(true, Ordering::Relaxed);
        }
        Ok(())
    }
}

impl Drop for CreatedObjects {
    fn drop(&mut self) {
        if self.none.load(Ordering::Relaxed) {
            return;
        }
        // After an interruption: `drop` cannot wait for a future, but a separate thread can.
        std::thread::scope(|threads| {
            threads.spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                let (Ok(runtime), false) = (runtime, self.none.load(Ordering::Relaxed)) else {
                    return;
                };
                runtime.block_on(async {
                    if let Ok(administrator) = Administrator::new(&self.server, self.credential.clone()) {
                        // An error has no reader any more; the next run, or `down`, tries again.
                        let _ = self.delete(&administrator.client()).await;
                    }
                });
            });
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: &str = "authlab-0123456789";

    fn found(lab: &str, home: &str) -> CreatedObject {
        CreatedObject {
            kind: NAMESPACES,
            name: NAME.to_owned(),
            lab: lab.to_owned(),
            home: home.to_owned(),
            going: false,
        }
    }

    fn home() -> Home {
        Home::example("here")
    }

    #[test]
    fn only_what_certainly_crashed_here_is_deleted_without_being_asked_for() {
        let known = |lab: &str| match lab {
            "run-a" => Known::Lives,
            "run-b" => Known::Gone,
            _ => Known::Nothing,
        };
        let means = |whose: Whose<'_>, lab: &str, home_: &str| whose.means(&found(lab, home_), &home(), known);
        assert!(means(Whose::Lab("run-c"), "run-c", "here"));
        assert!(!means(Whose::Lab("run-c"), "run-a", "here"));
        assert!(
            !means(Whose::Lab("run-c"), "run-c", "elsewhere"),
            "of the same name on another machine"
        );
        assert!(means(Whose::Crashed, "run-b", "here"));
        assert!(!means(Whose::Crashed, "run-a", "here"));
        // A cloned machine has the same home, and runs that are unknown here.
        assert!(!means(Whose::Crashed, "run-c", "here"));
        assert!(!means(Whose::Crashed, "run-b", "elsewhere"));
        assert!(means(Whose::Everybody, "run-a", "elsewhere"));
        assert!(means(Whose::Everybody, "run-c", "here"));
        assert!(!means(Whose::Everybody, "run-a", "here"));
        assert!(!means(Whose::Everybody, "run-c", ""), "without a home it is somebody else's");
    }

    #[test]
    fn what_is_not_named_as_we_name_things_is_nobodys_to_delete() {
        let named = |kind, name: &str| {
            let found = CreatedObject {
                kind,
                name: name.to_owned(),
                ..found("run-b", "here")
            };
            Whose::Everybody.means(&found, &home(), |_| Known::Gone)
        };
        for (kind, name) in [
            (NAMESPACES, NAME),
            (ROLES, "authlab-1-0123456789"),
            (BINDINGS, "authlab-12-0123456789abcdef"),
            (REQUESTS, "request-1-0123456789"),
            (REQUESTS, "authlab-question-0123456789"),
        ] {
            assert!(named(kind, name), "{name}");
        }
        for (kind, name) in [
            (NAMESPACES, "authlab"),
            (NAMESPACES, "kube-system"),
            (NAMESPACES, "team-0123456789"),
            (NAMESPACES, "authlab-2-0123456789"),
            (NAMESPACES, "authlab-production"),
            (ROLES, "authlab-operator"),
            (BINDINGS, "authlab-0123456789"),
            (BINDINGS, "cluster-admin"),
            (REQUESTS, "csr-7xk2p"),
            (REQUESTS, "-0123456789"),
        ] {
            assert!(!named(kind, name), "{name}");
        }
    }

    #[test]
    fn a_selector_asks_for_all_three_labels() {
        let home = home();
        for whose in [Whose::Lab("x"), Whose::Crashed, Whose::Everybody] {
            let selector = whose.selector(&home);
            for label in [MANAGED_BY, LAB, HOME] {
                let named = selector
                    .split(',')
                    .any(|part| part == label || part.starts_with(&format!("{label}=")));
                assert!(named, "{whose:?}: {selector}");
            }
        }
        let selector = Whose::Lab("run-1").selector(&home);
        for (key, value) in &labels("run-1", &home) {
            assert!(selector.contains(&format!("{key}={value}")), "{key}");
        }
        // Objects in a lab's own cluster are never selected.
        assert!(!labels_at_home("default").contains_key(HOME));
    }
}
