//! The server's own record of a request: the reason in its log, the event in its audit log.

use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use super::{Identity, klog};
use crate::cluster::ApiServer;
use crate::event::ReasonSource;
use crate::process::wait::{Condition, until};
use crate::secret::redact;

/// The evidence for a response in the server's logs.
#[derive(Clone, Debug)]
pub struct Record {
    /// The reason for the refusal, in the server's words, redacted.
    pub reason: Option<String>,
    /// The source of the reason.
    pub source: ReasonSource,
    /// The `Audit-Id` of the request.
    pub audit_id: Option<String>,
    /// The audit event with that id.
    pub event: Option<AuditEvent>,
    /// The lines of the server's log during the request, redacted; empty when it was accepted.
    pub log: Vec<String>,
}

/// One line of the audit log (audit.k8s.io/v1 `Event`).
#[derive(Clone, Debug)]
pub struct AuditEvent(pub Value);

impl AuditEvent {
    /// Returns the identity that the request was carried out as: the impersonated user, else the authenticated one.
    pub fn identity(&self) -> Option<Identity> {
        ["impersonatedUser", "user"].iter().find_map(|field| self.user(field))
    }

    /// Returns the user in `field` (`user` or `impersonatedUser`).
    pub fn user(&self, field: &str) -> Option<Identity> {
        serde_json::from_value(self.0.get(field)?.clone()).ok()
    }

    /// Returns the message of its response status: for a refused authentication, the methods tried.
    pub fn message(&self) -> Option<&str> {
        self.0.pointer("/responseStatus/message").and_then(Value::as_str)
    }
}

/// The end of a server's logs at one moment, to read later lines from.
#[derive(Clone, Copy, Debug)]
pub struct Mark {
    log: u64,
    audit_log: End,
}

/// The words of kube-apiserver's log line about a refused authentication
/// (kubernetes/apiserver `pkg/endpoints/filters/authentication.go`).
const REFUSAL: &str = "\"Unable to authenticate the request\" err=";

impl Mark {
    /// Returns the present end of the logs of `server`.
    pub fn now(server: &ApiServer) -> Self {
        let size = |path: &Path| std::fs::metadata(path).map_or(0, |metadata| metadata.len());
        match &server.logs {
            Some(logs) => Self {
                log: size(&logs.log),
                audit_log: End::of(&logs.audit_log),
            },
            None => Self {
                log: 0,
                audit_log: End::default(),
            },
        }
    }

    /// Returns the reasons of all refusals logged since, in order; empty for a server whose logs are not available.
    ///
    /// # Errors
    /// The log exists and cannot be read.
    pub fn refusals(&self, server: &ApiServer) -> std::io::Result<Vec<String>> {
        Ok(refusals(&self.log_since(server)?))
    }

    /// Returns the log since, as a sabotaged lab shows it; empty for a server whose logs are not available.
    ///
    /// # Errors
    /// The log exists and cannot be read.
    pub(super) fn log_since(&self, server: &ApiServer) -> std::io::Result<String> {
        let Some(logs) = &server.logs else { return Ok(String::new()) };
        Ok(logs.distortion.of_log(since(&logs.log, self.log)?))
    }

    /// Returns the log since, unchanged; empty for a server whose logs are not available.
    ///
    /// # Errors
    /// The log exists and cannot be read.
    pub(super) fn log(&self, server: &ApiServer) -> std::io::Result<String> {
        server
            .logs
            .as_ref()
            .map_or_else(|| Ok(String::new()), |logs| since(&logs.log, self.log))
    }

    /// Returns the audit event with `id`. It is written before the response is sent, so it exists or will in a moment.
    pub async fn event(&self, server: &ApiServer, id: &str) -> Option<AuditEvent> {
        let logs = server.logs.as_ref()?;
        let found = until("the audit event", Duration::from_secs(2), || async {
            let text = logs.distortion.of_audit_log(self.audit_log.since(&logs.audit_log)?);
            let event = text
                .lines()
                .filter(|line| line.contains(id))
                .find_map(|line| serde_json::from_str(line).ok().map(AuditEvent));
            Ok::<_, std::io::Error>(event.map_or_else(|| Condition::NotYet(format!("no event {id}")), Condition::Met))
        });
        found.await.ok()
    }
}

/// Returns the reasons of all refusals in `log`, in order. A reason whose end is not written yet is left out.
pub(super) fn refusals(log: &str) -> Vec<String> {
    let reasons = klog::after(log, REFUSAL).filter_map(|(_, value)| klog::value(value));
    reasons.map(|reason| redact(&reason).into_owned()).collect()
}

/// The end of a log that the API server rotates: it renames a large file and starts a new one (gopkg.in/natefinch/lumberjack.v2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct End {
    /// The inode of the file, which survives renaming.
    inode: u64,
    at: u64,
}

impl End {
    /// Returns the present end of the file `path`.
    #[must_use]
    pub fn of(path: &Path) -> Self {
        std::fs::metadata(path).map_or_else(
            |_| Self::default(),
            |file| Self {
                inode: file.ino(),
                at: file.len(),
            },
        )
    }

    /// Reads the whole lines appended since, to that file and to the one that took its place.
    ///
    /// # Errors
    /// The file exists and cannot be read.
    pub fn since(self, path: &Path) -> std::io::Result<String> {
        let is_the_same = self.inode == 0 || std::fs::metadata(path)?.ino() == self.inode;
        if is_the_same {
            return since(path, self.at);
        }
        // The renamed file is beside it, with the time in its name.
        let beside = path.parent().map(std::fs::read_dir).transpose()?;
        let renamed = beside
            .into_iter()
            .flatten()
            .flatten()
            .find(|entry| entry.metadata().is_ok_and(|file| file.is_file() && file.ino() == self.inode));
        let before = renamed.map_or_else(|| Ok(String::new()), |entry| since(&entry.path(), self.at))?;
        Ok(before + &since(path, 0)?)
    }
}

/// The size of the log's end that [`latest_log`] reads.
const LATEST: u64 = 4 * 1024 * 1024;

/// Returns the most recent part of the log of `server`, which may be long; empty if it cannot be read.
#[must_use]
pub fn latest_log(server: &ApiServer) -> String {
    let Some(logs) = &server.logs else { return String::new() };
    let size = std::fs::metadata(&logs.log).map_or(0, |metadata| metadata.len());
    let start = size.saturating_sub(LATEST);
    let mut text = since(&logs.log, start).unwrap_or_default();
    if start > 0 {
        // Drop the rest of a line whose beginning was not read.
        text.drain(..text.find('\n').map_or(text.len(), |end| end + 1));
    }
    logs.distortion.of_log(text)
}

/// Returns the text appended to a file after `offset`. A line that is still being written is left out.
fn since(path: &Path, offset: u64) -> std::io::Result<String> {
    let mut file = std::fs::File::open(path)?;
    file.seek(SeekFrom::Start(offset))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    bytes.truncate(whole);
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_is_what_the_log_quotes() {
        let log = r#"E1124 12:00:01.233000    4242 authentication.go:75] "Unable to authenticate the request" err="[x509: certificate has expired, oidc: expected audience \"kubernetes\" got [\"other\"]]""#;
        assert_eq!(
            refusals(log),
            [r#"[x509: certificate has expired, oidc: expected audience "kubernetes" got ["other"]]"#]
        );
        assert!(refusals(r#"I1124 12:00:01.2 1 x.go:1] "Something else" err="no""#).is_empty());
    }

    #[test]
    fn a_reason_of_several_lines_is_read_whole() {
        // kube-apiserver 1.37.2, about a certificate of the front proxies' authority whose common name has line breaks.
        let log = "E1129 10:52:32.044541   23141 authentication.go:76] \"Unable to authenticate the request\" err=<\n\
            \t[x509: subject with cn=two\n\tlines\n\t\n\tof it is not in the allowed list, verifying certificate SN=17 failed: x509: \
            certificate signed by unknown authority]\n >\nI1129 10:52:32.1 1 x.go:1] \"Something else\"\n";
        assert_eq!(
            refusals(log),
            [
                "[x509: subject with cn=two\nlines\n\nof it is not in the allowed list, verifying certificate SN=17 failed: x509: certificate \
            signed by unknown authority]"
            ]
        );
        let half = &log[..log.find(" >").expect("its end")];
        assert!(refusals(half).is_empty(), "its end is not written yet");
    }

    #[test]
    fn what_follows_a_mark_is_read_also_when_the_log_goes_on_in_another_file() {
        let home = tempfile::tempdir().expect("a directory");
        let log = home.path().join("audit.jsonl");
        let append = |text: &str| {
            use std::io::Write;
            let file = std::fs::File::options().create(true).append(true).open(&log);
            file.expect("a file").write_all(text.as_bytes()).expect("it is written");
        };
        assert!(End::of(&log).since(&log).is_err(), "it is not there yet");
        append("before\n");
        let mark = End::of(&log);
        assert_eq!(mark.since(&log).expect("readable"), "");
        append("one\ntwo\nhalf of a line");
        assert_eq!(mark.since(&log).expect("readable"), "one\ntwo\n");
        std::fs::rename(&log, home.path().join("audit-2026-11-28T10-00-00.000.jsonl")).expect("ours");
        append("three\n");
        assert_eq!(mark.since(&log).expect("readable"), "one\ntwo\nthree\n");
    }
}
