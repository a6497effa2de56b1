//! Mistakes in files that users write, shown with the line and a caret below it.
//!
//! The main types are [`Diagnostic`], one mistake, and [`Source`], the text of a file, which makes them. [`Diagnostics`] is the error that
//! has all of a file's mistakes at once.

use std::fmt;
use std::ops::Range;

use crate::hint::Hint;
use crate::printable::printable;

/// The maximum number of characters of a line that are shown.
const WIDEST: usize = 160;

/// The number of characters that a cut line keeps before the caret.
const BEFORE: usize = 40;

/// The maximum number of mistakes that are shown of one file. Later ones of a file that is no configuration at all say nothing more.
const SHOWN: usize = 50;

/// A mistake in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// The file, as shown to the user.
    pub file: String,
    /// The place in the file; `None` for a mistake of the file as a whole.
    pub place: Option<Place>,
    /// The mistake: what was expected and what was seen. Lower case, no full stop.
    pub message: String,
    /// The remedy.
    pub hint: Option<String>,
    /// `true` if the file could not be read, so that nothing is known of its content.
    pub is_unread: bool,
}

impl Diagnostic {
    /// Creates a mistake of `file` as a whole.
    pub fn of_file(file: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            file: file.into(),
            place: None,
            message: message.into(),
            hint: None,
            is_unread: false,
        }
    }

    /// Creates a mistake at `place` in `file`.
    pub fn at(file: impl Into<String>, place: Place, message: impl Into<String>) -> Self {
        Self {
            place: Some(place),
            ..Self::of_file(file, message)
        }
    }

    /// Says that the file could not be read.
    #[must_use]
    pub fn unread(self) -> Self {
        Self { is_unread: true, ..self }
    }

    /// Adds the remedy.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds the remedy, if there is one.
    #[must_use]
    pub fn hinted(self, hint: Option<impl Into<String>>) -> Self {
        match hint {
            Some(hint) => self.hint(hint),
            None => self,
        }
    }
}

/// Returns the kind of a JSON value as mistakes name it, with its article.
pub fn kind_of_json(value: &serde_json::Value) -> &'static str {
    use serde_json::Value;
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// The mistake with its line, and the remedy beside the caret. No character in it acts on a terminal.
///
/// ```text
/// authlab.toml:7:1: unknown key `form`
///   7 | form = "x"
///     | ^^^^ did you mean `from`?
/// ```
impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&printable(&self.file))?;
        if let Some(place) = &self.place {
            write!(f, ":{}:{}", place.line, place.column)?;
        }
        write!(f, ": {}", printable(&self.message))?;
        let hint = self.hint.as_deref().map(printable);
        let Some(place) = &self.place else {
            return match hint {
                Some(hint) => write!(f, "\n  = {}", hint.replace('\n', "\n    ")),
                None => Ok(()),
            };
        };
        let number = place.line.to_string();
        let gutter = " ".repeat(number.len());
        write!(f, "\n  {number} | {}\n  {gutter} | {}", place.text, place.carets())?;
        let mut hint = hint.iter().flat_map(|hint| hint.lines());
        if let Some(first) = hint.next() {
            write!(f, " {first}")?;
        }
        hint.try_for_each(|line| write!(f, "\n  {gutter} |   {line}"))
    }
}

/// All mistakes of a file: an error that is shown to the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostics(Vec<Diagnostic>);

impl Diagnostics {
    /// Returns `Ok` if there is no mistake, or else an error with all of them in the order of the file.
    ///
    /// # Errors
    /// There is a mistake.
    pub fn none_of(mut mistakes: Vec<Diagnostic>) -> Result<(), Self> {
        if mistakes.is_empty() {
            return Ok(());
        }
        let order = |mistake: &Diagnostic| mistake.place.as_ref().map(|place| (place.line, place.column));
        mistakes.sort_by(|one, other| (&one.file, order(one)).cmp(&(&other.file, order(other))));
        Err(Self(mistakes))
    }

    /// Returns the mistakes.
    #[must_use]
    pub fn list(&self) -> &[Diagnostic] {
        &self.0
    }
}

impl From<Diagnostic> for Diagnostics {
    fn from(mistake: Diagnostic) -> Self {
        Self(vec![mistake])
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, mistake) in self.0.iter().take(SHOWN).enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            mistake.fmt(f)?;
        }
        match self.0.len().saturating_sub(SHOWN) {
            0 => Ok(()),
            more => write!(f, "\nand {more} more"),
        }
    }
}

impl std::error::Error for Diagnostics {}

/// Each mistake shows its own remedy.
impl Hint for Diagnostics {}

/// A place in a file, with the text of its line: enough for a mistake that is found later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The number of the line, from 1.
    pub line: usize,
    /// The number of the character in the line, from 1.
    pub column: usize,
    /// The number of characters, at least 1.
    pub width: u32,
    /// The text of the line, printable; of a long line the part around the place.
    text: Box<str>,
    /// The number of characters of `text` before the place.
    indent: u32,
}

impl Place {
    /// Returns the text of the line; of a long line, the part around the place.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns the line with carets below the text.
    fn carets(&self) -> String {
        let mut carets: String = self
            .text
            .chars()
            .take(self.indent as usize)
            .map(|c| if c == '\t' { '\t' } else { ' ' })
            .collect();
        let left = self.text.chars().count().saturating_sub(self.indent as usize);
        carets.push_str(&"^".repeat((self.width as usize).min(left).max(1)));
        carets
    }
}

/// A value and its place in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed<T> {
    /// The value.
    pub value: T,
    /// The place where it is written.
    pub place: Place,
}

impl<T> Placed<T> {
    /// Returns the same place with another value.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Placed<U> {
        Placed {
            value: change(self.value),
            place: self.place,
        }
    }
}

/// The text of a file, and its lines.
#[derive(Clone, Debug)]
pub struct Source<'a> {
    file: &'a str,
    text: &'a str,
    /// The offsets at which lines begin.
    starts: Vec<usize>,
}

impl<'a> Source<'a> {
    /// Returns the source of `file`, which is shown to the user under this name.
    #[must_use]
    pub fn new(file: &'a str, text: &'a str) -> Self {
        let starts = std::iter::once(0)
            .chain(text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1))
            .collect();
        Self { file, text, starts }
    }

    /// Returns the place of the bytes `range`. Offsets beyond the end mean the end; a range over several lines ends with its first.
    #[must_use]
    pub fn place(&self, range: Range<usize>) -> Place {
        let start = self.boundary(range.start);
        let line = self.starts.partition_point(|first| *first <= start) - 1;
        let (first, whole) = (self.starts[line], self.line(line));
        let start = start.min(first + whole.len());
        let end = self.boundary(range.end).clamp(start, first + whole.len());
        let column = self.text[first..start].chars().count();
        shown(whole, line + 1, column, self.text[start..end].chars().count())
    }

    /// Returns the place of `width` characters from the character `column` of the line `line`, both from 1. Numbers beyond the text mean
    /// its end.
    #[must_use]
    pub fn place_at(&self, line: usize, column: usize, width: usize) -> Place {
        let line = line.clamp(1, self.starts.len());
        let whole = self.line(line - 1);
        let length = whole.chars().count();
        let column = column.saturating_sub(1).min(length);
        shown(whole, line, column, width.min(length - column))
    }

    /// Creates a mistake at the bytes `range`.
    pub fn mistake(&self, range: Range<usize>, message: impl Into<String>) -> Diagnostic {
        Diagnostic::at(self.file, self.place(range), message)
    }

    /// Creates a mistake at the character `column` of the line `line`, both from 1.
    pub fn mistake_at(&self, line: usize, column: usize, message: impl Into<String>) -> Diagnostic {
        Diagnostic::at(self.file, self.place_at(line, column, 1), message)
    }

    /// Returns the last offset up to `offset` at which a character begins.
    fn boundary(&self, offset: usize) -> usize {
        let mut offset = offset.min(self.text.len());
        while !self.text.is_char_boundary(offset) {
            offset -= 1;
        }
        offset
    }

    /// Returns a line, counted from 0, without its end.
    fn line(&self, line: usize) -> &'a str {
        let end = self.starts.get(line + 1).map_or(self.text.len(), |next| next - 1);
        let whole = &self.text[self.starts[line]..end];
        whole.strip_suffix('\r').unwrap_or(whole)
    }
}

/// Returns the place with the part of its line that is shown. `column` is counted from 0.
fn shown(whole: &str, line: usize, column: usize, width: usize) -> Place {
    let from = if whole.chars().nth(WIDEST).is_some() {
        column.saturating_sub(BEFORE)
    } else {
        0
    };
    let mut text: String = whole.chars().skip(from).take(WIDEST).collect();
    let mut indent = column - from;
    if whole.chars().nth(from + WIDEST).is_some() {
        text.push('…');
    }
    if from > 0 {
        text.insert(0, '…');
        indent += 1;
    }
    Place {
        line,
        column: column + 1,
        width: u32::try_from(width).unwrap_or(u32::MAX).max(1),
        text: printable(&text).into(),
        // A line is cut long before.
        indent: u32::try_from(indent).unwrap_or_default(),
    }
}

/// Returns the text of a file without a byte order mark.
///
/// # Errors
/// The file is not UTF-8; the mistake says where.
pub fn decode(file: &str, bytes: Vec<u8>) -> Result<String, Diagnostic> {
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err(Diagnostic::of_file(file, "is UTF-16, expected UTF-8").hint("save the file as UTF-8"));
    }
    match String::from_utf8(bytes) {
        Ok(text) => Ok(match text.strip_prefix('\u{feff}') {
            Some(rest) => rest.to_owned(),
            None => text,
        }),
        Err(error) => {
            let at = error.utf8_error().valid_up_to();
            let byte = error.as_bytes()[at];
            // The valid part keeps its length, so that the offset stays right.
            let text = String::from_utf8_lossy(error.as_bytes());
            let mistake = Source::new(file, &text).mistake(at..at + 1, format!("is not UTF-8 (byte 0x{byte:02x})"));
            Err(mistake.hint("save the file as UTF-8"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistake_shows_its_line_with_a_caret_and_the_remedy() {
        let source = Source::new("authlab.toml", "a = 1\r\n\tautentication = \"ü\"\r\n");
        let mistake = source.mistake(8..21, "unknown key `autentication`");
        assert_eq!(
            mistake.clone().hint("did you mean `authentication`?").to_string(),
            "authlab.toml:2:2: unknown key `autentication`\n  2 | \tautentication = \"ü\"\n    | \t^^^^^^^^^^^^^ did you mean `authentication`?"
        );
        assert_eq!(mistake.to_string().lines().count(), 3);
        assert_eq!(
            mistake.hint("two\nlines").to_string().lines().skip(2).collect::<Vec<_>>(),
            ["    | \t^^^^^^^^^^^^^ two", "    |   lines"]
        );
    }

    #[test]
    fn a_mistake_of_the_whole_file_has_no_place() {
        let mistake = Diagnostic::of_file("authlab.toml", "no such file").hint("run `authlab init`");
        assert_eq!(mistake.to_string(), "authlab.toml: no such file\n  = run `authlab init`");
    }

    #[test]
    fn places_are_counted_in_characters_and_stay_inside_of_the_text() {
        let source = Source::new("f", "äö=1\nx");
        for (place, expected) in [
            (source.place(4..5), (1, 3, 1)),
            // In the middle of a character.
            (source.place(1..4), (1, 1, 2)),
            // Over the end of a line, and at it.
            (source.place(5..8), (1, 4, 1)),
            (source.place(6..6), (1, 5, 1)),
            // Beyond the end of the file.
            (source.place(99..120), (2, 2, 1)),
            (source.place_at(1, 2, 9), (1, 2, 3)),
            (source.place_at(0, 0, 0), (1, 1, 1)),
            (source.place_at(9, 9, 9), (2, 2, 1)),
            (Source::new("f", "").place(0..1), (1, 1, 1)),
        ] {
            assert_eq!((place.line, place.column, place.width), expected, "{place:?}");
            assert!(!place.carets().is_empty());
        }
    }

    #[test]
    fn a_long_line_is_cut_around_the_place() {
        let text = format!("{}HERE{}", "a".repeat(5000), "b".repeat(5000));
        let place = Source::new("f", &text).place(5000..5004);
        assert_eq!((place.line, place.column, place.width), (1, 5001, 4));
        assert!(place.text().chars().count() <= WIDEST + 2);
        let under: String = place
            .text()
            .chars()
            .skip(place.carets().find('^').expect("a caret"))
            .take(4)
            .collect();
        assert_eq!(under, "HERE");
    }

    #[test]
    fn control_characters_of_the_file_are_not_shown() {
        let source = Source::new("a\u{1b}b", "x = \"\u{1b}]0;t\u{7}\" \u{202e}\r y\n");
        let told = source.mistake(0..1, "bad \u{9b}2J").hint("not \u{8}").to_string();
        assert!(told.chars().all(|c| c == '\n' || !c.is_control() && c != '\u{202e}'), "{told:?}");
    }

    #[test]
    fn text_is_utf_8_with_or_without_a_mark() {
        assert_eq!(decode("f", b"\xef\xbb\xbfa".to_vec()), Ok("a".to_owned()));
        for (bytes, expected) in [
            (&b"\xff\xfea\0"[..], "f: is UTF-16, expected UTF-8\n  = save the file as UTF-8"),
            (
                b"a\nb\xffc",
                "f:2:2: is not UTF-8 (byte 0xff)\n  2 | b\u{fffd}c\n    |  ^ save the file as UTF-8",
            ),
        ] {
            assert_eq!(decode("f", bytes.to_vec()).expect_err("not UTF-8").to_string(), expected);
        }
    }

    #[test]
    fn mistakes_are_told_in_the_order_of_the_file_and_not_without_end() {
        let source = Source::new("f", "a\nb\nc");
        assert_eq!(Diagnostics::none_of(Vec::new()), Ok(()));
        let mistakes = Diagnostics::none_of(vec![source.mistake(4..5, "three"), source.mistake(0..1, "one")]).expect_err("two");
        assert_eq!(
            mistakes.list().iter().map(|mistake| &*mistake.message).collect::<Vec<_>>(),
            ["one", "three"]
        );
        let many = Diagnostics::none_of(vec![source.mistake(0..1, "x"); 60])
            .expect_err("many")
            .to_string();
        assert!(many.ends_with("\nand 10 more"), "{many}");
    }
}
