//! The command line as users type it, with labs whose servers run in containers of a real engine: the one that `DOCKER_HOST` names, or
//! that is at a usual place. However a lab ends, nothing of it stays in the engine.
//!
//! The main type is [`Grounds`]. Without an engine, or without the images in it, each test is listed as ignored, with the reason
//! before its name. `.ci/engine` starts an engine, `authlab server-binaries build --image` builds the images.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[expect(dead_code, reason = "other tests type, too")]
mod stage;

mod refused_images;

use std::convert::Infallible;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitCode, Stdio};
use std::sync::Arc;
use std::time::Duration;

use authlab::engine::{Engine, Filter, Image, Presence, Thing, found};
use authlab::process::wait::{Condition, until};
use authlab::server_binaries::Versions;
use authlab::server_binaries::images::{Images, OWN_PREFIX};
use libtest_mimic::{Arguments, Trial};
use refused_images::images_have_to_be_there_and_to_fit;
use rustix::process::{Pid, Signal, kill_process};
use stage::Stage;

/// The timeout for a lab to reach an expected state, or to be gone, on a busy machine.
const LIMIT: Duration = Duration::from_secs(180);

/// Quick scenarios of the project.
const FEATURE: &str = "external_certificates/identity.feature";

fn main() -> ExitCode {
    let _installed = rustls::crypto::ring::default_provider().install_default();
    let mut arguments = Arguments::from_args();
    // One lab at a time: `down --all` of one test would remove what another one leaves on purpose.
    arguments.test_threads = Some(1);
    let grounds = if arguments.list {
        Err("nothing is prepared for a list".to_owned())
    } else {
        Grounds::prepare().map(Arc::new)
    };
    let mut trials = Vec::new();
    macro_rules! on_grounds {
        ($($name:ident),* $(,)?) => {
            $(trials.push({
                let there = grounds.clone();
                let trial = Trial::test(stringify!($name), move || {
                    $name(&*there?);
                    Ok(())
                });
                match &grounds {
                    Ok(_) => trial,
                    Err(why) => trial.with_ignored_flag(true).with_kind(why.replace('\n', " ")),
                }
            });)*
        };
    }
    on_grounds!(
        a_run_that_passes_leaves_nothing,
        a_run_that_fails_leaves_its_logs_and_nothing_else,
        an_interrupt_leaves_nothing,
        a_run_that_is_killed_is_cleared_up_after,
        a_lab_that_stays_up_is_shown_used_and_ended,
        an_owner_that_is_killed_is_cleared_up_after,
        what_nothing_but_labels_tells_of_is_cleared,
        images_have_to_be_there_and_to_fit,
        a_server_that_is_killed_fails_the_run_and_is_named,
        who_asks_for_nothing_gets_processes_whatever_the_engine_has,
    );
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// An engine with the images that labs need.
struct Grounds {
    engine: Engine,
    /// The registry of its images; `None` means the official ones.
    prefix: Option<String>,
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(work)
}

fn images(prefix: Option<&str>) -> Images {
    Images::of(Versions::pinned().newest(), prefix).unwrap()
}

impl Grounds {
    /// Finds the engine, or returns the reason why the tests cannot run.
    fn prepare() -> Result<Self, String> {
        block_on(async {
            let engine = Engine::find(None).await.map_err(|error| error.to_string())?;
            let asked = std::env::var("AUTHLAB_IMAGE_PREFIX").ok();
            let mut lacking = String::new();
            for prefix in [asked, Some(OWN_PREFIX.to_owned()), None] {
                match missing(&engine, &images(prefix.as_deref())).await {
                    None => return Ok(Self { engine, prefix }),
                    Some(image) if lacking.is_empty() => lacking = image,
                    Some(_) => {}
                }
            }
            Err(format!(
                "{engine} does not have {lacking}; `authlab server-binaries build --image` makes it"
            ))
        })
    }

    /// Adds the options for containers to `arguments`.
    fn typed<'a>(&'a self, arguments: &[&'a str]) -> Vec<&'a str> {
        let drivers = ["--cluster", "container", "--identity-provider", "container"];
        [arguments, &drivers, &self.registry()].concat()
    }

    fn registry(&self) -> Vec<&str> {
        self.prefix
            .as_deref()
            .map(|prefix| vec!["--image-prefix", prefix])
            .unwrap_or_default()
    }

    /// Returns the objects that the engine has of the labs of `stage`.
    async fn things(&self, stage: &Stage) -> Vec<Thing> {
        let mut things = found(&self.engine, &Filter::all()).await.unwrap();
        things.retain(|thing| {
            let labels = thing.labels.as_ref();
            labels.is_some_and(|labels| labels.directory.starts_with(stage.state()))
        });
        things
    }

    /// Waits until the engine has `count` objects of the stage, or `command` has ended.
    fn expect_things(&self, stage: &Stage, count: usize, command: &mut Child) {
        let there = until("containers of the lab", LIMIT, || async {
            let there = self.things(stage).await.len();
            Ok::<_, Infallible>(if there >= count {
                Condition::Met(())
            } else {
                Condition::NotYet(format!("there are {there}"))
            })
        });
        block_on(there).unwrap();
        assert_eq!(command.try_wait().unwrap(), None);
    }

    /// Checks that neither the engine nor this machine runs anything of the stage. Watchers may take a moment.
    fn expect_nothing_runs(&self, stage: &Stage, when: &str) {
        let gone = until("the end of everything", LIMIT, || async {
            let left = self.things(stage).await.into_iter().map(|thing| thing.name);
            let left: Vec<_> = left.chain(stage.processes()).collect();
            Ok::<_, Infallible>(if left.is_empty() {
                Condition::Met(())
            } else {
                Condition::NotYet(left.join("\n"))
            })
        });
        block_on(gone).unwrap_or_else(|error| panic!("{when}: {error}"));
    }

    /// Checks the same without waiting: a command that ended in the ordinary way has already waited.
    fn expect_nothing(&self, stage: &Stage, when: &str) {
        let things = block_on(self.things(stage));
        assert_eq!(things, [], "{when}");
        assert_eq!(stage.processes(), Vec::<String>::new(), "{when}");
        assert_eq!(stage.labs(), Vec::<String>::new(), "{when}");
    }
}

/// Returns the first image that a lab needs and the engine lacks.
async fn missing(engine: &Engine, images: &Images) -> Option<String> {
    for image in [
        &images.etcd,
        &images.kube_apiserver,
        &images.kube_controller_manager,
        &images.keycloak,
    ] {
        if !matches!(Image::presence(engine, &image.to_string()).await, Ok(Presence::Present(_))) {
            return Some(image.to_string());
        }
    }
    None
}

/// Writes a feature below the stage, with `count` scenarios in which Alice is accepted as `user`.
fn feature(stage: &Stage, user: &str, count: usize) -> String {
    let rows: String = (0..count).map(|row| format!("        | {row} |\n")).collect();
    let text = format!(
        "@requires:cluster_signing_key\nFeature: Many\n  Scenario Outline: One of many\n    Given Alice holds a client certificate\n    \
         When she asks the API server who she is\n    Then she is accepted as \"{user}\"\n\n    Examples:\n        | number |\n{rows}"
    );
    let path = stage.state().join("many.feature");
    std::fs::write(&path, text).unwrap();
    path.display().to_string()
}

/// Returns the directory of the stage's only lab, once it is ready: then its scenarios are running.
fn ready(stage: &Stage, command: &mut Child) -> PathBuf {
    let described = || {
        let mut labs = stage.labs().into_iter().map(|lab| stage.lab(&lab));
        labs.find(|lab| lab.join("lab.json").exists())
    };
    let lab = stage::wait("a lab that is ready", LIMIT, || match described() {
        Some(lab) => Condition::Met(lab),
        None => Condition::NotYet("none is".to_owned()),
    });
    assert_eq!(command.try_wait().unwrap(), None);
    lab
}

fn signal(pid: u32, signal: Signal) {
    kill_process(Pid::from_raw(pid.cast_signed()).unwrap(), signal).unwrap();
}

/// Returns the ids of the stage's processes whose command line contains `part`.
fn running(stage: &Stage, part: &str) -> Vec<u32> {
    let processes = stage.processes().into_iter();
    let pid = |process: String| {
        let (pid, command) = process.split_once(": ")?;
        command.contains(part).then(|| pid.parse().unwrap())
    };
    processes.filter_map(pid).collect()
}

/// Returns the names of all non-empty files below `directory`.
fn files(directory: &Path) -> Vec<String> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        if entry.path().is_dir() {
            names.extend(files(&entry.path()));
        } else if entry.metadata().unwrap().len() > 0 {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    names
}

fn a_run_that_passes_leaves_nothing(grounds: &Grounds) {
    let stage = Stage::new();
    let said = stage.authlab(&grounds.typed(&["run", FEATURE]));
    assert_eq!(said.code, 0, "{said:?}");
    assert!(said.tells_lab("container"), "{said:?}");
    assert!(said.out.contains(" 0 failed, 0 skipped"), "{said:?}");
    grounds.expect_nothing(&stage, "after a run");
}

fn a_run_that_fails_leaves_its_logs_and_nothing_else(grounds: &Grounds) {
    let stage = Stage::new();
    let wrong = feature(&stage, "bob", 1);
    let said = stage.authlab(&grounds.typed(&["run", &wrong]));
    assert_eq!(said.code, 1, "{said:?}");
    assert!(!said.err.contains("exited before the run was over"), "{said:?}");
    grounds.expect_nothing_runs(&stage, "after a run that failed");
    let [lab] = &stage.labs()[..] else { panic!("{:?}", stage.labs()) };
    let kept = files(&stage.lab(lab));
    for log in ["etcd.log", "kube-apiserver.log", "keycloak.log"] {
        assert!(kept.iter().any(|name| name == log), "{log}: {kept:?}");
    }
    assert!(said.err.contains(&stage.lab(lab).display().to_string()), "{said:?}");
    stage.authlab(&["down", "--all"]).success();
    grounds.expect_nothing(&stage, "after down");
}

fn an_interrupt_leaves_nothing(grounds: &Grounds) {
    // After the network, after some of the containers, after all of them; then in the middle of the scenarios.
    for things in [Some(1), Some(2), Some(4), None] {
        let (stage, when) = (Stage::new(), format!("interrupted with {things:?}"));
        let many = feature(&stage, "alice", 3000);
        let mut run = stage.start(&grounds.typed(&["run", &many]));
        match things {
            Some(count) => grounds.expect_things(&stage, count, &mut run),
            None => drop(ready(&stage, &mut run)),
        }
        signal(run.id(), Signal::INT);
        assert_eq!(run.wait().unwrap().code(), Some(5), "{when}");
        // A start that is aborted leaves the cleanup to the watcher.
        grounds.expect_nothing_runs(&stage, &when);
        grounds.expect_nothing(&stage, &when);
    }
}

fn a_run_that_is_killed_is_cleared_up_after(grounds: &Grounds) {
    for things in [Some(1), Some(3), None] {
        let (stage, when) = (Stage::new(), format!("killed with {things:?}"));
        let many = feature(&stage, "alice", 3000);
        let mut run = stage.start(&grounds.typed(&["run", &many]));
        match things {
            Some(count) => grounds.expect_things(&stage, count, &mut run),
            None => drop(ready(&stage, &mut run)),
        }
        run.kill().unwrap();
        run.wait().unwrap();
        grounds.expect_nothing_runs(&stage, &when);
        assert_eq!(stage.labs().len(), 1, "{when}");
        stage.authlab(&["down", "--all"]).success();
        grounds.expect_nothing(&stage, &when);
    }
}

fn a_lab_that_stays_up_is_shown_used_and_ended(grounds: &Grounds) {
    let stage = Stage::new();
    stage.authlab(&grounds.typed(&["up"])).success();
    let labs = stage.authlab(&["status", "--json"]).json();
    let servers = labs[0]["servers"].as_array().unwrap();
    let text = stage.authlab(&["status"]).success();
    for name in ["etcd", "kube-apiserver", "kube-controller-manager", "keycloak"] {
        let mut named = servers.iter().filter(|server| server["name"] == name);
        let server = named.next().unwrap();
        assert_eq!(named.next(), None, "{labs}");
        assert_eq!(server["alive"], true, "{server}");
        let id = server["container"].as_str().unwrap();
        let shown = text
            .lines()
            .find(|line| line.trim_start().starts_with(&format!("{name} ")))
            .unwrap();
        assert!(shown.contains(&format!("container {} runs", &id[..12])), "{text}");
    }
    let said = stage.authlab(&["run", FEATURE]);
    assert_eq!(said.code, 0, "{said:?}");
    assert!(said.err.contains("using the lab 'default' that is up"), "{said:?}");
    assert!(!said.err.contains("control plane:"), "{said:?}");
    assert_eq!(stage.authlab(&["down"]).success(), "default: ended\n");
    grounds.expect_nothing(&stage, "after down");
}

/// Starts a lab with `up`, and returns the process id of its owner.
fn owner_of_a_new_lab(grounds: &Grounds, stage: &Stage) -> u32 {
    let up = stage.authlab(&grounds.typed(&["up", "--json"])).json();
    up["owner"].as_u64().unwrap().try_into().unwrap()
}

fn an_owner_that_is_killed_is_cleared_up_after(grounds: &Grounds) {
    let stage = Stage::new();
    let owner = owner_of_a_new_lab(grounds, &stage);
    signal(owner, Signal::KILL);
    grounds.expect_nothing_runs(&stage, "after the owner's death");
    let shown = stage.authlab(&["status"]).success();
    assert!(shown.contains("was left by a crash; `authlab down` clears it"), "{shown}");
    let said = stage.authlab(&["down", "--all"]).success();
    assert_eq!(said, "default: cleared what was left\n");
    grounds.expect_nothing(&stage, "after down");
}

fn what_nothing_but_labels_tells_of_is_cleared(grounds: &Grounds) {
    let stage = Stage::new();
    let owner = owner_of_a_new_lab(grounds, &stage);
    let watchers = running(&stage, "watch-containers");
    assert_eq!(watchers.len(), 1);
    // One after the other, so that the watcher does not see its owner end.
    signal(watchers[0], Signal::KILL);
    signal(owner, Signal::KILL);
    stage::wait("the end of both", LIMIT, || {
        let left = [running(&stage, "--supervised"), running(&stage, "watch-containers")].concat();
        if left.is_empty() {
            Condition::Met(())
        } else {
            Condition::NotYet(format!("{left:?}"))
        }
    });
    std::fs::remove_dir_all(stage.lab("default")).unwrap();
    let left = block_on(grounds.things(&stage)).len();
    // etcd, kube-apiserver, kube-controller-manager, keycloak and the network.
    assert_eq!(left, 5);
    let said = stage.authlab(&["down", "--all"]).success();
    assert_eq!(said, format!("removed {left} containers and networks without an owner\n"));
    grounds.expect_nothing(&stage, "after down");
}

fn a_server_that_is_killed_fails_the_run_and_is_named(grounds: &Grounds) {
    if !grounds.engine.shares_kernel() {
        // The engine's processes do not run on this machine.
        return;
    }
    let stage = Stage::new();
    let many = feature(&stage, "alice", 400);
    let told = stage.state().join("told");
    let mut run = stage.command(&grounds.typed(&["run", &many]));
    let run = run.stdout(Stdio::null()).stderr(File::create(&told).unwrap());
    let mut run = run.spawn().unwrap();
    ready(&stage, &mut run);
    let etcd = stage::wait("etcd", LIMIT, || match running(&stage, "etcd --").first() {
        Some(pid) => Condition::Met(*pid),
        None => Condition::NotYet(stage.processes().join("\n")),
    });
    signal(etcd, Signal::KILL);
    assert_eq!(run.wait().unwrap().code(), Some(1));
    let said = std::fs::read_to_string(&told).unwrap();
    assert!(said.contains("etcd exited before the run was over"), "{said}");
    assert!(said.contains("the servers' logs are kept in "), "{said}");
    grounds.expect_nothing_runs(&stage, "after a server was killed");
    stage.authlab(&["down", "--all"]).success();
    grounds.expect_nothing(&stage, "after down");
}

fn who_asks_for_nothing_gets_processes_whatever_the_engine_has(grounds: &Grounds) {
    let stage = Stage::new();
    let said = stage.authlab(&["run", FEATURE]);
    assert_eq!(said.code, 0, "{said:?}");
    assert!(said.tells_lab("process"), "{said:?}");
    grounds.expect_nothing(&stage, "after a run");
}
