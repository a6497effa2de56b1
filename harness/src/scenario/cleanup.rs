//! Deletes the objects of finished scenarios from a lab that keeps running, while other scenarios still run.
//!
//! The main type is [`Cleanup`]. It is notified of each finished scenario, deletes in bulk, since each deletion sends requests for several
//! kinds of objects, and has deleted all of the run's objects before the run ends.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::lab::{Lab, LabError, ScenarioObjects, UnderWay};

/// The number of scenarios whose objects are deleted at a time, except at the end of the run.
const BATCH: usize = 32;

/// A handle to the task that deletes a run's objects. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Cleanup {
    sender: mpsc::UnboundedSender<Message>,
    accounts: Accounts,
    /// Taken by the caller that ends it.
    task: Arc<Mutex<Option<Task>>>,
    /// While this exists, the lab's owner deletes nothing and ends no API server.
    _under_way: Arc<UnderWay>,
}

type Task = JoinHandle<Result<(), LabError>>;

/// The accounts at the identity provider, by the scenario that created them.
type Accounts = Arc<Mutex<BTreeMap<String, Vec<String>>>>;

#[derive(Debug)]
enum Message {
    /// A scenario is over; the objects that it created bear this label.
    Left(String),
    /// All scenarios are over.
    RunIsOver,
}

impl Cleanup {
    /// Starts to delete the objects that scenarios of the run `run` create in `lab`; `under_way` tells the lab's owner of the run.
    pub fn begin(lab: Lab, run: String, under_way: UnderWay) -> Self {
        let (sender, receiver) = mpsc::unbounded_channel();
        let accounts = Accounts::default();
        let task = tokio::spawn(delete_all(lab, run, Arc::clone(&accounts), receiver));
        Self {
            sender,
            accounts,
            task: Arc::new(Mutex::new(Some(task))),
            _under_way: Arc::new(under_way),
        }
    }

    /// Notes that `scenario` created the account `name`.
    pub(super) fn account(&self, scenario: &str, name: &str) {
        let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        accounts.entry(scenario.to_owned()).or_default().push(name.to_owned());
    }

    /// Notes that `scenario` is over.
    pub(super) fn left(&self, scenario: String) {
        // After a failed deletion the receiver is gone; the end of the run reports that error.
        let _failed = self.sender.send(Message::Left(scenario));
    }

    /// Deletes the remaining objects of all scenarios, including abandoned ones, and waits until they are gone.
    ///
    /// # Errors
    /// A deletion failed.
    pub async fn end(&self) -> Result<(), LabError> {
        let _failed = self.sender.send(Message::RunIsOver);
        let task = self.task.lock().unwrap_or_else(PoisonError::into_inner).take();
        match task {
            Some(task) => task.await.map_err(|_| LabError::Ended)?,
            None => Ok(()),
        }
    }
}

async fn delete_all(lab: Lab, run: String, accounts: Accounts, mut receiver: mpsc::UnboundedReceiver<Message>) -> Result<(), LabError> {
    let mut left = Vec::new();
    while let Some(Message::Left(scenario)) = receiver.recv().await {
        left.push(scenario);
        if left.len() >= BATCH {
            let users = {
                let mut accounts = accounts.lock().unwrap_or_else(PoisonError::into_inner);
                left.iter().filter_map(|scenario| accounts.remove(scenario)).flatten().collect()
            };
            let made = ScenarioObjects::by_scenarios(&run, left.iter().map(String::as_str));
            delete(&lab, &made, users).await?;
            left.clear();
        }
    }
    let users = std::mem::take(&mut *accounts.lock().unwrap_or_else(PoisonError::into_inner));
    delete(&lab, &ScenarioObjects::in_run(&run), users.into_values().flatten().collect()).await
}

async fn delete(lab: &Lab, made: &ScenarioObjects, users: Vec<String>) -> Result<(), LabError> {
    let at_provider = async {
        if !users.is_empty() {
            let provider = lab.provider().await?;
            for user in users {
                provider.delete_account(&user).await?;
            }
        }
        Ok::<_, LabError>(())
    };
    let client = lab.administrator().client();
    futures::try_join!(made.delete(&client), at_provider)?;
    Ok(())
}
