//! The parameters of a request, from its query and its body: a form or a JSON object. The type is [`Parameters`].

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::body::{Body, Bytes};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName};
use hyper::{Method, Request};
use reqwest::Url;
use serde_json::{Map, Value};

use super::error::Refused;
use crate::cause::with_causes;
use crate::listener::{Limits, read_body};

/// The parameters of a request. An empty one counts as missing (RFC 6749 §3.1).
#[derive(Clone, Debug, Default)]
pub(super) struct Parameters(Map<String, Value>);

/// The claims of a token fit into its size, and a thousand of the latest ones are kept.
const LARGEST: usize = 64 * 1024;

/// The parameters that may occur several times (RFC 8707 §2, RFC 8693 §2.1).
const LISTS: [&str; 2] = ["audience", "resource"];

impl Parameters {
    /// Reads the parameters of `request`. A client that authenticates by a header is a parameter, too (RFC 6749 §2.3.1).
    pub(super) async fn read<B>(request: Request<B>) -> Result<Self, Refused>
    where
        B: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>>,
    {
        let mut parameters = Self::default();
        parameters.add_form(request.uri().query().unwrap_or_default())?;
        let basic = basic(request.headers());
        if request.method() == Method::POST {
            let kind = header(request.headers(), &CONTENT_TYPE);
            let limits = Limits {
                body_size: LARGEST,
                ..Limits::default()
            };
            let is_json = kind.split(';').next().is_some_and(|kind| kind.trim() == "application/json");
            let body = read_body(request.into_body(), limits).await;
            let body = body.map_err(|error| Refused::request(with_causes(&error)).with_status(413))?;
            parameters.add_body(&body, is_json)?;
        }
        if let Some(client) = basic {
            parameters.0.entry("client_id").or_insert(Value::String(client));
        }
        Ok(parameters)
    }

    fn add_body(&mut self, body: &[u8], is_json: bool) -> Result<(), Refused> {
        if body.is_empty() {
            return Ok(());
        }
        if is_json {
            let wrong = |why: String| Refused::request(format!("cannot read the body: {why}"));
            let value: Value = serde_json::from_slice(body).map_err(|error| wrong(error.to_string()))?;
            let Value::Object(fields) = value else {
                return Err(wrong("expected a JSON object".to_owned()));
            };
            self.0.extend(fields.into_iter().filter(|(_, value)| !is_empty(value)));
            return Ok(());
        }
        let text = std::str::from_utf8(body).map_err(|_| Refused::request("cannot read the body: expected a form in UTF-8"))?;
        self.add_form(text)
    }

    fn add_form(&mut self, text: &str) -> Result<(), Refused> {
        for (name, value) in pairs(text) {
            if value.is_empty() {
                continue;
            }
            let value = Value::String(value);
            match self.0.get_mut(&name) {
                None => _ = self.0.insert(name, value),
                Some(Value::Array(values)) if LISTS.contains(&name.as_str()) => values.push(value),
                Some(first) if LISTS.contains(&name.as_str()) => *first = Value::Array(vec![first.take(), value]),
                Some(_) => return Err(Refused::request(format!("{name} is given several times"))),
            }
        }
        Ok(())
    }

    /// Returns the text `name`.
    pub(super) fn text(&self, name: &str) -> Result<Option<String>, Refused> {
        match self.0.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(Value::Number(number)) => Ok(Some(number.to_string())),
            Some(_) => Err(Refused::request(format!("{name} is not a text"))),
        }
    }

    /// Returns the text `name`, which is required.
    pub(super) fn needed(&self, name: &str) -> Result<String, Refused> {
        self.text(name)?.ok_or_else(|| Refused::request(format!("{name} is missing")))
    }

    /// Returns the whole number `name`.
    pub(super) fn number(&self, name: &str) -> Result<Option<i64>, Refused> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        let wrong = |_| Refused::request(format!("{name} is {text:?} (expected a whole number)"));
        text.parse().map(Some).map_err(wrong)
    }

    /// Returns the JSON object `name`, also if it is given as text.
    pub(super) fn object(&self, name: &str) -> Result<Map<String, Value>, Refused> {
        let wrong = |why: &str| Refused::request(format!("{name} is not a JSON object: {why}"));
        let value = match self.0.get(name) {
            None => return Ok(Map::new()),
            Some(Value::String(text)) => serde_json::from_str(text).map_err(|error| wrong(&error.to_string()))?,
            Some(value) => value.clone(),
        };
        match value {
            Value::Object(fields) => Ok(fields),
            _ => Err(wrong("expected `{…}`")),
        }
    }

    /// Returns the texts `name`: a list, or one text with commas or spaces.
    pub(super) fn list(&self, name: &str) -> Result<Vec<String>, Refused> {
        let wrong = || Refused::request(format!("{name} is not a list of texts"));
        match self.0.get(name) {
            None => Ok(Vec::new()),
            Some(Value::String(text)) => {
                let words = text.split([',', ' ']).filter(|word| !word.is_empty());
                Ok(words.map(str::to_owned).collect())
            }
            Some(Value::Array(values)) => {
                let text = |value: &Value| value.as_str().map(str::to_owned).ok_or_else(wrong);
                values.iter().map(text).collect()
            }
            Some(_) => Err(wrong()),
        }
    }

    /// Returns the value `name` as it is.
    pub(super) fn value(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// Returns all texts, for a form that sends them once more.
    pub(super) fn texts(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().filter_map(|(name, value)| Some((name.as_str(), value.as_str()?)))
    }
}

fn is_empty(value: &Value) -> bool {
    value.is_null() || value.as_str() == Some("")
}

/// Returns the names and values of a form (WHATWG URL §5.1).
fn pairs(form: &str) -> Vec<(String, String)> {
    let Ok(mut url) = Url::parse("http://127.0.0.1/") else {
        return Vec::new();
    };
    url.set_query(Some(form));
    let pairs = url.query_pairs();
    pairs.map(|(name, value)| (name.into_owned(), value.into_owned())).collect()
}

/// Returns the text of a header; empty if it is missing.
pub(super) fn header(headers: &HeaderMap, name: &HeaderName) -> String {
    headers
        .get(name)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
        .to_owned()
}

/// Returns the bearer token of a request (RFC 6750 §2.1).
pub(super) fn bearer(headers: &HeaderMap) -> Option<String> {
    let value = header(headers, &AUTHORIZATION);
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().to_owned())
}

/// Returns the client that authenticates by a header.
fn basic(headers: &HeaderMap) -> Option<String> {
    let value = header(headers, &AUTHORIZATION);
    let (scheme, coded) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let text = String::from_utf8(STANDARD.decode(coded.trim()).ok()?).ok()?;
    let client = text.split_once(':').map_or(text.as_str(), |(client, _)| client);
    // Both are encoded as in a form.
    pairs(&format!("client={client}"))
        .pop()
        .map(|(_, client)| client)
        .filter(|client| !client.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(text: &str) -> Result<Parameters, Refused> {
        let mut parameters = Parameters::default();
        parameters.add_form(text).map(|()| parameters)
    }

    #[test]
    fn forms_and_json_say_the_same() {
        let mut json = Parameters::default();
        let body = br#"{"a": "b c", "n": -5, "claims": {"groups": ["x"]}, "without": ["nbf"], "nothing": null}"#;
        json.add_body(body, true).unwrap();
        let form = form("a=b+c&n=-5&claims=%7B%22groups%22%3A%5B%22x%22%5D%7D&without=nbf&nothing=").unwrap();
        for parameters in [json, form] {
            assert_eq!(parameters.text("a").unwrap().as_deref(), Some("b c"));
            assert_eq!(parameters.number("n").unwrap(), Some(-5));
            assert_eq!(parameters.object("claims").unwrap()["groups"][0], "x");
            assert_eq!(parameters.list("without").unwrap(), ["nbf"]);
            assert_eq!(parameters.text("nothing").unwrap(), None);
        }
    }

    #[test]
    fn a_parameter_is_given_once_unless_it_is_a_list() {
        assert_eq!(
            form("audience=a&audience=b&audience=c").unwrap().list("audience").unwrap(),
            ["a", "b", "c"]
        );
        assert_eq!(form("scope=a&scope=b").unwrap_err().description, "scope is given several times");
    }

    #[test]
    fn a_header_names_the_client() {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, format!("Basic {}", STANDARD.encode("a%20b:secret")).parse().unwrap());
        assert_eq!(basic(&headers).as_deref(), Some("a b"));
        assert_eq!(bearer(&headers), None);
    }
}
