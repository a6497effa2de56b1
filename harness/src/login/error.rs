//! Why nobody is logged in. The main type is [`LoginError`]; who ran an exec plugin sees one line of it.

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

/// Why a login has not come about.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// The issuer's URL is none.
    #[error("the issuer '{url}' is no URL of an issuer: {why}")]
    Url {
        /// As it was given.
        url: String,
        /// What is wrong with it.
        why: String,
    },
    /// No HTTPS client can be made of the authorities given.
    #[error("the authority of the issuer's certificate cannot be used")]
    Authority(#[source] reqwest::Error),
    /// It cannot be asked.
    #[error("the issuer {issuer} cannot be asked for {what}")]
    Unreachable {
        /// Its URL.
        issuer: String,
        /// What was asked for.
        what: &'static str,
        /// Why.
        #[source]
        source: reqwest::Error,
    },
    /// It answers something that cannot be used.
    #[error("the issuer {issuer} gives no usable {what}: {why}")]
    Malformed {
        /// Its URL.
        issuer: String,
        /// What was asked for.
        what: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// It names an address that is not safe to use: nothing was opened there, and nothing sent.
    #[error("the issuer {issuer} is not used for a login")]
    Address {
        /// Its URL.
        issuer: String,
        /// Which address.
        #[source]
        source: BadAddress,
    },
    /// Its configuration is that of another issuer (OpenID Connect Discovery 1.0 §4.3).
    #[error("the issuer is {given} here and calls itself {said}")]
    Another {
        /// Its URL, as it was given.
        given: String,
        /// What it says.
        said: String,
    },
    /// It refuses, in its own words (RFC 6749 §5.2).
    #[error("the issuer refused the {what}: {code}{}", described(.description.as_deref()))]
    Refused {
        /// Which request.
        what: &'static str,
        /// The protocol's word.
        code: String,
        /// The issuer's words.
        description: Option<String>,
    },
    /// It does not have that way of logging in.
    #[error("the issuer {issuer} has no {what}")]
    Lacks {
        /// Its URL.
        issuer: String,
        /// What.
        what: &'static str,
    },
    /// It gave tokens without the one that API servers are shown.
    #[error("the issuer gave no ID token")]
    NoIdToken,
    /// The token that it gave is not what was asked for.
    #[error("the ID token that the issuer gave is refused: {0}")]
    Token(String),
    /// A secret would go to an issuer that the person did not name.
    #[error("the {secret} is not sent to the issuer {issuer}: the cluster of the kubeconfig named the issuer, the client or the authority")]
    SecretForAStranger {
        /// The issuer's URL.
        issuer: String,
        /// Which secret.
        secret: &'static str,
    },
    /// The login was not given to that API server yet, and nobody can be asked.
    #[error("the login at {} is not given to the API server {}: {}", sharing.audience.issuer, sharing.server.url, known(sharing))]
    NotForServer {
        /// Whose login, and which server.
        sharing: Box<Sharing>,
        /// Where logins are kept.
        directory: PathBuf,
        /// Why nobody could be asked.
        #[source]
        source: Option<io::Error>,
    },
    /// The person does not want that API server to have the login.
    #[error("you did not allow the API server {server} to have the login")]
    NotAllowed {
        /// The server's address.
        server: String,
    },
    /// Another process logged in, and this one waited for it.
    #[error("another login at this issuer, which this one waited for, came to nothing: {why}")]
    GivenUp {
        /// Why.
        why: String,
    },
    /// A person is needed, and the client says that none is there.
    #[error("a new login needs a person, and none can be asked here (no terminal, or interactiveMode is Never)")]
    NobodyThere,
    /// The earlier login is over, and nobody is there for a new one.
    #[error("the earlier login is over, and nobody can be asked for a new one here")]
    Over(#[source] Box<LoginError>),
    /// No password was given and none can be typed.
    #[error("the password of {user} cannot be typed")]
    Password {
        /// Whose.
        user: String,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The address that the login page returns to cannot be listened on.
    #[error("no loopback address can be listened on for the login page to return to")]
    Listen(#[source] io::Error),
    /// Nobody came back from the login page.
    #[error("nobody came back from the login page within {} s", limit.as_secs())]
    NotReturned {
        /// How long it was waited for.
        limit: Duration,
    },
    /// The code was not typed in time.
    #[error("the code was not typed within {} s", limit.as_secs())]
    NotTyped {
        /// How long it was waited for.
        limit: Duration,
    },
    /// It cannot be kept.
    #[error(transparent)]
    Cache(#[from] CacheError),
}

/// Which servers have it, for who wonders why this one has not.
fn known(sharing: &Sharing) -> String {
    let same = sharing.known.iter().any(|known| known.url == sharing.server.url);
    let known: Vec<&str> = sharing.known.iter().map(|known| known.url.as_str()).collect();
    match known.as_slice() {
        [] => "it was given to none yet, and nobody can be asked here".to_owned(),
        _ if same => "its certificate is verified in another way than before, and nobody can be asked here".to_owned(),
        _ => format!("it was given to {} so far, and nobody can be asked here", known.join(", ")),
    }
}

fn described(description: Option<&str>) -> String {
    description.map(|text| format!(" ({text})")).unwrap_or_default()
}

impl LoginError {
    /// The error with its causes, on one line and without secrets.
    #[must_use]
    pub fn told(&self) -> String {
        let text = with_causes(self);
        let line: Vec<&str> = text.split_whitespace().collect();
        printable(&redact(&line.join(" "))).into_owned()
    }

    /// Whether the issuer says that an earlier login is over (RFC 6749 §5.2): only a new one helps.
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

/// The command that lets an API server have a login.
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
                return Some(format!("if you mean that server, allow it with `{}`", allowing(sharing, directory)));
            }
            Self::SecretForAStranger { .. } => {
                "if the issuer is yours, give --issuer, --client-id and --certificate-authority yourself; else log in without a secret, with \
                 --flow browser or --flow device"
            }
            Self::GivenUp { .. } => "run it again for a new login",
            Self::Url { .. } => "give it as the issuer's tokens say it, such as https://keycloak.example/realms/NAME",
            Self::Authority(_) => "give a PEM file with --certificate-authority",
            Self::Unreachable { .. } if self.is_untrusted_certificate() => {
                "give the authority that signed the issuer's certificate with --certificate-authority"
            }
            Self::Address { .. } => {
                "nothing was opened or sent there; see that the issuer is the one you mean, and have its configuration corrected"
            }
            Self::Another { .. } => "give the URL exactly as the issuer says it: a slash at its end, case and port count",
            Self::Refused { code, .. } if code == "invalid_client" || code == "unauthorized_client" => {
                "check --client-id and the client's secret, and that the client may use this flow"
            }
            Self::Lacks { .. } => "choose another --flow",
            Self::NoIdToken => "the client must be allowed the scope openid",
            Self::NobodyThere | Self::Over(_) => "log in once in a terminal; later calls use and refresh that login",
            Self::NotReturned { .. } => "open the address that was printed in a browser on this machine, or use --flow device",
            Self::Password { .. } => "give --password-file FILE",
            Self::Cache(CacheError::Open { .. }) => "make the directory yours alone (chmod 700), or remove it",
            _ => return None,
        };
        Some(hint.to_owned())
    }
}
