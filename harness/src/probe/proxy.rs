//! The proxy that kubectl asks by: the kubeconfig's, else the environment's. The main type is [`Proxy`].

use std::fmt;
use std::net::IpAddr;

use reqwest::Url;

use super::route::authority;
use crate::kubeconfig::without_user;
use crate::secret::{REDACTED, Secret};

/// A proxy.
#[derive(Clone, Debug)]
pub struct Proxy {
    /// Its protocol.
    pub scheme: ProxyScheme,
    /// Its host, without brackets.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// User name and password.
    pub user: Option<(String, Secret)>,
    /// The variable that names it; `None`: the kubeconfig does.
    pub variable: Option<&'static str>,
}

/// The protocol of a proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyScheme {
    /// CONNECT (RFC 9110 §9.3.6).
    Http,
    /// CONNECT, over TLS.
    Https,
    /// SOCKS5 (RFC 1928); names are looked up by the proxy.
    Socks5,
}

/// The words of kubectl for an address that it cannot read.
const UNREADABLE: &str = "could not parse";

/// The reason for which kubectl refuses the address of a proxy (client-go `tools/clientcmd/helpers.go` `parseProxyURL`).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProxyError {
    /// It is no address.
    #[error("{UNREADABLE}: {0}")]
    Unreadable(String),
    /// It has another scheme, or none.
    #[error("unsupported scheme {0:?}, must be http, https, or socks5")]
    Scheme(String),
}

/// The address, without user name and password.
impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.scheme {
            ProxyScheme::Http => "http",
            ProxyScheme::Https => "https",
            ProxyScheme::Socks5 => "socks5",
        };
        write!(f, "{scheme}://{}", self.authority())
    }
}

impl Proxy {
    /// Reads `proxy-url` of a kubeconfig.
    ///
    /// # Errors
    /// kubectl refuses it.
    pub fn of_kubeconfig(url: &str) -> Result<Self, ProxyError> {
        let unreadable = || ProxyError::Unreadable(without_user(url));
        let scheme = scheme(url).ok_or_else(unreadable)?;
        if !matches!(scheme.as_str(), "http" | "https" | "socks5") {
            // Without slashes, it may be a user name.
            let is_plain = url.contains("://") || !url.contains('@');
            return Err(ProxyError::Scheme(if is_plain { scheme } else { REDACTED.to_owned() }));
        }
        Self::read(url, None).ok_or_else(unreadable)
    }

    /// Returns the proxy that the environment names for a server, as Go's `http.ProxyFromEnvironment`
    /// (`golang.org/x/net/http/httpproxy`).
    pub fn of_environment(plain: bool, host: &str, port: u16, environment: &dyn Fn(&str) -> Option<String>) -> Option<Self> {
        let names: [&'static str; 2] = if plain {
            ["HTTP_PROXY", "http_proxy"]
        } else {
            ["HTTPS_PROXY", "https_proxy"]
        };
        let set = |name: &str| environment(name).filter(|value| !value.is_empty());
        let (variable, url) = names.into_iter().find_map(|name| Some((name, set(name)?)))?;
        let excluded = ["NO_PROXY", "no_proxy"].into_iter().find_map(set).unwrap_or_default();
        if is_excluded(&excluded, host, port) {
            return None;
        }
        Self::read(&url, Some(variable)).or_else(|| Self::read(&format!("http://{url}"), Some(variable)))
    }

    fn read(url: &str, variable: Option<&'static str>) -> Option<Self> {
        let url = Url::parse(url).ok()?;
        let (scheme, port) = match url.scheme() {
            "http" => (ProxyScheme::Http, 80),
            "https" => (ProxyScheme::Https, 443),
            "socks5" | "socks5h" => (ProxyScheme::Socks5, 1080),
            _ => return None,
        };
        let has_user = !url.username().is_empty() || url.password().is_some();
        Some(Self {
            scheme,
            host: url.host_str().filter(|host| !host.is_empty())?.trim_matches(['[', ']']).to_owned(),
            port: url.port().unwrap_or(port),
            user: has_user.then(|| {
                let password = decoded(url.password().unwrap_or_default());
                (decoded(url.username()), Secret::new(password))
            }),
            variable,
        })
    }

    /// Returns host and port.
    #[must_use]
    pub fn authority(&self) -> String {
        authority(&self.host, self.port)
    }
}

/// Returns the scheme of an address as Go's `net/url` `getScheme`; `None` if Go cannot read the address.
fn scheme(url: &str) -> Option<String> {
    let end = url
        .find(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '+' | '-' | '.'))
        .unwrap_or(url.len());
    let begins = url.chars().next().is_some_and(|c| c.is_ascii_alphabetic());
    match url[end..].chars().next() {
        Some(':') if begins => Some(url[..end].to_ascii_lowercase()),
        // "first path segment in URL cannot contain colon"
        _ if url.split('/').next().is_some_and(|first| first.contains(':')) => None,
        _ => Some(String::new()),
    }
}

/// Decodes `%41` and the like (RFC 3986 §2.1).
fn decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut plain = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let hex = (bytes[at] == b'%')
            .then(|| bytes.get(at + 1..at + 3))
            .flatten()
            .and_then(|two| hex::decode(two).ok());
        match hex {
            Some(byte) => {
                plain.extend(byte);
                at += 3;
            }
            None => {
                plain.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&plain).into_owned()
}

/// Returns whether `NO_PROXY` excludes the host, as in `httpproxy`'s `useProxy`.
fn is_excluded(list: &str, host: &str, port: u16) -> bool {
    let address = host.parse::<IpAddr>().ok();
    if host == "localhost" || address.is_some_and(|address| address.to_canonical().is_loopback()) {
        return true;
    }
    let host = host.to_ascii_lowercase();
    let mut entries = list
        .split(',')
        .map(|entry| entry.trim().to_ascii_lowercase())
        .filter(|entry| !entry.is_empty());
    entries.any(|entry| {
        if entry == "*" {
            return true;
        }
        if let Some((network, length)) = entry
            .split_once('/')
            .and_then(|(network, length)| Some((network.parse().ok()?, length.parse().ok()?)))
        {
            return address.is_some_and(|address| contains(network, length, address));
        }
        let (name, only) = split(&entry);
        if only.is_some_and(|only| only != port.to_string()) {
            return false;
        }
        if let Ok(known) = name.parse::<IpAddr>() {
            return address.is_some_and(|address| address.to_canonical() == known.to_canonical());
        }
        let name = name.strip_prefix('*').filter(|rest| rest.starts_with('.')).unwrap_or(name);
        match name.strip_prefix('.') {
            _ if address.is_some() || name.is_empty() => false,
            Some(_) => host.ends_with(name),
            None => host == name || host.strip_suffix(name).is_some_and(|before| before.ends_with('.')),
        }
    })
}

/// Splits `HOST:PORT`, `[HOST]:PORT` and `HOST`.
fn split(entry: &str) -> (&str, Option<&str>) {
    if let Some((host, port)) = entry.strip_prefix('[').and_then(|rest| rest.split_once("]:")) {
        return (host, Some(port));
    }
    match entry.split_once(':') {
        Some((host, port)) if !port.contains(':') => (host, Some(port)),
        _ => (entry, None),
    }
}

fn contains(network: IpAddr, length: u32, address: IpAddr) -> bool {
    let bits = |address: IpAddr| match address.to_canonical() {
        IpAddr::V4(four) => (u128::from(u32::from(four)), 32),
        IpAddr::V6(six) => (u128::from(six), 128),
    };
    let ((network, size), (address, other)) = (bits(network), bits(address));
    size == other && length <= size && (length == 0 || network >> (size - length) == address >> (size - length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kubeconfigs_proxy_needs_a_scheme() {
        let of = |url: &str| Proxy::of_kubeconfig(url);
        let proxy = of("http://user:p%40ss@proxy.test:3128").expect("a proxy");
        assert_eq!(
            (proxy.scheme, proxy.to_string()),
            (ProxyScheme::Http, "http://proxy.test:3128".to_owned())
        );
        let (user, password) = proxy.user.expect("a user");
        assert_eq!((user.as_str(), password.expose()), ("user", "p@ss"));
        assert_eq!(of("socks5://[::1]").expect("a proxy").to_string(), "socks5://[::1]:1080");
        assert_eq!(of("https://proxy.test").expect("a proxy").port, 443);
        assert_eq!(of("localhost:3128").unwrap_err(), ProxyError::Scheme("localhost".to_owned()));
        assert_eq!(of("proxy").unwrap_err(), ProxyError::Scheme(String::new()));
        assert_eq!(of("socks5h://p:1").unwrap_err(), ProxyError::Scheme("socks5h".to_owned()));
        assert_eq!(of("10.0.0.1:3128").unwrap_err(), ProxyError::Unreadable("10.0.0.1:3128".to_owned()));
        for hidden in [
            "http://user:hunter2/sswordX@proxy:3128",
            "hunter2:x@proxy",
            "user:hunter2://x@proxy",
            "1:hunter2@proxy",
        ] {
            let error = of(hidden).unwrap_err().to_string();
            assert!(!error.contains("hunter2") && !error.contains("ssword"), "{error}");
        }
        assert_eq!(of("10.0.0.1:3128").unwrap_err().to_string(), "could not parse: 10.0.0.1:3128");
    }

    #[test]
    fn the_environments_proxy_is_found_as_go_finds_it() {
        let of = |variables: &[(&str, &str)], host: &str, port| {
            let variables: Vec<(String, String)> = variables
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect();
            Proxy::of_environment(false, host, port, &|name| {
                Some(variables.iter().find(|(known, _)| known == name)?.1.clone())
            })
            .map(|proxy| proxy.to_string())
        };
        let proxy = ("HTTPS_PROXY", "http://proxy.test:3128");
        assert_eq!(of(&[proxy], "api.test", 443).as_deref(), Some("http://proxy.test:3128"));
        assert_eq!(
            of(&[("https_proxy", "proxy.test:3128")], "api.test", 443).as_deref(),
            Some("http://proxy.test:3128")
        );
        assert_eq!(
            of(&[("HTTPS_PROXY", ""), ("https_proxy", "socks5h://p")], "api.test", 443).as_deref(),
            Some("socks5://p:1080")
        );
        assert_eq!(of(&[("HTTP_PROXY", "http://proxy.test:3128")], "api.test", 443), None);
        for (no, host, port, excluded) in [
            ("", "localhost", 443, true),
            ("", "127.0.0.1", 443, true),
            ("", "::1", 443, true),
            ("*", "api.test", 443, true),
            ("api.test", "api.test", 443, true),
            ("test", "api.test", 443, true),
            ("est", "api.test", 443, false),
            (".api.test", "api.test", 443, false),
            (" *.test , x", "api.test", 443, true),
            ("api.test:6443", "api.test", 443, false),
            ("api.test:6443", "api.test", 6443, true),
            ("10.0.0.0/8", "10.1.2.3", 443, true),
            ("10.0.0.0/8", "11.1.2.3", 443, false),
            ("fd00::/8", "fd00::1", 443, true),
            ("[fd00::1]:6443", "fd00::1", 6443, true),
            ("fd00::1", "fd00::1", 6443, true),
            ("10.1.2.3:6443", "10.1.2.3", 443, false),
        ] {
            assert_eq!(
                of(&[proxy, ("NO_PROXY", no)], host, port).is_none(),
                excluded,
                "{no:?} {host}:{port}"
            );
        }
    }
}
