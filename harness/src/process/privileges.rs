//! Privileges that a program gains when it is executed: by capabilities of its file, or a set-user-id or set-group-id bit.
//!
//! The main function is [`were_gained`]. Linux then forgets that the program is to be killed with its owner (`PR_SET_PDEATHSIG`,
//! prctl(2)), and does not say so; but it says what made it forget.

/// The entry of the auxiliary vector that says that privileges were gained (getauxval(3)).
#[cfg(target_os = "linux")]
const AT_SECURE: usize = 23;

/// Returns `true` if the process `pid`, a child that was started a moment ago, has gained privileges. One that has ended has not.
#[cfg(target_os = "linux")]
pub(super) fn were_gained(pid: u32) -> bool {
    use std::io::ErrorKind;
    match std::fs::read(format!("/proc/{pid}/auxv")) {
        Ok(vector) => is_secure(&vector) || !is_within(&capabilities(&pid.to_string()), &capabilities("self")),
        // Our own child is hidden from us only where it has more rights than we have.
        Err(error) => error.kind() == ErrorKind::PermissionDenied,
    }
}

/// Nothing is forgotten where the kernel kills nobody with their owner.
#[cfg(not(target_os = "linux"))]
pub(super) fn were_gained(_: u32) -> bool {
    false
}

/// Returns `true` if an auxiliary vector, pairs of words of this machine, says that privileges were gained (proc_pid_auxv(5)).
#[cfg(target_os = "linux")]
fn is_secure(vector: &[u8]) -> bool {
    let words: Vec<usize> = vector
        .chunks_exact(size_of::<usize>())
        .filter_map(|word| word.try_into().ok().map(usize::from_ne_bytes))
        .collect();
    words.chunks_exact(2).any(|entry| entry[0] == AT_SECURE && entry[1] != 0)
}

/// The permitted capabilities of a process, as a set of bits; `None` where they cannot be read.
#[cfg(target_os = "linux")]
fn capabilities(pid: &str) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let permitted = status.lines().find_map(|line| line.strip_prefix("CapPrm:"))?;
    u64::from_str_radix(permitted.trim(), 16).ok()
}

/// Returns `true` if a process has no capability that its owner lacks. Of one that has ended nothing is known, and nothing matters.
#[cfg(target_os = "linux")]
fn is_within(its: &Option<u64>, ours: &Option<u64>) -> bool {
    match (its, ours) {
        (Some(its), Some(ours)) => its & !ours == 0,
        _ => true,
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    fn vector(entries: &[[usize; 2]]) -> Vec<u8> {
        entries.iter().flatten().flat_map(|word| word.to_ne_bytes()).collect()
    }

    #[test]
    fn the_kernel_says_in_the_auxiliary_vector_that_privileges_were_gained() {
        assert!(is_secure(&vector(&[[6, 4096], [AT_SECURE, 1], [0, 0]])));
        assert!(!is_secure(&vector(&[[6, AT_SECURE], [AT_SECURE, 0], [0, 0]])));
        assert!(!is_secure(&[]));
        assert!(!were_gained(std::process::id()));
    }

    #[test]
    fn one_capability_more_is_one_too_many() {
        assert!(is_within(&Some(0b011), &Some(0b111)));
        assert!(!is_within(&Some(0b100), &Some(0b011)));
        assert!(is_within(&None, &Some(0)));
    }
}
