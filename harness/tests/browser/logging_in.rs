//! A user logs in at Keycloak's own page with `authlab token oidc`: mistypes, logs in, or closes the window.

use std::process::Stdio;

use authlab::event::Events;
use authlab::jwt::Jwt;
use authlab::lab::{LabOptions, with_lab};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, ChildStderr, Command};

use crate::driver::{Browser, ENTER};

/// A login that waits for a user.
struct Login {
    child: Child,
    errors: BufReader<ChildStderr>,
    address: String,
}

impl Login {
    async fn begin(issuer: &str, home: &std::path::Path, seconds: &str) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_authlab"))
            .args([
                "token",
                "oidc",
                "--issuer",
                issuer,
                "--client-id",
                "browser-login",
                "--interactive",
                "always",
            ])
            .args(["--browser", "none", "--timeout", seconds, "--certificate-authority"])
            .arg(home.join("authority.pem"))
            .arg("--login-dir")
            .arg(home.join("logins"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut errors = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        errors.read_line(&mut line).await.unwrap();
        let address = line.split_whitespace().find(|word| word.starts_with("https://")).map(str::to_owned);
        Self {
            child,
            errors,
            address: address.unwrap_or_else(|| panic!("no address: {line}")),
        }
    }

    /// Returns its exit code, its output, and its messages after the address.
    async fn end(mut self) -> (i32, String, String) {
        let mut said = String::new();
        self.errors.read_to_string(&mut said).await.unwrap();
        let ended = self.child.wait_with_output().await.unwrap();
        (ended.status.code().unwrap(), String::from_utf8(ended.stdout).unwrap(), said)
    }
}

async fn type_in(browser: &Browser, name: &str, password: &str) {
    browser.until("document.querySelector('#username') !== null").await;
    browser.value("document.querySelector('#username').value = ''").await;
    browser.value("document.querySelector('#username').focus()").await;
    browser.press(name).await;
    browser.value("document.querySelector('#password').focus()").await;
    browser.press(&format!("{password}{ENTER}")).await;
}

/// Logs in at the login page of a lab: one that is already up, or a new one.
pub async fn somebody_logs_in_at_keycloaks_own_page(browser: &mut Browser) {
    let (options, events) = (LabOptions::default(), Events::silent());
    let done = with_lab(&options, &events, async |lab| {
        let keycloak = lab.keycloak().await?;
        let realm = keycloak.description();
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join("authority.pem"), &realm.authority).unwrap();

        // The window is closed, so no browser returns.
        let login = Login::begin(&realm.issuer, home.path(), "5").await;
        browser.go(&login.address).await;
        browser.until("document.querySelector('#username') !== null").await;
        browser.go("about:blank").await;
        let (code, out, said) = login.end().await;
        assert_eq!((code, out.as_str()), (1, ""), "{said}");
        assert!(said.contains("timed out after 5 s waiting for the login page to return"), "{said}");

        // A wrong password is Keycloak's business: the login continues until the right one is entered.
        let login = Login::begin(&realm.issuer, home.path(), "120").await;
        browser.go(&login.address).await;
        type_in(browser, "alice", "not it").await;
        browser
            .until("document.body.innerText.includes('Invalid username or password')")
            .await;
        type_in(browser, "alice", realm.passwords["alice"].expose()).await;
        browser.until("document.body.innerText.includes('You are logged in')").await;
        let page = browser.value("location.href").await;
        assert!(page.as_str().unwrap().starts_with("http://127.0.0.1:"), "{page}");
        let (code, out, said) = login.end().await;
        assert_eq!(code, 0, "{said}");
        let answer: Value = serde_json::from_str(&out).unwrap();
        let claims = Jwt::parse(answer["status"]["token"].as_str().unwrap()).unwrap().claims;
        assert_eq!(claims["preferred_username"], "alice");
        Ok::<_, authlab::lab::LabError>(())
    });
    done.await.unwrap();
}
