//! Feature files, built in or from disk, and their parsing by Gherkin.
//! The main type is [`FeatureFile`].

use std::path::{Path, PathBuf};

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use gherkin::{Feature, GherkinEnv, ParseFileError};
use include_dir::{Dir, include_dir};

use crate::hint::Hint;

static FEATURES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../features");

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
    #[error("no feature file or folder `{path}`, neither on disk nor among the features that authlab brings along")]
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
    #[error("the feature file cannot be read")]
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
#[error("{file}:{line}:{column}: {problem}\n{}", self.excerpt())]
pub struct SyntaxError {
    /// The file.
    pub file: Utf8PathBuf,
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1.
    pub column: usize,
    /// The line itself.
    pub text: String,
    /// The problem in words.
    pub problem: String,
}

impl SyntaxError {
    fn at(file: &FeatureFile, line: usize, problem: String) -> Self {
        let text = file.text.lines().nth(line - 1).unwrap_or_default().to_owned();
        let column = text.chars().take_while(|c| c.is_whitespace()).count() + 1;
        Self {
            file: file.shown.clone(),
            line,
            column,
            text,
            problem,
        }
    }

    fn excerpt(&self) -> String {
        let number = self.line.to_string();
        let margin = " ".repeat(number.len());
        let pad: String = self
            .text
            .chars()
            .take(self.column.saturating_sub(1))
            .map(|c| if c == '\t' { '\t' } else { ' ' })
            .collect();
        format!("{margin} |\n{number} | {}\n{margin} | {pad}^", self.text)
    }
}

/// Parses `file`.
///
/// # Errors
/// The file is not Gherkin, or has prose where only steps are allowed.
pub fn parse(file: &FeatureFile) -> Result<Feature, SyntaxError> {
    let mut feature = read(&file.text).map_err(|()| not_gherkin(file))?;
    if let Some(error) = prose(file, &feature) {
        return Err(error);
    }
    feature.path = Some(file.shown.clone().into_std_path_buf());
    Ok(feature)
}

fn read(text: &str) -> Result<Feature, ()> {
    Feature::parse(text, GherkinEnv::default()).map_err(|_| ())
}

/// Locates a syntax error after the last line up to which the file is Gherkin. The parser does not expose its position, which
/// would be the farthest place that any of its attempts reached.
fn not_gherkin(file: &FeatureFile) -> SyntaxError {
    let lines: Vec<&str> = file.text.lines().collect();
    let sound = (1..lines.len())
        .rev()
        .find(|count| read(&(lines[..*count].join("\n") + "\n")).is_ok())
        .unwrap_or(0);
    let is_content = |line: &&str| !line.trim().is_empty() && !line.trim_start().starts_with(['#', '@']);
    let line = (sound..lines.len()).find(|index| is_content(&lines[*index])).unwrap_or(sound);
    let text = lines.get(line).copied().unwrap_or_default();
    SyntaxError::at(file, line + 1, problem(file, text))
}

/// Finds prose between a scenario's title and its first step. Gherkin takes it for a description, so a step with a
/// mistyped keyword would be dropped silently.
fn prose(file: &FeatureFile, feature: &Feature) -> Option<SyntaxError> {
    let scenarios = feature
        .scenarios
        .iter()
        .chain(feature.rules.iter().flat_map(|rule| &rule.scenarios));
    let backgrounds = feature
        .background
        .iter()
        .chain(feature.rules.iter().filter_map(|rule| rule.background.as_ref()));
    let described = scenarios
        .map(|scenario| (&scenario.description, scenario.position.line))
        .chain(backgrounds.map(|background| (&background.description, background.position.line)));
    let (_, title) = described
        .filter(|(description, _)| description.is_some())
        .min_by_key(|(_, line)| *line)?;
    let is_content = |line: &str| !line.trim().is_empty() && !line.trim_start().starts_with('#');
    let (index, _) = file.text.lines().enumerate().skip(title).find(|(_, line)| is_content(line))?;
    Some(SyntaxError::at(
        file,
        index + 1,
        "expected a step: is its keyword mistyped? (prose belongs under Feature or Rule, or after `#`)".to_owned(),
    ))
}

/// Describes the problem, from the parser's own error (which it has only when it reads a file itself) and from the line.
fn problem(file: &FeatureFile, line: &str) -> String {
    let remembered = tempfile::NamedTempFile::new().ok().and_then(|copy| {
        fs::write(copy.path(), &file.text).ok()?;
        match Feature::parse_path(copy.path(), GherkinEnv::default()) {
            Err(ParseFileError::Parsing { error, .. }) => error,
            _ => None,
        }
    });
    if let Some(gherkin::EnvError::UnsupportedLanguage(language)) = &remembered {
        return format!("the language `{language}` is not one of Gherkin's");
    }
    if let Some(gherkin::EnvError::InconsistentCellCount(rows)) = &remembered {
        let wide = rows.first().map_or(0, Vec::len);
        let odd = rows.iter().find(|row| row.len() != wide);
        return match odd {
            Some(row) => format!(
                "the rows of the table have different lengths: {wide} cells in the first, {} in `| {} |`",
                row.len(),
                row.join(" | ")
            ),
            None => "the rows of the table have different lengths".to_owned(),
        };
    }
    if line.trim().is_empty() {
        return "the file ends, or the line is empty, where Gherkin expects more".to_owned();
    }
    if line.trim_start().starts_with('|') {
        return "not a row of a table at this place: cells stand between `|`".to_owned();
    }
    "expected a keyword of Gherkin here (Feature, Rule, Background, Scenario, Examples, Given, When, Then, And, But), a tag, a table or a comment".to_owned()
}
