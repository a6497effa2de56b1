//! Real words of API servers, with the lines of the files that they are about.

use std::path::Path;

use super::*;

const KINDS: &[&str] = &["AuthenticationConfiguration", "AuthorizationConfiguration"];

fn document(text: &str) -> Document {
    Document::of_text(Path::new("authn.yaml"), text.to_owned(), KINDS)
        .map_err(|mistakes| mistakes[0].to_string())
        .unwrap()
}

/// Returns `line:column field` for each place.
fn told(document: &Document, words: &str) -> Vec<String> {
    let places = places(document, words);
    places
        .iter()
        .map(|place| format!("{}:{} {}", place.line, place.column, place.field).trim_end().to_owned())
        .collect()
}

/// A file with an issuer and the lines `more`, from line 7 on.
fn with(more: &str) -> Document {
    document(&format!(
        "apiVersion: apiserver.config.k8s.io/v1beta1\nkind: AuthenticationConfiguration\njwt:\n- issuer:\n    url: https://login.example.com\n    audiences: [kubernetes]\n{more}"
    ))
}

const MAPPED: &str = "  claimMappings:\n    username:\n      claim: email\n      prefix: ''\n";

#[test]
fn the_words_of_each_mistake_lead_to_its_line() {
    let front = r#"failed to load authentication configuration from file "/etc/kubernetes/authn.yaml": "#;
    let invalid = "invalid authentication configuration: ";
    for (more, words, expected) in [
        (
            MAPPED,
            r#"no kind "AuthenticationConfiguration" is registered for version "apiserver.config.k8s.io/v1" in scheme "k8s.io/apiserver/pkg/apis/apiserver/install/install.go:22""#,
            vec!["1:1 apiVersion"],
        ),
        (
            MAPPED,
            r#"no kind "AuthConfig" is registered for version "apiserver.config.k8s.io/v1beta1""#,
            vec!["2:1 kind"],
        ),
        (
            "    audience: kubernetes\n",
            r#"strict decoding error: unknown field "jwt[0].issuer.audience""#,
            vec!["7:5 jwt[0].issuer.audience"],
        ),
        (
            "    audience: x\n  claimMapping: {}\nextra: 1\n",
            r#"strict decoding error: unknown field "extra", unknown field "jwt[0].claimMapping", unknown field "jwt[0].issuer.audience""#,
            vec!["9:1 extra", "8:3 jwt[0].claimMapping", "7:5 jwt[0].issuer.audience"],
        ),
        (
            "  claimValidationRules:\n  - claim: hd\n    requiredValue: example.com\n  - claim: email_verified\n    requiredValue: true\n",
            "json: cannot unmarshal bool into Go struct field ClaimValidationRule.jwt.claimValidationRules.requiredValue of type string",
            vec!["11:20 jwt[0].claimValidationRules[1].requiredValue"],
        ),
        (
            "  userValidationRules:\n  - expression: 'true'\n    message: no\n",
            "json: cannot unmarshal bool into Go struct field UserValidationRule.jwt.userValidationRules.message of type string",
            vec!["9:14 jwt[0].userValidationRules[0].message"],
        ),
        (
            "    audiences: kubernetes\n",
            "json: cannot unmarshal string into Go struct field Issuer.jwt.issuer.audiences of type []string",
            vec!["7:16 jwt[0].issuer.audiences"],
        ),
        (
            "    audiences: [1, a]\n",
            "json: cannot unmarshal number into Go struct field Issuer.jwt.issuer.audiences of type string",
            vec!["7:17 jwt[0].issuer.audiences[0]"],
        ),
        (
            "  claimMappings:\n    username:\n      claim: sub\n",
            "jwt[0].claimMappings.username.prefix: Required value: prefix is required when claim is set. It can be set to an empty string to disable prefixing",
            vec!["8:5 jwt[0].claimMappings.username.prefix"],
        ),
        (
            "  claimMappings:\n    username:\n      expression: claims.email\n",
            "jwt[0].claimMappings.username.expression: Invalid value: \"claims.email\": claims.email_verified must be used in claimMappings.username.expression or claimMappings.extra[*].valueExpression or claimValidationRules[*].expression when claims.email is used in claimMappings.username.expression",
            vec!["9:7 jwt[0].claimMappings.username.expression"],
        ),
        (
            "  claimMappings:\n    username:\n      expression: claims.sub\n      prefix: x\n",
            "jwt[0].claimMappings.username.prefix: Invalid value: \"x\": prefix can't be set when expression is set",
            vec!["10:7 jwt[0].claimMappings.username.prefix"],
        ),
        (
            "  claimMappings:\n    username:\n      expression: 'claims.sub +'\n",
            "jwt[0].claimMappings.username.expression: Invalid value: \"claims.sub +\": compilation failed: ERROR: <input>:1:13: Syntax error: mismatched input '<EOF>' expecting {'[', '{', '(', '.', '-', '!'}\n | claims.sub +\n | ............^",
            vec!["9:32 jwt[0].claimMappings.username.expression"],
        ),
        (
            "  claimMappings:\n    username:\n      expression: claim.sub\n",
            "jwt[0].claimMappings.username.expression: Invalid value: \"claim.sub\": compilation failed: ERROR: <input>:1:1: undeclared reference to 'claim' (in container '')\n | claim.sub\n | ^",
            vec!["9:19 jwt[0].claimMappings.username.expression"],
        ),
        (
            MAPPED,
            "jwt[0].issuer.url: Invalid value: \"http://login.example.com\": URL scheme must be https",
            vec!["5:5 jwt[0].issuer.url"],
        ),
        (
            MAPPED,
            "issuer.url: Invalid value: \"http://login.example.com\": URL scheme must be https",
            vec!["5:5 jwt[0].issuer.url"],
        ),
        (
            MAPPED,
            "jwt[0].issuer.audiences: Required value: at least one jwt[0].issuer.audiences is required",
            vec!["6:5 jwt[0].issuer.audiences"],
        ),
        (
            MAPPED,
            "jwt[0].issuer.audienceMatchPolicy: Invalid value: \"\": audienceMatchPolicy must be MatchAny for multiple audiences",
            vec!["4:3 jwt[0].issuer.audienceMatchPolicy"],
        ),
        (
            "- issuer:\n    url: https://login.example.com\n    audiences: [other]\n",
            "jwt[1].issuer.url: Duplicate value: \"https://login.example.com\"",
            vec!["8:5 jwt[1].issuer.url"],
        ),
        (
            "    discoveryURL: https://login.example.com\n",
            "jwt[0].issuer.discoveryURL: Invalid value: \"https://login.example.com\": discoveryURL must be different from URL",
            vec!["7:5 jwt[0].issuer.discoveryURL"],
        ),
        (
            "    certificateAuthority: /etc/kubernetes/ca.crt\n",
            "jwt[0].issuer.certificateAuthority: Invalid value: \"<omitted>\": data does not contain any valid RSA or ECDSA certificates",
            vec!["7:5 jwt[0].issuer.certificateAuthority"],
        ),
        (
            "  claimMappings:\n    username: {claim: sub, prefix: ''}\n    extra:\n    - key: example.com/a\n      valueExpression: claims.a\n    - key: Example.com/b\n      valueExpression: claims.b\n",
            "jwt[0].claimMappings.extra[1].key: Invalid value: \"Example.com/b\": key must be lowercase",
            vec!["12:7 jwt[0].claimMappings.extra[1].key"],
        ),
        (
            "anonymous:\n  enabled: false\n",
            r#"strict decoding error: unknown field "anonymous""#,
            vec!["7:1 anonymous"],
        ),
        (
            "anonymous:\n  enabled: false\n",
            "anonymous: Forbidden: --anonymous-auth flag cannot be set when anonymous field is configured in authentication configuration file",
            vec!["7:1 anonymous"],
        ),
        (MAPPED, "yaml: line 5: found character that cannot start any token", vec!["5:5"]),
        (
            MAPPED,
            "error converting YAML to JSON: yaml: line 6: did not find expected key",
            vec!["7:3"],
        ),
        (
            "jwt: []\n",
            "strict decoding error: yaml: unmarshal errors:\n  line 7: key \"jwt\" already set in map",
            vec!["7:1"],
        ),
        (
            MAPPED,
            "[jwt[0].issuer.url: Invalid value: \"jwt[0].claimMappings: Invalid value\": URL scheme must be https, jwt[0].claimMappings.username.claim: Required value: claim or expression is required]",
            vec!["5:5 jwt[0].issuer.url", "9:7 jwt[0].claimMappings.username.claim"],
        ),
        (MAPPED, "cannot start: exit status 1", vec![]),
    ] {
        let document = with(more);
        for front in [
            String::new(),
            invalid.to_owned(),
            format!("{front}{invalid}"),
            format!("\tError: {front}"),
        ] {
            assert_eq!(told(&document, &format!("{front}{words}")), expected, "{front}{words}\n{more}");
        }
    }
}

#[test]
fn a_field_of_another_kind_leads_to_the_kind() {
    let document = document("apiVersion: apiserver.config.k8s.io/v1\nkind: AuthorizationConfiguration\njwt: []\n");
    assert_eq!(
        told(&document, r#"strict decoding error: unknown field "jwt""#),
        ["2:1 kind", "3:1 jwt"]
    );
}

#[test]
fn json_has_places_as_well() {
    let document = document(
        "{\n  \"apiVersion\": \"apiserver.config.k8s.io/v1\",\n  \"kind\": \"AuthenticationConfiguration\",\n  \"jwt\": [{\"issuer\": {\"url\": \"http://x\"},\n    \"claimMappings\": {\"username\": {\"expression\": \"claim.a == \\\"b\\\" +\"}}}]\n}\n",
    );
    let words = "[jwt[0].issuer.url: Invalid value: \"http://x\": URL scheme must be https, jwt[0].claimMappings.username.expression: Invalid value: \"claim.a == \\\"b\\\" +\": compilation failed: ERROR: <input>:1:12: a\n | claim.a == \"b\" +\n | ...........^\nERROR: <input>:1:17: Syntax error\n | claim.a == \"b\" +\n | ................^]";
    assert_eq!(
        told(&document, words),
        [
            "4:23 jwt[0].issuer.url",
            "5:62 jwt[0].claimMappings.username.expression",
            "5:69 jwt[0].claimMappings.username.expression"
        ]
    );
}

#[test]
fn a_place_in_an_expression_is_found_in_each_style() {
    // The value, as the server sees it, has a mark at each place that is asked for.
    for (source, line, column, expected) in [
        ("expression: claims.sub", 1, 8, Some((1, 20))),
        ("expression: 'claims.sub == ''a'''", 1, 15, Some((1, 28))),
        ("expression: 'claims.sub == ''a'' + b'", 1, 21, Some((1, 36))),
        ("expression: \"claims.sub == \\\"a\\\" + b\"", 1, 21, Some((1, 36))),
        ("expression: \"a\\u0026\\u0026b\"", 1, 4, Some((1, 27))),
        ("expression: |\n  claims.a &&\n    claims.b\n", 2, 3, Some((3, 5))),
        ("expression: |-  # why\n\n  a\n", 2, 1, Some((3, 3))),
        ("expression: >-\n  claims.a &&\n  claims.b\n", 1, 13, Some((3, 3))),
        ("expression: >-\n  claims.a &&\n  claims.b\n", 1, 12, Some((2, 14))),
        ("expression: claims.a &&\n  claims.b\nother: 1\n", 1, 13, Some((2, 3))),
        ("expression: \"claims.a \\\n  && b\"", 1, 10, Some((2, 3))),
        (
            "expression: |\n  'a' in claims.groups &&\n  \"b\" in claims.groups\n",
            2,
            5,
            Some((3, 7)),
        ),
        // Behind the end.
        ("expression: claims.sub +", 1, 13, Some((1, 25))),
        ("expression: >\n  claims.sub +\n", 2, 1, Some((2, 15))),
        // Escapes that are not followed: no answer rather than a wrong one.
        ("expression: \"\\x61b\"", 1, 2, None),
        ("a: &x claims.sub\nexpression: *x", 1, 1, None),
    ] {
        let root = crate::yaml::parse(source).unwrap();
        let node = root.entry("expression").unwrap();
        assert_eq!(
            expression::position(source, node, line, column),
            expected,
            "{source:?} {:?}",
            node.text()
        );
    }
}

#[test]
fn paths_lead_to_the_nearest_field_that_exists() {
    let root = crate::yaml::parse("a:\n- b: 1\n  c.d: 2\n- {}\n").unwrap();
    for (path, expected) in [
        ("a[0].b", (2, 3)),
        ("a[0].c.d", (3, 3)),
        ("a[1].b", (4, 3)),
        ("a[7].b", (1, 1)),
        ("x.y", (1, 1)),
        ("a[", (1, 1)),
    ] {
        let node = nearest(&root, path);
        assert_eq!((node.line, node.column), expected, "{path}");
    }
}
