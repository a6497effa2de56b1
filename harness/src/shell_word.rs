//! Words of a command line that a user pastes into a shell. The main function is [`quoted`].

use std::borrow::Cow;

/// Quotes `word` for a POSIX shell: unchanged if no character needs quotes, else in single quotes.
#[must_use]
pub fn quoted(word: &str) -> Cow<'_, str> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_=./:,@%+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        Cow::Borrowed(word)
    } else {
        Cow::Owned(format!("'{}'", word.replace('\'', r"'\''")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_reads_back_what_was_quoted() {
        let words = [
            "/srv/a/b",
            "",
            "a b",
            "it's",
            "$(id) `id` $HOME",
            "a\nb",
            "--flag=x",
            "~",
            "a;b|c&d",
            "ü*?[x]",
        ];
        for word in words {
            let script = format!("printf %s {}", quoted(word));
            let said = std::process::Command::new("sh").args(["-c", &script]).output().expect("a shell");
            assert_eq!(String::from_utf8_lossy(&said.stdout), word, "{script}");
        }
    }

    #[test]
    fn a_word_that_needs_no_quotes_has_none() {
        assert_eq!(quoted("https://127.0.0.1:6443/a-b_c.d"), "https://127.0.0.1:6443/a-b_c.d");
    }
}
