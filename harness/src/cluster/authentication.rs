//! The AuthenticationConfiguration file of an API server
//! (KEP-3331; kubernetes/apiserver `pkg/apis/apiserver/types.go`), put together from the pieces in
//! `fixtures/authentication/`.

use include_dir::{Dir, include_dir};
use serde_json::Value;
use toml::Table;

use super::{Behaviours, Minor, Setting, SettingError};
use crate::template::{UnknownPlaceholder, fill_json};
use crate::token_shape::ShapedIssuer;

static PIECES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/fixtures/authentication");

/// The values of the placeholders in fixtures, known once the lab has its ports.
#[derive(Clone, Debug)]
pub struct Placeholders {
    /// The identity provider's issuer URL; empty in a lab without one.
    pub keycloak: String,
    /// The name of the identity provider, which is the prefix of its users and groups.
    pub provider: String,
    /// The base URL of the harness' issuer.
    pub issuer: String,
    /// The CA of the lab's serving certificates, PEM.
    pub serving_authority: String,
    /// The file that holds this CA.
    pub serving_authority_file: String,
    /// The file that tells API servers of the lab's egress.
    pub egress_file: String,
    /// The address of the detour to stand-ins for issuers, `HOST:PORT`.
    pub detour: String,
    /// The URL of the token webhook.
    pub token_webhook: String,
    /// The file that tells API servers of the access webhook.
    pub access_webhook_file: String,
    /// The directory of the lab's certificates and keys.
    pub pki: String,
}

impl Placeholders {
    /// Returns the value of the placeholder `name`.
    pub(super) fn value(&self, name: &str) -> Option<String> {
        let value = match name {
            "keycloak" => &self.keycloak,
            "provider" => &self.provider,
            "issuer" => &self.issuer,
            "serving_authority" => &self.serving_authority,
            "serving_authority_file" => &self.serving_authority_file,
            "egress_file" => &self.egress_file,
            "token_webhook" => &self.token_webhook,
            "access_webhook_file" => &self.access_webhook_file,
            "pki" => &self.pki,
            _ => return None,
        };
        Some(value.clone())
    }

    /// Returns `json` with the placeholders in its strings filled in.
    pub(super) fn fill_json(&self, json: Value) -> Result<Value, UnknownPlaceholder> {
        fill_json(json, &|name| self.value(name))
    }

    #[cfg(test)]
    pub(super) fn example() -> Self {
        Self {
            keycloak: "https://127.0.0.1:1/realms/kubernetes".to_owned(),
            provider: "keycloak".to_owned(),
            issuer: "https://127.0.0.1:2".to_owned(),
            serving_authority: "PEM".to_owned(),
            serving_authority_file: "serving.crt".to_owned(),
            egress_file: "egress.json".to_owned(),
            detour: "127.0.0.1:4".to_owned(),
            token_webhook: "https://127.0.0.1:3/review".to_owned(),
            access_webhook_file: "access-webhook.kubeconfig".to_owned(),
            pki: "pki".to_owned(),
        }
    }
}

/// Returns the pieces as they are written, with their placeholders, each with its name.
pub fn pieces() -> impl Iterator<Item = (&'static str, Table)> {
    tables(&PIECES)
}

/// Returns the files of `folder` that are sound TOML, each with its name.
pub(super) fn tables(folder: &'static Dir<'static>) -> impl Iterator<Item = (&'static str, Table)> {
    folder.files().filter_map(|file| {
        let table = toml::from_str(file.contents_utf8()?).ok()?;
        Some((file.path().file_stem()?.to_str()?, table))
    })
}

/// Returns the file's content for `setting`; `None` when the setting has no such file. JSON, which is YAML too.
pub(super) fn configuration(setting: &Setting, version: Minor, placeholders: &Placeholders) -> Result<Option<Value>, SettingError> {
    if setting.authentication.is_empty() && !setting.token_shapes {
        return Ok(None);
    }
    let api = Behaviours::known()
        .value("authentication_configuration", version)
        .unwrap_or_default();
    let mut jwt = setting
        .pieces(version)
        .map(|piece| issuer(piece, placeholders))
        .collect::<Result<Vec<_>, _>>()?;
    if setting.token_shapes {
        jwt.extend(ShapedIssuer::trusted().filter_map(|issuer| shaped(issuer, placeholders)));
    }
    let mut file = setting.beside_issuers(version);
    file.insert("apiVersion".to_owned(), api.into());
    file.insert("kind".to_owned(), "AuthenticationConfiguration".into());
    file.insert("jwt".to_owned(), jwt.into());
    Ok(Some(file.into()))
}

/// Returns the authenticator that the piece named `piece` describes.
pub(super) fn issuer(piece: &str, placeholders: &Placeholders) -> Result<Value, SettingError> {
    let file = PIECES.get_file(format!("{piece}.toml")).ok_or_else(|| SettingError::Unknown {
        name: piece.to_owned(),
        known: PIECES
            .files()
            .filter_map(|file| Some(file.path().file_stem()?.to_str()?.to_owned()))
            .collect(),
    })?;
    let read: Value = toml::from_str(file.contents_utf8().unwrap_or_default()).map_err(|source| SettingError::Unreadable {
        name: piece.to_owned(),
        source: Box::new(source),
    })?;
    Ok(with_authority(placeholders.fill_json(read)?, placeholders))
}

/// Returns the authenticator for tokens of a shape; the lab's issuer stands in for the provider at the path of that name.
fn shaped(issuer: &ShapedIssuer, placeholders: &Placeholders) -> Option<Value> {
    let discovery_url = format!("{}/{}/.well-known/openid-configuration", placeholders.issuer, issuer.name);
    Some(with_authority(issuer.entry(&discovery_url)?, placeholders))
}

/// Every issuer of the lab presents a certificate signed by the lab's own CA.
fn with_authority(mut authenticator: Value, placeholders: &Placeholders) -> Value {
    if let Some(issuer) = authenticator.get_mut("issuer").and_then(Value::as_object_mut) {
        issuer
            .entry("certificateAuthority")
            .or_insert_with(|| placeholders.serving_authority.clone().into());
    }
    authenticator
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_main_setting_trusts_keycloak_and_the_issuer() {
        let main = Setting::named("main").expect("it is there");
        let file = configuration(&main, Minor(37), &Placeholders::example())
            .expect("sound")
            .expect("it has a file");
        assert_eq!(file["apiVersion"], "apiserver.config.k8s.io/v1");
        assert_eq!(file["jwt"][0]["issuer"]["url"], "https://127.0.0.1:1/realms/kubernetes");
        assert_eq!(file["jwt"][0]["issuer"]["certificateAuthority"], "PEM");
        assert_eq!(file["jwt"][1]["issuer"]["url"], "https://127.0.0.1:2/rs256");
    }

    #[test]
    fn providers_keep_their_urls_and_are_found_at_the_lab() {
        let setting = Setting::named("token_shapes").expect("it is there");
        let file = configuration(&setting, Minor(37), &Placeholders::example())
            .expect("sound")
            .expect("it has a file");
        let entries = file["jwt"].as_array().expect("it is a list");
        // The most that an API server takes (kubernetes/apiserver `pkg/apis/apiserver/validation/validation.go`).
        assert!((18..=64).contains(&entries.len()), "{}", entries.len());
        let github = entries
            .iter()
            .find(|entry| entry["issuer"]["url"] == "https://token.actions.githubusercontent.com");
        let issuer = &github.expect("it is there")["issuer"];
        assert_eq!(
            issuer["discoveryURL"],
            "https://127.0.0.1:2/github-actions/.well-known/openid-configuration"
        );
        assert_eq!(issuer["certificateAuthority"], "PEM");
    }
}
