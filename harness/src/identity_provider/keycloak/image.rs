//! Keycloak's image with every slow step done in advance: built, its realms imported, its classes archived.
//!
//! The main type is [`PreparedImage`]; [`prepare_image`] makes one from the official image, with that image's own Java. Passwords
//! are in this user's cache only; the image's database has their hashes, but the clients' secrets and the realms' signing keys
//! unchanged. The image is therefore as secret as they are, and meant for the machine that it was made on.

use std::path::{Path, PathBuf};
use std::time::Duration;

use authlab_testcontainers::description::keycloak::{HOME, import_directory, import_file};
use serde::{Deserialize, Serialize};
use sha2::Digest;

use super::container::{Built, words};
use super::error::file;
use super::found::Found;
use super::java::{Archive, Java};
use super::launch::{self, LIBRARIES, Launch};
use super::line::Line;
use super::prepare::private_directory;
use super::realm::{self, Secrets};
use super::{KeycloakContainer, KeycloakContainerSpec, KeycloakError, REALM, training};
use crate::cache::Entry;
use crate::engine::{ContainerSpec, Engine, Filter, Image, Labels, Network, Presence, sweep};
use crate::event::{Events, Phase};
use crate::pki::{self, Authority, Request};

/// The directory of a prepared Keycloak in the image, as [`launch::lay_out`] makes it.
pub(super) const PLACE: &str = "/opt/keycloak/authlab";
/// The class archive in it.
const CLASSES: &str = "classes.archive";
/// The limit of a step.
const STEP: Duration = Duration::from_secs(600);
/// The limit of Keycloak's exit, which includes writing an archive.
const GRACE: Duration = Duration::from_secs(300);
/// The user and the group of Keycloak's files in its image.
const OWNER: (u64, u64) = (1000, 0);

/// A Keycloak image that was prepared here, with everything needed to start it.
#[derive(Clone, Debug)]
pub struct PreparedImage {
    /// The image's reference.
    pub reference: String,
    /// The version of Keycloak in it.
    pub version: String,
    java: Java,
    archive: Archive,
    class_path: String,
    pub(super) secrets: Secrets,
}

/// The record that is kept beside the secrets.
#[derive(Debug, Serialize, Deserialize)]
struct Record {
    reference: String,
    version: String,
    java: Java,
    archive: Archive,
    class_path: String,
}

impl PreparedImage {
    /// Returns the reference of the prepared image of Keycloak `version` under `prefix`. It changes with every input of a
    /// preparation.
    pub fn reference(prefix: &str, version: &str) -> String {
        format!("{}/keycloak:{}", prefix.trim_end_matches('/'), key(version))
    }

    /// Finds the prepared image of Keycloak `version`, if the engine has it and this user's cache has its secrets.
    ///
    /// # Errors
    /// The engine cannot tell, or the cache cannot be read.
    pub async fn find(engine: &Engine, prefix: &str, version: &str) -> Result<Option<Self>, KeycloakError> {
        let Presence::Present(image) = Image::presence(engine, &Self::reference(prefix, version)).await? else {
            return Ok(None);
        };
        let directory = record_directory(&crate::dirs::cache()?.join(IMAGES), version, &image.id);
        Ok(Self::load(&directory, &image.reference))
    }

    fn load(directory: &Path, reference: &str) -> Option<Self> {
        let record: Record = serde_json::from_slice(&fs_err::read(directory.join("image.json")).ok()?).ok()?;
        let secrets = serde_json::from_slice(&fs_err::read(directory.join("secrets.json")).ok()?).ok()?;
        Some(Self {
            reference: reference.to_owned(),
            version: record.version,
            java: record.java,
            archive: record.archive,
            class_path: record.class_path,
            secrets,
        })
    }

    /// Returns the version of Java in the image.
    pub fn java_version(&self) -> u32 {
        self.java.version
    }

    /// Returns the kind of its class archive.
    pub fn archive(&self) -> Archive {
        self.archive
    }

    /// Returns the way in which it runs.
    pub(super) fn built(&self) -> Built {
        Built {
            reference: self.reference.clone(),
            java: self.java.clone(),
            line: Line::of(&self.version),
            class_path: self.class_path.clone(),
            place: PLACE.into(),
            shared: false,
            archive: (self.archive != Archive::Nothing).then(|| Path::new(PLACE).join(CLASSES)),
            training: false,
        }
    }
}

/// The directory of the images' records in the cache.
const IMAGES: &str = "keycloak-images";

/// Returns a key of all inputs of a preparation, apart from the base image: `VERSION-FINGERPRINT`.
fn key(version: &str) -> String {
    let mut hash = sha2::Sha256::new();
    let mut add = |part: &str| {
        hash.update(part);
        hash.update([0]);
    };
    let layout = "1";
    [layout, version, &launch::fingerprint(Line::of(version))]
        .into_iter()
        .for_each(&mut add);
    realm::fixtures().for_each(&mut add);
    format!("{version}-{}", &hex::encode(hash.finalize())[..12])
}

/// Returns the directory of an image's record, by its id: two engines may have made different images of the same name.
fn record_directory(cache: &Path, version: &str, id: &str) -> PathBuf {
    let id = id.rsplit(':').next().unwrap_or(id);
    cache.join(format!("{}-{}", key(version), id.get(..12).unwrap_or(id)))
}

/// Prepares Keycloak `version` from the image `source`, which is on the engine's machine, and keeps it under `prefix`. Everything
/// with exactly `labels` is removed at the end: the labels are for this alone.
///
/// # Errors
/// The image is missing or is not a Keycloak image, a step fails, or there is no space.
pub async fn prepare_image(
    engine: &Engine,
    labels: &Labels,
    source: &str,
    prefix: &str,
    version: &str,
    events: &Events,
) -> Result<PreparedImage, KeycloakError> {
    let made = events.in_phase("keycloak image", async |phase| {
        make(engine, labels, source, prefix, version, events, phase).await
    });
    made.await
}

async fn make(
    engine: &Engine,
    labels: &Labels,
    source: &str,
    prefix: &str,
    version: &str,
    events: &Events,
    phase: &Phase,
) -> Result<PreparedImage, KeycloakError> {
    // Only its lock is used: the engine has the image.
    let entry = Entry::new(
        &crate::dirs::cache()?,
        IMAGES,
        key(version),
        format!("the image of Keycloak {version}"),
        "image.json",
    );
    let _claim = entry.claim(events).await?;
    let cache = entry.parent();

    // The directory is in the cache, since an engine in a virtual machine sees the home directory and not every other one.
    let work = tempfile::Builder::new()
        .prefix("work-")
        .tempdir_in(cache)
        .map_err(file("make", cache))?;
    let making = Making {
        engine,
        labels,
        source,
        work: work.path(),
        suffix: format!("{}-{}", std::process::id(), key(version)),
    };
    let made = making.make(prefix, version, events, phase).await;
    // None of it is needed any more; a failure to remove it does not concern the image.
    let _ = sweep(engine, &Filter::owned(labels)).await;
    let (image, record, secrets) = made?;

    let directory = record_directory(cache, version, &image.id);
    private_directory(&directory)?;
    let text = |value: serde_json::Result<String>| value.map_err(std::io::Error::other).map_err(file("write", &directory));
    pki::write_private(&directory.join("secrets.json"), &text(serde_json::to_string(&secrets))?)?;
    pki::write_private(&directory.join("image.json"), &text(serde_json::to_string_pretty(&record))?)?;
    Ok(PreparedImage {
        reference: record.reference,
        version: record.version,
        java: record.java,
        archive: record.archive,
        class_path: record.class_path,
        secrets,
    })
}

/// The preparation of one image.
struct Making<'a> {
    engine: &'a Engine,
    labels: &'a Labels,
    source: &'a str,
    work: &'a Path,
    suffix: String,
}

impl Making<'_> {
    async fn make(&self, prefix: &str, version: &str, events: &Events, phase: &Phase) -> Result<(Image, Record, Secrets), KeycloakError> {
        phase.detail(format!("inspecting {}", self.source));
        let found = self.look().await?;
        if found.version != version {
            return Err(KeycloakError::ImageVersion {
                image: self.source.to_owned(),
                has: found.version,
                wanted: version.to_owned(),
            });
        }
        phase.detail(format!("building it for Java {} (1 of 4)", found.java.version));
        let built = self.build(&found).await?;
        let kept = self
            .keep(&built.id, found, &PreparedImage::reference(prefix, version), events, phase)
            .await;
        if kept.is_err() {
            // An image that another one is built on stays as long as that one does.
            if let Err(error) = Image::remove(self.engine, &built.id).await {
                events.note(format!("cannot remove an image without a name: {error}"));
            }
        }
        kept
    }

    fn spec(&self, step: &str, image: &str) -> ContainerSpec {
        ContainerSpec::new(format!("authlab-keycloak-{step}-{}", self.suffix), image, self.labels)
    }

    /// Asks the image for its Java and its libraries. It has a shell, since Keycloak's own script needs one.
    async fn look(&self) -> Result<Found, KeycloakError> {
        let globs: String = LIBRARIES.iter().map(|directory| format!(" {HOME}/{directory}/*.jar")).collect();
        let script = format!(
            "${{JAVA_HOME:+$JAVA_HOME/bin/}}java -XshowSettings:properties -version; cat {HOME}/version.txt; for library in{globs}; do echo \"library $library\"; done"
        );
        let log = self.work.join("look.log");
        let container = self
            .spec("look", self.source)
            .program("sh")
            .arguments(["-c", &script])
            .start(self.engine)
            .await?;
        let following = container.follow(&log)?;
        container.ended(STEP).await?;
        following.ended().await?;
        container.remove().await?;
        let text = fs_err::read_to_string(&log).map_err(file("read", &log))?;
        Found::read(&text).ok_or_else(|| KeycloakError::NotKeycloak {
            image: self.source.to_owned(),
            tail: crate::process::last_lines(&log, 12),
        })
    }

    /// Runs `kc build`, as the user that the image has for it.
    async fn build(&self, Found { java, version, .. }: &Found) -> Result<Image, KeycloakError> {
        let launch = Launch {
            java,
            line: Line::of(version),
            home: Path::new(HOME),
            limit: STEP,
            lab: None,
        };
        let arguments = words(launch.build_arguments());
        let spec = self
            .spec("build", self.source)
            .program(java.program.to_string_lossy())
            .arguments(arguments);
        let container = spec.start(self.engine).await?;
        if container.ended(STEP).await? != 0 {
            container.expect_running().await?;
        }
        let image = container.commit(None, self.source).await?;
        container.remove().await?;
        Ok(image)
    }

    /// Imports the realms, archives the classes, and keeps both in an image under `reference`.
    async fn keep(
        &self,
        built: &str,
        found: Found,
        reference: &str,
        events: &Events,
        phase: &Phase,
    ) -> Result<(Image, Record, Secrets), KeycloakError> {
        let network = Network::create(self.engine, &format!("authlab-keycloak-{}", self.suffix), self.labels).await?;
        let (imports, secrets) = realm::realms()?;

        phase.detail("importing the realms (2 of 4)");
        let first = self.work.join("first");
        launch::lay_out(Path::new(HOME), None, &first)?;
        let import = import_directory(&first);
        private_directory(&import)?;
        for realm in imports {
            pki::write_private(&import.join(import_file(&realm.name)), realm.document.expose())?;
        }
        let mut record = Record {
            reference: reference.to_owned(),
            version: found.version,
            java: found.java,
            archive: Archive::Nothing,
            class_path: found.class_path,
        };
        let running = self.serve(built, &record, &network, &first, &secrets, None).await?;
        running.finish(GRACE).await?;
        let database = self.work.join("keycloakdb.mv.db");
        let written = first.join("data/h2/keycloakdb.mv.db");
        fs_err::rename(&written, &database).map_err(file("keep", &written))?;

        phase.detail("learning which classes a lab needs (3 of 4)");
        let place = self.work.join("training");
        launch::lay_out(Path::new(HOME), Some(&database), &place)?;
        let archive = place.join(CLASSES);
        if record.java.archive != Archive::Nothing {
            let running = self.serve(built, &record, &network, &place, &secrets, Some(&archive)).await?;
            training::warm_up(&running.realm(REALM)?).await?;
            running.finish(GRACE).await?;
            if archive.exists() {
                record.archive = record.java.archive;
            } else {
                events.note(format!(
                    "the Java of {} did not write a class archive, so Keycloak starts more slowly",
                    self.source
                ));
            }
        }
        network.remove().await?;

        phase.detail("keeping it as an image (4 of 4)");
        let contents = self.work.join("contents");
        launch::lay_out(Path::new(HOME), Some(&database), &contents)?;
        if record.archive != Archive::Nothing {
            let kept = contents.join(CLASSES);
            fs_err::rename(&archive, &kept).map_err(file("keep", &archive))?;
        }
        let packed = tokio::task::spawn_blocking(move || pack(&contents)).await;
        let packed = packed.map_err(std::io::Error::other).and_then(|packed| packed);
        let packed = packed.map_err(file("pack", self.work))?;
        let container = self.spec("keep", built).create(self.engine).await?;
        container.unpack(HOME, packed).await?;
        let image = container.commit(Some(reference), self.source).await?;
        container.remove().await?;
        Ok((image, record, secrets))
    }

    /// Runs the built Keycloak on the data in `place`.
    async fn serve(
        &self,
        built: &str,
        record: &Record,
        network: &Network,
        place: &Path,
        secrets: &Secrets,
        write: Option<&Path>,
    ) -> Result<KeycloakContainer, KeycloakError> {
        let authority = Authority::root("authlab preparation")?;
        let serving = authority.issue(&Request::server("keycloak", &["localhost"]))?;
        let step = if write.is_some() { "training" } else { "first" };
        let built = Built {
            reference: built.to_owned(),
            java: record.java.clone(),
            line: Line::of(&record.version),
            class_path: record.class_path.clone(),
            place: place.to_owned(),
            shared: true,
            archive: write.map(Path::to_owned),
            training: true,
        };
        let name = format!("authlab-keycloak-{step}-{}", self.suffix);
        KeycloakContainerSpec::unfinished(name, built, secrets, &serving, authority.certificate())
            .start(self.engine, self.labels, network, place)
            .await
    }
}

/// Returns the directory as an archive of [`PLACE`], owned like Keycloak's own files.
fn pack(contents: &Path) -> std::io::Result<Vec<u8>> {
    let name = Path::new(PLACE).file_name().unwrap_or_default();
    let mut archive = tar::Builder::new(Vec::new());
    archive.follow_symlinks(false);
    append(&mut archive, contents, Path::new(name))?;
    archive.into_inner()
}

fn append(archive: &mut tar::Builder<Vec<u8>>, source: &Path, name: &Path) -> std::io::Result<()> {
    let found = fs_err::symlink_metadata(source)?;
    let mut header = tar::Header::new_gnu();
    header.set_metadata_in_mode(&found, tar::HeaderMode::Complete);
    header.set_uid(OWNER.0);
    header.set_gid(OWNER.1);
    if found.is_symlink() {
        header.set_size(0);
        return archive.append_link(&mut header, name, fs_err::read_link(source)?);
    }
    if found.is_dir() {
        header.set_size(0);
        header.set_mode(0o775);
        archive.append_data(&mut header, name, std::io::empty())?;
        let mut entries = fs_err::read_dir(source)?.collect::<Result<Vec<_>, _>>()?;
        entries.sort_by_key(fs_err::DirEntry::file_name);
        return entries
            .iter()
            .try_for_each(|entry| append(archive, &entry.path(), &name.join(entry.file_name())));
    }
    header.set_mode(0o664);
    archive.append_data(&mut header, name, fs_err::File::open(source)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_changes_with_what_is_in_the_image() {
        let reference = PreparedImage::reference("localhost/authlab/", "26.7.4");
        assert!(reference.starts_with("localhost/authlab/keycloak:26.7.4-"), "{reference}");
        assert_ne!(reference, PreparedImage::reference("localhost/authlab", "26.7.3"));
    }

    #[test]
    fn what_is_kept_belongs_to_keycloak() {
        let root = tempfile::tempdir().expect("a directory");
        launch::lay_out(Path::new(HOME), None, &root.path().join("place")).expect("it is laid out");
        let packed = pack(&root.path().join("place")).expect("it is packed");
        let mut archive = tar::Archive::new(packed.as_slice());
        let mut names = Vec::new();
        for entry in archive.entries().expect("an archive") {
            let entry = entry.expect("an entry");
            let header = entry.header();
            assert_eq!((header.uid().expect("a user"), header.gid().expect("a group")), OWNER);
            names.push(entry.path().expect("a path").to_string_lossy().into_owned());
        }
        assert!(
            names.contains(&"authlab/data/h2".to_owned()) && names.contains(&"authlab/lib".to_owned()),
            "{names:?}"
        );
    }
}
