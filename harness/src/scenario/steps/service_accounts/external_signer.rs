//! Tokens that an external signer signs (KEP-740): soundly, or with the fault that the request's audience names
//! (`fixtures/control_plane/token_signer.go`).

use cucumber::{given, then, when};
use jsonwebtoken::jwk::JwkSet;
use k8s_openapi::api::authentication::v1::TokenRequestSpec;

use super::super::{Person, Step, answers};
use super::{Deployer, account, request_by, requests};
use crate::cluster::SERVICE_ACCOUNT_ISSUER;
use crate::credential::Credential;
use crate::event::Verdict;
use crate::scenario::world::{Twin, World};
use crate::secret::Secret;

/// Below this audience stand the names of the signer's faults.
const FAULTS: &str = "https://signer.authlab.test/";

/// The key that the signer keeps for tokens that it has signed before.
const RETIRED: &str = "signer-retired";

/// A fault of the signer, by its name.
#[derive(Clone, Copy, Debug)]
struct Fault(&'static str);

phrases! {
    Fault as "signer_fault" {
        "signs with a key that it does not publish" => Self("unknown-key"),
        "signs with another key under the same id" => Self("another-key"),
        "signs other claims" => Self("other-claims"),
        "signs with its retired key" => Self("retired-key"),
        "names no key for" => Self("no-key"),
        "gives another type" => Self("another-type"),
        "claims to sign with a shared secret" => Self("another-algorithm"),
        "gives a further header" => Self("further-header"),
        "leaves unsigned" => Self("no-signature"),
        "cannot sign" => Self("unavailable"),
    }
}

impl Fault {
    /// Returns a request for a token for the API server itself, in whose signature the fault is.
    fn spec(self) -> TokenRequestSpec {
        TokenRequestSpec {
            audiences: vec![SERVICE_ACCOUNT_ISSUER.to_owned(), format!("{FAULTS}{}", self.0)],
            ..TokenRequestSpec::default()
        }
    }
}

requires!(administrator, external_signer);
#[given(expr = "{person} holds a token that the signer signed")]
async fn holds_signed(world: &mut World, person: Person) -> Step {
    let token = signed(world, &TokenRequestSpec::default()).await?;
    world.notes::<Deployer>().token = Some(token.clone());
    Ok(world.hold(&person, Credential::Token(token), None)?)
}

requires!(administrator, external_signer);
#[given(expr = "{person} holds a token that the signer {signer_fault}")]
async fn holds_faulty(world: &mut World, person: Person, fault: Fault) -> Step {
    let twin = Twin {
        credential: Credential::Token(signed(world, &TokenRequestSpec::default()).await?),
        user: account(world).await?.user(),
    };
    let token = signed(world, &fault.spec()).await?;
    Ok(world.hold(&person, Credential::Token(token), Some(twin))?)
}

requires!(administrator, external_signer);
#[when(expr = "{person} asks for a token of the deployer that the signer {signer_fault}")]
async fn asks_for_faulty(world: &mut World, person: Person, fault: Fault) -> Step {
    let account = account(world).await?;
    let question = requests::question(&account.namespace, &account.name, &fault.spec())?;
    Ok(world.ask(&person, &question).await.map(drop)?)
}

#[then(expr = "no token is created, because {string}")]
fn not_created(world: &mut World, reason: String) -> Step {
    let answer = world.answer()?;
    expect!(answer.status == Some(500), "500, an error of the server", "{answer}");
    answers::refused(world.version(), answer, Verdict::Unreachable, &reason)
}

#[then(expr = "the signer's retired key is not among them")]
fn retired_is_unpublished(world: &mut World) -> Step {
    let keys: JwkSet = serde_json::from_value(world.answer()?.body.clone())?;
    let ids: Vec<_> = keys.keys.iter().filter_map(|key| key.common.key_id.as_deref()).collect();
    expect!(!ids.is_empty() && !ids.contains(&RETIRED), "keys, and not \"{RETIRED}\"", "{ids:?}");
    Ok(())
}

/// Requests a token of the service account from the API server whose signer it is.
async fn signed(world: &mut World, spec: &TokenRequestSpec) -> Step<Secret> {
    let account = account(world).await?;
    let client = world.administrator_at(&world.endpoint().server)?;
    request_by(client, &account, spec).await
}
