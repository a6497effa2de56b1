//! `authlab explain --signing-request`: the state of a CertificateSigningRequest, and what it waits for.

use std::io::Write;
use std::path::Path;

use jiff::Timestamp;
use serde_json::json;

use super::asked::read;
use super::{CommandError, Exit, Session, list, write_json};
use crate::credential::Credential;
use crate::explain::signing_request::{State, of_answer};
use crate::explain::{self, Effect, Finding};
use crate::printable::printable;
use crate::probe::{Endpoint, Question, ask};

/// Checks the file of a signing request that was not sent yet, and reports.
pub(super) async fn manifest(file: &Path, session: &Session, out: &mut dyn Write) -> Result<Exit, CommandError> {
    let findings = explain::signing_request::manifest(&read(file).await?);
    let refused = findings.iter().any(|finding| finding.effect == Effect::Cause);
    if session.output.json {
        write_json(&json!({ "file": file, "findings": findings }), out)?;
    } else {
        let verdict = if refused { "would be refused" } else { "can be sent" };
        writeln!(out, "The signing request in {}: {verdict}", printable(&file.display().to_string()))?;
        list(&findings, !refused, true, out)?;
    }
    Ok(if refused { Exit::Failed } else { Exit::Success })
}

/// Reads the signing request named `name` at `endpoint`, presenting `credential`, and reports its state.
pub(super) async fn run(
    name: &str,
    endpoint: &Endpoint,
    credential: &Credential,
    told: Vec<Finding>,
    session: &Session,
    out: &mut dyn Write,
) -> Result<Exit, CommandError> {
    let path = format!("/apis/certificates.k8s.io/v1/certificatesigningrequests/{name}");
    let answer = ask(endpoint, "you", credential, &Question::get(path)).await;
    let (state, found) = of_answer(endpoint, name, &answer, Timestamp::now());
    let findings = [told, found].concat();
    if session.output.json {
        write_json(
            &json!({ "server": endpoint.url, "signing_request": name, "state": state, "findings": findings }),
            out,
        )?;
    } else {
        writeln!(
            out,
            "The signing request {name:?} at {}: {}",
            printable(&endpoint.url),
            state.name()
        )?;
        list(&findings, state == State::Issued, true, out)?;
    }
    Ok(if state == State::Issued { Exit::Success } else { Exit::Failed })
}
