//! Requests to the page's server, none of which needs a lab.

use std::path::PathBuf;

use reqwest::{Client, Method, Response};
use serde_json::{Value, json};

use super::*;

/// A playground, and a browser of its user.
struct Opened {
    url: String,
    client: Client,
}

impl Opened {
    async fn with(draft: Draft, save: Option<PathBuf>) -> (Self, Playground) {
        let options = PlaygroundOptions {
            draft,
            save,
            ..PlaygroundOptions::default()
        };
        let (mut opened, served) = Self::all(options).await;
        (opened.remove(0), served)
    }

    /// Opens each page of a playground.
    async fn all(options: PlaygroundOptions) -> (Vec<Self>, Playground) {
        crate::tls::choose_provider();
        let playground = Playground::listen(options, &Events::silent()).await.unwrap();
        let opened = |page: &PageAddress| Self {
            url: page.url.clone(),
            client: Client::builder().no_proxy().build().unwrap(),
        };
        let opened = playground.addresses().iter().map(opened).collect();
        // Nothing is carried out: the listener answers as long as the playground lives.
        (opened, playground)
    }

    async fn ask(&self, method: Method, path: &str, headers: &[(&str, &str)], body: String) -> Response {
        let mut request = self.client.request(method, format!("{}{path}", self.url)).body(body);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.send().await.unwrap()
    }

    async fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        let answer = self.ask(Method::POST, path, &[JSON], body.to_string()).await;
        (answer.status().as_u16(), answer.json().await.unwrap())
    }
}

const JSON: (&str, &str) = ("content-type", "application/json");

#[tokio::test]
async fn a_request_is_answered_below_the_word_for_this_page_alone() {
    let (opened, _served) = Opened::with(Draft::example(), None).await;
    let host = opened.url.split('/').nth(2).unwrap().to_owned();
    let same = format!("http://{host}");
    for (method, path, headers, expected) in [
        (Method::GET, "", &[][..], 200),
        (Method::GET, "app.js", &[], 200),
        (Method::GET, "state", &[("origin", same.as_str())], 200),
        (Method::GET, "shapes", &[("host", "localhost:1")], 200),
        (Method::GET, "", &[("host", "evil.test")], 403),
        (Method::GET, "state", &[("origin", "http://evil.test")], 403),
        (Method::POST, "try", &[JSON, ("origin", "http://evil.test")], 403),
        (Method::POST, "try", &[JSON, ("origin", "null")], 403),
        (Method::POST, "try", &[("content-type", "text/plain")], 415),
        (Method::POST, "try", &[], 415),
        (Method::POST, "try", &[JSON], 400),
        (Method::GET, "try", &[], 405),
        (Method::POST, "state", &[JSON], 405),
        (Method::POST, "", &[JSON], 405),
        (Method::GET, "other", &[], 404),
        (Method::GET, "../", &[], 404),
    ] {
        let answer = opened.ask(method.clone(), path, headers, String::new()).await;
        assert_eq!(answer.status().as_u16(), expected, "{method} {path} {headers:?}");
        let header = |name: &str| answer.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
        assert_eq!(header("cache-control").as_deref(), Some("no-store"), "{path}");
        assert_eq!(header("content-security-policy").as_deref(), Some(reply::POLICY), "{path}");
        assert_eq!(header("x-content-type-options").as_deref(), Some("nosniff"), "{path}");
        assert_eq!(header("referrer-policy").as_deref(), Some("no-referrer"), "{path}");
    }
    assert!(!reply::POLICY.contains("unsafe"));
    let other = format!("http://{host}/{}/", "0".repeat(32));
    assert_eq!(opened.client.get(other).send().await.unwrap().status(), 404);
    assert_eq!(opened.client.get(format!("http://{host}/")).send().await.unwrap().status(), 404);
}

#[tokio::test]
async fn the_page_needs_nothing_but_its_own_files() {
    let (opened, _served) = Opened::with(Draft::example(), None).await;
    let page = opened.ask(Method::GET, "", &[], String::new()).await.text().await.unwrap();
    for (attribute, _) in page.match_indices(" src=").chain(page.match_indices(" href=")) {
        let value = page[attribute..].split('"').nth(1).unwrap();
        let is_own = value.starts_with('#') || value == "data:," || assets::file(value).is_some();
        assert!(is_own, "{value}");
    }
    for inline in ["<style", "<script>", " style=", " onclick="] {
        assert!(!page.contains(inline), "{inline}");
    }
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_refused() {
    let (opened, _served) = Opened::with(Draft::default(), None).await;
    let body = json!({ "configuration": "x".repeat(1024 * 1024 + 1) }).to_string();
    let answer = opened.ask(Method::POST, "try", &[JSON], body).await;
    assert_eq!(answer.status(), 413);
    assert!(answer.text().await.unwrap().contains("1 MiB"));
}

#[tokio::test]
async fn every_mistake_is_told_at_its_line() {
    let (opened, _served) = Opened::with(Draft::default(), None).await;
    let asked = json!({
        "page": "p",
        "flags": "--oidc-client-id=k\nnonsense\nbind-address=192.0.2.1\ntoken-auth-file=/etc/passwd",
        "manifests": "apiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n---\nkind: Role\n",
        "people": [
            { "name": "alice", "presents": { "claims": "{\"sub\": \"a\"}" } },
            { "name": "bob", "presents": { "claims": "{\n  \"sub\": \"b\",\n}" } },
            { "name": "carol", "presents": { "claims": "[]" } },
            { "name": "dana", "presents": { "certificate": { "common_name": "", "organizations": "ops" } } },
            { "name": "deployer", "presents": { "service_account": "deployer" } },
        ],
        "actions": "get pods\n# a comment\nget",
        "versions": ["1.37", "1.2"],
    });
    let (status, told) = opened.post("try", &asked).await;
    assert_eq!(status, 422, "{told}");
    let marks = told["marks"].as_array().unwrap().iter();
    let places: Vec<_> = marks
        .map(|mark| (mark["place"].as_str().unwrap(), mark["person"].as_u64(), mark["line"].as_u64()))
        .collect();
    let expected = [
        ("flags", None, Some(2)),
        ("flags", None, Some(3)),
        ("flags", None, Some(4)),
        ("actions", None, Some(3)),
        ("claims", Some(1), Some(3)),
        ("claims", Some(2), Some(1)),
        ("person", Some(3), None),
        ("person", Some(4), None),
        ("manifests", None, Some(5)),
        ("versions", None, None),
    ];
    assert_eq!(places, expected, "{told}");
    let (status, told) = opened.post("try", &json!({ "configuration": "x", "unknown": 1 })).await;
    assert_eq!(status, 422, "{told}");
    assert_eq!(told["message"], "no version of Kubernetes is chosen");
}

#[tokio::test]
async fn hostile_text_is_the_same_text_in_an_answer() {
    let hostile = "</script><img src=x onerror=alert(1)>\u{202e}\u{1b}[31m\u{0}\"'&";
    let draft = Draft {
        configuration: hostile.to_owned(),
        people: vec![DraftPerson {
            name: hostile.to_owned(),
            presents: DraftCredential::Claims(json!({ "sub": hostile }).to_string()),
        }],
        ..Draft::default()
    };
    let (opened, _served) = Opened::with(draft, None).await;
    let answer = opened.ask(Method::GET, "state", &[], String::new()).await;
    assert_eq!(answer.headers()["content-type"], "application/json");
    let state: Value = answer.json().await.unwrap();
    assert_eq!(state["draft"]["configuration"], hostile);
    assert_eq!(state["draft"]["people"][0]["name"], hostile);
    let asked = json!({ "people": [{ "name": "a", "presents": { "claims": hostile } }], "versions": ["1.37"] });
    let answer = opened.ask(Method::POST, "try", &[JSON], asked.to_string()).await;
    assert_eq!(
        (answer.status().as_u16(), answer.headers()["content-type"].to_str().unwrap()),
        (422, "application/json")
    );
}

#[tokio::test]
async fn a_project_is_downloaded_or_saved_where_the_command_said() {
    let directory = tempfile::tempdir().unwrap();
    let into = directory.path().join("project");
    let (opened, _served) = Opened::with(Draft::example(), Some(into.clone())).await;
    let draft = json!(Draft {
        versions: vec!["1.37".to_owned()],
        ..Draft::example()
    });
    let answer = opened.ask(Method::POST, "project", &[JSON], draft.to_string()).await;
    assert_eq!(answer.headers()["content-type"], "application/x-tar");
    let archive = answer.bytes().await.unwrap();
    assert_eq!(tar::Archive::new(&archive[..]).entries().unwrap().count(), 2);
    let (status, told) = opened.post("save", &json!({ "draft": draft })).await;
    assert_eq!((status, &told["files"]), (200, &json!(["authlab.toml", "authentication.yaml"])));
    std::fs::write(into.join("authlab.toml"), "mine").unwrap();
    let (status, told) = opened.post("save", &json!({ "draft": draft })).await;
    assert_eq!((status, &told["exists"]), (409, &json!(["authlab.toml"])));
    let (status, _) = opened.post("save", &json!({ "draft": draft, "replace": true })).await;
    assert_eq!(status, 200);
    assert_ne!(std::fs::read_to_string(into.join("authlab.toml")).unwrap(), "mine");

    let (opened, _served) = Opened::with(Draft::example(), None).await;
    let (status, told) = opened.post("save", &json!({ "draft": draft, "replace": true })).await;
    assert_eq!(
        (status, &told["hint"]),
        (409, &json!("start the playground with --save DIR, or download the project"))
    );
}

#[tokio::test]
async fn a_port_that_is_taken_is_an_error() {
    crate::tls::choose_provider();
    let options = |port| PlaygroundOptions {
        port,
        ..PlaygroundOptions::default()
    };
    let first = Playground::listen(options(None), &Events::silent()).await.unwrap();
    let port = first.listening.address().port();
    let error = Playground::listen(options(Some(port)), &Events::silent()).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    assert_eq!(first.addresses().len(), 1);
}

#[tokio::test]
async fn nothing_of_a_learner_is_visible_to_another() {
    let directory = tempfile::tempdir().unwrap();
    let options = PlaygroundOptions {
        draft: Draft::example(),
        save: Some(directory.path().to_owned()),
        learners: Some(3),
        ..PlaygroundOptions::default()
    };
    let (pages, _served) = Opened::all(options).await;
    assert_eq!(pages.len(), 3);
    let beginning = json!(Draft::example());
    // A draft with a mistake is kept, too, and tried nowhere.
    let own =
        json!({ "configuration": "of the first", "people": [{ "name": "first", "presents": { "claims": "[]" } }], "versions": ["1.37"] });
    let (status, told) = pages[0].post("try", &own).await;
    assert_eq!(status, 422, "{told}");
    let state = async |page: &Opened| -> Value { page.ask(Method::GET, "state", &[], String::new()).await.json().await.unwrap() };
    for (index, page) in pages.iter().enumerate() {
        let state = state(page).await;
        let number = index + 1;
        assert_eq!(state["class"]["learner"], format!("learner-{number}"));
        assert_eq!(
            state["save"],
            directory.path().join(format!("learner-{number}")).display().to_string()
        );
        assert_eq!(state["beginning"], beginning);
        match index {
            0 => assert_eq!(state["draft"]["configuration"], "of the first"),
            _ => assert_eq!(state["draft"], beginning),
        }
        // No answer has the word of another page.
        let told = state.to_string();
        for other in &pages {
            assert!(!told.contains(other.url.rsplit('/').nth(1).unwrap()), "{told}");
        }
    }
    let sound = json!(Draft {
        versions: vec!["1.37".to_owned()],
        ..Draft::example()
    });
    let (status, told) = pages[1].post("save", &json!({ "draft": sound })).await;
    assert_eq!(status, 200, "{told}");
    let saved = std::fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name());
    assert_eq!(saved.collect::<Vec<_>>(), ["learner-2"]);
}

#[tokio::test]
async fn a_learner_sets_no_flag_that_names_a_file() {
    let asked = json!({ "flags": "--oidc-client-id=kubernetes\n--audit-log-path=x\noidc_ca_file=y", "versions": ["1.2"] });
    for (learners, expected) in [(Some(1), vec![Some(2), Some(3), None]), (None, vec![Some(2), None])] {
        let options = PlaygroundOptions {
            learners,
            ..PlaygroundOptions::default()
        };
        let (pages, _served) = Opened::all(options).await;
        let (status, told) = pages[0].post("try", &asked).await;
        let marks = told["marks"].as_array().unwrap().iter();
        let lines: Vec<_> = marks.map(|mark| mark["line"].as_u64()).collect();
        assert_eq!((status, lines), (422, expected), "{told}");
    }
    // The user who serves the class opens their projects.
    let directory = tempfile::tempdir().unwrap();
    let options = PlaygroundOptions {
        learners: Some(1),
        save: Some(directory.path().to_owned()),
        ..PlaygroundOptions::default()
    };
    let (pages, _served) = Opened::all(options).await;
    let draft = Draft {
        flags: "--service-account-key-file=/somewhere".to_owned(),
        versions: vec!["1.37".to_owned()],
        ..Draft::example()
    };
    let (status, told) = pages[0].post("save", &json!({ "draft": draft })).await;
    assert_eq!((status, &told["marks"][0]["place"]), (422, &json!("flags")), "{told}");
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
}
