//! Somebody's own realm, which a lab's Keycloak imports. The main type is [`OwnRealm`].

use std::collections::BTreeSet;
use std::sync::Arc;

use super::check::claims_used;
use super::redirect::Trusted;
use super::setup::Source;
use crate::hint::Hint;
use crate::identity_provider::keycloak::export::{Login, MASTER, RealmExport, RealmImport};
use crate::similar::similar;

/// The clients that every realm has; nobody logs in at Kubernetes with them.
const BUILT_IN: [&str; 6] = [
    "account",
    "account-console",
    "admin-cli",
    "broker",
    "realm-management",
    "security-admin-console",
];

/// The maximum number of names that are shown.
const SHOWN: usize = 8;

/// The export that a project names, and the logins at its realm.
#[derive(Clone, Debug)]
pub struct RealmSource {
    /// The realms in the export; at least one.
    pub exports: Arc<[RealmExport]>,
    /// The issuer in the realm's tokens, if the project says it.
    pub issuer: Option<String>,
    /// The logins, each with its client if the project says it.
    pub logins: Vec<WantedLogin>,
}

/// A login of a person, as the project says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WantedLogin {
    /// The user.
    pub user: String,
    /// The client.
    pub client: Option<String>,
    /// The scopes beside `openid`.
    pub scopes: Vec<String>,
}

/// Somebody's realm, as an issuer of the configuration that is tried.
#[derive(Clone, Debug)]
pub struct OwnRealm {
    /// The realm as it was exported.
    pub export: RealmExport,
    /// The realm as a lab imports it.
    pub import: Arc<RealmImport>,
    /// The audiences of its entry in the configuration.
    pub audiences: Vec<String>,
    /// The claims that the configuration uses.
    pub claims: Vec<String>,
    /// Remarks about its entry.
    pub notes: Vec<String>,
}

/// The reason why nobody can log in at somebody's realm.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RealmError {
    /// No issuer of the configuration is a realm of the export.
    #[error("no issuer of the configuration is the realm {} (its URL would end with /realms/{})", realms.join(" or "), realms.first().map_or("NAME", String::as_str))]
    NoIssuer {
        /// The realms of the export.
        realms: Vec<String>,
        /// The issuers of the configuration.
        known: Vec<String>,
    },
    /// Several issuers of the configuration may be realms of the export.
    #[error("several issuers of the configuration may be the realm: {}", issuers.join(", "))]
    SeveralIssuers {
        /// Those issuers.
        issuers: Vec<String>,
    },
    /// The issuer that the project names is not that of a realm in the export.
    #[error("the issuer {issuer} is of no realm in the export (expected: a URL that ends with /realms/{})", realms.join(" or /realms/"))]
    OtherIssuer {
        /// The issuer.
        issuer: String,
        /// The realms of the export.
        realms: Vec<String>,
    },
    /// The realm is the one that administers Keycloak itself.
    #[error("the realm is `{MASTER}`, which every Keycloak has of its own: it is not imported")]
    Master,
    /// The realm has no such user.
    #[error("the realm {realm} has no user `{user}`")]
    NoUser {
        /// The realm.
        realm: String,
        /// The user.
        user: String,
        /// The users of the realm.
        known: Vec<String>,
    },
    /// The realm has no such client.
    #[error("the realm {realm} has no client `{client}`")]
    NoClient {
        /// The realm.
        realm: String,
        /// The client.
        client: String,
        /// The clients of the realm.
        known: Vec<String>,
    },
    /// The client is not said, and the configuration does not tell it.
    #[error("the client of the login is not known: no audience of the issuer ({}) is a client of the realm {realm}", audiences.join(", "))]
    WhichClient {
        /// The realm.
        realm: String,
        /// The audiences.
        audiences: Vec<String>,
        /// The clients of the realm.
        known: Vec<String>,
    },
}

impl Hint for RealmError {
    fn hint(&self) -> Option<String> {
        let meant = |word: &str, known: &[String], kind: &str| match similar(word, known.iter().map(String::as_str), 1).pop() {
            Some(meant) => format!("did you mean `{meant}`?"),
            None if known.is_empty() => format!("the export has no {kind}: add some to it"),
            None => format!("the export has the {kind} {}", some(known)),
        };
        match self {
            Self::NoIssuer { known, .. } if known.is_empty() => None,
            Self::NoIssuer { known, .. } => Some(format!(
                "if it is one of {}, say so in [keycloak]: issuer = \"…\"",
                known.join(", ")
            )),
            Self::SeveralIssuers { issuers } => Some(format!("say which in [keycloak]: issuer = \"{}\"", issuers.first()?)),
            Self::OtherIssuer { .. } => None,
            Self::Master => Some("move clients and users into a realm of their own, as Keycloak's documentation advises".to_owned()),
            Self::NoUser { user, known, .. } => Some(meant(user, known, "users")),
            Self::NoClient { client, known, .. } => Some(meant(client, known, "clients")),
            Self::WhichClient { known, .. } => Some(format!("name it: client = \"…\" (the export has {})", some(known))),
        }
    }
}

/// Returns the first of `names`, and how many there are beside them.
fn some(names: &[String]) -> String {
    let shown = names.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

impl RealmSource {
    /// Returns the realm that is one of the configuration's `issuers`, adapted for the logins.
    ///
    /// # Errors
    /// No realm of the export is, or more than one may be.
    pub(super) fn meant(&self, source: &Source, issuers: &[Trusted]) -> Result<OwnRealm, RealmError> {
        let (export, issuer) = self.chosen(issuers)?;
        let entry = issuers.iter().find(|trusted| trusted.url.trim_end_matches('/') == issuer);
        let audiences = entry.map(|trusted| trusted.audiences.clone()).unwrap_or_default();
        let notes = match entry {
            None => vec![format!("no entry of the configuration names {issuer}, the issuer of its tokens")],
            Some(entry) if entry.url != issuer => vec![format!(
                "the configuration names the issuer {}, and that of Keycloak's tokens has no `/` at its end",
                entry.url
            )],
            Some(_) => Vec::new(),
        };
        let known = self.logins.iter().filter_map(|login| complete(export, &audiences, login).ok());
        let logins: BTreeSet<Login> = known.collect();
        Ok(OwnRealm {
            export: export.clone(),
            import: Arc::new(export.adapted(&issuer, &logins)),
            audiences,
            claims: entry.map_or_else(Vec::new, |entry| claims_used(source, &entry.url)),
            notes,
        })
    }

    /// Returns the realm that is meant, and its issuer.
    fn chosen(&self, issuers: &[Trusted]) -> Result<(&RealmExport, String), RealmError> {
        let realms: Vec<&RealmExport> = self.exports.iter().filter(|export| export.name != MASTER).collect();
        let names = || realms.iter().map(|export| export.name.clone()).collect();
        if realms.is_empty() {
            return Err(RealmError::Master);
        }
        let of = |url: &str| {
            let url = url.trim_end_matches('/');
            realms
                .iter()
                .find(|export| url.ends_with(&format!("/realms/{}", export.name)))
                .copied()
        };
        if let Some(issuer) = &self.issuer {
            return match of(issuer) {
                Some(export) => Ok((export, issuer.trim_end_matches('/').to_owned())),
                None => Err(RealmError::OtherIssuer {
                    issuer: issuer.clone(),
                    realms: names(),
                }),
            };
        }
        let mut found: Vec<(&RealmExport, String)> = Vec::new();
        for trusted in issuers {
            if let Some(export) = of(&trusted.url) {
                let url = trusted.url.trim_end_matches('/').to_owned();
                if !found.iter().any(|(_, known)| *known == url) {
                    found.push((export, url));
                }
            }
        }
        match found.len() {
            0 => Err(RealmError::NoIssuer {
                realms: names(),
                known: issuers.iter().map(|trusted| trusted.url.clone()).collect(),
            }),
            1 => Ok(found.remove(0)),
            _ => Err(RealmError::SeveralIssuers {
                issuers: found.into_iter().map(|(_, url)| url).collect(),
            }),
        }
    }
}

impl OwnRealm {
    /// Returns `login` with its client.
    ///
    /// # Errors
    /// The realm has no such user or client, or the client is not known.
    pub fn login(&self, login: &WantedLogin) -> Result<Login, RealmError> {
        complete(&self.export, &self.audiences, login)
    }
}

fn complete(export: &RealmExport, audiences: &[String], login: &WantedLogin) -> Result<Login, RealmError> {
    if !export.has_user(&login.user) {
        return Err(RealmError::NoUser {
            realm: export.name.clone(),
            user: login.user.clone(),
            known: export.users().map(str::to_owned).collect(),
        });
    }
    let known = || {
        export
            .clients()
            .filter(|client| !BUILT_IN.contains(client))
            .map(str::to_owned)
            .collect()
    };
    let client = match &login.client {
        Some(client) if export.clients().any(|known| known == client) => client.clone(),
        Some(client) => {
            return Err(RealmError::NoClient {
                realm: export.name.clone(),
                client: client.clone(),
                known: known(),
            });
        }
        None => {
            let mut meant = audiences.iter().filter(|audience| export.clients().any(|known| known == *audience));
            match (meant.next(), meant.next()) {
                (Some(only), None) => only.clone(),
                _ => {
                    return Err(RealmError::WhichClient {
                        realm: export.name.clone(),
                        audiences: audiences.to_vec(),
                        known: known(),
                    });
                }
            }
        }
    };
    Ok(Login {
        user: login.user.clone(),
        client,
        scopes: login.scopes.clone(),
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde_json::json;

    use super::*;
    use crate::identity_provider::keycloak::export;

    fn source(realms: &[&str], issuer: Option<&str>) -> RealmSource {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("realm.json");
        let realm = |name: &&str| {
            let clients = ["kubernetes", "account", "kubelogin"].map(|id| json!({ "clientId": id }));
            json!({ "realm": name, "clients": clients, "users": [{ "username": "erin" }] })
        };
        let realms: Vec<_> = realms.iter().map(realm).collect();
        std::fs::write(&file, json!(realms).to_string()).expect("it can be written");
        RealmSource {
            exports: export::read(&file, Path::new("realm.json")).expect("an export").into(),
            issuer: issuer.map(str::to_owned),
            logins: Vec::new(),
        }
    }

    fn meant(source: &RealmSource, issuers: &[&str]) -> Result<OwnRealm, RealmError> {
        let trusted = |url: &&str| Trusted {
            url: (*url).to_owned(),
            audiences: vec!["kubernetes".to_owned(), "sts".to_owned()],
            line: None,
        };
        let issuers: Vec<Trusted> = issuers.iter().map(trusted).collect();
        source.meant(&Source::default(), &issuers)
    }

    #[test]
    fn the_realm_is_the_issuer_whose_url_ends_with_its_name() {
        let (prod, test) = ("https://a.example/realms/prod", "https://b.example/auth/realms/test");
        let other = "https://login.example.com";
        /// The realms of the export, the issuer that the project names, those of the configuration, and the result.
        type Case<'a> = (&'a [&'a str], Option<&'a str>, &'a [&'a str], &'a str);
        let cases: &[Case<'_>] = &[
            (&["prod"], None, &[other, prod], prod),
            (&["master", "prod"], None, &[prod], prod),
            (&["prod", "test"], None, &[test], test),
            (&["prod"], None, &["https://a.example/realms/prod/"], prod),
            (&["prod"], Some(prod), &[other], prod),
            (&["prod", "test"], Some(test), &[prod, test], test),
            (&["prod"], None, &[other], "no issuer of the configuration is the realm prod"),
            (
                &["prod", "test"],
                None,
                &[prod, test],
                "several issuers of the configuration may be the realm",
            ),
            (&["prod"], Some(test), &[test], "is of no realm in the export"),
            (&["master"], None, &["https://a.example/realms/master"], "the realm is `master`"),
        ];
        for (realms, issuer, issuers, expected) in cases {
            let told = match meant(&source(realms, *issuer), issuers) {
                Ok(realm) => realm.import.issuer.clone(),
                Err(error) => error.to_string(),
            };
            assert!(told.contains(expected), "{realms:?} {issuers:?}: {told}");
        }
    }

    #[test]
    fn an_entry_that_no_token_of_the_realm_meets_is_noted() {
        let notes = |issuer: Option<&str>, url: &str| meant(&source(&["prod"], issuer), &[url]).expect("it is meant").notes.join("\n");
        let sound = "https://a.example/realms/prod";
        assert_eq!(notes(None, sound), "");
        assert!(notes(None, "https://a.example/realms/prod/").contains("has no `/` at its end"));
        assert!(notes(Some(sound), "https://b.example/realms/prod").contains("no entry of the configuration names https://a.example"));
    }

    #[test]
    fn a_login_has_a_user_and_a_client_of_the_realm() {
        let realm = meant(&source(&["prod"], None), &["https://a.example/realms/prod"]).expect("it is meant");
        let login = |user: &str, client: Option<&str>| {
            let wanted = WantedLogin {
                user: user.to_owned(),
                client: client.map(str::to_owned),
                scopes: Vec::new(),
            };
            realm.login(&wanted).map(|login| login.client).map_err(|error| {
                let hint = error.hint().unwrap_or_default();
                format!("{error} ({hint})")
            })
        };
        assert_eq!(login("Erin", None).as_deref(), Ok("kubernetes"));
        assert_eq!(login("erin", Some("kubelogin")).as_deref(), Ok("kubelogin"));
        let told = |user: &str, client: Option<&str>| login(user, client).expect_err("a mistake");
        assert_eq!(told("erinn", None), "the realm prod has no user `erinn` (did you mean `erin`?)");
        assert_eq!(
            told("erin", Some("x")),
            "the realm prod has no client `x` (the export has the clients kubernetes, kubelogin)"
        );
    }
}
