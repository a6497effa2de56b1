//! The files and flags of an API server inside a foreign distribution: files in the lab's directory, and flags that name them.
//!
//! The main type is [`Provisions`]. k3s and kubeadm start the API server themselves, so this has only the differences from their own
//! settings; the driver passes them on.

use std::path::{Path, PathBuf};

use super::error::ClusterError;
use super::{ApiServer, LogDelay, Logs, Minor, Placeholders, Setting};
use crate::pki::write_private;
use crate::sabotage::Distortion;

/// The files of one API server, and its flags.
#[derive(Clone, Debug)]
pub struct Provisions {
    name: String,
    /// Its log; empty if no program writes it there.
    pub log: PathBuf,
    audit_log: PathBuf,
    gate: PathBuf,
    /// Flags by name, for `--NAME=VALUE`.
    pub flags: Vec<(String, String)>,
}

impl Provisions {
    /// Writes the files of the API server with `setting` below `directory`, the lab's.
    ///
    /// # Errors
    /// The setting is wrong, or a file cannot be written.
    pub fn write(directory: &Path, setting: &Setting, version: Minor, places: &Placeholders) -> Result<Self, ClusterError> {
        let directory = directory.join("api-servers").join(&setting.name);
        fs_err::create_dir_all(&directory)?;
        let [log, audit_log, gate] = ["kube-apiserver.log", "audit.jsonl", "gate"].map(|name| directory.join(name));
        // The log's writer may be another user. Existing files are appended to, and stay readable for us.
        for file in [&log, &audit_log, &gate] {
            write_private(file, "")?;
        }
        let policy = directory.join("audit-policy.json");
        write_private(&policy, include_str!("../../fixtures/audit_policy.json"))?;
        let flag = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let mut flags = vec![
            flag("audit-policy-file", &policy.to_string_lossy()),
            flag("audit-log-path", &audit_log.to_string_lossy()),
            flag("audit-log-maxsize", &super::AUDIT_LOG_MEGABYTES.to_string()),
            flag("audit-log-mode", "blocking"),
            flag("service-account-issuer", super::SERVICE_ACCOUNT_ISSUER),
        ];
        if let Some(configuration) = super::authentication::configuration(setting, version, places)? {
            let path = directory.join("authentication.json");
            write_private(&path, &serde_json::to_string_pretty(&configuration).unwrap_or_default())?;
            flags.push(flag("authentication-config", &path.to_string_lossy()));
        }
        for given in setting.flags(version, places)? {
            let (name, value) = given.trim_start_matches("--").split_once('=').unwrap_or((&given, "true"));
            flags.push(flag(name, value));
        }
        Ok(Self {
            name: setting.name.clone(),
            log,
            audit_log,
            gate,
            flags,
        })
    }

    /// Returns the API server at `url`, whose serving certificate is signed by `serving_authority`.
    pub(super) fn api_server(&self, url: String, serving_authority: String, log_delay: LogDelay) -> ApiServer {
        ApiServer {
            name: self.name.clone(),
            url,
            serving_authority,
            logs: Some(Logs {
                log: self.log.clone(),
                audit_log: self.audit_log.clone(),
                log_delay,
                distortion: Distortion::default(),
            }),
            gate: self.gate.clone(),
            client_authorities: None,
            authentication: None,
            request_header_authorities: None,
            own_authorities: None,
        }
    }
}
