//! Every mistake that people are known to make in an AuthenticationConfiguration, on the oldest version and on the newest: found on those that
//! have it, and on no other.

use serde_json::Value;

use crate::stage::Stage;

/// A sound configuration, on which nothing is found.
const SOUND: &str = "\
apiVersion: apiserver.config.k8s.io/v1beta1
kind: AuthenticationConfiguration
jwt:
- issuer:
    url: https://login.example.com
    audiences: [kubernetes]
  claimMappings:
    username: {claim: email, prefix: \"\"}
";

/// The versions that have a mistake.
#[derive(Clone, Copy, PartialEq, Eq)]
enum On {
    Both,
    Oldest,
    Newest,
}

use On::{Both, Newest, Oldest};

/// A mistake: the text that is replaced, its replacement, the name of the finding, its line, and the versions that have it.
type Mistake = (&'static str, &'static str, &'static str, u64, On);

const USERNAME: &str = "{claim: email, prefix: \"\"}";
const MAPPINGS: &str = "  claimMappings:";

const MISTAKES: [Mistake; 26] = [
    ("/v1beta1", "/v1", "does-not-start", 1, Oldest),
    ("/v1beta1", "/v1alpha1", "alpha-version", 1, Both),
    ("audiences:", "audience:", "does-not-start", 6, Both),
    (
        MAPPINGS,
        "  claimValidationRules: [{claim: email_verified, requiredValue: true}]\n  claimMappings:",
        "does-not-start",
        7,
        Both,
    ),
    (
        MAPPINGS,
        "  claimValidationRules: [{claim: email_verified, requiredValue: \"true\"}]\n  claimMappings:",
        "required-value-is-not-boolean",
        7,
        Both,
    ),
    (
        MAPPINGS,
        "  claimValidationRules: [{claim: hd}]\n  claimMappings:",
        "rule-without-value",
        7,
        Both,
    ),
    (USERNAME, "{claim: sub}", "does-not-start", 8, Both),
    (USERNAME, "{claim: sub, prefix: \"-\"}", "dash-as-prefix", 8, Both),
    (USERNAME, "{expression: claims.email}", "does-not-start", 8, Both),
    (USERNAME, "{expression: claims.sub, prefix: \"\"}", "does-not-start", 8, Both),
    (USERNAME, "{expression: \"true\"}", "user-name-is-not-text", 8, Both),
    (USERNAME, "{expression: \"claims.sub +\"}", "does-not-start", 8, Both),
    (USERNAME, "{expression: \"claim.sub\"}", "does-not-start", 8, Both),
    (
        USERNAME,
        "{claim: email, prefix: \"\"}\n    groups: {expression: \"claims.groups\"}",
        "missing-groups-refused",
        9,
        Both,
    ),
    ("https://", "http://", "does-not-start", 5, Both),
    ("[kubernetes]", "[]", "does-not-start", 6, Both),
    ("[kubernetes]", "[kubernetes, other]", "does-not-start", 4, Both),
    (
        "    audiences",
        "    discoveryURL: https://login.example.com\n    audiences",
        "does-not-start",
        6,
        Both,
    ),
    (
        "    audiences",
        "    certificateAuthority: /etc/kubernetes/ca.crt\n    audiences",
        "does-not-start",
        6,
        Both,
    ),
    ("login.example.com", "login.example.com/", "slash-at-issuers-end", 5, Both),
    (
        USERNAME,
        "{claim: email, prefix: \"\"}\n    extra: [{key: example.com/Team, valueExpression: claims.sub}]",
        "does-not-start",
        9,
        Both,
    ),
    (
        USERNAME,
        "{claim: email, prefix: \"\"}\n    extra: [{key: kubernetes.io/team, valueExpression: claims.sub}]",
        "does-not-start",
        9,
        Newest,
    ),
    ("jwt:", "anonymous: {enabled: true}\njwt:", "does-not-start", 3, Oldest),
    ("jwt:", "anonymous: {enabled: true}\njwt:", "anonymous-access", 3, Newest),
    (
        MAPPINGS,
        "  userValidationRules: [{expression: 'user.username != \"\"', message: no}]\n  claimMappings:",
        "does-not-start",
        7,
        Both,
    ),
    ("\"\"}\n", "\"\"}\n---\nkind: Another\n", "second-document-ignored", 9, Both),
];

/// Returns the findings of `authlab check` for `configuration` on both versions: the name, the line, and the versions.
fn found(configuration: &str) -> Vec<(String, Option<u64>, Vec<String>)> {
    let stage = Stage::new();
    let file = stage.state().join("authn.yaml");
    std::fs::write(&file, configuration).unwrap();
    let versions = ["--kubernetes", "1.30,1.37", "--json"];
    let arguments = [&["check", "--authentication-configuration", file.to_str().unwrap()][..], &versions].concat();
    let said = stage.authlab(&arguments);
    let record: Value = serde_json::from_str(&said.out).unwrap_or_else(|_| panic!("{said:?}"));
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let findings = record["findings"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|finding| finding["severity"] != "note");
    findings
        .map(|finding| {
            let versions = finding["versions"].as_array().into_iter().flatten().map(text).collect();
            (text(&finding["name"]), finding["line"].as_u64(), versions)
        })
        .collect()
}

#[test]
#[ignore = "needs the servers of the oldest version: cargo test --test cli -- --ignored"]
fn known_mistakes_are_found_on_the_versions_that_have_them() {
    assert_eq!(found(SOUND), []);
    for (from, to, name, line, on) in MISTAKES {
        let findings = found(&SOUND.replace(from, to));
        let of_name = findings.iter().filter(|(found, at, _)| found == name && *at == Some(line));
        // A finding of all versions names none.
        let seen: Vec<&str> = of_name
            .flat_map(|(_, _, versions)| match &versions[..] {
                [] => vec!["1.30", "1.37"],
                some => some.iter().map(|version| &version[..4]).collect(),
            })
            .collect();
        for (version, has) in [("1.30", on != Newest), ("1.37", on != Oldest)] {
            assert_eq!(seen.contains(&version), has, "{to} on {version}: {findings:?}");
        }
    }
}
