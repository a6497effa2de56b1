//! Commands without a container engine, or with something else in its place: none of them needs an engine.

use std::io::{Read, Write};
use std::os::unix::net::UnixListener;

use crate::stage::{Said, Stage, said};

/// Runs `arguments` with `host` as the engine's address.
fn typed(stage: &Stage, host: &str, arguments: &[&str]) -> Said {
    said(stage.command(arguments).env("DOCKER_HOST", host))
}

#[test]
fn containers_without_an_engine_are_refused() {
    let stage = Stage::new();
    let socket = stage.state().join("engine.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    // The thread ends with the test binary.
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let mut connection = connection.unwrap();
            // The client may hang up at any time.
            let _ = connection.read(&mut [0; 1024]);
            let _ = connection.write_all(b"SSH-2.0-authlab\r\n");
        }
    });
    let file = stage.state().join("file");
    std::fs::write(&file, "").unwrap();
    let at = |path: &std::path::Path| format!("unix://{}", path.display());
    for (host, says) in [
        (
            "unix:///nowhere".to_owned(),
            "error: cannot find a container engine at unix:///nowhere: no such socket".to_owned(),
        ),
        (
            "foo://x".to_owned(),
            "error: cannot find a container engine at foo://x: expected unix:///path, tcp://host:port or http://host:port".to_owned(),
        ),
        (
            at(&file),
            format!(
                "error: cannot find a container engine at {}: this is a file, not a socket",
                at(&file)
            ),
        ),
        (
            at(&socket),
            format!("error: the server at {} is not a container engine: ", at(&socket)),
        ),
    ] {
        for arguments in [
            &["run", "--tags", "@X1", "--cluster", "container"][..],
            &["run", "--tags", "@X1", "--identity-provider", "container"],
            &["up", "--cluster", "k3s"],
            &["up", "--cluster", "kind"],
        ] {
            let refusal = typed(&stage, &host, arguments).refusal(4);
            assert!(refusal.contains(&says), "{arguments:?}: {refusal}");
            assert!(!refusal.contains("hyper"), "{refusal}");
            assert!(refusal.contains("\nhint: correct DOCKER_HOST "), "{arguments:?}: {refusal}");
            assert_eq!(refusal.matches("error: ").count(), 1, "{refusal}");
            assert_eq!(stage.labs(), Vec::<String>::new(), "{arguments:?}");
        }
    }
    #[cfg(target_os = "linux")]
    stage.expect_nothing_runs("after refusals");
}

#[test]
fn who_asks_for_nothing_needs_no_engine() {
    let stage = Stage::new();
    let said = typed(&stage, "unix:///nowhere", &["run", "--tags", "@X1"]);
    assert_eq!(said.code, 0, "{said:?}");
    assert!(said.tells_lab("process"), "{said:?}");
    assert!(!said.err.contains("engine"), "{said:?}");
}
