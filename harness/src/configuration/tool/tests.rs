//! The files in `fixtures/configurations/`, each with what is found in it.

use std::path::{Path, PathBuf};

use super::*;
use crate::configuration::document::Document;
use crate::configuration::files::Located;
use crate::configuration::place::places;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/configurations")
}

/// Returns a path below the folder.
fn short(path: &Path) -> String {
    path.strip_prefix(folder()).unwrap_or(path).display().to_string()
}

/// Returns each flag with its line, each file with where it was found, and each note.
fn told(found: &Found) -> Vec<String> {
    let mut told = vec![found.tool.to_string()];
    told.extend(found.flags.iter().map(|flag| {
        let value = flag.value.replace(&format!("{}/", folder().display()), "");
        format!("{}:{} {}={value}", short(&flag.file), flag.place.line, flag.name)
    }));
    told.extend(found.files.iter().map(|file| {
        let content = match &file.content {
            Located::Inside(inside) => format!("inside, line {}, {:?}", inside.place.line, inside.starts),
            Located::Mounted(path) => format!("mounted, {}", short(path)),
            Located::Beside(path) => format!("beside, {}", short(path)),
            Located::Itself(path) => format!("itself, {}", short(path)),
            Located::Missing(looked) => format!("missing, {} places", looked.len()),
        };
        format!("{} is {content}", file.flag)
    }));
    told.extend(
        found
            .notes
            .iter()
            .map(|note| format!("note, line {}: {}", note.place.as_ref().unwrap().line, note.message)),
    );
    told
}

fn read_text(text: &str) -> Result<Found, Vec<Diagnostic>> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file.yaml");
    fs_err::write(&path, text).unwrap();
    read(&path)
}

#[test]
fn the_file_of_each_tool_is_read() {
    for (file, expected) in [
        (
            "authn.yaml",
            vec![
                "AuthenticationConfiguration",
                "authn.yaml:2 authentication-config=authn.yaml",
                "authentication-config is itself, authn.yaml",
            ],
        ),
        (
            "authz.yaml",
            vec![
                "AuthorizationConfiguration",
                "authz.yaml:2 authorization-config=authz.yaml",
                "authorization-config is itself, authz.yaml",
            ],
        ),
        (
            "kubeadm-v1beta3.yaml",
            vec![
                "kubeadm",
                "kubeadm-v1beta3.yaml:11 oidc-issuer-url=https://login.example.com",
                "kubeadm-v1beta3.yaml:12 oidc-client-id=kubernetes",
                "kubeadm-v1beta3.yaml:13 oidc-username-claim=email",
                "kubeadm-v1beta3.yaml:14 oidc-ca-file=/etc/kubernetes/pki/oidc-ca.crt",
                "kubeadm-v1beta3.yaml:15 anonymous-auth=false",
                "kubeadm-v1beta3.yaml:16 audit-log-path=/var/log/kubernetes/audit.log",
                "oidc-ca-file is missing, 8 places",
                "note, line 15: the value of anonymous-auth is a boolean, and kubeadm takes only texts",
            ],
        ),
        (
            "kubeadm-v1beta4.yaml",
            vec![
                "kubeadm",
                "kubeadm-v1beta4.yaml:7 authentication-config=/etc/kubernetes/auth/authn.yaml",
                "kubeadm-v1beta4.yaml:9 authorization-config=/etc/kubernetes/auth/authz.yaml",
                "kubeadm-v1beta4.yaml:11 service-account-issuer=https://clusters.example.com/prod",
                "kubeadm-v1beta4.yaml:13 service-account-issuer=https://kubernetes.default.svc.cluster.local",
                "authentication-config is beside, authn.yaml",
                "authorization-config is beside, authz.yaml",
            ],
        ),
        (
            "kind/kind.yaml",
            vec![
                "kind",
                "kind/kind.yaml:3 feature-gates=StructuredAuthenticationConfiguration=true",
                "kind/kind.yaml:10 authentication-config=/etc/kubernetes/auth/authn.yaml",
                "kind/kind.yaml:34 v=6",
                "authentication-config is mounted, kind/authn.yaml",
                "note, line 16: JSON patches cannot be judged",
            ],
        ),
        (
            "cluster-api.yaml",
            vec![
                "Cluster API",
                "cluster-api.yaml:12 authentication-config=/etc/kubernetes/authn.yaml",
                "cluster-api.yaml:13 authorization-webhook-config-file=/etc/kubernetes/webhook.conf",
                "cluster-api.yaml:14 tls-min-version=VersionTLS12",
                "authentication-config is inside, line 23, Some((23, 8))",
                "authorization-webhook-config-file is missing, 3 places",
                "note, line 34: the content of /etc/kubernetes/webhook.conf is in the Secret webhook, which is not in this file",
            ],
        ),
        (
            "cluster-api-v1beta2.yaml",
            vec![
                "Cluster API",
                "cluster-api-v1beta2.yaml:22 authentication-config=/etc/kubernetes/authn.yaml",
                "authentication-config is inside, line 6, Some((6, 4))",
            ],
        ),
        (
            "k3s/config.yaml",
            vec![
                "k3s or RKE2",
                "k3s/config.yaml:5 oidc-issuer-url=https://login.example.com",
                "k3s/config.yaml:6 oidc-client-id=kubernetes",
                "k3s/config.yaml.d/10-groups.yaml:1 oidc-groups-claim=groups",
                "k3s/config.yaml.d/20-mount.yml:2 oidc-ca-file=/etc/rancher/oidc/ca.crt",
                "k3s/config.yaml.d/20-mount.yml:3 enable-bootstrap-token-auth=true",
                "oidc-ca-file is missing, 8 places",
            ],
        ),
        (
            "talos.yaml",
            vec![
                "Talos",
                "talos.yaml:17 authentication-config=/var/lib/auth/authn.yaml",
                "talos.yaml:19 api-audiences=kubernetes",
                "talos.yaml:20 api-audiences=https://clusters.example.com",
                "talos.yaml:25 authorization-config=/system/config/kubernetes/kube-apiserver/authorization-config.yaml",
                "authentication-config is inside, line 8, Some((8, 6))",
                "authorization-config is inside, line 25, None",
            ],
        ),
        (
            "talos-documents.yaml",
            vec![
                "Talos",
                "talos-documents.yaml:4 feature-gates=MutatingAdmissionPolicy=true",
                "talos-documents.yaml:8 authentication-config=/system/config/kubernetes/kube-apiserver/authentication-config.yaml",
                "authentication-config is inside, line 8, None",
                "note, line 18: authorizers in documents of their own are not read",
            ],
        ),
        (
            "kops.yaml",
            vec![
                "kOps",
                "kops.yaml:9 anonymous-auth=false",
                "kops.yaml:10 oidc-ca-file=/srv/kubernetes/oidc-ca.crt",
                "kops.yaml:11 feature-gates=AllAlpha=false",
                "kops.yaml:14 oidc-required-claim=hd=example.com",
                "kops.yaml:15 oidc-required-claim=tier=gold",
                "kops.yaml:18 oidc-issuer-url=https://login.example.com",
                "kops.yaml:19 oidc-client-id=kubernetes",
                "kops.yaml:20 oidc-groups-claim=groups",
                "kops.yaml:23 oidc-required-claim=level=3",
                "oidc-ca-file is inside, line 29, None",
            ],
        ),
        (
            "kube-apiserver.yaml",
            vec![
                "static Pod",
                "kube-apiserver.yaml:13 advertise-address=192.0.2.10",
                "kube-apiserver.yaml:14 allow-privileged=true",
                "kube-apiserver.yaml:15 authentication-config=/etc/kubernetes/auth/authn.yaml",
                "kube-apiserver.yaml:16 authorization-mode=Node,RBAC",
                "kube-apiserver.yaml:17 client-ca-file=/etc/kubernetes/pki/ca.crt",
                "kube-apiserver.yaml:18 oidc-username-claim=email",
                "kube-apiserver.yaml:20 enable-bootstrap-token-auth=true",
                "kube-apiserver.yaml:21 service-account-issuer=https://kubernetes.default.svc.cluster.local",
                "authentication-config is beside, authn.yaml",
                "client-ca-file is missing, 5 places",
            ],
        ),
        (
            "config-map.yaml",
            vec![
                "ConfigMap",
                "config-map.yaml:6 authentication-config=config.yaml",
                "authentication-config is inside, line 6, Some((6, 4))",
            ],
        ),
        (
            "kubeadm-config.yaml",
            vec!["ConfigMap", "kubeadm-config.yaml:13 anonymous-auth=false"],
        ),
        (
            "secret.yaml",
            vec![
                "Secret",
                "secret.yaml:6 authentication-config=authn.yaml",
                "secret.yaml:8 authorization-config=authz.yaml",
                "authentication-config is inside, line 6, None",
                "authorization-config is inside, line 8, Some((8, 4))",
            ],
        ),
    ] {
        let found = read(&folder().join(file)).map_err(|mistakes| mistakes[0].to_string()).unwrap();
        assert_eq!(told(&found), expected, "{file}");
    }
}

#[test]
fn contents_inside_of_a_file_are_the_text_that_a_server_would_read() {
    for (file, number, expected) in [
        ("secret.yaml", 0, include_str!("../../../fixtures/configurations/authn.yaml")),
        ("secret.yaml", 1, include_str!("../../../fixtures/configurations/authz.yaml")),
        ("kops.yaml", 0, "not a real certificate\n"),
    ] {
        let found = read(&folder().join(file)).unwrap();
        let Located::Inside(inside) = &found.files[number].content else {
            panic!("{file}")
        };
        assert_eq!(inside.text, expected, "{file}");
    }
    let found = read(&folder().join("talos-documents.yaml")).unwrap();
    let Located::Inside(inside) = &found.files[0].content else {
        panic!()
    };
    let json: serde_json::Value = serde_json::from_str(&inside.text).unwrap();
    assert_eq!(json["kind"], "AuthenticationConfiguration");
    assert_eq!(json["jwt"][0]["issuer"]["audiences"][0], "kubernetes");
}

#[test]
fn a_servers_words_about_an_embedded_file_lead_to_the_line_that_has_it() {
    let words = "jwt[0].issuer.url: Invalid value: \"http://login.example.com\": URL scheme must be https";
    for (file, expected) in [
        ("cluster-api.yaml", Some("            url: https://login.example.com")),
        // Base64 has no lines.
        ("secret.yaml", None),
    ] {
        let path = folder().join(file);
        let found = read(&path).unwrap();
        let Located::Inside(inside) = &found.files[0].content else {
            panic!("{file}")
        };
        let document = Document::of_text(&path, found.files[0].text().unwrap(), &["AuthenticationConfiguration"]).unwrap();
        let place = &places(&document, words)[0];
        let text = fs_err::read_to_string(&path).unwrap();
        let line = inside.in_file(place.line, place.column).map(|(line, column)| {
            let line = text.lines().nth(line - 1).unwrap();
            assert!(line[column - 1..].starts_with("url"), "{line}");
            line
        });
        assert_eq!(line, expected);
    }
}

#[test]
fn a_file_that_is_not_understood_is_named_with_what_it_is() {
    for (file, expected) in [
        (
            "gardener.yaml",
            "gardener.yaml:2 not understood: Gardener's Shoot, which names a ConfigMap (spec.kubernetes.kubeAPIServer.structuredAuthentication.configMapName)",
        ),
        (
            "openshift.yaml",
            "openshift.yaml:2 not understood: OpenShift's Authentication, whose providers are not in the upstream form",
        ),
        ("kubespray.yaml", "kubespray.yaml:1 not understood: variables of kubespray"),
        (
            "helm-values.yaml",
            "helm-values.yaml:1 is a mapping with the keys controlPlane, authentication, replicas, expected the configuration of an API server",
        ),
    ] {
        let mistakes = read(&folder().join(file)).unwrap_err();
        let told: Vec<String> = mistakes
            .iter()
            .map(|mistake| format!("{file}:{} {}", mistake.place.as_ref().unwrap().line, mistake.message))
            .collect();
        assert_eq!(told, [expected]);
        assert!(
            mistakes[0]
                .hint
                .as_ref()
                .unwrap()
                .contains("the AuthenticationConfiguration itself")
        );
    }
    for (text, expected) in [
        (
            "apiVersion: apps/v1\nkind: Deployment\n",
            "is a Deployment (apps/v1), expected the configuration of an API server",
        ),
        (
            "kind: Thing\n",
            "is a Thing without an apiVersion, expected the configuration of an API server",
        ),
        (
            "apiVersion: v1\nkind: Pod\nspec: {containers: [{name: a, image: b}]}\n",
            "is a Pod that does not run kube-apiserver, expected the configuration of an API server",
        ),
        (
            "apiVersion: v1\nkind: ConfigMap\ndata: {a: b}\n",
            "is a ConfigMap without an AuthenticationConfiguration, expected the configuration of an API server",
        ),
        (
            "apiVersion: v1\nkind: Secret\ndata: {a: '%%%'}\n",
            "is a Secret without an AuthenticationConfiguration, expected the configuration of an API server",
        ),
        ("- a\n", "is a list, expected the configuration of an API server"),
        ("", "is empty, expected the configuration of an API server"),
        ("a: [\n", "not YAML: "),
    ] {
        let mistakes = read_text(text).unwrap_err();
        assert!(
            mistakes.len() == 1 && mistakes[0].message.starts_with(expected),
            "{text:?}: {mistakes:?}"
        );
    }
}

#[test]
fn mistakes_that_the_tool_itself_would_refuse_are_noted() {
    for (text, expected) in [
        (
            "apiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\napiServer:\n  extraArgs:\n    anonymous-auth: 'false'\n",
            vec![
                "kubeadm",
                "file.yaml:5 anonymous-auth=false",
                "note, line 4: extraArgs is a mapping, and kubeadm expects a list since v1beta4",
            ],
        ),
        (
            "apiVersion: kubeadm.k8s.io/v1beta3\nkind: ClusterConfiguration\napiServer:\n  extraArgs:\n  - {name: anonymous-auth, value: 'false'}\n",
            vec![
                "kubeadm",
                "file.yaml:5 anonymous-auth=false",
                "note, line 4: extraArgs is a list, and kubeadm expects a mapping before v1beta4",
            ],
        ),
        (
            "kind: Cluster\napiVersion: kind.x-k8s.io/v1alpha4\nkubeadmConfigPatches:\n- |\n  kind: ClusterConfiguration\n  apiServer: [\n",
            vec!["kind", "note, line 5: line 6 of the file is not YAML"],
        ),
        (
            "apiVersion: kubeadm.k8s.io/v1beta4\nkind: InitConfiguration\npatches:\n  directory: /etc/kubernetes/patches\n---\napiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\n",
            vec!["kubeadm", "note, line 4: patches of manifests cannot be judged"],
        ),
        (
            "kind: AuthenticationConfiguration\n---\nkind: AuthenticationConfiguration\n",
            vec![
                "AuthenticationConfiguration",
                "",
                "",
                "note, line 3: a second one in the same file, which is not read",
            ],
        ),
        (
            "kube-apiserver-arg: anonymous-auth=false\n",
            vec!["k3s or RKE2", "file.yaml:1 anonymous-auth=false"],
        ),
    ] {
        let found = read_text(text).map_err(|mistakes| mistakes[0].to_string()).unwrap();
        let told: Vec<String> = told(&found)
            .into_iter()
            .map(|line| match line.find("file.yaml:") {
                Some(at) => line[at..].to_owned(),
                None => line,
            })
            .collect();
        let is_as_expected = told.len() == expected.len() && told.iter().zip(&expected).all(|(told, expected)| told.starts_with(expected));
        assert!(is_as_expected, "{text}\n{told:#?}");
    }
}
