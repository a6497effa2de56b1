//! The issuers of tokens of each shape, as one API server trusts them: with the entry of `jwt` that the shape shows, or with a changed one.
//!
//! The main type is [`ShapedIssuer`].

use std::sync::LazyLock;

use serde_json::{Map, Value, json};

use super::{AcceptedAs, ChangedEntry, TokenShape};

/// An issuer of tokens of one shape.
///
/// An API server trusts no two issuers with one URL. A shape's own issuer has the provider's URL, as its tokens do; a changed entry has an
/// issuer beside it.
#[derive(Clone, Debug)]
pub struct ShapedIssuer {
    /// The name of the shape, or of the changed entry.
    pub name: &'static str,
    /// The shape of its tokens.
    pub shape: &'static TokenShape,
    /// Its URL, to the letter.
    pub url: String,
    /// The entry of `jwt`; `None` if no configuration accepts its tokens.
    entry: Option<Value>,
    /// The claims that its tokens have in place of the shape's.
    claims: Map<String, Value>,
}

impl ShapedIssuer {
    /// Returns the issuers of all shapes and of all changed entries.
    #[must_use]
    pub fn all() -> &'static [Self] {
        static ALL: LazyLock<Vec<ShapedIssuer>> = LazyLock::new(|| {
            let of_shape = |shape: &'static TokenShape| {
                let changed = shape
                    .changed
                    .iter()
                    .map(move |(name, changed)| ShapedIssuer::changed(shape, name, changed));
                std::iter::once(ShapedIssuer::own(shape)).chain(changed)
            };
            TokenShape::all().iter().flat_map(of_shape).collect()
        });
        &ALL
    }

    /// Returns the issuer named `name`.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        Self::all().iter().find(|issuer| issuer.name == name)
    }

    /// Returns the issuers that one API server can trust together: of several with one URL, the first.
    pub fn trusted() -> impl Iterator<Item = &'static Self> {
        Self::all()
            .iter()
            .filter(|issuer| issuer.entry.is_some() && issuer.trusted_name() == issuer.name)
    }

    fn own(shape: &'static TokenShape) -> Self {
        Self {
            name: &shape.name,
            shape,
            url: shape.issuer.clone(),
            entry: shape.configuration(),
            claims: Map::new(),
        }
    }

    fn changed(shape: &'static TokenShape, name: &'static str, changed: &ChangedEntry) -> Self {
        let url = format!("https://{name}.example");
        let mut entry = shape.configuration();
        if let Some(Value::Object(entry)) = &mut entry {
            for (part, value) in &changed.entry {
                match (entry.get_mut(part), value) {
                    (Some(Value::Object(fields)), Value::Object(over)) => fields.extend(over.clone()),
                    _ => _ = entry.insert(part.clone(), value.clone()),
                }
            }
            entry["issuer"]["url"] = json!(url);
        }
        Self {
            name,
            shape,
            url,
            entry,
            claims: changed.claims.clone(),
        }
    }

    /// Returns the name of the issuer with the same URL that an API server trusts.
    #[must_use]
    pub fn trusted_name(&self) -> &'static str {
        let same = Self::all().iter().find(|other| other.url == self.url && other.entry.is_some());
        same.map_or(self.name, |other| other.name)
    }

    /// Returns its entry of `jwt`, with `discovery_url` as the address of its discovery document; `None` if no configuration accepts its tokens.
    #[must_use]
    pub fn entry(&self, discovery_url: &str) -> Option<Value> {
        let mut entry = self.entry.clone()?;
        entry["issuer"]["discoveryURL"] = json!(discovery_url);
        Some(entry)
    }

    /// Returns the claims of its tokens, without the times.
    #[must_use]
    pub fn claims(&self) -> Map<String, Value> {
        self.shape.claims(Some(&self.url), &self.claims)
    }

    /// Returns the issuer of the same provider whose example is accepted, and the identity of that.
    #[must_use]
    pub fn sound(&self) -> Option<(&'static Self, &'static AcceptedAs)> {
        let mut of_provider = Self::all().iter().filter(|other| other.url == self.shape.issuer);
        of_provider.find_map(|other| Some((other, other.shape.accepted_as.as_ref()?)))
    }
}
