//! Expectations, which make a trial a test. The main type is [`Expectation`].

use std::str::FromStr;

use crate::cli::error::CommandError;
use crate::cli::exit::Exit;
use crate::trial::{Action, Outcome, Result as Said, Tried, TriedPerson};

/// An expectation of everybody, or of one person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Expectation {
    person: Option<String>,
    what: What,
    text: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum What {
    Accepted,
    Refused,
    User(String),
    Group(String),
    Uid(String),
    Reason(String),
    Allowed,
    Denied,
}

impl FromStr for Expectation {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        const EXPECTED: &str = "expected one of: accepted, refused, user=NAME, group=NAME, uid=UID, reason=TEXT, allowed, denied";
        let read = |text: &str| match (text, text.split_once('=')) {
            ("accepted", _) => Some(What::Accepted),
            ("refused", _) => Some(What::Refused),
            ("allowed", _) => Some(What::Allowed),
            ("denied", _) => Some(What::Denied),
            (_, Some(("user", name))) => Some(What::User(name.to_owned())),
            (_, Some(("group", name))) => Some(What::Group(name.to_owned())),
            (_, Some(("uid", uid))) => Some(What::Uid(uid.to_owned())),
            (_, Some(("reason", words))) => Some(What::Reason(words.to_owned())),
            _ => None,
        };
        // A value may have a colon, a person's name before it has none.
        let (person, what) = match (read(text), text.split_once(':')) {
            (Some(what), _) => (None, what),
            (None, Some((person, rest))) => (Some(person.trim().to_owned()), read(rest.trim()).ok_or(EXPECTED)?),
            (None, None) => return Err(EXPECTED.to_owned()),
        };
        Ok(Self {
            person,
            what,
            text: text.to_owned(),
        })
    }
}

/// Refuses expectations of people who are not tried, and of actions where there are none.
pub(super) fn check<'a>(
    expectations: &[Expectation],
    tried: impl Iterator<Item = &'a str>,
    actions: &[Action],
) -> Result<(), CommandError> {
    let is_of_actions = |expectation: &&Expectation| matches!(expectation.what, What::Allowed | What::Denied);
    if let Some(Expectation { text, .. }) = expectations.iter().find(is_of_actions).filter(|_| actions.is_empty()) {
        return Err(
            CommandError::new(Exit::Usage, format!("--expect {text} is about actions, and none is named"))
                .hint("name some with --may 'VERB RESOURCE'"),
        );
    }
    let known: Vec<&str> = tried.collect();
    for name in expectations.iter().filter_map(|expectation| expectation.person.as_ref()) {
        if !known.contains(&name.as_str()) {
            return Err(CommandError::new(Exit::Usage, format!("--expect names {name}, who is not tried"))
                .hint(format!("tried are: {}", known.join(", "))));
        }
    }
    Ok(())
}

/// Returns what was expected and did not come out, in words.
pub(super) fn unmet(expectations: &[Expectation], tried: &[Tried]) -> Vec<String> {
    let mut unmet = Vec::new();
    for Tried { kubernetes, result, .. } in tried {
        for expectation in expectations {
            let told = match result {
                Said::DoesNotStart(said) => Some(format!("the API server does not start: {said}")),
                Said::People(people) => {
                    let meant = people
                        .iter()
                        .filter(|person| expectation.person.as_ref().is_none_or(|name| *name == person.person));
                    let seen: Vec<String> = meant.filter_map(|person| expectation.what.seen_instead(person)).collect();
                    (!seen.is_empty()).then(|| seen.join("; "))
                }
            };
            unmet.extend(told.map(|told| format!("on Kubernetes {kubernetes}, expected {}: {told}", expectation.text)));
        }
    }
    unmet
}

impl What {
    /// Returns what was seen of `tried` instead; `None` if this holds.
    fn seen_instead(&self, tried: &TriedPerson) -> Option<String> {
        let name = &tried.person;
        let refused = |tried: &TriedPerson| match &tried.outcome {
            Outcome::Refused(refused) => Some(format!(
                "{name} is refused: {}",
                refused.reason.as_deref().unwrap_or(refused.kind.name())
            )),
            Outcome::Accepted(_) => None,
        };
        let identified = match tried.outcome.identified() {
            Some(identified) => identified,
            None => {
                return match (self, &tried.outcome) {
                    (Self::Refused, _) => None,
                    (Self::Reason(words), Outcome::Refused(refused)) => {
                        let seen = refused.reason.as_deref().unwrap_or_default();
                        (!seen.contains(words.as_str())).then(|| format!("{name} is refused, because {seen}"))
                    }
                    _ => refused(tried),
                };
            }
        };
        let wrong = |holds: bool, seen: String| (!holds).then_some(seen);
        match self {
            Self::Accepted => None,
            Self::Refused | Self::Reason(_) => Some(format!("{name} is accepted as {:?}", identified.user)),
            Self::User(user) => wrong(identified.user == *user, format!("{name} is {:?}", identified.user)),
            Self::Group(group) => wrong(identified.groups.contains(group), format!("{name} is in {:?}", identified.groups)),
            Self::Uid(uid) => wrong(identified.uid == *uid, format!("{name} has the UID {:?}", identified.uid)),
            Self::Allowed | Self::Denied => {
                let expected = *self == Self::Allowed;
                let others: Vec<String> = tried
                    .may
                    .iter()
                    .filter(|decision| decision.allowed != expected)
                    .map(|decision| decision.action.clone())
                    .collect();
                let verb = if expected { "may not" } else { "may" };
                wrong(others.is_empty(), format!("{name} {verb} {}", others.join(", ")))
            }
        }
    }
}
