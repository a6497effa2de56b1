//! Token shapes, `fixtures/token_shapes/`, a file each: the claims that identity providers put into their tokens, and the traps in them
//! for an AuthenticationConfiguration.
//!
//! The main type is [`TokenShape`]. A person's own claims are laid over those of a shape, and an issuer signs the result.

use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::time::Duration;

use include_dir::{Dir, include_dir};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::hint::Hint;

mod issuer;
#[cfg(test)]
mod tests;

pub use issuer::ShapedIssuer;

static FILES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/fixtures/token_shapes");

/// The similarity (Jaro-Winkler) from which on a name resembles another one.
const RESEMBLES: f64 = 0.8;

/// The shape of one kind of token of one provider: an example with invented identities, and facts about it.
///
/// The times `iat`, `nbf`, `exp` and `auth_time` are not part of a shape. They are made from [`life`](Self::life) when a token is signed.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenShape {
    /// The name of its file, such as `entra-v2`.
    #[serde(skip)]
    pub name: String,
    /// A one-line description.
    pub described_as: String,
    /// The provider's name.
    pub provider: String,
    /// The URLs of the documentation that the shape is taken from.
    pub sources: Vec<String>,
    /// An example of the issuer's URL, exact to the last slash.
    pub issuer: String,
    /// The audience that an API server is configured with; `None` if the tokens have no audience.
    pub audience: Option<String>,
    /// The claims that can become a username, the most suitable one first.
    pub username: Vec<String>,
    /// The claims that can become groups.
    #[serde(default)]
    pub groups: Vec<String>,
    /// The traps, a sentence or two each, in Markdown.
    pub peculiar: Vec<String>,
    /// The parts that no documentation confirms, in Markdown.
    #[serde(default)]
    pub unconfirmed: Vec<String>,
    /// The fields of the token's header beside `alg` and `kid`.
    #[serde(default)]
    pub header: Map<String, Value>,
    /// The identity that [`configuration`](Self::configuration) gives the example.
    pub accepted_as: Option<AcceptedAs>,
    /// The message with which [`configuration`](Self::configuration) refuses the example.
    pub refused: Option<String>,
    /// Changes of [`configuration`](Self::configuration), each of which shows a trap, by name.
    #[serde(default)]
    pub changed: BTreeMap<String, ChangedEntry>,
    /// The time from issue to expiry, in seconds.
    life: u32,
    claims: Map<String, Value>,
    /// An entry of `jwt` without its issuer.
    configuration: Option<Map<String, Value>>,
}

/// A change of the entry of `jwt` that a shape shows: what is often written in its place.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChangedEntry {
    /// A description that completes "An entry …".
    pub described_as: String,
    /// The parts that replace those of the entry. A mapping replaces the one of its name, and every other part the whole.
    pub entry: Map<String, Value>,
    /// The claims that its tokens have in place of the shape's. `{directory}` is the address of a user directory that demands a login.
    #[serde(default)]
    claims: Map<String, Value>,
}

/// The identity of a user.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct AcceptedAs {
    /// The username, with its prefix.
    pub username: String,
    /// The groups, with their prefixes, without `system:authenticated`.
    pub groups: Vec<String>,
}

/// The name is not that of a shape.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no token shape is named '{name}' (known: {})", known.join(", "))]
pub struct UnknownShape {
    /// The requested name.
    pub name: String,
    /// The names of all shapes, in order.
    pub known: Vec<&'static str>,
    /// The name that resembles the requested one most.
    pub near: Option<&'static str>,
}

impl Hint for UnknownShape {
    fn hint(&self) -> Option<String> {
        self.near.map(|near| format!("write '{near}'"))
    }
}

impl TokenShape {
    /// Returns all shapes, in the order of their names.
    #[must_use]
    pub fn all() -> &'static [Self] {
        static ALL: LazyLock<Vec<TokenShape>> = LazyLock::new(|| {
            let files = FILES.files().map(|file| {
                let name = file.path().file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
                TokenShape::read(name, file.contents_utf8().unwrap_or_default()).expect("fixtures/token_shapes/ is read by a test")
            });
            let mut shapes: Vec<TokenShape> = files.collect();
            shapes.sort_by(|one, other| one.name.cmp(&other.name));
            shapes
        });
        &ALL
    }

    /// Returns the shape named `name`.
    ///
    /// # Errors
    /// No shape has that name.
    pub fn named(name: &str) -> Result<&'static Self, UnknownShape> {
        Self::all()
            .iter()
            .find(|shape| shape.name == name)
            .ok_or_else(|| UnknownShape::new(name))
    }

    /// Parses the `text` of the file named `name`.
    fn read(name: &str, text: &str) -> Result<Self, toml::de::Error> {
        let mut shape: Self = toml::from_str(text)?;
        name.clone_into(&mut shape.name);
        Ok(shape)
    }

    /// Returns the claims of a token: those of the example, with `iss` replaced by `issuer`, if given, and with `over` laid over them.
    ///
    /// A claim in `over` replaces the whole claim of the same name, also if it is an object, and also `iss`. A claim that is null there is
    /// null in the token, which is not the same as missing to an API server; to leave claims out, remove them from the result.
    /// Values that contain the example's issuer or tenant elsewhere (`tid`, a list of audiences) are not adapted.
    #[must_use]
    pub fn claims(&self, issuer: Option<&str>, over: &Map<String, Value>) -> Map<String, Value> {
        let mut claims = self.claims.clone();
        if let Some(issuer) = issuer {
            claims.insert("iss".to_owned(), issuer.into());
        }
        claims.extend(over.clone());
        claims
    }

    /// Returns the time from issue to expiry that the provider gives by default.
    #[must_use]
    pub fn life(&self) -> Duration {
        Duration::from_secs(self.life.into())
    }

    /// Returns the entry of `jwt` in an AuthenticationConfiguration that a careful administrator would write for the example (KEP-3331);
    /// `None` if no configuration accepts such tokens.
    ///
    /// Its outcome for the example is in [`accepted_as`](Self::accepted_as) or in [`refused`](Self::refused).
    #[must_use]
    pub fn configuration(&self) -> Option<Value> {
        let mut entry = self.configuration.clone()?;
        let issuer = json!({ "url": self.issuer, "audiences": [self.audience.as_deref()?] });
        entry.insert("issuer".to_owned(), issuer);
        Some(entry.into())
    }
}

impl UnknownShape {
    fn new(name: &str) -> Self {
        let known: Vec<&'static str> = TokenShape::all().iter().map(|shape| shape.name.as_str()).collect();
        let wanted = name.to_lowercase().replace(['_', ' '], "-");
        let scored = known.iter().map(|other| (strsim::jaro_winkler(&wanted, other), *other));
        let near = scored
            .filter(|(score, _)| *score > RESEMBLES)
            .max_by(|(one, _), (other, _)| one.total_cmp(other))
            .map(|(_, other)| other);
        Self {
            name: name.to_owned(),
            known,
            near,
        }
    }
}
