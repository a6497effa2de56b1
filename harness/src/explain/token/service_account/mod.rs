//! Tokens of service accounts: compared with the API server's own issuer and keys, never with its OpenID Connect issuers.
//!
//! The main types are [`Account`], the token's account, and [`Published`], the API server's own documents. The comparisons are those of
//! kubernetes `pkg/serviceaccount/jwt.go`, `claims.go` and `legacy.go`.

#[cfg(test)]
mod tests;

use jiff::Timestamp;
use serde_json::Value;

use super::{Claims, Evidence, about, signature, times};
use crate::explain::issuers::{Key, KeySet};
use crate::explain::{Effect, Finding, Known};

/// The issuer of tokens in Secrets, which every API server knows (kubernetes `pkg/serviceaccount/legacy.go`, `LegacyIssuer`).
const LEGACY: &str = "kubernetes/serviceaccount";

/// The beginning of the subject (kubernetes/apiserver `pkg/authentication/serviceaccount/util.go`).
const SUBJECT: &str = "system:serviceaccount:";

/// The paths of the API server's own documents (kubernetes `pkg/serviceaccount/openidmetadata.go`).
pub(super) const DISCOVERY: &str = "/.well-known/openid-configuration";
/// The path of its keys.
pub(super) const KEYS: &str = "/openid/v1/jwks";

/// The API server's own documents about its service accounts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Published {
    /// The issuer of new tokens: the first `--service-account-issuer`.
    pub issuer: String,
    /// The keys that verify tokens.
    pub keys: KeySet,
}

/// The account that a token is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Account {
    /// `true` for a token from a Secret, without issuer, audience and expiry of its own.
    legacy: bool,
    namespace: String,
    name: String,
    uid: String,
    /// The kind, name and UID of the object that it is bound to.
    bound: Option<(&'static str, String, String)>,
}

impl Account {
    /// Returns the account of a token that looks like one of a service account.
    pub(super) fn of(claims: &Claims<'_>) -> Option<Self> {
        let (namespace, name) = claims.text("sub")?.strip_prefix(SUBJECT)?.split_once(':')?;
        let account = |legacy, uid: &str, bound| Self {
            legacy,
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            uid: uid.to_owned(),
            bound,
        };
        let legacy = |field: &str| claims.text(&format!("kubernetes.io/serviceaccount/{field}"));
        if claims.issuer() == LEGACY {
            let bound = legacy("secret.name").map(|secret| ("secret", secret.to_owned(), String::new()));
            return Some(account(true, legacy("service-account.uid").unwrap_or_default(), bound));
        }
        let private = claims.get("kubernetes.io").filter(|private| private.is_object())?;
        let text = |path: &str| private.pointer(path).and_then(Value::as_str).unwrap_or_default();
        let bound = ["pod", "secret", "node"].into_iter().find_map(|kind| {
            private.get(kind)?;
            Some((
                kind,
                text(&format!("/{kind}/name")).to_owned(),
                text(&format!("/{kind}/uid")).to_owned(),
            ))
        });
        Some(account(false, text("/serviceaccount/uid"), bound))
    }
}

/// Returns the findings about a service account's token.
pub(super) fn check(
    token: &str,
    claims: &Claims<'_>,
    account: &Account,
    known: &Known,
    evidence: &Evidence,
    now: Timestamp,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    match &evidence.accounts {
        Some(Ok(published)) => findings.extend(key(token, claims, account, published)),
        Some(Err(why)) if evidence.refused => findings.push(unread(claims, why)),
        _ => {}
    }
    let signed = !findings.iter().any(|finding| finding.effect == Effect::Cause);
    if account.legacy {
        findings.push(Finding::right(format!(
            "this is the token of the service account {} in {} from a Secret: it needs no issuer and no expiry",
            account.name, account.namespace
        )));
    } else {
        if signed {
            findings.extend(issuer(claims, known, evidence));
        }
        findings.extend(audience(claims, known, evidence));
        findings.extend(times::of_account(&claims.jwt.claims, now));
    }
    if evidence.refused && !findings.iter().any(|finding| finding.effect == Effect::Cause) {
        findings.push(objects(account));
    }
    findings
}

fn unread(claims: &Claims<'_>, why: &str) -> Finding {
    about(
        "S24",
        Finding::unjudged(
            format!(
                "this is a service account's token of the issuer {:?}, signed with the key {:?}; whether they are this API server's cannot \
                be judged here ({why})",
                claims.issuer(),
                claims.key().unwrap_or_default()
            ),
            format!("compare with `kubectl get --raw {DISCOVERY}` and `kubectl get --raw {KEYS}`, as somebody who may read them"),
        ),
    )
}

/// The key of a token must be one of the API server's: that of its id (1.34 and later), or any (1.30).
fn key(token: &str, claims: &Claims<'_>, account: &Account, published: &Published) -> Option<Finding> {
    let ids = published.keys.ids();
    let by = published.keys.keys.iter().find(|key| key.signed(token, claims.algorithm()));
    if let Some(key) = by {
        return Some(Finding::right(format!(
            "the signature is right: it was made with the key {}, which the API server publishes at {KEYS}",
            named(key)
        )));
    }
    if let Some(beyond) = signature::beyond(claims, &published.keys) {
        return Some(beyond);
    }
    let whose = match claims.key() {
        Some(id) => format!("the token is signed with the key {id:?}, and this API server publishes {ids:?} at {KEYS}"),
        None => format!("the token names no key, and none of the keys {ids:?} that this API server publishes at {KEYS} made its signature"),
    };
    let (seen, change) = if claims.key().is_some_and(|id| ids.contains(&id)) {
        (
            format!("{whose}, but that key did not make its signature"),
            "get a new token: this one was cut or changed after it was signed".to_owned(),
        )
    } else if !account.legacy && claims.issuer() != published.issuer {
        (
            format!(
                "{whose}; its issuer is {:?}, and this API server's is {:?}: it seems to be another cluster's token",
                claims.issuer(),
                published.issuer
            ),
            "present the token to its own cluster, or get one of this cluster (`kubectl create token`); if both are this cluster's, give \
            every API server the same --service-account-key-file, with the old key in it as well"
                .to_owned(),
        )
    } else {
        let anew = if account.legacy {
            "; for a Secret from the time of an old key: delete it, and create it again"
        } else {
            ""
        };
        (
            whose,
            format!(
                "give every API server the same --service-account-key-file (with an old key beside the new one, tokens of both work), and \
                the same --service-account-signing-key-file{anew}"
            ),
        )
    };
    Some(Finding::cause("B6", seen, change))
}

fn named(key: &Key) -> String {
    key.id.as_ref().map_or_else(|| "without an id".to_owned(), |id| format!("{id:?}"))
}

/// An API server can have several issuers; its document names the first one alone.
fn issuer(claims: &Claims<'_>, known: &Known, evidence: &Evidence) -> Option<Finding> {
    let said = claims.issuer();
    let change = format!("name both to the API server, the new one first: --service-account-issuer=NEW --service-account-issuer={said}");
    if !known.service_account_issuers.is_empty() {
        if known.service_account_issuers.iter().any(|issuer| issuer == said) {
            return Some(Finding::right(format!(
                "the issuer {said:?} is one of the API server's own service account issuers"
            )));
        }
        let seen = format!(
            "this is a service account's token of the issuer {said:?}, and the API server's own issuers are {:?}",
            known.service_account_issuers
        );
        return Some(Finding::cause("O2", seen, change));
    }
    let Some(Ok(published)) = &evidence.accounts else { return None };
    if published.issuer == said {
        return Some(Finding::right(format!("the issuer {said:?} is the API server's own ({DISCOVERY})")));
    }
    if !evidence.refused {
        return None;
    }
    let seen = format!(
        "this is a service account's token of the issuer {said:?}, and the API server's first one is {:?} ({DISCOVERY}); if it has no \
        other, it refuses the token without a reason",
        published.issuer
    );
    let settle = "the flags of the API server: each --service-account-issuer is accepted, and only the first one is published";
    Some(about("O2", Finding::likely(seen, change, settle)))
}

/// Without `--api-audiences`, an API server's audiences are its service account issuers (kubernetes
/// `pkg/kubeapiserver/options/authentication.go`); a token without an audience is for every API server.
fn audience(claims: &Claims<'_>, known: &Known, evidence: &Evidence) -> Option<Finding> {
    let audiences = claims.audiences();
    let own = known.api_audiences();
    if audiences.is_empty() {
        return None;
    }
    let change = "request a token without an audience, or with that of the API server";
    let seen = |own: &[String]| format!("the token is for {audiences:?}, and the API server's audiences are {own:?}");
    if !own.is_empty() {
        let is_for_it = audiences.iter().any(|audience| own.contains(audience));
        return (!is_for_it).then(|| Finding::cause("S18", seen(&own), change));
    }
    let Some(Ok(published)) = &evidence.accounts else { return None };
    if audiences.contains(&published.issuer) || !evidence.refused {
        return None;
    }
    let own = std::slice::from_ref(&published.issuer);
    let settle = "--api-audiences of the API server, which are its issuers if it is not set";
    Some(about("S18", Finding::likely(seen(own), change, settle)))
}

/// Returns the finding that the objects of a token may be gone, and how to see that.
fn objects(account: &Account) -> Finding {
    let Account { namespace, name, uid, .. } = account;
    let mut ask = format!("ask `kubectl -n {namespace} get serviceaccount {name} -o jsonpath={{.metadata.uid}}`: it must be {uid}");
    let mut what = "its account".to_owned();
    if let Some((kind, bound, uid)) = &account.bound {
        let namespace = if *kind == "node" {
            String::new()
        } else {
            format!("-n {namespace} ")
        };
        let must = if uid.is_empty() {
            "it must be there, with this very token, and without the label kubernetes.io/legacy-token-invalid-since".to_owned()
        } else {
            format!("it must be {uid}")
        };
        what = format!("its account or its {kind} {bound}");
        ask = format!("{ask}; and `kubectl {namespace}get {kind} {bound} -o jsonpath={{.metadata.uid}}`: {must}");
    }
    ask = format!("{ask}; behind a load balancer, compare {KEYS} of every API server: all must have the same keys");
    about(
        "S12",
        Finding::unjudged(
            format!(
                "this is the token of the service account {name} in {namespace}: it is refused if {what} was deleted, or deleted and created again"
            ),
            ask,
        ),
    )
}
