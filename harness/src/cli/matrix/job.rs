//! A matrix in a cluster: an Indexed Job whose pods each carry out a cell, as processes. The main function is [`manifest`].
//!
//! A pod's result is in its log (`--record-to-log`), so the cluster needs to provide nothing but pods; `report merge` reads logs.
//! Reference for Indexed Jobs: <https://kubernetes.io/docs/concepts/workloads/controllers/job/#completion-mode>, `Indexed`.

use serde_json::{Value, json};

use super::MatrixArguments;
use super::plan::{ALL, Plan, selection_words};
use crate::cli::error::CommandError;
use crate::cli::exit::Exit;
use crate::cli::options::Choice;
use crate::cluster::Driver;
use crate::identity_provider::{self, Kind};
use crate::shell_word::quoted;

/// The default image.
pub(super) const IMAGE: &str = concat!("localhost/authlab/authlab:", env!("CARGO_PKG_VERSION"));

/// The directory for a pod's labs. It belongs to the kubelet, and a group can write to it.
const VOLUME: &str = "/state";

/// The state directory, which authlab creates with access for itself alone.
const STATE: &str = "/state/authlab";

/// Returns the Job for `plan` as YAML, with instructions in comments.
pub(super) fn manifest(arguments: &MatrixArguments, plan: &Plan) -> Result<String, CommandError> {
    let provider = arguments.labs.identity_provider.0;
    if provider.is_some_and(|asked| asked.kind != Some(Kind::Keycloak) || asked.driver == Some(identity_provider::Driver::Container)) {
        return Err(
            CommandError::new(Exit::Usage, "in pods, the identity provider is Keycloak as a process").hint("leave out --identity-provider"),
        );
    }
    if let [Choice(None | Some(Driver::Process))] = arguments.labs.cluster.as_slice() {
        let yaml = serde_saphyr::to_string(&job(arguments, plan)).map_err(|error| CommandError::new(Exit::Usage, error.to_string()))?;
        let namespace = quoted(&arguments.namespace);
        return Ok(format!(
            "# Apply it, wait for its pods, and merge what they printed:\n\
             #   kubectl apply -f FILE\n\
             #   kubectl wait --namespace {namespace} --for=condition=Complete --timeout=1h job/authlab   # or Failed: a scenario failed\n\
             #   kubectl logs --namespace {namespace} --selector job-name=authlab --tail=-1 > matrix.log\n\
             #   authlab report merge matrix.log --out DIR\n\
             {yaml}"
        ));
    }
    Err(
        CommandError::new(Exit::Usage, "pods carry cells out as processes: --cluster process")
            .hint("containers and kind clusters need an engine, which a pod does not have"),
    )
}

fn job(arguments: &MatrixArguments, plan: &Plan) -> Value {
    let labs = &arguments.labs;
    let mut words = vec!["authlab".to_owned(), "matrix".to_owned()];
    let mut option = |name: &str, value: String| words.extend([name.to_owned(), value]);
    option("--cluster", "process".to_owned());
    option("--identity-provider", "process".to_owned());
    option("--kubernetes", labs.kubernetes.clone().unwrap_or_else(|| ALL.to_owned()));
    if !labs.keycloak.is_empty() {
        option("--keycloak", labs.keycloak.join(","));
    }
    if let Some(shards) = labs.shards {
        option("--shards", shards.to_string());
    }
    option("--concurrency", arguments.concurrency.to_string());
    if let Some(failures) = arguments.scenarios.failures() {
        option("--max-failures", failures.to_string());
    }
    // The Job controller sets the variable in each pod, and the kubelet expands it here.
    option("--index", "$(JOB_COMPLETION_INDEX)".to_owned());
    words.extend(["--record-to-log".to_owned(), "--offline".to_owned()]);
    if arguments.scenarios.no_exchanges {
        words.push("--no-exchanges".to_owned());
    }
    words.extend(selection_words(arguments));
    let count = plan.cells.len();
    json!({
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": "authlab",
            "namespace": arguments.namespace,
            "labels": { "app.kubernetes.io/name": "authlab" }
        },
        "spec": {
            "completionMode": "Indexed",
            "completions": count,
            "parallelism": count,
            // A cell that fails is not retried, and the others go on.
            "backoffLimitPerIndex": 0,
            "template": {
                "metadata": { "labels": { "app.kubernetes.io/name": "authlab" } },
                "spec": {
                    "restartPolicy": "Never",
                    // The lab's API server has its own credentials; the pod needs none for the cluster around it.
                    "automountServiceAccountToken": false,
                    "securityContext": {
                        "runAsNonRoot": true,
                        "runAsUser": 1001,
                        "runAsGroup": 1001,
                        "fsGroup": 1001,
                        "seccompProfile": { "type": "RuntimeDefault" }
                    },
                    "containers": [{
                        "name": "authlab",
                        "image": arguments.image,
                        "command": words,
                        "env": [
                            { "name": "AUTHLAB_STATE_DIR", "value": STATE },
                            { "name": "AUTHLAB_COLOR", "value": "never" }
                        ],
                        "resources": {
                            "requests": { "cpu": "2", "memory": "2Gi" },
                            "limits": { "memory": "3Gi" }
                        },
                        "securityContext": {
                            "allowPrivilegeEscalation": false,
                            "capabilities": { "drop": ["ALL"] }
                        },
                        "volumeMounts": [{ "name": "state", "mountPath": VOLUME }]
                    }],
                    "volumes": [{ "name": "state", "emptyDir": {} }]
                }
            }
        }
    })
}
