//! `authlab server-binaries`: manages the servers as files.
//!
//! The main type is [`ServerBinariesArguments`].

use std::io::Write;
use std::path::PathBuf;

use clap::builder::FalseyValueParser;
use clap::{Args, Subcommand};
use comfy_table::{CellAlignment, Table, presets};

use super::Session;
use super::build_images::ImageArguments;
use super::error::CommandError;
use super::exit::Exit;
use super::images::ImagesArguments;
use super::options::SourceOptions;
use super::output::write_json;
use crate::server_binaries::{self, CacheError, Kubernetes, Options, ServerBinariesError, Source, State, Unwanted, Versions};
use crate::shell_word::quoted;

/// Arguments of `authlab server-binaries`.
#[derive(Args, Debug)]
pub struct ServerBinariesArguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// List every pinned version, and what the cache holds
    List,
    /// Fetch versions that are not in the cache yet
    Fetch(FetchArguments),
    /// Build versions with the Go toolchain; or images, with --image
    ///
    /// Versions are built even if they are in the cache.
    Build(BuildArguments),
    /// Verify the hash of every file in the cache
    #[command(after_help = "Exit code 1: a file is damaged.")]
    Verify,
    /// List the images that a run needs, to load them beforehand
    Images(ImagesArguments),
    /// Remove files that no pinned version needs and no lab uses
    Prune(PruneArguments),
}

#[derive(Args, Debug)]
struct FetchArguments {
    /// Kubernetes versions, `1.37` or `1.37.2` [default: newest, Keycloak]
    ///
    /// A pre-release is named in full: `1.38.0-beta.0`.
    #[arg(value_name = "VERSION")]
    versions: Vec<String>,
    /// Fetch every pinned version, and Keycloak
    #[arg(long, conflicts_with = "versions")]
    all: bool,
    /// Fetch Keycloak
    #[arg(long)]
    keycloak: bool,
    #[command(flatten)]
    sources: SourceOptions,
}

#[derive(Args, Debug)]
struct BuildArguments {
    /// Kubernetes versions, `1.37` or `1.37.2` [default: the newest]
    ///
    /// A pre-release is named in full: `1.38.0-beta.0`.
    #[arg(value_name = "VERSION")]
    versions: Vec<String>,
    /// Use no network: the Go modules must be on this machine
    #[arg(long, env = "AUTHLAB_OFFLINE", value_parser = FalseyValueParser::new())]
    offline: bool,
    #[command(flatten)]
    images: ImageArguments,
}

#[derive(Args, Debug)]
struct PruneArguments {
    /// Versions to remove, such as 1.37.2 [default: those not pinned]
    ///
    /// Without any, the versions that no pinned version needs are removed.
    #[arg(value_name = "VERSION")]
    versions: Vec<String>,
    /// Remove everything that no lab uses
    #[arg(long, conflicts_with = "versions")]
    all: bool,
}

/// Runs the command and writes its result to `out`.
///
/// # Errors
/// An unknown version (usage), files that could not be obtained, damaged files, or an interrupt.
pub async fn run(arguments: ServerBinariesArguments, session: &Session, out: &mut dyn Write) -> Result<Exit, CommandError> {
    tokio::select! {
        ended = carry_out(arguments, session, out) => ended,
        // Dropping the work stops the tools and removes unfinished files.
        () = session.interrupt.requested() => Err(CommandError::new(Exit::Interrupted, "interrupted; nothing unfinished is left in the cache")),
    }
}

async fn carry_out(arguments: ServerBinariesArguments, session: &Session, out: &mut dyn Write) -> Result<Exit, CommandError> {
    let json = session.output.json;
    match arguments.command {
        Command::List => list(json, out),
        Command::Fetch(arguments) => fetch(arguments, session, out).await,
        Command::Build(arguments) => build(arguments, session, out).await,
        Command::Verify => verify(session, out).await,
        Command::Images(arguments) => super::images::list(&arguments, json, out),
        Command::Prune(arguments) => prune(arguments, json, out).await,
    }
}

fn list(json: bool, out: &mut dyn Write) -> Result<Exit, CommandError> {
    let listed = server_binaries::list(&Options::from_environment()).map_err(unusable)?;
    if json {
        return write_json(&listed, out);
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["PRODUCT", "VERSION", "ETCD", "PINNED", "CACHE", "SIZE", "SOURCE"]);
    for version in &listed {
        table.add_row([
            version.product.to_string(),
            version.version.clone(),
            version.etcd.clone().unwrap_or_default(),
            match (version.pinned, version.default) {
                (true, true) => "default".to_owned(),
                (true, false) => "yes".to_owned(),
                (false, _) => "no".to_owned(),
            },
            match version.state {
                State::Absent => "-".to_owned(),
                State::Cached => "cached".to_owned(),
                State::Damaged => "damaged".to_owned(),
            },
            version.bytes.map(megabytes).unwrap_or_default(),
            version.source.map(|source| source.to_string()).unwrap_or_default(),
        ]);
    }
    if let Some(sizes) = table.column_mut(5) {
        sizes.set_cell_alignment(CellAlignment::Right);
    }
    for line in table.lines() {
        writeln!(out, "{}", line.trim())?;
    }
    Ok(Exit::Success)
}

async fn fetch(arguments: FetchArguments, session: &Session, out: &mut dyn Write) -> Result<Exit, CommandError> {
    let nothing_said = arguments.versions.is_empty() && !arguments.all && !arguments.keycloak;
    let versions = if arguments.all {
        Versions::pinned().kubernetes.iter().collect()
    } else if nothing_said {
        vec![Versions::pinned().newest()]
    } else {
        known(&arguments.versions)?
    };
    let options = Options::from(arguments.sources);
    let mut fetched = Vec::new();
    for kubernetes in versions {
        let binaries = server_binaries::obtain(kubernetes, &options, &session.events)
            .await
            .map_err(not_obtained)?;
        fetched.push(Fetched {
            product: "Kubernetes",
            version: binaries.version.to_string(),
            source: binaries.source,
            directory: binaries.directory,
        });
    }
    if arguments.keycloak || arguments.all || nothing_said {
        let home = server_binaries::obtain_keycloak(&Versions::pinned().keycloak, &options, &session.events)
            .await
            .map_err(not_obtained)?;
        fetched.push(Fetched {
            product: "Keycloak",
            version: home.version,
            source: home.source,
            directory: home.directory,
        });
    }
    tell_fetched(&fetched, session, out)
}

async fn build(arguments: BuildArguments, session: &Session, out: &mut dyn Write) -> Result<Exit, CommandError> {
    let asked: Vec<String> = arguments.versions.iter().chain(&arguments.images.kubernetes).cloned().collect();
    let versions = if asked.is_empty() {
        vec![Versions::pinned().newest()]
    } else {
        known(&asked)?
    };
    let options = Options {
        offline: arguments.offline,
        ..Options::from_environment()
    };
    if arguments.images.image {
        return super::build_images::build(&versions, &arguments.images, &options, session, out).await;
    }
    let mut built = Vec::new();
    for kubernetes in versions {
        let binaries = server_binaries::rebuild(kubernetes, &options, &session.events)
            .await
            .map_err(not_obtained)?;
        built.push(Fetched {
            product: "Kubernetes",
            version: binaries.version.to_string(),
            source: binaries.source,
            directory: binaries.directory,
        });
    }
    tell_fetched(&built, session, out)
}

#[derive(serde::Serialize)]
struct Fetched {
    product: &'static str,
    version: String,
    source: Source,
    directory: PathBuf,
}

fn tell_fetched(fetched: &[Fetched], session: &Session, out: &mut dyn Write) -> Result<Exit, CommandError> {
    if session.output.json {
        return write_json(fetched, out);
    }
    for Fetched {
        product,
        version,
        source,
        directory,
    } in fetched
    {
        writeln!(out, "{product} {version} ({source}): {}", directory.display())?;
    }
    Ok(Exit::Success)
}

async fn verify(session: &Session, out: &mut dyn Write) -> Result<Exit, CommandError> {
    let verified = server_binaries::verify(&Options::from_environment(), &session.events)
        .await
        .map_err(unusable)?;
    let damaged: Vec<&str> = verified
        .iter()
        .filter(|version| !version.damage.is_empty())
        .map(|version| version.version.as_str())
        .collect();
    if session.output.json {
        write_json(&verified, out)?;
    } else {
        for version in &verified {
            writeln!(
                out,
                "{} {}: {}",
                version.product,
                version.version,
                if version.damage.is_empty() { "sound" } else { "damaged" }
            )?;
            for line in &version.damage {
                writeln!(out, "  {line}")?;
            }
        }
        if verified.is_empty() {
            writeln!(out, "the cache is empty")?;
        }
    }
    if damaged.is_empty() {
        return Ok(Exit::Success);
    }
    let error = CommandError::new(
        Exit::Failed,
        format!("{} of {} versions in the cache are damaged", damaged.len(), verified.len()),
    );
    let remedy = format!(
        "`authlab server-binaries prune {}` removes what is damaged; it is obtained again when needed",
        damaged.iter().map(|version| quoted(version)).collect::<Vec<_>>().join(" ")
    );
    Err(error.hint(remedy))
}

async fn prune(arguments: PruneArguments, json: bool, out: &mut dyn Write) -> Result<Exit, CommandError> {
    let unwanted = match arguments {
        PruneArguments { all: true, .. } => Unwanted::Everything,
        PruneArguments { versions, .. } if versions.is_empty() => Unwanted::Unneeded,
        PruneArguments { versions, .. } => Unwanted::Versions(versions),
    };
    let pruned = server_binaries::prune(&Options::from_environment(), &unwanted)
        .await
        .map_err(unusable)?;
    if json {
        return write_json(&pruned, out);
    }
    for version in &pruned {
        if version.in_use {
            writeln!(out, "{} {}: kept, it is in use", version.product, version.version)?;
        } else {
            writeln!(out, "{} {}: {} bytes freed", version.product, version.version, version.bytes)?;
        }
    }
    writeln!(
        out,
        "{} bytes freed in all",
        pruned.iter().map(|version| version.bytes).sum::<u64>()
    )?;
    Ok(Exit::Success)
}

fn known(versions: &[String]) -> Result<Vec<&'static Kubernetes>, CommandError> {
    let found = versions.iter().map(|version| Versions::pinned().kubernetes(version));
    found
        .collect::<Result<_, _>>()
        .map_err(|error| CommandError::new(Exit::Usage, error))
}

fn not_obtained(error: ServerBinariesError) -> CommandError {
    CommandError::hinted(Exit::LabNotStarted, error)
}

fn unusable(error: CacheError) -> CommandError {
    CommandError::hinted(Exit::LabNotStarted, error)
}

fn megabytes(bytes: u64) -> String {
    format!("{} MB", bytes.div_ceil(1_000_000))
}
