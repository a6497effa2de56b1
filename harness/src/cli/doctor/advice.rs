//! The meaning of what was found for a run, and how to get what is missing. The main function is [`of`], which looks at nothing but its
//! argument.

use serde::Serialize;

use super::facts::{Content, Machine, Place, Servers, There, Tool};
use super::show::size;
use crate::cli::matrix::capacity::MEMORY_OF_A_LAB;

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    /// The thing.
    pub(super) of: String,
    pub(super) state: State,
    /// The observation.
    pub(super) seen: String,
    /// The change that helps, for the user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) advice: Option<String>,
}

/// The meaning of a finding for a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum State {
    /// It is there.
    Good,
    /// It is not there, and a run does not need it.
    Unneeded,
    /// A run works, but something may be slow or fail.
    Warning,
    /// A run cannot work without it.
    Missing,
}

/// The free space in bytes that a build of servers needs, in Go's caches and authlab's.
const SPACE_FOR_A_BUILD: u64 = 6 << 30;
/// The free space in bytes that a lab needs for its logs and etcd's files.
const SPACE_FOR_A_LAB: u64 = 1 << 30;
/// Open files for the connections of a lab (`cli::open_files` raises the limit to it where it can).
const OPEN_FILES: u64 = 2048;
/// The kernel's own default of inotify instances: each API server and each kubelet uses several.
const INSTANCES: u64 = 128;
/// As kind asks for (kind.sigs.k8s.io, "Known Issues": "Pod Errors Due to Too Many Open Files").
const INSTANCES_OF_NODES: u64 = 512;
const WATCHES: u64 = 8192;

/// Returns the findings, in the order in which they are shown.
pub(super) fn of(machine: &Machine) -> Vec<Finding> {
    let mut findings = vec![kubernetes(machine), keycloak(machine), java(machine)];
    findings.extend(machine.node.as_ref().map(|node| {
        tool(
            "Node.js",
            node,
            State::Missing,
            "install Node.js 22 or newer, with npm, or use Keycloak",
        )
    }));
    findings.push(engine(machine));
    if let Some((why, remedy)) = &machine.used.not_chosen {
        findings.push(finding("drivers", State::Missing, why.clone(), remedy.clone()));
    }
    findings.extend(machine.images.iter().map(|image| {
        let (state, seen, advice) = match (image.there, machine.offline) {
            (true, _) => (State::Good, "in the engine's store", None),
            (false, false) => (State::Good, "not in the engine's store; a run fetches it", None),
            (false, true) => (
                State::Missing,
                "not in the engine's store, and --offline forbids to fetch it",
                Some("load it with `docker load`, or run without --offline"),
            ),
        };
        finding(format!("image {}", image.name), state, seen, advice)
    }));
    if let Some(kind) = &machine.kind {
        findings.push(tool(
            "kind",
            kind,
            State::Missing,
            "install kind (kind.sigs.k8s.io), or name it with --kind",
        ));
    }
    findings.push(tool("Go", &machine.go, State::Unneeded, "to build servers, install Go (go.dev/dl)"));
    findings.push(tool(
        "Maven",
        &machine.maven,
        State::Unneeded,
        "to fetch Keycloak as a Maven artifact, install Maven and a JDK",
    ));
    findings.push(tool(
        "kubectl",
        &machine.kubectl,
        State::Unneeded,
        "not needed: `authlab shell` has that of the lab's version",
    ));
    findings.extend(machine.hosts.iter().map(|host| {
        let of = match host.what {
            Content::KubernetesReleases => "Kubernetes' release files",
            Content::EtcdReleases => "etcd's release files",
            Content::KeycloakReleases => "Keycloak's release files",
            Content::GoModules => "Go modules",
            Content::MavenArtifacts => "Maven artifacts",
        };
        match &host.why_not {
            None => finding(of, State::Good, format!("{} responds", host.address), None::<String>),
            // Whether something needs it is said above.
            Some(why) => finding(
                of,
                State::Unneeded,
                format!("{}: {why}", host.address),
                Some("check the network and HTTPS_PROXY, or name a mirror"),
            ),
        }
    }));
    let builds = matches!(machine.kubernetes.there, There::Absent | There::Damaged);
    let needed = if builds { SPACE_FOR_A_BUILD } else { SPACE_FOR_A_LAB };
    findings.push(place("cache", &machine.cache, needed));
    findings.push(place("state directory", &machine.state, SPACE_FOR_A_LAB));
    findings.extend(limits(machine));
    findings
}

fn finding(of: impl Into<String>, state: State, seen: impl Into<String>, advice: Option<impl Into<String>>) -> Finding {
    Finding {
        of: of.into(),
        state,
        seen: seen.into(),
        advice: advice.map(Into::into),
    }
}

fn tool(of: &str, tool: &Tool, absent: State, advice: &str) -> Finding {
    match (&tool.there, &tool.why_not) {
        (Some(there), _) => finding(of, State::Good, there, None::<String>),
        (None, why) => finding(of, absent, why.as_deref().unwrap_or("not found"), Some(advice)),
    }
}

/// The sources of servers that would work, or why each of them does not.
struct Sources {
    working: Vec<&'static str>,
    /// Tools whose own server does not respond, with the reason: they work with a mirror of theirs, or with what they have kept.
    doubtful: Vec<(&'static str, String)>,
    failing: Vec<String>,
}

impl Sources {
    fn new() -> Self {
        Self {
            working: Vec::new(),
            doubtful: Vec::new(),
            failing: Vec::new(),
        }
    }

    /// Adds release files, which come from the servers of `contents`.
    fn releases(mut self, machine: &Machine, contents: &[Content]) -> Self {
        let silent = machine
            .hosts
            .iter()
            .find(|host| contents.contains(&host.what) && host.why_not.is_some());
        match silent {
            _ if machine.offline => self.failing.push("release files: --offline forbids to fetch them".to_owned()),
            Some(host) => self.failing.push(format!(
                "release files: {}",
                host.why_not.as_deref().unwrap_or("the server does not respond")
            )),
            None => self.working.push("release files"),
        }
        self
    }

    /// Adds `what`, for which `tool` is needed, and the server of `content`.
    fn tool(mut self, what: &'static str, tool: &Tool, machine: &Machine, content: Content) -> Self {
        let host = machine.hosts.iter().find(|host| host.what == content);
        match (&tool.why_not, host.and_then(|host| host.why_not.as_ref().map(|why| (host, why)))) {
            (Some(why), _) => self.failing.push(format!("{what}: {why}")),
            (None, _) if machine.offline => self.doubtful.push((what, "--offline forbids requests".to_owned())),
            (None, Some((host, why))) => self.doubtful.push((what, format!("{}: {why}", host.address))),
            (None, None) => self.working.push(what),
        }
        self
    }
}

fn kubernetes(machine: &Machine) -> Finding {
    let of = format!("Kubernetes {}", machine.kubernetes.version);
    if !machine.used.runs_api_servers_as_processes() {
        return finding(of, State::Unneeded, "the servers run from images", None::<String>);
    }
    let sources = Sources::new();
    // Kubernetes' servers are released for Linux alone.
    let sources = match machine.system.as_str() {
        "linux" => sources.releases(machine, &[Content::KubernetesReleases, Content::EtcdReleases]),
        _ => sources,
    };
    servers(
        of,
        &machine.kubernetes,
        sources.tool("a Go build", &machine.go, machine, Content::GoModules),
        "install Go (go.dev/dl), check the network, or name a directory with the servers: --server-binaries",
    )
}

fn keycloak(machine: &Machine) -> Finding {
    let of = format!("Keycloak {}", machine.keycloak.version);
    if !machine.used.runs_keycloak() {
        return finding(
            of,
            State::Unneeded,
            format!("{} takes its place", machine.used.provider),
            None::<String>,
        );
    }
    if !machine.used.runs_keycloak_as_process() {
        return finding(of, State::Unneeded, "it runs from an image", None::<String>);
    }
    let sources =
        Sources::new()
            .releases(machine, &[Content::KeycloakReleases])
            .tool("Maven", &machine.maven, machine, Content::MavenArtifacts);
    servers(
        of,
        &machine.keycloak,
        sources,
        "install Maven and a JDK, check the network, or name an unpacked Keycloak: --keycloak-home",
    )
}

fn servers(of: String, servers: &Servers, sources: Sources, advice: &str) -> Finding {
    match &servers.there {
        There::Named { directory } => finding(of, State::Good, format!("in {}", directory.display()), None::<String>),
        There::NamedUnusable { why } => finding(of, State::Missing, why, Some("name another directory, or none")),
        There::Cached { source, bytes } => {
            let source = source.map_or_else(String::new, |source| format!(" ({source})"));
            let bytes = bytes.map_or_else(String::new, |bytes| format!(", {}", size(bytes)));
            finding(of, State::Good, format!("in the cache{source}{bytes}"), None::<String>)
        }
        There::Unknown { why } => finding(of, State::Missing, why, Some("correct the cache, see below")),
        There::Absent | There::Damaged => {
            let absent = match servers.there {
                There::Damaged => "damaged in the cache",
                _ => "not in the cache",
            };
            match (sources.working.first(), sources.doubtful.first()) {
                (Some(first), _) => finding(
                    of,
                    State::Good,
                    format!("{absent}; the first run obtains it from {first}"),
                    Some("`authlab server-binaries fetch` obtains it now"),
                ),
                (None, Some((what, why))) => finding(
                    of,
                    State::Warning,
                    format!("{absent}; {what} has it only from a mirror of yours or its own cache ({why})"),
                    Some("`authlab server-binaries fetch` tries it now"),
                ),
                (None, None) => finding(
                    of,
                    State::Missing,
                    format!("{absent}, and no source has it\n{}", sources.failing.join("\n")),
                    Some(advice),
                ),
            }
        }
    }
}

fn java(machine: &Machine) -> Finding {
    let absent = if machine.used.runs_keycloak_as_process() {
        State::Missing
    } else {
        State::Unneeded
    };
    tool(
        "Java",
        &machine.java,
        absent,
        "install OpenJDK 25 (17 and 21 work, more slowly), or set AUTHLAB_JAVA to its home",
    )
}

fn engine(machine: &Machine) -> Finding {
    let needed = !machine.used.runs_api_servers_as_processes() || machine.used.runs_provider_in_container();
    let (absent, advice) = if needed {
        (State::Missing, "start Docker or Podman, set DOCKER_HOST, or use --cluster process")
    } else {
        (
            State::Unneeded,
            "only --cluster container, k3s and kind need one: start Docker or Podman, or set DOCKER_HOST",
        )
    };
    tool("container engine", &machine.engine, absent, advice)
}

fn place(of: &str, place: &Place, needed: u64) -> Finding {
    let path = place.path.as_ref().map(|path| path.display().to_string()).unwrap_or_default();
    if let Some(why) = &place.why_not {
        return finding(of, State::Missing, why, place.remedy.as_deref());
    }
    let free = place.free.map_or_else(String::new, |free| format!(", {} free", size(free)));
    let seen = format!("{path}: {}{free}", size(place.bytes));
    match place.free {
        Some(free) if free < SPACE_FOR_A_LAB => finding(of, State::Warning, seen, Some("free some space: a lab needs about 1 GiB")),
        Some(free) if free < needed => finding(
            of,
            State::Warning,
            seen,
            Some("free some space before servers are built, which needs some gigabytes: `authlab server-binaries prune`"),
        ),
        _ => finding(of, State::Good, seen, None::<String>),
    }
}

fn limits(machine: &Machine) -> Vec<Finding> {
    let limits = &machine.limits;
    let has_nodes = ["k3s", "kind"].contains(&machine.used.cluster.as_str());
    let instances = if has_nodes { INSTANCES_OF_NODES } else { INSTANCES };
    let mut findings = Vec::new();
    let mut limit = |of: &str, seen: Option<u64>, least: u64, advice: String| {
        if let Some(seen) = seen {
            let (state, advice) = if seen < least {
                (State::Warning, Some(advice))
            } else {
                (State::Good, None)
            };
            findings.push(finding(of, state, seen.to_string(), advice));
        }
    };
    limit(
        "open files",
        limits.open_files,
        OPEN_FILES,
        format!("raise the hard limit: `ulimit -n {OPEN_FILES}` as root, or LimitNOFILE= of a service"),
    );
    let sysctl =
        |name: &str, least: u64| format!("too few can stop servers from watching their files: `sudo sysctl fs.inotify.{name}={least}`");
    limit(
        "inotify instances",
        limits.inotify_instances,
        instances,
        sysctl("max_user_instances", INSTANCES_OF_NODES),
    );
    limit(
        "inotify watches",
        limits.inotify_watches,
        WATCHES,
        sysctl("max_user_watches", 524_288),
    );
    if let Some(memory) = machine.memory {
        let (state, advice) = if memory < MEMORY_OF_A_LAB {
            (
                State::Warning,
                Some(format!("a lab needs up to {}; end other programs", size(MEMORY_OF_A_LAB))),
            )
        } else {
            (State::Good, None)
        };
        findings.push(finding("memory", state, format!("{} available", size(memory)), advice));
    }
    findings
}

#[cfg(test)]
mod tests;
