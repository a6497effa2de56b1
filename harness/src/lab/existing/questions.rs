//! The capabilities of an existing cluster: observed with concurrent requests, before the first scenario begins.
//!
//! The main function is [`ask`]; its result has an [`Observed`] for each capability whose file says "asked".

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine;
use futures::StreamExt;
use k8s_openapi::api::authorization::v1::{ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec};
use k8s_openapi::api::certificates::v1::CertificateSigningRequest;
use kube::api::{Api, DeleteParams, PostParams};
use kube::{Client, ResourceExt};
use serde_json::json;

use crate::cluster::{ApiServer, Observed};
use crate::credential::Credential;
use crate::event::Verdict;
use crate::identity_provider::existing::{ExistingIssuer, name_claim};
use crate::lab::Administrator;
use crate::pki::signing_request;
use crate::probe::{self, Answer, Endpoint, Question};
use crate::process::wait::{Condition, until_gently};

/// The time that a signer may take for the one certificate that is requested.
const SIGNER_LIMIT: Duration = Duration::from_secs(10);

const SIGNER: &str = "kubernetes.io/kube-apiserver-client";
const CERTIFICATES: &str = "certificates.k8s.io";
const RBAC: &str = "rbac.authorization.k8s.io";

/// The rights that scenarios use as administrator: verbs, API group, resource.
const RIGHTS: &[(&[&str], &str, &str)] = &[
    (&["create", "delete", "list"], "", "namespaces"),
    (&["create", "get", "delete"], "", "serviceaccounts"),
    (&["create"], "", "serviceaccounts/token"),
    (&["create", "get", "list", "delete"], "", "secrets"),
    (&["create", "list", "watch"], "", "configmaps"),
    (&["create", "get", "list", "delete"], "", "pods"),
    (&["create"], RBAC, "roles"),
    (&["create"], RBAC, "rolebindings"),
    (&["create", "delete", "list"], RBAC, "clusterroles"),
    (&["create", "delete", "list"], RBAC, "clusterrolebindings"),
    (&["create"], "authorization.k8s.io", "subjectaccessreviews"),
    (&["create"], "authentication.k8s.io", "tokenreviews"),
    (
        &["create", "get", "update", "delete", "list"],
        CERTIFICATES,
        "certificatesigningrequests",
    ),
    (&["update"], CERTIFICATES, "certificatesigningrequests/approval"),
    (&["approve"], CERTIFICATES, "signers"),
    (&["impersonate"], "", "users"),
    (&["impersonate"], "", "groups"),
];

/// The actions that are allowed for observation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asking<'a> {
    /// None that leaves a trace.
    WithoutTrace,
    /// One certificate may be requested, by an object with these labels, and the issuer's person may log in.
    Labelled(&'a BTreeMap<String, String>),
}

/// The server that is asked, and the identities that ask.
pub(super) struct Questioned<'a> {
    pub(super) server: &'a ApiServer,
    pub(super) administrator: &'a Administrator,
    pub(super) issuer: Option<&'a ExistingIssuer>,
}

/// The observations.
pub(super) struct Answers {
    /// By capability.
    pub(super) observed: BTreeMap<String, Observed>,
    /// The username that the API server gives to the issuer's person.
    pub(super) person: Option<String>,
}

/// Makes all observations.
pub(super) async fn ask(questioned: &Questioned<'_>, asking: Asking<'_>) -> Answers {
    let client = &questioned.administrator.client();
    let rights = async {
        let administrator = administrator(client).await;
        let signer = signer(client, asking, &administrator).await;
        (administrator, signer)
    };
    let (anonymous, (administrator, signer), (identity, person)) =
        futures::join!(anonymous(questioned.server), rights, identity(questioned, asking));
    let observed = [
        ("administrator", administrator),
        ("anonymous_requests", anonymous),
        ("certificate_signer", signer),
        ("identity_provider", identity),
    ];
    Answers {
        observed: observed.map(|(name, observed)| (name.to_owned(), observed)).into(),
        person,
    }
}

fn yes(why: impl Into<String>) -> Observed {
    Observed {
        able: true,
        why: why.into(),
    }
}

fn no(why: impl Into<String>) -> Observed {
    Observed {
        able: false,
        why: why.into(),
    }
}

/// The reason given for a capability that cannot be observed without a trace.
pub(super) const NOT_ASKED: &str = "only checked when scenarios are carried out";

/// Observes anonymous requests. A request without credential is anonymous where it is not refused as unauthenticated; some clusters
/// allow anonymous requests for a few paths only (`AuthenticationConfiguration.anonymous.conditions`).
async fn anonymous(server: &ApiServer) -> Observed {
    let endpoint = Endpoint::of(server);
    let who = Question::who_am_i();
    let alive = Question::get("/livez");
    let nothing = |question| probe::ask(&endpoint, "nobody", &Credential::Nothing, question);
    let (who, alive) = futures::join!(nothing(&who), nothing(&alive));
    if who.verdict == Verdict::Unauthenticated {
        no(format!(
            "a request without credential is refused as unauthenticated ({})",
            status(&who)
        ))
    } else if alive.verdict == Verdict::Accepted {
        yes(format!("a request without credential is anonymous ({})", status(&who)))
    } else {
        no(format!(
            "anonymous requests may not even read the API server's health ({})",
            status(&alive)
        ))
    }
}

fn status(answer: &Answer) -> String {
    answer
        .status
        .map_or_else(|| answer.verdict.name().to_owned(), |status| status.to_string())
}

/// Observes whether the kubeconfig's user may do everything that scenarios do as administrator.
async fn administrator(client: &Client) -> Observed {
    let all = RIGHTS
        .iter()
        .flat_map(|(verbs, group, resource)| verbs.iter().map(move |verb| (*verb, *group, *resource)));
    let missing: Vec<String> = futures::stream::iter(all.map(|(verb, group, resource)| async move {
        match may(client, verb, group, resource).await {
            Ok(true) => None,
            Ok(false) => Some(format!("{verb} {resource}")),
            Err(error) => Some(format!("{verb} {resource} ({error})")),
        }
    }))
    .buffered(8)
    .filter_map(std::future::ready)
    .collect()
    .await;
    match missing.as_slice() {
        [] => yes("the kubeconfig's user may do all that scenarios need, token requests included"),
        all if all.len() > 3 => no(format!(
            "the kubeconfig's user may not {}, and {} more",
            all[..3].join(", "),
            all.len() - 3
        )),
        all => no(format!("the kubeconfig's user may not {}", all.join(", "))),
    }
}

async fn may(client: &Client, verb: &str, group: &str, resource: &str) -> kube::Result<bool> {
    let (resource, subresource) = match resource.split_once('/') {
        Some((resource, subresource)) => (resource, Some(subresource.to_owned())),
        None => (resource, None),
    };
    let review = SelfSubjectAccessReview {
        spec: SelfSubjectAccessReviewSpec {
            resource_attributes: Some(ResourceAttributes {
                verb: Some(verb.to_owned()),
                group: Some(group.to_owned()),
                resource: Some(resource.to_owned()),
                subresource,
                name: (resource == "signers").then(|| SIGNER.to_owned()),
                ..ResourceAttributes::default()
            }),
            ..SelfSubjectAccessReviewSpec::default()
        },
        ..SelfSubjectAccessReview::default()
    };
    let answered = Api::all(client.clone()).create(&PostParams::default(), &review).await?;
    Ok(answered.status.is_some_and(|status| status.allowed))
}

/// Observes whether client certificates are signed: the only proof is to request one.
async fn signer(client: &Client, asking: Asking<'_>, administrator: &Observed) -> Observed {
    if !administrator.able {
        return no("approving requests needs an administrator, which the kubeconfig's user is not");
    }
    let Asking::Labelled(labels) = asking else {
        return no(NOT_ASKED);
    };
    let requests: Api<CertificateSigningRequest> = Api::all(client.clone());
    let asked = certificate(&requests, labels).await;
    match asked {
        Ok(Ok(())) => yes(format!("{SIGNER} has signed one")),
        Ok(Err(late)) => no(late),
        Err(error) => no(format!("cannot create a request: {error}")),
    }
}

/// Requests a certificate whose key is not kept, for the shortest possible time; the request is deleted again.
async fn certificate(requests: &Api<CertificateSigningRequest>, labels: &BTreeMap<String, String>) -> anyhow::Result<Result<(), String>> {
    let mut id = [0_u8; 5];
    rand::RngCore::fill_bytes(&mut rand::thread_rng(), &mut id);
    let name = format!("authlab-question-{}", hex::encode(id));
    let (pem, _) = signing_request(&name, &[])?;
    let request = serde_json::from_value(json!({
        "metadata": { "name": name, "labels": labels },
        "spec": {
            "request": base64::engine::general_purpose::STANDARD.encode(pem),
            "signerName": SIGNER,
            "usages": ["digital signature", "client auth"],
            "expirationSeconds": 600,
        },
    }))?;
    let mut made = requests.create(&PostParams::default(), &request).await?;
    let approved =
        json!({ "type": "Approved", "status": "True", "reason": "Authlab", "message": "a question whether requests are signed" });
    made.status.get_or_insert_default().conditions = Some(vec![serde_json::from_value(approved)?]);
    made.metadata.managed_fields = None;
    let decided = requests
        .replace_subresource("approval", &made.name_any(), &PostParams::default(), &made)
        .await;
    let signed = match decided {
        Err(error) => Err(format!("cannot approve the request: {error}")),
        Ok(_) => until_gently("a certificate", SIGNER_LIMIT, || async {
            let request = requests.get(&name).await?;
            let signed = request.status.and_then(|status| status.certificate).is_some();
            Ok::<_, kube::Error>(if signed {
                Condition::Met(())
            } else {
                Condition::NotYet("it is not signed".to_owned())
            })
        })
        .await
        .map_err(|error| format!("{SIGNER}: {error}")),
    };
    // A request that is not deleted here is found by its label at the end.
    let _ = requests.delete(&name, &DeleteParams::default()).await;
    Ok(signed)
}

/// Observes whether the API server accepts the issuer's person, and with which username.
async fn identity(questioned: &Questioned<'_>, asking: Asking<'_>) -> (Observed, Option<String>) {
    let Some(issuer) = questioned.issuer else {
        return (no("no issuer was given"), None);
    };
    if asking == Asking::WithoutTrace {
        return (no(NOT_ASKED), None);
    }
    let token = match issuer.login().await {
        Ok(token) => token,
        Err(error) => return (no(error.told()), None),
    };
    let endpoint = Endpoint::of(questioned.server);
    let answer = probe::ask(&endpoint, issuer.user(), &Credential::Token(token.clone()), &Question::who_am_i()).await;
    match (answer.verdict, answer.identity) {
        (Verdict::Accepted, Some(identity)) => match name_claim(&token, &identity.user) {
            Some(claim) => (
                yes(format!(
                    "{} is accepted as \"{}\", by the claim {claim}",
                    issuer.user(),
                    identity.user
                )),
                Some(identity.user),
            ),
            None => (
                no(format!(
                    "{} is accepted as \"{}\", which is not a claim of the token with a prefix: the cluster maps usernames in another way",
                    issuer.user(),
                    identity.user
                )),
                None,
            ),
        },
        (verdict, _) => (
            no(format!(
                "a token of {} is not accepted: {}",
                issuer.user(),
                verdict.name().replace('_', " ")
            )),
            None,
        ),
    }
}
