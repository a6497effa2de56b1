//! The calls of curl during a step, as `scripts/walk/curl` keeps them: a file with the URLs of each, and one with the headers of its
//! responses.
//!
//! The main type is [`Call`].

use std::path::{Path, PathBuf};

use jiff::Timestamp;

/// A call of curl: its URLs, and its responses.
#[derive(Debug)]
pub(super) struct Call {
    /// The time before it.
    pub(super) at: Timestamp,
    /// The time of its last response's headers.
    pub(super) ended: Timestamp,
    /// Its URLs; one that follows an option stands behind that.
    pub(super) urls: Vec<String>,
    /// Its final responses, in order.
    pub(super) responses: Vec<Response>,
}

/// The part of a response's headers that matters here.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Response {
    pub(super) status: u16,
    pub(super) audit_id: Option<String>,
}

impl Call {
    /// Returns the calls that are kept in `directory`.
    pub(super) fn all(directory: &Path) -> Vec<Self> {
        let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
        let files = entries.map(|entry| entry.path()).filter(|path| path.extension().is_none());
        files.filter_map(Self::read).collect()
    }

    fn read(urls: PathBuf) -> Option<Self> {
        let headers = urls.with_extension("headers");
        let modified = |path: &Path| Timestamp::try_from(path.metadata().ok()?.modified().ok()?).ok();
        Some(Self {
            at: modified(&urls)?,
            ended: modified(&headers)?,
            urls: std::fs::read_to_string(&urls).ok()?.lines().map(str::to_owned).collect(),
            responses: responses(&std::fs::read_to_string(&headers).ok()?),
        })
    }

    /// Returns the `Audit-Id`s of its responses.
    pub(super) fn audit_ids(&self) -> impl Iterator<Item = &str> {
        self.responses.iter().filter_map(|response| response.audit_id.as_deref())
    }
}

/// Returns the final responses whose headers are in `text`.
fn responses(text: &str) -> Vec<Response> {
    let mut responses: Vec<Response> = Vec::new();
    for line in text.lines() {
        if let Some(status) = line.strip_prefix("HTTP/").and_then(|line| line.split_whitespace().nth(1)) {
            responses.push(Response {
                status: status.parse().unwrap_or_default(),
                audit_id: None,
            });
        } else if let (Some((name, value)), Some(last)) = (line.split_once(':'), responses.last_mut())
            && name.eq_ignore_ascii_case("audit-id")
        {
            last.audit_id = Some(value.trim().to_owned());
        }
    }
    // An interim response (RFC 9110 §15.2) precedes the final one.
    responses.retain(|response| response.status >= 200);
    responses
}
