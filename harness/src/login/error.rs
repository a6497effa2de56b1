//! Errors of a login. The main type is [`LoginError`]; the caller of an exec plugin sees one line of it.

use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{BadAddress, CacheError, SYSTEM, Sharing};
use crate::cause::with_causes;
use crate::hint::Hint;
use crate::printable::printable;
use crate::secret::redact;
use crate::shell_word::quoted;

/// The reason that a login failed.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// The issuer's URL is not valid.
    #[error("'{url}' is not the URL of an issuer: {why}")]
    Url {
        /// The URL as it was given.
        url: String,
        /// The problem with it.
        why: String,
    },
    /// No HTTPS client can be made of the authorities given.
    #[error("cannot use the authority of the issuer's certificate")]
    Authority(#[source] reqwest::Error),
    /// The issuer cannot be reached.
    #[error("cannot request {what} from the issuer {issuer}")]
    Unreachable {
        /// Its URL.
        issuer: String,
        /// The object of the request.
        what: &'static str,
        /// The cause.
        #[source]
        source: reqwest::Error,
    },
    /// The issuer's response cannot be used.
    #[error("cannot use the {what} from the issuer {issuer}: {why}")]
    Malformed {
        /// Its URL.
        issuer: String,
        /// The object of the request.
        what: &'static str,
        /// The problem with it.
        why: String,
    },
    /// The issuer names an unsafe address: it was not opened, and nothing was sent to it.
    #[error("cannot log in at the issuer {issuer}")]
    Address {
        /// Its URL.
        issuer: String,
        /// The address.
        #[source]
        source: BadAddress,
    },
    /// The issuer's configuration is that of another issuer (OpenID Connect Discovery 1.0 §4.3).
    #[error("the issuer {given} gives another issuer in its configuration: {said}")]
    Another {
        /// Its URL, as it was given.
        given: String,
        /// The issuer in the configuration.
        said: String,
    },
    /// The issuer refuses, in its own words (RFC 6749 §5.2).
    #[error("the issuer refused the {what}: {code}{}", described(.description.as_deref()))]
    Refused {
        /// The request.
        what: &'static str,
        /// The protocol's word.
        code: String,
        /// The issuer's words.
        description: Option<String>,
    },
    /// The issuer does not support that flow.
    #[error("the issuer {issuer} has no {what}")]
    Lacks {
        /// Its URL.
        issuer: String,
        /// The flow.
        what: &'static str,
    },
    /// The issuer returned tokens, but no ID token, which API servers need.
    #[error("the issuer gave no ID token")]
    NoIdToken,
    /// The ID token does not match the request.
    #[error("cannot use the issuer's ID token: {0}")]
    Token(String),
    /// A secret would go to an issuer that the user did not name.
    #[error("the {secret} is not sent to the issuer {issuer}: the cluster of the kubeconfig named the issuer, the client or the authority")]
    SecretForAStranger {
        /// The issuer's URL.
        issuer: String,
        /// The kind of secret.
        secret: &'static str,
    },
    /// The API server may not receive the login yet, and no user can be asked.
    #[error("the login at {} is not given to the API server {}: {}", sharing.audience.issuer, sharing.server.url, known(sharing))]
    NotForServer {
        /// The audience of the login, and the server.
        sharing: Box<Sharing>,
        /// The directory of the stored logins.
        directory: PathBuf,
        /// The reason that no user could be asked.
        #[source]
        source: Option<io::Error>,
    },
    /// The user does not allow that API server to receive the login.
    #[error("you did not allow the API server {server} to get the login")]
    NotAllowed {
        /// The server's address.
        server: String,
    },
    /// Another process tried to log in, and this one waited for it.
    #[error("another login at this issuer, which this one waited for, failed: {why}")]
    GivenUp {
        /// The reason that it failed.
        why: String,
    },
    /// A login needs a user, and the client says that none can be asked.
    #[error("cannot ask for a new login (no terminal, or interactiveMode is Never)")]
    NobodyThere,
    /// The earlier login has ended, and no user can be asked for a new one.
    #[error("the earlier login has ended, and this process cannot ask for a new one")]
    Over(#[source] Box<LoginError>),
    /// No password was given and none can be typed.
    #[error("cannot ask for the password of {user}")]
    Password {
        /// The user.
        user: String,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// No loopback address for the login page to return to can be listened on.
    #[error("cannot listen on a loopback address, to which the login page returns")]
    Listen(#[source] io::Error),
    /// The browser did not return from the login page.
    #[error("timed out after {} s waiting for the login page to return", limit.as_secs())]
    NotReturned {
        /// The time that was waited.
        limit: Duration,
    },
    /// The code was not typed in time.
    #[error("timed out after {} s waiting for the code to be typed", limit.as_secs())]
    NotTyped {
        /// The time that was waited.
        limit: Duration,
    },
    /// The login cannot be stored.
    #[error(transparent)]
    Cache(#[from] CacheError),
}

/// Lists the servers that may receive the login, to explain why this one may not.
fn known(sharing: &Sharing) -> String {
    let same = sharing.known.iter().any(|known| known.url == sharing.server.url);
    let known: Vec<&str> = sharing.known.iter().map(|known| known.url.as_str()).collect();
    match known.as_slice() {
        [] => "it was given to no server yet, and this process cannot ask you".to_owned(),
        _ if same => "its certificate is verified in another way than before, and this process cannot ask you".to_owned(),
        _ => format!("it was given to {} so far, and this process cannot ask you", known.join(", ")),
    }
}

fn described(description: Option<&str>) -> String {
    description.map(|text| format!(" ({text})")).unwrap_or_default()
}

impl LoginError {
    /// Returns the error with its causes, on one line and without secrets.
    #[must_use]
    pub fn told(&self) -> String {
        let text = with_causes(self);
        let line: Vec<&str> = text.split_whitespace().collect();
        printable(&redact(&line.join(" "))).into_owned()
    }

    /// Returns `true` if the issuer says that an earlier login has ended (RFC 6749 §5.2): only a new one helps.
    pub(super) fn ends_the_login(&self) -> bool {
        matches!(self, Self::Refused { code, .. } if code == "invalid_grant") || matches!(self, Self::NoIdToken)
    }

    fn is_untrusted_certificate(&self) -> bool {
        let Self::Unreachable { source, .. } = self else { return false };
        let mut cause: Option<&dyn Error> = Some(source);
        while let Some(error) = cause {
            if error.to_string().contains("invalid peer certificate") {
                return true;
            }
            cause = error.source();
        }
        false
    }
}

/// Returns the command that allows an API server to receive a login.
fn allowing(sharing: &Sharing, directory: &Path) -> String {
    let Sharing { audience, server, .. } = sharing;
    let directory = directory.display().to_string();
    let mut words = vec![
        "authlab",
        "token",
        "allow",
        "--issuer",
        &audience.issuer,
        "--client-id",
        &audience.client_id,
    ];
    words.extend(["--server", &server.url]);
    if server.verified_by != SYSTEM {
        words.extend(["--verified-by", &server.verified_by]);
    }
    words.extend(["--login-dir", &directory]);
    words.into_iter().map(quoted).collect::<Vec<_>>().join(" ")
}

impl Hint for LoginError {
    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::NotForServer { sharing, directory, .. } => {
                return Some(format!(
                    "if this is the right server, allow it with `{}`",
                    allowing(sharing, directory)
                ));
            }
            Self::SecretForAStranger { .. } => {
                "if you trust the issuer, give --issuer, --client-id and --certificate-authority yourself; otherwise log in without a secret, \
                 with --flow browser or --flow device"
            }
            Self::GivenUp { .. } => "run it again for a new login",
            Self::Url { .. } => "give it exactly as in the issuer's tokens, such as https://keycloak.example/realms/NAME",
            Self::Authority(_) => "give a PEM file with --certificate-authority",
            Self::Unreachable { .. } if self.is_untrusted_certificate() => {
                "give the authority that signed the issuer's certificate with --certificate-authority"
            }
            Self::Address { .. } => {
                "nothing was opened or sent there; check that this is the right issuer, and have its configuration corrected"
            }
            Self::Another { .. } => "give the URL exactly as in the issuer's configuration: a final slash, case and port matter",
            Self::Refused { code, .. } if code == "invalid_client" || code == "unauthorized_client" => {
                "check --client-id and the client's secret, and that the client may use this flow"
            }
            Self::Lacks { .. } => "choose another --flow",
            Self::Listen(error) if error.kind() == io::ErrorKind::AddrInUse => {
                "end the program that uses the port (perhaps another login), or give --redirect-uri another one that the client is registered with"
            }
            Self::NoIdToken => "allow the client the scope openid",
            Self::Over(error) if matches!(**error, Self::NoIdToken) => {
                "this issuer refreshes a login without an ID token, which it may (OpenID Connect Core 1.0 §12.2): log in again in a terminal \
                 when the token has expired, or have the issuer send one"
            }
            Self::NobodyThere | Self::Over(_) => "log in once in a terminal; later calls use and refresh that login",
            Self::NotReturned { .. } => "open the address that was printed in a browser on this machine, or use --flow device",
            Self::Password { .. } => "give --password-file FILE",
            Self::Cache(CacheError::Open { .. }) => "make the directory accessible only to you (chmod 700), or remove it",
            _ => return None,
        };
        Some(hint.to_owned())
    }
}
