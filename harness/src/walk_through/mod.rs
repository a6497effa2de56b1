//! Walk-throughs by hand: the shell scripts in `scripts/`, read as prose and commands, and run step by step.
//!
//! The main types are [`WalkThrough`], the parsed script, and [`Session`], one run of it.
//! The format of a script is described in `scripts/begin.sh`; a script also runs without this program.

mod calls;
mod requests;
mod session;

use std::sync::LazyLock;

use regex::Regex;

pub use session::{Session, SessionError, Taken};

static SCRIPTS: include_dir::Dir<'_> = include_dir::include_dir!("$CARGO_MANIFEST_DIR/scripts");

/// Scripts that are not walk-throughs: the part that all share, and the one that runs a single step.
const COMMON: [&str; 2] = ["begin.sh", "step.sh"];

/// A walk-through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WalkThrough {
    /// The name of its file.
    pub name: String,
    /// The first line of its prose.
    pub title: String,
    /// Its steps, from the first one that is shown.
    pub steps: Vec<Step>,
}

impl WalkThrough {
    /// Returns `true` if it uses what only Keycloak has: its addresses, and logins by the password grant.
    #[must_use]
    pub fn needs_keycloak(&self) -> bool {
        self.steps.iter().any(|step| step.command.contains("/protocol/openid-connect/"))
    }
}

/// A block of a walk-through: prose, a command, or both.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Step {
    /// The prose, without comment marks.
    pub prose: Vec<String>,
    /// The command as it is in the script; empty if the step is only prose.
    pub command: String,
}

/// There is no walk-through of that name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no walk-through is named '{name}' (known: {})", names().join(", "))]
pub struct UnknownWalkThrough {
    name: String,
}

impl Step {
    /// Returns the command without the word that marks an expected refusal, and the expected text of the refusal, if so marked.
    pub fn typed(&self) -> (&str, Option<&str>) {
        static REFUSED: LazyLock<Regex> =
            LazyLock::new(|| Regex::new(r"(?s)^refused '([^']*)' (.*)$").expect("a constant pattern, used by a test"));
        match REFUSED.captures(&self.command).map(|found| found.extract()) {
            Some((_, [text, command])) => (command, Some(text)),
            None => (&self.command, None),
        }
    }

    /// Returns whether the command is about the walk-through itself, so that a user would not type it.
    pub fn is_housekeeping(&self) -> bool {
        is_housekeeping(&self.command)
    }
}

impl WalkThrough {
    /// Parses a script: blank lines separate blocks, and the first block is only setup.
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

/// Parses a block: the comment lines at its start are prose, the rest is a command.
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

/// Returns whether a command is about the walk-through itself.
fn is_housekeeping(command: &str) -> bool {
    ["needs ", "temporary "].iter().any(|word| command.starts_with(word))
}

/// Returns every walk-through, by name.
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

/// Returns the names of all walk-throughs.
pub fn names() -> Vec<&'static str> {
    all().iter().map(|walk_through| walk_through.name.as_str()).collect()
}

/// Returns the walk-through with this name.
///
/// # Errors
/// No walk-through has that name; the error lists the existing ones.
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
        assert_eq!(error, format!("no walk-through is named 'odic' (known: {names})"));
    }
}
