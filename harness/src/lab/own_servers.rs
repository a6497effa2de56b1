//! The servers of our own that work with kube-apiserver (`fixtures/control_plane/`): whether the lab's programs have them, and what they need
//! in the cluster.
//!
//! The main functions are [`observed`], [`prepare_aggregated_api`] and [`register_aggregated_api`].

use std::fmt::Debug;
use std::time::Duration;

use base64::Engine as _;
use k8s_openapi::api::authorization::v1::ResourceAttributes;
use k8s_openapi::api::core::v1::{Namespace, Service};
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, RoleBinding};
use k8s_openapi::kube_aggregator::pkg::apis::apiregistration::v1::APIService;
use kube::Client;
use kube::api::{Api, Patch, PatchParams, PostParams};
use kube::core::NamespaceResourceScope;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::{AccessReview, LabError};
use crate::cluster::{AGGREGATED_API_SERVICE, AGGREGATED_API_USER, ApiServer, Driver, Observed};
use crate::process::wait::{Condition, until};
use crate::server_binaries::{AGGREGATED_API, ServerBinaries, TOKEN_SIGNER};

/// The capabilities that need a program of our own, each with the program.
const NEEDED: [(&str, &str); 2] = [("aggregated_apis", AGGREGATED_API), ("external_signer", TOKEN_SIGNER)];

/// The time until an API server passes requests on to the one behind it, at most.
const PASSED_ON: Duration = Duration::from_secs(30);

/// The users of an API that the aggregated API server serves; each API has a group of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApiUsers {
    /// Everybody that the API server authenticates.
    All,
    /// The user `alice`.
    Alice,
}

impl ApiUsers {
    /// The resource of each API: a list of them says as whom a request came, and with which headers.
    pub const RESOURCE: &str = "requests";

    /// All of them.
    const ALL: [Self; 2] = [Self::All, Self::Alice];

    /// Returns the API's group.
    pub fn group(self) -> &'static str {
        match self {
            Self::All => "all.authlab.test",
            Self::Alice => "alice.authlab.test",
        }
    }

    /// Returns kind and name of the subject that RBAC knows.
    fn subject(self) -> (&'static str, &'static str) {
        match self {
            Self::All => ("Group", "system:authenticated"),
            Self::Alice => ("User", "alice"),
        }
    }
}

/// Returns the capabilities that depend on the programs of `driver`: official releases, and builds of earlier versions of authlab, lack ours.
pub(super) fn observed(driver: Driver, programs: Option<&ServerBinaries>) -> Vec<(String, Observed)> {
    let Some(programs) = programs.filter(|_| driver == Driver::Process) else {
        return Vec::new();
    };
    let seen = |(capability, program): (&str, &str)| {
        let able = programs.directory.join(program).is_file();
        let why = match able {
            true => format!("{} has {program}", programs.directory.display()),
            false => format!(
                "{} has no {program}; `authlab server-binaries build {}` builds it",
                programs.directory.display(),
                programs.version.request()
            ),
        };
        (capability.to_owned(), Observed { able, why })
    };
    NEEDED.into_iter().map(seen).collect()
}

/// Creates what the aggregated API server needs in the store of `client`'s API server, unless it is there: the rights to delegate
/// authentication and authorization (<https://kubernetes.io/docs/tasks/extend-kubernetes/configure-aggregation-layer/>), its service, and the
/// rights of its callers.
pub(super) async fn prepare_aggregated_api(client: &Client) -> Result<(), LabError> {
    let [service, namespace] = AGGREGATED_API_SERVICE;
    let delegates = format!("authlab:{AGGREGATED_API_USER}");
    create::<Namespace>(Api::all(client.clone()), json!({ "metadata": { "name": namespace } })).await?;
    let delegating = |kind: &str, role: &str| binding(&delegates, "User", AGGREGATED_API_USER, kind, role);
    futures::try_join!(
        create::<ClusterRoleBinding>(Api::all(client.clone()), delegating("ClusterRole", "system:auth-delegator")),
        create::<RoleBinding>(
            namespaced(client, "kube-system"),
            delegating("Role", "extension-apiserver-authentication-reader")
        ),
        // An ExternalName is the one kind of service that leads to a port of this machine; each APIService names the port.
        create::<Service>(
            namespaced(client, namespace),
            json!({ "metadata": { "name": service }, "spec": { "type": "ExternalName", "externalName": "127.0.0.1" } }),
        ),
    )?;
    for users in ApiUsers::ALL {
        let (group, (kind, subject)) = (users.group(), users.subject());
        let role = json!({
            "metadata": { "name": group },
            "rules": [{ "apiGroups": [group], "resources": [ApiUsers::RESOURCE], "verbs": ["list"] }],
        });
        futures::try_join!(
            create::<ClusterRole>(Api::all(client.clone()), role),
            create::<ClusterRoleBinding>(Api::all(client.clone()), binding(group, kind, subject, "ClusterRole", group)),
        )?;
    }

    let right = |group: &str, resource: &str, verb: &str| ResourceAttributes {
        group: Some(group.to_owned()),
        resource: Some(resource.to_owned()),
        verb: Some(verb.to_owned()),
        ..ResourceAttributes::default()
    };
    let configuration = ResourceAttributes {
        namespace: Some("kube-system".to_owned()),
        name: Some("extension-apiserver-authentication".to_owned()),
        ..right("", "configmaps", "get")
    };
    let mut reviews = vec![
        AccessReview::user(AGGREGATED_API_USER, right("authentication.k8s.io", "tokenreviews", "create")),
        AccessReview::user(AGGREGATED_API_USER, configuration),
    ];
    reviews.extend(ApiUsers::ALL.map(|users| {
        let right = right(users.group(), ApiUsers::RESOURCE, "list");
        match users.subject() {
            ("User", user) => AccessReview::user(user, right),
            (_, group) => AccessReview::group(group, right),
        }
    }));
    for review in reviews {
        review.until_allowed(client).await?;
    }
    Ok(())
}

/// Registers the APIs of the aggregated API server `server` at `client`'s API server, and waits until that one passes requests on to it: it
/// checks the server first, and then learns of its own check.
pub(super) async fn register_aggregated_api(client: &Client, server: &ApiServer) -> Result<(), LabError> {
    let [service, namespace] = AGGREGATED_API_SERVICE;
    let port = reqwest::Url::parse(&server.url).ok().and_then(|url| url.port());
    let services: Api<APIService> = Api::all(client.clone());
    for users in ApiUsers::ALL {
        let group = users.group();
        let name = format!("v1.{group}");
        // Another server may have been registered, which has ended.
        let registered = json!({
            "apiVersion": "apiregistration.k8s.io/v1",
            "kind": "APIService",
            "metadata": { "name": name },
            "spec": {
                "group": group,
                "version": "v1",
                "groupPriorityMinimum": 100,
                "versionPriority": 10,
                "service": { "namespace": namespace, "name": service, "port": port },
                "caBundle": base64::engine::general_purpose::STANDARD.encode(&server.serving_authority),
            },
        });
        let applied = services
            .patch(&name, &PatchParams::apply("authlab").force(), &Patch::Apply(&registered))
            .await;
        applied.map_err(|source| LabError::Objects {
            what: "the APIs of the aggregated API server".to_owned(),
            source: Box::new(source),
        })?;
    }
    for users in ApiUsers::ALL {
        let passed_on = until("the aggregated API", PASSED_ON, || async {
            let seen = client.list_api_group_resources(&format!("{}/v1", users.group())).await;
            // Until it knows of the API server behind, it answers 404, and then 503 in plain text.
            Ok::<_, kube::Error>(seen.map_or_else(|error| Condition::NotYet(error.to_string()), |_| Condition::Met(())))
        });
        passed_on.await?;
    }
    Ok(())
}

/// Returns a RoleBinding or ClusterRoleBinding of the role `role` to `subject`.
fn binding(name: &str, subject_kind: &str, subject: &str, kind: &str, role: &str) -> serde_json::Value {
    const GROUP: &str = "rbac.authorization.k8s.io";
    json!({
        "metadata": { "name": name },
        "subjects": [{ "kind": subject_kind, "apiGroup": GROUP, "name": subject }],
        "roleRef": { "apiGroup": GROUP, "kind": kind, "name": role },
    })
}

fn namespaced<K>(client: &Client, namespace: &str) -> Api<K>
where
    K: kube::Resource<DynamicType = (), Scope = NamespaceResourceScope>,
{
    Api::namespaced(client.clone(), namespace)
}

/// Creates an object; one of that name is taken to be the same.
async fn create<K>(api: Api<K>, object: serde_json::Value) -> Result<(), LabError>
where
    K: kube::Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Serialize,
{
    let object: K = serde_json::from_value(object).expect("the objects of a lab are sound");
    match api.create(&PostParams::default(), &object).await {
        Err(kube::Error::Api(status)) if status.code == 409 => Ok(()),
        created => created.map(drop).map_err(|source| LabError::Objects {
            what: format!("the {} of the aggregated API server", K::kind(&())),
            source: Box::new(source),
        }),
    }
}
