//! `authlab explain --api-server`: the flags that an API server of a lab really runs with, and whether its configuration is in force.

use std::io::Write;

use super::known::given;
use super::{CommandError, Exit, Session, list, use_error, write_json};
use crate::explain::api_server::{Look, look};
use crate::explain::{Effect, Finding};
use crate::lab::Lab;
use crate::printable::printable;

/// Inspects the API server with the setting `name` of the lab named `lab`, and reports.
pub(super) async fn run(name: &str, lab: &str, session: &Session, out: &mut dyn Write) -> Result<Exit, CommandError> {
    let lab = Lab::existing(lab).await.map_err(use_error)?;
    let servers = &lab.description().api_servers;
    let Some(server) = servers.get(name) else {
        let known: Vec<&str> = servers.keys().map(String::as_str).collect();
        let error = format!("no API server named {name:?} runs in the lab (known: {})", known.join(", "));
        return Err(CommandError::new(Exit::Usage, error));
    };
    let (issuers, unsound) = match given(&lab, server) {
        Ok(issuers) => (issuers.unwrap_or_default(), None),
        Err(why) => (Vec::new(), Some(why)),
    };
    let administrator = lab.administrator_of(server).map_err(use_error)?;
    let mut look = look(server, lab.flags_of(server), &issuers, administrator.credential()).await;
    // A problem with the server's own file comes first.
    look.findings
        .extend(unsound.map(|why| Finding::of_file(why, "correct the file: the API server applies no part of an invalid one")));
    look.findings.sort_by_key(Finding::rank);
    if session.output.json {
        write_json(&look, out)?;
    } else {
        show(&look, out)?;
    }
    let sound = look.findings.iter().all(|finding| finding.effect == Effect::Note);
    Ok(if sound { Exit::Success } else { Exit::Failed })
}

fn show(look: &Look, out: &mut dyn Write) -> std::io::Result<()> {
    writeln!(out, "API server {} at {}", look.name, look.server)?;
    for issuer in &look.issuers {
        writeln!(out, "  issuer {}: {}", printable(&issuer.url), issuer.state.name())?;
    }
    match &look.flags {
        Some(flags) => {
            writeln!(out, "  it runs with")?;
            for flag in flags {
                writeln!(out, "    {}", printable(flag))?;
            }
        }
        None => writeln!(out, "  its flags cannot be read from this machine")?,
    }
    list(&look.findings, false, true, out)
}
