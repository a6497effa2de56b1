//! Rules of the data: capabilities that all drivers describe, settings that are used, and the ledger
//! `fixtures/uncovered.txt` of behaviours that no scenario proves yet.

use std::collections::{BTreeMap, BTreeSet};

use authlab::behaviour::Catalogue;
use authlab::cluster::Described;
use authlab::sabotage::Sabotage;
use authlab::scenario::selection::TagExpression;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use x509_parser::pem::parse_x509_pem;

use crate::features::all_scenarios;
use crate::{Broken, FILES, text_of};

const LEDGER: &str = "fixtures/uncovered.txt";

/// Returns the ids in the ledger: the first word of each line except comments, in order.
pub(crate) fn ledger() -> Vec<String> {
    let text = text_of(LEDGER);
    let ids = text.lines().filter_map(|line| line.split('#').next()?.split_whitespace().next());
    ids.map(str::to_owned).collect()
}

/// Returns the ids that a scenario proves in an ordinary run, or every night.
pub(crate) fn proved() -> BTreeSet<String> {
    let scenarios = all_scenarios()
        .into_iter()
        .filter(|scenario| !scenario.is_ignored() || scenario.is_nightly());
    scenarios.flat_map(|scenario| scenario.behaviours.clone()).collect()
}

#[test]
fn the_ledger_holds_what_is_not_proved_and_nothing_else() {
    let (listed, proved) = (ledger(), proved());
    let mut broken = Broken::rule(
        "every behaviour is proved by a scenario that carries its id as a tag, or stands in fixtures/uncovered.txt; \
         the ledger only shrinks: take out what is proved, and prove what is new",
    );
    let known = Catalogue::known();
    for id in known.ids() {
        match (listed.iter().filter(|listed| *listed == id).count(), proved.contains(id)) {
            (0, false) => broken.by(format!(
                "{id} is neither proved nor listed: {}",
                known.behaviour(id).unwrap().behaviour
            )),
            (1.., true) => broken.by(format!("{id} is proved: take it out of {LEDGER}")),
            (2.., false) => broken.by(format!("{id} is listed twice")),
            (0, true) | (1, false) => {}
        }
    }
    for id in listed.iter().filter(|id| known.behaviour(id).is_none()) {
        broken.by(format!(
            "{id} is listed, but the catalogue (fixtures/behaviours.toml) does not know it"
        ));
    }
}

#[test]
fn every_night_the_scenarios_that_take_minutes_are_carried_out() {
    let workflow = text_of(".github/workflows/nightly.yml");
    Broken::rule("what a scenario tagged @nightly proves counts as proved, so .github/workflows/nightly.yml carries all of them out")
        .unless(
            workflow.contains("authlab run --include-ignored --tags @nightly") && workflow.contains("cron:"),
            || "it does not".to_owned(),
        );
}

#[test]
fn the_ledger_says_how_long_it_is() {
    let first = text_of(LEDGER).lines().next().unwrap_or_default().to_owned();
    let count = ledger().len();
    Broken::rule("the first line of fixtures/uncovered.txt says how many ids there are, so that a longer ledger is seen in review")
        .unless(first == format!("# {count} behaviours"), || {
            format!("it says `{first}`; write `# {count} behaviours`")
        });
}

#[test]
fn every_driver_describes_the_same_capabilities() {
    let mut described: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    let mut broken = Broken::rule(
        "each file in fixtures/capabilities/ gives every capability as true, false or \"asked\": what is not described is an error, never a default",
    );
    for file in FILES.iter().filter(|file| file.path.starts_with("fixtures/capabilities/")) {
        match toml::from_str::<BTreeMap<String, Described>>(&file.text) {
            Ok(capabilities) => _ = described.insert(&file.path, capabilities.into_keys().collect()),
            Err(error) => broken.by(format!("{}: {error}", file.path)),
        }
    }
    let all: BTreeSet<String> = described.values().flatten().cloned().collect();
    for (path, names) in &described {
        for missing in all.difference(names) {
            broken.by(format!("{path} does not describe `{missing}`"));
        }
    }
    broken.unless(!all.is_empty(), || "there is no capability at all".to_owned());
}

#[test]
fn every_setting_and_every_piece_is_used() {
    let words: String = FILES
        .iter()
        .filter(|file| file.is_rust() || file.path.starts_with("fixtures/api_servers/"))
        .map(|file| file.text.as_str())
        .collect();
    let mut broken =
        Broken::rule("an API server setting is named by a step, a piece of authentication by a setting: use it or remove the file");
    for folder in ["fixtures/api_servers/", "fixtures/authentication/"] {
        for file in FILES.iter().filter(|file| file.path.starts_with(folder)) {
            let name = file.path[folder.len()..].trim_end_matches(".toml");
            broken.unless(words.contains(&format!("\"{name}\"")), || file.path.clone());
        }
    }
}

#[test]
fn a_finding_names_a_behaviour_of_the_catalogue() {
    let id = regex::Regex::new(r#""([A-Z]{1,3}[0-9]{1,2}[a-z]?)""#).unwrap();
    let mut broken = Broken::rule("what `authlab explain` finds names a behaviour of fixtures/behaviours.toml");
    let mut named = 0;
    for file in FILES.iter().filter(|file| file.path.starts_with("harness/src/explain/")) {
        for found in id.captures_iter(&file.text) {
            named += 1;
            broken.unless(Catalogue::known().behaviour(&found[1]).is_some(), || {
                format!("{}: {}", file.path, &found[1])
            });
        }
    }
    broken.unless(named > 40, || format!("only {named} ids were found"));
}

#[test]
fn every_sabotage_names_who_can_notice() {
    let (proved, scenarios) = (proved(), all_scenarios());
    let mut broken = Broken::rule(
        "a file in fixtures/sabotage/ names behaviours that scenarios prove, what steps say, or how identities begin, and pieces that there are",
    );
    for name in Sabotage::names() {
        let sabotage = Sabotage::named(&name).unwrap();
        for id in sabotage.notices.iter().filter(|id| !proved.contains(*id)) {
            broken.by(format!("{name}: no scenario proves {id}, which must notice"));
        }
        let is_tag = |word: &str, tags: &[String]| word.strip_prefix('@').is_some_and(|tag| tags.iter().any(|known| known == tag));
        let names = |word: &String| {
            let mut scenarios = scenarios.iter();
            let said = |words: &str| {
                FILES
                    .iter()
                    .any(|file| file.path.ends_with(".feature") && file.text.contains(words))
            };
            word.strip_prefix("says ").is_some_and(said)
                || proved.contains(word)
                || scenarios.any(|scenario| scenario.id.starts_with(word) || is_tag(word, &scenario.tags))
        };
        for word in sabotage.may_notice.iter().filter(|word| !names(word)) {
            broken.by(format!("{name}: no scenario is of {word}, which may notice"));
        }
        for word in sabotage.may_notice.iter().filter(|word| sabotage.notices.contains(word)) {
            broken.by(format!("{name}: {word} must notice, and need not be said to be allowed to"));
        }
        let settings = sabotage.settings().map(|name| format!("fixtures/api_servers/{name}.toml"));
        let pieces = sabotage.pieces().map(|name| format!("fixtures/authentication/{name}.toml"));
        for path in settings.chain(pieces) {
            broken.unless(FILES.iter().any(|file| file.path == path), || format!("{name}: there is no {path}"));
        }
        let among = sabotage.among.as_deref().map(str::parse::<TagExpression>);
        broken.unless(!matches!(among, Some(Err(_))), || {
            format!("{name}: `among` is not an expression over tags")
        });
    }
}

/// Returns the end of each sound certificate in `text`, in seconds since 1970: of PEM blocks, and of base64 of such blocks.
fn ends(text: &str) -> Vec<i64> {
    const PEM: &str = "-----BEGIN CERTIFICATE-----\n";
    let encoded = text.split('"').filter(|word| word.starts_with("LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0t"));
    let decoded = encoded.map(|word| String::from_utf8(STANDARD.decode(word).expect("base64")).expect("PEM"));
    let texts: Vec<String> = decoded.chain([text.to_owned()]).collect();
    let blocks = texts.iter().flat_map(|text| text.match_indices(PEM).map(|(at, _)| &text[at..]));
    let certificates = blocks.filter_map(|block| Some(parse_x509_pem(block.as_bytes()).ok()?.1));
    certificates
        .filter_map(|pem| Some(pem.parse_x509().ok()?.validity().not_after.timestamp()))
        .collect()
}

#[test]
fn a_certificate_of_the_fixtures_does_not_expire_while_it_is_used() {
    const IN_2090: i64 = 3_786_912_000;
    let mut broken = Broken::rule(
        "tests that read a fixture pass on any day: its certificates are valid until 2090 at least, but that of a request named `expired`",
    );
    let mut found = 0;
    for file in FILES.iter().filter(|file| file.path.starts_with("fixtures/explain/")) {
        let requests: Option<Vec<Value>> = serde_json::from_str(&file.text).ok();
        let texts: Vec<(String, String)> = match requests {
            Some(all) => all
                .iter()
                .map(|one| (one["metadata"]["name"].to_string(), one.to_string()))
                .filter(|(name, _)| name != "\"expired\"")
                .collect(),
            None => vec![(String::new(), file.text.clone())],
        };
        for (name, text) in texts {
            let ends = ends(&text);
            found += ends.len();
            broken.unless(ends.iter().all(|end| *end > IN_2090), || format!("{} {name}", file.path));
        }
    }
    assert!(found > 40, "only {found} certificates were found");
}
