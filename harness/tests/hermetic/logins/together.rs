//! Several clients at once: one of them logs in, and the others get the same result.

use std::process::Command;

use authlab::process::wait::Condition;
use rustix::process::Signal;

use super::issuer::{Manners, TestIssuer};
use super::terminal::{Terminal, wait};
use super::{Home, browse, display};

/// Starts a login in a browser, and two clients that wait for it.
fn three(home: &Home, issuer: &TestIssuer) -> (Terminal, [Terminal; 2]) {
    let browser = home.browser();
    let start = || -> Command { home.login(issuer, &["--browser", display(&browser)]) };
    let first = Terminal::start(&mut start());
    first.expect("Log in in the browser that was opened");
    let others = [Terminal::start(&mut start()), Terminal::start(&mut start())];
    others
        .iter()
        .for_each(|other| other.expect("Another login at this issuer is under way"));
    (first, others)
}

fn opened(home: &Home) -> String {
    let mut opened = wait("the browser", || match home.opened() {
        none if none.is_empty() => Condition::NotYet("nothing was opened yet".to_owned()),
        some => Condition::Met(some),
    });
    assert_eq!(opened.len(), 1, "{opened:?}");
    opened.remove(0)
}

#[test]
fn a_login_that_is_given_up_is_given_up_for_all_who_waited_for_it() {
    let (issuer, home) = (TestIssuer::start(Manners::default()), Home::new());
    let (mut first, others) = three(&home, &issuer);
    first.signal(Signal::INT);
    assert_eq!(first.end(), Some(5));
    for mut other in others {
        assert_eq!(other.end(), Some(1), "{}", other.shown());
        other.expect("another login at this issuer, which this one waited for, failed: it was interrupted; run it again");
    }
    opened(&home);
    // A later client does not get this result.
    let browser = home.browser();
    let next = Terminal::start(&mut home.login(&issuer, &["--browser", display(&browser)]));
    next.expect("Log in in the browser that was opened");
}

#[test]
fn a_login_that_is_killed_is_over_for_all_who_waited_for_it() {
    let (issuer, home) = (TestIssuer::start(Manners::default()), Home::new());
    let (mut first, others) = three(&home, &issuer);
    first.signal(Signal::KILL);
    assert_eq!(first.end(), None);
    for mut other in others {
        assert_eq!(other.end(), Some(1), "{}", other.shown());
        other.expect("failed: its process was killed");
    }
    opened(&home);
}

#[test]
fn a_login_that_the_issuer_refuses_is_refused_to_all_who_waited_for_it() {
    let (issuer, home) = (TestIssuer::start(Manners::default()), Home::new());
    let (mut first, others) = three(&home, &issuer);
    issuer.behaves(Manners {
        refusal: Some(serde_json::json!({ "error": "access_denied", "error_description": "Account disabled" })),
        ..Manners::default()
    });
    browse(&issuer, &opened(&home));
    assert_eq!(first.end(), Some(1));
    for mut other in others {
        assert_eq!(other.end(), Some(1), "{}", other.shown());
        other.expect("failed: the issuer refused the code: access_denied (Account disabled)");
    }
    opened(&home);
}

#[test]
fn a_login_that_succeeds_is_everybodys() {
    let (issuer, home) = (TestIssuer::start(Manners::default()), Home::new());
    let (mut first, others) = three(&home, &issuer);
    browse(&issuer, &opened(&home));
    assert_eq!(first.end(), Some(0));
    let token = first.printed();
    for mut other in others {
        assert_eq!(other.end(), Some(0), "{}", other.shown());
        assert_eq!(other.printed(), token);
    }
    opened(&home);
}
