//! The file that a project begins with, told apart by its content. The main type is [`Origin`].

use std::path::Path;

use crate::configuration::document::load;
use crate::configuration::files::NamedFile;
use crate::configuration::flags::Reads;
use crate::configuration::tool::{self, Tool, recognize};
use crate::diagnostic::Diagnostic;
use crate::kubeconfig::{LARGEST, contexts, read_limited};
use crate::trial::Source;
use crate::yaml::{self, Node};

/// The beginning of a project.
#[derive(Debug)]
pub(super) enum Origin {
    /// No file: an example is written.
    Nothing,
    /// An AuthenticationConfiguration.
    Authentication {
        /// The configuration.
        source: Source,
        /// `true` for `v1`, which older servers do not read.
        is_v1: bool,
    },
    /// A file of a tool that configures API servers.
    Tool {
        /// The configuration in it, as far as it says who somebody is.
        source: Source,
    },
    /// A kubeconfig.
    Kubeconfig {
        /// The names of its contexts, the current one first; at least one.
        contexts: Vec<String>,
    },
}

/// Reads `file` and tells its kind.
///
/// # Errors
/// The file cannot be read, is not YAML, or is of no known kind.
pub(super) fn read(file: &Path) -> Result<Origin, Diagnostic> {
    let mistake = match recognize(file) {
        Ok(Tool::AuthenticationConfiguration) => {
            let text = load(file)?;
            return Ok(Origin::Authentication {
                is_v1: yaml::parse(&text)
                    .is_ok_and(|root| root.entry("apiVersion").and_then(Node::text).is_some_and(|v| v.ends_with("/v1"))),
                // A mistake in the file is a matter of `authlab check`.
                source: Source {
                    authentication: Some(text),
                    ..Source::default()
                },
            });
        }
        // It says nothing about who somebody is.
        Ok(Tool::AuthorizationConfiguration) => Diagnostic::of_file(
            file.display().to_string(),
            "is an AuthorizationConfiguration, expected an AuthenticationConfiguration, a tool's file or a kubeconfig",
        ),
        Ok(_) => return Ok(Origin::Tool { source: of_tool(file) }),
        Err(mistake) => mistake,
    };
    let is_kubeconfig = read_limited(file, LARGEST)
        .ok()
        .and_then(|bytes| yaml::parse(&yaml::decoded(&bytes).ok()?).ok())
        .is_some_and(|root| {
            let field = |name: &str| root.entry(name).and_then(Node::text);
            (field("kind"), field("apiVersion")) == (Some("Config"), Some("v1")) || root.entry("contexts").is_some()
        });
    if is_kubeconfig {
        return kubeconfig(file, &file.display().to_string());
    }
    Err(match &mistake.hint {
        Some(hint) if hint.starts_with("understood are") => {
            let hint = format!("{hint}. Or a kubeconfig, whose contexts are the people");
            mistake.hint(hint)
        }
        _ => mistake,
    })
}

/// Returns the flags of a tool's file, and the AuthenticationConfiguration that they name. Its mistakes are told where it is tried.
fn of_tool(file: &Path) -> Source {
    let Ok(found) = tool::read(file) else { return Source::default() };
    let is_authentication = |file: &&NamedFile| file.reads == Reads::AuthenticationConfiguration;
    let authentication = found.files.iter().filter(is_authentication).find_map(|file| file.text().ok());
    Source {
        authentication,
        flags: found.flags.into_iter().map(|flag| (flag.name, flag.value)).collect(),
        ..Source::default()
    }
}

fn kubeconfig(file: &Path, shown: &str) -> Result<Origin, Diagnostic> {
    let read = contexts(&[file.to_owned()], &|path| read_limited(path, LARGEST));
    let found = read.map_err(|troubles| {
        let first = troubles.into_iter().next();
        first.map_or_else(
            || Diagnostic::of_file(shown, "is not a kubeconfig"),
            |trouble| Diagnostic::of_file(shown, trouble.seen).hint(trouble.change),
        )
    })?;
    let mut names = found.names;
    // The current context is the one that its owner knows best.
    names.sort_by_key(|name| Some(name) != found.current.as_ref());
    if names.is_empty() {
        return Err(Diagnostic::of_file(shown, "the kubeconfig has no context"));
    }
    Ok(Origin::Kubeconfig { contexts: names })
}
