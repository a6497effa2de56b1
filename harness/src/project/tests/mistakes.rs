//! Mistakes of a project, each with its exact message and remedy.

use super::{folder, read_in};

/// A mistaken file, and what is told of it, without the repeated line of the file: the place and the message, and the remedy.
const MISTAKES: &[(&str, &[(&str, &str)])] = &[
    (
        "[api-server]\nautentication-configuration = \"x\"",
        &[(
            "2:1: unknown key `autentication-configuration`",
            "did you mean `authentication-configuration`?",
        )],
    ),
    ("realm = \"x\"", &[("1:1: unknown key `realm`", "`realm` belongs in [keycloak]")]),
    (
        "[people.a]\ncontext = \"c\"\nzzz = 1",
        &[(
            "3:1: unknown key `zzz`",
            "known in [people.NAME]: certificate, claims, context, issuer, keycloak, like, service-account, token-file, without",
        )],
    ),
    (
        "[people.a]\nlike = \"okta\"\nclaims = { groups = [\"a\"] }\nwithout = [\"groups\"]",
        &[(
            "4:11: `groups` is among the claims, and among those that are left out",
            "remove one of them",
        )],
    ),
    (
        "people = 1\napi-server = []\nfeatures = \"features/\"",
        &[
            (
                "1:10: `people` is an integer, expected a table",
                "write a table [people.NAME] for each person",
            ),
            ("2:14: `api-server` is a list, expected a table", "write a table [api-server]"),
            ("3:12: `features` is a string, expected a table", "write a table [features]"),
        ],
    ),
    (
        "kubernetes = 1.34",
        &[("1:14: `kubernetes` is a number, expected a string", "write it in quotes: \"1.34\"")],
    ),
    (
        "kubernetes = [\"1.34\"]",
        &[(
            "1:14: `kubernetes` is a list, expected a string",
            "write versions in one string, such as \"1.34,1.36\" or \"1.34..1.37\"",
        )],
    ),
    (
        "kubernetes = \"1.37..1.34\"",
        &[(
            "1:14: the range `1.37..1.34` begins after its end",
            "write a version, a list or a range: \"1.34\", \"1.34,1.36\", \"1.34..1.37\"",
        )],
    ),
    ("kubernetes = \" \"", &[("1:14: `kubernetes` is empty", "")]),
    (
        "[api-server]\nfrom = \"cluster/kubeadm.yml\"",
        &[(
            "2:8: no such file: `cluster/kubeadm.yml`",
            "did you mean `cluster/kubeadm.yaml`? it means DIR/cluster/kubeadm.yml",
        )],
    ),
    (
        "[api-server]\nfrom = \"nowhere/x\"\nauthentication-configuration = \"cluster\"\nauthorization-configuration = \"~/a\"",
        &[
            ("2:8: no such file: `nowhere/x`", "it means DIR/nowhere/x"),
            ("3:32: `cluster` is a directory, expected a file", "it means DIR/cluster"),
            (
                "4:31: no such file: `~/a`",
                "`~` is not the home directory here: write a path below the project's folder, or an absolute one",
            ),
        ],
    ),
    (
        "[api-server.flags]\n\"--oidc-client-id\" = \"a\"\noidc_issuer_url = \"b\"\n\"v=4\" = 1\nauthentication-config = \"x\"\nx = 1.5\n\"a b\" = \"\"",
        &[
            (
                "2:1: `--oidc-client-id` is not the name of a flag (expected it without dashes in front, words joined by `-`)",
                "write \"oidc-client-id\"",
            ),
            (
                "3:1: `oidc_issuer_url` is not the name of a flag (expected it without dashes in front, words joined by `-`)",
                "write \"oidc-issuer-url\"",
            ),
            ("4:1: the name of the flag `v=4` has a value in it", "write \"v\" = \"4\""),
            (
                "5:1: the file of --authentication-config has a key of its own",
                "write authentication-configuration = \"…\" in [api-server]",
            ),
            (
                "6:5: `x` is a number, expected a string, a list of strings, an integer or a boolean",
                "",
            ),
            ("7:1: \"a b\" is not the name of a flag", ""),
        ],
    ),
    (
        "[api-server]\nauthorization-configuration = \"cluster/authz.yaml\"\nflags.authorization-mode = \"RBAC\"",
        &[(
            "3:7: an API server refuses --authorization-mode together with `authorization-configuration`",
            "move the flag into the file, or remove the file",
        )],
    ),
    (
        "manifests = \"rbac/\"",
        &[("1:13: `manifests` is a string, expected a list of strings", "write [\"rbac/\"]")],
    ),
    (
        "manifests = [\"policies/*.json\", \"rbac/deeper\", 1, \"a/[\"]",
        &[
            (
                "1:14: no manifest in `policies/*.json`",
                "it means DIR/policies/*.json; in a folder, files that end in .yaml, .yml or .json count",
            ),
            (
                "1:33: no such file: `rbac/deeper`",
                "did you mean `rbac/deep`? it means DIR/rbac/deeper",
            ),
            ("1:48: `manifests` is an integer, expected a string", "write it in quotes: \"1\""),
            (
                "1:51: cannot search `a/[`: error parsing glob '[': unclosed character class; missing ']'",
                "",
            ),
        ],
    ),
    (
        "[keycloak]",
        &[("1:1: [keycloak] has no realm", "add realm = \"FILE\", an export of the realm")],
    ),
    (
        "[features]\ntags = { \"@smoke\" = \"a\", \"b c\" = \"d\" }\npaths = [\"none\"]",
        &[
            (
                "2:10: the tag `@smoke` is written with its `@`",
                "write smoke: only features have the `@`",
            ),
            (
                "2:26: \"b c\" is not the name of a tag (expected letters, digits, `-`, `_` and `.`)",
                "",
            ),
            ("3:10: no such file: `none`", "it means DIR/none"),
        ],
    ),
    (
        "[people.alice]\n[people.bob]\ncontext = \"b\"\ncertificate = { common-name = \"bob\" }\n[people.carol]\nlike = \"entra-v2\"\nservice-account = \"a/b\"",
        &[
            (
                "1:9: `alice` has no credential",
                "give one: claims, certificate, service-account, keycloak, context or token-file",
            ),
            (
                "4:1: `bob` has two kinds of credential: a context (`context`) and a certificate (`certificate`)",
                "remove one, or make them two people",
            ),
            (
                "7:1: `like` is the shape of a token, and `carol` has a service account",
                "remove `like`, or give claims",
            ),
        ],
    ),
    (
        "people.a.service-account = \"ci\"\npeople.b.service-account = \"system:serviceaccount:ci:deployer\"\npeople.c.service-account = \"A/b/c\"",
        &[
            (
                "1:28: `ci` is not a service account (expected NAMESPACE/NAME)",
                "write \"default/ci\"",
            ),
            (
                "2:28: `system:serviceaccount:ci:deployer` is not a service account (expected NAMESPACE/NAME)",
                "write \"ci/deployer\"",
            ),
            (
                "3:28: `A/b/c` is not a service account (expected NAMESPACE/NAME)",
                "write \"ci/deployer\"",
            ),
        ],
    ),
    (
        "[people.a]\ncertificate = { organizations = \"ops\" }\n[people.b]\ncertificate = \"b\"\n[people.\"c d\"]\nclaims = 1",
        &[
            (
                "2:15: the certificate has no common-name",
                "add common-name = \"a\": it is the user's name",
            ),
            ("2:33: `organizations` is a string, expected a list of strings", "write [\"ops\"]"),
            (
                "4:15: `certificate` is a string, expected a table",
                "write { common-name = \"b\", organizations = [\"…\"] }",
            ),
            (
                "5:9: \"c d\" is not a person's name (expected a letter, then letters, digits and `-`)",
                "write `c-d`",
            ),
            (
                "6:10: `claims` is an integer, expected a table",
                "write a table [people.c d.claims]",
            ),
        ],
    ),
    (
        "people.Alice.context = \"a\"\npeople.alice.context = \"b\"\npeople.She.context = \"c\"",
        &[
            (
                "2:8: `alice` and `Alice` are the same name in features, where case does not count",
                "",
            ),
            ("3:8: `She` is not a person's name: steps use the word for anybody", ""),
        ],
    ),
    (
        "[people.a.claims]\nexp = 2026-01-01T00:00:00Z\nborn = 1979-05-27\nid = 9007199254740993\nfar = [99999999999999999999]\nnone = nan",
        &[
            (
                "2:7: `claims.exp` is a date, which JSON does not have",
                "write seconds since 1970, 1767225600, or a string, \"2026-01-01T00:00:00Z\"",
            ),
            (
                "3:8: `claims.born` is a date, which JSON does not have",
                "write a string, \"1979-05-27\"",
            ),
            (
                "4:6: `claims.id` is beyond 2^53, where readers of JSON lose digits",
                "write it in quotes: \"9007199254740993\"",
            ),
            (
                "5:8: `claims.far` is beyond 2^53, where readers of JSON lose digits",
                "write it in quotes: \"99999999999999999999\"",
            ),
            ("6:8: `claims.none` is nan, which JSON does not have", ""),
        ],
    ),
    (
        "[keycloak]\nissuer = \"https://a.example\"",
        &[("1:1: [keycloak] has no realm", "add realm = \"FILE\", an export of the realm")],
    ),
    (
        "[people.a]\nkeycloak = { usr = \"a\" }\n[people.b]\nkeycloak = \"b\"\n[people.c]\nkeycloak = { scopes = \"groups\" }\nclaims = {}",
        &[
            ("2:14: unknown key `usr`", "did you mean `user`?"),
            (
                "4:12: `keycloak` is a string, expected a table",
                "write { user = \"…\", client = \"…\" }",
            ),
            ("6:23: `scopes` is a string, expected a list of strings", "write [\"groups\"]"),
            (
                "7:1: `c` has two kinds of credential: a login at Keycloak (`keycloak`) and a token (`claims`)",
                "remove one, or make them two people",
            ),
        ],
    ),
    (
        "[people.a]\nkeycloak = {}",
        &[(
            "2:12: `a` logs in at Keycloak, and the project has no realm",
            "add [keycloak] with realm = \"FILE\", an export of the realm",
        )],
    ),
    (
        "check.off = [\"a\", 1]",
        &[("1:19: `off` is an integer, expected a string", "write it in quotes: \"1\"")],
    ),
    // A key given twice hides no other mistake.
    (
        "kubernetes = \"1.34\"\nkubernetes = \"1.35\"\nform = 1",
        &[
            ("2:1: not TOML: duplicate key", ""),
            (
                "3:1: unknown key `form`",
                "known at the top of the file: api-server, check, features, keycloak, kubernetes, manifests, people",
            ),
        ],
    ),
    // Errors of the syntax hide the others, and are told together.
    (
        "a = \nb = \"1\nc = 1",
        &[
            ("1:5: not TOML: string values must be quoted, expected literal string", ""),
            ("2:7: not TOML: invalid basic string, expected `\"`", ""),
        ],
    ),
];

#[test]
fn every_mistake_is_told_at_its_place() {
    let folder = folder();
    for (text, expected) in MISTAKES {
        let told = read_in(folder.path(), text).expect_err(text);
        let lines: Vec<&str> = told.lines().collect();
        let told: Vec<(&str, &str)> = lines
            .chunks(3)
            .map(|lines| {
                let remedy = lines[2].trim_start_matches([' ', '|', '\t']).trim_start_matches('^');
                (lines[0].trim_start_matches("authlab.toml:"), remedy.trim_start())
            })
            .collect();
        assert_eq!(told, *expected, "{text}\n{}", lines.join("\n"));
    }
}
