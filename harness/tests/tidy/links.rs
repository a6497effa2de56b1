//! The documents have no broken links: relative links lead to existing files and headings.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use regex::Regex;

use crate::{Broken, FILES, root, text_of};

/// Returns the documents whose links are checked.
fn documents() -> impl Iterator<Item = &'static str> {
    let is_document =
        |path: &str| path.ends_with(".md") && (!path.contains('/') || path.starts_with("docs/") || path == "features/README.md");
    FILES.iter().map(|file| file.path.as_str()).filter(move |path| is_document(path))
}

/// Returns a Markdown text without code blocks and code spans.
fn prose(text: &str) -> String {
    let code = Regex::new(r"`[^`\n]*`").unwrap();
    let mut in_block = false;
    let lines = text.lines().filter(|line| {
        let fence = line.trim_start().starts_with("```");
        in_block ^= fence;
        !in_block && !fence
    });
    // A link's own text may be code.
    let lines = lines.map(|line| code.replace_all(line, "code").into_owned());
    lines.collect::<Vec<_>>().join("\n")
}

/// Returns the targets of a document's links and pictures.
fn targets(text: &str) -> Vec<String> {
    let markdown = Regex::new(r"\]\(([^)\s]+)\)").unwrap();
    let html = Regex::new(r#"<(?:a|img|source)\b[^>]*?\b(?:href|src|srcset)="([^"]+)""#).unwrap();
    let prose = prose(text);
    let found = markdown.captures_iter(&prose).chain(html.captures_iter(&prose));
    found.map(|found| found[1].to_owned()).collect()
}

/// Returns the anchors of a document: those of its headings, as GitHub generates them, and `<a id="…">`.
fn anchors(text: &str) -> BTreeSet<String> {
    let named = Regex::new(r#"<a id="([^"]+)">"#).unwrap();
    let mut anchors: BTreeSet<String> = named.captures_iter(&prose(text)).map(|found| found[1].to_owned()).collect();
    let mut in_block = false;
    for line in text.lines() {
        in_block ^= line.starts_with("```");
        let title = line.trim_start_matches('#');
        if in_block || title.len() == line.len() || !title.starts_with(' ') {
            continue;
        }
        let kept = title.trim().to_lowercase();
        let kept: String = kept
            .chars()
            .filter(|c| c.is_alphanumeric() || [' ', '-', '_'].contains(c))
            .collect();
        let anchor = kept.replace(' ', "-");
        let anchor = (0..).map(|more| if more == 0 { anchor.clone() } else { format!("{anchor}-{more}") });
        let free = anchor.into_iter().find(|anchor| !anchors.contains(anchor));
        anchors.extend(free);
    }
    anchors
}

/// Resolves `target`, relative to `document`, to a path from the root.
pub(crate) fn resolved(document: &str, target: &str) -> String {
    let mut path = PathBuf::new();
    let folder = Path::new(document).parent().unwrap();
    for component in folder.join(target).components() {
        match component {
            Component::ParentDir => drop(path.pop()),
            Component::Normal(name) => path.push(name),
            _ => {}
        }
    }
    path.to_string_lossy().replace('\\', "/")
}

#[test]
fn links_lead_somewhere() {
    let mut broken = Broken::rule("a relative link in a document leads to a file that is there, and to a heading that it has");
    for document in documents() {
        let text = text_of(document);
        for target in targets(&text).iter().filter(|target| !target.contains("://")) {
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            let file = if file.is_empty() {
                document.to_owned()
            } else {
                resolved(document, file)
            };
            if !root().join(&file).exists() {
                broken.by(format!("{document}: {target}: there is no {file}"));
            } else if !anchor.is_empty() {
                broken.unless(anchors(&text_of(&file)).contains(anchor), || {
                    format!("{document}: {target}: {file} has no such heading")
                });
            }
        }
    }
}

#[test]
fn every_page_and_picture_is_led_to() {
    let mut broken = Broken::rule("docs/README.md lists every page of docs/, and each picture is on one");
    let listed: BTreeSet<String> = targets(&text_of("docs/README.md"))
        .iter()
        .map(|target| resolved("docs/README.md", target.split('#').next().unwrap_or_default()))
        .collect();
    let shown: BTreeSet<String> = documents()
        .flat_map(|document| {
            targets(&text_of(document))
                .into_iter()
                .map(move |target| resolved(document, &target))
        })
        .collect();
    for file in FILES.iter().map(|file| &file.path).filter(|path| path.starts_with("docs/")) {
        let is_led_to = match file.rsplit('.').next() {
            // The list of pages of the site is made from the other one.
            Some("md") => ["docs/README.md", "docs/SUMMARY.md"].contains(&file.as_str()) || listed.contains(file),
            _ => shown.contains(file),
        };
        broken.unless(is_led_to, || file.clone());
    }
}

#[test]
fn headings_and_links_are_read_as_github_reads_them() {
    let text = "# A page\n## Why: `authlab explain`\n## Twice\n## Twice\n```\n# no heading\n[no](link.md)\n```\n<a id=\"x4\"></a>\n[a](b.md#c) `[no](x)` ![d](e.svg)\n";
    let anchors = anchors(text);
    let expected = ["a-page", "twice", "twice-1", "why-authlab-explain", "x4"];
    assert_eq!(Vec::from_iter(anchors.iter().map(String::as_str)), expected);
    assert_eq!(targets(text), ["b.md#c", "e.svg"]);
    assert_eq!(resolved("docs/oidc.md", "../README.md"), "README.md");
}
