//! The API servers that may use a login: the first one, and those that the user allows.

use base64::Engine as _;
use serde_json::{Value, json};

use super::issuer::{Manners, TestIssuer};
use super::terminal::Terminal;
use super::{Home, display, info, password_file, refusal, said, token};

/// Runs a client of `cluster` without a terminal, which can only use an earlier login.
fn for_cluster(home: &Home, issuer: &TestIssuer, cluster: &Value) -> (i32, String, String) {
    let mut command = home.login(issuer, &["--flow", "password", "--username", "alice"]);
    said(command.env("KUBERNETES_EXEC_INFO", info(cluster)))
}

/// Logs in for `cluster` with a password from a file, as a job does.
fn log_in(home: &Home, issuer: &TestIssuer, cluster: &Value) -> String {
    let file = password_file(home);
    let mut command = home.login(
        issuer,
        &["--flow", "password", "--username", "alice", "--password-file", display(&file)],
    );
    token(said(command.env("KUBERNETES_EXEC_INFO", info(cluster))))
}

fn server(url: &str) -> Value {
    json!({ "server": url })
}

/// Returns the command in the line of a refusal.
fn command_in(line: &str) -> String {
    let (_, rest) = line.split_once("allow it with `").unwrap_or_else(|| panic!("no command: {line}"));
    rest.split_once('`').unwrap().0.to_owned()
}

/// Runs the command in a shell, as a user who reads the line would.
fn paste(home: &Home, command: &str) -> String {
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_authlab"));
    let path = std::env::join_paths(
        std::iter::once(program.parent().unwrap().to_owned()).chain(std::env::split_paths(&std::env::var_os("PATH").unwrap())),
    );
    let mut shell = std::process::Command::new("sh");
    // The user's shell has none of the plugin's variables.
    let (code, out, err) = said(
        shell
            .args(["-c", command])
            .env("PATH", path.unwrap())
            .env("HOME", home.path("elsewhere"))
            .env_remove("AUTHLAB_LOGIN_DIR"),
    );
    assert_eq!(code, 0, "{err}");
    out
}

#[test]
fn another_server_gets_no_login_until_it_is_allowed_by_the_command_that_is_named() {
    let (issuer, home) = (TestIssuer::start(Manners::default()), Home::new());
    let first = log_in(&home, &issuer, &server("https://prod.test:6443"));
    // Addresses are compared in normal form.
    assert_eq!(token(for_cluster(&home, &issuer, &server("https://PROD.test:6443/"))), first);
    let evil = server("https://evil.test");
    let line = refusal(for_cluster(&home, &issuer, &evil));
    assert!(
        line.contains("is not given to the API server https://evil.test: it was given to https://prod.test:6443 so far"),
        "{line}"
    );
    // A password makes no difference: the decision is about the server.
    let file = password_file(&home);
    let mut again = home.login(
        &issuer,
        &["--flow", "password", "--username", "alice", "--password-file", display(&file)],
    );
    assert_eq!(
        command_in(&refusal(said(again.env("KUBERNETES_EXEC_INFO", info(&evil))))),
        command_in(&line)
    );
    let told = paste(&home, &command_in(&line));
    assert_eq!(
        told,
        format!(
            "logins at {} as the client kubernetes may be given to the API server https://evil.test\n",
            issuer.url
        )
    );
    assert_eq!(token(for_cluster(&home, &issuer, &evil)), first);
    assert_eq!(token(for_cluster(&home, &issuer, &server("https://prod.test:6443"))), first);
}

#[test]
fn a_server_of_the_same_name_that_is_verified_in_another_way_is_another() {
    let (issuer, home) = (TestIssuer::start(Manners::default()), Home::new());
    let encoded = |text: &str| base64::engine::general_purpose::STANDARD.encode(text);
    let with = |more: Value| {
        let mut cluster = json!({ "server": "https://prod.test", "certificate-authority-data": encoded("ours") });
        cluster.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        cluster
    };
    let first = log_in(&home, &issuer, &with(json!({})));
    for change in [
        json!({ "certificate-authority-data": encoded("theirs"), "proxy-url": "http://evil.test" }),
        json!({ "insecure-skip-tls-verify": true }),
        json!({ "tls-server-name": "evil.test" }),
    ] {
        let line = refusal(for_cluster(&home, &issuer, &with(change.clone())));
        assert!(
            line.contains("its certificate is verified in another way than before"),
            "{change}: {line}"
        );
        let command = command_in(&line);
        assert!(command.contains(" --verified-by "), "{command}");
    }
    assert_eq!(token(for_cluster(&home, &issuer, &with(json!({})))), first);
}

#[test]
fn a_login_by_hand_was_given_to_no_server_yet() {
    let (issuer, home) = (TestIssuer::start(Manners::default()), Home::new());
    let file = password_file(&home);
    let by_hand = ["--flow", "password", "--username", "alice", "--password-file", display(&file)];
    let first = token(said(&mut home.login(&issuer, &by_hand)));
    let line = refusal(for_cluster(&home, &issuer, &server("https://prod.test")));
    assert!(
        line.contains("it was given to no server yet, and this process cannot ask you"),
        "{line}"
    );
    paste(&home, &command_in(&line));
    assert_eq!(token(for_cluster(&home, &issuer, &server("https://prod.test"))), first);
}

#[test]
fn at_a_terminal_the_person_is_asked_once() {
    let (issuer, home) = (TestIssuer::start(Manners::default()), Home::new());
    let first = log_in(&home, &issuer, &server("https://prod.test"));
    let staging = || {
        let asked = json!({ "apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential",
            "spec": { "interactive": true, "cluster": { "server": "https://staging.test" } } });
        let mut command = home.login(&issuer, &["--flow", "password", "--username", "alice"]);
        Terminal::start(command.env("KUBERNETES_EXEC_INFO", asked.to_string()))
    };
    for answer in ["\n", "n\n", "no\n", "yesterday\n"] {
        let mut login = staging();
        login.expect("to the API server https://staging.test? It was given to https://prod.test so far. [y/N] ");
        login.types(answer);
        assert_eq!(login.end(), Some(1));
        login.expect("you did not allow the API server https://staging.test to get the login");
    }
    let mut login = staging();
    login.expect("[y/N] ");
    login.types("\u{3}");
    assert_eq!(login.end(), Some(5));
    let mut login = staging();
    login.expect("[y/N] ");
    login.types("y\n");
    assert_eq!(login.end(), Some(0));
    assert!(login.printed().contains(&first));
    // The user is not asked again, so no terminal is needed.
    assert_eq!(token(for_cluster(&home, &issuer, &server("https://staging.test"))), first);
}
