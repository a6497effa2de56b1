//! Requirements that steps declare with `requires!`: known names, directly above definitions, that no tag repeats.

use authlab::cli::lab_source::{World, vocabulary};
use authlab::scenario::requirement::Source;
use authlab::scenario::step_definition::step_definitions;
use regex::Regex;

use crate::features::{all_goals, all_scenarios};
use crate::{Broken, FILES};

#[test]
fn what_is_declared_is_there() {
    let known = vocabulary().capabilities;
    let features: String = FILES
        .iter()
        .filter(|file| file.path.ends_with(".feature"))
        .map(|file| file.text.as_str())
        .collect();
    let mut broken = Broken::rule(
        "requires! names capabilities of fixtures/capabilities/ and features of fixtures/kubernetes.toml, and its conditions texts that steps say",
    );
    let definitions = step_definitions::<World>();
    for definition in &definitions {
        for need in &definition.requires {
            broken.unless(known.iter().any(|name| name == need.name), || {
                format!("{}: `{}`", definition.place, need.name)
            });
            for text in need.with.iter().chain(need.without).filter(|text| !features.contains(**text)) {
                broken.by(format!("{}: no feature says \"{text}\"", definition.place));
            }
        }
    }
    let declaring = definitions.iter().filter(|definition| !definition.requires.is_empty()).count();
    broken.unless(declaring > 80, || format!("only {declaring} definitions require anything"));
}

#[test]
fn a_tag_says_what_no_step_says() {
    let mut broken = Broken::rule(
        "a scenario requires what its steps require: take out the tag @requires:NAME, and keep it where no step says the same",
    );
    for scenario in all_scenarios().into_iter().chain(all_goals()) {
        let by_step = |name: &str| {
            let mut all = scenario.requirements.iter();
            all.find(|requirement| requirement.name == name && matches!(requirement.source, Source::Step(_)))
        };
        for tagged in scenario
            .requirements
            .iter()
            .filter(|tagged| matches!(tagged.source, Source::Tag(_)))
        {
            if let Some(also) = by_step(&tagged.name) {
                broken.by(format!("{}: {}: {}", scenario.place(), tagged.source, also.source));
            }
        }
    }
}

#[test]
fn a_declaration_stands_above_a_definition() {
    let definition = Regex::new(r"^#\[(given|when|then)\(").unwrap();
    let mut broken = Broken::rule("requires! stands directly above a definition: below it there are its comment and its attribute");
    for file in FILES.iter().filter(|file| file.path.starts_with("harness/src/scenario/steps/")) {
        let mut lines = file.lines();
        while let Some((number, line)) = lines.next() {
            if !line.trim_start().starts_with("requires!(") {
                continue;
            }
            let end = if line.ends_with(");") {
                Some((number, line))
            } else {
                lines.find(|(_, line)| line.ends_with(");"))
            };
            let below = end.and_then(|_| lines.find(|(_, line)| !line.starts_with("//")));
            broken.unless(below.is_some_and(|(_, line)| definition.is_match(line)), || {
                format!("{}:{number}: {line}", file.path)
            });
        }
    }
}
