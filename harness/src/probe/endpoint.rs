//! The target of a request, and what is sent to it. The main type is [`Endpoint`].

use std::path::PathBuf;

use super::route::{Route, RouteError};
use crate::cluster::ApiServer;
use crate::credential::{Credential, Presentation};
use crate::event::Exchanges;
use crate::kubeconfig::{ClusterConfig, without_user};

/// The target of a request: an API server itself, or a server in front of it.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// Its name in reports.
    pub name: String,
    /// Its address.
    pub url: String,
    /// The CA of its serving certificate, PEM.
    pub authority: String,
    /// The way that kubectl takes; `None`: directly, trusting `authority` alone.
    pub route: Option<Route>,
    /// The API server behind it, whose record proves the response.
    pub server: ApiServer,
    /// The receiver of the requests and responses at this endpoint.
    pub exchanges: Exchanges,
}

impl Endpoint {
    /// Returns the API server's own endpoint.
    pub fn of(server: &ApiServer) -> Self {
        Self {
            name: server.name.clone(),
            url: server.url.clone(),
            authority: server.serving_authority.clone(),
            route: None,
            server: server.clone(),
            exchanges: Exchanges::default(),
        }
    }

    /// Returns the endpoint that kubectl asks for a cluster, with the proxy of this process's environment. Its logs are unknown.
    ///
    /// # Errors
    /// kubectl would not connect, or go a way that this program does not know.
    pub fn kubectl(cluster: &ClusterConfig) -> Result<Self, RouteError> {
        let route = Route::of(cluster, &|name| std::env::var(name).ok())?;
        let server = ApiServer {
            name: "server".to_owned(),
            url: without_user(&cluster.server),
            serving_authority: cluster.authority.clone().unwrap_or_default(),
            logs: None,
            gate: PathBuf::new(),
            client_authorities: None,
            authentication: None,
            request_header_authorities: None,
            own_authorities: None,
        };
        Ok(Self {
            route: Some(route),
            ..Self::of(&server)
        })
    }
    /// Returns `true` if its address is `http://` or has no scheme: requests go there without TLS.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        self.route.as_ref().is_some_and(|route| route.plain)
    }

    /// Returns the parts of `credential` that are sent to it. Without TLS, that is impersonation alone: kubectl reads certificates, tokens
    /// and passwords, and runs exec plugins, only for addresses with TLS (client-go `tools/clientcmd/client_config.go` `ClientConfig`).
    #[must_use]
    pub fn presented(&self, credential: &Credential) -> Presentation {
        let mut presentation = credential.presentation();
        if self.is_plain() {
            presentation.certificate = None;
            presentation
                .headers
                .retain(|(name, _)| name.to_ascii_lowercase().starts_with("impersonate-"));
        }
        presentation
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pki::{Authority, Request};
    use crate::secret::Secret;

    #[test]
    fn without_tls_only_impersonation_is_presented() {
        let leaf = Authority::root("clients").unwrap().issue(&Request::client("alice", &[])).unwrap();
        let own = vec![Credential::Certificate(leaf), Credential::Token(Secret::new("t0ken"))];
        let acting = Credential::of(own.clone(), vec![("Impersonate-User".to_owned(), "bob".to_owned())]);
        let own = Credential::of(own, Vec::new());
        for (server, is_plain) in [
            ("https://api.test:6443", false),
            ("http://api.test:8001", true),
            // kubectl takes an address without a scheme for http.
            ("api.test:8001", true),
        ] {
            let endpoint = Endpoint::kubectl(&ClusterConfig {
                server: server.to_owned(),
                ..ClusterConfig::default()
            })
            .unwrap();
            assert_eq!(endpoint.is_plain(), is_plain, "{server}");
            let (own, acting) = (endpoint.presented(&own), endpoint.presented(&acting));
            let names: Vec<&str> = acting.headers.iter().map(|(name, _)| name.as_str()).collect();
            if is_plain {
                assert!(own.certificate.is_none() && own.headers.is_empty(), "{server}");
                assert_eq!((acting.certificate.is_none(), names), (true, vec!["Impersonate-User"]), "{server}");
            } else {
                assert!(own.certificate.is_some() && own.headers.len() == 1, "{server}");
                assert_eq!(names, ["Authorization", "Impersonate-User"], "{server}");
            }
        }
        let server = Endpoint::kubectl(&ClusterConfig {
            server: "https://api.test".to_owned(),
            ..ClusterConfig::default()
        });
        // The lab's own servers have no route, and all of them have TLS.
        assert!(!Endpoint::of(&server.unwrap().server).is_plain());
    }
}
