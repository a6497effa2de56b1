//! The pages in `docs/`: their commands are run here, and the output that they show is compared with the actual one.
//!
//! A page is parsed into [`Block`]s. A block ```` ```console ```` is run line by line ([`carrying_out`]); one that cannot be run says so
//! (```` ```console not-run-here: WHY ````), and its commands are at least parsed by the command-line parser ([`parsing`]).

use std::path::{Path, PathBuf};

mod carrying_out;
mod parsing;

/// The project's root.
fn root() -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).canonicalize().unwrap()
}

/// Returns the pages of `folder`, in order.
fn pages(folder: &str) -> Vec<String> {
    let entries = std::fs::read_dir(root().join(folder)).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned());
    let mut pages: Vec<String> = names
        .filter(|name| name.ends_with(".md"))
        .map(|name| format!("{folder}/{name}"))
        .collect();
    pages.sort();
    pages
}

/// A fenced code block.
struct Block {
    /// The position of its first line, for error messages.
    place: String,
    /// The info string behind the opening fence.
    info: String,
    lines: Vec<String>,
}

impl Block {
    /// Returns every block of a document, without those of walk-throughs, whose commands a script types.
    fn all(document: &str) -> Vec<Self> {
        let text = std::fs::read_to_string(root().join(document)).unwrap();
        let mut blocks: Vec<Self> = Vec::new();
        let (mut inside, mut in_walk_through) = (false, false);
        for (index, line) in text.lines().enumerate() {
            in_walk_through = (in_walk_through || line.starts_with("<!-- walk: ")) && line != "<!-- end -->";
            if in_walk_through {
                continue;
            }
            match line.strip_prefix("```") {
                Some(_) if inside => inside = false,
                Some(info) => {
                    inside = true;
                    blocks.push(Self {
                        place: format!("{document}:{}", index + 1),
                        info: info.trim().to_owned(),
                        lines: Vec::new(),
                    });
                }
                None if inside => blocks.last_mut().unwrap().lines.push(line.to_owned()),
                None => {}
            }
        }
        assert!(!inside, "{document}: a block does not end");
        blocks
    }

    /// Returns whether it contains commands.
    fn is_console(&self) -> bool {
        self.info == "console" || self.info.starts_with("console ")
    }

    /// Returns the reason why it is not run here, if it gives one.
    fn not_run_because(&self) -> Option<&str> {
        self.info.strip_prefix("console not-run-here: ")
    }

    /// Returns its commands, each with the output shown below it.
    fn commands(&self) -> Vec<Typed> {
        let mut commands: Vec<Typed> = Vec::new();
        let mut goes_on = false;
        for line in &self.lines {
            match (line.strip_prefix("$ "), commands.last_mut()) {
                (Some(command), _) => commands.push(Typed {
                    command: command.to_owned(),
                    shown: Vec::new(),
                }),
                // A continuation line of the shell, or input that the command before asked for.
                (None, Some(last)) if goes_on || (last.shown.is_empty() && line.starts_with("> ")) => {
                    last.command.push('\n');
                    last.command.push_str(line.strip_prefix("> ").unwrap_or(line));
                }
                (None, Some(last)) => last.shown.push(line.clone()),
                (None, None) => panic!("{}: the first line of a console begins with `$ `: {line}", self.place),
            }
            goes_on = commands.last().is_some_and(|last| last.shown.is_empty() && line.ends_with('\\'));
        }
        commands
    }
}

/// A command, and the output that a page shows below it.
struct Typed {
    command: String,
    shown: Vec<String>,
}
