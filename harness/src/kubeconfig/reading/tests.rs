//! Kubeconfigs as people have them, and what is made of each.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::table::{Pem, Verdict, cases};
use super::*;
use crate::secret::Secret;

struct Folder(BTreeMap<PathBuf, Vec<u8>>);

impl Folder {
    fn of(files: &[(&str, &str)]) -> Self {
        Self(
            files
                .iter()
                .map(|(name, text)| (PathBuf::from(name), text.as_bytes().to_vec()))
                .collect(),
        )
    }

    fn read(&self, files: &[&str], context: Option<&str>) -> Result<ClientConfig, Vec<Trouble>> {
        let files: Vec<PathBuf> = files.iter().map(PathBuf::from).collect();
        let read = |path: &Path| {
            let plain: PathBuf = path.components().filter(|part| part.as_os_str() != ".").collect();
            match self.0.get(&plain) {
                Some(bytes) => Ok(bytes.clone()),
                None if path.ends_with(".") || plain.as_os_str().is_empty() || plain == Path::new("place") => {
                    Err(io::ErrorKind::IsADirectory.into())
                }
                None => Err(io::ErrorKind::NotFound.into()),
            }
        };
        read_with(&files, context, &read, Timestamp::from_second(2_000_000_000).unwrap())
    }
}

fn pem(label: &str) -> String {
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", "QUJD".repeat(16))
}

/// Returns a file with that cluster and that user.
fn file(cluster: &str, user: &str) -> String {
    format!(
        "current-context: c\ncontexts: [{{name: c, context: {{cluster: k, user: u}}}}]\nclusters:\n- {{name: k, cluster: {cluster}}}\nusers:\n- {{name: u, user: {user}}}\n"
    )
}

fn of(cluster: &str, user: &str) -> Result<ClientConfig, Vec<Trouble>> {
    Folder::of(&[("place/k", &file(cluster, user))]).read(&["place/k"], None)
}

const SOUND: &str = "{server: 'https://a.test'}";

fn seen(told: &[Trouble]) -> String {
    let lines = told.iter().map(|trouble| {
        let place = trouble.place.as_ref().map(ToString::to_string).unwrap_or_default();
        format!("{place}: {} -> {}", trouble.seen, trouble.change)
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn every_kubeconfig_of_the_table_is_read_as_kubectl_reads_it() {
    let pem = Pem {
        authority: pem("CERTIFICATE"),
        certificate: pem("CERTIFICATE"),
        key: pem("PRIVATE KEY"),
    };
    let mut wrong = Vec::new();
    for case in cases() {
        let mut folder = Folder(
            pem.files()
                .into_iter()
                .map(|(name, bytes)| (Path::new("place").join(name), bytes))
                .collect(),
        );
        let names: Vec<String> = (0..case.files(&pem).len()).map(|index| format!("place/{index}")).collect();
        for (name, bytes) in names.iter().zip(case.files(&pem)) {
            folder.0.insert(PathBuf::from(name), bytes);
        }
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let read = folder.read(&names, case.context.as_deref());
        let (verdict, said) = match &read {
            Ok(config) if seen(&config.remarks).contains("asks for a user name") => (Verdict::Prompts, seen(&config.remarks)),
            Ok(config) => (Verdict::Asks, seen(&config.remarks)),
            Err(told) if seen(told).contains("kubectl asks http://localhost:8080") => (Verdict::Elsewhere, seen(told)),
            Err(told) => (Verdict::Refuses, seen(told)),
        };
        let expected = case.ours.unwrap_or(case.kubectl);
        let words = case.our_words.as_ref().or(case.words.as_ref().filter(|_| case.ours.is_none()));
        if verdict != expected || words.is_some_and(|words| !said.contains(words)) {
            wrong.push(format!("{}: {verdict:?} (expected {expected:?}, {words:?}): {said}", case.name));
        }
        if let Err(told) = read {
            assert!(
                told.iter().all(|trouble| trouble.place.is_some() || case.context.is_some()),
                "{}: {told:?}",
                case.name
            );
            assert!(told.iter().all(|trouble| !trouble.change.is_empty()), "{}: {told:?}", case.name);
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn everything_that_is_wrong_is_told_at_once_with_its_line() {
    let text = "current-context: c\ncontexts:\n- name: c\n  context: {cluster: k, user: u}\nclusters:\n- name: k\n  cluster:\n    server: https://a.test\n    \
                certificate-authority: ca.crt\n    proxy-url: proxy:1\nusers:\n- name: u\n  user:\n    client-certificate-data: '???'\n    token: 7\n    as-groups: [a]\n- name: u\n  user: {}\n";
    let told = Folder::of(&[("place/k", text)]).read(&["place/k"], None).unwrap_err();
    let told = seen(&told);
    for expected in [
        "place/k:14: illegal base64 data at input byte 0 (client-certificate-data)",
        "place/k:15: json: cannot unmarshal number into Go struct field AuthInfo.users.user.token of type string -> write quotes",
        "place/k:17: error converting *[]NamedAuthInfo into *map[string]*api.AuthInfo: duplicate name \"u\" in list (the other one is in line 12)",
        "place/k:9: unable to read certificate-authority place/ca.crt for k due to open place/ca.crt: no such file or directory",
        "place/k:10: invalid 'proxy-url' \"proxy:1\" for cluster \"k\": unsupported scheme",
        "place/k:16: requesting uid, groups or user-extra for u without impersonating a user",
    ] {
        assert!(told.contains(expected), "{expected}\n{told}");
    }
}

#[test]
fn the_first_file_counts_for_each_name_and_the_other_is_told() {
    let a = "contexts: [{name: a, context: {cluster: ka, user: kubernetes-admin}}]\nclusters: [{name: ka, cluster: {server: 'https://a.test'}}]\n\
             users: [{name: kubernetes-admin, user: {token: of-a}}]\n";
    let b = "current-context: b\ncontexts: [{name: b, context: {cluster: kb, user: kubernetes-admin, namespace: dev}}]\n\
             clusters: [{name: kb, cluster: {server: 'https://b.test', certificate-authority: ca/b.crt}}]\n\
             users:\n- {name: kubernetes-admin, user: {token: of-b}}\n- {name: carol, user: {exec: {apiVersion: client.authentication.k8s.io/v1beta1, command: ../bin/token}}}\n";
    let authority = pem("CERTIFICATE");
    let folder = Folder::of(&[("a/config", a), ("b/config", b), ("b/ca/b.crt", &authority)]);
    // The current context of the second file, its cluster with a path beside it, and the user of the first.
    let read = folder.read(&["a/config", "nowhere", "b/config"], None).unwrap();
    assert_eq!((read.context.as_str(), read.namespace.as_deref()), ("b", Some("dev")));
    assert_eq!(read.cluster.server, "https://b.test");
    assert_eq!(read.cluster.authority.as_deref(), Some(authority.as_str()));
    assert_eq!(read.user.token.as_ref().map(Secret::expose), Some("of-a"));
    let remarks = seen(&read.remarks);
    assert!(
        remarks.contains("b/config:5: the user \"kubernetes-admin\" is that of a/config; the one of b/config is not used -> rename one"),
        "{remarks}"
    );
    assert!(
        remarks.contains("nowhere: stat nowhere: no such file or directory: kubectl skips the file"),
        "{remarks}"
    );
    // One file alone, or the other order: its own user, and nothing to say.
    let read = folder.read(&["b/config"], None).unwrap();
    assert_eq!(read.user.token.as_ref().map(Secret::expose), Some("of-b"));
    assert!(read.remarks.is_empty(), "{}", seen(&read.remarks));
    // Equal entries hide nothing.
    let read = folder.read(&["a/config", "a/config"], Some("a")).unwrap();
    assert!(read.remarks.is_empty(), "{}", seen(&read.remarks));
    for files in [&["nowhere"][..], &["nowhere", "neither"]] {
        let told = seen(&folder.read(files, None).unwrap_err());
        assert!(
            told.contains("nowhere: stat nowhere: no such file or directory -> name a kubeconfig"),
            "{told}"
        );
    }
}

#[test]
fn a_plugins_configuration_is_kept_with_the_directory_of_its_file() {
    let read = of(
        "{server: 'https://a.test', disable-compression: true, extensions: [{name: other, extension: 1}, {name: client.authentication.k8s.io/exec, extension: {audience: x, size: 3}}]}",
        "{exec: {apiVersion: client.authentication.k8s.io/v1, command: ../bin/token, args: [a, b], env: [{name: A, value: '1'}], \
         interactiveMode: Never, provideClusterInfo: true, installHint: get it}}",
    )
    .unwrap();
    assert_eq!(read.cluster.exec_extension, Some(serde_json::json!({ "audience": "x", "size": 3 })));
    assert!(read.cluster.disable_compression);
    let exec = read.user.plugin().unwrap();
    assert_eq!(
        (exec.directory.as_path(), exec.command.as_str()),
        (Path::new("place"), "../bin/token")
    );
    assert_eq!(
        (exec.args.as_slice(), exec.env.as_slice()),
        (&["a".to_owned(), "b".to_owned()][..], &[("A".to_owned(), "1".to_owned())][..])
    );
    assert!(exec.provide_cluster_info && exec.install_hint.as_deref() == Some("get it"));
    assert_eq!(exec.interactive_mode.as_deref(), Some("Never"));
}

#[test]
fn a_credential_beside_a_plugin_or_a_provider_takes_precedence() {
    let exec = "exec: {apiVersion: client.authentication.k8s.io/v1beta1, command: x}";
    for own in ["token: t", "username: a, password: b"] {
        let read = of(SOUND, &format!("{{{exec}, {own}}}")).unwrap();
        assert!(read.user.exec.is_some() && read.user.plugin().is_none(), "{own}");
    }
    let oidc =
        "auth-provider: {name: oidc, config: {idp-issuer-url: 'https://i.test', client-id: a, id-token: e30.eyJleHAiOjQwMDAwMDAwMDB9.x}}";
    let read = of(SOUND, &format!("{{{oidc}}}")).unwrap();
    assert!(read.user.id_token().is_some() && read.remarks.is_empty());
    assert!(of(SOUND, &format!("{{{oidc}, token: t}}")).unwrap().user.id_token().is_none());
    let refreshed = of(
        SOUND,
        "{auth-provider: {name: oidc, config: {idp-issuer-url: 'https://i.test', client-id: a, refresh-token: r}}}",
    )
    .unwrap();
    assert!(
        seen(&refreshed.remarks).contains("kubectl fetches one with the refresh-token -> authlab does not"),
        "{}",
        seen(&refreshed.remarks)
    );
}

#[test]
fn what_kubectl_would_do_first_is_said() {
    let now = Timestamp::from_second(2_000_000_000).unwrap();
    let beyond = |user: &str| of(SOUND, user).unwrap().beyond(now).unwrap_or_default();
    let oidc =
        |fields: &str| format!("{{auth-provider: {{name: oidc, config: {{idp-issuer-url: 'https://i.test', client-id: a, {fields}}}}}}}");
    // The ID tokens expire at 1000, 4000000000, -1e300, and never.
    let expired = "id-token: e30.eyJleHAiOjEwMDB9.x, refresh-token: r";
    let refreshes = "kubectl would refresh the ID token at https://i.test first; authlab does not";
    assert_eq!(beyond(&oidc(expired)), refreshes);
    assert_eq!(beyond(&oidc("id-token: e30.eyJleHAiOi0xZTMwMH0.x, refresh-token: r")), refreshes);
    assert_eq!(beyond(&oidc("id-token: e30.e30.x, refresh-token: r")), refreshes);
    assert!(beyond(&oidc("refresh-token: r")).starts_with("kubectl would fetch an ID token at https://i.test first"));
    assert_eq!(beyond(&oidc("id-token: e30.eyJleHAiOjQwMDAwMDAwMDB9.x, refresh-token: r")), "");
    let asks = "kubectl would ask for a user name and a password first; authlab does not";
    for user in ["{}", "{as: alice}", "{password: p}"] {
        assert_eq!(beyond(user), asks, "{user}");
    }
    for user in [
        "{token: t}",
        "{username: a}",
        "{exec: {apiVersion: client.authentication.k8s.io/v1beta1, command: x}}",
        &oidc(expired).replace("{auth", "{token: t, auth"),
    ] {
        assert_eq!(beyond(user), "", "{user}");
    }
    let plain = of("{server: 'http://a.test'}", "{}").unwrap();
    assert_eq!(plain.beyond(now), None);
    // A token of the command line.
    let mut given = of(SOUND, "{}").unwrap();
    given.user.token = Some(Secret::new("t"));
    assert_eq!(given.beyond(now), None);
    let numberless = seen(&of(SOUND, &oidc("id-token: e30.eyJleHAiOm51bGx9.x, refresh-token: r")).unwrap_err());
    assert!(
        numberless.contains("parsing claims: exp of the id-token is not a number"),
        "{numberless}"
    );
    let long_ago = seen(&of(SOUND, &oidc("id-token: e30.eyJleHAiOi0xZTMwMH0.x")).unwrap_err());
    assert!(long_ago.contains("the id-token expired long ago"), "{long_ago}");
}

#[test]
fn the_token_of_the_file_counts_without_blanks() {
    let token = |user: &str, content: &str| {
        let folder = Folder::of(&[("place/k", &file(SOUND, user)), ("place/t", content)]);
        let read = folder.read(&["place/k"], None).unwrap();
        (read.user.token.map(|token| token.expose().to_owned()), seen(&read.remarks))
    };
    let of_file = Some("of-file".to_owned());
    assert_eq!(token("{tokenFile: t}", " of-file\n"), (of_file.clone(), String::new()));
    let (both, remark) = token("{token: inline, tokenFile: t}", "of-file\n");
    assert!(both == of_file && remark.contains("kubectl takes that of the file"), "{remark}");
    let (inline, remark) = token("{token: inline, tokenFile: t}", "\n");
    assert!(inline.as_deref() == Some("inline") && remark.contains("is empty"), "{remark}");
    let (inline, remark) = token("{token: inline, tokenFile: nowhere}", "");
    assert!(
        inline.as_deref() == Some("inline") && remark.contains("cannot read the file of tokenFile"),
        "{remark}"
    );
    let (token, remark) = token("{token: 'Bearer abc'}", "");
    assert!(
        token.as_deref() == Some("Bearer abc") && remark.contains("the word Bearer before it"),
        "{remark}"
    );
}

#[test]
fn impersonation_is_read_with_all_of_its_parts() {
    let read = of(
        SOUND,
        "{token: t, as: alice, as-uid: '7', as-groups: [dev, ops], as-user-extra: {scopes: [view, edit], 'a.b/c': [x]}}",
    )
    .unwrap();
    let user = read.user.impersonate;
    assert_eq!((user.user.as_deref(), user.uid.as_deref()), (Some("alice"), Some("7")));
    assert_eq!(user.groups, ["dev", "ops"]);
    assert_eq!(user.extra["scopes"], ["view", "edit"]);
    assert_eq!(user.extra["a.b/c"], ["x"]);
    for field in ["as-groups: [\"a\\nb\"]", "as-user-extra: {scopes: [view, \"a\\nb\"]}"] {
        let told = seen(&of(SOUND, &format!("{{token: t, as: alice, {field}}}")).unwrap_err());
        let (name, _) = field.split_once(':').unwrap();
        assert!(
            told.contains(&format!("invalid header field value: {name} has a line end")),
            "{told}"
        );
    }
    let remarks = of(SOUND, "{token: t, act-as: alice}").unwrap().remarks;
    assert!(
        seen(&remarks).contains("kubectl does not know the field \"act-as\" here, and ignores it -> write `as:`"),
        "{remarks:?}"
    );
}

#[test]
fn paths_of_other_systems_are_named_as_such() {
    for (path, help) in [
        ("~/ca.crt", "kubectl takes ~ for the name of a directory"),
        ("C:\\Users\\a\\ca.crt", "in WSL, it is /mnt/c/Users/a/ca.crt"),
        ("certs\\ca.crt", "with / instead of \\"),
        ("ca.crt", "relative to the kubeconfig"),
    ] {
        let told = seen(
            &of(
                &format!("{{server: 'https://a.test', certificate-authority: '{path}'}}"),
                "{token: t}",
            )
            .unwrap_err(),
        );
        assert!(told.contains(help), "{told}");
    }
}

#[test]
fn without_tls_no_credential_is_presented() {
    let read = of("{server: 'http://a.test'}", "{token: t, as: alice}").unwrap();
    assert!(read.user.token.is_none() && read.user.impersonate.user.is_some());
    assert!(seen(&read.remarks).contains("the cluster's server is \"http://a.test\": credentials are only sent over TLS"));
}

#[test]
fn remarks_are_those_of_the_chosen_context() {
    let text = "current-context: c\ncontexts: [{name: c, context: {cluster: k, user: u}}]\nclusters: [{name: k, cluster: {server: 'https://a.test'}}]\n\
                users: [{name: u, user: {token: t}}, {name: v, user: {act-as: x}}]\ncurentContext: d\n";
    let read = Folder::of(&[("place/k", text)]).read(&["place/k"], None).unwrap();
    assert_eq!(
        seen(&read.remarks),
        "place/k:5: kubectl does not know the field \"curentContext\" here, and ignores it -> write `current-context:`"
    );
}

#[test]
fn no_message_has_a_secret() {
    let text = file(
        SOUND,
        "{token: s3cret\u{7}, username: a, password: s3cret, exec: s3cret, client-key-data: 's3cret?'}",
    );
    let told = Folder::of(&[("k", &text)]).read(&["k"], None).unwrap_err();
    assert!(!seen(&told).contains("s3cret"), "{}", seen(&told));
    let user = "{token: \"s3cret\\n\", client-key-data: 's3cret?', auth-provider: {name: oidc, config: {id-token: s3cret}}}";
    let told = seen(&of(SOUND, user).unwrap_err());
    assert!(!told.contains("s3cret") && told.contains("ends in a line break"), "{told}");
    let told = seen(
        &of(
            "{server: 'https://a.test', proxy-url: 'socks4://u:s3cret@p.test'}",
            "{token: !!int s3cret}",
        )
        .unwrap_err(),
    );
    assert!(!told.contains("s3cret"), "{told}");
    let told = seen(&of("{server: 'https://a.test', proxy-url: 'socks4://u:s3cret@p.test'}", "{token: t}").unwrap_err());
    assert!(
        !told.contains("s3cret") && told.contains("\"socks4://[redacted]@p.test\""),
        "{told}"
    );
    for (server, shown) in [
        ("http://u:s3cret@a.test", "\"http://[redacted]@a.test\": credentials are only"),
        ("u:s3cret@a.test", "\"[redacted]@a.test\": kubectl takes that for http://"),
        ("ftp://u:s3cret@a.test/x", "pair: \"ftp://[redacted]@a.test/x\""),
    ] {
        let read = of(&format!("{{server: '{server}'}}"), "{token: t}");
        let told = seen(&read.map_or_else(|told| told, |read| read.remarks));
        assert!(!told.contains("s3cret") && told.contains(shown), "{told}");
    }
}

#[test]
fn a_file_that_never_ends_is_refused() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("k");
    std::fs::write(
        &path,
        file(
            "{server: 'https://a.test', certificate-authority: /dev/zero}",
            "{tokenFile: /dev/zero}",
        ),
    )
    .unwrap();
    let told = seen(&super::read(&[path], None).unwrap_err());
    assert!(
        told.matches("read /dev/zero: it has more than 16 MiB, and authlab reads no more")
            .count()
            == 2
            && told.contains("far smaller"),
        "{told}"
    );
    let told = seen(&super::read(&["/dev/zero".into()], None).unwrap_err());
    assert!(told.contains("16 MiB") && told.contains("far smaller"), "{told}");
}
