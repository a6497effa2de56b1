//! The front proxy announces people: with its own certificate it says, in headers, on whose behalf it calls.
//! Others may try the same.

use cucumber::given;

use super::{Person, Step, Texts};
use crate::auth_proxy::HeaderNames;
use crate::credential::Credential;
use crate::pki::{Authority, Flaw, Leaf, Request};
use crate::scenario::world::{Twin, World};

phrases! {
    /// The credential with which another party than the front proxy announces people, in words.
    enum AnnouncedWith as "announced_with" {
        AnotherName = "a certificate of the front proxy's authority for another name",
        Expired = "an expired certificate of the front proxy",
        ClientAuthority = "a client certificate in the front proxy's name",
        Stranger = "a certificate of a stranger's authority",
        Impostor = "a certificate of an impostor of the front proxy's authority",
        OwnCertificate = "a client certificate of her own",
        OwnToken = "a token of her own",
        Nothing = "nothing of her own",
    }
}

requires!(front_proxy);
#[given(expr = "the front proxy announces {person}")]
fn announces(world: &mut World, person: Person) -> Step {
    announce(world, &person, user(&person))
}

requires!(front_proxy);
#[given(expr = "the front proxy announces {person} first and {person} second")]
fn announces_two(world: &mut World, first: Person, second: Person) -> Step {
    let headers = [user(&first), user(&second)].concat();
    announce(world, &first, headers)
}

requires!(front_proxy);
#[given(expr = "the front proxy announces {person} in the group(s) {texts}")]
fn announces_in_groups(world: &mut World, person: Person, groups: Texts) -> Step {
    let mut headers = user(&person);
    headers.extend(groups.0.into_iter().map(|group| (HeaderNames::default().group, group)));
    announce(world, &person, headers)
}

requires!(front_proxy);
#[given(expr = "the front proxy announces {person} with the extra {string} of {texts}")]
fn announces_with_extra(world: &mut World, person: Person, key: String, values: Texts) -> Step {
    let mut headers = user(&person);
    let name = format!("{}{key}", HeaderNames::default().extra_prefix);
    headers.extend(values.0.into_iter().map(|value| (name.clone(), value)));
    announce(world, &person, headers)
}

requires!(front_proxy);
#[given(expr = "the front proxy announces {person} with the UID {string}")]
fn announces_with_uid(world: &mut World, person: Person, uid: String) -> Step {
    let mut headers = user(&person);
    headers.push((HeaderNames::default().uid, uid));
    announce(world, &person, headers)
}

requires!(front_proxy);
#[given(expr = "the front proxy announces only that {person} is in the group {string}")]
fn announces_group_only(world: &mut World, person: Person, group: String) -> Step {
    let credential = announced(world.front_proxy()?, vec![(HeaderNames::default().group, group)]);
    let twin = Some(sound(world)?);
    Ok(world.hold(&person, credential, twin)?)
}

requires!(front_proxy, issuer);
#[given(expr = "the front proxy announces only that {person} is in the group {string}, and passes on {word} own token")]
fn announces_group_only_with_token(world: &mut World, person: Person, group: String, _whose: String) -> Step {
    let nameless = announced(world.front_proxy()?, vec![(HeaderNames::default().group, group)]);
    let token = token(world, &person)?;
    let twin = Some(sound(world)?);
    Ok(world.hold(&person, Credential::Together(vec![nameless, token]), twin)?)
}

requires!(front_proxy, cluster_signing_key if "a client certificate", issuer if "a token of her own");
#[given(expr = "{person} announces {person} with {announced_with}")]
fn others_announce(world: &mut World, announcer: Person, person: Person, with: AnnouncedWith) -> Step {
    let request_headers = world.request_header_authority()?;
    let front_proxy = Request::client(crate::cluster::FRONT_PROXY, &[]);
    let own = Request::client(&announcer.user(), &[]);
    let leaf = match with {
        AnnouncedWith::AnotherName => Some(request_headers.issue(&own)?),
        AnnouncedWith::Expired => Some(request_headers.issue(&Request::flawed(crate::cluster::FRONT_PROXY, &[], Flaw::Expired))?),
        AnnouncedWith::ClientAuthority => Some(world.client_authority()?.issue(&front_proxy)?),
        AnnouncedWith::Stranger => Some(Authority::root("stranger")?.issue(&front_proxy)?),
        AnnouncedWith::Impostor => Some(request_headers.impostor()?.issue(&front_proxy)?),
        AnnouncedWith::OwnCertificate => Some(world.client_authority()?.issue(&own)?),
        AnnouncedWith::OwnToken | AnnouncedWith::Nothing => None,
    };
    let announcement = Credential::ProxyHeaders {
        certificate: leaf,
        headers: user(&person),
    };
    let credential = match with {
        AnnouncedWith::OwnToken => Credential::Together(vec![announcement, token(world, &announcer)?]),
        _ => announcement,
    };
    let twin = Some(sound(world)?);
    Ok(world.hold(&announcer, credential, twin)?)
}

phrases! {
    /// The headers in which people claim an identity of their own choice.
    enum WordsOf as "words_of" {
        FrontProxy = "a front proxy",
        Impersonator = "an impersonator",
    }
}

requires!(cluster_signing_key);
#[given(expr = "{person} claims, in the words of {words_of}, to be {person} in the group {string}")]
fn claims(world: &mut World, claimant: Person, words: WordsOf, person: Person, group: String) -> Step {
    let own = world.holding(&claimant)?.credential.clone();
    // The sound counterpart is a certificate for the claimed identity.
    let leaf = world.client_authority()?.issue(&Request::client(&person.user(), &[&group]))?;
    let twin = Twin {
        credential: Credential::Certificate(leaf),
        user: person.user(),
    };
    let credential = match words {
        WordsOf::FrontProxy => {
            let mut headers = user(&person);
            headers.push((HeaderNames::default().group, group));
            Credential::Together(vec![
                own,
                Credential::ProxyHeaders {
                    certificate: None,
                    headers,
                },
            ])
        }
        WordsOf::Impersonator => {
            let headers = vec![
                ("Impersonate-User".to_owned(), person.user()),
                ("Impersonate-Group".to_owned(), group),
            ];
            Credential::Impersonation {
                own: Box::new(own),
                headers,
            }
        }
    };
    Ok(world.hold(&claimant, credential, Some(twin))?)
}

/// Returns the header in which the front proxy announces `person`.
pub(super) fn user(person: &Person) -> Vec<(String, String)> {
    vec![(HeaderNames::default().user, person.user())]
}

pub(super) fn announced(certificate: Leaf, headers: Vec<(String, String)>) -> Credential {
    Credential::ProxyHeaders {
        certificate: Some(certificate),
        headers,
    }
}

/// Makes the front proxy announce `person` with `headers`.
fn announce(world: &mut World, person: &Person, headers: Vec<(String, String)>) -> Step {
    let credential = announced(world.front_proxy()?, headers);
    Ok(world.hold(person, credential, None)?)
}

/// Returns the front proxy's own announcement of Alice.
fn sound(world: &World) -> Step<Twin> {
    let alice = Person::called("Alice");
    Ok(Twin {
        credential: announced(world.front_proxy()?, user(&alice)),
        user: alice.user(),
    })
}

/// Signs a new token of the issuer that `fixtures/authentication/rs256.toml` trusts.
fn token(world: &World, person: &Person) -> Step<Credential> {
    let token = world.signer()?.token("rs256")?.subject(&person.user());
    Ok(Credential::Token(token.sign()?))
}
