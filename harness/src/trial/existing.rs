//! People at a cluster that exists: who they are to it, and what they may do.
//!
//! The main types are [`Visit`], and [`ExistingCluster`] for features. They send reviews and read the version and the list of resources, as the people
//! themselves: nothing is created, and no right is needed beyond those that every authenticated user has (`system:basic-user`,
//! `system:discovery`).

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use tokio::sync::Mutex;

use super::served::Served;
use super::{Action, Decision, Outcome, Result, TrialError, Tried, TriedPerson};
use crate::credential::Credential;
use crate::event::{Events, Verdict};
use crate::lab::existing::{Access, KubeContext, version};
use crate::lab::{ExistingError, Lab, LabError};
use crate::probe::{Endpoint, Question, ask};
use crate::secret::Secret;

/// Somebody who visits: their own context of the kubeconfig, and a token in place of its credential, if one is given.
#[derive(Clone, Debug)]
pub struct Visitor {
    /// The name by which the user knows them.
    pub name: String,
    /// The context; `None` for the current one.
    pub context: Option<String>,
    /// The token that is presented in place of the context's credential.
    pub token: Option<Secret>,
}

/// Visitors of the cluster of a kubeconfig.
#[derive(Clone, Copy, Debug)]
pub struct Visit<'a> {
    kubeconfig: &'a Path,
    events: &'a Events,
}

impl<'a> Visit<'a> {
    /// Returns a visit to the clusters of `kubeconfig`. An exec plugin that a context names is told to `events` before it is run.
    #[must_use]
    pub fn new(kubeconfig: &'a Path, events: &'a Events) -> Self {
        Self { kubeconfig, events }
    }

    /// Reads the contexts of `visitors`: no plugin is run, and nothing is asked.
    ///
    /// # Errors
    /// A context does not exist or cannot be used, or they lead to several clusters.
    pub fn contexts(&self, visitors: &[Visitor]) -> std::result::Result<VisitorContexts, TrialError> {
        let found = self.read(visitors)?;
        let mut servers: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (visitor, context) in std::iter::zip(visitors, &found) {
            servers.entry(context.url.clone()).or_default().push(visitor.name.clone());
        }
        if servers.len() > 1 {
            return Err(LabError::from(ExistingError::Several(servers.into_iter().collect())).into());
        }
        Ok(VisitorContexts(std::iter::zip(visitors.iter().cloned(), found).collect()))
    }

    /// Reads the contexts of `visitors`, which may lead to several clusters. The kubeconfig is read once: it may be a pipe.
    fn read(&self, visitors: &[Visitor]) -> std::result::Result<Vec<KubeContext>, TrialError> {
        let contexts = visitors.iter().map(|visitor| visitor.context.as_deref());
        Ok(KubeContext::read(self.kubeconfig, contexts).map_err(LabError::from)?)
    }

    /// Gets the credentials of all whose `contexts` were read, and reads the version of their cluster.
    ///
    /// # Errors
    /// An exec plugin fails, a credential cannot be used, the API server does not answer, or its version is too old.
    pub async fn open(&self, contexts: &VisitorContexts) -> std::result::Result<ExistingCluster, TrialError> {
        let mut people = Vec::new();
        for (visitor, context) in &contexts.0 {
            people.push((visitor.name.clone(), self.credential(visitor, context).await?));
        }
        let Some((_, first)) = contexts.0.first() else {
            return Err(LabError::Lacks {
                what: "people who can be asked",
            }
            .into());
        };
        let access = first.with(Credential::Nothing);
        let version = version(&access, &people).await.map_err(LabError::from)?;
        Ok(ExistingCluster {
            lab: Lab::visited(&access, version).await?,
            people: people.into(),
            served: Arc::default(),
        })
    }

    /// Returns the credential of `visitor`: their own token, or else that of their `context`.
    async fn credential(&self, visitor: &Visitor, context: &KubeContext) -> std::result::Result<Credential, TrialError> {
        Ok(match &visitor.token {
            Some(token) => Credential::Token(token.clone()),
            None => context.credential(self.events).await.map_err(LabError::from)?,
        })
    }

    /// Tries all of `visitors`, and whether each of them may do `actions`.
    ///
    /// # Errors
    /// A context cannot be used, an API server does not answer, or an action is not reviewed.
    pub async fn try_all(&self, visitors: &[Visitor], actions: &[Action]) -> std::result::Result<Tried, TrialError> {
        let contexts = self.read(visitors)?;
        let tried = std::iter::zip(visitors, &contexts).map(|(visitor, context)| self.try_one(visitor, context, actions));
        let tried = futures::future::try_join_all(tried).await?;
        // A cluster may tell its version to nobody whom it refuses.
        let kubernetes = tried
            .iter()
            .map(|(kubernetes, _)| kubernetes)
            .find(|kubernetes| !kubernetes.is_empty());
        let kubernetes = kubernetes.cloned().unwrap_or_default();
        Ok(Tried {
            kubernetes,
            issuers_not_found: Vec::new(),
            result: Result::People(tried.into_iter().map(|(_, person)| person).collect()),
        })
    }

    async fn try_one(
        &self,
        visitor: &Visitor,
        context: &KubeContext,
        actions: &[Action],
    ) -> std::result::Result<(String, TriedPerson), TrialError> {
        let credential = self.credential(visitor, context).await?;
        let access: Access = context.with(credential.clone());
        let endpoint = Endpoint::of(&access.server(Path::new("")));
        let answer = ask(&endpoint, &visitor.name, &credential, &Question::who_am_i()).await;
        if matches!(answer.verdict, Verdict::Unreachable | Verdict::TlsRefused) {
            let why = answer.record.reason.unwrap_or_default();
            return Err(LabError::from(ExistingError::Unreachable { server: access.url, why }).into());
        }
        let outcome = Outcome::of(&answer);
        let version = match version(&access, &[(visitor.name.clone(), credential.clone())]).await {
            Ok((version, _)) => version,
            Err(error @ ExistingError::NoReviews { .. }) => return Err(LabError::from(error).into()),
            // It is not needed for the answer.
            Err(_) => String::new(),
        };
        let mut may = Vec::new();
        if outcome.identified().is_some() {
            let served = match actions.iter().any(Action::is_looked_up) {
                true => served(&endpoint, &visitor.name, &credential).await,
                false => Served::default(),
            };
            for action in actions {
                let action = complete(&served, action)?;
                may.push(Decision::of(
                    &action,
                    &ask(&endpoint, &visitor.name, &credential, &action.question()).await,
                )?);
            }
        }
        let person = TriedPerson {
            person: visitor.name.clone(),
            outcome,
            may,
            notes: Vec::new(),
        };
        Ok((version, person))
    }
}

/// Visitors with their contexts, before anything was asked there.
#[derive(Debug)]
pub struct VisitorContexts(Vec<(Visitor, KubeContext)>);

impl VisitorContexts {
    /// Returns the address of the cluster's API server; `None` if there is nobody.
    #[must_use]
    pub fn server(&self) -> Option<&str> {
        self.0.first().map(|(_, context)| context.url.as_str())
    }

    /// Returns for each visitor the credential that they will present, in words.
    pub fn credentials(&self) -> impl Iterator<Item = (&str, String)> {
        self.0.iter().map(|(visitor, context)| {
            let name = &context.context;
            let credential = match (&visitor.token, context.plugin()) {
                (Some(_), _) => "the token in their file".to_owned(),
                (None, Some(command)) => format!("the context '{name}', whose exec plugin `{command}` is run"),
                (None, None) => format!("the context '{name}'"),
            };
            (visitor.name.as_str(), credential)
        })
    }
}

/// A cluster that exists, as features ask it: every request is a review by one of the people, or reads the list of resources.
#[derive(Clone, Debug)]
pub struct ExistingCluster {
    lab: Lab,
    people: Arc<[(String, Credential)]>,
    /// The resources of its API server, once somebody could read them.
    served: Arc<Mutex<Option<Served>>>,
}

impl ExistingCluster {
    /// Returns the lab that stands for the cluster.
    pub fn lab(&self) -> &Lab {
        &self.lab
    }

    /// Returns the people with their credentials.
    pub fn people(&self) -> &[(String, Credential)] {
        &self.people
    }

    /// Returns `action` with the API group that has its resource, as `who` reads it with `credential`.
    ///
    /// # Errors
    /// The API server does not serve it, or several API groups have it; or `who` may not read the list of resources.
    pub async fn complete(&self, who: &str, credential: &Credential, action: &Action) -> std::result::Result<Action, TrialError> {
        if !action.is_looked_up() {
            return Ok(action.clone());
        }
        // Held meanwhile: the lists are read once, however many ask.
        let mut known = self.served.lock().await;
        if let Some(served) = &*known {
            return complete(served, action);
        }
        let read = served(&Endpoint::of(self.lab.main()), who, credential).await;
        let completed = complete(&read, action);
        // Where they cannot be read, somebody else may be able to.
        *known = Some(read).filter(|read| !read.is_unknown());
        completed
    }
}

/// Reads what the API server serves, as `who` sees it.
async fn served(endpoint: &Endpoint, who: &str, credential: &Credential) -> Served {
    Served::read(async |path: String| ask(endpoint, who, credential, &Question::get(path)).await.body).await
}

/// Returns `action` with the API group that has its resource.
fn complete(served: &Served, action: &Action) -> std::result::Result<Action, TrialError> {
    if served.is_unknown() && action.lacks_group() {
        return Err(TrialError::NotReviewed {
            action: action.to_string(),
            why: "its API group is not written, and the list of resources cannot be read".to_owned(),
        });
    }
    served.complete(action)
}
