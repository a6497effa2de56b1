//! kOps' `Cluster`: `spec.kubeAPIServer`, whose fields are flags in camel case, `spec.authentication.oidc`, and `spec.fileAssets`
//! (kops `pkg/apis/kops/componentconfig.go`, `cluster.go`). The main function is [`read`].

use super::reading::{Reading, at, entries, scalar, text_at};
use crate::configuration::flags;
use crate::yaml::{Content, Node, base64};

/// Fields of `spec.authentication.oidc`, with their flags.
const OIDC: &[(&str, &str)] = &[
    ("issuerURL", "oidc-issuer-url"),
    ("clientID", "oidc-client-id"),
    ("usernameClaim", "oidc-username-claim"),
    ("usernamePrefix", "oidc-username-prefix"),
    ("groupsClaims", "oidc-groups-claim"),
    ("groupsPrefix", "oidc-groups-prefix"),
    ("requiredClaims", "oidc-required-claim"),
];

/// Fields of `spec.kubeAPIServer` whose flags have other words.
const OTHERS: &[(&str, &str)] = &[
    ("authenticationConfigFile", "authentication-config"),
    ("authorizationConfigFile", "authorization-config"),
    ("serviceAccountJWKSURI", "service-account-jwks-uri"),
];

/// Reads a Cluster.
pub(super) fn read(reading: &mut Reading<'_>, root: &Node) {
    for (field, value) in at(root, "spec.kubeAPIServer").map(entries).unwrap_or_default() {
        let name = OTHERS
            .iter()
            .find(|(other, _)| other == field)
            .map_or_else(|| flag(field), |(_, flag)| (*flag).to_owned());
        // Other fields are kOps' own, such as the image.
        if flags::known(&name).is_some() {
            reading.flag_with(&name, value);
        }
    }
    for (field, flag) in OIDC {
        let Some(value) = at(root, "spec.authentication.oidc").and_then(|oidc| oidc.entry(field)) else {
            continue;
        };
        match &value.content {
            Content::Map { entries, .. } => {
                for (claim, wanted) in entries {
                    reading.flag(flag, format!("{claim}={}", scalar(wanted).unwrap_or_default()), wanted);
                }
            }
            Content::List(items) => {
                let items: Vec<String> = items.iter().filter_map(scalar).collect();
                reading.flag(flag, items.join(","), value);
            }
            _ => reading.flag(flag, scalar(value).unwrap_or_default(), value),
        }
    }
    for asset in at(root, "spec.fileAssets").map(Node::items).unwrap_or_default() {
        let (Some(path), Some(content)) = (text_at(asset, "path"), asset.entry("content")) else {
            continue;
        };
        let is_base64 = matches!(asset.entry("isBase64").map(|node| &node.content), Some(Content::Bool(true)));
        match content.text().filter(|_| is_base64).map(|text| base64(text.trim())) {
            None => reading.file(path, content),
            Some(Ok(bytes)) => reading.file_with(path, String::from_utf8_lossy(&bytes).into_owned(), content),
            Some(Err(why)) => reading.note(content, &format!("the content of {path} is no base64: {why}"), None),
        }
    }
}

/// Returns the flag of a field in camel case: `oidcCAFile` is `oidc-ca-file`.
fn flag(field: &str) -> String {
    let letters: Vec<char> = field.chars().collect();
    let mut flag = String::new();
    for (index, letter) in letters.iter().enumerate() {
        let is_after_small = index > 0 && !letters[index - 1].is_uppercase();
        let is_before_small = letters.get(index + 1).is_some_and(|next| next.is_lowercase());
        if index > 0 && letter.is_uppercase() && (is_after_small || is_before_small) {
            flag.push('-');
        }
        flag.extend(letter.to_lowercase());
    }
    flag
}

#[cfg(test)]
mod tests {
    #[test]
    fn fields_in_camel_case_are_flags() {
        for (field, expected) in [
            ("oidcIssuerURL", "oidc-issuer-url"),
            ("oidcCAFile", "oidc-ca-file"),
            ("oidcClientID", "oidc-client-id"),
            ("anonymousAuth", "anonymous-auth"),
            ("clientCAFile", "client-ca-file"),
            ("authenticationTokenWebhookConfigFile", "authentication-token-webhook-config-file"),
            ("v", "v"),
        ] {
            assert_eq!(super::flag(field), expected);
        }
    }
}
