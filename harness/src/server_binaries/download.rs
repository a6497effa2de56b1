//! Files from a release server, verified while they arrive.
//!
//! The main type is [`Mirror`]: a base address that is given up on quickly when it does not respond, and whose files are accepted only with
//! the right checksum.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};
use tokio::io::AsyncWriteExt;

use crate::event::Phase;

/// The time limit for the first response of a mirror, including name lookup, connection and TLS.
const CONTACT: Duration = Duration::from_secs(2);

/// The time that a transfer may stall.
const STALLED: Duration = Duration::from_secs(30);

/// The size limit of a release file in bytes: some ten times the largest of them.
const LARGEST: u64 = 2 << 30;

/// The size limit of a file of checksums in bytes.
const CHECKSUMS: usize = 1 << 20;

/// A file could not be downloaded.
#[derive(Debug, thiserror::Error)]
pub enum DownloadError {
    /// No request can be made from this machine: the address or the trusted certificates are unusable.
    #[error("cannot send a request to {address}")]
    Unusable {
        /// The address.
        address: String,
        /// The cause.
        #[source]
        source: reqwest::Error,
    },
    /// The connection failed.
    #[error("cannot reach {address}")]
    Unreachable {
        /// The address.
        address: String,
        /// The cause.
        #[source]
        source: reqwest::Error,
    },
    /// The response is unusable: too many redirects, or not HTTP.
    #[error("cannot use the response of {address}")]
    Answer {
        /// The address.
        address: String,
        /// The cause.
        #[source]
        source: reqwest::Error,
    },
    /// There was no response within the time limit.
    #[error("timed out after {limit:?} waiting for {address}")]
    NoAnswer {
        /// The address.
        address: String,
        /// The time waited.
        limit: Duration,
    },
    /// An earlier request found the base address unreachable.
    #[error("{base} did not respond earlier")]
    GivenUp {
        /// The base address.
        base: String,
    },
    /// The server has no such file, or responded with another error.
    #[error("{address} answered {status} (expected 200)")]
    Status {
        /// The address.
        address: String,
        /// The response's status.
        status: reqwest::StatusCode,
    },
    /// The transfer ended early.
    #[error("the download of {address} broke off after {seen} bytes{}", of(*.expected))]
    Truncated {
        /// The address.
        address: String,
        /// The size in bytes that the server announced.
        expected: Option<u64>,
        /// The number of bytes received.
        seen: u64,
        /// The cause.
        #[source]
        source: reqwest::Error,
    },
    /// The connection is unprotected: anyone who can change the file in transit could also change its published checksum.
    #[error("cannot trust {address}: it is not https, and no SHA-256 of {file} is pinned")]
    Unprotected {
        /// The base address.
        address: String,
        /// The file.
        file: String,
    },
    /// The project publishes no checksum that would reveal tampering.
    #[error("no SHA-256 of {file} is pinned, and its project publishes none")]
    Unpinned {
        /// The file.
        file: String,
    },
    /// The file is larger than any release file.
    #[error("{address} is larger than {limit} bytes")]
    TooLarge {
        /// The address.
        address: String,
        /// The size limit in bytes.
        limit: u64,
    },
    /// The published text holds no valid checksum of the file.
    #[error("{address} has no checksum of {file}")]
    NoChecksum {
        /// The address of the checksums.
        address: String,
        /// The file.
        file: String,
    },
    /// The file's checksum is wrong.
    #[error("{address} has the SHA-256 {seen} (expected {expected}, {origin})")]
    Checksum {
        /// The address.
        address: String,
        /// The expected SHA-256.
        expected: String,
        /// The actual SHA-256.
        seen: String,
        /// The origin of the expected SHA-256.
        origin: &'static str,
    },
    /// The file could not be written.
    #[error("cannot write {}", path.display())]
    Storage {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
}

impl DownloadError {
    /// Returns whether the error concerns the mirror as a whole, not one file.
    pub(super) fn is_unreachable(&self) -> bool {
        matches!(self, Self::Unusable { .. } | Self::Unreachable { .. } | Self::NoAnswer { .. })
    }
}

fn of(expected: Option<u64>) -> String {
    expected.map(|expected| format!(" of {expected}")).unwrap_or_default()
}

/// The SHA-256 that a file must have, and its origin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Checksum {
    expected: String,
    origin: &'static str,
}

impl Checksum {
    /// Returns a checksum that is pinned in `fixtures/versions.toml`.
    pub(super) fn pinned(sha256: &str) -> Self {
        Self {
            expected: sha256.to_ascii_lowercase(),
            origin: "pinned",
        }
    }

    /// Finds the checksum of `file` in a published text: a sole checksum, or lines of `sha256sum` (checksum, blank, optionally `*`, name).
    fn published(text: &str, file: &str) -> Option<Self> {
        let is_checksum = |word: &str| word.len() == 64 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
        let mut lines = text.lines().map(str::split_whitespace);
        let found = lines.find_map(|mut words| {
            let (checksum, name) = (words.next()?, words.next());
            let named = name.is_none_or(|name| name.strip_prefix('*').unwrap_or(name) == file);
            (named && is_checksum(checksum)).then(|| checksum.to_ascii_lowercase())
        });
        found.map(|expected| Self {
            expected,
            origin: "published beside it",
        })
    }
}

/// Returns whether only the server itself can change the response from `address`: it is https, or on this machine.
fn is_protected(address: &reqwest::Url) -> bool {
    match address.host_str() {
        _ if address.scheme() == "https" => true,
        Some("localhost") => true,
        Some(host) => host
            .trim_matches(['[', ']'])
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback()),
        None => false,
    }
}

/// The base address of release files.
#[derive(Debug)]
pub(super) struct Mirror {
    base: String,
    is_protected: bool,
    client: reqwest::Client,
}

impl Mirror {
    /// Prepares requests below `base`. If `base` is protected, redirects must be protected, too.
    pub(super) fn new(base: &str) -> Result<Self, DownloadError> {
        let base = base.trim_end_matches('/').to_owned();
        // An invalid address is refused at the first request.
        let is_protected = base.parse().map_or(true, |address| is_protected(&address));
        let redirects = reqwest::redirect::Policy::custom(move |attempt| match attempt.previous().len() {
            10.. => attempt.error("too many redirects"),
            _ if is_protected && !self::is_protected(attempt.url()) => attempt.error("it redirects to an address that is not https"),
            _ => attempt.follow(),
        });
        let client = reqwest::Client::builder()
            .user_agent(concat!("authlab/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONTACT)
            .read_timeout(STALLED)
            .redirect(redirects)
            .build()
            .map_err(|source| DownloadError::Unusable {
                address: shown(&base),
                source: source.without_url(),
            })?;
        Ok(Self {
            base,
            is_protected,
            client,
        })
    }

    /// Checks that the mirror has `file`. Make this or [`Mirror::checksum`] the first request: both show quickly whether the mirror
    /// responds.
    pub(super) async fn offers(&self, file: &str) -> Result<(), DownloadError> {
        self.ask_first(&format!("{}/{file}", self.base)).await.map(drop)
    }

    /// Checks that the mirror responds, whatever it says about its base address.
    pub(super) async fn responds(&self) -> Result<(), DownloadError> {
        match self.ask_first(&self.base).await {
            Ok(_) | Err(DownloadError::Status { .. } | DownloadError::Answer { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn ask_first(&self, address: &str) -> Result<reqwest::Response, DownloadError> {
        let answered = tokio::time::timeout(CONTACT, self.ask(address)).await;
        answered.unwrap_or_else(|_| {
            Err(DownloadError::NoAnswer {
                address: shown(address),
                limit: CONTACT,
            })
        })
    }

    /// Fetches the checksum of `file`, published in `checksums`.
    pub(super) async fn checksum(&self, checksums: &str, file: &str) -> Result<Checksum, DownloadError> {
        if !self.is_protected {
            return Err(DownloadError::Unprotected {
                address: shown(&self.base),
                file: file.to_owned(),
            });
        }
        let address = format!("{}/{checksums}", self.base);
        let response = self.ask_first(&address).await?;
        let no_checksum = || DownloadError::NoChecksum {
            address: shown(&address),
            file: file.to_owned(),
        };
        let mut text = Vec::new();
        let mut arriving = Arriving::new(response, &address);
        while let Some(bytes) = arriving.more().await? {
            text.extend_from_slice(&bytes);
            if text.len() > CHECKSUMS {
                return Err(no_checksum());
            }
        }
        Checksum::published(&String::from_utf8_lossy(&text), file).ok_or_else(no_checksum)
    }

    /// Downloads `file` to `to` and verifies it. Removes a file with the wrong checksum.
    pub(super) async fn download(&self, file: &str, to: &Path, checksum: &Checksum, phase: &Phase) -> Result<(), DownloadError> {
        let address = format!("{}/{file}", self.base);
        let name = file.rsplit('/').next().unwrap_or(file);
        let storage = |source| DownloadError::Storage {
            path: to.to_owned(),
            source,
        };
        let response = self.ask(&address).await?;
        let mut arriving = Arriving::new(response, &address);
        let mut written = tokio::fs::File::create(to).await.map_err(storage)?;
        let mut hash = Sha256::new();
        let mut told: Option<Instant> = None;
        while let Some(bytes) = arriving.more().await? {
            if arriving.seen > LARGEST {
                drop(written);
                tokio::fs::remove_file(to).await.map_err(storage)?;
                return Err(DownloadError::TooLarge {
                    address: shown(&address),
                    limit: LARGEST,
                });
            }
            hash.update(&bytes);
            written.write_all(&bytes).await.map_err(storage)?;
            if told.is_none_or(|told| told.elapsed() >= Duration::from_millis(100)) {
                told = Some(Instant::now());
                phase.progress(name, Some(arriving.seen), arriving.total);
            }
        }
        // Without the flush, a write that a full disk refuses would go unnoticed.
        written.flush().await.map_err(storage)?;
        phase.progress(name, Some(arriving.seen), arriving.total);
        let seen = hex::encode(hash.finalize());
        if seen == checksum.expected {
            return Ok(());
        }
        tokio::fs::remove_file(to).await.map_err(storage)?;
        Err(DownloadError::Checksum {
            address: shown(&address),
            expected: checksum.expected.clone(),
            seen,
            origin: checksum.origin,
        })
    }

    async fn ask(&self, address: &str) -> Result<reqwest::Response, DownloadError> {
        let response = self.client.get(address).send().await.map_err(|error| {
            let (unusable, unreachable) = (error.is_builder(), error.is_connect() || error.is_timeout());
            let (address, source) = (shown(address), error.without_url());
            if unusable {
                DownloadError::Unusable { address, source }
            } else if unreachable {
                DownloadError::Unreachable { address, source }
            } else {
                DownloadError::Answer { address, source }
            }
        })?;
        match response.status() {
            reqwest::StatusCode::OK => Ok(response),
            status => Err(DownloadError::Status {
                address: shown(address),
                status,
            }),
        }
    }
}

/// A response body that is being received.
struct Arriving<'a> {
    response: reqwest::Response,
    address: &'a str,
    total: Option<u64>,
    seen: u64,
}

impl<'a> Arriving<'a> {
    fn new(response: reqwest::Response, address: &'a str) -> Self {
        // A later call would return only the remaining length.
        let total = response.content_length();
        Self {
            response,
            address,
            total,
            seen: 0,
        }
    }

    async fn more(&mut self) -> Result<Option<impl AsRef<[u8]> + std::ops::Deref<Target = [u8]> + use<>>, DownloadError> {
        let more = self.response.chunk().await.map_err(|source| DownloadError::Truncated {
            address: shown(self.address),
            expected: self.total,
            seen: self.seen,
            source: source.without_url(),
        })?;
        self.seen += more.as_ref().map_or(0, |bytes| bytes.len() as u64);
        Ok(more)
    }
}

/// Returns `address` with its user name and password redacted, for messages: a mirror's address can hold both.
pub(super) fn shown(address: &str) -> String {
    match address.split_once("://").and_then(|(scheme, rest)| {
        let authority = rest.find('/').unwrap_or(rest.len());
        let user = rest[..authority].rfind('@')?;
        Some(format!("{scheme}://[redacted]{}", &rest[user..]))
    }) {
        Some(hidden) => hidden,
        None => address.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checksum_is_found_alone_or_by_name() {
        let (one, other) = ("a".repeat(64), "B".repeat(64));
        let found = |text: &str| Checksum::published(text, "etcd.tar.gz").map(|checksum| checksum.expected);
        assert_eq!(found(&one), Some(one.clone()));
        assert_eq!(found(&format!("{one}\n")), Some(one.clone()));
        assert_eq!(found(&format!("{one}  other.tar.gz\n{other}  etcd.tar.gz\n")), Some("b".repeat(64)));
        assert_eq!(found(&format!("{one} *etcd.tar.gz\n")), Some(one.clone()));
        assert_eq!(found(&format!("{one}  other.tar.gz\n")), None);
        for none in ["", "<html>not found</html>", &one[1..], &"g".repeat(64)] {
            assert_eq!(found(none), None, "{none}");
        }
        assert_eq!(found(&"a".repeat(40)), None, "SHA-1 is not enough");
    }

    #[test]
    fn only_https_and_this_machine_are_protected() {
        for (address, expected) in [
            ("https://mirror/release", true),
            ("http://127.0.0.1:8080", true),
            ("http://[::1]:8080/x", true),
            ("http://localhost", true),
            ("http://mirror/release", false),
            ("http://127.0.0.1.example/x", false),
            ("http://10.0.0.1", false),
        ] {
            assert_eq!(is_protected(&address.parse().expect("an address")), expected, "{address}");
        }
    }

    #[test]
    fn the_user_of_an_address_is_not_shown() {
        assert_eq!(shown("https://me:p@ss@mirror/release/x@1"), "https://[redacted]@mirror/release/x@1");
        assert_eq!(shown("https://mirror/x@1"), "https://mirror/x@1");
        assert_eq!(shown("https://mirror"), "https://mirror");
    }
}
