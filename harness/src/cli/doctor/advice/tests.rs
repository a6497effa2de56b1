//! Machines that lack something, and the advice for each. The main type is [`Case`].

use super::*;
use crate::cli::doctor::facts::{Cached, Host, Image, Limits, Used};
use crate::server_binaries::Source;

const GIB: u64 = 1 << 30;

/// Returns a machine with everything, on which a run builds and fetches nothing.
fn machine() -> Machine {
    let cached = |version: &str| Servers {
        version: version.to_owned(),
        there: There::Cached {
            source: Some(Source::Release),
            bytes: Some(3 << 20),
        },
    };
    let place = |path: &str| Place {
        path: Some(path.into()),
        bytes: 5 << 20,
        free: Some(100 * GIB),
        why_not: None,
        remedy: None,
    };
    let host = |what, address: &str| Host {
        what,
        address: address.to_owned(),
        why_not: None,
    };
    Machine {
        authlab: "0.1.0".to_owned(),
        system: "linux".to_owned(),
        architecture: "x86_64".to_owned(),
        cores: 4,
        memory: Some(16 * GIB),
        used: Used {
            cluster: "process".to_owned(),
            cluster_because: "processes support the most scenarios".to_owned(),
            not_chosen: None,
            provider: "Keycloak".to_owned(),
            provider_version: "26.7.4".to_owned(),
            identity_provider: "process".to_owned(),
            labs: Vec::new(),
        },
        kubernetes: cached("1.37.2"),
        keycloak: cached("26.7.4"),
        offline: false,
        go: Tool::there("1.26.8 (/usr/bin/go)"),
        maven: Tool::there("3.9.9 (/usr/bin/mvn)"),
        java: Tool::there("25 (/usr/bin/java)"),
        node: None,
        kubectl: Tool::there("/usr/bin/kubectl"),
        kind: None,
        engine: Tool::there("Docker Engine 28.0 at unix:///var/run/docker.sock"),
        images: Vec::new(),
        hosts: vec![
            host(Content::KubernetesReleases, "https://dl.k8s.io/release"),
            host(Content::EtcdReleases, "https://etcd"),
            host(Content::KeycloakReleases, "https://keycloak"),
            host(Content::GoModules, "https://go-proxy"),
            host(Content::MavenArtifacts, "https://maven"),
        ],
        cache: place("/cache"),
        state: place("/state"),
        cached: vec![Cached {
            product: "Kubernetes".to_owned(),
            version: "1.37.2".to_owned(),
            bytes: 3 << 20,
        }],
        limits: Limits {
            open_files: Some(10_240),
            inotify_instances: Some(128),
            inotify_watches: Some(65_536),
        },
    }
}

#[test]
fn a_machine_that_has_everything_needs_no_advice() {
    for finding in of(&machine()) {
        assert_eq!((finding.state, &finding.advice), (State::Good, &None), "{finding:?}");
    }
}

fn absent(servers: &mut Servers) {
    servers.there = There::Absent;
}

fn silent(machine: &mut Machine) {
    let all: Vec<Content> = machine.hosts.iter().map(|host| host.what).collect();
    silent_about(machine, &all);
}

fn silent_about(machine: &mut Machine, contents: &[Content]) {
    for host in machine.hosts.iter_mut().filter(|host| contents.contains(&host.what)) {
        host.why_not = Some("timed out after 2s".to_owned());
    }
}

fn without_tools(machine: &mut Machine) {
    machine.go = Tool::absent("no `go` on PATH");
    machine.maven = Tool::absent("no `mvn` on PATH");
}

/// A change to the machine, and the finding that follows: its name, its state, what it shows, and a part of the advice.
type Case = (fn(&mut Machine), &'static str, State, &'static str, &'static str);

#[test]
fn what_is_missing_has_advice_that_fits() {
    let cases: [Case; 27] = [
        (
            |m| {
                m.used.not_chosen = Some((
                    "the engine did not answer".to_owned(),
                    Some("name another with --cluster".to_owned()),
                ))
            },
            "drivers",
            State::Missing,
            "the engine did not answer",
            "name another with --cluster",
        ),
        (
            |m| absent(&mut m.kubernetes),
            "Kubernetes 1.37.2",
            State::Good,
            "not in the cache; the first run obtains it from release files",
            "server-binaries fetch",
        ),
        (
            |m| {
                absent(&mut m.kubernetes);
                silent_about(m, &[Content::KubernetesReleases, Content::EtcdReleases]);
            },
            "Kubernetes 1.37.2",
            State::Good,
            "not in the cache; the first run obtains it from a Go build",
            "server-binaries fetch",
        ),
        (
            |m| {
                absent(&mut m.kubernetes);
                silent(m);
            },
            "Kubernetes 1.37.2",
            State::Warning,
            "not in the cache; a Go build has it only from a mirror of yours or its own cache (https://go-proxy: timed out after 2s)",
            "server-binaries fetch",
        ),
        (
            |m| {
                absent(&mut m.kubernetes);
                m.offline = true;
            },
            "Kubernetes 1.37.2",
            State::Warning,
            "not in the cache; a Go build has it only from a mirror of yours or its own cache (--offline forbids requests)",
            "server-binaries fetch",
        ),
        (
            |m| {
                m.kubernetes.there = There::Damaged;
                m.system = "macos".to_owned();
            },
            "Kubernetes 1.37.2",
            State::Good,
            "damaged in the cache; the first run obtains it from a Go build",
            "server-binaries fetch",
        ),
        (
            |m| {
                absent(&mut m.kubernetes);
                silent(m);
                without_tools(m);
            },
            "Kubernetes 1.37.2",
            State::Missing,
            "not in the cache, and no source has it\nrelease files: timed out after 2s\na Go build: no `go` on PATH",
            "install Go",
        ),
        (
            |m| {
                absent(&mut m.keycloak);
                m.offline = true;
                without_tools(m);
            },
            "Keycloak 26.7.4",
            State::Missing,
            "not in the cache, and no source has it\nrelease files: --offline forbids to fetch them\nMaven: no `mvn` on PATH",
            "--keycloak-home",
        ),
        (
            |m| {
                absent(&mut m.keycloak);
                silent_about(m, &[Content::KeycloakReleases]);
            },
            "Keycloak 26.7.4",
            State::Good,
            "not in the cache; the first run obtains it from Maven",
            "server-binaries fetch",
        ),
        (
            |m| {
                m.kubernetes.there = There::NamedUnusable {
                    why: "/servers has no etcd".to_owned(),
                };
            },
            "Kubernetes 1.37.2",
            State::Missing,
            "/servers has no etcd",
            "name another directory",
        ),
        (
            |m| m.java = Tool::absent("no Java"),
            "Java",
            State::Missing,
            "no Java",
            "install OpenJDK 25",
        ),
        (
            |m| {
                m.java = Tool::absent("no Java");
                m.used.identity_provider = "container".to_owned();
            },
            "Java",
            State::Unneeded,
            "no Java",
            "install OpenJDK 25",
        ),
        (without_tools, "Go", State::Unneeded, "no `go` on PATH", "install Go"),
        (without_tools, "Maven", State::Unneeded, "no `mvn` on PATH", "install Maven"),
        (
            |m| m.kubectl = Tool::absent("no `kubectl` on PATH"),
            "kubectl",
            State::Unneeded,
            "no `kubectl` on PATH",
            "authlab shell",
        ),
        (
            |m| m.engine = Tool::absent("no engine"),
            "container engine",
            State::Unneeded,
            "no engine",
            "only --cluster container",
        ),
        (
            |m| {
                m.engine = Tool::absent("no engine");
                m.used.cluster = "k3s".to_owned();
            },
            "container engine",
            State::Missing,
            "no engine",
            "start Docker",
        ),
        (
            |m| m.kind = Some(Tool::absent("no directory in PATH has one")),
            "kind",
            State::Missing,
            "no directory in PATH has one",
            "install kind",
        ),
        (
            |m| {
                m.offline = true;
                m.images.push(Image {
                    name: "rancher/k3s".to_owned(),
                    there: false,
                });
            },
            "image rancher/k3s",
            State::Missing,
            "not in the engine's store, and --offline forbids to fetch it",
            "docker load",
        ),
        (
            silent,
            "etcd's release files",
            State::Unneeded,
            "https://etcd: timed out after 2s",
            "HTTPS_PROXY",
        ),
        (
            |m| {
                m.cache.why_not = Some("cannot write to /".to_owned());
                m.cache.remedy = Some("set AUTHLAB_CACHE_DIR".to_owned());
            },
            "cache",
            State::Missing,
            "cannot write to /",
            "set AUTHLAB_CACHE_DIR",
        ),
        (
            |m| {
                absent(&mut m.kubernetes);
                m.cache.free = Some(2 * GIB);
            },
            "cache",
            State::Warning,
            "/cache: 5 MiB, 2.0 GiB free",
            "before servers are built",
        ),
        (
            |m| m.state.free = Some(GIB / 2),
            "state directory",
            State::Warning,
            "/state: 5 MiB, 512 MiB free",
            "a lab needs about 1 GiB",
        ),
        (
            |m| m.limits.open_files = Some(256),
            "open files",
            State::Warning,
            "256",
            "ulimit -n",
        ),
        (
            |m| m.limits.inotify_instances = Some(64),
            "inotify instances",
            State::Warning,
            "64",
            "fs.inotify.max_user_instances=512",
        ),
        (
            |m| m.used.cluster = "kind".to_owned(),
            "inotify instances",
            State::Warning,
            "128",
            "fs.inotify.max_user_instances=512",
        ),
        (
            |m| m.memory = Some(GIB),
            "memory",
            State::Warning,
            "1.0 GiB available",
            "end other programs",
        ),
    ];
    for (change, of_what, state, seen, advice) in cases {
        let mut machine = machine();
        change(&mut machine);
        let findings = of(&machine);
        let finding = findings.iter().find(|finding| finding.of == of_what);
        let finding = finding.unwrap_or_else(|| panic!("no finding about {of_what}: {findings:?}"));
        assert_eq!((finding.state, finding.seen.as_str()), (state, seen), "{of_what}");
        let told = finding.advice.as_deref().unwrap_or_default();
        assert!(told.contains(advice), "{of_what}: {told}");
    }
}

#[test]
fn what_is_not_needed_is_never_missing() {
    let mut machine = machine();
    without_tools(&mut machine);
    silent(&mut machine);
    machine.engine = Tool::absent("no engine");
    machine.kubectl = Tool::absent("no `kubectl` on PATH");
    assert!(of(&machine).iter().all(|finding| finding.state != State::Missing));
}
