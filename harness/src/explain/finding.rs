//! The result of one check, with what it rests on. The main type is [`Finding`].

use serde::Serialize;

use crate::kubeconfig::{Place, Trouble};

/// The result of one check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The behaviour in the catalogue; `None` for an error in a file.
    pub behaviour: Option<&'static str>,
    /// The meaning for the verdict.
    pub effect: Effect,
    /// The evidence.
    pub basis: Basis,
    /// The compared values and the result, in one or two sentences without a full stop at the end.
    pub seen: String,
    /// The change that helps: an imperative, a command, or the corrected lines of the user's file.
    pub change: Option<String>,
    /// The observation that would settle a guess, or whom to ask.
    pub settle: Option<String>,
    /// The place in the user's file.
    pub place: Option<Place>,
}

/// The meaning of a finding for the verdict, the most important first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// The credential is refused for it.
    Cause,
    /// It cannot be judged from here.
    Unjudged,
    /// It is worth knowing, and changes nothing about the verdict.
    Note,
    /// It was checked, and is right.
    Right,
}

/// The evidence for a finding, the strongest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// The server's own words.
    Proved,
    /// Two things in hand, both named in the finding.
    Compared,
    /// A guess: [`Finding::settle`] says what would settle it.
    Likely,
}

impl Finding {
    /// Returns a finding that the server's own words prove.
    pub fn proved(behaviour: &'static str, seen: impl Into<String>, change: impl Into<String>) -> Self {
        Self {
            basis: Basis::Proved,
            ..Self::cause(behaviour, seen, change)
        }
    }

    /// Returns a finding for which a server refuses a credential, from two values that are both named in `seen`.
    pub fn cause(behaviour: &'static str, seen: impl Into<String>, change: impl Into<String>) -> Self {
        Self {
            behaviour: Some(behaviour),
            ..Self::of_file(seen, change)
        }
    }

    /// Returns a guess, with the observation that would settle it.
    pub fn likely(seen: impl Into<String>, change: impl Into<String>, settle: impl Into<String>) -> Self {
        Self {
            basis: Basis::Likely,
            settle: Some(settle.into()),
            ..Self::of_file(seen, change)
        }
    }

    /// Returns a finding that is only informative.
    pub fn note(behaviour: &'static str, seen: impl Into<String>) -> Self {
        Self {
            behaviour: Some(behaviour),
            ..Self::remark(seen)
        }
    }

    /// Returns an informative finding about something that no behaviour describes.
    pub fn remark(seen: impl Into<String>) -> Self {
        Self {
            behaviour: None,
            effect: Effect::Note,
            basis: Basis::Compared,
            seen: seen.into(),
            change: None,
            settle: None,
            place: None,
        }
    }

    /// Returns a finding about something that was checked and is right.
    pub fn right(seen: impl Into<String>) -> Self {
        Self {
            effect: Effect::Right,
            ..Self::remark(seen)
        }
    }

    /// Returns a finding about something that cannot be judged from here, with whom or what to ask.
    pub fn unjudged(seen: impl Into<String>, ask: impl Into<String>) -> Self {
        Self {
            effect: Effect::Unjudged,
            settle: Some(ask.into()),
            ..Self::remark(seen)
        }
    }

    /// Returns a finding about an error in a file.
    pub fn of_file(seen: impl Into<String>, change: impl Into<String>) -> Self {
        Self {
            effect: Effect::Cause,
            change: Some(change.into()),
            ..Self::remark(seen)
        }
    }

    /// Adds the place in the user's file.
    #[must_use]
    pub fn at(self, place: Option<Place>) -> Self {
        Self { place, ..self }
    }

    /// Returns the order of importance.
    #[must_use]
    pub fn rank(&self) -> (Effect, Basis) {
        (self.effect, self.basis)
    }
}

impl From<Trouble> for Finding {
    fn from(trouble: Trouble) -> Self {
        let finding = Self::of_file(trouble.seen, trouble.change).at(trouble.place);
        Self {
            behaviour: trouble.behaviour,
            effect: if trouble.is_refused { Effect::Cause } else { Effect::Note },
            ..finding
        }
    }
}
