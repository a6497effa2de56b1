//! Tests of service accounts' tokens, compared with what API servers publish.

use serde_json::json;

use super::*;
use crate::explain::Basis;
use crate::explain::issuers::ALGORITHMS;
use crate::jwt::Jwt;

const HERE: &str = "https://kubernetes.default.svc";

fn now() -> Timestamp {
    Timestamp::from_second(1000).expect("a time")
}

fn bound() -> Value {
    json!({
        "iss": HERE, "aud": [HERE], "exp": 2000, "sub": "system:serviceaccount:shop:web",
        "kubernetes.io": { "namespace": "shop", "serviceaccount": { "name": "web", "uid": "u1" }, "pod": { "name": "web-0", "uid": "u2" } },
    })
}

fn secret() -> Value {
    json!({
        "iss": LEGACY, "sub": "system:serviceaccount:shop:web",
        "kubernetes.io/serviceaccount/namespace": "shop", "kubernetes.io/serviceaccount/secret.name": "web-token",
        "kubernetes.io/serviceaccount/service-account.name": "web", "kubernetes.io/serviceaccount/service-account.uid": "u1",
    })
}

fn found(claims: &Value, key: Option<&str>, known: &Known, accounts: Option<Result<Published, String>>) -> Vec<Finding> {
    let mut header = json!({ "alg": ALGORITHMS[6] });
    if let Some(key) = key {
        header["kid"] = key.into();
    }
    let jwt = Jwt {
        header: header.as_object().expect("an object").clone(),
        claims: claims.as_object().expect("an object").clone(),
        signature: Vec::new(),
    };
    let claims = Claims::of(&jwt);
    let evidence = Evidence {
        refused: true,
        accounts,
        ..Evidence::default()
    };
    let account = Account::of(&claims).expect("an account's");
    check("a.b.c", &claims, &account, known, &evidence, now())
}

fn published(issuer: &str, key: &str) -> Option<Result<Published, String>> {
    Some(Ok(Published {
        issuer: issuer.to_owned(),
        keys: KeySet::parse(&json!({ "keys": [{ "kid": key, "kty": "RSA", "n": "AQAB", "e": "AQAB" }] }).to_string()).expect("keys"),
    }))
}

fn of_lab() -> Known {
    Known {
        service_account_issuers: vec![HERE.to_owned()],
        ..Known::default()
    }
}

#[test]
fn a_key_of_another_server_is_named_with_this_ones() {
    let found = found(&bound(), Some("A"), &Known::default(), published(HERE, "B"));
    assert_eq!((found[0].behaviour, found[0].basis), (Some("B6"), Basis::Compared));
    assert!(
        found[0].seen.contains("the key \"A\", and this API server publishes [\"B\"]"),
        "{found:?}"
    );
    assert!(
        found[0]
            .change
            .as_deref()
            .is_some_and(|change| change.contains("the same --service-account-key-file"))
    );
    let elsewhere = super::tests::found(&bound(), Some("A"), &Known::default(), published("https://other.test", "B"));
    assert!(elsewhere[0].seen.ends_with("another cluster's token"), "{elsewhere:?}");
    let old = super::tests::found(&secret(), Some("A"), &Known::default(), published(HERE, "B"));
    assert!(
        old[0]
            .change
            .as_deref()
            .is_some_and(|change| change.contains("delete it, and create it again")),
        "{old:?}"
    );
    let changed = super::tests::found(&bound(), Some("B"), &Known::default(), published(HERE, "B"));
    assert!(changed[0].seen.ends_with("that key did not make its signature"), "{changed:?}");
}

#[test]
fn a_token_from_a_secret_needs_no_issuer_and_no_expiry() {
    for known in [Known::default(), of_lab()] {
        let found = found(&secret(), Some("A"), &known, None);
        assert!(!found.iter().any(|one| one.effect == Effect::Cause), "{found:?}");
        let asked = found
            .iter()
            .find(|one| one.effect == Effect::Unjudged)
            .and_then(|one| one.settle.clone());
        assert!(asked.is_some_and(|asked| asked.contains("get secret web-token")), "{found:?}");
    }
}

#[test]
fn an_issuer_that_was_replaced_is_named_with_the_new_one() {
    let new = "https://oidc.example.test/cluster-a";
    let known = Known {
        service_account_issuers: vec![new.to_owned()],
        ..Known::default()
    };
    let one = &found(&bound(), Some("A"), &known, None)[0];
    assert_eq!((one.behaviour, one.basis), (Some("O2"), Basis::Compared));
    assert!(one.seen.contains(HERE) && one.seen.contains(new), "{one:?}");
    assert!(
        one.change.as_deref().is_some_and(|change| change.contains("the new one first")),
        "{one:?}"
    );
    let both = Known {
        service_account_issuers: vec![new.to_owned(), HERE.to_owned()],
        ..Known::default()
    };
    let found = found(&bound(), Some("A"), &both, None);
    assert!(!found.iter().any(|one| one.effect == Effect::Cause), "{found:?}");
}

#[test]
fn what_cannot_be_read_is_not_judged() {
    let found = found(&bound(), Some("A"), &Known::default(), Some(Err("403".to_owned())));
    assert!(found.iter().all(|one| one.effect != Effect::Cause), "{found:?}");
    assert!(
        found[0]
            .settle
            .as_deref()
            .is_some_and(|ask| ask.contains("kubectl get --raw /openid/v1/jwks")),
        "{found:?}"
    );
    assert!(
        found[1]
            .settle
            .as_deref()
            .is_some_and(|ask| ask.contains("get pod web-0") && ask.contains("it must be u2"))
    );
}

#[test]
fn an_audience_is_compared_with_the_api_servers() {
    let mut claims = bound();
    claims["aud"] = json!(["sts.amazonaws.com"]);
    assert_eq!(
        found(&claims, Some("A"), &of_lab(), None).last().and_then(|one| one.behaviour),
        Some("S18")
    );
    claims.as_object_mut().expect("an object").remove("aud");
    let found = found(&claims, Some("A"), &of_lab(), None);
    assert!(!found.iter().any(|one| one.effect == Effect::Cause), "{found:?}");
}

#[test]
fn another_token_is_no_service_accounts() {
    for claims in [
        json!({ "sub": "alice" }),
        json!({ "sub": "system:serviceaccount:a:b", "iss": "https://a.test" }),
    ] {
        let jwt = Jwt {
            header: serde_json::Map::new(),
            claims: claims.as_object().expect("an object").clone(),
            signature: Vec::new(),
        };
        assert_eq!(Account::of(&Claims::of(&jwt)), None, "{claims}");
    }
}
