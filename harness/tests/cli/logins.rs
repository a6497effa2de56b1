//! Logins at Keycloak with `authlab token oidc`: run by kubectl, by hand, with a password, in a browser and with a device's code.

use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use authlab::identity_provider::keycloak::{KeycloakClient, KeycloakDescription, NewUser};
use authlab::jwt::Jwt;
use authlab::secret::Secret;
use serde_json::{Value, json};

use crate::robot::{Page, Robot};
use crate::stage::{Said, said, shared};

/// A user with an account of their own, and a directory for their logins.
struct Desk {
    home: tempfile::TempDir,
    realm: KeycloakDescription,
    account: NewUser,
    runtime: tokio::runtime::Runtime,
}

impl Desk {
    fn new(name: &str) -> Self {
        crate::robot::choose_provider();
        let lab = description();
        let realm: KeycloakDescription = serde_json::from_value(lab["keycloak"].clone()).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let admin = KeycloakClient::new(&realm).unwrap().admin().unwrap();
        let account = runtime.block_on(admin.create_user(name, &Secret::new("a password"), &[])).unwrap();
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join("authority.pem"), &realm.authority).unwrap();
        std::fs::write(home.path().join("password"), "a password\n").unwrap();
        std::fs::write(home.path().join("client-secret"), realm.client_secret.as_ref().unwrap().expose()).unwrap();
        Self {
            home,
            realm,
            account,
            runtime,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// The options of a login with a password, except for the password itself.
    fn options(&self) -> Vec<String> {
        let mut options = self.public("kubernetes");
        options.extend(["--flow", "password", "--username", &self.account.name, "--client-secret-file"].map(str::to_owned));
        options.push(self.path("client-secret").display().to_string());
        options
    }

    /// The options of a login as a client without a secret.
    fn public(&self, client: &str) -> Vec<String> {
        let mut options: Vec<String> = ["token", "oidc", "--issuer", &self.realm.issuer, "--client-id", client]
            .map(str::to_owned)
            .to_vec();
        for (option, file) in [("--certificate-authority", "authority.pem"), ("--login-dir", "logins")] {
            options.extend([option.to_owned(), self.path(file).display().to_string()]);
        }
        options
    }

    fn with_password(&self) -> Vec<String> {
        let mut options = self.options();
        options.extend(["--password-file".to_owned(), self.path("password").display().to_string()]);
        options
    }

    fn command(options: &[String], more: &[&str]) -> Command {
        let all: Vec<&str> = options.iter().map(String::as_str).chain(more.iter().copied()).collect();
        shared().stage.command(&all)
    }

    /// Returns the claims of the printed token.
    fn claims(&self, options: &[String]) -> Value {
        claims(&said(&mut Self::command(options, &[])))
    }

    /// Returns kubectl with a kubeconfig whose plugin has `options`.
    fn kubectl(&self, options: &[String], mode: &str) -> Command {
        let lab = description();
        let main = &lab["api_servers"]["main"];
        std::fs::write(self.path("serving.pem"), main["serving_authority"].as_str().unwrap()).unwrap();
        let kubeconfig = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "lab",
            "clusters": [{ "name": "lab", "cluster": { "server": main["url"], "certificate-authority": self.path("serving.pem") } }],
            "contexts": [{ "name": "lab", "context": { "cluster": "lab", "user": "me" } }],
            "users": [{ "name": "me", "user": { "exec": {
                "apiVersion": "client.authentication.k8s.io/v1", "command": env!("CARGO_BIN_EXE_authlab"), "args": options,
                "interactiveMode": mode, "provideClusterInfo": true,
            } } }],
        });
        std::fs::write(self.path("kubeconfig"), kubeconfig.to_string()).unwrap();
        let mut kubectl = Command::new(PathBuf::from(lab["programs"].as_str().unwrap()).join("kubectl"));
        kubectl
            .args(["auth", "whoami", "--output=json", "--kubeconfig"])
            .arg(self.path("kubeconfig"))
            .env("HOME", self.home.path())
            .stdin(Stdio::null());
        kubectl
    }

    /// Changes the stored login so that its token looks expired.
    fn expire(&self) {
        let file = self.kept();
        let mut kept: Value = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
        kept["issued"] = 1.into();
        kept["expires"] = 2.into();
        std::fs::write(&file, kept.to_string()).unwrap();
    }

    /// Returns the path of the only stored login.
    fn kept(&self) -> PathBuf {
        let files = std::fs::read_dir(self.path("logins")).unwrap().map(|entry| entry.unwrap().path());
        let mut logins: Vec<PathBuf> = files.filter(|path| path.extension().is_some_and(|end| end == "json")).collect();
        assert_eq!(logins.len(), 1, "{logins:?}");
        logins.remove(0)
    }

    fn admin<T>(&self, work: impl AsyncFnOnce(authlab::identity_provider::keycloak::KeycloakAdmin) -> T) -> T {
        let admin = KeycloakClient::new(&self.realm).unwrap().admin().unwrap();
        self.runtime.block_on(work(admin))
    }
}

pub fn description() -> Value {
    let text = std::fs::read_to_string(shared().stage.lab("default").join("lab.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn claims(said: &Said) -> Value {
    assert_eq!(said.code, 0, "{said:?}");
    let answer: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(answer["kind"], "ExecCredential");
    let token = answer["status"]["token"].as_str().unwrap();
    Value::Object(Jwt::parse(token).unwrap().claims)
}

/// Returns the user that kubectl reports, and the id of its token.
fn whoami(said: Said) -> (String, String) {
    let review = said.json();
    let info = &review["status"]["userInfo"];
    let id = &info["extra"]["authentication.kubernetes.io/credential-id"][0];
    (info["username"].as_str().unwrap().to_owned(), id.to_string())
}

/// Returns the one-line message of a refused login.
pub fn line(said: Said, code: i32) -> String {
    assert_eq!(said.out, "", "{said:?}");
    let told = said.refusal(code);
    assert_eq!(told.lines().count(), 1, "{told}");
    assert!(told.starts_with("authlab token: "), "{told}");
    told
}

#[test]
fn kubectl_logs_in_once_and_uses_that_login_from_then_on() {
    use std::os::unix::fs::PermissionsExt;
    let desk = Desk::new("once");
    let options = desk.with_password();
    let first = whoami(said(&mut desk.kubectl(&options, "Never")));
    assert_eq!(first.0, "keycloak:once");
    // Without the password, which is not needed again.
    assert_eq!(whoami(said(&mut desk.kubectl(&desk.options(), "Never"))), first);
    let mode = |path: PathBuf| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(desk.kept()), mode(desk.path("logins"))), (0o600, 0o700));
}

#[test]
fn five_kubectl_at_once_make_one_login() {
    let desk = Desk::new("at-once");
    let options = desk.with_password();
    let start = || {
        let mut kubectl = desk.kubectl(&options, "IfAvailable");
        kubectl.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let all: Vec<Child> = (0..5).map(|_| start()).collect();
    let ends = all.into_iter().map(|child| child.wait_with_output().unwrap());
    let seen: Vec<_> = ends
        .map(|end| {
            whoami(Said {
                code: end.status.code().unwrap(),
                out: String::from_utf8(end.stdout).unwrap(),
                err: String::from_utf8(end.stderr).unwrap(),
            })
        })
        .collect();
    assert!(seen.iter().all(|one| *one == seen[0]), "{seen:?}");
}

#[test]
fn an_expired_token_is_refreshed_in_the_same_session() {
    let desk = Desk::new("expired");
    let first = desk.claims(&desk.with_password());
    desk.expire();
    // A new login is impossible here: there is neither a password nor a terminal.
    let second = desk.claims(&desk.options());
    assert_ne!(first["jti"], second["jti"]);
    assert_eq!(first["sid"], second["sid"]);
    assert_eq!(desk.claims(&desk.options())["jti"], second["jti"]);
}

#[test]
fn a_session_that_was_ended_is_told_and_followed_by_a_new_login_if_that_can_be() {
    let desk = Desk::new("ended");
    let first = desk.claims(&desk.with_password());
    desk.admin(async |admin| admin.logout_user("ended").await.unwrap());
    desk.expire();
    let told = line(said(&mut Desk::command(&desk.options(), &[])), 1);
    assert!(told.contains("the earlier login has ended, and this process cannot ask"), "{told}");
    assert!(told.contains("the issuer refused the refresh: invalid_grant ("), "{told}");
    let again = said(&mut Desk::command(&desk.with_password(), &[]));
    assert!(
        again.err.starts_with("The earlier login is over (the issuer refused the refresh"),
        "{again:?}"
    );
    assert_ne!(claims(&again)["sid"], first["sid"]);
}

#[test]
fn a_disabled_user_is_refused_in_the_issuers_words() {
    let desk = Desk::new("disabled");
    whoami(said(&mut desk.kubectl(&desk.with_password(), "Never")));
    desk.admin(async |admin| admin.set_enabled("disabled", false).await.unwrap());
    desk.expire();
    let refused = said(&mut desk.kubectl(&desk.with_password(), "Never"));
    assert_eq!(refused.code, 1, "{refused:?}");
    assert!(
        refused
            .err
            .contains("authlab token: the issuer refused the password grant: invalid_grant (Account disabled)"),
        "{refused:?}"
    );
    assert!(refused.err.contains("failed with exit code 1"), "{refused:?}");
}

#[test]
fn a_wrong_issuer_authority_or_client_is_told_with_what_to_do() {
    let desk = Desk::new("wrong");
    let changed = |option: &str, value: &str| {
        let mut options = desk.with_password();
        let at = options.iter().position(|known| known == option).unwrap();
        options[at + 1] = value.to_owned();
        line(said(&mut Desk::command(&options, &[])), 1)
    };
    let issuer = &desk.realm.issuer;
    let told = changed("--issuer", &format!("{issuer}/"));
    assert!(
        told.contains(&format!(
            "the issuer {issuer}/ gives another issuer in its configuration: {issuer}; give the URL exactly"
        )),
        "{told}"
    );
    let told = changed("--issuer", &issuer.replace("kubernetes", "nowhere"));
    assert!(told.contains("404"), "{told}");
    let told = changed("--issuer", "https://127.0.0.1:1/realms/kubernetes");
    assert!(
        told.contains("cannot request its configuration from the issuer ") && told.contains("refused"),
        "{told}"
    );
    let told = changed("--client-id", "nobody");
    assert!(told.contains("invalid_client") && told.contains("check --client-id"), "{told}");
    let stranger = authlab::pki::Authority::root("stranger").unwrap();
    std::fs::write(desk.path("stranger.pem"), stranger.certificate()).unwrap();
    let told = changed("--certificate-authority", desk.path("stranger.pem").to_str().unwrap());
    assert!(told.contains("invalid peer certificate: UnknownIssuer"), "{told}");
    assert!(told.trim_end().ends_with("with --certificate-authority"), "{told}");
}

#[test]
fn without_a_terminal_nobody_is_asked() {
    let desk = Desk::new("alone");
    for flow in ["browser", "device"] {
        let options = [desk.public("browser-login"), vec!["--flow".to_owned(), flow.to_owned()]].concat();
        let refused = said(&mut desk.kubectl(&options, "IfAvailable"));
        assert_eq!(refused.code, 1, "{refused:?}");
        assert!(refused.err.contains("authlab token: cannot ask for a new login"), "{refused:?}");
    }
    let told = line(said(&mut Desk::command(&desk.options(), &[])), 1);
    assert!(told.contains("cannot ask for a new login"), "{told}");
    let told = line(said(&mut Desk::command(&desk.options(), &["--interactive", "always"])), 1);
    assert!(
        told.contains("cannot ask for the password of alone: standard input is not a terminal"),
        "{told}"
    );
}

#[test]
fn a_kept_login_that_is_damaged_or_open_to_others_is_told_and_not_used() {
    use std::os::unix::fs::PermissionsExt;
    let desk = Desk::new("damaged");
    let first = desk.claims(&desk.with_password());
    std::fs::write(desk.kept(), "{").unwrap();
    let again = said(&mut Desk::command(&desk.with_password(), &[]));
    assert!(
        again.err.contains(": it is damaged (line 1, column 1); logging in again\n"),
        "{again:?}"
    );
    let second = claims(&again);
    assert_ne!(first["jti"], second["jti"]);
    std::fs::set_permissions(desk.kept(), std::fs::Permissions::from_mode(0o644)).unwrap();
    let again = said(&mut Desk::command(&desk.with_password(), &[]));
    assert!(
        again.err.contains(": others can read or write it (mode 644); logging in again\n"),
        "{again:?}"
    );
    assert_ne!(claims(&again)["jti"], second["jti"]);
    std::fs::set_permissions(desk.path("logins"), std::fs::Permissions::from_mode(0o755)).unwrap();
    let refused = said(&mut Desk::command(&desk.with_password(), &[])).refusal(1);
    assert!(
        refused.contains("cannot keep logins in ") && refused.contains("chmod 700"),
        "{refused}"
    );
}

/// A login that waits for a user, and the address that it printed.
struct Waiting {
    child: Child,
    errors: BufReader<std::process::ChildStderr>,
    told: String,
}

impl Waiting {
    fn start(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut errors = BufReader::new(child.stderr.take().unwrap());
        let mut told = String::new();
        errors.read_line(&mut told).unwrap();
        Self { child, errors, told }
    }

    fn address(&self) -> String {
        let found = self.told.split_whitespace().find(|word| word.starts_with("https://"));
        found.unwrap_or_else(|| panic!("no address: {}", self.told)).to_owned()
    }

    fn end(mut self) -> Said {
        let mut err = String::new();
        self.errors.read_to_string(&mut err).unwrap();
        let end = self.child.wait_with_output().unwrap();
        Said {
            code: end.status.code().unwrap(),
            out: String::from_utf8(end.stdout).unwrap(),
            err,
        }
    }
}

fn waiting(desk: &Desk, flow: &str, more: &[&str]) -> Waiting {
    let more = [&["--flow", flow, "--interactive", "always", "--browser", "none"], more].concat();
    Waiting::start(&mut Desk::command(&desk.public("browser-login"), &more))
}

#[test]
fn a_person_logs_in_in_a_browser_after_mistyping_once() {
    let desk = Desk::new("browsing");
    let login = waiting(&desk, "browser", &[]);
    let address = login.address();
    for part in [
        "code_challenge_method=S256",
        "state=",
        "nonce=",
        "redirect_uri=http%3A%2F%2F127.0.0.1%3A",
    ] {
        assert!(address.contains(part), "{address}");
    }
    let page = desk.runtime.block_on(async {
        let robot = Robot::new(&desk.realm.authority);
        let page = robot.open(&address).await;
        let page = robot.submit(&page, &[("username", "browsing"), ("password", "not it")]).await;
        assert!(page.text.contains("Invalid username or password"), "{}", page.text);
        robot.submit(&page, &[("username", "browsing"), ("password", "a password")]).await
    });
    assert!(page.address.starts_with("http://127.0.0.1:"), "{}", page.address);
    assert!(page.text.contains("You are logged in"), "{}", page.text);
    let claims = claims(&login.end());
    assert_eq!(claims["preferred_username"], "browsing");
    // kubectl has no terminal here: it uses the login from the browser, once the user has allowed it for this API server.
    let kubectl = || said(&mut desk.kubectl(&desk.public("browser-login"), "IfAvailable"));
    let refused = kubectl();
    assert_eq!(refused.code, 1, "{refused:?}");
    let (_, allow) = refused
        .err
        .split_once("allow it with `authlab ")
        .unwrap_or_else(|| panic!("{refused:?}"));
    let allow = allow.split_once('`').unwrap().0;
    let program = env!("CARGO_BIN_EXE_authlab");
    said(Command::new("sh").args(["-c", &format!("{program} {allow}")])).success();
    assert_eq!(whoami(kubectl()).0, "keycloak:browsing");
}

#[test]
fn a_login_page_that_nobody_comes_back_from_is_an_error() {
    let desk = Desk::new("gone");
    let login = waiting(&desk, "browser", &["--timeout", "1"]);
    assert!(login.told.contains("(no browser was opened: --browser none)"), "{}", login.told);
    let told = line(login.end(), 1);
    assert!(
        told.contains("timed out after 1 s waiting for the login page to return; "),
        "{told}"
    );
    // A missing browser is not an error: the address is printed.
    let mut options = desk.public("browser-login");
    options.extend(["--browser", "/no/such/browser", "--interactive", "always", "--timeout", "1"].map(str::to_owned));
    let refused = said(&mut Desk::command(&options, &[])).refusal(1);
    assert!(refused.contains("(no browser was opened: No such file or directory"), "{refused}");
}

#[test]
fn a_person_logs_in_with_a_code_or_declines() {
    let desk = Desk::new("device");
    let answer = |answer: &'static str| {
        let login = waiting(&desk, "device", &[]);
        let address = login.address();
        let page: Page = desk.runtime.block_on(async {
            let robot = Robot::new(&desk.realm.authority);
            let page = robot.open(&address).await;
            let page = robot.submit(&page, &[("username", "device"), ("password", "a password")]).await;
            robot.submit(&page, &[(answer, "")]).await
        });
        (login.end(), page)
    };
    let (said, page) = answer("cancel");
    let told = line(said, 1);
    assert!(
        told.contains("the issuer refused the device code: access_denied"),
        "{told}; {}",
        page.text
    );
    let (said, _) = answer("accept");
    assert_eq!(claims(&said)["preferred_username"], "device");
}
