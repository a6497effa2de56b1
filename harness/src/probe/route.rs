//! The way that kubectl takes to a server. The main type is [`Route`].

use std::time::Duration;

use reqwest::Url;
use rustls::pki_types::ServerName;

use super::proxy::{Proxy, ProxyError};
use crate::kubeconfig::{ClusterConfig, Place, without_user};
use crate::tls::{Roots, Trust};

/// The time limit of a request, if nothing else is said.
pub(super) const LIMIT: Duration = Duration::from_secs(30);

/// The way to a server: everything beside its host that a kubeconfig and the environment say about it.
#[derive(Clone, Debug)]
pub struct Route {
    /// `true` for `http://`, and for an address without a scheme: no TLS, and no credential but impersonation, since kubectl reads credentials for TLS only
    /// (client-go `tools/clientcmd/client_config.go` `ClientConfig`).
    pub plain: bool,
    /// The host, without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
    /// Host and port as they stand in the address, for the header `Host`.
    pub given: String,
    /// The path of the address, which precedes that of every request; without a slash at its end.
    pub path: String,
    /// The name to send and to expect instead of the host, verbatim.
    pub tls_server_name: Option<String>,
    /// The proxy.
    pub proxy: Option<Proxy>,
    /// The CAs of the server's certificate.
    pub trust: Trust,
    /// The place of the cluster in the kubeconfig.
    pub place: Option<Place>,
    /// The time limit of a request.
    pub limit: Duration,
}

/// The reason for which kubectl does not even connect. The words are kubectl's own, as far as it has some.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RouteError {
    /// There is no address.
    #[error("no server found for cluster {0:?}")]
    NoServer(String),
    /// The address cannot be read.
    #[error("the server's address {url:?} cannot be used: {why}")]
    Address {
        /// The address.
        url: String,
        /// The reason.
        why: String,
    },
    /// The proxy's address cannot be used.
    #[error("invalid 'proxy-url' {url:?} for cluster {cluster:?}: {why}")]
    Proxy {
        /// The proxy's address, without a password.
        url: String,
        /// The name of the cluster.
        cluster: String,
        /// The reason.
        why: ProxyError,
    },
    /// A CA is given, and the certificate is not to be verified.
    #[error("specifying a root certificates file with the insecure flag is not allowed")]
    AuthorityUnused,
    /// The CA is not a certificate.
    #[error("unable to load root certificates: unable to parse bytes as PEM block")]
    Authority,
    /// `tls-server-name` is no name.
    #[error("tls-server-name {0:?} is not a host name")]
    ServerName(String),
    /// kubectl would go a way that this program does not know.
    #[error("authlab cannot go the way that kubectl goes: {0}")]
    Unsupported(String),
}

impl Route {
    /// Returns the way to a cluster, as kubectl goes it (client-go `tools/clientcmd`, `rest/url_utils.go`, `transport`): by the kubeconfig's
    /// proxy, else by that of the environment.
    ///
    /// # Errors
    /// kubectl would not connect, or go a way that this program does not know.
    pub fn of(cluster: &ClusterConfig, environment: &dyn Fn(&str) -> Option<String>) -> Result<Self, RouteError> {
        if cluster.server.is_empty() {
            return Err(RouteError::NoServer(cluster.name.clone()));
        }
        let authority = cluster.authority.as_deref().filter(|pem| !pem.is_empty());
        if authority.is_some() && cluster.insecure_skip_tls_verify {
            return Err(RouteError::AuthorityUnused);
        }
        let (url, given) = address(&cluster.server)?;
        let plain = url.scheme() == "http";
        let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        let port = url.port_or_known_default().unwrap_or(443);
        let trust = match authority {
            Some(pem) if Roots::read(pem).is_empty() => return Err(RouteError::Authority),
            Some(pem) => Trust::Authorities(pem.to_owned()),
            None if cluster.insecure_skip_tls_verify => Trust::Unverified,
            None => Trust::System,
        };
        let proxy = match cluster.proxy_url.as_deref().filter(|url| !url.is_empty()) {
            Some(url) => Some(Proxy::of_kubeconfig(url).map_err(|why| RouteError::Proxy {
                url: without_user(url),
                cluster: cluster.name.clone(),
                why,
            })?),
            None => Proxy::of_environment(plain, &host, port, environment),
        };
        if plain && proxy.is_some() {
            return Err(RouteError::Unsupported(format!(
                "the address {} is http, and asked by a proxy",
                without_user(&cluster.server)
            )));
        }
        let route = Self {
            plain,
            host,
            port,
            given,
            path: clean(url.path()),
            tls_server_name: cluster.tls_server_name.clone().filter(|name| !name.is_empty()),
            proxy,
            trust,
            place: cluster.place.clone(),
            limit: LIMIT,
        };
        if let Some(name) = &route.tls_server_name
            && route.server_name().is_none()
        {
            return Err(RouteError::ServerName(name.clone()));
        }
        Ok(route)
    }

    /// Returns the name that the server's certificate has to have, as it was given.
    #[must_use]
    pub fn expected_name(&self) -> &str {
        self.tls_server_name.as_deref().unwrap_or(&self.host)
    }

    /// Returns host and port, as in an address.
    #[must_use]
    pub fn authority(&self) -> String {
        authority(&self.host, self.port)
    }

    pub(super) fn server_name(&self) -> Option<ServerName<'static>> {
        server_name(self.expected_name())
    }
}

/// Returns the name for TLS. Go leaves out the dot at its end (`crypto/tls` `hostnameInSNI`).
pub(super) fn server_name(name: &str) -> Option<ServerName<'static>> {
    ServerName::try_from(name.trim_end_matches('.').to_owned()).ok()
}

/// Returns host and port, as in an address.
pub(super) fn authority(host: &str, port: u16) -> String {
    if host.contains(':') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    }
}

/// Reads an address as client-go's `rest.DefaultServerURL`. Without a scheme it is http: kubectl reads the CA only after it has seen TLS
/// (`tools/clientcmd/client_config.go` `ClientConfig`). The second part of the result is host and port, verbatim.
fn address(server: &str) -> Result<(Url, String), RouteError> {
    let wrong = |why: &str| RouteError::Address {
        url: without_user(server),
        why: why.to_owned(),
    };
    if server.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(wrong("it has a blank in it"));
    }
    let has_scheme = server
        .split_once("://")
        .is_some_and(|(scheme, _)| !scheme.is_empty() && scheme.chars().all(|c| c.is_ascii_alphanumeric()));
    let whole = if has_scheme {
        server.to_owned()
    } else {
        format!("http://{server}")
    };
    let url = Url::parse(&whole).map_err(|error| wrong(&error.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(wrong(&format!("unsupported protocol scheme {:?}", url.scheme())));
    }
    if !has_scheme && !matches!(url.path(), "" | "/") {
        return Err(wrong("host must be a URL or a host:port pair"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(RouteError::Unsupported(
            "the address has a user name in it, which kubectl sends as a basic credential instead of the one of the user".to_owned(),
        ));
    }
    if server.contains('@') {
        return Err(RouteError::Unsupported(
            "the address has an @ behind its host: in a password, a slash has to be written as %2F".to_owned(),
        ));
    }
    let behind = whole.split_once("://").map_or(whole.as_str(), |(_, rest)| rest);
    let given = behind.split(['/', '?', '#']).next().unwrap_or_default().to_owned();
    Ok((url, given))
}

/// Cleans a path as Go's `path.Join("/", …)`.
fn clean(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.iter().fold(String::new(), |path, part| path + "/" + part)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(server: &str) -> Result<Route, RouteError> {
        let cluster = ClusterConfig {
            name: "c".to_owned(),
            server: server.to_owned(),
            insecure_skip_tls_verify: true,
            ..ClusterConfig::default()
        };
        Route::of(&cluster, &|_| None)
    }

    #[test]
    fn an_address_has_host_port_and_path() {
        for (server, host, port, path) in [
            ("https://127.0.0.1:6443", "127.0.0.1", 6443, ""),
            ("https://api.test/", "api.test", 443, ""),
            ("HTTPS://Api.Test:8443", "api.test", 8443, ""),
            (
                "https://rancher.test/k8s/clusters/c-m-1",
                "rancher.test",
                443,
                "/k8s/clusters/c-m-1",
            ),
            (
                "https://rancher.test:8443/k8s//clusters/c-m-1/?a=b#c",
                "rancher.test",
                8443,
                "/k8s/clusters/c-m-1",
            ),
            ("https://[fd00::1]:6443", "fd00::1", 6443, ""),
            ("https://[fd00::1]", "fd00::1", 443, ""),
        ] {
            let route = route(server).expect(server);
            assert_eq!(
                (route.host.as_str(), route.port, route.path.as_str()),
                (host, port, path),
                "{server}"
            );
            assert!(!route.plain && route.server_name().is_some(), "{server}");
        }
        assert_eq!(route("https://[fd00::1]:6443").expect("an address").authority(), "[fd00::1]:6443");
        // Go sends the header as the address has it.
        for (server, given) in [
            ("https://api.test/x", "api.test"),
            ("https://api.test:443", "api.test:443"),
            ("https://api.test?a", "api.test"),
        ] {
            assert_eq!(route(server).expect(server).given, given);
        }
        for (server, port) in [
            ("http://127.0.0.1:8001/", 8001),
            ("api.test:6443", 6443),
            ("localhost:6443", 6443),
            ("api.test", 80),
        ] {
            let route = route(server).expect(server);
            assert_eq!((route.plain, route.port), (true, port), "{server}");
        }
    }

    #[test]
    fn what_kubectl_does_not_take_is_no_way() {
        assert_eq!(route("").unwrap_err(), RouteError::NoServer("c".to_owned()));
        for wrong in [
            "https://api.test:port",
            "https:// api.test",
            "ftp://api.test",
            "api.test/path",
            "https://",
        ] {
            assert!(matches!(route(wrong), Err(RouteError::Address { .. })), "{wrong}");
        }
        for hidden in [
            "https://u:hunter2@api.test",
            "https://u:hunter2/x@api.test",
            "https://u:1234/hunter2@api.test",
            "u:hunter2@api.test",
            "ftp://u:hunter2@api.test",
            "https:// u:hunter2@api.test",
            "hunter2://x@api.test",
        ] {
            let error = route(hidden).unwrap_err();
            assert!(!error.to_string().contains("hunter2@"), "{error}");
            assert!(!error.to_string().contains("u:"), "{error}");
        }
        assert!(matches!(route("https://u:p@api.test"), Err(RouteError::Unsupported(_))));
        assert!(matches!(route("https://u:1234/x@api.test"), Err(RouteError::Unsupported(_))));
        let cluster = |authority: &str, insecure, name: &str| ClusterConfig {
            server: "https://api.test".to_owned(),
            authority: Some(authority.to_owned()),
            insecure_skip_tls_verify: insecure,
            tls_server_name: Some(name.to_owned()),
            ..ClusterConfig::default()
        };
        let of = |cluster: &ClusterConfig| Route::of(cluster, &|_| None).unwrap_err();
        assert_eq!(of(&cluster("x", true, "")), RouteError::AuthorityUnused);
        assert_eq!(of(&cluster("x", false, "")), RouteError::Authority);
        let mut named = cluster("", false, "no name");
        named.authority = None;
        assert_eq!(of(&named), RouteError::ServerName("no name".to_owned()));
        let mut proxied = cluster("", false, "");
        proxied.proxy_url = Some("proxy.test:3128".to_owned());
        assert_eq!(
            of(&proxied).to_string(),
            r#"invalid 'proxy-url' "proxy.test:3128" for cluster "": unsupported scheme "proxy.test", must be http, https, or socks5"#
        );
        for url in [
            "http://u:secret@proxy.test:port",
            "http://u:secret/x@proxy.test:3128",
            "secret:x@proxy.test",
        ] {
            proxied.proxy_url = Some(url.to_owned());
            assert!(!of(&proxied).to_string().contains("secret"), "{url}");
        }
    }
}
