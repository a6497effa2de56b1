//! `authlab steps`: the steps that features may use. The main type is [`StepsArguments`].

use std::collections::BTreeMap;
use std::io::{self, Write};

use clap::{Args, ValueEnum};
use cucumber::codegen::Parameter as _;
use serde::Serialize;

use super::Session;
use super::error::CommandError;
use super::exit::Exit;
use super::lab_source;
use super::output::write_json;
use crate::scenario::Person;
use crate::scenario::step_definition::StepDefinition;
use crate::scenario::wording::Wording;

/// Arguments of `authlab steps`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
NAME is Alice, the deployer, she, or whoever a step introduces. (text) may be missing, and a/b is one of both.

Examples:
  authlab steps
  authlab steps token
  authlab steps --all --format cucumber >features/authlab-steps.js

Exit codes:
  0  steps are shown
  3  no step has these words")]
pub struct StepsArguments {
    /// Show steps with all of these words only
    #[arg(value_name = "WORD")]
    words: Vec<String>,
    /// Also show the steps that only labs of authlab understand
    ///
    /// Without it, and without a WORD, the steps for features of your own are shown.
    #[arg(long)]
    all: bool,
    /// Form of the output
    #[arg(long, value_enum, default_value_t, help_heading = "Output")]
    format: Format,
}

/// The form of the output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    #[default]
    Text,
    /// A file for editors: the Cucumber extension reads it
    Cucumber,
}

/// A step, for programs.
#[derive(Serialize)]
struct Shown {
    keyword: String,
    /// The step with its keyword, for people.
    text: String,
    /// The regular expression of the text after the keyword.
    pattern: String,
    /// The capabilities that it requires of a cluster.
    requires: Vec<&'static str>,
    /// `true` if it is for own features.
    own: bool,
}

/// Shows the steps.
///
/// # Errors
/// No step has the words, or the output cannot be written.
pub(super) fn run(arguments: &StepsArguments, session: &Session, out: &mut dyn Write) -> Result<Exit, CommandError> {
    let definitions = lab_source::vocabulary().steps;
    let mut found: Vec<(Wording, &StepDefinition)> = definitions.iter().map(|definition| (Wording::of(definition), definition)).collect();
    let words: Vec<String> = arguments.words.iter().map(|word| word.to_lowercase()).collect();
    let everything = arguments.all || !words.is_empty();
    found.retain(|(wording, _)| {
        let text = wording.to_string().to_lowercase();
        (everything || wording.is_own()) && words.iter().all(|word| text.contains(word.as_str()))
    });
    // Those for everybody first; the sort is stable.
    found.sort_by_key(|(wording, _)| (!wording.is_own(), wording.kind as u8));
    if found.is_empty() {
        let told = format!("no step has the words: {}", arguments.words.join(" "));
        return Err(CommandError::new(Exit::NothingSelected, told).hint("`authlab steps --all` shows all of them"));
    }
    match (session.output.json, arguments.format) {
        (true, _) => {
            let shown: Vec<Shown> = found.iter().map(|(wording, definition)| shown(wording, definition)).collect();
            write_json(&shown, out)
        }
        (false, Format::Text) => {
            text(&found, out)?;
            Ok(Exit::Success)
        }
        (false, Format::Cucumber) => {
            glue(&found, out)?;
            Ok(Exit::Success)
        }
    }
}

fn shown(wording: &Wording, definition: &StepDefinition) -> Shown {
    let mut requires: Vec<&str> = definition.requires.iter().map(|need| need.name).collect();
    requires.dedup();
    Shown {
        keyword: format!("{:?}", definition.kind),
        text: wording.to_string(),
        pattern: definition.pattern.as_str().to_owned(),
        requires,
        own: wording.is_own(),
    }
}

fn text(found: &[(Wording, &StepDefinition)], out: &mut dyn Write) -> io::Result<()> {
    let own = found.iter().filter(|(wording, _)| wording.is_own()).count();
    for (title, part) in [("For features of your own", &found[..own]), ("For authlab's labs", &found[own..])] {
        if part.is_empty() {
            continue;
        }
        writeln!(out, "{title}:")?;
        part.iter().try_for_each(|(wording, _)| writeln!(out, "  {wording}"))?;
    }
    Ok(())
}

/// Writes the steps in the language that the Cucumber extension reads (cucumber/language-service `src/language/javascriptLanguage.ts`). It
/// looks for such files in `features/` unless `cucumber.glue` says otherwise.
fn glue(found: &[(Wording, &StepDefinition)], out: &mut dyn Write) -> io::Result<()> {
    let mut types: BTreeMap<String, String> = BTreeMap::new();
    let mut steps = Vec::new();
    for (wording, definition) in found {
        let expression = wording.expression(|regex| {
            let count = types.len() + 1;
            types.entry(regex.to_owned()).or_insert_with(|| format!("phrase{count}")).clone()
        });
        let quoted = expression.replace('\\', r"\\").replace('\'', r"\'");
        steps.push(format!("{:?}('{quoted}', () => {{}})", definition.kind));
    }
    writeln!(
        out,
        "// The steps of authlab {}, for editors. No program runs this file: `authlab steps --format cucumber` writes it anew.",
        env!("CARGO_PKG_VERSION")
    )?;
    writeln!(
        out,
        "// The Cucumber extension finds it below features/; elsewhere, name it in the setting `cucumber.glue`."
    )?;
    let person = (Person::REGEX.to_owned(), "person".to_owned());
    for (regex, name) in std::iter::once(person).chain(types) {
        writeln!(
            out,
            "defineParameterType({{ name: '{name}', regexp: /{}/ }})",
            regex.replace('/', r"\/")
        )?;
    }
    steps.iter().try_for_each(|step| writeln!(out, "{step}"))
}
