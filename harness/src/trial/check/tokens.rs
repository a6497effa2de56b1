//! The words of a CEL expression (github.com/google/cel-spec `doc/langdef.md`). The main function is [`tokens`].

/// A word of an expression.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    /// A name or a keyword.
    Name(String),
    /// A text, without its quotes.
    Text(String),
    /// A number.
    Number(String),
    /// An operator or a parenthesis.
    Sign(&'static str),
}

/// The signs that matter here; of two that begin alike, the longer one comes first.
const SIGNS: [&str; 20] = [
    "==", "!=", "&&", "||", ".?", "[?", ".", "[", "]", "(", ")", "!", "?", ":", "+", ",", "<", ">", "-", "*",
];

/// Returns the words of `expression`. Other characters are skipped.
pub(super) fn tokens(expression: &str) -> Vec<Token> {
    let mut found = Vec::new();
    let mut rest = expression;
    while let Some(first) = rest.chars().next() {
        let word_ends = |c: char| !(c.is_ascii_alphanumeric() || c == '_');
        let (token, length) = if first.is_ascii_alphabetic() || first == '_' {
            let length = rest.find(word_ends).unwrap_or(rest.len());
            let prefix = &rest[..length];
            let is_prefix = length <= 2 && prefix.chars().all(|c| "rRbB".contains(c));
            match text(&rest[length..], prefix.contains(['r', 'R'])).filter(|_| is_prefix) {
                Some((text, more)) => (Some(Token::Text(text)), length + more),
                None => (Some(Token::Name(prefix.to_owned())), length),
            }
        } else if first.is_ascii_digit() {
            let length = rest.find(|c: char| word_ends(c) && c != '.').unwrap_or(rest.len());
            (Some(Token::Number(rest[..length].trim_end_matches('u').to_owned())), length)
        } else if let Some((text, length)) = text(rest, false) {
            (Some(Token::Text(text)), length)
        } else if let Some(sign) = SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
            (Some(Token::Sign(sign)), sign.len())
        } else {
            (None, first.len_utf8())
        };
        found.extend(token);
        rest = &rest[length..];
    }
    found
}

/// Reads the quoted text at the beginning of `source`; returns it with its length in the source.
fn text(source: &str, is_raw: bool) -> Option<(String, usize)> {
    let quote = ["\"\"\"", "'''", "\"", "'"].into_iter().find(|quote| source.starts_with(quote))?;
    let (mut text, mut at) = (String::new(), quote.len());
    loop {
        let rest = source.get(at..)?;
        if rest.starts_with(quote) {
            return Some((text, at + quote.len()));
        }
        let mut characters = rest.chars();
        let mut c = characters.next()?;
        at += c.len_utf8();
        if c == '\\' && !is_raw {
            c = characters.next()?;
            at += c.len_utf8();
            c = match c {
                'n' => '\n',
                't' => '\t',
                other => other,
            };
        }
        text.push(c);
    }
}
