//! Tests of the whole check: tokens with real signatures, each with one flaw.

mod signer;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::evidence::LastFetch;
use super::*;
use crate::explain::issuers::{ALGORITHMS, Fetched, Issuer, Kept, KeySet, Mapping, Source};
use crate::explain::{Basis, Effect};

use signer::Signer;

const URL: &str = "https://kc.test/realms/a";
const HERE: &str = "https://kubernetes.default.svc";

fn known() -> Known {
    Known {
        issuers: vec![Issuer {
            username: Mapping::claim("email", "kc:"),
            groups: Mapping::claim("user_groups", "kc:"),
            algorithms: ALGORITHMS.iter().map(|name| (*name).to_owned()).collect(),
            source: Source::File,
            ..Issuer::by_flags(URL, "kubernetes")
        }],
        all: true,
        service_account_issuers: vec![HERE.to_owned()],
        ..Known::default()
    }
}

fn evidence(signers: &[&Signer]) -> Evidence {
    let keys: Vec<&Value> = signers.iter().map(|signer| &signer.published).collect();
    Evidence {
        issuer: Some(Ok(Fetched {
            issuer: URL.to_owned(),
            keys: KeySet::parse(&json!({ "keys": keys }).to_string()).expect("keys"),
            hash: "sha256:now".to_owned(),
            kept: Kept::default(),
        })),
        refused: true,
        ..Evidence::default()
    }
}

fn checked(token: &str, known: &Known, evidence: &Evidence) -> Vec<Finding> {
    let found = check(token, known, evidence, Timestamp::from_second(1000).expect("a time"));
    let signature = token.rsplit('.').next().unwrap_or_default();
    assert!(signature.len() < 8 || !format!("{found:?}").contains(signature), "{found:?}");
    found
}

fn causes(found: &[Finding]) -> Vec<&'static str> {
    let causes = found.iter().filter(|one| one.effect == Effect::Cause);
    causes.filter_map(|one| one.behaviour).collect()
}

#[test]
fn each_flaw_is_the_only_cause() {
    let signer = Signer::new(Some("k1"));
    let of = |changes: Value| causes(&checked(&signer.token(&changes), &known(), &evidence(&[&signer])));
    assert!(of(json!({})).is_empty());
    for (changes, cause) in [
        (json!({ "iss": format!("{URL}/") }), "O28"),
        (json!({ "iss": "https://elsewhere.test" }), "O2"),
        (json!({ "exp": 1000 }), "O3"),
        (json!({ "nbf": 1061 }), "O4"),
        (json!({ "aud": "account" }), "O5"),
        (json!({ "aud": "absent" }), "O5"),
        (json!({ "aud": 7 }), "O5"),
        (json!({ "kid": "gone" }), "O8"),
        (json!({ "alg": "none" }), "O25"),
        (json!({ "alg": "HS256" }), "O25"),
        (json!({ "alg": "EdDSA" }), "O9"),
        (json!({ "alg": "ES256K" }), "O9"),
        (json!({ "email": "absent" }), "O12"),
        (json!({ "email_verified": false }), "O13"),
        (json!({ "email_verified": "true" }), "O15"),
        (json!({ "user_groups": [1] }), "O17"),
    ] {
        assert_eq!(of(changes.clone()), [cause], "{changes}");
    }
    assert!(of(json!({ "nbf": 1060, "email_verified": true, "email": null })).is_empty());
}

#[test]
fn who_it_would_be_is_told_with_prefixes() {
    let signer = Signer::new(Some("k1"));
    let said = |changes: Value| -> Vec<String> {
        let found = checked(&signer.token(&changes), &known(), &evidence(&[&signer]));
        found.into_iter().map(|one| one.seen).collect()
    };
    let told = said(json!({ "user_groups": ["/dev"] }));
    assert!(
        told[0].starts_with("the signature is right: it was made with the key \"k1\""),
        "{told:?}"
    );
    assert!(told[1].starts_with("the user is \"kc:a@b\""), "{told:?}");
    assert!(told[2].starts_with("the groups are [\"kc:/dev\"]"), "{told:?}");
    assert!(told[3].contains("is a full path"), "{told:?}");
    let told = said(json!({ "user_groups": null, "roles": [] }));
    assert!(told[2].contains("it has [\"roles\""), "{told:?}");
}

#[test]
fn a_key_that_the_api_server_may_not_have_yet_is_said_to_be_new() {
    let (old, new) = (Signer::new(Some("k1")), Signer::new(Some("k2")));
    let token = new.token(&json!({ "kid": "k2" }));
    let with = |seconds: i64, reason: Option<&str>, hash: Option<&str>| {
        let mut evidence = evidence(&[&old, &new]);
        if let Some(Ok(fetched)) = &mut evidence.issuer {
            fetched.kept = Kept {
                seconds,
                because: format!("Cache-Control: public, max-age={seconds}"),
            };
        }
        evidence.reason = reason.map(str::to_owned);
        evidence.last_fetch = hash.map(|hash| LastFetch {
            at: Timestamp::from_second(900).expect("a time"),
            hash: Some(hash.to_owned()),
        });
        checked(&token, &known(), &evidence)
    };
    let refusal = Some("[invalid bearer token, oidc: verify token: failed to verify signature: failed to verify id token signature]");
    let cause = |found: Vec<Finding>| found.into_iter().find(|one| one.effect == Effect::Cause);

    let one = cause(with(86400, refusal, None)).expect("a cause");
    assert_eq!((one.behaviour, one.basis), (Some("O29"), Basis::Compared));
    for part in [
        "publishes the key \"k2\"",
        "86400 s (Cache-Control: public, max-age=86400)",
        "does not make it ask again",
    ] {
        assert!(one.seen.contains(part), "{part}: {one:?}");
    }
    assert!(
        one.change
            .as_deref()
            .is_some_and(|change| change.contains("publish each new key for longer than 86400 s")),
        "{one:?}"
    );

    // The metrics say which set the server has.
    let one = cause(with(86400, None, Some("sha256:older"))).expect("a cause");
    assert_eq!(one.basis, Basis::Compared);
    assert!(
        one.seen.contains("which it fetched at 1970-01-01T00:15:00Z") && one.seen.contains("its own sha256:older"),
        "{one:?}"
    );
    assert_eq!(cause(with(86400, None, Some("sha256:now"))), None);

    // Without a word of the server's, it is a guess; where the answer is not kept, it is none.
    assert_eq!(cause(with(86400, None, None)).map(|one| one.basis), Some(Basis::Likely));
    for seconds in [0, 20] {
        assert_eq!(cause(with(seconds, None, None)), None);
        let one = cause(with(seconds, refusal, None)).expect("a guess");
        assert_eq!(one.basis, Basis::Likely);
        assert!(!one.seen.contains("does not make it ask again"), "{one:?}");
    }
    let other = Some("[invalid bearer token, oidc: verify token: oidc: token is expired]");
    assert_eq!(cause(with(86400, other, None)), None);
}

#[test]
fn a_guess_about_keys_stands_back_behind_a_cause() {
    let signer = Signer::new(Some("k1"));
    let mut evidence = evidence(&[&signer]);
    if let Some(Ok(fetched)) = &mut evidence.issuer {
        fetched.kept.seconds = 86400;
    }
    assert_eq!(
        causes(&checked(&signer.token(&json!({ "aud": "account" })), &known(), &evidence)),
        ["O5"]
    );
}

#[test]
fn keys_are_tried_as_the_api_server_tries_them() {
    let (first, second) = (Signer::new(Some("k1")), Signer::new(None));
    let set = evidence(&[&first, &second]);
    let without = second.token(&json!({ "kid": "absent" }));
    assert!(causes(&checked(&without, &known(), &set)).is_empty());
    let stranger = Signer::new(None).token(&json!({ "kid": "absent" }));
    let found = checked(&stranger, &known(), &set);
    assert!(found[0].seen.contains("names no key"), "{found:?}");
    let whole = first.token(&json!({}));
    let cut = whole
        .rsplit_once('.')
        .map(|(message, _)| format!("{message}."))
        .expect("three parts");
    let found = checked(&cut, &known(), &set);
    assert!(found[0].seen.contains("has no signature"), "{found:?}");
    // A key of the same name that did not sign, and one that cannot sign so.
    let found = checked(&second.token(&json!({})), &known(), &set);
    assert!(found[0].seen.contains("did not make its signature"), "{found:?}");
    let found = checked(&first.token(&json!({ "alg": "RS256" })), &known(), &set);
    assert!(
        found[0]
            .seen
            .contains("header says RS256, and its key \"k1\" is of the type EC P-256"),
        "{found:?}"
    );
}

#[test]
fn a_set_with_a_key_that_cannot_be_read_is_no_set() {
    let signer = Signer::new(Some("k1"));
    let strange = Signer {
        published: json!({ "kid": "k9", "kty": "EC", "crv": "secp256k1", "x": "AA", "y": "AA" }),
        key: jsonwebtoken::EncodingKey::from_secret(b""),
    };
    let found = checked(&signer.token(&json!({})), &known(), &evidence(&[&signer, &strange]));
    assert_eq!(found[0].behaviour, Some("O26"));
    assert!(found[0].seen.contains("\"k9\" of the type EC secp256k1"), "{found:?}");
}

#[test]
fn a_token_for_microsoft_graph_is_verified_by_nobody_else() {
    let signer = Signer::new(Some("k1"));
    let said = |configured: &str, audience: &str, changes: Value| {
        let mut known = known();
        known.issuers[0].url = configured.to_owned();
        known.issuers[0].audiences = vec![audience.to_owned()];
        let mut evidence = evidence(&[]);
        if let Some(Ok(fetched)) = &mut evidence.issuer {
            fetched.issuer = configured.to_owned();
        }
        let found = checked(&signer.token(&changes), &known, &evidence);
        let cause = found.into_iter().find(|one| one.effect == Effect::Cause).expect("a cause");
        (
            cause.behaviour.unwrap_or_default(),
            format!("{} → {}", cause.seen, cause.change.unwrap_or_default()),
        )
    };
    let one = "https://sts.windows.net/T/";
    let graph = json!({ "iss": one, "nonce": "n", "aud": "00000003-0000-0000-c000-000000000000", "kid": "m1" });
    let (id, text) = said(one, "spn:g", graph);
    assert_eq!(id, "O8");
    assert!(
        text.contains("Microsoft alone can verify") && text.contains("for Microsoft Graph"),
        "{text}"
    );
}

#[test]
fn an_audience_is_compared_to_the_letter() {
    let signer = Signer::new(Some("k1"));
    let said = |audience: &str, changes: Value| {
        let mut known = known();
        known.issuers[0].audiences = vec![audience.to_owned()];
        let found = checked(&signer.token(&changes), &known, &evidence(&[&signer]));
        let cause = found.into_iter().find(|one| one.effect == Effect::Cause).expect("a cause");
        assert_eq!(cause.behaviour, Some("O5"));
        format!("{} → {}", cause.seen, cause.change.unwrap_or_default())
    };
    let guid = "11111111-2222-3333-4444-555555555555";
    for (wanted, has) in [(format!("spn:{guid}"), guid.to_owned()), (guid.to_owned(), format!("api://{guid}"))] {
        let text = said(&wanted, json!({ "aud": has }));
        assert!(
            text.ends_with(&format!("configure the API server with the audience {has:?}")),
            "{text}"
        );
    }
}

#[test]
fn service_accounts_are_not_compared_with_issuers() {
    let signer = Signer::new(Some("k1"));
    let known = Known {
        service_account_issuers: Vec::new(),
        ..known()
    };
    let account = json!({
        "iss": HERE, "aud": [HERE], "sub": "system:serviceaccount:shop:web", "email": "absent", "user_groups": "absent",
        "kubernetes.io": { "namespace": "shop", "serviceaccount": { "name": "web", "uid": "u1" } },
    });
    let secret = json!({
        "iss": "kubernetes/serviceaccount", "aud": "absent", "exp": "absent", "sub": "system:serviceaccount:shop:web",
        "kubernetes.io/serviceaccount/secret.name": "web-token", "kubernetes.io/serviceaccount/service-account.uid": "u1",
    });
    for (claims, refused) in [(&account, true), (&account, false), (&secret, true), (&secret, false)] {
        let evidence = Evidence {
            refused,
            ..Evidence::default()
        };
        let found = checked(&signer.token(claims), &known, &evidence);
        assert!(causes(&found).is_empty(), "{found:?}");
        assert!(
            !format!("{found:?}").contains("\"O2\"") && !format!("{found:?}").contains("\"O3\""),
            "{found:?}"
        );
    }
    // Another cluster's service account is an issuer's user, where the API server is configured so.
    let mut configured = known;
    configured.issuers[0].url = HERE.to_owned();
    let found = checked(&signer.token(&account), &configured, &evidence(&[&signer]));
    assert_eq!(causes(&found), ["O28", "O5", "O12"], "{found:?}");
}

#[test]
fn a_token_that_was_accepted_is_not_doubted() {
    let accepted = Evidence::default();
    for token in ["07401b.f395accd246ae52d", "static-token", "sha256~0123456789"] {
        assert_eq!(checked(token, &known(), &accepted), [], "{token}");
    }
    let signer = Signer::new(Some("k1"));
    let found = checked(
        &signer.token(&json!({ "iss": "https://elsewhere.test" })),
        &Known::default(),
        &accepted,
    );
    assert_eq!(found, []);
}

#[test]
fn the_servers_reason_ends_all_guessing() {
    let evidence = |reason: &str| Evidence {
        refused: true,
        reason: Some(reason.to_owned()),
        ..Evidence::default()
    };
    let told = "[invalid bearer token, no such token]";
    assert_eq!(checked("static-token", &known(), &evidence(told))[0].effect, Effect::Unjudged);
    let proved = "[invalid bearer token, converting (v1.TokenReview) to (v1beta1.TokenReview): unknown conversion]";
    assert_eq!(checked("static-token", &known(), &evidence(proved)), []);
    let signer = Signer::new(Some("k1"));
    let groups = json!({ "user_groups": "absent", "_claim_names": { "user_groups": "s" }, "_claim_sources": { "s": { "endpoint": "https://a.test" } } });
    let of = |reason: &str| causes(&checked(&signer.token(&groups), &known(), &evidence(reason)));
    assert_eq!(of("[invalid bearer token, oidc: could not expand distributed claims: x]"), ["O23"]);
    assert!(of("[invalid bearer token, oidc: verify token: oidc: token is expired (Token Expiry: x)]").is_empty());
}

#[test]
fn what_no_setting_makes_right_is_guessed_of_an_issuer_that_is_not_known() {
    let signer = Signer::new(Some("k1"));
    let evidence = Evidence {
        refused: true,
        ..Evidence::default()
    };
    let guesses = |changes: Value| {
        let found = checked(&signer.token(&changes), &Known::default(), &evidence);
        let likely = found.into_iter().filter(|one| one.effect == Effect::Cause);
        likely
            .map(|one| (one.basis, one.behaviour, one.settle.is_some()))
            .collect::<Vec<_>>()
    };
    assert_eq!(guesses(json!({})), []);
    let sources = json!({ "src1": { "endpoint": "https://graph.microsoft.com/v1.0/users/a/getMemberObjects" } });
    let elsewhere = json!({ "_claim_names": { "groups": "src1" }, "_claim_sources": sources, "groups": "absent" });
    for (changes, behaviour) in [(json!({ "alg": "HS256" }), "O25"), (elsewhere.clone(), "O23")] {
        let found = guesses(changes);
        assert!(
            matches!(found.as_slice(), [(Basis::Likely, Some(id), true)] if *id == behaviour),
            "{found:?}"
        );
    }
    let mut beside = elsewhere;
    beside["groups"] = json!(["dev"]);
    assert_eq!(guesses(beside), []);
}

#[test]
fn only_tokens_of_issuers_are_decided_about_by_their_configuration() {
    let signer = Signer::new(Some("k1"));
    let account = json!({ "iss": HERE, "sub": "system:serviceaccount:a:b", "kubernetes.io": { "namespace": "a", "serviceaccount": { "name": "b", "uid": "u" } } });
    for (token, is_of_issuer) in [
        (signer.token(&json!({})), true),
        (signer.token(&account), false),
        ("k8s-aws-v1.aHR0cHM6Ly9zdHM".to_owned(), false),
        ("07401b.f395accd246ae52d".to_owned(), false),
    ] {
        let credential = Credential::Token(crate::secret::Secret::new(token.as_str()));
        assert_eq!(super::is_of_issuer(&credential), is_of_issuer, "{token}");
    }
    assert!(!super::is_of_issuer(&Credential::Nothing));
}
