//! `authlab explain`: why a credential is accepted or refused, and what to change.
//!
//! The main type is [`ExplainArguments`].

mod api_server;
mod asked;
mod known;
mod show;
mod signing_request;

use std::io::{self, IsTerminal as _, Write};
use std::path::PathBuf;

use clap::{ArgGroup, Args};

use super::Session;
use super::error::{CommandError, use_error};
use super::exit::Exit;
use super::options::NamedLab;
use crate::cli::output::write_json;
use crate::explain::{self, Explanation, Finding, Outcome, Sent};
use crate::kubeconfig::plugin::{self, PluginAnswer, PluginError};
use crate::kubeconfig::{ClusterConfig, ExecConfig};
use crate::lab::Lab;
use crate::printable::printable;
use crate::probe::{Endpoint, RouteError};
use asked::Unsent;
use show::{list, show};

/// Arguments of `authlab explain`.
#[derive(Args, Clone, Debug)]
#[command(
    group = ArgGroup::new("presented").multiple(true).args(["kubeconfig", "token_file", "certificate"]),
    after_help = "\
Without arguments, the current kubeconfig is used, as kubectl reads it: the files of KUBECONFIG, else ~/.kube/config. It is named first.
The credential is sent to one server only, where kubectl would send it: the kubeconfig's, that of --server, or the lab's main API server.
If it is accepted, the role bindings are read there, too: with it, or as the administrator of the lab.
For a server of a lab that is up, its own log gives the reason; for other servers, authlab compares what it can see from outside.
Each finding says what it rests on, and names its behaviour in BEHAVIOURS.md. No secret is printed.

Exit codes:
  0  the API server itself said who this is; the signing request has its certificate; the API server applies its configuration
  1  one of these does not hold, or cannot be judged: the reason is printed
  2  wrong usage
  5  interrupted"
)]
pub struct ExplainArguments {
    /// Kubeconfig with the credential and its server
    ///
    /// Several are merged as kubectl merges those of KUBECONFIG.
    #[arg(long, value_name = "FILE", help_heading = "Subject")]
    kubeconfig: Vec<PathBuf>,
    /// Context of the kubeconfig [default: its current one]
    #[arg(long, value_name = "NAME", conflicts_with_all = ["token_file", "certificate"], help_heading = "Subject")]
    context: Option<String>,
    /// Do not run the kubeconfig's exec plugin
    ///
    /// Without this option, the plugin is named, and then run as kubectl runs it, for a minute at most. At a terminal it may ask you.
    #[arg(long, help_heading = "Subject")]
    no_plugin: bool,
    /// File with a token, `-` for standard input
    #[arg(long, value_name = "FILE", help_heading = "Subject")]
    token_file: Option<PathBuf>,
    /// PEM file with a client certificate, followed by its intermediates
    #[arg(long, value_name = "FILE", requires = "key", help_heading = "Subject")]
    certificate: Option<PathBuf>,
    /// PEM file with its key
    #[arg(long, value_name = "FILE", requires = "certificate", help_heading = "Subject")]
    key: Option<PathBuf>,
    /// Name of a CertificateSigningRequest: shows what it waits for
    ///
    /// Shows its state, too. It is read with the credential that is also given, or else as the administrator of the lab. The name of a
    /// file with one that was not sent yet shows what the API server would refuse.
    #[arg(long, value_name = "NAME|FILE", help_heading = "Subject")]
    signing_request: Option<String>,
    /// API server of the lab: shows what it really runs with
    ///
    /// NAME is that of its setting, `main` when not given. Shown are the flags that it really runs with, whether its
    /// AuthenticationConfiguration is in force, and which issuers it has found.
    #[arg(
        long,
        value_name = "NAME",
        num_args = 0..=1,
        default_missing_value = crate::cluster::MAIN,
        conflicts_with_all = ["presented", "signing_request", "server"],
        help_heading = "Subject"
    )]
    api_server: Option<String>,
    /// API server, or a proxy in front of it: `https://HOST:PORT`
    #[arg(long, value_name = "URL", conflicts_with = "kubeconfig", help_heading = "Server")]
    server: Option<String>,
    /// PEM file with the authority of its certificate [default: the system's]
    #[arg(long, value_name = "FILE", requires = "server", help_heading = "Server")]
    certificate_authority: Option<PathBuf>,
    /// The server's AuthenticationConfiguration, to compare tokens with
    #[arg(long, value_name = "FILE", help_heading = "Server")]
    authentication_config: Option<PathBuf>,
    /// The server's --client-ca-file, to compare certificates with
    #[arg(long, value_name = "FILE", help_heading = "Server")]
    client_authority: Option<PathBuf>,
    /// The server's issuer (--oidc-issuer-url), to compare tokens with
    #[arg(long, value_name = "URL", requires = "audience", help_heading = "Server")]
    issuer: Option<String>,
    /// The server's audience (--oidc-client-id), to compare tokens with
    #[arg(long, value_name = "AUDIENCE", requires = "issuer", help_heading = "Server")]
    audience: Option<String>,
    /// PEM file with the authority of the issuer's certificate (--oidc-ca-file)
    #[arg(long, value_name = "FILE", requires = "issuer", help_heading = "Server")]
    issuer_authority: Option<PathBuf>,
    /// Print the request that kubectl would send, and send nothing
    #[arg(long, conflicts_with_all = ["api_server", "signing_request"], help_heading = "Output")]
    show_request: bool,
    /// Print everything that was checked, and a binding for the user
    #[arg(long, short, help_heading = "Output")]
    verbose: bool,
    /// The lab.
    #[command(flatten)]
    lab: NamedLab,
}

impl ExplainArguments {
    /// Returns `true` if a kubeconfig is meant: one that is named, or the current one because nothing else is.
    fn means_kubeconfig(&self) -> bool {
        let names_another = self.token_file.is_some() || self.certificate.is_some() || self.server.is_some();
        !self.kubeconfig.is_empty() || !(names_another || self.signing_request.is_some())
    }
}

/// A file that an option names cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("the file {} cannot be read", path.display())]
struct NotRead {
    path: PathBuf,
    source: io::Error,
}

/// Sends the request, compares the credential with the server's settings, and reports.
///
/// # Errors
/// A file cannot be read, or no server is given and no lab is up.
pub async fn run(arguments: ExplainArguments, session: &Session, out: &mut dyn Write) -> Result<Exit, CommandError> {
    if let Some(name) = &arguments.api_server {
        return api_server::run(name, &arguments.lab.lab, session, out).await;
    }
    if let Some(url) = &arguments.issuer {
        known::possible_issuer(url)?;
    }
    if let Some(file) = arguments.signing_request.as_ref().map(PathBuf::from)
        && asked::is_file(&file).await
    {
        return signing_request::manifest(&file, session, out).await;
    }
    let told = |explanation: Explanation, out: &mut dyn Write| report(&explanation, &arguments, session, out);
    let unsent = |server: &str, presented: &str, findings| Explanation::unanswered(Outcome::NotSent, server, presented, findings);
    let lab = Lab::attach(&arguments.lab.lab).await.map_err(use_error)?;
    let mut asked = match asked::asked(&arguments, session).await? {
        Ok(asked) => asked,
        Err(Unsent(findings)) => return told(unsent("", "the kubeconfig", findings), out),
    };
    let endpoint = match asked.cluster.as_ref().map(|cluster| (cluster, Endpoint::kubectl(cluster))) {
        Some((_, Ok(endpoint))) => known::of_lab(lab.as_ref(), endpoint),
        Some((cluster, Err(error))) => {
            let finding = explain::connection::of_route(cluster, &error);
            let outcome = match error {
                // kubectl may reach the server in a way that is not known here.
                RouteError::Unsupported { .. } => Outcome::NotAsked,
                _ => Outcome::NotSent,
            };
            return told(Explanation::unanswered(outcome, "", "the kubeconfig", vec![finding]), out);
        }
        None => {
            let lab = match lab.clone() {
                Some(lab) => lab,
                // No such lab is up: the error lists those that are.
                None => Lab::existing(&arguments.lab.lab).await.map_err(use_error)?,
            };
            if asked.credentials.is_empty() {
                asked.credentials.push(lab.administrator().credential().clone());
            }
            Endpoint::of(lab.main())
        }
    };
    if arguments.show_request {
        let program = asked.plugin.as_ref().map(plugin::command_line);
        return show_request(&Sent::new(&endpoint, &asked.credential(), program), session, out);
    }
    if endpoint.is_plain() && (asked.plugin.is_some() || asked.beyond.is_some()) {
        let (presented, finding) = ("the user's credential", explain::not_sent());
        let explanation = Explanation::unanswered(Outcome::NotAsked, &endpoint.url, presented, vec![finding]);
        return told(explanation.with(asked.findings), out);
    }
    if let Some(beyond) = &asked.beyond {
        let finding = Finding::unjudged(
            beyond,
            "`kubectl auth whoami` does so, and says who you are; a new ID token is then in the kubeconfig, for `authlab explain`",
        );
        let explanation = Explanation::unanswered(Outcome::NotAsked, &endpoint.url, "the user's credential", vec![finding]);
        return told(explanation.with(asked.findings), out);
    }
    if let Some(exec) = &asked.plugin {
        if arguments.no_plugin {
            let presented = "the plugin's credential";
            let explanation = Explanation::unanswered(Outcome::NotAsked, &endpoint.url, presented, vec![explain::not_run(exec)]);
            return told(explanation, out);
        }
        let cluster = asked.cluster.clone().unwrap_or_default();
        match run_plugin(exec, &cluster).await {
            Ok(answer) => {
                asked.findings.extend(explain::about_answer(&answer));
                asked.credentials.extend(answer.credentials);
            }
            Err(error) => {
                let outcome = if error.is_kubectls() { Outcome::NotSent } else { Outcome::NotAsked };
                let explanation = Explanation::unanswered(outcome, &endpoint.url, "the plugin's credential", vec![error.into()]);
                return told(explanation, out);
            }
        }
    }
    let credential = asked.credential();
    if let Some((outcome, finding)) = explain::unusable(&endpoint, &credential) {
        let explanation = Explanation::unanswered(outcome, &endpoint.url, &credential.to_string(), vec![finding]);
        return told(explanation.with(asked.findings), out);
    }
    if let Some(name) = &arguments.signing_request {
        asked.findings.extend(explain::withheld(&endpoint, &credential));
        return signing_request::run(name, &endpoint, &credential, asked.findings, session, out).await;
    }
    let (known, unread) = known::known(&arguments, lab.as_ref(), &endpoint).await?;
    let explanation = explain::explain(&endpoint, &credential, &known).await;
    let stale = known::stale(&explanation, &credential, &endpoint, &known).await;
    let authority = asked.cluster.as_ref().and_then(|cluster| cluster.authority.as_deref());
    // A certificate authority matters only where the server's certificate was not accepted.
    let authorities = authority
        .filter(|_| explanation.outcome == Outcome::NoAnswer)
        .map(explain::authorities);
    let further = unread
        .into_iter()
        .chain(asked.findings)
        .chain(stale)
        .chain(authorities.unwrap_or_default());
    told(explanation.with(further), out)
}

/// Runs the plugin, and shows on standard error which one it is and what it says.
async fn run_plugin(exec: &ExecConfig, cluster: &ClusterConfig) -> Result<PluginAnswer, PluginError> {
    let mut show = |text: &str| {
        let mut shown = io::stderr();
        let _nobody_reads_it = write!(shown, "{}", printable(text)).and_then(|()| shown.flush());
    };
    let mut surroundings = plugin::Surroundings::new(&mut show);
    surroundings.is_terminal = io::stdin().is_terminal();
    plugin::announced_run(exec, cluster, surroundings).await
}

fn report(explanation: &Explanation, arguments: &ExplainArguments, session: &Session, out: &mut dyn Write) -> Result<Exit, CommandError> {
    if session.output.json {
        write_json(explanation, out)?;
    } else {
        show(explanation, arguments.verbose, out)?;
    }
    Ok(match explanation.outcome {
        Outcome::Accepted => Exit::Success,
        _ => Exit::Failed,
    })
}

fn show_request(sent: &Sent, session: &Session, out: &mut dyn Write) -> Result<Exit, CommandError> {
    if session.output.json {
        return write_json(sent, out);
    }
    write!(out, "{}", printable(&sent.to_string()))?;
    Ok(Exit::Success)
}
