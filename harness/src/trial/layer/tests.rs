//! All ways in, over the whole table of flags.

use super::*;
use crate::cluster::given::ISSUER;
use crate::configuration::flags::Known;
use crate::project::Project;
use crate::trial::{Configured, Setup};

const ISSUERS: &str =
    "apiVersion: apiserver.config.k8s.io/v1beta1\nkind: AuthenticationConfiguration\njwt:\n- issuer:\n    url: https://real.example\n";
const AUTHORIZERS: &str = "apiVersion: apiserver.config.k8s.io/v1beta1\nkind: AuthorizationConfiguration\nauthorizers: []\n";

/// A folder with files that flags name.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        for (name, text) in [("authn.yaml", ISSUERS), ("authz.yaml", AUTHORIZERS), ("file", "x")] {
            folder.write(name, text);
        }
        folder
    }

    fn write(&self, name: &str, text: &str) {
        fs_err::write(self.0.path().join(name), text).unwrap();
    }

    /// Reads a project with `text` in its `[api-server]`.
    fn project(&self, text: &str) -> Result<Configured, String> {
        let project = Project::of_text(
            &format!("[api-server]\n{text}\n"),
            "authlab.toml".to_owned(),
            self.0.path().to_owned(),
        );
        project
            .and_then(|project| Configured::of_project(&project))
            .map_err(|mistakes| self.plain(&mistakes.to_string()))
    }

    /// Reads a project whose API servers are kubeadm's, with one more argument.
    fn kubeadm(&self, name: &str, value: &str) -> Result<Configured, String> {
        self.write(
            "kubeadm.yaml",
            &format!(
                "apiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\napiServer:\n  extraArgs:\n  - name: \"{name}\"\n    value: \"{value}\"\n"
            ),
        );
        self.project("from = \"kubeadm.yaml\"")
    }

    fn option(&self, name: &str, value: &str) -> Result<Configured, String> {
        let (mut layer, mut configured) = (Layer::default(), Configured::default());
        let set = layer.flag(name, value, None, self.0.path());
        configured.lay(layer);
        set.map(|()| configured).map_err(|mistakes| mistakes[0].to_string())
    }

    fn plain(&self, text: &str) -> String {
        text.replace(&format!("{}/", self.0.path().display()), "")
    }
}

fn value_of(row: &Known) -> &'static str {
    match row.reads {
        Some(Reads::AuthenticationConfiguration) => "authn.yaml",
        Some(Reads::AuthorizationConfiguration) => "authz.yaml",
        Some(_) => "file",
        None => "1",
    }
}

fn told(configured: &Configured) -> Vec<String> {
    configured.notes.iter().map(ToString::to_string).collect()
}

#[test]
fn no_way_leads_a_flag_to_an_api_server_that_the_table_does_not_take() {
    let folder = Folder::new();
    for row in flags::all() {
        let (name, value) = (row.name.replace('*', "cafile"), value_of(row));
        let ways = [
            folder.kubeadm(&name, value),
            folder.kubeadm(&format!("--{}", name.replace('-', "_")), value),
            folder.project(&format!("flags = {{ {name} = \"{value}\" }}")),
            folder.option(&name, value),
            folder.option(&format!("--{}", name.replace('-', "_")), value),
        ];
        for (way, read) in ways.iter().enumerate() {
            let configured = match (read, row.class) {
                (Ok(configured), _) => configured,
                (Err(_), Class::Refused) => continue,
                // The project has keys of their own for two.
                (Err(error), _) if way == 2 && error.contains("a key of its own") => continue,
                (Err(error), _) => panic!("{name} by way {way}: {error}"),
            };
            let given = Setup::of(&configured.source).given;
            let is_given = given.names(&name) || (name == AUTHENTICATION && given.authentication.is_some());
            assert_eq!(is_given, row.class == Class::Taken, "{name} by way {way}");
            let is_left = configured.left.iter().any(|(left, _)| *left == name);
            assert_eq!(is_left, row.class != Class::Taken, "{name} by way {way}");
            let is_remarked = way > 1 && matches!(row.class, Class::Replaced | Class::Left);
            assert_eq!(!told(configured).is_empty(), is_remarked || row.is_told, "{name} by way {way}");
            if let Some(text) = given.authentication {
                assert!(text.contains(ISSUER), "{name} by way {way}");
            }
        }
    }
    // A name with a value in it, and an unknown one.
    for (name, value) in [("bind-address=192.0.2.1", "x"), ("never-heard-of", "x")] {
        assert!(
            folder.kubeadm(name, value).is_err() && folder.option(name, value).is_err(),
            "{name}"
        );
        assert!(
            folder.project(&format!("flags = {{ \"{name}\" = \"{value}\" }}")).is_err(),
            "{name}"
        );
        assert!(Layer::without_files(name, value).is_err(), "{name}");
    }
    // Nor does a source that no layer was read into.
    let source = super::super::Source {
        flags: vec![("etcd-servers".to_owned(), "x".to_owned()), ("unknown".to_owned(), "x".to_owned())],
        files: vec![("tls-cert-file".to_owned(), "x".to_owned())],
        ..super::super::Source::default()
    };
    let given = Setup::of(&source).given;
    assert!(given.flags.is_empty() && given.files.is_empty(), "{given:?}");
}

#[test]
fn a_flag_that_is_not_taken_is_told_at_its_place() {
    let folder = Folder::new();
    let left = folder.project("flags = { bind-address = \"192.0.2.1\" }").unwrap();
    assert_eq!(
        told(&left),
        [
            "authlab.toml:2:11: API servers are tried without --bind-address: the lab listens on loopback only\n  \
          2 | flags = { bind-address = \"192.0.2.1\" }\n    |           ^^^^^^^^^^^^"
        ]
    );
    let left = folder.option("etcd_servers", "https://production").unwrap();
    assert_eq!(
        told(&left),
        ["--flag etcd-servers: API servers are tried without --etcd-servers: the lab has its own etcd"]
    );
    let unknown = folder.project("flags = { anonymous-auht = false }").unwrap_err();
    assert!(
        unknown.contains("authlab.toml:2:11: no API server has the flag --anonymous-auht")
            && unknown.contains("did you mean anonymous-auth?"),
        "{unknown}"
    );
    assert_eq!(
        folder.option("version", "true").unwrap_err(),
        "--flag version: nobody can be tried with --version: an API server prints its version, and ends"
    );
}

#[test]
fn no_webhook_is_asked() {
    let folder = Folder::new();
    for (mode, expected) in [("Node,Webhook,RBAC", "Node,RBAC"), ("Webhook", "AlwaysDeny"), ("RBAC", "RBAC")] {
        for configured in [
            folder.kubeadm("authorization-mode", mode),
            folder.option("authorization-mode", mode),
        ] {
            let configured = configured.unwrap();
            assert_eq!(configured.source.flags, [("authorization-mode".to_owned(), expected.to_owned())]);
            assert_eq!(told(&configured).is_empty(), mode == expected, "{mode}");
        }
    }
    let webhook = "- {type: Webhook, name: opa, webhook: {connectionInfo: {type: KubeConfigFile, kubeConfigFile: /etc/opa.yaml}}}\n";
    for (others, expected) in [("- {type: RBAC, name: rbac}\n", "RBAC"), ("", "AlwaysDeny")] {
        folder.write("authz.yaml", &AUTHORIZERS.replace(" []\n", &format!("\n{webhook}{others}")));
        let configured = folder.option(AUTHORIZATION, "authz.yaml").unwrap();
        let text = &configured.source.files[0].1;
        assert!(
            text.contains(expected) && !text.contains("Webhook") && !text.contains("opa"),
            "{text}"
        );
        assert_eq!(told(&configured).len(), 1);
    }
    let definition = "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: a}\nspec:";
    let service = "apiVersion: apiregistration.k8s.io/v1\nkind: APIService\nmetadata: {name: a}\nspec:";
    for (object, is_kept) in [
        (
            "apiVersion: admissionregistration.k8s.io/v1\nkind: ValidatingWebhookConfiguration\nmetadata: {name: a}",
            false,
        ),
        (
            "apiVersion: admissionregistration.k8s.io/v1\nkind: MutatingWebhookConfiguration\nmetadata: {name: a}",
            false,
        ),
        (&format!("{service} {{service: {{name: a, namespace: a}}}}"), false),
        (&format!("{service} {{service: null}}"), true),
        (&format!("{definition} {{conversion: {{strategy: Webhook}}}}"), false),
        (&format!("{definition} {{conversion: {{strategy: None}}}}"), true),
        (&format!("{definition} {{}}"), true),
    ] {
        folder.write(
            "more.yaml",
            &format!("{object}\n---\napiVersion: v1\nkind: Namespace\nmetadata: {{name: a}}\n"),
        );
        let mut configured = Configured::default();
        configured.add_manifests(&folder.0.path().join("more.yaml")).unwrap();
        let expected = if is_kept { (2, 0) } else { (1, 1) };
        assert_eq!((configured.manifests.len(), told(&configured).len()), expected, "{object}");
    }
}

#[test]
fn all_values_of_a_flag_count_and_displace_those_below() {
    let folder = Folder::new();
    let list = "oidc-required-claim = [\"hd=example.com\", \"team=x\"]";
    folder.write(
        "kubeadm.yaml",
        "apiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\napiServer:\n  extraArgs:\n  \
         - {name: oidc-required-claim, value: old=1}\n  - {name: oidc-client-id, value: k}\n",
    );
    let mut configured = folder.project(&format!("from = \"kubeadm.yaml\"\nflags = {{ {list} }}")).unwrap();
    let flags = |configured: &Configured| {
        let flags = Setup::of(&configured.source).given.flags.into_iter();
        flags.map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>()
    };
    assert_eq!(
        flags(&configured),
        [
            "oidc-client-id=k",
            "oidc-required-claim=hd=example.com",
            "oidc-required-claim=team=x"
        ]
    );
    let mut layer = Layer::default();
    for value in ["a=1", "b=2"] {
        layer.flag("oidc-required-claim", value, None, Path::new("")).unwrap();
    }
    configured.lay(layer);
    assert_eq!(
        flags(&configured),
        ["oidc-client-id=k", "oidc-required-claim=a=1", "oidc-required-claim=b=2"]
    );
}

#[test]
fn a_file_and_the_flags_that_say_the_same_displace_each_other() {
    let folder = Folder::new();
    let oidc = "flags = { oidc-issuer-url = \"https://old.example\", oidc-client-id = \"k\", anonymous-auth = false }";
    let mut configured = folder.project(oidc).unwrap();
    let mut layer = Layer::default();
    layer.authentication(&folder.0.path().join("authn.yaml")).unwrap();
    configured.lay(layer);
    let setup = Setup::of(&configured.source);
    assert_eq!(
        setup.issuers.iter().map(|issuer| &*issuer.url).collect::<Vec<_>>(),
        ["https://real.example"]
    );
    assert_eq!(setup.given.flags, [("anonymous-auth".to_owned(), "false".to_owned())]);
    assert_eq!(
        told(&configured),
        ["--authentication-config: takes the place of --oidc-client-id, --oidc-issuer-url: an API server refuses them beside it"]
    );
    let mut configured = folder
        .project("authentication-configuration = \"authn.yaml\"\nauthorization-configuration = \"authz.yaml\"")
        .unwrap();
    let mut layer = Layer::default();
    for (name, value) in [("oidc-issuer-url", "https://new.example"), ("authorization-mode", "AlwaysAllow")] {
        layer.flag(name, value, None, Path::new("")).unwrap();
    }
    configured.lay(layer);
    let setup = Setup::of(&configured.source);
    assert!(setup.given.authentication.is_none() && setup.given.files.is_empty() && configured.file.is_none());
    assert_eq!(setup.issuers.len(), 1);
    // The API server refuses both in one place itself.
    let mut layer = Layer::default();
    layer.authentication(&folder.0.path().join("authn.yaml")).unwrap();
    layer.flag("oidc-issuer-url", "https://real.example", None, Path::new("")).unwrap();
    configured.lay(layer);
    let setup = Setup::of(&configured.source);
    assert!(setup.given.authentication.is_some() && setup.given.names("oidc-issuer-url"));
    assert_eq!(setup.issuers.len(), 1);
}

#[test]
fn flags_with_an_issuer_were_all_the_oidc_flags_before() {
    let folder = Folder::new();
    let oidc = "flags = { oidc-issuer-url = \"https://a.example\", oidc-groups-claim = \"groups\", anonymous-auth = false }";
    let after = folder.project(oidc).unwrap();
    let flags = |given: &[(&str, &str)]| {
        let given: Vec<_> = given
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let before = after.before(None, &given).unwrap();
        let flags = before.source.flags.into_iter().map(|(name, _)| name);
        flags.collect::<std::collections::BTreeSet<_>>().into_iter().collect::<Vec<_>>()
    };
    assert_eq!(
        flags(&[("oidc-issuer-url", "https://a.example")]),
        ["anonymous-auth", "oidc-issuer-url"]
    );
    assert_eq!(
        flags(&[("oidc-username-claim", "email")]),
        ["anonymous-auth", "oidc-groups-claim", "oidc-issuer-url", "oidc-username-claim"]
    );
}

#[test]
fn mistakes_have_the_name_and_the_lines_of_the_file_that_has_them() {
    let folder = Folder::new();
    let words = "strict decoding error: unknown field \"jwt[0].issuer.urls\"";
    folder.write("authn.yaml", &ISSUERS.replace("url:", "urls:"));
    let placed = |configured: &Configured| {
        let told = configured.explained(words);
        let place = told[0].place.as_ref().map(|place| place.line);
        (folder.plain(&told[0].file), place, configured.line_in_file(5))
    };
    let beside = folder.kubeadm("authentication-config", "/etc/kubernetes/authn.yaml").unwrap();
    assert_eq!(placed(&beside), ("authn.yaml".to_owned(), Some(5), 5));
    let indented = ISSUERS.replace("url:", "urls:").replace('\n', "\n        ");
    folder.write(
        "kcp.yaml",
        &format!(
            "apiVersion: controlplane.cluster.x-k8s.io/v1beta1\nkind: KubeadmControlPlane\nspec:\n  kubeadmConfigSpec:\n    \
             clusterConfiguration:\n      apiServer:\n        extraArgs: {{authentication-config: /etc/authn.yaml}}\n    files:\n    \
             - path: /etc/authn.yaml\n      content: |\n        {indented}\n"
        ),
    );
    let inside = folder.project("from = \"kcp.yaml\"").unwrap();
    assert_eq!(placed(&inside), ("kcp.yaml".to_owned(), Some(15), 15));
    // A flag's own mistake is told at the flag.
    let flags = folder.project("flags = { feature-gates = \"Gone=true\" }").unwrap();
    let told = flags.explained("unrecognized feature gate: Gone")[0].to_string();
    assert!(
        told.starts_with("authlab.toml:2:11: this version of Kubernetes has no feature gate Gone"),
        "{told}"
    );
    let flags = folder.option("oidc-issuer-url", "http://real.example").unwrap();
    let told = flags.explained("jwt[0].issuer.url: Invalid value: \"http://real.example\": URL scheme must be https")[0].to_string();
    assert!(told.starts_with("--oidc-issuer-url: an issuer is reached by https only"), "{told}");
    // A mistake that is found without a server, too.
    folder.write("authn.yaml", "kind: ConfigMap\n");
    let wrong = folder.kubeadm("authentication-config", "/etc/kubernetes/authn.yaml").unwrap_err();
    assert!(wrong.starts_with("authn.yaml:1:1: is of kind ConfigMap"), "{wrong}");
}
