//! Deletes what scenarios made in a lab that goes on, beside the scenarios that still run.
//!
//! The main type is [`Cleanup`]. It is told of each scenario that leaves, deletes in bulk, since each deletion asks for several kinds of
//! objects, and is done with all of the run's before the run ends.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::lab::{Lab, LabError, Made, UnderWay};

/// How many scenarios' objects are deleted at a time, unless the run is over.
const BATCH: usize = 32;

/// What is deleted, and when. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Cleanup {
    sender: mpsc::UnboundedSender<Message>,
    accounts: Accounts,
    /// Taken by whoever ends it.
    task: Arc<Mutex<Option<Task>>>,
    /// Until then, the lab's owner deletes nothing and ends no API server.
    _under_way: Arc<UnderWay>,
}

type Task = JoinHandle<Result<(), LabError>>;

/// Users of Keycloak, by the scenario that made them.
type Accounts = Arc<Mutex<BTreeMap<String, Vec<String>>>>;

#[derive(Debug)]
enum Message {
    /// A scenario is over; objects that it made bear this label.
    Left(String),
    /// All of them are.
    RunIsOver,
}

impl Cleanup {
    /// Begins to delete what scenarios of the run `run` make in `lab`, whose owner knows that it is `under_way`.
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

    /// Notes that `scenario` made a user of Keycloak.
    pub(super) fn account(&self, scenario: &str, name: &str) {
        let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        accounts.entry(scenario.to_owned()).or_default().push(name.to_owned());
    }

    /// Notes that `scenario` is over.
    pub(super) fn left(&self, scenario: String) {
        // Nobody receives after a failed deletion, which the end of the run tells.
        let _failed = self.sender.send(Message::Left(scenario));
    }

    /// Deletes what is left of all scenarios, also of those that were given up, and waits until it is gone.
    ///
    /// # Errors
    /// Something could not be deleted.
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
            let made = Made::by_scenarios(&run, left.iter().map(String::as_str));
            delete(&lab, &made, users).await?;
            left.clear();
        }
    }
    let users = std::mem::take(&mut *accounts.lock().unwrap_or_else(PoisonError::into_inner));
    delete(&lab, &Made::in_run(&run), users.into_values().flatten().collect()).await
}

async fn delete(lab: &Lab, made: &Made, users: Vec<String>) -> Result<(), LabError> {
    let at_keycloak = async {
        if !users.is_empty() {
            let admin = lab.keycloak().await?.admin()?;
            for user in users {
                admin.delete_user(&user).await?;
            }
        }
        Ok::<_, LabError>(())
    };
    let client = lab.administrator().client();
    futures::try_join!(made.delete(&client), at_keycloak)?;
    Ok(())
}
