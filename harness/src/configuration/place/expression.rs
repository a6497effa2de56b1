//! Places in an expression, as places in the file that has it. The main function is [`position`].
//!
//! YAML changes nothing of a text but blanks and line ends (by folding) and escapes (in quotes). So the characters that are not blank are
//! counted on both sides; where they differ, there is no answer.

use crate::configuration::documents::block;
use crate::yaml::Node;

/// Returns the line and column in the file of the character `column` in the line `line` of the text `node`, all from 1.
///
/// A place behind the last character is one column behind it.
pub(super) fn position(file: &str, node: &Node, line: usize, column: usize) -> Option<(usize, usize)> {
    let value = node.text()?;
    let before: usize = value
        .split('\n')
        .take(line.checked_sub(1)?)
        .map(|line| line.chars().count() + 1)
        .sum();
    let offset = before + column.checked_sub(1)?;
    let characters: Vec<char> = value.chars().collect();
    let signs = |text: &[char]| text.iter().filter(|c| !c.is_whitespace()).count();
    let number = signs(&characters[..offset.min(characters.len())]);
    let is_sign = characters.get(offset).is_some_and(|c| !c.is_whitespace());
    let wanted = if is_sign { number } else { number.checked_sub(1)? };
    let mut written = written(file, node)?.into_iter();
    let mut place = None;
    for expected in characters.iter().filter(|c| !c.is_whitespace()).take(wanted + 1) {
        let (sign, line, column) = written.next()?;
        if sign != *expected {
            return None;
        }
        place = Some((line, column));
    }
    let (line, column) = place?;
    Some((line, if is_sign { column } else { column + 1 }))
}

/// Returns the characters of a text as they are written in the file, without blanks, each with its line and column. The list may go on
/// behind the end of the text.
fn written(file: &str, node: &Node) -> Option<Vec<(char, usize, usize)>> {
    let (line, column) = node.begins;
    let lines: Vec<Vec<char>> = file.lines().map(|line| line.chars().collect()).collect();
    let all = lines.iter().enumerate().skip(line - 1).flat_map(|(index, characters)| {
        let from = if index == line - 1 { column - 1 } else { 0 };
        characters.iter().enumerate().skip(from).map(move |(at, c)| (*c, index + 1, at + 1))
    });
    // The text is not longer than its source, so that this is enough; expressions are short.
    let enough = 4 * node.text()?.chars().count() + 4 * 1024;
    let mut all = all.take(enough).peekable();
    let (first, ..) = *all.peek()?;
    let is_block = block(file, node).is_some();
    let signs: Vec<_> = match first {
        '\'' if !is_block => {
            let mut all = all.skip(1).peekable();
            let mut signs = Vec::new();
            while let Some(sign) = all.next() {
                if sign.0 == '\'' && all.next_if(|next| next.0 == '\'').is_none() {
                    break;
                }
                signs.push(sign);
            }
            signs.into_iter().filter(|(c, ..)| !c.is_whitespace()).collect()
        }
        '"' if !is_block => double_quoted(all.skip(1)),
        _ => all.filter(|(c, ..)| !c.is_whitespace()).collect(),
    };
    Some(signs)
}

/// Returns the signs of a text in double quotes up to its end, or up to an escape that is rare in expressions.
fn double_quoted(all: impl Iterator<Item = (char, usize, usize)>) -> Vec<(char, usize, usize)> {
    let mut signs = Vec::new();
    let mut all = all.peekable();
    while let Some((c, line, column)) = all.next() {
        let sign = match c {
            '"' => break,
            // At the end of a line, it joins two lines.
            '\\' => match all.next_if(|(_, next, _)| *next == line) {
                None | Some(('n' | 't' | 'r' | ' ', ..)) => continue,
                Some((escaped @ ('"' | '\\' | '/'), ..)) => escaped,
                Some(('u', ..)) => {
                    let digits: String = all.by_ref().take(4).map(|(digit, ..)| digit).collect();
                    match u32::from_str_radix(&digits, 16).ok().and_then(char::from_u32) {
                        Some(c) => c,
                        None => break,
                    }
                }
                Some(_) => break,
            },
            c => c,
        };
        if !sign.is_whitespace() {
            signs.push((sign, line, column));
        }
    }
    signs
}
