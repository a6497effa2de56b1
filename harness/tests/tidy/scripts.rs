//! Rules of the walk-throughs: they run the article's commands, in its order, and are written to be read.

use authlab::walk_through::{self, Step};
use regex::Regex;
use serde::Deserialize;

use crate::{Broken, FILES, TextFile, text_of};

#[derive(Deserialize)]
struct Article {
    walk_through: Vec<Part>,
}

/// The article's commands for one way of authenticating.
#[derive(Deserialize)]
struct Part {
    name: String,
    commands: Vec<String>,
}

/// Joins a command into one line.
fn on_one_line(command: &str) -> String {
    command.replace("\\\n", " ").split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Returns whether `step` is the article's `command`, in which `…` stands for anything.
fn is(step: &Step, command: &str) -> bool {
    let pattern: Vec<String> = on_one_line(command).split('…').map(regex::escape).collect();
    // An omission may be empty: then there is one blank between its neighbours.
    let pattern = pattern.join(".*").replace(" .* ", " (.* )?");
    Regex::new(&format!("^{pattern}$")).unwrap().is_match(&on_one_line(step.typed().0))
}

#[test]
fn every_command_of_the_article_occurs_in_its_order() {
    let article: Article = toml::from_str(&text_of("fixtures/article.toml")).unwrap();
    let mut broken = Broken::rule(
        "each command in fixtures/article.toml is a command of its walk-through in scripts/, after the ones before it; what has to be \
         different today is `…` there, or stands beside the old form in the script",
    );
    for part in article.walk_through {
        let steps = &walk_through::named(&part.name).unwrap().steps;
        let mut from = 0;
        for command in &part.commands {
            match steps[from..].iter().position(|step| is(step, command)) {
                Some(place) => from += place + 1,
                None => broken.by(format!("scripts/{}.sh: {command}", part.name)),
            }
        }
    }
}

#[test]
fn the_administrators_token_is_no_argument_of_a_command() {
    let begin = text_of("scripts/begin.sh");
    let mut broken = Broken::rule("every user of the machine can read the arguments of a command: a token goes through a file or a pipe");
    for line in begin.lines().filter(|line| !line.trim_start().starts_with('#')) {
        broken.unless(!line.contains("--token"), || format!("scripts/begin.sh: {line}"));
    }
}

#[test]
fn a_command_that_differs_is_not_the_articles() {
    let step = |command: &str| Step {
        prose: Vec::new(),
        command: command.to_owned(),
    };
    let article = "curl -k … -d \"token=…\" | jq .";
    assert!(is(&step("curl -k \\\n  --cacert x -d \"token=${T}\" | jq ."), article));
    assert!(is(&step("refused 'no' curl -k -d \"token=\" | jq ."), article));
    assert!(!is(&step("curl -k -d \"token=${T}\" | jq . | cat"), article));
    assert!(!is(&step("echo curl -k -d \"token=${T}\" | jq ."), article));
}

#[test]
fn what_a_walk_through_needs_is_said_before_it_is_used() {
    let mut broken = Broken::rule("a walk-through says `needs TOOL 'STEP'` before the first command with openssl, curl, jq or less");
    for walk_through in walk_through::all() {
        for tool in ["openssl", "curl", "jq", "less"] {
            let used = Regex::new(&format!(r"(^|[|(] *|\n *){tool} ")).unwrap();
            let first = walk_through.steps.iter().position(|step| used.is_match(step.typed().0));
            let said = walk_through
                .steps
                .iter()
                .position(|step| step.command.starts_with(&format!("needs {tool} ")));
            broken.unless(first.is_none_or(|first| said.is_some_and(|said| said < first)), || {
                format!("scripts/{}.sh: {tool}", walk_through.name)
            });
            broken.unless(said.is_none() || first.is_some(), || {
                format!("scripts/{}.sh does not use {tool}", walk_through.name)
            });
        }
    }
}

#[test]
fn walk_throughs_begin_alike_and_are_on_their_pages() {
    let page = text_of("docs/reference/walk-throughs.md");
    let mut broken = Broken::rule(
        "a walk-through can be run, begins with begin.sh, has a title, is in docs/reference/walk-throughs.md, and is shown on one page of \
         docs/, between `<!-- walk: NAME -->` and `<!-- end -->`",
    );
    for walk_through in walk_through::all() {
        let path = format!("scripts/{}.sh", walk_through.name);
        let text = text_of(&path);
        let first = text.split("\n\n").next().unwrap_or_default();
        broken.unless(
            first.starts_with("#!/usr/bin/env bash\n") && first.ends_with("\n. \"$(dirname \"${BASH_SOURCE[0]}\")/begin.sh\""),
            || format!("{path}: {first}"),
        );
        broken.unless(!walk_through.title.is_empty(), || format!("{path} has no title"));
        broken.unless(page.contains(&path), || format!("{path} is not on that page"));
        let region = format!("\n<!-- walk: {} -->\n", walk_through.name);
        let shows = |file: &&TextFile| file.path.starts_with("docs/") && file.text.contains(&region);
        let pages = FILES.iter().filter(shows).count();
        broken.unless(pages == 1, || format!("{path} is shown on {pages} pages"));
    }
}

#[test]
fn every_variable_of_a_lab_is_explained() {
    let page = text_of("docs/reference/labs.md");
    let mut broken = Broken::rule("docs/reference/labs.md explains every LAB_… variable, in the words of `lab::VARIABLES`");
    for (variable, is) in authlab::lab::VARIABLES {
        broken.unless(page.contains(&format!("| `{variable}` | {is} |")), || (*variable).to_owned());
    }
}
