//! Values in a log that klog writes: on one line, or over several.
//!
//! The main function is [`value`]; [`after`] finds the messages of one kind, whole (k8s.io/klog/v2 `internal/serialize/keyvalues.go`).

/// Returns the text after each `words` in `log`, with the offset of its line. A line that belongs to a value of several lines is part of
/// that value: it comes from a client, who could write anything there.
pub(super) fn after<'a>(log: &'a str, words: &'a str) -> impl Iterator<Item = (usize, &'a str)> {
    let mut at = 0;
    log.split_inclusive('\n').filter_map(move |line| {
        let begin = at;
        at += line.len();
        let found = line.find(words).filter(|_| !line.starts_with('\t'))?;
        Some((begin, &log[begin + found + words.len()..]))
    })
}

/// Returns the reason why a program of Kubernetes ended at its start, whole (k8s.io/component-base `cli/run.go`); `None` if `log` has none.
///
/// A mistake in its flags is told before there is a log, as the program's own error (`run` in the same file).
pub fn failure(log: &str) -> Option<String> {
    let of_flags = || log.lines().filter_map(|line| line.strip_prefix("Error: ")).next_back();
    let failed = after(log, "\"command failed\" err=").filter_map(|(_, text)| value(text)).last();
    failed.or_else(|| of_flags().map(str::to_owned))
}

/// Reads the value at the beginning of `text`: quoted as in Go, or, if it has several lines, between `<` and `>` with a tab before each.
/// Returns `None` until its end is written.
pub(super) fn value(text: &str) -> Option<String> {
    let Some(lines) = text.strip_prefix("<\n") else {
        return Some(unquoted(text));
    };
    let mut plain = Vec::new();
    for line in lines.lines() {
        match line.strip_prefix('\t') {
            Some(line) => plain.push(line),
            None => return Some(plain.join("\n")),
        }
    }
    None
}

/// Reads a string as Go's `strconv.Quote` writes it, up to its closing quote.
fn unquoted(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text.strip_prefix('"').unwrap_or(text).chars();
    while let Some(c) = rest.next() {
        match c {
            '"' => break,
            '\\' => match rest.next() {
                Some('n') => plain.push('\n'),
                Some('t') => plain.push('\t'),
                Some('r') => plain.push('\r'),
                Some('x') => plain.extend(code_point(&mut rest, 2)),
                Some('u') => plain.extend(code_point(&mut rest, 4)),
                Some('U') => plain.extend(code_point(&mut rest, 8)),
                Some(other) => plain.push(other),
                None => break,
            },
            other => plain.push(other),
        }
    }
    plain
}

fn code_point(rest: &mut std::str::Chars<'_>, digits: usize) -> Option<char> {
    let digits: String = rest.take(digits).collect();
    u32::from_str_radix(&digits, 16).ok().and_then(char::from_u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_read_as_go_writes_them() {
        assert_eq!(value(r#""a\tb\u00e9\x41\\" and more"#).as_deref(), Some("a\tbéA\\"));
    }

    #[test]
    fn a_value_of_several_lines_is_read_to_its_end() {
        assert_eq!(value("<\n\tone\n\t\n\t\ttwo\n >\nI next"), Some("one\n\n\ttwo".to_owned()));
        // Another value follows on the same line.
        assert_eq!(value("<\n\tone\n > key=\"b\"\n"), Some("one".to_owned()));
        assert_eq!(value("<\n\tone\n"), None, "its end is not written yet");
    }

    #[test]
    fn a_mistake_in_flags_is_the_reason_of_an_end() {
        assert_eq!(failure("Error: unknown flag: --a\n").as_deref(), Some("unknown flag: --a"));
        let logged = "Error: unknown flag: --a\nE1 1 run.go:72] \"command failed\" err=\"b\"\n";
        assert_eq!(failure(logged).as_deref(), Some("b"));
        assert_eq!(failure("I1 1 a.go:1] Error: no\n"), None);
    }

    #[test]
    fn words_within_a_value_are_no_message() {
        let log = "E1 1 a.go:1] \"no\" err=<\n\ta\n\tE1 1 a.go:1] \"no\" err=\"forged\"\n >\nE1 1 a.go:1] \"no\" err=\"b\"\n";
        let seen: Vec<_> = after(log, "\"no\" err=").filter_map(|(_, text)| value(text)).collect();
        assert_eq!(seen, ["a\nE1 1 a.go:1] \"no\" err=\"forged\"", "b"]);
        assert_eq!(after(log, "\"no\" err=").map(|(begin, _)| begin).max(), log.rfind("E1"));
    }
}
