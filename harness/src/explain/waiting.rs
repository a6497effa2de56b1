//! Issuers that an API server has not found yet: the messages of its log about them, and whether they can be reached from here.
//!
//! The main functions are [`attempt`] and [`finding`]: no input, no output.

use super::Finding;
use super::issuers::Issuer;
use crate::secret::redact;

/// The reason for which a server refuses a token whose issuer it has not found yet
/// (kubernetes/apiserver `plugin/pkg/authenticator/token/oidc/oidc.go`).
pub(super) const NOT_READY: &str = "oidc: authenticator not initialized";

/// The prefix of the log message for each failed attempt, every ten seconds (same file).
const IN_VAIN: &str = "oidc authenticator: initializing plugin: ";

/// The change if the issuer cannot be read from anywhere.
const START: &str = "start the issuer, or configure the API server with its address";

const AGAIN: &str = "; it tries again every ten seconds";

/// The last failed attempt of a server to find an issuer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// The time of the attempt, by the log's clock.
    pub at: String,
    /// The cause of the failure, redacted.
    pub why: String,
    /// `true` if the log line names the issuer; some errors contain no address.
    pub named: bool,
}

/// Returns the last attempt at `issuer` in `log`: the last line with its address, else the last line with no address at all, unless that may
/// be about another issuer (`alone` is `false`).
#[must_use]
pub fn attempt(log: &str, issuer: &Issuer, alone: bool) -> Option<Attempt> {
    let attempts: Vec<Attempt> = log.lines().filter_map(|line| read(line, issuer)).collect();
    let named = attempts.iter().rfind(|attempt| attempt.named);
    let nameless = || attempts.iter().rfind(|attempt| alone && !attempt.why.contains("https://"));
    named.or_else(nameless).cloned()
}

fn read(line: &str, issuer: &Issuer) -> Option<Attempt> {
    let (head, why) = line.split_once(IN_VAIN)?;
    // A header of klog: severity and date, time, thread, place (k8s.io/klog/v2).
    let at = head.split_whitespace().nth(1)?.split('.').next()?;
    // The issuer's own address, not one that only has it as a prefix.
    let names = |url: &str| {
        let mut rest = why.match_indices(url).map(|(start, found)| &why[start + found.len()..]);
        let usual =
            |rest: &str| rest.starts_with("/.well-known/") || rest.trim_start_matches('/').starts_with(['"', ' ', ':']) || rest.is_empty();
        rest.any(usual)
    };
    let named = names(issuer.url.trim_end_matches('/')) || issuer.discovery.as_deref().is_some_and(names);
    Some(Attempt {
        at: at.to_owned(),
        why: redact(why.trim()).into_owned(),
        named,
    })
}

/// Returns the finding that the server has not found `issuer`, with the cause: `here` is the result of reading it from this machine.
#[must_use]
pub fn finding(issuer: &Issuer, attempt: Option<&Attempt>, here: Result<(), &str>) -> Finding {
    let url = &issuer.url;
    let Some(attempt) = attempt else {
        return match here {
            Ok(()) => Finding::cause(
                "O24",
                format!("the API server has not read the configuration of the issuer {url} yet"),
                "wait: it tries every ten seconds, and its log says why that fails",
            ),
            Err(why) => Finding::cause(
                "O24",
                format!("the API server waits for the issuer {url}, which cannot be read from this machine ({why}){AGAIN}"),
                START,
            ),
        };
    };
    let nameless = if attempt.named { "" } else { " (a line that names no issuer)" };
    let said = format!("its log says at {}{nameless}: {}", attempt.at, attempt.why);
    let (seen, change) = match here {
        Ok(()) if untrusted(&attempt.why) => (
            format!(
                "the API server does not trust the certificate of the issuer {url}, which can be read from this machine: {said}{AGAIN}"
            ),
            "give the API server the authority of the issuer's certificate (certificateAuthority, --oidc-ca-file)",
        ),
        Ok(()) => (
            format!("the API server itself cannot reach the issuer {url}, which can be read from this machine: {said}{AGAIN}"),
            "check that the address works where the API server runs: its name servers and hosts file, routes and firewalls, \
            and its egress proxy; in a container, localhost is the container itself",
        ),
        Err(why) => (
            format!("the API server waits for the issuer {url}, which cannot be read from this machine either ({why}): {said}{AGAIN}"),
            START,
        ),
    };
    Finding::proved("O24", seen, change)
}

/// Returns whether a TLS error of Go is the cause (crypto/tls, crypto/x509).
fn untrusted(why: &str) -> bool {
    why.contains("x509: ") || why.contains("tls: ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explain::Basis;

    const LOG: &str = concat!(
        "E1127 07:00:01.123456   12345 oidc.go:433] oidc authenticator: initializing plugin: ",
        "Get \"https://kc.test/realms/a/.well-known/openid-configuration\": dial tcp: lookup kc.test: no such host\n",
        "I1127 07:00:02.000000   12345 other.go:1] \"Something else\"\n",
        "E1127 07:00:11.200000   12345 oidc.go:433] oidc authenticator: initializing plugin: 404 Not Found: nothing here\n",
        "E1127 07:00:12.200000   12345 oidc.go:433] oidc authenticator: initializing plugin: ",
        "Get \"https://kc.test/realms/ab/.well-known/openid-configuration\": x509: certificate signed by unknown authority\n",
    );

    fn issuer(url: &str) -> Issuer {
        Issuer::by_flags(url, "kubernetes")
    }

    #[test]
    fn the_last_attempt_at_the_very_issuer_counts() {
        let found = attempt(LOG, &issuer("https://kc.test/realms/a"), false).expect("it is there");
        assert_eq!((found.at.as_str(), found.named), ("07:00:01", true));
        assert!(found.why.ends_with("no such host"), "{found:?}");
        // A line without any address may be about an issuer that no other line names.
        let other = issuer("https://kc.test/realms/b");
        let found = attempt(LOG, &other, true).expect("one could be it");
        assert_eq!((found.at.as_str(), found.named), ("07:00:11", false));
        assert_eq!(attempt(LOG, &other, false), None);
        assert_eq!(attempt("", &issuer("https://kc.test/realms/a"), true), None);
    }

    #[test]
    fn where_the_obstacle_is_depends_on_who_can_read_the_issuer() {
        let said = |url: &str, here| {
            let issuer = issuer(url);
            let found = finding(&issuer, attempt(LOG, &issuer, true).as_ref(), here);
            assert_eq!((found.behaviour, found.basis), (Some("O24"), Basis::Proved));
            found.seen
        };
        let seen = said("https://kc.test/realms/a", Ok(()));
        assert!(
            seen.contains("itself cannot reach the issuer https://kc.test/realms/a") && seen.contains("at 07:00:01: Get"),
            "{seen}"
        );
        let seen = said("https://kc.test/realms/ab", Ok(()));
        assert!(seen.contains("does not trust the certificate"), "{seen}");
        let seen = said("https://kc.test/realms/b", Err("it answers 404"));
        assert!(
            seen.contains("waits for the issuer") && seen.contains("names no issuer): 404"),
            "{seen}"
        );
        let seen = finding(&issuer("https://kc.test"), None, Ok(())).seen;
        assert!(
            seen.contains("not read the configuration of the issuer https://kc.test yet"),
            "{seen}"
        );
        let seen = finding(&issuer("https://kc.test"), None, Err("it answers 503")).seen;
        assert!(
            seen.ends_with("from this machine (it answers 503); it tries again every ten seconds"),
            "{seen}"
        );
    }
}
