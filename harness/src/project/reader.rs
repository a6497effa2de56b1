//! Values of TOML with their places, read one by one so that all mistakes are told. The main type is [`Reader`].

use std::borrow::Cow;
use std::ops::Range;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::keys::Keys;
use crate::diagnostic::{Diagnostic, Place, Placed, Source};

/// A value, and the bytes at which it is written.
pub(super) type Value<'a> = Spanned<DeValue<'a>>;

/// A key, and the bytes at which it is written.
pub(super) type Key<'a> = Spanned<Cow<'a, str>>;

/// A reader of one file.
pub(super) struct Reader<'a> {
    source: Source<'a>,
    shown: &'a str,
    text: &'a str,
    /// The folder to which paths are relative.
    pub(super) directory: &'a Path,
    /// The mistakes so far.
    pub(super) mistakes: Vec<Diagnostic>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(shown: &'a str, text: &'a str, directory: &'a Path) -> Self {
        Self {
            source: Source::new(shown, text),
            shown,
            text,
            directory,
            mistakes: Vec::new(),
        }
    }

    pub(super) fn place(&self, span: Range<usize>) -> Place {
        self.source.place(span)
    }

    /// Tells a mistake at the bytes `span`.
    pub(super) fn tell(&mut self, span: Range<usize>, message: impl Into<String>) {
        let mistake = self.source.mistake(span, message);
        self.mistakes.push(mistake);
    }

    /// Tells a mistake with its remedy.
    pub(super) fn tell_with(&mut self, span: Range<usize>, message: impl Into<String>, hint: impl Into<String>) {
        let mistake = self.source.mistake(span, message).hint(hint);
        self.mistakes.push(mistake);
    }

    /// Tells a mistake at `place`, with its remedy.
    pub(super) fn tell_at(&mut self, place: &Place, message: impl Into<String>, hint: impl Into<String>) {
        let mistake = Diagnostic::at(self.shown, place.clone(), message);
        self.mistakes.push(mistake.hint(hint));
    }

    /// Returns the text of the file at `span`.
    pub(super) fn written(&self, span: Range<usize>) -> &'a str {
        self.text.get(span).unwrap_or_default()
    }

    /// Tells that the value of `name` has another type than `expected`.
    pub(super) fn wrong_type(&mut self, name: &str, value: &Value<'_>, expected: &str, example: &str) {
        let message = format!("`{name}` is {}, expected {expected}", type_of(value.get_ref()));
        self.tell_with(value.span(), message, format!("write {example}"));
    }

    /// Returns the table `name`, whose keys must be among `keys`.
    pub(super) fn table<'v>(&mut self, name: &str, value: &'v Value<'a>, keys: &Keys) -> Option<&'v DeTable<'a>> {
        let DeValue::Table(table) = value.get_ref() else {
            self.wrong_type(name, value, "a table", &format!("a table [{name}]"));
            return None;
        };
        self.check_keys(table, keys);
        Some(table)
    }

    /// Tells each key of `table` that is not among `keys`.
    pub(super) fn check_keys(&mut self, table: &DeTable<'a>, keys: &Keys) {
        for key in table.keys().filter(|key| !keys.known.contains(&key.get_ref().as_ref())) {
            let name = key.get_ref();
            self.tell_with(key.span(), format!("unknown key `{name}`"), keys.remedy(name));
        }
    }

    /// Returns the text `name`, which must not be empty.
    pub(super) fn text(&mut self, name: &str, value: &Value<'_>) -> Option<Placed<String>> {
        match value.get_ref() {
            DeValue::String(text) if text.trim().is_empty() => {
                self.tell(value.span(), format!("`{name}` is empty"));
                None
            }
            DeValue::String(text) => Some(Placed {
                value: text.clone().into_owned(),
                place: self.place(value.span()),
            }),
            DeValue::Array(_) | DeValue::Table(_) => {
                self.wrong_type(name, value, "a string", "it in quotes: \"…\"");
                None
            }
            _ => {
                let written = self.written(value.span()).to_owned();
                self.wrong_type(name, value, "a string", &format!("it in quotes: \"{written}\""));
                None
            }
        }
    }

    /// Returns the values of the list `name`.
    pub(super) fn list<'v>(&mut self, name: &str, value: &'v Value<'a>) -> impl Iterator<Item = &'v Value<'a>> + use<'v, 'a> {
        let list = match value.get_ref() {
            DeValue::Array(list) => Some(list),
            other => {
                let example = match other {
                    DeValue::String(_) => format!("[{}]", self.written(value.span())),
                    _ => "[\"…\"]".to_owned(),
                };
                self.wrong_type(name, value, "a list of strings", &example);
                None
            }
        };
        list.into_iter().flat_map(|list| list.iter())
    }

    /// Returns the list of texts `name`.
    pub(super) fn texts(&mut self, name: &str, value: &Value<'a>) -> Vec<Placed<String>> {
        self.list(name, value).filter_map(|value| self.text(name, value)).collect()
    }
}

/// Returns the name of a value's type, with its article.
pub(super) fn type_of(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "an integer",
        DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}
