//! Client certificates, signed outside of Kubernetes.

use std::str::FromStr;
use std::time::Duration;

use anyhow::Result;
use cucumber::{given, then};

use super::counts::Counts;
use super::{Person, Step, Texts, answers};
use crate::credential::Credential;
use crate::pki::{Authority, Flaw, Leaf, Purpose, Request};
use crate::probe::Question;
use crate::scenario::world::{Twin, World};

/// The flaw of a client certificate, in words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, cucumber::Parameter)]
#[param(
    name = "certificate_flaw",
    regex = "expired an hour ago|is not valid before an hour from now|is only for servers|was signed by a stranger's authority|was signed by an impostor of the authority|was signed by its holder alone|has an empty UID|has a UID that is a number|has two UIDs"
)]
enum CertificateFlaw {
    In(Flaw),
    Stranger,
    Impostor,
    SelfSigned,
}

impl FromStr for CertificateFlaw {
    type Err = anyhow::Error;

    fn from_str(said: &str) -> Result<Self> {
        Ok(match said {
            "expired an hour ago" => Self::In(Flaw::Expired),
            "is not valid before an hour from now" => Self::In(Flaw::NotYetValid),
            "is only for servers" => Self::In(Flaw::ServerOnly),
            "has an empty UID" => Self::In(Flaw::EmptyUid),
            "has a UID that is a number" => Self::In(Flaw::NumericUid),
            "has two UIDs" => Self::In(Flaw::TwoUids),
            "was signed by a stranger's authority" => Self::Stranger,
            "was signed by an impostor of the authority" => Self::Impostor,
            "was signed by its holder alone" => Self::SelfSigned,
            other => bail!("no certificate has the flaw: {other}"),
        })
    }
}

/// The certificate that a person holds, for steps that inspect it.
#[derive(Default)]
struct Held(Option<Leaf>);

requires!(cluster_signing_key);
#[given(expr = "{person} holds a client certificate")]
fn holds_certificate(world: &mut World, person: Person) -> Step {
    issue(world, &person, &Request::client(&person.user(), &[]))
}

requires!(cluster_signing_key);
#[given(expr = "{person} holds a client certificate with the organization(s) {texts}")]
fn holds_certificate_with_organizations(world: &mut World, person: Person, organizations: Texts) -> Step {
    issue(world, &person, &Request::client(&person.user(), &organizations.all()))
}

requires!(cluster_signing_key);
#[given(expr = "{person} holds a client certificate for {string}")]
fn holds_certificate_for(world: &mut World, person: Person, name: String) -> Step {
    issue(world, &person, &Request::client(&name, &[]))
}

requires!(cluster_signing_key);
#[given(expr = "{person} holds a client certificate with the UID {string}")]
fn holds_certificate_with_uid(world: &mut World, person: Person, uid: String) -> Step {
    issue(world, &person, &Request::client_with_uid(&person.user(), &uid, &[]))
}

requires!(cluster_signing_key);
#[given(expr = "{person} holds a client certificate without any extended key usage")]
fn holds_certificate_without_purpose(world: &mut World, person: Person) -> Step {
    issue(world, &person, &Request::client(&person.user(), &[]).purpose(Purpose::Unsaid))
}

requires!(cluster_signing_key);
#[given(expr = "{person} holds a client certificate that names nobody")]
fn holds_certificate_without_name(world: &mut World, person: Person) -> Step {
    let clients = world.client_authority()?;
    let leaf = clients.issue(&Request::flawed(&person.user(), &["platform-team"], Flaw::NoCommonName))?;
    let twin = Twin {
        credential: Credential::Certificate(clients.issue(&Request::client(&person.user(), &["platform-team"]))?),
        user: person.user(),
    };
    keep(world, &person, leaf, Some(twin))
}

requires!(cluster_signing_key);
#[given(expr = "{person} holds a client certificate of an intermediate authority, and sends that along")]
fn holds_certificate_of_intermediate(world: &mut World, person: Person) -> Step {
    let leaf = intermediate(world)?.issue(&Request::client(&person.user(), &[]))?;
    keep(world, &person, leaf, None)
}

requires!(cluster_signing_key);
#[given(expr = "{person} holds a client certificate of an intermediate authority, and does not send that along")]
fn holds_certificate_without_chain(world: &mut World, person: Person) -> Step {
    let whole = intermediate(world)?.issue(&Request::client(&person.user(), &[]))?;
    let twin = Twin {
        credential: Credential::Certificate(whole.clone()),
        user: person.user(),
    };
    keep(
        world,
        &person,
        Leaf {
            chain: String::new(),
            ..whole
        },
        Some(twin),
    )
}

requires!(cluster_signing_key);
#[given(expr = "{person} holds a client certificate of an intermediate authority that has expired, and sends that along")]
fn holds_certificate_of_expired_intermediate(world: &mut World, person: Person) -> Step {
    let request = Request::client(&person.user(), &[]);
    let expired = world.client_authority()?.expired_intermediate("authlab department")?;
    let twin = Twin {
        credential: Credential::Certificate(intermediate(world)?.issue(&request)?),
        user: person.user(),
    };
    keep(world, &person, expired.issue(&request)?, Some(twin))
}

requires!(cluster_signing_key);
#[given(expr = "{person} holds a client certificate that {certificate_flaw}")]
fn holds_flawed_certificate(world: &mut World, person: Person, flaw: CertificateFlaw) -> Step {
    let clients = &world.client_authority()?;
    let sound = Request::client("alice", &[]);
    let twin = Twin {
        credential: Credential::Certificate(clients.issue(&sound)?),
        user: "alice".to_owned(),
    };
    let request = Request::client(&person.user(), &[]);
    let leaf = match flaw {
        CertificateFlaw::In(flaw) => clients.issue(&Request::flawed(&person.user(), &[], flaw))?,
        CertificateFlaw::Stranger => Authority::root("stranger")?.issue(&request)?,
        CertificateFlaw::Impostor => clients.impostor()?.issue(&request)?,
        CertificateFlaw::SelfSigned => Authority::self_signed(&request)?,
    };
    keep(world, &person, leaf, Some(twin))
}

requires!(cluster_signing_key);
#[then(expr = "{person}, with a client certificate, is accepted")]
async fn accepted_with_certificate(world: &mut World, person: Person) -> Step {
    let leaf = world.client_authority()?.issue(&Request::client(&person.user(), &[]))?;
    let answer = world.ask_with(&person, &Credential::Certificate(leaf), &Question::who_am_i()).await;
    answers::accepted(&answer, &person.user())
}

requires!(cluster_signing_key);
#[given(expr = "{person} holds a client certificate that ends in 45 minutes")]
fn holds_certificate_that_ends(world: &mut World, person: Person) -> Step {
    issue(
        world,
        &person,
        &Request::client(&person.user(), &[]).lifetime(Duration::from_secs(45 * 60)),
    )
}

/// kubernetes/apiserver `pkg/authentication/request/x509/x509.go`: a histogram of how long certificates still live.
#[then(expr = "one more certificate is counted that ends within the hour, and none that ends within half of it")]
async fn end_is_counted(world: &mut World) -> Step {
    const SERIES: &str = "apiserver_client_certificate_expiration_seconds_bucket";
    let hour = Counts::growth(world, SERIES, &[("le", "3600")]).await?;
    let half = Counts::growth(world, SERIES, &[("le", "1800")]).await?;
    expect!(
        hour >= 1.0 && half < 1.0,
        "one certificate that ends between half an hour and an hour",
        "{half} and {hour} more"
    );
    Ok(())
}

requires!(certificate_credential_id);
#[then(expr = "the credential's id is the SHA-256 of the certificate")]
fn credential_id(world: &mut World) -> Step {
    let fingerprint = world
        .notes::<Held>()
        .0
        .as_ref()
        .map(Leaf::fingerprint)
        .transpose()?
        .unwrap_or_default();
    let identity = answers::identity(world.answer()?)?;
    let seen = identity.extra.get("authentication.kubernetes.io/credential-id");
    let expected = vec![format!("X509SHA256={fingerprint}")];
    expect!(seen == Some(&expected), "the credential-id {expected:?}", "{:?}", identity.extra);
    Ok(())
}

/// Gives the person the certificate that the client authority issues for `request`.
fn issue(world: &mut World, person: &Person, request: &Request) -> Step {
    let leaf = world.client_authority()?.issue(request)?;
    keep(world, person, leaf, None)
}

fn intermediate(world: &World) -> Step<Authority> {
    Ok(world.client_authority()?.intermediate("authlab department")?)
}

fn keep(world: &mut World, person: &Person, leaf: Leaf, twin: Option<Twin>) -> Step {
    world.notes::<Held>().0 = Some(leaf.clone());
    Ok(world.hold(&person, Credential::Certificate(leaf), twin)?)
}
