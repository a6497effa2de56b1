//! The part of docs/reference/token-shapes.md that is made from `fixtures/token_shapes/`, and the features that prove it.

use std::fmt::Write;

use authlab::token_shape::{ShapedIssuer, TokenShape};

use crate::generated::Generated;
use crate::{Broken, FILES};

/// The part of the page.
const SHAPES: Generated = Generated {
    page: "docs/reference/token-shapes.md",
    begin: "<!-- Every shape: UPDATE=1 cargo test --test tidy token_shapes -->\n",
    end: "<!-- (to here) -->\n",
    rule: "docs/reference/token-shapes.md is made between the marks by `UPDATE=1 cargo test --test tidy token_shapes`",
};

/// Returns `names` as code, separated by commas; a dash if there are none.
fn code(names: &[String]) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    if names.is_empty() { "–".to_owned() } else { names.join(", ") }
}

/// Returns the table of all shapes.
fn table() -> String {
    let mut table = String::from("| Shape | Provider | Username from | Groups from |\n|---|---|---|---|\n");
    for shape in TokenShape::all() {
        let (name, provider) = (&shape.name, &shape.provider);
        let (username, groups) = (code(&shape.username), code(&shape.groups));
        writeln!(table, "| [{name}](#{name}) | {provider} | {username} | {groups} |").unwrap();
    }
    table
}

/// Returns the features with a token of the issuer `name`, below the root.
fn features_of(name: &str) -> impl Iterator<Item = &'static str> {
    let step = format!("token of the issuer \"{name}\"");
    FILES
        .iter()
        .filter(move |file| file.path.starts_with("features/token_shapes/") && file.text.contains(&step))
        .map(|file| file.path.as_str())
}

/// Returns the part about one shape.
fn section(shape: &TokenShape) -> String {
    let mut text = format!("\n## {}\n\n", shape.name);
    let audience = shape
        .audience
        .as_ref()
        .map_or_else(|| "none".to_owned(), |audience| format!("`{audience}`"));
    writeln!(text, "{}: {}.", shape.provider, shape.described_as).unwrap();
    let (issuer, life) = (&shape.issuer, shape.life().as_secs());
    writeln!(text, "Issuer: `{issuer}`. Audience: {audience}. Life: {life} seconds.\n").unwrap();
    for sentence in &shape.peculiar {
        writeln!(text, "- {sentence}").unwrap();
    }
    let sources: Vec<String> = shape.sources.iter().map(|url| format!("<{url}>")).collect();
    writeln!(text, "\nSources: {}", sources.join(", ")).unwrap();
    if !shape.unconfirmed.is_empty() {
        writeln!(text, "\nNot confirmed by them: {}", shape.unconfirmed.join(" ")).unwrap();
    }
    let example = serde_json::to_string_pretty(&shape.claims(None, &serde_json::Map::new())).unwrap();
    writeln!(text, "\n```json\n{example}\n```").unwrap();
    if let Some(entry) = shape.configuration() {
        let entry = serde_json::to_string_pretty(&entry).unwrap();
        writeln!(text, "\nA careful entry of `jwt`:\n\n```json\n{entry}\n```").unwrap();
    }
    if let Some(accepted) = &shape.accepted_as {
        let groups = match &accepted.groups[..] {
            [] => "without groups".to_owned(),
            groups => format!("with the groups {}", code(groups)),
        };
        writeln!(text, "\nIt accepts the example as `{}`, {groups}.", accepted.username).unwrap();
    }
    if let Some(message) = &shape.refused {
        writeln!(text, "\nIt refuses the example: `{message}`.").unwrap();
    }
    for path in features_of(&shape.name) {
        let name = path.rsplit('/').next().unwrap();
        writeln!(text, "\nProved on real API servers: [`{name}`](../../{path}).").unwrap();
    }
    if !shape.changed.is_empty() {
        text.push_str("It also shows what comes of an entry that is changed:\n\n");
    }
    for (name, changed) in &shape.changed {
        writeln!(text, "- `{name}` {}.", changed.described_as).unwrap();
    }
    text
}

#[test]
fn every_shape_is_proved_by_a_feature() {
    let mut broken = Broken::rule(
        "each shape in fixtures/token_shapes/, and each changed entry of one, is named by a scenario in one file of features/token_shapes/: \
         `Given Alice holds a token of the issuer \"NAME\"`",
    );
    for issuer in ShapedIssuer::all() {
        let count = features_of(issuer.name).count();
        broken.unless(count == 1, || format!("{}: in {count} files", issuer.name));
        let shape = &issuer.shape.name;
        broken.unless(features_of(issuer.name).eq(features_of(shape)), || {
            format!("{} is in another file than {shape}", issuer.name)
        });
    }
}

#[test]
fn the_page_of_token_shapes_says_what_the_fixtures_say() {
    let sections: String = TokenShape::all().iter().map(section).collect();
    SHAPES.check(&format!("{}{sections}", table()));
}
