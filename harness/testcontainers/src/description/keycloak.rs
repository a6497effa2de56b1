//! Keycloak's official image: its command line, its files and the line of its log that says that it can be used.
//!
//! The main type is [`Server`]; [`Listen`] is the part of its command line about addresses and certificates.

use std::ffi::OsString;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The repository of the official image.
pub const IMAGE: &str = "quay.io/keycloak/keycloak";

/// The tag of the version that this crate is tested with.
pub const TAG: &str = "26.7.4";

/// Keycloak's directory in its image (keycloak/keycloak, `quarkus/container/Dockerfile`).
pub const HOME: &str = "/opt/keycloak";

/// The port of HTTPS in the container.
pub const HTTPS_PORT: u16 = 8443;

/// The port of HTTP in the container, without a certificate.
pub const HTTP_PORT: u16 = 8080;

/// The variable with the name of the first administrator (from Keycloak 26 on).
pub const ADMINISTRATOR: &str = "KC_BOOTSTRAP_ADMIN_USERNAME";

/// The variable with the password of the first administrator (from Keycloak 26 on).
pub const ADMINISTRATORS_PASSWORD: &str = "KC_BOOTSTRAP_ADMIN_PASSWORD";

/// The limit of a start: the official image builds itself first, on a machine that does much else at the same time.
pub const LIMIT: Duration = Duration::from_secs(600);

/// The address and the certificate that Keycloak listens with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listen<'a> {
    /// The public address, with which issuers begin; `None` to use the address of each request.
    pub url: Option<&'a str>,
    /// The address of the interface.
    pub host: Ipv4Addr,
    /// The port; 0 lets the operating system choose.
    pub port: u16,
    /// The certificate; `None` for HTTP.
    pub tls: Option<Tls<'a>>,
}

/// The files of a certificate and its key, as Keycloak sees them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tls<'a> {
    /// The certificate and its intermediates, PEM.
    pub certificate: &'a Path,
    /// The private key, PEM.
    pub key: &'a Path,
}

impl<'a> Listen<'a> {
    /// Listens on all interfaces of a container, on the port that belongs to the certificate or its absence. Publish that port on loopback.
    pub fn in_container(url: Option<&'a str>, tls: Option<Tls<'a>>) -> Self {
        Self {
            url,
            host: Ipv4Addr::UNSPECIFIED,
            port: if tls.is_some() { HTTPS_PORT } else { HTTP_PORT },
            tls,
        }
    }

    /// Returns the start options.
    pub fn options(&self) -> Vec<OsString> {
        let mut options: Vec<OsString> = vec![format!("--http-host={}", self.host).into()];
        match self.tls {
            Some(_) => options.push(format!("--https-port={}", self.port).into()),
            None => options.extend(["--http-enabled=true".into(), format!("--http-port={}", self.port).into()]),
        }
        options.push(match self.url {
            Some(url) => format!("--hostname={url}").into(),
            None => "--hostname-strict=false".into(),
        });
        if let Some(tls) = self.tls {
            options.push(option("--https-certificate-file=", tls.certificate));
            options.push(option("--https-certificate-key-file=", tls.key));
        }
        options
    }
}

fn option(name: &str, value: &Path) -> OsString {
    let mut option = OsString::from(name);
    option.push(value);
    option
}

/// Returns the options that a build fixes (`kc.sh build`), without the features `disabled`, a list with commas.
pub fn build_options(disabled: Option<&str>) -> Vec<String> {
    let mut options: Vec<String> = [
        "--db=dev-file",
        "--cache=local",
        "--health-enabled=false",
        "--metrics-enabled=false",
    ]
    .map(str::to_owned)
    .into();
    options.extend(disabled.map(|features| format!("--features-disabled={features}")));
    options
}

/// A Keycloak in the official image, which builds itself and imports its realms at each start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Server<'a> {
    /// The address and the certificate.
    pub listen: Listen<'a>,
    /// The features that are not needed, a list with commas; `None` for all that are on by default.
    pub features_disabled: Option<&'a str>,
    /// Whether realms are imported from the files at [`import_file`]; realms that exist stay as they are.
    pub imports: bool,
}

impl Server<'_> {
    /// Returns the arguments of the image's entry point.
    pub fn arguments(&self) -> Vec<OsString> {
        let mut arguments = vec![OsString::from("start")];
        arguments.extend(build_options(self.features_disabled).into_iter().map(OsString::from));
        arguments.extend(self.listen.options());
        if self.imports {
            arguments.push(IMPORT.into());
        }
        arguments
    }
}

/// The option that imports the realms below [`import_directory`].
pub const IMPORT: &str = "--import-realm";

/// Returns the directory that realms are imported from, in the home or data directory `home`.
pub fn import_directory(home: &Path) -> PathBuf {
    home.join("data/import")
}

/// Returns the name of the file that a realm is imported from.
pub fn import_file(realm: &str) -> String {
    format!("{realm}-realm.json")
}

/// Returns whether the log says that Keycloak listens. It does so after its imports, whereas its health page answers before.
pub fn listens(log: &str) -> bool {
    log.contains("Listening on: http")
}

/// Returns the path of a page of a realm that answers once the realm can be used.
pub fn ready_path(realm: &str) -> String {
    format!("/realms/{realm}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(server: &Server<'_>) -> Vec<String> {
        server.arguments().into_iter().map(|word| word.into_string().unwrap()).collect()
    }

    #[test]
    fn the_command_line_follows_from_the_certificate_the_address_and_the_realms() {
        let build = [
            "start",
            "--db=dev-file",
            "--cache=local",
            "--health-enabled=false",
            "--metrics-enabled=false",
        ];
        let plain = Server {
            listen: Listen::in_container(None, None),
            features_disabled: None,
            imports: false,
        };
        let listen = [
            "--http-host=0.0.0.0",
            "--http-enabled=true",
            "--http-port=8080",
            "--hostname-strict=false",
        ];
        assert_eq!(words(&plain), [build.as_slice(), &listen].concat());

        let tls = Tls {
            certificate: Path::new("/tls/serving.crt"),
            key: Path::new("/tls/serving.key"),
        };
        let secured = Server {
            listen: Listen::in_container(Some("https://keycloak:8443"), Some(tls)),
            features_disabled: Some("admin,docker"),
            imports: true,
        };
        let rest = [
            "--features-disabled=admin,docker",
            "--http-host=0.0.0.0",
            "--https-port=8443",
            "--hostname=https://keycloak:8443",
            "--https-certificate-file=/tls/serving.crt",
            "--https-certificate-key-file=/tls/serving.key",
            "--import-realm",
        ];
        assert_eq!(words(&secured), [build.as_slice(), &rest].concat());
    }

    #[test]
    fn it_listens_once_its_log_says_so() {
        assert!(listens("… started in 9.2s. Listening on: https://0.0.0.0:8443\n"));
        assert!(listens("Listening on: http://0.0.0.0:8080. Management interface off."));
        assert!(!listens("Realm 'people' imported\n"));
    }
}
