//! `authlab run` up to the point where it needs a lab: selecting, listing, refusing.

use std::path::Path;
use std::process::Command;

const FEATURE: &str = "Feature: Trust\n  @serial\n  Scenario: one\n    When Alice asks the API server who she is\n  Scenario: two\n    When Alice asks the API server who she is\n  Scenario: three\n    When Alice asks the API server who she is\n";

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let flow = folder.path().join("features/toys");
    std::fs::create_dir_all(&flow).unwrap();
    std::fs::write(flow.join("trust.feature"), FEATURE).unwrap();
    folder
}

/// Runs the command and returns exit code, standard output and standard error.
pub fn authlab(folder: &Path, arguments: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_authlab"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("AUTHLAB_")) {
        command.env_remove(name);
    }
    let output = command.current_dir(folder).args(arguments).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[test]
fn run_lists_what_it_would_carry_out_with_and_without_its_name() {
    let folder = folder();
    let list = |arguments: &[&str]| {
        let (code, out, err) = authlab(folder.path(), arguments);
        assert_eq!(code, 0, "{err}");
        out
    };
    assert_eq!(
        list(&["run", "--list", "features"]),
        "toys/trust::one\ntoys/trust::two\ntoys/trust::three\n"
    );
    assert_eq!(
        list(&["--list", "features/toys/trust.feature", "--name", "t[wh]"]),
        "toys/trust::two\ntoys/trust::three\n"
    );
    assert_eq!(
        list(&["--tags", "not @serial", "--shard", "2/2", "--list", "features"]),
        "toys/trust::two\n"
    );
}

#[test]
fn run_lists_what_each_scenario_requires_and_what_says_so() {
    let folder = folder();
    let feature = "@requires:server_log\nFeature: Needs\n  Scenario: one\n    Given Alice holds a client certificate\n    When she asks to list pods\n";
    std::fs::write(folder.path().join("features/toys/needs.feature"), feature).unwrap();
    let (code, out, err) = authlab(folder.path(), &["run", "--list", "--requires", "features"]);
    assert_eq!(code, 0, "{err}");
    assert_eq!(
        out,
        "toys/needs::one\n  server_log           @requires:server_log\n  \
         client_certificates  Given Alice holds a client certificate\n  \
         administrator        When she asks to list pods\n\
         toys/trust::one\ntoys/trust::two\ntoys/trust::three\n"
    );
    let (code, _, err) = authlab(folder.path(), &["run", "--requires", "features"]);
    assert!(code == 2 && err.contains("--list"), "{code}: {err}");
}

#[test]
fn help_shows_no_value_of_a_variable_that_may_hold_credentials() {
    let help = |arguments: &[&str], variables: &[String]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_authlab"));
        command
            .args(arguments)
            .arg("--help")
            .envs(variables.iter().map(|name| (name, "https://me:hunter22@mirror/x")));
        String::from_utf8(command.output().unwrap().stdout).unwrap()
    };
    let holds_credentials = |name: &&str| {
        let words = ["MIRROR", "ISSUER", "PREFIX", "PASSWORD", "SECRET", "TOKEN"];
        words.iter().any(|word| name.contains(word)) && !name.ends_with("_FILE") && !name.ends_with("_AUTHORITY")
    };
    let mut seen = 0;
    for command in [
        &["run"][..],
        &["matrix"],
        &["up"],
        &["down"],
        &["walk"],
        &["explain"],
        &["token", "oidc"],
        &["token", "allow"],
        &["lesson", "check"],
        &["server-binaries", "fetch"],
        &["server-binaries", "images"],
        &["server-binaries", "build"],
    ] {
        let plain = help(command, &[]);
        let named = plain.split("[env: ").skip(1).filter_map(|rest| rest.split(['=', ']']).next());
        let variables: Vec<String> = named.filter(holds_credentials).map(str::to_owned).collect();
        assert!(!help(command, &variables).contains("hunter22"), "{command:?}: {variables:?}");
        seen += variables.len();
    }
    assert!(seen >= 10, "{seen} variables were looked at");
}

#[test]
fn nothing_selected_is_its_own_exit_code() {
    let folder = folder();
    let (code, _, err) = authlab(folder.path(), &["run", "features", "--name", "four"]);
    assert_eq!(code, 3);
    assert!(err.starts_with("error: none of the 3 scenarios is selected\n\nhint: "), "{err}");
}

#[test]
fn wrong_usage_is_refused_with_what_would_be_right() {
    let folder = folder();
    let cases: [(&[&str], &str); 11] = [
        (
            &["--tags", "@seral", "features"],
            "error: the expression `@seral` cannot select anything\n  caused by: unknown tag `@seral`\n\nhint: did you mean @serial? tags of your own are named by `tags` of [features] in authlab.toml, or with --own-tags seral\n",
        ),
        (&["--tags", "serial"], "invalid tag expression at column 1"),
        (&["--shard", "4/3"], "not a shard (expected I/N"),
        (
            &["--cluster", "minikube"],
            "possible values: auto, process, container, k3s, kind, existing",
        ),
        (
            &["run", "nowhere.feature"],
            "error: no feature file or folder `nowhere.feature`, neither on disk nor among the built-in features\n",
        ),
        (
            &["--tags", "@serial", "run"],
            "error: `--tags` is given before the command `run`\n\nhint: options of a command go after its name",
        ),
        (&["--concurrency", "0"], "expected at least 1"),
        (&["--max-failures", "0"], "expected at least 1"),
        (
            &["up", "--nextest"],
            "error: --nextest is for a setup script of cargo-nextest, which did not start this process\n\nhint: ",
        ),
        (&["up", "--until-exit", "0"], "error: --until-exit 0: no process has this number"),
        (
            &["run", "features", "--report", "."],
            "is not a report's directory: it holds `features`\n\nhint: name a directory that does not exist",
        ),
    ];
    for (arguments, expected) in cases {
        let (code, _, err) = authlab(folder.path(), arguments);
        assert_eq!(code, 2, "{arguments:?}: {err}");
        assert!(err.contains(expected), "{arguments:?}: {err}");
    }
}

#[test]
fn a_syntax_error_is_shown_with_file_line_and_caret_and_nothing_runs() {
    let folder = folder();
    std::fs::write(
        folder.path().join("features/toys/broken.feature"),
        "Feature: F\n  Scenario: s\n    Gvien a lab\n",
    )
    .unwrap();
    let (code, out, err) = authlab(folder.path(), &["run", "features"]);
    assert_eq!((code, out.as_str()), (2, ""));
    assert!(
        err.contains("features/toys/broken.feature:3:5: expected a step: is its keyword mistyped?"),
        "{err}"
    );
    assert!(err.contains("3 |     Gvien a lab\n"), "{err}");
}

#[test]
fn completions_name_the_commands() {
    let folder = folder();
    let (code, out, _) = authlab(folder.path(), &["completion", "bash"]);
    assert_eq!(code, 0);
    assert!(out.contains("completion") && out.contains("--identity-provider"));
}

#[test]
fn every_visible_command_has_a_man_page() {
    let folder = folder();
    let (code, out, err) = authlab(folder.path(), &["completion", "man", "--dir", "share/man1"]);
    assert_eq!((code, out.as_str()), (0, ""), "{err}");
    let pages = std::fs::read_dir(folder.path().join("share/man1")).unwrap();
    let mut pages: Vec<String> = pages.map(|page| page.unwrap().file_name().into_string().unwrap()).collect();
    pages.sort();
    for page in [
        "authlab.1",
        "authlab-run.1",
        "authlab-server-binaries-fetch.1",
        "authlab-completion.1",
    ] {
        assert!(pages.iter().any(|name| name == page), "{page}: {pages:?}");
    }
    assert!(
        !pages.iter().any(|page| page.contains("help") || page.contains("completion-man")),
        "{pages:?}"
    );
    let run = std::fs::read_to_string(folder.path().join("share/man1/authlab-run.1")).unwrap();
    assert!(
        run.contains(".TH authlab-run 1") && run.contains(r"\-\-identity\-provider"),
        "{run}"
    );

    let (code, _, err) = authlab(folder.path(), &["completion"]);
    assert_eq!(code, 2);
    assert!(err.contains("<SHELL>"), "{err}");
    let (code, _, err) = authlab(folder.path(), &["completion", "man", "--dir", "features/toys/trust.feature"]);
    assert_eq!(code, 1);
    assert!(err.contains("cannot write man pages to features/toys/trust.feature"), "{err}");
}

#[test]
fn a_pre_release_is_used_where_it_is_named_and_refused_where_there_is_none() {
    let folder = folder();
    let (code, out, err) = authlab(
        folder.path(),
        &[
            "matrix",
            "features",
            "--cluster",
            "process",
            "--kubernetes",
            "1.36..,1.38.0-beta.0",
            "--list",
        ],
    );
    assert_eq!(code, 0, "{err}");
    assert_eq!(out, "0\tprocess-1.36\t3\n1\tprocess-1.37\t3\n2\tprocess-1.38.0-beta.0\t3\n");
    for (arguments, told, hint) in [
        (
            &["matrix", "features", "--kubernetes", "1.36..1.38.0-beta.0", "--list"][..],
            "the range `1.36..1.38.0-beta.0` has a pre-release as an end",
            "",
        ),
        (
            &["server-binaries", "images", "--cluster", "k3s", "--kubernetes", "1.38.0-beta.0"],
            "cannot start k3s with Kubernetes 1.38.0-beta.0: there is no image of a pre-release",
            "choose --cluster process",
        ),
        (
            &["server-binaries", "images", "--cluster", "kind", "--kubernetes", "v1.38.0-rc.1"],
            "cannot start kind with Kubernetes 1.38.0-rc.1: there is no image of a pre-release",
            "choose --cluster process",
        ),
        (
            &["run", "features", "--cluster", "k3s", "--kubernetes", "1.38.0-beta.0"],
            "cannot start k3s with Kubernetes 1.38.0-beta.0: there is no image of a pre-release",
            "choose --cluster process",
        ),
        (
            &["run", "features", "--cluster", "process", "--kubernetes", "1.38.0-beta.0+k3s1"],
            "unknown Kubernetes version `1.38.0-beta.0+k3s1`",
            "",
        ),
        (
            &["serve", "--kubernetes", "1.38.0-beta.0"],
            "the playground has no pre-releases of Kubernetes, such as 1.38.0-beta.0",
            "authlab try --kubernetes VERSION",
        ),
    ] {
        let (code, out, err) = authlab(folder.path(), arguments);
        assert_eq!(code, 2, "{arguments:?}: {out}{err}");
        assert!(err.contains(told) && err.contains(hint), "{arguments:?}: {err}");
    }
    let (code, out, err) = authlab(folder.path(), &["server-binaries", "images", "--kubernetes", "1.38.0-beta.0"]);
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("registry.k8s.io/kube-apiserver:v1.38.0-beta.0\n"), "{out}");
}
