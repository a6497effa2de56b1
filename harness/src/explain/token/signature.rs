//! The signature of an issuer's token: its algorithm, its key, and the keys that the API server may still have.
//!
//! The main function is [`check`]. The order is that of coreos/go-oidc `verify.go` and `jwks.go`.

use super::{Claims, Evidence, about, entra, issuer};
use crate::explain::Finding;
use crate::explain::issuers::{ALGORITHMS, Fetched, Issuer, Key, KeySet, Source};

/// The reason of a server that has no key for a signature (coreos/go-oidc `jwks.go`).
const NOT_VERIFIED: &str = "failed to verify signature: failed to verify id token signature";

/// The findings about a signature.
#[derive(Debug, Default)]
pub(super) struct Checked {
    /// The findings.
    pub findings: Vec<Finding>,
    /// A guess that counts only if nothing else is wrong with the token.
    pub guess: Option<Finding>,
}

/// Checks the algorithm and the signature of `token`.
pub(super) fn check(token: &str, claims: &Claims<'_>, issuer: &Issuer, evidence: &Evidence) -> Checked {
    if let Some(finding) = algorithm(claims.algorithm(), issuer) {
        return Checked {
            findings: vec![finding],
            guess: None,
        };
    }
    let fetched = match &evidence.issuer {
        None => return Checked::default(),
        // The finding about the issuer itself says more.
        Some(Err(_)) if evidence.is_waited_for() => return Checked::default(),
        Some(Err(why)) => {
            let unread = Finding::unjudged(
                format!(
                    "the signature cannot be judged: the issuer {} cannot be read from this machine ({why}); the API server may still reach it",
                    issuer.url
                ),
                format!("read it from where the API server runs: `curl {}`", issuer.discovery_url()),
            );
            let microsoft = entra::is_for_microsoft_alone(claims.jwt).then(|| {
                let (seen, change) = microsoft(claims);
                let settle = "no key of the issuer verifies it: jwt.ms and other tools say the same";
                about("O8", Finding::likely(seen, change, settle))
            });
            return Checked {
                findings: microsoft.into_iter().chain([about("O26", unread)]).collect(),
                guess: None,
            };
        }
        Some(Ok(fetched)) => fetched,
    };
    let mut checked = Checked::default();
    checked
        .findings
        .extend(issuer::document(issuer, &fetched.issuer, Some(claims.issuer())));
    if let Some(key) = fetched.keys.unreadable() {
        checked.findings.push(Finding::cause(
            "O26",
            format!(
                "the issuer publishes the key {} of the type {}, and an API server that cannot read one key refuses the whole set",
                named(key),
                key.kind()
            ),
            "make the issuer publish RSA keys and EC keys on P-256, P-384 and P-521 alone",
        ));
        return checked;
    }
    match fetched.keys.tried(claims.key()).find(|key| key.signed(token, claims.algorithm())) {
        Some(key) => {
            checked.findings.push(Finding::right(format!(
                "the signature is right: it was made with the key {}, which the issuer publishes",
                named(key)
            )));
            match server_keys(key, fetched, evidence) {
                Some(finding) if finding.basis == crate::explain::Basis::Likely => checked.guess = Some(finding),
                finding => checked.findings.extend(finding),
            }
        }
        None => checked
            .findings
            .push(beyond(claims, &fetched.keys).unwrap_or_else(|| unverified(claims, fetched))),
    }
    checked
}

/// Returns the finding about a key that an API server can verify with, and the library here cannot.
pub(super) fn beyond(claims: &Claims<'_>, keys: &KeySet) -> Option<Finding> {
    let key = keys.tried(claims.key()).find(|key| !key.is_verifiable_here())?;
    let seen = format!(
        "the signature cannot be judged here: the key {} has more than 4096 bits, which the API server takes and authlab does not",
        named(key)
    );
    Some(about(
        "O8",
        Finding::unjudged(seen, "verify it with another tool, such as `jose jws ver`"),
    ))
}

/// Returns the guess about a token whose issuer's settings are not known, and whose signature no setting makes right.
pub(super) fn of_no_issuer(claims: &Claims<'_>) -> Option<Finding> {
    let unlike = never(claims.algorithm()).map(|finding| Finding {
        basis: crate::explain::Basis::Likely,
        settle: Some("only a token webhook could take it: ask the cluster's operator whether there is one".to_owned()),
        ..finding
    });
    unlike.or_else(|| {
        let (seen, change) = entra::is_for_microsoft_alone(claims.jwt).then(|| microsoft(claims))?;
        let settle = "no key of the issuer verifies it: jwt.ms and other tools say the same";
        Some(about("O8", Finding::likely(seen, change, settle)))
    })
}

fn named(key: &Key) -> String {
    key.id.as_ref().map_or_else(|| "without an id".to_owned(), |id| format!("{id:?}"))
}

/// Returns the finding about an algorithm that is not accepted. A configuration file allows nine of them, flags one unless they say more
/// (kubernetes `pkg/kubeapiserver/options/authentication.go`).
fn algorithm(algorithm: &str, issuer: &Issuer) -> Option<Finding> {
    if issuer.algorithms.iter().any(|allowed| allowed == algorithm) {
        return None;
    }
    if let Some(finding) = never(algorithm) {
        return Some(finding);
    }
    let change = match issuer.source {
        Source::Flags => format!("add {algorithm} to --oidc-signing-algs, or move to an AuthenticationConfiguration, which allows it"),
        Source::File => "make the issuer sign with RS256".to_owned(),
    };
    Some(Finding::cause(
        "O9",
        format!(
            "the token is signed with {algorithm}, and --oidc-signing-algs only allows {}",
            issuer.algorithms.join(", ")
        ),
        change,
    ))
}

/// Returns the finding about an algorithm that no setting allows.
fn never(algorithm: &str) -> Option<Finding> {
    if algorithm == "none" || algorithm.starts_with("HS") {
        return Some(Finding::cause(
            "O25",
            format!("the token is signed with {algorithm}, which no API server accepts"),
            "make the issuer sign with RS256 or ES256; a refresh token is often signed so, and is for the issuer alone",
        ));
    }
    if !ALGORITHMS.contains(&algorithm) {
        return Some(Finding::cause(
            "O9",
            format!(
                "the token is signed with {algorithm}, and the API server takes no {algorithm}, whatever is configured: it takes {}",
                ALGORITHMS.join(", ")
            ),
            "make the issuer sign with RS256 or ES256",
        ));
    }
    None
}

/// Returns the finding about a signature that no key of the issuer made.
fn unverified(claims: &Claims<'_>, fetched: &Fetched) -> Finding {
    let algorithm = claims.algorithm();
    let ids = fetched.keys.ids();
    if claims.jwt.signature.is_empty() {
        return Finding::cause(
            "O8",
            format!("the token has no signature: its third part is empty, and its header says {algorithm}"),
            "present the whole token: this one was cut, perhaps to show it to somebody",
        );
    }
    if entra::is_for_microsoft_alone(claims.jwt) {
        let (seen, change) = microsoft(claims);
        return Finding::cause("O8", seen, change);
    }
    let tried: Vec<&Key> = fetched.keys.tried(claims.key()).collect();
    let Some(id) = claims.key() else {
        return Finding::cause(
            "O8",
            format!("the token names no key (`kid`), and none of the issuer's keys {ids:?} made its signature"),
            "get a new token: its issuer has rotated the key out, or it was changed after it was signed",
        );
    };
    if tried.is_empty() {
        return Finding::cause(
            "O8",
            format!("the token is signed with the key {id:?}, and the issuer publishes {ids:?}"),
            "get a new token: the issuer has rotated the key out, or never had it",
        );
    }
    if let Some(key) = tried.iter().find(|key| !key.suits(algorithm)) {
        return Finding::cause(
            "O8",
            format!(
                "the token's header says {algorithm}, and its key {id:?} is of the type {}, which cannot sign so: the issuer publishes it so",
                key.kind()
            ),
            format!("make the issuer write the right algorithm into the header, or sign with a key for {algorithm}"),
        );
    }
    Finding::cause(
        "O8",
        format!("the token names the key {id:?}, and the key that the issuer publishes under that name did not make its signature"),
        "get a new token: this one was cut or changed after it was signed, or another issuer with the same name of a key made it",
    )
}

fn microsoft(claims: &Claims<'_>) -> (String, String) {
    let whose = if entra::is_for_graph(&claims.audiences()) {
        " for Microsoft Graph"
    } else {
        ""
    };
    (
        format!(
            "this is a token{whose} with a `nonce` in its header (key {:?}): Microsoft alone can verify its signature",
            claims.key().unwrap_or_default()
        ),
        "ask for a token of your own application: its scope is api://CLIENT-ID/.default, or `openid` for an ID token".to_owned(),
    )
}

/// Returns the finding on whether the API server has `key`, which made the signature: it keeps the keys for as long as the issuer's answer
/// says (coreos/go-oidc `jwks.go`), and its metrics say which set it has (from 1.35 on).
fn server_keys(key: &Key, fetched: &Fetched, evidence: &Evidence) -> Option<Finding> {
    if !evidence.refused {
        return None;
    }
    let unverified = match &evidence.reason {
        Some(reason) if reason.contains(NOT_VERIFIED) => true,
        // The server gives another reason.
        Some(_) => return None,
        None => false,
    };
    let named = named(key);
    let kept = &fetched.kept;
    let last = evidence.last_fetch.as_ref();
    let since = last.map_or_else(String::new, |last| format!(", which it fetched at {}", last.at));
    let behaviour = if kept.outlives_a_new_key() { "O29" } else { "O8" };
    let change = if kept.outlives_a_new_key() {
        format!(
            "restart the API server to mend it now; from then on publish each new key for longer than {} s before signing with it, or let \
            the issuer send a smaller max-age",
            kept.seconds
        )
    } else {
        "restart the API server to mend it now; look for a cache or a second instance of the issuer between them".to_owned()
    };
    let keeps = if kept.outlives_a_new_key() {
        format!("; it keeps an answer for {kept}, and a new key does not make it ask again")
    } else {
        "; it asks again for an unknown key, since the issuer's answer is not kept".to_owned()
    };
    let seen = format!(
        "the issuer publishes the key {named}, which made the signature, and the API server may still have an older set{since}{keeps}"
    );
    match last.and_then(|last| last.hash.as_deref()) {
        Some(hash) if hash == fetched.hash => {
            let same = format!("the API server has the keys that the issuer publishes now ({hash}){since}");
            Some(Finding::right(same))
        }
        Some(hash) => {
            let seen = format!(
                "the issuer publishes the key {named}, which made the signature, and the API server has another set{since}: the issuer's \
                is now {}, its own {hash}{keeps}",
                fetched.hash
            );
            Some(Finding::cause(behaviour, seen, change))
        }
        None if unverified && kept.outlives_a_new_key() => Some(Finding::cause(behaviour, seen, change)),
        None if unverified => {
            let settle = "read the keys from where the API server runs, and compare them";
            Some(about(behaviour, Finding::likely(seen, change, settle)))
        }
        None if kept.outlives_a_new_key() => {
            let settle = "the API server's log (failed to verify id token signature), or from 1.35 on its metric \
                apiserver_authentication_jwt_authenticator_jwks_fetch_last_timestamp_seconds, says whether it has the key";
            Some(about(behaviour, Finding::likely(seen, change, settle)))
        }
        None => None,
    }
}
