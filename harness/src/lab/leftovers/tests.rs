//! Tests of clearing: objects that are removed, and objects that are left alone.

use std::path::PathBuf;

use super::*;

/// Creates a lab of this process; a crashed one has a lock file that is free.
fn lab(directory: &Path, is_crashed: bool) -> Marker {
    crate::private::make_directory(directory).expect("a directory");
    let marker = Marker::new();
    marker.write(directory).expect("it can be written");
    if is_crashed {
        std::fs::write(directory.join("owner.lock"), "1").expect("it can be written");
    }
    marker
}

fn labels(directory: impl Into<PathBuf>, change: impl FnOnce(&mut Owner)) -> Labels {
    let mut labels = Labels::new("blue", directory);
    change(&mut labels.owner);
    labels
}

#[test]
fn what_somebody_else_owns_is_told_and_not_taken_for_an_orphan() {
    let here = Owner::here();
    // The process has ended and was waited for.
    let mut child = std::process::Command::new("true").spawn().expect("there is true");
    child.wait().expect("it ends");
    let ended = child.id();
    let fate = |labels: Labels| fate(Some(&labels), &here);
    let of = |change: fn(&mut Owner)| {
        fate(labels("/nowhere", |owner| {
            owner.pid = ended;
            change(owner);
        }))
    };
    assert_eq!(of(|_| {}), Fate::Orphan);
    assert_eq!(fate(labels("/nowhere", |_| {})), Fate::Lives, "this process");
    // Another user's process cannot be signalled, but it lives.
    assert_eq!(fate(labels("/nowhere", |owner| owner.pid = 1)), Fate::Lives);
    for (change, whose) in [
        ((|owner| owner.user += 1) as fn(&mut Owner), "another user"),
        (|owner| owner.machine = Some("other".to_owned()), "another machine"),
        (|owner| owner.boot = Some("other".to_owned()), "this machine before its last start"),
        (|owner| owner.pid_namespace = Some("other".to_owned()), "another container"),
        (|owner| owner.boot = None, "an unknown owner"),
    ] {
        let Fate::Untold(of) = of(change) else {
            panic!("{whose} was not told")
        };
        assert!(of.contains(whose), "{of}");
    }
    assert!(matches!(super::fate(None, &here), Fate::Untold(_)));
}

#[test]
fn the_lock_of_the_very_lab_says_more_than_a_number() {
    let state = tempfile::tempdir().expect("a directory");
    let path = state.path().join("lab");
    let marker = lab(&path, true);
    let here = Owner::here();
    // The owner's process id has been reused by another process.
    let labels = labels(&path, |owner| owner.pid = 1).with_id(marker.id);
    assert_eq!(fate(Some(&labels), &here), Fate::Orphan);
    // A directory at the same path that belongs to another lab proves nothing.
    let other = Labels {
        id: LabId::random(),
        ..labels
    };
    assert_eq!(fate(Some(&other), &here), Fate::Lives);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn servers_of_the_lab_are_killed_and_others_that_name_its_directory_are_not() {
    let state = tempfile::tempdir().expect("a directory");
    let path = state.path().join("lab");
    let marker = lab(&path, true);
    let notes = path.join("notes.txt");
    std::fs::write(&notes, "").expect("a file");
    let tail = |of: Option<&LabId>| {
        let mut command = tokio::process::Command::new("tail");
        command.arg("-f").arg(&notes).env_clear().kill_on_drop(true);
        command.envs(of.map(|id| (LabId::VARIABLE, id.as_str())));
        command.spawn().expect("there is tail")
    };
    let (mut server, mut editor, mut of_another) = (tail(Some(&marker.id)), tail(None), tail(Some(&LabId::random())));
    let mut counts = Counts::default();
    let cleared = clear_one(&path, Claim::Proved, &mut counts).await.expect("it can be cleared");
    assert!(cleared && !path.exists());
    assert_eq!(counts.processes, 1);
    assert!(!server.wait().await.expect("it was killed").success());
    for other in [&mut editor, &mut of_another] {
        assert!(other.try_wait().expect("it can be asked").is_none(), "it was not the lab's");
    }
}

#[test]
fn plain_clearing_wants_crashed_labs_alone() {
    use Ownership::{Crashed, Kept, Owned, Unknown};
    let wanted = |clearing: Clearing| [Owned, Crashed, Kept, Unknown].map(|ownership| clearing.wants(ownership));
    assert_eq!(wanted(Clearing::Crashed), [false, true, false, false]);
    assert_eq!(wanted(Clearing::AlsoKept), [false, true, true, true]);
    assert_eq!(wanted(Clearing::AlsoForeign), [false, true, true, true]);
    assert_eq!(Clearing::AlsoKept.claim(), Claim::Proved);
    assert_eq!(Clearing::AlsoForeign.claim(), Claim::Asserted);
}
