//! The readiness check of an API server. It presents a credential, since a server without anonymous access answers 401 to others.
//!
//! The main function is [`ready`]; a log line never counts as readiness.

use std::time::Duration;

use super::ApiServer;
use super::error::ClusterError;
use crate::pki::Leaf;
use crate::process::last_lines;
use crate::process::wait::{Condition, WaitError, until};

/// The number of log lines that are shown for a server that is not ready.
const LINES: usize = 12;

/// Waits until `server` says to `administrator` that it is ready; `expect_running` fails if that can never happen.
///
/// # Errors
/// It is not ready within `limit`, or `expect_running` fails.
pub(super) async fn ready<F>(
    server: &ApiServer,
    administrator: &Leaf,
    limit: Duration,
    expect_running: impl Fn() -> F,
) -> Result<(), ClusterError>
where
    F: Future<Output = Result<(), ClusterError>>,
{
    let client = client(server, administrator).map_err(|source| ClusterError::Client {
        url: server.url.clone(),
        source,
    })?;
    let url = format!("{}/readyz", server.url);
    let ready = until(&server.name, limit, || async {
        expect_running().await?;
        Ok::<_, ClusterError>(match client.get(&url).send().await {
            Ok(answer) if answer.status().is_success() => Condition::Met(()),
            Ok(answer) => {
                let status = answer.status();
                let failing = failing(&answer.text().await.unwrap_or_default());
                Condition::NotYet(format!("/readyz answers {status}: {failing}"))
            }
            Err(error) => Condition::NotYet(root_cause(&error)),
        })
    });
    ready.await.map_err(|error| match error {
        WaitError::Failed(error) => error,
        WaitError::TimedOut { what, limit, why } => {
            let log = server.logs.as_ref().map(|logs| logs.log.clone()).unwrap_or_default();
            ClusterError::NotReady {
                server: format!("{what} at {}", server.url),
                limit,
                why,
                tail: last_lines(&log, LINES),
                log,
            }
        }
    })
}

fn client(server: &ApiServer, administrator: &Leaf) -> Result<reqwest::Client, reqwest::Error> {
    let identity = format!("{}{}", administrator.certificate, administrator.key.expose());
    reqwest::Client::builder()
        .tls_certs_only([reqwest::Certificate::from_pem(server.serving_authority.as_bytes())?])
        .identity(reqwest::Identity::from_pem(identity.as_bytes())?)
        .timeout(Duration::from_secs(5))
        .no_proxy()
        .build()
}

/// Returns the lines of a `/readyz` response that name a failed check.
fn failing(body: &str) -> String {
    let body = crate::secret::redact(body);
    let failing: Vec<&str> = body.lines().filter(|line| line.starts_with("[-]")).collect();
    if failing.is_empty() {
        body.lines().next().unwrap_or_default().to_owned()
    } else {
        failing.join(", ")
    }
}

/// Returns the innermost cause: "connection refused" rather than "error sending request".
fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::{LogDelay, Logs};
    use crate::pki::{Authority, Request};

    #[tokio::test]
    async fn a_server_that_does_not_answer_is_told_with_its_address_and_its_last_lines() {
        // Another test may have chosen it.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let directory = tempfile::tempdir().expect("a directory");
        let log = directory.path().join("kube-apiserver.log");
        std::fs::write(&log, "waiting for etcd\n").expect("it can be written");
        let authority = Authority::root("serving").expect("an authority");
        let port = crate::process::port::free().expect("a port");
        let server = ApiServer {
            name: "main".to_owned(),
            url: format!("https://127.0.0.1:{port}"),
            serving_authority: authority.certificate().to_owned(),
            logs: Some(Logs {
                log: log.clone(),
                audit_log: log.clone(),
                log_delay: LogDelay::AtOnce,
                distortion: crate::sabotage::Distortion::default(),
            }),
            gate: log,
            client_authorities: None,
            authentication: None,
            request_header_authorities: None,
            own_authorities: None,
        };
        let administrator = authority.issue(&Request::client("administrator", &[])).expect("a certificate");
        let running = || std::future::ready(Ok::<_, ClusterError>(()));
        let error = ready(&server, &administrator, Duration::from_millis(50), running).await;
        let error = error.expect_err("nobody listens").to_string();
        assert!(
            error.contains(&format!(
                "timed out after 50ms waiting for main at https://127.0.0.1:{port} to be ready: "
            )),
            "{error}"
        );
        assert!(error.ends_with("kube-apiserver.log\nwaiting for etcd"), "{error}");
    }
}
