//! The server of `authlab issuer`: its options, what it prints when it is ready, and a line for each request.
//!
//! The main type is [`ServeIssuer`].

use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::sync::mpsc;
use std::time::Duration;

use clap::Args;
use serde_json::{Map, Value, json};

use super::files::Files;
use crate::cli::Session;
use crate::cli::error::CommandError;
use crate::cli::exit::Exit;
use crate::cli::options::ProjectOption;
use crate::cli::trial::configuration::text;
use crate::cli::trial::people::claims;
use crate::identity_provider::issuer::Algorithm;
use crate::issuer::{Callers, Endpoint, NamedIssuer, Person, Server, ServerError, ServerOptions};
use crate::printable::{printable, printable_json};
use crate::project::{Credential, Project};
use crate::shell_word::quoted;
use crate::token_shape::TokenShape;

/// The end of the help.
pub(super) const AFTER_HELP: &str = "\
The issuer is for tests: any client, password and user is accepted, and a request says which
claims a token has. There are discovery, keys, and tokens by authorization code with PKCE, client
credentials, password, refresh token, device code, JWT bearer and token exchange.
A control API rotates its keys, breaks it and slows it down; its secret is in a file for you alone.

Examples:
  authlab issuer --claims alice.json --cluster-config > authn.yaml
  authlab issuer --issuer team-a --issuer okta=https://example.okta.com --like okta-org
  authlab --json issuer --port 8443 --ca-file ca.pem
  authlab issuer token --at https://127.0.0.1:8443/default --ca-file ca.pem --claim sub=bob

Exit codes:
  0  ended by Ctrl-C (and everything was removed)
  1  the port is taken, or a file cannot be written
  2  wrong usage, such as a file that cannot be read";

/// The options of the server.
#[derive(Args, Clone, Debug)]
pub(super) struct ServeIssuer {
    /// Port [default: a free one]
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    port: Option<u16>,
    /// Address to listen on, for everybody who reaches it
    ///
    /// Without it, the issuer listens on loopback, and its tokens are for programs of your own user. The address is the host in all URLs.
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<IpAddr>,
    /// Serve without TLS, on loopback; API servers accept no such issuer
    #[arg(long)]
    http: bool,
    /// Name of an issuer, or NAME=URL if its tokens say another URL
    ///
    /// It can be given several times; each has keys of its own, at the path /NAME. Documents and endpoints stay at the issuer's address.
    /// [default: default]
    #[arg(long, value_name = "NAME[=URL]", value_parser = named)]
    issuer: Vec<NamedIssuer>,
    /// Algorithm of the keys, such as RS256 or ES256
    #[arg(long, value_name = "ALGORITHM", default_value = "RS256")]
    algorithm: Algorithm,
    /// Audience of access tokens that are requested without one
    #[arg(long, value_name = "AUDIENCE", default_value = "kubernetes")]
    audience: String,
    /// Lifetime of tokens that are requested without one
    #[arg(long, value_name = "SECONDS", default_value_t = 3600, value_parser = clap::value_parser!(u64).range(1..))]
    lifetime: u64,
    /// JSON file with the claims of a person named like the file
    ///
    /// It can be given several times. People of authlab.toml with tokens are there, too; everybody else has a subject alone.
    #[arg(long, value_name = "FILE")]
    claims: Vec<PathBuf>,
    /// Shape of all tokens, as for `authlab.toml`: `entra-v2`
    #[arg(long, value_name = "SHAPE", value_parser = shape)]
    like: Option<&'static TokenShape>,
    /// Ask for the user on a page, in place of logins without a question
    #[arg(long)]
    login_page: bool,
    /// File to write the authority of its certificate to, until it ends
    #[arg(long, value_name = "FILE", conflicts_with = "http")]
    ca_file: Option<PathBuf>,
    /// Print what an API server needs: an AuthenticationConfiguration
    #[arg(long, conflicts_with = "http")]
    cluster_config: bool,
    /// With --cluster-config, print `--oidc-…` flags of the first issuer
    #[arg(long, requires = "cluster_config")]
    flags: bool,
    /// The project whose people have tokens.
    #[command(flatten)]
    project: ProjectOption,
}

fn named(text: &str) -> Result<NamedIssuer, String> {
    let (name, url) = match text.split_once('=') {
        Some((name, url)) => (name, Some(url.to_owned())),
        None => (text, None),
    };
    if name.is_empty() || url.as_deref() == Some("") {
        return Err("expected NAME or NAME=URL".to_owned());
    }
    Ok(NamedIssuer {
        name: name.to_owned(),
        url,
    })
}

fn shape(name: &str) -> Result<&'static TokenShape, String> {
    TokenShape::named(name).map_err(|error| error.to_string())
}

/// Serves until the user interrupts.
pub(super) async fn run(arguments: ServeIssuer, session: &Session, out: &mut dyn Write) -> Result<Exit, CommandError> {
    let options = options(&arguments)?;
    let server = session
        .unless_interrupted(async { Server::start(options).await.map_err(refused) })
        .await?;
    let mut requests = server.watch();
    let files = Files::write(&server, arguments.ca_file.as_deref())
        .map_err(|error| CommandError::new(Exit::Failed, format!("cannot write the issuer's files: {error}")))?;
    if let (Some(address), false) = (arguments.listen, session.output.json) {
        tell(&format!("Everybody who reaches {address} can have any token of this issuer."))?;
    }
    show(&arguments, session, &server, &files, out)?;
    out.flush()?;
    let lines = Lines::begin();
    loop {
        tokio::select! {
            () = session.interrupt.requested() => break,
            Some(request) = requests.recv() => {
                if !session.output.quiet {
                    lines.add(request.to_string());
                }
            }
        }
    }
    server.stop().await;
    drop(files);
    lines.end();
    Ok(Exit::Success)
}

/// Prints what is asked for when the server is ready.
fn show(arguments: &ServeIssuer, session: &Session, server: &Server, files: &Files, out: &mut dyn Write) -> Result<(), CommandError> {
    let ca = files.authority().map(|path| path.display().to_string());
    let flags = match arguments.flags {
        true => Some(server.flags(ca.as_deref().unwrap_or_default()).map_err(refused)?),
        false => None,
    };
    let configuration = match arguments.cluster_config && !arguments.flags {
        true => Some(server.authentication_configuration().map_err(refused)?),
        false => None,
    };
    if session.output.json {
        let mut document = document(server, files).map_err(refused)?;
        if let Some(configuration) = configuration {
            document["authentication_configuration"] = json!(configuration);
        }
        if let Some(flags) = flags {
            document["flags"] = json!(flags);
        }
        writeln!(out, "{}", printable_json(&document.to_string()))?;
        return Ok(());
    }
    match (configuration, flags) {
        (Some(configuration), _) => write!(out, "{configuration}")?,
        (None, Some(flags)) => {
            for flag in flags {
                writeln!(out, "{flag}")?;
            }
        }
        (None, None) => summary(server, files, out).map_err(CommandError::from)?,
    }
    Ok(())
}

/// Returns the addresses and files, for programs.
fn document(server: &Server, files: &Files) -> Result<Value, ServerError> {
    let mut issuers = Map::new();
    for name in server.names() {
        let issuer = json!({
            "url": server.url(name)?,
            "discovery": server.endpoint(name, Endpoint::Discovery)?,
            "jwks": server.endpoint(name, Endpoint::Keys)?,
            "token": server.endpoint(name, Endpoint::Token)?,
        });
        issuers.insert(name.clone(), issuer);
    }
    // Most scripts have one issuer, and look no further.
    let first = server.names().first().and_then(|name| issuers.get(name));
    let mut document = first.cloned().unwrap_or_else(|| json!({}));
    let shown = |path: PathBuf| path.display().to_string();
    document["schema"] = json!(1);
    document["issuers"] = Value::Object(issuers);
    document["ca"] = json!(server.authority());
    document["ca_file"] = json!(files.authority().map(shown));
    document["control"] = json!(server.control_url());
    document["secret_file"] = json!(shown(files.secret()));
    document["header_file"] = json!(shown(files.header()));
    document["configuration_file"] = json!(files.configuration().map(shown));
    Ok(document)
}

/// Writes the addresses and files, for people.
fn summary(server: &Server, files: &Files, out: &mut dyn Write) -> io::Result<()> {
    writeln!(
        out,
        "The issuer runs until Ctrl-C. It accepts any client, password and user: it is for tests.\n"
    )?;
    let shown = |path: PathBuf| quoted(&path.display().to_string()).into_owned();
    let called = |name: &String| server.url(name).unwrap_or_default();
    let at = |name: &String| format!("{}/{name}", server.base());
    for name in server.names() {
        writeln!(out, "  issuer     {}", called(name))?;
        if called(name) != at(name) {
            writeln!(out, "    at       {}", at(name))?;
        }
    }
    let authority = files.authority().map(shown);
    let mut curl = "curl".to_owned();
    if let Some(authority) = &authority {
        writeln!(out, "  authority  {authority}")?;
        curl = format!("curl --cacert {authority}");
    }
    if let Some(configuration) = files.configuration().map(shown) {
        writeln!(out, "  API server {configuration}")?;
    }
    writeln!(out, "  control    {}", server.control_url())?;
    let name = server.names().first().cloned().unwrap_or_default();
    writeln!(out, "\nA token, and new keys:")?;
    writeln!(out, "  {curl} -d grant_type=client_credentials -d client_id=ci {}/token", at(&name))?;
    let control = format!("{}/issuers/{name}/rotate", server.control_url());
    writeln!(out, "  {curl} -H @{} -X POST {control}", shown(files.header()))
}

/// Writes a line for people to standard error.
/// The lines about requests, written by a thread of its own: nobody may read them, and the issuer goes on and ends all the same.
struct Lines {
    waiting: mpsc::SyncSender<String>,
    written: mpsc::Receiver<()>,
}

impl Lines {
    fn begin() -> Self {
        let (waiting, lines) = mpsc::sync_channel::<String>(1000);
        let (done, written) = mpsc::channel();
        std::thread::spawn(move || {
            while let Ok(line) = lines.recv() {
                if tell(&line).is_err() {
                    break;
                }
            }
            // Nobody may wait for it any more.
            let _ = done.send(());
        });
        Self { waiting, written }
    }

    /// Adds a line. One more than a thousand that nobody has read is left out.
    fn add(&self, line: String) {
        let _ = self.waiting.try_send(line);
    }

    /// Waits until all lines are written, for a second at most.
    fn end(self) {
        drop(self.waiting);
        let _ = self.written.recv_timeout(Duration::from_secs(1));
    }
}

fn tell(line: &str) -> io::Result<()> {
    writeln!(anstream::stderr(), "{}", printable(line))
}

fn refused(error: ServerError) -> CommandError {
    let exit = match error {
        ServerError::Listen { .. } | ServerError::Pki(_) | ServerError::Tls(_) => Exit::Failed,
        _ => Exit::Usage,
    };
    CommandError::hinted(exit, error)
}

/// Returns the options of the server, with everybody's claims.
fn options(arguments: &ServeIssuer) -> Result<ServerOptions, CommandError> {
    let mut people = match arguments.project.read()? {
        Some(project) => of_project(&project)?,
        None => Vec::new(),
    };
    for file in &arguments.claims {
        let name = file.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        people.retain(|person: &Person| person.name != name);
        people.push(Person {
            name: name.to_owned(),
            claims: claims(file, &text(file)?)?,
            ..Person::default()
        });
    }
    let defaults = ServerOptions::default();
    Ok(ServerOptions {
        issuers: match arguments.issuer.is_empty() {
            true => defaults.issuers,
            false => arguments.issuer.clone(),
        },
        algorithm: arguments.algorithm,
        address: arguments.listen.unwrap_or(Ipv4Addr::LOCALHOST.into()),
        port: arguments.port.unwrap_or_default(),
        callers: match arguments.listen {
            Some(_) => Callers::Anybody,
            None => Callers::ThisUser,
        },
        plain: arguments.http,
        audience: arguments.audience.clone(),
        lifetime: Duration::from_secs(arguments.lifetime),
        like: arguments.like,
        people,
        login_page: arguments.login_page,
    })
}

/// Returns the people of `project` who have tokens of an issuer.
fn of_project(project: &Project) -> Result<Vec<Person>, CommandError> {
    let mut people = Vec::new();
    for (name, person) in &project.people {
        let Credential::Token(token) = &person.credential else { continue };
        if let Some(like) = &token.like {
            TokenShape::named(&like.value).map_err(|error| CommandError::hinted(Exit::Usage, error))?;
        }
        people.push(Person {
            name: name.clone(),
            claims: token.claims.clone(),
            without: token.without.iter().map(|claim| claim.value.clone()).collect(),
            like: token.like.as_ref().map(|like| like.value.clone()),
        });
    }
    Ok(people)
}
