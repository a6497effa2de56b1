//! `authlab doctor` on a machine without tools, an engine or a network.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::shown;

/// Runs the command with an environment that has nothing, and returns exit code, standard output and standard error.
fn doctor(home: &Path, arguments: &[&str]) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_authlab"))
        .arg("doctor")
        .args(arguments)
        .env_clear()
        .env("HOME", home)
        .env("PATH", home.join("no-programs"))
        .env("AUTHLAB_OFFLINE", "1")
        .env("AUTHLAB_JAVA", home.join("no-java"))
        .env("DOCKER_HOST", "unix:///no/such/engine.sock")
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[test]
fn a_machine_with_nothing_is_told_all_that_is_missing_and_how_to_get_it() {
    let home = tempfile::tempdir().unwrap();
    let (code, out, err) = doctor(home.path(), &[]);
    assert_eq!((code, err.as_str()), (1, ""), "{out}");
    // The limits and the memory are the machine's own.
    let limits = ["open files", "inotify instances", "inotify watches", "memory"];
    let own = regex::Regex::new(r"(?m)^(authlab \S+ on linux) .*$|: \d+ KiB, [\d.]+ [KMG]iB free$").unwrap();
    let text = own.replace_all(&out, "$1 …");
    let mut is_limit = false;
    let told = text.lines().filter(|line| {
        let is_advice = line.trim_start().starts_with('→');
        is_limit = limits.iter().any(|limit| line.contains(&format!(" {limit} "))) || (is_advice && is_limit);
        !(is_limit || is_advice && line.contains("free some space"))
    });
    // A full disk is a warning.
    let told: String = told
        .map(|line| line.replace("  ! cache", "  ✓ cache").replace("  ! state", "  ✓ state") + "\n")
        .collect();
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/hermetic/snapshots");
    shown::assert_shown("doctor-nothing", told.trim_end(), home.path(), directory);
    assert!(
        !home.path().join(".cache").exists() && !home.path().join(".local").exists(),
        "it writes nothing"
    );
}

#[test]
fn programs_read_the_same_findings() {
    let home = tempfile::tempdir().unwrap();
    let (code, out, err) = doctor(home.path(), &["--json"]);
    assert_eq!((code, err.as_str()), (1, ""), "{out}");
    let json: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(json["ready"], false);
    assert_eq!(json["used"]["cluster"], "process");
    assert_eq!(json["kubernetes"]["there"]["state"], "absent");
    assert_eq!(json["hosts"].as_array().map(Vec::len), Some(0), "nothing is asked offline");
    let findings = json["findings"].as_array().unwrap();
    let missing = findings.iter().filter(|finding| finding["state"] == "missing");
    let missing: Vec<&str> = missing.map(|finding| finding["of"].as_str().unwrap()).collect();
    assert_eq!(missing.len(), 3, "{missing:?}");
    assert!(missing[0].starts_with("Kubernetes 1.") && missing[1].starts_with("Keycloak ") && missing[2] == "Java");
    assert!(missing.iter().all(|name| {
        findings
            .iter()
            .any(|finding| finding["of"] == *name && finding["advice"].is_string())
    }));
}

#[test]
fn options_of_the_lab_count() {
    let home = tempfile::tempdir().unwrap();
    let (code, out, _) = doctor(home.path(), &["--cluster", "k3s", "--kubernetes", "1.34", "--quiet"]);
    assert_eq!(code, 1, "{out}");
    assert!(out.contains("container engine") && !out.contains("Kubernetes 1.34"), "{out}");
    for (arguments, expected) in [
        (&["--kubernetes", "0.9"][..], "0.9"),
        (&["--cluster", "existing", "--kubeconfig", "file"], "--dry-run"),
    ] {
        let (code, out, err) = doctor(home.path(), arguments);
        assert_eq!((code, out.as_str()), (2, ""), "{arguments:?}: {err}");
        assert!(err.contains(expected), "{arguments:?}: {err}");
    }
}
