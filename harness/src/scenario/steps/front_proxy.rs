//! The front proxy announces people: with its own certificate it says, in headers, on whose behalf it calls.
//! Others may try the same.

use std::str::FromStr;

use anyhow::Result;
use cucumber::given;

use super::{Person, Step, Texts, tokens};
use crate::auth_proxy::HeaderNames;
use crate::credential::Credential;
use crate::pki::{Authority, Flaw, Leaf, Request};
use crate::scenario::world::{Twin, World};

phrases! {
    /// The credential with which another party than the front proxy announces people, in words.
    enum AnnouncedWith as "announced_with" {
        AnotherName = "a certificate of the front proxy's CA for another name",
        Expired = "an expired certificate of the front proxy",
        ClientAuthority = "a client certificate in the front proxy's name",
        Stranger = "a certificate of an unknown CA",
        Impostor = "a certificate of a CA with the front proxy CA's name and another key",
        OwnCertificate = "a client certificate of her own",
        OwnToken = "a token of her own",
        Nothing = "nothing of her own",
    }
}

/// The headers that the front proxy sends beside a person's name: ` in the groups "a" and "b"`, or none.
#[derive(Clone, Debug, PartialEq, Eq, cucumber::Parameter)]
#[param(
    name = "announcement",
    regex = r#"(?: (?:in the groups?|with the second name|with the UID|with the extra "[^"]*" of) "[^"]*"(?:(?:, | and )"[^"]*")*)?"#
)]
struct Announcement(Vec<(String, String)>);

impl FromStr for Announcement {
    type Err = anyhow::Error;

    fn from_str(said: &str) -> Result<Self> {
        let Texts(mut values) = said.parse()?;
        let names = HeaderNames::default();
        let words = said.split('"').next().unwrap_or_default();
        let name = match words.trim() {
            "" | "with the second name" => names.user,
            "in the group" | "in the groups" => names.group,
            "with the UID" => names.uid,
            "with the extra" => format!("{}{}", names.extra_prefix, values.remove(0)),
            other => anyhow::bail!("nobody is announced {other}"),
        };
        Ok(Self(values.into_iter().map(|value| (name.clone(), value)).collect()))
    }
}

requires!(front_proxy);
#[given(expr = "the front proxy announces {person}{announcement}")]
fn announces(world: &mut World, person: Person, more: Announcement) -> Step {
    let headers = [user(&person), more.0].concat();
    let credential = announced(world.front_proxy()?, headers);
    Ok(world.hold(&person, credential, None)?)
}

requires!(front_proxy);
#[given(expr = "the front proxy announces only that {person} is in the group {string}")]
fn announces_group_only(world: &mut World, person: Person, group: String) -> Step {
    let credential = announced(world.front_proxy()?, vec![(HeaderNames::default().group, group)]);
    let twin = Some(sound(world)?);
    Ok(world.hold(&person, credential, twin)?)
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
        AnnouncedWith::OwnToken => Credential::Together(vec![announcement, tokens::of_issuer(world, &announcer, "rs256")?]),
        _ => announcement,
    };
    let twin = Some(sound(world)?);
    Ok(world.hold(&announcer, credential, twin)?)
}

phrases! {
    /// The headers in which people claim an identity of their own choice.
    enum Claimant as "claimant" {
        FrontProxy = "a front proxy",
        /// The further names of fixtures/api_servers/variant.toml.
        FrontProxyByFurtherNames = "a front proxy with further names",
        Impersonator = "an impersonator",
    }
}

requires!(cluster_signing_key);
#[given(expr = "{person} claims to be {person} in the group {string}, as {claimant} would")]
fn claims(world: &mut World, caller: Person, person: Person, group: String, like: Claimant) -> Step {
    let own = world.holding(&caller)?.credential.clone();
    // The sound counterpart is a certificate for the claimed identity.
    let leaf = world.client_authority()?.issue(&Request::client(&person.user(), &[&group]))?;
    let twin = Twin {
        credential: Credential::Certificate(leaf),
        user: person.user(),
    };
    let credential = match like {
        Claimant::FrontProxy | Claimant::FrontProxyByFurtherNames => {
            let names = match like {
                Claimant::FrontProxyByFurtherNames => ["X-Employee".to_owned(), "X-Team".to_owned(), "X-Detail-Shift".to_owned()],
                _ => {
                    let names = HeaderNames::default();
                    [names.user, names.group, format!("{}Shift", names.extra_prefix)]
                }
            };
            let headers = std::iter::zip(names, [person.user(), group, "night".to_owned()]).collect();
            Credential::Together(vec![
                own,
                Credential::ProxyHeaders {
                    certificate: None,
                    headers,
                },
            ])
        }
        Claimant::Impersonator => {
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
    Ok(world.hold(&caller, credential, Some(twin))?)
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

/// Returns the front proxy's own announcement of Alice.
fn sound(world: &World) -> Step<Twin> {
    let alice = Person::called("Alice");
    Ok(Twin {
        credential: announced(world.front_proxy()?, user(&alice)),
        user: alice.user(),
    })
}
