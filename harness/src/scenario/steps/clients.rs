//! Clients with a kubeconfig of their own: the command-line client of the lab's version, and one built on the Rust crate kube.
//! The main type is [`Home`], the directory that such a [`Client`] finds its kubeconfig in.

use std::path::Path;

use anyhow::{Context, Result};
use cucumber::{given, then, when};
use k8s_openapi::api::authentication::v1::SelfSubjectReview;
use serde_json::Value;
use tempfile::TempDir;

use super::exec_plugins::Plugin;
use super::logins::kubeconfig::{Refresh, has_kubeconfig};
use super::{Person, Step};
use crate::credential::Credential;
use crate::kubeconfig;
use crate::pki::write_private;
use crate::probe::Endpoint;
use crate::process::Program;
use crate::scenario::world::World;
use crate::secret::{Secret, redact};

/// A directory with a kubeconfig.
#[derive(Default)]
pub(super) struct Home(Option<TempDir>);

impl Home {
    /// Returns the directory.
    pub(super) fn path(&self) -> Result<&Path> {
        Ok(self.0.as_ref().context("nobody has a kubeconfig")?.path())
    }

    /// Writes the kubeconfig to `directory`, which clients use from now on.
    pub(super) fn set_up(world: &mut World, directory: TempDir, kubeconfig: &Value) -> Step {
        write_private(&directory.path().join("kubeconfig"), &kubeconfig.to_string())?;
        world.notes::<Self>().0 = Some(directory);
        Ok(())
    }
}

/// The token that the person could present without the kubeconfig's plugin.
#[derive(Default)]
pub(super) struct OwnToken(pub(super) Option<Secret>);

/// Writes a kubeconfig for the current endpoint with the credential that the person holds.
#[given(expr = "{person} keeps the credential in a kubeconfig")]
fn keeps_in_kubeconfig(world: &mut World, person: Person) -> Step {
    let endpoint = world.endpoint();
    let credential = world.holding(&person)?.credential.clone();
    keep(world, &endpoint, &credential)
}

fn keep(world: &mut World, endpoint: &Endpoint, credential: &Credential) -> Step {
    let file = kubeconfig::json("lab", &endpoint.url, &endpoint.authority, credential)?;
    let home = world.temporary()?;
    Home::set_up(world, home, &file)
}

phrases! {
    /// A client that runs as a program or in the harness.
    enum Client as "client" {
        CommandLine = "the command-line client",
        CommandLineWithToken = "the command-line client with a token of her own",
        Kube = "a client built on the Rust crate kube",
    }
}

/// The client that was run, its success (`true`), and its output.
#[derive(Default)]
struct Ran(Option<(Client, bool, String)>);

requires!(kubectl if "the command-line client");
#[when(expr = "{person} asks the API server who {word} is through {client}")]
async fn asks_through(world: &mut World, person: Person, _pronoun: String, client: Client) -> Step {
    world.person(&person)?;
    let (succeeded, text) = run(world, client).await?;
    world.notes::<Ran>().0 = Some((client, succeeded, text));
    Ok(())
}

#[then(expr = "the client is accepted as {string}")]
fn is_accepted(world: &mut World, user: String) -> Step {
    let user = world.filled(&user)?;
    let (_, succeeded, text) = world.notes::<Ran>().0.as_ref().context("no client was run")?;
    accepted(*succeeded, text, &user)
}

#[then(expr = "the client fails, because {string}")]
fn fails(world: &mut World, reason: String) -> Step {
    let (_, succeeded, text) = world.notes::<Ran>().0.as_ref().context("no client was run")?;
    expect!(
        !succeeded && text.contains(&reason),
        "the client fails, because: {reason}",
        "it says: {}",
        redact(text)
    );
    Ok(())
}

phrases! {
    /// The part of a kubeconfig that gets the client accepted.
    enum Source as "credential_source" {
        Plugin = "a valid plugin",
        RefreshToken = "a valid refresh token",
        Certificate = "a client certificate",
        /// The credential is the same; another API server answers.
        MainAddress = "the main API server's address",
    }
}

requires!(client_certificates if "with a client certificate, the client");
#[then(expr = "with {credential_source}, the client is accepted as {string}")]
async fn is_accepted_with(world: &mut World, source: Source, user: String) -> Step {
    let person = Person::called("she");
    match source {
        Source::Plugin => Plugin::with_token(world, &person)?.install(world, &person)?,
        Source::RefreshToken => has_kubeconfig(world, person, Refresh::Valid).await?,
        Source::Certificate => {
            let user = world.user(&person)?;
            let leaf = world.client_certificate(&user, &[]).await?;
            let endpoint = world.endpoint();
            keep(world, &endpoint, &Credential::Certificate(leaf))?;
        }
        Source::MainAddress => {
            let credential = world.holding(&person)?.credential.clone();
            let endpoint = Endpoint::of(world.main());
            keep(world, &endpoint, &credential)?;
        }
    }
    let user = world.filled(&user)?;
    let (client, ..) = world.notes::<Ran>().0.as_ref().context("no client was run")?;
    let client = *client;
    let (succeeded, text) = run(world, client).await?;
    accepted(succeeded, &text, &user)
}

fn accepted(succeeded: bool, text: &str, user: &str) -> Step {
    expect!(succeeded, "accepted as \"{user}\"", "the client says: {}", redact(text));
    // A client warns of an older version in front of its answer.
    let answer = text.find('{').map_or(text, |begin| &text[begin..]);
    let review: Value = serde_json::from_str(answer).context("the client answers with JSON")?;
    let seen = review.pointer("/status/userInfo/username").and_then(Value::as_str);
    expect!(seen == Some(user), "accepted as \"{user}\"", "{seen:?}");
    Ok(())
}

/// Runs the client. Returns whether it succeeded, with the review or else what it says.
async fn run(world: &mut World, client: Client) -> Step<(bool, String)> {
    match client {
        Client::CommandLine => run_kubectl(world, None).await,
        Client::CommandLineWithToken => {
            let token = world.notes::<OwnToken>().0.clone().context("nobody has a plugin")?;
            run_kubectl(world, Some(token)).await
        }
        Client::Kube => run_kube(world).await,
    }
}

/// Runs `kubectl auth whoami`, with an option for the token if there is one.
async fn run_kubectl(world: &mut World, token: Option<Secret>) -> Step<(bool, String)> {
    let kubectl = world.kubectl()?;
    let home = world.notes::<Home>().path()?.to_owned();
    let said = home.join("said");
    let program = Program::new("kubectl", kubectl, &said)
        .environment("HOME", &home)
        // Plugins, and the programs that they use, are found there.
        .inherit(&["PATH"])
        .argument(format!("--kubeconfig={}", home.join("kubeconfig").display()))
        .arguments(["auth", "whoami", "--output=json"])
        .arguments(token.map(|token| format!("--token={}", token.expose())));
    let status = program.start().await?.ended().await?;
    Ok((status.success(), std::fs::read_to_string(&said)?))
}

/// Asks with a client of kube. A failure is described by the error and all its causes.
async fn run_kube(world: &mut World) -> Step<(bool, String)> {
    let file = world.notes::<Home>().path()?.join("kubeconfig");
    let read = kube::config::Kubeconfig::read_from(file)?;
    let config = kube::Config::from_custom_kubeconfig(read, &kube::config::KubeConfigOptions::default()).await?;
    let asked = async {
        let client = kube::Client::try_from(config)?;
        let reviews: kube::Api<SelfSubjectReview> = kube::Api::all(client);
        Ok::<_, anyhow::Error>(
            reviews
                .create(&kube::api::PostParams::default(), &SelfSubjectReview::default())
                .await?,
        )
    };
    Ok(match asked.await {
        Ok(review) => (true, serde_json::to_string(&review)?),
        Err(error) => (false, format!("{error:#}")),
    })
}
