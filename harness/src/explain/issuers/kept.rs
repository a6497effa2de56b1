//! How long an API server keeps the keys of an issuer before it fetches them again.
//!
//! The main type is [`Kept`]. The rules are those of coreos/go-oidc `jwks.go` and pquerna/cachecontrol 0.1.0 `cacheobject`, which every
//! supported version of Kubernetes uses: go-oidc takes the time of expiry, and ignores the reasons for which an answer should not be
//! stored, so `no-store, max-age=60` is kept for a minute.

use std::fmt;

use jiff::Timestamp;

/// The remaining time, in seconds, from which on an unknown key makes the server fetch the keys again (go-oidc, `keysExpiryDelta`).
pub const REFETCH_WINDOW: i64 = 30;

/// The longest time that is derived from `Last-Modified`, in seconds.
const DAY: i64 = 86400;

/// The time for which an answer with keys is kept, and the header that says so.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// The time, in seconds; 0: the next unknown key makes the server fetch the keys again.
    pub seconds: i64,
    /// The header that decides, as it was sent; empty if none does.
    pub because: String,
}

impl Kept {
    /// Derives the time from the headers of an answer that came at `now`.
    #[must_use]
    pub fn of<'a>(header: impl Fn(&str) -> Option<&'a str>, now: Timestamp) -> Self {
        let header = |name: &str| header(name).filter(|value| !value.is_empty());
        let none = Self::default();
        let control = header("Cache-Control").unwrap_or_default();
        let Ok(directives) = Directives::parse(control) else { return none };
        let date = |name: &str| header(name).map(|value| jiff::fmt::rfc2822::parse(value).map(|time| time.timestamp().as_second()));
        // An unreadable `Expires` counts as none, an unreadable `Date` or `Last-Modified` lets the whole evaluation fail.
        let (Ok(sent), Ok(modified)) = (date("Date").transpose(), date("Last-Modified").transpose()) else {
            return none;
        };
        let now = now.as_second();
        let (seconds, because) = if let Some(age) = directives.shared.or(directives.age) {
            (age, format!("Cache-Control: {control}"))
        } else if let Some(Ok(expires)) = date("Expires") {
            (
                expires - sent.unwrap_or(now),
                format!("Expires: {}", header("Expires").unwrap_or_default()),
            )
        } else if let Some(modified) = modified {
            // A tenth of the age, as Apache does.
            let named = format!(
                "Last-Modified: {}, and no other header",
                header("Last-Modified").unwrap_or_default()
            );
            (((now - modified) / 10).min(DAY), named)
        } else {
            return none;
        };
        if seconds > 0 { Self { seconds, because } } else { none }
    }

    /// Returns `true` if an unknown key does not make the server fetch the keys again at once.
    #[must_use]
    pub fn outlives_a_new_key(&self) -> bool {
        self.seconds > REFETCH_WINDOW
    }
}

/// Prints the time as a duration, for a sentence.
impl fmt::Display for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} s ({})", self.seconds, self.because)
    }
}

/// The directives of `Cache-Control` that set a time, in seconds.
#[derive(Debug, Default)]
struct Directives {
    /// `max-age`.
    age: Option<i64>,
    /// `s-maxage`, which counts first: the library takes the server for a shared cache.
    shared: Option<i64>,
}

/// The directives that take no value.
const BARE: [&str; 6] = [
    "must-revalidate",
    "no-store",
    "no-transform",
    "public",
    "proxy-revalidate",
    "immutable",
];

impl Directives {
    /// Parses the header as `cacheobject/directive.go` does; an error makes the server keep nothing.
    fn parse(value: &str) -> Result<Self, ()> {
        let mut found = Self::default();
        let bytes = value.as_bytes();
        let mut at = 0;
        while at < bytes.len() {
            if matches!(bytes[at], b' ' | b'\t' | b',') {
                at += 1;
                continue;
            }
            let mut end = at + 1;
            while end < bytes.len() && is_token(bytes[end]) {
                end += 1;
            }
            let name = value.get(at..end).ok_or(())?.to_ascii_lowercase();
            if end + 1 >= bytes.len() || bytes[end] != b'=' {
                Self::bare(&name)?;
                at = end;
                continue;
            }
            let start = end + 1;
            if bytes[start] == b'"' {
                let length = value[start + 1..].find('"').ok_or(())?;
                found.pair(&name, &value[start + 1..start + 1 + length])?;
                at = start + length + 2;
                continue;
            }
            let fields = matches!(name.as_str(), "no-cache" | "private");
            let ends = |byte: &u8| matches!(byte, b' ' | b'\t') || (*byte == b',' && !fields);
            let length = bytes[start..].iter().position(ends).unwrap_or(bytes.len() - start);
            let text = value.get(start..start + length).ok_or(())?;
            found.pair(&name, text.strip_suffix(',').unwrap_or(text))?;
            at = start + length;
        }
        Ok(found)
    }

    fn bare(name: &str) -> Result<(), ()> {
        match name {
            "max-age" | "s-maxage" | "stale-if-error" | "stale-while-revalidate" => Err(()),
            _ => Ok(()),
        }
    }

    fn pair(&mut self, name: &str, value: &str) -> Result<(), ()> {
        match name {
            "max-age" => self.age = Some(seconds(value)?),
            "s-maxage" => self.shared = Some(seconds(value)?),
            "stale-if-error" | "stale-while-revalidate" => _ = seconds(value)?,
            name if BARE.contains(&name) => return Err(()),
            _ => {}
        }
        Ok(())
    }
}

/// Parses delta-seconds (RFC 9111 §1.2.2), at most 2^31 - 1.
fn seconds(text: &str) -> Result<i64, ()> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(());
    }
    let most = i64::from(i32::MAX);
    Ok(text.parse().map_or(most, |seconds: i64| seconds.min(most)))
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_graphic() && !b"()<>@,;:\\\"/[]?={}".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(headers: &[(&str, &str)]) -> i64 {
        let now = Timestamp::from_second(1_700_000_000).expect("a time");
        let found = |name: &str| headers.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
        Kept::of(found, now).seconds
    }

    #[test]
    fn an_answer_is_kept_as_go_oidc_keeps_it() {
        let control = |value| kept(&[("Cache-Control", value)]);
        assert_eq!(kept(&[]), 0);
        for (value, seconds) in [
            ("public, max-age=86400", 86400),
            ("max-age=20", 20),
            ("no-store", 0),
            // The reasons for which it should not be stored are ignored.
            ("no-store, max-age=86400", 86400),
            ("no-cache, max-age=60", 60),
            ("private, max-age=60", 60),
            ("private=max-age=60", 0),
            ("max-age=60, s-maxage=10", 10),
            ("MAX-AGE=60", 60),
            ("max-age=\"60\"", 60),
            ("max-age=99999999999", 2_147_483_647),
            ("max-age=60,must-revalidate", 60),
            // A header that cannot be parsed keeps nothing.
            ("max-age", 0),
            ("max-age=", 0),
            ("max-age=-1", 0),
            ("max-age=60, stale-if-error=x", 0),
            ("public=yes, max-age=60", 0),
            ("max-age=\"60", 0),
            ("max-age=0", 0),
        ] {
            assert_eq!(control(value), seconds, "{value}");
        }
    }

    #[test]
    fn other_headers_count_where_cache_control_sets_no_time() {
        let (date, later) = ("Tue, 14 Nov 2023 22:13:20 GMT", "Tue, 14 Nov 2023 23:13:20 GMT");
        assert_eq!(kept(&[("Expires", later), ("Date", date)]), 3600);
        assert_eq!(kept(&[("Expires", later)]), 3600);
        assert_eq!(kept(&[("Expires", later), ("Cache-Control", "max-age=5")]), 5);
        assert_eq!(kept(&[("Expires", "0")]), 0);
        assert_eq!(kept(&[("Expires", date), ("Date", later)]), 0);
        // A key set as a static file: ten days old, kept for a day.
        let old = "Sat, 04 Nov 2023 22:13:20 GMT";
        assert_eq!(kept(&[("Last-Modified", old), ("Cache-Control", "no-cache")]), 86400);
        assert_eq!(kept(&[("Last-Modified", old), ("Expires", "-1")]), 86400);
        assert_eq!(kept(&[("Last-Modified", "Tue, 14 Nov 2023 22:12:20 GMT")]), 6);
        assert_eq!(kept(&[("Last-Modified", old), ("Date", "yesterday")]), 0);
    }
}
