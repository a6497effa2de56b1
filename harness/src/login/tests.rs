//! Tests of logins without an issuer: which stored logins are used again.

use std::sync::Mutex;

use super::*;

/// A user who cannot be asked; records the messages.
#[derive(Default)]
struct Nobody(Mutex<Vec<String>>);

impl Person for Nobody {
    fn is_there(&self) -> bool {
        false
    }

    fn open(&self, _: &str) -> io::Result<()> {
        Err(io::Error::other("nobody is there"))
    }

    fn password<'a>(&'a self, _: &'a str) -> BoxFuture<'a, io::Result<Secret>> {
        Box::pin(std::future::ready(Err(io::Error::other("nobody is there"))))
    }

    fn allows<'a>(&'a self, _: &'a Sharing) -> BoxFuture<'a, io::Result<bool>> {
        Box::pin(std::future::ready(Err(io::Error::other("nobody is there"))))
    }

    fn tell(&self, told: &Notice<'_>) {
        self.0.lock().expect("one thread").push(format!("{told:?}"));
    }
}

fn settings(issuer: &str) -> Settings {
    // The command does this first; another test may have done it.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Settings {
        issuer: issuer.to_owned(),
        client_id: "kubernetes".to_owned(),
        client_secret: None,
        authority: None,
        scopes: Vec::new(),
        flow: Flow::Browser,
        limit: Duration::from_secs(1),
        server: None,
        returns_to: crate::login::ReturnAddress::default(),
        named_by_cluster: false,
    }
}

/// Returns a login that was issued ten seconds ago and expires in `left` seconds.
fn entry(left: i64) -> Entry {
    let now = Timestamp::now().as_second();
    Entry {
        id_token: Secret::new("the-token"),
        refresh_token: None,
        issued: now - 10,
        expires: now + left,
    }
}

#[tokio::test]
async fn an_earlier_login_is_used_without_asking_anybody() {
    let home = tempfile::tempdir().expect("a directory");
    let (cache, settings) = (Cache::new(home.path().join("logins")), settings("https://127.0.0.1:1/realms/none"));
    cache.write(&cache::Key::of(&settings), &entry(290)).expect("it can be kept");
    let ticket = log_in(&settings, &cache, &Nobody::default()).await.expect("it is good still");
    assert_eq!(ticket.id.expose(), "the-token");
    assert!(ticket.usable_until < Timestamp::now() + Duration::from_secs(261));
}

#[tokio::test]
async fn one_that_is_about_to_expire_is_not() {
    let home = tempfile::tempdir().expect("a directory");
    let (cache, settings) = (Cache::new(home.path().join("logins")), settings("https://127.0.0.1:1/realms/none"));
    cache.write(&cache::Key::of(&settings), &entry(1)).expect("it can be kept");
    let error = log_in(&settings, &cache, &Nobody::default())
        .await
        .expect_err("nobody listens there");
    assert!(matches!(error, LoginError::Unreachable { .. }), "{error:?}");
    let line = error.told();
    assert!(
        line.starts_with("cannot request its configuration from the issuer https://127.0.0.1:1/realms/none: "),
        "{line}"
    );
    assert!(!line.contains('\n'));
}

#[tokio::test]
async fn an_issuer_without_tls_is_refused() {
    let home = tempfile::tempdir().expect("a directory");
    let cache = Cache::new(home.path().join("logins"));
    for issuer in ["http://127.0.0.1:1/realms/none", "realm", ""] {
        let error = log_in(&settings(issuer), &cache, &Nobody::default()).await.expect_err("no issuer");
        assert!(matches!(error, LoginError::Url { .. }), "{error:?}");
    }
}

#[test]
fn a_token_that_lives_for_seconds_is_used_nearly_to_its_end() {
    let of = |issued, expires| Entry {
        id_token: Secret::new("t"),
        refresh_token: None,
        issued,
        expires,
    };
    assert_eq!(of(1000, 1300).usable_until(), 1270);
    assert_eq!(of(1000, 1010).usable_until(), 1008);
    assert_eq!(of(1000, 1001).usable_until(), 1001);
    assert_eq!(of(1000, 900).usable_until(), 900);
}

#[test]
fn an_issuer_that_refreshes_without_an_id_token_is_not_called_misconfigured() {
    use crate::hint::Hint;
    let hint = |error: LoginError| error.hint().unwrap_or_default();
    let over = hint(LoginError::Over(Box::new(LoginError::NoIdToken)));
    assert!(over.starts_with("this issuer refreshes a login without an ID token"), "{over}");
    assert!(hint(LoginError::NoIdToken).contains("scope openid"));
}
