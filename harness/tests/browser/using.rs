//! Interactions with the page.

use authlab::report::directory::{Others, ReportDirectory};
use serde_json::{Value, json};

use crate::driver::{Browser, ENTER, TAB};
use crate::{page, place, story};

/// The number of visible scenarios.
const SHOWN: &str = "[...document.querySelectorAll('details.s')].filter(one => one.checkVisibility()).length";

async fn search(browser: &Browser, filter: &str, value: &str) {
    let (filter, value) = (json!(filter), json!(value));
    let change = format!(
        "(() => {{ const control = document.querySelector(`[data-filter=${{{filter}}}]`); control.value = {value}; \
         control.dispatchEvent(new Event('input', {{bubbles: true}})); return control.value; }})()"
    );
    assert_eq!(browser.value(&change).await, value, "there is no such choice");
}

async fn console_errors(browser: &Browser) -> Vec<String> {
    let log = browser.log("browser").await;
    log.iter()
        .filter(|entry| entry["level"] == "SEVERE")
        .map(Value::to_string)
        .collect()
}

/// Returns all requests of the page, including blocked ones.
async fn asked_for(browser: &Browser) -> Vec<String> {
    let log = browser.log("performance").await;
    let messages = log
        .iter()
        .map(|entry| serde_json::from_str::<Value>(entry["message"].as_str().unwrap()).unwrap());
    messages
        .filter(|message| message["message"]["method"] == "Network.requestWillBeSent")
        .map(|message| message["message"]["params"]["request"]["url"].as_str().unwrap().to_owned())
        .filter(|url| !url.starts_with("data:") && !url.starts_with("chrome:"))
        .collect()
}

pub async fn it_opens_from_a_file_without_an_error_and_fetches_nothing(browser: &mut Browser) {
    // As a run writes it; .ci/read-reports feeds its other files to other readers.
    let report = ReportDirectory::open(&place().join("report"), Others::Refuse).unwrap();
    report.write(&story::run()).unwrap();
    let path = report.path().join("index.html");
    browser.open(&path).await;
    browser
        .until("document.querySelector('output').textContent === '6 scenarios'")
        .await;
    assert_eq!(browser.value("document.title").await, "1 of 6 scenarios failed – authlab");
    assert_eq!(console_errors(browser).await, [""; 0]);
    assert_eq!(asked_for(browser).await, [format!("file://{}", path.display())]);
    // Failures come first, and show their title and reason without being opened.
    let first = browser.value("document.querySelector('details.s > summary').textContent").await;
    let first = first.as_str().unwrap();
    for part in ["failed", "Mallory's certificate of another authority", "expected a reason with"] {
        assert!(first.contains(part), "{part} is not in {first}");
    }
    assert_eq!(browser.value("document.querySelectorAll('details[open]').length").await, 0);
}

/// The counterpart of the test above: proves that it would find a violation.
pub async fn what_a_page_must_not_do_is_blocked_and_seen(browser: &mut Browser) {
    let (path, text) = page("tampered.html", &[story::run()]);
    let tampering = "<script>window.tampered = true</script><img src=\"http://127.0.0.1:9/picture\"><p style=\"color:red\" onclick=\"window.tampered = true\">x</p>";
    std::fs::write(&path, text.replace("</footer>", &format!("</footer>{tampering}"))).unwrap();
    browser.open(&path).await;
    browser.until("document.images.length === 1").await;
    assert_eq!(browser.value("window.tampered === undefined").await, true);
    let errors = console_errors(browser).await.join("\n");
    for part in ["script-src", "img-src", "style-src"] {
        assert!(errors.contains(part), "{part} is not in {errors}");
    }
}

pub async fn it_searches_and_filters(browser: &mut Browser) {
    let (path, _) = page("run.html", &[story::run()]);
    browser.open(&path).await;
    for (filter, value, left) in [
        ("q", "", 6),
        // Text from a name, from a reason, from an audit id; several words; no match.
        ("q", "alice LOGS in", 1),
        ("q", "another authority", 1),
        ("q", "00000002-5d2f-4c51-9d6e-000000000004", 1),
        ("q", "no such words", 0),
        ("q", "", 6),
        ("o", "failed", 1),
        ("o", "skipped", 1),
        ("o", "", 6),
        ("f", "external_certificates", 2),
        ("f", "", 6),
        ("t", "requires:client_certificates", 6),
        ("t", "", 6),
        ("b", "O1", 1),
    ] {
        search(browser, filter, value).await;
        browser.until(&format!("{SHOWN} === {left}")).await;
        let told = if left == 6 {
            "6 scenarios".to_owned()
        } else {
            format!("{left} of 6 scenarios")
        };
        browser
            .until(&format!("document.querySelector('output').textContent === {}", json!(told)))
            .await;
        assert_eq!(
            browser.value("document.querySelector('.none').hidden").await,
            left > 0,
            "{filter} {value}"
        );
    }
    // A group without any scenario has no heading either.
    assert_eq!(
        browser
            .value("[...document.querySelectorAll('h3')].filter(one => one.checkVisibility()).length")
            .await,
        1
    );
    browser.value("document.querySelector('search [data-clear]').click()").await;
    browser.until(&format!("{SHOWN} === 6")).await;
    // The catalogue has a filter of its own, and shows every status.
    browser.value("document.querySelector('#behaviours').open = true").await;
    let rows = "[...document.querySelectorAll('tr[data-s]')].filter(one => one.checkVisibility()).map(one => one.id)";
    let all = browser.value(&format!("{rows}.length")).await.as_u64().unwrap();
    assert!(all >= 247, "{all}");
    for (standing, ids) in [("failed", json!(["b-X3"])), ("not applicable", json!(["b-I20"]))] {
        let choose = format!(
            "{{ const one = document.querySelector('[data-standing]'); one.value = '{standing}'; one.dispatchEvent(new Event('input')); }}"
        );
        browser.value(&choose).await;
        assert_eq!(browser.value(rows).await, ids);
    }
}

pub async fn a_search_can_be_passed_on_as_an_address(browser: &mut Browser) {
    let (path, _) = page("run.html", &[story::run()]);
    browser.open(&path).await;
    search(browser, "o", "passed").await;
    search(browser, "q", "alice logs").await;
    browser.until("location.hash === '#?q=alice+logs&o=passed'").await;
    let address = browser.value("location.href").await;
    browser.go("about:blank").await;
    browser.go(address.as_str().unwrap()).await;
    browser.until(&format!("{SHOWN} === 1")).await;
    // A link within the page opens its target, even if a filter hides it.
    browser.go(&format!("file://{}#s1r1", path.display())).await;
    browser
        .until("document.querySelector('#s1r1').open && document.querySelector('#s1').open")
        .await;
    assert_eq!(console_errors(browser).await, [""; 0]);
}

pub async fn it_is_used_by_keyboard_alone(browser: &mut Browser) {
    let (path, _) = page("run.html", &[story::run()]);
    browser.open(&path).await;
    browser.press(TAB).await;
    assert_eq!(browser.value("document.activeElement.textContent").await, "Skip to the scenarios");
    let reach = async |what: &str| {
        for _ in 0..60 {
            if browser.value(&format!("document.activeElement.matches({})", json!(what))).await == true {
                // A keyboard user can see which element has the focus.
                assert_eq!(
                    browser.value("getComputedStyle(document.activeElement).outlineStyle").await,
                    "solid",
                    "{what}"
                );
                return;
            }
            browser.press(TAB).await;
        }
        panic!("{what} is not reached");
    };
    reach("[data-filter=q]").await;
    browser.press("another authority").await;
    browser.until(&format!("{SHOWN} === 1")).await;
    reach("details.s > summary").await;
    browser.press(ENTER).await;
    browser.until("document.activeElement.parentElement.open").await;
    reach("details.s[open] details.x > summary").await;
    browser.press(" ").await;
    browser.until("document.activeElement.parentElement.open").await;
    let shown = browser.value("document.activeElement.parentElement.innerText").await;
    let shown = shown.as_str().unwrap();
    for part in [
        "mallory → API server main",
        "401 unauthenticated",
        "CN=alice,O=platform-team",
        "client_auth",
        "Reason (log)",
        "authentication_attempts",
        "3 → 4",
    ] {
        assert!(shown.contains(part), "{part} is not in {shown}");
    }
}

pub async fn it_is_whole_without_scripts(browser: &mut Browser) {
    let (path, _) = page("run.html", &[story::run()]);
    browser.tell("Emulation.setScriptExecutionDisabled", json!({"value": true})).await;
    browser.open(&path).await;
    assert_eq!(
        browser.value("document.querySelector('output').textContent").await,
        "",
        "a script ran"
    );
    assert_eq!(browser.value(SHOWN).await, 6);
    // A control that would do nothing is hidden.
    assert_eq!(
        browser
            .value("[...document.querySelectorAll('search')].some(one => one.checkVisibility())")
            .await,
        false
    );
    browser.value("document.querySelector('details.s > summary').focus()").await;
    browser.press(ENTER).await;
    browser.until("document.querySelector('details.s').open").await;
    let steps = browser.value("document.querySelectorAll('details.s[open] .steps li').length").await;
    assert_eq!(steps, 4);
    assert_eq!(
        browser
            .value("document.querySelector('details.s[open] svg[role=img]').checkVisibility()")
            .await,
        true
    );
    browser.picture(&place().join("without-scripts.png")).await;
}

pub async fn hostile_text_stays_text(browser: &mut Browser) {
    for (index, text) in [
        "</script><script>window.pwned = 1</script><!--",
        "\"'><img src=x onerror=window.pwned=1><svg onload=window.pwned=1>",
        "</title></style></svg></pre></details><iframe src=javascript:window.pwned=1></iframe>",
        "]]>&lt;b&gt;{{7*7}}${7*7}\u{202e}\u{0}\u{1b}[31m",
        "javascript:window.pwned=1",
    ]
    .into_iter()
    .enumerate()
    {
        let (path, _) = page(&format!("hostile-{index}.html"), &[story::hostile(text), story::hostile(text)]);
        browser.open(&path).await;
        browser
            .until("document.querySelector('output').textContent === '12 scenarios'")
            .await;
        assert_eq!(browser.value("window.pwned === undefined").await, true, "{text}");
        assert_eq!(browser.value("document.scripts.length").await, 1, "{text}");
        assert_eq!(
            browser
                .value("document.querySelectorAll('img, iframe, b > b, [onload], [onerror]').length")
                .await,
            0,
            "{text}"
        );
        let links = browser
            .value("[...document.links].filter(one => one.protocol !== 'file:').length")
            .await;
        assert_eq!(links, 0, "{text}");
        // HTML has no control characters; all other characters are unchanged: in names, in diagrams, in attributes.
        let told = json!(text.replace(['\u{0}', '\u{1b}'], "\u{fffd}"));
        for place in ["details.s .n", "details.s svg desc", "details.x .in", ".steps li", ".failure pre"] {
            let expression = format!(
                "[...document.querySelectorAll({})].some(one => one.textContent.includes({told}))",
                json!(place)
            );
            assert_eq!(browser.value(&expression).await, true, "{text} is not in {place}");
        }
        let flow = format!("[...document.querySelectorAll('details.s')].every(one => one.dataset.f.endsWith({told}))");
        assert_eq!(browser.value(&flow).await, true, "{text}");
        assert_eq!(console_errors(browser).await, [""; 0], "{text}");
    }
}

pub async fn several_runs_are_compared_first(browser: &mut Browser) {
    let mut other = story::on("1.30.14");
    for scenario in &mut other.scenarios {
        if scenario.behaviours.iter().any(|id| id == "X4") {
            scenario.outcome = authlab::event::Outcome::Skipped;
        }
    }
    let (path, _) = page("several.html", &[story::run(), other]);
    browser.open(&path).await;
    browser
        .until("document.querySelector('output').textContent === '12 scenarios'")
        .await;
    let table = "document.querySelector('#summary table')";
    assert_eq!(
        browser
            .value(&format!("[...{table}.querySelectorAll('thead th')].map(one => one.textContent)"))
            .await,
        json!(["Behaviour", "process-1.37 1.37.2", "process-1.30 1.30.14"])
    );
    let row = format!("[...{table}.querySelectorAll('tbody tr')].find(one => one.textContent.startsWith('X4'))");
    assert_eq!(
        browser
            .value(&format!("[...{row}.querySelectorAll('td')].map(one => one.textContent)"))
            .await,
        json!(["refused as expected", "not run"])
    );
    search(browser, "c", "1").await;
    browser.until(&format!("{SHOWN} === 6")).await;
    browser.value("scrollTo(0, 0)").await;
    browser.picture(&place().join("several.png")).await;
}

pub async fn a_thousand_scenarios_are_one_small_page(browser: &mut Browser) {
    let (path, text) = page("thousand.html", &[story::large(1_000)]);
    assert!(text.len() <= 5_000_000, "{} bytes", text.len());
    assert!(text.len() >= 1_000_000, "{} bytes: little is left of them", text.len());
    browser.open(&path).await;
    browser
        .until("document.querySelector('output').textContent === '1000 scenarios'")
        .await;
    search(browser, "q", "[number 777]").await;
    browser.until(&format!("{SHOWN} === 1")).await;
    assert_eq!(console_errors(browser).await, [""; 0]);
    let (_, text) = page("five-thousand.html", &[story::large(5_000)]);
    // So many scenarios cannot be shown in full, but each one is listed.
    assert!(text.contains("scenarios are shortened"), "it is not said");
    assert_eq!(text.matches("<details class=\"s\"").count(), 5_000);
    assert!(text.len() <= 12_000_000, "{} bytes", text.len());
}
