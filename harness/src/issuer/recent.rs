//! A bounded store of values by their secret names. The type is [`Recent`].

use std::collections::VecDeque;

/// The number of values that are kept.
const KEPT: usize = 1000;

/// The latest values, each with a secret name.
#[derive(Debug)]
pub(super) struct Recent<V>(VecDeque<(String, V)>);

impl<V> Default for Recent<V> {
    fn default() -> Self {
        Self(VecDeque::new())
    }
}

impl<V> Recent<V> {
    /// Adds `value` under `name`; the oldest one goes, if there are too many.
    pub(super) fn add(&mut self, name: String, value: V) {
        if self.0.len() == KEPT {
            self.0.pop_front();
        }
        self.0.push_back((name, value));
    }

    /// Returns the value named `name`.
    pub(super) fn find(&mut self, name: &str) -> Option<&mut V> {
        self.0.iter_mut().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    /// Removes and returns the value named `name`.
    pub(super) fn take(&mut self, name: &str) -> Option<V> {
        let index = self.0.iter().position(|(known, _)| known == name)?;
        self.0.remove(index).map(|(_, value)| value)
    }

    /// Returns the first value for which `is_it` holds.
    pub(super) fn find_by(&mut self, is_it: impl Fn(&V) -> bool) -> Option<&mut V> {
        self.0.iter_mut().map(|(_, value)| value).find(|value| is_it(value))
    }
}

/// Returns a new secret name.
pub(super) fn unguessable() -> String {
    hex::encode(rand::random::<[u8; 32]>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_of_too_many_goes() {
        let mut recent = Recent::default();
        for number in 0..=KEPT {
            recent.add(number.to_string(), number);
        }
        assert_eq!(recent.find("0"), None);
        assert_eq!(recent.take("1"), Some(1));
        assert_eq!(recent.take("1"), None);
        assert_eq!(recent.find_by(|value| *value == KEPT), Some(&mut KEPT.clone()));
    }
}
