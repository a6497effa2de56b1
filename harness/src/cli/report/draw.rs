//! `authlab report draw`: draws all output of a report again from its record.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::Args;

use super::super::Session;
use super::super::error::CommandError;
use super::super::exit::Exit;
use crate::report::directory::{self, Others, ReportDirectory};
use crate::report::record::RunRecord;
use crate::report::{cucumber, github, html, junit, saved};

/// Arguments of `authlab report draw`.
#[derive(Args, Debug)]
pub struct DrawArguments {
    /// Reports, or their `run.json`; several are drawn side by side
    #[arg(value_name = "RECORD", required = true)]
    records: Vec<PathBuf>,
    /// Write the HTML page into a file
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    html: Option<PathBuf>,
    /// Write JUnit XML into a file
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    junit: Option<PathBuf>,
    /// Write Cucumber JSON into a file
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    cucumber: Option<PathBuf>,
    /// Write a summary in Markdown into a file
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    markdown: Option<PathBuf>,
    /// Write a whole report into a directory
    ///
    /// The directory must be new, empty or an earlier report. The default is RECORD, if it is a single directory and no other output is
    /// asked for.
    #[arg(long, value_name = "DIR", help_heading = "Output")]
    out: Option<PathBuf>,
    /// Replace existing files, and write into any directory
    ///
    /// No file is touched in a directory that holds something else.
    #[arg(long, help_heading = "Output")]
    force: bool,
}

/// The function that draws one form.
type Form = fn(&[RunRecord]) -> io::Result<String>;

impl DrawArguments {
    /// Returns the forms to be written into files of their own.
    fn files(&self) -> Vec<(&Path, Form)> {
        let forms: [(&Option<PathBuf>, Form); 4] = [
            (&self.html, |records| Ok(html::draw(records))),
            (&self.junit, |records| junit::draw(records).map_err(io::Error::other)),
            (&self.cucumber, |records| Ok(cucumber::draw(records)?)),
            (&self.markdown, |records| Ok(github::summary(records, github::MOST))),
        ];
        forms
            .into_iter()
            .filter_map(|(path, form)| Some((path.as_deref()?, form)))
            .collect()
    }

    fn directory(&self, is_anything_else_wanted: bool) -> Option<&Path> {
        match (&self.out, self.records.as_slice()) {
            (Some(out), _) => Some(out),
            (None, [one]) if !is_anything_else_wanted && one.is_dir() => Some(one),
            _ => None,
        }
    }
}

#[derive(Debug, thiserror::Error)]
#[error("cannot write `{path}`")]
struct WriteError {
    path: PathBuf,
    source: io::Error,
}

/// Draws the requested forms.
///
/// # Errors
/// A record that cannot be read; an output file that exists or cannot be written.
pub fn run(arguments: &DrawArguments, session: &Session, out: &mut dyn Write) -> Result<Exit, CommandError> {
    let files = arguments.files();
    let directory = arguments.directory(!files.is_empty());
    if files.is_empty() && directory.is_none() {
        return Err(CommandError::new(Exit::Usage, "nothing to write: no output is named")
            .hint("`--out DIR` writes a whole report; `--html FILE`, `--junit FILE` and others write a part of one"));
    }
    for (path, _) in &files {
        refuse_taken(path, arguments.force)?;
    }
    let mut records = Vec::new();
    for path in &arguments.records {
        records.push(saved::read(path).map_err(|error| CommandError::hinted(Exit::Usage, error))?);
    }
    let mut written = Vec::new();
    if let Some(path) = directory {
        let others = if arguments.force { Others::LetBe } else { Others::Refuse };
        let report = ReportDirectory::open(path, others).map_err(|error| CommandError::hinted(Exit::Usage, error))?;
        let done = match records.as_slice() {
            [record] => report.write(record),
            // Records of several runs are what `merge` writes.
            _ => report.draw(&records),
        };
        done.map_err(|error| failed(path, error))?;
        written.push(path.join("index.html"));
    }
    for (path, form) in files {
        let text = form(&records).map_err(|error| failed(path, error))?;
        directory::write(path, text.as_bytes()).map_err(|error| failed(path, error))?;
        written.push(path.to_owned());
    }
    super::super::github::tell(&records)?;
    if !session.output.quiet {
        for path in written {
            writeln!(out, "{}", path.display())?;
        }
    }
    Ok(Exit::Success)
}

/// Refuses to replace an existing file without `force`; devices and pipes hold nothing to lose.
fn refuse_taken(path: &Path, force: bool) -> Result<(), CommandError> {
    match path.metadata() {
        Ok(there) if there.is_dir() => Err(CommandError::new(Exit::Usage, format!("`{}` is a directory", path.display()))
            .hint("name a file, or give the directory to `--out`")),
        Ok(there) if there.is_file() && !force => {
            Err(CommandError::new(Exit::Usage, format!("`{}` exists", path.display()))
                .hint("name another file, or add --force to replace it"))
        }
        _ => Ok(()),
    }
}

fn failed(path: &Path, source: io::Error) -> CommandError {
    let path = path.to_owned();
    CommandError::new(Exit::Failed, WriteError { path, source })
}
