//! A page and its visitor: its word, its content, and who may open it. The main type is [`OwnPage`].

use std::path::PathBuf;
use std::sync::{Mutex, OnceLock, PoisonError};

use subtle::ConstantTimeEq as _;

use super::draft::Draft;
use super::pages::Pages;
use crate::loopback::Caller;

/// A page below a word of its own. The only one, or that of a learner.
#[derive(Debug)]
pub(super) struct OwnPage {
    /// The number that tells it apart where its word would be too much.
    pub(super) number: usize,
    word: String,
    /// The name of the learner; `None` outside of a class.
    pub(super) learner: Option<String>,
    /// The content that it begins with.
    pub(super) beginning: Draft,
    /// The content that was tried last, so that it outlives the window.
    latest: Mutex<Option<Draft>>,
    /// The directory that it may save a project into.
    pub(super) save: Option<PathBuf>,
    /// The windows in which it is open.
    pub(super) windows: Pages,
    /// The user of the machine who opened a learner's page first.
    visitor: OnceLock<u32>,
}

impl OwnPage {
    /// Returns the page `number` below a new word, for `learner` if it is one in a class.
    pub(super) fn new(number: usize, learner: Option<String>, beginning: Draft, save: Option<PathBuf>) -> Self {
        Self {
            number,
            word: hex::encode(rand::random::<[u8; 16]>()),
            learner,
            beginning,
            latest: Mutex::default(),
            save,
            windows: Pages::default(),
            visitor: OnceLock::new(),
        }
    }

    /// Returns the word in its address.
    pub(super) fn word(&self) -> &str {
        &self.word
    }

    /// Returns whether `word` is its own, in a time that says nothing about it.
    pub(super) fn has_word(&self, word: &str) -> bool {
        self.word.as_bytes().ct_eq(word.as_bytes()).into()
    }

    /// Returns whether `caller`, who knows the word, may use the page: the user who serves it, and for a learner's page the first other
    /// user of the machine who opens it. Commands show their addresses to all users of a machine, and with them the word.
    pub(super) fn admits(&self, caller: Caller) -> bool {
        match caller {
            Caller::Us => true,
            Caller::Other(user) => self.learner.is_some() && *self.visitor.get_or_init(|| user) == user,
            Caller::Unknown => false,
        }
    }

    /// Keeps `draft` as the content that was tried last.
    pub(super) fn keep(&self, draft: &Draft) {
        *self.latest.lock().unwrap_or_else(PoisonError::into_inner) = Some(draft.clone());
    }

    /// Returns the content that was tried last, or else the one that the page begins with.
    pub(super) fn draft(&self) -> Draft {
        let latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner).clone();
        latest.unwrap_or_else(|| self.beginning.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_learners_page_is_for_the_first_user_who_opens_it_and_for_who_serves_it() {
        let page = OwnPage::new(0, Some("learner-1".to_owned()), Draft::default(), None);
        for (caller, expected) in [
            (Caller::Unknown, false),
            (Caller::Us, true),
            (Caller::Other(1001), true),
            (Caller::Other(1002), false),
            (Caller::Other(1001), true),
            (Caller::Us, true),
        ] {
            assert_eq!(page.admits(caller), expected, "{caller:?}");
        }
        let alone = OwnPage::new(1, None, Draft::default(), None);
        assert!(alone.admits(Caller::Us));
        assert!(!alone.admits(Caller::Other(1001)));
        assert_ne!(page.word(), alone.word());
        assert!(page.has_word(page.word()) && !page.has_word(alone.word()) && !page.has_word(""));
    }
}
