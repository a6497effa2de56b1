//! The API server with somebody's own configuration, and the people who ask it. Each of these belongs to [`World`].

use std::collections::BTreeSet;

use anyhow::{Context, Result, anyhow};

use super::World;
use crate::credential::Credential;
use crate::hint::Hint as _;
use crate::probe::{Answer, Question};
use crate::scenario::{Person, UnderTest};
use crate::secret::Secret;
use crate::trial::{self, Action, Decision, TrialError};

/// The people whose credentials are of the configuration under test, by the names that steps use.
#[derive(Default)]
struct Own(BTreeSet<String>);

/// The expectation of an assertion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// It is accepted, and may do what is asked.
    Accepted,
    /// It is refused, or may not do what is asked.
    Refused,
}

/// A token that nobody signed.
const NOBODY: &str = "authlab-inverted";

impl World {
    /// Returns the API server with the configuration under test.
    ///
    /// # Errors
    /// The lab has no such API server.
    pub fn under_test(&self) -> Result<&UnderTest> {
        let under_test = self.site().under_test.as_deref();
        under_test.context("the lab's API server was not started with a configuration")
    }

    /// Gives `said` the credential `presents`, made for the API server under test.
    ///
    /// # Errors
    /// It cannot be made, or `said` is a pronoun and nobody was named before.
    pub async fn present(&mut self, said: &Person, presents: trial::Presented) -> Result<()> {
        let person = self.person(said)?;
        let name = person.name().to_owned();
        // The name becomes the subject of a token without one.
        let plain = name.strip_prefix("the ").unwrap_or(&name);
        let tried = trial::Person {
            name: plain.to_owned(),
            presents,
        };
        let credential = self.under_test()?.credential(&tried).await.map_err(told)?;
        self.hold(&person, credential, None)?;
        self.notes::<Own>().0.insert(name);
        Ok(())
    }

    /// Gives `person` the credential that the project says they have, unless a step has given them one.
    pub(super) async fn present_known(&mut self, person: &Person) -> Result<()> {
        if self.holdings.contains_key(person.name()) {
            return Ok(());
        }
        let Some(under_test) = &self.site().under_test else { return Ok(()) };
        match under_test.people.called(person.name()).and_then(|known| known.presents.clone()) {
            Some(presents) => self.present(person, presents).await,
            None => Ok(()),
        }
    }

    /// Returns whether `person` presents a credential of the configuration under test.
    pub(super) fn is_own(&mut self, person: &Person) -> bool {
        self.notes::<Own>().0.contains(person.name())
    }

    /// Returns the last answer to `person` about who they are.
    pub(super) fn own_answer(&self, person: &Person) -> Result<&Answer> {
        let begins = format!("{} → ", person.name());
        let asked = |answer: &&Answer| answer.request.starts_with(&begins) && !answer.request.contains("selfsubjectaccessreviews");
        let found = self.answers.iter().rev().find(asked);
        found.with_context(|| {
            format!(
                "{} did not ask anything yet: `When {} asks the API server who they are`",
                person.name(),
                person.name()
            )
        })
    }

    /// Returns the last answer to `said`, for an assertion that expects `expected` of it. In an inverted scenario about a configuration under
    /// test, somebody with the opposite credential asks instead: the assertion must then fail.
    ///
    /// # Errors
    /// No request was sent yet, or `said` is a pronoun and nobody was named before.
    pub async fn answer_expected(&mut self, said: &Person, expected: Expected) -> Result<&Answer> {
        let person = self.person(said)?;
        if self.is_own(&person) && self.presents_twin() {
            let opposite = self.opposite(expected);
            self.ask_with(&person, &opposite, &Question::who_am_i()).await;
        }
        self.answer_to(&person)
    }

    /// Asks the API server whether `said` may do `action`, which is reviewed and never done. In an inverted scenario, somebody else asks of
    /// whom the opposite of `expected` is known.
    ///
    /// # Errors
    /// `said` holds no credential, or the API server does not review the action.
    pub async fn may(&mut self, said: &Person, action: &Action, expected: Expected) -> Result<Decision> {
        let person = self.person(said)?;
        self.present_known(&person).await?;
        let credential = match self.presents_twin() {
            true => self.opposite(expected),
            false => self.holding(&person)?.credential.clone(),
        };
        let action = self
            .under_test()?
            .complete(person.name(), &credential, action)
            .await
            .map_err(told)?;
        let answer = self.ask_with(&person, &credential, &action.question()).await;
        Decision::of(&action, &answer).map_err(told)
    }

    /// Returns a credential of which the opposite of `expected` is known.
    fn opposite(&self, expected: Expected) -> Credential {
        match expected {
            Expected::Accepted => Credential::Token(Secret::new(NOBODY)),
            Expected::Refused => self.lab().administrator().credential().clone(),
        }
    }
}

/// Returns `error` with its hint, since a step shows nothing else of it.
fn told(error: TrialError) -> anyhow::Error {
    match error.hint() {
        Some(hint) => anyhow!("{:#} ({hint})", anyhow::Error::from(error)),
        None => error.into(),
    }
}
