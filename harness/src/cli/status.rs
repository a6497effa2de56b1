//! `authlab status`: the labs that are up, and the leftovers of others.
//!
//! The main function is [`run`].

use std::io::{self, Write};

use super::Session;
use super::error::{CommandError, use_error};
use super::exit::Exit;
use super::output::write_json;
use crate::lab::{self, LabState, LabStatus};

/// Writes every lab to `out`.
///
/// # Errors
/// A lab's directory cannot be read.
pub async fn run(session: &Session, out: &mut dyn Write) -> Result<Exit, CommandError> {
    let labs = lab::status().await.map_err(use_error)?;
    if session.output.json {
        return write_json(&labs, out);
    }
    let (live, left): (Vec<_>, Vec<_>) = labs
        .into_iter()
        .partition(|lab| matches!(lab.state, LabState::Up | LabState::Starting));
    if live.is_empty() {
        writeln!(out, "no lab is up; `authlab up` starts one")?;
    }
    for (index, lab) in live.iter().enumerate() {
        if index > 0 {
            writeln!(out)?;
        }
        show(lab, out)?;
    }
    for lab in left {
        let (named, directory) = (lab::lab_option(&lab.name), lab.directory.display());
        let running = match lab.servers.len() {
            0 => String::new(),
            running => format!(", with {running} servers that still run"),
        };
        let (why, command) = match (&lab.state, &lab.doubt) {
            (LabState::Unknown, doubt) => {
                let doubt = doubt.as_deref().unwrap_or_default();
                writeln!(out, "\n{}: {directory} is left alone: {doubt}", lab.name)?;
                continue;
            }
            (LabState::Kept, _) => ("was kept for its logs".to_owned(), format!("authlab down{named}")),
            (_, Some(doubt)) => (
                format!("was left, and may still be in use: {doubt}"),
                format!("authlab down --foreign{named}"),
            ),
            (_, None) => ("was left by a crash".to_owned(), "authlab down".to_owned()),
        };
        writeln!(out, "\n{}: {directory} {why}{running}; `{command}` clears it", lab.name)?;
    }
    Ok(Exit::Success)
}

fn show(lab: &LabStatus, out: &mut dyn Write) -> io::Result<()> {
    write!(out, "{}", lab.name)?;
    match &lab.kubernetes {
        Some(version) => write!(out, ": Kubernetes {version}")?,
        None => write!(out, ": being started")?,
    }
    if let Some(started) = lab.started {
        let local = started.to_zoned_datetime(jiff::tz::TimeZone::system());
        write!(out, ", since {}", local.strftime("%Y-%m-%d %H:%M:%S"))?;
    }
    if let Some(owner) = lab.owner {
        write!(out, ", owned by process {owner}")?;
    }
    if lab.kubernetes.is_some() && !lab.stays_up {
        write!(out, ", ends with it")?;
    }
    writeln!(out)?;
    let mut line = |name: &str, what: &str| writeln!(out, "  {name:<30}  {what}");
    for (name, url) in &lab.api_servers {
        line(&format!("API server {name}"), url)?;
    }
    if let Some(provider) = &lab.identity_provider {
        line(&format!("{} {}", provider.name, provider.version), &provider.issuer)?;
    }
    if let Some(url) = &lab.issuer {
        line("issuer", url)?;
    }
    for (name, url) in &lab.auth_proxies {
        line(&format!("auth proxy {name}"), url)?;
    }
    for server in &lab.servers {
        let alive = match (server.alive, server.stopped, server.pid) {
            (true, true, Some(pid)) => format!("is stopped (`kill -CONT {pid}` continues it)"),
            (true, ..) => "runs".to_owned(),
            (false, ..) => "is gone".to_owned(),
        };
        let memory = server.memory.map(|bytes| format!(", {}", mebibytes(bytes))).unwrap_or_default();
        let what = match (&server.container, server.pid) {
            (Some(id), _) => format!("container {}", id.get(..12).unwrap_or(id)),
            (None, Some(pid)) => format!("process {pid}"),
            (None, None) => "it".to_owned(),
        };
        line(&server.name, &format!("{what} {alive}{memory}"))?;
    }
    if let Some(memory) = lab.memory {
        line("memory", &mebibytes(memory))?;
    }
    Ok(())
}

fn mebibytes(bytes: u64) -> String {
    format!("{} MiB", bytes.div_ceil(1024 * 1024))
}
