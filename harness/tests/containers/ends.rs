//! The end of containers: swept, left by an owner that was killed, or ended with the engine itself.

use std::convert::Infallible;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use authlab::engine::{Engine, EngineError, Filter, Network, Swept, Watcher, sweep};
use authlab::hint::Hint;
use authlab::process::wait::{Condition, until};
use rustix::process::Signal;

use crate::stage::{self, Stage};

/// The watcher's command, as labs start it.
const PROGRAM: &str = env!("CARGO_BIN_EXE_authlab");
const WORDS: &[&str] = &["watch-containers"];

/// The argument that makes this test binary an owner.
const OWN: &str = "own-containers";

pub async fn a_sweep_takes_what_has_the_label_and_nothing_else() {
    let (stage, other) = (Stage::new().await, Stage::new().await);
    let network = Network::create(&stage.engine, &stage.name("net"), &stage.labels).await.unwrap();
    for part in ["a", "b"] {
        let spec = stage.talker(part, &["serve", "8080"]).network(&network, &[]);
        spec.start(&stage.engine).await.unwrap();
    }
    let kept = other.talker("kept", &["serve", "8080"]).start(&other.engine).await.unwrap();
    // Only by the lab's id, as a sweep that knows nothing else.
    let filter = Filter::lab(&stage.labels.id);
    let (containers, networks) = (2, 1);
    let swept = sweep(&stage.engine, &filter).await.unwrap();
    assert_eq!(
        swept,
        Swept {
            containers,
            networks,
            volumes: 0
        }
    );
    assert_eq!(sweep(&stage.engine, &filter).await.unwrap(), Swept::default());
    kept.expect_running().await.unwrap();
    kept.remove().await.unwrap();
}

/// Owns a container and a network until it is killed, if this test binary was started for that.
pub fn own_when_asked() -> Option<ExitCode> {
    if std::env::args().nth(1)? != OWN {
        return None;
    }
    crate::runtime().block_on(async {
        let mut stage = Stage::new().await;
        let directory: PathBuf = std::env::args_os().nth(2)?.into();
        stage.labels.directory.clone_from(&directory);
        stage.labels.id = std::env::args().nth(3)?.parse().unwrap();
        let watcher = Watcher::start(Path::new(PROGRAM), WORDS, &stage.engine, &stage.labels)
            .await
            .unwrap();
        let network = Network::create(&stage.engine, &stage.name("net"), &stage.labels).await.unwrap();
        let spec = stage.talker("a", &["serve", "8080"]).network(&network, &[]).publish(8080);
        spec.start(&stage.engine).await.unwrap();
        std::fs::write(directory.join("owned"), watcher.pid().unwrap().to_string()).unwrap();
        std::future::pending::<()>().await;
        None
    })
}

pub async fn an_owner_that_is_killed_is_cleared_up_after() {
    let stage = Stage::new().await;
    let directory = stage.directory.path().to_owned();
    let mut owner = Command::new(std::env::current_exe().unwrap());
    let id = stage.labels.id.as_str();
    let mut owner = owner.arg(OWN).arg(&directory).arg(id).stdin(Stdio::null()).spawn().unwrap();
    let filter = Filter::lab(&stage.labels.id);
    let owned = until("the owner's containers", Duration::from_secs(60), || {
        let ended = owner.try_wait().unwrap();
        assert!(ended.is_none(), "the owner ended: {ended:?}");
        let told = std::fs::read_to_string(directory.join("owned"));
        std::future::ready(Ok::<_, Infallible>(match told {
            Ok(pid) if !pid.is_empty() => Condition::Met(pid),
            _ => Condition::NotYet("it does not say so".to_owned()),
        }))
    });
    let watcher = owned.await.unwrap();
    let there = authlab::engine::found(&stage.engine, &filter).await.unwrap();
    assert_eq!(there.len(), 2);
    assert!(there.iter().all(|thing| thing.labels.as_ref().unwrap().owner.pid == owner.id()));
    // After SIGKILL, no code of the owner runs any more.
    owner.kill().unwrap();
    owner.wait().unwrap();
    let cleared = until("nothing left", Duration::from_secs(60), || async {
        let left = authlab::engine::found(&stage.engine, &filter).await.unwrap();
        Ok::<_, Infallible>(match left.first() {
            None => Condition::Met(()),
            Some(thing) => Condition::NotYet(format!("{} is there", thing.name)),
        })
    });
    cleared.await.unwrap();
    // The watcher ends, too. It may be a zombie until the system reaps it; zombies have no command line.
    let ended = until("the watcher's end", Duration::from_secs(60), || async {
        let line = std::fs::read(format!("/proc/{watcher}/cmdline")).unwrap_or_default();
        Ok::<_, Infallible>(if line.is_empty() {
            Condition::Met(())
        } else {
            Condition::NotYet(String::from_utf8_lossy(&line).into_owned())
        })
    });
    ended.await.unwrap();
}

pub async fn an_owner_that_ends_well_dismisses_its_watcher() {
    let stage = Stage::new().await;
    let watcher = Watcher::start(Path::new(PROGRAM), WORDS, &stage.engine, &stage.labels)
        .await
        .unwrap();
    let container = stage.talker("a", &["serve", "8080"]).start(&stage.engine).await.unwrap();
    // The watcher survives a Ctrl-C at the terminal, which goes to the owner's process group, and the end of a session.
    let pid = rustix::process::Pid::from_raw(watcher.pid().unwrap().cast_signed()).unwrap();
    assert_eq!(rustix::process::getpgid(Some(pid)).unwrap(), pid);
    assert_eq!(rustix::process::getsid(Some(pid)).unwrap(), pid);
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        rustix::process::kill_process(pid, signal).unwrap();
    }
    watcher.dismiss().await.unwrap();
    // The watcher has ended without touching anything.
    container.expect_running().await.unwrap();
    container.remove().await.unwrap();
}

/// Returns the reason why this test cannot start an engine of its own; `None` when it can.
pub fn own_engine_missing() -> Option<String> {
    if !rustix::process::getuid().is_root() {
        return Some("only root can start an engine".to_owned());
    }
    let needed = ["dockerd", "curl", "unshare", "go"]
        .into_iter()
        .find(|program| which::which(program).is_err());
    needed.map(|program| format!("{program} is not installed"))
}

/// Runs `.ci/engine WHAT DIRECTORY` and returns its first line of output.
fn own_engine(what: &str, directory: &Path) -> String {
    let mut command = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.ci/engine"));
    // Not `output`: the engine that is started keeps the inherited pipes open.
    let mut running = command
        .arg(what)
        .arg(directory)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(running.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(running.wait().unwrap().success(), "{what}");
    line.trim_end().to_owned()
}

pub async fn an_engine_that_is_killed_is_gone() {
    let directory = tempfile::tempdir().unwrap();
    let engine = directory.path().join("engine");
    let address = own_engine("start", &engine);
    let stage = Stage::on(Engine::find(Some(&address)).await.unwrap());
    stage::load_images(&stage.engine).await.unwrap();
    let watcher = Watcher::start(Path::new(PROGRAM), WORDS, &stage.engine, &stage.labels)
        .await
        .unwrap();
    let container = stage.talker("a", &["serve", "8080"]).start(&stage.engine).await.unwrap();
    assert_eq!(stage.left().await, [stage.name("a")]);
    let following = container.follow(stage.directory.path().join("a.log")).unwrap();
    let pid = std::fs::read_to_string(engine.join("docker.pid")).unwrap();
    let pid = rustix::process::Pid::from_raw(pid.trim().parse().unwrap()).unwrap();
    rustix::process::kill_process(pid, Signal::KILL).unwrap();
    // Requests in progress fail with an error, and so do later ones.
    let error = following.ended().await.unwrap_err();
    assert!(matches!(error, EngineError::Gone { .. }), "{error:?}");
    let error = container.expect_running().await.unwrap_err();
    assert!(matches!(error, EngineError::Gone { .. }), "{error:?}");
    assert!(error.hint().unwrap().contains("authlab down --all"));
    assert!(sweep(&stage.engine, &Filter::owned(&stage.labels)).await.is_err());
    let error = Engine::find(Some(&address)).await.unwrap_err();
    assert!(matches!(error, EngineError::WrongHost { .. }), "{error:?}");
    // The owner is gone, too: its watcher waits until the engine, which knows what the owner left, is back.
    drop(watcher);
    assert_eq!(own_engine("start", &engine), address);
    let cleared = until("nothing left", Duration::from_secs(60), || async {
        let left = stage.left().await;
        Ok::<_, Infallible>(if left.is_empty() {
            Condition::Met(())
        } else {
            Condition::NotYet(left.join(", "))
        })
    });
    cleared.await.unwrap();
    own_engine("stop", &engine);
    assert!(!engine.exists());
}
