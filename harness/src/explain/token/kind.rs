//! The kind of a bearer token, by its form alone: before it is compared with anything, one has to know whose token it is.
//!
//! The main type is [`Kind`].

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use serde_json::Value;

use super::eks::Eks;
use crate::jwt::Jwt;

/// The kind of a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A JSON Web Token in compact form, as issuers and API servers make them.
    Jwt(Box<Jwt>),
    /// A JSON Web Token with a part that is not unpadded base64url.
    Encoded(Encoding),
    /// Something around a token: the text that is really meant is inside.
    Wrapped(Wrapping),
    /// An encrypted token (RFC 7516): five parts.
    Encrypted,
    /// A presigned request to AWS, for EKS and whoever else runs aws-iam-authenticator.
    Eks(Result<Eks, &'static str>),
    /// A token of OpenShift's own OAuth server.
    OpenShift,
    /// A token of Rancher, with the name of its object.
    Rancher(String),
    /// An access token of Google.
    Google,
    /// A bootstrap token, with its id.
    Bootstrap(String),
    /// No text at all.
    Empty,
    /// Three parts with dots between them that are no JSON Web Token.
    Garbled,
    /// Any other text.
    Opaque,
}

/// A flaw in the encoding of a JSON Web Token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// A part ends in `=`.
    Padded,
    /// A part is in the alphabet with `+` and `/`.
    Standard,
    /// The whole token is in base64 once more, as in the `data` of a Secret.
    Twice,
}

/// Text around a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrapping {
    /// Quotation marks.
    Quotes,
    /// The scheme of the header.
    Scheme,
    /// White space in the middle.
    Whitespace,
    /// A whole ExecCredential or token response, in JSON.
    Json,
}

impl Kind {
    /// Returns the kind of `token`, a header's value after the scheme, or a file's text.
    #[must_use]
    pub fn of(token: &str) -> Self {
        let token = token.trim();
        if token.is_empty() {
            return Self::Empty;
        }
        if let Ok(jwt) = Jwt::parse(token) {
            return Self::Jwt(Box::new(jwt));
        }
        if let Some(wrapping) = wrapping(token) {
            return Self::Wrapped(wrapping);
        }
        if let Some(request) = token.strip_prefix(super::eks::PREFIX) {
            return Self::Eks(Eks::parse(request));
        }
        if token.starts_with("sha256~") {
            return Self::OpenShift;
        }
        if token.starts_with("ya29.") {
            return Self::Google;
        }
        if let Some((name, _)) = token.split_once(':')
            && (name.starts_with("kubeconfig-") || name.starts_with("token-"))
        {
            return Self::Rancher(name.to_owned());
        }
        if let Some(id) = bootstrap(token) {
            return Self::Bootstrap(id.to_owned());
        }
        of_parts(token)
    }
}

fn of_parts(token: &str) -> Kind {
    let parts: Vec<&str> = token.split('.').collect();
    match parts.len() {
        5 if header(parts[0]).is_some_and(|header| header.get("enc").is_some()) => Kind::Encrypted,
        3 => encoding(&parts).map_or(Kind::Garbled, Kind::Encoded),
        1 if is_encoded(token) => Kind::Encoded(Encoding::Twice),
        _ => Kind::Opaque,
    }
}

/// Returns `true` if `text` is a JSON Web Token in base64.
fn is_encoded(text: &str) -> bool {
    let decoded = STANDARD_NO_PAD.decode(text.trim_end_matches('='));
    decoded.is_ok_and(|bytes| std::str::from_utf8(&bytes).is_ok_and(|token| Jwt::parse(token.trim()).is_ok()))
}

/// Returns the header of a token in compact form, if it is one.
fn header(part: &str) -> Option<Value> {
    let header: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()?;
    header.is_object().then_some(header)
}

/// Returns the flaw in the encoding of `parts`, if they are a JSON Web Token without it.
fn encoding(parts: &[&str]) -> Option<Encoding> {
    let bare: Vec<&str> = parts.iter().map(|part| part.trim_end_matches('=')).collect();
    if Jwt::parse(&bare.join(".")).is_ok() {
        return Some(Encoding::Padded);
    }
    let decoded: Option<Vec<String>> = bare
        .iter()
        .map(|part| Some(URL_SAFE_NO_PAD.encode(STANDARD_NO_PAD.decode(part).ok()?)))
        .collect();
    Jwt::parse(&decoded?.join(".")).ok().map(|_| Encoding::Standard)
}

fn wrapping(token: &str) -> Option<Wrapping> {
    if token.starts_with('{') {
        return Some(Wrapping::Json);
    }
    if token.starts_with(['"', '\'', '`']) {
        return Some(Wrapping::Quotes);
    }
    let first = token.split_whitespace().next().filter(|first| first.len() < token.len())?;
    Some(if first.eq_ignore_ascii_case("bearer") {
        Wrapping::Scheme
    } else {
        Wrapping::Whitespace
    })
}

/// Returns the id of a bootstrap token (k8s.io/cluster-bootstrap `token/api/types.go`, `BootstrapTokenPattern`).
fn bootstrap(token: &str) -> Option<&str> {
    let (id, secret) = token.split_once('.')?;
    let plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    (id.len() == 6 && secret.len() == 16 && plain(id) && plain(secret)).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    const JWT: &str = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.c2ln";

    #[test]
    fn a_token_is_known_by_its_form() {
        assert!(matches!(Kind::of(JWT), Kind::Jwt(_)));
        assert!(matches!(Kind::of(&format!("{JWT}\n")), Kind::Jwt(_)));
        for (text, kind) in [
            ("", Kind::Empty),
            ("not.a.token", Kind::Garbled),
            ("static-token", Kind::Opaque),
            ("a.b", Kind::Opaque),
            ("sha256~0123456789abcdef0123456789abcdef0123456789a", Kind::OpenShift),
            (
                "kubeconfig-user-abcde:0123456789",
                Kind::Rancher("kubeconfig-user-abcde".to_owned()),
            ),
            ("token-abcde:0123456789", Kind::Rancher("token-abcde".to_owned())),
            ("ya29.a0Example", Kind::Google),
            ("07401b.f395accd246ae52d", Kind::Bootstrap("07401b".to_owned())),
            ("07401B.f395accd246ae52d", Kind::Opaque),
            ("07401b.f395accd246ae52", Kind::Opaque),
            ("eyJhbGciOiJSU0EtT0FFUCIsImVuYyI6IkEyNTZHQ00ifQ.a.b.c.d", Kind::Encrypted),
            ("a.b.c.d.e", Kind::Opaque),
            ("k8s-aws-v1.???", Kind::Eks(Err("it is not base64url"))),
        ] {
            assert_eq!(Kind::of(text), kind, "{text}");
        }
    }

    #[test]
    fn what_is_around_or_in_a_token_is_found() {
        for (text, wrapping) in [
            (format!("\"{JWT}\""), Wrapping::Quotes),
            (format!("'{JWT}'"), Wrapping::Quotes),
            (format!("Bearer {JWT}"), Wrapping::Scheme),
            (format!("bearer  {JWT}"), Wrapping::Scheme),
            (JWT.replace('.', ".\n"), Wrapping::Whitespace),
            (format!("{{\"id_token\":\"{JWT}\"}}"), Wrapping::Json),
        ] {
            assert_eq!(Kind::of(&text), Kind::Wrapped(wrapping), "{text}");
        }
        let padded = JWT.replace("fQ.", "fQ==.").replace("J9.", "J9==.");
        assert_eq!(Kind::of(&padded), Kind::Encoded(Encoding::Padded), "{padded}");
        // {"alg":"RS256","x":"?~?"} has a part with a slash in the standard alphabet.
        let header = base64::engine::general_purpose::STANDARD_NO_PAD.encode(br#"{"alg":"RS256","x":"?~?~?"}"#);
        assert!(header.contains(['+', '/']), "{header}");
        let standard = JWT.replacen("eyJhbGciOiJSUzI1NiJ9", &header, 1);
        assert_eq!(Kind::of(&standard), Kind::Encoded(Encoding::Standard));
        for text in [JWT.to_owned(), format!("{JWT}\n")] {
            let twice = base64::engine::general_purpose::STANDARD.encode(text);
            assert_eq!(Kind::of(&twice), Kind::Encoded(Encoding::Twice), "{twice}");
        }
        assert_eq!(Kind::of(&STANDARD_NO_PAD.encode("static-token")), Kind::Opaque);
    }
}
