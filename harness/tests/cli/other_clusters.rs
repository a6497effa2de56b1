//! Another cluster as an issuer, for real: the service accounts of one are known to the other.

use std::time::Duration;

use authlab::cluster::Given;
use authlab::lab::Lab;
use authlab::process::wait::{Condition, until};
use k8s_openapi::api::authentication::v1::TokenRequest;
use k8s_openapi::api::authorization::v1::SubjectAccessReview;
use k8s_openapi::api::core::v1::ServiceAccount;
use k8s_openapi::api::rbac::v1::ClusterRoleBinding;
use kube::api::{Api, PostParams};
use serde_json::{Value, json};

use crate::stage::{Said, Stage, bare_lab, said};

/// The other cluster's name for itself: two clusters with the same one cannot trust each other.
const ISSUER: &str = "https://other-cluster.example.com";

/// Starts a lab whose API server signs tokens as [`ISSUER`].
async fn other_cluster() -> Lab {
    let given = Given {
        flags: vec![("service-account-issuer".to_owned(), ISSUER.to_owned())],
        ..Given::default()
    };
    bare_lab(given).await
}

/// Returns a token of the service account `deployer` in the namespace `default` for `audience`, which is created unless it exists.
async fn token(lab: &Lab, audience: &str) -> String {
    let accounts: Api<ServiceAccount> = Api::namespaced(lab.administrator().client(), "default");
    let account = serde_json::from_value(json!({ "metadata": { "name": "deployer" } })).unwrap();
    if accounts.get_opt("deployer").await.unwrap().is_none() {
        accounts.create(&PostParams::default(), &account).await.unwrap();
    }
    let request: TokenRequest = serde_json::from_value(json!({ "spec": { "audiences": [audience] } })).unwrap();
    let issued = accounts
        .create_token_request("deployer", &PostParams::default(), &request)
        .await
        .unwrap();
    issued.status.unwrap().token
}

/// Lets everybody read the discovery document and the keys of `lab` (kubernetes.io/docs, "Service account issuer discovery").
async fn publish(lab: &Lab) {
    let binding: ClusterRoleBinding = serde_json::from_value(json!({
        "metadata": { "name": "issuer-discovery-for-everybody" },
        "subjects": [{ "kind": "Group", "apiGroup": "rbac.authorization.k8s.io", "name": "system:unauthenticated" }],
        "roleRef": { "kind": "ClusterRole", "apiGroup": "rbac.authorization.k8s.io", "name": "system:service-account-issuer-discovery" },
    }))
    .unwrap();
    let bindings: Api<ClusterRoleBinding> = Api::all(lab.administrator().client());
    bindings.create(&PostParams::default(), &binding).await.unwrap();
    // The API server's authorizer learns of the binding in its own time.
    let review: SubjectAccessReview = serde_json::from_value(json!({ "spec": {
        "user": "system:anonymous",
        "groups": ["system:unauthenticated"],
        "nonResourceAttributes": { "path": "/openid/v1/jwks", "verb": "get" },
    } }))
    .unwrap();
    let reviews: Api<SubjectAccessReview> = Api::all(lab.administrator().client());
    let known = until("the published keys", Duration::from_secs(60), async || {
        let reviewed = reviews.create(&PostParams::default(), &review).await?;
        Ok::<_, kube::Error>(match reviewed.status {
            Some(status) if status.allowed => Condition::Met(()),
            status => Condition::NotYet(format!("{status:?}")),
        })
    });
    known.await.unwrap();
}

#[test]
#[ignore = "slow: it has a lab of its own, and waits for an API server that looks for an issuer"]
fn service_accounts_of_another_cluster_are_known_by_its_published_keys() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let other = runtime.block_on(other_cluster());
    let (stage, home) = (Stage::new(), tempfile::tempdir().unwrap());
    let file = |name: &str, text: &str| std::fs::write(home.path().join(name), text).unwrap();
    let configuration = json!({
        "apiVersion": "apiserver.config.k8s.io/v1beta1",
        "kind": "AuthenticationConfiguration",
        "jwt": [{
            "issuer": {
                "url": ISSUER,
                "discoveryURL": format!("{}/.well-known/openid-configuration", other.main().url),
                "certificateAuthority": other.main().serving_authority,
                "audiences": ["this-cluster"],
            },
            "claimMappings": { "username": { "claim": "sub", "prefix": "other:" } },
        }],
    });
    file("authn.yaml", &configuration.to_string());
    file("deployer.jwt", &runtime.block_on(token(&other, "this-cluster")));
    file("at-home.jwt", &runtime.block_on(token(&other, "https://elsewhere.example.com")));
    let tried = || -> Said {
        let people = ["--token-file", "deployer.jwt", "--token-file", "at-home.jwt"];
        let options = ["--real-issuers", "--authentication-configuration", "authn.yaml", "--json"];
        said(stage.command(&[&["try"], &options[..], &people].concat()).current_dir(home.path()))
    };

    // Discovery is for service accounts of the cluster alone, at first.
    let closed = tried();
    assert!(
        closed.err.contains(&format!("the API server did not find the issuer {ISSUER}")) && closed.err.contains("403"),
        "{}",
        closed.err
    );
    let of = |told: &Value, person: usize| told["versions"][0]["people"][person].clone();
    let notes = closed.err.clone();
    let told = closed.json();
    let not_found = told["versions"][0]["issuers_not_found"][0].as_str().unwrap();
    assert!(notes.contains(not_found), "the record says {not_found}, and the notes: {notes}");
    let reason = of(&told, 0)["refused"]["reason"].as_str().unwrap().to_owned();
    assert!(reason.contains("not initialized"), "{reason}");

    runtime.block_on(publish(&other));
    let told = tried().json();
    let accepted = of(&told, 0);
    assert_eq!(accepted["accepted"]["user"], "other:system:serviceaccount:default:deployer");
    let groups = accepted["accepted"]["groups"].as_array().unwrap();
    assert!(
        !groups.contains(&json!("system:serviceaccounts")),
        "it is none of this cluster's: {groups:?}"
    );
    let reason = of(&told, 1)["refused"]["reason"].as_str().unwrap().to_owned();
    assert!(
        reason.contains("this-cluster") && reason.contains("elsewhere.example.com"),
        "{reason}"
    );
    runtime.block_on(other.end(false)).unwrap();
    stage.expect_nothing_runs("the end of the command");
}
