//! A cluster's entry (client-go `validateClusterInfo`, `transport.TLSConfigFor`).
//!
//! The main function is [`read`].

use super::file::{Cluster, Entry};
use super::{ELSEWHERE, Reader, Told, is_tls, of_file, other_path};
use crate::kubeconfig::{ClusterConfig, without_user};

/// The extension of a cluster that is passed to plugins.
const EXEC_EXTENSION: &str = "client.authentication.k8s.io/exec";

/// Reads the cluster, and tells for what kubectl refuses it.
pub(super) fn read(name: &str, entry: &Entry<Cluster>, read: Reader<'_>, told: &mut Told) -> ClusterConfig {
    let cluster = &entry.value;
    told.remarks.extend(entry.remarks());
    server(entry, told);
    if let Err(why) = proxy(&cluster.proxy_url) {
        told.refuse(
            entry.place("proxy-url"),
            format!(
                "invalid 'proxy-url' {:?} for cluster {name:?}: {why}",
                without_user(&cluster.proxy_url)
            ),
            "begin the address with http://, https:// or socks5://",
        );
    }
    let is_tls = is_tls(&cluster.server);
    let authority = authority(name, entry, is_tls, read, told);
    if is_tls && cluster.insecure_skip_tls_verify {
        if authority.is_some() {
            told.refuse(
                entry.place("insecure-skip-tls-verify"),
                "specifying a root certificates file with the insecure flag is not allowed",
                "remove insecure-skip-tls-verify: the authority is given",
            );
        } else {
            told.remark(
                entry.place("insecure-skip-tls-verify"),
                "the server's certificate is not verified (insecure-skip-tls-verify)",
                "give the cluster's certificate-authority instead: without it, anyone on the way can take the credential",
            );
        }
    }
    let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    let extension = cluster.extensions.iter().find(|extension| extension.name == EXEC_EXTENSION);
    ClusterConfig {
        name: name.to_owned(),
        server: cluster.server.clone(),
        tls_server_name: some(&cluster.tls_server_name),
        proxy_url: some(&cluster.proxy_url),
        insecure_skip_tls_verify: cluster.insecure_skip_tls_verify,
        disable_compression: cluster.disable_compression,
        authority: authority.filter(|text| !text.is_empty()),
        exec_extension: extension.and_then(|extension| extension.extension.clone()),
        place: entry.place("server"),
    }
}

/// Tells about an address that kubectl does not use as it is meant.
fn server(entry: &Entry<Cluster>, told: &mut Told) {
    let server = &entry.value.server;
    let (place, shown) = (entry.place("server"), without_user(server));
    let tls = "begin the address with https://; for `kubectl proxy`, http:// is right, and the proxy's own credential counts";
    if server.is_empty() {
        told.refuse(
            place,
            format!("the cluster has no server: kubectl asks {ELSEWHERE}, without a credential"),
            "give server: https://HOST:PORT",
        );
    } else if server.to_ascii_lowercase().starts_with("http://") {
        told.remark(
            place,
            format!("the cluster's server is {shown:?}: credentials are only sent over TLS, and kubectl presents none here"),
            tls,
        );
    } else if !is_tls(server) {
        let (_, path) = server.split_once('/').unwrap_or_default();
        if path.is_empty() {
            told.remark(
                place,
                format!("the cluster's server is {shown:?}: kubectl takes that for http://, and presents no credential"),
                tls,
            );
        } else {
            told.refuse(place, format!("host must be a URL or a host:port pair: {shown:?}"), tls);
        }
    }
}

/// Returns the CA, if one is given; empty if its file is.
fn authority(name: &str, entry: &Entry<Cluster>, is_tls: bool, read: Reader<'_>, told: &mut Told) -> Option<String> {
    let cluster = &entry.value;
    let (data, file) = (&cluster.certificate_authority_data, &cluster.certificate_authority);
    if !data.is_empty() && !file.is_empty() {
        told.refuse(
            entry.place("certificate-authority"),
            format!("certificate-authority-data and certificate-authority are both specified for {name}"),
            "remove one of the two",
        );
        return None;
    }
    let (field, text) = if file.is_empty() {
        ("certificate-authority-data", data.clone())
    } else {
        let path = entry.beside(file);
        match read(&path) {
            Ok(bytes) => ("certificate-authority", String::from_utf8_lossy(&bytes).into_owned()),
            Err(error) => {
                let why = of_file(&path, &error);
                let seen = if error.kind() == std::io::ErrorKind::IsADirectory {
                    why
                } else {
                    format!("unable to read certificate-authority {} for {name} due to {why}", path.display())
                };
                told.refuse(entry.place("certificate-authority"), seen, other_path(file, &error));
                return None;
            }
        }
    };
    if data.is_empty() && file.is_empty() {
        return None;
    }
    if text.is_empty() {
        told.remark(
            entry.place(field),
            "the file of certificate-authority is empty: kubectl trusts the authorities of the system instead",
            "give the cluster's authority as PEM",
        );
    } else if is_tls && !has_pem(&text) {
        let change = if text.starts_with('\u{FEFF}') {
            "write the file again without a byte order mark: PEM begins with -----BEGIN CERTIFICATE-----"
        } else if text.as_bytes().first() == Some(&0x30) {
            "convert it to PEM: `openssl x509 -inform der -in FILE`"
        } else {
            "give the cluster's authority as PEM, which begins with -----BEGIN CERTIFICATE-----"
        };
        told.refuse(
            entry.place(field),
            format!("unable to load root certificates: unable to parse bytes as PEM block ({field})"),
            change,
        );
    }
    Some(text)
}

/// Returns `true` if Go finds the beginning of a PEM block: at the beginning of a line (`encoding/pem`).
pub(super) fn has_pem(text: &str) -> bool {
    text.starts_with("-----BEGIN ") || text.contains("\n-----BEGIN ")
}

/// Checks the proxy's address (client-go `parseProxyURL`, Go `net/url`).
fn proxy(url: &str) -> Result<(), String> {
    if url.is_empty() {
        return Ok(());
    }
    let is_scheme = |scheme: &&str| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic()) && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
    };
    let scheme = url.split_once(':').map(|(scheme, _)| scheme);
    let unreadable = || format!("could not parse: {}", without_user(url));
    match scheme.filter(is_scheme).map(str::to_ascii_lowercase).as_deref() {
        Some("http" | "https" | "socks5") if !url.contains(|c: char| c.is_ascii_control() || c == ' ') => Ok(()),
        Some("http" | "https" | "socks5") => Err(unreadable()),
        Some(other) => Err(format!("unsupported scheme {other:?}, must be http, https, or socks5")),
        // A colon before the first slash, after something that is no scheme.
        None if url.split('/').next().is_some_and(|first| first.contains(':')) => Err(unreadable()),
        None => Err("unsupported scheme \"\", must be http, https, or socks5".to_owned()),
    }
}
