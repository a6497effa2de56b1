//! The issuers of an AuthenticationConfiguration (kubernetes/apiserver `pkg/apis/apiserver/v1/types.go`).
//!
//! The main function is [`of_configuration`].

use serde_json::Value;

use super::{ALGORITHMS, Issuer, Mapping, Source};

/// Parses the issuers of an AuthenticationConfiguration.
///
/// # Errors
/// The text is not a valid configuration; the error says why.
pub fn of_configuration(text: &str) -> Result<Vec<Issuer>, String> {
    let file: Value = serde_saphyr::from_str(text).map_err(|_| "it is not YAML".to_owned())?;
    if file.get("kind").and_then(Value::as_str) != Some("AuthenticationConfiguration") {
        return Err("it is not an AuthenticationConfiguration".to_owned());
    }
    let jwts = file.get("jwt").and_then(Value::as_array).into_iter().flatten();
    Ok(jwts.enumerate().filter_map(|(index, jwt)| of_entry(index, jwt)).collect())
}

/// Returns the issuer of `jwt`, the entry of this `index` in the list of an AuthenticationConfiguration; `None` if it names no URL.
#[must_use]
pub fn of_entry(index: usize, jwt: &Value) -> Option<Issuer> {
    let issuer = jwt.get("issuer")?;
    let text = |value: &Value, name: &str| {
        let text = value.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        text.map(str::to_owned)
    };
    let list = |value: &Value, path: &str| value.pointer(path).and_then(Value::as_array).cloned().unwrap_or_default();
    let audiences = list(issuer, "/audiences");
    let rules = list(jwt, "/claimValidationRules");
    let expression = |rule: &Value| Some((text(rule, "expression")?, text(rule, "message").unwrap_or_default()));
    let further = [("claimMappings/extra", "valueExpression"), ("userValidationRules", "expression")];
    let further = further.iter().flat_map(|(path, field)| {
        let rules = list(jwt, &format!("/{path}")).into_iter().enumerate();
        let path = format!("jwt[{index}].{}", path.replace('/', "."));
        rules.filter_map(move |(rule, value)| Some((format!("{path}[{rule}]"), text(&value, field)?)))
    });
    Some(Issuer {
        url: text(issuer, "url")?,
        discovery: text(issuer, "discoveryURL"),
        audiences: audiences.iter().filter_map(|one| one.as_str().map(str::to_owned)).collect(),
        authority: text(issuer, "certificateAuthority"),
        username: mapping(jwt, "username"),
        groups: mapping(jwt, "groups"),
        uid: mapping(jwt, "uid"),
        required: rules
            .iter()
            .filter_map(|rule| Some((text(rule, "claim")?, text(rule, "requiredValue").unwrap_or_default())))
            .collect(),
        rules: rules.iter().filter_map(expression).collect(),
        further: further.collect(),
        algorithms: ALGORITHMS.iter().map(|name| (*name).to_owned()).collect(),
        source: Source::File,
    })
}

fn mapping(jwt: &Value, name: &str) -> Mapping {
    let text = |field: &str| {
        let text = jwt.pointer(&format!("/claimMappings/{name}/{field}")).and_then(Value::as_str);
        text.filter(|text| !text.is_empty()).map(str::to_owned)
    };
    match (text("claim"), text("expression")) {
        (Some(claim), _) => Mapping::Claim {
            claim,
            prefix: text("prefix").unwrap_or_default(),
        },
        (None, Some(expression)) => Mapping::Expression(expression),
        (None, None) => Mapping::Unset,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_is_read_as_the_server_reads_it() {
        let text = "kind: AuthenticationConfiguration\njwt:\n- issuer: {url: https://a.test, audiences: [k]}\n  \
            claimValidationRules: [{claim: hd, requiredValue: a.test}, {expression: 'claims.x == 1', message: wrong}]\n  \
            userValidationRules: [{expression: '!user.username.startsWith(\"system:\")'}]\n  \
            claimMappings: {username: {claim: email, prefix: 'a:'}, groups: {expression: claims.g}, uid: {claim: oid}}\n";
        let issuers = of_configuration(text).expect("it is sound");
        let [issuer] = &issuers[..] else { panic!("{issuers:?}") };
        assert_eq!(issuer.username, Mapping::claim("email", "a:"));
        assert_eq!(issuer.groups, Mapping::Expression("claims.g".to_owned()));
        assert_eq!(issuer.uid, Mapping::claim("oid", ""));
        assert_eq!(issuer.required, [("hd".to_owned(), "a.test".to_owned())]);
        assert_eq!(issuer.rules, [("claims.x == 1".to_owned(), "wrong".to_owned())]);
        assert_eq!(issuer.further[0].0, "jwt[0].userValidationRules[0]");
        assert_eq!((issuer.algorithms.len(), issuer.source), (9, Source::File));
        assert!(of_configuration("kind: Config").is_err());
    }
}
