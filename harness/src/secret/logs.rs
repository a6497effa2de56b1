//! Logs, which may be too large for memory: their last lines, and the redaction of whole files.
//! The main functions are [`last_lines`] and [`redact_log`].

use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::Path;

use super::redact;

/// The size of a log's end that is read for its last lines.
const END: u64 = 256 * 1024;

/// The size of the pieces in which a log is redacted. A longer line is kept in one piece up to sixteen times this size: an audit event
/// with a long address is some hundred kilobytes.
const PIECE: usize = 1024 * 1024;

/// The part of a piece that may be postponed because it contains an incomplete private key.
const KEY: usize = 64 * 1024;

/// Returns the last `count` lines of the file `log`, redacted; empty when it cannot be read.
#[must_use]
pub fn last_lines(log: &Path, count: usize) -> Vec<String> {
    let read = || {
        let mut file = File::open(log)?;
        let start = file.metadata()?.len().saturating_sub(END);
        file.seek(SeekFrom::Start(start))?;
        let mut end = Vec::new();
        file.take(END).read_to_end(&mut end)?;
        let whole = match start {
            0 => 0,
            // The rest of a line whose beginning was not read might be that of a secret.
            _ => end.iter().position(|byte| *byte == b'\n').map_or(end.len(), |at| at + 1),
        };
        io::Result::Ok(String::from_utf8_lossy(&end[whole..]).into_owned())
    };
    last_lines_of(&read().unwrap_or_default(), count)
}

/// Returns the last `count` lines of `text`, which is redacted before it is cut.
#[must_use]
pub fn last_lines_of(text: &str, count: usize) -> Vec<String> {
    let redacted = redact(text);
    let lines: Vec<&str> = redacted.lines().collect();
    lines[lines.len().saturating_sub(count)..]
        .iter()
        .map(|line| (*line).to_owned())
        .collect()
}

/// Redacts the file `log` in place, piece by piece.
///
/// # Errors
/// The file cannot be read or written; it is then unchanged.
pub fn redact_log(log: &Path) -> io::Result<()> {
    let mut from = File::open(log)?;
    let permissions = from.metadata()?.permissions();
    let directory = log.parent().unwrap_or(Path::new("."));
    let mut to = tempfile::NamedTempFile::new_in(directory)?;
    redact_stream(&mut from, BufWriter::new(to.as_file_mut()), PIECE)?;
    to.as_file().set_permissions(permissions)?;
    to.persist(log)?;
    Ok(())
}

fn redact_stream(from: &mut impl Read, mut to: impl Write, piece: usize) -> io::Result<()> {
    let mut rest = Vec::new();
    loop {
        let before = rest.len();
        from.by_ref().take(piece as u64).read_to_end(&mut rest)?;
        let is_end = rest.len() == before;
        let end = if is_end { rest.len() } else { end_of_piece(&rest, 16 * piece) };
        to.write_all(redact(&String::from_utf8_lossy(&rest[..end])).as_bytes())?;
        rest.drain(..end);
        if is_end {
            return to.flush();
        }
    }
}

/// Returns the length of the part of `text`, which is incomplete, that can be redacted on its own: whole lines, unless one is longer than
/// `longest`, and no incomplete private key.
fn end_of_piece(text: &[u8], longest: usize) -> usize {
    let lines = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    if lines == 0 {
        return if text.len() < longest { 0 } else { text.len() };
    }
    let last = String::from_utf8_lossy(&text[lines.saturating_sub(KEY)..lines]).into_owned();
    let is_open = last
        .rfind("-----BEGIN ")
        .filter(|at| last[*at..].contains("PRIVATE KEY") && !last[*at..].contains("-----END "));
    match is_open {
        Some(_) => {
            let begins = text[..lines]
                .windows(11)
                .rposition(|window| window == b"-----BEGIN ")
                .unwrap_or(lines);
            text[..begins].iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1)
        }
        None => lines,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY_LINES: &str = "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEIBkg4LVWM9nuwNSk3yByxZpY\nRTBnVJk5oVLyyEBAuCkgoAoGCCqGSM49\nAwEHoUQDQgAE\n-----END EC PRIVATE KEY-----\n";

    #[test]
    fn of_a_long_log_the_last_lines_are_read_and_a_key_over_several_is_redacted() {
        let directory = tempfile::tempdir().expect("a directory");
        let log = directory.path().join("server.log");
        let mut text = format!("password=hunter22 {}\n", "x".repeat(2 * usize::try_from(END).unwrap_or_default()));
        text.push_str(&format!("the key is\n{KEY_LINES}done\n"));
        std::fs::write(&log, &text).expect("a file");
        assert_eq!(last_lines(&log, 2), ["[redacted EC PRIVATE KEY]", "done"]);
        assert_eq!(last_lines(&log, 100), ["the key is", "[redacted EC PRIVATE KEY]", "done"]);
        assert!(last_lines(&directory.path().join("none"), 3).is_empty());
    }

    #[test]
    fn a_log_is_redacted_in_pieces_as_it_would_be_whole() {
        let piece = 2048;
        // Puts a key at the end of each piece.
        let line = format!("{}\n", "a line of a log ".repeat(6));
        let mut text = String::new();
        while text.len() < 3 * piece {
            let end = (text.len() / piece + 1) * piece;
            while text.len() + line.len() + 60 < end {
                text.push_str(&line);
            }
            text.push_str(KEY_LINES);
            text.push_str("password=hunter22\n");
        }
        text.push_str("the last one has no end: token=0123456789");
        let mut redacted = Vec::new();
        redact_stream(&mut text.as_bytes(), &mut redacted, piece).expect("it is written");
        assert_eq!(String::from_utf8(redacted).expect("it is text"), redact(&text));
        assert!(!redact(&text).contains("MHcC") && redact(&text).ends_with("token=[redacted]"));
    }

    #[test]
    fn a_line_without_end_is_not_kept_in_memory() {
        let mut redacted = Vec::new();
        redact_stream(&mut io::repeat(b' ').take(100_000), &mut redacted, 1000).expect("it is written");
        assert_eq!(redacted.len(), 100_000);
        assert_eq!(end_of_piece(&[b'x'; 100], 100), 100);
        assert_eq!(end_of_piece(&[b'x'; 99], 100), 0);
    }
}
