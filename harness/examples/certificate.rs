//! Client certificates with keys of rcgen's: one that the lab's authority signs, and one that rcgen signs with the lab's authority.
//!
//! `cargo run --example certificate`; the API server accepts both.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "an example shows what it does")]

use anyhow::{Context as _, Result, ensure};
use authlab::credential::Credential;
use authlab::event::{Event, Events, Verdict};
use authlab::lab::{Lab, LabOptions, with_lab};
use authlab::pki::Leaf;
use authlab::probe::{Endpoint, Question, ask};
use authlab::secret::Secret;
use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, Issuer, KeyPair};

#[tokio::main]
async fn main() -> Result<()> {
    let events = Events::new(|event| {
        if let Event::Note { text } = event {
            eprintln!("{text}");
        }
    });
    with_lab(&LabOptions::default(), &events, both_are_accepted).await
}

async fn both_are_accepted(lab: Lab) -> Result<()> {
    let authority = &lab.authorities()?.clients;
    let mut alice = CertificateParams::default();
    // Kubernetes takes the common name for the user, and each organization for a group.
    alice.distinguished_name.push(DnType::CommonName, "alice");
    alice.distinguished_name.push(DnType::OrganizationName, "platform-team");

    let key = KeyPair::generate()?;
    let request = alice.serialize_request(&key)?.pem()?;
    accepted(&lab, "signed by the lab", authority.sign(&request)?, &key).await?;

    let directory = tempfile::tempdir()?;
    authority.save(directory.path(), "clients")?;
    let authoritys_key = KeyPair::from_pem(&std::fs::read_to_string(directory.path().join("clients.key"))?)?;
    let issuer = Issuer::from_ca_cert_pem(authority.certificate(), authoritys_key)?;
    alice.extended_key_usages.push(ExtendedKeyUsagePurpose::ClientAuth);
    let key = KeyPair::generate()?;
    accepted(&lab, "signed by rcgen", alice.signed_by(&key, &issuer)?.pem(), &key).await
}

async fn accepted(lab: &Lab, name: &str, certificate: String, key: &KeyPair) -> Result<()> {
    let credential = Credential::Certificate(Leaf {
        certificate,
        chain: String::new(),
        key: Secret::new(key.serialize_pem()),
    });
    let answer = ask(&Endpoint::of(lab.main()), "alice", &credential, &Question::who_am_i()).await;
    println!("{name}: {answer}");
    ensure!(answer.verdict == Verdict::Accepted, "expected that alice is accepted");
    let identity = answer.identity.context("the answer names nobody")?;
    ensure!(
        identity.user == "alice" && identity.groups.contains("platform-team"),
        "{identity:?}"
    );
    Ok(())
}
