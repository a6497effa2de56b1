//! An issuer's own documents: its discovery document and its keys. The main type is [`Fetched`], which [`fetch`] returns.

use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;

use super::{Issuer, Kept, KeySet};
use crate::cause::with_causes;
use crate::probe;

/// The longest document that is read, in bytes.
const MOST: usize = 1024 * 1024;

/// An issuer's own description of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fetched {
    /// The issuer's URL in its discovery document.
    pub issuer: String,
    /// Its keys.
    pub keys: KeySet,
    /// The hash of the answer with the keys, in the form of the API server's metrics.
    pub hash: String,
    /// The time for which an API server keeps the keys.
    pub kept: Kept,
}

/// Fetches the issuer's discovery document and keys (OpenID Connect Discovery 1.0 §4). No credential is sent.
///
/// # Errors
/// The issuer cannot be read, with the reason as text.
pub async fn fetch(issuer: &Issuer, patience: Duration) -> Result<Fetched, String> {
    #[derive(Deserialize)]
    struct Discovery {
        issuer: String,
        jwks_uri: String,
    }
    let http = crate::tls::https(issuer.authority.as_deref(), patience).map_err(|error| with_causes(&error))?;
    let url = issuer.discovery_url();
    let (document, _) = read(&http, &url).await?;
    let said: Discovery = serde_json::from_str(&document).map_err(|error| format!("{url} is not a discovery document: {error}"))?;
    let (document, kept) = read(&http, &said.jwks_uri).await?;
    Ok(Fetched {
        issuer: said.issuer,
        keys: KeySet::parse(&document).map_err(|why| format!("{}: {why}", said.jwks_uri))?,
        hash: probe::hash(&document),
        kept,
    })
}

async fn read(http: &reqwest::Client, url: &str) -> Result<(String, Kept), String> {
    let failed = |error: reqwest::Error| with_causes(&error.without_url());
    let answer = http.get(url).send().await.map_err(failed)?;
    if !answer.status().is_success() {
        return Err(format!("{url} answers {}", answer.status()));
    }
    let kept = Kept::of(|name| answer.headers().get(name)?.to_str().ok(), Timestamp::now());
    let text = text(answer).await.map_err(|why| format!("{url}: {why}"))?;
    Ok((text, kept))
}

/// Reads the text of an answer, unless it is too long for a document.
async fn text(mut answer: reqwest::Response) -> Result<String, String> {
    let mut bytes = Vec::new();
    while let Some(piece) = answer.chunk().await.map_err(|error| with_causes(&error.without_url()))? {
        bytes.extend_from_slice(&piece);
        if bytes.len() > MOST {
            return Err("the answer is longer than 1 MiB, which no document of an issuer is".to_owned());
        }
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_document_without_an_end_is_not_read_to_it() {
        let of = |length: usize| text(reqwest::Response::from(hyper::Response::new(vec![b' '; length])));
        assert_eq!(of(MOST).await.map(|text| text.len()), Ok(MOST));
        let why = of(MOST + 1).await.expect_err("it is too long");
        assert!(why.starts_with("the answer is longer than 1 MiB"), "{why}");
    }
}
