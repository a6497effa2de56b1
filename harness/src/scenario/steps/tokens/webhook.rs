//! Tokens that a webhook reviews: its answers about each, and the requests that it got.
//!
//! The main type is [`Answers`]: the answers of the webhook about one token, as features say them.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::sync::LazyLock;

use anyhow::{Context, Result};
use cucumber::{given, then};
use regex::Regex;

use super::bootstrap::{self, BootstrapToken};
use super::sound;
use crate::credential::Credential;
use crate::scenario::steps::{Person, Step, answers};
use crate::scenario::world::{Twin, World};
use crate::token_webhook::{CLAIM, Reply, Script, Voucher, told, vouched_for};

/// The webhook's answers about a token, in words: `first refuses because "not yet", and then accepts`.
#[derive(Clone, Debug, PartialEq, Eq, cucumber::Parameter)]
#[param(
    name = "webhook_answers",
    regex = r#"(?:first )?(?:accepts(?: (?:for the audience|in the version) "[^"]*")?|refuses(?: because "[^"]*")?|answers with (?:the status \d+(?: and nothing else)?|a Status in place of a review)|hangs up on)(?:,? and then (?:accepts(?: for the audience "[^"]*")?|refuses(?: because "[^"]*")?))?"#
)]
struct Answers(Vec<Said>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Said {
    Accepts { audience: Option<String>, version: Option<String> },
    Refuses { because: Option<String> },
    Status(u16),
    BareStatus(u16),
    HangsUp,
}

impl FromStr for Answers {
    type Err = anyhow::Error;

    fn from_str(said: &str) -> Result<Self> {
        static ONE: LazyLock<Result<Regex, regex::Error>> = LazyLock::new(|| {
            Regex::new(
                r#"(?<accepts>accepts)(?: for the audience "(?<audience>[^"]*)"| in the version "(?<version>[^"]*)")?|(?<refuses>refuses)(?: because "(?<because>[^"]*)")?|answers with the status (?<status>\d+)(?<bare> and nothing else)?|(?<kind>a Status in place of a review)|hangs up on"#,
            )
        });
        let mut all = Vec::new();
        for found in ONE.as_ref()?.captures_iter(said) {
            let text = |part: &str| found.name(part).map(|text| text.as_str().to_owned());
            all.push(if found.name("accepts").is_some() {
                Said::Accepts {
                    audience: text("audience"),
                    version: text("version"),
                }
            } else if found.name("refuses").is_some() {
                Said::Refuses { because: text("because") }
            } else if let Some(status) = text("status") {
                let code = status.parse()?;
                if found.name("bare").is_some() {
                    Said::BareStatus(code)
                } else {
                    Said::Status(code)
                }
            } else if found.name("kind").is_some() {
                // An answer that seems to have succeeded, and whose body is no review.
                Said::Status(200)
            } else {
                Said::HangsUp
            });
        }
        Ok(Self(all))
    }
}

impl Answers {
    /// Returns the script of these answers, about a token of `user`'s.
    fn script(self, user: &str) -> Script {
        let reply = |said| match said {
            Said::Accepts { audience, version } => Reply::Accept(Voucher {
                audiences: Vec::from_iter(audience),
                api_version: version,
                ..voucher(user)
            }),
            Said::Refuses { because } => Reply::Refuse(because),
            Said::Status(code) => Reply::Status(code),
            Said::BareStatus(code) => Reply::BareStatus(code),
            Said::HangsUp => Reply::HangUp,
        };
        Script::new(self.0.into_iter().map(reply).collect())
    }
}

/// Returns the webhook's statement about a user that it vouches for.
fn voucher(user: &str) -> Voucher {
    Voucher {
        user: user.to_owned(),
        uid: format!("webhook-{user}"),
        groups: vec!["platform-team".to_owned(), "on-call".to_owned()],
        extra: BTreeMap::from([("example.com/shift".to_owned(), vec!["blue".to_owned(), "green".to_owned()])]),
        audiences: Vec::new(),
        api_version: None,
    }
}

requires!(token_webhook);
#[given(expr = "{person} holds a token that the webhook {webhook_answers}")]
fn holds_token(world: &mut World, person: Person, said: Answers) -> Step {
    let seed = world.webhook_seed()?;
    let user = world.user(&person)?;
    let twin = Twin {
        credential: Credential::Token(Script::new(vec![Reply::Accept(voucher(&user))]).token(&seed)),
        user: user.clone(),
    };
    // A token that is accepted without a condition is not flawed.
    let is_sound = matches!(
        said.0[..],
        [Said::Accepts {
            audience: None,
            version: None
        }]
    );
    let token = said.script(&user).token(&seed);
    Ok(world.hold(&person, Credential::Token(token), (!is_sound).then_some(twin))?)
}

phrases! {
    /// The authenticators that know a token, in words.
    enum KnownTo as "known_to" {
        WebhookAlone = "only the webhook knows",
        File = "a file and the webhook know",
        Secret = "a Secret and the webhook know",
        Issuer = "an issuer and the webhook know",
    }
}

requires!(token_webhook, administrator if "a Secret and the webhook", issuer if "an issuer and the webhook");
#[given(expr = "{person} holds a token that {known_to}")]
async fn holds_known_token(world: &mut World, person: Person, known_to: KnownTo) -> Step {
    let seed = world.webhook_seed()?;
    let user = world.user(&person)?;
    let token = match known_to {
        KnownTo::WebhookAlone => vouched_for(&world.unique("made-up"), &seed),
        KnownTo::File => vouched_for(&user, &seed),
        KnownTo::Secret => return bootstrap::hold(world, &person, || BootstrapToken::vouched_for(&seed), &[]).await,
        KnownTo::Issuer => {
            let script = Script::new(vec![Reply::Accept(voucher("vouched-for-by-the-webhook"))]);
            sound(world, "es256", &user)?.claim(CLAIM, script.text(&seed)).sign()?
        }
    };
    Ok(world.hold(&person, Credential::Token(token), None)?)
}

/// A number of requests, as the webhook says it.
struct Times(&'static str);

phrases! {
    Times as "times" {
        "once" => Self("1"),
        "twice" => Self("2"),
    }
}

#[then(expr = "the webhook was asked {times}")]
fn was_asked(world: &mut World, times: Times) -> Step {
    let identity = answers::identity(world.answer()?)?;
    let (expected, seen) = (times.0, identity.extra.get(told::ASKED));
    expect!(
        seen.is_some_and(|seen| seen == &[expected]),
        "a webhook that was asked {expected} times",
        "it says {seen:?}"
    );
    Ok(())
}

#[then(expr = "the webhook was asked for the API server's own audience, in the API version {string}")]
fn was_asked_for_own_audience(world: &mut World, version: String) -> Step {
    let identity = answers::identity(world.answer()?)?;
    let told = |key: &str| {
        identity
            .extra
            .get(key)
            .cloned()
            .with_context(|| format!("the webhook does not tell its {key}"))
    };
    let (audiences, seen) = (told(told::AUDIENCES)?, told(told::API_VERSION)?);
    expect!(
        audiences == ["https://kubernetes.default.svc"] && seen == [version.as_str()],
        "{version} and the API server's audience",
        "the webhook was asked in {seen:?} for {audiences:?}"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read_one_by_one() {
        let read = |said: &str| said.parse::<Answers>().map(|answers| answers.0).expect("they are answers");
        let refuses = |because: &str| Said::Refuses {
            because: Some(because.to_owned()),
        };
        assert_eq!(
            read(r#"first refuses because "it accepts later", and then accepts for the audience "x""#),
            [
                refuses("it accepts later"),
                Said::Accepts {
                    audience: Some("x".to_owned()),
                    version: None
                }
            ]
        );
        assert_eq!(
            read(r#"accepts in the version "authentication.k8s.io/v1""#),
            [Said::Accepts {
                audience: None,
                version: Some("authentication.k8s.io/v1".to_owned())
            }]
        );
        assert_eq!(read("answers with the status 401 and nothing else"), [Said::BareStatus(401)]);
        assert_eq!(read("answers with a Status in place of a review"), [Said::Status(200)]);
        assert_eq!(
            read("first answers with the status 500, and then refuses"),
            [Said::Status(500), Said::Refuses { because: None }]
        );
        assert_eq!(read("hangs up on"), [Said::HangsUp]);
    }
}
