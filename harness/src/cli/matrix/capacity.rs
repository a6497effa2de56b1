//! The number of labs that this machine can run at once. The main type is [`Capacity`].

use std::thread;

/// The memory that a lab needs at most, in bytes: eight API servers and Keycloak, with a margin (docs/reference/figures.md).
pub(in crate::cli) const MEMORY_OF_A_LAB: u64 = 5 << 29;

/// The number of labs at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Capacity {
    /// All labs.
    pub(super) labs: usize,
    /// Labs that are starting, among these. A lab that starts keeps two cores busy; one that carries its scenarios out mostly waits.
    pub(super) starting: usize,
}

impl Capacity {
    /// Returns the capacity of this machine, at most `most` labs.
    pub(super) fn of_this_machine(most: Option<usize>) -> Self {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        Self::of(cores, available_memory(), most)
    }

    /// Allows one lab per core and per 2.5 GiB: two on two cores, so that one starts while the other carries its scenarios out.
    fn of(cores: usize, memory: Option<u64>, most: Option<usize>) -> Self {
        let by_memory = memory.map_or(2, |bytes| usize::try_from(bytes / MEMORY_OF_A_LAB).unwrap_or(usize::MAX));
        let labs = most.unwrap_or_else(|| cores.max(2).min(by_memory).max(1));
        Self {
            labs,
            starting: (cores / 2).clamp(1, labs),
        }
    }
}

/// Returns the bytes that are available without swapping; `None` if the system does not report them.
pub(in crate::cli) fn available_memory() -> Option<u64> {
    let of_machine = fs_err::read_to_string("/proc/meminfo").ok().and_then(|text| {
        let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
        Some(line.split_whitespace().next()?.parse::<u64>().ok()? * 1024)
    });
    // A container may have less (control groups, version 2).
    let number = |file: &str| fs_err::read_to_string(file).ok()?.trim().parse::<u64>().ok();
    let of_group =
        number("/sys/fs/cgroup/memory.max").map(|most| most.saturating_sub(number("/sys/fs/cgroup/memory.current").unwrap_or_default()));
    match (of_machine, of_group) {
        (Some(machine), Some(group)) => Some(machine.min(group)),
        (one, other) => one.or(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_and_cores_decide_unless_somebody_says() {
        let capacity = |cores, gib: Option<u64>, most| {
            let Capacity { labs, starting } = Capacity::of(cores, gib.map(|gib| gib << 30), most);
            (labs, starting)
        };
        assert_eq!(capacity(2, Some(22), None), (2, 1));
        assert_eq!(capacity(16, Some(20), None), (8, 8));
        assert_eq!(capacity(2, Some(3), None), (1, 1));
        assert_eq!(capacity(1, Some(1), None), (1, 1));
        assert_eq!(capacity(8, None, None), (2, 2));
        assert_eq!(capacity(2, Some(22), Some(5)), (5, 1));
        assert_eq!(capacity(16, Some(64), Some(1)), (1, 1));
    }
}
