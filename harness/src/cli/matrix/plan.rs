//! The cells of a matrix, from its options. The main type is [`Plan`].

use std::path::PathBuf;

use clap::Args;
use clap::builder::FalseyValueParser;
use sha2::{Digest, Sha256};

use super::MatrixArguments;
use crate::cli::error::CommandError;
use crate::cli::exit::Exit;
use crate::cli::options::{
    AUTO, AUTO_CLUSTER, AUTO_IDENTITY_PROVIDER, Choice, LabArguments, SourceOptions, VersionOptions, at_least_one, choice, provider_choice,
};
use crate::cli::own::Own;
use crate::cli::scenarios;
use crate::cluster;
use crate::identity_provider::{Asked, Driver};
use crate::report::cell::Cell;
use crate::report::matrix::RequestedMatrix;
use crate::scenario::selection::Shard;
use crate::scenario::{Selected, Selection, Suite};
use crate::server_binaries::Versions;

/// The versions of a matrix for which neither an option nor a project names any.
pub(super) const ALL: &str = "all";

/// The versions and drivers of the labs. Not `LabOptions`: each value here is a list, of which a cell gets one item ([`LabArguments`]), and a
/// matrix has no existing cluster; the choices and the sources are shared.
#[derive(Args, Clone, Debug)]
pub struct LabsOptions {
    /// Kubernetes versions [default: the project's, or else `all`]
    ///
    /// Such as `1.34`, `1.30..1.37`, `..1.32,1.37`, or `all`. A pre-release is named in full: `1.37,1.38.0-beta.0`; its cell is optional.
    #[arg(long, env = "AUTHLAB_KUBERNETES", value_name = "VERSIONS", help_heading = "Cells")]
    pub kubernetes: Option<String>,
    /// Drivers that run the API servers, separated by commas
    #[arg(
        long,
        env = "AUTHLAB_CLUSTER",
        value_parser = choice::<cluster::Driver>(AUTO_CLUSTER),
        default_value = AUTO,
        value_delimiter = ',',
        value_name = "DRIVERS",
        help_heading = "Cells"
    )]
    pub cluster: Vec<Choice<cluster::Driver>>,
    /// Identity provider, and how it runs
    #[arg(
        long,
        env = "AUTHLAB_IDENTITY_PROVIDER",
        value_parser = provider_choice(AUTO_IDENTITY_PROVIDER),
        default_value = AUTO,
        value_name = "KIND[:DRIVER]",
        help_heading = "Cells"
    )]
    pub identity_provider: Choice<Asked>,
    /// Keycloak versions, such as `26.0,26.x` [default: the newest pinned]
    #[arg(
        long,
        env = "AUTHLAB_KEYCLOAK",
        value_delimiter = ',',
        value_name = "VERSIONS",
        help_heading = "Cells"
    )]
    pub keycloak: Vec<String>,
    /// Cut each cell into N parts, which become cells of their own
    #[arg(long, env = "AUTHLAB_SHARDS", value_name = "N", conflicts_with = "shard", value_parser = at_least_one, help_heading = "Cells")]
    pub shards: Option<usize>,
    /// Keep the labs' directories, with logs and evidence, also after success
    #[arg(long, env = "AUTHLAB_KEEP", value_parser = FalseyValueParser::new(), help_heading = "Lab")]
    pub keep: bool,
    /// The possible sources of server binaries.
    #[command(flatten)]
    pub sources: SourceOptions,
}

/// The cells of a matrix, in the order in which they are carried out.
pub(super) struct Plan {
    pub(super) cells: Vec<PlannedCell>,
    pub(super) asked: RequestedMatrix,
}

/// A cell, and the lab for it.
pub(super) struct PlannedCell {
    pub(super) cell: Cell,
    pub(super) lab: LabArguments,
    pub(super) shard: Option<Shard>,
}

impl Plan {
    /// Returns the plan that `arguments` describe for the scenarios of `suite`.
    ///
    /// # Errors
    /// A version is unknown, or a cell would have no scenario.
    pub(super) fn of(arguments: &MatrixArguments, selection: &Selection, suite: &Suite) -> Result<Self, CommandError> {
        let labs = &arguments.labs;
        if labs.cluster.contains(&Choice(Some(cluster::Driver::Existing)))
            || labs.identity_provider.0.and_then(|asked| asked.driver) == Some(Driver::Existing)
        {
            return Err(CommandError::new(
                Exit::Usage,
                "a matrix cannot use an existing cluster or identity provider: it starts its own",
            )
            .hint(
                "`authlab run --cluster existing --kubeconfig FILE --report DIR` is one cell; `authlab report merge` puts it beside others",
            ));
        }
        let versions = Versions::pinned()
            .kubernetes_in(labs.kubernetes.as_deref().unwrap_or(ALL))
            .map_err(|error| CommandError::new(Exit::Usage, error))?;
        let keycloaks: Vec<Option<String>> = if labs.keycloak.is_empty() {
            vec![None]
        } else {
            labs.keycloak.iter().cloned().map(Some).collect()
        };
        let shards: Vec<Option<Shard>> = match labs.shards {
            Some(count) => Shard::all(count).map(Some).collect(),
            None => vec![arguments.scenarios.shard],
        };
        let mut cells: Vec<PlannedCell> = Vec::new();
        for &cluster in &labs.cluster {
            for keycloak in &keycloaks {
                for kubernetes in &versions {
                    for &shard in &shards {
                        let lab = LabArguments {
                            cluster,
                            identity_provider: labs.identity_provider,
                            versions: VersionOptions {
                                kubernetes: Some(kubernetes.version.request()),
                                keycloak: keycloak.clone(),
                            },
                            cluster_file: Default::default(),
                            issuer: Default::default(),
                            lab: None,
                            keep: labs.keep,
                            sources: labs.sources.clone(),
                            own: true,
                            attach_only: false,
                        };
                        // Options that do not go together are told before anything starts.
                        lab.lab()?;
                        let cell = scenarios::cell(&lab, shard);
                        if cells.iter().any(|other| other.cell == cell) {
                            return Err(CommandError::new(Exit::Usage, format!("the cell {cell} is given twice")));
                        }
                        cells.push(PlannedCell { cell, lab, shard });
                    }
                }
            }
        }
        let all = selection.pick(suite);
        for planned in &cells {
            if planned.selected(selection, suite).is_empty() && !all.is_empty() {
                return Err(CommandError::new(
                    Exit::NothingSelected,
                    format!("the cell {} would have none of the {} selected scenarios", planned.cell, all.len()),
                )
                .hint("ask for fewer shards"));
            }
        }
        let asked = RequestedMatrix {
            cells: cells.iter().map(|planned| planned.cell.to_string()).collect(),
            selection: selection_words(arguments),
            scenarios: all.len(),
            digest: digest(&all),
        };
        Ok(Self { cells, asked })
    }
}

impl PlannedCell {
    /// Returns the scenarios of this cell.
    pub(super) fn selected<'a>(&self, selection: &Selection, suite: &'a Suite) -> Selected<'a> {
        let selection = Selection {
            shard: self.shard,
            ..selection.clone()
        };
        selection.pick(suite)
    }
}

/// Returns the options that select scenarios, as a user would type them.
pub(super) fn selection_words(arguments: &MatrixArguments) -> Vec<String> {
    let mut words = Vec::new();
    let mut option = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            words.extend([name.to_owned(), value]);
        }
    };
    let scenarios = &arguments.scenarios;
    option("--tags", scenarios.tags.as_ref().map(ToString::to_string));
    option("--name", scenarios.name.as_ref().map(ToString::to_string));
    option(
        "--rerun",
        scenarios.rerun.as_ref().map(|report| report.to_string_lossy().into_owned()),
    );
    option("--shard", scenarios.shard.map(|shard| shard.to_string()));
    if arguments.include_ignored {
        words.push("--include-ignored".to_owned());
    }
    words.extend(Own::words(&arguments.own));
    let path = |path: &PathBuf| path.to_string_lossy().into_owned();
    words.extend(arguments.features.iter().map(path));
    words
}

fn digest(selected: &Selected<'_>) -> String {
    let mut hash = Sha256::new();
    for scenario in selected.scenarios() {
        hash.update(&scenario.id);
        hash.update("\n");
    }
    hex::encode(&hash.finalize()[..8])
}
