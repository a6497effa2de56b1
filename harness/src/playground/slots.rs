//! The places for labs: which one a page uses, and which ones end. The main type is [`Slots`].
//!
//! Pages that ask the same share a place. A page that asks something else gives its place up; one that no page wants any more ends, and
//! beyond a number of places, so does the one that was used least recently.

use std::collections::BTreeSet;
use std::sync::Arc;

/// Places with contents of type `T`, the least recently used one first. A content that is shared outside of here is in use, and stays.
#[derive(Debug)]
pub(super) struct Slots<V, T> {
    slots: Vec<Slot<V, T>>,
    most: usize,
}

#[derive(Debug)]
struct Slot<V, T> {
    version: V,
    /// The text of the manifests.
    manifests: String,
    /// The pages that asked for it last.
    pages: BTreeSet<usize>,
    content: Arc<T>,
}

impl<V: PartialEq, T: Default> Slots<V, T> {
    /// Returns no places, of which there will be at most `most`, unless more are in use at a time.
    pub(super) fn new(most: usize) -> Self {
        Self { slots: Vec::new(), most }
    }

    /// Returns the content for `manifests` on `version`, an empty one if there is none yet; `page` uses it from now on, and no other on
    /// `version`.
    pub(super) fn claim(&mut self, page: usize, version: V, manifests: &str) -> Arc<T> {
        for slot in self.slots.iter_mut().filter(|slot| slot.version == version) {
            slot.pages.remove(&page);
        }
        let found = self
            .slots
            .iter()
            .position(|slot| slot.version == version && slot.manifests == manifests);
        let mut slot = match found {
            Some(at) => self.slots.remove(at),
            None => Slot {
                version,
                manifests: manifests.to_owned(),
                pages: BTreeSet::new(),
                content: Arc::default(),
            },
        };
        slot.pages.insert(page);
        let content = Arc::clone(&slot.content);
        self.slots.push(slot);
        content
    }

    /// Takes the contents that end: those that no page wants, and the least recently used ones beyond the number of places.
    pub(super) fn take_surplus(&mut self) -> Vec<T> {
        let mut ended = self.take(usize::MAX, |slot| slot.pages.is_empty());
        let surplus = self.slots.len().saturating_sub(self.most);
        ended.extend(self.take(surplus, |_| true));
        ended
    }

    /// Takes at most `most` contents of places that `ends` and that are not in use.
    fn take(&mut self, most: usize, ends: impl Fn(&Slot<V, T>) -> bool) -> Vec<T> {
        let (mut kept, mut ended) = (Vec::new(), Vec::new());
        for slot in self.slots.drain(..) {
            if ended.len() == most || !ends(&slot) {
                kept.push(slot);
                continue;
            }
            match Arc::try_unwrap(slot.content) {
                Ok(content) => ended.push(content),
                Err(content) => kept.push(Slot { content, ..slot }),
            }
        }
        self.slots = kept;
        ended
    }

    /// Takes all contents that are not in use.
    pub(super) fn take_all(self) -> Vec<T> {
        self.slots.into_iter().filter_map(|slot| Arc::into_inner(slot.content)).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// Claims for each page, version and manifests, and writes its number into an empty content; returns what it found.
    fn claim(slots: &mut Slots<u8, Mutex<Option<usize>>>, number: usize, page: usize, version: u8, manifests: &str) -> Option<usize> {
        let content = slots.claim(page, version, manifests);
        let mut content = content.lock().unwrap();
        let found = *content;
        content.get_or_insert(number);
        found
    }

    fn surplus(slots: &mut Slots<u8, Mutex<Option<usize>>>) -> Vec<usize> {
        let ended = slots.take_surplus().into_iter();
        ended.filter_map(|content| content.into_inner().unwrap()).collect()
    }

    #[test]
    fn pages_that_ask_the_same_share_and_what_nobody_wants_ends() {
        let mut slots = Slots::new(3);
        // Number, page, version, manifests; the number found, and those that end.
        for (number, page, version, manifests, found, ended) in [
            (0, 1, 37, "a", None, vec![]),
            (1, 2, 37, "a", Some(0), vec![]),
            (2, 1, 36, "a", None, vec![]),
            (3, 1, 37, "b", None, vec![]),
            // Page 2 has left `a` as well.
            (4, 2, 37, "b", Some(3), vec![0]),
            (5, 1, 37, "c", None, vec![]),
            // A fourth place: the least recently used one ends.
            (6, 3, 37, "d", None, vec![2]),
            (7, 1, 36, "a", None, vec![3]),
        ] {
            assert_eq!(claim(&mut slots, number, page, version, manifests), found, "{number}");
            assert_eq!(surplus(&mut slots), ended, "{number}");
        }
        assert_eq!(slots.take_all().len(), 3);
    }

    #[test]
    fn what_is_in_use_stays_until_it_is_not() {
        let mut slots: Slots<u8, Mutex<Option<usize>>> = Slots::new(2);
        let used = slots.claim(1, 37, "a");
        *used.lock().unwrap() = Some(1);
        assert_eq!(claim(&mut slots, 2, 1, 37, "b"), None);
        assert_eq!(surplus(&mut slots), [0; 0]);
        drop(used);
        assert_eq!(surplus(&mut slots), [1]);
    }
}
