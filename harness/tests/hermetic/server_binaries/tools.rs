//! Go and Maven: stand-ins on a `PATH` of their own, used by the command `authlab` ([`stand_in_for_go`]).

use super::*;

/// Returns a directory with one program, `name`, that runs `script` in a shell.
pub(super) fn path_with(name: &str, script: &str) -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    let mut file = std::os::unix::fs::OpenOptionsExt::mode(std::fs::File::options().write(true).create(true), 0o755)
        .open(directory.path().join(name))
        .expect("ours");
    write!(file, "#!/bin/sh\n{script}").expect("ours");
    directory
}

/// Runs `authlab server-binaries` with `arguments`, without a release server and with
/// only the programs in `path`; returns the output and the exit code.
async fn authlab(path: &Path, cache: &Path, arguments: &[&str]) -> (String, Option<i32>) {
    let log = cache.join("output");
    let nobody = format!("http://127.0.0.1:{}", authlab::process::port::free().expect("a port"));
    let program = Program::new("authlab", env!("CARGO_BIN_EXE_authlab"), &log)
        .argument("server-binaries")
        .arguments(arguments.iter().copied())
        .environment("PATH", format!("{}:/usr/bin:/bin", path.display()))
        .environment("HOME", cache)
        .environment("AUTHLAB_CACHE_DIR", cache)
        .environment("AUTHLAB_RELEASE_MIRROR", &nobody)
        .environment("AUTHLAB_KEYCLOAK_MIRROR", &nobody);
    let mut child = program.start().await.expect("it starts");
    let status = tokio::time::timeout(Duration::from_secs(60), child.ended())
        .await
        .expect("it ends")
        .expect("it can be waited for");
    (std::fs::read_to_string(log).expect("there"), status.code())
}

/// Returns a `go` that handles every call of a build, in order, and builds a script.
fn stand_in_for_go(version: &str, build: &str) -> tempfile::TempDir {
    let newest = newest();
    let directory = path_with(
        "go",
        &format!(
            r#"case "$1" in
env) echo '{{"GOVERSION": "{version}", "GOTOOLCHAIN": "local"}}' ;;
list) echo "$(dirname "$0")/upstream.mod" ;;
build) touch go.sum
  test "$GOFLAGS" = -mod=mod || exit 9
  while test "$1" != -o; do shift; done
  {build} ;;
esac
"#
        ),
    );
    let module = format!(
        "module k8s.io/kubernetes\ngo 1.26.0\nrequire k8s.io/api v0.0.0\nrequire go.etcd.io/etcd/server/v3 v{}\n",
        newest.etcd
    );
    std::fs::write(directory.path().join("upstream.mod"), module).expect("ours");
    directory
}

#[tokio::test]
async fn without_a_release_server_the_go_toolchain_has_its_turn() {
    let (newest, cache) = (newest(), cache());
    let built = format!(
        r#"printf '#!/bin/sh\ncase $0 in *etcd) echo etcd Version: {};; *) echo Kubernetes v{};; esac\n' > "$2"; chmod +x "$2""#,
        newest.etcd, newest.version
    );
    let go = stand_in_for_go("go1.26.8", &built);
    let (output, code) = authlab(go.path(), cache.path(), &["fetch", "1.37"]).await;
    assert_eq!(code, Some(0), "{output}");
    assert!(output.contains(&format!("Kubernetes {} (Go build): ", newest.version)), "{output}");
    let made = cache.path().join("kubernetes").join(newest.version.to_string());
    let module = std::fs::read_to_string(made.join("go.mod")).expect("kept");
    assert!(module.contains("replace k8s.io/api => k8s.io/api v0.37."), "{module}");
    let target: PathBuf = std::fs::read_link(made.join("kubectl")).expect("a link");
    assert_eq!(target, Path::new("control-plane"));
}

#[tokio::test]
async fn a_pre_release_is_built_from_its_module_with_the_etcd_that_this_lists() {
    let cache = cache();
    let built = r#"printf '#!/bin/sh\ncase $0 in *etcd) echo etcd Version: 3.99.1;; *) echo Kubernetes v1.38.0-beta.0;; esac\n' > "$2"; chmod +x "$2""#;
    let go = stand_in_for_go("go1.26.8", built);
    let module = "module k8s.io/kubernetes\ngo 1.26.0\nrequire k8s.io/api v0.0.0\nrequire go.etcd.io/etcd/server/v3 v3.99.1 // indirect\n";
    std::fs::write(go.path().join("upstream.mod"), module).expect("ours");
    let (output, code) = authlab(go.path(), cache.path(), &["build", "v1.38.0-beta.0"]).await;
    assert_eq!(code, Some(0), "{output}");
    assert!(output.contains("Kubernetes 1.38.0-beta.0 (Go build): "), "{output}");
    let made = cache.path().join("kubernetes/1.38.0-beta.0");
    let module = std::fs::read_to_string(made.join("go.mod")).expect("kept");
    for line in [
        "require k8s.io/kubernetes v1.38.0-beta.0\n",
        "require go.etcd.io/etcd/server/v3 v3.99.1\n",
        "replace k8s.io/api => k8s.io/api v0.38.0-beta.0\n",
    ] {
        assert!(module.contains(line), "{line}{module}");
    }
    let (output, code) = authlab(go.path(), cache.path(), &["build", "1.38"]).await;
    assert_eq!(code, Some(2), "{output}");
    assert!(
        output.contains("unknown Kubernetes version `1.38`") && output.contains("and pre-releases of these minor versions and later ones"),
        "{output}"
    );
}

#[tokio::test]
async fn a_build_of_another_version_does_not_count() {
    let cache = cache();
    let go = stand_in_for_go(
        "go1.26.8",
        r#"printf '#!/bin/sh\necho Kubernetes v0.0.0-master\n' > "$2"; chmod +x "$2""#,
    );
    let (output, code) = authlab(go.path(), cache.path(), &["build", "1.37"]).await;
    assert_eq!(code, Some(4), "{output}");
    assert!(
        output.contains("the built kube-apiserver has the version 0.0.0-master (expected 1.37."),
        "{output}"
    );
    assert_eq!(left_in(cache.path(), "kubernetes"), Vec::<String>::new());
}

#[tokio::test]
async fn failures_of_the_go_toolchain_are_told_with_what_to_do() {
    let cases = [
        ("go1.25.1", "", "Go 1.25.1 is too old", "install Go 1.26.0 or newer"),
        ("go1.26.8", "echo 'main.go:1: undefined: x'; exit 1", "main.go:1: undefined: x", ""),
        (
            "go1.26.8",
            "echo 'dial tcp: lookup proxy.golang.org: no such host'; exit 1",
            "cannot fetch the modules",
            "GOPROXY",
        ),
        (
            "go1.26.8",
            "echo 'write /x: no space left on device'; exit 1",
            "no space left on device",
            "free some space",
        ),
    ];
    for (version, build, expected, hint) in cases {
        let cache = cache();
        let go = stand_in_for_go(version, build);
        let (output, code) = authlab(go.path(), cache.path(), &["fetch", "1.37"]).await;
        assert_eq!(code, Some(4), "{output}");
        assert!(
            output.contains("release files: ") && output.contains("cannot reach "),
            "every source is told of: {output}"
        );
        assert!(output.contains(expected) && output.contains(hint), "{output}");
        assert_eq!(left_in(cache.path(), "kubernetes"), Vec::<String>::new());
    }
}

#[tokio::test]
async fn without_any_tool_the_error_says_what_to_install() {
    let (cache, nothing) = (cache(), tempfile::tempdir().expect("a directory"));
    let log = cache.path().join("output");
    for (arguments, expected) in [
        (["fetch", "1.37"], "no `go` on PATH"),
        (["fetch", "--keycloak"], "no `mvn` on PATH"),
    ] {
        let program = Program::new("authlab", env!("CARGO_BIN_EXE_authlab"), &log)
            .argument("server-binaries")
            .arguments(arguments)
            .argument("--offline")
            .environment("PATH", nothing.path())
            .environment("AUTHLAB_CACHE_DIR", cache.path());
        let status = program
            .start()
            .await
            .expect("it starts")
            .ended()
            .await
            .expect("it can be waited for");
        let output = std::fs::read_to_string(&log).expect("there");
        assert_eq!(status.code(), Some(4), "{output}");
        assert!(output.contains(expected) && output.contains("hint: install "), "{output}");
    }
}

#[tokio::test]
async fn an_unknown_version_is_wrong_usage_and_the_known_ones_are_listed() {
    let (cache, nothing) = (cache(), tempfile::tempdir().expect("a directory"));
    let (output, code) = authlab(nothing.path(), cache.path(), &["fetch", "1.99"]).await;
    assert_eq!(code, Some(2), "{output}");
    assert!(output.contains("unknown Kubernetes version `1.99` (known: 1.30.14, "), "{output}");
}

#[tokio::test]
async fn keycloak_through_maven_is_refused_when_it_is_not_as_pinned_and_nothing_is_left() {
    let cache = cache();
    let maven = path_with(
        "mvn",
        r#"mkdir -p '${project.basedir}/target'
for argument; do case "$argument" in -DoutputDirectory=*) to="${argument#-DoutputDirectory=}" ;; esac; done
mkdir -p "$to/keycloak-26.7.4/bin"
echo kc > "$to/keycloak-26.7.4/bin/kc.sh"
echo evil > "$to/keycloak-quarkus-dist-26.7.4.zip"
"#,
    );
    let (output, code) = authlab(maven.path(), cache.path(), &["fetch", "--keycloak"]).await;
    assert_eq!(code, Some(4), "{output}");
    assert!(output.contains("keycloak-quarkus-dist-26.7.4.zip has the SHA-256 "), "{output}");
    assert!(
        output.contains("hint: remove the artifact from Maven's local repository"),
        "{output}"
    );
    assert_eq!(left_in(cache.path(), "keycloak"), Vec::<String>::new());
}

#[tokio::test]
async fn a_verified_cache_that_is_damaged_ends_with_exit_code_1() {
    let (newest, cache, nothing) = (newest(), cache(), tempfile::tempdir().expect("a directory"));
    let (output, code) = authlab(nothing.path(), cache.path(), &["verify"]).await;
    assert!(code == Some(0) && output.contains("the cache is empty"), "{output}");
    let server = ReleaseServer::of(&newest).await;
    let binaries = obtain(&newest, &server.options(cache.path()), &Events::silent())
        .await
        .expect("a sound release");
    let (output, code) = authlab(nothing.path(), cache.path(), &["verify"]).await;
    assert!(code == Some(0) && output.contains("sound"), "{output}");
    std::fs::write(binaries.etcd, "evil").expect("ours");
    let (output, code) = authlab(nothing.path(), cache.path(), &["verify"]).await;
    assert!(
        code == Some(1) && output.contains("etcd is missing or has another size"),
        "{output}"
    );
}
