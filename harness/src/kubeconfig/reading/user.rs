//! A user's entry (client-go `validateAuthInfo`, `getUserIdentificationPartialConfig`, `rest.TransportConfig`).
//!
//! The main function is [`read`].

use std::path::Path;

use jiff::Timestamp;

use super::cluster::has_pem;
use super::file::{Entry, Exec, User};
use super::{Reader, Told, is_tls, of_file, other_path};
use crate::credential::exec::VERSIONS;
use crate::kubeconfig::{ClusterConfig, ExecConfig, Impersonate, Trouble, UserConfig};
use crate::secret::Secret;

/// Reads the user of a context with `cluster`, and tells for what kubectl refuses it.
pub(super) fn read(
    name: &str,
    entry: &Entry<User>,
    cluster: &ClusterConfig,
    read: Reader<'_>,
    now: Timestamp,
    told: &mut Told,
) -> UserConfig {
    told.remarks.extend(entry.remarks());
    let impersonate = impersonation(name, entry, told);
    let certificate = certificate(name, entry, read, told);
    if let Some(exec) = &entry.value.exec {
        plugin(name, entry, exec, told);
    }
    let has = |secret: &Option<Secret>| secret.as_ref().is_some_and(|secret| !secret.expose().is_empty());
    let user = &entry.value;
    if has(&user.token) && (!user.username.is_empty() || has(&user.password)) {
        told.refuse(
            entry.place("token"),
            format!("more than one authentication method found for {name}; found [token basicAuth], only one is allowed"),
            "remove the token, or username and password",
        );
    }
    let named = UserConfig {
        name: name.to_owned(),
        impersonate,
        place: entry.place(""),
        ..UserConfig::default()
    };
    // kubectl presents no credential without TLS.
    if !is_tls(&cluster.server) {
        return named;
    }
    let token = token(entry, read, told);
    let basic = (!user.username.is_empty()).then(|| (user.username.clone(), user.password.clone().unwrap_or_else(|| Secret::new(""))));
    if basic.is_some() && token.is_some() && !has(&user.token) {
        told.refuse(
            entry.place("tokenFile"),
            "username/password or bearer token may be set, but not both",
            "remove tokenFile, or username and password",
        );
    }
    if let Some(exec) = &user.exec {
        version(entry, exec, told);
    }
    let auth_provider = user.auth_provider.as_ref().map(super::provider::configuration);
    let presents = token.is_some() || basic.is_some();
    if let Some(provider) = &auth_provider {
        super::provider::check(entry, provider, presents, now, told);
    }
    if user.exec.is_some() && (presents || certificate.is_some()) {
        told.remarks.push(Trouble {
            behaviour: Some("E12"),
            ..super::remark(
                entry.place("exec"),
                "the user has a credential and a plugin: kubectl does not run the plugin",
                "remove one of the two",
            )
        });
    }
    let names_certificate = !user.client_certificate.is_empty() || !user.client_certificate_data.is_empty();
    if !presents && !names_certificate && user.exec.is_none() && auth_provider.is_none() {
        told.remark(
            entry.place(""),
            format!("the user {name:?} has no credential: kubectl asks for a user name and a password"),
            "give the user a credential: a token, a client certificate with its key, or exec",
        );
    }
    let (certificate, key) = certificate.unzip();
    UserConfig {
        certificate,
        key,
        token,
        basic,
        exec: user.exec.as_ref().map(|exec| configuration(entry, exec)),
        auth_provider,
        ..named
    }
}

fn impersonation(name: &str, entry: &Entry<User>, told: &mut Told) -> Impersonate {
    let user = &entry.value;
    let extras = [
        ("as-uid", !user.as_uid.is_empty()),
        ("as-groups", !user.as_groups.is_empty()),
        ("as-user-extra", !user.as_user_extra.is_empty()),
    ];
    let given = extras.iter().find(|(_, is_given)| *is_given);
    if let (Some((field, _)), true) = (given, user.impersonate.is_empty()) {
        told.refuse(
            entry.place(field),
            format!("requesting uid, groups or user-extra for {name} without impersonating a user"),
            format!("give `as: USER` beside {field}, or remove {field}"),
        );
    }
    let values = [("as", &user.impersonate), ("as-uid", &user.as_uid)].into_iter();
    let values = values.chain(user.as_groups.iter().map(|group| ("as-groups", group)));
    // The keys are escaped in the header's name.
    let extra = user.as_user_extra.values().flatten();
    let values = values.chain(extra.map(|value| ("as-user-extra", value)));
    for (field, _) in values.filter(|(_, value)| !is_header(value)) {
        told.refuse(
            entry.place(field),
            format!("net/http: invalid header field value: {field} has a line end or another control character"),
            format!("write {field} in one line"),
        );
    }
    Impersonate {
        user: Some(user.impersonate.clone()).filter(|name| !name.is_empty()),
        uid: Some(user.as_uid.clone()).filter(|uid| !uid.is_empty()),
        groups: user.as_groups.clone(),
        extra: user.as_user_extra.clone(),
    }
}

/// Returns the certificate and its key, both PEM.
fn certificate(name: &str, entry: &Entry<User>, read: Reader<'_>, told: &mut Told) -> Option<(String, Secret)> {
    let user = &entry.value;
    let key_data = user.client_key_data.as_ref().map(Secret::expose).unwrap_or_default();
    if user.client_certificate.is_empty() && user.client_certificate_data.is_empty() {
        if !user.client_key.is_empty() || !key_data.is_empty() {
            told.remark(
                entry.place(if user.client_key.is_empty() {
                    "client-key-data"
                } else {
                    "client-key"
                }),
                "the user has a client key without its certificate, and kubectl ignores the key",
                "give client-certificate or client-certificate-data, too",
            );
        }
        return None;
    }
    let before = told.troubles.len();
    if !user.client_certificate.is_empty() && !user.client_certificate_data.is_empty() {
        let seen = format!("client-cert-data and client-cert are both specified for {name}");
        told.refuse(
            entry.place("client-certificate"),
            seen,
            "remove client-certificate or client-certificate-data",
        );
    }
    if !user.client_key.is_empty() && !key_data.is_empty() {
        let seen = format!("client-key-data and client-key are both specified for {name}");
        told.refuse(entry.place("client-key"), seen, "remove client-key or client-key-data");
    }
    if user.client_key.is_empty() && key_data.is_empty() {
        let field = if user.client_certificate.is_empty() {
            "client-certificate-data"
        } else {
            "client-certificate"
        };
        told.refuse(
            entry.place(field),
            format!("client-key-data or client-key must be specified for {name} to use the clientCert authentication method"),
            "give client-key or client-key-data, too",
        );
    }
    let mut content = |field: &'static str, what: &str, file: &str, data: &str| {
        if file.is_empty() {
            return (field, data.to_owned());
        }
        let path = entry.beside(file);
        match read(&path) {
            Ok(bytes) => (field, String::from_utf8_lossy(&bytes).into_owned()),
            Err(error) => {
                let why = of_file(&path, &error);
                let seen = format!("unable to read {what} {} for {name} due to {why}", path.display());
                told.refuse(entry.place(field), seen, other_path(file, &error));
                (field, String::new())
            }
        }
    };
    let field = |name, data, file: &str| if file.is_empty() { data } else { name };
    let certificate = content(
        field("client-certificate", "client-certificate-data", &user.client_certificate),
        "client-cert",
        &user.client_certificate,
        &user.client_certificate_data,
    );
    let key = content(
        field("client-key", "client-key-data", &user.client_key),
        "client-key",
        &user.client_key,
        key_data,
    );
    if told.troubles.len() > before {
        return None;
    }
    for ((field, text), what) in [(&certificate, "certificate"), (&key, "key")] {
        if !has_pem(text) {
            told.refuse(
                entry.place(field),
                format!("tls: failed to find any PEM data in {what} input ({field})"),
                "give it as PEM, which begins with -----BEGIN",
            );
        }
    }
    (told.troubles.len() == before).then(|| (certificate.1, Secret::new(key.1)))
}

/// Returns the token that is sent: that of the file if it has one (client-go `transport.NewBearerAuthWithRefreshRoundTripper`).
fn token(entry: &Entry<User>, read: Reader<'_>, told: &mut Told) -> Option<Secret> {
    let user = &entry.value;
    let inline = user.token.clone().filter(|token| !token.expose().is_empty());
    let (field, token) = if user.token_file.is_empty() {
        ("token", inline)
    } else {
        let path = entry.beside(&user.token_file);
        match (read(&path), inline) {
            (Ok(bytes), inline) => {
                let text = String::from_utf8_lossy(&bytes);
                match (text.trim(), inline) {
                    ("", None) => ("tokenFile", Some(Secret::new(text.as_ref())).filter(|_| !text.is_empty())),
                    ("", inline) => {
                        told.remark(
                            entry.place("tokenFile"),
                            "the file of tokenFile is empty, and kubectl takes token",
                            "remove tokenFile",
                        );
                        ("token", inline)
                    }
                    (text, inline) => {
                        if inline.is_some_and(|inline| inline.expose() != text) {
                            told.remark(
                                entry.place("token"),
                                "the user has token and tokenFile: kubectl takes that of the file",
                                "remove one of the two",
                            );
                        }
                        ("tokenFile", Some(Secret::new(text)))
                    }
                }
            }
            (Err(error), None) => {
                told.refuse(
                    entry.place("tokenFile"),
                    of_file(&path, &error),
                    other_path(&user.token_file, &error),
                );
                return None;
            }
            (Err(error), inline) => {
                told.remark(
                    entry.place("tokenFile"),
                    format!(
                        "cannot read the file of tokenFile ({}), and kubectl takes token",
                        of_file(&path, &error)
                    ),
                    other_path(&user.token_file, &error),
                );
                ("token", inline)
            }
        }
    };
    if let Some(token) = &token {
        header(entry, field, token.expose(), told);
    }
    token
}

/// Tells about a token that cannot be a header, or not the one that was meant.
fn header(entry: &Entry<User>, field: &str, token: &str, told: &mut Told) {
    if !is_header(token) {
        let what = if token.ends_with(['\n', '\r']) {
            "ends in a line break"
        } else {
            "has a line break or another control character in it"
        };
        told.refuse(
            entry.place(field),
            format!("net/http: invalid header field value for \"Authorization\": the token {what}"),
            "write the token in one line (after `|`, YAML keeps the line end: `|-` does not)",
        );
    } else if token.trim() != token || token.starts_with("Bearer ") {
        told.remark(
            entry.place(field),
            "the token has spaces around it, or the word Bearer before it",
            "give the token alone",
        );
    }
}

/// Returns `true` if Go sends the text as the value of a header (golang.org/x/net/http/httpguts `ValidHeaderFieldValue`).
pub(in crate::kubeconfig) fn is_header(value: &str) -> bool {
    !value.chars().any(|c| c.is_ascii_control() && c != '\t')
}

/// Tells for what kubectl refuses a plugin's configuration (client-go `validateAuthInfo`).
fn plugin(name: &str, entry: &Entry<User>, exec: &Exec, told: &mut Told) {
    let place = |field: &str| entry.place(&format!("exec.{field}"));
    let to_use = format!("for {name} to use exec authentication plugin");
    if entry.value.auth_provider.is_some() {
        told.refuse(
            entry.place("auth-provider"),
            format!("authProvider cannot be provided in combination with an exec plugin for {name}"),
            "remove auth-provider",
        );
    }
    if exec.command.is_empty() {
        told.refuse(
            place("command"),
            format!("command must be specified {to_use}"),
            "give command: PROGRAM",
        );
    }
    if exec.api_version.is_empty() {
        let seen = format!("apiVersion must be specified {to_use}");
        told.refuse(place("apiVersion"), seen, format!("give apiVersion: {}", VERSIONS[0]));
    }
    if exec.env.iter().any(|variable| variable.name.is_empty()) {
        let seen = format!("env variable name must be specified {to_use}");
        told.refuse(place("env"), seen, "give each variable `name` and `value`");
    }
    match exec.interactive_mode.as_str() {
        "Never" | "IfAvailable" | "Always" => {}
        // kubectl sets IfAvailable for these.
        "" if exec.api_version.ends_with("/v1beta1") || exec.api_version.ends_with("/v1alpha1") => {}
        "" => {
            let seen = format!("interactiveMode must be specified {to_use}");
            let change = "give interactiveMode: IfAvailable, Never or Always";
            told.troubles.push(Trouble {
                is_refused: true,
                behaviour: Some("E7"),
                ..super::remark(place("interactiveMode"), seen, change)
            });
        }
        other => told.refuse(
            place("interactiveMode"),
            format!("invalid interactiveMode for {name}: {other:?}"),
            "give interactiveMode: IfAvailable, Never or Always",
        ),
    }
}

/// Tells about a version that kubectl does not speak (client-go `plugin/pkg/client/auth/exec`).
fn version(entry: &Entry<User>, exec: &Exec, told: &mut Told) {
    let version = exec.api_version.as_str();
    if version.is_empty() || VERSIONS.contains(&version) {
        return;
    }
    let program = Path::new(&exec.command).file_name().and_then(|name| name.to_str());
    let change = match (version, program) {
        (_, Some("aws")) => "update the AWS CLI, and run `aws eks update-kubeconfig --name CLUSTER`".to_owned(),
        ("client.authentication.k8s.io/v1alpha1", _) => {
            "write apiVersion: client.authentication.k8s.io/v1beta1, and update the program so that it answers in it: kubectl takes no v1alpha1 since 1.24"
                .to_owned()
        }
        _ => format!("write one of the versions that kubectl speaks: {}", VERSIONS.join(", ")),
    };
    told.refuse(
        entry.place("exec.apiVersion"),
        format!("exec plugin: invalid apiVersion {version:?}"),
        change,
    );
}

fn configuration(entry: &Entry<User>, exec: &Exec) -> ExecConfig {
    ExecConfig {
        api_version: exec.api_version.clone(),
        command: exec.command.clone(),
        args: exec.args.clone(),
        env: exec
            .env
            .iter()
            .map(|variable| (variable.name.clone(), variable.value.clone()))
            .collect(),
        install_hint: Some(exec.install_hint.clone()).filter(|hint| !hint.is_empty()),
        provide_cluster_info: exec.provide_cluster_info,
        interactive_mode: Some(exec.interactive_mode.clone()).filter(|mode| !mode.is_empty()),
        directory: entry.directory().to_owned(),
    }
}
