//! The shapes of providers' tokens, for a page to begin with. The main function is [`all`].

use serde::{Serialize, Serializer};
use serde_json::{Map, Value, json};

use crate::token_shape::TokenShape;

/// An entry of `jwt`, its issuer first.
struct Entry<'a>(&'a Map<String, Value>);

impl Serialize for Entry<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (first, others): (Vec<_>, Vec<_>) = self.0.iter().partition(|(name, _)| *name == "issuer");
        serializer.collect_map(first.into_iter().chain(others))
    }
}

/// Returns all shapes as the page reads them.
pub(super) fn all() -> Value {
    TokenShape::all().iter().map(shape).collect()
}

fn shape(shape: &TokenShape) -> Value {
    json!({
        "name": shape.name,
        "provider": shape.provider,
        "described_as": shape.described_as,
        "peculiar": shape.peculiar,
        "claims": claims(shape),
        "configuration": configuration(shape),
    })
}

/// Returns the claims of the example, indented.
pub(super) fn claims(shape: &TokenShape) -> String {
    serde_json::to_string_pretty(&shape.claims(None, &Map::new())).unwrap_or_default()
}

/// Returns a whole AuthenticationConfiguration for the example; `None` if no configuration accepts such tokens.
pub(super) fn configuration(shape: &TokenShape) -> Option<String> {
    let entry = shape.configuration()?;
    let jwt = [Entry(entry.as_object()?)];
    let jwt = serde_saphyr::to_string(&std::collections::BTreeMap::from([("jwt", jwt)])).ok()?;
    // Every supported version reads this one.
    Some(format!(
        "apiVersion: apiserver.config.k8s.io/v1beta1\nkind: AuthenticationConfiguration\n{jwt}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml;

    #[test]
    fn each_shape_has_claims_and_a_configuration_that_says_the_same() {
        for shape in TokenShape::all() {
            let written: Value = serde_json::from_str(&claims(shape)).unwrap();
            assert_eq!(written, Value::Object(shape.claims(None, &Map::new())), "{}", shape.name);
            let Some(text) = configuration(shape) else { continue };
            let read = yaml::parse(&text)
                .unwrap_or_else(|error| panic!("{}: {error:?}\n{text}", shape.name))
                .json();
            assert_eq!(read["jwt"][0], shape.configuration().unwrap(), "{}:\n{text}", shape.name);
        }
    }
}
