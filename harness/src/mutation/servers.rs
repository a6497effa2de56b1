//! Changes of flags and files of API servers, of the controllers, and of objects.

use toml::{Table, Value, toml};

use super::{Change, runs};
use crate::cluster::control_plane::CONTROLLERS;

/// Adds the changes of the API server setting `name`.
pub(super) fn changes(name: &str, setting: &Table, all: &mut Vec<Change>) {
    if !runs(setting) {
        return;
    }
    let table = |table: &Table, part: &str| table.get(part).and_then(Value::as_table).cloned().unwrap_or_default();
    for (flag, value) in table(setting, "flags") {
        of_flag(name, &flag, &value, None, all);
    }
    for (feature, flags) in table(setting, "flags_with") {
        for (flag, value) in flags.as_table().into_iter().flatten() {
            of_flag(name, flag, value, Some(&feature), all);
        }
    }
    for (flag, text) in table(setting, "files") {
        of_file(name, &flag, text.as_str().unwrap_or_default(), all);
    }
}

/// Adds a change of one flag of the setting `place`.
fn flag_change(place: &str, flag: &str, what: String, change: Table, feature: Option<&str>, all: &mut Vec<Change>) {
    let setting = format!("flags.{flag}");
    // A flag that several features add to is dropped with all of it.
    if all
        .iter()
        .any(|other| (&other.setting, other.place.as_str(), &other.what) == (&setting, place, &what))
    {
        return;
    }
    let mut row = toml! { settings = [place] };
    row.extend(change);
    let mut table = Table::from_iter([("api_server".to_owned(), Value::Array(vec![row.into()]))]);
    if let Some(feature) = feature {
        table.insert("requires".to_owned(), vec![feature].into());
    }
    all.push(Change {
        setting,
        place: place.to_owned(),
        what,
        table,
    });
}

fn of_flag(place: &str, flag: &str, value: &Value, feature: Option<&str>, all: &mut Vec<Change>) {
    let value = value.as_str().unwrap_or_default();
    for other in others(value) {
        let flags = Table::from_iter([(flag.to_owned(), Value::from(other.value))]);
        flag_change(place, flag, other.called, toml! { flags = flags }, feature, all);
    }
    flag_change(place, flag, "dropped".to_owned(), toml! { without = [flag] }, feature, all);
}

/// Another value of a flag.
struct Other {
    called: String,
    value: String,
}

/// Returns the values that `value` is changed to.
fn others(value: &str) -> Vec<Other> {
    let as_it_is = |value: &str| Other {
        called: value.to_owned(),
        value: value.to_owned(),
    };
    let parts: Vec<&str> = value.split(',').filter(|part| !part.is_empty()).collect();
    match value {
        "true" => vec![as_it_is("false")],
        "false" => vec![as_it_is("true")],
        _ if value.contains('{') => Vec::new(),
        _ if parts.len() > 1 => (0..parts.len())
            .map(|index| {
                let mut left = parts.clone();
                let gone = left.remove(index);
                Other {
                    called: format!("without {gone}"),
                    value: left.join(","),
                }
            })
            .collect(),
        _ => match (value.strip_suffix("=true"), value.strip_suffix("=false")) {
            (Some(gate), _) => vec![as_it_is(&format!("{gate}=false"))],
            (_, Some(gate)) => vec![as_it_is(&format!("{gate}=true"))],
            (None, None) => vec![as_it_is("mutant")],
        },
    }
}

/// Texts in files that mean something else each in place of the other.
const PAIRS: &[(&str, &str)] = &[
    ("failurePolicy: Deny", "failurePolicy: NoOpinion"),
    ("level: RequestResponse", "level: Metadata"),
    ("level: Request\n", "level: Metadata\n"),
    ("\"readonly\": true", "\"readonly\": false"),
    ("\"namespace\": \"*\"", "\"namespace\": \"kube-system\""),
    ("== 'configmaps'", "!= 'configmaps'"),
    ("{pki}/etcd.crt", "{serving_authority_file}"),
];

fn of_file(place: &str, flag: &str, text: &str, all: &mut Vec<Change>) {
    let mut replace = |what: String, text: &str, with: &str| {
        let replaced = toml! { file = flag
        text = text
        with = with };
        let row = Table::from_iter([("replaced".to_owned(), Value::Array(vec![replaced.into()]))]);
        flag_change(place, flag, what, row, None, all);
    };
    for (one, other) in PAIRS.iter().flat_map(|(one, other)| [(*one, *other), (*other, *one)]) {
        if text.contains(one) {
            let short = |text: &str| text.trim().to_owned();
            // Both say `failurePolicy`, and what follows differs.
            let instead = one.rsplit_once(": ").map_or(one, |(_, instead)| instead);
            replace(format!("{} instead of {}", short(other), short(instead)), one, other);
        }
    }
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        // A line that stands there twice would have two changes of one name, and both would drop both.
        let mut same = text.split_inclusive('\n').filter(|other| other.trim() == line);
        if let (Some(whole), None) = (same.next(), same.next()) {
            replace(format!("without {line}"), whole, "");
        }
    }
}

/// Adds the changes of kube-controller-manager.
pub(super) fn controllers(all: &mut Vec<Change>) {
    let mut push = |setting: &str, what: String, controllers: Table| {
        all.push(Change {
            setting: format!("controllers.{setting}"),
            place: "kube-controller-manager".to_owned(),
            what,
            table: Table::from_iter([("controllers".to_owned(), controllers.into())]),
        });
    };
    for &name in CONTROLLERS {
        push("controllers", format!("without {name}"), toml! { missing = [name] });
    }
    for duration in ["1h", "12h", "8760h"] {
        let flags = toml! { cluster-signing-duration = duration };
        push("cluster-signing-duration", duration.to_owned(), toml! { flags = flags });
    }
}

/// Roles of every cluster.
const ROLES: &[&str] = &[
    "view",
    "edit",
    "admin",
    "cluster-admin",
    "system:auth-delegator",
    "system:node",
    "system:certificates.k8s.io:kube-apiserver-client-approver",
    "system:certificates.k8s.io:certificatesigningrequests:selfnodeclient",
    "system:service-account-issuer-discovery",
    "system:kubelet-api-admin",
];

/// Groups whose members are many.
const GROUPS: &[&str] = &["system:authenticated", "system:unauthenticated", "system:serviceaccounts"];

/// Adds bindings that nobody wrote.
pub(super) fn bindings(all: &mut Vec<Change>) {
    for &role in ROLES {
        for &group in GROUPS {
            let content = toml! {
                metadata = { name = "mutant" }
                subjects = [{ kind = "Group", apiGroup = "rbac.authorization.k8s.io", name = group }]
                roleRef = { apiGroup = "rbac.authorization.k8s.io", kind = "ClusterRole", name = role }
            };
            let object = toml! {
                path = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings"
                content = content
            };
            all.push(Change {
                setting: "objects".to_owned(),
                place: "the cluster".to_owned(),
                what: format!("{role} for {group}"),
                table: Table::from_iter([("objects".to_owned(), Value::Array(vec![object.into()]))]),
            });
        }
    }
}
