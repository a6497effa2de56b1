//! The page of `authlab serve`, with real API servers behind it.

use authlab::event::Events;
use authlab::playground::{Draft, DraftCredential, DraftPerson, Playground, PlaygroundOptions};
use serde_json::{Value, json};

use crate::driver::{Browser, CONTROL, DOWN, ENTER, TAB};
use crate::looking::PALE;
use crate::place;

pub const CONFIGURATION: &str = "\
apiVersion: apiserver.config.k8s.io/v1beta1
kind: AuthenticationConfiguration
jwt:
- issuer:
    url: https://login.example.com
    audiences: [kubernetes]
  claimMappings:
    username: {claim: sub, prefix: \"\"}
    groups: {claim: groups, prefix: \"\"}
  claimValidationRules:
  - expression: claims.hd == \"example.com\"
    message: only people of example.com
";

pub const MANIFESTS: &str = "\
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: team-a, namespace: team-a}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: view}
subjects:
- {apiGroup: rbac.authorization.k8s.io, kind: Group, name: team-a}
";

pub fn person(name: &str, presents: DraftCredential) -> DraftPerson {
    DraftPerson {
        name: name.to_owned(),
        presents,
    }
}

/// Returns somebody with a certificate, and a service account.
pub fn without_tokens_of_issuers() -> [DraftPerson; 2] {
    let certificate = DraftCredential::Certificate {
        common_name: "bob".to_owned(),
        organizations: "ops\nteam-a".to_owned(),
    };
    [
        person("bob", certificate),
        person("deployer", DraftCredential::ServiceAccount("ci/deployer".to_owned())),
    ]
}

pub fn draft(people: &[(&str, Value)]) -> Draft {
    let person = |(name, claims): &(&str, Value)| person(name, DraftCredential::Claims(format!("{claims:#}")));
    Draft {
        configuration: CONFIGURATION.to_owned(),
        manifests: MANIFESTS.to_owned(),
        people: people.iter().map(person).collect(),
        actions: "get pods in team-a\ndelete secrets in team-a\n".to_owned(),
        versions: vec!["1.37".to_owned()],
        ..Draft::default()
    }
}

pub fn two_people() -> Draft {
    draft(&[
        (
            "alice",
            json!({ "sub": "alice", "hd": "example.com", "groups": ["team-a", "staff"] }),
        ),
        ("bob", json!({ "sub": "bob", "hd": "elsewhere.example" })),
    ])
}

/// Serves a page with `draft` while `look` looks at it.
pub async fn with_page(draft: Draft, look: impl AsyncFnOnce(&str)) {
    let options = PlaygroundOptions {
        draft,
        ..PlaygroundOptions::default()
    };
    with_pages(options, async |urls| look(&urls[0]).await).await;
}

/// Serves the pages that `options` ask for while `look` looks at them.
pub async fn with_pages(options: PlaygroundOptions, look: impl AsyncFnOnce(&[String])) {
    let playground = Playground::listen(options, &Events::silent()).await.unwrap();
    let urls: Vec<String> = playground.addresses().iter().map(|page| page.url.clone()).collect();
    let (stop, stopped) = tokio::sync::oneshot::channel();
    let run = playground.run(async {
        let _stopped = stopped.await;
    });
    let looked = async {
        look(&urls).await;
        stop.send(()).unwrap();
    };
    let (ended, ()) = tokio::join!(run, looked);
    ended.unwrap();
}

/// Opens the page, and replaces what was tried before by what it began with.
pub async fn begin(browser: &Browser, url: &str) {
    browser.go(url).await;
    browser.until("'ready' in document.documentElement.dataset").await;
    browser.value("document.querySelector('#again').click()").await;
    browser.value("document.querySelector('#ask [value=replace]').click()").await;
    browser
        .until(&format!(
            "document.querySelector('#configuration textarea').value === {}",
            json!(CONFIGURATION)
        ))
        .await;
    browser.until(DONE).await;
}

/// The words of the results.
pub const CARDS: &str = "document.querySelector('#cards').innerText";
pub const DONE: &str = "/accepted|refused|does not start|not be tried/.test(document.querySelector('#status').textContent)";

pub async fn write(browser: &Browser, place: &str, text: &str) {
    let change = format!(
        "(() => {{ const area = document.querySelector({}); area.value = {}; area.dispatchEvent(new Event('input', {{bubbles: true}})); }})()",
        json!(format!("{place} textarea")),
        json!(text)
    );
    browser.value(&change).await;
}

pub async fn errors(browser: &Browser) -> Vec<String> {
    let log = browser.log("browser").await;
    let severe = log.iter().filter(|entry| entry["level"] == "SEVERE");
    // A mistake in what the user wrote is an answer.
    severe.map(Value::to_string).filter(|entry| !entry.contains("422")).collect()
}

pub async fn it_says_who_people_are_and_marks_the_line_of_a_mistake(browser: &mut Browser) {
    let broken = CONFIGURATION.replace("audiences:", "audience:");
    with_page(two_people(), async |url| {
        for (width, theme) in [(1400, "light"), (1400, "dark"), (400, "light"), (400, "dark")] {
            browser.screen(width, 1000).await;
            browser.theme(theme).await;
            begin(browser, url).await;
            let words = browser.value(CARDS).await;
            let words = words.as_str().unwrap();
            for part in [
                "Kubernetes 1.37",
                "alice",
                "accepted",
                "team-a",
                "may",
                "RoleBinding",
                "may not",
                "bob",
                "refused",
                "only people of example.com",
            ] {
                assert!(words.contains(part), "{part} is not in {words}");
            }
            look(browser, "tried", width, theme).await;
            says_what_was_sent(browser).await;
            look(browser, "requests", width, theme).await;

            write(browser, "#configuration", &broken).await;
            browser
                .until("document.querySelector('#configuration .at')?.textContent === 'Line 6'")
                .await;
            browser.until(DONE).await;
            let marks = browser.value("document.querySelector('#configuration .marks').innerText").await;
            assert!(
                marks.as_str().unwrap().contains("unknown field \"jwt[0].issuer.audience\""),
                "{marks}"
            );
            let bad = browser.value("document.querySelector('#configuration .bad').textContent").await;
            assert_eq!(bad, "6");
            assert_eq!(
                browser.value("document.querySelector('#configuration textarea').ariaInvalid").await,
                "true"
            );
            look(browser, "mistake", width, theme).await;

            write(browser, ".claims", "{\n  \"sub\": \"alice\",\n}").await;
            browser
                .until("document.querySelector('.claims .at')?.textContent === 'Line 3'")
                .await;
            look(browser, "claims", width, theme).await;
        }
        assert_eq!(errors(browser).await, [""; 0]);
    })
    .await;
}

/// Checks that the diagram has what was sent about alice, and then about bob, whom a button selects.
async fn says_what_was_sent(browser: &Browser) {
    let drawn = "document.querySelector('#diagram svg').textContent";
    let words = browser.value(drawn).await;
    let words = words.as_str().unwrap();
    for part in [
        "alice",
        "API server",
        "login.example.com",
        "When the API server started",
        "/.well-known/openid-configuration",
        "/keys",
        "Who is alice?",
        "selfsubjectreviews · token",
        "201 accepted",
        "May alice get pods in team-a?",
        "May alice delete secrets in team-a?",
        "selfsubjectaccessreviews",
    ] {
        assert!(words.contains(part), "{part} is not in {words}");
    }
    browser.value("document.querySelectorAll('.to-requests')[1].click()").await;
    let words = browser.value(drawn).await;
    let words = words.as_str().unwrap();
    assert!(words.contains("Who is bob?") && words.contains("401 unauthenticated"), "{words}");
    assert!(!words.contains("selfsubjectaccessreviews"), "{words}");
    assert_eq!(browser.value("document.activeElement.id").await, "asked");
}

/// Checks that everything fits and can be read, and takes a picture from the top and one of the result.
pub async fn look(browser: &Browser, name: &str, width: u32, theme: &str) {
    let wide = browser.value("document.documentElement.scrollWidth - innerWidth").await;
    assert!(wide.as_i64().unwrap() <= 0, "{name}, {width}: {wide} pixels too wide");
    assert_eq!(browser.value(PALE).await, json!([]), "{name}, {width}, {theme}");
    browser.value("scrollTo(0, 0)").await;
    browser
        .picture(&place().join(format!("playground-{name}-{width}-{theme}.png")))
        .await;
    if width < 1100 {
        for part in ["#middle", "#result", "#requests"] {
            browser.value(&format!("document.querySelector('{part}').scrollIntoView()")).await;
            let part = part.trim_start_matches('#');
            browser
                .picture(&place().join(format!("playground-{name}-{width}-{theme}-{part}.png")))
                .await;
        }
    }
}

pub async fn it_is_played_by_keyboard_alone(browser: &mut Browser) {
    let draft = draft(&[("alice", json!({ "sub": "alice", "hd": "example.com" }))]);
    with_page(draft, async |url| {
        browser.go(url).await;
        browser.until(DONE).await;
        // Tab reaches everything that can be used, in the order of the page, and leaves every text field.
        let active = "(() => { const one = document.activeElement; return one.id || one.className || one.localName; })()";
        let mut reached = Vec::new();
        for _ in 0..60 {
            browser.press(TAB).await;
            let now = browser.value(active).await.as_str().unwrap().to_owned();
            if now == "body" || reached.first() == Some(&now) {
                break;
            }
            reached.push(now);
        }
        let all = "[...document.querySelectorAll('a, button, input, textarea, select, summary')].filter(one => one.checkVisibility() && !one.disabled).length";
        let all = browser.value(all).await;
        assert!(reached.len() as u64 >= all.as_u64().unwrap(), "{all} can be used, reached are {reached:?}");
        for id in [
            "skip",
            "version-1.37",
            "try",
            "auto",
            "again",
            "download",
            "name",
            "kind",
            "add",
            "to-requests",
            "asked",
            "diagram",
        ] {
            assert!(reached.iter().any(|one| one == id), "{id} is not in {reached:?}");
        }
        // Each has a name that is read out.
        let nameless = browser
            .value("[...document.querySelectorAll('textarea, input, select')].filter(one => !one.labels?.[0]?.textContent.trim()).length")
            .await;
        assert_eq!(nameless, 0);

        // A second person, without a mouse.
        browser.value("document.querySelector('#auto').focus()").await;
        browser.press(" ").await;
        browser.value("document.querySelector('#add').focus()").await;
        browser.press(ENTER).await;
        assert_eq!(browser.value("document.activeElement.className").await, "name");
        browser.press("bob").await;
        browser.press(&format!("{TAB}{TAB}{TAB}")).await;
        assert_eq!(browser.value("document.activeElement.localName").await, "textarea");
        browser.chord(CONTROL, "a").await;
        browser.press("{\"sub\": \"bob\", \"hd\": \"no.example\"}").await;
        assert_eq!(browser.value(&format!("{CARDS}.includes('bob')")).await, false);
        browser.chord(CONTROL, ENTER).await;
        browser
            .until("/bob.? is refused/.test(document.querySelector('#status').textContent)")
            .await;
        let status = browser.accessible("document.querySelector('#status')").await;
        assert_eq!(status["role"]["value"], "status", "{status}");

        // The same person with a certificate, whose common name is filled in, and then as a service account.
        browser.value("[...document.querySelectorAll('.kind')].at(-1).focus()").await;
        browser.press(DOWN).await;
        browser.press(&format!("{TAB}{TAB}")).await;
        assert_eq!(browser.value("document.activeElement.className").await, "common-name");
        assert_eq!(browser.value("document.activeElement.value").await, "bob");
        browser.press(TAB).await;
        browser.press("ops").await;
        browser.chord(CONTROL, ENTER).await;
        browser
            .until("/bob.? is accepted as .?bob/.test(document.querySelector('#status').textContent)")
            .await;
        assert!(browser.value(CARDS).await.as_str().unwrap().contains("ops"));
        browser.value("[...document.querySelectorAll('.kind')].at(-1).focus()").await;
        browser.press(DOWN).await;
        browser.press(&format!("{TAB}{TAB}")).await;
        assert_eq!(browser.value("document.activeElement.value").await, "default/bob");
        browser.chord(CONTROL, "a").await;
        browser.press("bob").await;
        browser.chord(CONTROL, ENTER).await;
        browser
            .until("[...document.querySelectorAll('.marks.own')].at(-1).textContent.includes('expected NAMESPACE/NAME')")
            .await;
        browser.chord(CONTROL, "a").await;
        browser.press("ci/bob").await;
        browser.chord(CONTROL, ENTER).await;
        browser
            .until("document.querySelector('#status').textContent.includes('system:serviceaccount:ci:bob')")
            .await;

        // From a mark to its line.
        write(browser, "#configuration", &CONFIGURATION.replace("kind: A", "kind: B")).await;
        write(browser, "#actions", "get pods\nget").await;
        browser.chord(CONTROL, ENTER).await;
        browser.until("document.querySelector('#actions .at')?.textContent === 'Line 2'").await;
        browser.value("document.querySelector('#actions .at').focus()").await;
        browser.press(ENTER).await;
        let selected = "(() => { const area = document.activeElement; return area.value.slice(area.selectionStart, area.selectionEnd); })()";
        assert_eq!(browser.value(selected).await, "get");
        assert_eq!(errors(browser).await, [""; 0]);
    })
    .await;
}
