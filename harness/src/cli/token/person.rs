//! The user at this machine: a browser is opened for them, and messages and questions go to the terminal.
//!
//! The main type is [`Sitting`].

use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use futures::FutureExt as _;
use futures::future::BoxFuture;

use super::super::blocking;
use super::super::report::open::has_screen;
use super::super::terminal::Silence;
use super::tell;
use crate::login::{Notice, Person, Sharing};
use crate::printable::printable;
use crate::secret::Secret;

/// The user at this machine.
pub(super) struct Sitting {
    pub(super) interactive: bool,
    pub(super) browser: Option<PathBuf>,
}

impl Person for Sitting {
    fn is_there(&self) -> bool {
        self.interactive
    }

    fn open(&self, address: &str) -> io::Result<()> {
        match &self.browser {
            Some(none) if none == Path::new("none") => Err(io::Error::other("--browser none")),
            // Standard output is for the credential alone.
            Some(program) => Command::new(program)
                .arg(address)
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .map(drop),
            None if has_screen() => open::that_detached(address),
            None => Err(io::Error::other("this machine has no screen")),
        }
    }

    fn password<'a>(&'a self, user: &'a str) -> BoxFuture<'a, io::Result<Secret>> {
        async move {
            let line = typed(&format!("Password of {user}: "), Echo::Off).await?;
            Ok(Secret::new(line.trim_end_matches(['\r', '\n'])))
        }
        .boxed()
    }

    fn allows<'a>(&'a self, sharing: &'a Sharing) -> BoxFuture<'a, io::Result<bool>> {
        async move {
            let answer = typed(&question(sharing), Echo::On).await?;
            Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
        }
        .boxed()
    }

    fn tell(&self, notice: &Notice<'_>) {
        tell(&match notice {
            Notice::LoggingInFor(server) => format!("Logging in for the API server {}", server.url),
            Notice::Opened { address } => format!("Log in in the browser that was opened, or open this address in one: {address}"),
            Notice::Address { address, why } => {
                format!("Open this address in a browser on this machine to log in: {address} (no browser was opened: {why})")
            }
            Notice::Code {
                complete: Some(complete),
                code,
                ..
            } => format!("Open this address in a browser anywhere to log in, and see that its code is {code}: {complete}"),
            Notice::Code { address, code, .. } => {
                format!("Open this address in a browser anywhere to log in, and type the code {code}: {address}")
            }
            Notice::Waiting => "Another login at this issuer is under way; waiting for it".to_owned(),
            Notice::Untrusted(untrusted) => format!("{untrusted}; logging in again"),
            Notice::UntrustedServers(untrusted) => untrusted.to_string(),
            Notice::Ended(error) => format!("The earlier login is over ({}); logging in again", error.told()),
        });
    }
}

/// Returns the question whether another API server may use the login, with the known facts.
fn question(sharing: &Sharing) -> String {
    let Sharing { audience, server, known } = sharing;
    let same = known.iter().any(|known| known.url == server.url);
    let known: Vec<&str> = known.iter().map(|known| known.url.as_str()).collect();
    let known = match known.as_slice() {
        [] => "It was given to no server yet.".to_owned(),
        _ if same => "Its certificate is verified in another way than before.".to_owned(),
        _ => format!("It was given to {} so far.", known.join(", ")),
    };
    format!(
        "Give the login at {} (client {}) to the API server {}? {known} [y/N] ",
        audience.issuer, audience.client_id, server.url
    )
}

/// `On` if typed text is shown.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Echo {
    On,
    Off,
}

/// Reads the line that is typed after `prompt`.
async fn typed(prompt: &str, echo: Echo) -> io::Result<String> {
    let stdin = io::stdin();
    if !stdin.is_terminal() {
        return Err(io::Error::other("standard input is not a terminal"));
    }
    // The cursor stays behind the prompt unless the typed line end is shown.
    let at_its_end = NewLine;
    let _silence = (echo == Echo::Off).then(|| Silence::begin(&stdin)).transpose()?;
    let _ = write!(anstream::stderr().lock(), "{}", printable(prompt));
    let read = blocking(|| {
        let mut line = String::new();
        io::stdin().read_line(&mut line).map(|length| (length > 0).then_some(line))
    });
    let line = read.await?.ok_or_else(|| io::Error::other("nothing was typed"))?;
    if echo == Echo::On {
        std::mem::forget(at_its_end);
    }
    Ok(line)
}

/// A guard that begins a new line when it is dropped.
struct NewLine;

impl Drop for NewLine {
    fn drop(&mut self) {
        tell("");
    }
}
