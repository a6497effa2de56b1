//! The identity that the API server read from a credential, beside the user name: groups, UID and extra. An [`Attribute`] is one of
//! the latter two.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::str::FromStr;

use cucumber::then;

use super::super::{Person, Step, Texts};
use super::identity;
use crate::scenario::world::{Expected, World};

/// The relation of a caller's groups to those that a step lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Membership {
    /// All of them, and perhaps others.
    Includes,
    Exactly,
    /// None of them.
    Excludes,
}

phrases! {
    Membership as "membership" {
        "in the group" => Self::Includes,
        "in the groups" => Self::Includes,
        "in exactly the group" => Self::Exactly,
        "in exactly the groups" => Self::Exactly,
        "not in the group" => Self::Excludes,
    }
}

#[then(expr = "{person} is {membership} {texts}")]
async fn is_in(world: &mut World, person: Person, membership: Membership, groups: Texts) -> Step {
    let listed: Vec<String> = groups.0.iter().map(|group| world.filled(group)).collect::<anyhow::Result<_>>()?;
    let seen = &identity(world.answer_expected(&person, Expected::Accepted).await?)?.groups;
    let has = |group: &&String| seen.contains(*group);
    match membership {
        Membership::Includes => {
            let missing: Vec<_> = listed.iter().filter(|group| !has(group)).collect();
            expect!(missing.is_empty(), "the groups {missing:?}, too", "{seen:?}");
        }
        Membership::Exactly => {
            let expected: BTreeSet<String> = listed.into_iter().collect();
            expect!(*seen == expected, "exactly the groups {expected:?}", "{seen:?}");
        }
        Membership::Excludes => {
            let unwanted: Vec<_> = listed.iter().filter(has).collect();
            expect!(unwanted.is_empty(), "none of the groups {unwanted:?}", "{seen:?}");
        }
    }
    Ok(())
}

/// An attribute of an identity, as a step expects it: `no UID`, `the extra "scopes" with "view"`.
#[derive(Clone, Debug, PartialEq, Eq, cucumber::Parameter)]
#[param(
    name = "attribute",
    regex = r#"the UID "[^"]*"|no UID|the extra "[^"]*" with "[^"]*"(?:(?:, | and )"[^"]*")*|no extra(?: "[^"]*")?"#
)]
enum Attribute {
    /// The UID, which is empty if there is none.
    Uid(String),
    /// The key of an extra and its values, if it is there.
    Extra(String, Option<Vec<String>>),
    /// Not one extra.
    NoExtra,
}

impl FromStr for Attribute {
    type Err = Infallible;

    fn from_str(said: &str) -> Result<Self, Infallible> {
        let mut quoted = said.split('"').skip(1).step_by(2).map(str::to_owned);
        let first = quoted.next().unwrap_or_default();
        Ok(if said == "no extra" {
            Self::NoExtra
        } else if said.contains(" extra ") {
            Self::Extra(first, said.starts_with("the").then(|| quoted.collect()))
        } else {
            Self::Uid(first)
        })
    }
}

requires!(audit_log unless "asks the API server who");
#[then(expr = "{person} has {attribute}")]
async fn has(world: &mut World, person: Person, attribute: Attribute) -> Step {
    let seen = identity(world.answer_expected(&person, Expected::Accepted).await?)?;
    match attribute {
        Attribute::Uid(uid) => expect!(seen.uid == uid, "the UID \"{uid}\"", "\"{}\"", seen.uid),
        Attribute::NoExtra => expect!(seen.extra.is_empty(), "no extra", "{:?}", seen.extra),
        Attribute::Extra(key, Some(values)) => expect!(
            seen.extra.get(&key) == Some(&values),
            "the extra \"{key}\" with {values:?}",
            "{:?}",
            seen.extra
        ),
        Attribute::Extra(key, None) => {
            let seen = seen.extra.get(&key);
            expect!(seen.is_none(), "no extra \"{key}\"", "{seen:?}");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attribute_is_there_or_not() {
        let read = |said: &str| said.parse::<Attribute>();
        assert_eq!(read(r#"the UID "4711""#), Ok(Attribute::Uid("4711".to_owned())));
        assert_eq!(read("no UID"), Ok(Attribute::Uid(String::new())));
        let values = vec!["blue".to_owned(), "green".to_owned()];
        assert_eq!(
            read(r#"the extra "shift" with "blue" and "green""#),
            Ok(Attribute::Extra("shift".to_owned(), Some(values)))
        );
        assert_eq!(read("no extra"), Ok(Attribute::NoExtra));
        assert_eq!(read(r#"no extra "shift""#), Ok(Attribute::Extra("shift".to_owned(), None)));
    }
}
