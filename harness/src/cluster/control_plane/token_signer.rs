//! The external signer of an API server's service account tokens (KEP-740, `fixtures/control_plane/token_signer.go`).

use std::path::Path;
use std::time::Duration;

use super::super::error::ClusterError;
use super::super::runtime::{Role, Server, Wanted};
use super::ControlPlane;

/// The longest lifetime of a token that the signer allows.
const LONGEST: Duration = Duration::from_secs(12 * 3600);

/// The flags that an external signer takes the place of; together they are refused.
const INSTEAD_OF: [&str; 2] = ["--service-account-key-file=", "--service-account-signing-key-file="];

impl ControlPlane {
    /// Starts a signer for the API server with `setting`, and changes that server's arguments accordingly. Nothing here waits for the signer:
    /// its API server does, for a minute (kubernetes `pkg/controlplane/apiserver/options/options.go`).
    pub(super) async fn token_signer(&self, setting: &str, directory: &Path, arguments: &mut Vec<String>) -> Result<Server, ClusterError> {
        // Just below the lab's directory: a socket's path has at most 104 to 108 bytes (unix(7)).
        let socket = self.directory.join(format!("{setting}.sock"));
        match fs_err::remove_file(&socket) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
            // An earlier attempt may have left it.
            _ => {}
        }
        arguments.retain(|argument| !INSTEAD_OF.iter().any(|flag| argument.starts_with(flag)));
        arguments.push(format!("--service-account-signing-endpoint={}", socket.display()));
        self.runtime
            .start(Wanted {
                role: Role::TokenSigner,
                name: "token-signer".to_owned(),
                arguments: vec![
                    format!("--socket={}", socket.display()),
                    format!("--longest={}s", LONGEST.as_secs()),
                ],
                ports: Vec::new(),
                environment: Vec::new(),
                log: directory.join("token-signer.log"),
            })
            .await
    }
}
