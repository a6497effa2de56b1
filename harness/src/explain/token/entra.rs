//! The peculiarities of tokens of Microsoft Entra ID: each tenant has two issuers, and some tokens are for Microsoft alone
//! (learn.microsoft.com, "Access tokens in the Microsoft identity platform").
//!
//! The main type is [`Tenant`].

use serde_json::{Map, Value};

use crate::jwt::Jwt;

/// The audiences of tokens for Microsoft Graph.
const GRAPH: [&str; 2] = ["00000003-0000-0000-c000-000000000000", "https://graph.microsoft.com"];

/// Hosts of the issuers of version 1, and of version 2, by cloud.
const HOSTS: [(&str, &str); 3] = [
    ("sts.windows.net", "login.microsoftonline.com"),
    ("sts.microsoftonline.us", "login.microsoftonline.us"),
    ("sts.chinacloudapi.cn", "login.partner.microsoftonline.cn"),
];

/// A tenant, as an issuer URL names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tenant {
    /// Its id, its domain, or a placeholder.
    name: String,
    version: Version,
    hosts: (&'static str, &'static str),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    One,
    Two,
}

impl Tenant {
    /// Parses an issuer URL.
    pub(super) fn of(url: &str) -> Option<Self> {
        let rest = url.strip_prefix("https://")?;
        let (host, path) = rest.split_once('/')?;
        let name = path.split('/').next().filter(|name| !name.is_empty())?.to_owned();
        HOSTS.iter().find_map(|hosts| {
            let version = match host {
                host if host == hosts.0 => Version::One,
                host if host == hosts.1 => Version::Two,
                _ => return None,
            };
            Some(Self {
                name: name.clone(),
                version,
                hosts: *hosts,
            })
        })
    }

    /// Returns the issuer URL in tokens of this version.
    fn url(&self) -> String {
        match self.version {
            Version::One => format!("https://{}/{}/", self.hosts.0, self.name),
            Version::Two => format!("https://{}/{}/v2.0", self.hosts.1, self.name),
        }
    }

    /// Returns `true` for the names that stand for any tenant: no token has such an issuer.
    fn is_placeholder(&self) -> bool {
        ["common", "organizations", "consumers", "{tenantid}"].contains(&self.name.as_str())
    }

    fn number(&self) -> u8 {
        match self.version {
            Version::One => 1,
            Version::Two => 2,
        }
    }
}

/// Describes the difference between the issuer `said` by a token and the `configured` one, and the change that helps; `None` if one of them
/// is not Entra's.
pub(super) fn difference(said: &str, configured: &str, audiences: &[String]) -> Option<(String, String)> {
    let (token, server) = (Tenant::of(said)?, Tenant::of(configured)?);
    let configure = format!("configure the API server with {}", token.url());
    if server.is_placeholder() {
        return Some((
            format!(
                "{configured:?} is not the issuer of a tenant: its discovery document names {{tenantid}}, which the API server refuses; \
                the token is from {said:?}"
            ),
            configure,
        ));
    }
    if !token.name.eq_ignore_ascii_case(&server.name) {
        return Some((
            format!(
                "the token is from the tenant {}, and the API server knows the tenant {}",
                token.name, server.name
            ),
            "log in to that tenant (`az login --tenant`), or configure the API server with the token's".to_owned(),
        ));
    }
    if token.version == server.version {
        return (said != configured && said == token.url()).then(|| {
            (
                format!(
                    "the token's issuer is {said:?}, and the API server's is {configured:?}: Entra writes it with {}",
                    ending(&token)
                ),
                configure,
            )
        });
    }
    let application = audiences.first().map_or_else(String::new, |audience| format!(" ({audience})"));
    let wanted = match server.version {
        Version::One => "null",
        Version::Two => "2",
    };
    Some((
        format!(
            "the token is one of version {} of the tenant {} (its issuer is {said:?}), and the API server has the issuer of version {}, \
            {configured:?}",
            token.number(),
            token.name,
            server.number()
        ),
        format!(
            "set `requestedAccessTokenVersion: {wanted}` in the manifest of the application that the token is for{application} \
            (`api` in Microsoft Graph's format), or {configure}"
        ),
    ))
}

fn ending(tenant: &Tenant) -> &'static str {
    match tenant.version {
        Version::One => "a slash at the end",
        Version::Two => "/v2.0 at the end, without a slash",
    }
}

/// Returns `true` if only Microsoft can verify the signature: the `nonce` in the header was replaced after signing.
pub(super) fn is_for_microsoft_alone(jwt: &Jwt) -> bool {
    let issuer = jwt.claims.get("iss").and_then(Value::as_str).unwrap_or_default();
    jwt.header.contains_key("nonce") && Tenant::of(issuer).is_some()
}

/// Returns `true` if the token is for Microsoft Graph.
pub(super) fn is_for_graph(audiences: &[String]) -> bool {
    audiences.iter().any(|audience| GRAPH.contains(&audience.trim_end_matches('/')))
}

/// Returns the application's id in an audience: `api://ID`, `spn:ID` and `ID` are the same application, and three audiences.
pub(super) fn application(audience: &str) -> &str {
    let bare = audience.strip_prefix("api://").or_else(|| audience.strip_prefix("spn:"));
    bare.unwrap_or(audience)
}

/// Returns `true` if Entra left out the groups because there are too many, and says so without a source.
pub(super) fn has_too_many_groups(claims: &Map<String, Value>) -> bool {
    claims
        .get("hasgroups")
        .is_some_and(|value| *value == Value::Bool(true) || value.as_str() == Some("true"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: &str = "11111111-2222-3333-4444-555555555555";

    #[test]
    fn the_two_issuers_of_a_tenant_are_known() {
        let said = |said: &str, configured: &str| difference(&said.replace('T', T), &configured.replace('T', T), &["api://spn".to_owned()]);
        let (one, two) = ("https://sts.windows.net/T/", "https://login.microsoftonline.com/T/v2.0");
        let (seen, change) = said(one, two).expect("both are Entra's");
        assert!(
            seen.contains("version 1 of the tenant 11111111") && seen.contains(&two.replace('T', T)),
            "{seen}"
        );
        assert!(
            change.contains("requestedAccessTokenVersion: 2") && change.contains("api://spn"),
            "{change}"
        );
        assert!(change.contains(&one.replace('T', T)), "{change}");
        // The slash is a part of the issuer of version 1.
        let (_, change) = said(two, "https://sts.windows.net/T").expect("both are Entra's");
        assert!(change.contains("requestedAccessTokenVersion: null"), "{change}");
        let (seen, _) = said(one, "https://sts.windows.net/T").expect("both are Entra's");
        assert!(seen.contains("with a slash at the end"), "{seen}");
        for any in ["common", "organizations"] {
            let (seen, change) = said(two, &two.replace('T', any)).expect("both are Entra's");
            assert!(seen.contains("is not the issuer of a tenant"), "{seen}");
            assert_eq!(change, format!("configure the API server with {}", two.replace('T', T)));
        }
        let (seen, _) = said(two, &two.replace('T', "contoso")).expect("both are Entra's");
        assert!(seen.contains("the API server knows the tenant contoso"), "{seen}");
        assert_eq!(said(two, "https://kc.test/realms/a"), None);
        assert_eq!(Tenant::of("https://login.microsoftonline.com.evil.test/T/v2.0"), None);
    }
}
