//! People of every kind on the page of `authlab serve`, hostile ones among them; and the pages of a class.

use authlab::playground::{DraftCredential, PlaygroundOptions};
use authlab::project::{Credential, Project};
use serde_json::{Value, json};

use crate::driver::Browser;
use crate::place;
use crate::playing::{
    CARDS, CONFIGURATION, DONE, MANIFESTS, begin, draft, errors, look, person, two_people, with_page, with_pages,
    without_tokens_of_issuers, write,
};

pub async fn people_with_certificates_and_service_accounts_are_tried_and_saved(browser: &mut Browser) {
    let saved = tempfile::tempdir().unwrap();
    let mut draft = two_people();
    draft.people.truncate(1);
    draft.people.extend(without_tokens_of_issuers());
    let options = PlaygroundOptions {
        draft,
        save: Some(saved.path().to_owned()),
        ..PlaygroundOptions::default()
    };
    with_pages(options, async |urls| {
        for (width, theme) in [(1400, "light"), (1400, "dark"), (400, "light"), (400, "dark")] {
            browser.screen(width, 1000).await;
            browser.theme(theme).await;
            browser.go(&urls[0]).await;
            browser.until(DONE).await;
            let words = browser.value(CARDS).await;
            let words = words.as_str().unwrap();
            for part in ["bob", "ops", "system:serviceaccount:ci:deployer", "system:serviceaccounts:ci"] {
                assert!(words.contains(part), "{part} is not in {words}");
            }
            browser.value("document.querySelectorAll('.to-requests')[1].click()").await;
            let drawn = browser.value("document.querySelector('#diagram svg').textContent").await;
            let drawn = drawn.as_str().unwrap();
            // A certificate needs no issuer.
            assert!(drawn.contains("selfsubjectreviews · certificate"), "{drawn}");
            assert!(!drawn.contains("openid-configuration"), "{drawn}");
            look(browser, "kinds", width, theme).await;
        }
        browser.value("document.querySelector('#save').click()").await;
        browser
            .until("document.querySelector('#status').textContent.startsWith('Saved')")
            .await;
        let project = Project::read(saved.path()).unwrap();
        assert!(matches!(
            &project.person("bob").unwrap().credential,
            Credential::Certificate { common_name, organizations } if common_name.value == "bob" && organizations.len() == 2
        ));
        assert!(matches!(
            &project.person("deployer").unwrap().credential,
            Credential::ServiceAccount { namespace, name, .. } if namespace == "ci" && name == "deployer"
        ));
        assert_eq!(errors(browser).await, [""; 0]);
    })
    .await;
}

pub async fn each_learner_has_a_playground_of_their_own(browser: &mut Browser) {
    let options = PlaygroundOptions {
        draft: two_people(),
        learners: Some(2),
        ..PlaygroundOptions::default()
    };
    with_pages(options, async |urls| {
        for (width, theme) in [(1400, "light"), (400, "dark")] {
            browser.screen(width, 1000).await;
            browser.theme(theme).await;
            begin(browser, &urls[0]).await;
            let head = browser.value("document.querySelector('header').innerText").await;
            let head = head.as_str().unwrap();
            assert!(head.contains("learner-1") && head.contains("at most 12 run at a time"), "{head}");
            look(browser, "learner", width, theme).await;
        }
        // The first learner lets other people in, and gives them other rights.
        write(
            browser,
            "#configuration",
            &CONFIGURATION.replace("example.com\"", "elsewhere.example\""),
        )
        .await;
        write(browser, "#manifests", &MANIFESTS.replace("team-a", "of-learner-1")).await;
        browser
            .until("/bob.? is accepted/.test(document.querySelector('#status').textContent)")
            .await;
        browser.go(&urls[1]).await;
        browser
            .until("/bob.? is refused/.test(document.querySelector('#status').textContent)")
            .await;
        let page = browser
            .value("document.documentElement.innerText + [...document.querySelectorAll('textarea, input')].map(one => one.value)")
            .await;
        let page = page.as_str().unwrap();
        assert!(page.contains("learner-2") && page.contains("RoleBinding"), "{page}");
        for foreign in ["learner-1", "claims.hd == \"elsewhere.example\""] {
            assert!(!page.contains(foreign), "{foreign} is in {page}");
        }
        // The content of the first one is still there.
        browser.go(&urls[0]).await;
        browser
            .until("/bob.? is accepted/.test(document.querySelector('#status').textContent)")
            .await;
        assert_eq!(errors(browser).await, [""; 0]);
    })
    .await;
}

pub async fn hostile_names_and_claims_stay_text_on_the_playground(browser: &mut Browser) {
    let hostile = [
        "</script><script>window.pwned = 1</script><!--",
        "\"'><img src=x onerror=window.pwned=1><svg onload=window.pwned=1>",
        "</textarea></pre><iframe src=javascript:window.pwned=1></iframe>",
        "&lt;b&gt;${7*7}\u{202e}abc",
        "API server",
    ];
    let long = "\u{202e}x".repeat(5 * 1024);
    let people: Vec<(&str, Value)> = hostile
        .iter()
        .map(|text| (*text, json!({ "sub": text, "hd": "example.com", "groups": [text] })))
        .chain(hostile.iter().map(|text| (*text, json!({ "sub": "x", "hd": text }))))
        .collect();
    let mut draft = draft(&people);
    draft.people.push(person(
        &long,
        DraftCredential::Claims(json!({ "sub": long, "hd": "example.com", "groups": [long] }).to_string()),
    ));
    let certificate = |text: &&str| DraftCredential::Certificate {
        common_name: (*text).to_owned(),
        organizations: (*text).to_owned(),
    };
    draft.people.extend(hostile.iter().map(|text| person(text, certificate(text))));
    draft.people.push(person(
        hostile[0],
        DraftCredential::Certificate {
            common_name: "many".to_owned(),
            organizations: "x\n".repeat(1000),
        },
    ));
    // The reason of a refusal has the rule's own words.
    draft.configuration = CONFIGURATION.replace("only people of example.com", "'<img src=x onerror=window.pwned=1>'");
    with_page(draft, async |url| {
        browser.go(url).await;
        browser.until(DONE).await;
        let cards = browser.value("document.querySelector('#cards').textContent").await;
        let cards = cards.as_str().unwrap();
        for text in hostile.into_iter().chain(["<img src=x onerror=window.pwned=1>"]) {
            assert!(cards.contains(text), "{text} is not in {cards}");
        }
        // Each diagram is the only one, and made of shapes and texts alone.
        let people = browser.value("document.querySelector('#asked').options.length").await;
        assert!(people.as_u64().unwrap() > 10, "{people}");
        let choose = "(() => { const list = document.querySelector('#asked'); const kinds = new Set(); for (list.selectedIndex = 0; list.selectedIndex >= 0; ) \
            { list.dispatchEvent(new Event('change')); document.querySelectorAll('svg, svg *').forEach(one => kinds.add(one.localName)); \
            if (list.selectedIndex + 1 === list.options.length) break; list.selectedIndex += 1; } return [...kinds].sort(); })()";
        assert_eq!(browser.value(choose).await, json!(["desc", "g", "path", "rect", "svg", "text", "title"]));
        assert_eq!(browser.value("document.querySelectorAll('svg').length").await, 1);
        assert_eq!(
            browser
                .value("document.querySelectorAll('img, iframe, main script, #requests script').length")
                .await,
            0
        );
        assert_eq!(browser.value("window.pwned === undefined").await, true);
        let wide = browser.value("document.documentElement.scrollWidth - innerWidth").await;
        assert!(wide.as_i64().unwrap() <= 0, "{wide} pixels too wide");
        browser.picture(&place().join("playground-hostile.png")).await;
        assert_eq!(errors(browser).await, [""; 0]);
    })
    .await;
}
