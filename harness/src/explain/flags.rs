//! The authentication flags of an API server, which are not secret, parsed from its command line.
//!
//! The main functions are [`value`] and [`issuer`]: no input or output except for a file that a flag names, which a function reads.

use std::io;
use std::path::Path;

use super::OtherAuthenticators;
use super::issuers::{Issuer, Mapping};

/// A function that reads the files that flags name.
pub type Reader<'a> = &'a dyn Fn(&Path) -> io::Result<String>;

/// Returns the value of the flag `name` (without its dashes) in `arguments`: if it is given twice, the last one counts (spf13/pflag).
#[must_use]
pub fn value<'a>(arguments: &'a [String], name: &str) -> Option<&'a str> {
    values(arguments, name).last()
}

/// Returns all values of the flag `name`, in order.
fn values<'a>(arguments: &'a [String], name: &str) -> impl Iterator<Item = &'a str> {
    arguments.iter().enumerate().filter_map(move |(index, argument)| {
        let rest = argument.strip_prefix("--")?.strip_prefix(name)?;
        match rest.strip_prefix('=') {
            Some(value) => Some(value),
            // `--name value`
            None if rest.is_empty() => arguments.get(index + 1).map(String::as_str),
            None => None,
        }
    })
}

/// Returns the values of a flag that takes a list, or is given several times.
fn lists<'a>(arguments: &'a [String], name: &str) -> impl Iterator<Item = &'a str> {
    values(arguments, name).flat_map(|list| list.split(','))
}

/// Returns the issuers of service-account tokens, the first of which signs new ones.
#[must_use]
pub fn service_account_issuers(arguments: &[String]) -> Vec<String> {
    values(arguments, "service-account-issuer").map(str::to_owned).collect()
}

/// Returns the audiences of the API server; empty if they are its service-account issuers.
#[must_use]
pub fn api_audiences(arguments: &[String]) -> Vec<String> {
    lists(arguments, "api-audiences").map(str::to_owned).collect()
}

/// Returns the authenticators that know tokens of any form.
#[must_use]
pub fn other_authenticators(arguments: &[String]) -> OtherAuthenticators {
    let is_set = |name: &str| value(arguments, name).is_some_and(|value| !value.is_empty());
    // A boolean flag counts without a value, too.
    let bare = arguments.iter().any(|argument| argument == "--enable-bootstrap-token-auth");
    OtherAuthenticators {
        file: is_set("token-auth-file"),
        bootstrap: bare || value(arguments, "enable-bootstrap-token-auth").is_some_and(|value| value == "true"),
        webhook: is_set("authentication-token-webhook-config-file"),
    }
}

/// Returns the issuer of the `--oidc-…` flags, with their defaults (kubernetes `pkg/kubeapiserver/options/authentication.go`).
#[must_use]
pub fn issuer(arguments: &[String], file: Reader<'_>) -> Option<Issuer> {
    let text = |name: &str| value(arguments, name).filter(|text| !text.is_empty());
    let url = text("oidc-issuer-url")?;
    let claim = text("oidc-username-claim").unwrap_or("sub");
    let prefix = match text("oidc-username-prefix") {
        Some("-") => String::new(),
        Some(prefix) => prefix.to_owned(),
        None if claim == "email" => String::new(),
        None => format!("{url}#"),
    };
    let groups_prefix = text("oidc-groups-prefix").unwrap_or_default();
    let mut issuer = Issuer::by_flags(url, text("oidc-client-id").unwrap_or_default());
    issuer.username = Mapping::claim(claim, prefix);
    issuer.groups = text("oidc-groups-claim").map_or(Mapping::Unset, |claim| Mapping::claim(claim, groups_prefix));
    issuer.required = lists(arguments, "oidc-required-claim")
        .filter_map(|pair| pair.split_once('=').map(|(claim, value)| (claim.to_owned(), value.to_owned())))
        .collect();
    issuer.authority = text("oidc-ca-file").and_then(|path| file(path.as_ref()).ok());
    let algorithms: Vec<String> = lists(arguments, "oidc-signing-algs").map(str::to_owned).collect();
    if !algorithms.is_empty() {
        issuer.algorithms = algorithms;
    }
    Some(issuer)
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::path::Path;

    use super::*;

    fn nothing(_: &Path) -> io::Result<String> {
        Err(io::ErrorKind::NotFound.into())
    }

    fn arguments(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn flags_are_read_as_the_server_reads_them() {
        let given = arguments("kube-apiserver --a=1 --ab=2 --a=3 --c 4 --d");
        assert_eq!(value(&given, "a"), Some("3"));
        assert_eq!(value(&given, "c"), Some("4"));
        assert_eq!((value(&given, "d"), value(&given, "b")), (None, None));
    }

    #[test]
    fn what_the_flags_do_not_say_is_their_default() {
        let said = |text: &str| issuer(&arguments(text), &nothing);
        assert_eq!(said("--oidc-client-id=k"), None);
        let plain = said("--oidc-issuer-url=https://a.test --oidc-client-id=k").expect("an issuer");
        assert_eq!(plain, Issuer::by_flags("https://a.test", "k"));
        let named = |claim: &str| {
            let flags = format!("--oidc-issuer-url=https://a.test --oidc-client-id=k --oidc-username-claim={claim}");
            let Mapping::Claim { prefix, .. } = said(&flags).expect("an issuer").username else {
                panic!("{flags}")
            };
            prefix
        };
        // The claim `email` gets no prefix by default, and a dash means no prefix.
        assert_eq!(named("email"), "");
        assert_eq!(named("name"), "https://a.test#");
        assert_eq!(named("name --oidc-username-prefix=-"), "");
    }

    #[test]
    fn what_the_flags_say_is_taken() {
        let flags = "--oidc-issuer-url=https://a.test --oidc-client-id=k --oidc-groups-claim=roles --oidc-groups-prefix=a: \
            --oidc-signing-algs=ES256,PS256 --oidc-ca-file=ca.crt --oidc-required-claim=hd=a.test";
        let issuer = issuer(&arguments(flags), &|path| Ok(path.display().to_string())).expect("an issuer");
        assert_eq!(issuer.groups, Mapping::claim("roles", "a:"));
        assert_eq!(issuer.required, [("hd".to_owned(), "a.test".to_owned())]);
        assert_eq!(issuer.authority.as_deref(), Some("ca.crt"));
        assert_eq!(issuer.algorithms, ["ES256", "PS256"]);
    }

    #[test]
    fn other_authenticators_of_tokens_are_known_by_their_flags() {
        let of = |text: &str| other_authenticators(&arguments(text));
        assert_eq!(
            of("--token-auth-file= --enable-bootstrap-token-auth=false"),
            OtherAuthenticators::default()
        );
        let all = OtherAuthenticators {
            file: true,
            bootstrap: true,
            webhook: true,
        };
        assert_eq!(
            of("--token-auth-file=a --enable-bootstrap-token-auth --authentication-token-webhook-config-file=b"),
            all
        );
        let given = arguments("--service-account-issuer=https://b.test --service-account-issuer https://a.test --api-audiences=a,b");
        assert_eq!(service_account_issuers(&given), ["https://b.test", "https://a.test"]);
        assert_eq!(api_audiences(&given), ["a", "b"]);
    }
}
