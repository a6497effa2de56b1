//! A client that fills in forms without a browser: it fetches pages, fills in and sends their form, and keeps cookies.
//!
//! The main type is [`Robot`]. Redirects are followed, also from https to the loopback address of a login.

use regex::Regex;

/// A client that fills in forms.
pub struct Robot {
    client: reqwest::Client,
}

/// A page as it was received.
pub struct Page {
    pub address: String,
    pub text: String,
}

impl Robot {
    /// Creates a client that trusts only the CA in `pem`.
    pub fn new(pem: &str) -> Self {
        choose_provider();
        let authority = reqwest::Certificate::from_pem(pem.as_bytes()).unwrap();
        let client = reqwest::Client::builder().tls_certs_only([authority]).cookie_store(true).no_proxy();
        Self {
            client: client.build().unwrap(),
        }
    }

    /// Opens a page.
    pub async fn open(&self, address: &str) -> Page {
        read(self.client.get(address).send().await.unwrap()).await
    }

    /// Sends the page's form with `fields`, in addition to those that are filled in already.
    pub async fn submit(&self, page: &Page, fields: &[(&str, &str)]) -> Page {
        let form = Regex::new(r#"(?s)<form[^>]*\baction="([^"]+)"[^>]*>(.*?)</form>"#).unwrap();
        let form = form.captures(&page.text).unwrap_or_else(|| panic!("no form: {}", page.text));
        let action = reqwest::Url::parse(&page.address).unwrap().join(&plain(&form[1])).unwrap();
        let mut all: Vec<(String, String)> = Vec::new();
        for input in Regex::new(r#"<input[^>]*type="hidden"[^>]*>"#).unwrap().find_iter(&form[2]) {
            let value = |name: &str| {
                let found = Regex::new(&format!(r#"\b{name}="([^"]*)""#)).unwrap();
                found.captures(input.as_str()).map(|found| plain(&found[1]))
            };
            all.extend(value("name").map(|name| (name, value("value").unwrap_or_default())));
        }
        all.extend(fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        read(self.client.post(action).form(&all).send().await.unwrap()).await
    }
}

async fn read(answer: reqwest::Response) -> Page {
    let address = answer.url().to_string();
    Page {
        address,
        text: answer.text().await.unwrap(),
    }
}

fn plain(escaped: &str) -> String {
    escaped.replace("&amp;", "&").replace("&quot;", "\"")
}

/// Chooses the TLS provider, as the command does at its start, for tests that send requests to Keycloak themselves.
pub fn choose_provider() {
    // Another test may have chosen it already.
    let _ = rustls::crypto::ring::default_provider().install_default();
}
