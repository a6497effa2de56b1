//! The command line of k3s with the lab's setting in it.
//!
//! The main function is [`arguments`]; the rest of the command line is that of [`Server`].

use std::path::Path;

use authlab_testcontainers::description::k3s::Server;

use crate::cluster::control_plane::SIGNER_HOURS;
use crate::cluster::{FRONT_PROXY, provisions::Provisions};

/// Returns the arguments of `k3s`: an API server with `provisions`, data in `data`, and our own key files for service accounts.
pub fn arguments(provisions: &Provisions, data: &Path, service_accounts: (&Path, &Path)) -> Vec<String> {
    let (private, public) = service_accounts;
    let mut api_server: Vec<String> = provisions.flags.iter().map(|(name, value)| format!("{name}={value}")).collect();
    // Without it, requests that carry no credential are refused.
    if !provisions.flags.iter().any(|(name, _)| name == "anonymous-auth") {
        api_server.push("anonymous-auth=true".to_owned());
    }
    api_server.extend([
        // k3s would add an audience of its own; tokens of service accounts would then have two.
        "api-audiences=https://kubernetes.default.svc".to_owned(),
        // `+` adds to the value of k3s (pkg/util/args.go): its own proxy client stays `system:auth-proxy`.
        format!("requestheader-allowed-names+={FRONT_PROXY}"),
        // k3s makes an RSA key; ours is of the same kind as in every other cluster, so that tokens are signed the same way.
        format!("service-account-key-file={}", public.display()),
        format!("service-account-signing-key-file={}", private.display()),
    ]);
    let server = Server {
        data: data.display().to_string(),
        kubeconfig: data.join("k3s.yaml").display().to_string(),
        api_server,
        controller_manager: vec![
            format!("cluster-signing-duration={SIGNER_HOURS}h"),
            format!("service-account-private-key-file={}", private.display()),
        ],
    };
    server.arguments()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::cluster::{MAIN, Minor, Placeholders, Setting};

    /// The options of `k3s server` that are used here, from its source (`ServerFlags` in pkg/cli/cmds/server.go, read at commit
    /// 005499a940ee of k3s-io/k3s). No module proxy has the module, so it cannot be compiled in a test.
    const OPTIONS: &[&str] = &[
        "data-dir",
        "disable",
        "disable-agent",
        "disable-cloud-controller",
        "disable-helm-controller",
        "disable-kube-proxy",
        "disable-network-policy",
        "disable-scheduler",
        "egress-selector-mode",
        "flannel-backend",
        "https-listen-port",
        "kube-apiserver-arg",
        "kube-controller-manager-arg",
        "tls-san",
        "write-kubeconfig",
        "write-kubeconfig-mode",
    ];

    fn example(minor: u32) -> (tempfile::TempDir, Vec<String>) {
        let directory = tempfile::tempdir().unwrap();
        let main = Setting::named(MAIN).unwrap();
        let provisions = Provisions::write(directory.path(), &main, Minor(minor), &Placeholders::example()).unwrap();
        let arguments = arguments(&provisions, Path::new("data"), (Path::new("sa.key"), Path::new("sa.pub")));
        (directory, arguments)
    }

    #[test]
    fn k3s_knows_every_option() {
        let (_directory, arguments) = example(37);
        assert_eq!(arguments[0], "server");
        let used: BTreeSet<&str> = arguments[1..]
            .iter()
            .map(|argument| argument.strip_prefix("--").unwrap().split('=').next().unwrap())
            .collect();
        assert_eq!(used, BTreeSet::from_iter(OPTIONS.iter().copied()));
    }

    #[test]
    fn values_can_be_split_at_commas_without_harm() {
        for minor in 30..=37 {
            let (_directory, arguments) = example(minor);
            let split: Vec<&String> = arguments.iter().filter(|argument| argument.contains(',')).collect();
            assert!(split.is_empty(), "{split:?}");
        }
    }

    #[test]
    fn the_setting_reaches_the_api_server() {
        let (directory, arguments) = example(33);
        let has = |wanted: &str| arguments.iter().filter(|argument| argument.contains(wanted)).count();
        assert_eq!(has("--kube-apiserver-arg=anonymous-auth=true"), 1);
        assert_eq!(has("--kube-apiserver-arg=requestheader-uid-headers=X-Remote-Uid"), 1);
        assert_eq!(has("--kube-apiserver-arg=requestheader-allowed-names+=front-proxy-client"), 1);
        let file = |flag: &str| {
            let start = format!("--kube-apiserver-arg={flag}=");
            let path = arguments.iter().find_map(|argument| argument.strip_prefix(&start)).unwrap();
            assert!(Path::new(path).starts_with(directory.path()), "{path}");
            std::fs::read_to_string(path).unwrap()
        };
        assert!(file("authentication-config").contains("apiserver.config.k8s.io/v1beta1"));
        assert!(file("audit-policy-file").contains("audit.k8s.io"));
        assert_eq!(file("audit-log-path"), "", "it is there, and ours");
        // The feature came with 1.33.
        assert!(!example(32).1.iter().any(|argument| argument.contains("requestheader-uid-headers")));
    }
}
