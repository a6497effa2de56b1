//! What a crash left: processes and directories of labs whose owner is gone.

use std::path::Path;

use rustix::process::{Pid, Signal};

use super::{LabError, directory};

/// What was cleared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cleared {
    /// The labs whose directories were removed.
    pub labs: Vec<String>,
    /// How many processes were killed.
    pub processes: usize,
}

/// Clears what labs without a living owner left, processes and directories. Labs that are up are not touched.
///
/// # Errors
/// A directory cannot be removed.
pub fn clear() -> Result<Cleared, LabError> {
    let mut cleared = Cleared::default();
    for lab in directory::found()?.into_iter().filter(|lab| !lab.owned) {
        cleared.processes += kill(&lab.path);
        directory::remove(&lab.path)?;
        cleared.labs.push(lab.name);
    }
    Ok(cleared)
}

/// The programs that a lab starts: no editor or pager of a person is killed for looking at a lab's file.
const PROGRAMS: &[&str] = &["etcd", "kube-apiserver", "kube-controller-manager", "java"];

/// Kills every server whose command line names a file in `path`; says how many there were.
pub(super) fn kill(path: &Path) -> usize {
    // With the separator, so that the lab `a` is not taken for the lab `ab`.
    let wanted = format!("{}/", path.display());
    let ours = std::process::id();
    let mut killed = 0;
    for (pid, command) in commands() {
        let program = command.split(' ').next().unwrap_or_default();
        let program = program.rsplit('/').next().unwrap_or_default();
        if pid == ours || !PROGRAMS.contains(&program) || !command.contains(&wanted) {
            continue;
        }
        if let Some(pid) = Pid::from_raw(pid.cast_signed())
            && rustix::process::kill_process(pid, Signal::KILL).is_ok()
        {
            killed += 1;
        }
    }
    killed
}

/// Process id and command line of every process of this machine that we may see.
#[cfg(target_os = "linux")]
fn commands() -> Vec<(u32, String)> {
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let command = |entry: std::fs::DirEntry| {
        let pid = entry.file_name().to_str()?.parse().ok()?;
        let arguments = std::fs::read(entry.path().join("cmdline")).ok()?;
        Some((pid, String::from_utf8_lossy(&arguments).replace('\0', " ")))
    };
    processes.filter_map(command).collect()
}

/// Process id and command line of every process of this machine that we may see.
#[cfg(not(target_os = "linux"))]
fn commands() -> Vec<(u32, String)> {
    let listed = std::process::Command::new("ps").args(["-axo", "pid=,command="]).output();
    let text = listed.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    let command = |line: &str| {
        let (pid, command) = line.trim_start().split_once(' ')?;
        Some((pid.parse().ok()?, command.to_owned()))
    };
    text.lines().filter_map(command).collect()
}
