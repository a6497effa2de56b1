//! Kubeconfigs for the cast in the usual forms: with an embedded credential, with a plugin that fetches it, with a
//! login that kubectl refreshes itself, or with a bare token.
//!
//! The main type is [`Form`]; [`Lab::kubeconfig_as`] makes one.

use std::path::PathBuf;

use base64::Engine as _;
use serde_json::{Value, json};

use super::cast::{self, CastError, Member, Way};
use super::workplace::put;
use super::{Lab, LabError};
use crate::credential::Credential;
use crate::credential::exec::VERSIONS;
use crate::kubeconfig;
use crate::secret::Secret;

/// The form in which a kubeconfig contains a credential.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// Embedded, whatever the credential is.
    #[default]
    Embedded,
    /// Through a plugin that the client runs (KEP-541).
    Exec,
    /// Through a login that kubectl refreshes itself (k8s.io/client-go `plugin/pkg/client/auth/oidc`).
    AuthProvider,
    /// As a bare token.
    Token,
}

/// The program that runs as a plugin, and its login flow.
#[derive(Clone, Debug)]
pub struct Plugin {
    /// The program: authlab itself.
    pub program: PathBuf,
    /// The login flow at the identity provider: `browser`, `device` or `password`.
    pub flow: String,
}

impl Form {
    /// Returns its name, as typed on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Embedded => "with the credential in it",
            Self::Exec => "with an exec plugin",
            Self::AuthProvider => "with an auth provider",
            Self::Token => "with a token",
        }
    }

    /// Returns the ways of authenticating that support it.
    fn ways(self) -> &'static [Way] {
        match self {
            Self::Embedded | Self::Exec => &[Way::Certificate, Way::SigningRequest, Way::Keycloak, Way::ServiceAccount],
            Self::AuthProvider => &[Way::Keycloak],
            Self::Token => &[Way::Keycloak, Way::ServiceAccount],
        }
    }
}

impl Lab {
    /// Returns a kubeconfig for `name` in `form`, as JSON, which is YAML too. For a member with several ways of authenticating, it uses
    /// the first that supports this form, or `by`.
    ///
    /// # Errors
    /// The name is unknown, none of the member's ways supports that form, or no credential is issued.
    pub async fn kubeconfig_as(&self, name: &str, form: Form, by: Option<Way>, plugin: &Plugin) -> Result<Value, CastError> {
        if form == Form::Embedded && by.is_none() {
            return self.kubeconfig_of(name).await;
        }
        cast::check(name)?;
        let (member, way) = chosen(name, form, by)?;
        let refused = |source| CastError::Refused {
            name: name.to_owned(),
            source: Box::new(source),
        };
        let credential = match form {
            Form::Embedded | Form::Token => self.credential_by(member, way).await.map_err(refused)?,
            Form::Exec | Form::AuthProvider => Credential::Nothing,
        };
        let main = self.main();
        let context = format!("{name}@{}", self.description().name);
        let mut file = kubeconfig::json(&context, &main.url, &main.serving_authority, &credential)?;
        match form {
            Form::Embedded | Form::Token => {}
            Form::Exec => file["users"][0]["user"] = self.exec_of(member, way, plugin).await.map_err(refused)?,
            Form::AuthProvider => file["users"][0]["user"] = self.auth_provider_of(name).await.map_err(refused)?,
        }
        Ok(file)
    }

    async fn exec_of(&self, member: &Member, way: Way, plugin: &Plugin) -> Result<Value, LabError> {
        let mut arguments = vec!["token".to_owned()];
        let own = ["--lab".to_owned(), self.description().name.clone()];
        match way {
            Way::Certificate | Way::SigningRequest => {
                arguments.extend(["certificate".to_owned(), member.name.clone()]);
                arguments.extend(own);
            }
            Way::ServiceAccount => {
                arguments.extend(["service-account".to_owned(), member.name.clone()]);
                arguments.extend(own);
            }
            Way::Keycloak => arguments.extend(self.login_arguments(&member.name, &plugin.flow).await?),
        }
        let mut environment = Vec::new();
        for (name, directory) in [
            ("AUTHLAB_STATE_DIR", crate::dirs::state()?),
            ("AUTHLAB_CACHE_DIR", crate::dirs::cache()?),
        ] {
            environment.push(json!({ "name": name, "value": directory }));
        }
        // A plugin that only fetches a credential never prompts.
        let mode = if way == Way::Keycloak { "IfAvailable" } else { "Never" };
        Ok(json!({ "exec": {
            "apiVersion": VERSIONS[0], "command": plugin.program, "args": arguments, "env": environment,
            "interactiveMode": mode, "provideClusterInfo": true,
            "installHint": "authlab is the program that wrote this kubeconfig",
        } }))
    }

    /// Returns the arguments of a login at the lab's identity provider. Secrets, and the login itself, are in files of the lab, removed with it.
    async fn login_arguments(&self, name: &str, flow: &str) -> Result<Vec<String>, LabError> {
        let provider = self.provider().await?;
        let facts = provider.kind().facts();
        if flow == "password" && !facts.password_grant {
            return Err(LabError::NoPasswordGrant { provider: &facts.called });
        }
        let directory = self.directory_of_workplace()?;
        let file = |name: &str, text: &str| -> Result<String, LabError> {
            let path = directory.join(name);
            put(&path, text)?;
            Ok(path.display().to_string())
        };
        let mut arguments: Vec<String> = ["oidc", "--issuer", provider.issuer(), "--flow", flow].map(str::to_owned).to_vec();
        arguments.extend([
            "--certificate-authority".to_owned(),
            file("issuer-authority.crt", provider.authority())?,
        ]);
        arguments.extend(["--login-dir".to_owned(), directory.join("logins").display().to_string()]);
        for scope in &facts.logins["valid"].scopes {
            arguments.extend(["--scope".to_owned(), scope.clone()]);
        }
        let client = if flow == "password" {
            provider.client_id()
        } else {
            &facts.browser_client
        };
        arguments.extend(["--client-id", client].map(str::to_owned));
        if let Some(secret) = provider.secret_of(client) {
            arguments.extend(["--client-secret-file".to_owned(), file("client-secret", secret.expose())?]);
        }
        if flow == "password" {
            let password = provider.passwords().get(name);
            let password = password.ok_or_else(|| LabError::NoPassword { name: name.to_owned() })?;
            arguments.extend(["--username", name].map(str::to_owned));
            arguments.extend(["--password-file".to_owned(), file(&format!("{name}.password"), password.expose())?]);
        }
        Ok(arguments)
    }

    async fn auth_provider_of(&self, name: &str) -> Result<Value, LabError> {
        let provider = self.provider().await?;
        let login = cast::log_in(&provider, name).await?;
        Ok(json!({ "auth-provider": { "name": "oidc", "config": {
            "idp-issuer-url": provider.issuer(), "client-id": provider.client_id(),
            "client-secret": provider.secret_of(provider.client_id()).map_or("", Secret::expose),
            "idp-certificate-authority-data": base64::engine::general_purpose::STANDARD.encode(provider.authority()),
            "id-token": login.id.expose(), "refresh-token": login.refresh.as_ref().map_or("", Secret::expose),
        } } }))
    }
}

/// Returns the member, and the way of authenticating that supports the form.
fn chosen(name: &str, form: Form, by: Option<Way>) -> Result<(&'static Member, Way), CastError> {
    let not_so = || CastError::NotSo {
        name: name.to_owned(),
        form: form.name(),
        ways: by
            .map_or_else(|| form.ways().to_vec(), |by| vec![by])
            .into_iter()
            .map(Way::name)
            .collect(),
    };
    let member = cast::members().iter().find(|member| member.name == name).ok_or_else(not_so)?;
    let theirs = member.authenticates_by.iter().copied();
    let suits = |way: &Way| form.ways().contains(way) && by.is_none_or(|by| by == *way);
    theirs.into_iter().find(suits).map(|way| (member, way)).ok_or_else(not_so)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_way_that_has_the_form_is_taken() {
        let way = |name, form, by| chosen(name, form, by).map(|(_, way)| way);
        assert_eq!(way("alice", Form::Exec, None).expect("a way"), Way::Certificate);
        assert_eq!(way("alice", Form::Exec, Some(Way::Keycloak)).expect("a way"), Way::Keycloak);
        assert_eq!(way("alice", Form::Token, None).expect("a way"), Way::Keycloak);
        let told = way("user1", Form::Token, None)
            .expect_err("a certificate is not a token")
            .to_string();
        assert_eq!(
            told,
            "user1 has no kubeconfig with a token, which needs authentication by keycloak or service-account"
        );
        assert!(way("administrator", Form::Exec, None).is_err());
    }
}
