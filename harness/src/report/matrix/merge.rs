//! Records of runs from any machine, found in directories and logs and put side by side. The main function is [`find`].

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};

use fs_err as fs;

use super::{CELLS, RequestedMatrix, directory, in_log};
use crate::hint::Hint;
use crate::report::cell::Cell;
use crate::report::record::RunRecord;
use crate::report::saved::{self, SavedError};

/// Records that belong together.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// The records, in the order of the places and, within a matrix, of its cells.
    pub records: Vec<RunRecord>,
    /// The requested cells and scenarios, if all records are of one matrix.
    pub asked: Option<RequestedMatrix>,
}

/// An error of records that cannot be put side by side.
#[derive(Debug, thiserror::Error)]
pub enum MergeError {
    /// A record cannot be used.
    #[error(transparent)]
    Saved(#[from] SavedError),
    /// The place holds no record.
    #[error("`{}` has no record of a run", place.display())]
    Nothing {
        /// The place.
        place: PathBuf,
    },
    /// The place cannot be read.
    #[error("cannot read `{}`", place.display())]
    Unreadable {
        /// The place.
        place: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The record in a log is incomplete or damaged.
    #[error("cannot use the record in the log `{}`", place.display())]
    Log {
        /// The log.
        place: PathBuf,
        /// The cause.
        source: in_log::InLogError,
    },
    /// The record is of an inverted run: its passed scenarios noticed a sound twin, and prove no behaviour.
    #[error("`{place}` is of an inverted run (field `inverted`)")]
    Inverted {
        /// The place of the record.
        place: String,
    },
    /// Two records are of the same cell.
    #[error("`{second}` and `{first}` are both of the cell {cell} (field `cell`)")]
    Twice {
        /// The cell.
        cell: String,
        /// The place of the first record.
        first: String,
        /// The place of the second record.
        second: String,
    },
    /// Two records are parts of a cell that do not belong together.
    #[error("`{second}` is {other} of the cell {cell}, and `{first}` is {part} (field `cell.shard`)")]
    Parts {
        /// The cell without its shard.
        cell: String,
        /// The file of the first record.
        first: String,
        /// The part of the first record.
        part: String,
        /// The file of the second record.
        second: String,
        /// The part of the second record.
        other: String,
    },
    /// A scenario is in two shards.
    #[error("`{second}` and `{first}` are shards of the cell {cell}, and both have the scenario `{scenario}` (field `scenarios`)")]
    Overlap {
        /// The cell without its shard.
        cell: String,
        /// The scenario.
        scenario: String,
        /// The file of the first shard.
        first: String,
        /// The file of the second shard.
        second: String,
    },
}

impl Hint for MergeError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Saved(error) => error.hint(),
            Self::Nothing { .. } => {
                Some("name the directories of reports (`--report DIR`), directories of such, or logs of pods".to_owned())
            }
            Self::Unreadable { .. } => None,
            Self::Log { source, .. } => source.hint(),
            Self::Inverted { .. } => Some("leave it out: `authlab report draw` draws it on its own".to_owned()),
            Self::Twice { .. } => Some("name only one of them".to_owned()),
            Self::Parts { .. } | Self::Overlap { .. } => {
                Some("all shards of a cell must come from the same build of authlab and the same selection".to_owned())
            }
        }
    }
}

/// A record and its file.
struct Placed {
    place: String,
    record: RunRecord,
}

/// Returns all records in `places`: reports of runs and matrices, directories of reports, and logs with printed records.
///
/// # Errors
/// Fails if a record cannot be used, or if two do not belong together.
pub fn find(places: &[PathBuf]) -> Result<Found, MergeError> {
    let mut all = Vec::new();
    let mut asked = None;
    for place in places {
        let before = all.len();
        collect(place, &mut all)?;
        if all.len() == before {
            return Err(MergeError::Nothing { place: place.clone() });
        }
        asked = directory::asked(place);
    }
    check(&all)?;
    let mut records: Vec<RunRecord> = all.into_iter().map(|placed| placed.record).collect();
    let asked = asked.filter(|_| places.len() == 1);
    if let Some(asked) = &asked {
        let place = |record: &RunRecord| {
            let name = Cell::of(record).to_string();
            asked.cells.iter().position(|asked| *asked == name).unwrap_or(usize::MAX)
        };
        records.sort_by_key(place);
    }
    Ok(Found { records, asked })
}

fn collect(place: &Path, all: &mut Vec<Placed>) -> Result<(), MergeError> {
    if !place.is_dir() {
        return collect_file(place, all);
    }
    if place.join(saved::RECORD).exists() {
        return collect_file(&place.join(saved::RECORD), all);
    }
    let cells = place.join(CELLS);
    let folders = folders(if cells.is_dir() { &cells } else { place })?;
    for folder in folders {
        if folder.join(saved::RECORD).exists() {
            collect_file(&folder.join(saved::RECORD), all)?;
        } else if folder.join(CELLS).is_dir() {
            collect(&folder, all)?;
        }
    }
    Ok(())
}

fn folders(place: &Path) -> Result<Vec<PathBuf>, MergeError> {
    let unreadable = |source| MergeError::Unreadable {
        place: place.to_owned(),
        source,
    };
    let mut folders = Vec::new();
    for entry in fs::read_dir(place).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.is_dir() {
            folders.push(path);
        }
    }
    folders.sort_by_key(|path| natural(&path.to_string_lossy()));
    Ok(folders)
}

/// Returns a sort key: `1.9` comes before `1.10`, and the third shard before the tenth.
fn natural(name: &str) -> Vec<(String, u64)> {
    let mut parts = vec![(String::new(), 0)];
    for c in name.chars() {
        let part = parts
            .last_mut()
            .filter(|part: &&mut (String, u64)| part.1 == 0 || c.is_ascii_digit());
        match (part, c.to_digit(10)) {
            (Some(part), Some(digit)) => part.1 = part.1.saturating_mul(10).saturating_add(u64::from(digit)),
            (Some(part), None) => part.0.push(c),
            (None, _) => parts.push((c.to_string(), 0)),
        }
    }
    parts
}

fn collect_file(file: &Path, all: &mut Vec<Placed>) -> Result<(), MergeError> {
    let text = fs::read(file).map_err(|source| MergeError::Unreadable {
        place: file.to_owned(),
        source,
    })?;
    let text = String::from_utf8_lossy(&text);
    if !in_log::is_log(&text) {
        let record = saved::read(file)?;
        all.push(Placed {
            place: file.display().to_string(),
            record,
        });
        return Ok(());
    }
    let records = in_log::read(&text).map_err(|source| MergeError::Log {
        place: file.to_owned(),
        source,
    })?;
    for record in records {
        all.push(Placed {
            place: file.display().to_string(),
            record,
        });
    }
    Ok(())
}

fn check(all: &[Placed]) -> Result<(), MergeError> {
    let mut cells: HashMap<Cell, &Placed> = HashMap::new();
    let mut wholes: HashMap<Cell, &Placed> = HashMap::new();
    let mut scenarios: HashMap<(Cell, &str), &Placed> = HashMap::new();
    for placed in all {
        if placed.record.inverted {
            return Err(MergeError::Inverted {
                place: placed.place.clone(),
            });
        }
        let cell = Cell::of(&placed.record);
        if let Some(first) = cells.insert(cell.clone(), placed) {
            return Err(MergeError::Twice {
                cell: cell.to_string(),
                first: first.place.clone(),
                second: placed.place.clone(),
            });
        }
        let whole = cell.whole();
        let count = |cell: &Cell| cell.shard.map(|part| part.count);
        let part = |cell: &Cell| cell.shard.map_or("all".to_owned(), |part| format!("shard {part}"));
        if let Some(first) = wholes.insert(whole.clone(), placed) {
            let other = Cell::of(&first.record);
            if count(&other) != count(&cell) {
                return Err(MergeError::Parts {
                    cell: whole.to_string(),
                    first: first.place.clone(),
                    part: part(&other),
                    second: placed.place.clone(),
                    other: part(&cell),
                });
            }
        }
        for scenario in &placed.record.scenarios {
            if let Some(first) = scenarios.insert((whole.clone(), &scenario.id), placed) {
                return Err(MergeError::Overlap {
                    cell: whole.to_string(),
                    scenario: scenario.id.clone(),
                    first: first.place.clone(),
                    second: placed.place.clone(),
                });
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_in_the_order_in_which_people_count() {
        let mut names = [
            "process-1.10",
            "process-1.9",
            "k3s-1.9",
            "process-1.9-10-of-12",
            "process-1.9-3-of-12",
        ];
        names.sort_by_key(|name| natural(name));
        assert_eq!(
            names,
            [
                "k3s-1.9",
                "process-1.9",
                "process-1.9-3-of-12",
                "process-1.9-10-of-12",
                "process-1.10"
            ]
        );
    }
}
