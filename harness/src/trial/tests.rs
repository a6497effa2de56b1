//! Actions, redirected configurations and moved times.

use serde_json::json;

use super::redirect::redirect;
use super::*;
use crate::cluster::given::{ISSUER, ISSUER_AUTHORITY};
use crate::secret::Secret;
use crate::yaml;

#[test]
fn actions_are_read_and_printed_alike() {
    for text in [
        "create deployments.apps in team-a",
        "list secrets in kube-system",
        "get pods/log named web in a",
        "impersonate users named alice",
        "get /metrics",
        "* *.*",
        "impersonate-on:user-info:list pods",
        "exactly breakglass nodes",
    ] {
        assert_eq!(
            text.parse::<Action>().map(|action| action.to_string()).as_deref(),
            Ok(text),
            "{text}"
        );
    }
    for (text, why) in [
        ("", "it is empty"),
        ("get", "the resource is missing"),
        ("get pods in", "a name is missing at its end"),
        ("get pods on a", "only `named NAME` and `in NAMESPACE`"),
        ("get pods in a in b", "it names two of a kind"),
        ("get /metrics in a", "a path has no namespace"),
        ("get .apps", "the resource is missing"),
        ("get pods.", "the resource is missing"),
        ("GET /healthz", "verbs are in lower case, `get`"),
        ("list /healthz", "Kubernetes has no verb `list` ("),
        ("raed secrets", "Kubernetes has no verb `raed` ("),
        ("crate pods", "did you mean `create`?"),
        ("exactly", "it is empty"),
    ] {
        let error = text.parse::<Action>().unwrap_err().to_string();
        assert!(error.contains(why), "{text}: {error}");
    }
}

const BLOCK: &str = "\
apiVersion: apiserver.config.k8s.io/v1beta1 # the oldest
kind: AuthenticationConfiguration
jwt:
- issuer:
    url: https://login.example.com
    audiences: [kubernetes]
  claimMappings:
    username: {claim: email, prefix: ''}
-   issuer: # the second
      certificateAuthority: |
        nonsense
      audiences:
      - a
      - b
      url: 'https://sts.windows.net/T/'
      discoveryURL: https://elsewhere.example/x/.well-known/openid-configuration
    claimMappings: {}
";

#[test]
fn a_configuration_leads_to_stand_ins_and_is_otherwise_unchanged() {
    let redirected = redirect(BLOCK).unwrap();
    assert!(!redirected.is_rewritten, "{}", redirected.text);
    let before: Vec<&str> = BLOCK.lines().collect();
    let changed: Vec<&str> = redirected.text.lines().filter(|line| !before.contains(line)).collect();
    assert_eq!(changed.len(), 3, "{changed:#?}");
    let value = yaml::parse(&redirected.text).unwrap().json();
    let discovery = value["jwt"][0]["issuer"]["discoveryURL"].as_str().unwrap();
    assert!(discovery.starts_with(ISSUER), "{discovery}");
    assert_eq!(value["jwt"][0]["issuer"]["certificateAuthority"], ISSUER_AUTHORITY);
    // No API server accepts that, and the user is to hear it from the server.
    assert_eq!(value["jwt"][1]["issuer"]["certificateAuthority"], "nonsense\n");
    assert_eq!(value["jwt"][1]["issuer"]["url"], "https://sts.windows.net/T/");
    let trusted: Vec<_> = redirected
        .issuers
        .iter()
        .map(|issuer| (issuer.audiences.len(), issuer.line))
        .collect();
    assert_eq!(trusted, [(1, Some(4)), (2, Some(9))]);
}

#[test]
fn json_and_flow_mappings_are_changed_in_place_too() {
    for text in [
        r#"{"kind":"AuthenticationConfiguration","jwt":[{"issuer":{"url":"https://a.example","audiences":["k"]}}]}"#,
        "jwt: [{issuer: {url: https://a.example, audiences: [k]}}]\n",
        "jwt:\n- issuer:\n    url: https://a.example\n    audiences: [k]\n    discoveryURL: >-\n      https://b.example\n      \n  x: 1\n",
        "\u{feff}jwt:\r\n- issuer:\r\n    url: https://a.example\r\n",
    ] {
        let redirected = redirect(text).unwrap();
        assert!(!redirected.is_rewritten, "{text}: {}", redirected.text);
        let value = yaml::parse(&redirected.text).unwrap().json();
        assert!(value["jwt"][0]["issuer"]["discoveryURL"].as_str().unwrap().starts_with(ISSUER));
    }
    // An anchor is changed for all who use it, so the text is written anew.
    let shared = "x: &i\n  url: https://a.example\njwt:\n- issuer: *i\n";
    assert!(redirect(shared).unwrap().is_rewritten);
}

#[test]
fn an_issuer_with_values_of_another_gets_nothing_that_an_api_server_would_call_set_twice() {
    for second in ["{<<: *i, url: https://b.example}", "{url: https://b.example, <<: *i}", "{<<: *i}"] {
        for first in [
            "{url: https://a.example}",
            "{url: https://a.example, discoveryURL: https://c.example/d}",
        ] {
            let redirected = redirect(&format!("jwt:\n- issuer: &i {first}\n- issuer: {second}\n")).unwrap();
            assert!(!redirected.is_rewritten, "{}", redirected.text);
            assert_eq!(redirected.text.matches("discoveryURL").count(), 1, "{}", redirected.text);
            let issuer = &yaml::parse(&redirected.text).unwrap().json()["jwt"][1]["issuer"];
            assert!(issuer["discoveryURL"].as_str().unwrap().starts_with(ISSUER));
            assert_eq!(issuer["certificateAuthority"], ISSUER_AUTHORITY);
        }
    }
}

#[test]
fn an_address_that_no_api_server_accepts_stays() {
    for address in [
        "https://a.example",
        "https://a.example/",
        "http://b.example",
        "https://b.example?x=1",
    ] {
        let text = format!("jwt:\n- issuer:\n    url: https://a.example\n    discoveryURL: {address}\n");
        let value = yaml::parse(&redirect(&text).unwrap().text).unwrap().json();
        assert_eq!(value["jwt"][0]["issuer"]["discoveryURL"], address);
    }
    let twice = "jwt:\n- issuer: {url: https://a.example}\n- issuer: {url: https://a.example}\n";
    let value = yaml::parse(&redirect(twice).unwrap().text).unwrap().json();
    assert_ne!(value["jwt"][0]["issuer"]["discoveryURL"], value["jwt"][1]["issuer"]["discoveryURL"]);
}

#[test]
fn flags_keep_their_issuer_and_lead_to_it_by_a_proxy() {
    let source = Source {
        flags: vec![
            ("oidc-issuer-url".to_owned(), "https://login.example.com".to_owned()),
            ("oidc-client-id".to_owned(), "kubernetes".to_owned()),
            ("oidc-ca-file".to_owned(), "/etc/kubernetes/ca.crt".to_owned()),
        ],
        ..Source::default()
    };
    let setup = Setup::of(&source);
    assert_eq!(setup.issuers[0].audiences, ["kubernetes"]);
    assert_eq!(setup.algorithm.name(), "RS256");
    assert!(
        setup
            .given
            .flags
            .contains(&("oidc-issuer-url".to_owned(), "https://login.example.com".to_owned()))
    );
    assert!(!setup.given.flags.iter().any(|(_, value)| value == "/etc/kubernetes/ca.crt"));
    assert!(setup.given.environment[0].1.starts_with("http://"));
}

#[test]
fn real_issuers_are_asked_as_the_user_wrote_and_with_their_authority() {
    let issuer = "jwt:\n- issuer: {url: https://login.example.com, audiences: [k]}\n";
    let by_file = Source {
        authentication: Some(issuer.to_owned()),
        ..Source::default()
    };
    let way = WayToIssuers {
        environment: vec![("HTTPS_PROXY".to_owned(), "http://proxy:8080".to_owned())],
        authority: Some("PEM".to_owned()),
    };
    let setup = Setup::with_real_issuers(&by_file, way.clone()).unwrap();
    assert_eq!(setup.given.authentication.as_deref(), Some(issuer));
    assert_eq!(setup.given.environment, way.environment);
    let by_flags = Source {
        flags: vec![("oidc-issuer-url".to_owned(), "https://login.example.com".to_owned())],
        ..Source::default()
    };
    let setup = Setup::with_real_issuers(&by_flags, way.clone()).unwrap();
    assert_eq!(setup.given.flags, by_flags.flags);
    assert_eq!(setup.given.files, [("oidc-ca-file".to_owned(), Secret::new("PEM"))]);
    assert_eq!(setup.given.environment, way.environment, "no detour of the lab");
    let through_egress = Source {
        authentication: Some(issuer.replace("audiences", "egressSelectorType: cluster, audiences")),
        ..Source::default()
    };
    assert!(Setup::with_real_issuers(&through_egress, way).is_err());
}

#[test]
fn times_are_moved_to_now_and_keep_their_distance() {
    let claims = |claims: serde_json::Value| Claims {
        claims: claims.as_object().cloned().unwrap_or_default(),
        ..Claims::default()
    };
    let complete = |claims: &Claims| claims.complete("alice", "https://a.example", Some("kubernetes"));
    let moved = complete(&claims(
        json!({ "iat": 1000, "nbf": 990, "exp": 1600, "auth_time": 500, "sub": "x" }),
    ));
    let at = |name: &str| moved[name].as_i64().unwrap();
    assert_eq!(
        (at("exp") - at("iat"), at("iat") - at("nbf"), at("iat") - at("auth_time")),
        (600, 10, 500)
    );
    assert_eq!(
        (&moved["sub"], &moved["aud"], &moved["iss"]),
        (&json!("x"), &json!("kubernetes"), &json!("https://a.example"))
    );
    let kept = Claims {
        keep_times: true,
        without: vec!["sub".to_owned()],
        ..claims(json!({ "iat": 1000, "exp": 1600 }))
    };
    let kept = complete(&kept);
    assert_eq!((&kept["exp"], kept.get("sub")), (&json!(1600), None));
}
