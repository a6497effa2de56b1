//! The claims that a CEL expression reads, found by its words alone: no expression is evaluated.
//!
//! The main function is [`reads`]. It finds `claims.x`, `claims.?x`, `claims["x"]` and `"x" in claims`, and what simple comparisons demand of the
//! value (github.com/google/cel-spec `doc/langdef.md`). A wrong guess does no harm: the API server judges the token that is made of it.

use serde_json::{Value, json};

use super::tokens::{Token, tokens};

/// A claim that an expression reads.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Read {
    /// The name of the claim, and of the fields within it.
    pub(super) path: Vec<String>,
    /// The value that would suit the expression.
    pub(super) suits: Suits,
}

/// A value that would suit an expression, as far as its words say.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Suits {
    /// They say nothing.
    Anything,
    /// A text.
    Text,
    /// A list of texts.
    List,
    /// `true`.
    Boolean,
    /// This value.
    Value(Value),
    /// A list that has this text.
    Member(String),
}

impl Read {
    /// Returns `true` if the expression only compares it: its value is no part of the result.
    pub(super) fn is_compared(&self) -> bool {
        matches!(self.suits, Suits::Value(_) | Suits::Boolean)
    }
}

impl Suits {
    /// Returns what suits a claim, of which an expression adds `before` and `after` to make the value that suits.
    pub(super) fn without(self, before: &[String], after: &[String]) -> Self {
        let plain = |text: &str| {
            let text = before.iter().find_map(|added| text.strip_prefix(added.as_str())).unwrap_or(text);
            after
                .iter()
                .find_map(|added| text.strip_suffix(added.as_str()))
                .unwrap_or(text)
                .to_owned()
        };
        match self {
            Self::Member(text) => Self::Member(plain(&text)),
            Self::Value(Value::String(text)) => Self::Value(json!(plain(&text))),
            Self::Value(Value::Array(items)) => {
                let items = items
                    .iter()
                    .map(|item| item.as_str().map_or_else(|| item.clone(), |text| json!(plain(text))));
                Self::Value(items.collect())
            }
            other => other,
        }
    }
}

/// Methods whose subject is a list.
const OF_LISTS: [&str; 8] = ["exists", "exists_one", "all", "map", "filter", "join", "sum", "isSorted"];

/// Methods whose subject is a text.
const OF_TEXTS: [&str; 8] = [
    "split",
    "lowerAscii",
    "upperAscii",
    "replace",
    "trim",
    "substring",
    "matches",
    "find",
];

/// Returns each claim that `expression` reads, in order.
pub(super) fn reads(expression: &str) -> Vec<Read> {
    reads_below("claims", expression)
}

/// Returns each field of the user that `expression` reads, in order: `username`, `groups`, `uid` or `extra`.
pub(super) fn reads_of_user(expression: &str) -> Vec<Read> {
    reads_below("user", expression)
}

fn reads_below(variable: &str, expression: &str) -> Vec<Read> {
    let tokens = tokens(expression);
    let is_variable = |at: usize| is_name(Some(&tokens[at]), variable) && !matches!(before(&tokens, at, 1), Some(Token::Sign("." | ".?")));
    (0..tokens.len())
        .filter(|at| is_variable(*at))
        .filter_map(|at| read(&tokens, at))
        .collect()
}

/// Returns the texts that `expression` has, but empty ones.
pub(super) fn texts(expression: &str) -> Vec<String> {
    let texts = tokens(expression).into_iter().filter_map(|token| match token {
        Token::Text(text) if !text.is_empty() => Some(text),
        _ => None,
    });
    texts.collect()
}

/// Returns `true` if the result of `expression` is that of a `split` of a claim: `claims.roles.split(",")`.
pub(super) fn ends_with_split(expression: &str) -> bool {
    let tokens = tokens(expression);
    let is_whole = |at: usize| is_name(Some(&tokens[at]), "split") && closed(&tokens, at + 1) == tokens.len();
    let is_path = |at: usize| {
        let names = tokens[..at].iter();
        names.clone().all(|token| matches!(token, Token::Name(_) | Token::Sign("." | ".?"))) && is_name(tokens.first(), "claims")
    };
    (0..tokens.len()).any(|at| is_whole(at) && is_path(at))
}

/// Returns the texts, one of which the user's `field` must be, begin with or have, if `expression` demands no more than that:
/// `user.username.startsWith("a:")`, `"a" in user.groups`.
pub(super) fn demanded(expression: &str, field: &str) -> Option<Vec<String>> {
    let tokens = tokens(expression);
    let is_bound = |at: usize| is_name(before(&tokens, at, 2), "exists") || is_name(before(&tokens, at, 2), "exists_one");
    let bound = (0..tokens.len()).find(|at| is_bound(*at)).map(|at| &tokens[at]);
    let is_known = |token: &Token| match token {
        Token::Name(name) => ["user", "in", "startsWith", "exists", "exists_one", field].contains(&name.as_str()) || bound == Some(token),
        Token::Text(_) => true,
        Token::Sign(sign) => [".", "[", "]", "(", ")", ",", "==", "&&"].contains(sign),
        Token::Number(_) => false,
    };
    let reads_field = reads_below("user", expression).iter().any(|read| read.path == [field]);
    (reads_field && tokens.iter().all(is_known)).then(|| texts(expression))
}

fn before(tokens: &[Token], at: usize, count: usize) -> Option<&Token> {
    tokens.get(at.checked_sub(count)?)
}

fn is_name(token: Option<&Token>, name: &str) -> bool {
    matches!(token, Some(Token::Name(known)) if known == name)
}

/// Returns the claim that is read at the word `claims`.
fn read(tokens: &[Token], at: usize) -> Option<Read> {
    let mut path = Vec::new();
    let mut next = at + 1;
    loop {
        match (tokens.get(next), tokens.get(next + 1), tokens.get(next + 2)) {
            (Some(Token::Sign("." | ".?")), Some(Token::Name(name)), after) if after != Some(&Token::Sign("(")) => {
                path.push(unescaped(name));
                next += 2;
            }
            (Some(Token::Sign("[" | "[?")), Some(Token::Text(name)), Some(Token::Sign("]"))) => {
                path.push(name.clone());
                next += 3;
            }
            _ => break,
        }
    }
    if path.is_empty() {
        let is_sought = is_name(before(tokens, at, 1), "in");
        return match before(tokens, at, 2) {
            Some(Token::Text(name)) if is_sought => Some(Read {
                path: vec![name.clone()],
                suits: Suits::Anything,
            }),
            _ => None,
        };
    }
    let suits = suits(tokens, at, next);
    Some(Read { path, suits })
}

/// Returns the value that suits the words around a claim, which begins at `at` and ends before `next`.
fn suits(tokens: &[Token], mut at: usize, mut next: usize) -> Suits {
    let mut otherwise = Suits::Anything;
    while let (Some(Token::Sign(".")), Some(Token::Name(name))) = (tokens.get(next), tokens.get(next + 1)) {
        if !["orValue", "value", "hasValue"].contains(&name.as_str()) {
            break;
        }
        // Like `has(…)`, it says nothing about the value.
        if name == "hasValue" {
            return Suits::Anything;
        }
        otherwise = match tokens.get(next + 3) {
            Some(Token::Sign("[")) => Suits::List,
            Some(Token::Text(_)) => Suits::Text,
            token if is_name(token, "true") || is_name(token, "false") => Suits::Boolean,
            _ => otherwise,
        };
        next = closed(tokens, next + 2);
    }
    // `dyn(claims.x)` is the claim itself: without it, API servers refuse to compile `claims.x.map(…)`.
    if is_name(before(tokens, at, 2), "dyn") && tokens.get(next) == Some(&Token::Sign(")")) {
        at -= 2;
        next += 1;
    }
    let is_negated = match before(tokens, at, 1) {
        Some(Token::Sign("(")) => before(tokens, at, 2) == Some(&Token::Sign("!")),
        token => token == Some(&Token::Sign("!")),
    };
    let found = match tokens.get(next) {
        Some(Token::Sign("==")) => literal(tokens.get(next + 1)).map(Suits::Value),
        Some(Token::Sign("!=")) => match literal(tokens.get(next + 1)) {
            Some(Value::Bool(value)) => Some(Suits::Value(json!(!value))),
            Some(Value::String(_)) => Some(Suits::Text),
            _ => None,
        },
        Some(Token::Name(word)) if word == "in" => match (tokens.get(next + 1), literal(tokens.get(next + 2))) {
            (Some(Token::Sign("[")), Some(first)) => Some(Suits::Value(first)),
            _ => None,
        },
        Some(Token::Sign(".")) => match (tokens.get(next + 1), tokens.get(next + 2)) {
            (Some(Token::Name(method)), Some(Token::Sign("("))) => method_suits(tokens, method, next + 3),
            _ => None,
        },
        Some(Token::Sign(sign @ ("<" | ">"))) => match literal(tokens.get(next + 1)).as_ref().and_then(Value::as_i64) {
            Some(number) if *sign == ">" => Some(Suits::Value(json!(number + 1))),
            Some(number) => Some(Suits::Value(json!(number - 1))),
            None => None,
        },
        Some(Token::Sign("+")) => Some(match tokens.get(next + 1) {
            Some(Token::Sign("[")) => Suits::List,
            _ => Suits::Text,
        }),
        _ => None,
    };
    // An item of a list.
    let is_item = before(tokens, at, 1) == Some(&Token::Sign("[")) || tokens.get(next) == Some(&Token::Sign("]"));
    let found = found.or_else(|| match (before(tokens, at, 2), before(tokens, at, 1)) {
        (value, Some(Token::Sign("=="))) => literal(value).map(Suits::Value),
        (Some(Token::Text(text)), Some(Token::Name(word))) if word == "in" => Some(Suits::Member(text.clone())),
        (Some(Token::Text(_)), Some(Token::Sign("+"))) => Some(Suits::Text),
        _ if is_item => Some(Suits::Text),
        (_, before) => {
            let joins = |token: Option<&Token>| matches!(token, Some(Token::Sign("&&" | "||")));
            let is_condition = joins(tokens.get(next)) || joins(before) || tokens.get(next) == Some(&Token::Sign("?"));
            let is_function = is_name(self::before(tokens, at, 2), "has");
            (is_condition && !is_function).then_some(Suits::Boolean)
        }
    });
    let found = found.unwrap_or(otherwise);
    match (is_negated, found) {
        (true, Suits::Value(Value::Bool(value))) => Suits::Value(json!(!value)),
        (true, Suits::Value(Value::String(_))) => Suits::Text,
        (true, Suits::Member(_)) => Suits::List,
        (true, Suits::Boolean) => Suits::Value(json!(false)),
        (_, found) => found,
    }
}

/// Returns the value that suits a call of `method`, whose arguments begin at `at`.
fn method_suits(tokens: &[Token], method: &str, at: usize) -> Option<Suits> {
    if OF_LISTS.contains(&method) {
        // An item is compared with a text: `g == "admins"`, `g in ["admins"]`, `g.startsWith("team-")`.
        let arguments = &tokens[at.min(tokens.len())..closed(tokens, at - 1).max(at).min(tokens.len())];
        let sought = arguments
            .iter()
            .enumerate()
            .find_map(|(index, token)| match (token, arguments.get(index + 1)) {
                (Token::Sign("=="), Some(Token::Text(text))) => Some(text.clone()),
                (Token::Name(word), Some(Token::Sign("["))) if word == "in" => match arguments.get(index + 2) {
                    Some(Token::Text(text)) => Some(text.clone()),
                    _ => None,
                },
                (Token::Name(word), Some(Token::Sign("("))) if word == "startsWith" => match arguments.get(index + 2) {
                    Some(Token::Text(text)) => Some(format!("{text}a")),
                    _ => None,
                },
                _ => None,
            });
        let is_negated = arguments.iter().any(|token| matches!(token, Token::Sign("!" | "!=")));
        return Some(match sought {
            Some(text) if method.starts_with("exists") => Suits::Member(text),
            Some(text) if method == "all" && !is_negated => Suits::Value(json!([text])),
            _ => Suits::List,
        });
    }
    let argument = match tokens.get(at) {
        Some(Token::Text(text)) => Some(text),
        _ => None,
    };
    match (method, argument) {
        ("startsWith", Some(text)) => Some(Suits::Value(json!(format!("{text}a")))),
        ("endsWith", Some(text)) => Some(Suits::Value(json!(format!("alice{text}")))),
        ("contains", Some(text)) => Some(Suits::Value(json!(text))),
        _ => OF_TEXTS.contains(&method).then_some(Suits::Text),
    }
}

/// Returns the place behind the parenthesis that closes the one at `at`.
fn closed(tokens: &[Token], at: usize) -> usize {
    let mut depth = 0_usize;
    for (index, token) in tokens.iter().enumerate().skip(at) {
        match token {
            Token::Sign("(") => depth += 1,
            Token::Sign(")") if depth <= 1 => return index + 1,
            Token::Sign(")") => depth -= 1,
            _ => {}
        }
    }
    tokens.len()
}

fn literal(token: Option<&Token>) -> Option<Value> {
    match token? {
        Token::Text(text) => Some(json!(text)),
        Token::Number(number) => serde_json::from_str(number).ok(),
        Token::Name(word) if word == "true" => Some(json!(true)),
        Token::Name(word) if word == "false" => Some(json!(false)),
        _ => None,
    }
}

/// Returns the name behind CEL's escapes (kubernetes/apiserver `pkg/cel/escaping.go`).
fn unescaped(name: &str) -> String {
    let escapes = [("__dot__", "."), ("__dash__", "-"), ("__slash__", "/"), ("__underscores__", "__")];
    escapes
        .iter()
        .fold(name.to_owned(), |name, (escape, plain)| name.replace(escape, plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_and_the_values_that_suit_are_found_in_expressions() {
        let value = |value: Value| Suits::Value(value);
        for (expression, expected) in [
            ("claims.sub", vec![("sub", Suits::Anything)]),
            ("'true'", vec![]),
            ("\"claims.sub\" + 'claims.x'", vec![]),
            ("'oidc:' + claims.sub", vec![("sub", Suits::Text)]),
            ("claims.hd == \"example.com\"", vec![("hd", value(json!("example.com")))]),
            ("'example.com' == claims['hd']", vec![("hd", value(json!("example.com")))]),
            ("claims.hd != 'example.com'", vec![("hd", Suits::Text)]),
            (
                "claims.email_verified == true ? claims.email : claims.sub",
                vec![
                    ("email_verified", value(json!(true))),
                    ("email", Suits::Anything),
                    ("sub", Suits::Anything),
                ],
            ),
            (
                "claims.?email_verified.orValue(true) == true",
                vec![("email_verified", value(json!(true)))],
            ),
            ("claims.?groups.orValue([])", vec![("groups", Suits::List)]),
            (
                "claims.groups.exists(g, g == 'admins')",
                vec![("groups", Suits::Member("admins".to_owned()))],
            ),
            ("!claims.groups.exists(g, g == 'contractors')", vec![("groups", Suits::List)]),
            ("!dyn(claims.groups).exists(g, g == 'contractors')", vec![("groups", Suits::List)]),
            (
                "dyn(claims.?groups.orValue([])).exists(g, g == 'admins')",
                vec![("groups", Suits::Member("admins".to_owned()))],
            ),
            ("!(claims.hd == 'a')", vec![("hd", Suits::Text)]),
            ("'admins' in claims.groups", vec![("groups", Suits::Member("admins".to_owned()))]),
            ("claims.hd in ['a', 'b']", vec![("hd", value(json!("a")))]),
            ("claims.sub.startsWith('repo:acme/')", vec![("sub", value(json!("repo:acme/a")))]),
            ("claims.roles.split(',')", vec![("roles", Suits::Text)]),
            (
                "claims.realm_access.roles.map(r, 'kc:' + r)",
                vec![("realm_access/roles", Suits::List)],
            ),
            (
                "claims[\"https://example.com/roles\"] + ['a']",
                vec![("https://example.com/roles", Suits::List)],
            ),
            (
                "has(claims.groups) ? claims.groups : []",
                vec![("groups", Suits::Anything), ("groups", Suits::Anything)],
            ),
            ("'groups' in claims", vec![("groups", Suits::Anything)]),
            ("claims.?org.hasValue() && true", vec![("org", Suits::Anything)]),
            (
                "claims.active && claims.level >= 3",
                vec![("active", Suits::Boolean), ("level", value(json!(4)))],
            ),
            (
                "claims.kubernetes__dot__io.namespace == r'a\\b'",
                vec![("kubernetes.io/namespace", value(json!("a\\b")))],
            ),
            ("[claims.org, 'a']", vec![("org", Suits::Text)]),
            (
                "claims.groups.all(g, g.startsWith('eng-'))",
                vec![("groups", value(json!(["eng-a"])))],
            ),
            ("claims.groups.all(g, !g.startsWith('system:'))", vec![("groups", Suits::List)]),
            ("user.claims.x", vec![]),
            ("claims", vec![]),
            ("claims.x ==", vec![("x", Suits::Anything)]),
            ("claims.x.exists(", vec![("x", Suits::List)]),
            ("claims['x", vec![]),
        ] {
            let found: Vec<(String, Suits)> = reads(expression)
                .into_iter()
                .map(|read| (read.path.join("/"), read.suits))
                .collect();
            let expected: Vec<(String, Suits)> = expected.into_iter().map(|(path, suits)| (path.to_owned(), suits)).collect();
            assert_eq!(found, expected, "{expression}");
        }
    }

    #[test]
    fn fields_of_the_user_and_what_is_demanded_of_them_are_found() {
        for (expression, path, suits, demands) in [
            (
                "user.groups.exists(g, g == 'admins')",
                "groups",
                Suits::Member("admins".to_owned()),
                Some(vec!["admins"]),
            ),
            ("'x' in user.groups", "groups", Suits::Member("x".to_owned()), Some(vec!["x"])),
            (
                "user.username.endsWith('@a.example')",
                "username",
                Suits::Value(json!("alice@a.example")),
                None,
            ),
            (
                "user.username.startsWith('a:')",
                "username",
                Suits::Value(json!("a:a")),
                Some(vec!["a:"]),
            ),
            ("!user.username.startsWith('system:')", "username", Suits::Text, None),
            (
                "user.username == 'a' || user.username == 'b'",
                "username",
                Suits::Value(json!("a")),
                None,
            ),
        ] {
            let read = reads_of_user(expression).remove(0);
            assert_eq!((read.path.join("/"), read.suits), (path.to_owned(), suits), "{expression}");
            let texts = demanded(expression, path);
            let texts: Option<Vec<&str>> = texts.as_ref().map(|texts| texts.iter().map(String::as_str).collect());
            assert_eq!(texts, demands, "{expression}");
        }
    }
}
