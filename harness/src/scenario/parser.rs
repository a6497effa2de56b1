//! Feature files, built in or from disk, and their parsing by Gherkin.
//! The main type is [`FeatureFile`].

use std::path::{Path, PathBuf};

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use gherkin::{Feature, GherkinEnv};
use include_dir::{Dir, include_dir};

use crate::hint::Hint;

static FEATURES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/features");

/// Returns the table of tags in the features' own README.
#[must_use]
pub fn readme() -> &'static str {
    FEATURES
        .get_file("README.md")
        .and_then(|file| file.contents_utf8())
        .unwrap_or_default()
}

/// A feature file, read but not parsed yet.
#[derive(Clone, Debug)]
pub struct FeatureFile {
    /// The path below `features/`, with `/` and without `.feature`: the first half of its scenarios' identity.
    pub stem: String,
    /// The path as shown to users.
    pub shown: Utf8PathBuf,
    /// Its text.
    pub text: String,
}

/// An error of finding or reading a feature file.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// Nothing has this name, neither on disk nor among the built-in features.
    #[error("no feature file or folder `{path}`, neither on disk nor among the built-in features")]
    NotFound {
        /// The path given.
        path: PathBuf,
        /// The folders of the built-in features.
        known: Vec<String>,
    },
    /// The folder has no feature files.
    #[error("no feature file (`*.feature`) in `{path}`")]
    NoneInside {
        /// The folder.
        path: PathBuf,
    },
    /// The file cannot be read.
    #[error("cannot read the feature file")]
    Unreadable(#[source] std::io::Error),
    /// The file's name is not UTF-8.
    #[error("the name of the feature file `{path}` is not UTF-8")]
    Name {
        /// The file.
        path: PathBuf,
    },
}

impl Hint for FileError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::NotFound { known, .. } if !known.is_empty() => Some(format!("name a file, or one of: {}", known.join(", "))),
            _ => None,
        }
    }
}

/// Returns the built-in features, by name.
#[must_use]
pub fn embedded() -> Vec<FeatureFile> {
    let mut files = Vec::new();
    collect_embedded(&FEATURES, &mut files);
    files.sort_by(|one, other| one.stem.cmp(&other.stem));
    files
}

fn collect_embedded(folder: &Dir<'_>, files: &mut Vec<FeatureFile>) {
    for file in folder.files() {
        let (Some(path), Some(text)) = (file.path().to_str(), file.contents_utf8()) else {
            continue;
        };
        if let Some(stem) = path.strip_suffix(".feature") {
            files.push(FeatureFile {
                stem: stem.replace('\\', "/"),
                shown: Utf8Path::new("features").join(path),
                text: text.to_owned(),
            });
        }
    }
    for folder in folder.dirs() {
        collect_embedded(folder, files);
    }
}

/// Returns the feature files that `paths` name: files and folders on disk, or parts of the built-in features
/// (`oidc`, `oidc/login.feature`).
///
/// # Errors
/// A file does not exist, or it cannot be read.
pub fn named(paths: &[PathBuf]) -> Result<Vec<FeatureFile>, FileError> {
    let mut files: Vec<FeatureFile> = Vec::new();
    for path in paths {
        let found = if path.is_dir() {
            from_folder(path)?
        } else if path.is_file() {
            vec![from_disk(path)?]
        } else {
            from_embedded(path)?
        };
        for file in found {
            if !files.iter().any(|other| other.shown == file.shown) {
                files.push(file);
            }
        }
    }
    Ok(files)
}

fn from_folder(folder: &Path) -> Result<Vec<FeatureFile>, FileError> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).map_err(FileError::Unreadable)? {
            let path = entry.map_err(FileError::Unreadable)?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "feature") {
                files.push(from_disk(&path)?);
            }
        }
    }
    if files.is_empty() {
        return Err(FileError::NoneInside {
            path: folder.to_path_buf(),
        });
    }
    files.sort_by(|one, other| one.shown.cmp(&other.shown));
    Ok(files)
}

fn from_disk(path: &Path) -> Result<FeatureFile, FileError> {
    let shown = Utf8PathBuf::from_path_buf(path.to_path_buf()).map_err(|path| FileError::Name { path })?;
    let text = fs::read_to_string(path).map_err(FileError::Unreadable)?;
    Ok(FeatureFile {
        stem: stem_of(&shown),
        shown,
        text,
    })
}

/// Returns the path below the nearest `features` folder, or else the file with its folder.
fn stem_of(path: &Utf8Path) -> String {
    let absolute = camino::absolute_utf8(path).unwrap_or_else(|_| path.to_path_buf());
    let parts: Vec<&str> = absolute.components().map(|part| part.as_str()).collect();
    let start = parts
        .iter()
        .rposition(|part| *part == "features")
        .map_or(parts.len().saturating_sub(2), |index| index + 1);
    let below = parts[start..].join("/");
    below.strip_suffix(".feature").unwrap_or(&below).trim_start_matches('/').to_owned()
}

fn from_embedded(path: &Path) -> Result<Vec<FeatureFile>, FileError> {
    let wanted = path.to_string_lossy();
    let wanted = wanted
        .trim_start_matches("./")
        .trim_start_matches("features/")
        .trim_end_matches('/');
    let wanted = wanted.strip_suffix(".feature").unwrap_or(wanted);
    let all = embedded();
    let found: Vec<FeatureFile> = all
        .iter()
        .filter(|file| file.stem == wanted || file.stem.strip_prefix(wanted).is_some_and(|rest| rest.starts_with('/')))
        .cloned()
        .collect();
    if found.is_empty() {
        let mut known: Vec<String> = all
            .iter()
            .map(|file| file.stem.split('/').next().unwrap_or_default().to_owned())
            .collect();
        known.dedup();
        return Err(FileError::NotFound {
            path: path.to_path_buf(),
            known,
        });
    }
    Ok(found)
}

/// A syntax error in a feature file, with its place and a caret under it.
#[derive(Debug, thiserror::Error)]
#[error("{file}:{line}:{}: {problem}\n{}", self.indent().chars().count() + 1, self.excerpt())]
pub struct SyntaxError {
    /// The file.
    pub file: Utf8PathBuf,
    /// The line, from 1.
    pub line: usize,
    /// The line itself.
    pub text: String,
    /// The problem in words.
    pub problem: String,
}

impl SyntaxError {
    /// Returns the white space before the place of the error.
    fn indent(&self) -> &str {
        &self.text[..self.text.len() - self.text.trim_start().len()]
    }

    fn excerpt(&self) -> String {
        let Self { line, text, .. } = self;
        let margin = " ".repeat(line.to_string().len());
        format!("{margin} |\n{line} | {text}\n{margin} | {}^", self.indent())
    }
}

/// Parses `file`.
///
/// # Errors
/// The file is not Gherkin, or has prose where only steps are allowed.
pub fn parse(file: &FeatureFile) -> Result<Feature, SyntaxError> {
    let lines: Vec<&str> = file.text.lines().collect();
    let (line, problem) = match Feature::parse(&file.text, GherkinEnv::default()) {
        Err(_) => not_gherkin(&lines),
        Ok(mut feature) => match prose(&lines, &feature) {
            Some(line) => (
                line,
                "expected a step: is its keyword mistyped? (prose belongs under Feature or Rule, or after `#`)".to_owned(),
            ),
            None => {
                feature.path = Some(file.shown.clone().into_std_path_buf());
                return Ok(feature);
            }
        },
    };
    Err(SyntaxError {
        file: file.shown.clone(),
        line: line + 1,
        text: lines.get(line).copied().unwrap_or_default().to_owned(),
        problem,
    })
}

/// Returns the index of the first line after the last one up to which the file is Gherkin, and what is wrong with it. The parser's own
/// position is the farthest place that any of its attempts reached.
fn not_gherkin(lines: &[&str]) -> (usize, String) {
    let is_gherkin = |count: &usize| Feature::parse(lines[..*count].join("\n"), GherkinEnv::default()).is_ok();
    let sound = (1..lines.len()).rev().find(is_gherkin).unwrap_or(0);
    let is_content = |line: &str| !line.is_empty() && !line.starts_with(['#', '@']);
    let line = (sound..lines.len()).find(|index| is_content(lines[*index].trim())).unwrap_or(sound);
    let first = lines.iter().map(|line| line.trim()).find(|line| !line.is_empty());
    match first.and_then(|line| line.strip_prefix('#')?.split_once(':')) {
        Some((key, language)) if key.trim() == "language" && !gherkin::is_language_supported(language.trim()) => {
            return (line, format!("the language `{}` is not one of Gherkin's", language.trim()));
        }
        _ => {}
    }
    let row = lines.get(line).map_or("", |line| line.trim());
    let problem = if row.is_empty() {
        "the file ends, or the line is empty, where Gherkin expects more".to_owned()
    } else if let Some(cells) = cells(row) {
        match lines[..line].iter().rev().map_while(|line| self::cells(line)).last() {
            Some(first) if first > cells => {
                format!("the rows of the table have different lengths: {first} cells in the first, {cells} in `{row}`")
            }
            _ => "not a row of a table at this place: cells stand between `|`".to_owned(),
        }
    } else {
        "expected a keyword of Gherkin here (Feature, Rule, Background, Scenario, Examples, Given, When, Then, And, But), a tag, a table or a comment".to_owned()
    };
    (line, problem)
}

/// Returns the number of cells in `line`, if it is the row of a table.
fn cells(line: &str) -> Option<usize> {
    let row = line.trim().strip_prefix('|')?;
    Some(row.replace("\\\\", "").replace("\\|", "").matches('|').count())
}

/// Returns the index of the first line of prose between a scenario's title and its first step. Gherkin takes it for a description, so a
/// step with a mistyped keyword would be dropped silently.
fn prose(lines: &[&str], feature: &Feature) -> Option<usize> {
    let scenarios = feature.rules.iter().flat_map(|rule| &rule.scenarios).chain(&feature.scenarios);
    let backgrounds = feature
        .rules
        .iter()
        .filter_map(|rule| rule.background.as_ref())
        .chain(&feature.background);
    let described = scenarios
        .map(|scenario| (&scenario.description, scenario.position.line))
        .chain(backgrounds.map(|background| (&background.description, background.position.line)));
    let title = described
        .filter_map(|(description, line)| description.as_ref().map(|_| line))
        .min()?;
    let is_content = |line: &str| !line.is_empty() && !line.starts_with('#');
    (title..lines.len()).find(|index| is_content(lines[*index].trim()))
}
