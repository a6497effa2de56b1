//! The command lines of Keycloak: Java itself, without the shell script around it, so that ending the
//! process ends everything.
//!
//! The main type is [`Launch`]. Servers run from a flat class path instead of Keycloak's own class loader: only
//! classes of the built-in loaders can be taken, linked, from a class archive (JEP 483).

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::KeycloakError;
use super::error::file;
use super::java::Java;
use crate::process::Program;

/// What the realm does not need. Fewer features, fewer classes and tables to set up at each start.
const FEATURES_DISABLED: &str = "account,account-api,admin,admin-fine-grained-authz,authorization,ciba,client-policies,docker,dpop,impersonation,\
     kerberos,opentelemetry,organization,par,passkeys,persistent-user-sessions,recovery-codes,resource-indicators,scim-api,\
     step-up-authentication,step-up-authentication-saml,token-exchange,token-exchange-standard,update-email,web-authn,workflows";

/// Options of every server's machine. They are the same when an archive is written and when it is
/// used: an archive serves the collector and the heap it was made with. One compiler tier: a server that
/// lives for seconds never earns the second one back.
const MACHINE: &[&str] = &[
    "-Xms128m",
    "-Xmx512m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-XX:CompileThresholdScaling=3",
    "-XX:-UsePerfData",
    "-XX:+ExitOnOutOfMemoryError",
];

/// What Keycloak's own script passes on (`bin/kc.sh`): the libraries reach into these packages.
const PROPERTIES: &[&str] = &[
    "--add-opens=java.base/java.util=ALL-UNNAMED",
    "--add-opens=java.base/java.util.concurrent=ALL-UNNAMED",
    "--add-opens=java.base/java.security=ALL-UNNAMED",
    "--add-opens=java.base/java.lang=ALL-UNNAMED",
    "--enable-native-access=ALL-UNNAMED",
    "-Dfile.encoding=UTF-8",
    "-Duser.language=en",
    "-Duser.country=US",
    "-Djava.security.egd=file:/dev/urandom",
    "-Djava.util.logging.manager=org.jboss.logmanager.LogManager",
    "-Djava.util.concurrent.ForkJoinPool.common.threadFactory=io.quarkus.bootstrap.forkjoin.QuarkusForkJoinWorkerThreadFactory",
    "-Dpicocli.disable.closures=true",
    "-Dquarkus-log-max-startup-records=10000",
];

/// An empty Java key store (`JKS`, version 2, no entries, the digest for the password `changeit`). Keycloak
/// checks at each start which authorities of the machine signed themselves, which costs as much as a tenth of the
/// start; it calls nobody here, so it need trust nobody.
const NOBODY_TRUSTED: [u8; 32] = [
    0xfe, 0xed, 0xfe, 0xed, 0, 0, 0, 2, 0, 0, 0, 0, 0xe2, 0x68, 0x6e, 0x45, 0xfb, 0x43, 0xdf, 0xa4, 0xd9, 0x92, 0xdd, 0x41, 0xce, 0xb6,
    0xb2, 0x1c, 0x63, 0x30, 0xd7, 0x92,
];

/// Everything that changes what a preparation makes, apart from Keycloak, Java and the realms.
pub(super) fn fingerprint() -> String {
    format!("2 {FEATURES_DISABLED} {MACHINE:?} {PROPERTIES:?}")
}

/// What a server does with the class archive.
#[derive(Clone, Copy, Debug)]
pub(super) enum ArchiveUse<'a> {
    /// Neither reads nor writes one.
    None,
    /// An option of the virtual machine and the file it is about.
    Option(&'static str, &'a Path),
}

/// How Keycloak is launched: with which Java, from which built distribution.
#[derive(Debug)]
pub(super) struct Launch<'a> {
    pub java: &'a Java,
    /// The built distribution; only read.
    pub home: &'a Path,
    /// How long it may take until a server answers.
    pub limit: Duration,
}

/// Where and how a server listens.
#[derive(Debug)]
pub(super) struct Listen<'a> {
    /// The public address.
    pub url: &'a str,
    pub certificate: &'a Path,
    pub key: &'a Path,
}

impl Launch<'_> {
    /// `kc build`: fixes the build-time options in the distribution itself.
    pub fn build(&self, log: &Path) -> Program {
        self.java("keycloak build", log)
            .arguments(["-Xmx1g", "-XX:+UseSerialGC"])
            .arguments(PROPERTIES)
            .arguments(home_properties(self.home))
            .arguments([
                OsString::from("-cp"),
                self.home.join("lib/quarkus-run.jar").into(),
                "io.quarkus.bootstrap.runner.QuarkusEntryPoint".into(),
            ])
            .arguments([
                "build",
                "--db=dev-file",
                "--cache=local",
                "--health-enabled=false",
                "--metrics-enabled=false",
            ])
            .argument(format!("--features-disabled={FEATURES_DISABLED}"))
    }

    /// `kc start --optimized` on the data in `place`, which [`lay_out`] made.
    ///
    /// # Errors
    /// The class path cannot be read.
    pub fn serve(&self, place: &Path, listen: &Listen<'_>, archive: ArchiveUse<'_>) -> Result<Program, KeycloakError> {
        let option = |name: &str, value: &Path| {
            let mut option = OsString::from(name);
            option.push(value);
            option
        };
        let mut program = self.java("keycloak", &log(place)).arguments(MACHINE);
        if let ArchiveUse::Option(name, file) = archive {
            program = program.argument(option(name, file));
        }
        Ok(program
            .arguments(PROPERTIES)
            .arguments(home_properties(place))
            .argument(option("-Djava.io.tmpdir=", &place.join("tmp")))
            .argument(option("-Djavax.net.ssl.trustStore=", &place.join("trusted.jks")))
            .arguments(["-Djavax.net.ssl.trustStoreType=jks", "-Djavax.net.ssl.trustStorePassword=changeit"])
            .arguments([
                OsString::from("-cp"),
                class_path(self.home)?,
                "org.keycloak.quarkus.runtime.KeycloakMain".into(),
            ])
            // `--cache` is an option of the start too: without it Keycloak looks for other members on every interface.
            .arguments(["start", "--optimized", "--cache=local", "--http-host=127.0.0.1", "--https-port=0"])
            .argument(format!("--hostname={}", listen.url))
            .argument(option("--https-certificate-file=", listen.certificate))
            .argument(option("--https-certificate-key-file=", listen.key))
            .directory(place))
    }

    fn java(&self, name: &str, log: &Path) -> Program {
        // Nothing of this process's environment: `KC_…` and `JAVA_TOOL_OPTIONS` would change what is started.
        Program::new(name, &self.java.program, log)
    }
}

/// The log of a server in `place`.
pub(super) fn log(place: &Path) -> PathBuf {
    place.join("keycloak.log")
}

fn home_properties(home: &Path) -> [OsString; 2] {
    ["-Dkc.home.dir=", "-Djboss.server.config.dir="].map(|name| {
        let mut property = OsString::from(name);
        property.push(if name.contains("config") {
            home.join("conf")
        } else {
            home.to_owned()
        });
        property
    })
}

/// Makes `place` a home of Keycloak: the distribution by links, the database as a copy.
///
/// # Errors
/// A file cannot be made.
pub(super) fn lay_out(home: &Path, database: Option<&Path>, place: &Path) -> Result<(), KeycloakError> {
    let data = place.join("data/h2");
    for directory in [&data, &place.join("tmp")] {
        fs_err::create_dir_all(directory).map_err(file("make", directory))?;
    }
    for part in ["conf", "lib", "providers", "themes"] {
        let link = place.join(part);
        fs_err::os::unix::fs::symlink(home.join(part), &link).map_err(file("make", &link))?;
    }
    let trusted = place.join("trusted.jks");
    fs_err::write(&trusted, NOBODY_TRUSTED).map_err(file("write", &trusted))?;
    if let Some(database) = database {
        let copy = data.join("keycloakdb.mv.db");
        fs_err::copy(database, &copy).map_err(file("write", &copy))?;
    }
    Ok(())
}

/// Every library, what the build generated first, as Keycloak's own loader has it.
fn class_path(home: &Path) -> Result<OsString, KeycloakError> {
    let mut path = vec![
        home.join("lib/quarkus/transformed-bytecode.jar"),
        home.join("lib/quarkus/generated-bytecode.jar"),
    ];
    for directory in ["lib/app", "lib/lib/boot", "lib/lib/main"] {
        let directory = home.join(directory);
        let mut jars: Vec<PathBuf> = fs_err::read_dir(&directory)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(file("read", &directory))?
            .iter()
            .map(fs_err::DirEntry::path)
            .collect();
        jars.retain(|jar| jar.extension().is_some_and(|extension| extension == "jar"));
        // Signed libraries cannot be archived; their classes are looked for in one library after the other, so they come first.
        jars.sort_by_key(|jar| (!jar.to_string_lossy().contains("bouncycastle"), jar.clone()));
        path.extend(jars);
    }
    std::env::join_paths(path).map_err(|error| KeycloakError::File {
        doing: "put on a class path",
        path: home.to_owned(),
        source: std::io::Error::other(error),
    })
}
