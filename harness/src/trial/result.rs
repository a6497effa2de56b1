//! The result of a trial, version by version. The main type is [`Tried`].

use serde::Serialize;

use super::api_server::{Trial, TrialError};
use super::{Action, Decision, Outcome, Person};

/// The result on one version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Tried {
    /// The full version of Kubernetes.
    pub kubernetes: String,
    /// The real issuers that its API server did not find, each with the reason: it refuses their tokens.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub issuers_not_found: Vec<String>,
    /// The words of its API server.
    #[serde(flatten)]
    pub result: Result,
}

/// The words of an API server: about people, or about its configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Result {
    /// It started, and said who people are.
    People(Vec<TriedPerson>),
    /// It does not start with the configuration, for this reason in its own words.
    DoesNotStart(String),
}

/// Somebody who was tried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TriedPerson {
    /// The name by which the user knows them.
    pub person: String,
    /// Their identity, or the refusal.
    #[serde(flatten)]
    pub outcome: Outcome,
    /// The reviewed actions, in the order in which they were named.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub may: Vec<Decision>,
    /// Remarks about the realm that the person logged in at.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// Several versions with one result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Versions<'a> {
    /// The minor versions, in order.
    pub versions: Vec<String>,
    /// The result on each of them.
    pub result: &'a Result,
}

impl Trial {
    /// Tries all of `people`, and what each of them may do of `actions`, side by side.
    ///
    /// # Errors
    /// Somebody's credential cannot be made, or an action cannot be reviewed.
    pub async fn try_all(&self, people: &[Person], actions: &[Action]) -> std::result::Result<Tried, TrialError> {
        let tried = people.iter().map(async |person| {
            let credential = match self.credential(person).await {
                Err(TrialError::Login { login, source, .. }) if source.code().is_some() => {
                    return Ok(TriedPerson::not_logged_in(person, &login, &source));
                }
                made => made?,
            };
            let outcome = self.who(&person.name, &credential).await;
            let may = match outcome.identified() {
                Some(_) => {
                    let asked = actions.iter().map(|action| self.may(&person.name, &credential, action));
                    futures::future::try_join_all(asked).await?
                }
                None => Vec::new(),
            };
            Ok::<_, TrialError>(TriedPerson {
                person: person.name.clone(),
                outcome,
                may,
                notes: self.notes_on(person, &credential),
            })
        });
        Ok(Tried {
            kubernetes: self.kubernetes().to_owned(),
            issuers_not_found: self.issuers_not_found().to_vec(),
            result: Result::People(futures::future::try_join_all(tried).await?),
        })
    }
}

impl Tried {
    /// Returns the versions in `tried` by result: neighbours with the same one are together.
    pub fn by_result(tried: &[Self]) -> Vec<Versions<'_>> {
        let mut grouped: Vec<Versions<'_>> = Vec::new();
        for Self { kubernetes, result, .. } in tried {
            let version = minor(kubernetes);
            match grouped.last_mut().filter(|last| last.result == result) {
                Some(last) => last.versions.push(version),
                None => grouped.push(Versions {
                    versions: vec![version],
                    result,
                }),
            }
        }
        grouped
    }
}

/// Returns the minor version of `1.37.2`: `1.37`.
fn minor(version: &str) -> String {
    version.split('.').take(2).collect::<Vec<_>>().join(".")
}

impl std::fmt::Display for Versions<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let minor = |version: &String| version.rsplit('.').next().and_then(|minor| minor.parse::<u32>().ok());
        let minors: Option<Vec<u32>> = self.versions.iter().map(minor).collect();
        let is_whole = minors.is_some_and(|minors| minors.is_sorted_by(|one, next| one + 1 == *next));
        match &self.versions[..] {
            [first, _, .., last] if is_whole => write!(f, "{first} to {last}"),
            // Versions between them were not tried.
            versions => f.write_str(&versions.join(", ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_with_one_result_are_together() {
        let tried = |kubernetes: &str, said: &str| Tried {
            kubernetes: kubernetes.to_owned(),
            issuers_not_found: Vec::new(),
            result: Result::DoesNotStart(said.to_owned()),
        };
        let of = |versions: &[(&str, &str)]| {
            let all: Vec<Tried> = versions.iter().map(|(version, said)| tried(version, said)).collect();
            let told: Vec<String> = Tried::by_result(&all).iter().map(ToString::to_string).collect();
            told
        };
        let all = [
            ("1.30.14", "a"),
            ("1.31.1", "b"),
            ("1.32.0", "b"),
            ("1.33.2", "b"),
            ("1.36.2", "c"),
            ("1.37.2", "c"),
        ];
        assert_eq!(of(&all), ["1.30", "1.31 to 1.33", "1.36, 1.37"]);
        assert_eq!(of(&[("1.30.14", "a"), ("1.36.1", "a"), ("1.37.2", "a")]), ["1.30, 1.36, 1.37"]);
    }
}
