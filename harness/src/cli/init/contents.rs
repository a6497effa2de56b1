//! The texts of a new project's files. The main function is [`files`].

use std::path::Path;

use serde_json::{Value, json};
use toml::Value as Toml;

use super::origin::Origin;
use crate::project::FILE_NAME;
use crate::server_binaries::Versions;
use crate::template::fill;
use crate::trial::{Source, check};

/// The part of GitLab's pipeline, where there is one already.
pub(super) const GITLAB_PART: &str = ".gitlab-ci.authlab.yml";

const PROJECT: &str = include_str!("../../../fixtures/init/authlab.toml");
const AUTHENTICATION: &str = include_str!("../../../fixtures/init/authn.yaml");
const TEAM: &str = include_str!("../../../fixtures/init/team.yaml");
const ACCESS: &str = include_str!("../../../fixtures/init/access.feature");
const PEOPLE: &str = include_str!("../../../fixtures/init/people.feature");
const GITHUB: &str = include_str!("../../../fixtures/init/github.yml");
const GITLAB: &str = include_str!("../../../fixtures/init/gitlab.yml");

/// The first version that reads `v1` of AuthenticationConfiguration.
const FIRST_WITH_V1: u16 = 34;

/// A file to write.
#[derive(Debug)]
pub(super) struct NewFile {
    /// The path in the project, with `/`.
    pub(super) path: String,
    pub(super) text: String,
}

/// Returns the files of a project in `directory` that begins with `origin`, whose file is named `from`. The project's own file comes last:
/// what it names is there by then.
pub(super) fn files(origin: &Origin, from: Option<&str>, directory: &Path) -> Vec<NewFile> {
    let from = from.map(|path| Toml::from(path).to_string()).unwrap_or_default();
    let sections = match origin {
        Origin::Nothing => "[api-server]\nauthentication-configuration = \"cluster/authn.yaml\"\n".to_owned(),
        Origin::Authentication { .. } => format!("[api-server]\nauthentication-configuration = {from}\n"),
        Origin::Tool { .. } => format!("[api-server]\nfrom = {from}\n"),
        Origin::Kubeconfig { .. } => String::new(),
    };
    let manifests = if matches!(origin, Origin::Nothing) {
        "manifests = [\"rbac/\"]"
    } else {
        "# manifests = [\"rbac/\"]"
    };
    let (people, person) = match origin {
        Origin::Nothing => (of_issuers(&Source::default()), "Alice".to_owned()),
        Origin::Tool { source } | Origin::Authentication { source, .. } => (of_issuers(source), "Alice".to_owned()),
        Origin::Kubeconfig { contexts } => of_contexts(contexts),
    };
    let values = [
        ("versions", versions(origin)),
        ("manifests", manifests.to_owned()),
        ("sections", sections),
        ("people", people),
    ];
    let project = filled(PROJECT, &values);
    let file = |path: &str, text: &str| NewFile {
        path: path.to_owned(),
        text: text.to_owned(),
    };
    let mut files = Vec::new();
    let feature = if matches!(origin, Origin::Nothing) {
        files.extend([file("cluster/authn.yaml", AUTHENTICATION), file("rbac/team.yaml", TEAM)]);
        ACCESS.to_owned()
    } else {
        filled(PEOPLE, &[("person", person)])
    };
    files.push(file("features/access.feature", &feature));
    let (github, gitlab) = (pipeline(GITHUB, origin), pipeline(GITLAB, origin));
    files.push(file(".github/workflows/authlab.yml", &github));
    files.push(file(gitlab_file(directory, &gitlab), &gitlab));
    files.push(file(FILE_NAME, &project));
    files
}

fn filled(text: &str, values: &[(&str, String)]) -> String {
    let value = |name: &str| values.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone());
    fill(text, value).expect("covered by tests")
}

/// Returns `text`, a pipeline for a project that begins with `origin`: people of a kubeconfig are asked at their own cluster.
fn pipeline(text: &str, origin: &Origin) -> String {
    const RUN: &str = "run --report report\n";
    let line = text.lines().find(|line| line.ends_with(RUN.trim_end())).unwrap_or_default();
    if !matches!(origin, Origin::Kubeconfig { .. }) {
        return text.to_owned();
    }
    let indent: String = line.chars().take_while(|c| *c == ' ').collect();
    let comment =
        format!("{indent}# The file `kubeconfig` has the people's contexts: write it from a secret of the pipeline beforehand.\n");
    text.replace(line, &format!("{comment}{line}"))
        .replace(RUN, "run --cluster existing --kubeconfig kubeconfig --report report\n")
}

/// Returns the file of GitLab's pipeline `text`: `.gitlab-ci.yml`, unless somebody else's is there.
fn gitlab_file(directory: &Path, text: &str) -> &'static str {
    const WHOLE: &str = ".gitlab-ci.yml";
    let whole = directory.join(WHOLE);
    let is_ours = std::fs::read(&whole).is_ok_and(|found| found == text.as_bytes());
    if whole.symlink_metadata().is_err() || is_ours {
        WHOLE
    } else {
        GITLAB_PART
    }
}

/// Returns the versions that can read the configuration.
fn versions(origin: &Origin) -> String {
    let first = match origin {
        Origin::Authentication { is_v1: true, .. } => FIRST_WITH_V1,
        _ => 0,
    };
    let known = Versions::pinned().kubernetes.iter().map(|kubernetes| kubernetes.version);
    let mut known = known.filter(|version| version.minor >= first);
    let oldest = known.next().map(|version| version.minor_version()).unwrap_or_default();
    format!("{oldest}..{}", Versions::pinned().newest().version.minor_version())
}

/// The names of the people of one issuer after the other, two of each; those of further issuers have numbers.
const NAMES: [&str; 8] = ["alice", "bob", "carol", "dan", "erin", "frank", "grace", "heidi"];

/// Returns two people with tokens of each issuer of `source`: one in a group, one in none.
fn of_issuers(source: &Source) -> String {
    let usual = |name: &str, groups: Value| {
        let claims = json!({ "email": format!("{name}@example.com"), "email_verified": true, "groups": groups });
        claims.as_object().cloned().unwrap_or_default()
    };
    let mut issuers: Vec<_> = check::people(source).into_iter().map(|(url, claims)| (Some(url), claims)).collect();
    if issuers.is_empty() {
        issuers.push((None, [usual("alice", json!(["team-a"])), usual("bob", json!([]))]));
    }
    let mut people = Vec::new();
    for (url, claims) in &issuers {
        let issuer = url
            .as_ref()
            .map(|url| format!("issuer = {}\n", Toml::from(url.as_str())))
            .unwrap_or_default();
        for (claims, usual) in claims.iter().zip(NAMES) {
            let number = people.len();
            let name = NAMES
                .get(number)
                .map_or_else(|| format!("person-{}", number + 1), |name| (*name).to_owned());
            let claims = check::renamed(claims, usual, &name);
            people.push(format!("[people.{name}]\n{issuer}claims = {}\n", inline(&Value::Object(claims))));
        }
    }
    people.join("\n").trim_end().to_owned()
}

/// Returns a value as TOML has it within a line. TOML has no null.
fn inline(value: &Value) -> String {
    match value {
        Value::Null => "\"\"".to_owned(),
        Value::String(text) => Toml::from(text.as_str()).to_string(),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(inline).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Object(fields) => {
            let fields: Vec<String> = fields
                .iter()
                .map(|(name, value)| format!("{} = {}", key(name), inline(value)))
                .collect();
            format!("{{ {} }}", fields.join(", "))
        }
        Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
}

/// Returns a key of TOML, in quotes where it needs them.
fn key(name: &str) -> String {
    let is_bare = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    if is_bare { name.to_owned() } else { Toml::from(name).to_string() }
}

/// Returns a person for each context, and the name of the first, as a step has it.
fn of_contexts(contexts: &[String]) -> (String, String) {
    let mut names: Vec<String> = Vec::new();
    let mut text = String::new();
    for context in contexts {
        let letters = context
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' });
        let plain: String = letters.collect();
        let plain = match plain.trim_matches('-') {
            // Words of steps.
            "" | "he" | "it" | "she" | "the" | "they" => "person".to_owned(),
            plain if plain.starts_with(|c: char| c.is_ascii_digit()) => format!("person-{plain}"),
            plain => plain.to_owned(),
        };
        let mut name = plain.clone();
        let mut number = 2;
        while names.contains(&name) {
            name = format!("{plain}-{number}");
            number += 1;
        }
        text.push_str(&format!("[people.{name}]\ncontext = {}\n\n", Toml::from(context.as_str())));
        names.push(name);
    }
    let first = names.swap_remove(0);
    let person = first[..1].to_ascii_uppercase() + &first[1..];
    (text.trim_end().to_owned(), person)
}
