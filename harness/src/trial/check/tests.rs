//! Judgements of answers that are given here. The main function is [`found`].

use serde_json::json;

use super::judgement::judge;
use super::unaccepted::not_accepted;
use super::*;
use crate::trial::{Identified, Refused};

fn entry(mappings: &str) -> Entry {
    let text = format!("jwt:\n- issuer: {{url: https://a.example, audiences: [k]}}\n{mappings}\n");
    let source = Source {
        authentication: Some(text),
        ..Source::default()
    };
    Entry::all(&source).remove(0)
}

fn accepted(user: &str, groups: &[&str]) -> Outcome {
    Outcome::Accepted(Identified {
        user: user.to_owned(),
        groups: groups.iter().map(|group| (*group).to_owned()).collect(),
        ..Identified::default()
    })
}

fn refused(reason: &str) -> Outcome {
    Outcome::Refused(Refused {
        kind: Verdict::Unauthenticated,
        reason: Some(format!("[invalid bearer token, {reason}]")),
    })
}

/// Judges an entry with `mappings`, whose sound token is `user`. `answer` is the server's answer to a token in words; without one, only very many
/// groups are accepted.
fn found(mappings: &str, user: &str, answer: &dyn Fn(&str) -> Option<Outcome>) -> Vec<(&'static str, Option<usize>)> {
    found_by(mappings, (user, &["team-a"]), answer)
}

/// Does the same for a sound token whose holder is also in `groups`.
fn found_by(mappings: &str, user: (&str, &[&str]), answer: &dyn Fn(&str) -> Option<Outcome>) -> Vec<(&'static str, Option<usize>)> {
    let found = judged(&entry(mappings), user, answer);
    found.iter().map(|finding| (finding.rule.name, finding.line)).collect()
}

/// Returns the changes to make in `entry`.
fn changes(entry: &Entry, user: (&str, &[&str]), answer: &dyn Fn(&str) -> Option<Outcome>) -> Vec<String> {
    let found = judged(entry, user, answer).into_iter();
    found.filter_map(|finding| finding.change).collect()
}

fn judged(entry: &Entry, (user, groups): (&str, &[&str]), answer: &dyn Fn(&str) -> Option<Outcome>) -> Vec<Finding> {
    let sound = Sound {
        user: Identified {
            user: user.to_owned(),
            groups: groups.iter().map(|group| (*group).to_owned()).collect(),
            ..Identified::default()
        },
        claims: sound::candidates(entry).remove(0),
    };
    let asked: Vec<Asked> = probes(entry, &sound, &[], 1_700_000_000)
        .into_iter()
        .map(|probe| Asked {
            outcome: answer(&probe.what).unwrap_or_else(|| match probe.aim {
                Aim::ManyGroups => accepted(user, &[]),
                _ => refused("no"),
            }),
            probe,
        })
        .collect();
    judge(entry, &sound, &asked)
}

const EMAIL: &str = "  claimMappings: {username: {claim: email, prefix: ''}}";
const BARE: &str = "  claimMappings:\n    username: {claim: sub, prefix: ''}\n    groups: {claim: groups, prefix: ''}";
const PREFIXED: &str = "  claimMappings:\n    username: {claim: sub, prefix: 'a:'}\n    groups: {expression: claims.groups}";

#[test]
fn a_sound_entry_is_silent() {
    assert_eq!(found(EMAIL, "alice@example.com", &|_| None), []);
    assert_eq!(found(PREFIXED, "a:alice", &|_| None), []);
}

#[test]
fn each_forged_token_that_is_accepted_is_an_error() {
    let found = found(EMAIL, "alice@example.com", &|what| {
        let is_forged = ["expired", "in an hour", "another", "slash", "stranger", "alg: none", "HS256"];
        is_forged
            .iter()
            .any(|word| what.contains(word))
            .then(|| accepted("alice@example.com", &[]))
    });
    assert_eq!(found.len(), 8, "{found:?}");
    assert!(
        found.iter().all(|(name, line)| name.ends_with("-accepted") && *line == Some(2)),
        "{found:?}"
    );
}

#[test]
fn names_and_groups_of_kubernetes_own_are_errors_at_their_mappings() {
    let system = |what: &str| match what {
        "a token whose sub is \"system:admin\"" => Some(accepted("system:admin", &["team-a"])),
        "a token whose groups have \"system:masters\"" => Some(accepted("alice", &["system:masters"])),
        _ => None,
    };
    assert_eq!(
        found(BARE, "alice", &system),
        [("system-name-accepted", Some(4)), ("system-group-accepted", Some(5))]
    );
    // A rule that keeps them out leaves the name as it is.
    assert_eq!(found(BARE, "alice", &|_| None), [("no-prefix", Some(4))]);
    let prefixed = |what: &str| what.contains("system:admin").then(|| accepted("a:system:admin", &[]));
    assert_eq!(found(PREFIXED, "a:alice", &prefixed), []);
    // An email address that begins like them is nobody of Kubernetes' own.
    assert_eq!(found(EMAIL, "system:x@example.com", &|_| None), []);
}

#[test]
fn names_and_groups_of_kubernetes_own_are_found_however_they_come_about() {
    let mappings = |groups: &str| format!("  claimMappings:\n    username: {{claim: sub, prefix: 'a:'}}\n    groups: {groups}");
    let masters = |_: &str| Some(accepted("a:alice", &["system:masters", "system:authenticated"]));
    // Everybody has it.
    let all = found_by(
        &mappings("{expression: '[\"system:masters\"]'}"),
        ("a:alice", &["system:masters"]),
        &masters,
    );
    assert!(all.contains(&("system-group-accepted", Some(5))), "{all:?}");
    assert_eq!(
        found_by(
            &mappings("{claim: groups, prefix: 'a:'}"),
            ("a:alice", &["system:authenticated"]),
            &|_| None
        ),
        []
    );
    // The mapping's prefix makes it one.
    let prefixed = |what: &str| (what == "a token whose groups have \"masters\"").then(|| accepted("a:alice", &["system:masters"]));
    assert_eq!(
        found(&mappings("{claim: groups, prefix: 'system:'}"), "a:alice", &prefixed),
        [("system-group-accepted", Some(5))]
    );
    // A token without the claim has it.
    let missing = |what: &str| (what == "a token without role").then(|| accepted("a:alice", &["system:masters"]));
    assert_eq!(
        found(
            &mappings("{expression: 'has(claims.role) ? [claims.role] : [\"system:masters\"]'}"),
            "a:alice",
            &missing
        ),
        [("system-group-accepted", Some(5))]
    );
    // The part of an address before its domain.
    let local = "  claimMappings:\n    username: {expression: 'claims.email.split(\"@\")[0]'}";
    let system = |what: &str| what.contains("\"system:admin@example.com\"").then(|| accepted("system:admin", &[]));
    assert_eq!(found(local, "alice", &system), [("system-name-accepted", Some(4))]);
    assert_eq!(found(local, "alice", &|_| None), [("no-prefix", Some(4))]);
    let prefixed = "  claimMappings:\n    username: {expression: '\"x-\" + claims.email.split(\"@\")[0]'}";
    assert_eq!(found(prefixed, "x-alice", &|_| None), []);
}

#[test]
fn only_refusals_by_the_mapping_of_groups_are_about_groups() {
    let mappings = |groups: &str, rule: &str| {
        format!("  claimMappings:\n    username: {{claim: sub, prefix: 'a:'}}\n    groups: {groups}\n  claimValidationRules:\n  - {rule}")
    };
    let refuses = |reason: &str, text: &str| {
        let reason = reason.to_owned();
        found(text, "a:alice", &move |what| {
            (what.starts_with("a token without") || what.contains("1000 groups") || what.contains("is a text")).then(|| refused(&reason))
        })
    };
    // A claim that only steers the expression is not filled with groups.
    let steered = mappings(
        "{expression: 'claims.ref_protected == \"true\" ? [\"a:\" + claims.project] : []'}",
        "{claim: ref_protected, requiredValue: 'true'}",
    );
    assert_eq!(
        refuses(
            "oidc: required claim ref_protected value does not match. Got = team-0, want = true",
            &steered
        ),
        []
    );
    // A rule about groups refuses on purpose.
    let rule = "oidc: error evaluating claim validation expression: validation expression 'size(claims.groups) > 0' resulted in error: no such key: groups";
    let demanded = mappings("{claim: groups, prefix: 'a:'}", "{expression: 'size(claims.groups) > 0'}");
    assert_eq!(refuses(rule, &demanded), []);
    let budget = "oidc: error evaluating claim validation expression: operation cancelled: actual cost limit exceeded";
    assert_eq!(refuses(budget, &demanded), [("many-groups-refused", Some(5))]);
}

#[test]
fn a_rule_that_demands_the_text_of_a_list_is_an_error_alone() {
    let list = |what: &str| {
        let words = "oidc: parse claim groups: json: cannot unmarshal array into Go value of type string";
        what.contains("is the list [").then(|| refused(words))
    };
    let rule = "  claimMappings:\n    username: {claim: sub, prefix: 'a:'}\n    groups: {claim: groups, prefix: 'a:'}\n  \
                claimValidationRules:\n  - {claim: groups, requiredValue: admins}";
    assert_eq!(found(rule, "a:alice", &list), [("required-value-is-not-list", Some(7))]);
    let many = |_: &str| {
        Some(refused(
            "oidc: required claim groups value does not match. Got = team-0,team-1, want = admins",
        ))
    };
    assert_eq!(found(rule, "a:alice", &many), []);
    let flags = Source {
        flags: [
            ("oidc-issuer-url", "https://a.example"),
            ("oidc-client-id", "k"),
            ("oidc-groups-claim", "groups"),
            ("oidc-groups-prefix", "-"),
            ("oidc-required-claim", "groups=admins"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec(),
        ..Source::default()
    };
    let entry = Entry::all(&flags).remove(0);
    let changes = changes(&entry, ("https://a.example#alice", &["-admins"]), &list);
    assert_eq!(
        changes,
        [
            "no flag can demand one of a list: use an AuthenticationConfiguration with the rule `\"admins\" in claims.groups`",
            "leave --oidc-groups-prefix out for none: only --oidc-username-prefix knows a dash"
        ]
    );
}

#[test]
fn a_change_is_an_expression_only_where_it_surely_compiles() {
    let missing = |what: &str| {
        what.starts_with("a token without")
            .then(|| refused("oidc: error evaluating group claim expression: no such key"))
    };
    for (groups, expected) in [
        ("claims.groups", "give a default: `claims.?groups.orValue([])`"),
        (
            "claims.role == \"a\" ? [\"a:b\"] : []",
            "let the expression give no groups without the claim: `claims.?role.hasValue()` tells whether the token has it",
        ),
        (
            "claims.realm_access.roles",
            "give a default: `claims.?realm_access.?roles.orValue([])`",
        ),
        (
            "claims[\"cognito:groups\"]",
            "give a default: `claims[?\"cognito:groups\"].orValue([])`",
        ),
        (
            "[\"a:\" + claims.role]",
            "let the expression give no groups without the claim: `claims.?role.hasValue()` tells whether the token has it",
        ),
        (
            "dyn(claims.groups).map(g, \"a:\" + g)",
            "let the expression give no groups without the claim: `claims.?groups.hasValue()` tells whether the token has it",
        ),
    ] {
        let entry = entry(&format!(
            "  claimMappings:\n    username: {{claim: sub, prefix: 'a:'}}\n    groups: {{expression: '{groups}'}}"
        ));
        assert_eq!(changes(&entry, ("a:alice", &[]), &missing), [expected], "{groups}");
    }
}

#[test]
fn unusual_claims_are_judged_by_the_part_that_uses_them() {
    let missing = |what: &str| {
        let words = "oidc: error evaluating group claim expression: expression 'claims.groups' resulted in error: no such key: groups";
        (what == "a token without groups").then(|| refused(words))
    };
    assert_eq!(found(PREFIXED, "a:alice", &missing), [("missing-groups-refused", Some(5))]);
    let unverified = |what: &str| what.contains("email_verified").then(|| accepted("alice@example.com", &[]));
    assert_eq!(
        found(EMAIL, "alice@example.com", &unverified),
        [
            ("unverified-email-accepted", Some(3)),
            ("email-without-verification-accepted", Some(3))
        ]
    );
    let empty = |what: &str| (what == "a token whose sub is the empty text").then(|| accepted("a:", &[]));
    assert_eq!(found(PREFIXED, "a:alice", &empty), [("empty-name-accepted", Some(4))]);
    let dash = "  claimMappings: {username: {claim: sub, prefix: '-'}}";
    assert_eq!(found(dash, "-alice", &|_| None), [("dash-as-prefix", Some(3))]);
}

#[test]
fn rules_that_only_a_text_passes_are_found() {
    let rule = |rule: &str| format!("{PREFIXED}\n  claimValidationRules:\n  - {rule}");
    let judged = |text: &str| found(&rule(text), "a:alice", &|_| None);
    assert_eq!(judged("{claim: hd}"), [("rule-without-value", Some(7))]);
    assert_eq!(
        judged("{claim: email_verified, requiredValue: 'true'}"),
        [("required-value-is-not-boolean", Some(7))]
    );
    assert_eq!(
        judged("{claim: active, requiredValue: 'true'}"),
        [("required-value-may-be-boolean", Some(7))]
    );
    assert_eq!(
        judged("{expression: \"claims.email_verified == 'true'\"}"),
        [("required-value-is-not-boolean", Some(7))]
    );
    // GitLab sends it as a text.
    assert_eq!(judged("{claim: ref_protected, requiredValue: 'true'}"), []);
    assert_eq!(judged("{claim: hd, requiredValue: a.example}"), []);
}

#[test]
fn an_entry_that_accepts_no_token_is_explained_or_not_judged() {
    let name_is_no_text = "oidc: error evaluating username claim expression: username claim expression must return a string";
    for (mappings, reason, expected) in [
        (
            "  claimMappings: {username: {expression: 'true'}}",
            name_is_no_text,
            ("user-name-is-not-text", Some(3)),
        ),
        (
            "  claimMappings: {username: {claim: sub, prefix: ''}, groups: {expression: '7'}}",
            "oidc: error evaluating group claim expression: expression must return a string or a list of strings",
            ("every-token-refused", Some(3)),
        ),
        (
            "  claimMappings: {username: {claim: sub, prefix: ''}}\n  claimValidationRules:\n  - {expression: 'false'}",
            "oidc: error evaluating claim validation expression: validation expression 'false' failed: ",
            ("every-token-refused", Some(5)),
        ),
        (
            "  claimMappings: {username: {claim: sub, prefix: ''}}\n  claimValidationRules:\n  - {expression: 'claims.x.matches(\"^z\")'}",
            "oidc: error evaluating claim validation expression: validation expression 'claims.x.matches(\"^z\")' failed: ",
            ("no-accepted-token", Some(5)),
        ),
        (
            "  claimMappings: {username: {claim: email, prefix: ''}}\n  claimValidationRules:\n  - {claim: email_verified, requiredValue: 'true'}",
            "oidc: parse claim email_verified: json: cannot unmarshal bool into Go value of type string",
            ("required-value-is-not-boolean", Some(5)),
        ),
        (
            "  claimMappings: {username: {claim: sub, prefix: ''}}\n  claimValidationRules:\n  - {claim: groups, requiredValue: a}\n  - {expression: '\"b\" in claims.groups'}",
            "oidc: parse claim groups: json: cannot unmarshal array into Go value of type string",
            ("required-value-is-not-list", Some(5)),
        ),
        (
            "  claimMappings: {username: {claim: sub, prefix: ''}, groups: {expression: 'claims.roles.split(\",\")'}}",
            "oidc: error evaluating group claim expression: expression must return a string or a list of strings",
            ("every-token-refused", Some(3)),
        ),
        (
            "  claimMappings: {username: {claim: sub, prefix: ''}, groups: {expression: 'claims.roles.map(r, r.x)'}}",
            "oidc: error evaluating group claim expression: no such key: x",
            ("no-accepted-token", Some(3)),
        ),
        (
            "  claimMappings: {username: {claim: sub, prefix: 'a:'}}\n  userValidationRules:\n  - {expression: 'user.username.startsWith(\"b:\")'}",
            "oidc: error evaluating user info validation rule: validation expression 'user.username.startsWith(\"b:\")' failed: no",
            ("every-token-refused", Some(5)),
        ),
        (
            "  claimMappings: {username: {claim: sub, prefix: 'a:'}, groups: {claim: groups, prefix: 'a:'}}\n  userValidationRules:\n  - {expression: '\"admins\" in user.groups'}",
            "oidc: error evaluating user info validation rule: validation expression '\"admins\" in user.groups' failed: no",
            ("every-token-refused", Some(5)),
        ),
        (
            "  claimMappings: {username: {claim: sub, prefix: 'a:'}}\n  userValidationRules:\n  - {expression: 'user.username.startsWith(\"a:x\")'}",
            "oidc: error evaluating user info validation rule: validation expression 'user.username.startsWith(\"a:x\")' failed: no",
            ("no-accepted-token", Some(5)),
        ),
    ] {
        let finding = not_accepted(&entry(mappings), &[(Map::new(), refused(reason))]);
        assert_eq!((finding.rule.name, finding.line), expected, "{mappings}");
        assert!(finding.proof.unwrap().answered.starts_with("refused: oidc: "));
    }
}

#[test]
fn the_same_name_of_two_issuers_is_found_at_the_later_one() {
    let source = Source {
        authentication: Some(format!(
            "jwt:\n{0}{0}",
            "- issuer: {url: https://a.example}\n  claimMappings: {username: {claim: email, prefix: ''}}\n"
        )),
        ..Source::default()
    };
    let entries = Entry::all(&source);
    let sound = |user: &str| Sound {
        claims: Map::new(),
        user: Identified {
            user: user.to_owned(),
            ..Identified::default()
        },
    };
    let names = |first: &str, second: &str| {
        let (first, second) = (sound(first), sound(second));
        let found = judgement::same_names(&[(&entries[0], &first), (&entries[1], &second)]);
        found.iter().map(|finding| finding.line).collect::<Vec<_>>()
    };
    assert_eq!(names("alice@example.com", "alice@example.com"), [Some(5)]);
    assert_eq!(names("a", "b"), []);
}

#[test]
fn anonymous_access_counts_only_if_the_configuration_says_so_without_conditions() {
    let of = |text: &str| {
        let source = Source {
            authentication: Some(text.to_owned()),
            ..Source::default()
        };
        anonymous(&source)
    };
    assert_eq!(of("jwt: []\nanonymous: {enabled: true}\n"), Some(("anonymous".to_owned(), Some(2))));
    assert_eq!(of("anonymous:\n  enabled: true\n  conditions: [{path: /livez}]\n"), None);
    assert_eq!(of("anonymous: {enabled: false}\n"), None);
    assert_eq!(of("jwt: []\n"), None);
    let claims = json!({ "iss": "https://a.example" }).as_object().cloned().unwrap();
    let subject = Subject::new(&Source::default(), vec![claims.clone()]);
    assert!(subject.is_of(&claims, "https://a.example") && !subject.is_of(&Map::new(), "https://a.example"));
}

#[test]
fn made_up_claims_are_tried_before_those_of_people_and_named_ones_first() {
    let claims = |name: &str| json!({ "sub": name }).as_object().cloned().unwrap();
    let entry = entry(BARE);
    let candidates = |named: Vec<Map<String, Value>>| {
        let mut subject = Subject::new(&Source::default(), named).with_people(vec![claims("dana")]);
        subject.entries = vec![entry.clone()];
        subject.candidates(&entry)
    };
    let candidate = |claims, is_named| Candidate { claims, is_named };
    let mut expected: Vec<Candidate> = sound::candidates(&entry)
        .into_iter()
        .map(|claims| candidate(claims, false))
        .collect();
    expected.push(candidate(claims("dana"), false));
    assert_eq!(candidates(Vec::new()), expected);
    expected.insert(0, candidate(claims("erin"), true));
    assert_eq!(candidates(vec![claims("erin")]), expected);
}

#[test]
fn an_entry_that_is_not_judged_names_the_rule_and_the_claims_that_it_uses() {
    let mappings = "  claimMappings: {username: {claim: sub, prefix: ''}}\n  claimValidationRules:\n  \
                    - {expression: 'claims.code.matches(\"^z\")'}\n  - {claim: hd, requiredValue: a}";
    let by_rule = "oidc: error evaluating claim validation expression: validation expression 'claims.code.matches(\"^z\")' failed: ";
    let by_value = "oidc: required claim hd value does not match. Got = b, want = a";
    let entry = entry(mappings);
    let told = |reasons: &[&str]| {
        let tried: Vec<_> = reasons.iter().map(|reason| (Map::new(), refused(reason))).collect();
        let found = not_accepted(&entry, &tried);
        assert_eq!(
            found.change.as_deref(),
            Some(
                "give values that it should accept to the claims that it uses (sub, hd, code): in a person of authlab.toml, or in a file, \
                 --claims FILE"
            )
        );
        found.message
    };
    let rule = "jwt[0].claimValidationRules[0]";
    for (reasons, expected) in [
        (vec![by_rule], format!("{rule} refuses the token that was tried")),
        (vec![by_rule, by_rule], format!("{rule} refuses all 2 tokens that were tried")),
        (
            vec![by_rule, by_value],
            format!("all 2 tokens that were tried are refused, the first by {rule}"),
        ),
        (vec!["oidc: other"], "API servers refuse the token that was tried".to_owned()),
    ] {
        assert_eq!(told(&reasons), format!("nothing is judged for this issuer: {expected}"));
    }
    let named = unaccepted::named_refused(&entry, &Map::new(), &refused(by_value));
    assert_eq!(
        (named.rule.name, named.field.as_str(), named.line),
        ("named-claims-refused", "jwt[0].claimValidationRules[1]", Some(6))
    );
}
