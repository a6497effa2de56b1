//! `authlab issuer` as users start it: what it prints and leaves, its options, and an API server with the configuration that it prints.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use authlab::cluster::Given;
use authlab::credential::Credential;
use authlab::event::Verdict;
use authlab::jwt::Jwt;
use authlab::probe::{Answer, Endpoint, Question, ask};
use authlab::process::wait::{Condition, WaitError, until};
use authlab::secret::Secret;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::stage::{Said, Stage, bare_lab, said};

/// An issuer that runs, and the directory in which it does.
struct Issuer {
    child: Child,
    stage: Stage,
    home: tempfile::TempDir,
    /// Its output until it was ready.
    printed: String,
    /// The rest of it: an output that nobody can read would end it.
    _output: BufReader<ChildStdout>,
}

impl Issuer {
    /// Starts an issuer, and reads `lines` lines of its output.
    fn start(arguments: &[&str], lines: usize) -> Self {
        let (stage, home) = (Stage::new(), tempfile::tempdir().unwrap());
        std::fs::create_dir(home.path().join("tmp")).unwrap();
        std::fs::write(home.path().join("alice.json"), r#"{ "groups": ["team-a"] }"#).unwrap();
        let mut child = in_home(&stage, home.path(), arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut printed = String::new();
        for _ in 0..lines {
            output.read_line(&mut printed).unwrap();
        }
        Self {
            child,
            stage,
            home,
            printed,
            _output: output,
        }
    }

    fn ready(arguments: &[&str]) -> (Self, Value) {
        let issuer = Self::start(&[&["--json", "issuer", "--algorithm", "ES256"], arguments].concat(), 1);
        let ready = serde_json::from_str(&issuer.printed).unwrap();
        (issuer, ready)
    }

    fn said(&self, arguments: &[&str]) -> Said {
        said(&mut in_home(&self.stage, self.home.path(), arguments))
    }

    /// Returns the files in its temporary directory, and below.
    fn left(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.home.path().join("tmp")).unwrap();
        entries
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect()
    }

    /// Interrupts it, and returns its exit code and its messages.
    fn end(&mut self) -> (Option<i32>, String) {
        let id = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        kill_process(id, Signal::INT).unwrap();
        let mut told = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut told).unwrap();
        (self.child.wait().unwrap().code(), told)
    }
}

impl Drop for Issuer {
    fn drop(&mut self) {
        // A test that failed midway leaves it; otherwise it has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn in_home(stage: &Stage, home: &Path, arguments: &[&str]) -> Command {
    let mut command = stage.command(arguments);
    command.current_dir(home).env("TMPDIR", home.join("tmp"));
    command
}

fn claims(token: &str) -> Value {
    Value::Object(Jwt::parse(token.trim()).unwrap().claims)
}

#[test]
fn it_says_where_everything_is_and_leaves_nothing() {
    use std::os::unix::fs::PermissionsExt as _;
    let (mut issuer, ready) = Issuer::ready(&["--ca-file", "ca.pem", "--claims", "alice.json", "--cluster-config"]);
    let url = ready["url"].as_str().unwrap();
    assert!(url.starts_with("https://127.0.0.1:") && url.ends_with("/default"), "{ready}");
    assert_eq!(ready["issuers"]["default"]["jwks"], format!("{url}/keys"));
    let own = issuer.left();
    assert_eq!(own.len(), 1);
    let mode = std::fs::metadata(issuer.home.path().join("tmp").join(&own[0]))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o700);
    let secret = std::fs::read_to_string(ready["secret_file"].as_str().unwrap()).unwrap();
    let header = std::fs::read_to_string(ready["header_file"].as_str().unwrap()).unwrap();
    assert_eq!(header, format!("Authorization: Bearer {secret}\n"));
    let configuration = std::fs::read_to_string(ready["configuration_file"].as_str().unwrap()).unwrap();
    assert_eq!(ready["authentication_configuration"], configuration);
    assert_eq!(
        std::fs::read_to_string(issuer.home.path().join("ca.pem")).unwrap(),
        ready["ca"].as_str().unwrap()
    );

    let ask = ["issuer", "token", "--at", url, "--ca-file", "ca.pem"];
    let more = [
        "--person",
        "alice",
        "--claim",
        "email=a@example.com",
        "--claim",
        "n=[1]",
        "--lifetime",
        "-60",
    ];
    let token = issuer.said(&[&ask[..], &more].concat()).success();
    let claims = claims(&token);
    assert_eq!(
        (&claims["sub"], &claims["groups"], &claims["email"], &claims["n"]),
        (&json!("alice"), &json!(["team-a"]), &json!("a@example.com"), &json!([1]))
    );
    let refused = issuer.said(&[&ask[..], &["--person", "erin"]].concat()).refusal(1);
    assert!(refused.contains("unknown person \"erin\" (known: alice)"), "{refused}");
    let (code, told) = issuer.end();
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("default: POST token 200 (client_credentials, user alice"), "{told}");
    for secret in [secret.as_str(), token.trim()] {
        assert!(!told.contains(secret), "{told}");
    }
    assert_eq!(issuer.left(), [""; 0]);
    assert!(!issuer.home.path().join("ca.pem").exists());
}

#[test]
fn people_read_a_summary_and_scripts_read_what_they_asked_for() {
    let mut issuer = Issuer::start(
        &[
            "issuer",
            "--algorithm",
            "ES256",
            "--issuer",
            "a",
            "--issuer",
            "b=https://b.example.com",
        ],
        11,
    );
    for part in [
        "until Ctrl-C",
        "/a\n",
        "  issuer     https://b.example.com\n    at       https://127.0.0.1:",
        "curl --cacert ",
    ] {
        assert!(issuer.printed.contains(part), "{part}: {}", issuer.printed);
    }
    assert_eq!(issuer.end().0, Some(0));
    let mut issuer = Issuer::start(&["issuer", "--algorithm", "ES256", "--cluster-config", "--flags"], 8);
    assert!(issuer.printed.contains("--oidc-signing-algs=ES256\n"), "{}", issuer.printed);
    assert_eq!(issuer.end().0, Some(0));
    let (mut issuer, ready) = Issuer::ready(&["--http"]);
    let url = ready["url"].as_str().unwrap();
    assert!(url.starts_with("http://127.0.0.1:") && ready["ca_file"].is_null(), "{ready}");
    assert_eq!(claims(&issuer.said(&["issuer", "token", "--at", url]).success())["iss"], url);
    assert_eq!(issuer.end().0, Some(0));
    let mut issuer = Issuer::start(&["issuer", "--algorithm", "ES256", "--listen", "127.0.0.1"], 1);
    let told = issuer.end().1;
    assert!(
        told.contains("Everybody who reaches 127.0.0.1 can have any token of this issuer."),
        "{told}"
    );
}

#[test]
fn wrong_options_are_refused_before_anything_listens() {
    let (stage, home) = (Stage::new(), tempfile::tempdir().unwrap());
    std::fs::create_dir(home.path().join("tmp")).unwrap();
    std::fs::write(home.path().join("bad.json"), "[]").unwrap();
    std::fs::write(home.path().join("letter"), "Dear Alice").unwrap();
    for (options, code, why) in [
        (&["--listen", "192.0.2.1", "--http"][..], 2, "cannot serve without TLS on 192.0.2.1"),
        (&["--listen", "::"], 2, "every address of the machine"),
        (&["--issuer", "a b"], 2, "is not an issuer path"),
        (&["--issuer", "a", "--issuer", "a"], 2, "it is a duplicate"),
        (&["--issuer", "a=ftp://x"], 2, "is not an issuer URL"),
        (&["--algorithm", "HS256"], 2, "unknown signature algorithm"),
        (&["--like", "entra"], 2, "no token shape is named 'entra'"),
        (&["--claims", "bad.json"], 2, "are a JSON object"),
        (&["--claims", "absent.json"], 2, "absent.json"),
        (&["--http", "--cluster-config"], 2, "cannot be used with"),
        (&["--flags"], 2, "--cluster-config"),
        (
            &["--algorithm", "ES256", "--ca-file", "letter"],
            1,
            "letter exists, and is not a certificate",
        ),
    ] {
        let told = said(&mut in_home(&stage, home.path(), &[&["issuer"], options].concat())).refusal(code);
        assert!(told.contains(why), "{options:?}: {told}");
    }
    let far = said(&mut in_home(
        &stage,
        home.path(),
        &["issuer", "token", "--at", "http://issuer.example.com/x"],
    ))
    .refusal(2);
    assert!(far.contains("has no TLS"), "{far}");
    assert_eq!(std::fs::read_dir(home.path().join("tmp")).unwrap().count(), 0);
}

/// Tells the control API to rotate the keys, as a script would.
fn rotate(ready: &Value, overlap: bool) {
    let control = format!("{}/issuers/default/rotate", ready["control"].as_str().unwrap());
    let rotated = Command::new("curl")
        .args([
            "--silent",
            "--fail",
            "--noproxy",
            "*",
            "--cacert",
            ready["ca_file"].as_str().unwrap(),
        ])
        .args(["-H", &format!("@{}", ready["header_file"].as_str().unwrap())])
        .args(["-d", &json!({ "overlap": overlap }).to_string(), &control])
        .output()
        .unwrap();
    assert!(rotated.status.success(), "{rotated:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_server_accepts_its_tokens_until_their_key_is_gone() {
    authlab::tls::choose_provider();
    let (issuer, ready) = tokio::task::spawn_blocking(|| Issuer::ready(&["--claims", "alice.json", "--cluster-config"]))
        .await
        .unwrap();
    let token = || {
        let (url, ca) = (ready["url"].as_str().unwrap(), ready["ca_file"].as_str().unwrap());
        let token = issuer
            .said(&["issuer", "token", "--at", url, "--ca-file", ca, "--person", "alice"])
            .success();
        Credential::Token(Secret::new(token.trim()))
    };
    let given = Given {
        authentication: ready["authentication_configuration"].as_str().map(str::to_owned),
        ..Given::default()
    };
    let lab = bare_lab(given).await;
    let asked = async |credential: &Credential| ask(&Endpoint::of(lab.main()), "alice", credential, &Question::who_am_i()).await;

    let (first, kept) = (token(), token());
    // An API server looks for its issuers after it has started.
    let accepted: Result<Answer, WaitError<std::convert::Infallible>> = until("the issuer is known", Duration::from_secs(60), async || {
        let answer = asked(&first).await;
        Ok(match answer.verdict {
            Verdict::Accepted => Condition::Met(answer),
            _ => Condition::NotYet(answer.record.reason.unwrap_or_default()),
        })
    })
    .await;
    let identity = accepted.unwrap().identity.unwrap();
    assert_eq!(identity.user, "oidc:alice");
    assert!(identity.groups.contains("oidc:team-a"), "{identity:?}");

    rotate(&ready, false);
    // A new key makes the API server fetch the keys; the old one, which it had kept, goes.
    assert_eq!(asked(&token()).await.verdict, Verdict::Accepted);
    let refused = asked(&kept).await;
    assert_eq!(refused.verdict, Verdict::Unauthenticated);
    let reason = refused.record.reason.unwrap_or_default();
    assert!(reason.contains("failed to verify id token signature"), "{reason}");
    lab.end(false).await.unwrap();
    drop(issuer);
}

#[test]
fn it_is_asked_as_a_real_issuer_and_its_token_is_presented_as_it_is() {
    let (issuer, ready) = Issuer::ready(&["--claims", "alice.json", "--cluster-config"]);
    let (url, ca) = (ready["url"].as_str().unwrap(), ready["ca_file"].as_str().unwrap());
    let token = || {
        let asked = issuer.said(&["issuer", "token", "--at", url, "--ca-file", ca, "--person", "alice"]);
        asked.success().trim().to_owned()
    };
    let file = |name: &str, text: &str| std::fs::write(issuer.home.path().join(name), text).unwrap();
    let (sound, other) = (token(), token());
    let (claims, _) = sound.rsplit_once('.').unwrap();
    let (_, signature) = other.rsplit_once('.').unwrap();
    file("alice.jwt", &sound);
    file("mallory.jwt", &format!("{claims}.{signature}"));
    let configuration = ready["authentication_configuration"].as_str().unwrap();
    file("authn.yaml", configuration);

    let options = ["--authentication-configuration", "authn.yaml", "--real-issuers"];
    let people = ["--token-file", "alice.jwt", "--token-file", "mallory.jwt"];
    let tried = issuer.said(&[&["try"], &options[..], &people, &["--json"]].concat());
    let told = tried.json();
    let people = &told["versions"][0]["people"];
    assert_eq!(people[0]["accepted"]["user"], "oidc:alice");
    let reason = people[1]["refused"]["reason"].as_str().unwrap();
    assert!(reason.contains("failed to verify id token signature"), "{reason}");

    let show = [&["try"], &options[..], &["--show-configuration"]].concat();
    let proxy = "http://user:not-to-be-shown@127.0.0.1:9";
    let shown = said(in_home(&issuer.stage, issuer.home.path(), &show).env("HTTPS_PROXY", proxy)).success();
    assert!(shown.contains(url) && !shown.contains("authlab.invalid"), "{shown}");
    assert!(shown.contains("HTTPS_PROXY=") && !shown.contains("not-to-be-shown"), "{shown}");
    // Nobody here can sign a real issuer's token: in a project, people who need that are named, and the others are tried.
    let project = format!(
        "[api-server]\nauthentication-configuration = \"authn.yaml\"\n\
         [people.alice]\ntoken-file = \"alice.jwt\"\n\
         [people.bob]\nissuer = \"{url}\"\nclaims = {{ sub = \"bob\" }}\n"
    );
    file("authlab.toml", &project);
    let all = issuer.said(&["try", "--all", "--real-issuers", "--json"]);
    assert!(all.err.contains("only the real issuer can sign their tokens: bob"), "{}", all.err);
    let tried = all.json()["versions"][0]["people"].as_array().unwrap().clone();
    assert_eq!((tried.len(), &tried[0]["accepted"]["user"]), (1, &json!("oidc:alice")));
    std::fs::remove_file(issuer.home.path().join("authlab.toml")).unwrap();
    file("alice.json", r#"{ "sub": "alice" }"#);
    let refused = issuer
        .said(&[&["try"], &options[..], &["--claims", "alice.json"]].concat())
        .refusal(2);
    assert!(refused.contains("'--real-issuers' cannot be used with '--claims"), "{refused}");
}
