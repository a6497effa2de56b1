//! The limit of open files of this process.
//!
//! The main function is [`raise_limit`].

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Enough files for all listeners of a lab at their limits, with the connections behind them; the most that macOS allows (`OPEN_MAX`).
const ENOUGH: u64 = 10_240;

/// Raises the soft limit of open files (RLIMIT_NOFILE) towards the hard one: 1,024, or 256 on macOS, are few for a lab with many clients.
///
/// Children inherit it. Servers would raise it themselves: Go programs (`os`, since Go 1.19) and Java (`-XX:+MaxFDLimit`) do when they
/// start. It is not raised to a hard limit of many millions, for which some programs allocate tables.
pub(super) fn raise_limit() {
    let limit = getrlimit(Resource::Nofile);
    let wanted = limit.maximum.map_or(ENOUGH, |hard| hard.min(ENOUGH));
    // An unlimited soft limit is more than enough.
    if limit.current.is_none_or(|soft| soft >= wanted) {
        return;
    }
    // If it cannot be raised, fewer connections are served at once: accepting waits until a file is free again.
    let _ = setrlimit(
        Resource::Nofile,
        Rlimit {
            current: Some(wanted),
            ..limit
        },
    );
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::CommandExt;
    use std::process::Command;

    use super::*;

    /// A variable that is set in the child: the limit belongs to a process, which other tests share.
    const CHILD: &str = "TEST_OF_OPEN_FILES";

    #[test]
    fn the_soft_limit_is_raised_and_children_have_it_too() {
        let hard = getrlimit(Resource::Nofile).maximum;
        let expected = hard.unwrap_or(ENOUGH).min(ENOUGH);
        if std::env::var_os(CHILD).is_some() {
            raise_limit();
            let raised = getrlimit(Resource::Nofile);
            assert_eq!((raised.current, raised.maximum), (Some(expected), hard));
            let child = Command::new("sh").args(["-c", "ulimit -n"]).output().unwrap();
            assert_eq!(String::from_utf8(child.stdout).unwrap().trim(), expected.to_string());
            return;
        }
        let mut child = Command::new(std::env::current_exe().unwrap());
        child
            .args([
                "--exact",
                "cli::open_files::tests::the_soft_limit_is_raised_and_children_have_it_too",
            ])
            .env(CHILD, "");
        let low = Rlimit {
            current: Some(200),
            maximum: hard,
        };
        // SAFETY: one async-signal-safe system call between fork and exec.
        unsafe {
            child.pre_exec(move || Ok(setrlimit(Resource::Nofile, low)?));
        }
        let output = child.output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && said.contains("1 passed"), "{said}");
    }
}
