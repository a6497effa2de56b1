//! The people who are tried, from options and from the project. The main type is [`PeopleOptions`].

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Map, Value};

use super::configuration::text;
use crate::cli::error::CommandError;
use crate::cli::exit::Exit;
use crate::credential::Credential;
use crate::diagnostic::{Diagnostics, kind_of_json};
use crate::hint::Hint as _;
use crate::jwt::Jwt;
use crate::project::{self, Project};
use crate::secret::Secret;
use crate::trial::existing::Visitor;
use crate::trial::{self, Claims, Person, Presented, Setup};
use crate::yaml::{self, Content, Node};

/// Options for the people who are tried.
#[derive(Args, Clone, Debug)]
pub(super) struct PeopleOptions {
    /// People of the project
    #[arg(value_name = "PERSON", conflicts_with = "all")]
    people: Vec<String>,
    /// Everybody in the project
    #[arg(long)]
    all: bool,
    /// File with the claims of a token, a JSON object; `-` is standard input
    #[arg(long, value_name = "FILE", help_heading = "People")]
    claims: Vec<PathBuf>,
    /// File with a real token: its claims are signed anew by the lab
    ///
    /// With --real-issuers, the token is presented as it is.
    #[arg(long, value_name = "FILE", help_heading = "People")]
    token_file: Vec<PathBuf>,
    /// Issuer of the claims, if they do not name one
    #[arg(long, value_name = "URL", help_heading = "People")]
    issuer: Option<String>,
    /// Leave the times in claims as they are; otherwise they are moved to now
    #[arg(long, help_heading = "People")]
    keep_times: bool,
}

impl PeopleOptions {
    /// Returns the people: those of `project` that are named, and those whose claims or tokens are. Their issuers must be in `setup`.
    pub(super) fn read(&self, project: Option<&Project>, setup: &Setup) -> Result<Vec<Person>, CommandError> {
        let mut people = match project {
            Some(project) => self.of_project(project, setup)?,
            None if self.all || !self.people.is_empty() => {
                return Err(CommandError::new(Exit::Usage, "there is no project, so nobody has a name")
                    .hint("write a project to begin with: authlab init"));
            }
            None => Vec::new(),
        };
        for file in &self.claims {
            people.push(self.person(file, claims(file, &text(file)?)?, None));
        }
        for file in &self.token_file {
            let read = text(file)?;
            let wrong = |why: &dyn std::fmt::Display| CommandError::new(Exit::Usage, format!("{} is no token: {why}", file.display()));
            let token = Jwt::parse(read.trim()).map_err(|error| wrong(&error))?;
            if setup.asks_real_issuers {
                let presents = Presented::Own(Credential::Token(Secret::new(read.trim())));
                people.push(Person {
                    name: name_of(file),
                    presents,
                });
                continue;
            }
            let header = token.header.get("typ").and_then(Value::as_str).map(str::to_owned);
            people.push(self.person(file, token.claims, header));
        }
        if people.is_empty() {
            let error = CommandError::new(Exit::Usage, "there is nobody to try");
            if setup.asks_real_issuers {
                return Err(error.hint("give somebody `token-file`, or name a real token: --token-file FILE"));
            }
            let is_context = |person: &project::Person| matches!(person.credential, project::Credential::Context(_));
            return Err(match project {
                Some(project) if !project.people.is_empty() && project.people.values().all(is_context) => error.hint(
                    "the people of authlab.toml are contexts of a kubeconfig, which only their own cluster knows: \
                     authlab try --all --cluster existing --kubeconfig FILE",
                ),
                Some(project) if !project.people.is_empty() => {
                    let known: Vec<&str> = project.people.keys().map(String::as_str).collect();
                    error.hint(format!("name somebody, or use --all: {}", known.join(", ")))
                }
                _ => error.hint("name somebody's claims with --claims FILE"),
            });
        }
        // Told before anything starts; about a configuration without any issuer, the API server's own words come first.
        for person in people.iter().filter(|_| !setup.issuers.is_empty()) {
            if let Presented::Token(claims) = &person.presents
                && let Err(error) = setup.issuer(claims.named_issuer())
            {
                let hint = error.hint();
                let told = CommandError::new(Exit::Usage, format!("{}: {error}", person.name));
                return Err(match hint {
                    Some(hint) => told.hint(hint),
                    None => told,
                });
            }
        }
        Ok(people)
    }

    /// Returns a note on those of all people who are not tried, because only a real issuer can sign their tokens.
    pub(super) fn left_out(&self, project: Option<&Project>, setup: &Setup) -> Option<String> {
        let people = project.iter().flat_map(|project| project.people.values());
        let names: Vec<&str> = people
            .filter(|person| self.is_left_out(person, setup))
            .map(|person| person.name.value.as_str())
            .collect();
        (!names.is_empty()).then(|| {
            format!(
                "left out, because only the real issuer can sign their tokens: {} (`token-file` names a token that it signed)",
                names.join(", ")
            )
        })
    }

    /// Returns `true` for somebody who is not tried because nobody named them, and because nobody here can sign their token.
    fn is_left_out(&self, person: &project::Person, setup: &Setup) -> bool {
        let is_named = self.people.contains(&person.name.value);
        self.all && !is_named && setup.asks_real_issuers && trial::people::needs_an_issuer(person)
    }

    /// Returns the number of times that standard input is read.
    pub(super) fn standard_inputs(&self) -> usize {
        let files = self.claims.iter().chain(&self.token_file);
        files.filter(|file| *file == Path::new("-")).count()
    }

    /// Returns the people as visitors of a cluster that exists: contexts of its kubeconfig, and tokens in files.
    pub(super) fn visitors(&self, project: Option<&Project>) -> Result<Vec<Visitor>, CommandError> {
        let token = |name: String, file: &Path| {
            Ok::<_, CommandError>(Visitor {
                name,
                context: None,
                token: Some(Secret::new(text(file)?.trim())),
            })
        };
        let (mut visitors, mut mistakes) = (Vec::new(), Vec::new());
        let named = |name: &str| self.all || self.people.iter().any(|person| person == name);
        for person in project
            .iter()
            .flat_map(|project| project.people.values())
            .filter(|person| named(&person.name.value))
        {
            let name = person.name.value.clone();
            match &person.credential {
                project::Credential::Context(context) => visitors.push(Visitor {
                    name,
                    context: Some(context.value.clone()),
                    token: None,
                }),
                project::Credential::TokenFile(file) => visitors.push(token(name, &file.value.resolved)?),
                _ if self.all => {}
                _ => mistakes.extend(project.map(|project| {
                    project
                        .mistake(
                            &person.name.place,
                            "a cluster that exists accepts no token or certificate of authlab's",
                        )
                        .hint("give them `context` or `token-file`")
                })),
            }
        }
        Diagnostics::none_of(mistakes).map_err(|mistakes| CommandError::hinted(Exit::Usage, mistakes))?;
        for name in &self.people {
            // Without a person of that name, a context is meant.
            if project.is_none_or(|project| !project.people.contains_key(name)) {
                visitors.push(Visitor {
                    name: name.clone(),
                    context: Some(name.clone()),
                    token: None,
                });
            }
        }
        for file in &self.token_file {
            let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            visitors.push(token(name, file)?);
        }
        if !self.claims.is_empty() {
            return Err(CommandError::new(Exit::Usage, "--claims cannot be used with --cluster existing")
                .hint("only the issuer itself can sign a token that the cluster accepts: --token-file FILE"));
        }
        if visitors.is_empty() {
            return Err(CommandError::new(Exit::Usage, "there is nobody to try")
                .hint("name a context of the kubeconfig, or somebody of authlab.toml with `context` or `token-file`"));
        }
        Ok(visitors)
    }

    fn of_project(&self, project: &Project, setup: &Setup) -> Result<Vec<Person>, CommandError> {
        let named = self.people.iter().map(|name| {
            project.person(name).map_err(|error| match &setup.realm {
                Some(Ok(realm)) if realm.export.has_user(name) => CommandError::new(Exit::Usage, error).hint(format!(
                    "the realm {} has this user: add [people.{name}] with keycloak = {{}}",
                    realm.export.name
                )),
                _ => CommandError::hinted(Exit::Usage, error),
            })
        });
        let named = named.collect::<Result<Vec<_>, _>>()?;
        let all = project.people.values().filter(|_| self.all);
        let (mut people, mut mistakes) = (Vec::new(), Vec::new());
        for person in named.into_iter().chain(all) {
            match trial::people::person(project, person, setup) {
                Ok(Some(person)) => people.push(person),
                Ok(None) if self.all => {}
                Err(_) if self.is_left_out(person, setup) => {}
                Ok(None) => mistakes.push(
                    project
                        .mistake(&person.name.place, "a context is only known to a cluster that exists")
                        .hint("use --cluster existing"),
                ),
                Err(mistake) => mistakes.push(mistake),
            }
        }
        Diagnostics::none_of(mistakes).map_err(|mistakes| CommandError::hinted(Exit::Usage, mistakes))?;
        Ok(people)
    }

    fn person(&self, file: &Path, claims: Map<String, Value>, typ: Option<String>) -> Person {
        Person {
            name: name_of(file),
            presents: Presented::Token(Claims {
                issuer: self.issuer.clone(),
                claims,
                typ,
                keep_times: self.keep_times,
                ..Claims::default()
            }),
        }
    }
}

/// Returns the name of somebody whose claims or token are in `file`.
fn name_of(file: &Path) -> String {
    match file.file_stem() {
        Some(stem) if file != Path::new("-") => stem.to_string_lossy().into_owned(),
        _ => "standard input".to_owned(),
    }
}

/// Reads `text`, the content of `file`, as claims.
pub(in crate::cli) fn claims(file: &Path, text: &str) -> Result<Map<String, Value>, CommandError> {
    let at = file.display();
    match serde_json::from_str(text.trim_start_matches('\u{feff}')) {
        Ok(Value::Object(claims)) => match repeated(text) {
            Some((name, line)) => Err(
                CommandError::new(Exit::Usage, format!("{at}:{line}:1: the claim `{name}` stands twice"))
                    .hint("remove one of them: readers of JSON disagree on which one counts"),
            ),
            None => Ok(claims),
        },
        Ok(other) => Err(CommandError::new(
            Exit::Usage,
            format!(
                "{at}: the claims of a token are a JSON object, and this is {}",
                kind_of_json(&other)
            ),
        )),
        Err(error) => {
            let looks = text.trim().split('.').count() == 3 && !text.contains('{');
            let told = CommandError::new(Exit::Usage, format!("{at}:{}:{}: {error}", error.line(), error.column()));
            Err(if looks {
                told.hint("this looks like a token: use --token-file")
            } else {
                told
            })
        }
    }
}

/// Returns the first name that stands twice in one object of `text`, and its line. JSON is YAML but for tabs between its parts.
fn repeated(text: &str) -> Option<(String, usize)> {
    fn of(node: &Node) -> Option<(String, usize)> {
        match &node.content {
            Content::Map { entries, repeated } => {
                let own = repeated.first().and_then(|name| Some((name.clone(), node.entry(name)?.line)));
                own.or_else(|| entries.iter().find_map(|(_, value)| of(value)))
            }
            Content::List(items) => items.iter().find_map(of),
            _ => None,
        }
    }
    of(&yaml::parse(&text.trim_start_matches('\u{feff}').replace('\t', " ")).ok()?)
}
