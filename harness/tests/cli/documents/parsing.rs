//! The command lines in documents and workflows: each `authlab …` in them is parsed by the command-line parser, whether it is
//! run or not. The main function is [`refused`].

use std::path::PathBuf;

use authlab::cli::Authlab;
use authlab::scenario::parser;
use authlab::server_binaries::Versions;
use clap::CommandFactory as _;
use serde_json::Value;

use super::{Block, pages, root};

/// Splits a shell line into its simple commands, each as its words, without redirections and assignments.
fn simple_commands(line: &str) -> Vec<Vec<String>> {
    let mut commands = vec![Vec::new()];
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut characters = line.chars().peekable();
    while let Some(c) = characters.next() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (Some(_), c) => word.get_or_insert_default().push(c),
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, '\\') => match characters.next() {
                None | Some('\n') => {}
                Some(escaped) => word.get_or_insert_default().push(escaped),
            },
            (None, '#') if word.is_none() => while characters.next_if(|c| *c != '\n').is_some() {},
            (None, ' ' | '\t') => commands.last_mut().unwrap().extend(word.take()),
            (None, '\n' | ';' | '|' | '&' | '(' | ')') => {
                commands.last_mut().unwrap().extend(word.take());
                commands.push(Vec::new());
            }
            (None, c) => word.get_or_insert_default().push(c),
        }
    }
    assert!(quote.is_none(), "a quote does not end: {line}");
    commands.last_mut().unwrap().extend(word);
    for command in &mut commands {
        if let Some(redirected) = command.iter().position(|word| word.starts_with(['>', '<']) || word == "2>") {
            command.truncate(redirected);
        }
        let assigned = command.iter().take_while(|word| is_assignment(word)).count();
        command.drain(..assigned);
    }
    commands.retain(|command| !command.is_empty());
    commands
}

fn is_assignment(word: &str) -> bool {
    let name = word.split_once('=').map_or("", |(name, _)| name);
    !name.is_empty() && name.chars().all(|c| c.is_ascii_uppercase() || c == '_')
}

/// Returns the arguments of authlab, if a command runs it.
fn of_authlab(command: &[String]) -> Option<&[String]> {
    let (program, arguments) = command.split_first()?;
    if program == "authlab" || program.ends_with("/authlab") {
        return Some(arguments);
    }
    let is_run = program == "cargo" && arguments.first().is_some_and(|word| word == "run") && !arguments.contains(&"--example".to_owned());
    let dashes = arguments.iter().position(|word| word == "--")?;
    is_run.then(|| &arguments[dashes + 1..])
}

/// Returns the number of authlab's command lines in `lines`, and an error for each one that the parser refuses.
fn refused(lines: &str) -> (usize, Vec<String>) {
    let commands = simple_commands(lines);
    let ours: Vec<&[String]> = commands.iter().filter_map(|command| of_authlab(command)).collect();
    // A command line with an omission, or with a workflow expression, cannot be parsed.
    let readable = ours
        .iter()
        .filter(|arguments| !arguments.iter().any(|word| word == "…" || word.contains("${{")));
    let refused = readable.filter_map(|arguments| {
        let why = why_refused(arguments)?;
        Some(format!("authlab {}: {why}", arguments.join(" ")))
    });
    (ours.len(), refused.collect())
}

fn why_refused(arguments: &[String]) -> Option<String> {
    let words = std::iter::once("authlab").chain(arguments.iter().map(String::as_str));
    match Authlab::command().try_get_matches_from(words) {
        Err(error) => error.use_stderr().then(|| error.to_string()),
        // Without a subcommand, every argument is a feature, since `run` may be left out.
        Ok(matches) if matches.subcommand_name().is_none() => {
            let features: Vec<PathBuf> = matches.get_many("features").into_iter().flatten().cloned().collect();
            parser::named(&features).err().map(|error| error.to_string())
        }
        Ok(_) => None,
    }
}

#[test]
fn every_command_in_a_document_is_one() {
    let mut seen = 0;
    let mut wrong = Vec::new();
    let documents = ["README.md", "CONTRIBUTING.md", "ARCHITECTURE.md"].map(str::to_owned);
    for document in documents.into_iter().chain(pages("docs")).chain(pages("docs/reference")) {
        for block in Block::all(&document).iter().filter(|block| block.is_console()) {
            for typed in block.commands() {
                let (count, refused) = refused(&typed.command);
                seen += count;
                wrong.extend(refused.into_iter().map(|why| format!("{}: {why}", block.place)));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(seen > 60, "only {seen} command lines of authlab were found");
}

/// Returns the workflows on a page, each with its first line, which names its file.
fn workflows(page: &str) -> Vec<(String, Value)> {
    let blocks = Block::all(page).into_iter().filter(|block| block.info == "yaml");
    let named = blocks.map(|block| {
        let name = block.lines.first().and_then(|line| line.strip_prefix("# "));
        let name = name.unwrap_or_else(|| panic!("{}: the first line names the file", block.place));
        let text = block.lines.join("\n");
        (
            name.to_owned(),
            serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", block.place)),
        )
    });
    named.collect()
}

/// Returns the commands of a workflow, from any of its steps.
fn run(workflow: &Value) -> Vec<String> {
    match workflow {
        Value::Object(fields) => {
            let mut found = Vec::new();
            for (name, value) in fields {
                match (name.as_str(), value) {
                    ("run", Value::String(lines)) => found.push(lines.clone()),
                    ("script" | "before_script" | "after_script", Value::Array(lines)) => {
                        found.extend(lines.iter().map(|line| line.as_str().unwrap().to_owned()));
                    }
                    (_, value) => found.extend(run(value)),
                }
            }
            found
        }
        Value::Array(values) => values.iter().flat_map(run).collect(),
        _ => Vec::new(),
    }
}

/// Returns every text below a field called `name`.
fn texts(workflow: &Value, name: &str) -> Vec<String> {
    match workflow {
        Value::Object(fields) => {
            let of_it = fields.get(name).and_then(Value::as_array).into_iter().flatten();
            let of_it = of_it.filter_map(|value| value.as_str().map(str::to_owned));
            of_it.chain(fields.values().flat_map(|value| texts(value, name))).collect()
        }
        Value::Array(values) => values.iter().flat_map(|value| texts(value, name)).collect(),
        _ => Vec::new(),
    }
}

#[test]
fn what_workflows_run_are_commands() {
    let mut workflows = workflows("docs/continuous-integration.md");
    let files: Vec<&str> = workflows.iter().map(|(file, _)| file.as_str()).collect();
    assert_eq!(
        files,
        [
            ".github/workflows/authlab.yml",
            ".gitlab-ci.yml",
            ".github/workflows/kubernetes-authentication.yml",
            ".github/workflows/our-cluster.yml",
            ".gitlab-ci.yml"
        ]
    );
    for entry in std::fs::read_dir(root().join(".github/workflows")).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        workflows.push((path.display().to_string(), serde_saphyr::from_str(&text).unwrap()));
    }
    for (file, workflow) in &workflows {
        let (mut seen, mut wrong) = (0, Vec::new());
        for lines in run(workflow) {
            let (count, refused) = refused(&lines);
            seen += count;
            wrong.extend(refused);
        }
        assert!(wrong.is_empty(), "{file}: {}", wrong.join("\n"));
        // The project's own workflows need not contain any, and the Action and the component have their own.
        let is_on_the_page = !file.starts_with('/');
        let text = workflow.to_string();
        let is_included = ["uses", "component"]
            .iter()
            .any(|field| text.contains(&format!("\"{field}\":\"")) && text.contains("authlab@v"));
        assert!(
            seen > 0 || !is_on_the_page || is_included,
            "{file}: no command line of authlab was found"
        );
    }
}

#[test]
fn the_versions_in_a_matrix_are_pinned() {
    let pinned: Vec<String> = Versions::pinned()
        .kubernetes
        .iter()
        .map(|version| version.version.minor_version())
        .collect();
    let mut seen = 0;
    for (file, workflow) in workflows("docs/continuous-integration.md") {
        for name in ["kubernetes", "AUTHLAB_KUBERNETES"] {
            let listed = texts(&workflow, name);
            assert!(
                listed.iter().all(|version| pinned.contains(version)),
                "{file}: {listed:?}; pinned are {pinned:?}"
            );
            assert!(
                listed.is_empty() || listed.last() == pinned.last(),
                "{file}: the newest is {:?}",
                pinned.last()
            );
            seen += listed.len();
        }
    }
    assert!(seen >= 2, "no matrix over versions was found");
}

#[test]
fn a_shells_line_is_read_as_a_shell_does() {
    let line =
        "X=1 authlab run --tags '@oidc and not @serial' \\\n  --json | jq . > out # comment; authlab nothing\ntrue && ./authlab down";
    let words: Vec<Vec<String>> = simple_commands(line);
    assert_eq!(words[0], ["authlab", "run", "--tags", "@oidc and not @serial", "--json"]);
    assert_eq!(words[1], ["jq", "."]);
    assert_eq!(words[2], ["true"]);
    assert_eq!(words[3], ["./authlab", "down"]);
    assert_eq!(refused("cargo run --release -- up && authlab status").0, 2);
    assert_eq!(refused("authlab wlak oidc").1.len(), 1);
    assert_eq!(refused("echo authlab wlak").0, 0);
}
