//! A comparison that does not hold, carried through cucumber, which keeps only the text of a step's error. The main types
//! are [`Differs`], the error, and the [`Cause`] that reports get.

use std::fmt;

use crate::event::Cause;

/// The unit separator (ASCII 31): encloses the parts of a comparison, and occurs in no text that a server sends.
const MARK: char = '\u{1f}';

/// The error of a step that expected one thing and saw another.
///
/// Your own steps can return it, too: reports then show both parts, and count the scenario as "differs", not as "failed".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Differs {
    expected: String,
    seen: String,
}

impl Differs {
    /// `expected` and `seen` continue the sentences "expected …" and "seen …".
    pub fn new(expected: impl fmt::Display, seen: impl fmt::Display) -> Self {
        let unmarked = |text: &dyn fmt::Display| text.to_string().replace(MARK, " ");
        Self {
            expected: unmarked(&expected),
            seen: unmarked(&seen),
        }
    }
}

impl fmt::Display for Differs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{MARK}{}{MARK}{}{MARK}", self.expected, self.seen)
    }
}

impl std::error::Error for Differs {}

/// Returns the cause described by `text`, which is all that cucumber keeps of an error.
pub(super) fn cause(text: &str) -> Cause {
    let parts: Vec<&str> = text.split(MARK).collect();
    match parts[..] {
        [context, expected, seen, rest] => {
            let context = context.trim_end_matches([':', ' ']);
            let expected = if context.is_empty() {
                expected.to_owned()
            } else {
                format!("{expected} ({context})")
            };
            Cause::Differs {
                expected,
                seen: format!("{seen}{rest}"),
            }
        }
        _ => Cause::failed(parts.join(" ").trim()),
    }
}

#[cfg(test)]
mod tests {
    use anyhow::Context as _;

    use super::*;

    fn differs(expected: &str, seen: &str) -> Cause {
        Cause::Differs {
            expected: expected.to_owned(),
            seen: seen.to_owned(),
        }
    }

    #[test]
    fn a_comparison_keeps_its_parts_whatever_they_say() {
        for (expected, seen) in [
            ("the UID \"7\"", "\"\""),
            ("expected; seen", "expected: a; seen: b"),
            ("", ""),
            ("two\nlines", "three\n\nlines"),
        ] {
            assert_eq!(cause(&Differs::new(expected, seen).to_string()), differs(expected, seen));
        }
        assert_eq!(cause(&Differs::new("a\u{1f}b", "c").to_string()), differs("a b", "c"));
    }

    #[test]
    fn a_comparison_keeps_the_context_that_it_was_given() {
        let error = Err::<(), _>(Differs::new("201", 401)).context("the second request").unwrap_err();
        assert_eq!(cause(&format!("{error:#}")), differs("201 (the second request)", "401"));
    }

    #[test]
    fn an_error_that_compares_nothing_is_a_failure() {
        for text in ["the server went away", "expected a token; seen was none", ""] {
            assert_eq!(cause(text), Cause::failed(text));
        }
    }
}
