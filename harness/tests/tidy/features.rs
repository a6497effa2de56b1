//! The style of the features: people and rules, one event each, refusals with proof; and steps and tags
//! that have a meaning and are used.

use std::collections::{BTreeMap, BTreeSet};

use authlab::cli::lab_source::{World, vocabulary};
use authlab::scenario::step_definition::{StepDefinition, step_definitions};
use authlab::scenario::wording::Wording;
use authlab::scenario::{FeatureFile, SharedScenario, Suite, parser};
use cucumber::feature::Ext as _;
use gherkin::{Background, Feature, Scenario, Step, StepType};
use regex::Regex;

use crate::{Broken, FILES, root, text_of};

/// The maximum number of steps in a scenario: aim for fewer.
const MOST_STEPS: usize = 9;

/// The maximum number of steps in a background.
const MOST_BACKGROUND: usize = 3;

/// Scenarios with a refusal that states no reason, by title, each with an explanation.
const WITHOUT_REASON: &[(&str, &str)] = &[(
    "Fifty people are refused at the same time",
    "each has a reason of their own; the step compares it with their flaw",
)];

/// Scenarios with a refusal and no accepted request beside it, by title, each with an explanation. Forbidden requests
/// need none: the server's reason names the user, so the credential was accepted.
const WITHOUT_CONTROL: &[(&str, &str)] = &[];

/// The runner's own tags, which no scenario has to carry.
const RUNNERS_OWN: &[&str] = &["serial", "ignore"];

/// Words that steps avoid: the details of a request to Kubernetes belong in the step's function.
const NOT_IN_STEPS: &str =
    r"(?i)\bkubectl\b|\bcurl\b|\bopenssl\b|https?:|\bX-Remote|\bImpersonate-|\bAuthorization\b:?|\bapiVersion\b|(^|\s)--\w|\.ya?ml\b|\{";

fn features() -> Vec<(String, Feature)> {
    let files = parser::named(&[root().join("features")]).unwrap();
    let parsed = files.into_iter().map(|file| {
        (
            format!("features/{}.feature", file.stem),
            parser::parse(&file).unwrap_or_else(|error| panic!("{error}")),
        )
    });
    parsed.collect()
}

/// Returns the goals of lessons, which use the steps and tags of features.
fn goals() -> Vec<(String, Feature)> {
    let parsed = goal_files().into_iter().map(|file| {
        let feature = parser::parse(&file).unwrap_or_else(|error| panic!("{error}"));
        (file.shown.into_string(), feature)
    });
    parsed.collect()
}

/// Returns the features about a configuration, which the example of docs/own-features.md has.
fn own() -> Vec<(String, Feature)> {
    let files = parser::named(&[root().join("harness/examples/project/features")]).unwrap();
    let parsed = files.into_iter().map(|file| {
        let feature = parser::parse(&file).unwrap_or_else(|error| panic!("{error}"));
        (file.shown.into_string(), feature)
    });
    parsed.collect()
}

fn goal_files() -> Vec<FeatureFile> {
    authlab::lesson::all().iter().map(|lesson| lesson.goal()).collect()
}

/// Returns every goal of a lesson as a scenario; fails on an unknown tag or an ambiguous identity.
pub(crate) fn all_goals() -> Vec<SharedScenario> {
    let suite =
        Suite::new(&goal_files(), &vocabulary()).unwrap_or_else(|error| panic!("a lesson's goal is not fit to be carried out: {error:?}"));
    suite.scenarios().cloned().collect()
}

/// Returns every scenario, the rows of an outline one by one; fails on an unknown tag or an ambiguous identity.
pub(crate) fn all_scenarios() -> Vec<SharedScenario> {
    let files = parser::named(&[root().join("features")]).unwrap();
    let suite = Suite::new(&files, &vocabulary()).unwrap_or_else(|error| panic!("the features are not fit to be carried out: {error:?}"));
    suite.scenarios().cloned().collect()
}

fn scenarios(feature: &Feature) -> impl Iterator<Item = &Scenario> {
    feature
        .scenarios
        .iter()
        .chain(feature.rules.iter().flat_map(|rule| &rule.scenarios))
}

fn backgrounds(feature: &Feature) -> impl Iterator<Item = &Background> {
    feature
        .background
        .iter()
        .chain(feature.rules.iter().filter_map(|rule| rule.background.as_ref()))
}

fn steps(feature: &Feature) -> impl Iterator<Item = &Step> {
    backgrounds(feature)
        .flat_map(|background| &background.steps)
        .chain(scenarios(feature).flat_map(|scenario| &scenario.steps))
}

#[test]
fn a_scenario_has_one_when_and_says_what_comes_of_it() {
    let mut broken =
        Broken::rule("a scenario has exactly one When (what happens), at least one Then (what is promised), and at most 9 steps: split it");
    for (path, feature) in features().into_iter().chain(goals()) {
        for scenario in scenarios(&feature) {
            let place = format!("{path}:{}", scenario.position.line);
            let count = |kind| scenario.steps.iter().filter(|step| step.ty == kind).count();
            let whens = count(StepType::When);
            broken.unless(whens == 1, || format!("{place}: {whens} When (an And after it counts)"));
            broken.unless(count(StepType::Then) >= 1, || format!("{place}: no Then"));
            broken.unless(scenario.steps.len() <= MOST_STEPS, || {
                format!("{place}: {} steps", scenario.steps.len())
            });
            let order: Vec<_> = scenario.steps.iter().map(|step| step.ty as u8).collect();
            broken.unless(order.is_sorted(), || {
                format!("{place}: a step stands after one that comes later (Given, When, Then)")
            });
        }
    }
}

#[test]
fn the_table_of_the_cast_has_everybody() {
    let mut broken = Broken::rule("the cast in features/README.md is that of fixtures/cast.toml");
    let readme = text_of("features/README.md");
    for (called, user) in authlab::lab::cast::called() {
        broken.unless(readme.contains(&format!("\n| {called} | ")), || {
            format!("there is no row for {called} ({user})")
        });
    }
}

#[test]
fn a_background_is_short() {
    let mut broken = Broken::rule("a Background has at most 3 steps, all of them Given: a reader has to remember it");
    for (path, feature) in features() {
        for background in backgrounds(&feature) {
            let place = format!("{path}:{}", background.position.line);
            broken.unless(background.steps.len() <= MOST_BACKGROUND, || {
                format!("{place}: {} steps", background.steps.len())
            });
            broken.unless(background.steps.iter().all(|step| step.ty == StepType::Given), || {
                format!("{place}: a step that is no Given")
            });
        }
    }
}

#[test]
fn steps_speak_of_people_and_rules() {
    let machine = Regex::new(NOT_IN_STEPS).unwrap();
    let servers_words = Regex::new(r#"(because|than|says|that) (".*"|'.*')"#).unwrap();
    let mut broken = Broken::rule(
        "a step says what is promised, not how it is asked for: no command, URL, header, flag, YAML, JSON or doc string; the step's function knows those",
    );
    for (path, feature) in features() {
        for step in steps(&feature) {
            let place = format!("{path}:{}", step.position.line);
            // The prefix of names that the identity provider decides about.
            let ours = servers_words.replace(&step.value, "$1").replace("{provider}", "");
            if let Some(found) = machine.find(&ours) {
                broken.by(format!("{place}: `{}` in: {}", found.as_str().trim(), step.value));
            }
            broken.unless(step.docstring.is_none(), || format!("{place}: a doc string"));
        }
    }
}

#[test]
fn a_refusal_says_why_and_stands_beside_what_is_accepted() {
    let refusal = Regex::new(r"\b(refuse[sd]?|client fails)\b").unwrap();
    let reason = Regex::new(r#"\b(because|with|than) (".+"|'.+')"#).unwrap();
    let control = Regex::new(r"\b(accepted|accepts|may|can|let in|given|signed|found to be)\b").unwrap();
    let mut excuses: BTreeSet<&str> = WITHOUT_REASON.iter().chain(WITHOUT_CONTROL).map(|(title, _)| *title).collect();
    let mut excused = |list: &[(&str, &str)], scenario: &Scenario| {
        excuses.remove(scenario.name.as_str());
        list.iter().any(|(title, _)| *title == scenario.name)
    };
    let mut broken = Broken::rule(
        "a refusal names its kind and the server's own reason (refused as …, because \"…\"), and stands beside what is accepted or allowed, \
         so that nothing is refused by accident (But Alice, with a valid …, is still accepted); an exception is data in harness/tests/tidy/features.rs",
    );
    for (path, feature) in features() {
        for scenario in scenarios(&feature) {
            let place = format!("{path}:{}", scenario.position.line);
            let thens: Vec<&str> = scenario
                .steps
                .iter()
                .filter(|step| step.ty == StepType::Then)
                .map(|step| step.value.as_str())
                .collect();
            let (refusals, others): (Vec<&str>, Vec<&str>) = thens.into_iter().partition(|then| refusal.is_match(then));
            let unreasoned: Vec<&&str> = refusals.iter().filter(|then| !reason.is_match(then)).collect();
            if !unreasoned.is_empty() && !excused(WITHOUT_REASON, scenario) {
                broken.by(format!("{place}: no reason in: {}", unreasoned[0]));
            }
            let needs_control = refusals.iter().any(|then| !then.contains("as forbidden"));
            // The valid one may also come first: "And one like it is accepted".
            let before = scenario
                .steps
                .iter()
                .filter(|step| step.ty == StepType::Given && step.value.ends_with("is accepted"));
            let has_control = before.count() > 0 || others.iter().any(|then| control.is_match(then) && !then.contains(" not "));
            if needs_control && !has_control && !excused(WITHOUT_CONTROL, scenario) {
                broken.by(format!("{place}: nothing accepted beside the refusal in: {}", scenario.name));
            }
        }
    }
    for title in excuses {
        broken.by(format!(
            "\"{title}\" is excused, but there is no such scenario, or it needs no excuse"
        ));
    }
}

#[test]
fn titles_are_unique_in_a_feature() {
    let mut broken = Broken::rule("no two scenarios and no two rules of a feature have one title: say what makes them different");
    for (path, feature) in features() {
        let mut seen: BTreeMap<(&str, &str), usize> = BTreeMap::new();
        let rules = feature.rules.iter().map(|rule| ("Rule", rule.name.as_str(), rule.position.line));
        // Titles of an outline that contain the row are compared row by row, by the suite (`all_scenarios`).
        let titled = scenarios(&feature).filter(|scenario| !scenario.name.contains('<'));
        let all = rules.chain(titled.map(|scenario| ("Scenario", scenario.name.as_str(), scenario.position.line)));
        for (kind, name, line) in all {
            if let Some(first) = seen.insert((kind, name), line) {
                broken.by(format!("{path}:{line}: the {kind} \"{name}\" is also in line {first}"));
            }
        }
    }
}

#[test]
fn every_step_is_defined_once_and_every_definition_is_used() {
    let definitions: Vec<StepDefinition> = step_definitions::<World>();
    let mut used = vec![false; definitions.len()];
    let mut broken = Broken::rule(
        "every step of a feature has one definition (harness/src/scenario/steps/), and every definition is used by a feature: remove it, or write the scenario",
    );
    for (path, feature) in features().into_iter().chain(goals()).chain(own()) {
        let feature = feature
            .expand_examples()
            .unwrap_or_else(|error| panic!("{path}: `{}` is not a column", error.name));
        for step in steps(&feature) {
            let found: Vec<usize> = (0..definitions.len()).filter(|index| definitions[*index].defines(step)).collect();
            let places = || {
                found
                    .iter()
                    .map(|index| definitions[*index].place.as_str())
                    .collect::<Vec<_>>()
                    .join(", ")
            };
            broken.unless(found.len() == 1, || {
                format!(
                    "{path}:{}: {} definitions [{}]: {}",
                    step.position.line,
                    found.len(),
                    places(),
                    step.value
                )
            });
            found.iter().for_each(|index| used[*index] = true);
            let of_the_suite = path.starts_with("features/");
            let stranger = found
                .first()
                .and_then(|index| definitions[*index].person(step))
                .filter(|person| !person.is_of_the_cast());
            if let Some(stranger) = stranger.filter(|_| of_the_suite) {
                broken.by(format!("{path}:{}: {} is not of the cast", step.position.line, stranger.name()));
            }
        }
    }
    for (definition, _) in definitions.iter().zip(used).filter(|(_, used)| !used) {
        broken.by(format!(
            "{}: nobody uses {:?} `{}`",
            definition.place, definition.kind, definition.pattern
        ));
    }
}

#[test]
fn the_page_about_own_features_has_each_of_their_steps() {
    let mut broken =
        Broken::rule("docs/own-features.md has an example of each step for features about a configuration, and each step on it is defined");
    let page = text_of("docs/own-features.md");
    let definitions: Vec<StepDefinition> = step_definitions::<World>();
    let mut missing: Vec<&StepDefinition> = definitions.iter().filter(|definition| Wording::of(definition).is_own()).collect();
    let blocks = page.split("```gherkin\n").skip(1).filter_map(|rest| rest.split("```").next());
    for block in blocks {
        let text = match block.starts_with("Feature:") {
            true => block.to_owned(),
            false => format!("Feature: a\n\n  Scenario: b\n{block}"),
        };
        let feature = Feature::parse(&text, gherkin::GherkinEnv::default()).unwrap_or_else(|error| panic!("{error}: {block}"));
        for step in steps(&feature) {
            let count = definitions.iter().filter(|definition| definition.defines(step)).count();
            broken.unless(count == 1, || format!("{count} definitions: {}", step.value));
            missing.retain(|definition| !definition.defines(step));
        }
    }
    for definition in missing {
        broken.by(format!("no example: {}", Wording::of(definition)));
    }
}

#[test]
fn every_tag_is_explained_and_used() {
    let scenarios = all_scenarios();
    let used: BTreeSet<&str> = scenarios
        .iter()
        .flat_map(|scenario| scenario.tags.iter().map(String::as_str))
        .collect();
    let mut broken =
        Broken::rule("the table in features/README.md explains the tags that scenarios carry: take out a row that no scenario needs");
    for tag in vocabulary().tags.iter().filter(|tag| !RUNNERS_OWN.contains(&tag.as_str())) {
        broken.unless(used.contains(tag.as_str()), || format!("@{tag}"));
    }
}

#[test]
fn every_feature_of_kubernetes_is_asked_for() {
    let scenarios = all_scenarios();
    let asked: BTreeSet<&str> = scenarios.iter().flat_map(|scenario| scenario.requires()).collect();
    let settings: String = FILES
        .iter()
        .filter(|file| file.path.starts_with("fixtures/api_servers/"))
        .map(|file| file.text.as_str())
        .collect();
    let table: toml::Table = toml::from_str(&text_of("fixtures/kubernetes.toml")).unwrap();
    let mut broken = Broken::rule(
        "a feature in fixtures/kubernetes.toml is required by a scenario (a step's requires!, or @requires:NAME) or named by a setting ([flags_with.NAME]): take it out, or write the scenario",
    );
    for name in table["features"].as_table().unwrap().keys() {
        broken.unless(
            asked.contains(name.as_str()) || settings.contains(&format!("flags_with.{name}")),
            || name.clone(),
        );
    }
}
