//! The pages in `docs/`: what they tell somebody to type is typed here, and what they show is what came of it.
//!
//! A page is read as [`Block`]s. A block ```` ```console ```` is carried out line by line ([`carrying_out`]); one that cannot be says so
//! (```` ```console not-run-here: WHY ````), and its commands are at least read by the command line's own parser ([`parsing`]).

use std::path::{Path, PathBuf};

mod carrying_out;
mod parsing;

/// The project's root.
fn root() -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).canonicalize().unwrap()
}

/// The pages of `folder`, in order.
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

/// Something between fences.
struct Block {
    /// Where it begins, as a person finds it.
    place: String,
    /// What stands behind the opening fence.
    info: String,
    lines: Vec<String>,
}

impl Block {
    /// Every block of a document.
    fn all(document: &str) -> Vec<Self> {
        let text = std::fs::read_to_string(root().join(document)).unwrap();
        let mut blocks: Vec<Self> = Vec::new();
        let mut inside = false;
        for (index, line) in text.lines().enumerate() {
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

    /// Whether somebody types in it.
    fn is_console(&self) -> bool {
        self.info == "console" || self.info.starts_with("console ")
    }

    /// Why it is not carried out here, if it says so.
    fn not_run_because(&self) -> Option<&str> {
        self.info.strip_prefix("console not-run-here: ")
    }

    /// What is typed in it, and what is shown below each.
    fn commands(&self) -> Vec<Typed> {
        let mut commands: Vec<Typed> = Vec::new();
        let mut goes_on = false;
        for line in &self.lines {
            match (line.strip_prefix("$ "), commands.last_mut()) {
                (Some(command), _) => commands.push(Typed {
                    command: command.to_owned(),
                    shown: Vec::new(),
                }),
                // A shell's own sign for a command that goes on, or a line that the one before asked for.
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

/// A command, and what a page shows below it.
struct Typed {
    command: String,
    shown: Vec<String>,
}
