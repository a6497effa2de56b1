//! `fixtures/sabotaged_settings.toml`: for each setting of a lab's API servers and controllers, the sabotages that narrow and widen it.
//!
//! The main type is [`Settings`].

use std::collections::{BTreeMap, BTreeSet};

use authlab::sabotage::Sabotage;
use serde::Deserialize;
use toml::{Table, Value};

use crate::{Broken, FILES, text_of};

const LIST: &str = "fixtures/sabotaged_settings.toml";

/// The greatest permitted number of `not_yet`. It only shrinks.
const NOT_YET: usize = 39;

/// The list.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    not_yet: usize,
    flags: BTreeMap<String, Setting>,
    controllers: BTreeMap<String, Setting>,
    issuers: BTreeMap<String, Setting>,
    beside_issuers: BTreeMap<String, Setting>,
    authorizers: BTreeMap<String, Setting>,
}

/// A setting, with the proofs in both directions.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Setting {
    narrower: Option<Proof>,
    wider: Option<Proof>,
    no_bearing: Option<String>,
}

impl Setting {
    fn proofs(&self) -> impl Iterator<Item = &Proof> {
        self.narrower.iter().chain(&self.wider)
    }
}

/// The proof that scenarios notice, or the reason why there is none.
#[derive(Deserialize)]
#[serde(untagged)]
enum Proof {
    Sabotage(String),
    Sabotages(Vec<String>),
    Nobody { nobody: String },
    NotYet { not_yet: String },
}

impl Proof {
    fn sabotages(&self) -> &[String] {
        match self {
            Self::Sabotage(name) => std::slice::from_ref(name),
            Self::Sabotages(names) => names,
            Self::Nobody { .. } | Self::NotYet { .. } => &[],
        }
    }
}

impl Settings {
    fn read() -> Self {
        toml::from_str(&text_of(LIST)).unwrap_or_else(|error| panic!("{LIST}: {error}"))
    }

    fn all(&self) -> impl Iterator<Item = (&String, &Setting)> {
        let parts = [
            &self.flags,
            &self.controllers,
            &self.issuers,
            &self.beside_issuers,
            &self.authorizers,
        ];
        parts.into_iter().flatten()
    }
}

/// Returns the fixture at `path` as a table.
fn table(path: &str) -> Table {
    toml::from_str(&text_of(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Returns the tables of all files of the folder `fixtures/NAME/`.
fn tables(name: &str) -> impl Iterator<Item = Table> {
    let below = format!("fixtures/{name}/");
    let files = FILES.iter().filter(move |file| file.path.starts_with(&below));
    files.filter(|file| file.path.ends_with(".toml")).map(|file| table(&file.path))
}

/// Returns the flags that the code of `path` puts together, `"--NAME=…"`.
fn flags_in_code(path: &str) -> BTreeSet<String> {
    let flag = regex::Regex::new(r#""--([a-z0-9-]+)="#).unwrap();
    let code = text_of(path);
    let code = code.split("#[cfg(test)]").next().unwrap_or_default();
    flag.captures_iter(code).map(|found| found[1].to_owned()).collect()
}

/// Returns the flags of all API servers of a lab, also with a sabotage, and those that an API server of a user's may bring.
fn flags() -> BTreeSet<String> {
    let mut flags = flags_in_code("harness/src/cluster/control_plane.rs");
    for setting in tables("api_servers") {
        let with = setting.get("flags_with").and_then(Value::as_table);
        let further = with.into_iter().flat_map(|with| with.values()).filter_map(Value::as_table);
        let own = ["flags", "files"].into_iter().filter_map(|part| setting.get(part)?.as_table());
        flags.extend(own.chain(further).flat_map(|part| part.keys().cloned()));
    }
    for sabotage in tables("sabotage") {
        let changes = sabotage.get("api_server").and_then(Value::as_array).cloned().unwrap_or_default();
        for change in changes.iter().filter_map(Value::as_table) {
            let parts = ["flags", "added", "joined", "borrowed"].into_iter();
            flags.extend(
                parts
                    .filter_map(|part| change.get(part)?.as_table())
                    .flat_map(|part| part.keys().cloned()),
            );
        }
    }
    let known = table("fixtures/api_server_flags.toml");
    for row in known["flag"].as_array().unwrap() {
        if ["taken", "redirected"].contains(&row["class"].as_str().unwrap()) {
            flags.insert(row["name"].as_str().unwrap().to_owned());
        }
    }
    flags
}

/// Collects the fields of `value` with the names of the tables around them; a list is one field.
fn fields(start: &str, value: &Table, all: &mut BTreeSet<String>) {
    for (name, value) in value {
        let path = format!("{start}{name}");
        match value {
            Value::Table(inner) => fields(&format!("{path}."), inner, all),
            _ => {
                all.insert(path);
            }
        }
    }
}

/// Returns the fields of all pieces of AuthenticationConfigurations.
fn issuers() -> BTreeSet<String> {
    // The harness adds the authority to each (`cluster::authentication`).
    let mut all = BTreeSet::from(["issuer.certificateAuthority".to_owned()]);
    for piece in tables("authentication") {
        fields("", &piece, &mut all);
    }
    all
}

/// Returns the fields of AuthenticationConfigurations beside the issuers.
fn beside_issuers() -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for setting in tables("api_servers") {
        let with = setting.get("configuration_with").and_then(Value::as_table);
        for part in with.into_iter().flat_map(|with| with.values()).filter_map(Value::as_table) {
            fields("", part, &mut all);
        }
    }
    all
}

/// Returns the fields of authorizers that decide: those of the file, but names, and how a webhook is reached.
fn authorizers() -> BTreeSet<String> {
    const REACHED: [&str; 9] = [
        "apiVersion",
        "kind",
        "authorizers",
        "name",
        "webhook",
        "timeout",
        "connectionInfo",
        "kubeConfigFile",
        "expression",
    ];
    const VERSIONS: [&str; 2] = ["subjectAccessReviewVersion", "matchConditionSubjectAccessReviewVersion"];
    let field = regex::Regex::new(r"(?m)^[ -]*([a-zA-Z]+):").unwrap();
    let setting = table("fixtures/api_servers/authorizers.toml");
    let file = setting["files"]["authorization-config"].as_str().unwrap();
    let all = field.captures_iter(file).map(|found| found[1].to_owned());
    all.filter(|name| !REACHED.contains(&name.as_str()) && !VERSIONS.contains(&name.as_str()))
        .collect()
}

#[test]
fn every_setting_has_a_sabotage_in_both_directions_or_a_reason() {
    let settings = Settings::read();
    let mut broken = Broken::rule(
        "each setting of a lab's servers stands in fixtures/sabotaged_settings.toml with the sabotages (fixtures/sabotage/) that narrow \
         and widen it: write them and a scenario that notices, or say there why nobody can, or that it has no bearing",
    );
    let parts = [
        ("flags", flags(), &settings.flags),
        (
            "controllers",
            flags_in_code("harness/src/cluster/control_plane/controllers.rs"),
            &settings.controllers,
        ),
        ("issuers", issuers(), &settings.issuers),
        ("beside_issuers", beside_issuers(), &settings.beside_issuers),
        ("authorizers", authorizers(), &settings.authorizers),
    ];
    for (part, used, listed) in parts {
        assert!(!used.is_empty(), "nothing was found of {part}");
        for name in used.iter().filter(|name| !listed.contains_key(*name)) {
            broken.by(format!("[{part}.{name}] is missing"));
        }
        for name in listed.keys().filter(|name| !used.contains(*name)) {
            broken.by(format!("[{part}.{name}]: no server of a lab has it"));
        }
    }
    for (name, setting) in settings.all() {
        let both = setting.narrower.is_some() && setting.wider.is_some();
        let neither = setting.narrower.is_none() && setting.wider.is_none();
        broken.unless(
            both && setting.no_bearing.is_none() || neither && setting.no_bearing.is_some(),
            || format!("{name}: it has `narrower` and `wider`, or `no_bearing` alone"),
        );
        let mut reasons = setting.proofs().filter_map(|proof| match proof {
            Proof::Nobody { nobody: reason } | Proof::NotYet { not_yet: reason } => Some(reason),
            Proof::Sabotage(_) | Proof::Sabotages(_) => None,
        });
        let said = reasons.all(|reason| reason.len() > 10) && setting.no_bearing.as_ref().is_none_or(|reason| reason.len() > 10);
        broken.unless(said, || format!("{name}: a reason says nothing"));
    }
}

#[test]
fn settings_that_nobody_proves_yet_become_fewer() {
    let settings = Settings::read();
    let proofs = settings.all().flat_map(|(_, setting)| setting.proofs());
    let missing = proofs.filter(|proof| matches!(proof, Proof::NotYet { .. })).count();
    let mut broken = Broken::rule(
        "the number at the top of fixtures/sabotaged_settings.toml is that of its `not_yet`, and it only shrinks: lower NOT_YET with it",
    );
    broken.unless(settings.not_yet == missing, || {
        format!("it says {}, and there are {missing}", settings.not_yet)
    });
    broken.unless(missing <= NOT_YET, || format!("there are {missing}, and {NOT_YET} are permitted"));
    broken.unless(missing >= NOT_YET, || format!("NOT_YET can be lowered to {missing}"));
}

/// Returns whether the sabotage changes the setting `name` of `part`, as its file says.
fn changes(sabotage: &Table, part: &str, name: &str) -> bool {
    let list = |of: &Table, part: &str| of.get(part).and_then(Value::as_array).cloned().unwrap_or_default();
    let rows = |part: &str| list(sabotage, part).into_iter().filter_map(|row| row.as_table().cloned());
    let lists = |row: &Table, part: &str, name: &str| list(row, part).iter().any(|one| one.as_str() == Some(name));
    let has = |row: &Table, part: &str, name: &str| row.get(part).and_then(Value::as_table).is_some_and(|part| part.contains_key(name));
    let texts = |row: &Table| list(row, "replaced").into_iter().filter_map(|one| one.as_table().cloned());
    match part {
        "flags" => {
            let swapped = name == "client-ca-file" && sabotage.get("strangers_certificates").is_some();
            // Its content is the configuration, which other parts of a file change.
            let configured = name == "authentication-config"
                && (rows("authentication").next().is_some() || rows("api_server").any(|row| row.contains_key("pieces")));
            let changed = |row: Table| {
                ["flags", "added", "joined", "borrowed"].iter().any(|part| has(&row, part, name))
                    || lists(&row, "without", name)
                    || texts(&row).any(|one| one["file"].as_str() == Some(name))
            };
            swapped || configured || rows("api_server").any(changed)
        }
        "controllers" => {
            sabotage
                .get("controllers")
                .and_then(Value::as_table)
                .is_some_and(|controllers| has(controllers, "flags", name) || name == "controllers" && controllers.contains_key("missing"))
                || name == "controllers" && rows("objects").next().is_some()
        }
        "issuers" => {
            let further = name == "issuer.url" && rows("api_server").any(|row| row.contains_key("pieces"));
            let touches = |path: &str| name.starts_with(path) || path.starts_with(name);
            let parent = name.rsplit_once('.').map_or(name, |(parent, _)| parent);
            let changed = |row: Table| {
                let mut with = BTreeSet::new();
                row.get("with")
                    .and_then(Value::as_table)
                    .into_iter()
                    .for_each(|table| fields("", table, &mut with));
                let without = list(&row, "without");
                without.iter().filter_map(Value::as_str).any(touches) || with.iter().any(|path| touches(path) || path.starts_with(parent))
            };
            further || rows("authentication").any(changed)
        }
        "beside_issuers" => rows("api_server").any(|row| {
            let mut all = BTreeSet::new();
            row.get("configuration")
                .and_then(Value::as_table)
                .into_iter()
                .for_each(|table| fields("", table, &mut all));
            all.contains(name)
        }),
        "authorizers" => {
            // A replaced text names the field, or is within an expression of its conditions.
            let named = |text: &str| text.contains(name) || name == "matchConditions" && text.contains("group.");
            rows("api_server").any(|row| texts(&row).any(|one| one["text"].as_str().is_some_and(named)))
        }
        other => panic!("no part is named {other}"),
    }
}

#[test]
fn sabotages_change_the_settings_that_name_them() {
    let settings = Settings::read();
    let mut broken =
        Broken::rule("a sabotage that fixtures/sabotaged_settings.toml names for a setting is there, and changes that setting");
    let known = Sabotage::names();
    let parts = [
        ("flags", &settings.flags),
        ("controllers", &settings.controllers),
        ("issuers", &settings.issuers),
        ("beside_issuers", &settings.beside_issuers),
        ("authorizers", &settings.authorizers),
    ];
    for (part, listed) in parts {
        for (name, setting) in listed {
            for sabotage in setting.proofs().flat_map(Proof::sabotages) {
                if !known.contains(sabotage) {
                    broken.by(format!("[{part}.{name}]: there is no fixtures/sabotage/{sabotage}.toml"));
                    continue;
                }
                broken.unless(changes(&table(&format!("fixtures/sabotage/{sabotage}.toml")), part, name), || {
                    format!("[{part}.{name}]: fixtures/sabotage/{sabotage}.toml does not change it")
                });
            }
        }
    }
}
