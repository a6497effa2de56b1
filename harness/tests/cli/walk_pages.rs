//! The pages in `docs/` that show walk-throughs: a region `<!-- walk: NAME -->` … `<!-- end -->` has the steps with their output.
//!
//! A page may have several regions of one walk-through, with text of its own between them: `<!-- walk: NAME, from: PROSE -->` begins with
//! the step whose prose begins so. The main function is [`with_outputs`].

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use authlab::walk_through::{Step, WalkThrough};
use regex::Regex;

/// Returns the page that shows the walk-through `name`.
pub fn page_of(name: &str) -> PathBuf {
    let docs = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs"));
    let pages = std::fs::read_dir(docs).unwrap().map(|entry| entry.unwrap().path());
    let is_page = |page: &PathBuf| page.extension().is_some_and(|ending| ending == "md");
    let shows = |page: &PathBuf| is_page(page) && std::fs::read_to_string(page).unwrap().contains(&format!("<!-- walk: {name} -->\n"));
    let pages: Vec<PathBuf> = pages.filter(shows).collect();
    let [page] = pages.as_slice() else {
        panic!("expected one page in docs/ with `<!-- walk: {name} -->`, found {pages:?}");
    };
    page.clone()
}

/// Returns `page` with the steps of `walk_through` and their `outputs` in its regions.
pub fn with_outputs(page: &str, walk_through: &WalkThrough, outputs: &[Vec<String>]) -> String {
    let name = regex::escape(&walk_through.name);
    let region = Regex::new(&format!(r"(?s)(<!-- walk: {name}(?:, from: ([^\n]*))? -->\n).*?(<!-- end -->)")).unwrap();
    let steps: Vec<(&Step, &Vec<String>)> = walk_through.steps.iter().zip(outputs).collect();
    let start = |from: &str| {
        let start = steps
            .iter()
            .position(|(step, _)| step.prose.first().is_some_and(|prose| prose.starts_with(from)));
        start.unwrap_or_else(|| panic!("no step of {} begins with {from:?}", walk_through.name))
    };
    // The title of the walk-through, and its introduction, are the page's own.
    let starts: Vec<usize> = region
        .captures_iter(page)
        .map(|found| found.get(2).map_or(1, |from| start(from.as_str())))
        .collect();
    assert_eq!(
        starts.first(),
        Some(&1),
        "the first region of {} begins with its first step",
        walk_through.name
    );
    assert!(
        starts.is_sorted(),
        "the regions of {} are in the order of its steps",
        walk_through.name
    );
    let mut ends = starts.iter().skip(1).copied().chain([steps.len()]);
    let mut starts = starts.iter();
    let filled = region.replace_all(page, |found: &regex::Captures| {
        let steps = &steps[*starts.next().unwrap()..ends.next().unwrap()];
        format!("{}{}\n{}", &found[1], markdown(steps), &found[3])
    });
    filled.into_owned()
}

/// Returns steps as Markdown: prose, and blocks of commands with their output.
fn markdown(steps: &[(&Step, &Vec<String>)]) -> String {
    let mut text = String::new();
    let mut in_block = false;
    for (step, output) in steps.iter().filter(|(step, _)| !step.is_housekeeping()) {
        if in_block && !step.prose.is_empty() {
            text.push_str("```\n");
            in_block = false;
        }
        if !step.prose.is_empty() {
            writeln!(text, "\n{}", step.prose.join("\n")).unwrap();
        }
        if step.command.is_empty() {
            continue;
        }
        if !in_block {
            text.push_str("\n```console\n");
            in_block = true;
        }
        for (index, line) in step.typed().0.lines().enumerate() {
            writeln!(text, "{} {line}", if index == 0 { '$' } else { '>' }).unwrap();
        }
        for line in *output {
            writeln!(text, "{line}").unwrap();
        }
    }
    if in_block {
        text.push_str("```\n");
    }
    text
}

#[test]
fn a_page_has_each_step_in_one_of_its_regions() {
    let script = "#!/bin/bash\n. begin.sh\n\n# Title\n#\n# Introduction.\n\nneeds x 'y'\n\n# First.\necho a\n\nrefused 'no' echo b \\\n  c\n\n# Second.\necho d\n";
    let walk_through = WalkThrough::parse("x", script);
    let outputs: Vec<Vec<String>> = ["", "", "a", "b c", "d"].map(|line| vec![line.to_owned()]).into();
    let page = "# Page\n\n<!-- walk: x -->\nold\n<!-- end -->\n\nBetween.\n\n<!-- walk: x, from: Second -->\n<!-- end -->\nEnd.\n";
    let expected = "# Page\n\n<!-- walk: x -->\n\nFirst.\n\n```console\n$ echo a\na\n$ echo b \\\n>   c\nb c\n```\n\n<!-- end -->\n\nBetween.\n\n\
                    <!-- walk: x, from: Second -->\n\nSecond.\n\n```console\n$ echo d\nd\n```\n\n<!-- end -->\nEnd.\n";
    let filled = with_outputs(page, &walk_through, &outputs);
    assert_eq!(filled, expected);
    assert_eq!(with_outputs(&filled, &walk_through, &outputs), expected);
}
