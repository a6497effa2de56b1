//! Secrets that are recognized by their form, or by the text before them. The main function is [`search`].

use std::sync::LazyLock;

use aho_corasick::AhoCorasick;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use regex::{Captures, Regex};

use super::{REDACTED, Span, TOKEN_PROTOCOL, names};

/// One form, and the part of it that has to be removed.
struct Form {
    /// A text without any of these [`WORDS`] does not have the form, and neither does one without this byte.
    words: u32,
    byte: Option<u8>,
    pattern: Regex,
    part: fn(&str, &Captures<'_>) -> Option<Span>,
}

type Part = fn(&str, &Captures<'_>) -> Option<Span>;

/// Words, in any case: each form except that of bootstrap tokens contains one of them. All are found in one pass, so that only the forms
/// that can occur are searched for.
const WORDS: [&str; 21] = [
    "private key",
    "eyj",
    "eya",
    "ewo",
    "ew0",
    "ewk",
    "bearer",
    "basic",
    "authorization",
    "cookie",
    "password",
    "passwd",
    "passphrase",
    "secret",
    "token",
    "key",
    "data",
    "verifier",
    "code",
    "://",
    "curl",
];

/// The number of characters of a signature that are shown: enough to tell two tokens apart, far too few to use one.
const SHOWN: usize = 6;

/// A JSON object in base64url, as the header of a signed token: `{"`, or `{` with white space.
const HEADER: &str = "e(?:yJ|yA|wo|w0|wk)";

/// A signed token in compact form (RFC 7515 §3.1): header, payload, signature.
static TOKEN: LazyLock<Regex> = LazyLock::new(|| {
    compiled(&format!(
        r"({HEADER}[A-Za-z0-9_-]{{4,}})\.[A-Za-z0-9_-]{{2,}}\.[A-Za-z0-9_-]{{{SHOWN}}}([A-Za-z0-9_-]*=*)"
    ))
});

fn compiled(pattern: &str) -> Regex {
    Regex::new(pattern).expect("a constant pattern, covered by a test")
}

static FOUND_IN: LazyLock<AhoCorasick> = LazyLock::new(|| {
    let search = AhoCorasick::builder().ascii_case_insensitive(true).build(WORDS);
    search.expect("constant words, covered by a test")
});

static FORMS: LazyLock<Vec<Form>> = LazyLock::new(|| {
    let name = format!("[A-Za-z0-9_.-]*{}", names::PATTERN);
    // A value in quotes, with its escapes; or up to a blank, an ampersand or a quote.
    let quoted = r#"(?:"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)')"#;
    let value = format!(r#"(?:{quoted}|((?:[^\s"'&\\]|\\\S)+))"#);
    // The armour of a key, headers of older ones and the key itself; or, if its end is missing, the text that looks like one.
    let headers = r"(?:\s*[A-Z][A-Za-z-]*: [^\r\n]*)*";
    let end = "-----END [A-Z0-9 ]*PRIVATE KEY-----";
    let names = &[
        "password",
        "passwd",
        "passphrase",
        "secret",
        "token",
        "key",
        "data",
        "verifier",
        "code",
    ];
    let upper = "(?:PASSWORD|PASSWD|PASSPHRASE|SECRET|TOKEN|API_?KEY)";
    let alone = r"(?:password|passwd|passphrase|client[_-]?secret|(?:refresh|access|id)[_-]?token|api[_-]?key)";
    let forms: [(&[&str], Option<u8>, String, Part); 21] = [
        (
            &["private key"],
            Some(b'-'),
            format!(r"-----BEGIN ([A-Z0-9 ]*PRIVATE KEY)-----(?:{headers}[A-Za-z0-9+/=\s]*{end}|{headers}(?:\s*[A-Za-z0-9+/=]{{16,}})+)"),
            private_key,
        ),
        // Its beginning was cut off.
        (&["private key"], Some(b'-'), format!(r"((?:[A-Za-z0-9+/=]{{16,}}\s+)*[A-Za-z0-9+/=]*\s*){end}"), the_value),
        (&["eyj", "eya", "ewo", "ew0", "ewk"], Some(b'.'), TOKEN.as_str().to_owned(), signature),
        // RFC 6750 §2.1.
        (&["bearer"], None, r"(?i)(bearer)\s+([A-Za-z0-9._~+/=-]{8,})".to_owned(), bearer),
        // RFC 7617 §2.
        (&["basic"], None, r"(?i)\bbasic\s+([A-Za-z0-9+/_-]{4,}={0,2})".to_owned(), basic),
        (
            &["authorization"],
            None,
            r#"(?i)authorization["']?\s*[:=]\s*\[?["']?(?:basic|digest|negotiate|ntlm|token)\s+([^"'\r\n]+)"#.to_owned(),
            the_value,
        ),
        (
            &["cookie"],
            Some(b':'),
            r#"(?i)\b(?:set-)?cookie["']?\s*:\s*(?:\[?["'])?([^"'\r\n]+)"#.to_owned(),
            the_value,
        ),
        // In an object, JSON or another.
        (names, Some(b'"'), format!(r#"(?i)"{name}"\s*:\s*{quoted}"#), field),
        (names, Some(b'\''), format!("(?i)'{name}'\\s*:\\s*{quoted}"), field),
        // With the name in the same quotes.
        (names, Some(b'"'), format!(r#"(?i)"-*({name})=([^"]*)""#), assignment),
        (names, Some(b'\''), format!("(?i)'-*({name})=([^']*)'"), assignment),
        // In a form, a query, a command.
        (names, Some(b'='), format!(r#"(?i)(?:^|[^A-Za-z0-9_./-])({name})\s?=\s?{value}"#), assignment),
        (names, Some(b'-'), format!(r#"(?i)--[a-z0-9-]*{}\s+{value}"#, names::PATTERN), option),
        (names, Some(b':'), format!(r#"(?i)(?:^|[^A-Za-z0-9_./-])[A-Za-z0-9_.-]*{alone}\s*:\s*{value}"#), field),
        // A line of YAML, whose values may have blanks.
        (
            names,
            Some(b':'),
            format!(
                r#"(?im)^[ \t]*(?:- )?{name}:[ \t]+(?:"([^"\r\n]*)"|'([^'\r\n]*)'|([^\s"'|>&*][^\r\n]*))\r?$"#
            ),
            line_of_yaml,
        ),
        // A line of an environment, likewise.
        (names, Some(b'='), format!(r#"(?m)^(?:export )?[A-Z0-9_]*{upper}=([^\r\n"'][^\r\n]*)$"#), field),
        // An authorization code (RFC 6749 §4.1.2). Exit codes and gRPC's are assigned to the same name.
        (&["code"], None, r#"(?:^|[?&\s"'(])code(?:=|"\s*:\s*")([^&\s"'<>]{8,})"#.to_owned(), code),
        // RFC 3986 §3.2.1: the part before the host.
        (
            &["://"],
            Some(b'@'),
            r#"(?i)[a-z][a-z0-9+.-]*://(?:[^\s/?#"'<>:@]*:([^\s/?#"'<>]*)|([^\s/?#"'<>:@]{20,}))@"#.to_owned(),
            user_information,
        ),
        // curl's own option for a name and a password.
        (
            &["curl"],
            Some(b':'),
            r#"\s(?:-u|-U|--user|--proxy-user)(?:\s*|=)(?:"[^":\r\n]*:([^"\r\n]*)"|'[^':\r\n]*:([^'\r\n]*)'|[^\s:"'-][^\s:"']*:([^\s"']+))"#
                .to_owned(),
            of_curl,
        ),
        (&["bearer"], Some(b'.'), format!("{}([A-Za-z0-9_=-]+)", regex::escape(TOKEN_PROTOCOL)), the_value),
        // A bootstrap token (kubernetes/cluster-bootstrap `token/api/types.go`).
        (&[], Some(b'.'), r"\b[a-z0-9]{6}\.([a-z0-9]{16})\b".to_owned(), the_value),
    ];
    let words = |words: &[&str]| match words {
        [] => u32::MAX,
        words => (0..WORDS.len())
            .filter(|index| words.contains(&WORDS[*index]))
            .fold(0, |all, index| all | 1 << index),
    };
    let forms = forms.map(|(found_in, byte, pattern, part)| Form {
        words: words(found_in),
        byte,
        pattern: compiled(&pattern),
        part,
    });
    Vec::from(forms)
});

/// Finds everything in `text` that looks like a secret.
pub(super) fn search(text: &str, spans: &mut Vec<Span>) {
    // The highest bit is that of forms without a word.
    let words = FOUND_IN
        .find_overlapping_iter(text)
        .fold(1 << 31, |all: u32, found| all | 1 << found.pattern().as_u32());
    for form in FORMS.iter() {
        if form.words & words == 0 || form.byte.is_some_and(|byte| !text.as_bytes().contains(&byte)) {
            continue;
        }
        let found = form.pattern.captures_iter(text);
        spans.extend(
            found
                .filter_map(|found| (form.part)(text, &found))
                .filter(|span| span.start < span.end),
        );
    }
}

/// Returns the signature of `token`, a signed one in compact form, without the part that is shown.
pub(super) fn signature_of(token: &str) -> Option<&str> {
    let found = TOKEN.captures(token).filter(|found| found[0].len() == token.len())?;
    let signature = signature(token, &found)?;
    token.get(signature.start..signature.end)
}

/// Returns whether `text` contains a signed token.
pub(super) fn holds_signed_token(text: &str) -> bool {
    TOKEN.captures_iter(text).any(|found| signature(text, &found).is_some())
}

/// Returns whether base64url `text` decodes to a JSON object.
fn is_object(text: &str) -> bool {
    let decoded = URL_SAFE_NO_PAD.decode(text);
    decoded.is_ok_and(|decoded| serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(&decoded).is_ok())
}

/// Returns the last group that matched: a form has one, or one for each kind of quotes.
fn the_value(_: &str, found: &Captures<'_>) -> Option<Span> {
    let value = found.iter().skip(1).flatten().last()?;
    Some(Span::new(value.start(), value.end()))
}

fn user_information(text: &str, found: &Captures<'_>) -> Option<Span> {
    // A long name, or a token: those have digits.
    let is_name = found
        .get(2)
        .is_some_and(|alone| !alone.as_str().contains(|c: char| c.is_ascii_digit()));
    if is_name { None } else { the_value(text, found) }
}

fn private_key(_: &str, found: &Captures<'_>) -> Option<Span> {
    let whole = found.get(0)?;
    Some(Span {
        label: format!("[redacted {}]", &found[1]).into(),
        ..Span::new(whole.start(), whole.end())
    })
}

fn signature(text: &str, found: &Captures<'_>) -> Option<Span> {
    let span = Span {
        label: "…".into(),
        ..the_value(text, found)?
    };
    // Any word may begin with the rarer beginnings.
    (found[1].starts_with("eyJ") || is_object(&found[1])).then_some(span)
}

fn bearer(text: &str, found: &Captures<'_>) -> Option<Span> {
    let value = found.get(2)?;
    // "bearer authentication": a sentence about it.
    let is_prose = found[1].starts_with('b') && is_word(value.as_str());
    (!is_prose && !begins_with_token(&text[value.start()..])).then(|| Span::new(value.start(), value.end()))
}

fn basic(text: &str, found: &Captures<'_>) -> Option<Span> {
    // "basic authentication" is not a name with a password.
    let is_pair = super::views::base64(&found[1]).is_some_and(|pair| pair.contains(&b':'));
    if is_pair { the_value(text, found) } else { None }
}

/// Returns the value of a field, in any quotes.
fn field(text: &str, found: &Captures<'_>) -> Option<Span> {
    let value = found.iter().skip(1).flatten().last()?;
    let is_shown = begins_with_token(&text[value.start()..]) || is_expansion(value.as_str());
    (!is_shown).then(|| Span::new(value.start(), value.end()))
}

fn assignment(text: &str, found: &Captures<'_>) -> Option<Span> {
    let value = found.iter().skip(2).flatten().last()?;
    // Kubernetes' own logs name the objects that they are about: secret="kube-system/bootstrap-token-abcdef".
    let is_reference = found[1].eq_ignore_ascii_case("secret")
        && value
            .as_str()
            .split_once('/')
            .is_some_and(|(namespace, name)| is_object_name(namespace) && is_object_name(name));
    if is_reference { None } else { field(text, found) }
}

/// Matches `--password VALUE`. In a sentence about the option, a word follows.
fn option(text: &str, found: &Captures<'_>) -> Option<Span> {
    let value = found.iter().skip(1).flatten().last()?;
    let is_prose =
        is_word(value.as_str()) || value.as_str().starts_with('-') || value.as_str().chars().all(|c| c.is_ascii_uppercase() || c == '_');
    if is_prose { None } else { field(text, found) }
}

fn line_of_yaml(text: &str, found: &Captures<'_>) -> Option<Span> {
    let whole = found[0].to_ascii_lowercase();
    // "token: it has expired" is a sentence; a password may have blanks.
    let may_have_blanks = ["password:", "passwd:", "passphrase:"].iter().any(|name| whole.contains(name));
    let is_sentence = found.get(3).is_some_and(|value| value.as_str().contains(' ')) && !may_have_blanks;
    if is_sentence { None } else { field(text, found) }
}

fn code(text: &str, found: &Captures<'_>) -> Option<Span> {
    let is_code = found[1].contains(|c: char| c.is_ascii_digit()) && found[1].contains(|c: char| c.is_ascii_alphabetic());
    if is_code { the_value(text, found) } else { None }
}

fn of_curl(text: &str, found: &Captures<'_>) -> Option<Span> {
    // The command may go on for several lines.
    let before = &text[..found.get(0)?.start()];
    let mut command = before.rsplit_once('\n').map_or(before, |(_, line)| line);
    for line in before.rsplit('\n').skip(1).take_while(|line| line.trim_end().ends_with('\\')) {
        command = line;
        if command.contains("curl") {
            break;
        }
    }
    if command.contains("curl") { the_value(text, found) } else { None }
}

/// Returns whether a signed token begins here: it is shortened, not removed.
fn begins_with_token(text: &str) -> bool {
    TOKEN
        .captures(text)
        .is_some_and(|found| found.get(0).is_some_and(|found| found.start() == 0) && signature(text, &found).is_some())
}

/// Returns whether a shell would expand the value, or it was redacted before or is empty.
fn is_expansion(value: &str) -> bool {
    let variable = value.strip_prefix('$').is_some_and(|rest| {
        rest.starts_with(['(', '{']) || (!rest.is_empty() && rest.chars().all(|c| c.is_ascii_uppercase() || c == '_' || c.is_ascii_digit()))
    });
    variable || value.is_empty() || value.starts_with(REDACTED)
}

fn is_word(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_lowercase() || b".-:".contains(&byte))
}

fn is_object_name(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-".contains(&byte))
}
