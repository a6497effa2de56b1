//! Authorities that the API server starts to trust while it runs, of clients and of front proxies.

use anyhow::Context;
use cucumber::{given, then, when};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;

use crate::cluster::{FRONT_PROXY, TrustedAuthority};
use crate::credential::Credential;
use crate::event::Verdict;
use crate::pki::{Authority, Request};
use crate::probe::Question;
use crate::process::wait::{Condition, until};
use crate::scenario::steps::answers::TRUSTED;
use crate::scenario::steps::{Person, Step, answers, front_proxy};
use crate::scenario::world::World;

/// The new authority: first created, then trusted until the scenario ends.
#[derive(Default)]
struct New {
    authority: Option<Authority>,
    trusted: Option<TrustedAuthority>,
}

phrases! {
    /// A certificate of an authority that is not trusted for clients.
    enum UntrustedCertificate as "untrusted_certificate" {
        OfNewAuthority = "a client certificate of a new CA",
        OfFrontProxysAuthority = "a certificate of the front proxy's CA",
    }
}

requires!(front_proxy if "the front proxy's CA");
#[given(expr = "{person} holds {untrusted_certificate}, and is refused with it")]
async fn holds_untrusted_certificate(world: &mut World, person: Person, certificate: UntrustedCertificate) -> Step {
    let request = Request::client(&world.user(&person)?, &[]);
    let leaf = match certificate {
        UntrustedCertificate::OfNewAuthority => create_authority(world)?.issue(&request)?,
        UntrustedCertificate::OfFrontProxysAuthority => world.request_header_authority()?.issue(&request)?,
    };
    world.hold(&person, Credential::Certificate(leaf), None)?;
    is_refused(world, &person).await
}

requires!(front_proxy);
#[given(expr = "a front proxy of a new CA announces {person}, and is refused")]
async fn new_front_proxy_announces(world: &mut World, person: Person) -> Step {
    let leaf = create_authority(world)?.issue(&Request::client(FRONT_PROXY, &[]))?;
    world.hold(&person, front_proxy::announced(leaf, front_proxy::user(&person)), None)?;
    is_refused(world, &person).await
}

phrases! {
    /// An authority that the API server comes to trust.
    enum AddedAuthority as "added_authority" {
        New = "the new CA",
        /// The list is signed by the new CA, and has the certificate that the person holds.
        NewWithRevocations = "the new CA with a list that revokes her certificate",
        FrontProxys = "the front proxy's CA",
    }
}

phrases! {
    /// Those whose certificates an authority signs.
    enum SignsFor as "signs_for" {
        Clients = "client CA file",
        FrontProxies = "front proxy CA file",
    }
}

requires!(authority_files, front_proxy if "the front proxy's CA");
#[when(expr = "{added_authority} is added to the API server's {signs_for}")]
fn authority_is_added(world: &mut World, added: AddedAuthority, holders: SignsFor) -> Step {
    let server = world.endpoint().server;
    let file = match holders {
        SignsFor::Clients => server.client_authorities,
        SignsFor::FrontProxies => server.request_header_authorities,
    };
    let file = file.context("the API server's file of authorities is not ours to rewrite")?;
    let certificate = match added {
        AddedAuthority::New => new_authority(world)?,
        AddedAuthority::NewWithRevocations => with_revocations(world)?,
        AddedAuthority::FrontProxys => world.request_header_authority()?.certificate().to_owned(),
    };
    world.notes::<New>().trusted = Some(TrustedAuthority::add(&file, &certificate)?);
    Ok(())
}

#[then(expr = "announcing {person} with the same certificate, {person} is accepted as {string}")]
async fn announces_with_same(world: &mut World, announced: Person, person: Person, user: String) -> Step {
    let Credential::Certificate(leaf) = world.holding(&person)?.credential.clone() else {
        bail!("{} holds no certificate", person.name())
    };
    let credential = front_proxy::announced(leaf, front_proxy::user(&announced));
    let who = world.person(&person)?;
    let answer = world.ask_with(&who, &credential, &Question::who_am_i()).await;
    answers::accepted(&answer, &user)
}

requires!(administrator);
#[then(expr = "aggregated API servers are told the new CA, and the front proxy's name and headers")]
async fn aggregated_apis_are_told(world: &mut World) -> Step {
    let certificate = new_authority(world)?;
    let told: Api<ConfigMap> = Api::namespaced(world.administrator()?, "kube-system");
    let (told, certificate) = (&told, certificate.trim());
    let known = until("what aggregated APIs are told", TRUSTED, || async move {
        let data = told.get("extension-apiserver-authentication").await?.data.unwrap_or_default();
        let says = |key: &str, text: &str| data.get(key).is_some_and(|value| value.contains(text));
        let missing: Vec<&str> = [
            ("requestheader-client-ca-file", certificate),
            ("requestheader-allowed-names", FRONT_PROXY),
            ("requestheader-username-headers", "X-Remote-User"),
            ("requestheader-group-headers", "X-Remote-Group"),
            ("requestheader-extra-headers-prefix", "X-Remote-Extra-"),
            ("client-ca-file", "BEGIN CERTIFICATE"),
        ]
        .into_iter()
        .filter(|(key, text)| !says(key, text))
        .map(|(key, _)| key)
        .collect();
        Ok::<_, kube::Error>(if missing.is_empty() {
            Condition::Met(())
        } else {
            Condition::NotYet(format!("they are not told: {missing:?}"))
        })
    });
    Ok(known.await?)
}

async fn is_refused(world: &mut World, person: &Person) -> Step {
    let answer = world.ask(person, &Question::who_am_i()).await?;
    answers::refused(
        world.version(),
        &answer,
        Verdict::Unauthenticated,
        "failed: x509: certificate signed by unknown authority",
    )
}

/// Creates the scenario's new authority.
fn create_authority(world: &mut World) -> Step<Authority> {
    let authority = Authority::root(&world.unique("new authority"))?;
    world.notes::<New>().authority = Some(authority.clone());
    Ok(authority)
}

/// Returns the certificate of the new authority, and its revocation list behind it. An API server has no flag for such a list; this is the
/// one file where it could find one.
fn with_revocations(world: &mut World) -> Step<String> {
    let holder = Person::called("she");
    let Credential::Certificate(leaf) = world.holding(&holder)?.credential.clone() else {
        bail!("nobody holds a certificate")
    };
    let authority = world.notes::<New>().authority.clone().context("there is no new authority")?;
    Ok(format!("{}{}", authority.certificate(), authority.revocation_list(&leaf)?))
}

/// Returns the certificate of the new authority.
fn new_authority(world: &mut World) -> Step<String> {
    let authority = world.notes::<New>().authority.as_ref().context("there is no new authority")?;
    Ok(authority.certificate().to_owned())
}
