//! The front proxy announces people: with its own certificate it says, in headers, on whose behalf it calls.
//! Others may try the same.

use std::str::FromStr;

use anyhow::{Context, Result};
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
        Capitals = "a certificate of the front proxy's CA for the front proxy's name in capitals",
        Beginning = "a certificate of the front proxy's CA for the beginning of the front proxy's name",
        Organization = "a certificate of the front proxy's CA for another name and the front proxy's as an organization",
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

phrases! {
    /// Names of headers beside the standard ones.
    enum Names as "header_names" {
        Similar = "similar names",
        /// The further names of fixtures/api_servers/variant.toml, which that API server reads, too.
        Further = "further names",
    }
}

impl Names {
    /// Returns headers that announce `person`, the group, a UID and an extra by these names.
    fn announce(self, person: &Person, group: &str) -> Vec<(String, String)> {
        match self {
            Self::Similar => by_similar_names(person, group),
            Self::Further => {
                let [user, group_name, uid, extra] = FURTHER;
                let values = [person.user(), group.to_owned(), UID.to_owned(), "night".to_owned()];
                let names = [user.to_owned(), group_name.to_owned(), uid.to_owned(), format!("{extra}Shift")];
                std::iter::zip(names, values).collect()
            }
        }
    }
}

/// The further names of fixtures/api_servers/variant.toml: of the user, the group and the UID, and the beginning of those of extra.
const FURTHER: [&str; 4] = ["X-Employee", "X-Team", "X-Employee-Number", "X-Detail-"];

/// The UID that is announced beside a group.
const UID: &str = "4711";

requires!(front_proxy);
#[given(expr = "the front proxy announces {person} in the group {string} by {header_names} alone")]
fn announces_by_names(world: &mut World, person: Person, group: String, names: Names) -> Step {
    let credential = announced(world.front_proxy()?, names.announce(&person, &group));
    let twin = match names {
        Names::Similar => Some(sound(world)?),
        Names::Further => None,
    };
    Ok(world.hold(&person, credential, twin)?)
}

requires!(front_proxy);
#[given(expr = "the front proxy announces {person}, and by {header_names} {person} in the group {string}")]
fn announces_beside_names(world: &mut World, person: Person, names: Names, other: Person, group: String) -> Step {
    let headers = [user(&person), names.announce(&other, &group)].concat();
    let credential = announced(world.front_proxy()?, headers);
    Ok(world.hold(&person, credential, None)?)
}

requires!(front_proxy, cluster_signing_key if "a client certificate", issuer if "a token of her own");
#[given(expr = "{person} announces {person} with {announced_with}")]
fn others_announce(world: &mut World, announcer: Person, person: Person, with: AnnouncedWith) -> Step {
    let request_headers = world.request_header_authority()?;
    let front_proxy = Request::client(crate::cluster::FRONT_PROXY, &[]);
    let own = Request::client(&announcer.user(), &[]);
    let beginning = crate::cluster::FRONT_PROXY
        .rsplit_once('-')
        .context("the front proxy's name has no parts")?
        .0;
    let leaf = match with {
        AnnouncedWith::AnotherName => Some(request_headers.issue(&own)?),
        AnnouncedWith::Capitals => Some(request_headers.issue(&Request::client(&crate::cluster::FRONT_PROXY.to_uppercase(), &[]))?),
        AnnouncedWith::Beginning => Some(request_headers.issue(&Request::client(beginning, &[]))?),
        AnnouncedWith::Organization => Some(request_headers.issue(&Request::client(&announcer.user(), &[crate::cluster::FRONT_PROXY]))?),
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
                Claimant::FrontProxyByFurtherNames => {
                    let [user, group, _, extra] = FURTHER;
                    [user.to_owned(), group.to_owned(), format!("{extra}Shift")]
                }
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

/// Returns headers that announce `person`, the group, a UID and an extra, by names that only resemble the front proxy's.
fn by_similar_names(person: &Person, group: &str) -> Vec<(String, String)> {
    let names = HeaderNames::default();
    let of = |name: &str, value: &str| similar(name).map(|name| (name, value.to_owned()));
    let values = [
        (&names.user, person.user()),
        (&names.group, group.to_owned()),
        (&names.uid, UID.to_owned()),
    ];
    let mut headers = values.map(|(name, value)| of(name, &value)).concat();
    let extra = of(names.extra_prefix.trim_end_matches('-'), "night").map(|(name, value)| (format!("{name}-Shift"), value));
    headers.extend(extra.into_iter().filter(|(name, _)| !name.starts_with(&names.extra_prefix)));
    headers
}

/// Returns names that only resemble `name`, which is `X-Remote-…`: a part more, a part less, or another one.
fn similar(name: &str) -> [String; 7] {
    let short = name.trim_start_matches("X-");
    let last = short.trim_start_matches("Remote-");
    [
        format!("{name}s"),
        format!("{name}-Name"),
        short.to_owned(),
        format!("X-{last}"),
        format!("X-Forwarded-{last}"),
        format!("X-Auth-Request-{last}"),
        name[..name.len() - 1].to_owned(),
    ]
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
