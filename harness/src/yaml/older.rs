//! The syntax that YAML 1.2 allows, and kubectl's YAML 1.1 does not (go-yaml v2 `scannerc.go`).

use std::collections::BTreeSet;

use granit_parser::ScalarStyle;

use super::NotYaml;

/// Refuses directives other than `%YAML` and `%TAG`.
pub(super) fn directives(text: &str) -> Result<(), NotYaml> {
    let head = text
        .lines()
        .enumerate()
        .take_while(|(_, line)| line.trim().is_empty() || line.starts_with(['%', '#']));
    for (index, line) in head {
        let is_known = ["%YAML", "%TAG"].iter().any(|known| line.split_whitespace().next() == Some(*known));
        if line.starts_with('%') && !is_known {
            return Err(NotYaml {
                why: "found unknown directive name".to_owned(),
                line: index + 1,
            });
        }
    }
    Ok(())
}

/// Refuses a scalar with the value `value`, written as `source`.
pub(super) fn scalar(value: &str, style: ScalarStyle, in_flow: bool, source: &str) -> Result<(), String> {
    match style {
        ScalarStyle::Plain if in_flow && value.contains('?') => Err("did not find expected ',' or '}'".to_owned()),
        ScalarStyle::DoubleQuoted if has_escaped_slash(source) => Err("found unknown escape character".to_owned()),
        _ => Ok(()),
    }
}

fn has_escaped_slash(source: &str) -> bool {
    let mut is_escape = false;
    for c in source.chars() {
        match (is_escape, c) {
            (true, '/') => return true,
            (true, _) => is_escape = false,
            (false, c) => is_escape = c == '\\',
        }
    }
    false
}

/// The lines of a text that begin with a tab and have nothing else: allowed within quotes, blocks of text and brackets alone.
pub(super) struct Lines(BTreeSet<usize>);

impl Lines {
    pub(super) fn new(text: &str) -> Self {
        let blank = |line: &str| line.starts_with('\t') && line.trim().is_empty();
        let numbered = text.lines().enumerate().filter(|(_, line)| blank(line));
        Self(numbered.map(|(index, _)| index + 1).collect())
    }

    /// Allows them from the line `begin` to the line `end`.
    pub(super) fn covers(&mut self, begin: usize, end: usize) {
        while let Some(line) = self.0.range(begin..=end.max(begin)).next().copied() {
            self.0.remove(&line);
        }
    }

    /// Refuses those that are left, up to the end of the document in the line `end`.
    pub(super) fn check(&self, end: usize) -> Result<(), NotYaml> {
        match self.0.first().filter(|line| **line < end) {
            Some(line) => Err(NotYaml {
                why: "found a tab character that violates indentation".to_owned(),
                line: *line,
            }),
            None => Ok(()),
        }
    }
}
