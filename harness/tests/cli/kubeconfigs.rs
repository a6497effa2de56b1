//! kubectl itself on the table of kubeconfigs (`fixtures/explain/kubeconfigs.toml`): its verdict is that of the table, which the unit
//! tests of `authlab::kubeconfig` compare with the reader's.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;

use authlab::pki::{Authority, Request};

#[expect(dead_code, reason = "two columns are about the reader")]
#[path = "../../src/kubeconfig/reading/table.rs"]
mod table;

use table::{Case, Pem, Verdict, cases};

use crate::stage::shared;

/// Returns the kubectl of each version in the cache.
pub fn kubectls() -> Vec<PathBuf> {
    let ours = shared().stage.authlab(&["shell", "--", "sh", "-c", "command -v kubectl"]).success();
    // The lab has a link to its version's.
    let ours = std::fs::canonicalize(ours.trim()).unwrap();
    let versions = ours.ancestors().nth(2).unwrap();
    let all = std::fs::read_dir(versions)
        .unwrap()
        .map(|version| version.unwrap().path().join("kubectl"));
    let all: Vec<PathBuf> = all.filter(|kubectl| kubectl.is_file()).collect();
    assert!(all.len() >= 2, "only one kubectl is in the cache: {all:?}");
    all
}

fn pem() -> Pem {
    let authority = Authority::root("theirs").unwrap();
    let leaf = authority.issue(&Request::client("dana", &[])).unwrap();
    Pem {
        authority: authority.certificate().to_owned(),
        certificate: leaf.certificate.clone(),
        key: leaf.key.expose().to_owned(),
    }
}

/// Returns kubectl's verdict and what it says. No server listens on either address.
fn asked(kubectl: &Path, case: &Case, place: &Path, index: usize, pem: &Pem) -> (Verdict, String) {
    let mut files = Vec::new();
    for (number, bytes) in case.files(pem).into_iter().enumerate() {
        let file = place.join(format!("{index}-{number}"));
        std::fs::write(&file, bytes).unwrap();
        files.push(file);
    }
    let mut command = Command::new(kubectl);
    command
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("HOME", place)
        .current_dir("/")
        .stdin(Stdio::null());
    if let [file] = files.as_slice() {
        command.arg("--kubeconfig").arg(file);
    } else {
        command.env("KUBECONFIG", std::env::join_paths(&files).unwrap());
    }
    if let Some(context) = &case.context {
        command.args(["--context", context]);
    }
    let output = command.args(["auth", "whoami", "--request-timeout=5s"]).output().unwrap();
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    let verdict = if said.contains("localhost:8080 was refused") {
        Verdict::Elsewhere
    } else if said.contains("127.0.0.1:1 was refused") {
        Verdict::Asks
    } else if said.contains("Please enter Username") {
        Verdict::Prompts
    } else {
        Verdict::Refuses
    };
    (verdict, said)
}

#[test]
#[ignore = "runs kubectl about 180 times for each version in the cache"]
fn kubectl_agrees_with_the_table() {
    let (pem, cases) = (pem(), cases());
    let place = tempfile::tempdir().unwrap();
    for (name, bytes) in pem.files() {
        std::fs::write(place.path().join(name), bytes).unwrap();
    }
    for (name, version) in [("plugin.sh", "v1"), ("plugin-v1beta1.sh", "v1beta1")] {
        let answer =
            format!(r#"{{"apiVersion":"client.authentication.k8s.io/{version}","kind":"ExecCredential","status":{{"token":"t"}}}}"#);
        let file = place.path().join(name);
        std::fs::write(&file, format!("#!/bin/sh\necho '{answer}'\n")).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    let kubectls = kubectls();
    assert!(!kubectls.is_empty(), "no kubectl is in the cache");
    for kubectl in kubectls {
        let wrong = Mutex::new(Vec::new());
        let next = Mutex::new(cases.iter().enumerate());
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    loop {
                        let Some((index, case)) = next.lock().unwrap().next() else { break };
                        let (verdict, said) = asked(&kubectl, case, place.path(), index, &pem);
                        if verdict != case.kubectl || case.words.as_ref().is_some_and(|words| !said.contains(words)) {
                            let expected = (case.kubectl, &case.words);
                            let line = format!("{}: {verdict:?} (expected {expected:?}): {said}", case.name);
                            wrong.lock().unwrap().push(line);
                        }
                    }
                });
            }
        });
        let wrong = wrong.into_inner().unwrap();
        assert!(wrong.is_empty(), "{}:\n{}", kubectl.display(), wrong.join("\n"));
    }
}
