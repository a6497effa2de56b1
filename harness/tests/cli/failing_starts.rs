//! Starts that fail because of a server: its last lines are shown, no process is left, and its logs remain.
//!
//! The servers are small scripts that print what real servers would.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::stage::Stage;

/// Returns a directory with servers: kube-apiserver prints `says` and exits; etcd keeps running.
fn servers(says: &str) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let version = r#"[ "$1" = --version ] && { echo Kubernetes v1.37.2; exit 0; }"#;
    // It has a child process, which has to end with it.
    script(&directory.path().join("etcd"), "tail -f /dev/null --pid=$$ & wait");
    script(
        &directory.path().join("kube-apiserver"),
        &format!("{version}\necho '{says}' >&2\nexit 1"),
    );
    script(&directory.path().join("kube-controller-manager"), "exit 1");
    script(&directory.path().join("kubectl"), version);
    directory
}

fn script(path: &Path, text: &str) {
    let mut file = File::options().write(true).create_new(true).mode(0o755).open(path).unwrap();
    write!(file, "#!/bin/sh\n{text}\n").unwrap();
}

#[test]
fn an_api_server_that_ends_at_start_is_shown_with_its_last_lines() {
    let told = r"kube-apiserver, which was to listen on port \d+, exited \(exit status: 1\); its log is /";
    let port = regex::Regex::new(told).unwrap();
    for (says, arguments) in [
        ("Error: unknown flag: --no-such-flag", vec!["up"]),
        (
            "listen tcp 127.0.0.1:6443: bind: address already in use",
            vec!["up", "--lab", "taken"],
        ),
        ("Error: unknown flag: --no-such-flag", vec!["run", "--tags", "@X1"]),
    ] {
        let (stage, servers) = (Stage::new(), servers(says));
        let directory = servers.path().display().to_string();
        let refusal = stage
            .authlab(&[&arguments[..], &["--server-binaries", &directory]].concat())
            .refusal(4);
        assert!(refusal.contains(says) && refusal.contains("kube-apiserver.log"), "{refusal}");
        assert!(port.is_match(&refusal), "{refusal}");
        assert!(
            refusal.starts_with("control plane: failed after ") || refusal.contains("\ncontrol plane: failed after "),
            "{refusal}"
        );
        #[cfg(target_os = "linux")]
        stage.expect_nothing_runs("after a failed start");
        // The logs remain for inspection, and the next `down` removes them.
        assert_eq!(stage.labs().len(), 1);
        let status = stage.authlab(&["status"]).success();
        assert!(status.contains("was kept for its logs"), "{status}");
        stage.authlab(&["down", "--all"]).success();
        assert_eq!(stage.labs(), Vec::<String>::new());
    }
}
