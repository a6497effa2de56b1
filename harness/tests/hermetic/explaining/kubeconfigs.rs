//! Kubeconfigs: how kubectl reads them, what it would send, and where.

use authlab::pki::Request;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::Case;
use super::api_server::{Answer, REVIEWS, accepting};
use super::workplace::Workplace;

pub const CASES: &[Case] = &[
    ("U4", plugin_versions),
    ("U5", base64_over_lines),
    ("U7", server_names_and_proxies),
    ("U8", addresses_with_paths),
    ("U13", auth_providers),
    ("U23", several_files_and_names),
    ("U25", plugins),
    ("S3", ipv6),
    ("S5", impersonation_in_kubeconfigs),
    ("S7", encodings),
    ("S8", paths_of_other_systems),
    ("S12", several_credentials),
];

fn exec(version: &str, script: &str) -> Value {
    json!({ "apiVersion": format!("client.authentication.k8s.io/{version}"), "command": "sh", "args": ["-c", script],
        "interactiveMode": "Never" })
}

/// A plugin that prints a token.
fn printing(version: &str) -> String {
    format!(r#"echo '{{"apiVersion":"client.authentication.k8s.io/{version}","kind":"ExecCredential","status":{{"token":"a-token"}}}}'"#)
}

fn plugin_versions(work: &mut Workplace) {
    let url = work.server(accepting("alice", &["dev"]));
    for version in ["v1alpha1", "v1beta2", "v1beta1", "v1"] {
        work.explain_user(version, &url, &json!({ "exec": exec(version, &printing(version)) }));
    }
    let mut none = exec("v1", &printing("v1"));
    none.as_object_mut().unwrap().remove("apiVersion");
    work.explain_user("no apiVersion", &url, &json!({ "exec": none }));
    let mut none = exec("v1", "");
    none.as_object_mut().unwrap().remove("command");
    work.explain_user("no command", &url, &json!({ "exec": none }));
    let mut none = exec("v1", &printing("v1"));
    none.as_object_mut().unwrap().remove("interactiveMode");
    work.explain_user("no interactiveMode", &url, &json!({ "exec": none }));
    let both = json!({ "exec": exec("v1", &printing("v1")), "auth-provider": { "name": "oidc" } });
    work.explain_user("a plugin beside an auth provider", &url, &both);
    let older = json!({ "exec": exec("v1beta1", &printing("v1alpha1")) });
    work.explain_user("a plugin that answers in an older version", &url, &older);
}

fn base64_over_lines(work: &mut Workplace) {
    let url = work.server(accepting("alice", &["dev"]));
    let leaf = work.clients.issue(&Request::client("alice", &["dev"])).unwrap();
    let lines = |text: &str, end: &str| -> String {
        let data = STANDARD.encode(text);
        let lines = data.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap().to_owned());
        lines.collect::<Vec<_>>().join(end)
    };
    let indented = |text: &str| lines(text, "\n      ");
    let config = |authority: &str, user: &str| {
        format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: work\ncontexts:\n- name: work\n  context: {{cluster: prod, user: me}}\n\
            clusters:\n- name: prod\n  cluster:\n    server: {url}\n    certificate-authority-data: {authority}\n\
            users:\n- name: me\n  user:\n    {user}\n"
        )
    };
    let authority = work.authority.certificate().to_owned();
    let token = "token: a-token";
    for (title, data, user) in [
        ("over lines", format!("|\n      {}", indented(&authority)), token.to_owned()),
        (
            "over lines, which end in CR LF",
            format!("\"{}\"", lines(&authority, "\\r\\n")),
            token.to_owned(),
        ),
        (
            "!!binary around base64 over lines",
            format!("!!binary |\n      {}", lines(&lines(&authority, "\n"), "\n      ")),
            token.to_owned(),
        ),
        ("folded to blanks", format!(">-\n      {}", indented(&authority)), token.to_owned()),
        ("blanks at the end", format!("\"{}  \"", lines(&authority, "")), token.to_owned()),
        (
            "certificate and key over lines",
            lines(&authority, ""),
            format!(
                "client-certificate-data: |\n      {}\n    client-key-data: |\n      {}",
                indented(&leaf.certificate),
                indented(leaf.key.expose())
            ),
        ),
        (
            "a key that is no base64, beside a certificate",
            lines(&authority, ""),
            format!(
                "client-certificate-data: {}\n    client-key-data: \"???\"",
                lines(&leaf.certificate, "")
            ),
        ),
    ] {
        work.file("config", config(&data, &user));
        work.explain(title);
    }
}

fn server_names_and_proxies(work: &mut Workplace) {
    let url = work.server(accepting("alice", &["dev"]));
    let leaf = work.authority.issue(&Request::server("inner", &["inner.test"])).unwrap();
    let inner = work.server_with(&leaf, accepting("alice", &["dev"]));
    let user = json!({ "token": "a-token" });
    for (title, server, changes) in [
        ("another server name", &inner, json!({ "tls-server-name": "inner.test" })),
        (
            "a server name that is not in the certificate",
            &url,
            json!({ "tls-server-name": "kubernets" }),
        ),
        ("a proxy without a scheme", &url, json!({ "proxy-url": "127.0.0.1:1" })),
        (
            "a proxy that is not there",
            &url,
            json!({ "proxy-url": "http://me:s3cret@127.0.0.1:1" }),
        ),
        (
            "a SOCKS proxy that is not there",
            &url,
            json!({ "proxy-url": "socks5://127.0.0.1:1" }),
        ),
    ] {
        let mut cluster = json!({ "server": server, "certificate-authority": "ca.crt" });
        cluster.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        work.kubeconfig(&cluster, &user);
        work.explain(title);
    }
}

fn addresses_with_paths(work: &mut Workplace) {
    let below = format!("/k8s/clusters/c-m-abcde{REVIEWS}");
    let url = work.server(std::sync::Arc::new(move |path, _| match path {
        path if path == below => Answer::user("user-abcde", &["dev"]),
        REVIEWS => Answer::user("admin-of-the-local-cluster", &["system:masters"]),
        _ => Answer::not_found(),
    }));
    let user = json!({ "token": "kubeconfig-user-abcde:0123456789" });
    for (title, path) in [
        ("a path", "/k8s/clusters/c-m-abcde"),
        ("a slash at its end", "/k8s/clusters/c-m-abcde/"),
        ("a query, which kubectl leaves out", "/k8s/clusters/c-m-abcde?a=b"),
        ("a path at which nothing is", "/k8s/clusters/c-m-other"),
    ] {
        work.explain_user(title, &format!("{url}{path}"), &user);
    }
    work.user(&format!("{url}/k8s/clusters/c-m-abcde"), &user);
    work.run("the request", &["--kubeconfig", "config", "--show-request"]);
    work.run("the request, for machines", &["--kubeconfig", "config", "--show-request", "--json"]);
}

fn auth_providers(work: &mut Workplace) {
    let url = work.server(accepting("alice", &["dev"]));
    for (title, name, config) in [
        (
            "Google's",
            "gcp",
            json!({ "access-token": "ya29.x", "expiry": "2026-01-01T00:00:00Z", "cmd-path": "gcloud" }),
        ),
        (
            "Azure's",
            "azure",
            json!({ "apiserver-id": "11111111-1111-1111-1111-111111111111", "environment": "AzurePublicCloud" }),
        ),
        (
            "OpenID Connect's without a token",
            "oidc",
            json!({ "idp-issuer-url": "https://issuer.test", "client-id": "k", "refresh-token": "r3fresh" }),
        ),
        ("one that nobody knows", "keystone", json!({})),
    ] {
        work.explain_user(title, &url, &json!({ "auth-provider": { "name": name, "config": config } }));
    }
}

fn several_files_and_names(work: &mut Workplace) {
    let url = work.server(accepting("alice", &["dev"]));
    let cluster = json!({ "server": url, "certificate-authority": "ca.crt" });
    let config = |context: &str, clusters: &[(&str, &Value)], users: &[(&str, Value)]| {
        let clusters: Vec<_> = clusters
            .iter()
            .map(|(name, cluster)| json!({ "name": name, "cluster": cluster }))
            .collect();
        let users: Vec<_> = users.iter().map(|(name, user)| json!({ "name": name, "user": user })).collect();
        let mut config = json!({ "apiVersion": "v1", "kind": "Config", "clusters": clusters, "users": users,
            "contexts": [{ "name": context, "context": { "cluster": context, "user": "admin" } }] });
        config["current-context"] = context.into();
        serde_saphyr::to_string(&config).unwrap()
    };
    let admin = |token: &str| ("admin", json!({ "token": token }));
    work.file("config", config("work", &[("work", &cluster)], &[admin("a"), admin("b")]));
    work.explain("two users of one name");
    work.file("config", config("work", &[("work", &cluster), ("work", &cluster)], &[admin("a")]));
    work.explain("two clusters of one name");
    work.file(
        "a",
        config("theirs", &[("theirs", &json!({ "server": "https://127.0.0.1:1" }))], &[admin("a")]),
    );
    work.file("b/config", config("ours", &[("ours", &cluster)], &[admin("b")]));
    work.file("b/ca.crt", work.authority.certificate());
    work.run(
        "the first file's user counts",
        &["--kubeconfig", "a:b/config", "--context", "ours", "--verbose"],
    );
    work.run("the second file alone", &["--kubeconfig", "b/config"]);
    work.run("a file of the list that is not there", &["--kubeconfig", "gone:b/config"]);
    work.run(
        "a context that is not there",
        &["--kubeconfig", "b/config", "--context", "elsewhere"],
    );
    work.run("no file", &["--kubeconfig", "gone"]);
    work.run("no kubeconfig at all", &[]);
}

fn plugins(work: &mut Workplace) {
    use std::os::unix::fs::PermissionsExt as _;
    let url = work.server(accepting("alice", &["dev"]));
    let sound = printing("v1");
    let script = work.file("bin/token.sh", format!("#!/bin/sh\n{sound}\n"));
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    work.file("bin/plain.sh", "#!/bin/sh\n");
    let of = |command: &str| {
        json!({ "exec": { "apiVersion": "client.authentication.k8s.io/v1", "command": command, "interactiveMode": "Never",
            "installHint": "get it at the front desk" } })
    };
    for (title, command) in [
        ("beside the kubeconfig", "./bin/token.sh"),
        ("not in PATH", "token.sh"),
        ("a tilde, which kubectl does not expand", "~/bin/token.sh"),
        ("not executable", "./bin/plain.sh"),
    ] {
        work.explain_user(title, &url, &of(command));
    }
    let printed = |status: Value| {
        let answer = json!({ "apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": status });
        json!({ "exec": exec("v1", &format!("cat <<'.'\n{answer}\n.")) })
    };
    let leaf = work.clients.issue(&Request::client("alice", &["dev"])).unwrap();
    let both = json!({ "token": "a-token", "clientCertificateData": leaf.certificate, "clientKeyData": leaf.key.expose() });
    let saying = |script: &str| json!({ "exec": exec("v1", script) });
    for (title, user) in [
        ("a line break in the token", printed(json!({ "token": "a-token\n" }))),
        ("no credential", printed(json!({}))),
        ("it fails", saying("echo the network is away >&2; exit 3")),
        ("it prints nothing", saying("true")),
        ("it prints something else", saying("echo hello")),
    ] {
        work.explain_user(title, &url, &user);
    }
    work.explain_user("a token and a certificate", &url, &printed(both));
    work.run("it is not run", &["--kubeconfig", "config", "--no-plugin"]);
    let mut beside = saying(&sound);
    beside["username"] = "alice".into();
    beside["password"] = "s3cret".into();
    work.explain_user("a user name and a password beside it", &url, &beside);
}

fn ipv6(work: &mut Workplace) {
    work.user("https://[fd00::1]:6443", &json!({ "token": "a-token" }));
    work.run("the request", &["--kubeconfig", "config", "--show-request"]);
}

fn impersonation_in_kubeconfigs(work: &mut Workplace) {
    let url = work.server(accepting("bob", &["dev"]));
    for (title, changes) in [
        (
            "with groups, a UID and an extra",
            json!({ "as": "bob", "as-groups": ["dev"], "as-uid": "7", "as-user-extra": { "a.test/b": ["c"] } }),
        ),
        ("groups without a user", json!({ "as-groups": ["dev"] })),
        ("an extra without a user", json!({ "as-user-extra": { "a.test/b": ["c"] } })),
        ("a misspelt field", json!({ "act-as": "bob" })),
        ("groups that are one string", json!({ "as": "bob", "as-groups": "dev" })),
    ] {
        let mut user = json!({ "token": "a-token" });
        user.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        work.explain_user(title, &url, &user);
    }
}

fn encodings(work: &mut Workplace) {
    let url = work.server(accepting("alice", &["dev"]));
    work.user(&url, &json!({ "token": "a-token" }));
    let text = std::fs::read_to_string(work.path().join("config")).unwrap();
    let utf16: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    work.file("config", [&[0xff, 0xfe], &utf16[..]].concat());
    work.explain("UTF-16 with a byte order mark, as PowerShell writes it");
    work.file("config", &utf16);
    work.explain("UTF-16 without a byte order mark");
    work.file("config", &text);
    work.file("ca.crt", format!("\u{feff}{}", work.authority.certificate()));
    work.explain("a byte order mark before the authority");
}

fn paths_of_other_systems(work: &mut Workplace) {
    for (title, path) in [
        ("Windows, read in WSL", "C:\\Users\\me\\.minikube\\ca.crt"),
        ("a tilde", "~/ca.crt"),
        ("a variable", "$HOME/ca.crt"),
    ] {
        let cluster = json!({ "server": "https://127.0.0.1:1", "certificate-authority": path });
        work.kubeconfig(&cluster, &json!({ "token": "a-token" }));
        work.explain(title);
    }
}

fn several_credentials(work: &mut Workplace) {
    let url = work.server(accepting("alice", &["dev"]));
    let leaf = work.clients.issue(&Request::client("alice", &["dev"])).unwrap();
    let pair = work.pair(&leaf);
    work.file("file", "from-a-file\n");
    let with = |base: &Value, changes: Value| {
        let mut user = base.clone();
        user.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        user
    };
    for (title, user) in [
        ("a certificate and a token", with(&pair, json!({ "token": "a-token" }))),
        ("a token and a file with one", json!({ "token": "a-token", "tokenFile": "file" })),
        ("an empty file and a token", json!({ "token": "a-token", "tokenFile": "empty" })),
        ("a certificate without a key", json!({ "client-certificate": "me.crt" })),
        ("a user name and a password", json!({ "username": "alice", "password": "s3cret" })),
        ("nothing", json!({})),
    ] {
        work.file("empty", "");
        work.user(&url, &user);
        work.run(title, &["--kubeconfig", "config", "--verbose"]);
    }
}
