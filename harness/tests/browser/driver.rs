//! Chromium, driven by its own WebDriver server with a handful of HTTP requests. The main type is [`Browser`].

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::time::Duration;

use authlab::process::wait::{Condition, until};
use authlab::process::{Child, Program, port};
use base64::Engine as _;
use serde_json::{Value, json};

/// The timeout for a single operation on a busy machine.
const LIMIT: Duration = Duration::from_secs(120);

/// The paths of Chromium and its driver.
pub struct Tools {
    chromium: PathBuf,
    chromedriver: PathBuf,
}

impl Tools {
    pub fn found() -> Result<Self, String> {
        let first = |names: &[&str]| {
            let found = names.iter().find_map(|name| which::which(name).ok());
            found.ok_or_else(|| format!("no {} in PATH", names[0]))
        };
        Ok(Self {
            chromium: first(&["chromium", "chromium-browser", "google-chrome"])?,
            chromedriver: first(&["chromedriver"])?,
        })
    }
}

/// A headless browser with one page.
pub struct Browser {
    driver: Child,
    client: reqwest::Client,
    session: String,
    _home: tempfile::TempDir,
}

impl Browser {
    pub async fn start(tools: &Tools) -> Self {
        let home = tempfile::tempdir().unwrap();
        let port = port::free().unwrap();
        let driver = Program::new("chromedriver", &tools.chromedriver, home.path().join("chromedriver.log"))
            .argument(format!("--port={port}"))
            .environment("HOME", home.path())
            .inherit(&["PATH"])
            .start()
            .await
            .unwrap();
        let client = reqwest::Client::builder().no_proxy().timeout(LIMIT).build().unwrap();
        let base = format!("http://127.0.0.1:{port}");
        until("chromedriver answers", LIMIT, || async {
            Ok::<_, Infallible>(match client.get(format!("{base}/status")).send().await {
                Ok(_) => Condition::Met(()),
                Err(error) => Condition::NotYet(error.to_string()),
            })
        })
        .await
        .unwrap();
        let wanted = json!({"capabilities": {"alwaysMatch": {
            "browserName": "chrome",
            // No trust store contains a lab's CAs.
            "acceptInsecureCerts": true,
            "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
            "goog:chromeOptions": {
                "binary": tools.chromium,
                // In a container, root has no sandbox, and there is little shared memory.
                "args": ["--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--no-first-run",
                    "--hide-scrollbars", format!("--user-data-dir={}", home.path().join("profile").display())],
            },
        }}});
        let mut browser = Self {
            driver,
            client,
            session: format!("{base}/session"),
            _home: home,
        };
        let session = browser.post("", wanted).await;
        browser.session = format!("{base}/session/{}", session["sessionId"].as_str().unwrap());
        browser.screen(1400, 900).await;
        browser
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        let answer = self
            .client
            .post(format!("{}{path}", self.session))
            .json(&body)
            .send()
            .await
            .unwrap();
        let status = answer.status();
        let mut body: Value = answer.json().await.unwrap();
        assert!(status.is_success(), "{path}: {body}");
        body["value"].take()
    }

    /// Sends a command of Chromium's own protocol.
    pub async fn tell(&self, command: &str, parameters: Value) -> Value {
        self.post("/goog/cdp/execute", json!({"cmd": command, "params": parameters})).await
    }

    pub async fn open(&self, page: &Path) {
        self.go(&format!("file://{}", page.display())).await;
    }

    pub async fn go(&self, address: &str) {
        self.post("/url", json!({"url": address})).await;
    }

    /// Returns the value of `expression` on the page.
    pub async fn value(&self, expression: &str) -> Value {
        let parameters = json!({"expression": expression, "returnByValue": true, "awaitPromise": true});
        let mut answer = self.tell("Runtime.evaluate", parameters).await;
        assert!(answer.get("exceptionDetails").is_none(), "{expression}: {answer}");
        answer["result"]["value"].take()
    }

    /// Waits until `expression` is true on the page.
    pub async fn until(&self, expression: &str) {
        until(expression, LIMIT, || async {
            Ok::<_, Infallible>(match self.value(expression).await {
                Value::Bool(true) => Condition::Met(()),
                other => Condition::NotYet(format!("it is {other}")),
            })
        })
        .await
        .unwrap();
    }

    /// Returns what a screen reader gets for the element that `expression` evaluates to.
    pub async fn accessible(&self, expression: &str) -> Value {
        let element = self.tell("Runtime.evaluate", json!({"expression": expression})).await;
        let parameters = json!({"objectId": element["result"]["objectId"], "fetchRelatives": false});
        until("the element is told of", LIMIT, || async {
            let mut tree = self.tell("Accessibility.getPartialAXTree", parameters.clone()).await;
            let node = tree["nodes"][0].take();
            Ok::<_, Infallible>(if node["ignored"] == false {
                Condition::Met(node)
            } else {
                Condition::NotYet(node.to_string())
            })
        })
        .await
        .unwrap()
    }

    /// Presses keys, one after the other; [`TAB`] and other special keys are characters, too.
    pub async fn press(&self, keys: &str) {
        let strokes: Vec<Value> = keys
            .chars()
            .flat_map(|key| ["keyDown", "keyUp"].map(|stroke| json!({"type": stroke, "value": key.to_string()})))
            .collect();
        self.post(
            "/actions",
            json!({"actions": [{"type": "key", "id": "keyboard", "actions": strokes}]}),
        )
        .await;
    }

    /// Presses `key` while `held` is held down.
    pub async fn chord(&self, held: &str, key: &str) {
        let strokes = [("keyDown", held), ("keyDown", key), ("keyUp", key), ("keyUp", held)];
        let strokes = strokes.map(|(stroke, key)| json!({"type": stroke, "value": key}));
        self.post(
            "/actions",
            json!({"actions": [{"type": "key", "id": "keyboard", "actions": strokes}]}),
        )
        .await;
    }

    pub async fn screen(&self, width: u32, height: u32) {
        let parameters = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false});
        self.tell("Emulation.setDeviceMetricsOverride", parameters).await;
    }

    /// Sets the colour scheme: `light` or `dark`.
    pub async fn theme(&self, theme: &str) {
        let features = json!([{"name": "prefers-color-scheme", "value": theme}, {"name": "prefers-reduced-motion", "value": "reduce"}]);
        self.tell("Emulation.setEmulatedMedia", json!({"features": features})).await;
    }

    /// Returns the new entries of the log called `name` since the last call.
    pub async fn log(&self, name: &str) -> Vec<Value> {
        let log = self.post("/se/log", json!({"type": name})).await;
        log.as_array().unwrap().clone()
    }

    /// Takes a screenshot.
    pub async fn picture(&self, path: &Path) {
        self.capture(json!({"format": "png"}), path).await;
    }

    /// Takes a screenshot of the whole page, of which `scale` is left.
    pub async fn small_picture(&self, scale: f64, path: &Path) {
        let width = self.value("document.documentElement.scrollWidth").await;
        let height = self.value("document.documentElement.scrollHeight").await;
        let clip = json!({"x": 0, "y": 0, "width": width, "height": height, "scale": scale});
        self.capture(json!({"format": "png", "clip": clip, "captureBeyondViewport": true}), path)
            .await;
    }

    async fn capture(&self, parameters: Value, path: &Path) {
        let picture = self.tell("Page.captureScreenshot", parameters).await;
        let bytes = base64::engine::general_purpose::STANDARD
            .decode(picture["data"].as_str().unwrap())
            .unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    /// Closes the browser and its driver.
    pub async fn end(self) {
        let _ = self.client.delete(&self.session).send().await;
        let _ = self.driver.stop(Duration::from_secs(10)).await;
    }
}

pub const TAB: &str = "\u{e004}";
pub const ENTER: &str = "\u{e007}";
pub const CONTROL: &str = "\u{e009}";
pub const DOWN: &str = "\u{e015}";
