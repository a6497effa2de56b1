//! Files out of a container. testcontainers has this too, but its future cannot move between threads (`async_trait(?Send)`).
//!
//! The main function is [`read`].

use futures::TryStreamExt as _;
use testcontainers::TestcontainersError;
use testcontainers::bollard::query_parameters::DownloadFromContainerOptionsBuilder;
use testcontainers::core::client::docker_client_instance;

/// The size of a header, and the unit of everything in an archive (POSIX.1, `ustar`).
const BLOCK: usize = 512;

/// Returns the content of the file `path` in the container `id`.
///
/// # Errors
/// There is no such file, or no engine.
pub(super) async fn read(id: &str, path: &str) -> Result<Vec<u8>, TestcontainersError> {
    let docker = docker_client_instance().await?;
    let options = DownloadFromContainerOptionsBuilder::new().path(path).build();
    let parts: Vec<_> = docker
        .download_from_container(id, Some(options))
        .try_collect()
        .await
        .map_err(TestcontainersError::other)?;
    let archive = parts.concat();
    let file = first_file(&archive).ok_or_else(|| TestcontainersError::other(format!("{path} is not a file")))?;
    Ok(file.to_vec())
}

/// Returns the content of the first regular file of an archive; headers of other kinds precede it.
fn first_file(mut archive: &[u8]) -> Option<&[u8]> {
    loop {
        let header = archive.get(..BLOCK)?;
        let size = std::str::from_utf8(&header[124..136]).ok()?;
        let size = usize::from_str_radix(size.trim_matches(['\0', ' ']), 8).ok()?;
        archive = &archive[BLOCK..];
        if matches!(header[156], b'0' | 0) {
            return archive.get(..size);
        }
        archive = archive.get(size.next_multiple_of(BLOCK)..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_file_is_found_behind_headers_of_other_kinds() {
        let mut archive = tar::Builder::new(Vec::new());
        let mut add = |kind, content: &str| {
            let mut header = tar::Header::new_ustar();
            header.set_entry_type(kind);
            header.set_size(content.len() as u64);
            archive.append_data(&mut header, "k3s.yaml", content.as_bytes()).unwrap();
        };
        add(tar::EntryType::XHeader, "30 mtime=1732400000.123456789\n");
        add(tar::EntryType::Regular, "apiVersion: v1\n");
        let archive = archive.into_inner().unwrap();
        assert_eq!(first_file(&archive), Some("apiVersion: v1\n".as_bytes()));
        assert_eq!(first_file(&archive[..700]), None);
        assert_eq!(first_file(&[0; 2 * BLOCK]), None, "the end of an archive is not a file");
    }
}
