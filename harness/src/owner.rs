//! The owner of everything that authlab creates: a process of one user, on one machine since its last boot, in one PID namespace.
//!
//! The main types are [`Owner`], stored in labels and files, and [`LabId`], the random id of what is owned. Process ids are meaningful
//! only on the same machine, in the same boot and PID namespace; elsewhere, nothing can tell whether the owner is alive.

use std::fmt;
use std::str::FromStr;
use std::sync::OnceLock;

use serde::{Deserialize, Serialize};
use sha2::Digest;

/// The unique random id of a lab.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct LabId(String);

/// An error of a text that is not the id of a lab.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not the id of a lab (expected 32 hexadecimal digits)")]
pub struct NotALabId(pub String);

impl LabId {
    /// The environment variable of each server that holds the id of its lab.
    pub const VARIABLE: &str = "AUTHLAB_SERVER_OF";

    /// Returns a new id.
    #[must_use]
    pub fn random() -> Self {
        Self(random())
    }

    /// Returns the id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the beginning of the id, for names that have to be short.
    #[must_use]
    pub fn short(&self) -> &str {
        &self.0[..12]
    }
}

/// Returns random text of 32 hexadecimal digits.
pub(crate) fn random() -> String {
    let mut bytes = [0_u8; 16];
    rand::RngCore::fill_bytes(&mut rand::thread_rng(), &mut bytes);
    hex::encode(bytes)
}

impl FromStr for LabId {
    type Err = NotALabId;

    fn from_str(text: &str) -> Result<Self, NotALabId> {
        let sound = text.len() == 32 && text.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f'));
        if sound {
            Ok(Self(text.to_owned()))
        } else {
            Err(NotALabId(text.to_owned()))
        }
    }
}

impl TryFrom<String> for LabId {
    type Error = NotALabId;

    fn try_from(text: String) -> Result<Self, NotALabId> {
        text.parse()
    }
}

impl From<LabId> for String {
    fn from(id: LabId) -> Self {
        id.0
    }
}

impl fmt::Display for LabId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A process, and everything that gives its id a meaning.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// The process id.
    pub pid: u32,
    /// The user id.
    pub user: u32,
    /// The machine: a hash of its id, because the id itself is confidential (machine-id(5)). Some containers have no such id.
    pub machine: Option<String>,
    /// The boot: a random id that the kernel creates at each start of the machine.
    pub boot: Option<String>,
    /// The PID namespace.
    pub pid_namespace: Option<String>,
}

/// The reason why this process cannot tell whether an owner is alive.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Elsewhere {
    /// The owner is another user.
    User(u32),
    /// The owner is on another machine.
    Machine,
    /// The owner was on this machine before its last boot.
    Boot,
    /// The owner is in another container.
    Namespace,
    /// The place of the owner, or of this process, is not known.
    Unknown,
}

impl fmt::Display for Elsewhere {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(user) => write!(f, "another user (uid {user})"),
            Self::Machine => f.write_str("another machine"),
            Self::Boot => f.write_str("this machine before its last start"),
            Self::Namespace => f.write_str("another container (PID namespace)"),
            Self::Unknown => f.write_str("an unknown owner"),
        }
    }
}

impl Owner {
    /// Returns this process as an owner.
    #[must_use]
    pub fn here() -> Self {
        static MACHINE: OnceLock<Option<String>> = OnceLock::new();
        static BOOT: OnceLock<Option<String>> = OnceLock::new();
        static NAMESPACE: OnceLock<Option<String>> = OnceLock::new();
        Self {
            pid: std::process::id(),
            user: rustix::process::geteuid().as_raw(),
            machine: MACHINE.get_or_init(|| machine().map(|id| hashed(&id))).clone(),
            boot: BOOT.get_or_init(boot).clone(),
            pid_namespace: NAMESPACE.get_or_init(pid_namespace).clone(),
        }
    }

    /// Checks that `here` sees the same processes under the same ids as this owner.
    ///
    /// # Errors
    /// Returns the reason why it does not.
    pub fn expect_visible_from(&self, here: &Self) -> Result<(), Elsewhere> {
        if self.user != here.user {
            return Err(Elsewhere::User(self.user));
        }
        if self.machine != here.machine {
            return Err(Elsewhere::Machine);
        }
        match (&self.boot, &here.boot) {
            (Some(boot), Some(here)) if boot == here => {}
            (Some(_), Some(_)) => return Err(Elsewhere::Boot),
            _ => return Err(Elsewhere::Unknown),
        }
        match (&self.pid_namespace, &here.pid_namespace) {
            (Some(namespace), Some(here)) if namespace == here => Ok(()),
            (Some(_), Some(_)) => Err(Elsewhere::Namespace),
            _ => Err(Elsewhere::Unknown),
        }
    }

    /// Checks that a lock of this owner that `here` finds free proves that the owner and its servers are gone. This holds for
    /// processes that `here` sees, and for all that ran on the same machine before its last boot.
    ///
    /// # Errors
    /// Returns the reason why it proves nothing.
    pub fn expect_ended_with_its_lock(&self, here: &Self) -> Result<(), Elsewhere> {
        match self.expect_visible_from(here) {
            Err(Elsewhere::Boot) if self.machine.is_some() => Ok(()),
            other => other,
        }
    }

    /// Returns `true` if `here` runs on the same kernel, whatever else differs.
    #[must_use]
    pub fn shares_kernel_with(&self, here: &Self) -> bool {
        self.boot.is_some() && self.boot == here.boot
    }
}

fn hashed(id: &str) -> String {
    hex::encode(&sha2::Sha256::digest(format!("authlab machine {id}"))[..16])
}

#[cfg(target_os = "linux")]
fn machine() -> Option<String> {
    // Systems without systemd have the second file.
    let files = ["/etc/machine-id", "/var/lib/dbus/machine-id"].into_iter();
    let ids = files.filter_map(|file| std::fs::read_to_string(file).ok());
    // Images come with an empty file, or with the word "uninitialized".
    ids.map(|id| id.trim().to_owned()).find(|id| id.len() == 32)
}

#[cfg(target_os = "linux")]
fn boot() -> Option<String> {
    let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(id.trim().to_owned()).filter(|id| !id.is_empty())
}

#[cfg(target_os = "linux")]
fn pid_namespace() -> Option<String> {
    Some(std::fs::read_link("/proc/self/ns/pid").ok()?.to_string_lossy().into_owned())
}

/// The id of the boot also identifies the machine.
#[cfg(not(target_os = "linux"))]
fn machine() -> Option<String> {
    None
}

#[cfg(not(target_os = "linux"))]
fn boot() -> Option<String> {
    let told = std::process::Command::new("/usr/sbin/sysctl")
        .args(["-n", "kern.bootsessionuuid"])
        .output()
        .ok()?;
    let id = String::from_utf8(told.stdout).ok()?;
    Some(id.trim().to_owned()).filter(|id| told.status.success() && !id.is_empty())
}

/// All processes share one namespace.
#[cfg(not(target_os = "linux"))]
fn pid_namespace() -> Option<String> {
    Some("all".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner() -> Owner {
        Owner {
            pid: 7,
            user: 1000,
            machine: Some("m".to_owned()),
            boot: Some("b".to_owned()),
            pid_namespace: Some("pid:[1]".to_owned()),
        }
    }

    fn other(change: impl FnOnce(&mut Owner)) -> Owner {
        let mut other = owner();
        change(&mut other);
        other
    }

    #[test]
    fn processes_are_known_only_to_the_same_user_machine_boot_and_namespace() {
        let here = other(|here| here.pid = 8);
        assert_eq!(owner().expect_visible_from(&here), Ok(()));
        let cases = [
            (other(|owner| owner.user = 0), Elsewhere::User(0)),
            (other(|owner| owner.machine = Some("n".to_owned())), Elsewhere::Machine),
            (other(|owner| owner.machine = None), Elsewhere::Machine),
            (other(|owner| owner.boot = Some("c".to_owned())), Elsewhere::Boot),
            (other(|owner| owner.boot = None), Elsewhere::Unknown),
            (
                other(|owner| owner.pid_namespace = Some("pid:[2]".to_owned())),
                Elsewhere::Namespace,
            ),
            (other(|owner| owner.pid_namespace = None), Elsewhere::Unknown),
        ];
        for (owner, why) in cases {
            assert_eq!(owner.expect_visible_from(&here), Err(why), "{owner:?}");
        }
        // Two owners without a known place may be on different systems.
        let nowhere = other(|owner| (owner.boot, owner.pid_namespace) = (None, None));
        assert_eq!(nowhere.expect_visible_from(&nowhere), Err(Elsewhere::Unknown));
    }

    #[test]
    fn a_free_lock_proves_the_end_of_what_ran_before_this_machines_last_start() {
        let before = other(|owner| owner.boot = Some("c".to_owned()));
        assert_eq!(before.expect_ended_with_its_lock(&owner()), Ok(()));
        // Without a machine's id, the owner may have been on any machine.
        let nameless = |boot: &str| {
            other(|owner| {
                owner.machine = None;
                owner.boot = Some(boot.to_owned());
            })
        };
        assert_eq!(nameless("c").expect_ended_with_its_lock(&nameless("b")), Err(Elsewhere::Boot));
        assert_eq!(nameless("b").expect_ended_with_its_lock(&nameless("b")), Ok(()));
        let contained = other(|owner| owner.pid_namespace = Some("pid:[2]".to_owned()));
        assert_eq!(contained.expect_ended_with_its_lock(&owner()), Err(Elsewhere::Namespace));
        assert!(contained.shares_kernel_with(&owner()) && !before.shares_kernel_with(&owner()));
    }

    #[test]
    fn this_process_sees_itself_and_tells_no_machines_id() {
        let here = Owner::here();
        assert_eq!(here.expect_visible_from(&here), Ok(()), "{here:?}");
        assert_eq!(here.pid, std::process::id());
        if let (Some(told), Some(id)) = (&here.machine, machine()) {
            assert_ne!(*told, id);
        }
    }

    #[test]
    fn ids_are_random_and_nothing_else_is_taken_for_one() {
        let (one, other) = (LabId::random(), LabId::random());
        assert_ne!(one, other);
        assert_eq!(one.as_str().parse(), Ok(one.clone()));
        assert_eq!(serde_json::from_value::<LabId>(serde_json::json!(one)).expect("an id"), one);
        for text in ["", "default", "0123456789ABCDEF0123456789ABCDEF", &"0".repeat(33)] {
            assert_eq!(text.parse::<LabId>(), Err(NotALabId(text.to_owned())));
        }
    }
}
