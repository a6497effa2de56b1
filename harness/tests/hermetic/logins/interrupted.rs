//! Every wait ends at the first signal, and the terminal is restored.

use std::io::Read as _;
use std::process::{Command, Stdio};

use authlab::process::wait::Condition;
use rustix::fs::OFlags;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use super::issuer::{Manners, TestIssuer};
use super::terminal::{Terminal, ended, wait};
use super::{Home, browse, said, token};

/// The ways in which a user or a system ends a command.
enum Ending {
    Typed(&'static str),
    Signals(&'static [Signal]),
}

#[test]
fn at_the_password_prompt_it_ends_at_once_and_what_is_typed_is_shown_again() {
    let (issuer, home) = (TestIssuer::start(Manners::default()), Home::new());
    for ending in [
        Ending::Typed("\u{3}"),
        Ending::Typed("\u{1c}"),
        Ending::Signals(&[Signal::TERM]),
        Ending::Signals(&[Signal::HUP]),
        Ending::Signals(&[Signal::INT, Signal::INT]),
        Ending::Signals(&[Signal::HUP, Signal::TERM, Signal::INT]),
    ] {
        let mut login = Terminal::start(&mut home.login(&issuer, &["--flow", "password", "--username", "alice"]));
        login.expect("Password of alice: ");
        assert!(!login.echoes());
        match ending {
            Ending::Typed(key) => login.types(key),
            Ending::Signals(signals) => signals.iter().for_each(|signal| {
                // It may have ended after the first signal.
                let _ = kill_process(Pid::from_child(&login.child), *signal);
            }),
        }
        assert_eq!(login.end(), Some(5), "{}", login.shown());
        assert!(login.echoes());
    }
    assert!(!issuer.asked().iter().any(|line| line.contains("password")), "{:?}", issuer.asked());
}

#[test]
fn a_password_that_is_typed_is_not_shown_and_the_echo_is_back_afterwards() {
    let (issuer, home) = (TestIssuer::start(Manners::default()), Home::new());
    let mut login = Terminal::start(&mut home.login(&issuer, &["--flow", "password", "--username", "alice"]));
    login.expect("Password of alice: ");
    login.types("hunter22\n");
    assert_eq!(login.end(), Some(0));
    assert!(login.echoes());
    assert!(!login.shown().contains("hunter"), "{}", login.shown());
    assert!(
        issuer.asked().iter().any(|line| line.contains("password=hunter22")),
        "{:?}",
        issuer.asked()
    );
}

/// Returns the port that a login page redirects to, from the terminal's output.
fn port(shown: &str) -> u16 {
    let (_, rest) = shown.split_once("redirect_uri=http%3A%2F%2F127.0.0.1%3A").unwrap();
    rest.split_once("%2F").unwrap().0.parse().unwrap()
}

#[test]
fn a_login_in_a_browser_lets_go_of_its_port_and_its_lock() {
    let (issuer, home) = (TestIssuer::start(Manners::default()), Home::new());
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let mut login = Terminal::start(&mut home.login(&issuer, &["--browser", "none"]));
        login.expect("redirect_uri=http%3A%2F%2F127.0.0.1%3A");
        login.expect("(no browser was opened");
        assert!(!login.shown().contains("Another login"), "{}", login.shown());
        login.signal(signal);
        assert_eq!(login.end(), Some(5));
        login.expect("authlab token: interrupted");
        let again = std::net::TcpStream::connect(("127.0.0.1", port(&login.shown())));
        assert!(again.is_err(), "{signal:?}");
    }
}

#[test]
fn when_nobody_reads_the_answer_any_more_nobody_logs_in() {
    let (issuer, home) = (TestIssuer::start(Manners::default()), Home::new());
    let mut login = Terminal::start(&mut home.login(&issuer, &["--browser", "none"]));
    login.expect("(no browser was opened");
    // As when the client that reads the token is killed.
    drop(login.child.stdout.take());
    assert_eq!(login.end(), Some(5));
    login.expect("authlab token: the reader of standard output is gone");
}

#[test]
fn a_pipe_in_place_of_a_file_does_not_keep_it_from_ending() {
    let (issuer, home) = (TestIssuer::start(Manners::default()), Home::new());
    let (report, told) = (home.path("report"), home.path("told"));
    let commands: [&dyn Fn(&str) -> Command; 4] = [
        &|pipe| home.login(&issuer, &["--flow", "password", "--username", "alice", "--password-file", pipe]),
        &|pipe| home.command(&["explain", "--token-file", pipe]),
        &|pipe| home.command(&["explain", "--kubeconfig", pipe]),
        &|pipe| home.command(&["report", "draw", pipe, "--out", report.to_str().unwrap()]),
    ];
    for (number, command) in commands.iter().enumerate() {
        // One pipe for each command: a process that another test starts meanwhile inherits this end, too, until its exec.
        let pipe = home.path(&format!("pipe-{number}"));
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU, 0).unwrap();
        let mut command = command(pipe.to_str().unwrap());
        let err = std::fs::File::create(&told).unwrap();
        let mut child = command.stdout(Stdio::piped()).stderr(err).spawn().unwrap();
        // The pipe can be opened for writing only while the command reads it.
        let write = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let _held = wait("the command at the pipe", || {
            if let Some(status) = child.try_wait().unwrap() {
                panic!("{command:?} ended: {status}; {}", std::fs::read_to_string(&told).unwrap());
            }
            match rustix::fs::open(&pipe, write, rustix::fs::Mode::empty()) {
                Ok(end) => Condition::Met(end),
                Err(error) => Condition::NotYet(error.to_string()),
            }
        });
        kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
        assert_eq!(ended(&mut child).code(), Some(5), "{command:?}");
    }
}

#[test]
fn explain_ends_with_the_plugin_that_it_runs() {
    let home = Home::new();
    let (kubeconfig, started) = (home.path("kubeconfig"), home.path("started"));
    let script = format!("echo $$ > '{0}.new' && mv '{0}.new' '{0}' && exec sleep 1000", started.display());
    let file = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "lab",
        "clusters": [{ "name": "lab", "cluster": { "server": "https://127.0.0.1:1" } }],
        "contexts": [{ "name": "lab", "context": { "cluster": "lab", "user": "me" } }],
        "users": [{ "name": "me", "user": { "exec": { "apiVersion": "client.authentication.k8s.io/v1", "command": "sh",
            "args": ["-c", script], "interactiveMode": "Never" } } }],
    });
    std::fs::write(&kubeconfig, file.to_string()).unwrap();
    let mut explain = home.command(&["explain", "--kubeconfig", kubeconfig.to_str().unwrap()]);
    let mut explain = explain.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let plugin = wait("the plugin", || match std::fs::read_to_string(&started) {
        Ok(text) => Condition::Met(Pid::from_raw(text.trim().parse().unwrap()).unwrap()),
        Err(error) => Condition::NotYet(error.to_string()),
    });
    kill_process(Pid::from_child(&explain), Signal::TERM).unwrap();
    assert_eq!(ended(&mut explain).code(), Some(5));
    wait("the end of the plugin", || match rustix::process::test_kill_process(plugin) {
        Err(_) => Condition::Met(()),
        Ok(()) => Condition::NotYet("it runs".to_owned()),
    });
}

#[test]
fn nohup_means_what_it_says() {
    let (issuer, home) = (TestIssuer::start(Manners::default()), Home::new());
    let login = home.login(&issuer, &["--browser", "none"]);
    let mut nohup = Command::new("nohup");
    nohup.arg(login.get_program()).args(login.get_args());
    for (name, value) in login.get_envs() {
        match value {
            Some(value) => nohup.env(name, value),
            None => nohup.env_remove(name),
        };
    }
    // It is made interactive, though `nohup` redirects its standard input.
    nohup.args(["--interactive", "always"]);
    // Standard error is a file: `nohup` would otherwise send the messages for the user after the output for the client.
    let told = home.path("told");
    let err = std::fs::File::create(&told).unwrap();
    let mut login = nohup.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(err).spawn().unwrap();
    let shown = wait("the login page", || {
        let shown = std::fs::read_to_string(&told).unwrap();
        match shown.contains("(no browser was opened") {
            true => Condition::Met(shown),
            false => Condition::NotYet(shown),
        }
    });
    let address = shown.split_whitespace().find(|word| word.starts_with("https://")).unwrap();
    kill_process(Pid::from_child(&login), Signal::HUP).unwrap();
    let (_, page) = browse(&issuer, address);
    assert!(page.contains("You are logged in"), "{page}");
    let mut printed = String::new();
    login.stdout.take().unwrap().read_to_string(&mut printed).unwrap();
    assert_eq!(ended(&mut login).code(), Some(0));
    token((0, printed, String::new()));
    // The login was stored.
    token(said(&mut home.login(&issuer, &[])));
}
