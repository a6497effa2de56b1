//! Ways of presenting a bearer token, and tokens presented beside another credential. The main type is [`Presented`].

mod web_sockets;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cucumber::{given, then};

use self::web_sockets::Form;
use super::{Person, Step, answers, service_accounts, tokens};
use crate::credential::Credential;
use crate::probe::Question;
use crate::scenario::world::{Twin, World};
use crate::secret::Secret;

/// A token or password, and the way in which it is presented.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Presented {
    /// A valid token in an `Authorization` header, with the text before and after it.
    Header(&'static str, &'static str),
    /// A valid token in the sub-protocols of a WebSocket.
    Protocols(Form),
    Empty,
    MadeUp,
    Password,
}

phrases! {
    Presented as "presented" {
        "a service account token with the scheme \"Bearer\"" => Self::Header("Bearer ", ""),
        "a service account token with the scheme \"bearer\"" => Self::Header("bearer ", ""),
        "a service account token with the scheme \"BEARER\"" => Self::Header("BEARER ", ""),
        "a service account token with the scheme \"Basic\"" => Self::Header("Basic ", ""),
        "a service account token after two spaces" => Self::Header("Bearer  ", ""),
        "a service account token followed by another word" => Self::Header("Bearer ", " word"),
        "a service account token as a sub-protocol" => Self::Protocols(Form::Valid),
        "a service account token as two sub-protocols" => Self::Protocols(Form::Twice),
        "a service account token as the only sub-protocol" => Self::Protocols(Form::Alone),
        "a service account token as a sub-protocol that is cut short" => Self::Protocols(Form::CutShort),
        "a service account token as a sub-protocol that is not text" => Self::Protocols(Form::NoText),
        "an empty token" => Self::Empty,
        "a made-up token" => Self::MadeUp,
        "his name and a password" => Self::Password,
    }
}

impl Presented {
    /// Returns whether the API server accepts it, so that it needs no twin.
    fn is_valid(self) -> bool {
        match self {
            // The scheme is case-insensitive (RFC 9110 §11.1).
            Self::Header(before, _) => before.eq_ignore_ascii_case("bearer "),
            Self::Protocols(form) => form == Form::Valid,
            Self::Empty | Self::MadeUp | Self::Password => false,
        }
    }
}

/// A token presented beside another credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Beside {
    ServiceAccount,
    Issuer(&'static str),
    MadeUp,
}

phrases! {
    Beside as "beside" {
        "a service account token" => Self::ServiceAccount,
        "a token of the issuer \"rs256\"" => Self::Issuer("rs256"),
        "a made-up token" => Self::MadeUp,
    }
}

phrases! {
    /// The credentials of a request for which a service account token must count.
    enum WithToken as "with_token" {
        Beside = "with a service account token beside the certificate",
        Alone = "with the service account token alone",
    }
}

/// The valid token that is presented beside another credential.
#[derive(Default)]
struct Alone(Option<Twin>);

requires!(administrator if " token");
#[given(expr = "{person} presents {presented}")]
async fn presents(world: &mut World, person: Person, presented: Presented) -> Step {
    let credential = match presented {
        Presented::Header(before, after) => {
            let token = service_accounts::fresh_token(world).await?;
            authorization(format!("{before}{}{after}", token.expose()))
        }
        Presented::Protocols(form) => Credential::SubProtocols(form.protocols(&service_accounts::fresh_token(world).await?)),
        Presented::Empty => authorization("Bearer ".to_owned()),
        Presented::MadeUp => made_up(world),
        Presented::Password => {
            let pair = format!("{}:{}", world.user(&person)?, world.unique("password"));
            authorization(format!("Basic {}", STANDARD.encode(pair)))
        }
    };
    let twin = match presented {
        // No password has a valid counterpart.
        Presented::Password => None,
        _ if presented.is_valid() => None,
        Presented::Protocols(_) => Some(valid_protocols(world).await?),
        _ => Some(service_accounts::fresh(world).await?),
    };
    Ok(world.hold(&person, credential, twin)?)
}

requires!(administrator if "a service account token", issuer if "a token of the issuer");
#[given(expr = "{person} also presents {beside}")]
async fn also_presents(world: &mut World, person: Person, beside: Beside) -> Step {
    let who = world.person(&person)?;
    let holding = world.holding(&who)?.clone();
    let token = match beside {
        Beside::ServiceAccount => {
            let valid = service_accounts::fresh(world).await?;
            world.notes::<Alone>().0 = Some(valid.clone());
            valid.credential
        }
        Beside::Issuer(issuer) => tokens::of_issuer(world, &who, issuer)?,
        Beside::MadeUp => made_up(world),
    };
    Ok(world.hold(&who, Credential::Together(vec![holding.credential, token]), holding.twin)?)
}

requires!(administrator);
#[then(expr = "{person}, {with_token}, is accepted as the service account")]
async fn accepted_with_token(world: &mut World, person: Person, with: WithToken) -> Step {
    let who = world.person(&person)?;
    let (credential, user) = match with {
        WithToken::Beside => {
            let held = world.holding(&who)?.credential.clone();
            let valid = service_accounts::fresh(world).await?;
            (Credential::Together(vec![held, valid.credential]), valid.user)
        }
        WithToken::Alone => match world.notes::<Alone>().0.clone() {
            Some(valid) => (valid.credential, valid.user),
            None => bail!("nobody presents a service account token beside something else"),
        },
    };
    let answer = world.ask_with(&who, &credential, &Question::who_am_i()).await;
    answers::accepted(&answer, &user)
}

fn authorization(value: String) -> Credential {
    Credential::Authorization(Secret::new(value))
}

/// Returns a token that no authenticator knows. It is the scenario's own, since the log may show it.
fn made_up(world: &World) -> Credential {
    Credential::Token(Secret::new(world.unique("made-up")))
}

/// Returns valid sub-protocols with another token of the service account.
async fn valid_protocols(world: &mut World) -> Step<Twin> {
    let token = service_accounts::fresh_token(world).await?;
    Ok(Twin {
        credential: Credential::SubProtocols(Form::Valid.protocols(&token)),
        user: service_accounts::account(world).await?.user(),
    })
}
