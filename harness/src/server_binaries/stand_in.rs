//! Images of the control plane from existing server binaries, for machines that cannot fetch the official ones.
//!
//! The main type is [`StandIn`]. It is an archive as written by `docker save`: one layer with every program, and for each component an
//! image that has only that layer. The same programs make the same archive, byte for byte. As in the official image, the API server's file
//! carries the capability to use low ports (kubernetes/kubernetes, `build/server-image/kube-apiserver/Dockerfile`), so that a container
//! that would fail on the one fails on the other.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use serde_json::json;
use sha2::Digest;

use super::images::Images;
use super::{PROGRAMS, ServerBinaries};

/// The directory of the programs in the official images.
const PROGRAMS_IN: &str = "usr/local/bin";
/// `cap_net_bind_service=+ep`, as the kernel stores it (linux/capability.h, `struct vfs_cap_data`, revision 2): the revision with the
/// effective bit, then permitted and inheritable, twice.
const NET_BIND_SERVICE: [u8; 20] = [1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
const PASSWD: &[u8] = b"root:x:0:0:root:/:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/:/sbin/nologin\n";

/// The images of one version, as a file for [`crate::engine::Image::load`].
#[derive(Debug)]
pub struct StandIn {
    archive: tempfile::NamedTempFile,
    references: Vec<String>,
}

impl StandIn {
    /// Writes the archive of `binaries` into `directory`, with the references in `images`, for `architecture` (in Go's terms).
    ///
    /// # Errors
    /// A program cannot be read, or the directory has no space for it.
    pub fn write(binaries: &ServerBinaries, images: &Images, architecture: &str, directory: &Path) -> io::Result<Self> {
        let images = [&images.etcd, &images.kube_apiserver, &images.kube_controller_manager];
        let references: Vec<String> = images.iter().map(|image| image.without_digest().to_string()).collect();
        let mut layer = tempfile::NamedTempFile::new_in(directory)?;
        write_layer(&binaries.directory, layer.as_file_mut())?;
        let digest = digest(layer.path())?;
        let mut archive = tempfile::NamedTempFile::new_in(directory)?;
        write_archive(&layer, &digest, &references, architecture, archive.as_file_mut())?;
        Ok(Self { archive, references })
    }

    /// Returns the archive's path; the file is removed with this value.
    pub fn path(&self) -> &Path {
        self.archive.path()
    }

    /// Returns the references of the images in the archive.
    pub fn references(&self) -> &[String] {
        &self.references
    }
}

fn header(kind: tar::EntryType, mode: u32, size: u64) -> tar::Header {
    let mut header = tar::Header::new_ustar();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(size);
    header.set_mtime(0);
    header
}

/// Writes the programs of `directory`: a file that has several names there is stored once here.
fn write_layer(directory: &Path, to: impl Write) -> io::Result<()> {
    let mut layer = tar::Builder::new(to);
    let folder = |mode| header(tar::EntryType::Directory, mode, 0);
    for name in ["etc", "usr", "usr/local", PROGRAMS_IN] {
        layer.append_data(&mut folder(0o755), name, io::empty())?;
    }
    layer.append_data(&mut folder(0o1777), "tmp", io::empty())?;
    layer.append_data(
        &mut header(tar::EntryType::Regular, 0o644, PASSWD.len() as u64),
        "etc/passwd",
        PASSWD,
    )?;

    let mut files: BTreeMap<PathBuf, Vec<&str>> = BTreeMap::new();
    for name in PROGRAMS {
        files.entry(fs_err::canonicalize(directory.join(name))?).or_default().push(name);
    }
    for (file, names) in files {
        let (first, others) = names.split_first().ok_or(io::ErrorKind::NotFound)?;
        if names.contains(&"kube-apiserver") {
            layer.append_pax_extensions([("SCHILY.xattr.security.capability", NET_BIND_SERVICE.as_slice())])?;
        }
        let file = fs_err::File::open(&file)?;
        let path = Path::new(PROGRAMS_IN).join(first);
        layer.append_data(&mut header(tar::EntryType::Regular, 0o755, file.metadata()?.len()), path, file)?;
        for other in others {
            let mut link = header(tar::EntryType::Symlink, 0o777, 0);
            layer.append_link(&mut link, Path::new(PROGRAMS_IN).join(other), first)?;
        }
    }
    layer.into_inner()?.flush()
}

fn write_archive(
    layer: &tempfile::NamedTempFile,
    digest: &str,
    references: &[String],
    architecture: &str,
    to: impl Write,
) -> io::Result<()> {
    let mut archive = tar::Builder::new(to);
    let regular = |size| header(tar::EntryType::Regular, 0o644, size);
    let layer_path = format!("{digest}/layer.tar");
    let mut manifest = Vec::new();
    for reference in references {
        let config = json!({
            "architecture": architecture,
            "os": "linux",
            "created": "1970-01-01T00:00:00Z",
            "config": {
                "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
                "WorkingDir": "/",
                // Without this label, the three would be one image with three names.
                "Labels": {"authlab.stand-in": reference},
            },
            "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{digest}")]},
            "history": [{"created": "1970-01-01T00:00:00Z", "created_by": "authlab"}],
        });
        let config = config.to_string();
        let name = format!("{}.json", hex::encode(sha2::Sha256::digest(&config)));
        archive.append_data(&mut regular(config.len() as u64), &name, config.as_bytes())?;
        manifest.push(json!({"Config": name, "RepoTags": [reference], "Layers": [layer_path]}));
    }
    let file = fs_err::File::open(layer.path())?;
    archive.append_data(&mut regular(file.metadata()?.len()), &layer_path, file)?;
    let manifest = json!(manifest).to_string();
    archive.append_data(&mut regular(manifest.len() as u64), "manifest.json", manifest.as_bytes())?;
    archive.into_inner()?.flush()
}

fn digest(path: &Path) -> io::Result<String> {
    let (mut file, mut hash) = (fs_err::File::open(path)?, sha2::Sha256::new());
    let mut piece = vec![0; 1 << 20];
    loop {
        match file.read(&mut piece)? {
            0 => return Ok(hex::encode(hash.finalize())),
            read => hash.update(&piece[..read]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Hold, KubernetesVersion, Source, Versions};
    use super::*;

    fn stand_in(root: &Path) -> StandIn {
        let version: KubernetesVersion = Versions::pinned().newest().version;
        let binaries = ServerBinaries::in_directory(version, root.to_owned(), Source::Named, Hold::nothing());
        let images = Images::of(Versions::pinned().newest(), Some("localhost/authlab")).expect("a prefix");
        StandIn::write(&binaries, &images, "amd64", root).expect("it is written")
    }

    #[test]
    fn the_same_programs_make_the_same_archive_and_one_file_stays_one() {
        let root = tempfile::tempdir().expect("a directory");
        fs_err::write(root.path().join("control-plane"), "program").expect("it can be written");
        for name in PROGRAMS {
            fs_err::os::unix::fs::symlink("control-plane", root.path().join(name)).expect("a link");
        }
        let (one, other) = (stand_in(root.path()), stand_in(root.path()));
        let read = |stand_in: &StandIn| fs_err::read(stand_in.path()).expect("it can be read");
        assert_eq!(read(&one), read(&other));
        assert_eq!(one.references().len(), 3);
        assert!(
            one.references()[1].starts_with("localhost/authlab/kube-apiserver:v1."),
            "{:?}",
            one.references()
        );

        let mut layer = Vec::new();
        for entry in tar::Archive::new(read(&one).as_slice()).entries().expect("an archive") {
            let mut entry = entry.expect("an entry");
            if entry.path().expect("a path").ends_with("layer.tar") {
                entry.read_to_end(&mut layer).expect("it can be read");
            }
        }
        let (mut capable, mut programs) = (Vec::new(), 0);
        for entry in tar::Archive::new(layer.as_slice()).entries().expect("a layer") {
            let mut entry = entry.expect("an entry");
            let path = entry.path().expect("a path").into_owned();
            let pax = entry.pax_extensions().expect("extensions").into_iter().flatten();
            let mut capabilities = pax
                .flatten()
                .filter(|extension| extension.key() == Ok("SCHILY.xattr.security.capability"));
            if capabilities.any(|capability| capability.value_bytes() == NET_BIND_SERVICE) {
                capable.push(path.clone());
            }
            let regular = entry.header().entry_type().is_file();
            programs += usize::from(regular && path.starts_with(PROGRAMS_IN));
        }
        assert_eq!((capable.len(), programs), (1, 1));
    }
}
