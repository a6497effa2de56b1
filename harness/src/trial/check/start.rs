//! The mistakes because of which an API server does not start with the user's configuration. The main function is [`explain_start`].

use super::finding::Finding;
use super::rules;
use crate::configuration::document::Document;
use crate::configuration::refusal::mistakes;

/// Returns the findings about an API server that said `words` in place of starting with `document`, the user's AuthenticationConfiguration.
pub(super) fn explain_start(document: Option<&Document>, words: &str) -> Vec<Finding> {
    let found = mistakes(document, words).into_iter().map(|mistake| {
        let (field, line) = mistake.place.map_or((String::new(), None), |place| (place.field, Some(place.line)));
        let finding = Finding::new(&rules::DOES_NOT_START, format!("the API server does not start: {}", mistake.words)).at((field, line));
        match mistake.advice {
            Some(advice) => finding.change(advice.change),
            None => finding,
        }
    });
    found.collect()
}
