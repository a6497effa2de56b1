//! A server's answers in words. The main function is [`answered`].

use crate::trial::{Identified, Outcome};

/// The greatest number of characters of an answer: a server repeats claims, which may have a thousand groups.
const LONGEST: usize = 300;

/// Returns an answer in words.
pub(super) fn answered(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Accepted(user) => accepted_as(user),
        Outcome::Refused(refused) => match reason(outcome) {
            "" => format!("refused ({})", refused.kind.name()),
            reason => cut(format!("refused: {reason}")),
        },
    }
}

fn cut(text: String) -> String {
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// The number of groups that an answer shows.
const SHOWN: usize = 4;

/// Returns an acceptance in words.
pub(super) fn accepted_as(user: &Identified) -> String {
    let groups: Vec<&str> = user
        .groups
        .iter()
        .map(String::as_str)
        .filter(|group| *group != "system:authenticated")
        .collect();
    let more = match groups.len().saturating_sub(SHOWN) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    cut(match &groups[..] {
        [] => format!("accepted as {:?}", user.user),
        groups => format!(
            "accepted as {:?} in {}{more}",
            user.user,
            groups[..groups.len().min(SHOWN)].join(", ")
        ),
    })
}

/// Returns the reason of a refusal, without the words that stand before each one: an API server joins those of all of its authenticators.
pub(super) fn reason(outcome: &Outcome) -> &str {
    let Outcome::Refused(refused) = outcome else { return "" };
    let reason = refused.reason.as_deref().unwrap_or_default();
    let inner = reason
        .strip_prefix("[invalid bearer token, ")
        .and_then(|rest| rest.strip_suffix(']'));
    inner.unwrap_or(reason)
}

/// Returns `true` for a refusal by the mapping of the groups, not by a rule about them
/// (kubernetes/apiserver `plugin/pkg/authenticator/token/oidc/oidc.go`, `getGroups`).
pub(super) fn is_about_groups(reason: &str) -> bool {
    ["error evaluating group claim expression", "parse groups claim"]
        .iter()
        .any(|words| reason.contains(words))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Verdict;
    use crate::trial::Refused;

    #[test]
    fn a_long_answer_is_cut() {
        let refused = |reason: String| {
            Outcome::Refused(Refused {
                kind: Verdict::Unauthenticated,
                reason: Some(reason),
            })
        };
        let long = answered(&refused("ü".repeat(8000)));
        assert!(long.chars().count() == LONGEST + 1 && long.ends_with("ü…"), "{long}");
        assert_eq!(answered(&refused("short".to_owned())), "refused: short");
        let name = accepted_as(&Identified {
            user: "a".repeat(8000),
            ..Identified::default()
        });
        assert_eq!(name.chars().count(), LONGEST + 1);
    }
}
