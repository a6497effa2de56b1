//! An issuer's entry of the user's configuration, and the claims that it uses. The main type is [`Entry`].

use super::authorities::{Bundle, Lines};
use super::expression::{self, Read, Suits};
use super::place::line_of;
use crate::configuration::document::Document;
use crate::explain::flags;
use crate::explain::issuers::{self, Issuer, Mapping, Source as Form};
use crate::trial::Source;
use crate::yaml::{self, Node};

/// An issuer that API servers are configured with.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) issuer: Issuer,
    /// The claims that it uses, in the order of its fields.
    pub(super) uses: Vec<Use>,
    /// `true` if flags name the issuer of the API server's own service accounts.
    pub(super) has_own_issuer: bool,
    /// The number of the entry in the file.
    index: usize,
    /// The file; `None` for flags.
    file: Option<Node>,
}

/// A claim that an entry uses.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Use {
    /// The claim and its value, as far as they are known.
    pub(super) read: Read,
    /// The part of the entry that uses it.
    pub(super) part: Part,
}

/// A part of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// The issuer's URL.
    Url,
    /// The audiences.
    Audiences,
    /// The mapping of the user name.
    UserName,
    /// The mapping of the groups.
    Groups,
    /// The mapping of the UID.
    Uid,
    /// The extra field of this number.
    Extra(usize),
    /// The rule about claims of this number; of flags, the required claim.
    Rule(usize),
    /// The rule about the user of this number.
    UserRule(usize),
}

impl Entry {
    /// Returns the entries of `source`: those of its file, and that of its flags. A text that is not YAML has none.
    pub(super) fn all(source: &Source) -> Vec<Self> {
        let mut entries = Vec::new();
        if let Some(root) = source.authentication.as_deref().and_then(|text| yaml::parse(text).ok()) {
            for (index, node) in root.entry("jwt").map(Node::items).unwrap_or_default().iter().enumerate() {
                let issuer = issuers::of_entry(index, &node.json());
                entries.extend(issuer.map(|issuer| Self::new(issuer, index, Some(root.clone()))));
            }
        }
        let arguments: Vec<String> = source.flags.iter().map(|(name, value)| format!("--{name}={value}")).collect();
        let no_file = |_: &std::path::Path| -> std::io::Result<String> { Err(std::io::ErrorKind::NotFound.into()) };
        entries.extend(flags::issuer(&arguments, &no_file).map(|issuer| Self::new(issuer, 0, None)));
        let has_own_issuer = !flags::service_account_issuers(&arguments).is_empty();
        entries.iter_mut().for_each(|entry| entry.has_own_issuer = has_own_issuer);
        entries
    }

    fn new(issuer: Issuer, index: usize, file: Option<Node>) -> Self {
        let mut entry = Self {
            issuer,
            uses: Vec::new(),
            has_own_issuer: false,
            index,
            file,
        };
        entry.uses = entry.used();
        entry
    }

    fn used(&self) -> Vec<Use> {
        let issuer = &self.issuer;
        let mut uses = Vec::new();
        let claim = |name: &str, suits: Suits, part: Part| Use {
            read: Read {
                path: vec![name.to_owned()],
                suits,
            },
            part,
        };
        for (mapping, part) in [
            (&issuer.username, Part::UserName),
            (&issuer.groups, Part::Groups),
            (&issuer.uid, Part::Uid),
        ] {
            match mapping {
                Mapping::Claim { claim: name, .. } => uses.push(claim(name, Suits::Anything, part)),
                Mapping::Expression(text) => uses.extend(read_by(text, part)),
                Mapping::Unset => {}
            }
        }
        for (name, value) in &issuer.required {
            uses.push(claim(name, Suits::Value(value.as_str().into()), self.rule("claim", name)));
        }
        for (text, _) in &issuer.rules {
            uses.extend(read_by(text, self.rule("expression", text)));
        }
        for (field, text) in &issuer.further {
            let number = field
                .rsplit_once('[')
                .and_then(|(_, number)| number.trim_end_matches(']').parse().ok());
            match number {
                Some(number) if field.contains("extra") => uses.extend(read_by(text, Part::Extra(number))),
                Some(number) => uses.extend(self.read_through_user(text, Part::UserRule(number))),
                None => {}
            }
        }
        uses
    }

    /// Returns the claims that a rule about the user reads, led back through the mappings.
    fn read_through_user(&self, expression: &str, part: Part) -> Vec<Use> {
        let mut uses = Vec::new();
        for Read { path, suits } in expression::reads_of_user(expression) {
            let mapping = match path[0].as_str() {
                "username" => &self.issuer.username,
                "groups" => &self.issuer.groups,
                "uid" => &self.issuer.uid,
                _ => continue,
            };
            match mapping {
                Mapping::Claim { claim, prefix } => uses.push(Read {
                    path: vec![claim.clone()],
                    suits: suits.without(std::slice::from_ref(prefix), &[]),
                }),
                Mapping::Expression(text) => {
                    let added = expression::texts(text);
                    let sources = expression::reads(text).into_iter().filter(|source| !source.is_compared());
                    uses.extend(sources.map(|source| Read {
                        suits: match (suits.clone().without(&added, &added), &source.suits) {
                            // The expression makes a list of a text.
                            (Suits::Member(text), Suits::Text) => Suits::Value(text.into()),
                            (suits, _) => suits,
                        },
                        path: source.path,
                    }));
                }
                Mapping::Unset => {}
            }
        }
        uses.into_iter().map(|read| Use { read, part }).collect()
    }

    /// Returns the rule whose field `name` is `value`.
    pub(super) fn rule(&self, name: &str, value: &str) -> Part {
        let rules = self
            .node()
            .and_then(|node| node.entry("claimValidationRules"))
            .map(Node::items)
            .unwrap_or_default();
        let number = rules.iter().position(|rule| rule.entry(name).and_then(Node::text) == Some(value));
        Part::Rule(number.unwrap_or_default())
    }

    /// Returns the expression of `part`, if it has one.
    pub(super) fn expression(&self, part: Part) -> Option<&str> {
        let mapping = match part {
            Part::UserName => &self.issuer.username,
            Part::Groups => &self.issuer.groups,
            Part::Uid => &self.issuer.uid,
            Part::Rule(_) => {
                let rules = self.issuer.rules.iter().map(|(expression, _)| expression.as_str());
                return rules.into_iter().find(|expression| self.rule("expression", expression) == part);
            }
            Part::Extra(_) | Part::UserRule(_) => {
                let (field, _) = self.place(part);
                let known = self.issuer.further.iter().find(|(known, _)| *known == field);
                return known.map(|(_, expression)| expression.as_str());
            }
            Part::Url | Part::Audiences => return None,
        };
        match mapping {
            Mapping::Expression(text) => Some(text),
            Mapping::Claim { .. } | Mapping::Unset => None,
        }
    }

    fn node(&self) -> Option<&Node> {
        self.file.as_ref()?.entry("jwt")?.items().get(self.index)
    }

    /// Returns the name of `part`, and its line in the user's file.
    pub(super) fn place(&self, part: Part) -> (String, Option<usize>) {
        let field = match (self.issuer.source, part) {
            (Form::Flags, Part::Url) => "--oidc-issuer-url".to_owned(),
            (Form::Flags, Part::Audiences) => "--oidc-client-id".to_owned(),
            (Form::Flags, Part::UserName | Part::Uid | Part::Extra(_) | Part::UserRule(_)) => "--oidc-username-claim".to_owned(),
            (Form::Flags, Part::Groups) => "--oidc-groups-claim".to_owned(),
            (Form::Flags, Part::Rule(_)) => "--oidc-required-claim".to_owned(),
            (Form::File, part) => {
                let field = match part {
                    Part::Url => "issuer.url".to_owned(),
                    Part::Audiences => "issuer.audiences".to_owned(),
                    Part::UserName => "claimMappings.username".to_owned(),
                    Part::Groups => "claimMappings.groups".to_owned(),
                    Part::Uid => "claimMappings.uid".to_owned(),
                    Part::Extra(number) => format!("claimMappings.extra[{number}]"),
                    Part::Rule(number) => format!("claimValidationRules[{number}]"),
                    Part::UserRule(number) => format!("userValidationRules[{number}]"),
                };
                format!("jwt[{}].{field}", self.index)
            }
        };
        let line = self.file.as_ref().and_then(|root| line_of(root, &field));
        (field, line)
    }

    /// Returns the uses of claims by `part`.
    pub(super) fn of_part(&self, part: Part) -> impl Iterator<Item = &Use> {
        self.uses.iter().filter(move |used| used.part == part)
    }

    /// Returns the claims whose values become the result of `part`, each once: not those that it only compares.
    pub(super) fn sources(&self, part: Part) -> Vec<&[String]> {
        let mut sources: Vec<&[String]> = Vec::new();
        for used in self.of_part(part).filter(|used| !used.read.is_compared()) {
            if !sources.contains(&used.read.path.as_slice()) {
                sources.push(&used.read.path);
            }
        }
        sources
    }

    /// Returns each claim that is used, once.
    pub(super) fn paths(&self) -> Vec<&[String]> {
        let mut paths: Vec<&[String]> = Vec::new();
        for used in &self.uses {
            if !paths.contains(&used.read.path.as_slice()) {
                paths.push(&used.read.path);
            }
        }
        paths
    }
}

/// Returns the authorities of the issuers' servers, each a field of `document`.
pub(super) fn bundles(document: &Document) -> Vec<Bundle> {
    let entries = document.root.entry("jwt").map(Node::items).unwrap_or_default().iter().enumerate();
    let of_entry = |(index, entry): (usize, &Node)| {
        let issuer = entry.entry("issuer")?;
        let node = issuer.entry("certificateAuthority")?;
        // With an empty one, the API server's own trust store counts.
        let text = node.text().filter(|text| !text.is_empty())?;
        Some(Bundle {
            field: format!("jwt[{index}].issuer.certificateAuthority"),
            file: None,
            text: text.to_owned(),
            lines: document.lines_before(node).map_or(Lines::In(node.line), Lines::After),
            issuer: issuer.entry("url").and_then(Node::text).map(str::to_owned),
        })
    };
    entries.filter_map(of_entry).collect()
}

fn read_by(expression: &str, part: Part) -> impl Iterator<Item = Use> {
    expression::reads(expression).into_iter().map(move |read| Use { read, part })
}

/// Returns a claim's name as a person writes it: `realm_access.roles`.
pub(super) fn written(path: &[String]) -> String {
    path.join(".")
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
jwt:
- {}
- issuer: {url: https://a.example, audiences: [k]}
  claimMappings:
    username: {expression: 'claims.email_verified ? claims.email : claims.sub'}
    groups: {claim: groups, prefix: ''}
    extra:
    - {key: a.example/t, valueExpression: claims.tenant}
  claimValidationRules:
  - {claim: hd, requiredValue: a.example}
  - expression: claims.level > 2
";

    #[test]
    fn the_claims_of_an_entry_have_the_part_that_uses_them_and_its_line() {
        let source = Source {
            authentication: Some(TEXT.to_owned()),
            ..Source::default()
        };
        let [entry] = &Entry::all(&source)[..] else { panic!() };
        let told: Vec<String> = entry
            .uses
            .iter()
            .map(|used| {
                let (field, line) = entry.place(used.part);
                format!("{} {field} {}", written(&used.read.path), line.unwrap())
            })
            .collect();
        assert_eq!(
            told,
            [
                "email_verified jwt[1].claimMappings.username 5",
                "email jwt[1].claimMappings.username 5",
                "sub jwt[1].claimMappings.username 5",
                "groups jwt[1].claimMappings.groups 6",
                "hd jwt[1].claimValidationRules[0] 10",
                "level jwt[1].claimValidationRules[1] 11",
                "tenant jwt[1].claimMappings.extra[0] 8",
            ]
        );
    }

    #[test]
    fn flags_are_an_entry_without_lines() {
        let flag = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let source = Source {
            flags: vec![
                flag("oidc-issuer-url", "https://a.example"),
                flag("oidc-client-id", "k"),
                flag("oidc-required-claim", "hd=a.example"),
            ],
            ..Source::default()
        };
        let [entry] = &Entry::all(&source)[..] else { panic!() };
        let told: Vec<_> = entry
            .uses
            .iter()
            .map(|used| (written(&used.read.path), entry.place(used.part)))
            .collect();
        assert_eq!(
            told,
            [
                ("sub".to_owned(), ("--oidc-username-claim".to_owned(), None)),
                ("hd".to_owned(), ("--oidc-required-claim".to_owned(), None)),
            ]
        );
    }

    #[test]
    fn rules_about_the_user_lead_back_to_claims() {
        let value = |text: &str| Suits::Value(text.into());
        let member = |text: &str| Suits::Member(text.to_owned());
        for (mappings, rule, expected) in [
            (
                "{username: {claim: sub, prefix: 'a:'}}",
                "user.username == 'a:x'",
                ("sub", value("x")),
            ),
            (
                "{username: {claim: email, prefix: ''}}",
                "user.username.endsWith('@a.example')",
                ("email", value("alice@a.example")),
            ),
            (
                "{username: {expression: '\"a:\" + claims.sub'}}",
                "user.username.startsWith('a:x')",
                ("sub", value("xa")),
            ),
            (
                "{username: {claim: sub, prefix: ''}, groups: {claim: roles, prefix: 'a:'}}",
                "'a:x' in user.groups",
                ("roles", member("x")),
            ),
            (
                "{username: {claim: sub, prefix: ''}, groups: {expression: 'claims.roles.split(\",\").map(r, \"a:\" + r)'}}",
                "user.groups.exists(g, g == 'a:x')",
                ("roles", value("x")),
            ),
        ] {
            let source = Source {
                authentication: Some(format!(
                    "jwt:\n- issuer: {{url: https://a.example, audiences: [k]}}\n  claimMappings: {mappings}\n  \
                     userValidationRules:\n  - expression: \"{rule}\"\n"
                )),
                ..Source::default()
            };
            let entry = Entry::all(&source).remove(0);
            let uses: Vec<_> = entry.of_part(Part::UserRule(0)).collect();
            let [used] = &uses[..] else { panic!("{rule}: {uses:?}") };
            assert_eq!(
                (written(&used.read.path), &used.read.suits),
                (expected.0.to_owned(), &expected.1),
                "{rule}"
            );
        }
    }
}
