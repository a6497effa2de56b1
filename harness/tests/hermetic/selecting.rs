//! Suites and selections: identities, filters, shards, and errors before anything runs.

use authlab::hint::Hint;
use authlab::scenario::{FeatureFile, Selection, Suite};

use crate::toy::{file, suite, vocabulary};

fn toys() -> Suite {
    let trust = "@toy\nFeature: Trust\n  @X4\n  Scenario: an expired one is refused\n    When she asks\n  Scenario: a sound one is accepted\n    When she asks\n";
    let rows = "Feature: Rows\n  @X5\n  Scenario Outline: <who> asks\n    When she asks\n\n    Examples:\n      | who   | how  |\n      | Alice | well |\n      | Bob   | ill  |\n\n    @other\n    Examples:\n      | who   | how  |\n      | Alice | late |\n";
    suite(&[file("external/trust", trust), file("order", rows)]).unwrap()
}

fn ids(selection: &Selection) -> Vec<String> {
    selection.pick(&toys()).scenarios().map(|scenario| scenario.id.clone()).collect()
}

const EXPIRED: &str = "external/trust::an expired one is refused";
const SOUND: &str = "external/trust::a sound one is accepted";
const WELL: &str = "order::Alice asks [Alice, well]";
const ILL: &str = "order::Bob asks [Bob, ill]";
const LATE: &str = "order::Alice asks [Alice, late]";

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

#[test]
fn every_scenario_and_every_row_has_an_identity() {
    assert_eq!(ids(&Selection::default()), [EXPIRED, SOUND, WELL, ILL, LATE]);
    let suite = toys();
    let late = suite.scenarios().find(|scenario| scenario.id == LATE).unwrap();
    assert_eq!(
        (late.flow.as_str(), late.tags.as_slice()),
        ("order", words(&["X5", "other"]).as_slice())
    );
}

#[test]
fn labels_are_dns_labels_and_differ() {
    let suite = toys();
    let labels: std::collections::BTreeSet<String> = suite.scenarios().map(|scenario| scenario.label()).collect();
    assert_eq!(labels.len(), 5);
    for label in labels {
        assert!(
            label.len() <= 40 && label.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-') && !label.starts_with('-'),
            "{label}"
        );
    }
}

#[test]
fn filters_are_those_of_any_rust_test_binary() {
    assert_eq!(
        ids(&Selection {
            filters: words(&["asks"]),
            ..Selection::default()
        }),
        [WELL, ILL, LATE]
    );
    assert_eq!(
        ids(&Selection {
            filters: words(&["expired", "Bob"]),
            ..Selection::default()
        }),
        [EXPIRED, ILL]
    );
    assert_eq!(
        ids(&Selection {
            filters: words(&["order::Alice asks"]),
            exact: true,
            ..Selection::default()
        }),
        Vec::<String>::new()
    );
    assert_eq!(
        ids(&Selection {
            filters: words(&[LATE]),
            exact: true,
            ..Selection::default()
        }),
        [LATE]
    );
    assert_eq!(
        ids(&Selection {
            skip: words(&["order", "sound"]),
            ..Selection::default()
        }),
        [EXPIRED]
    );
    assert_eq!(
        ids(&Selection {
            skip: words(&["order"]),
            exact: true,
            ..Selection::default()
        })
        .len(),
        5
    );
}

#[test]
fn tags_and_names_narrow_further() {
    let tags = |text: &str| {
        ids(&Selection {
            tags: Some(text.parse().unwrap()),
            ..Selection::default()
        })
    };
    assert_eq!(tags("@toy and not @X4"), [SOUND]);
    assert_eq!(tags("@other or @X4"), [EXPIRED, LATE]);
    let name = |text: &str| {
        ids(&Selection {
            name: Some(regex::Regex::new(text).unwrap()),
            ..Selection::default()
        })
    };
    assert_eq!(name("^order::.*(well|late)"), [WELL, LATE]);
}

#[test]
fn a_requirement_is_selected_by_its_tag_and_names_what_says_so() {
    let text = "Feature: Toys\n  @requires:audit-log\n  Scenario: one\n    Given the toy is wound up\n    When she asks\n  Scenario: other\n    Given the toy ticks aloud\n    When she asks\n";
    let suite = suite(&[file("toys", text)]).unwrap();
    let said: Vec<Vec<String>> = suite
        .scenarios()
        .map(|scenario| {
            let requirements = scenario.requirements.iter();
            requirements
                .map(|requirement| format!("{}: {}", requirement.name, requirement.source))
                .collect()
        })
        .collect();
    assert_eq!(
        said,
        [
            ["audit-log: @requires:audit-log", "clock: Given the toy is wound up"],
            ["clock: Given the toy ticks aloud", "bell: Given the toy ticks aloud"],
        ]
    );
    let selection = Selection {
        tags: Some("@requires:clock and not @requires:bell".parse().unwrap()),
        ..Selection::default()
    };
    let picked: Vec<&str> = selection.pick(&suite).scenarios().map(|scenario| scenario.id.as_str()).collect();
    assert_eq!(picked, ["toys::one"]);
}

#[test]
fn every_scenario_is_in_exactly_one_shard() {
    let shards = ["1/3", "2/3", "3/3"].map(|shard| {
        ids(&Selection {
            shard: Some(shard.parse().unwrap()),
            ..Selection::default()
        })
    });
    assert_eq!(shards.each_ref().map(Vec::len), [2, 2, 1]);
    let mut all = shards.concat();
    all.sort();
    let mut expected = words(&[EXPIRED, SOUND, WELL, ILL, LATE]);
    expected.sort();
    assert_eq!(all, expected);
}

#[test]
fn an_expression_with_an_unknown_tag_is_refused() {
    let expression: authlab::scenario::selection::TagExpression = "@toy and not @seral".parse().unwrap();
    let error = expression.check(&vocabulary()).unwrap_err();
    assert_eq!(std::error::Error::source(&error).unwrap().to_string(), "unknown tag `@seral`");
    assert_eq!(
        error.hint().as_deref(),
        Some("did you mean @serial? features/README.md lists them all")
    );
}

fn refusal(files: &[FeatureFile]) -> String {
    let error = suite(files).map(|suite| suite.scenarios().count()).unwrap_err();
    match std::error::Error::source(&error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

#[test]
fn what_would_be_confused_or_pass_by_accident_is_refused() {
    let twice = "Feature: F\n  Scenario: same\n    When she asks\n  Rule: R\n    Scenario: same\n      When she asks\n";
    assert_eq!(
        refusal(&[file("a/b", twice)]),
        "two scenarios have the identity `a/b::same`: features/a/b.feature:2 and features/a/b.feature:5"
    );
    assert_eq!(
        refusal(&[file("a/b", "Feature: F\n  Scenario: empty\n")]),
        "features/a/b.feature:2: the scenario `empty` has no step"
    );
    let rowless = "Feature: F\n  Scenario Outline: none\n    When she asks\n    Examples:\n      | who |\n";
    assert_eq!(
        refusal(&[file("a/b", rowless)]),
        "features/a/b.feature:2: the outline `none` has no row of examples"
    );
    let placeholder = "Feature: F\n  Scenario Outline: o\n    When <whom> asks\n    Examples:\n      | who |\n      | Bob |\n";
    assert_eq!(
        refusal(&[file("a/b", placeholder)]),
        "features/a/b.feature:3: `<whom>` is not a column of the examples"
    );
    let tag = |tag: &str| refusal(&[file("a/b", &format!("Feature: F\n  {tag}\n  Scenario: s\n    When she asks\n"))]);
    assert_eq!(tag("@tyo"), "features/a/b.feature:3: scenario `s`: unknown tag `@tyo`");
    assert_eq!(tag("@X77"), "features/a/b.feature:3: scenario `s`: unknown behaviour `@X77`");
    assert_eq!(
        tag("@requires:wings"),
        "features/a/b.feature:3: scenario `s`: unknown capability `@requires:wings`"
    );
}

#[test]
fn a_syntax_error_shows_its_line_with_a_caret() {
    let cases = [
        (
            "Feature: F\n  Scenario: s\n    When she asks\n    Wenn she asks\n",
            "4:5: expected a keyword",
            "4 |     Wenn she asks\n  |     ^",
        ),
        (
            "Scenario: s\n  When she asks\n",
            "1:1: expected a keyword",
            "1 | Scenario: s\n  | ^",
        ),
        (
            "Feature: F\n  Scenario: s\n    Given a table\n      | a | b |\n      | c |\n    When she asks\n",
            "5:7: the rows of the table have different lengths: 2 cells in the first, 1 in `| c |`",
            "5 |       | c |\n  |       ^",
        ),
        (
            "Feature: F\n  Scenario: s\n    Gvien a lab\n    When she asks\n",
            "3:5: expected a step: is its keyword mistyped?",
            "3 |     Gvien a lab\n  |     ^",
        ),
        (
            "# language: xx\nFeature: F\n  Scenario: s\n    When she asks\n",
            ": the language `xx` is not one of Gherkin's",
            "^",
        ),
        (
            "Feature: F\n  Scenario: s\n    Given a text\n      \"\"\"\n      never closed\n",
            "4:7: expected a keyword",
            "4 |       \"\"\"\n  |       ^",
        ),
    ];
    for (text, place, excerpt) in cases {
        let message = refusal(&[file("a/b", text)]);
        assert!(
            message.starts_with("a feature file has a syntax error: features/a/b.feature:"),
            "{message}"
        );
        assert!(message.contains(place) && message.contains(excerpt), "{message}");
    }
}
