//! Starting a container on loopback, and waiting until it can be used.
//!
//! The main functions are [`start`] and [`until`], the only poller of this crate.

use std::collections::HashMap;
use std::time::Duration;

use rustls::crypto::ring;
use testcontainers::bollard::models::PortBinding;
use testcontainers::bollard::query_parameters::{ListContainersOptionsBuilder, RemoveContainerOptionsBuilder};
use testcontainers::core::client::docker_client_instance;
use testcontainers::runners::AsyncRunner as _;
use testcontainers::{ContainerAsync, ContainerRequest, ImageExt as _, TestcontainersError};

use super::error::{Error, LastLines};
use super::image::DescribedImage;

/// The label of every container of this crate; its value is the program.
const PROGRAM: &str = "org.authlab.testcontainers";

/// The label with a random value, by which a container is found whose start failed before there was a handle.
const START: &str = "org.authlab.testcontainers.start";

/// The pause between two questions whether a program can be used.
const PAUSE: Duration = Duration::from_millis(200);

/// The state of a program that is waited for.
pub(super) enum Condition<T> {
    /// It can be used.
    Met(T),
    /// It cannot be used yet, for this reason.
    NotYet(String),
}

/// Returns random hexadecimal digits.
pub(super) fn random() -> Result<String, Error> {
    let mut bytes = [0_u8; 16];
    let random = ring::default_provider().secure_random;
    random
        .fill(&mut bytes)
        .map_err(|_| std::io::Error::other("the system has no random numbers"))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Starts a container of `image` as `program`, published on 127.0.0.1 alone and without capabilities, after `change` to its request.
/// A start that fails leaves nothing.
pub(super) async fn start(
    program: &str,
    image: DescribedImage,
    change: impl FnOnce(ContainerRequest<DescribedImage>) -> ContainerRequest<DescribedImage>,
) -> Result<ContainerAsync<DescribedImage>, Error> {
    let started = random()?;
    let (reference, port) = (image.reference(), image.port.to_string());
    let request = ContainerRequest::from(image)
        .with_label(PROGRAM, program)
        .with_cap_drop("ALL")
        .with_security_opt("no-new-privileges")
        .with_host_config_modifier(move |host| {
            let loopback = PortBinding {
                host_ip: Some("127.0.0.1".to_owned()),
                host_port: None,
            };
            host.publish_all_ports = Some(false);
            host.port_bindings = Some(HashMap::from([(port.clone(), Some(vec![loopback]))]));
        });
    let request = change(request).with_label(START, &started);
    match request.start().await {
        Ok(container) => Ok(container),
        Err(source) => {
            // The first error is the one to report.
            let _ = remove(&started).await;
            Err(Error::Container { image: reference, source })
        }
    }
}

/// Removes the container of a start for which testcontainers returned no handle.
async fn remove(start: &str) -> Result<(), TestcontainersError> {
    let docker = docker_client_instance().await?;
    let filters = HashMap::from([("label", vec![format!("{START}={start}")])]);
    let options = ListContainersOptionsBuilder::new().all(true).filters(&filters).build();
    let found = docker.list_containers(Some(options)).await.map_err(TestcontainersError::other)?;
    for id in found.into_iter().filter_map(|container| container.id) {
        let options = RemoveContainerOptionsBuilder::new().force(true).v(true).build();
        docker
            .remove_container(&id, Some(options))
            .await
            .map_err(TestcontainersError::other)?;
    }
    Ok(())
}

/// Returns why a start waits for the container's port: an engine publishes it a moment after the start, and takes it away at the end.
pub(super) fn unpublished<T>() -> Condition<T> {
    Condition::NotYet("its port is not published".to_owned())
}

/// Returns the port of 127.0.0.1 that leads into `container`.
pub(super) async fn published(container: &ContainerAsync<DescribedImage>) -> Result<u16, Error> {
    let image = container.image();
    container.get_host_port_ipv4(image.port).await.map_err(wrong(image))
}

fn wrong(image: &DescribedImage) -> impl Fn(TestcontainersError) -> Error + use<> {
    let image = image.reference();
    move |source| Error::Container {
        image: image.clone(),
        source,
    }
}

/// Returns the log of `container` up to now: all of its standard output, and then all of its standard error.
pub(super) async fn log(container: &ContainerAsync<DescribedImage>) -> Result<String, Error> {
    let wrong = wrong(container.image());
    let mut log = container.stdout_to_vec().await.map_err(&wrong)?;
    log.extend(container.stderr_to_vec().await.map_err(&wrong)?);
    Ok(String::from_utf8_lossy(&log).into_owned())
}

/// Waits until `condition` is met, at most for `limit`.
///
/// # Errors
/// The program ended, or the limit is over; the error has the last lines of the log.
#[expect(
    clippy::disallowed_methods,
    reason = "it is the one poller of this package, which does not depend on authlab"
)]
pub(super) async fn until<T, F>(
    container: &ContainerAsync<DescribedImage>,
    limit: Duration,
    mut condition: impl FnMut() -> F,
) -> Result<T, Error>
where
    F: Future<Output = Result<Condition<T>, Error>>,
{
    let image = container.image();
    let mut why = "it has not been asked yet".to_owned();
    let polling = async {
        loop {
            // The state first: a program that ended has said before what else is wrong.
            let running = container.is_running().await.map_err(wrong(image))?;
            match condition().await? {
                Condition::Met(value) => return Ok(value),
                Condition::NotYet(reason) => why = reason,
            }
            if !running {
                return Err(Error::Ended {
                    image: image.reference(),
                    code: container.exit_code().await.ok().flatten(),
                    log: last_lines(container).await,
                });
            }
            tokio::time::sleep(PAUSE).await;
        }
    };
    let polled = tokio::time::timeout(limit, polling).await;
    match polled {
        Ok(done) => done,
        Err(_) => Err(Error::NotReady {
            image: image.reference(),
            limit,
            why,
            log: last_lines(container).await,
        }),
    }
}

async fn last_lines(container: &ContainerAsync<DescribedImage>) -> LastLines {
    // The error that is being reported counts for more than that of reading the log.
    LastLines::of(&log(container).await.unwrap_or_default())
}

/// Removes `container`.
pub(super) async fn stop(container: ContainerAsync<DescribedImage>) -> Result<(), Error> {
    let wrong = wrong(container.image());
    container.rm().await.map_err(wrong)
}
