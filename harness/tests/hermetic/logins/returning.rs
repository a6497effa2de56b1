//! The address that a login page returns to, where the client is registered with one.

use authlab::process::wait::Condition;

use super::issuer::{Manners, TestIssuer};
use super::terminal::{Terminal, wait};
use super::{Home, browse, display, said};

#[test]
fn a_registered_address_is_sent_to_the_letter() {
    let (issuer, home) = (TestIssuer::start(Manners::default()), Home::new());
    let browser = home.browser();
    let port = authlab::process::port::free().unwrap();
    let address = format!("http://localhost:{port}/oauth2/callback");
    let login = || home.login(&issuer, &["--browser", display(&browser), "--redirect-uri", &address]);
    let mut first = Terminal::start(&mut login());
    first.expect("Log in in the browser that was opened");
    let opened = wait("the browser", || match home.opened().as_slice() {
        [one] => Condition::Met(one.clone()),
        other => Condition::NotYet(format!("{other:?}")),
    });
    let (status, page) = browse(&issuer, &opened);
    assert!(status == 200 && page.contains("You are logged in"), "{page}");
    assert_eq!(first.end(), Some(0));
    let exchanged = issuer.asked().into_iter().find(|asked| asked.starts_with("POST /token")).unwrap();
    let encoded: String = form_urlencoded::Serializer::new(String::new())
        .append_pair("redirect_uri", &address)
        .finish();
    assert!(exchanged.contains(&encoded), "{exchanged}");
}

#[test]
fn a_port_that_is_taken_and_an_address_elsewhere_are_refused() {
    let (issuer, home) = (TestIssuer::start(Manners::default()), Home::new());
    let taken = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = format!("http://localhost:{}", taken.local_addr().unwrap().port());
    let options = ["--interactive", "always", "--browser", "none", "--redirect-uri", &address];
    let (code, _, err) = said(&mut home.login(&issuer, &options));
    assert!(code == 1 && err.contains("end the program that uses the port"), "{code}: {err}");
    let (code, _, err) = said(&mut home.login(&issuer, &["--redirect-uri", "http://example.test"]));
    assert!(code == 2 && err.contains("not an address on this machine"), "{code}: {err}");
}
