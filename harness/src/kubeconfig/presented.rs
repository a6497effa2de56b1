//! The credentials and headers that a context presents with each request, except those of a plugin (client-go `transport/round_trippers.go`).

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{ClientConfig, Impersonate};
use crate::credential::Credential;
use crate::pki::Leaf;
use crate::secret::Secret;

impl ClientConfig {
    /// Returns the user's own credentials: the certificate, and one of the others.
    #[must_use]
    pub fn credentials(&self) -> Vec<Credential> {
        let user = &self.user;
        let certificate = user.certificate.clone().zip(user.key.clone());
        let certificate = certificate.map(|(certificate, key)| {
            Credential::Certificate(Leaf {
                certificate,
                chain: String::new(),
                key,
            })
        });
        let basic = user.basic.as_ref().map(|(name, password)| {
            let pair = STANDARD.encode(format!("{name}:{}", password.expose()));
            Credential::Authorization(Secret::new(format!("Basic {pair}")))
        });
        let token = user.token.as_ref().or_else(|| user.id_token()).cloned().map(Credential::Token);
        certificate.into_iter().chain(token.or(basic)).collect()
    }
}

impl Impersonate {
    /// Returns the headers that ask for the identity; none without a user.
    #[must_use]
    pub fn headers(&self) -> Vec<(String, String)> {
        let Some(user) = &self.user else { return Vec::new() };
        let header = |name: &str, value: &String| (format!("Impersonate-{name}"), value.clone());
        let uid = self.uid.iter().map(|uid| header("Uid", uid));
        let groups = self.groups.iter().map(|group| header("Group", group));
        let extra = self.extra.iter().flat_map(|(key, values)| {
            let name = format!("Extra-{}", escaped(key));
            values.iter().map(move |value| header(&name, value))
        });
        let user = std::iter::once(header("User", user));
        user.chain(uid).chain(groups).chain(extra).collect()
    }
}

/// Escapes a key of the extra fields as a part of a header's name (`headerKeyEscape`).
fn escaped(key: &str) -> String {
    let mut escaped = String::new();
    for byte in key.bytes() {
        if byte.is_ascii_alphanumeric() || b"!#$&'*+-.^_`|~".contains(&byte) {
            escaped.push(byte as char);
        } else {
            let _infallible = write!(escaped, "%{byte:02X}");
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_parts_of_an_impersonated_identity_are_headers() {
        let whole = Impersonate {
            user: Some("alice".to_owned()),
            uid: Some("7".to_owned()),
            groups: vec!["dev".to_owned(), "ops".to_owned()],
            extra: [("authentication.kubernetes.io/credential-id".to_owned(), vec!["JTI=1".to_owned()])].into(),
        };
        let headers = whole.headers();
        let headers: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(
            headers,
            [
                ("Impersonate-User", "alice"),
                ("Impersonate-Uid", "7"),
                ("Impersonate-Group", "dev"),
                ("Impersonate-Group", "ops"),
                ("Impersonate-Extra-authentication.kubernetes.io%2Fcredential-id", "JTI=1"),
            ]
        );
        assert!(Impersonate::default().headers().is_empty());
        assert_eq!(escaped("a%b ü"), "a%25b%20%C3%BC");
    }

    #[test]
    fn a_certificate_is_presented_beside_a_token_and_one_header_alone() {
        let mut config = ClientConfig::default();
        config.user.certificate = Some("PEM".to_owned());
        config.user.key = Some(Secret::new("KEY"));
        config.user.basic = Some(("a".to_owned(), Secret::new("b")));
        let shown = |config: &ClientConfig| config.credentials().iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(shown(&config), ["a client certificate", "an Authorization header"]);
        config.user.token = Some(Secret::new("t"));
        assert_eq!(shown(&config), ["a client certificate", "a bearer token"]);
    }
}
