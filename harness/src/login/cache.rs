//! Where logins are kept: a file for each issuer, client and user, which nobody else can read, and a lock beside it.
//!
//! The main type is [`Cache`]. A file that somebody else could have written is not read: who controls it would decide as
//! whom its reader is known.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::OFlags;
use serde::{Deserialize, Serialize};
use sha2::Digest;

use super::Settings;
use crate::private::{self, NotPrivate, Others};
use crate::process::wait::{Condition, WaitError, until_gently};
use crate::secret::Secret;

/// The version of the files' form.
const SCHEMA: u32 = 1;

/// A file is some kilobytes; what is larger is none of ours.
const LARGEST: u64 = 1024 * 1024;

/// The directory with all logins. Cheap to make; nothing is looked at before it is used.
#[derive(Clone, Debug)]
pub struct Cache {
    directory: PathBuf,
}

/// Which login is meant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Key {
    issuer: String,
    client_id: String,
    user: Option<String>,
    scopes: Vec<String>,
}

/// What is kept of a login.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Entry {
    pub(super) id_token: Secret,
    pub(super) refresh_token: Option<Secret>,
    /// Seconds since 1970, as the token says them.
    pub(super) issued: i64,
    pub(super) expires: i64,
}

#[derive(Serialize, Deserialize)]
struct Kept {
    schema: u32,
    #[serde(flatten)]
    key: Key,
    #[serde(flatten)]
    entry: Entry,
}

/// Held as long as somebody logs in; the kernel lets go of it however its holder ends.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

/// A kept login that is not used, and why.
#[derive(Debug, thiserror::Error)]
#[error("the kept login {} is not used: {why}", path.display())]
pub struct Untrusted {
    /// The file.
    pub path: PathBuf,
    why: String,
}

/// Logins cannot be kept.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// The directory or a file in it cannot be written.
    #[error("the login cannot be kept in {}", path.display())]
    Write {
        /// Which.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// Somebody else can write there.
    #[error("logins are not kept in {}: {why}", path.display())]
    Open {
        /// The directory.
        path: PathBuf,
        /// The reason.
        why: NotPrivate,
    },
    /// Another login at the same issuer does not come to its end.
    #[error("another login at this issuer is still under way after {} s", limit.as_secs())]
    Locked {
        /// How long it was waited for.
        limit: Duration,
    },
}

impl Key {
    pub(super) fn of(settings: &Settings) -> Self {
        Self {
            issuer: settings.issuer.clone(),
            client_id: settings.client_id.clone(),
            user: settings.flow.user().map(str::to_owned),
            scopes: settings.scopes.clone(),
        }
    }

    /// Names can have any characters, and are nobody's business.
    fn file(&self) -> String {
        let text = serde_json::to_string(self).unwrap_or_default();
        hex::encode(&sha2::Sha256::digest(text.as_bytes())[..16])
    }
}

impl Cache {
    /// Logins kept in `directory`, which is made when it is first needed.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self {
            directory: directory.into(),
        }
    }

    fn path(&self, key: &Key) -> PathBuf {
        self.directory.join(format!("{}.json", key.file()))
    }

    /// What is kept; nothing, where nobody logged in yet.
    pub(super) fn read(&self, key: &Key) -> Result<Option<Entry>, Untrusted> {
        let path = self.path(key);
        let untrusted = |why: String| Untrusted { path: path.clone(), why };
        let not_read = |error: &io::Error| untrusted(format!("it cannot be read ({error})"));
        let file = match private::open(&path, Others::Nothing) {
            Ok(file) => file,
            Err(error) if error.is_absent() => return Ok(None),
            Err(error) => return Err(untrusted(error.to_string())),
        };
        private::expect_directory(&self.directory, Others::Nothing)
            .map_err(|why| untrusted(format!("its directory is not safe: {why}")))?;
        let mut text = String::new();
        file.take(LARGEST).read_to_string(&mut text).map_err(|error| not_read(&error))?;
        // What is wrong is named by its place: the text has secrets in it.
        let kept: Kept = serde_json::from_str(&text)
            .map_err(|error| untrusted(format!("it is damaged (line {}, column {})", error.line(), error.column())))?;
        if kept.schema != SCHEMA {
            return Err(untrusted(format!("its form is {}, not {SCHEMA}", kept.schema)));
        }
        if kept.key != *key {
            return Err(untrusted("it is about another login".to_owned()));
        }
        Ok(Some(kept.entry))
    }

    /// Keeps `entry`, whole or not at all.
    pub(super) fn write(&self, key: &Key, entry: &Entry) -> Result<(), CacheError> {
        self.prepare()?;
        let path = self.path(key);
        let unfinished = path.with_extension(format!("{}.new", std::process::id()));
        let wrong = |source| CacheError::Write {
            path: path.clone(),
            source,
        };
        let kept = Kept {
            schema: SCHEMA,
            key: key.clone(),
            entry: entry.clone(),
        };
        let text = serde_json::to_string(&kept).map_err(|error| wrong(error.into()))?;
        let written = private_file(&unfinished).and_then(|mut file| file.write_all(text.as_bytes()));
        let written = written.and_then(|()| std::fs::rename(&unfinished, &path));
        written.map_err(|error| {
            let _ = std::fs::remove_file(&unfinished);
            wrong(error)
        })
    }

    /// The right to log in, unless another process has it.
    pub(super) fn try_lock(&self, key: &Key) -> Result<Option<Lock>, CacheError> {
        self.prepare()?;
        let path = self.path(key).with_extension("lock");
        let wrong = |source| CacheError::Write {
            path: path.clone(),
            source,
        };
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .custom_flags(OFlags::NOFOLLOW.bits().cast_signed())
            .open(&path)
            .map_err(wrong)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Lock { _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(wrong(error)),
        }
    }

    /// The right to log in, once who has it is done.
    pub(super) async fn lock(&self, key: &Key, limit: Duration) -> Result<Lock, CacheError> {
        let waited = until_gently("the end of another login", limit, || async {
            Ok::<_, CacheError>(match self.try_lock(key)? {
                Some(lock) => Condition::Met(lock),
                None => Condition::NotYet("it is under way".to_owned()),
            })
        });
        waited.await.map_err(|error| match error {
            WaitError::Failed(error) => error,
            WaitError::TimedOut { .. } => CacheError::Locked { limit },
        })
    }

    /// Makes the directory, and expects it to be nobody else's.
    fn prepare(&self) -> Result<(), CacheError> {
        let path = self.directory.clone();
        private::make_directory(&path).map_err(|source| CacheError::Write {
            path: path.clone(),
            source,
        })?;
        private::expect_directory(&path, Others::Nothing).map_err(|why| CacheError::Open { path, why })
    }
}

/// A new file that only its owner can read.
fn private_file(path: &Path) -> io::Result<File> {
    // Left by a process of the same id that was killed.
    let _ = std::fs::remove_file(path);
    OpenOptions::new().create_new(true).write(true).mode(0o600).open(path)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::login::Flow;

    fn stage() -> (tempfile::TempDir, Cache, Key) {
        let home = tempfile::tempdir().expect("a directory");
        let cache = Cache::new(home.path().join("a/logins"));
        let key = key("alice");
        (home, cache, key)
    }

    fn key(user: &str) -> Key {
        Key::of(&Settings {
            issuer: "https://issuer.test".to_owned(),
            client_id: "kubernetes".to_owned(),
            client_secret: None,
            authority: None,
            scopes: Vec::new(),
            flow: Flow::Password {
                user: user.to_owned(),
                password: None,
            },
            limit: Duration::from_secs(1),
        })
    }

    fn entry() -> Entry {
        Entry {
            id_token: Secret::new("the-id-token"),
            refresh_token: Some(Secret::new("the-refresh-token")),
            issued: 1,
            expires: 2,
        }
    }

    fn mode(path: &Path, mode: u32) {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("it is ours");
    }

    #[test]
    fn what_was_kept_is_read_and_is_for_its_owner_alone() {
        let (_home, cache, key) = stage();
        assert!(cache.read(&key).expect("nothing is wrong").is_none());
        cache.write(&key, &entry()).expect("it can be kept");
        let read = cache.read(&key).expect("it is sound").expect("it is there");
        assert_eq!(read.id_token.expose(), "the-id-token");
        let seen = |path: &Path| std::fs::metadata(path).expect("it is there").permissions().mode() & 0o777;
        assert_eq!((seen(&cache.path(&key)), seen(&cache.directory)), (0o600, 0o700));
        assert!(cache.read(&self::key("bob")).expect("nothing is wrong").is_none());
    }

    #[test]
    fn what_is_damaged_is_told_without_what_is_in_it() {
        let (_home, cache, key) = stage();
        cache.write(&key, &entry()).expect("it can be kept");
        let text = std::fs::read_to_string(cache.path(&key)).expect("it is there");
        std::fs::write(cache.path(&key), &text[..text.len() - 5]).expect("it is ours");
        let told = cache.read(&key).expect_err("it is damaged").to_string();
        assert!(told.contains("it is damaged (line 1, column "), "{told}");
        assert!(!told.contains("token\""), "{told}");
    }

    #[test]
    fn what_others_could_have_written_is_not_read() {
        let (_home, cache, key) = stage();
        cache.write(&key, &entry()).expect("it can be kept");
        let path = cache.path(&key);
        let why = || cache.read(&key).expect_err("it is not safe").to_string();
        mode(&path, 0o640);
        assert!(why().ends_with("others can read or write it (mode 640)"), "{}", why());
        mode(&path, 0o600);
        mode(&cache.directory, 0o777);
        assert!(why().contains("its directory is not safe"), "{}", why());
        assert!(matches!(cache.write(&key, &entry()), Err(CacheError::Open { .. })));
        mode(&cache.directory, 0o700);
        // The file of one login in the place of another's.
        std::fs::rename(&path, cache.path(&self::key("bob"))).expect("it is ours");
        let told = cache.read(&self::key("bob")).expect_err("it is alice's").to_string();
        assert!(told.ends_with("it is about another login"), "{told}");
        std::os::unix::fs::symlink(cache.path(&self::key("bob")), &path).expect("it is ours");
        assert!(why().contains("it cannot be looked at"), "{}", why());
    }

    #[test]
    fn one_logs_in_at_a_time() {
        let (_home, cache, key) = stage();
        let lock = cache.try_lock(&key).expect("it can be locked");
        assert!(lock.is_some());
        assert!(cache.try_lock(&key).expect("it can be asked").is_none());
        assert!(cache.try_lock(&self::key("bob")).expect("another's").is_some());
        drop(lock);
        assert!(cache.try_lock(&key).expect("it can be locked").is_some());
    }
}
