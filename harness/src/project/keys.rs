//! The keys of each table, and where an unknown one may belong. The main type is [`Keys`].

use crate::similar::similar;

/// The keys of one kind of table.
#[derive(Debug)]
pub(super) struct Keys {
    /// The table, as a user writes it.
    pub(super) table: &'static str,
    pub(super) known: &'static [&'static str],
}

pub(super) const TOP: Keys = Keys {
    table: "at the top of the file",
    known: &["api-server", "check", "features", "keycloak", "kubernetes", "manifests", "people"],
};

pub(super) const API_SERVER: Keys = Keys {
    table: "in [api-server]",
    known: &["authentication-configuration", "authorization-configuration", "flags", "from"],
};

pub(super) const KEYCLOAK: Keys = Keys {
    table: "in [keycloak]",
    known: &["issuer", "realm"],
};

pub(super) const FEATURES: Keys = Keys {
    table: "in [features]",
    known: &["paths", "tags"],
};

pub(super) const CHECK: Keys = Keys {
    table: "in [check]",
    known: &["off"],
};

pub(super) const PERSON: Keys = Keys {
    table: "in [people.NAME]",
    known: &[
        "certificate",
        "claims",
        "context",
        "issuer",
        "keycloak",
        "like",
        "service-account",
        "token-file",
        "without",
    ],
};

pub(super) const CERTIFICATE: Keys = Keys {
    table: "in `certificate`",
    known: &["common-name", "organizations"],
};

pub(super) const LOGIN: Keys = Keys {
    table: "in a person's `keycloak`",
    known: &["client", "scopes", "user"],
};

const ALL: [&Keys; 8] = [&TOP, &API_SERVER, &FEATURES, &CHECK, &PERSON, &KEYCLOAK, &CERTIFICATE, &LOGIN];

impl Keys {
    /// Returns the remedy for the unknown key `key`.
    pub(super) fn remedy(&self, key: &str) -> String {
        // A key of the right name in the wrong table: TOML keeps adding to the last table that was named.
        if let Some(other) = ALL.into_iter().find(|keys| keys.known.contains(&key)) {
            return format!("`{key}` belongs {}", other.table);
        }
        match similar(key, self.known.iter().copied(), 1).pop() {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => format!("known {}: {}", self.table, self.known.join(", ")),
        }
    }
}
