//! The known facts about a server before it is asked: from the lab if it is the lab's own, otherwise from the options.
//!
//! The main functions are [`of_lab`] and [`known()`].

use std::path::Path;

use super::asked::read;
use super::{ExplainArguments, use_error};
use crate::cli::error::CommandError;
use crate::cli::exit::Exit;
use crate::cluster::{ApiServer, Driver, FRONT_PROXY, SERVICE_ACCOUNT_ISSUER};
use crate::credential::Credential;
use crate::event::Verdict;
use crate::explain::issuers::{self, Issuer};
use crate::explain::{self, Basis, Effect, Explanation, Finding, Known, flags};
use crate::kubeconfig::without_user;
use crate::lab::Lab;
use crate::probe::Endpoint;

/// Returns `endpoint`, with the record of the lab's server behind it if it is the lab's own.
pub(super) fn of_lab(lab: Option<&Lab>, endpoint: Endpoint) -> Endpoint {
    let Some(lab) = lab else { return endpoint };
    let description = lab.description();
    let url = endpoint.url.trim_end_matches('/');
    let ours = description.api_servers.values().find(|server| server.url == url).map(Endpoint::of);
    let behind_proxy = || {
        let (name, _) = description.auth_proxies.iter().find(|(_, proxy)| proxy.url == url)?;
        lab.auth_proxy(name).ok()
    };
    match ours.or_else(behind_proxy) {
        // The way to it stays the kubeconfig's.
        Some(ours) => Endpoint {
            authority: endpoint.authority,
            route: endpoint.route,
            ..ours
        },
        None => endpoint,
    }
}

/// Checks that an API server can be configured with the issuer `url` (kubernetes/apiserver `pkg/apis/apiserver/validation`,
/// `validateIssuerURL`; `--oidc-issuer-url`).
///
/// # Errors
/// It does not begin with `https://`.
pub(super) fn possible_issuer(url: &str) -> Result<(), CommandError> {
    let scheme = url.split_once("://").map(|(scheme, _)| scheme);
    if scheme.is_some_and(|scheme| scheme.eq_ignore_ascii_case("https")) {
        return Ok(());
    }
    let error = format!(
        "no API server has the issuer {:?} (--issuer): they take only https:// URLs",
        without_user(url)
    );
    let hint = "give the issuer's https:// URL, as --oidc-issuer-url or the AuthenticationConfiguration has it; a token of an http:// issuer is \
        accepted by no API server";
    Err(CommandError::new(Exit::Usage, error).hint(hint))
}

/// Returns the known facts about that server, from the lab if it is the lab's own, otherwise from the options; and what could not be read.
///
/// # Errors
/// A file that an option names cannot be read or used.
pub(super) async fn known(
    arguments: &ExplainArguments,
    lab: Option<&Lab>,
    endpoint: &Endpoint,
) -> Result<(Known, Option<Finding>), CommandError> {
    let mut known = Known::default();
    let mut unread = None;
    let ours = lab.filter(|lab| {
        lab.description()
            .api_servers
            .values()
            .any(|server| server.url == endpoint.server.url)
    });
    if let Some(lab) = ours.filter(|lab| lab.description().cluster != Driver::Existing) {
        unread = of_our_server(lab, &endpoint.server, &mut known)?;
    }
    if let Some(file) = &arguments.authentication_config {
        known.issuers = configured(file).await?;
        known.all = true;
    }
    if let Some(file) = &arguments.client_authority {
        known.client_authorities = Some(read(file).await?);
    }
    if let (Some(issuer), Some(audience)) = (&arguments.issuer, &arguments.audience) {
        let mut issuer = Issuer::by_flags(issuer, audience);
        if let Some(path) = &arguments.issuer_authority {
            issuer.authority = Some(read(path).await?);
        }
        known.issuers.push(issuer);
    }
    Ok((known, unread))
}

/// Adds what the lab knows about its own `server`; returns what could not be read.
fn of_our_server(lab: &Lab, server: &ApiServer, known: &mut Known) -> Result<Option<Finding>, CommandError> {
    known.service_account_issuers = vec![SERVICE_ACCOUNT_ISSUER.to_owned()];
    if let Some(flags) = lab.flags_of(server) {
        known.service_account_issuers = flags::service_account_issuers(&flags);
        known.api_audiences = flags::api_audiences(&flags);
        known.others = Some(flags::other_authenticators(&flags));
    }
    let clients = server.client_authorities.as_ref();
    known.client_authorities = clients.and_then(|path| std::fs::read_to_string(path).ok());
    known.administrator = Some(lab.administrator_of(server).map_err(use_error)?.credential().clone());
    if let Ok(authorities) = lab.authorities() {
        known.proxy_authorities = Some(authorities.request_headers.certificate().to_owned());
        known.proxy_names = Some(vec![FRONT_PROXY.to_owned()]);
    }
    match given(lab, server) {
        Ok(Some(issuers)) => {
            known.issuers = issuers;
            known.all = true;
            Ok(None)
        }
        Ok(None) => Ok(None),
        Err(why) => Ok(Some(Finding::unjudged(
            why,
            "`authlab explain --api-server` says which configuration is in force",
        ))),
    }
}

/// Returns the issuers that an API server of the lab was given, by file or by flags; `None` if neither can be seen.
///
/// # Errors
/// A message that says why the file cannot be used.
pub(super) fn given(lab: &Lab, server: &ApiServer) -> Result<Option<Vec<Issuer>>, String> {
    if let Some(file) = &server.authentication {
        let text = std::fs::read_to_string(file).map_err(|error| format!("the file {} cannot be read: {error}", file.display()))?;
        let issuers = issuers::of_configuration(&text);
        return issuers
            .map(Some)
            .map_err(|why| format!("the API server's file {} cannot be used: {why}", file.display()));
    }
    let flags = lab.flags_of(server);
    Ok(flags.map(|flags| flags::issuer(&flags, &|path| std::fs::read_to_string(path)).into_iter().collect()))
}

/// Returns a finding if a token is refused by a server of the lab whose configuration, with which it was compared, is not in force.
pub(super) async fn stale(explanation: &Explanation, credential: &Credential, endpoint: &Endpoint, known: &Known) -> Option<Finding> {
    // A cause of another credential that the server's own words prove has nothing to do with the issuers.
    let is_proved_elsewhere = explanation
        .findings
        .iter()
        .any(|finding| finding.rank() == (Effect::Cause, Basis::Proved) && !finding.behaviour.is_some_and(|id| id.starts_with('O')));
    let is_refused = explanation.verdict == Some(Verdict::Unauthenticated);
    let compared = is_refused && !is_proved_elsewhere && explain::token::is_of_issuer(credential);
    let administrator = known.administrator.as_ref().filter(|_| compared)?;
    let finding = explain::api_server::of_configuration(&endpoint.server, administrator).await?;
    (finding.effect < Effect::Note).then_some(finding)
}

async fn configured(file: &Path) -> Result<Vec<Issuer>, CommandError> {
    issuers::of_configuration(&read(file).await?)
        .map_err(|why| CommandError::new(Exit::Usage, format!("the file {} cannot be used: {why}", file.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issuer_that_no_api_server_can_have_is_wrong_usage() {
        for url in ["https://issuer.test/realms/a", "HTTPS://issuer.test"] {
            assert!(possible_issuer(url).is_ok(), "{url}");
        }
        for url in ["http://issuer.test", "issuer.test", "", "https:issuer.test", "httpsx://issuer.test"] {
            let error = possible_issuer(url).expect_err(url);
            assert_eq!(error.exit(), Exit::Usage, "{url}");
            assert!(error.render().contains("give the issuer's https:// URL"), "{url}");
        }
    }
}
