//! The parts of the lab that a scenario may use: only those that it requires. Each of them belongs to [`World`].

use anyhow::{Context, Result, ensure};

use super::super::told;
use super::World;
use crate::auth_proxy::AuthProxy;
use crate::cluster::{AGGREGATED_API, AGGREGATOR, ApiServer, Driver, Minor, Placeholders, SERVICE_ACCOUNT_ISSUER};
use crate::credential::Credential;
use crate::event::Events;
use crate::identity_provider::Provider;
use crate::identity_provider::issuer::Signer;
use crate::lab::Login;
use crate::pki::{Authority, Leaf, Request, Seed};
use crate::probe::Endpoint;
use crate::secret::Secret;

impl World {
    /// Returns the main API server.
    pub fn main(&self) -> &ApiServer {
        self.lab().main()
    }

    /// Returns the version of Kubernetes.
    pub fn version(&self) -> Minor {
        self.lab().version()
    }

    /// Returns whether the lab has `capability`, which the scenario can do without.
    pub fn has(&self, capability: &str) -> bool {
        self.site().capabilities().check(capability).is_ok_and(|checked| checked.is_ok())
    }

    /// Checks that the scenario requires `capability`, so that it is known before the scenario starts which labs can run it.
    fn needs(&self, capability: &str) -> Result<()> {
        let Some(scenario) = &self.scenario else { return Ok(()) };
        ensure!(
            scenario.requires().any(|known| known == capability),
            "the scenario uses '{capability}' without requiring it: a step's definition lacks requires!({capability})"
        );
        Ok(())
    }

    /// Returns the authority, with its key, whose client certificates the current endpoint's API server accepts.
    ///
    /// # Errors
    /// The scenario does not require it.
    pub fn client_authority(&self) -> Result<Authority> {
        self.needs("cluster_signing_key")?;
        Ok(self.lab().authorities_of(&self.endpoint().server)?.clients)
    }

    /// Issues a client certificate for `user` in `groups`: with the authority's key, or in a cluster that exists by the cluster's own signer, as
    /// its administrator.
    ///
    /// # Errors
    /// The scenario does not require it, or it cannot be issued.
    pub async fn client_certificate(&self, user: &str, groups: &[&str]) -> Result<Leaf> {
        self.needs("client_certificates")?;
        if self.lab().description().cluster != Driver::Existing {
            let clients = self.lab().authorities_of(&self.endpoint().server)?.clients;
            return Ok(clients.issue(&Request::client(user, groups))?);
        }
        let client = told::client(self.lab().administrator().client(), &self.main().name, &self.exchanges);
        Ok(self.lab().signed_certificate(&client, user, groups).await?)
    }

    /// Returns the same authority where it is ours, for inverting a scenario, which no scenario asks for.
    pub fn own_client_authority(&self) -> Option<Authority> {
        let authorities = self.lab().authorities_of(&self.endpoint().server);
        authorities.ok().map(|authorities| authorities.clients)
    }

    /// Returns the authority of front proxies, with its key.
    ///
    /// # Errors
    /// The scenario does not require it.
    pub fn request_header_authority(&self) -> Result<&Authority> {
        self.needs("front_proxy")?;
        Ok(&self.lab().authorities()?.request_headers)
    }

    /// Returns the CA of the serving certificates of the lab's own API servers.
    ///
    /// # Errors
    /// The scenario does not require the lab's CAs.
    pub fn api_servers_authority(&self) -> Result<&Authority> {
        self.needs("cluster_signing_key")?;
        Ok(&self.lab().authorities()?.api_servers)
    }

    /// Returns the key of the CA of client certificates.
    ///
    /// # Errors
    /// The scenario does not require it.
    pub fn client_authority_key(&self) -> Result<Secret> {
        Ok(self.client_authority()?.key()?)
    }

    /// Returns the front proxy's certificate, which lets its holder assert other users' identities.
    ///
    /// # Errors
    /// The scenario does not require it.
    pub fn front_proxy(&self) -> Result<Leaf> {
        self.needs("front_proxy")?;
        Ok(self.lab().authorities()?.front_proxy()?)
    }

    /// Returns the key that signs service accounts' tokens.
    ///
    /// # Errors
    /// The scenario does not require it.
    pub fn service_account_key(&self) -> Result<Secret> {
        self.needs("service_account_key")?;
        Ok(self.lab().authorities()?.service_account_key()?)
    }

    /// Returns the issuer of service accounts' tokens, where we configured the cluster.
    pub fn service_account_issuer(&self) -> Option<&'static str> {
        (self.lab().description().cluster != Driver::Existing).then_some(SERVICE_ACCOUNT_ISSUER)
    }

    /// Returns the lab's own secret called `name`, as in the files of API servers.
    ///
    /// # Errors
    /// The secret cannot be read.
    pub fn secret(&self, name: &str) -> Result<Secret> {
        Ok(self.lab().authorities()?.secret(name)?)
    }

    /// Returns the seed that signs the scripts of the token webhook.
    ///
    /// # Errors
    /// The scenario does not require the webhook.
    pub fn webhook_seed(&self) -> Result<Seed> {
        self.needs("token_webhook")?;
        Ok(self.lab().authorities()?.seed()?)
    }

    /// Returns the authority, PEM, of the certificate that the harness' issuer presents.
    ///
    /// # Errors
    /// The scenario does not require the issuer.
    pub fn issuer_authority(&self) -> Result<&str> {
        self.needs("issuer")?;
        Ok(self.lab().authorities()?.serving.certificate())
    }

    /// Returns the signer of the tokens of the harness' own issuer.
    ///
    /// # Errors
    /// The scenario does not require it.
    pub fn signer(&self) -> Result<&Signer> {
        self.needs("issuer")?;
        Ok(self.lab().signer()?)
    }

    /// Returns the lab's own identity provider, once it is ready: the cast has accounts there.
    ///
    /// # Errors
    /// The scenario does not require it, or it could not be started.
    pub async fn provider(&self) -> Result<Provider> {
        self.needs("cast_accounts")?;
        Ok(self.lab().provider().await?.telling(&self.exchanges))
    }

    /// Returns the name of the identity provider, which is the prefix of its users and groups.
    pub fn provider_name(&self) -> &'static str {
        self.lab().description().provider.unwrap_or_default().name()
    }

    /// Returns the same as [`World::provider`], to make and change accounts.
    ///
    /// # Errors
    /// The scenario does not require that, or the provider could not be started.
    pub async fn administered_provider(&self) -> Result<Provider> {
        self.needs("realm_administration")?;
        self.provider().await
    }

    /// Logs a user in at the identity provider, whichever it is.
    ///
    /// # Errors
    /// The scenario does not require it, or the login fails.
    pub async fn login(&self) -> Result<Login> {
        self.needs("identity_provider")?;
        Ok(self.lab().login(&self.exchanges).await?)
    }

    /// Returns the endpoint of the auth proxy called `name`.
    ///
    /// # Errors
    /// The scenario does not require it, or no auth proxy has that name.
    pub fn auth_proxy(&self, name: &str) -> Result<Endpoint> {
        self.needs("auth_proxy")?;
        Ok(self.lab().auth_proxy(name)?)
    }

    /// Returns the aggregated API server, and before it the API server in front of it. Both are started on first use.
    ///
    /// # Errors
    /// The scenario does not require them, or one could not be started.
    pub async fn aggregated_api(&self) -> Result<(ApiServer, ApiServer)> {
        self.needs("aggregated_apis")?;
        let front = self.api_server(AGGREGATOR).await?;
        Ok((front, self.api_server(AGGREGATED_API).await?))
    }

    /// Returns the API server with the setting `name`, started on first use.
    ///
    /// # Errors
    /// The scenario does not require it, or it could not be started.
    pub async fn api_server(&self, name: &str) -> Result<ApiServer> {
        self.needs("further_api_servers")?;
        Ok(self.lab().api_server(name, &self.site().events).await?)
    }

    /// Returns the same without emitting events: for a server that is expected not to start.
    ///
    /// # Errors
    /// The scenario does not require it, or it could not be started.
    pub async fn api_server_in_silence(&self, name: &str) -> Result<ApiServer> {
        self.needs("further_api_servers")?;
        Ok(self.lab().api_server(name, &Events::silent()).await?)
    }

    /// Returns the values of the placeholders in the configurations of API servers.
    ///
    /// # Errors
    /// The scenario does not require it.
    pub fn placeholders(&self) -> Result<Placeholders> {
        self.needs("further_api_servers")?;
        let (description, serving) = (self.lab().description(), &self.lab().authorities()?.serving);
        Ok(Placeholders {
            keycloak: description.keycloak_issuer.clone(),
            provider: self.provider_name().to_owned(),
            issuer: description.issuer.clone(),
            serving_authority: serving.certificate().to_owned(),
            // Only flags refer to files, and no flag is changed while a server runs.
            serving_authority_file: String::new(),
            egress_file: String::new(),
            detour: String::new(),
            token_webhook: String::new(),
            access_webhook_file: String::new(),
            pki: String::new(),
        })
    }

    /// Starts the auth proxy that a file in the learner's `directory` describes.
    ///
    /// # Errors
    /// The file does not describe an auth proxy.
    pub async fn learners_proxy(&self, directory: &std::path::Path) -> Result<(AuthProxy, Endpoint)> {
        self.needs("auth_proxy")?;
        Ok(self.lab().learners_proxy(directory).await?)
    }

    /// Returns the path of kubectl in the lab's version.
    ///
    /// # Errors
    /// The scenario does not require it, or the lab has no kubectl.
    pub fn kubectl(&self) -> Result<std::path::PathBuf> {
        self.needs("kubectl")?;
        let programs = self.lab().description().programs.as_ref().context("the lab has no kubectl")?;
        Ok(programs.join("kubectl"))
    }

    /// Issues a certificate for a server of the scenario's own, and returns it with the authority, PEM, that signs it: the lab's, wherever
    /// the API server's certificate comes from.
    ///
    /// # Errors
    /// The scenario does not require the issuer, or the certificate cannot be issued.
    pub fn serving_certificate(&self, common_name: &str) -> Result<(Leaf, &str)> {
        self.needs("issuer")?;
        let authorities = self.lab().authorities()?;
        Ok((authorities.serving_certificate(common_name)?, authorities.serving.certificate()))
    }

    /// Creates a directory below the lab's, which is deleted with the lab at the latest, even if this process is killed.
    ///
    /// # Errors
    /// The directory cannot be created.
    pub fn temporary(&self) -> Result<tempfile::TempDir> {
        Ok(tempfile::TempDir::new_in(self.lab().directory())?)
    }

    /// Returns a client that may do everything.
    ///
    /// # Errors
    /// The scenario does not require an administrator.
    pub fn administrator(&self) -> Result<kube::Client> {
        self.needs("administrator")?;
        Ok(told::client(
            self.lab().administrator().client(),
            &self.lab().main().name,
            &self.exchanges,
        ))
    }

    /// Returns the same for the API server `server`, which may be another than the main one and accept no credential of the lab.
    ///
    /// # Errors
    /// The scenario does not require an administrator, the server's own authorities cannot be read, or no client can be made.
    pub fn administrator_at(&self, server: &ApiServer) -> Result<kube::Client> {
        if server.name == self.lab().main().name {
            return self.administrator();
        }
        self.needs("administrator")?;
        let client = self.lab().administrator_of(server)?.at(server)?.client();
        Ok(told::client(client, &server.name, &self.exchanges))
    }

    /// Returns an administrator's client of the current endpoint's API server: one with its own key signs service account tokens with it.
    ///
    /// # Errors
    /// The scenario does not require an administrator, or the server's own authorities cannot be read.
    pub fn administrator_here(&self) -> Result<kube::Client> {
        self.needs("administrator")?;
        let server = self.endpoint().server;
        if server.own_authorities.is_none() {
            return self.administrator();
        }
        let administrator = self.lab().administrator_of(&server)?;
        Ok(told::client(administrator.client(), &server.name, &self.exchanges))
    }

    /// Returns the credential of an administrator of the current endpoint's API server.
    ///
    /// # Errors
    /// The scenario does not require an administrator, or the server's own authorities cannot be read.
    pub fn administrator_credential(&self) -> Result<Credential> {
        self.needs("administrator")?;
        Ok(self.lab().administrator_of(&self.endpoint().server)?.credential().clone())
    }
}
