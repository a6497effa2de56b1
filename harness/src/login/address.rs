//! Checks of the addresses that an issuer names: secrets are sent to them and a browser opens them, so the issuer is not trusted blindly.
//!
//! The main functions are [`check_configuration`] and [`Use::check`]. Sources: OpenID Connect Discovery 1.0 §3 and §7.2, RFC 8414 §6.1,
//! RFC 8628 §5.3.

use reqwest::Url;
use serde_json::Value;

use crate::loopback::is_address;

/// The purpose of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    /// This program sends requests there, with secrets.
    Requested,
    /// A browser opens it, possibly on this machine.
    Opened,
}

/// An address that an issuer names, and that is not used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("its {name} is {address} (expected {expected})")]
pub struct BadAddress {
    /// The field that contains it.
    pub name: String,
    /// The address.
    pub address: String,
    expected: &'static str,
}

impl Use {
    /// Returns the address in the field `name` in the form in which it may be used and shown.
    pub(super) fn check(self, name: &str, address: &str) -> Result<Url, BadAddress> {
        let expected = match self {
            Self::Requested => "https",
            Self::Opened => "https, or http at a loopback address",
        };
        let bad = || BadAddress {
            name: name.to_owned(),
            address: address.to_owned(),
            expected,
        };
        let url = Url::parse(address).map_err(|_| bad())?;
        let here = self == Self::Opened && url.host_str().is_some_and(is_address);
        match url.scheme() {
            "https" => Ok(url),
            "http" if here => Ok(url),
            _ => Err(bad()),
        }
    }
}

/// Checks every endpoint in `body`, an issuer's configuration; its parser reports a body that is not a configuration.
pub(super) fn check_configuration(body: &[u8]) -> Result<(), BadAddress> {
    let Ok(Value::Object(fields)) = serde_json::from_slice::<Value>(body) else {
        return Ok(());
    };
    let endpoints = fields.iter().filter(|(name, _)| *name == "jwks_uri" || name.ends_with("_endpoint"));
    for (name, address) in endpoints.filter_map(|(name, value)| Some((name, value.as_str()?))) {
        let used = if name == "authorization_endpoint" {
            Use::Opened
        } else {
            Use::Requested
        };
        used.check(name, address)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_is_sent_to_pages_alone() {
        for address in ["https://issuer.test/auth?a=b", "http://127.0.0.1:8080/auth", "http://[::1]/auth"] {
            assert!(Use::Opened.check("x", address).is_ok(), "{address}");
        }
        for address in [
            "http://issuer.test/auth",
            "http://localhost/auth",
            "file:///etc/passwd",
            "smb://evil.test/share",
            "vscode://x",
            "javascript:alert(1)",
            "--help",
            "",
        ] {
            let bad = Use::Opened.check("authorization_endpoint", address).expect_err(address);
            assert_eq!(
                bad.to_string(),
                format!("its authorization_endpoint is {address} (expected https, or http at a loopback address)")
            );
        }
    }

    #[test]
    fn what_is_shown_has_no_control_characters() {
        let url = Use::Opened.check("x", "https://issuer.test/\u{1b}]0;title\u{7}?a=\u{9b}2J#\u{202e}");
        let shown = url.expect("it is https").to_string();
        assert!(shown.is_ascii() && !shown.contains(char::is_control), "{shown:?}");
    }

    #[test]
    fn secrets_are_sent_over_tls_alone() {
        let sound = |name: &str| format!(r#"{{"issuer":"http://a","op_policy_uri":"http://a","{name}":"https://issuer.test/x"}}"#);
        let local = |name: &str| format!(r#"{{"{name}":"http://127.0.0.1:1/x"}}"#);
        for name in ["token_endpoint", "jwks_uri", "device_authorization_endpoint", "userinfo_endpoint"] {
            assert_eq!(check_configuration(sound(name).as_bytes()), Ok(()));
            let bad = check_configuration(local(name).as_bytes()).expect_err(name);
            assert_eq!(bad.to_string(), format!("its {name} is http://127.0.0.1:1/x (expected https)"));
        }
        assert_eq!(check_configuration(local("authorization_endpoint").as_bytes()), Ok(()));
        assert_eq!(check_configuration(b"no configuration"), Ok(()));
    }
}
