//! A description as testcontainers takes it.
//!
//! The main type is [`DescribedImage`].

use std::borrow::Cow;
use std::fmt;

use testcontainers::core::{ContainerPort, WaitFor};
use testcontainers::{CopyTargetOptions, CopyToContainer, Image};

/// An image with its command line and its files: what a container is started from.
#[derive(Clone)]
pub struct DescribedImage {
    pub(super) name: String,
    pub(super) tag: String,
    pub(super) arguments: Vec<String>,
    pub(super) environment: Vec<(String, String)>,
    pub(super) files: Vec<CopyToContainer>,
    pub(super) port: ContainerPort,
}

impl DescribedImage {
    pub(super) fn new(name: &str, tag: &str, port: u16) -> Self {
        Self {
            name: name.to_owned(),
            tag: tag.to_owned(),
            arguments: Vec::new(),
            environment: Vec::new(),
            files: Vec::new(),
            port: ContainerPort::Tcp(port),
        }
    }

    /// Adds a file. It belongs to root, in whose group the programs of the images are.
    pub(super) fn add_file(&mut self, path: impl Into<String>, content: impl Into<Vec<u8>>, mode: u32) {
        let target = CopyTargetOptions::new(path).with_mode(mode);
        self.files.push(CopyToContainer::new(content.into(), target));
    }

    /// Returns the name and tag.
    pub fn reference(&self) -> String {
        format!("{}:{}", self.name, self.tag)
    }
}

impl fmt::Debug for DescribedImage {
    /// Leaves out files and variables: they hold keys and passwords.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DescribedImage")
            .field("reference", &self.reference())
            .field("arguments", &self.arguments)
            .finish_non_exhaustive()
    }
}

impl Image for DescribedImage {
    fn name(&self) -> &str {
        &self.name
    }

    fn tag(&self) -> &str {
        &self.tag
    }

    /// Returns none: testcontainers removes a container that does not become ready together with its log, so this crate waits by itself.
    fn ready_conditions(&self) -> Vec<WaitFor> {
        Vec::new()
    }

    fn env_vars(&self) -> impl IntoIterator<Item = (impl Into<Cow<'_, str>>, impl Into<Cow<'_, str>>)> {
        self.environment.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    fn copy_to_sources(&self) -> impl IntoIterator<Item = &CopyToContainer> {
        &self.files
    }

    fn cmd(&self) -> impl IntoIterator<Item = impl Into<Cow<'_, str>>> {
        &self.arguments
    }

    fn expose_ports(&self) -> &[ContainerPort] {
        std::slice::from_ref(&self.port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_passwords_are_not_printed() {
        let mut image = DescribedImage::new("localhost/keycloak", "1", 8443);
        image.environment.push(("PASSWORD".to_owned(), "hidden".to_owned()));
        image.add_file("/key", "hidden", 0o640);
        let printed = format!("{image:?}");
        assert!(printed.contains("localhost/keycloak:1"), "{printed}");
        assert!(!printed.contains("hidden"), "{printed}");
    }
}
