//! `authlab explain`: why a credential is accepted or refused, and what to change.
//!
//! The main type is [`ExplainArguments`].

mod api_server;
mod signing_request;

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::{ArgGroup, Args};

use super::error::{CommandError, use_error};
use super::exit::Exit;
use super::options::NamedLab;
use super::{Session, blocking};
use crate::cli::output::write_json;
use crate::cluster::{ApiServer, Driver, FRONT_PROXY, SERVICE_ACCOUNT_ISSUER};
use crate::credential::Credential;
use crate::event::{ReasonSource, Verdict};
use crate::explain::issuers::{self, Issuer};
use crate::explain::{self, Basis, Effect, Explanation, Finding, Known, flags, kubeconfig};
use crate::kubeconfig::ClusterConfig;
use crate::lab::Lab;
use crate::pki::Leaf;
use crate::probe::Endpoint;
use crate::secret::Secret;

/// Arguments of `authlab explain`.
#[derive(Args, Clone, Debug)]
#[command(
    group = ArgGroup::new("what").required(true).multiple(true)
        .args(["kubeconfig", "token_file", "certificate", "signing_request", "api_server"]),
    group = ArgGroup::new("presented").args(["kubeconfig", "token_file", "certificate"]),
    after_help = "\
The credential is sent to one server only: the kubeconfig's, that of --server, or the main API server of the lab.
If a certificate is accepted, the role bindings for its user are read there, too.
For a server of a lab that is up, its own log gives the reason; for other servers, authlab compares what it can see from outside.
Each finding names its behaviour in BEHAVIOURS.md. No secret is printed.

Exit codes:
  0  the credential is accepted; the signing request has its certificate; the API server applies its configuration
  1  one of these does not hold: the reason is printed
  2  wrong usage
  5  interrupted"
)]
pub struct ExplainArguments {
    /// Kubeconfig with the credential and its server
    ///
    /// An exec plugin is run, but not interactively.
    #[arg(long, value_name = "FILE", help_heading = "Subject")]
    kubeconfig: Option<PathBuf>,
    /// Context of that kubeconfig [default: its current one]
    #[arg(long, value_name = "NAME", requires = "kubeconfig", help_heading = "Subject")]
    context: Option<String>,
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
    /// Shows its state, too. It is read with the credential that is also given, or else as the administrator of the lab.
    #[arg(long, value_name = "NAME", help_heading = "Subject")]
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
    #[arg(
        long,
        value_name = "URL",
        requires = "certificate_authority",
        conflicts_with = "kubeconfig",
        help_heading = "Server"
    )]
    server: Option<String>,
    /// PEM file with the authority of its certificate
    #[arg(long, value_name = "FILE", requires = "server", help_heading = "Server")]
    certificate_authority: Option<PathBuf>,
    /// The server's AuthenticationConfiguration, to compare tokens with
    #[arg(long, value_name = "FILE", help_heading = "Server")]
    authentication_config: Option<PathBuf>,
    /// The server's issuer (--oidc-issuer-url), to compare tokens with
    #[arg(long, value_name = "URL", requires = "audience", help_heading = "Server")]
    issuer: Option<String>,
    /// The server's audience (--oidc-client-id), to compare tokens with
    #[arg(long, value_name = "AUDIENCE", requires = "issuer", help_heading = "Server")]
    audience: Option<String>,
    /// PEM file with the authority of the issuer's certificate (--oidc-ca-file)
    #[arg(long, value_name = "FILE", requires = "issuer", help_heading = "Server")]
    issuer_authority: Option<PathBuf>,
    /// The lab.
    #[command(flatten)]
    lab: NamedLab,
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
    let lab = Lab::attach(&arguments.lab.lab).await.map_err(use_error)?;
    let mut told = Vec::new();
    let mut asked = asked(&arguments, &mut told).await?;
    if asked.server.is_none() && arguments.kubeconfig.is_none() {
        let lab = match lab.clone() {
            Some(lab) => lab,
            // No such lab is up: the error lists those that are.
            None => Lab::existing(&arguments.lab.lab).await.map_err(use_error)?,
        };
        asked.server = Some(lab.main().url.clone());
        asked.authority = Some(lab.main().serving_authority.clone());
        let presents = arguments.token_file.is_some() || arguments.certificate.is_some();
        if arguments.signing_request.is_some() && !presents {
            asked.credentials.push(lab.administrator().credential().clone());
        }
    }
    let Some(server) = asked.server else {
        return show_file_alone(&told, session, out);
    };
    if let Some(plugin) = &asked.exec {
        match explain::run_plugin(plugin, &asked.cluster).await {
            Ok(credential) => asked.credentials.push(credential),
            Err(error) => {
                told.push(error.into());
                return show_file_alone(&told, session, out);
            }
        }
    }
    let Some(authority) = asked.authority else {
        told.push(Finding::of_file(
            "no request was sent: the authority of the server's certificate is not given",
            "give certificate-authority in the kubeconfig",
        ));
        return show_file_alone(&told, session, out);
    };
    let cluster = ClusterConfig {
        server: server.clone(),
        authority: Some(authority.clone()),
        ..ClusterConfig::default()
    };
    let endpoint = match Endpoint::kubectl(&cluster) {
        Ok(Endpoint { route, .. }) => Endpoint {
            route,
            ..endpoint(lab.as_ref(), &server, authority)
        },
        Err(error) => {
            told.push(explain::connection::of_route(&cluster, &error));
            return show_file_alone(&told, session, out);
        }
    };
    let credential = Credential::of(asked.credentials, asked.impersonated);
    if let Some(name) = &arguments.signing_request {
        return signing_request::run(name, &endpoint, &credential, told, session, out).await;
    }
    let mut unread = Vec::new();
    let known = known(&arguments, lab.as_ref(), &endpoint, &mut unread).await?;
    let mut explanation = explain::explain(&endpoint, &credential, &known).await;
    explanation.findings.extend(unread);
    if let Some(finding) = stale(&explanation, &endpoint, &known).await {
        let place = explanation.findings.iter().position(|other| other.rank() > finding.rank());
        explanation.findings.insert(place.unwrap_or(explanation.findings.len()), finding);
    }
    // Problems of the file explain those of the credential, so they come first.
    let refused = explanation.verdict.is_refusal();
    explanation.findings.splice(0..0, told);
    if !refused {
        for finding in &mut explanation.findings {
            finding.effect = finding.effect.max(Effect::Note);
        }
    }
    if session.output.json {
        write_json(&explanation, out)?;
    } else {
        show(&explanation, out)?;
    }
    Ok(if refused { Exit::Failed } else { Exit::Success })
}

/// The server to ask, and the credentials to present to it.
#[derive(Default)]
struct Wanted {
    server: Option<String>,
    authority: Option<String>,
    credentials: Vec<Credential>,
    exec: Option<serde_json::Value>,
    /// The description of the cluster that is passed to a plugin.
    cluster: serde_json::Value,
    impersonated: Vec<(String, String)>,
}

async fn asked(arguments: &ExplainArguments, told: &mut Vec<Finding>) -> Result<Wanted, CommandError> {
    let mut wanted = Wanted::default();
    if let Some(path) = &arguments.kubeconfig {
        let text = read(path).await?;
        let directory = path.parent().unwrap_or(Path::new(".")).to_owned();
        let context = arguments.context.clone();
        let found = blocking(move || {
            let beside = |name: &Path| std::fs::read_to_string(directory.join(name));
            kubeconfig::read(&text, context.as_deref(), &beside)
        });
        let found = found.await;
        told.extend(found.findings);
        return Ok(Wanted {
            server: found.server,
            authority: found.authority,
            credentials: found.credentials,
            exec: found.exec,
            cluster: found.cluster,
            impersonated: found.impersonated,
        });
    }
    if let Some(path) = &arguments.token_file {
        wanted.credentials.push(Credential::Token(Secret::new(read(path).await?.trim())));
    }
    if let (Some(certificate), Some(key)) = (&arguments.certificate, &arguments.key) {
        let leaf = Leaf {
            certificate: read(certificate).await?,
            chain: String::new(),
            key: Secret::new(read(key).await?),
        };
        if let Err(error) = crate::tls::identity(&leaf) {
            return Err(CommandError::new(Exit::Usage, error).hint("give a certificate and its key as PEM text"));
        }
        wanted.credentials.push(Credential::Certificate(leaf));
    }
    wanted.server = arguments.server.as_ref().map(|server| server.trim_end_matches('/').to_owned());
    if let Some(path) = &arguments.certificate_authority {
        wanted.authority = Some(read(path).await?);
    }
    Ok(wanted)
}

async fn read(path: &Path) -> Result<String, CommandError> {
    let path = path.to_owned();
    let read = blocking(move || {
        let text = if path == Path::new("-") {
            io::read_to_string(io::stdin())
        } else {
            std::fs::read_to_string(&path)
        };
        text.map_err(|source| CommandError::new(Exit::Usage, NotRead { path, source }))
    });
    read.await
}

/// Returns the endpoint to ask: a server of the lab, whose record can be read, or a server elsewhere.
fn endpoint(lab: Option<&Lab>, server: &str, authority: String) -> Endpoint {
    let behind = |server: &ApiServer| Endpoint::of(server);
    if let Some(lab) = lab {
        let description = lab.description();
        if let Some(there) = description.api_servers.values().find(|there| there.url == server) {
            return Endpoint {
                authority,
                ..behind(there)
            };
        }
        let proxy = description.auth_proxies.iter().find(|(_, proxy)| proxy.url == server);
        if let Some(Ok(endpoint)) = proxy.map(|(name, _)| lab.auth_proxy(name)) {
            return Endpoint { authority, ..endpoint };
        }
    }
    behind(&ApiServer {
        name: "server".to_owned(),
        url: server.to_owned(),
        serving_authority: authority,
        logs: None,
        gate: PathBuf::new(),
        client_authorities: None,
        authentication: None,
        request_header_authorities: None,
        own_authorities: None,
    })
}

/// Returns the known facts about that server: from the lab if it is the lab's own, otherwise from the options.
async fn known(
    arguments: &ExplainArguments,
    lab: Option<&Lab>,
    endpoint: &Endpoint,
    unread: &mut Vec<Finding>,
) -> Result<Known, CommandError> {
    let mut known = Known::default();
    let ours = lab.filter(|lab| {
        lab.description()
            .api_servers
            .values()
            .any(|server| server.url == endpoint.server.url)
    });
    if let Some(lab) = ours.filter(|lab| lab.description().cluster != Driver::Existing) {
        known.service_account_issuer = Some(SERVICE_ACCOUNT_ISSUER.to_owned());
        known.administrator = Some(lab.administrator_of(&endpoint.server).map_err(use_error)?.credential().clone());
        if let Ok(authorities) = lab.authorities() {
            known.proxy_authorities = Some(authorities.request_headers.certificate().to_owned());
            known.proxy_names = Some(vec![FRONT_PROXY.to_owned()]);
        }
        match given(lab, &endpoint.server) {
            Ok(Some(issuers)) => {
                known.issuers = issuers;
                known.all = true;
            }
            Ok(None) => {}
            Err(why) => unread.push(Finding {
                effect: Effect::Note,
                ..Finding::of_file(why, "`authlab explain --api-server` says which configuration is in force")
            }),
        }
    }
    if let Some(file) = &arguments.authentication_config {
        known.issuers = configured(file).await?;
        known.all = true;
    }
    if let (Some(issuer), Some(audience)) = (&arguments.issuer, &arguments.audience) {
        let mut issuer = Issuer::by_flags(issuer, audience);
        if let Some(path) = &arguments.issuer_authority {
            issuer.authority = Some(read(path).await?);
        }
        known.issuers.push(issuer);
    }
    Ok(known)
}

/// Returns the issuers that an API server of the lab was given, by file or by flags; `None` if neither can be seen.
///
/// # Errors
/// A message that says why the file cannot be used.
fn given(lab: &Lab, server: &ApiServer) -> Result<Option<Vec<Issuer>>, String> {
    if let Some(file) = &server.authentication {
        let text = std::fs::read_to_string(file).map_err(|error| format!("the file {} cannot be read: {error}", file.display()))?;
        let issuers = issuers::of_configuration(&text);
        return issuers
            .map(Some)
            .map_err(|why| format!("the API server's file {} cannot be used: {why}", file.display()));
    }
    let flags = lab.flags_of(server);
    Ok(flags.map(|flags| flags::issuer(&flags, &|path| std::fs::read_to_string(path)).into_iter().collect()))
}

/// Returns a finding if a token is refused by a server of the lab whose configuration, with which it was compared, is not in force.
async fn stale(explanation: &Explanation, endpoint: &Endpoint, known: &Known) -> Option<Finding> {
    let administrator = known
        .administrator
        .as_ref()
        .filter(|_| explanation.verdict == Verdict::Unauthenticated)?;
    let finding = explain::api_server::of_configuration(&endpoint.server, administrator).await?;
    (finding.effect < Effect::Note).then_some(finding)
}

async fn configured(file: &Path) -> Result<Vec<Issuer>, CommandError> {
    issuers::of_configuration(&read(file).await?)
        .map_err(|why| CommandError::new(Exit::Usage, format!("the file {} cannot be used: {why}", file.display())))
}

/// Shows the findings when they are so severe that no request was sent.
fn show_file_alone(findings: &[Finding], session: &Session, out: &mut dyn Write) -> Result<Exit, CommandError> {
    if session.output.json {
        write_json(&serde_json::json!({ "verdict": "not_asked", "findings": findings }), out)?;
    } else {
        writeln!(out, "No request was sent: the credential is already invalid.")?;
        list(findings, out)?;
    }
    Ok(Exit::Failed)
}

fn show(explanation: &Explanation, out: &mut dyn Write) -> io::Result<()> {
    let Explanation { server, presented, .. } = explanation;
    match &explanation.user {
        Some(user) => writeln!(out, "{server} accepts {presented}: you are \"{user}\", in {:?}", explanation.groups)?,
        None => {
            let status = explanation.status.map(|status| format!(" ({status})")).unwrap_or_default();
            writeln!(out, "{server} does not accept {presented}: {}{status}", explanation.verdict.words())?;
        }
    }
    if let Some(reason) = &explanation.reason {
        let source = match explanation.reason_source {
            ReasonSource::Log => "its log says",
            ReasonSource::Audit => "its audit log says",
            ReasonSource::Body => "it answers",
            ReasonSource::NotObservable => "its log cannot be read here, it answers",
            ReasonSource::None => "it says",
        };
        writeln!(out, "  {source}: {reason}")?;
    }
    list(&explanation.findings, out)?;
    if let Some(binding) = &explanation.binding {
        writeln!(out, "\nTo let this identity read the namespace `default`:\n---")?;
        write!(out, "{}", serde_saphyr::to_string(binding).map_err(io::Error::other)?)?;
    }
    Ok(())
}

fn list(findings: &[Finding], out: &mut dyn Write) -> io::Result<()> {
    for (index, finding) in findings.iter().enumerate() {
        let id = finding.behaviour.map(|id| format!(" [{id}]")).unwrap_or_default();
        let label = match (finding.effect, finding.basis) {
            (Effect::Cause, Basis::Proved) => "because",
            (Effect::Cause, Basis::Compared) => "because (compared here, not said by the server)",
            (Effect::Cause, Basis::Likely) => "likely",
            (Effect::Unjudged, _) => "cannot be judged here",
            (Effect::Note, _) => "note",
            (Effect::Right, _) => "right",
        };
        writeln!(out, "\n{}. {label}{id}: {}", index + 1, finding.seen)?;
        if let Some(change) = finding.change.as_ref().filter(|change| !change.is_empty()) {
            writeln!(out, "   change: {change}")?;
        }
    }
    Ok(())
}
