//! Client certificates, signed outside of Kubernetes: a sound one is a [`ClientCertificate`], the flaw of another a [`CertificateFlaw`].

mod authorities;

use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context, Result};
use cucumber::{given, then};

use super::servers::metrics::Counts;
use super::{Person, Step, Texts, answers};
use crate::credential::Credential;
use crate::pki::{Authority, Flaw, Purpose, Request};
use crate::probe::Question;
use crate::scenario::world::{Twin, World};

/// A sound client certificate: `a client certificate with the organization "platform-team"`.
#[derive(Clone, Debug, PartialEq, Eq, cucumber::Parameter)]
#[param(
    name = "client_certificate",
    regex = r#"a client certificate(?: of a kubelet| for "[^"]*"| with the organizations? "[^"]*"(?:(?:, | and )"[^"]*")*| with the common names "[^"]*" and "[^"]*"| with the UID "[^"]*"| with its intermediate certificate| without extended key usages| valid for \d+ minutes)?"#
)]
enum ClientCertificate {
    Plain,
    Kubelet,
    For(String),
    Organizations(Texts),
    CommonNames(Texts),
    Uid(String),
    WithIntermediate,
    WithoutPurpose,
    ValidFor(Duration),
}

impl FromStr for ClientCertificate {
    type Err = anyhow::Error;

    fn from_str(said: &str) -> Result<Self> {
        let Texts(quoted) = said.parse()?;
        let one = || quoted.first().cloned().context("nothing is quoted");
        let words = said.split('"').next().unwrap_or_default();
        Ok(match words.trim_start_matches("a client certificate").trim() {
            "" => Self::Plain,
            "of a kubelet" => Self::Kubelet,
            "for" => Self::For(one()?),
            "with the organization" | "with the organizations" => Self::Organizations(Texts(quoted)),
            "with the common names" => Self::CommonNames(Texts(quoted)),
            "with the UID" => Self::Uid(one()?),
            "with its intermediate certificate" => Self::WithIntermediate,
            "without extended key usages" => Self::WithoutPurpose,
            other => {
                let number = other.strip_prefix("valid for ").and_then(|rest| rest.strip_suffix(" minutes"));
                let minutes: u64 = number.with_context(|| format!("no client certificate is {other}"))?.parse()?;
                Self::ValidFor(Duration::from_secs(60 * minutes))
            }
        })
    }
}

/// The flaw of a client certificate, in words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CertificateFlaw {
    In(Flaw),
    UnknownCa,
    ServersCa,
    FrontProxysCa,
    SameName,
    SelfSigned,
    NoIntermediate,
    ExpiredIntermediate,
}

phrases! {
    CertificateFlaw as "certificate_flaw" {
        "expired an hour ago" => Self::In(Flaw::Expired),
        "is not valid before an hour from now" => Self::In(Flaw::NotYetValid),
        "is only for servers" => Self::In(Flaw::ServerOnly),
        "has no common name" => Self::In(Flaw::NoCommonName),
        "has an empty UID" => Self::In(Flaw::EmptyUid),
        "has a UID that is a number" => Self::In(Flaw::NumericUid),
        "has two UIDs" => Self::In(Flaw::TwoUids),
        "was signed with SHA-1" => Self::In(Flaw::Sha1),
        "was signed by an unknown CA" => Self::UnknownCa,
        "was signed by the CA of the API servers' certificates" => Self::ServersCa,
        "was signed by the front proxy's CA" => Self::FrontProxysCa,
        "was signed by a CA with the same name but another key" => Self::SameName,
        "is self-signed" => Self::SelfSigned,
        "lacks its intermediate certificate" => Self::NoIntermediate,
        "has an expired intermediate certificate" => Self::ExpiredIntermediate,
    }
}

/// The group whose members may do everything.
const MASTERS: &str = "system:masters";

/// The common name of intermediate authorities.
const INTERMEDIATE: &str = "authlab department";

// A cluster's own signer keeps the common name and the organizations of a request, and nothing else; it signs none for `system:masters`
// (kubernetes `plugin/pkg/admission/certificates/subjectrestriction`).
requires!(
    client_certificates,
    cluster_signing_key if "system:masters",
    cluster_signing_key if "with the common names",
    cluster_signing_key if "with the UID",
    cluster_signing_key if "with its intermediate certificate",
    cluster_signing_key if "without extended key usages",
    cluster_signing_key if "a client certificate valid for",
);
#[given(expr = "{person} holds {client_certificate}")]
async fn holds_certificate(world: &mut World, person: Person, certificate: ClientCertificate) -> Step {
    let user = world.user(&person)?;
    let plain = Request::client(&user, &[]);
    let leaf = match certificate {
        ClientCertificate::Plain => world.client_certificate(&user, &[]).await?,
        ClientCertificate::Kubelet => world.client_certificate("system:node:worker", &["system:nodes"]).await?,
        ClientCertificate::For(name) => world.client_certificate(&name, &[]).await?,
        ClientCertificate::Organizations(organizations) if organizations.all().contains(&MASTERS) => {
            world.client_authority()?.issue(&Request::client(&user, &organizations.all()))?
        }
        ClientCertificate::Organizations(organizations) => world.client_certificate(&user, &organizations.all()).await?,
        ClientCertificate::CommonNames(names) => world.client_authority()?.issue(&Request::client_with_common_names(&names.all()))?,
        ClientCertificate::Uid(uid) => world.client_authority()?.issue(&Request::client_with_uid(&user, &uid, &[]))?,
        ClientCertificate::WithIntermediate => world.client_authority()?.intermediate(INTERMEDIATE)?.issue(&plain)?,
        ClientCertificate::WithoutPurpose => world.client_authority()?.issue(&plain.purpose(Purpose::Unsaid))?,
        ClientCertificate::ValidFor(lifetime) => world.client_authority()?.issue(&plain.lifetime(lifetime))?,
    };
    Ok(world.hold(&person, Credential::Certificate(leaf), None)?)
}

requires!(
    client_certificates,
    cluster_signing_key unless "was signed by an unknown CA" or "is self-signed",
    front_proxy if "the front proxy's CA",
);
#[given(expr = "{person} holds a client certificate that {certificate_flaw}")]
async fn holds_flawed_certificate(world: &mut World, person: Person, flaw: CertificateFlaw) -> Step {
    const ALICE: &str = "alice";
    let user = world.user(&person)?;
    // Without a common name, another part of the subject shows that it is not empty.
    let organizations: &[&str] = match flaw {
        CertificateFlaw::In(Flaw::NoCommonName) => &["platform-team"],
        _ => &[],
    };
    let (request, sound) = (Request::client(&user, organizations), Request::client(ALICE, organizations));
    let (leaf, twin) = match flaw {
        CertificateFlaw::UnknownCa => (
            Authority::root("stranger")?.issue(&request)?,
            world.client_certificate(ALICE, organizations).await?,
        ),
        CertificateFlaw::ServersCa => (
            world.api_servers_authority()?.issue(&request)?,
            world.client_certificate(ALICE, organizations).await?,
        ),
        CertificateFlaw::FrontProxysCa => (
            world.request_header_authority()?.issue(&request)?,
            world.client_certificate(ALICE, organizations).await?,
        ),
        CertificateFlaw::SelfSigned => (
            Authority::self_signed(&request)?,
            world.client_certificate(ALICE, organizations).await?,
        ),
        CertificateFlaw::In(flaw) => {
            let clients = world.client_authority()?;
            (clients.issue(&Request::flawed(&user, organizations, flaw))?, clients.issue(&sound)?)
        }
        CertificateFlaw::SameName => {
            let clients = world.client_authority()?;
            (clients.impostor()?.issue(&request)?, clients.issue(&sound)?)
        }
        CertificateFlaw::NoIntermediate => {
            let intermediate = world.client_authority()?.intermediate(INTERMEDIATE)?;
            let mut leaf = intermediate.issue(&request)?;
            leaf.chain.clear();
            (leaf, intermediate.issue(&sound)?)
        }
        CertificateFlaw::ExpiredIntermediate => {
            let clients = world.client_authority()?;
            (
                clients.expired_intermediate(INTERMEDIATE)?.issue(&request)?,
                clients.intermediate(INTERMEDIATE)?.issue(&sound)?,
            )
        }
    };
    let twin = Twin {
        credential: Credential::Certificate(twin),
        user: ALICE.to_owned(),
    };
    Ok(world.hold(&person, Credential::Certificate(leaf), Some(twin))?)
}

requires!(client_certificates);
#[then(expr = "{person}, with a client certificate, is accepted")]
async fn accepted_with_certificate(world: &mut World, person: Person) -> Step {
    let leaf = world.client_certificate(&person.user(), &[]).await?;
    let answer = world.ask_with(&person, &Credential::Certificate(leaf), &Question::who_am_i()).await;
    answers::accepted(&answer, &person.user())
}

/// kubernetes/apiserver `pkg/authentication/request/x509/x509.go`: a histogram of how long certificates still live.
#[then(expr = "one more certificate is counted as expiring within {int} minutes, and none within {int}")]
async fn expiry_is_counted(world: &mut World, longer: u32, shorter: u32) -> Step {
    const SERIES: &str = "apiserver_client_certificate_expiration_seconds_bucket";
    let seconds = [longer, shorter].map(|minutes| (60 * minutes).to_string());
    let within_longer = Counts::growth(world, SERIES, &[("le", &seconds[0])]).await?;
    let within_shorter = Counts::growth(world, SERIES, &[("le", &seconds[1])]).await?;
    expect!(
        within_longer >= 1.0 && within_shorter < 1.0,
        "one certificate that expires between {shorter} and {longer} minutes from now",
        "{within_shorter} and {within_longer} more"
    );
    Ok(())
}

requires!(certificate_credential_id);
#[then(expr = "{person} has the certificate's SHA-256 as credential id")]
fn has_credential_id(world: &mut World, person: Person) -> Step {
    let Credential::Certificate(leaf) = &world.holding(&person)?.credential else {
        bail!("{} holds no certificate", person.name())
    };
    let expected = vec![format!("X509SHA256={}", leaf.fingerprint()?)];
    let identity = answers::identity(world.answer()?)?;
    let seen = identity.extra.get("authentication.kubernetes.io/credential-id");
    expect!(seen == Some(&expected), "the credential-id {expected:?}", "{:?}", identity.extra);
    Ok(())
}

#[cfg(test)]
mod tests {
    use cucumber::codegen::Parameter as _;
    use regex::Regex;

    use super::*;

    #[test]
    fn every_sound_certificate_is_read() {
        let read = |said: &str| {
            assert!(
                Regex::new(&format!("^(?:{})$", ClientCertificate::REGEX))
                    .expect("it is a pattern")
                    .is_match(said)
            );
            said.parse::<ClientCertificate>().expect("it is a certificate")
        };
        assert_eq!(read("a client certificate"), ClientCertificate::Plain);
        assert_eq!(
            read(r#"a client certificate for "carol@example.com""#),
            ClientCertificate::For("carol@example.com".to_owned())
        );
        assert_eq!(
            read(r#"a client certificate with the organizations "a" and "b""#),
            ClientCertificate::Organizations(Texts(vec!["a".to_owned(), "b".to_owned()]))
        );
        assert_eq!(
            read(r#"a client certificate with the UID "4711""#),
            ClientCertificate::Uid("4711".to_owned())
        );
        assert_eq!(
            read("a client certificate valid for 45 minutes"),
            ClientCertificate::ValidFor(Duration::from_secs(2700))
        );
    }
}
