//! The command lines of Keycloak: Java itself, without the shell script around it, so that ending the
//! process ends everything.
//!
//! The main type is [`Launch`]. Servers run from a flat class path instead of Keycloak's own class loader: only
//! classes of the built-in loaders can be loaded, linked, from a class archive (JEP 483).

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::time::Duration;

use authlab_testcontainers::description::keycloak::{self, Listen};

use super::KeycloakError;
use super::error::file;
use super::java::Java;
use super::line::Line;
use crate::owner::LabId;
use crate::process::Program;

/// Options of every server's virtual machine. They are the same for writing and for using an
/// archive, which only serves the collector and the heap it was made with. One compiler tier: a server that
/// lives for seconds never earns back the cost of the second one.
const MACHINE: &[&str] = &[
    "-Xms128m",
    "-Xmx512m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-XX:CompileThresholdScaling=3",
    "-XX:-UsePerfData",
    "-XX:+ExitOnOutOfMemoryError",
];

/// The properties that Keycloak's own script passes on (`bin/kc.sh`): the libraries reach into these packages.
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
/// checks at each start which of the machine's authorities are self-signed, which costs as much as a tenth of the
/// start; it calls no server here, so it needs to trust none.
const NOBODY_TRUSTED: [u8; 32] = [
    0xfe, 0xed, 0xfe, 0xed, 0, 0, 0, 2, 0, 0, 0, 0, 0xe2, 0x68, 0x6e, 0x45, 0xfb, 0x43, 0xdf, 0xa4, 0xd9, 0x92, 0xdd, 0x41, 0xce, 0xb6,
    0xb2, 0x1c, 0x63, 0x30, 0xd7, 0x92,
];

/// Returns every input that changes the result of a preparation, apart from Keycloak, Java and the realms.
pub(super) fn fingerprint(line: Line) -> String {
    format!("3 {} {MACHINE:?} {PROPERTIES:?}", line.features_off())
}

/// A server's use of the class archive.
#[derive(Clone, Copy, Debug)]
pub(super) enum ArchiveUse<'a> {
    /// Neither reads nor writes an archive.
    None,
    /// An option of the virtual machine, and the file that it names.
    Option(&'static str, &'a Path),
}

/// The way in which Keycloak is launched: the Java, and the built distribution. Both may be in a container.
#[derive(Debug)]
pub(super) struct Launch<'a> {
    pub java: &'a Java,
    /// The line of its version.
    pub line: Line,
    /// The built distribution, which is only read.
    pub home: &'a Path,
    /// The limit for the time until a server answers.
    pub limit: Duration,
    /// The lab that the server belongs to, if any.
    pub lab: Option<&'a LabId>,
}

fn option(name: &str, value: &Path) -> OsString {
    let mut option = OsString::from(name);
    option.push(value);
    option
}

impl Launch<'_> {
    /// Returns `kc build`, which fixes the build-time options in the distribution itself.
    pub fn build(&self, log: &Path) -> Program {
        self.java("keycloak build", log).arguments(self.build_arguments())
    }

    /// Returns the Java arguments of [`Launch::build`].
    pub fn build_arguments(&self) -> Vec<OsString> {
        let mut arguments: Vec<OsString> = vec!["-Xmx1g".into(), "-XX:+UseSerialGC".into()];
        arguments.extend(PROPERTIES.iter().map(Into::into));
        arguments.extend(home_properties(self.home));
        arguments.extend([
            OsString::from("-cp"),
            self.home.join("lib/quarkus-run.jar").into(),
            "io.quarkus.bootstrap.runner.QuarkusEntryPoint".into(),
            "build".into(),
        ]);
        let options = keycloak::build_options(Some(&self.line.features_off())).into_iter();
        let is_known = |option: &String| !(self.line.is_cache_chosen_at_start() && option.starts_with("--cache="));
        arguments.extend(options.filter(is_known).map(Into::into));
        arguments
    }

    /// Returns `kc start --optimized` on the data in `place`, which [`lay_out`] made.
    ///
    /// # Errors
    /// The class path cannot be read.
    pub fn serve(&self, place: &Path, listen: &Listen<'_>, archive: ArchiveUse<'_>) -> Result<Program, KeycloakError> {
        let class_path = class_path(self.home, libraries(self.home)?)?;
        Ok(self
            .java("keycloak", &log(place))
            .arguments(self.serve_arguments(&class_path, place, listen, archive))
            .directory(place))
    }

    /// Returns the Java arguments of [`Launch::serve`].
    pub fn serve_arguments(&self, class_path: &OsStr, place: &Path, listen: &Listen<'_>, archive: ArchiveUse<'_>) -> Vec<OsString> {
        let mut arguments: Vec<OsString> = MACHINE.iter().map(Into::into).collect();
        if let ArchiveUse::Option(name, file) = archive {
            arguments.push(option(name, file));
        }
        arguments.extend(PROPERTIES.iter().map(Into::into));
        arguments.extend(home_properties(place));
        arguments.extend([
            option("-Djava.io.tmpdir=", &place.join("tmp")),
            option("-Djavax.net.ssl.trustStore=", &place.join("trusted.jks")),
            "-Djavax.net.ssl.trustStoreType=jks".into(),
            "-Djavax.net.ssl.trustStorePassword=changeit".into(),
            "-cp".into(),
            class_path.to_owned(),
            "org.keycloak.quarkus.runtime.KeycloakMain".into(),
        ]);
        arguments.extend(["start", "--optimized"].map(Into::into));
        // Without it, Keycloak looks for cluster members on every interface.
        arguments.extend(self.line.is_cache_chosen_at_start().then(|| "--cache=local".into()));
        arguments.extend(self.line.named(listen.options()));
        arguments
    }

    fn java(&self, name: &str, log: &Path) -> Program {
        // The environment of this process is not inherited: `KC_…` and `JAVA_TOOL_OPTIONS` would change what is started.
        let program = Program::new(name, &self.java.program, log);
        match self.lab {
            Some(lab) => program.environment(LabId::VARIABLE, lab.as_str()),
            None => program,
        }
    }
}

/// Returns the path of the log of a server in `place`.
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

/// Turns `place` into a home of Keycloak: links to the distribution, and a copy of the database.
///
/// # Errors
/// A file cannot be created.
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

/// The directories of the libraries, in the order of the class path.
pub(super) const LIBRARIES: [&str; 3] = ["lib/app", "lib/lib/boot", "lib/lib/main"];

/// Returns every library of the distribution `home`.
fn libraries(home: &Path) -> Result<Vec<PathBuf>, KeycloakError> {
    let mut libraries = Vec::new();
    for directory in LIBRARIES {
        let directory = home.join(directory);
        let entries = fs_err::read_dir(&directory)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(file("read", &directory))?;
        libraries.extend(entries.iter().map(fs_err::DirEntry::path));
    }
    libraries.retain(|library| library.extension().is_some_and(|extension| extension == "jar"));
    Ok(libraries)
}

/// Returns the class path, with the output of the build first, as in Keycloak's own loader.
pub(super) fn class_path(home: &Path, mut libraries: Vec<PathBuf>) -> Result<OsString, KeycloakError> {
    let rank = |library: &PathBuf| LIBRARIES.iter().position(|directory| library.starts_with(home.join(directory)));
    // Signed libraries cannot be archived; their classes are searched for in one library after the other, so they come first.
    libraries.sort_by_key(|library| (rank(library), !library.to_string_lossy().contains("bouncycastle"), library.clone()));
    let generated = ["transformed-bytecode.jar", "generated-bytecode.jar"].map(|name| home.join("lib/quarkus").join(name));
    std::env::join_paths(generated.into_iter().chain(libraries)).map_err(|error| KeycloakError::File {
        doing: "put on a class path",
        path: home.to_owned(),
        source: std::io::Error::other(error),
    })
}
