//! Privileges that a program gains when it is executed: by capabilities of its file, or a set-user-id or set-group-id bit.
//!
//! The main function is [`were_gained`]. Linux then forgets that the program is to be killed with its owner (`PR_SET_PDEATHSIG`,
//! prctl(2)), and does not say so; but it says what made it forget.

/// The entry of the auxiliary vector that says that privileges were gained (getauxval(3)).
#[cfg(target_os = "linux")]
const AT_SECURE: usize = 23;

/// The entry that the kernel writes after that one: the name of the program's file.
#[cfg(target_os = "linux")]
const AT_EXECFN: usize = 31;

/// The time limit for the kernel to have executed the program. If it is exceeded, the gained privileges are unknown.
#[cfg(target_os = "linux")]
const EXECUTION: std::time::Duration = std::time::Duration::from_secs(5);

/// Returns `true` if the process `pid`, a child that was started a moment ago, has gained privileges. One that has ended has not.
///
/// Waits for the auxiliary vector: the kernel writes it only after the starter of a program learns that it is executed.
#[cfg(target_os = "linux")]
pub(super) async fn were_gained(pid: u32) -> bool {
    use std::convert::Infallible;
    use std::io::ErrorKind;

    use super::wait::{Condition, until};

    let seen = until("the execution of a program", EXECUTION, || {
        let seen = match std::fs::read(format!("/proc/{pid}/auxv")) {
            // A process without memory has ended.
            Ok(vector) if vector.is_empty() => Condition::Met(false),
            Ok(vector) if value(&vector, AT_EXECFN).is_none() => Condition::NotYet("it is not executed yet".to_owned()),
            Ok(vector) => {
                let is_secure = value(&vector, AT_SECURE).is_some_and(|value| value != 0);
                Condition::Met(is_secure || !is_within(&capabilities(&pid.to_string()), &capabilities("self")))
            }
            // Our own child is hidden from us if it has more rights than we have, and (Linux 6.18) if it has ended. If it has memory
            // afterwards, it had memory before.
            Err(error) => Condition::Met(error.kind() == ErrorKind::PermissionDenied && has_memory(&status(&pid.to_string()))),
        };
        std::future::ready(Ok::<_, Infallible>(seen))
    });
    seen.await.unwrap_or(false)
}

/// Returns `false`: this kernel does not kill programs with their owner, so that there is nothing to forget.
#[cfg(not(target_os = "linux"))]
pub(super) async fn were_gained(_: u32) -> bool {
    false
}

/// Returns the value of an entry of an auxiliary vector: pairs of words of this machine (proc_pid_auxv(5)).
#[cfg(target_os = "linux")]
fn value(vector: &[u8], entry: usize) -> Option<usize> {
    let words: Vec<usize> = vector
        .chunks_exact(size_of::<usize>())
        .filter_map(|word| word.try_into().ok().map(usize::from_ne_bytes))
        .collect();
    words.chunks_exact(2).find(|pair| pair[0] == entry).map(|pair| pair[1])
}

/// Returns the status of a process, which every user may read (proc_pid_status(5)); empty if the process does not exist.
#[cfg(target_os = "linux")]
fn status(pid: &str) -> String {
    std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default()
}

/// Returns `true` if the process with this status has memory; an ended process has none, even before it is waited for.
#[cfg(target_os = "linux")]
fn has_memory(status: &str) -> bool {
    status.lines().any(|line| line.starts_with("VmSize:"))
}

/// Returns the permitted capabilities of a process, as a set of bits; `None` if they cannot be read.
#[cfg(target_os = "linux")]
fn capabilities(pid: &str) -> Option<u64> {
    let status = status(pid);
    let permitted = status.lines().find_map(|line| line.strip_prefix("CapPrm:"))?;
    u64::from_str_radix(permitted.trim(), 16).ok()
}

/// Returns `true` if a process has no capability that its owner lacks. For an ended process, the result is unknown and does not matter.
#[cfg(target_os = "linux")]
fn is_within(its: &Option<u64>, ours: &Option<u64>) -> bool {
    match (its, ours) {
        (Some(its), Some(ours)) => its & !ours == 0,
        _ => true,
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::convert::Infallible;
    use std::time::Duration;

    use super::*;
    use crate::process::wait::{Condition, until};

    fn vector(entries: &[[usize; 2]]) -> Vec<u8> {
        entries.iter().flatten().flat_map(|word| word.to_ne_bytes()).collect()
    }

    #[tokio::test]
    async fn the_kernel_says_in_the_auxiliary_vector_that_privileges_were_gained() {
        let executed = vector(&[[6, AT_SECURE], [AT_SECURE, 1], [AT_EXECFN, 4096], [0, 0]]);
        assert_eq!((value(&executed, AT_SECURE), value(&executed, 6)), (Some(1), Some(AT_SECURE)));
        assert_eq!(value(&vector(&[[0, 0]]), AT_EXECFN), None);
        let own = std::fs::read("/proc/self/auxv").unwrap();
        assert!(value(&own, AT_EXECFN).is_some());
        assert!(!were_gained(std::process::id()).await);
    }

    /// An ordinary user cannot read the auxiliary vector of an ended process (Linux 6.18): `EACCES`, while root gets `ESRCH`.
    #[tokio::test]
    async fn one_that_has_ended_has_gained_nothing() {
        let mut ended = std::process::Command::new("true").spawn().unwrap();
        let its = || status(&ended.id().to_string());
        let over = until("the end of a program that nobody has waited for", Duration::from_secs(20), || {
            std::future::ready(Ok::<_, Infallible>(match its() {
                zombie if zombie.contains("State:\tZ") => Condition::Met(()),
                status => Condition::NotYet(status),
            }))
        });
        over.await.unwrap();
        assert!(!has_memory(&its()) && has_memory(&status("self")) && !has_memory(""));
        assert!(!were_gained(ended.id()).await);
        ended.wait().unwrap();
    }

    #[test]
    fn one_capability_more_is_one_too_many() {
        assert!(is_within(&Some(0b011), &Some(0b111)));
        assert!(!is_within(&Some(0b100), &Some(0b011)));
        assert!(is_within(&None, &Some(0)));
    }
}
