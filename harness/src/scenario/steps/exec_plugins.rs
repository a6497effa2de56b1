//! Exec credential plugins: the clients' use of their plugins' answers (k8s.io/client-go `plugin/pkg/client/auth/exec`).
//!
//! A plugin is a program: here a small script that records its input and prints prepared answers. Its clients are kubectl
//! of the lab's version, and kube.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use cucumber::{given, then, when};
use k8s_openapi::api::authentication::v1::SelfSubjectReview;
use serde_json::{Value, json};

use super::kubectl_logins::{AtHand, accepted, who_am_i_with};
use super::{Person, Step};
use crate::cluster::Behaviours;
use crate::credential::Credential;
use crate::credential::exec::{ExecInfo, VERSIONS};
use crate::kubeconfig;
use crate::pki::{Leaf, Request, write_private};
use crate::scenario::world::World;
use crate::secret::{Secret, redact};

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

phrases! {
    /// The credential that a plugin gives, in words.
    enum Gift as "plugin_gift" {
        Token = "a token",
        Certificate = "a certificate and its key",
    }
}

phrases! {
    /// The flaw of a plugin, or of its entry in the kubeconfig.
    enum PluginFlaw as "plugin_flaw" {
        Missing = "is not there",
        Fails = "ends with an error",
        OtherVersion = "answers in another version",
        NoStatus = "answers without a status",
        NoCredential = "answers without a credential",
        HalfPair = "answers with a certificate without its key",
        NeedsTerminal = "needs a terminal",
        NoMode = "does not say whether it needs a terminal",
    }
}

phrases! {
    /// A client's policy for plugins (KEP-3104), as in its user's preferences.
    enum Policy as "plugin_policy" {
        Deny = "no plugins at all",
        Another = "only another plugin",
        This = "only this plugin",
        NoList = "only plugins of a list that is missing",
        EmptyList = "only plugins of an empty list",
    }
}

/// A plugin to be written, and its entry in the kubeconfig.
struct Plugin {
    answers: Vec<String>,
    ends: u8,
    exec: Value,
}

/// The token that the person could present without any plugin.
#[derive(Default)]
struct OwnToken(Option<Secret>);

requires!(issuer, cluster_signing_key if "certificate");
#[given(expr = "{person} has a plugin that gives her {plugin_gift}")]
fn has_plugin(world: &mut World, person: Person, gift: Gift) -> Step {
    let answer = sound(world, &person, gift)?;
    lay_out(world, &person, &Plugin::of(vec![answer]))
}

requires!(issuer, cluster_signing_key if "certificate");
#[given(expr = "{person} has a plugin that {plugin_flaw}")]
fn has_flawed_plugin(world: &mut World, person: Person, flaw: PluginFlaw) -> Step {
    let token = sound(world, &person, Gift::Token)?;
    let mut plugin = Plugin::of(vec![token.clone()]);
    match flaw {
        // A bare name is looked up in PATH.
        PluginFlaw::Missing => plugin.exec["command"] = "no-such-plugin".into(),
        PluginFlaw::Fails => plugin.ends = 7,
        PluginFlaw::OtherVersion => plugin.answers = vec![token.replace(VERSIONS[0], VERSIONS[1])],
        PluginFlaw::NoStatus => plugin.answers = vec![with_status(&Value::Null)],
        PluginFlaw::NoCredential => plugin.answers = vec![with_status(&json!({}))],
        PluginFlaw::HalfPair => {
            let leaf = certificate(world, &person)?;
            plugin.answers = vec![with_status(&json!({ "clientCertificateData": leaf.full_chain() }))];
        }
        PluginFlaw::NeedsTerminal => plugin.exec["interactiveMode"] = "Always".into(),
        PluginFlaw::NoMode => {
            if let Some(exec) = plugin.exec.as_object_mut() {
                exec.remove("interactiveMode");
            }
        }
    }
    lay_out(world, &person, &plugin)
}

requires!(issuer);
#[given(expr = "{person} has a plugin whose first token has a wrong signature")]
fn has_plugin_with_forged_token(world: &mut World, person: Person) -> Step {
    let forged = world.signer()?.token("rs256")?.subject(&person.user());
    let forged = forged.forged(crate::identity_provider::issuer::Forgery::UnknownKey).sign()?;
    let answers = vec![answer(Credential::Token(forged))?, sound(world, &person, Gift::Token)?];
    lay_out(world, &person, &Plugin::of(answers))
}

requires!(issuer);
#[given(expr = "{person} has a plugin whose tokens are over at once")]
fn has_plugin_with_short_tokens(world: &mut World, person: Person) -> Step {
    let token = world.signer()?.token("rs256")?.subject(&person.user()).sign()?;
    let past = jiff::Timestamp::now() - Duration::from_secs(60);
    let given = ExecInfo::by_hand(false).answer(&Credential::Token(token), Some(past))?;
    lay_out(world, &person, &Plugin::of(vec![given.to_string()]))
}

requires!(cluster_signing_key, issuer);
#[given(expr = "{person} has a plugin whose first certificate is over at once")]
fn has_plugin_with_short_certificate(world: &mut World, person: Person) -> Step {
    let first = certificate(world, &person)?;
    let past = jiff::Timestamp::now() - Duration::from_secs(60);
    let first = ExecInfo::by_hand(false).answer(&Credential::Certificate(first), Some(past))?;
    let next = sound(world, &person, Gift::Certificate)?;
    lay_out(world, &person, &Plugin::of(vec![first.to_string(), next]))
}

requires!(issuer);
#[given(expr = "{person} has a plugin that is told of the cluster")]
fn has_plugin_told_of_cluster(world: &mut World, person: Person) -> Step {
    let mut plugin = Plugin::of(vec![sound(world, &person, Gift::Token)?]);
    plugin.exec["provideClusterInfo"] = true.into();
    lay_out(world, &person, &plugin)
}

requires!(credential_plugin_policy);
#[given(expr = "her client allows {plugin_policy}")]
fn client_allows(world: &mut World, policy: Policy) -> Step {
    let home = world.notes::<AtHand>().home()?.to_owned();
    let field = Behaviours::known()
        .value("plugin_allowlist_field", world.version())
        .context("this kubectl has no list of plugins")?;
    let entry = |command: &Path| json!([{ (field): command }]);
    let (name, list) = match policy {
        Policy::Deny => ("DenyAll", None),
        Policy::NoList => ("Allowlist", None),
        Policy::EmptyList => ("Allowlist", Some(json!([]))),
        Policy::This => ("Allowlist", Some(entry(&home.join("plugin")))),
        Policy::Another => ("Allowlist", Some(entry(&home.join("another")))),
    };
    let mut preferences = json!({ "apiVersion": "kubectl.config.k8s.io/v1beta1", "kind": "Preference", "credentialPluginPolicy": name });
    if let Some(list) = list {
        preferences["credentialPluginAllowlist"] = list;
    }
    let directory = home.join(".kube");
    std::fs::create_dir_all(&directory)?;
    Ok(std::fs::write(directory.join("kuberc"), preferences.to_string())?)
}

requires!(kubectl);
#[when(expr = "{person} asks the command-line client who she is, with a token of her own")]
async fn asks_with_own_token(world: &mut World, person: Person) -> Step {
    world.person(&person)?;
    let token = world.notes::<OwnToken>().0.clone().context("nobody has a plugin")?;
    let answer = who_am_i_with(world, &[format!("--token={}", token.expose())]).await?;
    world.notes::<AtHand>().answer = Some(answer);
    Ok(())
}

#[when(expr = "{person} asks a client made with kube who she is")]
async fn asks_with_kube(world: &mut World, person: Person) -> Step {
    world.person(&person)?;
    let answer = ask_with_kube(world).await?;
    world.notes::<AtHand>().answer = Some(answer);
    Ok(())
}

requires!(issuer, kubectl);
#[then(expr = "with a plugin that is sound, the client says that {person} is accepted as {string}")]
async fn told_with_sound_plugin(world: &mut World, person: Person, user: String) -> Step {
    let person = world.person(&person)?;
    let plugin = Plugin::of(vec![sound(world, &person, Gift::Token)?]);
    lay_out(world, &person, &plugin)?;
    accepted(&who_am_i_with(world, &[]).await?, &user)
}

requires!(issuer);
#[then(expr = "with a plugin that is sound, the client made with kube says that {person} is accepted as {string}")]
async fn kube_told_with_sound_plugin(world: &mut World, person: Person, user: String) -> Step {
    let person = world.person(&person)?;
    let plugin = Plugin::of(vec![sound(world, &person, Gift::Token)?]);
    lay_out(world, &person, &plugin)?;
    accepted(&ask_with_kube(world).await?, &user)
}

#[then(expr = "the client is refused, because {string}")]
fn refused(world: &mut World, reason: String) -> Step {
    let (succeeded, text) = world.notes::<AtHand>().answer.as_ref().context("the client was not asked")?;
    expect!(
        !succeeded && text.contains(&reason),
        "the client is refused, because: {reason}",
        "it says: {}",
        redact(text)
    );
    Ok(())
}

#[then("the plugin was not asked")]
fn not_asked(world: &mut World) -> Step {
    asked_times(world, 0)
}

#[then("the plugin was asked once")]
fn asked_once(world: &mut World) -> Step {
    asked_times(world, 1)
}

#[then("the plugin was asked again")]
fn asked_again(world: &mut World) -> Step {
    let seen = told(world)?.len();
    expect!(seen > 1, "a plugin that was asked more than once", "it was asked {seen} times");
    Ok(())
}

#[then("the plugin was told the address of the cluster")]
fn told_of_cluster(world: &mut World) -> Step {
    let endpoint = world.endpoint().url;
    let seen = told(world)?;
    let server = seen
        .first()
        .and_then(|info| info.pointer("/spec/cluster/server"))
        .and_then(Value::as_str);
    expect!(server == Some(&endpoint), "the address {endpoint}", "the plugin was told: {seen:?}");
    Ok(())
}

#[then("the plugin was told of no cluster, and that nobody can be asked")]
fn told_of_no_cluster(world: &mut World) -> Step {
    let seen = told(world)?;
    let info = seen.first().context("expected a plugin that was asked; it was not")?;
    expect!(
        info.pointer("/spec/cluster").is_none() && info["spec"]["interactive"] == false,
        "neither a cluster nor a person",
        "the plugin was told: {info}"
    );
    Ok(())
}

fn asked_times(world: &mut World, expected: usize) -> Step {
    let seen = told(world)?.len();
    expect!(
        seen == expected,
        "a plugin that was asked {expected} times",
        "it was asked {seen} times"
    );
    Ok(())
}

/// Returns the recorded inputs of the plugin, one per call.
fn told(world: &mut World) -> Step<Vec<Value>> {
    let file = world.notes::<AtHand>().home()?.join("told");
    if !file.exists() {
        return Ok(Vec::new());
    }
    let lines = std::fs::read_to_string(file)?;
    Ok(lines.lines().map(serde_json::from_str).collect::<Result<_, _>>()?)
}

impl Plugin {
    /// Returns a plugin that gives these answers, one per call.
    fn of(answers: Vec<String>) -> Self {
        Self {
            answers,
            ends: 0,
            exec: json!({ "apiVersion": VERSIONS[0], "interactiveMode": "IfAvailable" }),
        }
    }
}

fn answer(credential: Credential) -> Step<String> {
    let expires = jiff::Timestamp::now() + Duration::from_secs(3600);
    Ok(ExecInfo::by_hand(false).answer(&credential, Some(expires))?.to_string())
}

fn with_status(status: &Value) -> String {
    let mut answer = json!({ "apiVersion": VERSIONS[0], "kind": "ExecCredential" });
    if !status.is_null() {
        answer["status"] = status.clone();
    }
    answer.to_string()
}

fn certificate(world: &mut World, person: &Person) -> Step<Leaf> {
    let person = world.person(person)?;
    Ok(world.client_authority()?.issue(&Request::client(&person.user(), &[]))?)
}

fn sound(world: &mut World, person: &Person, gift: Gift) -> Step<String> {
    let person = world.person(person)?;
    match gift {
        Gift::Token => {
            let token = world.signer()?.token("rs256")?.subject(&person.user()).sign()?;
            answer(Credential::Token(token))
        }
        Gift::Certificate => {
            let leaf = certificate(world, &person)?;
            answer(Credential::Certificate(leaf))
        }
    }
}

/// Writes the plugin and a kubeconfig that runs it.
fn lay_out(world: &mut World, person: &Person, plugin: &Plugin) -> Step {
    let person = world.person(person)?;
    let own = world.signer()?.token("rs256")?.subject(&person.user()).sign()?;
    world.notes::<OwnToken>().0 = Some(own);
    let home = world.temporary()?;
    let (last, before) = plugin.answers.split_last().context("a plugin answers something")?;
    for (index, text) in before.iter().enumerate() {
        write_private(&home.path().join(format!("answer.{}", index + 1)), text)?;
    }
    write_private(&home.path().join("answer"), last)?;
    std::fs::write(home.path().join("ends"), plugin.ends.to_string())?;
    let program = home.path().join("plugin");
    std::fs::write(&program, SCRIPT)?;
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o700))?;
    let endpoint = world.endpoint();
    let mut file = kubeconfig::json("lab", &endpoint.url, &endpoint.authority, &Credential::Nothing)?;
    let mut exec = plugin.exec.clone();
    if exec.get("command").is_none() {
        exec["command"] = json!(program);
    }
    file["users"][0]["user"] = json!({ "exec": exec });
    write_private(&home.path().join("kubeconfig"), &file.to_string())?;
    world.notes::<AtHand>().home = Some(home);
    Ok(())
}

/// Asks with a client made with kube. Returns whether that succeeded, with the review or else the error and all its causes.
async fn ask_with_kube(world: &mut World) -> Step<(bool, String)> {
    let file = world.notes::<AtHand>().home()?.join("kubeconfig");
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
