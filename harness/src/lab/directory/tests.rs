//! Tests of a lab's directory: of its owner, and of the directories that are left alone.

use std::os::unix::fs::{PermissionsExt, symlink};

use super::*;
use crate::owner::Elsewhere;

fn owned(path: PathBuf) -> Directory {
    private::make_directory(&path).expect("a directory");
    let lock = lock::take(&path).expect("it can be locked").expect("nobody has it");
    lock.sign().expect("it can be written");
    let marker = Marker::new();
    marker.write(&path).expect("it can be written");
    Directory {
        path,
        id: marker.id,
        lock: Some(lock),
        settled: AtomicBool::new(false),
    }
}

/// Simulates a crash of the owner: the lock is free, its file remains.
fn crashed(path: &Path) {
    owned(path.to_owned()).settled.store(true, Ordering::Relaxed);
    assert_eq!(ownership(path), Ownership::Crashed);
}

/// Simulates a lab that was created by another owner.
fn made_by(path: &Path, change: impl FnOnce(&mut Owner)) {
    let mut marker = Marker::read(path).expect("it is sound").expect("it is there");
    change(&mut marker.owner);
    marker.write(path).expect("it can be written");
}

async fn take_over(path: &Path, claim: Claim) -> Result<Option<Abandoned>, LabError> {
    Abandoned::take_over(path, claim).await
}

fn doubt(path: &Path) -> String {
    match look(path) {
        There::Other(why) => why.to_string(),
        other => panic!("it was expected to be left alone; it is {other:?}"),
    }
}

#[test]
fn names_that_could_leave_the_directory_are_refused() {
    for name in ["", "..", ".hidden", "a/b", "a b", &"a".repeat(41)] {
        assert!(matches!(place(name), Err(LabError::Name(_))), "{name}");
    }
    assert!(place("training-1").is_ok());
}

#[test]
fn a_directory_that_is_dropped_is_removed_and_one_that_is_kept_is_not() {
    let state = tempfile::tempdir().expect("a directory");
    let path = state.path().join("lab");
    drop(owned(path.clone()));
    assert!(!path.exists());
    assert_eq!(std::fs::read_dir(state.path()).expect("it is there").count(), 0);
    let directory = owned(path.clone());
    assert_eq!(ownership(&path), Ownership::Owned);
    assert_eq!(owner(&path), Some(std::process::id()));
    directory.keep();
    drop(directory);
    assert_eq!(ownership(&path), Ownership::Kept);
}

#[test]
fn a_directory_that_is_kept_has_redacted_logs_and_no_database_of_secrets() {
    let state = tempfile::tempdir().expect("a directory");
    let path = state.path().join("lab");
    let directory = owned(path.clone());
    let servers = path.join("api-servers/main");
    std::fs::create_dir_all(&servers).expect("a directory in it");
    let (log, key) = (servers.join("kube-apiserver.log"), servers.join("kube-apiserver.key"));
    let shown = "shown eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJlLXRoYXQtaXMtc2VjcmV0\n";
    std::fs::write(&log, shown).expect("a log");
    std::fs::write(&key, shown).expect("no log");
    let database = path.join("keycloak/data/h2/keycloakdb.mv.db");
    std::fs::create_dir_all(database.parent().expect("it has one")).expect("a directory in it");
    std::fs::write(&database, "every secret of a realm").expect("a database");
    directory.keep();
    assert!(!database.exists());
    let read = |path| std::fs::read_to_string(path).expect("it is there");
    assert_eq!(read(&log), "shown eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.c2lnbm…\n");
    assert_eq!(read(&key), shown);
}

#[tokio::test]
async fn nobody_takes_over_what_is_owned_and_everybody_what_is_not() {
    let state = tempfile::tempdir().expect("a directory");
    let path = state.path().join("lab");
    let first = owned(path.clone());
    assert!(take_over(&path, Claim::Proved).await.expect("it can be asked").is_none());
    assert!(take_over(&path, Claim::Asserted).await.expect("it can be asked").is_none());
    first.settled.store(true, Ordering::Relaxed);
    drop(first);
    assert_eq!(ownership(&path), Ownership::Crashed);
    let taken = take_over(&path, Claim::Proved)
        .await
        .expect("it can be asked")
        .expect("nobody owns it");
    taken.remove().expect("it can be removed");
    assert!(!path.exists());
    assert!(take_over(&path, Claim::Proved).await.expect("it can be asked").is_none());
}

#[tokio::test]
async fn what_has_no_marker_is_not_taken_over_and_not_even_locked() {
    let state = tempfile::tempdir().expect("a directory");
    let path = state.path().join("01-intro");
    std::fs::create_dir(&path).expect("a directory");
    std::fs::write(path.join("thesis.txt"), "a year").expect("a file");
    for claim in [Claim::Proved, Claim::Asserted] {
        let told = take_over(&path, claim).await.expect_err("it is not a lab's").to_string();
        assert!(told.contains("01-intro") && told.contains("has no authlab-lab.json"), "{told}");
    }
    // A lock does not make it a lab's either.
    std::fs::write(path.join("owner.lock"), "1").expect("a file");
    assert!(doubt(&path).contains("has no authlab-lab.json"));
    std::fs::write(path.join("authlab-lab.json"), "{}").expect("a file");
    assert!(
        doubt(&path).starts_with("its authlab-lab.json is invalid: missing field"),
        "{}",
        doubt(&path)
    );
    assert_eq!(std::fs::read_to_string(path.join("thesis.txt")).expect("it is there"), "a year");
    // A lab whose creation was interrupted has nothing in it.
    let begun = state.path().join("begun");
    std::fs::create_dir(&begun).expect("a directory");
    std::fs::write(begun.join("owner.lock"), "").expect("a file");
    let taken = take_over(&begun, Claim::Proved)
        .await
        .expect("it can be asked")
        .expect("nobody owns it");
    taken.remove().expect("it can be removed");
    assert!(!begun.exists());
}

#[tokio::test]
async fn links_and_what_others_control_are_left_alone() {
    let state = tempfile::tempdir().expect("a directory");
    let victim = state.path().join("victim");
    crashed(&victim);
    let link = state.path().join("link");
    symlink(&victim, &link).expect("a link");
    assert_eq!(doubt(&link), "it is a symbolic link");
    take_over(&link, Claim::Asserted).await.expect_err("it is a link");
    std::fs::set_permissions(&victim, std::fs::Permissions::from_mode(0o770)).expect("it is ours");
    assert_eq!(doubt(&victim), "others can write it (mode 770)");
    let told = take_over(&victim, Claim::Asserted)
        .await
        .expect_err("others can write it")
        .to_string();
    assert!(told.contains("victim"), "{told}");
    std::fs::set_permissions(&victim, std::fs::Permissions::from_mode(0o700)).expect("it is ours");
    // The marker is only a link to another lab's.
    let other = state.path().join("other");
    std::fs::create_dir(&other).expect("a directory");
    symlink(victim.join("authlab-lab.json"), other.join("authlab-lab.json")).expect("a link");
    assert!(doubt(&other).starts_with("its authlab-lab.json is invalid"), "{}", doubt(&other));
    assert_eq!(ownership(&victim), Ownership::Crashed);
}

#[tokio::test]
async fn a_lab_of_another_container_is_left_unless_a_person_says_more() {
    let state = tempfile::tempdir().expect("a directory");
    let path = state.path().join("lab");
    crashed(&path);
    made_by(&path, |owner| owner.pid_namespace = Some("pid:[1]".to_owned()));
    let told = take_over(&path, Claim::Proved).await.expect_err("nobody can tell");
    assert!(
        matches!(
            told,
            LabError::Elsewhere {
                of: Elsewhere::Namespace,
                ..
            }
        ),
        "{told}"
    );
    assert_eq!(ownership(&path), Ownership::Crashed);
    assert!(take_over(&path, Claim::Asserted).await.expect("it can be asked").is_some());
    // The owner of a kept directory had ended; the machine may have been restarted since.
    std::fs::remove_file(path.join("owner.lock")).expect("it is ours");
    assert!(take_over(&path, Claim::Proved).await.expect("it can be asked").is_some());
}

#[test]
fn the_process_of_an_owner_is_the_one_that_holds_the_lock() {
    let state = tempfile::tempdir().expect("a directory");
    let path = state.path().join("lab");
    let directory = owned(path.clone());
    let process = owners_process(&path).expect("it is this one");
    assert_eq!(process.pid(), std::process::id());
    let sign = |pid: u32| std::fs::write(path.join("owner.lock"), pid.to_string()).expect("it is ours");
    // The machine's first process holds no lock of ours, even if its number is written down.
    sign(1);
    assert!(owners_process(&path).is_none(), "only the marker's owner");
    made_by(&path, |owner| owner.pid = 1);
    #[cfg(target_os = "linux")]
    assert!(owners_process(&path).is_none(), "it does not have the file open");
    sign(std::process::id());
    made_by(&path, |owner| owner.pid = std::process::id());
    assert!(owners_process(&path).is_some());
    made_by(&path, |owner| owner.pid_namespace = Some("pid:[1]".to_owned()));
    assert!(owners_process(&path).is_none(), "its number means another process here");
    drop(directory);
}

#[test]
fn a_removal_that_was_given_up_half_way_leaves_a_labs_directory() {
    let state = tempfile::tempdir().expect("a directory");
    let path = state.path().join("lab");
    crashed(&path);
    std::fs::create_dir_all(path.join("etcd/member")).expect("a directory in it");
    symlink("/", path.join("etcd/root")).expect("a link");
    contents::empty(&path).expect("it can be emptied");
    assert!(matches!(look(&path), There::Lab(Some(_), Ownership::Crashed)));
    contents::remove(&path).expect("it can be removed");
    assert!(matches!(look(&path), There::Nothing));
}
