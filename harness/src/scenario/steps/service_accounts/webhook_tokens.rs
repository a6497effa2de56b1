//! Tokens that are bound to the configuration of an admission webhook, and attest for an API group (KEP-6060).

use cucumber::{given, then, when};
use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use kube::api::PostParams;
use kube::{Api, ResourceExt};
use serde_json::{Value, json};

use super::super::rights::{Right, grant_everywhere};
use super::super::{Person, Step};
use super::account;
use super::requests::created;
use crate::cluster::SERVICE_ACCOUNT_ISSUER;
use crate::event::Verdict;
use crate::jwt::Jwt;
use crate::probe::{Answer, Endpoint, Question};
use crate::scenario::world::World;

/// The webhook's address, which is the audience of its tokens. Nothing asks it: no object is of its API group.
const ADDRESS: &str = "https://webhook.authlab.test/review";

/// The attestation of a token for a webhook (kubernetes/api `authentication/v1/types.go`).
const ATTESTATION: &str = "admissionReviewAPIGroups";

/// The scenario's webhook.
#[derive(Clone, Debug, Default)]
struct Webhook {
    name: String,
    uid: String,
    group: String,
}

phrases! {
    /// The audience that a token for the webhook is requested for.
    enum For as "webhook_audience" {
        Webhook = "",
        ApiServer = ", but for the API server's audience",
        Elsewhere = ", but for another address",
    }
}

phrases! {
    /// The API server of a request: the one before, or one with the feature gate.
    enum Gate as "webhook_gate" {
        Same = "",
        On = " where the feature gate is on",
    }
}

requires!(administrator);
#[given(expr = "an admission webhook for an API group")]
async fn a_webhook(world: &mut World) -> Step {
    let (name, group) = (world.unique("webhook"), format!("{}.authlab.test", world.unique("reviewed")));
    let configuration: ValidatingWebhookConfiguration = serde_json::from_value(json!({
        "metadata": world.metadata(&name),
        "webhooks": [{
            "name": "review.authlab.test",
            "clientConfig": { "url": ADDRESS },
            "rules": [{ "apiGroups": [group], "apiVersions": ["v1"], "resources": ["things"], "operations": ["CREATE"] }],
            "failurePolicy": "Ignore",
            "sideEffects": "None",
            "admissionReviewVersions": ["v1"],
        }],
    }))?;
    let configurations: Api<ValidatingWebhookConfiguration> = Api::all(world.administrator()?);
    let uid = configurations
        .create(&PostParams::default(), &configuration)
        .await?
        .uid()
        .unwrap_or_default();
    *world.notes::<Webhook>() = Webhook { name, uid, group };
    Ok(())
}

requires!(administrator);
#[given(expr = "the deployer may attest for the API group")]
async fn may_attest(world: &mut World) -> Step {
    let (user, group) = (account(world).await?.user(), world.notes::<Webhook>().group.clone());
    let right = Right::new("attest", "authentication.k8s.io", ATTESTATION).named([group]);
    grant_everywhere(world, "User", &user, &[right]).await
}

requires!(administrator, webhook_bound_tokens);
#[when(expr = "{person} asks for a token of the deployer for the webhook{webhook_audience}")]
async fn asks_for(world: &mut World, person: Person, audience: For) -> Step {
    ask(world, &person, audience).await.map(drop)
}

#[then(expr = "asking for a token of the deployer for the webhook{webhook_gate}, {person} is given one")]
async fn given_one(world: &mut World, gate: Gate, person: Person) -> Step {
    if gate == Gate::On {
        let server = world.api_server("variant").await?;
        world.go_to(Endpoint::of(&server)).await?;
    }
    ask(world, &person, For::Webhook).await?;
    names_webhook(world).await
}

#[then(expr = "the token names the webhook's configuration and its API group")]
async fn names_webhook(world: &mut World) -> Step {
    let claims = Value::from(Jwt::parse(&created(world)?)?.claims);
    let webhook = world.notes::<Webhook>().clone();
    let (bound, attested) = (
        &claims["kubernetes.io"]["validatingwebhookconfiguration"],
        &claims["kubernetes.io"]["attestations"],
    );
    expect!(
        *bound == json!({ "name": webhook.name, "uid": webhook.uid }) && *attested == json!({ ATTESTATION: [webhook.group] }),
        "a token that is bound to {webhook:?}",
        "its claims are {claims}"
    );
    Ok(())
}

#[then(expr = "reviewed by {person} for the webhook, it is the deployer's, and names the webhook's configuration")]
async fn reviewed(world: &mut World, person: Person) -> Step {
    let review = json!({
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenReview",
        "spec": { "token": created(world)?, "audiences": [ADDRESS] },
    });
    let answer = world
        .ask(&person, &Question::post("/apis/authentication.k8s.io/v1/tokenreviews", review))
        .await?;
    expect!(answer.verdict == Verdict::Accepted, "the token is reviewed", "{answer}");
    let user = account(world).await?.user();
    let webhook = world.notes::<Webhook>().clone();
    let status = &answer.body["status"];
    let extra = |part: &str| &status["user"]["extra"][format!("authentication.kubernetes.io/validatingwebhookconfiguration-{part}")];
    expect!(
        status["authenticated"] == true
            && status["user"]["username"] == user.as_str()
            && *extra("name") == json!([webhook.name])
            && *extra("uid") == json!([webhook.uid]),
        "authenticated as \"{user}\", with {webhook:?}",
        "{status}"
    );
    Ok(())
}

async fn ask(world: &mut World, person: &Person, audience: For) -> Step<Answer> {
    let account = account(world).await?;
    let webhook = world.notes::<Webhook>().clone();
    let audience = match audience {
        For::Webhook => ADDRESS,
        For::ApiServer => SERVICE_ACCOUNT_ISSUER,
        For::Elsewhere => "https://elsewhere.authlab.test/review",
    };
    // The library's type of the request does not have attestations.
    let request = json!({ "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {
        "audiences": [audience],
        "boundObjectRef": {
            "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration", "name": webhook.name },
        "attestations": { ATTESTATION: [webhook.group] },
    } });
    let path = format!("/api/v1/namespaces/{}/serviceaccounts/{}/token", account.namespace, account.name);
    Ok(world.ask(person, &Question::post(path, request)).await?)
}
