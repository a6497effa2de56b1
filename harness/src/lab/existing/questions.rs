//! The capabilities of an existing cluster: observed with concurrent requests, before the first scenario begins.
//!
//! The main function is [`ask`]; its result has an [`Observed`] for each capability whose file says "asked".

use std::collections::BTreeMap;

use futures::StreamExt;
use k8s_openapi::api::authorization::v1::{ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec};
use kube::Client;
use kube::api::{Api, PostParams};

use super::client_certificate::{self, SIGNER};
use crate::cluster::{ApiServer, Observed};
use crate::credential::Credential;
use crate::event::Verdict;
use crate::identity_provider::existing::{ExistingIssuer, name_claim};
use crate::lab::Administrator;
use crate::probe::{self, Answer, Endpoint, Question};

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
        let (signer, certificates) = signer(questioned, asking, &administrator).await;
        (administrator, signer, certificates)
    };
    let (anonymous, (administrator, signer, certificates), (identity, person)) =
        futures::join!(anonymous(questioned.server), rights, identity(questioned, asking));
    let observed = [
        ("administrator", administrator),
        ("anonymous_requests", anonymous),
        ("certificate_signer", signer),
        ("client_certificates", certificates),
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

/// Observes whether client certificates are signed, and whether the API server accepts one: the only proof is to request one.
async fn signer(questioned: &Questioned<'_>, asking: Asking<'_>, administrator: &Observed) -> (Observed, Observed) {
    let both = |observed: Observed| (observed.clone(), observed);
    if !administrator.able {
        return both(no("approving requests needs an administrator, which the kubeconfig's user is not"));
    }
    let Asking::Labelled(labels) = asking else {
        return both(no(NOT_ASKED));
    };
    let name = client_certificate::name("question");
    let issued = client_certificate::issue(&questioned.administrator.client(), (&name, labels), &name, &[]).await;
    let leaf = match issued {
        Ok(leaf) => leaf,
        Err(error) => return both(no(error.to_string())),
    };
    if !client_certificate::is_short(&leaf) {
        return both(no(format!(
            "{SIGNER} signs them for longer than the ten minutes that were asked for"
        )));
    }
    let endpoint = Endpoint::of(questioned.server);
    let answer = probe::ask(&endpoint, "nobody", &Credential::Certificate(leaf), &Question::who_am_i()).await;
    let accepted = match answer.identity {
        Some(identity) if identity.user == name => yes(format!("the API server accepts one that {SIGNER} has signed")),
        _ => no(format!(
            "the API server does not accept one that {SIGNER} has signed ({})",
            status(&answer)
        )),
    };
    (yes(format!("{SIGNER} has signed one")), accepted)
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
