//! The appearance of the page, and its accessibility.

use serde_json::{Value, json};

use crate::driver::Browser;
use crate::{page, place, story};

/// Opens everything on the page.
const OPEN: &str = "document.querySelectorAll('details').forEach(one => one.open = true)";

/// Texts whose contrast with their background is below WCAG's 4.5 (success criterion 1.4.3).
pub const PALE: &str = r"(() => {
  const parse = color => { const [r, g, b, a = 1] = color.match(/[\d.]+/g).map(Number); return [r, g, b, a]; };
  const light = ([r, g, b]) => [r, g, b].map(c => c / 255).map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = element => {
    for (let one = element; one; one = one.parentElement) {
      const color = parse(getComputedStyle(one).backgroundColor);
      if (color[3] === 1) return color;
    }
    return [255, 255, 255, 1];
  };
  const pale = new Set();
  for (const element of document.querySelectorAll('body *')) {
    const speaks = [...element.childNodes].some(node => node.nodeType === 3 && node.textContent.trim());
    if (!speaks || !element.checkVisibility() || element.closest('script, title, desc, option')) continue;
    const style = getComputedStyle(element);
    const color = parse(element.namespaceURI.endsWith('svg') ? style.fill : style.color);
    const [one, other] = [light(color), light(behind(element))].sort((a, b) => b - a);
    const ratio = (one + 0.05) / (other + 0.05);
    if (ratio < 4.5) pale.add(`${element.localName}.${element.getAttribute('class')} ${ratio.toFixed(2)}: ${element.textContent.slice(0, 30)}`);
  }
  return [...pale];
})()";

pub async fn every_text_can_be_read_in_both_themes(browser: &mut Browser) {
    let (path, _) = page("run.html", &[story::run()]);
    let mut grounds = Vec::new();
    for theme in ["light", "dark"] {
        browser.theme(theme).await;
        browser.open(&path).await;
        browser.value(OPEN).await;
        assert_eq!(browser.value(PALE).await, json!([]), "{theme}");
        grounds.push(browser.value("getComputedStyle(document.body).backgroundColor").await);
        // Prove that the check can find something.
        browser
            .value("document.querySelector('h1').style.setProperty('color', 'gray')")
            .await;
        browser
            .value("document.body.append(Object.assign(document.createElement('p'), {id: 'pale', textContent: 'pale'}))")
            .await;
        browser.value("document.adoptedStyleSheets = [Object.assign(new CSSStyleSheet(), {})]; document.adoptedStyleSheets[0].replaceSync('#pale { color: #808080; background: #909090 }')").await;
        assert_eq!(
            browser.value(&format!("{PALE}.some(one => one.startsWith('p.null'))")).await,
            true,
            "{theme}"
        );
    }
    assert_ne!(grounds[0], grounds[1], "the themes are one");
}

pub async fn no_screen_is_too_narrow(browser: &mut Browser) {
    let pages = [
        ("run", vec![story::run()]),
        ("matrix", vec![story::run(), story::on("1.34.4"), story::on("1.30.14")]),
        ("long-words", vec![story::hostile(&"x".repeat(300))]),
    ];
    for (name, records) in pages {
        let (path, _) = page(&format!("{name}.html"), &records);
        for width in [400, 1400] {
            for theme in ["light", "dark"] {
                browser.screen(width, 1000).await;
                browser.theme(theme).await;
                browser.open(&path).await;
                browser.picture(&place().join(format!("{name}-{width}-{theme}.png"))).await;
                for open in ["", OPEN] {
                    browser.value(open).await;
                    let wide = browser.value("document.documentElement.scrollWidth - innerWidth").await;
                    assert!(wide.as_i64().unwrap() <= 0, "{name}, {width}: {wide} pixels too wide");
                }
                browser
                    .value("document.querySelector('svg[role=img] rect:nth-of-type(3)')?.closest('.what').scrollIntoView()")
                    .await;
                browser.picture(&place().join(format!("{name}-{width}-{theme}-diagram.png"))).await;
                let scroll = "document.querySelector('details.s .what').closest('details.s').scrollIntoView()";
                browser.value(scroll).await;
                browser.picture(&place().join(format!("{name}-{width}-{theme}-open.png"))).await;
                browser.value("document.querySelector('#catalogue').scrollIntoView()").await;
                browser
                    .picture(&place().join(format!("{name}-{width}-{theme}-catalogue.png")))
                    .await;
            }
        }
    }
}

pub async fn it_is_said_to_who_does_not_see(browser: &mut Browser) {
    let (path, _) = page("run.html", &[story::run(), story::on("1.30.14")]);
    browser.open(&path).await;
    browser.value(OPEN).await;
    // Headings do not skip a level.
    let levels = browser
        .value("[...document.querySelectorAll('h1,h2,h3,h4,h5,h6')].map(one => Number(one.localName[1]))")
        .await;
    let levels: Vec<u64> = serde_json::from_value(levels).unwrap();
    assert_eq!(levels.iter().filter(|level| **level == 1).count(), 1);
    for pair in levels.windows(2) {
        assert!(pair[1] <= pair[0] + 1, "h{} after h{}", pair[1], pair[0]);
    }
    let nothing = json!([]);
    for (what, expression) in [
        (
            "a table without caption",
            "[...document.querySelectorAll('table')].filter(one => !one.caption?.textContent).map(one => one.outerHTML.slice(0, 90))",
        ),
        (
            "a heading cell without scope",
            "[...document.querySelectorAll('th:not([scope])')].map(one => one.textContent)",
        ),
        (
            "a picture without title and description",
            "[...document.querySelectorAll('svg[role=img]')].filter(one => !one.querySelector('title')?.textContent || !one.querySelector('desc')?.textContent).map(one => one.outerHTML.slice(0, 90))",
        ),
        (
            "an id twice",
            "[...document.querySelectorAll('[id]')].map(one => one.id).filter((one, index, all) => all.indexOf(one) !== index)",
        ),
        (
            "a link to nowhere",
            "[...document.links].map(one => one.hash.slice(1)).filter(one => !document.getElementById(decodeURIComponent(one)))",
        ),
        (
            "a box that scrolls without name",
            "[...document.querySelectorAll('[tabindex]')].filter(one => one.localName !== 'pre' && !one.getAttribute('aria-label')).map(one => one.outerHTML.slice(0, 90))",
        ),
    ] {
        assert_eq!(browser.value(expression).await, nothing, "{what}");
    }
    // Chromium's accessibility tree, as a screen reader gets it: no control and no picture is without a name.
    let tree = browser.tell("Accessibility.getFullAXTree", json!({})).await;
    let nodes = tree["nodes"].as_array().unwrap();
    let of = |roles: &[&str]| -> Vec<&Value> {
        let has_role = |node: &&Value| roles.contains(&node["role"]["value"].as_str().unwrap_or_default()) && node["ignored"] == false;
        nodes.iter().filter(has_role).collect()
    };
    let named = of(&[
        "img",
        "image",
        "button",
        "searchbox",
        "combobox",
        "link",
        "DisclosureTriangle",
        "table",
        "region",
        "navigation",
    ]);
    assert!(named.len() > 50, "{}", named.len());
    for node in named {
        assert!(!node["name"]["value"].as_str().unwrap_or_default().trim().is_empty(), "{node}");
    }
    // A picture is described only once it is near the viewport.
    let picture = "document.querySelector('#failed').closest('.group').querySelector('svg[role=img]')";
    browser.value(&format!("{picture}.scrollIntoView()")).await;
    let told = browser.accessible(picture).await;
    assert_eq!(told["name"]["value"], "1 request between mallory, API server main", "{told}");
    let description = told["description"]["value"].as_str().unwrap();
    assert!(
        description.starts_with("1 mallory to API server main: 401 unauthenticated."),
        "{told}"
    );
}
