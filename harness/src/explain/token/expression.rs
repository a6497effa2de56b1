//! The part of CEL that most configurations use: claims, texts, lists, `+`, `==`, `!=`, and `orValue`.
//!
//! The main function is [`evaluate`]. Everything else is [`Unclear::Unknown`], since a wrong guess is worse than none; the semantics are
//! those of github.com/google/cel-spec `doc/langdef.md`.

use serde_json::{Map, Value};

/// Why an expression has no value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Unclear {
    /// A claim that it reads is missing: the API server refuses the token.
    Missing(String),
    /// This part of the language is not evaluated here.
    Unknown,
}

/// Returns the value of `expression` over `claims`.
pub(super) fn evaluate(expression: &str, claims: &Map<String, Value>) -> Result<Value, Unclear> {
    let mut parser = Parser {
        rest: expression.trim_start(),
        depth: 0,
        claims,
    };
    match parser.comparison() {
        Ok(value) if parser.rest.is_empty() => Ok(value),
        // A missing claim is no error where another operand decides.
        Err(Unclear::Missing(path)) if !["||", "&&", "?"].iter().any(|operator| expression.contains(operator)) => {
            Err(Unclear::Missing(path))
        }
        _ => Err(Unclear::Unknown),
    }
}

/// The most expressions within each other that are evaluated here.
const DEEPEST: usize = 100;

struct Parser<'a> {
    rest: &'a str,
    depth: usize,
    claims: &'a Map<String, Value>,
}

impl Parser<'_> {
    /// Takes `token` and the white space behind it, if it is next.
    fn take(&mut self, token: &str) -> bool {
        match self.rest.strip_prefix(token) {
            Some(rest) => {
                self.rest = rest.trim_start();
                true
            }
            None => false,
        }
    }

    fn need(&mut self, token: &str) -> Result<(), Unclear> {
        if self.take(token) { Ok(()) } else { Err(Unclear::Unknown) }
    }

    /// Every expression within another one is read by this function.
    fn comparison(&mut self) -> Result<Value, Unclear> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(Unclear::Unknown);
        }
        let value = self.compared();
        self.depth -= 1;
        value
    }

    fn compared(&mut self) -> Result<Value, Unclear> {
        let left = self.sum()?;
        let equal = if self.take("==") {
            true
        } else if self.take("!=") {
            false
        } else {
            return Ok(left);
        };
        let right = self.sum()?;
        let comparable = |value: &Value| value.is_string() || value.is_boolean();
        if comparable(&left) && comparable(&right) {
            Ok(Value::Bool((left == right) == equal))
        } else {
            Err(Unclear::Unknown)
        }
    }

    fn sum(&mut self) -> Result<Value, Unclear> {
        let mut sum = self.term()?;
        while self.take("+") {
            sum = match (sum, self.term()?) {
                (Value::String(left), Value::String(right)) => Value::String(left + &right),
                (Value::Array(left), Value::Array(right)) => Value::Array([left, right].concat()),
                _ => return Err(Unclear::Unknown),
            };
        }
        Ok(sum)
    }

    fn term(&mut self) -> Result<Value, Unclear> {
        if self.rest.starts_with(['"', '\'']) {
            return self.text().map(Value::String);
        }
        if self.take("[") {
            let mut items = Vec::new();
            while !self.take("]") {
                if !items.is_empty() {
                    self.need(",")?;
                }
                items.push(self.comparison()?);
            }
            return Ok(Value::Array(items));
        }
        if self.take("(") {
            let value = self.comparison()?;
            self.need(")")?;
            return Ok(value);
        }
        match self.name()? {
            "true" => Ok(Value::Bool(true)),
            "false" => Ok(Value::Bool(false)),
            "claims" => self.selected(),
            _ => Err(Unclear::Unknown),
        }
    }

    /// Reads a text without escapes.
    fn text(&mut self) -> Result<String, Unclear> {
        let mut characters = self.rest.chars();
        let quote = characters.next().ok_or(Unclear::Unknown)?;
        let (text, rest) = characters.as_str().split_once(quote).ok_or(Unclear::Unknown)?;
        // An empty text is also how a text in triple quotes begins.
        if text.contains('\\') || (text.is_empty() && rest.starts_with(quote)) {
            return Err(Unclear::Unknown);
        }
        self.rest = rest.trim_start();
        Ok(text.to_owned())
    }

    fn name(&mut self) -> Result<&str, Unclear> {
        let ends = |character: char| !(character.is_ascii_alphanumeric() || character == '_');
        let length = self.rest.find(ends).unwrap_or(self.rest.len());
        let (name, rest) = self.rest.split_at(length);
        // Names with `__` are escaped ones (`__dot__`).
        if name.is_empty() || name.starts_with(|first: char| first.is_ascii_digit()) || name.contains("__") {
            return Err(Unclear::Unknown);
        }
        self.rest = rest.trim_start();
        Ok(name)
    }

    /// Reads the fields behind `claims`.
    fn selected(&mut self) -> Result<Value, Unclear> {
        let mut found = Some(Value::Object(self.claims.clone()));
        let mut optional = false;
        let mut path = "claims".to_owned();
        loop {
            let field = if self.take("[") {
                let text = self.text()?;
                self.need("]")?;
                text
            } else if self.take(".?") {
                optional = true;
                self.name()?.to_owned()
            } else if self.take(".") {
                let name = self.name()?.to_owned();
                if self.take("(") {
                    if name != "orValue" || !optional {
                        return Err(Unclear::Unknown);
                    }
                    let other = self.comparison()?;
                    self.need(")")?;
                    return Ok(found.unwrap_or(other));
                }
                name
            } else if optional {
                return Err(Unclear::Unknown);
            } else {
                return found.ok_or(Unclear::Missing(path));
            };
            path = format!("{path}.{field}");
            found = match found {
                Some(Value::Object(mut object)) => object.remove(&field),
                None if optional => None,
                _ => return Err(Unclear::Unknown),
            };
            if found.is_none() && !optional {
                return Err(Unclear::Missing(path));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_expression_within_too_many_others_is_not_evaluated() {
        let claims = Map::new();
        let within =
            |open: &str, close: &str, count: usize| evaluate(&format!("{}true{}", open.repeat(count), close.repeat(count)), &claims);
        assert_eq!(within("(", ")", 99), Ok(Value::Bool(true)));
        for (open, close) in [("(", ")"), ("[", "]"), ("claims.?a.orValue(", ")"), ("(", ""), ("[(", "")] {
            assert_eq!(within(open, close, 100_000), Err(Unclear::Unknown), "{open}");
        }
        let beside = vec!["(true)"; 1000].join(", ");
        assert!(evaluate(&format!("[{beside}]"), &claims).is_ok());
    }

    #[test]
    fn the_common_expressions_have_a_value() {
        let claims = json!({ "sub": "alice", "email_verified": true, "exp": 2, "nbf": 1, "realm_access": { "roles": ["dev"] }, "https://a.test/x": "y" });
        let claims = claims.as_object().expect("an object");
        for (expression, value) in [
            ("claims.sub", json!("alice")),
            ("'oidc:' + claims.sub", json!("oidc:alice")),
            ("claims.realm_access.roles", json!(["dev"])),
            ("claims[\"https://a.test/x\"]", json!("y")),
            ("claims.?groups.orValue([])", json!([])),
            ("claims.?realm_access.roles.orValue([])", json!(["dev"])),
            ("claims.?a.b.orValue('none')", json!("none")),
            ("claims.email_verified == true", json!(true)),
            ("(claims.sub != \"bob\")", json!(true)),
            ("claims.sub == 'alice' ", json!(true)),
            ("['a', claims.sub] + ['b']", json!(["a", "alice", "b"])),
        ] {
            assert_eq!(evaluate(expression, claims), Ok(value), "{expression}");
        }
        for expression in [
            "claims.groups",
            "'a' + claims.groups",
            "claims.realm_access.groups",
            "claims.roles.split(',')",
        ] {
            assert!(matches!(evaluate(expression, claims), Err(Unclear::Missing(_))), "{expression}");
        }
        for expression in [
            "",
            "claims.sub.startsWith('a')",
            "claims.roles == 'a' || true",
            "claims.?groups",
            "has(claims.sub)",
            "claims.sub == 'a' || true",
            "claims.exp - claims.nbf <= 86400",
            "claims.realm_access.roles.map(r, 'a')",
            "user.username",
            "'''a'''",
            "claims.sub == claims.realm_access",
            "claims.a__dot__b",
        ] {
            assert_eq!(evaluate(expression, claims), Err(Unclear::Unknown), "{expression}");
        }
    }
}
