//! Files from a release server, verified while they arrive.
//!
//! The main type is [`Mirror`]: a base address that is given up on quickly when it
//! does not answer, and whose files count only with the right checksum.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use sha1::Sha1;
use sha2::{Digest, Sha256};
use tokio::io::AsyncWriteExt;

use crate::event::Phase;

/// How long the first answer of a mirror may take, with name look-up, connection and TLS.
const CONTACT: Duration = Duration::from_secs(2);

/// How long a transfer may stand still.
const STALLED: Duration = Duration::from_secs(30);

/// The largest file of checksums that is read.
const CHECKSUMS: usize = 1 << 20;

/// A file could not be downloaded.
#[derive(Debug, thiserror::Error)]
pub enum DownloadError {
    /// This machine cannot ask at all: the address or the trusted certificates are unusable.
    #[error("{address} cannot be asked from here")]
    Unusable {
        /// The address.
        address: String,
        /// Why.
        #[source]
        source: reqwest::Error,
    },
    /// No connection came about.
    #[error("{address} cannot be reached")]
    Unreachable {
        /// The address.
        address: String,
        /// Why.
        #[source]
        source: reqwest::Error,
    },
    /// The answer led nowhere: too many redirects, or not HTTP.
    #[error("{address} has no usable answer")]
    Answer {
        /// The address.
        address: String,
        /// Why.
        #[source]
        source: reqwest::Error,
    },
    /// Nothing was answered.
    #[error("{address} did not answer within {limit:?}")]
    NoAnswer {
        /// The address.
        address: String,
        /// How long was waited.
        limit: Duration,
    },
    /// The base address was found unreachable before.
    #[error("{base} did not answer before")]
    GivenUp {
        /// The base address.
        base: String,
    },
    /// The server has no such file, or an answer of its own.
    #[error("{address} answered {status}, expected 200")]
    Status {
        /// The address.
        address: String,
        /// The status.
        status: reqwest::StatusCode,
    },
    /// The transfer broke off.
    #[error("{address} broke off after {seen} bytes{}", of(*.expected))]
    Truncated {
        /// The address.
        address: String,
        /// The size that was announced.
        expected: Option<u64>,
        /// What arrived.
        seen: u64,
        /// Why.
        #[source]
        source: reqwest::Error,
    },
    /// What should be a checksum is none.
    #[error("{address} holds no checksum of {file}")]
    NoChecksum {
        /// The address of the checksums.
        address: String,
        /// The file.
        file: String,
    },
    /// The file is not what it should be.
    #[error("{address} has the {kind} {seen}, expected {expected} ({origin})")]
    Checksum {
        /// The address.
        address: String,
        /// Which checksum.
        kind: &'static str,
        /// What it should be.
        expected: String,
        /// What it is.
        seen: String,
        /// Who says so.
        origin: &'static str,
    },
    /// It could not be written.
    #[error("could not write {}", path.display())]
    Storage {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl DownloadError {
    /// Whether it is about the mirror as a whole, not about one file.
    pub(super) fn is_unreachable(&self) -> bool {
        matches!(self, Self::Unusable { .. } | Self::Unreachable { .. } | Self::NoAnswer { .. })
    }
}

fn of(expected: Option<u64>) -> String {
    expected.map(|expected| format!(" of {expected}")).unwrap_or_default()
}

/// What a file must hash to, and who says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Checksum {
    kind: Kind,
    expected: String,
    origin: &'static str,
}

/// Which checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Sha256,
    /// Only where a project publishes nothing better: it shows damage, not malice.
    Sha1,
}

impl Checksum {
    /// One that is pinned in `fixtures/versions.toml`.
    pub(super) fn pinned(sha256: &str) -> Self {
        Self {
            kind: Kind::Sha256,
            expected: sha256.to_ascii_lowercase(),
            origin: "pinned",
        }
    }

    /// The one of `file` in a published text: a sole checksum, or lines of `sha256sum`
    /// (checksum, blank, optionally `*`, name).
    fn published(kind: Kind, text: &str, file: &str) -> Option<Self> {
        let digits = match kind {
            Kind::Sha256 => 64,
            Kind::Sha1 => 40,
        };
        let is_checksum = |word: &str| word.len() == digits && word.bytes().all(|byte| byte.is_ascii_hexdigit());
        let mut lines = text.lines().map(str::split_whitespace);
        let found = lines.find_map(|mut words| {
            let (checksum, name) = (words.next()?, words.next());
            let named = name.is_none_or(|name| name.strip_prefix('*').unwrap_or(name) == file);
            (named && is_checksum(checksum)).then(|| checksum.to_ascii_lowercase())
        });
        found.map(|expected| Self {
            kind,
            expected,
            origin: "published beside it",
        })
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "SHA-256",
            Self::Sha1 => "SHA-1",
        }
    }
}

enum Hash {
    Sha256(Sha256),
    Sha1(Sha1),
}

impl Hash {
    fn new(kind: Kind) -> Self {
        match kind {
            Kind::Sha256 => Self::Sha256(Sha256::new()),
            Kind::Sha1 => Self::Sha1(Sha1::new()),
        }
    }

    fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha256(hash) => hash.update(bytes),
            Self::Sha1(hash) => hash.update(bytes),
        }
    }

    fn finish(self) -> String {
        match self {
            Self::Sha256(hash) => hex::encode(hash.finalize()),
            Self::Sha1(hash) => hex::encode(hash.finalize()),
        }
    }
}

/// The base address of release files.
#[derive(Debug)]
pub(super) struct Mirror {
    base: String,
    client: reqwest::Client,
}

impl Mirror {
    /// Prepares to ask below `base`. A secure address stays secure, wherever it redirects to.
    pub(super) fn new(base: &str) -> Result<Self, DownloadError> {
        let base = base.trim_end_matches('/').to_owned();
        let client = reqwest::Client::builder()
            .user_agent(concat!("authlab/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONTACT)
            .read_timeout(STALLED)
            .https_only(base.starts_with("https:"))
            .build()
            .map_err(|source| DownloadError::Unusable {
                address: shown(&base),
                source: source.without_url(),
            })?;
        Ok(Self { base, client })
    }

    /// The checksum of `file`, published in `checksums`. The first thing to ask of a
    /// mirror: it shows quickly whether it answers.
    pub(super) async fn checksum(&self, kind: Kind, checksums: &str, file: &str) -> Result<Checksum, DownloadError> {
        let address = format!("{}/{checksums}", self.base);
        let response = match tokio::time::timeout(CONTACT, self.ask(&address)).await {
            Ok(answered) => answered?,
            Err(_) => {
                return Err(DownloadError::NoAnswer {
                    address: shown(&address),
                    limit: CONTACT,
                });
            }
        };
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
        Checksum::published(kind, &String::from_utf8_lossy(&text), file).ok_or_else(no_checksum)
    }

    /// Downloads `file` to `to` and verifies it. A file with another checksum is not left there.
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
        let mut hash = Hash::new(checksum.kind);
        let mut told: Option<Instant> = None;
        while let Some(bytes) = arriving.more().await? {
            hash.update(&bytes);
            written.write_all(&bytes).await.map_err(storage)?;
            if told.is_none_or(|told| told.elapsed() >= Duration::from_millis(100)) {
                told = Some(Instant::now());
                phase.progress(name, Some(arriving.seen), arriving.total);
            }
        }
        // Without this, what a full disk refused would go unnoticed.
        written.flush().await.map_err(storage)?;
        phase.progress(name, Some(arriving.seen), arriving.total);
        let seen = hash.finish();
        if seen == checksum.expected {
            return Ok(());
        }
        tokio::fs::remove_file(to).await.map_err(storage)?;
        Err(DownloadError::Checksum {
            address: shown(&address),
            kind: checksum.kind.name(),
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

/// A body that arrives.
struct Arriving<'a> {
    response: reqwest::Response,
    address: &'a str,
    total: Option<u64>,
    seen: u64,
}

impl<'a> Arriving<'a> {
    fn new(response: reqwest::Response, address: &'a str) -> Self {
        // Asked later, it is what is still to come.
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

/// An address as people may see it: a mirror's can hold a name and a password.
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
        let found = |text: &str| Checksum::published(Kind::Sha256, text, "etcd.tar.gz").map(|checksum| checksum.expected);
        assert_eq!(found(&one), Some(one.clone()));
        assert_eq!(found(&format!("{one}\n")), Some(one.clone()));
        assert_eq!(found(&format!("{one}  other.tar.gz\n{other}  etcd.tar.gz\n")), Some("b".repeat(64)));
        assert_eq!(found(&format!("{one} *etcd.tar.gz\n")), Some(one.clone()));
        assert_eq!(found(&format!("{one}  other.tar.gz\n")), None);
        for none in ["", "<html>not found</html>", &one[1..], &"g".repeat(64)] {
            assert_eq!(found(none), None, "{none}");
        }
        assert_eq!(Checksum::published(Kind::Sha1, &one, "etcd.tar.gz"), None);
    }

    #[test]
    fn the_user_of_an_address_is_not_shown() {
        assert_eq!(shown("https://me:p@ss@mirror/release/x@1"), "https://[redacted]@mirror/release/x@1");
        assert_eq!(shown("https://mirror/x@1"), "https://mirror/x@1");
        assert_eq!(shown("https://mirror"), "https://mirror");
    }
}
