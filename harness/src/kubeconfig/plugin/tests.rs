//! Plugins as shell scripts.

use std::os::unix::fs::PermissionsExt as _;
use std::sync::{Arc, Mutex};

use tokio::sync::Notify;

use super::*;
use crate::credential::Credential;
use crate::hint::Hint as _;
use crate::process::wait::{Condition, until};

const V1: &str = "client.authentication.k8s.io/v1";

fn plugin(script: &str) -> ExecConfig {
    ExecConfig {
        api_version: V1.to_owned(),
        command: "sh".to_owned(),
        args: vec!["-c".to_owned(), script.to_owned()],
        interactive_mode: Some("Never".to_owned()),
        ..ExecConfig::default()
    }
}

fn printing(status: &Value) -> ExecConfig {
    let answer = json!({ "apiVersion": V1, "kind": "ExecCredential", "status": status });
    plugin(&format!("cat <<'END'\n{answer}\nEND\n"))
}

async fn ran(exec: &ExecConfig, cluster: &ClusterConfig) -> Result<PluginAnswer, PluginError> {
    run(exec, cluster, Surroundings::new(&mut |_| {})).await
}

async fn refused(exec: &ExecConfig) -> (&'static str, String) {
    let error = ran(exec, &ClusterConfig::default()).await.expect_err("it is refused");
    let hint = error.hint().unwrap_or_default();
    (error.behaviour(), format!("{error} -> {hint}"))
}

#[tokio::test]
async fn a_plugin_is_run_once_and_told_of_the_cluster_as_kubectl_tells_it() {
    let place = tempfile::tempdir().unwrap();
    let told = place.path().join("told");
    let mut exec = printing(&json!({ "token": "t0ken" }));
    exec.args[1].insert_str(
        0,
        &format!("printf '%s %s\\n' \"$KUBERNETES_EXEC_INFO\" \"$A\" >> '{}'\n", told.display()),
    );
    exec.env = vec![
        ("A".to_owned(), "b".to_owned()),
        ("KUBERNETES_EXEC_INFO".to_owned(), "mine".to_owned()),
    ];
    exec.provide_cluster_info = true;
    let cluster = ClusterConfig {
        server: "https://a.test/k8s?x=y".to_owned(),
        tls_server_name: Some("b.test".to_owned()),
        proxy_url: Some("http://p.test".to_owned()),
        authority: Some("PEM".to_owned()),
        disable_compression: true,
        exec_extension: Some(json!({ "audience": "x" })),
        ..ClusterConfig::default()
    };
    let given = ran(&exec, &cluster).await.unwrap();
    assert!(matches!(given.credentials.as_slice(), [Credential::Token(token)] if token.expose() == "t0ken"));
    let told = std::fs::read_to_string(told).unwrap();
    let info: Value = serde_json::from_str(told.strip_suffix(" b\n").unwrap()).unwrap();
    let expected = json!({ "kind": "ExecCredential", "apiVersion": V1, "spec": { "interactive": false, "cluster": {
        "server": "https://a.test/k8s", "tls-server-name": "b.test", "certificate-authority-data": "UEVN", "proxy-url": "http://p.test",
        "disable-compression": true, "config": { "audience": "x" } } } });
    assert_eq!(info, expected);
    exec.provide_cluster_info = false;
    assert_eq!(super::info(&exec, &cluster, true)["spec"], json!({ "interactive": true }));
    exec.provide_cluster_info = true;
    let bare = super::info(
        &exec,
        &ClusterConfig {
            server: "https://a.test?x".to_owned(),
            ..ClusterConfig::default()
        },
        false,
    );
    assert_eq!(bare["spec"]["cluster"], json!({ "server": "https://a.test?x", "config": null }));
}

#[tokio::test]
async fn a_command_with_a_slash_lies_beside_the_kubeconfig_and_another_one_in_path() {
    let place = tempfile::tempdir().unwrap();
    let bin = place.path().join("bin");
    std::fs::create_dir(&bin).unwrap();
    let script = bin.join("token.sh");
    let answer = json!({ "apiVersion": V1, "kind": "ExecCredential", "status": { "token": "t" } });
    std::fs::write(&script, format!("#!/bin/sh\necho '{answer}'\n")).unwrap();
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    let beside = |command: &str| ExecConfig {
        command: command.to_owned(),
        args: Vec::new(),
        directory: place.path().join("sub"),
        ..plugin("")
    };
    std::fs::create_dir(place.path().join("sub")).unwrap();
    let found = beside("../bin/token.sh");
    assert_eq!(program(&found).unwrap().canonicalize().unwrap(), script.canonicalize().unwrap());
    assert!(ran(&found, &ClusterConfig::default()).await.is_ok());
    assert_eq!(program(&plugin("")).unwrap().file_name().unwrap(), "sh");
    for (command, directory, help) in [
        ("token.sh", &bin, "write ./token.sh: without a slash"),
        (
            "./token.sh",
            &place.path().to_owned(),
            "correct the path, which is relative to the kubeconfig",
        ),
        ("~/bin/token.sh", &bin, "kubectl takes ~ for the name of a directory"),
        ("no-such-plugin", &bin, "install it, or give its full path"),
    ] {
        let exec = ExecConfig {
            directory: directory.clone(),
            ..beside(command)
        };
        let (behaviour, told) = refused(&exec).await;
        assert!(
            behaviour == "E2" && told.contains(help) && told.contains("cannot run the plugin"),
            "{command}: {told}"
        );
    }
    std::fs::write(bin.join("plain.sh"), "#!/bin/sh\n").unwrap();
    let plain = ExecConfig {
        directory: bin.clone(),
        install_hint: Some("get it at the front desk".to_owned()),
        ..beside("./plain.sh")
    };
    let (_, told) = refused(&plain).await;
    assert!(
        told.contains("plain.sh\": permission denied -> make it executable: `chmod +x "),
        "{told}"
    );
    let hinted = ExecConfig {
        install_hint: Some("get it at the front desk".to_owned()),
        ..beside("no-such-plugin")
    };
    assert!(refused(&hinted).await.1.ends_with("-> get it at the front desk"));
}

#[tokio::test]
async fn the_versions_must_be_the_same() {
    for (answered, help) in [
        (
            "client.authentication.k8s.io/v1beta1",
            "write apiVersion: client.authentication.k8s.io/v1beta1",
        ),
        ("client.authentication.k8s.io/v1alpha1", "kubectl takes no v1alpha1 since 1.24"),
    ] {
        let (behaviour, told) = refused(&plugin(&format!(
            "echo '{{\"apiVersion\":\"{answered}\",\"kind\":\"ExecCredential\",\"status\":{{\"token\":\"t\"}}}}'"
        )))
        .await;
        assert!(behaviour == "E4" && told.contains(answered) && told.contains(help), "{told}");
    }
    assert_eq!(refused(&plugin("echo '{}'")).await.0, "E4");
}

#[tokio::test]
async fn both_a_token_and_a_certificate_are_taken() {
    let both = json!({ "token": "t", "clientCertificateData": "C", "clientKeyData": "K", "expirationTimestamp": "2001-02-03T04:05:06Z" });
    let given = ran(&printing(&both), &ClusterConfig::default()).await.unwrap();
    assert!(matches!(given.credentials.as_slice(), [Credential::Certificate(leaf), Credential::Token(_)] if leaf.certificate == "C"));
    assert_eq!(given.expires.unwrap().to_string(), "2001-02-03T04:05:06Z");
    let yaml = plugin(&format!(
        "printf 'kind: ExecCredential\\napiVersion: {V1}\\nstatus:\\n  token: abc\\n'"
    ));
    assert!(ran(&yaml, &ClusterConfig::default()).await.is_ok());
}

#[tokio::test]
async fn an_answer_that_kubectl_does_not_take_is_refused() {
    for (status, why) in [
        (json!({ "token": "s3cret\n" }), "gives a token that ends in a line break"),
        (
            json!({ "token": "s3\ncret" }),
            "with a line break or another control character in it",
        ),
        (json!({}), "gives neither a token nor a certificate with its key"),
        (Value::Null, "didn't return a status field"),
        (
            json!({ "clientCertificateData": "C" }),
            "returned only certificate or key, not both",
        ),
        (json!({ "token": 7 }), "prints a token that is not a string"),
        (
            json!({ "token": "t", "expirationTimestamp": "soon" }),
            "which is not a time (RFC 3339)",
        ),
    ] {
        let (behaviour, told) = refused(&printing(&status)).await;
        assert!(
            behaviour == "E5" && told.contains(why) && !told.contains("s3cret"),
            "{status}: {told}"
        );
    }
    for (printed, why) in [
        ("hello", "did not print an ExecCredential"),
        ("[]", "did not print an ExecCredential"),
        ("", "printed nothing on its standard output -> let it print an ExecCredential"),
    ] {
        let (behaviour, told) = refused(&plugin(&format!("echo '{printed}'"))).await;
        assert!(behaviour == "E5" && told.contains(why), "{told}");
    }
}

#[tokio::test]
async fn a_plugin_is_heard_while_it_runs_and_when_it_fails() {
    let place = tempfile::tempdir().unwrap();
    let answer = place.path().join("answer");
    let heard = Arc::new(Mutex::new(String::new()));
    let (keep, password) = (Arc::clone(&heard), answer.clone());
    // The plugin ends only after its question was shown, which is the beginning of a line.
    let mut show = move |text: &str| {
        keep.lock().unwrap().push_str(text);
        if text.contains("Password: ") {
            std::fs::write(&password, "secret\n").unwrap();
        }
    };
    let exec = plugin(&format!(
        "mkfifo '{0}'; echo open https://login.test and enter ABC >&2; printf 'Password: ' >&2; read -r password <'{0}'; exit 3",
        answer.display()
    ));
    let error = run(&exec, &ClusterConfig::default(), Surroundings::new(&mut show))
        .await
        .unwrap_err();
    assert_eq!(*heard.lock().unwrap(), "open https://login.test and enter ABC\nPassword: ");
    assert_eq!(error.behaviour(), "E3");
    assert!(
        error.to_string().contains("exit status: 3") && error.to_string().contains("enter ABC"),
        "{error}"
    );
}

#[tokio::test]
async fn a_plugin_that_waits_is_ended_with_its_children() {
    let place = tempfile::tempdir().unwrap();
    let pid = place.path().join("pid");
    let exec = plugin(&format!("sleep 600 & echo $! > '{}'; echo waiting >&2; wait", pid.display()));
    // Its time is over as soon as it waits.
    let waits = Notify::new();
    let mut show = |_: &str| waits.notify_one();
    let error = run_until(waits.notified(), &exec, &ClusterConfig::default(), Surroundings::new(&mut show))
        .await
        .unwrap_err();
    let told = error.to_string();
    assert!(
        told.contains("authlab stopped waiting for the plugin after 60 s; kubectl waits on; its output is: waiting"),
        "{told}"
    );
    assert!(!error.is_kubectls());
    assert!(
        error.hint().unwrap().starts_with("run the plugin by hand once (`sh -c …`)"),
        "{:?}",
        error.hint()
    );
    let pid: i32 = std::fs::read_to_string(pid).unwrap().trim().parse().unwrap();
    let gone = until("the end of the plugin's child", Duration::from_secs(20), || {
        let state = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok();
        std::future::ready(Ok::<_, std::convert::Infallible>(match state {
            Some(stat) if !stat.contains(") Z ") => Condition::NotYet(format!("{pid} still runs")),
            _ => Condition::Met(()),
        }))
    });
    gone.await.unwrap();
}

#[tokio::test]
async fn a_plugin_that_needs_a_terminal_is_not_run_without_one() {
    let always = ExecConfig {
        interactive_mode: Some("Always".to_owned()),
        ..printing(&json!({ "token": "t" }))
    };
    let (behaviour, told) = refused(&always).await;
    assert!(behaviour == "E6" && told.contains("needs a terminal"), "{told}");
}

#[tokio::test]
async fn a_child_that_is_left_with_the_error_output_is_not_waited_for() {
    let place = tempfile::tempdir().unwrap();
    let pid = place.path().join("pid");
    let mut exec = printing(&json!({ "token": "t" }));
    exec.args[1].insert_str(
        0,
        &format!("sleep 600 >/dev/null & echo $! > '{}'; printf unfinished >&2\n", pid.display()),
    );
    let mut heard = String::new();
    let mut show = |text: &str| heard.push_str(text);
    let given = run(&exec, &ClusterConfig::default(), Surroundings::new(&mut show)).await;
    let left = std::fs::read_to_string(pid).unwrap().trim().parse().unwrap();
    // It still runs, so nothing waited for it.
    rustix::process::kill_process(Pid::from_raw(left).unwrap(), Signal::KILL).unwrap();
    assert!(given.is_ok(), "{given:?}");
    assert_eq!(heard, "unfinished");
}

#[tokio::test]
async fn what_runs_is_said_before_without_the_values_of_flags() {
    let line = |args: &[&str]| {
        let args = args.iter().map(|word| (*word).to_owned()).collect();
        command_line(&ExecConfig {
            command: "/opt/my plugin".to_owned(),
            args,
            env: vec![("PASSWORD".to_owned(), "pw123456789".to_owned())],
            ..ExecConfig::default()
        })
    };
    for (args, shown) in [
        (&["get-token", "-p", "pw123456789"][..], "get-token -p …"),
        (&["get-token", "-ppw123456789"], "get-token -p…"),
        (
            &["--region", "eu", "eks", "get-token", "--cluster-name=pw123456789"],
            "--region … … … --cluster-name=…",
        ),
        (&["-p", "--PW123456789", "-", "--", "x"], "-p … … -- …"),
        (&["-p=pw123456789"], "-p=…"),
        (&["a b", "c"], "'a b' c"),
    ] {
        assert_eq!(line(args), format!("'/opt/my plugin' {shown}"));
    }
    let mut heard = String::new();
    let mut show = |text: &str| heard.push_str(text);
    let exec = printing(&json!({ "token": "t" }));
    announced_run(&exec, &ClusterConfig::default(), Surroundings::new(&mut show))
        .await
        .unwrap();
    assert!(
        heard.starts_with("runs the kubeconfig's exec plugin `sh -c …`, which is /"),
        "{heard}"
    );
}
