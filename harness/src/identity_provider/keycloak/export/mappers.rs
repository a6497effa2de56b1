//! The mappers that write the claims of a client's tokens, as an export has them. The main type is [`Mapper`].

use serde_json::Value;

use super::{RealmExport, list};

/// The mappers of features that are switched off in labs (`fixtures/keycloak/lines.toml`). The other mappers of Keycloak have names that begin alike.
const SWITCHED_OFF: [&str; 2] = ["oidc-organization-membership-mapper", ACR];

const ACR: &str = "oidc-acr-mapper";

/// The mappers that write a claim of their own, whose name is not in their settings (Keycloak's `org.keycloak.protocol.oidc.mappers`).
const OWN_CLAIMS: [(&str, &str); 6] = [
    ("oidc-full-name-mapper", "name"),
    ("oidc-address-mapper", "address"),
    ("oidc-sub-mapper", "sub"),
    ("oidc-sha256-pairwise-sub-mapper", "sub"),
    ("oidc-amr-mapper", "amr"),
    (ACR, "acr"),
];

/// A mapper of a client or of one of its client scopes (Keycloak's `ProtocolMapperRepresentation`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapper {
    /// The mapper's name.
    pub name: String,
    /// The client scope that has it; `None` if the client itself has it.
    pub scope: Option<String>,
    /// `true` if the scope is optional, and is not asked for.
    pub is_left_out: bool,
    /// The claim that it writes; of a nested one, the outermost.
    pub claim: Option<String>,
    /// `true` if it writes the claim into ID tokens.
    pub is_in_id_token: bool,
    /// The kind of mapper, if a lab's Keycloak does not have it: a provider of somebody's own, or one of a feature that is switched off.
    pub unknown_kind: Option<String>,
    /// `true` if it writes groups with their full path: `/team-a`.
    pub has_full_path: bool,
}

impl RealmExport {
    /// Returns the mappers of the client `id`, whose tokens are asked for with `scopes`; `None` if the export does not have them all, because it
    /// leaves client scopes to Keycloak.
    #[must_use]
    pub fn mappers(&self, id: &str, scopes: &[String]) -> Option<Vec<Mapper>> {
        let client = self.client(id)?;
        let mut mappers: Vec<Mapper> = of(client, None, false).collect();
        self.document.get("clientScopes")?;
        let names = |own: &str, realm: &str| -> Vec<String> {
            let listed = client.get(own).or_else(|| self.document.get(realm)).and_then(Value::as_array);
            let texts = listed.into_iter().flatten().filter_map(Value::as_str);
            texts.map(str::to_owned).collect()
        };
        let default = names("defaultClientScopes", "defaultDefaultClientScopes");
        let optional = names("optionalClientScopes", "defaultOptionalClientScopes");
        for scope in list(&self.document, "clientScopes") {
            let Some(name) = scope.get("name").and_then(Value::as_str) else {
                continue;
            };
            let is_default = default.iter().any(|default| default == name);
            let is_left_out = !is_default && !scopes.iter().any(|scope| scope == name);
            // Every realm has this one, for another purpose: its `groups` are roles.
            if is_left_out && name == "microprofile-jwt" {
                continue;
            }
            if is_default || optional.iter().any(|optional| optional == name) {
                mappers.extend(of(scope, Some(name), is_left_out));
            }
        }
        Some(mappers)
    }
}

/// Returns the mappers of a client or a client scope.
fn of<'a>(owner: &'a Value, scope: Option<&'a str>, is_left_out: bool) -> impl Iterator<Item = Mapper> + use<'a> {
    let listed = owner.get("protocolMappers").and_then(Value::as_array).into_iter().flatten();
    listed.map(move |mapper| {
        let config = |name: &str| mapper.get("config").and_then(|config| config.get(name)).and_then(Value::as_str);
        let is_set = |name: &str| config(name) == Some("true");
        let kind = mapper.get("protocolMapper").and_then(Value::as_str).unwrap_or_default();
        Mapper {
            name: mapper.get("name").and_then(Value::as_str).unwrap_or_default().to_owned(),
            scope: scope.map(str::to_owned),
            is_left_out,
            claim: match OWN_CLAIMS.iter().find(|(own, _)| *own == kind) {
                Some((_, claim)) => Some((*claim).to_owned()),
                None => config("claim.name").map(outermost),
            },
            is_in_id_token: is_set("id.token.claim"),
            unknown_kind: Some(kind)
                .filter(|kind| !kind.starts_with("oidc-") || SWITCHED_OFF.contains(kind))
                .map(str::to_owned),
            has_full_path: kind == "oidc-group-membership-mapper" && is_set("full.path"),
        }
    })
}

/// Returns the part of a mapper's claim before the first dot; a dot of a name has a backslash before it (Keycloak's
/// `OIDCAttributeMapperHelper.splitClaimPath`).
fn outermost(claim: &str) -> String {
    let dots = claim.match_indices('.').map(|(at, _)| at);
    let end = dots.into_iter().find(|at| !claim[..*at].ends_with('\\')).unwrap_or(claim.len());
    claim[..end].replace("\\.", ".")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_mapper_is_known_by_the_claim_that_it_writes() {
        for (kind, name, expected, is_known) in [
            ("oidc-usermodel-attribute-mapper", Some("team"), Some("team"), true),
            (
                "oidc-usermodel-realm-role-mapper",
                Some("realm_access.roles"),
                Some("realm_access"),
                true,
            ),
            (
                "oidc-group-membership-mapper",
                Some("https://example\\.com/groups"),
                Some("https://example.com/groups"),
                true,
            ),
            ("oidc-group-membership-mapper", Some("a\\.b.c"), Some("a.b"), true),
            ("oidc-full-name-mapper", None, Some("name"), true),
            ("oidc-sha256-pairwise-sub-mapper", None, Some("sub"), true),
            ("oidc-acr-mapper", None, Some("acr"), false),
            ("oidc-audience-mapper", None, None, true),
            ("script-a.js", Some("team"), Some("team"), false),
        ] {
            let mapper = json!({ "name": "m", "protocolMapper": kind, "config": { "claim.name": name } });
            let client = json!({ "protocolMappers": [mapper] });
            let found: Vec<Mapper> = of(&client, None, false).collect();
            assert_eq!(
                (found[0].claim.as_deref(), found[0].unknown_kind.is_none()),
                (expected, is_known),
                "{kind} {name:?}"
            );
        }
    }
}
