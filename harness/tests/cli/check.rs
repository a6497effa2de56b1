//! `authlab check`: mistakes of people's own configurations, found by requests to a real API server, and sound ones, which are silent.

use serde_json::Value;

use crate::check_files::{MISTAKES, REFUSED, SOUND};
use crate::stage::{Said, Stage};

fn check(configuration: &str, arguments: &[&str]) -> Said {
    let stage = Stage::new();
    let file = stage.state().join("authn.yaml");
    std::fs::write(&file, configuration).unwrap();
    let file = file.display().to_string();
    let said = stage.authlab(&[&["check", "--quiet", "--authentication-configuration", &file], arguments].concat());
    assert!(stage.labs().is_empty(), "{:?}", stage.labs());
    said
}

/// Returns each error and warning: its line and its name.
fn found(said: &Said) -> Vec<(u64, String)> {
    let record: Value = serde_json::from_str(&said.out).unwrap_or_else(|_| panic!("{said:?}"));
    let findings = record["findings"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|finding| finding["severity"] != "note");
    let mut found: Vec<(u64, String)> = findings
        .map(|finding| {
            (
                finding["line"].as_u64().unwrap_or_default(),
                finding["name"].as_str().unwrap().to_owned(),
            )
        })
        .collect();
    found.sort();
    found
}

/// Returns the line and the name of each finding that `text` announces after `#!`.
fn announced(text: &str) -> Vec<(u64, String)> {
    let mut expected = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let names = line.split_once("#! ").map_or("", |(_, names)| names);
        expected.extend(names.split_whitespace().map(|name| (number, name.to_owned())));
    }
    expected.sort();
    expected
}

#[test]
fn mistakes_that_keep_a_server_from_starting_are_told_at_their_lines() {
    let said = check(REFUSED, &["--json"]);
    assert_eq!((said.code, found(&said)), (1, announced(REFUSED)), "{}", said.out);
    // Mistakes because of which a file is not read at all.
    let sound = SOUND.lines().take(6).collect::<Vec<_>>().join("\n");
    for (from, to, line, says) in [
        ("audiences:", "audience:", 4, "unknown field \"jwt[0].issuer.audience\""),
        (
            "  claimMappings:",
            "  claimValidationRules: [{claim: email_verified, requiredValue: true}]\n  claimMappings:",
            5,
            "write an expression for the rule",
        ),
        (
            "  claimMappings:",
            "  userValidationRules: [{expression: 'user.username != \"\"', message: no}]\n  claimMappings:",
            5,
            "write quotes around it",
        ),
        ("prefix: ''}", "prefix: '', prefix: ''}", 6, "already set"),
    ] {
        let said = check(&sound.replace(from, to), &["--json"]);
        assert_eq!(said.code, 1, "{to}: {said:?}");
        assert!(
            found(&said).contains(&(line, "does-not-start".to_owned())) && said.out.contains(&says.replace('"', "\\\"")),
            "{to}: {said:?}"
        );
    }
}

#[test]
fn a_file_that_is_no_configuration_is_an_error_at_its_line_in_every_format() {
    let sound = SOUND.lines().take(6).collect::<Vec<_>>().join("\n");
    let long = format!("{sound}\n{}", "# a comment that is long\n".repeat(220_000));
    for (text, line, says) in [
        (
            sound.replace("kind: Authentication", "kind: Authorization"),
            2,
            "is of kind AuthorizationConfiguration",
        ),
        (sound.replace("  claimMappings:", "\tclaimMappings:"), 5, "a tab in the indentation"),
        (String::new(), 0, "is empty"),
        (long, 0, "is 5.2 MiB long"),
    ] {
        let said = check(&text, &["--json"]);
        assert_eq!(
            (said.code, found(&said)),
            (1, vec![(line, "not-a-configuration".to_owned())]),
            "{says}: {said:?}"
        );
        assert!(said.out.contains(says), "{says}: {said:?}");
        let github = check(&text, &["--format", "github"]);
        let place = format!("authn.yaml,line={},title=not-a-configuration::", line.max(1));
        assert!(
            github.code == 1 && github.out.contains(&place) && github.out.contains(says),
            "{github:?}"
        );
        let sarif = check(&text, &["--format", "sarif"]);
        let log: Value = serde_json::from_str(&sarif.out).unwrap_or_else(|_| panic!("{sarif:?}"));
        let result = &log["runs"][0]["results"][0];
        assert_eq!((sarif.code, &result["level"]), (1, &Value::from("error")));
        assert_eq!(result["locations"][0]["physicalLocation"]["region"]["startLine"], line.max(1));
    }
    let text = check(&sound.replace("  claimMappings:", "\tclaimMappings:"), &[]);
    assert!(
        text.out.contains("authn.yaml:5: not YAML") && text.out.ends_with("1 error: no API server was asked\n"),
        "{text:?}"
    );
}

#[test]
fn authorities_are_judged_where_they_are() {
    let fixture = |name: &str| {
        let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/explain/certificates");
        std::fs::read_to_string(format!("{directory}/{name}.crt")).unwrap()
    };
    let stage = Stage::new();
    let write = |name: &str, text: &str| std::fs::write(stage.state().join(name), text).unwrap();
    let indented: String = fixture("sound").lines().map(|line| format!("      {line}\n")).collect();
    let bundle = format!("    certificateAuthority: |\n{indented}    audiences: [kubernetes]");
    let sound = SOUND.lines().take(6).collect::<Vec<_>>().join("\n");
    let issuer = "- issuer: {url: https://login.example.com, audiences: [kubernetes]}";
    write(
        "authn.yaml",
        &sound.replace(issuer, &format!("- issuer:\n    url: https://login.example.com\n{bundle}")),
    );
    write("ca.crt", &format!("{}{}", fixture("ca"), fixture("rsa-ca")));
    write("front-proxy-ca.crt", &fixture("ca"));
    write(
        "authlab.toml",
        "[api-server]\nauthentication-configuration = \"authn.yaml\"\n\
         flags = { client-ca-file = \"ca.crt\", requestheader-client-ca-file = \"front-proxy-ca.crt\" }\n",
    );
    let run = |arguments: &[&str]| {
        crate::stage::said(
            stage
                .command(&[&["check", "--quiet"], arguments].concat())
                .current_dir(stage.state()),
        )
    };
    let said = run(&["--json"]);
    let expected = [(1, "ca-shared-with-front-proxy".to_owned()), (7, "not-a-ca".to_owned())];
    assert_eq!((said.code, found(&said)), (1, expected.into()), "{said:?}");
    let said = run(&[]);
    for words in [
        "error: front-proxy-ca.crt:1: ",
        "field: --requestheader-client-ca-file",
        "X19 in BEHAVIOURS.md",
        "warning: authn.yaml:7: ",
    ] {
        assert!(said.out.contains(words), "{words}: {}", said.out);
    }
    let said = run(&["--json", "--flag", "requestheader-allowed-names=front-proxy"]);
    assert_eq!((said.code, found(&said).len()), (0, 1), "{said:?}");
    assert!(stage.labs().is_empty(), "{:?}", stage.labs());
}

#[test]
fn mistakes_that_only_requests_show_are_found_at_their_lines() {
    let said = check(MISTAKES, &["--json"]);
    assert_eq!(said.code, 1, "{said:?}");
    assert_eq!(found(&said), announced(MISTAKES), "{}", said.out);
    let record: Value = serde_json::from_str(&said.out).unwrap();
    let of = |name: &str| {
        record["findings"]
            .as_array()
            .unwrap()
            .iter()
            .find(|finding| finding["name"] == name)
            .unwrap()
    };
    let system = of("system-name-accepted");
    assert_eq!(system["answered"], "accepted as \"system:admin\" in team-a", "{system}");
    assert!(
        of("missing-groups-refused")["answered"]
            .as_str()
            .unwrap()
            .contains("no such key: groups")
    );
    assert!(
        of("user-name-is-not-text")["answered"]
            .as_str()
            .unwrap()
            .contains("must return a string")
    );
}

#[test]
fn sound_configurations_are_silent() {
    let said = check(SOUND, &["--strict"]);
    assert_eq!(said.code, 0, "{said:?}");
    let lines: Vec<&str> = said.out.lines().collect();
    assert!(lines.len() == 1 && lines[0].contains(": checked 12 issuers with "), "{said:?}");
    // An entry that is alone, and flags with their defaults.
    let flags = [
        "--flag",
        "oidc-issuer-url=https://login.example.com",
        "--flag",
        "oidc-client-id=kubernetes",
    ];
    let said = Stage::new().authlab(&[&["check", "--quiet", "--strict"], &flags[..]].concat());
    assert!(said.code == 0 && said.out.starts_with("nothing found"), "{said:?}");
}

#[test]
fn flags_without_prefixes_are_errors_at_the_flag() {
    let flags = [
        "oidc-issuer-url=https://login.example.com",
        "oidc-client-id=kubernetes",
        "oidc-username-prefix=-",
        "oidc-groups-claim=groups",
        "oidc-required-claim=email_verified=true",
    ];
    let mut arguments = vec!["check", "--quiet", "--off", "system-group-accepted"];
    flags.iter().for_each(|flag| arguments.extend(["--flag", flag]));
    let said = Stage::new().authlab(&arguments);
    assert_eq!(said.code, 1, "{said:?}");
    for words in [
        "error: a token can make its holder system:admin, ",
        "field: --oidc-username-claim of https://login.example.com",
        "set --oidc-username-prefix",
        "[required-value-is-not-boolean]",
        "2 errors, ",
        "1 switched off: checked 1 issuer with ",
    ] {
        assert!(said.out.contains(words), "{words}: {}", said.out);
    }
}

#[test]
fn a_configuration_that_does_not_start_is_an_error_at_its_line_in_every_format() {
    let text = MISTAKES
        .replace("{claim: sub, prefix: 'b:'}", "{claim: sub}")
        .replace("v1beta1", "v1alpha1");
    let said = check(&text, &["--format", "github"]);
    assert_eq!(said.code, 1, "{said:?}");
    let error = said.out.lines().find(|line| line.starts_with("::error ")).unwrap();
    assert!(error.contains("authn.yaml,line=11,title=does-not-start::"), "{error}");
    assert!(
        error.contains("prefix is required when claim is set") && error.contains("%0Achange: add `prefix: \"\"`"),
        "{error}"
    );
    assert!(said.out.contains("line=1,title=alpha-version::"), "{said:?}");

    let said = check(&text, &["--format", "sarif"]);
    let log: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!((said.code, log["version"].as_str()), (1, Some("2.1.0")));
    let run = &log["runs"][0];
    let result = &run["results"][0];
    let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
    assert_eq!(run["tool"]["driver"]["rules"][index]["id"], result["ruleId"]);
    assert_eq!(
        (&result["ruleId"], &result["level"]),
        (&Value::from("does-not-start"), &Value::from("error"))
    );
    let place = &result["locations"][0]["physicalLocation"];
    assert_eq!(place["region"]["startLine"], 11);
    assert!(
        place["artifactLocation"]["uri"].as_str().unwrap().ends_with("/authn.yaml"),
        "{place}"
    );
}

#[test]
fn claims_that_cannot_be_guessed_can_be_named() {
    let stage = Stage::new();
    let file = stage.state().join("claims.json");
    std::fs::write(
        &file,
        r#"{ "iss": "https://unknown.example.com", "sub": "alice", "code": "123456-x" }"#,
    )
    .unwrap();
    let begin = MISTAKES.find("- issuer: {url: https://unknown").unwrap();
    let head = MISTAKES.lines().take(3).collect::<Vec<_>>().join("\n");
    let text = format!("{head}\n{}", MISTAKES[begin..].split("---").next().unwrap());
    let said = check(&text, &["--json", "--claims", &file.display().to_string()]);
    assert_eq!((said.code, found(&said)), (0, vec![]), "{said:?}");
    // They should be accepted: it is an error that they are not.
    std::fs::write(&file, r#"{ "iss": "https://unknown.example.com", "sub": "alice", "code": "x" }"#).unwrap();
    let said = check(&text, &["--claims", &file.display().to_string()]);
    assert_eq!(said.code, 1, "{said:?}");
    for words in [
        "authn.yaml:8: a token with the claims that should be accepted is refused",
        "warning: ",
        "nothing is judged for this issuer: all 4 tokens that were tried are refused, the first by jwt[0].claimValidationRules[0] [no-accepted-token]",
        "to the claims that it uses (sub, code)",
        "1 error, 1 warning: checked 1 issuer with ",
        "; nothing is judged for 1 of them",
    ] {
        assert!(said.out.contains(words), "{words}: {}", said.out);
    }
}

/// Expressions that are advised as changes: API servers compile them.
const ADVISED: &str = "\
apiVersion: apiserver.config.k8s.io/v1beta1
kind: AuthenticationConfiguration
jwt:
- issuer: {url: https://a.example.com, audiences: [kubernetes]}
  claimMappings:
    username: {expression: '\"a:\" + claims.sub'}
    groups: {expression: 'claims.?groups.orValue([])'}
    uid: {expression: 'claims.?oid.orValue(\"\")'}
    extra:
    - {key: example.com/a, valueExpression: 'claims.?realm_access.?team.orValue(\"\")'}
  claimValidationRules:
  - expression: 'claims.?email_verified.orValue(true) == true'
  - expression: '\"admins\" in claims.roles'
  userValidationRules:
  - expression: \"!user.username.startsWith('system:')\"
  - expression: \"user.groups.all(g, !g.startsWith('system:'))\"
- issuer: {url: https://b.example.com, audiences: [kubernetes]}
  claimMappings:
    username: {expression: 'claims.email_verified == true ? \"b:\" + claims.email : \"b:\" + claims.sub'}
    groups: {expression: 'claims.?realm_access.?roles.orValue([])'}
  userValidationRules:
  - expression: \"user.groups.all(g, !g.startsWith('system:'))\"
- issuer: {url: https://c.example.com, audiences: [kubernetes]}
  claimMappings:
    username: {expression: '\"c:\" + claims.sub'}
    groups: {expression: 'claims[?\"cognito:groups\"].orValue([])'}
  userValidationRules:
  - expression: \"user.groups.all(g, !g.startsWith('system:'))\"
- issuer: {url: https://d.example.com, audiences: [kubernetes]}
  claimMappings:
    username: {expression: '\"d:\" + claims.sub'}
    groups: {expression: 'claims.?role.hasValue() ? [\"d:\" + claims.role] : []'}
- issuer: {url: https://e.example.com, audiences: [kubernetes]}
  claimMappings:
    username: {expression: '\"e:\" + claims.sub'}
    groups: {expression: 'claims.?groups.hasValue() ? dyn(claims.groups).map(g, \"e:\" + g) : []'}
- issuer: {url: https://f.example.com, audiences: [kubernetes]}
  claimMappings:
    username: {expression: '\"f:\" + claims.sub'}
    groups: {expression: 'claims.roles.split(\",\").map(g, \"f:\" + g)'}
  claimValidationRules:
  - expression: has(claims.hd)
";

#[test]
#[ignore = "needs the servers of the oldest version: cargo test --test cli -- --ignored"]
fn expressions_that_are_advised_compile() {
    let said = check(ADVISED, &["--json", "--kubernetes", "1.30,1.37"]);
    let told = found(&said);
    let wrong = ["does-not-start", "no-accepted-token", "every-token-refused"];
    assert!(
        !told.iter().any(|(_, name)| wrong.contains(&name.as_str())),
        "{told:?}: {}",
        said.out
    );
    // Those with a default accept tokens without the claim; the last one has none.
    let missing: Vec<&(u64, String)> = told.iter().filter(|(_, name)| name == "missing-groups-refused").collect();
    assert!(missing.iter().all(|(line, _)| *line > 35) && missing.len() == 1, "{told:?}");
}

#[test]
fn findings_about_a_configuration_do_not_depend_on_the_projects_people() {
    let stage = Stage::new();
    let write = |name: &str, text: &str| std::fs::write(stage.state().join(name), text).unwrap();
    let text = SOUND.lines().take(4).collect::<Vec<_>>().join("\n");
    let mappings = "  claimMappings:\n    username: {claim: preferred_username, prefix: ''}\n  \
                    userValidationRules:\n  - expression: \"!user.username.startsWith('system:')\"\n";
    write("authn.yaml", &format!("{text}\n{mappings}"));
    // Her name has an `@`, as no name of a certificate is likely to have.
    write(
        "authlab.toml",
        "[api-server]\nauthentication-configuration = \"authn.yaml\"\n[people.alice]\nclaims = { preferred_username = \"alice@example.com\" }\n",
    );
    let said = crate::stage::said(stage.command(&["check", "--quiet", "--json"]).current_dir(stage.state()));
    assert_eq!((said.code, found(&said)), (0, vec![(6, "no-prefix".to_owned())]), "{said:?}");
}

#[test]
fn findings_of_a_project_have_the_lines_of_the_files_that_it_names() {
    let stage = Stage::new();
    let write = |name: &str, text: &str| std::fs::write(stage.state().join(name), text).unwrap();
    // Nobody of the project has the claim of the user name.
    write(
        "authlab.toml",
        "[api-server]\nfrom = \"kubeadm.yaml\"\n[people.alice]\nclaims = { email = \"alice@example.com\" }\n[check]\noff = [\"no-prefix\"]\n",
    );
    write(
        "kubeadm.yaml",
        "apiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\napiServer:\n  extraArgs:\n  \
         - {name: oidc-issuer-url, value: 'https://login.example.com'}\n  - {name: oidc-client-id, value: kubernetes}\n  \
         - {name: oidc-username-claim, value: upn}\n  - {name: oidc-username-prefix, value: '-'}\n",
    );
    let run = |arguments: &[&str]| {
        crate::stage::said(
            stage
                .command(&[&["check", "--quiet"], arguments].concat())
                .current_dir(stage.state()),
        )
    };
    let said = run(&["--json"]);
    assert_eq!(
        (said.code, found(&said)),
        (1, vec![(7, "system-name-accepted".to_owned())]),
        "{said:?}"
    );
    assert!(said.out.contains("kubeadm.yaml"), "{}", said.out);
    let said = run(&["--format", "github"]);
    assert!(
        said.out.contains("::error file=kubeadm.yaml,line=7,title=system-name-accepted::"),
        "{said:?}"
    );

    let sound = SOUND.lines().take(6).collect::<Vec<_>>().join("\n      ");
    write(
        "kubeadm.yaml",
        &format!(
            "apiVersion: controlplane.cluster.x-k8s.io/v1beta1\nkind: KubeadmControlPlane\nspec:\n  kubeadmConfigSpec:\n    \
             clusterConfiguration:\n      apiServer:\n        extraArgs: {{authentication-config: /etc/authn.yaml}}\n    files:\n    \
             - path: /etc/authn.yaml\n      content: |\n      {}\n",
            format!("  {}", sound.replace("\n      ", "\n        ")).replace("prefix: ''", "prefix: '-'")
        ),
    );
    let said = run(&["--json"]);
    assert_eq!((said.code, found(&said)), (0, vec![(16, "dash-as-prefix".to_owned())]), "{said:?}");
    let said = run(&["--format", "sarif"]);
    let log: Value = serde_json::from_str(&said.out).unwrap_or_else(|_| panic!("{said:?}"));
    assert_eq!(
        log["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["region"]["startLine"],
        16
    );
    // A name that is no finding is told before anything starts.
    write(
        "authlab.toml",
        "[api-server]\nfrom = \"kubeadm.yaml\"\n[check]\noff = [\"username-from-email\"]\n",
    );
    let refused = run(&[]).refusal(2);
    assert!(
        refused.contains("authlab.toml:4:") && refused.contains("no finding is named"),
        "{refused}"
    );
    assert!(stage.labs().is_empty(), "{:?}", stage.labs());
}

#[test]
fn wrong_usage_is_refused_before_anything_starts() {
    let stage = Stage::new();
    let refused = stage.authlab(&["check", "--off", "no-such-thing", "--flag", "a=b"]).refusal(2);
    assert!(refused.contains("expected one of: ") && refused.contains("no-prefix"), "{refused}");
    let refused = stage.authlab(&["check"]).refusal(2);
    assert!(refused.contains("no configuration"), "{refused}");
    let refused = stage.authlab(&["check", "--authentication-configuration", "/none.yaml"]).refusal(2);
    assert!(refused.contains("/none.yaml: no such file"), "{refused}");
}
