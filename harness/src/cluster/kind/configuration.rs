//! The configuration of a cluster (`kind.x-k8s.io/v1alpha4`; sigs.k8s.io/kind `pkg/apis/config/v1alpha4`), with patches for kubeadm's.
//!
//! The main type is [`Configuration`]. kind chooses the version of kubeadm's configuration on its own, and differently in its
//! releases; a patch that names a version is used for that one alone (kind `pkg/internal/patch`), so each patch is there twice.

use std::path::Path;

use serde_json::{Map, Value, json};

use crate::cluster::Provisions;
use crate::cluster::control_plane::SIGNER_HOURS;

/// The content of the files in the lab's directory, and their names.
#[derive(Clone, Debug)]
pub struct Configuration {
    /// The cluster's configuration: JSON, which is YAML too.
    pub cluster: Value,
    /// kubeadm's patch of the API server's pod (RFC 6902), for [`Configuration::PATCH`] in the directory of patches.
    pub patch: Value,
}

impl Configuration {
    /// The file name of the patch in kubeadm's form: TARGET, a suffix for the order, and its kind.
    pub const PATCH: &'static str = "kube-apiserver0+json.json";
}

/// The versions of kubeadm's configuration that some release of kind writes, and the form of extra arguments in each.
const KUBEADM: [(&str, Arguments); 2] = [
    ("kubeadm.k8s.io/v1beta3", Arguments::Map),
    ("kubeadm.k8s.io/v1beta4", Arguments::List),
];

#[derive(Clone, Copy, PartialEq)]
enum Arguments {
    Map,
    List,
}

impl Arguments {
    fn of<'a>(self, flags: impl IntoIterator<Item = (&'a str, &'a str)>) -> Value {
        match self {
            Self::Map => flags
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value.into()))
                .collect::<Map<_, _>>()
                .into(),
            Self::List => flags
                .into_iter()
                .map(|(name, value)| json!({ "name": name, "value": value }))
                .collect(),
        }
    }
}

/// The program in the images of Kubernetes that writes its child's output to a file.
pub const LOG_RUNNER: &str = "/go-runner";

/// The API server in these images.
const API_SERVER: &str = "/usr/local/bin/kube-apiserver";

/// Their `PATH`.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Returns the configuration of the cluster `name` with nodes from `image` and the API server of `provisions`. `directory` is the lab's,
/// `patches` a directory in it, and `programs` one where `kube-apiserver` is a link to [`LOG_RUNNER`]; all are seen in the node, and in
/// the API server's pod, under the same path.
pub fn configuration(
    name: &str,
    image: &str,
    provisions: &Provisions,
    directory: &Path,
    (patches, programs): (&Path, &Path),
) -> Configuration {
    let place = directory.to_string_lossy();
    let signing = format!("{SIGNER_HOURS}h");
    let kubeadm = KUBEADM.iter().flat_map(|&(version, arguments)| {
        let mut flags: Vec<(&str, &str)> = provisions
            .flags
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        if !flags.iter().any(|(name, _)| *name == "anonymous-auth") {
            flags.push(("anonymous-auth", "true"));
        }
        let mut cluster = json!({
            "apiVersion": version,
            "kind": "ClusterConfiguration",
            "apiServer": {
                "extraArgs": arguments.of(flags),
                "extraVolumes": [{
                    "name": "authlab",
                    "hostPath": place,
                    "mountPath": place,
                    "readOnly": false,
                    "pathType": "Directory",
                }],
            },
            "controllerManager": { "extraArgs": arguments.of([("cluster-signing-duration", signing.as_str())]) },
        });
        // P-256 keys like ours, so that service accounts' tokens are signed as in every other cluster. RSA is kubeadm's default.
        match arguments {
            Arguments::Map => cluster["featureGates"] = json!({ "PublicKeysECDSA": true }),
            Arguments::List => cluster["encryptionAlgorithm"] = "ECDSA-P256".into(),
        }
        let init = json!({
            "apiVersion": version,
            "kind": "InitConfiguration",
            "patches": { "directory": patches.to_string_lossy() },
        });
        [cluster.to_string(), init.to_string()]
    });
    let cluster = json!({
        "kind": "Cluster",
        "apiVersion": "kind.x-k8s.io/v1alpha4",
        "name": name,
        "networking": {
            "ipFamily": "ipv4",
            "apiServerAddress": "127.0.0.1",
            // kind chooses one.
            "apiServerPort": 0,
        },
        "nodes": [{
            "role": "control-plane",
            "image": image,
            "extraMounts": [{ "hostPath": place, "containerPath": place, "readOnly": false }],
        }],
        "kubeadmConfigPatches": kubeadm.collect::<Vec<_>>(),
    });
    // The API server's log is written by the program that its image has for that (kubernetes/kubernetes
    // `build/server-image/kube-apiserver/Dockerfile`; k8s.io/component-base `logs/kube-log-runner`): to a file of ours, and to its
    // former output. kubeadm 1.33 and newer wait for the API server by the address in its pod's command, which has to begin with
    // `kube-apiserver` (`cmd/kubeadm/app/util/staticpod`, GetAddressesFromManifest): so that program is called by this name.
    let log = format!("--log-file={}", provisions.log.display());
    let words = [API_SERVER, "--also-stdout=true", &log];
    let words = words
        .iter()
        .map(|word| json!({ "op": "add", "path": "/spec/containers/0/command/1", "value": word }));
    let path = json!([{ "name": "PATH", "value": format!("{}:{PATH}", programs.display()) }]);
    let path = json!({ "op": "add", "path": "/spec/containers/0/env", "value": path });
    Configuration {
        cluster,
        patch: words.chain([path]).collect(),
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::process::Command;

    use super::*;
    use crate::cluster::{MAIN, Minor, Placeholders, Setting};
    use crate::server_binaries::Versions;
    use crate::server_binaries::images::Images;

    fn example(directory: &Path, version: &str) -> Configuration {
        let kubernetes = Versions::pinned().kubernetes(version).unwrap();
        let main = Setting::named(MAIN).unwrap();
        let provisions = Provisions::write(directory, &main, Minor(kubernetes.version.minor.into()), &Placeholders::example()).unwrap();
        let image = Images::of(kubernetes, None).unwrap().kind_node.unwrap().to_string();
        let (patches, programs) = (directory.join("patches"), directory.join("programs"));
        configuration("authlab-blue", &image, &provisions, directory, (&patches, &programs))
    }

    fn patch(configuration: &Configuration, version: &str, kind: &str) -> Value {
        let patches = configuration.cluster["kubeadmConfigPatches"].as_array().unwrap();
        let mut found = patches
            .iter()
            .map(|text| serde_json::from_str::<Value>(text.as_str().unwrap()).unwrap());
        found
            .find(|patch| patch["apiVersion"] == format!("kubeadm.k8s.io/{version}") && patch["kind"] == kind)
            .unwrap()
    }

    #[test]
    fn each_version_of_kubeadm_gets_the_same_in_its_own_form() {
        let directory = tempfile::tempdir().unwrap();
        let configuration = example(directory.path(), "1.33");
        let (old, new) = (
            patch(&configuration, "v1beta3", "ClusterConfiguration"),
            patch(&configuration, "v1beta4", "ClusterConfiguration"),
        );
        let map = old["apiServer"]["extraArgs"].as_object().unwrap();
        let list = new["apiServer"]["extraArgs"].as_array().unwrap();
        assert_eq!(map.len(), list.len(), "no flag is there twice");
        for argument in list {
            assert_eq!(map[argument["name"].as_str().unwrap()], argument["value"]);
        }
        assert_eq!(map["anonymous-auth"], "true");
        assert!(Path::new(map["authentication-config"].as_str().unwrap()).starts_with(directory.path()));
        assert_eq!(old["apiServer"]["extraVolumes"], new["apiServer"]["extraVolumes"]);
        assert_eq!(
            (&old["featureGates"]["PublicKeysECDSA"], &new["encryptionAlgorithm"]),
            (&true.into(), &"ECDSA-P256".into())
        );
    }

    #[test]
    fn nothing_listens_outside_of_loopback_and_the_image_is_pinned() {
        let directory = tempfile::tempdir().unwrap();
        let cluster = example(directory.path(), "1.37").cluster;
        assert_eq!(cluster["networking"]["apiServerAddress"], "127.0.0.1");
        assert!(cluster["nodes"][0]["image"].as_str().unwrap().contains("@sha256:"));
        assert_eq!(cluster["nodes"].as_array().unwrap().len(), 1);
    }

    /// Returns command and environment of kubeadm's pod after the patch (RFC 6902, the part of it that is used).
    fn patched(patch: &Value) -> (Vec<String>, Value) {
        let mut command = vec!["kube-apiserver".to_owned(), "--advertise-address=172.18.0.2".to_owned()];
        let mut environment = Value::Null;
        for operation in patch.as_array().unwrap() {
            assert_eq!(operation["op"], "add");
            let value = &operation["value"];
            match operation["path"].as_str().unwrap().strip_prefix("/spec/containers/0/").unwrap() {
                "command/1" => command.insert(1, value.as_str().unwrap().to_owned()),
                "env" => environment = value.clone(),
                other => panic!("{other}"),
            }
        }
        (command, environment)
    }

    #[test]
    fn the_log_is_written_by_a_program_that_kubeadm_takes_for_the_api_server() {
        let directory = tempfile::tempdir().unwrap();
        let (command, environment) = patched(&example(directory.path(), "1.37").patch);
        // kubeadm's own condition.
        assert_eq!(command[0], "kube-apiserver");
        assert!(
            command[1].starts_with("--log-file=") && command[1].ends_with("kube-apiserver.log"),
            "{command:?}"
        );
        assert_eq!(command[2..4], ["--also-stdout=true", "/usr/local/bin/kube-apiserver"]);
        // The first `kube-apiserver` there is the link.
        let path = environment[0]["value"].as_str().unwrap();
        let (first, rest) = path.split_once(':').unwrap();
        assert_eq!(Path::new(first), directory.path().join("programs"));
        assert!(rest.split(':').any(|directory| directory == "/usr/local/bin"), "{path}");
    }

    /// The version of kind's module, whose own code reads the configuration.
    const KIND: &str = "v0.33.0";

    /// A program compiled inside kind's module, since its parser is internal: it reads the configuration strictly, validates it, and
    /// applies the patches to the kubeadm configuration that kind would write for the given version.
    const CHECK: &str = r#"package main

import (
	"fmt"
	"os"

	"sigs.k8s.io/kind/pkg/cluster/internal/kubeadm"
	"sigs.k8s.io/kind/pkg/internal/apis/config/encoding"
	"sigs.k8s.io/kind/pkg/internal/patch"
)

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func main() {
	cluster, err := encoding.Load(os.Args[1])
	must(err)
	must(cluster.Validate())
	written, err := kubeadm.Config(kubeadm.ConfigData{
		ClusterName: cluster.Name, KubernetesVersion: os.Args[2], ControlPlaneEndpoint: "x:6443", APIBindPort: 6443,
		APIServerAddress: cluster.Networking.APIServerAddress, Token: kubeadm.Token, PodSubnet: "10.244.0.0/16",
		ServiceSubnet: "10.96.0.0/16", ControlPlane: true, NodeAddress: "127.0.0.1", KubeProxyMode: "iptables",
	})
	must(err)
	patched, err := patch.KubeYAML(written, cluster.KubeadmConfigPatches, cluster.KubeadmConfigPatchesJSON6902)
	must(err)
	fmt.Print(patched)
}
"#;

    /// Returns the directory of kind's module, if this machine has Go and can download the module.
    fn kind_module() -> Option<PathBuf> {
        let module = format!("sigs.k8s.io/kind@{KIND}");
        let downloaded = Command::new("go")
            .args(["mod", "download", "-json", &module])
            .current_dir(std::env::temp_dir())
            .output()
            .ok()?;
        let described: Value = serde_json::from_slice(&downloaded.stdout).ok()?;
        described["Dir"].as_str().map(PathBuf::from)
    }

    fn copy(from: &Path, to: &Path) {
        std::fs::create_dir_all(to).unwrap();
        for entry in std::fs::read_dir(from).unwrap().flatten() {
            let (path, target) = (entry.path(), to.join(entry.file_name()));
            if path.is_dir() {
                copy(&path, &target);
            } else {
                // Not `fs::copy`: files of the module cache cannot be written.
                std::fs::write(&target, std::fs::read(&path).unwrap()).unwrap();
            }
        }
    }

    #[test]
    #[ignore = "needs Go and the module sigs.k8s.io/kind, and builds it"]
    fn kinds_own_parser_takes_it_and_its_patches_reach_kubeadm() {
        let module = kind_module().expect("Go, and kind's module");
        let place = tempfile::tempdir().unwrap();
        let source = place.path().join("kind");
        copy(&module, &source);
        let check = source.join("pkg/cluster/check");
        std::fs::create_dir(&check).unwrap();
        std::fs::write(check.join("main.go"), CHECK).unwrap();
        let program = place.path().join("check");
        let built = Command::new("go")
            .args(["build", "-buildvcs=false", "-o"])
            .arg(&program)
            .arg("./pkg/cluster/check")
            .current_dir(&source)
            .output()
            .unwrap();
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));

        for kubernetes in &Versions::pinned().kubernetes {
            let directory = place.path().join(kubernetes.version.to_string());
            let configuration = example(&directory, &kubernetes.version.to_string());
            let file = directory.join("kind.json");
            std::fs::write(&file, configuration.cluster.to_string()).unwrap();
            let checked = Command::new(&program)
                .arg(&file)
                .arg(format!("v{}", kubernetes.version))
                .output()
                .unwrap();
            assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
            let text = String::from_utf8(checked.stdout).unwrap();
            let documents: Vec<Value> = text
                .split("\n---\n")
                .map(|document| serde_saphyr::from_str(document).unwrap())
                .collect();
            let find = |kind: &str| documents.iter().find(|document| document["kind"] == kind).unwrap();
            let cluster = find("ClusterConfiguration");
            let arguments = &cluster["apiServer"]["extraArgs"];
            let path = match arguments.as_array() {
                Some(list) => &list.iter().find(|argument| argument["name"] == "authentication-config").unwrap()["value"],
                None => &arguments["authentication-config"],
            };
            assert!(Path::new(path.as_str().unwrap()).is_file(), "{text}");
            assert_eq!(
                cluster["apiServer"]["extraVolumes"][0]["mountPath"],
                directory.to_string_lossy().as_ref()
            );
            let patches = find("InitConfiguration")["patches"]["directory"].as_str().unwrap();
            assert_eq!(Path::new(patches), directory.join("patches"));
        }
    }
}
