//! k3s as a container of testcontainers.
//!
//! The main types are [`K3s`], which says what to start, and [`RunningK3s`], which has the kubeconfig.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use testcontainers::{ContainerAsync, ContainerRequest};

use super::error::Error;
use super::files;
use super::http::Origin;
use super::image::DescribedImage;
use super::kubeconfig::Kubeconfig;
use super::start::{self, Condition};
use crate::description::k3s::{IMAGE, KUBECONFIG, PORT, READY_PATH, Server, TAG};

/// The file of the AuthenticationConfiguration in the container.
const AUTHENTICATION: &str = "/etc/authlab/authentication.yaml";

/// The limit of a start, on a machine that may do much else.
const LIMIT: Duration = Duration::from_secs(300);

/// A Kubernetes API server (k3s without an agent) to be started: no privileges, no nodes, no pods.
///
/// ```no_run
/// # async fn example() -> Result<(), authlab_testcontainers::Error> {
/// use authlab_testcontainers::K3s;
///
/// let configuration = std::fs::read_to_string("authentication.yaml")?;
/// let k3s = K3s::default().with_authentication_configuration(configuration).start().await?;
/// std::fs::write("kubeconfig.yaml", k3s.kubeconfig())?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct K3s {
    image: String,
    tag: String,
    authentication: Option<String>,
    flags: Vec<String>,
    files: Vec<(String, Vec<u8>)>,
    limit: Duration,
}

impl Default for K3s {
    /// Returns the official image of the pinned version, without settings.
    fn default() -> Self {
        Self {
            image: IMAGE.to_owned(),
            tag: TAG.to_owned(),
            authentication: None,
            flags: Vec::new(),
            files: Vec::new(),
            limit: LIMIT,
        }
    }
}

impl K3s {
    /// Takes another image that is made like the official one, such as one of another Kubernetes version.
    #[must_use]
    pub fn with_image(mut self, name: impl Into<String>, tag: impl Into<String>) -> Self {
        (self.image, self.tag) = (name.into(), tag.into());
        self
    }

    /// Gives the API server an AuthenticationConfiguration (from Kubernetes 1.30 on). Its issuers are asked from inside the container.
    /// k3s sets `--anonymous-auth=false`, so the file must not have the field `anonymous`.
    #[must_use]
    pub fn with_authentication_configuration(mut self, yaml: impl Into<String>) -> Self {
        self.authentication = Some(yaml.into());
        self
    }

    /// Gives the API server a flag, named without `--`. Some releases of k3s split values at commas.
    #[must_use]
    pub fn with_api_server_flag(mut self, name: &str, value: &str) -> Self {
        self.flags.push(format!("{name}={value}"));
        self
    }

    /// Adds a file that flags refer to, readable for root in the container alone.
    #[must_use]
    pub fn with_file(mut self, path: impl Into<String>, content: impl Into<Vec<u8>>) -> Self {
        self.files.push((path.into(), content.into()));
        self
    }

    /// Sets the limit for the time from the start of the container until its API server can be used, by default five minutes.
    #[must_use]
    pub fn with_ready_timeout(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Starts it, and waits until its API server is ready.
    ///
    /// # Errors
    /// testcontainers cannot start the container, or k3s ends (its API server refused the configuration, say) or is not ready in time.
    pub async fn start(self) -> Result<RunningK3s, Error> {
        self.start_with(|request| request).await
    }

    /// Starts it after `change` to testcontainers' own request: a network, a name, labels, a log consumer. Ports stay on 127.0.0.1 unless
    /// the change sets a modifier of the host's configuration.
    ///
    /// # Errors
    /// Those of [`Self::start`].
    pub async fn start_with(
        self,
        change: impl FnOnce(ContainerRequest<DescribedImage>) -> ContainerRequest<DescribedImage>,
    ) -> Result<RunningK3s, Error> {
        let container = start::start("k3s", self.described(), change).await?;
        let waited = start::until(&container, self.limit, || ready(&container)).await;
        match waited {
            Ok((port, kubeconfig)) => Ok(RunningK3s {
                container,
                port,
                kubeconfig,
            }),
            Err(error) => {
                // The first error is the one to report.
                let _ = container.rm().await;
                Err(error)
            }
        }
    }

    fn described(&self) -> DescribedImage {
        let mut image = DescribedImage::new(&self.image, &self.tag, PORT);
        let mut server = Server::default();
        if let Some(yaml) = &self.authentication {
            server.api_server.push(format!("authentication-config={AUTHENTICATION}"));
            image.add_file(AUTHENTICATION, yaml.as_str(), 0o600);
        }
        server.api_server.extend(self.flags.iter().cloned());
        for (path, content) in &self.files {
            image.add_file(path, content.as_slice(), 0o600);
        }
        image.arguments = server.arguments();
        image
    }
}

/// Checks that k3s has written its kubeconfig, and that its API server says to the certificate in it that it is ready.
async fn ready(container: &ContainerAsync<DescribedImage>) -> Result<Condition<(u16, String)>, Error> {
    let Ok(port) = start::published(container).await else {
        return Ok(start::unpublished());
    };
    let Ok(text) = files::read(container.id(), KUBECONFIG).await else {
        return Ok(Condition::NotYet(format!("{KUBECONFIG} is not there")));
    };
    let text = String::from_utf8_lossy(&text).into_owned();
    if text.is_empty() {
        return Ok(Condition::NotYet(format!("{KUBECONFIG} is empty")));
    }
    // It may be read while k3s is writing it.
    let read = Kubeconfig::read(&text, port).and_then(|kubeconfig| Ok((kubeconfig.client()?, kubeconfig)));
    let (client, kubeconfig) = match read {
        Ok(read) => read,
        Err(error) => return Ok(Condition::NotYet(error.to_string())),
    };
    let origin = Origin {
        port,
        tls: Some(Arc::new(client)),
    };
    Ok(match origin.get(READY_PATH).await {
        Ok(answer) if answer.status == 200 => Condition::Met((port, kubeconfig.into_text())),
        Ok(answer) => Condition::NotYet(format!("{READY_PATH} answered {}", answer.status)),
        Err(error) => Condition::NotYet(error.to_string()),
    })
}

/// A k3s whose API server is ready. It ends when this is dropped, as containers of testcontainers do.
pub struct RunningK3s {
    container: ContainerAsync<DescribedImage>,
    port: u16,
    kubeconfig: String,
}

impl fmt::Debug for RunningK3s {
    /// Leaves out the kubeconfig, which holds a key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunningK3s")
            .field("container", &self.container)
            .field("port", &self.port)
            .finish_non_exhaustive()
    }
}

impl RunningK3s {
    /// Returns the administrator's kubeconfig, with the address that leads here from this machine.
    pub fn kubeconfig(&self) -> &str {
        &self.kubeconfig
    }

    /// Returns the address of the API server, `https://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("https://127.0.0.1:{}", self.port)
    }

    /// Returns the log up to now, with the API server's reasons for refusals.
    ///
    /// # Errors
    /// The engine does not answer.
    pub async fn log(&self) -> Result<String, Error> {
        start::log(&self.container).await
    }

    /// Removes the container, and says whether that failed, which dropping cannot.
    ///
    /// # Errors
    /// The engine refuses, or does not answer.
    pub async fn stop(self) -> Result<(), Error> {
        start::stop(self.container).await
    }
}

impl Deref for RunningK3s {
    type Target = ContainerAsync<DescribedImage>;

    /// Returns the container: to execute commands in it, to read its files, or to pause it.
    fn deref(&self) -> &Self::Target {
        &self.container
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_becomes_a_file_and_a_flag() {
        let k3s = K3s::default()
            .with_authentication_configuration("kind: AuthenticationConfiguration")
            .with_api_server_flag("audit-policy-file", "/etc/authlab/policy.yaml")
            .with_file("/etc/authlab/policy.yaml", "kind: Policy");
        let image = k3s.described();
        assert_eq!(image.reference(), format!("{IMAGE}:{TAG}"));
        assert_eq!(
            image.arguments[image.arguments.len() - 2..],
            [
                format!("--kube-apiserver-arg=authentication-config={AUTHENTICATION}"),
                "--kube-apiserver-arg=audit-policy-file=/etc/authlab/policy.yaml".to_owned()
            ]
        );
        assert_eq!(image.files.len(), 2);
        assert!(K3s::default().described().files.is_empty());
    }
}
