//! Standing in for other people's issuers: their tokens, without them.
//!
//! The main type is [`StandIn`]. Its address contains the URL of the issuer, so that nothing has to be announced to the server. An API server
//! finds it by `issuer.discoveryURL` of its AuthenticationConfiguration (KEP-3331), and tokens keep the issuer's own URL.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::Jwk;
use serde_json::{Map, Value, json};

use super::server::{DISCOVERY, KEYS};
use super::{Algorithm, IssuerError, Signer, Token};

/// The path below which every stand-in is. No issuer path can be the same.
const PLACE: &str = "/.stand-in/";

/// The algorithms of every stand-in: the elliptic one has a key for each issuer, the others share one.
const ALGORITHMS: [Algorithm; 7] = [
    Algorithm::Es256,
    Algorithm::Rs256,
    Algorithm::Rs384,
    Algorithm::Rs512,
    Algorithm::Ps256,
    Algorithm::Ps384,
    Algorithm::Ps512,
];

/// An issuer of somebody else that the lab's issuer stands in for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StandIn {
    /// The issuer's URL, to the letter.
    url: String,
    /// The number of its entry, of several with one URL: no two may have one discovery address.
    number: usize,
}

impl StandIn {
    /// Returns the stand-in for the issuer `url`.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            number: 0,
        }
    }

    /// Returns the same at another address, by `number`.
    #[must_use]
    pub fn numbered(self, number: usize) -> Self {
        Self { number, ..self }
    }

    /// Returns the stand-in whose discovery document or keys are at `path`.
    pub(super) fn at(path: &str) -> Option<Self> {
        let rest = path.strip_prefix(PLACE)?;
        let coded = rest.strip_suffix(DISCOVERY).or_else(|| rest.strip_suffix(KEYS))?;
        let (coded, number) = coded.split_once('/').unwrap_or((coded, "0"));
        let url = String::from_utf8(URL_SAFE_NO_PAD.decode(coded).ok()?).ok()?;
        Some(Self {
            url,
            number: number.parse().ok()?,
        })
    }

    /// Returns the issuer's URL.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Returns the URL of its discovery document at the issuer whose addresses begin with `base`.
    pub fn discovery_url(&self, base: &str) -> String {
        format!("{}{DISCOVERY}", self.address(base))
    }

    fn address(&self, base: &str) -> String {
        let number = match self.number {
            0 => String::new(),
            number => format!("/{number}"),
        };
        format!("{base}{PLACE}{}{number}", URL_SAFE_NO_PAD.encode(&self.url))
    }

    /// Returns its discovery document: it names the issuer that it stands in for, as an API server demands (coreos/go-oidc `NewProvider`).
    pub(super) fn discovery(&self, base: &str) -> Value {
        let address = self.address(base);
        json!({
            "issuer": self.url,
            "authorization_endpoint": format!("{address}/authorize"),
            "jwks_uri": format!("{address}{KEYS}"),
            "response_types_supported": ["id_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ALGORITHMS,
        })
    }
}

impl Signer {
    /// Returns a token of the issuer that `stand_in` stands in for, with exactly `claims`, signed with `algorithm`.
    ///
    /// # Errors
    /// No stand-in signs with `algorithm`.
    pub fn token_of(&self, stand_in: &StandIn, algorithm: Algorithm, claims: Map<String, Value>) -> Result<Token, IssuerError> {
        let key = self.stand_in_key(stand_in.url(), algorithm)?;
        Ok(Token::of_stand_in(self.clone(), key, algorithm, claims))
    }

    /// Returns the keys of `stand_in`.
    pub(super) fn stand_in_keys(&self, stand_in: &StandIn) -> Result<Vec<Jwk>, IssuerError> {
        let key = |algorithm: Algorithm| self.stand_in_key(stand_in.url(), algorithm)?.published(algorithm);
        ALGORITHMS.into_iter().map(key).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_addresses_lead_back_to_its_issuer() {
        for url in ["https://login.example.com", "https://sts.windows.net/T/", "https://host/a?b=c#d"] {
            let stand_in = StandIn::new(url).numbered(url.len() % 2);
            let document = stand_in.discovery("https://127.0.0.1:1");
            assert_eq!(document["issuer"], url);
            for address in [
                stand_in.discovery_url(""),
                document["jwks_uri"].as_str().unwrap().replace("https://127.0.0.1:1", ""),
            ] {
                assert_eq!(StandIn::at(&address), Some(stand_in.clone()), "{address}");
            }
        }
        for other in ["/.stand-in/keys", "/.stand-in/%/keys", "/rs256/keys", "/.stand-in/aHR0cHM/other"] {
            assert_eq!(StandIn::at(other).filter(|found| !found.url.is_empty()), None, "{other}");
        }
    }

    #[tokio::test]
    async fn each_issuer_has_a_key_of_its_own_that_stays_the_same() {
        let path = super::super::IssuerPath::new("rs256", &[Algorithm::Rs256]);
        let signer = Signer::generate("https://127.0.0.1:1".to_owned(), vec![path]).await.unwrap();
        let key = |url: &str| signer.stand_in_keys(&StandIn::new(url)).unwrap()[0].clone();
        assert_eq!(key("https://a.example"), key("https://a.example"));
        assert_ne!(key("https://a.example"), key("https://b.example"));
        assert_eq!(
            signer.stand_in_keys(&StandIn::new("https://a.example")).unwrap().len(),
            ALGORITHMS.len()
        );
    }
}
