//! The names of secrets: in an object, an environment, a form. The main function is [`names_a_secret`].

/// The endings of secrets' names, in lower case and without separators.
const ENDINGS: [&str; 14] = [
    "password",
    "passwd",
    "passphrase",
    "secret",
    "token",
    "apikey",
    "privatekey",
    "keydata",
    "codeverifier",
    "devicecode",
    "authorizationcode",
    "authorization",
    "cookie",
    "credentials",
];

/// The same as a pattern, for names within a text; `code` is separate, since exit codes have that name, too.
pub(super) const PATTERN: &str = r"(?:password|passwd|passphrase|secret|token|api[_.-]?key|private[_.-]?key|key[_.-]?data|code[_.-]?verifier|device[_.-]?code|authorization[_.-]?code)";

/// Returns whether the value of `name` is a secret: `clientSecret`, `AUTHLAB_PASSWORD`, `client-key-data`. Qualified names, which have a
/// slash, are those of annotations and labels (`authentication.k8s.io/legacy-token` names the token's owner): never secrets.
#[must_use]
pub fn names_a_secret(name: &str) -> bool {
    if name.contains('/') {
        return false;
    }
    let plain: String = name
        .chars()
        .filter(|c| !matches!(c, '_' | '-' | '.'))
        .map(|c| c.to_ascii_lowercase())
        .collect();
    ENDINGS.iter().any(|ending| plain.ends_with(ending))
}
