//! The [`Plugin`] of a scenario: its answers, its entry in a kubeconfig, and the record of its calls.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::credential::Credential;
use crate::credential::exec::{ExecInfo, VERSIONS};
use crate::identity_provider::issuer::{Forgery, Token};
use crate::kubeconfig;
use crate::pki::{Leaf, Request, write_private};
use crate::scenario::steps::clients::{Home, OwnToken};
use crate::scenario::steps::{Person, Step};
use crate::scenario::world::World;

/// The plugin's script: it records its input, prints its answers one after the other (the last one again and again), and exits.
const SCRIPT: &str = r#"#!/bin/sh
here=${0%/*}
# What clients say may end with a line break of its own.
told=$(printf '%s' "$KUBERNETES_EXEC_INFO")
printf '%s\n' "$told" >> "$here/told"
asked=$(wc -l < "$here/told")
answer=$here/answer.$((asked))
[ -f "$answer" ] || answer=$here/answer
cat "$answer"
exit "$(cat "$here/ends")"
"#;

/// A plugin to be written, and its entry in the kubeconfig.
pub(in crate::scenario::steps) struct Plugin {
    answers: Vec<String>,
    ends: u8,
    exec: Value,
}

impl Plugin {
    /// Returns a plugin that gives these answers, one per call.
    pub(super) fn of(answers: impl Into<Vec<String>>) -> Self {
        Self {
            answers: answers.into(),
            ends: 0,
            exec: json!({ "apiVersion": VERSIONS[0], "interactiveMode": "IfAvailable" }),
        }
    }

    /// Returns a plugin that gives a valid token of the person.
    pub(in crate::scenario::steps) fn with_token(world: &mut World, person: &Person) -> Step<Self> {
        let user = world.user(person)?;
        Ok(Self::of([token(world, &user)?]))
    }

    /// Sets a field of the entry in the kubeconfig.
    pub(super) fn configured(mut self, field: &str, value: impl Into<Value>) -> Self {
        self.exec[field] = value.into();
        self
    }

    /// Removes a field of the entry in the kubeconfig.
    pub(super) fn without(mut self, field: &str) -> Self {
        if let Some(exec) = self.exec.as_object_mut() {
            exec.remove(field);
        }
        self
    }

    /// Sets the exit status.
    pub(super) fn ending_with(mut self, status: u8) -> Self {
        self.ends = status;
        self
    }

    /// Writes the plugin and a kubeconfig that runs it.
    pub(in crate::scenario::steps) fn install(self, world: &mut World, person: &Person) -> Step {
        let user = world.user(person)?;
        let own = issued(world, &user)?.sign()?;
        world.notes::<OwnToken>().0 = Some(own);
        let endpoint = world.endpoint();
        let mut file = kubeconfig::json("lab", &endpoint.url, &endpoint.authority, &Credential::Nothing)?;
        let home = world.temporary()?;
        let program = home.path().join("plugin");
        let mut exec = self.exec;
        if exec.get("command").is_none() {
            exec["command"] = json!(program);
        }
        file["users"][0]["user"] = json!({ "exec": exec });
        let (last, before) = self.answers.split_last().context("a plugin answers something")?;
        for (index, text) in before.iter().enumerate() {
            write_private(&home.path().join(format!("answer.{}", index + 1)), text)?;
        }
        write_private(&home.path().join("answer"), last)?;
        std::fs::write(home.path().join("ends"), self.ends.to_string())?;
        std::fs::write(&program, SCRIPT)?;
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o700))?;
        Home::set_up(world, home, &file)
    }
}

/// Returns the recorded inputs of the plugin, one per call.
pub(super) fn inputs(world: &mut World) -> Step<Vec<Value>> {
    let file = world.notes::<Home>().path()?.join("told");
    if !file.exists() {
        return Ok(Vec::new());
    }
    let lines = std::fs::read_to_string(file)?;
    Ok(lines.lines().map(serde_json::from_str).collect::<Result<_, _>>()?)
}

/// Returns the answer with a valid token.
pub(super) fn token(world: &World, user: &str) -> Step<String> {
    valid(own_token(world, user)?)
}

/// Returns the answer with a token that the issuer did not sign.
pub(super) fn forged_token(world: &World, user: &str) -> Step<String> {
    valid(Credential::Token(issued(world, user)?.forged(Forgery::UnknownKey).sign()?))
}

/// Returns the answer with a valid certificate and its key.
pub(super) fn certificate(world: &World, user: &str) -> Step<String> {
    valid(own_certificate(world, user)?)
}

/// Returns an answer with a valid certificate, without its key.
pub(super) fn half_pair(world: &World, user: &str) -> Step<String> {
    let certificate = leaf(world, user)?.full_chain();
    Ok(with_status(&json!({ "clientCertificateData": certificate })))
}

/// Returns a valid token of the user.
pub(super) fn own_token(world: &World, user: &str) -> Step<Credential> {
    Ok(Credential::Token(issued(world, user)?.sign()?))
}

/// Returns a valid certificate of the user.
pub(super) fn own_certificate(world: &World, user: &str) -> Step<Credential> {
    Ok(Credential::Certificate(leaf(world, user)?))
}

/// Returns the answer with the credential, whose expiry is in the past.
pub(super) fn expired(credential: Credential) -> Step<String> {
    let past = jiff::Timestamp::now() - Duration::from_secs(60);
    Ok(ExecInfo::by_hand(false).answer(&credential, Some(past))?.to_string())
}

/// Returns an answer with the status, or without one if it is null.
pub(super) fn with_status(status: &Value) -> String {
    let mut answer = json!({ "apiVersion": VERSIONS[0], "kind": "ExecCredential" });
    if !status.is_null() {
        answer["status"] = status.clone();
    }
    answer.to_string()
}

/// Returns the answer with the credential, which expires in an hour.
fn valid(credential: Credential) -> Step<String> {
    let expires = jiff::Timestamp::now() + Duration::from_secs(3600);
    Ok(ExecInfo::by_hand(false).answer(&credential, Some(expires))?.to_string())
}

fn issued(world: &World, user: &str) -> Step<Token> {
    Ok(world.signer()?.token("rs256")?.subject(user))
}

fn leaf(world: &World, user: &str) -> Step<Leaf> {
    Ok(world.client_authority()?.issue(&Request::client(user, &[]))?)
}
