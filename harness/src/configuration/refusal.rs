//! An API server's refusal of its configuration, mistake by mistake. The main function is [`mistakes`].

use std::sync::LazyLock;

use regex::{Captures, Regex};

use super::advice::{Advice, advice};
use super::document::Document;
use super::place::{Place, places};

/// A line that a parser names (go-yaml).
static LINE: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\bline (\d+)").expect("covered by a test"));

/// The beginning of a mistake that a strict decoder names.
static STRICT: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r#"(?:^|, |\n\s*)(line \d+: |unknown field "|duplicate field ")"#).expect("covered by a test"));

/// A mistake that an API server names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mistake {
    /// The server's words about it.
    pub(crate) words: String,
    /// Its place in the user's file, if it has one there.
    pub(crate) place: Option<Place>,
    /// Its meaning, and the change to make, if the words do not explain themselves.
    pub(crate) advice: Option<Advice>,
}

/// Returns the mistakes that `words` are about, at their places in `document`.
pub(crate) fn mistakes(document: Option<&Document>, words: &str) -> Vec<Mistake> {
    let of_each = each(without_opening(words.trim()));
    let all = of_each.into_iter().flat_map(|words| {
        let advice = advice(words).into_iter().next();
        let found = document.map(|document| places(document, words)).unwrap_or_default();
        // Several values may have the same mistake.
        let places = if found.is_empty() {
            vec![None]
        } else {
            found.into_iter().map(Some).collect()
        };
        places.into_iter().map(move |place| Mistake {
            words: words.to_owned(),
            place,
            advice: advice.clone(),
        })
    });
    all.collect()
}

/// Returns `words` without their opening, which differs between versions and names the lab's copy of the file.
fn without_opening(words: &str) -> &str {
    let words = match words.split_once("failed to load authentication configuration from file \"") {
        Some((_, rest)) => rest.split_once("\": ").map_or(words, |(_, rest)| rest),
        None => words,
    };
    words.strip_prefix("invalid authentication configuration: ").unwrap_or(words)
}

/// Returns the mistakes that `words` tell at once: `[jwt[0]…, jwt[1]…]` (k8s.io/apimachinery `util/errors`, `aggregate`), or all that a strict
/// decoder names (`pkg/runtime`, `strictDecodingError`; go-yaml's `TypeError` has a line for each).
fn each(words: &str) -> Vec<&str> {
    if let Some((_, list)) = words.split_once("strict decoding error: ") {
        let begins: Vec<usize> = STRICT.captures_iter(list).filter_map(|found| Some(found.get(1)?.start())).collect();
        // The words before the first are its opening.
        let ends = begins.iter().skip(1).copied().chain([list.len()]);
        let all: Vec<&str> = begins
            .iter()
            .zip(ends)
            .map(|(begin, end)| list[*begin..end].trim_end_matches([',', ' ', '\n']))
            .collect();
        return if all.len() > 1 { all } else { vec![words] };
    }
    let Some(list) = words
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .filter(|list| list.starts_with("jwt["))
    else {
        return vec![words];
    };
    let mut begins = vec![0];
    begins.extend(list.match_indices(", jwt[").map(|(at, _)| at + 2));
    let ends = begins.iter().skip(1).map(|next| next - 2).chain([list.len()]);
    begins.iter().zip(ends).map(|(begin, end)| &list[*begin..end]).collect()
}

/// Returns `words` with the lines of `written`, the user's text, in place of those of `given`, in which stand-ins for issuers add lines.
pub(crate) fn with_lines_of(words: &str, written: &str, given: &str) -> String {
    let mapped = LINE.replace_all(words, |found: &Captures<'_>| match found[1].parse() {
        Ok(number) => format!("line {}", written_line(number, written, given)),
        Err(_) => found[0].to_owned(),
    });
    mapped.into_owned()
}

/// Returns the line of `written` that is the line `number` of `given`.
fn written_line(number: usize, written: &str, given: &str) -> usize {
    let last = written.lines().count().max(1);
    let Some(text) = given.lines().nth(number.saturating_sub(1)) else {
        return number.clamp(1, last);
    };
    let same = written
        .lines()
        .enumerate()
        .filter(|(_, line)| *line == text)
        .map(|(index, _)| index + 1);
    same.min_by_key(|line| line.abs_diff(number)).unwrap_or(number.clamp(1, last))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    const WRITTEN: &str = "\
apiVersion: apiserver.config.k8s.io/v1
kind: AuthenticationConfiguration
jwt:
- issuer:
    url: http://a.example
    audience: k
  claimMappings:
    username:
      claim: sub
  claimValidationRules:
  - claim: email_verified
    requiredValue: true
";

    #[test]
    fn several_mistakes_are_told_one_by_one_at_their_places() {
        let document = Document::of_text(Path::new("authn.yaml"), WRITTEN.to_owned(), &["AuthenticationConfiguration"]).unwrap();
        let words = "failed to load authentication configuration from file \"authn.yaml\": invalid authentication configuration: \
                     [jwt[0].issuer.url: Invalid value: \"http://a.example\": URL scheme must be https, \
                     jwt[0].claimMappings.username.prefix: Required value: prefix is required when claim is set. It can be set to an empty string to disable prefixing]";
        let found = mistakes(Some(&document), words);
        let told: Vec<_> = found.iter().map(|mistake| mistake.place.as_ref().map(|place| place.line)).collect();
        assert_eq!(told, [Some(5), Some(8)]);
        assert!(found[0].words.starts_with("jwt[0].issuer.url: ") && found[0].words.ends_with("must be https"));
        assert!(found[1].advice.is_some());
        let unknown = mistakes(Some(&document), "strict decoding error: unknown field \"jwt[0].issuer.audience\"");
        assert_eq!(unknown[0].place.as_ref().map(|place| place.line), Some(6));
        assert_eq!(mistakes(None, "something else")[0].place, None);
    }

    #[test]
    fn all_that_a_strict_decoder_names_is_told_one_by_one() {
        let text = WRITTEN.replace("      claim: sub\n", "      claim: sub\n      claim: sub\n") + "x-common: {}\n";
        let document = Document::of_text(Path::new("authn.yaml"), text, &["AuthenticationConfiguration"]).unwrap();
        let words = "strict decoding error: yaml: unmarshal errors:\n  line 10: key \"claim\" already set in map\n  line 3: key \"jwt\" \
                     already set in map, unknown field \"jwt[0].issuer.audience\", unknown field \"x-common\"";
        let found = mistakes(Some(&document), words);
        let told: Vec<_> = found
            .iter()
            .map(|mistake| {
                let change = mistake.advice.as_ref().map(|advice| advice.change.as_str()).unwrap_or_default();
                (mistake.place.as_ref().map(|place| place.line), &*mistake.words, change)
            })
            .collect();
        assert_eq!(
            told,
            [
                (Some(10), "line 10: key \"claim\" already set in map", "remove one of them"),
                (Some(3), "line 3: key \"jwt\" already set in map", "remove one of them"),
                (
                    Some(6),
                    "unknown field \"jwt[0].issuer.audience\"",
                    "write `audiences` for `audience`"
                ),
                (
                    Some(14),
                    "unknown field \"x-common\"",
                    "write one of apiVersion, kind, jwt, anonymous, or remove `x-common`"
                ),
            ]
        );
        let one = "strict decoding error: unknown field \"x, y\"";
        assert_eq!(mistakes(None, one)[0].words, one);
    }

    #[test]
    fn lines_are_those_of_the_users_text() {
        let given = WRITTEN.replace("    url:", "    certificateAuthority: \"x\"\n    discoveryURL: \"y\"\n    url:");
        let told = with_lines_of(
            "yaml: unmarshal errors:\n  line 11: key \"claim\" already set in map",
            WRITTEN,
            &given,
        );
        assert_eq!(told, "yaml: unmarshal errors:\n  line 9: key \"claim\" already set in map");
        assert_eq!(with_lines_of("line up; line 99: x", WRITTEN, WRITTEN), "line up; line 12: x");
        assert_eq!(with_lines_of("a deadline 99 s away", WRITTEN, WRITTEN), "a deadline 99 s away");
    }
}
