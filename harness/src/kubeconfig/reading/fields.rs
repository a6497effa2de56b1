//! The fields of a kubeconfig (client-go `tools/clientcmd/api/v1/types.go`), with Go's names for them, which stand in kubectl's messages.
//!
//! The main item is [`CONFIG`].

/// A type of Go with its fields.
#[derive(Debug)]
pub(super) struct Fields {
    /// Go's name.
    pub(super) go: &'static str,
    /// The names of the fields, with what they hold.
    pub(super) fields: &'static [(&'static str, Shape)],
}

/// The type of a field.
#[derive(Clone, Copy, Debug)]
pub(super) enum Shape {
    /// A text; a type of its own has its name in messages.
    Text(&'static str),
    Flag,
    /// Base64.
    Bytes,
    Texts,
    TextMap,
    TextsMap,
    One(&'static Fields),
    Many(&'static Fields),
    Any,
}

const TEXT: Shape = Shape::Text("string");
const EXTENSIONS: Shape = Shape::Many(&EXTENSION);

/// The whole file.
pub(super) static CONFIG: Fields = Fields {
    go: "Config",
    fields: &[
        ("kind", TEXT),
        ("apiVersion", TEXT),
        ("preferences", Shape::One(&PREFERENCES)),
        ("clusters", Shape::Many(&NAMED_CLUSTER)),
        ("users", Shape::Many(&NAMED_USER)),
        ("contexts", Shape::Many(&NAMED_CONTEXT)),
        ("current-context", TEXT),
        ("extensions", EXTENSIONS),
    ],
};

static PREFERENCES: Fields = Fields {
    go: "Preferences",
    fields: &[("colors", Shape::Flag), ("extensions", EXTENSIONS)],
};

static NAMED_CLUSTER: Fields = Fields {
    go: "NamedCluster",
    fields: &[("name", TEXT), ("cluster", Shape::One(&CLUSTER))],
};

static CLUSTER: Fields = Fields {
    go: "Cluster",
    fields: &[
        ("server", TEXT),
        ("tls-server-name", TEXT),
        ("insecure-skip-tls-verify", Shape::Flag),
        ("certificate-authority", TEXT),
        ("certificate-authority-data", Shape::Bytes),
        ("proxy-url", TEXT),
        ("disable-compression", Shape::Flag),
        ("extensions", EXTENSIONS),
    ],
};

static NAMED_USER: Fields = Fields {
    go: "NamedAuthInfo",
    fields: &[("name", TEXT), ("user", Shape::One(&USER))],
};

static USER: Fields = Fields {
    go: "AuthInfo",
    fields: &[
        ("client-certificate", TEXT),
        ("client-certificate-data", Shape::Bytes),
        ("client-key", TEXT),
        ("client-key-data", Shape::Bytes),
        ("token", TEXT),
        ("tokenFile", TEXT),
        ("as", TEXT),
        ("as-uid", TEXT),
        ("as-groups", Shape::Texts),
        ("as-user-extra", Shape::TextsMap),
        ("username", TEXT),
        ("password", TEXT),
        ("auth-provider", Shape::One(&PROVIDER)),
        ("exec", Shape::One(&EXEC)),
        ("extensions", EXTENSIONS),
    ],
};

static NAMED_CONTEXT: Fields = Fields {
    go: "NamedContext",
    fields: &[("name", TEXT), ("context", Shape::One(&CONTEXT))],
};

static CONTEXT: Fields = Fields {
    go: "Context",
    fields: &[("cluster", TEXT), ("user", TEXT), ("namespace", TEXT), ("extensions", EXTENSIONS)],
};

static PROVIDER: Fields = Fields {
    go: "AuthProviderConfig",
    fields: &[("name", TEXT), ("config", Shape::TextMap)],
};

static EXEC: Fields = Fields {
    go: "ExecConfig",
    fields: &[
        ("command", TEXT),
        ("args", Shape::Texts),
        ("env", Shape::Many(&VARIABLE)),
        ("apiVersion", TEXT),
        ("installHint", TEXT),
        ("provideClusterInfo", Shape::Flag),
        ("interactiveMode", Shape::Text("v1.ExecInteractiveMode")),
    ],
};

static VARIABLE: Fields = Fields {
    go: "ExecEnvVar",
    fields: &[("name", TEXT), ("value", TEXT)],
};

static EXTENSION: Fields = Fields {
    go: "NamedExtension",
    fields: &[("name", TEXT), ("extension", Shape::Any)],
};

impl Shape {
    /// Returns Go's name of the type.
    pub(super) fn go(self) -> String {
        match self {
            Self::Text(name) => name.to_owned(),
            Self::Flag => "bool".to_owned(),
            Self::Bytes => "[]uint8".to_owned(),
            Self::Texts => "[]string".to_owned(),
            Self::TextMap => "map[string]string".to_owned(),
            Self::TextsMap => "map[string][]string".to_owned(),
            Self::One(fields) => format!("v1.{}", fields.go),
            Self::Many(fields) => format!("[]v1.{}", fields.go),
            Self::Any => "interface {}".to_owned(),
        }
    }
}

impl Fields {
    /// Returns what the field of that name holds.
    pub(super) fn shape(&self, name: &str) -> Option<Shape> {
        self.fields.iter().find(|(known, _)| *known == name).map(|(_, shape)| *shape)
    }

    /// Returns Go's map of the entries, if two of one name are refused (client-go `api/v1/conversion.go`).
    pub(super) fn go_map(&self) -> Option<&'static str> {
        match self.go {
            "NamedCluster" => Some("map[string]*api.Cluster"),
            "NamedAuthInfo" => Some("map[string]*api.AuthInfo"),
            "NamedContext" => Some("map[string]*api.Context"),
            "NamedExtension" => Some("map[string]runtime.Object"),
            _ => None,
        }
    }

    /// Returns where somebody who wrote the unknown field `name` may have meant to write: the known field, and the field that it is in.
    pub(super) fn meant(&self, name: &str) -> Option<(&'static str, Option<&'static str>)> {
        let plain = |name: &str| name.to_lowercase().replace(['-', '_'], "");
        let wanted = plain(name);
        let others = [
            ("actas", "as"),
            ("impersonate", "as"),
            ("impersonateuser", "as"),
            ("asgroup", "as-groups"),
            ("cadata", "certificate-authority-data"),
            ("cafile", "certificate-authority"),
            ("url", "server"),
            ("insecure", "insecure-skip-tls-verify"),
            ("skiptlsverify", "insecure-skip-tls-verify"),
            ("bearertoken", "token"),
            ("user", "username"),
            ("proxy", "proxy-url"),
        ];
        let similar = |known: &str| {
            let known = plain(known);
            known == wanted || (wanted.len() > 4 && strsim::damerau_levenshtein(&known, &wanted) <= 2)
        };
        let here = self.fields.iter().map(|(known, _)| *known);
        let by_name = here.clone().find(|known| similar(known));
        let by_habit = || {
            let (_, known) = others.iter().find(|(other, _)| *other == wanted)?;
            here.clone().find(|here| here == known)
        };
        if let Some(known) = by_name.or_else(by_habit) {
            return Some((known, None));
        }
        // The field of an entry beside the entry: `{name: u, token: t}`.
        self.fields.iter().find_map(|(inside, shape)| match shape {
            Shape::One(fields) => fields
                .fields
                .iter()
                .find(|(known, _)| *known == name)
                .map(|(known, _)| (*known, Some(*inside))),
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misspelt_fields_are_recognized_and_foreign_ones_are_not() {
        for (name, meant) in [
            ("act-as", Some(("as", None))),
            ("as-group", Some(("as-groups", None))),
            ("token-file", Some(("tokenFile", None))),
            ("Token", Some(("token", None))),
            ("client_key_data", Some(("client-key-data", None))),
            ("client-certifcate", Some(("client-certificate", None))),
            ("note", None),
            ("x-team", None),
        ] {
            assert_eq!(USER.meant(name), meant, "{name}");
        }
        assert_eq!(CLUSTER.meant("certificate-authorty"), Some(("certificate-authority", None)));
        assert_eq!(NAMED_USER.meant("token"), Some(("token", Some("user"))));
        assert_eq!(NAMED_CONTEXT.meant("namespace"), Some(("namespace", Some("context"))));
        assert_eq!(CONFIG.meant("currentContext"), Some(("current-context", None)));
    }
}
