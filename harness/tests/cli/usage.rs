//! Command lines that need no lab, and all usage errors. The help of every command is in `tests/hermetic/help.rs`.

use authlab::owner::Owner;

use crate::stage::Stage;

#[test]
fn completions_are_printed_for_every_shell_and_refused_for_what_is_none() {
    let stage = Stage::new();
    for shell in ["bash", "zsh", "fish"] {
        let completions = stage.authlab(&["completion", shell]).success();
        assert!(
            completions.contains("kubeconfig") && completions.contains("server-binaries"),
            "{shell}"
        );
    }
    let refusal = stage.authlab(&["completion", "tcsh"]).refusal(2);
    assert!(refusal.contains("invalid value 'tcsh'") && refusal.contains("bash"), "{refusal}");
}

#[test]
fn server_binaries_are_listed_and_unknown_versions_are_refused() {
    let stage = Stage::new();
    let listed = stage.authlab(&["server-binaries", "list"]).success();
    assert!(listed.contains("Kubernetes") && listed.contains("Keycloak"), "{listed}");
    let refusal = stage.authlab(&["server-binaries", "fetch", "1.12"]).refusal(2);
    assert!(refusal.contains("1.12") && refusal.contains("1.30"), "{refusal}");
    stage.authlab(&["server-binaries"]).refusal(2);
}

#[test]
fn images_are_listed_as_a_run_would_ask_for_them() {
    let stage = Stage::new();
    let listed = stage.authlab(&["server-binaries", "images", "--kubernetes", "1.34"]).success();
    assert_eq!(
        listed,
        "registry.k8s.io/etcd:3.6.5-0\n\
         registry.k8s.io/kube-apiserver:v1.34.4\n\
         registry.k8s.io/kube-controller-manager:v1.34.4\n\
         quay.io/keycloak/keycloak:26.7.4\n\
         # on a machine that can reach a registry:\n\
         #   docker pull registry.k8s.io/etcd:3.6.5-0\n\
         #   docker pull registry.k8s.io/kube-apiserver:v1.34.4\n\
         #   docker pull registry.k8s.io/kube-controller-manager:v1.34.4\n\
         #   docker pull quay.io/keycloak/keycloak:26.7.4\n\
         #   docker save --output images.tar registry.k8s.io/etcd:3.6.5-0 registry.k8s.io/kube-apiserver:v1.34.4 \
         registry.k8s.io/kube-controller-manager:v1.34.4 quay.io/keycloak/keycloak:26.7.4\n\
         # on a machine that cannot:\n\
         #   docker load --input images.tar\n"
    );
    let k3s = ["server-binaries", "images", "--cluster", "k3s", "--kubernetes", "1.30"];
    let prefix = ["--image-prefix", "registry.example/mirror", "--identity-provider", "process"];
    let moved = stage.authlab(&[&k3s[..], &prefix[..]].concat()).success();
    assert_eq!(
        moved.lines().next(),
        Some("registry.example/mirror/rancher/k3s:v1.30.14-k3s1"),
        "{moved}"
    );

    let kind = stage.authlab(&["server-binaries", "images", "--cluster", "kind", "--json"]).json();
    assert_eq!(kind[0]["of"], "kind node");
    let digest = kind[0]["digest"].as_str().unwrap();
    assert!(kind[0]["image"].as_str().unwrap().ends_with(&format!("@{digest}")), "{kind}");

    let process = [
        "server-binaries",
        "images",
        "--cluster",
        "process",
        "--identity-provider",
        "process",
    ];
    assert_eq!(stage.authlab(&process).success(), "# no image is needed\n");
    let refusal = stage
        .authlab(&["server-binaries", "images", "--image-prefix", "https://registry.example"])
        .refusal(2);
    assert!(
        refusal.contains("https://registry.example/") && refusal.contains("not the name of an image"),
        "{refusal}"
    );
    let refusal = stage.authlab(&["server-binaries", "images", "--kubernetes", "1.12"]).refusal(2);
    assert!(refusal.contains("1.30.14"), "{refusal}");
}

#[test]
fn run_refuses_a_lab_that_is_not_up() {
    let refusal = Stage::new().authlab(&["run", "--tags", "@X1", "--lab", "nowhere"]).refusal(4);
    assert_eq!(
        refusal,
        "error: no lab named 'nowhere' is running (no labs are running)\n\nhint: `authlab up --lab nowhere` starts it\n"
    );
}

#[test]
fn up_refuses_what_cannot_be_started() {
    let stage = Stage::new();
    for (arguments, code, says) in [
        (["up", "--kubernetes", "1.12"], 2, "1.12"),
        (["up", "--kubernetes", "1.37.99"], 2, "1.37"),
        (["up", "--lab", "../elsewhere"], 2, "cannot be a lab's name"),
        (
            ["up", "--cluster", "minikube"],
            2,
            "possible values: auto, process, container, k3s, kind, existing",
        ),
        (["up", "--kubeconfig", "nowhere"], 2, "--cluster existing"),
        (["up", "--server-binaries", "nowhere"], 4, "nowhere has no etcd"),
    ] {
        let refusal = stage.authlab(&arguments).refusal(code);
        assert!(refusal.contains(says), "{arguments:?}: {refusal}");
        assert_eq!(stage.labs(), Vec::<String>::new(), "{arguments:?}");
    }
}

#[test]
fn a_state_directory_that_cannot_be_used_is_named() {
    let stage = Stage::new();
    let file = stage.state().join("file");
    std::fs::write(&file, "").unwrap();
    for arguments in [["up", "--quiet"], ["run", "--tags=@X1"]] {
        let said = crate::stage::said(stage.command(&arguments).env("AUTHLAB_STATE_DIR", &file));
        let refusal = said.refusal(4);
        let says = format!("error: cannot use the directory {}: it is not a directory", file.display());
        assert!(refusal.contains(&says), "{refusal}");
        assert!(
            refusal.contains("hint: name a directory that only you use with AUTHLAB_STATE_DIR"),
            "{refusal}"
        );
    }
}

#[test]
fn down_of_what_is_not_there_is_an_error_and_down_of_everything_is_not() {
    let stage = Stage::new();
    let refusal = stage.authlab(&["down"]).refusal(1);
    assert_eq!(
        refusal,
        "error: no lab named 'default' is running (no labs are running)\n\nhint: `authlab up` starts it\n"
    );
    assert_eq!(
        stage.authlab(&["down", "--all"]).success(),
        "no lab is up, and nothing is left to clear\n"
    );
    stage.authlab(&["down", "--lab", "a/b"]).refusal(2);
}

#[test]
fn status_without_a_lab_says_so() {
    let stage = Stage::new();
    assert_eq!(stage.authlab(&["status"]).success(), "no lab is up; `authlab up` starts one\n");
    assert_eq!(stage.authlab(&["status", "--json"]).json(), serde_json::json!([]));
    stage.authlab(&["status", "--lab", "x"]).refusal(2);
}

#[test]
fn unknown_people_are_told_who_is_there_even_without_a_lab() {
    let stage = Stage::new();
    for command in ["shell", "kubeconfig"] {
        let refusal = stage.authlab(&[command, "eve"]).refusal(2);
        assert!(
            refusal.starts_with("error: nobody in the cast is named 'eve' (known: administrator, alice, bob"),
            "{refusal}"
        );
        let refusal = stage.authlab(&[command, "alice"]).refusal(1);
        assert!(
            refusal.starts_with("error: no lab named 'default' is running (no labs are running)"),
            "{refusal}"
        );
    }
}

#[test]
fn what_a_crash_left_is_shown_with_the_command_that_clears_it() {
    let stage = Stage::new();
    for (lab, file) in [("crashed", "owner.lock"), ("kept", "etcd.log")] {
        stage.leave(lab, &Owner::here());
        std::fs::write(stage.lab(lab).join(file), "1").unwrap();
    }
    let shown = stage.authlab(&["status"]).success();
    assert!(
        shown.contains(&format!(
            "crashed: {} was left by a crash; `authlab down` clears it",
            stage.lab("crashed").display()
        )),
        "{shown}"
    );
    assert!(
        shown.contains(&format!(
            "kept: {} was kept for its logs; `authlab down --lab kept` clears it",
            stage.lab("kept").display()
        )),
        "{shown}"
    );
    // The default lab does not exist, but crashed labs are cleared in any case; kept ones are not.
    stage.authlab(&["down"]).refusal(1);
    assert_eq!(stage.labs(), ["kept"]);
    assert_eq!(
        stage.authlab(&["down", "--lab", "kept"]).success(),
        "kept: had no owner any more; cleared what was left\n"
    );
    assert_eq!(stage.labs(), Vec::<String>::new());
}

#[test]
fn nobody_types_the_hidden_option() {
    let refusal = Stage::new().authlab(&["up", "--supervised"]).refusal(2);
    assert!(refusal.contains("hint: `authlab up` starts a lab that stays up"), "{refusal}");
}

#[test]
fn sabotages_are_listed_and_what_does_not_go_with_them_is_refused() {
    let stage = Stage::new();
    let listed = stage.authlab(&["sabotage", "--list"]).success();
    assert!(listed.contains("always_allow: everybody may do everything"), "{listed}");
    let listed = stage.authlab(&["--json", "sabotage", "--list"]).success();
    let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
    assert!(
        listed.as_array().unwrap().iter().any(|one| one["name"] == "always_allow"),
        "{listed}"
    );
    for (arguments, says) in [
        (&["no_such"][..], "no sabotage is named 'no_such' (known: "),
        (&["--rotate", "0"], "expected at least 1"),
        (&["--rotate", "999"], "`--rotate 999`: there are "),
        (&["--rotate", "1", "always_allow"], "cannot be used with"),
        (&["--cluster", "k3s"], "unexpected argument '--cluster'"),
        (&["--tags", "@oidc"], "unexpected argument '--tags'"),
        (&["--kubernetes", "1.2"], "1.2"),
        (&["--keycloak", "1.2"], "1.2"),
    ] {
        let refusal = stage.authlab(&[&["sabotage"], arguments].concat()).refusal(2);
        assert!(refusal.contains(says), "{arguments:?}: {refusal}");
    }
}
