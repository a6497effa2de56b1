//! `authlab explain` on a running lab: tokens from public reports, at the lab's server, and at one of which nothing is known.

use authlab::identity_provider::issuer::Token;
use authlab::secret::Secret;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::json;

use crate::explaining::Bench;
use crate::explaining_cases::expect;
use crate::stage::Said;

/// Explains a token at the lab's server under a name by which it is not the lab's, with `more` options.
fn outside(bench: &Bench, token: &Secret, more: &[&str]) -> Said {
    let options = bench.outside();
    let options: Vec<&str> = options.iter().map(String::as_str).chain(more.iter().copied()).collect();
    bench.token_at(token, &options)
}

fn of_rs256(bench: &Bench) -> Token {
    bench.signer.token("rs256").unwrap().subject("alice")
}

#[test]
fn groups_that_are_elsewhere_are_the_cause_and_from_outside_a_guess() {
    let bench = Bench::new();
    let token = of_rs256(&bench).claim("_claim_names", json!({ "groups": "src1" })).claim(
        "_claim_sources",
        json!({ "src1": { "endpoint": "https://127.0.0.1:1/getMemberObjects" } }),
    );
    let fewer = ["https://127.0.0.1:1/getMemberObjects", "limit the groups in the token"];
    let said = bench.token(&token.sign().unwrap());
    assert!(said.out.contains("could not expand distributed claims"), "{said:?}");
    expect(&said, "refused", ("O23", "proved"), &fewer);
    expect(&outside(&bench, &token.sign().unwrap(), &[]), "refused", ("O23", "likely"), &fewer);
}

#[test]
fn an_algorithm_that_no_setting_allows_is_told_so() {
    let bench = Bench::new();
    let token = of_rs256(&bench).header("alg", "EdDSA").sign().unwrap();
    let never = ["takes no EdDSA, whatever is configured"];
    expect(&bench.token(&token), "refused", ("O9", "proved"), &never);
    expect(&outside(&bench, &token, &[]), "refused", ("O9", "likely"), &never);
}

#[test]
fn the_two_issuers_of_a_tenant_of_entra_are_told_apart() {
    let bench = Bench::new();
    let tenant = "11111111-2222-3333-4444-555555555555";
    let (one, two) = (
        format!("https://sts.windows.net/{tenant}/"),
        format!("https://login.microsoftonline.com/{tenant}/v2.0"),
    );
    let said = |issuer: &str, configured: &str| {
        let token = of_rs256(&bench).issuer(issuer).sign().unwrap();
        outside(&bench, &token, &["--issuer", configured, "--audience", "kubernetes"])
    };
    expect(
        &said(&one, &two),
        "refused",
        ("O28", "likely"),
        &[&one, &two, "requestedAccessTokenVersion: 2"],
    );
    expect(
        &said(&one, one.trim_end_matches('/')),
        "refused",
        ("O28", "likely"),
        &["with a slash at the end"],
    );
    let common = two.replace(tenant, "common");
    expect(&said(&two, &common), "refused", ("O28", "likely"), &["is no tenant's issuer"]);
}

#[test]
fn an_issuer_that_is_not_known_is_not_guessed() {
    let bench = Bench::new();
    let token = of_rs256(&bench).audience("elsewhere").sign().unwrap();
    let said = outside(&bench, &token, &[]);
    expect(
        &said,
        "refused",
        ("", "unjudged"),
        &["the API server's issuers are not known here", "--issuer and --audience"],
    );
    // Google leaves the scheme out, and API servers take the two for one.
    let google = of_rs256(&bench).issuer("accounts.google.com").sign().unwrap();
    let said = outside(
        &bench,
        &google,
        &["--issuer", "https://accounts.google.com", "--audience", "kubernetes"],
    );
    assert!(!said.out.contains("\"cause\""), "{said:?}");
}

#[test]
fn a_token_of_eks_says_when_and_where_it_was_made() {
    let bench = Bench::new();
    let of = |date: &str| {
        let url = format!(
            "https://sts.eu-west-1.amazonaws.com/?Action=GetCallerIdentity&Version=2011-06-15&X-Amz-Algorithm=AWS4-HMAC-SHA256\
            &X-Amz-Credential=AKIAEXAMPLE%2F20260101%2Feu-west-1%2Fsts%2Faws4_request&X-Amz-Date={date}&X-Amz-Expires=60\
            &X-Amz-SignedHeaders=host%3Bx-k8s-aws-id&X-Amz-Signature=5ecre7"
        );
        let token = Secret::new(format!("k8s-aws-v1.{}", URL_SAFE_NO_PAD.encode(url)));
        let said = outside(&bench, &token, &[]);
        assert!(!said.out.contains("5ecre7"), "{said:?}");
        said
    };
    expect(
        &of("20260101T060000Z"),
        "refused",
        ("B6", "compared"),
        &["AKIAEXAMPLE in eu-west-1", "2026-01-01T06:00:00Z", "aws eks get-token"],
    );
    let now = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ").to_string();
    expect(
        &of(&now),
        "refused",
        ("B6", "unjudged"),
        &["only the cluster's own webhook", "aws sts get-caller-identity"],
    );
}

#[test]
fn encrypted_and_padded_tokens_are_known_by_their_form() {
    let bench = Bench::new();
    let encrypted = Secret::new("eyJhbGciOiJSU0EtT0FFUCIsImVuYyI6IkEyNTZHQ00ifQ.a.b.c.d");
    expect(
        &outside(&bench, &encrypted, &[]),
        "refused",
        ("B6", "likely"),
        &["five parts", "signed ID token"],
    );
    let sound = of_rs256(&bench).sign().unwrap();
    let quoted = Secret::new(format!("\"{}\"", sound.expose()));
    expect(&outside(&bench, &quoted, &[]), "refused", ("B6", "compared"), &["quotation mark"]);
    let twice = Secret::new(STANDARD.encode(sound.expose()));
    expect(
        &outside(&bench, &twice, &[]),
        "refused",
        ("B6", "compared"),
        &["`data` of a Secret", "base64 -d"],
    );
    let named = Secret::new(format!("Bearer {}", sound.expose()));
    expect(&outside(&bench, &named, &[]), "refused", ("B6", "compared"), &["without `Bearer`"]);
}
