//! The people on the page, and the credentials that they present. The main type is [`DraftPerson`].

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::marks::{Mark, Place};
use crate::jwt::Jwt;
use crate::project;
use crate::trial::{Claims, Person, Presented};

/// A person on the page: texts as the user wrote them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DraftPerson {
    /// The name by which the user knows them.
    pub name: String,
    /// The credential.
    pub presents: DraftCredential,
}

/// A credential on the page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum DraftCredential {
    /// A token with these claims, a JSON object; or a token, whose claims are taken.
    Claims(String),
    /// A client certificate.
    Certificate {
        /// The common name: the user.
        common_name: String,
        /// The organizations, which are the groups: one on each line.
        organizations: String,
    },
    /// A token that the API server issues for a service account, `NAMESPACE/NAME`.
    ServiceAccount(String),
}

impl Default for DraftCredential {
    fn default() -> Self {
        Self::Claims(String::new())
    }
}

/// The claims of a token, and its type in the header, if it was a token.
type ClaimsOfPerson = (Map<String, Value>, Option<String>);

impl DraftPerson {
    /// Returns `person` as the page shows them; `None` if they log in, or their credential exists already, and so cannot be shown.
    #[must_use]
    pub fn of(person: Person) -> Option<Self> {
        let presents = match person.presents {
            Presented::Token(token) => DraftCredential::Claims(format!("{:#}", Value::Object(token.claims))),
            Presented::Certificate {
                common_name,
                organizations,
            } => DraftCredential::Certificate {
                common_name,
                organizations: organizations.join("\n"),
            },
            Presented::ServiceAccount { namespace, name } => DraftCredential::ServiceAccount(format!("{namespace}/{name}")),
            // A realm is not on the page.
            Presented::Login(_) | Presented::Own(_) => return None,
        };
        Some(Self {
            name: person.name,
            presents,
        })
    }

    /// Reads the person at `index`.
    ///
    /// # Errors
    /// The mistake, at its line in the claims, or at the person.
    pub(super) fn read(&self, index: usize) -> Result<Person, Mark> {
        let name = match self.name.trim() {
            "" => format!("person {}", index + 1),
            name => name.to_owned(),
        };
        let presents = self.presents.read().map_err(|mark| mark.person(index))?;
        Ok(Person { name, presents })
    }
}

impl DraftCredential {
    /// Reads it.
    ///
    /// # Errors
    /// The mistake.
    pub(super) fn read(&self) -> Result<Presented, Mark> {
        let at_person = |why: String, hint: String| Mark {
            hint: Some(hint),
            ..Mark::of(Place::Person, why)
        };
        match self {
            Self::Claims(text) => match claims(text) {
                Ok((claims, typ)) => Ok(Presented::Token(Claims {
                    claims,
                    typ,
                    ..Claims::default()
                })),
                Err((line, why)) => Err(Mark::at(Place::Claims, line, why)),
            },
            Self::Certificate {
                common_name,
                organizations,
            } => match common_name.trim() {
                "" => {
                    let hint = "it is the user's name".to_owned();
                    Err(at_person("the certificate has no common name".to_owned(), hint))
                }
                common_name => Ok(Presented::Certificate {
                    common_name: common_name.to_owned(),
                    organizations: lines(organizations),
                }),
            },
            Self::ServiceAccount(written) => match project::account(written.trim()) {
                Ok((namespace, name)) => Ok(Presented::ServiceAccount {
                    namespace: namespace.to_owned(),
                    name: name.to_owned(),
                }),
                Err(error) => Err(at_person(error.to_string(), format!("write {}", error.example))),
            },
        }
    }
}

/// Returns the lines of `text` that are not blank.
fn lines(text: &str) -> Vec<String> {
    text.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .map(str::to_owned)
        .collect()
}

/// Returns the claims, and the type of the token if `text` is one.
///
/// # Errors
/// The line, and the reason.
fn claims(text: &str) -> Result<ClaimsOfPerson, (usize, String)> {
    let text = text.trim_start_matches('\u{feff}');
    if text.trim().is_empty() {
        return Ok((Map::new(), None));
    }
    if text.trim().split('.').count() == 3 && !text.contains('{') {
        let token = Jwt::parse(text.trim()).map_err(|error| (1, error.to_string()))?;
        let typ = token.header.get("typ").and_then(Value::as_str).map(str::to_owned);
        return Ok((token.claims, typ));
    }
    match serde_json::from_str(text) {
        Ok(Value::Object(claims)) => Ok((claims, None)),
        Ok(_) => Err((1, "the claims of a token are a JSON object: {\"sub\": \"alice\"}".to_owned())),
        Err(error) => {
            let (last, words) = (text.lines().count().max(1), error.to_string());
            let words = words.split(" at line ").next().unwrap_or_default();
            Err((error.line().clamp(1, last), format!("{words} (column {})", error.column())))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_a_person_presents_is_read_or_the_mistake_is_told() {
        let certificate = |common_name: &str, organizations: &str| DraftCredential::Certificate {
            common_name: common_name.to_owned(),
            organizations: organizations.to_owned(),
        };
        for (presents, expected) in [
            (certificate(" bob ", "ops\n\n admins \n"), Ok("bob: ops, admins")),
            (certificate("bob", ""), Ok("bob: ")),
            (certificate(" ", "ops"), Err("the certificate has no common name")),
            (DraftCredential::ServiceAccount(" ci/deployer ".to_owned()), Ok("ci/deployer")),
            (
                DraftCredential::ServiceAccount("deployer".to_owned()),
                Err("`deployer` is not a service account (expected NAMESPACE/NAME)"),
            ),
        ] {
            let read = presents.read();
            let told = match &read {
                Ok(Presented::Certificate {
                    common_name,
                    organizations,
                }) => Ok(format!("{common_name}: {}", organizations.join(", "))),
                Ok(Presented::ServiceAccount { namespace, name }) => Ok(format!("{namespace}/{name}")),
                Ok(other) => panic!("{other:?}"),
                Err(mark) => {
                    assert!(mark.hint.is_some(), "{mark:?}");
                    Err(mark.message.as_str())
                }
            };
            assert_eq!(told.as_deref().map_err(|error| *error), expected, "{presents:?}");
        }
    }

    #[test]
    fn the_page_sends_one_kind_of_credential_for_each_person() {
        let read = |presents: Value| serde_json::from_value::<DraftPerson>(json!({ "name": "a", "presents": presents }));
        for sound in [
            json!({ "claims": "{}" }),
            json!({ "certificate": { "common_name": "a", "organizations": "" } }),
            json!({ "service_account": "a/b" }),
        ] {
            let person = read(sound.clone()).unwrap();
            assert_eq!(json!(person)["presents"], sound);
        }
        for wrong in [
            json!({}),
            json!({ "claims": "{}", "service_account": "a/b" }),
            json!({ "token": "x" }),
        ] {
            assert!(read(wrong.clone()).is_err(), "{wrong}");
        }
    }
}
