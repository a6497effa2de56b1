//! Tokens, of issuers and of others, at an API server whose log cannot be read.

use std::sync::Arc;

use authlab::identity_provider::issuer::Algorithm;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::Case;
use super::api_server::{Answer, REVIEWS, accepting, refusing};
use super::workplace::{Issued, Workplace};

pub const CASES: &[Case] = &[
    ("U3", other_tokens),
    ("U12", too_many_groups),
    ("U14", entra),
    ("U15", new_keys),
    ("U18", keys_of_service_accounts),
    ("U19", issuers_of_service_accounts),
    ("U22", tokens_of_webhooks),
    ("U27", algorithms),
    ("S1", nested_claims),
    ("S11", prefixes_in_files),
    ("claims", claims),
];

const TENANT: &str = "11111111-2222-3333-4444-555555555555";

fn other_tokens(work: &mut Workplace) {
    let (refused, accepted) = (work.server(refusing()), work.server(accepting("alice", &["dev"])));
    let eks = |date: &str| {
        let url = format!(
            "https://sts.eu-west-1.amazonaws.com/?Action=GetCallerIdentity&Version=2011-06-15&X-Amz-Algorithm=AWS4-HMAC-SHA256\
            &X-Amz-Credential=AKIAEXAMPLE%2F20260101%2Feu-west-1%2Fsts%2Faws4_request&X-Amz-Date={date}&X-Amz-Expires=60\
            &X-Amz-SignedHeaders=host%3Bx-k8s-aws-id&X-Amz-Signature=5ecre7"
        );
        format!("k8s-aws-v1.{}", URL_SAFE_NO_PAD.encode(url))
    };
    let now = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ").to_string();
    let issuer = work.issuer(false);
    let sound = issuer.token().sign().unwrap();
    let sound = sound.expose();
    let padded = {
        let mut parts: Vec<String> = sound.split('.').map(str::to_owned).collect();
        parts[1] = format!("{}==", parts[1]);
        parts.join(".")
    };
    for (title, token) in [
        ("EKS, made long ago", eks("20260101T060000Z").as_str()),
        ("EKS, made now", &eks(&now)),
        ("OpenShift", "sha256~0123456789abcdef0123456789abcdef0123456789a"),
        ("Rancher", "kubeconfig-user-abcde:0123456789"),
        ("Google", "ya29.a0Example"),
        ("a bootstrap token", "07401b.f395accd246ae52d"),
        ("encrypted, in five parts", "eyJhbGciOiJSU0EtT0FFUCIsImVuYyI6IkEyNTZHQ00ifQ.a.b.c.d"),
        ("padded", &padded),
        ("in quotation marks", &format!("\"{sound}\"")),
        ("as in the data of a Secret", &STANDARD.encode(sound)),
        ("with `Bearer`", &format!("Bearer {sound}")),
        ("none of these", "hello"),
        ("empty", "\n"),
    ] {
        work.explain_token(title, &refused, token, &[]);
    }
    for (title, token) in [
        ("static, accepted", "static-token"),
        ("bootstrap, accepted", "07401b.f395accd246ae52d"),
    ] {
        work.explain_token(title, &accepted, token, &[]);
    }
}

fn too_many_groups(work: &mut Workplace) {
    let (refused, accepted) = (work.server(refusing()), work.server(accepting("alice", &[])));
    let issuer = work.issuer(false);
    let mappings = json!({ "username": { "claim": "sub", "prefix": "" }, "groups": { "claim": "groups", "prefix": "" } });
    work.file("configuration.yaml", issuer.configuration(work, &mappings));
    let sources = json!({ "src1": { "endpoint": "https://graph.example.test/v1.0/users/alice/getMemberObjects" } });
    let elsewhere = issuer.token().claim("_claim_names", json!({ "groups": "src1" }));
    let file = ["--authentication-config", "configuration.yaml"];
    for (title, server, token, options) in [
        (
            "groups that are elsewhere",
            &refused,
            elsewhere.clone().claim("_claim_sources", sources.clone()),
            &file[..],
        ),
        (
            "the same, and nothing is known of the server",
            &refused,
            elsewhere.clone().claim("_claim_sources", sources.clone()),
            &[],
        ),
        (
            "a source that is missing",
            &refused,
            elsewhere.clone().claim("_claim_sources", json!({})),
            &file,
        ),
        ("`hasgroups`", &accepted, issuer.token().claim("hasgroups", true), &file),
        (
            "another claim that is elsewhere",
            &accepted,
            issuer
                .token()
                .claim("_claim_names", json!({ "roles": "src1" }))
                .claim("_claim_sources", sources.clone()),
            &file,
        ),
        (
            "groups beside them",
            &accepted,
            elsewhere.claim("_claim_sources", sources.clone()).claim("groups", json!(["dev"])),
            &file,
        ),
    ] {
        work.explain_token(title, server, token.sign().unwrap().expose(), options);
    }
}

fn entra(work: &mut Workplace) {
    let refused = work.server(refusing());
    let issuer = work.issuer(false);
    let (one, two) = (
        format!("https://sts.windows.net/{TENANT}/"),
        format!("https://login.microsoftonline.com/{TENANT}/v2.0"),
    );
    let without_slash = one.trim_end_matches('/').to_owned();
    let common = two.replace(TENANT, "common");
    // An issuer that is the configured one would be asked, and it is not on this machine.
    for (title, token, configured) in [
        ("version 1, configured is 2", issuer.token().issuer(&one).claim("ver", "1.0"), &two),
        (
            "version 2, configured is 1 without a slash",
            issuer.token().issuer(&two).claim("ver", "2.0"),
            &without_slash,
        ),
        (
            "version 1, configured is 1 without a slash",
            issuer.token().issuer(&one),
            &without_slash,
        ),
        ("configured for everybody's tenant", issuer.token().issuer(&two), &common),
    ] {
        let options = ["--issuer", configured, "--audience", "kubernetes"];
        work.explain_token(title, &refused, token.sign().unwrap().expose(), &options);
    }
    let graph = issuer
        .token()
        .issuer(&one)
        .header("nonce", "n")
        .audience("00000003-0000-0000-c000-000000000000");
    let title = "a token for Microsoft Graph, and nothing is known of the server";
    work.explain_token(title, &refused, graph.sign().unwrap().expose(), &[]);
}

fn new_keys(work: &mut Workplace) {
    let refused = work.server(refusing());
    for (title, kept) in [
        ("an issuer whose keys are kept for a day", true),
        ("one whose keys are not kept", false),
    ] {
        let issuer = work.issuer(kept);
        work.file(
            "configuration.yaml",
            issuer.configuration(work, &json!({ "username": { "claim": "sub", "prefix": "" } })),
        );
        let file = ["--authentication-config", "configuration.yaml"];
        let sound = issuer.token().sign().unwrap();
        work.explain_token(title, &refused, sound.expose(), &[&file[..], &["--verbose"]].concat());
        let gone = issuer.token().kid("k2").sign().unwrap();
        work.explain_token("a key that it does not publish", &refused, gone.expose(), &file);
    }
}

/// An API server that publishes its service account issuer and that one's keys.
fn of_service_accounts(issuer: &'static str, keys: Value, accepts: bool) -> super::api_server::Answers {
    Arc::new(move |path, _| match path {
        REVIEWS if accepts => Answer::user("system:serviceaccount:a:b", &["system:serviceaccounts"]),
        "/.well-known/openid-configuration" => Answer::json(
            200,
            &json!({ "issuer": issuer, "jwks_uri": format!("{issuer}/openid/v1/jwks"),
            "response_types_supported": ["id_token"], "subject_types_supported": ["public"], "id_token_signing_alg_values_supported": ["RS256"] }),
        ),
        "/openid/v1/jwks" => Answer::json(200, &keys),
        path if path.starts_with("/apis/rbac") => Answer::json(200, &json!({ "kind": "List", "items": [] })),
        _ => Answer::unauthorized(),
    })
}

const HERE: &str = "https://kubernetes.default.svc";

fn account(issuer: &Issued, url: &str) -> authlab::identity_provider::issuer::Token {
    let bound = json!({ "namespace": "a", "serviceaccount": { "name": "b", "uid": "u1" }, "pod": { "name": "web-0", "uid": "u2" } });
    issuer
        .token()
        .issuer(url)
        .subject("system:serviceaccount:a:b")
        .audience(url)
        .claim("kubernetes.io", bound)
}

fn keys_of_service_accounts(work: &mut Workplace) {
    let (issuer, rebuilt) = (work.issuer(false), work.issuer(false));
    let other = work.server(of_service_accounts(HERE, rebuilt.keys(), false));
    let token = account(&issuer, HERE).sign().unwrap();
    work.explain_token("a key of another API server", &other, token.expose(), &[]);
    work.run(
        "for machines",
        &[
            "--token-file",
            "token",
            "--server",
            &other,
            "--certificate-authority",
            "ca.crt",
            "--json",
        ],
    );
    let secret = issuer
        .token()
        .issuer("kubernetes/serviceaccount")
        .subject("system:serviceaccount:a:b")
        .without("aud")
        .without("exp")
        .claim("kubernetes.io/serviceaccount/namespace", "a")
        .claim("kubernetes.io/serviceaccount/secret.name", "b-token")
        .claim("kubernetes.io/serviceaccount/service-account.name", "b")
        .claim("kubernetes.io/serviceaccount/service-account.uid", "u1");
    let secret = secret.sign().unwrap();
    work.explain_token("a token of a Secret, of an older key", &other, secret.expose(), &[]);
    let accepts = work.server(of_service_accounts(HERE, issuer.keys(), true));
    work.explain_token("a token of a Secret, accepted", &accepts, secret.expose(), &[]);
}

fn issuers_of_service_accounts(work: &mut Workplace) {
    let issuer = work.issuer(false);
    let moved = "https://oidc.example.test/cluster-a";
    let mappings = json!({ "username": { "claim": "sub", "prefix": "" } });
    work.file("configuration.yaml", issuer.configuration(work, &mappings));
    let (refuses, accepts) = (
        work.server(of_service_accounts(moved, issuer.keys(), false)),
        work.server(of_service_accounts(HERE, issuer.keys(), true)),
    );
    let token = account(&issuer, HERE).sign().unwrap();
    let file = ["--authentication-config", "configuration.yaml"];
    work.explain_token("the API server's issuer has changed", &refuses, token.expose(), &[]);
    work.explain_token("the same, with a file that knows nothing of it", &refuses, token.expose(), &file);
    work.explain_token("accepted, with a file that knows nothing of it", &accepts, token.expose(), &file);
}

fn tokens_of_webhooks(work: &mut Workplace) {
    let (refused, accepted) = (work.server(refusing()), work.server(accepting("alice", &["dev"])));
    work.explain_token("refused, and the server's log cannot be read", &refused, "opaque-token", &[]);
    work.explain_token("accepted", &accepted, "opaque-token", &[]);
}

fn algorithms(work: &mut Workplace) {
    let refused = work.server(refusing());
    let issuer = work.issuer(false);
    let mappings = json!({ "username": { "claim": "sub", "prefix": "" } });
    work.file("configuration.yaml", issuer.configuration(work, &mappings));
    let file = ["--authentication-config", "configuration.yaml"];
    let es384 = issuer.token().algorithm(Algorithm::Es384).sign().unwrap();
    let flags = [
        "--issuer",
        &issuer.url(),
        "--audience",
        "kubernetes",
        "--issuer-authority",
        "issuer.crt",
    ];
    work.explain_token("ES384, and the flags allow RS256 alone", &refused, es384.expose(), &flags);
    for (title, token) in [
        ("ES384, by a file", issuer.token().algorithm(Algorithm::Es384)),
        ("EdDSA", issuer.token().header("alg", "EdDSA")),
        ("ES256K", issuer.token().header("alg", "ES256K")),
        ("HS256", issuer.token().header("alg", "HS256")),
        ("no key named", issuer.token().without_kid()),
        (
            "RS256, and the key is an EC key",
            issuer.token().algorithm(Algorithm::Es256).header("alg", "RS256"),
        ),
    ] {
        work.explain_token(title, &refused, token.sign().unwrap().expose(), &file);
    }
    work.explain_token(
        "EdDSA, and nothing is known of the server",
        &refused,
        issuer.token().header("alg", "EdDSA").sign().unwrap().expose(),
        &[],
    );
}

fn nested_claims(work: &mut Workplace) {
    let accepted = work.server(accepting("alice", &["system:authenticated"]));
    let issuer = work.issuer(false);
    let token = issuer.token().claim("realm_access", json!({ "roles": ["dev"] })).sign().unwrap();
    for (title, groups) in [
        ("a path is a literal name", json!({ "claim": "realm_access.roles", "prefix": "" })),
        ("an expression", json!({ "expression": "claims.realm_access.roles" })),
    ] {
        let mappings = json!({ "username": { "claim": "sub", "prefix": "" }, "groups": groups });
        work.file("configuration.yaml", issuer.configuration(work, &mappings));
        work.explain_token(
            title,
            &accepted,
            token.expose(),
            &["--authentication-config", "configuration.yaml", "--verbose"],
        );
    }
}

fn prefixes_in_files(work: &mut Workplace) {
    let accepted = work.server(accepting("-alice", &["system:authenticated"]));
    let issuer = work.issuer(false);
    let mappings = json!({ "username": { "claim": "sub", "prefix": "-" } });
    work.file("configuration.yaml", issuer.configuration(work, &mappings));
    let token = issuer.token().sign().unwrap();
    work.explain_token(
        "a hyphen",
        &accepted,
        token.expose(),
        &["--authentication-config", "configuration.yaml", "--verbose"],
    );
}

fn claims(work: &mut Workplace) {
    let refused = work.server(refusing());
    let issuer = work.issuer(false);
    let mappings = json!({ "username": { "claim": "email", "prefix": "oidc:" }, "groups": { "claim": "groups", "prefix": "oidc:" } });
    work.file("configuration.yaml", issuer.configuration(work, &mappings));
    let now = std::time::SystemTime::now();
    let hours = |count: u64| std::time::Duration::from_secs(count * 3600);
    let token = || issuer.token().claim("email", "alice@example.test");
    let near = |from: &str, to: &str| token().issuer(&issuer.url().replace(from, to));
    for (title, token) in [
        ("another audience", token().audience("account")),
        ("no audience", token().without("aud")),
        (
            "an access token of Cognito",
            token().without("aud").claim("token_use", "access").claim("client_id", "k"),
        ),
        (
            "a refresh token of Keycloak",
            token().audience(&issuer.url()).claim("typ", "Refresh"),
        ),
        ("a token for another client", token().audience("account").claim("azp", "shop")),
        ("an access token of Keycloak", token().audience("account").claim("typ", "Bearer")),
        ("expired", token().expired(hours(1))),
        ("not valid yet", token().not_before(now + hours(1))),
        ("no user name", issuer.token()),
        ("an address that nobody verified", token().claim("email_verified", false)),
        ("a text in place of a boolean", token().claim("email_verified", "true")),
        ("groups that are numbers", token().claim("groups", json!([1]))),
        ("a slash at the end of the issuer", token().issuer(&format!("{}/", issuer.url()))),
        ("http", near("https:", "http:")),
        ("another host", near("127.0.0.1", "localhost")),
        ("upper case", near("/all", "/All")),
        ("another issuer", token().issuer("https://elsewhere.test")),
        ("no issuer", token().without("iss")),
    ] {
        let signed = token.sign().unwrap();
        work.explain_token(title, &refused, signed.expose(), &["--authentication-config", "configuration.yaml"]);
    }
}
