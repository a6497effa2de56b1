//! Rules of the language: openings of sentences in comments and documents, and words that have a better one.

use std::sync::LazyLock;

use regex::Regex;

use crate::{Broken, FILES, TextFile};

/// Files whose language is checked elsewhere, or not at all: the rules themselves, and prose that walk-throughs print.
const EXEMPT: &[&str] = &["harness/tests/tidy/words.rs", "scripts/", "features/"];

/// Words that a sentence must not open with, unless it is a question: it begins with a noun or a verb.
static OPENING: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"^[*_\[(]*(Who|Whom|Whose|Whoever|Whomever|What|Whatever|That which)\b").unwrap());

/// Banned words: a pattern, and the word to use instead.
const BANNED: &[(&str, &str)] = &[
    (r"\b(is|are) none (in|of)\b", "\"is not a …\", \"is not one of …\""),
    (r"\bthat (is|are) none\b", "\"that is not a …\""),
    (r"\bcame to nothing\b", "\"failed\", \"was not carried out\""),
    (r"\bdid not come about\b", "\"timed out waiting for …\""),
    (r"\bof one's own\b", "\"own\""),
    (r"\bas seen from here\b", "\"checked locally\""),
    (r"\bmade anew\b", "\"generated\", \"created again\""),
    (r"\bthere are: \{", "\"(known: {})\""),
    (r#"#\[error\("[^"]*\bcould not "#, "\"cannot start …\", \"cannot read …\""),
];

/// Names that must not come back into the code, with the name to use instead. Tests may have a `Stage`.
const NAMES: &[(&str, &str)] = &[
    (r"\b(Bench|Desk)\b", "Workspace, RequestSigner"),
    (
        r"\b(Door|Ground|Pace|Voice|Guise|Wish)\b",
        "Endpoint, Runtime, LogDelay, OutputOptions, ImpersonatedIdentity, Decision",
    ),
    (
        r"\bfn (practise|decline|unheard|are_heard|speaks)\b",
        "warm_up, skip_source, discarding, is_recording, set_caller",
    ),
];

fn files() -> impl Iterator<Item = &'static TextFile> {
    FILES
        .iter()
        .filter(|file| !EXEMPT.iter().any(|exempt| file.path.starts_with(exempt)))
}

/// Returns the paragraphs of a file's comments, or of a document, each with its first line's number.
fn paragraphs(file: &TextFile) -> Vec<(usize, String)> {
    static SLASHES: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"^\s*//[/!]?\s?(.*)$").unwrap());
    static HASH: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"^\s*#\s(.*)$").unwrap());
    if file.path.ends_with(".md") {
        return prose(file);
    }
    let shell = |path: &str| path.starts_with(".ci/") || path.ends_with("Dockerfile") || path == "fixtures/uncovered.txt";
    let comment = match file.path.rsplit('.').next() {
        Some("rs" | "go") => &*SLASHES,
        Some("toml" | "yml" | "yaml" | "sh") => &*HASH,
        _ if shell(&file.path) => &*HASH,
        _ => return Vec::new(),
    };
    let mut paragraphs: Vec<(usize, String)> = Vec::new();
    let mut goes_on = false;
    for (number, line) in file.lines() {
        let text = comment
            .captures(line)
            .map(|found| found[1].trim().to_owned())
            .filter(|text| !text.is_empty());
        match (text, paragraphs.last_mut()) {
            (Some(text), Some((_, paragraph))) if goes_on => {
                paragraph.push(' ');
                paragraph.push_str(&text);
            }
            (Some(text), _) => {
                paragraphs.push((number, text));
                goes_on = true;
            }
            (None, _) => goes_on = false,
        }
    }
    paragraphs
}

/// Returns the lines of prose of a Markdown document: neither code nor headings nor tables, whose cells are no sentences.
fn prose(file: &TextFile) -> Vec<(usize, String)> {
    let mut in_block = false;
    let lines = file.lines().filter(|(_, line)| {
        let fence = line.trim_start().starts_with("```");
        in_block ^= fence;
        !in_block && !fence && !line.starts_with(['#', '|'])
    });
    lines
        .map(|(number, line)| (number, line.trim_start_matches(|c: char| " -*>0123456789.".contains(c)).to_owned()))
        .collect()
}

/// Returns the sentences of a paragraph. Code and names in backticks do not end one.
fn sentences(paragraph: &str) -> Vec<&str> {
    static END: LazyLock<Regex> = LazyLock::new(|| Regex::new(r#"[.!?]["*_)]*\s+"#).unwrap());
    let mut start = 0;
    let mut sentences = Vec::new();
    for end in END.find_iter(paragraph) {
        sentences.push(paragraph[start..end.end()].trim());
        start = end.end();
    }
    sentences.push(paragraph[start..].trim());
    sentences
}

/// Returns whether a sentence opens with a word that only a question may open with. The title of a link is no sentence.
fn opens_badly(sentence: &str) -> bool {
    OPENING.is_match(sentence) && !sentence.trim_end_matches(['"', '*', '_', ')']).ends_with('?') && !sentence.starts_with('[')
}

#[test]
fn sentences_open_with_a_noun_or_a_verb() {
    let mut broken = Broken::rule(
        "a sentence of a comment, a help text or a document does not open with Who, Whose, Whoever or What, unless it is a question: \
         begin with the noun or the verb",
    );
    for file in files() {
        for (number, paragraph) in paragraphs(file) {
            for sentence in sentences(&paragraph).into_iter().filter(|sentence| opens_badly(sentence)) {
                broken.by(format!("{}:{number}: {sentence}", file.path));
            }
        }
    }
}

#[test]
fn openings_are_found_wherever_they_are() {
    let file = TextFile {
        path: "a.rs".to_owned(),
        text: "/// Reads a file. Whoever owns it\n/// may change it.\nlet a = 1;\n// What is this? The rest.\n//\n// What is left.\n"
            .to_owned(),
    };
    let bad: Vec<String> = paragraphs(&file)
        .iter()
        .flat_map(|(number, paragraph)| {
            let bad = sentences(paragraph).into_iter().filter(|sentence| opens_badly(sentence));
            bad.map(|sentence| format!("{number}: {sentence}")).collect::<Vec<_>>()
        })
        .collect();
    assert_eq!(bad, ["1: Whoever owns it may change it.", "6: What is left."]);
}

#[test]
fn plain_words_are_used() {
    let mut broken = Broken::rule("some turns have a plainer one (harness/tests/tidy/words.rs has the list)");
    let banned: Vec<(Regex, &str)> = BANNED
        .iter()
        .map(|(pattern, instead)| (Regex::new(pattern).unwrap(), *instead))
        .collect();
    let documents = ["docs/reference/", "docs/design/"];
    let checked = |path: &str| {
        ["harness/src/", ".ci/"].iter().any(|place| path.starts_with(place))
            || (path.ends_with(".md") && (!path.contains('/') || documents.iter().any(|place| path.starts_with(place))))
    };
    for file in files().filter(|file| checked(&file.path) && !file.path.starts_with("harness/src/scenario/steps/")) {
        for (number, line) in file.lines() {
            for (pattern, instead) in &banned {
                if let Some(found) = pattern.find(line) {
                    broken.by(format!("{}:{number}: `{}`: write {instead}", file.path, found.as_str()));
                }
            }
        }
    }
}

#[test]
fn names_are_the_fields_words() {
    let mut broken = Broken::rule("some names have a better one, which CONTRIBUTING.md lists: one word per idea");
    for (pattern, instead) in NAMES {
        let pattern = Regex::new(pattern).unwrap();
        for file in files().filter(|file| file.path.starts_with("harness/src/") && file.is_rust()) {
            let code = file.lines().filter(|(_, line)| !line.trim_start().starts_with("//"));
            for (number, line) in code {
                if let Some(found) = pattern.find(line).filter(|found| !line[..found.start()].contains('"')) {
                    broken.by(format!("{}:{number}: `{}`: {instead}", file.path, found.as_str()));
                }
            }
        }
    }
}
