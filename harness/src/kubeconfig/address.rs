//! Addresses as they may be shown. The only function is [`without_user`].

use crate::secret::{REDACTED, redact};

/// Returns an address without user name and password. A password may have any character in it, and one with a slash makes the address
/// unreadable: everything before the last `@` is hidden, but for the scheme.
#[must_use]
pub fn without_user(address: &str) -> String {
    let Some(at) = address.rfind('@') else {
        return redact(address).into_owned();
    };
    let is_scheme = |scheme: &&str| scheme.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'));
    let scheme = address[..at].split_once("://").map(|(scheme, _)| scheme).filter(is_scheme);
    let begin = scheme.map_or(0, |scheme| scheme.len() + 3);
    redact(&format!("{}{REDACTED}{}", &address[..begin], &address[at..])).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_could_be_a_password_is_hidden() {
        for (address, shown) in [
            ("http://user:hunter2@proxy:3128", "http://[redacted]@proxy:3128"),
            ("http://user:hunter2/sswordX@proxy:3128", "http://[redacted]@proxy:3128"),
            ("http://user:hun@ter2@proxy:3128/x", "http://[redacted]@proxy:3128/x"),
            ("http://user:hunter2?#@proxy", "http://[redacted]@proxy"),
            ("http://user:hunter2://x@proxy", "http://[redacted]@proxy"),
            ("user:hunter2@proxy:3128", "[redacted]@proxy:3128"),
            ("user:hunter2://x@proxy", "[redacted]@proxy"),
            ("user@host://x", "[redacted]@host://x"),
            ("http:user:hunter2@proxy", "[redacted]@proxy"),
            ("https://u:hunter2@", "https://[redacted]@"),
            ("https://api.test/p@th", "https://[redacted]@th"),
            ("https://api.test:6443/path", "https://api.test:6443/path"),
            ("", ""),
            ("@", "[redacted]@"),
        ] {
            assert_eq!(without_user(address), shown);
        }
    }
}
