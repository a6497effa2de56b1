//! A record within a log, the way a pod hands over its result without a volume. The main functions are [`write`] and [`read`].
//!
//! It is printed between two marks, compressed (RFC 1952) and in base64 (RFC 4648 §4), in lines of a length that no log driver splits,
//! with a hash that shows whether the log lost any lines. The prefix that a log collector puts in front of each line is skipped.

use std::io::{Read, Write};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};

use crate::hint::Hint;
use crate::report::record::RunRecord;
use crate::report::saved::{self, SavedError};

const BEGIN: &str = "-----BEGIN AUTHLAB RECORD ";
const END: &str = "-----END AUTHLAB RECORD";

/// The number of characters on a line.
const WIDTH: usize = 1000;

/// The largest record, in bytes: that of the whole suite, with every request, takes some ten megabytes.
const LARGEST: u64 = 1 << 28;

/// An error of a record in a log that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum InLogError {
    /// The log ends, or another record begins, before this one ends.
    #[error("the record that begins at line {line} has no end")]
    Cut {
        /// The line on which the record begins.
        line: usize,
    },
    /// Lines are missing or changed.
    #[error("the record that begins at line {line} is incomplete: {problem}")]
    Damaged {
        /// The line on which the record begins.
        line: usize,
        /// The problem with the record.
        problem: String,
    },
    /// The record is complete, but this version cannot read it.
    #[error("cannot read the record that begins at line {line}")]
    Saved {
        /// The line on which the record begins.
        line: usize,
        /// The cause.
        source: SavedError,
    },
}

impl Hint for InLogError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Cut { .. } | Self::Damaged { .. } => Some("fetch the whole log again, without `--tail` or `--since`".to_owned()),
            Self::Saved { source, .. } => source.hint(),
        }
    }
}

/// Returns `record` between its marks.
///
/// # Errors
/// Never fails for a recorded run.
pub fn write(record: &RunRecord) -> std::io::Result<String> {
    let json = serde_json::to_vec(record)?;
    let mut compressed = GzEncoder::new(Vec::new(), Compression::default());
    compressed.write_all(&json)?;
    let text = BASE64_STANDARD.encode(compressed.finish()?);
    let mut lines = format!("{BEGIN}{}-----\n", hex::encode(Sha256::digest(&json)));
    for start in (0..text.len()).step_by(WIDTH) {
        lines.push_str(&text[start..text.len().min(start + WIDTH)]);
        lines.push('\n');
    }
    lines.push_str(END);
    lines.push_str("-----\n");
    Ok(lines)
}

/// Returns whether `text` contains a record.
#[must_use]
pub fn is_log(text: &str) -> bool {
    text.lines().any(|line| line.contains(BEGIN))
}

/// Returns the records in a log, in order.
///
/// # Errors
/// Fails if a record is incomplete or damaged, or if this version cannot read it.
pub fn read(log: &str) -> Result<Vec<RunRecord>, InLogError> {
    let mut records = Vec::new();
    let mut lines = log.lines().enumerate().map(|(index, line)| (index + 1, line.trim_end()));
    while let Some((begin, line)) = lines.next() {
        let Some((before, hash)) = line.split_once(BEGIN) else { continue };
        // The collector's prefix has the same number of words on each line, but its time differs.
        let words = before.split_whitespace().count();
        let hash = hash.trim_end_matches('-');
        let mut text = String::new();
        loop {
            let Some((_, line)) = lines.next() else {
                return Err(InLogError::Cut { line: begin });
            };
            if line.contains(BEGIN) {
                return Err(InLogError::Cut { line: begin });
            }
            if line.contains(END) {
                break;
            }
            text.extend(line.split_whitespace().skip(words));
        }
        records.push(decode(begin, hash, &text)?);
    }
    Ok(records)
}

fn decode(line: usize, hash: &str, text: &str) -> Result<RunRecord, InLogError> {
    let damaged = |problem: String| InLogError::Damaged { line, problem };
    let compressed = BASE64_STANDARD.decode(text).map_err(|error| damaged(error.to_string()))?;
    let json = unpacked(&compressed, LARGEST).map_err(damaged)?;
    if hex::encode(Sha256::digest(&json)) != hash {
        return Err(damaged("its hash differs".to_owned()));
    }
    saved::parse(format!("(line {line})").as_ref(), &json).map_err(|source| InLogError::Saved { line, source })
}

/// Unpacks `compressed`, and fails beyond `largest` bytes, because a log may come from anywhere.
fn unpacked(compressed: &[u8], largest: u64) -> Result<Vec<u8>, String> {
    let mut json = Vec::new();
    let mut limited = GzDecoder::new(compressed).take(largest + 1);
    limited.read_to_end(&mut json).map_err(|error| error.to_string())?;
    match limited.limit() {
        0 => Err(format!("it unpacks to more than {largest} bytes")),
        _ => Ok(json),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::record::Recorder;

    fn record(error: &str) -> RunRecord {
        let mut recorder = Recorder::new();
        recorder.failed(error);
        recorder.record()
    }

    fn errors(log: &str) -> Vec<String> {
        let records = read(log).expect("they are whole");
        records.into_iter().map(|record| record.error.unwrap_or_default()).collect()
    }

    #[test]
    fn records_come_out_of_a_log_as_they_went_in() {
        let long = (0..3000_u32)
            .map(|number| format!("{:x}", number.wrapping_mul(2_654_435_761)))
            .collect::<String>();
        let (one, two) = (write(&record(&long)).expect("written"), write(&record("two")).expect("written"));
        let log = format!("control plane: 4.9 s\n{one}\nbye\n{two}");
        assert!(is_log(&log) && !is_log("{}"));
        assert!(one.lines().count() > 4 && one.lines().all(|line| line.len() <= WIDTH));
        assert_eq!(errors(&log), [long.as_str(), "two"]);
        for prefix in ["[pod/authlab-0-x/authlab] ", "2026-11-26T21:00:00.1Z stdout F "] {
            let collected: String = log.lines().map(|line| format!("{prefix}{line}\n")).collect();
            assert_eq!(errors(&collected), [long.as_str(), "two"], "{prefix}");
        }
    }

    #[test]
    fn a_record_that_unpacks_to_too_much_is_damaged() {
        let mut compressed = GzEncoder::new(Vec::new(), Compression::default());
        compressed.write_all(&[b' '; 1000]).expect("in memory");
        let compressed = compressed.finish().expect("in memory");
        assert_eq!(unpacked(&compressed, 1000).expect("it is as large as it may be").len(), 1000);
        assert_eq!(unpacked(&compressed, 999), Err("it unpacks to more than 999 bytes".to_owned()));
    }

    #[test]
    fn what_lost_lines_on_its_way_is_told_from_what_is_whole() {
        let log = write(&record("one")).expect("written");
        let lines: Vec<&str> = log.lines().collect();
        let refusal = |log: String| read(&log).expect_err("it is refused").to_string();
        assert_eq!(
            refusal(format!("x\n{}", lines[..lines.len() - 1].join("\n"))),
            "the record that begins at line 2 has no end"
        );
        assert_eq!(
            refusal(format!("{}\n{log}", lines[..1].join("\n"))),
            "the record that begins at line 1 has no end"
        );
        let hollow = format!("{}\n{}", lines[0], lines[lines.len() - 1]);
        assert!(refusal(hollow).starts_with("the record that begins at line 1 is incomplete: "));
        let other = log.replacen(&lines[0][BEGIN.len()..BEGIN.len() + 8], "00000000", 1);
        assert!(refusal(other).ends_with("its hash differs"));
    }
}
