//! The storage of logins: a file for each issuer, client and user, and one with the API servers that may receive an issuer's logins.
//!
//! The main type is [`Cache`].

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::Digest;

use super::Settings;
use super::lock::Lock;
use super::servers::ApiServer;
use crate::private::{self, NotPrivate, Others};
use crate::process::wait::{Condition, WaitError, until_gently};
use crate::secret::Secret;

/// The version of the files' form.
const SCHEMA: u32 = 1;

/// The size limit: our files have some kilobytes, so a larger one is not ours.
const LARGEST: u64 = 1024 * 1024;

/// The directory with all logins. Cheap to make; the file system is not accessed before the first use.
#[derive(Clone, Debug)]
pub struct Cache {
    directory: PathBuf,
}

/// The key of a login.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Key {
    issuer: String,
    client_id: String,
    user: Option<String>,
    scopes: Vec<String>,
    /// The authority that verifies the issuer: tokens of an issuer under one authority are not sent to the same URL under another.
    authority: Option<String>,
}

/// The audience of an issuer's tokens: a server that accepts one of them accepts all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Audience {
    /// The issuer's URL.
    pub issuer: String,
    /// The OAuth client.
    pub client_id: String,
}

/// A stored login.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Entry {
    pub(super) id_token: Secret,
    pub(super) refresh_token: Option<Secret>,
    /// Seconds since 1970, as in the token.
    pub(super) issued: i64,
    pub(super) expires: i64,
}

/// A file: its key, and its content.
#[derive(Serialize, Deserialize)]
struct Kept<K, T> {
    schema: u32,
    #[serde(flatten)]
    key: K,
    #[serde(flatten)]
    value: T,
}

/// The API servers that may receive logins.
#[derive(Default, Serialize, Deserialize)]
struct Servers {
    servers: Vec<ApiServer>,
}

/// A file that is not used, with the reason.
#[derive(Debug, thiserror::Error)]
#[error("cannot use {what} {}: {why}", path.display())]
pub struct Untrusted {
    what: &'static str,
    /// The file.
    pub path: PathBuf,
    why: String,
}

/// Logins cannot be kept.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// The directory or a file in it cannot be written.
    #[error("cannot keep the login in {}", path.display())]
    Write {
        /// The path.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// Another user can write there.
    #[error("cannot keep logins in {}: {why}", path.display())]
    Open {
        /// The directory.
        path: PathBuf,
        /// The reason.
        why: NotPrivate,
    },
    /// Another login at the same issuer does not finish.
    #[error("timed out after {} s waiting for another login at this issuer", limit.as_secs())]
    Locked {
        /// The time that was waited.
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
            authority: settings.authority.as_deref().map(super::servers::fingerprint),
        }
    }
}

/// Returns the name of the file for `key`, hashed: names can have any characters, and are private.
fn name_of(key: &impl Serialize) -> String {
    let text = serde_json::to_string(key).unwrap_or_default();
    hex::encode(&sha2::Sha256::digest(text.as_bytes())[..16])
}

impl Cache {
    /// Returns the cache in `directory`, which is created on first use.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self {
            directory: directory.into(),
        }
    }

    /// Returns the directory.
    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    fn path(&self, key: &Key) -> PathBuf {
        self.directory.join(format!("{}.json", name_of(key)))
    }

    fn path_of_servers(&self, audience: &Audience) -> PathBuf {
        self.directory.join(format!("{}.servers", name_of(audience)))
    }

    /// Returns the stored login, if any.
    pub(super) fn read(&self, key: &Key) -> Result<Option<Entry>, Untrusted> {
        read("the stored login", &self.path(key), key)
    }

    /// Stores `entry` atomically.
    pub(super) fn write(&self, key: &Key, entry: &Entry) -> Result<(), CacheError> {
        self.prepare()?;
        write(&self.path(key), key, entry)
    }

    /// Returns the API servers that may receive logins of `audience`.
    pub(super) fn servers(&self, audience: &Audience) -> Result<Vec<ApiServer>, Untrusted> {
        let servers: Option<Servers> = read("the record of API servers", &self.path_of_servers(audience), audience)?;
        Ok(servers.unwrap_or_default().servers)
    }

    /// Allows `server` to receive logins of `audience`, too.
    ///
    /// # Errors
    /// It cannot be kept.
    pub fn allow(&self, audience: &Audience, server: &ApiServer) -> Result<(), CacheError> {
        self.prepare()?;
        let path = self.path_of_servers(audience);
        // Another process may allow another server at the same time; it takes only a moment.
        let _lock = Lock::wait(&path.with_extension("servers.lock")).map_err(wrong(&path))?;
        // A list that others could have written is not continued.
        let mut servers = self.servers(audience).unwrap_or_default();
        if !servers.contains(server) {
            servers.push(server.clone());
            write(&path, audience, &Servers { servers })?;
        }
        Ok(())
    }

    /// Returns the lock for logging in, unless another process has it.
    pub(super) fn try_lock(&self, key: &Key) -> Result<Option<Lock>, CacheError> {
        self.prepare()?;
        let path = self.path(key).with_extension("lock");
        Lock::try_new(&path).map_err(wrong(&path))
    }

    /// Returns the lock for logging in once its holder is done; it has the result of that login.
    pub(super) async fn lock(&self, key: &Key, limit: Duration) -> Result<Lock, CacheError> {
        let since = Timestamp::now();
        let waited = until_gently("the end of another login", limit, || async {
            Ok::<_, CacheError>(match self.try_lock(key)? {
                Some(lock) => Condition::Met(lock),
                None => Condition::NotYet("it is in progress".to_owned()),
            })
        });
        let lock = waited.await.map_err(|error| match error {
            WaitError::Failed(error) => error,
            WaitError::TimedOut { .. } => CacheError::Locked { limit },
        })?;
        Ok(lock.after_waiting_since(since))
    }

    /// Creates the directory, and checks that it is private to this user.
    fn prepare(&self) -> Result<(), CacheError> {
        let path = self.directory.clone();
        private::make_directory(&path).map_err(|source| CacheError::Write {
            path: path.clone(),
            source,
        })?;
        private::expect_directory(&path, Others::Nothing).map_err(|why| CacheError::Open { path, why })
    }
}

fn wrong(path: &Path) -> impl Fn(io::Error) -> CacheError {
    let path = path.to_owned();
    move |source| CacheError::Write {
        path: path.clone(),
        source,
    }
}

fn write<K: Serialize, T: Serialize>(path: &Path, key: &K, value: &T) -> Result<(), CacheError> {
    let kept = Kept {
        schema: SCHEMA,
        key,
        value,
    };
    let text = serde_json::to_string(&kept).map_err(|error| wrong(path)(error.into()))?;
    private::replace(path, &text).map_err(wrong(path))
}

/// Returns the content of the file for `key`; `None` if there is no file.
fn read<K: DeserializeOwned + PartialEq, T: DeserializeOwned>(what: &'static str, path: &Path, key: &K) -> Result<Option<T>, Untrusted> {
    let untrusted = |why: String| Untrusted {
        what,
        path: path.to_owned(),
        why,
    };
    let file = match private::open(path, Others::Nothing) {
        Ok(file) => file,
        Err(error) if error.is_absent() => return Ok(None),
        Err(error) => return Err(untrusted(error.to_string())),
    };
    let directory = path.parent().unwrap_or(Path::new("."));
    private::expect_directory(directory, Others::Nothing).map_err(|why| untrusted(format!("its directory is not safe: {why}")))?;
    let mut text = String::new();
    let not_read = |error: io::Error| untrusted(format!("it cannot be read ({error})"));
    file.take(LARGEST).read_to_string(&mut text).map_err(not_read)?;
    // The error names only the position: the text contains secrets.
    let kept: Kept<K, T> = serde_json::from_str(&text)
        .map_err(|error| untrusted(format!("it is damaged (line {}, column {})", error.line(), error.column())))?;
    if kept.schema != SCHEMA {
        return Err(untrusted(format!("its schema is {} (expected {SCHEMA})", kept.schema)));
    }
    if kept.key != *key {
        return Err(untrusted("it belongs to another login".to_owned()));
    }
    Ok(Some(kept.value))
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
            server: None,
            returns_to: crate::login::ReturnAddress::default(),
            named_by_cluster: false,
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
        assert!(told.ends_with("it belongs to another login"), "{told}");
        std::os::unix::fs::symlink(cache.path(&self::key("bob")), &path).expect("it is ours");
        assert!(why().contains("cannot read its metadata"), "{}", why());
    }

    #[test]
    fn what_one_authority_vouched_for_is_not_sent_to_whom_another_vouches_for() {
        let of = |authority: Option<&str>| {
            let mut key = key("alice");
            key.authority = authority.map(crate::login::servers::fingerprint);
            key
        };
        let (_home, cache, _) = stage();
        cache.write(&of(None), &entry()).expect("it can be kept");
        assert!(cache.read(&of(Some("theirs"))).expect("nothing is wrong").is_none());
        assert!(cache.read(&of(None)).expect("it is sound").is_some());
    }

    #[test]
    fn servers_are_kept_by_issuer_and_client() {
        let (_home, cache, _) = stage();
        let audience = |client: &str| Audience {
            issuer: "https://issuer.test".to_owned(),
            client_id: client.to_owned(),
        };
        let server = |url: &str| ApiServer::new(url, None, None, false);
        for url in ["https://a.test", "https://b.test", "https://a.test/"] {
            cache.allow(&audience("kubernetes"), &server(url)).expect("it can be kept");
        }
        let kept = cache.servers(&audience("kubernetes")).expect("it is sound");
        assert_eq!(kept, [server("https://a.test"), server("https://b.test")]);
        assert_eq!(cache.servers(&audience("other")).expect("nothing is wrong"), []);
        let path = cache.path_of_servers(&audience("kubernetes"));
        mode(&path, 0o660);
        let told = cache.servers(&audience("kubernetes")).expect_err("others can write it").to_string();
        assert!(told.starts_with("cannot use the record of API servers "), "{told}");
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
