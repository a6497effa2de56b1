//! Walk-throughs by hand: the shell scripts in `scripts/`, read as prose and commands, and carried out step by step.
//!
//! The main types are [`WalkThrough`], what is written, and [`Session`], somebody on the way through one.
//! How a script is written is said in `scripts/begin.sh`; it runs by itself as well, without this program.

mod diagram;
mod seen;
mod session;

use std::sync::LazyLock;

use regex::Regex;

pub use diagram::draw;
pub use seen::{Exchange, Party};
pub use session::{Session, SessionError, Taken};

static SCRIPTS: include_dir::Dir<'_> = include_dir::include_dir!("$CARGO_MANIFEST_DIR/../scripts");

/// What walk-throughs have in common, and what carries out one step: no walk-throughs themselves.
const COMMON: [&str; 2] = ["begin.sh", "step.sh"];

/// A walk-through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WalkThrough {
    /// Its name: that of its file.
    pub name: String,
    /// Its first line of prose.
    pub title: String,
    /// Its blocks, from the first that is shown on.
    pub steps: Vec<Step>,
}

/// A block of a walk-through: prose, a command, or both.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Step {
    /// What is said, without the marks of a comment.
    pub prose: Vec<String>,
    /// What a person types, as it is in the script; nothing where something is only said.
    pub command: String,
}

/// There is no walk-through of that name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no walk-through '{name}'; there are: {}", names().join(", "))]
pub struct UnknownWalkThrough {
    name: String,
}

impl Step {
    /// The command without the word that says that it is meant to be refused, and what is to be in the answer then.
    pub fn typed(&self) -> (&str, Option<&str>) {
        static REFUSED: LazyLock<Regex> =
            LazyLock::new(|| Regex::new(r"(?s)^refused '([^']*)' (.*)$").expect("a constant pattern, used by a test"));
        match REFUSED.captures(&self.command).map(|found| found.extract()) {
            Some((_, [text, command])) => (command, Some(text)),
            None => (&self.command, None),
        }
    }

    /// Whether a person would not type it: it is about the walk-through itself.
    pub fn is_housekeeping(&self) -> bool {
        is_housekeeping(&self.command)
    }
}

impl WalkThrough {
    /// Reads a script; blank lines are between blocks, and the first block only begins.
    pub fn parse(name: &str, script: &str) -> Self {
        let mut steps: Vec<Step> = script.split("\n\n").skip(1).map(step).collect();
        steps.retain(|step| !(step.prose.is_empty() && step.command.is_empty()));
        let title = steps.first().and_then(|step| step.prose.first()).cloned().unwrap_or_default();
        Self {
            name: name.to_owned(),
            title,
            steps,
        }
    }
}

/// A block: lines of comment that come first are prose, the rest is a command.
fn step(block: &str) -> Step {
    let block = block.trim_matches('\n');
    let prose: Vec<String> = block
        .lines()
        .map_while(|line| line.strip_prefix('#'))
        .map(|line| line.strip_prefix(' ').unwrap_or(line).to_owned())
        .collect();
    let command = block.lines().skip(prose.len()).collect::<Vec<_>>().join("\n");
    Step { prose, command }
}

/// Whether a command is about the walk-through itself.
fn is_housekeeping(command: &str) -> bool {
    ["needs ", "temporary "].iter().any(|word| command.starts_with(word))
}

/// Every walk-through, by name.
pub fn all() -> &'static [WalkThrough] {
    static ALL: LazyLock<Vec<WalkThrough>> = LazyLock::new(|| {
        let scripts = SCRIPTS.files().filter_map(|file| {
            let name = file.path().to_str().filter(|name| !COMMON.contains(name))?;
            Some(WalkThrough::parse(name.strip_suffix(".sh")?, file.contents_utf8()?))
        });
        let mut all: Vec<_> = scripts.collect();
        all.sort_by(|one, other| one.name.cmp(&other.name));
        all
    });
    &ALL
}

/// The names of all.
pub fn names() -> Vec<&'static str> {
    all().iter().map(|walk_through| walk_through.name.as_str()).collect()
}

/// The walk-through called `name`.
///
/// # Errors
/// There is none; the error names those that are there.
pub fn named(name: &str) -> Result<&'static WalkThrough, UnknownWalkThrough> {
    all()
        .iter()
        .find(|walk_through| walk_through.name == name)
        .ok_or_else(|| UnknownWalkThrough { name: name.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCRIPT: &str =
        "#!/bin/bash\n. begin.sh\n\n# Title\n#\n# More.\n\n# Why.\nrefused 'no \"way\"' kubectl get x <<END\n# not prose\nEND\n\necho hi\n";

    #[test]
    fn a_script_is_prose_and_commands() {
        let read = WalkThrough::parse("x", SCRIPT);
        assert_eq!(read.title, "Title");
        assert_eq!(read.steps.len(), 3);
        assert_eq!((read.steps[0].prose.len(), read.steps[0].command.as_str()), (3, ""));
        assert_eq!(read.steps[1].typed(), ("kubectl get x <<END\n# not prose\nEND", Some("no \"way\"")));
        assert_eq!((read.steps[2].prose.len(), read.steps[2].typed()), (0, ("echo hi", None)));
    }

    #[test]
    fn every_way_of_the_article_has_one_and_an_unknown_one_names_them() {
        let names = names().join(", ");
        assert_eq!(
            names,
            "auth-proxy, external-certificate, impersonation, looking-closer, oidc, service-account, signing-request"
        );
        assert!(named("oidc").is_ok());
        let error = named("odic").unwrap_err().to_string();
        assert_eq!(error, format!("there is no walk-through 'odic'; there are: {names}"));
    }
}
