//! Text from a file or a server reaches the terminal only as text.

use std::process::Command;

use authlab::pki::Authority;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Sets the window's title, clears the screen, and reverses the reading direction.
const ATTACK: &str = "\u{1b}]0;title\u{7}\u{9b}2J\u{202e}";

/// Runs a command without a lab and returns standard output and standard error.
fn said(arguments: &[&str]) -> (String, String) {
    let state = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_authlab"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("AUTHLAB_")) {
        command.env_remove(name);
    }
    let output = command.env("AUTHLAB_STATE_DIR", state.path()).args(arguments).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (text(output.stdout), text(output.stderr))
}

#[test]
fn what_is_explained_and_what_is_refused_is_text() {
    let folder = tempfile::tempdir().unwrap();
    let kubeconfig = folder.path().join("kubeconfig");
    let authority = STANDARD.encode(Authority::root("an authority").unwrap().certificate());
    let file = serde_json::json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "lab",
        "clusters": [{ "name": "lab", "cluster": { "server": "https://127.0.0.1:1", "certificate-authority-data": authority } }],
        "contexts": [{ "name": "lab", "context": { "cluster": "lab", "user": "me" } }],
        "users": [{ "name": "me", "user": { "exec": {
            "apiVersion": "client.authentication.k8s.io/v1", "interactiveMode": "Never",
            "command": "sh", "args": ["-c", format!("printf '%s' '{ATTACK}from a plugin' >&2; exit 1")],
        } } }],
    });
    // YAML allows such characters only as escapes.
    std::fs::write(&kubeconfig, authlab::printable::printable_json(&file.to_string()).as_bytes()).unwrap();
    let path = kubeconfig.to_str().unwrap();
    let acts = |c: char| c.is_control() && c != '\n' || c == '\u{202e}';
    let (out, err) = said(&["explain", "--kubeconfig", path]);
    assert!(
        out.contains("\u{fffd}]0;title\u{fffd}\u{fffd}2J\u{fffd}from a plugin"),
        "{out:?} {err:?}"
    );
    assert!(!out.contains(acts) && !err.contains(acts), "{out:?} {err:?}");
    // JSON output has the same text, in escapes.
    let (out, _) = said(&["explain", "--json", "--kubeconfig", path]);
    assert!(!out.contains(acts), "{out:?}");
    let told: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert!(told["findings"][0]["seen"].as_str().unwrap().contains(ATTACK), "{told}");
    // An error names the file, whatever characters are in its name.
    let (_, err) = said(&["explain", "--kubeconfig", &format!("nowhere{ATTACK}")]);
    assert!(err.contains("nowhere\u{fffd}]0;title") && !err.contains(acts), "{err:?}");
}
