//! The request that kubectl would send, for people to read before it is sent. The main type is [`Sent`].

use std::fmt;

use serde::Serialize;

use crate::credential::{Credential, Presentation};
use crate::jwt::Jwt;
use crate::pem;
use crate::pki::Holder;
use crate::probe::{Endpoint, Question, Route};
use crate::tls::Trust;

/// A request, without its secrets.
#[derive(Clone, Debug, Serialize)]
pub struct Sent {
    /// The method.
    pub method: String,
    /// The whole address.
    pub url: String,
    /// How the server's certificate is verified.
    pub server_certificate: String,
    /// The proxy on the way, without its password.
    pub proxy: Option<String>,
    /// The client certificate.
    pub client_certificate: Option<String>,
    /// The headers that identify the caller, secrets replaced by a description.
    pub headers: Vec<(String, String)>,
    /// The exec plugin that would be run first.
    pub plugin: Option<String>,
}

impl Sent {
    /// Returns the request for the caller's identity at `endpoint`, presenting `credential`, after running `plugin`, which kubectl runs
    /// only for addresses with TLS.
    #[must_use]
    pub fn new(endpoint: &Endpoint, credential: &Credential, plugin: Option<String>) -> Self {
        let question = Question::who_am_i();
        let Presentation { certificate, headers } = endpoint.presented(credential);
        let (url, server_certificate, proxy) = match &endpoint.route {
            Some(route) => (address(route), trust(route), route.proxy.as_ref().map(ToString::to_string)),
            None => (endpoint.url.clone(), "signed by the lab's own authority".to_owned(), None),
        };
        Self {
            method: question.method.to_string(),
            url: format!("{url}{}", question.path),
            server_certificate,
            proxy,
            client_certificate: certificate.map(|leaf| described(&leaf.certificate)),
            headers: headers
                .iter()
                .map(|(name, value)| (name.clone(), shown(name, value.expose())))
                .collect(),
            plugin: plugin.filter(|_| !endpoint.is_plain()),
        }
    }
}

/// Returns the address that precedes the path of every request.
fn address(route: &Route) -> String {
    let scheme = if route.plain { "http" } else { "https" };
    format!("{scheme}://{}{}", route.authority(), route.path)
}

/// Returns in words what the server's certificate has to be.
fn trust(route: &Route) -> String {
    let name = route.expected_name();
    match &route.trust {
        _ if route.plain => "none: the connection is not encrypted".to_owned(),
        Trust::Authorities(_) => format!("for {name:?}, signed by the kubeconfig's certificate authority"),
        Trust::System => format!("for {name:?}, signed by one of the system's certificate authorities"),
        Trust::Unverified => "not verified (insecure-skip-tls-verify)".to_owned(),
    }
}

/// Describes a certificate by the user and the groups that it names.
fn described(text: &str) -> String {
    let block = pem::first(text).ok();
    let certificate = block.as_ref().and_then(|block| block.parse_x509().ok());
    match certificate.and_then(|certificate| Holder::read(certificate.subject()).ok()) {
        Some(holder) => format!("of the user {:?}, in the groups {:?}", holder.user, holder.groups),
        None => "(cannot be read)".to_owned(),
    }
}

/// Returns a header's value as it may be shown: impersonation is public, everything else is described.
fn shown(name: &str, value: &str) -> String {
    if name.to_ascii_lowercase().starts_with("impersonate-") {
        return value.to_owned();
    }
    match value.split_once(' ') {
        Some(("Bearer", token)) => match Jwt::parse(token.trim()) {
            Ok(jwt) => {
                let claim = |name: &str| jwt.claims.get(name).and_then(serde_json::Value::as_str).unwrap_or("none");
                format!("Bearer (a JWT of the issuer {}, for the subject {})", claim("iss"), claim("sub"))
            }
            Err(_) => format!("Bearer (a token of {} bytes that is not a JWT)", token.len()),
        },
        Some((scheme, _)) => format!("{scheme} (hidden)"),
        None => "(hidden)".to_owned(),
    }
}

impl fmt::Display for Sent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(plugin) = &self.plugin {
            writeln!(f, "Runs {plugin} first, and presents what it prints.")?;
        }
        writeln!(f, "{} {}", self.method, self.url)?;
        writeln!(f, "  server certificate: {}", self.server_certificate)?;
        if let Some(proxy) = &self.proxy {
            writeln!(f, "  proxy: {proxy}")?;
        }
        match &self.client_certificate {
            Some(certificate) => writeln!(f, "  client certificate: {certificate}")?,
            None if self.headers.is_empty() && self.plugin.is_none() => writeln!(f, "  no credential")?,
            None => {}
        }
        for (name, value) in &self.headers {
            writeln!(f, "  {name}: {value}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explain::answer::tests::token;
    use crate::kubeconfig::ClusterConfig;

    #[test]
    fn without_tls_neither_a_credential_nor_a_plugin_is_in_the_request() {
        let acting = Credential::of(vec![token()], vec![("Impersonate-User".to_owned(), "bob".to_owned())]);
        let sent = |server: &str| {
            let cluster = ClusterConfig {
                server: server.to_owned(),
                ..ClusterConfig::default()
            };
            Sent::new(
                &Endpoint::kubectl(&cluster).expect("an endpoint"),
                &acting,
                Some("a-plugin".to_owned()),
            )
            .to_string()
        };
        assert_eq!(
            sent("http://api.test:8001"),
            "POST http://api.test:8001/apis/authentication.k8s.io/v1/selfsubjectreviews\n  server certificate: none: the connection is not \
             encrypted\n  Impersonate-User: bob\n"
        );
        let secure = sent("https://api.test:6443");
        for part in [
            "Runs a-plugin first",
            "Authorization: Bearer (a token of 5 bytes that is not a JWT)",
            "Impersonate-User: bob",
        ] {
            assert!(secure.contains(part), "{part}: {secure}");
        }
    }
}
