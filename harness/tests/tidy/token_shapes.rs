//! The part of docs/reference/token-shapes.md that is made from `fixtures/token_shapes/`.

use std::fmt::Write;

use authlab::token_shape::TokenShape;

use crate::generated::Generated;

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
    text
}

#[test]
fn the_page_of_token_shapes_says_what_the_fixtures_say() {
    let sections: String = TokenShape::all().iter().map(section).collect();
    SHAPES.check(&format!("{}{sections}", table()));
}
