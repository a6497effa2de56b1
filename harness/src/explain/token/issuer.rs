//! The issuer that a token names, compared with those that an API server is configured with.
//!
//! The main functions are [`configured`] and [`unknown`].

use super::{Claims, entra};
use crate::explain::issuers::{Issuer, Mapping, difference};
use crate::explain::{Basis, Finding, Known};

/// The two spellings of Google's issuer, which an API server takes for one (kubernetes/apiserver
/// `plugin/pkg/authenticator/token/oidc/oidc.go`, `untrustedIssuer`).
const GOOGLE: (&str, &str) = ("accounts.google.com", "https://accounts.google.com");

/// Returns the issuer of the configuration that the issuer `said` by a token means, if there is one.
#[must_use]
pub fn configured<'a>(known: &'a Known, said: &str) -> Option<&'a Issuer> {
    let said = if said == GOOGLE.0 { GOOGLE.1 } else { said };
    known.issuers.iter().find(|issuer| issuer.url == said)
}

/// Returns the finding about a token whose issuer the API server is not configured with. The server gives no reason for that: it goes on
/// to the next authenticator.
pub(super) fn unknown(claims: &Claims<'_>, known: &Known) -> Option<Finding> {
    if !known.all && known.issuers.is_empty() {
        return None;
    }
    let said = claims.issuer();
    let alike = known
        .issuers
        .iter()
        .find_map(|issuer| Some((&issuer.url, difference(said, &issuer.url)?)));
    let of_entra = known
        .issuers
        .iter()
        .find_map(|issuer| entra::difference(said, &issuer.url, &claims.audiences()));
    let finding = if said.is_empty() {
        Finding::cause(
            "O2",
            "the token names no issuer (the claim `iss`), so no issuer of the API server takes it",
            "present an ID token: an access token may have another form",
        )
    } else if let Some((seen, change)) = of_entra {
        Finding::cause("O28", seen, change)
    } else if let Some((url, how)) = alike {
        let finding = Finding::cause(
            "O28",
            format!("the token's issuer is {said:?}, and the API server's is {url:?}: {}", how.how),
            "make the two exactly the same: the API server gives no reason for a token of an unknown issuer",
        );
        if how.is_one_issuer {
            finding
        } else {
            let change = "if both are one issuer, make the two exactly the same; if not, log in at the API server's";
            let settle = format!(
                "the discovery documents of both ({}): the same jwks_uri means one issuer",
                Issuer::by_flags(url, "").discovery_url()
            );
            Finding {
                change: Some(change.to_owned()),
                ..likely(finding, settle)
            }
        }
    } else {
        let urls: Vec<&str> = known.issuers.iter().map(|issuer| issuer.url.as_str()).collect();
        let seen = if urls.is_empty() {
            format!("the token's issuer is {said:?}, and the API server is configured with no issuer")
        } else {
            let known = if known.all { "" } else { "known " };
            format!("the token's issuer is {said:?}, and the API server's {known}issuers are {urls:?}")
        };
        Finding::cause(
            "O2",
            seen,
            "log in at an issuer that the API server knows, or configure it with this one",
        )
    };
    // A webhook may know the token's issuer, and may have another reason to refuse it.
    Some(match known.others {
        Some(others) if others.webhook => likely(
            finding,
            "the API server also asks its token webhook, whose own log says why it refused",
        ),
        Some(_) if known.all => finding,
        Some(_) => likely(finding, "the API server's configuration, which may have more issuers"),
        None => likely(
            finding,
            "the API server's configuration, which may have more issuers, or a token webhook that knows this one (EKS, AKS and Rancher have one)",
        ),
    })
}

/// Returns the finding as a guess; what settles it is said after what it already says.
fn likely(finding: Finding, settle: impl Into<String>) -> Finding {
    let settle = settle.into();
    Finding {
        settle: Some(finding.settle.map_or_else(|| settle.clone(), |first| format!("{first}; {settle}"))),
        basis: Basis::Likely,
        ..finding
    }
}

/// Returns the finding on a discovery document whose issuer is not the configured one: the API server never gets ready for it then
/// (coreos/go-oidc `oidc.go`, `NewProvider`).
#[must_use]
pub fn document(issuer: &Issuer, says: &str, token_says: Option<&str>) -> Option<Finding> {
    if says == issuer.url {
        return None;
    }
    let seen = format!(
        "the issuer's discovery document says {says}, and the API server is configured with {}",
        issuer.url
    );
    let change = match token_says.and_then(|said| entra::difference(said, &issuer.url, &[])) {
        Some((_, change)) => change,
        None if says.contains("{tenantid}") => {
            "configure the API server with the issuer of one tenant: in its URL, put the tenant's id in \
            place of `common` or `organizations`"
                .to_owned()
        }
        None => "configure the API server with the issuer's own URL".to_owned(),
    };
    Some(Finding::cause("O28", seen, change))
}

/// Returns what is known about the groups of a provider that never sends any.
pub(super) fn sends_no_groups(issuer: &Issuer) -> Option<&'static str> {
    (issuer.url == GOOGLE.1 && issuer.groups != Mapping::Unset).then_some("; Google's ID tokens never have groups")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::explain::OtherAuthenticators;
    use crate::jwt::Jwt;

    fn known(urls: &[&str]) -> Known {
        Known {
            issuers: urls.iter().map(|url| Issuer::by_flags(url, "kubernetes")).collect(),
            all: true,
            others: Some(OtherAuthenticators::default()),
            ..Known::default()
        }
    }

    fn found(issuer: &Value, known: &Known) -> Option<Finding> {
        let jwt = Jwt {
            header: serde_json::Map::new(),
            claims: json!({ "iss": issuer }).as_object().expect("an object").clone(),
            signature: Vec::new(),
        };
        unknown(&Claims::of(&jwt), known)
    }

    #[test]
    fn googles_two_spellings_are_one() {
        let known = known(&["https://accounts.google.com"]);
        for said in ["accounts.google.com", "https://accounts.google.com"] {
            assert!(configured(&known, said).is_some(), "{said}");
        }
        assert!(configured(&known, "https://accounts.google.com/").is_none());
    }

    #[test]
    fn an_unknown_issuer_is_named_with_the_known_ones() {
        let said = |issuer: &str, urls: &[&str]| found(&json!(issuer), &known(urls)).expect("a finding");
        let one = said("https://kc.test/realms/a/", &["https://kc.test/realms/a"]);
        assert_eq!(one.behaviour, Some("O28"));
        let one = said("https://issuer.test", &["https://kc.test/realms/a"]);
        assert_eq!((one.behaviour, one.basis), (Some("O2"), Basis::Compared));
        assert!(said("https://issuer.test", &[]).seen.ends_with("is configured with no issuer"));
        assert!(
            found(&Value::Null, &known(&[]))
                .expect("a finding")
                .seen
                .contains("names no issuer")
        );
        let elsewhere = Known::default();
        assert_eq!(found(&json!("https://issuer.test"), &elsewhere), None);
    }

    #[test]
    fn two_issuers_are_not_taken_for_one() {
        let said = |issuer: &str, url: &str| {
            let found = found(&json!(issuer), &known(&[url])).expect("a finding");
            (found.behaviour, found.basis)
        };
        for (issuer, url) in [
            ("https://accounts.google.com", "https://dev-1.okta.com"),
            ("https://gitlab.example/project/a", "https://gitlab.example"),
        ] {
            assert_eq!(said(issuer, url), (Some("O2"), Basis::Compared), "{issuer}");
        }
        let realm = "https://kc.test/realms/a";
        assert_eq!(said("https://kc.test/realms/a/", realm), (Some("O28"), Basis::Compared));
        for issuer in [
            "https://kc.test/realms/b",
            "https://keycloak.svc/realms/a",
            "https://kc.test:8443/realms/a",
        ] {
            assert_eq!(said(issuer, realm), (Some("O28"), Basis::Likely), "{issuer}");
        }
    }

    #[test]
    fn an_unknown_configuration_may_know_better() {
        let sound = known(&["https://kc.test/realms/a"]);
        let no_flags = Known {
            others: None,
            ..sound.clone()
        };
        let one_of_them = Known { all: false, ..sound };
        for (known, part) in [(&no_flags, "EKS, AKS and Rancher"), (&one_of_them, "more issuers")] {
            for issuer in ["https://issuer.test", "https://kc.test/realms/a/", ""] {
                let one = found(&json!(issuer), known).expect("a finding");
                assert_eq!(one.basis, Basis::Likely, "{one:?}");
                assert!(one.settle.as_deref().is_some_and(|settle| settle.contains(part)), "{one:?}");
            }
        }
    }

    #[test]
    fn a_webhook_may_know_better() {
        let mut known = known(&["https://kc.test/realms/a"]);
        known.others = Some(OtherAuthenticators {
            webhook: true,
            ..OtherAuthenticators::default()
        });
        assert_eq!(
            found(&json!("https://issuer.test"), &known).expect("a finding").basis,
            Basis::Likely
        );
    }

    #[test]
    fn a_document_of_no_tenant_says_which_issuer_to_take() {
        let issuer = Issuer::by_flags("https://login.microsoftonline.com/common/v2.0", "k");
        let says = "https://login.microsoftonline.com/{tenantid}/v2.0";
        let found = |token| document(&issuer, says, token).and_then(|found| found.change).expect("a change");
        assert!(found(None).contains("in place of `common`"));
        assert!(found(Some("https://login.microsoftonline.com/t1/v2.0")).ends_with("https://login.microsoftonline.com/t1/v2.0"));
        assert_eq!(document(&issuer, &issuer.url, None), None);
    }
}
