//! An error with all its causes, on one line. The main function is [`with_causes`].

use std::error::Error;

/// Returns `error` and its causes, the innermost last. A cause whose text is already included is not repeated: transparent wrappers have
/// the text of their cause, and some libraries paste it in.
#[must_use]
pub fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let words = error.to_string();
        if !text.contains(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    enum Failed {
        #[error("the outer")]
        Outer(#[source] Box<Failed>),
        #[error("the outer says: the inner")]
        Pasted(#[source] Box<Failed>),
        #[error(transparent)]
        Wrapped(Box<Failed>),
        #[error("the inner")]
        Inner,
    }

    #[test]
    fn every_cause_is_said_once() {
        for (error, text) in [
            (Failed::Inner, "the inner"),
            (Failed::Outer(Box::new(Failed::Inner)), "the outer: the inner"),
            (Failed::Pasted(Box::new(Failed::Inner)), "the outer says: the inner"),
            (
                Failed::Wrapped(Box::new(Failed::Outer(Box::new(Failed::Inner)))),
                "the outer: the inner",
            ),
        ] {
            assert_eq!(with_causes(&error), text);
        }
    }
}
