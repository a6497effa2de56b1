//! The specification of a container to create. The main type is [`ContainerSpec`].

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use bollard::models::{ContainerCreateBody, EndpointSettings, HostConfig, Mount, MountType, NetworkingConfig, PortBinding};

use super::{Container, Labels, Network};

/// The specification of a container. By default it has no rights beyond an ordinary process (no capability, no way to gain one), no network
/// but its own loopback interface, and its published ports are published on this machine's loopback interface.
#[derive(Clone, Debug)]
pub struct ContainerSpec {
    pub(super) name: String,
    pub(super) image: String,
    pub(super) ports: Vec<u16>,
    entrypoint: Option<Vec<String>>,
    command: Option<Vec<String>>,
    environment: BTreeMap<String, String>,
    user: Option<String>,
    mounts: Vec<Mount>,
    tmpfs: HashMap<String, String>,
    attached: Attached,
    labels: HashMap<String, String>,
    capabilities: Vec<String>,
}

/// The network of a container.
#[derive(Clone, Debug)]
enum Attached {
    Nothing,
    Network { name: String, aliases: Vec<String> },
    Container(String),
}

impl ContainerSpec {
    /// Specifies a container named `name`, from `image`, that carries `labels`.
    pub fn new(name: impl Into<String>, image: impl Into<String>, labels: &Labels) -> Self {
        Self {
            name: name.into(),
            image: image.into(),
            ports: Vec::new(),
            entrypoint: None,
            command: None,
            environment: BTreeMap::new(),
            user: None,
            mounts: Vec::new(),
            tmpfs: HashMap::new(),
            attached: Attached::Nothing,
            labels: labels.to_map(),
            capabilities: Vec::new(),
        }
    }

    /// Sets the program, in place of the image's; it is looked up in the image's `PATH`. Drops the arguments that the image would add.
    #[must_use]
    pub fn program(mut self, program: impl Into<String>) -> Self {
        self.entrypoint = Some(vec![program.into()]);
        self.command.get_or_insert_default();
        self
    }

    /// Adds arguments, in place of the image's.
    #[must_use]
    pub fn arguments<A: Into<String>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        let command = self.command.get_or_insert_default();
        command.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// Adds an environment variable to the image's.
    #[must_use]
    pub fn environment(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.environment.insert(name.into(), value.into());
        self
    }

    /// Sets the user, as `uid:gid`, in place of the image's; `None` keeps the image's. See [`super::Engine::own_user`].
    #[must_use]
    pub fn user(mut self, user: Option<String>) -> Self {
        self.user = user;
        self
    }

    /// Mounts `source` of this machine at the same path in the container, for reading and writing. It must exist: the engine refuses to
    /// start the container otherwise.
    #[must_use]
    pub fn shared(self, source: impl AsRef<Path>) -> Self {
        let target = source.as_ref().to_string_lossy().into_owned();
        self.mount(source.as_ref(), target, false)
    }

    /// Mounts `source` of this machine at `target` in the container, read-only.
    #[must_use]
    pub fn shown(self, source: impl AsRef<Path>, target: impl Into<String>) -> Self {
        self.mount(source.as_ref(), target.into(), true)
    }

    fn mount(mut self, source: &Path, target: String, read_only: bool) -> Self {
        // Not `Binds`: those create a missing directory, owned by root.
        self.mounts.push(Mount {
            typ: Some(MountType::BIND),
            source: Some(source.to_string_lossy().into_owned()),
            target: Some(target),
            read_only: Some(read_only),
            ..Mount::default()
        });
        self
    }

    /// Mounts a directory in memory at `target`, with mount options such as `mode=0700,uid=1000`.
    #[must_use]
    pub fn in_memory(mut self, target: impl Into<String>, options: impl Into<String>) -> Self {
        self.tmpfs.insert(target.into(), options.into());
        self
    }

    /// Attaches the container to `network`, where others find it by its name and by `aliases`.
    #[must_use]
    pub fn network(mut self, network: &Network, aliases: &[&str]) -> Self {
        self.attached = Attached::Network {
            name: network.name().to_owned(),
            aliases: aliases.iter().map(|&alias| alias.to_owned()).collect(),
        };
        self
    }

    /// Puts the container into `container`'s network: they share the loopback interface, ports and `/etc/hosts`, which are declared there.
    #[must_use]
    pub fn inside_of(mut self, container: &Container) -> Self {
        self.attached = Attached::Container(container.id().to_owned());
        self
    }

    /// Publishes the TCP port `port` on this machine's loopback interface, on a port that the engine chooses: see [`Container::published`].
    #[must_use]
    pub fn publish(mut self, port: u16) -> Self {
        self.ports.push(port);
        self
    }

    /// Grants the capability, such as `NET_BIND_SERVICE`. A program whose file carries a capability can only be executed with it.
    #[must_use]
    pub fn capability(mut self, capability: impl Into<String>) -> Self {
        self.capabilities.push(capability.into());
        self
    }

    /// Returns the specification as the engine's API takes it.
    pub(super) fn body(&self) -> ContainerCreateBody {
        let port = |port: &u16| format!("{port}/tcp");
        let published = |inside: &u16| {
            let binding = PortBinding {
                host_ip: Some("127.0.0.1".to_owned()),
                host_port: Some(String::new()),
            };
            (port(inside), Some(vec![binding]))
        };
        let (mode, networking) = match &self.attached {
            Attached::Nothing => ("none".to_owned(), None),
            Attached::Container(id) => (format!("container:{id}"), None),
            Attached::Network { name, aliases } => {
                let endpoint = EndpointSettings {
                    aliases: Some(aliases.clone()),
                    ..EndpointSettings::default()
                };
                let endpoints = HashMap::from([(name.clone(), endpoint)]);
                let networking = NetworkingConfig {
                    endpoints_config: Some(endpoints),
                };
                (name.clone(), Some(networking))
            }
        };
        let host = HostConfig {
            mounts: Some(self.mounts.clone()),
            tmpfs: Some(self.tmpfs.clone()),
            network_mode: Some(mode),
            port_bindings: Some(self.ports.iter().map(published).collect()),
            publish_all_ports: Some(false),
            cap_drop: Some(vec!["ALL".to_owned()]),
            cap_add: Some(self.capabilities.clone()),
            security_opt: Some(vec!["no-new-privileges".to_owned()]),
            ..HostConfig::default()
        };
        ContainerCreateBody {
            image: Some(self.image.clone()),
            entrypoint: self.entrypoint.clone(),
            cmd: self.command.clone(),
            env: Some(self.environment.iter().map(|(name, value)| format!("{name}={value}")).collect()),
            user: self.user.clone(),
            exposed_ports: Some(self.ports.iter().map(port).collect()),
            labels: Some(self.labels.clone()),
            host_config: Some(host),
            networking_config: networking,
            ..ContainerCreateBody::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec() -> ContainerSpec {
        ContainerSpec::new("x1", "example/x:1", &Labels::new("blue", "state/blue"))
    }

    #[test]
    fn a_container_has_no_rights_that_nobody_gave_it() {
        let body = serde_json::to_value(spec().publish(6443).capability("NET_BIND_SERVICE").body()).unwrap();
        let host = &body["HostConfig"];
        assert_eq!(host["CapDrop"], serde_json::json!(["ALL"]));
        assert_eq!(host["CapAdd"], serde_json::json!(["NET_BIND_SERVICE"]));
        assert_eq!(host["SecurityOpt"], serde_json::json!(["no-new-privileges"]));
        assert_eq!(host["NetworkMode"], "none");
        assert_eq!(host["PublishAllPorts"], false);
        assert_eq!(host["PortBindings"]["6443/tcp"][0]["HostIp"], "127.0.0.1");
        assert_eq!(body["Labels"]["authlab.lab"], "blue");
    }

    #[test]
    fn a_program_drops_the_arguments_of_the_image() {
        let body = spec().program("etcd").body();
        assert_eq!((body.entrypoint, body.cmd), (Some(vec!["etcd".to_owned()]), Some(Vec::new())));
        let body = spec().body();
        assert_eq!((body.entrypoint, body.cmd), (None, None));
        let body = spec().program("etcd").arguments(["--a", "--b"]).body();
        assert_eq!(body.cmd.unwrap(), ["--a", "--b"]);
    }

    #[test]
    fn directories_are_mounted_and_never_made() {
        let body = serde_json::to_value(spec().shared("state/blue").shown("ca.crt", "/etc/ca.crt").body()).unwrap();
        let mounts = &body["HostConfig"]["Mounts"];
        assert_eq!(mounts[0]["Type"], "bind");
        assert_eq!(
            (&mounts[0]["Target"], &mounts[0]["ReadOnly"]),
            (&"state/blue".into(), &false.into())
        );
        assert_eq!(
            (&mounts[1]["Target"], &mounts[1]["ReadOnly"]),
            (&"/etc/ca.crt".into(), &true.into())
        );
        assert!(body["HostConfig"].get("Binds").is_none());
    }
}
