//! Learners: their identity and their rights in the cluster.
//!
//! The main type is [`Learner`]. The name of a learner is that of their user, of their namespace and of their directory;
//! the users they work with are `NAME:alice` and the like, so that no two learners share a user.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use serde_json::Value;

use super::LessonError;
use super::objects::{self, Cluster};
use crate::credential::Credential;
use crate::event::Verdict;
use crate::kubeconfig;
use crate::lab::{Lab, put};
use crate::pki::Request;
use crate::probe::{Endpoint, Question, ask};
use crate::process::wait::{Condition, until};
use crate::template::{UnknownPlaceholder, fill};

/// The largest number of learners in a lab.
pub const MOST: u32 = 60;

/// The policy for objects that learners, and all their users, create outside of their namespace (`fixtures/learners/policy.json`).
const POLICY_NAME: &str = "authlab-learners";

/// The validity of a learner's certificate: longer than any course.
const COURSE: Duration = Duration::from_secs(7 * 24 * 3600);

static LEARNER: &str = include_str!("../../fixtures/learners/learner.json");
static LIMITS: &str = include_str!("../../fixtures/learners/limits.json");
static POLICY: &str = include_str!("../../fixtures/learners/policy.json");

/// A learner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Learner {
    name: String,
}

impl FromStr for Learner {
    type Err = LessonError;

    fn from_str(name: &str) -> Result<Self, LessonError> {
        let number = name.strip_prefix("learner-").and_then(|number| number.parse::<u32>().ok());
        match number {
            Some(number) if (1..=MOST).contains(&number) && name == format!("learner-{number}") => Ok(Self { name: name.to_owned() }),
            _ => Err(LessonError::NoLearner { name: name.to_owned() }),
        }
    }
}

impl Learner {
    /// Returns the learner with this number, from 1 on.
    fn number(number: u32) -> Self {
        Self {
            name: format!("learner-{number}"),
        }
    }

    /// Returns the name of the learner: that of the user, the namespace and the directory.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The learner's directory in the lab.
    pub fn home(&self, lab: &Lab) -> PathBuf {
        lab.directory().join("learners").join(&self.name)
    }

    /// The path of the learner's kubeconfig.
    pub fn kubeconfig(&self, lab: &Lab) -> PathBuf {
        self.home(lab).join("kubeconfig")
    }

    /// Returns the learners in the lab, in the order of their numbers.
    pub fn in_lab(lab: &Lab) -> Vec<Self> {
        let entries = std::fs::read_dir(lab.directory().join("learners")).into_iter().flatten().flatten();
        let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
        let mut all: Vec<Self> = names.filter_map(|name| name.parse().ok()).collect();
        all.sort_by_key(|learner| (learner.name.len(), learner.name.clone()));
        all
    }

    /// Gives the learner a namespace, rights and a kubeconfig, unless they have them.
    ///
    /// # Errors
    /// The lab's CAs are not available, or the cluster rejects the objects.
    pub async fn admit(&self, lab: &Lab) -> Result<(), LessonError> {
        if self.kubeconfig(lab).exists() {
            return Ok(());
        }
        let cluster = Cluster::of(lab);
        cluster.apply(&objects::read(POLICY)?).await?;
        cluster.apply(&objects::read(&self.fill(LEARNER)?)?).await?;
        if lab.description().learners > 0 {
            // A lab without learners does not run the controller that counts objects, so nothing could be created under a quota.
            cluster.apply(&objects::read(&self.fill(LIMITS)?)?).await?;
        }
        cluster.settle(&self.name).await?;
        self.write_kubeconfig(lab)
    }

    fn fill(&self, text: &str) -> Result<String, UnknownPlaceholder> {
        fill(text, |name| (name == "learner").then(|| self.name.clone()))
    }

    fn write_kubeconfig(&self, lab: &Lab) -> Result<(), LessonError> {
        let home = self.home(lab);
        std::fs::create_dir_all(&home).map_err(|source| LessonError::File { path: home, source })?;
        let credential = self.credential(lab)?;
        let context = format!("{}@{}", self.name, lab.description().name);
        let main = lab.main();
        let mut file = kubeconfig::json(&context, &main.url, &main.serving_authority, &credential)?;
        file["contexts"][0]["context"]["namespace"] = Value::from(self.name.as_str());
        Ok(put(&self.kubeconfig(lab), &format!("{file:#}\n"))?)
    }

    fn credential(&self, lab: &Lab) -> Result<Credential, LessonError> {
        let request = Request::client(&self.name, &[]).lifetime(COURSE);
        Ok(Credential::Certificate(lab.authorities()?.clients.issue(&request)?))
    }
}

/// Admits `count` learners, with limits, and waits until the policy about their names is in force.
///
/// # Errors
/// There are more learners than a lab can have, or the cluster rejects their objects.
pub async fn admit_class(lab: &Lab, count: u32) -> Result<Vec<Learner>, LessonError> {
    let learners: Vec<Learner> = (1..=count).map(Learner::number).collect();
    let cluster = Cluster::of(lab);
    cluster.apply(&objects::read(POLICY)?).await?;
    let mut all = Vec::new();
    for learner in &learners {
        all.extend(objects::read(&learner.fill(LEARNER)?)?);
        all.extend(objects::read(&learner.fill(LIMITS)?)?);
    }
    cluster.apply(&all).await?;
    for learner in &learners {
        learner.write_kubeconfig(lab)?;
    }
    if let Some(first) = learners.first() {
        cluster.settle(&first.name).await?;
        in_force(lab, first).await?;
    }
    Ok(learners)
}

/// Waits until a learner cannot create an object with another's name: the API server sees a policy within some seconds.
async fn in_force(lab: &Lab, learner: &Learner) -> Result<(), LessonError> {
    let credential = learner.credential(lab)?;
    let name = serde_json::json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": { "name": "somebody-else" }, "rules": [],
    });
    // A dry run creates nothing, even while the policy is not yet in force.
    let question = Question::post("/apis/rbac.authorization.k8s.io/v1/clusterroles?dryRun=All", name);
    let endpoint = Endpoint::of(lab.main());
    let refused = until("the policy about learners' names", Duration::from_secs(60), || async {
        let answer = ask(&endpoint, learner.name(), &credential, &question).await;
        Ok::<_, std::convert::Infallible>(match answer.verdict {
            Verdict::Accepted => Condition::NotYet("a learner could create an object with another's name".to_owned()),
            _ if answer.message().is_some_and(|message| message.contains(POLICY_NAME)) => Condition::Met(()),
            _ => Condition::NotYet(answer.to_string()),
        })
    });
    refused.await.map_err(|error| LessonError::NotSeen(Box::new(error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn learners_are_numbered() {
        assert_eq!("learner-7".parse::<Learner>().expect("there is one").name(), "learner-7");
        for name in ["learner-0", "learner-07", "learner-61", "learner-+1", "alice", "learner-1/../x"] {
            assert!(name.parse::<Learner>().is_err(), "{name}");
        }
    }

    #[test]
    fn what_a_learner_has_can_be_read() {
        for text in [LEARNER, LIMITS, POLICY] {
            let text = Learner::number(1).fill(text).expect("known placeholders");
            assert!(!objects::read(&text).expect("objects").is_empty());
        }
        let learner = objects::read(&Learner::number(1).fill(LEARNER).expect("known placeholders")).expect("objects");
        let rules = learner.iter().filter_map(|object| object["rules"].as_array()).flatten();
        let verbs: Vec<&Value> = rules.filter_map(|rule| rule["verbs"].as_array()).flatten().collect();
        assert!(!verbs.is_empty());
        for verb in ["*", "escalate", "bind", "deletecollection"] {
            assert!(!verbs.contains(&&Value::from(verb)), "{verb}");
        }
        let policy = objects::read(POLICY).expect("objects");
        assert!(policy.iter().all(|object| object["metadata"]["name"] == POLICY_NAME), "{policy:?}");
    }
}
