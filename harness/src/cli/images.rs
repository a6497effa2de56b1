//! `authlab server-binaries images`: the images that a container engine needs before a run, for machines that cannot fetch during one.
//!
//! The main type is [`ImagesArguments`].

use std::io::Write;

use clap::Args;
use serde::Serialize;

use super::error::{CommandError, lab_error};
use super::exit::Exit;
use super::options::{AUTO, Choice, RegistryOption, choice, provider_choice};
use super::output::write_json;
use crate::cluster;
use crate::identity_provider::{Asked, Driver};
use crate::lab::LabError;
use crate::server_binaries::Versions;
use crate::server_binaries::images::{Images, Reference};
use crate::shell_word::quoted;

/// The run that the images are for.
#[derive(Args, Debug)]
pub struct ImagesArguments {
    /// Kubernetes version, `1.37` or `1.37.2` [default: the newest pinned]
    ///
    /// A pre-release is named in full: `1.38.0-beta.0`.
    #[arg(long, env = "AUTHLAB_KUBERNETES", value_name = "VERSION")]
    kubernetes: Option<String>,
    /// Driver that runs the API server [default: container]
    #[arg(
        long,
        env = "AUTHLAB_CLUSTER",
        value_parser = choice::<cluster::Driver>("As `container`"),
        default_value = AUTO,
        value_name = "DRIVER",
        hide_default_value = true
    )]
    cluster: Choice<cluster::Driver>,
    /// Identity provider, and how it runs [default: container]
    #[arg(
        long,
        env = "AUTHLAB_IDENTITY_PROVIDER",
        value_parser = provider_choice("As `container`"),
        default_value = AUTO,
        value_name = "KIND[:DRIVER]",
        hide_default_value = true
    )]
    identity_provider: Choice<Asked>,
    /// The private registry that takes the place of the public ones.
    #[command(flatten)]
    registry: RegistryOption,
}

/// One image that a run needs.
#[derive(Serialize)]
struct Needed {
    of: &'static str,
    image: Reference,
    digest: Option<String>,
}

/// Lists the images, without a request to an engine or a registry.
///
/// # Errors
/// An unknown version, or a prefix that is not a registry.
pub(super) fn list(arguments: &ImagesArguments, json: bool, out: &mut dyn Write) -> Result<Exit, CommandError> {
    let usage = |error: &dyn std::error::Error| CommandError::new(Exit::Usage, error.to_string());
    let versions = Versions::pinned();
    let kubernetes = match &arguments.kubernetes {
        Some(asked) => versions.kubernetes(asked).map_err(|error| usage(&error))?,
        None => versions.newest(),
    };
    let images = Images::of(kubernetes, arguments.registry.image_prefix.as_deref()).map_err(|error| usage(&error))?;
    let driver = arguments.cluster.0.unwrap_or(cluster::Driver::Container);
    let mut needed = driver.images(&images);
    if driver.runs_in_containers() && needed.is_empty() {
        let (driver, kubernetes) = (driver.name(), kubernetes.version);
        return Err(lab_error(LabError::NoImage { driver, kubernetes }));
    }
    if let None | Some(Driver::Container) = arguments.identity_provider.0.and_then(|asked| asked.driver) {
        needed.push(("keycloak", images.keycloak));
    }
    let needed: Vec<Needed> = needed
        .into_iter()
        .map(|(of, image)| Needed {
            of,
            digest: image.digest().map(str::to_owned),
            image,
        })
        .collect();
    if json {
        return write_json(&needed, out);
    }
    for Needed { image, .. } in &needed {
        writeln!(out, "{image}")?;
    }
    if needed.is_empty() {
        writeln!(out, "# no image is needed")?;
        return Ok(Exit::Success);
    }
    // These lines are comments to a shell, so that the list can be piped unchanged.
    writeln!(out, "# on a machine that can reach a registry:")?;
    let word = |image: &Reference| quoted(&image.to_string()).into_owned();
    for Needed { image, .. } in &needed {
        writeln!(out, "#   docker pull {}", word(image))?;
    }
    let names: Vec<String> = needed.iter().map(|needed| word(&needed.image.without_digest())).collect();
    for Needed { image, .. } in needed.iter().filter(|needed| needed.digest.is_some()) {
        writeln!(out, "#   docker tag {} {}", word(image), word(&image.without_digest()))?;
    }
    writeln!(out, "#   docker save --output images.tar {}", names.join(" "))?;
    writeln!(out, "# on a machine that cannot:")?;
    writeln!(out, "#   docker load --input images.tar")?;
    Ok(Exit::Success)
}
