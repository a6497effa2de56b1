//! The help of every command, one file of `snapshots/` for each command of the first level.

use std::process::Command;

use authlab::cli::Authlab;
use clap::CommandFactory as _;

use crate::shown;

#[test]
fn the_help_of_every_command_is_as_before() {
    let mut root = Authlab::command();
    root.build();
    shown("authlab", &help(&[]));
    for command in root.get_subcommands().filter(|command| is_ours(command)) {
        let mut text = String::new();
        each(command, &[command.get_name()], &mut text);
        shown(&format!("authlab-{}", command.get_name()), &text);
    }
}

/// Returns `true` unless the command is clap's own, or hidden.
fn is_ours(command: &clap::Command) -> bool {
    command.get_name() != "help" && !command.is_hide_set()
}

fn each(command: &clap::Command, words: &[&str], text: &mut String) {
    text.push_str(&help(words));
    for further in command.get_subcommands().filter(|further| is_ours(further)) {
        each(further, &[words, &[further.get_name()]].concat(), text);
    }
}

fn help(words: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_authlab"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("AUTHLAB_")) {
        command.env_remove(name);
    }
    let said = command.args(words).arg("--help").env_remove("COLUMNS").output().unwrap();
    assert!(said.status.success(), "{words:?}: {said:?}");
    let command = ["authlab"].iter().chain(words).copied().collect::<Vec<_>>().join(" ");
    format!("$ {command} --help\n{}\n", String::from_utf8(said.stdout).unwrap())
}

fn shown(name: &str, text: &str) {
    let nowhere = std::path::Path::new("/no/such/directory");
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/hermetic/snapshots");
    shown::assert_shown(name, text.trim_end(), nowhere, directory);
}
