//! Rules of the help texts: the first paragraph of each command and option is one short line, and details follow it.

use authlab::cli::Authlab;
use clap::{Arg, Command, CommandFactory as _};

use crate::Broken;

/// The maximum number of characters of a short help: with its option, it fits on a line of a wide terminal.
const LONGEST: usize = 72;

/// Calls `look` with the words that lead to each command, and the command.
fn each(words: &str, command: &Command, look: &mut impl FnMut(&str, &Command)) {
    look(words, command);
    for further in command.get_subcommands() {
        each(&format!("{words} {}", further.get_name()), further, look);
    }
}

/// Returns the objection to the short help `text`, if there is one.
fn objection(text: &str) -> Option<String> {
    let length = text.chars().count();
    let opens = text.starts_with(char::is_uppercase);
    match () {
        () if text.is_empty() => Some("it has no help".to_owned()),
        () if length > LONGEST => Some(format!("{length} characters: {text}")),
        () if !opens => Some(format!("it does not open with a capital: {text}")),
        () if text.ends_with('.') => Some(format!("it ends with a full stop: {text}")),
        () => None,
    }
}

/// Returns an option's name for a person: `--json`, `FILE`.
fn name(argument: &Arg) -> String {
    argument
        .get_long()
        .map_or_else(|| argument.get_id().to_string().to_uppercase(), |long| format!("--{long}"))
}

#[test]
fn short_help_is_short() {
    let mut broken = Broken::rule(
        "the short help of a command or an option (the first paragraph of its doc comment) has at most 72 characters, opens with a capital \
         and ends without a full stop; details go to a second paragraph",
    );
    let mut root = Authlab::command();
    root.build();
    let mut arguments = 0;
    each("authlab", &root, &mut |words, command| {
        // clap's own.
        if words.split(' ').any(|word| word == "help") {
            return;
        }
        let about = command.get_about().map(ToString::to_string).unwrap_or_default();
        // The root's is the description of the project.
        if let Some(why) = objection(&about).filter(|_| words != "authlab") {
            broken.by(format!("{words}: {why}"));
        }
        for argument in command.get_arguments().filter(|argument| !argument.is_hide_set()) {
            arguments += 1;
            let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
            if let Some(why) = objection(&help) {
                broken.by(format!("{words} {}: {why}", name(argument)));
            }
            for value in argument.get_possible_values() {
                let help = value.get_help().map(ToString::to_string).unwrap_or_default();
                // The name of a product may stand first, in small letters.
                broken.unless(help.chars().count() <= LONGEST, || {
                    format!("{words} {} {}: {help}", name(argument), value.get_name())
                });
            }
        }
    });
    broken.unless(arguments > 100, || {
        format!("only {arguments} options were found: the walk is wrong")
    });
}

#[test]
fn an_objection_is_raised_for_each_fault() {
    assert_eq!(objection("Print the record"), None);
    assert_eq!(
        objection("`kind` command"),
        Some("it does not open with a capital: `kind` command".to_owned())
    );
    assert!(objection("print the record").is_some());
    assert!(objection("Print the record.").is_some());
    assert!(objection("").is_some());
    assert!(objection(&"A".repeat(LONGEST + 1)).is_some());
}
