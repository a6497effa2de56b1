//! Exec credential plugins: the clients' use of their plugins' answers (k8s.io/client-go `plugin/pkg/client/auth/exec`).
//!
//! A [`Plugin`] is a small script that records its input and prints prepared answers. [`PluginKind`] says what is special about it.

mod metrics;
mod plugin;

use std::path::Path;

use anyhow::Context;
use cucumber::{given, then};
use serde_json::{Value, json};

pub(super) use self::plugin::Plugin;
use super::clients::Home;
use super::{Person, Step};
use crate::cluster::Behaviours;
use crate::credential::exec::VERSIONS;
use crate::scenario::world::World;

phrases! {
    /// The answers of a plugin, or the peculiarity of its entry in the kubeconfig.
    enum PluginKind as "plugin_kind" {
        Token = "returns a token",
        Certificate = "returns a certificate and its key",
        PastExpiry = "returns tokens whose expiry is in the past",
        ForgedTokenFirst = "first returns a forged token and then a valid one",
        PastExpiryFirst = "first returns a certificate whose expiry is in the past",
        ClusterInfo = "is configured to receive the cluster's address",
        Missing = "does not exist",
        Fails = "exits with an error",
        OtherVersion = "answers in another API version",
        NoStatus = "answers without a status",
        NoCredential = "answers without a credential",
        HalfPair = "answers with a certificate without its key",
        NeedsTerminal = "requires a terminal",
        NoMode = "does not say whether it needs a terminal",
    }
}

requires!(issuer, cluster_signing_key if "certificate");
#[given(expr = "{person} has a plugin that {plugin_kind}")]
fn has_plugin(world: &mut World, person: Person, kind: PluginKind) -> Step {
    let user = world.user(&person)?;
    let plugin = match kind {
        PluginKind::Certificate => Plugin::of([plugin::certificate(world, &user)?]),
        PluginKind::PastExpiry => Plugin::of([plugin::expired(plugin::own_token(world, &user)?)?]),
        PluginKind::ForgedTokenFirst => Plugin::of([plugin::forged_token(world, &user)?, plugin::token(world, &user)?]),
        PluginKind::PastExpiryFirst => {
            let first = plugin::expired(plugin::own_certificate(world, &user)?)?;
            Plugin::of([first, plugin::certificate(world, &user)?])
        }
        PluginKind::OtherVersion => Plugin::of([plugin::token(world, &user)?.replace(VERSIONS[0], VERSIONS[1])]),
        PluginKind::NoStatus => Plugin::of([plugin::with_status(&Value::Null)]),
        PluginKind::NoCredential => Plugin::of([plugin::with_status(&json!({}))]),
        PluginKind::HalfPair => Plugin::of([plugin::half_pair(world, &user)?]),
        PluginKind::Token
        | PluginKind::ClusterInfo
        | PluginKind::Missing
        | PluginKind::Fails
        | PluginKind::NeedsTerminal
        | PluginKind::NoMode => Plugin::with_token(world, &person)?,
    };
    let plugin = match kind {
        PluginKind::ClusterInfo => plugin.configured("provideClusterInfo", true),
        // A bare name is looked up in PATH.
        PluginKind::Missing => plugin.configured("command", "no-such-plugin"),
        PluginKind::Fails => plugin.ending_with(7),
        PluginKind::NeedsTerminal => plugin.configured("interactiveMode", "Always"),
        PluginKind::NoMode => plugin.without("interactiveMode"),
        _ => plugin,
    };
    plugin.install(world, &person)
}

phrases! {
    /// A client's policy for plugins (KEP-3104), as in its user's preferences.
    enum Policy as "plugin_policy" {
        Deny = "no plugins",
        Another = "only another plugin",
        This = "only this plugin",
        NoList = "only listed plugins and has no list",
        EmptyList = "only listed plugins and has an empty list",
    }
}

requires!(credential_plugin_policy);
#[given(expr = "her kuberc file allows {plugin_policy}")]
fn kuberc_allows(world: &mut World, policy: Policy) -> Step {
    let home = world.notes::<Home>().path()?.to_owned();
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

phrases! {
    /// The number of calls of a plugin.
    enum Calls as "plugin_calls" {
        None = "not called",
        One = "called once",
        Several = "called more than once",
    }
}

#[then(expr = "the plugin was {plugin_calls}")]
fn was_called(world: &mut World, calls: Calls) -> Step {
    let (expected, seen) = (calls.words(), plugin::inputs(world)?.len());
    let as_expected = match calls {
        Calls::None => seen == 0,
        Calls::One => seen == 1,
        Calls::Several => seen > 1,
    };
    expect!(as_expected, "a plugin that was {expected}", "it was called {seen} times");
    Ok(())
}

phrases! {
    /// The input of a plugin.
    enum Input as "plugin_input" {
        Cluster = "the cluster's address",
        Nothing = "only that it has no terminal",
    }
}

#[then(expr = "the plugin was told {plugin_input}")]
fn was_told(world: &mut World, input: Input) -> Step {
    let endpoint = world.endpoint().url;
    let seen = plugin::inputs(world)?;
    let info = seen.first().context("expected a plugin that was called; it was not")?;
    match input {
        Input::Cluster => {
            let server = info.pointer("/spec/cluster/server").and_then(Value::as_str);
            expect!(server == Some(&endpoint), "the address {endpoint}", "the plugin was told: {info}");
        }
        Input::Nothing => expect!(
            info.pointer("/spec/cluster").is_none() && info["spec"]["interactive"] == false,
            "neither a cluster nor a terminal",
            "the plugin was told: {info}"
        ),
    }
    Ok(())
}
