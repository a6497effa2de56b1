//! Judging an entry by the server's answers to many tokens. The main function is [`judge`], which asks nothing.

use serde_json::{Map, Value};

use super::answer::{accepted_as, answered, is_about_groups, reason};
use super::entry::{Entry, Part, written};
use super::finding::Finding;
use super::probe::{Aim, GROUPS, NAMES, Probe, Unusual};
use super::rules::{self, Rule};
use super::sound::value_at;
use crate::explain::issuers::{Mapping, Source as Form};
use crate::trial::{Identified, Outcome};

/// The beginning of names of Kubernetes' own.
const SYSTEM: &str = "system:";

/// The group of everybody who is authenticated, which the API server adds itself.
const AUTHENTICATED: &str = "system:authenticated";

/// Claims that are booleans by their standard (OpenID Connect Core 1.0 §5.1).
const BOOLEANS: [&str; 2] = ["email_verified", "phone_number_verified"];

/// Claims that their provider sends as the texts `true` and `false` (docs.gitlab.com `ci/secrets/id_token_authentication`).
const TEXTS: [&str; 2] = ["ref_protected", "environment_protected"];

/// A token, and the server's answer.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) probe: Probe,
    pub(super) outcome: Outcome,
}

impl Asked {
    fn user(&self) -> Option<&Identified> {
        self.outcome.identified()
    }

    fn is_refused(&self) -> bool {
        self.user().is_none()
    }

    fn reason(&self) -> &str {
        reason(&self.outcome)
    }
}

/// A token that an entry accepts.
#[derive(Clone, Debug)]
pub(super) struct Sound {
    pub(super) claims: Map<String, Value>,
    pub(super) user: Identified,
}

/// Returns what the answers `asked` about tokens like `sound` show about `entry`.
pub(super) fn judge(entry: &Entry, sound: &Sound, asked: &[Asked]) -> Vec<Finding> {
    let mut findings: Vec<Finding> = asked.iter().filter_map(|asked| of_one(entry, sound, asked)).collect();
    findings.extend(system_names(entry, sound, asked));
    findings.extend(system_groups(entry, sound, asked));
    if !findings.iter().any(|finding| *finding.rule == rules::SYSTEM_NAME) {
        findings.extend(no_prefix(entry, sound));
    }
    findings.extend(dashes(entry, sound));
    let url = &entry.issuer.url;
    findings.into_iter().map(|finding| finding.of_issuer(url)).collect()
}

/// Returns what one answer shows by itself.
fn of_one(entry: &Entry, sound: &Sound, asked: &Asked) -> Option<Finding> {
    let found = |rule: &'static Rule, part: Part, message: String| {
        let proved = Finding::new(rule, message).proved(&asked.probe.what, answered(&asked.outcome));
        proved.at(entry.place(part))
    };
    match &asked.probe.aim {
        &Aim::Never(rule) if !asked.is_refused() => Some(found(rule, Part::Url, format!("{} is accepted", asked.probe.what))),
        Aim::Email(verified) => {
            let email = value_at(&sound.claims, &["email".to_owned()])?.as_str()?;
            asked.user().filter(|user| user.user.contains(email))?;
            Some(match verified {
                Some(_) => found(
                    &rules::UNVERIFIED_EMAIL,
                    Part::UserName,
                    "an email address that is not verified becomes the user name".to_owned(),
                )
                .change("demand it: `claims.email_verified == true ? claims.email : …`, or a rule with `claims.email_verified == true`"),
                None => found(
                    &rules::UNKNOWN_EMAIL,
                    Part::UserName,
                    "a token without email_verified is accepted by its email address".to_owned(),
                )
                .change("demand it, if your provider sends it: a rule with `claims.?email_verified.orValue(false) == true`"),
            })
        }
        Aim::AnyValue(part, claim) if asked.is_refused() => Some(
            found(
                &rules::RULE_WITHOUT_VALUE,
                *part,
                "a rule with a claim and without a value demands the empty text, which no provider sends".to_owned(),
            )
            .change(format!(
                "name the value (`requiredValue`), or demand only that there is one: `expression: has(claims.{claim})`"
            )),
        ),
        Aim::Boolean(part, claim) if asked.is_refused() && !TEXTS.contains(&claim.as_str()) => Some(text_of_boolean(
            entry,
            *part,
            claim,
            (asked.probe.what.as_str(), &asked.outcome),
            "only the text is accepted",
        )),
        Aim::List(part, claim) if asked.reason().contains("cannot unmarshal array") => {
            Some(text_of_list(entry, *part, claim, (asked.probe.what.as_str(), &asked.outcome)))
        }
        // A rule may refuse them on purpose; nobody means to run out of CEL's budget.
        Aim::ManyGroups if asked.is_refused() && (is_about_groups(asked.reason()) || asked.reason().contains("cost")) => Some(found(
            &rules::MANY_GROUPS,
            Part::Groups,
            "a token with 1,000 groups is refused".to_owned(),
        )),
        Aim::Claim(path, unusual) => unusual_claim(entry, (path.as_slice(), value_at(&sound.claims, path)), *unusual, asked, &found),
        _ => None,
    }
}

/// Returns the finding about a rule that demands the text of a boolean.
pub(super) fn text_of_boolean(entry: &Entry, part: Part, claim: &str, (what, outcome): (&str, &Outcome), why: &str) -> Finding {
    let is_boolean = BOOLEANS.contains(&claim);
    let (rule, sent) = match is_boolean {
        true => (&rules::TEXT_OF_BOOLEAN, "providers send a boolean"),
        false => (&rules::MAYBE_BOOLEAN, "a boolean is refused, should your provider send one"),
    };
    let change = match entry.issuer.source {
        Form::File => format!("use an expression: `claims.?{claim}.orValue(false) == true`"),
        Form::Flags => "no flag can demand a boolean: use an AuthenticationConfiguration with an expression".to_owned(),
    };
    Finding::new(rule, format!("the rule about {claim} demands a text: {why}, and {sent}"))
        .at(entry.place(part))
        .proved(what, answered(outcome))
        .change(change)
}

/// Returns the finding about a rule that demands the text of a list.
pub(super) fn text_of_list(entry: &Entry, part: Part, claim: &str, (what, outcome): (&str, &Outcome)) -> Finding {
    let value = entry.issuer.required.iter().find(|(known, _)| known == claim);
    let value = value.map_or("", |(_, value)| value.as_str());
    let claims = plain(&[claim.to_owned()]);
    let change = match entry.issuer.source {
        Form::File => format!("use an expression: `{value:?} in {claims}`"),
        Form::Flags => {
            format!("no flag can demand one of a list: use an AuthenticationConfiguration with the rule `{value:?} in {claims}`")
        }
    };
    let message = format!("the rule about {claim} demands a text, and a token with a list is refused, as providers send it");
    Finding::new(&rules::TEXT_OF_LIST, message)
        .at(entry.place(part))
        .proved(what, answered(outcome))
        .change(change)
}

fn is_identifier(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// Returns the expression of the claim at `path` that does not fail without it.
fn optional(path: &[String]) -> String {
    path.iter().fold("claims".to_owned(), |expression, name| {
        if is_identifier(name) {
            format!("{expression}.?{name}")
        } else {
            format!("{expression}[?{name:?}]")
        }
    })
}

/// Returns the expression of the claim at `path`.
fn plain(path: &[String]) -> String {
    path.iter().fold("claims".to_owned(), |expression, name| {
        if is_identifier(name) {
            format!("{expression}.{name}")
        } else {
            format!("{expression}[{name:?}]")
        }
    })
}

/// Returns the change by which `part` of `entry` gives `nothing`, a literal, for a token without the claim at `path`.
///
/// An expression that is more than the claim may not compile with a default in it, for the types of its parts: then words say what to do.
fn without_claim(entry: &Entry, part: Part, path: &[String], (nothing, in_words): (&str, &str)) -> String {
    let claim = optional(path);
    match entry.expression(part) {
        None => format!("write an expression with a default: `{claim}.orValue({nothing})`"),
        Some(text) if text.trim().replace('\'', "\"") == plain(path) => format!("give a default: `{claim}.orValue({nothing})`"),
        Some(_) => format!("let the expression give {in_words} without the claim: `{claim}.hasValue()` tells whether the token has it"),
    }
}

fn unusual_claim(
    entry: &Entry,
    (path, value): (&[String], Option<&Value>),
    unusual: Unusual,
    asked: &Asked,
    found: &dyn Fn(&'static Rule, Part, String) -> Finding,
) -> Option<Finding> {
    let name = written(path);
    let parts: Vec<Part> = entry
        .uses
        .iter()
        .filter(|used| used.read.path == path)
        .map(|used| used.part)
        .collect();
    let is_about_groups = parts.contains(&Part::Groups) && is_about_groups(asked.reason());
    // A text such as a repository's name is in every token of its issuer.
    let may_lack = value.is_some_and(Value::is_array) || ["group", "role"].iter().any(|word| name.to_lowercase().contains(word));
    match unusual {
        Unusual::Missing if is_about_groups && may_lack => {
            let message = format!("a token without the claim {name} is refused, as that of somebody without groups may be");
            Some(found(&rules::MISSING_GROUPS, Part::Groups, message).change(without_claim(entry, Part::Groups, path, ("[]", "no groups"))))
        }
        Unusual::Missing if asked.is_refused() => {
            let fills = |part: &Part| matches!(part, Part::Uid | Part::Extra(_));
            let part = parts.iter().copied().find(fills).filter(|_| parts.iter().all(fills))?;
            let message = format!("a token without the claim {name} is refused, which is used for nothing but this field");
            Some(found(&rules::MISSING_CLAIM, part, message).change(without_claim(entry, part, path, ("\"\"", "an empty text"))))
        }
        Unusual::Type("a boolean") if asked.is_refused() && value.is_some_and(Value::is_string) && BOOLEANS.contains(&name.as_str()) => {
            // A rule with a required value has a finding of its own.
            let is_required = entry.issuer.required.iter().any(|(claim, _)| *claim == name);
            let part = *parts.first().filter(|_| !is_required)?;
            let message = format!("{name} is taken for a text, and providers send a boolean: a token that has one is refused");
            let change = format!("compare it with `true`, as in `claims.?{name}.orValue(false) == true`, or write `string(claims.{name})`");
            Some(found(&rules::TEXT_OF_BOOLEAN, part, message).change(change))
        }
        Unusual::Type("a text") if is_about_groups => {
            let message = format!("a token whose claim {name} is a single text is refused, which some providers send for one group");
            Some(found(&rules::TEXT_GROUPS, Part::Groups, message))
        }
        Unusual::Empty if parts.contains(&Part::UserName) => {
            let prefix = match &entry.issuer.username {
                Mapping::Claim { prefix, .. } => prefix.as_str(),
                _ => "",
            };
            let user = asked.user().filter(|user| user.user == prefix)?;
            let message = format!("a token whose claim {name} is empty is accepted as {:?}", user.user);
            Some(found(&rules::EMPTY_NAME, Part::UserName, message).change("demand a name: a rule `claims.NAME != \"\"`"))
        }
        _ => None,
    }
}

/// Returns `true` for a name of Kubernetes' own. An email address is not one, whatever it begins with.
fn is_system(name: &str) -> bool {
    name.starts_with(SYSTEM) && !name.contains('@')
}

/// Returns each user that a token made its holder, with the token in words: the sound one first, then those that were asked for the `aim`.
fn users<'a>(sound: &'a Sound, asked: &'a [Asked], aim: &Aim) -> Vec<(&'a str, &'a Identified)> {
    let accepted = asked.iter().filter_map(|asked| Some((asked, asked.user()?)));
    let mut accepted: Vec<(&Asked, &Identified)> = accepted.collect();
    accepted.sort_by_key(|(asked, _)| asked.probe.aim != *aim);
    let others = accepted.into_iter().map(|(asked, user)| (asked.probe.what.as_str(), user));
    std::iter::once(("a sound token", &sound.user)).chain(others).collect()
}

/// Returns `true` if the expression of a mapping has a name of Kubernetes' own itself.
fn names_system(mapping: &Mapping) -> bool {
    matches!(mapping, Mapping::Expression(text) if text.contains(SYSTEM))
}

fn system_names(entry: &Entry, sound: &Sound, asked: &[Asked]) -> Option<Finding> {
    let users = users(sound, asked, &Aim::SystemName).into_iter();
    let had: Vec<(&str, &Identified)> = users.filter(|(_, user)| is_system(&user.user)).collect();
    let (what, user) = *had.first()?;
    let names = had.iter().map(|(_, user)| user.user.as_str());
    let change = match (entry.issuer.source, &entry.issuer.username) {
        (Form::Flags, _) => "set --oidc-username-prefix to a prefix of your own, such as `oidc:`",
        (_, mapping) if names_system(mapping) => "write a prefix of your own in place of `system:`, such as `oidc:`",
        (_, Mapping::Expression(_)) => {
            "put a prefix before it (`\"oidc:\" + …`), or add to userValidationRules: `!user.username.startsWith('system:')`"
        }
        _ => "set `prefix` to one of your own, such as `oidc:`, or add to userValidationRules: `!user.username.startsWith('system:')`",
    };
    Some(
        Finding::new(
            &rules::SYSTEM_NAME,
            format!("a token can make its holder {}", listed(names, &NAMES)),
        )
        .at(entry.place(Part::UserName))
        .proved(what, accepted_as(user))
        .change(change),
    )
}

fn system_groups(entry: &Entry, sound: &Sound, asked: &[Asked]) -> Option<Finding> {
    let is_system = |group: &&str| group.starts_with(SYSTEM) && *group != AUTHENTICATED;
    let users = users(sound, asked, &Aim::SystemGroup).into_iter();
    let had: Vec<(&str, &Identified)> = users
        .filter(|(_, user)| user.groups.iter().any(|group| is_system(&group.as_str())))
        .collect();
    let (what, user) = *had.first()?;
    let groups = had
        .iter()
        .flat_map(|(_, user)| user.groups.iter().map(String::as_str))
        .filter(is_system);
    let change = match (entry.issuer.source, &entry.issuer.groups) {
        (Form::Flags, _) => "set --oidc-groups-prefix to a prefix of your own, such as `oidc:`",
        (_, mapping) if names_system(mapping) => {
            "write groups of your own, such as `oidc:admins`, and bind them to roles: RBAC never refuses system:masters"
        }
        (_, Mapping::Expression(_)) => {
            "put a prefix before each (`dyn(claims.groups).map(g, \"oidc:\" + g)`), or add to userValidationRules: `user.groups.all(g, !g.startsWith('system:'))`"
        }
        _ => {
            "set `prefix` to one of your own, such as `oidc:`, or add to userValidationRules: `user.groups.all(g, !g.startsWith('system:'))`"
        }
    };
    Some(
        Finding::new(
            &rules::SYSTEM_GROUP,
            format!("a token can put its holder into {}", listed(groups, &GROUPS)),
        )
        .at(entry.place(Part::Groups))
        .proved(what, accepted_as(user))
        .change(change),
    )
}

/// Finds a user name that is a claim or a part of it alone, as the common name of a certificate is. Email addresses stay without a prefix by
/// default.
fn no_prefix(entry: &Entry, sound: &Sound) -> Option<Finding> {
    let name = &sound.user.user;
    let is_plain = !name.contains(|c: char| !c.is_alphanumeric() && !"-_.".contains(c));
    let is_claim = |path: &[String]| match value_at(&sound.claims, path) {
        // A part of it, such as an address without its domain.
        Some(Value::String(value)) if is_plain && !name.is_empty() => value.to_lowercase().contains(&name.to_lowercase()),
        Some(value) => value == name,
        // The token's own.
        None => name == "alice",
    };
    let bare = entry.of_part(Part::UserName).any(|used| is_claim(&used.read.path));
    (bare && !name.contains('@')).then(|| {
        Finding::new(
            &rules::NO_PREFIX,
            "the user name is the claim or a part of it alone: a client certificate or another issuer can name the same user",
        )
        .at(entry.place(Part::UserName))
        .proved("a sound token", accepted_as(&sound.user))
        .change(match (entry.issuer.source, &entry.issuer.username) {
            (Form::Flags, _) => "set --oidc-username-prefix",
            (_, Mapping::Expression(_)) => "put a prefix before it: `\"oidc:\" + …`",
            _ => "set `prefix`, for example to `oidc:`",
        })
    })
}

fn dashes(entry: &Entry, sound: &Sound) -> Vec<Finding> {
    let is_dash = |mapping: &Mapping| matches!(mapping, Mapping::Claim { prefix, .. } if prefix == "-");
    let change = match entry.issuer.source {
        Form::File => "write `prefix: \"\"` for none: a dash means that only in a flag",
        Form::Flags => "leave --oidc-groups-prefix out for none: only --oidc-username-prefix knows a dash",
    };
    let found = |part: Part, seen: &str| {
        let message = format!("the prefix is a dash, so the name is {seen:?}");
        Finding::new(&rules::DASH_PREFIX, message)
            .at(entry.place(part))
            .proved("a sound token", accepted_as(&sound.user))
            .change(change)
    };
    let mut findings = Vec::new();
    if is_dash(&entry.issuer.username) && sound.user.user.starts_with('-') {
        findings.push(found(Part::UserName, &sound.user.user));
    }
    if let Some(group) = sound.user.groups.iter().find(|group| group.starts_with('-'))
        && is_dash(&entry.issuer.groups)
    {
        findings.push(found(Part::Groups, group));
    }
    findings
}

/// Returns the findings about users that two entries name alike.
pub(super) fn same_names(entries: &[(&Entry, &Sound)]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (index, (entry, sound)) in entries.iter().enumerate() {
        let earlier = entries[..index].iter().find(|(_, other)| other.user.user == sound.user.user);
        findings.extend(earlier.map(|(other, _)| {
            let message = format!(
                "{} and {} can name the same user, who is one person to RBAC",
                other.issuer.url, entry.issuer.url
            );
            Finding::new(&rules::SAME_NAME, message)
                .at(entry.place(Part::UserName))
                .of_issuer(&entry.issuer.url)
                .proved("a sound token of each issuer", accepted_as(&sound.user))
                .change("give each issuer a prefix of its own")
        }));
    }
    findings
}

/// The number of names that a message lists.
const LISTED: usize = 4;

/// Returns the first of `names`, each once: those that are `known` come before those that are like them.
fn listed<'a>(names: impl Iterator<Item = &'a str>, known: &[&str]) -> String {
    let mut first: Vec<&str> = Vec::new();
    for name in names {
        if !first.contains(&name) {
            first.push(name);
        }
    }
    first.sort_by_key(|name| !known.contains(name));
    first.truncate(LISTED);
    match &first[..] {
        [] => String::new(),
        [only] => (*only).to_owned(),
        [others @ .., last] => format!("{} or {last}", others.join(", ")),
    }
}
