//! A cluster that exists, whose API server is asked by people with their own credentials: nothing is created in it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::created_objects::CreatedObjects;
use super::home::Home;
use super::{Access, ExistingError, Guest, description, lab};
use crate::cluster::Minor;
use crate::credential::Credential;
use crate::event::Verdict;
use crate::lab::{Administrator, Directory, Lab, LabError, passing_name};
use crate::probe::{Endpoint, Question, ask};

/// The first version that has SelfSubjectReview of the version `v1` (KEP-3325).
pub(super) const OLDEST: Minor = Minor(28);

impl Lab {
    /// Returns a lab for the API server of `access`, which runs `kubernetes`. Nothing is created in its cluster, and there is no administrator:
    /// nothing must be asked but by people with their own credentials.
    ///
    /// # Errors
    /// The lab's directory cannot be created.
    pub(crate) async fn visited(access: &Access, (kubernetes, minor): (String, Minor)) -> Result<Self, LabError> {
        let name = passing_name();
        let directory = Arc::new(Directory::create(&name).await?);
        let server = access.server(directory.path());
        let administrator = Administrator::new(&server, Credential::Nothing)?;
        let guest = Guest {
            created: CreatedObjects::new((&name, directory.path()), &Home::here()?, &server, &Credential::Nothing),
            issuer: None,
            person: None,
        };
        let description = description(name, (kubernetes, minor), &server, None, BTreeMap::new());
        description.save(directory.path())?;
        Ok(lab(description, server, administrator, guest, directory))
    }
}

/// Returns the version of the API server of `access`, as the first of `people` reads it whom the server accepts: full and minor.
pub(crate) async fn version(access: &Access, people: &[(String, Credential)]) -> Result<(String, Minor), ExistingError> {
    let endpoint = Endpoint::of(&access.server(Path::new("")));
    let (mut why, mut is_reached) = ("nobody is there to read it".to_owned(), false);
    for (name, credential) in people {
        let answer = ask(&endpoint, name, credential, &Question::get("/version")).await;
        match answer.verdict {
            Verdict::Accepted => {
                let told = answer.body.get("gitVersion").and_then(serde_json::Value::as_str);
                return reviewing(&access.url, told.unwrap_or_default());
            }
            Verdict::Unreachable | Verdict::TlsRefused => why = answer.record.reason.unwrap_or_default(),
            _ => (why, is_reached) = (answer.to_string(), true),
        }
    }
    let server = access.url.clone();
    Err(match is_reached {
        true => ExistingError::NoVersion { server, why },
        false => ExistingError::Unreachable { server, why },
    })
}

/// Reads the version `told` of the API server `server`.
fn reviewing(server: &str, told: &str) -> Result<(String, Minor), ExistingError> {
    let minor: Minor = told.parse().map_err(|_| ExistingError::NoVersion {
        server: server.to_owned(),
        why: format!("its version is '{told}'"),
    })?;
    let version = told.trim_start_matches('v').to_owned();
    match minor < OLDEST {
        true => Err(ExistingError::NoReviews { version }),
        false => Ok((version, minor)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_without_the_review_is_told() {
        for (told, expected) in [
            ("v1.37.2", Ok(("1.37.2".to_owned(), Minor(37)))),
            ("v1.28.0+k3s1", Ok(("1.28.0+k3s1".to_owned(), Minor(28)))),
            ("v1.27.16-gke.100", Err("1.27.16-gke.100, which has no SelfSubjectReview")),
            ("v1.22.0", Err("expected 1.28 or newer")),
            ("", Err("its version is ''")),
        ] {
            let seen = reviewing("https://cluster.test", told).map_err(|error| error.to_string());
            match expected {
                Ok(expected) => assert_eq!(seen, Ok(expected), "{told}"),
                Err(part) => assert!(seen.as_ref().is_err_and(|error| error.contains(part)), "{told}: {seen:?}"),
            }
        }
    }
}
