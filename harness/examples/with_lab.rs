//! A lab from Rust: starts one, or uses one that is up; issues two certificates, and sends a request with each to the API server.
//! Run it with `cargo run --example with_lab`. The lab's scope is [`with_lab`](authlab::lab::with_lab).
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "an example shows what it does")]

use anyhow::{Context as _, Result, ensure};
use authlab::credential::Credential;
use authlab::event::{Event, Events, ReasonSource, Verdict};
use authlab::lab::{Lab, LabOptions, with_lab};
use authlab::pki::{Flaw, Request};
use authlab::probe::{Endpoint, Question, ask};

#[tokio::main]
async fn main() -> Result<()> {
    // The library prints nothing: it reports progress as events.
    let events = Events::new(|event| {
        if let Event::Note { text } = event {
            eprintln!("{text}");
        }
    });
    // A running lab is used if it matches; otherwise one is started, and ends with the closure.
    with_lab(&LabOptions::default(), &events, expired_certificates_are_refused).await
}

async fn expired_certificates_are_refused(lab: Lab) -> Result<()> {
    let authority = &lab.authorities()?.clients;
    let endpoint = Endpoint::of(lab.main());

    let alice = Credential::Certificate(authority.issue(&Request::client("alice", &["platform-team"]))?);
    let answer = ask(&endpoint, "alice", &alice, &Question::who_am_i()).await;
    println!("alice: {answer}");
    ensure!(answer.verdict == Verdict::Accepted, "expected that alice is accepted");
    let identity = answer.identity.context("the answer names nobody")?;
    ensure!(
        identity.user == "alice" && identity.groups.contains("platform-team"),
        "{identity:?}"
    );

    // Issued in the same way by the same CA, with one flaw: so the flaw is the reason.
    let expired = Credential::Certificate(authority.issue(&Request::flawed("mallory", &[], Flaw::Expired))?);
    let answer = ask(&endpoint, "mallory", &expired, &Question::who_am_i()).await;
    println!("mallory: {answer}");
    ensure!(answer.verdict == Verdict::Unauthenticated, "expected that mallory is refused");
    // The reason is only in the server's log, and belongs to exactly this request.
    ensure!(answer.record.source == ReasonSource::Log, "expected a reason in the log");
    let reason = answer.record.reason.unwrap_or_default();
    ensure!(reason.contains("certificate has expired"), "another reason: {reason}");
    Ok(())
}
