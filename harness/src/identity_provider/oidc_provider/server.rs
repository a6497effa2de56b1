//! A running node-oidc-provider.
//!
//! The main type is [`OidcProvider`]; [`start`] returns it once its issuer answers over HTTPS.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand::RngCore;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::ChildStdout;

use super::description::OidcProviderDescription;
use super::error::{OidcProviderError, file};
use super::install::Installed;
use super::node;
use crate::cause::with_causes;
use crate::event::Events;
use crate::identity_provider::Kind;
use crate::identity_provider::keycloak::Front;
use crate::owner::LabId;
use crate::pki::Leaf;
use crate::process::wait::{self, Condition};
use crate::process::{Child, Program};
use crate::secret::Secret;

/// The limit of a start, which usually takes half a second.
const LIMIT: Duration = Duration::from_secs(60);

/// The client whose name is the audience that API servers expect.
const CLIENT: &str = "kubernetes";
/// A client whose tokens are for another cluster.
const OTHER_CLIENT: &str = "another-cluster";
/// The path of the issuer that no API server trusts.
const OTHER_ISSUER: &str = "/elsewhere";

/// The addresses that the login page may return to: on this machine, at any port (RFC 8252 §7.3).
const REDIRECTS: [&str; 2] = ["http://127.0.0.1/callback", "http://localhost/callback"];

/// A node-oidc-provider that answers. Dropping it closes its public address and kills its process.
#[derive(Debug)]
pub struct OidcProvider {
    child: Child,
    front: Front,
    description: OidcProviderDescription,
    _installed: Installed,
}

/// The inputs of a start.
#[derive(Debug)]
pub struct OidcProviderSettings<'a> {
    /// The public address, which opens once the issuer answers.
    pub front: Front,
    /// The directory of the server's own files and log: it exists, and is empty.
    pub directory: &'a Path,
    /// The serving certificate, for 127.0.0.1 and for the host of `front`.
    pub certificate: &'a Leaf,
    /// The authority that signed it, PEM.
    pub authority: &'a str,
    /// The people who have an account, each with their groups.
    pub people: &'a [(&'a str, &'a [String])],
}

/// Starts node-oidc-provider as a process of `lab`.
///
/// # Errors
/// It cannot be started, exits, or does not answer in time; its public address is closed then.
pub async fn start(
    installed: Installed,
    lab: &LabId,
    settings: OidcProviderSettings<'_>,
    events: &Events,
) -> Result<OidcProvider, OidcProviderError> {
    events
        .in_phase("oidc-provider", async |_| start_server(installed, lab, settings).await)
        .await
}

async fn start_server(installed: Installed, lab: &LabId, settings: OidcProviderSettings<'_>) -> Result<OidcProvider, OidcProviderError> {
    let OidcProviderSettings {
        front,
        directory,
        certificate,
        authority,
        people,
    } = settings;
    let (certificate, key) = certificate.save(directory, "serving")?;
    let administrator = random();
    let trusted = issuer(
        &front.url(),
        Kind::OidcProvider.facts().issuer_path.as_str(),
        authority,
        &administrator,
        people,
    );
    let other = issuer(&front.url(), OTHER_ISSUER, authority, &administrator, people);
    let given = json!({
        "url": front.url(), "host": "127.0.0.1", "port": 0,
        "certificate": certificate, "key": key, "administrator": administrator.expose(),
        "issuers": { trusted.path: trusted.given, other.path: other.given },
    });
    let file_of_settings = directory.join("settings.json");
    crate::pki::write_private(&file_of_settings, &given.to_string())?;
    let log = directory.join("oidc-provider.log");
    let program = Program::new("oidc-provider", &installed.node.program, &log)
        // Little of this process' environment: NODE_OPTIONS would change what is started.
        .inherit(node::ENVIRONMENT)
        .environment("NODE_ENV", "production")
        .environment(LabId::VARIABLE, lab.as_str())
        .argument(installed.directory.join("provider.mjs"))
        .argument(format!("--settings={}", file_of_settings.display()))
        .directory(directory);
    let (mut child, told) = program.start_listening().await?;
    let port = ready(&mut child, told, authority, trusted.path).await;
    // It has all secrets, and is read once.
    fs_err::remove_file(&file_of_settings).map_err(file("remove", &file_of_settings))?;
    front.open(port?);
    Ok(OidcProvider {
        child,
        front,
        description: OidcProviderDescription {
            elsewhere: Some(Box::new(other.description)),
            ..trusted.description
        },
        _installed: installed,
    })
}

/// An issuer, as the program and as others get to know it.
struct Issuer {
    path: &'static str,
    given: Value,
    description: OidcProviderDescription,
}

fn issuer(url: &str, path: &'static str, authority: &str, administrator: &Secret, people: &[(&str, &[String])]) -> Issuer {
    let clients: BTreeMap<String, Secret> = [CLIENT, OTHER_CLIENT].map(|client| (client.to_owned(), random())).into();
    let passwords: BTreeMap<String, Secret> = people.iter().map(|(name, _)| ((*name).to_owned(), random())).collect();
    let given_clients: Vec<Value> = clients
        .iter()
        .map(|(client, secret)| {
            json!({
                "client_id": client, "client_secret": secret.expose(), "application_type": "native", "redirect_uris": REDIRECTS,
                "response_types": ["code"], "grant_types": [
                    "authorization_code", "refresh_token", "client_credentials", "urn:ietf:params:oauth:grant-type:device_code",
                ],
            })
        })
        .collect();
    let accounts: serde_json::Map<String, Value> = people
        .iter()
        .map(|(name, groups)| {
            let account = json!({
                "subject": random().expose(), "password": passwords[*name].expose(), "groups": groups,
                "email": format!("{name}@example.com"), "email_verified": true,
            });
            ((*name).to_owned(), account)
        })
        .collect();
    Issuer {
        path,
        given: json!({ "clients": given_clients, "accounts": accounts }),
        description: OidcProviderDescription {
            issuer: format!("{url}{path}"),
            authority: authority.to_owned(),
            clients,
            passwords,
            administrator: administrator.clone(),
            elsewhere: None,
        },
    }
}

/// Returns a new secret.
fn random() -> Secret {
    let mut bytes = [0_u8; 24];
    rand::thread_rng().fill_bytes(&mut bytes);
    Secret::new(URL_SAFE_NO_PAD.encode(bytes))
}

/// Waits until the issuer at `path` answers, and returns the port, the only line that the program prints.
async fn ready(child: &mut Child, told: ChildStdout, authority: &str, path: &str) -> Result<u16, OidcProviderError> {
    #[derive(Deserialize)]
    struct Told {
        port: u16,
    }
    let log = child.log().to_owned();
    let http = crate::tls::https(Some(authority), LIMIT).map_err(OidcProviderError::HttpsClient)?;
    let mut line = String::new();
    let mut told = BufReader::new(told);
    // It ends without a line when the program ends.
    let read = tokio::time::timeout(LIMIT, told.read_line(&mut line)).await;
    if !matches!(read, Ok(Ok(1..)))
        && let Ok(Ok(_)) = tokio::time::timeout(Duration::from_secs(1), child.ended()).await
    {
        child.expect_running()?;
    }
    let Ok(Told { port }) = serde_json::from_str(&line) else {
        child.expect_running()?;
        return Err(OidcProviderError::NotReady {
            why: "node-oidc-provider did not say at which port it listens".to_owned(),
            tail: crate::process::last_lines(&log, 12),
            log,
        });
    };
    let url = format!("https://127.0.0.1:{port}{path}/.well-known/openid-configuration");
    let mut running = || child.expect_running();
    let waited = wait::until("an answer of node-oidc-provider", LIMIT, || {
        let running = running();
        let asked = http.get(&url);
        async move {
            running?;
            Ok(match asked.send().await {
                Ok(answer) if answer.status().is_success() => Condition::Met(port),
                Ok(answer) => Condition::NotYet(format!("it answered {}", answer.status())),
                Err(error) => Condition::NotYet(with_causes(&error)),
            })
        }
    });
    waited.await.map_err(|error| OidcProviderError::not_ready(error, &log))
}

impl OidcProvider {
    /// Returns the description that another process needs to use it.
    pub fn description(&self) -> OidcProviderDescription {
        self.description.clone()
    }

    /// Returns its process.
    pub fn child(&self) -> &Child {
        &self.child
    }

    /// Stops it at once: it keeps nothing.
    pub async fn stop(self) {
        drop(self.front);
        // It is gone, however it ended.
        drop(self.child.kill().await);
    }
}
