//! Impersonation: the permissions to act as another user, and the resulting identity.
//!
//! The main type is [`ImpersonatedIdentity`]: the requested identity, as features say it.

use std::fmt::Write as _;
use std::str::FromStr;
use std::sync::LazyLock;

use anyhow::{Context, Result};
use cucumber::{given, then};
use regex::Regex;

use super::rights::{Right, grant_everywhere};
use super::servers::metrics::Counts;
use super::{Person, Step, Texts, answers, requests};
use crate::cluster::Behaviours;
use crate::credential::Credential;
use crate::event::Verdict;
use crate::pki::Request;
use crate::probe::{Answer, AuditEvent, Endpoint, Question};
use crate::scenario::world::{Twin, World};

/// The identity that a request impersonates: `the user "bob" in the group "on-call" with the UID "4711"`.
#[derive(Clone, Debug, Default, PartialEq, Eq, cucumber::Parameter)]
#[param(
    name = "impersonated",
    regex = r#"(?:nobody|the user "[^"]*"|the service account "[^"]*")(?: in the groups? "[^"]*"(?:(?:, | and )"[^"]*")*)?(?: with the UID "[^"]*")?(?: with the (?:unescaped )?extra "[^"]*" of "[^"]*"(?:(?:, | and )"[^"]*")*)?"#
)]
struct ImpersonatedIdentity {
    user: Option<String>,
    service_account: Option<String>,
    groups: Vec<String>,
    uid: Option<String>,
    extra: Option<Extra>,
}

/// A key with its values, and the key's spelling in a header's name.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Extra {
    key: String,
    spelled: String,
    values: Vec<String>,
}

impl FromStr for ImpersonatedIdentity {
    type Err = anyhow::Error;

    fn from_str(said: &str) -> Result<Self> {
        static PARTS: LazyLock<Result<Regex, regex::Error>> = LazyLock::new(|| {
            Regex::new(
                r#"^(?:nobody|the (?<kind>user|service account) "(?<name>[^"]*)")(?: in the groups? (?<groups>"[^"]*"(?:(?:, | and )"[^"]*")*))?(?: with the UID "(?<uid>[^"]*)")?(?: with the (?<raw>unescaped )?extra "(?<key>[^"]*)" of (?<values>.*))?$"#,
            )
        });
        let parts = PARTS
            .as_ref()?
            .captures(said)
            .with_context(|| format!("nobody can be impersonated as: {said}"))?;
        let text = |part: &str| parts.name(part).map(|found| found.as_str().to_owned());
        let texts = |part: &str| text(part).map(|all| all.parse::<Texts>().map_or_else(|never| match never {}, |all| all.0));
        let extra = |key: String| Extra {
            spelled: if parts.name("raw").is_some() { key.clone() } else { escaped(&key) },
            key,
            values: texts("values").unwrap_or_default(),
        };
        let is_user = parts.name("kind").is_some_and(|kind| kind.as_str() == "user");
        Ok(Self {
            user: text("name").filter(|_| is_user),
            service_account: text("name").filter(|_| !is_user),
            groups: texts("groups").unwrap_or_default(),
            uid: text("uid"),
            extra: text("key").map(extra),
        })
    }
}

impl ImpersonatedIdentity {
    /// Returns the user's name; a service account is one of the namespace `namespace`.
    fn user_name(&self, namespace: &str) -> Option<String> {
        let service_account = self
            .service_account
            .as_ref()
            .map(|name| format!("system:serviceaccount:{namespace}:{name}"));
        self.user.clone().or(service_account)
    }

    /// Returns the headers that request it (kubernetes/api `authentication/v1/types.go`).
    fn headers(&self, namespace: &str) -> Vec<(String, String)> {
        let header = |name: &str, value: String| (format!("Impersonate-{name}"), value);
        let mut headers = Vec::new();
        headers.extend(self.user_name(namespace).map(|name| header("User", name)));
        headers.extend(self.groups.iter().map(|group| header("Group", group.clone())));
        headers.extend(self.uid.clone().map(|uid| header("Uid", uid)));
        if let Some(extra) = &self.extra {
            headers.extend(
                extra
                    .values
                    .iter()
                    .map(|value| header(&format!("Extra-{}", extra.spelled), value.clone())),
            );
        }
        headers
    }

    /// Returns the rights that allow it without constraint: the verb `impersonate` on each part of it.
    fn rights(&self) -> Vec<Right> {
        self.rights_to("impersonate", "impersonate", "")
    }

    /// Returns the rights that allow it as far as the actions in it are allowed (KEP-5284).
    fn constrained_rights(&self) -> Vec<Right> {
        self.rights_to("impersonate:user-info", "impersonate:serviceaccount", AUTHENTICATION)
    }

    /// Returns whether permission for this identity includes permission for `other`.
    fn covers(&self, other: &Self) -> bool {
        let extra = |identity: &Self| identity.extra.clone().map(|extra| (extra.key, extra.values));
        let extras = match (extra(self), extra(other)) {
            (_, None) => true,
            (None, Some(_)) => false,
            (Some((key, values)), Some((asked, wanted))) => key == asked && wanted.iter().all(|value| values.contains(value)),
        };
        self.user == other.user
            && self.service_account == other.service_account
            && other.groups.iter().all(|group| self.groups.contains(group))
            && (other.uid.is_none() || self.uid == other.uid)
            && extras
    }

    fn rights_to(&self, verb: &str, service_account_verb: &str, api_group: &'static str) -> Vec<Right> {
        let mut rights = Vec::new();
        rights.extend(self.user.iter().map(|name| Right::new(verb, api_group, "users").named([name])));
        let accounts = self.service_account.iter();
        rights.extend(accounts.map(|name| Right::new(service_account_verb, api_group, "serviceaccounts").named([name])));
        if !self.groups.is_empty() {
            rights.push(Right::new(verb, api_group, "groups").named(&self.groups));
        }
        rights.extend(self.uid.iter().map(|uid| Right::new(verb, AUTHENTICATION, "uids").named([uid])));
        let extra = self.extra.iter();
        rights.extend(extra.map(|extra| Right::new(verb, AUTHENTICATION, format!("userextras/{}", extra.key)).named(&extra.values)));
        rights
    }
}

const AUTHENTICATION: &str = "authentication.k8s.io";

/// Escapes a key for the name of a header: every byte that may not be in there, percent-encoded (RFC 3986 §2.1).
fn escaped(key: &str) -> String {
    key.bytes().fold(String::new(), |mut escaped, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            _ = write!(escaped, "%{byte:02X}");
        }
        escaped
    })
}

/// The kind of identity that may be impersonated: a mode of constrained impersonation (KEP-5284).
#[derive(Clone, Copy, Debug, PartialEq, Eq, cucumber::Parameter)]
#[param(name = "impersonation_mode", regex = "another user|a service account|any node")]
struct Mode(&'static str);

impl FromStr for Mode {
    type Err = anyhow::Error;

    fn from_str(said: &str) -> Result<Self> {
        Ok(Self(match said {
            "another user" => "user-info",
            "a service account" => "serviceaccount",
            "any node" => "arbitrary-node",
            other => anyhow::bail!("nobody can be constrained to impersonate {other}"),
        }))
    }
}

/// The impersonator: an identity of the scenario's own, since permissions to impersonate hold in the whole cluster, and
/// since the API server remembers for each user how they impersonated last.
#[derive(Clone, Default)]
struct Impersonator {
    user: String,
    own: Option<Credential>,
    headers: Vec<(String, String)>,
    /// The identities that they may impersonate.
    allowed: Vec<ImpersonatedIdentity>,
}

impl Impersonator {
    fn of(world: &mut World) -> Step<Self> {
        let known = world.notes::<Self>().clone();
        ensure!(known.own.is_some(), "nobody is a support engineer yet");
        Ok(known)
    }

    fn credential(&self, headers: Vec<(String, String)>) -> Credential {
        Credential::Impersonation {
            own: Box::new(self.own.clone().unwrap_or(Credential::Nothing)),
            headers,
        }
    }
}

requires!(administrator, cluster_signing_key);
#[given(expr = "{person} is a support engineer")]
fn is_impersonator(world: &mut World, person: Person) -> Step {
    let user = world.unique(&person.user());
    let leaf = world.client_authority()?.issue(&Request::client(&user, &["support-engineers"]))?;
    let own = Credential::Certificate(leaf);
    *world.notes::<Impersonator>() = Impersonator {
        user,
        own: Some(own.clone()),
        ..Impersonator::default()
    };
    Ok(world.hold(&person, own, None)?)
}

#[given(expr = "{person} may impersonate {impersonated}")]
async fn may_impersonate(world: &mut World, person: Person, identity: ImpersonatedIdentity) -> Step {
    allow(world, &person, &identity.rights()).await?;
    world.notes::<Impersonator>().allowed.push(identity);
    Ok(())
}

#[given(expr = "{person} may take on {impersonated}")]
async fn may_take_on(world: &mut World, person: Person, identity: ImpersonatedIdentity) -> Step {
    allow(world, &person, &identity.constrained_rights()).await?;
    world.notes::<Impersonator>().allowed.push(identity);
    Ok(())
}

#[given(expr = "{person} may take on the node {string}")]
async fn may_take_on_node(world: &mut World, person: Person, node: String) -> Step {
    let right = Right::new("impersonate:arbitrary-node", AUTHENTICATION, "nodes").named([node]);
    allow(world, &person, &[right]).await
}

#[given(expr = "{person} may list {word} as {impersonation_mode}")]
async fn may_list_as(world: &mut World, person: Person, resource: String, mode: Mode) -> Step {
    allow(
        world,
        &person,
        &[Right::new(format!("impersonate-on:{}:list", mode.0), "", resource)],
    )
    .await
}

#[given(expr = "{person} has impersonated {impersonated} before")]
async fn has_impersonated(world: &mut World, person: Person, identity: ImpersonatedIdentity) -> Step {
    let answer = ask_as(world, &person, &identity).await?;
    expect!(answer.verdict == Verdict::Accepted, "accepted", "{answer}");
    Ok(())
}

#[given(expr = "{person} impersonates {impersonated}")]
async fn impersonates(world: &mut World, person: Person, identity: ImpersonatedIdentity) -> Step {
    let namespace = world.namespace().await?;
    let impersonator = Impersonator::of(world)?;
    // The sound counterpart of a request beyond the permissions is one within them.
    let allowed = &impersonator.allowed;
    let sound = allowed.last().filter(|_| !allowed.iter().any(|allowed| allowed.covers(&identity)));
    let twin = sound.and_then(|sound| {
        Some(Twin {
            credential: impersonator.credential(sound.headers(&namespace)),
            user: sound.user_name(&namespace)?,
        })
    });
    put_on(world, &person, identity.headers(&namespace), twin)
}

#[given(expr = "whom {person} impersonates may request certificates")]
async fn target_may_request(world: &mut World, person: Person) -> Step {
    let group = world.unique("requesters");
    let request = Right::new("create", "certificates.k8s.io", "certificatesigningrequests");
    grant_everywhere(world, "Group", &group, &[request]).await?;
    allow(world, &person, &[Right::new("impersonate", "", "groups").named([&group])]).await?;
    let mut headers = Impersonator::of(world)?.headers;
    headers.push(("Impersonate-Group".to_owned(), group));
    put_on(world, &person, headers, None)
}

#[then(expr = "impersonating {impersonated}, {person} is accepted as {string}")]
async fn accepted_in(world: &mut World, identity: ImpersonatedIdentity, person: Person, user: String) -> Step {
    answers::accepted(&ask_as(world, &person, &identity).await?, &user)
}

#[then(expr = "impersonating {impersonated}, {person} may list {word}")]
async fn may_list_in(world: &mut World, identity: ImpersonatedIdentity, person: Person, resource: String) -> Step {
    let headers = identity.headers(&world.namespace().await?);
    let credential = Impersonator::of(world)?.credential(headers);
    lists(world, &person, &credential, &resource).await
}

#[then(expr = "asking an API server with it switched on, {person} may list {word}")]
async fn may_list_at_main(world: &mut World, person: Person, resource: String) -> Step {
    world.go_to(Endpoint::of(&world.main().clone())).await?;
    let credential = world.holding(&person)?.credential.clone();
    lists(world, &person, &credential, &resource).await
}

#[then(expr = "as {word}, {person} may list {word}")]
async fn may_list_alone(world: &mut World, _pronoun: String, person: Person, resource: String) -> Step {
    let credential = Impersonator::of(world)?.credential(Vec::new());
    lists(world, &person, &credential, &resource).await
}

#[then(expr = "as {word}, {person} is accepted")]
async fn accepted_alone(world: &mut World, _pronoun: String, person: Person) -> Step {
    let name = world.person(&person)?;
    let impersonator = Impersonator::of(world)?;
    let answer = world
        .ask_with(&name, &impersonator.credential(Vec::new()), &Question::who_am_i())
        .await;
    answers::accepted(&answer, &impersonator.user)
}

#[then(expr = "{person} is accepted as the impersonated service account, in exactly its groups")]
fn accepted_as_service_account(world: &mut World, person: Person) -> Step {
    world.person(&person)?;
    let headers = Impersonator::of(world)?.headers;
    let user = headers
        .iter()
        .find(|(name, _)| name == "Impersonate-User")
        .map(|(_, user)| user.clone());
    let user = user.context("nobody is impersonated")?;
    let namespace = user.split(':').nth(2).unwrap_or_default().to_owned();
    let answer = world.answer()?;
    answers::accepted(answer, &user)?;
    let groups = [
        "system:authenticated".to_owned(),
        "system:serviceaccounts".to_owned(),
        format!("system:serviceaccounts:{namespace}"),
    ];
    let seen = &answers::identity(answer)?.groups;
    expect!(seen.iter().eq(&groups), "exactly the groups {groups:?}", "{seen:?}");
    Ok(())
}

requires!(audit_log);
#[then(expr = "the audit event says that {person} impersonated {string}")]
fn audit_names_both(world: &mut World, person: Person, target: String) -> Step {
    world.person(&person)?;
    let impersonator = Impersonator::of(world)?.user;
    let event = event(world)?;
    let name = |field| event.user(field).map(|user| user.user);
    let (user, impersonated) = (name("user"), name("impersonatedUser"));
    expect!(
        user.as_ref() == Some(&impersonator) && impersonated.as_ref() == Some(&target),
        "an audit event by \"{impersonator}\" as \"{target}\"",
        "it is by {user:?} as {impersonated:?}"
    );
    Ok(())
}

requires!(audit_log);
#[then(expr = "the audit event says that the impersonation was constrained by {string}")]
fn audit_names_constraint(world: &mut World, constraint: String) -> Step {
    let seen = self::constraint(world)?;
    expect!(
        seen.as_ref() == Some(&constraint),
        "the constraint \"{constraint}\"",
        "the audit event has {seen:?}"
    );
    Ok(())
}

requires!(audit_log);
#[then(expr = "the audit event says that the impersonation was not constrained")]
fn audit_names_no_constraint(world: &mut World) -> Step {
    let seen = constraint(world)?;
    expect!(seen.is_none(), "no constraint", "the audit event has {seen:?}");
    Ok(())
}

requires!(constrained_impersonation_counts);
/// kubernetes/apiserver `pkg/endpoints/filters/impersonation/metrics`.
#[then(expr = "at least one more impersonation is counted as {string} and {string}, with the questions that it took")]
async fn is_counted(world: &mut World, mode: String, decision: String) -> Step {
    let labels = [("mode", mode.as_str()), ("decision", decision.as_str())];
    for series in ["attempts_total", "attempts_duration_seconds_count", "authorization_attempts_total"] {
        Counts::at_least_one_more(world, &format!("apiserver_impersonation_{series}"), &labels).await?;
    }
    Ok(())
}

requires!(audit_log);
#[then(expr = "each of the impersonated user's groups is named once")]
fn groups_are_named_once(world: &mut World) -> Step {
    let event = event(world)?;
    let groups = event
        .0
        .pointer("/impersonatedUser/groups")
        .and_then(serde_json::Value::as_array)
        .cloned()
        .unwrap_or_default();
    let repeated = groups.iter().enumerate().any(|(index, group)| groups[..index].contains(group));
    expect!(!groups.is_empty() && !repeated, "each group once", "the audit event has {groups:?}");
    Ok(())
}

#[then(expr = "the impersonation is refused as incomplete, because {string}")]
fn incomplete(world: &mut World, reason: String) -> Step {
    let expected = Behaviours::known()
        .value("impersonation_without_user", world.version())
        .unwrap_or_default();
    let answer = world.answer()?;
    let seen = answer.record.reason.as_deref().unwrap_or_default();
    let status = answer.status.map(|status| status.to_string()).unwrap_or_default();
    expect!(
        status == expected && seen.contains(&reason),
        "{expected}, because: {reason}",
        "{answer}"
    );
    Ok(())
}

async fn lists(world: &mut World, person: &Person, credential: &Credential, resource: &str) -> Step {
    let name = world.person(person)?;
    let question = requests::list(world, resource).await?;
    let answer = world.ask_with(&name, credential, &question).await;
    expect!(answer.verdict == Verdict::Accepted, "allowed to list {resource}", "{answer}");
    Ok(())
}

/// Grants `rights` to the impersonator's own user, and to nobody else.
async fn allow(world: &mut World, person: &Person, rights: &[Right]) -> Step {
    world.person(person)?;
    let user = Impersonator::of(world)?.user;
    grant_everywhere(world, "User", &user, rights).await
}

/// Makes the person send `headers` from now on.
fn put_on(world: &mut World, person: &Person, headers: Vec<(String, String)>, twin: Option<Twin>) -> Step {
    let credential = Impersonator::of(world)?.credential(headers.clone());
    world.notes::<Impersonator>().headers = headers;
    Ok(world.hold(person, credential, twin)?)
}

/// Asks once for the person's identity, impersonating `identity`.
async fn ask_as(world: &mut World, person: &Person, identity: &ImpersonatedIdentity) -> Step<Answer> {
    let name = world.person(person)?;
    let headers = identity.headers(&world.namespace().await?);
    let credential = Impersonator::of(world)?.credential(headers);
    Ok(world.ask_with(&name, &credential, &Question::who_am_i()).await)
}

fn event(world: &World) -> Step<&AuditEvent> {
    Ok(world
        .answer()?
        .record
        .event
        .as_ref()
        .context("there is no audit event for the request")?)
}

/// Returns the constrained permission that allowed the impersonation (audit.k8s.io/v1 `AuthenticationMetadata`).
fn constraint(world: &World) -> Step<Option<String>> {
    let seen = event(world)?.0.pointer("/authenticationMetadata/impersonationConstraint");
    Ok(seen
        .and_then(serde_json::Value::as_str)
        .filter(|seen| !seen.is_empty())
        .map(str::to_owned))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_of_a_guise_becomes_a_header() {
        let said = r#"the user "bob" in the groups "a" and "b" with the UID "4711" with the extra "example.com/scopes" of "x" and "y""#;
        let identity: ImpersonatedIdentity = said.parse().expect("it is an identity");
        let headers: Vec<String> = identity
            .headers("ns")
            .iter()
            .map(|(name, value)| format!("{name}: {value}"))
            .collect();
        let expected = [
            "Impersonate-User: bob",
            "Impersonate-Group: a",
            "Impersonate-Group: b",
            "Impersonate-Uid: 4711",
            "Impersonate-Extra-example.com%2Fscopes: x",
            "Impersonate-Extra-example.com%2Fscopes: y",
        ];
        assert_eq!(headers, expected);
        let identity: ImpersonatedIdentity = r#"the service account "deployer""#.parse().expect("it is an identity");
        assert_eq!(
            identity.headers("ns"),
            [("Impersonate-User".to_owned(), "system:serviceaccount:ns:deployer".to_owned())]
        );
        let identity: ImpersonatedIdentity = r#"nobody with the unescaped extra "almost%zz" of "x""#.parse().expect("it is an identity");
        assert_eq!(identity.headers("ns"), [("Impersonate-Extra-almost%zz".to_owned(), "x".to_owned())]);
    }
}
