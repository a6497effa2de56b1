//! Addresses, as people may see them. The main function is [`without_user`].

use crate::secret::redact;

/// Returns the address without the user and the password in it. An `@` behind the host hides more than it must.
#[must_use]
pub fn without_user(url: &str) -> String {
    let hidden = match url.rsplit_once('@') {
        Some((before, after)) => {
            let scheme = before.find("://").map_or("", |at| &before[..at + 3]);
            format!("{scheme}…@{after}")
        }
        None => url.to_owned(),
    };
    redact(&hidden).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_user_nor_password_is_left() {
        for (url, shown) in [
            ("https://user:PASS@host:6443/path", "https://…@host:6443/path"),
            ("https://user:PA/S@S@host", "https://…@host"),
            ("user:PASS@host", "…@host"),
            ("https://host:6443", "https://host:6443"),
            ("", ""),
        ] {
            assert_eq!(without_user(url), shown);
        }
    }
}
