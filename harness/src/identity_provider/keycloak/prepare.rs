//! The steps that take a minute, done once: building Keycloak, importing its realms, writing its class archive.
//!
//! The main type is [`Prepared`], an entry of the cache. There is one for each combination of Keycloak, Java and realms.

use std::future::ready;
use std::path::{Path, PathBuf};
use std::time::Duration;

use authlab_testcontainers::description::keycloak::{import_directory, import_file};
use serde::{Deserialize, Serialize};
use sha2::Digest;

use super::error::file;
use super::java::{self, Archive, Java};
use super::launch::{self, ArchiveUse, Launch};
use super::line::Line;
use super::realm::{self, Secrets};
use super::{Front, KeycloakError, Settings, server, training};
use crate::cache::{Entry, Found, Hold, Presence, Ready};
use crate::event::{Events, Phase};
use crate::pki::{self, Authority, Request};
use crate::private::{self, Others};

/// The limit of a start during the preparation: the first one creates all the tables.
const START: Duration = Duration::from_secs(600);
/// The limit of Keycloak's exit, which includes writing an archive.
const GRACE: Duration = Duration::from_secs(300);

/// A built and initialised Keycloak. As long as this lives, nobody removes it.
#[derive(Debug)]
pub struct Prepared {
    directory: PathBuf,
    pub(super) java: Java,
    version: String,
    archive: Archive,
    pub(super) secrets: Secrets,
    _hold: Hold,
}

/// The file that is written last: a directory without it is unfinished.
#[derive(Debug, Serialize, Deserialize)]
struct Finished {
    keycloak: String,
    java: Java,
    archive: Archive,
}

/// The name of that file.
const FINISHED: &str = "prepared.json";

/// The contents of a finished directory, as far as they are read.
struct Contents {
    finished: Finished,
    secrets: Secrets,
}

impl Prepared {
    /// Returns the Java that it was prepared for and runs on.
    pub fn java(&self) -> &Java {
        &self.java
    }

    /// Returns the kind of its class archive; `Archive::Nothing` if it could not be written.
    pub fn archive(&self) -> Archive {
        self.archive
    }

    /// Returns the version that its distribution states.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Returns the line of its version.
    pub(super) fn line(&self) -> Line {
        Line::of(&self.version)
    }

    pub(super) fn home(&self) -> PathBuf {
        self.directory.join("home")
    }

    pub(super) fn database(&self) -> PathBuf {
        self.directory.join("keycloakdb.mv.db")
    }

    pub(super) fn archive_path(&self) -> PathBuf {
        archive_path(&self.directory)
    }

    pub(super) fn use_archive<'a>(&self, path: &'a Path) -> ArchiveUse<'a> {
        self.archive.reading(path)
    }
}

/// Reads what a preparation wrote into `directory`.
fn inspect(directory: &Path) -> Result<Presence<Contents>, KeycloakError> {
    let Ok(text) = fs_err::read(directory.join(FINISHED)) else {
        return Ok(Presence::Absent);
    };
    let secrets = directory.join("secrets.json");
    let secrets = fs_err::read(&secrets).map_err(file("read", &secrets))?;
    // A file of another format or a damaged one: the preparation is repeated.
    let (Ok(finished), Ok(secrets)) = (serde_json::from_slice(&text), serde_json::from_slice(&secrets)) else {
        return Ok(Presence::Damaged("its files cannot be read".to_owned()));
    };
    Ok(Presence::Finished(Contents { finished, secrets }))
}

impl Archive {
    /// Returns the option that makes a virtual machine use the archive `path`.
    pub(super) fn reading(self, path: &Path) -> ArchiveUse<'_> {
        match self {
            Self::AotCache => ArchiveUse::Option("-XX:AOTCache=", path),
            Self::ClassData => ArchiveUse::Option("-XX:SharedArchiveFile=", path),
            Self::Nothing => ArchiveUse::None,
        }
    }

    /// Returns the option that makes a virtual machine write the archive `path` at its end.
    pub(super) fn writing(self, path: &Path) -> ArchiveUse<'_> {
        match self {
            Self::AotCache => ArchiveUse::Option("-XX:AOTCacheOutput=", path),
            Self::ClassData => ArchiveUse::Option("-XX:ArchiveClassesAtExit=", path),
            Self::Nothing => ArchiveUse::None,
        }
    }
}

fn archive_path(directory: &Path) -> PathBuf {
    directory.join("classes.archive")
}

/// Prepares Keycloak in `home`, an unpacked distribution that is only read, for the best available Java (`AUTHLAB_JAVA` names another).
/// The result comes from the cache if it is there; otherwise this takes about a minute.
///
/// # Errors
/// There is no Java, a step fails, or the cache cannot be written.
pub async fn prepare(home: &Path, events: &Events) -> Result<Prepared, KeycloakError> {
    let named = std::env::var_os("AUTHLAB_JAVA")
        .filter(|value| !value.is_empty())
        .map(PathBuf::from);
    let version = version(home)?;
    let java = java::find(named.as_deref(), Line::of(&version).java()).await?;
    let product = format!("Keycloak {version} for Java {}", java.version);
    let entry = Entry::new(&crate::dirs::cache()?, "keycloak-prepared", key(&version, &java), product, FINISHED);
    let directory = entry.directory();
    let inspect = || ready(inspect(&directory));
    let Ready { contents, hold } = match entry.find_or_claim(events, inspect).await? {
        Found::Ready(ready) => ready,
        Found::Missing(claim) => {
            // After a failure, the unfinished directory stays for finding the reason; the next preparation clears it.
            let made = events.in_phase("prepare keycloak", async |phase| {
                phase.detail(entry.product());
                make(&directory, home, version, java, events, phase).await
            });
            made.await?;
            claim.share(events, inspect).await?
        }
    };
    Ok(Prepared {
        directory,
        java: contents.finished.java,
        version: contents.finished.keycloak,
        archive: contents.finished.archive,
        secrets: contents.secrets,
        _hold: hold,
    })
}

/// Returns the version that a distribution states: "Keycloak - Version 26.7.4".
pub(super) fn version(home: &Path) -> Result<String, KeycloakError> {
    let missing = |missing| KeycloakError::Home {
        home: home.to_owned(),
        missing,
    };
    for part in ["lib/quarkus-run.jar", "lib/lib/main", "conf"] {
        if !home.join(part).exists() {
            return Err(missing(part));
        }
    }
    let text = fs_err::read_to_string(home.join("version.txt")).map_err(|_| missing("version.txt"))?;
    text.split_whitespace()
        .last()
        .map(str::to_owned)
        .ok_or_else(|| missing("version.txt"))
}

/// Returns a directory name that depends on all inputs of a preparation.
fn key(version: &str, java: &Java) -> String {
    let mut hash = sha2::Sha256::new();
    let mut add = |part: &str| {
        hash.update(part);
        hash.update([0]);
    };
    [
        version,
        &java.build,
        &java.home.to_string_lossy(),
        &launch::fingerprint(Line::of(version)),
    ]
    .into_iter()
    .for_each(&mut add);
    realm::fixtures().for_each(&mut add);
    format!("{version}-java{}-{}", java.version, &hex::encode(hash.finalize())[..12])
}

/// Makes `directory` from nothing. It is built in its final place, since a class archive knows the place of every library.
async fn make(directory: &Path, home: &Path, version: String, java: Java, events: &Events, phase: &Phase) -> Result<(), KeycloakError> {
    let (target, source) = (directory.to_owned(), home.to_owned());
    let copied = tokio::task::spawn_blocking(move || {
        if target.exists() {
            fs_err::remove_dir_all(&target).map_err(file("remove", &target))?;
        }
        private_directory(&target)?;
        copy_distribution(&source, &target.join("home"))
    });
    copied.await.map_err(std::io::Error::other).map_err(file("copy", home))??;
    let built = directory.join("home");
    let launch = Launch {
        java: &java,
        line: Line::of(&version),
        home: &built,
        limit: START,
        lab: None,
    };

    phase.detail("building it (1 of 3)");
    let log = directory.join("build.log");
    let mut build = launch.build(&log).start().await?;
    let status = build.ended().await?;
    if !status.success() {
        return Err(KeycloakError::Preparation {
            step: "build",
            status,
            tail: crate::process::last_lines(&log, 20),
            log,
        });
    }

    phase.detail("importing the realms (2 of 3)");
    let authority = Authority::root("authlab preparation")?;
    let serving = authority.issue(&Request::server("keycloak", &["localhost"]))?;
    let first = directory.join("first");
    launch::lay_out(&built, None, &first)?;
    let (imports, secrets) = realm::realms()?;
    let import = import_directory(&first);
    private_directory(&import)?;
    for realm in imports {
        pki::write_private(&import.join(import_file(&realm.name)), realm.document.expose())?;
    }
    let settings = Settings {
        front: Front::listen().await?,
        directory: &first,
        certificate: &serving,
        authority: authority.certificate(),
    };
    let running = server::serve(&launch, settings, &secrets, ArchiveUse::None).await?;
    let log = running.log().to_owned();
    let status = running.finish(GRACE).await?;
    if status.code().is_none() {
        return Err(KeycloakError::Preparation {
            step: "first start",
            status,
            tail: crate::process::last_lines(&log, 20),
            log,
        });
    }
    let database = directory.join("keycloakdb.mv.db");
    let written = first.join("data/h2/keycloakdb.mv.db");
    fs_err::rename(&written, &database).map_err(file("keep", &written))?;
    fs_err::remove_dir_all(&first).map_err(file("remove", &first))?;

    phase.detail("learning which classes a lab needs (3 of 3)");
    let archive = archive_path(directory);
    let mut kept = Archive::Nothing;
    if java.archive != Archive::Nothing {
        let place = directory.join("training");
        launch::lay_out(&built, Some(&database), &place)?;
        let usage = java.archive.writing(&archive);
        let settings = Settings {
            front: Front::listen().await?,
            directory: &place,
            certificate: &serving,
            authority: authority.certificate(),
        };
        let running = server::serve(&launch, settings, &secrets, usage).await?;
        training::warm_up(&running.description()).await?;
        running.finish(GRACE).await?;
        if archive.exists() {
            kept = java.archive;
        } else {
            events.note(format!(
                "{} did not write a class archive, so Keycloak starts more slowly",
                java.program.display()
            ));
        }
        fs_err::remove_dir_all(&place).map_err(file("remove", &place))?;
    }

    let text = |value: serde_json::Result<String>| value.map_err(std::io::Error::other).map_err(file("write", directory));
    pki::write_private(&directory.join("secrets.json"), &text(serde_json::to_string(&secrets))?)?;
    let finished = Finished {
        keycloak: version,
        java,
        archive: kept,
    };
    let (partial, whole) = (directory.join("prepared.partial"), directory.join(FINISHED));
    pki::write_private(&partial, &text(serde_json::to_string_pretty(&finished))?)?;
    fs_err::rename(&partial, &whole).map_err(file("write", &whole))
}

/// Creates a directory for this user alone; others must not be able to change an existing one.
pub(super) fn private_directory(path: &Path) -> Result<(), KeycloakError> {
    private::make_directory(path).map_err(file("make", path))?;
    private::expect_directory(path, Others::Read).map_err(|why| file("use", path)(std::io::Error::other(why)))
}

/// Copies a distribution: libraries as hard links if possible, everything that the build writes as real copies.
fn copy_distribution(source: &Path, target: &Path) -> Result<(), KeycloakError> {
    fs_err::create_dir_all(target).map_err(file("make", target))?;
    let entries = fs_err::read_dir(source)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(file("read", source))?;
    for entry in entries {
        let (from, name) = (entry.path(), entry.file_name());
        let to = target.join(&name);
        // A home that was used already has data and programs that are not needed here.
        if target.ends_with("home") && (name == "data" || name == "bin") {
            continue;
        }
        if from.is_dir() {
            copy_distribution(&from, &to)?;
            continue;
        }
        let library = target.ends_with("lib/lib/main") || target.ends_with("lib/lib/boot") || target.ends_with("lib/lib/deployment");
        if !(library && fs_err::hard_link(&from, &to).is_ok()) {
            fs_err::copy(&from, &to).map_err(file("copy", &from))?;
            make_writable(&to)?;
        }
    }
    Ok(())
}

fn make_writable(path: &Path) -> Result<(), KeycloakError> {
    use std::os::unix::fs::PermissionsExt;
    fs_err::set_permissions(path, std::fs::Permissions::from_mode(0o600)).map_err(file("copy", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn java(build: &str) -> Java {
        Java {
            program: "/jdk/bin/java".into(),
            home: "/jdk".into(),
            version: 25,
            build: build.to_owned(),
            archive: Archive::AotCache,
        }
    }

    #[test]
    fn another_build_of_java_is_prepared_for_anew() {
        assert_eq!(key("26.7.4", &java("25.0.3+9")), key("26.7.4", &java("25.0.3+9")));
        assert_ne!(key("26.7.4", &java("25.0.3+9")), key("26.7.4", &java("25.0.4+1")));
        assert_ne!(key("26.7.4", &java("25.0.3+9")), key("26.7.3", &java("25.0.3+9")));
    }

    #[test]
    fn a_directory_that_is_no_keycloak_is_refused() {
        let home = tempfile::tempdir().expect("a directory");
        let refused = version(home.path()).expect_err("it is empty").to_string();
        assert!(refused.contains("lib/quarkus-run.jar"), "{refused}");
    }

    #[test]
    fn what_an_interrupted_preparation_left_does_not_look_finished() {
        let directory = tempfile::tempdir().expect("a directory");
        let seen = || inspect(directory.path()).expect("it can be read");
        assert!(matches!(seen(), Presence::Absent));
        fs_err::write(directory.path().join(FINISHED), "{\"keycloak\":").expect("it can be written");
        fs_err::write(directory.path().join("secrets.json"), "{}").expect("it can be written");
        assert!(matches!(seen(), Presence::Damaged(_)));
    }

    #[test]
    fn the_distribution_is_left_alone() {
        let root = tempfile::tempdir().expect("a directory");
        let (source, target) = (root.path().join("source"), root.path().join("home"));
        for (path, text) in [
            ("lib/quarkus/generated.jar", "old"),
            ("lib/lib/main/a.jar", "library"),
            ("data/h2/db", "theirs"),
        ] {
            let path = source.join(path);
            fs_err::create_dir_all(path.parent().expect("it has one")).expect("a directory");
            fs_err::write(path, text).expect("it can be written");
        }
        copy_distribution(&source, &target).expect("it is copied");
        fs_err::write(target.join("lib/quarkus/generated.jar"), "new").expect("the build writes it");
        assert_eq!(
            fs_err::read_to_string(source.join("lib/quarkus/generated.jar")).expect("it is there"),
            "old"
        );
        assert_eq!(
            fs_err::read_to_string(target.join("lib/lib/main/a.jar")).expect("it is there"),
            "library"
        );
        assert!(!target.join("data").exists());
    }
}
