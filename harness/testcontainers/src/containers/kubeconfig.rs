//! The kubeconfig that k3s writes, with the address that leads to it from outside of its container.
//!
//! The main type is [`Kubeconfig`]. k3s writes one cluster and one user, line by line, with everything in it
//! (k3s-io/k3s `pkg/clientaccess/kubeconfig.go`).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::ClientConfig;

use super::error::Error;
use super::pinned;

/// A kubeconfig of k3s.
pub(super) struct Kubeconfig {
    text: String,
}

impl Kubeconfig {
    /// Reads the text, and leads it to the port of 127.0.0.1.
    ///
    /// # Errors
    /// It has not exactly one server.
    pub fn read(text: &str, port: u16) -> Result<Self, Error> {
        let servers = text.lines().filter(|line| field(line, "server").is_some()).count();
        if servers != 1 {
            return Err(Error::Kubeconfig {
                why: format!("it has {servers} servers (expected: 1)"),
            });
        }
        let led = text.lines().map(|line| match field(line, "server") {
            Some(address) => format!("{}https://127.0.0.1:{port}\n", &line[..line.len() - address.len()]),
            None => format!("{line}\n"),
        });
        Ok(Self { text: led.collect() })
    }

    /// Returns the text.
    pub fn into_text(self) -> String {
        self.text
    }

    /// Returns a client that trusts the cluster's authority, and presents the administrator's certificate.
    ///
    /// # Errors
    /// One of them is missing, or is not base64 of PEM.
    pub fn client(&self) -> Result<ClientConfig, Error> {
        let data = |name: &str| {
            let wrong = |why: String| Error::Kubeconfig { why };
            let value = self.text.lines().find_map(|line| field(line, name));
            let value = value.ok_or_else(|| wrong(format!("it has no {name}")))?;
            STANDARD
                .decode(value)
                .map_err(|error| wrong(format!("its {name} is not base64: {error}")))
        };
        pinned::authenticated(
            &data("certificate-authority-data")?,
            &data("client-certificate-data")?,
            &data("client-key-data")?,
        )
    }
}

/// Returns the value of a line `NAME: VALUE`, at any depth.
fn field<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let line = line.trim_start().trim_start_matches("- ");
    line.strip_prefix(name)?.strip_prefix(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "apiVersion: v1\nclusters:\n- cluster:\n    certificate-authority-data: Y2E=\n    server: https://127.0.0.1:6443\n  name: default\n";

    #[test]
    fn only_the_address_changes() {
        let led = Kubeconfig::read(TEXT, 40123).unwrap().into_text();
        assert_eq!(led, TEXT.replace("6443", "40123"));
    }

    #[test]
    fn what_is_missing_is_named() {
        let why = |text: &str| match Kubeconfig::read(text, 1) {
            Err(error) => error.to_string(),
            Ok(kubeconfig) => kubeconfig.client().unwrap_err().to_string(),
        };
        assert!(why("apiVersion: v1\n").contains("0 servers"));
        assert!(why(TEXT).contains("no client-certificate-data"), "{}", why(TEXT));
        assert!(why(&TEXT.replace("Y2E=", "?")).contains("certificate-authority-data is not base64"));
    }
}
