//! Which authority signed a client certificate, and whether the server accepts it.
//!
//! The main function is [`judge`]. With the authorities in hand, their signatures are verified (`pki::chain`); with their names alone, as a
//! handshake has them, the finding is a guess.

use jiff::Timestamp;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;
use x509_parser::x509::X509Name;

use super::{Authorities, Finding, Known, WEAK, path, time, user};
use crate::pem;
use crate::pki::chain::{Link, Refusal, Unfit, chains, signed_by};

/// The source of the authorities in hand.
const CLIENTS: &str = "--client-ca-file";

/// Returns the findings about the signer of `certificates`, the leaf first.
pub(super) fn judge(certificates: &[X509Certificate<'_>], authorities: &Authorities<'_>, known: &Known, now: Timestamp) -> Option<Finding> {
    let leaf = certificates.first()?;
    let second = now.as_second();
    let clients = authorities.clients.map(pem::blocks).unwrap_or_default();
    let clients: Vec<X509Certificate<'_>> = clients.iter().filter_map(|block| block.parse_x509().ok()).collect();
    let by_clients = (!clients.is_empty()).then(|| chains(certificates, &clients, second));
    if let Some(Ok(found)) = &by_clients {
        return Some(trusted(leaf, found));
    }
    if is_front_proxys(certificates, known, second) {
        return front_proxy(leaf, known);
    }
    match by_clients {
        Some(Err(refusal)) => Some(refused(&refusal, certificates, &clients)),
        _ => by_name(certificates, authorities),
    }
}

/// Returns the finding about a certificate with a chain to an authority: each certificate of the chain must allow its use by clients
/// (Go `checkChainForKeyUsage`).
fn trusted(leaf: &X509Certificate<'_>, found: &[Vec<&X509Certificate<'_>>]) -> Finding {
    let forbids = |one: &&&X509Certificate<'_>| {
        let usage = one.extended_key_usage().ok().flatten();
        usage.is_some_and(|usage| !usage.value.client_auth && !usage.value.any)
    };
    // The leaf's own usages are a finding of their own.
    let limits: Option<Vec<_>> = found.iter().map(|chain| chain.get(1..)?.iter().find(forbids).copied()).collect();
    if let Some(limit) = limits.as_ref().and_then(|limits| limits.first()) {
        return Finding::cause(
            "X6",
            format!(
                "the certificate is signed by {:?}, whose own extended key usages lack `client auth`: they limit what it signs",
                limit.subject().to_string()
            ),
            "have that authority's certificate created again with extendedKeyUsage=clientAuth, or without extended key usages",
        );
    }
    let constrained = |chain: &Vec<&X509Certificate<'_>>| {
        let mut above = chain.iter().skip(1);
        above.any(|one| !matches!(one.name_constraints(), Ok(None)) || !matches!(one.policy_constraints(), Ok(None)))
    };
    if found.iter().all(constrained) {
        return Finding::unjudged(
            "the signatures are right; the constraints of the authorities (names or policies) are not judged here",
            "ask `openssl verify -purpose sslclient -CAfile client-ca.crt -untrusted FILE FILE`",
        );
    }
    let root = found
        .first()
        .and_then(|chain| chain.last())
        .map_or_else(String::new, |root| root.subject().to_string());
    Finding::right(format!(
        "the certificate of {:?} is signed by {root:?}, which is in {CLIENTS} (signatures verified)",
        user(leaf)
    ))
}

/// Returns `true` if the front-proxy CA signed the certificate.
fn is_front_proxys(certificates: &[X509Certificate<'_>], known: &Known, now: i64) -> bool {
    let blocks = known.proxy_authorities.as_deref().map(pem::blocks).unwrap_or_default();
    let authorities: Vec<X509Certificate<'_>> = blocks.iter().filter_map(|block| block.parse_x509().ok()).collect();
    !authorities.is_empty() && chains(certificates, &authorities, now).is_ok()
}

/// Checks the name in a certificate of the front-proxy CA, which is accepted only for front proxies with an allowed name.
fn front_proxy(leaf: &X509Certificate<'_>, known: &Known) -> Option<Finding> {
    let names = known.proxy_names.as_ref()?;
    let name = user(leaf);
    (!names.is_empty() && !names.contains(&name)).then(|| {
        Finding::cause(
            "P6",
            format!("the certificate is of the front proxies' authority, and its common name {name:?} is not among {names:?}: its identity headers are ignored"),
            "give the proxy a certificate with one of these names, or add its name to --requestheader-allowed-names",
        )
    })
}

/// Returns the finding about a certificate for which no chain to the authorities in hand was found.
fn refused(refusal: &Refusal, certificates: &[X509Certificate<'_>], authorities: &[X509Certificate<'_>]) -> Finding {
    let names: Vec<String> = authorities.iter().map(|one| one.subject().to_string()).collect();
    let (child, parent, why) = match refusal {
        Refusal::NoIssuer(child) => return no_issuer(child, certificates, &names),
        Refusal::Candidate { child, parent, why } => (child, parent, why),
    };
    let (child_name, parent_name) = (&child.subject, &parent.subject);
    let again = format!("have it signed by an authority of {CLIENTS}");
    match why {
        Unfit::OtherKey => Finding::cause(
            "X3",
            other_key(child, parent, CLIENTS),
            format!("{again}: this one's key is another"),
        ),
        Unfit::Insecure(algorithm) => Finding::cause(
            WEAK,
            format!("the certificate {child_name:?} is signed by {parent_name:?} with {algorithm}, which API servers refuse (since 1.24)"),
            "have it signed again with SHA-256 (`openssl x509 -req -sha256 …`, `openssl ca -md sha256 …`)",
        ),
        Unfit::Unsupported(what) => Finding::cause(
            "X3",
            format!("the certificate {child_name:?} is signed by {parent_name:?} with {what}, which Go does not verify"),
            "have it signed with ECDSA or RSA (2048 bits or more) and SHA-256",
        ),
        Unfit::Unknown(what) => Finding::unjudged(
            format!("the signature of {parent_name:?} on {child_name:?}: {what}"),
            "ask `openssl verify -CAfile client-ca.crt FILE`",
        ),
        Unfit::NoAuthority => Finding::cause(
            "X3",
            format!(
                "the certificate {child_name:?} is signed by {parent_name:?}, which is not the certificate of an authority (basicConstraints CA:TRUE, keyUsage keyCertSign)"
            ),
            again,
        ),
        Unfit::Expired(end) => Finding::cause(
            "X8",
            format!(
                "the certificate {child_name:?} is signed by {parent_name:?}, which expired at {}",
                time(*end)
            ),
            "have the authority renewed, and give its new certificate to the API server or to the client",
        ),
        Unfit::NotYetValid(begin) => Finding::cause(
            "X5",
            format!(
                "the certificate {child_name:?} is signed by {parent_name:?}, which is not valid before {}",
                time(*begin)
            ),
            "wait, or correct the clocks of the signer and of the API server (NTP)",
        ),
        Unfit::Critical(extension) => Finding::cause(
            "X3",
            format!(
                "the certificate {child_name:?} is signed by {parent_name:?}, which has the critical extension {extension}, unknown to Go"
            ),
            again,
        ),
        Unfit::PathLength(limit) => Finding::cause(
            "X3",
            format!("the authority {parent_name:?} allows {limit} intermediate certificates below it (pathlen), and there are more"),
            "have it signed by an authority that is closer to the root, or create the root again without pathlen",
        ),
    }
}

/// Describes a signature by another key of the same name.
fn other_key(child: &Link, parent: &Link, source: &str) -> String {
    let keys = match (&child.issuer_key, &parent.key) {
        (Some(own), Some(theirs)) if own != theirs => {
            format!(": it names the key {own} (authority key identifier), and the key in {source} is {theirs}")
        }
        _ => ": its signature does not fit".to_owned(),
    };
    format!(
        "the certificate {:?} is signed by another authority of the name {:?} than the one in {source}{keys}",
        child.subject, child.issuer
    )
}

fn no_issuer(child: &Link, certificates: &[X509Certificate<'_>], names: &[String]) -> Finding {
    let of = format!("{CLIENTS} has {names:?}");
    if child.own {
        let what = if certificates.len() == 1 {
            "the certificate is signed by itself"
        } else {
            "the certificates end at one that is signed by itself"
        };
        return Finding::cause(
            "X3",
            format!("{what} ({:?}), and {of}", child.subject),
            format!("have the certificate signed by an authority of {CLIENTS}"),
        );
    }
    if names.contains(&child.issuer) {
        return Finding::cause(
            "X3",
            format!(
                "the certificate {:?} is signed by {:?}, and {of}: the same text in another encoding, which is another name",
                child.subject, child.issuer
            ),
            "have the certificate signed with the very certificate of the authority: its name is compared byte by byte",
        );
    }
    Finding::cause(
        "X3",
        format!(
            "the certificate {:?} is signed by {:?}, whose certificate is neither in the file nor in {CLIENTS}: {of}",
            child.subject, child.issuer
        ),
        format!(
            "have it signed by an authority of {CLIENTS}; or, if {:?} is an intermediate one below these, add its certificate after the client's own",
            child.issuer
        ),
    )
}

/// Judges the names of the issuers, by those that the server advertises.
fn by_name(certificates: &[X509Certificate<'_>], authorities: &Authorities<'_>) -> Option<Finding> {
    // A server that advertises no CA says nothing about which ones it accepts.
    if authorities.advertised.is_empty() {
        return None;
    }
    let path = path(certificates);
    let advertised = |one: &&&X509Certificate<'_>| authorities.advertised.iter().any(|name| name == one.issuer().as_raw());
    let Some(signed) = path.iter().find(advertised) else {
        let last = Link::of(path.last()?);
        let names: Vec<String> = authorities.advertised.iter().map(|name| readable(name)).collect();
        let signer = if last.own {
            "by itself".to_owned()
        } else if names.contains(&last.issuer) {
            format!("by {:?} (the same text in another encoding)", last.issuer)
        } else {
            format!("by {:?}", last.issuer)
        };
        return Some(Finding {
            behaviour: Some("X3"),
            ..Finding::likely(
                format!("the certificate is signed {signer}, and the server accepts those of {names:?}"),
                "have it signed by an authority of --client-ca-file, or also present the intermediate certificates",
                "`openssl verify -CAfile client-ca.crt -untrusted FILE FILE` with the server's --client-ca-file; a load balancer that ends TLS names \
                its own authorities",
            )
        });
    };
    let serving = authorities.serving.map(pem::blocks).unwrap_or_default();
    let serving: Vec<X509Certificate<'_>> = serving.iter().filter_map(|block| block.parse_x509().ok()).collect();
    let same_name: Vec<&X509Certificate<'_>> = serving
        .iter()
        .filter(|one| one.subject().as_raw() == signed.issuer().as_raw())
        .collect();
    let issuer = signed.issuer().to_string();
    let ask = "ask `kubectl get configmap extension-apiserver-authentication -n kube-system -o jsonpath='{.data.client-ca-file}'` as an \
        administrator, then `openssl verify -CAfile` with it";
    let Some(first) = same_name.first() else {
        return Some(Finding::unjudged(
            format!("the signature: the server accepts an authority with the issuer's name, {issuer:?}, and its key is not in hand"),
            ask,
        ));
    };
    if same_name.iter().any(|one| signed_by(signed, one).is_none()) {
        return Some(Finding::right(format!(
            "the certificate is signed by {issuer:?}, which also signed the server's own certificate, and whose name the server accepts"
        )));
    }
    if signed_by(signed, first) != Some(Unfit::OtherKey) {
        return None;
    }
    Some(Finding {
        behaviour: Some("X3"),
        ..Finding::likely(
            other_key(&Link::of(signed), &Link::of(first), "the authority of the server's own certificate"),
            "use the certificate that belongs to this cluster: it may be that of another one, or from before the cluster was created again",
            ask,
        )
    })
}

fn readable(name: &[u8]) -> String {
    X509Name::from_der(name).map_or_else(|_| hex::encode(name), |(_, name)| name.to_string())
}
