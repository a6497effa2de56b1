//! The words of an API server, as it means them. The main function is [`plain`].

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::Regex;

/// An error in a line of a log: klog quotes it, unless it goes over several lines.
static QUOTED: LazyLock<Regex> = LazyLock::new(|| Regex::new(r#"\berr=("(?:[^"\\\n]|\\.)*")"#).expect("covered by a test"));

/// Returns the error of a log line without its quotes; any other text as it is.
pub(super) fn plain(words: &str) -> Cow<'_, str> {
    let Some(quoted) = QUOTED.captures(words).and_then(|found| found.get(1)) else {
        return Cow::Borrowed(words);
    };
    // Go's quotes are those of JSON but for control characters, which no such error has.
    match serde_json::from_str::<String>(quoted.as_str()) {
        Ok(plain) => Cow::Owned(plain),
        Err(_) => Cow::Borrowed(words),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_error_of_a_log_line_is_without_quotes() {
        for (words, expected) in [
            (
                r#"E1129 14:00:00.000000       1 run.go:72] "command failed" err="strict decoding error: unknown field \"jwt[0].a\"""#,
                r#"strict decoding error: unknown field "jwt[0].a""#,
            ),
            ("\"command failed\" err=<\n\ta \"b\"\n >", "\"command failed\" err=<\n\ta \"b\"\n >"),
            (r#"Invalid value: "a == \"b\"""#, r#"Invalid value: "a == \"b\"""#),
        ] {
            assert_eq!(super::plain(words), expected);
        }
    }
}
