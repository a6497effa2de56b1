//! A program that gains privileges on exec is not started: the kernel would no longer end it with its owner.

use std::path::{Path, PathBuf};

use authlab::hint::Hint;
use authlab::process::{ProcessError, Program};

/// Returns a program with a set-user-id bit for another user, created below `directory` if necessary, and arguments with which it does not
/// end at once.
fn set_user_id(directory: &Path) -> (PathBuf, &'static [&'static str]) {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
    if rustix::process::geteuid().is_root() {
        let program = directory.join("as-somebody-else");
        std::fs::copy(which::which("sleep").unwrap(), &program).unwrap();
        chown(&program, Some(65534), None).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o4755)).unwrap();
        return (program, &["1000"]);
    }
    // `su` waits for a while after a wrong password.
    let programs = ["/usr/bin/su", "/bin/su"].map(PathBuf::from);
    let found = programs
        .into_iter()
        .find(|program| std::fs::metadata(program).is_ok_and(|file| file.uid() == 0 && file.mode() & 0o4000 != 0));
    (found.expect("one of the usual programs with a set-user-id bit"), &[])
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_program_that_would_outlive_its_owner_is_ended_at_once() {
    // Not in the directory for temporary files: it may be mounted without set-user-id bits.
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let (program, arguments) = set_user_id(directory.path());
    let log = directory.path().join("log");
    // The program has to run until it is ended: the privileges of an ended process cannot be read.
    let start = |program: &Path, arguments: &[&str]| Program::new("a server", program, &log).arguments(arguments).start();
    let error = start(&program, arguments).await.unwrap_err();
    assert!(matches!(error, ProcessError::Privileged { .. }), "{error}");
    let says = format!("a server would outlive its owner: {} gains privileges", program.display());
    assert!(error.to_string().contains(&says), "{error}");
    assert!(error.hint().is_some_and(|hint| hint.contains("use a copy of it")), "{error}");
    // A copy has no such bit.
    let copy = directory.path().join("copy");
    std::fs::write(&copy, std::fs::read(which::which("sleep").unwrap()).unwrap()).unwrap();
    std::fs::set_permissions(&copy, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    start(&copy, &["1000"]).await.unwrap().kill().await.unwrap();
}
