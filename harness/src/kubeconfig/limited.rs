//! Files of a user, read up to a limit: a path may lead to a device that never ends. The main function is [`read_limited`].

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// The largest file that is read: a kubeconfig, or one that it names.
pub const LARGEST: u64 = 16 << 20;

/// Reads the file `path` of at most `limit` bytes.
///
/// # Errors
/// The file cannot be read, or is larger ([`io::ErrorKind::FileTooLarge`]).
pub fn read_limited(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    all_of(File::open(path)?, limit)
}

fn all_of(file: impl Read, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        let why = match limit >> 20 {
            0 => format!("it has more than {limit} bytes, and authlab reads no more"),
            mebibytes => format!("it has more than {mebibytes} MiB, and authlab reads no more"),
        };
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, why));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_an_end_is_refused() {
        let endless = read_limited(Path::new("/dev/zero"), LARGEST).unwrap_err();
        assert_eq!(endless.kind(), io::ErrorKind::FileTooLarge);
        assert_eq!(endless.to_string(), "it has more than 16 MiB, and authlab reads no more");
        assert_eq!(all_of(&b"abc"[..], 3).unwrap(), b"abc");
        assert!(all_of(&b"abcd"[..], 3).is_err());
        assert_eq!(read_limited(Path::new("nowhere"), 3).unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
