//! The command touches only objects that are certainly its own: directories, links, processes, and containers on an engine that others
//! use, too.
//!
//! The main type is [`Stage`], a state directory whose content the tests create directly.

mod engine;

use std::fs::{DirBuilder, File, Permissions};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use authlab::owner::{LabId, Owner};
use serde_json::{Value, json};

use engine::{Engine, thing};

/// The output of a command, and its exit code.
#[derive(Debug)]
struct Said {
    code: i32,
    out: String,
    err: String,
}

struct Stage {
    directory: tempfile::TempDir,
    engine: String,
}

impl Stage {
    /// Creates a stage without a reachable engine.
    fn new() -> Self {
        Self::on("unix:///nowhere".to_owned())
    }

    fn on(engine: String) -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self { directory, engine }
    }

    fn state(&self) -> PathBuf {
        self.directory.path().join("state")
    }

    fn authlab(&self, arguments: &[&str]) -> Said {
        let mut command = Command::new(env!("CARGO_BIN_EXE_authlab"));
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("AUTHLAB_")) {
            command.env_remove(name);
        }
        command.env("AUTHLAB_STATE_DIR", self.state()).env("DOCKER_HOST", &self.engine);
        let output = command.args(arguments).stdin(Stdio::null()).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Said {
            code: output.status.code().unwrap(),
            out: text(output.stdout),
            err: text(output.stderr),
        }
    }

    /// Creates a directory at the place of the lab `name`.
    fn place(&self, name: &str) -> PathBuf {
        let place = self.state().join("labs").join(name);
        DirBuilder::new().recursive(true).mode(0o700).create(&place).unwrap();
        place
    }

    /// Creates a lab that `owner` left behind.
    fn left(&self, name: &str, id: &LabId, owner: &Owner) -> PathBuf {
        let place = self.place(name);
        let marker = json!({ "schema": 1, "id": id, "owner": owner });
        std::fs::write(place.join("authlab-lab.json"), marker.to_string()).unwrap();
        std::fs::write(place.join("owner.lock"), owner.pid.to_string()).unwrap();
        place
    }

    fn labs(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.state().join("labs")).into_iter().flatten();
        let mut labs: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        labs.sort();
        labs
    }
}

/// Returns an owner on this machine and of this user, but another process than the test.
fn here(pid: u32) -> Owner {
    Owner { pid, ..Owner::here() }
}

/// A process that runs until it is dropped.
struct Stand(Child);

impl Stand {
    fn named(program: &str, file: &Path) -> Self {
        let mut command = Command::new("tail");
        command
            .arg0(program)
            .arg("-f")
            .arg(file)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        Self(command.spawn().unwrap())
    }

    fn lives(&mut self) -> bool {
        self.0.try_wait().unwrap().is_none()
    }
}

impl Drop for Stand {
    fn drop(&mut self) {
        let _gone = self.0.kill().and_then(|()| self.0.wait());
    }
}

/// Writes a thesis, in a directory that does not belong to a lab.
fn thesis(directory: &Path) -> PathBuf {
    let thesis = directory.join("thesis.txt");
    std::fs::write(&thesis, "a year").unwrap();
    thesis
}

/// Returns every command that empties or removes the directory of the lab `name`.
fn clearing(name: &str) -> Vec<Vec<&str>> {
    vec![
        vec!["down", "--all"],
        vec!["down", "--all", "--foreign"],
        vec!["down", "--lab", name],
        vec!["up", "--lab", name, "--server-binaries", "/nowhere"],
    ]
}

#[test]
fn a_directory_that_authlab_did_not_make_is_neither_emptied_nor_removed() {
    let stage = Stage::new();
    let place = stage.place("01-intro");
    let thesis = thesis(&place);
    for command in clearing("01-intro") {
        let said = stage.authlab(&command);
        assert_ne!(said.code, 0, "{command:?}: {said:?}");
        let says = format!("cannot use {} as a lab's directory, and nothing in it was touched", place.display());
        assert!(
            said.err.contains(&says) && said.err.contains("has no authlab-lab.json"),
            "{command:?}: {said:?}"
        );
        assert_eq!(std::fs::read_to_string(&thesis).unwrap(), "a year", "{command:?}");
        assert_eq!(std::fs::read_dir(&place).unwrap().count(), 1, "{command:?}: nothing was left in it");
    }
    let said = stage.authlab(&["status"]);
    assert!(said.out.contains("01-intro: ") && said.out.contains(" is left alone: "), "{said:?}");
}

#[test]
fn a_link_at_the_place_of_a_lab_is_not_followed() {
    let stage = Stage::new();
    let victim = stage.directory.path().join("victim");
    std::fs::create_dir(&victim).unwrap();
    let thesis = thesis(&victim);
    stage.place("other");
    std::fs::remove_dir(stage.state().join("labs/other")).unwrap();
    symlink(&victim, stage.state().join("labs/default")).unwrap();
    for command in clearing("default") {
        let said = stage.authlab(&command);
        assert_ne!(said.code, 0, "{command:?}: {said:?}");
        assert!(
            said.err.contains("labs/default ") && said.err.contains("it is a symbolic link"),
            "{command:?}: {said:?}"
        );
        assert!(thesis.exists(), "{command:?}");
        assert_eq!(
            std::fs::read_dir(&victim).unwrap().count(),
            1,
            "{command:?}: nothing was left in it"
        );
    }
    assert_eq!(stage.labs(), ["default"]);
}

#[test]
fn a_state_directory_that_others_control_is_not_used() {
    for control in ["a link", "a mode", "labs with a mode"] {
        let stage = Stage::new();
        let lab = stage.left("default", &LabId::random(), &here(1));
        let state = stage.state();
        let open = |path: &Path| std::fs::set_permissions(path, Permissions::from_mode(0o777)).unwrap();
        match control {
            "a link" => {
                std::fs::rename(&state, state.with_extension("moved")).unwrap();
                symlink(state.with_extension("moved"), &state).unwrap();
            }
            "a mode" => open(&state),
            _ => open(&state.join("labs")),
        }
        let commands = clearing("default")
            .into_iter()
            .chain([vec!["status"], vec!["run", "--tags", "@X1"]]);
        for command in commands {
            let said = stage.authlab(&command);
            assert_ne!(said.code, 0, "{control}: {command:?}: {said:?}");
            assert!(
                said.err.contains("error: cannot use the directory "),
                "{control}: {command:?}: {said:?}"
            );
        }
        assert!(lab.join("authlab-lab.json").exists() || control == "a link", "{control}");
    }
}

#[test]
fn a_lab_that_is_up_elsewhere_is_not_signalled_and_not_said_to_have_been_killed() {
    let stage = Stage::new();
    let mut bystander = Stand::named("bystander", Path::new("/dev/null"));
    // In the owner's PID namespace its number means another process; here it is the bystander's.
    let owner = Owner {
        pid_namespace: Some("pid:[1]".to_owned()),
        ..here(bystander.0.id())
    };
    let lab = stage.left("default", &LabId::random(), &owner);
    let lock = File::options().read(true).write(true).open(lab.join("owner.lock")).unwrap();
    lock.try_lock().unwrap();
    for command in [&["down"][..], &["down", "--all"], &["down", "--all", "--foreign"]] {
        let said = stage.authlab(command);
        assert_eq!(said.code, 1, "{command:?}: {said:?}");
        assert!(said.err.contains("error: cannot end the lab 'default', which is up"), "{said:?}");
        assert!(
            said.err.contains("another container") && said.err.contains("hint: end it where it was started"),
            "{said:?}"
        );
        assert!(!said.out.contains("killed"), "{said:?}");
        assert!(bystander.lives(), "{command:?}");
    }
    drop(lock);
    // Without the lock, the owner's state cannot be determined from here.
    let said = stage.authlab(&["down", "--all"]);
    assert_eq!(said.code, 1, "{said:?}");
    assert!(
        said.out.contains("default: left alone, since it was made by another container"),
        "{said:?}"
    );
    assert_eq!(stage.labs(), ["default"]);
    let said = stage.authlab(&["down", "--foreign"]);
    assert_eq!(
        (said.code, said.out.as_str()),
        (0, "default: had no owner any more; cleared what was left\n"),
        "{said:?}"
    );
    assert!(bystander.lives());
    assert_eq!(stage.labs(), Vec::<String>::new());
}

#[cfg(target_os = "linux")]
#[test]
fn a_number_in_the_locks_file_is_not_enough_to_be_signalled() {
    let stage = Stage::new();
    let mut bystander = Stand::named("bystander", Path::new("/dev/null"));
    let lab = stage.left("default", &LabId::random(), &here(bystander.0.id()));
    let lock = File::options().read(true).write(true).open(lab.join("owner.lock")).unwrap();
    lock.try_lock().unwrap();
    let said = stage.authlab(&["down"]);
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.err.contains("cannot be identified"), "{said:?}");
    assert!(bystander.lives());
}

#[test]
fn a_program_that_reads_a_file_of_a_lab_is_not_one_of_its_servers() {
    let stage = Stage::new();
    let lab = stage.left("default", &LabId::random(), &here(u32::MAX / 4));
    let notes = lab.join("notes.txt");
    std::fs::write(&notes, "").unwrap();
    // An editor written in Java.
    let mut editor = Stand::named("java", &notes);
    let said = stage.authlab(&["down", "--all"]);
    assert_eq!((said.code, said.out.as_str()), (0, "default: cleared what was left\n"), "{said:?}");
    assert!(editor.lives());
}

/// Returns a container whose labels name `owner`, with a directory that does not exist here.
fn container(name: &str, id: &LabId, owner: &Owner) -> Value {
    thing(name, id, owner, "/nowhere/labs/default")
}

#[test]
fn down_leaves_the_containers_of_others_and_says_whose_they_are() {
    let mut ended = Command::new("true").spawn().unwrap();
    ended.wait().unwrap();
    let gone = here(ended.id());
    let other = |change: fn(&mut Owner)| {
        let mut owner = gone.clone();
        change(&mut owner);
        owner
    };
    let id = LabId::random;
    let engine = Engine::start(vec![
        container("orphan", &id(), &gone),
        // The first process of the machine is running, though only root may signal it.
        container("alive", &id(), &here(1)),
        container("neighbour", &id(), &other(|owner| owner.user += 1)),
        container("contained", &id(), &other(|owner| owner.pid_namespace = Some("pid:[1]".to_owned()))),
        container("remote", &id(), &other(|owner| owner.machine = Some("m".to_owned()))),
        container("rebooted", &id(), &other(|owner| owner.boot = Some("b".to_owned()))),
        // A container of an earlier authlab, without an owner in its labels.
        json!({ "Id": "nameless", "Names": ["/nameless"], "Labels": {
            "authlab.managed-by": "authlab", "authlab.lab": "default", "authlab.owner": "1", "authlab.directory": "/nowhere" } }),
    ]);
    let stage = Stage::on(engine.address());
    let said = stage.authlab(&["down", "--lab", "mine"]);
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.err.contains("error: no lab named 'mine' is running"), "{said:?}");
    assert_eq!(engine.deleted(), ["orphan"]);
    // The error does not hide what was removed.
    assert!(
        said.out.contains("removed 1 containers and networks without an owner\n"),
        "{said:?}"
    );
    for of in [
        "another user (uid ",
        "another container (PID namespace)",
        "another machine",
        "this machine before its last start",
        "an owner that is not in its labels",
    ] {
        let line = format!("left alone: 1 containers, networks and volumes of {of}");
        assert!(said.out.contains(&line), "{line}: {said:?}");
    }
    let said = stage.authlab(&["down", "--all", "--foreign"]);
    assert_eq!(said.code, 0, "{said:?}");
    let mut deleted = engine.deleted();
    deleted.sort();
    assert_eq!(deleted, ["contained", "nameless", "neighbour", "orphan", "rebooted", "remote"]);
}

#[test]
fn a_lab_whose_engine_does_not_answer_is_not_in_the_way_of_ending_another() {
    let mut ended = Command::new("true").spawn().unwrap();
    ended.wait().unwrap();
    let (stage, gone) = (Stage::new(), here(ended.id()));
    let description = json!({
        "schema": 1, "name": "other", "authlab": "0", "fingerprint": "", "owner": gone.pid, "started": "2026-01-01T00:00:00Z",
        "kubernetes": "1.37.2", "minor": "1.37", "cluster": "container", "identity_provider": null, "api_servers": {}, "issuer": "",
        "keycloak_issuer": "", "keycloak": null, "auth_proxies": {}, "programs": null, "processes": [], "control": null,
        "engine": "tcp://127.0.0.1:1",
    });
    let other = stage.left("other", &LabId::random(), &gone);
    std::fs::write(other.join("lab.json"), description.to_string()).unwrap();
    stage.left("default", &LabId::random(), &gone);
    let said = stage.authlab(&["down"]);
    let told = "other: left alone, since its containers cannot be cleared: cannot find a container engine at tcp://127.0.0.1:1";
    assert!(
        said.code == 0 && said.out.starts_with("default: ") && said.out.contains(told),
        "{said:?}"
    );
    let said = stage.authlab(&["down", "--all"]);
    assert_eq!(said.code, 1, "{said:?}");
    assert!(
        said.err.contains("whose engine does not answer: other") && said.out.contains(told),
        "{said:?}"
    );
    assert_eq!(stage.labs(), ["other"]);
}

#[test]
fn containers_go_with_the_lab_that_has_their_id_and_not_with_one_of_the_same_path() {
    let (mine, others) = (LabId::random(), LabId::random());
    let gone = here(u32::MAX / 4);
    let stage = Stage::new();
    let directory = stage.left("default", &mine, &gone);
    let path = directory.display().to_string();
    // The other one belongs to a container in which the state directory has the same path.
    let elsewhere = Owner {
        pid_namespace: Some("pid:[1]".to_owned()),
        ..gone.clone()
    };
    let engine = Engine::start(vec![
        thing("mine", &mine, &gone, &path),
        thing("theirs", &others, &elsewhere, &path),
    ]);
    let stage = Stage {
        engine: engine.address(),
        ..stage
    };
    let said = stage.authlab(&["down", "--json"]);
    assert_eq!(said.code, 0, "{said:?}");
    assert_eq!(engine.deleted(), ["mine"]);
    let record: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(record["labs"], json!([{ "name": "default", "how": "cleared" }]));
    assert_eq!(record["cleared"]["containers"], 1);
    assert_eq!(
        record["cleared"]["others"],
        json!([{ "of": "another container (PID namespace)", "things": 1 }])
    );
}

#[test]
fn a_run_that_was_killed_in_somebodys_cluster_is_not_forgotten_by_the_way() {
    let stage = Stage::new();
    let lab = stage.left("run-1", &LabId::random(), &here(u32::MAX / 4));
    let note = json!({ "lab": "run-1", "server": "https://cluster.test" });
    std::fs::write(lab.join("existing-cluster.json"), note.to_string()).unwrap();
    let tells = "run-1: was killed while it used the cluster https://cluster.test; `authlab down --cluster existing";
    let said = stage.authlab(&["down"]);
    assert_eq!(said.code, 1, "there is no lab 'default': {said:?}");
    assert!(said.out.contains(tells), "{said:?}");
    let said = stage.authlab(&["down", "--lab", "run-1"]);
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.err.contains("may still have its objects"), "{said:?}");
    assert_eq!(stage.labs(), ["run-1"]);
    let said = stage.authlab(&["down", "--all"]);
    assert_eq!(said.code, 0, "{said:?}");
    assert!(said.out.contains("https://cluster.test, and is forgotten now"), "{said:?}");
    assert_eq!(stage.labs(), Vec::<String>::new());
}
