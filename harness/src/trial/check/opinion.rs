//! Judging an entry by its own words, whatever its tokens are. The main function is [`opinions`].

use super::entry::{Entry, Part};
use super::finding::Finding;
use super::rules;
use crate::explain::issuers::Source as Form;

/// Providers by the end of their host's name, and whether their issuers' URLs end with a slash, as their own discovery documents say.
const PROVIDERS: [(&str, bool); 9] = [
    ("sts.windows.net", true),
    (".auth0.com", true),
    ("login.microsoftonline.com", false),
    ("accounts.google.com", false),
    (".okta.com", false),
    ("token.actions.githubusercontent.com", false),
    ("gitlab.com", false),
    ("agent.buildkite.com", false),
    ("oidc.circleci.com", false),
];

/// The hosts of Entra ID.
const ENTRA: [&str; 2] = ["login.microsoftonline.com", "sts.windows.net"];

/// Names of Entra ID's endpoints for several tenants: tokens name their tenant (learn.microsoft.com `entra/identity-platform/v2-protocols`).
const ALL_TENANTS: [&str; 3] = ["common", "organizations", "consumers"];

/// Claims that people can change, or that several people can have (OpenID Connect Core 1.0 §5.7).
const CHANGING: [&str; 6] = ["name", "nickname", "given_name", "family_name", "display_name", "unique_name"];

/// More of them at Entra ID, which says so itself (learn.microsoft.com `entra/identity-platform/id-token-claims-reference`).
const CHANGING_AT_ENTRA: [&str; 3] = ["email", "preferred_username", "upn"];

/// The issuer of service accounts' tokens in kubeadm's clusters and others: an API server does not start if it is also one of `jwt`
/// (kubernetes/apiserver `pkg/apis/apiserver/validation/validation.go`, `disallowedIssuers`).
const SERVICE_ACCOUNTS: [&str; 2] = ["https://kubernetes.default.svc.cluster.local", "https://kubernetes.default.svc"];

/// Audiences that stand in the tokens of every application: Keycloak's account console, Okta's default server.
const SHARED: [&str; 2] = ["account", "api://default"];

/// Returns the findings about the words of `entry`. `without_slash` is the server's answer to a token whose issuer differs by the slash at its end.
pub(super) fn opinions(entry: &Entry, without_slash: Option<(&str, String)>) -> Vec<Finding> {
    let issuer = &entry.issuer;
    let url = issuer.url.as_str();
    let host = host(url);
    let mut findings = Vec::new();
    let has_slash = url.ends_with('/');
    let known = PROVIDERS
        .iter()
        .find(|(end, _)| host == end.trim_start_matches('.') || (end.starts_with('.') && host.ends_with(end)));
    let slash = match known {
        Some((_, expected)) if *expected == has_slash => None,
        Some((_, true)) => Some((
            "the tokens of this provider name an issuer with a slash at its end",
            "add the slash",
        )),
        Some((_, false)) => Some((
            "the tokens of this provider name an issuer without a slash at its end",
            "remove the slash",
        )),
        None if has_slash => Some((
            "the issuer's URL ends with a slash: a token without it is refused, since letters are compared",
            "compare it with `iss` in one of your provider's tokens, letter by letter",
        )),
        None => None,
    };
    if let Some((message, change)) = slash {
        let found = Finding::new(&rules::ISSUER_SLASH, message)
            .at(entry.place(Part::Url))
            .change(change);
        findings.push(match without_slash {
            Some((asked, answered)) => found.proved(asked, answered),
            None => found,
        });
    }
    let is_entra = ENTRA.contains(&host);
    let tenant = url.split('/').nth(3).unwrap_or_default();
    if is_entra && ALL_TENANTS.contains(&tenant) {
        let message = format!("no token names `{tenant}` as its tenant");
        let found = Finding::new(&rules::ISSUER_OF_NO_TOKEN, message).at(entry.place(Part::Url));
        findings.push(found.change("write your tenant's id in its place"));
    }
    if SERVICE_ACCOUNTS.contains(&url) && !entry.has_own_issuer {
        let message = "this is the usual issuer of a cluster's own service accounts: an API server does not start if it is its own";
        let found = Finding::new(&rules::ISSUER_OF_SERVICE_ACCOUNTS, message).at(entry.place(Part::Url));
        findings.push(found.change("remove it: API servers accept their own service accounts without it. Of another cluster, give that one an issuer of its own (--service-account-issuer)"));
    }
    // A field within a claim is the provider's own, whatever it is called.
    let changing = entry.sources(Part::UserName).into_iter().find_map(|path| {
        let [name] = path else { return None };
        let name = name.as_str();
        (CHANGING.contains(&name) || (is_entra && CHANGING_AT_ENTRA.contains(&name))).then_some(name)
    });
    if let Some(name) = changing {
        let better = if is_entra { "oid" } else { "sub" };
        let message = format!("the user name comes from {name}, which can change, or be that of another person");
        let found = Finding::new(&rules::NAME_CAN_CHANGE, message).at(entry.place(Part::UserName));
        findings.push(found.change(format!("use `{better}`, which stays one person's")));
    }
    for audience in issuer.audiences.iter().filter(|audience| SHARED.contains(&audience.as_str())) {
        let message = format!("the audience {audience:?} stands in the tokens of other applications, too, which are then accepted");
        let found = Finding::new(&rules::AUDIENCE_SHARED, message).at(entry.place(Part::Audiences));
        findings.push(found.change(match issuer.source {
            Form::Flags => "let the provider add an audience for this cluster, and name it in --oidc-client-id",
            Form::File => "let the provider add an audience for this cluster, and name that one only",
        }));
    }
    findings.into_iter().map(|finding| finding.of_issuer(url)).collect()
}

fn host(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split(['/', ':', '?']).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial::Source;

    #[test]
    fn an_entrys_words_are_judged() {
        for (url, audience, claim, expected) in [
            ("https://login.example.com", "k", "email", vec![]),
            ("https://login.example.com/", "k", "email", vec!["slash-at-issuers-end"]),
            ("https://sts.windows.net/T/", "k", "oid", vec![]),
            ("https://sts.windows.net/T", "k", "oid", vec!["slash-at-issuers-end"]),
            ("https://example.eu.auth0.com/", "k", "sub", vec![]),
            (
                "https://login.microsoftonline.com/T/v2.0/",
                "k",
                "oid",
                vec!["slash-at-issuers-end"],
            ),
            (
                "https://login.microsoftonline.com/common/v2.0",
                "k",
                "oid",
                vec!["issuer-of-no-token"],
            ),
            (
                "https://login.microsoftonline.com/T/v2.0",
                "k",
                "email",
                vec!["name-claim-can-change"],
            ),
            (
                "https://login.example.com",
                "account",
                "name",
                vec!["name-claim-can-change", "audience-is-shared"],
            ),
        ] {
            let text = format!(
                "jwt:\n- issuer: {{url: '{url}', audiences: ['{audience}']}}\n  claimMappings: {{username: {{claim: {claim}, prefix: ''}}}}\n"
            );
            let source = Source {
                authentication: Some(text),
                ..Source::default()
            };
            let entry = Entry::all(&source).remove(0);
            let found: Vec<&str> = opinions(&entry, None).iter().map(|finding| finding.rule.name).collect();
            assert_eq!(found, expected, "{url} {audience} {claim}");
        }
    }

    #[test]
    fn a_claim_that_is_compared_or_within_another_is_no_name_that_changes() {
        let cluster = "https://kubernetes.default.svc.cluster.local";
        for (url, expression, flags, expected) in [
            ("https://a.example", "claims[\"kubernetes.io\"].serviceaccount.name", vec![], vec![]),
            (
                "https://a.example",
                "claims.name == \"x\" ? claims.sub : claims.oid",
                vec![],
                vec![],
            ),
            ("https://a.example", "\"a:\" + claims.name", vec![], vec!["name-claim-can-change"]),
            (cluster, "claims.sub", vec![], vec!["issuer-of-service-accounts"]),
            (cluster, "claims.sub", vec![("service-account-issuer", "https://b.example")], vec![]),
        ] {
            let flags: Vec<(&str, &str)> = flags;
            let source = Source {
                authentication: Some(format!(
                    "jwt:\n- issuer: {{url: '{url}', audiences: [k]}}\n  claimMappings: {{username: {{expression: '{expression}'}}}}\n"
                )),
                flags: flags
                    .iter()
                    .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                    .collect(),
                ..Source::default()
            };
            let entry = Entry::all(&source).remove(0);
            let found: Vec<&str> = opinions(&entry, None).iter().map(|finding| finding.rule.name).collect();
            assert_eq!(found, expected, "{url} {expression}");
        }
    }
}
