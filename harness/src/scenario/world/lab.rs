//! What a scenario may use of its lab: only what it asks for by its tags. The main item is [`World::needs`].

use anyhow::{Context, Result, ensure};

use super::super::{REQUIRES, told};
use super::World;
use crate::auth_proxy::AuthProxy;
use crate::cluster::{ApiServer, Driver, Minor, Placeholders, SERVICE_ACCOUNT_ISSUER};
use crate::credential::Credential;
use crate::event::Events;
use crate::identity_provider::issuer::Signer;
use crate::lab::{Keycloak, Login};
use crate::pki::{Authority, Leaf, Seed};
use crate::probe::Endpoint;
use crate::secret::Secret;

impl World {
    /// The main API server.
    pub fn main(&self) -> &ApiServer {
        self.lab().main()
    }

    /// The version of Kubernetes.
    pub fn version(&self) -> Minor {
        self.lab().version()
    }

    /// What the scenario uses must be among what it asks for: only so is it known, before it begins, where it can be carried out.
    ///
    /// # Errors
    /// It has no tag `@requires:` with this capability.
    pub fn needs(&self, capability: &str) -> Result<()> {
        let Some(scenario) = &self.scenario else { return Ok(()) };
        let asked = scenario.tags.iter().filter_map(|tag| tag.strip_prefix(REQUIRES));
        ensure!(
            asked.into_iter().any(|asked| asked == capability),
            "the scenario uses '{capability}' without asking for it: its feature, its rule or itself lacks the tag @{REQUIRES}{capability}"
        );
        Ok(())
    }

    /// The authority whose client certificates the API server that is asked accepts, with its key.
    ///
    /// # Errors
    /// The scenario does not ask for it.
    pub fn client_authority(&self) -> Result<Authority> {
        self.needs("cluster_signing_key")?;
        Ok(self.lab().authorities_of(&self.endpoint().server)?.clients)
    }

    /// The same where it is ours, for what no scenario asks for: inverting it.
    pub fn own_client_authority(&self) -> Option<Authority> {
        let authorities = self.lab().authorities_of(&self.endpoint().server);
        authorities.ok().map(|authorities| authorities.clients)
    }

    /// The authority of front proxies, with its key.
    ///
    /// # Errors
    /// The scenario does not ask for it.
    pub fn request_header_authority(&self) -> Result<&Authority> {
        self.needs("front_proxy")?;
        Ok(&self.lab().authorities()?.request_headers)
    }

    /// The certificate that lets its holder say who somebody else is.
    ///
    /// # Errors
    /// The scenario does not ask for it.
    pub fn front_proxy(&self) -> Result<Leaf> {
        self.needs("front_proxy")?;
        Ok(self.lab().authorities()?.front_proxy()?)
    }

    /// The key that signs service accounts' tokens.
    ///
    /// # Errors
    /// The scenario does not ask for it.
    pub fn service_account_key(&self) -> Result<Secret> {
        self.needs("service_account_key")?;
        Ok(self.lab().authorities()?.service_account_key()?)
    }

    /// The issuer of service accounts' tokens, where the cluster was told by us.
    pub fn service_account_issuer(&self) -> Option<&'static str> {
        (self.lab().description().cluster != Driver::Existing).then_some(SERVICE_ACCOUNT_ISSUER)
    }

    /// The lab's own secret called `name`, as API servers' files have it.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn secret(&self, name: &str) -> Result<Secret> {
        Ok(self.lab().authorities()?.secret(name)?)
    }

    /// The seed that signs the scripts of the token webhook.
    ///
    /// # Errors
    /// The scenario does not ask for the webhook.
    pub fn webhook_seed(&self) -> Result<Seed> {
        self.needs("token_webhook")?;
        Ok(self.lab().authorities()?.seed()?)
    }

    /// The authority, PEM, of the certificate that the harness' issuer shows.
    ///
    /// # Errors
    /// The scenario does not ask for the issuer.
    pub fn issuer_authority(&self) -> Result<&str> {
        self.needs("issuer")?;
        Ok(self.lab().authorities()?.serving.certificate())
    }

    /// What signs the tokens of the harness' own issuer.
    ///
    /// # Errors
    /// The scenario does not ask for it.
    pub fn signer(&self) -> Result<&Signer> {
        self.needs("issuer")?;
        Ok(self.lab().signer()?)
    }

    /// Keycloak with a realm of ours, once it is ready: its people, clients and groups are known, and can be changed.
    ///
    /// # Errors
    /// The scenario does not ask for it, or it could not be started.
    pub async fn realm(&self) -> Result<Keycloak> {
        self.needs("realm_administration")?;
        Ok(self.lab().keycloak().await?.telling(&self.exchanges))
    }

    /// Somebody logs in at the identity provider, whichever that is.
    ///
    /// # Errors
    /// The scenario does not ask for it, or they are not let in.
    pub async fn login(&self) -> Result<Login> {
        self.needs("identity_provider")?;
        Ok(self.lab().login(&self.exchanges).await?)
    }

    /// The auth proxy called `name`.
    ///
    /// # Errors
    /// The scenario does not ask for it, or there is none of that name.
    pub fn auth_proxy(&self, name: &str) -> Result<Endpoint> {
        self.needs("auth_proxy")?;
        Ok(self.lab().auth_proxy(name)?)
    }

    /// The API server with the setting `name`, started when it is first asked for.
    ///
    /// # Errors
    /// The scenario does not ask for it, or it could not be started.
    pub async fn api_server(&self, name: &str) -> Result<ApiServer> {
        self.needs("further_api_servers")?;
        Ok(self.lab().api_server(name, &self.site().events).await?)
    }

    /// The same, told to nobody: for one that is expected not to start.
    ///
    /// # Errors
    /// The scenario does not ask for it, or it could not be started.
    pub async fn api_server_in_silence(&self, name: &str) -> Result<ApiServer> {
        self.needs("further_api_servers")?;
        Ok(self.lab().api_server(name, &Events::silent()).await?)
    }

    /// What the configurations of API servers refer to.
    ///
    /// # Errors
    /// The scenario does not ask for it.
    pub fn places(&self) -> Result<Placeholders> {
        self.needs("further_api_servers")?;
        let (description, serving) = (self.lab().description(), &self.lab().authorities()?.serving);
        Ok(Placeholders {
            keycloak: description.keycloak_issuer.clone(),
            issuer: description.issuer.clone(),
            serving_authority: serving.certificate().to_owned(),
            // Files are the business of flags, and no flag is changed while a server runs.
            serving_authority_file: String::new(),
            egress_file: String::new(),
            token_webhook: String::new(),
            pki: String::new(),
        })
    }

    /// The auth proxy that a file in `directory`, a learner's, describes.
    ///
    /// # Errors
    /// The file describes none.
    pub async fn learners_proxy(&self, directory: &std::path::Path) -> Result<(AuthProxy, Endpoint)> {
        self.needs("auth_proxy")?;
        Ok(self.lab().learners_proxy(directory).await?)
    }

    /// kubectl of the lab's version.
    ///
    /// # Errors
    /// The scenario does not ask for it, or the lab has none.
    pub fn kubectl(&self) -> Result<std::path::PathBuf> {
        self.needs("kubectl")?;
        let programs = self.lab().description().programs.as_ref().context("the lab has no kubectl")?;
        Ok(programs.join("kubectl"))
    }

    /// A certificate for a server of the scenario's own, with the authority, PEM, that signs it: the lab's, wherever the API server's
    /// certificate comes from.
    ///
    /// # Errors
    /// The scenario does not ask for what has one, or it cannot be issued.
    pub fn serving_certificate(&self, common_name: &str) -> Result<(Leaf, &str)> {
        self.needs("issuer")?;
        let authorities = self.lab().authorities()?;
        Ok((authorities.serving_certificate(common_name)?, authorities.serving.certificate()))
    }

    /// A directory below the lab's: it goes with that at the latest, also where this process is killed.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn temporary(&self) -> Result<tempfile::TempDir> {
        Ok(tempfile::TempDir::new_in(self.lab().directory())?)
    }

    /// A client that may do everything.
    ///
    /// # Errors
    /// The scenario does not ask for one.
    pub fn administrator(&self) -> Result<kube::Client> {
        self.needs("administrator")?;
        Ok(told::client(
            self.lab().administrator().client(),
            &self.lab().main().name,
            &self.exchanges,
        ))
    }

    /// The same at the API server `server`, which may be another than the main one and accept no credential of the lab.
    ///
    /// # Errors
    /// The scenario does not ask for an administrator, the server's own authorities cannot be read, or no client can be made.
    pub fn administrator_at(&self, server: &ApiServer) -> Result<kube::Client> {
        if server.name == self.lab().main().name {
            return self.administrator();
        }
        self.needs("administrator")?;
        let client = self.lab().administrator_of(server)?.at(server)?.client();
        Ok(told::client(client, &server.name, &self.exchanges))
    }

    /// A client that may do everything at the API server that is asked: one with a key of its own signs service accounts' tokens with it.
    ///
    /// # Errors
    /// The scenario does not ask for one, or the server's own authorities cannot be read.
    pub fn administrator_here(&self) -> Result<kube::Client> {
        self.needs("administrator")?;
        let server = self.endpoint().server;
        if server.own_authorities.is_none() {
            return self.administrator();
        }
        let administrator = self.lab().administrator_of(&server)?;
        Ok(told::client(administrator.client(), &server.name, &self.exchanges))
    }

    /// The credential of an administrator of the API server that is asked.
    ///
    /// # Errors
    /// The scenario does not ask for one, or the server's own authorities cannot be read.
    pub fn administrator_credential(&self) -> Result<Credential> {
        self.needs("administrator")?;
        Ok(self.lab().administrator_of(&self.endpoint().server)?.credential().clone())
    }
}
