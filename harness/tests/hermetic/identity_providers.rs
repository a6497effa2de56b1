//! The choice of an identity provider, and the refusals of one that this machine cannot run.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::Command;

/// A directory with a cache, labs and programs of its own.
struct Machine(tempfile::TempDir);

impl Machine {
    fn new() -> Self {
        let machine = Self(tempfile::tempdir().unwrap());
        for directory in ["bin", "servers"] {
            std::fs::create_dir(machine.0.path().join(directory)).unwrap();
        }
        let version = r#"[ "$1" = --version ] && { echo Kubernetes v1.37.2; exit 0; }; exit 1"#;
        for server in ["etcd", "kube-apiserver", "kube-controller-manager", "kubectl"] {
            script(&machine.0.path().join("servers").join(server), version);
        }
        machine
    }

    /// Adds a program to `PATH`.
    fn program(&self, name: &str, text: &str) -> &Self {
        script(&self.0.path().join("bin").join(name), text);
        self
    }

    /// Runs authlab, and returns its exit code and all that it says.
    fn authlab(&self, arguments: &[&str]) -> (i32, String) {
        let place = |name: &str| self.0.path().join(name);
        let output = Command::new(env!("CARGO_BIN_EXE_authlab"))
            .args(arguments)
            .env_clear()
            .env("HOME", self.0.path())
            .env("PATH", place("bin"))
            .env("AUTHLAB_CACHE_DIR", place("cache"))
            .env("AUTHLAB_STATE_DIR", place("state"))
            .env("AUTHLAB_OFFLINE", "1")
            .env("DOCKER_HOST", "unix:///no/such/engine.sock")
            .output()
            .unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.code().unwrap(), String::from_utf8(said).unwrap())
    }

    /// Runs scenarios with node-oidc-provider, and returns the refusal to start a lab.
    fn refusal(&self) -> String {
        let servers = self.0.path().join("servers").display().to_string();
        let (code, said) = self.authlab(&["run", "oidc", "--identity-provider", "oidc-provider", "--server-binaries", &servers]);
        assert_eq!(code, 4, "{said}");
        said
    }
}

fn script(path: &Path, text: &str) {
    let mut file = File::options().write(true).create_new(true).mode(0o755).open(path).unwrap();
    write!(file, "#!/bin/sh\n{text}\n").unwrap();
}

#[test]
fn a_value_that_names_no_provider_is_refused_with_those_that_do() {
    let machine = Machine::new();
    for wrong in ["hydra", "oidc-provider:container", "keycloak:", "keycloak:existing"] {
        let (code, said) = machine.authlab(&["run", "--identity-provider", wrong]);
        assert_eq!(code, 2, "{said}");
        assert!(
            said.contains(&format!("'{wrong}'")) && said.contains("keycloak:process, keycloak:container, oidc-provider"),
            "{said}"
        );
    }
    let (code, said) = machine.authlab(&["run", "--identity-provider", "oidc-provider", "--keycloak", "26.x"]);
    assert_eq!(code, 2, "{said}");
    assert!(
        said.contains("--keycloak cannot be used with --identity-provider oidc-provider"),
        "{said}"
    );
    let existing = [
        "--cluster",
        "existing",
        "--kubeconfig",
        "file",
        "--identity-provider",
        "oidc-provider",
    ];
    let (code, said) = machine.authlab(&[&["run"][..], &existing].concat());
    assert_eq!(code, 2, "{said}");
    assert!(
        said.contains("--identity-provider oidc-provider cannot be used with --cluster existing"),
        "{said}"
    );
}

#[test]
fn a_machine_without_a_node_that_can_run_it_is_told_what_to_install() {
    let machine = Machine::new();
    let said = machine.refusal();
    assert!(said.contains("cannot run node-oidc-provider: no `node` on PATH"), "{said}");
    assert!(
        said.contains("hint: install Node.js 22 or newer (20.12 works), with npm, or use Keycloak"),
        "{said}"
    );

    machine.program("node", "echo v18.20.4");
    let said = machine.refusal();
    assert!(said.contains("bin/node is Node.js 18.20.4 (expected 20.12 or newer)"), "{said}");

    let machine = Machine::new();
    machine.program("node", "echo v22.1.0");
    let said = machine.refusal();
    assert!(said.contains("is not in the cache (expected with --offline)"), "{said}");
    assert!(said.contains("hint: run once without --offline"), "{said}");
}

#[test]
fn doctor_says_what_the_provider_lacks_and_not_what_keycloak_lacks() {
    let machine = Machine::new();
    let asked = ["doctor", "--identity-provider", "oidc-provider"];
    let (code, said) = machine.authlab(&asked);
    assert_eq!(code, 1, "{said}");
    assert!(
        said.contains("no `node` on PATH") && said.contains("install Node.js 22 or newer"),
        "{said}"
    );
    assert!(said.contains("identity provider  process, node-oidc-provider 9."), "{said}");
    assert!(said.contains("node-oidc-provider takes its place"), "{said}");
    let missing = said.lines().last().unwrap_or_default();
    assert!(
        missing.contains("Node.js") && !missing.contains("Keycloak") && !missing.contains("Java"),
        "{said}"
    );

    machine.program("node", "echo v22.1.0");
    let (_, said) = machine.authlab(&asked);
    assert!(said.contains("no `npm` on PATH"), "{said}");
    machine.program("npm", "exit 1");
    let (_, said) = machine.authlab(&asked);
    assert!(
        said.contains("22.1.0 (") && !said.contains("on PATH\n    → install Node.js"),
        "{said}"
    );
    // With Keycloak, nobody needs Node.js.
    let (_, said) = machine.authlab(&["doctor"]);
    assert!(!said.contains("Node.js"), "{said}");
}
