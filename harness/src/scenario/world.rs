//! The world of one scenario: who holds what, where they ask, what was answered.
//!
//! The main type is [`World`]. It is small on purpose: what only the steps about one noun need is
//! kept by them, as a type of their own ([`World::notes`]).

use std::any::{Any, TypeId};
use std::collections::{BTreeMap, HashMap};
use std::time::SystemTime;

use anyhow::{Context, Result, ensure};
use sha2::Digest;

use super::{Ended, Left, REQUIRES, SharedScenario, Stage, evidence, told};
use crate::cluster::{ApiServer, Driver, Minor, Places, SERVICE_ACCOUNT_ISSUER};
use crate::credential::Credential;
use crate::event::{AnswerReport, Events, Exchange, Exchanges};
use crate::identity_provider::issuer::Signer;
use crate::lab::{Keycloak, Lab, Login};
use crate::pki::{Authority, Leaf};
use crate::probe::{Answer, Door, Question, ask};
use crate::secret::Secret;

/// The lab as scenarios share it, and where to tell what happens in it.
#[derive(Clone, Debug)]
pub struct Site {
    /// The lab.
    pub lab: Lab,
    /// Where to tell what happens (a further API server starts, …).
    pub events: Events,
    /// Whether an account is kept of the requests between the parties.
    pub exchanges: bool,
    /// How scenarios are carried out in it.
    pub mode: Mode,
}

/// How scenarios are carried out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// As they are written.
    #[default]
    AsWritten,
    /// With the sound twin in place of each flawed credential: whoever asserts a refusal has to fail.
    Inverted,
    /// As they are written, in a lab in which something is wrong on purpose: nothing is kept as evidence of a failure.
    Sabotaged,
}

/// What somebody holds.
#[derive(Clone, Debug)]
pub struct Holding {
    /// What they present.
    pub credential: Credential,
    /// The sound counterpart of a flawed credential: made in the same way by the same authority or issuer.
    pub twin: Option<Twin>,
}

/// A sound credential beside a flawed one: it shows that the flaw is the only reason of a refusal.
#[derive(Clone, Debug)]
pub struct Twin {
    /// What is presented.
    pub credential: Credential,
    /// The user that the API server must take its holder for.
    pub user: String,
}

/// One scenario's world.
#[derive(Default, cucumber::World)]
pub struct World {
    site: Option<Site>,
    scenario: Option<SharedScenario>,
    holdings: BTreeMap<String, Holding>,
    current: Option<String>,
    door: Option<Door>,
    answers: Vec<Answer>,
    exchanges: Exchanges,
    namespace: Option<String>,
    notes: HashMap<TypeId, Box<dyn Any>>,
    /// Whether a twin was presented in place of a flawed credential.
    twin_presented: bool,
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("World")
            .field("holdings", &self.holdings.keys())
            .field("answers", &self.answers.len())
            .finish_non_exhaustive()
    }
}

impl World {
    fn site(&self) -> &Site {
        self.site.as_ref().expect("the runner gives every world its site")
    }

    fn lab(&self) -> &Lab {
        &self.site().lab
    }

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

    /// The authority whose client certificates the API server accepts, with its key.
    ///
    /// # Errors
    /// The scenario does not ask for it.
    pub fn client_authority(&self) -> Result<&Authority> {
        self.needs("cluster_signing_key")?;
        Ok(&self.lab().authorities()?.clients)
    }

    /// The same where it is ours, for what no scenario asks for: inverting it.
    pub fn own_client_authority(&self) -> Option<&Authority> {
        self.lab().authorities().ok().map(|authorities| &authorities.clients)
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
    pub fn auth_proxy(&self, name: &str) -> Result<Door> {
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
    pub fn places(&self) -> Result<Places> {
        self.needs("further_api_servers")?;
        let (description, serving) = (self.lab().description(), &self.lab().authorities()?.serving);
        Ok(Places {
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

    /// kubectl of the lab's version.
    ///
    /// # Errors
    /// The scenario does not ask for it, or the lab has none.
    pub fn kubectl(&self) -> Result<std::path::PathBuf> {
        self.needs("kubectl")?;
        let programs = self.lab().description().programs.as_ref().context("the lab has no kubectl")?;
        Ok(programs.join("kubectl"))
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

    /// What the administrator presents.
    ///
    /// # Errors
    /// The scenario does not ask for one.
    pub fn administrator_credential(&self) -> Result<Credential> {
        self.needs("administrator")?;
        Ok(self.lab().administrator().credential().clone())
    }

    /// A name that no other scenario and no other run uses: `base` with a suffix. Fit for any Kubernetes object.
    pub fn unique(&self, base: &str) -> String {
        let id = self.scenario.as_ref().map_or("", |scenario| scenario.id.as_str());
        let mut hash = sha2::Sha256::new();
        hash.update(id);
        hash.update(run_id());
        format!("{base}-{}", hex::encode(&hash.finalize()[..5]))
    }

    /// The metadata of an object called `name` that the scenario creates: its labels say whose it is, so that it can be found
    /// and deleted. A name outside of the scenario's namespace must be [unique](World::unique).
    pub fn metadata(&self, name: &str) -> serde_json::Value {
        serde_json::json!({ "name": name, "labels": self.lab().labels() })
    }

    /// `text` with what only a lab knows filled in: `{keycloak}` is Keycloak's issuer.
    pub fn filled(&self, text: &str) -> String {
        text.replace("{keycloak}", &self.lab().description().keycloak_issuer)
    }

    /// The person meant: a pronoun is the one named last.
    ///
    /// # Errors
    /// A pronoun before anybody was named.
    pub fn person(&mut self, said: &str) -> Result<String> {
        if matches!(said, "she" | "he" | "it" | "they") {
            return self.current.clone().with_context(|| format!("'{said}' before anybody was named"));
        }
        said.clone_into(self.current.get_or_insert_default());
        self.exchanges.speaks(said);
        Ok(said.to_owned())
    }

    /// Whether the scenario is inverted: sound twins take the place of what is flawed.
    pub fn is_inverted(&self) -> bool {
        self.site().mode == Mode::Inverted
    }

    /// Whether a twin is to be presented now, in place of its flawed counterpart.
    pub fn presents_twin(&mut self) -> bool {
        self.twin_presented |= self.is_inverted();
        self.is_inverted()
    }

    /// Whether a twin was presented in place of a flawed credential.
    pub fn has_presented_twin(&self) -> bool {
        self.twin_presented
    }

    /// `said` holds `credential` from now on; with a twin, it is a flawed one, and inverted, the twin is held.
    ///
    /// # Errors
    /// A pronoun before anybody was named.
    pub fn hold(&mut self, said: &str, credential: Credential, twin: Option<Twin>) -> Result<()> {
        let person = self.person(said)?;
        let credential = match &twin {
            Some(twin) if self.presents_twin() => twin.credential.clone(),
            _ => credential,
        };
        self.holdings.insert(person, Holding { credential, twin });
        Ok(())
    }

    /// What `said` holds is flawed from now on, and `twin` is its sound counterpart; inverted, the twin is held.
    ///
    /// # Errors
    /// Nothing was given to them.
    pub fn spoil(&mut self, said: &str, twin: Twin) -> Result<()> {
        let credential = self.holding(said)?.credential.clone();
        self.hold(said, credential, Some(twin))
    }

    /// What `said` holds.
    ///
    /// # Errors
    /// Nothing was given to them.
    pub fn holding(&mut self, said: &str) -> Result<&Holding> {
        let person = self.person(said)?;
        self.holdings.get(&person).with_context(|| format!("{person} holds nothing yet"))
    }

    /// The sound counterpart of the flawed credential that was given last.
    ///
    /// # Errors
    /// No flawed credential was given to anybody.
    pub fn twin(&self) -> Result<Twin> {
        let current = self.current.as_ref().and_then(|person| self.holdings.get(person));
        let twins = current
            .into_iter()
            .chain(self.holdings.values())
            .filter_map(|holding| holding.twin.clone());
        twins
            .into_iter()
            .next()
            .context("nobody holds a flawed credential that has a sound counterpart")
    }

    /// Everything is asked at `door` from now on.
    pub fn go_to(&mut self, door: Door) {
        self.door = Some(door);
    }

    /// Where everything is asked: the main API server unless the scenario chose another door.
    pub fn door(&self) -> Door {
        let door = self.door.clone().unwrap_or_else(|| Door::of(self.lab().main()));
        Door {
            exchanges: self.exchanges.clone(),
            ..door
        }
    }

    /// `said` asks `question`, presenting what they hold.
    ///
    /// # Errors
    /// They hold nothing.
    pub async fn ask(&mut self, said: &str, question: &Question) -> Result<Answer> {
        let credential = self.holding(said)?.credential.clone();
        let person = self.person(said)?;
        Ok(self.ask_with(&person, &credential, question).await)
    }

    /// `who` asks `question`, presenting `credential`. The answer becomes the last one.
    pub async fn ask_with(&mut self, who: &str, credential: &Credential, question: &Question) -> Answer {
        let answer = ask(&self.door(), who, credential, question).await;
        self.answers.push(answer.clone());
        answer
    }

    /// Takes an answer that was got in another way (a watch, a tool) as the last one.
    pub fn answered(&mut self, answer: Answer) {
        self.answers.push(answer);
    }

    /// The last answer.
    ///
    /// # Errors
    /// Nothing was asked yet.
    pub fn answer(&self) -> Result<&Answer> {
        self.answers.last().context("nothing was asked yet")
    }

    /// All answers, in order.
    pub fn answers(&self) -> &[Answer] {
        &self.answers
    }

    /// The scenario's own namespace, made when it is first needed.
    ///
    /// # Errors
    /// It cannot be made.
    pub async fn namespace(&mut self) -> Result<String> {
        if let Some(name) = &self.namespace {
            return Ok(name.clone());
        }
        let name = self.unique("authlab");
        let namespace = serde_json::from_value(serde_json::json!({ "metadata": self.metadata(&name) }))?;
        let namespaces: kube::Api<k8s_openapi::api::core::v1::Namespace> = kube::Api::all(self.administrator()?);
        namespaces
            .create(&kube::api::PostParams::default(), &namespace)
            .await
            .context("the scenario's namespace")?;
        self.namespace = Some(name.clone());
        Ok(name)
    }

    /// What the steps about one noun keep: a value of their own type.
    pub fn notes<T: Any + Default>(&mut self) -> &mut T {
        let notes = self.notes.entry(TypeId::of::<T>()).or_insert_with(|| Box::<T>::default());
        notes.downcast_mut().expect("it is kept under its own type")
    }
}

impl Stage for World {
    type Lab = Site;

    fn enter(&mut self, site: Site, scenario: SharedScenario) {
        if !site.exchanges {
            self.exchanges = Exchanges::unheard();
        }
        self.site = Some(site);
        self.scenario = Some(scenario);
    }

    fn answers(&self) -> Vec<AnswerReport> {
        self.answers.iter().map(Answer::report).collect()
    }

    fn exchanges(&self) -> Vec<(SystemTime, Exchange)> {
        self.exchanges.all()
    }

    async fn leave(&mut self, ended: Ended) -> Left {
        if self.twin_presented || self.site().mode == Mode::Sabotaged {
            // It has to fail: nothing is kept as evidence of that.
            return Left {
                inverted: self.twin_presented,
                ..Left::default()
            };
        }
        let (Ended::Failed(why), Some(scenario)) = (ended, self.scenario.clone()) else {
            return Left::default();
        };
        let log = self.answers.last().map(|last| last.record.log.clone()).unwrap_or_default();
        match evidence::keep(run_id(), &scenario, &why, &self.answers) {
            Ok(directory) => Left {
                log,
                evidence: Some(directory.display().to_string()),
                ..Left::default()
            },
            Err(error) => Left {
                log,
                evidence: None,
                problem: Some(format!("the evidence could not be kept: {error:#}")),
                ..Left::default()
            },
        }
    }
}

/// Tells this run of the features from every other in the same lab.
fn run_id() -> &'static str {
    static ID: std::sync::LazyLock<String> = std::sync::LazyLock::new(|| {
        let mut id = [0_u8; 8];
        rand::RngCore::fill_bytes(&mut rand::thread_rng(), &mut id);
        hex::encode(id)
    });
    &ID
}
