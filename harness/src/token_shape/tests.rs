//! Tests of every shape: that it is complete, that its configuration fits its example, and that it claims no times.

use std::collections::BTreeSet;

use regex::Regex;

use super::*;

/// The claims that are made when a token is signed.
const TIMES: &[&str] = &["iat", "nbf", "exp", "auth_time"];

#[test]
fn every_shape_is_complete() {
    assert!(TokenShape::all().len() >= 19);
    for file in FILES.files() {
        let name = file.path().file_stem().and_then(|stem| stem.to_str()).expect("it has a name");
        let text = file.contents_utf8().expect("it is text");
        let shape = TokenShape::read(name, text).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(!shape.sources.is_empty(), "{name} has a source");
        for url in shape.sources.iter().chain([&shape.issuer]) {
            assert!(url.starts_with("https://"), "{name}: {url}");
        }
        assert!(shape.life() >= Duration::from_secs(60), "{name}");
        for texts in [&shape.username, &shape.peculiar] {
            assert!(!texts.is_empty() && texts.iter().all(|text| !text.is_empty()), "{name}");
        }
        for sentence in shape.peculiar.iter().chain(&shape.unconfirmed) {
            assert!(sentence.ends_with('.'), "{name}: {sentence}");
        }
    }
}

#[test]
fn every_example_is_of_its_issuer_and_for_its_audience() {
    for shape in TokenShape::all() {
        let claims = shape.claims(None, &Map::new());
        assert_eq!(claims["iss"], shape.issuer.as_str(), "{}", shape.name);
        assert!(claims["sub"].is_string(), "{}", shape.name);
        let audiences: Vec<&str> = match claims.get("aud") {
            Some(Value::String(one)) => vec![one],
            Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        match &shape.audience {
            Some(audience) => assert!(audiences.contains(&audience.as_str()), "{}: {audiences:?}", shape.name),
            None => assert!(audiences.is_empty(), "{}: {audiences:?}", shape.name),
        }
        for claim in shape.username.iter().chain(&shape.groups) {
            // GitHub's and GitLab's environments are only in tokens of jobs that name one.
            assert!(claims.contains_key(claim) || claim == "environment", "{}: {claim}", shape.name);
        }
        for time in TIMES {
            assert!(!claims.contains_key(*time), "{}: {time}", shape.name);
        }
    }
}

/// Returns the expressions of a configuration.
fn expressions(json: &Value) -> Vec<&str> {
    match json {
        Value::Object(fields) => {
            let own = ["expression", "valueExpression"]
                .iter()
                .filter_map(|name| fields.get(*name)?.as_str());
            own.chain(fields.values().flat_map(expressions)).collect()
        }
        Value::Array(items) => items.iter().flat_map(expressions).collect(),
        _ => Vec::new(),
    }
}

#[test]
fn every_configuration_fits_its_example() {
    // Not what is optional in CEL: `claims.?name` and `claims[?"name"]`.
    let demanded = Regex::new(r#"\bclaims(?:\.(\w+)|\["([^"]+)"\])"#).expect("it is a pattern");
    for shape in TokenShape::all() {
        let Some(entry) = shape.configuration() else {
            assert!(shape.accepted_as.is_none() && shape.refused.is_none(), "{}", shape.name);
            continue;
        };
        assert!(
            shape.accepted_as.is_some() != shape.refused.is_some(),
            "{}: one outcome",
            shape.name
        );
        assert_eq!(entry["issuer"]["url"], shape.issuer.as_str());
        let parts = ["issuer", "claimMappings", "claimValidationRules", "userValidationRules"];
        let fields = entry.as_object().expect("it is an object");
        assert!(
            fields.keys().all(|part| parts.contains(&part.as_str())),
            "{}: {fields:?}",
            shape.name
        );
        let claims = shape.claims(None, &Map::new());
        for mapping in [&entry["claimMappings"]["username"], &entry["claimMappings"]["groups"]] {
            let (claim, expression) = (mapping.get("claim"), mapping.get("expression"));
            // An API server demands a prefix beside a claim, and none beside an expression.
            let is_sound = claim.is_some() == mapping.get("prefix").is_some() && (claim.is_none() || expression.is_none());
            assert!(is_sound, "{}: {mapping}", shape.name);
        }
        assert!(entry["claimMappings"]["username"].is_object(), "{}", shape.name);
        for expression in expressions(&entry) {
            for found in demanded.captures_iter(expression) {
                let claim = found.get(1).or(found.get(2)).map_or("", |claim| claim.as_str());
                assert!(claims.contains_key(claim), "{}: {expression}", shape.name);
            }
        }
        if let Some(AcceptedAs { username, groups }) = &shape.accepted_as {
            let names = groups.iter().chain([username]);
            assert!(names.clone().all(|name| !name.starts_with("system:")), "{}", shape.name);
        }
    }
}

#[test]
fn every_issuer_has_a_name_of_its_own_and_a_sound_example_beside_it() {
    let names: BTreeSet<&str> = ShapedIssuer::all().iter().map(|issuer| issuer.name).collect();
    assert_eq!(names.len(), ShapedIssuer::all().len());
    let urls: BTreeSet<&str> = ShapedIssuer::trusted().map(|issuer| issuer.url.as_str()).collect();
    assert_eq!(urls.len(), ShapedIssuer::trusted().count());
    for issuer in ShapedIssuer::all() {
        let trusted = ShapedIssuer::named(issuer.trusted_name()).expect("it is there");
        assert!(urls.contains(issuer.url.as_str()), "{}: no entry has its URL", issuer.name);
        let discovery_url = "https://issuer.example";
        // Of two shapes with one issuer, the documented entries are one.
        let own = issuer.entry(discovery_url);
        assert!(
            own.is_none() || own == trusted.entry(discovery_url),
            "{}: another entry",
            issuer.name
        );
        assert!(issuer.sound().is_some(), "{}: no example is accepted", issuer.name);
        assert_eq!(issuer.claims()["iss"], issuer.url.as_str());
    }
}

#[test]
fn a_changed_entry_differs_in_what_it_says() {
    let entry = |name: &str| {
        let issuer = ShapedIssuer::named(name).expect("it is there");
        issuer.entry("https://issuer.example").expect("it has one")
    };
    let (sound, changed) = (entry("entra-v2-overage"), entry("entra-groups-by-claim"));
    assert_eq!(changed["claimMappings"]["username"], sound["claimMappings"]["username"]);
    assert_eq!(changed["claimMappings"]["groups"], json!({ "claim": "groups", "prefix": "entra:" }));
    assert_eq!(changed["claimValidationRules"], json!([]));
    assert_eq!(changed["issuer"]["url"], "https://entra-groups-by-claim.example");
    assert_eq!(changed["issuer"]["audiences"], sound["issuer"]["audiences"]);
    for shape in TokenShape::all() {
        for (name, changed) in &shape.changed {
            assert!(
                !changed.entry.is_empty() && !changed.described_as.ends_with('.'),
                "{name}: {}",
                changed.described_as
            );
        }
    }
}

#[test]
fn a_persons_claims_are_laid_over_those_of_the_shape() {
    let shape = TokenShape::named("entra-v2").expect("it is there");
    let over = json!({ "groups": ["team-a"], "email": null });
    let claims = shape.claims(Some("https://issuer.example.com"), over.as_object().expect("it is an object"));
    assert_eq!(claims["iss"], "https://issuer.example.com");
    assert_eq!(claims["groups"], json!(["team-a"]));
    assert_eq!(claims.get("email"), Some(&Value::Null));
    assert_eq!(claims["ver"], "2.0");
    let over = json!({ "iss": "https://own.example.com" });
    let claims = shape.claims(Some("https://issuer.example.com"), over.as_object().expect("it is an object"));
    assert_eq!(claims["iss"], "https://own.example.com");
}

#[test]
fn an_unknown_shape_names_those_there_are() {
    for (name, near) in [
        ("entra-v3", Some("entra-v1")),
        ("Keycloack", Some("keycloak")),
        ("github_actions", Some("github-actions")),
        ("passport", None),
    ] {
        let error = TokenShape::named(name).expect_err("there is none");
        assert!(error.to_string().contains("cognito-access"), "{error}");
        assert_eq!(error.near.is_some(), near.is_some(), "{name}: {error:?}");
        if !name.starts_with("entra") {
            assert_eq!(error.near, near);
        }
        assert_eq!(error.hint().is_some(), near.is_some());
    }
}

#[test]
fn an_unknown_field_is_an_error() {
    let text = FILES
        .get_file("spiffe.toml")
        .and_then(|file| file.contents_utf8())
        .expect("it is there");
    let error = TokenShape::read("spiffe", &format!("issuers = \"\"\n{text}")).expect_err("the field is unknown");
    assert!(error.to_string().contains("issuers"), "{error}");
}
