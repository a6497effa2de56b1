//! The processes of this machine that belong to a lab.
//!
//! The main types are [`Left`], the servers that a lab's owner left, and [`Seen`], a process to be displayed. A server carries its lab's
//! random id in its environment, and only this id permits killing it. Its command line only decides whether it is displayed.

use std::path::Path;

use crate::owner::LabId;
use crate::process::Running;
#[cfg(target_os = "linux")]
use crate::process::stopped::says_stopped;
use crate::server_binaries::{AGGREGATED_API, TOKEN_SIGNER};

/// A running process.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) pid: u32,
    /// The name of its program, without the directory.
    pub(super) program: String,
    /// Its command line, the program first.
    pub(super) arguments: Vec<String>,
    /// Its memory, and whether it runs.
    pub(super) state: State,
}

/// The state of a process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct State {
    /// The memory it uses, in bytes, if it can be read.
    pub(super) memory: Option<u64>,
    /// `true` if a signal stopped it (SIGSTOP, SIGTSTP): it does nothing until SIGCONT. A process that a debugger holds is not stopped.
    pub(super) stopped: bool,
}

/// The programs of a lab that are displayed.
const PROGRAMS: &[&str] = &[
    "etcd",
    "kube-apiserver",
    "kube-controller-manager",
    AGGREGATED_API,
    TOKEN_SIGNER,
    "java",
    "node",
];

/// Returns the servers with the lab's directory `path` in an option, for display. Those of another container can have the same path.
pub(super) fn servers(path: &Path) -> Vec<Seen> {
    let ours = std::process::id();
    let mut seen = all();
    seen.retain(|process| process.pid != ours && PROGRAMS.contains(&process.program.as_str()) && process.names(path));
    seen
}

/// The program of API servers.
const API_SERVER: &str = "kube-apiserver";

impl Seen {
    /// Returns `true` if an option of its command line is a file in the directory `path`.
    fn names(&self, path: &Path) -> bool {
        let value = |option: &str| option.split_once('=').map(|(_, value)| value.to_owned());
        let mut options = self.arguments.iter().skip(1).filter(|option| option.starts_with('-'));
        options.any(|option| value(option).is_some_and(|value| Path::new(&value).starts_with(path)))
    }

    /// Returns `true` if it is an API server.
    pub(super) fn is_api_server(&self) -> bool {
        self.program == API_SERVER
    }

    /// Returns the name of the API server of the lab in `path` that it is: that of the directory of its own files.
    #[cfg(target_os = "linux")]
    pub(super) fn api_server(&self, path: &Path) -> Option<String> {
        let place = self.arguments.iter().find_map(|argument| argument.strip_prefix("--cert-dir="))?;
        let name = Path::new(place).strip_prefix(path.join("api-servers")).ok()?;
        Some(name.to_str()?.to_owned()).filter(|name| !name.is_empty() && !name.contains('/'))
    }

    /// Returns `true` if it is in another PID namespace than ours, or in one that is not visible: in a container that we are not in.
    #[cfg(target_os = "linux")]
    pub(super) fn is_contained(&self) -> bool {
        !same_namespace(self.pid, "pid")
    }

    /// Returns `false`: on this system, no process of a container is a process of the machine.
    #[cfg(not(target_os = "linux"))]
    pub(super) fn is_contained(&self) -> bool {
        false
    }

    /// Returns its flags, redacted; none unless it is an API server.
    pub(super) fn flags(&self) -> Vec<String> {
        let flags = self.arguments.iter().skip(1).filter(|_| self.is_api_server());
        flags.map(|flag| crate::secret::redact(flag).into_owned()).collect()
    }
}

/// Returns the flags of the process `pid`, if it is an API server that we may examine.
pub(super) fn flags(pid: u32) -> Vec<String> {
    all()
        .into_iter()
        .find(|process| process.pid == pid)
        .map(|process| process.flags())
        .unwrap_or_default()
}

/// Returns the state of the process `pid`; nothing is known of one that is gone.
pub(super) fn state(pid: u32) -> State {
    all()
        .into_iter()
        .find(|process| process.pid == pid)
        .map(|process| process.state)
        .unwrap_or_default()
}

impl Seen {
    fn new(pid: u32, arguments: Vec<String>, state: State) -> Self {
        let program = arguments.first().map(String::as_str).unwrap_or_default();
        let program = program.rsplit('/').next().unwrap_or_default().to_owned();
        Self {
            pid,
            program,
            arguments,
            state,
        }
    }
}

/// Returns every process that is visible to us. A zombie has no command line, and so no program.
#[cfg(target_os = "linux")]
fn all() -> Vec<Seen> {
    let seen = |pid: u32| {
        let arguments = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let arguments = String::from_utf8_lossy(&arguments);
        let arguments = arguments.trim_end_matches('\0').split('\0').map(str::to_owned);
        Some(Seen::new(pid, arguments.collect(), State::of(&status)))
    };
    numbers().filter_map(seen).collect()
}

/// Returns all process ids.
#[cfg(target_os = "linux")]
fn numbers() -> impl Iterator<Item = u32> {
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

#[cfg(target_os = "linux")]
impl State {
    /// Parses the line `VmRSS: 1234 kB`, and the state, of `/proc/PID/status` (proc_pid_status(5)).
    fn of(status: &str) -> Self {
        let value = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        let kilobytes = value("VmRSS:").and_then(|size| size.strip_suffix("kB")?.trim().parse::<u64>().ok());
        Self {
            memory: kilobytes.map(|size| size * 1024),
            stopped: says_stopped(status),
        }
    }
}

/// Returns every process that is visible to us.
#[cfg(not(target_os = "linux"))]
fn all() -> Vec<Seen> {
    let seen = |(pid, rest): (u32, &str)| {
        let (kilobytes, rest) = rest.trim_start().split_once(' ')?;
        let (doing, command) = rest.trim_start().split_once(' ')?;
        let state = State {
            memory: kilobytes.parse::<u64>().ok().map(|size| size * 1024),
            // `TX` is one that a debugger holds.
            stopped: doing.starts_with('T') && !doing.contains('X'),
        };
        Some(Seen::new(pid, command.trim_start().split(' ').map(str::to_owned).collect(), state))
    };
    listed(&["-axo", "pid=,rss=,stat=,command="], seen)
}

/// Applies `seen` to the lines of `ps`, each split into the process id and the rest.
#[cfg(not(target_os = "linux"))]
fn listed<T>(arguments: &[&str], seen: impl Fn((u32, &str)) -> Option<T>) -> Vec<T> {
    let output = std::process::Command::new("/bin/ps").args(arguments).output();
    let text = output
        .map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
        .unwrap_or_default();
    let lines = text.lines().filter_map(|line| {
        let (pid, rest) = line.trim_start().split_once(' ')?;
        seen((pid.parse().ok()?, rest))
    });
    lines.collect()
}

/// The servers of a lab whose owner is gone.
#[derive(Debug, Default)]
pub(super) struct Left {
    /// The servers that are certainly the lab's, held so that a signal reaches no other process.
    pub(super) servers: Vec<Running>,
    /// The process ids of servers that carry the lab's id but see other processes or files than we do.
    pub(super) strange: Vec<u32>,
}

impl Left {
    /// Finds the servers that the lab with the id `id` has left.
    #[cfg(target_os = "linux")]
    pub(super) fn of(id: &LabId) -> Self {
        let mut left = Self::default();
        for pid in numbers().filter(|pid| carries(*pid, id)) {
            // Opened first, then checked again: as long as it has not ended, its number cannot refer to another process.
            match Running::open(pid) {
                Ok(Some(process)) if carries(pid, id) && sees_what_we_see(pid) => left.servers.push(process),
                Ok(Some(process)) if matches!(process.has_ended(), Ok(true)) => {}
                Ok(None) => {}
                Ok(Some(_)) | Err(_) => left.strange.push(pid),
            }
        }
        left
    }

    /// Finds the servers that the lab with the id `id` has left: processes of this user whose environment, as `ps` shows it, has the
    /// id, and whose program is one of a lab's. This system offers no better proof, and no descriptor of a process.
    #[cfg(not(target_os = "linux"))]
    pub(super) fn of(id: &LabId) -> Self {
        let wanted = format!("{}={id}", LabId::VARIABLE);
        let user = rustix::process::geteuid().as_raw().to_string();
        let carries = |(pid, rest): (u32, &str)| {
            let mut words = rest.split(' ');
            let program = Seen::new(pid, vec![words.next()?.to_owned()], State::default()).program;
            (PROGRAMS.contains(&program.as_str()) && words.any(|word| word == wanted)).then_some(pid)
        };
        let pids = listed(&["-U", &user, "-E", "-ww", "-o", "pid=,command="], carries);
        Self {
            servers: pids.into_iter().filter_map(|pid| Running::open(pid).ok().flatten()).collect(),
            strange: Vec::new(),
        }
    }
}

/// Returns `true` if the process was started with the lab's id in its environment.
#[cfg(target_os = "linux")]
fn carries(pid: u32, id: &LabId) -> bool {
    let wanted = format!("{}={id}", LabId::VARIABLE);
    std::fs::read(format!("/proc/{pid}/environ")).is_ok_and(|environment| {
        let mut variables = environment.split(|byte| *byte == 0);
        variables.any(|variable| variable == wanted.as_bytes())
    })
}

/// Returns `true` if the process is in our PID and mount namespaces, and executes a file that we may examine: a container's is not.
#[cfg(target_os = "linux")]
fn sees_what_we_see(pid: u32) -> bool {
    let program = std::fs::read_link(format!("/proc/{pid}/exe"));
    same_namespace(pid, "pid") && same_namespace(pid, "mnt") && program.is_ok()
}

/// Returns `true` if the process is certainly in our own namespace of this kind (namespaces(7)).
#[cfg(target_os = "linux")]
fn same_namespace(pid: u32, kind: &str) -> bool {
    let its = std::fs::read_link(format!("/proc/{pid}/ns/{kind}"));
    its.is_ok_and(|its| std::fs::read_link(format!("/proc/self/ns/{kind}")).is_ok_and(|ours| ours == its))
}

#[cfg(test)]
mod tests {
    #[cfg(target_os = "linux")]
    use std::time::Duration;

    use super::*;
    #[cfg(target_os = "linux")]
    use crate::process::wait::{Condition, until};

    fn seen(command: &[&str]) -> Seen {
        Seen::new(1, command.iter().map(|word| (*word).to_owned()).collect(), State::default())
    }

    #[test]
    fn a_program_is_the_last_part_of_the_first_word() {
        let etcd = seen(&["/opt/servers/etcd", "--data-dir=/state/labs/a/etcd"]);
        assert_eq!((etcd.program.as_str(), etcd.flags()), ("etcd", Vec::new()));
        assert_eq!(seen(&[""]).program, "");
        let server = seen(&["/opt/my servers/kube-apiserver", "--secure-port=1"]);
        assert_eq!(server.flags(), ["--secure-port=1"]);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn an_api_server_has_the_name_of_its_directory() {
        let lab = Path::new("/state/labs/a");
        let name = |directory: &str| seen(&["kube-apiserver", "--v=1", &format!("--cert-dir={directory}")]).api_server(lab);
        assert_eq!(name("/state/labs/a/api-servers/tokens").as_deref(), Some("tokens"));
        for other in ["/state/labs/b/api-servers/tokens", "/state/labs/a/api-servers", "/state/labs/a"] {
            assert_eq!(name(other), None, "{other}");
        }
    }

    #[test]
    fn only_an_option_that_is_a_file_of_the_lab_shows_a_server() {
        let lab = Path::new("/state/labs/a");
        for shown in [
            ["etcd", "--data-dir=/state/labs/a/etcd"],
            ["java", "-Dkc.home.dir=/state/labs/a/keycloak"],
            ["node", "--settings=/state/labs/a/oidc-provider/settings.json"],
        ] {
            assert!(seen(&shown).names(lab), "{shown:?}");
        }
        for other in [
            ["etcd", "--data-dir=/mnt/state/labs/a/etcd"],
            ["etcd", "--data-dir=/state/labs/ab/etcd"],
            ["java", "/state/labs/a/notes.txt"],
        ] {
            assert!(!seen(&other).names(lab), "{other:?}");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn what_a_process_is_doing_is_read_from_its_status() {
        let etcd = State::of("Name:\tetcd\nState:\tT (stopped)\nVmRSS:\t   2048 kB\n");
        assert_eq!((etcd.memory, etcd.stopped), (Some(2 * 1024 * 1024), true));
        let ours = state(std::process::id());
        assert!(ours.memory.is_some_and(|bytes| bytes > 1024 * 1024) && !ours.stopped, "{ours:?}");
    }

    /// A process that ends when it is dropped.
    #[cfg(target_os = "linux")]
    struct Stand(std::process::Child);

    #[cfg(target_os = "linux")]
    impl Stand {
        fn with(arguments: &[&str], variable: Option<String>) -> Self {
            let mut command = std::process::Command::new("sh");
            command.args(["-c", "read -r nothing", "sh"]).args(arguments).env_clear();
            command.envs(variable.map(|value| (LabId::VARIABLE, value)));
            Self::of(&mut command)
        }

        /// Starts a program that ends with its input, and so with this process, however that ends.
        fn of(command: &mut std::process::Command) -> Self {
            command.stdin(std::process::Stdio::piped());
            command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
            Self(command.spawn().expect("the program is there"))
        }
    }

    #[cfg(target_os = "linux")]
    impl Drop for Stand {
        fn drop(&mut self) {
            let _gone = self.0.kill().and_then(|()| self.0.wait());
        }
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn a_process_in_another_pid_namespace_is_contained() {
        let seen = |pid| Seen::new(pid, Vec::new(), State::default());
        let beside = Stand::with(&[], None);
        assert!(!seen(beside.0.id()).is_contained());
        // As an engine creates it: in its own PID namespace, under the number that it has outside.
        let mut inside = std::process::Command::new("unshare");
        inside.args(["--user", "--map-root-user", "--pid", "--fork", "--kill-child", "cat"]);
        let mut inside = Stand::of(&mut inside);
        let began = until("a process in a namespace of its own", Duration::from_secs(20), || {
            let outer = inside.0.id();
            let children = std::fs::read_to_string(format!("/proc/{outer}/task/{outer}/children")).unwrap_or_default();
            let child = children.split_whitespace().next().and_then(|child| child.parse::<u32>().ok());
            // Not every system allows unprivileged users to create one.
            let forbidden = inside.0.try_wait().is_ok_and(|ended| ended.is_some());
            std::future::ready(Ok::<_, std::convert::Infallible>(match child {
                Some(child) => Condition::Met(Some(child)),
                None if forbidden => Condition::Met(None),
                None => Condition::NotYet("it has not begun".to_owned()),
            }))
        });
        if let Some(child) = began.await.unwrap() {
            assert!(seen(child).is_contained());
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn servers_are_known_by_their_labs_id_in_their_environment_and_by_nothing_else() {
        let id = LabId::random();
        let server = Stand::with(&[], Some(id.to_string()));
        let _of_another_lab = Stand::with(&[], Some(LabId::random().to_string()));
        let _longer = Stand::with(&[], Some(format!("{id}0")));
        // An editor, or `grep`, has the variable in its command line.
        let _reader = Stand::with(&[&format!("/{}={id}", LabId::VARIABLE)], None);
        let left = Left::of(&id);
        let pids: Vec<u32> = left.servers.iter().map(Running::pid).collect();
        assert_eq!((pids, left.strange), (vec![server.0.id()], Vec::new()));
    }
}
