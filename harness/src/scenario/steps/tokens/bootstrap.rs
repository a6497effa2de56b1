//! Bootstrap tokens: Secrets in `kube-system`, used by nodes that join a cluster
//! (kubernetes `plugin/pkg/auth/authenticator/token/bootstrap`).
//!
//! The main type is [`BootstrapToken`].

use std::convert::Infallible;
use std::str::FromStr;

use anyhow::Context;
use cucumber::{given, then, when};
use k8s_openapi::api::core::v1::Secret as SecretObject;
use kube::Api;
use kube::api::{DeleteParams, PostParams};
use serde_json::{Value, json};

use crate::credential::Credential;
use crate::pki::Seed;
use crate::probe::Question;
use crate::scenario::steps::requests::{HEARD, until_accepted};
use crate::scenario::steps::{Person, Step, Texts, answers};
use crate::scenario::world::{Twin, World};
use crate::secret::Secret;
use crate::token_webhook::{VOUCHED_FOR, VOUCHED_FOR_DIGITS};

/// A token and its Secret.
#[derive(Clone, Debug)]
pub(super) struct BootstrapToken {
    id: String,
    secret: Secret,
}

/// The first characters of token ids. Ids have only six characters, so these keep tokens of different purposes apart.
mod start {
    /// Tokens that have a Secret.
    pub(super) const PRESENT: &str = "a";
    /// Tokens without one: no scenario makes a Secret for such an id.
    pub(super) const ABSENT: &str = "z";
}

impl BootstrapToken {
    /// Returns a random token whose id begins with `start`, which has a letter: the id can be written in capitals.
    fn random(start: &str) -> Self {
        use rand::Rng;
        const CHARACTERS: &[u8] = b"abcdefghijklmnopqrstuvwxyz0123456789";
        let mut random = rand::thread_rng();
        let mut id = start.to_owned();
        while id.len() < 6 {
            id.push(char::from(CHARACTERS[random.gen_range(0..CHARACTERS.len())]));
        }
        Self {
            id,
            secret: Secret::new(hex::encode(random.r#gen::<[u8; 8]>())),
        }
    }

    /// Creates a token from `drawn`, and its Secret as described by `object`. Draws again if another token has that id: the API server
    /// decides.
    async fn create(world: &World, drawn: impl Fn() -> Self, object: impl Fn(&Self) -> Value) -> Step<Self> {
        loop {
            let token = drawn();
            let secret = serde_json::from_value(object(&token))?;
            match secrets(world)?.create(&PostParams::default(), &secret).await {
                Err(kube::Error::Api(refused)) if refused.is_already_exists() => {}
                made => {
                    made?;
                    return Ok(token);
                }
            }
        }
    }

    /// Returns a token that will have a Secret.
    fn present() -> Self {
        Self::random(start::PRESENT)
    }

    /// Returns a token with the secret that the webhook vouches for.
    pub(super) fn vouched_for(seed: &Seed) -> Self {
        let token = Self::random(VOUCHED_FOR);
        let secret = seed.secret(&token.id);
        Self {
            secret: Secret::new(&secret.expose()[..VOUCHED_FOR_DIGITS]),
            ..token
        }
    }

    /// Creates a sound token of the scenario's own.
    async fn sound(world: &World) -> Step<Self> {
        Self::create(world, Self::present, |token| token.object(world)).await
    }

    fn user(&self) -> String {
        format!("system:bootstrap:{}", self.id)
    }

    fn name(&self) -> String {
        format!("bootstrap-token-{}", self.id)
    }

    fn credential(&self) -> Credential {
        Credential::Token(Secret::new(format!("{}.{}", self.id, self.secret.expose())))
    }

    /// Returns its Secret, without any flaw.
    fn object(&self, world: &World) -> Value {
        json!({
            "metadata": world.metadata(&self.name()),
            "type": "bootstrap.kubernetes.io/token",
            "stringData": {
                "token-id": self.id, "token-secret": self.secret.expose(), "usage-bootstrap-authentication": "true",
            },
        })
    }
}

/// The token that the scenario is about.
#[derive(Clone, Default)]
pub(crate) struct Made {
    token: Option<BootstrapToken>,
    presented: Option<Secret>,
}

impl Made {
    /// Returns its id, which log lines about it repeat.
    pub(crate) fn id(&self) -> Step<&str> {
        Ok(&self.token()?.id)
    }

    /// Returns the secret that is presented with the id in place of its own.
    pub(crate) fn presented(&self) -> Step<&Secret> {
        Ok(self.presented.as_ref().context("nobody presents another secret")?)
    }

    fn token(&self) -> Step<&BootstrapToken> {
        Ok(self.token.as_ref().context("there is no bootstrap token")?)
    }
}

phrases! {
    /// The flaw of a bootstrap token, in words.
    enum Flaw as "bootstrap_token_flaw" {
        NoSecret = "has no Secret",
        OtherSecret = "has another secret than its Secret",
        OtherId = "has another id than its Secret",
        OtherType = "has a Secret of another type",
        Going = "has a Secret that is being deleted",
        Expired = "expired an hour ago",
        Unreadable = "has an unreadable expiration time",
        OtherUsage = "is not meant for authentication",
        ForbiddenGroup = "has the group of administrators",
        Capitals = "is written in capitals",
    }
}

impl Flaw {
    /// Returns the Secret of a token with this flaw, made from the sound `object`.
    fn object(self, mut object: Value, other: &BootstrapToken) -> Value {
        match self {
            Self::NoSecret | Self::OtherSecret | Self::Capitals => {}
            Self::OtherId => object["stringData"]["token-id"] = other.id.clone().into(),
            Self::OtherType => object["type"] = "Opaque".into(),
            // The Secret stays, marked as being deleted, until the finalizer is removed.
            Self::Going => object["metadata"]["finalizers"] = json!([FINALIZER]),
            Self::Expired => {
                let hour = jiff::SignedDuration::from_hours(1);
                let then = (jiff::Timestamp::now() - hour).strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
                object["stringData"]["expiration"] = then.into();
            }
            Self::Unreadable => object["stringData"]["expiration"] = "tomorrow".into(),
            Self::OtherUsage => object["stringData"]["usage-bootstrap-authentication"] = "false".into(),
            Self::ForbiddenGroup => object["stringData"]["auth-extra-groups"] = "system:masters".into(),
        }
        object
    }
}

/// The finalizer that keeps a Secret that is being deleted.
const FINALIZER: &str = "authlab/bootstrap-token";

/// The groups that a token's Secret names, if it names any: ` with the groups "a" and "b"`.
#[derive(Clone, Debug, PartialEq, Eq, cucumber::Parameter)]
#[param(name = "with_groups", regex = r#"(?: with the groups? "[^"]*"(?:(?:, | and )"[^"]*")*)?"#)]
struct WithGroups(Texts);

impl FromStr for WithGroups {
    type Err = Infallible;

    fn from_str(said: &str) -> Result<Self, Infallible> {
        said.parse().map(Self)
    }
}

requires!(administrator);
#[given(expr = "{person} holds a bootstrap token{with_groups}")]
async fn holds_token(world: &mut World, person: Person, groups: WithGroups) -> Step {
    hold(world, &person, BootstrapToken::present, &groups.0.0).await
}

requires!(administrator);
#[given(expr = "{person} holds a bootstrap token that {bootstrap_token_flaw}")]
async fn holds_flawed_token(world: &mut World, person: Person, flaw: Flaw) -> Step {
    let other = BootstrapToken::random(start::ABSENT);
    let token = match flaw {
        Flaw::NoSecret => BootstrapToken::random(start::ABSENT),
        _ => BootstrapToken::create(world, BootstrapToken::present, |token| flaw.object(token.object(world), &other)).await?,
    };
    let credential = match flaw {
        Flaw::OtherSecret => {
            world.notes::<Made>().presented = Some(other.secret.clone());
            Credential::Token(Secret::new(format!("{}.{}", token.id, other.secret.expose())))
        }
        Flaw::Capitals => Credential::Token(Secret::new(format!("{}.{}", token.id.to_uppercase(), token.secret.expose()))),
        _ => token.credential(),
    };
    if flaw == Flaw::Going {
        secrets(world)?.delete(&token.name(), &DeleteParams::default()).await?;
    }
    world.notes::<Made>().token = Some(token);
    // The API server learns of Secrets in their order: once it knows this one, it knows the flawed one.
    let sound = BootstrapToken::sound(world).await?;
    heard(world, &sound).await?;
    let twin = Twin {
        credential: sound.credential(),
        user: sound.user(),
    };
    Ok(world.hold(&person, credential, Some(twin))?)
}

#[when(expr = "the Secret of {word} bootstrap token is deleted")]
async fn is_deleted(world: &mut World, _whose: String) -> Step {
    let token = world.notes::<Made>().token()?.clone();
    let other = BootstrapToken::sound(world).await?;
    heard(world, &other).await?;
    secrets(world)?.delete(&token.name(), &DeleteParams::default()).await?;
    let twin = Twin {
        credential: other.credential(),
        user: other.user(),
    };
    Ok(world.spoil(&Person::called("she"), twin)?)
}

/// `, who asks again,`, or nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, cucumber::Parameter)]
#[param(name = "asking_again", regex = "(?:, who asks the API server again who (?:she|he|it|they) is,)?")]
struct AskingAgain(bool);

impl FromStr for AskingAgain {
    type Err = Infallible;

    fn from_str(said: &str) -> Result<Self, Infallible> {
        Ok(Self(!said.is_empty()))
    }
}

#[then(expr = "{person}{asking_again} is accepted as the holder of the bootstrap token")]
async fn accepted_as_holder(world: &mut World, person: Person, again: AskingAgain) -> Step {
    let user = world.notes::<Made>().token()?.user();
    if again.0 {
        world.ask(&person, &Question::who_am_i()).await?;
    }
    answers::accepted(world.answer_to(&person)?, &user)
}

/// Gives the person a sound token from `drawn`, with `groups` of its own, and waits until the API server knows it.
pub(super) async fn hold(world: &mut World, person: &Person, drawn: impl Fn() -> BootstrapToken, groups: &[String]) -> Step {
    let token = BootstrapToken::create(world, drawn, |token| {
        let mut object = token.object(world);
        if !groups.is_empty() {
            object["stringData"]["auth-extra-groups"] = groups.join(",").into();
        }
        object
    })
    .await?;
    let behind = BootstrapToken::sound(world).await?;
    heard(world, &behind).await?;
    world.hold(person, token.credential(), None)?;
    world.notes::<Made>().token = Some(token);
    Ok(())
}

fn secrets(world: &World) -> Step<Api<SecretObject>> {
    Ok(Api::namespaced(world.administrator()?, "kube-system"))
}

/// Waits until the API server knows `token`, and with it every Secret that was created before.
async fn heard(world: &World, token: &BootstrapToken) -> Step {
    until_accepted(
        &world.endpoint(),
        "the bootstrap token",
        "who waits",
        &token.credential(),
        &Question::who_am_i(),
        HEARD,
    )
    .await
    .map(drop)
}
