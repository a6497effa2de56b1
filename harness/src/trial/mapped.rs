//! The part of a realm's mappers in an answer: claims that the configuration uses, and that nothing in the realm writes into a token.
//!
//! The main function is [`OwnRealm::notes_on`]. Each note is about a claim that is missing in a real token, and about the export alone, so that it
//! holds whatever the API server said.

use serde_json::{Map, Value};

use super::realm::OwnRealm;
use crate::identity_provider::keycloak::export::{Login, Mapper};

impl OwnRealm {
    /// Returns what the realm has to do with the answer to somebody who got a token with `claims` by `login`.
    pub(super) fn notes_on(&self, login: &Login, claims: &Map<String, Value>) -> Vec<String> {
        let mut notes: Vec<String> = self.audience(login, claims).into_iter().collect();
        let Some(mappers) = self.export.mappers(&login.client, &login.scopes) else {
            return notes;
        };
        for name in &self.claims {
            match claims.get(name) {
                None => notes.push(missing(name, login, &mappers)),
                Some(value) => notes.extend(with_path(name, value, &mappers)),
            }
        }
        notes
    }

    /// Returns a note about a token for none of the audiences of the configuration.
    fn audience(&self, login: &Login, claims: &Map<String, Value>) -> Option<String> {
        let has = texts(claims.get("aud")?);
        if self.audiences.is_empty() || has.iter().any(|audience| self.audiences.iter().any(|known| known == audience)) {
            return None;
        }
        Some(format!(
            "the token is for {}, and the configuration expects {}: log in with another client, or add a mapper of the type Audience to the \
             client `{}`, for ID tokens",
            has.join(" and "),
            self.audiences.join(" or "),
            login.client
        ))
    }
}

/// Returns why a token lacks the claim `name`.
fn missing(name: &str, login: &Login, mappers: &[Mapper]) -> String {
    let of = |mapper: &Mapper| match &mapper.scope {
        Some(scope) => format!("the mapper `{}` of the client scope `{scope}`", mapper.name),
        None => format!("the mapper `{}` of the client `{}`", mapper.name, login.client),
    };
    let writing: Vec<&Mapper> = mappers.iter().filter(|mapper| mapper.claim.as_deref() == Some(name)).collect();
    let Some(first) = writing.first() else {
        let kind = match name {
            "groups" => ", such as one of the type Group Membership",
            _ => "",
        };
        return format!(
            "the token has no claim `{name}`: neither the client `{}` nor one of its client scopes has a mapper for it (add one{kind}, for ID tokens)",
            login.client
        );
    };
    if let Some((unknown, kind)) = writing.iter().find_map(|mapper| Some((mapper, mapper.unknown_kind.as_ref()?))) {
        return format!(
            "the token has no claim `{name}`: {} is of the kind {kind}, which the lab's Keycloak does not have",
            of(unknown)
        );
    }
    if let Some(meant) = writing.iter().find(|mapper| !mapper.is_left_out && mapper.is_in_id_token) {
        return format!(
            "the token has no claim `{name}`: {} found nothing to write about {}",
            of(meant),
            login.user
        );
    }
    if let Some(outside) = writing.iter().find(|mapper| !mapper.is_left_out) {
        return format!("the token has no claim `{name}`: {} does not add it to ID tokens", of(outside));
    }
    let scope = first.scope.as_deref().unwrap_or_default();
    format!(
        "the token has no claim `{name}`: {} is optional, and the login does not ask for it (scopes = [\"{scope}\"])",
        of(first)
    )
}

/// Returns a note about groups with their full path.
fn with_path(name: &str, value: &Value, mappers: &[Mapper]) -> Option<String> {
    let group = texts(value).into_iter().find(|group| group.starts_with('/'))?;
    let mapper = mappers
        .iter()
        .find(|mapper| mapper.has_full_path && mapper.claim.as_deref() == Some(name))?;
    Some(format!(
        "groups have their full path (`{group}`), because of Full group path in the mapper `{}`: bindings name them so",
        mapper.name
    ))
}

/// Returns a text, or the texts of a list.
fn texts(value: &Value) -> Vec<String> {
    let one = value.as_str().into_iter();
    let all = value.as_array().into_iter().flatten().filter_map(Value::as_str);
    one.chain(all).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn mapper(name: &str, scope: Option<&str>, is_left_out: bool, is_in_id_token: bool) -> Mapper {
        Mapper {
            name: name.to_owned(),
            scope: scope.map(str::to_owned),
            is_left_out,
            claim: Some("groups".to_owned()),
            is_in_id_token,
            unknown_kind: None,
            has_full_path: true,
        }
    }

    #[test]
    fn the_mapper_is_named_that_leaves_a_claim_out() {
        let login = Login {
            user: "erin".to_owned(),
            client: "kubernetes".to_owned(),
            scopes: Vec::new(),
        };
        let optional = mapper("m", Some("s"), true, true);
        let own = Mapper {
            unknown_kind: Some("script-a.js".to_owned()),
            ..mapper("m", None, false, true)
        };
        for (mappers, expected) in [
            (
                vec![],
                "neither the client `kubernetes` nor one of its client scopes has a mapper for it (add one, such as one of the type Group Membership",
            ),
            (
                vec![optional.clone()],
                "the mapper `m` of the client scope `s` is optional, and the login does not ask for it (scopes = [\"s\"])",
            ),
            (
                vec![mapper("m", None, false, false), optional.clone()],
                "the mapper `m` of the client `kubernetes` does not add it to ID tokens",
            ),
            (vec![own], "is of the kind script-a.js, which the lab's Keycloak does not have"),
            (
                vec![optional, mapper("n", None, false, true)],
                "the mapper `n` of the client `kubernetes` found nothing to write about erin",
            ),
        ] {
            let told = missing("groups", &login, &mappers);
            assert!(
                told.starts_with("the token has no claim `groups`: ") && told.contains(expected),
                "{told}"
            );
        }
    }

    #[test]
    fn a_full_path_is_noted_where_a_mapper_wrote_it() {
        let mappers = [mapper("m", None, false, true)];
        assert!(with_path("groups", &json!(["/team-a"]), &mappers).is_some_and(|note| note.contains("`/team-a`")));
        assert_eq!(with_path("groups", &json!(["team-a"]), &mappers), None);
        assert_eq!(with_path("picture", &json!("/me.png"), &mappers), None);
    }
}
