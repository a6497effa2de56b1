//! The limits of an issuer that was not named by the user, or that is not what it seems: what it does not get and cannot do.

use base64::Engine as _;
use serde_json::{Value, json};

use super::issuer::{Manners, TestIssuer};
use super::terminal::{Terminal, wait};
use super::{Home, browse, display, info, password_file, refusal, said, token};
use authlab::process::wait::Condition;

/// Returns a cluster whose extension names `issuer`, in the fields that are `named`.
fn cluster(issuer: &TestIssuer, named: &[&str]) -> Value {
    let all = json!({ "issuer": issuer.url, "clientId": "kubernetes",
        "certificateAuthorityData": base64::engine::general_purpose::STANDARD.encode(&issuer.authority) });
    let config: Value = named
        .iter()
        .map(|name| ((*name).to_owned(), all[name].clone()))
        .collect::<serde_json::Map<_, _>>()
        .into();
    json!({ "server": "https://api.test", "config": config })
}

#[test]
fn no_secret_goes_to_an_issuer_that_the_cluster_named() {
    let (issuer, home) = (TestIssuer::start(Manners::default()), Home::new());
    let authority = issuer.authority_file();
    let own = [
        ("issuer", ["--issuer", issuer.url.as_str()]),
        ("clientId", ["--client-id", "kubernetes"]),
        ("certificateAuthorityData", ["--certificate-authority", display(&authority)]),
    ];
    let attempt = |named: &[&str], variables: &[(&str, &str)]| {
        let given = own
            .iter()
            .filter(|(field, _)| !named.contains(field))
            .flat_map(|(_, option)| *option);
        let mut command = home.command(&["token", "oidc"]);
        command
            .args(given)
            .env("KUBERNETES_EXEC_INFO", info(&cluster(&issuer, named)))
            .envs(variables.iter().copied());
        said(&mut command)
    };
    let password = [
        ("AUTHLAB_FLOW", "password"),
        ("AUTHLAB_USER", "alice"),
        ("AUTHLAB_PASSWORD", "hunter22"),
    ];
    let secret = [("AUTHLAB_CLIENT_SECRET", "s3cr3t-of-prod")];
    for named in [
        &["issuer", "clientId", "certificateAuthorityData"][..],
        &["issuer"],
        &["clientId"],
        &["certificateAuthorityData"],
    ] {
        for (variables, what) in [(&password[..], "password"), (&secret[..], "client secret")] {
            let line = refusal(attempt(named, variables));
            assert!(
                line.contains(&format!("the {what} is not sent to the issuer {}", issuer.url)),
                "{named:?}: {line}"
            );
            assert!(
                line.contains("give --issuer, --client-id and --certificate-authority yourself"),
                "{line}"
            );
        }
    }
    // Not even the discovery document was requested.
    assert_eq!(issuer.asked(), Vec::<String>::new());
    // If the user names the issuer, the password is sent; and a login without a secret is allowed whoever named the issuer.
    token(attempt(&[], &password));
    assert!(
        issuer.asked().iter().any(|line| line.contains("password=hunter22")),
        "{:?}",
        issuer.asked()
    );
    let line = refusal(attempt(
        &["issuer", "clientId", "certificateAuthorityData"],
        &[("AUTHLAB_PASSWORD", "hunter22")],
    ));
    assert!(line.contains("cannot ask for a new login"), "{line}");
}

#[test]
fn an_address_that_is_not_safe_is_refused_by_its_name_before_it_is_used() {
    let home = Home::new();
    let (browser, password) = (home.browser(), password_file(&home));
    let by_browser = ["--browser", display(&browser), "--interactive", "always"];
    let by_password = ["--flow", "password", "--username", "alice", "--password-file", display(&password)];
    for (field, address, expected, options) in [
        (
            "authorization_endpoint",
            "file:///etc/passwd",
            "https, or http at a loopback address",
            &by_browser[..],
        ),
        (
            "authorization_endpoint",
            "http://issuer.test/auth",
            "https, or http at a loopback address",
            &by_browser[..],
        ),
        ("token_endpoint", "http://127.0.0.1:1/token", "https", &by_password[..]),
        ("jwks_uri", "http://127.0.0.1:1/keys", "https", &by_password[..]),
        ("end_session_endpoint", "ftp://issuer.test/", "https", &by_password[..]),
    ] {
        let issuer = TestIssuer::start(Manners {
            configuration: json!({ field: address }),
            ..Manners::default()
        });
        let line = refusal(said(&mut home.login(&issuer, options)));
        assert!(
            line.contains(&format!("its {field} is {address} (expected {expected}); ")),
            "{line}"
        );
        assert_eq!(issuer.asked(), ["GET /.well-known/openid-configuration "], "{field}");
    }
    assert_eq!(home.opened(), Vec::<String>::new());
}

#[test]
fn a_page_to_type_a_code_into_is_no_file_and_no_program() {
    let home = Home::new();
    let codes = |field: &str, address: &str| {
        let mut device = json!({ "device_code": "d", "user_code": "ABCD\u{1b}]0;title\u{7}", "expires_in": 600, "interval": 1,
            "verification_uri": "https://issuer.test/device" });
        device[field] = address.into();
        Manners {
            device,
            refusal: Some(json!({ "error": "access_denied", "error_description": "no\u{1b}[2J\u{202e}" })),
            ..Manners::default()
        }
    };
    let login = |manners| {
        let issuer = TestIssuer::start(manners);
        said(&mut home.login(&issuer, &["--flow", "device", "--interactive", "always"]))
    };
    for field in ["verification_uri", "verification_uri_complete"] {
        let line = refusal(login(codes(field, "vscode://evil.test/x")));
        assert!(
            line.contains(&format!("its {field} is vscode://evil.test/x (expected https, or http at")),
            "{line}"
        );
    }
    // Text of a valid response has no effect on the terminal, and neither has that of an error.
    let (code, _, err) = login(codes("verification_uri", "https://issuer.test/\u{9b}2J"));
    assert_eq!(code, 1);
    assert!(
        err.contains("type the code ABCD\u{fffd}]0;title\u{fffd}: https://issuer.test/%C2%9B2J\n"),
        "{err:?}"
    );
    assert!(
        err.contains("the issuer refused the device code: access_denied (no\u{fffd}[2J\u{fffd})"),
        "{err:?}"
    );
}

#[test]
fn the_browsers_command_line_says_nothing_of_the_login_and_leads_to_it_once() {
    let (issuer, home) = (TestIssuer::start(Manners::default()), Home::new());
    let browser = home.browser();
    let mut login = Terminal::start(&mut home.login(&issuer, &["--browser", display(&browser)]));
    login.expect("Log in in the browser that was opened");
    let opened = wait("the browser", || match home.opened().as_slice() {
        [one] => Condition::Met(one.clone()),
        other => Condition::NotYet(format!("{other:?}")),
    });
    assert!(opened.starts_with("http://127.0.0.1:"), "{opened}");
    for word in ["state", "nonce", "challenge", "client_id", "issuer"] {
        assert!(!opened.contains(word), "{opened}");
    }
    let (status, page) = browse(&issuer, &opened);
    assert!(status == 200 && page.contains("You are logged in"), "{page}");
    assert_eq!(login.end(), Some(0));
    assert!(login.printed().contains("ExecCredential"));
}
